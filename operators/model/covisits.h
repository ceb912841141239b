/* covisits: the table of feature/covisitation, as those that look items up in it find its columns. */
#ifndef MILLRACE_MODEL_COVISITS_H
#define MILLRACE_MODEL_COVISITS_H

#include "runtime/api/operator.h"

static const struct column_def covisits_columns[] = {{"count", TYPE_I64},    {"forward", TYPE_I64},
                                                     {"backward", TYPE_I64}, {"direct", TYPE_I64},
                                                     {"entries", TYPE_LIST}, {0}};

struct covisits {
    uint32_t count, forward, backward, direct, entries;                    /* columns of a row */
    uint32_t other, together, entry_forward, entry_backward, entry_direct; /* of its entries */
};

/* Whether the entries are of such a table. */
static inline bool covisits_entries(const struct schema *entry)
{
    static const char *const names[] = {"other", "together", "forward", "backward", "direct"};

    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (schema_find(entry, names[i]) == FIELD_NONE)
            return false;
    return true;
}

/* In open. */
static inline void covisits_find(const struct op *op, uint32_t table, struct covisits *columns)
{
    const struct schema *entry;

    columns->count = op_table_column(op, table, "count");
    columns->forward = op_table_column(op, table, "forward");
    columns->backward = op_table_column(op, table, "backward");
    columns->direct = op_table_column(op, table, "direct");
    columns->entries = op_table_column(op, table, "entries");
    entry = op_table_schema(op, table)->fields[columns->entries].child;
    columns->other = schema_find(entry, "other");
    columns->together = schema_find(entry, "together");
    columns->entry_forward = schema_find(entry, "forward");
    columns->entry_backward = schema_find(entry, "backward");
    columns->entry_direct = schema_find(entry, "direct");
}

#endif
