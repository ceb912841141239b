/* Reading msgpack with msgpack-c's zone objects; see pack.h. */
#include "runtime/net/pack.h"

#include "runtime/batch/wire.h"

static const msgpack_object *unpack_next(struct unpack *unpack)
{
    struct unpack_level *level = &unpack->levels[unpack->level];

    if (unpack->failed || level->next >= level->count) {
        unpack->failed = true;
        return NULL;
    }
    return &level->items[level->next++];
}

bool unpack_begin(struct unpack *unpack, const uint8_t *data, size_t size)
{
    size_t offset = 0;

    memset(unpack, 0, sizeof(*unpack));
    msgpack_unpacked_init(&unpack->unpacked);
    if (!wire_sane(data, size) ||
        msgpack_unpack_next(&unpack->unpacked, (const char *)data, size, &offset) !=
            MSGPACK_UNPACK_SUCCESS ||
        offset != size || unpack->unpacked.data.type != MSGPACK_OBJECT_ARRAY) {
        unpack->failed = true;
        return false;
    }
    unpack->levels[0].items = unpack->unpacked.data.via.array.ptr;
    unpack->levels[0].count = unpack->unpacked.data.via.array.size;
    return true;
}

void unpack_end(struct unpack *unpack)
{
    msgpack_unpacked_destroy(&unpack->unpacked);
}

uint64_t unpack_u64(struct unpack *unpack)
{
    const msgpack_object *item = unpack_next(unpack);

    if (item && item->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return item->via.u64;
    unpack->failed = true;
    return 0;
}

int64_t unpack_i64(struct unpack *unpack)
{
    const msgpack_object *item = unpack_next(unpack);

    if (item && item->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return item->via.i64;
    if (item && item->type == MSGPACK_OBJECT_POSITIVE_INTEGER && item->via.u64 <= INT64_MAX)
        return (int64_t)item->via.u64;
    unpack->failed = true;
    return 0;
}

double unpack_f64(struct unpack *unpack)
{
    const msgpack_object *item = unpack_next(unpack);

    if (item && (item->type == MSGPACK_OBJECT_FLOAT64 || item->type == MSGPACK_OBJECT_FLOAT32))
        return item->via.f64;
    unpack->failed = true;
    return 0;
}

bool unpack_bool(struct unpack *unpack)
{
    const msgpack_object *item = unpack_next(unpack);

    if (item && item->type == MSGPACK_OBJECT_BOOLEAN)
        return item->via.boolean;
    unpack->failed = true;
    return false;
}

const uint8_t *unpack_bin(struct unpack *unpack, size_t *size)
{
    const msgpack_object *item = unpack_next(unpack);

    *size = 0;
    if (item && item->type == MSGPACK_OBJECT_BIN) { /* an empty one points nowhere */
        *size = item->via.bin.size;
        return (const uint8_t *)(*size > 0 ? item->via.bin.ptr : "");
    }
    if (item && item->type == MSGPACK_OBJECT_STR) {
        *size = item->via.str.size;
        return (const uint8_t *)(*size > 0 ? item->via.str.ptr : "");
    }
    unpack->failed = true;
    return (const uint8_t *)"";
}

void unpack_text(struct unpack *unpack, char *text, size_t size)
{
    size_t found;
    const uint8_t *data = unpack_bin(unpack, &found);

    text[0] = '\0';
    if (found >= size || memchr(data, 0, found)) {
        unpack->failed = true;
        return;
    }
    memcpy(text, data, found);
    text[found] = '\0';
}

uint32_t unpack_array(struct unpack *unpack, uint32_t max)
{
    const msgpack_object *item = unpack_next(unpack);

    if (!item || item->type != MSGPACK_OBJECT_ARRAY || item->via.array.size > max ||
        unpack->level + 1 >= sizeof(unpack->levels) / sizeof(unpack->levels[0])) {
        unpack->failed = true;
        return 0;
    }
    unpack->levels[++unpack->level] =
        (struct unpack_level){item->via.array.ptr, item->via.array.size, 0};
    return item->via.array.size;
}

void unpack_leave(struct unpack *unpack)
{
    if (unpack->failed)
        return;
    unpack->failed = unpack->levels[unpack->level].next != unpack->levels[unpack->level].count;
    unpack->level--;
}
