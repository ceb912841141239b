/* mlp: a small neural ranking of candidates that learns from each choice. Pure.
 *
 * score_j = l . x_j + sum over units of w2 f(w1 . (x_j, extras)), f leaky (0.1 below 0), over the
 * features x_j of a candidate and what its request has (extras). Loss of a choice: softmax
 * cross-entropy over what the caller has drawn of the candidates, where `offset` is added to the scores
 * of those that stand for more than themselves. Steps of Adam (Kingma, Ba 2015, ICLR) with decay.
 *
 * Weights are floats: l, then w1 of each unit (features, extras), then w2; the running means and
 * squares of Adam are laid out alike. */
#ifndef MILLRACE_MODEL_MLP_H
#define MILLRACE_MODEL_MLP_H

#include "operators/model/fusion.h"

#define MLP_UNITS 16u
#define MLP_ROWS_MAX 40u     /* of an example */
#define MLP_FLOATS_MAX 1200u /* weights */

struct mlp {
    uint32_t features, extras;
    float rate, decay;
    float *weights, *means, *squares; /* mlp_floats of each, the caller's */
    float *fades;                     /* two: what is left of the means' and squares' first zeros */
};

/* What was chosen stands at 0; from `offset_from` on, `offset` is added to the scores. */
struct mlp_case {
    struct fusion_rows rows;
    const float *extras;
    uint32_t offset_from;
    float offset;
};

uint32_t mlp_floats(uint32_t features, uint32_t extras);

/* Small weights that follow from the seed; l is zero. */
void mlp_init(const struct mlp *mlp, uint64_t seed);

/* scores[j]; `hidden`: room for MLP_UNITS x the rows' stride. */
void mlp_score(const struct mlp *mlp, const struct fusion_rows *rows, const float *extras,
               float *hidden, float *scores);

/* Of the log-likelihood of the choice. */
void mlp_gradient(const struct mlp *mlp, const struct mlp_case *its, float *gradient);

void mlp_learn(const struct mlp *mlp, const struct mlp_case *its);

#endif
