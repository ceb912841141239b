/* evaluate/rank: where rankers that are compared would put each candidate of a request.
 * In: requests with a list `items`. Out: the same; items with a column `ranks.ARM` for each arm: its
 * place in that arm's list, from 1, null behind `top` and where the arm has no value.
 *
 * Arms: model/arms.h. Ties by the item's hash: by nothing that another arm's order could tell. One pass a
 * list that keeps the best `top` (10 of 80: an insertion each eighth item). */
#include "operators/evaluate/ranks.h"
#include "operators/model/arms.h"
#include "operators/model/ids.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOP_MAX 1000
static_assert(RANKS_ARMS_MAX <= ARMS_MAX && ARMS_NAME_MAX <= TALLY_LEVEL_MAX,
              "ranks hold all arms");

struct rank_config {
    struct option_map arms;
    const char *item;
    int64_t top;
};

static const struct option rank_options[] = {
    {.name = "arms",
     .type = OPT_MAP,
     FIELD(struct rank_config, arms),
     .required = true,
     .help = "Rankers as expressions over the items' columns, as in {base: reasons.base, time: "
             "\"base + reasons.time\"}: an arm may name an earlier one."},
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct rank_config, item),
     .def.text = "item_id",
     .help = "Column of the items that names them."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct rank_config, top),
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = TOP_MAX,
     .help = "Ranks that are told, from the first."},
    {0},
};
static const struct port rank_in[] = {
    {"in", .help = "Requests with a list of candidates."},
    {0},
};
static const struct port rank_out[] = {
    {"out", .keyed = true, .help = "The same, with ranks."},
    {0},
};

/* ---- planning ---- */

static bool check_item(struct describe *describe, const struct schema *items, struct error *err)
{
    const struct rank_config *config = describe_config(describe);
    uint32_t item = schema_find(items, config->item);

    if (items == describe_input(describe, 0))
        return describe_error(describe, err, "from", "read requests with candidates",
                              "the input has no list \"items\"");
    if (item == FIELD_NONE)
        return describe_error(describe, err, "item", "name a column of the list",
                              "the list has no column \"%s\"", config->item);
    if (!key_type(items->fields[item].type))
        return describe_error(describe, err, "item", "name a text or integer column",
                              "column \"%s\" is %s", config->item,
                              type_name(items->fields[item].type));
    return true;
}

/* A column of ranks for each arm. */
static bool add_columns(struct describe *describe, struct schema *items, struct error *err)
{
    const struct rank_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);

    for (uint32_t i = 0; i < config->arms.count; i++) {
        const char *name = config->arms.entries[i].name;
        if (!schema_add_column(items, arena, arena_format(arena, RANKS_PREFIX "%s", name),
                               TYPE_I32))
            return describe_error(describe, err, arena_format(arena, "arms.%s", name),
                                  "use another name",
                                  "the list has a column \"" RANKS_PREFIX "%s\" already", name);
    }
    return true;
}

static bool rank_describe(struct describe *describe, struct error *err)
{
    const struct rank_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    struct schema *schema = schema_create(arena), *child = schema_create(arena);

    if (!check_item(describe, items, err) ||
        !arms_check(describe, &config->arms, items, 1, RANKS_ARMS_MAX, err))
        return false;
    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(child, arena, &items->fields[i]));
    if (!add_columns(describe, child, err))
        return false;
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (field.child == items)
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    describe_output(describe, 0, schema);
    return true;
}

/* ---- an instance ---- */

struct place {
    double value;
    uint64_t id;
    uint32_t place;
};

struct rank_scratch {
    struct list_layout layout;
    struct arms arms;
    uint32_t item;
    struct place best[TOP_MAX];
};

static bool rank_open(struct op *op, struct error *err)
{
    const struct rank_config *config = op_config(op);
    const struct schema *items = list_schema(op_input_schema(op, 0));
    struct rank_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, NULL, 0);
    scratch->item = schema_find(items, config->item);
    arms_open(&scratch->arms, &config->arms, items);
    return true;
}

