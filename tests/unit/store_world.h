/* store_world: stores of one operator at some parallelism beside a naive model of their state.
 * Random operations from a seed go to both and every answer is compared; barriers are handed over
 * to a folder; a crash throws the stores away and restores both from the last checkpoint that was
 * complete, at another parallelism. The executor keeps work back and does it in any order. */
#ifndef MILLRACE_TESTS_STORE_WORLD_H
#define MILLRACE_TESTS_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/batch/key.h"
#include "state/store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define WORLD_GROUPS 16u
#define WORLD_KEYS 600u
#define WORLD_ENTRIES 4u
#define WORLD_PANES 8u /* that live at once */
#define WORLD_STORES 4u
#define PANE_MS 100
#define TTL_MS 700
#define LATENESS_MS 50
#define LIST_MAX 40u
#define WORK_MAX 64u

/* ---- an executor that keeps work back ---- */
struct slow_executor {
    struct executor executor;
    struct work *waiting[WORK_MAX];
    uint32_t count;
    struct random random;
};

UNUSED static void slow_submit(struct executor *executor, struct work *work)
{
    struct slow_executor *slow = (struct slow_executor *)executor;

    assert_true(slow->count < WORK_MAX);
    slow->waiting[slow->count++] = work;
}

UNUSED static bool slow_step(struct slow_executor *slow)
{
    struct waker *waker;
    struct work *work;
    uint32_t at;

    if (!slow->count)
        return false;
    at = (uint32_t)random_below(&slow->random, slow->count);
    work = slow->waiting[at];
    waker = work->waker;
    slow->waiting[at] = slow->waiting[--slow->count];
    work->run(work);
    atomic_store_explicit(&work->done, true, memory_order_release);
    waker_wake(waker);
    return true;
}

/* Lets background work go on: a piece of it here, or some time for threads. */
struct world;
UNUSED static bool world_step(struct world *world);

UNUSED static void slow_wait(struct executor *executor, struct work *work)
{
    while (!work_done(work))
        assert_true(slow_step((struct slow_executor *)executor));
}

struct bell { /* a waker that remembers */
    struct waker waker;
    atomic_bool rung;
};

UNUSED static void bell_ring(struct waker *waker)
{
    atomic_store(&((struct bell *)waker)->rung, true);
}

#if defined(__SANITIZE_THREAD__)
/* RocksDB is not built with TSan, which does not see its locks. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librocksdb.so\n";
}
#endif

/* ---- folders ---- */
UNUSED static void dir_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char name[1024];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) < 0)
            dir_remove(name);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

UNUSED static char *dir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path;

    if (!base) /* syncs cost nothing in memory */
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    path = memory_format("%s/millrace-test-XXXXXX", base);

    assert_non_null(mkdtemp(path));
    return path;
}

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

enum { WORLD_VALUE, WORLD_TTL, WORLD_LIST, WORLD_MAP, WORLD_PANE, WORLD_TIMER, WORLD_STATES };

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

UNUSED static void must(bool ok, const struct error *err)
{
    char text[ERROR_TEXT_MAX];

    if (!ok)
        fail_msg("%s", error_text(err, text, sizeof(text)));
}

/* ---- operations ---- */
#define ROWS_MAX 64u

struct rows { /* of one store */
    uint32_t count, ids[ROWS_MAX];
    struct key keys[ROWS_MAX];
    int64_t times[ROWS_MAX];
    void *cells[ROWS_MAX];
    struct store *store;
};

UNUSED static void rows_make(struct world *world, struct rows *rows)
{
    uint32_t store = (uint32_t)random_below(&world->random, world->parallelism);
    uint32_t wanted = 1 + (uint32_t)random_below(&world->random, ROWS_MAX);
    uint64_t range = random_below(&world->random, 3) ? WORLD_KEYS : 20;

    rows->store = world->stores[store];
    rows->count = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t id = (uint32_t)random_below(&world->random, range);

        if (world_owner(world, id) != store)
            continue;
        rows->ids[rows->count] = id;
        rows->keys[rows->count] = world->keys[id];
        rows->times[rows->count++] =
            world->model.now_ms - (int64_t)random_below(&world->random, LATENESS_MS);
    }
}

