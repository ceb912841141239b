/* The coordinator's state machine; see coordinator.h. Restarts and backoff are in restart.c. */
#include "runtime/coordinator/coordinator.h"

#include "runtime/base/check.h"
#include "runtime/coordinator/restart.h"

#include <stdio.h>
#include <string.h>

#define MANIFEST_FAILURES_MAX 3u /* in a row, then the attempt fails */
#define SYMPTOM_MS 200 /* from a broken data connection to the loss of the worker behind it */
#define ACTIONS_MAX (WORKERS_MAX * 4 + 64)

enum seat_state { SEAT_EMPTY, SEAT_SPAWNED, SEAT_JOINED };

struct seat {
    enum seat_state state;
    bool deployed;
    int64_t heard_ms;
};

struct checkpoint { /* in progress; number 0: none */
    uint64_t number;
    enum barrier_final final;
    bool writing;
    int64_t begun_ms;
    uint32_t reported;
    struct subtask_snapshot *snapshots; /* by subtask number over all chains */
    bool *have;
};

struct coordinator {
    struct coordinator_config config;
    enum coordinator_state state;
    uint32_t attempt;
    struct seat *seats;
    uint32_t subtask_count, sink_subtasks, source_subtasks;
    uint32_t *chain_first;     /* number of the first subtask of a chain */
    bool *drained, *committed; /* by subtask number */
    uint32_t drained_count, committed_count;
    struct checkpoint checkpoint;
    uint64_t last_number, last_complete; /* checkpoints; complete: the one to restore from */
    uint32_t manifest_failures;
    int64_t next_checkpoint_ms, deployed_ms, failed_ms;
    bool stopping, stop_now, recovering;
    bool suspecting; /* a broken connection was told, not yet the loss that may be behind it */
    int64_t suspected_ms;
    struct restart restart;
    struct error failure;
    bool has_failure;
    struct coordinator_figures figures;
    struct action actions[ACTIONS_MAX];
    uint32_t action_first, action_count;
};

static const struct settings *settings_of(const struct coordinator *coordinator)
{
    return &coordinator->config.plan->settings;
}

static struct action *act(struct coordinator *coordinator, enum action_kind kind)
{
    struct action *action;

    CHECK(coordinator->action_count < ACTIONS_MAX);
    action =
        &coordinator
             ->actions[(coordinator->action_first + coordinator->action_count++) % ACTIONS_MAX];
    *action = (struct action){.kind = kind, .attempt = coordinator->attempt};
    return action;
}

bool coordinator_action(struct coordinator *coordinator, struct action *action)
{
    if (coordinator->action_count == 0)
        return false;
    *action = coordinator->actions[coordinator->action_first];
    coordinator->action_first = (coordinator->action_first + 1) % ACTIONS_MAX;
    coordinator->action_count--;
    return true;
}

/* ---- life ---- */
static bool chain_has(const struct plan *plan, uint32_t chain,
                      bool (*test)(const struct operator_def *def))
{
    for (uint32_t i = 0; i < plan->chains[chain].op_count; i++)
        if (test(plan->ops[plan->chains[chain].ops[i]].def))
            return true;
    return false;
}

static bool is_source(const struct operator_def *def)
{
    return def->splits != NULL;
}

static bool is_sink(const struct operator_def *def)
{
    return def->commit != NULL;
}

static void spawn(struct coordinator *coordinator, uint32_t worker)
{
    coordinator->seats[worker] = (struct seat){.state = SEAT_SPAWNED};
    act(coordinator, ACTION_SPAWN)->worker = worker;
}

struct coordinator *coordinator_create(const struct coordinator_config *config, int64_t now_ms)
{
    struct coordinator *coordinator = memory_new(sizeof(*coordinator));
    const struct plan *plan = config->plan;
    uint32_t count = 0;

