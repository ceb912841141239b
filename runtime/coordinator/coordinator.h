/* coordinator: the decisions of a job's life as a pure state machine: events and the time go in,
 * actions come out. No I/O, no clock, no threads: the process (worker/driver) and the simulation
 * run the same code.
 *
 *   WAITING   workers are joining            -> DEPLOYING once all have
 *   DEPLOYING the attempt is being set up    -> RUNNING once all workers say deployed
 *   RUNNING   checkpoints every interval     -> FINISHING once all sources have drained (or stop)
 *   FINISHING the final checkpoint           -> DONE once its bundles are committed
 *   BACKOFF   a failure; waits the delay     -> WAITING
 *   DONE, FAILED
 *
 * A worker that is lost (closed socket, silent past the heartbeat time-out) or reports a failure
 * ends the attempt: the others are told to leave it, the lost ones are replaced, and after the
 * delay of the restart strategy attempt + 1 starts from the last complete checkpoint.
 * Checkpoints follow Chandy and Lamport (1985) as in Carbone et al. (2015): triggered at the
 * sources, complete when every subtask has reported, the manifest written last. Messages of
 * other attempts are ignored. */
#ifndef MILLRACE_COORDINATOR_COORDINATOR_H
#define MILLRACE_COORDINATOR_COORDINATOR_H

#include "runtime/graph/plan.h"
#include "runtime/task/task.h"

struct coordinator;

enum coordinator_state {
    COORDINATOR_WAITING,
    COORDINATOR_DEPLOYING,
    COORDINATOR_RUNNING,
    COORDINATOR_FINISHING,
    COORDINATOR_BACKOFF,
    COORDINATOR_DONE,
    COORDINATOR_FAILED,
};

enum action_kind {
    ACTION_SPAWN,    /* start a process for worker seat `worker` (again) */
    ACTION_EXPEL,    /* close the connection of `worker`; it is not spoken to again */
    ACTION_DEPLOY,   /* to all workers: `attempt`, restore from `checkpoint` (0: from nothing) */
    ACTION_START,    /* to all workers: run `attempt` */
    ACTION_LEAVE,    /* to all joined workers: stop `attempt` and forget it */
    ACTION_TRIGGER,  /* to all workers: barrier `checkpoint` at the sources; `final` */
    ACTION_MANIFEST, /* write the manifest of `checkpoint`, `final`, from `snapshots`, then tell
                        coordinator_manifest() */
    ACTION_COMPLETE, /* to all workers: `checkpoint` is complete; sinks commit */
    ACTION_ABORT,    /* to all workers: `checkpoint` timed out; `text` names who held it */
    ACTION_FINISH,   /* to all workers: say goodbye; the job is over (state DONE or FAILED) */
};

struct action {
    enum action_kind kind;
    uint32_t worker, attempt;
    uint64_t checkpoint;
    enum barrier_final final;
    char text[256];
};

struct coordinator_config {
    const struct plan *plan;
    uint32_t workers;
    uint32_t first_attempt;      /* 1, or one more than any attempt seen in the checkpoint folder */
    uint64_t restore_checkpoint; /* 0: none */
    uint64_t last_checkpoint;    /* numbers go on after it */
    uint32_t sim_bug;            /* 2: COMPLETE before the manifest; only in simulation builds */
};

struct coordinator *coordinator_create(const struct coordinator_config *config, int64_t now_ms);
void coordinator_close(struct coordinator *coordinator); /* NULL is fine */

/* ---- events; each may queue actions ---- */
void coordinator_joined(struct coordinator *coordinator, uint32_t worker, int64_t now_ms);
void coordinator_lost(struct coordinator *coordinator, uint32_t worker, const char *why,
                      int64_t now_ms);
void coordinator_heartbeat(struct coordinator *coordinator, uint32_t worker, int64_t now_ms);
void coordinator_deployed(struct coordinator *coordinator, uint32_t worker, uint32_t attempt,
                          int64_t now_ms);
/* Takes ownership of the report's parts. */
void coordinator_report(struct coordinator *coordinator, uint32_t worker, uint32_t attempt,
                        struct report *report, int64_t now_ms);
/* The manifest is durable, or not (then the checkpoint fails; three in a row fail the attempt). */
void coordinator_manifest(struct coordinator *coordinator, uint64_t checkpoint, bool written,
                          const struct error *err, int64_t now_ms);
/* A newer coordinator has taken over: ends at once, without another attempt. */
void coordinator_fenced(struct coordinator *coordinator, const struct error *err);
void coordinator_tick(struct coordinator *coordinator, int64_t now_ms);
/* Ctrl-C: no more input, a last checkpoint, then the end. Twice: without waiting. */
void coordinator_stop(struct coordinator *coordinator, int64_t now_ms);

/* ---- actions ---- */
bool coordinator_action(struct coordinator *coordinator,
                        struct action *action); /* takes the next */
/* When coordinator_tick must be called at the latest. */
int64_t coordinator_deadline(const struct coordinator *coordinator);

/* ---- what it knows ---- */
enum coordinator_state coordinator_state(const struct coordinator *coordinator);
uint32_t coordinator_attempt(const struct coordinator *coordinator);
uint32_t coordinator_restarts(const struct coordinator *coordinator);
/* The reports of the checkpoint in ACTION_MANIFEST: one for every subtask, by chain and subtask.
 * Borrowed until coordinator_manifest. */
const struct subtask_snapshot *coordinator_snapshots(const struct coordinator *coordinator,
                                                     uint32_t *count);
const struct error *coordinator_failure(const struct coordinator *coordinator); /* last, or NULL */
struct coordinator_figures {
    uint64_t checkpoints, checkpoints_failed, last_checkpoint;
    int64_t checkpoint_last_ms, checkpoint_max_ms; /* trigger to complete */
    int64_t recovery_last_ms;                      /* loss noticed to the new attempt running */
    bool stopped; /* ended by coordinator_stop, not by the end of input */
};
void coordinator_figures(const struct coordinator *coordinator,
                         struct coordinator_figures *figures);

#endif
