/* Channels, replicas and subtasks of one worker; see deployment.h. */
#include "runtime/worker/deployment.h"

#include "runtime/base/check.h"
#include "runtime/worker/restore.h"

#include <string.h>

struct entry { /* a subtask of this worker */
    uint32_t chain, subtask;
    struct subtask *task;
    bool failed;
};

struct deployment {
    struct task_host host; /* first: subtasks call back with it */
    struct deployment_config config;
    struct arena *arena;
    uint32_t channel_count;
    struct deployment_channel *channels;
    uint32_t *edge_first, *table_first; /* number of the first channel of an edge or table */
    struct replica **replicas;          /* by table; NULL: none here */
    uint32_t entry_count;
    struct entry *entries;
};

static uint32_t producers(const struct plan *plan, uint32_t op)
{
    return plan->ops[op].parallelism;
}

/* ---- numbering ---- */
static uint32_t edge_channels(const struct plan *plan, const struct plan_edge *edge)
{
    uint32_t from = producers(plan, edge->from);

    if (edge->chained)
        return 0;
    return edge->partition == PARTITION_FORWARD ? from : from * plan->ops[edge->to].parallelism;
}

uint32_t deployment_channels(const struct plan *plan, uint32_t workers)
{
    uint32_t count = 0;

    for (uint32_t e = 0; e < plan->edge_count; e++)
        count += edge_channels(plan, &plan->edges[e]);
    for (uint32_t t = 0; t < plan->table_count; t++)
        count += producers(plan, plan->tables[t].from) * workers;
    return count;
}

static void number_channels(struct deployment *deployment)
{
    const struct plan *plan = deployment->config.plan;
    uint32_t next = 0;

    deployment->edge_first =
        arena_new(deployment->arena, (plan->edge_count + 1) * sizeof(uint32_t));
    deployment->table_first =
        arena_new(deployment->arena, (plan->table_count + 1) * sizeof(uint32_t));
    for (uint32_t e = 0; e < plan->edge_count; e++) {
        deployment->edge_first[e] = next;
        next += edge_channels(plan, &plan->edges[e]);
    }
    for (uint32_t t = 0; t < plan->table_count; t++) {
        deployment->table_first[t] = next;
        next += producers(plan, plan->tables[t].from) * deployment->config.workers;
    }
    CHECK(next == deployment_channels(plan, deployment->config.workers));
    deployment->channel_count = next;
    deployment->channels = arena_new(deployment->arena, (next + 1) * sizeof(*deployment->channels));
}

static struct deployment_channel *edge_slot(struct deployment *deployment, uint32_t e,
                                            uint32_t from, uint32_t to)
{
    const struct plan *plan = deployment->config.plan;
    const struct plan_edge *edge = &plan->edges[e];
    uint32_t at = deployment->edge_first[e];

    CHECK(!edge->chained);
    if (edge->partition == PARTITION_FORWARD)
        return from == to ? &deployment->channels[at + from] : NULL;
    return &deployment->channels[at + from * plan->ops[edge->to].parallelism + to];
}

static struct deployment_channel *table_slot(struct deployment *deployment, uint32_t table,
                                             uint32_t from, uint32_t worker)
{
    return &deployment->channels[deployment->table_first[table] +
                                 from * deployment->config.workers + worker];
}

/* ---- making ---- */
static struct waker *slot_waker(const struct deployment *deployment, uint32_t slot)
{
    return deployment->config.slot_waker(deployment->config.owner, slot);
}

/* Makes the channel between two workers if one of them is this one. The slots are those of the
 * two ends and are looked up only for ends that are here. */
static void channel_make(struct deployment *deployment, struct deployment_channel *slot,
                         uint32_t from_slot, uint32_t to_worker, uint32_t to_slot,
                         const struct schema *schema)
{
    const struct deployment_config *config = &deployment->config;
    uint32_t from_worker = plan_worker_of(from_slot, config->workers);
    bool here_from = from_worker == config->worker, here_to = to_worker == config->worker;

    if (!here_from && !here_to)
        return;
    slot->side = here_from && here_to ? SIDE_LOCAL : here_from ? SIDE_OUT : SIDE_IN;
    slot->peer = here_from ? to_worker : from_worker;
    slot->schema = schema;
    slot->channel = channel_create((size_t)config->plan->settings.network.channel_bytes);
    channel_set_wakers(slot->channel,
                       here_from ? slot_waker(deployment, from_slot) : config->remote_waker,
                       here_to ? slot_waker(deployment, to_slot) : config->remote_waker);
}

static void make_edge(struct deployment *deployment, uint32_t e)
{
    const struct plan *plan = deployment->config.plan;
    const struct plan_edge *edge = &plan->edges[e];

    if (edge->chained)
        return;
    for (uint32_t from = 0; from < producers(plan, edge->from); from++)
        for (uint32_t to = 0; to < plan->ops[edge->to].parallelism; to++) {
            struct deployment_channel *slot = edge_slot(deployment, e, from, to);

            if (slot)
                channel_make(deployment, slot, from, plan_worker_of(to, deployment->config.workers),
                             to, edge->schema);
        }
}

