/* Link traces of any bytes: never a crash, a reason where it is refused, and each second's throughput
 * within bounds. */
#include "operators/model/link_traces.h"

#include "runtime/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(4096);
    char *text = arena_copy(arena, data, size);
    struct link_trace trace;
    struct error err = {0};

    if (link_trace_parse(text, arena, &trace, &err)) {
        CHECK(trace.seconds >= 1 && trace.seconds <= LINK_TRACE_SECONDS_MAX);
        for (uint32_t i = 0; i < trace.seconds; i++)
            CHECK(trace.mbits[i] >= (float)LINK_MBITS_MIN && trace.mbits[i] <= 1.001e6f);
    } else {
        CHECK(err.what[0] && err.how[0]);
    }
    arena_close(arena);
    return 0;
}
