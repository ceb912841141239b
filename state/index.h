/* index: open-addressing hash tables from key hashes to addresses of cells, under a directory
 * (extendible hashing; Fagin et al. 1979): growth splits one table of 4,096 slots at a time, some
 * 50 us, so that no insert stalls. A slot is 8 bytes:
 *
 *   63 .. 41  tag: bits 20 to 42 of the hash; its low 12 bits are the home in the table
 *   40 .. 0   address of the cell; 0: the slot is empty
 *
 * The directory takes the lowest bits of the hash; key groups take the highest, which are alike
 * within a subtask. Removal shifts back, so there are no tombstones. Owner's thread only. */
#ifndef MILLRACE_STATE_INDEX_H
#define MILLRACE_STATE_INDEX_H

#include "state/segments.h"

#define INDEX_TABLE_SLOTS 4096u
#define INDEX_TABLE_SLOTS_MIN 16u
#define INDEX_DEPTH_MAX 20u
#define ADDRESS_MASK ((UINT64_C(1) << ADDRESS_BITS) - 1)

struct index_table {
    uint32_t mask, count, depth, limit;
    uint64_t slots[];
};

struct index_slabs; /* tables carved from large pieces, for stores without a budget */
#define INDEX_SLAB_SIZE (2ul << 20)

struct index {
    struct index_table **tables; /* 2^depth; NULL: empty */
    uint32_t depth;
    uint32_t changes; /* counted whenever slots move */
    uint64_t count;
    struct index_slabs *slabs; /* NULL: from the heap */
    uint64_t *bytes;           /* account of all indices of a store */
};

struct index_slabs *index_slabs_create(void);
void index_slabs_close(struct index_slabs *slabs); /* NULL is fine */
/* Whether the next slab should be made ready, and one that was (aligned, mapped; moves in). */
bool index_slabs_wanted(const struct index_slabs *slabs);
void index_slabs_give(struct index_slabs *slabs, void *slab);

void index_init(struct index *index, struct index_slabs *slabs, uint64_t *bytes);
void index_clear(struct index *index);

static inline uint64_t hash_tag(uint64_t hash)
{
    return hash >> 20 & ((1u << 23) - 1);
}

static inline struct index_table *index_table(const struct index *index, uint64_t hash)
{
    return index->tables[hash & ((1u << index->depth) - 1)];
}

static inline const uint64_t *index_home(const struct index_table *table, uint64_t hash)
{
    return &table->slots[hash_tag(hash) & table->mask];
}

/* The first slot at or after `slot` with this tag, or the empty slot that ends the search. */
static inline uint64_t *index_probe(struct index_table *table, uint32_t slot, uint64_t tag)
{
    while (table->slots[slot] && table->slots[slot] >> ADDRESS_BITS != tag)
        slot = (slot + 1) & table->mask;
    return &table->slots[slot];
}

/* NULL when absent. */
uint64_t *index_find(const struct index *index, const struct segments *log,
                     const struct shape *shape, const struct probe *probe);
/* The slot that points to just this address; NULL: none does. */
uint64_t *index_at(const struct index *index, uint64_t hash, uint64_t address);
/* Adds a cell whose key is absent; `log` and `shape` for the cells that a split must look at. */
void index_add(struct index *index, const struct segments *log, const struct shape *shape,
               uint64_t hash, uint64_t address);
void index_remove(struct index *index, uint64_t hash, uint64_t *slot);
/* Joins tables that are nearly empty, at most `tables` looked at from *cursor on. */
void index_shrink(struct index *index, uint32_t *cursor, uint32_t tables);

static inline void slot_set(uint64_t *slot, uint64_t address)
{
    *slot = (*slot & ~ADDRESS_MASK) | address;
}

#endif
