/* store_operations: random operations from a seed go to the stores of a world and to its model, and
 * every answer is compared; barriers are handed over to a folder; a crash throws the stores away and
 * restores both from the last checkpoint that was complete, at another parallelism. */
#ifndef MILLRACE_TESTS_STORE_OPERATIONS_H
#define MILLRACE_TESTS_STORE_OPERATIONS_H

#include "tests/unit/store_world.h"

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

/* A list that is removed begins anew, whatever files, budgets and restores know of it. */
UNUSED static void do_queue(struct world *world)
{
    struct rows rows;

    rows_make(world, &rows);
    rows_resolve(world, &rows, WORLD_QUEUE);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t *want = &world->model.keys[rows.ids[i]].queued, size = 8 * (*want + 1);
        uint64_t *got = rows.cells[i];
        bool seen = false; /* the cell of a key is removed by its last row */

        assert_int_equal(store_cell_size(rows.store, WORLD_QUEUE, got), size);
        for (uint32_t k = 0; k <= *want; k++)
            assert_int_equal(got[k], k ? rows.ids[i] + k : *want);
        for (uint32_t k = i + 1; k < rows.count; k++)
            seen = seen || rows.ids[k] == rows.ids[i];
        if (!seen && random_below(&world->random, 3) == 0) {
            store_remove(rows.store, WORLD_QUEUE, got);
            *want = 0;
            continue;
        }
        got = store_resize(rows.store, WORLD_QUEUE, got, size + 8);
        got[0] = ++*want;
        got[*want] = rows.ids[i] + *want;
        for (uint32_t k = i; k < rows.count; k++)
            if (rows.ids[k] == rows.ids[i])
                rows.cells[k] = got;
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
        bool more = true;

        scanned->world = world;
        scanned->store = i;
        scanned->begin_ms = last - (int64_t)random_below(&world->random, 5) * PANE_MS;
        scanned->end_ms =
            scanned->begin_ms + (int64_t)(1 + random_below(&world->random, 5)) * PANE_MS;
        while (more) {
            uint32_t keys = 1 + (uint32_t)random_below(&world->random, WORLD_KEYS);

            must(store_pane_scan(world->stores[i], WORLD_PANE, scanned->begin_ms, scanned->end_ms,
                                 keys, scan_each, scanned, &more, &err),
                 &err);
            must(store_maintain(world->stores[i], &err) != STORE_FAILED, &err);
        }
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
    switch (random_below(&world->random, 27)) {
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
    case 22 ... 24:
        do_queue(world);
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
