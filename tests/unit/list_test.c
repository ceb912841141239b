/* list: the best of a list against sorting all of it, with ties. */
#include "operators/model/list.h"

#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT_MAX 60u

static void test_best(void **state)
{
    struct random random = {1};
    struct list_place best[COUNT_MAX], sorted[COUNT_MAX];
    double values[COUNT_MAX];

    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t count = (uint32_t)random_below(&random, COUNT_MAX + 1);
        uint32_t most = (uint32_t)random_below(&random, COUNT_MAX + 3);
        uint64_t range = 1 + random_below(&random, 30);
        for (uint32_t i = 0; i < count; i++) {
            values[i] = (double)random_below(&random, range);
            sorted[i] = (struct list_place){values[i], 7 + i};
        }
        list_order(sorted, count);
        list_best(values, count, 7, most, best);
        for (uint32_t i = 0; i < count && i < most; i++) {
            assert_int_equal(best[i].place, sorted[i].place);
            assert_true(best[i].value == sorted[i].value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_best)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
