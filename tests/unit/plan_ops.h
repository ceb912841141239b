/* plan_ops: small operators for the tests of planning, one for each thing that a plan depends on.
 * Included once into a test program; none of them ever runs. */
#ifndef MILLRACE_TESTS_PLAN_OPS_H
#define MILLRACE_TESTS_PLAN_OPS_H

#include "runtime/api/operator.h"

#include <string.h>

static bool ops_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    (void)op;
    (void)port;
    (void)in;
    (void)err;
    return true;
}

static bool ops_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    (void)op;
    (void)time_ms;
    (void)err;
    return true;
}

/* ---- test/source: rows of a schema that the job file gives ---- */

struct ops_time {
    const char *field;
    int32_t unit;
    int64_t out_of_orderness_ms;
};

struct ops_source {
    const char *path;
    struct option_map schema;
    struct ops_time time;
    bool ordered, missing, unbounded;
    int64_t splits;
    double sample;
    int64_t buffer;
    struct text_list tags;
};

static const char *const ops_units[] = {"s", "ms", "us", NULL};

static const struct option ops_time_options[] = {
    {.name = "field",
     .type = OPT_TEXT,
     FIELD(struct ops_time, field),
     .required = true,
     .help = "The column that is the event time."},
    {.name = "unit",
     .type = OPT_ENUM,
     FIELD(struct ops_time, unit),
     .choices = ops_units,
     .help = "What it counts."},
    {.name = "out-of-orderness",
     .type = OPT_DURATION,
     FIELD(struct ops_time, out_of_orderness_ms),
     .max.i64 = DAY_MS,
     .help = "How late rows may come."},
    {0},
};

static const struct option ops_source_options[] = {
    {.name = "path",
     .type = OPT_TEXT,
     FIELD(struct ops_source, path),
     .required = true,
     .help = "The file to read."},
    {.name = "schema",
     .type = OPT_MAP,
     FIELD(struct ops_source, schema),
     .required = true,
     .help = "Names and types of the columns."},
    {.name = "time",
     .type = OPT_GROUP,
     FIELD(struct ops_source, time),
     .group = ops_time_options,
     .help = "Event time."},
    {.name = "ordered",
     .type = OPT_BOOL,
     FIELD(struct ops_source, ordered),
     .help = "Whether the rows of a split come in event-time order."},
    {.name = "missing",
     .type = OPT_BOOL,
     FIELD(struct ops_source, missing),
     .help = "Whether the input is not there."},
    {.name = "unbounded",
     .type = OPT_BOOL,
     FIELD(struct ops_source, unbounded),
     .help = "Whether the input never ends."},
    {.name = "splits",
     .type = OPT_I64,
     FIELD(struct ops_source, splits),
     .def.i64 = 1,
     .min.i64 = 1,
     .max.i64 = 1000,
     .help = "How many splits the input has."},
    {.name = "sample",
     .type = OPT_RATIO,
     FIELD(struct ops_source, sample),
     .def.f64 = 1.0,
     .help = "Part of the rows."},
    {.name = "buffer",
     .type = OPT_BYTES,
     FIELD(struct ops_source, buffer),
     .def.i64 = 65536,
     .help = "Bytes read at once."},
    {.name = "tags", .type = OPT_TEXTS, FIELD(struct ops_source, tags), .help = "Any texts."},
    {0},
};

static bool ops_source_describe(struct describe *describe, struct error *err)
{
    const struct ops_source *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);
    bool good = true;

    for (uint32_t i = 0; i < config->schema.count; i++) {
        const struct option_entry *entry = &config->schema.entries[i];
        char option[128];
        enum type type;

        snprintf(option, sizeof(option), "schema.%.100s", entry->name);
        if (!entry->text || !type_parse(entry->text, &type))
            good = describe_error(describe, err, option, "write a type such as i64 or utf8",
                                  "\"%s\" is not a type", entry->text ? entry->text : "{}");
        else if (!schema_add_column(schema, arena, entry->name, type))
            good = describe_error(describe, err, option, NULL, "a schema has at most %u columns",
                                  COLUMNS_MAX);
    }
    if (config->ordered)
        describe_ordered(describe);
    describe_output(describe, 0, schema);
    describe_output(describe, 1, schema);
    return good;
}

static bool ops_source_splits(const void *data, struct split_list *out, struct error *err)
{
    const struct ops_source *config = data;

    if (config->missing)
        return error_set(err, ERROR_IO, config->path, NULL, "no such file");
    for (int64_t i = 0; i < config->splits; i++)
        if (!split_list_add(out, config->path, i * 100,
                            config->unbounded ? INT64_MAX : i * 100 + 100))
            return error_set(err, ERROR_LIMIT, config->path, NULL, "too many splits");
    return true;
}

static const struct column_def ops_rejected_columns[] = {
    {"raw", TYPE_UTF8}, {"reason", TYPE_UTF8}, {0}};
static const struct port ops_source_out[] = {
    {"out"}, {"late"}, {"rejected", ops_rejected_columns}, {0}};

