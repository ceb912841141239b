/* cell: one piece of state in memory. A cell begins at a multiple of its state's alignment:
 *
 *   u32  size of the value (17 bits), of the key (11), flags (4)
 *   u16  map: size of the entry; pane: generation of the partial
 *   ...  key bytes, map: entry bytes, padding
 *   u64  lists only: offset of the value in the cell, to find the cell by its value
 *   i64  expiring states only, right before the value: event time of the last use
 *   ...  value, at a multiple of 8 or 16; list values have spare room up to their size class
 *
 * With a 9-byte key (one i64 column) and a 16-byte value that is 32 bytes, half a cache line. */
#ifndef MILLRACE_STATE_CELL_H
#define MILLRACE_STATE_CELL_H

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cell {
    uint32_t bits;
    uint16_t aux;
    uint8_t bytes[];
};

#define CELL_HEAD 6u /* offsetof(struct cell, bytes) */
static_assert(offsetof(struct cell, bytes) == CELL_HEAD, "key bytes follow the head");

enum cell_flags {
    CELL_DELETED = 1, /* marks that there is nothing under this key */
    CELL_DEAD = 2,    /* replaced while its segment was open: belongs to no file */
    CELL_BORN = 4,    /* in an open segment since it began, and no file has an older one */
};

/* What is the same for all cells of a state. */
struct shape {
    uint32_t align; /* 8 or 16 */
    uint32_t stamp; /* 8 when cells expire, otherwise 0 */
    uint32_t back;  /* 8 for lists, otherwise 0 */
    bool map, list;
};

/* Sizes of the bit fields hold the limits. */
static_assert(CELL_SIZE_MAX < 1u << 17 && KEY_SIZE_MAX < 1u << 11, "sizes fit their bits");

static inline uint32_t cell_size(const struct cell *cell)
{
    return cell->bits & 0x1ffffu;
}

static inline uint32_t cell_key_size(const struct cell *cell)
{
    return cell->bits >> 17 & 0x7ffu;
}

static inline uint32_t cell_flags(const struct cell *cell)
{
    return cell->bits >> 28;
}

static inline uint32_t cell_bits(uint32_t size, uint32_t key_size, uint32_t flags)
{
    return size | key_size << 17 | flags << 28;
}

static inline uint32_t cell_entry_size(const struct cell *cell, const struct shape *shape)
{
    return shape->map ? cell->aux : 0;
}

/* Rounds up to a size class, four a doubling, so that a growing list moves seldom. */
static inline uint32_t cell_class(uint32_t size)
{
    uint32_t step;

    if (size <= 64)
        return (size + 15) & ~15u;
    step = 1u << (29 - __builtin_clz(size));
    return (size + step - 1) & ~(step - 1);
}

static inline uint32_t cell_value_offset(const struct shape *shape, uint32_t keys)
{
    return (CELL_HEAD + keys + shape->back + shape->stamp + shape->align - 1) & ~(shape->align - 1);
}

/* Bytes that a cell takes, with `keys` bytes of key and entry. */
static inline uint32_t cell_extent(const struct shape *shape, uint32_t keys, uint32_t size)
{
    uint32_t room = shape->list ? cell_class(size) : size;

    return (cell_value_offset(shape, keys) + room + shape->align - 1) & ~(shape->align - 1);
}

static inline uint32_t cell_keys(const struct cell *cell, const struct shape *shape)
{
    return cell_key_size(cell) + cell_entry_size(cell, shape);
}

static inline uint32_t cell_bytes(const struct cell *cell, const struct shape *shape)
{
    return cell_extent(shape, cell_keys(cell, shape), cell_size(cell));
}

static inline void *cell_value(const struct cell *cell, const struct shape *shape)
{
    return (uint8_t *)(uintptr_t)cell + cell_value_offset(shape, cell_keys(cell, shape));
}

static inline int64_t *cell_stamp(const struct cell *cell, const struct shape *shape)
{
    CHECK(shape->stamp);
    return (int64_t *)cell_value(cell, shape) - 1;
}

static inline uint64_t *cell_back(void *value, const struct shape *shape)
{
    return (uint64_t *)((uint8_t *)value - shape->stamp - shape->back);
}

/* What a cell is looked up by. `hash` is that of the index: over the entry too. */
struct probe {
    const uint8_t *key, *entry;
    uint32_t key_size, entry_size;
    uint64_t hash;
};

static inline uint64_t cell_key_hash(const struct cell *cell)
{
    return hash_bytes(cell->bytes, cell_key_size(cell));
}

static inline uint64_t probe_hash(uint64_t key_hash, const void *entry, uint32_t entry_size)
{
    return hash_seeded(entry, entry_size, key_hash);
}

static inline uint64_t cell_hash(const struct cell *cell, const struct shape *shape)
{
    uint64_t hash = cell_key_hash(cell);

    return shape->map ? probe_hash(hash, cell->bytes + cell_key_size(cell), cell->aux) : hash;
}

static inline bool bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    uint64_t x, y;

    if (size < 8 || size > 16) /* a key of no columns has no bytes to point to */
        return size == 0 || memcmp(a, b, size) == 0;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    if (x != y)
        return false;
    memcpy(&x, a + size - 8, 8);
    memcpy(&y, b + size - 8, 8);
    return x == y;
}

static inline bool cell_is(const struct cell *cell, const struct shape *shape,
                           const struct probe *probe)
{
    if (cell_key_size(cell) != probe->key_size ||
        !bytes_equal(cell->bytes, probe->key, probe->key_size))
        return false;
    if (!shape->map)
        return true;
    return cell->aux == probe->entry_size &&
           (probe->entry_size == 0 || /* its bytes may be nowhere */
            memcmp(cell->bytes + probe->key_size, probe->entry, probe->entry_size) == 0);
}

#endif
