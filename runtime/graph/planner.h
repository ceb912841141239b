/* planner: what the steps of planning share while a plan is made. The steps, in order: job_read,
 * order_make, typing_make, aside_check, splits_make, then (without mistakes) prune_columns, edges_make,
 * tables_make, loops_make, streams_make, chains_make. */
#ifndef MILLRACE_GRAPH_PLANNER_H
#define MILLRACE_GRAPH_PLANNER_H

#include "runtime/graph/job.h"
#include "runtime/graph/plan.h"

/* Of an operator, beside what the plan keeps. */
struct op_facts {
    bool source_ordered; /* rows of a split come in event-time order */
    uint32_t edges_in;
    const struct schema *outputs[PORTS_MAX];        /* told by describe; NULL: not */
    const struct text_list *output_keys[PORTS_MAX]; /* the same */
    bool told_reads[PORTS_MAX];                     /* of inputs; false: all columns are read */
    bool reads[PORTS_MAX][COLUMNS_MAX];
    uint32_t passes[PORTS_MAX]; /* outputs, as bits */
    bool aside[PORTS_MAX];      /* outputs of which nothing may come back */
    bool retimed[PORTS_MAX];    /* outputs whose rows are not in the order of the input's */
    /* Rows of an output stand in the subtask that owns their key at the operator's own
     * parallelism, so that a reader keyed alike needs no exchange. */
    bool placed[PORTS_MAX];
    /* The streams of port 0: whether each is in (event time, order), and from how many subtasks. */
    bool stream_ordered;
    uint32_t streams;
};

struct planner {
    const struct plan_request *request;
    struct plan *plan;
    struct arena *arena; /* the plan's */
    struct mistakes mistakes;
    struct job job;
    uint32_t *order; /* operators, those that others depend on first */
    struct op_facts *facts;
    const struct schema *stand_ins[TABLES_MAX]; /* for tables of the operator that is described */
};

/* Kahn's algorithm (1962), the first in the file where several could be next. Tables count as
 * inputs; one with a delay does not where nothing else could be next. A loop without a delay is told,
 * and its operators are bad. */
void order_make(struct planner *planner);

/* Schemas, keys, tables and configuration of all operators. In a loop the first look at a reader is
 * without the table that comes later in the order; then all is looked at again with what came of it,
 * until nothing changes. */
void typing_make(struct planner *planner);

/* Whether anything made of an output that is kept aside comes back to its operator. */
void aside_check(struct planner *planner);

/* Splits of all sources, as the request says. */
void splits_make(struct planner *planner);

/* Leaves out of each input the columns that nobody reads, and describes its operator anew. */
void prune_columns(struct planner *planner);
/* Edges with keys and partitions. */
void edges_make(struct planner *planner);
void tables_make(struct planner *planner);
/* Which delayed tables are fed by their own reader. */
void loops_make(struct planner *planner);
/* Which inputs are gated. */
void streams_make(struct planner *planner);
void chains_make(struct planner *planner);
/* What prevents determinism. */
void determinism_make(struct planner *planner);

/* Whether the operator is given any table. */
bool plan_op_reads_tables(const struct plan_op *op);

#endif
