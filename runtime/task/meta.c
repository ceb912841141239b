/* See meta.h. */
#include "runtime/task/meta.h"

#include "runtime/base/check.h"
#include "runtime/batch/wire.h"
#include "runtime/net/pack.h"
#include "runtime/task/subtask.h"

#define META_VERSION 2 /* 1: without the splits' ends */

/* ---- writing ---- */
static void pack_logical(msgpack_packer *packer, bool value)
{
    if (value)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

static void pack_split(msgpack_packer *packer, const struct split_progress *split)
{
    msgpack_pack_array(packer, 9);
    msgpack_pack_uint32(packer, split->index);
    msgpack_pack_uint32(packer, split->state);
    pack_logical(packer, split->begun);
    msgpack_pack_int64(packer, split->position.time_ms);
    msgpack_pack_uint64(packer, split->position.offset);
    msgpack_pack_uint64(packer, split->position.rows);
    msgpack_pack_uint32(packer, split->skip);
    msgpack_pack_int64(packer, split->watermark_ms);
    msgpack_pack_int64(packer, split->end);
}

static void pack_op(msgpack_packer *packer, const struct op *op, const struct source *source)
{
    uint32_t splits = source ? source_split_count(source) : 0;

    msgpack_pack_array(packer, 6);
    pack_text(packer, op->id);
    msgpack_pack_int64(packer, op->watermark_ms);
    msgpack_pack_int64(packer, op->told_ms);
    msgpack_pack_int64(packer, op->row_ms);
    msgpack_pack_array(packer, splits);
    for (uint32_t i = 0; i < splits; i++)
        pack_split(packer, source_split(source, i));
    msgpack_pack_array(packer, op->bundle_count);
    for (uint32_t i = 0; i < op->bundle_count; i++) {
        msgpack_pack_array(packer, 2);
        msgpack_pack_uint64(packer, op->bundles[i].checkpoint);
        pack_bytes(packer, op->bundles[i].data.data, op->bundles[i].data.size);
    }
}

void meta_encode_ops(const struct subtask *subtask, struct bytes *out)
{
    msgpack_packer packer = pack_into(out);

    msgpack_pack_array(&packer, 3);
    msgpack_pack_uint32(&packer, META_VERSION);
    msgpack_pack_array(&packer, subtask->op_count);
    for (uint32_t i = 0; i < subtask->op_count; i++)
        pack_op(&packer, &subtask->ops[i], i == 0 ? subtask->source : NULL);
}

void meta_encode_held(const char *id, const struct schema *const *schemas,
                      const struct held_rows *held, uint32_t count, struct bytes *out)
{
    msgpack_packer packer = pack_into(out);
    struct bytes rows = {0};

    CHECK(count <= HELD_MAX);
    msgpack_pack_array(&packer, 2);
    pack_text(&packer, id);
    msgpack_pack_array(&packer, count);
    for (uint32_t i = 0; i < count; i++) {
        rows.size = 0;
        wire_encode(held[i].batch, schemas[held[i].port], &rows);
        msgpack_pack_array(&packer, 2);
        msgpack_pack_uint32(&packer, held[i].port);
        pack_bytes(&packer, rows.data, rows.size);
    }
    bytes_clear(&rows);
}

/* ---- reading ---- */
static uint32_t read_u32(struct unpack *unpack)
{
    uint64_t value = unpack_u64(unpack);

    unpack->failed = unpack->failed || value > UINT32_MAX;
    return (uint32_t)value;
}

static void read_split(struct unpack *unpack, struct split_progress *split)
{
    uint32_t fields = unpack_array(unpack, 9), state;

    split->index = read_u32(unpack);
    state = read_u32(unpack);
    unpack->failed = unpack->failed || state > SPLIT_DONE;
    split->state = (enum split_state)state;
    split->begun = unpack_bool(unpack);
    split->position.time_ms = unpack_i64(unpack);
    split->position.offset = unpack_u64(unpack);
    split->position.rows = unpack_u64(unpack);
    split->skip = read_u32(unpack);
    split->watermark_ms = unpack_i64(unpack);
    split->end = fields < 9 ? INT64_MAX : unpack_i64(unpack);
    unpack_leave(unpack);
}

static void read_op(struct unpack *unpack, struct arena *arena, struct meta_op *op)
{
    unpack_array(unpack, 6);
    unpack_text(unpack, op->id, sizeof(op->id));
    op->watermark_ms = unpack_i64(unpack);
    op->told_ms = unpack_i64(unpack);
    op->row_ms = unpack_i64(unpack);
    op->split_count = unpack_array(unpack, SPLITS_MAX);
    op->splits = arena_new(arena, (op->split_count + 1) * sizeof(*op->splits));
    for (uint32_t i = 0; i < op->split_count; i++)
        read_split(unpack, &op->splits[i]);
    unpack_leave(unpack);
    op->bundle_count = unpack_array(unpack, BUNDLES_MAX);
    op->bundles = arena_new(arena, (op->bundle_count + 1) * sizeof(*op->bundles));
    for (uint32_t i = 0; i < op->bundle_count; i++) {
        unpack_array(unpack, 2);
        op->bundles[i].checkpoint = unpack_u64(unpack);
        op->bundles[i].data = unpack_bin(unpack, &op->bundles[i].size);
        unpack_leave(unpack);
    }
    unpack_leave(unpack);
    unpack_leave(unpack);
}

static void read_held(struct unpack *unpack, struct arena *arena, struct meta *meta)
{
    unpack_array(unpack, 2);
    unpack_text(unpack, meta->held_id, sizeof(meta->held_id));
    meta->held_count = unpack_array(unpack, HELD_MAX);
    meta->held = arena_new(arena, (meta->held_count + 1) * sizeof(*meta->held));
    for (uint32_t i = 0; i < meta->held_count; i++) {
        unpack_array(unpack, 2);
        meta->held[i].port = read_u32(unpack);
        meta->held[i].data = unpack_bin(unpack, &meta->held[i].size);
        unpack_leave(unpack);
    }
    unpack_leave(unpack);
    unpack_leave(unpack);
}

bool meta_decode(const uint8_t *data, size_t size, struct arena *arena, struct meta *meta,
                 struct error *err)
{
    struct unpack unpack;
    uint32_t version;
    bool good;

    *meta = (struct meta){0};
    unpack_begin(&unpack, data, size);
    version = read_u32(&unpack);
    unpack.failed = version < 1 || version > META_VERSION || unpack.failed;
    meta->op_count = unpack_array(&unpack, 2 * CHAIN_OPS_MAX * PORTS_MAX);
    meta->ops = arena_new(arena, (meta->op_count + 1) * sizeof(*meta->ops));
    for (uint32_t i = 0; i < meta->op_count; i++)
        read_op(&unpack, arena, &meta->ops[i]);
    unpack_leave(&unpack);
    read_held(&unpack, arena, meta);
    unpack_leave(&unpack);
    good = !unpack.failed;
    unpack_end(&unpack);
    if (good)
        return true;
    return error_set(err, ERROR_STATE, "checkpoint", "use an older checkpoint",
                     "what a subtask kept does not parse");
}
