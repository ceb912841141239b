/* task_ops: operators for the tests of subtasks. Included once into a test program, before
 * task_rig.h. Rows are (key, value) at times that a hash of (split, row) disorders. */
#ifndef MILLRACE_TESTS_TASK_OPS_H
#define MILLRACE_TESTS_TASK_OPS_H

#include "runtime/api/operator.h"
#include "runtime/base/hash.h"

#include <stdio.h>
#include <string.h>

/* What the sinks have made visible: a set of bundles by name, so that a second commit is none. */
struct ledger {
    uint32_t count;
    struct {
        char name[64];
        char *lines;
    } bundles[4096];
};
static struct ledger ledger;

static void ledger_put(const char *name, const char *lines, size_t size)
{
    for (uint32_t i = 0; i < ledger.count; i++)
        if (strcmp(ledger.bundles[i].name, name) == 0)
            return;
    CHECK(ledger.count < sizeof(ledger.bundles) / sizeof(ledger.bundles[0]));
    (void)snprintf(ledger.bundles[ledger.count].name, 64, "%s", name);
    ledger.bundles[ledger.count++].lines = memory_format("%.*s", (int)size, lines);
}

static void ledger_clear(void)
{
    for (uint32_t i = 0; i < ledger.count; i++)
        memory_free(ledger.bundles[i].lines);
    ledger.count = 0;
}

/* ---- task/source ---- */
struct source_config {
    int64_t splits, rows, keys, step_ms, disorder_ms, bound_ms, read, fail_at;
    bool ordered, rejects;
};

#define SOURCE_I64(field, value, text)                                                             \
    {                                                                                              \
        .name = #field, .type = OPT_I64, FIELD(struct source_config, field), .def.i64 = value,     \
        .max.i64 = INT64_C(1) << 40, .help = text                                                  \
    }

static const struct option source_options[] = {
    SOURCE_I64(splits, 4, "How many."),
    SOURCE_I64(rows, 200, "Of a split."),
    SOURCE_I64(keys, 11, "How many."),
    SOURCE_I64(step_ms, 10, "Between rows."),
    SOURCE_I64(disorder_ms, 0, "How far rows are out of order."),
    SOURCE_I64(bound_ms, 0, "How far they may be."),
    SOURCE_I64(read, 13, "Rows of one read."),
    SOURCE_I64(fail_at, 0, "Row at which a read fails."),
    {.name = "ordered", .type = OPT_BOOL, FIELD(struct source_config, ordered), .help = "Order."},
    {.name = "rejects",
     .type = OPT_BOOL,
     FIELD(struct source_config, rejects),
     .help = "Bad rows."},
    {0},
};

#define SOURCE_BEGIN_MS 1000000

struct source_row {
    int64_t time_ms, key, value;
};

static struct source_row source_row(const struct source_config *config, uint32_t split,
                                    uint64_t row)
{
    uint64_t draw = hash_draw(split + 7u, row);
    int64_t back = config->disorder_ms ? (int64_t)(draw >> 20) % (config->disorder_ms + 1) : 0;

    return (struct source_row){
        SOURCE_BEGIN_MS + (int64_t)row * config->step_ms - back,
        (int64_t)(draw % (uint64_t)config->keys),
        (int64_t)(draw >> 40) % 1000,
    };
}

static bool source_describe(struct describe *describe, struct error *err)
{
    const struct source_config *config = describe_config(describe);

    (void)err;
    if (config->ordered)
        describe_ordered(describe);
    return true;
}

static bool source_open_op(struct op *op, struct error *err)
{
    const struct source_config *config = op_config(op);

    (void)err;
    op_source_time(op, config->bound_ms, 0);
    return true;
}

static bool source_splits(const void *data, struct split_list *out, struct error *err)
{
    const struct source_config *config = data;

    (void)err;
    for (int64_t i = 0; i < config->splits; i++)
        if (!split_list_add(out, "numbers", 0, config->rows))
            return false;
    return true;
}

struct source_reader {
    uint32_t split;
    uint64_t row;
};
static int source_readers, source_readers_max;

static void *source_split_open(struct op *op, const struct split *split,
                               const struct position *from, struct error *err)
{
    struct source_reader *reader = memory_new(sizeof(*reader));

    (void)op;
    (void)err;
    reader->split = split->index;
    reader->row = from ? from->offset : 0;
    if (++source_readers > source_readers_max)
        source_readers_max = source_readers;
    return reader;
}

