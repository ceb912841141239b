/* row: one packed row of a versioned table, in memory and on the wire. Offsets count from the
 * beginning and are multiples of 8; native little-endian.
 *
 *   0   i64 version            8  u64 hash of the key
 *   16  u32 size in all        20 u32 key size
 *   24  u32 key offset         28 u32 columns
 *   32  validity, one bit a column, in u64 words
 *       slots, 8 bytes a column:
 *         bool, i32, i64, timestamp: i64    f32, f64: f64
 *         utf8: u32 offset, u32 size        vector: u32 offset of f32s, u32 width
 *         list: u32 offset, u32 elements; there u64 offset of each child column's array (native
 *               width, no nulls: a null is 0), then the arrays
 *       key bytes, texts, arrays
 *
 * In memory a vector begins at a cache line: 32 bytes stand before a packed row. */
#ifndef MILLRACE_TASK_ROW_H
#define MILLRACE_TASK_ROW_H

#include "runtime/api/table.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

struct retired { /* what a replica's writer has unlinked and readers may still hold */
    struct retired *next;
    uint64_t at; /* epoch; before that the number of its arrival */
    void (*free)(struct retired *retired);
};

#define ROW_LINE 64u /* bytes of a cache line */

struct table_row {                             /* a node of a replica; the packed bytes follow */
    _Alignas(ROW_LINE) struct retired retired; /* first */
    const struct schema *schema;
    uint8_t packed[];
};
static_assert(offsetof(struct table_row, packed) == 32, "drawn above");

/* A node with a copy of checked bytes. */
struct table_row *table_row_create(const struct schema *schema, const uint8_t *data, size_t size);

#endif
