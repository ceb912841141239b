/* See store.h. */
#include "state/store.h"

#include "state/evict.h"
#include "state/internal.h"
#include "state/spill.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_ROWS 64u          /* rows whose memory is fetched together */
#define SEGMENTS_OF_BUDGET 256u /* a step of eviction walks one: some 200 us */

/* ---- life ---- */

uint64_t store_memory(const struct store *store)
{
    return store->log.bytes + store->index_bytes + store->timer_bytes + load_bytes(store);
}

bool store_fail(struct store *store, const struct error *err)
{
    if (!store->failed)
        store->err = *err;
    store->failed = true;
    return false;
}

struct group *group_create(struct store *store, struct state_info *state, int64_t pane_ms)
{
    struct group *group = memory_new(sizeof(*group));

    group->log.group = group;
    group->state = state;
    group->pane_ms = pane_ms;
    group->generation = 1;
    group->serial = ++store->serial;
    index_init(&group->index, store->slabs, &store->index_bytes);
    return group;
}

void group_close(struct store *store, struct group *group)
{
    if (!group)
        return;
    if (store->compacting && store->compacting->owner == &group->log)
        store->compacting = NULL;
    while (group->log.first)
        segments_orphan(&store->log, group->log.first);
    index_clear(&group->index);
    pane_runs_drop(group);
    memory_free(group);
}

static bool state_init(struct store *store, uint32_t at, struct error *err)
{
    const struct store_state *def = &store->config.states[at];
    struct state_info *state = &store->states[at];

    state->def = def;
    state->shape = state_shape(def);
    state->layout = layout_of(def, INT64_MIN);
    state->cell_size = def->kind == STORE_TIMER ? sizeof(struct timer_cell) : def->size;
    if (def->size > CELL_SIZE_MAX)
        return error_set(err, ERROR_LIMIT, def->name, "make the struct smaller",
                         "a state cell of %u bytes; the largest is %u", def->size, CELL_SIZE_MAX);
    CHECK(def->kind != STORE_PANE || (def->pane_ms > 0 && def->merge));
    CHECK(def->ttl_ms == 0 || def->kind == STORE_VALUE || def->kind == STORE_LIST);
    for (uint32_t i = 0; i < at; i++)
        if (store->states[i].layout.id == state->layout.id)
            return error_set(err, ERROR_CONFIG, def->name, "rename one of the operators",
                             "this state's name and \"%s\" have one hash",
                             store->states[i].def->name);
    if (def->kind != STORE_PANE)
        state->group = group_create(store, state, 0);
    return true;
}

static uint32_t segment_max(uint64_t memory_bytes)
{
    uint32_t size = SEGMENT_SIZE_MAX;

    while (memory_bytes && size > SEGMENT_SIZE_MIN && size > memory_bytes / SEGMENTS_OF_BUDGET)
        size /= 2;
    return size;
}

/* What a crashed process left. */
static bool dir_empty(const char *path, struct error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool ok = true;

    if (!dir)
        return errno == ENOENT || error_errno(err, path, "cannot open the spill folder");
    while (ok && (entry = readdir(dir))) {
        char name[STORE_PATH_MAX];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) < 0 && (errno == EISDIR || errno == EPERM))
            ok = dir_empty(name, err) && rmdir(name) == 0;
    }
    (void)closedir(dir);
    return ok;
}

static bool store_init(struct store *store, struct error *err)
{
    const struct store_config *config = &store->config;

    CHECK(config->group_begin < config->group_end && config->group_end <= config->key_groups &&
          config->key_groups <= KEY_GROUPS_MAX);
    CHECK(strlen(config->file_prefix) < STORE_FILE_NAME_MAX - 44);
    for (uint32_t i = 0; i < config->state_count; i++)
        if (!state_init(store, i, err))
            return false;
    return !config->memory_bytes || dir_empty(store->spill_dir, err);
}

/* A part of the shortest TTL: expired cells are looked for at each step. */
static int64_t expiry_step(const struct store_config *config)
{
    int64_t shortest_ms = INT64_MAX;

    for (uint32_t i = 0; i < config->state_count; i++)
        if (config->states[i].ttl_ms > 0 && config->states[i].ttl_ms < shortest_ms)
            shortest_ms = config->states[i].ttl_ms;
    return shortest_ms == INT64_MAX ? INT64_MAX : shortest_ms / 8 + 1;
}

