/* decode: records to rows and rejects, by tables; windows of any size give the same. */
#include "runtime/batch/decode.h"

#include "runtime/base/random.h"
#include "tests/unit/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct field event_fields[] = {
    {.name = "t", .type = TYPE_TIMESTAMP}, {.name = "user", .type = TYPE_I64},
    {.name = "name", .type = TYPE_UTF8},   {.name = "score", .type = TYPE_F64},
    {.name = "ok", .type = TYPE_BOOL},     {.name = "hour", .type = TYPE_I32},
};
static const struct schema events = {6, event_fields};
static const char *const event_paths[] = {NULL, NULL, NULL, NULL, NULL, "context.hour"};

static struct field pair_fields[] = {
    {.name = "t", .type = TYPE_I64},
    {.name = "v", .type = TYPE_UTF8},
};
static const struct schema pairs = {2, pair_fields};

struct decode_case {
    const char *name, *text, *expected;
};

static struct decode_options json_options(void)
{
    return (struct decode_options){.format = DECODE_JSON,
                                   .schema = &events,
                                   .paths = event_paths,
                                   .raw_column = FIELD_NONE,
                                   .time_column = 0,
                                   .unit = TIME_MS,
                                   .record_max = 300};
}

static struct decode_options csv_options(void)
{
    return (struct decode_options){.format = DECODE_CSV,
                                   .schema = &pairs,
                                   .raw_column = FIELD_NONE,
                                   .time_column = 0,
                                   .unit = TIME_S,
                                   .record_max = 300,
                                   .delimiter = ',',
                                   .quote = '"',
                                   .header = true,
                                   .multiline = true};
}

static void expect(const struct decode_case *row, const struct decode_options *options)
{
    static const size_t windows[] = {4096, 1, 7, 64};
    for (size_t k = 0; k < 4; k++) {
        struct feed feed = {0};
        struct error err;
        if (!feed_run(&feed, options, row->text, strlen(row->text), windows[k], 1 + (uint32_t)k,
                      &err))
            fail_msg("%s: %s", row->name, err.what);
        if (strcmp((const char *)feed.text.data, row->expected) != 0)
            fail_msg("%s, window %zu: got\n%s", row->name, windows[k],
                     (const char *)feed.text.data);
        feed_clear(&feed);
    }
}

#define ROW(offset, time, user, name, score, ok, hour)                                             \
    "row " offset " " time " {\"t\":" time ",\"user\":" user ",\"name\":" name ",\"score\":" score \
    ",\"ok\":" ok ",\"hour\":" hour "}\n"

