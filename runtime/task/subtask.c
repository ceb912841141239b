/* The life of a subtask: it is made from the plan, opened, restored, and closed. See task.h; what it
 * does in between is in step.c. */
#include "runtime/task/subtask.h"

#include "runtime/base/check.h"
#include "runtime/task/gate.h"
#include "runtime/task/input.h"
#include "runtime/task/publish.h"
#include "runtime/task/replica.h"
#include "runtime/task/sink.h"
#include "runtime/task/snapshot.h"
#include "runtime/task/source.h"

#include <stdio.h>
#include <string.h>

/* ---- operators ---- */
static bool any_input(const struct plan_op *plan, bool (*test)(const struct plan_input *input))
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        if (plan->inputs[i].connected && test(&plan->inputs[i]))
            return true;
    return false;
}

static bool is_keyed(const struct plan_input *input)
{
    return input->keyed;
}

static bool is_global(const struct plan_input *input)
{
    return input->keyed && (!input->key || input->key->count == 0);
}

static bool is_gated(const struct plan_input *input)
{
    return input->gated;
}

/* Appends to the subtask's states; those of an operator whose rows have no key are left out. */
static void op_states(struct op *op, struct subtask *subtask)
{
    const struct plan_op *plan = op->plan;

    op->state_first = subtask->state_count;
    op->timer_state = FIELD_NONE;
    if (!any_input(plan, is_keyed))
        return;
    op->state_count = plan->state_count;
    for (uint32_t i = 0; i < plan->state_count; i++)
        subtask->states[subtask->state_count++] = plan->states[i];
    if (!op->def->on_timer)
        return;
    op->timer_state = subtask->state_count;
    subtask->states[subtask->state_count++] = (struct store_state){
        .name = arena_format(subtask->arena, "%s.@timers", plan->id), .kind = STORE_TIMER};
    op->due = memory_new(sizeof(*op->due));
}

/* What comes with a call: cells for each state that has them. */
static void op_cells_make(struct op *op)
{
    for (uint32_t i = 0; i < op->state_count; i++)
        if (op->subtask->states[op->state_first + i].kind != STORE_MAP)
            op->states[i].cells = memory_array(BATCH_ROWS_MAX, sizeof(void *));
}

static void op_init(struct op *op, struct subtask *subtask, uint32_t index)
{
    const struct plan_op *plan = &subtask->plan->ops[index];

    op->subtask = subtask;
    op->plan = plan;
    op->def = plan->def;
    op->id = plan->id;
    op->seed = hash_seeded(plan->id, strlen(plan->id), subtask->plan->seed);
    op->input_count = plan->input_count;
    op->inputs = plan->inputs;
    op->sorted = plan->input_count > 0 && (plan->ordered || any_input(plan, is_gated));
    op->global = any_input(plan, is_global);
    if (op->sorted && (op->def->on_timer || op->def->on_watermark))
        op->period_ms = plan->version_period_ms;
    op->watermark_ms = op->told_ms = op->telling_ms = op->row_ms = INT64_MIN;
    op_states(op, subtask);
}

/* ---- outputs ---- */
static struct op *op_of(const struct subtask *subtask, uint32_t index)
{
    for (uint32_t i = 0; i < subtask->chain->op_count; i++)
        if (subtask->chain->ops[i] == index)
            return &subtask->ops[i];
    CHECK(!"the operator is in the chain");
    return NULL;
}

static void edge_channels(struct edge_out *edge, const struct plan_edge *plan)
{
    struct subtask *subtask = edge->subtask;
    uint32_t readers = subtask->plan->ops[plan->to].parallelism;

    edge->targets = arena_new(subtask->arena, readers * sizeof(*edge->targets));
    for (uint32_t to = 0; to < readers; to++) {
        struct channel *channel =
            subtask->host->edge_channel(subtask->host, plan->index, subtask->number, to);

        if (!channel)
            continue;
        edge->targets[edge->target_count].local =
            plan_worker_of(to, subtask->host->workers) == subtask->host->worker;
        edge->targets[edge->target_count++].channel = channel;
    }
    CHECK(edge->target_count == (plan->partition == PARTITION_FORWARD ? 1 : readers));
}

