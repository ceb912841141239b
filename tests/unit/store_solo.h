/* store_solo: one store of all key groups in a folder of its own, for tests that say step by step
 * what happens. Its executor keeps work back until solo_wait. */
#ifndef MILLRACE_TESTS_STORE_SOLO_H
#define MILLRACE_TESTS_STORE_SOLO_H

#include "tests/unit/store_world.h"

struct solo {
    struct slow_executor slow;
    struct bell bell;
    char *dir;
    struct store_config config;
    struct store *store;
    struct arena *arena;
    struct store_snapshot snapshot; /* of the last barrier */
    uint64_t checkpoint;
    uint32_t lives;
};

UNUSED static void solo_open(struct solo *solo)
{
    struct error err = {0};

    memory_free((char *)(uintptr_t)solo->config.file_prefix);
    solo->config.file_prefix = memory_format("job-%u-op-0", solo->lives++);
    solo->store = store_create(&solo->config, &err);
    must(solo->store != NULL, &err);
}

UNUSED static void solo_init(struct solo *solo, const struct store_state *states, uint32_t count,
                             uint64_t memory_bytes)
{
    *solo = (struct solo){.dir = dir_new(), .arena = arena_create(4096)};
    solo->slow.executor = (struct executor){.submit = slow_submit, .wait = slow_wait};
    solo->bell.waker.wake = bell_ring;
    solo->config = (struct store_config){
        .states = states,
        .state_count = count,
        .key_groups = WORLD_GROUPS,
        .group_end = WORLD_GROUPS,
        .memory_bytes = memory_bytes,
        .spill_dir = memory_format("%s/spill", solo->dir),
        .work_dir = memory_format("%s/work", solo->dir),
        .merge_ratio = 1e9,
        .executor = &solo->slow.executor,
        .waker = &solo->bell.waker,
    };
    assert_int_equal(mkdir(solo->config.work_dir, 0700), 0);
    solo_open(solo);
}

UNUSED static void solo_clear(struct solo *solo)
{
    store_close(solo->store);
    dir_remove(solo->dir);
    arena_close(solo->arena);
    memory_free(solo->dir);
    memory_free((char *)(uintptr_t)solo->config.spill_dir);
    memory_free((char *)(uintptr_t)solo->config.work_dir);
    memory_free((char *)(uintptr_t)solo->config.file_prefix);
}

UNUSED static void solo_wait(struct solo *solo)
{
    if (!atomic_exchange(&solo->bell.rung, false))
        assert_true(slow_step(&solo->slow));
}

UNUSED static void solo_maintain(struct solo *solo)
{
    enum store_result result;
    struct error err = {0};

    while ((result = store_maintain(solo->store, &err)) == STORE_LOADING)
        solo_wait(solo);
    must(result == STORE_READY, &err);
}

/* Until nothing more happens by itself. */
UNUSED static void solo_settle(struct solo *solo)
{
    for (int i = 0; i < 200; i++) {
        solo_maintain(solo);
        while (slow_step(&solo->slow))
            ;
    }
}

UNUSED static enum store_result solo_try_barrier(struct solo *solo, int64_t watermark_ms,
                                                 struct error *err)
{
    enum store_result result;

    store_barrier(solo->store, ++solo->checkpoint, watermark_ms);
    while ((result = store_barrier_poll(solo->store, solo->arena, &solo->snapshot, err)) ==
           STORE_LOADING)
        assert_true(slow_step(&solo->slow));
    return result;
}

UNUSED static void solo_barrier(struct solo *solo, int64_t watermark_ms)
{
    struct error err = {0};

    must(solo_try_barrier(solo, watermark_ms, &err) == STORE_READY, &err);
}

UNUSED static bool solo_try_restore(struct solo *solo, struct error *err)
{
    const char *paths[512];

    assert_true(solo->snapshot.count <= 512);
    for (uint32_t i = 0; i < solo->snapshot.count; i++)
        paths[i] = solo->snapshot.files[i].path;
    store_close(solo->store);
    solo_open(solo);
    return store_restore(solo->store, paths, solo->snapshot.files, solo->snapshot.count, err);
}

UNUSED static void solo_restore(struct solo *solo)
{
    struct error err = {0};

    must(solo_try_restore(solo, &err), &err);
}

/* The canonical key of a number; bytes are good for eight calls. */
UNUSED static struct key number_key(uint64_t number)
{
    static uint8_t ring[8][9];
    static uint32_t next;
    uint8_t *bytes = ring[next++ % 8];
    uint64_t flipped = number ^ UINT64_C(1) << 63;

    bytes[0] = 2;
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(flipped >> (56 - 8 * i));
    return (struct key){bytes, 9, hash_bytes(bytes, 9)};
}

UNUSED static void *solo_cell(struct solo *solo, uint32_t state, uint64_t number, int64_t time_ms)
{
    struct key key = number_key(number);
    enum store_result result;
    struct error err = {0};
    void *cell;

    while ((result = store_resolve_keys(solo->store, state, &key, &time_ms, 1, &cell, &err)) ==
           STORE_LOADING)
        solo_wait(solo);
    must(result == STORE_READY, &err);
    return cell;
}

#endif
