/* Versioned tables of a plan: one for each output that any operator looks up. */
#include "runtime/graph/planner.h"

static uint32_t table_of(struct planner *planner, const struct job_ref *ref)
{
    struct plan *plan = planner->plan;
    const struct plan_op *from = &plan->ops[ref->op];
    struct plan_output *output = &from->outputs[ref->port];
    struct plan_table *table = &plan->tables[plan->table_count];
    uint32_t *key;

    if (output->table != FIELD_NONE)
        return output->table;
    key = arena_new(planner->arena, (output->key->count + 1) * sizeof(*key));
    for (uint32_t i = 0; i < output->key->count; i++)
        key[i] = schema_find(output->schema, output->key->items[i]);
    *table = (struct plan_table){.index = plan->table_count,
                                 .from = ref->op,
                                 .from_port = ref->port,
                                 .schema = output->schema,
                                 .key = key,
                                 .key_count = output->key->count,
                                 .period_ms = from->version_period_ms ? from->version_period_ms : 1,
                                 .replace = from->version_replace,
                                 .keep_ms = output->keep_ms};
    output->table = plan->table_count++;
    return output->table;
}

static void add_ranking(struct planner *planner, struct plan_table *table,
                        const struct table_use *use)
{
    uint32_t column;
    struct plan_ranking *rankings;

    if (!use->rank_limit)
        return;
    column = schema_find(table->schema, use->rank_by);
    for (uint32_t i = 0; i < table->ranking_count; i++)
        if (table->rankings[i].column == column && table->rankings[i].limit == use->rank_limit)
            return;
    rankings = arena_new(planner->arena, (table->ranking_count + 1) * sizeof(*rankings));
    for (uint32_t i = 0; i < table->ranking_count; i++)
        rankings[i] = table->rankings[i];
    rankings[table->ranking_count++] = (struct plan_ranking){column, use->rank_limit};
    table->rankings = rankings;
}

static void add_reader(struct planner *planner, uint32_t op, uint32_t use, uint32_t table)
{
    struct plan_op *plan_op = &planner->plan->ops[op];
    struct plan_table *plan_table = &planner->plan->tables[table];
    int64_t delay_ms = planner->job.ops[op].tables[use].delay_ms;

    plan_op->tables[use] = table;
    plan_op->delays_ms[use] = delay_ms;
    if (delay_ms > plan_table->delay_ms)
        plan_table->delay_ms = delay_ms;
    add_ranking(planner, plan_table, &plan_op->def->tables[use]);
}

void tables_make(struct planner *planner)
{
    const struct job *job = &planner->job;
    struct plan *plan = planner->plan;
    uint32_t count = 0;

    for (uint32_t i = 0; i < job->op_count; i++)
        count += job->ops[i].table_count;
    plan->tables = arena_new(planner->arena, (count + 1) * sizeof(*plan->tables));
    for (uint32_t i = 0; i < job->op_count; i++) {
        for (uint32_t k = 0; k < job->ops[i].table_count; k++) {
            const struct job_ref *ref = &job->ops[i].tables[k];
            if (ref->op == FIELD_NONE)
                continue;
            add_reader(planner, i, k, table_of(planner, ref));
        }
    }
}
