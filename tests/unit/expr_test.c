/* Expressions: tables of values and of errors, bounds, selections. Random ones: expr_model_test. */
#include "runtime/batch/expr.h"

#include "runtime/base/timestamp.h"
#include "runtime/batch/builder.h"
#include "tests/unit/expr_naive.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct field candidate_fields[] = {{.name = "item", .type = TYPE_I64}};
static const struct schema candidates = {1, candidate_fields};

static struct field fields[] = {
    {.name = "id", .type = TYPE_I64},
    {.name = "small", .type = TYPE_I32},
    {.name = "rating", .type = TYPE_F64},
    {.name = "ratio", .type = TYPE_F32},
    {.name = "active", .type = TYPE_BOOL},
    {.name = "name", .type = TYPE_UTF8},
    {.name = "city", .type = TYPE_UTF8},
    {.name = "ts", .type = TYPE_TIMESTAMP},
    {.name = "odd name", .type = TYPE_I64},
    {.name = "context.hour", .type = TYPE_I64},
    {.name = "nothing", .type = TYPE_I64},
    {.name = "huge", .type = TYPE_I64},
    {.name = "end", .type = TYPE_I64},
    {.name = "timestamp", .type = TYPE_I64},
    {.name = "nan", .type = TYPE_F64},
    {.name = "far", .type = TYPE_TIMESTAMP},
    {.name = "items", .type = TYPE_LIST, .child = &candidates},
    {.name = "taste", .type = TYPE_VECTOR, .width = 2},
};
static const struct schema schema = {sizeof(fields) / sizeof(fields[0]), fields};

static int64_t ms_of(const char *text)
{
    int64_t ms;

    assert_true(timestamp_parse(text, strlen(text), &ms));
    return ms;
}

