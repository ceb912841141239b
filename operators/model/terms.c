/* terms: see terms.h. */
#include "operators/model/terms.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <libstemmer.h>
#include <string.h>
#include <utf8proc.h>

#define WORD_MAX 256     /* code points of a word before it is composed; the rest is cut off */
#define EXPANSION_MAX 32 /* of one code point */

const char *const terms_languages[] = {
    "none",       "arabic",   "armenian", "basque",     "catalan", "danish",    "dutch",
    "english",    "finnish",  "french",   "german",     "greek",   "hindi",     "hungarian",
    "indonesian", "irish",    "italian",  "lithuanian", "nepali",  "norwegian", "porter",
    "portuguese", "romanian", "russian",  "serbian",    "spanish", "swedish",   "tamil",
    "turkish",    "yiddish",  NULL,
};

struct terms {
    struct sb_stemmer *stemmer; /* NULL: none */
    bool apostrophes;           /* are parts of words */
    utf8proc_option_t options;
    terms_each *each;
    void *context;
    int32_t word[WORD_MAX + 1];
    uint32_t length;
    int32_t pair; /* the character before, in a run without spaces; 0: none */
    bool paired;  /* it is in a pair already */
};

struct terms *terms_create(uint32_t language, bool accents)
{
    struct terms *terms = memory_new(sizeof(*terms));

    CHECK(language < sizeof(terms_languages) / sizeof(terms_languages[0]) - 1);
    terms->options = UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE |
                     UTF8PROC_STABLE;
    if (!accents)
        terms->options |= UTF8PROC_STRIPMARK;
    if (language > 0) {
        terms->stemmer = sb_stemmer_new(terms_languages[language], "UTF_8");
        terms->apostrophes = strcmp(terms_languages[language], "english") == 0;
        CHECK(terms->stemmer);
    }
    return terms;
}

void terms_close(struct terms *terms)
{
    if (!terms)
        return;
    if (terms->stemmer)
        sb_stemmer_delete(terms->stemmer);
    memory_free(terms);
}

/* ---- words ---- */

/* As many whole characters as fit a term. */
static size_t encode(const int32_t *points, uint32_t count, char *text)
{
    size_t size = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[4];
        utf8proc_ssize_t more = utf8proc_encode_char(points[i], bytes);
        if (more <= 0 || size + (size_t)more > TERM_SIZE)
            break;
        memcpy(text + size, bytes, (size_t)more);
        size += (size_t)more;
    }
    return size;
}

static void end_word(struct terms *terms)
{
    char text[TERM_SIZE];
    const sb_symbol *stem;
    utf8proc_ssize_t length;
    size_t size;

    if (terms->length == 0)
        return;
    length =
        utf8proc_normalize_utf32(terms->word, terms->length, terms->options | UTF8PROC_COMPOSE);
    terms->length = 0;
    size = length > 0 ? encode(terms->word, (uint32_t)length, text) : 0;
    if (size == 0)
        return;
    stem =
        terms->stemmer ? sb_stemmer_stem(terms->stemmer, (const sb_symbol *)text, (int)size) : NULL;
    if (!stem) {
        terms->each(terms->context, text, size);
        return;
    }
    size = (size_t)sb_stemmer_length(terms->stemmer);
    if (size > 0 && size <= TERM_SIZE)
        terms->each(terms->context, (const char *)stem, size);
}

static void end_run(struct terms *terms)
{
    char text[TERM_SIZE];

    if (terms->pair && !terms->paired)
        terms->each(terms->context, text, encode(&terms->pair, 1, text));
    terms->pair = 0;
}

static void add_run(struct terms *terms, int32_t point)
{
    int32_t pair[2] = {terms->pair, point};
    char text[TERM_SIZE];

    terms->paired = terms->pair != 0;
    if (terms->paired)
        terms->each(terms->context, text, encode(pair, 2, text));
    terms->pair = point;
}

/* ---- characters ---- */

static bool without_spaces(int32_t point)
{
    return (point >= 0x3041 && point <= 0x30ff) || (point >= 0x3400 && point <= 0x4dbf) ||
           (point >= 0x4e00 && point <= 0x9fff) || (point >= 0xf900 && point <= 0xfaff) ||
           (point >= 0x20000 && point <= 0x3ffff);
}

static bool is_letter(int32_t point)
{
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return false;
    }
}

/* Marks go on with a word, and begin none. */
static bool is_mark(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);

    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
           category == UTF8PROC_CATEGORY_ME;
}

/* Marks on one letter stand in their canonical order, whatever order they came in (UAX 15). */
static void push(struct terms *terms, int32_t point)
{
    int class = utf8proc_get_property(point)->combining_class;
    uint32_t at = terms->length;

    if (terms->length == WORD_MAX)
        return;
    for (; class && at > 0; at--) {
        if (utf8proc_get_property(terms->word[at - 1])->combining_class <= class)
            break;
        terms->word[at] = terms->word[at - 1];
    }
    terms->word[at] = point;
    terms->length++;
}

static void add_point(struct terms *terms, int32_t point)
{
    if (is_letter(point) && without_spaces(point)) {
        end_word(terms);
        add_run(terms, point);
        return;
    }
    end_run(terms);
    if (is_letter(point) || (is_mark(point) && terms->length > 0))
        push(terms, point);
    else
        end_word(terms);
}

static bool is_apostrophe(int32_t point)
{
    return point == '\'' || point == 0x2019;
}

static int32_t next_point(const uint8_t **at, const uint8_t *end)
{
    int32_t point;
    utf8proc_ssize_t size = utf8proc_iterate(*at, end - *at, &point);

    *at += size > 0 ? size : 1;
    return size > 0 ? point : -1;
}

/* Between two letters of a language that has it within words. */
static bool joins(const struct terms *terms, int32_t point, const uint8_t *at, const uint8_t *end)
{
    return terms->apostrophes && is_apostrophe(point) && terms->length > 0 && at < end &&
           is_letter(next_point(&at, end));
}

void terms_split(struct terms *terms, const char *text, size_t size, terms_each *each,
                 void *context)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    int32_t points[EXPANSION_MAX];
    int boundary = 0;

    terms->each = each;
    terms->context = context;
    terms->length = 0;
    terms->pair = 0;
    while (at < end) {
        int32_t point = next_point(&at, end);
        utf8proc_ssize_t count = 0;
        if (joins(terms, point, at, end)) {
            push(terms, '\'');
            continue;
        }
        if (point >= 0 && !without_spaces(point))
            count =
                utf8proc_decompose_char(point, points, EXPANSION_MAX, terms->options, &boundary);
        if (point < 0 || without_spaces(point)) /* voiced kana are not taken apart */
            add_point(terms, point < 0 ? ' ' : point);
        for (utf8proc_ssize_t i = 0; i < count && i < EXPANSION_MAX; i++)
            add_point(terms, points[i]);
    }
    end_word(terms);
    end_run(terms);
}
