/* vector: see vector.h. Its meson.build has what these loops are compiled with. */
#include "operators/model/vector.h"

#include "operators/model/wide.h"

#include <math.h>
#include <string.h>

#define LANES VECTOR_LANES
#define AHEAD 8u /* vectors that are on their way from memory */
#define LINE 16u /* floats of a cache line */

/* All lanes at once: gcc takes loops over them apart again. */
typedef float eight __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t counts __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef float four __attribute__((vector_size(4 * sizeof(float))));

static inline const eight *eight_at(const float *values)
{
    return (const eight *)(const void *)values;
}

static inline float lanes_sum(const eight *lanes)
{
    float a = (*lanes)[0] + (*lanes)[4], b = (*lanes)[1] + (*lanes)[5];
    float c = (*lanes)[2] + (*lanes)[6], d = (*lanes)[3] + (*lanes)[7];

    return (a + c) + (b + d);
}

static inline float dot(const float *a, const float *b, uint32_t n)
{
    eight lanes = {0};
    uint32_t i = 0;

    for (; i + LANES <= n; i += LANES)
        lanes += *eight_at(a + i) * *eight_at(b + i);
    for (; i < n; i++)
        lanes[i % LANES] += a[i] * b[i];
    return lanes_sum(&lanes);
}

/* Lanes as lanes_sum pairs them, for four vectors at a time. */
static inline four lanes_half(const eight *lanes)
{
    return __builtin_shufflevector(*lanes, *lanes, 0, 1, 2, 3) +
           __builtin_shufflevector(*lanes, *lanes, 4, 5, 6, 7);
}

static inline four lanes_pair(const eight *one, const eight *two)
{
    four a = lanes_half(one), b = lanes_half(two);

    return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

static inline void dot_four(const float *a, const float *const *many, uint32_t n, float *dots)
{
    eight one = {0}, two = {0}, three = {0}, last = {0}, values;
    four left, right, sums;
    uint32_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        values = *eight_at(a + i);
        one += values * *eight_at(many[0] + i);
        two += values * *eight_at(many[1] + i);
        three += values * *eight_at(many[2] + i);
        last += values * *eight_at(many[3] + i);
    }
    for (; i < n; i++) {
        one[i % LANES] += a[i] * many[0][i];
        two[i % LANES] += a[i] * many[1][i];
        three[i % LANES] += a[i] * many[2][i];
        last[i % LANES] += a[i] * many[3][i];
    }
    left = lanes_pair(&one, &two);
    right = lanes_pair(&three, &last);
    sums = __builtin_shufflevector(left, right, 0, 2, 4, 6) +
           __builtin_shufflevector(left, right, 1, 3, 5, 7);
    memcpy(dots, &sums, sizeof(sums));
}

WIDE float vector_dot(const float *a, const float *b, uint32_t n)
{
    return dot(a, b, n);
}

static inline void fetch(const float *values, uint32_t n)
{
    for (uint32_t k = 0; k < n; k += LINE)
        __builtin_prefetch(values + k);
}

WIDE void vector_dots(const float *a, const float *const *many, uint32_t count, uint32_t n,
                      float *dots)
{
    uint32_t i = 0;

    for (; i < AHEAD && i < count; i++)
        fetch(many[i], n);
    for (i = 0; i + 4 <= count; i += 4) {
        for (uint32_t k = i + AHEAD; k < i + AHEAD + 4 && k < count; k++)
            fetch(many[k], n);
        dot_four(a, many + i, n, dots + i);
    }
    for (; i < count; i++)
        dots[i] = dot(a, many[i], n);
}

static inline const float *row_of(const float *table, uint32_t width, uint32_t row)
{
    return table + (size_t)row * width;
}

static inline void dot_rows(float *out, const float *with, const float *table, uint32_t width,
                            const uint32_t *rows, uint32_t count)
{
    uint32_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const float *const four_rows[4] = {
            row_of(table, width, rows[i]), row_of(table, width, rows[i + 1]),
            row_of(table, width, rows[i + 2]), row_of(table, width, rows[i + 3])};

        dot_four(with, four_rows, width, out + i);
    }
    for (; i < count; i++)
        out[i] = dot(with, row_of(table, width, rows[i]), width);
}

