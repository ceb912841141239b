/* decode_json: one JSON object a line into cells, by a walk over simdjson's structural index.
 *
 * The whole line is checked, read or not, so that a broken tail rejects the record. Paths form a
 * tree; at each level a key is first compared with the one that stood in its place in the record
 * before (records of one source have one order nearly always), 16 bytes at a time, and looked up
 * only when that fails. The last of two equal keys wins.
 *
 * Lines are scanned ahead in chunks of about SCAN_SIZE. A chunk that scans without a fault has no
 * text that holds a newline, so each of its lines would have scanned alike alone; a chunk with a
 * fault is scanned again line by line. On 150-byte lines this saves a third of the scan's cost.
 *
 * End of line: the byte behind a line is a newline or 0, which is no structure, so a walk past the
 * last entry of a lone line fails there. In a chunk it may run into the next line: that shows at
 * the end, because the record's last entry must lie inside its line. */
#include "runtime/batch/decode_parts.h"
#include "runtime/batch/json.h"

#include <string.h>

#define SCAN_SIZE 16384u
#define GUESSES 64u    /* keys of an object whose order is remembered */
#define GUESS_SIZE 64u /* bytes of such a key with its closing quote */

/* The key that stood in this place of the object last time. Zero fits no key. */
struct guess {
    uint64_t mask[2]; /* of the first 16 bytes of text */
    uint32_t size;    /* with the closing quote */
    int32_t node;     /* -1: not wanted */
    char text[GUESS_SIZE];
};

/* A segment of a path: a leaf has a column, others children (a chain by `sibling`). */
struct node {
    const char *name;
    uint32_t size;
    uint32_t column;        /* FIELD_NONE */
    int32_t child, sibling; /* -1: none */
    struct guess *guesses;  /* of the object's keys; NULL for leaves */
};

struct json_walk {
    struct json_scanner *scanner;
    struct node *nodes; /* 0 is the record */
    int32_t node_count;
    /* the scanned chunk, and the place in it */
    const char *base, *end;
    const uint32_t *index;
    uint32_t count, at;
    enum json_fault fault;
    const char *alone_until;   /* lines before this are scanned one by one */
    bool escapes;              /* the line has a backslash */
    const uint32_t *failed_at; /* entry where the walk broke off */
};

/* ---- building the tree ---- */

static int32_t node_add(struct json_walk *walk, struct arena *arena, const char *name, size_t size)
{
    struct node *node = &walk->nodes[walk->node_count];
    *node = (struct node){.name = arena_copy(arena, name, size),
                          .size = (uint32_t)size,
                          .column = FIELD_NONE,
                          .child = -1,
                          .sibling = -1};
    return walk->node_count++;
}

static int32_t node_find(const struct json_walk *walk, int32_t parent, const char *name,
                         size_t size)
{
    int32_t at = walk->nodes[parent].child;
    for (; at >= 0; at = walk->nodes[at].sibling)
        if (walk->nodes[at].size == size && memcmp(walk->nodes[at].name, name, size) == 0)
            return at;
    return -1;
}

static int32_t node_make(struct json_walk *walk, struct arena *arena, int32_t parent,
                         const char *name, size_t size)
{
    int32_t at = node_find(walk, parent, name, size);
    if (at >= 0)
        return at;
    at = node_add(walk, arena, name, size);
    int32_t *link = &walk->nodes[parent].child;
    while (*link >= 0)
        link = &walk->nodes[*link].sibling;
    *link = at;
    if (!walk->nodes[parent].guesses)
        walk->nodes[parent].guesses = (void *)arena_new(arena, GUESSES * sizeof(struct guess));
    return at;
}

static bool path_add(struct json_walk *walk, struct decoder *decoder, uint32_t column,
                     struct error *err)
{
    const char *path = decode_path(&decoder->options, column);
    const char *name = decode_column_name(decoder, column);
    int32_t at = 0;

