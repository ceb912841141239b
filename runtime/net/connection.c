/* Frames over libuv TCP streams. One read buffer a connection, grown to the largest frame. */
#include "runtime/net/connection.h"

#include "runtime/base/check.h"
#include "runtime/base/limits.h"

#include <string.h>

#define READ_BUFFER_MIN (256u << 10)

struct connection {
    uv_tcp_t tcp;
    uv_connect_t connect;
    const struct connection_events *events;
    void *owner;
    struct bytes in;    /* received, not yet taken; capacity is room to read into */
    struct bytes early; /* frames sent before the connection stood */
    size_t backlog;
    uint64_t sent;
    bool connected, closing, finishing, told;
};

struct write {
    uv_write_t request;
    struct bytes data;
    struct connection *connection;
};

static void on_freed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    bytes_clear(&connection->in);
    bytes_clear(&connection->early);
    memory_free(connection);
}

void connection_close(struct connection *connection)
{
    if (!connection || connection->closing)
        return;
    connection->closing = true;
    uv_close((uv_handle_t *)&connection->tcp, on_freed);
}

static void connection_fail(struct connection *connection, const struct error *why)
{
    if (connection->closing)
        return;
    if (!connection->told) {
        connection->told = true;
        connection->events->on_closed(connection, why);
    }
    connection_close(connection);
}

static void connection_fail_uv(struct connection *connection, const char *what, int status)
{
    struct error err = {0};

    error_set(&err, ERROR_NETWORK, "connection", NULL, "%s: %s", what, uv_strerror(status));
    err.retriable = true;
    connection_fail(connection, &err);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    size_t want = READ_BUFFER_MIN;
    uint32_t size;

    (void)suggested;
    if (connection->in.size >= sizeof(size)) {
        memcpy(&size, connection->in.data, sizeof(size));
        if (size <= MESSAGE_SIZE_MAX && sizeof(size) + size > connection->in.size + want)
            want = sizeof(size) + size - connection->in.size;
    }
    bytes_reserve(&connection->in, want);
    *buffer = uv_buf_init((char *)connection->in.data + connection->in.size,
                          (unsigned)(connection->in.capacity - connection->in.size));
}

/* Hands over every whole frame in `in`, then moves the rest to the front. */
static bool connection_deliver(struct connection *connection, struct error *err)
{
    struct bytes *in = &connection->in;
    size_t at = 0;
    uint32_t size;

    while (in->size - at >= sizeof(size) && !connection->closing) {
        memcpy(&size, in->data + at, sizeof(size));
        if (size > MESSAGE_SIZE_MAX)
            return error_set(err, ERROR_NETWORK, "connection", NULL,
                             "a frame of %u bytes is over the bound of %u", size, MESSAGE_SIZE_MAX);
        if (in->size - at - sizeof(size) < size)
            break;
        if (!connection->events->on_frame(connection, in->data + at + sizeof(size), size, err))
            return false;
        at += sizeof(size) + size;
    }
    if (at > 0) {
        memmove(in->data, in->data + at, in->size - at);
        in->size -= at;
    }
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    struct error err = {0};

    (void)buffer;
    if (connection->closing)
        return;
    if (count < 0) {
        connection_fail_uv(connection, count == UV_EOF ? "closed by the peer" : "read failed",
                           (int)count);
        return;
    }
    connection->in.size += (size_t)count;
    if (!connection_deliver(connection, &err))
        connection_fail(connection, &err);
}

static void on_written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request->data;
    struct connection *connection = write->connection;

    connection->backlog -= write->data.size;
    bytes_clear(&write->data);
    memory_free(write);
    if (connection->closing)
        return;
    if (status < 0) {
        connection_fail_uv(connection, "write failed", status);
        return;
    }
    if (connection->backlog > 0)
        return;
    if (connection->finishing)
        connection_close(connection);
    else if (connection->events->on_drain)
        connection->events->on_drain(connection);
}

static void connection_write(struct connection *connection, struct bytes *framed)
{
    struct write *write = memory_new(sizeof(*write));
    uv_buf_t buffer;
    int status;

    write->data = *framed;
    *framed = (struct bytes){0};
    write->connection = connection;
    write->request.data = write;
    buffer = uv_buf_init((char *)write->data.data, (unsigned)write->data.size);
    connection->backlog += write->data.size;
    connection->sent += write->data.size;
    status = uv_write(&write->request, (uv_stream_t *)&connection->tcp, &buffer, 1, on_written);
    CHECK(status == 0 || status == UV_EBADF || status == UV_EPIPE);
    if (status != 0) {
        connection->backlog -= write->data.size;
        bytes_clear(&write->data);
        memory_free(write);
    }
}

