/* Memory back from cells that are dead (replaced by a newer copy), removed or expired. The victim's live
 * cells are copied, some at a call, to where clean cells go, or dirty ones if it is not written
 * yet; then it is freed. At most about a half of the log is dead. */
#include "state/evict.h"
#include "state/internal.h"

#define STEP_BYTES (192u << 10)   /* of victims, walked a call at the least: some 100 us */
#define STEP_BYTES_MAX (8u << 20) /* and at the most */
#define WALKED_A_BYTE 2u          /* that was written: of a victim about a half is dead */
#define LOOK_AHEAD 32u
#define STEPS_MAX 3u          /* of eviction a call */
#define DEAD_SLACK (4u << 20) /* bytes that may always be dead */
#define SHARE_MAX 75u         /* percent live, above which a segment is not worth the copy */

/* Marks of removed cells are needed as long as the spill store may have an older cell. */
static bool marks_go(const struct store *store)
{
    return !store->config.memory_bytes;
}

bool compact_wanted(const struct store *store)
{
    uint64_t bytes = store->log.bytes, live = store->log.live, slack = DEAD_SLACK;

    if (marks_go(store))
        live -= store->log.marks;
    if (store->config.memory_bytes && slack > store->config.memory_bytes / 16)
        slack = store->config.memory_bytes / 16;
    return bytes > live * 2 + slack;
}

static bool is_expired(const struct segment *segment, int64_t watermark_ms)
{
    const struct state_info *state = segment->owner->group->state;
    int64_t age;

    return state->shape.stamp && segment->stamp_max != INT64_MIN && watermark_ms != INT64_MIN &&
           !__builtin_sub_overflow(watermark_ms, segment->stamp_max, &age) &&
           age >= state->def->ttl_ms;
}

static bool is_candidate(const struct segment *segment)
{
    return segment->owner && !segment->busy && segment->kind != SEGMENT_SETTLED &&
           !segment->owner->group->scanned && segment->owner->tails[segment->kind] != segment;
}

/* The first that has expired, or, when too much is dead, the one with the least that lives. */
static struct segment *victim_find(struct store *store)
{
    int64_t watermark_ms = atomic_load_explicit(&store->watermark_ms, memory_order_relaxed);
    bool wanted = compact_wanted(store);
    struct segment *best = NULL;
    uint64_t best_share = SHARE_MAX;

    if (!wanted && watermark_ms == store->expired_ms)
        return NULL;
    for (struct segment *segment = store->log.first; segment; segment = segment->next) {
        uint64_t share;

        if (!is_candidate(segment))
            continue;
        if (is_expired(segment, watermark_ms))
            return segment;
        share = store->log.places[segment->id].live;
        if (marks_go(store) && segment->written == segment->used)
            share -= segment->marks;
        share = share * 100 / segment->size;
        if (wanted && share < best_share) {
            best = segment;
            best_share = share;
        }
    }
    store->expired_ms = watermark_ms;
    return best;
}

/* A copy keeps a cell's state: clean or dirty, stamp and all. */
static void cell_keep(struct store *store, struct group *group, uint64_t *slot,
                      enum segment_kind kind)
{
    const struct shape *shape = &group->state->shape;
    uint64_t old = *slot & ADDRESS_MASK, address;
    uint32_t bytes = cell_bytes(segments_cell(&store->log, old), shape);
    struct cell *cell;

    address = segments_append(&store->log, &group->log, kind, bytes);
    cell = segments_cell(&store->log, address);
    memcpy(cell, segments_cell(&store->log, old), bytes);
    cell->bits =
        cell_bits(cell_size(cell), cell_key_size(cell), cell_flags(cell) & ~(uint32_t)CELL_BORN);
    if (segments_open(&store->log, old)) {
        struct cell *dead = segments_cell(&store->log, old);

        dead->bits = cell_bits(cell_size(dead), cell_key_size(dead), CELL_DEAD);
    }
    segments_forget(&store->log, old, bytes);
    if (cell_flags(cell) & CELL_DELETED) {
        segments_unmark(&store->log, old, bytes);
        segments_mark(&store->log, address, bytes);
    }
    slot_set(slot, address);
    if (shape->stamp) {
        struct segment *segment = group->log.tails[kind];

        if (*cell_stamp(cell, shape) > segment->stamp_max)
            segment->stamp_max = *cell_stamp(cell, shape);
    }
}

static bool cell_useless(const struct store *store, const struct group *group,
                         const struct cell *cell, bool clean)
{
    const struct state_info *state = group->state;
    int64_t watermark_ms = atomic_load_explicit(&store->watermark_ms, memory_order_relaxed), age;

    if ((cell_flags(cell) & CELL_DELETED) && clean && !state->spilled && !store->eviction)
        return true; /* the files know that it is gone, and no older one is on its way out */
    return state->shape.stamp && watermark_ms != INT64_MIN &&
           !__builtin_sub_overflow(watermark_ms, *cell_stamp(cell, &state->shape), &age) &&
           age >= state->def->ttl_ms;
}

