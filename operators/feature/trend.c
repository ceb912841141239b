/* feature/trend: whether an item is met more now than before, and how old it is.
 * In: events keyed by item. Out: a row of each item at the close of each window in which it was met, and
 * of those after it until it is quiet: a versioned table of
 *     item, count (ever), first, last, age_ms (since first)
 *     now, before   decayed counts with the half-lives `now` and `before`
 *     expected      what `now` would be, had the item been met all its life at its rate of `before`
 *     trend         ln((now + prior) / (expected + prior)): above 0 where it rises
 *     surge         (now - expected) / sqrt(expected + prior): how far beyond chance
 * all as of the window's end.
 *
 * Method: two exponential averages. A young item has had less time to collect the longer one, so each is
 * taken over the time it could have had: h / ln 2 (1 - 2^(-age / h)) of half-life h. */
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#include <math.h>

#define QUIET 0.05 /* of `now`: the last row of an item has less */

struct trend_config {
    struct window window;
    int64_t forget_ms;
    int64_t now_ms, before_ms;
    double prior;
};

struct trend_cell {
    int64_t count, first_ms, last_ms;
    int64_t due_ms;     /* end of the present window */
    double now, before; /* as of last_ms */
};

static const struct option trend_options[] = {
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct trend_config, window),
     .required = true,
     .help = "{tumbling: 10m}: how often the table changes."},
    WINDOWS_FORGET(struct trend_config, 365 * DAY_MS, "Items"),
    {.name = "now",
     .type = OPT_DURATION,
     FIELD(struct trend_config, now_ms),
     .def.i64 = 6 * HOUR_MS,
     .min.i64 = SECOND_MS,
     .max.i64 = 366 * DAY_MS,
     .help = "Half-life of the present."},
    {.name = "before",
     .type = OPT_DURATION,
     FIELD(struct trend_config, before_ms),
     .def.i64 = 7 * DAY_MS,
     .min.i64 = SECOND_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Half-life of what it is compared with; longer than `now`."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct trend_config, prior),
     .def.f64 = 1,
     .min.f64 = 0.001,
     .max.f64 = 1e6,
     .help = "Events added to both, so that few events make no trend."},
    {0},
};
static const struct state_field trend_fields[] = {
    {"count", TYPE_I64, FIELD(struct trend_cell, count)},
    {"first", TYPE_TIMESTAMP, FIELD(struct trend_cell, first_ms)},
    {"last", TYPE_TIMESTAMP, FIELD(struct trend_cell, last_ms)},
    {"due", TYPE_TIMESTAMP, FIELD(struct trend_cell, due_ms)},
    {"now", TYPE_F64, FIELD(struct trend_cell, now)},
    {"before", TYPE_F64, FIELD(struct trend_cell, before)},
    {0},
};
static const struct state trend_states[] = {
    {"items", STATE_VALUE, trend_fields, sizeof(struct trend_cell)},
    {0},
};
static const struct port trend_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by item."},
    {0},
};
static const struct column_def trend_row[] = {
    {"item", TYPE_KEY},
    {"count", TYPE_I64},
    {"first", TYPE_TIMESTAMP},
    {"last", TYPE_TIMESTAMP},
    {"age_ms", TYPE_I64},
    {"now", TYPE_F64},
    {"before", TYPE_F64},
    {"expected", TYPE_F64},
    {"trend", TYPE_F64},
    {"surge", TYPE_F64},
    {0},
};
static const struct port trend_out[] = {
    {"out", trend_row, .keyed = true, .help = "Items that are not quiet, each window."},
    {0},
};
enum { ITEMS = 0, OUT = 0 };
enum { ITEM, COUNT, FIRST, LAST, AGE, NOW, BEFORE, EXPECTED, TREND, SURGE };

