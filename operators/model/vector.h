/* vector: float loops of the ranking model. Pure. Sums run in eight lanes that are added up in a
 * fixed order, and logarithm and exponential are polynomials written out here: the bits depend
 * neither on the width of the vector unit nor on the C library. */
#ifndef MILLRACE_MODEL_VECTOR_H
#define MILLRACE_MODEL_VECTOR_H

#include <math.h>
#include <stdint.h>

#define VECTOR_LANES 8u
#define VECTOR_ROW 32u /* numbers of the usual row of a table */

/* Rounds up to whole lanes. */
static inline uint32_t vector_padded(uint32_t n)
{
    return (n + VECTOR_LANES - 1) / VECTOR_LANES * VECTOR_LANES;
}

/* About normal: the sum of four uniform draws of 16 bits, by their mean and deviation. */
float vector_normal(uint64_t draw);
float vector_dot(const float *a, const float *b, uint32_t n);
/* The same of `a` with each of many, which may lie anywhere in memory. */
void vector_dots(const float *a, const float *const *many, uint32_t count, uint32_t n, float *dots);
/* out[i] = with . the row `rows[i]` of a table of rows of `width` numbers. */
void vector_rows(float *out, const float *with, const float *table, uint32_t width,
                 const uint32_t *rows, uint32_t count);
float vector_sum(const float *a, uint32_t n);
/* The largest; `least` where there is none above. */
float vector_most(const float *a, uint32_t n, float least);
/* How many are above each; both have room for whole lanes. */
void vector_above(const float *a, uint32_t n, uint32_t *above);
/* to += scale x from */
void vector_add(float *restrict to, float scale, const float *restrict from, uint32_t n);
/* out = scale x ln(in + shift); the argument must be normal and above 0. Error under 2e-7. */
void vector_log(float *out, const float *in, float shift, float scale, uint32_t n);
/* out = exp(in - shift), relative error under 2e-7; 0 below -87. in - shift must be at most 88. */
void vector_exp(float *out, const float *in, float shift, uint32_t n);
/* ln of the sum of exp(a), of at least one; `scratch` as long. */
float vector_mass(const float *a, float *scratch, uint32_t n);
/* out = scale x in */
void vector_scale(float *out, const float *in, float scale, uint32_t n);
/* One step of Adagrad (Duchi, Hazan, Singer 2011, JMLR 12): squares += g^2, weights += rate g /
 * (sqrt(squares) + 1e-6) - decay weights, with g = scale x gradient - ridge x weights. */
struct vector_step {
    float rate, decay, ridge;
};
static inline void vector_learn_one(float *weight, float *square, float g,
                                    const struct vector_step *step)
{
    g -= step->ridge * *weight;
    *square += g * g;
    *weight += step->rate * g / (sqrtf(*square) + 1e-6f) - step->decay * *weight;
}

void vector_learn(float *restrict weights, float *restrict squares, const float *restrict gradient,
                  float scale, const struct vector_step *step, uint32_t n);

#endif
