/* aggregate: time of a row in window-aggregate, without the engine's look-up of its cell, ns a row and
 * function; best of several rounds in turns. Batches of 1,024 rows over KEYS cells of 64 bytes and
 * more, drawn uniformly: with 1,000 keys the cells are in the first caches, with 1,000,000 in memory.
 *
 *   count()   sum(i64)   sum(f64)   mean(f64)   min(f64)   max(i64)   distinct(i64)
 *   three     count(), sum(f64) and max(i64) in one cell
 *
 * Limit: one core; a cell's line from memory takes about 10 ns when many are under way.
 * usage: aggregate [keys] [rounds]; seed 1. */
#include "operators/window-aggregate/aggregate.h"

#include "runtime/base/clock.h"
#include "runtime/base/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 1024u
#define BATCHES 200u
#define CASES 8u

static struct field fields[] = {{.name = "whole", .type = TYPE_I64},
                                {.name = "real", .type = TYPE_F64}};
static const struct schema schema = {2, fields};

static const struct {
    const char *name, *texts[4];
} cases[CASES] = {
    {"count()", {"count()"}},
    {"sum(i64)", {"sum(whole)"}},
    {"sum(f64)", {"sum(real)"}},
    {"mean(f64)", {"mean(real)"}},
    {"min(f64)", {"min(real)"}},
    {"max(i64)", {"max(whole)"}},
    {"distinct(i64)", {"distinct(whole)"}},
    {"three", {"count()", "sum(real)", "max(whole)"}},
};

static struct batch *make_batch(void)
{
    struct random random = {.state = 1};
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    for (uint32_t row = 0; row < ROWS; row++) {
        builder_row(builder, 0, 0, 0);
        builder_i64(builder, 0, (int64_t)random_below(&random, 100000));
        builder_f64(builder, 1, (double)random_below(&random, 1000) / 10);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static uint32_t parse(const char *const *texts, struct aggregate *aggregates, uint32_t *size)
{
    uint32_t count = 0;

    *size = 0;
    for (; count < 4 && texts[count]; count++) {
        CHECK(aggregate_parse(texts[count], &schema, &aggregates[count], NULL));
        aggregates[count].offset = *size;
        *size += aggregate_slot_size(aggregates[count].function);
    }
    *size = *size < 64 ? 64 : *size;
    return count;
}

static double run(const char *const *texts, const struct batch *batch, uint64_t keys)
{
    static uint64_t scratch[2 * ROWS];
    struct random random = {.state = 1};
    struct aggregate aggregates[4];
    uint32_t size, count = parse(texts, aggregates, &size);
    uint8_t *memory = memory_array(keys, size);
    int64_t ns = 0;

    memset(memory, 0, keys * size); /* pages are there, as behind the engine's look-up */
    for (uint32_t b = 0; b < BATCHES; b++) {
        void *cells[ROWS];
        int64_t from;

        for (uint32_t row = 0; row < ROWS; row++)
            cells[row] = memory + random_below(&random, keys) * size;
        from = clock_thread_cpu_ns();
        for (uint32_t i = 0; i < count; i++)
            aggregate_add(&aggregates[i],
                          aggregates[i].column == FIELD_NONE
                              ? NULL
                              : batch_column(batch, aggregates[i].column),
                          cells, ROWS, scratch);
        ns += clock_thread_cpu_ns() - from;
    }
    memory_free(memory);
    return (double)ns / (BATCHES * ROWS);
}

int main(int argc, char **argv)
{
    uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    struct batch *batch = make_batch();
    double best[CASES];

    for (uint32_t c = 0; c < CASES; c++)
        best[c] = 1e9;
    for (int round = 0; round < rounds; round++)
        for (uint32_t c = 0; c < CASES; c++) {
            double ns = run(cases[c].texts, batch, keys);
            best[c] = ns < best[c] ? ns : best[c];
        }
    for (uint32_t c = 0; c < CASES; c++)
        printf("%-14s %6.1f ns a row, %" PRIu64 " keys\n", cases[c].name, best[c], keys);
    batch_release(&batch);
    return 0;
}
