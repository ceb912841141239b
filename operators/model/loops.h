/* loops: short loops over columns that are worth a vector unit; what they are compiled with is in
 * meson.build. No loop sums up over rows, so the bits do not depend on the width of the unit. Pure. */
#ifndef MILLRACE_MODEL_LOOPS_H
#define MILLRACE_MODEL_LOOPS_H

#include <stdint.h>

/* to = left + right; `to` may be either. */
void loops_add(double *to, const double *left, const double *right, uint32_t count);
/* How many of the ascending cuts each value reaches, `none` for NaN, below the 16 bits `upper`. */
void loops_cuts(const double *values, uint32_t count, const double *cuts, uint32_t cut_count,
                uint32_t none, uint32_t upper, uint32_t *levels);
/* to[i] = terms[how many of the ascending cuts values[i] reaches], or terms[cut_count + 1] for NaN. */
void loops_steps(const double *values, uint32_t count, const double *cuts, uint32_t cut_count,
                 const double *terms, double *to);
/* to[i] = from[places[i]] */
void loops_gather(double *to, const double *from, const uint16_t *places, uint32_t count);
/* places = lower 16 bits; returns the largest value, as unsigned. */
uint32_t loops_narrow(const int32_t *values, uint32_t count, uint16_t *places);
/* places = lower 16 bits, but at most `most`; returns the upper 16 bits of all, and-ed. */
uint32_t loops_places(const uint32_t *levels, uint32_t count, uint32_t most, uint16_t *places);

#endif
