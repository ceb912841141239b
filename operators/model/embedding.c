/* embedding: see embedding.h. */
#include "operators/model/embedding.h"

#include "operators/model/fusion.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define LINE 16u           /* floats of a cache line */
#define START_SIZE 0.1f    /* standard deviation of a new vector */
#define START_SQUARE 0.01f /* so that the first steps are not the whole rate long */

size_t embedding_floats(uint32_t items, uint32_t dims)
{
    return (size_t)items * (4 * dims + 2);
}

void embedding_place(struct embedding *embedding, uint32_t items, float *floats)
{
    size_t vectors = (size_t)items * embedding->dims;

    CHECK(embedding->dims <= EMBEDDING_DIMS_MAX && embedding->dims % EMBEDDING_PIECE == 0);
    embedding->in = floats;
    embedding->out = embedding->in + vectors;
    embedding->in_squares = embedding->out + vectors;
    embedding->out_squares = embedding->in_squares + vectors;
    embedding->bias = embedding->out_squares + vectors;
    embedding->bias_squares = embedding->bias + items;
}

static float *of(const struct embedding *embedding, float *vectors, uint32_t item)
{
    return vectors + (size_t)item * embedding->dims;
}

void embedding_init(struct embedding *embedding, uint32_t item, uint64_t seed)
{
    float *in = of(embedding, embedding->in, item), *out = of(embedding, embedding->out, item);
    float *in_squares = of(embedding, embedding->in_squares, item);
    float *out_squares = of(embedding, embedding->out_squares, item);

    for (uint32_t d = 0; d < embedding->dims; d++) {
        in[d] = START_SIZE * vector_normal(hash_draw(seed, 2 * d));
        out[d] = START_SIZE * vector_normal(hash_draw(seed, 2 * d + 1));
        in_squares[d] = out_squares[d] = START_SQUARE;
    }
    embedding->bias[item] = 0;
    embedding->bias_squares[item] = START_SQUARE;
}

void embedding_read(const struct embedding *embedding, uint32_t item, uint32_t piece,
                    struct embedding_piece *out)
{
    size_t at = (size_t)item * embedding->dims + (size_t)piece * EMBEDDING_PIECE;

    memcpy(out->in, embedding->in + at, sizeof(out->in));
    memcpy(out->out, embedding->out + at, sizeof(out->out));
    memcpy(out->in_squares, embedding->in_squares + at, sizeof(out->in_squares));
    memcpy(out->out_squares, embedding->out_squares + at, sizeof(out->out_squares));
}

void embedding_write(struct embedding *embedding, uint32_t item, uint32_t piece,
                     const struct embedding_piece *in)
{
    size_t at = (size_t)item * embedding->dims + (size_t)piece * EMBEDDING_PIECE;

    memcpy(embedding->in + at, in->in, sizeof(in->in));
    memcpy(embedding->out + at, in->out, sizeof(in->out));
    memcpy(embedding->in_squares + at, in->in_squares, sizeof(in->in_squares));
    memcpy(embedding->out_squares + at, in->out_squares, sizeof(in->out_squares));
}

static uint32_t speaking(const struct embedding *embedding, uint32_t count)
{
    return count < embedding->distance ? count : embedding->distance;
}

/* 1 / sqrt(sum of decay^b) */
static float shrinkage(const struct embedding *embedding, uint32_t count)
{
    float weight = 1, sum = 0;

    for (uint32_t b = 0; b < count; b++, weight *= embedding->decay)
        sum += weight;
    return 1.0f / sqrtf(sum);
}

void embedding_context(const struct embedding *embedding, const uint32_t *history, uint32_t count,
                       float *context)
{
    uint32_t n = speaking(embedding, count);
    float weight = 1;

    memset(context, 0, embedding->dims * sizeof(*context));
    for (uint32_t b = 0; b < n; b++, weight *= embedding->decay)
        vector_add(context, weight, of(embedding, embedding->in, history[b]), embedding->dims);
    if (n > 0)
        vector_scale(context, context, shrinkage(embedding, n), embedding->dims);
}

void embedding_score(const struct embedding *embedding, const float *context, const uint32_t *items,
                     uint32_t count, float *scores)
{
    vector_rows(scores, context, embedding->out, embedding->dims, items, count);
    for (uint32_t i = 0; i < count; i++)
        scores[i] += embedding->bias[items[i]];
}

void embedding_gradient(const struct embedding *embedding, const struct embedding_case *its,
                        const float *context, float *by_score, float *by_context)
{
    CHECK(its->sample_count > 0 && its->sample_count <= EMBEDDING_SAMPLES_MAX);
    embedding_score(embedding, context, its->samples, its->sample_count, by_score);
    (void)fusion_softmax(by_score, its->sample_count);
    vector_scale(by_score, by_score, -1, its->sample_count);
    by_score[0] += 1;
    memset(by_context, 0, embedding->dims * sizeof(*by_context));
    for (uint32_t i = 0; i < its->sample_count; i++)
        vector_add(by_context, by_score[i], of(embedding, embedding->out, its->samples[i]),
                   embedding->dims);
}

/* Samples lie anywhere: all are on their way from memory before the first is needed. */
static void fetch(const struct embedding *embedding, const struct embedding_case *its)
{
    for (uint32_t i = 0; i < its->sample_count; i++) {
        const float *out = of(embedding, embedding->out, its->samples[i]);
        const float *squares = of(embedding, embedding->out_squares, its->samples[i]);

        for (uint32_t d = 0; d < embedding->dims; d += LINE) {
            __builtin_prefetch(out + d);
            __builtin_prefetch(squares + d, 1);
        }
        __builtin_prefetch(embedding->bias_squares + its->samples[i], 1);
    }
}

void embedding_learn(struct embedding *embedding, const struct embedding_case *its)
{
    const struct vector_step step = {embedding->rate, 0, embedding->ridge};
    float context[EMBEDDING_DIMS_MAX], by_context[EMBEDDING_DIMS_MAX],
        by_score[EMBEDDING_SAMPLES_MAX];
    uint32_t n = speaking(embedding, its->history_count);
    float weight = n > 0 ? shrinkage(embedding, n) : 0;

    fetch(embedding, its);
    embedding_context(embedding, its->history, its->history_count, context);
    embedding_gradient(embedding, its, context, by_score, by_context);
    for (uint32_t i = 0; i < its->sample_count; i++) {
        uint32_t item = its->samples[i];

        vector_learn(of(embedding, embedding->out, item),
                     of(embedding, embedding->out_squares, item), context, by_score[i], &step,
                     embedding->dims);
        vector_learn_one(&embedding->bias[item], &embedding->bias_squares[item], by_score[i],
                         &step);
    }
    for (uint32_t b = 0; b < n; b++, weight *= embedding->decay) {
        uint32_t item = its->history[b];

        vector_learn(of(embedding, embedding->in, item), of(embedding, embedding->in_squares, item),
                     by_context, weight, &step, embedding->dims);
    }
}
