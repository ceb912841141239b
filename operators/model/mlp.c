/* mlp: see mlp.h. */
#include "operators/model/mlp.h"

#include "operators/model/vector.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define LEAK 0.1f
#define INNER_SIZE 0.25f /* standard deviations of new weights */
#define OUTER_SIZE 0.05f
#define MEAN_FADE 0.9f
#define SQUARE_FADE 0.999f

static uint32_t inputs(const struct mlp *mlp)
{
    return mlp->features + mlp->extras;
}

/* Where the weights of a unit begin; behind the last one those of the units' outputs. */
static uint32_t unit_begin(const struct mlp *mlp, uint32_t unit)
{
    return mlp->features + unit * inputs(mlp);
}

uint32_t mlp_floats(uint32_t features, uint32_t extras)
{
    return features + MLP_UNITS * (features + extras + 1);
}

void mlp_init(const struct mlp *mlp, uint64_t seed)
{
    uint32_t outer = unit_begin(mlp, MLP_UNITS), count = mlp_floats(mlp->features, mlp->extras);

    CHECK(count <= MLP_FLOATS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        float size = i < mlp->features ? 0 : i < outer ? INNER_SIZE : OUTER_SIZE;

        mlp->weights[i] = size * vector_normal(hash_draw(seed, i));
        mlp->means[i] = mlp->squares[i] = 0;
    }
    mlp->fades[0] = mlp->fades[1] = 1;
}

static void leak(float *values, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        values[i] = values[i] < 0 ? LEAK * values[i] : values[i];
}

void mlp_score(const struct mlp *mlp, const struct fusion_rows *rows, const float *extras,
               float *hidden, float *scores)
{
    const float *outer = mlp->weights + unit_begin(mlp, MLP_UNITS);

    memset(scores, 0, rows->count * sizeof(*scores));
    for (uint32_t f = 0; f < mlp->features; f++)
        vector_add(scores, mlp->weights[f], rows->values + (size_t)f * rows->stride, rows->count);
    for (uint32_t unit = 0; unit < MLP_UNITS; unit++) {
        const float *weights = mlp->weights + unit_begin(mlp, unit);
        float *out = hidden + (size_t)unit * rows->stride;
        float same = vector_dot(weights + mlp->features, extras, mlp->extras);

        for (uint32_t j = 0; j < rows->count; j++)
            out[j] = same;
        for (uint32_t f = 0; f < mlp->features; f++)
            vector_add(out, weights[f], rows->values + (size_t)f * rows->stride, rows->count);
        leak(out, rows->count);
        vector_add(scores, outer[unit], out, rows->count);
    }
}

/* by_in[j] = by_out[j] x scale x the slope at what came out */
static void slope(float *by_in, const float *by_out, float scale, const float *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        by_in[i] = scale * by_out[i] * (out[i] < 0 ? LEAK : 1);
}

static void gradient_of_rows(const struct fusion_rows *rows, const float *by_row, uint32_t features,
                             float *gradient)
{
    for (uint32_t f = 0; f < features; f++)
        gradient[f] = vector_dot(rows->values + (size_t)f * rows->stride, by_row, rows->count);
}

void mlp_gradient(const struct mlp *mlp, const struct mlp_case *its, float *gradient)
{
    float hidden[MLP_UNITS * MLP_ROWS_MAX], by_score[MLP_ROWS_MAX], by_in[MLP_ROWS_MAX];
    const float *outer = mlp->weights + unit_begin(mlp, MLP_UNITS);
    const struct fusion_rows *rows = &its->rows;
    uint32_t n = rows->count;

    CHECK(n > 0 && rows->stride <= MLP_ROWS_MAX);
    mlp_score(mlp, rows, its->extras, hidden, by_score);
    for (uint32_t j = its->offset_from; j < n; j++)
        by_score[j] += its->offset;
    (void)fusion_softmax(by_score, n);
    vector_scale(by_score, by_score, -1, n);
    by_score[0] += 1;
    gradient_of_rows(rows, by_score, mlp->features, gradient);
    for (uint32_t unit = 0; unit < MLP_UNITS; unit++) {
        const float *out = hidden + (size_t)unit * rows->stride;
        float *inner = gradient + unit_begin(mlp, unit);

        gradient[unit_begin(mlp, MLP_UNITS) + unit] = vector_dot(out, by_score, n);
        slope(by_in, by_score, outer[unit], out, n);
        gradient_of_rows(rows, by_in, mlp->features, inner);
        vector_scale(inner + mlp->features, its->extras, vector_sum(by_in, n), mlp->extras);
    }
}

static void step(float *restrict weights, float *restrict means, float *restrict squares,
                 const float *restrict gradient, const float *scales, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        means[i] += (1 - MEAN_FADE) * (gradient[i] - means[i]);
        squares[i] += (1 - SQUARE_FADE) * (gradient[i] * gradient[i] - squares[i]);
        weights[i] +=
            scales[0] * means[i] / (sqrtf(scales[1] * squares[i]) + 1e-8f) - scales[2] * weights[i];
    }
}

void mlp_learn(const struct mlp *mlp, const struct mlp_case *its)
{
    float gradient[MLP_FLOATS_MAX], scales[3];

    mlp->fades[0] *= MEAN_FADE;
    mlp->fades[1] *= SQUARE_FADE;
    scales[0] = mlp->rate / (1 - mlp->fades[0]);
    scales[1] = 1 / (1 - mlp->fades[1]);
    scales[2] = mlp->rate * mlp->decay;
    mlp_gradient(mlp, its, gradient);
    step(mlp->weights, mlp->means, mlp->squares, gradient, scales,
         mlp_floats(mlp->features, mlp->extras));
}
