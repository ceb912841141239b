/* log: the form of a line, levels, prefix, what must not break a line, the longest line. */
#include "runtime/base/log.h"

#include "runtime/base/timestamp.h"
#include "tests/unit/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The line without its time, which must be one. */
static const char *after_time(const char *line)
{
    int64_t ms;

    assert_true(strlen(line) > 25);
    assert_true(timestamp_parse(line, 24, &ms));
    assert_int_equal(line[24], ' ');
    return line + 25;
}

static void plain(void)
{
    log_line(LOG_INFO, "checkpoint complete", "checkpoint=%d bytes=%zu", 7, (size_t)1024);
}

static void prefixed(void)
{
    log_set_prefix("worker=2");
    log_line(LOG_ERROR, "job failed", "attempt=%d", 1);
}

static void unprefixed(void)
{
    log_set_prefix("worker=2");
    log_set_prefix(NULL);
    log_line(LOG_WARN, "job failed", "%s", "");
}

static void broken(void)
{
    log_line(LOG_WARN, "peer is gone", "reason=%s",
             "a\nb\tc\x7f\x01"
             "d \xc3\xa9");
}

static void below(void)
{
    log_line(LOG_DEBUG, "hidden", "a=%d", 1);
    log_set_level(LOG_WARN);
    log_line(LOG_INFO, "hidden", "a=%d", 1);
    log_line(LOG_WARN, "shown", "a=%d", 1);
}

static void debug(void)
{
    log_set_level(LOG_DEBUG);
    log_line(LOG_DEBUG, "shown", "a=%d", 2);
}

static void test_lines(void **state)
{
    static const struct {
        void (*run)(void);
        const char *line;
    } cases[] = {
        {plain, "info checkpoint complete checkpoint=7 bytes=1024\n"},
        {prefixed, "error job failed worker=2 attempt=1\n"},
        {unprefixed, "warn job failed \n"},
        {broken, "warn peer is gone reason=a b c  d \xc3\xa9\n"},
        {below, "warn shown a=1\n"},
        {debug, "debug shown a=2\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[DEATH_TEXT_MAX];

        assert_int_equal(death_of(cases[i].run, text), 0);
        assert_string_equal(after_time(text), cases[i].line);
    }
}

static void long_line(void)
{
    log_line(LOG_INFO, "long", "%0*d", 5000, 0);
}

static void test_longest_line(void **state)
{
    char text[DEATH_TEXT_MAX];

    (void)state;
    assert_int_equal(death_of(long_line, text), 0);
    assert_int_equal(strlen(text), 4096); /* what a pipe takes in one piece */
    assert_string_equal(text + 4090, "00000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_longest_line),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