static const struct operator_def ops_source = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/source",
    .help = "Reads nothing.",
    .config_size = sizeof(struct ops_source),
    .options = ops_source_options,
    .outputs = ops_source_out,
    .deterministic = true,
    .describe = ops_source_describe,
    .splits = ops_source_splits,
};
OPERATOR_REGISTER(ops_source);

/* ---- test/map: the same rows, a row at a time ---- */

struct ops_map {
    const char *filter, *column;
    struct text_list columns;
    struct {
        struct text_list by;
        int64_t within_ms;
    } dedup;
    bool in_order;
};

static const struct option ops_dedup_options[] = {
    {.name = "by",
     .type = OPT_FIELDS,
     .offset = 0,
     .size = sizeof(struct text_list),
     .required = true,
     .help = "Columns."},
    {.name = "within",
     .type = OPT_DURATION,
     .offset = sizeof(struct text_list),
     .size = sizeof(int64_t),
     .def.i64 = SECOND_MS,
     .min.i64 = 1,
     .max.i64 = DAY_MS,
     .help = "How long a row is remembered."},
    {0},
};

static const struct option ops_map_options[] = {
    {.name = "filter",
     .type = OPT_EXPRESSION,
     FIELD(struct ops_map, filter),
     .help = "Rows that stay."},
    {.name = "column", .type = OPT_FIELD, FIELD(struct ops_map, column), .help = "A column."},
    {.name = "columns", .type = OPT_FIELDS, FIELD(struct ops_map, columns), .help = "Columns."},
    {.name = "dedup",
     .type = OPT_GROUP,
     FIELD(struct ops_map, dedup),
     .group = ops_dedup_options,
     .help = "Leaves out rows that were there."},
    {.name = "in-order",
     .type = OPT_BOOL,
     FIELD(struct ops_map, in_order),
     .help = "Whether it needs its rows in order."},
    {0},
};

static bool ops_same_describe(struct describe *describe, struct error *err)
{
    (void)err;
    describe_output(describe, 0, describe_input(describe, 0));
    return true;
}

static bool ops_map_describe(struct describe *describe, struct error *err)
{
    const struct ops_map *config = describe_config(describe);

    if (config->dedup.by.count)
        describe_set_key(describe, 0, &config->dedup.by);
    if (config->in_order)
        describe_order(describe, ORDER_EVENT_TIME);
    return ops_same_describe(describe, err);
}

static const struct port ops_plain_in[] = {{"in"}, {0}};
static const struct port ops_keyed_in[] = {{"in", .keyed = true}, {0}};
static const struct port ops_kept_out[] = {{"out", .keyed = true}, {0}};

static const struct operator_def ops_map = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/map",
    .help = "Passes rows on.",
    .config_size = sizeof(struct ops_map),
    .options = ops_map_options,
    .inputs = ops_plain_in,
    .outputs = ops_kept_out,
    .deterministic = true,
    .describe = ops_map_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_map);

/* ---- test/told: may send at a watermark ---- */

static const struct operator_def ops_told = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/told",
    .help = "Passes rows on, later.",
    .inputs = ops_plain_in,
    .outputs = ops_kept_out,
    .deterministic = true,
    .describe = ops_same_describe,
    .process = ops_process,
    .on_watermark = ops_on_watermark,
};
OPERATOR_REGISTER(ops_told);

/* ---- test/count: rows of a key in a window ---- */

struct ops_count {
    struct window window;
};

static const struct option ops_count_options[] = {
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct ops_count, window),
     .required = true,
     .help = "The window."},
    {0},
};

static void ops_merge(const void *config, void *into, const void *from)
{
    int64_t a, b;

    (void)config;
    memcpy(&a, into, sizeof(a));
    memcpy(&b, from, sizeof(b));
    a += b;
    memcpy(into, &a, sizeof(a));
}

static bool ops_count_describe(struct describe *describe, struct error *err)
{
    const struct ops_count *config = describe_config(describe);

    (void)err;
    describe_pane(describe, 0, config->window.every_ms);
    describe_versions(describe, config->window.every_ms, true);
    return true;
}

static const struct state_field ops_count_fields[] = {{"rows", TYPE_I64, 0, 8}, {0}};
static const struct state ops_count_states[] = {
    {"panes", STATE_PANE, ops_count_fields, 8, .merge = ops_merge}, {0}};
static const struct column_def ops_count_columns[] = {{"key", TYPE_KEY}, {"rows", TYPE_I64}, {0}};
static const struct port ops_count_out[] = {{"out", ops_count_columns, .keyed = true}, {0}};

static const struct operator_def ops_count = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/count",
    .help = "Counts rows.",
    .config_size = sizeof(struct ops_count),
    .options = ops_count_options,
    .inputs = ops_keyed_in,
    .outputs = ops_count_out,
    .states = ops_count_states,
    .deterministic = true,
    .describe = ops_count_describe,
    .process = ops_process,
    .on_watermark = ops_on_watermark,
};
OPERATOR_REGISTER(ops_count);

/* ---- test/last: needs its rows in order ---- */

