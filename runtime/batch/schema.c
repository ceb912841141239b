/* See schema.h. */
#include "runtime/batch/schema.h"

#include "runtime/base/check.h"

#include <string.h>

struct schema *schema_create(struct arena *arena)
{
    struct schema *schema = arena_new(arena, sizeof(*schema));

    schema->fields = arena_new(arena, COLUMNS_MAX * sizeof(*schema->fields));
    return schema;
}

bool schema_add(struct schema *schema, struct arena *arena, const struct field *field)
{
    (void)arena;
    if (schema->count == COLUMNS_MAX || schema_find(schema, field->name) != FIELD_NONE)
        return false;
    schema->fields[schema->count++] = *field;
    return true;
}

bool schema_add_column(struct schema *schema, struct arena *arena, const char *name, enum type type)
{
    struct field field = {.type = type};

    if (strlen(name) >= sizeof(field.name))
        return false;
    memcpy(field.name, name, strlen(name) + 1);
    return schema_add(schema, arena, &field);
}

uint32_t schema_find(const struct schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return i;
    return FIELD_NONE;
}

static bool field_equal(const struct field *a, const struct field *b)
{
    if (strcmp(a->name, b->name) != 0 || a->type != b->type || a->width != b->width ||
        !a->child != !b->child)
        return false;
    return !a->child || schema_equal(a->child, b->child);
}

bool schema_equal(const struct schema *a, const struct schema *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!field_equal(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

static const char *const type_names[] = {
    [TYPE_NONE] = "none",
    [TYPE_BOOL] = "bool",
    [TYPE_I32] = "i32",
    [TYPE_I64] = "i64",
    [TYPE_F32] = "f32",
    [TYPE_F64] = "f64",
    [TYPE_TIMESTAMP] = "timestamp",
    [TYPE_UTF8] = "utf8",
    [TYPE_VECTOR] = "vector",
    [TYPE_LIST] = "list",
    [TYPE_KEY] = "key",
};

const char *type_name(enum type type)
{
    return type_names[type];
}

bool type_parse(const char *text, enum type *type)
{
    for (enum type t = TYPE_BOOL; t <= TYPE_UTF8; t++)
        if (strcmp(text, type_names[t]) == 0) {
            *type = t;
            return true;
        }
    return false;
}

size_t type_size(enum type type)
{
    switch (type) {
    case TYPE_I32:
    case TYPE_F32:
        return 4;
    case TYPE_I64:
    case TYPE_F64:
    case TYPE_TIMESTAMP:
        return 8;
    case TYPE_NONE:
    case TYPE_BOOL:
    case TYPE_UTF8:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        return 0;
    }
    return 0;
}
