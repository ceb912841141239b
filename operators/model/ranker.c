/* ranker: see ranker.h. */
#include "operators/model/ranker.h"

#include "operators/model/ranking_attributes.h"
#include "operators/model/vector.h"
#include "runtime/base/check.h"

#include <math.h>
#include <string.h>

#define NEAR_DISTANCE 60u
#define BEST_DISTANCE 20u
#define SEQUENCE_DISTANCE 11u
#define DAMP 5.0f /* events that a sequence rule has to have seen before it speaks up */
#define FAST_EVENTS 300.0f
#define SLOW_EVENTS 2000.0f
#define STAGE_EVENTS 1000.0f
#define STAGE_DAMP 20.0f
#define LN2 0.693147181f
#define FEW 128u /* candidates that are ranked by comparing all with all; whole lanes */

/* ---- memory ---- */

static void *part(uint8_t *memory, size_t *at, size_t count, size_t size)
{
    size_t begin = *at;

    *at += (count * size + 63) / 64 * 64;
    return memory ? memory + begin : NULL;
}

static size_t layout(struct ranker *ranker, const struct ranker_limits *limits, uint8_t *memory)
{
    size_t at = 0, padded = vector_padded(limits->candidates);
    uint32_t n = limits->items;

    ranker->items.events = part(memory, &at, n, sizeof(float));
    ranker->items.shrink = part(memory, &at, n, sizeof(float));
    ranker->items.fast = part(memory, &at, n, sizeof(float));
    ranker->items.slow = part(memory, &at, n, sizeof(float));
    ranker->items.again = part(memory, &at, n, sizeof(float));
    ranker->items.first = part(memory, &at, n, sizeof(uint32_t));
    ranker->items.last = part(memory, &at, n, sizeof(uint32_t));
    ranker->items.stages = part(memory, &at, (size_t)n * RANKER_STAGES, sizeof(float));
    ranker->stage_sums = part(memory, &at, RANKER_STAGES, sizeof(float));
    for (uint32_t i = 0; i < limits->embeddings; i++) {
        float *floats = part(memory, &at, embedding_floats(n, limits->dims), sizeof(float));

        ranker->embeddings[i].dims = limits->dims;
        if (floats)
            embedding_place(&ranker->embeddings[i], n, floats);
    }
    ranker->fusion.weights =
        part(memory, &at, fusion_floats(RANKER_FEATURES, RANKER_GATES), sizeof(float));
    ranker->candidates = part(memory, &at, limits->candidates, sizeof(uint32_t));
    ranker->met = part(memory, &at, n, sizeof(struct ranker_met));
    for (uint32_t i = 0; i < RANKER_SUMS; i++)
        ranker->sums[i] = part(memory, &at, padded + 1, sizeof(float));
    ranker->values = part(memory, &at, padded * RANKER_FEATURES, sizeof(float));
    ranker->scores = part(memory, &at, padded, sizeof(float));
    ranker->scratch = part(memory, &at, padded, sizeof(float));
    ranker->ranks = part(memory, &at, limits->candidates, sizeof(uint64_t));
    return at + 64;
}

size_t ranker_size(const struct ranker_limits *limits)
{
    struct ranker none;

    return layout(&none, limits, NULL);
}

/* So many, and what else was asked for behind them. */
static void set_features(struct ranker *ranker, uint32_t count)
{
    ranker->third = ranker->embedding_count > 2 ? count++ : 0;
    ranker->direct = ranker->direct_asked ? count++ : 0;
    ranker->features = ranker->fusion.features = count;
}

