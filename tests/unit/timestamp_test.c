/* timestamp: forms that are read and refused, civil time against the C library over the whole
 * range, text there and back. */
#include "runtime/base/timestamp.h"

#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REFUSED INT64_MIN

/* A copy of the exact size, so that ASan sees a read past the end. */
static bool parse_exact(const char *text, size_t size, int64_t *ms)
{
    char *copy = malloc(size + !size);
    bool parsed;

    assert_non_null(copy);
    memcpy(copy, text, size);
    parsed = timestamp_parse(copy, size, ms);
    free(copy);
    return parsed;
}

static const struct {
    const char *text;
    int64_t ms;
} forms[] = {
    {"1970-01-01", 0},
    {"1970-01-01T00:00:00Z", 0},
    {"1997-09-20T03:05:10.123Z", INT64_C(874724710123)},
    {"1997-09-20 03:05:10.123", INT64_C(874724710123)},
    {"1997-09-20t03:05:10,123z", INT64_C(874724710123)},
    {"1997-09-20T03:05:10", INT64_C(874724710000)},
    {"1997-09-20T03:05", INT64_C(874724700000)},
    {"1997-09-20T03:05Z", INT64_C(874724700000)},
    {"1997-09-20T05:05:10.123+02:00", INT64_C(874724710123)},
    {"1997-09-20T05:05:10.123+0200", INT64_C(874724710123)},
    {"1997-09-20T05:05:10.123+02", INT64_C(874724710123)},
    {"1997-09-19 21:35:10-05:30", INT64_C(874724710000)},
    {"1997-09-20T05:05+02:00", INT64_C(874724700000)},
    {"1997-09-20T03:05:10.1", INT64_C(874724710100)},
    {"1997-09-20T03:05:10.12", INT64_C(874724710120)},
    {"1997-09-20T03:05:10.123999999Z", INT64_C(874724710123)},
    {"1969-12-31T23:59:59.999Z", -1},
    {"1969-12-31T23:59:59.9999Z", -1},
    {"2000-02-29", INT64_C(951782400000)},
    {"2024-02-29T12:00:00", INT64_C(1709208000000)},
    {"0001-01-01T00:00:00.000Z", TIMESTAMP_MIN_MS},
    {"9999-12-31T23:59:59.999Z", TIMESTAMP_MAX_MS},
    {"1970-01-01T18:00+18:00", 0},
    {"0001-01-01T00:00:00+00:01", REFUSED}, /* the year before the first */
    {"9999-12-31T23:59:59-00:01", REFUSED},
    {"", REFUSED},
    {"1997", REFUSED},
    {"1997-09-2", REFUSED},
    {"1997/09/20", REFUSED},
    {"1997-9-20T03:05", REFUSED},
    {"19970920T030510Z", REFUSED},
    {"0000-01-01", REFUSED},
    {"1997-00-01", REFUSED},
    {"1997-13-01", REFUSED},
    {"1997-01-00", REFUSED},
    {"1997-01-32", REFUSED},
    {"1997-02-29", REFUSED},
    {"1900-02-29", REFUSED},
    {"1997-04-31", REFUSED},
    {"1997-09-20T", REFUSED},
    {"1997-09-20T03", REFUSED},
    {"1997-09-20T03:0", REFUSED},
    {"1997-09-20T03:05:", REFUSED},
    {"1997-09-20T03:05:1", REFUSED},
    {"1997-09-20T03:05:10.", REFUSED},
    {"1997-09-20T03:05:10.Z", REFUSED},
    {"1997-09-20T03:05:10.1234567890", REFUSED},
    {"1997-09-20T24:00:00", REFUSED},
    {"1997-09-20T03:60:00", REFUSED},
    {"1997-09-20T03:05:60", REFUSED},
    {"1997-09-20T03:05:10Zulu", REFUSED},
    {"1997-09-20T03:05:10 Z", REFUSED},
    {"1997-09-20T03:05:10+2", REFUSED},
    {"1997-09-20T03:05:10+02:", REFUSED},
    {"1997-09-20T03:05:10+02-00", REFUSED},
    {"1997-09-20T03:05:10+19:00", REFUSED},
    {"1997-09-20T03:05:10+02:60", REFUSED},
    {"1997-09-20T03:05:10*02:00", REFUSED},
    {"1997-09-20X03:05:10", REFUSED},
    {"1997-09-20T03.05.10", REFUSED},
    {"199a-09-20", REFUSED},
    {"1997-09-20T0x:05:10", REFUSED},
    {"-997-09-20", REFUSED},
    {" 1997-09-20", REFUSED},
    {"1997-09-20 ", REFUSED},
    {"874724710", REFUSED},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int64_t ms = 77;
        bool parsed = parse_exact(forms[i].text, strlen(forms[i].text), &ms);

        if (parsed != (forms[i].ms != REFUSED) || ms != (parsed ? forms[i].ms : 77))
            fail_msg("\"%s\" gives %d, %lld", forms[i].text, parsed, (long long)ms);
    }
}

