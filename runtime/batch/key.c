/* Canonical keys; see key.h.
 * Method: keys are written by columns, one tight loop a type, at places that come from their sizes;
 * then hashed by rows. The two common cases, one integer column without nulls and one utf8 column
 * without nulls, have loops of their own. A key that is too long is written whole, hashed, and then
 * cut in place. */
#include "runtime/batch/key.h"

#include <string.h>

#define INTEGER_SIZE 9u /* tag and 8 bytes */
#define TEXT_STEP 16u
#define IDS_STEP 64u

bool key_type(enum type type)
{
    return type == TYPE_BOOL || type == TYPE_I32 || type == TYPE_I64 || type == TYPE_TIMESTAMP ||
           type == TYPE_UTF8;
}

/* ---- values ---- */
static inline void put_u64(uint8_t *data, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(data, &value, sizeof(value));
}

static inline void put_integer(uint8_t *data, uint8_t tag, int64_t value)
{
    data[0] = tag;
    put_u64(data + 1, (uint64_t)value ^ (UINT64_C(1) << 63));
}

/* Exactly `size` bytes. A call of memcpy costs more than such a text. */
static inline void put_short(uint8_t *data, const void *text, uint32_t size)
{
    if (size > 16) {
        memcpy(data, text, size);
    } else if (size >= 8) {
        memcpy(data + size - 8, (const uint8_t *)text + size - 8, 8);
        memcpy(data, text, 8);
    } else if (size >= 4) {
        memcpy(data + size - 4, (const uint8_t *)text + size - 4, 4);
        memcpy(data, text, 4);
    } else {
        for (uint32_t i = 0; i < size; i++)
            data[i] = ((const uint8_t *)text)[i];
    }
}

/* What is left of a key whose bytes are too many. */
static uint32_t put_cut(uint64_t hash, uint8_t *data)
{
    data[0] = KEY_TAG_CUT;
    put_u64(data + 1, hash);
    return INTEGER_SIZE;
}

uint32_t key_from_i64(int64_t value, uint8_t *data)
{
    put_integer(data, KEY_TAG_INTEGER, value);
    return INTEGER_SIZE;
}

uint32_t key_from_text(const char *text, size_t size, uint8_t *data)
{
    static const uint8_t tag = KEY_TAG_UTF8;

    if (size + 1 > KEY_SIZE_MAX) {
        XXH3_state_t state;

        XXH3_64bits_reset(&state);
        XXH3_64bits_update(&state, &tag, sizeof(tag));
        XXH3_64bits_update(&state, text, size);
        return put_cut(XXH3_64bits_digest(&state), data);
    }
    data[0] = tag;
    if (size)
        memcpy(data + 1, text, size);
    return (uint32_t)size + 1;
}

