/* impressions: see impressions.h. */
#include "operators/generator/impressions.h"

#include <string.h>

static const struct column_def added_columns[ADDED] = {
    {"position", TYPE_I32},    {"propensity", TYPE_F64}, {"propensity_explore", TYPE_F64},
    {"policy", TYPE_UTF8},     {"explore", TYPE_BOOL},   {"candidates", TYPE_I32},
    {"list_len", TYPE_I32},    {"variant", TYPE_F64},    {"bitrate", TYPE_F64},
    {"prefetched", TYPE_BOOL},
};

static bool scalar(const struct field *field)
{
    return field->type != TYPE_LIST && field->type != TYPE_VECTOR;
}

const struct schema *impressions_items(const struct schema *in)
{
    return in->fields[schema_find(in, "items")].child;
}

/* Whether impressions get a column: those of an open loop all or none. */
static bool adds(const struct schema *items, uint32_t added)
{
    if (added <= ADDED_LIST_LEN)
        return schema_find(items, "position") == FIELD_NONE;
    return schema_find(items, added_columns[added].name) == FIELD_NONE;
}

static bool add_scalars(struct describe *describe, struct schema *schema, const struct schema *from,
                        struct error *err)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct field *field = &from->fields[i];
        if (scalar(field) && strcmp(field->name, "world") != 0 &&
            !schema_add(schema, describe_arena(describe), field))
            return describe_error(describe, err, "from", "rename one of them",
                                  "the rows and their items both have a column \"%s\"",
                                  field->name);
    }
    return true;
}

bool impressions_describe(struct describe *describe, const struct schema *in, struct error *err)
{
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);
    const struct schema *items = impressions_items(in);

    if (!add_scalars(describe, schema, in, err) || !add_scalars(describe, schema, items, err))
        return false;
    for (uint32_t i = 0; i < ADDED; i++)
        if (adds(items, i) &&
            !schema_add_column(schema, arena, added_columns[i].name, added_columns[i].type))
            return describe_error(describe, err, "from", "rename it before, in `clean`",
                                  "there already is a column \"%s\"", added_columns[i].name);
    if (schema_find(items, "reasons.base") != FIELD_NONE)
        (void)schema_add_column(schema, arena, "base", TYPE_F64);
    describe_output(describe, PORT_IMPRESSIONS, schema);
    return true;
}

/* ---- an instance ---- */

static void plan_source(struct op *op, const struct schema *from, struct impressions_source *source)
{
    const struct schema *out = op_output_schema(op, PORT_IMPRESSIONS);

    for (uint32_t i = 0; i < from->count; i++) {
        uint32_t to = schema_find(out, from->fields[i].name);
        if (!scalar(&from->fields[i]) || to == FIELD_NONE ||
            !op_output_reads(op, PORT_IMPRESSIONS, to))
            continue;
        source->from[source->count] = i;
        source->to[source->count++] = to;
    }
}

/* `base` is a copy of reasons.base. */
static void plan_base(struct op *op, struct impressions *impressions)
{
    const struct schema *in = op_input_schema(op, 0), *items = impressions_items(in);
    uint32_t base = schema_find(op_output_schema(op, PORT_IMPRESSIONS), "base");
    uint32_t reason = schema_find(items, "reasons.base");
    struct impressions_source *list = &impressions->list;

    if (reason == FIELD_NONE || schema_find(items, "base") != FIELD_NONE ||
        schema_find(in, "base") != FIELD_NONE || !op_output_reads(op, PORT_IMPRESSIONS, base))
        return;
    CHECK(list->count < COLUMNS_MAX);
    list->from[list->count] = reason;
    list->to[list->count++] = base;
}

void impressions_open(struct op *op, struct impressions *impressions)
{
    const struct schema *in = op_input_schema(op, 0), *items = impressions_items(in);
    const struct schema *out = op_output_schema(op, PORT_IMPRESSIONS);
    struct schema *schema;

    impressions->arena = arena_create(4096);
    impressions->items = schema_find(in, "items");
    impressions->columns = out->count;
    plan_source(op, in, &impressions->rows);
    plan_source(op, items, &impressions->list);
    plan_base(op, impressions);
    schema = schema_create(impressions->arena);
    for (uint32_t i = 0; i < ADDED; i++) {
        uint32_t to = schema_find(out, added_columns[i].name);
        impressions->added[i] = FIELD_NONE;
        if (!adds(items, i) || !op_output_reads(op, PORT_IMPRESSIONS, to))
            continue;
        impressions->added[i] = schema->count;
        impressions->to[schema->count] = to;
        CHECK(schema_add_column(schema, impressions->arena, added_columns[i].name,
                                added_columns[i].type));
    }
    impressions->builder = builder_create(schema, false);
}

void impressions_close(struct impressions *impressions)
{
    builder_close(impressions->builder);
    arena_close(impressions->arena);
}

/* ---- rows ---- */

