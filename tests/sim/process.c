/* See process.h. */
#include "tests/sim/process.h"

#include "runtime/base/check.h"

#include <stdio.h>

static const struct clock *virtual_clock(void)
{
    return &clock_monotonic; /* measures only: no decision of a tasklet depends on it */
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

    late->works[at] = late->works[--late->count];
    work->run(work);
    atomic_store_explicit(&work->done, true, memory_order_release);
}

static void late_wait(struct executor *executor, struct work *work)
{
    struct late_executor *late = (struct late_executor *)executor;

    for (uint32_t i = 0; i < late->count; i++)
        if (late->works[i] == work) {
            late_run(late, i);
            return;
        }
}

static void no_wake(struct waker *waker)
{
    (void)waker; /* everybody is stepped anyway */
}

struct process *process_create(uint32_t number, uint32_t seat, void *owner, struct random *random)
{
    struct process *process = memory_new(sizeof(*process));

    process->number = number;
    process->seat = seat;
    process->owner = owner;
    process->random = random;
    process->late.executor.submit = late_submit;
    process->late.executor.wait = late_wait;
    process->waker.wake = no_wake;
    return process;
}

static void leave(struct process *process)
{
    if (!process->deployment)
        return;
    deployment_slot_close(process->deployment, process->seat);
    deployment_close(process->deployment);
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

static struct waker *slot_waker(void *owner, uint32_t slot)
{
    (void)slot;
    return &((struct process *)owner)->waker;
}

static void on_report(void *owner, struct report *report)
{
    process_reports(owner, report);
}

bool process_deploy(struct process *process, const struct plan *plan, uint32_t attempt,
                    const struct manifest *manifest, const char *work_dir)
{
    struct report report = {.kind = REPORT_FAILED};

    leave(process);
    process->attempt = attempt;
    process->cut = false;
    (void)snprintf(process->spill_dir, sizeof(process->spill_dir), "%s/../spill-%u", work_dir,
                   process->number);
    process->deployment = deployment_create(&(struct deployment_config){
        .plan = plan,
        .worker = process->seat,
        .workers = PROCESS_WORKERS,
        .attempt = attempt,
        .clock = virtual_clock(),
        .executor = &process->late.executor,
        .work_dir = work_dir,
        .spill_dir = process->spill_dir,
        .restore = manifest,
        .sim_bug = PROCESS_SIM_BUG,
        .slot_waker = slot_waker,
        .remote_waker = &process->waker,
        .report = on_report,
        .owner = process,
    });
    if (deployment_slot_open(process->deployment, process->seat, &report.error))
        return true;
    process_reports(process, &report);
    return false;
}

void process_obey(struct process *process, const struct action *action)
{
    if (!process->deployment || action->attempt != process->attempt)
        return;
    switch (action->kind) {
    case ACTION_START:
        process->running = true;
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

void process_step(struct process *process)
{
    struct late_executor *late = &process->late;

    if (late->count > 0 && random_below(process->random, 3) == 0)
        late_run(late, (uint32_t)random_below(process->random, late->count));
    if (process->deployment && process->running)
        deployment_slot_step(process->deployment, process->seat, process->random);
}

void process_kill(struct process *process)
{
    leave(process);
    process->state = PROCESS_DEAD;
}

void process_cut(struct process *process)
{
    process->cut = true;
}

bool process_linked(const struct process *from, const struct process *to)
{
    return from->running && to->running && from->attempt == to->attempt && !from->cut && !to->cut &&
           from->state == PROCESS_ALIVE && to->state == PROCESS_ALIVE;
}

void process_move(struct process *from, struct process *to)
{
    const struct plan *plan = deployment_plan(from->deployment);
    uint32_t count = deployment_channels(plan, PROCESS_WORKERS);

    for (uint32_t id = 0; id < count; id++) {
        const struct deployment_channel *out = deployment_channel(from->deployment, id);
        const struct deployment_channel *in = deployment_channel(to->deployment, id);
        uint32_t moves = (uint32_t)random_below(from->random, 4);
        struct element element;

        if (out->side != SIDE_OUT || out->peer != to->seat)
            continue;
        while (moves-- > 0 && channel_writable(in->channel) &&
               channel_bytes(in->channel) < channel_limit(in->channel) &&
               channel_take(out->channel, &element)) {
            element.bytes = 0;
            CHECK(channel_put(in->channel, &element));
        }
    }
}
