/* See gate.h. */
#include "runtime/task/gate.h"

#include "runtime/base/check.h"
#include "runtime/task/replica.h"

#include <stdlib.h>

struct held {        /* a batch, sorted by (time, order) */
    int64_t time_ms; /* of the next row */
    struct batch *batch;
    uint32_t port, lane, at;
    uint64_t sequence; /* of arrival */
};

struct ref { /* a row that is being released */
    int64_t time_ms;
    uint64_t order;
    uint32_t port, source, row, place; /* source: index in `out`; place: in a gathered batch */
};

struct gate {
    const struct plan_op *op;
    const struct plan_table *tables[TABLES_MAX];
    uint32_t table_count;
    struct held *heap; /* the earliest first */
    uint32_t count, capacity;
    uint64_t sequence, rows;
    struct held *out; /* what the present release takes rows from */
    uint32_t out_count, out_capacity;
    uint32_t *shares, share_capacity; /* rows of each source in a gathered batch */
    struct ref *refs, *spare;
    uint32_t ref_count, ref_capacity;
    struct builder *builders[PORTS_MAX];
};

struct gate *gate_create(const struct plan_op *op, const struct plan_table *const *tables,
                         uint32_t table_count)
{
    struct gate *gate = memory_new(sizeof(*gate));

    CHECK(table_count <= TABLES_MAX);
    gate->op = op;
    gate->table_count = table_count;
    for (uint32_t i = 0; i < table_count; i++)
        gate->tables[i] = tables[i];
    return gate;
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    for (uint32_t i = 0; i < gate->count; i++)
        batch_release(&gate->heap[i].batch);
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        builder_close(gate->builders[i]);
    memory_free(gate->heap);
    memory_free(gate->out);
    memory_free(gate->shares);
    memory_free(gate->refs);
    memory_free(gate->spare);
    memory_free(gate);
}

int64_t gate_first(const struct gate *gate)
{
    return gate->count > 0 ? gate->heap[0].time_ms : INT64_MAX;
}

uint64_t gate_rows(const struct gate *gate)
{
    return gate->rows;
}

