/* describe: an operator's describe callback while planning; what it tells goes into the plan. */
#ifndef MILLRACE_GRAPH_DESCRIBE_H
#define MILLRACE_GRAPH_DESCRIBE_H

#include "runtime/graph/planner.h"

/* Calls the operator's describe, where it has one. False with its mistakes told. */
bool describe_run(struct planner *planner, uint32_t op);

#endif
