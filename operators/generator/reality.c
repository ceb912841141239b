/* reality: see reality.h. */
#include "operators/generator/reality.h"

#include "operators/model/link_traces.h"
#include "runtime/base/memory.h"

#include <string.h>

#define USERS_KEPT 4096u /* a power of two; others take their places */

struct person {
    struct world_user user;
    struct choice_user habits;
    uint64_t id; /* + 1; 0: empty */
};

struct reality {
    char text[WORLD_OPTIONS_TEXT_MAX];
    uint32_t text_size;
    struct arena *arena; /* of what follows from the text */
    struct world *world; /* NULL: none yet */
    struct choice *choice;
    struct world_item *items; /* by slot, of options.items */
    struct past_counts counts;
    struct person people[USERS_KEPT];
};

struct reality *reality_create(void)
{
    return memory_new(sizeof(struct reality));
}

static void forget(struct reality *reality)
{
    choice_close(reality->choice);
    memory_free(reality->world);
    memory_free(reality->items);
    memory_free(reality->counts.items);
    if (reality->arena)
        arena_close(reality->arena);
    memset(reality, 0, sizeof(*reality));
}

void reality_close(struct reality *reality)
{
    if (reality)
        forget(reality);
    memory_free(reality);
}

bool reality_set(struct reality *reality, const char *text, uint32_t size, struct error *err)
{
    const struct link_traces *traces = NULL;
    struct world_options options;
    struct arena *arena;

    if (reality->world && size == reality->text_size && memcmp(text, reality->text, size) == 0)
        return true;
    arena = arena_create(WORLD_OPTIONS_TEXT_MAX);
    if (!world_options_read(&options, text, size, arena, err) ||
        (options.traces && !(traces = link_traces_read(options.traces, arena, err)))) {
        arena_close(arena);
        return false;
    }
    CHECK(size < sizeof(reality->text));
    forget(reality);
    reality->arena = arena;
    memcpy(reality->text, text, size);
    reality->text_size = size;
    reality->world = memory_new(world_size(&options));
    world_init(reality->world, &options);
    reality->world->traces = traces;
    reality->choice = choice_create(reality->world);
    reality->items = memory_array((size_t)options.items, sizeof(*reality->items));
    reality->counts.items = memory_array((size_t)options.items, sizeof(*reality->counts.items));
    return true;
}

const struct world *reality_world(const struct reality *reality)
{
    return reality->world;
}

const struct choice *reality_choice(const struct reality *reality)
{
    return reality->choice;
}

struct past_counts *reality_counts(struct reality *reality)
{
    return &reality->counts;
}

static const struct person *person_of(struct reality *reality, uint32_t user)
{
    struct person *person = &reality->people[user % USERS_KEPT];

    if (person->id != user + UINT64_C(1)) {
        person->id = user + UINT64_C(1);
        world_user_make(reality->world, user, &person->user);
        choice_user_make(reality->choice, user, &person->habits);
    }
    return person;
}

bool reality_scene(struct reality *reality, int64_t rec_id, struct scene *scene)
{
    const struct world_options *options = &reality->world->options;
    uint32_t user = world_rec_user(rec_id), request = world_rec_request(rec_id);
    int64_t hour = world_rec_hour(rec_id), day = hour / 24;
    const struct person *person;

    if (rec_id < 0 || rec_id >> 50 != options->site || user >= options->users ||
        request >= WORLD_REQUESTS_MAX || day < options->first_day ||
        day >= options->first_day + options->days)
        return false;
    person = person_of(reality, user);
    scene->user = &person->user;
    scene->past = scene->next = false;
    world_context_make(reality->world, &person->user, hour, request, &scene->context);
    choice_request_make(reality->choice, &person->user, &person->habits, &scene->context,
                        &scene->request);
    return true;
}

const struct link *reality_link(const struct reality *reality, struct scene *scene)
{
    if (!scene->past)
        world_link_past(reality->world, scene->user, &scene->context);
    if (!scene->next)
        world_link_next(&scene->context);
    scene->past = scene->next = true;
    return &scene->context.link;
}

const struct world_item *reality_item(struct reality *reality, int64_t id, int64_t ts_ms)
{
    uint32_t slot = world_item_slot(id);
    const struct world_item *item;

    if (id < 0 || slot >= reality->world->options.items)
        return NULL;
    item = world_item_at(reality->world, reality->items, slot, ts_ms);
    return item->id == id ? item : NULL;
}