static const struct decode_case json_cases[] = {
    {"empty input", "", ""},
    {"empty lines", "\n \r\n\t\n", ""},
    {"all fields",
     "{\"t\":5,\"user\":7,\"name\":\"a\",\"score\":0.5,\"ok\":true,\"context\":{\"hour\":3}}\n",
     ROW("0", "5", "7", "\"a\"", "0.5", "true", "3")},
    {"no newline at the end", "{\"t\":5}", ROW("0", "5", "null", "null", "null", "null", "null")},
    {"crlf and white space", " { \"t\" : 5 , \"user\" : -7 } \r\n",
     ROW("0", "5", "-7", "null", "null", "null", "null")},
    {"any order, then another",
     "{\"user\":1,\"t\":2}\n{\"t\":3,\"user\":4}\n{\"ok\":false,\"t\":9,\"user\":1}\n",
     ROW("0", "2", "1", "null", "null", "null", "null")
         ROW("17", "3", "4", "null", "null", "null", "null")
             ROW("34", "9", "1", "null", "null", "false", "null")},
    {"the last of equal keys", "{\"t\":1,\"user\":1,\"t\":2,\"user\":null}\n",
     ROW("0", "2", "null", "null", "null", "null", "null")},
    {"nulls", "{\"t\":1,\"user\":null,\"name\":null,\"context\":null}\n",
     ROW("0", "1", "null", "null", "null", "null", "null")},
    {"unknown fields",
     "{\"x\":{\"a\":[1,{\"b\":[]},\"}\"],\"c\":{}},\"t\":1,\"y\":[[],[2.5e3,true,null]]}\n",
     ROW("0", "1", "null", "null", "null", "null", "null")},
    {"escapes", "{\"t\":1,\"name\":\"a\\\"b\\\\\\u00e9\\ud83d\\ude00\",\"us\\u0065r\":4}\n",
     ROW("0", "1", "4", "\"a\\\"b\\\\\xc3\xa9\xf0\x9f\x98\x80\"", "null", "null", "null")},
    {"whole float for i64", "{\"t\":1.0,\"user\":3.0}\n",
     ROW("0", "1", "3", "null", "null", "null", "null")},
    {"integer for f64", "{\"t\":1,\"score\":3}\n",
     ROW("0", "1", "null", "null", "3.0", "null", "null")},
    {"date as text", "{\"t\":\"1970-01-01T00:00:01Z\"}\n",
     ROW("0", "1000", "null", "null", "null", "null", "null")},
    {"empty object", "{}\n", "reject 0 2 t: is missing, and is the event time\n"},
    {"wrong types",
     "{\"t\":1,\"name\":5}\n{\"t\":1,\"user\":\"x\"}\n{\"t\":1,\"user\":1.5}\n"
     "{\"t\":1,\"ok\":1}\n{\"t\":1,\"score\":{}}\n{\"t\":1,\"name\":[]}\n{\"t\":1,\"user\":true}\n",
     "reject 0 16 name: is a number, expected utf8\n"
     "reject 17 18 user: is a text, expected i64\n"
     "reject 36 18 user: is 1.5, expected a whole number\n"
     "reject 55 14 ok: is a number, expected bool\n"
     "reject 70 18 score: is an object, expected f64\n"
     "reject 89 17 name: is a list, expected utf8\n"
     "reject 107 19 user: is true or false, expected i64\n"},
    {"ranges",
     "{\"t\":1,\"context\":{\"hour\":2147483648}}\n{\"t\":1,\"user\":9223372036854775808}\n"
     "{\"t\":1,\"score\":1e999}\n{\"t\":999999999999999}\n",
     "reject 0 37 hour: is out of the range of i32\n"
     "reject 38 34 user: is out of the range of i64\n"
     "reject 73 21 score: is out of the range of f64\n"
     "reject 95 21 t: is out of the range of timestamp\n"},
    {"an object is wanted", "{\"t\":1,\"context\":5}\n", "reject 0 19 context: is not an object\n"},
    {"an unclosed quote costs one record", "{\"t\":1}\n{\"t\":2,\"name\":\"x}\n{\"t\":3}\n",
     ROW("0", "1", "null", "null", "null", "null",
         "null") "reject 8 17 : is not JSON: a text has no closing quote\n" ROW("26", "3", "null",
                                                                                "null", "null",
                                                                                "null", "null")},
    {"two unclosed quotes", "{\"t\":2,\"name\":\"x}\n{\"t\":3,\"name\":\"x}\n{\"t\":4}\n",
     "reject 0 17 : is not JSON: a text has no closing quote\n"
     "reject 18 17 : is not JSON: a text has no closing quote\n" ROW("36", "4", "null", "null",
                                                                     "null", "null", "null")},
    {"an object over two lines", "{\"t\":\n1}\n{\"t\":2}\n",
     "reject 0 5 : is not JSON: it ends too early\n"
     "reject 6 2 : is not JSON: not an object\n" ROW("9", "2", "null", "null", "null", "null",
                                                     "null")},
    {"two objects on a line", "{\"t\":1} {\"t\":2}\n{\"t\":3}\n",
     "reject 0 15 : is not JSON: something follows the object\n" ROW("16", "3", "null", "null",
                                                                     "null", "null", "null")},
    {"truncated", "{\"t\":1}\n{\"t\":2,\"na",
     ROW("0", "1", "null", "null", "null", "null",
         "null") "reject 8 10 : is not JSON: a text has no closing quote\n"},
    {"truncated in a list", "{\"t\":1,\"x\":[1,\n{\"t\":2}\n",
     "reject 0 14 : is not JSON: it ends too early\n" ROW("15", "2", "null", "null", "null", "null",
                                                          "null")},
    {"a broken tail",
     "{\"t\":1,\"x\":tru}\n{\"t\":1,\"x\":01}\n{\"t\":1,\"x\":\"\\q\"}\n{\"t\":1,\"x\":[1 2]}\n"
     "{\"t\":1,\"x\":nullx}\n{\"t\":1,}\n{\"t\":1,\"x\"}\n{\"t\":1,\"\\q\":2}\n{\"t\":1 \"x\":2}\n"
     "{\"t\":1,\"x\":[}]}\n{\"t\":1,\"x\":1\"y\"}\n{\"t\":-}\n{\"t\":1.}\n",
     "reject 0 15 : is not JSON: a value is missing\n"
     "reject 16 14 : is not JSON: a wrong number\n"
     "reject 31 16 : is not JSON: a wrong escape in a text\n"
     "reject 48 17 : is not JSON: a comma or bracket is missing\n"
     "reject 66 17 : is not JSON: a value is missing\n"
     "reject 84 8 : is not JSON: a key is missing\n"
     "reject 93 11 : is not JSON: a colon is missing\n"
     "reject 105 14 : is not JSON: a wrong escape in a key\n"
     "reject 120 13 : is not JSON: a comma or bracket is missing\n"
     "reject 134 15 : is not JSON: a value is missing\n"
     "reject 150 16 : is not JSON: a wrong number\n"
     "reject 167 7 : is not JSON: a wrong number\n"
     "reject 175 8 : is not JSON: a wrong number\n"},
    {"control characters", "{\"t\":1,\"name\":\"a\tb\"}\n",
     "reject 0 20 : is not JSON: a control character in a text\n"},
    {"not UTF-8", "{\"t\":1,\"name\":\"\xff\"}\n{\"t\":2}\n",
     "reject 0 18 : is not JSON: not UTF-8\n" ROW("19", "2", "null", "null", "null", "null",
                                                  "null")},
    {"no object", "[1]\n5\nnull\n\"x\"\nx\n",
     "reject 0 3 : is not JSON: not an object\nreject 4 1 : is not JSON: not an object\n"
     "reject 6 4 : is not JSON: not an object\nreject 11 3 : is not JSON: not an object\n"
     "reject 15 1 : is not JSON: not an object\n"},
    {"byte order mark", "\xef\xbb\xbf{\"t\":1}\n",
     ROW("3", "1", "null", "null", "null", "null", "null")},
    {"long keys",
     "{\"a-key-that-is-longer-than-sixteen\":1,\"t\":1,\"a-key-of-exactly\":2}\n"
     "{\"a-key-that-is-longer-than-sixteem\":1,\"t\":2,\"a-key-of-exactl\":2}\n"
     "{\"a-key-that-goes-on-and-on-and-on-until-it-is-longer-than-what-is-remembered\":1,\"t\":3}"
     "\n",
     ROW("0", "1", "null", "null", "null", "null", "null")
         ROW("67", "2", "null", "null", "null", "null", "null")
             ROW("133", "3", "null", "null", "null", "null", "null")},
};

