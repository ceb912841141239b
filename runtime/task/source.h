/* source: the driver of a source operator: reads the splits of its subtask, the one with the lowest
 * watermark next, and judges lateness row by row against the row's own split.
 *
 * Split i belongs to subtask i % parallelism. A split's watermark is its largest event time so far,
 * less the out-of-orderness, less 1; a row at or before the watermark that its split had before it
 * is late and leaves by the port `late`. Before anything is sent, each split that has not begun is
 * read up to its first rows, which bound its watermark: its first row is never late. Only
 * SPLITS_OPEN readers are kept open; others are closed and opened again at their position, and what
 * was read ahead is then read again. */
#ifndef MILLRACE_TASK_SOURCE_H
#define MILLRACE_TASK_SOURCE_H

#include "runtime/task/subtask.h"

#define SPLITS_OPEN 16u

enum split_state {
    SPLIT_NEW,   /* no row has been read: its watermark is not known */
    SPLIT_READY, /* its watermark is known */
    SPLIT_DONE,  /* has ended */
};

struct split_progress { /* what a snapshot keeps */
    uint32_t index;
    enum split_state state;
    bool begun;               /* `position` counts */
    struct position position; /* behind the read before the rows in `skip` */
    uint32_t skip;            /* rows of the next read that have been sent */
    int64_t watermark_ms;
    int64_t end; /* of the split; it may grow after a snapshot */
};

struct source *source_open(struct subtask *subtask);
void source_close(struct source *source); /* NULL is fine */
/* Told by the operator's open. */
void source_time(struct source *source, int64_t out_of_orderness_ms, int64_t idle_ms);

/* Reads one batch. PROGRESS_NONE: all is read, or it waits. */
enum progress source_step(struct subtask *subtask);
bool source_polls(
    const struct source *source); /* splits that wait are to be looked at: step again */
int64_t source_due_ns(const struct source *source); /* when they are; INT64_MAX: none waits */
void source_wake(struct source *source);            /* any thread: there may be more for them */
bool source_drained(const struct source *source);
int64_t source_watermark(const struct source *source);
void source_stop(struct source *source);    /* nothing is read any more */
void source_release(struct source *source); /* of debug.hold-after-rows: a checkpoint is complete */

/* Snapshots. `split` NULL past the last. */
uint32_t source_split_count(const struct source *source);
const struct split_progress *source_split(const struct source *source, uint32_t at);
/* False: the split is not this subtask's. */
bool source_restore(struct source *source, const struct split_progress *split);

/* After all splits. */
void source_restored(struct source *source, int64_t watermark_ms);

/* Any thread: the first record that was rejected; text has REJECTED_TEXT_MAX bytes, empty: none. */
void source_rejected(const struct source *source, uint64_t *origin, char *text);
void source_bytes(const struct source *source, uint64_t *done, uint64_t *all);

#endif
