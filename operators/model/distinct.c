/* distinct: see distinct.h. */
#include "operators/model/distinct.h"

#include <math.h>
#include <string.h>

#define DISTINCT_COUNT_MAX 0x1p62       /* z is 0 when every register is full */
#define RANK_BITS (64u - DISTINCT_BITS) /* q of the paper: ranks go from 1 to q + 1 */

static void register_add(struct distinct *distinct, uint64_t hash)
{
    uint32_t place = (uint32_t)(hash >> RANK_BITS);
    uint64_t rest = hash << DISTINCT_BITS;
    uint8_t rank = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : (int)RANK_BITS + 1);

    if (distinct->registers[place] < rank)
        distinct->registers[place] = rank;
}

static void to_registers(struct distinct *distinct)
{
    uint64_t hashes[DISTINCT_EXACT];
    uint32_t count = distinct->count;

    memcpy(hashes, distinct->hashes, sizeof(hashes));
    memset(distinct->registers, 0, sizeof(distinct->registers));
    distinct->sketch = 1;
    distinct->count = 0;
    for (uint32_t i = 0; i < count; i++)
        register_add(distinct, hashes[i]);
}

void distinct_add(struct distinct *distinct, uint64_t hash)
{
    if (distinct->sketch) {
        register_add(distinct, hash);
        return;
    }
    for (uint32_t i = 0; i < distinct->count; i++)
        if (distinct->hashes[i] == hash)
            return;
    if (distinct->count < DISTINCT_EXACT) {
        distinct->hashes[distinct->count++] = hash;
        return;
    }
    to_registers(distinct);
    register_add(distinct, hash);
}

void distinct_merge(struct distinct *into, const struct distinct *from)
{
    if (!from->sketch) {
        for (uint32_t i = 0; i < from->count; i++)
            distinct_add(into, from->hashes[i]);
        return;
    }
    if (!into->sketch)
        to_registers(into);
    for (uint32_t i = 0; i < DISTINCT_REGISTERS; i++)
        if (into->registers[i] < from->registers[i])
            into->registers[i] = from->registers[i];
}

/* x + sum over k of x^(2^k) 2^(k-1): registers that are still 0. */
static double sigma(double x)
{
    double y = 1, z = x, before;

    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

/* (1 - x - sum over k of (1 - x^(2^-k))^2 2^-k) / 3: registers that are full. */
static double tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

int64_t distinct_count(const struct distinct *distinct)
{
    const double m = DISTINCT_REGISTERS;
    const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    uint32_t ranks[RANK_BITS + 2] = {0};
    double z, estimate;

    if (!distinct->sketch)
        return distinct->count;
    for (uint32_t i = 0; i < DISTINCT_REGISTERS; i++)
        ranks[distinct->registers[i]]++;
    z = m * tau(1 - ranks[RANK_BITS + 1] / m);
    for (uint32_t rank = RANK_BITS; rank >= 1; rank--)
        z = 0.5 * (z + ranks[rank]);
    z += m * sigma(ranks[0] / m);
    estimate = alpha * m * m / z;
    return estimate < DISTINCT_COUNT_MAX ? llrint(estimate) : INT64_C(1) << 62;
}
