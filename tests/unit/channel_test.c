/* channel: order, bounds, wakers, and one producer against one consumer on two threads. */
#include "runtime/net/channel.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct counting_waker {
    struct waker waker; /* first */
    atomic_uint wakes;
};

static void count_wake(struct waker *waker)
{
    atomic_fetch_add(&((struct counting_waker *)waker)->wakes, 1);
}

static struct element watermark(int64_t time_ms)
{
    return (struct element){.kind = ELEMENT_WATERMARK, .time_ms = time_ms};
}

static struct element rows(size_t bytes)
{
    return (struct element){.kind = ELEMENT_BATCH, .batch = batch_create(1, 0), .bytes = bytes};
}

static void keeps_order(void **state)
{
    struct channel *channel = channel_create(1000);
    struct element element;

    (void)state;
    for (int64_t i = 0; i < 10; i++) {
        element = watermark(i);
        assert_true(channel_put(channel, &element));
    }
    for (int64_t i = 0; i < 10; i++) {
        assert_true(channel_take(channel, &element));
        assert_int_equal(element.time_ms, i);
    }
    assert_false(channel_take(channel, &element));
    channel_close(channel);
}

static void bounded_by_elements(void **state)
{
    struct channel *channel = channel_create(1000);
    struct element element;

    (void)state;
    for (uint32_t i = 0; i < CHANNEL_ELEMENTS; i++) {
        element = watermark(i);
        assert_true(channel_put(channel, &element));
    }
    element = watermark(-1);
    assert_false(channel_put(channel, &element));
    assert_true(channel_take(channel, &element));
    element = watermark(-1);
    assert_true(channel_put(channel, &element));
    channel_close(channel);
}

static void bounded_by_bytes(void **state)
{
    struct channel *channel = channel_create(100);
    struct element element = rows(150), second = rows(1), mark = watermark(1);

    (void)state;
    assert_true(channel_put(channel, &element)); /* one is always taken when it is empty */
    assert_null(element.batch);
    assert_false(channel_writable(channel));
    assert_false(channel_put(channel, &second));
    assert_non_null(second.batch);            /* the caller keeps it */
    assert_true(channel_put(channel, &mark)); /* only batches are held back */
    assert_int_equal(channel_bytes(channel), 150);
    assert_true(channel_take(channel, &element));
    assert_int_equal(channel_taken(channel), 150);
    assert_true(channel_put(channel, &second));
    batch_release(&element.batch);
    channel_close(channel); /* frees what is in it */
}

static void wakes_both_sides(void **state)
{
    struct counting_waker producer = {.waker.wake = count_wake};
    struct counting_waker consumer = {.waker.wake = count_wake};
    struct channel *channel = channel_create(100);
    struct element element = rows(100), other = rows(1);

    (void)state;
    channel_set_wakers(channel, &producer.waker, &consumer.waker);
    assert_true(channel_put(channel, &element));
    assert_int_equal(consumer.wakes, 1); /* was empty */
    assert_false(channel_put(channel, &other));
    assert_int_equal(producer.wakes, 0);
    assert_true(channel_take(channel, &element));
    assert_int_equal(producer.wakes, 1); /* had been refused */
    batch_release(&element.batch);
    assert_true(channel_put(channel, &other));
    assert_true(channel_take(channel, &other));
    assert_int_equal(producer.wakes, 1); /* nobody waited */
    batch_release(&other.batch);
    channel_watch(channel);
    element = watermark(0);
    assert_true(channel_put(channel, &element));
    assert_true(channel_take(channel, &element));
    assert_int_equal(producer.wakes, 2); /* asked for it */
    channel_close(channel);
}

#define PACE_MAX (10u << 20)

/* Puts batches until one is refused. */
static void fill(struct channel *channel, size_t bytes)
{
    struct element element = rows(bytes);

    while (channel_put(channel, &element))
        element = rows(bytes);
    batch_release(&element.batch);
}

static void take_bytes(struct channel *channel, size_t bytes)
{
    uint64_t end = channel_taken(channel) + bytes;
    struct element element;

    while (channel_taken(channel) < end && channel_take(channel, &element))
        batch_release(&element.batch);
}

/* A consumer that takes all that is there: the bound doubles until it is no longer in the way. */
static void pace_goes_up_when_the_queue_runs_dry(void **state)
{
    struct channel *channel = channel_create(PACE_MAX);
    size_t before;

    (void)state;
    assert_int_equal(channel_limit(channel), CHANNEL_LIMIT_MIN); /* until the rate is known */
    for (int i = 0; i < 40; i++) {
        before = channel_limit(channel);
        fill(channel, 1000);
        take_bytes(channel, SIZE_MAX / 2);
        channel_pace(channel, 20, 1000);
        assert_true(channel_limit(channel) >= before);
    }
    assert_int_equal(channel_limit(channel), PACE_MAX);
    channel_close(channel);
}

