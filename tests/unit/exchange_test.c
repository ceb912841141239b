/* exchange: two workers in one loop over loopback: elements in order, credit, compression, another
 * attempt refused, a lost connection told. */
#include "runtime/batch/builder.h"
#include "runtime/net/exchange.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CHANNELS 2
#define BATCH_ROWS 100

static struct field fields[] = {{.name = "n", .type = TYPE_I64}, {.name = "t", .type = TYPE_UTF8}};
static const struct schema schema = {2, fields};

struct side {
    struct exchange *exchange;
    uv_tcp_t listener;
    uint16_t port;
    struct channel *channels[CHANNELS]; /* 0 goes from worker 0 to 1, 1 back */
    uint32_t failures;
    bool refused;
};

struct bench {
    uv_loop_t loop;
    struct side sides[2];
};

static bool on_first_frame(struct connection *connection, const uint8_t *data, size_t size,
                           struct error *err)
{
    struct side *side = connection_owner(connection);

    if (exchange_adopt(side->exchange, connection, data, size))
        return true;
    side->refused = true;
    return error_set(err, ERROR_FENCED, "test", NULL, "refused");
}

static void on_stranger_closed(struct connection *connection, const struct error *why)
{
    (void)connection;
    (void)why;
}

static const struct connection_events stranger = {on_first_frame, NULL, on_stranger_closed};

static void on_peer(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    assert_non_null(connection_accept(listener, &stranger, listener->data, NULL));
}

static void on_failed(void *owner, uint32_t peer, const struct error *why)
{
    (void)peer;
    (void)why;
    ((struct side *)owner)->failures++;
}

static void bench_open(struct bench *bench, uint32_t second_attempt, bool compress,
                       size_t channel_bytes)
{
    struct exchange_peer peers[2] = {0};

    memset(bench, 0, sizeof(*bench));
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    for (uint32_t w = 0; w < 2; w++) {
        struct side *side = &bench->sides[w];

        assert_true(connection_listen(&bench->loop, &side->listener, "127.0.0.1", &side->port,
                                      on_peer, NULL));
        side->listener.data = side;
        (void)snprintf(peers[w].host, sizeof(peers[w].host), "127.0.0.1");
        peers[w].port = side->port;
    }
    for (uint32_t w = 0; w < 2; w++) {
        struct side *side = &bench->sides[w];

        side->exchange = exchange_create(&(struct exchange_config){
            .loop = &bench->loop,
            .epoch = 5,
            .attempt = w == 0 ? 1 : second_attempt,
            .worker = w,
            .workers = 2,
            .peers = peers,
            .channel_count = CHANNELS,
            .compress = compress,
            .on_failed = on_failed,
            .owner = side,
        });
        for (uint32_t id = 0; id < CHANNELS; id++) {
            side->channels[id] = channel_create(channel_bytes);
            if (id == w) {
                exchange_out(side->exchange, id, 1 - w, side->channels[id], &schema);
                channel_set_wakers(side->channels[id], NULL, exchange_waker(side->exchange));
            } else {
                exchange_in(side->exchange, id, 1 - w, side->channels[id], &schema);
                channel_set_wakers(side->channels[id], exchange_waker(side->exchange), NULL);
            }
        }
    }
    for (uint32_t w = 0; w < 2; w++)
        assert_true(exchange_start(bench->sides[w].exchange, NULL));
}

static void bench_close(struct bench *bench)
{
    for (uint32_t w = 0; w < 2; w++) {
        exchange_close(bench->sides[w].exchange);
        uv_close((uv_handle_t *)&bench->sides[w].listener, NULL);
    }
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    for (uint32_t w = 0; w < 2; w++)
        for (uint32_t id = 0; id < CHANNELS; id++)
            channel_close(bench->sides[w].channels[id]);
}

static struct element rows(int64_t first)
{
    struct builder *builder = builder_create(&schema, false);
    struct element element = {.kind = ELEMENT_BATCH};

    for (int64_t i = 0; i < BATCH_ROWS; i++) {
        builder_row(builder, first + i, (uint64_t)i, (uint64_t)i);
        builder_i64(builder, 0, first + i);
        builder_text(builder, 1, "text", i % 5 ? 4 : 0);
    }
    element.batch = builder_finish(builder);
    builder_close(builder);
    return element;
}

/* Sends batches and watermarks from 0 to 1 while taking at most `take` elements a turn. */
static void send_and_check(struct bench *bench, int64_t count, int take)
{
    struct channel *out = bench->sides[0].channels[0], *in = bench->sides[1].channels[0];
    struct element next = rows(0), got;
    int64_t sent = 0, taken = 0;

    while (taken < count * 2) {
        while (sent < count * 2 && channel_put(out, &next)) {
            sent++;
            next = sent % 2 ? (struct element){.kind = ELEMENT_WATERMARK, .time_ms = sent}
                            : rows(sent);
        }
        uv_run(&bench->loop, UV_RUN_NOWAIT);
        for (int i = 0; i < take && channel_take(in, &got); i++, taken++) {
            if (taken % 2) {
                assert_int_equal(got.kind, ELEMENT_WATERMARK);
                assert_int_equal(got.time_ms, taken);
            } else {
                assert_int_equal(got.kind, ELEMENT_BATCH);
                assert_int_equal(((const int64_t *)batch_column(got.batch, 0)->values)[0], taken);
                batch_check(got.batch, &schema);
                batch_release(&got.batch);
            }
        }
    }
    batch_release(&next.batch);
}