/* The columns that are wanted, with event time, origin and order where rows have them. */
static struct batch *pick(const struct batch *from, const struct impressions_source *source,
                          const uint32_t *rows, uint32_t count)
{
    struct batch *picked = batch_create(from->rows, source->count), *gathered;

    for (uint32_t i = 0; i <= HIDDEN_ORDER; i++)
        picked->columns[i] = from->columns[i];
    for (uint32_t i = 0; i < source->count; i++)
        picked->columns[HIDDEN_COUNT + i] = from->columns[HIDDEN_COUNT + source->from[i]];
    for (uint32_t i = 0; i < HIDDEN_COUNT + source->count; i++)
        if (picked->columns[i])
            column_ref(picked->columns[i]);
    gathered = batch_gather(picked, rows, count);
    batch_release(&picked);
    return gathered;
}

static void move_columns(struct batch *out, struct batch **from, const uint32_t *to)
{
    for (uint32_t i = 0; i < (*from)->column_count; i++) {
        out->columns[HIDDEN_COUNT + to[i]] = (*from)->columns[HIDDEN_COUNT + i];
        (*from)->columns[HIDDEN_COUNT + i] = NULL;
    }
    batch_release(from);
}

/* Of nulls: nobody reads it. */
static struct column *empty_column(enum type type, uint32_t rows)
{
    struct column *column = column_create(type, rows);
    size_t size = (type_size(type) + 1) * rows + (type == TYPE_UTF8 ? 0 : 8);

    column->blocks[0] = block_create(size);
    memset(column->blocks[0]->data, 0, size);
    column->blocks[2] = block_create(rows / 8 + 1);
    memset(column->blocks[2]->data, 0, rows / 8 + 1);
    column->values = column->blocks[0]->data;
    column->validity = column->blocks[2]->data;
    if (type == TYPE_UTF8) {
        column->blocks[1] = block_create((rows + 1ul) * sizeof(int32_t));
        memset(column->blocks[1]->data, 0, (rows + 1ul) * sizeof(int32_t));
        column->offsets = (const int32_t *)(const void *)column->blocks[1]->data;
    }
    return column;
}

void impressions_send(struct op *op, struct impressions *impressions, const struct batch *in)
{
    const struct schema *schema = op_output_schema(op, PORT_IMPRESSIONS);
    const struct batch *items = batch_column(in, impressions->items)->child;
    struct batch *rows, *list, *added, *out;
    uint32_t count = impressions->waiting;

    if (count == 0)
        return;
    impressions->waiting = 0;
    rows = pick(in, &impressions->rows, impressions->wait_rows, count);
    list = pick(items, &impressions->list, impressions->wait_items, count);
    added = builder_finish(impressions->builder);
    out = batch_create(count, impressions->columns);
    for (uint32_t i = 0; i <= HIDDEN_ORDER; i++) {
        out->columns[i] = rows->columns[i];
        column_ref(out->columns[i]);
    }
    move_columns(out, &rows, impressions->rows.to);
    move_columns(out, &list, impressions->list.to);
    move_columns(out, &added, impressions->to);
    for (uint32_t i = 0; i < impressions->columns; i++)
        if (!out->columns[HIDDEN_COUNT + i])
            out->columns[HIDDEN_COUNT + i] = empty_column(schema->fields[i].type, count);
    op_emit(op, PORT_IMPRESSIONS, &out);
}

static void put_list(struct builder *to, const uint32_t *added, const struct impressions_list *list)
{
    if (added[ADDED_PROPENSITY] != FIELD_NONE)
        builder_f64(to, added[ADDED_PROPENSITY], list->propensity);
    if (added[ADDED_PROPENSITY_EXPLORE] != FIELD_NONE)
        builder_f64(to, added[ADDED_PROPENSITY_EXPLORE], list->propensity_explore);
    if (added[ADDED_POLICY] != FIELD_NONE)
        builder_text(to, added[ADDED_POLICY], list->policy, strlen(list->policy));
    if (added[ADDED_EXPLORE] != FIELD_NONE)
        builder_bool(to, added[ADDED_EXPLORE], list->explore);
    if (added[ADDED_CANDIDATES] != FIELD_NONE)
        builder_i32(to, added[ADDED_CANDIDATES], (int32_t)list->candidates);
    if (added[ADDED_LIST_LEN] != FIELD_NONE)
        builder_i32(to, added[ADDED_LIST_LEN], (int32_t)list->length);
}

void impressions_put(struct op *op, struct impressions *impressions, const struct event *event,
                     const struct impressions_list *list, uint32_t item)
{
    struct builder *to = impressions->builder;
    const uint32_t *added = impressions->added;

    builder_row(to, 0, 0, 0);
    if (added[ADDED_POSITION] != FIELD_NONE)
        builder_i32(to, added[ADDED_POSITION], (int32_t)event->position);
    put_list(to, added, list);
    if (added[ADDED_VARIANT] != FIELD_NONE)
        builder_f64(to, added[ADDED_VARIANT], event->variant);
    if (added[ADDED_BITRATE] != FIELD_NONE)
        builder_f64(to, added[ADDED_BITRATE], event->bitrate);
    if (added[ADDED_PREFETCHED] != FIELD_NONE)
        builder_bool(to, added[ADDED_PREFETCHED], event->prefetched);
    impressions->wait_rows[impressions->waiting] = event->row;
    impressions->wait_items[impressions->waiting++] = item;
    if (impressions->waiting == BATCH_ROWS_MAX)
        impressions_send(op, impressions, event->in);
}
