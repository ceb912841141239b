/* met: see met.h. */
#include "operators/model/met.h"

static const struct schema *list_of(const struct schema *schema, const char *name)
{
    uint32_t column = schema ? schema_find(schema, name) : FIELD_NONE;

    return column != FIELD_NONE && schema->fields[column].type == TYPE_LIST
               ? schema->fields[column].child
               : NULL;
}

static bool has(const struct schema *schema, const char *name, enum type type)
{
    uint32_t column = schema_find(schema, name);

    return column != FIELD_NONE && schema->fields[column].type == type;
}

bool met_describe(struct describe *describe, uint32_t table, const char *name, struct error *err)
{
    const struct schema *schema = describe_table(describe, table), *list = list_of(schema, name);

    if (!schema || (list && has(list, "id", TYPE_I64) && has(list, "time", TYPE_TIMESTAMP)))
        return true;
    return describe_error(describe, err, "tables", "read `table` of a feature/recent with `window`",
                          "a table has no list \"%s\" with ids and times", name);
}

void met_open(const struct op *op, struct met_table *met, uint32_t table, const char *name)
{
    const struct schema *list;

    *met = (struct met_table){.table = table};
    if (!op_table_given(op, table))
        return;
    list = list_of(op_table_schema(op, table), name);
    met->list = op_table_column(op, table, name);
    met->id = schema_find(list, "id");
    met->time = schema_find(list, "time");
    met->count = op_table_column(op, table, "count");
    met->last = op_table_column(op, table, "last");
}

uint32_t met_read(const struct met_table *met, const struct table_row *row, const uint64_t **ids,
                  const int64_t **times)
{
    *ids = (const uint64_t *)table_row_list_i64(row, met->list, met->id);
    if (times)
        *times = table_row_list_i64(row, met->list, met->time);
    return table_row_list(row, met->list);
}
