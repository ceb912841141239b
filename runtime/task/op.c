/* What an operator calls; see runtime/api/operator.h. */
#include "runtime/task/op.h"

#include "runtime/base/check.h"
#include "runtime/task/source.h"
#include "runtime/task/subtask.h"

#include <stdio.h>

#define TIMERS_AHEAD 16u /* whose slots are fetched before they are set */

/* ---- items ---- */
static void items_grow(struct items *items)
{
    uint32_t capacity = items->capacity ? items->capacity * 2 : 8;
    struct item *ring = memory_array(capacity, sizeof(*ring));

    for (uint32_t i = 0; i < items->count; i++)
        ring[i] = items->ring[(items->head + i) & (items->capacity - 1)];
    memory_free(items->ring);
    items->ring = ring;
    items->head = 0;
    items->capacity = capacity;
}

struct item *items_push(struct items *items)
{
    struct item *item;

    if (items->count == items->capacity)
        items_grow(items);
    item = &items->ring[(items->head + items->count++) & (items->capacity - 1)];
    *item = (struct item){0};
    return item;
}

void items_pop(struct items *items)
{
    CHECK(items->count > 0);
    batch_release(&items_first(items)->batch);
    items->head++;
    items->count--;
}

void items_clear(struct items *items)
{
    while (items->count > 0)
        items_pop(items);
    memory_free(items->ring);
    *items = (struct items){0};
}

/* ---- the instance ---- */
const void *op_config(const struct op *op)
{
    return op->plan->config;
}

void *op_memory(struct op *op, size_t size)
{
    CHECK(op->call == CALL_OPEN);
    return arena_new(op->arena, size);
}

void *op_scratch(const struct op *op)
{
    return op->scratch;
}

void op_set_scratch(struct op *op, void *scratch)
{
    op->scratch = scratch;
}

bool op_restored(const struct op *op)
{
    return op->subtask->restored;
}

const char *op_id(const struct op *op)
{
    return op->id;
}

const char *op_subtask_name(const struct op *op)
{
    return op->subtask_name;
}

uint64_t op_seed(const struct op *op)
{
    return op->seed;
}

const struct schema *op_input_schema(const struct op *op, uint32_t port)
{
    CHECK(port < op->input_count);
    return op->inputs[port].schema;
}

const struct schema *op_output_schema(const struct op *op, uint32_t port)
{
    CHECK(port < op->output_count);
    return op->outputs[port].schema;
}

bool op_output_used(const struct op *op, uint32_t port)
{
    CHECK(port < op->output_count);
    return op->outputs[port].edge_count > 0;
}

bool op_output_reads(const struct op *op, uint32_t port, uint32_t column)
{
    CHECK(port < op->output_count && column < op->outputs[port].schema->count);
    for (uint32_t e = 0; e < op->outputs[port].edge_count; e++) {
        const struct edge_out *edge = &op->outputs[port].edges[e];

        if (!edge->columns)
            return true;
        for (uint32_t i = 0; i < edge->schema->count; i++)
            if (edge->columns[i] == column)
                return true;
    }
    return false;
}

int64_t op_watermark(const struct op *op)
{
    /* Ends of periods between rows are told ahead of the input's watermark. */
    return op->told_ms > op->watermark_ms ? op->told_ms : op->watermark_ms;
}

bool error_option(struct error *err, const struct op *op, const char *option, const char *what,
                  const char *how)
{
    char where[2 * NAME_SIZE_MAX + 16];

    (void)snprintf(where, sizeof(where), "operator %s.%s", op->id, option);
    return error_set(err, ERROR_CONFIG, where, how, "%s", what);
}

/* ---- sending ---- */
struct builder *op_reserve(struct op *op, uint32_t port, uint32_t rows)
{
    struct output *output = &op->outputs[port];

    CHECK(port < op->output_count && output->schema);
    if (!output->builder)
        output->builder = builder_create(output->schema, false);
    /* Full batches leave at once, but not those of a source: it may have to take its rows back. */
    if (builder_rows(output->builder) >= BATCH_ROWS_MAX && op->call != CALL_NONE)
        op_send_port(op, port);
    builder_reserve(output->builder, rows < BATCH_ROWS_MAX ? rows : BATCH_ROWS_MAX);
    return output->builder;
}

