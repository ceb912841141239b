/* clean: the rules on batches, apart from the engine: what passes, what is rejected and why, what
 * is shared; mistakes in the options. The operator as a whole: tests/golden/clean-*. */
#include "operators/clean/rules.h"

#include "runtime/base/random.h"
#include "runtime/batch/builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct field fields[] = {
    {.name = "user", .type = TYPE_I64},
    {.name = "price", .type = TYPE_UTF8},
    {.name = "rating", .type = TYPE_F64},
    {.name = "raw", .type = TYPE_UTF8},
};
static const struct schema schema = {4, fields};

/* ---- options by hand ---- */

#define ENTRIES(...)                                                                               \
    {                                                                                              \
        sizeof((struct option_entry[]){__VA_ARGS__}) / sizeof(struct option_entry),                \
            (struct option_entry[])                                                                \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static struct option_map none = {0};

struct faults {
    uint32_t count;
    char text[1024];
};

static void note(void *context, const char *option, const struct error *err)
{
    struct faults *faults = context;
    size_t at = strlen(faults->text);

    faults->count++;
    snprintf(faults->text + at, sizeof(faults->text) - at, "%s: %s\n", option, err->what);
}

static struct rules *make(const struct option_map *types, const struct option_map *ranges,
                          const struct option_map *derive, const char *filter)
{
    struct rules_options options = {types, ranges, derive, filter, NULL};
    struct faults faults = {0};
    struct rules *rules = rules_create(&options, &schema, note, &faults);

    if (!rules)
        fail_msg("%s", faults.text);
    return rules;
}

/* price: "0", "1", ... but "x" in every fourth row, nothing in every fifth. */
static struct batch *rows(uint32_t count)
{
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;
    char text[16];

    for (uint32_t row = 0; row < count; row++) {
        builder_row(builder, row, row, row);
        builder_i64(builder, 0, row);
        snprintf(text, sizeof(text), row % 4 == 3 ? "x" : "%u", row);
        if (row % 5 != 4)
            builder_text(builder, 1, text, strlen(text));
        builder_f64(builder, 2, row % 7);
        builder_text(builder, 3, "{}", 2);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static struct rules_result result;

static void test_passes_untouched(void **state)
{
    struct rules *rules = make(&none, &none, &none, NULL);
    struct batch *batch = rows(7);

    (void)state;
    rules_run(rules, batch, &result);
    assert_int_equal(result.count, 7);
    assert_int_equal(result.rejected_count, 0);
    assert_int_equal(result.filtered, 0);
    assert_int_equal(rules_schema(rules)->count, 3); /* no raw */
    assert_int_equal(result.batch->column_count, 3);
    for (uint32_t i = 0; i < 3; i++) /* shared, not copied */
        assert_ptr_equal(batch_column(result.batch, i), batch_column(batch, i));
    batch_check(result.batch, rules_schema(rules));
    batch_release(&result.batch);
    batch_release(&batch);
    rules_close(rules);
}

static void test_casts_reject(void **state)
{
    struct option_map types =
        ENTRIES({.name = "price", .text = "i64"}, {.name = "user", .text = "i64"});
    struct rules *rules = make(&types, &none, &none, NULL);
    struct batch *batch = rows(7);
    char reason[RULES_REASON_SIZE];

    (void)state;
    rules_run(rules, batch, &result);
    assert_int_equal(result.count, 6); /* row 4 has no price, which is no wrong one */
    assert_int_equal(result.rejected_count, 1);
    assert_int_equal(result.rejected[0].row, 3);
    assert_string_equal(rules_field(rules, result.rejected[0].rule), "price");
    assert_string_equal(rules_reason(rules, batch, 3, result.rejected[0].rule, reason),
                        "is \"x\", expected i64");
    assert_int_equal(rules_schema(rules)->fields[1].type, TYPE_I64);
    assert_int_equal(((const int64_t *)batch_column(result.batch, 1)->values)[6], 6);
    assert_ptr_equal(batch_column(result.batch, 0), batch_column(batch, 0)); /* i64 already */
    batch_release(&result.batch);
    batch_release(&batch);
    rules_close(rules);
}

/* Each row by the rules one after the other; the first that it breaks counts. */
static uint32_t naive(uint32_t row)
{
    if (row % 5 != 4 && row % 4 == 3)
        return 0;
    if (row % 5 == 4)
        return 1;
    if (row % 7 < 2)
        return 2;
    return row % 7 > 5 ? 3 : UINT32_MAX;
}

static void check_against_naive(const struct batch *batch)
{
    uint32_t passed = 0, rejected = 0, filtered = 0;

    for (uint32_t k = 0; k < batch->selected; k++) {
        uint32_t row = batch_row(batch, k), rule = naive(row);

        if (rule != UINT32_MAX) {
            assert_int_equal(result.rejected[rejected].row, row);
            assert_int_equal(result.rejected[rejected++].rule, rule);
        } else if (row % 3 == 0) {
            filtered++;
        } else {
            assert_int_equal(result.rows[passed++], row);
        }
    }
    assert_int_equal(result.count, passed);
    assert_int_equal(result.rejected_count, rejected);
    assert_int_equal(result.filtered, filtered);
}

static void test_all_rules(void **state)
{
    struct option_map types = ENTRIES({.name = "price", .text = "f64"});
    struct option_map price = ENTRIES({.name = "required", .text = "true"});
    struct option_map rating = ENTRIES({.name = "min", .text = "2"}, {.name = "max", .text = "5"});
    struct option_map ranges =
        ENTRIES({.name = "price", .map = &price}, {.name = "rating", .map = &rating});
    struct option_map derive =
        ENTRIES({.name = "rest", .text = "user % 3"}, {.name = "odd", .text = "rest > 0"});
    struct rules *rules = make(&types, &ranges, &derive, "odd");
    struct random random = {1};
    struct batch *batch = rows(BATCH_ROWS_MAX);

    (void)state;
    rules_run(rules, batch, &result);
    check_against_naive(batch);
    batch_release(&result.batch);
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t some[BATCH_ROWS_MAX], count = 0;

        for (uint32_t row = 0; row < batch->rows; row++)
            if (random_below(&random, 20) < round)
                some[count++] = row;
        struct batch *selected = batch_select(batch, some, count);
        rules_run(rules, selected, &result);
        check_against_naive(selected);
        assert_int_equal(result.batch->column_count, 5);
        batch_release(&result.batch);
        batch_release(&selected);
    }
    batch_release(&batch);
    rules_close(rules);
}

static void test_reasons(void **state)
{
    const char *list[] = {"1", "2"};
    struct text_list items = {2, list};
    struct option_map user = ENTRIES({.name = "in", .list = &items});
    struct option_map rating =
        ENTRIES({.name = "min", .text = "1"}, {.name = "max", .text = "5.5"});
    struct option_map ranges =
        ENTRIES({.name = "user", .map = &user}, {.name = "rating", .map = &rating});
    struct rules *rules = make(&none, &ranges, &none, NULL);
    struct batch *batch = rows(7);
    char reason[RULES_REASON_SIZE];

    (void)state;
    rules_run(rules, batch, &result);
    assert_string_equal(rules_reason(rules, batch, 5, 0, reason), "is 5, which is not in the list");
    assert_string_equal(rules_reason(rules, batch, 0, 1, reason), "is 0, below 1");
    assert_string_equal(rules_reason(rules, batch, 6, 2, reason), "is 6, above 5.5");
    assert_int_equal(result.count, 2);
    batch_release(&result.batch);
    batch_release(&batch);
    rules_close(rules);
}

/* ---- mistakes ---- */

static void refuse(const struct rules_options *options, uint32_t count, const char *text)
{
    struct faults faults = {0};

    assert_null(rules_create(options, &schema, note, &faults));
    assert_string_equal(faults.text, text);
    assert_int_equal(faults.count, count);
    assert_null(rules_create(options, &schema, NULL, NULL));
}

static void test_mistakes(void **state)
{
    struct option_map types =
        ENTRIES({.name = "prize", .text = "f64"}, {.name = "price", .text = "number"},
                {.name = "rating", .text = "timestamp"});
    struct option_map rating = ENTRIES({.name = "min", .text = "one"}, {.name = "mni", .text = "1"},
                                       {.name = "required", .text = "yes"});
    struct option_map ranges =
        ENTRIES({.name = "rating", .map = &rating}, {.name = "user", .text = "5"});
    struct option_map user = ENTRIES({.name = "user", .text = "user + 1"});
    struct option_map raw = ENTRIES({.name = "raw", .text = "'x'"});
    struct option_map chain =
        ENTRIES({.name = "a", .text = "missing + 1"}, {.name = "b", .text = "a + 1"});
    const char *keys[] = {"user"};
    struct text_list key = {1, keys};

    (void)state;
    refuse(&(struct rules_options){&types, &none, &none, NULL, NULL}, 2,
           "types.prize: there is no column \"prize\" in the input\n"
           "types.price: \"number\" is not a type\n");
    refuse(&(struct rules_options){&none, &ranges, &none, NULL, NULL}, 4,
           "ranges.rating.min: \"one\" cannot be compared with the column\n"
           "ranges.rating.mni: a range has no \"mni\"\n"
           "ranges.rating.required: \"required\" is true or false\n"
           "ranges.user: \"user\" has no range here\n");
    refuse(&(struct rules_options){&none, &none, &user, NULL, &key}, 1,
           "derive.user: \"user\" is the key of the rows, which have been sent by it\n");
    refuse(&(struct rules_options){&none, &none, &raw, NULL, NULL}, 1,
           "derive.raw: \"raw\" holds the bytes of the record\n");
    refuse(&(struct rules_options){&none, &none, &chain, "b > 1", NULL}, 1,
           "derive.a: at column 1: there is no column \"missing\"\n");
    refuse(&(struct rules_options){&none, &none, &none, "rating", NULL}, 1,
           "filter: the filter is no bool but f64\n");
    refuse(&(struct rules_options){&none, &none, &none, "rating >", NULL}, 1,
           "filter: at column 9: expected a value, found the end\n");
}

static void test_column_bound(void **state)
{
    struct option_entry entries[COLUMNS_MAX];
    char names[COLUMNS_MAX][8];
    struct option_map derive = {COLUMNS_MAX - 4, entries};
    struct rules_options options = {&none, &none, &derive, NULL, NULL};
    struct rules *rules;

    (void)state;
    for (uint32_t i = 0; i < COLUMNS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        entries[i] = (struct option_entry){.name = names[i], .text = "user"};
    }
    rules = rules_create(&options, &schema, NULL, NULL);
    assert_non_null(rules);
    assert_int_equal(rules_schema(rules)->count, COLUMNS_MAX - 1);
    rules_close(rules);
    derive.count++;
    assert_null(rules_create(&options, &schema, NULL, NULL));
    rules_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_untouched), cmocka_unit_test(test_casts_reject),
        cmocka_unit_test(test_all_rules),        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_mistakes),         cmocka_unit_test(test_column_bound),
    };

    return cmocka_run_group_tests_name("clean", tests, NULL, NULL);
}
