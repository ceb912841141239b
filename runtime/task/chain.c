/* Calls of the operators of a chain: rows, timers and watermarks in the order that each needs.
 *
 * An operator whose rows come sorted gets them between its timers: rows up to a timer's time first,
 * then the timer, then later rows. Since the next timer may be set by a row of the same batch, the
 * batch is cut. With a version period it is cut at its multiples (timers must not be due earlier);
 * without one where a key comes again at a later time, as timers of one key do not matter to
 * another. on_watermark is called at the multiples too (less 1, as they are window ends): at the first
 * after rows or timers and at the last before a row. Whether it is called within an empty stretch must
 * not matter, as it does not where results follow from state. */
#include "runtime/task/op.h"
#include "runtime/task/sink.h"

#include "runtime/base/check.h"
#include "runtime/task/subtask.h"

#define CALL_NS 1000000  /* a call of process, about */
#define CALL_ROWS_MIN 32 /* or as many as there are */

bool chain_quiet(const struct subtask *subtask)
{
    for (uint32_t i = 0; i < subtask->op_count; i++)
        if (subtask->ops[i].items.count > 0)
            return false;
    return true;
}

static enum progress op_fail(struct op *op)
{
    error_wrap(&op->subtask->err, "operator %s, subtask %u", op->id, op->subtask->number);
    return PROGRESS_FAILED;
}

/* ---- calls ---- */
static enum progress call_end(struct op *op, bool good)
{
    for (uint32_t i = 0; i < op->state_count; i++)
        op->states[i].resolved = op->states[i].linked = false;
    op_send_built(op);
    op->call = CALL_NONE;
    if (!good || op->subtask->err.code != ERROR_NONE)
        return op_fail(op);
    return PROGRESS_DONE;
}

/* ---- cells ---- */
static bool has_cells(const struct op *op, uint32_t state, bool panes)
{
    switch (op->subtask->states[op->state_first + state].kind) {
    case STORE_VALUE:
    case STORE_LIST:
        return true;
    case STORE_PANE:
        return panes;
    case STORE_MAP:
    case STORE_TIMER:
        return false;
    }
    return false;
}

static enum progress resolved(struct op *op, uint32_t state, enum store_result result)
{
    switch (result) {
    case STORE_READY:
        op->states[state].resolved = true;
        return PROGRESS_DONE;
    case STORE_LOADING:
        return PROGRESS_NONE;
    case STORE_FAILED:
        return op_fail(op);
    }
    return PROGRESS_FAILED;
}

static enum progress resolve_batch(struct op *op, const struct batch *batch)
{
    enum progress progress = PROGRESS_DONE;

    for (uint32_t i = 0; i < op->state_count && progress == PROGRESS_DONE; i++)
        if (has_cells(op, i, true))
            progress = resolved(op, i,
                                store_resolve(op->subtask->store, op->state_first + i, batch,
                                              op->states[i].cells, &op->subtask->err));
    return progress;
}

static enum progress resolve_keys(struct op *op, const struct key *keys, const int64_t *times,
                                  uint32_t count)
{
    enum progress progress = PROGRESS_DONE;

    for (uint32_t i = 0; i < op->state_count && progress == PROGRESS_DONE; i++)
        if (has_cells(op, i, false))
            progress =
                resolved(op, i,
                         store_resolve_keys(op->subtask->store, op->state_first + i, keys, times,
                                            count, op->states[i].cells, &op->subtask->err));
    return progress;
}

/* ---- timers ---- */
static int64_t timer_next(const struct op *op)
{
    return op->timer_state == FIELD_NONE ? INT64_MAX
                                         : store_timer_next(op->subtask->store, op->timer_state);
}

/* Their key bytes are copied: the call may have to wait for cells. */
static void timers_take(struct op *op, int64_t until_ms)
{
    struct due *due = op->due;
    size_t at = 0;

    CHECK(due); /* whoever has timers has room for those that are due */
    due->rows = store_timer_take(op->subtask->store, op->timer_state, until_ms, due->keys,
                                 due->times, BATCH_ROWS_MAX);
    due->bytes.size = 0;
    for (uint32_t row = 0; row < due->rows; row++)
        bytes_put(&due->bytes, due->keys[row].data, due->keys[row].size);
    for (uint32_t row = 0; row < due->rows; at += due->keys[row++].size)
        due->keys[row].data = due->bytes.data + at;
}

