/* quantity: durations and byte sizes, there and back, to the last value that fits. */
#include "runtime/base/option.h"
#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define REFUSED INT64_MIN

struct parse_case {
    const char *text;
    int64_t value;
};

static void run(const struct parse_case *cases, bool (*parse)(const char *, int64_t *))
{
    for (; cases->text; cases++) {
        int64_t value = 12345;
        bool parsed = parse(cases->text, &value);

        if (parsed != (cases->value != REFUSED) || (parsed && value != cases->value))
            fail_msg("\"%s\" gives %d, %lld", cases->text, parsed, (long long)value);
    }
}

static void test_durations(void **state)
{
    static const struct parse_case cases[] = {
        {"0", 0},
        {"0s", 0},
        {"0.0", 0},
        {"1ms", 1},
        {"90s", 90000},
        {"5m", 300000},
        {"1h", 3600000},
        {"1H", 3600000},
        {"30d", 30 * DAY_MS},
        {"1.5s", 1500},
        {"0.001s", 1},
        {"1.500000000s", 1500},
        {"90 s", 90000},
        {"-5h", -5 * HOUR_MS},
        {"9223372036854775807ms", INT64_MAX},
        {"9223372036854775s", INT64_C(9223372036854775000)},
        {"106751991167d", INT64_C(106751991167) * DAY_MS},
        {"9223372036854775808ms", REFUSED},
        {"106751991168d", REFUSED},
        {"9223372036854776s", REFUSED},
        {"0.0001s", REFUSED},
        {"1.0000000000s", REFUSED},
        {"0.5ms", REFUSED},
        {"", REFUSED},
        {"s", REFUSED},
        {"90", REFUSED},
        {"90 parsecs", REFUSED},
        {"90  s", REFUSED},
        {" 90s", REFUSED},
        {"90s ", REFUSED},
        {".5s", REFUSED},
        {"5.s", REFUSED},
        {"1.2.3s", REFUSED},
        {"+1s", REFUSED},
        {"--1s", REFUSED},
        {"-", REFUSED},
        {"1e3s", REFUSED},
        {"0x1s", REFUSED},
        {NULL, 0},
    };

    (void)state;
    run(cases, duration_parse);
}

static void test_byte_sizes(void **state)
{
    static const struct parse_case cases[] = {
        {"0", 0},
        {"1b", 1},
        {"1kb", 1024},
        {"64mb", 64 << 20},
        {"1.5GB", INT64_C(3) << 29},
        {"8589934591gb", INT64_C(8589934591) << 30},
        {"8589934592gb", REFUSED},
        {"-1b", REFUSED},
        {"64", REFUSED},
        {"64m", REFUSED},
        {"0.3b", REFUSED},
        {NULL, 0},
    };

    (void)state;
    run(cases, byte_size_parse);
}

static void test_texts(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ms"},
        {90000, "90s"},
        {60000, "1m"},
        {3600000, "1h"},
        {5400000, "90m"},
        {DAY_MS, "1d"},
        {30 * DAY_MS, "30d"},
        {90001, "90001ms"},
        {-3600000, "-1h"},
        {INT64_MAX, "9223372036854775807ms"},
        {INT64_MIN, "-9223372036854775808ms"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(duration_text(cases[i].ms, text, sizeof(text)), cases[i].text);
    assert_string_equal(byte_size_text(0, text, sizeof(text)), "0b");
    assert_string_equal(byte_size_text(1536, text, sizeof(text)), "1536b");
    assert_string_equal(byte_size_text(64 << 20, text, sizeof(text)), "64mb");
}

static void test_there_and_back(void **state)
{
    struct random random = {.state = 2};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)(random_next(&random) >> (1 + random_below(&random, 62))), back;
        char text[32];

        if (i % 3 == 0 && ms < INT64_MAX / DAY_MS)
            ms *= DAY_MS;
        assert_true(duration_parse(duration_text(ms, text, sizeof(text)), &back));
        assert_int_equal(back, ms);
        assert_true(byte_size_parse(byte_size_text(ms, text, sizeof(text)), &back));
        assert_int_equal(back, ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_byte_sizes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
