/* See directory.h. */
#include "runtime/task/directory.h"

#include "runtime/base/memory.h"

struct directory *directory_create(uint32_t entries)
{
    struct directory *directory =
        memory_new(sizeof(*directory) + entries * sizeof(directory->entries[0]));

    directory->mask = entries - 1;
    return directory;
}

struct entry *entry_place(struct directory *directory, uint64_t hash)
{
    uint64_t at = hash & directory->mask;

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

const struct versions *directory_find(const struct directory *directory, uint64_t hash)
{
    for (uint64_t at = hash & directory->mask;; at = (at + 1) & directory->mask) {
        const struct entry *entry = &directory->entries[at];
        const struct versions *versions =
            atomic_load_explicit(&entry->versions, memory_order_acquire);

        if (!versions || atomic_load_explicit(&entry->hash, memory_order_relaxed) == hash)
            return versions;
    }
}
