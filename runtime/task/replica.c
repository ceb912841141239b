/* One worker's copy of a versioned table; see replica.h.
 *
 * A hash directory (open addressing, at most a third full) of lists of row versions, oldest first. The
 * writer appends and publishes with release stores; readers find the newest version that they may
 * see by bisection, since in replay a table may be thousands of versions ahead of a reader.
 *
 * An item that a later one follows is unlinked as soon as no reader can ask for it: these stand in a
 * queue by the version of the later one. Rows that a table keeps for a time are looked for by walking
 * over the directory now and then: a queue of them would hold all rows of that time. What is unlinked
 * (old items, outgrown lists, an outgrown directory) is freed once every reader has pinned or rested since
 * (epochs as in Fraser 2004). */
#include "runtime/task/replica.h"

#include "runtime/task/directory.h"
#include "runtime/task/row.h"
#include "runtime/task/versions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_ENTRIES 64 /* looked at in a step */
#define STEP_ELEMENTS 16 /* elements taken from one channel in a step */
#define EPOCH_RESTING UINT64_MAX

struct top {                /* the ranked rows of one version */
    struct retired retired; /* first */
    uint32_t count;
    const struct table_row *rows[];
};

struct replica_reader {
    struct replica_reader *next; /* the one attached before */
    struct replica *replica;
    struct waker *waker;
    bool looped;
    atomic_bool attached;
    _Atomic int64_t pinned;  /* version; INT64_MIN: may still ask for any */
    _Atomic uint64_t epoch;  /* of the last pin; EPOCH_RESTING */
    _Atomic uint64_t passed; /* checkpoint */
};

struct input {
    struct channel *channel;
    int64_t watermark_ms;
    uint64_t barrier; /* the last one that came */
};

struct pending { /* a row of a version that is not complete; the row itself leaves the caches */
    int64_t version;
    uint64_t arrival;
    struct table_row *row;
};

struct replica {
    const struct plan_table *table;
    struct waker *waker;
    uint32_t input_count;
    struct input *inputs;
    struct directory *_Atomic directory;
    uint32_t entry_count;
    struct versions *_Atomic *tops; /* by ranking */
    uint64_t arrivals;
    uint32_t pending_count, pending_capacity;
    struct pending *pending;
    _Atomic int64_t progress;
    _Atomic uint64_t barrier;
    uint64_t target; /* the barrier that is being gathered */
    _Atomic uint64_t epoch;
    struct aged_queue aged;
    uint32_t sweep;   /* the next entry to look at; past the last: the walk is over */
    int64_t sweep_ms; /* of that walk: rows of versions up to this leave */
    struct retired *retired, **retired_end; /* oldest first */
    struct replica_reader *_Atomic readers; /* freed at the end */
};

const struct schema *table_delta_schema(void)
{
    static struct field fields[] = {
        {.name = "hash", .type = TYPE_I64},
        {.name = "key", .type = TYPE_UTF8},
        {.name = "version", .type = TYPE_TIMESTAMP},
        {.name = "row", .type = TYPE_UTF8},
    };
    static const struct schema schema = {4, fields};

    return &schema;
}

enum { DELTA_ROW = 3 };

/* ---- life ---- */
struct replica *replica_create(const struct plan *plan, uint32_t table,
                               struct channel *const *channels, uint32_t channel_count,
                               struct waker *waker)
{
    struct replica *replica = memory_new(sizeof(*replica));

    replica->table = &plan->tables[table];
    replica->waker = waker;
    replica->input_count = channel_count;
    replica->inputs = memory_array(channel_count, sizeof(*replica->inputs));
    for (uint32_t i = 0; i < channel_count; i++)
        replica->inputs[i] = (struct input){channels[i], INT64_MIN, 0};
    atomic_init(&replica->directory, directory_create(DIRECTORY_MIN));
    replica->tops = memory_array(replica->table->ranking_count, sizeof(*replica->tops));
    atomic_init(&replica->progress, INT64_MIN);
    atomic_init(&replica->epoch, 1);
    replica->retired_end = &replica->retired;
    replica->sweep = UINT32_MAX;
    replica->sweep_ms = INT64_MIN;
    return replica;
}

static void simple_free(struct retired *retired)
{
    memory_free(retired);
}

static void retire(struct replica *replica, struct retired *retired,
                   void (*release)(struct retired *))
{
    retired->free = release;
    retired->at = atomic_fetch_add(&replica->epoch, 1);
    retired->next = NULL;
    *replica->retired_end = retired;
    replica->retired_end = &retired->next;
}

