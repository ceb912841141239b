/* What an operator sees of the tables that it reads (runtime/api/table.h), at the versions pinned
 * for the present call. */
#include "runtime/task/op.h"
#include "runtime/task/replica.h"

#include "runtime/base/check.h"

static const struct op_table *table_of(const struct op *op, uint32_t table)
{
    CHECK(table < TABLES_MAX);
    return &op->tables[table];
}

bool op_table_given(const struct op *op, uint32_t table)
{
    return table_of(op, table)->table != NULL;
}

int64_t op_table_version(const struct op *op, uint32_t table)
{
    return table_of(op, table)->version;
}

const struct table_row *op_table_find(const struct op *op, uint32_t table, uint64_t hash)
{
    const struct op_table *own = table_of(op, table);

    return own->reader ? replica_find(own->reader, hash) : NULL;
}

void op_table_find_many(const struct op *op, uint32_t table, const uint64_t *hashes, uint32_t count,
                        const struct table_row **rows)
{
    const struct op_table *own = table_of(op, table);

    if (own->reader) {
        replica_find_many(own->reader, hashes, count, rows);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        rows[i] = NULL;
}

const struct table_row *const *op_table_top(const struct op *op, uint32_t table, uint32_t *count)
{
    const struct op_table *own = table_of(op, table);

    *count = 0;
    if (!own->reader || own->ranking == FIELD_NONE)
        return NULL;
    return replica_top(own->reader, own->ranking, op->def->tables[table].rank_limit, count);
}

uint32_t op_table_column(const struct op *op, uint32_t table, const char *name)
{
    const struct plan_table *plan = table_of(op, table)->table;

    return plan ? schema_find(plan->schema, name) : FIELD_NONE;
}

const struct schema *op_table_schema(const struct op *op, uint32_t table)
{
    const struct plan_table *plan = table_of(op, table)->table;

    return plan ? plan->schema : NULL;
}

/* The version that rows of this time see; what `lookup: latest` sees is whatever is newest. */
static int64_t version_for(const struct op *op, const struct op_table *own, int64_t time_ms)
{
    return op->plan->lookup_latest ? INT64_MAX
                                   : replica_version_at(own->table, time_ms, own->delay_ms);
}

void op_tables_pin(struct op *op, int64_t time_ms)
{
    for (uint32_t i = 0; i < TABLES_MAX; i++) {
        struct op_table *own = &op->tables[i];

        if (!own->reader)
            continue;
        own->version = version_for(op, own, time_ms);
        /* The gate of the chain has waited for it. */
        CHECK(op->plan->lookup_latest || own->version <= replica_progress(own->replica));
        replica_pin(own->reader, own->version);
    }
}

void op_tables_rest(struct op *op, int64_t time_ms)
{
    for (uint32_t i = 0; i < TABLES_MAX; i++)
        if (op->tables[i].reader)
            replica_rest(op->tables[i].reader, version_for(op, &op->tables[i], time_ms));
}