static void edge_from_plan(struct edge_out *edge, struct subtask *subtask,
                           const struct plan_edge *plan)
{
    const struct plan_op *to = &subtask->plan->ops[plan->to];

    *edge = (struct edge_out){
        .subtask = subtask,
        .child = plan->chained ? op_of(subtask, plan->to) : NULL,
        .child_port = plan->to_port,
        .partition = plan->partition,
        .keyed = to->inputs[plan->to_port].keyed,
        .key = plan->key,
        .key_count = plan->key_count,
        .schema = plan->schema,
        .columns = plan->columns,
        .next = subtask->number,
    };
    if (plan->partition == PARTITION_DIRECT) {
        edge->direct_column = schema_find(plan->schema, "subtask");
        CHECK(edge->direct_column != FIELD_NONE);
    }
    if (!edge->child)
        edge_channels(edge, plan);
    edge_open(edge, (uint32_t)subtask->plan->settings.job.key_groups);
}

/* A table's publisher hangs under the port as a chained operator. */
static void add_publisher(struct subtask *subtask, struct output *output, uint32_t table)
{
    const struct plan_table *plan = &subtask->plan->tables[table];
    struct op *publisher = &subtask->ops[subtask->op_count++];

    CHECK(subtask->op_count <= subtask->op_capacity);
    publish_open(publisher, subtask, table, &subtask->states[subtask->state_count]);
    publisher->state_first = subtask->state_count++;
    publisher->state_count = 1;
    output->edges[output->edge_count++] = (struct edge_out){
        .subtask = subtask,
        .child = publisher,
        .partition = PARTITION_FORWARD,
        .keyed = true,
        .key = plan->key,
        .key_count = plan->key_count,
        .schema = plan->schema,
    };
}

static void op_outputs(struct op *op, struct subtask *subtask)
{
    op->output_count = op->plan->output_count;
    op->outputs = arena_new(subtask->arena, (op->output_count + 1) * sizeof(*op->outputs));
    for (uint32_t port = 0; port < op->output_count; port++) {
        const struct plan_output *plan = &op->plan->outputs[port];
        struct output *output = &op->outputs[port];

        output->schema = plan->schema;
        output->edges = arena_new(subtask->arena, (plan->edge_count + 1) * sizeof(*output->edges));
        for (uint32_t e = 0; e < plan->edge_count; e++)
            edge_from_plan(&output->edges[output->edge_count++], subtask,
                           &subtask->plan->edges[plan->edges[e]]);
        if (plan->table != FIELD_NONE)
            add_publisher(subtask, output, plan->table);
    }
}

/* ---- tables ---- */
static uint32_t ranking_of(const struct plan_table *table, const struct table_use *use)
{
    if (use->rank_limit == 0)
        return FIELD_NONE;
    for (uint32_t i = 0; i < table->ranking_count; i++)
        if (table->rankings[i].limit == use->rank_limit &&
            strcmp(table->schema->fields[table->rankings[i].column].name, use->rank_by) == 0)
            return i;
    return FIELD_NONE;
}

static void op_tables(struct op *op, struct subtask *subtask)
{
    for (uint32_t i = 0; op->def->tables && op->def->tables[i].name; i++) {
        struct op_table *own = &op->tables[i];

        own->version = INT64_MIN;
        own->ranking = FIELD_NONE;
        if (op->plan->tables[i] == FIELD_NONE)
            continue;
        own->table = &subtask->plan->tables[op->plan->tables[i]];
        own->ranking = ranking_of(own->table, &op->def->tables[i]);
        own->replica = subtask->host->replica(subtask->host, own->table->index);
        CHECK(own->replica);
        own->delay_ms = op->plan->delays_ms[i];
        own->looped = op->plan->looped[i];
        own->reader = replica_attach(own->replica, subtask->waker, own->looped);
        subtask->tables[subtask->table_count++] = own;
    }
}

