/* feature/share: how the events of each class fall on hours of the day and days of the week, in
 * sliding windows: the evidence of adjust/time.
 * In: events keyed by class (an item, a genre). Out: class, total, hours (24 counts), weekdays (7,
 * Monday first), window_end; one row a class and window with events: a versioned table.
 *
 * These are shares of what happened, not of what was shown and taken: a log without impressions
 * cannot tell more. Times are UTC. Panes as in window-aggregate; counts merge in any order. */
#include "operators/model/levels.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#define WINDOW_PANES_MAX 1440

struct share_config {
    struct window window;
};

static const struct option share_options[] = {
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct share_config, window),
     .required = true,
     .help = "{sliding: 28d, every: 1d}: the last four weeks, told every day. Whole weeks weigh "
             "days of the week alike."},
    {0},
};
static const struct state_field share_fields[] = {
    {"total", TYPE_I64, FIELD(struct levels_counts, total)},
    {"hours", TYPE_UTF8, FIELD(struct levels_counts, hours)},
    {"weekdays", TYPE_UTF8, FIELD(struct levels_counts, weekdays)},
    {0},
};

static void share_merge(const void *config, void *into, const void *from)
{
    const struct levels_counts *counts = from;

    (void)config;
    levels_add(into, counts->total, counts->hours, counts->weekdays);
}

static const struct state share_states[] = {
    {"panes", STATE_PANE, share_fields, sizeof(struct levels_counts), .merge = share_merge},
    {0},
};
static const struct port share_in[] = {
    {"in", .keyed = true, .help = "Events in any order, keyed by class."},
    {0},
};
static const struct port share_out[] = {
    {"out", .keyed = true, .help = "One row a class and window."},
    {0},
};
enum { PANES = 0, IN = 0, OUT = 0 };
enum { CLASS, TOTAL, HOURS, WEEKDAYS, WINDOW_END };

static const struct schema *share_schema(struct arena *arena, enum type class)
{
    struct schema *schema = schema_create(arena), *count = schema_create(arena);
    struct field hours = {.name = "hours", .type = TYPE_LIST, .child = count};
    struct field weekdays = {.name = "weekdays", .type = TYPE_LIST, .child = count};

    CHECK(schema_add_column(count, arena, "count", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "class", class));
    CHECK(schema_add_column(schema, arena, "total", TYPE_I64));
    CHECK(schema_add(schema, arena, &hours));
    CHECK(schema_add(schema, arena, &weekdays));
    CHECK(schema_add_column(schema, arena, "window_end", TYPE_TIMESTAMP));
    return schema;
}

static bool share_describe(struct describe *describe, struct error *err)
{
    const struct share_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct text_list *key = describe_key(describe, IN);
    struct text_list class = {1, (const char *[]){"class"}};
    uint32_t column = key->count == 1 ? schema_find(in, key->items[0]) : FIELD_NONE;

    if (column == FIELD_NONE || !key_type(in->fields[column].type))
        return describe_error(describe, err, "key", "write key: COLUMN",
                              "the input is not keyed by one column");
    if (config->window.size_ms / config->window.every_ms > WINDOW_PANES_MAX)
        return describe_error(describe, err, "window", "make `every` longer",
                              "a window has at most %d steps", WINDOW_PANES_MAX);
    describe_output(describe, OUT, share_schema(describe_arena(describe), in->fields[column].type));
    describe_output_key(describe, OUT, &class);
    describe_pane(describe, PANES, config->window.every_ms);
    describe_versions(describe, config->window.every_ms, true);
    return true;
}

static bool share_open(struct op *op, struct error *err)
{
    const struct share_config *config = op_config(op);
    struct windows *windows = op_memory(op, sizeof(*windows));

    (void)err; /* cannot fail */
    *windows = (struct windows){config->window, op_watermark(op)};
    op_set_scratch(op, windows);
    return true;
}

static bool share_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    void *const *cells = op_cells(op, PANES);
    const int64_t *times = batch_time(in);

    (void)port;
    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct levels_counts *counts = cells[row];
        counts->total++;
        counts->hours[levels_hour(times[row])]++;
        counts->weekdays[levels_weekday(times[row])]++;
    }
    return true;
}

static void put_counts(struct builder *out, uint32_t column, const int64_t *counts, uint32_t levels)
{
    struct builder *list = builder_list(out, column);

    for (uint32_t i = 0; i < levels; i++) {
        builder_child_row(list);
        builder_i64(list, 0, counts[i]);
    }
    builder_list_end(out, column);
}

static bool share_each(struct op *op, void *context, const struct key *key, const void *cell,
                       struct error *err)
{
    const struct levels_counts *counts = cell;
    const int64_t *end_ms = context;
    struct builder *out = op_reserve(op, OUT, 1);

    (void)err; /* cannot fail */
    builder_row(out, *end_ms - 1, 0, key->hash);
    builder_key(out, CLASS, key);
    builder_i64(out, TOTAL, counts->total);
    put_counts(out, HOURS, counts->hours, LEVELS_HOURS);
    put_counts(out, WEEKDAYS, counts->weekdays, LEVELS_WEEKDAYS);
    builder_i64(out, WINDOW_END, *end_ms);
    return true;
}

static bool share_fire(struct op *op, void *context, int64_t begin_ms, int64_t end_ms, bool *more,
                       struct error *err)
{
    (void)context;
    return op_pane_scan(op, PANES, begin_ms, end_ms, share_each, &end_ms, more, err);
}

static bool share_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    return windows_advance(op, PANES, op_scratch(op), time_ms, share_fire, NULL, err);
}

const struct operator_def feature_share = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/share",
    .help = "Counts each class's events by hour of the day and day of the week, in windows.",
    .config_size = sizeof(struct share_config),
    .options = share_options,
    .inputs = share_in,
    .outputs = share_out,
    .states = share_states,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = share_describe,
    .open = share_open,
    .process = share_process,
    .on_watermark = share_on_watermark,
};
OPERATOR_REGISTER(feature_share);