static void test_json(void **state)
{
    (void)state;
    struct decode_options options = json_options();
    for (size_t k = 0; k < sizeof(json_cases) / sizeof(json_cases[0]); k++)
        expect(&json_cases[k], &options);
}

#define PAIR(offset, ms, t, v) "row " offset " " ms " {\"t\":" t ",\"v\":" v "}\n"

static const struct decode_case csv_cases[] = {
    {"header and rows", "v,t\na,1\nb,2\n",
     PAIR("4", "1000", "1", "\"a\"") PAIR("8", "2000", "2", "\"b\"")},
    {"no newline at the end", "t,v\n1,a", PAIR("4", "1000", "1", "\"a\"")},
    {"crlf", "t,v\r\n1,a\r\n\r\n2,\"b\"\r\n3,c\r",
     PAIR("5", "1000", "1", "\"a\"") PAIR("12", "2000", "2", "\"b\"")
         PAIR("19", "3000", "3", "\"c\"")},
    {"byte order mark, more columns", "\xef\xbb\xbfx,\"t\",v\n9,1,a\n",
     PAIR("11", "1000", "1", "\"a\"")},
    {"quotes", "t,v\n1,\"a,\"\"b\"\"\nc\"\n\"2\",\"\"\n3,\n4,d\"e\n",
     PAIR("4", "1000", "1", "\"a,\\\"b\\\"\\nc\"") PAIR("18", "2000", "2", "\"\"")
         PAIR("25", "3000", "3", "null") PAIR("28", "4000", "4", "\"d\\\"e\"")},
    {"number of fields", "t,v\n1\n2,b,c\n3,d\n",
     "reject 4 1 : has 1 fields, expected 2\nreject 6 5 : has 3 fields, expected 2\n" PAIR(
         "12", "3000", "3", "\"d\"")},
    {"wrong values", "t,v\nx,a\n1.5,b\n,c\n12345678901234567890,d\n 5,e\n",
     "reject 4 3 t: \"x\" is no i64\nreject 8 5 t: \"1.5\" is no i64\n"
     "reject 14 2 t: is missing, and is the event time\n"
     "reject 17 22 t: \"12345678901234567890\" is no i64\nreject 40 4 t: \" 5\" is no i64\n"},
    {"leading zeros", "t,v\n007,a\n", PAIR("4", "7000", "7", "\"a\"")},
    {"text behind a quote", "t,v\n1,\"a\"b\n2,c\n",
     "reject 4 6 : is not CSV: field 2 has a wrong quote\n" PAIR("11", "2000", "2", "\"c\"")},
    {"an unclosed quote costs one line", "t,v\n1,\"a\n2,b\n3,c\n",
     "reject 4 4 : is not CSV: field 2 has a wrong quote\n" PAIR("9", "2000", "2", "\"b\"")
         PAIR("13", "3000", "3", "\"c\"")},
    {"a quote that swallows lines", "t,v\n1,\"a\n2,b\n3,\"c\"\n4,d\n",
     "reject 4 4 : is not CSV: field 2 has a wrong quote\n" PAIR("9", "2000", "2", "\"b\"")
         PAIR("13", "3000", "3", "\"c\"") PAIR("19", "4000", "4", "\"d\"")},
    {"not UTF-8", "t,v\n1,\xff\n2,\xc3\xa9\n",
     "reject 4 3 : is not UTF-8\n" PAIR("8", "2000", "2", "\"\xc3\xa9\"")},
    {"nothing but a header", "t,v", ""},
};

