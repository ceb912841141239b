/* catalogue: the numbers of a ranking's items, in the order of their first event, by their ids (key_ids).
 * Pure, but for its memory. */
#ifndef MILLRACE_MODEL_CATALOGUE_H
#define MILLRACE_MODEL_CATALOGUE_H

#include "runtime/api/operator.h"

#define CATALOGUE_NONE UINT32_MAX

struct catalogue {
    uint32_t items_max, mask;
    uint64_t *ids;   /* by item; 0: there is no such item */
    uint32_t *slots; /* hash table of item numbers + 1 */
};

/* In open. */
void catalogue_init(struct catalogue *catalogue, struct op *op, uint32_t items_max);
/* The item's number, or CATALOGUE_NONE. */
uint32_t catalogue_find(const struct catalogue *catalogue, uint64_t id);
/* An item that is not there, at a number below `items_max` that is free. */
void catalogue_put(struct catalogue *catalogue, uint32_t item, uint64_t id);

#endif
