/* Messages between the processes, and what the coordinator's pool is at. See world_parts.h. */
#include "tests/sim/world_parts.h"

#include <inttypes.h>
#include <string.h>

struct message *post(struct world *world, enum message_kind kind, uint32_t delay_max_ms)
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
struct message *post_in_order(struct world *world, enum message_kind kind,
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

bool messages_writing(const struct world *world)
{
    for (uint32_t i = 0; i < world->message_count; i++)
        if ((world->messages[i]->kind == MESSAGE_WRITE ||
             world->messages[i]->kind == MESSAGE_WRITTEN) &&
            world->messages[i]->epoch == world->epoch)
            return true;
    return false;
}

bool messages_tense(const struct world *world)
{
    for (uint32_t i = 0; i < world->message_count; i++)
        if (world->messages[i]->kind == MESSAGE_WRITTEN ||
            (world->messages[i]->kind == MESSAGE_REPORTED &&
             world->messages[i]->report.kind != REPORT_SNAPSHOT))
            return true;
    return false;
}

void messages_forget_coordinator(struct world *world, bool lives)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < world->message_count; i++) {
        struct message *message = world->messages[i];

        if (to_process(message) || message->kind == MESSAGE_WAKE || message->kind == MESSAGE_HEAL ||
            (lives && message->kind == MESSAGE_WRITE))
            world->messages[kept++] = message;
        else
            message_free(message);
    }
    world->message_count = kept;
}

void messages_close(struct world *world)
{
    for (uint32_t i = 0; i < world->message_count; i++)
        message_free(world->messages[i]);
    memory_free(world->messages);
}

void process_reports(struct process *process, struct report *report)
{
    struct world *world = process->shared->owner;

    post_in_order(world, MESSAGE_REPORTED, process, world->message_ms)->report = *report;
    *report = (struct report){0};
}

/* ---- they come due ---- */
static void tell(struct world *world, const struct message *message)
{
    struct process *process = world->processes[message->process];

    if (message->action.kind == ACTION_COMPLETE && process->expelled)
        world->counts.late_completes++;
    if (message->action.kind != ACTION_DEPLOY)
        process_obey(process, &message->action);
    else if (process_deploy(process, message->plan, message->action.attempt, message->from))
        post_in_order(world, MESSAGE_DEPLOYED_ALL, process, world->message_ms);
}

static bool seated(const struct world *world, uint32_t number)
{
    return world->seats[world->processes[number]->seat] == number;
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
        office_write(world, message);
        break;
    case MESSAGE_WRITTEN:
        coordinator_manifest(world->coordinator, message->checkpoint, message->good,
                             &message->report.error, world->now_ms);
        break;
    case MESSAGE_FIND:
        office_find(world, message);
        break;
    case MESSAGE_FOUND:
        office_deploy(world, message);
        break;
    case MESSAGE_WAKE:
        if (world->processes[message->process]->state == PROCESS_HUNG)
            world->processes[message->process]->state = PROCESS_ALIVE;
        break;
    case MESSAGE_HEAL:
        world->processes[message->process]->stalled = false;
        break;
    }
    office_act(world);
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

void messages_deliver(struct world *world)
{
    struct message *message;

    while (!world->finished && (message = next_message(world))) {
        if (!to_process(message) || world->processes[message->process]->state != PROCESS_DEAD)
            deliver(world, message);
        message_free(message);
    }
}
