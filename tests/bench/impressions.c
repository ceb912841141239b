/* impressions: what the choices of the generated world cost, ns of CPU a request with a list of 10 drawn
 * from 80 candidates; best of several rounds in turns. 30 days of 700 users and 400 items.
 *
 *   scene    circumstances and their effects, as generator/outcome makes them from rec_id
 *   choice   and the past, 10 items, clicks and dislikes
 *   world    and the schedule, the last minute's link and the candidates, as source/generator makes them
 *   judged   scene, and the truth of all candidates on the link as it turns out
 *
 * Limit: one core. Floor: 1 M impressions a CPU second for `world`. How much of it is left with rows and the
 * engine around it is told by impressions.py. usage: impressions [rounds]; seed 1. */
#include "operators/generator/policy.h"
#include "operators/generator/reality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST 10

enum step { SCENE, CHOICE, WORLD, JUDGED };
static const char *const names[] = {"scene", "choice", "world", "judged"};
#define STEPS 4u

struct bench {
    struct reality *reality;
    struct world_user *users;
    struct past *pasts;
    uint64_t requests, clicks;
    double sink; /* so that nothing is left out */
};

static double cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int64_t id_of(const struct world *world, uint32_t slot, int64_t ts_ms)
{
    return world_generation(world, slot, ts_ms) * WORLD_ITEMS_MAX + slot;
}

static struct choice_item meet(struct bench *bench, struct scene *scene, uint32_t slot,
                               const struct world_item **item)
{
    int64_t ts_ms = scene->context.ts_ms;
    struct choice_past past;

    *item = reality_item(bench->reality, id_of(reality_world(bench->reality), slot, ts_ms), ts_ms);
    past = past_of(reality_counts(bench->reality), *item);
    return choice_item_make(&scene->request, *item, &past);
}

static void choose(struct bench *bench, struct scene *scene, const uint32_t *slots)
{
    struct past *past = &bench->pasts[scene->context.user];
    struct past_counts *counts = reality_counts(bench->reality);
    int64_t ts_ms = scene->context.ts_ms, ids[LIST];
    uint32_t count = (uint32_t)reality_world(bench->reality)->options.candidates, places[LIST];
    bool clicked[LIST];

    policy_uniform(&scene->request, count, LIST, places);
    past_count(past, ts_ms, counts);
    for (uint32_t k = 0; k < LIST; k++) {
        const struct world_item *item;
        struct choice_item chosen = meet(bench, scene, slots[places[k]], &item);
        double p = choice_examination(k + 1) * choice_sigmoid(chosen.x);
        clicked[k] = choice_luck(&scene->request, TAG_CLICK, item) < p;
        if (choice_luck(&scene->request, TAG_DISLIKE, item) < choice_dislike(&chosen, k + 1))
            past_dislike(past, item->category, ts_ms);
        bench->clicks += clicked[k];
        ids[k] = item->id;
    }
    past_clear(past, counts);
    for (uint32_t k = 0; k < LIST; k++)
        past_show(past, ids[k], ts_ms, clicked[k]);
}

static void judge(struct bench *bench, struct scene *scene, const uint32_t *slots)
{
    uint32_t count = (uint32_t)reality_world(bench->reality)->options.candidates;
    const struct link *link = reality_link(bench->reality, scene);

    for (uint32_t i = 0; i < count; i++) {
        const struct world_item *item;
        struct choice_item chosen = meet(bench, scene, slots[i], &item);
        struct choice_play play = choice_play_make(&scene->request, link, item->weight, 1);
        bench->sink += choice_sigmoid(chosen.x) +
                       choice_conversion(&scene->request, &chosen, &play) +
                       choice_fraction(&chosen) * play.keep_seconds;
    }
}

static void handle(struct bench *bench, const struct world_user *user, int64_t rec_id,
                   enum step step, uint32_t *slots)
{
    const struct world *world = reality_world(bench->reality);
    struct scene scene;

    CHECK(reality_scene(bench->reality, rec_id, &scene));
    bench->requests++;
    bench->sink += scene.request.sensitivity;
    if (step == SCENE)
        return;
    if (step == WORLD) {
        world_link_past(world, user, &scene.context);
        bench->sink += scene.context.link.q20;
    }
    if (step != CHOICE || slots[1] == slots[0])
        world_candidates(world, &scene.context, slots);
    if (step == JUDGED)
        judge(bench, &scene, slots);
    else
        choose(bench, &scene, slots);
}

/* Hour by hour, as rows come. */
static void run(struct bench *bench, enum step step)
{
    const struct world *world = reality_world(bench->reality);
    uint32_t slots[WORLD_CANDIDATES_MAX] = {0};

    bench->requests = bench->clicks = 0;
    memset(bench->pasts, 0, (size_t)world->options.users * sizeof(*bench->pasts));
    for (int64_t hour = 0; hour < world->options.days * 24; hour++)
        for (uint32_t u = 0; u < world->options.users; u++) {
            const struct world_user *user = &bench->users[u];
            uint32_t count = world_request_count(world, user, hour);
            for (uint32_t k = 0; k < count; k++)
                handle(bench, user, world_rec_id((enum world_site)world->options.site, u, hour, k),
                       step, slots);
        }
}

static double schedule_ns(struct bench *bench)
{
    const struct world *world = reality_world(bench->reality);
    double began = cpu_ns();

    for (int64_t hour = 0; hour < world->options.days * 24; hour++)
        for (uint32_t u = 0; u < world->options.users; u++)
            bench->sink += world_request_count(world, &bench->users[u], hour);
    return cpu_ns() - began;
}

static void measure(const char *site, uint32_t rounds)
{
    struct bench bench = {.reality = reality_create()};
    double best[STEPS], schedule = 0;
    uint32_t users;
    struct error err;
    char text[64];

    (void)snprintf(text, sizeof(text), "site=%s days=30", site);
    CHECK(reality_set(bench.reality, text, (uint32_t)strlen(text), &err));
    users = (uint32_t)reality_world(bench.reality)->options.users;
    bench.pasts = calloc(users, sizeof(*bench.pasts));
    bench.users = calloc(users, sizeof(*bench.users));
    CHECK(bench.pasts && bench.users);
    for (uint32_t u = 0; u < users; u++)
        world_user_make(reality_world(bench.reality), u, &bench.users[u]);
    for (uint32_t round = 0; round < rounds; round++) {
        double took = schedule_ns(&bench);
        schedule = round == 0 || took < schedule ? took : schedule;
        for (uint32_t step = 0; step < STEPS; step++) {
            double began = cpu_ns();
            run(&bench, (enum step)step);
            took = cpu_ns() - began;
            best[step] = round == 0 || took < best[step] ? took : best[step];
        }
    }
    (void)printf("%s:", site);
    for (uint32_t step = 0; step < STEPS; step++)
        (void)printf(" %s %.0f", names[step],
                     (best[step] - (step == WORLD ? 0 : schedule)) / (double)bench.requests);
    (void)printf(" ns a request; %.2f M impressions a CPU second of world (sum %g)\n",
                 (double)bench.requests * LIST / best[WORLD] * 1e3, bench.sink);
    free(bench.pasts);
    free(bench.users);
    reality_close(bench.reality);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 5;

    for (uint32_t site = 0; site < WORLD_SITES; site++)
        measure(world_site_names[site], rounds);
    return 0;
}
