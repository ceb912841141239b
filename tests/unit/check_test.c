/* check: a true CHECK is silent, a false one names itself and aborts. */
#include "runtime/base/check.h"
#include "tests/unit/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

static int evaluations;

static void hold(void)
{
    CHECK(++evaluations == 1);
}

static void break_one(void)
{
    CHECK(1 + 1 == 3);
}

static void test_true_is_silent(void **state)
{
    char text[DEATH_TEXT_MAX];

    (void)state;
    assert_int_equal(death_of(hold, text), 0);
    assert_string_equal(text, "");
    hold();
    assert_int_equal(evaluations, 1);
}

static void test_false_aborts(void **state)
{
    char text[DEATH_TEXT_MAX];
    int status = death_of(break_one, text);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "check_test.c:"));
    assert_non_null(strstr(text, "1 + 1 == 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_is_silent),
        cmocka_unit_test(test_false_aborts),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
