/* Packing, checking and reading rows of versioned tables; the layout is drawn in row.h. */
#include "runtime/task/row.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/task/replica.h"

#include <math.h>
#include <string.h>

enum {
    AT_VERSION = 0,
    AT_HASH = 8,
    AT_SIZE = 16,
    AT_KEY_SIZE = 20,
    AT_KEY = 24,
    AT_COLUMNS = 28,
    AT_VALIDITY = 32
};

static uint32_t validity_size(uint32_t columns)
{
    return (columns + 63) / 64 * 8;
}

static uint32_t slot_at(uint32_t columns, uint32_t column)
{
    return AT_VALIDITY + validity_size(columns) + column * 8;
}

static uint32_t round_up(uint32_t size)
{
    return (size + 7) & ~7u;
}

static uint32_t load_u32(const uint8_t *data)
{
    uint32_t value;

    memcpy(&value, data, sizeof(value));
    return value;
}

static uint64_t load_u64(const uint8_t *data)
{
    uint64_t value;

    memcpy(&value, data, sizeof(value));
    return value;
}

/* ---- packing ---- */
/* Appends bytes at an offset that is a multiple of 8, counted from `begin`; returns the offset. */
static uint32_t put_aligned(struct bytes *out, size_t begin, const void *data, size_t size)
{
    static const uint8_t zeros[8];
    uint32_t at = round_up((uint32_t)(out->size - begin));

    bytes_put(out, zeros, at - (out->size - begin));
    bytes_put(out, data, size);
    return at;
}

/* The same at the beginning of a cache line of the node, for what is no shorter than one. */
static uint32_t put_line(struct bytes *out, size_t begin, const void *data, size_t size)
{
    static const uint8_t zeros[ROW_LINE];
    size_t at = offsetof(struct table_row, packed) + (out->size - begin);

    if (size >= ROW_LINE)
        bytes_put(out, zeros, (0 - at) % ROW_LINE);
    return put_aligned(out, begin, data, size);
}

static void set_pair(struct bytes *out, size_t at, uint32_t first, uint32_t second)
{
    memcpy(out->data + at, &first, sizeof(first));
    memcpy(out->data + at + 4, &second, sizeof(second));
}

static size_t child_width(enum type type)
{
    size_t size = type_size(type);

    return size > 0 ? size : 8; /* bool travels as i64 */
}

static void pack_child(const struct column *column, enum type type, uint32_t begin, uint32_t count,
                       uint8_t *out)
{
    size_t width = child_width(type);

    if (!column->validity && type != TYPE_BOOL) {
        memcpy(out, (const uint8_t *)column->values + begin * width, count * width);
        return;
    }
    memset(out, 0, count * width);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = begin + i;
        int64_t flag;

        if (!column_valid(column, row))
            continue;
        if (type == TYPE_BOOL) {
            flag = column_bool(column, row);
            memcpy(out + i * width, &flag, width);
        } else {
            memcpy(out + i * width, (const uint8_t *)column->values + row * width, width);
        }
    }
}

static void pack_list(const struct field *field, const struct column *column, uint32_t row,
                      struct bytes *out, size_t begin, size_t slot)
{
    uint32_t first = (uint32_t)column->offsets[row];
    uint32_t count = (uint32_t)column->offsets[row + 1] - first;
    uint32_t children = field->child->count;
    static const uint64_t zeros[COLUMNS_MAX];
    uint32_t at = put_aligned(out, begin, zeros, children * sizeof(uint64_t));

    for (uint32_t c = 0; c < children; c++) {
        size_t size = count * child_width(field->child->fields[c].type);
        uint64_t offset = put_aligned(out, begin, NULL, 0);

        bytes_reserve(out, size);
        pack_child(column->child->columns[HIDDEN_COUNT + c], field->child->fields[c].type, first,
                   count, out->data + out->size);
        out->size += size;
        memcpy(out->data + begin + at + c * sizeof(offset), &offset, sizeof(offset));
    }
    set_pair(out, slot, at, count);
}

