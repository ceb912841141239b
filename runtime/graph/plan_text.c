/* `millrace info JOB`: the plan in words; one fact a line, so that scripts can look for them. */
#include "runtime/graph/planner.h"
#include "runtime/graph/typing.h"

#include <stdio.h>
#include <string.h>

#define SPLITS_SHOWN 8u

static const char *const partition_names[] = {
    [PARTITION_FORWARD] = "forward",     [PARTITION_KEY] = "key",
    [PARTITION_REBALANCE] = "rebalance", [PARTITION_BROADCAST] = "broadcast",
    [PARTITION_DIRECT] = "direct",       [PARTITION_ABREAST] = "forward, watermarks to all",
};

static const char *const restart_names[] = {
    [RESTART_FIXED_DELAY] = "fixed-delay",
    [RESTART_EXPONENTIAL_DELAY] = "exponential-delay",
    [RESTART_NONE] = "none",
};

static void put_duration(struct bytes *out, int64_t ms)
{
    char text[32];

    bytes_text(out, duration_text(ms, text, sizeof(text)));
}

static void put_texts(struct bytes *out, const struct text_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        bytes_format(out, "%s%s", i ? ", " : "", list->items[i]);
}

/* ---- the job ---- */

static void put_checkpoints(const struct settings *settings, struct bytes *out)
{
    bytes_text(out, "checkpoints: ");
    if (settings->checkpoint.interval_ms) {
        bytes_text(out, "every ");
        put_duration(out, settings->checkpoint.interval_ms);
    } else {
        bytes_text(out, "only a final one");
    }
    bytes_format(out, ", in %s, %lld kept, given up after ", settings->checkpoint.dir,
                 (long long)settings->checkpoint.retain);
    put_duration(out, settings->checkpoint.timeout_ms);
    bytes_text(out, "\n");
}

static void put_restart(const struct settings *settings, struct bytes *out)
{
    bytes_format(out, "restart: %s", restart_names[settings->restart.strategy]);
    if (settings->restart.strategy != RESTART_NONE) {
        bytes_format(out, ", %lld times at most, after ",
                     (long long)settings->restart.max_attempts);
        put_duration(out, settings->restart.delay_ms);
    }
    if (settings->restart.strategy == RESTART_EXPONENTIAL_DELAY) {
        bytes_text(out, " to ");
        put_duration(out, settings->restart.max_delay_ms);
    }
    bytes_text(out, "\n");
}

static void put_job(const struct plan *plan, struct bytes *out)
{
    const struct settings *settings = &plan->settings;

    bytes_format(out, "job: %s\n", settings->job.name);
    bytes_format(out, "file: %s\n", plan->path);
    bytes_format(out, "parallelism: %lld (%u slots)\n", (long long)settings->job.parallelism,
                 plan->parallelism);
    bytes_format(out, "key groups: %lld\n", (long long)settings->job.key_groups);
    put_checkpoints(settings, out);
    put_restart(settings, out);
    bytes_text(out, "state: ");
    if (settings->state.memory_bytes)
        bytes_format(out, "%lld bytes in memory, the rest on disk\n",
                     (long long)settings->state.memory_bytes);
    else
        bytes_text(out, "in memory, without a limit\n");
}

static void put_chains(const struct plan *plan, struct bytes *out)
{
    bytes_text(out, "\nchains:\n");
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const struct plan_chain *chain = &plan->chains[i];
        bytes_format(out, "  chain %u, %u subtask%s: ", i, chain->parallelism,
                     chain->parallelism == 1 ? "" : "s");
        for (uint32_t k = 0; k < chain->op_count; k++)
            bytes_format(out, "%s%s", k ? ", " : "", plan->ops[chain->ops[k]].id);
        bytes_text(out, "\n");
    }
}

/* ---- one operator ---- */

