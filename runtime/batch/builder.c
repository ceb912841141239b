/* Builders; see builder.h.
 * Method: all columns have room for the same number of rows, so that beginning a row is the only
 * place that looks at it. Each column knows how many rows it has set; what lies between that and
 * the present row becomes null when the column is next touched, or at the end. A column gets a
 * bitmap with its first null. builder_finish gives the memory away: the next batch allocates anew,
 * at once in the size of the last one. The allocator reuses what batches free, on whatever thread
 * that is; a pool here would hold memory for each builder of each edge. */
#include "runtime/batch/builder.h"

#include "runtime/batch/bits.h"
#include "runtime/batch/builder_parts.h"

#include <math.h>

#define ROWS_MIN 64u
#define TEXT_SIZE_MIN 64u

/* What columns without rows or texts point at, so that no pointer is ever NULL. */
static const union {
    uint8_t bytes[64];
    int32_t offsets[16];
} nothing __attribute__((aligned(64)));

static const enum type hidden_types[HIDDEN_COUNT] = {
    [HIDDEN_TIME] = TYPE_I64, [HIDDEN_ORIGIN] = TYPE_I64, [HIDDEN_ORDER] = TYPE_I64,
    [HIDDEN_HASH] = TYPE_I64, [HIDDEN_KEY] = TYPE_UTF8,
};

/* ---- life ---- */
static void column_init(struct builder_column *column, enum type type, uint32_t width)
{
    column->type = type;
    column->width = width;
    column->value_size =
        type == TYPE_VECTOR ? width * (uint32_t)sizeof(float) : (uint32_t)type_size(type);
}

static struct builder *builder_new(uint32_t column_count)
{
    size_t columns = (HIDDEN_COUNT + column_count) * sizeof(struct builder_column);
    struct builder *builder = memory_new(sizeof(*builder) + columns);

    builder->column_count = column_count;
    return builder;
}

static struct builder *child_create(const struct schema *schema)
{
    struct builder *builder = builder_new(schema->count);

    builder->schema = schema;
    for (uint32_t i = 0; i < schema->count; i++) {
        struct builder_column *column = &builder->columns[HIDDEN_COUNT + i];

        column_init(column, schema->fields[i].type, schema->fields[i].width);
        if (column->type == TYPE_LIST)
            column->child = child_create(schema->fields[i].child);
    }
    return builder;
}

struct builder *builder_create(const struct schema *schema, bool keyed)
{
    struct builder *builder = child_create(schema);

    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        if (keyed || (i != HIDDEN_HASH && i != HIDDEN_KEY))
            column_init(&builder->columns[i], hidden_types[i], 0);
    return builder;
}

struct builder *builder_like(const struct batch *batch)
{
    struct builder *builder = builder_new(batch->column_count);

    for (uint32_t i = 0; i < HIDDEN_COUNT + batch->column_count; i++) {
        const struct column *column = batch->columns[i];

        if (!column)
            continue;
        column_init(&builder->columns[i], column->type, column->width);
        if (column->type == TYPE_LIST)
            builder->columns[i].child = builder_like(column->child);
    }
    return builder;
}

void builder_close(struct builder *builder)
{
    if (!builder)
        return;
    for (uint32_t i = 0; i < HIDDEN_COUNT + builder->column_count; i++) {
        for (uint32_t k = 0; k < 3; k++)
            block_release(&builder->columns[i].blocks[k]);
        builder_close(builder->columns[i].child);
    }
    memory_free(builder->scratch);
    memory_free(builder);
}

/* ---- memory ---- */
static void grow(struct builder_column *column, uint32_t which, size_t used, size_t size)
{
    struct block *old = column->blocks[which], *block = block_create(size);

    if (old)
        memcpy(block->data, old->data, used);
    block_release(&old);
    column->blocks[which] = block;
    if (which == BLOCK_VALUES)
        column->values = block->data;
    else if (which == BLOCK_OFFSETS)
        column->offsets = (int32_t *)(void *)block->data;
    else
        column->validity = block->data;
}

static void column_grow(struct builder_column *column, uint32_t old, uint32_t capacity)
{
    if (column->type == TYPE_UTF8 || column->type == TYPE_LIST) {
        size_t used = column->offsets ? (old + (size_t)1) * sizeof(int32_t) : 0;

        grow(column, BLOCK_OFFSETS, used, (capacity + (size_t)1) * sizeof(int32_t));
        column->offsets[0] = 0;
    } else if (column->type == TYPE_BOOL) {
        grow(column, BLOCK_VALUES, bits_size(old), bits_size(capacity));
    } else {
        size_t size = column->value_size;

        grow(column, BLOCK_VALUES, old * size, capacity * size);
    }
    if (column->validity)
        grow(column, BLOCK_VALIDITY, bits_size(old), bits_size(capacity));
}