struct store *store_create(const struct store_config *config, struct error *err)
{
    struct store *store = memory_new(sizeof(*store));

    store->config = *config;
    store->work_dir = memory_text(config->work_dir);
    store->spill_dir = memory_text(config->spill_dir);
    store->file_prefix = memory_text(config->file_prefix);
    store->deltas_end = &store->deltas;
    CHECK(getentropy(&store->nonce, sizeof(store->nonce)) == 0);
    store->watermark_ms = INT64_MIN;
    store->expiry_step_ms = expiry_step(config);
    store->states = memory_array(config->state_count + 1ul, sizeof(*store->states));
    if (!config->memory_bytes)
        store->slabs = index_slabs_create();
    segments_init(&store->log, segment_max(config->memory_bytes));
    if (store_init(store, err))
        return store;
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    load_close(store);
    pages_close(store);
    eviction_close(store);
    base_close(store);
    runs_close(store);
    delta_close(store);
    for (uint32_t i = 0; i < store->config.state_count; i++) {
        struct state_info *state = &store->states[i];

        if (!state->def)
            continue;
        pane_close(store, state);
        timer_close(store, state);
        group_close(store, state->group);
    }
    spill_close(store->spill);
    if (store->spill_dir_made) {
        (void)dir_empty(store->spill_dir, NULL);
        (void)rmdir(store->spill_dir);
    }
    segments_clear(&store->log);
    index_slabs_close(store->slabs);
    memory_free(store->states);
    memory_free(store->spill_dir);
    memory_free(store->work_dir);
    memory_free(store->file_prefix);
    memory_free(store);
}

/* ---- cells ---- */

/* A zeroed cell that is in no index yet. */
struct cell *group_append(struct store *store, struct group *group, enum segment_kind kind,
                          const struct probe *probe, uint32_t size, uint64_t *address)
{
    const struct shape *shape = &group->state->shape;
    uint32_t extent = cell_extent(shape, probe->key_size + probe->entry_size, size);
    struct cell *cell;

    CHECK(probe->key_size <= KEY_SIZE_MAX && probe->entry_size <= KEY_SIZE_MAX);
    *address = segments_append(&store->log, &group->log, kind, extent);
    cell = segments_cell(&store->log, *address);
    memset(cell, 0, extent);
    cell->bits = cell_bits(size, probe->key_size, 0);
    cell->aux =
        group->state->def->kind == STORE_PANE ? group->generation : (uint16_t)probe->entry_size;
    memcpy(cell->bytes, probe->key, probe->key_size);
    if (probe->entry_size)
        memcpy(cell->bytes + probe->key_size, probe->entry, probe->entry_size);
    if (shape->back)
        *cell_back(cell_value(cell, shape), shape) =
            cell_value_offset(shape, probe->key_size + probe->entry_size);
    if (shape->stamp)
        *cell_stamp(cell, shape) = INT64_MIN;
    return cell;
}

struct cell *group_add(struct store *store, struct group *group, const struct probe *probe,
                       uint32_t size)
{
    uint64_t address;
    struct cell *cell = group_append(store, group, SEGMENT_DIRTY, probe, size, &address);

    index_add(&group->index, &store->log, &group->state->shape, probe->hash, address);
    return cell;
}

struct cell *group_copy(struct store *store, struct group *group, uint64_t *slot)
{
    uint64_t old = *slot & ADDRESS_MASK;
    const struct cell *from = segments_cell(&store->log, old);
    uint32_t bytes = cell_bytes(from, &group->state->shape);
    uint64_t address = segments_append(&store->log, &group->log, SEGMENT_DIRTY, bytes);
    struct cell *to = segments_cell(&store->log, address);

    memcpy(to, segments_cell(&store->log, old), bytes);
    to->bits = cell_bits(cell_size(to), cell_key_size(to), cell_flags(to) & ~(uint32_t)CELL_BORN);
    segments_forget(&store->log, old, bytes);
    if (cell_flags(to) & CELL_DELETED) {
        segments_unmark(&store->log, old, bytes);
        segments_mark(&store->log, address, bytes);
    }
    slot_set(slot, address);
    return to;
}

