/* score/mf: scores items for a user by matrix factorisation, the user folded in live.
 * In: events or requests with an item, keyed by user; `events`, where it is connected, is what the
 * user's history is learnt from instead. Tables of learn/mf: items, model. Out:
 *     where the input has a list `items`  the same, its items with scores.mf: for score/blend
 *     otherwise                           the row with rec_id and items (item, score, reasons.base): the
 *                                         `top` of the `candidates` items met most, the user's own left
 *                                         out unless `repeats`
 *
 * Method: the user's vector is a half-step (mf.h) from his latest `recent` items and the tables' vectors
 * as of the versions that the row sees; a score is its product with the item's. So a user is served by
 * what he did a moment ago. What is not known scores 0. Ties go by identity. */
#include "operators/model/mf.h"
#include "operators/model/list.h"
#include "operators/model/products.h"
#include "operators/model/request.h"
#include "operators/model/widen.h"
#include "runtime/batch/expr.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_MAX 1000
#define TOP_MAX 1000
#define CANDIDATES 5000u /* items met most, of which lists are made */

struct mf_config {
    const char *item, *listed, *when;
    int64_t recent, keep, top;
    bool repeats;
};

struct mf_cell { /* a ring: item k is at k % keep */
    int64_t count;
    uint64_t ids[];
};

static const struct option mf_options[] = {
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct mf_config, item),
     .def.text = "item",
     .help = "Column of the events that names what the user met."},
    {.name = "list-item",
     .type = OPT_TEXT,
     FIELD(struct mf_config, listed),
     .def.text = "item",
     .help = "Column of the list `items` that names the item."},
    {.name = "recent",
     .type = OPT_I64,
     FIELD(struct mf_config, recent),
     .def.i64 = 60,
     .min.i64 = 1,
     .max.i64 = KEEP_MAX,
     .help = "Latest items from which the user is folded in."},
    {.name = "keep",
     .type = OPT_I64,
     FIELD(struct mf_config, keep),
     .def.i64 = 500,
     .min.i64 = 1,
     .max.i64 = KEEP_MAX,
     .help = "Own items that are not offered again; at least `recent`."},
    {.name = "repeats",
     .type = OPT_BOOL,
     FIELD(struct mf_config, repeats),
     .help = "Whether own items are offered as well."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct mf_config, top),
     .def.i64 = 100,
     .min.i64 = 1,
     .max.i64 = TOP_MAX,
     .help = "Items of a list that is made here."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct mf_config, when),
     .help = "Which rows are answered, where lists are made here; by default all."},
    {0},
};
static const struct state_field mf_fields[] = {
    {"count", TYPE_I64, FIELD(struct mf_cell, count)},
    {0},
};
static const struct state mf_states[] = {
    {"users", STATE_VALUE, mf_fields, sizeof(struct mf_cell)}, /* and the ids */
    {0},
};
static const struct column_def item_columns[] = {
    {"item", TYPE_NONE}, {"count", TYPE_I64}, {"vector", TYPE_VECTOR}, {0}};
static const struct column_def model_columns[] = {{"confidence", TYPE_F64}, {"fade", TYPE_F64},
                                                  {"ridge", TYPE_F64},      {"items", TYPE_I64},
                                                  {"gram", TYPE_VECTOR},    {0}};
static const struct table_use mf_tables[] = {
    {"items", "Items of learn/mf.", .columns = item_columns, .rank_by = "count",
     .rank_limit = CANDIDATES},
    {"model", "The rest of learn/mf.", .columns = model_columns},
    {0},
};
static const struct port mf_in[] = {
    {"in", .keyed = true, .help = "Events or requests, keyed by user."},
    {"events", .keyed = true, .optional = true, .help = "What users met, keyed by user."},
    {0},
};
static const struct port mf_out[] = {
    {"out", .keyed = true, .help = "Rows with scored items."},
    {0},
};
enum { USERS = 0, IN = 0, EVENTS = 1, OUT = 0, ITEMS = 0, MODEL = 1 };

static const char *const mf_names[] = {"scores.mf"};

/* ---- planning ---- */

