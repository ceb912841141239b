/* evaluate/truth: what lists would have earned, from the generator's truth instead of its coin flips:
 * expected clicks, conversions and dwell of several rankers' lists on the same requests, and each one's
 * uplift over a base.
 * In: judged requests: a list `items` of all candidates with the truth of each, and its rank in each
 * arm's list (columns ranks.ARM, of evaluate/rank; `position` is the list that was served). Out: one
 * row a slice and arm (tally.h).
 *
 * Clicks of an arm = the sum over its first `k` ranks of examination x P(click), as it would have been
 * shown. Expectations in place of draws, paired by user, make differences of some hundredths of a
 * percent visible in one run. The truth is for measuring: no ranker may read what this reads. */
#include "operators/evaluate/ranks.h"
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

struct truth_config {
    struct tally_options tally; /* first */
    struct text_list ranks;
    const char *clicks, *conversions, *dwell, *length;
    int64_t k;
    double examination;
};

enum { IMPRESSIONS, LISTS, CLICKS, CONVERSIONS, DWELL, VARIABLES };

static const struct option truth_options[] = {
    TALLY_OPTIONS(struct truth_config),
    TALLY_GROUPS(struct truth_config),
    {.name = "base",
     .type = OPT_TEXT,
     FIELD(struct truth_config, tally.base),
     .help = "The arm that the others are compared with; gives columns such as `clicks_uplift`."},
    {.name = "ranks",
     .type = OPT_TEXTS,
     FIELD(struct truth_config, ranks),
     .help =
         "Columns of the items with their ranks in the arms' lists; without it, all whose names "
         "begin with ranks. One may be position: the list that was served."},
    {.name = "clicks",
     .type = OPT_TEXT,
     FIELD(struct truth_config, clicks),
     .def.text = "truth.p",
     .help = "Column of the items: the true probability of a click once the item is looked at."},
    {.name = "conversions",
     .type = OPT_TEXT,
     FIELD(struct truth_config, conversions),
     .help = "Column of the items: conversions expected of a click, such as truth.conversion."},
    {.name = "dwell",
     .type = OPT_TEXT,
     FIELD(struct truth_config, dwell),
     .help = "Column of the items: seconds expected of a click, such as truth.dwell."},
    {.name = "length",
     .type = OPT_FIELD,
     FIELD(struct truth_config, length),
     .help = "The column with the length of the request's list, where it may be less than `k`."},
    RANKS_OPTIONS(struct truth_config),
    {0},
};
static const struct state truth_states[] = {TALLY_STATES, {0}};
static const struct port truth_in[] = {
    {"in", .global = true, .help = "Requests with their candidates, ranked and judged."},
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

static bool check_number(struct describe *describe, const struct schema *items, const char *option,
                         const char *name, struct error *err)
{
    uint32_t column = name ? schema_find(items, name) : FIELD_NONE;

    if (!name || (column != FIELD_NONE && items->fields[column].type == TYPE_F64))
        return true;
    return describe_error(describe, err, option, "read the port `judged` of generator/outcome",
                          "\"%s\" is no f64 column of the items", name);
}

static bool truth_describe(struct describe *describe, struct error *err)
{
    const struct truth_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in), *schema;
    struct tally_plan plan = {0};

    if (items == in)
        return describe_error(describe, err, "from", "read the port `judged` of generator/outcome",
                              "the input has no list \"items\"");
    describe_reads(describe, 0, schema_find(in, "items"));
    if (config->length)
        describe_reads(describe, 0, schema_find(in, config->length));
    truth_plan(config, &plan);
    if (!ranks_describe(describe, items, &config->ranks, config->tally.base, err) ||
        !check_number(describe, items, "clicks", config->clicks, err) ||
        !check_number(describe, items, "conversions", config->conversions, err) ||
        !check_number(describe, items, "dwell", config->dwell, err))
        return false;
    schema = tally_describe(describe, &plan, err);
    if (schema)
        describe_output(describe, 0, schema);
    return schema != NULL;
}

