/* Panes: partials of every kind meet in a scan exactly once, whatever left memory, was restored,
 * merged or dropped in between. The random ones are in store_world.h. */
#include "tests/unit/store_solo.h"

static const struct store_state states[] = {
    {.name = "op.pane",
     .kind = STORE_PANE,
     .size = sizeof(struct total),
     .pane_ms = PANE_MS,
     .merge = total_merge,
     .config = (const void *)(uintptr_t)total_merge},
};

static void add(struct solo *solo, uint64_t number, int64_t time_ms, int64_t amount)
{
    struct total *total = solo_cell(solo, 0, number, time_ms);

    total->sum += amount;
    total->count++;
}

struct sums {
    uint32_t keys;
    int64_t sum, count;
    uint32_t stop_at; /* fails there; 0: never */
};

static bool sum_each(void *context, const struct key *key, const void *cell, struct error *err)
{
    const struct total *total = cell;
    struct sums *sums = context;

    (void)key;
    sums->keys++;
    sums->sum += total->sum;
    sums->count += total->count;
    return sums->keys != sums->stop_at || error_set(err, ERROR_LIMIT, "here", NULL, "enough");
}

static void expect(struct solo *solo, int64_t begin_ms, int64_t end_ms, uint32_t keys,
                   int64_t count, int64_t sum)
{
    struct sums sums = {0};
    struct error err = {0};
    bool more = true;

    for (uint32_t all = 0; more; all += 2) {
        must(store_pane_scan(solo->store, 0, begin_ms, end_ms, 2, sum_each, &sums, &more, &err),
             &err);
        assert_true(sums.keys <= all + 2);
        solo_maintain(solo);
    }
    assert_int_equal(sums.keys, keys);
    assert_int_equal(sums.count, count);
    assert_int_equal(sums.sum, sum);
}

static void test_windows(void **state)
{
    struct solo solo;
    struct sums sums = {.stop_at = 2};
    struct error err = {0};
    bool more;

    (void)state;
    solo_init(&solo, states, 1, 0);
    assert_int_equal(store_pane_first(solo.store, 0, INT64_MIN), INT64_MAX);
    for (uint64_t i = 0; i < 3; i++)
        add(&solo, i, 100 * (int64_t)i + 99, 1);
    add(&solo, 0, 250, 10);
    add(&solo, 0, -1, 100); /* the pane that begins at -100 */
    assert_int_equal(store_pane_first(solo.store, 0, INT64_MIN), -100);
    assert_int_equal(store_pane_first(solo.store, 0, 1), 100);
    expect(&solo, -100, 0, 1, 1, 100);
    expect(&solo, 0, 100, 1, 1, 1);
    expect(&solo, 0, 300, 3, 4, 13);
    expect(&solo, -100, 301, 3, 5, 113);
    expect(&solo, 300, 400, 0, 0, 0);
    expect(&solo, 300, 0, 0, 0, 0);
    assert_false(store_pane_scan(solo.store, 0, 0, 300, 9, sum_each, &sums, &more, &err));
    assert_string_equal(err.what, "enough");
    store_pane_drop(solo.store, 0, 200);
    expect(&solo, -1000, 1000, 2, 2, 11);
    assert_int_equal(store_pane_first(solo.store, 0, INT64_MIN), 200);
    solo_clear(&solo);
}

/* Restored partials never change; new ones are added beside them, over several lives. */
static void test_lives(void **state)
{
    struct solo solo;
    int64_t count = 0;

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (int life = 0; life < 5; life++) {
        for (int part = 0; part < 3; part++) {
            add(&solo, 1, 50, 1);
            add(&solo, 10 + (uint64_t)life, 50, 1);
            count += 2;
            solo_barrier(&solo, INT64_MIN);
        }
        expect(&solo, 0, 100, 2 + (uint32_t)life, count, count);
        solo_restore(&solo);
        expect(&solo, 0, 100, 2 + (uint32_t)life, count, count);
    }
    solo_clear(&solo);
}

/* A new base in the middle: what may still change is kept apart in it. */
static void test_base(void **state)
{
    struct solo solo;
    int64_t count = 0;

    (void)state;
    solo_init(&solo, states, 1, 0);
    solo.config.merge_ratio = 0;
    solo_restore(&solo); /* opens again, with the ratio */
    for (int round = 0; round < 40; round++) {
        add(&solo, 1, 50, 1);
        add(&solo, (uint64_t)round, 150, 1);
        count++;
        solo_barrier(&solo, INT64_MIN);
        solo_maintain(&solo);
        while (slow_step(&solo.slow))
            ;
        if (round % 7 == 6)
            solo_restore(&solo);
        expect(&solo, 0, 100, 1, count, count);
        expect(&solo, 0, 200, round == 0 ? 2 : 1 + (uint32_t)round, 2 * count, 2 * count);
    }
    assert_true(solo.snapshot.count < 8);
    assert_true(solo.snapshot.files[0].base);
    solo_clear(&solo);
}

