/* Partitioners, builders and what waits for room; see output.h. */
#include "runtime/task/output.h"

#include "runtime/base/check.h"
#include "runtime/task/subtask.h"

#define WHOLE_ROWS_MIN (BATCH_ROWS_MAX / 4) /* smaller batches are gathered into larger ones */
#define WHOLE_BYTES_MIN (16u << 10)         /* but for those of so many bytes: copies cost more */
#define LOCAL_ROWS_MAX (BATCH_ROWS_MAX / 2) /* that go whole to a reader that has not kept up */
#define TARGET_BATCHES 4                    /* that a channel's bound has room for, at least */
#define TARGET_ROWS_MIN 16                  /* of a batch that is cut for this */

/* ---- targets ---- */
static void target_wait(struct target *target, const struct element *element)
{
    if (target->count == target->capacity) {
        uint32_t capacity = target->capacity ? target->capacity * 2 : 8;
        struct element *ring = memory_array(capacity, sizeof(*ring));

        for (uint32_t i = 0; i < target->count; i++)
            ring[i] = target->waiting[(target->head + i) & (target->capacity - 1)];
        memory_free(target->waiting);
        target->waiting = ring;
        target->head = 0;
        target->capacity = capacity;
    }
    target->waiting[(target->head + target->count++) & (target->capacity - 1)] = *element;
}

/* Takes the element's batch. */
static void target_put(struct edge_out *edge, struct target *target, struct element element)
{
    if (target->count == 0 && channel_put(target->channel, &element))
        return;
    target_wait(target, &element);
    edge->subtask->waiting = true;
}

/* Takes the batch. The first target of a broadcast stands for all. */
static void target_batch(struct edge_out *edge, struct target *target, struct batch *batch)
{
    uint32_t count = edge->partition == PARTITION_BROADCAST ? edge->target_count : 1;

#ifdef MILLRACE_CHECK_HEAVY
    batch_check(batch, edge->schema);
#endif
    for (uint32_t i = 0; i < count; i++) {
        batch_ref(batch);
        target_put(edge, target + i, (struct element){.kind = ELEMENT_BATCH, .batch = batch});
    }
    batch_release(&batch);
}

static void target_flush(struct edge_out *edge, struct target *target)
{
    struct batch *batch = target->builder ? builder_finish(target->builder) : NULL;

    if (batch)
        target_batch(edge, target, batch);
}

/* How many rows a batch to this target may have: of a channel with a small bound a part of it, as a
 * bound means little when it is passed by a batch. */
static uint32_t target_rows(const struct edge_out *edge, const struct target *target,
                            const struct batch *batch)
{
    size_t row_bytes = batch_bytes(batch) / batch->rows + 1;
    size_t rows = channel_limit(target->channel) / TARGET_BATCHES / row_bytes;
    uint32_t cut = subtask_cut(edge->subtask);

    rows = rows < TARGET_ROWS_MIN ? TARGET_ROWS_MIN : rows;
    return rows < cut ? (uint32_t)rows : cut;
}

/* Rows of a batch, in full batches as far as they go. A batch that is cut counts as a full one: under
 * a small bound watermarks come as often as batches, so that gates downstream do not fill up. */
static void target_append(struct edge_out *edge, struct target *target, const struct batch *batch,
                          const uint32_t *rows, uint32_t count)
{
    if (!target->builder)
        target->builder = builder_create(edge->schema, edge->keyed);
    while (count > 0) {
        uint32_t room = target_rows(edge, target, batch), have = builder_rows(target->builder);
        uint32_t some;

        room = have < room ? room - have : 1;
        some = count < room ? count : room;
        builder_append(target->builder, batch, rows, some);
        if (some == room) {
            target_flush(edge, target);
            edge->rows += have + some < BATCH_ROWS_MAX ? BATCH_ROWS_MAX - have - some : 0;
        }
        rows += some;
        count -= some;
    }
}

/* Whether it need not be cut although a channel's bound asks for it: within a process a batch is a
 * reference, and what comes seldom has a small bound though its reader is fast. */
