/* store_world: stores of one operator at some parallelism beside a naive model of their state; what
 * is done to both is in store_operations.h. */
#ifndef MILLRACE_TESTS_STORE_WORLD_H
#define MILLRACE_TESTS_STORE_WORLD_H

#include "runtime/batch/key.h"
#include "state/store.h"
#include "tests/unit/state_rig.h"

#define WORLD_GROUPS 16u
#define WORLD_KEYS 600u
#define WORLD_ENTRIES 4u
#define WORLD_PANES 8u /* that live at once */
#define WORLD_STORES 4u
#define PANE_MS 100
#define TTL_MS 700
#define LATENESS_MS 50
#define LIST_MAX 40u

/* ---- the operator's states ---- */
struct total {
    int64_t sum, count;
};

UNUSED static void total_merge(const void *config, void *into, const void *from)
{
    struct total *to = into;
    const struct total *add = from;

    assert_ptr_equal(config, total_merge);
    to->sum += add->sum;
    to->count += add->count;
}

UNUSED static const struct state_field total_fields[] = {
    {"sum", TYPE_I64, offsetof(struct total, sum), 8},
    {"count", TYPE_I64, offsetof(struct total, count), 8},
    {0},
};

enum {
    WORLD_VALUE,
    WORLD_TTL,
    WORLD_LIST,
    WORLD_MAP,
    WORLD_PANE,
    WORLD_TIMER,
    WORLD_QUEUE,
    WORLD_STATES
};

UNUSED static const struct store_state world_states[WORLD_STATES] = {
    {.name = "op.value", .kind = STORE_VALUE, .size = sizeof(struct total), .fields = total_fields},
    {.name = "op.ttl",
     .kind = STORE_VALUE,
     .size = sizeof(struct total),
     .fields = total_fields,
     .ttl_ms = TTL_MS},
    {.name = "op.list", .kind = STORE_LIST, .size = 8, .ttl_ms = 3 * TTL_MS},
    {.name = "op.map", .kind = STORE_MAP, .size = 8},
    {.name = "op.pane",
     .kind = STORE_PANE,
     .size = sizeof(struct total),
     .fields = total_fields,
     .pane_ms = PANE_MS,
     .merge = total_merge,
     .config = (const void *)(uintptr_t)total_merge},
    {.name = "op.timer", .kind = STORE_TIMER},
    {.name = "op.queue", .kind = STORE_LIST, .size = 8},
};

/* ---- the model ---- */
struct model_key {
    struct total value, ttl;
    int64_t ttl_stamp, list_stamp;
    uint32_t list_count, list[LIST_MAX];
    int64_t map[WORLD_ENTRIES]; /* 0: absent */
    struct {
        int64_t pane_ms;
        struct total total;
    } panes[WORLD_PANES];
    int64_t due_ms;
    uint32_t queued;
};

struct model {
    struct model_key keys[WORLD_KEYS];
    int64_t dropped_ms; /* panes before it are gone */
    int64_t now_ms;
};

struct world_checkpoint {
    bool complete;
    struct model model;
    uint32_t count; /* files */
    struct store_file files[4096];
    char *paths[4096];
};

struct world {
    struct slow_executor slow;
    struct pool *pool;
    struct executor *executor;
    struct bell bell;
    struct random random;
    char *dir;
    uint64_t memory_bytes;
    uint32_t parallelism, attempt;
    struct store *stores[WORLD_STORES];
    struct arena *arena;
    struct model model;
    struct world_checkpoint *checkpoint, *pending;
    uint64_t checkpoint_number;
    uint8_t key_bytes[WORLD_KEYS][24];
    struct key keys[WORLD_KEYS];
    uint64_t spilled, loaded, restores, bases;
};

/* Half of the keys are numbers, half texts, some of which begin alike. */
UNUSED static void world_key(struct world *world, uint32_t at)
{
    uint8_t *bytes = world->key_bytes[at];
    struct key *key = &world->keys[at];

    if (at % 2) {
        uint64_t flipped = UINT64_C(0x8000000000000000) + at;

        bytes[0] = 2;
        for (int i = 0; i < 8; i++)
            bytes[1 + i] = (uint8_t)(flipped >> (56 - 8 * i));
        key->size = 9;
    } else {
        bytes[0] = 4;
        key->size = 1 + (uint32_t)snprintf((char *)bytes + 1, 23, "user_prefix_%u", at);
        if (at % 10 == 0)
            key->size = 1 + (uint32_t)snprintf((char *)bytes + 1, 23, "%u", at);
    }
    key->data = bytes;
    key->hash = hash_bytes(bytes, key->size);
}

