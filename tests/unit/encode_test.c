/* encode: rows as JSON lines and CSV, by tables; and there and back through the decoder. */
#include "runtime/batch/encode.h"

#include "runtime/base/random.h"
#include "runtime/batch/builder.h"
#include "runtime/batch/decode.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct field item_fields[] = {
    {.name = "id", .type = TYPE_UTF8},
    {.name = "why.time", .type = TYPE_F32},
    {.name = "why.base", .type = TYPE_F32},
};
static const struct schema items = {3, item_fields};

static struct field row_fields[] = {
    {.name = "user", .type = TYPE_I64},
    {.name = "a.b.c", .type = TYPE_I32},
    {.name = "at", .type = TYPE_TIMESTAMP},
    {.name = "a.d", .type = TYPE_BOOL},
    {.name = "items", .type = TYPE_LIST, .child = &items},
    {.name = "a.b.e", .type = TYPE_F64},
    {.name = "v", .type = TYPE_VECTOR, .width = 2},
};
static const struct schema rows = {7, row_fields};

static struct batch *make_rows(void)
{
    struct builder *builder = builder_create(&rows, false);
    builder_row(builder, 1, 2, 3);
    builder_i64(builder, 0, INT64_MIN);
    builder_i32(builder, 1, -5);
    builder_i64(builder, 2, 1500);
    builder_bool(builder, 3, true);
    struct builder *child = builder_list(builder, 4);
    for (int k = 0; k < 3; k++) {
        builder_child_row(child);
        builder_text(child, 0, &"xyz"[k], 1);
        builder_f32(child, 1, (float)k + 0.1f);
    }
    builder_list_end(builder, 4);
    builder_f64(builder, 5, 0.1);
    builder_vector(builder, 6, (const float[]){1, -2.5f});
    builder_row(builder, 1, 2, 3);
    builder_list(builder, 4);
    builder_list_end(builder, 4);
    builder_f64(builder, 5, INFINITY);
    builder_row(builder, 1, 2, 3);
    struct batch *batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static char *encode(const struct schema *schema, const struct encode_options *options,
                    const struct batch *batch)
{
    struct bytes out = {0};
    struct encoder *encoder = encoder_create(schema, options);
    encode_header(encoder, &out);
    encode_rows(encoder, batch, &out);
    encoder_close(encoder);
    bytes_put(&out, "", 1);
    return (char *)out.data;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        struct encode_options options;
        const char *expected;
    } cases[] = {
        {{ENCODE_JSON, TIMESTAMP_MS, 0},
         "{\"user\":-9223372036854775808,\"a\":{\"b\":{\"c\":-5,\"e\":0.1},\"d\":true},\"at\":1500,"
         "\"items\":[{\"id\":\"x\",\"why\":{\"time\":0.1,\"base\":null}},"
         "{\"id\":\"y\",\"why\":{\"time\":1.1,\"base\":null}},"
         "{\"id\":\"z\",\"why\":{\"time\":2.1,\"base\":null}}],\"v\":[1.0,-2.5]}\n"
         "{\"user\":null,\"a\":{\"b\":{\"c\":null,\"e\":null},\"d\":null},\"at\":null,"
         "\"items\":[],\"v\":null}\n"
         "{\"user\":null,\"a\":{\"b\":{\"c\":null,\"e\":null},\"d\":null},\"at\":null,"
         "\"items\":null,\"v\":null}\n"},
        {{ENCODE_JSON, TIMESTAMP_ISO, 1},
         "{\"user\":-9223372036854775808,\"a\":{\"b\":{\"c\":-5,\"e\":0.1},\"d\":true},"
         "\"at\":\"1970-01-01T00:00:01.500Z\","
         "\"items\":[{\"id\":\"x\",\"why\":{\"time\":0.1,\"base\":null}}],\"v\":[1.0,-2.5]}\n"
         "{\"user\":null,\"a\":{\"b\":{\"c\":null,\"e\":null},\"d\":null},\"at\":null,"
         "\"items\":[],\"v\":null}\n"
         "{\"user\":null,\"a\":{\"b\":{\"c\":null,\"e\":null},\"d\":null},\"at\":null,"
         "\"items\":null,\"v\":null}\n"},
        {{ENCODE_CSV, TIMESTAMP_ISO, 1},
         "user,a.b.c,at,a.d,items,a.b.e,v\n"
         "-9223372036854775808,-5,1970-01-01T00:00:01.500Z,true,"
         "\"[{\"\"id\"\":\"\"x\"\",\"\"why\"\":{\"\"time\"\":0.1,\"\"base\"\":null}}]\",0.1,"
         "\"[1.0,-2.5]\"\n,,,,[],,\n,,,,,,\n"},
    };
    struct batch *batch = make_rows();
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        char *text = encode(&rows, &cases[k].options, batch);
        assert_string_equal(text, cases[k].expected);
        memory_free(text);
    }
    batch_release(&batch);
}

