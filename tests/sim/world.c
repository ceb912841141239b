/* See world.h. */
#include "tests/sim/world.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS PROCESS_WORKERS
#define STEPS_MAX 60000u /* a job that has not ended by then hangs */
#define RETAIN 2u
#define NOBODY UINT32_MAX

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
    "  - {id: silent, kind: sim/sink, from: silence}\n";

enum message_kind {
    /* to a process, in order; a hung one gets them when it wakes */
    MESSAGE_TELL,  /* an action */
    MESSAGE_CLOSE, /* its control connection is closed */
    /* from a process to the coordinator, in order */
    MESSAGE_JOIN,
    MESSAGE_DEPLOYED_ALL,
    MESSAGE_REPORTED,
    MESSAGE_LOST, /* the coordinator sees the end of the connection */
    /* of the coordinator's own pool */
    MESSAGE_WRITE, /* the manifest goes to the disk */
    MESSAGE_WRITTEN,
    MESSAGE_FIND, /* the newest checkpoint is looked for */
    MESSAGE_FOUND,
    /* what a fault ends with */
    MESSAGE_WAKE,
    MESSAGE_HEAL,
};

struct message {
    enum message_kind kind;
    int64_t due_ms;
    uint64_t order; /* among equal times */
    uint32_t process, attempt, epoch;
    struct action action;  /* TELL */
    struct plan *plan;     /* TELL of a deployment */
    struct manifest *from; /* TELL of a deployment, FOUND; NULL: from nothing */
    struct report report;  /* REPORTED */
    uint64_t checkpoint;   /* WRITE, WRITTEN */
    struct bytes text;     /* WRITE: the manifest */
    bool good;             /* WRITTEN */
};

struct faults { /* one in so many steps; 0: never in this world */
    uint32_t crash, hang, cut, break_link, stall, coordinator;
    uint32_t manifest; /* one in so many manifests */
    uint32_t left;     /* so many faults, then the world is calm */
};

struct world {
    struct random random;
    int64_t now_ms;
    uint64_t order, trace;
    char dir[64], work_dir[96], spill_dir[96], away_dir[96], text[128];
    struct ledger *ledger;
    struct process_shared shared;
    struct checkpoint_store *store;
    struct arena *arena; /* manifests */
    uint32_t plan_count;
    struct plan *plans[64]; /* the last one is the present; zombies may run older ones */
    struct coordinator *coordinator;
    uint32_t epoch;
    struct manifest *restored; /* what the present coordinator began from; NULL: nothing */
    uint32_t process_count;
    struct process **processes;
    uint32_t seats[WORKERS]; /* the process that has a seat, or NOBODY */
    uint32_t message_count, message_capacity;
    struct message **messages;
    struct faults faults;
    struct world_counts counts;
    bool told, finished;
};

/* ---- drawing ---- */
static uint32_t draw(struct world *world, uint32_t below)
{
    return (uint32_t)random_below(&world->random, below);
}

static bool chance(struct world *world, uint32_t one_in)
{
    return one_in > 0 && draw(world, one_in) == 0;
}

static void trace(struct world *world, uint64_t value)
{
    world->trace = hash_draw(world->trace, value);
}