/* The slot of this worker that runs the replicas: its first. */
static uint32_t replica_slot(const struct deployment *deployment)
{
    return deployment->config.worker;
}

static void make_table(struct deployment *deployment, uint32_t t)
{
    const struct deployment_config *config = &deployment->config;
    const struct plan_table *table = &config->plan->tables[t];
    uint32_t publishers = producers(config->plan, table->from);
    struct channel **inputs;

    for (uint32_t worker = 0; worker < config->workers; worker++) {
        if (!plan_table_on_worker(config->plan, t, worker, config->workers))
            continue;
        for (uint32_t from = 0; from < publishers; from++)
            channel_make(deployment, table_slot(deployment, t, from, worker), from, worker, worker,
                         table_delta_schema());
    }
    if (!plan_table_on_worker(config->plan, t, config->worker, config->workers))
        return;
    inputs = arena_new(deployment->arena, publishers * sizeof(*inputs));
    for (uint32_t from = 0; from < publishers; from++)
        inputs[from] = table_slot(deployment, t, from, config->worker)->channel;
    deployment->replicas[t] = replica_create(config->plan, t, inputs, publishers,
                                             slot_waker(deployment, replica_slot(deployment)));
}

static void make_entries(struct deployment *deployment)
{
    const struct deployment_config *config = &deployment->config;
    uint32_t count = 0;

    for (uint32_t c = 0; c < config->plan->chain_count; c++)
        count += config->plan->chains[c].parallelism;
    deployment->entries = arena_new(deployment->arena, (count + 1) * sizeof(*deployment->entries));
    for (uint32_t c = 0; c < config->plan->chain_count; c++)
        for (uint32_t s = 0; s < config->plan->chains[c].parallelism; s++)
            if (plan_worker_of(s, config->workers) == config->worker)
                deployment->entries[deployment->entry_count++] =
                    (struct entry){.chain = c, .subtask = s};
}

/* ---- what subtasks ask of their host ---- */
static struct deployment *of_host(struct task_host *host)
{
    return (struct deployment *)host;
}

static struct channel *host_edge_channel(struct task_host *host, uint32_t edge, uint32_t from,
                                         uint32_t to)
{
    struct deployment_channel *slot = edge_slot(of_host(host), edge, from, to);

    return slot ? slot->channel : NULL;
}

static struct channel *host_table_channel(struct task_host *host, uint32_t table, uint32_t from,
                                          uint32_t worker)
{
    return table_slot(of_host(host), table, from, worker)->channel;
}

static struct replica *host_replica(struct task_host *host, uint32_t table)
{
    return of_host(host)->replicas[table];
}

static void host_report(struct task_host *host, struct report *report)
{
    struct deployment *deployment = of_host(host);

    deployment->config.report(deployment->config.owner, report);
}

/* The budget is the job's; each subtask whose chain keeps state has an equal part. */
static uint64_t memory_part(const struct plan *plan)
{
    uint64_t stores = 0;

    for (uint32_t c = 0; c < plan->chain_count; c++) {
        bool keeps = false;

        for (uint32_t i = 0; i < plan->chains[c].op_count; i++)
            keeps = keeps || plan->ops[plan->chains[c].ops[i]].state_count > 0;
        if (keeps)
            stores += plan->chains[c].parallelism;
    }
    return stores == 0 ? 0 : (uint64_t)plan->settings.state.memory_bytes / stores;
}

struct deployment *deployment_create(const struct deployment_config *config)
{
    struct deployment *deployment = memory_new(sizeof(*deployment));

    deployment->config = *config;
    deployment->arena = arena_create(1u << 16);
    deployment->host = (struct task_host){
        .plan = config->plan,
        .clock = config->clock,
        .executor = config->executor,
        .epoch = config->epoch,
        .attempt = config->attempt,
        .work_dir = config->work_dir,
        .spill_dir = config->spill_dir,
        .memory_bytes = memory_part(config->plan),
        .chaos = (uint64_t)config->plan->settings.debug.chaos,
        .sim_bug = config->sim_bug,
        .edge_channel = host_edge_channel,
        .table_channel = host_table_channel,
        .replica = host_replica,
        .worker = config->worker,
        .workers = config->workers,
        .report = host_report,
    };
    number_channels(deployment);
    for (uint32_t e = 0; e < config->plan->edge_count; e++)
        make_edge(deployment, e);
    deployment->replicas =
        arena_new(deployment->arena, (config->plan->table_count + 1) * sizeof(struct replica *));
    for (uint32_t t = 0; t < config->plan->table_count; t++)
        make_table(deployment, t);
    make_entries(deployment);
    return deployment;
}

