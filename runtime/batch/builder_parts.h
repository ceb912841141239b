/* builder_parts: what builder.c and builder_append.c share. Private to them. */
#ifndef MILLRACE_BATCH_BUILDER_PARTS_H
#define MILLRACE_BATCH_BUILDER_PARTS_H

#include "runtime/batch/builder.h"

enum { BLOCK_VALUES, BLOCK_OFFSETS, BLOCK_VALIDITY }; /* places in blocks[] */

/* A builder whose columns, hidden ones too, are those of `batch`; it has no schema. */
struct builder *builder_like(const struct batch *batch);
/* Gives the column a bitmap in which the rows so far are valid, when it has none. */
void builder_need_validity(const struct builder *builder, struct builder_column *column);
/* Makes the rows past `rows` never to have been. */
void builder_truncate(struct builder *builder, uint32_t rows);
/* As builder_finish, also for no rows and for child builders. */
struct batch *builder_take(struct builder *builder);

/* Appends values of `from` at `row`, the first row without one; the rows have been reserved. */
void builder_append_column(struct builder *builder, struct builder_column *column, uint32_t row,
                           const struct column *from, const uint32_t *rows, uint32_t count);

#endif