static void test_drop(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    add(&solo, 1, 50, 1);
    add(&solo, 1, 150, 2);
    solo_barrier(&solo, INT64_MIN);
    store_pane_drop(solo.store, 0, 100);
    solo_barrier(&solo, INT64_MIN); /* nothing but the drop */
    assert_int_equal(solo.snapshot.count, 2);
    solo_restore(&solo);
    expect(&solo, 0, 1000, 1, 1, 2);
    add(&solo, 1, 50, 4); /* late, but taken: the drop was before */
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    expect(&solo, 0, 1000, 1, 2, 6);
    store_pane_drop(solo.store, 0, 100);
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    expect(&solo, 0, 1000, 1, 1, 2);
    solo_barrier(&solo, INT64_MIN);
    assert_int_equal(solo.snapshot.count, 4); /* and no file when nothing has changed */
    solo_clear(&solo);
}

/* The barrier comes before the drop, the writing after it: the checkpoint has the pane. */
static void test_drop_while_written(void **state)
{
    struct solo solo;
    struct error err = {0};

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (uint64_t i = 0; i < 100; i++)
        add(&solo, i, 50, 1);
    store_barrier(solo.store, 1, INT64_MIN);
    store_pane_drop(solo.store, 0, 100);
    expect(&solo, 0, 100, 0, 0, 0);
    while (store_barrier_poll(solo.store, solo.arena, &solo.snapshot, &err) == STORE_LOADING)
        assert_true(slow_step(&solo.slow));
    solo_restore(&solo);
    expect(&solo, 0, 100, 100, 100, 100);
    solo_clear(&solo);
}

/* The next barrier comes while that is still being written, with nothing new but the drop. */
static void test_drop_behind_what_is_written(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (uint64_t i = 0; i < 100; i++)
        add(&solo, i, 50, 1);
    store_barrier(solo.store, ++solo.checkpoint, INT64_MIN); /* is given up */
    store_pane_drop(solo.store, 0, 100);
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    expect(&solo, 0, 100, 0, 0, 0);
    solo_clear(&solo);
}

/* Far more than the budget: many runs, merged in several levels. */
static void test_runs(void **state)
{
    struct store_figures figures;
    struct solo solo;
    int64_t count = 0;

    (void)state;
    solo_init(&solo, states, 1, 256 << 10);
    for (int round = 0; round < 40; round++) {
        for (uint64_t i = 0; i < 3000; i++, count++)
            add(&solo, (uint64_t)count * 7 % 5000, 50, 1);
        solo_maintain(&solo);
        if (round % 10 == 5)
            solo_barrier(&solo, INT64_MIN);
        if (round % 10 == 7)
            solo_settle(&solo);
        expect(&solo, 0, 100, round ? 5000 : 3000, count, count);
    }
    store_figures(solo.store, &figures);
    assert_true(figures.spilled_bytes > 1 << 20);
    assert_true(figures.log_bytes + figures.index_bytes < 256 << 10);
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo); /* within the budget too */
    expect(&solo, 0, 100, 5000, count, count);
    store_figures(solo.store, &figures);
    assert_true(figures.log_bytes + figures.index_bytes < 256 << 10);
    store_pane_drop(solo.store, 0, 100);
    expect(&solo, 0, 100, 0, 0, 0);
    solo_clear(&solo);
}

/* A restored partial and a new one of the same key leave memory together. */
static void test_restored_leave_with_new(void **state)
{
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 256 << 10);
    add(&solo, 1, 50, 1);
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    add(&solo, 1, 50, 1);
    solo_barrier(&solo, INT64_MIN); /* both are clean now */
    for (uint64_t i = 0; i < 20000; i++) {
        add(&solo, i, 150, 1);
        if (i % 200 == 0)
            solo_maintain(&solo);
    }
    expect(&solo, 0, 100, 1, 2, 2);
    expect(&solo, 100, 200, 20000, 20000, 20000);
    solo_clear(&solo);
}

/* Drops while cells are on their way to disk, and while runs are merged: at any moment. */
static void test_drop_while_leaving(void **state)
{
    (void)state;
    for (uint32_t moment = 0; moment < 60; moment += 3) {
        struct solo solo;
        uint32_t steps = 0;
        bool dropped = false;
        struct error err = {0};

        solo_init(&solo, states, 1, 128 << 10);
        for (uint64_t i = 0; i < 20000; i++) {
            enum store_result result;

            add(&solo, i, 50, 1);
            add(&solo, i, 150, 1);
            if (i % 200)
                continue;
            while ((result = store_maintain(solo.store, &err)) == STORE_LOADING)
                solo_wait(&solo);
            must(result == STORE_READY, &err);
            (void)slow_step(&solo.slow);
            if (++steps == moment + 20) {
                store_pane_drop(solo.store, 0, 100);
                dropped = true;
                expect(&solo, 0, 100, 0, 0, 0);
                expect(&solo, 100, 200, (uint32_t)i + 1, (int64_t)i + 1, (int64_t)i + 1);
            }
        }
        assert_true(dropped);
        expect(&solo, 100, 200, 20000, 20000, 20000);
        solo_clear(&solo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_drop_while_written),
        cmocka_unit_test(test_drop_behind_what_is_written),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_restored_leave_with_new),
        cmocka_unit_test(test_drop_while_leaving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
