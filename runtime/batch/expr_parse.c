/* Grammar of the expression language, by recursive descent; each rule appends the steps of what it
 * has read. Loosest first: or; and; not; comparison, in, between, like, is null; + -; * / %; -. */
#include "runtime/batch/expr_parts.h"

#include "runtime/base/nearest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const reserved[] = {"and",  "or",   "not",  "in",   "between",
                                       "like", "is",   "null", "true", "false",
                                       "case", "when", "then", "else", "end"};

static bool is_reserved(const struct compiler *c)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (lex_word(c, reserved[i]))
            return true;
    return false;
}

/* `expected a value, found "and"`. */
bool parse_expected(const struct compiler *c, const char *what)
{
    char quote[QUOTE_SIZE];

    if (c->token.kind == TOKEN_END)
        return lex_error(c, c->token.begin, NULL, "expected %s, found the end", what);
    lex_quote(c, c->token.begin, c->token.end, quote);
    return lex_error(c, c->token.begin,
                     is_reserved(c) ? "a column of that name is written in `backticks`" : NULL,
                     "expected %s, found %s%s%s", what, quote[0] == '\'' ? "" : "\"", quote,
                     quote[0] == '\'' ? "" : "\"");
}

bool parse_symbol(struct compiler *c, const char *symbol)
{
    char what[16];

    if (lex_symbol(c, symbol))
        return lex_next(c);
    snprintf(what, sizeof(what), "\"%s\"", symbol);
    return parse_expected(c, what);
}

bool parse_word(struct compiler *c, const char *word)
{
    if (lex_word(c, word))
        return lex_next(c);
    return parse_expected(c, word);
}

/* The word, if it stands here, is passed. */
static bool parse_optional(struct compiler *c, const char *word, bool *there)
{
    *there = lex_word(c, word);
    return !*there || lex_next(c);
}

static void span(const struct compiler *c, uint32_t begin, struct operand *out)
{
    out->begin = begin;
    out->end = c->end;
}

static bool parse_or(struct compiler *c, struct operand *out);
static bool parse_not(struct compiler *c, struct operand *out);
static bool parse_sum(struct compiler *c, struct operand *out);
static bool parse_unary(struct compiler *c, struct operand *out);

static bool deeper(struct compiler *c)
{
    return ++c->depth <= EXPR_DEPTH_MAX ||
           lex_error(c, c->token.begin, "compute a part of it as a column of its own",
                     "this is nested more than %u deep", EXPR_DEPTH_MAX);
}

bool parse_nested(struct compiler *c, struct operand *out)
{
    if (!deeper(c) || !parse_or(c, out))
        return false;
    c->depth--;
    return true;
}

void operands_add(struct compiler *c, struct operands *list, const struct operand *operand)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 4;
        struct operand *items = arena_new(c->temporary, capacity * sizeof(*items));

        if (list->count)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *operand;
}

bool parse_list(struct compiler *c, struct operands *list)
{
    struct operand operand;

    if (!parse_symbol(c, "("))
        return false;
    for (;;) {
        if (!parse_nested(c, &operand))
            return false;
        operands_add(c, list, &operand);
        if (!lex_symbol(c, ","))
            return parse_symbol(c, ")");
        if (!lex_next(c))
            return false;
    }
}

/* ---- values ---- */

static bool parse_else(struct compiler *c, struct operand *out)
{
    bool other;

    if (!lex_word(c, "else") && !lex_word(c, "end"))
        return parse_expected(c, "when, else or end");
    *out = type_null(c, TYPE_NONE);
    return parse_optional(c, "else", &other) && (!other || parse_nested(c, out)) &&
           parse_word(c, "end");
}

static bool parse_when(struct compiler *c, struct operands *conditions, struct operands *values)
{
    struct operand condition, value;

    if (!parse_word(c, "when") || !parse_nested(c, &condition) ||
        !type_bool(c, &condition, "when") || !parse_word(c, "then") ||
        !type_narrow(c, &condition, NARROW_TRUE) || !parse_nested(c, &value))
        return false;
    type_widen(c);
    operands_add(c, conditions, &condition);
    operands_add(c, values, &value);
    return type_narrow(c, &condition, NARROW_NOT_TRUE);
}

