/* From the text of a job to its plan; see plan.h, and planner.h for the steps. Mistakes never stop
 * a step, but the plan is made only where there are none. */
#include "runtime/graph/plan.h"

#include "runtime/graph/override.h"
#include "runtime/graph/planner.h"

#include <string.h>

#define PLAN_BLOCK_SIZE (64u << 10) /* bytes of an arena's block */

_Static_assert((uint64_t)SPLITS_MAX *OPERATORS_MAX <= 1u << 24, "split numbers fit the origin");

static enum store_kind store_kind_of(enum state_kind kind)
{
    switch (kind) {
    case STATE_LIST:
        return STORE_LIST;
    case STATE_MAP:
        return STORE_MAP;
    case STATE_PANE:
        return STORE_PANE;
    case STATE_NONE:
    case STATE_VALUE:
        break;
    }
    return STORE_VALUE;
}

static void make_states(struct planner *planner, struct plan_op *op)
{
    op->states = arena_new(planner->arena, (op->state_count + 1) * sizeof(*op->states));
    for (uint32_t i = 0; i < op->state_count; i++) {
        const struct state *state = &op->def->states[i];
        CHECK(state->kind != STATE_NONE);
        op->states[i] =
            (struct store_state){.name = arena_format(planner->arena, "%s.%s", op->id, state->name),
                                 .kind = store_kind_of(state->kind),
                                 .size = (uint32_t)state->size,
                                 .fields = state->fields,
                                 .merge = state->merge,
                                 .config = op->config};
    }
}

static void make_op(struct planner *planner, uint32_t index)
{
    const struct job_op *job_op = &planner->job.ops[index];
    struct plan_op *op = &planner->plan->ops[index];
    const struct yaml_node *id;

    op->index = index;
    op->id = job_op->id;
    op->def = job_op->def;
    op->config = job_op->config;
    op->parallelism = job_op->parallelism;
    op->lookup_latest = job_op->lookup_latest;
    if (!op->def || !op->id)
        return;
    op->ordered = op->def->order == ORDER_EVENT_TIME;
    id = yaml_get(job_op->node, "id");
    op->line = id->line;
    op->column = id->column;
    op->input_count = job_op->input_count;
    op->output_count = job_op->output_count;
    op->state_count = job_op->state_count;
    op->inputs = arena_new(planner->arena, (op->input_count + 1) * sizeof(*op->inputs));
    op->outputs = arena_new(planner->arena, (op->output_count + 1) * sizeof(*op->outputs));
    op->tables = arena_new(planner->arena, (job_op->table_count + 1) * sizeof(*op->tables));
    op->delays_ms = arena_new(planner->arena, (job_op->table_count + 1) * sizeof(*op->delays_ms));
    op->looped = arena_new(planner->arena, (job_op->table_count + 1) * sizeof(*op->looped));
    for (uint32_t i = 0; i < op->output_count; i++)
        op->outputs[i].table = FIELD_NONE;
    for (uint32_t i = 0; i < job_op->table_count; i++)
        op->tables[i] = FIELD_NONE;
    make_states(planner, op);
}

static void make_ops(struct planner *planner)
{
    struct plan *plan = planner->plan;
    uint32_t count = planner->job.op_count;

    plan->op_count = count;
    plan->ops = arena_new(planner->arena, (count + 1) * sizeof(*plan->ops));
    planner->facts = arena_new(planner->arena, (count + 1) * sizeof(*planner->facts));
    for (uint32_t i = 0; i < count; i++)
        make_op(planner, i);
}

static void finish(struct planner *planner)
{
    struct plan *plan = planner->plan;

    plan->settings = planner->job.settings;
    if (planner->request->parallelism)
        plan->settings.job.parallelism = planner->request->parallelism;
    plan->seed = hash_bytes(plan->settings.job.name, strlen(plan->settings.job.name));
    for (uint32_t i = 0; i < plan->op_count; i++) {
        if (plan->ops[i].parallelism > plan->parallelism)
            plan->parallelism = plan->ops[i].parallelism;
    }
    prune_columns(planner);
    edges_make(planner);
    tables_make(planner);
    loops_make(planner);
    streams_make(planner);
    chains_make(planner);
    determinism_make(planner);
}

static bool validate(struct planner *planner)
{
    const struct plan_request *request = planner->request;
    struct yaml_node *root = yaml_parse(planner->arena, request->text, &planner->mistakes);

    if (!root)
        return false;
    if (root->kind == YAML_MAPPING) {
        if (!job_plugins(&planner->mistakes, root))
            return false; /* kinds would be unknown */
        overrides_apply(planner->arena, root, request->overrides, request->override_count,
                        &planner->mistakes);
    }
    planner->job = (struct job){.arena = planner->arena,
                                .mistakes = &planner->mistakes,
                                .root = root,
                                .parallelism = request->parallelism};
    job_read(&planner->job);
    make_ops(planner);
    order_make(planner);
    typing_make(planner);
    aside_check(planner);
    splits_make(planner);
    return mistakes_total(&planner->mistakes) == 0;
}

struct plan *plan_create(const struct plan_request *request, struct error_list *errors)
{
    struct arena *arena = arena_create(PLAN_BLOCK_SIZE);
    struct planner planner = {.request = request,
                              .arena = arena,
                              .mistakes = {.path = request->path},
                              .plan = arena_new(arena, sizeof(struct plan))};

    planner.plan->arena = arena;
    planner.plan->path = arena_text(arena, request->path);
    if (!validate(&planner)) {
        CHECK(mistakes_total(&planner.mistakes) > 0);
        mistakes_move(&planner.mistakes, errors);
        arena_close(arena);
        return NULL;
    }
    finish(&planner);
    mistakes_clear(&planner.mistakes);
    return planner.plan;
}

void plan_close(struct plan *plan)
{
    if (plan)
        arena_close(plan->arena);
}

uint32_t plan_find_op(const struct plan *plan, const char *id)
{
    for (uint32_t i = 0; i < plan->op_count; i++)
        if (strcmp(plan->ops[i].id, id) == 0)
            return i;
    return FIELD_NONE;
}

bool plan_table_on_worker(const struct plan *plan, uint32_t table, uint32_t worker,
                          uint32_t workers)
{
    CHECK(table < plan->table_count && worker < workers);
    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct plan_op *op = &plan->ops[i];
        for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++)
            if (op->tables[k] == table && worker < op->parallelism)
                return true; /* the subtask of the worker's own number is on it */
    }
    return false;
}
