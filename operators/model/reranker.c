/* reranker: see reranker.h. */
#include "operators/model/reranker.h"

#include "operators/model/vector.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <assert.h>
#include <string.h>

static_assert(RERANKER_FLOATS <= MLP_FLOATS_MAX, "the weights fit a step");

size_t reranker_size(uint32_t top)
{
    size_t rows = vector_padded(top) * (RANKER_FEATURES + MLP_UNITS + 2) * sizeof(float);

    return rows + RERANKER_EXAMPLES * sizeof(struct reranker_example);
}

void reranker_init(struct reranker *reranker, uint32_t top, uint32_t features, uint64_t seed,
                   void *memory)
{
    size_t stride = vector_padded(top);
    struct reranker_weights *learnt = &reranker->learnt;

    CHECK(top > 0 && top <= RERANKER_TOP_MAX && features <= RANKER_FEATURES);
    CHECK(mlp_floats(RANKER_FEATURES, RERANKER_EXTRAS) == RERANKER_FLOATS);
    *reranker = (struct reranker){.top = top, .examples = memory};
    reranker->values = (float *)(void *)(reranker->examples + RERANKER_EXAMPLES);
    reranker->hidden = reranker->values + stride * RANKER_FEATURES;
    reranker->scores = reranker->hidden + stride * MLP_UNITS;
    reranker->scratch = reranker->scores + stride;
    reranker->mlp = (struct mlp){.features = features,
                                 .extras = RERANKER_EXTRAS,
                                 .rate = 0.003f,
                                 .decay = 1e-3f,
                                 .weights = learnt->weights,
                                 .means = learnt->means,
                                 .squares = learnt->squares,
                                 .fades = learnt->fades};
    mlp_init(&reranker->mlp, seed);
}

/* ---- rating ---- */

static void gather_extras(const struct ranker_request *asked, float *extras)
{
    float raw[2] = {(float)asked->history_count, 0.001f * (float)asked->gap_ms};

    raw[1] = raw[1] < 0 ? 0 : raw[1];
    vector_log(raw, raw, 1, 1, 2);
    extras[0] = 0.3f * raw[0];
    extras[1] = 0.2f * raw[1];
    extras[2] = asked->history_count == 0;
    extras[3] = asked->gap_ms >= 0 && asked->gap_ms < 1000;
    extras[4] = 1;
}

/* Features of one candidate, as a column of `to`. */
static void copy_candidate(const struct ranker *ranker, uint32_t place, float *to, uint32_t stride)
{
    for (uint32_t f = 0; f < ranker->features; f++)
        to[(size_t)f * stride] = ranker->values[(size_t)f * ranker->stride + place];
}

void reranker_rate(struct reranker *reranker, struct ranker *ranker)
{
    uint32_t stride = vector_padded(reranker->top), count;
    float *scores = reranker->scores, *linear = reranker->values, shift;
    struct fusion_rows rows = {reranker->values, stride, 0};

    reranker->count = count = rows.count = ranker_best(ranker, reranker->top, reranker->best);
    gather_extras(&ranker->asked, reranker->extras);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        copy_candidate(ranker, reranker->best[i].place, reranker->values + i, stride);
    mlp_score(&reranker->mlp, &rows, reranker->extras, reranker->hidden, scores);
    for (uint32_t i = 0; i < count; i++) {
        linear[i] = reranker->best[i].score; /* the features are used up */
        scores[i] = 0.5f * (scores[i] + linear[i]);
    }
    shift = vector_mass(linear, reranker->scratch, count) -
            vector_mass(scores, reranker->scratch, count);
    for (uint32_t i = 0; i < count; i++)
        ranker->scores[reranker->best[i].place] = scores[i] + shift;
}

/* ---- learning ---- */

static void add_candidate(const struct ranker *ranker, uint32_t place,
                          struct reranker_example *example)
{
    copy_candidate(ranker, place, example->values + example->count, MLP_ROWS_MAX);
    example->count++;
}

/* What was taken, the best others as they stand, and some of all. */
static void fill(const struct reranker *reranker, const struct ranker *ranker, uint32_t place,
                 uint64_t seed, struct reranker_example *example)
{
    struct ranker_ranked best[RERANKER_HARD + 1];
    uint32_t count = ranker_best(ranker, RERANKER_HARD + 1, best);
    float each = (float)ranker->count / RERANKER_DRAWN;

    *example = (struct reranker_example){0};
    memcpy(example->extras, reranker->extras, sizeof(example->extras));
    add_candidate(ranker, place, example);
    for (uint32_t i = 0; i < count && example->count <= RERANKER_HARD; i++)
        if (best[i].place != place)
            add_candidate(ranker, best[i].place, example);
    example->drawn_from = example->count;
    for (uint32_t i = 0; i < RERANKER_DRAWN; i++) {
        uint32_t drawn = (uint32_t)(hash_draw(seed, i) % ranker->count);

        if (drawn != place)
            add_candidate(ranker, drawn, example);
    }
    each = each < 1 ? 1 : each;
    vector_log(&example->offset, &each, 0, 1, 1);
}

static void learn(struct reranker *reranker, const struct reranker_example *example)
{
    mlp_learn(&reranker->mlp, &(struct mlp_case){{example->values, MLP_ROWS_MAX, example->count},
                                                 example->extras,
                                                 example->drawn_from,
                                                 example->offset});
}

void reranker_learn(struct reranker *reranker, struct ranker *ranker, uint32_t place, uint64_t seed)
{
    struct reranker_weights *learnt = &reranker->learnt;
    struct reranker_example *example = &reranker->examples[learnt->learned % RERANKER_EXAMPLES];
    uint64_t kept;

    fill(reranker, ranker, place, seed, example);
    learnt->learned++;
    kept = learnt->learned < RERANKER_EXAMPLES ? learnt->learned : RERANKER_EXAMPLES;
    learn(reranker, example);
    for (uint32_t i = 0; i < RERANKER_REPLAYS; i++)
        learn(reranker, &reranker->examples[hash_draw(seed, RERANKER_DRAWN + i) % kept]);
    for (uint32_t i = 0; i < reranker->count; i++)
        ranker->scores[reranker->best[i].place] = reranker->best[i].score;
}