static bool has_list(const struct schema *in)
{
    return list_schema(in) != in;
}

static bool check_item(struct describe *describe, const struct schema *schema, const char *option,
                       const char *name, struct error *err)
{
    uint32_t column = schema_find(schema, name);

    return (column != FIELD_NONE && key_type(schema->fields[column].type)) ||
           describe_error(describe, err, option, "name the column of the item",
                          "there is no key column \"%s\"", name);
}

/* The input, then rec_id and items. */
static bool describe_lists(struct describe *describe, struct error *err)
{
    const struct schema *table = describe_table(describe, ITEMS);
    struct arena *arena = describe_arena(describe);
    struct schema *added = schema_create(arena);
    struct field items = {.name = "items",
                          .type = TYPE_LIST,
                          .child =
                              request_list(arena, table->fields[schema_find(table, "item")].type)};

    CHECK(schema_add_column(added, arena, "rec_id", TYPE_UTF8));
    CHECK(schema_add(added, arena, &items));
    return widen_check_when(describe, "when",
                            ((const struct mf_config *)describe_config(describe))->when, err) &&
           widen_describe(describe, OUT, added, err);
}

static uint32_t width_of(const struct schema *table, const char *column)
{
    return table->fields[schema_find(table, column)].width;
}

static bool check_tables(struct describe *describe, struct error *err)
{
    uint32_t width = width_of(describe_table(describe, ITEMS), "vector");

    if (!describe_table_known(describe, ITEMS) || !describe_table_known(describe, MODEL) ||
        (width <= MF_WIDTH_MAX &&
         width_of(describe_table(describe, MODEL), "gram") == width * width))
        return true;
    return describe_error(describe, err, "tables", "take both from one learn/mf",
                          "the vectors of `items` and `model` are not of one model");
}

static bool mf_describe(struct describe *describe, struct error *err)
{
    const struct mf_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct schema *events = describe_input(describe, EVENTS);
    struct state_field *fields = arena_new(describe_arena(describe), 3 * sizeof(*fields));
    size_t size = (size_t)config->keep * sizeof(uint64_t);

    if (config->keep < config->recent)
        return describe_error(describe, err, "keep", "raise it, or lower `recent`",
                              "fewer items are kept than are folded in");
    if (!check_tables(describe, err) ||
        !check_item(describe, events ? events : in, "item", config->item, err) ||
        (has_list(in) && !check_item(describe, list_schema(in), "list-item", config->listed, err)))
        return false;
    fields[0] = mf_fields[0];
    fields[1] = (struct state_field){"ids", TYPE_UTF8, offsetof(struct mf_cell, ids), size};
    describe_state(describe, USERS, sizeof(struct mf_cell) + size, fields);
    return has_list(in) ? list_describe(describe, mf_names, 1, err) : describe_lists(describe, err);
}

/* ---- an instance ---- */

struct ranked {
    double score;
    uint64_t id;
    const struct table_row *row;
};

struct mf_scratch {
    struct list_layout layout;
    struct expr *when;
    bool lists;            /* are made here */
    uint32_t item, listed; /* columns */
    uint64_t model;        /* key of the model's row */
    uint32_t vector, width, gram, confidence, fade, ridge, items;
    struct mf_system system;
    double triangle[MF_WIDTH_MAX * MF_WIDTH_MAX];
    float user[MF_WIDTH_MAX];
    const struct table_row *rows[KEEP_MAX]; /* of the history */
    double scores[CANDIDATES];
    struct ranked ranked[TOP_MAX];
    uint64_t own[KEEP_MAX];
    uint64_t ids[BATCH_ROWS_MAX];
    uint32_t asking[BATCH_ROWS_MAX];
};