/* A hidden column that is not built, or the order while it is the origin, has no memory. */
static bool has_memory(const struct builder *builder, uint32_t i)
{
    return builder->columns[i].type != TYPE_NONE &&
           (i != HIDDEN_ORDER || builder->order_apart || builder->columns[i].values);
}

void builder_reserve(struct builder *builder, uint32_t rows)
{
    uint64_t wanted = (uint64_t)builder->rows + rows, capacity = (uint64_t)builder->capacity * 2;

    CHECK(wanted < INT32_MAX);
    if (wanted <= builder->capacity)
        return;
    if (capacity < builder->rows_hint)
        capacity = builder->rows_hint;
    if (capacity < wanted)
        capacity = wanted;
    capacity = (capacity + ROWS_MIN - 1) / ROWS_MIN * ROWS_MIN;
    for (uint32_t i = 0; i < HIDDEN_COUNT + builder->column_count; i++)
        if (has_memory(builder, i))
            column_grow(&builder->columns[i], builder->rows, (uint32_t)capacity);
    builder->capacity = (uint32_t)capacity;
}

void builder_text_reserve(struct builder_column *column, size_t size)
{
    size_t wanted = column->text_size + size, room = (size_t)column->text_max * 2;

    CHECK(wanted <= INT32_MAX);
    if (wanted <= column->text_max)
        return;
    if (room == 0)
        room = column->text_hint;
    if (room < wanted)
        room = wanted;
    if (room < TEXT_SIZE_MIN)
        room = TEXT_SIZE_MIN;
    if (room > INT32_MAX)
        room = INT32_MAX;
    grow(column, BLOCK_VALUES, column->text_size, room);
    column->text_max = (uint32_t)room;
}

void builder_need_validity(const struct builder *builder, struct builder_column *column)
{
    if (column->validity)
        return;
    grow(column, BLOCK_VALIDITY, 0, bits_size(builder->capacity));
    bits_fill(column->validity, 0, column->set, true);
}

static size_t column_bytes(const struct builder_column *column)
{
    size_t size = (size_t)column->set * column->value_size + column->text_size;

    if (column->offsets)
        size += (size_t)column->set * sizeof(int32_t);
    if (column->validity || column->type == TYPE_BOOL)
        size += bits_size(column->set);
    return size + (column->child ? builder_bytes(column->child) : 0);
}

size_t builder_bytes(const struct builder *builder)
{
    size_t size = 0;

    for (uint32_t i = HIDDEN_HASH; i < HIDDEN_COUNT + builder->column_count; i++)
        size += column_bytes(&builder->columns[i]);
    if (builder->columns[HIDDEN_TIME].type != TYPE_NONE)
        size += builder->rows * (builder->order_apart ? 3 : 2) * sizeof(int64_t);
    return size;
}

/* ---- rows ---- */
void builder_split_order(struct builder *builder)
{
    struct builder_column *order = &builder->columns[HIDDEN_ORDER];

    CHECK(order->type != TYPE_NONE);
    builder->order_apart = true;
    if (!order->values)
        column_grow(order, 0, builder->capacity);
    CHECK(order->values || builder->rows == 0);
    if (builder->rows > 0)
        memcpy(order->values, builder->columns[HIDDEN_ORIGIN].values,
               builder->rows * sizeof(uint64_t));
}

void builder_row_from(struct builder *builder, const struct batch *in, uint32_t row)
{
    builder_row(builder, batch_time(in)[row], batch_origin(in)[row], batch_order(in)[row]);
    if (builder->columns[HIDDEN_KEY].type != TYPE_NONE && in->columns[HIDDEN_KEY]) {
        struct key key = key_of(in, row);

        builder_row_key(builder, &key);
    }
}