/* A consumer of 1 MB in 100 ms: what is queued comes down to that, and to a part of it. */
static void pace_bounds_the_time(void **state)
{
    struct channel *channel = channel_create(PACE_MAX);

    (void)state;
    for (int i = 0; i < 20; i++) {
        fill(channel, 1000);
        take_bytes(channel, SIZE_MAX / 2);
        channel_pace(channel, 20, 1000);
    }
    for (int i = 0; i < 60; i++) {
        fill(channel, 1000);
        take_bytes(channel, 200000);
        channel_pace(channel, 20, 100);
    }
    assert_in_range(channel_limit(channel), 200000, 1100000);
    assert_in_range(channel_bytes(channel), 0, 1100000);
    for (int i = 0; i < 60; i++) { /* it stands still */
        fill(channel, 1000);
        channel_pace(channel, 20, 100);
    }
    assert_int_equal(channel_limit(channel), CHANNEL_LIMIT_MIN);
    channel_close(channel);
}

/* A slow producer: the bound goes down slowly, so that a stall of the consumer does not fill it. */
static void pace_goes_down_when_it_is_not_needed(void **state)
{
    struct channel *channel = channel_create(PACE_MAX);
    size_t before = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        fill(channel, 1000);
        take_bytes(channel, SIZE_MAX / 2);
        channel_pace(channel, 20, 1000);
    }
    for (int i = 0; i < 200; i++) {
        struct element element = rows(1000);

        before = channel_limit(channel);
        assert_true(channel_put(channel, &element));
        take_bytes(channel, 1000);
        channel_pace(channel, 20, 100);
    }
    assert_int_equal(before, CHANNEL_LIMIT_MIN);
    channel_close(channel);
}

static void a_higher_bound_wakes_the_producer(void **state)
{
    struct counting_waker producer = {.waker.wake = count_wake};
    struct channel *channel = channel_create(PACE_MAX);
    struct element element;

    (void)state;
    channel_set_wakers(channel, &producer.waker, NULL);
    fill(channel, CHANNEL_LIMIT_MIN);
    take_bytes(channel, 1);
    assert_int_equal(producer.wakes, 1);
    element = rows(CHANNEL_LIMIT_MIN);
    assert_true(channel_put(channel, &element));
    fill(channel, CHANNEL_LIMIT_MIN); /* refused again */
    channel_pace(channel, 1, 100);    /* it had run dry: goes up */
    assert_true(channel_limit(channel) > CHANNEL_LIMIT_MIN);
    assert_int_equal(producer.wakes, 2);
    channel_pace(channel, 1, 100);
    assert_int_equal(producer.wakes, 2); /* nobody has been refused since */
    channel_close(channel);
}

/* Between processes the producer waits for credit, not for a put. */
static void a_producer_elsewhere_counts_as_refused(void **state)
{
    struct channel *channel = channel_create(PACE_MAX);
    struct element element = rows(1000);

    (void)state;
    assert_true(channel_put(channel, &element));
    take_bytes(channel, 1000);
    channel_pace(channel, 1, 10);
    assert_int_equal(channel_limit(channel), CHANNEL_LIMIT_MIN);
    element = rows(10000);
    assert_true(channel_put(channel, &element));
    channel_refuse(channel);
    take_bytes(channel, 1000);
    channel_pace(channel, 1, 10);
    assert_true(channel_limit(channel) > CHANNEL_LIMIT_MIN);
    channel_close(channel);
}

/* ---- two threads ---- */
#define MANY 200000

static void *produce(void *data)
{
    struct channel *channel = data;

    for (int64_t i = 0; i < MANY; i++) {
        struct element element = i % 3 ? rows(10) : watermark(i);

        element.time_ms = i;
        while (!channel_put(channel, &element))
            sched_yield();
    }
    return NULL;
}

static void two_threads(void **state)
{
    struct channel *channel = channel_create(500);
    struct element element;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, produce, channel), 0);
    for (int64_t i = 0; i < MANY; i++) {
        while (!channel_take(channel, &element))
            sched_yield();
        assert_int_equal(element.time_ms, i);
        batch_release(&element.batch);
    }
    pthread_join(thread, NULL);
    assert_true(channel_empty(channel));
    channel_close(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order),
        cmocka_unit_test(bounded_by_elements),
        cmocka_unit_test(bounded_by_bytes),
        cmocka_unit_test(wakes_both_sides),
        cmocka_unit_test(pace_goes_up_when_the_queue_runs_dry),
        cmocka_unit_test(pace_bounds_the_time),
        cmocka_unit_test(pace_goes_down_when_it_is_not_needed),
        cmocka_unit_test(a_higher_bound_wakes_the_producer),
        cmocka_unit_test(a_producer_elsewhere_counts_as_refused),
        cmocka_unit_test(two_threads),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
