/* diversity: see diversity.h. */
#include "operators/model/diversity.h"

#include <math.h>
#include <string.h>

#define APART 1e-9 /* between neighbours, so that the order of the sums is the order of choice */

double diversity_variance(double alike, uint32_t same)
{
    return same ? 1 - same * alike * alike / (1 + (same - 1) * alike) : 1;
}

static double term_after(const struct diversity *diversity, const uint64_t *kinds,
                         const uint32_t *order, uint32_t place, uint32_t item)
{
    uint32_t from = place > diversity->window ? place - diversity->window : 0, same = 0;

    for (uint32_t i = from; i < place; i++)
        same += kinds[order[i]] == kinds[item];
    return same ? diversity->strength * log(diversity_variance(diversity->alike, same)) : 0;
}

/* The best of those left. Values descend and terms are never above 0: who cannot beat the best so far
 * without a term ends the search. */
static uint32_t pick(const struct diversity *diversity, const double *values, const uint64_t *kinds,
                     uint32_t count, const uint8_t *taken, const uint32_t *order, uint32_t place,
                     double *term)
{
    uint32_t best = count;
    double most = 0;

    for (uint32_t i = 0; i < count; i++) {
        double own;
        if (taken[i])
            continue;
        if (best < count && values[i] <= most)
            break;
        own = term_after(diversity, kinds, order, place, i);
        if (best == count || values[i] + own > most) {
            best = i;
            most = values[i] + own;
            *term = own;
        }
    }
    return best;
}

void diversity_terms(const struct diversity *diversity, const double *values, const uint64_t *kinds,
                     uint32_t count, double *terms, uint8_t *taken, uint32_t *order)
{
    uint32_t depth = diversity->depth < count ? diversity->depth : count;
    double last =
        INFINITY; /* the window moves on: an item may be worth more again, but no more than
                               the one before it */

    memset(taken, 0, count);
    for (uint32_t place = 0; place < depth; place++) {
        double term = 0;
        uint32_t item = pick(diversity, values, kinds, count, taken, order, place, &term);
        taken[item] = 1;
        order[place] = item;
        terms[item] = fmin(term, last - values[item]);
        last = values[item] + terms[item] - APART;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (taken[i])
            continue;
        terms[i] = fmin(0, last - values[i]);
        last = values[i] + terms[i] - APART;
    }
}
