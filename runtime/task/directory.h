/* directory: the keys of a replica by hash, in open addressing from the first entry of a cache line on, at
 * most a third full. One writer; readers look without locks, and may go on in one that has been replaced. */
#ifndef MILLRACE_TASK_DIRECTORY_H
#define MILLRACE_TASK_DIRECTORY_H

#include "runtime/task/versions.h"

#define DIRECTORY_MIN 256u

/* One key, published by `versions`; half a cache line. The newest row stands here too, as most readers
 * are at it: of its version, or of an older one while the writer is in between. */
struct entry {
    _Alignas(32) _Atomic uint64_t hash;
    struct versions *_Atomic versions;      /* NULL: free */
    const struct table_row *_Atomic newest; /* NULL: see `versions` */
    _Atomic int64_t newest_version;
};

struct directory {
    struct retired retired; /* first */
    uint32_t mask;
    _Alignas(64) struct entry entries[];
};

struct directory *directory_create(uint32_t entries); /* a power of two; memory_free it */
/* The entry of a hash, or the free one where it would be. The writer's. */
struct entry *entry_place(struct directory *directory, uint64_t hash);
/* Entries with rows that have not all left. The writer's. */
uint32_t directory_left(const struct directory *directory);
/* Puts a row in the place of the newest (NULL: none is left), before what it follows is retired. The
 * writer's. */
void entry_set_newest(struct entry *entry, const struct table_row *row);
/* What is seen of a key, or NULL. Any reader's. */
const struct table_row *directory_find(const struct directory *directory, const struct view *view,
                                       uint64_t hash);
/* The same for many, so that their cache misses overlap. */
void directory_find_many(const struct directory *directory, const struct view *view,
                         const uint64_t *hashes, uint32_t count, const struct table_row **rows);

#endif