static void pack_number(const struct column *column, uint32_t row, uint8_t *slot)
{
    double real;
    int64_t whole = 0;

    switch (column->type) {
    case TYPE_BOOL:
        whole = column_bool(column, row);
        break;
    case TYPE_I32:
        whole = ((const int32_t *)column->values)[row];
        break;
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        whole = ((const int64_t *)column->values)[row];
        break;
    case TYPE_F32:
        real = (double)((const float *)column->values)[row];
        memcpy(&whole, &real, sizeof(whole));
        break;
    case TYPE_F64:
        memcpy(&whole, (const double *)column->values + row, sizeof(whole));
        break;
    case TYPE_NONE:
    case TYPE_UTF8:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        CHECK(!"a number");
    }
    memcpy(slot, &whole, sizeof(whole));
}

static void pack_column(const struct field *field, const struct column *column, uint32_t row,
                        struct bytes *out, size_t begin, size_t slot)
{
    uint32_t size, at;
    const char *text;

    if (field->type == TYPE_LIST) {
        pack_list(field, column, row, out, begin, slot);
    } else if (field->type == TYPE_UTF8) {
        text = column_text(column, row, &size);
        at = put_aligned(out, begin, text, size);
        set_pair(out, slot, at, size);
    } else if (field->type == TYPE_VECTOR) {
        at = put_line(out, begin, (const float *)column->values + (size_t)row * field->width,
                      field->width * sizeof(float));
        set_pair(out, slot, at, field->width);
    } else {
        pack_number(column, row, out->data + slot);
    }
}

void table_row_pack(const struct schema *schema, const struct batch *batch, uint32_t row,
                    int64_t version, struct bytes *out)
{
    size_t begin = out->size;
    struct key key = key_of(batch, row);
    uint32_t fixed = slot_at(schema->count, schema->count), size, key_at;
    static const uint8_t zeros[8];

    CHECK(batch->column_count == schema->count);
    bytes_reserve(out, fixed);
    memset(out->data + begin, 0, fixed);
    out->size += fixed;
    key_at = put_aligned(out, begin, key.data, key.size);
    for (uint32_t c = 0; c < schema->count; c++) {
        const struct column *column = batch_column(batch, c);

        if (!column_valid(column, row))
            continue;
        out->data[begin + AT_VALIDITY + c / 8] |= (uint8_t)(1u << (c % 8));
        pack_column(&schema->fields[c], column, row, out, begin, begin + slot_at(schema->count, c));
    }
    size = (uint32_t)(out->size - begin);
    bytes_put(out, zeros, round_up(size) - size);
    size = round_up(size);
    memcpy(out->data + begin + AT_VERSION, &version, sizeof(version));
    memcpy(out->data + begin + AT_HASH, &key.hash, sizeof(key.hash));
    set_pair(out, begin + AT_SIZE, size, key.size);
    set_pair(out, begin + AT_KEY, key_at, schema->count);
}

/* ---- checking ---- */
static bool inside(size_t size, uint64_t at, uint64_t count, uint64_t width)
{
    return at % 8 == 0 && at <= size && count <= (size - at) / (width ? width : 1);
}

static bool check_list(const struct schema *child, const uint8_t *data, size_t size, uint32_t at,
                       uint32_t count)
{
    if (!inside(size, at, child->count, 8))
        return false;
    for (uint32_t c = 0; c < child->count; c++)
        if (!inside(size, load_u64(data + at + c * 8), count, child_width(child->fields[c].type)))
            return false;
    return true;
}

static bool check_column(const struct field *field, const uint8_t *data, size_t size, uint32_t slot)
{
    uint32_t at = load_u32(data + slot), count = load_u32(data + slot + 4);

    if (field->type == TYPE_UTF8)
        return inside(size, at, count, 1);
    if (field->type == TYPE_VECTOR)
        return count == field->width && inside(size, at, count, sizeof(float));
    if (field->type == TYPE_LIST)
        return check_list(field->child, data, size, at, count);
    return true;
}

static bool valid_bit(const uint8_t *data, uint32_t column)
{
    return data[AT_VALIDITY + column / 8] >> (column % 8) & 1;
}

bool table_row_check(const struct schema *schema, const uint8_t *data, size_t size)
{
    uint32_t fixed = slot_at(schema->count, schema->count);

    if (size < fixed || load_u32(data + AT_SIZE) != size ||
        load_u32(data + AT_COLUMNS) != schema->count ||
        !inside(size, load_u32(data + AT_KEY), load_u32(data + AT_KEY_SIZE), 1))
        return false;
    for (uint32_t c = 0; c < schema->count; c++)
        if (valid_bit(data, c) &&
            !check_column(&schema->fields[c], data, size, slot_at(schema->count, c)))
            return false;
    return true;
}