static void rank_close(struct op *op)
{
    struct rank_scratch *scratch = op_scratch(op);

    if (scratch)
        arms_close(&scratch->arms);
}

static bool before(const struct place *a, const struct place *b)
{
    if (a->value != b->value)
        return a->value > b->value;
    return a->id != b->id ? a->id < b->id : a->place < b->place;
}

/* The best `top` of the items [begin, end) into `best`, in order; returns how many. */
static uint32_t select_best(const struct column *values, const uint64_t *ids, uint32_t begin,
                            uint32_t end, uint32_t top, struct place *best)
{
    uint32_t count = 0;

    for (uint32_t i = begin; i < end; i++) {
        struct place one = {column_number(values, i), ids[i], i};
        uint32_t at;
        if (isnan(one.value) || (count == top && !before(&one, &best[top - 1])))
            continue;
        count += count < top;
        for (at = count - 1; at > 0 && before(&one, &best[at - 1]); at--)
            best[at] = best[at - 1];
        best[at] = one;
    }
    return count;
}

/* The column of an arm. */
static struct column *rank_items(struct op *op, const struct batch *in, const struct batch *items,
                                 const struct column *values, const uint64_t *ids)
{
    const struct rank_config *config = op_config(op);
    struct rank_scratch *scratch = op_scratch(op);
    struct column *ranks = column_create(TYPE_I32, items->rows);
    size_t bits = (items->rows + 7ul) / 8;
    int32_t *to;

    ranks->blocks[0] = block_create(items->rows * sizeof(int32_t));
    ranks->blocks[2] = block_create(bits);
    memset(ranks->blocks[0]->data, 0, items->rows * sizeof(int32_t));
    memset(ranks->blocks[2]->data, 0, bits);
    to = (int32_t *)(void *)ranks->blocks[0]->data;
    ranks->values = to;
    ranks->validity = ranks->blocks[2]->data;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end, count;
        list_range(&scratch->layout, in, row, &begin, &end);
        count = select_best(values, ids, begin, end, (uint32_t)config->top, scratch->best);
        for (uint32_t k = 0; k < count; k++) {
            uint32_t place = scratch->best[k].place;
            to[place] = (int32_t)k + 1;
            ranks->blocks[2]->data[place >> 3] |= (uint8_t)(1u << (place & 7));
        }
    }
    return ranks;
}

static void add_column(struct batch **batch, struct column **column)
{
    struct batch *more = batch_with(*batch, column);

    batch_release(batch);
    *batch = more;
}

static bool rank_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct rank_scratch *scratch = op_scratch(op);
    struct batch *timed = arms_items(&scratch->layout, in), *wide, *out;
    struct block *memory = block_create((timed->rows + IDS_SPARE) * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data;

    (void)port; /* there is one */
    (void)err;  /* cannot fail */
    ids_part(batch_column(timed, scratch->item), 0, timed->rows, ids);
    wide = batch_copy(list_items(&scratch->layout, in));
    for (uint32_t i = 0; i < scratch->arms.count; i++) {
        struct column *values = arms_value(&scratch->arms, i, &timed);
        struct column *ranks = rank_items(op, in, timed, values, ids);
        add_column(&wide, &ranks);
        column_release(&values);
    }
    out = list_widened(&scratch->layout, in, wide);
    batch_release(&timed);
    block_release(&memory);
    op_emit(op, 0, &out);
    return true;
}

const struct operator_def evaluate_rank = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "evaluate/rank",
    .help = "Ranks each request's candidates as other rankers would, for evaluate/truth and "
            "evaluate/offline.",
    .config_size = sizeof(struct rank_config),
    .options = rank_options,
    .inputs = rank_in,
    .outputs = rank_out,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = rank_describe,
    .open = rank_open,
    .process = rank_process,
    .close = rank_close,
};
OPERATOR_REGISTER(evaluate_rank);