static enum progress timers_fire(struct op *op)
{
    struct due *due = op->due;
    enum progress progress = resolve_keys(op, due->keys, due->times, due->rows);
    bool good;

    if (progress != PROGRESS_DONE)
        return progress;
    op->call = CALL_TIMER;
    good = op->def->on_timer(op, due, &op->subtask->err);
    progress = call_end(op, good);
    due->rows = 0;
    return progress;
}

/* ---- watermarks ---- */
/* PROGRESS_NONE with op->again: it wants to be called again for this time. */
static enum progress tell_watermark(struct op *op, int64_t time_ms)
{
    static const struct key empty = {(const uint8_t *)"", 0, 0};
    struct key key = empty;
    enum progress progress;
    bool good;

    if (!op->def->on_watermark || time_ms <= op->told_ms)
        return PROGRESS_DONE;
    if (op->global) { /* its one cell is at hand, as in a batch */
        key.hash = hash_bytes(key.data, 0);
        progress = resolve_keys(op, &key, &time_ms, 1);
        if (progress != PROGRESS_DONE)
            return progress;
    }
    op->call = CALL_WATERMARK;
    op->telling_ms = time_ms;
    good = op->def->on_watermark(op, time_ms, &op->subtask->err);
    if (!op->again)
        op->told_ms = time_ms; /* in the call, op_watermark is still the one before */
    progress = call_end(op, good);
    return progress == PROGRESS_DONE && op->again ? PROGRESS_NONE : progress;
}

bool op_flush(struct op *op)
{
    bool good;

    if (!op->def->flush)
        return true;
    op->call = CALL_FLUSH;
    good = op->def->flush(op, &op->subtask->err);
    return call_end(op, good) == PROGRESS_DONE;
}

/* The first multiple of the period, less 1, at or after a time. */
static int64_t period_end(const struct op *op, int64_t time_ms)
{
    int64_t period = op->period_ms, rest = time_ms % period;

    rest += rest < 0 ? period : 0;
    return time_ms > INT64_MAX - period ? INT64_MAX : time_ms + (period - 1 - rest);
}

/* The last multiple of the period, less 1, at or before a time; INT64_MIN when on_watermark need not
 * be called there. */
static int64_t period_last(const struct op *op, int64_t time_ms)
{
    int64_t period = op->period_ms, rest;

    if (period == 0 || !op->def->on_watermark || time_ms == INT64_MAX ||
        time_ms < INT64_MIN + period)
        return INT64_MIN;
    rest = (time_ms + 1) % period;
    return time_ms - (rest < 0 ? rest + period : rest);
}

/* Where the operator must be called next although no watermark or row is there yet. */
static int64_t next_end(const struct op *op, int64_t timer_ms)
{
    int64_t from = op->row_ms != INT64_MIN && op->row_ms < timer_ms ? op->row_ms : timer_ms;

    return op->period_ms == 0 || from == INT64_MAX ? INT64_MAX : period_end(op, from);
}

/* Timers due at or before a time, and on_watermark at ends of periods up to it. PROGRESS_NONE: has
 * to wait for cells; call again. */
static enum progress advance(struct op *op, int64_t limit_ms)
{
    for (;;) {
        enum progress progress = PROGRESS_DONE;
        int64_t timer_ms, end_ms, stop_ms;

        if (op->due && op->due->rows > 0) {
            progress = timers_fire(op);
            if (progress != PROGRESS_DONE)
                return progress;
            continue;
        }
        timer_ms = timer_next(op);
        end_ms = next_end(op, timer_ms);
        stop_ms = end_ms < limit_ms ? end_ms : limit_ms;
        if (timer_ms <= stop_ms && timer_ms != INT64_MAX) {
            timers_take(op, stop_ms);
            if (op->due->rows > 0 || timer_next(op) != timer_ms)
                continue;
            end_ms = next_end(op, INT64_MAX); /* timer_next was early */
        }
        if (end_ms > limit_ms || end_ms == INT64_MAX)
            return tell_watermark(op, period_last(op, limit_ms));
        progress = tell_watermark(op, end_ms);
        if (progress != PROGRESS_DONE)
            return progress;
        op->row_ms = INT64_MIN;
    }
}