static void put_edge(const struct plan *plan, const struct plan_edge *edge, struct bytes *out)
{
    bytes_format(out, "%s", partition_names[edge->partition]);
    if (edge->key && edge->partition == PARTITION_KEY) {
        bytes_text(out, " (");
        for (uint32_t i = 0; i < edge->key_count; i++)
            bytes_format(out, "%s%s", i ? ", " : "", edge->schema->fields[edge->key[i]].name);
        bytes_text(out, edge->key_count ? ")" : "all rows)");
    }
    if (edge->chained)
        bytes_text(out, ", chained");
    bytes_format(out, ", %u to %u", plan->ops[edge->from].parallelism,
                 plan->ops[edge->to].parallelism);
}

static void put_input(const struct plan *plan, const struct plan_op *op, uint32_t port,
                      struct bytes *out)
{
    const struct plan_input *input = &op->inputs[port];

    bytes_format(out, "    input %s", op->def->inputs[port].name);
    if (!input->connected) {
        bytes_text(out, ": not connected\n");
        return;
    }
    if (input->keyed) {
        bytes_text(out, ", key (");
        put_texts(out, input->key);
        bytes_text(out, ")");
    }
    bytes_text(out, input->gated ? ", gated" : "");
    if (input->gated && plan_head(plan, op->chain) != op)
        bytes_format(out, " by %s", plan_head(plan, op->chain)->id);
    bytes_text(out, "\n");
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct plan_edge *edge = &plan->edges[i];
        if (edge->to != op->index || edge->to_port != port)
            continue;
        bytes_format(out, "      from %s.%s: ", plan->ops[edge->from].id,
                     plan->ops[edge->from].def->outputs[edge->from_port].name);
        put_edge(plan, edge, out);
        bytes_text(out, "\n");
    }
}

static void put_output(const struct plan *plan, const struct plan_op *op, uint32_t port,
                       struct bytes *out)
{
    const struct plan_output *output = &op->outputs[port];
    struct arena *arena = arena_create(4096);

    bytes_format(out, "    output %s", op->def->outputs[port].name);
    if (output->key && output->key->count) {
        bytes_text(out, ", key (");
        put_texts(out, output->key);
        bytes_text(out, ")");
    }
    bytes_format(out, ": %s\n", typing_schema_text(arena, output->schema));
    arena_close(arena);
    for (uint32_t i = 0; i < output->edge_count; i++) {
        const struct plan_edge *edge = &plan->edges[output->edges[i]];
        bytes_format(out, "      to %s.%s\n", plan->ops[edge->to].id,
                     plan->ops[edge->to].def->inputs[edge->to_port].name);
    }
    if (output->table != FIELD_NONE)
        bytes_format(out, "      table %u\n", output->table);
}

static void put_splits(const struct plan_op *op, struct bytes *out)
{
    if (!op->def->splits)
        return;
    if (op->split_count)
        bytes_format(out, "    splits: %u\n", op->split_count);
    else
        bytes_text(out, "    splits: none known\n");
    for (uint32_t i = 0; i < op->split_count && i < SPLITS_SHOWN; i++) {
        const struct split *split = &op->splits[i];
        bytes_format(out, "      %s from %lld", split->name, (long long)split->begin);
        if (split->end != INT64_MAX)
            bytes_format(out, " to %lld", (long long)split->end);
        bytes_text(out, "\n");
    }
    if (op->split_count > SPLITS_SHOWN)
        bytes_format(out, "      and %u more\n", op->split_count - SPLITS_SHOWN);
}

static bool is_keyed(const struct plan_op *op)
{
    for (uint32_t i = 0; i < op->input_count; i++)
        if (op->inputs[i].keyed)
            return true;
    return false;
}

