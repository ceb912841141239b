/* gate: rows held until all that must come before them is there, then released in the order of
 * (event time, port, order). What is equal in all three stays in the order in which it came by its
 * channel.
 *
 * Each held batch is sorted by itself (mostly it comes so); the batches stand in a heap by their
 * next row's time. A release takes the rows up to the end of the earliest batch out of all batches
 * that reach into that stretch and merges their runs (natural merge sort; Knuth, The Art of Computer
 * Programming 3, 5.2.4), so it costs nothing for the rows that stay. Rows are copied once, and not
 * at all where a batch overlaps with no other. */
#ifndef MILLRACE_TASK_GATE_H
#define MILLRACE_TASK_GATE_H

#include "runtime/batch/batch.h"
#include "runtime/graph/plan.h"
#include "runtime/task/op.h"

struct gate;

struct gate_table {
    const struct plan_table *table;
    int64_t delay_ms;
};

/* `tables` of the readers in the chain: released batches are cut so that all their rows see one
 * version of each; count 0: none. */
struct gate *gate_create(const struct plan_op *op, const struct gate_table *tables,
                         uint32_t table_count);
void gate_close(struct gate *gate); /* NULL is fine */

/* Takes the reference. `lane`: where it came from; rows of a lane that are equal stay in order. */
void gate_put(struct gate *gate, uint32_t port, uint32_t lane, struct batch *batch);
/* Releases a stretch of the rows up to `limit_ms` into `items`. False: there are none. */
bool gate_release(struct gate *gate, int64_t limit_ms, struct items *items);
int64_t gate_first(const struct gate *gate); /* time of the earliest row; INT64_MAX: none */
uint64_t gate_rows(const struct gate *gate);

/* What is held now, for a snapshot: references to share with another thread. */
struct held_rows {
    uint32_t port;
    struct batch *batch; /* with a selection */
};
struct held_rows *gate_held(const struct gate *gate, uint32_t *count);
void gate_held_release(struct held_rows *held, uint32_t count);

#endif