struct table_row *table_row_create(const struct schema *schema, const uint8_t *data, size_t size)
{
    size_t whole = offsetof(struct table_row, packed) + size;
    struct table_row *row = memory_aligned(_Alignof(struct table_row), whole);

    row->retired = (struct retired){0};
    row->schema = schema;
    memcpy(row->packed, data, size);
    return row;
}

/* ---- reading ---- */
struct key table_row_key(const struct table_row *row)
{
    return (struct key){row->packed + load_u32(row->packed + AT_KEY),
                        load_u32(row->packed + AT_KEY_SIZE), load_u64(row->packed + AT_HASH)};
}

int64_t table_row_version(const struct table_row *row)
{
    return (int64_t)load_u64(row->packed + AT_VERSION);
}

bool table_row_valid(const struct table_row *row, uint32_t column)
{
    return column < row->schema->count && valid_bit(row->packed, column);
}

static const uint8_t *slot_of(const struct table_row *row, uint32_t column)
{
    CHECK(column < row->schema->count);
    return row->packed + slot_at(row->schema->count, column);
}

int64_t table_row_i64(const struct table_row *row, uint32_t column)
{
    return (int64_t)load_u64(slot_of(row, column));
}

double table_row_f64(const struct table_row *row, uint32_t column)
{
    enum type type = row->schema->fields[column].type;
    double real;

    if (!table_row_valid(row, column))
        return NAN;
    if (type != TYPE_F32 && type != TYPE_F64)
        return (double)table_row_i64(row, column);
    memcpy(&real, slot_of(row, column), sizeof(real));
    return real;
}

const char *table_row_text(const struct table_row *row, uint32_t column, uint32_t *size)
{
    const uint8_t *slot = slot_of(row, column);

    CHECK(row->schema->fields[column].type == TYPE_UTF8);
    *size = load_u32(slot + 4);
    return (const char *)row->packed + load_u32(slot);
}

const float *table_row_vector(const struct table_row *row, uint32_t column, uint32_t *width)
{
    const uint8_t *slot = slot_of(row, column);

    CHECK(row->schema->fields[column].type == TYPE_VECTOR);
    *width = load_u32(slot + 4);
    return (const float *)(const void *)(row->packed + load_u32(slot));
}

void table_rows_vectors(const struct table_row *const *rows, uint32_t count, uint32_t column,
                        const float **vectors)
{
    uint32_t slot = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct table_row *row = rows[i];

        if (row && slot == 0) { /* rows of one table have one schema */
            CHECK(row->schema->fields[column].type == TYPE_VECTOR);
            slot = slot_at(row->schema->count, column);
        }
        vectors[i] = row && valid_bit(row->packed, column)
                         ? (const float *)(const void *)(row->packed + load_u32(row->packed + slot))
                         : NULL;
    }
}

uint32_t table_row_list(const struct table_row *row, uint32_t column)
{
    CHECK(row->schema->fields[column].type == TYPE_LIST);
    return table_row_valid(row, column) ? load_u32(slot_of(row, column) + 4) : 0;
}

static const void *list_array(const struct table_row *row, uint32_t column, uint32_t child,
                              size_t width)
{
    const struct schema *schema = row->schema->fields[column].child;
    uint32_t at = load_u32(slot_of(row, column));

    CHECK(child < schema->count && child_width(schema->fields[child].type) == width);
    if (table_row_list(row, column) == 0)
        return row->packed;
    return row->packed + load_u64(row->packed + at + child * 8);
}

const int64_t *table_row_list_i64(const struct table_row *row, uint32_t column, uint32_t child)
{
    return list_array(row, column, child, sizeof(int64_t));
}

const float *table_row_list_f32(const struct table_row *row, uint32_t column, uint32_t child)
{
    return list_array(row, column, child, sizeof(float));
}

const double *table_row_list_f64(const struct table_row *row, uint32_t column, uint32_t child)
{
    return list_array(row, column, child, sizeof(double));
}