void ranker_init(struct ranker *ranker, const struct ranker_limits *limits, bool repeats,
                 void *memory)
{
    static const struct ranker_pace histories = {
        0.9f, 0.985f, 0.7f, {1, 2, 4, 10, 25, 60}, {{0.85f, 20}, {0.99f, 60}, {0.5f, 4}}};
    static const struct ranker_pace sessions = {
        0.6f, 0.985f, 0.7f, {1, 2, 3, 5, 10, 20}, {{0.6f, 6}, {0.85f, 20}, {0.3f, 2}}};

    *ranker = (struct ranker){.candidates_max = limits->candidates,
                              .stride = vector_padded(limits->candidates),
                              .embedding_count = limits->embeddings,
                              .direct_asked = limits->direct};
    (void)layout(ranker, limits, (uint8_t *)(((uintptr_t)memory + 63) / 64 * 64));
    set_features(ranker, RANKER_PLAIN);
    ranker->pace = repeats ? &sessions : &histories;
    ranker->fusion.gates[GATE_STAGE] = RANKER_STAGES;
    ranker->fusion.gates[GATE_GAP] = RANKER_GAPS;
    ranker->fusion.gates[GATE_KNOWN] = RANKER_KNOWN;
    ranker->fusion.rate = 0.2f;
    ranker->fusion.gate_rate = 0.1f;
    for (uint32_t i = 0; i < limits->embeddings; i++) {
        ranker->embeddings[i].rate = 0.1f;
        ranker->embeddings[i].ridge = 1e-4f;
        ranker->embeddings[i].decay = ranker->pace->embeddings[i].decay;
        ranker->embeddings[i].distance = ranker->pace->embeddings[i].distance;
    }
    ranker->near_decay[0] = ranker->far_decay[0] = ranker->sequence_decay[0] = 1;
    for (uint32_t b = 1; b < RANKER_HISTORY_MAX; b++) {
        ranker->near_decay[b] = ranker->near_decay[b - 1] * ranker->pace->near;
        ranker->far_decay[b] = ranker->far_decay[b - 1] * ranker->pace->far;
        ranker->sequence_decay[b] = ranker->sequence_decay[b - 1] * ranker->pace->sequence;
    }
}

void ranker_set_attributes(struct ranker *ranker, struct attributes *attributes)
{
    ranker->attributes = attributes;
    set_features(ranker, FEATURE_NUMBER + attributes->numbers);
}

/* ---- candidates ---- */

static uint32_t level(int64_t value, const int64_t *cuts, uint32_t count)
{
    uint32_t level = 0;

    while (level < count && value >= cuts[level])
        level++;
    return level;
}

static void open_gates(struct ranker *ranker, const struct ranker_request *request)
{
    static const int64_t gaps[RANKER_GAPS - 1] = {0, 2000, 10000, 30000, 90000, 300000, 900000};
    static const int64_t events[RANKER_KNOWN - 1] = {1, 4, 12, 35, 100, 300};
    uint32_t *open = ranker->gates.open;
    float known = request->history_count > 0 ? ranker->items.events[request->history[0]] : 0;

    open[GATE_STAGE] = level(request->history_count, ranker->pace->lengths, RANKER_STAGES - 1);
    open[GATE_GAP] = level(request->gap_ms, gaps, RANKER_GAPS - 1);
    open[GATE_KNOWN] = level((int64_t)known, events, RANKER_KNOWN - 1);
}

void ranker_begin(struct ranker *ranker, const struct ranker_request *request)
{
    for (uint32_t i = 0; i < RANKER_SUMS; i++) {
        memset(ranker->sums[i], 0, ranker->count * sizeof(float));
        ranker->sums[i][ranker->stride] = 0;
    }
    ranker->asked = *request;
    ranker->count = 0;
    ranker->request++;
    ranker->after_share = ranker->direct_share = 1 / DAMP;
    for (uint32_t i = 0; i < request->own_count; i++)
        ranker->met[request->own[i]] = (struct ranker_met){ranker->request, ranker->stride};
    open_gates(ranker, request);
    if (ranker->attributes)
        attributes_begin(ranker->attributes, request);
}

/* Where sums of the item go. */
static uint32_t meet(struct ranker *ranker, uint32_t item)
{
    struct ranker_met *met = &ranker->met[item];

    if (met->request == ranker->request)
        return met->place;
    if (ranker->count == ranker->candidates_max)
        return ranker->stride;
    *met = (struct ranker_met){ranker->request, ranker->count};
    ranker->candidates[ranker->count] = item;
    return ranker->count++;
}

void ranker_meet(struct ranker *ranker, uint32_t item)
{
    (void)meet(ranker, item);
}

int32_t ranker_place(const struct ranker *ranker, uint32_t item)
{
    const struct ranker_met *met = &ranker->met[item];
    bool offered = met->request == ranker->request && met->place != ranker->stride;

    return offered ? (int32_t)met->place : -1;
}

static void add(float *restrict sums, float scale, const float *restrict values,
                const uint32_t *restrict places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sums[places[i]] += scale * values[i];
}

static void add_best(float *restrict sums, float scale, const float *restrict values,
                     const uint32_t *restrict places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float value = scale * values[i], *best = &sums[places[i]];

        *best = value > *best ? value : *best;
    }
}

