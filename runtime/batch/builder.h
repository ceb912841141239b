/* builder: makes batches of a schema, row by row or by copying rows of other batches. Grows as
 * needed (column memory doubles, and begins at the size of the batch before), is reused after
 * builder_finish. Not for several threads.
 * A column that is not set in a row is null there. Texts of one batch are bounded by 2 GiB a
 * column: who takes rows from outside finishes before that (builder_bytes).
 *
 * The structs are open so that setters can be inlined; nobody else touches their fields. */
#ifndef MILLRACE_BATCH_BUILDER_H
#define MILLRACE_BATCH_BUILDER_H

#include "runtime/batch/batch.h"
#include "runtime/batch/key.h"

#include <string.h>

struct builder;

struct builder_column {
    uint8_t *values;              /* of blocks[0]; utf8: the bytes; bool: bits */
    int32_t *offsets;             /* of blocks[1]; utf8 and list */
    uint8_t *validity;            /* of blocks[2]; NULL: no null so far */
    uint32_t set;                 /* rows that have a value or a null */
    enum type type;               /* TYPE_NONE: a hidden column that is not built */
    uint32_t width;               /* TYPE_VECTOR */
    uint32_t value_size;          /* bytes; 0 for bool, utf8, list */
    uint32_t text_size, text_max; /* bytes in `values` and room there */
    uint32_t text_hint;           /* bytes of the batch before */
    struct builder *child;        /* TYPE_LIST */
    struct block *blocks[3];
};

struct builder {
    uint32_t rows, capacity; /* begun; that all columns have room for */
    uint32_t rows_hint;      /* of the batch before */
    uint32_t key_rows;       /* rows that have a key */
    uint32_t column_count;   /* without the hidden ones */
    bool order_apart; /* some row's order is not its origin: HIDDEN_ORDER has its own memory */
    const struct schema *schema;
    uint32_t *scratch; /* child rows while lists are appended */
    uint32_t scratch_max;
    struct builder_column columns[]; /* HIDDEN_COUNT, then the schema's */
};

/* `schema` is borrowed. `keyed`: the hidden key columns are built too; a batch gets them when each
 * of its rows has a key (builder_row_from, builder_row_key, builder_append). */
struct builder *builder_create(const struct schema *schema, bool keyed);
void builder_close(struct builder *builder);                  /* NULL is fine */
void builder_reserve(struct builder *builder, uint32_t rows); /* room for `rows` more */
size_t builder_bytes(const struct builder *builder);

static inline uint32_t builder_rows(const struct builder *builder)
{
    return builder->rows;
}

static inline const struct schema *builder_schema(const struct builder *builder)
{
    return builder->schema;
}

/* ---- rows ---- */
/* Private: from now on orders differ from origins. */
void builder_split_order(struct builder *builder);

/* Begins a row: its hidden columns are those of the row that caused it, or are given. */
static inline void builder_row(struct builder *builder, int64_t time_ms, uint64_t origin,
                               uint64_t order)
{
    struct builder_column *hidden = builder->columns;
    uint32_t row = builder->rows;

    if (row == builder->capacity)
        builder_reserve(builder, 1);
    if (order != origin && !builder->order_apart)
        builder_split_order(builder);
    ((int64_t *)(void *)hidden[HIDDEN_TIME].values)[row] = time_ms;
    ((uint64_t *)(void *)hidden[HIDDEN_ORIGIN].values)[row] = origin;
    if (builder->order_apart)
        ((uint64_t *)(void *)hidden[HIDDEN_ORDER].values)[row] = order;
    builder->rows = row + 1;
}

void builder_row_from(struct builder *builder, const struct batch *in, uint32_t row);
/* Gives the row begun last its key, for rows that no row caused. Only when `keyed`. */
void builder_row_key(struct builder *builder, const struct key *key);
/* Takes back the row begun last. */
void builder_row_undo(struct builder *builder);

/* ---- setters: a column of the present row, at most once; the column's type must match ---- */
/* Private: makes the rows [set, rows) null; private: room for `size` more bytes of text. */
void builder_pad(struct builder *builder, struct builder_column *column, uint32_t rows);
void builder_text_reserve(struct builder_column *column, size_t size);