    CHECK(config->workers >= 1 && config->workers <= WORKERS_MAX);
    coordinator->config = *config;
    coordinator->attempt = config->first_attempt - 1;
    coordinator->last_number = config->last_checkpoint;
    coordinator->last_complete = config->restore_checkpoint;
    coordinator->seats = memory_array(config->workers, sizeof(struct seat));
    coordinator->chain_first = memory_array(plan->chain_count + 1, sizeof(uint32_t));
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        coordinator->chain_first[c] = count;
        count += plan->chains[c].parallelism;
        if (chain_has(plan, c, is_source))
            coordinator->source_subtasks += plan->chains[c].parallelism;
        if (chain_has(plan, c, is_sink))
            coordinator->sink_subtasks += plan->chains[c].parallelism;
    }
    coordinator->chain_first[plan->chain_count] = count;
    coordinator->subtask_count = count;
    coordinator->drained = memory_array(count, sizeof(bool));
    coordinator->committed = memory_array(count, sizeof(bool));
    coordinator->checkpoint.snapshots = memory_array(count, sizeof(struct subtask_snapshot));
    coordinator->checkpoint.have = memory_array(count, sizeof(bool));
    restart_init(&coordinator->restart, &plan->settings, now_ms);
    for (uint32_t w = 0; w < config->workers; w++)
        spawn(coordinator, w);
    return coordinator;
}

static void checkpoint_clear(struct coordinator *coordinator)
{
    struct checkpoint *checkpoint = &coordinator->checkpoint;

    for (uint32_t i = 0; i < coordinator->subtask_count; i++) {
        if (checkpoint->have[i])
            subtask_snapshot_clear(&checkpoint->snapshots[i]);
        checkpoint->have[i] = false;
    }
    checkpoint->number = 0;
    checkpoint->reported = 0;
    checkpoint->final = BARRIER_PASSES;
    checkpoint->writing = false;
}

void coordinator_close(struct coordinator *coordinator)
{
    if (!coordinator)
        return;
    checkpoint_clear(coordinator);
    memory_free(coordinator->seats);
    memory_free(coordinator->chain_first);
    memory_free(coordinator->drained);
    memory_free(coordinator->committed);
    memory_free(coordinator->checkpoint.snapshots);
    memory_free(coordinator->checkpoint.have);
    memory_free(coordinator);
}

/* ---- deploying ---- */
static void finish(struct coordinator *coordinator, enum coordinator_state state)
{
    coordinator->state = state;
    coordinator->suspecting = false;
    act(coordinator, ACTION_FINISH);
}

static void deploy_if_joined(struct coordinator *coordinator, int64_t now_ms)
{
    for (uint32_t w = 0; w < coordinator->config.workers; w++)
        if (coordinator->seats[w].state != SEAT_JOINED)
            return;
    coordinator->attempt++;
    coordinator->state = COORDINATOR_DEPLOYING;
    coordinator->deployed_ms = now_ms;
    checkpoint_clear(coordinator);
    for (uint32_t i = 0; i < coordinator->subtask_count; i++)
        coordinator->drained[i] = coordinator->committed[i] = false;
    coordinator->drained_count = coordinator->committed_count = 0;
    coordinator->manifest_failures = 0;
    for (uint32_t w = 0; w < coordinator->config.workers; w++) {
        coordinator->seats[w].deployed = false;
        coordinator->seats[w].heard_ms = now_ms;
    }
    act(coordinator, ACTION_DEPLOY)->checkpoint = coordinator->last_complete;
}

void coordinator_joined(struct coordinator *coordinator, uint32_t worker, int64_t now_ms)
{
    struct seat *seat = &coordinator->seats[worker];

    CHECK(worker < coordinator->config.workers);
    seat->state = SEAT_JOINED;
    seat->heard_ms = now_ms;
    if (coordinator->state == COORDINATOR_WAITING)
        deploy_if_joined(coordinator, now_ms);
}

static void trigger(struct coordinator *coordinator, enum barrier_final final, int64_t now_ms);
static void trigger_last(struct coordinator *coordinator, int64_t now_ms);

static void running(struct coordinator *coordinator, int64_t now_ms)
{
    int64_t interval = settings_of(coordinator)->checkpoint.interval_ms;

    coordinator->state = COORDINATOR_RUNNING;
    coordinator->next_checkpoint_ms = interval > 0 ? now_ms + interval : INT64_MAX;
    if (coordinator->recovering)
        coordinator->figures.recovery_last_ms = now_ms - coordinator->failed_ms;
    coordinator->recovering = false;
    restart_running(&coordinator->restart, now_ms);
    act(coordinator, ACTION_START);
    if (coordinator->stopping)
        trigger_last(coordinator, now_ms);
}

