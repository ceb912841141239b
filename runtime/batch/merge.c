/* Rows of several batches in any order, in one pass; see batch.h (batch_merge). */
#include "runtime/batch/bits.h"
#include "runtime/batch/builder_parts.h"

#define TEXT_STEP 16 /* as in builder_append.c: short texts are copied as 16 bytes */

struct merge { /* one column of the result, from a column of each batch */
    const struct column **from;
    const uint32_t *sources, *rows;
    uint32_t count;
};

static struct block *gather_4(const struct merge *merge)
{
    struct block *block = block_create(merge->count * sizeof(uint32_t));
    uint32_t *to = (uint32_t *)(void *)block->data;

    for (uint32_t k = 0; k < merge->count; k++)
        to[k] = ((const uint32_t *)merge->from[merge->sources[k]]->values)[merge->rows[k]];
    return block;
}

static struct block *gather_8(const struct merge *merge)
{
    struct block *block = block_create(merge->count * sizeof(uint64_t));
    uint64_t *to = (uint64_t *)(void *)block->data;

    for (uint32_t k = 0; k < merge->count; k++)
        to[k] = ((const uint64_t *)merge->from[merge->sources[k]]->values)[merge->rows[k]];
    return block;
}

static struct block *gather_wide(const struct merge *merge, size_t size)
{
    struct block *block = block_create(merge->count * size);

    for (uint32_t k = 0; k < merge->count; k++)
        memcpy(block->data + k * size,
               (const uint8_t *)merge->from[merge->sources[k]]->values + merge->rows[k] * size,
               size);
    return block;
}

/* Bits of the values, or of the validity where a column has any. */
static struct block *gather_bits(const struct merge *merge, bool validity)
{
    struct block *block = block_create(bits_size(merge->count));

    memset(block->data, 0, bits_size(merge->count));
    for (uint32_t k = 0; k < merge->count; k++) {
        const struct column *from = merge->from[merge->sources[k]];

        if (validity ? column_valid(from, merge->rows[k]) : column_bool(from, merge->rows[k]))
            bit_put(block->data, k, true);
    }
    return block;
}

static struct block *gather_offsets(const struct merge *merge)
{
    struct block *block = block_create((merge->count + 1ul) * sizeof(int32_t));
    int32_t *to = (int32_t *)(void *)block->data;
    int64_t end = 0;

    to[0] = 0;
    for (uint32_t k = 0; k < merge->count; k++) {
        const int32_t *offsets = merge->from[merge->sources[k]]->offsets + merge->rows[k];

        end += offsets[1] - offsets[0];
        CHECK(end <= INT32_MAX);
        to[k + 1] = (int32_t)end;
    }
    return block;
}

static struct block *gather_texts(const struct merge *merge, const int32_t *ends)
{
    struct block *block = block_create((size_t)ends[merge->count]);

    for (uint32_t k = 0; k < merge->count; k++) {
        const struct column *from = merge->from[merge->sources[k]];
        const uint8_t *text = (const uint8_t *)from->values + from->offsets[merge->rows[k]];
        uint32_t size = (uint32_t)(ends[k + 1] - ends[k]);

        memcpy(block->data + ends[k], text, size <= TEXT_STEP ? TEXT_STEP : size);
    }
    return block;
}

static struct column *merge_column(const struct merge *merge, uint32_t batches);

/* The child rows of all rows, one after the other. */
static struct batch *gather_children(const struct merge *merge, const int32_t *ends,
                                     uint32_t batches)
{
    uint32_t total = (uint32_t)ends[merge->count], at = 0;
    uint32_t *sources = memory_array(total + 1ul, sizeof(*sources));
    uint32_t *rows = memory_array(total + 1ul, sizeof(*rows));
    const struct column **from = memory_array(batches, sizeof(*from));
    const struct batch *first = merge->from[merge->sources[0]]->child;
    struct batch *child = batch_create(total, first->column_count);

    for (uint32_t k = 0; k < merge->count; k++) {
        int32_t begin = merge->from[merge->sources[k]]->offsets[merge->rows[k]];

        for (int32_t i = 0; i < ends[k + 1] - ends[k]; i++, at++) {
            sources[at] = merge->sources[k];
            rows[at] = (uint32_t)(begin + i);
        }
    }
    for (uint32_t c = 0; c < first->column_count; c++) {
        struct merge one = {from, sources, rows, total};

        for (uint32_t b = 0; b < batches; b++)
            from[b] = batch_column(merge->from[b]->child, c);
        child->columns[HIDDEN_COUNT + c] = merge_column(&one, batches);
    }
    memory_free(sources);
    memory_free(rows);
    memory_free(from);
    return child;
}

