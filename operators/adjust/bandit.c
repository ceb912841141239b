/* adjust/bandit: lets one of several rankers (arms) order each list, more and more often the one that
 * earns most clicks, and writes down which and how likely it was.
 * In: recommendations (`items` with score; rec_id). Out: the same with arm and arm_propensity; items with
 * rank.bandit, which brings the order of score + ranks to that of the arm's values: adjust/explore, behind
 * it, orders by it. Table `arms`: what each has earned, of learn/bandit; learnt from the lists that are
 * served here, so its reference has a delay.
 *
 * Method: bandit.h. thompson: an arm is drawn (by hash of rec_id) with the probability that it is the best,
 * but at least `floor` shared by all; the probabilities follow from the table's version. linucb: the arm
 * with the highest bound for the request's `context` is taken, but for a share of `floor`, in which one is
 * drawn from all. Lists that adjust/explore draws at random have an arm too, which had no say in them. */
#include "operators/model/bandit.h"
#include "operators/model/arms.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define BEHIND -1e6 /* value of an item for which the arm has none */

struct bandit_config {
    struct option_map arms;
    struct text_list context;
    int32_t method;
    double floor, prior, alpha, ridge;
    const char *rec;
};

static const char *const method_choices[] = {"thompson", "linucb", "uniform", NULL};
enum { THOMPSON, LINUCB, UNIFORM };

static const struct option bandit_options[] = {
    {.name = "arms",
     .type = OPT_MAP,
     FIELD(struct bandit_config, arms),
     .required = true,
     .help = "Rankers as expressions over the items' columns, as in {plain: reasons.base, all: "
             "score}: an arm may name an earlier one. Ranks of operators before (delivery) are not "
             "in them unless named."},
    {.name = "method",
     .type = OPT_ENUM,
     FIELD(struct bandit_config, method),
     .choices = method_choices,
     .help = "How an arm is chosen."},
    {.name = "context",
     .type = OPT_FIELDS,
     FIELD(struct bandit_config, context),
     .help = "linucb: columns of numbers of the request, as in learn/bandit."},
    {.name = "floor",
     .type = OPT_RATIO,
     FIELD(struct bandit_config, floor),
     .def.f64 = 0.05,
     .max.f64 = 1,
     .help = "Share of the requests in which all arms are equally likely."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct bandit_config, prior),
     .def.f64 = 10,
     .min.f64 = 0.5,
     .max.f64 = 1e9,
     .help = "thompson: clicks that draw an arm's rate towards that of all."},
    {.name = "alpha",
     .type = OPT_F64,
     FIELD(struct bandit_config, alpha),
     .def.f64 = 0.5,
     .max.f64 = 100,
     .help = "linucb: standard errors that are added to an arm's rate."},
    {.name = "ridge",
     .type = OPT_F64,
     FIELD(struct bandit_config, ridge),
     .def.f64 = 1,
     .min.f64 = 1e-6,
     .max.f64 = 1e6,
     .help = "linucb: prior weight of a rate of 0."},
    {.name = "rec",
     .type = OPT_FIELD,
     FIELD(struct bandit_config, rec),
     .def.text = "rec_id",
     .help = "Column that names the recommendation: the draws are by its hash."},
    {0},
};
static const struct port bandit_in[] = {
    {"in", .help = "Recommendations."},
    {0},
};
static const struct port bandit_out[] = {
    {"out", .keyed = true, .help = "The same, with the arm that orders them."},
    {0},
};
static const struct column_def arms_columns[] = {{"arm", TYPE_KEY},      {"clicks", TYPE_F64},
                                                 {"exposure", TYPE_F64}, {"moments", TYPE_LIST},
                                                 {"right", TYPE_LIST},   {0}};
static const struct table_use bandit_tables[] = {
    {"arms", "What arms have earned, of learn/bandit; give it a delay.", .optional = true,
     .columns = arms_columns},
    {0},
};
static const char *const rank_names[] = {"rank.bandit"};

/* ---- planning ---- */

static bool check_options(struct describe *describe, struct error *err)
{
    const struct bandit_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);

    if (items == in)
        return describe_error(describe, err, "from", "read `score` or another adjust operator",
                              "the input has no list \"items\"");
    return arms_check(describe, &config->arms, items, 2, BANDIT_ARMS_MAX, err) &&
           arms_check_context(describe, &config->context, err);
}

