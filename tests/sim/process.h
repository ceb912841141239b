/* process: one simulated worker process: a deployment without sockets or threads. */
#ifndef MILLRACE_SIM_PROCESS_H
#define MILLRACE_SIM_PROCESS_H

#include "runtime/coordinator/coordinator.h"
#include "runtime/worker/deployment.h"
#include "runtime/worker/restore.h"

#ifdef MILLRACE_SIM_BUG
#define PROCESS_SIM_BUG MILLRACE_SIM_BUG
#else
#define PROCESS_SIM_BUG 0u
#endif

#define PROCESS_WORKERS 3u

enum process_state { PROCESS_ALIVE, PROCESS_HUNG, PROCESS_DEAD };

struct late_executor {        /* runs what was submitted later, in any order */
    struct executor executor; /* first */
    uint32_t count;
    struct work *works[256];
};

struct process {
    uint32_t number, seat;
    enum process_state state;
    bool joined, running, cut;
    uint32_t attempt;
    void *owner;
    struct random *random;
    struct deployment *deployment;
    struct late_executor late;
    struct waker waker;
    char spill_dir[160];
};

struct process *process_create(uint32_t number, uint32_t seat, void *owner, struct random *random);
void process_close(struct process *process);
bool process_deploy(struct process *process, const struct plan *plan, uint32_t attempt,
                    const struct manifest *manifest, const char *work_dir);
void process_obey(struct process *process, const struct action *action);
void process_step(struct process *process);
void process_kill(struct process *process); /* its memory is gone */
void process_cut(struct process *process);  /* no data to or from it until the next attempt */

/* Whether data may pass: both run the same attempt and are not cut off. */
bool process_linked(const struct process *from, const struct process *to);
/* Moves some elements, each channel in its order. */
void process_move(struct process *from, struct process *to);

/* The world's: a report on its way to the coordinator. */
void process_reports(struct process *process, struct report *report);

#endif
