/* task_rig: hosts all subtasks of a small job in one thread: channels, replicas, an executor that
 * runs its work at once or late, checkpoints kept in memory, a clock of its own, so that nothing
 * depends on how fast the machine is. Included once into a test program. */
#ifndef MILLRACE_TESTS_TASK_RIG_H
#define MILLRACE_TESTS_TASK_RIG_H

#include "runtime/task/replica.h"
#include "runtime/task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <unistd.h>

#define RIG_SUBTASKS 64u
#define RIG_ROUNDS 2000000

struct rig_options {
    uint32_t parallelism, workers;
    uint64_t chaos;
    size_t channel_bytes; /* 0: 1 MiB */
    uint32_t lag;         /* rounds before the executor does a piece of work */
    int64_t look_ns; /* that a look at the clock takes; 0: 20 us, with chaos anything to 250 us */
    uint64_t memory_bytes;
    const char *overrides[8];
};

struct rig_checkpoint {
    uint64_t number;
    const struct plan *plan;
    uint32_t have;
    struct subtask_snapshot snapshots[RIG_SUBTASKS];
};

struct rig_clock {
    struct clock clock; /* first */
    int64_t now_ns, look_ns;
    struct random *random; /* NULL: all looks are alike */
};

struct rig {
    struct task_host host; /* first */
    struct rig_clock clock;
    struct executor executor;
    struct waker waker;
    struct rig_options options;
    struct plan *plan;
    struct channel **edges[64];
    struct channel **tables[8];
    struct replica *replicas[8][8]; /* by table and worker */
    uint32_t count;
    struct rig_task {
        struct task_host host; /* differs by worker */
        struct rig *rig;
        struct subtask *task;
        uint32_t chain, subtask;
        bool failed;
    } tasks[RIG_SUBTASKS];
    struct random random;
    struct work *works, **works_end;
    uint64_t round;
    uint32_t drained, committed, sources;
    uint64_t committed_checkpoint;
    struct rig_checkpoint checkpoint; /* in progress */
    struct error error;
    char dir[64];
};

static int64_t rig_now_ns(const struct clock *clock)
{
    struct rig_clock *own = (struct rig_clock *)(uintptr_t)clock;

    own->now_ns += own->random ? (int64_t)random_below(own->random, 250000) : own->look_ns;
    return own->now_ns;
}

static void rig_wake(struct waker *waker)
{
    (void)waker;
}

static void rig_submit(struct executor *executor, struct work *work)
{
    struct rig *rig = (struct rig *)((char *)executor - offsetof(struct rig, executor));

    work->next = NULL;
    *rig->works_end = work;
    rig->works_end = &work->next;
}

static void rig_work(struct rig *rig)
{
    struct work *work = rig->works;

    rig->works = work->next;
    if (!rig->works)
        rig->works_end = &rig->works;
    work->run(work);
    atomic_store(&work->done, true);
    waker_wake(work->waker);
}

static void rig_wait(struct executor *executor, struct work *work)
{
    struct rig *rig = (struct rig *)((char *)executor - offsetof(struct rig, executor));

    while (!work_done(work))
        rig_work(rig);
}

static struct rig *rig_of(struct task_host *host)
{
    return ((struct rig_task *)host)->rig;
}

static struct channel *rig_edge(struct task_host *host, uint32_t edge, uint32_t from, uint32_t to)
{
    struct rig *rig = rig_of(host);

    return rig->edges[edge][from * rig->plan->ops[rig->plan->edges[edge].to].parallelism + to];
}

static struct channel *rig_table(struct task_host *host, uint32_t table, uint32_t from,
                                 uint32_t worker)
{
    struct rig *rig = rig_of(host);

    return rig->tables[table][from * rig->options.workers + worker];
}

static struct replica *rig_replica(struct task_host *host, uint32_t table)
{
    return rig_of(host)->replicas[table][host->worker];
}

static uint32_t rig_number(const struct plan *plan, uint32_t chain, uint32_t subtask)
{
    uint32_t number = subtask;

    for (uint32_t c = 0; c < chain; c++)
        number += plan->chains[c].parallelism;
    return number;
}