static void add_sequence(struct ranker *ranker, const struct ranker_line *line, uint32_t distance)
{
    const uint32_t *places = ranker->entry_places;
    float forward = ranker->sequence_decay[distance] / (line->forward_sum + DAMP);
    float backward = ranker->sequence_decay[distance] / (line->backward_sum + DAMP);

    add(ranker->sums[SUM_SEQUENCE], forward, line->forward, places, line->entries);
    add(ranker->sums[SUM_BACKWARD], backward, line->backward, places, line->entries);
    if (distance > 0)
        return;
    add(ranker->sums[SUM_AFTER], 1, line->forward, places, line->entries);
    ranker->after_share = 1 / (line->forward_sum + DAMP);
    if (!ranker->direct)
        return;
    add(ranker->sums[SUM_DIRECT], 1, line->direct, places, line->entries);
    ranker->direct_share = 1 / (line->direct_sum + DAMP);
}

void ranker_add(struct ranker *ranker, const struct ranker_line *line, uint32_t distance)
{
    const uint32_t *places = ranker->entry_places;
    float shrink = 1 / sqrtf(line->count), far = ranker->far_decay[distance] * shrink;
    float near = ranker->near_decay[distance] * shrink;

    CHECK(line->entries <= RANKER_ENTRIES_MAX);
    for (uint32_t i = 0; i < line->entries; i++)
        ranker->entry_places[i] = meet(ranker, line->items[i]);
    add(ranker->sums[SUM_FAR], far, line->together, places, line->entries);
    if (distance < NEAR_DISTANCE)
        add(ranker->sums[SUM_NEAR], near, line->together, places, line->entries);
    if (distance < BEST_DISTANCE)
        add_best(ranker->sums[SUM_BEST], near, line->together, places, line->entries);
    if (distance < ranker->asked.visit_count)
        add(ranker->sums[SUM_VISIT], shrink, line->together, places, line->entries);
    if (distance < SEQUENCE_DISTANCE)
        add_sequence(ranker, line, distance);
}

void ranker_add_one(struct ranker *ranker, enum ranker_sum which, uint32_t item, float value)
{
    ranker->sums[which][meet(ranker, item)] += value;
}

/* ---- features ---- */

static void tail(struct ranker *ranker, const float *sums, float most, enum ranker_feature which)
{
    float *out = ranker_values(ranker, which);

    if (most <= 0) {
        memset(out, 0, ranker->count * sizeof(*out));
        return;
    }
    vector_scale(out, sums, 1 / most, ranker->count);
    vector_log(out, out, 0.003f, 0.33f, ranker->count);
}

static void head(struct ranker *ranker, const float *sums, float most, enum ranker_feature which)
{
    vector_scale(ranker_values(ranker, which), sums, most > 0 ? 1 / most : 0, ranker->count);
}

/* The sums of lines, by what of them is the candidate's own. */
static void finish_sums(struct ranker *ranker)
{
    for (uint32_t j = 0; j < ranker->count; j++) {
        float shrink = ranker->items.shrink[ranker->candidates[j]];

        ranker->sums[SUM_NEAR][j] *= shrink;
        ranker->sums[SUM_FAR][j] *= shrink;
        ranker->sums[SUM_BEST][j] *= shrink;
        ranker->sums[SUM_VISIT][j] *= shrink;
    }
}

static void generator_features(struct ranker *ranker)
{
    float most[RANKER_SUMS];

    finish_sums(ranker);
    for (uint32_t i = 0; i < RANKER_SUMS; i++)
        most[i] = vector_most(ranker->sums[i], ranker->count, 0);
    head(ranker, ranker->sums[SUM_NEAR], most[SUM_NEAR], FEATURE_NEAR_HEAD);
    tail(ranker, ranker->sums[SUM_NEAR], most[SUM_NEAR], FEATURE_NEAR_TAIL);
    head(ranker, ranker->sums[SUM_FAR], most[SUM_FAR], FEATURE_FAR_HEAD);
    tail(ranker, ranker->sums[SUM_FAR], most[SUM_FAR], FEATURE_FAR_TAIL);
    head(ranker, ranker->sums[SUM_SEQUENCE], most[SUM_SEQUENCE], FEATURE_SEQUENCE_HEAD);
    tail(ranker, ranker->sums[SUM_SEQUENCE], most[SUM_SEQUENCE], FEATURE_SEQUENCE_TAIL);
    tail(ranker, ranker->sums[SUM_BACKWARD], most[SUM_BACKWARD], FEATURE_BACKWARD_TAIL);
    head(ranker, ranker->sums[SUM_BEST], most[SUM_BEST], FEATURE_BEST_HEAD);
    tail(ranker, ranker->sums[SUM_BEST], most[SUM_BEST], FEATURE_BEST_TAIL);
    head(ranker, ranker->sums[SUM_VISIT], most[SUM_VISIT], FEATURE_VISIT_HEAD);
    tail(ranker, ranker->sums[SUM_VISIT], most[SUM_VISIT], FEATURE_VISIT_TAIL);
    head(ranker, ranker->sums[SUM_FOLLOW], most[SUM_FOLLOW], FEATURE_FOLLOW_HEAD);
    tail(ranker, ranker->sums[SUM_FOLLOW], most[SUM_FOLLOW], FEATURE_FOLLOW_TAIL);
    head(ranker, ranker->sums[SUM_PEERS], most[SUM_PEERS], FEATURE_PEERS_HEAD);
    tail(ranker, ranker->sums[SUM_PEERS], most[SUM_PEERS], FEATURE_PEERS_TAIL);
}

