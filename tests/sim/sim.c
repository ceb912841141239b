/* sim: the coordinator and the tasklets of three workers in one thread under virtual time, from a
 * seed: messages are delayed and overtake each other between connections, connections break,
 * workers crash or hang and wake up late, files are written late, the disk refuses.
 *
 * Invariants: the lines committed by the sinks are exactly those of an undisturbed computation;
 * nothing is committed before its manifest is durable; the job ends.
 *
 *   sim [--seeds N] [--seed S] [--expect-violation]
 *
 * A failing seed is printed and replays exactly: sim --seed S. */
#include "tests/sim/process.h"
#include "tests/sim/world.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/coordinator/coordinator.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS 3u
#define STEPS_MAX 400000 /* a job that does not end by then hangs */
#define MESSAGES_MAX 4096u

static const char job_text[] =
    "job: {name: sim, parallelism: 3}\n"
    "checkpoint: {interval: 60ms, timeout: 3s, retain: 3}\n"
    "restart: {strategy: fixed-delay, max-attempts: 1000, delay: 20ms}\n"
    "heartbeat: {interval: 50ms, timeout: 400ms}\n"
    "network: {channel-bytes: 64kb}\n"
    "operators:\n"
    "  - {id: events, kind: sim/source}\n"
    "  - {id: count, kind: sim/count, from: events, key: key}\n"
    "  - {id: window, kind: sim/window, from: events, key: key}\n"
    "  - {id: lookup, kind: sim/lookup, from: count, tables: {sums: window}}\n"
    "  - {id: out, kind: sim/sink, from: lookup}\n";

/* One thing that will happen. */
struct message {
    enum { TO_PROCESS, FROM_PROCESS, JOIN, LOST, MANIFEST, RECOVER } kind;
    int64_t due_ms;
    uint64_t order; /* among equal times */
    uint32_t process, attempt;
    struct action action; /* TO_PROCESS */
    struct report report; /* FROM_PROCESS */
    bool deployed;        /* FROM_PROCESS: it is MESSAGE_DEPLOYED */
    uint64_t checkpoint;  /* MANIFEST */
};

struct world {
    uint64_t seed;
    struct random random;
    int64_t now_ms;
    uint64_t order;
    struct plan *plan;
    struct coordinator *coordinator;
    struct checkpoint_store *store;
    char dir[64], work_dir[128];
    uint32_t epoch;
    uint32_t process_count;
    struct process *processes[1024];
    uint32_t seats[WORKERS]; /* the process that has a seat */
    int64_t channel_due[WORKERS][WORKERS];
    uint32_t message_count;
    struct message messages[MESSAGES_MAX];
    struct sim_ledger ledger;
    struct arena *arena;
    struct manifest *manifest; /* of the present attempt's restore; NULL: none */
    uint32_t crashes, hangs, breaks;
    bool finished;
};

static bool chance(struct world *world, uint32_t one_in)
{
    return random_below(&world->random, one_in) == 0;
}

static struct message *post(struct world *world, int kind, int64_t delay_max_ms)
{
    struct message *message;

    CHECK(world->message_count < MESSAGES_MAX);
    message = &world->messages[world->message_count++];
    memset(message, 0, sizeof(*message));
    message->kind = kind;
    message->due_ms =
        world->now_ms + 1 + (int64_t)random_below(&world->random, (uint64_t)delay_max_ms);
    message->order = world->order++;
    return message;
}

/* Control messages between one process and the coordinator keep their order, as on a socket. */
static void keep_order(struct world *world, struct message *message)
{
    for (uint32_t i = 0; i < world->message_count; i++) {
        const struct message *other = &world->messages[i];

        if (other != message && other->kind == message->kind &&
            other->process == message->process && other->due_ms > message->due_ms)
            message->due_ms = other->due_ms;
    }
}

/* ---- reports of processes ---- */
void process_reports(struct process *process, struct report *report)
{
    struct world *world = process->owner;
    struct message *message = post(world, FROM_PROCESS, 15);

    message->process = process->number;
    message->attempt = process->attempt;
    message->report = *report;
    *report = (struct report){0};
    keep_order(world, message);
}