static void say(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct world *world, const char *format, ...)
{
    va_list args;

    if (!world->told)
        return;
    (void)printf("%8" PRId64 " ", world->now_ms);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

/* ---- messages ---- */
static struct message *post(struct world *world, enum message_kind kind, uint32_t delay_max_ms)
{
    struct message *message = memory_new(sizeof(*message));

    if (world->message_count == world->message_capacity) {
        world->message_capacity = world->message_capacity * 2 + 64;
        world->messages =
            memory_grow(world->messages, world->message_capacity, sizeof(*world->messages));
    }
    world->messages[world->message_count++] = message;
    message->kind = kind;
    message->due_ms = world->now_ms + 1 + draw(world, delay_max_ms);
    message->order = world->order++;
    message->epoch = world->epoch;
    message->process = NOBODY;
    return message;
}

static bool to_process(const struct message *message)
{
    return message->kind == MESSAGE_TELL || message->kind == MESSAGE_CLOSE;
}

static bool from_process(const struct message *message)
{
    return message->kind == MESSAGE_JOIN || message->kind == MESSAGE_DEPLOYED_ALL ||
           message->kind == MESSAGE_REPORTED || message->kind == MESSAGE_LOST;
}

/* As on a socket: what one process is told, or tells, keeps its order. */
static struct message *post_in_order(struct world *world, enum message_kind kind,
                                     const struct process *process, uint32_t delay_max_ms)
{
    struct message *message = post(world, kind, delay_max_ms);

    message->process = process->number;
    message->attempt = process->attempt;
    for (uint32_t i = 0; i < world->message_count; i++) {
        const struct message *other = world->messages[i];

        if (other->process == process->number && to_process(other) == to_process(message) &&
            from_process(other) == from_process(message) && other->due_ms > message->due_ms)
            message->due_ms = other->due_ms;
    }
    return message;
}

static void message_free(struct message *message)
{
    subtask_snapshot_clear(&message->report.snapshot);
    bytes_clear(&message->text);
    memory_free(message);
}

static struct plan *present_plan(const struct world *world)
{
    return world->plans[world->plan_count - 1];
}

static bool seated(const struct world *world, uint32_t number)
{
    return world->seats[world->processes[number]->seat] == number;
}

static struct process *in_seat(const struct world *world, uint32_t seat)
{
    return world->seats[seat] == NOBODY ? NULL : world->processes[world->seats[seat]];
}

void process_reports(struct process *process, struct report *report)
{
    struct world *world = process->shared->owner;

    post_in_order(world, MESSAGE_REPORTED, process, 15)->report = *report;
    *report = (struct report){0};
}

/* ---- the coordinator's process ---- */
static void spawn(struct world *world, uint32_t seat)
{
    uint32_t number = world->process_count++;

    world->processes =
        memory_grow(world->processes, world->process_count, sizeof(*world->processes));
    world->processes[number] = process_create(number, seat, world->plan_count, &world->shared);
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
        message = post_in_order(world, MESSAGE_TELL, process, 15);
        message->action = *action;
        message->plan = present_plan(world);
        message->from = from;
    }
}

/* The manifest as text: the snapshots may be gone when it is written. */
static void begin_write(struct world *world, uint64_t checkpoint)
{
    struct arena *arena = arena_create(1u << 16);
    struct message *message = post(world, MESSAGE_WRITE, 25);
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
    restore_manifest(present_plan(world), snapshots, count, arena, &manifest);
    manifest_encode(&manifest, &message->text);
    message->checkpoint = checkpoint;
    arena_close(arena);
}

static void write_manifest(struct world *world, const struct message *message)
{
    struct arena *arena = arena_create(1u << 16);
    struct message *written = post(world, MESSAGE_WRITTEN, 10);
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
        CHECK(manifest_retain(world->store, "sim", RETAIN, NULL, &err));
    }
    arena_close(arena);
}

static void find_restore(struct world *world, const struct message *message)
{
    struct message *found = post(world, MESSAGE_FOUND, 10);
    struct manifest_skipped skipped = {0};
    struct manifest *manifest = NULL;
    struct error err = {0};

    CHECK(manifest_latest(world->store, "sim", world->arena, &manifest, &skipped, &err));
    CHECK(skipped.count == 0);
    if (!manifest || manifest->epoch != world->epoch)
        manifest = world->restored;
    found->attempt = message->attempt;
    found->from = manifest;
}

static void deploy(struct world *world, const struct message *message)
{
    const struct action action = {.kind = ACTION_DEPLOY, .attempt = message->attempt};

    if (message->attempt != coordinator_attempt(world->coordinator))
        return; /* that attempt is over already */
    world->counts.restores += message->from != NULL;
    tell_all(world, &action, message->from);
}

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

static void act(struct world *world)
{
    struct action action;

    while (!world->finished && coordinator_action(world->coordinator, &action))
        carry_out(world, &action);
}

