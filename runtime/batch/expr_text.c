/* Kernels over texts. A text is a view of bytes: parts of texts are views of the same bytes, new
 * texts are laid into the strip's scratch memory, all of a strip at once. Characters are UTF-8: a
 * byte and the continuation bytes behind it, so that damaged text has characters too. A text that
 * would be longer than EXPR_TEXT_VALUE_MAX is null. */
#include "runtime/batch/expr_parts.h"

#include <string.h>

uint64_t text_view(const struct strip *strip)
{
    const struct text_source *source = strip->in[0];
    struct text *out = strip->out;
    uint64_t rows = strip->rows;

    while (rows) {
        uint32_t row = strip_next(&rows);

        out[row].data = source->bytes + source->offsets[row];
        out[row].size = (size_t)(source->offsets[row + 1] - source->offsets[row]);
    }
    return ALL_ROWS;
}

/* ---- new texts ---- */

static size_t sizes(const struct text *texts, uint64_t rows)
{
    size_t size = 0;

    while (rows)
        size += texts[strip_next(&rows)].size;
    return size;
}

static char change(char c, char first)
{
    return (unsigned char)(c - first) < 26 ? (char)(c ^ 0x20) : c;
}

/* Turns the case of the 26 letters from `first`. */
static uint64_t change_case(const struct strip *strip, char first)
{
    const struct text *a = strip->in[0];
    struct text *out = strip->out;
    uint64_t rows = strip->rows;
    char *to = arena_new(strip->scratch, sizes(a, rows));

    while (rows) {
        uint32_t row = strip_next(&rows);

        for (size_t i = 0; i < a[row].size; i++)
            to[i] = change(a[row].data[i], first);
        out[row] = (struct text){to, a[row].size};
        to += a[row].size;
    }
    return ALL_ROWS;
}

uint64_t text_lower(const struct strip *strip)
{
    return change_case(strip, 'A');
}

uint64_t text_upper(const struct strip *strip)
{
    return change_case(strip, 'a');
}

uint64_t text_concat(const struct strip *strip)
{
    const struct text *a = strip->in[0], *b = strip->in[1];
    struct text *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;
    char *to;

    while (rows) {
        uint32_t row = strip_next(&rows);
        valid |= (uint64_t)(a[row].size + b[row].size <= EXPR_TEXT_VALUE_MAX) << row;
    }
    rows = valid & strip->rows;
    to = arena_new(strip->scratch, sizes(a, rows) + sizes(b, rows));
    while (rows) {
        uint32_t row = strip_next(&rows);

        memcpy(to, a[row].data, a[row].size);
        memcpy(to + a[row].size, b[row].data, b[row].size);
        out[row] = (struct text){to, a[row].size + b[row].size};
        to += out[row].size;
    }
    return valid;
}

/* ---- characters ---- */

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Behind `count` characters, or the end. */
static const char *skip(const char *at, const char *end, int64_t count)
{
    while (count > 0 && at < end) {
        at++;
        while (at < end && continues(*at))
            at++;
        count--;
    }
    return at;
}

uint64_t text_length(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    int64_t *out = strip->out;
    uint64_t rows = strip->rows;

    while (rows) {
        uint32_t row = strip_next(&rows);

        out[row] = a[row].size && continues(a[row].data[0]);
        for (size_t i = 0; i < a[row].size; i++)
            out[row] += !continues(a[row].data[i]);
    }
    return ALL_ROWS;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

uint64_t text_trim(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    struct text *out = strip->out;
    uint64_t rows = strip->rows;

    while (rows) {
        uint32_t row = strip_next(&rows);
        const char *begin = a[row].data, *end = begin + a[row].size;

        while (begin < end && is_space(*begin))
            begin++;
        while (begin < end && is_space(end[-1]))
            end--;
        out[row] = (struct text){begin, (size_t)(end - begin)};
    }
    return ALL_ROWS;
}

/* As in SQL: of the characters from..from + count - 1 those that are there; the first is 1. */
static struct text part(const struct text *text, int64_t from, int64_t count)
{
    const char *begin = text->data, *end = begin + text->size, *behind;

    if (count <= 0)
        return (struct text){begin, 0};
    if (from < 1) {
        count = count + from - 1;
        from = 1;
    }
    begin = skip(begin, end, from - 1);
    behind = skip(begin, end, count);
    return (struct text){begin, (size_t)(behind - begin)};
}

uint64_t text_substr(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    const int64_t *from = strip->in[1], *count = strip->in[2];
    struct text *out = strip->out;
    uint64_t rows = strip->rows;

    while (rows) {
        uint32_t row = strip_next(&rows);
        out[row] = part(&a[row], from[row], count[row]);
    }
    return ALL_ROWS;
}

/* ---- search ---- */

static bool begins(const struct text *text, const struct text *with)
{
    return text->size >= with->size && memcmp(text->data, with->data, with->size) == 0;
}

static bool ends(const struct text *text, const struct text *with)
{
    return text->size >= with->size &&
           memcmp(text->data + text->size - with->size, with->data, with->size) == 0;
}

static bool holds(const struct text *text, const struct text *what)
{
    return what->size == 0 || memmem(text->data, text->size, what->data, what->size);
}

static uint64_t search(const struct strip *strip,
                       bool (*test)(const struct text *text, const struct text *what))
{
    const struct text *a = strip->in[0], *b = strip->in[1];
    uint64_t rows = strip->rows, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);
        bits |= (uint64_t)test(&a[row], &b[row]) << row;
    }
    *(uint64_t *)strip->out = bits;
    return ALL_ROWS;
}

uint64_t text_contains(const struct strip *strip)
{
    return search(strip, holds);
}

uint64_t text_starts_with(const struct strip *strip)
{
    return search(strip, begins);
}

uint64_t text_ends_with(const struct strip *strip)
{
    return search(strip, ends);
}
