/* fusion: a linear ranking of candidates that learns from each choice. Pure.
 *
 * score_j = (w + sum over kinds k of v_k[the open gate]) . x_j over the features x_j of a candidate. Loss of
 * a choice: softmax cross-entropy over all candidates, so that what is learnt is the order of one
 * list and what all candidates share cancels out. Gradient g = x_chosen - sum of p_j x_j, one
 * Adagrad step on w and a shorter one on the open gate of each kind (a hierarchy: what a gate has
 * seen little of falls back to w). From zero, so that a fusion that has learnt nothing ranks nothing.
 *
 * Weights are floats: w, then the gates of each kind, each `features` long; the squares of Adagrad are
 * laid out alike behind them. */
#ifndef MILLRACE_MODEL_FUSION_H
#define MILLRACE_MODEL_FUSION_H

#include <stddef.h>
#include <stdint.h>

#define FUSION_FEATURES_MAX 64u
#define FUSION_KINDS 3u /* of gates */

struct fusion {
    uint32_t features, gates[FUSION_KINDS]; /* of each kind */
    float rate, gate_rate;
    float *weights; /* fusion_floats of them, the caller's */
};

/* Features of candidates: feature f of candidate j is at values[f x stride + j]. */
struct fusion_rows {
    const float *values;
    uint32_t stride, count;
};

struct fusion_gates {
    uint32_t open[FUSION_KINDS];
};

/* `gates`: of all kinds. */
size_t fusion_floats(uint32_t features, uint32_t gates);

/* scores[j]; room for `count`. */
void fusion_score(const struct fusion *fusion, const struct fusion_gates *gates,
                  const struct fusion_rows *rows, float *scores);

/* scores -> probabilities, in place. Returns the sum that they were divided by, never 0 for a
 * count above 0. */
float fusion_softmax(float *scores, uint32_t count);

/* gradient[f] = x_chosen,f - sum of p_j x_j,f of the log-likelihood. */
void fusion_gradient(const struct fusion_rows *rows, const float *shares, uint32_t chosen,
                     uint32_t features, float *gradient);

/* Learns that `chosen` was chosen; `scores` as of fusion_score are used up. */
void fusion_learn(struct fusion *fusion, const struct fusion_gates *gates,
                  const struct fusion_rows *rows, uint32_t chosen, float *scores);

#endif
