/* batch: CPU time of what a keyed exchange does with a row, ns; best of several rounds in turns.
 * A row has time, user (i64), item (utf8, 7 to 11 bytes), rating (f64) and a flag (bool), and the
 * hidden columns, so an append copies 8 columns a row, two of them texts.
 *
 *   set        rows set value by value into a builder, finished
 *   key/i64    key_batch by user
 *   key/utf8   key_batch by item
 *   key/two    key_batch by user and item
 *   append/4   builder_append of the keyed batch's rows to 4 targets by hash, finished
 *   filter     batch_select of every second row, then batch_dense
 *   encode     wire_encode of the keyed batch
 *   decode     wire_decode of it
 *   memcpy     the bytes on the wire into new memory: the limit of encode and decode
 *
 * Limit: one core and its second cache, where the batches are; more than 8 go to memory.
 * usage: batch [batches] [rounds]; seed 1. */
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/batch/builder.h"
#include "runtime/batch/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS 4u
#define REPEATS 20u
#define BATCHES_MAX 1024u

static struct field fields[] = {{.name = "time", .type = TYPE_TIMESTAMP},
                                {.name = "user", .type = TYPE_I64},
                                {.name = "item", .type = TYPE_UTF8},
                                {.name = "rating", .type = TYPE_F64},
                                {.name = "flag", .type = TYPE_BOOL}};
static const struct schema schema = {5, fields};
enum { TIME, USER, ITEM, RATING, FLAG };

struct draw {
    int64_t time, user;
    double rating;
    char item[24];
    size_t item_size;
    bool flag;
};

struct world {
    uint32_t batch_count;
    struct draw *draws; /* of one batch */
    struct batch *plain[BATCHES_MAX], *keyed[BATCHES_MAX];
    struct bytes wire[BATCHES_MAX];
    struct builder *targets[TARGETS];
};

static struct batch *set_rows(struct builder *builder, const struct draw *draws)
{
    for (uint32_t row = 0; row < BATCH_ROWS_MAX; row++) {
        const struct draw *draw = &draws[row];

        builder_row(builder, draw->time, row, row);
        builder_i64(builder, TIME, draw->time);
        builder_i64(builder, USER, draw->user);
        builder_text(builder, ITEM, draw->item, draw->item_size);
        builder_f64(builder, RATING, draw->rating);
        builder_bool(builder, FLAG, draw->flag);
    }
    return builder_finish(builder);
}

static void make_world(struct world *world)
{
    static const uint32_t user = USER;
    struct random random = {1};

    world->draws = memory_array(BATCH_ROWS_MAX, sizeof(*world->draws));
    for (uint32_t i = 0; i < TARGETS; i++)
        world->targets[i] = builder_create(&schema, true);
    for (uint32_t b = 0; b < world->batch_count; b++) {
        struct builder *builder = builder_create(&schema, false);

        for (uint32_t row = 0; row < BATCH_ROWS_MAX; row++) {
            struct draw *draw = &world->draws[row];

            draw->time = row;
            draw->user = (int64_t)random_below(&random, 1000000);
            draw->rating = (double)random_below(&random, 50) / 10;
            draw->flag = random_below(&random, 2);
            draw->item_size = (size_t)snprintf(draw->item, sizeof(draw->item), "item-%u",
                                               (unsigned)random_below(&random, 1000000));
        }
        world->plain[b] = set_rows(builder, world->draws);
        world->keyed[b] = key_batch(world->plain[b], &user, 1);
        wire_encode(world->keyed[b], &schema, &world->wire[b]);
        builder_close(builder);
    }
}

static void clear_world(struct world *world)
{
    for (uint32_t b = 0; b < world->batch_count; b++) {
        batch_release(&world->plain[b]);
        batch_release(&world->keyed[b]);
        bytes_clear(&world->wire[b]);
    }
    for (uint32_t i = 0; i < TARGETS; i++)
        builder_close(world->targets[i]);
    memory_free(world->draws);
}

/* ---- one batch each ---- */
static void run_set(struct world *world, uint32_t b)
{
    struct batch *batch = set_rows(world->targets[0], world->draws);

    (void)b;
    batch_release(&batch);
}

static void key_by(struct world *world, uint32_t b, const uint32_t *columns, uint32_t count)
{
    struct batch *batch = key_batch(world->plain[b], columns, count);

    batch_release(&batch);
}

