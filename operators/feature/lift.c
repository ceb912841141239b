/* feature/lift: how clicks at each level of a factor compare with what was predicted without it, by
 * class: the evidence of adjust/place, adjust/network and the like. Also the evidence on positions and
 * on the calibration of predictions: any factor whose levels are in a column.
 * In: labelled impressions, keyed by class: clicked, position, base, reasons.NAME, shadow.NAME,
 * p_served where known, and the factor's columns. Out: class, total (impressions), first, half_life
 * (ms, 0: none), levels (clicks O, expected E, squares Q: lift.h; parents' cells behind the levels),
 * window_end; one row a class that changed in a window: a versioned table.
 *
 * Method: s = sigmoid(base + all terms - this factor's own term), where terms that were computed but
 * not served count too (`shadow`): so collinear factors do not count an effect twice. e, the
 * examination, is p_served over the served prediction, or position^-0.5. Sums are in fixed point, so
 * that the order of rows in a window does not matter; at the end of each window they decay. The prior
 * is the reader's (lift.h): it follows from the table. */
#include "operators/model/lift.h"
#include "operators/model/factor.h"
#include "operators/model/served.h"
#include "operators/model/widen.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"
#include "runtime/base/sum.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECAY_BITS 32
#define SMALL 0x1p10

struct lift_config {
    const char *factor, *level, *within, *when;
    struct text_list names, cuts;
    int64_t levels, parents, half_life_ms;
    struct window window;
    bool examined;
};

struct lift_cell {
    struct sum clicks, expected, squares;
};

struct lift_state {
    int64_t due_ms; /* the last millisecond of the window that the sums are of; 0: none yet */
    int64_t first_ms;
    struct sum total;
    bool pending; /* changed since the last row */
    struct lift_cell cells[];
};

static const struct option lift_options[] = {
    {.name = "factor",
     .type = OPT_TEXT,
     FIELD(struct lift_config, factor),
     .required = true,
     .help =
         "Its name, as in the column reasons.NAME. A known one (place, network, time ...) brings "
         "its levels and half-life; another needs `level`."},
    {.name = "level",
     .type = OPT_FIELD,
     FIELD(struct lift_config, level),
     .help =
         "Column of the level: a number from 0 below `levels`, a text of `names`, or with `cuts` "
         "any number."},
    {.name = "within",
     .type = OPT_FIELD,
     FIELD(struct lift_config, within),
     .help = "Column of the level's parent, a number from 0 below `parents`."},
    {.name = "names",
     .type = OPT_TEXTS,
     FIELD(struct lift_config, names),
     .help = "Texts of the levels, or of the holidays, in order."},
    {.name = "cuts",
     .type = OPT_TEXTS,
     FIELD(struct lift_config, cuts),
     .help = "Numbers between the levels, ascending."},
    {.name = "levels",
     .type = OPT_I64,
     FIELD(struct lift_config, levels),
     .max.i64 = 512,
     .help = "How many levels, where they are numbers; 0: as the factor says."},
    {.name = "parents",
     .type = OPT_I64,
     FIELD(struct lift_config, parents),
     .max.i64 = 512,
     .help = "How many parents; 0: as the factor says."},
    {.name = "half-life",
     .type = OPT_DURATION,
     FIELD(struct lift_config, half_life_ms),
     .help = "Age at which evidence counts half; 0s: as the factor says, and 90d for others."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct lift_config, when),
     .help = "Which impressions count, such as explore; all by default."},
    {.name = "examined",
     .type = OPT_BOOL,
     FIELD(struct lift_config, examined),
     .def.flag = true,
     .help =
         "Expectations hold the examination of the position; false where it is what is learnt."},
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct lift_config, window),
     .required = true,
     .help = "{tumbling: 1d}: how often the table changes."},
    {0},
};
static const struct state lift_states[] = {
    {"sums", STATE_VALUE, NULL, 0},
    {0},
};
static const struct column_def lift_columns[] = {
    {"clicked", TYPE_BOOL}, {"position", TYPE_NONE}, {"base", TYPE_F64}, {0}};

