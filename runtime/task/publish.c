/* See publish.h. A cell is a u64 (bytes in use, itself too; 0: new), then packed rows (row.h) of one
 * key by version: the newest that is complete, which a reader may still ask for, and those after it.
 * Cells grow only: one that shrank and grew with each version would leave a copy of itself in the log
 * each time. */
#include "runtime/task/publish.h"

#include "runtime/base/check.h"
#include "runtime/task/replica.h"
#include "runtime/task/subtask.h"

#include <inttypes.h>
#include <string.h>

#define ROWS_BEGIN sizeof(uint64_t)
#define ROW_SIZE_AT 16 /* of a packed row: its size, u32 */

struct publisher {
    const struct plan_table *table;
    const struct op *from; /* whose rows these are */
    struct bytes packed;   /* a row in work */
};

uint32_t publish_count(const struct plan_op *op)
{
    uint32_t count = 0;

    for (uint32_t port = 0; port < op->output_count; port++)
        count += op->outputs[port].table != FIELD_NONE;
    return count;
}

static int64_t packed_version(const uint8_t *row)
{
    int64_t version;

    memcpy(&version, row, sizeof(version));
    return version;
}

static uint32_t packed_size(const uint8_t *row)
{
    uint32_t size;

    memcpy(&size, row + ROW_SIZE_AT, sizeof(size));
    return size;
}

static uint32_t cell_used(const uint8_t *cell)
{
    uint64_t used;

    memcpy(&used, cell, sizeof(used));
    return used == 0 ? ROWS_BEGIN : (uint32_t)used;
}

/* Versions up to this time are whole at the next barrier, and no reader lags behind them: of older rows
 * of a key only the newest may be asked for, also after a restore. An operator in order of time is done
 * with all before the row of `version` that it sends; one that sends in on_watermark is done with what
 * it is told, at the end of many windows in several calls, before its watermark comes here: no barrier
 * comes between. Readers lag by their delay. */
static int64_t complete_ms(const struct op *op, int64_t version)
{
    const struct publisher *publisher = op->scratch;
    const struct op *from = publisher->from;
    int64_t done_ms = op->watermark_ms > from->telling_ms ? op->watermark_ms : from->telling_ms;
    int64_t delay_ms = publisher->table->delay_ms;

    if (delay_ms == 0)
        return from->sorted || done_ms == INT64_MAX ? INT64_MAX : done_ms + 1;
    if (from->sorted && version > INT64_MIN + 2 && version - 2 > done_ms)
        done_ms = version - 2;
    if (done_ms == INT64_MAX)
        return INT64_MAX;
    return done_ms < INT64_MIN + delay_ms ? INT64_MIN : done_ms + 1 - delay_ms;
}

/* What of a cell stays when a row of `version` comes: [*begin, *end). */
static void kept_rows(const uint8_t *cell, uint32_t size, int64_t complete, int64_t version,
                      uint32_t *begin, uint32_t *end)
{
    *begin = *end = ROWS_BEGIN;
    for (uint32_t at = ROWS_BEGIN; at < size; at += packed_size(cell + at)) {
        if (packed_version(cell + at) >= version)
            return;
        if (packed_version(cell + at) <= complete)
            *begin = at;
        *end = at + packed_size(cell + at);
    }
    if (version <= complete)
        *begin = *end;
}

static bool keep_row(struct op *op, uint32_t row, int64_t version, struct error *err)
{
    const struct publisher *publisher = op->scratch;
    uint32_t size = op_cell_size(op, 0, row), packed = (uint32_t)publisher->packed.size;
    uint8_t *cell = op_cells(op, 0)[row];
    uint32_t begin, end, kept;
    uint64_t used;

    kept_rows(cell, cell_used(cell), complete_ms(op, version), version, &begin, &end);
    kept = end - begin;
    memmove(cell + ROWS_BEGIN, cell + begin, kept);
    used = ROWS_BEGIN + kept + packed;
    if (used > size) /* more than it needs: a row that grows moves seldom */
        cell = op_cell_resize(op, 0, row, (uint32_t)(used + used / 4));
    if (used > size && !cell)
        cell = op_cell_resize(op, 0, row, (uint32_t)used);
    if (!cell)
        return error_set(
            err, ERROR_CONFIG, op->id,
            publisher->table->delay_ms
                ? "publish fewer or smaller columns, or at longer periods, or read the "
                  "table with a shorter delay"
                : "publish fewer or smaller columns",
            "the rows of one key have %" PRIu64 " bytes, more than %u", used, CELL_SIZE_MAX);
    memcpy(cell, &used, sizeof(used));
    memcpy(cell + ROWS_BEGIN + kept, publisher->packed.data, packed);
    return true;
}

