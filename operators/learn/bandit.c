/* learn/bandit: what the arms of a bandit have earned, for adjust/bandit.
 * In: labelled impressions (arm, clicked, position; p_served, base, reasons.NAME) of lists that an arm
 * ordered, keyed by arm, in order of event time. Out, at the ends of windows that changed an arm: arm,
 * clicks, exposure (sum of examinations), moments and right (sums for a regression on `context`: bandit.h),
 * window_end: a versioned table.
 *
 * Method: bandit.h. Sums fade with `half-life`, so that an arm that was bad is tried again. Rows without an
 * arm, or of lists drawn at random, say nothing of an arm: `when`. */
#include "operators/model/bandit.h"
#include "operators/model/arms.h"
#include "operators/model/served.h"
#include "operators/model/widen.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <string.h>

struct bandit_config {
    const char *when;
    struct text_list context;
    int64_t half_life_ms;
    struct window window;
};

struct bandit_cell {
    struct bandit_arm arm;
    int64_t due_ms;
    bool pending, seen;
};

static const struct option bandit_options[] = {
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct bandit_config, when),
     .def.text = "not explore",
     .help = "Which impressions count: those whose list an arm has ordered."},
    {.name = "context",
     .type = OPT_FIELDS,
     FIELD(struct bandit_config, context),
     .help =
         "Columns of numbers that LinUCB regresses on, beside a constant: the same, in the same "
         "order, as in adjust/bandit."},
    {.name = "half-life",
     .type = OPT_DURATION,
     FIELD(struct bandit_config, half_life_ms),
     .def.i64 = 30 * DAY_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "What was seen so long ago counts half; 0: it stays."},
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct bandit_config, window),
     .required = true,
     .help = "{tumbling: 1h}: how often the table changes."},
    {0},
};
static const struct state_field bandit_fields[] = {
    {"arm", TYPE_UTF8, FIELD(struct bandit_cell, arm)},
    {"due", TYPE_TIMESTAMP, FIELD(struct bandit_cell, due_ms)},
    {"pending", TYPE_BOOL, FIELD(struct bandit_cell, pending)},
    {"seen", TYPE_BOOL, FIELD(struct bandit_cell, seen)},
    {0},
};
static const struct state bandit_states[] = {
    {"arms", STATE_VALUE, bandit_fields, sizeof(struct bandit_cell)},
    {0},
};
static const struct column_def bandit_columns[] = {{"arm", TYPE_UTF8}, {"clicked", TYPE_BOOL}, {0}};
static const struct port bandit_in[] = {
    {"in", bandit_columns, .keyed = true, .help = "Labelled impressions, keyed by arm."},
    {0},
};
static const struct port bandit_out[] = {
    {"out", .keyed = true, .help = "An arm, whenever a window changed it."},
    {0},
};
enum { ARM, CLICKS, EXPOSURE, MOMENTS, RIGHT, WINDOW_END };

/* ---- planning ---- */

static void add_list(struct schema *schema, struct arena *arena, const char *name)
{
    struct schema *child = schema_create(arena);
    struct field list = {.type = TYPE_LIST, .child = child};

    strncpy(list.name, name, NAME_SIZE_MAX - 1);
    CHECK(schema_add_column(child, arena, "value", TYPE_F64));
    CHECK(schema_add(schema, arena, &list));
}

static bool bandit_describe(struct describe *describe, struct error *err)
{
    const struct bandit_config *config = describe_config(describe);
    const struct text_list *key = describe_key(describe, 0);
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1h}",
                              "the window slides, but `half-life` says how it fades");
    if (key->count != 1 || strcmp(key->items[0], "arm") != 0)
        return describe_error(describe, err, "key", "write key: arm",
                              "the rows are not keyed by arm alone");
    if (!widen_check_when(describe, "when", config->when, err) ||
        !arms_check_context(describe, &config->context, err))
        return false;
    CHECK(schema_add_column(schema, arena, "arm", TYPE_UTF8));
    CHECK(schema_add_column(schema, arena, "clicks", TYPE_F64));
    CHECK(schema_add_column(schema, arena, "exposure", TYPE_F64));
    add_list(schema, arena, "moments");
    add_list(schema, arena, "right");
    CHECK(schema_add_column(schema, arena, "window_end", TYPE_TIMESTAMP));
    describe_output(describe, 0, schema);
    describe_versions(describe, config->window.size_ms, false);
    return true;
}

/* ---- an instance ---- */