static void put_factors(const struct operator_def *def, struct bytes *out)
{
    const struct factor *factor = factor_next("");

    (void)def;
    for (; factor; factor = factor_next(factor->name)) {
        bytes_format(out, "      for %s: ", factor->name);
        factor_manual(factor, out);
        bytes_text(out, "\n");
    }
}

static const struct port lift_in[] = {
    {"in", lift_columns, .keyed = true, .help = "Labelled impressions, keyed by class.",
     .manual = put_factors},
    {0},
};
static const struct port lift_out[] = {
    {"out", .keyed = true, .help = "Classes that changed in a window."},
    {0},
};
enum { SUMS = 0, IN = 0, OUT = 0 };
enum { CLASS, TOTAL, FIRST, HALF_LIFE, LEVELS, WINDOW_END };
enum { CLICKS, EXPECTED, SQUARES };

/* ---- the factor of the options ---- */

/* NULL: none. */
static const char **copy_names(struct arena *arena, const struct text_list *list)
{
    const char **names = arena_new(arena, (list->count + 1ul) * sizeof(*names));

    if (list->count == 0)
        return NULL;
    for (uint32_t i = 0; i < list->count; i++)
        names[i] = list->items[i];
    return names;
}

static const double *copy_cuts(struct arena *arena, const struct text_list *list)
{
    double *cuts = arena_new(arena, (list->count + 1ul) * sizeof(*cuts));

    for (uint32_t i = 0; i < list->count; i++)
        cuts[i] = strtod(list->items[i], NULL);
    return cuts;
}

static struct factor find_factor(const struct lift_config *config, struct arena *arena)
{
    const struct factor *known = factor_find(config->factor);
    struct factor factor = known ? *known : (struct factor){.half_life_ms = 90 * DAY_MS};

    factor.name = config->factor;
    if (config->level) {
        factor.columns[0] = config->level;
        factor.columns[1] = config->within;
        factor.kind = config->within ? LEVEL_NESTED : LEVEL_NUMBER;
    }
    if (config->cuts.count) {
        factor.kind = LEVEL_CUTS;
        factor.cuts = copy_cuts(arena, &config->cuts);
        factor.levels = config->cuts.count + 1;
    }
    if (config->half_life_ms)
        factor.half_life_ms = config->half_life_ms;
    return factor_with(&factor, copy_names(arena, &config->names), config->levels, config->parents);
}

/* ---- planning ---- */

static bool check_cuts(struct describe *describe, struct error *err)
{
    const struct lift_config *config = describe_config(describe);
    double last = -INFINITY;

    for (uint32_t i = 0; i < config->cuts.count; i++) {
        char *end;
        double cut = strtod(config->cuts.items[i], &end);
        if (*end || !isfinite(cut) || cut <= last)
            return describe_error(describe, err, "cuts", "write ascending numbers",
                                  "\"%s\" is no number, or not above the one before",
                                  config->cuts.items[i]);
        last = cut;
    }
    return true;
}

static bool check_factor(struct describe *describe, const struct factor *factor, struct error *err)
{
    const struct lift_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    char known[512];

    if (!factor->columns[0])
        return describe_error(describe, err, "factor", "name a known one, or write `level`",
                              "\"%s\" is no known factor; those are %s", config->factor,
                              factor_names(known, sizeof(known)));
    for (uint32_t i = 0; i < 2; i++)
        if (factor->columns[i] && schema_find(in, factor->columns[i]) == FIELD_NONE)
            return describe_error(describe, err, "factor", "join it before, or write `level`",
                                  "the input lacks column \"%s\" of the factor",
                                  factor->columns[i]);
    if (factor_levels(factor) == 0 || factor_cells(factor) > FACTOR_CELLS_MAX)
        return describe_error(describe, err, "level", "write `levels`, `names` or `cuts`",
                              "the factor has %u levels, not 1 to %u", factor_levels(factor),
                              FACTOR_CELLS_MAX);
    return true;
}