void coordinator_deployed(struct coordinator *coordinator, uint32_t worker, uint32_t attempt,
                          int64_t now_ms)
{
    if (coordinator->state != COORDINATOR_DEPLOYING || attempt != coordinator->attempt)
        return;
    coordinator->seats[worker].deployed = true;
    coordinator->seats[worker].heard_ms = now_ms;
    for (uint32_t w = 0; w < coordinator->config.workers; w++)
        if (!coordinator->seats[w].deployed)
            return;
    running(coordinator, now_ms);
}

/* ---- failures ---- */
static bool attempt_lives(const struct coordinator *coordinator)
{
    switch (coordinator->state) {
    case COORDINATOR_DEPLOYING:
    case COORDINATOR_RUNNING:
    case COORDINATOR_FINISHING:
        return true;
    case COORDINATOR_WAITING:
    case COORDINATOR_BACKOFF:
    case COORDINATOR_DONE:
    case COORDINATOR_FAILED:
        return false;
    }
    return false;
}

static void fail_attempt(struct coordinator *coordinator, const struct error *why, int64_t now_ms)
{
    if (coordinator->state == COORDINATOR_DONE || coordinator->state == COORDINATOR_FAILED)
        return;
    coordinator->failure = *why;
    coordinator->has_failure = true;
    if (!coordinator->recovering)
        coordinator->failed_ms = now_ms;
    coordinator->recovering = true;
    checkpoint_clear(coordinator);
    /* A mistake of the job's would be met again by each attempt. */
    if (coordinator->stop_now || why->code == ERROR_CONFIG ||
        !restart_allowed(&coordinator->restart, now_ms)) {
        finish(coordinator, COORDINATOR_FAILED);
        return;
    }
    if (attempt_lives(coordinator))
        act(coordinator, ACTION_LEAVE);
    coordinator->state = COORDINATOR_BACKOFF;
    coordinator->suspecting = false;
}

/* What a worker tells of a connection to another may be the first sign of that one's death: a new
 * attempt waits a moment, and until each worker has been heard again, so that it does not count on
 * the dead. */
static void fail_reported(struct coordinator *coordinator, const struct error *why, int64_t now_ms)
{
    fail_attempt(coordinator, why, now_ms);
    coordinator->suspecting =
        coordinator->state == COORDINATOR_BACKOFF && why->code == ERROR_NETWORK;
    coordinator->suspected_ms = now_ms;
}

static void lose(struct coordinator *coordinator, uint32_t worker)
{
    coordinator->seats[worker].state = SEAT_EMPTY;
    act(coordinator, ACTION_EXPEL)->worker = worker;
}

void coordinator_lost(struct coordinator *coordinator, uint32_t worker, const char *why,
                      int64_t now_ms)
{
    bool joined = coordinator->seats[worker].state == SEAT_JOINED;
    struct error err = {0};

    CHECK(worker < coordinator->config.workers);
    if (coordinator->state == COORDINATOR_DONE || coordinator->state == COORDINATOR_FAILED)
        return;
    error_set(&err, ERROR_NETWORK, "worker", NULL, "worker %u is lost: %s", worker, why);
    err.retriable = true;
    lose(coordinator, worker);
    coordinator->suspecting = false;
    /* One more of a failure that is being dealt with already is no further failure; a process
     * that never joins is. */
    if (attempt_lives(coordinator) || !joined)
        fail_attempt(coordinator, &err, now_ms);
    /* The replacement starts at once; the attempt waits for it and for the delay. */
    if (coordinator->state != COORDINATOR_FAILED)
        spawn(coordinator, worker);
}

void coordinator_heartbeat(struct coordinator *coordinator, uint32_t worker, int64_t now_ms)
{
    CHECK(worker < coordinator->config.workers);
    coordinator->seats[worker].heard_ms = now_ms;
}

/* ---- checkpoints ---- */
static bool all_drained(const struct coordinator *coordinator)
{
    return coordinator->drained_count == coordinator->source_subtasks;
}

static void trigger_last(struct coordinator *coordinator, int64_t now_ms)
{
    trigger(coordinator, all_drained(coordinator) ? BARRIER_ENDS : BARRIER_STOPS, now_ms);
}

