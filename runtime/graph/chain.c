/* Chains: trees of operators that run in one subtask and hand batches on by calls. An edge is
 * chained when rows stay in their subtask (forward), the reader has no other input, and it need
 * not wait: a gated operator or one that looks up tables heads a chain. But where the head reads
 * looped tables and settles, its gate holds rows for further such readers too, until the tables of
 * all are there; rows come from it in order. A chain has at most CHAIN_OPS_MAX operators; what is more
 * begins another one. */
#include "runtime/graph/planner.h"

/* Whether the operator waits for looped tables alone, up to the watermark at a barrier, and no rows
 * of several streams meet there. */
static bool waits_in_loops(const struct planner *planner, const struct plan_op *op)
{
    if (!op->settles || op->lookup_latest || planner->facts[op->index].edges_in != 1)
        return false;
    for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++)
        if (op->tables[k] != FIELD_NONE && !op->looped[k])
            return false;
    return true;
}

static bool can_chain(const struct planner *planner, const struct plan_edge *edge)
{
    const struct plan_op *to = &planner->plan->ops[edge->to];

    if (edge->partition != PARTITION_FORWARD || planner->facts[edge->to].edges_in != 1)
        return false;
    if (plan_op_reads_tables(to)) /* and if the head waits for it */
        return waits_in_loops(planner, to) && planner->facts[edge->from].stream_ordered &&
               !planner->facts[edge->from].retimed[edge->from_port];
    return !to->inputs[edge->to_port].gated;
}

static bool is_head(const struct plan *plan, uint32_t op)
{
    for (uint32_t i = 0; i < plan->edge_count; i++)
        if (plan->edges[i].to == op && plan->edges[i].chained)
            return false;
    return true;
}

static uint32_t depth_first(struct planner *planner, uint32_t chain, uint32_t op, uint32_t *ops,
                            uint32_t count);

/* The readers of one output, as far as they fit and `ops[0]` waits for them. */
static uint32_t chain_readers(struct planner *planner, uint32_t chain,
                              const struct plan_output *output, uint32_t *ops, uint32_t count)
{
    struct plan *plan = planner->plan;

    for (uint32_t i = 0; i < output->edge_count; i++) {
        struct plan_edge *edge = &plan->edges[output->edges[i]];
        if (!edge->chained)
            continue;
        if (count < CHAIN_OPS_MAX && (!plan_op_reads_tables(&plan->ops[edge->to]) ||
                                      waits_in_loops(planner, &plan->ops[ops[0]])))
            count = depth_first(planner, chain, edge->to, ops, count);
        else
            edge->chained = false; /* its reader heads a chain of its own */
    }
    return count;
}

/* Puts an operator and all that are chained to it; returns how many there are then. As deep as
 * CHAIN_OPS_MAX calls at most. */
static uint32_t depth_first(struct planner *planner, uint32_t chain, uint32_t op, uint32_t *ops,
                            uint32_t count)
{
    struct plan *plan = planner->plan;

    CHECK(plan->ops[op].chain == FIELD_NONE && count < CHAIN_OPS_MAX);
    plan->ops[op].chain = chain;
    ops[count++] = op;
    for (uint32_t port = 0; port < plan->ops[op].output_count; port++)
        count = chain_readers(planner, chain, &plan->ops[op].outputs[port], ops, count);
    return count;
}

static void make_chain(struct planner *planner, uint32_t head)
{
    struct plan *plan = planner->plan;
    struct plan_chain *chain = &plan->chains[plan->chain_count];
    uint32_t *ops = arena_new(planner->arena, CHAIN_OPS_MAX * sizeof(*ops));

    chain->index = plan->chain_count++;
    chain->parallelism = plan->ops[head].parallelism;
    chain->ops = ops;
    chain->op_count = depth_first(planner, chain->index, head, ops, 0);
}

void chains_make(struct planner *planner)
{
    struct plan *plan = planner->plan;
    uint32_t before;

    for (uint32_t i = 0; i < plan->edge_count; i++)
        plan->edges[i].chained = can_chain(planner, &plan->edges[i]);
    for (uint32_t i = 0; i < plan->op_count; i++)
        plan->ops[i].chain = FIELD_NONE;
    plan->chains = arena_new(planner->arena, (plan->op_count + 1) * sizeof(*plan->chains));
    do { /* again while cutting a long chain has made heads behind us */
        before = plan->chain_count;
        for (uint32_t i = 0; i < plan->op_count; i++)
            if (plan->ops[i].chain == FIELD_NONE && is_head(plan, i))
                make_chain(planner, i);
    } while (plan->chain_count > before);
}