    for (const char *from = path;;) {
        size_t size = strcspn(from, ".");
        if (size == 0)
            return error_set(err, ERROR_CONFIG, name, "write names with single dots, such as a.b",
                             "\"%s\" is not a path", path);
        at = node_make(walk, decoder->arena, at, from, size);
        if (walk->nodes[at].column != FIELD_NONE)
            return error_set(err, ERROR_CONFIG, name, "read it once, and derive the other from it",
                             "path \"%s\" overlaps with that of column \"%s\"", path,
                             decode_column_name(decoder, walk->nodes[at].column));
        from += size;
        if (*from++ == '\0')
            break;
    }
    if (walk->nodes[at].child >= 0)
        return error_set(err, ERROR_CONFIG, name, "give the path of a scalar",
                         "path \"%s\" is an object of which another column reads a part", path);
    walk->nodes[at].column = column;
    return true;
}

static uint32_t segments(const struct decode_options *options)
{
    uint32_t count = 1;
    for (uint32_t column = 0; column < options->schema->count; column++)
        for (const char *at = decode_path(options, column); at; at = strchr(at + 1, '.'))
            count++;
    return count;
}

struct json_walk *json_walk_create(struct decoder *decoder, struct error *err)
{
    struct json_walk *walk = memory_new(sizeof(*walk));
    walk->nodes = memory_array(segments(&decoder->options), sizeof(*walk->nodes));
    walk->scanner = json_scanner_create();
    if (!walk->scanner) {
        error_set(err, ERROR_LIMIT, "json", NULL, "out of memory");
        goto failed;
    }
    node_add(walk, decoder->arena, "", 0);
    for (uint32_t column = 0; column < decoder->options.schema->count; column++)
        if (column != decoder->options.raw_column && !path_add(walk, decoder, column, err))
            goto failed;
    return walk;
failed:
    json_walk_close(walk);
    return NULL;
}

void json_walk_close(struct json_walk *walk)
{
    if (!walk)
        return;
    json_scanner_close(walk->scanner);
    memory_free(walk->nodes);
    memory_free(walk);
}

/* ---- the walk ----
 * A cursor points at the next entry of the index; functions return the cursor behind what they took,
 * or NULL with the fault set. (A cursor kept in memory costs a store and a load a step: a third of
 * the walk.) */

typedef const uint32_t *cursor;

static inline const char *text_at(const struct json_walk *walk, cursor at)
{
    return walk->base + *at;
}

/* The closing quote of the text whose opening quote is at the cursor: the last character before
 * the next entry that is not white space. */
static inline const char *closing_quote(const struct json_walk *walk, cursor at)
{
    const char *quote = walk->base + at[1] - 1;
    while (*quote != '"')
        quote--;
    return quote;
}

static cursor fail(struct decoder *decoder, cursor at)
{
    decoder->json->failed_at = at;
    return NULL;
}

static cursor broken(struct decoder *decoder, cursor at, const char *what)
{
    decode_fault(decoder, "", "is not JSON: %s", what);
    return fail(decoder, at);
}

/* Unescapes into the scratch; NULL: a wrong escape. The scratch holds the texts of a whole record;
 * a text that does not fit belongs to the next line of the chunk. */
static const char *unescape(struct decoder *decoder, const char *from, size_t *size)
{
    if (decoder->scratch.size + *size + JSON_PADDING > decoder->scratch.capacity)
        return NULL;
    char *to = (char *)decoder->scratch.data + decoder->scratch.size;
    char *end = json_unescape(decoder->json->scanner, from, to);
    if (!end)
        return NULL;
    *size = (size_t)(end - to);
    decoder->scratch.size += *size;
    return to;
}

/* The text at the cursor, unescaped when need be; NULL: a wrong escape. */
static inline const char *read_text(struct decoder *decoder, cursor at, size_t *size)
{
    const struct json_walk *walk = decoder->json;
    const char *from = text_at(walk, at) + 1;
    *size = (size_t)(closing_quote(walk, at) - from);
    if (__builtin_expect(walk->escapes, false) && memchr(from, '\\', *size))
        return unescape(decoder, from, size);
    return from;
}

