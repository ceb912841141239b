/* See segments.h. */
#include "state/segments.h"

#include "runtime/base/memory.h"

#include <sys/mman.h>

#define SEGMENT_MAPPED_MIN (128u << 10) /* from here on segments have pages of their own */
#define POOL_MAX (sizeof(((struct segments *)0)->pool) / sizeof(void *))

void segments_init(struct segments *log, uint32_t segment_max)
{
    CHECK(segment_max >= SEGMENT_SIZE_MIN && segment_max <= SEGMENT_SIZE_MAX);
    *log = (struct segments){.segment_max = segment_max, .count = 1};
    log->capacity = 64;
    log->places = memory_array(log->capacity, sizeof(*log->places));
    log->segments = memory_array(log->capacity, sizeof(struct segment *));
    log->unused = memory_array(log->capacity, sizeof(*log->unused));
}

static void data_unmap(uint8_t *data, uint32_t size)
{
    if (size < SEGMENT_MAPPED_MIN)
        memory_free(data);
    else
        CHECK(munmap(data, size) == 0);
}

void segments_clear(struct segments *log)
{
    struct segment *next;

    for (struct segment *segment = log->first; segment; segment = next) {
        next = segment->next;
        data_unmap(log->places[segment->id].data, segment->size);
        memory_free(segment);
    }
    for (uint32_t i = 0; i < log->pool_count; i++)
        data_unmap(log->pool[i], log->segment_max);
    memory_free(log->places);
    memory_free(log->segments);
    memory_free(log->unused);
    memory_free(log->dirty);
    *log = (struct segments){0};
}

static uint8_t *data_map(struct segments *log, uint32_t size)
{
    uint8_t *data;

    if (size == log->segment_max && log->pool_count)
        return log->pool[--log->pool_count];
    log->bytes += size;
    if (size < SEGMENT_MAPPED_MIN)
        return memory_new(size);
    data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(data != MAP_FAILED); /* out of memory ends the process, as in memory.h */
    return data;
}

bool segments_give(struct segments *log, void *data)
{
    if (log->pool_count == POOL_MAX || log->segment_max != SEGMENT_SIZE_MAX)
        return false;
    log->pool[log->pool_count++] = data;
    log->bytes += SEGMENT_SIZE_MAX;
    return true;
}

static uint32_t place_take(struct segments *log)
{
    if (log->unused_count)
        return log->unused[--log->unused_count];
    if (log->count == log->capacity) {
        CHECK(log->capacity < SEGMENTS_MAX / 2);
        log->capacity *= 2;
        log->places = memory_grow(log->places, log->capacity, sizeof(*log->places));
        log->segments = memory_grow(log->segments, log->capacity, sizeof(struct segment *));
        log->unused = memory_grow(log->unused, log->capacity, sizeof(*log->unused));
    }
    return log->count++;
}

static uint32_t size_next(struct segments *log, struct group_log *owner, uint32_t bytes)
{
    uint32_t size = owner->size_next ? owner->size_next : SEGMENT_SIZE_MIN;

    if (size > log->segment_max)
        size = log->segment_max;
    if (size < log->segment_max)
        owner->size_next = size * 2;
    return bytes > size ? (bytes + 4095) & ~4095u : size;
}

static struct segment *segment_open(struct segments *log, struct group_log *owner,
                                    enum segment_kind kind, uint32_t bytes)
{
    struct segment *segment = memory_new(sizeof(*segment));

    segment->size = size_next(log, owner, bytes);
    segment->id = place_take(log);
    segment->kind = kind;
    segment->owner = owner;
    segment->stamp_max = INT64_MIN;
    log->places[segment->id] = (struct place){.data = data_map(log, segment->size),
                                              .open_from = kind == SEGMENT_DIRTY ? 0 : SEALED};
    log->segments[segment->id] = segment;

    segment->prev = log->last;
    *(log->last ? &log->last->next : &log->first) = segment;
    log->last = segment;
    segment->group_prev = owner->last;
    *(owner->last ? &owner->last->group_next : &owner->first) = segment;
    owner->last = segment;
    owner->tails[kind] = segment;
    return segment;
}

