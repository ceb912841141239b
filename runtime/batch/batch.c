/* Blocks, columns and batches; see batch.h. Rows are copied in builder_append.c. */
#include "runtime/batch/batch.h"

#include "runtime/batch/bits.h"

#include <math.h>
#include <string.h>

#define BLOCK_SPARE 64 /* bytes behind a block, so that wide loads may run over */

struct block *block_create(size_t size)
{
    struct block *block;

    CHECK(size <= SIZE_MAX / 2);
    block = memory_aligned(_Alignof(struct block), sizeof(*block) + size + BLOCK_SPARE);
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
        memory_free(held);
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

struct batch *batch_copy(const struct batch *batch)
{
    struct batch *copy = batch_share(batch, batch->column_count);

    share_columns(copy, batch);
    return copy;
}

struct batch *batch_select(const struct batch *batch, const uint32_t *rows, uint32_t count)
{
    struct batch *copy = batch_copy(batch);

    CHECK(count <= batch->rows);
    block_release(&copy->selection_block);
    copy->selection_block = block_create(count * sizeof(uint32_t));
    if (count)
        memcpy(copy->selection_block->data, rows, count * sizeof(uint32_t));
    copy->selection = (const uint32_t *)(const void *)copy->selection_block->data;
    copy->selected = count;
    return copy;
}

struct batch *batch_with_all(const struct batch *batch, struct column **columns, uint32_t count)
{
    struct batch *copy = batch_share(batch, batch->column_count + count);

    share_columns(copy, batch);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(columns[i]->rows == batch->rows);
        copy->columns[HIDDEN_COUNT + batch->column_count + i] = columns[i];
        columns[i] = NULL;
    }
    return copy;
}

struct batch *batch_with(const struct batch *batch, struct column **column)
{
    return batch_with_all(batch, column, 1);
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
    size_t rows = column->rows, bytes = column->validity ? bits_size(column->rows) : 0;

    if (column->type == TYPE_UTF8)
        bytes += (size_t)(column->offsets[rows] - column->offsets[0]);
    else if (column->type == TYPE_BOOL)
        bytes += bits_size(column->rows);
    else if (column->type == TYPE_VECTOR)
        bytes += rows * column->width * sizeof(float);
    else
        bytes += rows * type_size(column->type);
    if (column->offsets)
        bytes += (rows + 1) * sizeof(int32_t);
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

static void check_offsets(const struct column *column)
{
    CHECK(column->offsets && column->offsets[0] >= 0);
    for (uint32_t row = 0; row < column->rows; row++)
        CHECK(column->offsets[row] <= column->offsets[row + 1]);
}

static void check_column(const struct column *column, const struct field *field, uint32_t rows)
{
    CHECK(column && column->rows == rows);
    CHECK(column->type == field->type);
    CHECK(column->type != TYPE_VECTOR || column->width == field->width);
    if (column->type == TYPE_UTF8 || column->type == TYPE_LIST)
        check_offsets(column);
    if (column->type != TYPE_LIST) {
        CHECK(column->values || rows == 0);
        return;
    }
    CHECK(column->child && !column->child->selection);
    CHECK((uint32_t)column->offsets[rows] <= column->child->rows);
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        CHECK(!column->child->columns[i]);
    batch_check(column->child, field->child);
}

static void check_selection(const struct batch *batch)
{
    CHECK(batch->selection ? batch->selected <= batch->rows : batch->selected == batch->rows);
    for (uint32_t k = 0; batch->selection && k < batch->selected; k++)
        CHECK(batch->selection[k] < batch->rows &&
              (k == 0 || batch->selection[k - 1] < batch->selection[k]));
}

void batch_check(const struct batch *batch, const struct schema *schema)
{
    static const struct field integer = {.type = TYPE_I64}, text = {.type = TYPE_UTF8};

    CHECK(batch->column_count == schema->count);
    check_selection(batch);
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++) {
        if (!batch->columns[i])
            continue;
        check_column(batch->columns[i], i == HIDDEN_KEY ? &text : &integer, batch->rows);
        CHECK(!batch->columns[i]->validity);
    }
    CHECK(!batch->columns[HIDDEN_HASH] == !batch->columns[HIDDEN_KEY]);
    for (uint32_t i = 0; i < schema->count; i++)
        check_column(batch->columns[HIDDEN_COUNT + i], &schema->fields[i], batch->rows);
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
