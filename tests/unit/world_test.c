/* world: the draws, days and links of the generated world against their published constants. */
#include "operators/model/link.h"
#include "operators/model/world_calendar.h"
#include "operators/model/world_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SESSIONS 4000

static void test_hash(void **state)
{
    double sum = 0, squares = 0;

    (void)state;
    assert_int_equal(world_mix(0), 0);
    assert_true(world_mix(1) == UINT64_C(0x5692161d100b05e5)); /* SplitMix64's finaliser */
    for (uint64_t i = 0; i < 100000; i++) {
        double x = world_normal(world_hash(7, TAG_LINK, i, 0, 0));
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / 1e5) < 0.015 && fabs(squares / 1e5 - 1) < 0.02);
}

static void test_calendar(void **state)
{
    struct world_holiday near;

    (void)state;
    assert_int_equal(world_day_of(2025, 1, 1), 0);
    assert_int_equal(world_day_of(2028, 3, 1), 3 * 365 + 31 + 29);
    assert_int_equal(world_weekday(0), 2); /* Wednesday */
    assert_int_equal(world_day_of_year(world_day_of(2028, 12, 31)), 366);
    near = world_holiday_near(world_day_of(2026, 2, 14), 0);
    assert_string_equal(world_holiday_name(near.holiday), "spring-festival");
    assert_int_equal(near.days, -3);
    assert_int_equal(world_holiday_near(world_day_of(2026, 2, 14), 1).holiday, -1);
    assert_int_equal(world_holiday_near(world_day_of(2025, 12, 18), 2).days, -7);
    assert_int_equal(world_holiday_near(world_day_of(2026, 1, 1), 2).days, 7);
    assert_int_equal(world_holiday_near(world_day_of(2026, 1, 2), 2).holiday, -1);
}

/* Mean and deviation of log throughput over sessions, and its correlation within them. */
static void test_link(void **state)
{
    static const double rho1[] = {.88, .85, .87, .83, .85, .88, .91, .92};
    static const double rho10[] = {.71, .51, .58, .48, .69, .64, .50, .41};

    (void)state;
    for (uint32_t kind = 0; kind < LINK_KINDS; kind++) {
        const struct link_model *model = &link_models[kind];
        double mean = 0, square = 0, slow = model->slow, fast = 1 - slow;
        for (uint64_t i = 0; i < SESSIONS; i++) {
            struct link link = {.rtt_ms = 50};
            link_draw_past(&link, (enum link_kind)kind, 1, world_hash(3, TAG_LINK, i, kind, 0),
                           world_hash(3, TAG_LINK_STEP, i, kind, 0));
            link_next(&link);
            mean += log(link.mbits[99]) / SESSIONS;
            square += log(link.mbits[99]) * log(link.mbits[99]) / SESSIONS;
            assert_true(link.q20 <= link.mean);
        }
        assert_true(fabs(mean - model->mu) < 4 * model->sd / sqrt(SESSIONS));
        assert_true(fabs(sqrt(square - mean * mean) - model->sd) < 0.05 * model->sd);
        assert_true(fabs(slow * model->slow_rho + fast * model->fast_rho - rho1[kind]) < 0.01);
        assert_true(fabs(slow * pow(model->slow_rho, 10) + fast * pow(model->fast_rho, 10) -
                         rho10[kind]) < 0.03);
    }
}

static void test_start(void **state)
{
    struct link link = {.rtt_ms = 100};

    (void)state;
    for (uint32_t i = 0; i < LINK_SECONDS; i++)
        link.mbits[i] = 2;
    assert_float_equal(link_start(&link, 4, 5).start_s, 0.3 + 2.5, 1e-9);
    assert_float_equal(link_start(&link, 4, 5).share, 0.5, 1e-9);
    assert_float_equal(link_start(&link, 0, 100).start_s, 0.3 + 50, 1e-9);
    assert_float_equal(link_start(&link, 0, 100).share, 1, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