static void test_csv(void **state)
{
    (void)state;
    struct decode_options options = csv_options();
    for (size_t k = 0; k < sizeof(csv_cases) / sizeof(csv_cases[0]); k++)
        expect(&csv_cases[k], &options);
}

static void test_csv_lines(void **state)
{
    (void)state;
    struct decode_options options = csv_options();
    options.multiline = false;
    options.header = false;
    static const struct decode_case row = {
        "without multiline", "1,\"a\nb\"\n2,\"c\"\n",
        "reject 0 4 : is not CSV: field 2 has a wrong quote\n"
        "reject 5 2 : has 1 fields, expected 2\n" PAIR("8", "2000", "2", "\"c\"")};
    expect(&row, &options);
    options.paths = (const char *const[]){"3", "1"};
    static const struct decode_case positions = {
        "positions", "a,x,1\nb,x,2,y\nc,3\n",
        PAIR("0", "1000", "1", "\"a\"")
            PAIR("6", "2000", "2", "\"b\"") "reject 14 3 : has 2 fields, expected at least 3\n"};
    expect(&positions, &options);
}

static void test_tsv(void **state)
{
    (void)state;
    static const char *const paths[] = {"timestamp:float", "user_id:token"};
    struct decode_options options = csv_options();
    options.format = DECODE_TSV;
    options.delimiter = '\t';
    options.quote = '\0';
    options.paths = paths;
    static const struct decode_case row = {
        "recbole", "user_id:token\titem_id:token\ttimestamp:float\n\"196\t242\t881250949\n",
        PAIR("44", "881250949000", "881250949", "\"\\\"196\"")};
    expect(&row, &options);
}

