/* merge: a stack of sorted files as one stream of cells, in file order. Of each key the newest cell
 * counts; deleted, expired and dropped ones are left out; values of former layouts are converted.
 * Partials of a pane are added up: all of them, or (settle) all that can no longer change, so
 * that up to two cells of a key come, generation 0 and the newest one.
 *
 * Memory: about 80 KiB a file. Used by one thread. */
#ifndef MILLRACE_STATE_MERGE_H
#define MILLRACE_STATE_MERGE_H

#include "state/internal.h"

struct merge;

struct merge_input { /* oldest first */
    const char *path;
    uint32_t group_begin, group_end; /* key groups that count */
};

struct merged {
    uint32_t state;        /* place in the store's states */
    struct file_cell cell; /* holds until the next call */
};

/* `store` only for what never changes: config and states. */
struct merge *merge_open(const struct store *store, const struct merge_input *inputs,
                         uint32_t count, bool settle, int64_t watermark_ms, struct error *err);
enum merge_result { MERGE_CELL, MERGE_END, MERGE_FAILED };
enum merge_result merge_next(struct merge *merge, struct merged *out, struct error *err);
void merge_close(struct merge *merge); /* NULL is fine */

#endif
