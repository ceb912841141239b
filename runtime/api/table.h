/* table: a versioned map that another operator publishes and this one reads (a temporal table).
 * During `process` all rows of the batch see the same version of each table: the newest closed
 * at or before their event time, so look-ups are repeatable in replay. Rows are borrowed for the
 * call. Reads take no lock. */
#ifndef MILLRACE_API_TABLE_H
#define MILLRACE_API_TABLE_H

#include "runtime/batch/key.h"
#include "runtime/batch/schema.h"

struct table_row;

/* A table that an operator reads: named in the job file under `tables:`. */
struct table_use {
    const char *name;
    const char *help;
    bool optional;
    const struct column_def *columns; /* that the publishing port must have; ends with {0} */
    const char *rank_by; /* numeric column: keep the rows with the largest values in order */
    uint32_t rank_limit; /* how many; 0: no ranking */
};

struct op;

/* Whether an optional table was given in the job file. */
bool op_table_given(const struct op *op, uint32_t table);
/* The version (window end, ms UTC) that this batch sees; INT64_MIN before the first. */
int64_t op_table_version(const struct op *op, uint32_t table);
/* The row of a key by the hash of its canonical key (key_ids gives it for a column), or NULL. */
const struct table_row *op_table_find(const struct op *op, uint32_t table, uint64_t hash);
/* The same for many keys at once, NULL where there is no row: several times faster where rows are
 * not in the CPU's cache, since the look-ups overlap. The rows' first bytes are on their way. */
void op_table_find_many(const struct op *op, uint32_t table, const uint64_t *hashes, uint32_t count,
                        const struct table_row **rows);
/* The ranked rows, largest first, ties by key bytes. */
const struct table_row *const *op_table_top(const struct op *op, uint32_t table, uint32_t *count);

/* The column of a name in the table's rows, FIELD_NONE when absent (optional columns). */
uint32_t op_table_column(const struct op *op, uint32_t table, const char *name);
const struct schema *op_table_schema(const struct op *op, uint32_t table);

struct key table_row_key(const struct table_row *row);
int64_t table_row_version(const struct table_row *row);
bool table_row_valid(const struct table_row *row, uint32_t column);
int64_t table_row_i64(const struct table_row *row, uint32_t column); /* bool, i32, i64, timestamp */
double table_row_f64(const struct table_row *row, uint32_t column);  /* any number */
const char *table_row_text(const struct table_row *row, uint32_t column, uint32_t *size);
const float *table_row_vector(const struct table_row *row, uint32_t column, uint32_t *width);
/* The vectors of one table's rows, NULL where there is no row or no vector; as wide as the schema has it. */
void table_rows_vectors(const struct table_row *const *rows, uint32_t count, uint32_t column,
                        const float **vectors);
/* A list column: how many elements, and the values of one child column as an array. */
uint32_t table_row_list(const struct table_row *row, uint32_t column);
const int64_t *table_row_list_i64(const struct table_row *row, uint32_t column, uint32_t child);
const float *table_row_list_f32(const struct table_row *row, uint32_t column, uint32_t child);
const double *table_row_list_f64(const struct table_row *row, uint32_t column, uint32_t child);

#endif