static void test_units(void **state)
{
    (void)state;
    static const struct {
        enum type type;
        enum time_unit unit;
        const char *value, *expected; /* NULL: rejected */
    } cases[] = {
        {TYPE_TIMESTAMP, TIME_S, "881250949", "881250949000"},
        {TYPE_TIMESTAMP, TIME_S, "1.5", "1500"},
        {TYPE_TIMESTAMP, TIME_US, "-1", "-1"},
        {TYPE_TIMESTAMP, TIME_US, "1999", "1"},
        {TYPE_TIMESTAMP, TIME_MS, "1.9", "1"},
        {TYPE_TIMESTAMP, TIME_S, "\"1970-01-01 00:00:02.500\"", "2500"},
        {TYPE_TIMESTAMP, TIME_TEXT, "5", NULL},
        {TYPE_TIMESTAMP, TIME_TEXT, "\"1970-01-01\"", "0"},
        {TYPE_TIMESTAMP, TIME_S, "1e300", NULL},
        {TYPE_I64, TIME_S, "9223372036854775807", NULL},
        {TYPE_I64, TIME_US, "2000", "2"},
        {TYPE_I32, TIME_S, "3", "3000"},
        {TYPE_F64, TIME_S, "881250949.25", "881250949250"},
        {TYPE_F32, TIME_MS, "3", "3"},
        {TYPE_UTF8, TIME_TEXT, "\"1970-01-01T00:00:03Z\"", "3000"},
        {TYPE_UTF8, TIME_TEXT, "\"soon\"", NULL},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct field field = {.name = "t", .type = cases[k].type};
        struct schema schema = {1, &field};
        struct decode_options options = {.format = DECODE_JSON,
                                         .schema = &schema,
                                         .raw_column = FIELD_NONE,
                                         .unit = cases[k].unit,
                                         .record_max = 100};
        char text[100], start[100];
        struct feed feed = {0};
        snprintf(text, sizeof(text), "{\"t\":%s}\n", cases[k].value);
        snprintf(start, sizeof(start), "row 0 %s ", cases[k].expected ? cases[k].expected : "");
        assert_true(feed_run(&feed, &options, text, strlen(text), 4096, 10, NULL));
        const char *got = (const char *)feed.text.data;
        if (cases[k].expected ? strncmp(got, start, strlen(start)) != 0
                              : strncmp(got, "reject 0 ", 9) != 0)
            fail_msg("unit %d, %s: got %s", (int)cases[k].unit, cases[k].value, got);
        feed_clear(&feed);
    }
}

