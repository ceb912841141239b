/* libyaml's events made into a tree with an explicit stack; see yaml.h. The depth is bounded by
 * the stack's size, so neither deep nesting nor a long file can exhaust the process's stack. */
#include "runtime/graph/yaml.h"

#include "runtime/base/limits.h"
#include "runtime/graph/mistake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reading {
    struct arena *arena;
    struct mistakes *mistakes;
    const char *text;
    const char *override; /* NULL: a job file */
    uint32_t override_number;
    uint32_t nodes, depth, documents;
    struct yaml_node *stack[JOB_DEPTH_MAX]; /* open collections, outermost first */
    const char *key; /* read in the innermost mapping, its value still to come */
    yaml_mark_t key_mark;
    struct yaml_node *root;
};

static bool refuse(struct reading *reading, yaml_mark_t mark, const char *how, const char *what)
{
    if (reading->override)
        return mistake_override(reading->mistakes, reading->override_number, reading->override, how,
                                "%s", what);
    return mistake_place(reading->mistakes, (int)mark.line + 1, (int)mark.column + 1, how, "%s",
                         what);
}

/* libyaml gives a byte offset instead of a mark when the bytes themselves are wrong. */
static yaml_mark_t mark_of_offset(const char *text, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && text[i]; i++) {
        mark.column++;
        if (text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* libyaml's texts say what it met, not how to mend it. */
static const char *how_to_write(const struct reading *reading, const char *problem,
                                yaml_mark_t mark)
{
    const char *at = reading->text;

    if (strstr(problem, "mapping values are not allowed"))
        return "quote a text with `: ` in it, or mend the indentation";
    if (!strstr(problem, "cannot start any token"))
        return NULL;
    for (size_t line = 0; line < mark.line && *at; at++)
        line += *at == '\n';
    return strnlen(at, mark.column + 1) > mark.column && at[mark.column] == '\t'
               ? "indent by blanks, not by tabs"
               : "quote a text that begins so";
}

static bool refuse_syntax(struct reading *reading, const yaml_parser_t *parser)
{
    yaml_mark_t mark = parser->problem_mark;
    const char *context = parser->context ? parser->context : "";
    char what[256];

    if (parser->error == YAML_MEMORY_ERROR)
        return refuse(reading, mark, "write a smaller file", "memory ran out while reading this");
    if (parser->error == YAML_READER_ERROR)
        mark = mark_of_offset(reading->text, parser->problem_offset);
    snprintf(what, sizeof(what), "this is not YAML: %s%s%s",
             parser->problem ? parser->problem : "it cannot be read", *context ? " " : "", context);
    return refuse(reading, mark, how_to_write(reading, what, mark), what);
}

static struct yaml_node *node_new(struct arena *arena, enum yaml_kind kind)
{
    struct yaml_node *node = arena_new(arena, sizeof(*node));

    node->kind = kind;
    return node;
}

static void append(struct arena *arena, struct yaml_node *parent, struct yaml_node *node)
{
    if (parent->count == parent->capacity) {
        uint32_t capacity = parent->capacity ? parent->capacity * 2 : 4;
        struct yaml_node **items = arena_new(arena, capacity * sizeof(struct yaml_node *));

        if (parent->count)
            memcpy(items, parent->items, parent->count * sizeof(struct yaml_node *));
        parent->items = items;
        parent->capacity = capacity;
    }
    node->parent = parent;
    node->index = parent->count;
    parent->items[parent->count++] = node;
}

/* Puts a new node where it belongs: root, next item, or value of the key that waits. */
static struct yaml_node *place_node(struct reading *reading, const yaml_event_t *event,
                                    enum yaml_kind kind)
{
    struct yaml_node *node = node_new(reading->arena, kind);
    struct yaml_node *parent = reading->depth ? reading->stack[reading->depth - 1] : NULL;

    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    node->override = reading->override;
    node->override_number = reading->override_number;
    if (!parent) {
        reading->root = node;
        return node;
    }
    if (parent->kind == YAML_MAPPING) {
        CHECK(reading->key);
        node->key = reading->key;
        node->key_line = (int)reading->key_mark.line + 1;
        node->key_column = (int)reading->key_mark.column + 1;
        reading->key = NULL;
    }
    append(reading->arena, parent, node);
    return node;
}

static bool awaits_key(const struct reading *reading)
{
    return reading->depth && reading->stack[reading->depth - 1]->kind == YAML_MAPPING &&
           !reading->key;
}

static bool on_scalar(struct reading *reading, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    struct yaml_node *node;

    if (memchr(value, 0, size))
        return refuse(reading, event->start_mark, NULL, "a text holds a zero byte");
    if (awaits_key(reading)) {
        reading->key = arena_copy(reading->arena, value, size);
        reading->key_mark = event->start_mark;
        return true;
    }
    node = place_node(reading, event, YAML_SCALAR);
    node->text = arena_copy(reading->arena, value, size);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return true;
}

static bool on_start(struct reading *reading, const yaml_event_t *event, enum yaml_kind kind)
{
    struct yaml_node *node;

    if (awaits_key(reading))
        return refuse(reading, event->start_mark, "write a plain name before the colon",
                      "a list or mapping stands where a field's name is due");
    if (reading->depth == JOB_DEPTH_MAX)
        return refuse(reading, event->start_mark, NULL, "this is nested too deeply");
    node = place_node(reading, event, kind);
    reading->stack[reading->depth++] = node;
    return true;
}

static int by_key(const void *left, const void *right)
{
    const struct yaml_node *a = *(struct yaml_node *const *)left;
    const struct yaml_node *b = *(struct yaml_node *const *)right;
    int order = strcmp(a->key, b->key);

    if (order)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Sorting finds doubles in a mapping of any size in n log n. */
static void check_keys(struct reading *reading, const struct yaml_node *mapping)
{
    struct yaml_node **sorted;

    if (mapping->count < 2)
        return;
    sorted = memory_array(mapping->count, sizeof(*sorted));
    memcpy(sorted, mapping->items, mapping->count * sizeof(*sorted));
    qsort(sorted, mapping->count, sizeof(*sorted), by_key);
    for (uint32_t i = 1, first = 0; i < mapping->count; i++) {
        if (strcmp(sorted[first]->key, sorted[i]->key) != 0) {
            first = i;
            continue;
        }
        mistake_key(reading->mistakes, sorted[i], "leave one of them",
                    "\"%s\" is given twice; the first is in line %d", sorted[i]->key,
                    sorted[first]->key_line);
    }
    memory_free(sorted);
}

static bool on_end(struct reading *reading)
{
    CHECK(reading->depth > 0);
    reading->depth--;
    if (reading->stack[reading->depth]->kind == YAML_MAPPING)
        check_keys(reading, reading->stack[reading->depth]);
    return true;
}

static bool on_document(struct reading *reading, const yaml_event_t *event)
{
    if (reading->documents++)
        return refuse(reading, event->start_mark, "remove this and what follows",
                      "a second document begins here; a job file is one");
    return true;
}

static bool refuse_marks(struct reading *reading, yaml_mark_t mark, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
    if (anchor)
        return refuse(reading, mark, "write the value out where it is used",
                      "anchors (&name) are not taken");
    if (tag && strcmp((const char *)tag, "!") != 0)
        return refuse(reading, mark, "leave it out; the field knows its type",
                      "tags (!type) are not taken");
    return true;
}

static bool on_event(struct reading *reading, const yaml_event_t *event)
{
    yaml_mark_t mark = event->start_mark;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(reading, event);
    case YAML_ALIAS_EVENT:
        return refuse(reading, mark, "write the value out where it is used",
                      "aliases (*name) are not taken");
    case YAML_SCALAR_EVENT:
        return refuse_marks(reading, mark, event->data.scalar.anchor, event->data.scalar.tag) &&
               on_scalar(reading, event);
    case YAML_SEQUENCE_START_EVENT:
        return refuse_marks(reading, mark, event->data.sequence_start.anchor,
                            event->data.sequence_start.tag) &&
               on_start(reading, event, YAML_SEQUENCE);
    case YAML_MAPPING_START_EVENT:
        return refuse_marks(reading, mark, event->data.mapping_start.anchor,
                            event->data.mapping_start.tag) &&
               on_start(reading, event, YAML_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(reading);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

/* Every event makes at most one node, or ends one: their number bounds the tree. */
static bool read_events(struct reading *reading, yaml_parser_t *parser)
{
    yaml_event_t event;
    bool last = false, good = true;

    while (good && !last) {
        if (!yaml_parser_parse(parser, &event))
            return refuse_syntax(reading, parser);
        if (++reading->nodes > JOB_NODES_MAX)
            good = refuse(reading, event.start_mark, NULL, "the file has too many values");
        else
            good = on_event(reading, &event);
        last = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return good;
}

static struct yaml_node *read_text(struct reading *reading, struct mistakes *mistakes)
{
    size_t size = strnlen(reading->text, JOB_SIZE_MAX + 1);
    yaml_parser_t parser;
    bool good;

    reading->mistakes = mistakes;
    if (size > JOB_SIZE_MAX) {
        refuse(reading, (yaml_mark_t){0}, "is this a job file?", "the text is larger than 1 MiB");
        return NULL;
    }
    if (!yaml_parser_initialize(&parser)) {
        refuse(reading, (yaml_mark_t){0}, NULL, "memory ran out");
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)reading->text, size);
    good = read_events(reading, &parser);
    yaml_parser_delete(&parser);
    return good ? reading->root : NULL;
}

struct yaml_node *yaml_parse(struct arena *arena, const char *text, struct mistakes *mistakes)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a text with it */
    bool marked = strncmp(text, mark, sizeof(mark) - 1) == 0;
    struct reading reading = {.arena = arena, .text = text + (marked ? sizeof(mark) - 1 : 0)};
    uint32_t before = mistakes->count;
    struct yaml_node *root = read_text(&reading, mistakes);

    if (root || mistakes->count > before)
        return root;
    root = yaml_mapping(arena); /* no document at all */
    root->line = root->column = 1;
    return root;
}

struct yaml_node *yaml_parse_flow(struct arena *arena, const char *text, const char *override,
                                  uint32_t override_number, struct mistakes *mistakes)
{
    struct reading reading = {
        .arena = arena, .text = text, .override = override, .override_number = override_number};

    return read_text(&reading, mistakes);
}

struct yaml_node *yaml_scalar(struct arena *arena, const char *text)
{
    struct yaml_node *node = node_new(arena, YAML_SCALAR);

    node->text = arena_text(arena, text);
    return node;
}

struct yaml_node *yaml_mapping(struct arena *arena)
{
    return node_new(arena, YAML_MAPPING);
}

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    if (mapping->kind != YAML_MAPPING)
        return NULL;
    for (uint32_t i = 0; i < mapping->count; i++)
        if (strcmp(mapping->items[i]->key, key) == 0)
            return mapping->items[i];
    return NULL;
}

void yaml_put(struct arena *arena, struct yaml_node *mapping, const char *key,
              struct yaml_node *value)
{
    const struct yaml_node *old = yaml_get(mapping, key);

    CHECK(mapping->kind == YAML_MAPPING);
    value->key = arena_text(arena, key);
    if (!old) {
        append(arena, mapping, value);
        return;
    }
    value->key_line = old->key_line;
    value->key_column = old->key_column;
    value->parent = mapping;
    value->index = old->index;
    mapping->items[old->index] = value;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->plain &&
           (!*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_SCALAR:
        return "a single value";
    case YAML_SEQUENCE:
        return "a list";
    case YAML_MAPPING:
        return "a mapping";
    }
    return "";
}

/* One step of a path into `text` at `at`; returns the new end. */
static size_t path_step(const struct yaml_node *node, char *text, size_t size, size_t at)
{
    int length;

    if (node->key)
        length = snprintf(text + at, size - at, "%s%s", at ? "." : "", node->key);
    else
        length = snprintf(text + at, size - at, "[%u]", node->index);
    at += length > 0 ? (size_t)length : 0;
    return at < size ? at : size - 1;
}

const char *yaml_path(const struct yaml_node *node, char *text, size_t size)
{
    const struct yaml_node *steps[JOB_DEPTH_MAX * 2 + 2];
    uint32_t count = 0;
    size_t at = 0;

    CHECK(size > 0);
    text[0] = '\0';
    for (; node->parent && count < sizeof(steps) / sizeof(steps[0]); node = node->parent)
        steps[count++] = node;
    while (count)
        at = path_step(steps[--count], text, size, at);
    return text;
}