/* One log feature of what is kept of items. */
static void kept(struct ranker *ranker, const float *values, float shift, float scale,
                 enum ranker_feature which)
{
    for (uint32_t j = 0; j < ranker->count; j++)
        ranker->scratch[j] = values[ranker->candidates[j]];
    vector_log(ranker_values(ranker, which), ranker->scratch, shift, scale, ranker->count);
}

static void since(struct ranker *ranker, const uint32_t *values, uint32_t now,
                  enum ranker_feature which)
{
    for (uint32_t j = 0; j < ranker->count; j++)
        ranker->scratch[j] = (float)(now - values[ranker->candidates[j]]);
    vector_log(ranker_values(ranker, which), ranker->scratch, 1, 0.2f, ranker->count);
}

/* scratch[j] = 2^(-events since the candidate's last one / half) */
static void fade(struct ranker *ranker, uint32_t now, float half)
{
    float each = -LN2 / half;

    for (uint32_t j = 0; j < ranker->count; j++)
        ranker->scratch[j] = each * (float)(now - ranker->items.last[ranker->candidates[j]]);
    vector_exp(ranker->scratch, ranker->scratch, 0, ranker->count);
}

static void faded(struct ranker *ranker, const float *values, uint32_t now, float half,
                  enum ranker_feature which)
{
    float *out = ranker_values(ranker, which);

    fade(ranker, now, half);
    for (uint32_t j = 0; j < ranker->count; j++)
        out[j] = ranker->scratch[j] * values[ranker->candidates[j]];
    vector_log(out, out, half < 1000 ? 0.05f : 0.1f, 0.33f, ranker->count);
}

/* A rule of the newest item, smoothed to the candidate's share of all events. */
static void rule_feature(struct ranker *ranker, enum ranker_sum sum, float share, uint32_t now,
                         uint32_t which)
{
    float *out = ranker_values(ranker, which), each = now > 0 ? DAMP / (float)now : 0;
    const float *sums = ranker->sums[sum];

    for (uint32_t j = 0; j < ranker->count; j++)
        out[j] = share * (sums[j] + each * ranker->items.events[ranker->candidates[j]]);
    vector_log(out, out, 1e-5f, 0.25f, ranker->count);
}

/* How much more often users with as long a history take it than all do: what newcomers begin with. */
static void stage_feature(struct ranker *ranker, const struct ranker_request *request)
{
    float *out = ranker_values(ranker, FEATURE_STAGE), all = 1 / ((float)request->now + 1);
    float sum = ranker->stage_sums[ranker->gates.open[GATE_STAGE]], share = 1 / (sum + STAGE_DAMP);

    fade(ranker, request->now, STAGE_EVENTS);
    for (uint32_t j = 0; j < ranker->count; j++) {
        uint32_t item = ranker->candidates[j];
        float count =
            ranker->items.stages[(size_t)item * RANKER_STAGES + ranker->gates.open[GATE_STAGE]];
        float expected = (ranker->items.events[item] + 0.1f) * all;

        out[j] = (count * ranker->scratch[j] + STAGE_DAMP * expected) * share / expected;
    }
    vector_log(out, out, 0, 0.33f, ranker->count);
}

