/* builder: rows there and back against the model of rows.h, whole rows of other batches, what is
 * shared, what is refused. */
#include "tests/unit/death.h"
#include "tests/unit/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEEDS 300u

static const struct column_case {
    const char *name;
    enum type type;
} column_cases[] = {
    {"b", TYPE_BOOL},      {"i", TYPE_I32},  {"l", TYPE_I64},    {"f", TYPE_F32},  {"d", TYPE_F64},
    {"t", TYPE_TIMESTAMP}, {"s", TYPE_UTF8}, {"v", TYPE_VECTOR}, {"c", TYPE_LIST},
};
enum { B, I, L, F, D, T, S, V, C };

static struct field child_fields[] = {{.name = "id", .type = TYPE_I64},
                                      {.name = "name", .type = TYPE_UTF8}};
static const struct schema child_schema = {2, child_fields};
static struct field all_fields[sizeof(column_cases) / sizeof(column_cases[0])];
static const struct schema all = {sizeof(column_cases) / sizeof(column_cases[0]), all_fields};

static int setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < all.count; i++) {
        snprintf(all_fields[i].name, sizeof(all_fields[i].name), "%s", column_cases[i].name);
        all_fields[i].type = column_cases[i].type;
    }
    all_fields[V].width = 3;
    all_fields[C].child = &child_schema;
    return 0;
}

static void test_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random random = {seed};
        struct arena *arena = arena_create(4096);
        const struct schema *schema = rows_schema(&random, arena, true);
        struct builder *builder = builder_create(schema, false);

        for (uint32_t round = 0; round < 3; round++) {
            struct rows rows = {0};
            uint32_t count = (uint32_t)random_below(&random, 200);
            struct batch *batch;

            for (uint32_t i = 0; i < count; i++) {
                rows_draw_row(&random, builder, random_below(&random, 50) == 0, &rows);
                if (random_below(&random, 5) == 0) {
                    builder_row_undo(builder);
                    rows_pop(&rows);
                }
            }
            assert_int_equal(builder_rows(builder), rows.count);
            if (round == 1) {
                builder_reset(builder);
                rows_clear(&rows);
            }
            batch = builder_finish(builder);
            if (!rows_same(batch, schema, &rows, NULL, rows.count))
                fail_msg("seed %" PRIu64, seed);
            batch_release(&batch);
            rows_clear(&rows);
        }
        builder_close(builder);
        arena_close(arena);
    }
}

/* Rows of several batches go to several builders, between rows set one by one. */
static void append_some(struct random *random, struct builder *builder, const struct batch *batch,
                        const struct rows *from, struct rows *to)
{
    uint32_t places[64], count = (uint32_t)random_below(random, 64);

    for (uint32_t i = 0; i < count; i++) {
        places[i] = (uint32_t)random_below(random, batch->rows);
        rows_put(to, from->texts[places[i]]);
    }
    builder_append(builder, batch, places, count);
    if (random_below(random, 2))
        rows_draw_row(random, builder, random_below(random, 4) == 0, to);
}

static void test_append(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random random = {seed};
        struct arena *arena = arena_create(4096);
        const struct schema *schema = rows_schema(&random, arena, true);
        struct builder *builders[4];
        struct rows models[4] = {0};

        for (uint32_t i = 0; i < 4; i++)
            builders[i] = builder_create(schema, false);
        for (uint32_t round = 0; round < 3; round++) {
            struct rows rows = {0};
            uint32_t count = 1 + (uint32_t)random_below(&random, 100);
            struct batch *batch =
                rows_batch(&random, schema, count, random_below(&random, 3) == 0, &rows);

            for (uint32_t i = 0; i < 4; i++)
                append_some(&random, builders[i], batch, &rows, &models[i]);
            batch_release(&batch);
            rows_clear(&rows);
        }
        for (uint32_t i = 0; i < 4; i++) {
            struct batch *batch = builder_finish(builders[i]);

            if (!rows_same(batch, schema, &models[i], NULL, models[i].count))
                fail_msg("seed %" PRIu64 " builder %u", seed, i);
            batch_release(&batch);
            rows_clear(&models[i]);
            builder_close(builders[i]);
        }
        arena_close(arena);
    }
}

