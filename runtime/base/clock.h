/* clock: the seam for time. Real clocks in a process, a virtual one in tests/sim. Nothing read
 * from a clock may enter a row. */
#ifndef MILLRACE_BASE_CLOCK_H
#define MILLRACE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now_ns)(const struct clock *clock); /* monotonic */
};

extern const struct clock clock_monotonic;

static inline int64_t clock_now_ns(const struct clock *clock)
{
    return clock->now_ns(clock);
}

int64_t clock_wall_ms(void);       /* Unix time, for logs and file metadata */
int64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */
int64_t clock_process_cpu_ns(void);

#endif
