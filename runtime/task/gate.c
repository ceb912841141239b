/* See gate.h. */
#include "runtime/task/gate.h"

#include "runtime/base/check.h"
#include "runtime/task/replica.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11u /* of a time, a pass of sorting */
#define DIGITS (1u << DIGIT_BITS)
#define DIGIT_PASSES 3u
#define TIES_FEW 32u /* that are sorted in place */

struct ref { /* a row */
    int64_t time_ms;
    uint64_t order;
    uint32_t port, source, row; /* source: index in `out` */
};

struct held {        /* a batch and its rows sorted by (time, order) */
    int64_t time_ms; /* of the next row */
    struct batch *batch;
    struct ref *rows; /* NULL: the batch is sorted */
    uint32_t port, lane, at;
    uint64_t sequence; /* of arrival */
};

struct gate {
    const struct plan_op *op;
    uint32_t table_count;
    struct gate_table *tables;
    struct held *heap; /* the earliest first */
    uint32_t count, capacity;
    uint64_t sequence, rows;
    struct held *out; /* what the present release takes rows from */
    uint32_t out_count, out_capacity;
    struct batch **batches; /* of a merge, and the place of each of `out` among them */
    uint32_t *places;
    struct ref *refs, *spare;
    uint32_t ref_count, ref_capacity;
};

struct gate *gate_create(const struct plan_op *op, const struct gate_table *tables,
                         uint32_t table_count)
{
    struct gate *gate = memory_new(sizeof(*gate));

    gate->op = op;
    gate->table_count = table_count;
    gate->tables = memory_array(table_count + 1ul, sizeof(*gate->tables));
    for (uint32_t i = 0; i < table_count; i++)
        gate->tables[i] = tables[i];
    return gate;
}

static void held_close(struct held *held)
{
    batch_release(&held->batch);
    memory_free(held->rows);
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    for (uint32_t i = 0; i < gate->count; i++)
        held_close(&gate->heap[i]);
    memory_free(gate->tables);
    memory_free(gate->heap);
    memory_free(gate->out);
    memory_free(gate->batches);
    memory_free(gate->places);
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
static void refs_reserve(struct gate *gate, uint32_t more)
{
    if (gate->ref_count + more <= gate->ref_capacity)
        return;
    gate->ref_capacity = (gate->ref_count + more) * 2;
    gate->refs = memory_grow(gate->refs, gate->ref_capacity, sizeof(*gate->refs));
    gate->spare = memory_grow(gate->spare, gate->ref_capacity, sizeof(*gate->spare));
}

static int row_compare(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;

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

/* One stable pass by DIGIT_BITS bits of the time since `first_ms` (Knuth 5.2.5). */
static void pass_by_digit(const struct ref *from, struct ref *to, uint32_t count, int64_t first_ms,
                          uint32_t shift)
{
    uint32_t ends[DIGITS + 1] = {0};

    for (uint32_t i = 0; i < count; i++)
        ends[((uint64_t)(from[i].time_ms - first_ms) >> shift) % DIGITS + 1]++;
    for (uint32_t d = 0; d < DIGITS; d++)
        ends[d + 1] += ends[d];
    for (uint32_t i = 0; i < count; i++)
        to[ends[((uint64_t)(from[i].time_ms - first_ms) >> shift) % DIGITS]++] = from[i];
}

/* Rows that are in order of time, by their order within each. */
static void ties_sort(struct ref *rows, uint32_t count)
{
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && rows[end].time_ms == rows[begin].time_ms; end++)
            continue;
        if (end - begin > TIES_FEW) {
            qsort(rows + begin, end - begin, sizeof(*rows), row_compare);
            continue;
        }
        for (uint32_t i = begin + 1; i < end; i++) {
            struct ref moved = rows[i];
            uint32_t at = i;

            for (; at > begin && row_compare(&rows[at - 1], &moved) > 0; at--)
                rows[at] = rows[at - 1];
            rows[at] = moved;
        }
    }
}

/* Times of one batch are near each other, so a few passes by time are enough, where they are not in
 * order already; of one time there are few rows. Returns `rows` or `spare`. */
static struct ref *rows_sort(struct ref *rows, struct ref *spare, uint32_t count)
{
    int64_t first_ms = rows[0].time_ms, last_ms = rows[0].time_ms;
    bool ascend = true;
    uint64_t span;

    for (uint32_t i = 1; i < count; i++) {
        ascend = ascend && rows[i].time_ms >= rows[i - 1].time_ms;
        first_ms = rows[i].time_ms < first_ms ? rows[i].time_ms : first_ms;
        last_ms = rows[i].time_ms > last_ms ? rows[i].time_ms : last_ms;
    }
    span = (uint64_t)last_ms - (uint64_t)first_ms;
    if (!ascend && span >> (DIGIT_BITS * DIGIT_PASSES) != 0) {
        qsort(rows, count, sizeof(*rows), row_compare);
        return rows;
    }
    for (uint32_t shift = 0; !ascend && span >> shift != 0; shift += DIGIT_BITS) {
        struct ref *swap = rows;

        pass_by_digit(rows, spare, count, first_ms, shift);
        rows = spare;
        spare = swap;
    }
    ties_sort(rows, count);
    return rows;
}

