/* score/blend: one score from several, by name.
 * In: recommendations, rows with a list `items` whose columns hold scores (score, scores.mf ...), or
 * rows that are items themselves. Out: the same with score, the sum of its reasons, and for each weight
 * reasons.NAME; lists in the new order. A score that was there before is replaced, and reasons.base with
 * it (0 where `score` has no weight); what else is named reasons. stays and is part of the score.
 *
 * Method: weighted sum of scores, each first brought to one scale within its list (`scale`):
 *     none    as it is
 *     spread  less its mean, over its standard deviation; 0 where all are alike
 *     share   over its largest, where that is above 0 (as shares of the best)
 *     rank    1 / (20 + its rank from 0), ties by place (reciprocal rank fusion: Cormack, Clarke,
 *             Buettcher 2009, SIGIR)
 * A score that is missing counts as the least of its list. A row without a list is a list of one, so
 * there only `none` tells apart. */
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

#define PARTS_MAX 16u

struct blend_config {
    struct option_map weights;
    int32_t scale;
};

static const char *const scales[] = {"spread", "none", "share", "rank", NULL};
enum scale { SCALE_SPREAD, SCALE_NONE, SCALE_SHARE, SCALE_RANK };

static const struct option blend_options[] = {
    {.name = "weights",
     .type = OPT_MAP,
     FIELD(struct blend_config, weights),
     .required = true,
     .help = "Scores and their weights: {score: 1, scores.mf: 0.5}. The reason of scores.mf is "
             "reasons.mf, that of score is reasons.base."},
    {.name = "scale",
     .type = OPT_ENUM,
     FIELD(struct blend_config, scale),
     .choices = scales,
     .help = "How scores of a list are made comparable."},
    {0},
};
static const struct port blend_in[] = {
    {"in", .help = "Recommendations with several scores."},
    {0},
};
static const struct port blend_out[] = {
    {"out", .keyed = true, .help = "The same with one score and its reasons."},
    {0},
};

/* ---- planning ---- */

struct part {
    double weight;
    uint32_t from, to; /* columns of the items: the score and its reason */
};

struct layout {
    uint32_t list; /* FIELD_NONE: each row is an item */
    uint32_t count, score;
    uint32_t stale; /* reasons.base of a score that has no weight; FIELD_NONE: none */
    uint32_t others[COLUMNS_MAX], other_count; /* reasons that stay */
    struct part parts[PARTS_MAX];
    struct schema *items; /* of what leaves */
};

static const char *reason_of(struct arena *arena, const char *name)
{
    if (strcmp(name, "score") == 0)
        return "reasons.base";
    return arena_format(arena, "reasons.%.50s", strncmp(name, "scores.", 7) == 0 ? name + 7 : name);
}

/* The column of that name; appended where it is new. FIELD_NONE: it is no f64. */
static uint32_t place_of(struct schema *schema, struct arena *arena, const char *name)
{
    uint32_t column = schema_find(schema, name);

    if (column == FIELD_NONE) {
        column = schema->count;
        return schema_add_column(schema, arena, name, TYPE_F64) ? column : FIELD_NONE;
    }
    return schema->fields[column].type == TYPE_F64 ? column : FIELD_NONE;
}

static bool is_part(const struct layout *layout, uint32_t column)
{
    for (uint32_t i = 0; i < layout->count; i++)
        if (layout->parts[i].to == column)
            return true;
    return false;
}

/* What is wrong with a column. */
struct fault {
    const char *name, *what, *how;
};

static bool add_part(const struct option_entry *entry, const struct schema *items,
                     struct arena *arena, struct layout *layout, struct fault *fault)
{
    const struct option number = {.name = "weights", .type = OPT_F64, .offset = 0, .size = 8};
    struct part *part = &layout->parts[layout->count];

    *fault = (struct fault){entry->name, "is no f64 column of the items", "name one that is"};
    part->from = schema_find(items, entry->name);
    if (part->from == FIELD_NONE || items->fields[part->from].type != TYPE_F64)
        return false;
    *fault = (struct fault){entry->name, "has no number for a weight",
                            "write {score: 1, scores.mf: 0.5}, say"};
    if (!entry->text || !option_parse(&number, entry->text, &part->weight, arena, NULL))
        return false;
    *fault = (struct fault){reason_of(arena, entry->name), "is written here, but it is no f64",
                            "rename it before, in `clean`"};
    part->to = place_of(layout->items, arena, fault->name);
    layout->count++;
    return part->to != FIELD_NONE;
}

