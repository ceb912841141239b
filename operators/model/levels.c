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

static double chi_square(const int64_t *counts, const double *shares, uint32_t levels,
                         int64_t total)
{
    double sum = 0;

    for (uint32_t i = 0; i < levels; i++) {
        double expected = (double)total * shares[i], apart = (double)counts[i] - expected;
        sum += apart * apart / expected;
    }
    return sum;
}

void levels_spread_add(struct levels_spread *spread, const struct levels_overall *overall,
                       int64_t total, const int64_t *hours, const int64_t *weekdays)
{
    if (total <= 0)
        return;
    spread->hours += chi_square(hours, overall->hours, LEVELS_HOURS, total);
    spread->weekdays += chi_square(weekdays, overall->weekdays, LEVELS_WEEKDAYS, total);
    spread->total += (double)total;
    spread->classes++;
}

double levels_prior(const struct levels_spread *spread, double chi_square_sum, uint32_t levels)
{
    double each = chi_square_sum / (levels - 1.0), classes = (double)spread->classes, prior;

    if (each <= classes)
        return LEVELS_PRIOR_MAX;
    prior = (spread->total - each) / (each - classes);
    return prior < LEVELS_PRIOR_MIN   ? LEVELS_PRIOR_MIN
           : prior > LEVELS_PRIOR_MAX ? LEVELS_PRIOR_MAX
                                      : prior;
}

double levels_term(int64_t at_level, int64_t total, double overall, double prior)
{
    if (total <= 0)
        return 0;
    return log(((double)at_level + prior * overall) / ((double)total + prior) / overall);
}
