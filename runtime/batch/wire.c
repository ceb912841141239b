/* Batches as msgpack; see wire.h. Reading is strict: a buffer that does not fit its column is
 * damage. The msgpack of outside bytes is checked for its nesting and item counts by msgpack-c; the
 * sizes are ours to check. */
#include "runtime/batch/wire.h"

#include "runtime/batch/bits.h"

#include <msgpack.h>

#include <string.h>

#define WIRE_VERSION 1

/* ---- writing ---- */
static int append(void *data, const char *bytes, size_t size)
{
    bytes_put(data, bytes, size);
    return 0;
}

static void pack_bin(msgpack_packer *packer, const void *data, size_t size)
{
    msgpack_pack_bin(packer, size);
    if (size > 0)
        msgpack_pack_bin_body(packer, data, size);
}

static void pack_columns(msgpack_packer *packer, struct column *const *columns, uint32_t count,
                         uint32_t rows);

static size_t values_size(const struct column *column, uint32_t rows)
{
    switch (column->type) {
    case TYPE_BOOL:
        return bits_size(rows);
    case TYPE_VECTOR:
        return (size_t)rows * column->width * sizeof(float);
    case TYPE_UTF8:
        return (size_t)(column->offsets[rows] - column->offsets[0]);
    case TYPE_NONE:
    case TYPE_I32:
    case TYPE_I64:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_TIMESTAMP:
    case TYPE_LIST:
    case TYPE_KEY:
        return rows * type_size(column->type);
    }
    return 0;
}

/* Offsets from 0, as the reader wants them. */
static void pack_offsets(msgpack_packer *packer, const struct column *column, uint32_t rows)
{
    int32_t first = column->offsets[0];
    int32_t *offsets;

    if (first == 0) {
        pack_bin(packer, column->offsets, ((size_t)rows + 1) * sizeof(int32_t));
        return;
    }
    offsets = memory_grow(NULL, (size_t)rows + 1, sizeof(*offsets));
    for (uint32_t i = 0; i <= rows; i++)
        offsets[i] = column->offsets[i] - first;
    pack_bin(packer, offsets, ((size_t)rows + 1) * sizeof(int32_t));
    memory_free(offsets);
}

/* The child rows that the list's rows have: mostly all of them. One reference. */
static struct batch *list_child(const struct column *column, uint32_t first, uint32_t count)
{
    struct batch *child = column->child;
    uint32_t *places;

    if (first == 0 && count == child->rows) {
        batch_ref(child);
        return child;
    }
    places = memory_grow(NULL, (size_t)count + 1, sizeof(*places));
    for (uint32_t i = 0; i < count; i++)
        places[i] = first + i;
    child = batch_gather(child, places, count);
    memory_free(places);
    return child;
}

static void pack_list(msgpack_packer *packer, const struct column *column, uint32_t rows)
{
    uint32_t first = (uint32_t)column->offsets[0];
    uint32_t count = (uint32_t)column->offsets[rows] - first;
    struct batch *child = list_child(column, first, count);

    msgpack_pack_array(packer, 2);
    msgpack_pack_uint32(packer, count);
    pack_columns(packer, child->columns + HIDDEN_COUNT, child->column_count, count);
    batch_release(&child);
}

static void pack_column(msgpack_packer *packer, const struct column *column, uint32_t rows)
{
    msgpack_pack_array(packer, 3);
    if (column->validity)
        pack_bin(packer, column->validity, bits_size(rows));
    else
        msgpack_pack_nil(packer);
    if (column->offsets)
        pack_offsets(packer, column, rows);
    else
        msgpack_pack_nil(packer);
    if (column->type == TYPE_LIST)
        pack_list(packer, column, rows);
    else
        pack_bin(packer,
                 (const uint8_t *)column->values +
                     (column->type == TYPE_UTF8 ? column->offsets[0] : 0),
                 values_size(column, rows));
}

