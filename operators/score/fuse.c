/* fuse: see fuse.h. */
#include "operators/score/fuse.h"

#include "operators/score/terms.h"
#include "runtime/base/check.h"

#include <math.h>
#include <string.h>

#define ENTRIES_MAX 32768u /* of all lines that are kept */
#define LINES_MAX 2048u
#define AHEAD 8u /* slots that are fetched before they are looked at */

/* ---- memory ---- */
/* Items that a request may come to know beside its own: see fuse_know. */
static uint32_t met_limit(uint32_t limit)
{
    return FUSE_RECENT_MAX + 2 * limit + FUSE_PIECE;
}

/* Of one request at its worst, and some of others. */
static uint32_t known_limit(uint32_t limit)
{
    return FUSE_OWN_MAX + met_limit(limit) + 4096;
}

/* A power of two, at most three quarters full. */
static uint32_t slot_count(uint32_t limit)
{
    uint32_t count = 1024;

    while (count / 4 * 3 < known_limit(limit))
        count *= 2;
    return count;
}

/* Hands out parts of `memory`, aligned to a cache line; NULL: counts only. */
static void *part(uint8_t *memory, size_t *at, size_t count, size_t size)
{
    size_t begin = *at;

    *at += (count * size + 63) / 64 * 64;
    return memory ? memory + begin : NULL;
}

static size_t layout(struct fuse *fuse, uint32_t limit, uint8_t *memory)
{
    size_t known = known_limit(limit), entries = ENTRIES_MAX + FUSE_PIECE, at = 0;

    fuse->slots = part(memory, &at, slot_count(limit), sizeof(*fuse->slots));
    fuse->items = part(memory, &at, known, sizeof(*fuse->items));
    fuse->facts = part(memory, &at, known, sizeof(*fuse->facts));
    fuse->lines = part(memory, &at, LINES_MAX, sizeof(*fuse->lines));
    fuse->entry_items = part(memory, &at, entries, sizeof(*fuse->entry_items));
    fuse->entry_roots = part(memory, &at, entries, sizeof(double));
    fuse->entry_together = part(memory, &at, entries, sizeof(double));
    fuse->entry_forward = part(memory, &at, entries, sizeof(double));
    fuse->entry_backward = part(memory, &at, entries, sizeof(double));
    fuse->order = part(memory, &at, limit, sizeof(*fuse->order));
    for (int i = 0; i < 4; i++)
        fuse->terms[i] = part(memory, &at, limit, sizeof(double));
    fuse->scores = part(memory, &at, limit, sizeof(double));
    fuse->ranked = part(memory, &at, limit, sizeof(*fuse->ranked));
    return at + 64;
}

size_t fuse_size(uint32_t limit)
{
    struct fuse none;

    return layout(&none, limit, NULL);
}

void fuse_init(struct fuse *fuse, uint32_t limit, void *memory)
{
    uintptr_t begin = ((uintptr_t)memory + 63) / 64 * 64;

    CHECK(limit > 0 && limit <= FUSE_CANDIDATES_MAX);
    *fuse = (struct fuse){
        .limit = limit, .mask = slot_count(limit) - 1, .known_max = known_limit(limit)};
    (void)layout(fuse, limit, (uint8_t *)begin);
    fuse->item_decay[0] = 1;
    for (uint32_t i = 1; i < FUSE_RECENT_MAX; i++)
        fuse->item_decay[i] = fuse->item_decay[i - 1] * 0.9;
    fuse->sequence_decay[0] = 1;
    for (uint32_t i = 1; i <= FUSE_DISTANCE_MAX; i++)
        fuse->sequence_decay[i] = fuse->sequence_decay[i - 1] * 0.7;
    fuse_forget(fuse);
}

