/* restore: between the snapshots of subtasks and the manifest of a checkpoint. A manifest has one
 * entry for each chain, named by its head operator; the blob `ops` lists the chain's operators,
 * since the chains of another parallelism may be cut elsewhere. */
#ifndef MILLRACE_WORKER_RESTORE_H
#define MILLRACE_WORKER_RESTORE_H

#include "runtime/task/task.h"
#include "state/manifest.h"

/* What the subtasks of a chain start from: the snapshots of all former subtasks that ran one of
 * its operators. `dir` holds the files. Memory is the arena's; bytes are the manifest's. */
void restore_chain(const struct plan *plan, uint32_t chain, const struct manifest *manifest,
                   const char *dir, struct arena *arena, struct subtask_restore *out);

/* The manifest's operators from the snapshots of all subtasks (by chain and subtask). Memory is
 * the arena's; bytes stay the snapshots'. */
void restore_manifest(const struct plan *plan, const struct subtask_snapshot *snapshots,
                      uint32_t count, struct arena *arena, struct manifest *manifest);

/* Operators of the manifest that the plan does not have, and states of those that it has, such as
 * "operator `trends`; operator `clean`, state `seen`" (empty: none). */
void restore_missing(const struct plan *plan, const struct manifest *manifest, struct bytes *names);

/* Appends what restore_changes compares for a chain. */
void restore_fixed(const struct plan *plan, uint32_t chain, struct bytes *out);
/* What the job has otherwise than at the checkpoint, such as "world.seed was 1, is 7; events: split 0
 * was ..." (empty: nothing): `fixed` may not be, `told` may. */
void restore_changes(const struct plan *plan, const struct manifest *manifest, struct bytes *fixed,
                     struct bytes *told);

#endif