static void elements_in_order(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 1, false, 1u << 20);
    send_and_check(&bench, 500, 100);
    assert_true(exchange_sent(bench.sides[0].exchange) > 500 * BATCH_ROWS * 8);
    bench_close(&bench);
}

static void compressed(void **state)
{
    struct bench bench;
    uint64_t plain;

    (void)state;
    bench_open(&bench, 1, false, 1u << 20);
    send_and_check(&bench, 100, 100);
    plain = exchange_sent(bench.sides[0].exchange);
    bench_close(&bench);
    bench_open(&bench, 1, true, 1u << 20);
    send_and_check(&bench, 100, 100);
    assert_true(exchange_sent(bench.sides[0].exchange) < plain / 2);
    bench_close(&bench);
}

static void a_slow_taker_under_small_bounds(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 1, false, 10000);
    send_and_check(&bench, 200, 1);
    bench_close(&bench);
}

struct taker {
    struct waker waker; /* first */
    struct channel *channel;
    struct waker *loop;
    int64_t count;
    atomic_bool done;
};

static void *take_eagerly(void *data)
{
    struct taker *taker = data;
    struct element got;

    for (int64_t taken = 0; taken < taker->count;) {
        if (!channel_take(taker->channel, &got))
            continue;
        batch_release(&got.batch);
        taken++;
    }
    atomic_store(&taker->done, true);
    waker_wake(taker->loop);
    return NULL;
}

/* On the loop's thread, within channel_put: the element is gone before it returns. */
static void wake_and_wait(struct waker *waker)
{
    const struct taker *taker = (const struct taker *)waker;

    while (!channel_empty(taker->channel))
        (void)sched_yield();
}

/* Were the credit for an element that is taken at once forgotten, the loop would sleep for ever. */
static void an_eager_taker_under_small_bounds(void **state)
{
    struct bench bench;
    struct element next = rows(0);
    struct taker taker = {.waker = {wake_and_wait}, .count = 300};
    pthread_t thread;
    int64_t sent = 0;

    (void)state;
    bench_open(&bench, 1, false, 2000); /* one element uses all credit */
    taker.channel = bench.sides[1].channels[0];
    taker.loop = exchange_waker(bench.sides[1].exchange);
    channel_set_wakers(taker.channel, taker.loop, &taker.waker);
    assert_int_equal(pthread_create(&thread, NULL, take_eagerly, &taker), 0);
    while (!atomic_load(&taker.done)) {
        while (sent < taker.count && channel_put(bench.sides[0].channels[0], &next)) {
            sent++;
            next = rows(sent);
        }
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    batch_release(&next.batch);
    bench_close(&bench);
}

/* Nobody takes: what is under way stays near the two channels' bounds. */
static void credit_holds_the_sender(void **state)
{
    struct bench bench;
    struct element next = rows(0);
    int put = 0;

    (void)state;
    bench_open(&bench, 1, false, 50000);
    for (int turn = 0; turn < 2000; turn++) {
        while (channel_put(bench.sides[0].channels[0], &next)) {
            next = rows(0);
            put++;
        }
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_in_range(put, 2, 60); /* about 5 kB each, 50 kB at most on each side */
    batch_release(&next.batch);
    bench_close(&bench);
}

static void another_attempt_is_refused(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 2, false, 1u << 20);
    for (int turn = 0; turn < 1000 && bench.sides[0].failures == 0; turn++)
        uv_run(&bench.loop, UV_RUN_ONCE);
    assert_true(bench.sides[1].refused);
    assert_int_equal(bench.sides[0].failures, 1);
    bench_close(&bench);
}

static void a_lost_peer_is_told(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 1, false, 1u << 20);
    send_and_check(&bench, 1, 10);
    exchange_close(bench.sides[0].exchange);
    for (int turn = 0; turn < 1000 && bench.sides[1].failures == 0; turn++)
        uv_run(&bench.loop, UV_RUN_ONCE);
    assert_int_equal(bench.sides[1].failures, 1);
    bench.sides[0].exchange = NULL;
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_in_order),
        cmocka_unit_test(compressed),
        cmocka_unit_test(a_slow_taker_under_small_bounds),
        cmocka_unit_test(an_eager_taker_under_small_bounds),
        cmocka_unit_test(credit_holds_the_sender),
        cmocka_unit_test(another_attempt_is_refused),
        cmocka_unit_test(a_lost_peer_is_told),
    };

    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