static const struct schema *lift_schema(struct arena *arena, enum type class)
{
    struct schema *schema = schema_create(arena), *cell = schema_create(arena);
    struct field levels = {.name = "levels", .type = TYPE_LIST, .child = cell};

    CHECK(schema_add_column(cell, arena, "clicks", TYPE_F64));
    CHECK(schema_add_column(cell, arena, "expected", TYPE_F64));
    CHECK(schema_add_column(cell, arena, "squares", TYPE_F64));
    CHECK(schema_add_column(schema, arena, "class", class));
    CHECK(schema_add_column(schema, arena, "total", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "first", TYPE_TIMESTAMP));
    CHECK(schema_add_column(schema, arena, "half_life", TYPE_I64));
    CHECK(schema_add(schema, arena, &levels));
    CHECK(schema_add_column(schema, arena, "window_end", TYPE_TIMESTAMP));
    return schema;
}

static void say_what_is_read(struct describe *describe, const struct factor *factor)
{
    const struct lift_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);

    if (config->when)
        return; /* an expression may name any column */
    for (uint32_t i = 0; i < in->count; i++) {
        const char *name = in->fields[i].name;
        bool level = strcmp(name, factor->columns[0]) == 0 ||
                     (factor->columns[1] && strcmp(name, factor->columns[1]) == 0);
        if (level || served_is(&in->fields[i]) || strcmp(name, "clicked") == 0)
            describe_reads(describe, IN, i);
    }
}

static void say_what_is_kept(struct describe *describe, const struct factor *factor)
{
    struct state_field *fields = arena_new(describe_arena(describe), 5 * sizeof(*fields));
    size_t size = factor_cells(factor) * sizeof(struct lift_cell);

    fields[0] = (struct state_field){"due", TYPE_TIMESTAMP, FIELD(struct lift_state, due_ms)};
    fields[1] = (struct state_field){"first", TYPE_TIMESTAMP, FIELD(struct lift_state, first_ms)};
    fields[2] = (struct state_field){"total", TYPE_UTF8, FIELD(struct lift_state, total)};
    fields[3] = (struct state_field){"cells", TYPE_UTF8, sizeof(struct lift_state), size};
    describe_state(describe, SUMS, sizeof(struct lift_state) + size, fields);
}

static bool lift_describe(struct describe *describe, struct error *err)
{
    const struct lift_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct text_list *key = describe_key(describe, IN);
    struct text_list class = {1, (const char *[]){"class"}};
    uint32_t column = key->count == 1 ? schema_find(in, key->items[0]) : FIELD_NONE;
    struct factor factor = find_factor(config, describe_arena(describe));

    if (column == FIELD_NONE || !key_type(in->fields[column].type))
        return describe_error(describe, err, "key", "write key: COLUMN",
                              "the input is not keyed by one column");
    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1d}",
                              "the window slides, but evidence decays by half-life");
    if (!check_cuts(describe, err) || !check_factor(describe, &factor, err) ||
        !widen_check_when(describe, "when", config->when, err))
        return false;
    say_what_is_read(describe, &factor);
    describe_output(describe, OUT, lift_schema(describe_arena(describe), in->fields[column].type));
    describe_output_key(describe, OUT, &class);
    say_what_is_kept(describe, &factor);
    describe_versions(describe, config->window.size_ms, false);
    return true;
}

/* ---- an instance ---- */

struct lift_scratch {
    struct arena *arena;
    struct expr *when;
    struct factor factor;
    struct served served;
    uint32_t cells;
    uint32_t clicked, first, second; /* columns; FIELD_NONE: absent */
    uint32_t levels[BATCH_ROWS_MAX], rows[BATCH_ROWS_MAX];
    double predicted[BATCH_ROWS_MAX], others[BATCH_ROWS_MAX], examinations[BATCH_ROWS_MAX];
};

