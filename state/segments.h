/* segments: the memory of cells. Segments of 4 KiB to 2 MiB; a cell's address is (segment, offset) in
 * 41 bits. Each segment belongs to one group: a state, or one pane of a state, so that a pane dies
 * by whole segments.
 *
 * Cells at or past `open_from` of their segment change in place. Sealing raises it: nothing below
 * ever changes again, and other threads may read it. `written` is how far a segment is in files;
 * a segment whose every byte is written is clean and may leave. Owner's thread only, but for the
 * bytes of sealed cells. */
#ifndef MILLRACE_STATE_SEGMENTS_H
#define MILLRACE_STATE_SEGMENTS_H

#include "state/cell.h"

#define ADDRESS_OFFSET_BITS 18 /* offset in units of 8 bytes */
#define ADDRESS_BITS 41
#define SEGMENT_SIZE_MAX (1u << (ADDRESS_OFFSET_BITS + 3))
#define SEGMENTS_MAX (1u << (ADDRESS_BITS - ADDRESS_OFFSET_BITS))
#define SEGMENT_SIZE_MIN 4096u
#define SEALED UINT32_MAX

struct group;

struct group_log {       /* the segments of one group */
    struct group *group; /* whose these are */
    struct segment *first, *last;
    struct segment *tails[3]; /* by kind: where the next cell goes; NULL: nowhere yet */
    uint32_t size_next;
};

struct place { /* what a look-up needs of a segment; by segment number */
    uint8_t *data;
    uint32_t open_from;
    uint32_t live; /* bytes of cells that the index still points to */
};

enum segment_kind {                  /* places in group_log.tails */
                    SEGMENT_DIRTY,   /* takes new cells */
                    SEGMENT_CLEAN,   /* takes copies of cells that are in files already */
                    SEGMENT_SETTLED, /* sorted cells of a restored pane; not in the index */
};

struct segment {
    uint32_t id, size, used;
    uint32_t sealed;  /* what is before never changes */
    uint32_t written; /* what is before is in files */
    uint32_t busy;    /* queued or running jobs that read it */
    uint32_t marks;   /* live bytes that go once they are in files: marks of removed cells */
    enum segment_kind kind;
    bool dirty_listed;           /* in segments.dirty */
    int64_t stamp_max;           /* latest use of an expiring cell */
    struct group_log *owner;     /* NULL: its group was dropped, it waits for its jobs */
    struct segment *next, *prev; /* of all, in order of opening */
    struct segment *group_next, *group_prev; /* of its group */
};

struct segments {
    struct place *places; /* [0] is unused */
    struct segment **segments;
    uint32_t count, capacity; /* of places */
    uint32_t *unused;         /* numbers to use again */
    uint32_t unused_count;
    struct segment *first, *last;
    struct segment **dirty; /* with cells that are not sealed */
    uint32_t dirty_count, dirty_capacity;
    uint32_t segment_max;
    void *pool[8]; /* memory for segments of the largest size */
    uint32_t pool_count;
    uint64_t bytes;    /* allocated, with the pool */
    uint64_t live;     /* bytes of live cells */
    uint64_t appended; /* bytes of cells, ever */
    uint64_t marks;    /* of them, marks of removed cells */
};

void segments_init(struct segments *log, uint32_t segment_max);
void segments_clear(struct segments *log);

static inline uint64_t address_make(uint32_t segment, uint32_t offset)
{
    return (uint64_t)segment << ADDRESS_OFFSET_BITS | offset >> 3;
}

static inline uint32_t address_segment(uint64_t address)
{
    return (uint32_t)(address >> ADDRESS_OFFSET_BITS) & (SEGMENTS_MAX - 1);
}

static inline uint32_t address_offset(uint64_t address)
{
    return (uint32_t)(address & ((1u << ADDRESS_OFFSET_BITS) - 1)) << 3;
}

static inline struct cell *segments_cell(const struct segments *log, uint64_t address)
{
    return (struct cell *)(log->places[address_segment(address)].data + address_offset(address));
}

static inline bool segments_open(const struct segments *log, uint64_t address)
{
    return address_offset(address) >= log->places[address_segment(address)].open_from;
}

/* Memory for the next large segment, made elsewhere (pages.c). It counts from now on. False:
 * there is enough; the caller keeps it. */
bool segments_give(struct segments *log, void *data);

/* Room for a cell of `bytes` in the group's dirty or clean tail; the cell counts as live. */
uint64_t segments_append(struct segments *log, struct group_log *owner, enum segment_kind kind,
                         uint32_t bytes);

/* The cell at `address` is no longer pointed to. */
static inline void segments_forget(struct segments *log, uint64_t address, uint32_t bytes)
{
    log->places[address_segment(address)].live -= bytes;
    log->live -= bytes;
}

/* The live cell at `address` is a mark of a removed one from now on, or no longer. It only tells where
 * compaction is worth while. */
static inline void segments_mark(struct segments *log, uint64_t address, uint32_t bytes)
{
    log->segments[address_segment(address)]->marks += bytes;
    log->marks += bytes;
}

static inline void segments_unmark(struct segments *log, uint64_t address, uint32_t bytes)
{
    struct segment *segment = log->segments[address_segment(address)];

    bytes = bytes < segment->marks ? bytes : segment->marks;
    segment->marks -= bytes;
    log->marks -= bytes;
}

/* Makes what the segment holds immutable. */
void segments_seal(struct segments *log, struct segment *segment);
/* Takes sealed segments off the list of dirty ones. */
void segments_undirty(struct segments *log);
/* Frees a segment that no job reads and nothing points to. */
void segments_free(struct segments *log, struct segment *segment);
/* Takes a segment out of its group (a pane was dropped): freed now, or by segments_unbusy. */
void segments_orphan(struct segments *log, struct segment *segment);
void segments_unbusy(struct segments *log, struct segment *segment);

#endif
