/* world_item: the items of the generated world; see world.h. */
#include "operators/model/world_hash.h"
#include "operators/model/world_parts.h"

struct site {
    int64_t life_ms;
    double form_until[WORLD_FORMS]; /* cumulated shares */
    double weight[WORLD_FORMS], seconds[WORLD_FORMS];
};

static const struct site sites[WORLD_SITES] = {
    [SITE_SHOP] = {180 * WORLD_DAY_MS, {.15, .80, 1}, {.3, .8, 2.5}, {30, 30, 40}},
    [SITE_VIDEO] = {90 * WORLD_DAY_MS, {.25, .55, 1}, {.8, 1.6, 3.2}, {45, 180, 900}},
    [SITE_NEWS] = {2 * WORLD_DAY_MS, {.35, .80, 1}, {.2, .8, 2.5}, {90, 60, 75}},
};

enum { DRAW_QUALITY = WORLD_D, DRAW_FORM, DRAW_WEIGHT, DRAW_SECONDS }; /* after the vector's */

/* So that not all slots change at once. */
static int64_t slot_offset_ms(const struct world *world, uint32_t slot)
{
    uint64_t site = (uint64_t)world->options.site;

    return (int64_t)(hash_positive(world_hash(world->seed, TAG_SLOT, slot, site, 0)) *
                     (double)sites[site].life_ms);
}

int64_t world_generation(const struct world *world, uint32_t slot, int64_t ts_ms)
{
    int64_t since_ms = ts_ms - WORLD_DAY0_MS + slot_offset_ms(world, slot);

    CHECK(since_ms >= 0);
    return since_ms / sites[world->options.site].life_ms;
}

void world_item_make(const struct world *world, uint32_t slot, int64_t generation,
                     struct world_item *made)
{
    const struct site *site = &sites[world->options.site];
    uint64_t hash = world_hash(world->seed, TAG_ITEM, slot, (uint64_t)generation,
                               (uint64_t)world->options.site);
    double form = hash_positive(world_draw(hash, DRAW_FORM));

    CHECK(slot < WORLD_ITEMS_MAX && generation >= 0);
    made->id = generation * WORLD_ITEMS_MAX + slot;
    made->slot = slot;
    made->generation = generation;
    made->born_ms = WORLD_DAY0_MS + generation * site->life_ms - slot_offset_ms(world, slot);
    made->end_ms = made->born_ms + site->life_ms;
    made->age_steps = 1e4 / (double)site->life_ms;
    made->category = (int32_t)(slot % WORLD_CATEGORIES);
    made->form = (enum world_form)((form >= site->form_until[0]) + (form >= site->form_until[1]));
    world_unit(hash, 0.75, world->category[made->category], 0.3, made->vector, WORLD_D);
    made->quality = 0.45 * world_normal(world_draw(hash, DRAW_QUALITY));
    made->weight = world_round(
        site->weight[made->form] * exp(0.25 * world_normal(world_draw(hash, DRAW_WEIGHT))), 1000);
    made->seconds = world_round(
        site->seconds[made->form] * exp(0.5 * world_normal(world_draw(hash, DRAW_SECONDS))), 10);
}