static void trigger(struct coordinator *coordinator, enum barrier_final final, int64_t now_ms)
{
    struct checkpoint *checkpoint = &coordinator->checkpoint;
    struct action *action;

    CHECK(checkpoint->number == 0);
    checkpoint->number = ++coordinator->last_number;
    checkpoint->final = final;
    checkpoint->begun_ms = now_ms;
    coordinator->next_checkpoint_ms = INT64_MAX;
    if (final != BARRIER_PASSES)
        coordinator->state = COORDINATOR_FINISHING;
    action = act(coordinator, ACTION_TRIGGER);
    action->checkpoint = checkpoint->number;
    action->final = final;
}

/* After a checkpoint ended, well or not: the final one when it is time, or the next interval. */
static void checkpoint_next(struct coordinator *coordinator, int64_t now_ms)
{
    int64_t interval = settings_of(coordinator)->checkpoint.interval_ms;

    if (coordinator->state != COORDINATOR_RUNNING)
        return;
    if (coordinator->stopping || all_drained(coordinator))
        trigger_last(coordinator, now_ms);
    else
        coordinator->next_checkpoint_ms =
            interval > 0 ? coordinator->checkpoint.begun_ms + interval : INT64_MAX;
}

static void on_drained(struct coordinator *coordinator, uint32_t number, int64_t now_ms)
{
    if (coordinator->drained[number])
        return;
    coordinator->drained[number] = true;
    coordinator->drained_count++;
    if (coordinator->checkpoint.number == 0 && coordinator->state == COORDINATOR_RUNNING &&
        all_drained(coordinator))
        trigger_last(coordinator, now_ms);
}

static void complete(struct coordinator *coordinator)
{
    act(coordinator, ACTION_COMPLETE)->checkpoint = coordinator->checkpoint.number;
}

static void on_snapshot(struct coordinator *coordinator, uint32_t number, struct report *report)
{
    struct checkpoint *checkpoint = &coordinator->checkpoint;
    struct action *action;

    if (report->checkpoint != checkpoint->number || checkpoint->have[number])
        return;
    checkpoint->have[number] = true;
    checkpoint->snapshots[number] = report->snapshot;
    report->snapshot = (struct subtask_snapshot){0};
    if (++checkpoint->reported < coordinator->subtask_count)
        return;
    checkpoint->writing = true;
#ifdef MILLRACE_SIM_BUG
    if (coordinator->config.sim_bug & 2)
        complete(coordinator);
#endif
    action = act(coordinator, ACTION_MANIFEST);
    action->checkpoint = checkpoint->number;
    action->final = checkpoint->final;
}

static void on_committed(struct coordinator *coordinator, uint32_t number, struct report *report)
{
    /* Not of the checkpoint before: the final one must be complete. */
    if (coordinator->state != COORDINATOR_FINISHING || coordinator->checkpoint.number != 0 ||
        coordinator->committed[number] || report->checkpoint != coordinator->last_complete)
        return;
    coordinator->committed[number] = true;
    if (++coordinator->committed_count == coordinator->sink_subtasks)
        finish(coordinator, COORDINATOR_DONE);
}

void coordinator_report(struct coordinator *coordinator, uint32_t worker, uint32_t attempt,
                        struct report *report, int64_t now_ms)
{
    const struct plan *plan = coordinator->config.plan;
    uint32_t number;

    CHECK(worker < coordinator->config.workers);
    coordinator->seats[worker].heard_ms = now_ms;
    if (attempt == coordinator->attempt && attempt_lives(coordinator) &&
        report->chain < plan->chain_count &&
        report->subtask < plan->chains[report->chain].parallelism) {
        number = coordinator->chain_first[report->chain] + report->subtask;
        switch (report->kind) {
        case REPORT_SNAPSHOT:
            on_snapshot(coordinator, number, report);
            break;
        case REPORT_DRAINED:
            on_drained(coordinator, number, now_ms);
            break;
        case REPORT_COMMITTED:
            on_committed(coordinator, number, report);
            break;
        case REPORT_FAILED:
            fail_reported(coordinator, &report->error, now_ms);
            break;
        }
    }
    subtask_snapshot_clear(&report->snapshot);
}