/* record_max is 300: a record of 300 bytes is fine, 301 are not, and 5,000 are skipped. */
static void test_oversized(void **state)
{
    (void)state;
    static const struct {
        size_t fill;
        const char *expected;
    } cases[] = {
        {300, "row 0 1 "},
        {301, "reject 0 300 : is longer than 300 bytes\nrow 302 2 "},
        {5000, "reject 0 300 : is longer than 300 bytes\nrow 5001 2 "},
    };
    static const size_t windows[] = {16384, 1, 100, 301, 1000};
    for (size_t k = 0; k < 3; k++) {
        char *text = memory_new(cases[k].fill + 100);
        memset(text, 'x', cases[k].fill);
        memcpy(text, "{\"t\":1,\"name\":\"", 15);
        memcpy(text + cases[k].fill - 2, "\"}\n{\"t\":2}\n", 12);
        for (size_t w = 0; w < 5; w++) {
            struct feed feed = {0};
            struct decode_options options = json_options();
            assert_true(feed_run(&feed, &options, text, strlen(text), windows[w], 10, NULL));
            if (strncmp((const char *)feed.text.data, cases[k].expected,
                        strlen(cases[k].expected)) != 0)
                fail_msg("fill %zu, window %zu: %s", cases[k].fill, windows[w],
                         (const char *)feed.text.data);
            assert_int_equal(feed.count, 2);
            feed_clear(&feed);
        }
        memory_free(text);
    }
}

static void test_raw_and_order(void **state)
{
    (void)state;
    struct field fields[] = {{.name = "t", .type = TYPE_I64}, {.name = "raw", .type = TYPE_UTF8}};
    struct schema schema = {2, fields};
    struct decode_options options = {.format = DECODE_JSON,
                                     .schema = &schema,
                                     .raw_column = 1,
                                     .split = 3,
                                     .ties_by_hash = true,
                                     .seed = 9,
                                     .record_max = 100};
    static const uint8_t text[128] = "\n{\"t\":1, \"x\":2}\r\n";
    static struct rejects rejects;
    struct decoder *decoder = decoder_create(&options, NULL);
    struct builder *builder = builder_create(&schema, false);
    assert_int_equal(decode_block(decoder, text, 17, 100, true, 10, builder, &rejects), 17);
    struct batch *batch = builder_finish(builder);
    uint32_t size;
    const char *raw = column_text(batch_column(batch, 1), 0, &size);
    assert_int_equal(size, 14); /* without the line end */
    assert_memory_equal(raw, "{\"t\":1, \"x\":2}", 14);
    assert_true(batch_origin(batch)[0] == origin_make(3, 101));
    assert_true(batch_order(batch)[0] == hash_draw(9, origin_make(3, 101)));
    batch_release(&batch);
    builder_close(builder);
    decoder_close(decoder);
}

static void test_options(void **state)
{
    (void)state;
    static const struct {
        const char *name, *t, *v;
        char delimiter;
        enum type time;
        enum time_unit unit;
        enum decode_format format;
        bool header, fine;
    } cases[] = {
        {"fine", NULL, NULL, ',', TYPE_I64, TIME_S, DECODE_CSV, true, true},
        {"same path", "a", "a", ',', TYPE_I64, TIME_S, DECODE_JSON, false, false},
        {"a part of a scalar", "a", "a.b", ',', TYPE_I64, TIME_S, DECODE_JSON, false, false},
        {"a scalar that has parts", "a.b", "a", ',', TYPE_I64, TIME_S, DECODE_JSON, false, false},
        {"empty segment", "a..b", "c", ',', TYPE_I64, TIME_S, DECODE_JSON, false, false},
        {"nested", "a.b.c", "a.b.d", ',', TYPE_I64, TIME_S, DECODE_JSON, false, true},
        {"delimiter", NULL, NULL, '5', TYPE_I64, TIME_S, DECODE_CSV, true, false},
        {"position", "0", "1", ',', TYPE_I64, TIME_S, DECODE_CSV, false, false},
        {"one position twice", "2", "2", ',', TYPE_I64, TIME_S, DECODE_CSV, false, false},
        {"number as text", NULL, NULL, ',', TYPE_I64, TIME_TEXT, DECODE_CSV, true, false},
        {"text as number", NULL, NULL, ',', TYPE_UTF8, TIME_S, DECODE_CSV, true, false},
        {"bool as time", NULL, NULL, ',', TYPE_BOOL, TIME_S, DECODE_CSV, true, false},
        {"list", NULL, NULL, ',', TYPE_LIST, TIME_S, DECODE_CSV, true, false},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct field fields[] = {{.name = "t", .type = cases[k].time},
                                 {.name = "v", .type = TYPE_UTF8}};
        struct schema schema = {2, fields};
        const char *paths[] = {cases[k].t, cases[k].v};
        struct decode_options options = csv_options();
        struct error err = {0};
        options.schema = &schema;
        options.paths = paths;
        options.delimiter = cases[k].delimiter;
        options.unit = cases[k].unit;
        options.format = cases[k].format;
        options.header = cases[k].header;
        struct decoder *decoder = decoder_create(&options, &err);
        if ((decoder != NULL) != cases[k].fine || (!decoder && err.what[0] == '\0'))
            fail_msg("%s: %s", cases[k].name, err.what);
        decoder_close(decoder);
    }
}

