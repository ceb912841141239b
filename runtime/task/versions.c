/* versions: see versions.h. */
#include "runtime/task/versions.h"

#include "runtime/base/memory.h"

#define VERSIONS_MIN 4u

struct versions *versions_grown(const struct versions *old)
{
    uint32_t first = old ? atomic_load(&old->first) : 0;
    uint32_t kept = old ? atomic_load(&old->count) - first : 0;
    uint32_t capacity = kept + kept / 2 + VERSIONS_MIN;
    struct versions *grown = memory_new(sizeof(*grown) + capacity * sizeof(grown->items[0]));

    grown->capacity = capacity;
    for (uint32_t i = 0; i < kept; i++) {
        grown->items[i].version = old->items[first + i].version;
        atomic_init(&grown->items[i].item, atomic_load(&old->items[first + i].item));
    }
    atomic_init(&grown->count, kept);
    return grown;
}

void versions_free(struct versions *versions)
{
    for (uint32_t i = versions ? atomic_load(&versions->first) : 0;
         versions && i < atomic_load(&versions->count); i++)
        memory_free(atomic_load(&versions->items[i].item));
    memory_free(versions);
}

uint32_t versions_find(const struct versions *versions, uint32_t count, int64_t version)
{
    uint32_t first = atomic_load_explicit(&versions->first, memory_order_relaxed);
    uint32_t low = first, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (versions->items[middle].version <= version)
            low = middle + 1;
        else
            high = middle;
    }
    return low == first ? count : low - 1;
}

const void *versions_newest(const struct versions *versions)
{
    uint32_t count = versions ? atomic_load(&versions->count) : 0;

    return count > 0 && atomic_load(&versions->first) < count
               ? atomic_load(&versions->items[count - 1].item)
               : NULL;
}

const void *versions_at(const struct versions *versions, const struct view *view)
{
    uint32_t count, at;

    if (!versions)
        return NULL;
    count = atomic_load_explicit(&versions->count, memory_order_acquire);
    at = versions_find(versions, count, view->pinned);
    if (at == count || !view_shows(view, versions->items[at].version))
        return NULL;
    return atomic_load_explicit(&versions->items[at].item, memory_order_acquire);
}

bool versions_empty(const struct versions *versions)
{
    return atomic_load(&versions->first) == atomic_load(&versions->count);
}

void aged_push(struct aged_queue *queue, const struct aged *aged)
{
    if (queue->count == queue->capacity) {
        uint64_t capacity = queue->capacity ? queue->capacity * 2 : 64;
        struct aged *ring = memory_array(capacity, sizeof(*ring));

        for (uint64_t i = 0; i < queue->count; i++)
            ring[i] = queue->ring[(queue->head + i) & (queue->capacity - 1)];
        memory_free(queue->ring);
        *queue = (struct aged_queue){ring, 0, queue->count, capacity};
    }
    queue->ring[(queue->head + queue->count++) & (queue->capacity - 1)] = *aged;
}
