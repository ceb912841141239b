/* Building batches; see builder.h. A builder is one vector (vector.h) a column. */
#include "runtime/batch/builder.h"

#include "runtime/batch/vector.h"

#include <math.h>
#include <string.h>

struct builder {
    const struct schema *schema; /* of a child builder: the list's child */
    bool keyed, child;
    bool order_shared; /* every row's order is its origin: one column for both */
    uint32_t rows;     /* begun */
    struct vector hidden[HIDDEN_COUNT];
    struct vector *columns; /* of a child builder: the list vector's children, borrowed */
    struct builder **lists; /* child builders by column; NULL where it is no list */
};

static const struct field hidden_fields[HIDDEN_COUNT] = {
    [HIDDEN_TIME] = {.name = "time", .type = TYPE_I64},
    [HIDDEN_ORIGIN] = {.name = "origin", .type = TYPE_I64},
    [HIDDEN_ORDER] = {.name = "order", .type = TYPE_I64},
    [HIDDEN_HASH] = {.name = "hash", .type = TYPE_I64},
    [HIDDEN_KEY] = {.name = "key", .type = TYPE_UTF8},
};

static struct builder *child_create(const struct schema *schema, struct vector *columns)
{
    struct builder *builder = memory_new(sizeof(*builder));

    builder->schema = schema;
    builder->child = true;
    builder->columns = columns;
    return builder;
}

struct builder *builder_create(const struct schema *schema, bool keyed)
{
    struct builder *builder = memory_new(sizeof(*builder));

    builder->schema = schema;
    builder->keyed = keyed;
    builder->order_shared = true;
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        vector_init(&builder->hidden[i], &hidden_fields[i]);
    builder->columns = memory_array(schema->count, sizeof(*builder->columns));
    builder->lists = memory_array(schema->count, sizeof(*builder->lists));
    for (uint32_t i = 0; i < schema->count; i++) {
        vector_init(&builder->columns[i], &schema->fields[i]);
        if (schema->fields[i].type == TYPE_LIST)
            builder->lists[i] = child_create(schema->fields[i].child, builder->columns[i].children);
    }
    return builder;
}

void builder_close(struct builder *builder)
{
    if (!builder)
        return;
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        vector_clear(&builder->hidden[i]);
    for (uint32_t i = 0; i < builder->schema->count; i++) {
        vector_clear(&builder->columns[i]);
        memory_free(builder->lists[i]);
    }
    memory_free(builder->columns);
    memory_free(builder->lists);
    memory_free(builder);
}

void builder_reserve(struct builder *builder, uint32_t rows)
{
    for (uint32_t i = HIDDEN_TIME; i <= HIDDEN_ORIGIN; i++)
        vector_reserve(&builder->hidden[i], rows);
    for (uint32_t i = 0; i < builder->schema->count; i++)
        vector_reserve(&builder->columns[i], rows);
}

uint32_t builder_rows(const struct builder *builder)
{
    return builder->rows;
}

size_t builder_bytes(const struct builder *builder)
{
    size_t bytes = builder->rows * 2 * sizeof(int64_t);

    for (uint32_t i = 0; i < builder->schema->count; i++) {
        const struct vector *vector = &builder->columns[i];

        bytes += vector->bytes + vector->rows * (type_size(vector->type) + sizeof(int32_t)) +
                 (size_t)vector->child_rows * vector->child_count * sizeof(int64_t);
    }
    return bytes;
}

const struct schema *builder_schema(const struct builder *builder)
{
    return builder->schema;
}

struct vector *builder_vectors(struct builder *builder)
{
    return builder->columns;
}

/* ---- rows ---- */
/* Columns that were not set in the present row are null there. */
static void builder_pad(struct builder *builder)
{
    for (uint32_t i = 0; i < builder->schema->count; i++)
        while (builder->columns[i].rows < builder->rows)
            vector_null(&builder->columns[i]);
}

