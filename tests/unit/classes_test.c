/* classes: two rows have one number just where they have one identity, in columns of all key types; and
 * too many classes are told of. */
#include "operators/model/classes.h"

#include "runtime/base/random.h"
#include "runtime/batch/builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS 300u
#define BATCHES 20u

static struct field fields[] = {
    {.name = "i32", .type = TYPE_I32},        {.name = "i64", .type = TYPE_I64},
    {.name = "text", .type = TYPE_UTF8},      {.name = "bool", .type = TYPE_BOOL},
    {.name = "time", .type = TYPE_TIMESTAMP}, {.name = "small", .type = TYPE_I32},
    {.name = "wider", .type = TYPE_I32}};
static const struct schema schema = {7, fields};
#define TEXT(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct {
    const char *text;
    size_t size;
} texts[] = {TEXT(""),           TEXT("a"),
             TEXT("a\0b"),       TEXT("b"),
             TEXT("light"),      TEXT("medium"),
             TEXT("1234567"),    TEXT("1234567\1"),
             TEXT("12345678"),   TEXT("spring-festival"),
             TEXT("mid-autumn"), TEXT("7")};
static const int64_t wholes[] = {0, 1, 2, 4095, 4096, -1, -4096, INT32_MAX, INT32_MIN, 100000, 7};

/* Of "wider": numbers from 0 on, more with each batch, and from the tenth on any. */
static int32_t draw_wider(struct random *random, uint32_t batch)
{
    if (batch < 10 || random_below(random, 10))
        return (int32_t)random_below(random, 5 + 5 * batch);
    return (int32_t)wholes[random_below(random, 11)];
}

static struct batch *draw(struct random *random, uint32_t number)
{
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    for (uint32_t row = 0; row < ROWS; row++) {
        uint64_t text = random_below(random, sizeof(texts) / sizeof(texts[0]));
        int64_t whole = wholes[random_below(random, 11)];
        builder_row(builder, 0, 0, 0);
        builder_i32(builder, 5, (int32_t)random_below(random, 12));
        builder_i32(builder, 6, draw_wider(random, number));
        if (random_below(random, 10) == 0)
            continue; /* the others are null */
        builder_i32(builder, 0, (int32_t)whole);
        builder_i64(builder, 1, whole * INT64_C(3000000001));
        builder_text(builder, 2, texts[text].text, texts[text].size);
        builder_bool(builder, 3, random_below(random, 2));
        builder_i64(builder, 4, whole);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static void check_column(struct classes *classes, const struct column *column)
{
    uint64_t ids[ROWS];
    uint16_t numbers[ROWS];

    key_ids(column, ROWS, ids);
    assert_true(classes_number(classes, column, ROWS, numbers));
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_true(numbers[row] < classes->count);
        assert_true(classes->ids[numbers[row]] == ids[row]);
    }
    for (uint32_t i = 0; i < classes->count; i++)
        for (uint32_t k = 0; k < i; k++)
            assert_true(classes->ids[i] != classes->ids[k]);
}

static void test_numbers(void **state)
{
    struct random random = {3};
    struct classes *classes = calloc(7, sizeof(*classes));

    (void)state;
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct batch *batch = draw(&random, i);
        for (uint32_t column = 0; column < 7; column++)
            check_column(&classes[column], batch_column(batch, column));
        batch_release(&batch);
    }
    assert_int_equal(classes[3].count, 3);
    assert_int_equal(classes[5].count, 12);
    assert_int_equal(classes[6].plain, 50);
    assert_true(classes[6].count > 50);
    free(classes);
}

/* As many as there is room for, and one more. */
static void test_full(void **state)
{
    struct classes *classes = calloc(1, sizeof(*classes));
    struct builder *builder = builder_create(&schema, false);
    uint16_t numbers[CLASSES_MAX + 1];
    struct batch *batch;

    (void)state;
    for (uint32_t row = 0; row <= CLASSES_MAX; row++) {
        builder_row(builder, 0, 0, 0);
        builder_i64(builder, 1, row % 2 ? row : row * INT64_C(1000003));
    }
    batch = builder_finish(builder);
    assert_true(classes_number(classes, batch_column(batch, 1), CLASSES_MAX, numbers));
    assert_int_equal(classes->count, CLASSES_MAX);
    assert_int_equal(numbers[CLASSES_MAX - 1], CLASSES_MAX - 1);
    assert_false(classes_number(classes, batch_column(batch, 1), CLASSES_MAX + 1, numbers));
    assert_false(classes_number(classes, batch_column(batch, 1), 1, numbers));
    batch_release(&batch);
    builder_close(builder);
    free(classes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_full)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
