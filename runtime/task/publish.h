/* publish: the operator, internal to the engine, that hangs under a port whose rows are a versioned
 * table. It packs each row, sends it to every worker that has a replica, and keeps the newest rows of
 * each key as keyed state `operator.@table`: a checkpoint holds a table once, and after a restore
 * they are sent again. */
#ifndef MILLRACE_TASK_PUBLISH_H
#define MILLRACE_TASK_PUBLISH_H

#include "runtime/task/op.h"

/* How many publishers hang under an operator's ports. */
uint32_t publish_count(const struct plan_op *op);
/* Makes `op` (zeroed) the publisher of a table of `chain`'s subtask; its state's declaration goes
 * into `state`. Memory is the subtask's. */
void publish_open(struct op *op, struct subtask *subtask, uint32_t table,
                  struct store_state *state);
void publish_close(struct op *op);
bool publish_is(const struct op *op);
/* Between creating the store and restoring it: restored rows will be sent. */
void publish_watch(struct op *op);

#endif
