/* vector: loops against the plainest way, at lengths around the lanes, and the bits of them all, which are
 * the same on every CPU. */
#include "operators/model/vector.h"

#include "runtime/base/hash.h"
#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH_MAX 67u
#define MANY 21u

static float draw(struct random *random, float least, float most)
{
    return least + (most - least) * (float)random_below(random, 1u << 20) * 0x1p-20f;
}

static void fill(struct random *random, float *values, uint32_t n, float least, float most)
{
    for (uint32_t i = 0; i < n; i++)
        values[i] = draw(random, least, most);
}

/* Eight lanes, added up in the order that vector.h promises. */
static float plain_dot(const float *a, const float *b, uint32_t n)
{
    float lanes[8] = {0};

    for (uint32_t i = 0; i < n; i++) {
        float product = a[i] * b[i];
        lanes[i % 8] += product;
    }
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static void test_dots(void **state)
{
    struct random random = {1};
    float a[WIDTH_MAX], b[MANY][WIDTH_MAX], ones[WIDTH_MAX], dots[MANY];
    const float *many[MANY];

    (void)state;
    fill(&random, ones, WIDTH_MAX, 1, 1);
    for (uint32_t n = 0; n <= WIDTH_MAX; n++) {
        uint32_t count = (uint32_t)random_below(&random, MANY + 1);
        fill(&random, a, n, -1, 1);
        for (uint32_t i = 0; i < count; i++) {
            fill(&random, b[i], n, -3, 3);
            many[i] = b[i];
        }
        vector_dots(a, many, count, n, dots);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(dots[i] == plain_dot(a, b[i], n));
            assert_true(vector_dot(a, b[i], n) == dots[i]);
        }
        assert_true(vector_sum(a, n) == plain_dot(a, ones, n));
    }
}

static void test_above(void **state)
{
    struct random random = {4};
    float a[WIDTH_MAX + VECTOR_LANES] = {0};
    uint32_t above[WIDTH_MAX + VECTOR_LANES];

    (void)state;
    for (uint32_t n = 0; n <= WIDTH_MAX; n++) {
        for (uint32_t i = 0; i < n; i++)
            a[i] = (float)random_below(&random, 40) - 20;
        vector_above(a, n, above);
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t k = 0; k < n; k++)
                above[i] -= a[k] > a[i];
            assert_int_equal(above[i], 0);
        }
    }
}

static void test_exp(void **state)
{
    static const float edges[] = {-INFINITY, -1e30f, -88, -87.5f, -87.00001f, -87, -86.9f, 0, 88};
    struct random random = {2};
    float in[WIDTH_MAX], out[WIDTH_MAX];

    (void)state;
    for (uint32_t round = 0; round < 1000; round++) {
        fill(&random, in, WIDTH_MAX, -87, 88);
        memcpy(in, edges, sizeof(edges));
        vector_exp(out, in, 0, WIDTH_MAX);
        for (uint32_t i = 0; i < WIDTH_MAX; i++) {
            double exact = in[i] < -87 ? 0 : exp((double)in[i]);
            assert_true(fabs((double)out[i] - exact) <= 2e-7 * exact);
        }
    }
}

/* Of all loops, over numbers drawn from a seed. */
static uint64_t hash_loops(void)
{
    struct random random = {3};
    float a[WIDTH_MAX], b[WIDTH_MAX], weights[WIDTH_MAX] = {0}, squares[WIDTH_MAX] = {0}, three[3];
    struct vector_step step = {.1f, .001f, .01f};
    uint64_t hash = 0;

    for (uint32_t n = 0; n <= WIDTH_MAX; n++) {
        fill(&random, a, WIDTH_MAX, -90, 80);
        fill(&random, b, WIDTH_MAX, .001f, 7);
        vector_exp(a, a, 3, n);
        vector_log(b, b, .5f, 2, n);
        vector_scale(a, a, .3f, n);
        vector_add(a, .7f, b, n);
        three[0] = vector_dot(a, b, n);
        three[1] = vector_sum(b, n);
        three[2] = vector_most(b, n, -1);
        vector_learn(weights, squares, b, .5f, &step, n);
        hash = hash_seeded(a, sizeof(a), hash);
        hash = hash_seeded(b, sizeof(b), hash);
        hash = hash_seeded(three, sizeof(three), hash);
        hash = hash_seeded(weights, sizeof(weights), hash);
    }
    return hash;
}

static void test_bits(void **state)
{
    (void)state;
    assert_true(hash_loops() == UINT64_C(0x2f8c7843ee480adb));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dots), cmocka_unit_test(test_above),
                                       cmocka_unit_test(test_exp), cmocka_unit_test(test_bits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
