/* See process.h. */
#include "tests/sim/process.h"

#include "runtime/base/check.h"
#include "runtime/batch/wire.h"
#include "tests/sim/ledger.h"

#include <stdio.h>

#define CLOCK_STEP_NS                                                                              \
    250000          /* a look at the clock costs up to this: steps end after a few pieces */
#define LATE_MAX 4u /* pieces of work off the slots in a step */

/* ---- time ---- */
static int64_t process_now_ns(const struct clock *clock)
{
    struct process_clock *own = (struct process_clock *)(uintptr_t)clock;
    int64_t world_ns = *own->process->shared->now_ms * 1000000;

    if (own->now_ns < world_ns)
        own->now_ns = world_ns;
    own->now_ns += (int64_t)random_below(own->process->shared->random, CLOCK_STEP_NS);
    return own->now_ns;
}

/* ---- work off the slots: later ---- */
static void late_submit(struct executor *executor, struct work *work)
{
    struct late_executor *late = (struct late_executor *)executor;

    CHECK(late->count < sizeof(late->works) / sizeof(late->works[0]));
    late->works[late->count++] = work;
}

static void late_run(struct late_executor *late, uint32_t at)
{
    struct work *work = late->works[at];
    struct waker *waker = work->waker;

    late->works[at] = late->works[--late->count];
    work->run(work);
    atomic_store_explicit(&work->done, true, memory_order_release);
    waker_wake(waker);
}

/* The disk refuses: for one piece of work there is no folder. */
static void late_run_failing(struct late_executor *late, uint32_t at)
{
    struct process_shared *shared = late->process->shared;

    CHECK(rename(shared->work_dir, shared->away_dir) == 0);
    late_run(late, at);
    CHECK(rename(shared->away_dir, shared->work_dir) == 0);
    shared->figures.write_failures++;
}

static void late_wait(struct executor *executor, struct work *work)
{
    struct late_executor *late = (struct late_executor *)executor;

    for (uint32_t i = 0; i < late->count; i++)
        if (late->works[i] == work) {
            late_run(late, i);
            return;
        }
    CHECK(work_done(work));
}

static void late_some(struct process *process)
{
    struct late_executor *late = &process->late;
    struct random *random = process->shared->random;
    uint32_t at;

    if (process->stalled || late->count == 0)
        return;
    at = (uint32_t)random_below(random, late->count);
    if (process->shared->writes_fail && random_below(random, 400) == 0)
        late_run_failing(late, at);
    else
        late_run(late, at);
}

/* ---- life ---- */
static void slot_wake(struct waker *waker)
{
    ((struct process_slot *)waker)->pending = true;
}

static void remote_wake(struct waker *waker)
{
    (void)waker; /* the world looks at all channels */
}

struct process *process_create(uint32_t number, uint32_t seat, uint32_t epoch,
                               struct process_shared *shared)
{
    struct process *process = memory_new(sizeof(*process));

    process->number = number;
    process->seat = seat;
    process->epoch = epoch;
    process->shared = shared;
    process->clock.clock.now_ns = process_now_ns;
    process->clock.process = process;
    process->late.executor.submit = late_submit;
    process->late.executor.wait = late_wait;
    process->late.process = process;
    process->remote.wake = remote_wake;
    for (uint32_t i = 0; i < PROCESS_SLOTS; i++)
        process->slots[i].waker.wake = slot_wake;
    (void)snprintf(process->spill_dir, sizeof(process->spill_dir), "%s/%u", shared->spill_dir,
                   number);
    return process;
}

static void add_figures(void *context, uint32_t chain, uint32_t subtask,
                        const struct subtask_figures *figures)
{
    struct process_figures *sum = context;

    (void)chain;
    (void)subtask;
    sum->spilled_bytes += figures->store.spilled_bytes;
    sum->backpressured_ns += figures->backpressured_ns;
}

static uint32_t slot_number(const struct process *process, uint32_t slot)
{
    return process->seat + slot * PROCESS_WORKERS;
}

static void leave(struct process *process)
{
    if (!process->deployment)
        return;
    deployment_figures(process->deployment, add_figures, &process->shared->figures);
    for (uint32_t i = 0; i < process->slot_count; i++)
        deployment_slot_close(process->deployment, slot_number(process, i));
    deployment_close(process->deployment);
    CHECK(process->late.count == 0); /* who submits work waits for it */
    process->deployment = NULL;
    process->running = false;
}

void process_close(struct process *process)
{
    if (!process)
        return;
    leave(process);
    memory_free(process);
}

void process_kill(struct process *process)
{
    leave(process);
    process->state = PROCESS_DEAD;
}

/* ---- attempts ---- */
static struct waker *slot_waker(void *owner, uint32_t slot)
{
    struct process *process = owner;

    CHECK(slot / PROCESS_WORKERS < process->slot_count);
    return &process->slots[slot / PROCESS_WORKERS].waker;
}

static void on_report(void *owner, struct report *report)
{
    process_reports(owner, report);
}

