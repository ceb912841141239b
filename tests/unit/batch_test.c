/* batch: references, selections, projections and copies against the model of rows.h; bitmaps; what
 * batch_check refuses. */
#include "runtime/batch/bits.h"
#include "tests/unit/death.h"
#include "tests/unit/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEEDS 300u

static struct field fields[] = {{.name = "a", .type = TYPE_I64}, {.name = "b", .type = TYPE_UTF8}};
static const struct schema schema = {2, fields};

static struct batch *small(uint32_t count, struct rows *rows)
{
    struct random random = {3};

    return rows_batch(&random, &schema, count, false, rows);
}

/* Random ascending rows. */
static uint32_t draw_selection(struct random *random, uint32_t rows, uint32_t *places)
{
    uint32_t count = 0, of = 1 + (uint32_t)random_below(random, 4);

    for (uint32_t row = 0; row < rows; row++)
        if (random_below(random, of) == 0)
            places[count++] = row;
    return count;
}

static void test_select_and_gather(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random random = {seed};
        struct arena *arena = arena_create(4096);
        const struct schema *drawn = rows_schema(&random, arena, true);
        struct rows rows = {0};
        uint32_t count = 1 + (uint32_t)random_below(&random, 150), places[150], any[200];
        struct batch *batch =
            rows_batch(&random, drawn, count, random_below(&random, 2) == 0, &rows);
        uint32_t selected = draw_selection(&random, count, places);
        struct batch *some = batch_select(batch, places, selected), *dense = batch_dense(some);
        struct batch *gathered, *copy;
        bool same = rows_same(some, drawn, &rows, places, selected) &&
                    rows_same(dense, drawn, &rows, places, selected);

        assert_null(dense->selection);
        for (uint32_t i = 0; i < 200; i++)
            any[i] = (uint32_t)random_below(&random, count);
        gathered = batch_gather(some, any, 200); /* the selection does not matter */
        copy = batch_copy(some);
        batch_release(&batch);
        batch_release(&some);
        if (!same || !rows_same(gathered, drawn, &rows, any, 200) ||
            !rows_same(copy, drawn, &rows, places, selected))
            fail_msg("seed %" PRIu64, seed);
        batch_release(&gathered);
        batch_release(&copy);
        batch_release(&dense);
        rows_clear(&rows);
        arena_close(arena);
    }
}

static void test_merge(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random random = {seed};
        struct arena *arena = arena_create(4096);
        const struct schema *drawn = rows_schema(&random, arena, true);
        struct rows rows = {0};
        struct batch *batches[3], *merged;
        uint32_t begins[3], sources[200], places[200], at[200];

        for (uint32_t b = 0; b < 3; b++) {
            begins[b] = rows.count;
            batches[b] = rows_batch(&random, drawn, 1 + (uint32_t)random_below(&random, 60),
                                    random_below(&random, 2) == 0, &rows);
        }
        for (uint32_t k = 0; k < 200; k++) {
            sources[k] = (uint32_t)random_below(&random, 3);
            places[k] = (uint32_t)random_below(&random, batches[sources[k]]->rows);
            at[k] = begins[sources[k]] + places[k];
        }
        merged = batch_merge(batches, 3, sources, places, 200);
        for (uint32_t b = 0; b < 3; b++)
            batch_release(&batches[b]);
        if (!rows_same(merged, drawn, &rows, at, 200))
            fail_msg("seed %" PRIu64, seed);
        batch_release(&merged);
        rows_clear(&rows);
        arena_close(arena);
    }
}

static void test_dense_is_free(void **state)
{
    struct rows rows = {0};
    struct batch *batch = small(3, &rows), *dense = batch_dense(batch);

    (void)state;
    assert_ptr_equal(batch, dense);
    batch_release(&dense);
    assert_null(dense);
    batch_release(&dense); /* NULL is fine */
    assert_int_equal(batch_rows(batch), 3);
    batch_release(&batch);
    rows_clear(&rows);
}

static void test_nothing_selected(void **state)
{
    struct rows rows = {0};
    struct batch *batch = small(3, &rows), *none = batch_select(batch, NULL, 0);
    struct batch *dense = batch_dense(none);

    (void)state;
    assert_int_equal(none->selected, 0);
    assert_non_null(none->selection); /* not: all */
    assert_int_equal(batch_rows(dense), 0);
    batch_check(dense, &schema);
    assert_non_null(batch_column(dense, 1)->offsets);
    batch_release(&dense);
    batch_release(&none);
    batch_release(&batch);
    rows_clear(&rows);
}

