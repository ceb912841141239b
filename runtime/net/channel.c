/* A ring of elements with one producer and one consumer (Lamport 1983), bounded in bytes beside.
 * Not ck_ring: its atomics are inline assembly, which ThreadSanitizer cannot see.
 *
 * A refused producer leaves `starved` set and looks again before it gives up; the consumer clears
 * it after a take and wakes. Both sides use seq_cst there, so that one of the two always sees the
 * other (store, then load of the other's word). */
#include "runtime/net/channel.h"

#include "runtime/base/check.h"

#include <string.h>

#define RATE_PART 0.25  /* of a new measure in the smoothed rate */
#define SLACK_PART 0.25 /* of the time bound: a bound that suffices is lowered down to this */

struct channel {
    size_t bytes_max;
    struct waker *producer, *consumer;
    uint64_t paced_taken; /* the pacer's */
    double rate;          /* bytes a ms, smoothed; the pacer's */
    atomic_size_t limit;
    atomic_size_t low;   /* least left after a take, since the last pace */
    atomic_bool refused; /* the producer had more, since then */
    char pad_0[64];      /* each side's words on cache lines of their own */
    atomic_uint head;    /* next to take; consumer's */
    char pad_1[64];
    atomic_uint tail; /* next to put; producer's */
    char pad_2[64];
    atomic_ullong put, taken; /* bytes in all */
    atomic_bool starved;
    char pad_3[64];
    struct element ring[CHANNEL_ELEMENTS];
};

_Static_assert((CHANNEL_ELEMENTS & (CHANNEL_ELEMENTS - 1)) == 0, "a power of two");

struct channel *channel_create(size_t bytes_max)
{
    struct channel *channel = memory_new(sizeof(*channel));
    channel->bytes_max = bytes_max;
    atomic_init(&channel->low, SIZE_MAX);
    /* Little until the rate is known: what is under way at the start is also bounded in time. */
    atomic_init(&channel->limit, bytes_max < CHANNEL_LIMIT_MIN ? bytes_max : CHANNEL_LIMIT_MIN);
    return channel;
}

void channel_close(struct channel *channel)
{
    struct element element;

    if (!channel)
        return;
    channel->producer = NULL;
    while (channel_take(channel, &element))
        batch_release(&element.batch);
    memory_free(channel);
}

void channel_set_wakers(struct channel *channel, struct waker *producer, struct waker *consumer)
{
    channel->producer = producer;
    channel->consumer = consumer;
}

static bool channel_room(const struct channel *channel, bool batch)
{
    unsigned used = atomic_load(&channel->tail) - atomic_load(&channel->head);

    if (used >= CHANNEL_ELEMENTS)
        return false;
    return !batch ||
           channel_bytes(channel) < atomic_load_explicit(&channel->limit, memory_order_relaxed);
}

void channel_refuse(struct channel *channel)
{
    if (!atomic_load_explicit(&channel->refused, memory_order_relaxed))
        atomic_store_explicit(&channel->refused, true, memory_order_relaxed);
}

/* Room now, or a promise that the consumer will wake the producer. */
static bool channel_claim(struct channel *channel, bool batch)
{
    if (channel_room(channel, batch))
        return true;
    atomic_store(&channel->starved, true);
    if (channel_room(channel, batch))
        return true;
    channel_refuse(channel);
    return false;
}

bool channel_put(struct channel *channel, struct element *element)
{
    unsigned tail = atomic_load_explicit(&channel->tail, memory_order_relaxed);

    if (!channel_claim(channel, element->kind == ELEMENT_BATCH))
        return false;
    if (element->kind == ELEMENT_BATCH && element->bytes == 0)
        element->bytes = batch_bytes(element->batch);
    atomic_fetch_add(&channel->put, element->bytes);
    channel->ring[tail & (CHANNEL_ELEMENTS - 1)] = *element;
    atomic_store(&channel->tail, tail + 1);
    element->batch = NULL;
    /* The consumer may have gone to sleep only if it saw the ring empty, that is at `tail`. */
    if (atomic_load(&channel->head) == tail)
        waker_wake(channel->consumer);
    return true;
}

bool channel_writable(struct channel *channel)
{
    return channel_claim(channel, true);
}

/* Sets the bound and wakes a producer that a lower one has held back. */
static void limit_set(struct channel *channel, size_t limit)
{
    size_t old;

    if (limit < CHANNEL_LIMIT_MIN)
        limit = CHANNEL_LIMIT_MIN;
    if (limit > channel->bytes_max)
        limit = channel->bytes_max;
    old = atomic_exchange(&channel->limit, limit);
    if (limit > old && atomic_load(&channel->starved) && atomic_exchange(&channel->starved, false))
        waker_wake(channel->producer);
}

static void take_note(struct channel *channel)
{
    size_t left = channel_bytes(channel);

    if (left < atomic_load_explicit(&channel->low, memory_order_relaxed))
        atomic_store_explicit(&channel->low, left, memory_order_relaxed);
}

bool channel_take(struct channel *channel, struct element *element)
{
    unsigned head = atomic_load_explicit(&channel->head, memory_order_relaxed);

    if (atomic_load(&channel->tail) == head)
        return false;
    *element = channel->ring[head & (CHANNEL_ELEMENTS - 1)];
    atomic_fetch_add(&channel->taken, element->bytes);
    atomic_store(&channel->head, head + 1);
    if (element->bytes > 0)
        take_note(channel);
    if (atomic_load(&channel->starved) && atomic_exchange(&channel->starved, false))
        waker_wake(channel->producer);
    return true;
}

bool channel_empty(const struct channel *channel)
{
    return atomic_load(&channel->tail) ==
           atomic_load_explicit(&channel->head, memory_order_relaxed);
}

void channel_watch(struct channel *channel)
{
    atomic_store(&channel->starved, true);
}

size_t channel_bytes(const struct channel *channel)
{
    uint64_t taken = atomic_load(&channel->taken); /* first: put is never behind it */

    return (size_t)(atomic_load(&channel->put) - taken);
}

uint64_t channel_taken(const struct channel *channel)
{
    return atomic_load(&channel->taken);
}

size_t channel_limit(const struct channel *channel)
{
    return atomic_load_explicit(&channel->limit, memory_order_relaxed);
}

/* The rate is smoothed from 0 on, as what is taken at first often only moves on into gates. */
void channel_pace(struct channel *channel, int64_t interval_ms, int64_t time_ms)
{
    uint64_t taken = channel_taken(channel);
    double now = (double)(taken - channel->paced_taken) / (double)interval_ms, most;
    size_t low = atomic_exchange_explicit(&channel->low, SIZE_MAX, memory_order_relaxed);
    bool refused = atomic_exchange_explicit(&channel->refused, false, memory_order_relaxed);
    size_t limit = channel_limit(channel);

    if (low == SIZE_MAX) /* nothing was taken */
        low = channel_bytes(channel);
    channel->paced_taken = taken;
    channel->rate += RATE_PART * (now - channel->rate);
    most = channel->rate * (double)time_ms;
    if (refused && low == 0) /* it ran dry although the producer had more */
        limit *= 2;
    else if (low > 0)
        limit -= (low < limit ? low : limit) / 2; /* so much was never needed */
    else
        limit -= limit / 8; /* the producer is the slower side */
    if ((double)limit < most * SLACK_PART)
        limit = (size_t)(most * SLACK_PART);
    limit_set(channel, (double)limit > most ? (size_t)most : limit);
}
