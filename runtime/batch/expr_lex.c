/* Words of the expression language, and messages about its text. */
#include "runtime/base/option.h"
#include "runtime/batch/expr_parts.h"
#include "runtime/batch/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- messages ---- */

bool lex_error(const struct compiler *c, uint32_t at, const char *how, const char *what, ...)
{
    char text[sizeof(c->err->what)];
    uint32_t column = 1;
    va_list arguments;

    for (uint32_t i = 0; i < at; i++)
        column += ((unsigned char)c->text[i] & 0xc0) != 0x80;
    va_start(arguments, what);
    vsnprintf(text, sizeof(text), what, arguments);
    va_end(arguments);
    return error_set(c->err, ERROR_CONFIG, "", how, "at column %u: %s", column, text);
}

const char *lex_quote(const struct compiler *c, uint32_t begin, uint32_t end, char *quote)
{
    uint32_t size = end - begin, limit = QUOTE_SIZE - 8;

    if (size <= limit) {
        snprintf(quote, QUOTE_SIZE, "%.*s", (int)size, c->text + begin);
        return quote;
    }
    while (limit > 0 && ((unsigned char)c->text[begin + limit] & 0xc0) == 0x80)
        limit--;
    snprintf(quote, QUOTE_SIZE, "%.*s...", (int)limit, c->text + begin);
    return quote;
}

void lex_known(char *how, size_t size, const char *const *names, uint32_t count, const char *name)
{
    const char *near = text_nearest(names, count, name);
    size_t at = 0;

    if (near)
        at = (size_t)snprintf(how, size, "did you mean \"%s\"; ", near);
    at += (size_t)snprintf(how + at, size - at, "known are %s", count ? "" : "none");
    for (uint32_t i = 0; i < count; i++) {
        if (at + strlen(names[i]) + 8 > size) {
            snprintf(how + at, size - at, ", ...");
            return;
        }
        at += (size_t)snprintf(how + at, size - at, "%s%s", i ? ", " : "", names[i]);
    }
}

/* ---- tokens ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters, and all that is no ASCII. */
static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

/* Digits that are too many for an i64: 2^63 may stand behind a minus. */
static bool lex_beyond(struct compiler *c, const char *at, const char *quote)
{
    size_t size = c->token.end - c->token.begin, zeros = strspn(at, "0");

    c->token.kind = TOKEN_I64;
    c->token.beyond = size - zeros == 19 && strncmp(at + zeros, "9223372036854775808", 19) == 0;
    return c->token.beyond || lex_error(c, c->token.begin, "written with a point it is an f64",
                                        "%s does not fit an i64", quote);
}

static bool lex_number(struct compiler *c, const char *at)
{
    struct number number;
    char quote[QUOTE_SIZE];

    if (!number_parse(at, &number))
        return lex_error(c, c->token.begin, "write numbers as 12, 2.5 or 1e6",
                         "the number that begins here has no end");
    c->at = c->token.end = (uint32_t)(number.end - c->text);
    lex_quote(c, c->token.begin, c->token.end, quote);
    if (begins_name(*number.end) || *number.end == '.')
        return lex_error(c, c->at, "write numbers as 12, 2.5 or 1e6, names with a letter first",
                         "the number %s goes on with no digit", quote);
    if (number.integer) {
        c->token.kind = TOKEN_I64;
        c->token.i64 = number.i64;
        return true;
    }
    if (strcspn(at, ".eE") >= c->token.end - c->token.begin)
        return lex_beyond(c, at, quote);
    c->token.kind = TOKEN_F64;
    c->token.f64 = number.f64;
    return isfinite(number.f64) ||
           lex_error(c, c->token.begin, NULL, "%s does not fit an f64", quote);
}

/* Between quotes; a doubled quote stands for one. */
static bool lex_quoted(struct compiler *c, enum token_kind kind, char quote)
{
    const char *begin = c->text + c->token.begin + 1, *end = begin;
    char *copy, *to;

    for (; *end && (*end != quote || end[1] == quote); end++)
        end += *end == quote;
    if (*end == 0)
        return lex_error(c, c->token.begin, "close it; a quote within is doubled",
                         "the %s that begins here has no end",
                         kind == TOKEN_TEXT ? "text" : "name");
    copy = to = arena_new(c->expr->arena, (size_t)(end - begin) + 1);
    for (const char *at = begin; at < end; at++) {
        *to++ = *at;
        at += *at == quote;
    }
    c->token.kind = kind;
    c->token.text = (struct text){copy, (size_t)(to - copy)};
    c->at = c->token.end = (uint32_t)(end + 1 - c->text);
    return true;
}

static bool lex_name(struct compiler *c)
{
    const char *begin = c->text + c->token.begin, *at = begin;

    while (begins_name(*at) || is_digit(*at) || (*at == '.' && begins_name(at[1])))
        at++;
    c->token.kind = TOKEN_NAME;
    c->token.text = (struct text){arena_copy(c->expr->arena, begin, (size_t)(at - begin)),
                                  (size_t)(at - begin)};
    c->at = c->token.end = (uint32_t)(at - c->text);
    return true;
}

static bool lex_unknown(const struct compiler *c)
{
    static const struct {
        const char *text, *how;
    } hints[] = {
        {"\"", "texts stand in 'single quotes', names with odd letters in `backticks`"},
        {"&", "write and"},
        {"|", "write or; texts are joined by +"},
        {"!", "write not, or != for unequal"},
        {".", "numbers begin with a digit, such as 0.5"},
    };
    const char *how = NULL;
    char found = c->text[c->token.begin];

    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (found == hints[i].text[0])
            how = hints[i].how;
    if (found == '"')
        return lex_error(c, c->token.begin, how, "a double quote has no meaning here");
    if (found < 0x20 || found == 0x7f)
        return lex_error(c, c->token.begin, how, "\"\\x%02x\" has no meaning here",
                         (unsigned)found);
    return lex_error(c, c->token.begin, how, "\"%c\" has no meaning here", found);
}

static bool lex_symbols(struct compiler *c)
{
    static const char *const symbols[] = {"==", "!=", "<>", "<=", ">=", "=", "<", ">",
                                          "+",  "-",  "*",  "/",  "%",  "(", ")", ","};

    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        size_t size = strlen(symbols[i]);

        if (strncmp(c->text + c->token.begin, symbols[i], size) != 0)
            continue;
        c->token.kind = TOKEN_SYMBOL;
        memcpy(c->token.symbol, symbols[i], size + 1);
        c->at = c->token.end = c->token.begin + (uint32_t)size;
        return true;
    }
    return lex_unknown(c);
}

bool lex_next(struct compiler *c)
{
    const char *at = c->text + c->at;

    c->end = c->token.end;
    at += strspn(at, " \t\r\n");
    c->token = (struct token){.begin = (uint32_t)(at - c->text)};
    c->token.end = c->token.begin;
    if (*at == 0) {
        c->at = c->token.begin;
        return true;
    }
    if (is_digit(*at))
        return lex_number(c, at);
    if (*at == '\'')
        return lex_quoted(c, TOKEN_TEXT, '\'');
    if (*at == '`')
        return lex_quoted(c, TOKEN_QUOTED, '`');
    if (begins_name(*at))
        return lex_name(c);
    return lex_symbols(c);
}

bool lex_word(const struct compiler *c, const char *word)
{
    return c->token.kind == TOKEN_NAME && strcasecmp(c->token.text.data, word) == 0;
}

bool lex_symbol(const struct compiler *c, const char *symbol)
{
    return c->token.kind == TOKEN_SYMBOL && strcmp(c->token.symbol, symbol) == 0;
}
