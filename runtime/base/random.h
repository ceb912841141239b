/* random: a small seeded generator (SplitMix64; Steele, Lea, Flood 2014) for tests, simulation
 * and debug.chaos. Nothing that reaches a row may draw from it: rows draw by hash_draw. */
#ifndef MILLRACE_BASE_RANDOM_H
#define MILLRACE_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In [0, below); below > 0. */
static inline uint64_t random_below(struct random *random, uint64_t below)
{
    return (uint64_t)(((unsigned __int128)random_next(random) * below) >> 64);
}

#endif