static void vector_put_i64(struct vector *vector, int64_t value)
{
    vector_room(vector);
    vector_mark(vector, true);
    ((int64_t *)(void *)vector->values->data)[vector->rows++] = value;
}

static void vector_put_text(struct vector *vector, const void *text, size_t size)
{
    vector_room(vector);
    vector_mark(vector, true);
    vector_reserve_text(vector, size);
    memcpy(vector->values->data + vector->bytes, text, size);
    vector->bytes += size;
    ((int32_t *)(void *)vector->offsets->data)[++vector->rows] = (int32_t)vector->bytes;
}

/* From now on orders differ from origins: gives the rows so far their own. */
static void own_order(struct builder *builder, uint32_t rows)
{
    struct vector *order = &builder->hidden[HIDDEN_ORDER];

    if (!builder->order_shared)
        return;
    builder->order_shared = false;
    if (rows == 0)
        return;
    vector_reserve(order, rows);
    memcpy(order->values->data, builder->hidden[HIDDEN_ORIGIN].values->data,
           rows * sizeof(int64_t));
    order->rows = rows;
}

void builder_row(struct builder *builder, int64_t time_ms, uint64_t origin, uint64_t order)
{
    builder_pad(builder);
    if (origin != order)
        own_order(builder, builder->rows);
    vector_put_i64(&builder->hidden[HIDDEN_TIME], time_ms);
    vector_put_i64(&builder->hidden[HIDDEN_ORIGIN], (int64_t)origin);
    if (!builder->order_shared)
        vector_put_i64(&builder->hidden[HIDDEN_ORDER], (int64_t)order);
    builder->rows++;
}

void builder_row_from(struct builder *builder, const struct batch *in, uint32_t row)
{
    builder_row(builder, batch_time(in)[row], batch_origin(in)[row], batch_order(in)[row]);
    if (!builder->keyed || !in->columns[HIDDEN_HASH])
        return;
    while (builder->hidden[HIDDEN_HASH].rows + 1 < builder->rows) {
        vector_null(&builder->hidden[HIDDEN_HASH]);
        vector_null(&builder->hidden[HIDDEN_KEY]);
    }
    vector_append(&builder->hidden[HIDDEN_HASH], in->columns[HIDDEN_HASH], &row, 1);
    vector_append(&builder->hidden[HIDDEN_KEY], in->columns[HIDDEN_KEY], &row, 1);
}

void builder_row_undo(struct builder *builder)
{
    CHECK(builder->rows > 0);
    builder->rows--;
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        vector_truncate(&builder->hidden[i], builder->rows);
    for (uint32_t i = 0; i < builder->schema->count; i++)
        vector_truncate(&builder->columns[i], builder->rows);
}

/* ---- setters ---- */
static struct vector *setter(struct builder *builder, uint32_t column)
{
    struct vector *vector = &builder->columns[column];

    CHECK(column < builder->schema->count && vector->rows + 1 == builder->rows);
    vector_room(vector);
    vector_mark(vector, true);
    return vector;
}

void builder_bool(struct builder *builder, uint32_t column, bool value)
{
    struct vector *vector = setter(builder, column);
    uint8_t *byte = vector->values->data + (vector->rows >> 3);
    uint8_t mask = (uint8_t)(1u << (vector->rows & 7));

    CHECK(vector->type == TYPE_BOOL);
    if ((vector->rows & 7) == 0)
        *byte = 0;
    *byte = value ? (uint8_t)(*byte | mask) : (uint8_t)(*byte & (uint8_t)~mask);
    vector->rows++;
}

void builder_i32(struct builder *builder, uint32_t column, int32_t value)
{
    struct vector *vector = setter(builder, column);

    CHECK(vector->type == TYPE_I32);
    ((int32_t *)(void *)vector->values->data)[vector->rows++] = value;
}

void builder_i64(struct builder *builder, uint32_t column, int64_t value)
{
    struct vector *vector = setter(builder, column);

    CHECK(vector->type == TYPE_I64 || vector->type == TYPE_TIMESTAMP);
    ((int64_t *)(void *)vector->values->data)[vector->rows++] = value;
}