/* The same table may be read at several delays, and by several operators. */
static uint32_t gate_tables(const struct subtask *subtask, struct gate_table *tables)
{
    uint32_t count = 0, at;

    for (uint32_t i = 0; i < subtask->table_count; i++) {
        const struct op_table *own = subtask->tables[i];

        for (at = 0; at < count; at++)
            if (tables[at].table == own->table && tables[at].delay_ms == own->delay_ms)
                break;
        tables[at] = (struct gate_table){own->table, own->delay_ms};
        count += at == count;
    }
    return count;
}

static struct gate *make_gate(const struct subtask *subtask)
{
    const struct plan_op *head = subtask_head(subtask)->plan;
    struct gate_table *tables;
    struct gate *gate;

    if (!any_input(head, is_gated))
        return NULL;
    tables = memory_array(subtask->table_count + 1ul, sizeof(*tables));
    gate = gate_create(head, tables, head->lookup_latest ? 0 : gate_tables(subtask, tables));
    memory_free(tables);
    return gate;
}

/* ---- state ---- */
static bool open_store(struct subtask *subtask, struct error *err)
{
    const struct plan *plan = subtask->plan;
    uint32_t groups = (uint32_t)plan->settings.job.key_groups;
    uint32_t parallelism = subtask->chain->parallelism;
    const char *head = plan_head(plan, subtask->chain->index)->id;

    if (subtask->state_count == 0)
        return true;
    subtask->store = store_create(
        &(struct store_config){
            .states = subtask->states,
            .state_count = subtask->state_count,
            .key_groups = groups,
            .group_begin = key_group_begin(subtask->number, groups, parallelism),
            .group_end = key_group_begin(subtask->number + 1, groups, parallelism),
            .memory_bytes = subtask->host->memory_bytes,
            .spill_dir = arena_format(subtask->arena, "%s/%s-%u", subtask->host->spill_dir, head,
                                      subtask->number),
            .work_dir = subtask->host->work_dir,
            .file_prefix =
                arena_format(subtask->arena, "%.48s-e%u-a%u-%s-%u", plan->settings.job.name,
                             subtask->host->epoch, subtask->host->attempt, head, subtask->number),
            .merge_ratio = plan->settings.checkpoint.merge_ratio,
            /* Of operators that are in other chains now; others are the coordinator's to refuse. */
            .allow_dropped = true,
            .executor = subtask->host->executor,
            .waker = subtask->waker,
            .clock = subtask->host->clock,
        },
        err);
    return subtask->store != NULL;
}

/* ---- life ---- */
static void count_parts(struct subtask *subtask, uint32_t *states)
{
    *states = 0;
    subtask->op_capacity = subtask->chain->op_count;
    for (uint32_t i = 0; i < subtask->chain->op_count; i++) {
        const struct plan_op *op = &subtask->plan->ops[subtask->chain->ops[i]];

        subtask->op_capacity += publish_count(op);
        *states += op->state_count + 1 + publish_count(op);
    }
}

static struct subtask *subtask_new(struct task_host *host, uint32_t chain, uint32_t number,
                                   struct waker *waker)
{
    struct subtask *subtask = memory_new(sizeof(*subtask));
    uint32_t states;

    subtask->host = host;
    subtask->plan = host->plan;
    subtask->chain = &host->plan->chains[chain];
    subtask->number = number;
    subtask->waker = waker;
    subtask->arena = arena_create(1u << 14);
    subtask->random.state = host->chaos + chain * UINT64_C(1000003) + number;
    subtask->gate_sent_ms = INT64_MIN;
    subtask->watermark_ms = INT64_MIN;
    subtask->step_last = STEP_BUSY;
    subtask->flushed_ns = subtask->step_end_ns = clock_now_ns(host->clock);
    count_parts(subtask, &states);
    subtask->ops = arena_new(subtask->arena, subtask->op_capacity * sizeof(*subtask->ops));
    subtask->states = arena_new(subtask->arena, (states + 1) * sizeof(*subtask->states));
    subtask->tables = arena_new(subtask->arena,
                                subtask->chain->op_count * TABLES_MAX * sizeof(struct op_table *));
    subtask->op_count = subtask->chain->op_count;
    return subtask;
}

