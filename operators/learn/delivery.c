/* learn/delivery: learns online whether content starts in time on a link: the model of adjust/delivery.
 * In: plays with the link as it was known at serving: started, bitrate (Mbit/s; of a page its size in
 * Mbit), thr_q20, thr_mean, rtt_ms, loss. All of them meet in one subtask, in order of event time. Out:
 * model (0), w0 to w4, plays, window_end: a versioned table of one row. Method: delivery.h. */
#include "operators/model/delivery.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#include <string.h>

struct delivery_config {
    double step;
    struct window window;
};

struct delivery_cell {
    double weights[DELIVERY_WEIGHTS];
    int64_t plays, due_ms;
    bool pending; /* changed since the last row */
};

static const struct option delivery_options[] = {
    {.name = "step",
     .type = OPT_F64,
     FIELD(struct delivery_config, step),
     .def.f64 = 0.01,
     .min.f64 = 1e-6,
     .max.f64 = 1,
     .help = "Length of a gradient step."},
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct delivery_config, window),
     .required = true,
     .help = "{tumbling: 1h}: how often the table changes."},
    {0},
};
static const struct state_field delivery_fields[] = {
    {"weights", TYPE_UTF8, FIELD(struct delivery_cell, weights)},
    {"plays", TYPE_I64, FIELD(struct delivery_cell, plays)},
    {"due", TYPE_TIMESTAMP, FIELD(struct delivery_cell, due_ms)},
    {"pending", TYPE_BOOL, FIELD(struct delivery_cell, pending)},
    {0},
};
static const struct state delivery_states[] = {
    {"model", STATE_VALUE, delivery_fields, sizeof(struct delivery_cell)},
    {0},
};
static const char *const inputs[] = {"started", "bitrate", "thr_q20", "thr_mean", "rtt_ms", "loss"};
enum { STARTED, BITRATE, Q20, MEAN, RTT, LOSS, INPUTS };
static const struct column_def delivery_columns[] = {{"started", TYPE_BOOL},
                                                     {"bitrate", TYPE_NONE},
                                                     {"thr_q20", TYPE_NONE},
                                                     {"thr_mean", TYPE_NONE},
                                                     {"rtt_ms", TYPE_NONE},
                                                     {"loss", TYPE_NONE},
                                                     {0}};
static const struct port delivery_in[] = {
    {"in", delivery_columns, .global = true, .help = "Plays with their link."},
    {0},
};
static const struct column_def delivery_row[] = {{"model", TYPE_I64},
                                                 {"w0", TYPE_F64},
                                                 {"w1", TYPE_F64},
                                                 {"w2", TYPE_F64},
                                                 {"w3", TYPE_F64},
                                                 {"w4", TYPE_F64},
                                                 {"plays", TYPE_I64},
                                                 {"window_end", TYPE_TIMESTAMP},
                                                 {0}};
static const struct port delivery_out[] = {
    {"out", delivery_row, .help = "The weights, whenever a window changed them."},
    {0},
};
enum { MODEL = 0, OUT = 0 };
enum { COLUMN_MODEL, COLUMN_WEIGHTS, COLUMN_PLAYS = COLUMN_WEIGHTS + DELIVERY_WEIGHTS, COLUMN_END };

static bool delivery_describe(struct describe *describe, struct error *err)
{
    const struct delivery_config *config = describe_config(describe);
    struct text_list model = {1, (const char *[]){"model"}};

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1h}",
                              "the window slides, but the model is learnt for ever");
    describe_output_key(describe, OUT, &model);
    describe_versions(describe, config->window.size_ms, false);
    return true;
}

struct delivery_scratch {
    uint32_t columns[INPUTS];
};

static bool delivery_open(struct op *op, struct error *err)
{
    struct delivery_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    for (uint32_t i = 0; i < INPUTS; i++)
        scratch->columns[i] = schema_find(op_input_schema(op, 0), inputs[i]);
    op_set_scratch(op, scratch);
    return true;
}

static void learn(struct op *op, struct delivery_cell *cell, const struct batch *in, uint32_t row,
                  int64_t due_ms)
{
    const struct delivery_config *config = op_config(op);
    const struct delivery_scratch *scratch = op_scratch(op);
    double value[INPUTS];
    struct link link;

    for (uint32_t i = 0; i < INPUTS; i++)
        value[i] = column_number(batch_column(in, scratch->columns[i]), row);
    if (value[STARTED] != value[STARTED]) /* null */
        return;
    if (cell->plays == 0)
        memcpy(cell->weights, delivery_start, sizeof(delivery_start));
    link = (struct link){value[Q20], value[MEAN], value[RTT], value[LOSS]};
    if (!delivery_learn(cell->weights, &link, value[BITRATE], value[STARTED] > 0, config->step))
        return;
    cell->plays++;
    cell->due_ms = due_ms;
    cell->pending = true;
}

static bool delivery_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    const struct delivery_config *config = op_config(op);
    void *const *cells = op_cells(op, MODEL);
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        due[row] = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
        learn(op, cells[row], in, row, due[row]);
    }
    return op_set_timers(op, due, err);
}

static bool delivery_on_timer(struct op *op, const struct due *due, struct error *err)
{
    void *const *cells = op_cells(op, MODEL);
    struct builder *out = op_reserve(op, OUT, due_rows(due));

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct delivery_cell *cell = cells[row];
        if (!cell->pending)
            continue;
        cell->pending = false;
        builder_row(out, cell->due_ms, 0, 0);
        builder_i64(out, COLUMN_MODEL, 0);
        for (uint32_t i = 0; i < DELIVERY_WEIGHTS; i++)
            builder_f64(out, COLUMN_WEIGHTS + i, cell->weights[i]);
        builder_i64(out, COLUMN_PLAYS, cell->plays);
        builder_i64(out, COLUMN_END, cell->due_ms + 1);
    }
    return true;
}

const struct operator_def learn_delivery = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/delivery",
    .help = "Learns online whether content starts in time on a link.",
    .config_size = sizeof(struct delivery_config),
    .options = delivery_options,
    .inputs = delivery_in,
    .outputs = delivery_out,
    .states = delivery_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = delivery_describe,
    .open = delivery_open,
    .process = delivery_process,
    .on_timer = delivery_on_timer,
};
OPERATOR_REGISTER(learn_delivery);