static void rig_report(struct task_host *host, struct report *report)
{
    struct rig *rig = rig_of(host);
    uint32_t number = rig_number(rig->plan, report->chain, report->subtask);

    switch (report->kind) {
    case REPORT_SNAPSHOT:
        if (report->checkpoint == rig->checkpoint.number) {
            rig->checkpoint.snapshots[number] = report->snapshot;
            rig->checkpoint.have++;
            report->snapshot = (struct subtask_snapshot){0};
        }
        break;
    case REPORT_DRAINED:
        rig->drained++;
        break;
    case REPORT_COMMITTED:
        rig->committed++;
        rig->committed_checkpoint = report->checkpoint;
        break;
    case REPORT_FAILED:
        rig->error = report->error;
        break;
    }
    subtask_snapshot_clear(&report->snapshot);
}

/* ---- making ---- */
static struct plan *rig_plan(const char *job, uint32_t parallelism, const char *const *overrides)
{
    struct error_list errors = {0};
    struct plan_request request = {.path = "job.yaml",
                                   .text = job,
                                   .parallelism = parallelism,
                                   .overrides = overrides,
                                   .split_mode = PLAN_SPLITS_MAKE};
    struct plan *plan;

    while (overrides && overrides[request.override_count])
        request.override_count++;
    plan = plan_create(&request, &errors);
    for (uint32_t i = 0; i < errors.count; i++) {
        char text[ERROR_TEXT_MAX];

        print_error("%s\n", error_text(&errors.errors[i], text, sizeof(text)));
    }
    assert_non_null(plan);
    error_list_clear(&errors);
    return plan;
}

static struct channel *rig_channel(const struct rig *rig)
{
    return channel_create(rig->options.channel_bytes ? rig->options.channel_bytes : 1u << 20);
}

static void rig_channels(struct rig *rig)
{
    const struct plan *plan = rig->plan;

    for (uint32_t e = 0; e < plan->edge_count; e++) {
        uint32_t from = plan->ops[plan->edges[e].from].parallelism;
        uint32_t to = plan->ops[plan->edges[e].to].parallelism;

        rig->edges[e] = memory_array(from * to, sizeof(struct channel *));
        for (uint32_t i = 0; i < from * to; i++)
            if (!plan->edges[e].chained &&
                (plan->edges[e].partition != PARTITION_FORWARD || i / to == i % to))
                rig->edges[e][i] = rig_channel(rig);
    }
    for (uint32_t t = 0; t < plan->table_count; t++) {
        uint32_t from = plan->ops[plan->tables[t].from].parallelism;

        rig->tables[t] = memory_array(from * rig->options.workers, sizeof(struct channel *));
        for (uint32_t w = 0; w < rig->options.workers; w++) {
            struct channel *inputs[RIG_SUBTASKS];

            if (!plan_table_on_worker(plan, t, w, rig->options.workers))
                continue;
            for (uint32_t i = 0; i < from; i++)
                inputs[i] = rig->tables[t][i * rig->options.workers + w] = rig_channel(rig);
            rig->replicas[t][w] = replica_create(plan, t, inputs, from, &rig->waker);
        }
    }
}

/* All former subtasks whose chain has an operator of this one, as a worker picks them. */
static void rig_formers(const struct rig_checkpoint *from, const struct plan *plan, uint32_t chain,
                        const char *dir, struct arena *arena, struct subtask_restore *restore)
{
    struct subtask_former *formers = arena_new(arena, RIG_SUBTASKS * sizeof(*formers));

    *restore = (struct subtask_restore){0, formers};
    for (uint32_t c = 0; c < from->plan->chain_count; c++) {
        const struct plan_chain *old = &from->plan->chains[c];
        bool common = false;

        for (uint32_t i = 0; i < old->op_count; i++) {
            uint32_t op = plan_find_op(plan, from->plan->ops[old->ops[i]].id);

            common = common || (op != FIELD_NONE && plan->ops[op].chain == chain);
        }
        for (uint32_t s = 0; common && s < old->parallelism; s++) {
            const struct subtask_snapshot *snapshot =
                &from->snapshots[rig_number(from->plan, c, s)];
            const char **paths = arena_new(arena, (snapshot->file_count + 1) * sizeof(*paths));

            for (uint32_t i = 0; i < snapshot->file_count; i++)
                paths[i] = arena_format(arena, "%s/%s", dir, snapshot->files[i].name);
            formers[restore->count++] = (struct subtask_former){
                s,     old->parallelism,    snapshot->file_count, snapshot->files,
                paths, snapshot->meta.data, snapshot->meta.size};
        }
    }
}

