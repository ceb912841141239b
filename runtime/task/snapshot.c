/* See snapshot.h. */
#include "runtime/task/snapshot.h"

#include "runtime/base/check.h"
#include "runtime/batch/wire.h"
#include "runtime/task/input.h"
#include "runtime/task/meta.h"

#include <string.h>

#define GATE_LANE_RESTORED UINT32_MAX /* of rows that were held before a restore */

struct snapshot {
    struct work work; /* first: the executor gives it back */
    struct snapshot *next;
    uint64_t checkpoint;
    const char *held_id;
    const struct schema *schemas[PORTS_MAX];
    struct held_rows *held;
    uint32_t held_count;
    struct bytes meta;
};

void subtask_snapshot_clear(struct subtask_snapshot *snapshot)
{
    memory_free(snapshot->files);
    bytes_clear(&snapshot->meta);
    *snapshot = (struct subtask_snapshot){0};
}

/* ---- taking ---- */
static void snapshot_run(struct work *work)
{
    struct snapshot *snapshot = (struct snapshot *)work;

    meta_encode_held(snapshot->held_id, snapshot->schemas, snapshot->held, snapshot->held_count,
                     &snapshot->meta);
}

static void snapshot_close(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    gate_held_release(snapshot->held, snapshot->held_count);
    bytes_clear(&snapshot->meta);
    memory_free(snapshot);
}

/* Its memory is the executor's until the work is done. */
static void snapshot_drop(struct subtask *subtask)
{
    struct snapshot *old = subtask->snapshot;

    subtask->snapshot = NULL;
    if (old) {
        old->next = subtask->forgotten;
        subtask->forgotten = old;
    }
}

/* The lowest watermark of the chain: cells that expired before it are needed by no one. */
static int64_t lowest_watermark(const struct subtask *subtask)
{
    int64_t lowest = INT64_MAX;

    for (uint32_t i = 0; i < subtask->op_count; i++)
        if (subtask->ops[i].watermark_ms < lowest)
            lowest = subtask->ops[i].watermark_ms;
    return lowest;
}

void snapshot_begin(struct subtask *subtask, uint64_t checkpoint)
{
    struct snapshot *snapshot = memory_new(sizeof(*snapshot));
    const struct op *head = subtask_head(subtask);

    snapshot_drop(subtask);
    snapshot->checkpoint = checkpoint;
    snapshot->held_id = subtask->gate ? head->id : "";
    for (uint32_t i = 0; i < head->input_count; i++)
        snapshot->schemas[i] = head->inputs[i].schema;
    snapshot->held = subtask->gate ? gate_held(subtask->gate, &snapshot->held_count) : NULL;
    meta_encode_ops(subtask, &snapshot->meta);
    if (subtask->store)
        store_barrier(subtask->store, checkpoint, lowest_watermark(subtask));
    snapshot->work.run = snapshot_run;
    snapshot->work.waker = subtask->waker;
    subtask->snapshot = snapshot;
    executor_submit(subtask->host->executor, &snapshot->work);
}

static void snapshot_report(struct subtask *subtask, const struct store_snapshot *files)
{
    struct snapshot *snapshot = subtask->snapshot;
    struct report report = {
        .kind = REPORT_SNAPSHOT,
        .chain = subtask->chain->index,
        .subtask = subtask->number,
        .checkpoint = snapshot->checkpoint,
        .snapshot = {subtask->chain->index, subtask->number, snapshot->checkpoint, files->count,
                     NULL, snapshot->meta},
    };

    report.snapshot.files = memory_array(files->count, sizeof(struct store_file));
    for (uint32_t i = 0; i < files->count; i++) {
        report.snapshot.files[i] = files->files[i];
        report.snapshot.files[i].path = NULL; /* the store's memory */
    }
    snapshot->meta = (struct bytes){0};
    subtask->snapshot = NULL;
    snapshot_close(snapshot);
    subtask->host->report(subtask->host, &report);
}

static void forgotten_free(struct subtask *subtask)
{
    struct snapshot **at = &subtask->forgotten;

    while (*at) {
        struct snapshot *old = *at;

        if (!work_done(&old->work)) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        snapshot_close(old);
    }
}

