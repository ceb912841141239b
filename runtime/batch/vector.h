/* vector: one growing column, in the layout of batch.h. Not thread-safe. Used by builders and by
 * gathers. */
#ifndef MILLRACE_BATCH_VECTOR_H
#define MILLRACE_BATCH_VECTOR_H

#include "runtime/batch/batch.h"

struct vector {
    enum type type;
    uint32_t width;                 /* TYPE_VECTOR */
    uint32_t rows, capacity;        /* rows that the memory has room for */
    struct block *values, *offsets; /* NULL until the first row */
    struct block *validity;         /* NULL: no null so far */
    size_t bytes;                   /* of text in `values` */
    uint32_t child_count;           /* TYPE_LIST: vectors of the child's columns */
    struct vector *children;
    uint32_t child_rows;
};

void vector_init(struct vector *vector, const struct field *field);
/* By an existing column, for gathers without a schema. */
void vector_init_like(struct vector *vector, const struct column *column);
void vector_clear(struct vector *vector);
void vector_reserve(struct vector *vector, uint32_t rows);    /* room for `rows` more */
void vector_reserve_text(struct vector *vector, size_t size); /* room for `size` more bytes */
void vector_null(struct vector *vector);
void vector_append(struct vector *vector, const struct column *column, const uint32_t *rows,
                   uint32_t count);
/* Drops the rows past `rows`. */
void vector_truncate(struct vector *vector, uint32_t rows);
/* The column of all rows; the vector is empty again. */
struct column *vector_finish(struct vector *vector);

static inline void vector_room(struct vector *vector)
{
    if (vector->rows == vector->capacity)
        vector_reserve(vector, 1);
}

/* Marks the row about to be added as valid or null. */
void vector_mark(struct vector *vector, bool valid);

#endif
