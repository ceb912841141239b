/* See bandit.h. */
#include "operators/model/bandit.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define TINY 1e-12

void bandit_add(struct bandit_arm *arm, const double *context, uint32_t width, double examination,
                bool click)
{
    double *cell = arm->moments;

    arm->clicks += click;
    arm->exposure += examination;
    for (uint32_t i = 0; i < width; i++) {
        double weighed = examination * examination * context[i];
        arm->right[i] += click ? examination * context[i] : 0;
        for (uint32_t j = 0; j <= i; j++)
            *cell++ += weighed * context[j];
    }
}

void bandit_fade(struct bandit_arm *arm, double keep)
{
    arm->clicks *= keep;
    arm->exposure *= keep;
    for (uint32_t i = 0; i < BANDIT_CELLS_MAX; i++)
        arm->moments[i] *= keep;
    for (uint32_t i = 0; i < BANDIT_WIDTH_MAX; i++)
        arm->right[i] *= keep;
}

/* ---- Thompson ---- */

static double normal(uint64_t seed, uint64_t draw)
{
    const double angle = 6.283185307179586 * hash_positive(hash_draw(seed + 1, draw));

    return sqrt(-2 * log(hash_positive(hash_draw(seed, draw)))) * cos(angle);
}

/* A draw of a gamma of this shape and scale 1. */
static double gamma_draw(double shape, double z)
{
    double root = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape));

    return root > 0 ? shape * root * root * root : 0;
}

void bandit_thompson(const struct bandit_arm *arms, uint32_t count, double prior, double floor,
                     uint64_t seed, double *probabilities)
{
    double clicks = 0, exposure = 0, rate;
    uint32_t wins[BANDIT_ARMS_MAX] = {0};

    CHECK(count >= 1 && count <= BANDIT_ARMS_MAX && prior > 0);
    for (uint32_t i = 0; i < count; i++) {
        clicks += arms[i].clicks;
        exposure += arms[i].exposure;
    }
    rate = clicks > 0 && exposure > 0 ? clicks / exposure : 1; /* of nothing any will do */
    for (uint32_t draw = 0; draw < BANDIT_DRAWS; draw++) {
        double best = -1;
        uint32_t winner = 0;
        for (uint32_t i = 0; i < count; i++) {
            double z = normal(seed, (uint64_t)draw * BANDIT_ARMS_MAX + i);
            double value =
                gamma_draw(prior + arms[i].clicks, z) / (prior / rate + arms[i].exposure);
            if (value > best) {
                best = value;
                winner = i;
            }
        }
        wins[winner]++;
    }
    for (uint32_t i = 0; i < count; i++)
        probabilities[i] = (1 - floor) * wins[i] / BANDIT_DRAWS + floor / count;
}

uint32_t bandit_draw(const double *probabilities, uint32_t count, double at)
{
    uint32_t i = 0;

    for (; i + 1 < count && at >= probabilities[i]; i++)
        at -= probabilities[i];
    return i;
}

/* ---- LinUCB ---- */

static double *cell_of(double *triangle, uint32_t row, uint32_t column)
{
    return &triangle[row * (row + 1) / 2 + column];
}

/* L y = x. */
static void forward(const double *factor, uint32_t width, double *x)
{
    for (uint32_t i = 0; i < width; i++) {
        const double *row = &factor[i * (i + 1) / 2];
        for (uint32_t k = 0; k < i; k++)
            x[i] -= row[k] * x[k];
        x[i] /= row[i];
    }
}

void bandit_linear(const struct bandit_arm *arm, uint32_t width, double ridge,
                   struct bandit_linear *linear)
{
    double *factor = linear->factor;

    CHECK(width >= 1 && width <= BANDIT_WIDTH_MAX);
    linear->width = width;
    memcpy(factor, arm->moments, sizeof(linear->factor));
    memcpy(linear->theta, arm->right, sizeof(linear->theta));
    for (uint32_t i = 0; i < width; i++) {
        *cell_of(factor, i, i) += ridge;
        for (uint32_t j = 0; j <= i; j++) {
            double sum = *cell_of(factor, i, j);
            for (uint32_t k = 0; k < j; k++)
                sum -= *cell_of(factor, i, k) * *cell_of(factor, j, k);
            *cell_of(factor, i, j) = i == j ? sqrt(fmax(sum, TINY)) : sum / *cell_of(factor, j, j);
        }
    }
    forward(factor, width, linear->theta);
    for (uint32_t i = width; i-- > 0;) {
        for (uint32_t k = i + 1; k < width; k++)
            linear->theta[i] -= *cell_of(factor, k, i) * linear->theta[k];
        linear->theta[i] /= *cell_of(factor, i, i);
    }
}

double bandit_bound(const struct bandit_linear *linear, const double *context, double alpha)
{
    double x[BANDIT_WIDTH_MAX], value = 0, spread = 0;

    for (uint32_t i = 0; i < linear->width; i++) {
        x[i] = context[i];
        value += linear->theta[i] * context[i];
    }
    forward(linear->factor, linear->width, x);
    for (uint32_t i = 0; i < linear->width; i++)
        spread += x[i] * x[i];
    return value + alpha * sqrt(spread);
}
