/* The operators of the simulated job: a source of made rows, an ordered counter a key, a window sum
 * that is read back as a table, a watch by timers, and a sink that commits to the ledger. Together
 * they use every kind of state, the gate, side outputs and a table. One more reads tables that are made
 * from its own rows, at a delay. */
#include "tests/sim/ledger.h"

#include "runtime/api/operator.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct option no_options[] = {{0}};

/* ---- sim/source ---- */
static const struct column_def event_row[] = {{"key", TYPE_I64},        {"value", TYPE_I64},
                                              {"time", TYPE_TIMESTAMP}, {"id", TYPE_I64},
                                              {"pad", TYPE_UTF8},       {0}};
static const struct port source_out[] = {
    {.name = "out", .columns = event_row}, {.name = "late", .columns = event_row}, {0}};

static bool source_splits(const void *config, struct split_list *out, struct error *err)
{
    (void)config;
    (void)err;
    for (uint32_t i = 0; i < SIM_SPLITS; i++)
        CHECK(split_list_add(out, "made", 0, SIM_ROWS));
    return true;
}

static bool source_open(struct op *op, struct error *err)
{
    (void)err;
    op_source_time(op, SIM_DISORDER_MS, 0);
    return true;
}

struct sim_reader {
    uint32_t split, row;
    uint32_t waited; /* rows that were there when it said that there were no more yet */
};

static void *source_split_open(struct op *op, const struct split *split,
                               const struct position *from, struct error *err)
{
    struct sim_reader *reader = memory_new(sizeof(*reader));

    (void)op;
    (void)err;
    reader->split = split->index;
    reader->row = from ? (uint32_t)from->offset : 0;
    return reader;
}

/* Channels fill sooner with wide rows. */
static const char pad[400];

static enum read_result source_split_read(struct op *op, void *data, struct builder *out,
                                          struct error *err)
{
    struct sim_reader *reader = data;
    uint32_t rows = sim_rows(ledger_seed(sim_ledger), reader->split);

    (void)op;
    (void)err;
    if (reader->row == rows)
        return READ_END;
    if (reader->row % (5 * SIM_BATCH) == 3 * SIM_BATCH && reader->waited != reader->row) {
        reader->waited = reader->row;
        return READ_WAIT;
    }
    for (uint32_t i = 0; i < SIM_BATCH && reader->row < rows; i++, reader->row++) {
        struct sim_event event = sim_event(ledger_seed(sim_ledger), reader->split, reader->row);
        uint64_t origin = origin_make(reader->split, reader->row);

        builder_row(out, event.time_ms, origin, origin);
        builder_i64(out, 0, event.key);
        builder_i64(out, 1, event.value);
        builder_i64(out, 2, event.time_ms);
        builder_i64(out, 3, reader->split * 1000 + reader->row);
        builder_text(out, 4, pad, (uint32_t)event.value * 4);
    }
    return READ_MORE;
}

static void source_split_position(const void *data, struct position *position)
{
    const struct sim_reader *reader = data;

    *position = (struct position){.offset = reader->row};
}

static void source_split_close(void *data)
{
    memory_free(data);
}

static const struct operator_def sim_source = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/source",
    .help = "Made rows.",
    .options = no_options,
    .outputs = source_out,
    .deterministic = true,
    .open = source_open,
    .splits = source_splits,
    .split_open = source_split_open,
    .split_read = source_split_read,
    .split_position = source_split_position,
    .split_close = source_split_close,
};
OPERATOR_REGISTER(sim_source);

/* ---- sim/count: rows in order of event time, each with its key's count and sum so far ---- */
struct count_cell {
    int64_t count, sum;
};
static const struct state_field count_fields[] = {
    {"count", TYPE_I64, FIELD(struct count_cell, count)},
    {"sum", TYPE_I64, FIELD(struct count_cell, sum)},
    {0}};
static const struct state count_states[] = {{.name = "counts",
                                             .kind = STATE_VALUE,
                                             .fields = count_fields,
                                             .size = sizeof(struct count_cell)},
                                            {0}};
