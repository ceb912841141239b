/* own: see own.h. */
#include "operators/model/own.h"

#include <assert.h>
#include <string.h>

static_assert(OWN_MAX % (OWN_BYTES / 4) == 0 && OWN_MAX % (OWN_BYTES / 8) == 0,
              "a user's items are a ring of whole chunks");

const struct state_field own_fields[] = {
    {"count", TYPE_I64, FIELD(struct own, count)},
    {"requested_at", TYPE_TIMESTAMP, FIELD(struct own, requested_ms)},
    {"requested", TYPE_I32, FIELD(struct own, requested)},
    {"last", TYPE_I32, FIELD(struct own, last)},
    {"items", TYPE_UTF8, FIELD(struct own, items)},
    {0},
};

static struct own *chunk_at(const struct own_map *map, uint32_t row, uint64_t user, uint64_t chunk)
{
    uint64_t entry[2] = {user, chunk};

    return op_entry(map->op, map->state, row, entry, sizeof(entry), true);
}

struct own *own_read(const struct own_map *map, uint32_t row, uint64_t user, void *items,
                     uint32_t *count)
{
    struct own *first = chunk_at(map, row, user, 0), *chunk = first;
    uint32_t in_chunk = OWN_BYTES / map->each;
    uint8_t *to = items;

    if (!first)
        return NULL;
    *count = first->count < OWN_MAX ? (uint32_t)first->count : OWN_MAX;
    for (uint32_t at = 0; at < *count; at += in_chunk) {
        uint32_t n = *count - at < in_chunk ? *count - at : in_chunk;

        if (at > 0)
            chunk = chunk_at(map, row, user, at / in_chunk);
        if (!chunk)
            return NULL;
        memcpy(to + (size_t)at * map->each, chunk->items, (size_t)n * map->each);
    }
    return first;
}

bool own_add(const struct own_map *map, uint32_t row, uint64_t user, struct own *first,
             const void *item)
{
    uint64_t place = first->count % OWN_MAX;
    uint32_t in_chunk = OWN_BYTES / map->each;
    struct own *chunk = place < in_chunk ? first : chunk_at(map, row, user, place / in_chunk);

    if (!chunk)
        return false;
    memcpy(chunk->items + place % in_chunk * map->each, item, map->each);
    first->count++;
    return true;
}

bool own_may_ask(struct own *first, int64_t interval_ms, int64_t time_ms)
{
    if (interval_ms == 0)
        return true;
    if (first->requested && time_ms - first->requested_ms < interval_ms)
        return false;
    first->requested = 1;
    first->requested_ms = time_ms;
    return true;
}
