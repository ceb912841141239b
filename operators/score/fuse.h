/* fuse: candidates of one request, gathered and scored. Pure; filled by score.c from the tables.
 *
 * An item j gets, from the user's latest items k at distance b (0 is the newest),
 *   item-to-item  I = sum of 0.9^b together / sqrt(count k x count j)
 *   sequence      S = sum over b <= 10 of 0.7^b forward / (sum of k's weights + 5)
 *   backward      B = sum over b <= 10 of 0.7^b backward / (the same of k's backward weights + 5)
 *   popularity    D = the decayed count
 * and the score w_I sqrt(I / max I) + w_S sqrt(S / max S) + ..., the maxima over the candidates.
 * Square roots temper what a single strong neighbour says. Sums run in the order of b and the terms
 * in the order above, so the bits depend on nothing else. */
#ifndef MILLRACE_SCORE_FUSE_H
#define MILLRACE_SCORE_FUSE_H

#include "runtime/api/table.h"

#define FUSE_RECENT_MAX 200u  /* of the user's latest items */
#define FUSE_DISTANCE_MAX 10u /* of sequence and backward */
#define FUSE_CANDIDATES_MAX 16384u
#define FUSE_OWN_MAX 8000u

struct candidate {
    uint64_t id;
    const struct table_row *popularity;
    int64_t count;
    double item, forward, backward, popular;
    double score;
};

struct fuse_weights {
    double item, forward, backward, popular;
};

/* A neighbour's row as arrays. */
struct fuse_row {
    int64_t count, forward, backward;
    uint32_t entries;
    const int64_t *others, *together, *entry_forward, *entry_backward;
};

struct fuse_slot {
    uint64_t id;
    uint32_t request; /* the slot holds for this one */
    uint32_t place;   /* in `candidates`, or FUSE_NONE: not to be offered */
};
#define FUSE_NONE UINT32_MAX

struct fuse {
    uint32_t request;
    uint32_t limit; /* candidates */
    uint32_t count, used;
    uint32_t mask;
    struct fuse_slot *slots;
    struct candidate *candidates;
    double item_decay[FUSE_RECENT_MAX], sequence_decay[FUSE_DISTANCE_MAX + 1];
};

/* Bytes of slots and candidates for a limit; the caller gives zeroed memory of these sizes. */
size_t fuse_slots_size(uint32_t limit);
size_t fuse_candidates_size(uint32_t limit);
void fuse_init(struct fuse *fuse, uint32_t limit, void *slots, void *candidates);

/* A new request. `own`: never offered. */
void fuse_begin(struct fuse *fuse, const uint64_t *own, uint32_t own_count);

/* The slot of an item: `*fresh` when it was not met in this request; then its place is FUSE_NONE
 * until fuse_offer. NULL when the limit is reached. */
struct fuse_slot *fuse_find(struct fuse *fuse, uint64_t id, bool *fresh);
struct candidate *fuse_offer(struct fuse *fuse, struct fuse_slot *slot);

/* Adds what the row of the user's item at this distance says of one entry. */
static inline void fuse_add(const struct fuse *fuse, struct candidate *candidate,
                            const struct fuse_row *row, uint32_t entry, uint32_t distance,
                            double root)
{
    candidate->item += fuse->item_decay[distance] * (double)row->together[entry] / root;
    if (distance > FUSE_DISTANCE_MAX)
        return;
    candidate->forward += fuse->sequence_decay[distance] * (double)row->entry_forward[entry] /
                          (double)(row->forward + 5 * 65536);
    candidate->backward += fuse->sequence_decay[distance] * (double)row->entry_backward[entry] /
                           (double)(row->backward + 5 * 65536);
}

/* Scores all candidates and moves the best `top` to the front, best first, ties by key bytes.
 * Returns how many. */
uint32_t fuse_rank(struct fuse *fuse, const struct fuse_weights *weights, uint32_t top);

#endif
