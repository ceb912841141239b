/* past: see past.h. */
#include "operators/generator/past.h"

#include <math.h>
#include <string.h>

const struct state_field past_fields[] = {
    {"shown", TYPE_I64, FIELD(struct past, shown)},
    {"clicked", TYPE_I64, FIELD(struct past, clicked)},
    {"items", TYPE_UTF8, FIELD(struct past, items)},
    {"shown_ms", TYPE_UTF8, FIELD(struct past, shown_ms)},
    {"dislikes", TYPE_I64, FIELD(struct past, dislikes)},
    {"disliked_ms", TYPE_UTF8, FIELD(struct past, disliked_ms)},
    {"disliked", TYPE_UTF8, FIELD(struct past, disliked)},
    {"cached", TYPE_UTF8, FIELD(struct past, cached)},
    {"cached_ms", TYPE_UTF8, FIELD(struct past, cached_ms)},
    {0},
};

void past_show(struct past *past, int64_t item, int64_t ts_ms, bool clicked)
{
    uint64_t place = past->shown++ % PAST_SHOWN;

    past->items[place] = item;
    past->shown_ms[place] = ts_ms;
    past->clicked &= ~(UINT64_C(1) << place);
    past->clicked |= (uint64_t)clicked << place;
}

void past_dislike(struct past *past, int32_t category, int64_t ts_ms)
{
    uint64_t place = past->dislikes++ % PAST_DISLIKES;

    past->disliked[place] = category;
    past->disliked_ms[place] = ts_ms;
}

void past_fetch(struct past *past, int64_t item, int64_t ts_ms)
{
    uint32_t place = 0;

    while (place < PAST_CACHE - 1 && (past->cached_ms[place] == 0 || past->cached[place] != item))
        place++;
    if (past->cached_ms[place] == 0 || past->cached[place] != item)
        place = 0; /* the oldest goes */
    for (; place < PAST_CACHE - 1; place++) {
        past->cached[place] = past->cached[place + 1];
        past->cached_ms[place] = past->cached_ms[place + 1];
    }
    past->cached[place] = item;
    past->cached_ms[place] = ts_ms;
}

bool past_cached(const struct past *past, int64_t item, int64_t ts_ms)
{
    for (uint32_t i = 0; i < PAST_CACHE; i++)
        if (past->cached_ms[i] != 0 && past->cached[i] == item)
            return ts_ms - past->cached_ms[i] <= PAST_CACHE_MS;
    return false;
}

static double faded(int64_t age_ms, int64_t half_ms)
{
    return exp2(-(double)age_ms / (double)half_ms);
}

/* From the oldest on, so that sums do not hang on the place in the ring; the entries of one list have
 * one time, and so one weight. A newer generation of a slot takes the place of the old one, which is
 * no candidate any more. */
void past_count(const struct past *past, int64_t ts_ms, struct past_counts *counts)
{
    uint64_t begin = past->shown > PAST_SHOWN ? past->shown - PAST_SHOWN : 0;
    int64_t last_ms = INT64_MIN;
    double item = 0, category = 0;

    memset(counts->category, 0, sizeof(counts->category));
    memset(counts->dislikes, 0, sizeof(counts->dislikes));
    for (uint64_t k = begin; k < past->shown; k++) {
        uint64_t place = k % PAST_SHOWN;
        uint32_t slot = world_item_slot(past->items[place]);
        struct past_item *seen = &counts->items[slot];
        if (past->clicked >> place & 1)
            continue;
        if (past->shown_ms[place] != last_ms) {
            last_ms = past->shown_ms[place];
            item = faded(ts_ms - last_ms, CHOICE_ITEM_HALF_MS);
            category = faded(ts_ms - last_ms, CHOICE_CATEGORY_HALF_MS);
        }
        if (seen->id != past->items[place])
            *seen = (struct past_item){past->items[place], 0};
        seen->count += item;
        counts->category[slot % WORLD_CATEGORIES] += category;
    }
    begin = past->dislikes > PAST_DISLIKES ? past->dislikes - PAST_DISLIKES : 0;
    for (uint64_t k = begin; k < past->dislikes; k++)
        counts->dislikes[past->disliked[k % PAST_DISLIKES]] +=
            faded(ts_ms - past->disliked_ms[k % PAST_DISLIKES], CHOICE_DISLIKE_HALF_MS);
}

void past_clear(const struct past *past, struct past_counts *counts)
{
    uint64_t count = past->shown < PAST_SHOWN ? past->shown : PAST_SHOWN;

    for (uint64_t place = 0; place < count; place++)
        counts->items[world_item_slot(past->items[place])] = (struct past_item){0};
}
