/* See index.h. */
#include "state/index.h"

#include "runtime/base/memory.h"

#include <sys/mman.h>

#define LOOK_AHEAD 32u /* cells fetched at once while a table is split */
#define TABLE_SIZE_MAX (sizeof(struct index_table) + INDEX_TABLE_SLOTS * sizeof(uint64_t))
#define SLAB_TABLES (INDEX_SLAB_SIZE / TABLE_SIZE_MAX)

struct index_slabs {
    void **slabs;
    uint32_t count, capacity;
    uint32_t used; /* tables of the last slab */
    void *unused;  /* list through the first word */
    void *ready;   /* the next slab; NULL: none */
};

struct index_slabs *index_slabs_create(void)
{
    return memory_new(sizeof(struct index_slabs));
}

void index_slabs_close(struct index_slabs *slabs)
{
    if (!slabs)
        return;
    for (uint32_t i = 0; i < slabs->count; i++)
        CHECK(munmap(slabs->slabs[i], INDEX_SLAB_SIZE) == 0);
    if (slabs->ready)
        CHECK(munmap(slabs->ready, INDEX_SLAB_SIZE) == 0);
    memory_free(slabs->slabs);
    memory_free(slabs);
}

bool index_slabs_wanted(const struct index_slabs *slabs)
{
    return slabs->count && !slabs->ready && slabs->used > SLAB_TABLES / 4;
}

void index_slabs_give(struct index_slabs *slabs, void *slab)
{
    CHECK(!slabs->ready);
    slabs->ready = slab;
}