static void test_selection(void **state)
{
    (void)state;
    static struct field field = {.name = "x", .type = TYPE_I32};
    static const struct schema schema = {1, &field};
    static const struct encode_options options = {ENCODE_JSON, TIMESTAMP_MS, 0};
    struct builder *builder = builder_create(&schema, false);
    for (int32_t k = 0; k < 5; k++) {
        builder_row(builder, k, 0, 0);
        builder_i32(builder, 0, k);
    }
    struct batch *all = builder_finish(builder);
    struct batch *some = batch_select(all, (const uint32_t[]){1, 4}, 2);
    char *text = encode(&schema, &options, some);
    assert_string_equal(text, "{\"x\":1}\n{\"x\":4}\n");
    memory_free(text);
    batch_release(&some);
    batch_release(&all);
    builder_close(builder);
}

/* Names as columns of one row of bools. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *names[4], *expected;
    } cases[] = {
        {{"a"}, "{\"a\":null}\n"},
        {{"a.b"}, "{\"a\":{\"b\":null}}\n"},
        {{"a.b", "c", "a.d"}, "{\"a\":{\"b\":null,\"d\":null},\"c\":null}\n"},
        {{"a", "a.b"}, "{\"a\":null,\"a.b\":null}\n"},
        {{"a.b", "a"}, "{\"a.b\":null,\"a\":null}\n"},
        {{"x:token", "a..b", ".", "q\"uote"},
         "{\"x:token\":null,\"a..b\":null,\".\":null,\"q\\\"uote\":null}\n"},
        {{"a.x.p", "b.x", "a.y", "a.x.q"},
         "{\"a\":{\"x\":{\"p\":null,\"q\":null},\"y\":null},\"b\":{\"x\":null}}\n"},
    };
    static const struct encode_options options = {ENCODE_JSON, TIMESTAMP_MS, 0};
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct arena *arena = arena_create(1024);
        struct schema *schema = schema_create(arena);
        for (size_t n = 0; n < 4 && cases[k].names[n]; n++)
            assert_true(schema_add_column(schema, arena, cases[k].names[n], TYPE_BOOL));
        struct builder *builder = builder_create(schema, false);
        builder_row(builder, 0, 0, 0);
        struct batch *batch = builder_finish(builder);
        char *text = encode(schema, &options, batch);
        assert_string_equal(text, cases[k].expected);
        memory_free(text);
        batch_release(&batch);
        builder_close(builder);
        arena_close(arena);
    }
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        size_t size;
    } cases[] = {
        {"", "\"\"", 0},
        {NULL, "\"\"", 0},
        {"1234567", "\"1234567\"", 7},
        {"12345678", "\"12345678\"", 8},
        {"123456789", "\"123456789\"", 9},
        {"plain text of some length", "\"plain text of some length\"", 25},
        {"\"\\/\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"", 11},
        {"a\0b", "\"a\\u0000b\"", 3},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", 9},
        {"12345678\xff", "\"12345678\xef\xbf\xbd\"", 9},
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"", 2},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3},
        {"1234567\xc3\xa9", "\"1234567\xc3\xa9\"", 9}, /* across the word */
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"", 2},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct bytes out = {0};
        encode_text(cases[k].text, cases[k].size, &out);
        bytes_put(&out, "", 1);
        assert_string_equal((char *)out.data, cases[k].expected);
        bytes_clear(&out);
    }
}

/* Any bytes give a text that jansson reads; valid ones come back. */
static void test_random_text(void **state)
{
    (void)state;
    struct random random = {3};
    for (uint32_t round = 0; round < 3000; round++) {
        char text[40];
        size_t size = random_below(&random, sizeof(text));
        uint64_t range = random_below(&random, 2) ? 256 : 128;
        for (size_t k = 0; k < size; k++)
            text[k] = (char)random_below(&random, range);
        struct bytes out = {0};
        encode_text(text, size, &out);
        json_t *value =
            json_loadb((char *)out.data, out.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        if (range == 128) {
            assert_int_equal(json_string_length(value), size);
            assert_memory_equal(json_string_value(value), text, size);
        }
        json_decref(value);
        bytes_clear(&out);
    }
}

static void test_floats(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *f64, *f32;
    } cases[] = {
        {0, "0.0", "0.0"},
        {-0.0, "-0.0", "-0.0"},
        {1, "1.0", "1.0"},
        {0.1, "0.1", "0.1"},
        {1e300, "1e+300", "null"},
        {-2.5, "-2.5", "-2.5"},
        {1e21, "1e+21", "1e+21"},
        {0.1 + 0.2, "0.30000000000000004", "0.3"},
        {NAN, "null", "null"},
        {INFINITY, "null", "null"},
        {5e-324, "5e-324", "0.0"},
        {100000, "100000.0", "100000.0"},
        {DBL_MAX, "1.7976931348623157e+308", "null"},
    };
    static struct field fields[] = {{.name = "d", .type = TYPE_F64},
                                    {.name = "f", .type = TYPE_F32}};
    static const struct schema schema = {2, fields};
    static const struct encode_options options = {ENCODE_JSON, TIMESTAMP_MS, 0};
    struct builder *builder = builder_create(&schema, false);
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        char expected[128];
        builder_row(builder, 0, 0, 0);
        builder_f64(builder, 0, cases[k].value);
        builder_f32(builder, 1, (float)cases[k].value);
        struct batch *batch = builder_finish(builder);
        char *text = encode(&schema, &options, batch);
        snprintf(expected, sizeof(expected), "{\"d\":%s,\"f\":%s}\n", cases[k].f64, cases[k].f32);
        assert_string_equal(text, expected);
        memory_free(text);
        batch_release(&batch);
    }
    builder_close(builder);
}