/* Frees what was retired before an epoch. */
static void retired_free(struct replica *replica, uint64_t before)
{
    struct retired *old;

    while ((old = replica->retired) && old->at < before) {
        replica->retired = old->next;
        __builtin_prefetch(old->next);
        if (!old->next)
            replica->retired_end = &replica->retired;
        old->free(old);
    }
}

static void readers_free(struct replica_reader *reader)
{
    for (struct replica_reader *next; reader; reader = next) {
        next = reader->next;
        memory_free(reader);
    }
}

void replica_close(struct replica *replica)
{
    struct directory *directory;

    if (!replica)
        return;
    readers_free(atomic_load(&replica->readers));
    directory = atomic_load(&replica->directory);
    for (uint32_t i = 0; i <= directory->mask; i++)
        versions_free(atomic_load(&directory->entries[i].versions));
    memory_free(directory);
    for (uint32_t r = 0; r < replica->table->ranking_count; r++)
        versions_free(atomic_load(&replica->tops[r]));
    retired_free(replica, UINT64_MAX);
    for (uint32_t i = 0; i < replica->pending_count; i++)
        memory_free(replica->pending[i].row);
    memory_free(replica->pending);
    memory_free(replica->aged.ring);
    memory_free(replica->tops);
    memory_free(replica->inputs);
    memory_free(replica);
}

/* ---- the directory ---- */
/* Readers that are under way go on in the old directory, which stays as it was. */
static void directory_grow(struct replica *replica)
{
    struct directory *old = atomic_load(&replica->directory);
    uint32_t left = directory_left(old), size = old->mask + 1;
    struct directory *grown = directory_create(left > size / 6 ? size * 2 : size);

    for (uint32_t i = 0; i <= old->mask; i++) {
        struct versions *versions = atomic_load(&old->entries[i].versions);
        struct entry *entry;

        if (!versions || versions_empty(versions))
            continue;
        entry = entry_place(grown, atomic_load(&old->entries[i].hash));
        atomic_store(&entry->hash, atomic_load(&old->entries[i].hash));
        entry_set_newest(entry, versions_newest(versions));
        atomic_store(&entry->versions, versions);
    }
    atomic_store(&replica->directory, grown);
    /* Only now: a reader that pins after a retirement must not find what it freed. */
    for (uint32_t i = 0; i <= old->mask; i++) {
        struct versions *versions = atomic_load(&old->entries[i].versions);

        if (versions && versions_empty(versions))
            retire(replica, &versions->retired, simple_free);
    }
    retire(replica, &old->retired, simple_free);
    replica->entry_count = left;
    replica->sweep = replica->sweep <= old->mask ? 0 : UINT32_MAX;
}

/* A new entry is free until it gets its first version. */
static struct entry *entry_make(struct replica *replica, uint64_t hash)
{
    struct directory *directory = atomic_load(&replica->directory);
    struct entry *entry = entry_place(directory, hash);

    if (atomic_load(&entry->versions))
        return entry;
    if (replica->entry_count > directory->mask / 3) {
        directory_grow(replica);
        entry = entry_place(atomic_load(&replica->directory), hash);
    }
    atomic_store_explicit(&entry->hash, hash, memory_order_relaxed);
    replica->entry_count++;
    return entry;
}

/* ---- what readers need ---- */
/* The first that is attached, of `reader` and those behind it. */
static struct replica_reader *attached(struct replica_reader *reader)
{
    while (reader && !atomic_load(&reader->attached))
        reader = reader->next;
    return reader;
}

static struct replica_reader *first_reader(const struct replica *replica)
{
    return attached(atomic_load(&replica->readers));
}

static int64_t lowest_pin(const struct replica *replica)
{
    int64_t lowest = INT64_MAX;

    for (struct replica_reader *r = first_reader(replica); r; r = attached(r->next)) {
        int64_t pinned = atomic_load(&r->pinned);

        if (pinned < lowest)
            lowest = pinned;
    }
    return lowest;
}

static uint64_t lowest_epoch(const struct replica *replica)
{
    uint64_t lowest = UINT64_MAX;

    for (struct replica_reader *r = first_reader(replica); r; r = attached(r->next)) {
        uint64_t epoch = atomic_load(&r->epoch);

        if (epoch < lowest)
            lowest = epoch;
    }
    return lowest;
}

/* ---- applying versions ---- */