/* A cell that may be changed in place. */
static inline struct cell *group_open(struct store *store, struct group *group, uint64_t *slot)
{
    uint64_t address = *slot & ADDRESS_MASK;

    return segments_open(&store->log, address) ? segments_cell(&store->log, address)
                                               : group_copy(store, group, slot);
}

/* Moves an open cell within its group to one of another size. */
static struct cell *cell_move(struct store *store, struct group *group, struct cell *old,
                              uint32_t size)
{
    const struct shape *shape = &group->state->shape;
    uint32_t kept = cell_size(old) < size ? cell_size(old) : size;
    struct probe probe = {
        .key = old->bytes, .key_size = cell_key_size(old), .hash = cell_hash(old, shape)};
    uint64_t *slot = index_find(&group->index, &store->log, shape, &probe);
    uint32_t extent = cell_extent(shape, probe.key_size, size);
    uint64_t address;
    struct cell *cell;

    CHECK(slot && segments_cell(&store->log, *slot & ADDRESS_MASK) == old &&
          segments_open(&store->log, *slot & ADDRESS_MASK));
    address = segments_append(&store->log, &group->log, SEGMENT_DIRTY, extent);
    cell = segments_cell(&store->log, address);
    memset(cell, 0, extent);
    memcpy(cell, old, cell_value_offset(shape, probe.key_size) + kept);
    cell->bits = cell_bits(size, probe.key_size, cell_flags(old) & CELL_BORN);
    segments_forget(&store->log, *slot & ADDRESS_MASK, cell_bytes(old, shape));
    old->bits = cell_bits(cell_size(old), probe.key_size, CELL_DEAD);
    slot_set(slot, address);
    return cell;
}

/* Event time of a use: a cell that was silent for too long begins anew. Not one that the same call
 * has used before: the operator is still to see that row, and judges the silence itself. */
static struct cell *cell_use(struct store *store, struct group *group, uint64_t *slot,
                             struct cell *cell, int64_t time_ms)
{
    const struct state_info *state = group->state;
    int64_t *stamp = cell_stamp(cell, &state->shape), age;
    struct segment *segment;

    if (*stamp < store->call_first_ms && *stamp != INT64_MIN &&
        !__builtin_sub_overflow(time_ms, *stamp, &age) && age >= state->def->ttl_ms) {
        if (cell_class(cell_size(cell)) != cell_class(state->cell_size) && state->shape.list)
            cell = cell_move(store, group, cell, state->cell_size);
        cell->bits = cell_bits(state->cell_size, cell_key_size(cell), 0);
        memset(cell_value(cell, &state->shape), 0, state->cell_size);
        stamp = cell_stamp(cell, &state->shape);
    }
    if (time_ms > *stamp)
        *stamp = time_ms;
    segment = store->log.segments[address_segment(*slot & ADDRESS_MASK)];
    if (*stamp > segment->stamp_max)
        segment->stamp_max = *stamp;
    return cell;
}

/* ---- cells of a batch ---- */

struct rows { /* keys of a batch or of an array */
    const uint8_t *bytes;
    const int32_t *offsets;
    const uint64_t *hashes;
    const struct key *keys; /* NULL: the three above */
    const int64_t *times;
    uint32_t count;
};

struct lookup {
    struct probe probes[BLOCK_ROWS];
    struct group *groups[BLOCK_ROWS];
    uint64_t *slots[BLOCK_ROWS];
    uint32_t changes[BLOCK_ROWS]; /* of the index when the slot was found */
};

static void lookup_keys(const struct rows *rows, uint32_t first, uint32_t count,
                        struct lookup *lookup)
{
    for (uint32_t i = 0; i < count; i++) {
        struct probe *probe = &lookup->probes[i];
        uint32_t row = first + i;

        if (rows->keys)
            *probe = (struct probe){.key = rows->keys[row].data,
                                    .key_size = rows->keys[row].size,
                                    .hash = rows->keys[row].hash};
        else
            *probe =
                (struct probe){.key = rows->bytes + rows->offsets[row],
                               .key_size = (uint32_t)(rows->offsets[row + 1] - rows->offsets[row]),
                               .hash = rows->hashes[row]};
    }
}