static enum progress work_watermark(struct op *op, int64_t time_ms)
{
    enum progress progress;

    if (time_ms > op->watermark_ms) {
        progress = advance(op, time_ms);
        if (progress != PROGRESS_DONE)
            return progress;
        progress = tell_watermark(op, time_ms);
        if (progress != PROGRESS_DONE)
            return progress;
        op->watermark_ms = time_ms;
        op_pass_watermark(op, time_ms);
    }
    items_pop(&op->items);
    return PROGRESS_DONE;
}

/* ---- rows ---- */
/* Rows of a sorted batch from `begin` on, of which no key has come at an earlier time. */
static uint32_t end_of_keys(const struct batch *batch, uint32_t begin, uint32_t end)
{
    uint32_t first[2 * BATCH_ROWS_MAX];
    const uint32_t slots = 2 * BATCH_ROWS_MAX;
    const uint64_t *hash = batch_hash(batch);
    const int64_t *time = batch_time(batch);

    for (uint32_t i = 0; i < slots; i++)
        first[i] = UINT32_MAX;
    for (uint32_t row = begin; row < end; row++) {
        uint32_t at = (uint32_t)((hash[row] >> 32) * slots >> 32);

        while (first[at] != UINT32_MAX && hash[first[at]] != hash[row])
            at = at + 1 == slots ? 0 : at + 1;
        if (first[at] == UINT32_MAX)
            first[at] = row;
        else if (time[first[at]] != time[row])
            return row;
    }
    return end;
}

static uint32_t end_of_time(const struct batch *batch, uint32_t begin, uint32_t end,
                            int64_t last_ms)
{
    const int64_t *time = batch_time(batch);

    while (begin < end) { /* the first row past it */
        uint32_t middle = begin + (end - begin) / 2;

        if (time[middle] <= last_ms)
            begin = middle + 1;
        else
            end = middle;
    }
    return end;
}

/* As many rows as one call may have: of a slow operator no more than take about CALL_NS, so that
 * other tasklets of the slot, and barriers, are not held up. */
static uint32_t slice_rows(struct op *op)
{
    uint32_t cut = subtask_cut(op->subtask);
    int64_t rows;

    if (op->row_ns * BATCH_ROWS_MAX <= 2 * CALL_NS)
        return cut;
    rows = CALL_NS / op->row_ns;
    rows = rows < CALL_ROWS_MIN ? CALL_ROWS_MIN : rows;
    return rows < cut ? (uint32_t)rows : cut;
}

/* Where the rows from item->at on must be cut. A rest that is no more than that goes along: to cut it
 * off would copy both parts. */
static uint32_t slice_end(struct op *op, const struct item *item)
{
    uint32_t end = item->batch->selected, cut = slice_rows(op);
    int64_t time_ms, timer_ms, stop_ms;

    if (end - item->at > BATCH_ROWS_MAX || (end - item->at) / 2 >= cut)
        end = item->at + cut;
    if (!op->sorted || (!op->due && op->period_ms == 0))
        return end;
    time_ms = batch_time(item->batch)[item->at];
    timer_ms = timer_next(op);
    stop_ms = op->period_ms > 0 ? period_end(op, time_ms) : INT64_MAX;
    if (timer_ms < stop_ms)
        stop_ms = timer_ms > time_ms ? timer_ms : time_ms;
    end = end_of_time(item->batch, item->at, end, stop_ms);
    if (op->due && op->period_ms == 0)
        end = end_of_keys(item->batch, item->at, end);
    return end;
}

static bool wants_dense(const struct op *op, uint32_t port)
{
    return !op->def->selective || op->sorted || (op->state_count > 0 && op->inputs[port].keyed);
}

/* A sink reads its rows where they are; others may compute for whole columns, and get a copy. */
static struct batch *slice_make(const struct op *op, const struct item *item, uint32_t end)
{
    const struct batch *batch = item->batch;
    uint32_t rows[BATCH_ROWS_MAX], count = end - item->at;

