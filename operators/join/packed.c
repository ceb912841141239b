/* See packed.h. */
#include "operators/join/packed.h"

#include "runtime/base/hash.h"

static uint32_t bits_size(uint32_t count)
{
    return (count + 7) / 8;
}

/* ---- sizes ---- */
static uint32_t fixed_size(const struct field *field)
{
    switch (field->type) {
    case TYPE_BOOL:
        return 1;
    case TYPE_I32:
    case TYPE_F32:
    case TYPE_UTF8: /* its size */
    case TYPE_LIST: /* its count */
        return 4;
    case TYPE_I64:
    case TYPE_F64:
    case TYPE_TIMESTAMP:
        return 8;
    case TYPE_VECTOR:
        return field->width * (uint32_t)sizeof(float);
    case TYPE_NONE:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a column's type");
    return 0;
}

static uint32_t row_fixed(const struct schema *schema)
{
    uint32_t size = bits_size(schema->count);

    for (uint32_t i = 0; i < schema->count; i++)
        size += fixed_size(&schema->fields[i]);
    return size;
}

static uint64_t schema_hash(const struct schema *schema, uint64_t hash)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct field *field = &schema->fields[i];

        hash = hash_seeded(field->name, strlen(field->name), hash);
        hash = hash_draw(hash, (uint64_t)field->type << 32 | field->width);
        if (field->type == TYPE_LIST)
            hash = schema_hash(field->child, hash);
    }
    return hash;
}

void packing_init(struct packing *packing, const struct schema *schema)
{
    *packing = (struct packing){.schema = schema,
                                .fixed_size = (uint32_t)sizeof(struct packed) + row_fixed(schema),
                                .hash = (uint32_t)schema_hash(schema, 1)};
}

static uint32_t list_size(const struct field *field, const struct column *column, uint32_t row)
{
    uint32_t begin = (uint32_t)column->offsets[row], end = (uint32_t)column->offsets[row + 1];
    uint32_t size = (end - begin) * row_fixed(field->child);

    for (uint32_t i = 0; i < field->child->count; i++) {
        const struct column *child = batch_column(column->child, i);

        if (child->type == TYPE_UTF8)
            size += (uint32_t)(child->offsets[end] - child->offsets[begin]);
    }
    return size;
}

void packed_sizes(const struct packing *packing, const struct batch *batch, uint32_t *sizes)
{
    uint32_t rows = batch_rows(batch);

    for (uint32_t row = 0; row < rows; row++)
        sizes[row] = packing->fixed_size;
    for (uint32_t i = 0; i < packing->schema->count; i++) {
        const struct column *column = batch_column(batch, i);

        if (column->type == TYPE_UTF8)
            for (uint32_t row = 0; row < rows; row++)
                sizes[row] += (uint32_t)(column->offsets[row + 1] - column->offsets[row]);
        else if (column->type == TYPE_LIST)
            for (uint32_t row = 0; row < rows; row++)
                sizes[row] += list_size(&packing->schema->fields[i], column, row);
    }
    for (uint32_t row = 0; row < rows; row++)
        sizes[row] = (sizes[row] + 7) & ~7u;
}

/* ---- writing ---- */
static uint8_t *put_bytes(uint8_t *to, const void *data, size_t size)
{
    memcpy(to, data, size);
    return to + size;
}

static uint8_t *put_row(uint8_t *to, const struct schema *schema, const struct batch *batch,
                        uint32_t row);

static uint8_t *put_list(uint8_t *to, const struct field *field, const struct column *column,
                         uint32_t row)
{
    uint32_t begin = (uint32_t)column->offsets[row], end = (uint32_t)column->offsets[row + 1];
    uint32_t count = end - begin;

    to = put_bytes(to, &count, sizeof(count));
    for (uint32_t i = begin; i < end; i++)
        to = put_row(to, field->child, column->child, i);
    return to;
}

static uint8_t *put_value(uint8_t *to, const struct field *field, const struct column *column,
                          uint32_t row)
{
    uint32_t size;
    const char *text;

    switch (column->type) {
    case TYPE_BOOL:
        *to = column_bool(column, row);
        return to + 1;
    case TYPE_I32:
    case TYPE_F32:
        return put_bytes(to, (const uint32_t *)column->values + row, 4);
    case TYPE_I64:
    case TYPE_F64:
    case TYPE_TIMESTAMP:
        return put_bytes(to, (const uint64_t *)column->values + row, 8);
    case TYPE_UTF8:
        text = column_text(column, row, &size);
        to = put_bytes(to, &size, sizeof(size));
        return size ? put_bytes(to, text, size) : to;
    case TYPE_VECTOR:
        size = column->width * (uint32_t)sizeof(float);
        return put_bytes(to, (const uint8_t *)column->values + (size_t)row * size, size);
    case TYPE_LIST:
        return put_list(to, field, column, row);
    case TYPE_NONE:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a column's type");
    return to;
}

static uint8_t *put_row(uint8_t *to, const struct schema *schema, const struct batch *batch,
                        uint32_t row)
{
    uint8_t *bits = to;

    memset(bits, 0, bits_size(schema->count));
    to += bits_size(schema->count);
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct column *column = batch->columns[HIDDEN_COUNT + i];

        if (!column_valid(column, row))
            continue;
        bits[i >> 3] |= (uint8_t)(1u << (i & 7));
        to = put_value(to, &schema->fields[i], column, row);
    }
    return to;
}

