/* learn/strengths: how strongly each factor's term should count in the logit of a click, learnt from
 * lists that were drawn at random.
 * In: labelled impressions (clicked, position; p_served, base, reasons.NAME, shadow.NAME), all in one
 * subtask, in order of event time; `when` says which count. Out: at the ends of windows that had some (with
 * `last` only at the last one) a row a term: factor, strength, se, z (strength over se), impressions, gain, gain_se, window_end; `level`
 * is a constant and `base` the base's slope: off 0 and 1 they tell of a base that is not calibrated.
 *
 * Method: strengths.h; a window's rows are expanded at the strengths known at its beginning. A strength of
 * 1 serves the term as it is. Before a row is learnt from, it is predicted: gain is how much more likely
 * (log, a thousand impressions) the learnt strengths make what was seen than strengths of 1 do, over all
 * windows but the first. So it is held out: strengths are worth taking where it is above two gain_se. All
 * sums fade with `half-life`, since a base that goes on learning needs other strengths than a young one. */
#include "operators/model/strengths.h"
#include "operators/model/served.h"
#include "operators/model/widen.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <string.h>

struct strengths_config {
    const char *when;
    struct text_list factors;
    double spread;
    int64_t half_life_ms;
    struct window window;
    bool last;
};

enum { LEVEL, BASE, TERMS }; /* unknowns */

struct strengths_cell {
    struct strengths strengths;
    int64_t impressions, windows, due_ms;
    double judged, gain, gain_squares;
    bool pending; /* rows since the last solution */
};

static const struct option strengths_options[] = {
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct strengths_config, when),
     .def.text = "explore",
     .help = "Which impressions count: those of lists drawn at random."},
    {.name = "factors",
     .type = OPT_TEXTS,
     FIELD(struct strengths_config, factors),
     .help = "Names of the terms, such as [time, place]; without it all of reasons and shadow."},
    {.name = "spread",
     .type = OPT_F64,
     FIELD(struct strengths_config, spread),
     .def.f64 = 1,
     .min.f64 = 0.001,
     .max.f64 = 1000,
     .help = "Prior standard error of a strength around 1: what is not seen stays there."},
    {.name = "half-life",
     .type = OPT_DURATION,
     FIELD(struct strengths_config, half_life_ms),
     .def.i64 = 30 * DAY_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "What was seen so long ago counts half; 0: it stays."},
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct strengths_config, window),
     .required = true,
     .help = "{tumbling: 1d}: how often the strengths are computed anew."},
    {.name = "last",
     .type = OPT_BOOL,
     FIELD(struct strengths_config, last),
     .help = "Rows come once, when the input ends."},
    {0},
};
static const struct state_field strengths_fields[] = {
    {"strengths", TYPE_UTF8, FIELD(struct strengths_cell, strengths)},
    {"impressions", TYPE_I64, FIELD(struct strengths_cell, impressions)},
    {"windows", TYPE_I64, FIELD(struct strengths_cell, windows)},
    {"due", TYPE_TIMESTAMP, FIELD(struct strengths_cell, due_ms)},
    {"judged", TYPE_F64, FIELD(struct strengths_cell, judged)},
    {"gain", TYPE_F64, FIELD(struct strengths_cell, gain)},
    {"gain_squares", TYPE_F64, FIELD(struct strengths_cell, gain_squares)},
    {"pending", TYPE_BOOL, FIELD(struct strengths_cell, pending)},
    {0},
};
static const struct state strengths_states[] = {
    {"strengths", STATE_VALUE, strengths_fields, sizeof(struct strengths_cell)},
    {0},
};
static const struct column_def strengths_columns[] = {{"clicked", TYPE_BOOL}, {0}};
static const struct port strengths_in[] = {
    {"in", strengths_columns, .global = true, .help = "Labelled impressions."},
    {0},
};
static const struct column_def strengths_row[] = {
    {"factor", TYPE_UTF8}, {"strength", TYPE_F64},         {"se", TYPE_F64},
    {"z", TYPE_F64},       {"impressions", TYPE_I64},      {"gain", TYPE_F64},
    {"gain_se", TYPE_F64}, {"window_end", TYPE_TIMESTAMP}, {0}};
static const struct port strengths_out[] = {
    {"out", strengths_row, .help = "A row a term, whenever a window changed them."},
    {0},
};
static const char *const strengths_counters[] = {"skipped", NULL};
enum { FACTOR, STRENGTH, SE, Z, IMPRESSIONS, GAIN, GAIN_SE, WINDOW_END };

/* ---- the terms ---- */

struct terms {
    uint32_t count; /* with LEVEL and BASE */
    const char *names[STRENGTHS_MAX];
    uint32_t columns[STRENGTHS_MAX];
};

static const char *term_name(const struct field *field)
{
    if (field->type != TYPE_F64 || strcmp(field->name, "reasons.base") == 0)
        return NULL;
    if (strncmp(field->name, "reasons.", 8) == 0)
        return field->name + 8;
    return strncmp(field->name, "shadow.", 7) == 0 ? field->name + 7 : NULL;
}