static struct batch *one_row(void)
{
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    builder_row(builder, ms_of("2021-01-01T06:00:00Z"), 0, 0);
    builder_i64(builder, 0, 7);
    builder_i32(builder, 1, -3);
    builder_f64(builder, 2, 4.5);
    builder_f32(builder, 3, 0.1f);
    builder_bool(builder, 4, true);
    builder_text(builder, 5, "Ada Lovelace", 12);
    builder_text(builder, 6, "Z\xc3\xbcrich", 7);
    builder_i64(builder, 7, ms_of("2020-02-29T13:45:30.123Z"));
    builder_i64(builder, 8, 1);
    builder_i64(builder, 9, 13);
    builder_i64(builder, 11, INT64_MAX);
    builder_i64(builder, 12, 12);
    builder_i64(builder, 13, 14);
    builder_f64(builder, 14, NAN);
    builder_i64(builder, 15, INT64_MIN);
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

/* `type value` of row 0. */
static const char *render(const struct column *column, char *text, size_t size)
{
    const char *type = type_name(column->type);
    char time[40];
    uint32_t length;

    if (!column_valid(column, 0)) {
        snprintf(text, size, "%s null", type);
    } else if (column->type == TYPE_UTF8) {
        const char *value = column_text(column, 0, &length);
        snprintf(text, size, "%s %.*s", type, (int)length, value);
    } else if (column->type == TYPE_BOOL) {
        snprintf(text, size, "%s %s", type, column_bool(column, 0) ? "true" : "false");
    } else if (column->type == TYPE_I64) {
        snprintf(text, size, "%s %" PRId64, type, *(const int64_t *)column->values);
    } else if (column->type == TYPE_TIMESTAMP) {
        timestamp_text(*(const int64_t *)column->values, time, sizeof(time));
        snprintf(text, size, "%s %s", type, time);
    } else {
        snprintf(text, size, "%s %.10g", type, column_number(column, 0));
    }
    return text;
}

/* ---- values ---- */

static const struct {
    const char *text, *value;
} values[] = {
    /* literals and columns */
    {"1", "i64 1"},
    {"-9223372036854775808", "i64 -9223372036854775808"},
    {"9223372036854775807", "i64 9223372036854775807"},
    {"2.5", "f64 2.5"},
    {"1e3", "f64 1000"},
    {"'it''s'", "utf8 it's"},
    {"''", "utf8 "},
    {"true", "bool true"},
    {"FALSE", "bool false"},
    {"rating", "f64 4.5"},
    {"small", "i32 -3"},
    {"(small)", "i32 -3"},
    {"ratio", "f32 0.1000000015"},
    {"`odd name`", "i64 1"},
    {"context.hour", "i64 13"},
    {"`end`", "i64 12"},
    {"timestamp", "i64 14"},
    {"timestamp '2020-01-01'", "timestamp 2020-01-01T00:00:00.000Z"},
    {"event_time", "timestamp 2021-01-01T06:00:00.000Z"},
    /* arithmetic */
    {"1 + 2 * 3", "i64 7"},
    {"(1 + 2) * 3", "i64 9"},
    {"10 - 3 - 2", "i64 5"},
    {"7 / 2", "f64 3.5"},
    {"7 / 0", "f64 null"},
    {"7 % 4", "i64 3"},
    {"-7 % 4", "i64 -3"},
    {"7 % 0", "i64 null"},
    {"7.5 % 2", "f64 1.5"},
    {"-9223372036854775808 % -1", "i64 0"},
    {"small + id", "i64 4"},
    {"small + rating", "f64 1.5"},
    {"-rating", "f64 -4.5"},
    {"- -id", "i64 7"},
    {"huge + 1", "i64 null"},
    {"huge * 2", "i64 null"},
    {"-huge - 2", "i64 null"},
    {"-(-huge - 1)", "i64 null"},
    {"huge + 1.0", "f64 9.223372037e+18"},
    {"1e308 * 10", "f64 null"},
    {"nan + 1", "f64 null"},
    {"nothing + 1", "i64 null"},
    {"null + 1", "i64 null"},
    {"'a' + 'b'", "utf8 ab"},
    {"name + null", "utf8 null"},
    {"ts - timestamp '2020-02-29'", "i64 49530123"},
    {"ts + 1000", "timestamp 2020-02-29T13:45:31.123Z"},
    {"1000 + ts", "timestamp 2020-02-29T13:45:31.123Z"},
    {"ts - small", "timestamp 2020-02-29T13:45:30.126Z"},
    {"ts + huge", "timestamp null"},
    /* comparison */
    {"rating >= 4", "bool true"},
    {"rating = 4.5", "bool true"},
    {"rating == 4.5", "bool true"},
    {"rating <> 4.5", "bool false"},
    {"id != 7", "bool false"},
    {"id < 7.5", "bool true"},
    {"id > nothing", "bool null"},
    {"nothing = nothing", "bool null"},
    {"'a' < 'b'", "bool true"},
    {"'a' < 'B'", "bool false"},
    {"'a' < 'ab'", "bool true"},
    {"ts > timestamp '2020-01-01'", "bool true"},
    {"active = true", "bool true"},
    {"active != false", "bool true"},
    {"nan = nan", "bool false"},
    {"nan != nan", "bool true"},
    {"nan is null", "bool false"},
    {"id in (1, 7)", "bool true"},
    {"id in (1, 2)", "bool false"},
    {"id in (1, null)", "bool null"},
    {"id in (7, null)", "bool true"},
    {"id not in (1, 2)", "bool true"},
    {"id in (6.5, 7.0)", "bool true"},
    {"id in (small, rating, 7)", "bool true"},
    {"name in ('Ada', 'Ada Lovelace')", "bool true"},
    {"nothing in (1)", "bool null"},
    {"active in (false, null)", "bool null"},
    {"id between 1 and 7", "bool true"},
    {"id between 8 and nothing", "bool false"},
    {"id not between 1 and 5", "bool true"},
    {"name like 'Ada%'", "bool true"},
    {"name like '%lace'", "bool true"},
    {"name like '%a%a%'", "bool true"},
    {"name like 'Ada'", "bool false"},
    {"name like 'A_a%'", "bool true"},
    {"city like 'Z_rich'", "bool true"},
    {"city like 'Z__rich'", "bool false"},
    {"'50%' like '50\\%'", "bool true"},
    {"'500' like '50\\%'", "bool false"},
    {"'' like '%'", "bool true"},
    {"'' like '_'", "bool false"},
    {"'aab' like '%ab'", "bool true"},
    {"'abab' like '%ab%ab%ab%'", "bool false"},
    {"name not like 'B%'", "bool true"},
    /* boolean */
    {"true and null", "bool null"},
    {"false and null", "bool false"},
    {"null and false", "bool false"},
    {"true or null", "bool true"},
    {"null or true", "bool true"},
    {"false or null", "bool null"},
    {"not null", "bool null"},
    {"not active", "bool false"},
    {"not not active", "bool true"},
    {"not id = 7 or active", "bool true"},
    {"true or false and false", "bool true"},
    {"active and rating > 4 and id < 10", "bool true"},
    /* null */
    {"nothing is null", "bool true"},
    {"id is not null", "bool true"},
    {"null is null", "bool true"},
    {"id = 1 is null", "bool false"},
    {"coalesce(nothing, 0)", "i64 0"},
    {"coalesce(nothing, id, 1.5)", "f64 7"},
    {"coalesce(null, nothing)", "i64 null"},
    {"coalesce(small)", "i64 -3"},
    {"nullif(id, 7)", "i64 null"},
    {"nullif(id, -1)", "i64 7"},
    {"nullif(id, nothing)", "i64 7"},
    {"nullif(name, '')", "utf8 Ada Lovelace"},
    /* choice */
    {"case when id > 5 then 'big' else 'small' end", "utf8 big"},
    {"case when id > 9 then 1 when id > 5 then 2.5 else 3 end", "f64 2.5"},
    {"case when null then 1 end", "i64 null"},
    {"case when id < 5 then true when id > 5 then false end", "bool false"},
    {"if(active, id, rating)", "f64 7"},
    {"if(nothing > 1, 'a', 'b')", "utf8 b"},
    {"if(id = 7, null, ts)", "timestamp null"},
    /* numbers */
    {"abs(-3)", "i64 3"},
    {"abs(small)", "i64 3"},
    {"abs(-2.5)", "f64 2.5"},
    {"abs(-huge - 1)", "i64 null"},
    {"floor(2.7)", "f64 2"},
    {"floor(id)", "i64 7"},
    {"ceil(-2.7)", "f64 -2"},
    {"round(2.5)", "f64 3"},
    {"round(-2.5)", "f64 -3"},
    {"sqrt(9)", "f64 3"},
    {"sqrt(-1)", "f64 null"},
    {"ln(0)", "f64 null"},
    {"exp(0)", "f64 1"},
    {"exp(1000)", "f64 null"},
    {"log10(1000)", "f64 3"},
    {"pow(2, 10)", "f64 1024"},
    {"pow(-8, 0.5)", "f64 null"},
    {"min(3, 1, 2)", "i64 1"},
    {"max(3, 1.5)", "f64 3"},
    {"max(id, nothing)", "i64 null"},
    {"min(nan, 1)", "f64 null"},
    {"min(1, nan)", "f64 null"},
    {"max(ts, event_time)", "timestamp 2021-01-01T06:00:00.000Z"},
    /* text */
    {"lower(name)", "utf8 ada lovelace"},
    {"upper(city)", "utf8 Z\xc3\xbcRICH"},
    {"LENGTH(city)", "i64 6"},
    {"length('')", "i64 0"},
    {"trim('  a b\t')", "utf8 a b"},
    {"substr(city, 2, 3)", "utf8 \xc3\xbcri"},
    {"substr(name, 5)", "utf8 Lovelace"},
    {"substr(name, 0, 2)", "utf8 A"},
    {"substr(name, -huge - 1, huge)", "utf8 "},
    {"substr(name, 2, -1)", "utf8 "},
    {"substr(name, 100)", "utf8 "},
    {"contains(name, 'Love')", "bool true"},
    {"contains(name, '')", "bool true"},
    {"starts_with(name, 'Ada')", "bool true"},
    {"starts_with('a', 'ab')", "bool false"},
    {"ends_with(name, 'lace')", "bool true"},
    {"concat(name, ' of ', city)", "utf8 Ada Lovelace of Z\xc3\xbcrich"},
    {"concat(name, null)", "utf8 null"},
    /* time */
    {"year(ts)", "i64 2020"},
    {"month(ts)", "i64 2"},
    {"day(ts)", "i64 29"},
    {"hour(ts)", "i64 13"},
    {"minute(ts)", "i64 45"},
    {"second(ts)", "i64 30"},
    {"weekday(ts)", "i64 6"},
    {"day_of_year(ts)", "i64 60"},
    {"hour(event_time)", "i64 6"},
    {"year(far)", "i64 null"},
    {"cast(far as utf8)", "utf8 null"},
    {"date_trunc('hour', ts)", "timestamp 2020-02-29T13:00:00.000Z"},
    {"date_trunc('week', ts)", "timestamp 2020-02-24T00:00:00.000Z"},
    {"date_trunc('week', timestamp '1969-12-28')", "timestamp 1969-12-22T00:00:00.000Z"},
    {"date_trunc('month', ts)", "timestamp 2020-02-01T00:00:00.000Z"},
    {"date_trunc('quarter', ts)", "timestamp 2020-01-01T00:00:00.000Z"},
    {"date_trunc('year', ts)", "timestamp 2020-01-01T00:00:00.000Z"},
    {"date_trunc('week', timestamp '0001-01-01')", "timestamp 0001-01-01T00:00:00.000Z"},
    {"date_trunc('day', far)", "timestamp null"},
    {"epoch_ms(timestamp '1970-01-01T00:00:01Z')", "i64 1000"},
    /* casts */
    {"cast(rating as i64)", "i64 4"},
    {"cast(-4.5 as i32)", "i32 -4"},
    {"cast(huge as i32)", "i32 null"},
    {"cast(1e19 as i64)", "i64 null"},
    {"cast(nan as i64)", "i64 null"},
    {"cast(id as f32)", "f32 7"},
    {"cast(1e300 as f32)", "f32 null"},
    {"cast('12' as i64)", "i64 12"},
    {"cast('12' as i32)", "i32 12"},
    {"cast('12.0' as i64)", "i64 12"},
    {"cast('12.5' as i64)", "i64 null"},
    {"cast('12.5' as f64)", "f64 12.5"},
    {"cast(' 12' as i64)", "i64 null"},
    {"cast('12x' as i64)", "i64 null"},
    {"cast('' as i64)", "i64 null"},
    {"cast('nan' as f64)", "f64 null"},
    {"cast('1e999' as f64)", "f64 null"},
    {"cast('true' as bool)", "bool true"},
    {"cast('yes' as bool)", "bool null"},
    {"cast(0 as bool)", "bool false"},
    {"cast(active as i64)", "i64 1"},
    {"cast(active as f64)", "f64 1"},
    {"cast(active as utf8)", "utf8 true"},
    {"cast(id as utf8)", "utf8 7"},
    {"cast(-huge - 1 as utf8)", "utf8 -9223372036854775808"},
    {"cast(rating as utf8)", "utf8 4.5"},
    {"cast(ratio as utf8)", "utf8 0.1"},
    {"cast(ratio as f64)", "f64 0.1000000015"},
    {"cast(ts as utf8)", "utf8 2020-02-29T13:45:30.123Z"},
    {"cast(0 as timestamp)", "timestamp 1970-01-01T00:00:00.000Z"},
    {"cast(huge as timestamp)", "timestamp null"},
    {"cast('2020-02-29' as timestamp)", "timestamp 2020-02-29T00:00:00.000Z"},
    {"cast('2020-02-30' as timestamp)", "timestamp null"},
    {"cast(ts as i64)", "i64 1582983930123"},
    {"cast(null as i32)", "i32 null"},
    {" id\n\t+ 1 ", "i64 8"},
};

static void test_values(void **state)
{
    struct batch *batch = one_row();
    char text[256], difference[256];
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct expr *expr = expr_compile(values[i].text, &schema, &err);
        struct naive *naive = naive_compile(values[i].text, &schema);

        if (!expr)
            fail_msg("%s: %s", values[i].text, err.what);
        struct column *column = expr_eval(expr, batch);
        if (strcmp(render(column, text, sizeof(text)), values[i].value) != 0)
            fail_msg("%s: %s, expected %s", values[i].text, text, values[i].value);
        assert_int_equal(column->type, expr_type(expr));
        assert_non_null(naive);
        if (!naive_agrees(naive, batch, column, difference, sizeof(difference)))
            fail_msg("%s: %s by the naive evaluator", values[i].text, difference);
        column_release(&column);
        naive_close(naive);
        expr_close(expr);
    }
    batch_release(&batch);
}

