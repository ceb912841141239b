/* fusion: see fusion.h. */
#include "operators/model/fusion.h"

#include "operators/model/vector.h"
#include "runtime/base/check.h"

#include <string.h>

static uint32_t blocks(const struct fusion *fusion)
{
    return 1 + fusion->first_gates + fusion->second_gates;
}

size_t fusion_floats(uint32_t features, uint32_t first_gates, uint32_t second_gates)
{
    return (size_t)2 * features * (1 + first_gates + second_gates);
}

/* Where the weights of the two open gates begin. */
static void open_gates(const struct fusion *fusion, const struct fusion_gates *gates,
                       size_t begin[2])
{
    CHECK(gates->first < fusion->first_gates && gates->second < fusion->second_gates);
    begin[0] = (size_t)(1 + gates->first) * fusion->features;
    begin[1] = (size_t)(1 + fusion->first_gates + gates->second) * fusion->features;
}

void fusion_score(const struct fusion *fusion, const struct fusion_gates *gates,
                  const struct fusion_rows *rows, float *scores)
{
    size_t begin[2];

    open_gates(fusion, gates, begin);
    memset(scores, 0, rows->count * sizeof(*scores));
    for (uint32_t f = 0; f < fusion->features; f++)
        vector_add(scores,
                   fusion->weights[f] + fusion->weights[begin[0] + f] +
                       fusion->weights[begin[1] + f],
                   rows->values + (size_t)f * rows->stride, rows->count);
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
    float *squares = fusion->weights + (size_t)blocks(fusion) * fusion->features;
    float gradient[FUSION_FEATURES_MAX];
    size_t begin[2];

    CHECK(chosen < rows->count && fusion->features <= FUSION_FEATURES_MAX);
    open_gates(fusion, gates, begin);
    (void)fusion_softmax(scores, rows->count);
    fusion_gradient(rows, scores, chosen, fusion->features, gradient);
    vector_learn(fusion->weights, squares, gradient, 1, &step, fusion->features);
    for (int i = 0; i < 2; i++)
        vector_learn(fusion->weights + begin[i], squares + begin[i], gradient, 1, &gate_step,
                     fusion->features);
}
