/* ranking_tables: see ranking_tables.h. */
#include "operators/model/ranking_tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- schemas ---- */

static uint32_t features_of(const struct tables_layout *layout)
{
    uint32_t plain = layout->attributes ? FEATURE_NUMBER + layout->numbers : RANKER_PLAIN;

    return plain + (layout->embeddings > 2) + layout->direct;
}

static uint32_t weights_of(uint32_t features)
{
    return features * (1 + RANKER_GATES);
}

static void add(struct schema *schema, struct arena *arena, const char *name, enum type type)
{
    CHECK(schema_add_column(schema, arena, name, type));
}

static void add_vector(struct schema *schema, struct arena *arena, const char *name, uint32_t width)
{
    struct field vector = {.type = TYPE_VECTOR, .width = width};

    snprintf(vector.name, sizeof(vector.name), "%s", name);
    CHECK(schema_add(schema, arena, &vector));
}

static void add_list(struct schema *schema, struct arena *arena, const char *name, const char *each)
{
    struct schema *child = schema_create(arena);
    struct field list = {.type = TYPE_LIST, .child = child};

    snprintf(list.name, sizeof(list.name), "%s", name);
    add(child, arena, each, TYPE_I64);
    CHECK(schema_add(schema, arena, &list));
}

static const struct schema *items_schema(struct arena *arena, const struct tables_layout *layout)
{
    struct schema *schema = schema_create(arena);

    add(schema, arena, "item", layout->item);
    add(schema, arena, "number", TYPE_I64);
    add(schema, arena, "before", TYPE_I64);
    add(schema, arena, "events", TYPE_F32);
    add(schema, arena, "fast", TYPE_F32);
    add(schema, arena, "slow", TYPE_F32);
    if (layout->repeats)
        add(schema, arena, "again", TYPE_F32);
    add(schema, arena, "first", TYPE_I64);
    add(schema, arena, "last", TYPE_I64);
    add_vector(schema, arena, "stages", RANKER_STAGES);
    add_vector(schema, arena, "biases", layout->embeddings);
    add_vector(schema, arena, "in", layout->embeddings * layout->dims);
    add_vector(schema, arena, "out", layout->embeddings * layout->dims);
    if (layout->attributes)
        add_list(schema, arena, "tags", "tag");
    if (layout->numbers > 0)
        add_vector(schema, arena, "numbers", layout->numbers);
    add(schema, arena, "window_end", TYPE_TIMESTAMP);
    return schema;
}

static const struct schema *model_schema(struct arena *arena, const struct tables_layout *layout)
{
    struct schema *schema = schema_create(arena);
    uint32_t features = features_of(layout);

    add(schema, arena, "model", TYPE_I64);
    add(schema, arena, "events", TYPE_I64);
    add(schema, arena, "newest", TYPE_I64);
    add(schema, arena, "told", TYPE_I64);
    add_list(schema, arena, "changes", "number");
    add_vector(schema, arena, "stage_sums", RANKER_STAGES);
    add_vector(schema, arena, "weights", weights_of(features));
    if (layout->numbers > 0)
        add_vector(schema, arena, "spreads", layout->numbers);
    if (layout->reranked) {
        add(schema, arena, "rerank", TYPE_I64);
        add_vector(schema, arena, "reranker", mlp_floats(features, RERANKER_EXTRAS));
    }
    add(schema, arena, "window_end", TYPE_TIMESTAMP);
    return schema;
}

void tables_describe(struct describe *describe, uint32_t items, uint32_t model,
                     const struct tables_layout *layout)
{
    struct arena *arena = describe_arena(describe);
    struct text_list item = {1, (const char *[]){"item"}};
    struct text_list key = {1, (const char *[]){"model"}};

    describe_output(describe, items, items_schema(arena, layout));
    describe_output(describe, model, model_schema(arena, layout));
    describe_output_key(describe, items, &item);
    describe_output_key(describe, model, &key);
}

