/* fuse: candidates of one request, gathered and scored. Pure; filled by score.c from the tables.
 *
 * An item j gets, from the user's latest items k at distance b (0 is the newest),
 *   item-to-item  I = sum of 0.9^b together / sqrt(count k x count j)
 *   sequence      S = sum over b <= 10 of 0.7^b forward / (sum of k's weights + 5)
 *   backward      B = sum over b <= 10 of 0.7^b backward / (the same of k's backward weights + 5)
 *   popularity    D = the decayed count
 * and the score w_I sqrt(I / max I) + w_S sqrt(S / max S) + ..., the maxima over the candidates.
 * Square roots temper what a single strong neighbour says. Sums run in the order of b and the terms
 * in the order above, so the bits depend on nothing else.
 *
 * Requests of one batch see the same versions of the tables, and those of one user much the same
 * rows. So what is known of an item, and an item's row as arrays (a line), is kept until
 * fuse_forget; a request then adds up by index, without looking anything up. */
#ifndef MILLRACE_SCORE_FUSE_H
#define MILLRACE_SCORE_FUSE_H

#include "runtime/api/table.h"

#define FUSE_RECENT_MAX 200u  /* of the user's latest items */
#define FUSE_DISTANCE_MAX 10u /* of sequence and backward */
#define FUSE_CANDIDATES_MAX 16384u
#define FUSE_OWN_MAX 8000u
#define FUSE_POPULAR_MAX 200u
#define FUSE_PIECE 256u  /* entries of a row that are added at a time */
#define FUSE_NOBODY 0u   /* the item that is never offered */
#define FUSE_NO_LINE 0u  /* there is no row */
#define FUSE_ASK_LINE 1u /* not looked up yet */

struct fuse_item { /* of this batch, and of the present request */
    _Alignas(64) const
        struct table_row *row; /* of `popularity`; NULL: none, so there is no name for it */
    double count;
    double item, forward, backward, popular; /* sums of the request */
    uint32_t request;                        /* that the sums are of */
    bool asked;                              /* `row` and `count` are filled */
};

struct fuse_fact { /* what is seldom needed of an item */
    uint64_t id;
    double decayed;
    int64_t hour;
    uint32_t line;
};

/* A row of `neighbours` as arrays, or a piece of one. */
struct fuse_line {
    double count, forward, backward; /* the latter with what damps them */
    uint32_t begin, entries;         /* in the arrays of struct fuse */
};

struct fuse_weights {
    double item, forward, backward, popular;
};

struct fuse_ranked {
    double score;
    uint32_t item;
};

struct fuse_slot {
    uint64_t id;
    uint32_t era;
    uint32_t item;
};

struct fuse {
    uint32_t era; /* slots of others are free */
    uint32_t request;
    uint32_t limit, used, offered; /* candidates; items met by the request; of these offered */
    uint32_t mask, known, known_max;
    uint32_t line_count, entry_count;
    struct fuse_slot *slots;
    struct fuse_item *items;
    struct fuse_fact *facts;
    struct fuse_line *lines;
    uint32_t *entry_items; /* by entry of a line */
    double *entry_roots, *entry_together, *entry_forward, *entry_backward;
    uint32_t *order;            /* candidates as they were met */
    double *terms[4], *scores;  /* by candidate */
    struct fuse_ranked *ranked; /* best first, after fuse_rank */
    double item_decay[FUSE_RECENT_MAX], sequence_decay[FUSE_DISTANCE_MAX + 1];
};

/* The caller gives zeroed memory of this size. */
size_t fuse_size(uint32_t limit);
void fuse_init(struct fuse *fuse, uint32_t limit, void *memory);

/* A new batch: nothing is known. */
void fuse_forget(struct fuse *fuse);
/* A new request. `own`: never offered. */
void fuse_begin(struct fuse *fuse, const uint64_t *own, uint32_t own_count);

/* The indices of items, which are known from now on. FUSE_NOBODY where there is no room: that cannot
 * be before the request has met as many as it may, if it meets what it knows before it knows more
 * than FUSE_PIECE others (a line counts as none). The latest items are to be known first. */
void fuse_know(struct fuse *fuse, const uint64_t *ids, uint32_t count, uint32_t *items);

/* Makes room for a line of so many entries. NULL: it does not fit, and goes piece by piece. */
struct fuse_line *fuse_line(struct fuse *fuse, uint32_t entries);
/* The place of up to FUSE_PIECE entries that are not kept. */
void fuse_piece(struct fuse_line *piece, uint32_t entries);
/* After the entries' items, together, forward and backward are filled and all items asked for. */
void fuse_line_filled(struct fuse *fuse, const struct fuse_line *line);

/* The request met an item. True: it is a candidate from now on, and its `popular` is to be set. */
static inline bool fuse_meet(struct fuse *fuse, uint32_t index)
{
    struct fuse_item *item = &fuse->items[index];

    if (item->request == fuse->request)
        return false;
    item->request = fuse->request;
    item->item = item->forward = item->backward = item->popular = 0;
    if (fuse->used == 2 * fuse->limit)
        return false;
    fuse->used++;
    if (!item->row || fuse->offered == fuse->limit)
        return false;
    fuse->order[fuse->offered++] = index;
    return true;
}

/* Adds what the line of the user's item at this distance says of its entries, which were met. */
void fuse_add(struct fuse *fuse, const struct fuse_line *line, uint32_t distance);

/* Scores all candidates and ranks the best `top`, ties by key bytes. Returns how many. */
uint32_t fuse_rank(struct fuse *fuse, const struct fuse_weights *weights, uint32_t top);

#endif
