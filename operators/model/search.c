/* See search.h. */
#include "operators/model/search.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

#define ELITE 5u        /* an eighth */
#define SMOOTHING 0.7   /* of the new mean and spread */
#define SPREAD_MIN 0.01 /* of the box */
#define INERTIA 0.73
#define PULL 1.5
#define SURVIVORS 2u
#define BLEND 0.3
#define MUTATION 0.2       /* probability of a coordinate */
#define MUTATION_SIZE 0.08 /* of the box */

/* ---- draws ---- */

enum draw {
    DRAW_FIRST,
    DRAW_NORMAL,
    DRAW_ANGLE,
    DRAW_OWN,
    DRAW_ALL,
    DRAW_LOT,
    DRAW_MIX,
    DRAW_MUTATE
};

static double uniform(const struct search *search, uint32_t point, uint32_t coordinate,
                      enum draw draw)
{
    uint64_t at = ((uint64_t)search->generation << 32) | (point << 16) | (coordinate << 8) | draw;

    return hash_positive(hash_draw(search->seed, at));
}

static double normal(const struct search *search, uint32_t point, uint32_t coordinate)
{
    return sqrt(-2 * log(uniform(search, point, coordinate, DRAW_NORMAL))) *
           cos(2 * M_PI * uniform(search, point, coordinate, DRAW_ANGLE));
}

static double hold(const struct search *search, double value)
{
    return value < search->low ? search->low : value > search->high ? search->high : value;
}

/* ---- a generation ---- */

void search_init(struct search *search, enum search_method method, uint32_t width, double low,
                 double high, const double *start, uint64_t seed)
{
    CHECK(width >= 1 && width <= SEARCH_WIDTH_MAX && low < high);
    memset(search, 0, sizeof(*search));
    search->method = method;
    search->width = width;
    search->seed = seed;
    search->low = low;
    search->high = high;
    search->best_value = -INFINITY;
    for (uint32_t i = 0; i < width; i++) {
        search->mean[i] = hold(search, start[i]);
        search->spread[i] = (high - low) / 4;
        search->points[0][i] = search->mean[i];
    }
    for (uint32_t k = 0; k < SEARCH_POINTS; k++) {
        search->own_values[k] = -INFINITY;
        for (uint32_t i = 0; k > 0 && i < width; i++)
            search->points[k][i] =
                method == SEARCH_CROSS_ENTROPY
                    ? hold(search, search->mean[i] + search->spread[i] * normal(search, k, i))
                    : low + (high - low) * uniform(search, k, i, DRAW_FIRST);
    }
}

/* Numbers of the points, best first; ties by number. */
static void rank_points(const struct search *search, uint32_t *order)
{
    for (uint32_t k = 0; k < SEARCH_POINTS; k++) {
        uint32_t at = k;
        for (; at > 0 && search->values[k] > search->values[order[at - 1]]; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
}

static void next_normal(struct search *search, const uint32_t *order)
{
    for (uint32_t i = 0; i < search->width; i++) {
        double mean = 0, squares = 0, spread, least = SPREAD_MIN * (search->high - search->low);
        for (uint32_t k = 0; k < ELITE; k++)
            mean += search->points[order[k]][i] / ELITE;
        for (uint32_t k = 0; k < ELITE; k++)
            squares += (search->points[order[k]][i] - mean) * (search->points[order[k]][i] - mean);
        spread = sqrt(squares / ELITE);
        search->mean[i] += SMOOTHING * (mean - search->mean[i]);
        search->spread[i] += SMOOTHING * (spread - search->spread[i]);
        search->spread[i] = search->spread[i] > least ? search->spread[i] : least;
    }
    for (uint32_t k = 0; k < SEARCH_POINTS; k++)
        for (uint32_t i = 0; i < search->width; i++)
            search->points[k][i] =
                hold(search, search->mean[i] + search->spread[i] * normal(search, k, i));
}

static void next_swarm(struct search *search)
{
    for (uint32_t k = 0; k < SEARCH_POINTS; k++) {
        if (search->values[k] > search->own_values[k]) {
            search->own_values[k] = search->values[k];
            memcpy(search->own[k], search->points[k], sizeof(search->own[k]));
        }
        for (uint32_t i = 0; i < search->width; i++) {
            double *speed = &search->speed[k][i], *at = &search->points[k][i], moved;
            *speed = INERTIA * *speed +
                     PULL * uniform(search, k, i, DRAW_OWN) * (search->own[k][i] - *at) +
                     PULL * uniform(search, k, i, DRAW_ALL) * (search->best[i] - *at);
            moved = hold(search, *at + *speed);
            if (moved != *at + *speed)
                *speed = 0; /* it has met the wall */
            *at = moved;
        }
    }
}

/* The best of three by lot. */
static uint32_t parent_of(const struct search *search, uint32_t child, uint32_t which)
{
    uint32_t best = SEARCH_POINTS;

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t k = (uint32_t)(uniform(search, child, 3 * which + i, DRAW_LOT) * SEARCH_POINTS);
        if (best == SEARCH_POINTS || search->values[k] > search->values[best])
            best = k;
    }
    return best;
}

static void next_genetic(struct search *search, const uint32_t *order)
{
    double next[SEARCH_POINTS][SEARCH_WIDTH_MAX] = {{0}};

    for (uint32_t k = 0; k < SEARCH_POINTS; k++) {
        const double *mother = search->points[k < SURVIVORS ? order[k] : parent_of(search, k, 0)];
        const double *father = search->points[k < SURVIVORS ? order[k] : parent_of(search, k, 1)];
        for (uint32_t i = 0; i < search->width; i++) {
            double mix = -BLEND + (1 + 2 * BLEND) * uniform(search, k, i, DRAW_MIX), value;
            value = mother[i] + mix * (father[i] - mother[i]);
            if (k >= SURVIVORS && uniform(search, k, i, DRAW_MUTATE) < MUTATION)
                value += MUTATION_SIZE * (search->high - search->low) * normal(search, k, i);
            next[k][i] = hold(search, value);
        }
    }
    memcpy(search->points, next, sizeof(next));
}

void search_next(struct search *search)
{
    uint32_t order[SEARCH_POINTS];

    rank_points(search, order);
    if (search->values[order[0]] > search->best_value) {
        search->best_value = search->values[order[0]];
        memcpy(search->best, search->points[order[0]], sizeof(search->best));
    }
    search->generation++;
    switch (search->method) {
    case SEARCH_CROSS_ENTROPY:
        next_normal(search, order);
        break;
    case SEARCH_SWARM:
        next_swarm(search);
        break;
    case SEARCH_GENETIC:
        next_genetic(search, order);
        break;
    }
}
