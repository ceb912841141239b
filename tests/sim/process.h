/* process: one simulated worker process: what runtime/worker/worker.c and slot.c do, without sockets
 * or threads. Slots run only when woken, so that a lost wake-up shows as a job that does not end.
 * The world steps it, carries its messages, and owns plan and manifest. */
#ifndef MILLRACE_SIM_PROCESS_H
#define MILLRACE_SIM_PROCESS_H

#include "runtime/coordinator/coordinator.h"
#include "runtime/worker/deployment.h"
#include "runtime/worker/restore.h"

#ifdef MILLRACE_SIM_BUG
#define PROCESS_SIM_BUG ((uint32_t)(MILLRACE_SIM_BUG))
#else
#define PROCESS_SIM_BUG 0u
#endif

#define PROCESS_WORKERS 3u
#define PROCESS_SLOTS 2u /* of one process, at most */

enum process_state {
    PROCESS_ALIVE,
    PROCESS_HUNG, /* as by SIGSTOP: does nothing, its sockets keep what comes */
    PROCESS_DEAD,
};

struct process_clock {
    struct clock clock; /* first */
    struct process *process;
    int64_t now_ns;
};

struct late_executor {        /* runs what was submitted later, in any order */
    struct executor executor; /* first */
    struct process *process;
    uint32_t count;
    struct work *works[256];
};

struct process_slot {
    struct waker waker; /* first */
    bool pending;
};

struct process_figures { /* over all processes of a world */
    uint64_t spilled_bytes;
    int64_t backpressured_ns;
    uint32_t write_failures;
};

struct process_shared { /* the world's; outlives its processes */
    struct random *random;
    const int64_t *now_ms;
    const char *work_dir, *spill_dir, *away_dir;
    bool writes_fail; /* now and then the folder of state files is away while work runs */
    struct process_figures figures;
    void *owner;
};

struct process {
    uint32_t number, seat, epoch; /* of the coordinator that it belongs to */
    struct process_shared *shared;
    enum process_state state;
    bool joined, running, expelled;
    uint32_t pace;   /* it is stepped in one of so many steps */
    bool stalled;    /* its disk: no work off the slots */
    uint32_t broken; /* bit a seat: the data connection there is down in this attempt */
    uint32_t attempt, slot_count;
    uint64_t chaos;
    struct deployment *deployment;
    struct process_clock clock;
    struct late_executor late;
    struct process_slot slots[PROCESS_SLOTS];
    struct waker remote;
    char spill_dir[160];
};

struct process *process_create(uint32_t number, uint32_t seat, uint32_t epoch,
                               struct process_shared *shared);
void process_close(struct process *process); /* NULL is fine */
/* False: it has reported a failure. */
bool process_deploy(struct process *process, const struct plan *plan, uint32_t attempt,
                    const struct manifest *manifest);
/* What the coordinator tells an attempt; other attempts' are ignored. */
void process_obey(struct process *process, const struct action *action);
void process_step(struct process *process);
void process_kill(struct process *process); /* its memory is gone */

/* Whether data may pass: both run the same attempt, over a connection that holds. */
bool process_linked(const struct process *from, const struct process *to);
/* Moves some elements, each channel in its order, through the wire format. */
void process_move(struct process *from, struct process *to);

/* The world's: a report on its way to the coordinator. */
void process_reports(struct process *process, struct report *report);

#endif
