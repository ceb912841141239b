/* The life of a world and its steps. See world_parts.h. */
#include "tests/sim/world_parts.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS_MAX 120000u /* a job that has not ended by then hangs */

uint32_t draw(struct world *world, uint32_t below)
{
    return (uint32_t)random_below(&world->random, below);
}

bool chance(struct world *world, uint32_t one_in)
{
    return one_in > 0 && draw(world, one_in) == 0;
}

void trace(struct world *world, uint64_t value)
{
    world->trace = hash_draw(world->trace, value);
}

void say(const struct world *world, const char *format, ...)
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

struct process *in_seat(const struct world *world, uint32_t seat)
{
    return world->seats[seat] == NOBODY ? NULL : world->processes[world->seats[seat]];
}

/* ---- life ---- */
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
    faults_draw(world);
    office_open(world);
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
    messages_close(world);
    coordinator_close(world->coordinator);
    for (uint32_t i = 0; i < world->plan_count; i++)
        plan_close(world->plans[i]);
    checkpoint_store_close(world->store);
    ledger_close(world->ledger);
    arena_close(world->arena);
    memory_free(world->processes);
    (void)nftw(world->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    memory_free(world);
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
    messages_deliver(world);
    for (uint32_t i = 0; i < world->process_count && !world->finished; i++)
        if (world->processes[i]->state == PROCESS_ALIVE &&
            draw(world, world->processes[i]->pace) == 0)
            process_step(world->processes[i]);
    move_data(world);
    if (world->finished && office_stopped(world)) {
        say(world, "the job was stopped and goes on from its last checkpoint");
        office_close(world, false);
        world->finished = false;
        office_open(world);
    }
    if (!world->finished) {
        faults_strike(world);
        heartbeats(world);
        coordinator_tick(world->coordinator, world->now_ms);
        office_act(world);
    }
    world->now_ms += 1 + draw(world, 3);
    trace(world, world->random.state);
    return !world->finished && !ledger_violation(world->ledger)[0] &&
           ++world->counts.steps < STEPS_MAX;
}

/* ---- what came of it ---- */
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
    counts->stops += own->stops;
    counts->manifest_failures += own->manifest_failures;
    counts->write_failures += world->shared.figures.write_failures;
    counts->attempts += own->attempts;
    counts->restores += own->restores;
    counts->checkpoints += ledger_checkpoints(world->ledger);
    counts->aborts += own->aborts;
    counts->overtaken += own->overtaken;
    counts->late_completes += own->late_completes;
    counts->chaos += own->chaos;
    counts->backpressured += world->shared.figures.backpressured_ns > 0;
    counts->spilled += world->shared.figures.spilled_bytes > 0;
}

uint64_t world_trace(const struct world *world)
{
    return world->trace;
}