/* Starts the reads of slots, then of cells, so that the misses of many rows overlap. */
static void lookup_fetch(struct store *store, struct state_info *state, const struct rows *rows,
                         uint32_t first, uint32_t count, struct lookup *lookup)
{
    for (uint32_t i = 0; i < count; i++) {
        struct group *group = state->group;

        if (state->def->kind == STORE_PANE)
            group = pane_of(store, state, rows->times[first + i]);
        lookup->groups[i] = group;
        if (group->index.tables)
            __builtin_prefetch(index_home(index_table(&group->index, lookup->probes[i].hash),
                                          lookup->probes[i].hash));
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct index *index = &lookup->groups[i]->index;
        uint64_t hash = lookup->probes[i].hash, tag = hash_tag(hash);
        struct index_table *table;

        lookup->slots[i] = NULL;
        lookup->changes[i] = index->changes;
        if (!index->tables)
            continue;
        table = index_table(index, hash);
        lookup->slots[i] = index_probe(table, (uint32_t)tag & table->mask, tag);
        if (*lookup->slots[i])
            __builtin_prefetch(segments_cell(&store->log, *lookup->slots[i] & ADDRESS_MASK), 1);
    }
}

static uint64_t *lookup_slot(const struct store *store, const struct lookup *lookup, uint32_t i)
{
    const struct group *group = lookup->groups[i];
    const struct shape *shape = &group->state->shape;
    uint64_t *slot = lookup->slots[i];

    if (slot && lookup->changes[i] == group->index.changes && *slot &&
        *slot >> ADDRESS_BITS == hash_tag(lookup->probes[i].hash) &&
        cell_is(segments_cell(&store->log, *slot & ADDRESS_MASK), shape, &lookup->probes[i]))
        return slot;
    return index_find(&group->index, &store->log, shape, &lookup->probes[i]);
}

/* A removed cell begins anew. It was made as small as a new one. */
static void cell_revive(struct store *store, const struct state_info *state, const uint64_t *slot,
                        struct cell *cell)
{
    segments_unmark(&store->log, *slot & ADDRESS_MASK, cell_bytes(cell, &state->shape));
    cell->bits = cell_bits(state->cell_size, cell_key_size(cell), 0);
    memset(cell_value(cell, &state->shape), 0, state->cell_size);
}

/* A new cell; without a spill store no file has one that is not in memory. */
static struct cell *cell_begin(struct store *store, struct group *group, const struct probe *probe)
{
    const struct state_info *state = group->state;
    struct cell *cell = group_add(store, group, probe, state->cell_size);

    if (!state->shape.stamp && state->def->kind != STORE_PANE)
        cell->bits = cell_bits(state->cell_size, probe->key_size, CELL_BORN);
    return cell;
}

/* False: the row's cell must be loaded first. */
static inline bool row_resolve(struct store *store, struct state_info *state,
                               const struct lookup *lookup, uint32_t i, int64_t time_ms, void **out)
{
    uint64_t *slot = lookup_slot(store, lookup, i);
    struct group *group = lookup->groups[i];
    struct cell *cell;

    if (slot) {
        cell = group_open(store, group, slot);
        if (cell_flags(cell) & CELL_DELETED)
            cell_revive(store, state, slot, cell);
    } else if (state->spilled) {
        load_want(store, state, &lookup->probes[i]);
        return false;
    } else {
        cell = cell_begin(store, group, &lookup->probes[i]);
    }
    if (state->shape.stamp) {
        if (!slot)
            slot = index_find(&group->index, &store->log, &state->shape, &lookup->probes[i]);
        cell = cell_use(store, group, slot, cell, time_ms);
    }
    *out = cell_value(cell, &state->shape);
    return true;
}

static int64_t rows_first(const struct rows *rows)
{
    int64_t first_ms = INT64_MAX;

    for (uint32_t i = 0; rows->times && i < rows->count; i++)
        first_ms = rows->times[i] < first_ms ? rows->times[i] : first_ms;
    return first_ms;
}

