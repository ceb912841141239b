/* Panes: a group of cells each. A scan merges up to three kinds of sorted partials by key: cells of
 * the index, cells of a restored checkpoint, and runs on disk. With one pane that is all in the
 * index, nothing is sorted.
 *
 * A scan goes on over several calls; until it ends the cells of its panes stay where they are. Within
 * a budget, cells of the index are sorted by bands of key groups, so that their order takes a small
 * part of the budget; each band costs a walk through the index. */
#include "state/evict.h"
#include "state/internal.h"
#include "state/sst.h"

#include <unistd.h>

#define LOOK_AHEAD 16u
#define BAND_PART 32u /* of the budget: for the order of a band */

static int64_t pane_begin(const struct state_info *state, int64_t time_ms)
{
    int64_t width = state->def->pane_ms, rest = time_ms % width;

    rest += rest < 0 ? width : 0;
    return time_ms < INT64_MIN + rest ? INT64_MIN : time_ms - rest;
}

/* The first place whose pane begins at or after `pane_ms`. */
static uint32_t pane_place(const struct state_info *state, int64_t pane_ms)
{
    uint32_t low = 0, high = state->pane_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (state->panes[middle]->pane_ms < pane_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct group *pane_find(struct store *store, struct state_info *state, int64_t pane_ms, bool make)
{
    uint32_t place = pane_place(state, pane_ms);

    if (place < state->pane_count && state->panes[place]->pane_ms == pane_ms)
        return state->pane_last = state->panes[place];
    if (!make)
        return NULL;
    if (state->pane_count == state->pane_capacity) {
        state->pane_capacity = state->pane_capacity ? state->pane_capacity * 2 : 16;
        state->panes = memory_grow(state->panes, state->pane_capacity, sizeof(struct group *));
    }
    memmove(state->panes + place + 1, state->panes + place,
            (state->pane_count - place) * sizeof(struct group *));
    state->panes[place] = group_create(store, state, pane_ms);
    state->pane_count++;
    return state->pane_last = state->panes[place];
}

struct group *pane_at(struct store *store, struct state_info *state, int64_t time_ms)
{
    return pane_find(store, state, pane_begin(state, time_ms), true);
}

void pane_runs_drop(struct group *group)
{
    struct run *next;

    for (struct run *run = group->runs; run; run = next) {
        next = run->next;
        (void)unlink(run->path); /* the folder is emptied in the end */
        memory_free(run->path);
        memory_free(run);
    }
    group->runs = NULL;
    group->run_count = 0;
}

static void panes_remove(struct store *store, struct state_info *state, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        group_close(store, state->panes[i]);
    state->pane_count -= count;
    memmove(state->panes, state->panes + count, state->pane_count * sizeof(struct group *));
    state->pane_last = NULL;
}

void pane_close(struct store *store, struct state_info *state)
{
    scan_close(state->scan);
    state->scan = NULL;
    if (state->pane_count)
        panes_remove(store, state, state->pane_count);
    memory_free(state->panes);
    state->panes = NULL;
}

int64_t store_pane_first(const struct store *store, uint32_t at, int64_t from_ms)
{
    const struct state_info *state = &store->states[at];
    uint32_t place = pane_place(state, from_ms);

    return place < state->pane_count ? state->panes[place]->pane_ms : INT64_MAX;
}

void store_pane_drop(struct store *store, uint32_t at, int64_t before_ms)
{
    struct state_info *state = &store->states[at];
    uint32_t count = pane_place(state, before_ms);

    CHECK(state->def->kind == STORE_PANE && !state->scan);
    if (count)
        panes_remove(store, state, count);
    if (before_ms > state->layout.floor_ms) {
        state->layout.floor_ms = before_ms;
        store->floors_changed |= count > 0;
    }
}

/* ---- several sources ---- */

enum source_kind { SOURCE_INDEX, SOURCE_SETTLED, SOURCE_RUN };

struct source {
    enum source_kind kind;
    const struct group *pane; /* index: whose cells */
    struct sort_entry *cells; /* index: those of the band */
    uint32_t count, capacity, at;
    const struct segment *segment; /* settled */
    uint32_t offset;
    struct sst_reader *run;
    /* the present partial */
    uint32_t group;
    const uint8_t *key, *value;
    uint32_t key_size;
};

struct scan {
    struct store *store;
    struct state_info *state;
    int64_t begin_ms, end_ms;
    const struct group *only; /* the one pane, all in the index: at this table and slot */
    uint64_t table;
    uint32_t slot;
    struct source *sources;
    uint32_t count, capacity;
    uint32_t *heap;
    uint32_t heap_count;
    uint32_t band_end, band_groups; /* key groups; of each band */
    uint8_t *total, *part;          /* aligned values */
};

static struct source *source_add(struct scan *scan, enum source_kind kind)
{
    if (scan->count == scan->capacity) {
        scan->capacity = scan->capacity ? scan->capacity * 2 : 16;
        scan->sources = memory_grow(scan->sources, scan->capacity, sizeof(*scan->sources));
        scan->heap = memory_grow(scan->heap, scan->capacity, sizeof(*scan->heap));
    }
    scan->sources[scan->count] = (struct source){.kind = kind};
    return &scan->sources[scan->count++];
}

static void source_cell(struct scan *scan, struct source *source, const struct cell *cell)
{
    source->key = cell->bytes;
    source->key_size = cell_key_size(cell);
    source->value = cell_value(cell, &scan->state->shape);
    source->group = key_group(cell_key_hash(cell), scan->store->config.key_groups);
}

static enum sst_result run_next(struct scan *scan, struct source *source, struct error *err)
{
    const uint8_t *key, *value;
    size_t key_size, value_size;
    struct file_cell cell;
    enum sst_result result;

    do {
        result = sst_next(source->run, &key, &key_size, &value, &value_size, err);
        if (result != SST_ENTRY)
            return result;
    } while (key_size == FILE_META_KEY_SIZE); /* the description; a pane's cells have more */
    if (!file_cell_read(&scan->state->layout, key, key_size, value, value_size, &cell)) {
        error_set(err, ERROR_STATE, scan->store->spill_dir, NULL, "damaged spill file");
        return SST_FAILED;
    }
    source->key = cell.key;
    source->key_size = cell.key_size;
    source->value = cell.value;
    source->group = cell.group;
    return SST_ENTRY;
}

static enum sst_result settled_next(struct scan *scan, struct source *source)
{
    const struct segment *segment = source->segment;
    const struct cell *cell;

    while (segment && (segment->kind != SEGMENT_SETTLED || source->offset == segment->used)) {
        segment = segment->group_next;
        source->offset = 0;
    }
    source->segment = segment;
    if (!segment)
        return SST_END;
    cell = (const struct cell *)(scan->store->log.places[segment->id].data + source->offset);
    source->offset += cell_bytes(cell, &scan->state->shape);
    source_cell(scan, source, cell);
    return SST_ENTRY;
}

static enum sst_result source_next(struct scan *scan, struct source *source, struct error *err)
{
    if (source->kind == SOURCE_RUN)
        return run_next(scan, source, err);
    if (source->kind == SOURCE_SETTLED)
        return settled_next(scan, source);
    if (source->at == source->count)
        return SST_END;
    source_cell(scan, source, source->cells[source->at++].cell);
    return SST_ENTRY;
}

static int source_order(const struct source *a, const struct source *b)
{
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    if (a->key_size != b->key_size)
        return a->key_size < b->key_size ? -1 : 1;
    return memcmp(a->key, b->key, a->key_size);
}

static void heap_down(struct scan *scan, uint32_t at)
{
    uint32_t *heap = scan->heap, moved = heap[at];

    for (uint32_t child; (child = at * 2 + 1) < scan->heap_count; at = child) {
        if (child + 1 < scan->heap_count &&
            source_order(&scan->sources[heap[child + 1]], &scan->sources[heap[child]]) < 0)
            child++;
        if (source_order(&scan->sources[heap[child]], &scan->sources[moved]) >= 0)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static bool heap_advance(struct scan *scan, struct error *err)
{
    enum sst_result result = source_next(scan, &scan->sources[scan->heap[0]], err);

    if (result == SST_FAILED)
        return false;
    if (result == SST_END)
        scan->heap[0] = scan->heap[--scan->heap_count];
    if (scan->heap_count)
        heap_down(scan, 0);
    return true;
}

/* Takes in those sources of one kind that have something left, or all kinds. */
static bool heap_fill(struct scan *scan, bool index_only, struct error *err)
{
    for (uint32_t i = 0; i < scan->count; i++) {
        enum sst_result result;

        if (index_only && scan->sources[i].kind != SOURCE_INDEX)
            continue;
        result = source_next(scan, &scan->sources[i], err);
        if (result == SST_FAILED)
            return false;
        if (result == SST_ENTRY)
            scan->heap[scan->heap_count++] = i;
    }
    for (uint32_t i = scan->heap_count; i-- > 0;)
        heap_down(scan, i);
    return true;
}

/* ---- bands of cells of the index ---- */

static void band_add(struct source *source, const struct cell *cell)
{
    if (source->count == source->capacity) {
        source->capacity = source->capacity ? source->capacity * 2 : 1024;
        source->cells = memory_grow(source->cells, source->capacity, sizeof(*source->cells));
    }
    source->cells[source->count++].cell = cell;
}

static void band_table(const struct scan *scan, struct source *source,
                       const struct index_table *table, uint32_t begin, uint32_t end)
{
    const struct segments *log = &scan->store->log;
    uint32_t groups = scan->store->config.key_groups;

    for (uint32_t k = 0; k <= table->mask; k++) {
        uint64_t ahead = table->slots[(k + LOOK_AHEAD) & table->mask];
        const struct cell *cell;
        uint32_t group;

        if (ahead)
            __builtin_prefetch(segments_cell(log, ahead & ADDRESS_MASK));
        if (!table->slots[k])
            continue;
        cell = segments_cell(log, table->slots[k] & ADDRESS_MASK);
        group = key_group(cell_key_hash(cell), groups);
        if (group >= begin && group < end)
            band_add(source, cell);
    }
}

static void band_sort(const struct scan *scan, struct source *source)
{
    struct sort_entry *spare = memory_grow(NULL, source->count + 1ul, sizeof(*spare));

    sort_grouped(source->cells, spare, source->count, scan->store->config.key_groups, SORT_PANE);
    memory_free(spare);
}

static bool band_next(struct scan *scan, struct error *err)
{
    uint32_t begin = scan->band_end, last = scan->store->config.group_end;
    uint32_t end = last - begin > scan->band_groups ? begin + scan->band_groups : last;

    for (uint32_t i = 0; i < scan->count; i++) {
        struct source *source = &scan->sources[i];
        const struct index *index;

        if (source->kind != SOURCE_INDEX)
            continue;
        index = &source->pane->index;
        source->count = source->at = 0;
        for (uint64_t k = 0; index->tables && k < UINT64_C(1) << index->depth; k++)
            if (k >> index->tables[k]->depth == 0)
                band_table(scan, source, index->tables[k], begin, end);
        band_sort(scan, source);
    }
    scan->band_end = end;
    return heap_fill(scan, true, err);
}

/* Until the least key of all is the heap's first. */
static bool bands_load(struct scan *scan, struct error *err)
{
    while (scan->band_end < scan->store->config.group_end &&
           (scan->heap_count == 0 || scan->sources[scan->heap[0]].group >= scan->band_end))
        if (!band_next(scan, err))
            return false;
    return true;
}

/* As many key groups as are about so many cells that their order fits into a part of the budget. */
static void bands_begin(struct scan *scan)
{
    const struct store_config *config = &scan->store->config;
    uint64_t room = config->memory_bytes / BAND_PART / (2 * sizeof(struct sort_entry));
    uint64_t groups = config->group_end - config->group_begin, cells = 0;

    for (uint32_t i = 0; i < scan->count; i++)
        if (scan->sources[i].kind == SOURCE_INDEX)
            cells += scan->sources[i].pane->index.count;
    scan->band_end = cells ? config->group_begin : config->group_end;
    if (config->memory_bytes && cells > room)
        groups = groups * room / cells;
    scan->band_groups = groups ? (uint32_t)groups : 1;
}

/* ---- keys ---- */

/* Adds up all partials of the least key, and gives the sum to the caller. */
static bool scan_key(struct scan *scan, store_pane_each *each, void *context, struct error *err)
{
    const struct store_state *def = scan->state->def;
    uint8_t bytes[KEY_SIZE_MAX];
    struct source *first = &scan->sources[scan->heap[0]];
    uint32_t group = first->group;
    struct key key = {.data = bytes, .size = first->key_size};

    memcpy(bytes, first->key, first->key_size);
    memcpy(scan->total, first->value, def->size);
    if (!heap_advance(scan, err))
        return false;
    while (scan->heap_count) {
        const struct source *next = &scan->sources[scan->heap[0]];

        if (next->group != group || next->key_size != key.size ||
            memcmp(next->key, bytes, key.size) != 0)
            break;
        memcpy(scan->part, next->value, def->size);
        def->merge(def->config, scan->total, scan->part);
        if (!heap_advance(scan, err))
            return false;
    }
    key.hash = hash_bytes(bytes, key.size);
    return each(context, &key, scan->total, err);
}

static bool source_run(struct scan *scan, const char *path, struct error *err)
{
    struct sst_reader *reader = sst_reader_open(path, err);

    if (!reader)
        return false;
    source_add(scan, SOURCE_RUN)->run = reader;
    return true;
}

static bool sources_group(struct scan *scan, const struct group *group, struct error *err)
{
    if (group->index.count)
        source_add(scan, SOURCE_INDEX)->pane = group;
    if (group->settled_count)
        source_add(scan, SOURCE_SETTLED)->segment = group->log.first;
    for (const struct run *run = group->runs; run; run = run->next)
        if (!source_run(scan, run->path, err))
            return false;
    return true;
}

void scan_close(struct scan *scan)
{
    if (!scan)
        return;
    for (uint32_t i = 0; i < scan->count; i++) {
        memory_free(scan->sources[i].cells);
        sst_reader_close(scan->sources[i].run);
    }
    memory_free(scan->sources);
    memory_free(scan->heap);
    memory_free(scan->total);
    memory_free(scan->part);
    memory_free(scan);
}

static struct scan *scan_create(struct store *store, struct state_info *state)
{
    struct scan *scan = memory_new(sizeof(*scan));

    scan->store = store;
    scan->state = state;
    scan->total = memory_new(state->def->size);
    scan->part = memory_new(state->def->size);
    return scan;
}

struct scan *scan_runs(struct store *store, struct state_info *state, const char *const *paths,
                       uint32_t count, struct error *err)
{
    struct scan *scan = scan_create(store, state);
    bool ok = true;

    for (uint32_t i = 0; ok && i < count; i++)
        ok = source_run(scan, paths[i], err);
    bands_begin(scan);
    if (ok && heap_fill(scan, false, err))
        return scan;
    scan_close(scan);
    return NULL;
}

bool scan_some(struct scan *scan, uint32_t keys, store_pane_each *each, void *context, bool *more,
               struct error *err)
{
    *more = false;
    if (!bands_load(scan, err))
        return false;
    for (uint32_t i = 0; i < keys && scan->heap_count; i++)
        if (!scan_key(scan, each, context, err) || !bands_load(scan, err))
            return false;
    *more = scan->heap_count > 0;
    return true;
}

/* ---- one pane, all in the index ---- */

/* From scan->slot on. */
static bool table_some(struct scan *scan, const struct index_table *table, uint32_t *keys,
                       store_pane_each *each, void *context, struct error *err)
{
    const struct segments *log = &scan->store->log;
    uint32_t i = scan->slot;

    for (; i <= table->mask && *keys; i++) {
        uint64_t ahead = table->slots[(i + LOOK_AHEAD) & table->mask];
        const struct cell *cell;
        struct key key;

        if (ahead)
            __builtin_prefetch(segments_cell(log, ahead & ADDRESS_MASK));
        if (!table->slots[i])
            continue;
        cell = segments_cell(log, table->slots[i] & ADDRESS_MASK);
        key = (struct key){cell->bytes, cell_key_size(cell), cell_key_hash(cell)};
        --*keys;
        if (!each(context, &key, cell_value(cell, &scan->state->shape), err))
            return false;
    }
    scan->slot = i;
    return true;
}

static bool index_some(struct scan *scan, uint32_t keys, store_pane_each *each, void *context,
                       bool *more, struct error *err)
{
    const struct index *index = &scan->only->index;

    for (; index->tables && scan->table < UINT64_C(1) << index->depth && keys; scan->table++) {
        const struct index_table *table = index->tables[scan->table];

        if (scan->table >> table->depth != 0)
            continue; /* it stands there again */
        if (!table_some(scan, table, &keys, each, context, err))
            return false;
        if (scan->slot <= table->mask)
            break;
        scan->slot = 0;
    }
    *more = index->tables && scan->table < UINT64_C(1) << index->depth;
    return true;
}

/* ---- a scan of panes ---- */

static void scan_pin(const struct scan *scan, bool pinned)
{
    const struct state_info *state = scan->state;
    uint32_t end = pane_place(state, scan->end_ms);

    for (uint32_t i = pane_place(state, scan->begin_ms); i < end; i++)
        state->panes[i]->scanned = pinned;
}

/* Cells on their way to disk must have arrived: they are in no index. */
static bool scan_open(struct store *store, struct state_info *state, int64_t begin_ms,
                      int64_t end_ms, struct error *err)
{
    struct scan *scan;
    uint32_t begin, end;
    bool ok = evict_finish(store);

    if (!ok) {
        *err = store->err;
        return false;
    }
    begin = pane_place(state, begin_ms);
    end = pane_place(state, end_ms);
    scan = state->scan = scan_create(store, state);
    scan->begin_ms = begin_ms;
    scan->end_ms = end_ms;
    if (end - begin == 1 && !state->panes[begin]->runs && !state->panes[begin]->settled_count) {
        scan->only = state->panes[begin];
    } else {
        for (uint32_t i = begin; ok && i < end; i++)
            ok = sources_group(scan, state->panes[i], err);
        bands_begin(scan);
        ok = ok && heap_fill(scan, false, err);
    }
    scan_pin(scan, true);
    return ok;
}

bool store_pane_scan(struct store *store, uint32_t at, int64_t begin_ms, int64_t end_ms,
                     uint32_t keys, store_pane_each *each, void *context, bool *more,
                     struct error *err)
{
    struct state_info *state = &store->states[at];
    bool ok = true;

    CHECK(state->def->kind == STORE_PANE && keys > 0);
    *more = false;
    if (!state->scan && pane_place(state, begin_ms) >= pane_place(state, end_ms))
        return true;
    if (!state->scan)
        ok = scan_open(store, state, begin_ms, end_ms, err);
    if (ok) {
        CHECK(state->scan->begin_ms == begin_ms && state->scan->end_ms == end_ms);
        ok = state->scan->only ? index_some(state->scan, keys, each, context, more, err)
                               : scan_some(state->scan, keys, each, context, more, err);
    }
    if (state->scan && (!ok || !*more)) {
        scan_pin(state->scan, false);
        scan_close(state->scan);
        state->scan = NULL;
    }
    return ok;
}
