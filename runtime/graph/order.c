/* The order of planning, and loops; see planner.h. */
#include "runtime/graph/planner.h"

#include <string.h>

#define LOOP_SHOWN 8u /* operators of a loop that a message names */

/* The k-th reference of an operator, inputs first, then tables; NULL past the last. */
static const struct job_ref *ref_at(const struct job_op *op, uint32_t k)
{
    for (uint32_t i = 0; i < op->input_count; i++) {
        if (k < op->inputs[i].count)
            return &op->inputs[i].refs[k];
        k -= op->inputs[i].count;
    }
    return k < op->table_count ? &op->tables[k] : NULL;
}

/* The first reference to an operator that is not done; NULL: none. `delayed`: those with a delay
 * count too. */
static const struct job_ref *waits_for(const struct job *job, uint32_t op, const bool *done,
                                       bool delayed)
{
    const struct job_ref *ref;

    for (uint32_t k = 0; (ref = ref_at(&job->ops[op], k)); k++)
        if (ref->op != FIELD_NONE && !done[ref->op] && (delayed || ref->delay_ms == 0))
            return ref;
    return NULL;
}

static uint32_t find_ready(const struct job *job, const bool *done, bool delayed)
{
    for (uint32_t i = 0; i < job->op_count; i++)
        if (!done[i] && !waits_for(job, i, done, delayed))
            return i;
    return FIELD_NONE;
}

/* Follows references without a delay from an operator that waits until one comes again: the loop is
 * path[return value] to path[*length - 1]. */
static uint32_t find_loop(const struct job *job, const bool *done, uint32_t *path, uint32_t *length)
{
    uint32_t seen[OPERATORS_MAX] = {0}, op = 0; /* place in the path + 1 */

    while (done[op])
        op++;
    *length = 0;
    while (!seen[op]) {
        path[(*length)++] = op;
        seen[op] = *length;
        op = waits_for(job, op, done, false)->op;
    }
    return seen[op] - 1;
}

/* Whether one of a loop's operators looks up a table of the next. */
static bool reads_table(const struct job *job, const uint32_t *loop, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        for (uint32_t k = 0; k < job->ops[loop[i]].table_count; k++)
            if (job->ops[loop[i]].tables[k].op == loop[(i + 1) % length])
                return true;
    return false;
}

static void tell_loop(struct planner *planner, const bool *done, const uint32_t *loop,
                      uint32_t length)
{
    const struct job *job = &planner->job;
    uint32_t first = 0;
    struct bytes text = {0};

    for (uint32_t i = 1; i < length; i++)
        if (loop[i] < loop[first])
            first = i;
    for (uint32_t i = 0; i < length && i < LOOP_SHOWN; i++) {
        const char *id = job->ops[loop[(first + i) % length]].id;
        bytes_format(&text, "%s%s reads ", i ? ", " : "", id ? id : "?");
        id = job->ops[loop[(first + i + 1) % length]].id;
        bytes_format(&text, "%s", id ? id : "?");
    }
    mistake_value(&planner->mistakes, waits_for(job, loop[first], done, false)->node,
                  reads_table(job, loop, length)
                      ? "give one of its tables a delay, as in {from: OPERATOR, delay: 1h}"
                      : "leave one of these connections out, or read a table with a delay there",
                  "operators read each other in a loop: %.*s%s", (int)text.size,
                  (const char *)text.data, length > LOOP_SHOWN ? ", ..." : "");
    bytes_clear(&text);
}

/* Its publishers come later: planning begins without knowing their columns. */
static void look_ahead(struct job_op *op, const bool *done)
{
    for (uint32_t k = 0; k < op->table_count; k++)
        op->tables[k].ahead = op->tables[k].op != FIELD_NONE && !done[op->tables[k].op];
}

void order_make(struct planner *planner)
{
    struct job *job = &planner->job;
    uint32_t count = 0, path[OPERATORS_MAX], length, begin;
    bool done[OPERATORS_MAX] = {false};

    planner->order = arena_new(planner->arena, (job->op_count + 1) * sizeof(*planner->order));
    while (count < job->op_count) {
        uint32_t op = find_ready(job, done, true);
        if (op == FIELD_NONE)
            op = find_ready(job, done, false);
        if (op != FIELD_NONE) {
            look_ahead(&job->ops[op], done);
            done[op] = true;
            planner->order[count++] = op;
            continue;
        }
        begin = find_loop(job, done, path, &length);
        tell_loop(planner, done, path + begin, length - begin);
        for (uint32_t i = begin; i < length; i++) {
            job->ops[path[i]].bad = done[path[i]] = true;
            planner->order[count++] = path[i];
        }
    }
}