static uint8_t tag_of(enum type type)
{
    switch (type) {
    case TYPE_BOOL:
        return KEY_TAG_BOOL;
    case TYPE_I32:
    case TYPE_I64:
        return KEY_TAG_INTEGER;
    case TYPE_TIMESTAMP:
        return KEY_TAG_TIMESTAMP;
    case TYPE_UTF8:
        return KEY_TAG_UTF8;
    case TYPE_NONE:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a type that can be a key");
    return KEY_TAG_NULL;
}

/* ---- any columns: sizes, then places, then bytes ---- */
/* Adds the size of each row's value. `prefix`: bytes of a text's own size. */
static void add_sizes(const struct column *column, uint32_t prefix, uint32_t rows,
                      uint32_t *restrict sizes)
{
    const int32_t *offsets = column->offsets;
    uint32_t fixed = column->type == TYPE_BOOL ? 2 : INTEGER_SIZE;

    for (uint32_t row = 0; row < rows; row++)
        if (!column_valid(column, row))
            sizes[row] += 1;
        else if (offsets)
            sizes[row] += (uint32_t)(offsets[row + 1] - offsets[row]) + 1 + prefix;
        else
            sizes[row] += fixed;
}

static inline int64_t integer_at(const struct column *column, uint32_t row)
{
    return column->type == TYPE_I32 ? ((const int32_t *)column->values)[row]
                                    : ((const int64_t *)column->values)[row];
}

static uint32_t put_value(const struct column *column, uint8_t tag, uint32_t prefix, uint32_t row,
                          uint8_t *data)
{
    uint32_t size, swapped;
    const char *text;

    if (tag == KEY_TAG_UTF8) {
        text = column_text(column, row, &size);
        swapped = __builtin_bswap32(size);
        data[0] = tag;
        if (prefix)
            memcpy(data + 1, &swapped, sizeof(swapped));
        put_short(data + 1 + prefix, text, size);
        return size + 1 + prefix;
    }
    if (tag == KEY_TAG_BOOL) {
        data[0] = tag;
        data[1] = column_bool(column, row);
        return 2;
    }
    put_integer(data, tag, integer_at(column, row));
    return INTEGER_SIZE;
}

static void put_any(const struct column *column, uint32_t prefix, uint32_t rows, uint8_t *data,
                    uint32_t *restrict places)
{
    uint8_t tag = tag_of(column->type);

    for (uint32_t row = 0; row < rows; row++)
        if (column_valid(column, row))
            places[row] += put_value(column, tag, prefix, row, data + places[row]);
        else
            data[places[row]++] = KEY_TAG_NULL;
}

/* Two loops for values without nulls in keys of several columns. */
static void put_wide(const int64_t *restrict values, uint8_t tag, uint32_t rows,
                     uint8_t *restrict data, uint32_t *restrict places)
{
    for (uint32_t row = 0; row < rows; row++) {
        put_integer(data + places[row], tag, values[row]);
        places[row] += INTEGER_SIZE;
    }
}

static void put_sized_texts(const uint8_t *restrict from, const int32_t *restrict offsets,
                            uint32_t rows, uint8_t *restrict data, uint32_t *restrict places)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t size = (uint32_t)(offsets[row + 1] - offsets[row]);
        uint32_t swapped = __builtin_bswap32(size);
        uint8_t *to = data + places[row];

        to[0] = KEY_TAG_UTF8;
        memcpy(to + 1, &swapped, sizeof(swapped));
        put_short(to + 1 + sizeof(swapped), from + offsets[row], size);
        places[row] += size + 1 + (uint32_t)sizeof(swapped);
    }
}

/* Writes each row's value at places[row] and moves the place behind it. */
static void put_values(const struct column *column, uint32_t prefix, uint32_t rows, uint8_t *data,
                       uint32_t *restrict places)
{
    uint8_t tag = tag_of(column->type);
    bool plain = !column->validity;

    if (plain && type_size(column->type) == 8)
        put_wide(column->values, tag, rows, data, places);
    else if (plain && tag == KEY_TAG_UTF8 && prefix)
        put_sized_texts(column->values, column->offsets, rows, data, places);
    else
        put_any(column, prefix, rows, data, places);
}

/* Keys over KEY_SIZE_MAX become their hash; the ones behind move up. */
static void cut_keys(uint8_t *data, int32_t *offsets, uint32_t rows)
{
    int32_t begin = 0, to = 0;

    for (uint32_t row = 0; row < rows; row++) {
        uint32_t size = (uint32_t)(offsets[row + 1] - begin);

        if (size > KEY_SIZE_MAX)
            size = put_cut(hash_bytes(data + begin, size), data + to);
        else
            memmove(data + to, data + begin, size);
        begin = offsets[row + 1];
        to += (int32_t)size;
        offsets[row + 1] = to;
    }
}

static bool too_long(const int32_t *offsets, uint32_t rows)
{
    int32_t most = 0;

    for (uint32_t row = 0; row < rows; row++)
        most = offsets[row + 1] - offsets[row] > most ? offsets[row + 1] - offsets[row] : most;
    return most > (int32_t)KEY_SIZE_MAX;
}