/* The rows of a dense batch in order; NULL: they are. */
static struct ref *sorted_rows(struct gate *gate, const struct batch *batch, uint32_t port)
{
    const int64_t *time = batch_time(batch);
    const uint64_t *order = batch_order(batch);
    struct ref *rows, *sorted;

    if (in_order(batch))
        return NULL;
    rows = memory_grow(NULL, batch->rows, sizeof(*rows));
    gate->ref_count = 0;
    refs_reserve(gate, batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++)
        rows[row] = (struct ref){time[row], order[row], port, 0, row};
    sorted = rows_sort(rows, gate->spare, batch->rows);
    if (sorted != rows)
        memcpy(rows, sorted, batch->rows * sizeof(*rows));
    return rows;
}

static int64_t held_time(const struct held *held, uint32_t at)
{
    return held->rows ? held->rows[at].time_ms : batch_time(held->batch)[at];
}

void gate_put(struct gate *gate, uint32_t port, uint32_t lane, struct batch *batch)
{
    struct held held = {.port = port, .lane = lane, .sequence = gate->sequence++};

    if (batch->selected == 0) {
        batch_release(&batch);
        return;
    }
    held.batch = batch_dense(batch);
    batch_release(&batch);
    held.rows = sorted_rows(gate, held.batch, port);
    held.time_ms = held_time(&held, 0);
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

/* The first row past a time. */
static uint32_t held_end(const struct held *held, int64_t last_ms)
{
    uint32_t low = held->at, high = held->batch->rows;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (held_time(held, middle) <= last_ms)
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
    struct ref *to;

    refs_reserve(gate, end - held->at);
    to = gate->refs + gate->ref_count;
    for (uint32_t k = held->at; k < end; k++) {
        *to = held->rows ? held->rows[k] : (struct ref){time[k], order[k], held->port, source, k};
        to++->source = source;
    }
    gate->ref_count += end - held->at;
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
        const struct plan_table *table = gate->tables[i].table;
        int64_t delay_ms = gate->tables[i].delay_ms;
        int64_t version = replica_version_at(table, time_ms, delay_ms);
        int64_t period = table->period_ms > 0 ? table->period_ms : 1;

        if (version <= INT64_MAX - period - delay_ms && version + delay_ms + period - 1 < last_ms)
            last_ms = version + delay_ms + period - 1;
    }
    return last_ms;
}

static bool is_whole(const struct gate *gate, const struct ref *refs, uint32_t count)
{
    if (count != gate->out[refs[0].source].batch->rows)
        return false;
    for (uint32_t k = 0; k < count; k++)
        if (refs[k].source != refs[0].source || refs[k].row != k)
            return false;
    return true;
}

/* The batch of these rows: a reference where they are a whole one. */
static struct batch *gather(struct gate *gate, const struct ref *refs, uint32_t count)
{
    uint32_t rows[BATCH_ROWS_MAX], sources[BATCH_ROWS_MAX], used = 0;

    if (is_whole(gate, refs, count)) {
        batch_ref(gate->out[refs[0].source].batch);
        return gate->out[refs[0].source].batch;
    }
    for (uint32_t s = 0; s < gate->out_count; s++)
        gate->places[s] = UINT32_MAX;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t *place = &gate->places[refs[k].source];

        if (*place == UINT32_MAX) {
            gate->batches[used] = gate->out[refs[k].source].batch;
            *place = used++;
        }
        sources[k] = *place;
        rows[k] = refs[k].row;
    }
    return used == 1 ? batch_gather(gate->batches[0], rows, count)
                     : batch_merge(gate->batches, used, sources, rows, count);
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
        item_add(items, refs[0].port, gather(gate, refs, end - begin));
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
            gate->batches = memory_grow(gate->batches, gate->out_capacity, sizeof(struct batch *));
            gate->places = memory_grow(gate->places, gate->out_capacity, sizeof(*gate->places));
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
    last_ms = held_time(first, first->batch->rows - 1);
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
            held_close(held);
            continue;
        }
        held->time_ms = held_time(held, held->at);
        heap_push(gate, held);
    }
    return true;
}

/* ---- snapshots ---- */
/* Selections are ascending: rows go in their order of arrival, and are sorted again. */
static struct batch *rows_left(const struct held *held)
{
    uint32_t left = held->batch->rows - held->at;
    uint32_t *rows = memory_array(left, sizeof(*rows)), count = 0;
    bool *gone = memory_array(held->batch->rows, sizeof(*gone));
    struct batch *batch;

    for (uint32_t k = 0; k < held->at; k++)
        gone[held->rows ? held->rows[k].row : k] = true;
    for (uint32_t row = 0; row < held->batch->rows; row++)
        if (!gone[row])
            rows[count++] = row;
    CHECK(count == left);
    batch = batch_select(held->batch, rows, left);
    memory_free(rows);
    memory_free(gone);
    return batch;
}

struct held_rows *gate_held(const struct gate *gate, uint32_t *count)
{
    struct held *sorted = memory_array(gate->count, sizeof(*sorted));
    struct held_rows *held = memory_array(gate->count, sizeof(*held));

    for (uint32_t i = 0; i < gate->count; i++)
        sorted[i] = gate->heap[i];
    qsort(sorted, gate->count, sizeof(*sorted), out_compare);
    for (uint32_t i = 0; i < gate->count; i++) {
        held[i] = (struct held_rows){sorted[i].port, rows_left(&sorted[i])};
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