void op_send_port(struct op *op, uint32_t port)
{
    struct output *output = &op->outputs[port];
    struct batch *batch;

    if (!output->builder || builder_rows(output->builder) == 0)
        return;
    batch = builder_finish(output->builder);
    output_send(op, port, batch);
    batch_release(&batch);
}

void op_send_built(struct op *op)
{
    for (uint32_t port = 0; port < op->output_count; port++)
        op_send_port(op, port);
}

void op_emit(struct op *op, uint32_t port, struct batch **batch)
{
    CHECK(port < op->output_count);
    op_send_port(op, port);
    output_send(op, port, *batch);
    batch_release(batch);
}

void op_wake(struct op *op)
{
    CHECK(op->subtask->source);
    source_wake(op->subtask->source);
}

void op_count(struct op *op, uint32_t counter, uint64_t more)
{
    CHECK(counter < PORTS_MAX);
    figure_add(&op->counters[counter], more);
}

void op_later(struct op *op, bool (*run)(void *context, struct error *err),
              void (*end)(void *context), void *context)
{
    struct later *later = memory_new(sizeof(*later)), **at = &op->subtask->later;

    while (*at)
        at = &(*at)->next;
    *later = (struct later){.run = run, .end = end, .context = context, .id = op->id};
    *at = later;
}

/* ---- state ---- */
static uint32_t call_rows(const struct op *op)
{
    switch (op->call) {
    case CALL_BATCH:
        return batch_rows(op->slice);
    case CALL_TIMER:
        return op->due->rows;
    case CALL_WATERMARK:
    case CALL_FLUSH:
        return op->global ? 1 : 0;
    case CALL_NONE:
    case CALL_OPEN:
        return 0;
    }
    return 0;
}

static struct key call_key(const struct op *op, uint32_t row)
{
    static const struct key empty = {(const uint8_t *)"", 0, 0};
    struct key key = empty;

    CHECK(row < call_rows(op));
    if (op->call == CALL_BATCH)
        return key_of(op->slice, row);
    if (op->call == CALL_TIMER)
        return op->due->keys[row];
    key.hash = hash_bytes(key.data, 0);
    return key;
}

void *const *op_cells(struct op *op, uint32_t state)
{
    CHECK(state < op->state_count && op->states[state].resolved);
    return op->states[state].cells;
}

uint32_t op_cell_size(const struct op *op, uint32_t state, uint32_t row)
{
    CHECK(state < op->state_count && row < call_rows(op));
    return store_cell_size(op->subtask->store, op->state_first + state,
                           op->states[state].cells[row]);
}

/* Joins rows with one cell into rings, so that a resize finds them all. */
static void cells_link(struct op_cells *cells, uint32_t rows)
{
    uint32_t heads[2 * BATCH_ROWS_MAX];
    const uint32_t slots = 2 * BATCH_ROWS_MAX;

    if (!cells->same)
        cells->same = memory_array(BATCH_ROWS_MAX, sizeof(*cells->same));
    for (uint32_t i = 0; i < slots; i++)
        heads[i] = UINT32_MAX;
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t word = (uint64_t)(uintptr_t)cells->cells[row] * UINT64_C(0x9e3779b97f4a7c15);
        uint32_t at = (uint32_t)((word >> 32) * slots >> 32);

        while (heads[at] != UINT32_MAX && cells->cells[heads[at]] != cells->cells[row])
            at = at + 1 == slots ? 0 : at + 1;
        if (heads[at] == UINT32_MAX) {
            heads[at] = row;
            cells->same[row] = row;
        } else {
            cells->same[row] = cells->same[heads[at]];
            cells->same[heads[at]] = row;
        }
    }
    cells->linked = true;
}

void *op_cell_resize(struct op *op, uint32_t state, uint32_t row, uint32_t size)
{
    struct op_cells *cells = &op->states[state];
    void *old, *moved;

    CHECK(state < op->state_count && cells->resolved && row < call_rows(op));
    old = cells->cells[row];
    moved = store_resize(op->subtask->store, op->state_first + state, old, size);
    if (!moved || moved == old)
        return moved;
    if (!cells->linked)
        cells_link(cells, call_rows(op));
    for (uint32_t at = row; cells->cells[at] != moved; at = cells->same[at])
        cells->cells[at] = moved;
    return moved;
}

