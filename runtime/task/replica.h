/* replica: one worker's copy of a versioned table. One writer (its tasklet) applies the deltas that
 * publishers send; slots read without locks at a version pinned for a batch.
 *
 * Publishing side: rows leave an output port as (hash, key, version, packed row) and are kept in
 * keyed state; after a restore they are sent again, so that the checkpoint holds a table once.
 * A row of event time t (window end - 1) belongs to version t + 1. A request at time t with delay d
 * sees version floor((t - d) / period) * period and may be served once every publisher's watermark is
 * at or past version - 1. Old versions are freed when no reader needs them. Where a table keeps its rows
 * for a time, a row is not seen at versions so long after its own, and goes when all readers are there; a
 * ranking is without the rows that are not seen at its version. */
#ifndef MILLRACE_TASK_REPLICA_H
#define MILLRACE_TASK_REPLICA_H

#include "runtime/api/table.h"
#include "runtime/graph/plan.h"
#include "runtime/net/channel.h"

struct replica;

/* ---- the writer: a tasklet of the worker ---- */
/* `channels`: one from each publishing subtask. */
struct replica *replica_create(const struct plan *plan, uint32_t table,
                               struct channel *const *channels, uint32_t channel_count,
                               struct waker *waker);
void replica_close(struct replica *replica); /* after all readers have left; NULL is fine */
bool replica_step(struct replica *replica);  /* true: did something */

/* ---- readers: each on its own thread ---- */
struct replica_reader;
/* Any thread, before the writer's first step. `waker` is woken when progress or barrier moves.
 * `looped`: the reader feeds the publishers; barriers do not wait for each other. */
struct replica_reader *replica_attach(struct replica *replica, struct waker *waker, bool looped);
void replica_detach(struct replica_reader *reader);

/* Progress: every version up to this time (ms) is complete: the minimum of the publishers'
 * watermarks + 1; INT64_MIN at first, INT64_MAX at the end. */
int64_t replica_progress(const struct replica *replica);
/* The last checkpoint whose barrier has come from every publisher (0: none), all deltas before it
 * applied. The writer goes on with a publisher past its barrier only once all have sent it and
 * every reader that is not looped has passed it (replica_reader_passed), so readers see one cut. */
uint64_t replica_barrier(const struct replica *replica);
void replica_reader_passed(struct replica_reader *reader, uint64_t checkpoint);
/* The version that a request at this time sees, with a delay. */
int64_t replica_version_at(const struct plan_table *table, int64_t time_ms, int64_t delay_ms);

/* Pins a version (not above progress) for look-ups until the next pin; versions below the lowest
 * pin of all readers may be freed. Versions of one reader do not go down, except that `latest`
 * (INT64_MAX) pins the newest. */
void replica_pin(struct replica_reader *reader, int64_t version);
/* Lets go of rows until the next pin: a reader at rest holds no memory back. It will not pin
 * below `version` again. */
void replica_rest(struct replica_reader *reader, int64_t version);
const struct table_row *replica_find(const struct replica_reader *reader, uint64_t hash);
void replica_find_many(const struct replica_reader *reader, const uint64_t *hashes, uint32_t count,
                       const struct table_row **rows); /* NULL where there is none */
/* The first `limit` at most. */
const struct table_row *const *replica_top(struct replica_reader *reader, uint32_t ranking,
                                           uint32_t limit, uint32_t *count);

/* ---- packed rows ---- */
/* Packs row `row` of a batch of the table's schema. Appends to out. The layout is drawn in row.c. */
void table_row_pack(const struct schema *schema, const struct batch *batch, uint32_t row,
                    int64_t version, struct bytes *out);
/* Checks bytes from another process. */
bool table_row_check(const struct schema *schema, const uint8_t *data, size_t size);
/* The schema of the batches on table channels: hash i64, key utf8, version timestamp, row utf8. */
const struct schema *table_delta_schema(void);

#endif