static void pack_columns(msgpack_packer *packer, struct column *const *columns, uint32_t count,
                         uint32_t rows)
{
    msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t same = 0;

        while (same < i && columns[same] != columns[i])
            same++;
        if (!columns[i])
            msgpack_pack_nil(packer);
        else if (same < i)
            msgpack_pack_uint32(packer, same);
        else
            pack_column(packer, columns[i], rows);
    }
}

void wire_encode(const struct batch *batch, const struct schema *schema, struct bytes *out)
{
    struct batch *dense = NULL;
    msgpack_packer packer;

    CHECK(batch->column_count == schema->count);
    if (batch->selection)
        dense = batch_gather(batch, batch->selection, batch->selected);
    if (dense)
        batch = dense;
    bytes_reserve(out, batch_bytes(batch) + 256);
    msgpack_packer_init(&packer, out, append);
    msgpack_pack_array(&packer, 3);
    msgpack_pack_uint32(&packer, WIRE_VERSION);
    msgpack_pack_uint32(&packer, batch->rows);
    pack_columns(&packer, batch->columns, HIDDEN_COUNT + batch->column_count, batch->rows);
    batch_release(&dense);
}

/* ---- reading ---- */
static bool damaged(struct error *err, const char *what)
{
    return error_set(err, ERROR_DATA, "batch", NULL, "a batch from outside is damaged: %s", what);
}

static bool is_count(const msgpack_object *object, uint64_t max)
{
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= max;
}

static struct block *copy_bin(const msgpack_object *object)
{
    struct block *block = block_create(object->via.bin.size);

    memcpy(block->data, object->via.bin.ptr, object->via.bin.size);
    return block;
}

static bool read_columns(const msgpack_object *object, const struct field *const *fields,
                         uint32_t count, uint32_t rows, struct column **columns, struct error *err);

static bool read_validity(const msgpack_object *object, struct column *column, struct error *err)
{
    if (object->type == MSGPACK_OBJECT_NIL)
        return true;
    if (object->type != MSGPACK_OBJECT_BIN || object->via.bin.size != bits_size(column->rows))
        return damaged(err, "a validity bitmap of another size");
    column->blocks[2] = copy_bin(object);
    column->validity = column->blocks[2]->data;
    return true;
}

static bool read_offsets(const msgpack_object *object, struct column *column, struct error *err)
{
    const int32_t *offsets;

    if (column->type != TYPE_UTF8 && column->type != TYPE_LIST)
        return object->type == MSGPACK_OBJECT_NIL || damaged(err, "offsets where none belong");
    if (object->type != MSGPACK_OBJECT_BIN ||
        object->via.bin.size != (column->rows + (size_t)1) * sizeof(int32_t))
        return damaged(err, "offsets of another size");
    column->blocks[1] = copy_bin(object);
    offsets = column->offsets = (const int32_t *)(const void *)column->blocks[1]->data;
    if (offsets[0] != 0)
        return damaged(err, "offsets that do not begin at 0");
    for (uint32_t i = 0; i < column->rows; i++)
        if (offsets[i + 1] < offsets[i])
            return damaged(err, "offsets that go down");
    return true;
}

static bool read_list(const msgpack_object *object, const struct schema *child,
                      struct column *column, struct error *err)
{
    const struct field *fields[COLUMNS_MAX];
    uint32_t rows;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 2 ||
        !is_count(&object->via.array.ptr[0], INT32_MAX))
        return damaged(err, "a list that is none");
    rows = (uint32_t)object->via.array.ptr[0].via.u64;
    if ((uint32_t)column->offsets[column->rows] != rows)
        return damaged(err, "a list with other rows than its offsets");
    if (child->count == 0 && rows > 0)
        return damaged(err, "a list of nothing"); /* bytes would not bound its rows */
    for (uint32_t i = 0; i < child->count; i++)
        fields[i] = &child->fields[i];
    column->child = batch_create(rows, child->count);
    return read_columns(&object->via.array.ptr[1], fields, child->count, rows,
                        column->child->columns + HIDDEN_COUNT, err);
}

static bool read_values(const msgpack_object *object, struct column *column, struct error *err)
{
    if (object->type != MSGPACK_OBJECT_BIN ||
        object->via.bin.size != values_size(column, column->rows))
        return damaged(err, "values of another size");
    column->blocks[0] = copy_bin(object);
    column->values = column->blocks[0]->data;
    return true;
}

