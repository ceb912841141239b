/* Bandits: probabilities against the normal limit and against each other, regressions against the truth,
 * and both methods in small worlds where the best arm is known. */
#include "operators/model/bandit.h"

#include "runtime/base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static double uniform(uint64_t seed, uint64_t draw)
{
    return hash_positive(hash_draw(seed, draw));
}

static void near(double is, double want, double within)
{
    if (!(fabs(is - want) <= within))
        fail_msg("is %.12g, expected %.12g", is, want);
}

static double total(const double *values, uint32_t count)
{
    double sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static void test_probabilities(void **state)
{
    struct bandit_arm arms[3] = {{.clicks = 100, .exposure = 1000},
                                 {.clicks = 100, .exposure = 1000},
                                 {.clicks = 10, .exposure = 1000}};
    double p[3], again[3], sd;

    (void)state;
    bandit_thompson(arms, 3, 1, 0.06, 5, p);
    bandit_thompson(arms, 3, 1, 0.06, 5, again);
    near(total(p, 3), 1, 1e-12);
    near(p[0], 0.49, 0.04);
    near(p[2], 0.02, 1e-12);
    assert_memory_equal(p, again, sizeof(p));
    bandit_thompson(arms, 3, 1, 0.06, 6, again);
    assert_true(p[0] != again[0]); /* another seed draws anew */

    arms[1].clicks = 110; /* gammas of many clicks are nearly normal */
    bandit_thompson(arms, 2, 1e-9 + 0.5, 0, 9, p);
    sd = sqrt(100 + 110);
    near(p[1], 0.5 * erfc(-10 / sd / sqrt(2)), 0.03);

    arms[0] = arms[1] = (struct bandit_arm){0}; /* nothing seen: all alike */
    bandit_thompson(arms, 2, 10, 0, 3, p);
    near(p[0], 0.5, 0.04);
    bandit_thompson(arms, 1, 10, 0, 3, p);
    near(p[0], 1, 0);
}

static void test_draw(void **state)
{
    const double p[] = {0.25, 0, 0.75};

    (void)state;
    assert_int_equal(bandit_draw(p, 3, 0), 0);
    assert_int_equal(bandit_draw(p, 3, 0.2499), 0);
    assert_int_equal(bandit_draw(p, 3, 0.25), 2);
    assert_int_equal(bandit_draw(p, 3, 0.9999999), 2);
}

static void test_fade(void **state)
{
    struct bandit_arm arm = {0};
    const double context[] = {1, 2};

    (void)state;
    bandit_add(&arm, context, 2, 0.5, true);
    bandit_add(&arm, context, 2, 0.5, false);
    near(arm.clicks, 1, 0);
    near(arm.exposure, 1, 0);
    near(arm.moments[0], 0.5, 0);
    near(arm.moments[1], 1, 0);
    near(arm.moments[2], 2, 0);
    near(arm.right[1], 1, 0);
    bandit_fade(&arm, 0.5);
    near(arm.clicks, 0.5, 0);
    near(arm.moments[2], 1, 0);
}

#define ROUNDS 4000u
#define BLOCK 50u /* rounds between versions */

/* Three rates: the best arm gets most of the last quarter. */
static void test_thompson_finds(void **state)
{
    static const double rates[] = {0.10, 0.12, 0.16};
    const double context[] = {1};
    struct bandit_arm arms[3] = {{0}}, seen[3];
    double p[3];
    uint32_t best = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t arm;
        if (round % BLOCK == 0) {
            for (uint32_t i = 0; i < 3; i++)
                seen[i] = arms[i];
            bandit_thompson(seen, 3, 10, 0.05, round, p);
        }
        arm = bandit_draw(p, 3, uniform(1, round));
        best += arm == 2 && round >= ROUNDS / 4 * 3;
        for (uint32_t k = 1; k <= 10; k++) {
            double look = 1 / sqrt(k);
            bandit_add(&arms[arm], context, 1, look, uniform(round + 2, k) < look * rates[arm]);
        }
    }
    if (best < ROUNDS * 0.25 * 0.85)
        fail_msg("the best arm had %u of the last %u rounds", best, ROUNDS / 4);
}

/* Which arm is better depends on the context. */
static void test_linear_finds(void **state)
{
    struct bandit_arm arms[2] = {{0}};
    struct bandit_linear linear[2];
    uint32_t right = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double side = uniform(7, round) < 0.5 ? -1 : 1;
        const double context[] = {1, side};
        uint32_t arm, better = side > 0;
        double rate;
        if (round % BLOCK == 0)
            for (uint32_t i = 0; i < 2; i++)
                bandit_linear(&arms[i], 2, 1, &linear[i]);
        arm = bandit_bound(&linear[1], context, 0.5) > bandit_bound(&linear[0], context, 0.5);
        if (uniform(8, round) < 0.05)
            arm = uniform(9, round) < 0.5;
        right += arm == better && round >= ROUNDS / 2;
        rate = arm == 0 ? 0.2 - 0.06 * side : 0.2 + 0.06 * side;
        for (uint32_t k = 1; k <= 10; k++) {
            double look = 1 / sqrt(k);
            bandit_add(&arms[arm], context, 2, look, uniform(round + 50, k) < look * rate);
        }
    }
    if (right < ROUNDS * 0.5 * 0.93)
        fail_msg("the better arm had %u of the last %u rounds", right, ROUNDS / 2);
    bandit_linear(&arms[1], 2, 1, &linear[1]);
    near(linear[1].theta[0], 0.2, 0.02);
    near(linear[1].theta[1], 0.06, 0.02);
}

/* The bound of an arm that nobody played is its prior's; it shrinks as the root of the plays. */
static void test_bound(void **state)
{
    struct bandit_arm arm = {0};
    struct bandit_linear linear;
    const double context[] = {1, 3};

    (void)state;
    bandit_linear(&arm, 2, 4, &linear);
    near(bandit_bound(&linear, context, 2), 2 * sqrt(10. / 4), 1e-12);
    for (uint32_t i = 0; i < 96; i++)
        bandit_add(&arm, (const double[]){1, 0}, 2, 1, i % 4 == 0);
    bandit_linear(&arm, 2, 4, &linear);
    near(bandit_bound(&linear, (const double[]){1, 0}, 1), 24. / 100 + sqrt(1. / 100), 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities), cmocka_unit_test(test_draw),
        cmocka_unit_test(test_fade),          cmocka_unit_test(test_thompson_finds),
        cmocka_unit_test(test_linear_finds),  cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