bool snapshot_poll(struct subtask *subtask)
{
    struct store_snapshot files = {0};
    enum store_result result = STORE_READY;
    struct arena *arena;

    if (subtask->forgotten)
        forgotten_free(subtask);
    if (!subtask->snapshot || !work_done(&subtask->snapshot->work))
        return true;
    arena = arena_create(1024);
    if (subtask->store)
        result = store_barrier_poll(subtask->store, arena, &files, &subtask->err);
    if (result == STORE_READY)
        snapshot_report(subtask, &files);
    arena_close(arena);
    return result != STORE_FAILED;
}

void snapshot_forget(struct subtask *subtask, uint64_t checkpoint)
{
    if (subtask->snapshot && subtask->snapshot->checkpoint <= checkpoint)
        snapshot_drop(subtask);
}

void snapshots_close(struct subtask *subtask)
{
    struct snapshot *next;

    snapshot_drop(subtask);
    for (struct snapshot *old = subtask->forgotten; old; old = next) {
        next = old->next;
        executor_wait(subtask->host->executor, &old->work);
        snapshot_close(old);
    }
    subtask->forgotten = NULL;
}

/* ---- restoring ---- */
struct restored { /* by operator of the chain */
    bool found;
    int64_t watermark_ms, told_ms, row_ms;
};

static struct op *op_find(const struct subtask *subtask, const char *id)
{
    for (uint32_t i = 0; i < subtask->op_count; i++)
        if (strcmp(subtask->ops[i].id, id) == 0)
            return &subtask->ops[i];
    return NULL;
}

/* Former subtask i's unkeyed things go to i % parallelism: exactly one owner. */
static bool owns_former(const struct subtask *subtask, uint32_t former)
{
    return former % subtask->chain->parallelism == subtask->number;
}

/* With the same parallelism each goes on where its own former one was; otherwise at the lowest. */
static void restore_times(const struct subtask *subtask, const struct subtask_former *former,
                          const struct meta_op *from, struct restored *to)
{
    bool same = former->parallelism == subtask->chain->parallelism;

    if (same && former->subtask != subtask->number)
        return;
    if (!to->found || from->watermark_ms < to->watermark_ms)
        to->watermark_ms = from->watermark_ms;
    if (!to->found || from->told_ms < to->told_ms)
        to->told_ms = from->told_ms;
    if (!to->found || from->row_ms > to->row_ms)
        to->row_ms = from->row_ms;
    to->found = true;
}

static bool restore_bundles(struct op *op, const struct meta_op *from, struct error *err)
{
    for (uint32_t i = 0; i < from->bundle_count; i++)
        if (op->def->restore &&
            !op->def->restore(op, from->bundles[i].data, from->bundles[i].size, err))
            return error_wrap(err, "operator %s", op->id);
    return true;
}

static bool restore_former(struct subtask *subtask, const struct subtask_former *former,
                           const struct meta *meta, struct restored *restored, struct error *err)
{
    for (uint32_t i = 0; i < meta->op_count; i++) {
        const struct meta_op *from = &meta->ops[i];
        struct op *op = op_find(subtask, from->id);

        if (!op)
            continue;
        restore_times(subtask, former, from, &restored[op - subtask->ops]);
        for (uint32_t s = 0;
             subtask->source && op == subtask_head(subtask) && s < from->split_count; s++)
            (void)source_restore(subtask->source, &from->splits[s]); /* or another's */
        if (owns_former(subtask, former->subtask) && !restore_bundles(op, from, err))
            return false;
    }
    return true;
}

/* Rows of a keyed input whose key groups are this subtask's. */
static struct batch *own_rows(const struct subtask *subtask, const struct batch *batch)
{
    uint32_t groups = (uint32_t)subtask->plan->settings.job.key_groups, count = 0;
    uint32_t *rows = memory_array(batch->rows, sizeof(*rows));
    struct batch *own;

    for (uint32_t row = 0; row < batch->rows; row++)
        if (key_group_owner(key_group(batch_hash(batch)[row], groups), groups,
                            subtask->chain->parallelism) == subtask->number)
            rows[count++] = row;
    own = batch_gather(batch, rows, count);
    memory_free(rows);
    return own;
}