static void tell_deployed(struct world *world, struct process *process)
{
    struct message *message = post(world, FROM_PROCESS, 15);

    message->process = process->number;
    message->attempt = process->attempt;
    message->deployed = true;
    keep_order(world, message);
}

static void tell_lost(struct world *world, uint32_t process)
{
    post(world, LOST, 30)->process = process;
}

/* ---- actions of the coordinator ---- */
static void do_spawn(struct world *world, uint32_t seat)
{
    uint32_t number = world->process_count++;

    CHECK(number < sizeof(world->processes) / sizeof(world->processes[0]));
    world->processes[number] = process_create(number, seat, world, &world->random);
    world->seats[seat] = number;
    post(world, JOIN, 20)->process = number;
}

static void send_all(struct world *world, const struct action *action)
{
    for (uint32_t seat = 0; seat < WORKERS; seat++) {
        struct message *message = post(world, TO_PROCESS, 15);

        message->process = world->seats[seat];
        message->action = *action;
        keep_order(world, message);
    }
}

static void find_restore(struct world *world)
{
    struct manifest_skipped skipped;
    struct error err = {0};

    world->manifest = NULL;
    CHECK(manifest_latest(world->store, "sim", world->arena, &world->manifest, &skipped, &err));
}

static void do_deploy(struct world *world, const struct action *action)
{
    if (action->checkpoint > 0)
        find_restore(world);
    else
        world->manifest = NULL;
    memset(world->channel_due, 0, sizeof(world->channel_due));
    send_all(world, action);
}

static void write_manifest(struct world *world, uint64_t checkpoint)
{
    struct arena *arena = arena_create(1u << 16);
    struct manifest manifest = {
        .job_id = "sim",
        .job_name = "sim",
        .kernel = "",
        .checkpoint = checkpoint,
        .epoch = world->epoch,
        .attempt = coordinator_attempt(world->coordinator),
    };
    const struct subtask_snapshot *snapshots;
    struct error err = {0};
    uint32_t count;
    bool written = false;

    snapshots = coordinator_snapshots(world->coordinator, &count);
    restore_manifest(world->plan, snapshots, count, arena, &manifest);
    if (chance(world, 40))
        error_set(&err, ERROR_IO, "disk", NULL, "no space left");
    else
        written = manifest_write(world->store, &manifest, &err);
    if (written)
        world->ledger.durable = checkpoint;
    if (written && chance(world, 4))
        CHECK(manifest_retain(world->store, "sim", 3, NULL, &err));
    arena_close(arena);
    coordinator_manifest(world->coordinator, checkpoint, written, &err, world->now_ms);
}

static void carry_out(struct world *world, const struct action *action)
{
    switch (action->kind) {
    case ACTION_SPAWN:
        do_spawn(world, action->worker);
        break;
    case ACTION_EXPEL:
        break; /* the process learns of it late, or never: see LOST */
    case ACTION_DEPLOY:
        do_deploy(world, action);
        break;
    case ACTION_MANIFEST:
        post(world, MANIFEST, 25)->checkpoint = action->checkpoint;
        break;
    case ACTION_START:
    case ACTION_LEAVE:
    case ACTION_TRIGGER:
    case ACTION_COMPLETE:
    case ACTION_ABORT:
        send_all(world, action);
        break;
    case ACTION_FINISH:
        world->finished = true;
        break;
    }
}

/* ---- messages come due ---- */
static bool seated(const struct world *world, uint32_t number)
{
    return world->seats[world->processes[number]->seat] == number;
}

static void to_process(struct world *world, const struct message *message)
{
    struct process *process = world->processes[message->process];

    if (process->state == PROCESS_DEAD)
        return;
    if (message->action.kind == ACTION_DEPLOY) {
        if (process_deploy(process, world->plan, message->action.attempt, world->manifest,
                           world->work_dir))
            tell_deployed(world, process);
    } else {
        process_obey(process, &message->action);
    }
}