enum { SOURCE_OUT, SOURCE_LATE, SOURCE_REJECTED };

static enum read_result source_split_read(struct op *op, void *data, struct builder *out,
                                          struct error *err)
{
    const struct source_config *config = op_config(op);
    struct source_reader *reader = data;

    for (int64_t i = 0; i < config->read && reader->row < (uint64_t)config->rows; i++) {
        struct source_row row = source_row(config, reader->split, reader->row);
        uint64_t origin = origin_make(reader->split, reader->row++);
        struct builder *to = out;

        if (config->fail_at && reader->row == (uint64_t)config->fail_at) {
            error_set(err, ERROR_IO, "numbers", NULL, "row %llu cannot be read",
                      (unsigned long long)reader->row);
            return READ_FAILED;
        }
        if (config->rejects && row.value % 10 == 0) {
            to = op_reserve(op, SOURCE_REJECTED, 1);
            op_count(op, 0, 1);
        }
        builder_row(to, row.time_ms, origin, origin);
        builder_i64(to, 0, row.key);
        builder_i64(to, 1, row.value);
    }
    return reader->row == (uint64_t)config->rows ? READ_END : READ_MORE;
}

static void source_split_position(const void *data, struct position *position)
{
    const struct source_reader *reader = data;

    *position = (struct position){.offset = reader->row};
}

static void source_split_close(void *data)
{
    source_readers--;
    memory_free(data);
}

static const struct column_def row_columns[] = {{"key", TYPE_I64}, {"value", TYPE_I64}, {0}};
static const struct port source_out[] = {
    {"out", row_columns}, {"late", row_columns}, {"rejected", row_columns}, {0}};
static const char *const source_counters[] = {"rejected", NULL};

static const struct operator_def task_source = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/source",
    .help = "Makes rows.",
    .config_size = sizeof(struct source_config),
    .options = source_options,
    .outputs = source_out,
    .counters = source_counters,
    .deterministic = true,
    .describe = source_describe,
    .open = source_open_op,
    .splits = source_splits,
    .split_open = source_split_open,
    .split_read = source_split_read,
    .split_position = source_split_position,
    .split_close = source_split_close,
};
OPERATOR_REGISTER(task_source);

/* ---- task/digest: order matters. A hash chain of the values of a key, a list cell that grows, and
 * in the output how many rows of the key there were. ---- */
struct digest_cell {
    uint64_t digest, rows;
};
static const struct state_field digest_fields[] = {
    {"digest", TYPE_I64, FIELD(struct digest_cell, digest)},
    {"rows", TYPE_I64, FIELD(struct digest_cell, rows)},
    {0}};
static const struct state_field list_fields[] = {{"count", TYPE_I64, 0, 8}, {0}};
static const struct state digest_states[] = {
    {"digest", STATE_VALUE, digest_fields, sizeof(struct digest_cell)},
    {"last", STATE_LIST, list_fields, 8},
    {0}};
static const struct column_def digest_columns[] = {
    {"key", TYPE_I64}, {"value", TYPE_I64}, {"digest", TYPE_I64}, {"rows", TYPE_I64}, {0}};
static const struct port keyed_in[] = {{"in", row_columns, .keyed = true}, {0}};
static const struct port digest_out[] = {{"out", digest_columns, .keyed = true}, {0}};

static bool digest_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    const int64_t *key = batch_column(in, 0)->values, *value = batch_column(in, 1)->values;

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct digest_cell *cell = cells[row];
        int64_t *list = op_cells(op, 1)[row], kept;

        cell->digest = hash_draw(cell->digest, (uint64_t)value[row]);
        cell->rows++;
        list = op_cell_resize(op, 1, row, (uint32_t)(8 + 8 * (list[0] + 1)));
        CHECK(list && op_cells(op, 1)[row] == list);
        list[++list[0]] = value[row];
        kept = list[0];
        CHECK((uint64_t)kept == cell->rows && op_cell_size(op, 1, row) == 8 + 8 * kept);
        builder_row_from(out, in, row);
        builder_i64(out, 0, key[row]);
        builder_i64(out, 1, value[row]);
        builder_i64(out, 2, (int64_t)cell->digest);
        builder_i64(out, 3, (int64_t)cell->rows);
    }
    return true;
}

