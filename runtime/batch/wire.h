/* wire: a batch as bytes between processes and in checkpoints. A msgpack envelope:
 *
 *   [version, rows, [column, ...]]           hidden columns first, then the schema's
 *   column: nil | int: the same as that earlier column | [validity | nil, offsets | nil, values]
 *           list: [validity | nil, offsets, [rows, [column, ...]]]
 *
 * Buffers are msgpack bin in little-endian Arrow layout, offsets from 0. Only selected rows are
 * written. Nothing is trusted on reading: sizes, offsets and row counts are checked. */
#ifndef MILLRACE_BATCH_WIRE_H
#define MILLRACE_BATCH_WIRE_H

#include "runtime/base/error.h"
#include "runtime/batch/batch.h"

/* Appends to `out`. */
void wire_encode(const struct batch *batch, const struct schema *schema, struct bytes *out);
/* NULL on damage, with `err` filled. The result owns its memory. */
struct batch *wire_decode(const struct schema *schema, const uint8_t *data, size_t size,
                          struct error *err);

/* Whether bytes are one whole msgpack object whose counts and lengths fit in them: to be asked
 * before msgpack-c reads outside bytes, since it allocates what an array header claims. */
bool wire_sane(const uint8_t *data, size_t size);

#endif
