/* delivery: weights against simulated plays whose truth is known, calibration of what is learnt, and the
 * choice of a variant. */
#include "operators/model/delivery.h"

#include "runtime/base/hash.h"
#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PLAYS 200000

static double uniform(struct random *random)
{
    return hash_positive(random_next(random));
}

static void test_learning(void **state)
{
    const double truth[DELIVERY_WEIGHTS] = {.6, 1.8, .7, -.5, -.8};
    double weights[DELIVERY_WEIGHTS], expected[10] = {0}, seen[10] = {0}, count[10] = {0};
    struct random random = {11};

    (void)state;
    for (uint32_t i = 0; i < DELIVERY_WEIGHTS; i++)
        weights[i] = delivery_start[i];
    for (uint32_t i = 0; i < PLAYS; i++) {
        double mean = exp(2 * uniform(&random) - 1), rate = exp(2 * uniform(&random) - .5);
        struct link link = {mean * (.3 + .7 * uniform(&random)), mean, 20 + 150 * uniform(&random),
                            .05 * uniform(&random)};
        double p = delivery_probability(weights, &link, rate);
        bool started = uniform(&random) < delivery_probability(truth, &link, rate);
        uint32_t tenth = (uint32_t)(p * 10);
        if (i > PLAYS / 2) {
            expected[tenth] += p;
            seen[tenth] += started;
            count[tenth]++;
        }
        assert_true(delivery_learn(weights, &link, rate, started, .01));
    }
    for (uint32_t i = 0; i < 10; i++)
        assert_true(count[i] < 1000 || fabs(expected[i] - seen[i]) < .05 * count[i]);
    for (uint32_t i = 1; i < 4; i++)
        assert_true(fabs(weights[i] - truth[i]) < .35);
}

static void test_rungs(void **state)
{
    static const double shares[] = {1, .5, .25, .125};
    const struct ladder ladder = {shares, 4, .9};
    const struct link good = {20, 30, 25, 0}, poor = {.3, .5, 120, .02}, none = {NAN, 1, 1, 0};

    (void)state;
    assert_int_equal(delivery_rung(delivery_start, &good, &ladder, 3.2, false, .93), 0);
    assert_int_equal(delivery_rung(delivery_start, &good, &ladder, 3.2, true, .93), 2);
    assert_int_equal(delivery_rung(delivery_start, &poor, &ladder, 3.2, false, .93), 3);
    assert_int_equal(delivery_rung(delivery_start, &none, &ladder, 3.2, false, .93), 0);
    assert_true(isnan(delivery_probability(delivery_start, &none, 1)));
    assert_false(delivery_learn((double *)(double[]){0, 0, 0, 0, 0}, &none, 1, true, .01));
}

/* Many at once against one by one. */
static void test_many(void **state)
{
    static const double shares[] = {1, .5, .25, .125};
    const struct ladder ladder = {shares, 4, .9};
    enum { COUNT = 300 };
    double native[COUNT], values[4][COUNT];
    const struct delivery_choices choices = {values[0], values[1], values[2], values[3]};
    struct random random = {5};

    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        struct link link = {round == 7 ? NAN : exp(4 * uniform(&random) - 3),
                            exp(4 * uniform(&random) - 2), 20 + 150 * uniform(&random),
                            .05 * uniform(&random)};
        bool low = round % 3 == 0;
        for (uint32_t i = 0; i < COUNT; i++)
            native[i] = i % 50 == 3 ? NAN : i % 50 == 4 ? 0 : exp(6 * uniform(&random) - 4);
        delivery_choose(delivery_start, &link, &ladder, low, .93, .5, native, COUNT, &choices);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t rung = delivery_rung(delivery_start, &link, &ladder, native[i], low, .93);
            double rate = native[i] * shares[rung];
            double p = delivery_probability(delivery_start, &link, rate);
            double rank = isnan(p) ? 0 : log(.2 + .8 * p) - (p < .5 ? 2 : 0);
            bool unknown = isnan(native[i]);
            assert_true(values[0][i] == (unknown ? 0 : shares[rung]));
            assert_true(values[1][i] == (unknown ? 0 : rate));
            assert_true(fabs(values[2][i] - (unknown ? 0 : isnan(p) ? 1 : p)) < 1e-6);
            assert_true(fabs(values[3][i] - (unknown ? 0 : rank)) < 1e-6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_learning),
                                       cmocka_unit_test(test_rungs), cmocka_unit_test(test_many)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
