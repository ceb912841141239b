/* nearest: which name is meant, and when none is. */
#include "runtime/base/limits.h"
#include "runtime/base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const char *const names[] = {
    "within", "window", "by", "after", "events-min", "feature/profile", "adjust/time",
};
static const uint32_t name_count = sizeof(names) / sizeof(names[0]);

static void test_names(void **state)
{
    static const struct {
        const char *name, *nearest;
    } cases[] = {
        {"within", "within"},           /* itself */
        {"witin", "within"},            /* one is missing */
        {"withinn", "within"},          /* one too many */
        {"wihtin", "within"},           /* two are swapped */
        {"Events_Min", "events-min"},   /* case and underscore are nothing */
        {"bi", "by"},                   /* one of two */
        {"xx", NULL},                   /* two of two */
        {"", NULL},                     /* nothing is near to nothing */
        {"profile", "feature/profile"}, /* the kind without its family */
        {"profil", "feature/profile"},
        {"time", "adjust/time"},
        {"feature/profiles", "feature/profile"},
        {"winthow", "window"}, /* two of seven */
        {"wxndoz", "window"},  /* two of six */
        {"wxxxow", NULL},      /* three of six */
        {"bxx", NULL},         /* two of three */
        {"allowed-lateness", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *nearest = text_nearest(names, name_count, cases[i].name);

        if (cases[i].nearest)
            assert_string_equal(nearest, cases[i].nearest);
        else
            assert_null(nearest);
    }
    assert_null(text_nearest(names, 0, "within"));
}

static void test_first_of_equals(void **state)
{
    static const char *const equals[] = {"cat", "bat"};

    (void)state;
    assert_string_equal(text_nearest(equals, 2, "rat"), "cat");
}

static void test_longest_name(void **state)
{
    char longest[NAME_SIZE_MAX], longer[NAME_SIZE_MAX + 1];
    const char *list[] = {longer, longest};

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    assert_ptr_equal(text_nearest(list, 2, longest), longest);
    assert_null(text_nearest(list, 2, longer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_first_of_equals),
        cmocka_unit_test(test_longest_name),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