static bool lift_open(struct op *op, struct error *err)
{
    const struct lift_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct lift_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(1024);
    scratch->factor = find_factor(config, scratch->arena);
    scratch->cells = factor_cells(&scratch->factor);
    scratch->clicked = schema_find(in, "clicked");
    scratch->first = schema_find(in, scratch->factor.columns[0]);
    scratch->second =
        scratch->factor.columns[1] ? schema_find(in, scratch->factor.columns[1]) : FIELD_NONE;
    served_open(&scratch->served, in, scratch->factor.name);
    if (config->when)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || scratch->when;
}

static void lift_close(struct op *op)
{
    struct lift_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    arena_close(scratch->arena);
}

/* ---- rows ---- */

/* What is left of a fixed-point sum: the same bits wherever it is done. */
static struct sum decayed(struct sum sum, uint64_t factor)
{
    return sum_from_raw(sum_raw(sum) * (__int128)factor >> DECAY_BITS);
}

static void begin_window(struct lift_state *state, const struct lift_scratch *scratch,
                         int64_t due_ms)
{
    int64_t half_life_ms = scratch->factor.half_life_ms;
    double left = half_life_ms ? exp2(-(double)(due_ms - state->due_ms) / (double)half_life_ms) : 1;
    uint64_t factor = (uint64_t)rint(ldexp(left, DECAY_BITS));

    CHECK(!state->pending && due_ms > state->due_ms);
    for (uint32_t i = 0; i < scratch->cells; i++) {
        struct lift_cell *cell = &state->cells[i];
        cell->clicks = decayed(cell->clicks, factor);
        cell->expected = decayed(cell->expected, factor);
        cell->squares = decayed(cell->squares, factor);
    }
    state->total = decayed(state->total, factor);
    state->due_ms = due_ms;
}

/* Adds a number below SMALL as sum_add does: doubles between 2^52 and 2^53 are whole, so that adding 1.5 x
 * 2^52 rounds to 2^-40 here. Several times faster than a conversion to 128 bits. */
static void add_small(struct sum *sum, double value)
{
    const double round = 0x1.8p52;

    *sum = sum_from_raw(sum_raw(*sum) + (int64_t)(value * 0x1p40 + round - round));
}

static void add_to(struct lift_cell *cell, bool clicked, double expected, double squares)
{
    cell->clicks = sum_from_raw(sum_raw(cell->clicks) + ((int64_t)clicked << SUM_FRACTION_BITS));
    if (expected < SMALL) {
        add_small(&cell->expected, expected);
        add_small(&cell->squares, squares);
    } else {
        sum_add(&cell->expected, expected);
        sum_add(&cell->squares, squares);
    }
}

/* False: the row has no level or no prediction. */
static bool learn(struct lift_scratch *scratch, struct lift_state *state, const struct batch *in,
                  uint32_t row, int64_t due_ms)
{
    const struct column *clicked = batch_column(in, scratch->clicked);
    uint32_t level = factor_level(scratch->levels[row]);
    uint32_t parent = factor_parent(scratch->levels[row]);
    double s = lift_sigmoid(scratch->others[row]), e = scratch->examinations[row];
    bool yes = column_valid(clicked, row) && column_bool(clicked, row);

    if ((level == FACTOR_NONE && parent == FACTOR_NONE) || !sum_fits(e * s))
        return false;
    if (state->due_ms == 0)
        state->first_ms = batch_time(in)[row];
    if (state->due_ms != due_ms)
        begin_window(state, scratch, due_ms);
    if (level != FACTOR_NONE)
        add_to(&state->cells[level], yes, e * s, e * s * s);
    if (parent != FACTOR_NONE)
        add_to(&state->cells[parent], yes, e * s, e * s * s);
    sum_add(&state->total, 1);
    return true;
}