static void rig_tasks(struct rig *rig, const struct rig_checkpoint *from)
{
    struct arena *arena = arena_create(1u << 16);
    struct error err = {0};

    for (uint32_t c = 0; c < rig->plan->chain_count; c++) {
        struct subtask_restore restore = {0};

        if (from)
            rig_formers(from, rig->plan, c, rig->dir, arena, &restore);
        for (uint32_t s = 0; s < rig->plan->chains[c].parallelism; s++) {
            struct rig_task *task = &rig->tasks[rig->count++];
            char text[ERROR_TEXT_MAX];

            assert_true(rig->count <= RIG_SUBTASKS);
            *task = (struct rig_task){rig->host, rig, NULL, c, s, false};
            task->host.worker = plan_worker_of(s, rig->options.workers);
            task->task =
                subtask_create(&task->host, c, s, from ? &restore : NULL, &rig->waker, &err);
            if (!task->task)
                fail_msg("%s", error_text(&err, text, sizeof(text)));
            rig->sources += plan_head(rig->plan, c)->def->splits != NULL;
        }
    }
    arena_close(arena);
}

/* `dir` is where state files go; `from` NULL: from nothing. */
static struct rig *rig_open(const char *job, const char *dir, uint32_t attempt,
                            const struct rig_options *options, const struct rig_checkpoint *from)
{
    struct rig *rig = memory_new(sizeof(*rig));

    rig->options = *options;
    if (rig->options.workers == 0)
        rig->options.workers = 1;
    rig->plan = rig_plan(job, options->parallelism ? options->parallelism : 1, options->overrides);
    (void)snprintf(rig->dir, sizeof(rig->dir), "%s", dir);
    rig->works_end = &rig->works;
    rig->executor = (struct executor){rig_submit, rig_wait};
    rig->waker.wake = rig_wake;
    rig->random.state = options->chaos + 99;
    rig->clock = (struct rig_clock){
        .clock.now_ns = rig_now_ns,
        .look_ns = options->look_ns ? options->look_ns : 20000,
        .random = options->chaos && !options->look_ns ? &rig->random : NULL,
    };
    rig->host = (struct task_host){
        .plan = rig->plan,
        .clock = &rig->clock.clock,
        .executor = &rig->executor,
        .attempt = attempt,
        .work_dir = rig->dir,
        .spill_dir = rig->dir,
        .memory_bytes = options->memory_bytes,
        .chaos = options->chaos,
        .edge_channel = rig_edge,
        .table_channel = rig_table,
        .replica = rig_replica,
        .workers = rig->options.workers,
        .report = rig_report,
    };
    rig_channels(rig);
    rig_tasks(rig, from);
    return rig;
}

static void rig_checkpoint_clear(struct rig_checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < RIG_SUBTASKS; i++)
        subtask_snapshot_clear(&checkpoint->snapshots[i]);
    *checkpoint = (struct rig_checkpoint){0};
}

/* As after a crash: nothing is flushed. The plan is the caller's where a checkpoint names it. */
static struct plan *rig_close(struct rig *rig)
{
    struct plan *plan = rig->plan;

    for (uint32_t i = 0; i < rig->count; i++)
        subtask_close(rig->tasks[i].task);
    for (uint32_t t = 0; t < plan->table_count; t++) {
        for (uint32_t w = 0; w < rig->options.workers; w++)
            replica_close(rig->replicas[t][w]);
        for (uint32_t i = 0; i < plan->ops[plan->tables[t].from].parallelism * rig->options.workers;
             i++)
            channel_close(rig->tables[t][i]);
        memory_free(rig->tables[t]);
    }
    for (uint32_t e = 0; e < plan->edge_count; e++) {
        uint32_t count =
            plan->ops[plan->edges[e].from].parallelism * plan->ops[plan->edges[e].to].parallelism;

        for (uint32_t i = 0; i < count; i++)
            channel_close(rig->edges[e][i]);
        memory_free(rig->edges[e]);
    }
    rig_checkpoint_clear(&rig->checkpoint);
    memory_free(rig);
    return plan;
}

/* ---- running ---- */
/* One round over everything; true: something moved. */
static bool rig_round(struct rig *rig)
{
    uint32_t start = rig->options.chaos ? (uint32_t)random_below(&rig->random, rig->count) : 0;
    bool busy = false;

    rig->round++;
    if (rig->works && (rig->options.lag == 0 || rig->round % rig->options.lag == 0))
        rig_work(rig);
    busy = rig->works != NULL;
    for (uint32_t t = 0; t < rig->plan->table_count; t++)
        for (uint32_t w = 0; w < rig->options.workers; w++)
            if (rig->replicas[t][w])
                busy = replica_step(rig->replicas[t][w]) || busy;
    for (uint32_t i = 0; i < rig->count; i++) {
        struct rig_task *task = &rig->tasks[(start + i) % rig->count];
        enum step_result result;

        if (task->failed || (rig->options.chaos && random_below(&rig->random, 4) == 0)) {
            continue;
        }
        result = subtask_step(task->task);
        task->failed = result == STEP_FAILED;
        busy = busy || result == STEP_BUSY;
    }
    return busy;
}

