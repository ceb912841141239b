/* The gate against a naive model: all rows that have arrived, sorted by (time, port, order), stable
 * in order of arrival; a release gives a beginning of those up to the limit. */
#include "runtime/base/random.h"
#include "runtime/batch/builder.h"
#include "runtime/task/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORTS 2u
#define LANES 3u

static struct field fields[] = {{.name = "number", .type = TYPE_I64}};
static const struct schema schema = {1, fields};
static const struct plan_input inputs[PORTS] = {{.connected = true, .schema = &schema},
                                                {.connected = true, .schema = &schema}};
static const struct plan_op plan_op = {.input_count = PORTS,
                                       .inputs = (struct plan_input *)(uintptr_t)inputs};

struct row {
    int64_t time_ms;
    uint32_t port;
    uint64_t order;
    int64_t number; /* of arrival */
};

struct world {
    struct random random;
    struct gate *gate;
    struct items items;
    struct row *rows; /* held by the model */
    size_t count, capacity;
    int64_t numbers, time_ms;
};

static struct batch *make_batch(const struct row *rows, uint32_t count)
{
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    for (uint32_t i = 0; i < count; i++) {
        builder_row(builder, rows[i].time_ms, rows[i].order, rows[i].order);
        builder_i64(builder, 0, rows[i].number);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static int arrival_order(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* Rows of one lane after `floor_ms`; equal (time, port, order) only within one lane. */
static void arrive(struct world *world, int64_t floor_ms, bool sorted)
{
    struct row rows[40];
    uint32_t count = 1 + (uint32_t)random_below(&world->random, 40);
    uint32_t lane = (uint32_t)random_below(&world->random, LANES), port = lane % PORTS;
    struct batch *batch;

    for (uint32_t i = 0; i < count; i++)
        rows[i] = (struct row){floor_ms + 1 + (int64_t)random_below(&world->random, 50), port,
                               lane + LANES * random_below(&world->random, 4), world->numbers++};
    if (sorted) {
        qsort(rows, count, sizeof(*rows), arrival_order);
        for (uint32_t i = 0; i < count; i++) /* arrival is as sorted */
            rows[i].number = world->numbers - count + i;
    }
    batch = make_batch(rows, count);
    if (random_below(&world->random, 2)) { /* the same rows behind a selection */
        uint32_t selection[40];
        struct batch *selected;

        for (uint32_t i = 0; i < count; i++)
            selection[i] = i;
        selected = batch_select(batch, selection, count);
        batch_release(&batch);
        batch = selected;
    }
    gate_put(world->gate, port, lane, batch);
    if (world->count + count > world->capacity) {
        world->capacity = (world->count + count) * 2;
        world->rows = memory_grow(world->rows, world->capacity, sizeof(*world->rows));
    }
    memcpy(world->rows + world->count, rows, count * sizeof(*rows));
    world->count += count;
}

/* What was released must be the model's first rows, in batches of one port. */
static void check_released(struct world *world, int64_t limit_ms)
{
    size_t at = 0;

    qsort(world->rows, world->count, sizeof(*world->rows), arrival_order);
    for (; world->items.count > 0; items_pop(&world->items)) {
        const struct item *item = items_first(&world->items);
        const int64_t *numbers = batch_column(item->batch, 0)->values;

        assert_true(batch_rows(item->batch) >= 1 && batch_rows(item->batch) <= BATCH_ROWS_MAX);
        for (uint32_t row = 0; row < batch_rows(item->batch); row++, at++) {
            assert_true(at < world->count);
            assert_int_equal(numbers[row], world->rows[at].number);
            assert_int_equal(batch_time(item->batch)[row], world->rows[at].time_ms);
            assert_int_equal(item->port, world->rows[at].port);
            assert_true(world->rows[at].time_ms <= limit_ms);
        }
    }
    world->count -= at;
    memmove(world->rows, world->rows + at, world->count * sizeof(*world->rows));
}

static void check_held(const struct world *world)
{
    uint32_t count;
    uint64_t rows = 0;
    struct held_rows *held = gate_held(world->gate, &count);

    for (uint32_t i = 0; i < count; i++)
        rows += held[i].batch->selected;
    assert_int_equal(rows, world->count);
    assert_int_equal(gate_rows(world->gate), world->count);
    gate_held_release(held, count);
}

static void model_run(uint64_t seed, bool sorted)
{
    struct world world = {.random = {seed},
                          .gate = gate_create(&plan_op, NULL, 0),
                          .rows = memory_array(1, sizeof(struct row))};
    int64_t limit_ms = 0;

    for (int step = 0; step < 200; step++) {
        for (uint64_t i = random_below(&world.random, 4); i > 0; i--)
            arrive(&world, limit_ms, sorted);
        limit_ms += (int64_t)random_below(&world.random, 30);
        while (gate_release(world.gate, limit_ms, &world.items))
            check_released(&world, limit_ms);
        qsort(world.rows, world.count, sizeof(*world.rows), arrival_order);
        assert_true(gate_first(world.gate) > limit_ms);
        assert_true(world.count == 0 || gate_first(world.gate) == world.rows[0].time_ms);
        check_held(&world);
    }
    while (gate_release(world.gate, INT64_MAX, &world.items))
        check_released(&world, INT64_MAX);
    assert_int_equal(world.count, 0);
    assert_int_equal(gate_first(world.gate), INT64_MAX);
    arrive(&world, limit_ms, sorted); /* closed with rows in it */
    gate_close(world.gate);
    items_clear(&world.items);
    memory_free(world.rows);
}

static void model_test(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        model_run(seed, seed % 2);
}

/* All rows of a batch see one version of each table. */
static void versions_test(void **state)
{
    const struct plan_table tables[] = {{.period_ms = 10}, {.period_ms = 15}};
    const struct gate_table both[] = {{&tables[0], 0}, {&tables[1], 17}};
    struct gate *gate = gate_create(&plan_op, both, 2);
    struct items items = {0};
    struct row rows[32];
    int64_t begins[16];
    size_t count = 0;

    (void)state;
    for (uint32_t i = 0; i < 32; i++)
        rows[i] = (struct row){.time_ms = (int64_t)i - 2, .order = i, .number = i};
    gate_put(gate, 0, 0, make_batch(rows, 32));
    while (gate_release(gate, INT64_MAX, &items))
        for (; items.count > 0; items_pop(&items)) {
            const struct batch *batch = items_first(&items)->batch;

            /* with test limits they are cut at BATCH_ROWS_MAX too */
            if (count == 0 || batch_time(batch)[0] % 10 == 0 ||
                (batch_time(batch)[0] - 17) % 15 == 0)
                begins[count++] = batch_time(batch)[0];
        }
    assert_int_equal(count, 6);
    assert_int_equal(begins[0], -2);
    assert_int_equal(begins[1], 0);
    assert_int_equal(begins[2], 2);
    assert_int_equal(begins[3], 10);
    assert_int_equal(begins[4], 17);
    assert_int_equal(begins[5], 20);
    gate_close(gate);
    items_clear(&items);
}

/* A batch that overlaps with no other goes on as it is. */
static void whole_test(void **state)
{
    struct gate *gate = gate_create(&plan_op, NULL, 0);
    struct items items = {0};
    struct row rows[5];
    struct batch *batch;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        rows[i] = (struct row){.time_ms = i, .order = i, .number = i};
    batch = make_batch(rows, 5);
    gate_put(gate, 1, 0, batch);
    assert_false(gate_release(gate, -1, &items));
    assert_true(gate_release(gate, 4, &items));
    assert_int_equal(items.count, 1);
    assert_ptr_equal(items_first(&items)->batch, batch);
    assert_false(gate_release(gate, INT64_MAX, &items));
    gate_close(gate);
    gate_close(NULL);
    items_clear(&items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_test),
        cmocka_unit_test(versions_test),
        cmocka_unit_test(whole_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