static uint32_t choose(struct lift_scratch *scratch, const struct batch *in)
{
    if (scratch->when)
        return expr_filter(scratch->when, in, scratch->rows);
    for (uint32_t row = 0; row < in->rows; row++)
        scratch->rows[row] = row;
    return in->rows;
}

static void read_batch(struct op *op, const struct batch *in)
{
    const struct lift_config *config = op_config(op);
    struct lift_scratch *scratch = op_scratch(op);

    factor_find_levels(&scratch->factor, batch_column(in, scratch->first),
                       scratch->second == FIELD_NONE ? NULL : batch_column(in, scratch->second), 0,
                       in->rows, scratch->levels);
    served_logits(&scratch->served, in, scratch->predicted, NULL);
    served_others(&scratch->served, in, scratch->predicted, scratch->others);
    if (config->examined)
        served_examinations(&scratch->served, in, scratch->predicted, scratch->examinations);
    for (uint32_t row = 0; row < in->rows && !config->examined; row++)
        scratch->examinations[row] = 1;
}

static bool lift_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct lift_config *config = op_config(op);
    struct lift_scratch *scratch = op_scratch(op);
    void *const *cells = op_cells(op, SUMS);
    uint32_t rows = batch_rows(in), chosen;
    int64_t due[BATCH_ROWS_MAX], due_ms;

    (void)port;
    CHECK(rows > 0 && rows <= BATCH_ROWS_MAX);
    read_batch(op, in);
    /* Batches are cut where windows end. */
    due_ms = windows_last_ms(config->window.size_ms, batch_time(in)[0]);
    CHECK(batch_time(in)[rows - 1] <= due_ms);
    for (uint32_t row = 0; row < rows; row++)
        due[row] = INT64_MIN;
    chosen = choose(scratch, in);
    for (uint32_t i = 0; i < chosen; i++) {
        uint32_t row = scratch->rows[i];
        struct lift_state *state = cells[row];
        if (key_of(in, row).data[0] == KEY_TAG_NULL || !learn(scratch, state, in, row, due_ms) ||
            state->pending)
            continue;
        state->pending = true; /* and its timer is set, until the window ends */
        due[row] = due_ms;
    }
    return op_set_timers(op, due, err);
}

static void put_levels(const struct lift_scratch *scratch, const struct lift_state *state,
                       struct builder *out)
{
    struct builder *list = builder_list(out, LEVELS);

    for (uint32_t i = 0; i < scratch->cells; i++) {
        builder_child_row(list);
        builder_f64(list, CLICKS, sum_value(state->cells[i].clicks));
        builder_f64(list, EXPECTED, sum_value(state->cells[i].expected));
        builder_f64(list, SQUARES, sum_value(state->cells[i].squares));
    }
    builder_list_end(out, LEVELS);
}

static bool lift_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct lift_scratch *scratch = op_scratch(op);
    void *const *cells = op_cells(op, SUMS);
    struct builder *out = op_reserve(op, OUT, due_rows(due));

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct lift_state *state = cells[row];
        const struct key *key = due_key(due, row);
        if (!state->pending)
            continue;
        state->pending = false;
        builder_row(out, state->due_ms, 0, key->hash);
        builder_key(out, CLASS, key);
        builder_i64(out, TOTAL, (int64_t)rint(sum_value(state->total)));
        builder_i64(out, FIRST, state->first_ms);
        builder_i64(out, HALF_LIFE, scratch->factor.half_life_ms);
        put_levels(scratch, state, out);
        builder_i64(out, WINDOW_END, state->due_ms + 1);
    }
    return true;
}

const struct operator_def feature_lift = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/lift",
    .help = "Learns how clicks at each level of a factor compare with the prediction without it.",
    .config_size = sizeof(struct lift_config),
    .options = lift_options,
    .inputs = lift_in,
    .outputs = lift_out,
    .states = lift_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = lift_describe,
    .open = lift_open,
    .process = lift_process,
    .on_timer = lift_on_timer,
    .close = lift_close,
};
OPERATOR_REGISTER(feature_lift);