static enum store_result rows_resolve(struct store *store, struct state_info *state,
                                      const struct rows *rows, void **cells)
{
    struct lookup lookup;
    bool all = true;

    if (state->shape.stamp)
        store->call_first_ms = rows_first(rows);
    for (uint32_t first = 0; first < rows->count; first += BLOCK_ROWS) {
        uint32_t count = rows->count - first < BLOCK_ROWS ? rows->count - first : BLOCK_ROWS;

        lookup_keys(rows, first, count, &lookup);
        lookup_fetch(store, state, rows, first, count, &lookup);
        for (uint32_t i = 0; i < count; i++)
            all &= row_resolve(store, state, &lookup, i, rows->times ? rows->times[first + i] : 0,
                               &cells[first + i]);
    }
    if (all)
        return STORE_READY;
    load_start(store);
    return STORE_LOADING;
}

static enum store_result resolve(struct store *store, uint32_t at, const struct rows *rows,
                                 void **cells, struct error *err)
{
    struct state_info *state = &store->states[at];
    enum store_result result;

    CHECK(at < store->config.state_count && state->def->kind != STORE_MAP &&
          state->def->kind != STORE_TIMER);
    CHECK(rows->times || (!state->shape.stamp && state->def->kind != STORE_PANE));
    result = store->failed ? STORE_FAILED : load_finish(store);
    if (result == STORE_READY)
        result = rows_resolve(store, state, rows, cells);
    if (result == STORE_FAILED)
        *err = store->err;
    return result;
}

enum store_result store_resolve(struct store *store, uint32_t state, const struct batch *batch,
                                void **cells, struct error *err)
{
    const struct column *keys = batch->columns[HIDDEN_KEY];
    struct rows rows = {.bytes = keys->values,
                        .offsets = keys->offsets,
                        .hashes = batch_hash(batch),
                        .times = batch->columns[HIDDEN_TIME] ? batch_time(batch) : NULL,
                        .count = batch_rows(batch)};

    return resolve(store, state, &rows, cells, err);
}

enum store_result store_resolve_keys(struct store *store, uint32_t state, const struct key *keys,
                                     const int64_t *times, uint32_t count, void **cells,
                                     struct error *err)
{
    struct rows rows = {.keys = keys, .times = times, .count = count};

    CHECK(keys);
    return resolve(store, state, &rows, cells, err);
}

/* ---- lists and maps ---- */

static struct cell *cell_of(const struct state_info *state, const void *value)
{
    return (struct cell *)((uint8_t *)(uintptr_t)value -
                           *cell_back((void *)(uintptr_t)value, &state->shape));
}

uint32_t store_cell_size(const struct store *store, uint32_t state, const void *cell)
{
    const struct state_info *info = &store->states[state];

    return info->shape.list ? cell_size(cell_of(info, cell)) : info->cell_size;
}

void *store_resize(struct store *store, uint32_t at, void *value, uint32_t size)
{
    struct state_info *state = &store->states[at];
    struct cell *cell = cell_of(state, value);
    uint32_t before = cell_size(cell);

    CHECK(state->shape.list);
    if (size > CELL_SIZE_MAX || size < state->cell_size)
        return NULL;
    if (cell_class(size) != cell_class(before))
        return cell_value(cell_move(store, state->group, cell, size), &state->shape);
    cell->bits = cell_bits(size, cell_key_size(cell), cell_flags(cell) & CELL_BORN);
    if (size > before)
        memset((uint8_t *)value + before, 0, size - before);
    return value;
}

/* What no file knows of leaves at once; otherwise a mark stays until a file has it. */
static void cell_remove(struct store *store, struct state_info *state, const struct probe *probe,
                        struct cell *cell)
{
    struct group *group = state->group;
    uint64_t *slot = index_find(&group->index, &store->log, &state->shape, probe);
    uint32_t bytes = cell_bytes(cell, &state->shape);
    bool born = cell_flags(cell) & CELL_BORN;

