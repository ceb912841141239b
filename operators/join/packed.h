/* packed: rows as bytes, for operators that keep whole rows in a state cell.
 *
 *   struct packed   size, side, event time, origin, order
 *   row             bit a column (set: not null), then the values that are not null:
 *     bool 1 byte; i32, f32 4; i64, f64, timestamp 8; utf8 u32 size, bytes;
 *     vector width x 4; list u32 count, then a row each
 *
 * In the machine's byte order and at any alignment but the head's, which is 8. Equal rows give equal
 * bytes. What is read back was written by us, under the same schema: packing.hash tells. */
#ifndef MILLRACE_JOIN_PACKED_H
#define MILLRACE_JOIN_PACKED_H

#include "runtime/batch/builder.h"

struct packed {
    uint32_t size; /* with the head, a multiple of 8 */
    uint32_t side; /* the caller's */
    int64_t time_ms;
    uint64_t origin, order;
    uint8_t row[];
};

struct packing { /* how the rows of a schema are packed */
    const struct schema *schema;
    uint32_t fixed_size; /* of a row without nulls, texts and lists empty; with the head */
    uint32_t hash;       /* of names and types */
};

void packing_init(struct packing *packing, const struct schema *schema);
/* The size of each row's record at most. */
void packed_sizes(const struct packing *packing, const struct batch *batch, uint32_t *sizes);
/* Writes a record of at most that size; returns its size. */
uint32_t packed_put(const struct packing *packing, const struct batch *batch, uint32_t row,
                    uint32_t side, void *record);
/* Sets columns of the row that `out` began last: column i of the record as columns[i], FIELD_NONE: not
 * wanted. */
void packed_take(const struct packing *packing, const struct packed *record, struct builder *out,
                 const uint32_t *columns);

/* By (event time, order), then by content: total but for equal rows. */
int packed_compare(const struct packed *a, const struct packed *b);

static inline const struct packed *packed_next(const struct packed *record)
{
    return (const struct packed *)(const void *)((const uint8_t *)record + record->size);
}

#endif
