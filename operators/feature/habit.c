/* feature/habit: when a user is used to come: how the row's hour and day of the week compare with his
 * events before it.
 * In: events keyed by user. Out: each event with, as of before it,
 *     habit_hour     his share of events in this hour of the day; 1/24 where nothing is known
 *     habit_weekday  his share of events on this day of the week; 1/7 where nothing is known
 *     habit          ln(24 habit_hour) + ln(7 habit_weekday): above 0 where he is used to come
 *     habit_events   decayed count that this rests on
 * and, on demand, both curves as lists.
 *
 * Method: decayed counts by hour and weekday, hours smoothed around the clock (.5 1 .5 over their sum),
 * then Dirichlet smoothing towards even shares, worth `prior` events. */
#include "operators/model/levels.h"
#include "operators/model/widen.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <string.h>

struct habit_config {
    const char *hour, *weekday, *when;
    int64_t half_life_ms, offset_ms;
    double prior;
    bool curves;
};

struct habit_cell { /* as of the last event */
    int64_t last_ms, known;
    double hours[LEVELS_HOURS], weekdays[LEVELS_WEEKDAYS];
};

static const struct option habit_options[] = {
    {.name = "hour",
     .type = OPT_FIELD,
     FIELD(struct habit_config, hour),
     .help = "Column with the local hour, 0 to 23; by default that of the event time."},
    {.name = "weekday",
     .type = OPT_FIELD,
     FIELD(struct habit_config, weekday),
     .help = "Column with the local day of the week, 0 Monday; by default that of the event time."},
    {.name = "utc-offset",
     .type = OPT_DURATION,
     FIELD(struct habit_config, offset_ms),
     .min.i64 = -15 * HOUR_MS,
     .max.i64 = 15 * HOUR_MS,
     .help = "What local time is ahead of UTC, where there is no such column."},
    {.name = "half-life",
     .type = OPT_DURATION,
     FIELD(struct habit_config, half_life_ms),
     .def.i64 = 60 * DAY_MS,
     .min.i64 = HOUR_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which an event counts half."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct habit_config, prior),
     .def.f64 = 8,
     .min.f64 = 0.01,
     .max.f64 = 1e6,
     .help = "Events that even shares are worth."},
    {.name = "curves",
     .type = OPT_BOOL,
     FIELD(struct habit_config, curves),
     .help = "Whether rows carry habit_hours and habit_weekdays, lists of all shares."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct habit_config, when),
     .help = "Which events are learned; by default all."},
    {0},
};
static const struct state_field habit_fields[] = {
    {"last", TYPE_TIMESTAMP, FIELD(struct habit_cell, last_ms)},
    {"known", TYPE_I64, FIELD(struct habit_cell, known)},
    {"hours", TYPE_UTF8, FIELD(struct habit_cell, hours)},
    {"weekdays", TYPE_UTF8, FIELD(struct habit_cell, weekdays)},
    {0},
};
static const struct state habit_states[] = {
    {"users", STATE_VALUE, habit_fields, sizeof(struct habit_cell)},
    {0},
};
static const struct port habit_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by user."},
    {0},
};
static const struct port habit_out[] = {
    {"out", .keyed = true, .help = "Each event with the user's habit before it."},
    {0},
};
enum { USERS = 0, IN = 0, OUT = 0 };
enum { HABIT_HOUR, HABIT_WEEKDAY, HABIT, HABIT_EVENTS, HABIT_HOURS, HABIT_WEEKDAYS };

static struct schema *added_schema(struct arena *arena, bool curves)
{
    struct schema *schema = schema_create(arena), *share = schema_create(arena);
    struct field hours = {.name = "habit_hours", .type = TYPE_LIST, .child = share};
    struct field weekdays = {.name = "habit_weekdays", .type = TYPE_LIST, .child = share};
    static const char *const names[] = {"habit_hour", "habit_weekday", "habit", "habit_events"};

    CHECK(schema_add_column(share, arena, "share", TYPE_F64));
    for (uint32_t i = 0; i < 4; i++)
        CHECK(schema_add_column(schema, arena, names[i], TYPE_F64));
    if (curves)
        CHECK(schema_add(schema, arena, &hours) && schema_add(schema, arena, &weekdays));
    return schema;
}

static bool habit_describe(struct describe *describe, struct error *err)
{
    const struct habit_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const char *columns[] = {config->hour, config->weekday}, *options[] = {"hour", "weekday"};

    for (uint32_t i = 0; i < 2; i++)
        if (columns[i] && !type_size(in->fields[schema_find(in, columns[i])].type))
            return describe_error(describe, err, options[i], "name a number",
                                  "column \"%s\" is no number", columns[i]);
    return widen_check_when(describe, "when", config->when, err) &&
           widen_describe(describe, OUT, added_schema(describe_arena(describe), config->curves),
                          err);
}

/* ---- an instance ---- */

struct habit_scratch {
    struct arena *arena;
    struct builder *added;
    struct expr *when;
    uint32_t hour, weekday; /* columns */
    uint32_t learned[BATCH_ROWS_MAX];
};

static bool habit_open(struct op *op, struct error *err)
{
    const struct habit_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct habit_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(added_schema(scratch->arena, config->curves), false);
    scratch->hour = config->hour ? schema_find(in, config->hour) : FIELD_NONE;
    scratch->weekday = config->weekday ? schema_find(in, config->weekday) : FIELD_NONE;
    if (config->when)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || scratch->when;
}

