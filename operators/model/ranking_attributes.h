/* ranking_attributes: what items are like, and how a candidate fits what the user took. Pure.
 *
 * An item has tags (genres, a brand) and numbers (a year, a price). A history, newest first, gives a
 * profile of tags, sum of 0.95^distance x the item's tags, each item's as a vector of length 1, and a mean
 * of each number, decay 0.9. Features of a candidate:
 *   cosine of its tags with the profile, and with the newest item's
 *   0.5 ln lift of a tag, mean and least over its tags: lift = (s + 3 p) / (S + 3) / p, s the sum of
 *     0.9^distance of what was taken with the tag, S of all, p the tag's share of all events
 *   each number: -0.4 ln(1 + 8 d), d its distance to the mean by what that distance is on average for
 *     what users take; where the number is unknown d = 1
 * All are 0 without a history; those of tags for items without any. */
#ifndef MILLRACE_MODEL_RANKING_ATTRIBUTES_H
#define MILLRACE_MODEL_RANKING_ATTRIBUTES_H

#include "operators/model/ranker.h"

#define ATTRIBUTES_TAGS 16u                                       /* of an item */
#define ATTRIBUTES_PROFILE (RANKER_HISTORY_MAX * ATTRIBUTES_TAGS) /* tags of a history, at most */

struct attributes_item {
    uint32_t known; /* numbers, by bit */
    uint32_t tag_count;
    uint32_t
        tags[ATTRIBUTES_TAGS]; /* hashes: two of n tags share one with probability n^2 / 2^33 */
    float numbers[RANKER_NUMBERS];
};

struct attributes_spread { /* mean distance of what users took to their own mean */
    float mean;
    uint32_t events;
};

struct attributes_tag { /* follows from the items, but for the request's */
    uint32_t hash;      /* 0: a free slot */
    uint32_t events;    /* of items that have it */
    uint32_t request;   /* whose the rest is */
    float weight, newest, taken, lift;
};

struct attributes {
    const struct ranker_items *counts; /* the ranker's */
    uint32_t numbers;                  /* that items have */
    struct attributes_item *items;
    uint32_t item_count; /* that were set: none is beyond */
    struct attributes_spread spreads[RANKER_NUMBERS];
    struct attributes_tag
        *tags; /* hash table; tags that no item has any more leave when it is half full */
    uint32_t tag_count, mask;
    /* of the request */
    uint32_t request, used_count;
    uint32_t used[ATTRIBUTES_PROFILE]; /* tags of the profile, in the order in which they came */
    float scratch[ATTRIBUTES_PROFILE];
    float length, absent; /* of the profile; lift of a tag that is not in it */
    float means[RANKER_NUMBERS];
    uint32_t known; /* means, by bit */
};

/* The caller gives zeroed memory of this size. */
size_t attributes_size(uint32_t items_max);
/* The ranker, which is new, has attributes from here on. */
void attributes_init(struct attributes *attributes, struct ranker *ranker, uint32_t numbers,
                     uint32_t items_max, void *memory);
/* One tag more, unless it is there or there is no room. */
void attributes_add_tag(struct attributes_item *item, uint32_t hash);
/* An item's attributes, new, changed or restored; as often as the ranker has counted it. */
void attributes_set(struct attributes *attributes, uint32_t item, const struct attributes_item *is);
/* A new request. */
void attributes_begin(struct attributes *attributes, const struct ranker_request *asked);
/* Features of the ranker's candidates. */
void attributes_rate(struct attributes *attributes, struct ranker *ranker);
/* The user of that request took the item, before the ranker counts it. */
void attributes_count(struct attributes *attributes, uint32_t item);

#endif
