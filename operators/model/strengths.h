/* strengths: how strongly terms of a click's logit should count, by Newton's method on the likelihood of
 * clicks that are seen through an examination. Pure.
 *
 *     P(click) = e sigmoid(w . x)     x: terms (and 1 for the level); e: examination of the position
 *     dl/dx    = (1 - s) (y - e s) / (1 - e s)          s = sigmoid(w . x)
 *     info     = e s (1 - s)^2 / (1 - e s)              the expected curvature (Fisher scoring)
 *
 * The log-likelihood of each row is expanded at the strengths that are known when it comes, and the
 * quadratics are added up: precision A = sum info x x', and b = sum (info x.w + dl/dx) x, so that the best
 * strengths are A^-1 b and their errors the roots of its inverse's diagonal. One pass; rows in one order
 * give the same bits. Each unknown begins at a prior mean with a prior error. */
#ifndef MILLRACE_MODEL_STRENGTHS_H
#define MILLRACE_MODEL_STRENGTHS_H

#include <stdbool.h>
#include <stdint.h>

#define STRENGTHS_MAX 24u
#define STRENGTHS_CELLS (STRENGTHS_MAX * (STRENGTHS_MAX + 1) / 2)

struct strengths {
    double values[STRENGTHS_MAX], errors[STRENGTHS_MAX]; /* of the last strengths_solve */
    double precision[STRENGTHS_CELLS];                   /* lower triangle, row by row */
    double right[STRENGTHS_MAX];
};

void strengths_init(struct strengths *strengths, uint32_t count, const double *means,
                    const double *errors);

/* log P of what was seen: a click or none. */
double strengths_likelihood(double logit, double examination, bool click);
/* w . x at the present values. */
double strengths_logit(const struct strengths *strengths, uint32_t count, const double *terms);
/* A row; `examination` in (0, 1]. `logit` is strengths_logit of it. */
void strengths_add(struct strengths *strengths, uint32_t count, const double *terms, double logit,
                   double examination, bool click);
/* Forgets: what was added counts `keep` times, the prior as before. */
void strengths_fade(struct strengths *strengths, uint32_t count, const double *means,
                    const double *errors, double keep);
/* New values and errors of all that was added. */
void strengths_solve(struct strengths *strengths, uint32_t count);

#endif