/* Puts a list with room for more in place of a full one, or the first. */
static struct versions *versions_replace(struct replica *replica, struct versions *_Atomic *place)
{
    struct versions *old = atomic_load(place), *grown = versions_grown(old);

    atomic_store_explicit(place, grown, memory_order_release);
    if (old)
        retire(replica, &old->retired, simple_free);
    return grown;
}

/* ---- items that are done with ---- */
/* Unlinks items before the newest at or below a version. */
static void versions_trim(struct replica *replica, struct versions *versions, int64_t version)
{
    uint32_t first = atomic_load(&versions->first), count = atomic_load(&versions->count);
    uint32_t newest = versions_find(versions, count, version);

    if (newest == count || newest == first)
        return;
    atomic_store(&versions->first, newest);
    for (uint32_t i = first; i < newest; i++)
        retire(replica, atomic_load(&versions->items[i].item), simple_free);
}

/* All items, if the newest is of a version up to `version`. */
static void entry_leave(struct replica *replica, struct entry *entry, int64_t version)
{
    struct versions *versions = atomic_load(&entry->versions);
    uint32_t first = versions ? atomic_load(&versions->first) : 0;
    uint32_t count = versions ? atomic_load(&versions->count) : 0;

    if (first == count || versions->items[count - 1].version > version)
        return;
    entry_set_newest(entry, NULL);
    atomic_store(&versions->first, count);
    for (uint32_t i = first; i < count; i++)
        retire(replica, atomic_load(&versions->items[i].item), simple_free);
}

/* Rows that a reader at `pin` or later may still see in a ranking are no older than the kept time before
 * this: the version of the last ranking up to there. */
static int64_t lowest_ranked(const struct replica *replica, int64_t pin)
{
    for (uint32_t r = 0; r < replica->table->ranking_count; r++) {
        const struct versions *top = atomic_load(&replica->tops[r]);
        uint32_t count = top ? atomic_load(&top->count) : 0;
        uint32_t at = top ? versions_find(top, count, pin) : 0;

        pin = at < count ? top->items[at].version : INT64_MIN;
    }
    return pin;
}

/* Some steps of the walk over all entries; a new one begins when an eighth of the time has passed. */
static void sweep(struct replica *replica)
{
    int64_t keep_ms = replica->table->keep_ms, pin = lowest_pin(replica), limit_ms;
    struct directory *directory = atomic_load(&replica->directory);

    if (replica->sweep > directory->mask) {
        int64_t progress = atomic_load(&replica->progress);

        pin = lowest_ranked(replica, pin < progress ? pin : progress);
        if (pin == INT64_MAX || __builtin_sub_overflow(pin, keep_ms, &limit_ms) ||
            limit_ms - keep_ms / 8 < replica->sweep_ms)
            return;
        replica->sweep_ms = limit_ms;
        replica->sweep = 0;
    }
    for (uint32_t i = 0; i < SWEEP_ENTRIES && replica->sweep <= directory->mask; i++)
        entry_leave(replica, &directory->entries[replica->sweep++], replica->sweep_ms);
    if (replica->sweep > directory->mask)
        replica->sweep = UINT32_MAX;
}

/* Unlinks what no reader can ask for any more. The queue goes by version: rows are applied so. */
static void trim(struct replica *replica)
{
    struct aged_queue *queue = &replica->aged;
    int64_t pin = queue->count > 0 ? lowest_pin(replica) : INT64_MIN;

    while (queue->count > 0) {
        const struct aged *aged = &queue->ring[queue->head & (queue->capacity - 1)];
        struct versions *versions;

        if (aged->version > pin)
            break;
        versions =
            aged->ranking == RANKING_NONE
                ? atomic_load(&entry_place(atomic_load(&replica->directory), aged->hash)->versions)
                : atomic_load(&replica->tops[aged->ranking]);
        if (versions) /* has not left */
            versions_trim(replica, versions, aged->version);
        queue->head++;
        queue->count--;
    }
    if (replica->table->keep_ms)
        sweep(replica);
    retired_free(replica, lowest_epoch(replica));
}

/* Appends an item of a version that is not below the last; of the same version the new one
 * stands. */
static void versions_add(struct replica *replica, struct versions *_Atomic *place,
                         const struct aged *aged, struct retired *item)
{
    struct versions *versions = atomic_load(place);
    uint32_t count = versions ? atomic_load(&versions->count) : 0;
    bool any = versions && !versions_empty(versions);

    if (any && versions->items[count - 1].version == aged->version) {
        retire(replica, atomic_exchange(&versions->items[count - 1].item, item), simple_free);
        return;
    }
    if (any)
        aged_push(&replica->aged, aged);
    if (!versions || count == versions->capacity)
        versions = versions_replace(replica, place);
    count = atomic_load(&versions->count);
    versions->items[count].version = aged->version;
    atomic_init(&versions->items[count].item, item);
    atomic_store_explicit(&versions->count, count + 1, memory_order_release);
}

