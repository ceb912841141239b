/* mf: half-steps of matrix factorisation for implicit feedback (Hu, Koren, Volinsky 2008, ICDM): the
 * vector of a user (or item) that fits what he met with confidence 1 + c, and everything else with
 * confidence 1 and value 0, given the vectors of the other side:
 *     x = (G + ridge (n + sum c) I + sum c q q^T)^-1 sum (1 + c) q,    G = sum over all n q q^T
 * The ridge counts pairs, so that it means the same for few and for many (Rendle et al. 2022, RecSys).
 * Matrices are lower triangles by rows, `width` x `width` places; sums in double and in the order of
 * calls. Pure. */
#ifndef MILLRACE_MODEL_MF_H
#define MILLRACE_MODEL_MF_H

#include <stdbool.h>
#include <stdint.h>

#define MF_WIDTH_MAX 48u

/* G += sign v v^T */
void mf_gram(double *gram, const float *vector, uint32_t width, double sign);

struct mf_system {
    uint32_t width;
    double ridge;
    double matrix[MF_WIDTH_MAX * MF_WIDTH_MAX], right[MF_WIDTH_MAX];
};
/* `all`: how many vectors are in G. */
void mf_begin(struct mf_system *system, const double *gram, uint32_t width, double ridge,
              double all);
void mf_add(struct mf_system *system, const float *vector, double confidence);
/* By Cholesky's method, in place. A matrix that is not positive definite (ridge 0): false, and the
 * vector is as before. */
bool mf_solve(struct mf_system *system, float *vector);

/* A vector to begin with: normal, of spread 0.1 / sqrt(width), by hash alone. */
void mf_start(uint64_t seed, uint64_t id, uint32_t width, float *vector);

#endif