static void dirty_add(struct segments *log, struct segment *segment)
{
    if (log->dirty_count == log->dirty_capacity) {
        log->dirty_capacity = log->dirty_capacity ? log->dirty_capacity * 2 : 64;
        log->dirty = memory_grow(log->dirty, log->dirty_capacity, sizeof(struct segment *));
    }
    log->dirty[log->dirty_count++] = segment;
    segment->dirty_listed = true;
}

uint64_t segments_append(struct segments *log, struct group_log *owner, enum segment_kind kind,
                         uint32_t bytes)
{
    struct segment *segment = owner->tails[kind];
    uint32_t offset;

    if (!segment || segment->size - segment->used < bytes)
        segment = segment_open(log, owner, kind, bytes);
    offset = segment->used;
    segment->used += bytes;
    log->places[segment->id].live += bytes;
    log->live += bytes;
    log->appended += bytes;
    if (kind != SEGMENT_DIRTY)
        segment->sealed = segment->written = segment->used;
    else if (!segment->dirty_listed)
        dirty_add(log, segment);
    return address_make(segment->id, offset);
}

void segments_seal(struct segments *log, struct segment *segment)
{
    struct place *place = &log->places[segment->id];

    CHECK(segment->kind == SEGMENT_DIRTY);
    segment->sealed = segment->used;
    /* Of a tail the rest stays open. Nothing is after `used` yet, so that is where it begins. */
    place->open_from = segment->owner->tails[SEGMENT_DIRTY] == segment ? segment->used : SEALED;
}

void segments_undirty(struct segments *log)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < log->dirty_count; i++) {
        struct segment *segment = log->dirty[i];

        segment->dirty_listed = segment->sealed < segment->used;
        if (segment->dirty_listed)
            log->dirty[kept++] = segment;
    }
    log->dirty_count = kept;
}

static void group_unlink(struct group_log *owner, struct segment *segment)
{
    if (owner->tails[segment->kind] == segment)
        owner->tails[segment->kind] = NULL;
    *(segment->group_prev ? &segment->group_prev->group_next : &owner->first) = segment->group_next;
    *(segment->group_next ? &segment->group_next->group_prev : &owner->last) = segment->group_prev;
    segment->group_next = segment->group_prev = NULL;
    segment->owner = NULL;
}

/* The others keep their order: of two copies of a cell the one that is sealed later counts. */
static void dirty_remove(struct segments *log, const struct segment *segment)
{
    uint32_t at = log->dirty_count;

    while (at > 0 && log->dirty[at - 1] != segment)
        at--;
    CHECK(at > 0);
    memmove(log->dirty + at - 1, log->dirty + at,
            (log->dirty_count - at) * sizeof(struct segment *));
    log->dirty_count--;
}

void segments_free(struct segments *log, struct segment *segment)
{
    struct place *place = &log->places[segment->id];

    CHECK(!segment->busy);
    if (segment->dirty_listed)
        dirty_remove(log, segment);
    if (segment->owner)
        group_unlink(segment->owner, segment);
    *(segment->prev ? &segment->prev->next : &log->first) = segment->next;
    *(segment->next ? &segment->next->prev : &log->last) = segment->prev;
    if (segment->size == log->segment_max && log->pool_count < POOL_MAX) {
        log->pool[log->pool_count++] = place->data;
    } else {
        data_unmap(place->data, segment->size);
        log->bytes -= segment->size;
    }
    log->live -= place->live;
    log->marks -= segment->marks;
    *place = (struct place){0};
    log->segments[segment->id] = NULL;
    log->unused[log->unused_count++] = segment->id;
    memory_free(segment);
}

void segments_orphan(struct segments *log, struct segment *segment)
{
    struct place *place = &log->places[segment->id];

    log->live -= place->live;
    place->live = 0;
    log->marks -= segment->marks;
    segment->marks = 0;
    if (segment->dirty_listed)
        dirty_remove(log, segment);
    segment->dirty_listed = false;
    group_unlink(segment->owner, segment);
    if (!segment->busy)
        segments_free(log, segment);
}

void segments_unbusy(struct segments *log, struct segment *segment)
{
    CHECK(segment->busy);
    segment->busy--;
    if (!segment->busy && !segment->owner)
        segments_free(log, segment);
}
