/* Moves elements between channels and connections; see exchange.h. Woken by an async handle when
 * a channel has something to send or has room again. */
#include "runtime/net/exchange.h"

#include "runtime/base/check.h"
#include "runtime/batch/wire.h"
#include "runtime/net/pack.h"

#include <lz4.h>

#define BACKLOG_MAX (1u << 20) /* bytes queued in a connection before channels wait */
#define ELEMENT_COST 64u       /* bytes that an element counts beside its rows */
#define CREDIT_PART 4          /* credit is told when a part of the bound has been freed */
#define HELD_MAX (CHANNEL_ELEMENTS * 4)

enum { DATA_HELLO, DATA_ELEMENT, DATA_CREDIT };

struct outward {
    struct channel *channel; /* we consume */
    const struct schema *schema;
    uint32_t peer;
    uint64_t sent, granted; /* bytes in all; granted 0: the peer has not yet said */
};

struct inward {
    struct channel *channel; /* we produce */
    const struct schema *schema;
    uint32_t peer;
    uint64_t granted;    /* told last */
    uint64_t received;   /* bytes in all */
    uint32_t held_count; /* elements that found the ring full, oldest first */
    struct element *held;
};

struct exchange {
    struct exchange_config config;
    uv_async_t async;
    struct waker waker;
    struct exchange_peer *peers;
    struct connection **connections; /* by peer */
    bool *greeted;
    struct outward *outwards; /* by channel id; channel NULL: not ours */
    struct inward *inwards;
    uint32_t *out_ids, *in_ids, out_count, in_count;
    uint64_t sent_before; /* of connections that are gone */
    bool closing;
};

static void exchange_pump(struct exchange *exchange);

static void on_async(uv_async_t *async)
{
    exchange_pump(async->data);
}

static void exchange_wake(struct waker *waker)
{
    struct exchange *exchange =
        (struct exchange *)((char *)waker - offsetof(struct exchange, waker));

    uv_async_send(&exchange->async);
}

struct exchange *exchange_create(const struct exchange_config *config)
{
    struct exchange *exchange = memory_new(sizeof(*exchange));
    uint32_t channels = config->channel_count;

    exchange->config = *config;
    exchange->waker.wake = exchange_wake;
    exchange->peers = memory_array(config->workers, sizeof(*exchange->peers));
    memcpy(exchange->peers, config->peers, config->workers * sizeof(*exchange->peers));
    exchange->connections = memory_array(config->workers, sizeof(struct connection *));
    exchange->greeted = memory_array(config->workers, sizeof(bool));
    exchange->outwards = memory_array(channels, sizeof(*exchange->outwards));
    exchange->inwards = memory_array(channels, sizeof(*exchange->inwards));
    exchange->out_ids = memory_array(channels, sizeof(uint32_t));
    exchange->in_ids = memory_array(channels, sizeof(uint32_t));
    uv_async_init(config->loop, &exchange->async, on_async);
    exchange->async.data = exchange;
    return exchange;
}

void exchange_out(struct exchange *exchange, uint32_t id, uint32_t peer, struct channel *channel,
                  const struct schema *schema)
{
    CHECK(id < exchange->config.channel_count && !exchange->outwards[id].channel);
    exchange->outwards[id] = (struct outward){.channel = channel, .schema = schema, .peer = peer};
    exchange->out_ids[exchange->out_count++] = id;
}

void exchange_in(struct exchange *exchange, uint32_t id, uint32_t peer, struct channel *channel,
                 const struct schema *schema)
{
    CHECK(id < exchange->config.channel_count && !exchange->inwards[id].channel);
    exchange->inwards[id] = (struct inward){.channel = channel, .schema = schema, .peer = peer};
    exchange->in_ids[exchange->in_count++] = id;
}

struct waker *exchange_waker(struct exchange *exchange)
{
    return &exchange->waker;
}

static msgpack_packer message_begin(struct exchange *exchange, struct bytes *out, uint32_t kind,
                                    uint32_t items)
{
    msgpack_packer packer;

    connection_message(out);
    packer = pack_into(out);
    msgpack_pack_array(&packer, 3 + items);
    msgpack_pack_uint32(&packer, kind);
    msgpack_pack_uint64(&packer, exchange->config.epoch);
    msgpack_pack_uint32(&packer, exchange->config.attempt);
    return packer;
}

