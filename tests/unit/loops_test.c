/* loops: against the plainest way, at counts around the width of vector units. */
#include "operators/model/loops.h"

#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT_MAX 40u
#define CUTS_MAX 9u
#define NONE 0xffffu

static void test_cuts(void **state)
{
    static const double cuts[CUTS_MAX] = {-2, -1, 0, .5, 1, 2, 3, 4, 5};
    static const double some[] = {-INFINITY, -2.5, -2, -1, -.5, 0, .5, .75, 5, 6, INFINITY, NAN};
    static const double terms[CUTS_MAX + 2] = {.1, .2, -.3, .4, 5, 6, -7, .8, 9, 10, 11};
    struct random random = {1};

    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t count = (uint32_t)random_below(&random, COUNT_MAX + 1);
        uint32_t cut_count = (uint32_t)random_below(&random, CUTS_MAX + 1), levels[COUNT_MAX];
        uint32_t upper = random_below(&random, 2) ? NONE : 7;
        double values[COUNT_MAX], steps[COUNT_MAX];
        for (uint32_t i = 0; i < count; i++)
            values[i] = some[random_below(&random, sizeof(some) / sizeof(some[0]))];
        loops_cuts(values, count, cuts, cut_count, NONE, upper, levels);
        loops_steps(values, count, cuts, cut_count, terms, steps);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t level = isnan(values[i]) ? NONE : 0;
            for (uint32_t k = 0; k < cut_count; k++)
                level += values[i] >= cuts[k];
            assert_int_equal(levels[i], level | upper << 16);
            assert_true(steps[i] == terms[level == NONE ? cut_count + 1 : level]);
        }
    }
}

static void test_places(void **state)
{
    struct random random = {2};

    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t count = (uint32_t)random_below(&random, COUNT_MAX + 1), levels[COUNT_MAX];
        uint32_t most = 1 + (uint32_t)random_below(&random, 1024), upper = 0xffff;
        uint16_t places[COUNT_MAX];
        double from[1025], to[COUNT_MAX], sums[COUNT_MAX];
        for (uint32_t i = 0; i <= most; i++)
            from[i] = (double)random_below(&random, 1000) / 7;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t level =
                random_below(&random, 9) ? (uint32_t)random_below(&random, 1024) : NONE;
            levels[i] = level | (random_below(&random, 30) ? NONE : 12u) << 16;
            upper &= levels[i] >> 16;
        }
        assert_int_equal(loops_places(levels, count, most, places), upper);
        loops_gather(to, from, places, count);
        loops_add(sums, to, to, count);
        loops_add(to, to, sums, count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t level = levels[i] & 0xffff;
            double value = from[level < most ? level : most];
            assert_int_equal(places[i], level < most ? level : most);
            assert_true(to[i] == value + (value + value));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cuts), cmocka_unit_test(test_places)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