/* ---- the layout of schemas ---- */

static bool is(const struct schema *schema, const char *name, enum type type)
{
    uint32_t column = schema_find(schema, name);

    return column != FIELD_NONE && schema->fields[column].type == type;
}

/* 0: there is no such vector. */
static uint32_t width_of(const struct schema *schema, const char *name)
{
    return is(schema, name, TYPE_VECTOR) ? schema->fields[schema_find(schema, name)].width : 0;
}

static bool has_counts(const struct schema *items, const struct schema *model)
{
    static const char *const floats[] = {"events", "fast", "slow"};
    static const char *const numbers[] = {"number", "before", "first", "last"};

    for (uint32_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++)
        if (!is(items, floats[i], TYPE_F32))
            return false;
    for (uint32_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (!is(items, numbers[i], TYPE_I64))
            return false;
    return is(model, "events", TYPE_I64) && is(model, "newest", TYPE_I64) &&
           is(model, "told", TYPE_I64) && is(model, "changes", TYPE_LIST);
}

/* What follows from the rest is as wide as it must be. */
static bool fits(const struct schema *items, const struct schema *model,
                 const struct tables_layout *layout)
{
    uint32_t vectors = layout->embeddings * layout->dims, features = features_of(layout);

    return layout->embeddings >= RANKER_EMBEDDINGS - 1 && layout->embeddings <= RANKER_EMBEDDINGS &&
           layout->dims > 0 && layout->dims <= EMBEDDING_DIMS_MAX &&
           layout->dims % EMBEDDING_PIECE == 0 && layout->numbers <= RANKER_NUMBERS &&
           width_of(items, "stages") == RANKER_STAGES && width_of(items, "in") == vectors &&
           width_of(items, "out") == vectors && width_of(model, "stage_sums") == RANKER_STAGES &&
           width_of(model, "spreads") == layout->numbers &&
           width_of(model, "weights") == weights_of(features) &&
           width_of(model, "reranker") ==
               (layout->reranked ? mlp_floats(features, RERANKER_EXTRAS) : 0);
}

bool tables_layout_of(const struct schema *items, const struct schema *model,
                      struct tables_layout *layout)
{
    uint32_t item = schema_find(items, "item");

    *layout = (struct tables_layout){
        .item = item == FIELD_NONE ? TYPE_NONE : items->fields[item].type,
        .embeddings = width_of(items, "biases"),
        .attributes = is(items, "tags", TYPE_LIST),
        .numbers = width_of(items, "numbers"),
        .repeats = is(items, "again", TYPE_F32),
        .reranked = is(model, "rerank", TYPE_I64),
    };
    if (layout->embeddings > 0)
        layout->dims = width_of(items, "in") / layout->embeddings;
    layout->direct = width_of(model, "weights") > weights_of(features_of(layout));
    return has_counts(items, model) && fits(items, model, layout);
}

void tables_find_items(const struct schema *schema, struct tables_items *columns)
{
    *columns = (struct tables_items){
        .item = schema_find(schema, "item"),
        .number = schema_find(schema, "number"),
        .before = schema_find(schema, "before"),
        .events = schema_find(schema, "events"),
        .fast = schema_find(schema, "fast"),
        .slow = schema_find(schema, "slow"),
        .again = schema_find(schema, "again"),
        .first = schema_find(schema, "first"),
        .last = schema_find(schema, "last"),
        .stages = schema_find(schema, "stages"),
        .biases = schema_find(schema, "biases"),
        .in = schema_find(schema, "in"),
        .out = schema_find(schema, "out"),
        .tags = schema_find(schema, "tags"),
        .numbers = schema_find(schema, "numbers"),
        .window_end = schema_find(schema, "window_end"),
    };
}

void tables_find_model(const struct schema *schema, struct tables_model *columns)
{
    *columns = (struct tables_model){
        .model = schema_find(schema, "model"),
        .events = schema_find(schema, "events"),
        .newest = schema_find(schema, "newest"),
        .told = schema_find(schema, "told"),
        .changes = schema_find(schema, "changes"),
        .stage_sums = schema_find(schema, "stage_sums"),
        .weights = schema_find(schema, "weights"),
        .spreads = schema_find(schema, "spreads"),
        .rerank = schema_find(schema, "rerank"),
        .reranker = schema_find(schema, "reranker"),
        .window_end = schema_find(schema, "window_end"),
    };
}

/* ---- rows of items ---- */

struct vectors { /* of an item, of all embeddings */
    float biases[RANKER_EMBEDDINGS];
    float in[RANKER_EMBEDDINGS * EMBEDDING_DIMS_MAX], out[RANKER_EMBEDDINGS * EMBEDDING_DIMS_MAX];
};

static void put_vectors(const struct tables_items *columns, const struct ranker *ranker,
                        uint32_t item, struct builder *out)
{
    struct vectors vectors;

    for (uint32_t i = 0; i < ranker->embedding_count; i++) {
        const struct embedding *embedding = &ranker->embeddings[i];
        size_t from = (size_t)item * embedding->dims, to = (size_t)i * embedding->dims;

        vectors.biases[i] = embedding->bias[item];
        memcpy(vectors.in + to, embedding->in + from, embedding->dims * sizeof(float));
        memcpy(vectors.out + to, embedding->out + from, embedding->dims * sizeof(float));
    }
    builder_vector(out, columns->biases, vectors.biases);
    builder_vector(out, columns->in, vectors.in);
    builder_vector(out, columns->out, vectors.out);
}

static void take_vectors(const struct tables_items *columns, const struct table_row *row,
                         const struct ranker *ranker, uint32_t item)
{
    uint32_t width;
    const float *biases = table_row_vector(row, columns->biases, &width);
    const float *in = table_row_vector(row, columns->in, &width);
    const float *out = table_row_vector(row, columns->out, &width);

    for (uint32_t i = 0; i < ranker->embedding_count; i++) {
        const struct embedding *embedding = &ranker->embeddings[i];
        size_t to = (size_t)item * embedding->dims, from = (size_t)i * embedding->dims;

        embedding->bias[item] = biases[i];
        memcpy(embedding->in + to, in + from, embedding->dims * sizeof(float));
        memcpy(embedding->out + to, out + from, embedding->dims * sizeof(float));
    }
}

static void put_attributes(const struct tables_items *columns, const struct attributes *attributes,
                           uint32_t item, struct builder *out)
{
    const struct attributes_item *of = &attributes->items[item];
    struct builder *tags = builder_list(out, columns->tags);
    float numbers[RANKER_NUMBERS];

    for (uint32_t i = 0; i < of->tag_count; i++) {
        builder_child_row(tags);
        builder_i64(tags, 0, of->tags[i]);
    }
    builder_list_end(out, columns->tags);
    for (uint32_t n = 0; n < attributes->numbers; n++)
        numbers[n] = of->known >> n & 1 ? of->numbers[n] : NAN;
    if (attributes->numbers > 0)
        builder_vector(out, columns->numbers, numbers);
}

static struct attributes_item attributes_of(const struct tables_items *columns,
                                            const struct table_row *row, uint32_t numbers)
{
    const int64_t *tags = table_row_list_i64(row, columns->tags, 0);
    struct attributes_item item = {0};
    const float *values = NULL;
    uint32_t width;

    for (uint32_t i = 0; i < table_row_list(row, columns->tags); i++)
        attributes_add_tag(&item, (uint32_t)tags[i]);
    if (numbers > 0)
        values = table_row_vector(row, columns->numbers, &width);
    for (uint32_t n = 0; n < numbers; n++) {
        if (isnan(values[n]))
            continue;
        item.numbers[n] = values[n];
        item.known |= 1u << n;
    }
    return item;
}

void tables_put_item(const struct tables_items *columns, const struct ranker *ranker, uint32_t item,
                     struct builder *out)
{
    const struct ranker_items *items = &ranker->items;

    builder_i64(out, columns->number, item);
    builder_f32(out, columns->events, items->events[item]);
    builder_f32(out, columns->fast, items->fast[item]);
    builder_f32(out, columns->slow, items->slow[item]);
    if (columns->again != FIELD_NONE)
        builder_f32(out, columns->again, items->again[item]);
    builder_i64(out, columns->first, items->first[item]);
    builder_i64(out, columns->last, items->last[item]);
    builder_vector(out, columns->stages, items->stages + (size_t)item * RANKER_STAGES);
    put_vectors(columns, ranker, item, out);
    if (ranker->attributes)
        put_attributes(columns, ranker->attributes, item, out);
}

void tables_take_item(const struct tables_items *columns, const struct table_row *row,
                      struct ranker *ranker, uint32_t item)
{
    static const struct attributes_item none;
    struct ranker_items *items = &ranker->items;
    uint32_t width;

    if (ranker->attributes) /* tags count events as often as their items have them */
        attributes_set(ranker->attributes, item, &none);
    ranker_set_events(ranker, item, (float)table_row_f64(row, columns->events));
    items->fast[item] = (float)table_row_f64(row, columns->fast);
    items->slow[item] = (float)table_row_f64(row, columns->slow);
    if (columns->again != FIELD_NONE)
        items->again[item] = (float)table_row_f64(row, columns->again);
    items->first[item] = (uint32_t)table_row_i64(row, columns->first);
    items->last[item] = (uint32_t)table_row_i64(row, columns->last);
    memcpy(items->stages + (size_t)item * RANKER_STAGES,
           table_row_vector(row, columns->stages, &width), RANKER_STAGES * sizeof(float));
    take_vectors(columns, row, ranker, item);
    if (ranker->attributes) {
        struct attributes_item is = attributes_of(columns, row, ranker->attributes->numbers);

        attributes_set(ranker->attributes, item, &is);
    }
}

/* ---- the row of the model ---- */

void tables_put_model(const struct tables_model *columns, const struct ranker *ranker,
                      const struct reranker *reranker, uint64_t events, struct builder *out)
{
    float spreads[RANKER_NUMBERS];

    builder_i64(out, columns->model, 0);
    builder_i64(out, columns->events, (int64_t)events);
    builder_vector(out, columns->stage_sums, ranker->stage_sums);
    builder_vector(out, columns->weights, ranker->fusion.weights);
    if (columns->spreads != FIELD_NONE) {
        for (uint32_t n = 0; n < ranker->attributes->numbers; n++)
            spreads[n] = ranker->attributes->spreads[n].mean;
        builder_vector(out, columns->spreads, spreads);
    }
    if (reranker) {
        builder_i64(out, columns->rerank, reranker->top);
        builder_vector(out, columns->reranker, reranker->learnt.weights);
    }
}

void tables_take_model(const struct tables_model *columns, const struct table_row *row,
                       struct ranker *ranker, struct reranker *reranker)
{
    uint32_t features = ranker->features, width;

    memcpy(ranker->stage_sums, table_row_vector(row, columns->stage_sums, &width),
           RANKER_STAGES * sizeof(float));
    memcpy(ranker->fusion.weights, table_row_vector(row, columns->weights, &width),
           weights_of(features) * sizeof(float));
    for (uint32_t n = 0; ranker->attributes && n < ranker->attributes->numbers; n++)
        ranker->attributes->spreads[n].mean = table_row_vector(row, columns->spreads, &width)[n];
    if (reranker)
        memcpy(reranker->learnt.weights, table_row_vector(row, columns->reranker, &width),
               mlp_floats(features, RERANKER_EXTRAS) * sizeof(float));
}