static struct block *encode_any(const struct batch *batch, const uint32_t *columns, uint32_t count,
                                int32_t *offsets)
{
    uint32_t rows = batch->rows, prefix = count == 1 ? 0 : sizeof(uint32_t);
    uint32_t *places = memory_array((size_t)rows + 1, sizeof(*places));
    struct block *bytes;
    uint64_t size = 0;

    for (uint32_t c = 0; c < count; c++)
        add_sizes(batch_column(batch, columns[c]), prefix, rows, places);
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t own = places[row];

        CHECK(size <= INT32_MAX);
        places[row] = (uint32_t)size;
        offsets[row] = (int32_t)size;
        size += own;
    }
    CHECK(size <= INT32_MAX);
    offsets[rows] = (int32_t)size;
    bytes = block_create(size);
    for (uint32_t c = 0; c < count; c++)
        put_values(batch_column(batch, columns[c]), prefix, rows, bytes->data, places);
    memory_free(places);
    return bytes;
}

/* ---- one column without nulls ---- */
static void put_integers_64(uint8_t *restrict data, uint8_t tag, const int64_t *restrict values,
                            uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        put_integer(data + (size_t)row * INTEGER_SIZE, tag, values[row]);
}

static void put_integers_32(uint8_t *restrict data, const int32_t *restrict values, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        put_integer(data + (size_t)row * INTEGER_SIZE, KEY_TAG_INTEGER, values[row]);
}

static struct block *encode_integers(const struct column *column, uint32_t rows,
                                     int32_t *restrict offsets, uint64_t *restrict hashes)
{
    struct block *bytes = block_create((size_t)rows * INTEGER_SIZE);

    CHECK(rows <= INT32_MAX / INTEGER_SIZE);
    if (column->type == TYPE_I32)
        put_integers_32(bytes->data, column->values, rows);
    else
        put_integers_64(bytes->data, tag_of(column->type), column->values, rows);
    for (uint32_t row = 0; row <= rows; row++)
        offsets[row] = (int32_t)(row * INTEGER_SIZE);
    for (uint32_t row = 0; row < rows; row++)
        hashes[row] = hash_bytes(bytes->data + (size_t)row * INTEGER_SIZE, INTEGER_SIZE);
    return bytes;
}

/* Short texts by whole steps: see builder_append.c. */
static void put_texts(uint8_t *restrict data, int32_t *restrict ends, const uint8_t *restrict from,
                      const int32_t *restrict offsets, uint32_t rows)
{
    uint32_t at = 0;

    for (uint32_t row = 0; row < rows; row++) {
        uint32_t size = (uint32_t)(offsets[row + 1] - offsets[row]);

        data[at++] = KEY_TAG_UTF8;
        if (size <= TEXT_STEP)
            memcpy(data + at, from + offsets[row], TEXT_STEP);
        else
            memcpy(data + at, from + offsets[row], size);
        at += size;
        ends[row] = (int32_t)at;
    }
}

static struct block *encode_texts(const struct column *column, uint32_t rows, int32_t *offsets)
{
    size_t size = (size_t)(column->offsets[rows] - column->offsets[0]) + rows;
    struct block *bytes = block_create(size);

    CHECK(size <= INT32_MAX);
    offsets[0] = 0;
    put_texts(bytes->data, offsets + 1, column->values, column->offsets, rows);
    return bytes;
}

static void hash_rows(const uint8_t *restrict data, const int32_t *restrict offsets, uint32_t rows,
                      uint64_t *restrict hashes)
{
    for (uint32_t row = 0; row < rows; row++)
        hashes[row] = hash_bytes(data + offsets[row], (size_t)(offsets[row + 1] - offsets[row]));
}