static const struct operator_def task_digest = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/digest",
    .help = "Chains the values of a key.",
    .inputs = keyed_in,
    .outputs = digest_out,
    .states = digest_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .process = digest_process,
};
OPERATOR_REGISTER(task_digest);

/* ---- task/window: rows of a key in tumbling panes ---- */
#define WINDOW_MS 100

static void window_merge(const void *config, void *into, const void *from)
{
    (void)config;
    *(int64_t *)into += *(const int64_t *)from;
}
static const struct state_field window_fields[] = {{"rows", TYPE_I64, 0, 8}, {0}};
static const struct state window_states[] = {
    {"panes", STATE_PANE, window_fields, 8, .merge = window_merge}, {0}};
static const struct column_def window_columns[] = {
    {"key", TYPE_I64}, {"end", TYPE_TIMESTAMP}, {"rows", TYPE_I64}, {0}};
static const struct port window_out[] = {{"out", window_columns, .keyed = true}, {0}};

static bool window_describe(struct describe *describe, struct error *err)
{
    (void)err;
    describe_pane(describe, 0, WINDOW_MS);
    describe_versions(describe, WINDOW_MS, true);
    return true;
}

static bool window_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, 0);

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++)
        ++*(int64_t *)cells[row];
    return true;
}

static bool window_each(struct op *op, void *context, const struct key *key, const void *cell,
                        struct error *err)
{
    int64_t end_ms = *(int64_t *)context;
    struct builder *out = op_reserve(op, 0, 1);

    (void)err;
    builder_row(out, end_ms - 1, 0, key->hash);
    builder_key(out, 0, key);
    builder_i64(out, 1, end_ms);
    builder_i64(out, 2, *(const int64_t *)cell);
    return true;
}

static bool window_open(struct op *op, struct error *err)
{
    int64_t *restored_ms = op_memory(op, sizeof(*restored_ms));

    (void)err;
    *restored_ms = op_watermark(op);
    CHECK(*restored_ms == INT64_MIN || op_restored(op));
    op_set_scratch(op, restored_ms);
    return true;
}

static bool window_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    int64_t begin_ms;

    CHECK(time_ms > op_watermark(op) && time_ms > *(const int64_t *)op_scratch(op));
    while ((begin_ms = op_pane_first(op, 0, INT64_MIN)) != INT64_MAX &&
           begin_ms + WINDOW_MS - 1 <= time_ms) {
        int64_t end_ms = begin_ms + WINDOW_MS;
        bool more;

        if (!op_pane_scan(op, 0, begin_ms, end_ms, window_each, &end_ms, &more, err))
            return false;
        if (more) {
            op_again(op);
            return true;
        }
        op_pane_drop(op, 0, end_ms);
    }
    return true;
}

static const struct operator_def task_window = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/window",
    .help = "Counts rows.",
    .inputs = keyed_in,
    .outputs = window_out,
    .states = window_states,
    .deterministic = true,
    .describe = window_describe,
    .open = window_open,
    .process = window_process,
    .on_watermark = window_on_watermark,
};
OPERATOR_REGISTER(task_window);

/* ---- task/silence: a timer a key; exact between rows ---- */
struct silence_config {
    int64_t after_ms;
};
static const struct option silence_options[] = {
    {.name = "after",
     .type = OPT_DURATION,
     FIELD(struct silence_config, after_ms),
     .def.i64 = 35,
     .min.i64 = 1,
     .max.i64 = DAY_MS,
     .help = "Silence."},
    {0},
};
static const struct state silence_states[] = {
    {"last", STATE_VALUE, digest_fields, sizeof(struct digest_cell)}, {0}};

static bool silence_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct silence_config *config = op_config(op);
    void *const *cells = op_cells(op, 0);
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct digest_cell *cell = cells[row];

        cell->rows++; /* since the last silence */
        due[row] = batch_time(in)[row] + config->after_ms;
    }
    return op_set_timers(op, due, err);
}

static bool silence_on_timer(struct op *op, const struct due *due, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    struct builder *out = op_reserve(op, 0, due_rows(due));

    (void)err;
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct digest_cell *cell = cells[row];

        builder_row(out, due_time(due)[row], 0, due_key(due, row)->hash);
        builder_key(out, 0, due_key(due, row));
        builder_i64(out, 1, due_time(due)[row]);
        builder_i64(out, 2, (int64_t)cell->rows);
        cell->rows = 0;
    }
    return true;
}