static void merge_values(const struct merge *merge, struct column *column, uint32_t batches)
{
    const int32_t *ends = column->offsets;

    switch (column->type) {
    case TYPE_BOOL:
        column->blocks[BLOCK_VALUES] = gather_bits(merge, false);
        break;
    case TYPE_UTF8:
        column->blocks[BLOCK_VALUES] = gather_texts(merge, ends);
        break;
    case TYPE_LIST:
        column->child = gather_children(merge, ends, batches);
        return;
    case TYPE_VECTOR:
        column->blocks[BLOCK_VALUES] = gather_wide(merge, column->width * sizeof(float));
        break;
    case TYPE_NONE:
    case TYPE_I32:
    case TYPE_I64:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_TIMESTAMP:
    case TYPE_KEY:
        column->blocks[BLOCK_VALUES] =
            type_size(column->type) == 4 ? gather_4(merge) : gather_8(merge);
        break;
    }
    column->values = column->blocks[BLOCK_VALUES]->data;
}

static bool any_nulls(const struct merge *merge, uint32_t batches)
{
    for (uint32_t b = 0; b < batches; b++)
        if (merge->from[b]->validity)
            return true;
    return false;
}

static struct column *merge_column(const struct merge *merge, uint32_t batches)
{
    const struct column *first = merge->from[0];
    struct column *column = column_create(first->type, merge->count);

    column->width = first->width;
    if (any_nulls(merge, batches)) {
        column->blocks[BLOCK_VALIDITY] = gather_bits(merge, true);
        column->validity = column->blocks[BLOCK_VALIDITY]->data;
    }
    if (column->type == TYPE_UTF8 || column->type == TYPE_LIST) {
        column->blocks[BLOCK_OFFSETS] = gather_offsets(merge);
        column->offsets = (const int32_t *)(const void *)column->blocks[BLOCK_OFFSETS]->data;
    }
    merge_values(merge, column, batches);
    return column;
}

/* Whether that column is in all batches, and apart from their origins. */
static bool is_apart(struct batch *const *batches, uint32_t count, uint32_t column)
{
    bool apart = column != HIDDEN_ORDER;

    for (uint32_t b = 0; b < count; b++) {
        if (!batches[b]->columns[column])
            return false;
        apart = apart || batches[b]->columns[column] != batches[b]->columns[HIDDEN_ORIGIN];
    }
    return apart;
}

struct batch *batch_merge(struct batch *const *batches, uint32_t batch_count,
                          const uint32_t *sources, const uint32_t *rows, uint32_t count)
{
    const struct column **from = memory_array(batch_count, sizeof(*from));
    struct batch *merged = batch_create(count, batches[0]->column_count);
    struct merge merge = {from, sources, rows, count};

    for (uint32_t i = 0; i < HIDDEN_COUNT + merged->column_count; i++) {
        if (!is_apart(batches, batch_count, i))
            continue;
        for (uint32_t b = 0; b < batch_count; b++)
            from[b] = batches[b]->columns[i];
        merged->columns[i] = merge_column(&merge, batch_count);
    }
    if (!merged->columns[HIDDEN_ORDER]) {
        merged->columns[HIDDEN_ORDER] = merged->columns[HIDDEN_ORIGIN];
        column_ref(merged->columns[HIDDEN_ORDER]);
    }
    memory_free(from);
    return merged;
}