static void test_with_and_project(void **state)
{
    static const uint32_t back[] = {2, 0};
    struct field more[] = {fields[0], fields[1], {.name = "c", .type = TYPE_I64}};
    struct field less[] = {more[2], more[0]};
    const struct schema wide = {3, more}, narrow = {2, less};
    struct rows rows = {0};
    struct batch *batch = small(5, &rows), *some, *with, *project;
    struct column *column = column_create(TYPE_I64, 5);

    (void)state;
    column->blocks[0] = block_create(5 * sizeof(int64_t));
    column->values = column->blocks[0]->data;
    for (int64_t i = 0; i < 5; i++)
        ((int64_t *)(void *)column->blocks[0]->data)[i] = i * i;
    some = batch_select(batch, (const uint32_t[]){1, 3}, 2);
    with = batch_with(some, &column);
    assert_null(column);
    batch_check(with, &wide);
    assert_int_equal(with->selected, 2);
    assert_int_equal(batch_row(with, 1), 3);
    assert_ptr_equal(batch_column(with, 0), batch_column(batch, 0));
    project = batch_project(with, back, 2);
    batch_check(project, &narrow);
    assert_ptr_equal(batch_column(project, 0), batch_column(with, 2));
    assert_int_equal(project->selected, 2);
    batch_release(&batch);
    batch_release(&some);
    batch_release(&with);
    assert_int_equal(((const int64_t *)batch_column(project, 0)->values)[3], 9);
    batch_release(&project);
    rows_clear(&rows);
}

static void test_bytes(void **state)
{
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        builder_row(builder, i, i, i);
        builder_i64(builder, 0, i);
        builder_text(builder, 1, "12345", 5);
    }
    batch = builder_finish(builder);
    assert_int_equal(batch_bytes(batch),
                     sizeof(*batch) + 100 * (3 * 8 + 5) + 101 * 4); /* one order and origin */
    batch_release(&batch);
    builder_close(builder);
}

static void test_origin(void **state)
{
    uint64_t origin = origin_make(SPLITS_MAX - 1, (UINT64_C(1) << 40) - 1);

    (void)state;
    assert_int_equal(origin_split(origin), SPLITS_MAX - 1);
    assert_int_equal(origin_offset(origin), (UINT64_C(1) << 40) - 1);
    assert_true(origin_make(1, 0) > origin_make(0, (UINT64_C(1) << 40) - 1));
}

static void test_bits(void **state)
{
    struct random random = {5};
    uint8_t bits[16], from[16];
    bool naive[128];
    uint32_t rows[128];

    (void)state;
    memset(bits, 0xaa, sizeof(bits));
    for (uint32_t i = 0; i < 128; i++)
        naive[i] = bit_get(bits, i);
    for (uint32_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)random_next(&random);
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t begin = (uint32_t)random_below(&random, 129);
        uint32_t end = begin + (uint32_t)random_below(&random, 129 - begin);
        bool value = random_below(&random, 2);

        for (uint32_t i = 0; i < end - begin; i++)
            rows[i] = (uint32_t)random_below(&random, 128);
        if (round % 2) {
            bits_fill(bits, begin, end, value);
            for (uint32_t i = begin; i < end; i++)
                naive[i] = value;
        } else {
            bits_gather(bits, begin, from, rows, end - begin);
            for (uint32_t i = begin; i < end; i++)
                naive[i] = bit_get(from, rows[i - begin]);
        }
        for (uint32_t i = 0; i < 128; i++)
            assert_int_equal(bit_get(bits, i), naive[i]);
    }
}

/* ---- what batch_check refuses ---- */
static void check_broken(void (*damage)(struct batch *batch))
{
    struct rows rows = {0};
    struct batch *batch = small(4, &rows);

    batch_check(batch, &schema);
    damage(batch);
    batch_check(batch, &schema);
}

static int32_t *offsets_of(struct batch *batch)
{
    return (int32_t *)(void *)batch->columns[HIDDEN_COUNT + 1]->blocks[1]->data;
}

static void fall(struct batch *batch)
{
    offsets_of(batch)[2] = offsets_of(batch)[3] + 1;
}

static void start_below(struct batch *batch)
{
    offsets_of(batch)[0] = -1;
}

static void lose_column(struct batch *batch)
{
    column_release(&batch->columns[HIDDEN_COUNT]);
}

static void lose_row(struct batch *batch)
{
    batch->columns[HIDDEN_COUNT]->rows--;
}

static void swap_type(struct batch *batch)
{
    batch->columns[HIDDEN_COUNT]->type = TYPE_F64;
}

static void select_unsorted(struct batch *batch)
{
    static const uint32_t rows[] = {2, 1};

    batch->selection = rows;
    batch->selected = 2;
}

static void select_past_end(struct batch *batch)
{
    static const uint32_t rows[] = {4};

    batch->selection = rows;
    batch->selected = 1;
}

static void hash_without_key(struct batch *batch)
{
    batch->columns[HIDDEN_HASH] = batch->columns[HIDDEN_TIME];
}

static void (*const damages[])(struct batch *) = {
    fall,      start_below,     lose_column,     lose_row,
    swap_type, select_unsorted, select_past_end, hash_without_key,
};
static uint32_t damage_next;

static void run_damage(void)
{
    check_broken(damages[damage_next]);
}

static void test_check(void **state)
{
    char text[DEATH_TEXT_MAX];

    (void)state;
    for (damage_next = 0; damage_next < sizeof(damages) / sizeof(damages[0]); damage_next++) {
        int status = death_of(run_damage, text);

        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("damage %u: status %d", damage_next, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_and_gather),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_dense_is_free),
        cmocka_unit_test(test_nothing_selected),
        cmocka_unit_test(test_with_and_project),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