/* Each branch is worked out only for the rows that no branch before has taken: the scopes of the
 * branches not taken stay open until the end. */
static bool parse_case(struct compiler *c, struct operand *out)
{
    struct operands conditions = {0}, values = {0};
    uint32_t scopes = c->open_count, branch;
    struct operand other;

    if (!lex_next(c))
        return false;
    do {
        if (!parse_when(c, &conditions, &values))
            return false;
    } while (lex_word(c, "when"));
    if (!parse_else(c, &other))
        return false;
    operands_add(c, &values, &other);
    while (c->open_count > scopes)
        type_widen(c);
    if (!type_unify(c, values.items, values.count, "case"))
        return false;
    branch = conditions.count;
    *out = values.items[branch];
    while (branch-- > 0)
        *out = type_select(c, &conditions.items[branch], &values.items[branch], out);
    return true;
}

static bool parse_number(struct compiler *c, bool negative, struct operand *out)
{
    int64_t value = c->token.i64;
    double f64 = negative ? -c->token.f64 : c->token.f64;

    if (c->token.beyond && !negative)
        return lex_error(c, c->token.begin, "written with a point it is an f64",
                         "9223372036854775808 does not fit an i64");
    if (negative)
        value = c->token.beyond ? INT64_MIN : -value;
    *out = c->token.kind == TOKEN_I64 ? type_constant(c, TYPE_I64, &value)
                                      : type_constant(c, TYPE_F64, &f64);
    return lex_next(c);
}

static bool parse_timestamp(struct compiler *c, struct operand *out)
{
    struct operand text = type_constant(c, TYPE_UTF8, &c->token.text);

    text.begin = c->token.begin;
    text.end = c->token.end;
    if (!type_cast(c, &text, TYPE_TIMESTAMP, out))
        return false;
    if (out->reg->valid == 0)
        return lex_error(c, c->token.begin, "write it as '2020-01-31T12:00:00Z' or '2020-01-31'",
                         "'%s' is no date and time", c->token.text.data);
    return lex_next(c);
}

static bool parse_column(struct compiler *c, const struct token *name, struct operand *out)
{
    const char *names[COLUMNS_MAX + 1], *near;
    uint32_t count = 0, column = schema_find(c->schema, name->text.data);
    char how[sizeof(c->err->how)];
    size_t begin;

    if (column != FIELD_NONE || strcmp(name->text.data, "event_time") == 0)
        return type_column(c, column, name->begin, out);
    for (; count < c->schema->count; count++)
        names[count] = c->schema->fields[count].name;
    names[count++] = "event_time";
    near = text_nearest(names, count, name->text.data);
    begin = near ? 0 : (size_t)snprintf(how, sizeof(how), "a text stands in 'quotes'; ");
    lex_known(how + begin, sizeof(how) - begin, names, count, name->text.data);
    return lex_error(c, name->begin, how, "there is no column \"%s\"", name->text.data);
}

/* A name: `timestamp '...'`, a call or a column. */
static bool parse_name(struct compiler *c, struct operand *out)
{
    struct token name = c->token;
    const char *behind = c->text + c->at;

    if (name.kind == TOKEN_NAME && behind[strspn(behind, " \t\r\n")] == '(')
        return call_parse(c, out);
    if (!lex_next(c))
        return false;
    if (name.kind == TOKEN_NAME && c->token.kind == TOKEN_TEXT &&
        strcasecmp(name.text.data, "timestamp") == 0)
        return parse_timestamp(c, out);
    return parse_column(c, &name, out);
}

