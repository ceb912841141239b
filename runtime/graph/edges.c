/* Edges: who sends to whom, by which key, and whether rows must change subtasks for it.
 *
 *   reader's input   upstream                                       partition
 *   keyed            keyed alike, same parallelism, rows in place   forward
 *   keyed            both at parallelism 1                          forward
 *   keyed            otherwise                                      key
 *   plain            same parallelism                               forward
 *   plain            otherwise                                      rebalance
 *
 * A global input is keyed by no columns: all rows are one key, of one subtask. */
#include "runtime/graph/typing.h"

static void set_key(struct planner *planner, struct plan_edge *edge)
{
    const struct plan_input *input = &planner->plan->ops[edge->to].inputs[edge->to_port];
    uint32_t *key;

    if (!input->keyed)
        return;
    key = arena_new(planner->arena, (input->key->count + 1) * sizeof(*key));
    for (uint32_t i = 0; i < input->key->count; i++) {
        key[i] = schema_find(edge->schema, input->key->items[i]);
        CHECK(key[i] != FIELD_NONE);
    }
    edge->key = key;
    edge->key_count = input->key->count;
}

static enum partition choose_partition(const struct planner *planner, const struct plan_edge *edge)
{
    const struct plan_op *from = &planner->plan->ops[edge->from];
    const struct plan_op *to = &planner->plan->ops[edge->to];
    const struct plan_input *input = &to->inputs[edge->to_port];

    if (from->parallelism != to->parallelism)
        return input->keyed ? PARTITION_KEY : PARTITION_REBALANCE;
    if (!input->keyed || from->parallelism == 1)
        return PARTITION_FORWARD;
    return planner->facts[edge->from].placed[edge->from_port] &&
                   typing_same_texts(from->outputs[edge->from_port].key, input->key)
               ? PARTITION_FORWARD
               : PARTITION_KEY;
}

/* ---- where rows stand ---- */

static enum type key_column_type(const struct schema *schema, const struct text_list *key,
                                 uint32_t i)
{
    uint32_t column = schema_find(schema, key->items[i]);

    return column == FIELD_NONE ? TYPE_NONE : schema->fields[column].type;
}

/* Whether rows of this input stand in the subtask that owns their key. */
static bool input_placed(const struct planner *planner, uint32_t op, uint32_t port)
{
    const struct plan *plan = planner->plan;
    const struct plan_input *input = &plan->ops[op].inputs[port];

    if (input->keyed)
        return true;
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct plan_edge *edge = &plan->edges[i];
        if (edge->to != op || edge->to_port != port)
            continue;
        if (edge->partition != PARTITION_FORWARD ||
            !planner->facts[edge->from].placed[edge->from_port])
            return false;
    }
    return true;
}

/* An output's key may have other names than the input's, but it is the same key only if it has as
 * many columns of the same types: then it has the same bytes. */
static bool same_key(const struct plan_input *input, const struct plan_output *output)
{
    if (!input->key || input->key->count != output->key->count)
        return false;
    for (uint32_t i = 0; i < input->key->count; i++)
        if (key_column_type(input->schema, input->key, i) !=
            key_column_type(output->schema, output->key, i))
            return false;
    return true;
}

static void place_outputs(struct planner *planner, uint32_t op)
{
    const struct plan_op *plan_op = &planner->plan->ops[op];
    bool placed = plan_op->input_count > 0;

    for (uint32_t i = 0; i < plan_op->input_count; i++)
        if (plan_op->inputs[i].connected)
            placed = placed && input_placed(planner, op, i);
    for (uint32_t i = 0; i < plan_op->output_count; i++) {
        bool same = placed && plan_op->def->outputs[i].keyed && plan_op->outputs[i].key;
        for (uint32_t k = 0; same && k < plan_op->input_count; k++)
            same = !plan_op->inputs[k].connected ||
                   same_key(&plan_op->inputs[k], &plan_op->outputs[i]);
        planner->facts[op].placed[i] = same;
    }
}

/* ---- the edges ---- */

/* By name. NULL: the schemas are the same. */
static const uint32_t *projection(struct planner *planner, const struct schema *from,
                                  const struct schema *to)
{
    uint32_t *columns = arena_new(planner->arena, (to->count + 1) * sizeof(*columns));
    bool same = from->count == to->count;

    for (uint32_t i = 0; i < to->count; i++) {
        columns[i] = schema_find(from, to->fields[i].name);
        CHECK(columns[i] != FIELD_NONE);
        same = same && columns[i] == i;
    }
    return same ? NULL : columns;
}

static void add_edge(struct planner *planner, const struct job_ref *ref, uint32_t op, uint32_t port)
{
    struct plan *plan = planner->plan;
    struct plan_edge *edge = &plan->edges[plan->edge_count];

    edge->index = plan->edge_count++;
    planner->facts[op].edges_in++;
    edge->from = ref->op;
    edge->from_port = ref->port;
    edge->to = op;
    edge->to_port = port;
    edge->schema = plan->ops[op].inputs[port].schema;
    edge->columns = projection(planner, plan->ops[ref->op].outputs[ref->port].schema, edge->schema);
    set_key(planner, edge);
}

static void list_edges(struct planner *planner, struct plan_op *op, uint32_t port)
{
    const struct plan *plan = planner->plan;
    struct plan_output *output = &op->outputs[port];
    uint32_t *edges, count = 0;

    for (uint32_t i = 0; i < plan->edge_count; i++)
        count += plan->edges[i].from == op->index && plan->edges[i].from_port == port;
    edges = arena_new(planner->arena, (count + 1) * sizeof(*edges));
    for (uint32_t i = 0; i < plan->edge_count; i++)
        if (plan->edges[i].from == op->index && plan->edges[i].from_port == port)
            edges[output->edge_count++] = i;
    output->edges = edges;
}

static void choose_partitions(struct planner *planner, uint32_t op)
{
    struct plan *plan = planner->plan;

    for (uint32_t i = 0; i < plan->edge_count; i++)
        if (plan->edges[i].to == op)
            plan->edges[i].partition = choose_partition(planner, &plan->edges[i]);
    place_outputs(planner, op);
}

void edges_make(struct planner *planner)
{
    const struct job *job = &planner->job;
    struct plan *plan = planner->plan;
    uint32_t count = 0;

    for (uint32_t i = 0; i < job->op_count; i++)
        for (uint32_t port = 0; port < job->ops[i].input_count; port++)
            count += job->ops[i].inputs[port].count;
    plan->edges = arena_new(planner->arena, (count + 1) * sizeof(*plan->edges));
    for (uint32_t i = 0; i < job->op_count; i++)
        for (uint32_t port = 0; port < job->ops[i].input_count; port++)
            for (uint32_t k = 0; k < job->ops[i].inputs[port].count; k++)
                add_edge(planner, &job->ops[i].inputs[port].refs[k], i, port);
    for (uint32_t i = 0; i < plan->op_count; i++)
        for (uint32_t port = 0; port < plan->ops[i].output_count; port++)
            list_edges(planner, &plan->ops[i], port);
    for (uint32_t i = 0; i < plan->op_count; i++)
        choose_partitions(planner, planner->order[i]);
}