static bool passes_bound(const struct edge_out *edge, const struct target *target, uint32_t rows)
{
    bool alone = edge->partition != PARTITION_BROADCAST || edge->target_count == 1;

    return target->local && alone && rows <= subtask_cut(edge->subtask) &&
           (rows <= LOCAL_ROWS_MAX || channel_bytes(target->channel) == 0);
}

/* Whether to pass a batch on rather than copy it into larger or smaller ones. */
static bool goes_whole(const struct edge_out *edge, const struct target *target,
                       const struct batch *batch, uint32_t bound)
{
    uint32_t rows = batch->selected;

    if (rows < WHOLE_ROWS_MIN && batch_bytes(batch) / batch->rows * rows < WHOLE_BYTES_MIN)
        return false;
    return rows <= bound || passes_bound(edge, target, rows);
}

/* A batch all of whose rows go to one target (or to all: broadcast). What would have been gathered or
 * cut counts as full, like what is. */
static void target_whole(struct edge_out *edge, struct target *target, struct batch *batch)
{
    uint32_t rows[BATCH_ROWS_MAX], count = batch->selected;
    uint32_t bound = target_rows(edge, target, batch);

    if (goes_whole(edge, target, batch, bound)) {
        target_flush(edge, target);
        target_batch(edge, target, batch_dense(batch));
        if (count < WHOLE_ROWS_MIN || count > bound)
            edge->rows += BATCH_ROWS_MAX - count;
        return;
    }
    for (uint32_t at = 0, some; at < batch->selected; at += some) {
        some = batch->selected - at < BATCH_ROWS_MAX ? batch->selected - at : BATCH_ROWS_MAX;
        for (uint32_t k = 0; k < some; k++)
            rows[k] = batch_row(batch, at + k);
        target_append(edge, target, batch, rows, some);
    }
}

/* ---- partitioners ---- */
static uint32_t key_target(const struct edge_out *edge, uint64_t hash, uint32_t groups)
{
    return edge->owners[key_group(hash, groups)];
}

static void targets_of(const struct edge_out *edge, const struct batch *batch, uint32_t at,
                       uint32_t count, uint32_t *targets)
{
    uint32_t groups = (uint32_t)edge->subtask->plan->settings.job.key_groups;
    const int64_t *direct;

    if (edge->partition == PARTITION_KEY) {
        const uint64_t *hash = batch_hash(batch);

        for (uint32_t k = 0; k < count; k++)
            targets[k] = key_target(edge, hash[batch_row(batch, at + k)], groups);
        return;
    }
    direct = batch_column(batch, edge->direct_column)->values;
    for (uint32_t k = 0; k < count; k++)
        targets[k] = (uint32_t)((uint64_t)direct[batch_row(batch, at + k)] % edge->target_count);
}

/* Sorts up to BATCH_ROWS_MAX rows by target (counting, stable) and appends each share. */
static void edge_split(struct edge_out *edge, const struct batch *batch, uint32_t at,
                       uint32_t count)
{
    uint32_t targets[BATCH_ROWS_MAX], rows[BATCH_ROWS_MAX];
    uint32_t ends[PARALLELISM_MAX + 1];

    targets_of(edge, batch, at, count, targets);
    for (uint32_t t = 0; t <= edge->target_count; t++)
        ends[t] = 0;
    for (uint32_t k = 0; k < count; k++)
        ends[targets[k] + 1]++;
    for (uint32_t t = 0; t < edge->target_count; t++)
        ends[t + 1] += ends[t];
    for (uint32_t k = 0; k < count; k++)
        rows[ends[targets[k]]++] = batch_row(batch, at + k);
    for (uint32_t t = 0, begin = 0; t < edge->target_count; begin = ends[t++])
        if (ends[t] > begin)
            target_append(edge, &edge->targets[t], batch, rows + begin, ends[t] - begin);
}