static void run_key_i64(struct world *world, uint32_t b)
{
    key_by(world, b, (const uint32_t[]){USER}, 1);
}

static void run_key_utf8(struct world *world, uint32_t b)
{
    key_by(world, b, (const uint32_t[]){ITEM}, 1);
}

static void run_key_two(struct world *world, uint32_t b)
{
    key_by(world, b, (const uint32_t[]){USER, ITEM}, 2);
}

static void run_append(struct world *world, uint32_t b)
{
    static uint32_t rows[TARGETS][BATCH_ROWS_MAX];
    const uint64_t *hashes = batch_hash(world->keyed[b]);
    uint32_t counts[TARGETS] = {0};

    for (uint32_t row = 0; row < BATCH_ROWS_MAX; row++) {
        uint32_t target = key_group(hashes[row], TARGETS);

        rows[target][counts[target]++] = row;
    }
    for (uint32_t i = 0; i < TARGETS; i++) {
        struct batch *batch;

        builder_append(world->targets[i], world->keyed[b], rows[i], counts[i]);
        if (b % TARGETS != i) /* a target's batch is full after four */
            continue;
        batch = builder_finish(world->targets[i]);
        batch_release(&batch);
    }
}

static void run_filter(struct world *world, uint32_t b)
{
    uint32_t rows[BATCH_ROWS_MAX];
    struct batch *selected, *dense;

    for (uint32_t k = 0; k < BATCH_ROWS_MAX / 2; k++)
        rows[k] = k * 2;
    selected = batch_select(world->keyed[b], rows, BATCH_ROWS_MAX / 2);
    dense = batch_dense(selected);
    batch_release(&selected);
    batch_release(&dense);
}

static void run_encode(struct world *world, uint32_t b)
{
    struct bytes out = {0};

    wire_encode(world->keyed[b], &schema, &out);
    bytes_clear(&out);
}

static void run_decode(struct world *world, uint32_t b)
{
    struct batch *batch = wire_decode(&schema, world->wire[b].data, world->wire[b].size, NULL);

    CHECK(batch);
    batch_release(&batch);
}

static void run_memcpy(struct world *world, uint32_t b)
{
    uint8_t *copy = memory_grow(NULL, world->wire[b].size, 1);

    memcpy(copy, world->wire[b].data, world->wire[b].size);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* it is used */
    memory_free(copy);
}

static struct figure {
    const char *name;
    void (*run)(struct world *world, uint32_t b);
    double best, worst;
} figures[] = {
    {"set", run_set, 0, 0},           {"key/i64", run_key_i64, 0, 0},
    {"key/utf8", run_key_utf8, 0, 0}, {"key/two", run_key_two, 0, 0},
    {"append/4", run_append, 0, 0},   {"filter", run_filter, 0, 0},
    {"encode", run_encode, 0, 0},     {"decode", run_decode, 0, 0},
    {"memcpy", run_memcpy, 0, 0},
};

static void measure(struct figure *figure, struct world *world)
{
    int64_t begin = clock_thread_cpu_ns();
    double ns;

    for (uint32_t i = 0; i < REPEATS; i++)
        for (uint32_t b = 0; b < world->batch_count; b++)
            figure->run(world, b);
    ns = (double)(clock_thread_cpu_ns() - begin) / REPEATS / world->batch_count / BATCH_ROWS_MAX;
    for (uint32_t i = 0; i < TARGETS; i++)
        builder_reset(world->targets[i]);
    if (figure->best == 0 || ns < figure->best)
        figure->best = ns;
    if (ns > figure->worst)
        figure->worst = ns;
}

int main(int argc, char **argv)
{
    static struct world world;
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10;

    world.batch_count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 8;
    CHECK(world.batch_count > 0 && world.batch_count <= BATCHES_MAX);
    make_world(&world);
    for (uint32_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
            measure(&figures[i], &world);
    printf("batches %u of %u rows, %zu bytes each, %zu on the wire\n", world.batch_count,
           BATCH_ROWS_MAX, batch_bytes(world.keyed[0]), world.wire[0].size);
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        printf("%-8s best %6.2f ns, worst %6.2f ns a row\n", figures[i].name, figures[i].best,
               figures[i].worst);
    clear_world(&world);
    return 0;
}
