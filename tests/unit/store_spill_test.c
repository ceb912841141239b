/* The store with budgets so small that nearly everything leaves memory, against a naive model. */
#include "tests/unit/store_operations.h"
#include "tests/unit/store_solo.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Fewer under sanitizers. A fault that one in 17 seeds showed has come past 8 of them. */
static uint64_t seeds(void)
{
    const char *scale = getenv("MILLRACE_SCALE");

    return scale && atoi(scale) > 1 ? 8 : 32;
}

static void test_model(void **state)
{
    static const uint64_t budgets[] = {64 << 10, 200 << 10, 1 << 20};
    uint64_t loaded = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds(); seed++) {
        struct world *world = world_create(seed, budgets[seed % 3], 0);

        print_message("seed %d\n", (int)seed);
        world_run(world, 3000);
        world_figures(world);
        assert_true(world->spilled > 0 || world->memory_bytes > 200 << 10);
        loaded += world->loaded;
        world_close(world);
    }
    assert_true(loaded > 0);
}

/* With threads; the seed decides the operations, not the schedule. */
static void test_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed <= 22; seed++) {
        struct world *world = world_create(seed, 200 << 10, 2);

        print_message("seed %d\n", (int)seed);
        world_run(world, 1500);
        world_close(world);
    }
}

static const struct store_state value_states[] = {
    {.name = "op.value", .kind = STORE_VALUE, .size = sizeof(struct total), .fields = total_fields},
};

#define BUDGET (1u << 20)
#define MANY 60000u
#define ROWS 500u

static void check_budget(const struct solo *solo)
{
    struct store_figures figures;

    store_figures(solo->store, &figures);
    assert_true(figures.log_bytes + figures.index_bytes <= BUDGET);
}

/* Adds one to each of the keys, which must have been counted `count` times so far. */
static void count_rows(struct solo *solo, uint64_t first, int64_t count)
{
    static uint8_t bytes[ROWS][9];
    static struct key keys[ROWS];
    static void *cells[ROWS];
    enum store_result result;
    struct error err = {0};

    for (uint32_t i = 0; i < ROWS; i++) {
        struct key key = number_key(first + i * UINT64_C(7919) % MANY);

        memcpy(bytes[i], key.data, key.size);
        keys[i] = (struct key){bytes[i], key.size, key.hash};
    }
    while ((result = store_resolve_keys(solo->store, 0, keys, NULL, ROWS, cells, &err)) ==
           STORE_LOADING)
        solo_wait(solo);
    must(result == STORE_READY, &err);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct total *total = cells[i];

        assert_int_equal(total->count, count);
        total->count++;
    }
    solo_maintain(solo);
    check_budget(solo);
}

/* Many more keys than the budget holds; all are seen again, before and after a restore, and the
 * budget holds all the time. */
static void test_budget(void **state)
{
    struct store_figures figures;
    struct solo solo;

    (void)state;
    solo_init(&solo, value_states, 1, BUDGET);
    for (int64_t round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 40; i++) {
            count_rows(&solo, i * 1000000, round);
            if (i % 13 == 5)
                solo_barrier(&solo, INT64_MIN);
        }
        if (round != 1)
            continue;
        solo_barrier(&solo, INT64_MIN);
        solo_restore(&solo);
        check_budget(&solo);
    }
    store_figures(solo.store, &figures);
    assert_true(figures.spilled_bytes > 0 && figures.loaded_cells > 0);
    solo_clear(&solo);
}

/* The disk fills up while cells leave: the store fails, says where, and stays so. */
static void test_full_disk(void **state)
{
    struct rlimit before, small;
    enum store_result result = STORE_READY;
    struct error err = {0};
    struct solo solo;

    (void)state;
    solo_init(&solo, value_states, 1, BUDGET);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 20000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (uint64_t i = 0; i < MANY && result != STORE_FAILED; i++) {
        (void)solo_cell(&solo, 0, i, 0);
        while ((result = store_maintain(solo.store, &err)) == STORE_LOADING)
            solo_wait(&solo);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result, STORE_FAILED);
    assert_int_equal(err.code, ERROR_IO);
    assert_non_null(strstr(err.where, solo.dir));
    assert_int_equal(store_maintain(solo.store, &err), STORE_FAILED);
    solo_clear(&solo);
}

/* Timers cannot leave: the budget is passed, but the store goes on. */
static void test_timers_stay(void **state)
{
    static const struct store_state states[] = {{.name = "op.timer", .kind = STORE_TIMER}};
    struct solo solo;
    struct error err = {0};
    struct key keys[8];
    int64_t times[8];
    uint32_t count, total = 0;

    (void)state;
    solo_init(&solo, states, 1, 64 << 10);
    for (uint64_t i = 0; i < 5000; i++) {
        struct key key = number_key(i);

        must(store_timer_set(solo.store, 0, &key, (int64_t)i, &err), &err);
        solo_maintain(&solo);
    }
    solo_barrier(&solo, INT64_MIN);
    solo_settle(&solo);
    while ((count = store_timer_take(solo.store, 0, INT64_MAX - 1, keys, times, 8)))
        total += count;
    assert_int_equal(total, 5000);
    solo_clear(&solo);
}

/* Removed entries whose older values are on disk: their markers outlive compaction. */
static void test_removed_entries(void **state)
{
    static const struct store_state states[] = {{.name = "op.map", .kind = STORE_MAP, .size = 64}};
    struct store_figures figures;
    struct error err = {0};
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, BUDGET);
    for (uint32_t i = 0; i < 20000; i++) {
        struct key key = number_key(i % 100);

        assert_non_null(store_entry(solo.store, 0, &key, &i, 4, true, &err));
        solo_maintain(&solo);
    }
    for (int round = 0; round < 150; round++) {
        for (uint32_t i = 0; i < 600; i++) { /* some once and for good, some at every turn */
            struct key key = number_key(i % 100);

            if (i < 300 && i / 2 != (uint32_t)round)
                continue;
            if (i >= 300 && round % 2 == 0)
                assert_non_null(store_entry(solo.store, 0, &key, &i, 4, true, &err));
            else
                must(store_entry_remove(solo.store, 0, &key, &i, 4, &err), &err);
        }
        solo_barrier(&solo, INT64_MIN);
        for (int k = 0; k < 20; k++)
            solo_maintain(&solo);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        struct key key = number_key(i % 100);

        assert_true((store_entry(solo.store, 0, &key, &i, 4, false, &err) != NULL) == (i >= 600));
        must(err.code == ERROR_NONE, &err);
        if (i % 100 == 0)
            solo_maintain(&solo);
    }
    store_figures(solo.store, &figures);
    assert_true(figures.loaded_cells > 0);
    solo_clear(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_budget),      cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_timers_stay), cmocka_unit_test(test_removed_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
