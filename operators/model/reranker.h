/* reranker: a second look at the best candidates: a small neural ranking (operators/model/mlp.h) over
 * their features and what the request is like, beside the linear fusion. Pure.
 *
 * Within the best `top` of the fusion, scores become the mean of both rankings' scores; what
 * probability they have together stays as the fusion has it, and what is behind them stays. It learns
 * from what was taken against the hardest candidates and some drawn ones, which stand for all the
 * others (ln of how many each stands for is added to their score); then from a few examples of a ring,
 * with features as they were then. */
#ifndef MILLRACE_MODEL_RERANKER_H
#define MILLRACE_MODEL_RERANKER_H

#include "operators/model/mlp.h"
#include "operators/model/ranker.h"

#define RERANKER_TOP_MAX 1000u
#define RERANKER_HARD 20u
#define RERANKER_DRAWN (MLP_ROWS_MAX - 1 - RERANKER_HARD)
#define RERANKER_EXAMPLES 1024u
#define RERANKER_REPLAYS 4u
#define RERANKER_EXTRAS 5u
#define RERANKER_FLOATS                                                                            \
    (RANKER_FEATURES +                                                                             \
     MLP_UNITS * (RANKER_FEATURES + RERANKER_EXTRAS + 1)) /* mlp_floats, at most */

struct reranker_example {
    uint32_t count, drawn_from; /* candidates; from here on they were drawn */
    float offset, extras[RERANKER_EXTRAS];
    float values[RANKER_FEATURES * MLP_ROWS_MAX];
};

/* All that is learnt, but for the examples. */
struct reranker_weights {
    uint64_t learned; /* examples, ever; 0: nothing is here */
    float fades[2];
    float weights[RERANKER_FLOATS], means[RERANKER_FLOATS], squares[RERANKER_FLOATS];
};

struct reranker {
    uint32_t top;
    struct mlp mlp;
    struct reranker_weights learnt;
    struct reranker_example *examples; /* by number modulo RERANKER_EXAMPLES */
    /* of the request */
    struct ranker_ranked best[RERANKER_TOP_MAX]; /* with the fusion's scores */
    uint32_t count;
    float extras[RERANKER_EXTRAS];
    float *values, *hidden, *scores, *scratch;
};

/* The caller gives zeroed memory of this size. `features`: of the ranker. */
size_t reranker_size(uint32_t top);
void reranker_init(struct reranker *reranker, uint32_t top, uint32_t features, uint64_t seed,
                   void *memory);

/* After ranker_rate: changes the scores of the best. */
void reranker_rate(struct reranker *reranker, struct ranker *ranker);
/* The user took the candidate at `place`. Gives the ranker the fusion's scores back, to learn itself. */
void reranker_learn(struct reranker *reranker, struct ranker *ranker, uint32_t place,
                    uint64_t seed);

#endif
