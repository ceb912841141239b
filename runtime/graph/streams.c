/* Which operators get their rows through a gate, and what prevents determinism.
 *
 * A stream is what one subtask of an operator sends. Rows of a source are in order where the
 * source says so and has exactly one split, so that one subtask has all of them. Sent from one
 * subtask to n, rows come in n ordered streams; sent on from n subtasks to others, streams meet
 * and the order is lost. An operator that needs the order and does not get it, or that looks up
 * tables (and so must wait for their versions), is gated: its rows are held and released in order.
 * What an operator sends while a timer fires or a watermark passes is not in the order of
 * (event time, order), so its readers get a gate where one is needed; that costs, but is right. */
#include "runtime/graph/planner.h"

bool plan_op_reads_tables(const struct plan_op *op)
{
    for (uint32_t i = 0; op->def->tables && op->def->tables[i].name; i++)
        if (op->tables[i] != FIELD_NONE)
            return true;
    return false;
}

/* The only edge that the operator reads; NULL when there are several. */
static const struct plan_edge *only_edge(const struct planner *planner, uint32_t op)
{
    const struct plan_edge *edge = planner->plan->edges;

    if (planner->facts[op].edges_in != 1)
        return NULL;
    while (edge->to != op)
        edge++;
    return edge;
}

/* Ordered streams leave by the first output only: what a source sends by others is late or has no
 * time. */
static void source_stream(struct planner *planner, const struct plan_op *op)
{
    struct op_facts *facts = &planner->facts[op->index];
    bool one = planner->request->split_mode != PLAN_SPLITS_UNKNOWN && op->split_count == 1;

    facts->stream_ordered = one && facts->source_ordered;
    facts->streams = one ? 1 : op->parallelism;
}

/* Whether the operator's rows come as one ordered stream in each of its subtasks; `streams`: in
 * how many subtasks there are any. */
static bool arrives_ordered(const struct planner *planner, const struct plan_op *op,
                            uint32_t *streams)
{
    const struct plan_edge *edge = only_edge(planner, op->index);
    const struct op_facts *from;

    *streams = op->parallelism;
    if (!edge)
        return false;
    from = &planner->facts[edge->from];
    if (edge->partition == PARTITION_FORWARD)
        *streams = from->streams;
    else if (from->streams > 1)
        return false;
    if (planner->plan->ops[edge->from].input_count == 0 && edge->from_port != 0)
        return false;
    return from->stream_ordered && !from->retimed[edge->from_port];
}

static void operator_stream(struct planner *planner, struct plan_op *op)
{
    struct op_facts *facts = &planner->facts[op->index];
    bool ordered = arrives_ordered(planner, op, &facts->streams);
    bool gated = (op->ordered && !ordered) || (plan_op_reads_tables(op) && !op->lookup_latest);

    for (uint32_t i = 0; i < op->input_count; i++)
        op->inputs[i].gated = gated && op->inputs[i].connected;
    if (gated)
        facts->streams = op->parallelism;
    facts->stream_ordered = (ordered || gated) && !op->def->on_timer && !op->def->on_watermark;
}

void streams_make(struct planner *planner)
{
    for (uint32_t i = 0; i < planner->plan->op_count; i++) {
        struct plan_op *op = &planner->plan->ops[planner->order[i]];
        if (op->input_count)
            operator_stream(planner, op);
        else
            source_stream(planner, op);
    }
}

/* ---- determinism ---- */

static bool unbounded(const struct plan_op *op)
{
    for (uint32_t i = 0; i < op->split_count; i++)
        if (op->splits[i].end == INT64_MAX)
            return true;
    return false;
}

/* Which sources each operator's watermark comes from: a row of `op_count` for each operator. */
static bool *find_sources(const struct planner *planner)
{
    const struct plan *plan = planner->plan;
    uint32_t count = plan->op_count;
    bool *sources = memory_array((size_t)count * count + 1, sizeof(*sources));

    for (uint32_t k = 0; k < count; k++) {
        uint32_t op = planner->order[k];

        sources[(size_t)op * count + op] = plan->ops[op].input_count == 0;
        for (uint32_t e = 0; e < plan->edge_count; e++)
            for (uint32_t s = 0; plan->edges[e].to == op && s < count; s++)
                if (sources[(size_t)plan->edges[e].from * count + s])
                    sources[(size_t)op * count + s] = true;
    }
    return sources;
}

/* Whether a table may be ahead of this reader by more than its own period: it is not fed by every
 * source that the reader waits for. What a publisher keeps in a checkpoint begins at its own
 * watermark, so after a restore older versions are missing. */
static bool table_runs_ahead(const struct plan *plan, const struct plan_op *op, const bool *sources)
{
    for (uint32_t i = 0; op->def->tables && op->def->tables[i].name; i++) {
        uint32_t from = op->tables[i] == FIELD_NONE ? op->index : plan->tables[op->tables[i]].from;

        for (uint32_t s = 0; s < plan->op_count; s++)
            if (sources[(size_t)op->index * plan->op_count + s] &&
                !sources[(size_t)from * plan->op_count + s])
                return true;
    }
    return false;
}

/* Whether rows that wait for a looped table may stay behind at a barrier, in each subtask others. */
static bool stays_behind(const struct plan_op *op)
{
    for (uint32_t i = 0; op->def->tables && op->def->tables[i].name; i++)
        if (op->looped[i])
            return !op->settles;
    return false;
}

static void add_reason(struct bytes *text, const struct plan_op *op, const char *reason)
{
    bytes_format(text, "%s%s (%s) %s", text->size ? "; " : "", op->id, op->def->name, reason);
}

void determinism_make(struct planner *planner)
{
    struct plan *plan = planner->plan;
    bool *sources = find_sources(planner);
    struct bytes text = {0};

    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct plan_op *op = &plan->ops[i];
        if (!op->def->deterministic)
            add_reason(&text, op, "does not promise it");
        if (op->lookup_latest && plan_op_reads_tables(op))
            add_reason(&text, op, "looks up the latest version of its tables");
        else if (table_runs_ahead(plan, op, sources))
            add_reason(&text, op,
                       "reads a table that is not fed by all of its own sources: after a restart "
                       "it may see newer rows there");
        if (stays_behind(op))
            add_reason(&text, op,
                       "reads a table with a delay that depends on sources which do not feed it: "
                       "after a restart it may see newer rows there");
        if (unbounded(op))
            add_reason(&text, op, "is unbounded: a silent split is passed over by the clock");
    }
    if (text.size)
        plan->prevents_determinism = arena_copy(planner->arena, text.data, text.size);
    bytes_clear(&text);
    memory_free(sources);
}
