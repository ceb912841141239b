/* sum: order-free sums of doubles: 128-bit fixed point with 40 fractional bits, so that any order
 * and any grouping give the same bits. Addends beyond +-2^80 or NaN are refused. */
#ifndef MILLRACE_BASE_SUM_H
#define MILLRACE_BASE_SUM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define SUM_FRACTION_BITS 40

struct sum {
    uint64_t low;
    int64_t high;
};

static inline __int128 sum_raw(struct sum sum)
{
    return (__int128)(((unsigned __int128)(uint64_t)sum.high << 64) | sum.low);
}

static inline struct sum sum_from_raw(__int128 raw)
{
    return (struct sum){(uint64_t)raw, (int64_t)(raw >> 64)};
}

static inline bool sum_fits(double value)
{
    return value > -0x1p80 && value < 0x1p80;
}

static inline void sum_add(struct sum *sum, double value)
{
    *sum = sum_from_raw(sum_raw(*sum) + (__int128)rint(value * 0x1p40));
}

static inline void sum_merge(struct sum *sum, struct sum other)
{
    *sum = sum_from_raw(sum_raw(*sum) + sum_raw(other));
}

static inline double sum_value(struct sum sum)
{
    return (double)sum_raw(sum) * 0x1p-40;
}

#endif