static void manifest_written(struct coordinator *coordinator, int64_t now_ms)
{
    struct checkpoint *checkpoint = &coordinator->checkpoint;
    int64_t took = now_ms - checkpoint->begun_ms;

    coordinator->last_complete = checkpoint->number;
    coordinator->manifest_failures = 0;
    coordinator->figures.checkpoints++;
    coordinator->figures.last_checkpoint = checkpoint->number;
    coordinator->figures.checkpoint_last_ms = took;
    if (took > coordinator->figures.checkpoint_max_ms)
        coordinator->figures.checkpoint_max_ms = took;
    complete(coordinator);
    checkpoint_clear(coordinator);
    if (coordinator->state != COORDINATOR_FINISHING)
        checkpoint_next(coordinator, now_ms);
    else if (coordinator->sink_subtasks == 0)
        finish(coordinator, COORDINATOR_DONE);
}

void coordinator_manifest(struct coordinator *coordinator, uint64_t number, bool written,
                          const struct error *err, int64_t now_ms)
{
    struct checkpoint *checkpoint = &coordinator->checkpoint;
    bool final = checkpoint->final != BARRIER_PASSES;

    if (number != checkpoint->number || !checkpoint->writing)
        return;
    if (written) {
        manifest_written(coordinator, now_ms);
        return;
    }
    coordinator->figures.checkpoints_failed++;
    act(coordinator, ACTION_ABORT)->checkpoint = number;
    checkpoint_clear(coordinator);
    if (final || ++coordinator->manifest_failures >= MANIFEST_FAILURES_MAX)
        fail_attempt(coordinator, err, now_ms);
    else
        checkpoint_next(coordinator, now_ms);
}

void coordinator_fenced(struct coordinator *coordinator, const struct error *err)
{
    if (coordinator->state == COORDINATOR_DONE || coordinator->state == COORDINATOR_FAILED)
        return;
    coordinator->failure = *err;
    coordinator->has_failure = true;
    checkpoint_clear(coordinator);
    finish(coordinator, COORDINATOR_FAILED);
}

/* Names who has not reported yet. */
static void time_out(struct coordinator *coordinator, int64_t now_ms)
{
    const struct plan *plan = coordinator->config.plan;
    struct checkpoint *checkpoint = &coordinator->checkpoint;
    struct action *action = act(coordinator, ACTION_ABORT);
    struct error err = {0};
    bool final = checkpoint->final != BARRIER_PASSES;
    uint32_t chain = 0, number = 0;

    while (number < coordinator->subtask_count && checkpoint->have[number])
        number++;
    while (number < coordinator->subtask_count && coordinator->chain_first[chain + 1] <= number)
        chain++;
    action->checkpoint = checkpoint->number;
    if (number < coordinator->subtask_count)
        (void)snprintf(action->text, sizeof(action->text),
                       "subtask %u of `%s` has not passed its barrier (%u of %u have)",
                       number - coordinator->chain_first[chain], plan_head(plan, chain)->id,
                       checkpoint->reported, coordinator->subtask_count);
    else
        (void)snprintf(action->text, sizeof(action->text), "the manifest was not written in time");
    coordinator->figures.checkpoints_failed++;
    checkpoint_clear(coordinator);
    error_set(&err, ERROR_STATE, "checkpoint", "raise checkpoint.timeout or look at that subtask",
              "timed out: %s", action->text);
    err.retriable = true;
    if (final)
        fail_attempt(coordinator, &err, now_ms);
    else
        checkpoint_next(coordinator, now_ms);
}

/* ---- time ---- */
static void look_for_silence(struct coordinator *coordinator, int64_t now_ms)
{
    int64_t limit = settings_of(coordinator)->heartbeat.timeout_ms;

    if (!attempt_lives(coordinator) && !coordinator->suspecting)
        return;
    for (uint32_t w = 0; w < coordinator->config.workers; w++)
        if (coordinator->seats[w].state == SEAT_JOINED &&
            now_ms - coordinator->seats[w].heard_ms > limit)
            coordinator_lost(coordinator, w, "no heartbeat within heartbeat.timeout", now_ms);
}

