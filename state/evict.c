/* See evict.h. */
#include "state/evict.h"

#include "state/spill.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOFT_PERCENT 70u   /* of the budget: eviction begins */
#define HARD_PERCENT 90u   /* no cells are added; the rest is room for sorts and buffers */
#define PART_OF_BUDGET 12u /* evicted at once */
#define REMOVE_CELLS 4096u /* a step */
#define LOOK_AHEAD 32u

enum phase { PHASE_COLLECT, PHASE_WRITE, PHASE_REMOVE };

struct leaving {
    struct segment *segment;
    uint32_t state;
    int64_t pane_ms;
    uint64_t serial; /* of its group */
    const struct cell **cells;
    uint32_t count;
};

struct run_out {
    uint32_t state;
    int64_t pane_ms;
    uint64_t serial, size;
    char *path;
};

struct eviction {
    struct job job;
    struct store *store;
    enum phase phase;
    struct leaving *list;
    uint32_t count, capacity;
    uint32_t at, cell_at; /* collected or removed so far */
    uint64_t serial;      /* for names of files */
    struct layout *layouts;
    struct run_out *runs;
    uint32_t run_count;
    uint64_t spill_size;
};

/* ---- choice ---- */

static uint64_t part_bytes(const struct store *store, uint32_t percent)
{
    return store->config.memory_bytes / 100 * percent;
}

static bool is_clean(const struct segment *segment)
{
    return segment->owner && !segment->busy && segment->written == segment->used &&
           !segment->owner->group->scanned &&
           segment->owner->group->state->def->kind != STORE_TIMER;
}

static bool pane_generation(struct store *store, struct group *group)
{
    struct error err = {0};

    if (group->state->def->kind != STORE_PANE)
        return true;
    if (group->generation < UINT16_MAX) {
        group->generation++;
        return true;
    }
    error_set(&err, ERROR_LIMIT, group->state->def->name, "raise state.memory",
              "one pane has left memory 65,000 times");
    return store_fail(store, &err);
}

static bool leaving_add(struct eviction *eviction, struct segment *segment)
{
    struct store *store = eviction->store;
    struct group *group = segment->owner->group;
    bool known = false;

    for (uint32_t i = 0; i < eviction->count; i++)
        known |= eviction->list[i].serial == group->serial;
    if (!known && !pane_generation(store, group))
        return false;
    if (eviction->count == eviction->capacity) {
        eviction->capacity = eviction->capacity ? eviction->capacity * 2 : 16;
        eviction->list = memory_grow(eviction->list, eviction->capacity, sizeof(*eviction->list));
    }
    eviction->list[eviction->count++] =
        (struct leaving){.segment = segment,
                         .state = (uint32_t)(group->state - store->states),
                         .pane_ms = group->pane_ms,
                         .serial = group->serial};
    if (group->log.tails[segment->kind] == segment)
        group->log.tails[segment->kind] = NULL;
    if (store->compacting == segment)
        store->compacting = NULL;
    segment->busy++;
    return true;
}

static void eviction_free(struct store *store)
{
    struct eviction *eviction = store->eviction;

    for (uint32_t i = 0; i < eviction->count; i++)
        memory_free(eviction->list[i].cells);
    for (uint32_t i = 0; i < eviction->run_count; i++)
        memory_free(eviction->runs[i].path);
    memory_free(eviction->list);
    memory_free(eviction->runs);
    memory_free(eviction->layouts);
    memory_free(eviction);
    store->eviction = NULL;
}

/* Oldest first. False: nothing is clean. */
static bool eviction_begin(struct store *store, uint64_t clean_min)
{
    uint64_t bytes = 0, wanted = store->config.memory_bytes / PART_OF_BUDGET;
    struct eviction *eviction;

    for (struct segment *s = store->log.first; s && bytes < clean_min; s = s->next)
        bytes += is_clean(s) ? s->size : 0;
    if (bytes < clean_min || !bytes)
        return false;
    eviction = store->eviction = memory_new(sizeof(*eviction));
    eviction->store = store;
    eviction->serial = ++store->serial;
    bytes = 0;
    for (struct segment *s = store->log.first; s && bytes < wanted; s = s->next) {
        if (!is_clean(s))
            continue;
        bytes += s->size;
        if (!leaving_add(eviction, s))
            break;
    }
    eviction->layouts = memory_array(store->config.state_count + 1ul, sizeof(struct layout));
    for (uint32_t i = 0; i < store->config.state_count; i++)
        eviction->layouts[i] = store->states[i].layout;
    return true;
}