static bool op_start(struct op *op, struct subtask *subtask, struct error *err)
{
    bool good;

    (void)snprintf(op->subtask_name, sizeof(op->subtask_name), "%u-%u-%u", subtask->number,
                   subtask->host->epoch, subtask->host->attempt);
    op->arena = arena_create(4096);
    op_cells_make(op);
    op->call = CALL_OPEN;
    good = !op->def->open || op->def->open(op, err);
    op->call = CALL_NONE;
    return good || error_wrap(err, "operator %s", op->id);
}

static bool subtask_start(struct subtask *subtask, struct resume *resume, struct error *err)
{
    if (!open_store(subtask, err))
        return false;
    for (uint32_t i = 0; i < subtask->op_count; i++) {
        if (!op_start(&subtask->ops[i], subtask, err))
            return false;
        if (publish_is(&subtask->ops[i]) && resume)
            publish_watch(&subtask->ops[i]);
    }
    return !resume || resume_apply(resume, err);
}

static bool subtask_open(struct subtask *subtask, const struct subtask_restore *restore,
                         struct error *err)
{
    struct op *head = subtask_head(subtask);
    struct resume *resume = NULL;
    bool good;

    subtask->restored = restore != NULL;
    for (uint32_t i = 0; i < subtask->chain->op_count; i++)
        op_init(&subtask->ops[i], subtask, subtask->chain->ops[i]);
    for (uint32_t i = 0; i < subtask->chain->op_count; i++)
        op_outputs(&subtask->ops[i], subtask);
    for (uint32_t i = 0; i < subtask->chain->op_count; i++)
        op_tables(&subtask->ops[i], subtask);
    subtask->gate = make_gate(subtask);
    if (head->def->splits)
        subtask->source = source_open(subtask);
    else
        subtask->input = input_open(subtask);
    if (restore && !(resume = resume_open(subtask, restore, err)))
        return false;
    good = subtask_start(subtask, resume, err);
    resume_close(resume);
    return good;
}

struct subtask *subtask_create(struct task_host *host, uint32_t chain, uint32_t number,
                               const struct subtask_restore *restore, struct waker *waker,
                               struct error *err)
{
    struct subtask *subtask = subtask_new(host, chain, number, waker);

    if (subtask_open(subtask, restore, err))
        return subtask;
    error_wrap(err, "subtask %u", number);
    subtask_close(subtask);
    return NULL;
}

static void op_close(struct op *op)
{
    if (op->arena && op->def->close)
        op->def->close(op);
    if (op->def && publish_is(op))
        publish_close(op);
    items_clear(&op->items);
    batch_release(&op->slice);
    sink_close(op);
    for (uint32_t i = 0; i < STATES_MAX; i++) {
        memory_free(op->states[i].cells);
        memory_free(op->states[i].same);
    }
    if (op->due)
        bytes_clear(&op->due->bytes);
    memory_free(op->due);
    for (uint32_t port = 0; port < op->output_count; port++) {
        builder_close(op->outputs[port].builder);
        for (uint32_t e = 0; e < op->outputs[port].edge_count; e++)
            edge_close(&op->outputs[port].edges[e]);
    }
    for (uint32_t i = 0; i < TABLES_MAX; i++)
        if (op->tables[i].reader)
            replica_detach(op->tables[i].reader);
    arena_close(op->arena);
}

void subtask_close(struct subtask *subtask)
{
    if (!subtask)
        return;
    snapshots_close(subtask);
    store_close(subtask->store);
    source_close(subtask->source); /* its readers are the operator's */
    input_close(subtask->input);
    gate_close(subtask->gate);
    for (uint32_t i = 0; i < subtask->op_count; i++)
        op_close(&subtask->ops[i]);
    arena_close(subtask->arena);
    memory_free(subtask);
}

int64_t subtask_due_ns(const struct subtask *subtask)
{
    return subtask->source ? source_due_ns(subtask->source) : INT64_MAX;
}
