/* sort: cells in the order of files. Stable. Radix over 8 bytes of the key at a time, and only
 * over those bytes that differ: about 20 ns a cell. Any thread. */
#ifndef MILLRACE_STATE_SORT_H
#define MILLRACE_STATE_SORT_H

#include "state/cell.h"

struct sort_entry {
    uint64_t word; /* scratch of the sort */
    const struct cell *cell;
};

/* What the file key of a cell holds after key group, state and time. */
enum sort_form {
    SORT_PLAIN, /* key */
    SORT_ENTRY, /* key size, key, entry */
    SORT_PANE,  /* key size, key, generation */
};

/* Cells of one key group, state and pane. `spare` has room for `count` entries too. */
void sort_cells(struct sort_entry *entries, struct sort_entry *spare, uint32_t count,
                enum sort_form form);
/* The same for cells of all key groups, by key group first. */
void sort_grouped(struct sort_entry *entries, struct sort_entry *spare, uint32_t count,
                  uint32_t key_groups, enum sort_form form);
/* Order of two cells of one key group. */
int sort_compare(const struct cell *a, const struct cell *b, enum sort_form form);

#endif
