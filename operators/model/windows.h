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

/* *more, as of op_pane_scan: it is to be called again for this window. */
typedef bool windows_fire(struct op *op, void *context, int64_t begin_ms, int64_t end_ms,
                          bool *more, struct error *err);

/* Call in on_watermark: fires, in order of their ends, the windows that the watermark closes, and
 * drops panes that no later one needs. */
bool windows_advance(struct op *op, uint32_t state, struct windows *windows, int64_t time_ms,
                     windows_fire *fire, void *context, struct error *err);

#endif
