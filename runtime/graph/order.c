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

/* The first reference to an operator that is not done; NULL: none. */
static const struct job_ref *waits_for(const struct job *job, uint32_t op, const bool *done)
{
    const struct job_ref *ref;

    for (uint32_t k = 0; (ref = ref_at(&job->ops[op], k)); k++)
        if (ref->op != FIELD_NONE && !done[ref->op])
            return ref;
    return NULL;
}

static uint32_t find_ready(const struct job *job, const bool *done)
{
    for (uint32_t i = 0; i < job->op_count; i++)
        if (!done[i] && !waits_for(job, i, done))
            return i;
    return FIELD_NONE;
}

/* Follows references from an operator that waits until one comes again: the loop is
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
        op = waits_for(job, op, done)->op;
    }
    return seen[op] - 1;
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
    mistake_value(&planner->mistakes, waits_for(job, loop[first], done)->node,
                  "leave one of these connections out",
                  "operators read each other in a loop: %.*s%s", (int)text.size,
                  (const char *)text.data, length > LOOP_SHOWN ? ", ..." : "");
    bytes_clear(&text);
}

void order_make(struct planner *planner)
{
    struct job *job = &planner->job;
    uint32_t count = 0, path[OPERATORS_MAX], length, begin;
    bool done[OPERATORS_MAX] = {false};

    planner->order = arena_new(planner->arena, (job->op_count + 1) * sizeof(*planner->order));
    while (count < job->op_count) {
        uint32_t op = find_ready(job, done);
        if (op != FIELD_NONE) {
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