    if (count == batch->selected) {
        batch_ref(item->batch);
        return item->batch;
    }
    for (uint32_t k = 0; k < count; k++)
        rows[k] = batch_row(batch, item->at + k);
    if (op->output_count == 0 && !wants_dense(op, item->port))
        return batch_select(batch, rows, count);
    return batch_gather(batch, rows, count);
}

static enum progress slice_take(struct op *op, struct item *item)
{
    enum progress progress;
    uint32_t end;

    if (item->at == 0 && wants_dense(op, item->port)) {
        struct batch *dense = batch_dense(item->batch);

        batch_release(&item->batch);
        item->batch = dense;
    }
    if (op->sorted) {
        int64_t time_ms = batch_time(item->batch)[item->at];

        progress = time_ms == INT64_MIN ? PROGRESS_DONE : advance(op, time_ms - 1);
        if (progress != PROGRESS_DONE)
            return progress;
    }
    end = slice_end(op, item);
    CHECK(end > item->at);
    op->slice = slice_make(op, item, end);
    op->slice_port = item->port;
    item->at = end;
    return PROGRESS_DONE;
}

static void time_rows(struct op *op, int64_t begin_ns, uint32_t rows)
{
    int64_t row_ns = (clock_now_ns(op->subtask->host->clock) - begin_ns) / rows;

    op->row_ns += (row_ns - op->row_ns) / 8;
}

static enum progress slice_process(struct op *op)
{
    struct batch *slice = op->slice;
    enum progress progress = PROGRESS_DONE;
    int64_t begin_ns;
    bool good;

    if (op->state_count > 0 && op->inputs[op->slice_port].keyed)
        progress = resolve_batch(op, slice);
    if (progress != PROGRESS_DONE)
        return progress;
    op_tables_pin(op, batch_time(slice)[batch_row(slice, 0)]);
    op->call = CALL_BATCH;
    figure_add(&op->rows_in[op->slice_port], slice->selected);
    sink_delay(op);
    begin_ns = clock_now_ns(op->subtask->host->clock);
    good = op->def->process(op, op->slice_port, slice, &op->subtask->err);
    progress = call_end(op, good);
    time_rows(op, begin_ns, slice->selected);
    if (op->sorted)
        op->row_ms = batch_time(slice)[slice->rows - 1];
    batch_release(&op->slice);
    return progress;
}

static enum progress work_batch(struct op *op, struct item *item)
{
    enum progress progress;

    if (!op->slice) {
        progress = item->batch->selected > 0 ? slice_take(op, item) : PROGRESS_DONE;
        if (progress != PROGRESS_DONE)
            return progress;
    }
    progress = op->slice ? slice_process(op) : PROGRESS_DONE;
    if (progress == PROGRESS_DONE && item->at == item->batch->selected)
        items_pop(&op->items);
    return progress;
}

static enum progress op_work(struct op *op)
{
    struct item *item = items_first(&op->items);

    switch (item->kind) {
    case ITEM_BATCH:
        return work_batch(op, item);
    case ITEM_WATERMARK:
        return work_watermark(op, item->time_ms);
    }
    return PROGRESS_NONE;
}

/* An operator that has more to send than a batch waits for room between its calls. */
enum progress chain_work(struct subtask *subtask)
{
    for (uint32_t i = subtask->op_count; i-- > 0;) {
        struct op *op = &subtask->ops[i];
        enum progress progress;

        if (op->items.count == 0)
            continue;
        if (op->again && !outputs_pump(subtask))
            return PROGRESS_FULL;
        op->again = false;
        progress = op_work(op);
        return progress == PROGRESS_NONE && op->again ? PROGRESS_DONE : progress;
    }
    return PROGRESS_NONE;
}

void op_pass_watermark(struct op *op, int64_t time_ms)
{
    op_send_built(op);
    for (uint32_t port = 0; port < op->output_count; port++) {
        struct output *output = &op->outputs[port];

        for (uint32_t e = 0; e < output->edge_count; e++)
            edge_watermark(&output->edges[e], time_ms);
    }
}