struct truth_scratch {
    struct tally tally;
    struct ranks ranks;
    struct list_layout layout;
    uint32_t length;                     /* column */
    uint32_t clicks, conversions, dwell; /* of the items */
};

static bool truth_open(struct op *op, struct error *err)
{
    const struct truth_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0), *items = list_schema(in);
    struct truth_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct tally_plan plan = {0};

    (void)err; /* cannot fail */
    truth_plan(config, &plan);
    tally_open(op, &scratch->tally, &plan);
    list_open(op, &scratch->layout, NULL, 0);
    ranks_find(&scratch->ranks, items, &config->ranks, config->examination);
    scratch->length = config->length ? schema_find(in, config->length) : FIELD_NONE;
    scratch->clicks = schema_find(items, config->clicks);
    scratch->conversions =
        config->conversions ? schema_find(items, config->conversions) : FIELD_NONE;
    scratch->dwell = config->dwell ? schema_find(items, config->dwell) : FIELD_NONE;
    op_set_scratch(op, scratch);
    return true;
}

static uint32_t length_of(const struct truth_config *config, const struct truth_scratch *scratch,
                          const struct batch *in, uint32_t row)
{
    double length =
        scratch->length == FIELD_NONE ? NAN : column_number(batch_column(in, scratch->length), row);

    return length >= 0 && length < (double)config->k ? (uint32_t)length : (uint32_t)config->k;
}

static double number(const struct batch *items, uint32_t column, uint32_t row)
{
    double value = column == FIELD_NONE ? 0 : column_number(batch_column(items, column), row);

    return isnan(value) ? 0 : value;
}

/* An arm's list of a request, summed by rank: no order of the candidates changes a bit. */
static void judge(const struct truth_scratch *scratch, const struct batch *items,
                  const uint32_t *by_rank, uint32_t length, double *values)
{
    memset(values, 0, VARIABLES * sizeof(*values));
    values[LISTS] = 1;
    for (uint32_t rank = 1; rank <= length; rank++) {
        uint32_t place = by_rank[rank];
        double clicks;
        if (place == FIELD_NONE)
            continue;
        clicks = scratch->ranks.exam[rank] * number(items, scratch->clicks, place);
        values[IMPRESSIONS] += 1;
        values[CLICKS] += clicks;
        values[CONVERSIONS] += clicks * number(items, scratch->conversions, place);
        values[DWELL] += clicks * number(items, scratch->dwell, place);
    }
}

static bool truth_row(struct op *op, const struct batch *in, uint32_t row)
{
    struct truth_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    uint32_t length = length_of(op_config(op), scratch, in, row), begin, end;
    uint32_t by_rank[RANKS_MAX + 1];
    double values[TALLY_VARIABLES_MAX];

    list_range(&scratch->layout, in, row, &begin, &end);
    for (uint32_t i = 0; i < scratch->ranks.count; i++) {
        const struct ranks_arm *arm = &scratch->ranks.arms[i];
        const struct column *ranks = batch_column(items, arm->column);
        for (uint32_t rank = 0; rank <= length; rank++)
            by_rank[rank] = FIELD_NONE;
        for (uint32_t place = begin; place < end; place++)
            by_rank[ranks_of(ranks, place, length)] = place; /* 0: the others */
        judge(scratch, items, by_rank, length, values);
        if (!tally_row(op, &scratch->tally, in, row, arm->name, (uint32_t)strlen(arm->name),
                       values))
            return false;
    }
    return true;
}

static bool truth_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct truth_scratch *scratch = op_scratch(op);

    (void)port; /* there is one */
    (void)err;  /* what could not be read is the engine's error */
    tally_begin(&scratch->tally, in);
    for (uint32_t row = 0; row < batch_rows(in); row++)
        if (!truth_row(op, in, row))
            break;
    return true;
}

static bool truth_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct truth_scratch *scratch = op_scratch(op);

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