static bool make_layout(const struct blend_config *config, const struct schema *in,
                        struct arena *arena, struct layout *layout, struct fault *fault)
{
    const struct schema *items = list_schema(in);

    *layout = (struct layout){.list = items == in ? FIELD_NONE : schema_find(in, "items")};
    layout->items = schema_create(arena);
    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(layout->items, arena, &items->fields[i]));
    for (uint32_t i = 0; i < config->weights.count && i < PARTS_MAX; i++)
        if (!add_part(&config->weights.entries[i], items, arena, layout, fault))
            return false;
    layout->score = place_of(layout->items, arena, "score");
    layout->stale = schema_find(items, "reasons.base");
    if (layout->stale != FIELD_NONE &&
        (is_part(layout, layout->stale) || items->fields[layout->stale].type != TYPE_F64))
        layout->stale = FIELD_NONE;
    for (uint32_t i = 0; i < items->count; i++)
        if (strncmp(items->fields[i].name, "reasons.", 8) == 0 && !is_part(layout, i) &&
            i != layout->stale && items->fields[i].type == TYPE_F64)
            layout->others[layout->other_count++] = i;
    *fault = (struct fault){"score", "is written here, but it is no f64",
                            "rename it before, in `clean`"};
    return layout->score != FIELD_NONE;
}

static bool blend_describe(struct describe *describe, struct error *err)
{
    const struct blend_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    struct arena *arena = describe_arena(describe);
    struct schema *out = schema_create(arena);
    struct layout layout;
    struct fault fault;

    if (config->weights.count > PARTS_MAX)
        return describe_error(describe, err, "weights", "leave some out",
                              "there are %u weights, more than %u", config->weights.count,
                              PARTS_MAX);
    if (!make_layout(config, in, arena, &layout, &fault))
        return describe_error(describe, err, "weights", fault.how, "\"%s\" %s", fault.name,
                              fault.what);
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (i == layout.list)
            field.child = layout.items;
        CHECK(schema_add(out, arena, &field));
    }
    describe_output(describe, 0, layout.list == FIELD_NONE ? layout.items : out);
    return true;
}

/* ---- an instance ---- */

struct blend_scratch {
    struct arena *arena;
    struct layout layout;
    struct list_layout list;
};

static bool blend_open(struct op *op, struct error *err)
{
    struct blend_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct fault fault;

    (void)err; /* it was told while planning what is wrong */
    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    CHECK(make_layout(op_config(op), op_input_schema(op, 0), scratch->arena, &scratch->layout,
                      &fault));
    scratch->list = (struct list_layout){.list = scratch->layout.list};
    return true;
}

static void blend_close(struct op *op)
{
    struct blend_scratch *scratch = op_scratch(op);

    if (scratch)
        arena_close(scratch->arena);
}

/* ---- scales ---- */

static void fill_missing(const struct column *column, uint32_t begin, uint32_t count,
                         double *values)
{
    double least = INFINITY;

    for (uint32_t i = 0; i < count; i++) {
        values[i] = column_number(column, begin + i); /* NaN when null */
        if (isfinite(values[i]) && values[i] < least)
            least = values[i];
    }
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            values[i] = isfinite(least) ? least : 0;
}

static void spread(double *values, uint32_t count)
{
    double mean = 0, squares = 0, sigma;

    for (uint32_t i = 0; i < count; i++)
        mean += values[i] / count;
    for (uint32_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean) / count;
    sigma = sqrt(squares);
    for (uint32_t i = 0; i < count; i++)
        values[i] = sigma > 1e-12 ? (values[i] - mean) / sigma : 0;
}

