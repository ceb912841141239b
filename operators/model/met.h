/* met: tables of feature/recent as other operators read them: what each key met last, newest first. */
#ifndef MILLRACE_MODEL_MET_H
#define MILLRACE_MODEL_MET_H

#include "runtime/api/operator.h"

#define MET_COLUMNS                                                                                \
    {                                                                                              \
        {"count", TYPE_I64}, {"last", TYPE_TIMESTAMP},                                             \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

struct met_table {
    uint32_t table, list, id, time; /* the table's number, its columns and those of its list */
    uint32_t count, last;
};

/* False after telling: the table has no list `name` with ids and times. */
bool met_describe(struct describe *describe, uint32_t table, const char *name, struct error *err);
void met_open(const struct op *op, struct met_table *met, uint32_t table, const char *name);

/* How many were met; *ids and *times of them (times may be NULL). */
uint32_t met_read(const struct met_table *met, const struct table_row *row, const uint64_t **ids,
                  const int64_t **times);

#endif
