/* list: the best of a list against sorting all of it, with ties. */
#include "operators/model/list.h"

#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_MAX 60u

static void test_best(void **state)
{
    struct random random = {1};
    struct list_place places[COUNT_MAX], sorted[COUNT_MAX];

    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t count = (uint32_t)random_below(&random, COUNT_MAX + 1);
        uint32_t most = (uint32_t)random_below(&random, COUNT_MAX + 3);
        uint64_t values = 1 + random_below(&random, 30);
        uint64_t seen = 0;
        for (uint32_t i = 0; i < count; i++)
            places[i] = (struct list_place){(double)random_below(&random, values), i};
        memcpy(sorted, places, sizeof(sorted));
        list_order(sorted, count);
        list_best(places, count, most);
        for (uint32_t i = 0; i < count && i < most; i++)
            assert_int_equal(places[i].place, sorted[i].place);
        for (uint32_t i = 0; i < count; i++)
            seen |= UINT64_C(1) << places[i].place;
        assert_true(seen == (UINT64_C(1) << count) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_best)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
