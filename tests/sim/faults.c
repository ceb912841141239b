/* What goes wrong: one in so many steps, by the rates that the seed drew, until so many have been. See
 * world_parts.h. */
#include "tests/sim/world_parts.h"

#include <stddef.h>

#define TENSE 8u /* so much more goes wrong where it matters most */

void faults_draw(struct world *world)
{
    uint32_t *kinds[] = {&world->faults.crash,       &world->faults.hang,    &world->faults.cut,
                         &world->faults.break_link,  &world->faults.stall,   &world->faults.stop,
                         &world->faults.coordinator, &world->faults.manifest};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        *kinds[i] = chance(world, 2) ? 40 + draw(world, 400) : 0;
    if (world->faults.manifest)
        world->faults.manifest = 2 + draw(world, 8);
    world->shared.writes_fail = chance(world, 2);
    world->faults.left = draw(world, 16);
    world->retain = 1 + draw(world, 3);
    world->write_ms = chance(world, 3) ? 200 : 25;
    world->message_ms = chance(world, 4) ? 150 : 15;
    world->calm_ms = 1000 + draw(world, 5000);
    world->hasty = chance(world, 5);
    world->slow = chance(world, 4);
}

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
    return (uint32_t)office_plan(world)->settings.checkpoint.timeout_ms;
}

static void stall(struct world *world, struct process *process)
{
    world->counts.stalls++;
    say(world, "the disk of process %u stalls", process->number);
    process->stalled = true;
    post(world, MESSAGE_HEAL, 3 * timeout_ms(world))->process = process->number;
}

/* Nothing that was on its way to it, or in its pool, arrives; its workers see closed sockets. Or it
 * is stopped, and its pool writes when it has a successor. */
static void crash_coordinator(struct world *world)
{
    bool lives = messages_writing(world) ? !chance(world, 4) : chance(world, 2);

    world->counts.coordinator_crashes++;
    say(world, lives ? "the coordinator stops" : "the coordinator crashes");
    office_close(world, lives);
    office_open(world);
}

/* Ctrl-C; a second one would give the job up. */
static void stop(struct world *world)
{
    struct coordinator_figures figures;

    coordinator_figures(world->coordinator, &figures);
    if (figures.stopped)
        return;
    world->counts.stops++;
    say(world, "the job is stopped");
    coordinator_stop(world->coordinator, world->now_ms);
    office_act(world);
}

static bool strike(struct world *world, struct process *process)
{
    struct faults faults_now = world->faults;
    const struct faults *faults = &faults_now;
    uint32_t *kinds[] = {&faults_now.crash, &faults_now.hang, &faults_now.cut,
                         &faults_now.break_link, &faults_now.stall};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && messages_tense(world); i++)
        *kinds[i] = (*kinds[i] + TENSE - 1) / TENSE;
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

/* More often while a manifest is being written. */
static uint32_t coordinator_odds(const struct world *world)
{
    uint32_t odds = world->faults.coordinator * 4;

    return messages_writing(world) ? odds / 32 + 1 : odds;
}

void faults_strike(struct world *world)
{
    struct process *process = in_seat(world, draw(world, WORKERS));

    if (world->faults.left == 0 || world->now_ms >= world->calm_ms) {
        world->shared.writes_fail = false;
        world->faults.left = 0;
        if (world->hasty) { /* goes on with more patience */
            world->hasty = false;
            crash_coordinator(world);
        }
        return;
    }
    if (world->faults.coordinator && chance(world, coordinator_odds(world))) {
        world->faults.left--;
        crash_coordinator(world);
    } else if (world->faults.stop && chance(world, world->faults.stop * 4)) {
        world->faults.left--;
        stop(world);
    } else if (process && process->state == PROCESS_ALIVE && !process->stalled &&
               strike(world, process)) {
        world->faults.left--;
    }
}