static bool mf_open(struct op *op, struct error *err)
{
    const struct mf_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN), *events = op_input_schema(op, EVENTS);
    struct mf_scratch *scratch = op_memory(op, sizeof(*scratch));
    const struct schema *items;
    uint8_t key[KEY_SIZE_MAX];

    op_set_scratch(op, scratch);
    scratch->lists = !has_list(in);
    if (!scratch->lists)
        list_open(op, &scratch->layout, mf_names, 1);
    scratch->item = schema_find(events ? events : in, config->item);
    scratch->listed = schema_find(list_schema(in), config->listed);
    scratch->model = hash_bytes(key, key_from_i64(0, key));
    items = op_table_schema(op, ITEMS);
    scratch->vector = op_table_column(op, ITEMS, "vector");
    scratch->width = items->fields[scratch->vector].width;
    scratch->gram = op_table_column(op, MODEL, "gram");
    scratch->confidence = op_table_column(op, MODEL, "confidence");
    scratch->fade = op_table_column(op, MODEL, "fade");
    scratch->ridge = op_table_column(op, MODEL, "ridge");
    scratch->items = op_table_column(op, MODEL, "items");
    if (config->when && scratch->lists)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || !scratch->lists || scratch->when;
}

static void mf_close(struct op *op)
{
    struct mf_scratch *scratch = op_scratch(op);

    if (scratch)
        expr_close(scratch->when);
}

/* ---- scores ---- */

static const float *vector_of(const struct mf_scratch *scratch, const struct table_row *row)
{
    uint32_t width;

    return row && table_row_valid(row, scratch->vector)
               ? table_row_vector(row, scratch->vector, &width)
               : NULL;
}

/* The user's vector; false: nothing is known. */
static bool fold_in(struct op *op, const struct mf_cell *cell)
{
    const struct mf_config *config = op_config(op);
    struct mf_scratch *scratch = op_scratch(op);
    const struct table_row *model = op_table_find(op, MODEL, scratch->model);
    uint64_t ids[KEEP_MAX];
    uint32_t count = 0, known = 0, width;
    const float *gram;
    double confidence;

    if (!model)
        return false;
    for (int64_t b = 0; b < config->recent && b < cell->count; b++)
        ids[count++] = cell->ids[(cell->count - 1 - b) % config->keep];
    op_table_find_many(op, ITEMS, ids, count, scratch->rows);
    gram = table_row_vector(model, scratch->gram, &width);
    for (uint32_t i = 0; i < width; i++)
        scratch->triangle[i] = gram[i];
    confidence = table_row_f64(model, scratch->confidence);
    mf_begin(&scratch->system, scratch->triangle, scratch->width,
             table_row_f64(model, scratch->ridge), (double)table_row_i64(model, scratch->items));
    for (uint32_t i = 0; i < count; i++) {
        const float *vector = vector_of(scratch, scratch->rows[i]);
        if (vector) {
            mf_add(&scratch->system, vector, confidence);
            known++;
        }
        confidence *= table_row_f64(model, scratch->fade);
    }
    return known > 0 && mf_solve(&scratch->system, scratch->user);
}

static struct products products_of(const struct op *op)
{
    const struct mf_scratch *scratch = op_scratch(op);

    return (struct products){op, ITEMS, scratch->vector, scratch->user};
}

/* ---- lists that come in ---- */

static void learn(struct op *op, uint32_t row, const struct column *item)
{
    const struct mf_config *config = op_config(op);
    const struct mf_scratch *scratch = op_scratch(op);
    struct mf_cell *cell = op_cells(op, USERS)[row];

    if (column_valid(item, row))
        cell->ids[cell->count++ % config->keep] = scratch->ids[row];
}

/* `item`: what each row is learnt from after it is scored, or NULL. */
static void score_lists(struct op *op, const struct batch *in, const struct column *item)
{
    struct mf_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory = block_create((items->rows + 1ul) * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data;
    struct products products = products_of(op);
    struct column *added[1];
    double *scores;

    added[0] = list_column(items->rows, &scores);
    key_ids(batch_column(items, scratch->listed), items->rows, ids);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const struct mf_cell *cell = op_cells(op, USERS)[row];
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        if (begin < end && fold_in(op, cell))
            products_by_id(&products, ids + begin, end - begin, scores + begin);
        if (item)
            learn(op, row, item);
    }
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, LIST_LEAVE);
}

/* ---- lists that are made ---- */

