/* ranking_attributes: see ranking_attributes.h. */
#include "operators/model/ranking_attributes.h"

#include "operators/model/vector.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define PROFILE_DECAY 0.95f
#define DECAY 0.9f
#define DAMP 3.0f           /* events that are thought to have been taken as all users do */
#define SPREAD_EVENTS 1000u /* that a spread remembers */

static_assert(sizeof(struct attributes_item) % 4 == 0, "tags stand behind items");

/* ---- items ---- */

static uint32_t slots_for(uint32_t items_max)
{
    uint32_t slots = 64;

    while (slots / 2 < items_max * ATTRIBUTES_TAGS)
        slots *= 2;
    return slots;
}

size_t attributes_size(uint32_t items_max)
{
    return items_max * sizeof(struct attributes_item) +
           slots_for(items_max) * sizeof(struct attributes_tag);
}

void attributes_init(struct attributes *attributes, struct ranker *ranker, uint32_t numbers,
                     uint32_t items_max, void *memory)
{
    *attributes = (struct attributes){.counts = &ranker->items,
                                      .numbers = numbers,
                                      .items = memory,
                                      .mask = slots_for(items_max) - 1};
    attributes->tags = (struct attributes_tag *)(void *)(attributes->items + items_max);
    ranker_set_attributes(ranker, attributes);
}

void attributes_add_tag(struct attributes_item *item, uint32_t hash)
{
    hash = hash ? hash : 1;
    for (uint32_t i = 0; i < item->tag_count; i++)
        if (item->tags[i] == hash)
            return;
    if (item->tag_count < ATTRIBUTES_TAGS)
        item->tags[item->tag_count++] = hash;
}

/* Where the tag stands, or a free slot. */
static struct attributes_tag *find(const struct attributes *attributes, uint32_t hash)
{
    uint32_t at = hash & attributes->mask;

    while (attributes->tags[at].hash && attributes->tags[at].hash != hash)
        at = (at + 1) & attributes->mask;
    return &attributes->tags[at];
}

/* Adds to the events of the item's tags, which are made where they are new. */
static void add_events(struct attributes *attributes, uint32_t item, uint32_t events)
{
    const struct attributes_item *own = &attributes->items[item];

    for (uint32_t i = 0; i < own->tag_count; i++) {
        struct attributes_tag *tag = find(attributes, own->tags[i]);

        attributes->tag_count += tag->hash == 0;
        tag->hash = own->tags[i];
        tag->events += events;
    }
}

static uint32_t events_of(const struct attributes *attributes, uint32_t item)
{
    return (uint32_t)attributes->counts->events[item];
}

static void make_tags(struct attributes *attributes)
{
    memset(attributes->tags, 0, (attributes->mask + 1) * sizeof(*attributes->tags));
    attributes->tag_count = 0;
    for (uint32_t item = 0; item < attributes->item_count; item++)
        add_events(attributes, item, events_of(attributes, item));
}

void attributes_set(struct attributes *attributes, uint32_t item, const struct attributes_item *is)
{
    add_events(attributes, item, 0 - events_of(attributes, item));
    attributes->items[item] = *is;
    if (item >= attributes->item_count)
        attributes->item_count = item + 1;
    if (attributes->tag_count + is->tag_count > (attributes->mask + 1) / 2)
        make_tags(attributes);
    else
        add_events(attributes, item, events_of(attributes, item));
}

/* ---- the user ---- */

static float share_of(const struct attributes_item *item)
{
    return item->tag_count > 0 ? 1 / sqrtf((float)item->tag_count) : 0;
}

static void take(struct attributes *attributes, const struct attributes_item *item, float weight,
                 float taken, bool newest)
{
    float each = share_of(item);

    for (uint32_t i = 0; i < item->tag_count; i++) {
        struct attributes_tag *tag = find(attributes, item->tags[i]);

        if (tag->request != attributes->request) {
            attributes->used[attributes->used_count++] = (uint32_t)(tag - attributes->tags);
            tag->request = attributes->request;
            tag->weight = tag->newest = tag->taken = 0;
        }
        tag->weight += weight * each;
        tag->taken += taken;
        if (newest)
            tag->newest = each;
    }
}

/* `all`: of the weights of what was taken. */
static void make_lifts(struct attributes *attributes, float all, uint32_t events)
{
    float share = 1 / (all + DAMP), *lifts = attributes->scratch;

    attributes->absent = DAMP * share;
    vector_log(&attributes->absent, &attributes->absent, 0, 0.5f, 1);
    for (uint32_t i = 0; i < attributes->used_count; i++) {
        const struct attributes_tag *tag = &attributes->tags[attributes->used[i]];
        float expected = ((float)tag->events + 0.5f) / ((float)events + 5);

        lifts[i] = (tag->taken / expected + DAMP) * share;
    }
    vector_log(lifts, lifts, 0, 0.5f, attributes->used_count);
    for (uint32_t i = 0; i < attributes->used_count; i++)
        attributes->tags[attributes->used[i]].lift = lifts[i];
}