void op_cell_remove(struct op *op, uint32_t state, uint32_t row)
{
    struct op_cells *cells = &op->states[state];

    CHECK(state < op->state_count && cells->resolved && row < call_rows(op) && cells->cells[row]);
    store_remove(op->subtask->store, op->state_first + state, cells->cells[row]);
    cells->cells[row] = NULL;
}

void *op_entry(struct op *op, uint32_t state, uint32_t row, const void *entry, uint32_t size,
               bool make)
{
    struct key key = call_key(op, row);
    struct error err; /* large, and whole once it has a code */
    void *cell;

    CHECK(state < op->state_count && size <= KEY_SIZE_MAX);
    cell = store_entry(op->subtask->store, op->state_first + state, &key, entry, size, make, &err);
    /* An entry that cannot be read fails the subtask after the call. */
    if (!cell && err.code != ERROR_NONE && op->subtask->err.code == ERROR_NONE)
        op->subtask->err = err;
    return cell;
}

bool op_entry_remove(struct op *op, uint32_t state, uint32_t row, const void *entry, uint32_t size)
{
    struct key key = call_key(op, row);
    struct error err; /* as in op_entry */

    CHECK(state < op->state_count && size <= KEY_SIZE_MAX);
    if (store_entry_remove(op->subtask->store, op->state_first + state, &key, entry, size, &err))
        return true;
    if (op->subtask->err.code == ERROR_NONE)
        op->subtask->err = err;
    return false;
}

/* ---- timers ---- */
static void timer_fetch(const struct op *op, uint32_t row)
{
    store_timer_fetch(op->subtask->store, op->timer_state, call_key(op, row).hash);
}

bool op_set_timers(struct op *op, const int64_t *due_ms, struct error *err)
{
    uint32_t rows = call_rows(op);

    CHECK(op->timer_state != FIELD_NONE);
    for (uint32_t row = 0; row < rows && row < TIMERS_AHEAD; row++)
        timer_fetch(op, row);
    for (uint32_t row = 0; row < rows; row++) {
        struct key key;

        if (row + TIMERS_AHEAD < rows)
            timer_fetch(op, row + TIMERS_AHEAD);
        if (due_ms[row] == INT64_MIN)
            continue;
        /* Rows are cut at multiples of the period only: none of the batch may be past a timer. */
        CHECK(op->period_ms == 0 || op->call != CALL_BATCH ||
              due_ms[row] >= batch_time(op->slice)[rows - 1]);
        key = call_key(op, row);
        if (!store_timer_set(op->subtask->store, op->timer_state, &key, due_ms[row], err))
            return false;
    }
    return true;
}

uint32_t due_rows(const struct due *due)
{
    return due->rows;
}

const struct key *due_key(const struct due *due, uint32_t row)
{
    CHECK(row < due->rows);
    return &due->keys[row];
}

const int64_t *due_time(const struct due *due)
{
    return due->times;
}

/* ---- panes ---- */
struct pane_call {
    struct op *op;
    pane_each *each;
    void *context;
};

static bool pane_call_each(void *context, const struct key *key, const void *cell,
                           struct error *err)
{
    const struct pane_call *call = context;

    return call->each(call->op, call->context, key, cell, err);
}

void op_again(struct op *op)
{
    CHECK(op->call == CALL_WATERMARK);
    op->again = true;
}

bool op_pane_scan(struct op *op, uint32_t state, int64_t begin_ms, int64_t end_ms, pane_each *each,
                  void *context, bool *more, struct error *err)
{
    struct pane_call call = {op, each, context};

    CHECK(state < op->state_count);
    return store_pane_scan(op->subtask->store, op->state_first + state, begin_ms, end_ms,
                           BATCH_ROWS_MAX, pane_call_each, &call, more, err);
}

int64_t op_pane_first(struct op *op, uint32_t state, int64_t from_ms)
{
    CHECK(state < op->state_count);
    return store_pane_first(op->subtask->store, op->state_first + state, from_ms);
}

void op_pane_drop(struct op *op, uint32_t state, int64_t before_ms)
{
    CHECK(state < op->state_count);
    store_pane_drop(op->subtask->store, op->state_first + state, before_ms);
}
