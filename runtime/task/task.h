/* task: one subtask, that is one chain of operators on its share of the rows, as a cooperative
 * tasklet. Used by one thread (its slot's); commands come from any thread, reports leave by a
 * callback on the slot's thread.
 *
 * step() works at most about a millisecond, never blocks, and parks when its output is full, its
 * state is being loaded or its input is empty. Barriers are aligned over all channels and, for
 * readers of tables, over the tables' replicas (replica.h). */
#ifndef MILLRACE_TASK_TASK_H
#define MILLRACE_TASK_TASK_H

#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/graph/plan.h"
#include "runtime/net/channel.h"

struct subtask;
struct replica;

/* What one subtask adds to a checkpoint. Owned by whoever has it; subtask_snapshot_clear. */
struct subtask_snapshot {
    uint32_t chain, subtask;
    uint64_t checkpoint;
    uint32_t file_count;
    struct store_file *files; /* state: base and deltas in order, in work_dir */
    struct bytes meta;        /* msgpack: split positions and watermarks, sink bundles, gates,
                                 watermarks of inputs; what task writes and task reads */
};
void subtask_snapshot_clear(struct subtask_snapshot *snapshot);

/* What a new subtask starts from: the snapshots of ALL former subtasks of the same chain (matched
 * by operator id; the chain's shape may differ between former and new plan), of which it takes
 * its own key groups, splits and bundles. */
struct subtask_restore {
    uint32_t count;
    const struct subtask_former {
        uint32_t subtask, parallelism;
        uint32_t file_count;
        const struct store_file *files;
        const char *const *paths; /* of the files */
        const uint8_t *meta;
        size_t meta_size;
    } * formers;
};

enum report_kind {
    REPORT_SNAPSHOT,  /* the barrier has passed and all files are written */
    REPORT_DRAINED,   /* a source subtask has read all of its bounded splits */
    REPORT_COMMITTED, /* after subtask_complete: bundles of that checkpoint are visible */
    REPORT_FAILED,
};

struct report {
    enum report_kind kind;
    uint32_t chain, subtask;
    uint64_t checkpoint;
    struct subtask_snapshot snapshot; /* ownership moves to the receiver */
    struct error error;
};

/* Figures since the attempt began; counters are per operator of the chain. */
struct op_figures {
    uint32_t op;
    uint64_t rows_in[PORTS_MAX], rows_out[PORTS_MAX], late, counters[PORTS_MAX];
};
#define REJECTED_TEXT_MAX 256u

struct subtask_figures {
    int64_t busy_ns, backpressured_ns, idle_ns; /* wall time of the slot's thread in this subtask */
    int64_t pause_max_ns; /* longest barrier: sinks prepared, state closed, barrier sent on */
    int64_t watermark_ms;
    uint64_t gate_rows;                           /* held now */
    uint64_t source_bytes_done, source_bytes_all; /* for progress; 0: unknown */
    /* The first record that a source has rejected, as it met them: origin, and where and why; empty: none. */
    uint64_t rejected_origin;
    char rejected[REJECTED_TEXT_MAX];
    struct store_figures store;
    uint32_t op_count;
    struct op_figures ops[OPERATORS_MAX > 32 ? 32 : OPERATORS_MAX];
};

/* Whether a barrier is the last one. */
enum barrier_final {
    BARRIER_PASSES,
    BARRIER_STOPS, /* sources read no more, though there may be more */
    BARRIER_ENDS,  /* all sources have ended before it */
};

/* The host of a subtask: a worker, or the simulation. */
struct task_host {
    const struct plan *plan;
    const struct clock *clock;
    struct executor *executor;
    uint32_t epoch, attempt; /* of the coordinator, and within it: in the names of all files */
    const char *work_dir;    /* state files are written here */
    const char *spill_dir;   /* own to this process */
    uint64_t memory_bytes;   /* budget of one subtask's store; 0: none */
    uint64_t chaos;          /* debug.chaos; 0: off */
    uint32_t sim_bug;        /* bit 1: do not align; only built with -Dsim_bug */
    /* Channels are the host's and outlive the subtask. */
    struct channel *(*edge_channel)(struct task_host *host, uint32_t edge, uint32_t from,
                                    uint32_t to);
    /* From a publishing subtask to each worker with a replica; NULL: none there. */
    struct channel *(*table_channel)(struct task_host *host, uint32_t table, uint32_t from,
                                     uint32_t worker);
    struct replica *(*replica)(struct task_host *host, uint32_t table); /* on this worker */
    uint32_t worker, workers;
    void (*report)(struct task_host *host, struct report *report); /* moves what it owns */
};

/* `restore` NULL: from nothing. Does I/O (state files); called on the slot's thread or before it
 * runs. `waker` wakes the slot. */
struct subtask *subtask_create(struct task_host *host, uint32_t chain, uint32_t subtask,
                               const struct subtask_restore *restore, struct waker *waker,
                               struct error *err);
void subtask_close(struct subtask *subtask); /* NULL is fine */

enum step_result {
    STEP_BUSY,          /* did something; step again */
    STEP_IDLE,          /* nothing to do until woken (buffers have been flushed) */
    STEP_BACKPRESSURED, /* waits for room in an output */
    STEP_FAILED,        /* has reported REPORT_FAILED; do not step again */
};
enum step_result subtask_step(struct subtask *subtask);

/* When it is to be stepped at the latest though nobody wakes it, by the host's clock; INT64_MAX: it
 * sleeps until woken. Slot's thread. */
int64_t subtask_due_ns(const struct subtask *subtask);

/* Commands; any thread, take effect at a later step. */
void subtask_trigger(struct subtask *subtask, uint64_t checkpoint,
                     enum barrier_final final);                      /* sources only */
void subtask_complete(struct subtask *subtask, uint64_t checkpoint); /* the manifest is written */
void subtask_abort(struct subtask *subtask, uint64_t checkpoint);    /* it timed out: forget it */

void subtask_figures(const struct subtask *subtask, struct subtask_figures *figures); /* any thread,
                                                                    values may be a step old */

#endif