static bool wanted(const struct text_list *factors, const char *name)
{
    for (uint32_t i = 0; i < factors->count; i++)
        if (strcmp(factors->items[i], name) == 0)
            return true;
    return factors->count == 0;
}

/* False: too many. */
static bool find_terms(const struct strengths_config *config, const struct schema *in,
                       struct terms *terms)
{
    *terms = (struct terms){.count = TERMS, .names = {"level", "base"}};
    for (uint32_t i = 0; i < in->count; i++) {
        const char *name = term_name(&in->fields[i]);
        if (!name || !wanted(&config->factors, name))
            continue;
        if (terms->count == STRENGTHS_MAX)
            return false;
        terms->names[terms->count] = name;
        terms->columns[terms->count++] = i;
    }
    return true;
}

/* ---- planning ---- */

static bool check_terms(struct describe *describe, struct error *err)
{
    const struct strengths_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    struct terms *terms = arena_new(describe_arena(describe), sizeof(*terms));
    struct served served;

    served_open(&served, in, NULL);
    if (served.base == FIELD_NONE)
        return describe_error(describe, err, "from", "read impressions with their base",
                              "the input has no column \"base\" or \"reasons.base\"");
    if (!find_terms(config, in, terms))
        return describe_error(describe, err, "factors", "name those that count",
                              "there are more than %u terms", STRENGTHS_MAX - TERMS);
    for (uint32_t i = 0; i < config->factors.count; i++) {
        bool found = false;
        for (uint32_t k = TERMS; k < terms->count; k++)
            found = found || strcmp(terms->names[k], config->factors.items[i]) == 0;
        if (!found)
            return describe_error(describe, err, "factors", "name columns of reasons or shadow",
                                  "there is no term \"%s\"", config->factors.items[i]);
    }
    return true;
}

static bool strengths_describe(struct describe *describe, struct error *err)
{
    const struct strengths_config *config = describe_config(describe);
    struct text_list factor = {1, (const char *[]){"factor"}};

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1d}",
                              "the window slides, but strengths are learnt for ever");
    if (!check_terms(describe, err) || !widen_check_when(describe, "when", config->when, err))
        return false;
    describe_output_key(describe, 0, &factor);
    if (!config->last)
        describe_versions(describe, config->window.size_ms, false);
    return true;
}

/* ---- an instance ---- */

struct strengths_scratch {
    struct terms terms;
    struct served served;
    struct expr *when;
    uint32_t clicked;
    uint32_t rows[BATCH_ROWS_MAX];
    double predicted[BATCH_ROWS_MAX], examinations[BATCH_ROWS_MAX];
};

static bool strengths_open(struct op *op, struct error *err)
{
    const struct strengths_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct strengths_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    CHECK(find_terms(config, in, &scratch->terms));
    served_open(&scratch->served, in, NULL);
    scratch->terms.columns[BASE] = scratch->served.base;
    scratch->clicked = schema_find(in, "clicked");
    scratch->when = expr_compile(config->when, in, err);
    return scratch->when != NULL;
}

static void strengths_close(struct op *op)
{
    struct strengths_scratch *scratch = op_scratch(op);

    if (scratch)
        expr_close(scratch->when);
}

/* What is believed before anything is seen. */
static void priors_of(struct op *op, double *means, double *errors)
{
    const struct strengths_config *config = op_config(op);
    const struct strengths_scratch *scratch = op_scratch(op);

    for (uint32_t i = 0; i < scratch->terms.count; i++) {
        means[i] = i == LEVEL ? 0 : 1;
        errors[i] = config->spread;
    }
}

/* The first row of a window. */
static void begin_window(struct op *op, struct strengths_cell *cell, int64_t due_ms)
{
    const struct strengths_config *config = op_config(op);
    const struct strengths_scratch *scratch = op_scratch(op);
    double means[STRENGTHS_MAX], errors[STRENGTHS_MAX], keep;

    priors_of(op, means, errors);
    if (cell->impressions == 0)
        strengths_init(&cell->strengths, scratch->terms.count, means, errors);
    else if (config->half_life_ms) {
        keep = exp2(-(double)(due_ms - cell->due_ms) / (double)config->half_life_ms);
        strengths_fade(&cell->strengths, scratch->terms.count, means, errors, keep);
        cell->judged *= keep;
        cell->gain *= keep;
        cell->gain_squares *= keep;
    }
    cell->due_ms = due_ms;
}

static void read_terms(const struct terms *terms, const struct batch *in, uint32_t row,
                       double *values)
{
    values[LEVEL] = 1;
    for (uint32_t i = BASE; i < terms->count; i++) {
        const struct column *column = batch_column(in, terms->columns[i]);
        values[i] = column_valid(column, row) ? ((const double *)column->values)[row] : 0;
    }
}

