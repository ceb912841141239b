/* The coordinator's process, as runtime/control/driver.c and checkpoints.c make it around the state
 * machine: it spawns, sends, finds and writes checkpoints. See world_parts.h. */
#include "tests/sim/world_parts.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char job_text[] =
    "job: {name: sim, parallelism: 3}\n"
    "checkpoint: {interval: 20ms}\n"
    "restart: {strategy: fixed-delay, max-attempts: 1000, delay: 20ms}\n"
    "heartbeat: {interval: 50ms, timeout: 400ms}\n"
    "network: {channel-bytes: 4kb}\n"
    "operators:\n"
    "  - {id: events, kind: sim/source}\n"
    "  - {id: late, kind: sim/sink, from: events.late}\n"
    "  - {id: count, kind: sim/count, from: events, key: key}\n"
    "  - {id: window, kind: sim/window, from: events, key: key}\n"
    "  - {id: lookup, kind: sim/lookup, from: count, tables: {sums: window}}\n"
    "  - {id: out, kind: sim/sink, from: lookup}\n"
    "  - {id: silence, kind: sim/silence, from: events, key: key}\n"
    "  - {id: silent, kind: sim/sink, from: silence}\n"
    "  - {id: fed, kind: sim/fed, from: events, tables: {back: {from: back, delay: 30ms}, "
    "tally: {from: tally, delay: 120ms}}}\n"
    "  - {id: refed, kind: sim/fed, from: fed, tables: {far: {from: far, delay: 250ms}}}\n"
    "  - {id: echo, kind: sim/sink, from: refed}\n"
    "  - {id: back, kind: sim/window, from: refed, key: key}\n"
    "  - {id: tally, kind: sim/count, from: refed, key: key}\n"
    "  - {id: join, kind: sim/lookup, from: tally, tables: {sums: back}}\n"
    "  - {id: joined, kind: sim/sink, from: join}\n"
    "  - {id: far, kind: sim/window, from: join, key: key}\n";

struct plan *office_plan(const struct world *world)
{
    return world->plans[world->plan_count - 1];
}

/* ---- workers ---- */
static void spawn(struct world *world, uint32_t seat)
{
    uint32_t number = world->process_count++;

    world->processes =
        memory_grow(world->processes, world->process_count, sizeof(*world->processes));
    world->processes[number] = process_create(number, seat, world->epoch, &world->shared);
    world->processes[number]->pace = world->slow && chance(world, 3) ? 12 : 1;
    world->seats[seat] = number;
    post_in_order(world, MESSAGE_JOIN, world->processes[number], 20);
}

/* It learns of it after what it was told before; until then it goes on as a zombie. */
static void expel(struct world *world, uint32_t seat)
{
    struct process *process = in_seat(world, seat);

    if (!process)
        return;
    world->seats[seat] = NOBODY;
    process->expelled = true;
    if (process->state == PROCESS_DEAD)
        return;
    world->counts.zombies++;
    post_in_order(world, MESSAGE_CLOSE, process, chance(world, 3) ? 500 : 20);
}

static void tell_all(struct world *world, const struct action *action, struct manifest *from)
{
    for (uint32_t seat = 0; seat < WORKERS; seat++) {
        struct process *process = in_seat(world, seat);
        struct message *message;

        if (!process || !process->joined)
            continue;
        message = post_in_order(world, MESSAGE_TELL, process, world->message_ms);
        message->action = *action;
        message->plan = office_plan(world);
        message->from = from;
    }
}

/* ---- checkpoints ---- */
/* The manifest as text: the snapshots may be gone when it is written. */
static void begin_write(struct world *world, uint64_t checkpoint)
{
    struct arena *arena = arena_create(1u << 16);
    struct message *message = post(world, MESSAGE_WRITE, world->write_ms);
    struct manifest manifest = {
        .job_id = "sim",
        .job_name = "sim",
        .kernel = "",
        .checkpoint = checkpoint,
        .epoch = world->epoch,
        .attempt = coordinator_attempt(world->coordinator),
    };
    const struct subtask_snapshot *snapshots;
    uint32_t count;

    snapshots = coordinator_snapshots(world->coordinator, &count);
    restore_manifest(office_plan(world), snapshots, count, arena, &manifest);
    manifest_encode(&manifest, &message->text);
    message->checkpoint = checkpoint;
    arena_close(arena);
}

