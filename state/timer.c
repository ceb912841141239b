/* Timers: a cell a key holds the due time, a heap orders them. A timer that moves to a later time,
 * which is what most do at every event, touches only its cell: the entry that comes up too early
 * is put back. An entry names its cell by the key's hash, since cells move. A timer that begins and
 * ends between two barriers leaves nothing: no file knows of it. */
#include "state/internal.h"

#define BLOCK_ENTRIES 32u /* whose memory is fetched together */

static bool entry_before(const struct timer_entry *a, const struct timer_entry *b)
{
    return a->time_ms < b->time_ms || (a->time_ms == b->time_ms && a->hash < b->hash);
}

static void heap_push(struct store *store, struct state_info *state, struct timer_entry entry)
{
    uint32_t at = state->timer_count;

    if (at == state->timer_capacity) {
        uint32_t capacity = at ? at * 2 : 64;

        store->timer_bytes += (uint64_t)(capacity - at) * sizeof(entry);
        state->timers = memory_grow(state->timers, capacity, sizeof(entry));
        state->timer_capacity = capacity;
    }
    for (; at > 0 && entry_before(&entry, &state->timers[(at - 1) / 4]); at = (at - 1) / 4)
        state->timers[at] = state->timers[(at - 1) / 4];
    state->timers[at] = entry;
    state->timer_count++;
}

static struct timer_entry heap_pop(struct state_info *state)
{
    struct timer_entry first = state->timers[0], last = state->timers[--state->timer_count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = at * 4 + 1, best = child;

        if (child >= state->timer_count)
            break;
        for (uint32_t i = child + 1; i < child + 4 && i < state->timer_count; i++)
            if (entry_before(&state->timers[i], &state->timers[best]))
                best = i;
        if (!entry_before(&state->timers[best], &last))
            break;
        state->timers[at] = state->timers[best];
        at = best;
    }
    state->timers[at] = last;
    return first;
}

static struct timer_cell *timer_of(const struct state_info *state, const struct cell *cell)
{
    return cell_value(cell, &state->shape);
}

static void timer_queue(struct store *store, struct state_info *state, struct cell *cell,
                        uint64_t hash)
{
    struct timer_cell *timer = timer_of(state, cell);

    if (timer->queued_ms <= timer->due_ms)
        return;
    timer->queued_ms = timer->due_ms;
    heap_push(store, state, (struct timer_entry){timer->due_ms, hash});
}

static struct cell *timer_open(struct store *store, struct state_info *state, uint64_t *slot)
{
    uint64_t address = *slot & ADDRESS_MASK;

    return segments_open(&store->log, address) ? segments_cell(&store->log, address)
                                               : group_copy(store, state->group, slot);
}

/* What no file knows of leaves at once (its bytes hold until the segment is freed); otherwise a mark
 * stays until a file has it. */
static void timer_end(struct store *store, struct state_info *state, uint64_t *slot,
                      struct cell *cell, uint64_t hash)
{
    uint64_t address = *slot & ADDRESS_MASK;
    uint32_t bytes = cell_bytes(cell, &state->shape), flags = cell_flags(cell);

    timer_of(state, cell)->due_ms = INT64_MAX;
    if (flags & CELL_BORN) {
        segments_forget(&store->log, address, bytes);
        index_remove(&state->group->index, hash, slot);
    } else if (!(flags & CELL_DELETED)) {
        segments_mark(&store->log, address, bytes);
    }
    cell->bits = cell_bits(sizeof(struct timer_cell), cell_key_size(cell),
                           flags & CELL_BORN ? CELL_DEAD : CELL_DELETED);
}

bool store_timer_set(struct store *store, uint32_t at, const struct key *key, int64_t due_ms,
                     struct error *err)
{
    struct state_info *state = &store->states[at];
    struct probe probe = {.key = key->data, .key_size = key->size, .hash = key->hash};
    uint64_t *slot;
    struct cell *cell;

    CHECK(at < store->config.state_count && state->def->kind == STORE_TIMER);
    if (store->failed) {
        *err = store->err;
        return false;
    }
    slot = index_find(&state->group->index, &store->log, &state->shape, &probe);
    if (slot && timer_of(state, segments_cell(&store->log, *slot & ADDRESS_MASK))->due_ms == due_ms)
        return true;
    if (!slot && due_ms == INT64_MAX)
        return true;
    if (slot) {
        cell = timer_open(store, state, slot);
    } else {
        cell = group_add(store, state->group, &probe, state->cell_size);
        cell->bits = cell_bits(state->cell_size, key->size, CELL_BORN);
        timer_of(state, cell)->queued_ms = INT64_MAX;
    }
    if (due_ms == INT64_MAX) {
        timer_end(store, state, slot, cell, key->hash);
        return true;
    }
    if (slot && cell_flags(cell) & CELL_DELETED)
        segments_unmark(&store->log, *slot & ADDRESS_MASK, cell_bytes(cell, &state->shape));
    cell->bits = cell_bits(state->cell_size, key->size, cell_flags(cell) & CELL_BORN);
    timer_of(state, cell)->due_ms = due_ms;
    timer_queue(store, state, cell, key->hash);
    return true;
}

