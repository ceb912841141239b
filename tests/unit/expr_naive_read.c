/* Reading of texts for expr_naive.h: an own recursive descent, and types worked out on the tree.
 * Nothing of the compiler is used. Only texts that the compiler takes need be read right. */
#include "runtime/base/timestamp.h"
#include "tests/unit/expr_naive_tree.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KIDS_MAX 4096u

/* ---- types ---- */

enum type naive_wide(enum type type)
{
    return type == TYPE_I32 ? TYPE_I64 : type == TYPE_F32 ? TYPE_F64 : type;
}

static enum type common(enum type a, enum type b)
{
    a = naive_wide(a);
    b = naive_wide(b);
    if (a == TYPE_NONE || a == b)
        return b;
    return b == TYPE_NONE ? a : TYPE_F64;
}

enum type naive_common_of(const struct node *node, uint32_t first, uint32_t step)
{
    enum type type = TYPE_NONE;

    for (uint32_t i = first; i < node->count; i += step)
        type = common(type, node->kids[i]->type);
    return type;
}

static enum type arithmetic_type(const struct node *node)
{
    enum type a = naive_wide(node->kids[0]->type), b = naive_wide(node->kids[1]->type);

    if (a == TYPE_UTF8 || b == TYPE_UTF8)
        return TYPE_UTF8;
    if (b == TYPE_TIMESTAMP)
        return *node->op == '-' ? TYPE_I64 : TYPE_TIMESTAMP;
    if (a == TYPE_TIMESTAMP)
        return TYPE_TIMESTAMP;
    if (*node->op == '/')
        return TYPE_F64;
    return common(a, b) == TYPE_NONE ? TYPE_I64 : common(a, b);
}

bool naive_one_of(const char *name, const char *list)
{
    char word[32];

    snprintf(word, sizeof(word), " %s ", name);
    return strstr(list, word) != NULL;
}

static enum type type_of(const struct node *node)
{
    const char *op = node->op;
    enum type first = node->count ? naive_wide(node->kids[0]->type) : TYPE_NONE;

    if (naive_one_of(op, " + - * / % "))
        return arithmetic_type(node);
    if (naive_one_of(op, " neg "))
        return first == TYPE_F64 ? TYPE_F64 : TYPE_I64;
    if (naive_one_of(op, " abs floor ceil round "))
        return first == TYPE_I64 ? TYPE_I64 : TYPE_F64;
    if (naive_one_of(op, " min max "))
        return naive_common_of(node, 0, 1) == TYPE_NONE ? TYPE_F64 : naive_common_of(node, 0, 1);
    if (naive_one_of(op, " sqrt ln exp log10 pow "))
        return TYPE_F64;
    if (naive_one_of(op, " lower upper trim substr concat "))
        return TYPE_UTF8;
    if (naive_one_of(op, " length year month day hour minute second weekday day_of_year epoch_ms "))
        return TYPE_I64;
    if (naive_one_of(op, " date_trunc "))
        return TYPE_TIMESTAMP;
    if (naive_one_of(op, " nullif coalesce "))
        return naive_common_of(node, 0, 1);
    if (naive_one_of(op, " if "))
        return naive_common_of(node, 1, 1);
    if (naive_one_of(op, " case ")) /* else, condition, value, condition, value ... */
        return common(node->kids[0]->type, naive_common_of(node, 2, 2));
    return TYPE_BOOL;
}

/* ---- reading ---- */

static void skip_space(struct naive *naive)
{
    naive->at += strspn(naive->at, " \t\r\n");
}

