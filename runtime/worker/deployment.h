/* deployment: one worker's share of one attempt: its channels, replicas and subtasks, made from the
 * plan. Knows no sockets and starts no threads, so that the simulation uses it too. */
#ifndef MILLRACE_WORKER_DEPLOYMENT_H
#define MILLRACE_WORKER_DEPLOYMENT_H

#include "runtime/task/replica.h"
#include "runtime/task/task.h"
#include "state/manifest.h"

struct deployment;

struct deployment_config {
    const struct plan *plan;
    uint32_t worker, workers, epoch, attempt;
    const struct clock *clock;
    struct executor *executor;
    const char *work_dir, *spill_dir; /* borrowed */
    const struct manifest *restore;   /* borrowed; NULL: from nothing */
    uint32_t sim_bug;
    struct waker *(*slot_waker)(void *owner, uint32_t slot); /* slots of this worker only */
    struct waker *remote_waker; /* woken when a channel to or from another worker moves */
    void (*report)(void *owner, struct report *report); /* on the slot's thread */
    void *owner;
};

struct deployment *deployment_create(const struct deployment_config *config);
/* All slots must have closed their subtasks. NULL is fine. */
void deployment_close(struct deployment *deployment);

const struct plan *deployment_plan(const struct deployment *deployment);

/* Channels have numbers that are the same in all workers. */
enum deployment_side { SIDE_NONE, SIDE_LOCAL, SIDE_OUT, SIDE_IN };
struct deployment_channel {
    enum deployment_side side;
    uint32_t peer; /* the other worker */
    struct channel *channel;
    const struct schema *schema;
};
uint32_t deployment_channels(const struct plan *plan, uint32_t workers); /* how many in all */
const struct deployment_channel *deployment_channel(const struct deployment *deployment,
                                                    uint32_t id);

/* What a slot runs: subtask `slot` of every chain that has one, in chain order. Each call on the
 * slot's own thread. */
bool deployment_slot_open(struct deployment *deployment, uint32_t slot, struct error *err);
/* One round over the slot's tasklets; `random` (may be NULL) shuffles them. True: something was
 * done. */
bool deployment_slot_step(struct deployment *deployment, uint32_t slot, struct random *random);
/* When the next round is to be at the latest, by the clock; INT64_MAX: when woken. */
int64_t deployment_slot_due_ns(const struct deployment *deployment, uint32_t slot);
void deployment_slot_close(struct deployment *deployment, uint32_t slot);

/* Commands to all subtasks of this worker; any thread, between slot_open and slot_close. */
void deployment_trigger(struct deployment *deployment, uint64_t checkpoint,
                        enum barrier_final final);
void deployment_complete(struct deployment *deployment, uint64_t checkpoint);
void deployment_abort(struct deployment *deployment, uint64_t checkpoint);

/* Calls `each` for every open subtask. Any thread, between slot_open and slot_close. */
void deployment_figures(struct deployment *deployment,
                        void (*each)(void *context, uint32_t chain, uint32_t subtask,
                                     const struct subtask_figures *figures),
                        void *context);

#endif
