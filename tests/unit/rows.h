/* rows: a naive model of batches for property tests: every row as a line of text. Rows are drawn
 * into a builder and written as text at the same time; what comes out of the code under test is
 * written as text again, and must be the same. */
#ifndef MILLRACE_TESTS_UNIT_ROWS_H
#define MILLRACE_TESTS_UNIT_ROWS_H

#include "runtime/base/random.h"
#include "runtime/batch/builder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_COLUMNS_MAX 7u
#define ROWS_TEXT_MAX 40u

struct rows { /* the model: a text a row */
    uint32_t count, capacity;
    char **texts;
};

static inline void rows_put(struct rows *rows, const char *text)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 64;
        rows->texts = memory_grow(rows->texts, rows->capacity, sizeof(*rows->texts));
    }
    rows->texts[rows->count++] = memory_text(text);
}

static inline void rows_pop(struct rows *rows)
{
    memory_free(rows->texts[--rows->count]);
}

static inline void rows_clear(struct rows *rows)
{
    while (rows->count > 0)
        rows_pop(rows);
    memory_free(rows->texts);
    *rows = (struct rows){0};
}

/* ---- schemas ---- */
static inline struct schema *rows_schema(struct random *random, struct arena *arena, bool lists)
{
    static const enum type types[] = {TYPE_BOOL, TYPE_I32,       TYPE_I64,  TYPE_F32,
                                      TYPE_F64,  TYPE_TIMESTAMP, TYPE_UTF8, TYPE_VECTOR};
    struct schema *schema = schema_create(arena);
    uint32_t count = (uint32_t)random_below(random, ROWS_COLUMNS_MAX + 1);

    if (!lists && count == 0) /* a list's child has columns */
        count = 1;

    for (uint32_t i = 0; i < count; i++) {
        struct field field = {.type = types[random_below(random, 8)]};

        snprintf(field.name, sizeof(field.name), "c%u", i);
        if (lists && random_below(random, 4) == 0) {
            field.type = TYPE_LIST;
            field.child = rows_schema(random, arena, false);
        }
        if (field.type == TYPE_VECTOR)
            field.width = 1 + (uint32_t)random_below(random, 5);
        CHECK(schema_add(schema, arena, &field));
    }
    return schema;
}

/* ---- drawing ---- */
static inline void rows_bytes_text(struct bytes *text, const char *data, size_t size)
{
    bytes_text(text, "'");
    for (size_t i = 0; i < size; i++)
        bytes_format(text, "%02x", (unsigned char)data[i]);
    bytes_text(text, "'");
}

static inline size_t rows_draw_text(struct random *random, char text[ROWS_TEXT_MAX])
{
    size_t size = (size_t)random_below(random, random_below(random, 3) ? 12 : ROWS_TEXT_MAX);

    for (size_t i = 0; i < size; i++)
        text[i] = (char)random_next(random);
    return size;
}

static inline void rows_draw_number(struct random *random, struct builder *builder, uint32_t column,
                                    enum type type, struct bytes *text)
{
    int64_t value = (int64_t)random_next(random);

    switch (type) {
    case TYPE_BOOL:
        builder_bool(builder, column, value & 1);
        bytes_format(text, "%d", (int)(value & 1));
        break;
    case TYPE_I32:
        builder_i32(builder, column, (int32_t)value);
        bytes_format(text, "%" PRId32, (int32_t)value);
        break;
    case TYPE_F32:
        builder_f32(builder, column, (float)value);
        bytes_format(text, "%a", (double)(float)value);
        break;
    case TYPE_F64:
        builder_f64(builder, column, (double)value);
        bytes_format(text, "%a", (double)value);
        break;
    default:
        builder_i64(builder, column, value);
        bytes_format(text, "%" PRId64, value);
    }
}

static inline void rows_draw(struct random *random, struct builder *builder,
                             const struct schema *schema, struct bytes *text);

static inline void rows_draw_list(struct random *random, struct builder *builder, uint32_t column,
                                  const struct schema *schema, struct bytes *text)
{
    struct builder *child = builder_list(builder, column);
    uint32_t count = (uint32_t)random_below(random, 5);

    bytes_text(text, "[");
    for (uint32_t i = 0; i < count; i++) {
        builder_child_row(child);
        rows_draw(random, child, schema, text);
        if (random_below(random, 8) == 0) {
            builder_child_row(child);
            builder_row_undo(child);
        }
    }
    builder_list_end(builder, column);
    bytes_text(text, "]");
}

static inline void rows_draw_value(struct random *random, struct builder *builder, uint32_t column,
                                   const struct field *field, struct bytes *text)
{
    char data[ROWS_TEXT_MAX];
    float floats[5];
    size_t size;

    if (field->type == TYPE_UTF8) {
        size = rows_draw_text(random, data);
        builder_text(builder, column, data, size);
        rows_bytes_text(text, data, size);
    } else if (field->type == TYPE_VECTOR) {
        for (uint32_t i = 0; i < field->width; i++) {
            floats[i] = (float)(int32_t)random_next(random);
            bytes_format(text, "%a,", (double)floats[i]);
        }
        builder_vector(builder, column, floats);
    } else if (field->type == TYPE_LIST) {
        rows_draw_list(random, builder, column, field->child, text);
    } else {
        rows_draw_number(random, builder, column, field->type, text);
    }
}