static void from_process(struct world *world, struct message *message)
{
    uint32_t seat = world->processes[message->process]->seat;

    if (!seated(world, message->process)) {
        subtask_snapshot_clear(&message->report.snapshot); /* its socket is closed */
        return;
    }
    if (message->deployed)
        coordinator_deployed(world->coordinator, seat, message->attempt, world->now_ms);
    else
        coordinator_report(world->coordinator, seat, message->attempt, &message->report,
                           world->now_ms);
}

static void deliver(struct world *world, struct message *message)
{
    struct process *process = world->processes[message->process];

    switch (message->kind) {
    case TO_PROCESS:
        to_process(world, message);
        break;
    case FROM_PROCESS:
        from_process(world, message);
        break;
    case JOIN:
        if (seated(world, message->process) && process->state == PROCESS_ALIVE) {
            process->joined = true;
            coordinator_joined(world->coordinator, process->seat, world->now_ms);
        }
        break;
    case LOST:
        if (seated(world, message->process))
            coordinator_lost(world->coordinator, process->seat, "crashed", world->now_ms);
        break;
    case MANIFEST:
        write_manifest(world, message->checkpoint);
        break;
    case RECOVER:
        if (process->state == PROCESS_HUNG)
            process->state = PROCESS_ALIVE;
        break;
    }
}

static void deliver_due(struct world *world)
{
    for (;;) {
        struct message *first = NULL, copy;

        for (uint32_t i = 0; i < world->message_count; i++) {
            struct message *message = &world->messages[i];

            if (message->due_ms <= world->now_ms &&
                (!first || message->due_ms < first->due_ms ||
                 (message->due_ms == first->due_ms && message->order < first->order)))
                first = message;
        }
        if (!first)
            return;
        copy = *first;
        *first = world->messages[--world->message_count];
        if (copy.kind == TO_PROCESS && world->processes[copy.process]->state == PROCESS_HUNG) {
            struct message *later = &world->messages[world->message_count++];

            *later = copy; /* waits in its socket */
            later->due_ms = world->now_ms + 5;
            continue;
        }
        deliver(world, &copy);
    }
}

/* ---- faults ---- */
static void crash(struct world *world, struct process *process)
{
    world->crashes++;
    process_kill(process);
    tell_lost(world, process->number);
}

static void hang(struct world *world, struct process *process)
{
    struct message *message = post(world, RECOVER, 1500);

    world->hangs++;
    message->process = process->number;
    process->state = PROCESS_HUNG;
}

/* A broken connection between two workers: both report it, what was under way is gone. */
static void break_connection(struct world *world, struct process *process)
{
    struct report report = {.kind = REPORT_FAILED};

    world->breaks++;
    error_set(&report.error, ERROR_NETWORK, "data connection", NULL, "broken");
    process_cut(process);
    process_reports(process, &report);
}

static void faults(struct world *world)
{
    struct process *process = world->processes[world->seats[random_below(&world->random, WORKERS)]];

    if (!process->joined || process->state != PROCESS_ALIVE)
        return;
    if (chance(world, 1500))
        crash(world, process);
    else if (chance(world, 2500))
        hang(world, process);
    else if (process->running && chance(world, 2500))
        break_connection(world, process);
}

/* ---- data between processes ---- */
static void move_data(struct world *world)
{
    for (uint32_t from = 0; from < WORKERS; from++)
        for (uint32_t to = 0; to < WORKERS; to++) {
            struct process *sender = world->processes[world->seats[from]];
            struct process *receiver = world->processes[world->seats[to]];

            if (from == to || !process_linked(sender, receiver) || chance(world, 3))
                continue;
            process_move(sender, receiver);
        }
}

/* ---- the expected result ---- */
struct expected_row {
    struct sim_event event;
    uint64_t origin;
};

static int expected_compare(const void *a, const void *b)
{
    const struct expected_row *x = a, *y = b;

    if (x->event.time_ms != y->event.time_ms)
        return x->event.time_ms < y->event.time_ms ? -1 : 1;
    return (x->origin > y->origin) - (x->origin < y->origin);
}