/* ---- batches ---- */
static struct block *encode(const struct batch *batch, const uint32_t *columns, uint32_t count,
                            int32_t *offsets, uint64_t *hashes)
{
    const struct column *first = count == 1 ? batch_column(batch, columns[0]) : NULL;
    bool plain = first && !first->validity && batch->rows > 0;
    struct block *bytes;

    if (plain && (first->type == TYPE_I32 || type_size(first->type) == 8))
        return encode_integers(first, batch->rows, offsets, hashes);
    if (plain && first->type == TYPE_UTF8)
        bytes = encode_texts(first, batch->rows, offsets);
    else
        bytes = encode_any(batch, columns, count, offsets);
    if (too_long(offsets, batch->rows))
        cut_keys(bytes->data, offsets, batch->rows);
    hash_rows(bytes->data, offsets, batch->rows, hashes);
    return bytes;
}

/* `batch` without its key columns. */
static struct batch *without_key(const struct batch *batch)
{
    struct batch *out = batch_copy(batch);

    column_release(&out->columns[HIDDEN_HASH]);
    column_release(&out->columns[HIDDEN_KEY]);
    return out;
}

struct batch *key_batch(const struct batch *batch, const uint32_t *columns, uint32_t count)
{
    struct batch *out = without_key(batch);
    struct column *keys = column_create(TYPE_UTF8, batch->rows);
    struct column *hashes = column_create(TYPE_I64, batch->rows);

    keys->blocks[1] = block_create(((size_t)batch->rows + 1) * sizeof(int32_t));
    hashes->blocks[0] = block_create((size_t)batch->rows * sizeof(uint64_t));
    keys->offsets = (const int32_t *)(const void *)keys->blocks[1]->data;
    hashes->values = hashes->blocks[0]->data;
    keys->blocks[0] = encode(batch, columns, count, (int32_t *)(void *)keys->blocks[1]->data,
                             (uint64_t *)(void *)hashes->blocks[0]->data);
    keys->values = keys->blocks[0]->data;
    out->columns[HIDDEN_HASH] = hashes;
    out->columns[HIDDEN_KEY] = keys;
    return out;
}

/* ---- identities ---- */
static void text_ids(const struct column *column, uint32_t rows, uint64_t *ids)
{
    uint8_t data[KEY_SIZE_MAX];

    for (uint32_t row = 0; row < rows; row++) {
        uint32_t size;
        const char *text = column_text(column, row, &size);

        if (!column_valid(column, row)) {
            ids[row] = 0;
            continue;
        }
        size = key_from_text(text, size, data);
        ids[row] = hash_bytes(data, size);
    }
}

/* Written for some rows, then hashed: a hash that reads at once across two writes waits for both. Its
 * length is known, so what xxhash does for others falls away, where it is inlined. */
__attribute__((flatten)) static void integer_ids(const struct column *column, uint8_t tag,
                                                 uint32_t rows, uint64_t *ids)
{
    uint8_t keys[IDS_STEP][INTEGER_SIZE];

    for (uint32_t at = 0; at < rows; at += IDS_STEP) {
        uint32_t count = rows - at < IDS_STEP ? rows - at : IDS_STEP;
        for (uint32_t i = 0; i < count; i++)
            put_integer(keys[i], tag, integer_at(column, at + i));
        for (uint32_t i = 0; i < count; i++)
            ids[at + i] = hash_bytes(keys[i], INTEGER_SIZE);
    }
    for (uint32_t row = 0; row < rows && column->validity; row++)
        if (!column_valid(column, row))
            ids[row] = 0;
}

void key_ids(const struct column *column, uint32_t rows, uint64_t *ids)
{
    uint8_t tag = tag_of(column->type), data[INTEGER_SIZE];

    CHECK(rows <= column->rows);
    if (tag == KEY_TAG_UTF8) {
        text_ids(column, rows, ids);
    } else if (tag == KEY_TAG_BOOL) {
        for (uint32_t row = 0; row < rows; row++)
            ids[row] = column_valid(column, row)
                           ? hash_bytes(data, put_value(column, tag, 0, row, data))
                           : 0;
    } else {
        integer_ids(column, tag, rows, ids);
    }
}
