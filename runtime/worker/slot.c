/* A thread that steps its tasklets in rounds; see slot.h. */
#include "runtime/worker/slot.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/worker/deployment.h"

#include <pthread.h>
#include <stdatomic.h>

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

    slot->waker.wake = slot_wake;
    slot->number = number;
    slot->events = *events;
    pthread_mutex_init(&slot->lock, NULL);
    pthread_cond_init(&slot->wake, NULL);
    return slot;
}

struct waker *slot_waker_of(struct slot *slot)
{
    return &slot->waker;
}

static void slot_wait(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    while (!atomic_load(&slot->pending))
        pthread_cond_wait(&slot->wake, &slot->lock);
    pthread_mutex_unlock(&slot->lock);
}

static void slot_loop(struct slot *slot)
{
    struct random *random = slot->chaos ? &slot->random : NULL;

    while (!atomic_load(&slot->stop)) {
        /* Cleared before the round: a wake during it makes another round. */
        atomic_store(&slot->pending, false);
        if (!atomic_load(&slot->run) ||
            !deployment_slot_step(slot->deployment, slot->number, random))
            if (!atomic_load(&slot->stop))
                slot_wait(slot);
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