static void send_row(struct builder *out, const struct key *key, const uint8_t *row, size_t size)
{
    enum { HASH, KEY, VERSION, ROW };
    int64_t version = packed_version(row);

    builder_row(out, version - 1, 0, 0);
    builder_i64(out, HASH, (int64_t)key->hash);
    builder_text(out, KEY, (const char *)key->data, key->size);
    builder_i64(out, VERSION, version);
    builder_text(out, ROW, (const char *)row, size);
}

static bool publish_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct publisher *publisher = op->scratch;
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    const int64_t *time = batch_time(in);

    (void)port;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        int64_t version = time[row] == INT64_MAX ? INT64_MAX : time[row] + 1;
        struct key key = key_of(in, row);

        publisher->packed.size = 0;
        table_row_pack(publisher->table->schema, in, row, version, &publisher->packed);
        if (!keep_row(op, row, version, err))
            return false;
        send_row(out, &key, publisher->packed.data, publisher->packed.size);
    }
    return true;
}

static const struct operator_def publish_def = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "publish",
    .help = "Sends the rows of a table to the workers that read it.",
    .deterministic = true,
    .process = publish_process,
};

bool publish_is(const struct op *op)
{
    return op->def == &publish_def;
}

static void open_output(struct op *op, struct subtask *subtask, uint32_t table)
{
    struct task_host *host = subtask->host;
    struct edge_out *edge = arena_new(subtask->arena, sizeof(*edge));

    op->output_count = 1;
    op->outputs = arena_new(subtask->arena, sizeof(*op->outputs));
    *op->outputs = (struct output){.schema = table_delta_schema(), .edge_count = 1, .edges = edge};
    *edge = (struct edge_out){
        .subtask = subtask, .partition = PARTITION_BROADCAST, .schema = table_delta_schema()};
    edge->targets = arena_new(subtask->arena, host->workers * sizeof(*edge->targets));
    for (uint32_t worker = 0; worker < host->workers; worker++) {
        struct channel *channel = host->table_channel(host, table, subtask->number, worker);

        if (channel)
            edge->targets[edge->target_count++] =
                (struct target){.channel = channel, .local = worker == host->worker};
    }
    edge_open(edge, 0);
}

static const struct op *subtask_op(const struct subtask *subtask, const struct plan_op *plan)
{
    for (uint32_t i = 0; i < subtask->chain->op_count; i++)
        if (subtask->ops[i].plan == plan)
            return &subtask->ops[i];
    CHECK(!"an operator of the chain");
    return NULL;
}

void publish_open(struct op *op, struct subtask *subtask, uint32_t table, struct store_state *state)
{
    const struct plan_table *plan = &subtask->plan->tables[table];
    struct publisher *publisher = arena_new(subtask->arena, sizeof(*publisher));
    struct plan_input *input = arena_new(subtask->arena, sizeof(*input));
    const struct plan_op *from = &subtask->plan->ops[plan->from];

    publisher->table = plan;
    publisher->from = subtask_op(subtask, from);
    *input = (struct plan_input){.connected = true, .keyed = true, .schema = plan->schema};
    op->subtask = subtask;
    op->plan = from;
    op->def = &publish_def;
    op->id = plan->from_port == 0 ? arena_format(subtask->arena, "%s.@table", from->id)
                                  : arena_format(subtask->arena, "%s.@table.%s", from->id,
                                                 from->def->outputs[plan->from_port].name);
    op->scratch = publisher;
    op->input_count = 1;
    op->inputs = input;
    op->timer_state = FIELD_NONE;
    op->watermark_ms = op->told_ms = op->telling_ms = op->row_ms = INT64_MIN;
    *state = (struct store_state){.name = op->id, .kind = STORE_LIST, .size = ROWS_BEGIN};
    if (plan->keep_ms) /* no version that may be asked for is older than the delay and a period */
        state->ttl_ms = plan->keep_ms + plan->delay_ms + 2 * plan->period_ms;
    open_output(op, subtask, table);
}

void publish_close(struct op *op)
{
    struct publisher *publisher = op->scratch;

    bytes_clear(&publisher->packed);
}

static void resend(void *context, const struct key *key, const void *cell, uint32_t size)
{
    struct op *op = context;
    const uint8_t *rows = cell;
    uint32_t used = cell_used(cell);

    if (used > size)
        return; /* not a cell of ours */
    for (uint32_t at = ROWS_BEGIN; at < used; at += packed_size(rows + at)) {
        if (!table_row_check(((struct publisher *)op->scratch)->table->schema, rows + at,
                             packed_size(rows + at)))
            return; /* of another schema: the row will be published anew */
        send_row(op_reserve(op, 0, 1), key, rows + at, packed_size(rows + at));
        if (builder_rows(op->outputs[0].builder) >= BATCH_ROWS_MAX)
            op_send_built(op);
    }
}

void publish_watch(struct op *op)
{
    store_restore_watch(op->subtask->store, op->state_first, resend, op);
}
