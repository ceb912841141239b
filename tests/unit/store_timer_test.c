/* Timers: order, moves, removal, ties, restore. The random ones are in store_world.h. */
#include "tests/unit/store_solo.h"

static const struct store_state states[] = {{.name = "op.timer", .kind = STORE_TIMER}};

static void set(struct solo *solo, uint64_t number, int64_t due_ms)
{
    struct key key = number_key(number);
    struct error err = {0};

    must(store_timer_set(solo->store, 0, &key, due_ms, &err), &err);
}

static uint64_t number_of(const struct key *key)
{
    uint64_t number = 0;

    assert_int_equal(key->size, 9);
    for (int i = 0; i < 8; i++)
        number = number << 8 | key->data[1 + i];
    return number ^ UINT64_C(1) << 63;
}

static void expect(struct solo *solo, int64_t until_ms, const int64_t (*wanted)[2], uint32_t count)
{
    struct key keys[16];
    int64_t times[16];

    assert_int_equal(store_timer_take(solo->store, 0, until_ms, keys, times, 16), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(number_of(&keys[i]), wanted[i][0]);
        assert_int_equal(times[i], wanted[i][1]);
    }
}

#define EXPECT(solo, until, ...)                                                                   \
    expect(solo, until, (const int64_t[][2]){__VA_ARGS__},                                         \
           sizeof((const int64_t[][2]){__VA_ARGS__}) / sizeof(int64_t[2]))

static void test_order(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    assert_int_equal(store_timer_next(solo.store, 0), INT64_MAX);
    set(&solo, 1, 30);
    set(&solo, 2, 10);
    set(&solo, 3, 20);
    assert_int_equal(store_timer_next(solo.store, 0), 10);
    expect(&solo, 9, NULL, 0);
    EXPECT(&solo, 20, {2, 10}, {3, 20});
    expect(&solo, 20, NULL, 0);
    EXPECT(&solo, INT64_MAX - 1, {1, 30});
    assert_int_equal(store_timer_next(solo.store, 0), INT64_MAX);
    solo_clear(&solo);
}

/* Of a key's timers the last one set stands. */
static void test_moves(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    set(&solo, 1, 10);
    set(&solo, 1, 50); /* later */
    set(&solo, 2, 50);
    set(&solo, 2, 5); /* earlier */
    set(&solo, 3, 20);
    set(&solo, 3, INT64_MAX); /* none */
    set(&solo, 4, 20);
    set(&solo, 4, INT64_MAX);
    set(&solo, 4, 20); /* and again */
    set(&solo, 5, INT64_MAX);
    EXPECT(&solo, 49, {2, 5}, {4, 20});
    EXPECT(&solo, 50, {1, 50});
    set(&solo, 1, 40); /* in the past: due at once */
    EXPECT(&solo, 50, {1, 40});
    set(&solo, 1, INT64_MIN);
    EXPECT(&solo, INT64_MIN, {1, INT64_MIN});
    solo_clear(&solo);
}

static void test_ties(void **state)
{
    struct solo solo;
    struct key keys[7];
    int64_t times[7];
    uint64_t last = 0;
    uint32_t total = 0, count;

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (uint64_t i = 0; i < 1000; i++)
        set(&solo, i, 10);
    while ((count = store_timer_take(solo.store, 0, 10, keys, times, 7))) {
        for (uint32_t i = 0; i < count; i++) {
            assert_true(keys[i].hash > last);
            last = keys[i].hash;
        }
        total += count;
    }
    assert_int_equal(total, 1000);
    solo_clear(&solo);
}

#define STREAM_ROWS 20000u
#define STREAM_TAKEN 64u

/* Takes what is due: in order, each as it was set, and all of it. */
static void take_stream(struct solo *solo, int64_t until_ms, int64_t *dues, uint32_t set_rows)
{
    struct key keys[STREAM_TAKEN];
    int64_t times[STREAM_TAKEN], last_ms = INT64_MIN;
    uint64_t last = 0;
    uint32_t count;

    while ((count = store_timer_take(solo->store, 0, until_ms, keys, times, STREAM_TAKEN)))
        for (uint32_t i = 0; i < count; i++) {
            uint64_t number = number_of(&keys[i]);
            assert_true(times[i] <= until_ms && times[i] == dues[number]);
            assert_true(times[i] > last_ms || (times[i] == last_ms && keys[i].hash > last));
            last_ms = times[i];
            last = keys[i].hash;
            dues[number] = INT64_MAX;
        }
    for (uint32_t i = 0; i < set_rows; i++)
        assert_true(dues[i] > until_ms);
}

