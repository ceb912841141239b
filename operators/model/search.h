/* search: the largest value of a function over a box, by populations of points: for functions that step,
 * such as the value of a ranking. Pure; all draws are hashes of (seed, generation, point, coordinate).
 *
 *   cross-entropy  points of a normal; the next one is that of the best eighth, smoothed (Rubinstein 1999)
 *   swarm          particles drawn to their own best and to all's (Kennedy, Eberhart 1995; inertia .73,
 *                  both pulls 1.5: Clerc, Kennedy 2002)
 *   genetic        the better of three by lot, blended (BLX-.3: Eshelman, Schaffer 1993), mutated; the two
 *                  best live on
 *
 * The first point of the first generation is the start. Order of calls: init, then for each generation a
 * value for every point of search_point, then search_next. */
#ifndef MILLRACE_MODEL_SEARCH_H
#define MILLRACE_MODEL_SEARCH_H

#include <stdint.h>

#define SEARCH_WIDTH_MAX 24u
#define SEARCH_POINTS 40u

enum search_method { SEARCH_CROSS_ENTROPY, SEARCH_SWARM, SEARCH_GENETIC };

struct search {
    enum search_method method;
    uint32_t width, generation;
    uint64_t seed;
    double low, high; /* of every coordinate */
    double points[SEARCH_POINTS][SEARCH_WIDTH_MAX], values[SEARCH_POINTS];
    double best[SEARCH_WIDTH_MAX], best_value; /* of all so far */
    /* cross-entropy */
    double mean[SEARCH_WIDTH_MAX], spread[SEARCH_WIDTH_MAX];
    /* swarm */
    double speed[SEARCH_POINTS][SEARCH_WIDTH_MAX], own[SEARCH_POINTS][SEARCH_WIDTH_MAX];
    double own_values[SEARCH_POINTS];
};

void search_init(struct search *search, enum search_method method, uint32_t width, double low,
                 double high, const double *start, uint64_t seed);
/* Takes the values of all points, which were put into `values`, and makes the next ones. */
void search_next(struct search *search);

#endif