UNUSED static void rows_resolve(struct world *world, struct rows *rows, uint32_t state)
{
    enum store_result result;
    struct error err = {0};

    while ((result = store_resolve_keys(rows->store, state, rows->keys, rows->times, rows->count,
                                        rows->cells, &err)) == STORE_LOADING)
        world_wait(world);
    must(result == STORE_READY, &err);
}

UNUSED static void do_value(struct world *world)
{
    struct rows rows;

    rows_make(world, &rows);
    rows_resolve(world, &rows, WORLD_VALUE);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct total *want = &world->model.keys[rows.ids[i]].value, *got = rows.cells[i];

        assert_memory_equal(got, want, sizeof(*want));
        want->sum += rows.times[i];
        want->count++;
        *got = *want;
    }
}

UNUSED static void do_ttl(struct world *world)
{
    struct rows rows;
    bool expired[ROWS_MAX] = {false};

    rows_make(world, &rows);
    for (uint32_t i = 0; i < rows.count; i++) { /* a batch's rows are used in order */
        struct model_key *key = &world->model.keys[rows.ids[i]];

        if (key->ttl_stamp != INT64_MIN && rows.times[i] - key->ttl_stamp >= TTL_MS)
            memset(&key->ttl, 0, sizeof(key->ttl));
        expired[i] = true;
        if (rows.times[i] > key->ttl_stamp)
            key->ttl_stamp = rows.times[i];
    }
    rows_resolve(world, &rows, WORLD_TTL);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct total *want = &world->model.keys[rows.ids[i]].ttl, *got = rows.cells[i];

        assert_true(expired[i]);
        assert_memory_equal(got, want, sizeof(*want));
        want->sum += 3;
        want->count++;
        *got = *want;
    }
}

UNUSED static void list_check(const struct rows *rows, uint32_t i, const struct model_key *key)
{
    const uint8_t *got = rows->cells[i];
    uint64_t count;

    memcpy(&count, got, 8);
    assert_int_equal(store_cell_size(rows->store, WORLD_LIST, got), 8 + 4 * key->list_count);
    assert_int_equal(count, key->list_count);
    assert_memory_equal(got + 8, key->list, 4 * key->list_count);
}

UNUSED static void list_change(struct world *world, struct rows *rows, uint32_t i,
                               struct model_key *key)
{
    uint32_t size = (uint32_t)random_below(&world->random, LIST_MAX + 1);
    uint8_t *cell = store_resize(rows->store, WORLD_LIST, rows->cells[i], 8 + 4 * size);
    uint64_t count = size;

    assert_non_null(cell);
    for (uint32_t k = key->list_count; k < size; k++)
        key->list[k] = 0;
    key->list_count = size;
    memcpy(cell, &count, 8);
    assert_memory_equal(cell + 8, key->list, 4 * size);
    if (size) {
        key->list[size - 1] = (uint32_t)random_next(&world->random);
        memcpy(cell + 8 + 4 * (size - 1), &key->list[size - 1], 4);
    }
    for (uint32_t k = 0; k < rows->count; k++) /* as the engine does for rows of one key */
        if (rows->ids[k] == rows->ids[i])
            rows->cells[k] = cell;
}

UNUSED static void do_list(struct world *world)
{
    struct rows rows;

    rows_make(world, &rows);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct model_key *key = &world->model.keys[rows.ids[i]];

        if (key->list_stamp != INT64_MIN && rows.times[i] - key->list_stamp >= 3 * TTL_MS)
            key->list_count = 0;
        if (rows.times[i] > key->list_stamp)
            key->list_stamp = rows.times[i];
    }
    rows_resolve(world, &rows, WORLD_LIST);
    for (uint32_t i = 0; i < rows.count; i++) {
        list_check(&rows, i, &world->model.keys[rows.ids[i]]);
        list_change(world, &rows, i, &world->model.keys[rows.ids[i]]);
    }
}