static bool bandit_describe(struct describe *describe, struct error *err)
{
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    uint32_t score = schema_find(items, "score");

    if (!check_options(describe, err))
        return false;
    if (score == FIELD_NONE || items->fields[score].type != TYPE_F64)
        return describe_error(describe, err, "from", "read `score` or another adjust operator",
                              "the lists have no scores");
    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(child, arena, &items->fields[i]));
    if (!schema_add_column(child, arena, rank_names[0], TYPE_F64))
        return describe_error(describe, err, "from", "use one bandit",
                              "the lists already have a column \"%s\"", rank_names[0]);
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (field.child == items)
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    if (!schema_add_column(schema, arena, "arm", TYPE_UTF8) ||
        !schema_add_column(schema, arena, "arm_propensity", TYPE_F64))
        return describe_error(describe, err, "from", "use one bandit",
                              "the input already has a column \"arm\" or \"arm_propensity\"");
    describe_output(describe, 0, schema);
    return true;
}

/* ---- an instance ---- */

struct bandit_scratch {
    struct list_layout layout;
    struct arms arms;
    uint32_t rec, width, context[BANDIT_WIDTH_MAX]; /* columns; of context from 1 */
    uint32_t clicks, exposure, moments, right;      /* of the table */
    uint64_t ids[BANDIT_ARMS_MAX];
    /* what follows from the table's version alone */
    bool known;
    int64_t version_ms;
    double probabilities[BANDIT_ARMS_MAX]; /* thompson */
    struct bandit_linear linear[BANDIT_ARMS_MAX];
};

static bool bandit_open(struct op *op, struct error *err)
{
    const struct bandit_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0), *items = list_schema(in);
    struct bandit_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, rank_names, 1);
    scratch->rec = schema_find(in, config->rec);
    scratch->width = config->context.count + 1;
    for (uint32_t i = 1; i < scratch->width; i++)
        scratch->context[i] = schema_find(in, config->context.items[i - 1]);
    if (op_table_given(op, 0)) {
        scratch->clicks = op_table_column(op, 0, "clicks");
        scratch->exposure = op_table_column(op, 0, "exposure");
        scratch->moments = op_table_column(op, 0, "moments");
        scratch->right = op_table_column(op, 0, "right");
    }
    arms_open(&scratch->arms, &config->arms, items);
    for (uint32_t i = 0; i < scratch->arms.count; i++) {
        const char *name = config->arms.entries[i].name;
        uint8_t key[KEY_SIZE_MAX];
        scratch->ids[i] = hash_bytes(key, key_from_text(name, strlen(name), key));
    }
    return true;
}

static void bandit_close(struct op *op)
{
    struct bandit_scratch *scratch = op_scratch(op);

    if (scratch)
        arms_close(&scratch->arms);
}

/* ---- which arm ---- */

static void read_list(const struct table_row *row, uint32_t column, double *values, uint32_t most)
{
    uint32_t count = table_row_list(row, column);

    if (count)
        memcpy(values, table_row_list_f64(row, column, 0),
               (count < most ? count : most) * sizeof(*values));
}

static void read_arms(struct op *op, struct bandit_arm *arms)
{
    const struct bandit_scratch *scratch = op_scratch(op);

    memset(arms, 0, scratch->arms.count * sizeof(*arms));
    for (uint32_t i = 0; op_table_given(op, 0) && i < scratch->arms.count; i++) {
        const struct table_row *row = op_table_find(op, 0, scratch->ids[i]);
        if (!row)
            continue;
        arms[i].clicks = table_row_f64(row, scratch->clicks);
        arms[i].exposure = table_row_f64(row, scratch->exposure);
        read_list(row, scratch->moments, arms[i].moments, BANDIT_CELLS_MAX);
        read_list(row, scratch->right, arms[i].right, BANDIT_WIDTH_MAX);
    }
}

static void learn_version(struct op *op)
{
    const struct bandit_config *config = op_config(op);
    struct bandit_scratch *scratch = op_scratch(op);
    struct bandit_arm arms[BANDIT_ARMS_MAX];
    int64_t version_ms = op_table_given(op, 0) ? op_table_version(op, 0) : INT64_MIN;

    if (scratch->known && scratch->version_ms == version_ms)
        return;
    scratch->known = true;
    scratch->version_ms = version_ms;
    read_arms(op, arms);
    if (config->method == THOMPSON)
        bandit_thompson(arms, scratch->arms.count, config->prior, config->floor,
                        hash_draw(op_seed(op), (uint64_t)version_ms), scratch->probabilities);
    for (uint32_t i = 0; config->method == LINUCB && i < scratch->arms.count; i++)
        bandit_linear(&arms[i], scratch->width, config->ridge, &scratch->linear[i]);
}

static void bounds_of(const struct bandit_config *config, const struct bandit_scratch *scratch,
                      const struct batch *in, uint32_t row, double *probabilities)
{
    double context[BANDIT_WIDTH_MAX] = {1}, best = -INFINITY;
    uint32_t winner = 0;

    for (uint32_t i = 1; i < scratch->width; i++) {
        double value = column_number(batch_column(in, scratch->context[i]), row);
        context[i] = isfinite(value) ? value : 0;
    }
    for (uint32_t i = 0; i < scratch->arms.count; i++) {
        double bound = bandit_bound(&scratch->linear[i], context, config->alpha);
        if (bound > best) {
            best = bound;
            winner = i;
        }
        probabilities[i] = config->floor / scratch->arms.count;
    }
    probabilities[winner] += 1 - config->floor;
}