static const struct state ops_last_states[] = {
    {"last", STATE_VALUE, ops_count_fields, 8, .expires = true}, {0}};

static bool ops_last_describe(struct describe *describe, struct error *err)
{
    describe_expiry(describe, 0, HOUR_MS);
    return ops_same_describe(describe, err);
}

static const struct operator_def ops_last = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/last",
    .help = "Remembers the last row.",
    .inputs = ops_keyed_in,
    .outputs = ops_kept_out,
    .states = ops_last_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = ops_last_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_last);

/* ---- test/score: looks up tables ---- */

static const struct column_def ops_user_columns[] = {{"user", TYPE_I64}, {0}};
static const struct column_def ops_rows_columns[] = {{"rows", TYPE_I64}, {0}};
static const struct port ops_score_in[] = {
    {"in", ops_user_columns, .keyed = true}, {"requests", .keyed = true, .optional = true}, {0}};
static const struct table_use ops_score_tables[] = {
    {"popular", "What many took.", .columns = ops_rows_columns, .rank_by = "rows",
     .rank_limit = 100},
    {"extra", "More.", .optional = true},
    {0},
};

static const struct operator_def ops_score = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/score",
    .help = "Looks things up.",
    .inputs = ops_score_in,
    .outputs = ops_kept_out,
    .tables = ops_score_tables,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = ops_same_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_score);

/* ---- test/look: the same without a key ---- */

static const struct table_use ops_look_tables[] = {{"rows", "Any.", .columns = ops_rows_columns},
                                                   {0}};

static const struct operator_def ops_look = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/look",
    .help = "Looks things up for rows where they are.",
    .inputs = ops_plain_in,
    .outputs = ops_kept_out,
    .tables = ops_look_tables,
    .deterministic = true,
    .describe = ops_same_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_look);

/* ---- test/grow: has one column more than its table ---- */

static const struct table_use ops_grow_tables[] = {{"rows", "Any.", .optional = true}, {0}};

static bool ops_grow_describe(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, 0), *table = describe_table(describe, 0);
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);
    uint32_t columns = table ? table->count : in->count;
    char name[32];

    (void)err;
    for (uint32_t i = 0; i < in->count; i++)
        (void)schema_add(schema, arena, &in->fields[i]);
    for (uint32_t i = in->count; i <= columns; i++) {
        snprintf(name, sizeof(name), "more%u", i);
        (void)schema_add_column(schema, arena, name, TYPE_I64);
    }
    describe_output(describe, 0, schema);
    return true;
}

static const struct operator_def ops_grow = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/grow",
    .help = "Adds a column to those of its table.",
    .inputs = ops_keyed_in,
    .outputs = ops_kept_out,
    .tables = ops_grow_tables,
    .deterministic = true,
    .describe = ops_grow_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_grow);

/* ---- test/pairs: rows keyed by item, whatever the input is keyed by ---- */

static bool ops_pairs_describe(struct describe *describe, struct error *err)
{
    const char *items[] = {"item"};

    describe_output_key(describe, 0, &(struct text_list){1, items});
    return ops_same_describe(describe, err);
}

static const struct operator_def ops_pairs = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/pairs",
    .help = "Keys by item.",
    .inputs = ops_keyed_in,
    .outputs = ops_kept_out,
    .deterministic = true,
    .describe = ops_pairs_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_pairs);

/* ---- test/join, test/total, test/sink, test/dice ---- */

static const struct port ops_join_in[] = {{"left", .keyed = true}, {"right", .keyed = true}, {0}};

static const struct operator_def ops_join = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/join",
    .help = "Joins.",
    .inputs = ops_join_in,
    .outputs = ops_kept_out,
    .deterministic = true,
    .describe = ops_same_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_join);

static const struct port ops_global_in[] = {{"in", .global = true}, {0}};
static const struct column_def ops_total_columns[] = {{"total", TYPE_I64}, {0}};
static const struct port ops_total_out[] = {{"out", ops_total_columns}, {0}};
static const struct state ops_total_states[] = {{"total", STATE_VALUE, ops_count_fields, 8}, {0}};

static const struct operator_def ops_total = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/total",
    .help = "Counts all rows.",
    .inputs = ops_global_in,
    .outputs = ops_total_out,
    .states = ops_total_states,
    .deterministic = true,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_total);

struct ops_sink {
    const char *path;
};

static const struct option ops_sink_options[] = {
    {.name = "path",
     .type = OPT_TEXT,
     FIELD(struct ops_sink, path),
     .required = true,
     .help = "The folder to write to."},
    {0},
};

static const struct operator_def ops_sink = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/sink",
    .help = "Takes rows.",
    .config_size = sizeof(struct ops_sink),
    .options = ops_sink_options,
    .inputs = ops_plain_in,
    .deterministic = true,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_sink);

static const struct operator_def ops_dice = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/dice",
    .help = "Passes some rows on.",
    .inputs = ops_plain_in,
    .outputs = ops_kept_out,
    .describe = ops_same_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(ops_dice);

#endif
