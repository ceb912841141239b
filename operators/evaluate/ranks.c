/* See ranks.h. */
#include "operators/evaluate/ranks.h"

#include <math.h>
#include <string.h>

static const char *arm_name(const char *column)
{
    size_t size = strlen(RANKS_PREFIX);

    return strncmp(column, RANKS_PREFIX, size) == 0 ? column + size : column;
}

static void add(struct ranks *ranks, const struct schema *schema, uint32_t column)
{
    if (ranks->count < RANKS_ARMS_MAX)
        ranks->arms[ranks->count] =
            (struct ranks_arm){arm_name(schema->fields[column].name), column};
    ranks->count++;
}

/* ranks->count may be more than there is room for: ranks_describe tells. */
static void find_arms(struct ranks *ranks, const struct schema *schema,
                      const struct text_list *names)
{
    ranks->count = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        uint32_t column = schema_find(schema, names->items[i]);
        if (column != FIELD_NONE)
            add(ranks, schema, column);
    }
    for (uint32_t i = 0; names->count == 0 && i < schema->count; i++)
        if (arm_name(schema->fields[i].name) != schema->fields[i].name)
            add(ranks, schema, i);
}

void ranks_find(struct ranks *ranks, const struct schema *schema, const struct text_list *names,
                double examination)
{
    find_arms(ranks, schema, names);
    CHECK(ranks->count <= RANKS_ARMS_MAX);
    ranks->exam[0] = ranks->total[0] = 0;
    for (uint32_t k = 1; k <= RANKS_MAX; k++) {
        ranks->exam[k] = pow(k, -examination);
        ranks->total[k] = ranks->total[k - 1] + ranks->exam[k];
    }
}

bool ranks_describe(struct describe *describe, const struct schema *schema,
                    const struct text_list *names, const char *base, struct error *err)
{
    struct ranks *ranks = arena_new(describe_arena(describe), sizeof(*ranks));
    bool known = !base;

    for (uint32_t i = 0; i < names->count; i++)
        if (schema_find(schema, names->items[i]) == FIELD_NONE)
            return describe_error(describe, err, "ranks", "name columns of evaluate/rank",
                                  "there is no column \"%s\"", names->items[i]);
    find_arms(ranks, schema, names);
    if (ranks->count == 0 || ranks->count > RANKS_ARMS_MAX)
        return describe_error(
            describe, err, "ranks", "put evaluate/rank before it, or name columns",
            "there are %u columns with ranks, not 1 to %u", ranks->count, RANKS_ARMS_MAX);
    for (uint32_t i = 0; i < ranks->count; i++) {
        const struct field *field = &schema->fields[ranks->arms[i].column];
        if (field->type != TYPE_I32 && field->type != TYPE_I64 && field->type != TYPE_F64)
            return describe_error(describe, err, "ranks", "name columns with ranks, from 1",
                                  "column \"%s\" is %s", field->name, type_name(field->type));
        known = known || strcmp(ranks->arms[i].name, base) == 0;
    }
    return known || describe_error(describe, err, "base", "name one of the arms",
                                   "\"%s\" has no column of ranks", base);
}
