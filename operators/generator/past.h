/* past: what a user of the generated world was shown lately, what he disliked, and what his device has
 * fetched: the only state that outcomes need. One cell a user. */
#ifndef MILLRACE_GENERATOR_PAST_H
#define MILLRACE_GENERATOR_PAST_H

#include "operators/model/world_choice.h"
#include "runtime/api/state.h"

#define PAST_SHOWN 64u
#define PAST_DISLIKES 16u
#define PAST_CACHE 6u
#define PAST_CACHE_MS WORLD_DAY_MS

struct past {                /* a new user's is zero */
    uint64_t shown, clicked; /* how many ever, entry k is at k % PAST_SHOWN; a bit a place */
    int64_t items[PAST_SHOWN], shown_ms[PAST_SHOWN];
    uint64_t dislikes;                                           /* ever, likewise */
    int64_t disliked_ms[PAST_DISLIKES], disliked[PAST_DISLIKES]; /* categories */
    int64_t cached[PAST_CACHE], cached_ms[PAST_CACHE];           /* newest last; 0 ms: none */
};
extern const struct state_field past_fields[];

void past_show(struct past *past, int64_t item, int64_t ts_ms, bool clicked);
void past_dislike(struct past *past, int32_t category, int64_t ts_ms);
/* The device fetches an item: the last PAST_CACHE different ones are kept, for PAST_CACHE_MS. */
void past_fetch(struct past *past, int64_t item, int64_t ts_ms);
bool past_cached(const struct past *past, int64_t item, int64_t ts_ms);

/* Counts of all items at a time, from one pass over the ring. */
struct past_counts {
    double category[WORLD_CATEGORIES], dislikes[WORLD_CATEGORIES];
    struct past_item { /* by slot; zero between requests */
        int64_t id;
        double count;
    } * items;
};
/* `items` has a place for each slot of the world. */
void past_count(const struct past *past, int64_t ts_ms, struct past_counts *counts);
void past_clear(const struct past *past, struct past_counts *counts);

static inline struct choice_past past_of(const struct past_counts *counts,
                                         const struct world_item *item)
{
    const struct past_item *seen = &counts->items[item->slot];

    return (struct choice_past){seen->id == item->id ? seen->count : 0,
                                counts->category[item->category], counts->dislikes[item->category]};
}

#endif