/* ---- messages come due ---- */
static void tell(struct world *world, const struct message *message)
{
    struct process *process = world->processes[message->process];

    if (message->action.kind == ACTION_COMPLETE && process->expelled)
        world->counts.late_completes++;
    if (message->action.kind != ACTION_DEPLOY)
        process_obey(process, &message->action);
    else if (process_deploy(process, message->plan, message->action.attempt, message->from))
        post_in_order(world, MESSAGE_DEPLOYED_ALL, process, 15);
}

static void to_coordinator(struct world *world, struct message *message)
{
    struct coordinator *coordinator = world->coordinator;
    struct process *process = world->processes[message->process];

    if (!seated(world, message->process))
        return; /* the connection is closed */
    if (message->kind == MESSAGE_JOIN) {
        process->joined = true;
        coordinator_joined(coordinator, process->seat, world->now_ms);
    } else if (message->kind == MESSAGE_DEPLOYED_ALL) {
        coordinator_deployed(coordinator, process->seat, message->attempt, world->now_ms);
    } else if (message->kind == MESSAGE_REPORTED) {
        if (message->report.kind == REPORT_FAILED)
            say(world, "process %u reports a failure: %s: %s", process->number,
                message->report.error.where, message->report.error.what);
        coordinator_report(coordinator, process->seat, message->attempt, &message->report,
                           world->now_ms);
    } else {
        coordinator_lost(coordinator, process->seat, "crashed", world->now_ms);
    }
}

static void deliver(struct world *world, struct message *message)
{
    trace(world, (uint64_t)message->kind << 32 | message->process);
    switch (message->kind) {
    case MESSAGE_TELL:
        tell(world, message);
        break;
    case MESSAGE_CLOSE:
        process_kill(world->processes[message->process]);
        break;
    case MESSAGE_JOIN:
    case MESSAGE_DEPLOYED_ALL:
    case MESSAGE_REPORTED:
    case MESSAGE_LOST:
        to_coordinator(world, message);
        break;
    case MESSAGE_WRITE:
        write_manifest(world, message);
        break;
    case MESSAGE_WRITTEN:
        coordinator_manifest(world->coordinator, message->checkpoint, message->good,
                             &message->report.error, world->now_ms);
        break;
    case MESSAGE_FIND:
        find_restore(world, message);
        break;
    case MESSAGE_FOUND:
        deploy(world, message);
        break;
    case MESSAGE_WAKE:
        if (world->processes[message->process]->state == PROCESS_HUNG)
            world->processes[message->process]->state = PROCESS_ALIVE;
        break;
    case MESSAGE_HEAL:
        world->processes[message->process]->stalled = false;
        break;
    }
    act(world);
}

static bool deliverable(const struct world *world, const struct message *message)
{
    return message->due_ms <= world->now_ms &&
           (!to_process(message) || world->processes[message->process]->state != PROCESS_HUNG);
}

