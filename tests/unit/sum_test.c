/* sum, hash, random: bits that files and results depend on. */
#include "runtime/base/sum.h"

#include "runtime/base/hash.h"
#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define ADDENDS 1000

static double draw(struct random *random)
{
    double value = (double)(int64_t)random_next(random) / 0x1p40;

    return value * (random_below(random, 2) ? 1 : 0x1p-30);
}

/* Whatever the order and the grouping: the same bits. Plain doubles differ here. */
static void test_any_order(void **state)
{
    struct random random = {.state = 5};
    double values[ADDENDS], plain_first = 0;
    struct sum first = {0};
    int plain_differs = 0;

    (void)state;
    for (int i = 0; i < ADDENDS; i++) {
        values[i] = draw(&random);
        sum_add(&first, values[i]);
        plain_first += values[i];
    }
    for (int round = 0; round < 50; round++) {
        struct sum parts[7] = {{0}}, whole = {0};
        double plain = 0;

        for (uint32_t i = ADDENDS; i > 1; i--) {
            uint64_t other = random_below(&random, i);
            double swapped = values[i - 1];

            values[i - 1] = values[other];
            values[other] = swapped;
        }
        for (int i = 0; i < ADDENDS; i++) {
            sum_add(&parts[random_below(&random, 7)], values[i]);
            plain += values[i];
        }
        for (int i = 0; i < 7; i++)
            sum_merge(&whole, parts[i]);
        assert_memory_equal(&whole, &first, sizeof(whole));
        plain_differs += plain != plain_first;
    }
    assert_true(plain_differs > 0); /* or the test would show nothing */
}

static void test_values(void **state)
{
    static const double values[] = {0, 1, -1, 0.5, -0.25, 0x1p-40, 1e6, -123456.75, 0x1p79};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct sum sum = {0};

        sum_add(&sum, values[i]);
        assert_true(sum_value(sum) == values[i]);
        sum_add(&sum, -values[i]);
        assert_true(sum_value(sum) == 0);
    }
    struct sum tiny = {0};
    sum_add(&tiny, 0x1p-42); /* under half of the last bit */
    assert_true(sum_value(tiny) == 0);
}

static void test_bounds(void **state)
{
    (void)state;
    assert_true(sum_fits(0x1.fffffffffffffp79));
    assert_true(sum_fits(-0x1.fffffffffffffp79));
    assert_false(sum_fits(0x1p80));
    assert_false(sum_fits(-0x1p80));
    assert_false(sum_fits((double)INFINITY));
    assert_false(sum_fits((double)NAN));
}

/* Key groups, file checksums and draws are kept in files: these may never change. */
static void test_hash_golden(void **state)
{
    (void)state;
    assert_true(hash_bytes("", 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_bytes("millrace", 8) == UINT64_C(0x0f798300cb96eca5));
    assert_true(hash_seeded("millrace", 8, 7) == UINT64_C(0x9d5de8fc9bf4acf9));
    assert_true(hash_draw(7, 42) == UINT64_C(0xb117e48ca46dc725));
    assert_true(hash_unit(UINT64_C(0xb117e48ca46dc725)) == 0x1.622fc91948db8p-1);
    assert_true(hash_unit(2047) == 0 && hash_positive(2047) == 0x1p-54);
    assert_true(hash_unit(UINT64_MAX) == 1 - 0x1p-53 && hash_positive(UINT64_MAX) == 1);
}

/* The first outputs of SplitMix64 from 0, as in its authors' test vectors. */
static void test_random_golden(void **state)
{
    struct random random = {0};

    (void)state;
    assert_true(random_next(&random) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(random_next(&random) == UINT64_C(0x6e789e6aa1b965f4));
    for (uint64_t below = 1; below < 100; below++)
        assert_true(random_below(&random, below) < below);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_hash_golden),
        cmocka_unit_test(test_random_golden),
    };
    return cmocka_run_group_tests_name("sum", tests, NULL, NULL);
}
