/* schema: names and types of the columns of an edge. Belongs to the plan and outlives every batch;
 * a batch carries no schema. */
#ifndef MILLRACE_BATCH_SCHEMA_H
#define MILLRACE_BATCH_SCHEMA_H

#include "runtime/base/limits.h"
#include "runtime/base/memory.h"

#include <stdbool.h>
#include <stdint.h>

enum type {
    TYPE_NONE,
    TYPE_BOOL, /* bitmap, as in Arrow */
    TYPE_I32,
    TYPE_I64,
    TYPE_F32,
    TYPE_F64,
    TYPE_TIMESTAMP, /* int64_t, ms since 1970 UTC */
    TYPE_UTF8,      /* int32 offsets (rows + 1) and bytes; also used for raw bytes */
    TYPE_VECTOR,    /* `width` float32 a row */
    TYPE_LIST,      /* int32 offsets (rows + 1) into a child batch without hidden columns */
    TYPE_KEY,       /* only in operators' column tables: the type of the edge's key column */
};

struct field {
    char name[NAME_SIZE_MAX];
    enum type type;
    uint32_t width;             /* TYPE_VECTOR */
    const struct schema *child; /* TYPE_LIST; one field or more, none of them a list */
};

struct schema {
    uint32_t count;
    struct field *fields;
};

#define FIELD_NONE UINT32_MAX

struct schema *schema_create(struct arena *arena); /* empty */
/* Appends a copy of the field. False when the name is there already or the schema is full. */
bool schema_add(struct schema *schema, struct arena *arena, const struct field *field);
/* The same for a scalar. */
bool schema_add_column(struct schema *schema, struct arena *arena, const char *name,
                       enum type type);
uint32_t schema_find(const struct schema *schema, const char *name); /* FIELD_NONE when absent */
bool schema_equal(const struct schema *a, const struct schema *b);
const char *type_name(enum type type);              /* `i64`, `utf8`, ... */
bool type_parse(const char *text, enum type *type); /* scalars only */
size_t type_size(enum type type); /* bytes a value; 0 for bool, utf8, vector, list */

#endif