static const struct operator_def task_silence = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/silence",
    .help = "Tells of silent keys.",
    .config_size = sizeof(struct silence_config),
    .options = silence_options,
    .inputs = keyed_in,
    .outputs = window_out,
    .states = silence_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .process = silence_process,
    .on_timer = silence_on_timer,
};
OPERATOR_REGISTER(task_silence);

/* ---- task/lookup: rows with what a table says of their key ---- */
static const struct column_def lookup_uses[] = {{"rows", TYPE_I64}, {0}};
static const struct table_use lookup_tables[] = {
    {.name = "counts",
     .help = "By key.",
     .columns = lookup_uses,
     .rank_by = "rows",
     .rank_limit = 3},
    {0},
};
static const struct column_def lookup_columns[] = {
    {"key", TYPE_I64}, {"found", TYPE_I64}, {"version", TYPE_I64}, {"top", TYPE_I64}, {0}};
static const struct port lookup_out[] = {{"out", lookup_columns, .keyed = true}, {0}};

static bool lookup_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    const int64_t *key = batch_column(in, 0)->values;
    uint32_t column = op_table_column(op, 0, "rows"), tops;
    const struct table_row *const *top = op_table_top(op, 0, &tops);

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const struct table_row *found = op_table_find(op, 0, batch_hash(in)[row]);

        builder_row_from(out, in, row);
        builder_i64(out, 0, key[row]);
        builder_i64(out, 1, found ? table_row_i64(found, column) : -1);
        builder_i64(out, 2, op_table_version(op, 0));
        builder_i64(out, 3, tops ? table_row_i64(top[0], column) : -1);
    }
    return true;
}

static const struct operator_def task_lookup = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/lookup",
    .help = "Looks keys up.",
    .inputs = keyed_in,
    .outputs = lookup_out,
    .tables = lookup_tables,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .process = lookup_process,
};
OPERATOR_REGISTER(task_lookup);

/* ---- task/odd: a filter by selection ---- */
static const struct port plain_in[] = {{"in", row_columns}, {0}};
static const struct port odd_out[] = {{"out", row_columns, .keyed = true}, {0}};

static bool odd_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const int64_t *value = batch_column(in, 1)->values;
    uint32_t rows[BATCH_ROWS_MAX], count = 0;
    struct batch *out;

    (void)port;
    (void)err;
    for (uint32_t k = 0; k < in->selected; k++)
        if (value[batch_row(in, k)] % 2)
            rows[count++] = batch_row(in, k);
    out = batch_select(in, rows, count);
    op_emit(op, 0, &out);
    return true;
}

static const struct operator_def task_odd = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/odd",
    .help = "Passes odd values.",
    .inputs = plain_in,
    .outputs = odd_out,
    .deterministic = true,
    .selective = true,
    .process = odd_process,
};
OPERATOR_REGISTER(task_odd);

/* ---- task/total: one cell for all, told at the end; the same beside the states, written at barriers ---- */
static const struct port total_in[] = {{"in", row_columns, .global = true}, {0}};
static const struct column_def total_columns[] = {{"digest", TYPE_I64}, {"rows", TYPE_I64}, {0}};
static const struct port total_out[] = {{"out", total_columns}, {0}};

static const struct state total_states[] = {
    {"total", STATE_VALUE, digest_fields, sizeof(struct digest_cell)},
    {"kept", STATE_MAP, digest_fields, sizeof(struct digest_cell)},
    {0},
};
struct total_scratch {
    bool loaded;
    struct digest_cell kept;
};

static bool total_open(struct op *op, struct error *err)
{
    (void)err;
    op_set_scratch(op, op_memory(op, sizeof(struct total_scratch)));
    return true;
}

static struct digest_cell *total_kept(struct op *op)
{
    struct total_scratch *scratch = op_scratch(op);

    if (!scratch->loaded)
        scratch->kept = *(struct digest_cell *)op_entry(op, 1, 0, "", 0, true);
    scratch->loaded = true;
    return &scratch->kept;
}

