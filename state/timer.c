/* Timers: a cell a key holds the due time. A line holds what comes in order of time or nearly so, as most
 * does where rows come by time: it is entered at its end and left at its beginning. A heap orders the
 * others: each level of it may be a miss of the cache. A timer that moves to a later time,
 * which is what most do at every event, touches only its cell: the entry that comes up too early
 * is put back. An entry names its cell by the key's hash, since cells move. A timer that begins and
 * ends between two barriers leaves nothing: no file knows of it. */
#include "state/internal.h"

#define BLOCK_ENTRIES 32u /* whose memory is fetched together */
#define LINE_MOVES 32u    /* places that an entry goes back from the end of the line */

/* Of a function that fetches and does nothing else: gcc leaves out calls of such, as without effect. */
#define FETCH __attribute__((always_inline)) static inline

static bool entry_before(const struct timer_entry *a, const struct timer_entry *b)
{
    return a->time_ms < b->time_ms || (a->time_ms == b->time_ms && a->hash < b->hash);
}

/* Grows the entries of a line or a heap. */
static struct timer_entry *entries_grow(struct store *store, struct timer_entry *entries,
                                        uint32_t *capacity)
{
    uint32_t more = *capacity ? *capacity * 2 : 64;

    store->timer_bytes += (uint64_t)(more - *capacity) * sizeof(*entries);
    *capacity = more;
    return memory_grow(entries, more, sizeof(*entries));
}

static struct timer_entry *line_at(const struct timer_line *line, uint32_t place)
{
    return &line->ring[(line->head + place) & (line->capacity - 1)];
}

/* Makes room at the end; what the ring's end cut in two is put together. */
static void line_room(struct store *store, struct timer_line *line)
{
    uint32_t old = line->capacity;

    if (line->count < old)
        return;
    line->ring = entries_grow(store, line->ring, &line->capacity);
    if (line->head)
        memcpy(line->ring + old, line->ring, line->head * sizeof(line->ring[0]));
}

/* Whether an entry is not later than the last one by more than LINE_MOVES mean steps: else it would stand in
 * the way of those between. */
static bool line_near(const struct timer_line *line, int64_t time_ms)
{
    uint64_t first_ms, last_ms;

    if (line->count < LINE_MOVES)
        return true;
    first_ms = (uint64_t)line_at(line, 0)->time_ms;
    last_ms = (uint64_t)line_at(line, line->count - 1)->time_ms;
    return time_ms <= (int64_t)last_ms ||
           ((uint64_t)time_ms - last_ms) / LINE_MOVES <= (last_ms - first_ms) / line->count;
}

/* False: it comes before the last LINE_MOVES, or far behind. */
static bool line_put(struct store *store, struct timer_line *line, struct timer_entry entry)
{
    uint32_t place = line->count;

    while (place > 0 && line->count - place <= LINE_MOVES &&
           entry_before(&entry, line_at(line, place - 1)))
        place--;
    if (line->count - place > LINE_MOVES || !line_near(line, entry.time_ms))
        return false;
    line_room(store, line);
    for (uint32_t i = line->count++; i > place; i--)
        *line_at(line, i) = *line_at(line, i - 1);
    *line_at(line, place) = entry;
    return true;
}

static struct timer_entry line_take(struct timer_line *line)
{
    struct timer_entry first = *line_at(line, 0);

    line->head = (line->head + 1) & (line->capacity - 1);
    line->count--;
    return first;
}

static void heap_push(struct store *store, struct state_info *state, struct timer_entry entry)
{
    uint32_t at = state->timer_count;

    if (at == state->timer_capacity)
        state->timers = entries_grow(store, state->timers, &state->timer_capacity);
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

static void entry_put(struct store *store, struct state_info *state, struct timer_entry entry)
{
    if (!line_put(store, &state->line, entry))
        heap_push(store, state, entry);
}

static bool line_leads(const struct state_info *state)
{
    return state->line.count &&
           (!state->timer_count || !entry_before(&state->timers[0], line_at(&state->line, 0)));
}

/* NULL: there is none. */
static const struct timer_entry *entry_first(const struct state_info *state)
{
    if (line_leads(state))
        return line_at(&state->line, 0);
    return state->timer_count ? &state->timers[0] : NULL;
}

static struct timer_entry entry_pop(struct state_info *state)
{
    return line_leads(state) ? line_take(&state->line) : heap_pop(state);
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
    entry_put(store, state, (struct timer_entry){timer->due_ms, hash});
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
FETCH void home_fetch(const struct state_info *state, uint64_t hash)
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
    const struct timer_entry *first = entry_first(&store->states[at]);

    return first ? first->time_ms : INT64_MAX;
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

FETCH void cell_fetch(const struct store *store, const struct state_info *state, uint64_t hash)
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

/* The first entries up to a time. */
static uint32_t block_pop(const struct store *store, struct state_info *state, int64_t until_ms,
                          struct timer_entry *block, uint32_t max)
{
    const struct timer_entry *first;
    uint32_t count = 0;

    while (count < max && (first = entry_first(state)) && first->time_ms <= until_ms) {
        block[count] = entry_pop(state);
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
    const struct timer_entry *first;
    uint32_t count = 0;

    CHECK(state->def->kind == STORE_TIMER);
    while (count < max && (first = entry_first(state)) && first->time_ms <= until_ms) {
        uint32_t want = max - count < BLOCK_ENTRIES ? max - count : BLOCK_ENTRIES;
        uint32_t have = block_pop(store, state, until_ms, block, want), i = 0;

        /* What was moved to a time before the rest of the block comes before it. */
        for (; i < have && (!(first = entry_first(state)) || !entry_before(first, &block[i])); i++)
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
    store->timer_bytes -=
        ((uint64_t)state->timer_capacity + state->line.capacity) * sizeof(*state->timers);
    memory_free(state->timers);
    memory_free(state->line.ring);
    state->timers = NULL;
    state->line = (struct timer_line){0};
}