/* ---- the heap ---- */
static void heap_up(struct held *heap, uint32_t at)
{
    struct held moved = heap[at];

    for (; at > 0 && heap[(at - 1) / 2].time_ms > moved.time_ms; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = moved;
}

static void heap_down(struct held *heap, uint32_t count, uint32_t at)
{
    struct held moved = heap[at];

    for (uint32_t child; (child = at * 2 + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1].time_ms < heap[child].time_ms)
            child++;
        if (heap[child].time_ms >= moved.time_ms)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void heap_push(struct gate *gate, const struct held *held)
{
    if (gate->count == gate->capacity) {
        gate->capacity = gate->capacity ? gate->capacity * 2 : 64;
        gate->heap = memory_grow(gate->heap, gate->capacity, sizeof(*gate->heap));
    }
    gate->heap[gate->count] = *held;
    heap_up(gate->heap, gate->count++);
}

static struct held heap_pop(struct gate *gate)
{
    struct held first = gate->heap[0];

    gate->heap[0] = gate->heap[--gate->count];
    if (gate->count > 0)
        heap_down(gate->heap, gate->count, 0);
    return first;
}

/* ---- arrival ---- */
struct row_key {
    int64_t time_ms;
    uint64_t order;
    uint32_t row;
};

static int row_compare(const void *a, const void *b)
{
    const struct row_key *x = a, *y = b;

    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool in_order(const struct batch *batch)
{
    const int64_t *time = batch_time(batch);
    const uint64_t *order = batch_order(batch);

    for (uint32_t row = 1; row < batch->rows; row++)
        if (time[row] < time[row - 1] ||
            (time[row] == time[row - 1] && order[row] < order[row - 1]))
            return false;
    return true;
}

/* Dense and sorted. Takes the reference. */
static struct batch *sorted_batch(struct batch *batch)
{
    struct batch *dense = batch_dense(batch), *sorted;
    struct row_key *keys;
    uint32_t *rows;

    batch_release(&batch);
    if (in_order(dense))
        return dense;
    keys = memory_grow(NULL, dense->rows, sizeof(*keys));
    rows = memory_grow(NULL, dense->rows, sizeof(*rows));
    for (uint32_t row = 0; row < dense->rows; row++)
        keys[row] = (struct row_key){batch_time(dense)[row], batch_order(dense)[row], row};
    qsort(keys, dense->rows, sizeof(*keys), row_compare);
    for (uint32_t row = 0; row < dense->rows; row++)
        rows[row] = keys[row].row;
    sorted = batch_gather(dense, rows, dense->rows);
    memory_free(keys);
    memory_free(rows);
    batch_release(&dense);
    return sorted;
}

void gate_put(struct gate *gate, uint32_t port, uint32_t lane, struct batch *batch)
{
    struct held held = {.port = port, .lane = lane, .sequence = gate->sequence++};

    if (batch->selected == 0) {
        batch_release(&batch);
        return;
    }
    held.batch = sorted_batch(batch);
    held.time_ms = batch_time(held.batch)[0];
    gate->rows += held.batch->rows;
    heap_push(gate, &held);
}

/* ---- sorting a release ---- */
static bool ref_before(const struct ref *a, const struct ref *b)
{
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms;
    if (a->port != b->port)
        return a->port < b->port;
    return a->order < b->order;
}

/* End of the run that begins at `begin`. */
static uint32_t run_end(const struct ref *refs, uint32_t begin, uint32_t count)
{
    uint32_t end = begin + 1;

    while (end < count && !ref_before(&refs[end], &refs[end - 1]))
        end++;
    return end;
}

static void merge_runs(const struct ref *from, uint32_t begin, uint32_t middle, uint32_t end,
                       struct ref *to)
{
    uint32_t a = begin, b = middle;

    for (uint32_t at = begin; at < end; at++)
        to[at] =
            a < middle && (b == end || !ref_before(&from[b], &from[a])) ? from[a++] : from[b++];
}

/* One pass over all runs, two by two. True: it was one run. */
static bool merge_pass(struct gate *gate)
{
    uint32_t count = gate->ref_count, begin = 0;
    struct ref *swap = gate->refs;

    while (begin < count) {
        uint32_t middle = run_end(gate->refs, begin, count), end;

        if (begin == 0 && middle == count)
            return true;
        end = middle < count ? run_end(gate->refs, middle, count) : middle;
        merge_runs(gate->refs, begin, middle, end, gate->spare);
        begin = end;
    }
    gate->refs = gate->spare;
    gate->spare = swap;
    return false;
}

static void refs_reserve(struct gate *gate, uint32_t more)
{
    if (gate->ref_count + more <= gate->ref_capacity)
        return;
    gate->ref_capacity = (gate->ref_count + more) * 2;
    gate->refs = memory_grow(gate->refs, gate->ref_capacity, sizeof(*gate->refs));
    gate->spare = memory_grow(gate->spare, gate->ref_capacity, sizeof(*gate->spare));
}

/* The first row past a time. */
static uint32_t held_end(const struct held *held, int64_t last_ms)
{
    const int64_t *time = batch_time(held->batch);
    uint32_t low = held->at, high = held->batch->rows;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (time[middle] <= last_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void refs_add(struct gate *gate, uint32_t source, uint32_t end)
{
    const struct held *held = &gate->out[source];
    const int64_t *time = batch_time(held->batch);
    const uint64_t *order = batch_order(held->batch);

    refs_reserve(gate, end - held->at);
    for (uint32_t row = held->at; row < end; row++)
        gate->refs[gate->ref_count++] =
            (struct ref){time[row], order[row], held->port, source, row, 0};
}

/* ---- batches out of it ---- */
static void item_add(struct items *items, uint32_t port, struct batch *batch)
{
    struct item *item = items_push(items);

    item->kind = ITEM_BATCH;
    item->port = port;
    item->batch = batch;
}

/* The last time at which a row sees the same versions as one of `time_ms`. */
static int64_t same_versions(const struct gate *gate, int64_t time_ms)
{
    int64_t last_ms = INT64_MAX;

    for (uint32_t i = 0; i < gate->table_count; i++) {
        int64_t version = replica_version_at(gate->tables[i], time_ms);
        int64_t period = gate->tables[i]->period_ms > 0 ? gate->tables[i]->period_ms : 1;

        if (version <= INT64_MAX - period && version + period - 1 < last_ms)
            last_ms = version + period - 1;
    }
    return last_ms;
}

static struct batch *gather_one(const struct gate *gate, const struct ref *refs, uint32_t count)
{
    struct batch *batch = gate->out[refs[0].source].batch;
    uint32_t rows[BATCH_ROWS_MAX];

    if (count == batch->rows) {
        batch_ref(batch);
        return batch;
    }
    for (uint32_t k = 0; k < count; k++)
        rows[k] = refs[k].row;
    return batch_gather(batch, rows, count);
}

/* Each source's rows are appended at once, and the whole is put in order after that: far fewer
 * calls a row than copying them one by one. */
static struct batch *gather_many(struct gate *gate, struct ref *refs, uint32_t count)
{
    uint32_t rows[BATCH_ROWS_MAX], places[BATCH_ROWS_MAX], port = refs[0].port, next = 0;
    bool keyed = gate->op->inputs[port].keyed;
    struct batch *joined, *sorted;

    if (!gate->builders[port])
        gate->builders[port] = builder_create(gate->op->inputs[port].schema, keyed);
    for (uint32_t s = 0; s < gate->out_count; s++)
        gate->shares[s] = 0;
    for (uint32_t k = 0; k < count; k++)
        gate->shares[refs[k].source]++;
    for (uint32_t s = 0, share; s < gate->out_count; s++) { /* to where each share begins */
        share = gate->shares[s];
        gate->shares[s] = next;
        next += share;
    }
    for (uint32_t k = 0; k < count; k++) {
        places[k] = gate->shares[refs[k].source]++;
        rows[places[k]] = refs[k].row;
    }
    for (uint32_t s = 0, begin = 0; s < gate->out_count; begin = gate->shares[s++])
        if (gate->shares[s] > begin)
            builder_append(gate->builders[port], gate->out[s].batch, rows + begin,
                           gate->shares[s] - begin);
    joined = builder_finish(gate->builders[port]);
    sorted = batch_gather(joined, places, count);
    batch_release(&joined);
    return sorted;
}

static bool one_source(const struct ref *refs, uint32_t count)
{
    for (uint32_t k = 1; k < count; k++)
        if (refs[k].source != refs[0].source)
            return false;
    return true;
}

static void refs_emit(struct gate *gate, struct items *items)
{
    uint32_t begin = 0, end;

    while (begin < gate->ref_count) {
        struct ref *refs = gate->refs + begin;
        int64_t last_ms = same_versions(gate, refs[0].time_ms);

        for (end = begin + 1; end < gate->ref_count && end - begin < BATCH_ROWS_MAX; end++)
            if (gate->refs[end].port != refs[0].port || gate->refs[end].time_ms > last_ms)
                break;
        item_add(items, refs[0].port,
                 one_source(refs, end - begin) ? gather_one(gate, refs, end - begin)
                                               : gather_many(gate, refs, end - begin));
        begin = end;
    }
}

/* ---- release ---- */
/* By channel and arrival, so that what came sorted over several batches is one run. */
static int out_compare(const void *a, const void *b)
{
    const struct held *x = a, *y = b;

    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static void out_take(struct gate *gate, int64_t last_ms)
{
    gate->out_count = 0;
    while (gate->count > 0 && gate->heap[0].time_ms <= last_ms) {
        if (gate->out_count == gate->out_capacity) {
            gate->out_capacity = gate->out_capacity ? gate->out_capacity * 2 : 16;
            gate->out = memory_grow(gate->out, gate->out_capacity, sizeof(*gate->out));
            gate->shares = memory_grow(gate->shares, gate->out_capacity, sizeof(*gate->shares));
        }
        gate->out[gate->out_count++] = heap_pop(gate);
    }
    qsort(gate->out, gate->out_count, sizeof(*gate->out), out_compare);
}

bool gate_release(struct gate *gate, int64_t limit_ms, struct items *items)
{
    const struct held *first = gate->heap;
    int64_t last_ms;

    if (gate->count == 0 || first->time_ms > limit_ms)
        return false;
    last_ms = batch_time(first->batch)[first->batch->rows - 1];
    if (last_ms > limit_ms)
        last_ms = limit_ms;
    out_take(gate, last_ms);
    gate->ref_count = 0;
    for (uint32_t s = 0; s < gate->out_count; s++)
        refs_add(gate, s, held_end(&gate->out[s], last_ms));
    while (!merge_pass(gate))
        continue;
    refs_emit(gate, items);
    gate->rows -= gate->ref_count;
    for (uint32_t s = 0; s < gate->out_count; s++) {
        struct held *held = &gate->out[s];

        held->at = held_end(held, last_ms);
        if (held->at == held->batch->rows) {
            batch_release(&held->batch);
            continue;
        }
        held->time_ms = batch_time(held->batch)[held->at];
        heap_push(gate, held);
    }
    return true;
}

/* ---- snapshots ---- */
struct held_rows *gate_held(const struct gate *gate, uint32_t *count)
{
    struct held *sorted = memory_array(gate->count, sizeof(*sorted));
    struct held_rows *held = memory_array(gate->count, sizeof(*held));

    for (uint32_t i = 0; i < gate->count; i++)
        sorted[i] = gate->heap[i];
    qsort(sorted, gate->count, sizeof(*sorted), out_compare);
    for (uint32_t i = 0; i < gate->count; i++) {
        const struct batch *batch = sorted[i].batch;
        uint32_t left = batch->rows - sorted[i].at;
        uint32_t *rows = memory_array(left, sizeof(*rows));

        for (uint32_t k = 0; k < left; k++)
            rows[k] = sorted[i].at + k;
        held[i] = (struct held_rows){sorted[i].port, batch_select(batch, rows, left)};
        memory_free(rows);
    }
    memory_free(sorted);
    *count = gate->count;
    return held;
}

void gate_held_release(struct held_rows *held, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        batch_release(&held[i].batch);
    memory_free(held);
}