static void slab_add(struct index_slabs *slabs)
{
    void *slab = slabs->ready;

    slabs->ready = NULL;
    if (!slab)
        slab =
            mmap(NULL, INDEX_SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(slab != MAP_FAILED); /* out of memory ends the process, as in memory.h */
    if (slabs->count == slabs->capacity) {
        slabs->capacity = slabs->capacity ? slabs->capacity * 2 : 16;
        slabs->slabs = memory_grow(slabs->slabs, slabs->capacity, sizeof(void *));
    }
    slabs->slabs[slabs->count++] = slab;
    slabs->used = 0;
}

static void *slab_take(struct index_slabs *slabs)
{
    void *table = slabs->unused;

    if (table) {
        memcpy(&slabs->unused, table, sizeof(void *));
    } else {
        if (!slabs->count || slabs->used == SLAB_TABLES)
            slab_add(slabs);
        table = (char *)slabs->slabs[slabs->count - 1] + TABLE_SIZE_MAX * slabs->used++;
    }
    return memset(table, 0, TABLE_SIZE_MAX);
}

static void slab_give(struct index_slabs *slabs, void *table)
{
    memcpy(table, &slabs->unused, sizeof(void *));
    slabs->unused = table;
}

static size_t table_size(uint32_t slots)
{
    return sizeof(struct index_table) + slots * sizeof(uint64_t);
}

/* Each table has a limit of its own, between 50 and 85 %: with one limit for all, random keys
 * would fill all tables at the same time, and one batch would have to split a hundred of them. */
static uint32_t table_limit(const struct index_table *table, uint64_t hash)
{
    uint64_t first = hash & ((UINT64_C(1) << table->depth) - 1);

    if (table->mask + 1 < INDEX_TABLE_SLOTS)
        return (table->mask + 1) / 4 * 3;
    return INDEX_TABLE_SLOTS / 2 +
           (uint32_t)(hash_draw(table->depth, first) % (INDEX_TABLE_SLOTS * 35 / 100));
}

static struct index_table *table_new(struct index *index, uint32_t slots, uint32_t depth,
                                     uint64_t hash)
{
    struct index_table *table = index->slabs && slots == INDEX_TABLE_SLOTS
                                    ? slab_take(index->slabs)
                                    : memory_new(table_size(slots));

    table->mask = slots - 1;
    table->depth = depth;
    table->limit = table_limit(table, hash);
    *index->bytes += table_size(slots);
    return table;
}

static void table_free(struct index *index, struct index_table *table)
{
    *index->bytes -= table_size(table->mask + 1);
    if (index->slabs && table->mask + 1 == INDEX_TABLE_SLOTS)
        slab_give(index->slabs, table);
    else
        memory_free(table);
}

void index_init(struct index *index, struct index_slabs *slabs, uint64_t *bytes)
{
    *index = (struct index){.slabs = slabs, .bytes = bytes};
}

void index_clear(struct index *index)
{
    for (uint64_t i = index->tables ? UINT64_C(1) << index->depth : 0; i-- > 0;) {
        struct index_table *table = index->tables[i];

        if (i >> table->depth == 0) /* the first place of those that share it: seen last */
            table_free(index, table);
    }
    if (index->tables)
        *index->bytes -= sizeof(void *) << index->depth;
    memory_free(index->tables);
    *index =
        (struct index){.slabs = index->slabs, .bytes = index->bytes, .changes = index->changes + 1};
}

uint64_t *index_find(const struct index *index, const struct segments *log,
                     const struct shape *shape, const struct probe *probe)
{
    uint64_t tag = hash_tag(probe->hash);
    struct index_table *table;
    uint64_t *slot;

    if (!index->tables)
        return NULL;
    table = index_table(index, probe->hash);
    slot = index_probe(table, (uint32_t)tag & table->mask, tag);
    while (*slot) {
        if (cell_is(segments_cell(log, *slot & ADDRESS_MASK), shape, probe))
            return slot;
        slot = index_probe(table, (uint32_t)(slot - table->slots + 1) & table->mask, tag);
    }
    return NULL;
}

uint64_t *index_at(const struct index *index, uint64_t hash, uint64_t address)
{
    uint64_t wanted = hash_tag(hash) << ADDRESS_BITS | address;
    struct index_table *table;
    uint32_t slot;

    if (!index->tables)
        return NULL;
    table = index_table(index, hash);
    for (slot = (uint32_t)hash_tag(hash) & table->mask; table->slots[slot] != wanted;
         slot = (slot + 1) & table->mask)
        if (!table->slots[slot])
            return NULL;
    return &table->slots[slot];
}

static void table_put(struct index_table *table, uint64_t value)
{
    uint32_t slot = (uint32_t)(value >> ADDRESS_BITS) & table->mask;

    while (table->slots[slot])
        slot = (slot + 1) & table->mask;
    table->slots[slot] = value;
    table->count++;
}

static void table_put_all(struct index_table *into, const struct index_table *from)
{
    for (uint32_t i = 0; i <= from->mask; i++)
        if (from->slots[i])
            table_put(into, from->slots[i]);
}

static void directory_set(struct index *index, uint64_t first, struct index_table *table)
{
    for (uint64_t i = first; i < UINT64_C(1) << index->depth; i += UINT64_C(1) << table->depth)
        index->tables[i] = table;
}

static void directory_double(struct index *index)
{
    size_t count = (size_t)1 << index->depth;

    CHECK(index->depth < INDEX_DEPTH_MAX);
    index->tables = memory_grow(index->tables, count * 2, sizeof(void *));
    memcpy(index->tables + count, index->tables, count * sizeof(void *));
    index->depth++;
    *index->bytes += count * sizeof(void *);
}

/* The bit of the hash that decides is in no slot, so the cells are read, many at a time. */
static void table_split(struct index *index, const struct segments *log, const struct shape *shape,
                        struct index_table *old, uint64_t hash)
{
    uint64_t first = hash & ((UINT64_C(1) << old->depth) - 1), bit = UINT64_C(1) << old->depth;
    struct index_table *halves[2] = {
        table_new(index, INDEX_TABLE_SLOTS, old->depth + 1, first),
        table_new(index, INDEX_TABLE_SLOTS, old->depth + 1, first | bit)};

    if (old->depth == index->depth)
        directory_double(index);
    for (uint32_t i = 0; i < INDEX_TABLE_SLOTS; i += LOOK_AHEAD) {
        for (uint32_t k = i; k < i + LOOK_AHEAD; k++)
            if (old->slots[k])
                __builtin_prefetch(segments_cell(log, old->slots[k] & ADDRESS_MASK));
        for (uint32_t k = i; k < i + LOOK_AHEAD; k++)
            if (old->slots[k]) {
                uint64_t h = cell_hash(segments_cell(log, old->slots[k] & ADDRESS_MASK), shape);

                table_put(halves[(h & bit) != 0], old->slots[k]);
            }
    }
    directory_set(index, first, halves[0]);
    directory_set(index, first | bit, halves[1]);
    table_free(index, old);
}

static void table_grow(struct index *index, struct index_table *old)
{
    struct index_table *table = table_new(index, (old->mask + 1) * 2, old->depth, 0);

    CHECK(index->depth == 0);
    table_put_all(table, old);
    index->tables[0] = table;
    table_free(index, old);
}

void index_add(struct index *index, const struct segments *log, const struct shape *shape,
               uint64_t hash, uint64_t address)
{
    if (!index->tables) {
        index->tables = memory_array(1, sizeof(void *));
        *index->bytes += sizeof(void *);
        index->tables[0] = table_new(index, INDEX_TABLE_SLOTS_MIN, 0, 0);
    }
    /* Once is not enough when all keys of a table fall into one half. */
    for (struct index_table *table = index_table(index, hash); table->count >= table->limit;
         table = index_table(index, hash)) {
        index->changes++;
        if (table->mask + 1 < INDEX_TABLE_SLOTS)
            table_grow(index, table);
        else
            table_split(index, log, shape, table, hash);
    }
    table_put(index_table(index, hash), hash_tag(hash) << ADDRESS_BITS | address);
    index->count++;
}

void index_remove(struct index *index, uint64_t hash, uint64_t *slot)
{
    struct index_table *table = index_table(index, hash);
    uint32_t hole = (uint32_t)(slot - table->slots), next = hole;

    /* Moves back what has its home at or before the hole. */
    while (table->slots[next = (next + 1) & table->mask]) {
        uint32_t home = (uint32_t)(table->slots[next] >> ADDRESS_BITS) & table->mask;

        if (((next - home) & table->mask) < ((next - hole) & table->mask))
            continue;
        table->slots[hole] = table->slots[next];
        hole = next;
    }
    table->slots[hole] = 0;
    table->count--;
    index->count--;
    index->changes++;
}

static void table_join(struct index *index, uint64_t at)
{
    struct index_table *table = index->tables[at], *buddy, *joined;
    uint64_t bit;

    if (!table->depth)
        return;
    bit = UINT64_C(1) << (table->depth - 1);
    buddy = index->tables[at ^ bit];
    if (buddy->depth != table->depth || table->count + buddy->count > INDEX_TABLE_SLOTS / 3)
        return;
    joined = table_new(index, INDEX_TABLE_SLOTS, table->depth - 1, at);
    table_put_all(joined, table);
    table_put_all(joined, buddy);
    directory_set(index, at & (bit - 1), joined);
    table_free(index, table);
    table_free(index, buddy);
    index->changes++;
}

void index_shrink(struct index *index, uint32_t *cursor, uint32_t tables)
{
    if (!index->tables || index->count == 0) {
        index_clear(index);
        return;
    }
    for (uint32_t i = 0; i < tables; i++) {
        *cursor = (*cursor + 1) & ((1u << index->depth) - 1);
        table_join(index, *cursor);
    }
}