/* ---- errors ---- */

static const struct {
    const char *text, *what, *how;
} errors[] = {
    {"", "at column 1: expected a value, found the end", ""},
    {"id +", "at column 5: expected a value, found the end", ""},
    {"id id", "at column 4: expected an operator or the end, found \"id\"", ""},
    {"(id", "at column 4: expected \")\", found the end", ""},
    {"id)", "at column 3: expected an operator or the end, found \")\"", ""},
    {"end + 1", "at column 1: expected a value, found \"end\"",
     "a column of that name is written in `backticks`"},
    {"ratng > 3", "at column 1: there is no column \"ratng\"", "did you mean \"rating\""},
    {"Id", "at column 1: there is no column \"Id\"", "did you mean \"id\""},
    {"`no such`", "at column 1: there is no column \"no such\"",
     "a text stands in 'quotes'; known are id, small"},
    {"lowr(name)", "at column 1: there is no function \"lowr\"", "did you mean \"lower\""},
    {"rating + name", "at column 10: \"name\" is utf8; + wants numbers or two texts",
     "cast(... as f64) reads a number from a text"},
    {"name + 1", "at column 1: \"name\" is utf8; + wants numbers or two texts", ""},
    {"active * 2", "at column 1: \"active\" is bool; * wants numbers", ""},
    {"-name", "at column 2: \"name\" is utf8; - wants numbers", ""},
    {"ts + 1.5", "at column 6: \"1.5\" is f64; + wants whole milliseconds beside a timestamp", ""},
    {"ts * 2", "at column 1: \"ts\" is timestamp; * wants numbers", ""},
    {"id - ts", "at column 6: \"ts\" is timestamp; - wants numbers, or a timestamp in front", ""},
    {"id = 'a'", "at column 6: \"id\" is i64 and \"'a'\" is utf8; = wants values of one type", ""},
    {"active < true", "at column 1: \"active\" is bool; < wants numbers, texts or timestamps", ""},
    {"1 < id < 3", "at column 8: a comparison cannot follow a comparison",
     "join two comparisons with and"},
    {"id and true", "at column 1: \"id\" is i64; and wants a bool, such as a comparison", ""},
    {"true or name", "at column 9: \"name\" is utf8; or wants a bool, such as a comparison", ""},
    {"not id", "at column 5: \"id\" is i64; not wants a bool, such as a comparison", ""},
    {"id not 3", "at column 8: expected in, between or like, found \"3\"", ""},
    {"id in 3", "at column 7: expected \"(\", found \"3\"", ""},
    {"id in ()", "at column 8: expected a value, found \")\"", ""},
    {"id in (1, 'a')",
     "at column 11: \"id\" is i64 and \"'a'\" is utf8; in wants values of one type", ""},
    {"id between 1 or 2", "at column 14: expected and, found \"or\"",
     "a column of that name is written in `backticks`"},
    {"name like city", "at column 11: like wants a fixed text as its pattern",
     "write one such as 'ab%'"},
    {"id like 'a'", "at column 1: \"id\" is i64; like wants texts", ""},
    {"id is 3", "at column 7: expected null, found \"3\"", ""},
    {"case id when 1 then 2 end", "at column 6: expected when, found \"id\"", ""},
    {"case when active then 1 else 'a' end",
     "at column 30: \"1\" is i64 and \"'a'\" is utf8; case wants values of one type", ""},
    {"case when active then 1", "at column 24: expected when, else or end, found the end", ""},
    {"if(active, 1)", "at column 13: expected \",\", found \")\"", ""},
    {"coalesce()", "at column 10: expected a value, found \")\"", ""},
    {"substr(name)", "at column 1: substr takes 2 or 3 values, not 1",
     "substr(text, from, count), the first character is 1"},
    {"sqrt(1, 2)", "at column 1: sqrt takes 1 value, not 2", "sqrt(number)"},
    {"min(1)", "at column 1: min takes 2 or more values, not 1", "min(a, b, ...)"},
    {"min('a', 'b')", "at column 5: \"'a'\" is utf8; min wants numbers", ""},
    {"lower(id)", "at column 7: \"id\" is i64; lower wants texts", ""},
    {"sqrt(name)", "at column 6: \"name\" is utf8; sqrt wants numbers",
     "cast(... as f64) reads a number from a text"},
    {"hour(id)", "at column 6: \"id\" is i64; hour wants a timestamp", ""},
    {"substr(name, 1.5)", "at column 14: \"1.5\" is f64; substr wants whole numbers", ""},
    {"date_trunc('hours', ts)", "at column 12: there is no unit of time 'hours'",
     "did you mean \"hour\""},
    {"date_trunc(name, ts)", "at column 12: date_trunc wants the name of a unit first", ""},
    {"cast(id as int)", "at column 12: there is no type \"int\"", "known are bool, i32"},
    {"cast(active as timestamp)", "at column 6: \"active\" is bool, which is not cast to timestamp",
     ""},
    {"cast(id i64)", "at column 9: expected as, found \"i64\"", ""},
    {"timestamp 'today'", "at column 11: 'today' is no date and time", "write it as"},
    {"items", "at column 1: \"items\" is a list; expressions are over single values", ""},
    {"taste", "at column 1: \"taste\" is a vector; expressions are over single values", ""},
    {"null", "at column 1: the value is always null, of no type", "write cast(null as i64)"},
    {"'abc", "at column 1: the text that begins here has no end", "close it"},
    {"`abc", "at column 1: the name that begins here has no end", "close it"},
    {"12abc", "at column 3: the number 12 goes on with no digit", "write numbers as"},
    {"1.", "at column 1: the number that begins here has no end", "write numbers as"},
    {"1.2.3", "at column 4: the number 1.2 goes on with no digit", ""},
    {".5", "at column 1: \".\" has no meaning here", "numbers begin with a digit"},
    {"9223372036854775808", "at column 1: 9223372036854775808 does not fit an i64", "with a point"},
    {"-9223372036854775809", "at column 2: 9223372036854775809 does not fit an i64", ""},
    {"1e999", "at column 1: 1e999 does not fit an f64", ""},
    {"id = \"a\"", "at column 6: a double quote has no meaning here", "single quotes"},
    {"active && true", "at column 8: \"&\" has no meaning here", "write and"},
    {"active || true", "at column 8: \"|\" has no meaning here", "write or"},
    {"!active", "at column 1: \"!\" has no meaning here", "write not"},
    {"id \x01 1", "at column 4: \"\\x01\" has no meaning here", ""},
    {"'\xc3\xbc' + 1", "at column 1: \"'\xc3\xbc'\" is utf8; + wants numbers or two texts", ""},
    {"'\xc3\xbc' = 1",
     "at column 7: \"'\xc3\xbc'\" is utf8 and \"1\" is i64; = wants values of one type", ""},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct error err = {0};
        struct expr *expr = expr_compile(errors[i].text, &schema, &err);

        if (expr)
            fail_msg("%s: no error", errors[i].text);
        assert_string_equal(err.what, errors[i].what);
        if (strncmp(err.how, errors[i].how, strlen(errors[i].how)) != 0 &&
            !strstr(err.how, errors[i].how))
            fail_msg("%s: \"%s\", expected \"%s\"", errors[i].text, err.how, errors[i].how);
        assert_int_equal(err.code, ERROR_CONFIG);
        assert_null(expr_compile(errors[i].text, &schema, NULL));
    }
}

