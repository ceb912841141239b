/* See input.h. */
#include "runtime/task/input.h"

#include "runtime/base/check.h"

#define TAKE_MAX 64 /* elements without rows that are taken in one step */

struct lane { /* one channel */
    struct channel *channel;
    uint32_t port;
    int64_t watermark_ms;
    uint64_t barrier; /* not 0: waits there */
};

struct input {
    uint32_t count, next;
    struct lane *lanes;
    int64_t watermark_ms; /* the minimum, and not below what was restored */
};

static uint32_t list_lanes(struct subtask *subtask, struct lane *lanes)
{
    const struct plan *plan = subtask->plan;
    uint32_t head = subtask->chain->ops[0], count = 0;

    for (uint32_t e = 0; e < plan->edge_count; e++) {
        const struct plan_edge *edge = &plan->edges[e];

        if (edge->to != head)
            continue;
        for (uint32_t from = 0; from < plan->ops[edge->from].parallelism; from++) {
            struct channel *channel =
                subtask->host->edge_channel(subtask->host, e, from, subtask->number);

            if (channel && lanes)
                lanes[count] = (struct lane){channel, edge->to_port, INT64_MIN, 0};
            count += channel != NULL;
        }
    }
    return count;
}

struct input *input_open(struct subtask *subtask)
{
    struct input *input = memory_new(sizeof(*input));

    input->count = list_lanes(subtask, NULL);
    CHECK(input->count > 0);
    input->lanes = memory_array(input->count, sizeof(*input->lanes));
    list_lanes(subtask, input->lanes);
    input->watermark_ms = INT64_MIN;
    return input;
}

void input_close(struct input *input)
{
    if (!input)
        return;
    memory_free(input->lanes);
    memory_free(input);
}

int64_t input_watermark(const struct input *input)
{
    return input->watermark_ms;
}

void input_restored(struct input *input, int64_t watermark_ms)
{
    input->watermark_ms = watermark_ms;
}

bool input_aligned(const struct input *input)
{
    for (uint32_t i = 0; i < input->count; i++)
        if (input->lanes[i].barrier == 0)
            return false;
    return true;
}

void input_unblock(struct input *input, uint64_t passed)
{
    for (uint32_t i = 0; i < input->count; i++)
        if (input->lanes[i].barrier <= passed)
            input->lanes[i].barrier = 0;
}

/* ---- elements ---- */
static void take_watermark(struct subtask *subtask, struct lane *lane, int64_t time_ms)
{
    struct input *input = subtask->input;
    int64_t lowest = INT64_MAX;
    struct item *item;

    if (time_ms > lane->watermark_ms)
        lane->watermark_ms = time_ms;
    for (uint32_t i = 0; i < input->count; i++)
        if (input->lanes[i].watermark_ms < lowest)
            lowest = input->lanes[i].watermark_ms;
    if (lowest <= input->watermark_ms)
        return;
    input->watermark_ms = lowest;
    if (subtask->gate)
        return; /* it sends its own */
    item = items_push(&subtask_head(subtask)->items);
    item->kind = ITEM_WATERMARK;
    item->time_ms = lowest;
}

static void take_barrier(struct subtask *subtask, struct lane *lane, const struct element *element)
{
    struct barrier *barrier = &subtask->barrier;

    if (element->checkpoint <= barrier->ignored || element->checkpoint < barrier->checkpoint)
        return; /* of a checkpoint that was given up */
    if (element->checkpoint > barrier->checkpoint) {
        /* Channels that waited at an older one go on: it will never be complete. */
        input_unblock(subtask->input, barrier->checkpoint);
        barrier->checkpoint = element->checkpoint;
        barrier->final = element->final ? BARRIER_ENDS : BARRIER_PASSES;
    }
    lane->barrier = element->checkpoint;
}

/* False: it was a batch. */
static bool take(struct subtask *subtask, uint32_t at, struct element *element)
{
    struct lane *lane = &subtask->input->lanes[at];

    switch (element->kind) {
    case ELEMENT_BATCH:
        subtask_take_batch(subtask, lane->port, at, element->batch);
        return false;
    case ELEMENT_WATERMARK:
        take_watermark(subtask, lane, element->time_ms);
        return true;
    case ELEMENT_BARRIER:
        take_barrier(subtask, lane, element);
        return true;
    }
    return true;
}

static struct lane *next_lane(struct subtask *subtask)
{
    struct input *input = subtask->input;

    if (subtask->host->chaos)
        input->next = (uint32_t)random_below(&subtask->random, input->count);
    for (uint32_t i = 0; i < input->count; i++) {
        uint32_t at = (input->next + i) % input->count;

        if (input->lanes[at].barrier == 0 && !channel_empty(input->lanes[at].channel)) {
            input->next = (at + 1) % input->count;
            return &input->lanes[at];
        }
    }
    return NULL;
}

enum progress input_step(struct subtask *subtask)
{
    enum progress progress = PROGRESS_NONE;

    for (int i = 0; i < TAKE_MAX; i++) {
        struct lane *lane = next_lane(subtask);
        struct element element;

        if (!lane || !channel_take(lane->channel, &element))
            return progress;
        progress = PROGRESS_DONE;
        if (!take(subtask, (uint32_t)(lane - subtask->input->lanes), &element))
            return progress;
    }
    return progress;
}
