/* Intervals of ratios against a computation in the plainest way, and chi-square tails from tables. */
#include "operators/model/interval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double is, double want, double within)
{
    if (!(fabs(is - want) <= within))
        fail_msg("is %.12g, expected %.12g", is, want);
}

/* Critical values of the chi-square distribution (NIST/SEMATECH e-Handbook, 1.3.6.7.4). */
static void test_tails(void **state)
{
    (void)state;
    near(chi_square_tail(3.841, 1), 0.05, 1e-4);
    near(chi_square_tail(6.635, 1), 0.01, 1e-4);
    near(chi_square_tail(18.307, 10), 0.05, 1e-4);
    near(chi_square_tail(124.342, 100), 0.05, 1e-4);
    near(chi_square_tail(61.754, 90), 0.99, 1e-4);
    near(chi_square_tail(0, 3), 1, 0);
    near(chi_square_tail(5, 0), 1, 0);
}

static void test_error(void **state)
{
    static const double over[] = {3, 0, 5, 2}, under[] = {10, 4, 11, 9};
    struct influence influence = {0};
    double squares = 0;

    (void)state;
    for (int u = 0; u < 4; u++) {
        double value = influence_of(over[u], under[u], 10, 34, 4);

        near(value, 4 * (over[u] / 10 - under[u] / 34), 1e-12);
        squares += value * value;
        influence_add(&influence, value);
    }
    near(influence_error(&influence, 4), sqrt(squares / 12), 1e-9);
    assert_true(isnan(influence_error(&influence, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
