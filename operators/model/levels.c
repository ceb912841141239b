/* levels: see levels.h. */
#include "operators/model/levels.h"

#include <math.h>

#define HOUR INT64_C(3600000) /* ms */

static int64_t whole(int64_t time_ms, int64_t unit_ms)
{
    return time_ms / unit_ms - (time_ms % unit_ms < 0);
}

uint32_t levels_hour(int64_t time_ms)
{
    int64_t hour = whole(time_ms, HOUR) % 24;

    return (uint32_t)(hour < 0 ? hour + 24 : hour);
}

uint32_t levels_weekday(int64_t time_ms)
{
    int64_t day = (whole(time_ms, 24 * HOUR) + 3) % 7; /* 1 January 1970 was a Thursday */

    return (uint32_t)(day < 0 ? day + 7 : day);
}

void levels_add(struct levels_counts *into, int64_t total, const int64_t *hours,
                const int64_t *weekdays)
{
    into->total += total;
    for (uint32_t i = 0; i < LEVELS_HOURS; i++)
        into->hours[i] += hours[i];
    for (uint32_t i = 0; i < LEVELS_WEEKDAYS; i++)
        into->weekdays[i] += weekdays[i];
}

static void shares(const int64_t *counts, uint32_t levels, int64_t total, double *out)
{
    for (uint32_t i = 0; i < levels; i++)
        out[i] = (double)(counts[i] + 1) / (double)(total + levels);
}

void levels_overall(const struct levels_counts *all, struct levels_overall *overall)
{
    shares(all->hours, LEVELS_HOURS, all->total, overall->hours);
    shares(all->weekdays, LEVELS_WEEKDAYS, all->total, overall->weekdays);
}

double levels_term(int64_t at_level, int64_t total, double overall, double prior)
{
    if (total <= 0)
        return 0;
    return log(((double)at_level + prior * overall) / ((double)total + prior) / overall);
}