/* The range of key groups of each subtask; a subtask beyond them has none. */
static void put_subtasks(const struct plan *plan, const struct plan_op *op, struct bytes *out)
{
    uint32_t groups = (uint32_t)plan->settings.job.key_groups;

    if (!is_keyed(op))
        return;
    for (uint32_t i = 0; i < op->parallelism; i++) {
        uint32_t begin = key_group_begin(i, groups, op->parallelism);
        uint32_t end = key_group_begin(i + 1, groups, op->parallelism);
        bytes_format(out, "    subtask %u: key groups %u to %u\n", i, begin, end - 1);
    }
}

static void put_op(const struct plan *plan, const struct plan_op *op, struct bytes *out)
{
    bytes_format(out, "  %s (%s): chain %u, parallelism %u%s\n", op->id, op->def->name, op->chain,
                 op->parallelism, op->ordered ? ", in event-time order" : "");
    put_splits(op, out);
    for (uint32_t i = 0; i < op->input_count; i++)
        put_input(plan, op, i, out);
    for (uint32_t i = 0; i < op->output_count; i++)
        put_output(plan, op, i, out);
    for (uint32_t i = 0; i < op->state_count; i++) {
        if (op->states[i].size == 0 && op->def->states[i].kind != STATE_MAP)
            continue;
        bytes_format(out, "    state %s: %u bytes a cell", op->states[i].name, op->states[i].size);
        if (op->states[i].ttl_ms) {
            bytes_text(out, ", kept ");
            put_duration(out, op->states[i].ttl_ms);
        }
        if (op->states[i].pane_ms) {
            bytes_text(out, ", panes of ");
            put_duration(out, op->states[i].pane_ms);
        }
        bytes_text(out, "\n");
    }
    put_subtasks(plan, op, out);
}

/* ---- tables ---- */

static void put_readers(const struct plan *plan, uint32_t table, struct bytes *out)
{
    const char *before = ", read by ";

    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct plan_op *op = &plan->ops[i];
        for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++) {
            if (op->tables[k] != table)
                continue;
            bytes_format(out, "%s%s (as %s%s", before, op->id, op->def->tables[k].name,
                         op->lookup_latest ? ", latest" : "");
            if (op->delays_ms[k]) {
                bytes_text(out, ", a delay of ");
                put_duration(out, op->delays_ms[k]);
            }
            bytes_text(out, op->looped[k] ? ", in a loop)" : ")");
            before = ", ";
        }
    }
}

static void put_table(const struct plan *plan, const struct plan_table *table, struct bytes *out)
{
    const struct plan_op *from = &plan->ops[table->from];

    bytes_format(out, "  table %u: %s.%s, key (", table->index, from->id,
                 from->def->outputs[table->from_port].name);
    put_texts(out, from->outputs[table->from_port].key);
    bytes_text(out, "), ");
    if (table->period_ms > 1) {
        bytes_text(out, "a version every ");
        put_duration(out, table->period_ms);
    } else {
        bytes_text(out, "a version at any time");
    }
    bytes_text(out, table->replace ? ", which replaces the one before" : "");
    if (table->keep_ms) {
        bytes_text(out, ", rows leave after ");
        put_duration(out, table->keep_ms);
    }
    for (uint32_t i = 0; i < table->ranking_count; i++)
        bytes_format(out, ", the %u largest by %s", table->rankings[i].limit,
                     table->schema->fields[table->rankings[i].column].name);
    put_readers(plan, table->index, out);
    bytes_text(out, "\n");
}

void plan_describe(const struct plan *plan, struct bytes *out)
{
    put_job(plan, out);
    put_chains(plan, out);
    bytes_text(out, "\noperators:\n");
    for (uint32_t i = 0; i < plan->op_count; i++)
        put_op(plan, &plan->ops[i], out);
    if (plan->table_count)
        bytes_text(out, "\ntables:\n");
    for (uint32_t i = 0; i < plan->table_count; i++)
        put_table(plan, &plan->tables[i], out);
    bytes_text(out, "\ndeterministic: ");
    if (plan->prevents_determinism)
        bytes_format(out, "no: %s\n", plan->prevents_determinism);
    else
        bytes_text(out, "yes\n");
}