static void write_own(struct world *world, const struct message *message)
{
    struct arena *arena = arena_create(1u << 16);
    struct message *written = post(world, MESSAGE_WRITTEN, 10);
    char name[CHECKPOINT_NAME_MAX];
    struct error err = {0};
    struct manifest *manifest =
        manifest_decode(message->text.data, message->text.size, arena, &err);

    CHECK(manifest);
    written->checkpoint = message->checkpoint;
    if (world->faults.left > 0 && chance(world, world->faults.manifest)) {
        error_set(&err, ERROR_IO, "disk", NULL, "no space left");
        world->faults.left--;
        world->counts.manifest_failures++;
    } else {
        written->good = manifest_write(world->store, manifest, &err);
    }
    written->report.error = err;
    if (written->good) {
        ledger_durable(world->ledger, message->checkpoint);
        if (world->restored)
            manifest_name(world->restored, name);
        CHECK(manifest_retain(world->store, "sim", world->epoch, world->retain,
                              world->restored ? name : NULL, &err));
    }
    arena_close(arena);
}

/* By a coordinator that was overtaken: nothing of it may be taken, and nothing may go. */
static void write_overtaken(struct world *world, const struct message *message)
{
    struct arena *arena = arena_create(1u << 16);
    struct error err = {0};
    struct manifest *manifest =
        manifest_decode(message->text.data, message->text.size, arena, &err);

    CHECK(manifest);
    world->counts.overtaken++;
    say(world, "the manifest of checkpoint %" PRIu64 ", epoch %u, comes too late",
        message->checkpoint, message->epoch);
    if (manifest_write(world->store, manifest, &err) || err.code != ERROR_FENCED)
        ledger_violate(world->ledger, "fencing: epoch %u writes checkpoint %" PRIu64 " in epoch %u",
                       message->epoch, message->checkpoint, world->epoch);
    (void)!manifest_retain(world->store, "sim", message->epoch, 1, NULL, &err);
    arena_close(arena);
}

void office_write(struct world *world, const struct message *message)
{
    if (message->epoch != world->epoch)
        write_overtaken(world, message);
    else
        write_own(world, message);
}

/* Not while a manifest is being written: were an older one restored, and this one came to be the
 * newest after that, the job would go on from both. */
void office_find(struct world *world, const struct message *message)
{
    struct message *found;
    struct manifest_skipped skipped = {0};
    struct manifest *manifest = NULL;
    struct error err = {0};

    if (messages_writing(world)) {
        post(world, MESSAGE_FIND, 10)->attempt = message->attempt;
        return;
    }
    CHECK(manifest_latest(world->store, "sim", world->epoch, world->arena, &manifest, &skipped,
                          &err));
    CHECK(skipped.count == 0);
    found = post(world, MESSAGE_FOUND, 10);
    if (!manifest)
        manifest = world->restored;
    found->attempt = message->attempt;
    found->from = manifest;
}

void office_deploy(struct world *world, const struct message *message)
{
    const struct action action = {.kind = ACTION_DEPLOY, .attempt = message->attempt};

    if (message->attempt != coordinator_attempt(world->coordinator))
        return; /* that attempt is over already */
    world->counts.restores += message->from != NULL;
    tell_all(world, &action, message->from);
}

/* ---- actions ---- */
static void carry_out(struct world *world, const struct action *action)
{
    static const char *const names[] = {
        [ACTION_SPAWN] = "spawn",       [ACTION_EXPEL] = "expel",
        [ACTION_DEPLOY] = "deploy",     [ACTION_START] = "start",
        [ACTION_LEAVE] = "leave",       [ACTION_TRIGGER] = "trigger",
        [ACTION_MANIFEST] = "manifest", [ACTION_COMPLETE] = "complete",
        [ACTION_ABORT] = "abort",       [ACTION_FINISH] = "finish",
    };

    say(world, "coordinator: %s worker %u attempt %u checkpoint %" PRIu64 "%s %s",
        names[action->kind], action->worker, action->attempt, action->checkpoint,
        action->final ? " (final)" : "", action->text);
    trace(world, (uint64_t)action->kind << 32 | action->checkpoint);
    switch (action->kind) {
    case ACTION_SPAWN:
        spawn(world, action->worker);
        break;
    case ACTION_EXPEL:
        expel(world, action->worker);
        break;
    case ACTION_DEPLOY:
        world->counts.attempts++;
        post(world, MESSAGE_FIND, 10)->attempt = action->attempt;
        break;
    case ACTION_MANIFEST:
        begin_write(world, action->checkpoint);
        break;
    case ACTION_ABORT:
        world->counts.aborts++;
        tell_all(world, action, NULL);
        break;
    case ACTION_START:
    case ACTION_LEAVE:
    case ACTION_TRIGGER:
    case ACTION_COMPLETE:
        tell_all(world, action, NULL);
        break;
    case ACTION_FINISH:
        world->finished = true;
        break;
    }
}

void office_act(struct world *world)
{
    struct action action;

    while (!world->finished && coordinator_action(world->coordinator, &action))
        carry_out(world, &action);
}

