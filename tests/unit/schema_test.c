/* schema: columns are found, refused and compared; types by name and size. */
#include "runtime/batch/schema.h"

#include "tests/unit/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = arena_create(1024);
    return 0;
}

static int teardown(void **state)
{
    arena_close(*state);
    return 0;
}

/* Up to the bound and one past it: fields keep their places while the memory grows. */
static void test_bound(void **state)
{
    struct arena *arena = *state;
    struct schema *schema = schema_create(arena);
    char name[NAME_SIZE_MAX];

    assert_int_equal(schema->count, 0);
    assert_int_equal(schema_find(schema, "c0"), FIELD_NONE);
    for (uint32_t i = 0; i < COLUMNS_MAX; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        assert_true(schema_add_column(schema, arena, name, i % 2 ? TYPE_I64 : TYPE_UTF8));
        assert_false(schema_add_column(schema, arena, name, TYPE_I64));
        assert_int_equal(schema->count, i + 1);
    }
    assert_false(schema_add_column(schema, arena, "more", TYPE_I64));
    for (uint32_t i = 0; i < COLUMNS_MAX; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        assert_int_equal(schema_find(schema, name), i);
        assert_int_equal(schema->fields[i].type, i % 2 ? TYPE_I64 : TYPE_UTF8);
    }
}

static void test_names(void **state)
{
    struct arena *arena = *state;
    struct schema *schema = schema_create(arena);
    char name[NAME_SIZE_MAX + 1];

    memset(name, 'x', sizeof(name));
    name[NAME_SIZE_MAX] = 0;
    assert_false(schema_add_column(schema, arena, name, TYPE_I64));
    name[NAME_SIZE_MAX - 1] = 0;
    assert_true(schema_add_column(schema, arena, name, TYPE_I64));
    assert_int_equal(schema_find(schema, name), 0);
    assert_int_equal(schema_find(schema, "xx"), FIELD_NONE);
}

static struct schema *make(struct arena *arena, const char *last, enum type type, uint32_t width)
{
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    struct field list = {.name = "list", .type = TYPE_LIST, .child = child};
    struct field vector = {.name = "vector", .type = TYPE_VECTOR, .width = width};

    assert_true(schema_add_column(child, arena, last, type));
    assert_true(schema_add(schema, arena, &list));
    assert_true(schema_add(schema, arena, &vector));
    return schema;
}

static void test_equal(void **state)
{
    struct arena *arena = *state;
    struct schema *base = make(arena, "a", TYPE_I64, 3);

    assert_true(schema_equal(base, base));
    assert_true(schema_equal(base, make(arena, "a", TYPE_I64, 3)));
    assert_false(schema_equal(base, make(arena, "b", TYPE_I64, 3)));
    assert_false(schema_equal(base, make(arena, "a", TYPE_I32, 3)));
    assert_false(schema_equal(base, make(arena, "a", TYPE_I64, 4)));
    assert_false(schema_equal(base, schema_create(arena)));
}

static void test_types(void **state)
{
    static const struct {
        const char *name;
        enum type type;
        size_t size;
        bool scalar;
    } cases[] = {
        {"bool", TYPE_BOOL, 0, true},  {"i32", TYPE_I32, 4, true},
        {"i64", TYPE_I64, 8, true},    {"f32", TYPE_F32, 4, true},
        {"f64", TYPE_F64, 8, true},    {"timestamp", TYPE_TIMESTAMP, 8, true},
        {"utf8", TYPE_UTF8, 0, true},  {"vector", TYPE_VECTOR, 0, false},
        {"list", TYPE_LIST, 0, false}, {"key", TYPE_KEY, 0, false},
        {"none", TYPE_NONE, 0, false},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum type type = TYPE_NONE;

        assert_string_equal(type_name(cases[i].type), cases[i].name);
        assert_int_equal(type_size(cases[i].type), cases[i].size);
        assert_int_equal(type_parse(cases[i].name, &type), cases[i].scalar);
        assert_int_equal(type, cases[i].scalar ? cases[i].type : TYPE_NONE);
    }
}

static void list_without_child(void)
{
    struct arena *arena = arena_create(1024);
    struct field field = {.name = "list", .type = TYPE_LIST};

    (void)schema_add(schema_create(arena), arena, &field);
}

static void vector_without_width(void)
{
    struct arena *arena = arena_create(1024);

    (void)schema_add_column(schema_create(arena), arena, "v", TYPE_VECTOR);
}

static void test_deaths(void **state)
{
    char text[DEATH_TEXT_MAX];

    (void)state;
    assert_true(WIFSIGNALED(death_of(list_without_child, text)));
    assert_true(WIFSIGNALED(death_of(vector_without_width, text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_equal, setup, teardown),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_deaths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