static int64_t window_sum(const struct expected_row *rows, uint32_t count, int64_t key, int64_t end)
{
    int64_t sum = 0;
    bool any = false;

    for (uint32_t i = 0; i < count; i++)
        if (rows[i].event.key == key && rows[i].event.time_ms < end &&
            rows[i].event.time_ms >= end - SIM_WINDOW_MS) {
            sum += rows[i].event.value;
            any = true;
        }
    return any ? sum : -1;
}

static char *line_text(const struct expected_row *rows, uint32_t count, uint32_t at)
{
    const struct sim_event *event = &rows[at].event;
    int64_t number = 0, sum = 0, end = event->time_ms / SIM_WINDOW_MS * SIM_WINDOW_MS;

    for (uint32_t i = 0; i <= at; i++)
        if (rows[i].event.key == event->key) {
            number++;
            sum += rows[i].event.value;
        }
    return memory_format("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, event->key,
                         number, sum, event->time_ms, window_sum(rows, count, event->key, end));
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t expected_lines(uint64_t seed, char **lines)
{
    static struct expected_row rows[SIM_SPLITS * SIM_ROWS];
    uint32_t count = 0;

    for (uint32_t split = 0; split < SIM_SPLITS; split++) {
        int64_t newest = INT64_MIN;

        for (uint32_t row = 0; row < SIM_ROWS; row++) {
            struct sim_event event = sim_event(seed, split, row);

            if (newest != INT64_MIN && event.time_ms <= newest - SIM_DISORDER_MS - 1)
                continue; /* late */
            if (event.time_ms > newest)
                newest = event.time_ms;
            rows[count++] = (struct expected_row){event, origin_make(split, row)};
        }
    }
    qsort(rows, count, sizeof(rows[0]), expected_compare);
    for (uint32_t i = 0; i < count; i++)
        lines[i] = line_text(rows, count, i);
    qsort(lines, count, sizeof(lines[0]), text_compare);
    return count;
}

static uint32_t committed_lines(const struct sim_ledger *ledger, char **lines, uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t b = 0; b < ledger->count; b++) {
        char *text = ledger->bundles[b].lines, *rest = NULL;

        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            if (count == max)
                return max + 1;
            lines[count++] = line;
        }
    }
    qsort(lines, count, sizeof(lines[0]), text_compare);
    return count;
}

static void check_result(struct world *world, char *violation, size_t size)
{
    char *expected[SIM_SPLITS * SIM_ROWS], *got[SIM_SPLITS * SIM_ROWS * 4];
    uint32_t want = expected_lines(world->seed, expected);
    uint32_t have = committed_lines(&world->ledger, got, SIM_SPLITS * SIM_ROWS * 4);

    for (uint32_t i = 0; i < want && !violation[0]; i++)
        if (i >= have || strcmp(expected[i], got[i]) != 0)
            (void)snprintf(violation, size,
                           "exactly once: expected line \"%s\", the sinks committed \"%s\" "
                           "(%u lines expected, %u committed)",
                           expected[i], i < have ? got[i] : "", want, have);
    if (!violation[0] && have != want)
        (void)snprintf(violation, size, "exactly once: %u lines expected, %u committed", want,
                       have);
    for (uint32_t i = 0; i < want; i++)
        memory_free(expected[i]);
}

/* ---- life ---- */
static struct plan *make_plan(void)
{
    struct plan_request request = {
        .path = "sim.yaml", .text = job_text, .split_mode = PLAN_SPLITS_MAKE};
    struct error_list errors = {0};
    struct plan *plan = plan_create(&request, &errors);
    char text[ERROR_TEXT_MAX];

    for (uint32_t i = 0; i < errors.count; i++)
        (void)fprintf(stderr, "%s\n", error_text(&errors.errors[i], text, sizeof(text)));
    CHECK(plan);
    return plan;
}

