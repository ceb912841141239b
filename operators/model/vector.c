/* vector: see vector.h. Its meson.build has what these loops are compiled with. */
#include "operators/model/vector.h"

#include <math.h>
#include <string.h>

#define LANES VECTOR_LANES

static float lanes_sum(const float *lanes)
{
    float a = lanes[0] + lanes[4], b = lanes[1] + lanes[5];
    float c = lanes[2] + lanes[6], d = lanes[3] + lanes[7];

    return (a + c) + (b + d);
}

float vector_dot(const float *a, const float *b, uint32_t n)
{
    float lanes[LANES] = {0};
    uint32_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++)
            lanes[lane] += a[i + lane] * b[i + lane];
    for (; i < n; i++)
        lanes[i % LANES] += a[i] * b[i];
    return lanes_sum(lanes);
}

float vector_sum(const float *a, uint32_t n)
{
    float lanes[LANES] = {0};
    uint32_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++)
            lanes[lane] += a[i + lane];
    for (; i < n; i++)
        lanes[i % LANES] += a[i];
    return lanes_sum(lanes);
}

float vector_most(const float *a, uint32_t n, float least)
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

void vector_add(float *restrict to, float scale, const float *restrict from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] += scale * from[i];
}

void vector_scale(float *out, const float *in, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = scale * in[i];
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

void vector_log(float *out, const float *in, float shift, float scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = scale * log_of(in[i] + shift);
}

/* Cephes expf: x = n ln 2 + r. */
static inline float exp_of(float x)
{
    float low = x < -87.0f ? -87.0f : x;
    float t = low * 1.44269504088896341f;
    int32_t n = (int32_t)(t + (t < 0 ? -0.5f : 0.5f)), bits;
    float k = (float)n, r = low - k * 0.693359375f + k * 2.12194440e-4f, y, power;

    y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    bits = (n + 127) * (1 << 23);
    memcpy(&power, &bits, sizeof(power));
    return x < -87.0f ? 0.0f : y * power;
}

void vector_exp(float *out, const float *in, float shift, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = exp_of(in[i] - shift);
}

void vector_learn(float *restrict weights, float *restrict squares, const float *restrict gradient,
                  float scale, const struct vector_step *step, uint32_t n)
{
    float rate = step->rate, decay = step->decay, ridge = step->ridge;

    for (uint32_t i = 0; i < n; i++) {
        float g = scale * gradient[i] - ridge * weights[i];

        squares[i] += g * g;
        weights[i] += rate * g / (sqrtf(squares[i]) + 1e-6f) - decay * weights[i];
    }
}
