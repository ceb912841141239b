/* requests: what the requests of the generated world cost, ns of CPU for each step, alone and as
 * source/generator gives them; best of several rounds in turns. 60 days of 700 users and 400 items, 80
 * candidates a request; a list has 10 items, so a request is 10 impressions.
 *
 *   schedule    is there a session in this hour, how many requests, when (a user's hour)
 *   context     where, on what network, with what budget (a request)
 *   link        the last minute's throughput, a second at a time (a request)
 *   candidates  80 slots and their items (a request)
 *   rows        all of it as batches of the operator: 28 columns and 80 items of 6 (a request)
 *
 * Limit: one core. Floor: 1 M impressions a CPU second for all of this and the choice of items together,
 * so this alone has to be well above. usage: requests [rounds]; seed 1. */
#include "operators/model/world.h"
#include "runtime/api/operator.h"
#include "runtime/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST 10

/* ---- an engine for one source ---- */

struct op {
    const struct world_options *options;
    const struct schema *schema;
    void *scratch;
    struct arena *arena;
};
struct describe {
    struct op *op;
};

extern const struct operator_def source_generator;

const void *op_config(const struct op *op)
{
    return op->options;
}

void *op_memory(struct op *op, size_t size)
{
    return arena_new(op->arena, size);
}

void *op_scratch(const struct op *op)
{
    return op->scratch;
}

void op_set_scratch(struct op *op, void *scratch)
{
    op->scratch = scratch;
}

bool op_output_reads(const struct op *op, uint32_t port, uint32_t column)
{
    return port == 0 && column < op->schema->count;
}

const void *describe_config(const struct describe *describe)
{
    return describe->op->options;
}

struct arena *describe_arena(struct describe *describe)
{
    return describe->op->arena;
}

void describe_output(struct describe *describe, uint32_t port, const struct schema *schema)
{
    CHECK(port == 0);
    describe->op->schema = schema;
}

void describe_output_key(struct describe *describe, uint32_t port, const struct text_list *columns)
{
    CHECK(describe->op && port == 0 && columns->count == 1);
}

void describe_ordered(struct describe *describe)
{
    CHECK(describe->op);
}

bool describe_error(struct describe *describe, struct error *err, const char *option,
                    const char *how, const char *what, ...)
{
    (void)describe, (void)err, (void)how, (void)what;
    check_failed(__FILE__, __LINE__, option);
}

bool split_list_add(struct split_list *list, const char *name, int64_t begin, int64_t end)
{
    struct split split = {list->count, arena_text(list->arena, name), begin, end};

    CHECK(list->count < list->capacity);
    list->splits[list->count++] = split;
    return true;
}

/* ---- the steps ---- */

struct bench {
    struct op op;
    struct world *world;
    struct world_user *users;
    struct world_item *items;
    uint64_t hours, requests;
    struct request {
        uint32_t user, request;
        int64_t hour;
    } * list;
    double sink; /* so that nothing is left out */
};

static double cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_schedule(struct bench *bench)
{
    const struct world_options *options = bench->op.options;
    int64_t end = options->days * 24;

    bench->requests = 0;
    for (int64_t hour = 0; hour < end; hour++)
        for (uint32_t user = 0; user < options->users; user++) {
            uint32_t count = world_request_count(bench->world, &bench->users[user], hour);
            for (uint32_t i = 0; i < count; i++) {
                bench->sink += (double)world_request_ms(bench->world, &bench->users[user], hour, i);
                bench->list[bench->requests++] = (struct request){user, i, hour};
            }
        }
    bench->hours = (uint64_t)(end * options->users);
}

enum step { CONTEXT, LINK, CANDIDATES };

