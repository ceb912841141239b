/* Projection: columns that nobody reads leave the stream at the first edge that they would cross,
 * so that they are neither copied, sent nor kept (Flink's planner does the same to SQL jobs).
 *
 * Backwards over the operators: an input needs its key, what its operator reads, and of what the
 * operator passes on that which the readers of its output need. Forwards: each input takes the
 * columns that it needs, and its operator is described anew over these. */
#include "runtime/graph/describe.h"
#include "runtime/graph/typing.h"

#include <string.h>

struct needs { /* of an operator: columns of its inputs */
    bool in[PORTS_MAX][COLUMNS_MAX];
};

/* Marks those columns of an output that this input of a reader needs. */
static void add_reader(const struct planner *planner, const struct needs *needs,
                       const struct job_ref *ref, uint32_t reader, uint32_t port, bool *wanted)
{
    const struct schema *in = planner->plan->ops[reader].inputs[port].schema;
    const struct schema *out = planner->plan->ops[ref->op].outputs[ref->port].schema;

    for (uint32_t i = 0; i < in->count; i++)
        if (needs[reader].in[port][i])
            wanted[schema_find(out, in->fields[i].name)] = true;
}

static bool is_table(const struct planner *planner, uint32_t op, uint32_t port)
{
    for (uint32_t i = 0; i < planner->job.op_count; i++)
        for (uint32_t k = 0; k < planner->job.ops[i].table_count; k++)
            if (planner->job.ops[i].tables[k].op == op &&
                planner->job.ops[i].tables[k].port == port)
                return true;
    return false;
}

/* Columns of an output that anybody reads; `wanted` is zeroed. */
static void find_wanted(const struct planner *planner, const struct needs *needs, uint32_t op,
                        uint32_t port, bool *wanted)
{
    const struct job *job = &planner->job;

    if (is_table(planner, op, port))
        memset(wanted, true, COLUMNS_MAX);
    for (uint32_t i = 0; i < job->op_count; i++)
        for (uint32_t p = 0; p < job->ops[i].input_count; p++)
            for (uint32_t k = 0; k < job->ops[i].inputs[p].count; k++)
                if (job->ops[i].inputs[p].refs[k].op == op &&
                    job->ops[i].inputs[p].refs[k].port == port)
                    add_reader(planner, needs, &job->ops[i].inputs[p].refs[k], i, p, wanted);
}

static void need_input(const struct planner *planner, struct needs *needs, uint32_t op,
                       uint32_t port)
{
    const struct plan_op *plan_op = &planner->plan->ops[op];
    const struct op_facts *facts = &planner->facts[op];
    const struct plan_input *input = &plan_op->inputs[port];
    bool *need = needs[op].in[port];

    memcpy(need, facts->reads[port], sizeof(facts->reads[port]));
    if (!facts->told_reads[port])
        memset(need, true, COLUMNS_MAX);
    for (uint32_t i = 0; input->key && i < input->key->count; i++)
        if (schema_find(input->schema, input->key->items[i]) != FIELD_NONE)
            need[schema_find(input->schema, input->key->items[i])] = true;
    for (uint32_t o = 0; o < plan_op->output_count; o++) {
        bool wanted[COLUMNS_MAX] = {false};

        if (!(facts->passes[port] >> o & 1))
            continue;
        find_wanted(planner, needs, op, o, wanted);
        for (uint32_t i = 0; i < input->schema->count; i++) {
            uint32_t column =
                schema_find(plan_op->outputs[o].schema, input->schema->fields[i].name);

            need[i] = need[i] || (column != FIELD_NONE && wanted[column]);
        }
    }
}

/* A schema of nothing at all is no schema: the first column stays. */
static const struct schema *narrow(struct arena *arena, const struct schema *schema,
                                   const bool *need)
{
    struct schema *made = schema_create(arena);

    for (uint32_t i = 0; i < schema->count; i++)
        if (need[i])
            CHECK(schema_add(made, arena, &schema->fields[i]));
    if (made->count == 0 && schema->count > 0)
        CHECK(schema_add(made, arena, &schema->fields[0]));
    return made->count == schema->count ? schema : made;
}

static void apply(struct planner *planner, const struct needs *needs, uint32_t op)
{
    struct plan_op *plan_op = &planner->plan->ops[op];
    bool changed = false;

    for (uint32_t i = 0; i < plan_op->input_count; i++) {
        const struct schema *schema = plan_op->inputs[i].schema;

        if (!plan_op->inputs[i].connected)
            continue;
        plan_op->inputs[i].schema = narrow(planner->arena, schema, needs[op].in[i]);
        changed = changed || plan_op->inputs[i].schema != schema;
    }
    if (changed) /* nothing that was good before is missing */
        CHECK(describe_run(planner, op) && typing_outputs(planner, op));
}

void prune_columns(struct planner *planner)
{
    const struct plan *plan = planner->plan;
    struct needs *needs = arena_new(planner->arena, (plan->op_count + 1ul) * sizeof(*needs));

    for (uint32_t k = plan->op_count; k-- > 0;) {
        uint32_t op = planner->order[k];

        for (uint32_t i = 0; i < plan->ops[op].input_count; i++)
            if (plan->ops[op].inputs[i].connected)
                need_input(planner, needs, op, i);
    }
    for (uint32_t k = 0; k < plan->op_count; k++)
        apply(planner, needs, planner->order[k]);
}