static bool unheard(const struct coordinator *coordinator)
{
    if (!coordinator->suspecting)
        return false;
    for (uint32_t w = 0; w < coordinator->config.workers; w++)
        if (coordinator->seats[w].state == SEAT_JOINED &&
            coordinator->seats[w].heard_ms <= coordinator->suspected_ms)
            return true;
    return false;
}

static int64_t backoff_end(const struct coordinator *coordinator)
{
    return coordinator->restart.due_ms + (coordinator->suspecting ? SYMPTOM_MS : 0);
}

/* When the first of the workers will have been silent for too long. */
static int64_t silence_end(const struct coordinator *coordinator)
{
    int64_t limit = settings_of(coordinator)->heartbeat.timeout_ms, end = INT64_MAX;

    for (uint32_t w = 0; w < coordinator->config.workers; w++) {
        int64_t silent = coordinator->seats[w].heard_ms + limit + 1;

        if (coordinator->seats[w].state == SEAT_JOINED && silent < end)
            end = silent;
    }
    return end;
}

void coordinator_tick(struct coordinator *coordinator, int64_t now_ms)
{
    int64_t timeout = settings_of(coordinator)->checkpoint.timeout_ms;

    look_for_silence(coordinator, now_ms);
    if (coordinator->state == COORDINATOR_BACKOFF && now_ms >= backoff_end(coordinator) &&
        !unheard(coordinator)) {
        coordinator->state = COORDINATOR_WAITING;
        coordinator->suspecting = false;
        deploy_if_joined(coordinator, now_ms);
    }
    if (!attempt_lives(coordinator))
        return;
    if (coordinator->checkpoint.number != 0) {
        if (now_ms - coordinator->checkpoint.begun_ms > timeout)
            time_out(coordinator, now_ms);
    } else if (coordinator->state == COORDINATOR_RUNNING &&
               now_ms >= coordinator->next_checkpoint_ms) {
        trigger(coordinator, BARRIER_PASSES, now_ms);
    }
}

int64_t coordinator_deadline(const struct coordinator *coordinator)
{
    int64_t deadline = INT64_MAX, silent;

    if (coordinator->state == COORDINATOR_BACKOFF && !unheard(coordinator))
        return backoff_end(coordinator);
    if (!attempt_lives(coordinator) && !coordinator->suspecting)
        return deadline;
    if (coordinator->checkpoint.number != 0)
        deadline =
            coordinator->checkpoint.begun_ms + settings_of(coordinator)->checkpoint.timeout_ms + 1;
    else if (coordinator->state == COORDINATOR_RUNNING)
        deadline = coordinator->next_checkpoint_ms;
    silent = silence_end(coordinator);
    return silent < deadline ? silent : deadline;
}

void coordinator_stop(struct coordinator *coordinator, int64_t now_ms)
{
    if (coordinator->stopping) {
        struct error err = {0};

        coordinator->stop_now = true;
        error_set(&err, ERROR_STATE, "job", NULL, "stopped without a last checkpoint");
        if (coordinator->state != COORDINATOR_DONE && coordinator->state != COORDINATOR_FAILED) {
            coordinator->failure = err;
            coordinator->has_failure = true;
            finish(coordinator, COORDINATOR_FAILED);
        }
        return;
    }
    coordinator->stopping = true;
    coordinator->figures.stopped = true;
    if (coordinator->state == COORDINATOR_RUNNING && coordinator->checkpoint.number == 0)
        trigger_last(coordinator, now_ms);
}

/* ---- what it knows ---- */
enum coordinator_state coordinator_state(const struct coordinator *coordinator)
{
    return coordinator->state;
}

uint32_t coordinator_attempt(const struct coordinator *coordinator)
{
    return coordinator->attempt;
}

uint32_t coordinator_restarts(const struct coordinator *coordinator)
{
    return coordinator->restart.count;
}

const struct subtask_snapshot *coordinator_snapshots(const struct coordinator *coordinator,
                                                     uint32_t *count)
{
    CHECK(coordinator->checkpoint.writing);
    *count = coordinator->subtask_count;
    return coordinator->checkpoint.snapshots;
}

const struct error *coordinator_failure(const struct coordinator *coordinator)
{
    return coordinator->has_failure ? &coordinator->failure : NULL;
}

void coordinator_figures(const struct coordinator *coordinator, struct coordinator_figures *figures)
{
    *figures = coordinator->figures;
}
