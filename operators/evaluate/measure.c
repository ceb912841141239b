/* See measure.h. */
#include "operators/evaluate/measure.h"

#include <math.h>

enum {
    IMPRESSIONS,
    CLICKS,
    PREDICTED,
    PREDICTIONS,
    CONVERSIONS,
    DWELL,
    DWELT,
    SCORE,
    SCORED,
    CANCELS,
    VARIABLES,
};
static_assert(VARIABLES <= TALLY_VARIABLES_MAX, "a tally holds them");

static bool check_number(struct describe *describe, const char *option, const char *name,
                         struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    uint32_t column;

    if (!name)
        return true;
    column = schema_find(in, name);
    describe_reads(describe, 0, column);
    if (in->fields[column].type != TYPE_UTF8 && in->fields[column].type != TYPE_LIST &&
        in->fields[column].type != TYPE_VECTOR)
        return true;
    return describe_error(describe, err, option, "name a column of numbers", "column \"%s\" is %s",
                          name, type_name(in->fields[column].type));
}

bool measure_describe(struct describe *describe, const struct measure_options *options,
                      struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    const char *const marks[] = {options->clicked, options->converted, options->cancelled};

    for (uint32_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (marks[i])
            describe_reads(describe, 0, schema_find(in, marks[i]));
    return check_number(describe, "predicted", options->predicted, err) &&
           check_number(describe, "dwell", options->dwell, err) &&
           check_number(describe, "score", options->score, err);
}

static void add_figure(struct tally_plan *plan, const char *name, uint32_t over, uint32_t under)
{
    plan->figures[plan->figure_count++] = (struct tally_figure){name, over, under};
}

void measure_plan(const struct measure_options *options, struct tally_plan *plan)
{
    plan->variables = VARIABLES;
    plan->counts[plan->count_count++] = (struct tally_count){"impressions", IMPRESSIONS};
    plan->counts[plan->count_count++] = (struct tally_count){"clicks", CLICKS};
    add_figure(plan, "ctr", CLICKS, IMPRESSIONS);
    if (options->predicted) {
        add_figure(plan, "predicted", PREDICTED, PREDICTIONS);
        add_figure(plan, "calibration", PREDICTED, CLICKS);
    }
    if (options->converted)
        add_figure(plan, "conversion", CONVERSIONS, CLICKS);
    if (options->dwell) {
        add_figure(plan, "dwell", DWELL, DWELT);
        add_figure(plan, "dwell_per_impression", DWELL, IMPRESSIONS);
    }
    if (options->score)
        add_figure(plan, "satisfaction", SCORE, SCORED);
    if (options->cancelled)
        add_figure(plan, "cancel_rate", CANCELS, CLICKS);
}

static uint32_t find(const struct schema *in, const char *name)
{
    return name ? schema_find(in, name) : FIELD_NONE;
}

void measure_open(struct op *op, const struct measure_options *options, struct measure *measure)
{
    const struct schema *in = op_input_schema(op, 0);

    measure->clicked = find(in, options->clicked);
    measure->predicted = find(in, options->predicted);
    measure->converted = find(in, options->converted);
    measure->dwell = find(in, options->dwell);
    measure->score = find(in, options->score);
    measure->cancelled = find(in, options->cancelled);
}

bool measure_mark(const struct column *column, uint32_t row)
{
    return column_valid(column, row) && (column->type != TYPE_BOOL || column_bool(column, row));
}

static double mark(const struct batch *in, uint32_t column, uint32_t row)
{
    return column != FIELD_NONE && measure_mark(batch_column(in, column), row);
}

static void number(const struct batch *in, uint32_t column, uint32_t row, double *sum,
                   double *count)
{
    double value = column == FIELD_NONE ? NAN : column_number(batch_column(in, column), row);

    *count = !isnan(value);
    *sum = *count > 0 ? value : 0;
}

void measure_values(const struct measure *measure, const struct batch *in, uint32_t row,
                    double *values)
{
    values[IMPRESSIONS] = 1;
    values[CLICKS] = mark(in, measure->clicked, row);
    number(in, measure->predicted, row, &values[PREDICTED], &values[PREDICTIONS]);
    values[CONVERSIONS] = mark(in, measure->converted, row);
    number(in, measure->dwell, row, &values[DWELL], &values[DWELT]);
    number(in, measure->score, row, &values[SCORE], &values[SCORED]);
    values[CANCELS] = mark(in, measure->cancelled, row);
}
