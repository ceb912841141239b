/* meta: what a subtask keeps in a checkpoint beside its state files, as msgpack:
 *
 *   [version, [op, ...], held]
 *   op:     [id, watermark, told, row, [split, ...], [bundle, ...]]
 *   split:  [index, state, begun, time, offset, rows, skip, watermark, end]
 *   bundle: [checkpoint, bin]
 *   held:   [id of the gated operator, [[port, bin (wire.h)], ...]]
 *
 * Nothing is trusted on reading. */
#ifndef MILLRACE_TASK_META_H
#define MILLRACE_TASK_META_H

#include "runtime/task/gate.h"
#include "runtime/task/op.h"
#include "runtime/task/source.h"

#define BUNDLES_MAX 65536u  /* of one operator in one subtask that are not committed */
#define HELD_MAX (1u << 24) /* batches */

struct meta_op {
    char id[2 * NAME_SIZE_MAX]; /* publishers: `operator.@table` */
    int64_t watermark_ms, told_ms, row_ms;
    uint32_t split_count, bundle_count;
    struct split_progress *splits;
    struct meta_bundle {
        uint64_t checkpoint;
        const uint8_t *data; /* borrowed from what was decoded */
        size_t size;
    } * bundles;
};

struct meta {
    uint32_t op_count;
    struct meta_op *ops;
    char held_id[NAME_SIZE_MAX];
    uint32_t held_count;
    struct meta_held {
        uint32_t port;
        const uint8_t *data;
        size_t size;
    } * held;
};

/* In two parts, so that the second, which can be large, can be written on another thread. */
void meta_encode_ops(const struct subtask *subtask, struct bytes *out);
void meta_encode_held(const char *id, const struct schema *const *schemas,
                      const struct held_rows *held, uint32_t count, struct bytes *out);

/* Arrays are the arena's. */
bool meta_decode(const uint8_t *data, size_t size, struct arena *arena, struct meta *meta,
                 struct error *err) NODISCARD;

#endif
