/* decay and levels: the clocks of the item tables. */
#include "operators/model/decay.h"

#include "operators/model/levels.h"
#include "runtime/base/timestamp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000)

static void test_decay(void **state)
{
    static struct decay decay;

    (void)state;
    decay_init(&decay);
    assert_true(decay_read(&decay, 3.0, 10, 10) == 3.0);
    assert_true(decay_read(&decay, 3.0, 10, 5) == 3.0);
    assert_true(fabs(decay_read(&decay, 3.0, 10, 10 + DECAY_HALF_HOURS) - 1.5) < 1e-12);
    assert_true(decay_read(&decay, 1.0, 0, DECAY_HOURS_MAX) > 0);
    assert_true(decay_read(&decay, 1.0, 0, DECAY_HOURS_MAX + 1) == 0);
    assert_int_equal(decay_hour(0), 0);
    assert_int_equal(decay_hour(HOUR - 1), 0);
    assert_int_equal(decay_hour(HOUR), 1);
    assert_int_equal(decay_hour(-1), -1);
    assert_int_equal(decay_hour(-HOUR), -1);
    assert_int_equal(decay_hour(-HOUR - 1), -2);
}

/* The rank orders counts of different hours as their decayed values do later. */
static void test_rank(void **state)
{
    static struct decay decay;

    (void)state;
    decay_init(&decay);
    for (int a = 1; a < 40; a++) {
        for (int b = 1; b < 40; b++) {
            int64_t hour_a = 240000 + a * 7 % 50, hour_b = 240000 + b * 11 % 50;
            double later_a = decay_read(&decay, a, hour_a, 240100);
            double later_b = decay_read(&decay, b, hour_b, 240100);
            if (fabs(later_a / later_b - 1) < 1e-9)
                continue;
            assert_int_equal(later_a > later_b, decay_rank(a, hour_a) > decay_rank(b, hour_b));
        }
    }
}

static void test_levels(void **state)
{
    (void)state;
    for (int64_t hours = -400; hours < 400; hours++) {
        int64_t time_ms = hours * HOUR + 1234;
        struct civil civil = timestamp_civil(time_ms);
        assert_int_equal(levels_hour(time_ms), civil.hour);
        assert_int_equal(levels_weekday(time_ms), civil.weekday - 1);
    }
    assert_int_equal(levels_hour(-1), 23);
    assert_int_equal(levels_weekday(-1), 2); /* 31 December 1969, a Wednesday */
}

static void test_terms(void **state)
{
    struct levels_counts all = {0};
    struct levels_overall overall;
    int64_t hours[LEVELS_HOURS] = {[20] = 90, [8] = 10}, weekdays[LEVELS_WEEKDAYS] = {[5] = 100};
    double sum = 0;

    (void)state;
    levels_add(&all, 100, hours, weekdays);
    levels_add(&all, 100, hours, weekdays);
    levels_overall(&all, &overall);
    for (uint32_t i = 0; i < LEVELS_HOURS; i++)
        sum += overall.hours[i];
    assert_true(fabs(sum - 1) < 1e-12);
    assert_true(fabs(overall.hours[20] - 181.0 / 224) < 1e-12);
    assert_true(fabs(overall.weekdays[5] - 201.0 / 207) < 1e-12);
    assert_true(levels_term(0, 0, 0.5, 10) == 0); /* no evidence */
    assert_true(fabs(levels_term(50, 100, 0.5, 10)) < 1e-12);
    assert_true(levels_term(80, 100, 0.5, 10) > levels_term(8, 10, 0.5, 10)); /* shrinks */
    assert_true(levels_term(8, 10, 0.5, 10) > 0);
    assert_true(levels_term(1, 10, 0.5, 10) < 0);
    assert_true(fabs(levels_term(80, 100, 0.5, 10) - log(85.0 / 110 / 0.5)) < 1e-12);
}

/* The spread of classes tells how far a class is to be believed. */
static double prior_of(int64_t apart)
{
    struct levels_counts all = {0};
    struct levels_overall overall;
    struct levels_spread spread = {0};

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t class = 0; class < 50; class ++) {
            int64_t hours[LEVELS_HOURS] = {0}, weekdays[LEVELS_WEEKDAYS] = {100};
            hours[8] = class % 2 ? 50 - apart : 50 + apart;
            hours[20] = 100 - hours[8];
            if (pass == 0)
                levels_add(&all, 100, hours, weekdays);
            else
                levels_spread_add(&spread, &overall, 100, hours, weekdays);
        }
        levels_overall(&all, &overall);
    }
    levels_spread_add(&spread, &overall, 0, NULL, NULL); /* no events: tells nothing */
    assert_int_equal(spread.classes, 50);
    return levels_prior(&spread, spread.hours, 2);
}

static void test_prior(void **state)
{
    (void)state;
    assert_true(prior_of(0) == LEVELS_PRIOR_MAX);
    assert_true(prior_of(3) == LEVELS_PRIOR_MAX); /* less than chance, which would be 5 */
    assert_true(prior_of(10) < 100);
    assert_true(prior_of(20) < prior_of(10));
    assert_true(prior_of(50) == LEVELS_PRIOR_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decay), cmocka_unit_test(test_rank),  cmocka_unit_test(test_levels),
        cmocka_unit_test(test_terms), cmocka_unit_test(test_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
