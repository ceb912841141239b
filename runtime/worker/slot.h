/* slot: one thread that runs its share of a deployment's tasklets. Sleeps when none has anything to
 * do and is woken by its waker. */
#ifndef MILLRACE_WORKER_SLOT_H
#define MILLRACE_WORKER_SLOT_H

#include "runtime/base/error.h"
#include "runtime/base/waker.h"

#include <stdbool.h>
#include <stdint.h>

struct deployment;
struct slot;

struct slot_events { /* on the slot's thread */
    void (*on_opened)(void *owner, uint32_t slot, bool good, const struct error *err);
    void *owner;
};

/* `number` is the slot's in the job. Threads start with slot_start. */
struct slot *slot_create(uint32_t number, const struct slot_events *events);
struct waker *slot_waker_of(struct slot *slot);
/* Opens its subtasks on a new thread (restore included), tells, then waits for slot_run. `chaos`
 * 0: off. */
void slot_start(struct slot *slot, struct deployment *deployment, uint64_t chaos);
void slot_run(struct slot *slot);
/* Ends the thread after its present step, closes its subtasks, joins. */
void slot_stop(struct slot *slot);
void slot_close(struct slot *slot); /* stopped or never started; NULL is fine */

#endif
