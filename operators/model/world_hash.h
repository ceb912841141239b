/* world_hash: the draws of the generated world. An attribute is a function of (seed, kind, entity,
 * counter); there is no sequence, so that any subtask can make any part of the world.
 * Method: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over the arguments in turn; normal
 * numbers by Box and Muller (1958). */
#ifndef MILLRACE_MODEL_WORLD_HASH_H
#define MILLRACE_MODEL_WORLD_HASH_H

#include "runtime/base/hash.h"

#include <math.h>
#include <stdint.h>

#define WORLD_K0 UINT64_C(0x9e3779b97f4a7c15)
#define WORLD_K1 UINT64_C(0xd1b54a32d192ed03)
#define WORLD_K2 UINT64_C(0xaef17502108ef2d9)
#define WORLD_K3 UINT64_C(0x9e6c63d0676a9a99)

enum world_tag { /* kinds of draws; a number that is given is never given another meaning */
                 TAG_LINK = 1,
                 TAG_LINK_STEP,
                 TAG_CENTRE, /* of tastes, categories and cities */
                 TAG_USER,
                 TAG_LAPSE,
                 TAG_TRAVEL,
                 TAG_PLAN,
                 TAG_SESSION,
                 TAG_REQUEST,
                 TAG_CANDIDATES,
                 TAG_SLOT,
                 TAG_ITEM,

                 TAG_TIME = 64, /* of world_choice: effects */
                 TAG_SEASON,
                 TAG_HOLIDAY,
                 TAG_LOCATION,
                 TAG_PLACE,
                 TAG_HABIT,
                 TAG_CLICK, /* luck of a request with an item */
                 TAG_CONVERSION,
                 TAG_FRACTION,
                 TAG_DISLIKE,
                 TAG_DELAY,
                 TAG_KIND,
                 TAG_PRICE,
                 TAG_LIST, /* of a request */
                 TAG_EXPLORE,
};

static inline uint64_t world_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t world_hash(uint64_t seed, enum world_tag tag, uint64_t a, uint64_t b,
                                  uint64_t c)
{
    uint64_t x = world_mix(seed + (uint64_t)tag * WORLD_K0);

    x = world_mix(x + a * WORLD_K1 + 1);
    x = world_mix(x + b * WORLD_K2 + 2);
    return world_mix(x + c * WORLD_K3 + 3);
}

/* The same in two steps, for many draws of one entity `a`. */
static inline uint64_t world_hash_of(uint64_t seed, enum world_tag tag, uint64_t a)
{
    return world_mix(world_mix(seed + (uint64_t)tag * WORLD_K0) + a * WORLD_K1 + 1);
}

static inline uint64_t world_hash_at(uint64_t of, uint64_t b, uint64_t c)
{
    return world_mix(world_mix(of + b * WORLD_K2 + 2) + c * WORLD_K3 + 3);
}

/* A further draw of what a hash stands for; draw 0 is not the hash itself. */
static inline uint64_t world_draw(uint64_t hash, uint64_t draw)
{
    return world_mix(hash + (draw + 1) * WORLD_K1);
}

static inline double world_normal(uint64_t hash)
{
    double radius = sqrt(-2 * log(hash_positive(hash)));

    return radius * cos(2 * M_PI * hash_positive(world_mix(hash + 77)));
}

/* scale x centre (NULL: none) plus normal noise by draws of `hash`, of length 1. */
static inline void world_unit(uint64_t hash, double scale, const float *centre, double noise,
                              float *unit, uint32_t width)
{
    double sum = 0;

    for (uint32_t i = 0; i < width; i++) {
        unit[i] = (float)((centre ? scale * (double)centre[i] : 0) +
                          noise * world_normal(world_draw(hash, i)));
        sum += (double)unit[i] * (double)unit[i];
    }
    for (uint32_t i = 0; i < width; i++)
        unit[i] = (float)((double)unit[i] / sqrt(sum));
}

#endif
