/* spill: value, list and map cells that have left memory, in one RocksDB for a store, and the
 * loads that bring them back. No log, no memtable in use: all that enters are whole sorted files.
 *
 * Loads run in the executor, one at a time for a store, for all misses of a batch. The look-up in
 * memory comes first, and a cell's entry there goes only once its file has been taken in: so a
 * miss in memory finds the newest version here or there is none. */
#ifndef MILLRACE_STATE_SPILL_H
#define MILLRACE_STATE_SPILL_H

#include "state/internal.h"

/* Any thread, but the first call alone. Opens the database when it is not there. */
bool spill_ingest(struct store *store, const char *path, struct error *err);
void spill_close(struct spill *spill); /* NULL is fine */

/* A map's entry, from disk in the call: the open cell; NULL: absent (`err` untouched) or failed. */
struct cell *spill_read(struct store *store, struct state_info *state, const struct probe *probe,
                        struct error *err);

/* A key of the present batch is not in memory. */
void load_want(struct store *store, struct state_info *state, const struct probe *probe);
void load_start(struct store *store);
/* STORE_READY: no load is under way, and what one has found is in memory. */
enum store_result load_finish(struct store *store);
uint64_t load_bytes(const struct store *store);
void load_close(struct store *store);

#endif
