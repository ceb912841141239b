/* What a new subtask takes over from former ones; see snapshot.h. */
#include "runtime/task/snapshot.h"

#include "runtime/base/check.h"
#include "runtime/batch/wire.h"
#include "runtime/task/gate.h"
#include "runtime/task/input.h"
#include "runtime/task/meta.h"

#include <string.h>

#define GATE_LANE_RESTORED UINT32_MAX /* of rows that were held before a restore */

struct resume {
    struct subtask *subtask;
    const struct subtask_restore *restore;
    struct arena *arena;
    struct meta *metas;  /* by former */
    struct gate **gates; /* by operator: of rows that were held for one that now has no gate */
};

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

static void former_times(const struct subtask *subtask, const struct subtask_former *former,
                         const struct meta *meta, struct restored *restored)
{
    for (uint32_t i = 0; i < meta->op_count; i++) {
        const struct op *op = op_find(subtask, meta->ops[i].id);

        if (op)
            restore_times(subtask, former, &meta->ops[i], &restored[op - subtask->ops]);
    }
}

static bool restore_former(struct subtask *subtask, const struct subtask_former *former,
                           const struct meta *meta, struct error *err)
{
    for (uint32_t i = 0; i < meta->op_count; i++) {
        const struct meta_op *from = &meta->ops[i];
        struct op *op = op_find(subtask, from->id);

        if (!op)
            continue;
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

/* Where rows that were held for an operator go: into its gate, or, since at another parallelism it
 * may have none, into one that is emptied into its items before anything else comes. */
static struct gate *gate_for(struct resume *resume, const struct op *op)
{
    struct subtask *subtask = resume->subtask;
    struct gate **gate = &resume->gates[op - subtask->ops];

    if (subtask->gate && op == subtask_head(subtask))
        return subtask->gate;
    if (!*gate)
        *gate = gate_create(op->plan, NULL, 0);
    return *gate;
}

static bool reads_tables(const struct op *op)
{
    for (uint32_t i = 0; i < TABLES_MAX; i++)
        if (op->tables[i].reader)
            return true;
    return false;
}

static bool restore_batch(struct resume *resume, const struct subtask_former *former,
                          const struct op *op, const struct meta_held *held, struct error *err)
{
    struct subtask *subtask = resume->subtask;
    struct batch *batch, *own;
    bool keyed;

    if (held->port >= op->input_count || !op->inputs[held->port].connected)
        return error_set(err, ERROR_CONFIG, op->id, "connect it as it was",
                         "rows were held for an input that is not connected any more");
    if (op != subtask_head(subtask) && reads_tables(op))
        return error_set(err, ERROR_CONFIG, op->id, "go on with the operators as they were",
                         "rows were held until its tables are there, and it follows %s now, which "
                         "waits for them in its place",
                         subtask_head(subtask)->id);
    keyed = op->inputs[held->port].keyed;
    if (!keyed && !owns_former(subtask, former->subtask))
        return true;
    batch = wire_decode(op->inputs[held->port].schema, held->data, held->size, err);
    if (!batch)
        return error_wrap(err, "held rows of operator %s", op->id);
    if (keyed && (!batch->columns[HIDDEN_HASH] || !batch->columns[HIDDEN_KEY])) {
        batch_release(&batch);
        return error_set(err, ERROR_STATE, op->id, NULL, "rows were held without keys");
    }
    if (keyed) {
        own = own_rows(subtask, batch);
        batch_release(&batch);
        batch = own;
    }
    gate_put(gate_for(resume, op), held->port, GATE_LANE_RESTORED, batch);
    return true;
}

static bool restore_held(struct resume *resume, const struct subtask_former *former,
                         const struct meta *meta, struct error *err)
{
    const struct op *op = op_find(resume->subtask, meta->held_id);

    for (uint32_t i = 0; op && i < meta->held_count; i++)
        if (!restore_batch(resume, former, op, &meta->held[i], err))
            return false;
    return true;
}

/* Rows whose operator has no gate any more go first: what comes later is not earlier in time. */
static void release_held(struct resume *resume)
{
    struct subtask *subtask = resume->subtask;

    for (uint32_t i = 0; i < subtask->op_count; i++) {
        while (resume->gates[i] &&
               gate_release(resume->gates[i], INT64_MAX, &subtask->ops[i].items))
            continue;
        gate_close(resume->gates[i]);
        resume->gates[i] = NULL;
    }
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

/* What the operators are opened with. */
static void apply_times(struct subtask *subtask, const struct restored *restored)
{
    for (uint32_t i = 0; i < subtask->op_count; i++) {
        struct op *op = &subtask->ops[i];

        if (!restored[i].found)
            continue;
        op->watermark_ms = restored[i].watermark_ms;
        op->told_ms = op->telling_ms = restored[i].told_ms;
        op->row_ms = restored[i].row_ms;
    }
}

/* Readers hear of the restored watermarks before anything else, but after restored rows of tables. */
static void send_times(struct subtask *subtask)
{
    for (uint32_t i = 0; i < subtask->op_count; i++) {
        struct op *op = &subtask->ops[i];

        op_send_built(op);
        for (uint32_t p = 0; p < op->output_count; p++)
            for (uint32_t e = 0; e < op->outputs[p].edge_count; e++)
                if (!op->outputs[p].edges[e].child && op->watermark_ms != INT64_MIN)
                    edge_watermark(&op->outputs[p].edges[e], op->watermark_ms);
    }
    if (subtask->source)
        source_restored(subtask->source, subtask_head(subtask)->watermark_ms);
    else
        input_restored(subtask->input, subtask_head(subtask)->watermark_ms);
    subtask->gate_sent_ms = subtask_head(subtask)->watermark_ms;
}

struct resume *resume_open(struct subtask *subtask, const struct subtask_restore *restore,
                           struct error *err)
{
    struct resume *resume = memory_new(sizeof(*resume));
    struct restored *restored;

    resume->subtask = subtask;
    resume->restore = restore;
    resume->arena = arena_create(1u << 14);
    resume->metas = arena_new(resume->arena, (restore->count + 1) * sizeof(*resume->metas));
    resume->gates = arena_new(resume->arena, (subtask->op_count + 1) * sizeof(*resume->gates));
    restored = arena_new(resume->arena, subtask->op_count * sizeof(*restored));
    for (uint32_t f = 0; f < restore->count; f++) {
        if (!meta_decode(restore->formers[f].meta, restore->formers[f].meta_size, resume->arena,
                         &resume->metas[f], err)) {
            resume_close(resume);
            return NULL;
        }
        former_times(subtask, &restore->formers[f], &resume->metas[f], restored);
    }
    apply_times(subtask, restored);
    return resume;
}

bool resume_apply(struct resume *resume, struct error *err)
{
    const struct subtask_restore *restore = resume->restore;
    struct subtask *subtask = resume->subtask;

    if (!restore_store(subtask, restore, err))
        return false;
    for (uint32_t f = 0; f < restore->count; f++)
        if (!restore_former(subtask, &restore->formers[f], &resume->metas[f], err) ||
            !restore_held(resume, &restore->formers[f], &resume->metas[f], err))
            return false;
    release_held(resume);
    send_times(subtask);
    return true;
}

void resume_close(struct resume *resume)
{
    if (!resume)
        return;
    for (uint32_t i = 0; i < resume->subtask->op_count; i++)
        gate_close(resume->gates[i]); /* after a failure */
    arena_close(resume->arena);
    memory_free(resume);
}
