/* See strengths.h. */
#include "operators/model/strengths.h"

#include "operators/model/lift.h"
#include "runtime/base/check.h"

#include <math.h>
#include <string.h>

#define P_MIN 1e-12 /* of a click and of none */

static double *cell(double *triangle, uint32_t row, uint32_t column)
{
    return &triangle[row * (row + 1) / 2 + column];
}

void strengths_init(struct strengths *strengths, uint32_t count, const double *means,
                    const double *errors)
{
    CHECK(count <= STRENGTHS_MAX);
    memset(strengths, 0, sizeof(*strengths));
    for (uint32_t i = 0; i < count; i++) {
        double precision = 1 / (errors[i] * errors[i]);
        strengths->values[i] = means[i];
        strengths->errors[i] = errors[i];
        *cell(strengths->precision, i, i) = precision;
        strengths->right[i] = precision * means[i];
    }
}

double strengths_likelihood(double logit, double examination, bool click)
{
    double p = examination * lift_sigmoid(logit);

    return log(fmax(click ? p : 1 - p, P_MIN));
}

double strengths_logit(const struct strengths *strengths, uint32_t count, const double *terms)
{
    double logit = 0;

    for (uint32_t i = 0; i < count; i++)
        logit += strengths->values[i] * terms[i];
    return logit;
}

void strengths_add(struct strengths *strengths, uint32_t count, const double *terms, double logit,
                   double examination, bool click)
{
    double s = lift_sigmoid(logit), none = fmax(1 - examination * s, P_MIN);
    double slope = (1 - s) * ((click ? 1 : 0) - examination * s) / none;
    double info = examination * s * (1 - s) * (1 - s) / none;
    double *at = strengths->precision;

    for (uint32_t i = 0; i < count; i++) {
        double weighed = info * terms[i];
        strengths->right[i] += (info * logit + slope) * terms[i];
        for (uint32_t j = 0; j <= i; j++)
            *at++ += weighed * terms[j];
    }
}

void strengths_fade(struct strengths *strengths, uint32_t count, const double *means,
                    const double *errors, double keep)
{
    for (uint32_t i = 0; i < STRENGTHS_CELLS; i++)
        strengths->precision[i] *= keep;
    for (uint32_t i = 0; i < count; i++) {
        double precision = (1 - keep) / (errors[i] * errors[i]);
        *cell(strengths->precision, i, i) += precision;
        strengths->right[i] = keep * strengths->right[i] + precision * means[i];
    }
}

/* In place: lower L with L L' = the matrix, which the priors make positive definite. */
static void factorise(double *triangle, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double sum = *cell(triangle, i, j);
            for (uint32_t k = 0; k < j; k++)
                sum -= *cell(triangle, i, k) * *cell(triangle, j, k);
            *cell(triangle, i, j) = i == j ? sqrt(fmax(sum, P_MIN)) : sum / *cell(triangle, j, j);
        }
}

/* L L' x = x. */
static void solve(double *triangle, uint32_t count, double *x)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < i; k++)
            x[i] -= *cell(triangle, i, k) * x[k];
        x[i] /= *cell(triangle, i, i);
    }
    for (uint32_t i = count; i-- > 0;) {
        for (uint32_t k = i + 1; k < count; k++)
            x[i] -= *cell(triangle, k, i) * x[k];
        x[i] /= *cell(triangle, i, i);
    }
}

void strengths_solve(struct strengths *strengths, uint32_t count)
{
    double triangle[STRENGTHS_CELLS], column[STRENGTHS_MAX];

    memcpy(triangle, strengths->precision, sizeof(triangle));
    factorise(triangle, count);
    memcpy(strengths->values, strengths->right, count * sizeof(double));
    solve(triangle, count, strengths->values);
    for (uint32_t i = 0; i < count; i++) {
        memset(column, 0, sizeof(column));
        column[i] = 1;
        solve(triangle, count, column);
        strengths->errors[i] = sqrt(column[i]);
    }
}
