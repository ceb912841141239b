/* fuse: see fuse.h. */
#include "operators/score/fuse.h"

#include "runtime/base/check.h"

#include <math.h>
#include <string.h>

/* A power of two, at most half full with own items, candidates and items without a row. */
static uint32_t slot_count(uint32_t limit)
{
    uint32_t count = 1024;

    while (count < 2 * (FUSE_OWN_MAX + 2 * limit))
        count *= 2;
    return count;
}

size_t fuse_slots_size(uint32_t limit)
{
    return slot_count(limit) * sizeof(struct fuse_slot);
}

size_t fuse_candidates_size(uint32_t limit)
{
    return limit * sizeof(struct candidate);
}

void fuse_init(struct fuse *fuse, uint32_t limit, void *slots, void *candidates)
{
    CHECK(limit > 0 && limit <= FUSE_CANDIDATES_MAX);
    *fuse = (struct fuse){.limit = limit, .mask = slot_count(limit) - 1};
    fuse->slots = slots;
    fuse->candidates = candidates;
    fuse->item_decay[0] = 1;
    for (uint32_t i = 1; i < FUSE_RECENT_MAX; i++)
        fuse->item_decay[i] = fuse->item_decay[i - 1] * 0.9;
    fuse->sequence_decay[0] = 1;
    for (uint32_t i = 1; i <= FUSE_DISTANCE_MAX; i++)
        fuse->sequence_decay[i] = fuse->sequence_decay[i - 1] * 0.7;
}

void fuse_begin(struct fuse *fuse, const uint64_t *own, uint32_t own_count)
{
    bool fresh;

    CHECK(own_count <= FUSE_OWN_MAX);
    if (++fuse->request == 0) { /* after 2^32 requests old slots would seem to hold again */
        memset(fuse->slots, 0, (fuse->mask + 1ul) * sizeof(*fuse->slots));
        fuse->request = 1;
    }
    fuse->count = fuse->used = 0;
    for (uint32_t i = 0; i < own_count; i++) {
        fuse_find(fuse, own[i], &fresh);
        fuse->used = 0; /* own items have their own room */
    }
}

struct fuse_slot *fuse_find(struct fuse *fuse, uint64_t id, bool *fresh)
{
    uint64_t at = id & fuse->mask;

    *fresh = false;
    for (; fuse->slots[at].request == fuse->request; at = (at + 1) & fuse->mask)
        if (fuse->slots[at].id == id)
            return &fuse->slots[at];
    if (fuse->used == 2 * fuse->limit)
        return NULL;
    fuse->used++;
    fuse->slots[at] = (struct fuse_slot){id, fuse->request, FUSE_NONE};
    *fresh = true;
    return &fuse->slots[at];
}

struct candidate *fuse_offer(struct fuse *fuse, struct fuse_slot *slot)
{
    struct candidate *candidate;

    CHECK(slot->place == FUSE_NONE);
    if (fuse->count == fuse->limit)
        return NULL;
    slot->place = fuse->count++;
    candidate = &fuse->candidates[slot->place];
    *candidate = (struct candidate){.id = slot->id};
    return candidate;
}

/* ---- rank ---- */

static double tempered(double weight, double value, double most)
{
    return weight * sqrt(value / most);
}

static void score_all(struct fuse *fuse, const struct fuse_weights *weights)
{
    double item = 0, forward = 0, backward = 0, popular = 0;

    for (uint32_t i = 0; i < fuse->count; i++) {
        const struct candidate *candidate = &fuse->candidates[i];
        item = candidate->item > item ? candidate->item : item;
        forward = candidate->forward > forward ? candidate->forward : forward;
        backward = candidate->backward > backward ? candidate->backward : backward;
        popular = candidate->popular > popular ? candidate->popular : popular;
    }
    for (uint32_t i = 0; i < fuse->count; i++) {
        struct candidate *candidate = &fuse->candidates[i];
        double score = 0;
        if (item > 0)
            score += tempered(weights->item, candidate->item, item);
        if (forward > 0)
            score += tempered(weights->forward, candidate->forward, forward);
        if (backward > 0)
            score += tempered(weights->backward, candidate->backward, backward);
        if (popular > 0)
            score += tempered(weights->popular, candidate->popular, popular);
        candidate->score = score;
    }
}

/* Whether a stands before b. */
static bool before(const struct candidate *a, const struct candidate *b)
{
    struct key x, y;
    int order;

    if (a->score != b->score)
        return a->score > b->score;
    x = table_row_key(a->popularity);
    y = table_row_key(b->popularity);
    order = memcmp(x.data, y.data, x.size < y.size ? x.size : y.size);
    return order ? order < 0 : x.size < y.size;
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate other = *a;

    *a = *b;
    *b = other;
}

/* Restores the heap (worst at its root) below `at`. */
static void sink(struct candidate *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t worst = at, left = 2 * at + 1;
        for (uint32_t child = left; child < count && child <= left + 1; child++)
            if (before(&heap[worst], &heap[child]))
                worst = child;
        if (worst == at)
            return;
        swap(&heap[at], &heap[worst]);
        at = worst;
    }
}

uint32_t fuse_rank(struct fuse *fuse, const struct fuse_weights *weights, uint32_t top)
{
    struct candidate *heap = fuse->candidates;
    uint32_t count = fuse->count < top ? fuse->count : top;

    score_all(fuse, weights);
    for (uint32_t i = count / 2; i-- > 0;)
        sink(heap, count, i);
    for (uint32_t i = count; i < fuse->count; i++) {
        if (!before(&heap[i], &heap[0]))
            continue;
        swap(&heap[0], &heap[i]);
        sink(heap, count, 0);
    }
    for (uint32_t i = count; i-- > 1;) { /* the worst of what is left goes to its end */
        swap(&heap[0], &heap[i]);
        sink(heap, i, 0);
    }
    return count;
}