static void test_order_is_shared(void **state)
{
    struct builder *builder = builder_create(&child_schema, false);
    struct builder *other = builder_create(&child_schema, false);
    struct batch *batch, *copy;
    uint32_t rows[] = {1, 0};

    (void)state;
    builder_row(builder, 1, 2, 2);
    builder_row(builder, 1, 3, 3);
    batch = builder_finish(builder);
    assert_ptr_equal(batch->columns[HIDDEN_ORDER], batch->columns[HIDDEN_ORIGIN]);
    builder_append(other, batch, rows, 2);
    batch_release(&batch);
    batch = builder_finish(other);
    assert_ptr_equal(batch->columns[HIDDEN_ORDER], batch->columns[HIDDEN_ORIGIN]);
    copy = batch_gather(batch, rows, 1);
    assert_ptr_equal(copy->columns[HIDDEN_ORDER], copy->columns[HIDDEN_ORIGIN]);
    assert_int_equal(batch_order(copy)[0], 2);
    batch_release(&copy);

    builder_append(other, batch, rows, 2); /* shared so far */
    builder_row(other, 1, 4, 5);
    builder_append(other, batch, rows, 1);
    batch_release(&batch);
    batch = builder_finish(other);
    assert_ptr_not_equal(batch->columns[HIDDEN_ORDER], batch->columns[HIDDEN_ORIGIN]);
    assert_int_equal(batch_order(batch)[0], 2);
    assert_int_equal(batch_order(batch)[2], 5);
    assert_int_equal(batch_order(batch)[3], 2);
    batch_release(&batch);
    builder_close(builder);
    builder_close(other);
}

static void test_keys(void **state)
{
    uint32_t column = 0, rows[] = {0, 1};
    struct builder *builder = builder_create(&child_schema, true);
    struct batch *plain, *keyed, *out;
    struct key key;

    (void)state;
    builder_row(builder, 1, 1, 1);
    builder_i64(builder, 0, 77);
    builder_row(builder, 2, 2, 2);
    plain = builder_finish(builder);
    assert_null(plain->columns[HIDDEN_KEY]); /* no row had a key */
    keyed = key_batch(plain, &column, 1);

    builder_append(builder, keyed, rows, 2);
    builder_row_from(builder, keyed, 0);
    builder_row(builder, 9, 9, 9);
    key = key_of(keyed, 1);
    builder_row_key(builder, &key);
    builder_row_from(builder, keyed, 0);
    builder_row_undo(builder);
    out = builder_finish(builder);
    batch_check(out, &child_schema);
    for (uint32_t row = 0; row < 4; row++) {
        struct key from = key_of(keyed, row & 1), is = key_of(out, row);

        assert_int_equal(from.hash, is.hash);
        assert_int_equal(from.size, is.size);
        assert_memory_equal(from.data, is.data, is.size);
    }
    batch_release(&out);

    builder_append(builder, keyed, rows, 2); /* one row without a key: the batch has none */
    builder_row(builder, 9, 9, 9);
    out = builder_finish(builder);
    assert_null(out->columns[HIDDEN_KEY]);
    assert_null(out->columns[HIDDEN_HASH]);
    batch_release(&out);
    batch_release(&keyed);
    batch_release(&plain);
    builder_close(builder);
}

static void test_values(void **state)
{
    static const struct {
        uint32_t column;
        double value, expected;
    } cases[] = {
        {B, 2, 1},           {B, 0, 0},
        {I, 2.5, 2},         {I, 1e12, INT32_MAX},
        {I, NAN, NAN},       {I, -1e12, INT32_MIN},
        {L, -7.6, -8},       {L, 1e30, 0x1p63},
        {T, 12, 12},         {F, 0.5, 0.5},
        {D, 0.1, 0.1},       {D, NAN, NAN},
        {L, -1e30, -0x1p63},
    };
    uint32_t count = sizeof(cases) / sizeof(cases[0]);
    struct builder *builder = builder_create(&all, false);
    struct batch *batch;

    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        builder_row(builder, 0, i, i);
        builder_number(builder, cases[i].column, cases[i].value);
    }
    batch = builder_finish(builder);
    batch_check(batch, &all);
    for (uint32_t i = 0; i < count; i++) {
        double is = column_number(batch_column(batch, cases[i].column), i);

        assert_true(is == cases[i].expected || (isnan(is) && isnan(cases[i].expected)));
    }
    assert_true(isnan(column_number(batch_column(batch, S), 0)));
    batch_release(&batch);
    builder_close(builder);
}

static void test_key_values(void **state)
{
    uint8_t data[KEY_SIZE_MAX];
    struct key key = {.data = data};
    struct builder *builder = builder_create(&all, false);
    struct batch *batch;
    uint32_t size;

    (void)state;
    builder_row(builder, 0, 0, 0);
    key.size = key_from_i64(-5, data);
    builder_key(builder, I, &key);
    builder_key(builder, L, &key);
    builder_key(builder, T, &key);
    key.size = key_from_text("abc", 3, data);
    builder_key(builder, S, &key);
    data[0] = KEY_TAG_BOOL;
    data[1] = 1;
    key.size = 2;
    builder_key(builder, B, &key);
    builder_row(builder, 0, 0, 0);
    data[0] = KEY_TAG_NULL;
    key.size = 1;
    builder_key(builder, I, &key);
    batch = builder_finish(builder);
    assert_int_equal(((const int32_t *)batch_column(batch, I)->values)[0], -5);
    assert_int_equal(((const int64_t *)batch_column(batch, L)->values)[0], -5);
    assert_int_equal(((const int64_t *)batch_column(batch, T)->values)[0], -5);
    assert_memory_equal(column_text(batch_column(batch, S), 0, &size), "abc", 3);
    assert_int_equal(size, 3);
    assert_true(column_bool(batch_column(batch, B), 0));
    assert_false(column_valid(batch_column(batch, I), 1));
    batch_release(&batch);
    builder_close(builder);
}