/* False: the row says nothing. */
static bool learn(struct op *op, struct strengths_cell *cell, const struct batch *in, uint32_t row,
                  int64_t due_ms)
{
    const struct strengths_scratch *scratch = op_scratch(op);
    const struct column *clicked = batch_column(in, scratch->clicked);
    double terms[STRENGTHS_MAX], plain = 0, logit;
    double examination = scratch->examinations[row]; /* NaN: unknown */
    uint32_t count = scratch->terms.count;
    bool click = column_valid(clicked, row) && column_bool(clicked, row);

    read_terms(&scratch->terms, in, row, terms);
    for (uint32_t i = BASE; i < count; i++)
        plain += terms[i];
    if (!(examination > 0) || !isfinite(plain))
        return false;
    examination = examination < 1 ? examination : 1;
    if (cell->impressions == 0 || cell->due_ms != due_ms)
        begin_window(op, cell, due_ms);
    cell->impressions++;
    logit = strengths_logit(&cell->strengths, count, terms);
    if (cell->windows) {
        double gain = strengths_likelihood(logit, examination, click) -
                      strengths_likelihood(plain, examination, click);
        cell->judged += 1;
        cell->gain += gain;
        cell->gain_squares += gain * gain;
    }
    strengths_add(&cell->strengths, count, terms, logit, examination, click);
    return true;
}

static bool strengths_process(struct op *op, uint32_t port, const struct batch *in,
                              struct error *err)
{
    const struct strengths_config *config = op_config(op);
    struct strengths_scratch *scratch = op_scratch(op);
    struct strengths_cell *cell = op_cells(op, 0)[0];
    uint32_t count = expr_filter(scratch->when, in, scratch->rows), skipped = 0;
    int64_t due[BATCH_ROWS_MAX];

    (void)port; /* there is one */
    for (uint32_t row = 0; row < batch_rows(in); row++)
        due[row] = INT64_MIN;
    served_logits(&scratch->served, in, scratch->predicted, NULL);
    served_examinations(&scratch->served, in, scratch->predicted, scratch->examinations);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = scratch->rows[i];
        int64_t due_ms = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
        if (!learn(op, cell, in, row, due_ms)) {
            skipped++;
            continue;
        }
        cell->pending = true;
        due[row] = due_ms;
    }
    op_count(op, 0, skipped);
    return op_set_timers(op, due, err);
}

/* ---- the end of a window ---- */

static void put_rows(struct op *op, const struct strengths_cell *cell, int64_t at_ms)
{
    const struct terms *terms = &((const struct strengths_scratch *)op_scratch(op))->terms;
    struct builder *out = op_reserve(op, 0, terms->count);
    double judged = cell->judged, mean = cell->gain / judged;

    for (uint32_t i = 0; i < terms->count; i++) {
        double strength = cell->strengths.values[i], se = cell->strengths.errors[i];
        builder_row(out, at_ms, 0, i);
        builder_text(out, FACTOR, terms->names[i], strlen(terms->names[i]));
        builder_f64(out, STRENGTH, strength);
        builder_f64(out, SE, se);
        builder_f64(out, Z, strength / se);
        builder_i64(out, IMPRESSIONS, cell->impressions);
        if (cell->judged > 1) {
            builder_f64(out, GAIN, 1000 * mean);
            builder_f64(out, GAIN_SE,
                        1000 * sqrt(fmax(cell->gain_squares / judged - mean * mean, 0) / judged));
        }
        builder_i64(out, WINDOW_END, cell->due_ms + 1);
    }
}

static bool strengths_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct strengths_config *config = op_config(op);
    const struct strengths_scratch *scratch = op_scratch(op);
    struct strengths_cell *cell = op_cells(op, 0)[0];

    (void)due; /* the one key's */
    (void)err; /* cannot fail */
    if (!cell->pending)
        return true;
    strengths_solve(&cell->strengths, scratch->terms.count);
    cell->pending = false;
    cell->windows++;
    if (!config->last)
        put_rows(op, cell, cell->due_ms);
    return true;
}

static bool strengths_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct strengths_config *config = op_config(op);
    const struct strengths_cell *cell = op_cells(op, 0)[0];

    (void)err; /* cannot fail */
    if (config->last && time_ms == INT64_MAX && cell->windows)
        put_rows(op, cell, time_ms);
    return true;
}

const struct operator_def learn_strengths = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/strengths",
    .help = "Learns how strongly each factor's term should count, with standard errors.",
    .config_size = sizeof(struct strengths_config),
    .options = strengths_options,
    .inputs = strengths_in,
    .outputs = strengths_out,
    .states = strengths_states,
    .counters = strengths_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = strengths_describe,
    .open = strengths_open,
    .process = strengths_process,
    .on_timer = strengths_on_timer,
    .on_watermark = strengths_on_watermark,
    .close = strengths_close,
};
OPERATOR_REGISTER(learn_strengths);
