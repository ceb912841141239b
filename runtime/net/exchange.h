/* exchange: the channels of one attempt that cross processes. Loop thread only, but for the
 * channels' other ends. One connection for each pair of workers carries all channels both ways.
 *
 *   hello    [0, epoch, attempt, worker]
 *   element  [1, epoch, attempt, channel, kind, final, checkpoint, time, raw size | 0, bytes]
 *   credit   [2, epoch, attempt, channel, granted]
 *
 * Credit: the receiver grants bytes in all (taken so far + the channel's bound); the sender stays
 * below it, so a slow subtask holds back its own channels only. raw size > 0: bytes are LZ4.
 * Messages of another epoch or attempt close the connection. */
#ifndef MILLRACE_NET_EXCHANGE_H
#define MILLRACE_NET_EXCHANGE_H

#include "runtime/net/channel.h"
#include "runtime/net/connection.h"

struct exchange;

struct exchange_peer {
    char host[64];
    uint16_t port;
};

struct exchange_config {
    uv_loop_t *loop;
    uint64_t epoch;
    uint32_t attempt, worker, workers;
    const struct exchange_peer *peers; /* by worker; borrowed during create */
    uint32_t channel_count;            /* ids are below it, the same in all workers */
    bool compress;
    void (*on_failed)(void *owner, uint32_t peer, const struct error *why);
    void *owner;
};

struct exchange *exchange_create(const struct exchange_config *config);
/* The far side's channel leaves through `channel` (this process is its producer side's) or comes
 * in by it. Channels are the caller's and outlive the exchange. */
void exchange_out(struct exchange *exchange, uint32_t id, uint32_t peer, struct channel *channel,
                  const struct schema *schema);
void exchange_in(struct exchange *exchange, uint32_t id, uint32_t peer, struct channel *channel,
                 const struct schema *schema);
struct waker *exchange_waker(struct exchange *exchange); /* for the channels' loop side */
/* Connects to the peers with a higher number; lower ones connect to us. */
bool exchange_start(struct exchange *exchange, struct error *err);
/* A connection that a peer opened, with its hello frame. False: not of this attempt. */
bool exchange_adopt(struct exchange *exchange, struct connection *connection, const uint8_t *hello,
                    size_t size);
uint64_t exchange_sent(const struct exchange *exchange); /* bytes in all */
void exchange_close(struct exchange *exchange);          /* frees later; NULL is fine */

#endif
