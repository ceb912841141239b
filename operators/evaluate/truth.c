/* evaluate/truth: what lists would have earned, from the generator's truth instead of its coin flips:
 * expected clicks, conversions and dwell, and each arm's uplift over a base arm on the same requests.
 * In: truth rows, one an item of a list, each with its arm. Out: one row a slice and arm (tally.h).
 *
 * Expectations in place of draws, paired by user, make differences of some hundredths of a percent
 * visible in one run. `conversions` and `dwell` are expectations given a click and are weighted by
 * its probability, unless `given-click` is false. */
#include "operators/evaluate/tally.h"

#include <math.h>

struct truth_config {
    struct tally_options tally; /* first */
    const char *position, *clicks, *conversions, *dwell;
    bool given_click;
};

enum { IMPRESSIONS, LISTS, CLICKS, CONVERSIONS, DWELL, VARIABLES };

static const struct option truth_options[] = {
    TALLY_OPTIONS(struct truth_config),
    {.name = "arm",
     .type = OPT_FIELD,
     FIELD(struct truth_config, tally.arm),
     .help = "The column with the name of the ranker whose list it is."},
    {.name = "base",
     .type = OPT_TEXT,
     FIELD(struct truth_config, tally.base),
     .help = "The arm that the others are compared with; gives columns such as `clicks_uplift`."},
    {.name = "position",
     .type = OPT_FIELD,
     FIELD(struct truth_config, position),
     .def.text = "position",
     .help = "The place in the list, from 1: counts the lists."},
    {.name = "clicks",
     .type = OPT_FIELD,
     FIELD(struct truth_config, clicks),
     .def.text = "p",
     .help = "The true probability of a click at that position."},
    {.name = "conversions",
     .type = OPT_FIELD,
     FIELD(struct truth_config, conversions),
     .help = "The true expectation of conversions, such as e_conv."},
    {.name = "dwell",
     .type = OPT_FIELD,
     FIELD(struct truth_config, dwell),
     .help = "The true expectation of seconds, such as e_dwell."},
    {.name = "given-click",
     .type = OPT_BOOL,
     FIELD(struct truth_config, given_click),
     .def.flag = true,
     .help = "Conversions and dwell are expectations given a click, not of the impression."},
    {0},
};
static const struct state truth_states[] = {TALLY_STATES, {0}};
static const struct port truth_in[] = {
    {"in", .global = true, .help = "Truth rows of the generator, one an item of a list."},
    {0},
};
static const struct port truth_out[] = {
    {"out", .help = "One row a slice and arm, at the end of its period or of the input."},
    {0},
};

static void truth_plan(const struct truth_config *config, struct tally_plan *plan)
{
    static const struct tally_figure figures[] = {
        {"ctr", CLICKS, IMPRESSIONS},
        {"clicks", CLICKS, LISTS},
        {"conversions", CONVERSIONS, LISTS},
        {"dwell", DWELL, LISTS},
    };
    const bool wanted[] = {true, true, config->conversions != NULL, config->dwell != NULL};

    plan->variables = VARIABLES;
    plan->counts[plan->count_count++] = (struct tally_count){"lists", LISTS};
    for (uint32_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        if (wanted[i])
            plan->figures[plan->figure_count++] = figures[i];
}

static bool truth_describe(struct describe *describe, struct error *err)
{
    const struct truth_config *config = describe_config(describe);
    const char *const numbers[] = {config->position, config->clicks, config->conversions,
                                   config->dwell};
    const struct schema *in = describe_input(describe, 0);
    struct tally_plan plan = {0};
    const struct schema *schema;

    truth_plan(config, &plan);
    for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint32_t column = numbers[i] ? schema_find(in, numbers[i]) : FIELD_NONE;
        if (column == FIELD_NONE)
            continue;
        describe_reads(describe, 0, column);
        if (type_size(in->fields[column].type) == 0)
            return describe_error(describe, err, "from", "read the generator's truth",
                                  "column \"%s\" is %s, not a number", numbers[i],
                                  type_name(in->fields[column].type));
    }
    schema = tally_describe(describe, &plan, err);
    if (schema)
        describe_output(describe, 0, schema);
    return schema != NULL;
}

struct truth_scratch {
    struct tally tally;
    uint32_t position, clicks, conversions, dwell; /* columns */
};

static bool truth_open(struct op *op, struct error *err)
{
    const struct truth_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct truth_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct tally_plan plan = {0};

    (void)err; /* cannot fail */
    truth_plan(config, &plan);
    tally_open(op, &scratch->tally, &plan);
    scratch->position = schema_find(in, config->position);
    scratch->clicks = schema_find(in, config->clicks);
    scratch->conversions = config->conversions ? schema_find(in, config->conversions) : FIELD_NONE;
    scratch->dwell = config->dwell ? schema_find(in, config->dwell) : FIELD_NONE;
    op_set_scratch(op, scratch);
    return true;
}

static double number(const struct batch *in, uint32_t column, uint32_t row)
{
    double value = column == FIELD_NONE ? 0 : column_number(batch_column(in, column), row);

    return isnan(value) ? 0 : value;
}

static bool truth_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct truth_config *config = op_config(op);
    struct truth_scratch *scratch = op_scratch(op);

    (void)port; /* there is one */
    (void)err;  /* what could not be read is the engine's error */
    tally_begin(&scratch->tally, in);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        double clicks = number(in, scratch->clicks, row);
        double weight = config->given_click ? clicks : 1;
        double values[TALLY_VARIABLES_MAX] = {
            [IMPRESSIONS] = 1,
            [LISTS] = number(in, scratch->position, row) == 1,
            [CLICKS] = clicks,
            [CONVERSIONS] = weight * number(in, scratch->conversions, row),
            [DWELL] = weight * number(in, scratch->dwell, row),
        };
        if (!tally_row(op, &scratch->tally, in, row, NULL, 0, values))
            break;
    }
    return true;
}

static bool truth_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct truth_scratch *scratch = op_scratch(op);

    (void)err; /* what could not be read is the engine's error */
    return tally_watermark(op, &scratch->tally, time_ms, NULL);
}

const struct operator_def evaluate_truth = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "evaluate/truth",
    .help = "Expected clicks, conversions and dwell of lists, arms compared on the same requests.",
    .config_size = sizeof(struct truth_config),
    .options = truth_options,
    .inputs = truth_in,
    .outputs = truth_out,
    .states = truth_states,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = truth_describe,
    .open = truth_open,
    .process = truth_process,
    .on_watermark = truth_on_watermark,
};
OPERATOR_REGISTER(evaluate_truth);
