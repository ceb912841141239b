/* distinct: exact while few, near while many, and the same whatever the order. */
#include "operators/model/distinct.h"

#include "runtime/base/hash.h"
#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add_range(struct distinct *distinct, uint64_t seed, uint64_t begin, uint64_t end)
{
    for (uint64_t i = begin; i < end; i++)
        distinct_add(distinct, hash_draw(seed, i));
}

static void test_exact(void **state)
{
    struct distinct distinct = {0};

    (void)state;
    assert_int_equal(distinct_count(&distinct), 0);
    for (uint64_t i = 1; i <= DISTINCT_EXACT; i++) {
        add_range(&distinct, 1, 0, i); /* those before are there already */
        assert_int_equal(distinct_count(&distinct), i);
        assert_false(distinct.sketch);
    }
    add_range(&distinct, 1, 0, DISTINCT_EXACT + 1);
    assert_true(distinct.sketch);
    assert_in_range(distinct_count(&distinct), 60, 70);
}

/* 50 sets of each size: the mean shows bias, the spread is the method's 4.6 %. */
static void test_estimate(void **state)
{
    static const uint64_t sizes[] = {65, 100, 200, 500, 1000, 1280, 2000, 5000, 20000};

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        double sum = 0, squares = 0;
        for (uint64_t seed = 0; seed < 50; seed++) {
            struct distinct distinct = {0};
            double error;
            add_range(&distinct, seed, 0, sizes[s]);
            error = (double)distinct_count(&distinct) / (double)sizes[s] - 1;
            sum += error;
            squares += error * error;
        }
        if (fabs(sum / 50) > 0.02 || sqrt(squares / 50) > 0.06)
            print_error("size %lu: bias %f, error %f\n", (unsigned long)sizes[s], sum / 50,
                        sqrt(squares / 50));
        assert_true(fabs(sum / 50) <= 0.02);
        assert_true(sqrt(squares / 50) <= 0.06);
    }
}

/* The same values in any order and any grouping give the same count. */
static void test_order(void **state)
{
    struct random random = {.state = 3};

    (void)state;
    for (int round = 0; round < 200; round++) {
        uint64_t size = random_below(&random, 3 * DISTINCT_EXACT);
        struct distinct once = {0}, parts[5] = {{0}}, whole = {0};
        add_range(&once, 9, 0, size);
        for (uint64_t i = 0; i < 4 * size; i++)
            distinct_add(&parts[random_below(&random, 5)],
                         hash_draw(9, i < size ? size - 1 - i : random_below(&random, size)));
        for (int i = 4; i >= 0; i--)
            distinct_merge(&whole, &parts[i]);
        assert_int_equal(distinct_count(&whole), distinct_count(&once));
    }
}

/* A register that holds its largest value, and all of them. */
static void test_extremes(void **state)
{
    struct distinct distinct = {.sketch = 1};

    (void)state;
    distinct_add(&distinct, 0);
    assert_int_equal(distinct.registers[0], 64 - DISTINCT_BITS + 1);
    assert_true(distinct_count(&distinct) >= 1);
    memset(distinct.registers, 64 - DISTINCT_BITS + 1, sizeof(distinct.registers));
    assert_true(distinct_count(&distinct) > INT64_C(1) << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