UNUSED static void do_map(struct world *world)
{
    uint32_t id = (uint32_t)random_below(&world->random, WORLD_KEYS);
    uint32_t entry = (uint32_t)random_below(&world->random, WORLD_ENTRIES);
    struct store *store = world->stores[world_owner(world, id)];
    int64_t *want = &world->model.keys[id].map[entry], *got;
    uint64_t what = random_below(&world->random, 3);
    uint32_t size = entry ? 4 : 0; /* an empty entry too */
    struct error err = {0};

    if (what == 0) {
        must(store_entry_remove(store, WORLD_MAP, &world->keys[id], &entry, size, &err), &err);
        *want = 0;
        return;
    }
    got = store_entry(store, WORLD_MAP, &world->keys[id], &entry, size, what == 1, &err);
    must(err.code == ERROR_NONE, &err);
    if (what == 1)
        assert_non_null(got);
    if (!got) {
        assert_int_equal(*want, 0);
        return;
    }
    assert_int_equal(*got, *want);
    *got = *want = 1 + (int64_t)random_below(&world->random, 1000);
}

UNUSED static struct total *model_pane(struct model_key *key, int64_t time_ms)
{
    int64_t pane_ms = time_ms / PANE_MS * PANE_MS;
    uint32_t at = (uint32_t)(pane_ms / PANE_MS % WORLD_PANES);

    if (key->panes[at].pane_ms != pane_ms) {
        assert_int_equal(key->panes[at].total.count, 0);
        key->panes[at].pane_ms = pane_ms;
    }
    return &key->panes[at].total;
}

UNUSED static void do_pane(struct world *world)
{
    struct rows rows;

    rows_make(world, &rows);
    rows_resolve(world, &rows, WORLD_PANE);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct total *want = model_pane(&world->model.keys[rows.ids[i]], rows.times[i]);
        struct total *got = rows.cells[i];

        want->sum += rows.times[i];
        want->count++;
        got->sum += rows.times[i]; /* a partial: its value is not the total */
        got->count++;
    }
}

struct scanned {
    struct world *world;
    uint32_t store, keys;
    int64_t begin_ms, end_ms;
    bool seen[WORLD_KEYS];
};

UNUSED static struct total pane_total(const struct model_key *key, int64_t begin_ms, int64_t end_ms)
{
    struct total total = {0};

    for (uint32_t i = 0; i < WORLD_PANES; i++)
        if (key->panes[i].pane_ms >= begin_ms && key->panes[i].pane_ms < end_ms) {
            total.sum += key->panes[i].total.sum;
            total.count += key->panes[i].total.count;
        }
    return total;
}

UNUSED static bool scan_each(void *context, const struct key *key, const void *cell,
                             struct error *err)
{
    struct scanned *scanned = context;
    struct world *world = scanned->world;
    struct total want;
    uint32_t id = 0;

    (void)err;
    while (id < WORLD_KEYS && (world->keys[id].size != key->size ||
                               memcmp(world->keys[id].data, key->data, key->size) != 0))
        id++;
    assert_true(id < WORLD_KEYS);
    assert_false(scanned->seen[id]);
    assert_true(key->hash == world->keys[id].hash);
    assert_int_equal(world_owner(world, id), scanned->store);
    scanned->seen[id] = true;
    scanned->keys++;
    want = pane_total(&world->model.keys[id], scanned->begin_ms, scanned->end_ms);
    assert_memory_equal(cell, &want, sizeof(want));
    return true;
}

UNUSED static void do_scan(struct world *world)
{
    int64_t last = world->model.now_ms / PANE_MS * PANE_MS;
    struct error err = {0};

    for (uint32_t i = 0; i < world->parallelism; i++) {
        struct scanned *scanned = memory_new(sizeof(*scanned));
        uint32_t wanted = 0;

        scanned->world = world;
        scanned->store = i;
        scanned->begin_ms = last - (int64_t)random_below(&world->random, 5) * PANE_MS;
        scanned->end_ms =
            scanned->begin_ms + (int64_t)(1 + random_below(&world->random, 5)) * PANE_MS;
        must(store_pane_scan(world->stores[i], WORLD_PANE, scanned->begin_ms, scanned->end_ms,
                             scan_each, scanned, &err),
             &err);
        for (uint32_t id = 0; id < WORLD_KEYS; id++)
            wanted += world_owner(world, id) == i &&
                      pane_total(&world->model.keys[id], scanned->begin_ms, scanned->end_ms).count;
        assert_int_equal(scanned->keys, wanted);
        memory_free(scanned);
    }
}

