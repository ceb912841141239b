/* neighbours: one item's exact row of co-visits: the state cell of feature/covisitation, entries
 * sorted by the other item's id. Pure; the caller gives the cell room.
 *
 * Weights of a pair at distance b between its events of one user: 65536 x 0.7^b up to b = 10,
 * nothing beyond, in integers, so that sums have no order. */
#ifndef MILLRACE_FEATURE_NEIGHBOURS_H
#define MILLRACE_FEATURE_NEIGHBOURS_H

#include "runtime/base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct neighbour { /* 24 bytes: sums of weights are at most 2^16 a meeting */
    uint64_t other;
    uint64_t forward : 40, together : 24;
    uint64_t backward : 40, direct : 24; /* direct: times that it came right after the item */
};
#define NEIGHBOUR_TOGETHER_MAX ((1u << 24) - 1) /* then the entry stays as it is */

struct neighbours {
    int64_t count;             /* events of the item */
    int64_t forward, backward; /* sums of weights with the item first, with the item second */
    int64_t direct;            /* events that came right after one of the item */
    int64_t due_ms;            /* end of the window that the latest change is in */
    uint32_t used;             /* entries */
    uint32_t pending;          /* changed since the last row */
    struct neighbour entries[];
};

#define NEIGHBOURS_MAX                                                                             \
    ((CELL_SIZE_MAX - (uint32_t)sizeof(struct neighbours)) / (uint32_t)sizeof(struct neighbour))
#define NEIGHBOURS_DISTANCE_MAX 10u /* pairs further apart have no weight */

int64_t neighbours_weight(uint32_t distance);

/* Where the entry of `other` stands, or would stand. */
uint32_t neighbours_place(const struct neighbours *row, uint64_t other);

/* Adds one meeting; there must be room for one more entry. At `limit` entries the least one makes
 * place; returns whether it did. */
bool neighbours_add(struct neighbours *row, uint64_t other, uint32_t distance, bool forward,
                    uint32_t limit);

/* Marks the first `keep` by (together, weight, lower id) and returns how many: `chosen` are their
 * places in ascending order. `ranks`: room for `used`. */
uint32_t neighbours_choose(const struct neighbours *row, uint32_t keep, unsigned __int128 *ranks,
                           uint32_t *chosen);

#endif
