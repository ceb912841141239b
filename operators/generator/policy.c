/* policy: see policy.h. */
#include "operators/generator/policy.h"

#include "runtime/base/check.h"

static uint64_t draw_of(const struct choice_request *request, enum world_tag tag)
{
    return world_hash(request->world->seed, tag, request->user, request->key, 0);
}

double policy_explores(const struct choice_request *request)
{
    return hash_positive(draw_of(request, TAG_EXPLORE));
}

/* The first steps of a shuffle (Fisher and Yates 1938, Durstenfeld 1964). */
void policy_uniform(const struct choice_request *request, uint32_t count, uint32_t length,
                    uint32_t *places)
{
    uint64_t hash = draw_of(request, TAG_LIST);
    uint16_t order[WORLD_CANDIDATES_MAX];

    CHECK(length <= count && count <= WORLD_CANDIDATES_MAX);
    for (uint32_t i = 0; i < count; i++)
        order[i] = (uint16_t)i;
    for (uint32_t k = 0; k < length; k++) {
        uint64_t left = count - k;
        uint64_t from = k + ((world_draw(hash, k) >> 32) * left >> 32);
        places[k] = order[from];
        order[from] = order[k];
    }
}

void policy_best(const double *values, uint32_t count, uint32_t length, uint32_t *places)
{
    uint32_t used = 0;

    CHECK(length <= count);
    for (uint32_t i = 0; i < count && length > 0; i++) {
        uint32_t at = used;
        if (used == length && values[i] <= values[places[used - 1]])
            continue;
        if (used < length)
            used++;
        else
            at--;
        for (; at > 0 && values[places[at - 1]] < values[i]; at--)
            places[at] = places[at - 1];
        places[at] = i;
    }
}
