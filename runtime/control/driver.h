/* driver: the coordinator's process: sockets, spawned workers, manifests and signals around the
 * state machine of coordinator.h. Runs one job in the foreground. */
#ifndef MILLRACE_CONTROL_DRIVER_H
#define MILLRACE_CONTROL_DRIVER_H

#include "runtime/coordinator/coordinator.h"
#include "runtime/worker/protocol.h"
#include "state/manifest.h"

struct driver_config {
    const struct plan_request *request; /* as given; PLAN_SPLITS_MAKE */
    const struct plan *plan;
    const char *program; /* path of this executable: workers are spawned from it */
    uint32_t workers;
    const char *restore_path; /* `-s`; NULL: from nothing */
    bool allow_missing;       /* `-n`: state of operators that the job no longer has is dropped */
    const char *summary_path; /* NULL: none */
    bool progress;            /* a progress line on stderr */
};

/* What it knows when the job has ended or at any time before; for progress and summary. */
struct driver_view {
    const struct plan *plan;
    uint32_t workers;
    const struct worker_figures *figures; /* by worker; the last heard */
    struct coordinator_figures checkpoints;
    uint32_t restarts;
    enum coordinator_state state;
    int64_t run_ms;
    const struct error *failure;   /* NULL: none */
    const char *job_dir;           /* where its checkpoints are */
    int64_t cpu_ns, rss_max_bytes; /* of the coordinator's own process */
    uint64_t bytes_sent;
    uint32_t former_count; /* processes that were replaced */
    const struct worker_figures *formers;
};

/* Runs the job to its end. Exit status: 0 done or stopped with a last checkpoint, 1 failed, 2 a
 * bad restore path. */
int driver_run(const struct driver_config *config);

#endif