static void send_credit(struct exchange *exchange, uint32_t id, uint64_t granted)
{
    struct inward *in = &exchange->inwards[id];
    struct bytes out = {0};
    msgpack_packer packer = message_begin(exchange, &out, DATA_CREDIT, 2);

    msgpack_pack_uint32(&packer, id);
    msgpack_pack_uint64(&packer, granted);
    in->granted = granted;
    connection_send(exchange->connections[in->peer], &out);
}

/* Returns the bytes on the wire, as the receiver counts them. */
static size_t pack_batch(struct exchange *exchange, msgpack_packer *packer,
                         const struct outward *out, const struct batch *batch)
{
    struct bytes raw = {0}, packed = {0};
    size_t sent;

    wire_encode(batch, out->schema, &raw);
    if (exchange->config.compress) {
        int bound = LZ4_compressBound((int)raw.size), size;

        bytes_reserve(&packed, (size_t)bound);
        size =
            LZ4_compress_default((const char *)raw.data, (char *)packed.data, (int)raw.size, bound);
        CHECK(size > 0);
        msgpack_pack_uint64(packer, raw.size);
        pack_bytes(packer, packed.data, (size_t)size);
        sent = (size_t)size;
    } else {
        msgpack_pack_uint64(packer, 0);
        pack_bytes(packer, raw.data, raw.size);
        sent = raw.size;
    }
    bytes_clear(&raw);
    bytes_clear(&packed);
    return sent + ELEMENT_COST;
}

static void send_element(struct exchange *exchange, uint32_t id, struct element *element)
{
    struct outward *outward = &exchange->outwards[id];
    struct bytes out = {0};
    msgpack_packer packer = message_begin(exchange, &out, DATA_ELEMENT, 7);

    msgpack_pack_uint32(&packer, id);
    msgpack_pack_uint32(&packer, element->kind);
    if (element->final)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
    msgpack_pack_uint64(&packer, element->checkpoint);
    msgpack_pack_int64(&packer, element->time_ms);
    if (element->kind == ELEMENT_BATCH) {
        outward->sent += pack_batch(exchange, &packer, outward, element->batch);
    } else {
        msgpack_pack_uint64(&packer, 0);
        pack_bytes(&packer, NULL, 0);
        outward->sent += ELEMENT_COST;
    }
    batch_release(&element->batch);
    connection_send(exchange->connections[outward->peer], &out);
}

static bool peer_ready(const struct exchange *exchange, uint32_t peer)
{
    return exchange->connections[peer] && exchange->greeted[peer];
}

static void pump_out(struct exchange *exchange, uint32_t id)
{
    struct outward *out = &exchange->outwards[id];
    struct element element;

    while (peer_ready(exchange, out->peer) && out->sent < out->granted &&
           connection_backlog(exchange->connections[out->peer]) < BACKLOG_MAX &&
           channel_take(out->channel, &element))
        send_element(exchange, id, &element);
}

/* Puts what was held, then tells new credit when enough has been taken. */
static void pump_in(struct exchange *exchange, uint32_t id)
{
    struct inward *in = &exchange->inwards[id];
    uint64_t granted;
    uint32_t put = 0;

    while (put < in->held_count && channel_put(in->channel, &in->held[put]))
        put++;
    if (put > 0) {
        in->held_count -= put;
        memmove(in->held, in->held + put, in->held_count * sizeof(*in->held));
    }
    if (!peer_ready(exchange, in->peer))
        return;
    if (channel_bytes(in->channel) > 0 || in->held_count > 0)
        channel_watch(in->channel);
    granted = channel_taken(in->channel) + channel_limit(in->channel);
    if (granted > in->granted && granted - in->granted >= channel_limit(in->channel) / CREDIT_PART)
        send_credit(exchange, id, granted);
}

static void exchange_pump(struct exchange *exchange)
{
    if (exchange->closing)
        return;
    for (uint32_t i = 0; i < exchange->in_count; i++)
        pump_in(exchange, exchange->in_ids[i]);
    for (uint32_t i = 0; i < exchange->out_count; i++)
        pump_out(exchange, exchange->out_ids[i]);
}

/* ---- receiving ---- */
static bool bad_message(struct error *err, const char *what)
{
    return error_set(err, ERROR_NETWORK, "exchange", NULL, "%s", what);
}

