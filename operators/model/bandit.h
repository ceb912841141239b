/* bandit: which of some arms to play, with the probability of it. Pure.
 *
 * Thompson (Thompson 1933, Biometrika 25): clicks of an arm are Poisson with `exposure` (the sum of the
 * examinations of what was shown) times a rate of its own; rates have a gamma prior around the rate of all
 * arms together, worth `prior` clicks. The probability that an arm is the best is the share of
 * BANDIT_DRAWS joint posterior draws in which it is (gamma by the cube of a normal: Wilson, Hilferty 1931;
 * normals by hash), so it can be written down exactly and an arm drawn by it.
 *
 * LinUCB (Li et al. 2010, WWW): the rate is theta.x; the arm with the largest theta.x + alpha
 * sqrt(x' A^-1 x) is played, A and theta from ridge regression of clicks on examination times x. */
#ifndef MILLRACE_MODEL_BANDIT_H
#define MILLRACE_MODEL_BANDIT_H

#include <stdbool.h>
#include <stdint.h>

#define BANDIT_ARMS_MAX 16u
#define BANDIT_WIDTH_MAX 12u /* of a context, with its constant */
#define BANDIT_CELLS_MAX (BANDIT_WIDTH_MAX * (BANDIT_WIDTH_MAX + 1) / 2)
#define BANDIT_DRAWS 2000u

struct bandit_arm { /* what was seen of an arm; sums over its impressions */
    double clicks, exposure;
    double moments[BANDIT_CELLS_MAX]; /* e^2 x x', lower triangle row by row */
    double right[BANDIT_WIDTH_MAX];   /* e x click */
};

void bandit_add(struct bandit_arm *arm, const double *context, uint32_t width, double examination,
                bool click);
/* Forgets: all sums times `keep`. */
void bandit_fade(struct bandit_arm *arm, double keep);

/* Probabilities of the arms, by posterior draws that follow from the seed and the arms alone; each at
 * least floor / count. */
void bandit_thompson(const struct bandit_arm *arms, uint32_t count, double prior, double floor,
                     uint64_t seed, double *probabilities);

/* The ridge solution of an arm: ready for any number of contexts. */
struct bandit_linear {
    uint32_t width;
    double theta[BANDIT_WIDTH_MAX], factor[BANDIT_CELLS_MAX]; /* A = L L' */
};
void bandit_linear(const struct bandit_arm *arm, uint32_t width, double ridge,
                   struct bandit_linear *linear);
double bandit_bound(const struct bandit_linear *linear, const double *context, double alpha);

/* The arm at `at` in [0, 1) of the probabilities laid end to end. */
uint32_t bandit_draw(const double *probabilities, uint32_t count, double at);

#endif
