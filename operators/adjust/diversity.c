/* adjust/diversity: keeps neighbours of a list from being all of one kind.
 * In: recommendations (`items` with score), in order. Out: the same with rank.diversity, a term of the
 * order only: the score stays the logit of a click. Method: diversity.h. */
#include "operators/model/diversity.h"
#include "operators/model/list.h"

#include <math.h>

struct diversity_config {
    const char *by, *taste;
    double strength, alike;
    int64_t window, depth;
};

static const struct option diversity_options[] = {
    {.name = "by",
     .type = OPT_TEXT,
     FIELD(struct diversity_config, by),
     .def.text = "category",
     .help = "Column of the items that tells kinds apart."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct diversity_config, strength),
     .def.f64 = 0.1,
     .max.f64 = 100,
     .help = "Scores given up for an item of another kind; 0 leaves the order as it is."},
    {.name = "taste",
     .type = OPT_FIELD,
     FIELD(struct diversity_config, taste),
     .help =
         "A number of the request that multiplies the strength: how much this user wants of it."},
    {.name = "alike",
     .type = OPT_F64,
     FIELD(struct diversity_config, alike),
     .def.f64 = 0.8,
     .max.f64 = 0.999,
     .help = "How similar items of one kind are, from 0 to below 1."},
    {.name = "window",
     .type = OPT_I64,
     FIELD(struct diversity_config, window),
     .def.i64 = 5,
     .min.i64 = 1,
     .max.i64 = 100,
     .help = "Earlier places of the list that an item is held against."},
    {.name = "depth",
     .type = OPT_I64,
     FIELD(struct diversity_config, depth),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = 1000,
     .help = "First places that are chosen so; the rest keep their order."},
    {0},
};
static const struct port diversity_in[] = {
    {"in", .help = "Recommendations, in order."},
    {0},
};
static const struct port diversity_out[] = {
    {"out", .keyed = true, .help = "The same, reordered."},
    {0},
};
static const char *const names[] = {"rank.diversity"};

static bool diversity_describe(struct describe *describe, struct error *err)
{
    const struct diversity_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    uint32_t by = schema_find(items, config->by);

    if (items == in)
        return describe_error(describe, err, "from", "read `score` or another adjust operator",
                              "the input has no list \"items\"");
    if (by == FIELD_NONE || !key_type(items->fields[by].type))
        return describe_error(describe, err, "by", "name a column of the list",
                              "the list has no text or integer column \"%s\"", config->by);
    return list_describe(describe, names, 1, err);
}

struct diversity_scratch {
    struct list_layout layout;
    uint32_t by, taste;
};

static bool diversity_open(struct op *op, struct error *err)
{
    const struct diversity_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct diversity_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, names, 1);
    scratch->by = schema_find(list_schema(in), config->by);
    scratch->taste = config->taste ? schema_find(in, config->taste) : FIELD_NONE;
    return true;
}

static struct diversity strength_of(struct op *op, const struct batch *in, uint32_t row)
{
    const struct diversity_config *config = op_config(op);
    const struct diversity_scratch *scratch = op_scratch(op);
    struct diversity diversity = {config->strength, config->alike, (uint32_t)config->window,
                                  (uint32_t)config->depth};

    if (scratch->taste != FIELD_NONE) {
        double taste = column_number(batch_column(in, scratch->taste), row);
        diversity.strength *= isnan(taste) ? 1 : fmax(taste, 0);
    }
    return diversity;
}

static bool diversity_process(struct op *op, uint32_t port, const struct batch *in,
                              struct error *err)
{
    const struct diversity_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory = block_create((items->rows + 1ul) * 3 * sizeof(uint64_t));
    uint64_t *kinds = (uint64_t *)(void *)memory->data;
    double *values = (double *)(void *)(kinds + items->rows), *terms;
    uint32_t *order = (uint32_t *)(void *)(values + items->rows);
    uint8_t *taken = (uint8_t *)(order + items->rows);
    struct column *added = list_column(items->rows, &terms);

    (void)port;
    (void)err; /* cannot fail */
    key_ids(batch_column(items, scratch->by), items->rows, kinds);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct diversity diversity = strength_of(op, in, row);
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        list_values(&scratch->layout, items, begin, end, values + begin);
        diversity_terms(&diversity, values + begin, kinds + begin, end - begin, terms + begin,
                        taken, order);
    }
    block_release(&memory);
    list_emit(op, &scratch->layout, in, &added, UINT32_MAX);
    return true;
}

const struct operator_def adjust_diversity = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/diversity",
    .help = "Keeps neighbours of a list from being all of one kind.",
    .config_size = sizeof(struct diversity_config),
    .options = diversity_options,
    .inputs = diversity_in,
    .outputs = diversity_out,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = diversity_describe,
    .open = diversity_open,
    .process = diversity_process,
};
OPERATOR_REGISTER(adjust_diversity);