/* Starts the read of an entry's slot, and once that is there, of its cell: those of many entries
 * overlap. */
static void home_fetch(const struct state_info *state, uint64_t hash)
{
    const struct index *index = &state->group->index;

    if (index->tables)
        __builtin_prefetch(index_home(index_table(index, hash), hash));
}

void store_timer_fetch(const struct store *store, uint32_t at, uint64_t hash)
{
    home_fetch(&store->states[at], hash);
}

int64_t store_timer_next(const struct store *store, uint32_t at)
{
    const struct state_info *state = &store->states[at];

    return state->timer_count ? state->timers[0].time_ms : INT64_MAX;
}

/* The cell that this entry was pushed for; NULL: it has been given up. */
static uint64_t *entry_slot(struct store *store, struct state_info *state,
                            const struct timer_entry *entry)
{
    const struct index *index = &state->group->index;
    uint64_t tag = hash_tag(entry->hash), *slot;
    struct index_table *table;

    if (!index->tables)
        return NULL;
    table = index_table(index, entry->hash);
    slot = index_probe(table, (uint32_t)tag & table->mask, tag);
    while (*slot) {
        const struct cell *cell = segments_cell(&store->log, *slot & ADDRESS_MASK);

        if (timer_of(state, cell)->queued_ms == entry->time_ms &&
            cell_key_hash(cell) == entry->hash)
            return slot;
        slot = index_probe(table, (uint32_t)(slot - table->slots + 1) & table->mask, tag);
    }
    return NULL;
}

static void cell_fetch(const struct store *store, const struct state_info *state, uint64_t hash)
{
    const struct index *index = &state->group->index;
    uint64_t tag = hash_tag(hash), slot;
    struct index_table *table;

    if (!index->tables)
        return;
    table = index_table(index, hash);
    slot = *index_probe(table, (uint32_t)tag & table->mask, tag);
    if (slot)
        __builtin_prefetch(segments_cell(&store->log, slot & ADDRESS_MASK), 1);
}

/* The first entries up to a time, taken off the heap. */
static uint32_t block_pop(const struct store *store, struct state_info *state, int64_t until_ms,
                          struct timer_entry *block, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && state->timer_count && state->timers[0].time_ms <= until_ms) {
        block[count] = heap_pop(state);
        home_fetch(state, block[count++].hash);
    }
    for (uint32_t i = 0; i < count; i++)
        cell_fetch(store, state, block[i].hash);
    return count;
}

/* Tells whether the entry's timer is due; otherwise it was given up, or goes where it was moved to. */
static bool entry_take(struct store *store, struct state_info *state,
                       const struct timer_entry *entry, struct key *key)
{
    uint64_t *slot = entry_slot(store, state, entry);
    struct timer_cell *timer;
    struct cell *cell;

    if (!slot)
        return false;
    cell = timer_open(store, state, slot);
    timer = timer_of(state, cell);
    timer->queued_ms = INT64_MAX;
    if (timer->due_ms != entry->time_ms) {
        if (timer->due_ms != INT64_MAX)
            timer_queue(store, state, cell, entry->hash);
        return false;
    }
    *key = (struct key){cell->bytes, cell_key_size(cell), entry->hash};
    timer_end(store, state, slot, cell, entry->hash);
    return true;
}

uint32_t store_timer_take(struct store *store, uint32_t at, int64_t until_ms, struct key *keys,
                          int64_t *times, uint32_t max)
{
    struct state_info *state = &store->states[at];
    struct timer_entry block[BLOCK_ENTRIES];
    uint32_t count = 0;

    CHECK(state->def->kind == STORE_TIMER);
    while (count < max && store_timer_next(store, at) <= until_ms && state->timer_count) {
        uint32_t want = max - count < BLOCK_ENTRIES ? max - count : BLOCK_ENTRIES;
        uint32_t have = block_pop(store, state, until_ms, block, want), i = 0;

        /* What was moved to a time before the rest of the block comes before it. */
        for (; i < have && (!state->timer_count || !entry_before(&state->timers[0], &block[i]));
             i++)
            if (entry_take(store, state, &block[i], &keys[count]))
                times[count++] = block[i].time_ms;
        for (; i < have; i++)
            heap_push(store, state, block[i]);
    }
    return count;
}

void timer_restored(struct store *store, struct state_info *state, struct cell *cell)
{
    timer_of(state, cell)->queued_ms = INT64_MAX;
    timer_queue(store, state, cell, cell_key_hash(cell));
}

void timer_close(struct store *store, struct state_info *state)
{
    store->timer_bytes -= (uint64_t)state->timer_capacity * sizeof(*state->timers);
    memory_free(state->timers);
    state->timers = NULL;
}
