/* json_fuzz: any bytes as JSON lines. All bytes are accounted for, windows do not matter, and a line
 * is accepted exactly when jansson reads it as an object whose values fit. */
#include "runtime/base/timestamp.h"
#include "tests/unit/feed.h"

#include <jansson.h>
#include <math.h>

#define RECORD_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct field fields[] = {
    {.name = "t", .type = TYPE_TIMESTAMP}, {.name = "name", .type = TYPE_UTF8},
    {.name = "score", .type = TYPE_F64},   {.name = "ok", .type = TYPE_BOOL},
    {.name = "a.b", .type = TYPE_UTF8},    {.name = "raw", .type = TYPE_UTF8},
};
static const struct schema schema = {6, fields};

static bool time_fits(const json_t *value)
{
    int64_t ms;
    if (json_is_string(value))
        return timestamp_parse(json_string_value(value), json_string_length(value), &ms);
    double number = floor(json_number_value(value));
    return json_is_number(value) && number >= (double)TIMESTAMP_MIN_MS &&
           number <= (double)TIMESTAMP_MAX_MS;
}

static bool is_null(const json_t *value)
{
    return !value || json_is_null(value);
}

static bool record_fits(const json_t *record)
{
    const json_t *name = json_object_get(record, "name"), *score = json_object_get(record, "score");
    const json_t *ok = json_object_get(record, "ok"), *a = json_object_get(record, "a");
    const json_t *b = json_object_get(a, "b");
    return json_is_object(record) && time_fits(json_object_get(record, "t")) &&
           (is_null(name) || json_is_string(name)) && (is_null(score) || json_is_number(score)) &&
           (is_null(ok) || json_is_boolean(ok)) && (is_null(a) || json_is_object(a)) &&
           (is_null(b) || json_is_string(b));
}

/* 1 accept, 0 reject, -1: the two differ by design (equal keys, overflow, NUL in a key, depth) or
 * jansson is wrong (it passes over a NUL behind a number). */
static int oracle(const char *line, size_t size)
{
    json_error_t error;
    int depth = 0;
    for (size_t at = 0; at < size; at++)
        depth += line[at] == '[' || line[at] == '{';
    if (depth >= (int)DECODE_DEPTH_MAX || memchr(line, '\0', size))
        return -1;
    json_t *record = json_loadb(
        line, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &error);
    if (!record) {
        enum json_error_code code = json_error_code(&error);
        return code == json_error_duplicate_key || code == json_error_numeric_overflow ||
                       code == json_error_null_byte_in_key
                   ? -1
                   : 0;
    }
    int fits = record_fits(record);
    json_decref(record);
    return fits;
}

static void check_lines(const struct feed *feed, const char *text, size_t size)
{
    for (size_t k = 0; k < feed->count; k++) {
        const struct feed_item *item = &feed->items[k];
        size_t line = decode_line_end((const uint8_t *)text + item->offset, size - item->offset);
        line -= text[item->offset + line - 1] == '\n';
        int expected = line > RECORD_MAX ? 0 : oracle(text + item->offset, line);
        CHECK(expected < 0 || item->good == (expected == 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct decode_options options = {
        .format = DECODE_JSON, .schema = &schema, .raw_column = 5, .record_max = RECORD_MAX};
    struct feed one = {0}, other = {0};
    bool mark = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0;

    CHECK(feed_run(&one, &options, text, size, size + 1, UINT32_MAX / 2, NULL));
    CHECK(feed_run(&other, &options, text, size, 1 + size % 61, 2, NULL));
    CHECK(one.text.size == other.text.size &&
          memcmp(one.text.data, other.text.data, one.text.size) == 0);
    CHECK(feed_accounts(&one, text, size, mark ? 3 : 0, RECORD_MAX));
    check_lines(&one, text, size);
    feed_clear(&one);
    feed_clear(&other);
    return 0;
}
