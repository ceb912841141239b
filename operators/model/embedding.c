/* embedding: see embedding.h. */
#include "operators/model/embedding.h"

#include "operators/model/fusion.h"
#include "operators/model/vector.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define DIMS EMBEDDING_DIMS
#define START_SIZE 0.1f    /* standard deviation of a new vector */
#define START_SQUARE 0.01f /* so that the first steps are not the whole rate long */

/* About normal: the sum of four uniform draws of 16 bits, by their mean and deviation. */
static float normal(uint64_t draw)
{
    int32_t sum = 0;

    for (int i = 0; i < 4; i++, draw >>= 16)
        sum += (int32_t)(draw & 0xffff);
    return (float)(sum - 2 * 0xffff) * (1.0f / 37837.0f);
}

void embedding_init(struct embedding_item *item, uint64_t seed)
{
    for (uint32_t d = 0; d < DIMS; d++) {
        item->in[d] = START_SIZE * normal(hash_draw(seed, 2 * d));
        item->out[d] = START_SIZE * normal(hash_draw(seed, 2 * d + 1));
        item->in_squares[d] = item->out_squares[d] = START_SQUARE;
    }
    item->bias = 0;
    item->bias_square = START_SQUARE;
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
        vector_add(context, weight, embedding->items[history[b]].in, DIMS);
    if (n > 0)
        vector_scale(context, context, shrinkage(embedding, n), DIMS);
}

void embedding_score(const struct embedding *embedding, const float *context, const uint32_t *items,
                     uint32_t count, float *scores)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct embedding_item *item = &embedding->items[items[i]];

        scores[i] = item->bias + vector_dot(item->out, context, DIMS);
    }
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
        vector_add(by_context, by_score[i], embedding->items[its->samples[i]].out, DIMS);
}

void embedding_learn(struct embedding *embedding, const struct embedding_case *its)
{
    const struct vector_step step = {embedding->rate, 0, embedding->ridge};
    float context[DIMS], by_context[DIMS], by_score[EMBEDDING_SAMPLES_MAX];
    uint32_t n = speaking(embedding, its->history_count);
    float weight = n > 0 ? shrinkage(embedding, n) : 0;

    embedding_context(embedding, its->history, its->history_count, context);
    embedding_gradient(embedding, its, context, by_score, by_context);
    for (uint32_t i = 0; i < its->sample_count; i++) {
        struct embedding_item *item = &embedding->items[its->samples[i]];

        vector_learn(item->out, item->out_squares, context, by_score[i], &step, DIMS);
        vector_learn(&item->bias, &item->bias_square, &(float){1}, by_score[i], &step, 1);
    }
    for (uint32_t b = 0; b < n; b++, weight *= embedding->decay) {
        struct embedding_item *item = &embedding->items[its->history[b]];

        vector_learn(item->in, item->in_squares, by_context, weight, &step, DIMS);
    }
}