static inline struct builder_column *builder_set(struct builder *builder, uint32_t index)
{
    struct builder_column *column = &builder->columns[HIDDEN_COUNT + index];
    uint32_t row = builder->rows - 1;

    CHECK(index < builder->column_count);
    if (column->set != row)
        builder_pad(builder, column, row);
    if (column->validity)
        column->validity[row >> 3] |= (uint8_t)(1u << (row & 7));
    column->set = row + 1;
    return column;
}

static inline void builder_bool(struct builder *builder, uint32_t column, bool value)
{
    struct builder_column *to = builder_set(builder, column);
    uint32_t row = builder->rows - 1, mask = 1u << (row & 7);

    CHECK(to->type == TYPE_BOOL);
    to->values[row >> 3] = (uint8_t)((to->values[row >> 3] & ~mask) | (value ? mask : 0));
}

static inline void builder_i32(struct builder *builder, uint32_t column, int32_t value)
{
    struct builder_column *to = builder_set(builder, column);

    CHECK(to->type == TYPE_I32);
    ((int32_t *)(void *)to->values)[builder->rows - 1] = value;
}

static inline void builder_i64(struct builder *builder, uint32_t column, int64_t value)
{
    struct builder_column *to = builder_set(builder, column);

    CHECK(to->type == TYPE_I64 || to->type == TYPE_TIMESTAMP);
    ((int64_t *)(void *)to->values)[builder->rows - 1] = value;
}

static inline void builder_f32(struct builder *builder, uint32_t column, float value)
{
    struct builder_column *to = builder_set(builder, column);

    CHECK(to->type == TYPE_F32);
    ((float *)(void *)to->values)[builder->rows - 1] = value;
}

static inline void builder_f64(struct builder *builder, uint32_t column, double value)
{
    struct builder_column *to = builder_set(builder, column);

    CHECK(to->type == TYPE_F64);
    ((double *)(void *)to->values)[builder->rows - 1] = value;
}

/* Private: appends bytes to the column's texts and ends row `row` there. */
static inline void builder_put_text(struct builder_column *column, uint32_t row, const void *text,
                                    size_t size)
{
    CHECK(column->type == TYPE_UTF8);
    if (size > column->text_max - column->text_size)
        builder_text_reserve(column, size);
    if (size)
        memcpy(column->values + column->text_size, text, size);
    column->text_size += (uint32_t)size;
    column->offsets[row + 1] = (int32_t)column->text_size;
}

static inline void builder_text(struct builder *builder, uint32_t column, const char *text,
                                size_t size)
{
    builder_put_text(builder_set(builder, column), builder->rows - 1, text, size);
}

void builder_vector(struct builder *builder, uint32_t column, const float *values);
/* Any numeric column from a double (rounded for integers, clamped to their range), for cold paths.
 * NaN leaves an integer null. */
void builder_number(struct builder *builder, uint32_t column, double value);
/* Copies a value, null too, from a column of the same type (lists too). */
void builder_copy(struct builder *builder, uint32_t column, const struct column *from,
                  uint32_t row);
/* The value that a one-column canonical key stands for, into a column of the key's type. Null for
 * a key that was cut. */
void builder_key(struct builder *builder, uint32_t column, const struct key *key);

/* A list value: append child rows by the same setters on the child builder (begin each with
 * builder_child_row), then end it. A list that is begun and ended at once is empty, not null. */
struct builder *builder_list(struct builder *builder, uint32_t column);
void builder_list_end(struct builder *builder, uint32_t column);

static inline void builder_child_row(struct builder *child)
{
    if (child->rows == child->capacity)
        builder_reserve(child, 1);
    child->rows++;
}

/* ---- whole rows and batches ---- */
/* Appends whole rows of a batch with the same schema, hidden columns included (key columns only
 * when `keyed`). `rows` are numbers of physical rows. */
void builder_append(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                    uint32_t count);

/* The batch of all rows so far (NULL when none); the builder is empty again. */
struct batch *builder_finish(struct builder *builder);
void builder_reset(struct builder *builder); /* drops the rows, keeps the memory */

#endif
