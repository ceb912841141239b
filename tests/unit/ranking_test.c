/* vector, fusion and embedding: the maths of the learning ranking. Gradients are checked against
 * finite differences of the likelihood. */
#include "operators/model/embedding.h"
#include "operators/model/fusion.h"
#include "operators/model/vector.h"
#include "tests/unit/near.h"

#include <string.h>

#define CANDIDATES 13u
#define STRIDE 16u
#define FEATURES 5u
#define ITEMS 12u

/* ---- vector ---- */

static void test_functions(void **state)
{
    (void)state;
    for (int i = -600; i <= 600; i++) {
        float x = (float)exp(i / 20.0), y = (float)i / 7.0f, out;
        vector_log(&out, &x, 0, 1, 1);
        assert_near(out, log(x), 2e-7 * (1 + fabs(log(x))));
        vector_exp(&out, &y, 0, 1);
        assert_near(out / exp(y), y < -87 ? 0 : 1, 3e-7);
    }
}

/* Arrays of any length give what their elements give alone, and sums do not depend on the address. */
static void test_lanes(void **state)
{
    float a[40], b[40], out[40], one;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        a[i] = draw_float(i) + 1.1f;
        b[i] = draw_float(100 + i);
    }
    for (uint32_t n = 0; n <= 32; n++) {
        float moved[41];
        double sum = 0, most = -5;
        memcpy(moved + 1, a, sizeof(a));
        assert_true(vector_dot(a, b, n) == vector_dot(moved + 1, b, n));
        for (uint32_t i = 0; i < n; i++) {
            sum += (double)a[i] * b[i];
            most = b[i] > most ? b[i] : most;
        }
        assert_near(vector_dot(a, b, n), sum, 1e-5);
        assert_true(vector_most(b, n, -5) == (float)most);
        vector_log(out, a, 0.25f, 3, n);
        for (uint32_t i = 0; i < n; i++) {
            vector_log(&one, a + i, 0.25f, 3, 1);
            assert_true(out[i] == one);
        }
    }
}

/* ---- fusion ---- */

static double likelihood(const struct fusion *fusion, const struct fusion_gates *gates,
                         const struct fusion_rows *rows, uint32_t chosen)
{
    float scores[STRIDE];
    double sum = 0;

    fusion_score(fusion, gates, rows, scores);
    for (uint32_t j = 0; j < rows->count; j++)
        sum += exp((double)scores[j] - scores[chosen]);
    return -log(sum);
}

static void test_fusion_gradient(void **state)
{
    float weights[2 * FEATURES * 7] = {0}, values[FEATURES * STRIDE], shares[STRIDE];
    float gradient[FEATURES];
    struct fusion fusion = {FEATURES, {3, 2, 1}, 0.1f, 0.05f, weights};
    struct fusion_gates gates = {{2, 1, 0}};
    struct fusion_rows rows = {values, STRIDE, CANDIDATES};
    static const uint32_t blocks[] = {0, 1 + 2, 1 + 3 + 1, 1 + 3 + 2}; /* that are open */

    (void)state;
    assert_int_equal(fusion_floats(FEATURES, 3 + 2 + 1), sizeof(weights) / sizeof(weights[0]));
    for (uint32_t i = 0; i < FEATURES * 7; i++)
        weights[i] = draw_float(i);
    for (uint32_t i = 0; i < FEATURES * STRIDE; i++)
        values[i] = draw_float(1000 + i);
    fusion_score(&fusion, &gates, &rows, shares);
    (void)fusion_softmax(shares, CANDIDATES);
    fusion_gradient(&rows, shares, 4, FEATURES, gradient);
    for (uint32_t f = 0; f < FEATURES; f++) {
        for (int k = 0; k < 4; k++) {
            float *weight = &weights[blocks[k] * FEATURES + f], before = *weight;
            double up, down;
            *weight = before + 1e-2f;
            up = likelihood(&fusion, &gates, &rows, 4);
            *weight = before - 1e-2f;
            down = likelihood(&fusion, &gates, &rows, 4);
            *weight = before;
            assert_near(gradient[f], (up - down) / 2e-2, 2e-4);
        }
    }
}