static void make_profile(struct attributes *attributes, const struct ranker_request *asked)
{
    float weight = 1, taken = 1, all = 0, square = 0;

    attributes->request++;
    attributes->used_count = 0;
    for (uint32_t b = 0; b < asked->history_count; b++) {
        take(attributes, &attributes->items[asked->history[b]], weight, taken, b == 0);
        all += taken;
        weight *= PROFILE_DECAY;
        taken *= DECAY;
    }
    for (uint32_t i = 0; i < attributes->used_count; i++) {
        float value = attributes->tags[attributes->used[i]].weight;

        square += value * value;
    }
    attributes->length = sqrtf(square);
    make_lifts(attributes, all, asked->now);
}

static bool knows(uint32_t known, uint32_t n)
{
    return known >> n & 1;
}

static void make_mean(struct attributes *attributes, const struct ranker_request *asked, uint32_t n)
{
    float weight = 1, sum = 0, weights = 0;

    for (uint32_t b = 0; b < asked->history_count; b++, weight *= DECAY) {
        const struct attributes_item *item = &attributes->items[asked->history[b]];

        if (!knows(item->known, n))
            continue;
        sum += weight * item->numbers[n];
        weights += weight;
    }
    if (weights <= 0)
        return;
    attributes->means[n] = sum / weights;
    attributes->known |= 1u << n;
}

void attributes_begin(struct attributes *attributes, const struct ranker_request *asked)
{
    attributes->known = 0;
    for (uint32_t n = 0; n < attributes->numbers; n++)
        make_mean(attributes, asked, n);
}

/* ---- features ---- */

static void rate_tags(struct attributes *attributes, struct ranker *ranker)
{
    float *profile = ranker_values(ranker, FEATURE_TAGS);
    float *newest = ranker_values(ranker, FEATURE_TAGS_NEWEST);
    float *lift = ranker_values(ranker, FEATURE_TAGS_LIFT);
    float *least = ranker_values(ranker, FEATURE_TAGS_LEAST);
    float share = attributes->length > 0 ? 1 / attributes->length : 0;

    for (uint32_t j = 0; j < ranker->count; j++) {
        const struct attributes_item *item = &attributes->items[ranker->candidates[j]];
        float each = share_of(item);

        profile[j] = newest[j] = lift[j] = least[j] = 0;
        for (uint32_t i = 0; i < item->tag_count; i++) {
            const struct attributes_tag *tag = find(attributes, item->tags[i]);
            bool taken = tag->request == attributes->request;
            float own = taken ? tag->lift : attributes->absent;

            profile[j] += taken ? tag->weight * each * share : 0;
            newest[j] += taken ? tag->newest * each : 0;
            lift[j] += own / (float)item->tag_count;
            least[j] = i == 0 || own < least[j] ? own : least[j];
        }
    }
}

static float distance(const struct attributes *attributes, uint32_t n, uint32_t item)
{
    return fabsf(attributes->items[item].numbers[n] - attributes->means[n]);
}

static void rate_number(const struct attributes *attributes, uint32_t n, struct ranker *ranker)
{
    float *out = ranker_values(ranker, FEATURE_NUMBER + n), spread = attributes->spreads[n].mean;

    if (!knows(attributes->known, n) || spread <= 0) {
        memset(out, 0, ranker->count * sizeof(*out));
        return;
    }
    for (uint32_t j = 0; j < ranker->count; j++) {
        uint32_t item = ranker->candidates[j];
        bool known = knows(attributes->items[item].known, n);

        out[j] = known ? 8 * distance(attributes, n, item) / spread : 8;
    }
    vector_log(out, out, 1, -0.4f, ranker->count);
}

void attributes_rate(struct attributes *attributes, struct ranker *ranker)
{
    make_profile(attributes, &ranker->asked);
    rate_tags(attributes, ranker);
    for (uint32_t n = 0; n < attributes->numbers; n++)
        rate_number(attributes, n, ranker);
}

void attributes_count(struct attributes *attributes, uint32_t item)
{
    uint32_t known = attributes->known & attributes->items[item].known;

    add_events(attributes, item, 1);
    for (uint32_t n = 0; n < attributes->numbers; n++) {
        struct attributes_spread *spread = &attributes->spreads[n];

        if (!knows(known, n))
            continue;
        spread->events += spread->events < SPREAD_EVENTS;
        spread->mean += (distance(attributes, n, item) - spread->mean) / (float)spread->events;
    }
}