static bool total_flush(struct op *op, struct error *err)
{
    struct digest_cell kept = *total_kept(op);

    (void)err;
    *(struct digest_cell *)op_entry(op, 1, 0, "", 0, true) = kept;
    return true;
}

static bool total_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, 0);
    struct digest_cell *kept = total_kept(op);
    const int64_t *value = batch_column(in, 1)->values;

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct digest_cell *cell = cells[row];

        cell->digest = hash_draw(cell->digest, (uint64_t)value[row]);
        cell->rows++;
        kept->digest = hash_draw(kept->digest, (uint64_t)value[row]);
        kept->rows++;
    }
    return true;
}

static bool total_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct digest_cell *cell = op_cells(op, 0)[0];
    struct builder *out;

    (void)err;
    if (time_ms != INT64_MAX)
        return true;
    CHECK(total_kept(op)->rows == cell->rows && total_kept(op)->digest == cell->digest);
    out = op_reserve(op, 0, 1);
    builder_row(out, 0, 0, 0);
    builder_i64(out, 0, (int64_t)cell->digest);
    builder_i64(out, 1, (int64_t)cell->rows);
    return true;
}

static const struct operator_def task_total = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/total",
    .help = "Chains all values.",
    .inputs = total_in,
    .outputs = total_out,
    .states = total_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .open = total_open,
    .process = total_process,
    .flush = total_flush,
    .on_watermark = total_on_watermark,
};
OPERATOR_REGISTER(task_total);

/* ---- task/sink: exactly once, into the ledger ---- */
struct sink_scratch {
    struct bytes lines; /* since the last barrier */
    uint32_t bundles;
};
static const struct port any_in[] = {{"in"}, {0}};

static bool sink_open(struct op *op, struct error *err)
{
    (void)err;
    op_set_scratch(op, op_memory(op, sizeof(struct sink_scratch)));
    return true;
}

static bool sink_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct sink_scratch *scratch = op_scratch(op);

    (void)port;
    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        bytes_format(&scratch->lines, "%s %lld", op_id(op), (long long)batch_time(in)[row]);
        for (uint32_t c = 0; c < in->column_count; c++)
            bytes_format(&scratch->lines, " %lld",
                         (long long)((const int64_t *)batch_column(in, c)->values)[row]);
        bytes_text(&scratch->lines, "\n");
    }
    return true;
}

/* What bundles wait for. */
static struct {
    uint32_t given, waited, ended;
    bool full;
} disk;

static bool sink_wait(void *context, struct error *err)
{
    (void)context;
    disk.waited++;
    return !disk.full || error_set(err, ERROR_IO, "the disk", NULL, "is full");
}

static void sink_waited(void *context)
{
    disk.ended++;
    memory_free(context);
}

/* A bundle: its name, a 0, the lines. */
static bool sink_prepare_op(struct op *op, uint64_t checkpoint, struct bytes *bundle,
                            struct error *err)
{
    struct sink_scratch *scratch = op_scratch(op);

    (void)err;
    bytes_format(bundle, "%s/%s/%llu", op_id(op), op_subtask_name(op),
                 (unsigned long long)checkpoint);
    bytes_put(bundle, "", 1);
    bytes_put(bundle, scratch->lines.data, scratch->lines.size);
    scratch->lines.size = 0;
    disk.given++;
    op_later(op, sink_wait, sink_waited, memory_text("a handle"));
    return true;
}

static bool sink_restore(struct op *op, const uint8_t *bundle, size_t size, struct error *err)
{
    const char *name = (const char *)bundle;
    size_t head = strlen(name) + 1;

    (void)op;
    (void)err;
    ledger_put(name, name + head, size - head);
    return true;
}

static bool sink_commit_op(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                           struct error *err)
{
    (void)checkpoint;
    return sink_restore(op, bundle, size, err);
}

static void sink_close_op(struct op *op)
{
    struct sink_scratch *scratch = op_scratch(op);

    bytes_clear(&scratch->lines);
}

static const struct operator_def task_sink = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "task/sink",
    .help = "Takes rows.",
    .inputs = any_in,
    .deterministic = true,
    .open = sink_open,
    .process = sink_process,
    .close = sink_close_op,
    .prepare = sink_prepare_op,
    .commit = sink_commit_op,
    .restore = sink_restore,
};
OPERATOR_REGISTER(task_sink);

#endif
