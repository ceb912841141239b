/* reference: who reads from whom: `from`, `inputs`, `tables`, and the keys of inputs. */
#ifndef MILLRACE_GRAPH_REFERENCE_H
#define MILLRACE_GRAPH_REFERENCE_H

#include "runtime/graph/job.h"

/* After every operator's id and kind are known. */
void references_read(struct job *job, struct job_op *op);

#endif