static void move_cell(struct store *store, struct segment *victim, const struct cell *cell,
                      uint64_t hash)
{
    struct group *group = victim->owner->group;
    uint32_t offset = (uint32_t)((const uint8_t *)cell - store->log.places[victim->id].data);
    uint64_t address = address_make(victim->id, offset);
    uint64_t *slot = index_at(&group->index, hash, address);
    bool clean = victim->written == victim->used;

    if (!slot)
        return;
    if (!cell_useless(store, group, cell, clean)) {
        cell_keep(store, group, slot, clean ? SEGMENT_CLEAN : SEGMENT_DIRTY);
        return;
    }
    index_remove(&group->index, hash, slot);
    segments_forget(&store->log, address, cell_bytes(cell, &group->state->shape));
    if (cell_flags(cell) & CELL_DELETED)
        segments_unmark(&store->log, address, cell_bytes(cell, &group->state->shape));
}

static void move_some(struct store *store, struct segment *victim, const struct cell *const *cells,
                      uint32_t count)
{
    const struct group *group = victim->owner->group;
    uint64_t hashes[LOOK_AHEAD];

    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = cell_hash(cells[i], &group->state->shape);
        if (group->index.tables)
            __builtin_prefetch(index_home(index_table(&group->index, hashes[i]), hashes[i]));
    }
    for (uint32_t i = 0; i < count; i++)
        move_cell(store, victim, cells[i], hashes[i]);
}

/* At most so many bytes. Returns how many. */
static uint32_t victim_walk(struct store *store, uint32_t most)
{
    struct segment *victim = store->compacting;
    const struct shape *shape = &victim->owner->group->state->shape;
    const uint8_t *data = store->log.places[victim->id].data;
    uint32_t begin = store->compact_at, stop = victim->used;
    const struct cell *some[LOOK_AHEAD];
    uint32_t count = 0;

    if (stop - begin > most)
        stop = begin + most;
    while (store->compact_at < stop) {
        const struct cell *cell = (const struct cell *)(data + store->compact_at);

        store->compact_at += cell_bytes(cell, shape);
        if (!(cell_flags(cell) & CELL_DEAD))
            some[count++] = cell;
        if (count == LOOK_AHEAD || store->compact_at >= stop) {
            move_some(store, victim, some, count);
            count = 0;
        }
    }
    return store->compact_at - begin;
}

static bool victim_choose(struct store *store)
{
    struct segment *victim = store->compacting;

    if (victim && (victim->busy || !is_candidate(victim)))
        victim = NULL; /* a barrier or an eviction was faster */
    if (!victim) {
        victim = victim_find(store);
        store->compact_at = 0;
    }
    store->compacting = victim;
    return victim;
}

static bool victim_lives(const struct store *store)
{
    return store->log.places[store->compacting->id].live;
}

static void victim_free(struct store *store)
{
    struct segment *victim = store->compacting;
    struct group *group = victim->owner->group;
    uint32_t cursor = 0;

    store->compacting = NULL;
    segments_free(&store->log, victim);
    if (group->index.tables)
        index_shrink(&group->index, &cursor, 1);
}

/* It follows what was written since the last call: else the log grows without bound where each row
 * writes a large cell. */
static uint32_t step_bytes(const struct store *store)
{
    uint64_t written = store->log.appended - store->compacted_to;

    return written < (STEP_BYTES_MAX - STEP_BYTES) / WALKED_A_BYTE
               ? STEP_BYTES + (uint32_t)written * WALKED_A_BYTE
               : STEP_BYTES_MAX;
}

void compact_step(struct store *store)
{
    uint32_t left = step_bytes(store);

    while (left > 0 && victim_choose(store)) {
        uint32_t cost = victim_lives(store) ? victim_walk(store, left) : 0;

        if (!victim_lives(store))
            victim_free(store);
        cost = cost > STEP_BYTES ? cost : STEP_BYTES; /* to find and to free one is work, too */
        left -= cost < left ? cost : left;
    }
    store->compacted_to = store->log.appended; /* with its own copies */
}

/* Past the budget the slot waits, but for jobs alone: steps of its own are taken a few at a call,
 * and the waker is woken for the next ones. */
static enum store_result evict_some(struct store *store)
{
    enum store_result result = STORE_READY;

    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        bool idle = !store->eviction;

        if (idle && compact_wanted(store))
            compact_step(store);
        result = evict_step(store);
        if (result != STORE_READY || !evict_pressed(store) || (idle && !store->eviction))
            return result;
    }
    waker_wake(store->config.waker);
    return STORE_LOADING;
}

enum store_result store_maintain(struct store *store, struct error *err)
{
    enum store_result result = STORE_FAILED;

    if (delta_drive(store) && base_drive(store) && runs_drive(store)) {
        pages_drive(store);
        compact_step(store);
        result = store->config.memory_bytes ? evict_some(store) : STORE_READY;
    }
    if (result == STORE_FAILED)
        *err = store->err;
    return result;
}
