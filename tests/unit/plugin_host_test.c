/* plugin_host: columns of random rows out as Arrow arrays and in again, whole and in part; arrays that
 * are none. Plug-ins as a whole: tests/plugin. */
#include "runtime/task/plugin_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rows.h"

static bool is_nested(enum type type)
{
    return type == TYPE_LIST || type == TYPE_VECTOR;
}

static void check_nested(const struct column *column, const struct ArrowSchema *schema,
                         const struct ArrowArray *array)
{
    const struct ArrowArray *child = array->children[0];

    assert_int_equal(schema->n_children, 1);
    assert_int_equal(array->n_children, 1);
    if (column->type == TYPE_VECTOR) {
        assert_int_equal(schema->format[3] - '0', column->width);
        assert_string_equal(schema->children[0]->format, "f");
        assert_int_equal(child->length, column->rows * column->width);
        assert_ptr_equal(child->buffers[1], column->values);
        return;
    }
    assert_string_equal(schema->format, "+l");
    assert_string_equal(schema->children[0]->format, "+s");
    assert_ptr_equal(array->buffers[1], column->offsets);
    assert_int_equal(child->length, column->child->rows);
    assert_int_equal(child->n_children, column->child->column_count);
    assert_int_equal(schema->children[0]->n_children, column->child->column_count);
}

/* Out and, where it can be, in again: rows from `from` on. NULL for nested ones. */
static struct column *there_and_back(const struct column *column, const struct field *field,
                                     uint32_t from)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    struct column *back = NULL;
    struct error err = {0};

    plugin_export(column, field, &schema, &array);
    assert_string_equal(schema.name, field->name);
    assert_int_equal(array.length, column->rows);
    if (is_nested(field->type)) {
        check_nested(column, &schema, &array);
        array.release(&array);
    } else {
        assert_ptr_equal(array.buffers[0], column->validity); /* no copy */
        array.offset = from;
        array.length = column->rows - from;
        back = plugin_import(&array, field->type, column->rows - from, &err);
        assert_non_null(back);
    }
    assert_null(array.release);
    schema.release(&schema);
    assert_null(schema.release);
    return back;
}

static void test_round(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random random = {seed};
        struct arena *arena = arena_create(4096);
        const struct schema *schema = rows_schema(&random, arena, true);
        struct rows rows = {0};
        uint32_t count = 1 + (uint32_t)random_below(&random, 40);
        uint32_t from = (uint32_t)random_below(&random, count);
        struct batch *batch = rows_batch(&random, schema, count, true, &rows);
        uint32_t tail[40], at[40];
        struct batch *part, *back;

        for (uint32_t i = from; i < count; i++)
            tail[i - from] = at[i - from] = i;
        part = batch_gather(batch, tail, count - from);
        back = batch_copy(part);
        for (uint32_t i = 0; i < schema->count; i++) {
            struct column *column =
                there_and_back(batch_column(batch, i), &schema->fields[i], from);

            if (!column)
                continue;
            column_release(&back->columns[HIDDEN_COUNT + i]);
            back->columns[HIDDEN_COUNT + i] = column;
        }
        if (!rows_same(back, schema, &rows, at, count - from))
            fail_msg("seed %" PRIu64, seed);
        batch_release(&back);
        batch_release(&part);
        batch_release(&batch);
        rows_clear(&rows);
        arena_close(arena);
    }
}

static void released(struct ArrowArray *array)
{
    ++*(int *)array->private_data;
    array->release = NULL;
}

static void test_refuses(void **state)
{
    static const int64_t values[4] = {1, 2, 3, 4};
    static const int32_t down[4] = {0, 3, 1, 3}, good[4] = {0, 1, 1, 3};
    int count = 0;
    const void *numbers[2] = {NULL, values}, *none[2] = {NULL, NULL};
    const void *texts[3] = {NULL, down, "abc"}, *fine[3] = {NULL, good, "abc"};
    const struct {
        struct ArrowArray array;
        enum type type;
        bool taken;
    } cases[] = {
        {{.length = 3, .n_buffers = 2, .buffers = numbers}, TYPE_I64, true},
        {{.length = 4, .n_buffers = 2, .buffers = numbers}, TYPE_I64, false},
        {{.length = 3, .n_buffers = 3, .buffers = numbers}, TYPE_I64, false},
        {{.length = 3, .n_buffers = 2, .buffers = none}, TYPE_I64, false},
        {{.length = 3, .n_buffers = 2}, TYPE_I64, false},
        {{.length = 3, .n_buffers = 2, .offset = -1, .buffers = numbers}, TYPE_I64, false},
        {{.length = 3, .n_buffers = 2, .n_children = 1, .buffers = numbers}, TYPE_I64, false},
        {{.length = 3, .n_buffers = 2, .buffers = numbers}, TYPE_LIST, false},
        {{.length = 3, .n_buffers = 3, .buffers = texts}, TYPE_UTF8, false},
        {{.length = 3, .n_buffers = 3, .buffers = fine}, TYPE_UTF8, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ArrowArray array = cases[i].array;
        struct error err = {0};
        struct column *column;

        array.release = released;
        array.private_data = &count;
        column = plugin_import(&array, cases[i].type, 3, &err);
        assert_int_equal(column != NULL, cases[i].taken);
        assert_int_equal(err.code == ERROR_NONE, cases[i].taken);
        assert_int_equal(count, i + 1); /* released in any case */
        column_release(&column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