/* Nothing is clean: the oldest cells are written first, as a delta. Tails only when they are all
 * that there is. */
static bool seal_some(struct store *store)
{
    uint64_t bytes = 0, wanted = store->config.memory_bytes / PART_OF_BUDGET;
    struct segment **list = memory_array(store->log.dirty_count + 1ul, sizeof(*list));
    uint32_t count = 0;

    for (int tails = 0; tails < 2 && !count; tails++)
        for (uint32_t i = 0; i < store->log.dirty_count && bytes < wanted; i++) {
            struct segment *segment = store->log.dirty[i];
            const struct group_log *owner = segment->owner;

            if (owner->group->state->def->kind == STORE_TIMER ||
                (!tails && owner->tails[SEGMENT_DIRTY] == segment))
                continue;
            list[count++] = segment;
            bytes += segment->used - segment->sealed;
        }
    delta_seal(store, list, count);
    segments_undirty(&store->log);
    memory_free(list);
    return count != 0;
}

/* ---- collect ---- */

bool cell_expired(const struct state_info *state, const struct cell *cell, int64_t watermark_ms)
{
    int64_t age;

    return state->shape.stamp && watermark_ms != INT64_MIN &&
           !__builtin_sub_overflow(watermark_ms, *cell_stamp(cell, &state->shape), &age) &&
           age >= state->def->ttl_ms;
}

static void collect_cell(struct store *store, struct leaving *leaving, const struct cell *cell,
                         uint64_t hash)
{
    struct segment *segment = leaving->segment;
    struct group *group = segment->owner->group;
    const struct state_info *state = group->state;
    uint32_t offset = (uint32_t)((const uint8_t *)cell - store->log.places[segment->id].data);
    uint64_t address = address_make(segment->id, offset);
    uint64_t *slot = index_at(&group->index, hash, address);
    bool gone;

    if (!slot)
        return;
    gone =
        cell_expired(state, cell, atomic_load_explicit(&store->watermark_ms, memory_order_relaxed));
    if (!gone)
        leaving->cells[leaving->count++] = cell;
    if (!gone && state->def->kind != STORE_PANE)
        return; /* it stays in the index until it is on disk */
    index_remove(&group->index, hash, slot);
    segments_forget(&store->log, address, cell_bytes(cell, &state->shape));
}

static void collect_some(struct store *store, struct leaving *leaving,
                         const struct cell *const *cells, uint32_t count)
{
    const struct group *group = leaving->segment->owner->group;
    uint64_t hashes[LOOK_AHEAD];

    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = cell_hash(cells[i], &group->state->shape);
        if (group->index.tables)
            __builtin_prefetch(index_home(index_table(&group->index, hashes[i]), hashes[i]));
    }
    for (uint32_t i = 0; i < count; i++)
        collect_cell(store, leaving, cells[i], hashes[i]);
}

static void collect_segment(struct store *store, struct leaving *leaving)
{
    struct segment *segment = leaving->segment;
    const struct shape *shape = &store->states[leaving->state].shape;
    const uint8_t *at, *end;
    const struct cell *some[LOOK_AHEAD];
    uint32_t count = 0, smallest = cell_extent(shape, 0, 0);

    if (!segment->owner) /* the pane was dropped meanwhile */
        return;
    at = store->log.places[segment->id].data;
    end = at + segment->used;
    leaving->cells = memory_grow(NULL, segment->used / smallest + 1ul, sizeof(struct cell *));
    while (at < end) {
        const struct cell *cell = (const struct cell *)at;

        at += cell_bytes(cell, shape);
        if (segment->kind == SEGMENT_SETTLED) {
            leaving->cells[leaving->count++] = cell;
            continue;
        }
        if (!(cell_flags(cell) & CELL_DEAD))
            some[count++] = cell;
        if (count == LOOK_AHEAD || at == end) {
            collect_some(store, leaving, some, count);
            count = 0;
        }
    }
    if (segment->kind == SEGMENT_SETTLED)
        segment->owner->group->settled_count -= leaving->count;
    leaving->cells = memory_grow(leaving->cells, leaving->count + 1ul, sizeof(struct cell *));
}

