/* Gathering mistakes; see mistake.h. A place is (override, line, column); mistakes of one place
 * keep the order in which they were found. */
#include "runtime/graph/mistake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SHOWN 100 /* bytes of a job file's path in messages; the tail of longer ones */

struct mistake {
    uint32_t override_number;
    int line, column;
    uint32_t number;
    struct error error;
};

static struct mistake *mistake_new(struct mistakes *mistakes, int line, int column)
{
    struct mistake *mistake;

    if (mistakes->count == MISTAKES_MAX) {
        mistakes->more++;
        return NULL;
    }
    if (mistakes->count == mistakes->capacity) {
        mistakes->capacity = mistakes->capacity ? mistakes->capacity * 2 : 8;
        mistakes->items =
            memory_grow(mistakes->items, mistakes->capacity, sizeof(*mistakes->items));
    }
    mistake = &mistakes->items[mistakes->count];
    *mistake = (struct mistake){.line = line, .column = column, .number = mistakes->count};
    mistakes->count++;
    return mistake;
}

static void fill_error(struct error *err, const char *where, const char *how, const char *what,
                       va_list arguments)
{
    char text[sizeof(err->what)];

    vsnprintf(text, sizeof(text), what, arguments);
    error_set(err, ERROR_CONFIG, where, how, "%s", text);
}

static void where_in_file(const struct mistakes *mistakes, int line, int column, const char *path,
                          char *where, size_t size)
{
    size_t length = strlen(mistakes->path);
    bool cut = length > PATH_SHOWN;

    snprintf(where, size, "%s%s:%d:%d%s%s", cut ? "..." : "",
             mistakes->path + (cut ? length - PATH_SHOWN : 0), line, column, *path ? ": " : "",
             path);
}

static void where_of_override(const char *text, char *where, size_t size)
{
    bool cut = strlen(text) > PATH_SHOWN;

    snprintf(where, size, "-D %.*s%s", PATH_SHOWN, text, cut ? "..." : "");
}

/* A place with its text, as a node and a field path below it give it. */
static void keep_at(struct mistakes *mistakes, const struct yaml_node *node, int line, int column,
                    const char *path, const char *how, const char *what, va_list arguments)
{
    char where[256];
    struct mistake *mistake = mistake_new(mistakes, line, column);

    if (!mistake)
        return;
    if (node->override) {
        mistake->override_number = node->override_number;
        where_of_override(node->override, where, sizeof(where));
    } else {
        where_in_file(mistakes, line, column, path, where, sizeof(where));
    }
    fill_error(&mistake->error, where, how, what, arguments);
}

bool mistake_value(struct mistakes *mistakes, const struct yaml_node *node, const char *how,
                   const char *what, ...)
{
    char path[256];
    va_list arguments;

    va_start(arguments, what);
    keep_at(mistakes, node, node->line, node->column, yaml_path(node, path, sizeof(path)), how,
            what, arguments);
    va_end(arguments);
    return false;
}

bool mistake_key(struct mistakes *mistakes, const struct yaml_node *node, const char *how,
                 const char *what, ...)
{
    char path[256];
    va_list arguments;

    va_start(arguments, what);
    keep_at(mistakes, node, node->key_line, node->key_column, yaml_path(node, path, sizeof(path)),
            how, what, arguments);
    va_end(arguments);
    return false;
}

bool mistake_field(struct mistakes *mistakes, const struct yaml_node *mapping, const char *field,
                   const char *how, const char *what, ...)
{
    char above[200], path[256];
    va_list arguments;

    yaml_path(mapping, above, sizeof(above));
    snprintf(path, sizeof(path), "%s%s%.50s", above, *above ? "." : "", field);
    va_start(arguments, what);
    keep_at(mistakes, mapping, mapping->line, mapping->column, path, how, what, arguments);
    va_end(arguments);
    return false;
}

bool mistake_place(struct mistakes *mistakes, int line, int column, const char *how,
                   const char *what, ...)
{
    char where[256];
    struct mistake *mistake = mistake_new(mistakes, line, column);
    va_list arguments;

    if (!mistake)
        return false;
    where_in_file(mistakes, line, column, "", where, sizeof(where));
    va_start(arguments, what);
    fill_error(&mistake->error, where, how, what, arguments);
    va_end(arguments);
    return false;
}

bool mistake_override(struct mistakes *mistakes, uint32_t number, const char *text, const char *how,
                      const char *what, ...)
{
    char where[256];
    struct mistake *mistake = mistake_new(mistakes, 0, 0);
    va_list arguments;

    if (!mistake)
        return false;
    mistake->override_number = number;
    where_of_override(text, where, sizeof(where));
    va_start(arguments, what);
    fill_error(&mistake->error, where, how, what, arguments);
    va_end(arguments);
    return false;
}

bool mistake_run(struct mistakes *mistakes, const char *where, const char *how, const char *what,
                 ...)
{
    struct mistake *mistake = mistake_new(mistakes, 0, 0);
    va_list arguments;

    if (!mistake)
        return false;
    va_start(arguments, what);
    fill_error(&mistake->error, where, how, what, arguments);
    va_end(arguments);
    return false;
}