/* What the user took, on average: popularity and age of the latest items as features have them. */
static void taste(const struct ranker *ranker, const struct ranker_request *request, float *popular,
                  float *age)
{
    float raw[2], sum = 0;

    *popular = *age = 0;
    for (uint32_t b = 0; b < request->history_count && b < NEAR_DISTANCE; b++) {
        uint32_t item = request->history[b];

        raw[0] = ranker->items.events[item] + 0.5f;
        raw[1] = (float)(request->now - ranker->items.first[item]) + 1;
        vector_log(raw, raw, 0, 1, 2);
        *popular += ranker->near_decay[b] * 0.33f * raw[0];
        *age += ranker->near_decay[b] * 0.2f * raw[1];
        sum += ranker->near_decay[b];
    }
    *popular = sum > 0 ? *popular / sum : 0;
    *age = sum > 0 ? *age / sum : 0;
}

static void taste_features(struct ranker *ranker, const struct ranker_request *request)
{
    const float *count = ranker_values(ranker, FEATURE_COUNT),
                *age = ranker_values(ranker, FEATURE_AGE);
    float *near = ranker_values(ranker, FEATURE_TASTE);
    float *near_age = ranker_values(ranker, FEATURE_TASTE_AGE), popular_mean, age_mean;
    float on = request->history_count > 0 ? -1 : 0;

    taste(ranker, request, &popular_mean, &age_mean);
    for (uint32_t j = 0; j < ranker->count; j++) {
        near[j] = on * fabsf(count[j] - popular_mean);
        near_age[j] = on * fabsf(age[j] - age_mean);
    }
}

/* What the user met already, where that is offered. */
static void met_features(struct ranker *ranker, const struct ranker_request *request)
{
    float *same = ranker_values(ranker, FEATURE_SAME),
          *rate = ranker_values(ranker, FEATURE_SAME_RATE);
    float *met = ranker_values(ranker, FEATURE_MET),
          *often = ranker_values(ranker, FEATURE_MET_OFTEN);
    float *longest = ranker_values(ranker, FEATURE_MET_LONG);

    for (uint32_t f = FEATURE_SAME; f <= FEATURE_MET_LONG; f++)
        memset(ranker_values(ranker, f), 0, ranker->count * sizeof(float));
    for (uint32_t b = 0; b < request->history_count; b++) {
        uint32_t item = request->history[b];
        int32_t place = ranker_place(ranker, item);

        if (place < 0)
            continue;
        often[place] += 1;
        if (met[place] == 0)
            met[place] = 1 / (1 + (float)b);
        if (b > 0) {
            float spent = (float)(request->times_ms[b - 1] - request->times_ms[b]);
            longest[place] = spent > longest[place] ? spent : longest[place];
            continue;
        }
        same[place] = 1;
        rate[place] = (ranker->items.again[item] + 1) / (ranker->items.events[item] + 4);
        vector_log(rate + place, rate + place, 0, 0.33f, 1);
    }
    vector_log(often, often, 1, 1, ranker->count);
    vector_scale(longest, longest, 0.001f, ranker->count);
    vector_log(longest, longest, 1, 0.2f, ranker->count);
}

static void embedding_features(struct ranker *ranker, const struct ranker_request *request)
{
    float context[EMBEDDING_DIMS_MAX];

    for (uint32_t i = 0; i < ranker->embedding_count; i++) {
        float *out = ranker_values(ranker, i < 2 ? FEATURE_SHORT + i : ranker->third);

        embedding_context(&ranker->embeddings[i], request->history, request->history_count,
                          context);
        embedding_score(&ranker->embeddings[i], context, ranker->candidates, ranker->count, out);
        vector_scale(out, out, 0.5f, ranker->count);
    }
}

void ranker_rate(struct ranker *ranker)
{
    const struct ranker_request *request = &ranker->asked;
    const struct ranker_items *items = &ranker->items;
    struct fusion_rows rows = {ranker->values, ranker->stride, ranker->count};

    generator_features(ranker);
    rule_feature(ranker, SUM_AFTER, ranker->after_share, request->now, FEATURE_AFTER);
    if (ranker->direct)
        rule_feature(ranker, SUM_DIRECT, ranker->direct_share, request->now, ranker->direct);
    kept(ranker, items->events, 0.5f, 0.33f, FEATURE_COUNT);
    faded(ranker, items->fast, request->now, FAST_EVENTS, FEATURE_FAST);
    faded(ranker, items->slow, request->now, SLOW_EVENTS, FEATURE_SLOW);
    since(ranker, items->first, request->now, FEATURE_AGE);
    since(ranker, items->last, request->now, FEATURE_LAST);
    taste_features(ranker, request);
    met_features(ranker, request);
    embedding_features(ranker, request);
    if (ranker->attributes)
        attributes_rate(ranker->attributes, ranker);
    stage_feature(ranker, request);
    fusion_score(&ranker->fusion, &ranker->gates, &rows, ranker->scores);
}

