/* A thread that steps its tasklets in rounds; see slot.h. */
#include "runtime/worker/slot.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/worker/deployment.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct slot {
    struct waker waker; /* first: wake gets back to the slot */
    uint32_t number;
    struct slot_events events;
    struct deployment *deployment;
    struct random random;
    bool chaos, started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool pending; /* woken since it last looked */
    atomic_bool run, stop;
};

static void slot_wake(struct waker *waker)
{
    struct slot *slot = (struct slot *)waker;

    if (atomic_exchange(&slot->pending, true))
        return;
    pthread_mutex_lock(&slot->lock);
    pthread_cond_signal(&slot->wake);
    pthread_mutex_unlock(&slot->lock);
}

struct slot *slot_create(uint32_t number, const struct slot_events *events)
{
    struct slot *slot = memory_new(sizeof(*slot));
    pthread_condattr_t attributes;

    slot->waker.wake = slot_wake;
    slot->number = number;
    slot->events = *events;
    pthread_mutex_init(&slot->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* of the deployment's clock */
    pthread_cond_init(&slot->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    return slot;
}

struct waker *slot_waker_of(struct slot *slot)
{
    return &slot->waker;
}

static void slot_wait(struct slot *slot, int64_t due_ns)
{
    const struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
    int status = 0;

    pthread_mutex_lock(&slot->lock);
    while (!atomic_load(&slot->pending) && status != ETIMEDOUT)
        status = due_ns == INT64_MAX ? pthread_cond_wait(&slot->wake, &slot->lock)
                                     : pthread_cond_timedwait(&slot->wake, &slot->lock, &due);
    pthread_mutex_unlock(&slot->lock);
}

static void slot_loop(struct slot *slot)
{
    struct random *random = slot->chaos ? &slot->random : NULL;

    while (!atomic_load(&slot->stop)) {
        bool run;
        int64_t due_ns;

        /* Cleared before the round: a wake during it makes another round. */
        atomic_store(&slot->pending, false);
        run = atomic_load(&slot->run);
        if (run && deployment_slot_step(slot->deployment, slot->number, random))
            continue;
        due_ns = run ? deployment_slot_due_ns(slot->deployment, slot->number) : INT64_MAX;
        if (!atomic_load(&slot->stop) && due_ns > 0)
            slot_wait(slot, due_ns);
    }
}

static void *slot_main(void *data)
{
    struct slot *slot = data;
    struct error err = {0};
    bool good = deployment_slot_open(slot->deployment, slot->number, &err);

    slot->events.on_opened(slot->events.owner, slot->number, good, &err);
    slot_loop(slot);
    deployment_slot_close(slot->deployment, slot->number);
    return NULL;
}

void slot_start(struct slot *slot, struct deployment *deployment, uint64_t chaos)
{
    slot->deployment = deployment;
    slot->chaos = chaos != 0;
    slot->random.state = chaos + slot->number;
    slot->started = true;
    CHECK(pthread_create(&slot->thread, NULL, slot_main, slot) == 0);
}

void slot_run(struct slot *slot)
{
    atomic_store(&slot->run, true);
    slot_wake(&slot->waker);
}

void slot_stop(struct slot *slot)
{
    if (!slot->started)
        return;
    atomic_store(&slot->stop, true);
    slot_wake(&slot->waker);
    pthread_join(slot->thread, NULL);
    slot->started = false;
}

void slot_close(struct slot *slot)
{
    if (!slot)
        return;
    CHECK(!slot->started);
    pthread_mutex_destroy(&slot->lock);
    pthread_cond_destroy(&slot->wake);
    memory_free(slot);
}