/* A stream in order, four rows a time, and among it one that is ahead by random times, with a break. */
static void test_streams(void **state)
{
    struct random random = {1};
    struct solo solo;
    int64_t *dues = memory_array(STREAM_ROWS, sizeof(*dues));

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (uint32_t i = 0; i < STREAM_ROWS; i++) {
        int64_t now_ms = i / 4 * 10 + (i > STREAM_ROWS / 2 ? 100000 : 0);
        bool ahead = i < 100 || random_below(&random, 16) == 0;
        dues[i] = now_ms + 2000 + (ahead ? (int64_t)random_below(&random, 5000) : 0);
        set(&solo, i, dues[i]);
        if (i % 501 == 500)
            take_stream(&solo, now_ms, dues, i + 1);
    }
    take_stream(&solo, INT64_MAX - 1, dues, STREAM_ROWS);
    memory_free(dues);
    solo_clear(&solo);
}

static void test_restore(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    set(&solo, 1, 10);
    set(&solo, 2, 20);
    set(&solo, 3, 30);
    solo_barrier(&solo, INT64_MIN);
    set(&solo, 1, 40);        /* after the barrier: in the second delta */
    set(&solo, 2, INT64_MAX); /* removed there */
    set(&solo, 4, 5);
    solo_barrier(&solo, INT64_MIN);
    set(&solo, 3, 1); /* in no checkpoint */
    solo_restore(&solo);
    assert_int_equal(store_timer_next(solo.store, 0), 5);
    EXPECT(&solo, 100, {4, 5}, {3, 30}, {1, 40});
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    expect(&solo, INT64_MAX - 1, NULL, 0);
    solo_clear(&solo);
}

/* Taken and removed timers give their memory back once they are in files. */
static void test_memory(void **state)
{
    struct solo solo;
    struct store_figures figures;
    struct key keys[1000];
    int64_t times[1000];

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (int64_t round = 0; round < 300; round++) {
        for (uint64_t i = 0; i < 1000; i++)
            set(&solo, (uint64_t)round * 1000 + i, round);
        if (round % 2)
            solo_barrier(&solo, INT64_MIN);
        assert_int_equal(store_timer_take(solo.store, 0, round, keys, times, 1000), 1000);
        solo_barrier(&solo, INT64_MIN);
        solo_maintain(&solo);
    }
    for (int i = 0; i < 2000; i++)
        solo_maintain(&solo);
    store_figures(solo.store, &figures);
    assert_true(figures.log_bytes < 20 << 20);
    solo_clear(&solo);
}

/* Those that begin and end between two barriers leave nothing, in memory or in files. */
static void test_brief(void **state)
{
    struct solo solo;
    struct store_figures figures;

    (void)state;
    solo_init(&solo, states, 1, 0);
    set(&solo, 1, 10);
    set(&solo, 2, 20);
    set(&solo, 3, 30);
    set(&solo, 3, INT64_MAX);
    EXPECT(&solo, 20, {1, 10}, {2, 20});
    store_figures(solo.store, &figures);
    assert_int_equal(figures.cells, 0);
    set(&solo, 2, 20); /* its entry of before is in the heap no more, that of 3 still is */
    set(&solo, 3, 40);
    EXPECT(&solo, 39, {2, 20});
    solo_barrier(&solo, INT64_MIN);
    set(&solo, 1, 5);
    EXPECT(&solo, 10, {1, 5});
    EXPECT(&solo, 40, {3, 40});
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    expect(&solo, INT64_MAX - 1, NULL, 0);
    solo_clear(&solo);
}

/* Timers that were moved to between those of one call are told in order. */
static void test_moved_between(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (uint64_t i = 0; i < 8; i++)
        set(&solo, i, (int64_t)i * 10);
    set(&solo, 0, 55);
    set(&solo, 2, 31);
    set(&solo, 4, 200);
    EXPECT(&solo, 60, {1, 10}, {3, 30}, {2, 31}, {5, 50}, {0, 55}, {6, 60});
    EXPECT(&solo, 200, {7, 70}, {4, 200});
    solo_clear(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),   cmocka_unit_test(test_moves),
        cmocka_unit_test(test_ties),    cmocka_unit_test(test_streams),
        cmocka_unit_test(test_restore), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_brief),   cmocka_unit_test(test_moved_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