/* ---- write: in the executor ---- */

static int leaving_order(const void *a, const void *b)
{
    const struct leaving *x = *(const struct leaving *const *)a;
    const struct leaving *y = *(const struct leaving *const *)b;

    if (x->state != y->state)
        return x->state < y->state ? -1 : 1;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

/* The cells of several segments of one group as one part; its array is owned. */
static struct part part_join(struct leaving *const *list, uint32_t count)
{
    const struct cell **cells;
    uint64_t total = 0;

    for (uint32_t i = 0; i < count; i++)
        total += list[i]->count;
    cells = memory_grow(NULL, total + 1, sizeof(*cells));
    total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i]->count)
            memcpy(cells + total, list[i]->cells, list[i]->count * sizeof(*cells));
        total += list[i]->count;
    }
    return (struct part){.state = list[0]->state,
                         .pane_ms = list[0]->pane_ms,
                         .cells = cells,
                         .count = (uint32_t)total};
}

static uint64_t path_size(const char *path)
{
    struct stat stat_buffer;

    return stat(path, &stat_buffer) == 0 ? (uint64_t)stat_buffer.st_size : 0;
}

static bool run_write(struct eviction *eviction, const struct part *part, uint64_t serial,
                      struct error *err)
{
    const struct store *store = eviction->store;
    struct run_out *out = &eviction->runs[eviction->run_count];
    char *path = memory_format("%s/run-%llu-%u.sst", store->spill_dir,
                               (unsigned long long)eviction->serial, eviction->run_count);

    if (!write_file(store, part, 1, eviction->layouts, WRITE_RUN, INT64_MIN, path, err)) {
        memory_free(path);
        return false;
    }
    *out = (struct run_out){.state = part->state,
                            .pane_ms = part->pane_ms,
                            .serial = serial,
                            .size = path_size(path),
                            .path = path};
    eviction->run_count++;
    return true;
}

static int part_order_of(const struct store *store, const struct part *a, const struct part *b)
{
    uint32_t x = store->states[a->state].layout.id, y = store->states[b->state].layout.id;

    return (x > y) - (x < y);
}

static bool spill_write(struct eviction *eviction, struct part *parts, uint32_t count,
                        struct error *err)
{
    struct store *store = eviction->store;
    char *path;
    bool ok;

    if (!count)
        return true;
    for (uint32_t i = 1; i < count; i++) /* a handful */
        for (uint32_t k = i; k > 0 && part_order_of(store, &parts[k - 1], &parts[k]) > 0; k--) {
            struct part swap = parts[k];

            parts[k] = parts[k - 1];
            parts[k - 1] = swap;
        }
    path =
        memory_format("%s/spill-%llu.sst", store->spill_dir, (unsigned long long)eviction->serial);
    ok = write_file(store, parts, count, eviction->layouts, WRITE_SPILL, INT64_MIN, path, err);
    eviction->spill_size = ok ? path_size(path) : 0;
    ok = ok && spill_ingest(store, path, err);
    memory_free(path);
    return ok;
}