void builder_f32(struct builder *builder, uint32_t column, float value)
{
    struct vector *vector = setter(builder, column);

    CHECK(vector->type == TYPE_F32);
    ((float *)(void *)vector->values->data)[vector->rows++] = value;
}

void builder_f64(struct builder *builder, uint32_t column, double value)
{
    struct vector *vector = setter(builder, column);

    CHECK(vector->type == TYPE_F64);
    ((double *)(void *)vector->values->data)[vector->rows++] = value;
}

void builder_text(struct builder *builder, uint32_t column, const char *text, size_t size)
{
    struct vector *vector = &builder->columns[column];

    CHECK(column < builder->schema->count && vector->rows + 1 == builder->rows);
    CHECK(vector->type == TYPE_UTF8);
    vector_put_text(vector, text, size);
}

void builder_vector(struct builder *builder, uint32_t column, const float *values)
{
    struct vector *vector = setter(builder, column);
    size_t size = vector->width * sizeof(float);

    CHECK(vector->type == TYPE_VECTOR);
    memcpy(vector->values->data + vector->rows * size, values, size);
    vector->rows++;
}

void builder_number(struct builder *builder, uint32_t column, double value)
{
    switch (builder->columns[column].type) {
    case TYPE_BOOL:
        builder_bool(builder, column, value != 0);
        break;
    case TYPE_I32:
        builder_i32(builder, column, (int32_t)lrint(value));
        break;
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        builder_i64(builder, column, (int64_t)llrint(value));
        break;
    case TYPE_F32:
        builder_f32(builder, column, (float)value);
        break;
    case TYPE_F64:
        builder_f64(builder, column, value);
        break;
    case TYPE_NONE:
    case TYPE_UTF8:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        CHECK(!"a numeric column");
    }
}

void builder_copy(struct builder *builder, uint32_t column, const struct column *from, uint32_t row)
{
    CHECK(column < builder->schema->count && builder->columns[column].rows + 1 == builder->rows);
    vector_append(&builder->columns[column], from, &row, 1);
}

static int64_t key_i64(const struct key *key)
{
    uint64_t value = 0;

    for (uint32_t i = 1; i < 9; i++)
        value = value << 8 | key->data[i];
    return (int64_t)(value ^ (UINT64_C(1) << 63));
}

void builder_key(struct builder *builder, uint32_t column, const struct key *key)
{
    CHECK(key->size >= 1);
    switch (key->data[0]) {
    case KEY_TAG_NULL:
        break; /* left unset: null */
    case KEY_TAG_BOOL:
        builder_bool(builder, column, key->data[1]);
        break;
    case KEY_TAG_INTEGER:
    case KEY_TAG_TIMESTAMP:
        if (builder->columns[column].type == TYPE_I32)
            builder_i32(builder, column, (int32_t)key_i64(key));
        else
            builder_i64(builder, column, key_i64(key));
        break;
    case KEY_TAG_UTF8:
        builder_text(builder, column, (const char *)key->data + 1, key->size - 1);
        break;
    default: /* KEY_TAG_CUT: only its hash is left */
        break;
    }
}

/* ---- lists ---- */
struct builder *builder_list(struct builder *builder, uint32_t column)
{
    struct builder *child;

    CHECK(column < builder->schema->count && builder->columns[column].type == TYPE_LIST);
    CHECK(builder->columns[column].rows + 1 == builder->rows);
    child = builder->lists[column];
    child->rows = builder->columns[column].child_rows;
    return child;
}

void builder_child_row(struct builder *child)
{
    CHECK(child->child);
    builder_pad(child);
    child->rows++;
}

void builder_list_end(struct builder *builder, uint32_t column)
{
    struct builder *child = builder->lists[column];
    struct vector *vector = setter(builder, column);

    builder_pad(child);
    vector->child_rows = child->rows;
    ((int32_t *)(void *)vector->offsets->data)[++vector->rows] = (int32_t)child->rows;
}

