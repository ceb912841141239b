/* levels: what time is made of for feature/share and adjust/time: hours of the day and days of the
 * week, in UTC, and the evidence on how a class's events fall on them. Pure.
 *
 * The term of a level is log(share(level | class) / share(level)), where the class's share is drawn
 * towards the overall one by `prior` pseudo-events:
 *     (n_class,level + prior x p) / (n_class + prior) / p      p = (n_level + 1) / (n + levels)
 * so that a class of few events has a term near 0, and one without any exactly 0.
 *
 * The prior can be estimated from the classes themselves (empirical Bayes, by moments): if a class's
 * shares are drawn around the overall ones from a Dirichlet distribution of concentration a, then
 * Pearson's chi-square over all classes is (levels - 1) (n + a classes) / (1 + a) on average
 * (Mosimann 1962, Biometrika 49). What is no more spread than chance gives an infinite a: a factor
 * without effect fades by itself. */
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

#define LEVELS_PRIOR_MIN 1.0
#define LEVELS_PRIOR_MAX 1e6

struct levels_spread {      /* of the classes so far around the overall shares */
    double hours, weekdays; /* chi-square */
    double total;
    int64_t classes;
};

void levels_spread_add(struct levels_spread *spread, const struct levels_overall *overall,
                       int64_t total, const int64_t *hours, const int64_t *weekdays);
/* The estimate from a chi-square over `levels` levels, within the bounds above. */
double levels_prior(const struct levels_spread *spread, double chi_square, uint32_t levels);

/* The term of one level. */
double levels_term(int64_t at_level, int64_t total, double overall, double prior);

#endif