    CHECK(slot && segments_cell(&store->log, *slot & ADDRESS_MASK) == cell);
    cell->bits = cell_bits(cell_size(cell), cell_key_size(cell), born ? CELL_DEAD : CELL_DELETED);
    if (!born) {
        segments_mark(&store->log, *slot & ADDRESS_MASK, bytes);
        return;
    }
    segments_forget(&store->log, *slot & ADDRESS_MASK, bytes);
    index_remove(&group->index, probe->hash, slot);
}

void store_remove(struct store *store, uint32_t at, void *value)
{
    struct state_info *state = &store->states[at];
    struct cell *cell = cell_of(state, value);
    struct probe probe;

    CHECK(state->shape.list);
    if (!(cell_flags(cell) & CELL_BORN) &&
        cell_class(cell_size(cell)) != cell_class(state->cell_size))
        cell = cell_move(store, state->group, cell, state->cell_size);
    probe = (struct probe){.key = cell->bytes,
                           .key_size = cell_key_size(cell),
                           .hash = cell_hash(cell, &state->shape)};
    cell_remove(store, state, &probe, cell);
}

/* The open cell of a map entry; NULL when it is nowhere (`err` untouched) or on failure. */
static struct cell *entry_find(struct store *store, struct state_info *state,
                               const struct probe *probe, struct error *err)
{
    uint64_t *slot = index_find(&state->group->index, &store->log, &state->shape, probe);

    if (slot)
        return group_open(store, state->group, slot);
    return state->spilled ? spill_read(store, state, probe, err) : NULL;
}

static struct probe entry_probe(const struct key *key, const void *entry, uint32_t size)
{
    CHECK(size <= KEY_SIZE_MAX);
    return (struct probe){.key = key->data,
                          .key_size = key->size,
                          .entry = entry,
                          .entry_size = size,
                          .hash = probe_hash(key->hash, entry, size)};
}

void *store_entry(struct store *store, uint32_t at, const struct key *key, const void *entry,
                  uint32_t size, bool make, struct error *err)
{
    struct state_info *state = &store->states[at];
    struct probe probe = entry_probe(key, entry, size);
    struct cell *cell;

    CHECK(state->shape.map);
    err->code = ERROR_NONE;
    cell = entry_find(store, state, &probe, err);
    if (err->code != ERROR_NONE)
        return NULL;
    if (cell && !(cell_flags(cell) & CELL_DELETED))
        return cell_value(cell, &state->shape);
    if (!make)
        return NULL;
    if (cell)
        cell_revive(store, state,
                    index_find(&state->group->index, &store->log, &state->shape, &probe), cell);
    else if (state->spilled) /* files may have a mark of it */
        cell = group_add(store, state->group, &probe, state->cell_size);
    else
        cell = cell_begin(store, state->group, &probe);
    return memset(cell_value(cell, &state->shape), 0, state->cell_size);
}

bool store_entry_remove(struct store *store, uint32_t at, const struct key *key, const void *entry,
                        uint32_t size, struct error *err)
{
    struct state_info *state = &store->states[at];
    struct probe probe = entry_probe(key, entry, size);
    struct cell *cell;

    CHECK(state->shape.map);
    err->code = ERROR_NONE;
    cell = entry_find(store, state, &probe, err);
    if (cell && !(cell_flags(cell) & CELL_DELETED))
        cell_remove(store, state, &probe, cell);
    return err->code == ERROR_NONE;
}

/* ---- figures ---- */

void store_figures(const struct store *store, struct store_figures *figures)
{
    *figures = (struct store_figures){
        .log_bytes = store->log.bytes,
        .index_bytes = store->index_bytes + store->timer_bytes,
        .spilled_bytes = store->spilled_bytes,
        .loaded_cells = store->loaded_cells,
        .written_bytes = store->written_bytes,
        .barrier_max_ns = store->barrier_max_ns,
    };
    for (uint32_t i = 0; i < store->config.state_count; i++) {
        const struct state_info *state = &store->states[i];

        if (state->group)
            figures->cells += state->group->index.count;
        for (uint32_t k = 0; k < state->pane_count; k++)
            figures->cells += state->panes[k]->index.count + state->panes[k]->settled_count;
    }
}
