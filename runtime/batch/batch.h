/* batch: a set of reference-counted immutable columns in the memory layout of the Arrow C Data
 * Interface (validity bitmap, values, offsets), and a selection of their rows.
 * A filter changes the selection, a derivation adds a column, fan-out shares references.
 * References may be released on any thread; a batch is used by one thread at a time. */
#ifndef MILLRACE_BATCH_BATCH_H
#define MILLRACE_BATCH_BATCH_H

#include "runtime/base/check.h"
#include "runtime/batch/schema.h"

#include <stdatomic.h>

/* Memory that columns point into. Freed with its last reference. */
struct block {
    atomic_uint refs;
    size_t size;
    uint8_t data[] __attribute__((aligned(64)));
};
struct block *block_create(size_t size); /* one reference; not zeroed; 64 spare bytes at the end */
void block_ref(struct block *block);
void block_release(struct block **block); /* NULL inside is fine */

struct batch;

struct column {
    atomic_uint refs;
    enum type type;
    uint32_t rows;
    uint32_t width;          /* TYPE_VECTOR */
    const uint8_t *validity; /* bit set = valid, least significant first; NULL: no nulls */
    const void *values;      /* TYPE_UTF8: the bytes, and 16 readable ones behind, as block_create
                                gives; TYPE_BOOL: bitmap */
    const int32_t *offsets;  /* TYPE_UTF8, TYPE_LIST: rows + 1, the first need not be 0 */
    struct batch *child;     /* TYPE_LIST: dense, owned reference */
    struct block *blocks[3]; /* owners of the memory above; NULL inside is fine */
};
/* An empty shell with one reference: the caller fills the pointers (ownership moves in). */
struct column *column_create(enum type type, uint32_t rows);
void column_ref(struct column *column);
void column_release(struct column **column); /* NULL inside is fine */

/* Columns that every batch of an edge carries beside its schema's. */
enum hidden {
    HIDDEN_TIME,   /* i64: event time, ms UTC */
    HIDDEN_ORIGIN, /* i64: split << 40 | offset of the record that caused the row (origin.h) */
    HIDDEN_ORDER,  /* i64 read as unsigned: order among rows of one event time; the origin itself,
                      or a hash of it; often the same column as HIDDEN_ORIGIN */
    HIDDEN_HASH,   /* i64 read as unsigned: hash of the key; only on keyed edges */
    HIDDEN_KEY,    /* utf8: canonical key bytes (key.h); only on keyed edges */
    HIDDEN_COUNT,
};

struct batch {
    atomic_uint refs;
    uint32_t rows;             /* of the columns */
    uint32_t selected;         /* rows that count; == rows when selection is NULL */
    const uint32_t *selection; /* ascending row numbers, or NULL: all */
    struct block *selection_block;
    uint32_t column_count;    /* without the hidden ones */
    struct column *columns[]; /* HIDDEN_COUNT hidden ones (NULL when absent), then the schema's */
};

/* An empty shell with one reference: the caller sets the columns (ownership moves in). */
struct batch *batch_create(uint32_t rows, uint32_t column_count);
void batch_ref(struct batch *batch);
void batch_release(struct batch **batch); /* NULL inside is fine */

/* New batches; shared columns get a reference, the argument keeps its own. */
struct batch *batch_copy(const struct batch *batch); /* the same columns and selection */
struct batch *batch_select(const struct batch *batch, const uint32_t *rows, uint32_t count);
struct batch *batch_with(const struct batch *batch,
                         struct column **column); /* appended; moves in */
struct batch *batch_with_all(const struct batch *batch, struct column **columns, uint32_t count);
struct batch *batch_project(const struct batch *batch, const uint32_t *columns, uint32_t count);
/* Copies the selected rows (or `rows`) so that the result is dense. With nothing to do: a
 * reference to the same batch. */
struct batch *batch_dense(struct batch *batch);
struct batch *batch_gather(const struct batch *batch, const uint32_t *rows, uint32_t count);
/* Copies rows of several batches with the same columns, hidden ones too: row k of the result is the
 * physical row rows[k] of batches[sources[k]]. Key columns only where all batches have them. */
struct batch *batch_merge(struct batch *const *batches, uint32_t batch_count,
                          const uint32_t *sources, const uint32_t *rows, uint32_t count);

size_t batch_bytes(const struct batch *batch); /* of its columns' rows, shared ones too */
/* Aborts when offsets, selection or row counts disagree. For decoders and tests. */
void batch_check(const struct batch *batch, const struct schema *schema);

static inline uint32_t batch_rows(const struct batch *batch) /* dense batches only */
{
    CHECK(!batch->selection);
    return batch->rows;
}

/* The k-th selected row. */
static inline uint32_t batch_row(const struct batch *batch, uint32_t k)
{
    return batch->selection ? batch->selection[k] : k;
}

static inline const struct column *batch_column(const struct batch *batch, uint32_t column)
{
    CHECK(column < batch->column_count);
    return batch->columns[HIDDEN_COUNT + column];
}

static inline const int64_t *batch_time(const struct batch *batch)
{
    return batch->columns[HIDDEN_TIME]->values;
}

static inline const uint64_t *batch_origin(const struct batch *batch)
{
    return batch->columns[HIDDEN_ORIGIN]->values;
}

static inline const uint64_t *batch_order(const struct batch *batch)
{
    return batch->columns[HIDDEN_ORDER]->values;
}

static inline const uint64_t *batch_hash(const struct batch *batch)
{
    return batch->columns[HIDDEN_HASH]->values;
}

static inline bool column_valid(const struct column *column, uint32_t row)
{
    return !column->validity || (column->validity[row >> 3] >> (row & 7) & 1);
}

static inline bool column_bool(const struct column *column, uint32_t row)
{
    return ((const uint8_t *)column->values)[row >> 3] >> (row & 7) & 1;
}

static inline const char *column_text(const struct column *column, uint32_t row, uint32_t *size)
{
    *size = (uint32_t)(column->offsets[row + 1] - column->offsets[row]);
    return (const char *)column->values + column->offsets[row];
}

/* Any number as a double (bool as 0 or 1, timestamp in ms); NaN when null. For cold paths. */
double column_number(const struct column *column, uint32_t row);

/* origin: split in the upper 24 bits, byte offset or position in the lower 40. */
static inline uint64_t origin_make(uint32_t split, uint64_t offset)
{
    return (uint64_t)split << 40 | (offset & ((UINT64_C(1) << 40) - 1));
}

static inline uint32_t origin_split(uint64_t origin)
{
    return (uint32_t)(origin >> 40);
}

static inline uint64_t origin_offset(uint64_t origin)
{
    return origin & ((UINT64_C(1) << 40) - 1);
}

#endif