/* ---- whole rows ---- */
static void append_order(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                         uint32_t count)
{
    if (batch->columns[HIDDEN_ORDER] != batch->columns[HIDDEN_ORIGIN])
        own_order(builder, builder->rows);
    if (!builder->order_shared)
        vector_append(&builder->hidden[HIDDEN_ORDER], batch->columns[HIDDEN_ORDER], rows, count);
}

void builder_append(struct builder *builder, const struct batch *batch, const uint32_t *rows,
                    uint32_t count)
{
    CHECK(batch->column_count == builder->schema->count);
    builder_pad(builder);
    append_order(builder, batch, rows, count);
    vector_append(&builder->hidden[HIDDEN_TIME], batch->columns[HIDDEN_TIME], rows, count);
    vector_append(&builder->hidden[HIDDEN_ORIGIN], batch->columns[HIDDEN_ORIGIN], rows, count);
    if (builder->keyed) {
        vector_append(&builder->hidden[HIDDEN_HASH], batch->columns[HIDDEN_HASH], rows, count);
        vector_append(&builder->hidden[HIDDEN_KEY], batch->columns[HIDDEN_KEY], rows, count);
    }
    for (uint32_t i = 0; i < builder->schema->count; i++)
        vector_append(&builder->columns[i], batch->columns[HIDDEN_COUNT + i], rows, count);
    builder->rows += count;
}

struct batch *builder_finish(struct builder *builder)
{
    struct batch *batch;

    CHECK(!builder->child);
    if (builder->rows == 0)
        return NULL;
    builder_pad(builder);
    batch = batch_create(builder->rows, builder->schema->count);
    batch->columns[HIDDEN_TIME] = vector_finish(&builder->hidden[HIDDEN_TIME]);
    batch->columns[HIDDEN_ORIGIN] = vector_finish(&builder->hidden[HIDDEN_ORIGIN]);
    if (builder->order_shared) {
        batch->columns[HIDDEN_ORDER] = batch->columns[HIDDEN_ORIGIN];
        column_ref(batch->columns[HIDDEN_ORDER]);
    } else {
        batch->columns[HIDDEN_ORDER] = vector_finish(&builder->hidden[HIDDEN_ORDER]);
    }
    if (builder->hidden[HIDDEN_HASH].rows == builder->rows) {
        batch->columns[HIDDEN_HASH] = vector_finish(&builder->hidden[HIDDEN_HASH]);
        batch->columns[HIDDEN_KEY] = vector_finish(&builder->hidden[HIDDEN_KEY]);
    }
    for (uint32_t i = 0; i < builder->schema->count; i++)
        batch->columns[HIDDEN_COUNT + i] = vector_finish(&builder->columns[i]);
    builder->rows = 0;
    builder->order_shared = true;
    return batch;
}

void builder_reset(struct builder *builder)
{
    struct batch *batch = builder_finish(builder);

    batch_release(&batch);
}

/* ---- gathering without a schema ---- */
static struct column *column_gather(const struct column *column, const uint32_t *rows,
                                    uint32_t count)
{
    struct vector vector;
    struct column *out;

    vector_init_like(&vector, column);
    vector_append(&vector, column, rows, count);
    out = vector_finish(&vector);
    vector_clear(&vector);
    return out;
}

struct batch *batch_gather(const struct batch *batch, const uint32_t *rows, uint32_t count)
{
    struct batch *out = batch_create(count, batch->column_count);

    for (uint32_t i = 0; i < HIDDEN_COUNT + batch->column_count; i++) {
        if (!batch->columns[i])
            continue;
        if (i == HIDDEN_ORDER && batch->columns[i] == batch->columns[HIDDEN_ORIGIN]) {
            out->columns[i] = out->columns[HIDDEN_ORIGIN];
            column_ref(out->columns[i]);
            continue;
        }
        out->columns[i] = column_gather(batch->columns[i], rows, count);
    }
    return out;
}