static const struct column_def count_row[] = {
    {"key", TYPE_I64}, {"count", TYPE_I64}, {"sum", TYPE_I64}, {"time", TYPE_TIMESTAMP}, {0}};
static const struct port count_in[] = {{.name = "in", .columns = event_row, .keyed = true}, {0}};
static const struct port count_out[] = {{.name = "out", .columns = count_row, .keyed = true}, {0}};

static bool count_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    const int64_t *keys = batch_column(in, 0)->values, *values = batch_column(in, 1)->values;

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct count_cell *cell = cells[row];

        cell->count++;
        cell->sum += values[row];
        builder_row_from(out, in, row);
        builder_i64(out, 0, keys[row]);
        builder_i64(out, 1, cell->count);
        builder_i64(out, 2, cell->sum);
        builder_i64(out, 3, batch_time(in)[row]);
    }
    return true;
}

static const struct operator_def sim_count = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/count",
    .help = "Counts a key's rows in order of event time.",
    .options = no_options,
    .inputs = count_in,
    .outputs = count_out,
    .states = count_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .process = count_process,
};
OPERATOR_REGISTER(sim_count);

/* ---- sim/window: the sum of a key's second column in each tumbling window, published as a table ---- */
static const struct state_field pane_fields[] = {{"sum", TYPE_I64, 0, sizeof(int64_t)}, {0}};

static void pane_merge(const void *config, void *into, const void *from)
{
    (void)config;
    *(int64_t *)into += *(const int64_t *)from;
}

static const struct state window_states[] = {{.name = "panes",
                                              .kind = STATE_PANE,
                                              .fields = pane_fields,
                                              .size = sizeof(int64_t),
                                              .merge = pane_merge},
                                             {0}};
static const struct column_def key_columns[] = {{"key", TYPE_I64}, {0}};
static const struct port window_in[] = {{.name = "in", .columns = key_columns, .keyed = true}, {0}};
static const struct column_def window_row[] = {{"key", TYPE_KEY}, {"sum", TYPE_I64}, {0}};
static const struct port window_out[] = {{.name = "out", .columns = window_row, .keyed = true},
                                         {0}};

static bool window_describe(struct describe *describe, struct error *err)
{
    (void)err;
    describe_pane(describe, 0, SIM_WINDOW_MS);
    describe_versions(describe, SIM_WINDOW_MS, true);
    return true;
}

static bool window_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    const int64_t *values = batch_column(in, 1)->values;

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++)
        *(int64_t *)cells[row] += values[row];
    return true;
}

static bool window_emit(struct op *op, void *context, const struct key *key, const void *cell,
                        struct error *err)
{
    struct builder *out = op_reserve(op, 0, 1);
    const int64_t *end = context;

    (void)err;
    builder_row(out, *end - 1, 0, key->hash);
    builder_key(out, 0, key);
    builder_i64(out, 1, *(const int64_t *)cell);
    return true;
}

static bool window_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    int64_t begin = op_pane_first(op, 0, INT64_MIN);

    while (begin != INT64_MAX && begin + SIM_WINDOW_MS - 1 <= time_ms) {
        int64_t end = begin + SIM_WINDOW_MS;
        bool more;

        if (!op_pane_scan(op, 0, begin, end, window_emit, &end, &more, err))
            return false;
        if (more) {
            op_again(op);
            return true;
        }
        op_pane_drop(op, 0, end);
        begin = op_pane_first(op, 0, end);
    }
    return true;
}

static const struct operator_def sim_window = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/window",
    .help = "Sums a key in windows.",
    .options = no_options,
    .inputs = window_in,
    .outputs = window_out,
    .states = window_states,
    .deterministic = true,
    .describe = window_describe,
    .process = window_process,
    .on_watermark = window_on_watermark,
};
OPERATOR_REGISTER(sim_window);

/* ---- sim/lookup: each counted row with its key's sum in the last closed window ---- */
static const struct column_def lookup_row[] = {{"key", TYPE_I64},  {"count", TYPE_I64},
                                               {"sum", TYPE_I64},  {"time", TYPE_TIMESTAMP},
                                               {"last", TYPE_I64}, {0}};
