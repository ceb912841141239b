/* hash: XXH3 (xxHash 0.8, whose output is fixed across versions). Key groups and file checksums
 * depend on it: golden values in tests. */
#ifndef MILLRACE_BASE_HASH_H
#define MILLRACE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_bytes(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

static inline uint64_t hash_seeded(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

/* A draw that depends on its arguments alone: hash(seed, value). */
static inline uint64_t hash_draw(uint64_t seed, uint64_t value)
{
    return XXH3_64bits_withSeed(&value, sizeof(value), seed);
}

/* 64 random bits as a number in [0, 1). Results depend on its bits. */
static inline double hash_unit(uint64_t hash)
{
    return (double)(hash >> 11) * 0x1p-53;
}

/* The same in (0, 1], for a logarithm. */
static inline double hash_positive(uint64_t hash)
{
    return ((double)(hash >> 11) + 0.5) * 0x1p-53;
}

#endif
