/* Outputs that are kept aside (describe_aside): nothing that is made of their rows may come back to the
 * operator that sends them, by inputs or by tables. So rankers can be measured by the truth of a generated
 * world, and none whose lists that world sees can read it. */
#include "runtime/graph/planner.h"

static bool takes_from(const struct job_ref *refs, uint32_t count, const bool *reached)
{
    for (uint32_t i = 0; i < count; i++)
        if (refs[i].op != FIELD_NONE && reached[refs[i].op])
            return true;
    return false;
}

static bool is_fed(const struct job_op *op, const bool *reached)
{
    for (uint32_t i = 0; i < op->input_count && !op->bad; i++)
        if (takes_from(op->inputs[i].refs, op->inputs[i].count, reached))
            return true;
    return !op->bad && takes_from(op->tables, op->table_count, reached);
}

/* Whether what one operator sends arrives at another. */
static bool arrives(const struct job *job, uint32_t from, uint32_t to)
{
    bool reached[OPERATORS_MAX] = {false}, news = true;

    reached[from] = true;
    while (news && !reached[to]) {
        news = false;
        for (uint32_t i = 0; i < job->op_count; i++)
            if (!reached[i] && is_fed(&job->ops[i], reached))
                reached[i] = news = true;
    }
    return reached[to];
}

static void check_refs(struct planner *planner, uint32_t reader, const struct job_ref *refs,
                       uint32_t count)
{
    const struct job *job = &planner->job;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = refs[i].op;
        if (from == FIELD_NONE || !planner->facts[from].aside[refs[i].port] ||
            !arrives(job, reader, from))
            continue;
        mistake_value(
            &planner->mistakes, refs[i].node,
            "take it to what nothing else reads, such as evaluate/truth or a sink",
            "output \"%s\" of \"%s\" is kept aside, but what is made of it here comes back "
            "to \"%s\"",
            job->ops[from].def->outputs[refs[i].port].name, job->ops[from].id, job->ops[from].id);
    }
}

void aside_check(struct planner *planner)
{
    const struct job *job = &planner->job;

    for (uint32_t i = 0; i < job->op_count; i++) {
        const struct job_op *op = &job->ops[i];
        if (op->bad)
            continue;
        for (uint32_t k = 0; k < op->input_count; k++)
            check_refs(planner, i, op->inputs[k].refs, op->inputs[k].count);
        check_refs(planner, i, op->tables, op->table_count);
    }
}