static bool is_name(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t name_size(const char *at)
{
    size_t size = 0;

    if (!is_name(*at))
        return 0;
    while (is_name(at[size]) || isdigit((unsigned char)at[size]) ||
           (at[size] == '.' && is_name(at[size + 1])))
        size++;
    return size;
}

static bool peek_word(struct naive *naive, const char *word)
{
    skip_space(naive);
    return name_size(naive->at) == strlen(word) && strncasecmp(naive->at, word, strlen(word)) == 0;
}

static bool take_word(struct naive *naive, const char *word)
{
    bool there = peek_word(naive, word);

    naive->at += there ? strlen(word) : 0;
    return there;
}

static bool take(struct naive *naive, const char *symbol)
{
    skip_space(naive);
    if (strncmp(naive->at, symbol, strlen(symbol)) != 0)
        return false;
    naive->at += strlen(symbol);
    return true;
}

static void must(struct naive *naive, bool there)
{
    naive->failed |= !there;
}

static struct node *make(struct naive *naive, const char *op, uint32_t count)
{
    struct node *node = arena_new(naive->tree, sizeof(*node));

    node->op = op;
    node->count = count;
    node->kids = arena_new(naive->tree, (count + 1) * sizeof(*node->kids));
    return node;
}

static struct node *make_two(struct naive *naive, const char *op, struct node *a, struct node *b)
{
    struct node *node = make(naive, op, 2);

    node->kids[0] = a;
    node->kids[1] = b;
    node->type = type_of(node);
    return node;
}

static struct node *make_one(struct naive *naive, const char *op, struct node *a)
{
    struct node *node = make(naive, op, 1);

    node->kids[0] = a;
    node->type = type_of(node);
    return node;
}

static struct node *read_or(struct naive *naive);
static struct node *read_sum(struct naive *naive);
static struct node *read_unary(struct naive *naive);

static struct node *constant(struct naive *naive, enum type type)
{
    struct node *node = make(naive, "const", 0);

    node->type = type;
    return node;
}

static struct node *read_number(struct naive *naive, bool negative)
{
    size_t whole = strspn(naive->at, "0123456789"), size = whole;
    const char *text;
    struct node *node;

    if (naive->at[size] == '.')
        size += 1 + strspn(naive->at + size + 1, "0123456789");
    if (tolower((unsigned char)naive->at[size]) == 'e') {
        size++;
        size += naive->at[size] == '-' || naive->at[size] == '+';
        size += strspn(naive->at + size, "0123456789");
    }
    text = arena_format(naive->tree, "%s%.*s", negative ? "-" : "", (int)size, naive->at);
    node = constant(naive, size == whole ? TYPE_I64 : TYPE_F64);
    errno = 0;
    node->value.i64 = strtoll(text, NULL, 10);
    must(naive, size > whole || errno == 0);
    node->value.f64 = strtod(text, NULL);
    naive->at += size;
    return node;
}

static const char *read_quoted(struct naive *naive, char quote, size_t *size)
{
    char *text = arena_new(naive->tree, strlen(naive->at) + 1), *to = text;

    for (naive->at++; *naive->at; naive->at++) {
        if (*naive->at == quote && *++naive->at != quote) {
            *size = (size_t)(to - text);
            return text;
        }
        *to++ = *naive->at;
    }
    must(naive, false);
    *size = 0;
    return "";
}

static struct node *read_list(struct naive *naive, const char *op, struct node *first)
{
    struct node *node = make(naive, op, KIDS_MAX);

    node->count = 0;
    if (first)
        node->kids[node->count++] = first;
    must(naive, take(naive, "("));
    do {
        must(naive, node->count < KIDS_MAX);
        if (naive->failed)
            return node;
        node->kids[node->count++] = read_or(naive);
    } while (take(naive, ","));
    must(naive, take(naive, ")"));
    return node;
}

static struct node *read_case(struct naive *naive)
{
    struct node *node = make(naive, "case", KIDS_MAX);

    node->count = 1;
    while (!naive->failed && node->count + 2 < KIDS_MAX && take_word(naive, "when")) {
        node->kids[node->count++] = read_or(naive);
        must(naive, take_word(naive, "then"));
        node->kids[node->count++] = read_or(naive);
    }
    node->kids[0] = take_word(naive, "else") ? read_or(naive) : constant(naive, TYPE_NONE);
    node->kids[0]->value.null |= node->kids[0]->type == TYPE_NONE;
    must(naive, take_word(naive, "end"));
    if (!naive->failed)
        node->type = type_of(node);
    return node;
}

static struct node *read_cast(struct naive *naive)
{
    struct node *node = make(naive, "cast", 1);
    char name[16];

    must(naive, take(naive, "("));
    node->kids[0] = read_or(naive);
    must(naive, take_word(naive, "as"));
    skip_space(naive);
    snprintf(name, sizeof(name), "%.*s", (int)name_size(naive->at), naive->at);
    must(naive, type_parse(name, &node->type));
    naive->at += strlen(name);
    must(naive, take(naive, ")"));
    return node;
}

static struct node *read_call(struct naive *naive, const char *name)
{
    struct node *node;

    if (strcasecmp(name, "cast") == 0)
        return read_cast(naive);
    node = read_list(naive, NULL, NULL);
    char *lower = arena_text(naive->tree, name);
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    node->op = lower;
    if (!naive->failed)
        node->type = type_of(node);
    return node;
}

static struct node *read_column(struct naive *naive, const char *name)
{
    struct node *node = make(naive, "column", 0);

    node->column = schema_find(naive->schema, name);
    node->type =
        node->column == FIELD_NONE ? TYPE_TIMESTAMP : naive->schema->fields[node->column].type;
    must(naive, node->column != FIELD_NONE || strcmp(name, "event_time") == 0);
    return node;
}

static struct node *read_name(struct naive *naive)
{
    size_t size = name_size(naive->at);
    const char *name = arena_copy(naive->tree, naive->at, size);
    struct node *node;

    must(naive, size > 0);
    naive->at += size;
    skip_space(naive);
    if (*naive->at == '(')
        return read_call(naive, name);
    if (*naive->at != '\'' || strcasecmp(name, "timestamp") != 0)
        return read_column(naive, name);
    node = constant(naive, TYPE_TIMESTAMP);
    node->value.text = read_quoted(naive, '\'', &size);
    must(naive, timestamp_parse(node->value.text, size, &node->value.i64));
    return node;
}

static struct node *read_value(struct naive *naive)
{
    struct node *node;
    size_t size;

    skip_space(naive);
    if (take(naive, "(")) {
        node = read_or(naive);
        must(naive, take(naive, ")"));
        return node;
    }
    if (isdigit((unsigned char)*naive->at))
        return read_number(naive, false);
    if (*naive->at == '`')
        return read_column(naive, read_quoted(naive, '`', &size));
    if (*naive->at == '\'') {
        node = constant(naive, TYPE_UTF8);
        node->value.text = read_quoted(naive, '\'', &node->value.size);
        return node;
    }
    if (take_word(naive, "case"))
        return read_case(naive);
    if (peek_word(naive, "true") || peek_word(naive, "false")) {
        node = constant(naive, TYPE_BOOL);
        node->value.i64 = take_word(naive, "true") || !take_word(naive, "false");
        return node;
    }
    if (take_word(naive, "null")) {
        node = constant(naive, TYPE_NONE);
        node->value.null = true;
        return node;
    }
    return read_name(naive);
}

static struct node *read_unary(struct naive *naive)
{
    if (naive->failed || !take(naive, "-"))
        return read_value(naive);
    skip_space(naive);
    if (isdigit((unsigned char)*naive->at))
        return read_number(naive, true);
    return make_one(naive, "neg", read_unary(naive));
}

static struct node *read_product(struct naive *naive)
{
    static const char *const ops[] = {"*", "/", "%"};
    struct node *node = read_unary(naive);

    for (uint32_t i = 0; i < 3 && !naive->failed;)
        if (take(naive, ops[i])) {
            node = make_two(naive, ops[i], node, read_unary(naive));
            i = 0;
        } else {
            i++;
        }
    return node;
}

static struct node *read_sum(struct naive *naive)
{
    struct node *node = read_product(naive);

    while (!naive->failed) {
        if (take(naive, "+"))
            node = make_two(naive, "+", node, read_product(naive));
        else if (take(naive, "-"))
            node = make_two(naive, "-", node, read_product(naive));
        else
            break;
    }
    return node;
}

static struct node *read_comparison(struct naive *naive)
{
    static const char *const ops[][2] = {{"==", "="},  {"=", "="},   {"!=", "!="}, {"<>", "!="},
                                         {"<=", "<="}, {">=", ">="}, {"<", "<"},   {">", ">"}};
    struct node *node = read_sum(naive), *from;
    bool negated;

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (take(naive, ops[i][0]))
            return make_two(naive, ops[i][1], node, read_sum(naive));
    negated = take_word(naive, "not");
    if (take_word(naive, "in")) {
        node = read_list(naive, "in", node);
        node->type = TYPE_BOOL;
    } else if (take_word(naive, "like")) {
        node = make_two(naive, "like", node, read_sum(naive));
    } else if (take_word(naive, "between")) {
        from = read_sum(naive);
        must(naive, take_word(naive, "and"));
        struct node *range = make(naive, "between", 3);
        range->kids[0] = node;
        range->kids[1] = from;
        range->kids[2] = read_sum(naive);
        range->type = TYPE_BOOL;
        node = range;
    } else {
        must(naive, !negated);
    }
    return negated ? make_one(naive, "not", node) : node;
}

static struct node *read_predicate(struct naive *naive)
{
    struct node *node = read_comparison(naive);

    while (!naive->failed && take_word(naive, "is")) {
        const char *op = take_word(naive, "not") ? "notnull" : "isnull";
        must(naive, take_word(naive, "null"));
        node = make_one(naive, op, node);
    }
    return node;
}

static struct node *read_not(struct naive *naive)
{
    if (!naive->failed && take_word(naive, "not"))
        return make_one(naive, "not", read_not(naive));
    return read_predicate(naive);
}

static struct node *read_and(struct naive *naive)
{
    struct node *node = read_not(naive);

    while (!naive->failed && take_word(naive, "and"))
        node = make_two(naive, "and", node, read_not(naive));
    return node;
}

static struct node *read_or(struct naive *naive)
{
    struct node *node = read_and(naive);

    while (!naive->failed && take_word(naive, "or"))
        node = make_two(naive, "or", node, read_and(naive));
    return node;
}

struct naive *naive_compile(const char *text, const struct schema *schema)
{
    struct naive *naive = memory_new(sizeof(*naive));

    naive->tree = arena_create(1 << 16);
    naive->row = arena_create(1 << 16);
    naive->schema = schema;
    naive->at = text;
    naive->root = read_or(naive);
    skip_space(naive);
    if (!naive->failed && *naive->at == 0)
        return naive;
    naive_close(naive);
    return NULL;
}

void naive_close(struct naive *naive)
{
    if (!naive)
        return;
    arena_close(naive->tree);
    arena_close(naive->row);
    memory_free(naive);
}

enum type naive_type(const struct naive *naive)
{
    return naive->root->type;
}