static bool read_column(const msgpack_object *object, const struct field *field, uint32_t rows,
                        struct column **out, struct error *err)
{
    const msgpack_object *parts = object->via.array.ptr;
    struct column *column;
    bool good;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 3)
        return damaged(err, "a column that is none");
    column = column_create(field->type, rows);
    column->width = field->width;
    good = read_validity(&parts[0], column, err) && read_offsets(&parts[1], column, err) &&
           (field->type == TYPE_LIST ? read_list(&parts[2], field->child, column, err)
                                     : read_values(&parts[2], column, err));
    if (good)
        *out = column;
    else
        column_release(&column);
    return good;
}

/* A NULL field may be absent (hidden key columns); others must be there. */
static bool read_columns(const msgpack_object *object, const struct field *const *fields,
                         uint32_t count, uint32_t rows, struct column **columns, struct error *err)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != count)
        return damaged(err, "another number of columns");
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *item = &object->via.array.ptr[i];

        if (item->type == MSGPACK_OBJECT_NIL)
            continue;
        if (item->type == MSGPACK_OBJECT_ARRAY) {
            if (!read_column(item, fields[i], rows, &columns[i], err))
                return false;
            continue;
        }
        if (i == 0 || !is_count(item, i - 1) || !columns[item->via.u64] ||
            columns[item->via.u64]->type != fields[i]->type ||
            columns[item->via.u64]->width != fields[i]->width || fields[i]->type == TYPE_LIST)
            return damaged(err, "a column shared with none");
        columns[i] = columns[item->via.u64];
        column_ref(columns[i]);
    }
    return true;
}

static bool complete(const struct batch *batch, struct error *err)
{
    const struct column *hash = batch->columns[HIDDEN_HASH], *key = batch->columns[HIDDEN_KEY];

    if (!batch->columns[HIDDEN_TIME] || !batch->columns[HIDDEN_ORIGIN] ||
        !batch->columns[HIDDEN_ORDER] || !hash != !key)
        return damaged(err, "a hidden column is missing");
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        if (batch->columns[i] && batch->columns[i]->validity)
            return damaged(err, "a hidden column with nulls");
    for (uint32_t row = 0; key && row < batch->rows; row++)
        if (key->offsets[row + 1] - key->offsets[row] > (int32_t)KEY_SIZE_MAX)
            return damaged(err, "a key that is too long");
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct column *column = batch->columns[HIDDEN_COUNT + i];

        if (!column)
            return damaged(err, "a column is missing");
        for (uint32_t c = 0; column->child && c < column->child->column_count; c++)
            if (!column->child->columns[HIDDEN_COUNT + c])
                return damaged(err, "a column of a list is missing");
    }
    return true;
}

static struct batch *read_batch(const msgpack_object *object, const struct schema *schema,
                                struct error *err)
{
    static const struct field hidden[HIDDEN_COUNT] = {
        [HIDDEN_TIME] = {.type = TYPE_I64},  [HIDDEN_ORIGIN] = {.type = TYPE_I64},
        [HIDDEN_ORDER] = {.type = TYPE_I64}, [HIDDEN_HASH] = {.type = TYPE_I64},
        [HIDDEN_KEY] = {.type = TYPE_UTF8},
    };
    const struct field *fields[HIDDEN_COUNT + COLUMNS_MAX];
    const msgpack_object *items = object->via.array.ptr;
    struct batch *batch;

    CHECK(schema->count <= COLUMNS_MAX);
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 3 ||
        !is_count(&items[0], WIRE_VERSION) || items[0].via.u64 != WIRE_VERSION ||
        !is_count(&items[1], INT32_MAX)) {
        damaged(err, "it is not an envelope of this version");
        return NULL;
    }
    for (uint32_t i = 0; i < HIDDEN_COUNT; i++)
        fields[i] = &hidden[i];
    for (uint32_t i = 0; i < schema->count; i++)
        fields[HIDDEN_COUNT + i] = &schema->fields[i];
    batch = batch_create((uint32_t)items[1].via.u64, schema->count);
    if (!read_columns(&items[2], fields, HIDDEN_COUNT + schema->count, batch->rows, batch->columns,
                      err) ||
        !complete(batch, err))
        batch_release(&batch);
    return batch;
}