static void test_copy(void **state)
{
    struct random random = {7};
    struct rows rows = {0};
    struct batch *from = rows_batch(&random, &all, 100, false, &rows), *to;
    struct builder *builder = builder_create(&all, false);

    (void)state;
    for (uint32_t row = 0; row < 100; row++) {
        builder_row_from(builder, from, row);
        for (uint32_t c = 0; c < all.count; c++)
            builder_copy(builder, c, batch_column(from, c), row);
    }
    to = builder_finish(builder);
    assert_true(rows_same(to, &all, &rows, NULL, rows.count));
    batch_release(&to);
    batch_release(&from);
    rows_clear(&rows);
    builder_close(builder);
}

/* The memory of the builder becomes the batch's: nothing is copied. */
static void test_moves(void **state)
{
    struct builder *builder = builder_create(&all, false);
    const uint8_t *values, *texts;
    struct batch *batch;

    (void)state;
    builder_reserve(builder, 1000);
    builder_row(builder, 0, 0, 0);
    builder_i64(builder, L, 1);
    builder_text(builder, S, "text", 4);
    values = builder->columns[HIDDEN_COUNT + L].values;
    texts = builder->columns[HIDDEN_COUNT + S].values;
    batch = builder_finish(builder);
    assert_ptr_equal(batch_column(batch, L)->values, values);
    assert_ptr_equal(batch_column(batch, S)->values, texts);
    assert_int_equal((uintptr_t)values % 64, 0);
    assert_null(builder_finish(builder));
    batch_release(&batch);
    builder_close(builder);
    builder_close(NULL);
}

static void test_bytes(void **state)
{
    struct builder *builder = builder_create(&all, true);
    size_t before, after;

    (void)state;
    assert_int_equal(builder_bytes(builder), 0);
    builder_row(builder, 0, 0, 0);
    before = builder_bytes(builder);
    builder_text(builder, S, "0123456789", 10);
    after = builder_bytes(builder);
    assert_int_equal(before, 16);
    assert_in_range(after, before + 14, before + 24);
    builder_close(builder);
}

/* ---- what is refused: a bug of ours, so the process ends ---- */
static void set_twice(void)
{
    struct builder *builder = builder_create(&all, false);

    builder_row(builder, 0, 0, 0);
    builder_i64(builder, L, 1);
    builder_i64(builder, L, 1);
}

static void set_without_row(void)
{
    builder_i64(builder_create(&all, false), L, 1);
}

static void set_other_type(void)
{
    struct builder *builder = builder_create(&all, false);

    builder_row(builder, 0, 0, 0);
    builder_f64(builder, L, 1);
}

static void set_no_column(void)
{
    struct builder *builder = builder_create(&all, false);

    builder_row(builder, 0, 0, 0);
    builder_f64(builder, all.count, 1);
}

static void end_unbegun_list(void)
{
    struct builder *builder = builder_create(&all, false);

    builder_row(builder, 0, 0, 0);
    builder_list_end(builder, C);
}

static void append_past_end(void)
{
    struct random random = {1};
    struct rows rows = {0};
    struct batch *batch = rows_batch(&random, &all, 3, false, &rows);

    builder_append(builder_create(&all, false), batch, (const uint32_t[]){0, 3, 1}, 3);
}

static void undo_nothing(void)
{
    builder_row_undo(builder_create(&all, false));
}

static void number_into_text(void)
{
    struct builder *builder = builder_create(&all, false);

    builder_row(builder, 0, 0, 0);
    builder_number(builder, S, 1);
}

static void test_deaths(void **state)
{
    static const struct {
        const char *name;
        void (*run)(void);
        const char *failed; /* the check */
    } cases[] = {
        {"set twice", set_twice, "begin <= rows"},
        {"set without row", set_without_row, "rows < INT32_MAX"},
        {"set other type", set_other_type, "to->type == TYPE_F64"},
        {"set no column", set_no_column, "index < builder->column_count"},
        {"end unbegun list", end_unbegun_list, "list->set == builder->rows"},
        {"append past end", append_past_end, "last < batch->rows"},
        {"undo nothing", undo_nothing, "builder->rows > 0"},
        {"number into text", number_into_text, "to->type == TYPE_I64"},
    };
    char text[DEATH_TEXT_MAX];

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = death_of(cases[i].run, text);

        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, cases[i].failed))
            fail_msg("%s: status %d, %s", cases[i].name, status, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_order_is_shared),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_key_values),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_deaths),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