static bool parse_word_value(struct compiler *c, struct operand *out)
{
    uint64_t flag = lex_word(c, "true") ? ALL_ROWS : 0;

    if (lex_word(c, "case"))
        return parse_case(c, out);
    if (lex_word(c, "null")) {
        *out = type_null(c, TYPE_NONE);
        return lex_next(c);
    }
    if (flag || lex_word(c, "false")) {
        *out = type_constant(c, TYPE_BOOL, &flag);
        return lex_next(c);
    }
    if (is_reserved(c))
        return parse_expected(c, "a value");
    return parse_name(c, out);
}

static bool parse_value(struct compiler *c, struct operand *out)
{
    switch (c->token.kind) {
    case TOKEN_I64:
    case TOKEN_F64:
        return parse_number(c, false, out);
    case TOKEN_TEXT:
        *out = type_constant(c, TYPE_UTF8, &c->token.text);
        return lex_next(c);
    case TOKEN_NAME:
        return parse_word_value(c, out);
    case TOKEN_QUOTED:
        return parse_name(c, out);
    case TOKEN_SYMBOL:
        if (lex_symbol(c, "("))
            return lex_next(c) && parse_nested(c, out) && parse_symbol(c, ")");
        break;
    case TOKEN_END:
        break;
    }
    return parse_expected(c, "a value");
}

/* ---- operators ---- */

static bool parse_negative(struct compiler *c, struct operand *out)
{
    struct operand a;

    if (!lex_next(c) || !deeper(c))
        return false;
    if (c->token.kind == TOKEN_I64 || c->token.kind == TOKEN_F64) {
        if (!parse_number(c, true, out))
            return false;
    } else if (!parse_unary(c, &a) || !type_negate(c, &a, out)) {
        return false;
    }
    c->depth--;
    return true;
}

static bool parse_unary(struct compiler *c, struct operand *out)
{
    uint32_t begin = c->token.begin;

    if (!(lex_symbol(c, "-") ? parse_negative(c, out) : parse_value(c, out)))
        return false;
    span(c, begin, out);
    return true;
}

static bool parse_product(struct compiler *c, struct operand *out)
{
    uint32_t begin = c->token.begin;

    if (!parse_unary(c, out))
        return false;
    while (lex_symbol(c, "*") || lex_symbol(c, "/") || lex_symbol(c, "%")) {
        struct operand a = *out, b;
        char op = c->token.symbol[0];

        if (!lex_next(c) || !parse_unary(c, &b) || !type_arithmetic(c, op, &a, &b, out))
            return false;
        span(c, begin, out);
    }
    return true;
}

static bool parse_sum(struct compiler *c, struct operand *out)
{
    uint32_t begin = c->token.begin;

    if (!parse_product(c, out))
        return false;
    while (lex_symbol(c, "+") || lex_symbol(c, "-")) {
        struct operand a = *out, b;
        char op = c->token.symbol[0];

        if (!lex_next(c) || !parse_product(c, &b) || !type_arithmetic(c, op, &a, &b, out))
            return false;
        span(c, begin, out);
    }
    return true;
}

static bool parse_between(struct compiler *c, const struct operand *x, struct operand *out)
{
    struct operand operands[3] = {*x}, from, to;

    if (!lex_next(c) || !parse_sum(c, &operands[1]) || !parse_word(c, "and") ||
        !parse_sum(c, &operands[2]) || !type_unify(c, operands, 3, "between") ||
        !type_compare(c, ">=", &operands[0], &operands[1], &from) ||
        !type_compare(c, "<=", &operands[0], &operands[2], &to))
        return false;
    *out = type_logic(c, logic_and, &from, &to);
    return true;
}

static bool parse_in(struct compiler *c, const struct operand *x, struct operand *out)
{
    struct operands list = {0};

    operands_add(c, &list, x);
    return lex_next(c) && parse_list(c, &list) && type_in(c, list.items, list.count, out);
}

static bool parse_like(struct compiler *c, struct operand *x, struct operand *out)
{
    struct operand pattern;

    return lex_next(c) && parse_sum(c, &pattern) && type_like(c, x, &pattern, out);
}

