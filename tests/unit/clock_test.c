/* clock: the clocks run forward and in their units. */
#include "runtime/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

static void test_monotonic(void **state)
{
    int64_t last = clock_now_ns(&clock_monotonic);

    (void)state;
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_now_ns(&clock_monotonic);

        assert_true(now >= last);
        last = now;
    }
}

static void test_wall_is_unix_time(void **state)
{
    int64_t before = (int64_t)time(NULL) * 1000, now = clock_wall_ms();

    (void)state;
    /* time() reads a coarser clock. */
    assert_true(now > before - 1000 && now < before + 60000);
}

/* Spins until each CPU clock has run for 2 ms; it would not end if one stood still, and the test's
 * time-out would say so. */
static void test_cpu_clocks_count_work(void **state)
{
    int64_t thread = clock_thread_cpu_ns(), process = clock_process_cpu_ns();

    (void)state;
    assert_true(thread >= 0 && process >= 0);
    while (clock_thread_cpu_ns() < thread + 2000000)
        ;
    while (clock_process_cpu_ns() < process + 2000000)
        ;
}

static int64_t stopped(const struct clock *clock)
{
    (void)clock;
    return 42;
}

static void test_a_clock_can_be_given(void **state)
{
    const struct clock clock = {.now_ns = stopped};

    (void)state;
    assert_int_equal(clock_now_ns(&clock), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_wall_is_unix_time),
        cmocka_unit_test(test_cpu_clocks_count_work),
        cmocka_unit_test(test_a_clock_can_be_given),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