static void edge_partition(struct edge_out *edge, struct batch *batch)
{
    edge->rows += batch->selected;
    if (edge->target_count == 0)
        return;
    switch (edge->partition) {
    case PARTITION_REBALANCE:
        edge->next = (edge->next + 1) % edge->target_count;
        target_whole(edge, &edge->targets[edge->next], batch);
        return;
    case PARTITION_ABREAST:
        target_whole(edge, &edge->targets[edge->next], batch);
        return;
    case PARTITION_KEY:
    case PARTITION_DIRECT:
        if (edge->target_count > 1)
            break;
        target_whole(edge, &edge->targets[0], batch);
        return;
    case PARTITION_FORWARD:
    case PARTITION_BROADCAST:
        target_whole(edge, &edge->targets[0], batch);
        return;
    }
    for (uint32_t at = 0; at < batch->selected; at += BATCH_ROWS_MAX)
        edge_split(edge, batch, at,
                   batch->selected - at < BATCH_ROWS_MAX ? batch->selected - at : BATCH_ROWS_MAX);
}

/* With key columns where the reader needs them; few selected rows are taken out first. */
static struct batch *edge_batch(const struct edge_out *edge, struct batch *batch)
{
    struct batch *dense, *keyed;

    if (!edge->keyed) {
        batch_ref(batch);
        return batch;
    }
    if (batch->selected > batch->rows / 2)
        return key_batch(batch, edge->key, edge->key_count);
    dense = batch_dense(batch);
    keyed = key_batch(dense, edge->key, edge->key_count);
    batch_release(&dense);
    return keyed;
}

/* The columns that go on. One reference. */
static struct batch *edge_project(const struct edge_out *edge, struct batch *batch)
{
    if (edge->columns)
        return batch_project(batch, edge->columns, edge->schema->count);
    batch_ref(batch);
    return batch;
}

void edge_send(struct edge_out *edge, struct batch *batch)
{
    struct batch *projected = edge_project(edge, batch);
    struct batch *sent = edge_batch(edge, projected);

    batch_release(&projected);
    if (edge->child) {
        struct item *item = items_push(&edge->child->items);

        item->port = edge->child_port;
        item->batch = sent;
        return;
    }
    edge_partition(edge, sent);
    batch_release(&sent);
}

static struct column *version_column(int64_t version_ms, uint32_t rows)
{
    struct column *column = column_create(TYPE_TIMESTAMP, rows);
    int64_t *values;

    column->blocks[0] = block_create((rows + 1ul) * sizeof(*values));
    values = (int64_t *)(void *)column->blocks[0]->data;
    for (uint32_t i = 0; i < rows; i++)
        values[i] = version_ms;
    column->values = values;
    return column;
}

/* What `versions` asks for: the last columns of the schema, which a builder has left null and a batch
 * that was emitted lacks. */
static struct batch *with_versions(const struct op *op, const struct batch *batch)
{
    uint32_t own = op->outputs[0].schema->count - op->plan->version_count, count = 0,
             columns[COLUMNS_MAX];
    struct column *added[TABLES_MAX];
    struct batch *plain, *wide;

    for (uint32_t i = 0; i < own; i++)
        columns[i] = i;
    for (uint32_t i = 0; i < TABLES_MAX; i++)
        if (op_table_given(op, i))
            added[count++] = version_column(op_table_version(op, i), batch->rows);
    CHECK(count == op->plan->version_count);
    plain = batch_project(batch, columns, own);
    wide = batch_with_all(plain, added, count);
    batch_release(&plain);
    return wide;
}

static void send_all(struct output *output, struct batch *batch)
{
#ifdef MILLRACE_CHECK_HEAVY
    batch_check(batch, output->schema);
#endif
    for (uint32_t e = 0; e < output->edge_count; e++)
        edge_send(&output->edges[e], batch);
}

void output_send(struct op *op, uint32_t port, struct batch *batch)
{
    struct output *output = &op->outputs[port];
    struct batch *wide;

    if (batch->selected == 0)
        return;
    figure_add(&op->rows_out[port], batch->selected);
    if (port > 0 || op->plan->version_count == 0) {
        send_all(output, batch);
        return;
    }
    wide = with_versions(op, batch);
    send_all(output, wide);
    batch_release(&wide);
}

/* ---- watermarks and barriers ---- */
static void target_watermark(struct edge_out *edge, struct target *target)
{
    if (edge->watermark_ms <= target->sent_ms)
        return;
    target_put(edge, target,
               (struct element){.kind = ELEMENT_WATERMARK, .time_ms = edge->watermark_ms});
    target->sent_ms = edge->watermark_ms;
    edge->rows = 0;
}