static const struct port lookup_in[] = {{.name = "in", .columns = count_row}, {0}};
static const struct port lookup_out[] = {{.name = "out", .columns = lookup_row}, {0}};
static const struct column_def sum_columns[] = {{"sum", TYPE_I64}, {0}};
static const struct table_use lookup_tables[] = {
    {.name = "sums", .help = "Window sums.", .columns = sum_columns}, {0}};

static bool lookup_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    uint32_t sum = op_table_column(op, 0, "sum");
    uint64_t ids[BATCH_ROWS_MAX];

    (void)port;
    (void)err;
    key_ids(batch_column(in, 0), batch_rows(in), ids);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const struct table_row *last = op_table_find(op, 0, ids[row]);

        builder_row_from(out, in, row);
        for (uint32_t c = 0; c < 4; c++)
            builder_copy(out, c, batch_column(in, c), row);
        builder_i64(out, 4, last ? table_row_i64(last, sum) : -1);
    }
    return true;
}

static const struct operator_def sim_lookup = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/lookup",
    .help = "Joins the last window's sum.",
    .options = no_options,
    .inputs = lookup_in,
    .outputs = lookup_out,
    .tables = lookup_tables,
    .deterministic = true,
    .process = lookup_process,
};
OPERATOR_REGISTER(sim_lookup);

/* ---- sim/fed: adds to a value what tables made from its own rows say of the key ---- */
static const struct port fed_in[] = {{.name = "in", .columns = event_row}, {0}};
static const struct port fed_out[] = {{.name = "out", .columns = event_row}, {0}};
static const struct table_use fed_tables[] = {
    {.name = "back", .help = "Window sums.", .optional = true, .columns = sum_columns},
    {.name = "tally", .help = "Sums so far.", .optional = true, .columns = sum_columns},
    {.name = "far",
     .help = "Window sums, from far away.",
     .optional = true,
     .columns = sum_columns},
    {0}};

static bool fed_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    const int64_t *values = batch_column(in, 1)->values;
    uint64_t ids[BATCH_ROWS_MAX];

    (void)port;
    (void)err;
    key_ids(batch_column(in, 0), batch_rows(in), ids);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        int64_t value = values[row];

        for (uint32_t table = 0; table < 3; table++) {
            const struct table_row *found = op_table_find(op, table, ids[row]);

            value += found ? table_row_i64(found, op_table_column(op, table, "sum")) : 0;
        }
        builder_row_from(out, in, row);
        for (uint32_t c = 0; c < in->column_count; c++)
            if (c == 1)
                builder_i64(out, c, value % SIM_FED);
            else
                builder_copy(out, c, batch_column(in, c), row);
    }
    return true;
}

static const struct operator_def sim_fed = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/fed",
    .help = "Adds what became of former rows.",
    .options = no_options,
    .inputs = fed_in,
    .outputs = fed_out,
    .tables = fed_tables,
    .deterministic = true,
    .process = fed_process,
};
OPERATOR_REGISTER(sim_fed);

/* ---- sim/silence: tells when a key has had no row for a while ---- */
struct silence_cell {
    int64_t key, last_ms;
    bool watched;
};
static const struct state_field silence_fields[] = {
    {"key", TYPE_I64, FIELD(struct silence_cell, key)},
    {"last", TYPE_TIMESTAMP, FIELD(struct silence_cell, last_ms)},
    {"watched", TYPE_BOOL, FIELD(struct silence_cell, watched)},
    {0}};
static const struct state silence_states[] = {{.name = "last",
                                               .kind = STATE_VALUE,
                                               .fields = silence_fields,
                                               .size = sizeof(struct silence_cell)},
                                              {0}};
static const struct column_def silence_row[] = {{"key", TYPE_I64}, {"last", TYPE_TIMESTAMP}, {0}};
static const struct port silence_out[] = {{.name = "out", .columns = silence_row}, {0}};

