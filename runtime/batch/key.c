/* Canonical keys; see key.h. */
#include "runtime/batch/key.h"

#include <string.h>

bool key_type(enum type type)
{
    return type == TYPE_BOOL || type == TYPE_I32 || type == TYPE_I64 || type == TYPE_TIMESTAMP ||
           type == TYPE_UTF8;
}

static uint32_t put_integer(uint8_t tag, int64_t value, uint8_t *data)
{
    uint64_t flipped = __builtin_bswap64((uint64_t)value ^ (UINT64_C(1) << 63));

    data[0] = tag;
    memcpy(data + 1, &flipped, sizeof(flipped));
    return 9;
}

uint32_t key_from_i64(int64_t value, uint8_t *data)
{
    return put_integer(KEY_TAG_INTEGER, value, data);
}

/* The key of bytes that are too long: their hash. */
static uint32_t put_cut(uint64_t hash, uint8_t *data)
{
    data[0] = KEY_TAG_CUT;
    memcpy(data + 1, &hash, sizeof(hash));
    return 9;
}

uint32_t key_from_text(const char *text, size_t size, uint8_t *data)
{
    if (size + 1 > KEY_SIZE_MAX)
        return put_cut(hash_bytes(text, size), data);
    data[0] = KEY_TAG_UTF8;
    memcpy(data + 1, text, size);
    return (uint32_t)size + 1;
}

/* The most bytes that the value can take in a key. */
static size_t value_bound(const struct column *column, uint32_t row)
{
    return column->type == TYPE_UTF8 ? (size_t)(column->offsets[row + 1] - column->offsets[row]) + 5
                                     : 9;
}

static uint32_t put_value(const struct column *column, uint32_t row, bool alone, uint8_t *data)
{
    uint32_t size, prefix;
    const char *text;

    if (!column_valid(column, row)) {
        data[0] = KEY_TAG_NULL;
        return 1;
    }
    switch (column->type) {
    case TYPE_BOOL:
        data[0] = KEY_TAG_BOOL;
        data[1] = column_bool(column, row);
        return 2;
    case TYPE_I32:
        return put_integer(KEY_TAG_INTEGER, ((const int32_t *)column->values)[row], data);
    case TYPE_I64:
        return put_integer(KEY_TAG_INTEGER, ((const int64_t *)column->values)[row], data);
    case TYPE_TIMESTAMP:
        return put_integer(KEY_TAG_TIMESTAMP, ((const int64_t *)column->values)[row], data);
    case TYPE_UTF8:
        text = column_text(column, row, &size);
        data[0] = KEY_TAG_UTF8;
        prefix = __builtin_bswap32(size);
        if (!alone)
            memcpy(data + 1, &prefix, sizeof(prefix));
        memcpy(data + (alone ? 1 : 5), text, size);
        return size + (alone ? 1 : 5);
    case TYPE_NONE:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a type that can be a key");
    return 0;
}

/* One row's key into `data`, which has room for it. */
static uint32_t put_row(const struct batch *batch, const uint32_t *columns, uint32_t count,
                        uint32_t row, uint8_t *data)
{
    uint32_t size = 0;

    for (uint32_t c = 0; c < count; c++)
        size += put_value(batch->columns[HIDDEN_COUNT + columns[c]], row, count == 1, data + size);
    return size > KEY_SIZE_MAX ? put_cut(hash_bytes(data, size), data) : size;
}

static size_t batch_bound(const struct batch *batch, const uint32_t *columns, uint32_t count)
{
    size_t bound = 1;

    for (uint32_t c = 0; c < count; c++) {
        const struct column *column = batch->columns[HIDDEN_COUNT + columns[c]];

        for (uint32_t row = 0; row < batch->rows; row++)
            bound += value_bound(column, row);
    }
    return bound;
}

struct batch *key_batch(const struct batch *batch, const uint32_t *columns, uint32_t count)
{
    uint32_t all[COLUMNS_MAX];
    struct column *keys = column_create(TYPE_UTF8, batch->rows);
    struct column *hashes = column_create(TYPE_I64, batch->rows);
    struct block *bytes = block_create(batch_bound(batch, columns, count));
    struct block *offsets = block_create((batch->rows + 1) * sizeof(int32_t));
    struct block *hash_block = block_create(batch->rows * sizeof(uint64_t));
    int32_t *at = (int32_t *)(void *)offsets->data;
    uint64_t *hash = (uint64_t *)(void *)hash_block->data;
    struct batch *out;

    at[0] = 0;
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint8_t *data = bytes->data + at[row];
        uint32_t size = put_row(batch, columns, count, row, data);

        at[row + 1] = at[row] + (int32_t)size;
        hash[row] = hash_bytes(data, size);
    }
    keys->values = bytes->data;
    keys->offsets = at;
    keys->blocks[0] = bytes;
    keys->blocks[1] = offsets;
    hashes->values = hash;
    hashes->blocks[0] = hash_block;
    for (uint32_t i = 0; i < batch->column_count; i++)
        all[i] = i;
    out = batch_project(batch, all, batch->column_count);
    column_release(&out->columns[HIDDEN_HASH]);
    column_release(&out->columns[HIDDEN_KEY]);
    out->columns[HIDDEN_HASH] = hashes;
    out->columns[HIDDEN_KEY] = keys;
    return out;
}

void key_ids(const struct column *column, uint32_t rows, uint64_t *ids)
{
    uint8_t data[KEY_SIZE_MAX];

    for (uint32_t row = 0; row < rows; row++) {
        uint32_t size;

        if (!column_valid(column, row)) {
            ids[row] = 0;
        } else if (column->type == TYPE_UTF8) {
            const char *text = column_text(column, row, &size);

            size = key_from_text(text, size, data);
            ids[row] = hash_bytes(data, size);
        } else {
            size = put_value(column, row, true, data);
            ids[row] = hash_bytes(data, size);
        }
    }
}