/* `all`: also of targets that wait for room. A broadcast has one builder, the first target's. */
static void edge_flush(struct edge_out *edge, bool all)
{
    all = all || edge->partition == PARTITION_BROADCAST;
    for (uint32_t t = 0; t < edge->target_count; t++)
        if (all || edge->targets[t].count == 0) {
            target_flush(edge, &edge->targets[t]);
            target_watermark(edge, &edge->targets[t]);
        }
}

void edge_watermark(struct edge_out *edge, int64_t time_ms)
{
    struct item *item;

    if (edge->child) {
        item = items_push(&edge->child->items);
        item->kind = ITEM_WATERMARK;
        item->time_ms = time_ms;
        return;
    }
    if (time_ms > edge->watermark_ms)
        edge->watermark_ms = time_ms;
    if (time_ms == INT64_MAX || edge->rows >= edge->target_count * BATCH_ROWS_MAX ||
        (edge->subtask->host->chaos && random_below(&edge->subtask->random, 4) == 0))
        edge_flush(edge, true);
}

static void each_edge(struct subtask *subtask, void (*each)(struct edge_out *edge, void *context),
                      void *context)
{
    for (uint32_t i = 0; i < subtask->op_count; i++)
        for (uint32_t p = 0; p < subtask->ops[i].output_count; p++)
            for (uint32_t e = 0; e < subtask->ops[i].outputs[p].edge_count; e++)
                if (!subtask->ops[i].outputs[p].edges[e].child)
                    each(&subtask->ops[i].outputs[p].edges[e], context);
}

static void flush_each(struct edge_out *edge, void *context)
{
    (void)context;
    edge_flush(edge, false);
}

void outputs_flush(struct subtask *subtask)
{
    each_edge(subtask, flush_each, NULL);
}

static void barrier_each(struct edge_out *edge, void *context)
{
    const struct element *barrier = context;

    edge_flush(edge, true);
    for (uint32_t t = 0; t < edge->target_count; t++)
        target_put(edge, &edge->targets[t], *barrier);
}

void outputs_barrier(struct subtask *subtask, uint64_t checkpoint, bool final)
{
    struct element barrier = {.kind = ELEMENT_BARRIER, .checkpoint = checkpoint, .final = final};

    each_edge(subtask, barrier_each, &barrier);
}

static void pump_each(struct edge_out *edge, void *context)
{
    bool *waiting = context;

    for (uint32_t t = 0; t < edge->target_count; t++) {
        struct target *target = &edge->targets[t];

        while (
            target->count > 0 &&
            channel_put(target->channel, &target->waiting[target->head & (target->capacity - 1)])) {
            target->head++;
            target->count--;
        }
        *waiting = *waiting || target->count > 0;
    }
}

bool outputs_pump(struct subtask *subtask)
{
    bool waiting = false;

    if (!subtask->waiting)
        return true;
    each_edge(subtask, pump_each, &waiting);
    subtask->waiting = waiting;
    return !waiting;
}

/* ---- life ---- */
void edge_open(struct edge_out *edge, uint32_t key_groups)
{
    CHECK(edge->target_count <= PARALLELISM_MAX);
    edge->watermark_ms = INT64_MIN;
    for (uint32_t t = 0; t < edge->target_count; t++)
        edge->targets[t].sent_ms = INT64_MIN;
    if (edge->partition != PARTITION_KEY || edge->child || edge->target_count == 0)
        return;
    edge->owners = memory_array(key_groups, sizeof(*edge->owners));
    for (uint32_t g = 0; g < key_groups; g++)
        edge->owners[g] = key_group_owner(g, key_groups, edge->target_count);
}

void edge_close(struct edge_out *edge)
{
    for (uint32_t t = 0; t < edge->target_count; t++) {
        struct target *target = &edge->targets[t];

        builder_close(target->builder);
        for (; target->count > 0; target->count--)
            batch_release(&target->waiting[target->head++ & (target->capacity - 1)].batch);
        memory_free(target->waiting);
    }
    memory_free(edge->owners);
}
