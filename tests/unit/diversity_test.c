/* diversity: the closed form against determinants, and lists against what greedy choice by
 * determinants of the window gives. */
#include "operators/model/diversity.h"

#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT 12u

/* Of the similarity matrix of these kinds, by elimination. */
static double determinant(const uint64_t *kinds, uint32_t count, double alike)
{
    double m[COUNT + 1][COUNT + 1], det = 1;

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++)
            m[i][j] = i == j ? 1 : kinds[i] == kinds[j] ? alike : 0;
    for (uint32_t k = 0; k < count; k++) {
        det *= m[k][k];
        for (uint32_t i = k + 1; i < count; i++)
            for (uint32_t j = count; j-- > k;)
                m[i][j] -= m[i][k] / m[k][k] * m[k][j];
    }
    return det;
}

static void test_variance(void **state)
{
    const uint64_t one[5] = {1, 1, 1, 1, 1};

    (void)state;
    for (uint32_t same = 1; same < 5; same++)
        assert_true(fabs(diversity_variance(.8, same) -
                         determinant(one, same + 1, .8) / determinant(one, same, .8)) < 1e-12);
    assert_true(diversity_variance(.8, 0) == 1);
}

static void check_list(const struct diversity *diversity, const double *values,
                       const uint64_t *kinds)
{
    double terms[COUNT], last = INFINITY;
    uint8_t taken[COUNT] = {0}, scratch[COUNT];
    uint32_t order[COUNT];

    diversity_terms(diversity, values, kinds, COUNT, terms, scratch, order);
    for (uint32_t place = 0; place < diversity->depth; place++) {
        uint32_t from = place > diversity->window ? place - diversity->window : 0, best = COUNT;
        double most = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            uint64_t window[COUNT + 1];
            double gain;
            for (uint32_t k = from; k < place; k++)
                window[k - from] = kinds[order[k]];
            window[place - from] = kinds[i];
            gain = values[i] + diversity->strength *
                                   log(determinant(window, place - from + 1, diversity->alike) /
                                       determinant(window, place - from, diversity->alike));
            if (!taken[i] && (best == COUNT || gain > most + 1e-9)) {
                best = i;
                most = gain;
            }
        }
        assert_int_equal(order[place], best);
        taken[best] = 1;
        assert_true(values[best] + terms[best] < last);
        last = values[best] + terms[best];
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(terms[i] <= 0);
        assert_true(taken[i] || values[i] + terms[i] < last);
    }
}

static void test_lists(void **state)
{
    struct random random = {7};

    (void)state;
    for (uint32_t round = 0; round < 500; round++) {
        struct diversity diversity = {(double)random_below(&random, 20) / 10, .8,
                                      1 + (uint32_t)random_below(&random, 6),
                                      1 + (uint32_t)random_below(&random, COUNT)};
        double values[COUNT], value = 0;
        uint64_t kinds[COUNT];
        for (uint32_t i = 0; i < COUNT; i++) {
            value -= (double)(1 + random_below(&random, 1000)) / 3000;
            values[i] = value;
            kinds[i] = random_below(&random, 3);
        }
        check_list(&diversity, values, kinds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_variance),
                                       cmocka_unit_test(test_lists)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
