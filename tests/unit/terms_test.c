/* terms: words of texts in several scripts and languages; the stems are those of Snowball's own
 * vocabularies (snowballstem.org). */
#include "operators/model/terms.h"

#include "runtime/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void append(void *context, const char *term, size_t size)
{
    struct bytes *words = context;

    assert_in_range(size, 1, TERM_SIZE);
    bytes_put(words, term, size);
    bytes_put(words, "|", 1);
}

static uint32_t language(const char *name)
{
    uint32_t i = 0;

    while (strcmp(terms_languages[i], name) != 0)
        i++;
    return i;
}

static void check(const char *name, bool accents, const char *text, const char *want)
{
    struct terms *terms = terms_create(language(name), accents);
    struct bytes words = {0};

    for (uint32_t round = 0; round < 2; round++) { /* nothing is left of the text before */
        words.size = 0;
        terms_split(terms, text, strlen(text), append, &words);
        bytes_put(&words, "", 1);
        assert_string_equal((const char *)words.data, want);
    }
    bytes_clear(&words);
    terms_close(terms);
}

static void test_words(void **state)
{
    (void)state;
    check("none", true, "", "");
    check("none", true, " ,.-! ", "");
    check("none", true, "The Lord-of the RINGS, 2001", "the|lord|of|the|rings|2001|");
    check("none", true, "caf\xc3\xa9 cafe\xcc\x81", "caf\xc3\xa9|caf\xc3\xa9|"); /* composed */
    check("none", false, "caf\xc3\xa9 cafe\xcc\x81", "cafe|cafe|");
    check("none", true,
          "Stra\xc3\x9f"
          "e",
          "strasse|");
    check("none", true, "\xef\xbc\xa1\xef\xbd\x82 \xef\xac\x81n", "ab|fin|"); /* wide, ligature */
    check("none", true,
          "a\xff"
          "b\xc3",
          "a|b|"); /* no UTF-8 */
    check("none", true,
          "don't l\xe2\x80\x99"
          "eau",
          "don|t|l|eau|");
}

/* The same marks in another order are the same word. */
static void test_marks(void **state)
{
    (void)state;
    check("none", true, "a\xcc\x81\xcc\xa3 a\xcc\xa3\xcc\x81",
          "\xe1\xba\xa1\xcc\x81|\xe1\xba\xa1\xcc\x81|");
    check("none", true, "\xcc\x81 x", "x|"); /* a mark alone is no word */
}

static void test_without_spaces(void **state)
{
    (void)state;
    /* 春节晚会: three pairs; 春: one; with Latin between; が is not taken apart. */
    check("none", true, "\xe6\x98\xa5\xe8\x8a\x82\xe6\x99\x9a\xe4\xbc\x9a",
          "\xe6\x98\xa5\xe8\x8a\x82|\xe8\x8a\x82\xe6\x99\x9a|\xe6\x99\x9a\xe4\xbc\x9a|");
    check("none", true, "\xe6\x98\xa5 \xe8\x8a\x82", "\xe6\x98\xa5|\xe8\x8a\x82|");
    check("none", true, "\xe6\x98\xa5x\xe8\x8a\x82", "\xe6\x98\xa5|x|\xe8\x8a\x82|");
    check("none", true, "\xe3\x81\x8c\xe6\x98\xa5", "\xe3\x81\x8c\xe6\x98\xa5|");
}

static void test_stems(void **state)
{
    (void)state;
    check("english", true, "Running runs generously consolations Peter's don\xe2\x80\x99t",
          "run|run|generous|consol|peter|don't|");
    check("german", true, "H\xc3\xa4user aufeinanderfolgenden", "haus|aufeinanderfolg|");
    check("french", true, "continuellement majest\xc3\xa9", "continuel|majest|");
    check("spanish", true, "chicas tor\xc3\xa1xica", "chic|torax|");
}

static void test_long(void **state)
{
    char text[1000], want[TERM_SIZE + 2];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    memset(want, 'a', TERM_SIZE);
    memcpy(want + TERM_SIZE, "|", 2);
    check("none", true, text, want);
    memcpy(text + TERM_SIZE - 1, "\xc3\xa9", 2); /* would be cut in two */
    want[TERM_SIZE - 1] = '|';
    want[TERM_SIZE] = 0;
    check("none", true, text, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),          cmocka_unit_test(test_marks),
        cmocka_unit_test(test_without_spaces), cmocka_unit_test(test_stems),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