/* ---- learning ---- */

void ranker_learn(struct ranker *ranker, uint32_t place)
{
    struct fusion_rows rows = {ranker->values, ranker->stride, ranker->count};

    fusion_learn(&ranker->fusion, &ranker->gates, &rows, place, ranker->scores);
}

void ranker_set_events(struct ranker *ranker, uint32_t item, float events)
{
    ranker->items.events[item] = events;
    ranker->items.shrink[item] = 1 / sqrtf(events);
}

void ranker_count(struct ranker *ranker, uint32_t item, uint32_t now)
{
    struct ranker_items *items = &ranker->items;
    float *stages = items->stages + (size_t)item * RANKER_STAGES,
          passed = (float)(now - items->last[item]);
    float fades[4] = {-LN2 / FAST_EVENTS * passed, -LN2 / SLOW_EVENTS * passed,
                      -LN2 / STAGE_EVENTS * passed, -LN2 / STAGE_EVENTS};

    if (items->events[item] == 0)
        items->first[item] = now;
    if (ranker->asked.history_count > 0 && ranker->asked.history[0] == item)
        items->again[item] += 1;
    vector_exp(fades, fades, 0, 4);
    items->fast[item] = items->fast[item] * fades[0] + 1;
    items->slow[item] = items->slow[item] * fades[1] + 1;
    vector_scale(stages, stages, fades[2], RANKER_STAGES);
    vector_scale(ranker->stage_sums, ranker->stage_sums, fades[3], RANKER_STAGES);
    stages[ranker->gates.open[GATE_STAGE]] += 1;
    ranker->stage_sums[ranker->gates.open[GATE_STAGE]] += 1;
    items->last[item] = now;
    ranker_set_events(ranker, item, items->events[item] + 1);
}

/* ---- the best ---- */

/* As one number, the larger the better: the score, then, of equal ones, the item that was met first. */
static uint64_t rank_of(const struct ranker *ranker, uint32_t place)
{
    float score = ranker->scores[place] + 0.0f; /* no -0 */
    int32_t bits;

    memcpy(&bits, &score, sizeof(bits));
    bits ^= bits >> 31 & INT32_MAX;
    return (uint64_t)((uint32_t)bits ^ UINT32_C(1) << 31) << 32 |
           (uint32_t)~ranker->candidates[place];
}

/* Puts a rank into the heap (worst at its root), whose place `at` is free. */
static void sink(uint64_t *heap, uint64_t moved, uint32_t count, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count)
            child += heap[child + 1] < heap[child];
        if (moved <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* Each goes to the place that so many are above: no branch hangs on a score. False: equal scores left
 * places empty. */
static bool best_of_few(const struct ranker *ranker, uint32_t count, struct ranker_ranked *best)
{
    uint32_t above[FEW], places[FEW], empty = 0;

    memset(places, 0xff, count * sizeof(places[0]));
    vector_above(ranker->scores, ranker->count, above);
    for (uint32_t i = 0; i < ranker->count; i++)
        places[above[i]] = i;
    for (uint32_t i = 0; i < count; i++)
        empty += places[i] == UINT32_MAX;
    for (uint32_t i = 0; i < count && empty == 0; i++)
        best[i] = (struct ranker_ranked){ranker->scores[places[i]], places[i]};
    return empty == 0;
}

uint32_t ranker_best(const struct ranker *ranker, uint32_t top, struct ranker_ranked *best)
{
    uint32_t count = ranker->count < top ? ranker->count : top;
    uint64_t *heap = ranker->ranks;

    if (ranker->count <= FEW && best_of_few(ranker, count, best))
        return count;
    for (uint32_t i = 0; i < count; i++)
        heap[i] = rank_of(ranker, i);
    for (uint32_t i = count / 2; i-- > 0;)
        sink(heap, heap[i], count, i);
    for (uint32_t i = count; i < ranker->count; i++) {
        uint64_t next = rank_of(ranker, i);

        if (next > heap[0])
            sink(heap, next, count, 0);
    }
    for (uint32_t i = count; i-- > 0;) { /* the worst of what is left stands at its root */
        uint32_t place = ranker->met[~(uint32_t)heap[0]].place;

        best[i] = (struct ranker_ranked){ranker->scores[place], place};
        sink(heap, heap[i], i, 0);
    }
    return count;
}

float ranker_mass(const struct ranker *ranker)
{
    return vector_mass(ranker->scores, ranker->scratch, ranker->count);
}