static void run_step(struct bench *bench, enum step step)
{
    struct world_context context;
    uint32_t slots[WORLD_CANDIDATES_MAX];

    for (uint64_t i = 0; i < bench->requests; i++) {
        const struct request *request = &bench->list[i];
        const struct world_user *user = &bench->users[request->user];
        switch (step) {
        case CONTEXT:
            world_context_make(bench->world, user, request->hour, request->request, &context);
            bench->sink += context.budget_used;
            break;
        case LINK:
            context.hour = request->hour;
            context.request = request->request;
            context.net = NET_WIFI;
            context.place = PLACE_HOME;
            world_link_past(bench->world, user, &context);
            bench->sink += context.link.q20;
            break;
        case CANDIDATES:
            context.user = request->user;
            context.hour = request->hour;
            context.request = request->request;
            world_candidates(bench->world, &context, slots);
            for (uint32_t k = 0; k < (uint32_t)bench->op.options->candidates; k++)
                bench->sink += world_item_at(bench->world, bench->items, slots[k],
                                             WORLD_DAY0_MS + request->hour * WORLD_HOUR_MS)
                                   ->weight;
            break;
        }
    }
}

static void run_rows(struct bench *bench)
{
    const struct operator_def *def = &source_generator;
    struct split splits[8];
    struct split_list list = {bench->op.arena, 0, 8, splits};
    struct builder *builder = builder_create(bench->op.schema, false);
    struct error err;
    uint64_t rows = 0;

    CHECK(def->splits(bench->op.options, &list, &err) && def->open(&bench->op, &err));
    for (uint32_t i = 0; i < list.count; i++) {
        enum read_result result = READ_MORE;
        void *reader = def->split_open(&bench->op, &splits[i], NULL, &err);
        CHECK(reader);
        while (result == READ_MORE) {
            struct batch *batch;
            result = def->split_read(&bench->op, reader, builder, &err);
            CHECK(result == READ_MORE || result == READ_END);
            batch = builder_finish(builder);
            rows += batch ? batch_rows(batch) : 0;
            batch_release(&batch);
        }
        def->split_close(reader);
    }
    CHECK(rows == bench->requests);
    builder_close(builder);
}

static const char *const names[] = {"schedule", "context", "link", "candidates", "rows"};
#define STEPS 5u

static void run(struct bench *bench, uint32_t step)
{
    if (step == 0)
        run_schedule(bench);
    else if (step < STEPS - 1)
        run_step(bench, (enum step)(step - 1));
    else
        run_rows(bench);
}

static void measure(const char *site, uint32_t rounds)
{
    struct bench bench = {.op.arena = arena_create(1 << 20)};
    struct describe describe = {&bench.op};
    struct world_options options;
    struct error err;
    double best[STEPS], made;
    char text[64];

    (void)snprintf(text, sizeof(text), "site=%s", site);
    CHECK(world_options_read(&options, text, strlen(text), bench.op.arena, &err));
    bench.op.options = &options;
    CHECK(source_generator.describe(&describe, &err));
    bench.world = arena_new(bench.op.arena, world_size(&options));
    world_init(bench.world, &options);
    bench.users = arena_new(bench.op.arena, (size_t)options.users * sizeof(*bench.users));
    bench.items = arena_new(bench.op.arena, (size_t)options.items * sizeof(*bench.items));
    bench.list = arena_new(bench.op.arena,
                           (size_t)(options.users * options.days * 24) * sizeof(*bench.list));
    for (uint32_t user = 0; user < options.users; user++)
        world_user_make(bench.world, user, &bench.users[user]);
    for (uint32_t round = 0; round < rounds; round++)
        for (uint32_t step = 0; step < STEPS; step++) {
            double began = cpu_ns(), took;
            run(&bench, step);
            took = cpu_ns() - began;
            best[step] = round == 0 || took < best[step] ? took : best[step];
        }
    (void)printf("%s: %" PRIu64 " requests", site, bench.requests);
    for (uint32_t step = 0; step < STEPS; step++)
        (void)printf(", %s %.0f", names[step],
                     best[step] / (double)(step == 0 ? bench.hours : bench.requests));
    made = best[0] + best[1] + best[2] + best[3];
    (void)printf(" ns; %.2f M impressions a CPU second of world, %.2f M of rows (sum %g)\n",
                 (double)bench.requests * LIST / made * 1e3,
                 (double)bench.requests * LIST / best[STEPS - 1] * 1e3, bench.sink);
    arena_close(bench.op.arena);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 5;

    for (uint32_t site = 0; site < WORLD_SITES; site++)
        measure(world_site_names[site], rounds);
    return 0;
}