static bool restore_held(struct subtask *subtask, const struct subtask_former *former,
                         const struct meta *meta, struct error *err)
{
    const struct op *head = subtask_head(subtask);

    if (!subtask->gate || strcmp(meta->held_id, head->id) != 0)
        return true;
    for (uint32_t i = 0; i < meta->held_count; i++) {
        const struct meta_held *held = &meta->held[i];
        struct batch *batch;
        bool keyed;

        if (held->port >= head->input_count || !head->inputs[held->port].connected)
            return error_set(err, ERROR_STATE, head->id, NULL,
                             "rows were held for an input that "
                             "is not connected any more");
        keyed = head->inputs[held->port].keyed;
        if (!keyed && !owns_former(subtask, former->subtask))
            continue;
        batch = wire_decode(head->inputs[held->port].schema, held->data, held->size, err);
        if (!batch)
            return error_wrap(err, "held rows of operator %s", head->id);
        if (keyed && (!batch->columns[HIDDEN_HASH] || !batch->columns[HIDDEN_KEY])) {
            batch_release(&batch);
            return error_set(err, ERROR_STATE, head->id, NULL, "rows were held without keys");
        }
        if (keyed) {
            struct batch *own = own_rows(subtask, batch);

            batch_release(&batch);
            batch = own;
        }
        gate_put(subtask->gate, held->port, GATE_LANE_RESTORED, batch);
    }
    return true;
}

static bool restore_store(struct subtask *subtask, const struct subtask_restore *restore,
                          struct error *err)
{
    uint32_t count = 0, at = 0;
    const char **paths;
    struct store_file *files;
    bool good;

    if (!subtask->store)
        return true;
    for (uint32_t f = 0; f < restore->count; f++)
        count += restore->formers[f].file_count;
    paths = memory_array(count + 1ul, sizeof(*paths));
    files = memory_array(count + 1ul, sizeof(*files));
    for (uint32_t f = 0; f < restore->count; f++)
        for (uint32_t i = 0; i < restore->formers[f].file_count; i++, at++) {
            paths[at] = restore->formers[f].paths[i];
            files[at] = restore->formers[f].files[i];
        }
    good = store_restore(subtask->store, paths, files, count, err);
    memory_free(paths);
    memory_free(files);
    return good;
}

static void apply_times(struct subtask *subtask, const struct restored *restored)
{
    for (uint32_t i = 0; i < subtask->op_count; i++) {
        struct op *op = &subtask->ops[i];

        if (!restored[i].found)
            continue;
        op->watermark_ms = restored[i].watermark_ms;
        op->told_ms = restored[i].told_ms;
        op->row_ms = restored[i].row_ms;
        op_send_built(op); /* a publisher's restored rows */
        for (uint32_t p = 0; p < op->output_count; p++)
            for (uint32_t e = 0; e < op->outputs[p].edge_count; e++)
                if (!op->outputs[p].edges[e].child)
                    edge_watermark(&op->outputs[p].edges[e], op->watermark_ms);
    }
    if (!restored[0].found)
        return;
    if (subtask->source)
        source_restored(subtask->source, restored[0].watermark_ms);
    else
        input_restored(subtask->input, restored[0].watermark_ms);
    subtask->gate_sent_ms = restored[0].watermark_ms;
}

bool snapshot_restore(struct subtask *subtask, const struct subtask_restore *restore,
                      struct error *err)
{
    struct arena *arena = arena_create(1u << 16);
    struct restored *restored = arena_new(arena, subtask->op_count * sizeof(*restored));
    bool good = restore_store(subtask, restore, err);

    for (uint32_t f = 0; good && f < restore->count; f++) {
        const struct subtask_former *former = &restore->formers[f];
        struct meta meta;

        good = meta_decode(former->meta, former->meta_size, arena, &meta, err) &&
               restore_former(subtask, former, &meta, restored, err) &&
               restore_held(subtask, former, &meta, err);
    }
    if (good)
        apply_times(subtask, restored);
    arena_close(arena);
    return good;
}
