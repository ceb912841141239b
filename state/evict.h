/* evict: gives memory back past the budget. Oldest clean segments first, some at a time:
 *
 *   collect   one segment a step: its live cells are listed. Those of panes leave the index at
 *             once, so that the next update starts a new partial (an update of the old one would
 *             be counted twice)
 *   write     in the executor: value, list and map cells to one file that the spill store takes
 *             in; the cells of each pane to a run
 *   remove    some cells a step: index entries that still point to what was written go; then the
 *             segments are freed
 *
 * A newer cell is never overtaken: it is in memory, found first, and leaves later. Segments that
 * are not clean are sealed and written as a delta first. */
#ifndef MILLRACE_STATE_EVICT_H
#define MILLRACE_STATE_EVICT_H

#include "state/internal.h"

/* One step, when the budget asks for it. STORE_LOADING: it is used up and a job is under way. */
enum store_result evict_step(struct store *store);
/* Whether so much is used that no cells may be added. */
bool evict_pressed(const struct store *store);
bool evict_needed(const struct store *store); /* or whether evict_now would do something */
/* The same to the end and in the call, for a restore that has no slot to keep waiting. */
bool evict_now(struct store *store);
/* Waits until what is leaving has left: its cells are in no index. False: the store has failed. */
bool evict_finish(struct store *store);
void eviction_close(struct store *store);

#endif
