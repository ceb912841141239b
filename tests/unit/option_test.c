/* option: defaults, parsing and ranges of every scalar type, messages, the check of a table, the
 * manual. */
#include "runtime/base/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct inner {
    int64_t depth;
    bool deep;
};

struct config {
    bool flag;
    int64_t count, after_ms, memory_size, free_ms;
    double weight, ratio, share;
    const char *name, *when, *field;
    int32_t mode;
    struct text_list fields;
    struct inner inner;
};

static const char *const modes[] = {"fast", "exact", "both", NULL};

static const struct option inner_options[] = {
    {.name = "depth",
     .type = OPT_I64,
     FIELD(struct inner, depth),
     .def.i64 = 3,
     .min.i64 = 1,
     .max.i64 = 9,
     .help = "How deep."},
    {.name = "deep",
     .type = OPT_BOOL,
     FIELD(struct inner, deep),
     .def.flag = true,
     .help = "Whether it is deep."},
    {0},
};

static const struct option options[] = {
    {.name = "flag", .type = OPT_BOOL, FIELD(struct config, flag), .help = "A flag."},
    {.name = "count",
     .type = OPT_I64,
     FIELD(struct config, count),
     .def.i64 = -5,
     .help = "A count."},
    {.name = "after",
     .type = OPT_DURATION,
     FIELD(struct config, after_ms),
     .def.i64 = 30 * DAY_MS,
     .min.i64 = HOUR_MS,
     .max.i64 = 366 * DAY_MS,
     .help = "Silence, in event time, after which a key has lapsed: a sentence that is long enough "
             "to be broken into more than one line of the manual, as many are."},
    {.name = "free", .type = OPT_DURATION, FIELD(struct config, free_ms), .help = "A duration."},
    {.name = "memory",
     .type = OPT_BYTES,
     FIELD(struct config, memory_size),
     .def.i64 = 64 << 20,
     .min.i64 = 1 << 20,
     .max.i64 = INT64_MAX,
     .help = "A size."},
    {.name = "weight",
     .type = OPT_F64,
     FIELD(struct config, weight),
     .def.f64 = 0.6,
     .min.f64 = -1,
     .max.f64 = 1,
     .help = "A weight."},
    {.name = "ratio",
     .type = OPT_RATIO,
     FIELD(struct config, ratio),
     .def.f64 = 0.3,
     .help = "A ratio."},
    {.name = "share", .type = OPT_F64, FIELD(struct config, share), .help = "Any number."},
    {.name = "name",
     .type = OPT_TEXT,
     FIELD(struct config, name),
     .def.text = "none",
     .help = "A name."},
    {.name = "when", .type = OPT_EXPRESSION, FIELD(struct config, when), .help = "A condition."},
    {.name = "field",
     .type = OPT_FIELD,
     FIELD(struct config, field),
     .required = true,
     .help = "A column."},
    {.name = "mode",
     .type = OPT_ENUM,
     FIELD(struct config, mode),
     .def.i64 = 1,
     .choices = modes,
     .help = "A choice."},
    {.name = "fields", .type = OPT_FIELDS, FIELD(struct config, fields), .help = "Columns."},
    {.name = "inner",
     .type = OPT_GROUP,
     FIELD(struct config, inner),
     .group = inner_options,
     .help = "A section."},
    {0},
};

static void test_the_table_is_sound(void **state)
{
    struct error err;

    (void)state;
    assert_true(option_check(options, sizeof(struct config), &err));
}

static void test_defaults(void **state)
{
    struct config config = {0};

    (void)state;
    option_defaults(options, &config);
    assert_false(config.flag);
    assert_int_equal(config.count, -5);
    assert_int_equal(config.after_ms, 30 * DAY_MS);
    assert_int_equal(config.memory_size, 64 << 20);
    assert_true(config.weight == 0.6 && config.ratio == 0.3 && config.share == 0);
    assert_string_equal(config.name, "none");
    assert_null(config.when);
    assert_int_equal(config.mode, 1);
    assert_int_equal(config.fields.count, 0);
    assert_int_equal(config.inner.depth, 3);
    assert_true(config.inner.deep);
}