static void share(double *values, uint32_t count)
{
    double most = 0;

    for (uint32_t i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (uint32_t i = 0; i < count; i++)
        values[i] = most > 0 ? values[i] / most : 0;
}

static void rank(double *values, uint32_t count, struct list_place *places)
{
    for (uint32_t i = 0; i < count; i++)
        places[i] = (struct list_place){values[i], i};
    list_order(places, count);
    for (uint32_t i = 0; i < count; i++)
        values[places[i].place] = 1.0 / (20 + i);
}

static void bring_to(enum scale scale, double *values, uint32_t count, struct list_place *places)
{
    switch (scale) {
    case SCALE_SPREAD:
        spread(values, count);
        break;
    case SCALE_SHARE:
        share(values, count);
        break;
    case SCALE_RANK:
        rank(values, count, places);
        break;
    case SCALE_NONE:
        break;
    }
}

/* ---- rows ---- */

/* A column of zeros in a place that may have one. */
static void replace(struct batch *wide, uint32_t column, double **values)
{
    struct column **place = &wide->columns[HIDDEN_COUNT + column];

    column_release(place);
    *place = list_column(wide->rows, values);
}

/* The items with new columns for the score and the reasons; *values of each part, the score last. */
static struct batch *widen_items(const struct layout *layout, const struct batch *items,
                                 double **values)
{
    struct batch *wide = batch_create(items->rows, layout->items->count);
    double *unused;

    for (uint32_t i = 0; i < HIDDEN_COUNT + items->column_count; i++) {
        wide->columns[i] = items->columns[i];
        if (wide->columns[i])
            column_ref(wide->columns[i]);
    }
    for (uint32_t i = 0; i < layout->count; i++)
        replace(wide, layout->parts[i].to, &values[i]);
    replace(wide, layout->score, &values[layout->count]);
    if (layout->stale != FIELD_NONE)
        replace(wide, layout->stale, &unused);
    return wide;
}

/* One list: reasons and scores of items [begin, end). */
static void blend_items(const struct layout *layout, enum scale scale, const struct batch *items,
                        uint32_t begin, uint32_t end, double **values, struct list_place *places)
{
    double *scores = values[layout->count];

    for (uint32_t p = 0; p < layout->count; p++) {
        const struct part *part = &layout->parts[p];
        double *made = values[p] + begin;
        fill_missing(batch_column(items, part->from), begin, end - begin, made);
        bring_to(scale, made, end - begin, places);
        for (uint32_t i = 0; i < end - begin; i++) {
            made[i] *= part->weight;
            scores[begin + i] += made[i];
        }
    }
    for (uint32_t k = 0; k < layout->other_count; k++) {
        const struct column *other = batch_column(items, layout->others[k]);
        for (uint32_t i = begin; i < end; i++)
            scores[i] += column_valid(other, i) ? column_number(other, i) : 0;
    }
}

static bool blend_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct blend_config *config = op_config(op);
    struct blend_scratch *scratch = op_scratch(op);
    const struct layout *layout = &scratch->layout;
    const struct batch *items = list_items(&scratch->list, in);
    struct block *memory =
        block_create((items->rows + 1ul) * (sizeof(struct list_place) + sizeof(uint32_t)));
    struct list_place *order = (struct list_place *)(void *)memory->data;
    uint32_t *places = (uint32_t *)(void *)(order + items->rows), total = 0;
    uint32_t counts[BATCH_ROWS_MAX];
    double *values[PARTS_MAX + 1];
    struct batch *wide = widen_items(layout, items, values), *out;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < in->rows; row++) {
        uint32_t begin, end;
        list_range(&scratch->list, in, row, &begin, &end);
        blend_items(layout, (enum scale)config->scale, items, begin, end, values, order);
        for (uint32_t i = begin; i < end; i++)
            order[i - begin] = (struct list_place){values[layout->count][i], i};
        list_order(order, end - begin);
        counts[row] = end - begin;
        for (uint32_t i = 0; i < counts[row]; i++)
            places[total++] = order[i].place;
    }
    out = layout->list == FIELD_NONE ? wide : list_with(&scratch->list, in, &wide, places, counts);
    block_release(&memory);
    op_emit(op, 0, &out);
    return true;
}

const struct operator_def score_blend = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "score/blend",
    .help = "Makes one score of several, by weights, with its reasons.",
    .config_size = sizeof(struct blend_config),
    .options = blend_options,
    .inputs = blend_in,
    .outputs = blend_out,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = blend_describe,
    .open = blend_open,
    .process = blend_process,
    .close = blend_close,
};
OPERATOR_REGISTER(score_blend);