static bool trend_describe(struct describe *describe, struct error *err)
{
    const struct trend_config *config = describe_config(describe);
    struct text_list item = {1, (const char *[]){"item"}};

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 10m}",
                              "the window slides, but counts are kept for ever");
    if (config->before_ms <= config->now_ms)
        return describe_error(describe, err, "before", "raise it, or lower `now`",
                              "the present is not shorter than what it is compared with");
    describe_output_key(describe, OUT, &item);
    describe_versions(describe, config->window.size_ms, false);
    windows_forget(describe, ITEMS, OUT, &config->window, config->forget_ms);
    return true;
}

static double faded(double value, int64_t age_ms, int64_t half_ms)
{
    return value * exp2(-(double)age_ms / (double)half_ms);
}

/* Of half-life `half_ms`, in units that cancel: the time that a count of this age had. */
static double time_had(int64_t age_ms, int64_t half_ms)
{
    return (double)half_ms * -expm1(-log(2) * (double)age_ms / (double)half_ms);
}

/* As of the end of the window; returns `now`. */
static double publish(const struct trend_config *config, const struct trend_cell *cell,
                      const struct key *key, struct builder *out)
{
    int64_t end_ms = cell->due_ms + 1, age_ms = end_ms - cell->first_ms;
    double now = faded(cell->now, end_ms - cell->last_ms, config->now_ms);
    double before = faded(cell->before, end_ms - cell->last_ms, config->before_ms);
    double expected =
        before * time_had(age_ms, config->now_ms) / time_had(age_ms, config->before_ms);

    builder_row(out, cell->due_ms, 0, key->hash);
    builder_key(out, ITEM, key);
    builder_i64(out, COUNT, cell->count);
    builder_i64(out, FIRST, cell->first_ms);
    builder_i64(out, LAST, cell->last_ms);
    builder_i64(out, AGE, age_ms);
    builder_f64(out, NOW, now);
    builder_f64(out, BEFORE, before);
    builder_f64(out, EXPECTED, expected);
    builder_f64(out, TREND, log((now + config->prior) / (expected + config->prior)));
    builder_f64(out, SURGE, (now - expected) / sqrt(expected + config->prior));
    return now;
}

static void learn(const struct trend_config *config, struct trend_cell *cell, int64_t time_ms)
{
    if (cell->count++ == 0)
        cell->first_ms = cell->last_ms = time_ms;
    cell->now = faded(cell->now, time_ms - cell->last_ms, config->now_ms) + 1;
    cell->before = faded(cell->before, time_ms - cell->last_ms, config->before_ms) + 1;
    cell->last_ms = time_ms;
}

static bool trend_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct trend_config *config = op_config(op);
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct trend_cell *cell = op_cells(op, ITEMS)[row];
        struct key key = key_of(in, row);

        due[row] = INT64_MIN;
        if (key.data[0] == KEY_TAG_NULL) /* no item */
            continue;
        if (windows_stale(config->window.size_ms, config->forget_ms, cell->due_ms,
                          batch_time(in)[row]))
            *cell = (struct trend_cell){0};
        learn(config, cell, batch_time(in)[row]);
        due[row] = cell->due_ms = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
    }
    return op_set_timers(op, due, err); /* of a key's timers the last one set stands */
}

/* The engine cuts batches at the ends of windows, so a row tells what was known there. */
static bool trend_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct trend_config *config = op_config(op);
    struct builder *out = op_reserve(op, OUT, due_rows(due));
    int64_t next[BATCH_ROWS_MAX];

    CHECK(due_rows(due) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct trend_cell *cell = op_cells(op, ITEMS)[row];
        next[row] = INT64_MAX;
        if (publish(config, cell, due_key(due, row), out) < QUIET)
            continue;
        cell->due_ms += config->window.size_ms;
        next[row] = cell->due_ms;
    }
    return op_set_timers(op, next, err);
}

const struct operator_def feature_trend = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/trend",
    .help = "Compares how often each item is met now with before, and tells its age.",
    .config_size = sizeof(struct trend_config),
    .options = trend_options,
    .inputs = trend_in,
    .outputs = trend_out,
    .states = trend_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = trend_describe,
    .process = trend_process,
    .on_timer = trend_on_timer,
};
OPERATOR_REGISTER(feature_trend);