UNUSED static void do_drop(struct world *world)
{
    int64_t before = (world->model.now_ms - LATENESS_MS) / PANE_MS * PANE_MS -
                     (int64_t)random_below(&world->random, 3) * PANE_MS;

    if (before <= world->model.dropped_ms)
        return;
    world->model.dropped_ms = before;
    for (uint32_t i = 0; i < world->parallelism; i++)
        store_pane_drop(world->stores[i], WORLD_PANE, before);
    for (uint32_t id = 0; id < WORLD_KEYS; id++)
        for (uint32_t i = 0; i < WORLD_PANES; i++)
            if (world->model.keys[id].panes[i].pane_ms < before)
                memset(&world->model.keys[id].panes[i], 0, sizeof(world->model.keys[id].panes[i]));
}

/* Time goes on, but never so far that a pane of the model is needed twice. */
UNUSED static void do_time(struct world *world)
{
    int64_t first = world->model.dropped_ms;
    int64_t next = world->model.now_ms + (int64_t)random_below(&world->random, 60);

    for (uint32_t id = 0; first == 0 && id < WORLD_KEYS; id++)
        for (uint32_t i = 0; i < WORLD_PANES; i++)
            if (world->model.keys[id].panes[i].total.count)
                first = 10000 - PANE_MS;
    if (first == 0 || next - first < (int64_t)(WORLD_PANES - 1) * PANE_MS)
        world->model.now_ms = next;
}

UNUSED static void do_timer_set(struct world *world)
{
    uint32_t id = (uint32_t)random_below(&world->random, WORLD_KEYS);
    struct store *store = world->stores[world_owner(world, id)];
    int64_t due = world->model.now_ms - 100 + (int64_t)random_below(&world->random, 400);
    struct error err = {0};

    if (random_below(&world->random, 8) == 0)
        due = INT64_MAX;
    must(store_timer_set(store, WORLD_TIMER, &world->keys[id], due, &err), &err);
    world->model.keys[id].due_ms = due;
}

UNUSED static uint32_t timer_least(const struct world *world, uint32_t store, int64_t until)
{
    uint32_t best = WORLD_KEYS;

    for (uint32_t id = 0; id < WORLD_KEYS; id++) {
        int64_t due = world->model.keys[id].due_ms;

        if (due > until || world_owner(world, id) != store)
            continue;
        if (best == WORLD_KEYS || due < world->model.keys[best].due_ms ||
            (due == world->model.keys[best].due_ms &&
             world->keys[id].hash < world->keys[best].hash))
            best = id;
    }
    return best;
}

UNUSED static void do_timer_take(struct world *world)
{
    uint32_t store = (uint32_t)random_below(&world->random, world->parallelism), count;
    int64_t until = world->model.now_ms - (int64_t)random_below(&world->random, 100), times[5];
    struct key keys[5];

    count = store_timer_take(world->stores[store], WORLD_TIMER, until, keys, times, 5);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t want = timer_least(world, store, until);

        assert_true(want < WORLD_KEYS);
        assert_int_equal(times[i], world->model.keys[want].due_ms);
        assert_int_equal(keys[i].size, world->keys[want].size);
        assert_memory_equal(keys[i].data, world->keys[want].data, keys[i].size);
        assert_true(keys[i].hash == world->keys[want].hash);
        world->model.keys[want].due_ms = INT64_MAX;
    }
    if (count < 5)
        assert_int_equal(timer_least(world, store, until), WORLD_KEYS);
}

