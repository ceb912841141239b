/* factor: levels and parents of each kind, at their bounds, of numbers, texts and nulls. */
#include "operators/model/factor.h"

#include "runtime/batch/builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const words[] = {"new-year", "feast", NULL};
static const double cuts[] = {.5, 2};
static const struct factor number = {.kind = LEVEL_NUMBER, .names = words};
static const struct factor five = {.kind = LEVEL_NUMBER, .levels = 5};
static const struct factor cut = {.kind = LEVEL_CUTS, .levels = 3, .cuts = cuts};
static const struct factor position = {.kind = LEVEL_POSITION, .levels = 10};
static const struct factor day = {.kind = LEVEL_DAY};
static const struct factor year = {.kind = LEVEL_YEAR};
static const struct factor holiday = {.kind = LEVEL_HOLIDAY, .names = words};
static const struct factor city = {.kind = LEVEL_NESTED, .levels = 30, .parents = 8};

#define NONE FACTOR_NONE
#define NULLS -99 /* stands for null */

static const struct {
    const char *name;
    const struct factor *factor;
    double first, second;
    const char *text; /* instead of `first` */
    uint32_t level, parent;
} cases[] = {
    {"name", &number, 0, NULLS, "feast", 1, NONE},
    {"no such name", &number, 0, NULLS, "fast", NONE, NONE},
    {"number", &five, 4, NULLS, NULL, 4, NONE},
    {"number past", &five, 5, NULLS, NULL, NONE, NONE},
    {"number below", &five, -1, NULLS, NULL, NONE, NONE},
    {"null", &five, NULLS, NULLS, NULL, NONE, NONE},
    {"below cuts", &cut, .4, NULLS, NULL, 0, NONE},
    {"at a cut", &cut, .5, NULLS, NULL, 1, NONE},
    {"past cuts", &cut, 9, NULLS, NULL, 2, NONE},
    {"no number", &cut, NULLS, NULLS, NULL, NONE, NONE},
    {"first position", &position, 1, NULLS, NULL, 0, NONE},
    {"last position", &position, 10, NULLS, NULL, 9, NONE},
    {"no position", &position, 11, NULLS, NULL, NONE, NONE},
    {"weekday", &day, 8, 4, NULL, 8, 56},
    {"weekend", &day, 8, 5, NULL, 32, 56},
    {"hour past", &day, 24, 5, NULL, NONE, NONE},
    {"day unknown", &day, 8, NULLS, NULL, NONE, NONE},
    {"new year", &year, 1, NULLS, NULL, 0, NONE},
    {"last day", &year, 365, NULLS, NULL, 25, NONE},
    {"south", &year, 1, -1, NULL, 13, NONE},
    {"no holiday", &holiday, 0, 3, "none", 0, NONE},
    {"holiday unknown", &holiday, NULLS, NULLS, NULL, 0, NONE},
    {"long before", &holiday, 0, -15, "new-year", 1, 15},
    {"two weeks before", &holiday, 0, -14, "new-year", 2, 16},
    {"before", &holiday, 0, -1, "feast", 11, 18},
    {"on the day", &holiday, 0, 0, "feast", 12, 19},
    {"three days after", &holiday, 0, 3, "feast", 13, 20},
    {"after", &holiday, 0, 7, "feast", 14, 21},
    {"another holiday", &holiday, 0, 0, "own", NONE, 19},
    {"city", &city, 29, 7, NULL, 29, 37},
    {"region only", &city, NULLS, 7, NULL, NONE, 37},
    {"city only", &city, 3, NULLS, NULL, 3, NONE},
};

static void test_levels(void **state)
{
    struct arena *arena = arena_create(1024);
    struct schema *schema = schema_create(arena);
    struct builder *builder;
    struct batch *batch;

    (void)state;
    assert_true(schema_add_column(schema, arena, "number", TYPE_F64));
    assert_true(schema_add_column(schema, arena, "text", TYPE_UTF8));
    assert_true(schema_add_column(schema, arena, "second", TYPE_I32));
    builder = builder_create(schema, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        builder_row(builder, 0, i, i);
        if (cases[i].first != NULLS)
            builder_f64(builder, 0, cases[i].first);
        if (cases[i].text)
            builder_text(builder, 1, cases[i].text, strlen(cases[i].text));
        if (cases[i].second != NULLS)
            builder_i32(builder, 2, (int32_t)cases[i].second);
    }
    batch = builder_finish(builder);
    for (uint32_t i = 0; i < batch->rows; i++) {
        uint32_t found;
        factor_find_levels(cases[i].factor, batch_column(batch, cases[i].text ? 1 : 0),
                           batch_column(batch, 2), i, 1, &found);
        if (factor_level(found) != cases[i].level || factor_parent(found) != cases[i].parent)
            fail_msg("%s: level %u, parent %u", cases[i].name, factor_level(found),
                     factor_parent(found));
        assert_true(factor_level(found) == NONE ||
                    factor_level(found) < factor_levels(cases[i].factor));
        assert_true(factor_parent(found) == NONE ||
                    (factor_parent(found) >= factor_levels(cases[i].factor) &&
                     factor_parent(found) < factor_cells(cases[i].factor)));
    }
    batch_release(&batch);
    builder_close(builder);
    arena_close(arena);
}

static void test_manual(void **state)
{
    static const struct {
        const struct factor *factor;
        const char *first, *second, *text;
    } manuals[] = {
        {&number, "sky", NULL, "sky (one of new-year, feast)"},
        {&five, "sky", NULL, "sky (a number from 0 to 4)"},
        {&cut, "sky", NULL, "sky (a number, told apart at 0.5, 2)"},
        {&position, "at", NULL, "at (a number from 1 to 10)"},
        {&day, "h", "d", "h (a number from 0 to 23), d (a number from 0, Monday, to 6)"},
        {&year, "d", "h",
         "d (a number from 1 to 366), h (south, a number below 0, or true: half a year apart)"},
        {&holiday, "h", "d", "h (one of new-year, feast), d (days since it, below 0 before it)"},
        {&city, "c", "r", "c (a number from 0 to 29), r (a number from 0 to 7)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(manuals) / sizeof(manuals[0]); i++) {
        struct factor factor = *manuals[i].factor;
        struct bytes out = {0};
        factor.columns[0] = manuals[i].first;
        factor.columns[1] = manuals[i].second;
        factor_manual(&factor, &out);
        bytes_put(&out, "", 1);
        assert_string_equal((const char *)out.data, manuals[i].text);
        bytes_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels),
                                       cmocka_unit_test(test_manual)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
