/* builder: makes batches of a schema, row by row or by copying rows of other batches. Grows as
 * needed (column memory doubles), is reused after builder_finish. Not for several threads.
 * A column that is not set in a row is null there. */
#ifndef MILLRACE_BATCH_BUILDER_H
#define MILLRACE_BATCH_BUILDER_H

#include "runtime/batch/batch.h"
#include "runtime/batch/key.h"

struct builder;
struct vector;

/* `schema` is borrowed. `keyed`: the hidden key columns are built too. */
struct builder *builder_create(const struct schema *schema, bool keyed);
void builder_close(struct builder *builder); /* NULL is fine */
void builder_reserve(struct builder *builder, uint32_t rows);
uint32_t builder_rows(const struct builder *builder);
size_t builder_bytes(const struct builder *builder);
const struct schema *builder_schema(const struct builder *builder);
/* For decoders, which fill columns in place: the vectors (vector.h) of the schema's columns. None may
 * have more rows than the builder; one that has fewer gets nulls. */
struct vector *builder_vectors(struct builder *builder);

/* Begins a row: its hidden columns are those of the row that caused it, or are given. */
void builder_row_from(struct builder *builder, const struct batch *in, uint32_t row);
void builder_row(struct builder *builder, int64_t time_ms, uint64_t origin, uint64_t order);
/* Takes back the row begun last. */
void builder_row_undo(struct builder *builder);

/* Set a column of the present row, at most once. The column's type must match. */
void builder_bool(struct builder *builder, uint32_t column, bool value);
void builder_i32(struct builder *builder, uint32_t column, int32_t value);
void builder_i64(struct builder *builder, uint32_t column, int64_t value); /* and timestamps */
void builder_f32(struct builder *builder, uint32_t column, float value);
void builder_f64(struct builder *builder, uint32_t column, double value);
void builder_text(struct builder *builder, uint32_t column, const char *text, size_t size);
void builder_vector(struct builder *builder, uint32_t column, const float *values);
/* Any numeric column from a double (rounded for integers), for cold paths. */
void builder_number(struct builder *builder, uint32_t column, double value);
/* Copies a value, null too, from a column of the same type (lists too). */
void builder_copy(struct builder *builder, uint32_t column, const struct column *from,
                  uint32_t row);
/* The value that a one-column canonical key stands for, into a column of the key's type. */
void builder_key(struct builder *builder, uint32_t column, const struct key *key);

/* A list value: append child rows by the same setters on the child builder (begin each with
 * builder_child_row), then end it. A list that is begun and ended at once is empty, not null. */
struct builder *builder_list(struct builder *builder, uint32_t column);
void builder_child_row(struct builder *child);
void builder_list_end(struct builder *builder, uint32_t column);

/* Appends whole rows of a batch with the same schema, hidden columns included (key columns only
 * when `keyed`). `rows` are numbers of physical rows. */
void builder_append(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                    uint32_t count);

/* The batch of all rows so far (NULL when none); the builder is empty again. */
struct batch *builder_finish(struct builder *builder);
void builder_reset(struct builder *builder); /* drops the rows */

#endif