void deployment_close(struct deployment *deployment)
{
    if (!deployment)
        return;
    for (uint32_t i = 0; i < deployment->entry_count; i++)
        CHECK(!deployment->entries[i].task);
    for (uint32_t t = 0; t < deployment->config.plan->table_count; t++)
        replica_close(deployment->replicas[t]);
    for (uint32_t i = 0; i < deployment->channel_count; i++)
        channel_close(deployment->channels[i].channel);
    arena_close(deployment->arena);
    memory_free(deployment);
}

const struct plan *deployment_plan(const struct deployment *deployment)
{
    return deployment->config.plan;
}

const struct deployment_channel *deployment_channel(const struct deployment *deployment,
                                                    uint32_t id)
{
    CHECK(id < deployment->channel_count);
    return &deployment->channels[id];
}

/* ---- slots ---- */
bool deployment_slot_open(struct deployment *deployment, uint32_t slot, struct error *err)
{
    struct arena *arena = arena_create(1u << 16);
    bool good = true;

    for (uint32_t i = 0; i < deployment->entry_count && good; i++) {
        struct entry *entry = &deployment->entries[i];
        struct subtask_restore restore;

        if (entry->subtask != slot)
            continue;
        if (deployment->config.restore)
            restore_chain(deployment->config.plan, entry->chain, deployment->config.restore,
                          deployment->config.work_dir, arena, &restore);
        entry->task = subtask_create(&deployment->host, entry->chain, entry->subtask,
                                     deployment->config.restore ? &restore : NULL,
                                     slot_waker(deployment, slot), err);
        good = entry->task != NULL;
    }
    arena_close(arena);
    return good;
}

static bool entry_step(struct entry *entry)
{
    enum step_result result;

    if (!entry->task || entry->failed)
        return false;
    result = subtask_step(entry->task);
    entry->failed = result == STEP_FAILED;
    return result == STEP_BUSY;
}

bool deployment_slot_step(struct deployment *deployment, uint32_t slot, struct random *random)
{
    uint32_t count = deployment->entry_count;
    uint32_t start = random && count > 0 ? (uint32_t)random_below(random, count) : 0;
    bool busy = false;

    if (slot == replica_slot(deployment))
        for (uint32_t t = 0; t < deployment->config.plan->table_count; t++)
            if (deployment->replicas[t])
                busy = replica_step(deployment->replicas[t]) || busy;
    for (uint32_t i = 0; i < count; i++) {
        struct entry *entry = &deployment->entries[(start + i) % count];

        if (entry->subtask == slot)
            busy = entry_step(entry) || busy;
    }
    return busy;
}

int64_t deployment_slot_due_ns(const struct deployment *deployment, uint32_t slot)
{
    int64_t due_ns = INT64_MAX;

    for (uint32_t i = 0; i < deployment->entry_count; i++) {
        const struct entry *entry = &deployment->entries[i];
        int64_t own_ns = entry->subtask == slot && entry->task && !entry->failed
                             ? subtask_due_ns(entry->task)
                             : INT64_MAX;

        due_ns = own_ns < due_ns ? own_ns : due_ns;
    }
    return due_ns;
}

void deployment_slot_close(struct deployment *deployment, uint32_t slot)
{
    for (uint32_t i = 0; i < deployment->entry_count; i++) {
        if (deployment->entries[i].subtask != slot)
            continue;
        subtask_close(deployment->entries[i].task);
        deployment->entries[i].task = NULL;
    }
}

/* ---- commands ---- */
void deployment_trigger(struct deployment *deployment, uint64_t checkpoint,
                        enum barrier_final final)
{
    const struct plan *plan = deployment->config.plan;

    for (uint32_t i = 0; i < deployment->entry_count; i++) {
        struct entry *entry = &deployment->entries[i];

        if (entry->task && plan_head(plan, entry->chain)->def->splits)
            subtask_trigger(entry->task, checkpoint, final);
    }
}

void deployment_complete(struct deployment *deployment, uint64_t checkpoint)
{
    for (uint32_t i = 0; i < deployment->entry_count; i++)
        if (deployment->entries[i].task)
            subtask_complete(deployment->entries[i].task, checkpoint);
}

void deployment_abort(struct deployment *deployment, uint64_t checkpoint)
{
    for (uint32_t i = 0; i < deployment->entry_count; i++)
        if (deployment->entries[i].task)
            subtask_abort(deployment->entries[i].task, checkpoint);
}

void deployment_figures(struct deployment *deployment,
                        void (*each)(void *context, uint32_t chain, uint32_t subtask,
                                     const struct subtask_figures *figures),
                        void *context)
{
    struct subtask_figures figures;

    for (uint32_t i = 0; i < deployment->entry_count; i++) {
        if (!deployment->entries[i].task)
            continue;
        subtask_figures(deployment->entries[i].task, &figures);
        each(context, deployment->entries[i].chain, deployment->entries[i].subtask, &figures);
    }
}
