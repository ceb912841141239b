/* levels: what time is made of for feature/share and adjust/time: hours of the day and days of the
 * week, in UTC, and the evidence on how a class's events fall on them. Pure.
 *
 * The term of a level is log(share(level | class) / share(level)), where the class's share is drawn
 * towards the overall one by `prior` pseudo-events:
 *     (n_class,level + prior x p) / (n_class + prior) / p      p = (n_level + 1) / (n + levels)
 * so that a class of few events has a term near 0, and one without any exactly 0. */
#ifndef MILLRACE_MODEL_LEVELS_H
#define MILLRACE_MODEL_LEVELS_H

#include <stdint.h>

#define LEVELS_HOURS 24u
#define LEVELS_WEEKDAYS 7u /* 0 is Monday */

uint32_t levels_hour(int64_t time_ms);
uint32_t levels_weekday(int64_t time_ms);

struct levels_overall { /* shares of all classes together */
    double hours[LEVELS_HOURS], weekdays[LEVELS_WEEKDAYS];
};

struct levels_counts {
    int64_t total;
    int64_t hours[LEVELS_HOURS], weekdays[LEVELS_WEEKDAYS];
};

void levels_add(struct levels_counts *into, int64_t total, const int64_t *hours,
                const int64_t *weekdays);
void levels_overall(const struct levels_counts *all, struct levels_overall *overall);

/* The term of one level. */
double levels_term(int64_t at_level, int64_t total, double overall, double prior);

#endif
