/* terms: the loops of fuse.c that are nothing but divisions and square roots over arrays, apart so
 * that they are compiled for vector units. Each element is computed as it would be alone: what IEEE
 * 754 says of one division holds in any lane, so the bits do not depend on the width. */
#ifndef MILLRACE_SCORE_TERMS_H
#define MILLRACE_SCORE_TERMS_H

#include <stdint.h>

/* roots[i] = sqrt(count x counts[i]) */
void terms_roots(double *restrict roots, double count, const double *restrict counts, uint32_t n);
/* out[i] = decay x values[i] / divisors[i] */
void terms_shares(double *restrict out, double decay, const double *restrict values,
                  const double *restrict divisors, uint32_t n);
/* out[i] = decay x values[i] / divisor */
void terms_parts(double *restrict out, double decay, const double *restrict values, double divisor,
                 uint32_t n);
/* sums[i] += weight x sqrt(values[i] / most) */
void terms_tempered(double *restrict sums, double weight, const double *restrict values,
                    double most, uint32_t n);

#endif