static uint32_t choose(struct op *op, const struct batch *in, uint32_t row, uint64_t rec,
                       double *propensity)
{
    const struct bandit_config *config = op_config(op);
    const struct bandit_scratch *scratch = op_scratch(op);
    double probabilities[BANDIT_ARMS_MAX];
    double at = hash_unit(hash_draw(op_seed(op), rec));
    uint32_t arm;

    if (config->method == THOMPSON)
        memcpy(probabilities, scratch->probabilities, sizeof(probabilities));
    else if (config->method == LINUCB)
        bounds_of(config, scratch, in, row, probabilities);
    else
        for (uint32_t i = 0; i < scratch->arms.count; i++)
            probabilities[i] = 1. / scratch->arms.count;
    arm = bandit_draw(probabilities, scratch->arms.count, at);
    *propensity = probabilities[arm];
    return arm;
}

/* ---- rows ---- */

/* What score and ranks so far lack to the arm's value. */
static void put_ranks(const struct bandit_scratch *scratch, const struct batch *in,
                      const uint32_t *arms, double *ranks)
{
    const struct list_layout *layout = &scratch->layout;
    struct batch *items = arms_items(layout, in);
    const double *scores = batch_column(items, layout->score)->values;

    for (uint32_t arm = 0; arm < scratch->arms.count; arm++) {
        struct column *values = arms_value(&scratch->arms, arm, &items);
        for (uint32_t row = 0; row < batch_rows(in); row++) {
            uint32_t begin, end;
            list_range(layout, in, row, &begin, &end);
            for (uint32_t i = begin; arms[row] == arm && i < end; i++) {
                double value = column_number(values, i), have = scores[i];
                for (uint32_t k = 0; k < layout->rank_count; k++)
                    have += ((const double *)batch_column(items, layout->ranks[k])->values)[i];
                ranks[i] = (isnan(value) ? BEHIND : value) - have;
            }
        }
        column_release(&values);
    }
    batch_release(&items);
}

static struct column *arm_column(const struct bandit_config *config, const uint32_t *arms,
                                 uint32_t rows)
{
    struct column *column = column_create(TYPE_UTF8, rows);
    size_t size = 0;
    int32_t *offsets;

    for (uint32_t row = 0; row < rows; row++)
        size += strlen(config->arms.entries[arms[row]].name);
    column->blocks[0] = block_create(size);
    column->blocks[1] = block_create((rows + 1ul) * sizeof(*offsets));
    offsets = (int32_t *)(void *)column->blocks[1]->data;
    offsets[0] = 0;
    for (uint32_t row = 0; row < rows; row++) {
        const char *name = config->arms.entries[arms[row]].name;
        memcpy(column->blocks[0]->data + offsets[row], name, strlen(name));
        offsets[row + 1] = offsets[row] + (int32_t)strlen(name);
    }
    column->values = column->blocks[0]->data;
    column->offsets = offsets;
    return column;
}

static void append(struct batch **batch, struct column *column)
{
    struct batch *wider = batch_with(*batch, &column);

    batch_release(batch);
    *batch = wider;
}

static bool bandit_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct bandit_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    uint32_t rows = batch_rows(in), arms[BATCH_ROWS_MAX];
    uint64_t recs[BATCH_ROWS_MAX];
    double *propensities, *ranks;
    struct column *propensity = list_column(rows, &propensities);
    struct column *rank = list_column(items->rows, &ranks);
    struct batch *wide, *out;

    (void)port; /* there is one */
    (void)err;  /* cannot fail */
    learn_version(op);
    key_ids(batch_column(in, scratch->rec), rows, recs);
    for (uint32_t row = 0; row < rows; row++)
        arms[row] = choose(op, in, row, recs[row], &propensities[row]);
    put_ranks(scratch, in, arms, ranks);
    wide = batch_with(items, &rank);
    out = list_widened(&scratch->layout, in, wide);
    append(&out, arm_column(op_config(op), arms, rows));
    append(&out, propensity);
    op_emit(op, 0, &out);
    return true;
}

const struct operator_def adjust_bandit = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/bandit",
    .help = "Lets the ranker that earns most order the lists, and logs how likely it was.",
    .config_size = sizeof(struct bandit_config),
    .options = bandit_options,
    .inputs = bandit_in,
    .outputs = bandit_out,
    .tables = bandit_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = bandit_describe,
    .open = bandit_open,
    .process = bandit_process,
    .close = bandit_close,
};
OPERATOR_REGISTER(adjust_bandit);
