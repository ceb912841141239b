/* embedding: see embedding.h. */
#include "operators/model/embedding.h"

#include "operators/model/fusion.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define DIMS EMBEDDING_DIMS
#define LINE 16u           /* floats of a cache line */
#define START_SIZE 0.1f    /* standard deviation of a new vector */
#define START_SQUARE 0.01f /* so that the first steps are not the whole rate long */

size_t embedding_floats(uint32_t items)
{
    return (size_t)items * (4 * DIMS + 2);
}

void embedding_place(struct embedding *embedding, uint32_t items, float *floats)
{
    size_t vectors = (size_t)items * DIMS;

    embedding->in = floats;
    embedding->out = embedding->in + vectors;
    embedding->in_squares = embedding->out + vectors;
    embedding->out_squares = embedding->in_squares + vectors;
    embedding->bias = embedding->out_squares + vectors;
    embedding->bias_squares = embedding->bias + items;
}

static float *of(float *vectors, uint32_t item)
{
    return vectors + (size_t)item * DIMS;
}

void embedding_init(struct embedding *embedding, uint32_t item, uint64_t seed)
{
    struct embedding_item new = {.bias_square = START_SQUARE};

    for (uint32_t d = 0; d < DIMS; d++) {
        new.in[d] = START_SIZE *vector_normal(hash_draw(seed, 2 * d));
        new.out[d] = START_SIZE *vector_normal(hash_draw(seed, 2 * d + 1));
        new.in_squares[d] = new.out_squares[d] = START_SQUARE;
    }
    embedding_write(embedding, item, &new);
}

void embedding_read(const struct embedding *embedding, uint32_t item, struct embedding_item *out)
{
    memcpy(out->in, of(embedding->in, item), sizeof(out->in));
    memcpy(out->out, of(embedding->out, item), sizeof(out->out));
    memcpy(out->in_squares, of(embedding->in_squares, item), sizeof(out->in_squares));
    memcpy(out->out_squares, of(embedding->out_squares, item), sizeof(out->out_squares));
    out->bias = embedding->bias[item];
    out->bias_square = embedding->bias_squares[item];
}

void embedding_write(struct embedding *embedding, uint32_t item, const struct embedding_item *in)
{
    memcpy(of(embedding->in, item), in->in, sizeof(in->in));
    memcpy(of(embedding->out, item), in->out, sizeof(in->out));
    memcpy(of(embedding->in_squares, item), in->in_squares, sizeof(in->in_squares));
    memcpy(of(embedding->out_squares, item), in->out_squares, sizeof(in->out_squares));
    embedding->bias[item] = in->bias;
    embedding->bias_squares[item] = in->bias_square;
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

    memset(context, 0, DIMS * sizeof(*context));
    for (uint32_t b = 0; b < n; b++, weight *= embedding->decay)
        vector_add(context, weight, of(embedding->in, history[b]), DIMS);
    if (n > 0)
        vector_scale(context, context, shrinkage(embedding, n), DIMS);
}

void embedding_score(const struct embedding *embedding, const float *context, const uint32_t *items,
                     uint32_t count, float *scores)
{
    vector_rows(scores, context, embedding->out, items, count);
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
    memset(by_context, 0, DIMS * sizeof(*by_context));
    for (uint32_t i = 0; i < its->sample_count; i++)
        vector_add(by_context, by_score[i], of(embedding->out, its->samples[i]), DIMS);
}

/* Samples lie anywhere: all are on their way from memory before the first is needed. */
static void fetch(const struct embedding *embedding, const struct embedding_case *its)
{
    for (uint32_t i = 0; i < its->sample_count; i++) {
        const float *out = of(embedding->out, its->samples[i]);
        const float *squares = of(embedding->out_squares, its->samples[i]);

        for (uint32_t d = 0; d < DIMS; d += LINE) {
            __builtin_prefetch(out + d);
            __builtin_prefetch(squares + d, 1);
        }
        __builtin_prefetch(embedding->bias_squares + its->samples[i], 1);
    }
}

void embedding_learn(struct embedding *embedding, const struct embedding_case *its)
{
    const struct vector_step step = {embedding->rate, 0, embedding->ridge};
    float context[DIMS], by_context[DIMS], by_score[EMBEDDING_SAMPLES_MAX];
    uint32_t n = speaking(embedding, its->history_count);
    float weight = n > 0 ? shrinkage(embedding, n) : 0;

    fetch(embedding, its);
    embedding_context(embedding, its->history, its->history_count, context);
    embedding_gradient(embedding, its, context, by_score, by_context);
    for (uint32_t i = 0; i < its->sample_count; i++) {
        uint32_t item = its->samples[i];

        vector_learn(of(embedding->out, item), of(embedding->out_squares, item), context,
                     by_score[i], &step, DIMS);
        vector_learn_one(&embedding->bias[item], &embedding->bias_squares[item], by_score[i],
                         &step);
    }
    for (uint32_t b = 0; b < n; b++, weight *= embedding->decay) {
        uint32_t item = its->history[b];

        vector_learn(of(embedding->in, item), of(embedding->in_squares, item), by_context, weight,
                     &step, DIMS);
    }
}