uint32_t packed_put(const struct packing *packing, const struct batch *batch, uint32_t row,
                    uint32_t side, void *record)
{
    struct packed *packed = record;
    uint8_t *end = put_row(packed->row, packing->schema, batch, row);
    size_t size = (size_t)(end - (uint8_t *)record), whole = (size + 7) & ~(size_t)7;

    memset(end, 0, whole - size);
    packed->size = (uint32_t)whole;
    packed->side = side;
    packed->time_ms = batch_time(batch)[row];
    packed->origin = batch_origin(batch)[row];
    packed->order = batch_order(batch)[row];
    return (uint32_t)whole;
}

/* ---- reading ---- */
static uint32_t get_u32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static int64_t get_i64(const uint8_t *from)
{
    int64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static double get_f64(const uint8_t *from)
{
    double value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static float get_f32(const uint8_t *from)
{
    float value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static const uint8_t *take_row(const uint8_t *from, const struct schema *schema,
                               struct builder *out, const uint32_t *columns);

/* `out` NULL: only passes over it. */
static const uint8_t *take_list(const uint8_t *from, const struct field *field, struct builder *out,
                                uint32_t column)
{
    struct builder *child = out ? builder_list(out, column) : NULL;
    uint32_t count = get_u32(from);

    from += sizeof(count);
    for (uint32_t i = 0; i < count; i++) {
        if (child)
            builder_child_row(child);
        from = take_row(from, field->child, child, NULL);
    }
    if (out)
        builder_list_end(out, column);
    return from;
}

/* Into a vector of floats, which the builder copies. */
static void take_vector(const uint8_t *from, const struct field *field, struct builder *out,
                        uint32_t column)
{
    float values[CELL_SIZE_MAX / sizeof(float)];

    memcpy(values, from, field->width * sizeof(float));
    builder_vector(out, column, values);
}

static void take_scalar(const uint8_t *from, const struct field *field, struct builder *out,
                        uint32_t column)
{
    switch (field->type) {
    case TYPE_BOOL:
        builder_bool(out, column, *from);
        return;
    case TYPE_I32:
        builder_i32(out, column, (int32_t)get_u32(from));
        return;
    case TYPE_F32:
        builder_f32(out, column, get_f32(from));
        return;
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        builder_i64(out, column, get_i64(from));
        return;
    case TYPE_F64:
        builder_f64(out, column, get_f64(from));
        return;
    case TYPE_UTF8:
        builder_text(out, column, (const char *)from + 4, get_u32(from));
        return;
    case TYPE_VECTOR:
        take_vector(from, field, out, column);
        return;
    case TYPE_LIST:
    case TYPE_NONE:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a scalar's type");
}

static const uint8_t *take_row(const uint8_t *from, const struct schema *schema,
                               struct builder *out, const uint32_t *columns)
{
    const uint8_t *bits = from;

    from += bits_size(schema->count);
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct field *field = &schema->fields[i];
        uint32_t column = columns ? columns[i] : i;
        bool wanted = out && column != FIELD_NONE;

        if (!(bits[i >> 3] >> (i & 7) & 1))
            continue;
        if (field->type == TYPE_LIST) {
            from = take_list(from, field, wanted ? out : NULL, column);
            continue;
        }
        if (wanted)
            take_scalar(from, field, out, column);
        from += fixed_size(field) + (field->type == TYPE_UTF8 ? get_u32(from) : 0);
    }
    return from;
}

void packed_take(const struct packing *packing, const struct packed *record, struct builder *out,
                 const uint32_t *columns)
{
    const uint8_t *end = take_row(record->row, packing->schema, out, columns);

    CHECK(end <= (const uint8_t *)record + record->size);
}

/* ---- order ---- */
int packed_compare(const struct packed *a, const struct packed *b)
{
    uint32_t size = a->size < b->size ? a->size : b->size;

    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return memcmp(a->row, b->row, size - sizeof(*a));
}