static void rig_check(const struct rig *rig)
{
    char text[ERROR_TEXT_MAX];

    if (rig->error.code != ERROR_NONE)
        fail_msg("%s", error_text(&rig->error, text, sizeof(text)));
}

/* Until nothing moves any more, for long enough that chaos has passed no one over. */
static void rig_settle(struct rig *rig)
{
    int quiet = 0;

    for (int i = 0; i < RIG_ROUNDS && quiet < 40; i++)
        quiet = rig_round(rig) ? 0 : quiet + 1;
    assert_int_equal(quiet, 40);
}

static void rig_trigger(struct rig *rig, uint64_t checkpoint, bool final)
{
    rig_checkpoint_clear(&rig->checkpoint);
    rig->checkpoint.number = checkpoint;
    rig->checkpoint.plan = rig->plan;
    for (uint32_t i = 0; i < rig->count; i++)
        if (plan_head(rig->plan, rig->tasks[i].chain)->def->splits)
            subtask_trigger(rig->tasks[i].task, checkpoint, final);
}

/* Runs until all subtasks have reported the checkpoint. */
static void rig_await(struct rig *rig)
{
    for (int i = 0; i < RIG_ROUNDS && rig->checkpoint.have < rig->count; i++) {
        (void)rig_round(rig);
        rig_check(rig);
    }
    assert_int_equal(rig->checkpoint.have, rig->count);
}

static void rig_complete(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++)
        subtask_complete(rig->tasks[i].task, rig->checkpoint.number);
}

/* To the end of the input and the final checkpoint, all of it committed. */
static void rig_finish(struct rig *rig, uint64_t checkpoint)
{
    for (int i = 0; i < RIG_ROUNDS && rig->drained < rig->sources; i++) {
        (void)rig_round(rig);
        rig_check(rig);
    }
    assert_int_equal(rig->drained, rig->sources);
    rig_trigger(rig, checkpoint, true);
    rig_await(rig);
    rig_complete(rig);
    rig_settle(rig);
}

/* ---- results ---- */
static int rig_line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The committed lines, sorted, as one text; the ledger is empty after. */
static char *rig_lines(void)
{
    struct bytes all = {0}, sorted = {0};
    char **lines, *text;
    size_t count = 0;

    for (uint32_t i = 0; i < ledger.count; i++)
        bytes_text(&all, ledger.bundles[i].lines);
    bytes_put(&all, "", 1);
    lines = memory_array(all.size + 1, sizeof(*lines));
    for (char *at = (char *)all.data, *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        lines[count++] = at;
    }
    qsort(lines, count, sizeof(*lines), rig_line_order);
    for (size_t i = 0; i < count; i++)
        bytes_format(&sorted, "%s\n", lines[i]);
    bytes_put(&sorted, "", 1);
    text = memory_text((const char *)sorted.data);
    memory_free(lines);
    bytes_clear(&all);
    bytes_clear(&sorted);
    ledger_clear();
    return text;
}

/* A folder of its own; rig_remove takes the text back. */
static char *rig_temporary(void)
{
    char *dir = memory_text("/tmp/millrace-task-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static void rig_remove(char *dir)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
    memory_free(dir);
}

/* Tells the first lines that differ. */
static void rig_same(const char *expected, const char *found, const char *what, uint64_t number)
{
    const char *a = expected, *b = found;

    while (*a && *a == *b) {
        a++;
        b++;
    }
    if (*a == *b)
        return;
    while (a > expected && a[-1] != '\n') {
        a--;
        b--;
    }
    fail_msg("%s %llu: expected \"%.*s\", found \"%.*s\"", what, (unsigned long long)number,
             (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

/* One undisturbed run; the text is the caller's. */
static char *rig_run(const char *job, const struct rig_options *options)
{
    char *dir = rig_temporary();
    struct rig *rig = rig_open(job, dir, 1, options, NULL);

    rig_finish(rig, 1);
    plan_close(rig_close(rig));
    rig_remove(dir);
    return rig_lines();
}

#endif