UNUSED static void world_open(struct world *world, struct error *err)
{
    for (uint32_t i = 0; i < world->parallelism; i++) {
        char *work = memory_format("%s/work-%u", world->dir, i);
        char *spill = memory_format("%s/spill-%u", world->dir, i);
        char *prefix = memory_format("job-%u-op-%u", world->attempt, i);
        struct store_config config = {
            .states = world_states,
            .state_count = WORLD_STATES,
            .key_groups = WORLD_GROUPS,
            .group_begin = key_group_begin(i, WORLD_GROUPS, world->parallelism),
            .group_end = key_group_begin(i + 1, WORLD_GROUPS, world->parallelism),
            .memory_bytes = world->memory_bytes,
            .spill_dir = spill,
            .work_dir = work,
            .file_prefix = prefix,
            .merge_ratio = 0.5,
            .executor = world->executor,
            .waker = &world->bell.waker,
        };

        dir_remove(work);
        assert_int_equal(mkdir(work, 0700), 0);
        world->stores[i] = store_create(&config, err);
        assert_non_null(world->stores[i]);
        memory_free(work);
        memory_free(spill);
        memory_free(prefix);
    }
}

/* Lets background work go on: a piece of it here, or some time for threads. */
UNUSED static bool world_step(struct world *world)
{
    if (!world->pool)
        return slow_step(&world->slow);
    usleep(20);
    return true;
}

/* A store said STORE_LOADING: it must have woken us, or background work must be waiting. */
UNUSED static void world_wait(struct world *world)
{
    if (!atomic_exchange(&world->bell.rung, false))
        assert_true(world_step(world));
}

/* `threads` 0: the executor that keeps work back, and all is decided by the seed. */
UNUSED static struct world *world_create(uint64_t seed, uint64_t memory_bytes, unsigned threads)
{
    struct world *world = memory_new(sizeof(*world));
    struct error err = {0};

    world->slow.executor = (struct executor){.submit = slow_submit, .wait = slow_wait};
    world->pool = threads ? pool_create(threads) : NULL;
    world->executor = threads ? pool_executor(world->pool) : &world->slow.executor;
    world->random.state = seed;
    world->slow.random.state = seed ^ 77;
    world->bell.waker.wake = bell_ring;
    world->dir = dir_new();
    world->memory_bytes = memory_bytes;
    world->parallelism = 1 + (uint32_t)random_below(&world->random, WORLD_STORES);
    world->arena = arena_create(4096);
    world->model.now_ms = 10000;
    world->checkpoint = memory_new(sizeof(*world->checkpoint));
    world->pending = memory_new(sizeof(*world->pending));
    for (uint32_t i = 0; i < WORLD_KEYS; i++) {
        world_key(world, i);
        world->model.keys[i].due_ms = INT64_MAX;
        world->model.keys[i].ttl_stamp = world->model.keys[i].list_stamp = INT64_MIN;
    }
    world->checkpoint->model = world->model;
    world_open(world, &err);
    return world;
}

UNUSED static void world_figures(struct world *world)
{
    for (uint32_t i = 0; i < world->parallelism; i++) {
        struct store_figures figures;

        store_figures(world->stores[i], &figures);
        world->spilled += figures.spilled_bytes;
        world->loaded += figures.loaded_cells;
    }
}

UNUSED static void checkpoint_clear(struct world_checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < checkpoint->count; i++)
        memory_free(checkpoint->paths[i]);
    checkpoint->count = 0;
    checkpoint->complete = false;
}

UNUSED static void world_close(struct world *world)
{
    world_figures(world);
    for (uint32_t i = 0; i < world->parallelism; i++)
        store_close(world->stores[i]);
    checkpoint_clear(world->checkpoint);
    checkpoint_clear(world->pending);
    memory_free(world->checkpoint);
    memory_free(world->pending);
    pool_close(world->pool);
    dir_remove(world->dir);
    arena_close(world->arena);
    memory_free(world->dir);
    memory_free(world);
}

UNUSED static uint32_t world_owner(const struct world *world, uint32_t key)
{
    return key_group_owner(key_group(world->keys[key].hash, WORLD_GROUPS), WORLD_GROUPS,
                           world->parallelism);
}

#endif
