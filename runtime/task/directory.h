/* directory: the keys of a replica by hash, in open addressing, at most half full. One writer; readers
 * look without locks, and may go on in one that has been replaced. */
#ifndef MILLRACE_TASK_DIRECTORY_H
#define MILLRACE_TASK_DIRECTORY_H

#include "runtime/task/versions.h"

#define DIRECTORY_MIN 256u

struct entry { /* one key; published by `versions` */
    _Atomic uint64_t hash;
    struct versions *_Atomic versions; /* NULL: free */
};

struct directory {
    struct retired retired; /* first */
    uint32_t mask;
    struct entry entries[];
};

struct directory *directory_create(uint32_t entries); /* a power of two; memory_free it */
/* The entry of a hash, or the free one where it would be. The writer's. */
struct entry *entry_place(struct directory *directory, uint64_t hash);
/* Entries with rows that have not all left. The writer's. */
uint32_t directory_left(const struct directory *directory);
/* NULL: there is no such key. Any reader's. */
const struct versions *directory_find(const struct directory *directory, uint64_t hash);

#endif
