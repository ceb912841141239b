/* clock: the real clocks. clock_gettime fails only for a clock that the kernel lacks. */
#include "runtime/base/clock.h"

#include "runtime/base/check.h"

#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec now;

    CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t monotonic_now_ns(const struct clock *clock)
{
    (void)clock;
    return read_ns(CLOCK_MONOTONIC);
}

const struct clock clock_monotonic = {.now_ns = monotonic_now_ns};

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_process_cpu_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
