/* ranking_trails: see ranking_trails.h. */
#include "operators/learn/ranking_trails.h"

#include "operators/model/vector.h"

#include <assert.h>
#include <string.h>

#define STEPS 10u      /* ahead of an item */
#define STEPS_BACK 20u /* before it */
#define FOLLOW_STEP 0.7f
#define PEERS_ITEM 0.75f
#define PEERS_STEP 0.8f
#define FOLLOW_EVENTS 1000.0f /* half-lives */
#define PEERS_EVENTS 2000.0f
#define LN2 0.693147181f

static_assert(TRAILS_SLOTS > 2 * TRAILS_PEERS, "the hash table stays half empty");

/* The item's latest event, as a link. */
static uint32_t latest(const struct ranker *ranker, uint32_t item)
{
    return ranker->items.events[item] > 0 ? ranker->items.last[item] + 1 : 0;
}

uint32_t trails_keep(struct trails *trails, const struct ranker *ranker, uint64_t user,
                     uint32_t before, uint32_t item)
{
    struct trail *trail = &trails->ring[trails->now % trails->ring_max];

    if (trails_has(trails, before))
        trails->ring[(before - 1) % trails->ring_max].next = trails->now + 1;
    *trail = (struct trail){user, before, 0, latest(ranker, item), item};
    return ++trails->now;
}

/* 2^(-events since / half) */
static float faded(const struct trails *trails, uint32_t link, float half)
{
    float power = -LN2 / half * (float)(trails->now - (link - 1));

    vector_exp(&power, &power, 0, 1);
    return power;
}

/* ln(1 + all events / the item's): rare items say more. */
static float rarity(const struct trails *trails, const struct ranker *ranker, uint32_t item)
{
    float share = ((float)trails->now + 1) / ranker->items.events[item];

    vector_log(&share, &share, 1, 1, 1);
    return share;
}

static void follow(const struct trails *trails, struct ranker *ranker, uint32_t link, float weight)
{
    const struct trail *trail = trails_at(trails, link);

    for (uint32_t step = 0; trail && step < STEPS; step++) {
        ranker_add_one(ranker, SUM_FOLLOW, trail->item, weight);
        weight *= FOLLOW_STEP;
        trail = trails_at(trails, trail->next);
    }
}

static void backward(const struct trails *trails, struct ranker *ranker,
                     const struct trails_peer *peer)
{
    float weight = peer->common * peer->common * faded(trails, peer->newest, PEERS_EVENTS);
    const struct trail *trail = trails_at(trails, trails_at(trails, peer->newest)->before);

    for (uint32_t step = 0; trail && step < STEPS_BACK; step++) {
        ranker_add_one(ranker, SUM_PEERS, trail->item, weight);
        weight *= PEERS_STEP;
        trail = trails_at(trails, trail->before);
    }
}

static void meet(struct trails_walk *walk, uint64_t user, uint32_t link, float weight)
{
    uint32_t at = (uint32_t)user % TRAILS_SLOTS;

    while (walk->slots[at] && walk->peers[walk->slots[at] - 1].user != user)
        at = (at + 1) % TRAILS_SLOTS;
    if (!walk->slots[at]) {
        walk->peers[walk->count++] = (struct trails_peer){user, link, 0};
        walk->slots[at] = (uint16_t)walk->count;
    }
    walk->peers[walk->slots[at] - 1].common += weight;
}

void trails_add(const struct trails *trails, struct ranker *ranker, struct trails_walk *walk,
                uint64_t user, uint32_t events)
{
    const struct ranker_request *asked = &ranker->asked;
    float follow_decay = 1, peers_decay = 1;

    memset(walk->slots, 0, sizeof(walk->slots));
    walk->count = 0;
    for (uint32_t b = 0; b < asked->history_count && b < TRAILS_ITEMS; b++) {
        uint32_t item = asked->history[b], link = latest(ranker, item);
        float rare = peers_decay * rarity(trails, ranker, item);
        const struct trail *trail;

        for (uint32_t i = 0; i < events && (trail = trails_at(trails, link)); i++) {
            if (trail->user != user) {
                meet(walk, trail->user, link, rare);
                follow(trails, ranker, trail->next,
                       follow_decay * faded(trails, link, FOLLOW_EVENTS));
            }
            link = trail->earlier;
        }
        follow_decay *= FOLLOW_STEP;
        peers_decay *= PEERS_ITEM;
    }
    for (uint32_t i = 0; i < walk->count; i++)
        backward(trails, ranker, &walk->peers[i]);
}