/* ---- life ---- */
#define OVERRIDES_MAX 16u

struct overrides {
    uint32_t count;
    const char *texts[OVERRIDES_MAX];
};

static void override(struct world *world, struct overrides *overrides, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void override(struct world *world, struct overrides *overrides, const char *format, ...)
{
    char text[64];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(overrides->count < OVERRIDES_MAX);
    overrides->texts[overrides->count++] = arena_text(world->arena, text);
    say(world, "  %s", text);
}

static struct plan *make_plan(uint32_t parallelism, const struct overrides *overrides)
{
    struct plan_request request = {
        .path = "sim.yaml",
        .text = job_text,
        .overrides = overrides->texts,
        .override_count = overrides->count,
        .parallelism = parallelism,
        .split_mode = PLAN_SPLITS_MAKE,
    };
    struct error_list errors = {0};
    char text[ERROR_TEXT_MAX];
    struct plan *plan = plan_create(&request, &errors);

    for (uint32_t i = 0; i < errors.count; i++)
        (void)fprintf(stderr, "%s\n", error_text(&errors.errors[i], text, sizeof(text)));
    CHECK(plan);
    return plan;
}

/* Long enough for what the world is like, so that the job can end: a barrier waits until the rows
 * before it have been round the loop. Too short in a hasty one. */
static uint32_t draw_timeout_ms(const struct world *world, bool spills)
{
    if (world->hasty)
        return 100;
    if (world->slow)
        return 40000;
    return spills || world->message_ms > 50 ? 8000 : 2000;
}

static uint32_t draw_parallelism(struct world *world)
{
    return chance(world, 2) ? WORKERS : 1 + draw(world, WORKERS * PROCESS_SLOTS);
}

static void add_plan(struct world *world)
{
    static const char *const ops[] = {"events",  "late",   "count",  "window", "lookup", "out",
                                      "silence", "silent", "fed",    "refed",  "echo",   "back",
                                      "tally",   "join",   "joined", "far"};
    struct overrides overrides = {0};
    bool spills = chance(world, 5), chaos = chance(world, 2);
    uint32_t parallelism = draw_parallelism(world);

    CHECK(world->plan_count < sizeof(world->plans) / sizeof(world->plans[0]));
    say(world, "a coordinator of epoch %u, -p %u", world->epoch, parallelism);
    override(world, &overrides, "checkpoint.timeout=%ums", draw_timeout_ms(world, spills));
    if (chaos)
        override(world, &overrides, "debug.chaos=%" PRIu64, random_next(&world->random) >> 1 | 1);
    if (spills)
        override(world, &overrides, "state.memory=%s", chance(world, 2) ? "64kb" : "256kb");
    if (chance(world, 4))
        override(world, &overrides, "debug.hold-after-rows=%u", 1 + draw(world, 100));
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]) && parallelism > 1; i++)
        if (chance(world, 6))
            override(world, &overrides, "%s.parallelism=%u", ops[i], draw_parallelism(world));
    world->plans[world->plan_count++] = make_plan(parallelism, &overrides);
    world->counts.chaos = world->counts.chaos || chaos;
}

void office_open(struct world *world)
{
    struct manifest_skipped skipped = {0};
    char name[CHECKPOINT_NAME_MAX];
    struct error err = {0};
    uint64_t restored;

    CHECK(manifest_epoch_claim(world->store, "sim", "sim", &world->epoch, &err));
    CHECK(manifest_latest(world->store, "sim", 0, world->arena, &world->restored, &skipped, &err));
    if (world->restored)
        manifest_name(world->restored, name);
    CHECK(manifest_epoch_begun(world->store, "sim", world->epoch, world->restored ? name : NULL,
                               &err));
    restored = world->restored ? world->restored->checkpoint : 0;
    add_plan(world);
    world->coordinator =
        coordinator_create(&(struct coordinator_config){.plan = office_plan(world),
                                                        .workers = WORKERS,
                                                        .first_attempt = 1,
                                                        .restore_checkpoint = restored,
                                                        .last_checkpoint = restored,
                                                        .sim_bug = PROCESS_SIM_BUG},
                           world->now_ms);
    office_act(world);
}

void office_close(struct world *world, bool lives)
{
    messages_forget_coordinator(world, lives);
    for (uint32_t seat = 0; seat < WORKERS; seat++)
        expel(world, seat);
    coordinator_close(world->coordinator);
    world->coordinator = NULL;
}

bool office_stopped(const struct world *world)
{
    struct coordinator_figures figures;

    coordinator_figures(world->coordinator, &figures);
    return figures.stopped && coordinator_state(world->coordinator) == COORDINATOR_DONE;
}
