/* mlp and reranker. The gradient is checked against finite differences of the likelihood. */
#include "operators/model/reranker.h"
#include "tests/unit/near.h"

#include <stdlib.h>
#include <string.h>

#define FEATURES 5u
#define EXTRAS 3u
#define ROWS 13u
#define STRIDE 16u
#define FLOATS (FEATURES + MLP_UNITS * (FEATURES + EXTRAS + 1))
#define ITEMS 60u
#define TOP 12u

/* ---- mlp ---- */

static float weights[FLOATS], means[FLOATS], squares[FLOATS], fades[2];
static const struct mlp mlp = {FEATURES, EXTRAS, 0.003f, 1e-3f, weights, means, squares, fades};
static float values[FEATURES * STRIDE];
static const float extras[EXTRAS] = {0.7f, -0.4f, 1};
static const struct mlp_case its = {{values, STRIDE, ROWS}, extras, 6, 1.5f};

static double likelihood(void)
{
    float hidden[MLP_UNITS * STRIDE], scores[STRIDE];
    double sum = 0;

    mlp_score(&mlp, &its.rows, extras, hidden, scores);
    for (uint32_t j = 0; j < ROWS; j++)
        sum += exp((double)scores[j] + (j >= its.offset_from ? (double)its.offset : 0));
    return (double)scores[0] - log(sum);
}

static void test_gradient(void **state)
{
    float gradient[FLOATS];
    uint32_t bent = 0; /* a kink of a unit lies between the two points */

    (void)state;
    assert_int_equal(mlp_floats(FEATURES, EXTRAS), FLOATS);
    for (uint32_t i = 0; i < FLOATS; i++)
        weights[i] = draw_float(i);
    for (uint32_t i = 0; i < FEATURES * STRIDE; i++)
        values[i] = draw_float(1000 + i);
    mlp_gradient(&mlp, &its, gradient);
    for (uint32_t i = 0; i < FLOATS; i++) {
        float before = weights[i];
        double up, down, off;

        weights[i] = before + 2e-3f;
        up = likelihood();
        weights[i] = before - 2e-3f;
        down = likelihood();
        weights[i] = before;
        off = fabs((double)gradient[i] - (up - down) / 4e-3);
        assert_true(off < 3e-2);
        bent += off > 1e-3;
    }
    assert_true(bent < FLOATS / 20);
}

/* A line cannot tell the middle of a feature from its ends; the units can. */
static void test_learns(void **state)
{
    float hidden[MLP_UNITS * STRIDE], scores[STRIDE];
    uint32_t right = 0;

    (void)state;
    mlp_init(&mlp, 1);
    for (uint32_t e = 0; e < 3000; e++) {
        uint32_t best = 0;

        for (uint32_t i = 0; i < FEATURES * STRIDE; i++)
            values[i] = draw_float(e * 1000 + i);
        for (uint32_t j = 0; j < ROWS; j++) /* only what was chosen is in the middle */
            values[2 * STRIDE + j] = j == 0 ? 0.1f * values[0] : values[j] < 0 ? -1 : 1;
        mlp_score(&mlp, &its.rows, extras, hidden, scores);
        for (uint32_t j = 1; j < ROWS; j++)
            best = scores[j] > scores[best] ? j : best;
        right += e >= 2000 && best == 0;
        mlp_learn(&mlp, &its);
    }
    assert_true(right > 900); /* of 1,000; by chance 77 */
}

/* ---- reranker ---- */

static const struct ranker_limits limits = {ITEMS, ITEMS, EMBEDDING_PIECE, 2};
static struct ranker ranker;
static struct reranker reranker;

static void begin_request(uint64_t seed)
{
    struct ranker_request asked = {.history_count = 0, .now = 1000, .gap_ms = -1};

    ranker_begin(&ranker, &asked);
    for (uint32_t i = 0; i < ITEMS; i++)
        ranker_meet(&ranker, i);
    ranker_rate(&ranker);
    for (uint32_t i = 0; i < ITEMS; i++)
        ranker.scores[i] = 2 * draw_float(seed * ITEMS + i);
}

static int begin(void **state)
{
    (void)state;
    *state = calloc(1, ranker_size(&limits) + reranker_size(TOP));
    ranker_init(&ranker, &limits, false, (uint8_t *)*state + reranker_size(TOP));
    reranker_init(&reranker, TOP, ranker.features, 7, *state);
    ranker.items.count = ITEMS;
    for (uint32_t i = 0; i < ITEMS; i++)
        ranker_set_events(&ranker, i, 1 + i % 5);
    return 0;
}

static int end(void **state)
{
    free(*state);
    return 0;
}

/* The best keep their probability together, the others their scores; learning gives all back. */
static void test_scores(void **state)
{
    float before[ITEMS];
    double mass = 0, mass_after = 0;
    uint32_t changed = 0;

    (void)state;
    begin_request(5);
    memcpy(before, ranker.scores, sizeof(before));
    reranker_rate(&reranker, &ranker);
    assert_int_equal(reranker.count, TOP);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t above = 0;

        for (uint32_t j = 0; j < ITEMS; j++)
            above += before[j] > before[i];
        mass += above < TOP ? exp((double)before[i]) : 0;
        mass_after += above < TOP ? exp((double)ranker.scores[i]) : 0;
        changed += before[i] != ranker.scores[i];
        assert_true(above < TOP || before[i] == ranker.scores[i]);
    }
    assert_int_equal(changed, TOP);
    assert_near(mass, mass_after, 1e-4 * mass);
    reranker_learn(&reranker, &ranker, 3, 1);
    assert_memory_equal(before, ranker.scores, sizeof(before));
    assert_int_equal(reranker.learnt.learned, 1);
}

/* An example: what was taken first, then the hardest, then drawn ones, none of them what was taken. */
static void test_example(void **state)
{
    const struct reranker_example *example;

    (void)state;
    for (uint64_t e = 0; e < RERANKER_EXAMPLES + 5; e++) {
        uint32_t place = (uint32_t)(hash_draw(3, e) % ITEMS);
        uint64_t number = reranker.learnt.learned % RERANKER_EXAMPLES;

        begin_request(e);
        for (uint32_t i = 0; i < ITEMS; i++) /* tells who is who */
            ranker.values[FEATURE_COUNT * ranker.stride + i] = (float)i;
        reranker_rate(&reranker, &ranker);
        reranker_learn(&reranker, &ranker, place, e);
        example = &reranker.examples[number];
        assert_int_equal(example->drawn_from, 1 + RERANKER_HARD);
        assert_in_range(example->count, example->drawn_from + 1, MLP_ROWS_MAX);
        assert_near((double)example->offset, log((double)ITEMS / RERANKER_DRAWN), 1e-6);
        for (uint32_t j = 0; j < example->count; j++) {
            bool its_own = example->values[FEATURE_COUNT * MLP_ROWS_MAX + j] == (float)place;
            assert_true(its_own == (j == 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_learns),
        cmocka_unit_test_setup_teardown(test_scores, begin, end),
        cmocka_unit_test_setup_teardown(test_example, begin, end),
    };

    return cmocka_run_group_tests_name("reranker", tests, NULL, NULL);
}