/* What may stand behind a number or a literal. */
static inline bool ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline bool begins_number(char c)
{
    return (unsigned char)(c - '0') < 10 || c == '-';
}

static inline bool read_number(const char *text, struct number *number)
{
    return number_read(text, number) && !number->leading_zero && ends_scalar(*number->end);
}

static inline bool is_literal(const char *text, const char *literal, size_t size)
{
    return memcmp(text, literal, size) == 0 && ends_scalar(text[size]);
}

/* A scalar that nobody wants, checked all the same. */
static cursor skip_scalar(struct decoder *decoder, cursor at)
{
    const char *text = text_at(decoder->json, at);
    struct number number;
    size_t size;

    if (begins_number(*text))
        return read_number(text, &number) ? at + 1 : broken(decoder, at, "a wrong number");
    if (*text == '"')
        return read_text(decoder, at, &size) ? at + 1
                                             : broken(decoder, at, "a wrong escape in a text");
    if (is_literal(text, "true", 4) || is_literal(text, "false", 5) || is_literal(text, "null", 4))
        return at + 1;
    return broken(decoder, at, "a value is missing");
}

static cursor skip_key(struct decoder *decoder, cursor at)
{
    size_t size;
    if (*text_at(decoder->json, at) != '"')
        return broken(decoder, at, "a key is missing");
    if (!read_text(decoder, at, &size))
        return broken(decoder, at, "a wrong escape in a key");
    if (*text_at(decoder->json, at + 1) != ':')
        return broken(decoder, at + 1, "a colon is missing");
    return at + 2;
}

/* Passes a value of any shape. `closing` holds the brackets that are open. */
static cursor skip_value(struct decoder *decoder, cursor at)
{
    const struct json_walk *walk = decoder->json;
    char closing[DECODE_DEPTH_MAX];
    uint32_t depth = 0;

    for (;;) {
        char c = *text_at(walk, at);
        if (c == '{' || c == '[') {
            if (depth == DECODE_DEPTH_MAX) {
                decode_fault(decoder, "", "is nested deeper than %u", DECODE_DEPTH_MAX);
                return fail(decoder, at);
            }
            closing[depth++] = c == '{' ? '}' : ']';
            at++;
            if (*text_at(walk, at) != closing[depth - 1]) {
                at = c == '{' ? skip_key(decoder, at) : at;
                if (!at)
                    return NULL;
                continue;
            }
        } else if (!(at = skip_scalar(decoder, at))) {
            return NULL;
        }
        for (; depth > 0 && *text_at(walk, at) == closing[depth - 1]; at++)
            depth--;
        if (depth == 0)
            return at;
        if (*text_at(walk, at) != ',')
            return broken(decoder, at, "a comma or bracket is missing");
        at++;
        if (closing[depth - 1] == '}' && !(at = skip_key(decoder, at)))
            return NULL;
    }
}

static cursor wrong_type(struct decoder *decoder, cursor at, uint32_t column, const char *found)
{
    decode_fault(decoder, decode_column_name(decoder, column), "is %s, expected %s", found,
                 cell_expects(decoder, column));
    return fail(decoder, at);
}

static inline cursor take_number(struct decoder *decoder, cursor at, uint32_t column)
{
    struct number number;
    if (!read_number(text_at(decoder->json, at), &number))
        return broken(decoder, at, "a wrong number");
    if (decoder->kinds[column] == CELL_I64 && number.integer) {
        decoder->cells[column].value.i64 = number.i64;
        decoder->cells[column].set = true;
        return at + 1;
    }
    return cell_number(decoder, column, &number) ? at + 1 : fail(decoder, at);
}

static inline cursor take_text(struct decoder *decoder, cursor at, uint32_t column)
{
    size_t size;
    const char *text = read_text(decoder, at, &size);
    struct cell *cell = &decoder->cells[column];
    if (!text)
        return broken(decoder, at, "a wrong escape in a text");
    if (decoder->kinds[column] != CELL_UTF8)
        return cell_text(decoder, column, text, size) ? at + 1 : fail(decoder, at);
    cell->value.text = text;
    cell->size = (uint32_t)size;
    cell->set = true;
    return at + 1;
}