struct good {
    const char *name, *text;
    int64_t integer;
    double real;
    const char *copied;
};

static void check_value(const struct option *option, const struct config *config,
                        const struct good *good)
{
    const char *field = (const char *)config + option->offset, *text;
    int64_t integer;
    int32_t choice;
    double real;

    switch (option->type) {
    case OPT_BOOL:
        assert_int_equal(*field, good->integer);
        return;
    case OPT_ENUM:
        memcpy(&choice, field, sizeof(choice));
        assert_int_equal(choice, good->integer);
        return;
    case OPT_F64:
    case OPT_RATIO:
        memcpy(&real, field, sizeof(real));
        assert_true(real == good->real);
        return;
    case OPT_TEXT:
    case OPT_EXPRESSION:
    case OPT_FIELD:
        memcpy(&text, field, sizeof(text));
        assert_string_equal(text, good->copied);
        assert_ptr_not_equal(text, good->text);
        return;
    default:
        memcpy(&integer, field, sizeof(integer));
        assert_int_equal(integer, good->integer);
    }
}

static void test_good_values(void **state)
{
    static const struct good cases[] = {
        {"flag", "true", 1, 0, NULL},
        {"flag", "false", 0, 0, NULL},
        {"count", "0", 0, 0, NULL},
        {"count", "-17", -17, 0, NULL},
        {"count", "+17", 17, 0, NULL},
        {"count", "9223372036854775807", INT64_MAX, 0, NULL},
        {"count", "-9223372036854775808", INT64_MIN, 0, NULL},
        {"after", "1h", HOUR_MS, 0, NULL},
        {"after", "366d", 366 * DAY_MS, 0, NULL},
        {"free", "0", 0, 0, NULL},
        {"memory", "1mb", 1 << 20, 0, NULL},
        {"memory", "8589934591gb", INT64_C(8589934591) << 30, 0, NULL},
        {"weight", "-1", 0, -1, NULL},
        {"weight", "1.0", 0, 1, NULL},
        {"weight", ".5", 0, 0.5, NULL},
        {"weight", "1e-3", 0, 0.001, NULL},
        {"share", "-1.7e308", 0, -1.7e308, NULL},
        {"ratio", "0", 0, 0, NULL},
        {"ratio", "1", 0, 1, NULL},
        {"ratio", "30%", 0, 0.3, NULL},
        {"ratio", "100%", 0, 1, NULL},
        {"name", "", 0, 0, ""},
        {"name", "a \"text\"", 0, 0, "a \"text\""},
        {"when", "rating >= 4", 0, 0, "rating >= 4"},
        {"field", "user", 0, 0, "user"},
        {"mode", "fast", 0, 0, NULL},
        {"mode", "both", 2, 0, NULL},
    };
    struct arena *arena = arena_create(1024);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct option *option = option_find(options, cases[i].name);
        struct config config = {0};
        struct error err;

        assert_non_null(option);
        assert_true(option_parse(option, cases[i].text, &config, arena, &err));
        check_value(option, &config, &cases[i]);
    }
    arena_close(arena);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        {"flag", "yes", "flag: \"yes\" is not a boolean; write true or false"},
        {"flag", "True", "flag: \"True\" is not a boolean; write true or false"},
        {"count", "1.5", "count: \"1.5\" is not an integer; write a whole number, such as 20"},
        {"count", "", "count: \"\" is not an integer; write a whole number, such as 20"},
        {"count", " 1", "count: \" 1\" is not an integer; write a whole number, such as 20"},
        {"count", "9223372036854775808",
         "count: \"9223372036854775808\" is not an integer; write a whole number, such as 20"},
        {"after", "90 parsecs",
         "after: \"90 parsecs\" is not a duration; write a number and ms, s, m, h or d, such as "
         "90s"},
        {"after", "3599999ms",
         "after: \"3599999ms\" is out of range; write a value from 1h to 366d"},
        {"after", "367d", "after: \"367d\" is out of range; write a value from 1h to 366d"},
        {"free", "-1ms", "free: \"-1ms\" is out of range; write a value from 0s up"},
        {"memory", "64",
         "memory: \"64\" is not a byte size; write a number and b, kb, mb or gb, "
         "such as 64mb"},
        {"memory", "1023kb", "memory: \"1023kb\" is out of range; write a value from 1mb up"},
        {"weight", "1.0000001",
         "weight: \"1.0000001\" is out of range; write a value from -1 to 1"},
        {"weight", "nan", "weight: \"nan\" is not a number; write a number, such as 0.5 or 1e-3"},
        {"weight", "0x1", "weight: \"0x1\" is not a number; write a number, such as 0.5 or 1e-3"},
        {"share", "1e999", "share: \"1e999\" is not a number; write a number, such as 0.5 or 1e-3"},
        {"share", "-", "share: \"-\" is not a number; write a number, such as 0.5 or 1e-3"},
        {"ratio", "1.1", "ratio: \"1.1\" is out of range; write a value from 0 to 1"},
        {"ratio", "101%", "ratio: \"101%\" is out of range; write a value from 0 to 1"},
        {"ratio", "-1%", "ratio: \"-1%\" is out of range; write a value from 0 to 1"},
        {"ratio", "%",
         "ratio: \"%\" is not a ratio; write a number from 0 to 1 or a percentage, "
         "such as 0.3 or 30%"},
        {"when", "",
         "when: \"\" is not an expression; write an expression, such as \"rating >= "
         "4\""},
        {"field", "", "field: \"\" is not a column; write the name of a column of the input"},
        {"mode", "exat",
         "mode: \"exat\" is not a choice; write one of fast, exact, both; did you mean `exact`?"},
        {"mode", "", "mode: \"\" is not a choice; write one of fast, exact, both"},
    };
    struct arena *arena = arena_create(1024);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct option *option = option_find(options, cases[i].name);
        struct config config, before;
        char text[ERROR_TEXT_MAX];
        struct error err;

        memset(&config, 0x5a, sizeof(config));
        before = config;
        assert_false(option_parse(option, cases[i].text, &config, arena, &err));
        assert_int_equal(err.code, ERROR_CONFIG);
        assert_string_equal(error_text(&err, text, sizeof(text)), cases[i].error);
        assert_memory_equal(&config, &before, sizeof(config)); /* untouched */
    }
    arena_close(arena);
}

