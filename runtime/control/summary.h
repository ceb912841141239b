/* summary: the figures of a run as JSON (`--summary FILE`), and the progress line. */
#ifndef MILLRACE_CONTROL_SUMMARY_H
#define MILLRACE_CONTROL_SUMMARY_H

#include "runtime/control/driver.h"

/* One JSON object: job, state, restarts, checkpoints, operators (rows in and out by port, late,
 * counters, by subtask too), processes (pid, rows, CPU seconds, bytes sent, peak memory). */
bool summary_write(const struct driver_view *view, const char *path, struct error *err);

/* A line for each source of whose records all were rejected, with the first of them; or some were, or late,
 * while nobody reads of which: a wrong format or unit would otherwise look like an empty file. Appends.
 * True: all were rejected and nobody has seen it. */
bool unread_text(const struct driver_view *view, struct bytes *out);

/* `42 % · 1.2 M rows/s · 12 s left · score busy 80 % blocked 5 %`; appends. `last` keeps what the
 * rate is measured from (zeroed before the first). */
struct progress {
    int64_t at_ms;
    uint64_t rows;
    double rate;
};
void progress_text(const struct driver_view *view, struct progress *last, struct bytes *out);
/* `finished | 1.2 M rows | 12.3 s`: the last of these lines; appends. */
void done_text(const struct driver_view *view, struct bytes *out);

#endif