static bool eviction_write(struct eviction *eviction, struct error *err)
{
    struct leaving **list = memory_array(eviction->count, sizeof(struct leaving *));
    struct part *parts = memory_array(eviction->count, sizeof(*parts));
    uint32_t part_count = 0;
    bool ok = true;

    eviction->runs = memory_array(eviction->count, sizeof(*eviction->runs));
    for (uint32_t i = 0; i < eviction->count; i++)
        list[i] = &eviction->list[i];
    qsort(list, eviction->count, sizeof(struct leaving *), leaving_order);
    for (uint32_t begin = 0, end; ok && begin < eviction->count; begin = end) {
        struct part part;

        for (end = begin + 1; end < eviction->count && list[end]->serial == list[begin]->serial;
             end++)
            ;
        part = part_join(list + begin, end - begin);
        if (!part.count) {
            memory_free((void *)(uintptr_t)part.cells);
        } else if (eviction->layouts[part.state].kind != STORE_PANE) {
            parts[part_count++] = part;
        } else {
            ok = run_write(eviction, &part, list[begin]->serial, err);
            memory_free((void *)(uintptr_t)part.cells);
        }
    }
    ok = ok && spill_write(eviction, parts, part_count, err);
    for (uint32_t i = 0; i < part_count; i++)
        memory_free((void *)(uintptr_t)parts[i].cells);
    memory_free(parts);
    memory_free(list);
    return ok;
}

static void eviction_run(struct work *work)
{
    struct eviction *eviction = (struct eviction *)work;

    eviction->job.failed = !eviction_write(eviction, &eviction->job.err);
}

/* With its parents: those of the process and of the run come into being with the first spill. */
static bool spill_dir_make(const char *path, struct error *err)
{
    char part[STORE_PATH_MAX];

    for (size_t at = 1; at <= strlen(path); at++) {
        if (path[at] != '/' && path[at] != '\0')
            continue;
        (void)snprintf(part, sizeof(part), "%.*s", (int)at, path);
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return error_errno(err, path, "cannot make the spill folder");
    }
    return true;
}

static bool eviction_submit(struct store *store)
{
    struct error err;

    if (!store->spill_dir_made && !spill_dir_make(store->spill_dir, &err))
        return store_fail(store, &err);
    store->spill_dir_made = true;
    store->eviction->phase = PHASE_WRITE;
    job_submit(store, &store->eviction->job, eviction_run);
    return true;
}

/* ---- remove ---- */

static void run_attach(struct store *store, struct run_out *out)
{
    struct group *group = pane_find(store, &store->states[out->state], out->pane_ms, false);
    struct run *run;

    if (!group || group->serial != out->serial) { /* dropped meanwhile */
        (void)unlink(out->path);
        return;
    }
    run = memory_new(sizeof(*run));
    *run = (struct run){.next = group->runs, .path = out->path, .size = out->size};
    out->path = NULL;
    group->runs = run;
    group->run_count++;
}

/* The job has ended. Runs take the place of the cells of panes in one go: a scan sees either. */
static void eviction_attach(struct store *store)
{
    struct eviction *eviction = store->eviction;

    store->spilled_bytes += eviction->spill_size;
    for (uint32_t i = 0; i < eviction->run_count; i++) {
        store->spilled_bytes += eviction->runs[i].size;
        run_attach(store, &eviction->runs[i]);
    }
    for (uint32_t i = 0; i < eviction->count; i++) {
        struct leaving *leaving = &eviction->list[i];
        struct state_info *state = &store->states[leaving->state];

        if (state->def->kind == STORE_PANE)
            leaving->count = 0;
        else if (leaving->count)
            state->spilled = true;
    }
    eviction->phase = PHASE_REMOVE;
    eviction->at = eviction->cell_at = 0;
}

static void remove_cell(struct store *store, const struct leaving *leaving, const struct cell *cell)
{
    struct segment *segment = leaving->segment;
    struct group *group = segment->owner->group;
    uint64_t hash = cell_hash(cell, &group->state->shape);
    uint32_t offset = (uint32_t)((const uint8_t *)cell - store->log.places[segment->id].data);
    uint64_t address = address_make(segment->id, offset);
    uint64_t *slot = index_at(&group->index, hash, address);

    if (!slot)
        return; /* it was changed meanwhile, and is elsewhere */
    index_remove(&group->index, hash, slot);
    segments_forget(&store->log, address, cell_bytes(cell, &group->state->shape));
}