/* `[not] in`, `[not] between`, `[not] like`. */
static bool parse_membership(struct compiler *c, struct operand *x, struct operand *out)
{
    bool negated, good;

    if (!parse_optional(c, "not", &negated))
        return false;
    if (lex_word(c, "in"))
        good = parse_in(c, x, out);
    else if (lex_word(c, "between"))
        good = parse_between(c, x, out);
    else if (lex_word(c, "like"))
        good = parse_like(c, x, out);
    else
        return parse_expected(c, "in, between or like");
    if (good && negated)
        *out = type_unary(c, logic_not, TYPE_BOOL, out);
    return good;
}

static bool is_comparison(const struct compiler *c)
{
    static const char *const symbols[] = {"=", "==", "!=", "<>", "<", "<=", ">", ">="};

    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
        if (lex_symbol(c, symbols[i]))
            return true;
    return false;
}

static bool parse_comparison(struct compiler *c, struct operand *x, struct operand *out)
{
    struct token op = c->token;
    struct operand b;

    if (!lex_next(c) || !parse_sum(c, &b))
        return false;
    if (is_comparison(c))
        return lex_error(c, c->token.begin, "join two comparisons with and",
                         "a comparison cannot follow a comparison");
    return type_compare(c, op.symbol, x, &b, out);
}

static bool parse_is_null(struct compiler *c, const struct operand *x, struct operand *out)
{
    bool negated;

    if (!lex_next(c) || !parse_optional(c, "not", &negated) || !parse_word(c, "null"))
        return false;
    *out = type_is_null(c, x, !negated);
    return true;
}

static bool parse_predicate(struct compiler *c, struct operand *out)
{
    uint32_t begin = c->token.begin;
    struct operand x;

    if (!parse_sum(c, out))
        return false;
    x = *out;
    if (is_comparison(c)) {
        if (!parse_comparison(c, &x, out))
            return false;
    } else if (lex_word(c, "not") || lex_word(c, "in") || lex_word(c, "between") ||
               lex_word(c, "like")) {
        if (!parse_membership(c, &x, out))
            return false;
    }
    span(c, begin, out);
    while (lex_word(c, "is")) {
        x = *out;
        if (!parse_is_null(c, &x, out))
            return false;
        span(c, begin, out);
    }
    return true;
}

static bool parse_not(struct compiler *c, struct operand *out)
{
    uint32_t begin = c->token.begin;
    struct operand a;

    if (!lex_word(c, "not"))
        return parse_predicate(c, out);
    if (!lex_next(c) || !deeper(c) || !parse_not(c, &a) || !type_bool(c, &a, "not"))
        return false;
    c->depth--;
    *out = type_unary(c, logic_not, TYPE_BOOL, &a);
    span(c, begin, out);
    return true;
}

/* The right side is worked out only for the rows that the left side does not decide. */
static bool parse_logic(struct compiler *c, const char *word, enum narrowing narrowing, kernel *run,
                        bool (*side)(struct compiler *c, struct operand *out), struct operand *out)
{
    uint32_t begin = c->token.begin;

    if (!side(c, out))
        return false;
    while (lex_word(c, word)) {
        struct operand a = *out, b;

        if (!type_bool(c, &a, word) || !type_narrow(c, &a, narrowing) || !lex_next(c) ||
            !side(c, &b) || !type_bool(c, &b, word))
            return false;
        type_widen(c);
        *out = type_logic(c, run, &a, &b);
        span(c, begin, out);
    }
    return true;
}

static bool parse_and(struct compiler *c, struct operand *out)
{
    return parse_logic(c, "and", NARROW_NOT_FALSE, logic_and, parse_not, out);
}

static bool parse_or(struct compiler *c, struct operand *out)
{
    return parse_logic(c, "or", NARROW_NOT_TRUE, logic_or, parse_and, out);
}

bool parse_all(struct compiler *c, struct operand *out)
{
    if (!lex_next(c) || !parse_or(c, out))
        return false;
    return c->token.kind == TOKEN_END || parse_expected(c, "an operator or the end");
}
