/* adjust/load: asks less of each request when load is high, so that none misses its deadline: above
 * `from` of the capacity a list keeps its candidates x from / load (x (from / load - ahead) / (1 - ahead)
 * where a share `ahead` of the work is done before): the best by score and terms of the order, or the
 * first where there is no score yet. Put it behind a cheap score and before what costs.
 * In: requests or recommendations (`items`), with column `load` (demand over capacity, as recorded with
 * the request, so that a replay does the same again). Out: the same, with `degraded`. */
#include "operators/model/list.h"

#include <math.h>

struct load_config {
    double from, ahead;
    int64_t least;
    const char *load;
};

static const struct option load_options[] = {
    {.name = "load",
     .type = OPT_FIELD,
     FIELD(struct load_config, load),
     .def.text = "load",
     .help = "Column with the load when the request came, 1 at full capacity; null: not known, so "
             "none."},
    {.name = "from",
     .type = OPT_F64,
     FIELD(struct load_config, from),
     .def.f64 = 0.85,
     .min.f64 = 0.01,
     .max.f64 = 1,
     .help = "Load from which lists get shorter."},
    {.name = "ahead",
     .type = OPT_F64,
     FIELD(struct load_config, ahead),
     .max.f64 = 0.9,
     .help = "Share of a whole list's work that is done before the cut, such as the score by which "
             "it is cut: what stays makes up for it."},
    {.name = "least",
     .type = OPT_I64,
     FIELD(struct load_config, least),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = 100000,
     .help = "Candidates that stay in any case."},
    {0},
};
static const struct port load_in[] = {
    {"in", .help = "Requests, the best candidates first where they have no score."},
    {0},
};
static const struct port load_out[] = {
    {"out", .keyed = true, .help = "The same with fewer candidates."},
    {0},
};

static bool load_describe(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    struct schema *schema = schema_create(describe_arena(describe));

    if (list_schema(in) == in)
        return describe_error(describe, err, "from", "read requests or recommendations",
                              "the input has no list \"items\"");
    for (uint32_t i = 0; i < in->count; i++)
        CHECK(schema_add(schema, describe_arena(describe), &in->fields[i]));
    if (!schema_add_column(schema, describe_arena(describe), "degraded", TYPE_BOOL))
        return describe_error(describe, err, "from", "use adjust/load once",
                              "there already is a column \"degraded\"");
    describe_output(describe, 0, schema);
    return true;
}

struct load_scratch {
    struct list_layout layout;
    uint32_t load;
};

static bool load_open(struct op *op, struct error *err)
{
    const struct load_config *config = op_config(op);
    struct load_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, NULL, 0);
    if (scratch->layout.score != FIELD_NONE &&
        list_schema(op_input_schema(op, 0))->fields[scratch->layout.score].type != TYPE_F64)
        scratch->layout.score = FIELD_NONE; /* a log's own, of another kind */
    scratch->load = schema_find(op_input_schema(op, 0), config->load);
    return true;
}

static uint32_t kept(const struct load_config *config, double load, uint32_t candidates)
{
    double room = candidates;

    if (load > config->from) /* false when not known */
        room = fmax(floor(candidates * (config->from / load - config->ahead) / (1 - config->ahead)),
                    (double)config->least);
    return room < candidates ? (uint32_t)room : candidates;
}

/* Writes the places of the items that stay, `most` of them. */
static void choose(const struct list_layout *layout, const struct batch *items, uint32_t begin,
                   uint32_t count, uint32_t most, uint32_t *places)
{
    struct block *memory;
    struct list_place *best;
    double *values;

    if (most == count || layout->score == FIELD_NONE) {
        for (uint32_t i = 0; i < most; i++)
            places[i] = begin + i;
        return;
    }
    memory = block_create((count + 1ul) * (sizeof(*best) + sizeof(*values)));
    best = (struct list_place *)(void *)memory->data;
    values = (double *)(void *)(best + count);
    list_values(layout, items, begin, begin + count, values);
    list_best(values, count, begin, most, best);
    for (uint32_t i = 0; i < most; i++)
        places[i] = best[i].place;
    block_release(&memory);
}

static struct column *bool_column(uint32_t rows, uint8_t **bits)
{
    struct column *column = column_create(TYPE_BOOL, rows);

    column->blocks[0] = block_create((rows + 7) / 8);
    *bits = column->blocks[0]->data;
    for (uint32_t i = 0; i < (rows + 7) / 8; i++)
        (*bits)[i] = 0;
    column->values = *bits;
    return column;
}

static bool load_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct load_scratch *scratch = op_scratch(op);
    struct batch *items = (struct batch *)list_items(&scratch->layout, in), *cut, *out;
    struct block *memory = block_create((items->rows + 1ul) * sizeof(uint32_t));
    uint32_t *places = (uint32_t *)(void *)memory->data, counts[BATCH_ROWS_MAX], total = 0;
    uint8_t *bits;
    struct column *degraded = bool_column(batch_rows(in), &bits);

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        double load = column_number(batch_column(in, scratch->load), row);
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        counts[row] = kept(op_config(op), load, end - begin);
        if (counts[row] < end - begin)
            bits[row >> 3] |= (uint8_t)(1u << (row & 7));
        choose(&scratch->layout, items, begin, end - begin, counts[row], places + total);
        total += counts[row];
    }
    batch_ref(items);
    cut = list_with(&scratch->layout, in, &items, places, counts);
    block_release(&memory);
    out = batch_with(cut, &degraded);
    batch_release(&cut);
    op_emit(op, 0, &out);
    return true;
}

const struct operator_def adjust_load = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/load",
    .help = "Keeps fewer candidates when the recorded load is high.",
    .config_size = sizeof(struct load_config),
    .options = load_options,
    .inputs = load_in,
    .outputs = load_out,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = load_describe,
    .open = load_open,
    .process = load_process,
};
OPERATOR_REGISTER(adjust_load);
