/* catalogue: see catalogue.h. */
#include "operators/model/catalogue.h"

void catalogue_init(struct catalogue *catalogue, struct op *op, uint32_t items_max)
{
    uint32_t slots = 1024;

    while (slots / 2 < items_max)
        slots *= 2;
    *catalogue = (struct catalogue){.items_max = items_max, .mask = slots - 1};
    catalogue->ids = op_memory(op, items_max * sizeof(*catalogue->ids));
    catalogue->slots = op_memory(op, slots * sizeof(*catalogue->slots));
}

static uint32_t slot_of(const struct catalogue *catalogue, uint64_t id)
{
    uint32_t at = (uint32_t)id & catalogue->mask;

    while (catalogue->slots[at] && catalogue->ids[catalogue->slots[at] - 1] != id)
        at = (at + 1) & catalogue->mask;
    return at;
}

uint32_t catalogue_find(const struct catalogue *catalogue, uint64_t id)
{
    return catalogue->slots[slot_of(catalogue, id)] - 1; /* an empty slot gives CATALOGUE_NONE */
}

void catalogue_put(struct catalogue *catalogue, uint32_t item, uint64_t id)
{
    CHECK(item < catalogue->items_max && catalogue->ids[item] == 0);
    catalogue->slots[slot_of(catalogue, id)] = item + 1;
    catalogue->ids[item] = id;
}