UNUSED static void do_maintain(struct world *world)
{
    struct error err = {0};

    for (uint32_t i = 0; i < world->parallelism; i++) {
        enum store_result result;

        if (random_below(&world->random, 2))
            store_watermark(world->stores[i], world->model.now_ms - LATENESS_MS);
        while ((result = store_maintain(world->stores[i], &err)) == STORE_LOADING)
            world_wait(world);
        must(result != STORE_FAILED, &err);
    }
}

/* ---- checkpoints ---- */
UNUSED static void hand_over(struct world *world, const struct store_snapshot *snapshot)
{
    struct world_checkpoint *pending = world->pending;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct store_file *file = &snapshot->files[i];
        char *path = memory_format("%s/kept-%s", world->dir, file->name);
        struct stat stat_buffer;

        world->bases += file->base && i == 0 && snapshot->count > 1;
        if (stat(path, &stat_buffer) < 0)
            assert_int_equal(link(file->path, path), 0);
        assert_true(pending->count < 4096);
        pending->files[pending->count] = *file;
        pending->paths[pending->count++] = path;
    }
}

UNUSED static void do_operation(struct world *world);

/* A barrier in all stores at once; operations go on while files are written. */
UNUSED static void do_barrier(struct world *world)
{
    bool ready[WORLD_STORES] = {false};
    uint32_t left = world->parallelism;
    struct world_checkpoint *swap;

    checkpoint_clear(world->pending);
    world->checkpoint_number++;
    world->pending->model = world->model;
    for (uint32_t i = 0; i < world->parallelism; i++)
        store_barrier(world->stores[i], world->checkpoint_number,
                      world->model.now_ms - LATENESS_MS);
    while (left) {
        uint32_t i = (uint32_t)random_below(&world->random, world->parallelism);
        struct store_snapshot snapshot;
        enum store_result result;
        struct error err = {0};

        if (random_below(&world->random, 2))
            do_operation(world);
        (void)world_step(world);
        if (ready[i])
            continue;
        result = store_barrier_poll(world->stores[i], world->arena, &snapshot, &err);
        must(result != STORE_FAILED, &err);
        if (result == STORE_LOADING)
            continue;
        hand_over(world, &snapshot);
        ready[i] = true;
        left--;
    }
    world->pending->complete = true;
    swap = world->checkpoint;
    world->checkpoint = world->pending;
    world->pending = swap;
    arena_reset(world->arena);
}

UNUSED static void world_crash(struct world *world)
{
    struct world_checkpoint *checkpoint = world->checkpoint;
    struct error err = {0};

    world_figures(world);
    for (uint32_t i = 0; i < world->parallelism; i++)
        store_close(world->stores[i]);
    world->attempt++;
    world->parallelism = 1 + (uint32_t)random_below(&world->random, WORLD_STORES);
    world_open(world, &err);
    world->model = checkpoint->model;
    for (uint32_t i = 0; checkpoint->complete && i < world->parallelism; i++)
        must(store_restore(world->stores[i], (const char *const *)checkpoint->paths,
                           checkpoint->files, checkpoint->count, &err),
             &err);
    world->restores++;
}

UNUSED static void do_operation(struct world *world)
{
    switch (random_below(&world->random, 24)) {
    case 0 ... 3:
        do_value(world);
        break;
    case 4 ... 6:
        do_ttl(world);
        break;
    case 7 ... 9:
        do_list(world);
        break;
    case 10 ... 12:
        do_map(world);
        break;
    case 13 ... 16:
        do_pane(world);
        break;
    case 17 ... 18:
        do_timer_set(world);
        break;
    case 19:
        do_timer_take(world);
        break;
    case 20:
        do_time(world);
        break;
    case 21:
        do_drop(world);
        break;
    default:
        do_maintain(world);
        break;
    }
    if (random_below(&world->random, 40) == 0)
        do_scan(world);
}

/* One property: whatever happens, stores and model give the same answers. */
UNUSED static void world_run(struct world *world, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        do_operation(world);
        if (random_below(&world->random, 3) == 0)
            (void)world_step(world);
        if (random_below(&world->random, 60) == 0)
            do_barrier(world);
        if (random_below(&world->random, 400) == 0)
            world_crash(world);
    }
    do_scan(world);
}

#endif
