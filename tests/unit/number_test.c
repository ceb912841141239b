/* number: text to numbers against strtod and strtoll. */
#include "runtime/batch/number.h"

#include "runtime/base/random.h"
#include "runtime/batch/json.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM 512 /* text and the bytes behind it that may be read */

static bool read_copy(const char *text, struct number *number, size_t *used)
{
    char room[ROOM] = {0};
    snprintf(room, sizeof(room) - 32, "%s", text);
    bool fine = number_read(room, number);
    *used = fine ? (size_t)(number->end - room) : 0;
    return fine;
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t used;
        bool integer, leading_zero;
        int64_t value;
    } cases[] = {
        {"0", 1, true, false, 0},
        {"-0", 2, true, false, 0},
        {"7,", 1, true, false, 7},
        {"-12}", 3, true, false, -12},
        {"1234567", 7, true, false, 1234567},
        {"12345678", 8, true, false, 12345678},
        {"123456789", 9, true, false, 123456789},
        {"-881250949123 ", 13, true, false, -881250949123},
        {"123456789012345", 15, true, false, 123456789012345},
        {"1234567890123456", 16, true, false, 1234567890123456},
        {"9223372036854775807", 19, true, false, INT64_MAX},
        {"-9223372036854775808", 20, true, false, INT64_MIN},
        {"9223372036854775808", 19, false, false, 0},
        {"-9223372036854775809", 20, false, false, 0},
        {"18446744073709551617", 20, false, false, 0},
        {"007", 3, true, true, 7},
        {"00000000000000000000000000012", 29, true, true, 12},
        {"", 0, false, false, 0},
        {"-", 0, false, false, 0},
        {"x", 0, false, false, 0},
        {"+1", 0, false, false, 0},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct number number = {0};
        size_t used;
        bool fine = read_copy(cases[k].text, &number, &used);
        if (used != cases[k].used || number.integer != cases[k].integer ||
            (fine && number.leading_zero != cases[k].leading_zero) ||
            (number.integer && number.i64 != cases[k].value))
            fail_msg("\"%s\": used %zu, value %" PRId64, cases[k].text, used, number.i64);
    }
}

static void test_whole_floats(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"3.0", true, 3},
        {"-2e2", true, -200},
        {"1.5", false, 0},
        {"1e400", false, 0},
        {"9007199254740992.0", true, INT64_C(1) << 53},
        {"1e17", false, 0},
        {"2.5e1", true, 25},
        {"-0.0", true, 0},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct number number;
        size_t used;
        int64_t value = 0;
        assert_true(read_copy(cases[k].text, &number, &used));
        if (number_i64(&number, &value) != cases[k].fits || value != cases[k].value)
            fail_msg("\"%s\"", cases[k].text);
    }
}

static void expect_as_strtod(const char *text)
{
    struct number number;
    size_t used;
    if (!read_copy(text, &number, &used))
        fail_msg("\"%s\" is not read", text);
    char *end;
    double expected = strtod(text, &end), value = number_f64(&number);
    if (used != (size_t)(end - text) || value != expected)
        fail_msg("\"%s\": %.17g instead of %.17g", text, value, expected);
}

static void test_floats(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0.1",
        "3.5",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "123456789.123456789",
        "1e308",
        "1e309",
        "-1e309",
        "5e-324",
        "2e-324",
        "1e-400",
        "0.000000000000000000001",
        "2.2250738585072011e-308",
        "9007199254740993.5",
        "179769313486231570000.0e289",
        "8.5E+2",
        "1.7976931348623159e308",
        "0.30000000000000004",
        "4.35",
        "1e100000000000",
        "1e-100000000000",
        "123456789012345678901234567890.5",
    };
    for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
        expect_as_strtod(texts[k]);
}

static void test_no_floats(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.", ".5", "1e", "1e+", "1.e3", "-.5", "1.5e-"};
    for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
        struct number number;
        size_t used;
        if (read_copy(texts[k], &number, &used))
            fail_msg("\"%s\" is read", texts[k]);
    }
}

static void test_random(void **state)
{
    (void)state;
    struct random random = {20};
    for (uint32_t round = 0; round < 20000; round++) {
        union {
            uint64_t bits;
            double value;
        } any = {random_next(&random)};
        char text[64];
        if (!isfinite(any.value))
            continue;
        snprintf(text, sizeof(text), "%.*g", 1 + (int)random_below(&random, 20), any.value);
        expect_as_strtod(text);
        snprintf(text, sizeof(text), "%.*f", (int)random_below(&random, 9),
                 (double)(int64_t)any.bits / 1e6);
        expect_as_strtod(text);
        size_t size = json_f64_text(any.value, text); /* the shortest text reads back */
        assert_true(size < JSON_NUMBER_MAX);
        text[size] = '\0';
        assert_true(strtod(text, NULL) == any.value);
    }
}

static void expect_text(double value, const char *expected)
{
    char text[JSON_NUMBER_MAX + 1];
    size_t size = json_f64_text(value, text);
    assert_true(size < JSON_NUMBER_MAX);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

/* Few digits have a way of their own: the text is theirs, and the nearest other doubles' is not. */
static void test_short_texts(void **state)
{
    (void)state;
    struct random random = {21};
    expect_text(0, "0.0");
    expect_text(-0.0, "-0.0");
    expect_text(0.1 + 0.2, "0.30000000000000004");
    expect_text(0.00005, "0.00005");
    expect_text(9999999999.9999, "9999999999.9999");
    expect_text(1e10, "10000000000.0");
    for (uint32_t round = 0; round < 50000; round++) {
        uint64_t count = random_next(&random) >> (17 + random_below(&random, 47));
        double value = (double)count / 1e4 * (round % 2 ? 1 : -1), near[2];
        char expected[JSON_NUMBER_MAX + 1], text[JSON_NUMBER_MAX + 1];
        if (count >= 100000000000000)
            continue;
        int size = snprintf(expected, sizeof(expected), "%.4f", value);
        while (expected[size - 1] == '0' && expected[size - 2] != '.')
            expected[--size] = '\0';
        expect_text(value, expected);
        near[0] = nextafter(value, -1e300);
        near[1] = nextafter(value, 1e300);
        for (int k = 0; k < 2; k++) {
            size_t used = json_f64_text(near[k], text);
            text[used] = '\0';
            assert_true(strtod(text, NULL) == near[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers), cmocka_unit_test(test_whole_floats),
        cmocka_unit_test(test_floats),   cmocka_unit_test(test_no_floats),
        cmocka_unit_test(test_random),   cmocka_unit_test(test_short_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