void connection_message(struct bytes *message)
{
    uint32_t size = 0;

    CHECK(message->size == 0);
    bytes_put(message, &size, sizeof(size));
}

void connection_send(struct connection *connection, struct bytes *message)
{
    uint32_t size = (uint32_t)(message->size - sizeof(size));

    CHECK(message->size >= sizeof(size) && size <= MESSAGE_SIZE_MAX);
    if (connection->closing) {
        bytes_clear(message);
        return;
    }
    memcpy(message->data, &size, sizeof(size));
    if (connection->connected) {
        connection_write(connection, message);
        return;
    }
    bytes_put(&connection->early, message->data, message->size);
    bytes_clear(message);
}

static struct connection *connection_new(uv_loop_t *loop, const struct connection_events *events,
                                         void *owner)
{
    struct connection *connection = memory_new(sizeof(*connection));

    connection->events = events;
    connection->owner = owner;
    uv_tcp_init(loop, &connection->tcp);
    connection->tcp.data = connection;
    return connection;
}

static void connection_begin(struct connection *connection)
{
    connection->connected = true;
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
    if (connection->early.size > 0)
        connection_write(connection, &connection->early);
}

struct connection *connection_accept(uv_stream_t *listener, const struct connection_events *events,
                                     void *owner, struct error *err)
{
    struct connection *connection = connection_new(listener->loop, events, owner);
    int status = uv_accept(listener, (uv_stream_t *)&connection->tcp);

    if (status != 0) {
        error_set(err, ERROR_NETWORK, "listener", NULL, "accept failed: %s", uv_strerror(status));
        connection_close(connection);
        return NULL;
    }
    connection_begin(connection);
    return connection;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct connection *connection = request->data;

    if (connection->closing)
        return;
    if (status < 0)
        connection_fail_uv(connection, "connect failed", status);
    else
        connection_begin(connection);
}

static bool address_parse(const char *host, uint16_t port, struct sockaddr_storage *address)
{
    return uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0 ||
           uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0;
}

struct connection *connection_open(uv_loop_t *loop, const char *host, uint16_t port,
                                   const struct connection_events *events, void *owner,
                                   struct error *err)
{
    struct sockaddr_storage address = {0};
    struct connection *connection;
    int status;

    if (!address_parse(host, port, &address)) {
        error_set(err, ERROR_CONFIG, host, "write an IPv4 or IPv6 address", "not an address");
        return NULL;
    }
    connection = connection_new(loop, events, owner);
    connection->connect.data = connection;
    status = uv_tcp_connect(&connection->connect, &connection->tcp,
                            (const struct sockaddr *)&address, on_connected);
    if (status == 0)
        return connection;
    error_set(err, ERROR_NETWORK, host, NULL, "connect failed: %s", uv_strerror(status));
    connection_close(connection);
    return NULL;
}

void connection_finish(struct connection *connection)
{
    if (!connection || connection->closing)
        return;
    connection->told = true;
    connection->finishing = true;
    if (connection->backlog == 0)
        connection_close(connection);
}

size_t connection_backlog(const struct connection *connection)
{
    return connection->backlog + connection->early.size;
}

uint64_t connection_sent(const struct connection *connection)
{
    return connection->sent;
}

void *connection_owner(const struct connection *connection)
{
    return connection->owner;
}

void connection_give(struct connection *connection, const struct connection_events *events,
                     void *owner)
{
    connection->events = events;
    connection->owner = owner;
}

bool connection_listen(uv_loop_t *loop, uv_tcp_t *listener, const char *host, uint16_t *port,
                       uv_connection_cb on_connection, struct error *err)
{
    struct sockaddr_storage address = {0};
    int size = sizeof(address), status;

    if (!address_parse(host, *port, &address))
        return error_set(err, ERROR_CONFIG, host, "write an IPv4 or IPv6 address",
                         "not an address");
    uv_tcp_init(loop, listener);
    status = uv_tcp_bind(listener, (const struct sockaddr *)&address, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)listener, 128, on_connection);
    if (status == 0)
        status = uv_tcp_getsockname(listener, (struct sockaddr *)&address, &size);
    if (status != 0)
        return error_set(err, ERROR_NETWORK, host, NULL, "cannot listen on port %u: %s", *port,
                         uv_strerror(status));
    *port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                : ((struct sockaddr_in *)&address)->sin_port);
    return true;
}
