/* Blocks, columns and batches; see batch.h. */
#include "runtime/batch/batch.h"

#include "runtime/batch/builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SPARE 64 /* bytes behind a block, so that wide loads may run over */

struct block *block_create(size_t size)
{
    struct block *block = aligned_alloc(64, (sizeof(*block) + size + BLOCK_SPARE + 63) / 64 * 64);

    CHECK(block);
    atomic_init(&block->refs, 1);
    block->size = size;
    return block;
}

void block_ref(struct block *block)
{
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
}

void block_release(struct block **block)
{
    struct block *held = *block;

    *block = NULL;
    if (held && atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) == 1)
        free(held);
}

struct column *column_create(enum type type, uint32_t rows)
{
    struct column *column = memory_new(sizeof(*column));

    atomic_init(&column->refs, 1);
    column->type = type;
    column->rows = rows;
    return column;
}

void column_ref(struct column *column)
{
    atomic_fetch_add_explicit(&column->refs, 1, memory_order_relaxed);
}

void column_release(struct column **column)
{
    struct column *held = *column;

    *column = NULL;
    if (!held || atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) != 1)
        return;
    batch_release(&held->child);
    for (size_t i = 0; i < sizeof(held->blocks) / sizeof(held->blocks[0]); i++)
        block_release(&held->blocks[i]);
    memory_free(held);
}

/* ---- batches ---- */
struct batch *batch_create(uint32_t rows, uint32_t column_count)
{
    struct batch *batch =
        memory_new(sizeof(*batch) + (HIDDEN_COUNT + column_count) * sizeof(struct column *));

    atomic_init(&batch->refs, 1);
    batch->rows = batch->selected = rows;
    batch->column_count = column_count;
    return batch;
}

void batch_ref(struct batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
}

void batch_release(struct batch **batch)
{
    struct batch *held = *batch;

    *batch = NULL;
    if (!held || atomic_fetch_sub_explicit(&held->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < HIDDEN_COUNT + held->column_count; i++)
        column_release(&held->columns[i]);
    block_release(&held->selection_block);
    memory_free(held);
}

/* A shell with references to `count` columns of `batch` (hidden ones too) and its selection. */
static struct batch *batch_share(const struct batch *batch, uint32_t column_count)
{
    struct batch *copy = batch_create(batch->rows, column_count);

    for (uint32_t i = 0; i < HIDDEN_COUNT; i++) {
        copy->columns[i] = batch->columns[i];
        if (copy->columns[i])
            column_ref(copy->columns[i]);
    }
    copy->selected = batch->selected;
    copy->selection = batch->selection;
    copy->selection_block = batch->selection_block;
    if (copy->selection_block)
        block_ref(copy->selection_block);
    return copy;
}

static void share_columns(struct batch *copy, const struct batch *batch)
{
    for (uint32_t i = HIDDEN_COUNT; i < HIDDEN_COUNT + batch->column_count; i++) {
        copy->columns[i] = batch->columns[i];
        column_ref(copy->columns[i]);
    }
}

struct batch *batch_select(const struct batch *batch, const uint32_t *rows, uint32_t count)
{
    struct batch *copy = batch_share(batch, batch->column_count);

    share_columns(copy, batch);
    block_release(&copy->selection_block);
    copy->selection_block = block_create(count * sizeof(uint32_t));
    memcpy(copy->selection_block->data, rows, count * sizeof(uint32_t));
    copy->selection = (const uint32_t *)(const void *)copy->selection_block->data;
    copy->selected = count;
    return copy;
}

struct batch *batch_with(const struct batch *batch, struct column **column)
{
    struct batch *copy = batch_share(batch, batch->column_count + 1);

    CHECK((*column)->rows == batch->rows);
    share_columns(copy, batch);
    copy->columns[HIDDEN_COUNT + batch->column_count] = *column;
    *column = NULL;
    return copy;
}

struct batch *batch_project(const struct batch *batch, const uint32_t *columns, uint32_t count)
{
    struct batch *copy = batch_share(batch, count);

    for (uint32_t i = 0; i < count; i++) {
        CHECK(columns[i] < batch->column_count);
        copy->columns[HIDDEN_COUNT + i] = batch->columns[HIDDEN_COUNT + columns[i]];
        column_ref(copy->columns[HIDDEN_COUNT + i]);
    }
    return copy;
}

struct batch *batch_dense(struct batch *batch)
{
    if (batch->selection)
        return batch_gather(batch, batch->selection, batch->selected);
    batch_ref(batch);
    return batch;
}

/* ---- sizes and checks ---- */
static size_t column_bytes(const struct column *column)
{
    size_t bytes = column->validity ? (column->rows + 7) / 8 : 0;

    if (column->type == TYPE_UTF8)
        bytes += (size_t)(column->offsets[column->rows] - column->offsets[0]);
    else if (column->type == TYPE_BOOL)
        bytes += (column->rows + 7) / 8;
    else if (column->type == TYPE_VECTOR)
        bytes += (size_t)column->rows * column->width * sizeof(float);
    else
        bytes += column->rows * type_size(column->type);
    if (column->offsets)
        bytes += (column->rows + 1) * sizeof(int32_t);
    return bytes + (column->child ? batch_bytes(column->child) : 0);
}

size_t batch_bytes(const struct batch *batch)
{
    size_t bytes = sizeof(*batch);

    for (uint32_t i = 0; i < HIDDEN_COUNT + batch->column_count; i++)
        if (batch->columns[i] &&
            (i != HIDDEN_ORDER || batch->columns[i] != batch->columns[HIDDEN_ORIGIN]))
            bytes += column_bytes(batch->columns[i]);
    return bytes;
}

static void column_check(const struct column *column, const struct field *field)
{
    CHECK(column->type == field->type && column->width == field->width);
    if (column->type == TYPE_UTF8 || column->type == TYPE_LIST) {
        CHECK(column->offsets && column->offsets[0] >= 0);
        for (uint32_t row = 0; row < column->rows; row++)
            CHECK(column->offsets[row] <= column->offsets[row + 1]);
    }
    if (column->type == TYPE_LIST) {
        CHECK(column->child && (uint32_t)column->offsets[column->rows] <= column->child->rows);
        batch_check(column->child, field->child);
    } else {
        CHECK(column->values || column->rows == 0);
    }
}

void batch_check(const struct batch *batch, const struct schema *schema)
{
    CHECK(batch->column_count == schema->count);
    CHECK(batch->selection ? batch->selected <= batch->rows : batch->selected == batch->rows);
    for (uint32_t k = 0; batch->selection && k < batch->selected; k++)
        CHECK(batch->selection[k] < batch->rows &&
              (k == 0 || batch->selection[k - 1] < batch->selection[k]));
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        CHECK(!batch->columns[i] || batch->columns[i]->rows == batch->rows);
    for (uint32_t i = 0; i < schema->count; i++) {
        CHECK(batch->columns[HIDDEN_COUNT + i]->rows == batch->rows);
        column_check(batch->columns[HIDDEN_COUNT + i], &schema->fields[i]);
    }
}

double column_number(const struct column *column, uint32_t row)
{
    if (!column_valid(column, row))
        return NAN;
    switch (column->type) {
    case TYPE_BOOL:
        return column_bool(column, row);
    case TYPE_I32:
        return ((const int32_t *)column->values)[row];
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        return (double)((const int64_t *)column->values)[row];
    case TYPE_F32:
        return (double)((const float *)column->values)[row];
    case TYPE_F64:
        return ((const double *)column->values)[row];
    case TYPE_NONE:
    case TYPE_UTF8:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        return NAN;
    }
    return NAN;
}