struct bandit_scratch {
    struct served served;
    struct expr *when;
    uint32_t arm, clicked, width, context[BANDIT_WIDTH_MAX]; /* columns; of context from 1 */
    uint32_t rows[BATCH_ROWS_MAX];
    double predicted[BATCH_ROWS_MAX], examinations[BATCH_ROWS_MAX];
};

static bool bandit_open(struct op *op, struct error *err)
{
    const struct bandit_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct bandit_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    served_open(&scratch->served, in, NULL);
    scratch->arm = schema_find(in, "arm");
    scratch->clicked = schema_find(in, "clicked");
    scratch->width = config->context.count + 1;
    for (uint32_t i = 1; i < scratch->width; i++)
        scratch->context[i] = schema_find(in, config->context.items[i - 1]);
    scratch->when = expr_compile(config->when, in, err);
    return scratch->when != NULL;
}

static void bandit_close(struct op *op)
{
    struct bandit_scratch *scratch = op_scratch(op);

    if (scratch)
        expr_close(scratch->when);
}

/* False: the row says nothing of an arm. */
static bool learn(struct op *op, struct bandit_cell *cell, const struct batch *in, uint32_t row,
                  int64_t due_ms)
{
    const struct bandit_config *config = op_config(op);
    const struct bandit_scratch *scratch = op_scratch(op);
    const struct column *clicked = batch_column(in, scratch->clicked);
    double context[BANDIT_WIDTH_MAX] = {1}, examination = scratch->examinations[row];

    if (!column_valid(batch_column(in, scratch->arm), row) || !(examination > 0))
        return false;
    for (uint32_t i = 1; i < scratch->width; i++) {
        double value = column_number(batch_column(in, scratch->context[i]), row);
        context[i] = isfinite(value) ? value : 0;
    }
    if (cell->seen && config->half_life_ms && due_ms != cell->due_ms)
        bandit_fade(&cell->arm,
                    exp2(-(double)(due_ms - cell->due_ms) / (double)config->half_life_ms));
    bandit_add(&cell->arm, context, scratch->width, examination < 1 ? examination : 1,
               column_valid(clicked, row) && column_bool(clicked, row));
    cell->due_ms = due_ms;
    cell->pending = cell->seen = true;
    return true;
}

static bool bandit_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct bandit_config *config = op_config(op);
    struct bandit_scratch *scratch = op_scratch(op);
    void *const *cells = op_cells(op, 0);
    uint32_t count = expr_filter(scratch->when, in, scratch->rows);
    int64_t due[BATCH_ROWS_MAX];

    (void)port; /* there is one */
    for (uint32_t row = 0; row < batch_rows(in); row++)
        due[row] = INT64_MIN;
    served_logits(&scratch->served, in, scratch->predicted, NULL);
    served_examinations(&scratch->served, in, scratch->predicted, scratch->examinations);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = scratch->rows[i];
        int64_t due_ms = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
        if (learn(op, cells[row], in, row, due_ms))
            due[row] = due_ms;
    }
    return op_set_timers(op, due, err);
}

static void put_values(struct builder *out, uint32_t column, const double *values, uint32_t count)
{
    struct builder *list = builder_list(out, column);

    for (uint32_t i = 0; i < count; i++) {
        builder_child_row(list);
        builder_f64(list, 0, values[i]);
    }
    builder_list_end(out, column);
}

static bool bandit_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct bandit_scratch *scratch = op_scratch(op);
    void *const *cells = op_cells(op, 0);
    struct builder *out = op_reserve(op, 0, due_rows(due));
    uint32_t width = scratch->width;

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct bandit_cell *cell = cells[row];
        if (!cell->pending)
            continue;
        cell->pending = false;
        builder_row(out, cell->due_ms, 0, due_key(due, row)->hash);
        builder_key(out, ARM, due_key(due, row));
        builder_f64(out, CLICKS, cell->arm.clicks);
        builder_f64(out, EXPOSURE, cell->arm.exposure);
        put_values(out, MOMENTS, cell->arm.moments, width * (width + 1) / 2);
        put_values(out, RIGHT, cell->arm.right, width);
        builder_i64(out, WINDOW_END, cell->due_ms + 1);
    }
    return true;
}

const struct operator_def learn_bandit = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/bandit",
    .help = "What the arms of adjust/bandit have earned.",
    .config_size = sizeof(struct bandit_config),
    .options = bandit_options,
    .inputs = bandit_in,
    .outputs = bandit_out,
    .states = bandit_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = bandit_describe,
    .open = bandit_open,
    .process = bandit_process,
    .on_timer = bandit_on_timer,
    .close = bandit_close,
};
OPERATOR_REGISTER(learn_bandit);