void builder_row_key(struct builder *builder, const struct key *key)
{
    struct builder_column *keys = &builder->columns[HIDDEN_KEY];
    struct builder_column *hashes = &builder->columns[HIDDEN_HASH];
    uint32_t row = builder->rows - 1;

    CHECK(keys->type != TYPE_NONE && builder->rows > 0);
    builder_pad(builder, keys, row);
    builder_pad(builder, hashes, row);
    builder_put_text(keys, row, key->data, key->size);
    ((uint64_t *)(void *)hashes->values)[row] = key->hash;
    keys->set = hashes->set = builder->rows;
    builder->key_rows++;
}

void builder_truncate(struct builder *builder, uint32_t rows)
{
    CHECK(rows <= builder->rows);
    for (uint32_t i = 0; i < HIDDEN_COUNT + builder->column_count; i++) {
        struct builder_column *column = &builder->columns[i];

        if (column->set <= rows)
            continue;
        column->set = rows;
        if (column->type == TYPE_UTF8)
            column->text_size = (uint32_t)column->offsets[rows];
        else if (column->type == TYPE_LIST)
            builder_truncate(column->child, (uint32_t)column->offsets[rows]);
    }
    builder->rows = rows;
}

void builder_row_undo(struct builder *builder)
{
    CHECK(builder->rows > 0);
    if (builder->columns[HIDDEN_KEY].set == builder->rows)
        builder->key_rows--;
    builder_truncate(builder, builder->rows - 1);
}

void builder_reset(struct builder *builder)
{
    builder_truncate(builder, 0);
    builder->key_rows = 0;
    builder->order_apart = false;
    for (uint32_t i = 0; i < HIDDEN_COUNT + builder->column_count; i++) {
        block_release(&builder->columns[i].blocks[BLOCK_VALIDITY]);
        builder->columns[i].validity = NULL;
        if (builder->columns[i].child)
            builder_reset(builder->columns[i].child);
    }
}

void builder_pad(struct builder *builder, struct builder_column *column, uint32_t rows)
{
    uint32_t begin = column->set;

    CHECK(begin <= rows && rows < INT32_MAX); /* else a column is set twice, or without a row */
    if (begin == rows)
        return;
    builder_need_validity(builder, column);
    bits_fill(column->validity, begin, rows, false);
    if (column->offsets)
        for (uint32_t row = begin; row < rows; row++)
            column->offsets[row + 1] = column->offsets[row];
    else if (column->type == TYPE_BOOL)
        bits_fill(column->values, begin, rows, false);
    else
        memset(column->values + (size_t)begin * column->value_size, 0,
               (size_t)(rows - begin) * column->value_size);
    column->set = rows;
}

/* ---- setters ---- */
void builder_vector(struct builder *builder, uint32_t column, const float *values)
{
    struct builder_column *to = builder_set(builder, column);

    CHECK(to->type == TYPE_VECTOR);
    memcpy(to->values + (size_t)(builder->rows - 1) * to->value_size, values, to->value_size);
}

static int64_t rounded(double value, int64_t min, int64_t max)
{
    if (value <= (double)min)
        return min;
    return value >= (double)max ? max : (int64_t)llrint(value);
}

static enum type column_type(const struct builder *builder, uint32_t column)
{
    CHECK(column < builder->column_count);
    return builder->columns[HIDDEN_COUNT + column].type;
}

void builder_number(struct builder *builder, uint32_t column, double value)
{
    enum type type = column_type(builder, column);

    if (type == TYPE_F32)
        builder_f32(builder, column, (float)value);
    else if (type == TYPE_F64)
        builder_f64(builder, column, value);
    else if (isnan(value))
        return;
    else if (type == TYPE_BOOL)
        builder_bool(builder, column, value != 0);
    else if (type == TYPE_I32)
        builder_i32(builder, column, (int32_t)rounded(value, INT32_MIN, INT32_MAX));
    else
        builder_i64(builder, column, rounded(value, INT64_MIN, INT64_MAX));
}

static int64_t key_integer(const struct key *key)
{
    uint64_t value;

    CHECK(key->size == 1 + sizeof(value));
    memcpy(&value, key->data + 1, sizeof(value));
    return (int64_t)(__builtin_bswap64(value) ^ (UINT64_C(1) << 63));
}

void builder_key(struct builder *builder, uint32_t column, const struct key *key)
{
    CHECK(key->size >= 1);
    switch (key->data[0]) {
    case KEY_TAG_NULL:
    case KEY_TAG_CUT:
        break;
    case KEY_TAG_BOOL:
        CHECK(key->size == 2);
        builder_bool(builder, column, key->data[1]);
        break;
    case KEY_TAG_INTEGER:
    case KEY_TAG_TIMESTAMP:
        if (column_type(builder, column) == TYPE_I32)
            builder_i32(builder, column, (int32_t)key_integer(key));
        else
            builder_i64(builder, column, key_integer(key));
        break;
    case KEY_TAG_UTF8:
        builder_text(builder, column, (const char *)key->data + 1, key->size - 1);
        break;
    default:
        CHECK(!"a canonical key of one column");
    }
}

