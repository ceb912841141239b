/* evaluate/rank: where rankers that are compared would put each candidate of a request.
 * In: requests with a list `items`. Out: the same; items with a column `ranks.ARM` for each arm: its
 * place in that arm's list, from 1, null behind `top` and where the arm has no value.
 *
 * An arm is an expression over the items' columns, such as "reasons.base + reasons.time": what it is
 * worth to show the item, largest first. An arm may name an earlier one, unless a column has that name.
 * Ties by the item's hash: by nothing that another arm's order
 * could tell. One pass a list that keeps the best `top` (10 of 80: an insertion each eighth item). */
#include "operators/evaluate/ranks.h"
#include "operators/model/arms.h"
#include "operators/model/ids.h"
#include "operators/model/list.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TOP_MAX 1000

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

static struct schema *schema_copy(struct arena *arena, const struct schema *from)
{
    struct schema *schema = schema_create(arena);

    for (uint32_t i = 0; i < from->count; i++)
        CHECK(schema_add(schema, arena, &from->fields[i]));
    return schema;
}

/* The arm's value is known to later arms. False: a column has its name, or there are too many. */
static bool know_arm(struct schema *known, struct arena *arena, const char *name,
                     const struct expr *arm)
{
    return schema_find(known, name) == FIELD_NONE &&
           schema_add_column(known, arena, name, expr_type(arm));
}

/* Adds the arm's column to the items, and its value to what is known. */
static bool add_arm(struct describe *describe, const struct option_entry *entry,
                    struct schema *known, struct schema *child, struct error *err)
{
    struct arena *arena = describe_arena(describe);
    const char *path = arena_format(arena, "arms.%s", entry->name);
    struct expr *arm;

    if (!arms_check(describe, entry, known, err))
        return false;
    arm = expr_compile(entry->text, known, NULL);
    CHECK(arm);
    (void)know_arm(known, arena, entry->name, arm);
    expr_close(arm);
    if (strlen(entry->name) > TALLY_LEVEL_MAX)
        return describe_error(describe, err, path, "shorten it",
                              "the name has more than %u characters", TALLY_LEVEL_MAX);
    if (!schema_add_column(child, arena, arena_format(arena, RANKS_PREFIX "%s", entry->name),
                           TYPE_I32))
        return describe_error(describe, err, path, "use another name",
                              "the list has a column \"" RANKS_PREFIX "%s\" already", entry->name);
    return true;
}

static bool rank_describe(struct describe *describe, struct error *err)
{
    const struct rank_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    struct schema *schema = schema_create(arena), *child, *known;

    if (!check_item(describe, items, err))
        return false;
    if (config->arms.count == 0 || config->arms.count > RANKS_ARMS_MAX)
        return describe_error(describe, err, "arms", "name some, as {base: reasons.base}",
                              "there are %u arms, not 1 to %u", config->arms.count, RANKS_ARMS_MAX);
    child = schema_copy(arena, items);
    known = schema_copy(arena, items);
    for (uint32_t i = 0; i < config->arms.count; i++)
        if (!add_arm(describe, &config->arms.entries[i], known, child, err))
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
    uint32_t item, arm_count;
    struct expr *arms[RANKS_ARMS_MAX];
    bool known[RANKS_ARMS_MAX]; /* to later arms */
    struct arena *arena;        /* of what they know */
    struct place best[TOP_MAX];
};

static bool rank_open(struct op *op, struct error *err)
{
    const struct rank_config *config = op_config(op);
    const struct schema *items = list_schema(op_input_schema(op, 0));
    struct rank_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct schema *known;

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    known = schema_copy(scratch->arena, items);
    list_open(op, &scratch->layout, NULL, 0);
    scratch->item = schema_find(items, config->item);
    scratch->arm_count = config->arms.count;
    for (uint32_t i = 0; i < scratch->arm_count; i++) {
        scratch->arms[i] = expr_compile(config->arms.entries[i].text, known, NULL);
        CHECK(scratch->arms[i]); /* it was told while planning what is wrong with it */
        scratch->known[i] =
            know_arm(known, scratch->arena, config->arms.entries[i].name, scratch->arms[i]);
    }
    return true;
}

static void rank_close(struct op *op)
{
    struct rank_scratch *scratch = op_scratch(op);

    for (uint32_t i = 0; scratch && i < scratch->arm_count; i++)
        expr_close(scratch->arms[i]);
    if (scratch)
        arena_close(scratch->arena);
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

/* The items with the event time of their request, for expressions that ask for it. */
static struct batch *timed_items(const struct rank_scratch *scratch, const struct batch *in)
{
    struct batch *items = batch_copy(list_items(&scratch->layout, in));
    struct column *time = column_create(TYPE_I64, items->rows);
    int64_t *to;

    time->blocks[0] = block_create(items->rows * sizeof(int64_t));
    to = (int64_t *)(void *)time->blocks[0]->data;
    memset(to, 0, items->rows * sizeof(int64_t));
    time->values = to;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++)
            to[i] = batch_time(in)[row];
    }
    column_release(&items->columns[HIDDEN_TIME]);
    items->columns[HIDDEN_TIME] = time;
    return items;
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
    struct batch *timed = timed_items(scratch, in), *wide, *out;
    struct block *memory = block_create((timed->rows + IDS_SPARE) * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data;

    (void)port; /* there is one */
    (void)err;  /* cannot fail */
    ids_part(batch_column(timed, scratch->item), 0, timed->rows, ids);
    wide = batch_copy(list_items(&scratch->layout, in));
    for (uint32_t i = 0; i < scratch->arm_count; i++) {
        struct column *values = expr_eval(scratch->arms[i], timed);
        struct column *ranks = rank_items(op, in, timed, values, ids);
        add_column(&wide, &ranks);
        if (scratch->known[i])
            add_column(&timed, &values);
        else
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
