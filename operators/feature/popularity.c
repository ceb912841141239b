/* feature/popularity: how often each item was met, ever and lately.
 * In: events keyed by item. Out: item, count, decayed count with its hour, rank, first and last
 * event time; a row of each item that changed, at the close of each window: a versioned table for
 * `score`, which also takes the items' names from its keys.
 *
 * Method: exponential decay in whole hours with a half-life of three days (decay.h). `rank` orders
 * the decayed counts at any later time without reading a clock (forward decay: Cormode,
 * Shkapenyuk, Srivastava, Xu 2009, ICDE).
 *
 * A key's timer stands at the end of the window that the latest change is in; the engine cuts
 * batches there (describe_versions), so a row goes out with what was known at the window's end. */
#include "operators/model/decay.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

struct popularity_config {
    int64_t forget_ms;
    struct window window;
};

struct popularity_cell {
    int64_t count, hour, first_ms, last_ms;
    int64_t due_ms; /* end of the window that the latest event is in */
    double decayed; /* at `hour` */
    bool pending;   /* changed since the last row */
};

static const struct option popularity_options[] = {
    WINDOWS_FORGET(struct popularity_config, 0, "Items"),
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct popularity_config, window),
     .required = true,
     .help = "{tumbling: 1m}: how often the table changes."},
    {0},
};
static const struct state_field popularity_fields[] = {
    {"count", TYPE_I64, FIELD(struct popularity_cell, count)},
    {"hour", TYPE_I64, FIELD(struct popularity_cell, hour)},
    {"first", TYPE_TIMESTAMP, FIELD(struct popularity_cell, first_ms)},
    {"last", TYPE_TIMESTAMP, FIELD(struct popularity_cell, last_ms)},
    {"due", TYPE_TIMESTAMP, FIELD(struct popularity_cell, due_ms)},
    {"decayed", TYPE_F64, FIELD(struct popularity_cell, decayed)},
    {"pending", TYPE_BOOL, FIELD(struct popularity_cell, pending)},
    {0},
};
static const struct state popularity_states[] = {
    {"items", STATE_VALUE, popularity_fields, sizeof(struct popularity_cell)},
    {0},
};
static const struct port popularity_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by item."},
    {0},
};
static const struct column_def popularity_row[] = {
    {"item", TYPE_KEY}, {"count", TYPE_I64},       {"decayed", TYPE_F64},    {"hour", TYPE_I64},
    {"rank", TYPE_F64}, {"first", TYPE_TIMESTAMP}, {"last", TYPE_TIMESTAMP}, {0},
};
static const struct port popularity_out[] = {
    {"out", popularity_row, .keyed = true, .help = "Items that changed in a window."},
    {0},
};
enum { ITEMS = 0, OUT = 0 };
enum { ITEM, COUNT, DECAYED, HOUR, RANK, FIRST, LAST };

static bool popularity_describe(struct describe *describe, struct error *err)
{
    const struct popularity_config *config = describe_config(describe);

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1m}",
                              "the window slides, but counts are kept for ever");
    describe_versions(describe, config->window.size_ms, false);
    windows_forget(describe, ITEMS, OUT, &config->window, config->forget_ms);
    return true;
}

static bool popularity_open(struct op *op, struct error *err)
{
    struct decay *decay = op_memory(op, sizeof(*decay));

    (void)err; /* cannot fail */
    decay_init(decay);
    op_set_scratch(op, decay);
    return true;
}

static void popularity_publish(struct popularity_cell *cell, const struct key *key,
                               struct builder *out)
{
    builder_row(out, cell->due_ms, 0, key->hash);
    builder_key(out, ITEM, key);
    builder_i64(out, COUNT, cell->count);
    builder_f64(out, DECAYED, cell->decayed);
    builder_i64(out, HOUR, cell->hour);
    builder_f64(out, RANK, decay_rank(cell->decayed, cell->hour));
    builder_i64(out, FIRST, cell->first_ms);
    builder_i64(out, LAST, cell->last_ms);
    cell->pending = false;
}

static void popularity_learn(struct popularity_cell *cell, const struct decay *decay,
                             int64_t time_ms)
{
    int64_t hour = decay_hour(time_ms);

    if (cell->count == 0) {
        cell->first_ms = time_ms;
        cell->hour = hour;
    }
    cell->decayed = decay_read(decay, cell->decayed, cell->hour, hour) + 1;
    cell->hour = hour;
    cell->last_ms = time_ms;
    cell->count++;
    cell->pending = true;
}

static bool popularity_process(struct op *op, uint32_t port, const struct batch *in,
                               struct error *err)
{
    const struct popularity_config *config = op_config(op);
    void *const *cells = op_cells(op, ITEMS);
    const int64_t *times = batch_time(in);
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct popularity_cell *cell = cells[row];
        struct key key = key_of(in, row);

        due[row] = INT64_MIN;
        if (key.data[0] == KEY_TAG_NULL) /* no item */
            continue;
        if (windows_stale(config->window.size_ms, config->forget_ms, cell->due_ms, times[row]))
            *cell = (struct popularity_cell){0};
        CHECK(!cell->pending || times[row] <= cell->due_ms);
        popularity_learn(cell, op_scratch(op), times[row]);
        cell->due_ms = windows_last_ms(config->window.size_ms, times[row]);
        due[row] = cell->due_ms;
    }
    return op_set_timers(op, due, err); /* of a key's timers the last one set stands */
}

static bool popularity_on_timer(struct op *op, const struct due *due, struct error *err)
{
    void *const *cells = op_cells(op, ITEMS);
    struct builder *out = op_reserve(op, OUT, due_rows(due));

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct popularity_cell *cell = cells[row];
        if (cell->pending)
            popularity_publish(cell, due_key(due, row), out);
    }
    return true;
}

const struct operator_def feature_popularity = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/popularity",
    .help = "Counts each item's events, ever and with a half-life of three days.",
    .config_size = sizeof(struct popularity_config),
    .options = popularity_options,
    .inputs = popularity_in,
    .outputs = popularity_out,
    .states = popularity_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = popularity_describe,
    .open = popularity_open,
    .process = popularity_process,
    .on_timer = popularity_on_timer,
};
OPERATOR_REGISTER(feature_popularity);