/* ---- bounds ---- */

static bool compiles(const struct bytes *text, struct error *err)
{
    char *copy = memory_format("%.*s", (int)text->size, (const char *)text->data);
    struct expr *expr = expr_compile(copy, &schema, err);
    bool good = expr != NULL;

    expr_close(expr);
    memory_free(copy);
    return good;
}

static bool nested(uint32_t depth, const char *open, const char *close, struct error *err)
{
    struct bytes text = {0};
    bool good;

    for (uint32_t i = 0; i < depth; i++)
        bytes_text(&text, open);
    bytes_text(&text, "1 > 0");
    for (uint32_t i = 0; i < depth; i++)
        bytes_text(&text, close);
    good = compiles(&text, err);
    bytes_clear(&text);
    return good;
}

static void test_nesting(void **state)
{
    static const char *const pairs[][2] = {
        {"(", ")"}, {"not ", ""}, {"if(true, ", ", false)"}, {"coalesce(", ")"}};
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_true(nested(EXPR_DEPTH_MAX, pairs[i][0], pairs[i][1], &err));
        assert_false(nested(EXPR_DEPTH_MAX + 1, pairs[i][0], pairs[i][1], &err));
        assert_non_null(strstr(err.what, "nested more than 64 deep"));
    }
    assert_false(nested(EXPR_DEPTH_MAX + 1, "- (", ")", &err));
}

