/* terms: see terms.h. Its meson.build has what these loops are compiled with. */
#include "operators/score/terms.h"

#include <math.h>

void terms_roots(double *restrict roots, double count, const double *restrict counts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        roots[i] = sqrt(count * counts[i]);
}

void terms_shares(double *restrict out, double decay, const double *restrict values,
                  const double *restrict divisors, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = decay * values[i] / divisors[i];
}

void terms_parts(double *restrict out, double decay, const double *restrict values, double divisor,
                 uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = decay * values[i] / divisor;
}

void terms_tempered(double *restrict sums, double weight, const double *restrict values,
                    double most, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sums[i] += weight * sqrt(values[i] / most);
}