/* From nothing it learns which feature tells, and closed gates stay as they are. */
static void test_fusion_learns(void **state)
{
    float weights[2 * FEATURES * 7] = {0}, values[FEATURES * STRIDE], scores[STRIDE];
    struct fusion fusion = {FEATURES, {3, 2, 1}, 0.1f, 0.05f, weights};
    struct fusion_rows rows = {values, STRIDE, CANDIDATES};
    uint32_t right = 0;

    (void)state;
    for (uint32_t e = 0; e < 600; e++) {
        struct fusion_gates gates = {{e % 2, 0, 0}};
        uint32_t chosen = (uint32_t)(hash_draw(7, e) % CANDIDATES), best = 0;
        for (uint32_t i = 0; i < FEATURES * STRIDE; i++)
            values[i] = draw_float(e * 1000 + i);
        values[(gates.open[0] ? 3 : 1) * STRIDE + chosen] += 1; /* tells, by gate */
        fusion_score(&fusion, &gates, &rows, scores);
        for (uint32_t j = 1; j < CANDIDATES; j++)
            best = scores[j] > scores[best] ? j : best;
        right += e >= 300 && best == chosen;
        fusion_learn(&fusion, &gates, &rows, chosen, scores);
    }
    assert_true(right > 90); /* of 300; by chance 23 */
    assert_true(weights[FEATURES + 1] > weights[2 * FEATURES + 1]);
    for (uint32_t f = 0; f < FEATURES; f++) {
        assert_true(weights[3 * FEATURES + f] == 0);
        assert_true(weights[5 * FEATURES + f] == 0);
    }
}

/* ---- embedding ---- */

#define DIMS (2 * EMBEDDING_PIECE)

struct item { /* of what is learnt: both pieces and the bias */
    struct embedding_piece pieces[2];
    float bias, bias_square;
};

static float floats[ITEMS * (4 * DIMS + 2)];
static struct embedding embedding = {.dims = DIMS, .decay = 0.8f, .distance = 4, .rate = 0.1f};

static struct item read_one(uint32_t number)
{
    struct item item = {.bias = embedding.bias[number],
                        .bias_square = embedding.bias_squares[number]};

    embedding_read(&embedding, number, 0, &item.pieces[0]);
    embedding_read(&embedding, number, 1, &item.pieces[1]);
    return item;
}

static double embedding_likelihood(const struct embedding_case *its)
{
    float context[DIMS], scores[ITEMS];
    double sum = 0;

    embedding_context(&embedding, its->history, its->history_count, context);
    embedding_score(&embedding, context, its->samples, its->sample_count, scores);
    for (uint32_t i = 0; i < its->sample_count; i++)
        sum += exp((double)scores[i] - scores[0]);
    return -log(sum);
}

static double slope(const struct embedding_case *its, float *weight)
{
    float before = *weight;
    double up, down;

    *weight = before + 1e-2f;
    up = embedding_likelihood(its);
    *weight = before - 1e-2f;
    down = embedding_likelihood(its);
    *weight = before;
    return (up - down) / 2e-2;
}

static void start(void)
{
    assert_int_equal(embedding_floats(ITEMS, DIMS), sizeof(floats) / sizeof(floats[0]));
    embedding_place(&embedding, ITEMS, floats);
    for (uint32_t i = 0; i < ITEMS; i++) {
        embedding_init(&embedding, i, i);
        for (uint32_t piece = 0; piece < 2; piece++) {
            struct embedding_piece of;
            embedding_read(&embedding, i, piece, &of);
            for (uint32_t d = 0; d < EMBEDDING_PIECE; d++) {
                of.in[d] *= 5;
                of.out[d] *= 5;
            }
            embedding_write(&embedding, i, piece, &of);
        }
    }
}

static void read_all(struct item items[ITEMS])
{
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = read_one(i);
}