static struct batch *read_batch(const struct inward *in, const uint8_t *data, size_t size,
                                uint64_t raw_size, struct error *err)
{
    struct bytes raw = {0};
    struct batch *batch;

    if (raw_size == 0)
        return wire_decode(in->schema, data, size, err);
    if (raw_size > MESSAGE_SIZE_MAX) {
        bad_message(err, "a compressed batch is over the size bound");
        return NULL;
    }
    bytes_reserve(&raw, raw_size);
    if (LZ4_decompress_safe((const char *)data, (char *)raw.data, (int)size, (int)raw_size) !=
        (int)raw_size) {
        bad_message(err, "a compressed batch is damaged");
        bytes_clear(&raw);
        return NULL;
    }
    batch = wire_decode(in->schema, raw.data, raw_size, err);
    bytes_clear(&raw);
    return batch;
}

static bool deliver(struct inward *in, struct element *element, struct error *err)
{
    if (in->held_count == 0 && channel_put(in->channel, element))
        return true;
    if (in->held_count >= HELD_MAX) {
        batch_release(&element->batch);
        return bad_message(err, "a peer sends beyond its credit");
    }
    in->held = memory_grow(in->held, in->held_count + 1, sizeof(*in->held));
    in->held[in->held_count++] = *element;
    return true;
}

static bool receive_element(struct exchange *exchange, uint32_t peer, struct unpack *unpack,
                            struct error *err)
{
    uint64_t id = unpack_u64(unpack), kind = unpack_u64(unpack), raw_size;
    struct element element = {0};
    const uint8_t *data;
    size_t size;

    element.final = unpack_bool(unpack);
    element.checkpoint = unpack_u64(unpack);
    element.time_ms = unpack_i64(unpack);
    raw_size = unpack_u64(unpack);
    data = unpack_bin(unpack, &size);
    if (unpack->failed || id >= exchange->config.channel_count || kind > ELEMENT_BARRIER ||
        !exchange->inwards[id].channel || exchange->inwards[id].peer != peer)
        return bad_message(err, "an element that does not belong here");
    element.kind = (enum element_kind)kind;
    if (element.kind == ELEMENT_BATCH) {
        element.batch = read_batch(&exchange->inwards[id], data, size, raw_size, err);
        if (!element.batch)
            return false;
    }
    element.bytes = size + ELEMENT_COST;
    exchange->inwards[id].received += element.bytes;
    if (exchange->inwards[id].received >= exchange->inwards[id].granted)
        channel_refuse(exchange->inwards[id].channel); /* the sender waits for credit */
    /* Before it is there: it may be taken at once, and its taking may have to give new credit. */
    channel_watch(exchange->inwards[id].channel);
    return deliver(&exchange->inwards[id], &element, err);
}

static bool receive_credit(struct exchange *exchange, uint32_t peer, struct unpack *unpack,
                           struct error *err)
{
    uint64_t id = unpack_u64(unpack), granted = unpack_u64(unpack);

    if (unpack->failed || id >= exchange->config.channel_count || !exchange->outwards[id].channel ||
        exchange->outwards[id].peer != peer)
        return bad_message(err, "credit for a channel that is not ours");
    if (granted > exchange->outwards[id].granted)
        exchange->outwards[id].granted = granted;
    pump_out(exchange, (uint32_t)id);
    return true;
}

static uint32_t peer_of(const struct exchange *exchange, const struct connection *connection)
{
    for (uint32_t peer = 0; peer < exchange->config.workers; peer++)
        if (exchange->connections[peer] == connection)
            return peer;
    CHECK(!"a connection without a peer");
    return 0;
}

static bool on_frame(struct connection *connection, const uint8_t *data, size_t size,
                     struct error *err)
{
    struct exchange *exchange = connection_owner(connection);
    uint32_t peer = peer_of(exchange, connection);
    struct unpack unpack;
    uint64_t kind, epoch, attempt;
    bool good;

    if (!unpack_begin(&unpack, data, size)) {
        unpack_end(&unpack);
        return bad_message(err, "a message is not msgpack");
    }
    kind = unpack_u64(&unpack);
    epoch = unpack_u64(&unpack);
    attempt = unpack_u64(&unpack);
    if (unpack.failed || epoch != exchange->config.epoch || attempt != exchange->config.attempt)
        good = error_set(err, ERROR_FENCED, "exchange", NULL, "a message of another attempt");
    else if (kind == DATA_ELEMENT)
        good = receive_element(exchange, peer, &unpack, err);
    else if (kind == DATA_CREDIT)
        good = receive_credit(exchange, peer, &unpack, err);
    else
        good = bad_message(err, "a message of unknown kind");
    unpack_end(&unpack);
    return good;
}

