/* columns: see columns.h. */
#include "operators/source/columns.h"

#include <stdio.h>
#include <string.h>

#define TYPES_HOW "one of bool, i32, i64, f32, f64, timestamp, utf8"

struct column_option {
    const char *type, *path; /* path NULL: the column's name */
};

static bool fault(struct error *err, const char *column, const char *part, const char *how,
                  const char *what, const char *quoted)
{
    char where[256];
    snprintf(where, sizeof(where), "schema.%s%s", column, part);
    return error_set(err, ERROR_CONFIG, where, how, what, quoted);
}

static bool read_part(const struct option_entry *part, const char *column,
                      struct column_option *found, struct error *err)
{
    static const char *const names[] = {"path", "type"};
    char where[128], how[96];
    if (strcmp(part->name, "type") == 0 && part->text) {
        found->type = part->text;
        return true;
    }
    if (strcmp(part->name, "path") == 0 && part->text) {
        found->path = part->text;
        return true;
    }
    const char *near = text_nearest(names, 2, part->name);
    snprintf(where, sizeof(where), ".%.100s", part->name);
    snprintf(how, sizeof(how), "write {path: a.b, type: i64}%s%s", near ? "; the nearest is " : "",
             near ? near : "");
    return fault(err, column, where, how, "\"%s\" is not a part of a column", part->name);
}

static bool read_entry(const struct option_entry *entry, struct column_option *found,
                       struct error *err)
{
    *found = (struct column_option){.type = entry->text};
    for (uint32_t k = 0; entry->map && k < entry->map->count; k++)
        if (!read_part(&entry->map->entries[k], entry->name, found, err))
            return false;
    return found->type ||
           fault(err, entry->name, "", TYPES_HOW, "column \"%s\" has no type", entry->name);
}

static bool add(struct columns *columns, struct arena *arena, const char *name, enum type type,
                struct error *err)
{
    if (strlen(name) >= NAME_SIZE_MAX || name[0] == '\0')
        return fault(err, name, "", "names have 1 to 63 bytes", "\"%s\" cannot be a name", name);
    if (schema_add_column(columns->schema, arena, name, type))
        return true;
    if (schema_find(columns->schema, name) != FIELD_NONE)
        return fault(err, name, "", "choose another name", "column \"%s\" is there twice", name);
    return fault(err, name, "", "leave out columns that no operator uses",
                 "column \"%s\" is one too many", name);
}

bool columns_make(const struct option_map *map, const char *raw, struct arena *arena,
                  struct columns *columns, struct error *err)
{
    columns->schema = schema_create(arena);
    columns->paths = arena_new(arena, (map->count + 1) * sizeof(*columns->paths));
    columns->raw_column = FIELD_NONE;
    for (uint32_t k = 0; k < map->count; k++) {
        const struct option_entry *entry = &map->entries[k];
        struct column_option option;
        enum type type;
        if (!read_entry(entry, &option, err))
            return false;
        if (!type_parse(option.type, &type))
            return fault(err, entry->name, entry->map ? ".type" : "", TYPES_HOW,
                         "\"%s\" is not a type", option.type);
        if (!add(columns, arena, entry->name, type, err))
            return false;
        columns->paths[k] = option.path;
    }
    if (!raw)
        return true;
    if (!add(columns, arena, raw, TYPE_UTF8, err))
        return false;
    columns->raw_column = columns->schema->count - 1;
    return true;
}