static void deployment_make(struct process *process, const struct plan *plan,
                            const struct manifest *manifest)
{
    process->deployment = deployment_create(&(struct deployment_config){
        .plan = plan,
        .worker = process->seat,
        .workers = PROCESS_WORKERS,
        .epoch = process->epoch,
        .attempt = process->attempt,
        .clock = &process->clock.clock,
        .executor = &process->late.executor,
        .work_dir = process->shared->work_dir,
        .spill_dir = process->spill_dir,
        .restore = manifest,
        .sim_bug = PROCESS_SIM_BUG,
        .slot_waker = slot_waker,
        .remote_waker = &process->remote,
        .report = on_report,
        .owner = process,
    });
}

bool process_deploy(struct process *process, const struct plan *plan, uint32_t attempt,
                    const struct manifest *manifest)
{
    struct report report = {.kind = REPORT_FAILED};

    leave(process);
    process->attempt = attempt;
    process->broken = 0;
    process->chaos = (uint64_t)plan->settings.debug.chaos;
    process->slot_count =
        plan->parallelism / PROCESS_WORKERS + (process->seat < plan->parallelism % PROCESS_WORKERS);
    CHECK(process->slot_count <= PROCESS_SLOTS);
    deployment_make(process, plan, manifest);
    for (uint32_t i = 0; i < process->slot_count; i++)
        if (!deployment_slot_open(process->deployment, slot_number(process, i), &report.error)) {
            process_reports(process, &report);
            return false;
        }
    return true;
}

static void start(struct process *process)
{
    process->running = true;
    for (uint32_t i = 0; i < process->slot_count; i++)
        waker_wake(&process->slots[i].waker);
}

void process_obey(struct process *process, const struct action *action)
{
    if (!process->deployment || action->attempt != process->attempt)
        return;
    switch (action->kind) {
    case ACTION_START:
        start(process);
        break;
    case ACTION_LEAVE:
        leave(process);
        break;
    case ACTION_TRIGGER:
        deployment_trigger(process->deployment, action->checkpoint, action->final);
        break;
    case ACTION_COMPLETE:
        deployment_complete(process->deployment, action->checkpoint);
        break;
    case ACTION_ABORT:
        deployment_abort(process->deployment, action->checkpoint);
        break;
    case ACTION_SPAWN:
    case ACTION_EXPEL:
    case ACTION_DEPLOY:
    case ACTION_MANIFEST:
    case ACTION_FINISH:
        break;
    }
}

static void slot_step(struct process *process, uint32_t slot)
{
    bool woken = process->slots[slot].pending;
    int64_t due_ns = deployment_slot_due_ns(process->deployment, slot_number(process, slot));

    process->slots[slot].pending = false;
    if (!deployment_slot_step(process->deployment, slot_number(process, slot),
                              process->chaos ? process->shared->random : NULL))
        return;
    process->slots[slot].pending = true;
    if (!woken && due_ns > clock_now_ns(&process->clock.clock))
        ledger_violate(sim_ledger,
                       "no lost wake-up: slot %u of process %u slept beside work, attempt %u",
                       slot_number(process, slot), process->number, process->attempt);
}

static bool slot_due(struct process *process, uint32_t slot)
{
    return process->slots[slot].pending ||
           deployment_slot_due_ns(process->deployment, slot_number(process, slot)) <=
               clock_now_ns(&process->clock.clock);
}

/* A slot that nobody woke is looked at now and then: it must have nothing to do. */
void process_step(struct process *process)
{
    struct random *random = process->shared->random;

    for (uint64_t works = random_below(random, LATE_MAX + 1); works > 0; works--)
        late_some(process);
    for (uint32_t i = 0; i < process->slot_count && process->deployment && process->running; i++)
        if (random_below(random, 12) < (slot_due(process, i) ? 8 : 1))
            slot_step(process, i);
}

/* ---- data ---- */
bool process_linked(const struct process *from, const struct process *to)
{
    return from->running && to->running && from->epoch == to->epoch &&
           from->attempt == to->attempt && !(from->broken & 1u << to->seat) &&
           !(to->broken & 1u << from->seat) && from->state == PROCESS_ALIVE &&
           to->state == PROCESS_ALIVE;
}

static void over_the_wire(struct element *element, const struct schema *schema)
{
    struct bytes bytes = {0};
    struct error err = {0};

    if (element->kind == ELEMENT_BATCH) {
        wire_encode(element->batch, schema, &bytes);
        batch_release(&element->batch);
        element->batch = wire_decode(schema, bytes.data, bytes.size, &err);
        CHECK(element->batch);
        bytes_clear(&bytes);
    }
    element->bytes = 0;
}

void process_move(struct process *from, struct process *to)
{
    const struct plan *plan = deployment_plan(from->deployment);
    uint32_t count = deployment_channels(plan, PROCESS_WORKERS);

    for (uint32_t id = 0; id < count; id++) {
        const struct deployment_channel *out = deployment_channel(from->deployment, id);
        const struct deployment_channel *in = deployment_channel(to->deployment, id);
        uint32_t moves = (uint32_t)random_below(from->shared->random, 4);
        struct element element;

        if (out->side != SIDE_OUT || out->peer != to->seat)
            continue;
        while (moves-- > 0 && channel_writable(in->channel) &&
               channel_take(out->channel, &element)) {
            over_the_wire(&element, out->schema);
            CHECK(channel_put(in->channel, &element));
        }
    }
}