static void on_drain(struct connection *connection)
{
    exchange_pump(connection_owner(connection));
}

static void on_closed(struct connection *connection, const struct error *why)
{
    struct exchange *exchange = connection_owner(connection);
    uint32_t peer = peer_of(exchange, connection);

    exchange->sent_before += connection_sent(connection);
    exchange->connections[peer] = NULL;
    exchange->greeted[peer] = false;
    if (!exchange->closing)
        exchange->config.on_failed(exchange->config.owner, peer, why);
}

static const struct connection_events exchange_events = {on_frame, on_drain, on_closed};

/* ---- life ---- */
/* The first credit of every channel that comes in from this peer. */
static void peer_greeted(struct exchange *exchange, uint32_t peer)
{
    exchange->greeted[peer] = true;
    for (uint32_t i = 0; i < exchange->in_count; i++) {
        uint32_t id = exchange->in_ids[i];

        if (exchange->inwards[id].peer == peer)
            send_credit(exchange, id, channel_limit(exchange->inwards[id].channel));
    }
}

bool exchange_start(struct exchange *exchange, struct error *err)
{
    for (uint32_t peer = exchange->config.worker + 1; peer < exchange->config.workers; peer++) {
        struct bytes hello = {0};
        struct connection *connection =
            connection_open(exchange->config.loop, exchange->peers[peer].host,
                            exchange->peers[peer].port, &exchange_events, exchange, err);
        msgpack_packer packer;

        if (!connection)
            return false;
        exchange->connections[peer] = connection;
        packer = message_begin(exchange, &hello, DATA_HELLO, 1);
        msgpack_pack_uint32(&packer, exchange->config.worker);
        connection_send(connection, &hello);
        peer_greeted(exchange, peer);
    }
    return true;
}

bool exchange_adopt(struct exchange *exchange, struct connection *connection, const uint8_t *hello,
                    size_t size)
{
    struct unpack unpack;
    uint64_t kind, epoch, attempt, peer;
    bool good;

    unpack_begin(&unpack, hello, size);
    kind = unpack_u64(&unpack);
    epoch = unpack_u64(&unpack);
    attempt = unpack_u64(&unpack);
    peer = unpack_u64(&unpack);
    good = !unpack.failed && kind == DATA_HELLO && epoch == exchange->config.epoch &&
           attempt == exchange->config.attempt && peer < exchange->config.worker &&
           !exchange->connections[peer];
    unpack_end(&unpack);
    if (!good)
        return false;
    exchange->connections[peer] = connection;
    connection_give(connection, &exchange_events, exchange);
    peer_greeted(exchange, (uint32_t)peer);
    exchange_pump(exchange);
    return true;
}

uint64_t exchange_sent(const struct exchange *exchange)
{
    uint64_t sent = exchange->sent_before;

    for (uint32_t peer = 0; peer < exchange->config.workers; peer++)
        if (exchange->connections[peer])
            sent += connection_sent(exchange->connections[peer]);
    return sent;
}

static void on_freed(uv_handle_t *handle)
{
    struct exchange *exchange = handle->data;

    for (uint32_t i = 0; i < exchange->in_count; i++) {
        struct inward *in = &exchange->inwards[exchange->in_ids[i]];

        for (uint32_t h = 0; h < in->held_count; h++)
            batch_release(&in->held[h].batch);
        memory_free(in->held);
    }
    memory_free(exchange->peers);
    memory_free(exchange->connections);
    memory_free(exchange->greeted);
    memory_free(exchange->outwards);
    memory_free(exchange->inwards);
    memory_free(exchange->out_ids);
    memory_free(exchange->in_ids);
    memory_free(exchange);
}

void exchange_close(struct exchange *exchange)
{
    if (!exchange || exchange->closing)
        return;
    exchange->closing = true;
    for (uint32_t peer = 0; peer < exchange->config.workers; peer++) {
        connection_close(exchange->connections[peer]);
        exchange->connections[peer] = NULL;
    }
    uv_close((uv_handle_t *)&exchange->async, on_freed);
}