/* ---- what is known ---- */
void fuse_forget(struct fuse *fuse)
{
    if (++fuse->era == 0) { /* after 2^32 batches old slots would seem to hold again */
        memset(fuse->slots, 0, (fuse->mask + 1ul) * sizeof(*fuse->slots));
        fuse->era = 1;
    }
    fuse->items[FUSE_NOBODY] = (struct fuse_item){.count = 1, .asked = true};
    fuse->known = FUSE_NOBODY + 1;
    fuse->line_count = FUSE_ASK_LINE + 1;
    fuse->entry_count = 0;
}

static uint32_t know(struct fuse *fuse, uint64_t id)
{
    uint64_t at = id & fuse->mask;

    for (; fuse->slots[at].era == fuse->era; at = (at + 1) & fuse->mask)
        if (fuse->slots[at].id == id)
            return fuse->slots[at].item;
    if (fuse->known == fuse->known_max)
        return FUSE_NOBODY;
    fuse->slots[at] = (struct fuse_slot){id, fuse->era, fuse->known};
    fuse->items[fuse->known] = (struct fuse_item){.count = 1};
    fuse->facts[fuse->known] = (struct fuse_fact){.id = id, .line = FUSE_ASK_LINE};
    return fuse->known++;
}

void fuse_know(struct fuse *fuse, const uint64_t *ids, uint32_t count, uint32_t *items)
{
    for (uint32_t i = 0; i < count && i < AHEAD; i++)
        __builtin_prefetch(&fuse->slots[ids[i] & fuse->mask]);
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(&fuse->slots[ids[i + AHEAD] & fuse->mask]);
        items[i] = know(fuse, ids[i]);
    }
}

void fuse_begin(struct fuse *fuse, const uint64_t *own, uint32_t own_count)
{
    CHECK(own_count <= FUSE_OWN_MAX);
    if (fuse->known + own_count + met_limit(fuse->limit) > fuse->known_max)
        fuse_forget(fuse);
    if (++fuse->request == 0) /* that of an item that was never met */
        fuse->request = 1;
    fuse->used = fuse->offered = 0;
    fuse->items[FUSE_NOBODY].request = fuse->request;
    for (uint32_t i = 0; i < own_count; i++) {
        if (i + AHEAD < own_count)
            __builtin_prefetch(&fuse->slots[own[i + AHEAD] & fuse->mask]);
        fuse->items[know(fuse, own[i])].request = fuse->request;
    }
}

/* ---- lines ---- */
struct fuse_line *fuse_line(struct fuse *fuse, uint32_t entries)
{
    struct fuse_line *line = &fuse->lines[fuse->line_count];

    if (fuse->line_count == LINES_MAX || entries > ENTRIES_MAX - fuse->entry_count ||
        entries > fuse->known_max - fuse->known)
        return NULL;
    *line = (struct fuse_line){.begin = fuse->entry_count, .entries = entries};
    fuse->line_count++;
    fuse->entry_count += entries;
    return line;
}

void fuse_piece(struct fuse_line *piece, uint32_t entries)
{
    CHECK(entries <= FUSE_PIECE);
    piece->begin = ENTRIES_MAX;
    piece->entries = entries;
}

void fuse_line_filled(struct fuse *fuse, const struct fuse_line *line)
{
    double counts[FUSE_PIECE];

    for (uint32_t at = 0, n; at < line->entries; at += n) {
        const uint32_t *items = fuse->entry_items + line->begin + at;

        n = line->entries - at < FUSE_PIECE ? line->entries - at : FUSE_PIECE;
        for (uint32_t i = 0; i < n; i++)
            counts[i] = fuse->items[items[i]].count;
        terms_roots(fuse->entry_roots + line->begin + at, line->count, counts, n);
    }
}