/* The values of the row that was begun last. One column in three has no nulls at all. */
static inline void rows_draw(struct random *random, struct builder *builder,
                             const struct schema *schema, struct bytes *text)
{
    bytes_text(text, "{");
    for (uint32_t i = 0; i < schema->count; i++) {
        if (i % 3 != 0 && random_below(random, 4) == 0)
            bytes_text(text, "null");
        else
            rows_draw_value(random, builder, i, &schema->fields[i], text);
        bytes_text(text, " ");
    }
    bytes_text(text, "}");
}

/* Draws a whole row into builder and model; `apart`: its order is not its origin. */
static inline void rows_draw_row(struct random *random, struct builder *builder, bool apart,
                                 struct rows *rows)
{
    struct bytes text = {0};
    int64_t time = (int64_t)random_next(random);
    uint64_t origin = random_next(random), order = apart ? random_next(random) : origin;

    builder_row(builder, time, origin, order);
    bytes_format(&text, "%" PRId64 " %" PRIu64 " %" PRIu64 " ", time, origin, order);
    rows_draw(random, builder, builder_schema(builder), &text);
    bytes_put(&text, "", 1);
    rows_put(rows, (const char *)text.data);
    bytes_clear(&text);
}

/* A batch of `count` rows, NULL when 0; the rows are put into the model. */
static inline struct batch *rows_batch(struct random *random, const struct schema *schema,
                                       uint32_t count, bool apart, struct rows *rows)
{
    struct builder *builder = builder_create(schema, false);
    struct batch *batch;

    for (uint32_t i = 0; i < count; i++)
        rows_draw_row(random, builder, apart, rows);
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

/* ---- writing ---- */
static inline void rows_write_values(const struct batch *batch, const struct schema *schema,
                                     uint32_t row, struct bytes *text);

static inline void rows_write_value(const struct column *column, const struct field *field,
                                    uint32_t row, struct bytes *text)
{
    const char *data;
    uint32_t size;

    switch (field->type) {
    case TYPE_BOOL:
        bytes_format(text, "%d", column_bool(column, row));
        break;
    case TYPE_I32:
        bytes_format(text, "%" PRId32, ((const int32_t *)column->values)[row]);
        break;
    case TYPE_F32:
        bytes_format(text, "%a", (double)((const float *)column->values)[row]);
        break;
    case TYPE_F64:
        bytes_format(text, "%a", ((const double *)column->values)[row]);
        break;
    case TYPE_UTF8:
        data = column_text(column, row, &size);
        rows_bytes_text(text, data, size);
        break;
    case TYPE_VECTOR:
        for (uint32_t i = 0; i < column->width; i++)
            bytes_format(text, "%a,",
                         (double)((const float *)column->values)[row * column->width + i]);
        break;
    case TYPE_LIST:
        bytes_text(text, "[");
        for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++)
            rows_write_values(column->child, field->child, (uint32_t)i, text);
        bytes_text(text, "]");
        break;
    default:
        bytes_format(text, "%" PRId64, ((const int64_t *)column->values)[row]);
    }
}

static inline void rows_write_values(const struct batch *batch, const struct schema *schema,
                                     uint32_t row, struct bytes *text)
{
    bytes_text(text, "{");
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct column *column = batch_column(batch, i);

        if (!column_valid(column, row))
            bytes_text(text, "null");
        else
            rows_write_value(column, &schema->fields[i], row, text);
        bytes_text(text, " ");
    }
    bytes_text(text, "}");
}

/* The physical row as the model has it. */
static inline void rows_write(const struct batch *batch, const struct schema *schema, uint32_t row,
                              struct bytes *text)
{
    bytes_format(text, "%" PRId64 " %" PRIu64 " %" PRIu64 " ", batch_time(batch)[row],
                 batch_origin(batch)[row], batch_order(batch)[row]);
    rows_write_values(batch, schema, row, text);
    bytes_put(text, "", 1);
}

/* Whether the selected rows of the batch (NULL: none) are rows[at[k]] of the model; `at` NULL: all
 * of them in order. Prints the first that is not. */
static inline bool rows_same(const struct batch *batch, const struct schema *schema,
                             const struct rows *rows, const uint32_t *at, uint32_t count)
{
    struct bytes text = {0};
    bool same = (batch ? batch->selected : 0) == count;

    if (batch)
        batch_check(batch, schema);
    for (uint32_t k = 0; same && k < count; k++) {
        const char *expected = rows->texts[at ? at[k] : k];

        text.size = 0;
        rows_write(batch, schema, batch_row(batch, k), &text);
        same = strcmp((const char *)text.data, expected) == 0;
        if (!same)
            fprintf(stderr, "row %u\n  is       %s\n  expected %s\n", k, (const char *)text.data,
                    expected);
    }
    bytes_clear(&text);
    return same;
}

#endif