static void world_open(struct world *world, uint64_t seed)
{
    struct error err = {0};

    memset(world, 0, sizeof(*world));
    world->seed = sim_seed = seed;
    world->random.state = seed * 0x9e3779b97f4a7c15u;
    world->now_ms = 1;
    world->arena = arena_create(1u << 16);
    sim_ledger = &world->ledger;
    (void)snprintf(world->dir, sizeof(world->dir), "%s/millrace-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(world->dir));
    world->store = checkpoint_store_dir(world->dir, &err);
    CHECK(world->store && manifest_epoch_next(world->store, "sim", &world->epoch, &err));
    (void)snprintf(world->work_dir, sizeof(world->work_dir), "%s/sim", world->dir);
    CHECK(mkdir(world->work_dir, 0777) == 0);
    (void)snprintf(world->work_dir, sizeof(world->work_dir), "%s/sim/shared", world->dir);
    CHECK(mkdir(world->work_dir, 0777) == 0);
    world->plan = make_plan();
    world->coordinator =
        coordinator_create(&(struct coordinator_config){.plan = world->plan,
                                                        .workers = WORKERS,
                                                        .first_attempt = 1,
                                                        .sim_bug = PROCESS_SIM_BUG},
                           world->now_ms);
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void world_close(struct world *world)
{
    for (uint32_t i = 0; i < world->process_count; i++)
        process_close(world->processes[i]);
    for (uint32_t i = 0; i < world->message_count; i++)
        subtask_snapshot_clear(&world->messages[i].report.snapshot);
    coordinator_close(world->coordinator);
    plan_close(world->plan);
    checkpoint_store_close(world->store);
    for (uint32_t i = 0; i < world->ledger.count; i++)
        memory_free(world->ledger.bundles[i].lines);
    memory_free(world->ledger.bundles);
    arena_close(world->arena);
    (void)nftw(world->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void heartbeats(struct world *world)
{
    for (uint32_t seat = 0; seat < WORKERS; seat++) {
        struct process *process = world->processes[world->seats[seat]];

        if (process->joined && process->state == PROCESS_ALIVE)
            coordinator_heartbeat(world->coordinator, seat, world->now_ms);
    }
}

static void world_step(struct world *world, bool calm)
{
    struct action action;

    deliver_due(world);
    for (uint32_t i = 0; i < world->process_count; i++)
        if (world->processes[i]->state == PROCESS_ALIVE && !chance(world, 4))
            process_step(world->processes[i]);
    move_data(world);
    if (!calm)
        faults(world);
    heartbeats(world);
    coordinator_tick(world->coordinator, world->now_ms);
    while (coordinator_action(world->coordinator, &action))
        carry_out(world, &action);
    world->now_ms += 1 + (int64_t)random_below(&world->random, 3);
}

/* Runs one seed; the violation is empty when all invariants held. */
static void run_seed(uint64_t seed, char *violation, size_t size, bool verbose)
{
    static struct world world;
    uint32_t step;

    violation[0] = '\0';
    world_open(&world, seed);
    for (step = 0; step < STEPS_MAX && !world.finished && !world.ledger.violation[0]; step++)
        world_step(&world, step > STEPS_MAX / 2);
    if (world.ledger.violation[0])
        (void)snprintf(violation, size, "%s", world.ledger.violation);
    else if (!world.finished)
        (void)snprintf(violation, size, "the job ends: it has not after %u steps, attempt %u", step,
                       coordinator_attempt(world.coordinator));
    else if (coordinator_state(world.coordinator) != COORDINATOR_DONE)
        (void)snprintf(violation, size, "the job succeeds: %s",
                       coordinator_failure(world.coordinator)->what);
    else
        check_result(&world, violation, size);
    if (verbose)
        (void)printf("seed %" PRIu64 ": %u steps, %u attempts, %u crashes, %u hangs, %u breaks\n",
                     seed, step, coordinator_attempt(world.coordinator), world.crashes, world.hangs,
                     world.breaks);
    world_close(&world);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 500;
    bool expect = false;
    char violation[512];

    log_set_level(LOG_ERROR);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10), count = 1;
        else if (strcmp(argv[i], "--expect-violation") == 0)
            expect = true;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        run_seed(seed, violation, sizeof(violation), count == 1);
        if (!violation[0])
            continue;
        (void)printf("seed %" PRIu64 " violates: %s\n", seed, violation);
        return expect ? 0 : 1;
    }
    (void)printf("%" PRIu64 " seeds, no violation\n", count);
    return expect ? 1 : 0;
}
