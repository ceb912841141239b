/* ranker: candidates, features against their formulas in the plainest way, and the best list. */
#include "operators/model/ranker.h"
#include "tests/unit/near.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS 40u
#define EVENTS 300u
#define HISTORY 25u

static const struct ranker_limits limits = {ITEMS, ITEMS, EMBEDDING_DIMS_MAX, RANKER_EMBEDDINGS,
                                            true};
static struct ranker ranker;
static void *memory;
static uint32_t event_items[EVENTS], event_stages[EVENTS];
static uint32_t history[HISTORY], own[HISTORY];
static int64_t times_ms[HISTORY];
static uint32_t numbers[ITEMS];
static float together[ITEMS][ITEMS], forward[ITEMS][ITEMS], backward[ITEMS][ITEMS];
static float direct[ITEMS][ITEMS];

static uint32_t draw(uint64_t a, uint64_t b, uint32_t below)
{
    return (uint32_t)(hash_draw(a, b) % below);
}

/* A stream of events, and tables that say something of every pair. */
static int begin(void **state)
{
    (void)state;
    memory = calloc(1, ranker_size(&limits));
    ranker_init(&ranker, &limits, false, memory);
    for (uint32_t i = 0; i < ITEMS; i++) {
        numbers[i] = i;
        for (uint32_t k = 0; k < RANKER_EMBEDDINGS; k++)
            embedding_init(&ranker.embeddings[k], i, i + 100 * k);
        for (uint32_t j = 0; j < ITEMS; j++) {
            together[i][j] = (float)draw(i + j, i * j, 9);
            forward[i][j] = (float)draw(1000 + i, j, 5);
            backward[i][j] = (float)draw(2000 + i, j, 4);
            direct[i][j] = (float)draw(3000 + i, j, 3);
        }
    }
    ranker.items.count = ITEMS;
    for (uint32_t e = 0; e < EVENTS; e++) {
        event_items[e] = e < ITEMS ? e : draw(3, e, ITEMS);
        event_stages[e] = ranker.gates.open[GATE_STAGE] = draw(4, e, RANKER_STAGES);
        ranker.asked.history_count = e % 7 == 0; /* of the same item */
        ranker.asked.history = &event_items[e];
        ranker_count(&ranker, event_items[e], e);
    }
    for (uint32_t b = 0; b < HISTORY; b++) {
        history[b] = own[b] = (b * 3) % ITEMS;
        times_ms[b] = -3000 * (int64_t)(b * b);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static struct ranker_line line_of(uint32_t item)
{
    return (struct ranker_line){.items = numbers,
                                .together = together[item],
                                .forward = forward[item],
                                .backward = backward[item],
                                .direct = direct[item],
                                .entries = ITEMS,
                                .count = (float)(10 + item),
                                .forward_sum = 30,
                                .backward_sum = 20,
                                .direct_sum = 12};
}

static void request(uint32_t own_count)
{
    struct ranker_request asked = {own, history, times_ms, own_count, HISTORY, 4, EVENTS, 5000};

    ranker_begin(&ranker, &asked);
    for (uint32_t b = 0; b < HISTORY; b++) {
        struct ranker_line line = line_of(history[b]);
        ranker_add(&ranker, &line, b);
    }
    ranker_rate(&ranker);
}

/* ---- the same, plainly ---- */

static double events_of(uint32_t item)
{
    double count = 0;

    for (uint32_t e = 0; e < EVENTS; e++)
        count += event_items[e] == item;
    return count;
}

static double decayed(uint32_t item, double half, uint32_t stage)
{
    double sum = 0;

    for (uint32_t e = 0; e < EVENTS; e++)
        if (event_items[e] == item && (stage == RANKER_STAGES || event_stages[e] == stage))
            sum += exp2(-(double)(EVENTS - e) / half);
    return sum;
}

static double stage_total(uint32_t stage) /* as of the last event */
{
    double sum = 0;

    for (uint32_t e = 0; e < EVENTS; e++)
        if (event_stages[e] == stage)
            sum += exp2(-(double)(EVENTS - 1 - e) / 1000);
    return sum;
}

static double age(uint32_t item, bool last)
{
    double found = -1;

    for (uint32_t e = 0; e < EVENTS; e++)
        if (event_items[e] == item && (last || found < 0))
            found = e;
    return 0.2 * log(1 + EVENTS - found);
}

static double sum_of(enum ranker_sum which, uint32_t j)
{
    double sum = 0;

    for (uint32_t b = 0; b < HISTORY; b++) {
        uint32_t k = history[b];
        double cosine = together[k][j] / sqrt((10 + k) * events_of(j));
        if (which == SUM_NEAR)
            sum += pow(0.9, b) * cosine;
        if (which == SUM_FAR)
            sum += pow(0.985, b) * cosine;
        if (which == SUM_BEST && b < 20)
            sum = fmax(sum, pow(0.9, b) * cosine);
        if (which == SUM_VISIT && b < 4)
            sum += cosine;
        if (which == SUM_SEQUENCE && b <= 10)
            sum += pow(0.7, b) * forward[k][j] / 35;
        if (which == SUM_BACKWARD && b <= 10)
            sum += pow(0.7, b) * backward[k][j] / 25;
    }
    return sum;
}

static double most_of(enum ranker_sum which)
{
    double most = 0;

    for (uint32_t i = 0; i < ranker.count; i++)
        most = fmax(most, sum_of(which, ranker.candidates[i]));
    return most;
}

static double taste(bool ages)
{
    double sum = 0, weights = 0;

    for (uint32_t b = 0; b < HISTORY; b++) {
        double value = ages ? age(history[b], false) : 0.33 * log(events_of(history[b]) + 0.5);
        sum += pow(0.9, b) * value;
        weights += pow(0.9, b);
    }
    return sum / weights;
}

static float value(uint32_t which, uint32_t place)
{
    return ranker.values[(size_t)which * ranker.stride + place];
}

static void test_generators(void **state)
{
    static const struct {
        enum ranker_sum sum;
        int head, tail; /* features; below 0: none */
    } cases[] = {
        {SUM_NEAR, FEATURE_NEAR_HEAD, FEATURE_NEAR_TAIL},
        {SUM_FAR, FEATURE_FAR_HEAD, FEATURE_FAR_TAIL},
        {SUM_SEQUENCE, FEATURE_SEQUENCE_HEAD, FEATURE_SEQUENCE_TAIL},
        {SUM_BACKWARD, -1, FEATURE_BACKWARD_TAIL},
        {SUM_BEST, FEATURE_BEST_HEAD, FEATURE_BEST_TAIL},
        {SUM_VISIT, FEATURE_VISIT_HEAD, FEATURE_VISIT_TAIL},
    };

    (void)state;
    request(HISTORY);
    assert_int_equal(ranker.count, ITEMS - HISTORY);
    for (uint32_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        double most = most_of(cases[c].sum);
        for (uint32_t i = 0; i < ranker.count; i++) {
            double share = sum_of(cases[c].sum, ranker.candidates[i]) / most;
            if (cases[c].head >= 0)
                assert_alike(value((uint32_t)cases[c].head, i), share);
            assert_alike(value((uint32_t)cases[c].tail, i), 0.33 * log(share + 0.003));
        }
    }
}

static void test_singles(void **state)
{
    (void)state;
    request(HISTORY);
    for (uint32_t i = 0; i < ranker.count; i++) {
        uint32_t j = ranker.candidates[i], stage = ranker.gates.open[GATE_STAGE];
        double count = 0.33 * log(events_of(j) + 0.5);
        double expected = (events_of(j) + 0.1) / (EVENTS + 1);
        double after = (forward[history[0]][j] + 5 * events_of(j) / EVENTS) / 35;
        double right_after = (direct[history[0]][j] + 5 * events_of(j) / EVENTS) / 17;

        assert_alike(value(FEATURE_COUNT, i), count);
        assert_alike(value(FEATURE_FAST, i), 0.33 * log(decayed(j, 300, RANKER_STAGES) + 0.05));
        assert_alike(value(FEATURE_SLOW, i), 0.33 * log(decayed(j, 2000, RANKER_STAGES) + 0.1));
        assert_alike(value(FEATURE_AGE, i), age(j, false));
        assert_alike(value(FEATURE_LAST, i), age(j, true));
        assert_alike(value(FEATURE_AFTER, i), 0.25 * log(after + 1e-5));
        assert_alike(value(ranker.direct, i), 0.25 * log(right_after + 1e-5));
        assert_alike(value(FEATURE_STAGE, i), 0.33 * log((decayed(j, 1000, stage) + 20 * expected) /
                                                         (stage_total(stage) + 20) / expected));
        assert_alike(value(FEATURE_TASTE, i), -fabs(count - taste(false)));
        assert_alike(value(FEATURE_TASTE_AGE, i), -fabs(age(j, false) - taste(true)));
        assert_alike(value(FEATURE_MET, i), 0);
    }
}

/* bias + h . out, h of the history in that embedding's own pace. */
static double vector_score(uint32_t which, uint32_t j)
{
    static const double decays[] = {0.85, 0.99, 0.5};
    static const uint32_t distances[] = {20, 60, 4};
    const struct embedding *embedding = &ranker.embeddings[which];
    double score = 0, weights = 0;

    for (uint32_t b = 0; b < HISTORY && b < distances[which]; b++) {
        const float *in = embedding->in + (size_t)history[b] * embedding->dims;
        const float *out = embedding->out + (size_t)j * embedding->dims;
        for (uint32_t d = 0; d < embedding->dims; d++)
            score += pow(decays[which], b) * in[d] * out[d];
        weights += pow(decays[which], b);
    }
    return embedding->bias[j] + score / sqrt(weights);
}

static void test_embeddings(void **state)
{
    (void)state;
    request(HISTORY);
    for (uint32_t i = 0; i < ranker.count; i++)
        for (uint32_t k = 0; k < RANKER_EMBEDDINGS; k++)
            assert_alike(value(k < 2 ? FEATURE_SHORT + k : ranker.third, i),
                         0.5 * vector_score(k, ranker.candidates[i]));
}

/* 25 items, the newest one met 9 or so times by all, 5 s ago. */
static void test_gates(void **state)
{
    uint32_t known = (uint32_t)events_of(history[0]);

    (void)state;
    request(HISTORY);
    assert_true(known >= 4 && known < 12);
    assert_int_equal(ranker.gates.open[GATE_STAGE], 5);
    assert_int_equal(ranker.gates.open[GATE_GAP], 2);
    assert_int_equal(ranker.gates.open[GATE_KNOWN], 2);
}

/* Where what was met is offered. */
static void test_met(void **state)
{
    uint32_t place;
    double again = 0;

    (void)state;
    request(0);
    assert_int_equal(ranker.count, ITEMS);
    for (uint32_t e = 0; e < EVENTS; e++)
        again += event_items[e] == history[0] && e % 7 == 0;
    for (uint32_t b = 0; b < HISTORY; b++) {
        place = (uint32_t)ranker_place(&ranker, history[b]);
        assert_alike(value(FEATURE_MET, place), 1.0 / (1 + b));
        assert_alike(value(FEATURE_MET_OFTEN, place), log(2));
        assert_alike(value(FEATURE_SAME, place), b == 0);
        assert_alike(value(FEATURE_MET_LONG, place), b == 0 ? 0 : 0.2 * log(1 + 3 * (2 * b - 1)));
    }
    place = (uint32_t)ranker_place(&ranker, history[0]);
    assert_alike(value(FEATURE_SAME_RATE, place),
                 0.33 * log((again + 1) / (events_of(history[0]) + 4)));
}

static void test_best(void **state)
{
    struct ranker_ranked best[ITEMS];
    double mass, sum = 0;

    (void)state;
    request(HISTORY);
    for (uint32_t i = 0; i < ranker.count; i++)
        ranker.scores[i] = (float)draw(9, i, 4);
    assert_int_equal(ranker_best(&ranker, 7, best), 7);
    for (uint32_t i = 0; i < 7; i++) {
        uint32_t above = 0; /* that stand before it */
        float score = ranker.scores[best[i].place];
        for (uint32_t k = 0; k < ranker.count; k++)
            above += ranker.scores[k] > score ||
                     (ranker.scores[k] == score &&
                      ranker.candidates[k] < ranker.candidates[best[i].place]);
        assert_int_equal(above, i);
        assert_true(best[i].score == score);
    }
    mass = (double)ranker_mass(&ranker);
    for (uint32_t i = 0; i < ranker.count; i++)
        sum += exp((double)ranker.scores[i] - mass);
    assert_alike(sum, 1);
    assert_int_equal(ranker_best(&ranker, ITEMS, best), ranker.count);
}

/* Room for three: what comes later is no candidate, and adding a line of it does no harm. */
static void test_room(void **state)
{
    struct ranker small;
    static const struct ranker_limits three = {ITEMS, 3, EMBEDDING_PIECE, 2};
    void *room = calloc(1, ranker_size(&three));
    struct ranker_request asked = {own, history, times_ms, 1, HISTORY, 0, EVENTS, -1};
    struct ranker_line line = line_of(5);

    (void)state;
    ranker_init(&small, &three, true, room);
    for (uint32_t i = 0; i < ITEMS; i++)
        ranker_set_events(&small, i, 2);
    ranker_begin(&small, &asked);
    ranker_meet(&small, own[0]);
    assert_int_equal(small.count, 0);
    ranker_meet(&small, 7);
    ranker_meet(&small, 7);
    ranker_add(&small, &line, 0);
    assert_int_equal(small.count, 3);
    assert_int_equal(ranker_place(&small, 7), 0);
    assert_true(ranker_place(&small, own[0]) < 0);
    assert_true(ranker_place(&small, ITEMS - 1) < 0);
    assert_int_equal(small.features, RANKER_PLAIN); /* there is no third embedding */
    ranker_rate(&small);
    assert_int_equal(small.gates.open[GATE_GAP], 0);
    assert_int_equal(small.gates.open[GATE_KNOWN], 1);
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generators), cmocka_unit_test(test_singles),
        cmocka_unit_test(test_met),        cmocka_unit_test(test_best),
        cmocka_unit_test(test_room),       cmocka_unit_test(test_gates),
        cmocka_unit_test(test_embeddings),
    };

    return cmocka_run_group_tests_name("ranker", tests, begin, end);
}
