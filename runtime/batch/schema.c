/* See schema.h. The fields of a schema that is made here lie in room for the next power of two of
 * their number, so that appending seldom copies and small schemas stay small. */
#include "runtime/batch/schema.h"

#include "runtime/base/check.h"

#include <string.h>

#define FIELDS_MIN 8u

struct schema *schema_create(struct arena *arena)
{
    return arena_new(arena, sizeof(struct schema));
}

/* Full at 8, 16, 32, ... fields. */
static void make_room(struct schema *schema, struct arena *arena)
{
    struct field *fields;
    uint32_t count = schema->count;

    if (count != 0 && (count < FIELDS_MIN || (count & (count - 1)) != 0))
        return;
    fields = arena_new(arena, (count ? count * 2 : FIELDS_MIN) * sizeof(*fields));
    if (count)
        memcpy(fields, schema->fields, count * sizeof(*fields));
    schema->fields = fields;
}

bool schema_add(struct schema *schema, struct arena *arena, const struct field *field)
{
    CHECK(field->type > TYPE_NONE && field->type < TYPE_KEY);
    CHECK((field->type == TYPE_LIST) == (field->child != NULL));
    CHECK((field->type == TYPE_VECTOR) == (field->width > 0));
    CHECK(memchr(field->name, 0, sizeof(field->name)));
    if (schema->count == COLUMNS_MAX || schema_find(schema, field->name) != FIELD_NONE)
        return false;
    make_room(schema, arena);
    schema->fields[schema->count++] = *field;
    return true;
}

bool schema_add_column(struct schema *schema, struct arena *arena, const char *name, enum type type)
{
    struct field field = {.type = type};
    size_t size = strlen(name);

    if (size >= sizeof(field.name))
        return false;
    memcpy(field.name, name, size);
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
    [TYPE_NONE] = "none",     [TYPE_BOOL] = "bool",
    [TYPE_I32] = "i32",       [TYPE_I64] = "i64",
    [TYPE_F32] = "f32",       [TYPE_F64] = "f64",
    [TYPE_UTF8] = "utf8",     [TYPE_TIMESTAMP] = "timestamp",
    [TYPE_VECTOR] = "vector", [TYPE_LIST] = "list",
    [TYPE_KEY] = "key",
};

const char *type_name(enum type type)
{
    CHECK((size_t)type < sizeof(type_names) / sizeof(type_names[0]));
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
        break;
    }
    return 0;
}
