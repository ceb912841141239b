/* evaluate/clicks: what users did with what they were shown: click rate, conversion, satisfaction,
 * calibration, over all rows, by columns, by arm and over time, with intervals over users.
 * In: labelled impressions, one row an item shown. Out: one row a slice (tally.h).
 *
 * calibration is predicted over observed clicks: above 1 the predictions are too high. Figures of
 * what happens after the click are over clicks (conversion, cancel_rate) or over the rows that have a
 * value (dwell, satisfaction). */
#include "operators/evaluate/measure.h"

struct clicks_config {
    struct tally_options tally; /* first */
    struct measure_options measure;
};

static const struct option clicks_options[] = {
    TALLY_OPTIONS(struct clicks_config),
    TALLY_GROUPS(struct clicks_config),
    {.name = "arm",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, tally.arm),
     .help = "The column with the arm of the row; each has rows of its own."},
    {.name = "base",
     .type = OPT_TEXT,
     FIELD(struct clicks_config, tally.base),
     .help = "The arm that the others are compared with; gives columns such as `ctr_uplift`."},
    {.name = "clicked",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, measure.clicked),
     .def.text = "clicked",
     .help = "A bool, or a column that is null where there was no click."},
    {.name = "predicted",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, measure.predicted),
     .help =
         "The predicted probability of a click; gives `predicted`, its mean, and `calibration`, "
         "predicted over observed clicks."},
    {.name = "converted",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, measure.converted),
     .help = "A bool, or null where nothing was bought; gives `conversion`, a click."},
    {.name = "dwell",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, measure.dwell),
     .help = "Seconds spent, null where unknown."},
    {.name = "score",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, measure.score),
     .help = "A score that the user gave, null where none; gives `satisfaction`, its mean."},
    {.name = "cancelled",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, measure.cancelled),
     .help = "A bool, or null where nothing was cancelled; gives `cancel_rate`, a click."},
    {0},
};
static const struct state clicks_states[] = {TALLY_STATES, {0}};
static const struct port clicks_in[] = {
    {"in", .global = true, .help = "Labelled impressions."},
    {0},
};
static const struct port clicks_out[] = {
    {"out", .help = "One row a slice and arm, at the end of its period or of the input."},
    {0},
};

static bool clicks_describe(struct describe *describe, struct error *err)
{
    const struct clicks_config *config = describe_config(describe);
    struct tally_plan plan = {0};
    const struct schema *schema;

    measure_plan(&config->measure, &plan);
    if (!measure_describe(describe, &config->measure, err))
        return false;
    schema = tally_describe(describe, &plan, err);
    if (schema)
        describe_output(describe, 0, schema);
    return schema != NULL;
}

struct clicks_scratch {
    struct tally tally;
    struct measure measure;
};

static bool clicks_open(struct op *op, struct error *err)
{
    const struct clicks_config *config = op_config(op);
    struct clicks_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct tally_plan plan = {0};

    (void)err; /* cannot fail */
    measure_plan(&config->measure, &plan);
    tally_open(op, &scratch->tally, &plan);
    measure_open(op, &config->measure, &scratch->measure);
    op_set_scratch(op, scratch);
    return true;
}

static bool clicks_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct clicks_scratch *scratch = op_scratch(op);
    double values[TALLY_VARIABLES_MAX];

    (void)port; /* there is one */
    (void)err;  /* what could not be read is the engine's error */
    tally_begin(&scratch->tally, in);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        measure_values(&scratch->measure, in, row, values);
        if (!tally_row(op, &scratch->tally, in, row, NULL, 0, values))
            break;
    }
    return true;
}

static bool clicks_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct clicks_scratch *scratch = op_scratch(op);

    (void)err; /* what could not be read is the engine's error */
    return tally_watermark(op, &scratch->tally, time_ms, NULL);
}

const struct operator_def evaluate_clicks = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "evaluate/clicks",
    .help = "Click rate, conversion, satisfaction and calibration, with intervals over users.",
    .config_size = sizeof(struct clicks_config),
    .options = clicks_options,
    .inputs = clicks_in,
    .outputs = clicks_out,
    .states = clicks_states,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = clicks_describe,
    .open = clicks_open,
    .process = clicks_process,
    .on_watermark = clicks_on_watermark,
};
OPERATOR_REGISTER(evaluate_clicks);