static cursor take_literal(struct decoder *decoder, cursor at, uint32_t column)
{
    const char *text = text_at(decoder->json, at);
    struct cell *cell = &decoder->cells[column];

    cell->set = false; /* of two equal keys the last one wins */
    if (is_literal(text, "null", 4))
        return at + 1;
    if (!is_literal(text, "true", 4) && !is_literal(text, "false", 5))
        return *text == '{'   ? wrong_type(decoder, at, column, "an object")
               : *text == '[' ? wrong_type(decoder, at, column, "a list")
                              : broken(decoder, at, "a value is missing");
    if (decoder->kinds[column] != CELL_BOOL)
        return wrong_type(decoder, at, column, "true or false");
    cell->value.flag = *text == 't';
    cell->set = true;
    return at + 1;
}

static inline bool guess_fits(const struct guess *guess, const char *text)
{
    uint64_t a[2], b[2];
    memcpy(a, text, sizeof(a)); /* the padding makes this safe */
    memcpy(b, guess->text, sizeof(b));
    if ((((a[0] & guess->mask[0]) ^ b[0]) | ((a[1] & guess->mask[1]) ^ b[1])) != 0)
        return false;
    return guess->size <= 16 ? guess->size > 0
                             : memcmp(text + 16, guess->text + 16, guess->size - 16) == 0;
}

/* `text` is a key without escapes, `size` bytes and its closing quote. */
static void guess_set(struct guess *guess, const char *text, size_t size, int32_t node)
{
    static const uint8_t ones[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};
    size_t whole = size + 1;
    if (whole > GUESS_SIZE)
        return;
    memset(guess->text, 0, sizeof(guess->text));
    memcpy(guess->text, text, whole);
    memcpy(guess->mask, ones + (whole < 16 ? 16 - whole : 0), sizeof(guess->mask));
    guess->size = (uint32_t)whole;
    guess->node = node;
}

/* Sets the node of the key at the cursor (-1: not wanted); passes key and colon. */
static cursor look_up_key(struct decoder *decoder, cursor at, int32_t object, struct guess *guess,
                          int32_t *node)
{
    cursor behind = skip_key(decoder, at);
    if (!behind)
        return NULL;
    size_t size;
    const char *raw = text_at(decoder->json, at) + 1;
    const char *name = read_text(decoder, at, &size);
    if (!name)
        return broken(decoder, at, "a wrong escape in a key");
    *node = node_find(decoder->json, object, name, size);
    if (guess && name == raw)
        guess_set(guess, raw, size, *node);
    return behind;
}

static inline cursor take_key(struct decoder *decoder, cursor at, int32_t object, uint32_t place,
                              int32_t *node)
{
    const struct json_walk *walk = decoder->json;
    struct guess *guess = place < GUESSES ? &walk->nodes[object].guesses[place] : NULL;
    const char *text = text_at(walk, at);
    if (guess && *text == '"' && guess_fits(guess, text + 1) && *text_at(walk, at + 1) == ':') {
        *node = guess->node;
        return at + 2;
    }
    return look_up_key(decoder, at, object, guess, node);
}

static cursor take_object(struct decoder *decoder, cursor at, int32_t object);

static inline cursor take_value(struct decoder *decoder, cursor at, int32_t number)
{
    const struct json_walk *walk = decoder->json;
    if (number < 0)
        return skip_value(decoder, at);
    const struct node *node = &walk->nodes[number];
    char c = *text_at(walk, at);
    if (node->column != FIELD_NONE) {
        if (c == '"')
            return take_text(decoder, at, node->column);
        if (begins_number(c))
            return take_number(decoder, at, node->column);
        return take_literal(decoder, at, node->column);
    }
    if (c == '{')
        return take_object(decoder, at, number);
    if (is_literal(text_at(walk, at), "null", 4))
        return at + 1;
    decode_fault(decoder, node->name, "is not an object");
    return fail(decoder, at);
}

