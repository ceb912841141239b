/* connection: frames over a stream socket. Loop thread only.
 *
 *   frame: size u32 little-endian (of what follows), then that many bytes: one message
 *
 * Writes are queued by libuv; connection_backlog tells how much. */
#ifndef MILLRACE_NET_CONNECTION_H
#define MILLRACE_NET_CONNECTION_H

#include "runtime/base/error.h"
#include "runtime/base/memory.h"

#include <uv.h>

struct connection;

struct connection_events {
    /* One whole frame; the bytes are valid during the call. False with `err`: closes. */
    bool (*on_frame)(struct connection *connection, const uint8_t *data, size_t size,
                     struct error *err);
    void (*on_drain)(struct connection *connection); /* the backlog has been written; may be NULL */
    /* Once, for any reason but connection_close; the connection is freed after it returns. */
    void (*on_closed)(struct connection *connection, const struct error *why);
};

/* Takes over an accepted stream: `listener` has one waiting. NULL on failure. */
struct connection *connection_accept(uv_stream_t *listener, const struct connection_events *events,
                                     void *owner, struct error *err);
/* Connects to 127.0.0.1 or another IPv4/IPv6 address `host`; frames sent before it stands wait. */
struct connection *connection_open(uv_loop_t *loop, const char *host, uint16_t port,
                                   const struct connection_events *events, void *owner,
                                   struct error *err);
/* Frees later; no callback follows. NULL is fine. */
void connection_close(struct connection *connection);
/* Sends what is queued, then closes. */
void connection_finish(struct connection *connection);
/* Begins a frame in an empty `message` (room for its size); the caller appends the bytes. */
void connection_message(struct bytes *message);
/* Sends a frame begun so; the bytes move in and `message` is empty again. */
void connection_send(struct connection *connection, struct bytes *message);
size_t connection_backlog(const struct connection *connection); /* bytes not yet written */
uint64_t connection_sent(const struct connection *connection);  /* bytes in all */
void *connection_owner(const struct connection *connection);
/* Hands the connection to another owner, from the next frame on. */
void connection_give(struct connection *connection, const struct connection_events *events,
                     void *owner);

/* A listening socket on `host` with a port chosen by the kernel. */
bool connection_listen(uv_loop_t *loop, uv_tcp_t *listener, const char *host, uint16_t *port,
                       uv_connection_cb on_connection, struct error *err);

#endif
