/* Growing columns; see vector.h. The loops over rows are split by width so that the compiler makes
 * plain loads and stores of them. */
#include "runtime/batch/vector.h"

#include <string.h>

#define ROWS_MIN 64u

static size_t value_size(const struct vector *vector)
{
    return vector->type == TYPE_VECTOR ? vector->width * sizeof(float) : type_size(vector->type);
}

void vector_init(struct vector *vector, const struct field *field)
{
    *vector = (struct vector){.type = field->type, .width = field->width};
    if (field->type != TYPE_LIST)
        return;
    vector->child_count = field->child->count;
    vector->children = memory_array(vector->child_count, sizeof(*vector->children));
    for (uint32_t i = 0; i < vector->child_count; i++)
        vector_init(&vector->children[i], &field->child->fields[i]);
}

void vector_init_like(struct vector *vector, const struct column *column)
{
    *vector = (struct vector){.type = column->type, .width = column->width};
    if (column->type != TYPE_LIST)
        return;
    vector->child_count = column->child->column_count;
    vector->children = memory_array(vector->child_count, sizeof(*vector->children));
    for (uint32_t i = 0; i < vector->child_count; i++)
        vector_init_like(&vector->children[i], column->child->columns[HIDDEN_COUNT + i]);
}

void vector_clear(struct vector *vector)
{
    for (uint32_t i = 0; i < vector->child_count; i++)
        vector_clear(&vector->children[i]);
    memory_free(vector->children);
    block_release(&vector->values);
    block_release(&vector->offsets);
    block_release(&vector->validity);
    *vector = (struct vector){0};
}

static void block_grow(struct block **block, size_t used, size_t size)
{
    struct block *grown = block_create(size);

    if (*block)
        memcpy(grown->data, (*block)->data, used);
    block_release(block);
    *block = grown;
}

static bool has_offsets(const struct vector *vector)
{
    return vector->type == TYPE_UTF8 || vector->type == TYPE_LIST;
}

void vector_reserve(struct vector *vector, uint32_t rows)
{
    uint32_t want = vector->rows + rows, capacity = vector->capacity;

    if (want <= capacity)
        return;
    capacity = capacity * 2 < ROWS_MIN ? ROWS_MIN : capacity * 2;
    if (capacity < want)
        capacity = want;
    if (has_offsets(vector)) {
        bool first = !vector->offsets;

        block_grow(&vector->offsets, (vector->rows + 1) * sizeof(int32_t),
                   (capacity + 1) * sizeof(int32_t));
        if (first)
            memset(vector->offsets->data, 0, sizeof(int32_t));
    } else if (vector->type == TYPE_BOOL) {
        block_grow(&vector->values, (vector->rows + 7) / 8, (capacity + 7) / 8);
    } else {
        block_grow(&vector->values, vector->rows * value_size(vector),
                   capacity * value_size(vector));
    }
    if (vector->validity)
        block_grow(&vector->validity, (vector->rows + 7) / 8, (capacity + 7) / 8);
    vector->capacity = capacity;
}

void vector_reserve_text(struct vector *vector, size_t size)
{
    size_t want = vector->bytes + size;

    if (vector->values && want <= vector->values->size)
        return;
    CHECK(want <= INT32_MAX);
    block_grow(&vector->values, vector->bytes, want < 1024 ? 1024 : want * 2);
}

static int32_t *offsets_of(struct vector *vector)
{
    return (int32_t *)(void *)vector->offsets->data;
}

static void bit_put(uint8_t *bits, uint32_t at, bool value)
{
    uint8_t mask = (uint8_t)(1u << (at & 7));

    if ((at & 7) == 0)
        bits[at >> 3] = 0;
    if (value)
        bits[at >> 3] |= mask;
    else
        bits[at >> 3] &= (uint8_t)~mask;
}

void vector_mark(struct vector *vector, bool valid)
{
    if (!vector->validity) {
        if (valid)
            return;
        vector->validity = block_create((vector->capacity + 7) / 8);
        memset(vector->validity->data, 0xff, (vector->capacity + 7) / 8);
    }
    bit_put(vector->validity->data, vector->rows, valid);
}

void vector_null(struct vector *vector)
{
    vector_room(vector);
    vector_mark(vector, false);
    if (has_offsets(vector))
        offsets_of(vector)[vector->rows + 1] = offsets_of(vector)[vector->rows];
    else if (vector->type == TYPE_BOOL)
        bit_put(vector->values->data, vector->rows, false);
    else
        memset(vector->values->data + vector->rows * value_size(vector), 0, value_size(vector));
    vector->rows++;
}