/* ---- msgpack's own structure (its specification, "Formats") ---- */
struct scan {
    const uint8_t *at, *end;
    uint64_t pending; /* objects that must still come */
};

/* A big-endian number of `width` bytes. */
static bool scan_number(struct scan *scan, uint32_t width, uint64_t *number)
{
    if ((size_t)(scan->end - scan->at) < width)
        return false;
    *number = 0;
    while (width-- > 0)
        *number = *number << 8 | *scan->at++;
    return true;
}

static bool scan_skip(struct scan *scan, uint64_t size)
{
    if ((uint64_t)(scan->end - scan->at) < size)
        return false;
    scan->at += size;
    return true;
}

static bool scan_sized(struct scan *scan, uint32_t width, uint64_t more)
{
    uint64_t size;

    return scan_number(scan, width, &size) && scan_skip(scan, size + more);
}

static bool scan_counted(struct scan *scan, uint32_t width, uint64_t each)
{
    uint64_t count;

    if (!scan_number(scan, width, &count))
        return false;
    scan->pending += count * each;
    return true;
}

/* What follows the first byte of an object. */
static bool scan_object(struct scan *scan, uint8_t tag)
{
    if (tag <= 0x7f || tag >= 0xe0)
        return true; /* small integers */
    if (tag <= 0x9f) {
        scan->pending += (uint64_t)(tag & 0x0f) * (tag <= 0x8f ? 2 : 1);
        return true; /* small map, array */
    }
    if (tag <= 0xbf)
        return scan_skip(scan, tag & 0x1f); /* small str */
    switch (tag) {
    case 0xc4: /* bin, ext, str */
    case 0xc5:
    case 0xc6:
        return scan_sized(scan, 1u << (tag - 0xc4), 0);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return scan_sized(scan, 1u << (tag - 0xc7), 1);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return scan_sized(scan, 1u << (tag - 0xd9), 0);
    case 0xca: /* floats, integers */
        return scan_skip(scan, 4);
    case 0xcb:
        return scan_skip(scan, 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return scan_skip(scan, UINT64_C(1) << (tag - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return scan_skip(scan, UINT64_C(1) << (tag - 0xd0));
    case 0xd4: /* ext of a fixed size */
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return scan_skip(scan, 1 + (UINT64_C(1) << (tag - 0xd4)));
    case 0xdc:
    case 0xdd:
        return scan_counted(scan, 2u << (tag - 0xdc), 1);
    case 0xde:
    case 0xdf:
        return scan_counted(scan, 2u << (tag - 0xde), 2);
    default: /* nil, false, true; 0xc1 is never used */
        return tag != 0xc1;
    }
}

bool wire_sane(const uint8_t *data, size_t size)
{
    struct scan scan = {data, data + size, 1};

    while (scan.pending > 0) {
        uint8_t tag;

        if (scan.pending > (uint64_t)(scan.end - scan.at))
            return false;
        tag = *scan.at++;
        scan.pending--;
        if (!scan_object(&scan, tag))
            return false;
    }
    return scan.at == scan.end;
}

struct batch *wire_decode(const struct schema *schema, const uint8_t *data, size_t size,
                          struct error *err)
{
    msgpack_unpacked unpacked;
    struct batch *batch = NULL;
    size_t offset = 0;

    msgpack_unpacked_init(&unpacked);
    if (wire_sane(data, size) &&
        msgpack_unpack_next(&unpacked, (const char *)data, size, &offset) ==
            MSGPACK_UNPACK_SUCCESS &&
        offset == size)
        batch = read_batch(&unpacked.data, schema, err);
    else
        damaged(err, "it is not msgpack, or is cut");
    msgpack_unpacked_destroy(&unpacked);
    return batch;
}
