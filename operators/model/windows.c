/* windows: see windows.h. */
#include "operators/model/windows.h"

#include "runtime/base/check.h"

static int64_t floor_to(int64_t time_ms, int64_t step_ms)
{
    int64_t rest = time_ms % step_ms;

    return time_ms - (rest < 0 ? rest + step_ms : rest);
}

int64_t windows_open_end(const struct window *window, int64_t done_ms)
{
    if (done_ms == INT64_MIN)
        return INT64_MIN;
    if (done_ms > INT64_MAX - window->every_ms - 1)
        return INT64_MAX;
    return floor_to(done_ms + 1, window->every_ms) + window->every_ms;
}

int64_t windows_next_end(const struct window *window, int64_t done_ms, int64_t pane_ms)
{
    int64_t open = windows_open_end(window, done_ms);

    if (pane_ms > INT64_MAX - window->every_ms)
        return INT64_MAX;
    CHECK(open == INT64_MIN || pane_ms >= open - window->size_ms);
    return pane_ms + window->every_ms > open ? pane_ms + window->every_ms : open;
}

int64_t windows_last_ms(int64_t size_ms, int64_t time_ms)
{
    return floor_to(time_ms, size_ms) + size_ms - 1;
}

bool windows_stale(int64_t size_ms, int64_t forget_ms, int64_t due_ms, int64_t time_ms)
{
    if (!forget_ms || time_ms - due_ms < forget_ms)
        return false;
    return !size_ms || windows_last_ms(size_ms, time_ms) - size_ms - due_ms >= forget_ms;
}

bool windows_advance(struct op *op, uint32_t state, struct windows *windows, int64_t time_ms,
                     windows_fire *fire, void *context, struct error *err)
{
    const struct window *window = &windows->window;
    int64_t open = windows_open_end(window, windows->done_ms);

    CHECK(time_ms >= windows->done_ms);
    while (open == INT64_MIN || open - 1 <= time_ms) {
        int64_t from = open == INT64_MIN ? INT64_MIN : open - window->size_ms;
        int64_t pane = op_pane_first(op, state, from);
        int64_t end = windows_next_end(window, windows->done_ms, pane);
        bool more = false;

        if (end == INT64_MAX || end - 1 > time_ms)
            break;
        if (!fire(op, context, end - window->size_ms, end, &more, err))
            return false;
        if (more) {
            op_again(op);
            return true;
        }
        windows->done_ms = end - 1;
        open = end + window->every_ms;
        op_pane_drop(op, state, open - window->size_ms);
    }
    windows->done_ms = time_ms;
    return true;
}