/* ---- lists ---- */
struct builder *builder_list(struct builder *builder, uint32_t column)
{
    struct builder_column *list = builder_set(builder, column);

    CHECK(list->type == TYPE_LIST);
    CHECK(list->child->rows == (uint32_t)list->offsets[builder->rows - 1]);
    list->offsets[builder->rows] = (int32_t)list->child->rows;
    return list->child;
}

void builder_list_end(struct builder *builder, uint32_t column)
{
    struct builder_column *list = &builder->columns[HIDDEN_COUNT + column];

    CHECK(column < builder->column_count && list->type == TYPE_LIST);
    CHECK(builder->rows > 0 && list->set == builder->rows); /* else it was not begun */
    list->offsets[builder->rows] = (int32_t)list->child->rows;
}

/* ---- the batch ---- */
/* The bits behind the last row: zero, so that equal rows are equal bytes. */
static void clear_tail(uint8_t *bits, uint32_t rows)
{
    if (rows & 7)
        bits[rows >> 3] &= (uint8_t)((1u << (rows & 7)) - 1);
}

static struct column *column_take(struct builder *builder, struct builder_column *from)
{
    uint32_t rows = builder->rows;
    struct column *column = column_create(from->type, rows);

    builder_pad(builder, from, rows);
    if (from->type == TYPE_BOOL && rows > 0)
        clear_tail(from->values, rows);
    if (from->validity)
        clear_tail(from->validity, rows);
    if (from->child) {
        CHECK(from->child->rows == (rows ? (uint32_t)from->offsets[rows] : 0));
        column->child = builder_take(from->child);
    }
    column->width = from->width;
    column->values = from->values ? from->values : nothing.bytes;
    column->validity = from->validity;
    if (from->type == TYPE_UTF8 || from->type == TYPE_LIST)
        column->offsets = from->offsets ? from->offsets : nothing.offsets;
    memcpy(column->blocks, from->blocks, sizeof(column->blocks));
    memset(from->blocks, 0, sizeof(from->blocks));
    from->values = from->validity = NULL;
    from->offsets = NULL;
    from->text_hint = from->text_size;
    from->set = from->text_size = from->text_max = 0;
    return column;
}

static void take_hidden(struct builder *builder, struct batch *batch)
{
    struct builder_column *columns = builder->columns;

    for (uint32_t i = 0; i < HIDDEN_COUNT; i++) {
        bool key = i == HIDDEN_HASH || i == HIDDEN_KEY;

        if (columns[i].type == TYPE_NONE || (key && builder->key_rows != builder->rows))
            continue;
        if (i == HIDDEN_ORDER && !builder->order_apart && batch->columns[HIDDEN_ORIGIN]) {
            batch->columns[i] = batch->columns[HIDDEN_ORIGIN];
            column_ref(batch->columns[i]);
            continue;
        }
        columns[i].set = builder->rows;
        batch->columns[i] = column_take(builder, &columns[i]);
    }
}

/* Memory of hidden columns that the batch did not take must not outlive `capacity`. */
static void drop_rest(struct builder *builder)
{
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++) {
        struct builder_column *column = &builder->columns[i];

        for (uint32_t k = 0; k < 3; k++)
            block_release(&column->blocks[k]);
        column->values = column->validity = NULL;
        column->offsets = NULL;
        column->set = column->text_size = column->text_max = 0;
    }
}

struct batch *builder_take(struct builder *builder)
{
    struct batch *batch = batch_create(builder->rows, builder->column_count);

    take_hidden(builder, batch);
    for (uint32_t i = HIDDEN_COUNT; i < HIDDEN_COUNT + builder->column_count; i++)
        batch->columns[i] = column_take(builder, &builder->columns[i]);
    drop_rest(builder);
    builder->rows_hint = builder->rows;
    builder->rows = builder->capacity = builder->key_rows = 0;
    builder->order_apart = false;
    return batch;
}

struct batch *builder_finish(struct builder *builder)
{
    return builder->rows > 0 ? builder_take(builder) : NULL;
}