static void apply_row(struct replica *replica, struct table_row *row)
{
    const struct aged aged = {table_row_version(row), table_row_key(row).hash, RANKING_NONE};
    struct entry *entry = entry_make(replica, aged.hash);

    /* Its version stands in the entry; the row itself is in no cache any more. */
    if (atomic_load(&entry->newest) && atomic_load(&entry->newest_version) > aged.version) {
        retire(replica, &row->retired, simple_free);
        return;
    }
    entry_set_newest(entry, row);
    versions_add(replica, &entry->versions, &aged, &row->retired);
}

/* ---- ranking ---- */
struct ranked {
    double value;
    const struct table_row *row;
};

static int ranked_compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    struct key kx, ky;
    int order;

    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    kx = table_row_key(x->row);
    ky = table_row_key(y->row);
    order = memcmp(kx.data, ky.data, kx.size < ky.size ? kx.size : ky.size);
    return order ? order : (kx.size > ky.size) - (kx.size < ky.size);
}

static void ranked_add(struct ranked *list, uint32_t *count, const struct table_row *row,
                       uint32_t column)
{
    double value = table_row_f64(row, column);

    if (!isnan(value))
        list[(*count)++] = (struct ranked){value, row};
}

static const struct table_row *newest_of(const struct replica *replica, uint64_t hash)
{
    return versions_newest(
        atomic_load(&entry_place(atomic_load(&replica->directory), hash)->versions));
}

static bool has_left(const struct replica *replica, const struct table_row *row, int64_t version)
{
    return replica->table->keep_ms && version - table_row_version(row) >= replica->table->keep_ms;
}

/* Rows of the former ranking that stand unchanged. False when one that changed fell behind the
 * former list's end, or left it: then any row may have come up, and all are looked at. */
static bool keep_former(const struct replica *replica, const struct top *former,
                        const struct plan_ranking *ranking, int64_t version, struct ranked *list,
                        uint32_t *count)
{
    bool full = former && former->count == ranking->limit;
    struct ranked end = {0}, now;

    if (full)
        end = (struct ranked){
            table_row_f64(former->rows[former->count - 1], ranking->column),
            former->rows[former->count - 1],
        };
    for (uint32_t i = 0; former && i < former->count; i++) {
        const struct table_row *row = former->rows[i];
        const struct table_row *newest = newest_of(replica, table_row_key(row).hash);

        if (newest == row) {
            if (!has_left(replica, row, version))
                ranked_add(list, count, row, ranking->column);
            else if (full)
                return false;
            continue;
        }
        now = (struct ranked){table_row_f64(newest, ranking->column), newest};
        if (full && (isnan(now.value) || ranked_compare(&now, &end) > 0))
            return false;
    }
    return true;
}

static struct ranked *rank_all(const struct replica *replica, uint32_t column, int64_t version,
                               uint32_t *count)
{
    const struct directory *directory = atomic_load(&replica->directory);
    struct ranked *list = memory_array(replica->entry_count, sizeof(*list));

    *count = 0;
    for (uint32_t i = 0; i <= directory->mask; i++) {
        const struct table_row *row = versions_newest(atomic_load(&directory->entries[i].versions));

        if (row && !has_left(replica, row, version))
            ranked_add(list, count, row, column);
    }
    return list;
}

static void rank(struct replica *replica, uint32_t r, int64_t version,
                 const struct pending *changed, uint32_t changed_count)
{
    const struct plan_ranking *ranking = &replica->table->rankings[r];
    const struct top *former = versions_newest(atomic_load(&replica->tops[r]));
    const struct aged aged = {version, 0, r};
    struct top *top;
    struct ranked *list = memory_array(ranking->limit + changed_count, sizeof(*list));
    uint32_t count = 0;

    if (replica->table->replace || keep_former(replica, former, ranking, version, list, &count)) {
        for (uint32_t i = 0; i < changed_count; i++)
            if (newest_of(replica, table_row_key(changed[i].row).hash) == changed[i].row)
                ranked_add(list, &count, changed[i].row, ranking->column);
    } else {
        memory_free(list);
        list = rank_all(replica, ranking->column, version, &count);
    }
    qsort(list, count, sizeof(*list), ranked_compare);
    if (count > ranking->limit)
        count = ranking->limit;
    top = memory_new(sizeof(*top) + count * sizeof(top->rows[0]));
    top->count = count;
    for (uint32_t i = 0; i < count; i++)
        top->rows[i] = list[i].row;
    memory_free(list);
    versions_add(replica, &replica->tops[r], &aged, &top->retired);
}