static void habit_close(struct op *op)
{
    struct habit_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- shares ---- */

/* Of each level, from counts times `left`; `round`: neighbours lend half of their weight. */
static void shares_of(const double *counts, uint32_t levels, double left, double prior, bool round,
                      double *shares)
{
    double total = 0;

    for (uint32_t i = 0; i < levels; i++)
        total += counts[i];
    for (uint32_t i = 0; i < levels; i++) {
        double count = counts[i];
        if (round)
            count =
                (count + 0.5 * counts[(i + 1) % levels] + 0.5 * counts[(i + levels - 1) % levels]) /
                2;
        shares[i] = (count * left + prior / levels) / (total * left + prior);
    }
}

static void put_shares(struct builder *added, uint32_t column, const double *shares,
                       uint32_t levels)
{
    struct builder *list = builder_list(added, column);

    for (uint32_t i = 0; i < levels; i++) {
        builder_child_row(list);
        builder_f64(list, 0, shares[i]);
    }
    builder_list_end(added, column);
}

static double left_of(const struct habit_config *config, const struct habit_cell *cell,
                      int64_t time_ms)
{
    return cell->known ? exp2((double)(cell->last_ms - time_ms) / (double)config->half_life_ms) : 0;
}

/* LEVELS of a value that is none: not told of, not learned. */
static void tell(const struct habit_config *config, struct builder *added,
                 const struct habit_cell *cell, uint32_t hour, uint32_t weekday, int64_t time_ms)
{
    double hours[LEVELS_HOURS], weekdays[LEVELS_WEEKDAYS], events = 0;
    double left = left_of(config, cell, time_ms);

    shares_of(cell->hours, LEVELS_HOURS, left, config->prior, true, hours);
    shares_of(cell->weekdays, LEVELS_WEEKDAYS, left, config->prior, false, weekdays);
    for (uint32_t i = 0; i < LEVELS_WEEKDAYS; i++)
        events += cell->weekdays[i];
    if (hour < LEVELS_HOURS)
        builder_f64(added, HABIT_HOUR, hours[hour]);
    if (weekday < LEVELS_WEEKDAYS)
        builder_f64(added, HABIT_WEEKDAY, weekdays[weekday]);
    if (hour < LEVELS_HOURS && weekday < LEVELS_WEEKDAYS)
        builder_f64(added, HABIT,
                    log(LEVELS_HOURS * hours[hour]) + log(LEVELS_WEEKDAYS * weekdays[weekday]));
    builder_f64(added, HABIT_EVENTS, events * left);
    if (!config->curves)
        return;
    put_shares(added, HABIT_HOURS, hours, LEVELS_HOURS);
    put_shares(added, HABIT_WEEKDAYS, weekdays, LEVELS_WEEKDAYS);
}

static void learn(const struct habit_config *config, struct habit_cell *cell, uint32_t hour,
                  uint32_t weekday, int64_t time_ms)
{
    double left = left_of(config, cell, time_ms);

    if (hour >= LEVELS_HOURS || weekday >= LEVELS_WEEKDAYS)
        return;
    for (uint32_t i = 0; i < LEVELS_HOURS; i++)
        cell->hours[i] *= left;
    for (uint32_t i = 0; i < LEVELS_WEEKDAYS; i++)
        cell->weekdays[i] *= left;
    cell->hours[hour]++;
    cell->weekdays[weekday]++;
    cell->last_ms = time_ms;
    cell->known = 1;
}

/* The row's level by its column, or `by_time`; `levels` where there is none. */
static uint32_t level_of(const struct batch *in, uint32_t column, uint32_t row, uint32_t by_time,
                         uint32_t levels)
{
    double value;

    if (column == FIELD_NONE)
        return by_time;
    value = column_number(batch_column(in, column), row);
    return value >= 0 && value < levels ? (uint32_t)value : levels;
}

static bool habit_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct habit_config *config = op_config(op);
    struct habit_scratch *scratch = op_scratch(op);
    uint32_t learned = widen_choose(scratch->when, in, scratch->learned), next = 0;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < in->rows; row++) {
        struct habit_cell *cell = op_cells(op, USERS)[row];
        int64_t time_ms = batch_time(in)[row], local_ms = time_ms + config->offset_ms;
        uint32_t hour = level_of(in, scratch->hour, row, levels_hour(local_ms), LEVELS_HOURS);
        uint32_t weekday =
            level_of(in, scratch->weekday, row, levels_weekday(local_ms), LEVELS_WEEKDAYS);
        builder_row_from(scratch->added, in, row);
        tell(config, scratch->added, cell, hour, weekday, time_ms);
        if (next == learned || scratch->learned[next] != row)
            continue;
        next++;
        learn(config, cell, hour, weekday, time_ms);
    }
    widen_emit(op, OUT, in, scratch->added);
    return true;
}

const struct operator_def feature_habit = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/habit",
    .help = "Tells how a row's hour and weekday compare with the user's habit.",
    .config_size = sizeof(struct habit_config),
    .options = habit_options,
    .inputs = habit_in,
    .outputs = habit_out,
    .states = habit_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = habit_describe,
    .open = habit_open,
    .process = habit_process,
    .close = habit_close,
};
OPERATOR_REGISTER(feature_habit);
