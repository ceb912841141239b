/* output: where the rows of an operator's port go: to chained operators as items, to other subtasks
 * through partitioners with one builder for each target, to the publisher of a table.
 *
 * A batch leaves when BATCH_ROWS_MAX rows are there, before a watermark or a barrier, and when the
 * subtask has nothing else to do. What a channel does not take waits in the target, in order; while
 * anything waits, the subtask takes no more input, and a target where something waits gathers rows
 * on instead of cutting them into small batches. Watermarks are held back until about a batch a
 * target has passed, so that they do not cut batches short. */
#ifndef MILLRACE_TASK_OUTPUT_H
#define MILLRACE_TASK_OUTPUT_H

#include "runtime/task/op.h"

struct target {
    struct channel *channel;
    bool local;              /* its reader is in this process */
    struct builder *builder; /* NULL until the first row */
    struct element *waiting; /* what the channel did not take; a ring */
    uint32_t head, count, capacity;
    int64_t sent_ms; /* the last watermark that was sent */
};

struct edge_out {
    struct subtask *subtask;
    struct op *child; /* chained: then there are no targets */
    uint32_t child_port;
    enum partition partition;
    bool keyed;
    const uint32_t *key;
    uint32_t key_count;
    const struct schema *schema;
    const uint32_t *columns; /* of the output, as in plan_edge */
    uint32_t direct_column;
    uint32_t target_count;
    struct target *targets;
    uint32_t *owners; /* key group -> target */
    uint32_t next;    /* rebalance; abreast: always this one */
    uint32_t rows;    /* since a watermark was sent */
    int64_t watermark_ms;
};

struct output {
    const struct schema *schema;
    struct builder *builder; /* what the operator builds; NULL until reserved */
    uint32_t edge_count;
    struct edge_out *edges;
};

/* `edge` zeroed but for what says where it goes (all above target_count, and the channels). */
void edge_open(struct edge_out *edge, uint32_t key_groups);
void edge_close(struct edge_out *edge);

/* Sends a batch to all edges of a port. The reference stays the caller's. */
void output_send(struct op *op, uint32_t port, struct batch *batch);
void edge_send(struct edge_out *edge, struct batch *batch);
void edge_watermark(struct edge_out *edge, int64_t time_ms);

/* Of all edges of a subtask. A flush leaves out targets that wait for room. */
void outputs_flush(struct subtask *subtask);
void outputs_barrier(struct subtask *subtask, uint64_t checkpoint, bool final);
/* False: some channel has no room. */
bool outputs_pump(struct subtask *subtask);

#endif