bool mistake_error(struct mistakes *mistakes, const struct yaml_node *node, const struct error *err)
{
    struct error place = {0}, told = *err;

    mistake_tell(mistakes, node, "", &place);
    if (told.where[0])
        error_wrap(&told, "%s", place.where);
    else
        memcpy(told.where, place.where, sizeof(told.where));
    mistake_keep(mistakes, node, "", &told);
    return false;
}

/* The deepest node on `field`'s way below `node`. A map's own names may have dots, so the longest
 * name that stands there is taken first. */
static const struct yaml_node *descend(const struct yaml_node *node, const char *field)
{
    char name[256];

    while (*field) {
        const struct yaml_node *next = yaml_get(node, field);
        size_t length = strcspn(field, ".");

        if (next)
            return next;
        if (length >= sizeof(name))
            return node;
        memcpy(name, field, length);
        name[length] = '\0';
        next = yaml_get(node, name);
        if (!next)
            return node;
        node = next;
        field += field[length] ? length + 1 : length;
    }
    return node;
}

void mistake_tell(const struct mistakes *mistakes, const struct yaml_node *node, const char *field,
                  struct error *err)
{
    const struct yaml_node *at = descend(node, field);
    char above[200], path[256];

    if (at->override) {
        where_of_override(at->override, err->where, sizeof(err->where));
        return;
    }
    yaml_path(node, above, sizeof(above));
    snprintf(path, sizeof(path), "%s%s%.50s", above, *above && *field ? "." : "", field);
    where_in_file(mistakes, at->line, at->column, path, err->where, sizeof(err->where));
}

void mistake_keep(struct mistakes *mistakes, const struct yaml_node *node, const char *field,
                  const struct error *err)
{
    const struct yaml_node *at = descend(node, field);
    struct mistake *mistake = mistake_new(mistakes, at->line, at->column);

    if (!mistake)
        return;
    mistake->override_number = at->override_number;
    mistake->error = *err;
}

const char *mistake_known(struct arena *arena, const char *const *names, uint32_t count,
                          const char *name)
{
    const char *near = text_nearest(names, count, name);
    struct bytes text = {0};
    const char *result;

    if (near)
        bytes_format(&text, "did you mean \"%s\"; ", near);
    bytes_text(&text, "known are ");
    for (uint32_t i = 0; i < count; i++) {
        if (text.size > 400) {
            bytes_text(&text, ", ...");
            break;
        }
        bytes_format(&text, "%s%s", i ? ", " : "", names[i]);
    }
    if (count == 0)
        bytes_text(&text, "none");
    result = arena_copy(arena, text.data, text.size);
    bytes_clear(&text);
    return result;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char *mistake_known_kinds(struct arena *arena, const char *kind)
{
    uint32_t count;
    const struct operator_def *const *all = operators_all(&count);
    const char **names = arena_new(arena, (count + 1) * sizeof(*names)), *near;
    size_t family = strcspn(kind, "/");
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++)
        if (kind[family] && strncmp(all[i]->name, kind, family + 1) == 0)
            names[kept++] = all[i]->name;
    qsort(names, kept, sizeof(*names), by_name);
    if (kept > 0)
        return mistake_known(arena, names, kept, kind);
    for (uint32_t i = 0; i < count; i++)
        names[i] = all[i]->name;
    qsort(names, count, sizeof(*names), by_name);
    near = text_nearest(names, count, kind);
    return arena_format(arena, "%s%s%s`millrace info` lists the kinds",
                        near ? "did you mean \"" : "", near ? near : "", near ? "\"; " : "");
}

static int by_place(const void *left, const void *right)
{
    const struct mistake *a = left, *b = right;

    if (a->override_number != b->override_number)
        return a->override_number < b->override_number ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

void mistakes_cut(struct mistakes *mistakes, uint32_t total)
{
    CHECK(total <= mistakes_total(mistakes));
    mistakes->more = total > mistakes->count ? total - mistakes->count : 0;
    if (total < mistakes->count)
        mistakes->count = total;
}

void mistakes_move(struct mistakes *mistakes, struct error_list *list)
{
    uint32_t count = mistakes->count + (mistakes->more > 0);

    CHECK(list->count == 0);
    if (mistakes->count)
        qsort(mistakes->items, mistakes->count, sizeof(*mistakes->items), by_place);
    list->errors = memory_grow(list->errors, count ? count : 1, sizeof(*list->errors));
    list->capacity = count ? count : 1;
    for (uint32_t i = 0; i < mistakes->count; i++)
        list->errors[i] = mistakes->items[i].error;
    if (mistakes->more) {
        list->errors[mistakes->count] = (struct error){0};
        error_set(&list->errors[mistakes->count], ERROR_LIMIT, mistakes->path, "mend these first",
                  "%u more mistakes are not shown", mistakes->more);
    }
    list->count = count;
    mistakes_clear(mistakes);
}

void mistakes_clear(struct mistakes *mistakes)
{
    memory_free(mistakes->items);
    *mistakes = (struct mistakes){.path = mistakes->path};
}

void error_list_clear(struct error_list *list)
{
    memory_free(list->errors);
    *list = (struct error_list){0};
}