/* Whoever sees the silence first, the timer or the key's next row, tells it. */
static void silence_look(struct silence_cell *cell, int64_t now_ms, struct builder *out)
{
    if (!cell->watched || now_ms - cell->last_ms < SIM_SILENCE_MS)
        return;
    cell->watched = false;
    builder_row(out, cell->last_ms + SIM_SILENCE_MS, 0, (uint64_t)cell->key);
    builder_i64(out, 0, cell->key);
    builder_i64(out, 1, cell->last_ms);
}

static bool silence_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    const int64_t *keys = batch_column(in, 0)->values;
    int64_t due_ms[BATCH_ROWS_MAX];

    (void)port;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        int64_t now_ms = batch_time(in)[row];

        silence_look(cells[row], now_ms, out);
        *(struct silence_cell *)cells[row] =
            (struct silence_cell){.key = keys[row], .last_ms = now_ms, .watched = true};
        due_ms[row] = now_ms + SIM_SILENCE_MS;
    }
    return op_set_timers(op, due_ms, err);
}

static bool silence_on_timer(struct op *op, const struct due *due, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    struct builder *out = op_reserve(op, 0, due_rows(due));

    (void)err;
    for (uint32_t row = 0; row < due_rows(due); row++)
        silence_look(cells[row], due_time(due)[row], out);
    return true;
}

static const struct operator_def sim_silence = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/silence",
    .help = "Tells of keys without rows.",
    .options = no_options,
    .inputs = count_in,
    .outputs = silence_out,
    .states = silence_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .process = silence_process,
    .on_timer = silence_on_timer,
};
OPERATOR_REGISTER(sim_silence);

/* ---- sim/sink: a line a row: the operator's id, then the columns ---- */
static const struct port sink_in[] = {{.name = "in"}, {0}};

struct sim_sink {
    struct bytes lines; /* since the last barrier */
};

static bool sink_open(struct op *op, struct error *err)
{
    (void)err;
    op_set_scratch(op, op_memory(op, sizeof(struct sim_sink)));
    return true;
}

static void sink_close(struct op *op)
{
    struct sim_sink *sink = op_scratch(op);

    if (sink)
        bytes_clear(&sink->lines);
}

static bool sink_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct sim_sink *sink = op_scratch(op);

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        bytes_text(&sink->lines, op_id(op));
        for (uint32_t c = 0; c < in->column_count; c++)
            if (batch_column(in, c)->type != TYPE_UTF8)
                bytes_format(&sink->lines, " %" PRId64,
                             ((const int64_t *)batch_column(in, c)->values)[row]);
        bytes_text(&sink->lines, "\n");
    }
    return true;
}

/* A bundle: name, 0, lines, 0. */
static bool sink_prepare(struct op *op, uint64_t checkpoint, struct bytes *bundle,
                         struct error *err)
{
    struct sim_sink *sink = op_scratch(op);

    (void)err;
    bytes_format(bundle, "%s-%s-%" PRIu64, op_id(op), op_subtask_name(op), checkpoint);
    bytes_put(bundle, "", 1);
    bytes_put(bundle, sink->lines.data, sink->lines.size);
    bytes_put(bundle, "", 1);
    sink->lines.size = 0;
    return true;
}

static const char *bundle_lines(const uint8_t *bundle, size_t size)
{
    CHECK(size >= 2 && bundle[size - 1] == 0);
    return (const char *)bundle + strlen((const char *)bundle) + 1;
}

static bool sink_commit(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                        struct error *err)
{
    (void)op;
    (void)err;
    ledger_commit(sim_ledger, (const char *)bundle, checkpoint, bundle_lines(bundle, size), false);
    return true;
}

static bool sink_restore(struct op *op, const uint8_t *bundle, size_t size, struct error *err)
{
    (void)op;
    (void)err;
    ledger_commit(sim_ledger, (const char *)bundle, 0, bundle_lines(bundle, size), true);
    return true;
}

static const struct operator_def sim_sink = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sim/sink",
    .help = "Commits lines to the ledger.",
    .options = no_options,
    .inputs = sink_in,
    .deterministic = true,
    .open = sink_open,
    .process = sink_process,
    .close = sink_close,
    .prepare = sink_prepare,
    .commit = sink_commit,
    .restore = sink_restore,
};
OPERATOR_REGISTER(sim_sink);
