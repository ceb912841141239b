/* embedding: vectors of items, learnt online from what follows what. Pure.
 *
 * Each item has a vector as a thing that was met (`in`), one as a thing that may follow (`out`) and a
 * bias. A history gives h = sum of decay^b in[item at distance b] / sqrt(sum of decay^b), an item the
 * score bias + h . out: FISM (Kabbur, Ning, Karypis 2013, KDD) with an order. Loss: softmax
 * cross-entropy of what came over sampled others, which the caller draws; then one Adagrad step of
 * each vector that took part, all from the gradient at the weights before. */
#ifndef MILLRACE_MODEL_EMBEDDING_H
#define MILLRACE_MODEL_EMBEDDING_H

#include "operators/model/vector.h"

#include <stddef.h>

#define EMBEDDING_PIECE VECTOR_ROW /* numbers of a piece of a vector */
#define EMBEDDING_DIMS_MAX 128u
#define EMBEDDING_SAMPLES_MAX 256u /* what came, and what did not */

struct embedding_piece { /* of what is learnt of an item */
    float in[EMBEDDING_PIECE], out[EMBEDDING_PIECE];
    float in_squares[EMBEDDING_PIECE], out_squares[EMBEDDING_PIECE];
};

struct embedding {
    uint32_t dims;     /* of a vector: whole pieces */
    float decay;       /* a step back in the history */
    uint32_t distance; /* items of the history that speak */
    float rate, ridge;
    /* By number of the item, `dims` each or one; squares of Adagrad. Apart, since a score reads
     * `out` and `bias` of many items and nothing else. */
    float *in, *out, *in_squares, *out_squares, *bias, *bias_squares;
};

/* What may have come after a history: items by number, newest first. */
struct embedding_case {
    const uint32_t *history, *samples; /* samples[0] is what came; the others are not it */
    uint32_t history_count, sample_count;
};

/* The arrays, in the caller's floats; `dims` is set. */
size_t embedding_floats(uint32_t items, uint32_t dims);
void embedding_place(struct embedding *embedding, uint32_t items, float *floats);

/* Small normal vectors that follow from the seed. */
void embedding_init(struct embedding *embedding, uint32_t item, uint64_t seed);
/* A piece of the item's vectors, from 0; biases stand in their arrays. */
void embedding_read(const struct embedding *embedding, uint32_t item, uint32_t piece,
                    struct embedding_piece *out);
void embedding_write(struct embedding *embedding, uint32_t item, uint32_t piece,
                     const struct embedding_piece *in);

/* h. Zero without a history. */
void embedding_context(const struct embedding *embedding, const uint32_t *history, uint32_t count,
                       float *context);

/* scores[i] of items[i] */
void embedding_score(const struct embedding *embedding, const float *context, const uint32_t *items,
                     uint32_t count, float *scores);

/* Gradient of the log-likelihood of what came, by the samples' scores and by the context. */
void embedding_gradient(const struct embedding *embedding, const struct embedding_case *its,
                        const float *context, float *by_score, float *by_context);

void embedding_learn(struct embedding *embedding, const struct embedding_case *its);

#endif
