/* channel: one way from one subtask to another: a bounded queue of elements in order. One producer
 * thread, one consumer thread. Between processes the loop thread is the consumer of the sender's
 * channel and the producer of the receiver's; tasklets see no difference.
 * Bounds: bytes of batches (one batch is always accepted when empty) and CHANNEL_ELEMENTS. The
 * byte bound moves with the measured rate (channel_pace), so that what is queued is also bounded
 * in time and a barrier passes quickly under backpressure. */
#ifndef MILLRACE_NET_CHANNEL_H
#define MILLRACE_NET_CHANNEL_H

#include "runtime/base/waker.h"
#include "runtime/batch/batch.h"

#define CHANNEL_ELEMENTS 256u   /* a power of two */
#define CHANNEL_LIMIT_MIN 8192u /* bytes */

enum element_kind { ELEMENT_BATCH, ELEMENT_WATERMARK, ELEMENT_BARRIER };

struct element {
    enum element_kind kind;
    bool final;          /* barrier: all sources have ended before it */
    uint64_t checkpoint; /* barrier */
    int64_t time_ms;     /* watermark: no row at or before it follows; INT64_MAX: the end */
    struct batch *batch; /* owned */
    size_t bytes;        /* what it counts against the bound; 0: channel_put sets batch_bytes */
};

struct channel;

struct channel *channel_create(size_t bytes_max);
void channel_close(struct channel *channel); /* releases what is in it; NULL is fine */
/* Before use. The consumer is woken by a put into an empty channel, the producer by a take that
 * makes room after a refused put. */
void channel_set_wakers(struct channel *channel, struct waker *producer, struct waker *consumer);
/* Producer. Moves the element in (batch ownership too) or returns false and leaves it. */
bool channel_put(struct channel *channel, struct element *element);
/* Producer: whether a batch would be taken now. */
bool channel_writable(struct channel *channel);
/* Consumer. Moves the element out, or false: empty. */
bool channel_take(struct channel *channel, struct element *element);
bool channel_empty(const struct channel *channel); /* consumer */
/* Producer: be woken by the next take, whether or not a put was refused. */
void channel_watch(struct channel *channel);
/* Producer: there would be more if there were room, as after a refused put. */
void channel_refuse(struct channel *channel);
/* Any thread. */
size_t channel_bytes(const struct channel *channel);   /* queued now */
uint64_t channel_taken(const struct channel *channel); /* taken in all, bytes */
size_t channel_limit(const struct channel *channel);   /* the present bound */
/* One thread, every `interval_ms`: moves the bound. It doubles when the queue ran dry although the
 * producer had more, and goes down to what is needed otherwise; always within what is taken in
 * `time_ms` at the measured rate, and [CHANNEL_LIMIT_MIN, bytes_max]. Wakes a producer that may go
 * on. */
void channel_pace(struct channel *channel, int64_t interval_ms, int64_t time_ms);

#endif