WIDE void vector_rows(float *out, const float *with, const float *table, uint32_t width,
                      const uint32_t *rows, uint32_t count)
{
    if (width == VECTOR_ROW)
        dot_rows(out, with, table, VECTOR_ROW, rows, count); /* unrolled */
    else
        dot_rows(out, with, table, width, rows, count);
}

WIDE float vector_sum(const float *a, uint32_t n)
{
    eight lanes = {0};
    uint32_t i = 0;

    for (; i + LANES <= n; i += LANES)
        lanes += *eight_at(a + i);
    for (; i < n; i++)
        lanes[i % LANES] += a[i];
    return lanes_sum(&lanes);
}

WIDE float vector_most(const float *a, uint32_t n, float least)
{
    float lanes[LANES];
    uint32_t i = 0;

    for (uint32_t lane = 0; lane < LANES; lane++)
        lanes[lane] = least;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++)
            lanes[lane] = a[i + lane] > lanes[lane] ? a[i + lane] : lanes[lane];
    for (; i < n; i++)
        least = a[i] > least ? a[i] : least;
    for (uint32_t lane = 0; lane < LANES; lane++)
        least = lanes[lane] > least ? lanes[lane] : least;
    return least;
}

WIDE void vector_above(const float *a, uint32_t n, uint32_t *above)
{
    for (uint32_t i = 0; i < n; i += LANES) {
        eight values = *eight_at(a + i);
        counts lanes = {0};

        for (uint32_t k = 0; k < n; k++)
            lanes -= (eight){0} + a[k] > values; /* true is -1 */
        memcpy(above + i, &lanes, sizeof(lanes));
    }
}

WIDE void vector_add(float *restrict to, float scale, const float *restrict from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] += scale * from[i];
}

WIDE void vector_scale(float *out, const float *in, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = scale * in[i];
}

float vector_normal(uint64_t draw)
{
    int32_t sum = 0;

    for (int i = 0; i < 4; i++, draw >>= 16)
        sum += (int32_t)(draw & 0xffff);
    return (float)(sum - 2 * 0xffff) * (1.0f / 37837.0f);
}

/* Cephes logf (Moshier 1992): x = m 2^e with m in [1/sqrt 2, sqrt 2). */
static inline float log_of(float x)
{
    int32_t bits, exponent;
    float m, z, y, e;

    memcpy(&bits, &x, sizeof(bits));
    exponent = (bits - 0x3f3504f3) >> 23;
    bits -= exponent * (1 << 23);
    memcpy(&m, &bits, sizeof(m));
    e = (float)exponent;
    m -= 1.0f;
    z = m * m;
    y = 7.0376836292e-2f;
    y = y * m - 1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m - 1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m - 1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m - 2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = y * m * z + e * -2.12194440e-4f - 0.5f * z;
    return m + y + e * 0.693359375f;
}

WIDE void vector_log(float *out, const float *in, float shift, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = scale * log_of(in[i] + shift);
}

#define EXP_LEAST -87.0f
#define EXP_BELOW -87.00001f /* stands for all below */

/* Cephes expf: x = n ln 2 + r; 0 below EXP_LEAST. Without a branch. */
static inline float exp_of(float x)
{
    float t = x * 1.44269504088896341f;
    int32_t n = (int32_t)(t + copysignf(0.5f, t)), bits;
    float k = (float)n, r = x - k * 0.693359375f + k * 2.12194440e-4f, y, power;

    y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    bits = (n + 127) * (1 << 23) & -(x >= EXP_LEAST);
    memcpy(&power, &bits, sizeof(power));
    return y * power;
}

/* In two loops: in one, gcc makes a path of its own for what is below, and no vectors. */
WIDE void vector_exp(float *out, const float *in, float shift, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        float x = in[i] - shift;
        out[i] = x < EXP_LEAST ? EXP_BELOW : x;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = exp_of(out[i]);
}

WIDE void vector_learn(float *restrict weights, float *restrict squares,
                       const float *restrict gradient, float scale, const struct vector_step *step,
                       uint32_t n)
{
    const struct vector_step its = *step;

    for (uint32_t i = 0; i < n; i++)
        vector_learn_one(&weights[i], &squares[i], scale * gradient[i], &its);
}

float vector_mass(const float *a, float *scratch, uint32_t n)
{
    float most = vector_most(a, n, a[0]), mass;

    vector_exp(scratch, a, most, n);
    mass = vector_sum(scratch, n);
    vector_log(&mass, &mass, 0, 1, 1);
    return most + mass;
}