/* An object of the tree, at its opening bracket. Nested as deep as the paths are. */
static cursor take_object(struct decoder *decoder, cursor at, int32_t object)
{
    const struct json_walk *walk = decoder->json;
    at++;
    if (*text_at(walk, at) == '}')
        return at + 1;
    for (uint32_t place = 0;; place++) {
        int32_t node;
        at = take_key(decoder, at, object, place, &node);
        if (!at || !(at = take_value(decoder, at, node)))
            return NULL;
        char c = *text_at(walk, at);
        if (c == '}')
            return at + 1;
        if (c != ',')
            return broken(decoder, at, "a comma or bracket is missing");
        at++;
    }
}

/* ---- lines ---- */

static const char *const fault_texts[] = {
    [JSON_FINE] = "",
    [JSON_UNCLOSED] = "a text has no closing quote",
    [JSON_CONTROL] = "a control character in a text",
    [JSON_UTF8] = "not UTF-8",
    [JSON_EMPTY] = "nothing in it",
    [JSON_NO_MEMORY] = "too long",
};

void json_walk_block(struct json_walk *walk)
{
    walk->base = walk->end = walk->alone_until = NULL;
}

static void scan(struct json_walk *walk, const char *text, size_t size)
{
    walk->base = text;
    walk->end = text + size;
    walk->at = 0;
    walk->fault = json_scan(walk->scanner, text, size, &walk->index, &walk->count);
}

/* Makes the index cover the line. A chunk ends with a newline. */
static void scan_for(struct json_walk *walk, const char *text, size_t size, size_t rest)
{
    if (walk->end && text >= walk->base && text + size <= walk->end && walk->fault == JSON_FINE)
        return;
    size_t chunk = rest < SCAN_SIZE ? rest : SCAN_SIZE;
    const char *newline = chunk > size ? memrchr(text + size, '\n', chunk - size) : NULL;
    if (newline && !(walk->alone_until && text < walk->alone_until)) {
        scan(walk, text, (size_t)(newline - text));
        if (walk->fault == JSON_FINE)
            return;
        walk->alone_until = newline;
    }
    scan(walk, text, size);
}

/* Moves to the first entry at or behind `offset` of the base. */
static void move_to(struct json_walk *walk, size_t offset)
{
    while (walk->at < walk->count && walk->index[walk->at] < offset)
        walk->at++;
}

static bool take_record(struct decoder *decoder, size_t end)
{
    struct json_walk *walk = decoder->json;
    cursor first = walk->index + walk->at, limit = walk->index + walk->count;
    cursor behind = *first < end && *text_at(walk, first) == '{'
                        ? take_object(decoder, first, 0)
                        : broken(decoder, first, "not an object");
    if (behind && behind[-1] < end && (behind >= limit || *behind >= end)) {
        walk->at = (uint32_t)(behind - walk->index);
        return true;
    }
    if (behind ? behind[-1] >= end : *walk->failed_at >= end)
        broken(decoder, first, "it ends too early");
    else if (behind)
        broken(decoder, behind, "something follows the object");
    move_to(walk, end);
    return false;
}

bool json_walk_record(struct decoder *decoder, const char *text, size_t size, size_t rest)
{
    struct json_walk *walk = decoder->json;

    scan_for(walk, text, size, rest);
    if (walk->fault != JSON_FINE) {
        broken(decoder, walk->index, fault_texts[walk->fault]);
        return false;
    }
    size_t begin = (size_t)(text - walk->base);
    move_to(walk, begin);
    walk->escapes = memchr(text, '\\', size) != NULL;
    decoder->scratch.size = 0;
    if (walk->escapes)
        bytes_reserve(&decoder->scratch, 2 * size + JSON_PADDING); /* a key may be read twice */
    return take_record(decoder, begin + size);
}