static int by_id(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* The user's own items in order. */
static uint32_t gather_own(const struct mf_config *config, const struct mf_cell *cell,
                           uint64_t *own)
{
    uint32_t count = (uint32_t)(cell->count < config->keep ? cell->count : config->keep);

    memcpy(own, cell->ids, count * sizeof(own[0]));
    qsort(own, count, sizeof(own[0]), by_id);
    return config->repeats ? 0 : count;
}

static bool before(const struct ranked *a, const struct ranked *b)
{
    return a->score != b->score ? a->score > b->score : a->id < b->id;
}

/* Into the `top` best so far, in their order. */
static uint32_t put_ranked(struct ranked *best, uint32_t count, uint32_t top,
                           const struct ranked *one)
{
    uint32_t begin = 0, end = count;

    if (count == top && !before(one, &best[count - 1]))
        return count;
    while (begin < end) {
        uint32_t middle = (begin + end) / 2;
        if (before(&best[middle], one))
            begin = middle + 1;
        else
            end = middle;
    }
    count -= count == top;
    memmove(&best[begin + 1], &best[begin], (count - begin) * sizeof(best[0]));
    best[begin] = *one;
    return count + 1;
}

/* A user of whom nothing is known gets what most met. */
static uint32_t rank(struct op *op, const struct mf_cell *cell)
{
    const struct mf_config *config = op_config(op);
    struct mf_scratch *scratch = op_scratch(op);
    bool known = fold_in(op, cell);
    uint32_t count, best = 0, own = gather_own(config, cell, scratch->own);
    const struct table_row *const *top = op_table_top(op, ITEMS, &count);
    struct products products = products_of(op);

    CHECK(count <= CANDIDATES);
    if (known)
        products_of_rows(&products, top, count, scratch->scores);
    for (uint32_t i = 0; i < count; i++) {
        struct ranked one = {-(double)i, table_row_key(top[i]).hash, top[i]};
        if (bsearch(&one.id, scratch->own, own, sizeof(scratch->own[0]), by_id))
            continue;
        if (known)
            one.score = scratch->scores[i];
        best = put_ranked(scratch->ranked, best, (uint32_t)config->top, &one);
    }
    return best;
}

static void answer(struct op *op, const struct batch *in, uint32_t row, struct builder *out)
{
    const struct mf_scratch *scratch = op_scratch(op);
    uint32_t column = in->column_count, count = rank(op, op_cells(op, USERS)[row]);
    struct builder *list;

    builder_row_from(out, in, row);
    for (uint32_t i = 0; i < column; i++)
        builder_copy(out, i, batch_column(in, i), row);
    request_id(op, out, column, in, row);
    list = builder_list(out, column + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct key key = table_row_key(scratch->ranked[i].row);
        request_item(list, &key, scratch->ranked[i].score);
    }
    builder_list_end(out, column + 1);
}

/* ---- rows ---- */

static bool mf_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct mf_scratch *scratch = op_scratch(op);
    const struct column *item = NULL; /* learnt from */
    uint32_t asking, next = 0;
    struct builder *out;

    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    if (port == EVENTS || !op_input_schema(op, EVENTS)) {
        item = batch_column(in, scratch->item);
        key_ids(item, in->rows, scratch->ids);
    }
    if (port == IN && !scratch->lists) {
        score_lists(op, in, item);
        return true;
    }
    asking = port == IN ? widen_choose(scratch->when, in, scratch->asking) : 0;
    out = op_reserve(op, OUT, asking);
    for (uint32_t row = 0; row < in->rows; row++) {
        if (next < asking && scratch->asking[next] == row) {
            next++;
            answer(op, in, row, out);
        }
        if (item)
            learn(op, row, item);
    }
    return true;
}

const struct operator_def score_mf = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "score/mf",
    .help = "Scores items by matrix factorisation, the user folded in from what he met last.",
    .config_size = sizeof(struct mf_config),
    .options = mf_options,
    .inputs = mf_in,
    .outputs = mf_out,
    .states = mf_states,
    .tables = mf_tables,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = mf_describe,
    .open = mf_open,
    .process = mf_process,
    .close = mf_close,
};
OPERATOR_REGISTER(score_mf);