/* ---- appending rows of columns ---- */
static void gather_4(uint32_t *restrict to, const uint32_t *restrict from, const uint32_t *rows,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

static void gather_8(uint64_t *restrict to, const uint64_t *restrict from, const uint32_t *rows,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
}

static void gather_wide(uint8_t *restrict to, const uint8_t *restrict from, const uint32_t *rows,
                        uint32_t count, size_t width)
{
    for (uint32_t i = 0; i < count; i++)
        memcpy(to + i * width, from + (size_t)rows[i] * width, width);
}

static void append_fixed(struct vector *vector, const struct column *column, const uint32_t *rows,
                         uint32_t count)
{
    size_t width = value_size(vector);
    void *to = vector->values->data + vector->rows * width;

    if (width == 4)
        gather_4(to, column->values, rows, count);
    else if (width == 8)
        gather_8(to, column->values, rows, count);
    else
        gather_wide(to, column->values, rows, count, width);
}

static void append_bits(struct vector *vector, const struct column *column, const uint32_t *rows,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bit_put(vector->values->data, vector->rows + i, column_bool(column, rows[i]));
}

/* Short texts are copied as whole words: the spare bytes behind every block make that safe on the
 * writing side, and the bound check on the reading side. */
static void append_text(struct vector *vector, const struct column *column, const uint32_t *rows,
                        uint32_t count)
{
    const int32_t *from = column->offsets;
    const uint8_t *source = column->values;
    int32_t *to = offsets_of(vector) + vector->rows;
    size_t size = 0;
    uint8_t *out;
    int32_t at;

    for (uint32_t i = 0; i < count; i++)
        size += (size_t)(from[rows[i] + 1] - from[rows[i]]);
    vector_reserve_text(vector, size);
    out = vector->values->data;
    at = to[0];
    for (uint32_t i = 0; i < count; i++) {
        int32_t begin = from[rows[i]], length = from[rows[i] + 1] - begin;

        memcpy(out + at, source + begin, (size_t)length);
        at += length;
        to[i + 1] = at;
    }
    vector->bytes += size;
}

static void append_list(struct vector *vector, const struct column *column, const uint32_t *rows,
                        uint32_t count)
{
    int32_t *to = offsets_of(vector) + vector->rows;
    uint32_t total = 0, at = 0;
    uint32_t *places;

    for (uint32_t i = 0; i < count; i++) {
        total += (uint32_t)(column->offsets[rows[i] + 1] - column->offsets[rows[i]]);
        to[i + 1] = to[0] + (int32_t)total;
    }
    places = memory_grow(NULL, total + 1, sizeof(*places));
    for (uint32_t i = 0; i < count; i++)
        for (int32_t p = column->offsets[rows[i]]; p < column->offsets[rows[i] + 1]; p++)
            places[at++] = (uint32_t)p;
    for (uint32_t c = 0; c < vector->child_count; c++)
        vector_append(&vector->children[c], column->child->columns[HIDDEN_COUNT + c], places,
                      total);
    vector->child_rows += total;
    memory_free(places);
}

static void append_validity(struct vector *vector, const struct column *column,
                            const uint32_t *rows, uint32_t count)
{
    if (!column->validity && !vector->validity)
        return;
    if (!vector->validity) {
        vector->validity = block_create((vector->capacity + 7) / 8);
        memset(vector->validity->data, 0xff, (vector->capacity + 7) / 8);
    }
    for (uint32_t i = 0; i < count; i++)
        bit_put(vector->validity->data, vector->rows + i, column_valid(column, rows[i]));
}

void vector_append(struct vector *vector, const struct column *column, const uint32_t *rows,
                   uint32_t count)
{
    CHECK(vector->type == column->type && vector->width == column->width);
    if (count == 0)
        return;
    vector_reserve(vector, count);
    append_validity(vector, column, rows, count);
    if (vector->type == TYPE_UTF8)
        append_text(vector, column, rows, count);
    else if (vector->type == TYPE_LIST)
        append_list(vector, column, rows, count);
    else if (vector->type == TYPE_BOOL)
        append_bits(vector, column, rows, count);
    else
        append_fixed(vector, column, rows, count);
    vector->rows += count;
}

void vector_truncate(struct vector *vector, uint32_t rows)
{
    if (rows >= vector->rows)
        return;
    vector->rows = rows;
    if (vector->type == TYPE_UTF8) {
        vector->bytes = (size_t)offsets_of(vector)[rows];
    } else if (vector->type == TYPE_LIST) {
        vector->child_rows = (uint32_t)offsets_of(vector)[rows];
        for (uint32_t c = 0; c < vector->child_count; c++)
            vector_truncate(&vector->children[c], vector->child_rows);
    }
}

static struct batch *finish_child(struct vector *vector)
{
    struct batch *child = batch_create(vector->child_rows, vector->child_count);

    for (uint32_t c = 0; c < vector->child_count; c++)
        child->columns[HIDDEN_COUNT + c] = vector_finish(&vector->children[c]);
    vector->child_rows = 0;
    return child;
}

struct column *vector_finish(struct vector *vector)
{
    struct column *column = column_create(vector->type, vector->rows);

    if (has_offsets(vector) && !vector->offsets)
        vector_reserve(vector, 1); /* one offset, 0, even without rows */
    if (vector->type == TYPE_UTF8 && !vector->values)
        vector_reserve_text(vector, 1);
    column->width = vector->width;
    if (vector->type == TYPE_LIST)
        column->child = finish_child(vector);
    column->blocks[0] = vector->values;
    column->blocks[1] = vector->offsets;
    column->blocks[2] = vector->validity;
    column->values = vector->values ? vector->values->data : NULL;
    column->offsets = vector->offsets ? (const int32_t *)(const void *)vector->offsets->data : NULL;
    column->validity = vector->validity ? vector->validity->data : NULL;
    vector->values = vector->offsets = vector->validity = NULL;
    vector->rows = vector->capacity = 0;
    vector->bytes = 0;
    return column;
}
