/* checkpoints: a job's checkpoint folder as the coordinator's process uses it: what to restore from,
 * manifests, retention. Blocking work runs on libuv's pool, one piece at a time; callbacks come on
 * the loop thread. */
#ifndef MILLRACE_CONTROL_CHECKPOINTS_H
#define MILLRACE_CONTROL_CHECKPOINTS_H

#include "runtime/graph/plan.h"
#include "runtime/task/task.h"
#include "state/manifest.h"

#include <uv.h>

struct checkpoints;

/* Opens the folder (`restore_path` NULL: checkpoint.dir of the job) and claims a new epoch, which
 * fences the run before. Blocks. ERROR_CONFIG when the restore path does not fit the job, or when a
 * run from nothing finds the folder in use. */
struct checkpoints *checkpoints_open(uv_loop_t *loop, const struct plan *plan,
                                     const char *restore_path, bool allow_missing,
                                     struct error *err);
void checkpoints_close(struct checkpoints *checkpoints); /* NULL is fine; none may be under way */

uint32_t checkpoints_epoch(const struct checkpoints *checkpoints);
uint64_t checkpoints_restored(const struct checkpoints *checkpoints); /* number; 0: none */
/* How many checkpoints of earlier runs a run from nothing has found; `path`: folder of the newest. */
uint32_t checkpoints_earlier(const struct checkpoints *checkpoints, char *path, size_t size);
const char *checkpoints_job_dir(const struct checkpoints *checkpoints);  /* DIR/JOB */
const char *checkpoints_work_dir(const struct checkpoints *checkpoints); /* DIR/JOB/shared */
const char *checkpoints_spill_dir(const struct checkpoints *checkpoints);

/* Finds what an attempt starts from, once no manifest is being written: the newest complete checkpoint
 * of this run, else the one the run was restored from, else nothing (path empty). Damaged ones are
 * logged. ERROR_FENCED when a newer run has taken over, here and in checkpoints_write. */
typedef void checkpoints_found(void *owner, uint32_t attempt, const char *manifest_path,
                               const struct error *err);
void checkpoints_find(struct checkpoints *checkpoints, uint32_t attempt, checkpoints_found *found,
                      void *owner);

/* Writes the manifest of a checkpoint and then retires old ones. The snapshots are encoded at once
 * and not needed after the call. */
typedef void checkpoints_written(void *owner, uint64_t checkpoint, const struct error *err);
void checkpoints_write(struct checkpoints *checkpoints, uint64_t checkpoint, uint32_t attempt,
                       bool final, const struct subtask_snapshot *snapshots, uint32_t count,
                       checkpoints_written *written, void *owner);

/* Removes the spill folders of this run's processes. */
void checkpoints_clean(struct checkpoints *checkpoints);

#endif
