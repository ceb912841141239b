/* mistakes: see mistakes.h. */
#include "operators/clean/mistakes.h"

#include "runtime/batch/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 16u

bool mistakes_add(struct mistakes *mistakes, const char *option, const char *how, const char *what,
                  ...)
{
    char text[256];
    struct error err;
    va_list list;

    mistakes->bad = true;
    va_start(list, what);
    vsnprintf(text, sizeof(text), what, list);
    va_end(list);
    error_set(&err, ERROR_CONFIG, "", how, "%s", text);
    if (mistakes->fault)
        mistakes->fault(mistakes->context, option, &err);
    return false;
}

uint32_t mistakes_column(struct mistakes *mistakes, const struct schema *schema, const char *map,
                         const char *field)
{
    uint32_t column = schema_find(schema, field);
    const char *names[COLUMNS_MAX], *near;

    if (column != FIELD_NONE)
        return column;
    for (uint32_t i = 0; i < schema->count; i++)
        names[i] = schema->fields[i].name;
    near = text_nearest(names, schema->count, field);
    mistakes_add(mistakes, arena_format(mistakes->arena, "%s.%s", map, field),
                 near ? arena_format(mistakes->arena, "did you mean \"%s\"", near)
                      : "name a column of the input",
                 "there is no column \"%s\" in the input", field);
    return FIELD_NONE;
}

/* `known are a, b, c`, with the nearest of them before it. */
static const char *known(struct mistakes *mistakes, const char *const *names, const char *text)
{
    struct arena *arena = mistakes->arena;
    const char *list = "known are", *near;
    uint32_t count = 0;

    for (; names[count]; count++)
        list = arena_format(arena, "%s%s %s", list, count ? "," : "", names[count]);
    near = text_nearest(names, count, text);
    return near ? arena_format(arena, "did you mean \"%s\"; %s", near, list) : list;
}

bool mistakes_parts(struct mistakes *mistakes, const char *map, const struct option_entry *entry,
                    const char *const *names, const char **texts)
{
    uint32_t count = 0;

    for (; names[count]; count++)
        texts[count] = NULL;
    CHECK(count <= NAMES_MAX);
    texts[0] = entry->text;
    CHECK(entry->text || entry->map); /* an OPT_MAP has no lists */
    for (uint32_t i = 0; entry->map && i < entry->map->count; i++) {
        const struct option_entry *part = &entry->map->entries[i];
        const char *option =
            arena_format(mistakes->arena, "%s.%s.%s", map, entry->name, part->name);
        uint32_t place = 0;

        while (names[place] && strcmp(names[place], part->name) != 0)
            place++;
        if (!names[place])
            return mistakes_add(mistakes, option, known(mistakes, names, part->name),
                                "there is no \"%s\" here", part->name);
        if (!part->text)
            return mistakes_add(mistakes, option, "write a word or a number",
                                "\"%s\" wants one value", part->name);
        texts[place] = part->text;
    }
    return true;
}

bool mistakes_choice(struct mistakes *mistakes, const char *option, const char *text,
                     const char *const *names, uint32_t *choice)
{
    for (uint32_t i = 0; names[i]; i++) {
        *choice = i;
        if (strcmp(names[i], text) == 0)
            return true;
    }
    return mistakes_add(mistakes, option, known(mistakes, names, text), "there is no \"%s\"", text);
}

bool mistakes_number(struct mistakes *mistakes, const char *option, const char *text, double min,
                     double max, double *value)
{
    struct number number;

    if (number_parse(text, &number) && *number.end == 0) {
        *value = number_f64(&number);
        if (*value >= min && *value <= max)
            return true;
    }
    return mistakes_add(mistakes, option,
                        arena_format(mistakes->arena, "write a number from %g to %g", min, max),
                        "\"%s\" is no such number", text);
}