static void test_size(void **state)
{
    struct bytes text = {0};
    struct error err;

    (void)state;
    bytes_text(&text, "1");
    while (text.size + 2 <= EXPR_TEXT_MAX)
        bytes_text(&text, "+1");
    bytes_text(&text, " ");
    assert_int_equal(text.size, EXPR_TEXT_MAX);
    assert_true(compiles(&text, &err));
    bytes_text(&text, " ");
    assert_false(compiles(&text, &err));
    assert_string_equal(err.what, "the expression is longer than 8192 bytes");
    bytes_clear(&text);
}

static void test_choices(void **state)
{
    struct bytes text = {0};
    struct error err;

    (void)state;
    bytes_text(&text, "case");
    for (uint32_t i = 0; i < 256; i++)
        bytes_text(&text, " when id=1 then 1");
    bytes_text(&text, " end");
    assert_true(compiles(&text, &err));
    text.size -= 4;
    bytes_text(&text, " when id=1 then 1 end");
    assert_false(compiles(&text, &err));
    assert_non_null(strstr(err.what, "more than 256 choices"));
    bytes_clear(&text);
}

/* Doubling a text of 600 KB passes the bound of 1 MiB. */
static void test_text_bound(void **state)
{
    static char text[600000];
    struct field field = {.name = "t", .type = TYPE_UTF8};
    struct schema one = {1, &field};
    struct builder *builder = builder_create(&one, false);
    struct expr *expr = expr_compile("coalesce(t + t, t)", &one, NULL);

    (void)state;
    assert_non_null(expr);
    for (uint32_t i = 0; i < 3; i++) {
        builder_row(builder, 0, 0, 0);
        builder_text(builder, 0, text, i == 1 ? sizeof(text) : 500000);
    }
    struct batch *batch = builder_finish(builder);
    struct column *column = expr_eval(expr, batch);
    assert_int_equal(column->offsets[1], 1000000);
    assert_int_equal(column->offsets[2] - column->offsets[1], 600000);
    assert_int_equal(column->offsets[3] - column->offsets[2], 1000000);
    column_release(&column);
    batch_release(&batch);
    builder_close(builder);
    expr_close(expr);
}