static void segment_done(struct store *store, struct segment *segment)
{
    struct group *group = segment->owner ? segment->owner->group : NULL;
    uint32_t cursor = 0;

    if (!group) {
        segments_unbusy(&store->log, segment);
        return;
    }
    segment->busy--;
    segments_free(&store->log, segment);
    if (group->index.tables)
        index_shrink(&group->index, &cursor, 1u << group->index.depth);
}

/* True: all is removed. */
static bool remove_some(struct store *store)
{
    struct eviction *eviction = store->eviction;

    for (uint32_t n = 0; n < REMOVE_CELLS && eviction->at < eviction->count;) {
        struct leaving *leaving = &eviction->list[eviction->at];

        while (n < REMOVE_CELLS && eviction->cell_at < leaving->count) {
            remove_cell(store, leaving, leaving->cells[eviction->cell_at++]);
            n++;
        }
        if (eviction->cell_at < leaving->count)
            break;
        segment_done(store, leaving->segment);
        leaving->segment = NULL;
        eviction->at++;
        eviction->cell_at = 0;
        n += LOOK_AHEAD;
    }
    return eviction->at == eviction->count;
}

/* ---- steps ---- */

bool evict_pressed(const struct store *store)
{
    return store_memory(store) > part_bytes(store, HARD_PERCENT);
}

static enum store_result waiting(const struct store *store)
{
    bool job = store->deltas || (store->eviction && store->eviction->phase == PHASE_WRITE);

    return job && evict_pressed(store) ? STORE_LOADING : STORE_READY;
}

/* Small evictions make small files: while more can become clean, they wait for it. */
static enum store_result begin_step(struct store *store)
{
    uint64_t wanted = store->config.memory_bytes / PART_OF_BUDGET / 2;

    if (!eviction_begin(store, wanted) && !store->deltas && !seal_some(store))
        (void)eviction_begin(store, 1);
    return delta_drive(store) ? waiting(store) : STORE_FAILED;
}

enum store_result evict_step(struct store *store)
{
    struct eviction *eviction = store->eviction;

    if (store->failed)
        return STORE_FAILED;
    if (!eviction)
        return store_memory(store) > part_bytes(store, SOFT_PERCENT) ? begin_step(store)
                                                                     : STORE_READY;
    switch (eviction->phase) {
    case PHASE_COLLECT:
        if (eviction->at < eviction->count) {
            collect_segment(store, &eviction->list[eviction->at++]);
            break;
        }
        if (!eviction_submit(store))
            return STORE_FAILED;
        break;
    case PHASE_WRITE:
        if (!job_ended(store, &eviction->job))
            return waiting(store);
        if (store->failed)
            return STORE_FAILED;
        eviction_attach(store);
        break;
    case PHASE_REMOVE:
        if (remove_some(store))
            eviction_free(store);
        break;
    }
    return STORE_READY;
}

bool evict_needed(const struct store *store)
{
    return store->config.memory_bytes && store_memory(store) > part_bytes(store, SOFT_PERCENT);
}

bool evict_now(struct store *store)
{
    store->inline_jobs = true;
    do {
        uint64_t before = store_memory(store);

        if (evict_step(store) == STORE_FAILED)
            break;
        if (!store->eviction && store_memory(store) >= before)
            break; /* nothing that could leave */
    } while (store->eviction || store_memory(store) > part_bytes(store, SOFT_PERCENT));
    store->inline_jobs = false;
    return !store->failed;
}

bool evict_finish(struct store *store)
{
    while (store->eviction && !store->failed) {
        struct job *job = &store->eviction->job;

        if (job->active)
            executor_wait(store->config.executor, &job->work);
        (void)evict_step(store);
    }
    return !store->failed;
}

void eviction_close(struct store *store)
{
    struct eviction *eviction = store->eviction;

    if (!eviction)
        return;
    job_wait(store, &eviction->job);
    for (uint32_t i = 0; i < eviction->count; i++)
        if (eviction->list[i].segment)
            segments_unbusy(&store->log, eviction->list[i].segment);
    for (uint32_t i = 0; i < eviction->run_count; i++)
        if (eviction->runs[i].path)
            (void)unlink(eviction->runs[i].path);
    eviction_free(store);
}