static bool before(const struct message *a, const struct message *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

/* The next that is due, taken out of the list; NULL: none. */
static struct message *next_message(struct world *world)
{
    uint32_t first = NOBODY;
    struct message *message;

    for (uint32_t i = 0; i < world->message_count; i++)
        if (deliverable(world, world->messages[i]) &&
            (first == NOBODY || before(world->messages[i], world->messages[first])))
            first = i;
    if (first == NOBODY)
        return NULL;
    message = world->messages[first];
    world->messages[first] = world->messages[--world->message_count];
    return message;
}

static void deliver_due(struct world *world)
{
    struct message *message;

    while (!world->finished && (message = next_message(world))) {
        if (!to_process(message) || world->processes[message->process]->state != PROCESS_DEAD)
            deliver(world, message);
        message_free(message);
    }
}

/* ---- life of the world ---- */
static struct plan *make_plan(uint32_t parallelism, uint64_t chaos, const char *memory)
{
    char override_chaos[64], override_memory[64];
    const char *overrides[] = {override_chaos, override_memory,
                               memory[0] == '0' ? "checkpoint.timeout=400ms"
                                                : "checkpoint.timeout=2s"};
    struct plan_request request = {
        .path = "sim.yaml",
        .text = job_text,
        .overrides = overrides,
        .override_count = 3,
        .parallelism = parallelism,
        .split_mode = PLAN_SPLITS_MAKE,
    };
    struct error_list errors = {0};
    char text[ERROR_TEXT_MAX];
    struct plan *plan;

    (void)snprintf(override_chaos, sizeof(override_chaos), "debug.chaos=%" PRIu64, chaos);
    (void)snprintf(override_memory, sizeof(override_memory), "state.memory=%s", memory);
    plan = plan_create(&request, &errors);
    for (uint32_t i = 0; i < errors.count; i++)
        (void)fprintf(stderr, "%s\n", error_text(&errors.errors[i], text, sizeof(text)));
    CHECK(plan);
    return plan;
}

static void add_plan(struct world *world)
{
    static const char *const memories[] = {"0b", "0b", "64kb", "256kb"};
    uint32_t parallelism = 1 + draw(world, WORKERS * PROCESS_SLOTS);
    uint64_t chaos = chance(world, 2) ? random_next(&world->random) >> 1 | 1 : 0;
    const char *memory = memories[draw(world, 4)];

    CHECK(world->plan_count < sizeof(world->plans) / sizeof(world->plans[0]));
    if (chance(world, 2))
        parallelism = WORKERS;
    world->plans[world->plan_count++] = make_plan(parallelism, chaos, memory);
    world->counts.chaos = world->counts.chaos || chaos;
    (void)snprintf(world->text, sizeof(world->text), "parallelism %u, chaos %s, memory %s",
                   parallelism, chaos ? "on" : "off", memory);
    say(world, "a coordinator of epoch %u: %s", world->epoch, world->text);
}

/* A coordinator of a new epoch, from the newest checkpoint, with workers of its own. */
static void begin_coordinator(struct world *world)
{
    struct manifest_skipped skipped = {0};
    struct error err = {0};
    uint64_t restored;

    CHECK(manifest_epoch_next(world->store, "sim", &world->epoch, &err));
    CHECK(manifest_latest(world->store, "sim", world->arena, &world->restored, &skipped, &err));
    restored = world->restored ? world->restored->checkpoint : 0;
    add_plan(world);
    world->coordinator =
        coordinator_create(&(struct coordinator_config){.plan = present_plan(world),
                                                        .workers = WORKERS,
                                                        .first_attempt = 1,
                                                        .restore_checkpoint = restored,
                                                        .last_checkpoint = restored,
                                                        .sim_bug = PROCESS_SIM_BUG},
                           world->now_ms);
    act(world);
}

static void draw_faults(struct world *world)
{
    uint32_t *kinds[] = {&world->faults.crash,   &world->faults.hang,
                         &world->faults.cut,     &world->faults.break_link,
                         &world->faults.stall,   &world->faults.coordinator,
                         &world->faults.manifest};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        *kinds[i] = chance(world, 2) ? 40 + draw(world, 400) : 0;
    if (world->faults.manifest)
        world->faults.manifest = 2 + draw(world, 8);
    world->shared.writes_fail = chance(world, 2);
    world->faults.left = draw(world, 16);
}

static void make_folders(struct world *world)
{
    struct error err = {0};

    (void)snprintf(world->dir, sizeof(world->dir), "%s/millrace-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(world->dir));
    (void)snprintf(world->work_dir, sizeof(world->work_dir), "%s/sim", world->dir);
    CHECK(mkdir(world->work_dir, 0777) == 0);
    (void)snprintf(world->work_dir, sizeof(world->work_dir), "%s/sim/shared", world->dir);
    CHECK(mkdir(world->work_dir, 0777) == 0);
    (void)snprintf(world->spill_dir, sizeof(world->spill_dir), "%s/spill", world->dir);
    (void)snprintf(world->away_dir, sizeof(world->away_dir), "%s/away", world->dir);
    world->store = checkpoint_store_dir(world->dir, &err);
    CHECK(world->store);
}

struct world *world_open(uint64_t seed, bool told)
{
    struct world *world = memory_new(sizeof(*world));

    world->told = told;
    world->random.state = hash_draw(seed, 1);
    world->now_ms = 1;
    world->arena = arena_create(1u << 16);
    world->ledger = sim_ledger = ledger_create(seed);
    make_folders(world);
    world->shared = (struct process_shared){
        .random = &world->random,
        .now_ms = &world->now_ms,
        .work_dir = world->work_dir,
        .spill_dir = world->spill_dir,
        .away_dir = world->away_dir,
        .owner = world,
    };
    for (uint32_t seat = 0; seat < WORKERS; seat++)
        world->seats[seat] = NOBODY;
    draw_faults(world);
    begin_coordinator(world);
    return world;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void world_close(struct world *world)
{
    for (uint32_t i = 0; i < world->process_count; i++)
        process_close(world->processes[i]);
    for (uint32_t i = 0; i < world->message_count; i++)
        message_free(world->messages[i]);
    coordinator_close(world->coordinator);
    for (uint32_t i = 0; i < world->plan_count; i++)
        plan_close(world->plans[i]);
    checkpoint_store_close(world->store);
    ledger_close(world->ledger);
    arena_close(world->arena);
    memory_free(world->processes);
    memory_free(world->messages);
    (void)nftw(world->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    memory_free(world);
}

/* ---- faults ---- */
static void lose(struct world *world, struct process *process)
{
    post_in_order(world, MESSAGE_LOST, process, 30);
}

static void crash(struct world *world, struct process *process)
{
    world->counts.crashes++;
    say(world, "process %u crashes", process->number);
    process_kill(process);
    lose(world, process);
}

static void hang(struct world *world, struct process *process)
{
    world->counts.hangs++;
    say(world, "process %u hangs", process->number);
    process->state = PROCESS_HUNG;
    post(world, MESSAGE_WAKE, 1500)->process = process->number;
}

/* The control connection breaks: both ends see it, each in its time. */
static void cut(struct world *world, struct process *process)
{
    world->counts.cuts++;
    say(world, "process %u is cut off", process->number);
    lose(world, process);
    post_in_order(world, MESSAGE_CLOSE, process, 60);
}

/* A data connection breaks: one or both ends report it, what was under way is gone. */
static void break_link(struct world *world, struct process *process)
{
    uint32_t seat = (process->seat + 1 + draw(world, WORKERS - 1)) % WORKERS;
    struct process *other = in_seat(world, seat);
    struct report report = {.kind = REPORT_FAILED};
    uint32_t who = draw(world, 3);

    if (!process->running || !other || !other->running || other->attempt != process->attempt)
        return;
    world->counts.breaks++;
    say(world, "the connection of processes %u and %u breaks", process->number, other->number);
    process->broken |= 1u << other->seat;
    error_set(&report.error, ERROR_NETWORK, "data connection", NULL, "broken");
    if (who != 1)
        process_reports(process, &report);
    report.kind = REPORT_FAILED;
    if (who != 0)
        process_reports(other, &report);
}

static uint32_t timeout_ms(const struct world *world)
{
    return (uint32_t)present_plan(world)->settings.checkpoint.timeout_ms;
}

static void stall(struct world *world, struct process *process)
{
    world->counts.stalls++;
    say(world, "the disk of process %u stalls", process->number);
    process->stalled = true;
    post(world, MESSAGE_HEAL, 3 * timeout_ms(world))->process = process->number;
}

/* Nothing that was on its way to it, or in its pool, arrives; its workers see closed sockets. */
static void crash_coordinator(struct world *world)
{
    uint32_t kept = 0;

    world->counts.coordinator_crashes++;
    say(world, "the coordinator crashes");
    for (uint32_t i = 0; i < world->message_count; i++) {
        struct message *message = world->messages[i];

        if (to_process(message) || message->kind == MESSAGE_WAKE || message->kind == MESSAGE_HEAL)
            world->messages[kept++] = message;
        else
            message_free(message);
    }
    world->message_count = kept;
    for (uint32_t seat = 0; seat < WORKERS; seat++)
        expel(world, seat);
    coordinator_close(world->coordinator);
    begin_coordinator(world);
}

static bool strike(struct world *world, struct process *process)
{
    const struct faults *faults = &world->faults;

    if (chance(world, faults->crash))
        crash(world, process);
    else if (chance(world, faults->hang))
        hang(world, process);
    else if (chance(world, faults->cut))
        cut(world, process);
    else if (chance(world, faults->break_link))
        break_link(world, process);
    else if (chance(world, faults->stall))
        stall(world, process);
    else
        return false;
    return true;
}

static void strike_somebody(struct world *world)
{
    struct process *process = in_seat(world, draw(world, WORKERS));

    if (world->faults.left == 0) {
        world->shared.writes_fail = false;
        return;
    }
    if (world->faults.coordinator && chance(world, world->faults.coordinator * 4)) {
        world->faults.left--;
        crash_coordinator(world);
    } else if (process && process->state == PROCESS_ALIVE && !process->stalled &&
               strike(world, process)) {
        world->faults.left--;
    }
}

/* ---- a step ---- */
static void move_data(struct world *world)
{
    for (uint32_t i = 0; i < world->process_count; i++)
        for (uint32_t j = 0; j < world->process_count; j++)
            if (i != j && process_linked(world->processes[i], world->processes[j]) &&
                draw(world, 3) > 0)
                process_move(world->processes[i], world->processes[j]);
}

static void heartbeats(struct world *world)
{
    for (uint32_t seat = 0; seat < WORKERS; seat++) {
        struct process *process = in_seat(world, seat);

        if (process && process->joined && process->state == PROCESS_ALIVE)
            coordinator_heartbeat(world->coordinator, seat, world->now_ms);
    }
}

bool world_step(struct world *world)
{
    deliver_due(world);
    for (uint32_t i = 0; i < world->process_count && !world->finished; i++)
        if (world->processes[i]->state == PROCESS_ALIVE)
            process_step(world->processes[i]);
    move_data(world);
    if (!world->finished) {
        strike_somebody(world);
        heartbeats(world);
        coordinator_tick(world->coordinator, world->now_ms);
        act(world);
    }
    world->now_ms += 1 + draw(world, 3);
    trace(world, world->random.state);
    return !world->finished && !ledger_violation(world->ledger)[0] &&
           ++world->counts.steps < STEPS_MAX;
}

const char *world_violation(struct world *world)
{
    static char text[1024];

    if (ledger_violation(world->ledger)[0])
        return ledger_violation(world->ledger);
    if (!world->finished) {
        (void)snprintf(text, sizeof(text),
                       "the job ends: it has not after %" PRIu64 " steps, in attempt %u",
                       world->counts.steps, coordinator_attempt(world->coordinator));
        return text;
    }
    if (coordinator_state(world->coordinator) != COORDINATOR_DONE) {
        (void)snprintf(text, sizeof(text), "the job succeeds: %s",
                       coordinator_failure(world->coordinator)->what);
        return text;
    }
    ledger_finish(world->ledger);
    return ledger_violation(world->ledger);
}

void world_count(const struct world *world, struct world_counts *counts)
{
    const struct world_counts *own = &world->counts;

    counts->steps += own->steps;
    counts->crashes += own->crashes;
    counts->hangs += own->hangs;
    counts->zombies += own->zombies;
    counts->cuts += own->cuts;
    counts->breaks += own->breaks;
    counts->stalls += own->stalls;
    counts->coordinator_crashes += own->coordinator_crashes;
    counts->manifest_failures += own->manifest_failures;
    counts->write_failures += world->shared.figures.write_failures;
    counts->attempts += own->attempts;
    counts->restores += own->restores;
    counts->checkpoints += ledger_checkpoints(world->ledger);
    counts->aborts += own->aborts;
    counts->late_completes += own->late_completes;
    counts->chaos += own->chaos;
    counts->spilled += world->shared.figures.spilled_bytes > 0;
}

uint64_t world_trace(const struct world *world)
{
    return world->trace;
}

const char *world_text(const struct world *world)
{
    return world->text;
}