static void test_a_long_text_is_cut_in_the_message(void **state)
{
    struct arena *arena = arena_create(1024);
    struct config config = {0};
    struct error err;
    char text[1000];

    (void)state;
    memset(text, '7', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    assert_false(option_parse(option_find(options, "count"), text, &config, arena, &err));
    assert_true(strlen(err.what) < 120);
    arena_close(arena);
}

static void test_values(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"flag", "true"},  {"after", "90s"},  {"memory", "64mb"},
        {"weight", "0.6"}, {"ratio", "0.3"},  {"name", "two lines"},
        {"when", "none"},  {"mode", "exact"}, {"fields", ""},
    };
    struct config config = {0};

    (void)state;
    option_defaults(options, &config);
    config.flag = true;
    config.after_ms = 90 * SECOND_MS;
    config.name = "two\nlines";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes text = {0};

        option_value(option_find(options, cases[i].name), &config, &text);
        bytes_put(&text, "", 1);
        assert_string_equal((const char *)text.data, cases[i].text);
        bytes_clear(&text);
    }
}

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(option_find(options, "flag"), &options[0]);
    assert_null(option_find(options, "fla"));
    assert_null(option_find(options, ""));
}

static void test_check_finds_unsound_rows(void **state)
{
    static const char *const help = "Help.";
    const struct {
        const char *what;
        struct option option;
    } cases[] = {
        {"has no type", {.name = "a", FIELD(struct config, count), .help = help}},
        {"has no help", {.name = "a", .type = OPT_I64, FIELD(struct config, count)}},
        {"has no help", {.name = "a", .type = OPT_I64, FIELD(struct config, count), .help = ""}},
        {"has a field of another size",
         {.name = "a", .type = OPT_I64, FIELD(struct config, flag), .help = help}},
        {"lies outside the struct",
         {.name = "a", .type = OPT_I64, .offset = sizeof(struct config), .size = 8, .help = help}},
        {"has choices and is not an enum, or the other way round",
         {.name = "a", .type = OPT_ENUM, FIELD(struct config, mode), .help = help}},
        {"has a group and is none, or the other way round",
         {.name = "a", .type = OPT_GROUP, FIELD(struct config, inner), .help = help}},
        {"is told or fixed and no scalar",
         {.name = "a",
          .type = OPT_FIELDS,
          FIELD(struct config, fields),
          .life = LIFE_TOLD,
          .help = help}},
        {"has a default out of its range",
         {.name = "a",
          .type = OPT_I64,
          FIELD(struct config, count),
          .min.i64 = 1,
          .max.i64 = 5,
          .help = help}},
        {"has a default out of its range",
         {.name = "a",
          .type = OPT_I64,
          FIELD(struct config, count),
          .def.i64 = 2,
          .min.i64 = 1,
          .help = help}},
        {"has a default out of its range",
         {.name = "a",
          .type = OPT_RATIO,
          FIELD(struct config, ratio),
          .def.f64 = 1.5,
          .help = help}},
        {"has a default out of its range",
         {.name = "a",
          .type = OPT_ENUM,
          FIELD(struct config, mode),
          .def.i64 = 3,
          .choices = modes,
          .help = help}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct option table[] = {cases[i].option, {0}};
        struct error err;

        assert_false(option_check(table, sizeof(struct config), &err));
        assert_string_equal(err.what, cases[i].what);
        assert_string_equal(err.where, "a");
    }
    const struct option twice[] = {options[0], options[0], {0}};
    struct error err;
    assert_false(option_check(twice, sizeof(struct config), &err));
    assert_string_equal(err.what, "is there twice");
}

static void test_manual(void **state)
{
    static const char expected[] =
        "  flag                    boolean, default false\n"
        "      A flag.\n"
        "  count                   integer, default -5\n"
        "      A count.\n"
        "  after                   duration, default 30d, from 1h to 366d\n"
        "      Silence, in event time, after which a key has lapsed: a sentence that is long "
        "enough\n"
        "      to be broken into more than one line of the manual, as many are.\n"
        "  free                    duration, default 0s\n"
        "      A duration.\n"
        "  memory                  size, default 64mb, from 1mb up\n"
        "      A size.\n"
        "  weight                  number, default 0.6, from -1 to 1\n"
        "      A weight.\n"
        "  ratio                   ratio, default 0.3\n"
        "      A ratio.\n"
        "  share                   number, default 0\n"
        "      Any number.\n"
        "  name                    text, default \"none\"\n"
        "      A name.\n"
        "  when                    expression\n"
        "      A condition.\n"
        "  field                   column, required\n"
        "      A column.\n"
        "  mode                    fast | exact | both, default exact\n"
        "      A choice.\n"
        "  fields                  columns\n"
        "      Columns.\n"
        "  inner                   section\n"
        "      A section.\n"
        "  inner.depth             integer, default 3, from 1 to 9\n"
        "      How deep.\n"
        "  inner.deep              boolean, default true\n"
        "      Whether it is deep.\n";
    struct bytes out = {0};

    (void)state;
    option_manual(options, &out);
    bytes_put(&out, "", 1);
    assert_string_equal((const char *)out.data, expected);
    bytes_clear(&out);
    for (int type = OPT_BOOL; type <= OPT_GROUP; type++)
        assert_true(option_type_help((enum option_type)type)[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_sound),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_good_values),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_a_long_text_is_cut_in_the_message),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_check_finds_unsound_rows),
        cmocka_unit_test(test_manual),
    };
    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
