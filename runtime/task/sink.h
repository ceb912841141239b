/* sink: bundles of exactly-once sinks: prepared at a barrier, committed once its checkpoint is
 * complete. A bundle of a checkpoint that was given up stays and is part of the next one. */
#ifndef MILLRACE_TASK_SINK_H
#define MILLRACE_TASK_SINK_H

#include "runtime/task/op.h"

/* Both: nothing for operators that are no such sinks. False with the subtask's error filled. */
bool sink_prepare(struct op *op, uint64_t checkpoint);
bool sink_commit(struct op *op, uint64_t checkpoint);
void sink_close(struct op *op);

/* debug.sink-delay: makes a sink slow, for tests of backpressure. */
void sink_delay(const struct op *op);

#endif
