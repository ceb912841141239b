/* error: filling, wrapping, printing; cut at the bounds and never within a UTF-8 character. */
#include "runtime/base/error.h"

#include "runtime/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_text(void **state)
{
    static const struct {
        const char *where, *what, *how, *text;
    } cases[] = {
        {"job.yaml:1:2: job", "is absent", "add it", "job.yaml:1:2: job: is absent; add it"},
        {"job.yaml", "is absent", NULL, "job.yaml: is absent"},
        {NULL, "is absent", "add it", "is absent; add it"},
        {"", "is absent", "", "is absent"},
        {"job.yaml", "", "add it", "job.yaml; add it"},
        {"job.yaml", "", NULL, "job.yaml"},
        {"100%s", "50%d", "%n", "100%s: 50%d; %n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[ERROR_TEXT_MAX];
        struct error err;

        assert_false(
            error_set(&err, ERROR_CONFIG, cases[i].where, cases[i].how, "%s", cases[i].what));
        assert_int_equal(err.code, ERROR_CONFIG);
        assert_false(err.retriable);
        assert_string_equal(error_text(&err, text, sizeof(text)), cases[i].text);
    }
}

static void test_null_is_dropped(void **state)
{
    (void)state;
    assert_false(error_set(NULL, ERROR_IO, "a", "b", "c"));
    assert_false(error_errno(NULL, "a", "b"));
    assert_false(error_wrap(NULL, "a"));
    assert_false(error_mistake(NULL, "a"));
}

static void test_errno(void **state)
{
    static const struct {
        int number;
        bool retriable;
        const char *how;
    } cases[] = {{ENOENT, false, ""},
                 {EACCES, false, ""},
                 {EINTR, true, ""},
                 {EAGAIN, true, ""},
                 {EIO, true, ""},
                 {ENOSPC, true, "; free space on that disk"},
                 {EDQUOT, true, "; free space on that disk"},
                 {EFBIG, false, "; raise the limit on the size of files (ulimit -f)"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[ERROR_TEXT_MAX], expected[256];
        struct error err;

        snprintf(expected, sizeof(expected), "a/b: cannot be read, try 3: %s%s",
                 strerror(cases[i].number), cases[i].how);
        errno = cases[i].number;
        assert_false(error_errno(&err, "a/b", "cannot be read, try %d", 3));
        assert_int_equal(errno, cases[i].number);
        assert_int_equal(err.code, ERROR_IO);
        assert_int_equal(err.retriable, cases[i].retriable);
        assert_string_equal(error_text(&err, text, sizeof(text)), expected);
        assert_false(error_mistake(&err, "wait")); /* what may pass by itself is none */
        assert_int_equal(err.code, cases[i].retriable ? ERROR_IO : ERROR_CONFIG);
        assert_string_equal(err.how, "wait");
    }
}

static void test_wrap(void **state)
{
    struct error err;

    (void)state;
    errno = EIO;
    error_errno(&err, NULL, "cannot be read");
    assert_false(error_wrap(&err, "file %d", 7));
    assert_string_equal(err.where, "file 7");
    assert_false(error_wrap(&err, "operator %s", "clean"));
    assert_string_equal(err.where, "operator clean: file 7");
    assert_true(err.retriable);
    assert_int_equal(err.code, ERROR_IO);
}

static void test_an_error_of_itself(void **state)
{
    struct error err;

    (void)state;
    error_set(&err, ERROR_DATA, "where", "how", "what");
    error_set(&err, ERROR_STATE, err.how, err.where, "%s and %s", err.what, err.where);
    assert_string_equal(err.what, "what and where");
    assert_string_equal(err.where, "how");
    assert_string_equal(err.how, "where");
    error_wrap(&err, "%s", err.where);
    assert_string_equal(err.where, "how: how");
}

static void test_cut_at_the_bounds(void **state)
{
    char wide[2000], text[ERROR_TEXT_MAX];
    struct error err;

    (void)state;
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = 0;
    error_set(&err, ERROR_IO, wide, wide, "%s", wide);
    assert_int_equal(strlen(err.where), sizeof(err.where) - 1);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    assert_int_equal(strlen(err.how), sizeof(err.how) - 1);
    error_wrap(&err, "%s", wide);
    assert_int_equal(strlen(err.where), sizeof(err.where) - 1);
    /* ERROR_TEXT_MAX holds everything. */
    error_text(&err, text, sizeof(text));
    assert_int_equal(strlen(text), 255 + 2 + 511 + 2 + 511);
    errno = EIO;
    error_errno(&err, "", "%s", wide);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    assert_string_equal(error_text(&err, text, 1), "");
    assert_string_equal(error_text(&err, text, 4), "xxx");
}

/* Characters of each length at each place before the bound: whole or gone. */
static void test_cut_keeps_characters_whole(void **state)
{
    static const char *const characters[] = {"\u00e9", "\u20ac", "\U0001f600"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t width = strlen(characters[i]);

        for (size_t pad = 240; pad <= 256; pad++) {
            char where[300];
            struct error err;

            memset(where, 'x', pad);
            memcpy(where + pad, characters[i], width + 1);
            error_set(&err, ERROR_IO, where, NULL, "what");
            assert_int_equal(strlen(err.where),
                             pad + width <= 255 ? pad + width : (pad < 255 ? pad : 255));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_null_is_dropped),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_an_error_of_itself),
        cmocka_unit_test(test_cut_at_the_bounds),
        cmocka_unit_test(test_cut_keeps_characters_whole),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