static struct field trip_fields[] = {
    {.name = "t", .type = TYPE_TIMESTAMP}, {.name = "i", .type = TYPE_I64},
    {.name = "s", .type = TYPE_UTF8},      {.name = "d.x", .type = TYPE_F64},
    {.name = "d.y", .type = TYPE_F32},     {.name = "b", .type = TYPE_BOOL},
};
static const struct schema trip = {6, trip_fields};

static void random_row(struct random *random, struct builder *builder)
{
    union {
        uint64_t bits;
        double value;
    } any = {random_next(random)};
    char text[16];
    size_t size = random_below(random, sizeof(text));
    for (size_t k = 0; k < size; k++)
        text[k] = (char)(1 + random_below(random, 126));
    builder_row(builder, 0, 0, 0);
    builder_i64(builder, 0, (int64_t)random_below(random, 1u << 30) - (1 << 29));
    if (random_below(random, 4))
        builder_i64(builder, 1, (int64_t)random_next(random));
    if (random_below(random, 4))
        builder_text(builder, 2, text, size);
    if (isfinite(any.value))
        builder_f64(builder, 3, any.value);
    if (random_below(random, 4))
        builder_f32(builder, 4, (float)(int64_t)random_next(random) / 1e9f);
    if (random_below(random, 4))
        builder_bool(builder, 5, random_below(random, 2));
}

/* What was encoded decodes to rows that encode to the same bytes. */
static void there_and_back(const struct batch *batch, enum encode_format format,
                           enum timestamp_format timestamps)
{
    static struct rejects rejects;
    struct encode_options encoding = {format, timestamps, 0};
    struct decode_options decoding = {.format = format == ENCODE_JSON ? DECODE_JSON : DECODE_CSV,
                                      .schema = &trip,
                                      .raw_column = FIELD_NONE,
                                      .unit = timestamps == TIMESTAMP_MS ? TIME_MS : TIME_TEXT,
                                      .record_max = 4096,
                                      .delimiter = ',',
                                      .quote = '"',
                                      .header = true,
                                      .multiline = true};
    char *text = encode(&trip, &encoding, batch);
    size_t size = strlen(text), used = 0;
    struct decoder *decoder = decoder_create(&decoding, NULL);
    struct builder *builder = builder_create(&trip, false);
    uint8_t *padded = memory_new(size + DECODE_PADDING);
    memcpy(padded, text, size);
    if (format == ENCODE_CSV)
        assert_true(decoder_header(decoder, padded, size, true, &used, NULL));
    size_t taken = decode_block(decoder, padded + used, size - used, used, true, UINT32_MAX / 2,
                                builder, &rejects);
    if (rejects.count > 0)
        fail_msg("%s: %s", rejects.items[0].field, rejects.items[0].reason);
    assert_int_equal(taken, size - used);
    struct batch *back = builder_finish(builder);
    char *again = encode(&trip, &encoding, back);
    assert_string_equal(again, text);
    batch_release(&back);
    memory_free(again);
    memory_free(text);
    memory_free(padded);
    builder_close(builder);
    decoder_close(decoder);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct random random = {11};
    for (uint32_t round = 0; round < 20; round++) {
        struct builder *builder = builder_create(&trip, false);
        for (uint32_t k = 0; k < 100; k++)
            random_row(&random, builder);
        struct batch *batch = builder_finish(builder);
        there_and_back(batch, ENCODE_JSON, TIMESTAMP_MS);
        there_and_back(batch, ENCODE_JSON, TIMESTAMP_ISO);
        there_and_back(batch, ENCODE_CSV, TIMESTAMP_MS);
        there_and_back(batch, ENCODE_CSV, TIMESTAMP_ISO);
        batch_release(&batch);
        builder_close(builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_selection),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_text),
        cmocka_unit_test(test_random_text),    cmocka_unit_test(test_floats),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
