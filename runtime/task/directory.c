/* See directory.h. */
#include "runtime/task/directory.h"

#include "runtime/base/memory.h"

#include <string.h>

#define FIND_GROUP 32u /* look-ups whose cache misses overlap */

struct directory *directory_create(uint32_t entries)
{
    size_t size = sizeof(struct directory) + entries * sizeof(struct entry);
    struct directory *directory = memory_aligned(_Alignof(struct directory), size);

    memset((void *)directory, 0, size);
    directory->mask = entries - 1;
    return directory;
}

/* The first of the two entries of a cache line. */
static inline uint64_t begin_of(const struct directory *directory, uint64_t hash)
{
    return hash & directory->mask & ~UINT64_C(1);
}

struct entry *entry_place(struct directory *directory, uint64_t hash)
{
    uint64_t at = begin_of(directory, hash);

    while (atomic_load_explicit(&directory->entries[at].versions, memory_order_relaxed) &&
           atomic_load_explicit(&directory->entries[at].hash, memory_order_relaxed) != hash)
        at = (at + 1) & directory->mask;
    return &directory->entries[at];
}

uint32_t directory_left(const struct directory *directory)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i <= directory->mask; i++) {
        const struct versions *versions = atomic_load(&directory->entries[i].versions);

        left += versions && !versions_empty(versions);
    }
    return left;
}

/* The version first: who finds the row finds its version, or a later one, and looks further. */
void entry_set_newest(struct entry *entry, const struct table_row *row)
{
    if (row)
        atomic_store(&entry->newest_version, table_row_version(row));
    atomic_store(&entry->newest, row);
}

static inline const struct table_row *find(const struct directory *directory,
                                           const struct view *view, uint64_t hash)
{
    uint64_t at = begin_of(directory, hash);

    /* Which of the two it is cannot be predicted: no branch. */
    at += atomic_load_explicit(&directory->entries[at].hash, memory_order_relaxed) != hash;
    for (;; at = (at + 1) & directory->mask) {
        const struct entry *entry = &directory->entries[at];
        const struct versions *versions =
            atomic_load_explicit(&entry->versions, memory_order_acquire);
        const struct table_row *newest;
        int64_t version;

        if (!versions)
            return NULL;
        if (atomic_load_explicit(&entry->hash, memory_order_relaxed) != hash)
            continue;
        newest = atomic_load_explicit(&entry->newest, memory_order_acquire);
        version = atomic_load_explicit(&entry->newest_version, memory_order_relaxed);
        if (newest && version <= view->pinned)
            return view_shows(view, version) ? newest : NULL;
        return versions_at(versions, view);
    }
}

const struct table_row *directory_find(const struct directory *directory, const struct view *view,
                                       uint64_t hash)
{
    return find(directory, view, hash);
}

void directory_find_many(const struct directory *directory, const struct view *view,
                         const uint64_t *hashes, uint32_t count, const struct table_row **rows)
{
    uint32_t ahead = count < FIND_GROUP ? count : FIND_GROUP;

    for (uint32_t i = 0; i < ahead; i++)
        __builtin_prefetch(&directory->entries[hashes[i] & directory->mask]);
    for (uint32_t i = 0; i < count; i++) {
        if (i + ahead < count)
            __builtin_prefetch(&directory->entries[hashes[i + ahead] & directory->mask]);
        rows[i] = find(directory, view, hashes[i]);
        if (!rows[i])
            continue;
        __builtin_prefetch(rows[i]);
        __builtin_prefetch((const uint8_t *)rows[i] + ROW_LINE);
    }
}