/* Every byte of a good text replaced by every other: never a crash, and only digits, signs and
 * separators may still be read. */
static void test_every_byte(void **state)
{
    const char good[] = "1997-09-20T03:05:10.123+02:00";

    (void)state;
    for (size_t place = 0; place < sizeof(good) - 1; place++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[sizeof(good)];
            int64_t ms;

            memcpy(text, good, sizeof(good));
            text[place] = (char)byte;
            if (parse_exact(text, sizeof(good) - 1, &ms))
                assert_true(byte && strchr("0123456789+-T t,.:", byte));
        }
    }
    for (size_t size = 0; size < sizeof(good); size++) {
        int64_t ms;

        (void)!parse_exact(good, size, &ms);
    }
}

static void check_against_libc(int64_t ms)
{
    struct civil civil = timestamp_civil(ms);
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm tm;

    assert_non_null(gmtime_r(&seconds, &tm));
    assert_int_equal(civil.year, tm.tm_year + 1900);
    assert_int_equal(civil.month, tm.tm_mon + 1);
    assert_int_equal(civil.day, tm.tm_mday);
    assert_int_equal(civil.hour, tm.tm_hour);
    assert_int_equal(civil.minute, tm.tm_min);
    assert_int_equal(civil.second, tm.tm_sec);
    assert_int_equal(civil.millisecond, ms - (int64_t)seconds * 1000);
    assert_int_equal(civil.weekday, tm.tm_wday == 0 ? 7 : tm.tm_wday);
    assert_int_equal(civil.day_of_year, tm.tm_yday + 1);
    assert_int_equal(timestamp_from_civil(civil.year, civil.month, civil.day) +
                         ((int64_t)(civil.hour * 60 + civil.minute) * 60 + civil.second) * 1000 +
                         civil.millisecond,
                     ms);
}

/* Every day of 1600 to 2400, a whole cycle of the calendar and more, and draws from all years. */
static void test_civil(void **state)
{
    struct random random = {.state = 3};

    (void)state;
    for (int64_t day = -135140; day < 157054; day++)
        check_against_libc(day * 86400000 + (int64_t)random_below(&random, 86400000));
    for (int i = 0; i < 100000; i++) {
        uint64_t span = (uint64_t)(TIMESTAMP_MAX_MS - TIMESTAMP_MIN_MS) + 1;

        check_against_libc(TIMESTAMP_MIN_MS + (int64_t)random_below(&random, span));
    }
    check_against_libc(TIMESTAMP_MIN_MS);
    check_against_libc(TIMESTAMP_MAX_MS);
    check_against_libc(INT64_C(-9000000000000000000));
    check_against_libc(INT64_C(9000000000000000000));
}

static void test_text(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {INT64_C(874724710123), "1997-09-20T03:05:10.123Z"},
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {TIMESTAMP_MIN_MS, "0001-01-01T00:00:00.000Z"},
        {TIMESTAMP_MAX_MS, "9999-12-31T23:59:59.999Z"},
        {TIMESTAMP_MAX_MS + 1, "+000010000-01-01T00:00:00.000Z"},
        {INT64_MAX, "+292278994-08-17T07:12:55.807Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
    };
    struct random random = {.state = 4};
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(timestamp_text(cases[i].ms, text, sizeof(text)), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t span = (uint64_t)(TIMESTAMP_MAX_MS - TIMESTAMP_MIN_MS) + 1;
        int64_t ms = TIMESTAMP_MIN_MS + (int64_t)random_below(&random, span), back;

        assert_true(timestamp_parse(text, timestamp_text(ms, text, sizeof(text)), &back));
        assert_int_equal(back, ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_civil),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