/* ---- batches ---- */

static struct batch *many_rows(uint32_t rows)
{
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    for (uint32_t row = 0; row < rows; row++) {
        builder_row(builder, row, row, row);
        if (row % 5)
            builder_i64(builder, 0, row);
        builder_f64(builder, 2, row % 3);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static void test_filter(void **state)
{
    static const uint32_t sizes[] = {1, 63, 64, 65, 128, 200, 1024, 1500};
    struct expr *expr = expr_compile("id % 2 = 0 and rating > 0", &schema, NULL);
    uint32_t rows[1500], few[3];

    (void)state;
    assert_non_null(expr);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct batch *batch = many_rows(sizes[i]), *part;
        uint32_t count = expr_filter(expr, batch, rows), at = 0;

        for (uint32_t row = 0; row < sizes[i]; row++)
            if (row % 5 && row % 2 == 0 && row % 3)
                assert_int_equal(rows[at++], row);
        assert_int_equal(count, at);
        for (uint32_t k = 0; k < 3; k++)
            few[k] = sizes[i] > 3 ? sizes[i] - 3 + k : k;
        part = batch_select(batch, few, sizes[i] > 3 ? 3 : 1);
        count = expr_filter(expr, part, rows);
        at = 0;
        for (uint32_t k = 0; k < part->selected; k++)
            if (few[k] % 5 && few[k] % 2 == 0 && few[k] % 3)
                assert_int_equal(rows[at++], few[k]);
        assert_int_equal(count, at);
        batch_release(&part);
        part = batch_select(batch, few, 0);
        assert_int_equal(expr_filter(expr, part, rows), 0);
        batch_release(&part);
        batch_release(&batch);
    }
    expr_close(expr);
}

static void test_shares_columns(void **state)
{
    struct batch *batch = many_rows(10);
    struct expr *expr = expr_compile("(rating)", &schema, NULL);
    struct column *column = expr_eval(expr, batch);

    (void)state;
    assert_ptr_equal(column, batch_column(batch, 2));
    column_release(&column);
    expr_close(expr);
    batch_release(&batch);
}

/* A column named event_time goes before the row's time. */
static void test_event_time_column(void **state)
{
    struct field field = {.name = "event_time", .type = TYPE_UTF8};
    struct schema one = {1, &field};
    struct expr *expr = expr_compile("event_time", &one, NULL);

    (void)state;
    assert_non_null(expr);
    assert_int_equal(expr_type(expr), TYPE_UTF8);
    expr_close(expr);
    expr_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_text_bound),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_shares_columns),
        cmocka_unit_test(test_event_time_column),
    };

    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