static void test_header(void **state)
{
    (void)state;
    struct decode_options options = csv_options();
    struct feed feed = {0};
    struct error err;
    assert_false(feed_run(&feed, &options, "t,w\n1,a\n", 8, 100, 10, &err));
    assert_string_equal(err.what, "has no field \"v\"");
    feed_clear(&feed);
    static const uint8_t text[1024] = "t,v";
    struct decoder *decoder = decoder_create(&options, NULL);
    size_t used = 1;
    assert_true(decoder_header(decoder, text, 3, false, &used, &err)); /* more is wanted */
    assert_int_equal(used, 0);
    assert_false(decoder_header(decoder, text, 301, false, &used, &err));
    decoder_close(decoder);
}

/* Good records, broken ones and noise at random: windows do not matter, nothing is lost. */
static void test_windows(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "{\"t\":1}\n",
        "{\"t\":2,\"name\":\"\\n\"}\n",
        "{\"t\":",
        "\"",
        "\n",
        "\\",
        "}",
        "\xc3",
        "{\"t\":3,\"x\":[1,2,{\"y\":\"z\"}],\"user\":5}\n",
        ",",
        "[",
        "1",
        "\"name\":\"\\u00e9\"",
        "{\"t\":4,\"name\":\"abcdefghijklmnopqrstuvwxyz\"}\n",
    };
    struct random random = {7};
    for (uint32_t round = 0; round < 300; round++) {
        char text[2000] = "";
        for (uint32_t k = 0; k < 60; k++)
            strcat(text, parts[random_below(&random, random_below(&random, 2) ? 2 : 14)]);
        struct decode_options options = json_options();
        struct feed one = {0}, other = {0};
        options.record_max = 60;
        assert_true(feed_run(&one, &options, text, strlen(text), 4096, 1000, NULL));
        assert_true(feed_run(&other, &options, text, strlen(text), 1 + random_below(&random, 100),
                             3, NULL));
        if (strcmp((char *)one.text.data, (char *)other.text.data) != 0)
            fail_msg("round %u:\n%s\nand\n%s", round, (char *)one.text.data,
                     (char *)other.text.data);
        feed_clear(&one);
        feed_clear(&other);
    }
}

/* What nobody takes is checked all the same. */
static void test_unread(void **state)
{
    static const bool unread[6] = {[2] = true, [3] = true};
    struct decode_options options = json_options();
    struct decode_case row = {
        "unread",
        "{\"t\":1,\"user\":7,\"name\":\"a\",\"score\":2.5,\"ok\":true,\"context\":{\"hour\":3}}\n"
        "{\"t\":2,\"user\":7,\"score\":\"x\"}\n",
        NULL};

    (void)state;
    options.unread = unread;
    row.expected = ROW("0", "1", "7", "null", "null", "true",
                       "3") "reject 71 28 score: is a text, expected f64\n";
    expect(&row, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),          cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_lines),     cmocka_unit_test(test_tsv),
        cmocka_unit_test(test_units),         cmocka_unit_test(test_oversized),
        cmocka_unit_test(test_raw_and_order), cmocka_unit_test(test_options),
        cmocka_unit_test(test_header),        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