/* By version, then as they came. */
static int pending_compare(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;

    if (x->version != y->version)
        return x->version > y->version ? 1 : -1;
    return (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

/* Rows of one publisher come in order. */
static void pending_sort(struct pending *pending, uint32_t count)
{
    uint32_t sorted = 1;

    while (sorted < count && pending_compare(&pending[sorted - 1], &pending[sorted]) < 0)
        sorted++;
    if (sorted < count)
        qsort(pending, count, sizeof(*pending), pending_compare);
}

/* Applies all pending versions that are complete, in order. */
static void apply_complete(struct replica *replica, int64_t progress)
{
    uint32_t at = 0, end;

    if (replica->pending_count == 0)
        return;
    pending_sort(replica->pending, replica->pending_count);
    while (at < replica->pending_count && replica->pending[at].version <= progress) {
        int64_t version = replica->pending[at].version;

        for (end = at; end < replica->pending_count && replica->pending[end].version == version;
             end++)
            apply_row(replica, replica->pending[end].row);
        for (uint32_t r = 0; r < replica->table->ranking_count; r++)
            rank(replica, r, version, replica->pending + at, end - at);
        at = end;
    }
    replica->pending_count -= at;
    memmove(replica->pending, replica->pending + at,
            replica->pending_count * sizeof(*replica->pending));
}

static void wake_readers(struct replica *replica)
{
    for (struct replica_reader *r = first_reader(replica); r; r = attached(r->next))
        waker_wake(r->waker);
}

static bool advance(struct replica *replica)
{
    int64_t lowest = INT64_MAX, progress;

    for (uint32_t i = 0; i < replica->input_count; i++)
        if (replica->inputs[i].watermark_ms < lowest)
            lowest = replica->inputs[i].watermark_ms;
    progress = lowest == INT64_MIN || lowest == INT64_MAX ? lowest : lowest + 1;
    if (progress <= atomic_load(&replica->progress))
        return false;
    apply_complete(replica, progress);
    atomic_store(&replica->progress, progress);
    wake_readers(replica);
    return true;
}

/* ---- the tasklet ---- */
static void take_rows(struct replica *replica, const struct batch *batch)
{
    const struct column *rows = batch_column(batch, DELTA_ROW);

    for (uint32_t k = 0; k < batch->selected; k++) {
        uint32_t size;
        const char *data = column_text(rows, batch_row(batch, k), &size);
        struct table_row *row;

        /* Checked by the sender's own packing within a process, and outside bytes must be. */
        if (!table_row_check(replica->table->schema, (const uint8_t *)data, size))
            continue;
        if (replica->pending_count == replica->pending_capacity) {
            replica->pending_capacity = replica->pending_capacity * 2 + 64;
            replica->pending =
                memory_grow(replica->pending, replica->pending_capacity, sizeof(*replica->pending));
        }
        row = table_row_create(replica->table->schema, (const uint8_t *)data, size);
        replica->pending[replica->pending_count++] =
            (struct pending){table_row_version(row), replica->arrivals++, row};
    }
}

static bool readers_passed(const struct replica *replica, uint64_t checkpoint)
{
    for (struct replica_reader *r = first_reader(replica); r; r = attached(r->next))
        if (!r->looped && atomic_load(&r->passed) < checkpoint)
            return false;
    return true;
}

static bool input_blocked(const struct replica *replica, const struct input *input)
{
    return input->barrier != 0 && input->barrier == replica->target;
}

/* Once every publisher has sent the barrier: tells the readers, and lets go when all passed it. */
static bool barrier_step(struct replica *replica)
{
    if (replica->target == 0)
        return false;
    for (uint32_t i = 0; i < replica->input_count; i++)
        if (replica->inputs[i].barrier != replica->target)
            return false;
    if (atomic_load(&replica->barrier) != replica->target) {
        atomic_store(&replica->barrier, replica->target);
        wake_readers(replica);
        return true;
    }
    if (!readers_passed(replica, replica->target))
        return false;
    replica->target = 0;
    return true;
}

static bool any_aligned(const struct replica *replica)
{
    for (struct replica_reader *r = first_reader(replica); r; r = attached(r->next))
        if (!r->looped)
            return true;
    return false;
}

static bool input_step(struct replica *replica, struct input *input)
{
    struct element element;
    bool busy = false;

    for (int i = 0; i < STEP_ELEMENTS && !input_blocked(replica, input) &&
                    channel_take(input->channel, &element);
         i++) {
        busy = true;
        switch (element.kind) {
        case ELEMENT_BATCH:
            take_rows(replica, element.batch);
            batch_release(&element.batch);
            break;
        case ELEMENT_WATERMARK:
            input->watermark_ms = element.time_ms;
            break;
        case ELEMENT_BARRIER:
            input->barrier = element.checkpoint;
            if (element.checkpoint > replica->target && any_aligned(replica))
                replica->target = element.checkpoint; /* a newer one supersedes */
            break;
        }
    }
    return busy;
}

bool replica_step(struct replica *replica)
{
    bool busy = false;

    for (uint32_t i = 0; i < replica->input_count; i++)
        busy = input_step(replica, &replica->inputs[i]) || busy;
    busy = advance(replica) || busy;
    trim(replica);
    return barrier_step(replica) || busy;
}

/* ---- readers ---- */
struct replica_reader *replica_attach(struct replica *replica, struct waker *waker, bool looped)
{
    struct replica_reader *reader = memory_new(sizeof(*reader));

    reader->replica = replica;
    reader->waker = waker;
    reader->looped = looped;
    atomic_store(&reader->pinned, INT64_MIN);
    atomic_store(&reader->epoch, EPOCH_RESTING);
    atomic_store(&reader->attached, true);
    reader->next = atomic_load(&replica->readers);
    while (!atomic_compare_exchange_weak(&replica->readers, &reader->next, reader))
        continue;
    return reader;
}

void replica_detach(struct replica_reader *reader)
{
    atomic_store(&reader->attached, false);
    waker_wake(reader->replica->waker);
}

int64_t replica_progress(const struct replica *replica)
{
    return atomic_load(&replica->progress);
}

uint64_t replica_barrier(const struct replica *replica)
{
    return atomic_load(&replica->barrier);
}

void replica_reader_passed(struct replica_reader *reader, uint64_t checkpoint)
{
    atomic_store(&reader->passed, checkpoint);
    waker_wake(reader->replica->waker);
}

int64_t replica_version_at(const struct plan_table *table, int64_t time_ms, int64_t delay_ms)
{
    int64_t period = table->period_ms > 0 ? table->period_ms : 1;
    int64_t rest;

    if (time_ms < INT64_MIN + delay_ms + period)
        return INT64_MIN;
    time_ms -= delay_ms;
    rest = time_ms % period;
    return time_ms - (rest < 0 ? rest + period : rest);
}

void replica_pin(struct replica_reader *reader, int64_t version)
{
    /* Before any look-up, so that what is unlinked from now on is kept. */
    atomic_exchange(&reader->epoch, atomic_load(&reader->replica->epoch));
    atomic_store(&reader->pinned, version);
}

void replica_rest(struct replica_reader *reader, int64_t version)
{
    atomic_store(&reader->pinned, version);
    atomic_store(&reader->epoch, EPOCH_RESTING);
}

static struct view view_of(const struct replica_reader *reader)
{
    const struct plan_table *table = reader->replica->table;

    return (struct view){atomic_load_explicit(&reader->pinned, memory_order_relaxed),
                         table->keep_ms, table->replace};
}

const struct table_row *replica_find(const struct replica_reader *reader, uint64_t hash)
{
    const struct view view = view_of(reader);

    return directory_find(atomic_load_explicit(&reader->replica->directory, memory_order_acquire),
                          &view, hash);
}

void replica_find_many(const struct replica_reader *reader, const uint64_t *hashes, uint32_t count,
                       const struct table_row **rows)
{
    const struct view view = view_of(reader);

    directory_find_many(atomic_load_explicit(&reader->replica->directory, memory_order_acquire),
                        &view, hashes, count, rows);
}

const struct table_row *const *replica_top(struct replica_reader *reader, uint32_t ranking,
                                           uint32_t limit, uint32_t *count)
{
    const struct view view = view_of(reader);
    const struct top *top = versions_at(
        atomic_load_explicit(&reader->replica->tops[ranking], memory_order_acquire), &view);

    *count = 0;
    if (!top)
        return NULL;
    *count = top->count < limit ? top->count : limit;
    return top->rows;
}