/* A step of a small rate moves each weight by its gradient, as Adagrad scales it. */
static void test_embedding_gradient(void **state)
{
    static const uint32_t history[] = {3, 1, 5, 2, 9}, samples[] = {4, 0, 6, 7, 8};
    const struct embedding_case its = {history, samples, 5, 5};
    struct item before[ITEMS], items[ITEMS];
    double out_slopes[5], in_slopes[4];

    (void)state;
    start();
    read_all(before);
    for (uint32_t i = 0; i < 5; i++)
        out_slopes[i] = slope(&its, &embedding.out[samples[i] * DIMS + EMBEDDING_PIECE + 7]);
    for (uint32_t i = 0; i < 4; i++)
        in_slopes[i] = slope(&its, &embedding.in[history[i] * DIMS + EMBEDDING_PIECE + 7]);
    embedding.rate = 1e-3f;
    embedding_learn(&embedding, &its);
    read_all(items);
    for (uint32_t i = 0; i < 5; i++) {
        double g = out_slopes[i], moved = 1e-3 * g / sqrt(0.01 + g * g);
        assert_near(items[samples[i]].pieces[1].out[7] - before[samples[i]].pieces[1].out[7], moved,
                    3e-5);
    }
    for (uint32_t i = 0; i < 4; i++) {
        double g = in_slopes[i], moved = 1e-3 * g / sqrt(0.01 + g * g);
        assert_near(items[history[i]].pieces[1].in[7] - before[history[i]].pieces[1].in[7], moved,
                    3e-5);
    }
    assert_memory_equal(&items[9], &before[9], sizeof(items[9])); /* beyond the distance */
    assert_memory_equal(&items[10], &before[10], sizeof(items[10]));
}

/* What follows what is learnt, the order of the history too. */
static void test_embedding_learns(void **state)
{
    float context[DIMS], scores[ITEMS];

    (void)state;
    start();
    embedding.rate = 0.1f;
    for (uint32_t e = 0; e < 2000; e++) {
        uint32_t last = e % 4, history[2] = {last, 4 + e % 3};
        uint32_t samples[ITEMS] = {8 + last}, count = 1;
        for (uint32_t i = 0; i < ITEMS; i++)
            if (i != 8 + last && hash_draw(e, i) % 2)
                samples[count++] = i;
        embedding_learn(&embedding, &(struct embedding_case){history, samples, 2, count});
    }
    for (uint32_t last = 0; last < 4; last++) {
        static const uint32_t all[ITEMS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
        uint32_t history[2] = {last, 5}, best = 0;
        embedding_context(&embedding, history, 2, context);
        embedding_score(&embedding, context, all, ITEMS, scores);
        for (uint32_t i = 1; i < ITEMS; i++)
            best = scores[i] > scores[best] ? i : best;
        assert_int_equal(best, 8 + last);
    }
}

static void test_embedding_start(void **state)
{
    struct item a, b;
    double sum = 0, squares = 0;

    (void)state;
    embedding_place(&embedding, ITEMS, floats);
    embedding_init(&embedding, 3, 1);
    embedding_init(&embedding, 7, 1);
    a = read_one(3);
    b = read_one(7);
    assert_memory_equal(&a, &b, sizeof(a));
    for (uint64_t i = 0; i < 1000; i++) {
        embedding_init(&embedding, 5, i);
        for (uint32_t d = 0; d < DIMS; d++) {
            float in = embedding.in[5 * DIMS + d];
            sum += in;
            squares += (double)in * in;
        }
    }
    assert_near(sum / 64000, 0, 2e-3);
    assert_near(sqrt(squares / 64000), 0.1, 2e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),          cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_fusion_gradient),    cmocka_unit_test(test_fusion_learns),
        cmocka_unit_test(test_embedding_gradient), cmocka_unit_test(test_embedding_learns),
        cmocka_unit_test(test_embedding_start),
    };

    return cmocka_run_group_tests_name("ranking", tests, NULL, NULL);
}
