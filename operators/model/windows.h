/* windows: which windows end when the watermark moves, for operators whose state is panes as wide
 * as a window's step. Windows end at multiples of `every`; one ends once the watermark reaches its
 * last millisecond, and only windows with rows are told of. */
#ifndef MILLRACE_MODEL_WINDOWS_H
#define MILLRACE_MODEL_WINDOWS_H

#include "runtime/api/operator.h"

/* How far windows have been told. Begins in open with op_watermark, which is restored with the
 * state, and follows it: no window is told twice. */
struct windows {
    struct window window;
    int64_t done_ms; /* watermark; INT64_MIN: none yet */
};

/* The first multiple of `every` whose window is still open at the watermark `done_ms`. */
int64_t windows_open_end(const struct window *window, int64_t done_ms);

/* The end of the first open window that holds the pane, or INT64_MAX without a pane. The pane may
 * not begin before the first open window does. */
int64_t windows_next_end(const struct window *window, int64_t done_ms, int64_t pane_ms);

/* The last millisecond of the tumbling window that holds the time. */
int64_t windows_last_ms(int64_t size_ms, int64_t time_ms);

/* ---- keys that are silent ----
 * Operators that keep a cell of each key, and tell it at the end of a window in which it changed, drop the
 * key once it has been silent for `forget`, counted from the end of the last window that it was told at.
 * Its row leaves the table then, and if it comes again it begins anew: for a reader as for the operator it
 * is as if it came with another name. */
#define WINDOWS_FORGET(config, silence_ms, keys)                                                   \
    {                                                                                              \
        .name = "forget", .type = OPT_DURATION, FIELD(config, forget_ms), .def.i64 = (silence_ms), \
        .max.i64 = 36600 * DAY_MS,                                                                 \
        .help = keys " that have not come for so long are dropped, from the table too; 0s: never." \
    }
/* Whether a row at `time_ms` is of a key that was dropped: its cell, last told for `due_ms`, the last
 * millisecond of a window, is to be emptied. Without a window (size 0) `due_ms` is the last row's time. */
bool windows_stale(int64_t size_ms, int64_t forget_ms, int64_t due_ms, int64_t time_ms);
/* In describe: `state` has the cells, `port` the rows. The store counts from the last use, which is up to a
 * window before `due_ms`, to a row that is up to a window behind the end of the one before: it drops none
 * that windows_stale would keep. */
static inline void windows_forget(struct describe *describe, uint32_t state, uint32_t port,
                                  const struct window *window, int64_t forget_ms)
{
    if (!forget_ms)
        return;
    describe_expiry(describe, state, forget_ms + 2 * window->size_ms + 1);
    if (window->size_ms)
        describe_keep(describe, port, forget_ms);
}

/* *more, as of op_pane_scan: it is to be called again for this window. */
typedef bool windows_fire(struct op *op, void *context, int64_t begin_ms, int64_t end_ms,
                          bool *more, struct error *err);

/* Call in on_watermark: fires, in order of their ends, the windows that the watermark closes, and
 * drops panes that no later one needs. */
bool windows_advance(struct op *op, uint32_t state, struct windows *windows, int64_t time_ms,
                     windows_fire *fire, void *context, struct error *err);

#endif
