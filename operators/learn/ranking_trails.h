/* ranking_trails: what users did lately after and before the items that the present user met last. Pure.
 * Live: read from the ring of past events, whose links lead from an item to its earlier events and
 * along a user's own ones.
 *
 * follow: each of an item's latest events gives what its user met in the next steps 0.7^distance,
 * halved by 1,000 events of age: sequence rules weighted by recency. peers: users who met several of
 * the present user's latest items, each with the weight of what both met, squared; what they met
 * before the newest of it counts, fading by step (the session neighbours of Ludewig, Jannach 2018,
 * UMUAI 28, walked backwards: what lies ahead of it is in `follow`). */
#ifndef MILLRACE_LEARN_RANKING_TRAILS_H
#define MILLRACE_LEARN_RANKING_TRAILS_H

#include "operators/model/ranker.h"

#define TRAILS_ITEMS 11u /* of the user, the latest */
#define TRAILS_MAX 40u   /* latest events of an item, at most */
#define TRAILS_PEERS (TRAILS_ITEMS * TRAILS_MAX)
#define TRAILS_SLOTS 1024u

/* How a past event stands among others. Links are event numbers + 1, 0: none; one leads somewhere only
 * while the ring has that event. */
struct trail {
    uint64_t user;
    uint32_t before, next; /* of the same user */
    uint32_t earlier;      /* of the same item */
    uint32_t item;
};

struct trails {
    struct trail *ring;     /* by event number modulo ring_max */
    uint32_t ring_max, now; /* events so far */
};

struct trails_peer {
    uint64_t user;
    uint32_t newest; /* link: its event of the newest common item */
    float common;
};

/* Scratch of a walk. */
struct trails_walk {
    struct trails_peer peers[TRAILS_PEERS];
    uint16_t slots[TRAILS_SLOTS]; /* hash table: peers + 1 */
    uint32_t count;
};

static inline bool trails_has(const struct trails *trails, uint32_t link)
{
    return link > 0 && trails->now - (link - 1) <= trails->ring_max;
}

/* What a link leads to; NULL: nowhere. */
static inline const struct trail *trails_at(const struct trails *trails, uint32_t link)
{
    return trails_has(trails, link) ? &trails->ring[(link - 1) % trails->ring_max] : NULL;
}

/* One event more, before the ranker counts it. `before`: link of the user's event before it. Returns its
 * own link. */
uint32_t trails_keep(struct trails *trails, const struct ranker *ranker, uint64_t user,
                     uint32_t before, uint32_t item);

/* Adds both sums to the ranker's request, of the user; `events`: so many of each item. */
void trails_add(const struct trails *trails, struct ranker *ranker, struct trails_walk *walk,
                uint64_t user, uint32_t events);

#endif
