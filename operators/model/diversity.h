/* diversity: re-ranks a list so that neighbours are of different kinds: greedy inference in a
 * determinantal point process within a sliding window (Chen, Zhang, Zhou 2018, NeurIPS 31). Pure.
 *
 * Kernel: exp(value_i / 2 strength) on both sides of a similarity that is 1 for an item with itself,
 * `alike` for two of one kind and 0 otherwise. For such a kernel the conditional variance of an item
 * given m of its kind in the window has a closed form,
 *     d^2 = 1 - m alike^2 / (1 + (m - 1) alike)
 * so that the step that maximises the determinant takes the largest value + strength log d^2; no
 * factorisation is needed. */
#ifndef MILLRACE_MODEL_DIVERSITY_H
#define MILLRACE_MODEL_DIVERSITY_H

#include <stdint.h>

struct diversity {
    double strength; /* in units of the values */
    double alike;    /* [0, 1) */
    uint32_t window; /* earlier items that count; at least 1 */
    uint32_t depth;  /* first places that are chosen so; the rest keep their order */
};

double diversity_variance(double alike, uint32_t same);

/* `values` in descending order, `kinds` any identities. Terms, none above 0, such that values +
 * terms, ordered, is the new list. `taken` and `order`: scratch of `count` each. */
void diversity_terms(const struct diversity *diversity, const double *values, const uint64_t *kinds,
                     uint32_t count, double *terms, uint8_t *taken, uint32_t *order);

#endif
