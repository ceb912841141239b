/* interval: how sure a ratio of sums is when whole units (users) are drawn, not rows. Pure.
 *
 * Method: the delta method over units. Of R = N / D the relative error is the mean over the units of
 * n_u / N - d_u / D, times their number; uplifts of a ratio over another add both ratios' terms, so
 * that what two rankers share on the same user cancels. Squares are summed in fixed point: any order
 * of the units gives the same bits. */
#ifndef MILLRACE_MODEL_INTERVAL_H
#define MILLRACE_MODEL_INTERVAL_H

#include "runtime/base/sum.h"

#define INTERVAL_95 1.959963984540054 /* standard errors at either side of a 95 % interval */

struct influence {
    struct sum squares;
};

/* What one unit does to the logarithm of N / D, times `units`. N and D are not 0. */
static inline double influence_of(double n, double d, double numerator, double denominator,
                                  int64_t units)
{
    return (double)units * (n / numerator - d / denominator);
}

void influence_add(struct influence *influence, double value);

/* Standard error of the logarithm; NaN with fewer than 2 units. */
double influence_error(const struct influence *influence, int64_t units);

/* P(chi-square with `freedom` degrees > x): the upper regularised gamma function, by its series or
 * Lentz's continued fraction (Press et al. 2007, Numerical Recipes, 6.2). */
double chi_square_tail(double x, uint32_t freedom);

#endif
