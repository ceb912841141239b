/* Copying rows of batches; see builder.h and batch.h (batch_gather). On the path of every keyed
 * exchange: one tight loop a column and width.
 *
 * Texts of up to 16 bytes are copied as 16 bytes whatever their size: both sides are followed by 64
 * spare bytes of their block (block_create), and the next text overwrites what was too much. */
#include "runtime/batch/bits.h"
#include "runtime/batch/builder_parts.h"

#define TEXT_STEP 16

/* ---- loops ---- */
static void gather_4(uint32_t *restrict to, const uint32_t *restrict from,
                     const uint32_t *restrict rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

static void gather_8(uint64_t *restrict to, const uint64_t *restrict from,
                     const uint32_t *restrict rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

static void gather_wide(uint8_t *restrict to, const uint8_t *restrict from,
                        const uint32_t *restrict rows, uint32_t count, size_t size)
{
    for (uint32_t i = 0; i < count; i++)
        memcpy(to + i * size, from + (size_t)rows[i] * size, size);
}

/* Bytes, or child rows, of these rows. */
static uint64_t spans_size(const int32_t *restrict offsets, const uint32_t *restrict rows,
                           uint32_t count)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < count; i++)
        size += (uint32_t)(offsets[rows[i] + 1] - offsets[rows[i]]);
    return size;
}

/* ends[i] becomes where the copy of rows[i] ends; it begins at `at` for the first. */
static void gather_texts(uint8_t *restrict to, int32_t *restrict ends, uint32_t at,
                         const uint8_t *restrict from, const int32_t *restrict offsets,
                         const uint32_t *restrict rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *text = from + offsets[rows[i]];
        uint32_t size = (uint32_t)(offsets[rows[i] + 1] - offsets[rows[i]]);

        if (size <= TEXT_STEP)
            memcpy(to + at, text, TEXT_STEP);
        else
            memcpy(to + at, text, size);
        at += size;
        ends[i] = (int32_t)at;
    }
}

/* The child rows of these rows, one after the other; ends[i] as above. */
static void list_spans(uint32_t *restrict children, int32_t *restrict ends, uint32_t at,
                       const int32_t *restrict offsets, const uint32_t *restrict rows,
                       uint32_t count)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < count; i++) {
        for (int32_t child = offsets[rows[i]]; child < offsets[rows[i] + 1]; child++)
            children[k++] = (uint32_t)child;
        ends[i] = (int32_t)(at + k);
    }
}

/* ---- columns ---- */
static void append_text(struct builder_column *column, uint32_t row, const struct column *from,
                        const uint32_t *rows, uint32_t count)
{
    uint64_t size = spans_size(from->offsets, rows, count);

    builder_text_reserve(column, size);
    if (column->values && from->values)
        gather_texts(column->values, column->offsets + row + 1, column->text_size, from->values,
                     from->offsets, rows, count);
    else /* nothing but empty texts */
        for (uint32_t i = 0; i < count; i++)
            column->offsets[row + 1 + i] = (int32_t)column->text_size;
    column->text_size += (uint32_t)size;
}

static void append_rows(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                        uint32_t count);

static void append_list(struct builder *builder, struct builder_column *column, uint32_t row,
                        const struct column *from, const uint32_t *rows, uint32_t count)
{
    uint64_t children = spans_size(from->offsets, rows, count);

    CHECK(children <= INT32_MAX - (uint64_t)column->child->rows);
    if (children > builder->scratch_max) {
        builder->scratch = memory_grow(builder->scratch, children, sizeof(*builder->scratch));
        builder->scratch_max = (uint32_t)children;
    }
    list_spans(builder->scratch, column->offsets + row + 1, column->child->rows, from->offsets,
               rows, count);
    append_rows(column->child, from->child, builder->scratch, (uint32_t)children);
}

static void append_validity(const struct builder *builder, struct builder_column *column,
                            uint32_t row, const struct column *from, const uint32_t *rows,
                            uint32_t count)
{
    if (from->validity)
        builder_need_validity(builder, column);
    if (from->validity)
        bits_gather(column->validity, row, from->validity, rows, count);
    else if (column->validity)
        bits_fill(column->validity, row, row + count, true);
}

void builder_append_column(struct builder *builder, struct builder_column *column, uint32_t row,
                           const struct column *from, const uint32_t *rows, uint32_t count)
{
    CHECK(column->type == from->type && column->width == from->width);
    builder_pad(builder, column, row);
    append_validity(builder, column, row, from, rows, count);
    if (column->type == TYPE_UTF8)
        append_text(column, row, from, rows, count);
    else if (column->type == TYPE_LIST)
        append_list(builder, column, row, from, rows, count);
    else if (column->type == TYPE_BOOL)
        bits_gather(column->values, row, from->values, rows, count);
    else if (column->value_size == 8)
        gather_8((uint64_t *)(void *)column->values + row, from->values, rows, count);
    else if (column->value_size == 4)
        gather_4((uint32_t *)(void *)column->values + row, from->values, rows, count);
    else
        gather_wide(column->values + (size_t)row * column->value_size, from->values, rows, count,
                    column->value_size);
    column->set = row + count;
}

void builder_copy(struct builder *builder, uint32_t column, const struct column *from, uint32_t row)
{
    struct builder_column *to = &builder->columns[HIDDEN_COUNT + column];

    CHECK(column < builder->column_count && builder->rows > 0 && row < from->rows);
    builder_append_column(builder, to, builder->rows - 1, from, &row, 1);
}

/* ---- rows ---- */
static void append_hidden(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                          uint32_t count)
{
    const struct column *key = batch->columns[HIDDEN_KEY], *hash = batch->columns[HIDDEN_HASH];
    struct builder_column *columns = builder->columns;

    if (batch->columns[HIDDEN_ORDER] != batch->columns[HIDDEN_ORIGIN] && !builder->order_apart &&
        columns[HIDDEN_ORDER].type != TYPE_NONE)
        builder_split_order(builder);
    for (uint32_t i = HIDDEN_TIME; i <= HIDDEN_ORDER; i++) {
        if (columns[i].type == TYPE_NONE || (i == HIDDEN_ORDER && !builder->order_apart))
            continue;
        CHECK(batch->columns[i]);
        columns[i].set = builder->rows;
        builder_append_column(builder, &columns[i], builder->rows, batch->columns[i], rows, count);
    }
    if (columns[HIDDEN_KEY].type == TYPE_NONE || !key || !hash)
        return;
    builder_append_column(builder, &columns[HIDDEN_HASH], builder->rows, hash, rows, count);
    builder_append_column(builder, &columns[HIDDEN_KEY], builder->rows, key, rows, count);
    builder->key_rows += count;
}

static void append_rows(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                        uint32_t count)
{
    uint32_t last = 0;

    CHECK(batch->column_count == builder->column_count);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        last = rows[i] > last ? rows[i] : last;
    CHECK(last < batch->rows);
    builder_reserve(builder, count);
    append_hidden(builder, batch, rows, count);
    for (uint32_t i = HIDDEN_COUNT; i < HIDDEN_COUNT + builder->column_count; i++)
        builder_append_column(builder, &builder->columns[i], builder->rows, batch->columns[i], rows,
                              count);
    builder->rows += count;
}

void builder_append(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                    uint32_t count)
{
    append_rows(builder, batch, rows, count);
}

struct batch *batch_gather(const struct batch *batch, const uint32_t *rows, uint32_t count)
{
    struct builder *builder = builder_like(batch);
    struct batch *out;

    append_rows(builder, batch, rows, count);
    out = builder_take(builder);
    builder_close(builder);
    return out;
}
