/* fusion: see fusion.h. */
#include "operators/model/fusion.h"

#include "operators/model/vector.h"
#include "runtime/base/check.h"

#include <string.h>

size_t fusion_floats(uint32_t features, uint32_t gates)
{
    return (size_t)2 * features * (1 + gates);
}

/* Where the weights of the open gates begin; returns where the squares do. */
static size_t open_gates(const struct fusion *fusion, const struct fusion_gates *gates,
                         size_t begin[FUSION_KINDS])
{
    size_t at = fusion->features;

    for (uint32_t kind = 0; kind < FUSION_KINDS; kind++) {
        CHECK(gates->open[kind] < fusion->gates[kind]);
        begin[kind] = at + (size_t)gates->open[kind] * fusion->features;
        at += (size_t)fusion->gates[kind] * fusion->features;
    }
    return at;
}

void fusion_score(const struct fusion *fusion, const struct fusion_gates *gates,
                  const struct fusion_rows *rows, float *scores)
{
    size_t begin[FUSION_KINDS];

    (void)open_gates(fusion, gates, begin);
    memset(scores, 0, rows->count * sizeof(*scores));
    for (uint32_t f = 0; f < fusion->features; f++) {
        float weight = fusion->weights[f];

        for (uint32_t kind = 0; kind < FUSION_KINDS; kind++)
            weight += fusion->weights[begin[kind] + f];
        vector_add(scores, weight, rows->values + (size_t)f * rows->stride, rows->count);
    }
}

float fusion_softmax(float *scores, uint32_t count)
{
    float most = vector_most(scores, count, scores[0]), sum;

    vector_exp(scores, scores, most, count);
    sum = vector_sum(scores, count);
    vector_scale(scores, scores, 1.0f / sum, count);
    return sum;
}

void fusion_gradient(const struct fusion_rows *rows, const float *shares, uint32_t chosen,
                     uint32_t features, float *gradient)
{
    for (uint32_t f = 0; f < features; f++) {
        const float *values = rows->values + (size_t)f * rows->stride;

        gradient[f] = values[chosen] - vector_dot(values, shares, rows->count);
    }
}

void fusion_learn(struct fusion *fusion, const struct fusion_gates *gates,
                  const struct fusion_rows *rows, uint32_t chosen, float *scores)
{
    const struct vector_step step = {fusion->rate, 1e-5f, 0};
    const struct vector_step gate_step = {fusion->gate_rate, 1e-4f, 0};
    float gradient[FUSION_FEATURES_MAX];
    size_t begin[FUSION_KINDS], squares = open_gates(fusion, gates, begin);
    float *weights = fusion->weights;

    CHECK(chosen < rows->count && fusion->features <= FUSION_FEATURES_MAX);
    (void)fusion_softmax(scores, rows->count);
    fusion_gradient(rows, scores, chosen, fusion->features, gradient);
    vector_learn(weights, weights + squares, gradient, 1, &step, fusion->features);
    for (uint32_t kind = 0; kind < FUSION_KINDS; kind++)
        vector_learn(weights + begin[kind], weights + squares + begin[kind], gradient, 1,
                     &gate_step, fusion->features);
}
