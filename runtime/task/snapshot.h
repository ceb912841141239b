/* snapshot: a subtask's part of a checkpoint: taken at a barrier, written by the executor, reported
 * once all of it stands; and what a new subtask takes over from former ones. */
#ifndef MILLRACE_TASK_SNAPSHOT_H
#define MILLRACE_TASK_SNAPSHOT_H

#include "runtime/task/subtask.h"

/* At the barrier, with the chain quiet: closes the store's segments and begins to write. One that
 * is still being written is forgotten. */
void snapshot_begin(struct subtask *subtask, uint64_t checkpoint);
/* Reports a snapshot whose files stand. False with the subtask's error filled. */
bool snapshot_poll(struct subtask *subtask);
void snapshot_forget(struct subtask *subtask, uint64_t checkpoint); /* up to this one */
void snapshots_close(struct subtask *subtask);                      /* waits for the executor */

/* What former subtasks left. Made before the operators are opened, as op_watermark gives the restored
 * one there; the rest after, before the first step. */
struct resume;
struct resume *resume_open(struct subtask *subtask, const struct subtask_restore *restore,
                           struct error *err);
/* Takes key groups, splits, bundles, held rows and watermarks over. */
bool resume_apply(struct resume *resume, struct error *err) NODISCARD;
void resume_close(struct resume *resume); /* NULL is fine */

#endif