static void add_piece(struct fuse *fuse, const struct fuse_line *line, uint32_t at, uint32_t n,
                      uint32_t distance)
{
    const uint32_t *items = fuse->entry_items + at;
    double item[FUSE_PIECE], forward[FUSE_PIECE], backward[FUSE_PIECE];

    terms_shares(item, fuse->item_decay[distance], fuse->entry_together + at,
                 fuse->entry_roots + at, n);
    if (distance > FUSE_DISTANCE_MAX) {
        for (uint32_t i = 0; i < n; i++)
            fuse->items[items[i]].item += item[i];
        return;
    }
    terms_parts(forward, fuse->sequence_decay[distance], fuse->entry_forward + at, line->forward,
                n);
    terms_parts(backward, fuse->sequence_decay[distance], fuse->entry_backward + at, line->backward,
                n);
    for (uint32_t i = 0; i < n; i++) {
        struct fuse_item *to = &fuse->items[items[i]];

        to->item += item[i];
        to->forward += forward[i];
        to->backward += backward[i];
    }
}

void fuse_add(struct fuse *fuse, const struct fuse_line *line, uint32_t distance)
{
    for (uint32_t at = 0; at < line->entries; at += FUSE_PIECE)
        add_piece(fuse, line, line->begin + at,
                  line->entries - at < FUSE_PIECE ? line->entries - at : FUSE_PIECE, distance);
}

/* ---- rank ---- */
static void score_all(struct fuse *fuse, const struct fuse_weights *weights)
{
    const double each[4] = {weights->item, weights->forward, weights->backward, weights->popular};
    double most[4] = {0};

    for (uint32_t i = 0; i < fuse->offered; i++) {
        const struct fuse_item *item = &fuse->items[fuse->order[i]];

        fuse->scores[i] = 0;
        fuse->terms[0][i] = item->item;
        fuse->terms[1][i] = item->forward;
        fuse->terms[2][i] = item->backward;
        fuse->terms[3][i] = item->popular;
        for (int k = 0; k < 4; k++)
            most[k] = fuse->terms[k][i] > most[k] ? fuse->terms[k][i] : most[k];
    }
    for (int k = 0; k < 4; k++)
        if (most[k] > 0)
            terms_tempered(fuse->scores, each[k], fuse->terms[k], most[k], fuse->offered);
}

/* Whether a stands before b. */
static bool before(const struct fuse *fuse, const struct fuse_ranked *a,
                   const struct fuse_ranked *b)
{
    struct key x, y;
    int order;

    if (a->score != b->score)
        return a->score > b->score;
    x = table_row_key(fuse->items[a->item].row);
    y = table_row_key(fuse->items[b->item].row);
    order = memcmp(x.data, y.data, x.size < y.size ? x.size : y.size);
    return order ? order < 0 : x.size < y.size;
}

/* Puts an element into the heap (worst at its root), whose place `at` is free. */
static void sink(const struct fuse *fuse, struct fuse_ranked moved, uint32_t count, uint32_t at)
{
    struct fuse_ranked *heap = fuse->ranked;

    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(fuse, &heap[child], &heap[child + 1]))
            child++;
        if (!before(fuse, &moved, &heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

uint32_t fuse_rank(struct fuse *fuse, const struct fuse_weights *weights, uint32_t top)
{
    struct fuse_ranked *heap = fuse->ranked;
    uint32_t count = fuse->offered < top ? fuse->offered : top;

    score_all(fuse, weights);
    for (uint32_t i = 0; i < count; i++)
        heap[i] = (struct fuse_ranked){fuse->scores[i], fuse->order[i]};
    for (uint32_t i = count / 2; i-- > 0;)
        sink(fuse, heap[i], count, i);
    for (uint32_t i = count; i < fuse->offered; i++) {
        struct fuse_ranked next = {fuse->scores[i], fuse->order[i]};

        if (fuse->scores[i] >= heap[0].score && before(fuse, &next, &heap[0]))
            sink(fuse, next, count, 0);
    }
    for (uint32_t i = count; i-- > 1;) { /* the worst of what is left goes to its end */
        struct fuse_ranked last = heap[i];

        heap[i] = heap[0];
        sink(fuse, last, i, 0);
    }
    return count;
}
