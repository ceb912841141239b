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

static void pace_follows_the_rate(void **state)
{
    struct channel *channel = channel_create(10u << 20);
    struct element element;

    (void)state;
    assert_int_equal(channel_limit(channel), CHANNEL_LIMIT_MIN); /* until the rate is known */
    channel_pace(channel, 100, 100);
    assert_int_equal(channel_limit(channel), 10u << 20);
    for (int i = 0; i < 11; i++) {
        element = rows(1u << 20);
        (void)channel_put(channel, &element);
        batch_release(&element.batch);
    }
    assert_true(channel_take(channel, &element)); /* 1 MiB in 100 ms, and it is full */
    batch_release(&element.batch);
    channel_pace(channel, 100, 100);
    assert_int_equal(channel_limit(channel), 1u << 20);
    channel_pace(channel, 100, 100); /* nothing more was taken */
    assert_in_range(channel_limit(channel), CHANNEL_LIMIT_MIN, 1u << 19);
    while (channel_take(channel, &element))
        batch_release(&element.batch);
    channel_pace(channel, 100, 100); /* empty: the producer is the slower side */
    assert_int_equal(channel_limit(channel), 10u << 20);
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
        cmocka_unit_test(keeps_order),           cmocka_unit_test(bounded_by_elements),
        cmocka_unit_test(bounded_by_bytes),      cmocka_unit_test(wakes_both_sides),
        cmocka_unit_test(pace_follows_the_rate), cmocka_unit_test(two_threads),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
