/* lift: how far clicks of a class at a level of a factor (news at 8 h, clips on a train) differ from
 * what was predicted without that factor. Pure.
 *
 * A cell has three sums over impressions of prediction s (all other terms in) at positions of
 * examination e:
 *     O = sum of clicks    E = sum of e s    Q = sum of e s^2
 *     R = (O + a rho) / (E + a)              rho: the parent's ratio, 1 without one
 *     term = log R - log((1 - sR) / (1 - s)) s = Q / E
 * the ratio of odds: the ratio of rates alone reaches 0.8 to 0.9 of a true effect at the top of a
 * list, where s is 0.1 to 0.3, however many impressions there are.
 *
 * The prior a is estimated from the cells of all classes (empirical Bayes by weighted moments, as
 * Paule and Mandel 1982, J. Res. NBS 87): with r = sum O / sum E of the class, e = r E and k the
 * variance factor of decayed counts,
 *     tau^2 = (sum w ((O/e - 1)^2 - k/e) - 2 d) / sum w     w = (e / (k + e tau^2))^2
 *     a = max(4, k / max(tau^2, 1e-6))                      d^2 = sum 2 (w k/e)^2
 * solved by iteration from 2e-5. What spreads no more than chance gets a huge a: a factor without
 * effect fades by itself. The weight keeps one large cell from hiding the small ones. d is how far
 * the sum is off by chance: clicks come in clusters, by user, so that they spread somewhat more than
 * k/e, and without it a factor without effect passes on what its classes have in common. */
#ifndef MILLRACE_MODEL_LIFT_H
#define MILLRACE_MODEL_LIFT_H

#include <stdint.h>

#define LIFT_CAP 1.2         /* of a term, up and down */
#define LIFT_PRIOR_MIN 4.0   /* expected clicks */
#define LIFT_TAU2_MIN 1e-6   /* variance of log-ratios that counts as none */
#define LIFT_EXPECTED_MIN .5 /* cells of fewer expected clicks do not tell of the spread */

struct lift_sums {
    double clicks, expected, squares; /* O, E, Q */
};

double lift_sigmoid(double logit);

/* (O + a rho) / (E + a). */
double lift_ratio(const struct lift_sums *sums, double prior, double parent);
/* 0 for a cell without evidence under a parent ratio of 1. */
double lift_term(const struct lift_sums *sums, double prior, double parent, double cap);

/* The sums of `level` with half of each neighbour's on a circle of `circle` levels; levels beyond
 * the first circle lie on circles of their own. */
struct lift_sums lift_smooth(const struct lift_sums *sums, uint32_t level, uint32_t circle);

/* The variance factor of counts that lose half of their weight every `half_life`; half_life 0:
 * never, factor 1. Both in one unit. */
double lift_variance(double age, double half_life);

/* `count` classes of `levels` cells, one class after another. */
double lift_spread(const struct lift_sums *cells, uint32_t count, uint32_t levels, double variance);
/* a from tau^2. */
double lift_prior(double tau2, double variance);

#endif
