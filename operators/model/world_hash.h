/* world_hash: the draws of the generated world. An attribute is a function of (seed, kind, entity,
 * counter); there is no sequence, so that any subtask can make any part of the world.
 * Method: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over the arguments in turn; normal
 * numbers by Box and Muller (1958). */
#ifndef MILLRACE_MODEL_WORLD_HASH_H
#define MILLRACE_MODEL_WORLD_HASH_H

#include <math.h>
#include <stdint.h>

#define WORLD_K0 UINT64_C(0x9e3779b97f4a7c15)
#define WORLD_K1 UINT64_C(0xd1b54a32d192ed03)
#define WORLD_K2 UINT64_C(0xaef17502108ef2d9)
#define WORLD_K3 UINT64_C(0x9e6c63d0676a9a99)

enum world_tag { /* kinds of draws; a number that is given is never given another meaning */
                 TAG_LINK = 1,
                 TAG_LINK_STEP,
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

/* In (0, 1). */
static inline double world_u01(uint64_t hash)
{
    return ((double)(hash >> 11) + 0.5) * 0x1p-53;
}

static inline double world_normal(uint64_t hash)
{
    double radius = sqrt(-2 * log(world_u01(hash)));

    return radius * cos(2 * M_PI * world_u01(world_mix(hash + 77)));
}

#endif
