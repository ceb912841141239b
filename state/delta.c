/* Sealing, the barrier, and the stack of files of the newest state.
 *
 * A barrier only raises `open_from` of the segments that took cells since the last one, and queues
 * what they hold: a few nanoseconds a segment. Deltas are written one at a time, each bounded, so
 * that the memory of the sort is bounded too. */
#include "state/internal.h"

#include <stdio.h>
#include <unistd.h>

#define DELTA_BYTES_MAX (64u << 20) /* of cells a file, when there is no budget */
#define DELTA_BYTES_MIN (256u << 10)
#define DELTA_BUDGET_PART 8u /* of the budget: a sort takes a half of its cells' bytes */

/* ---- jobs ---- */

void job_submit(struct store *store, struct job *job, void (*run)(struct work *work))
{
    CHECK(!job->active);
    job->active = true;
    job->failed = false;
    job->work = (struct work){.run = run, .waker = store->config.waker};
    if (!store->inline_jobs) {
        executor_submit(store->config.executor, &job->work);
        return;
    }
    run(&job->work);
    atomic_store_explicit(&job->work.done, true, memory_order_release);
}

bool job_ended(struct store *store, struct job *job)
{
    if (!job->active || !work_done(&job->work))
        return false;
    job->active = false;
    if (job->failed)
        store_fail(store, &job->err);
    return true;
}

void job_wait(struct store *store, struct job *job)
{
    if (job->active)
        executor_wait(store->config.executor, &job->work);
    job->active = false;
}

/* ---- the stack ---- */

void stack_push(struct store *store, const struct stack_file *file)
{
    if (store->stack_count == store->stack_capacity) {
        store->stack_capacity = store->stack_capacity ? store->stack_capacity * 2 : 16;
        store->stack = memory_grow(store->stack, store->stack_capacity, sizeof(*store->stack));
    }
    store->stack[store->stack_count] = *file;
    store->stack[store->stack_count].file.base |= store->stack_count == 0;
    store->stack_count++;
}

/* A new base takes the place of the files that it was made of. Not while a snapshot is polled,
 * which must not change. Files that no snapshot has named go. */
void stack_rebase(struct store *store, const struct stack_file *base, uint32_t replaced)
{
    for (uint32_t i = 0; i < replaced; i++) {
        if (!store->stack[i].named)
            (void)unlink(store->stack[i].path); /* what stays is swept in the end */
        memory_free(store->stack[i].path);
    }
    store->stack[0] = *base;
    store->stack[0].file.base = true;
    memmove(store->stack + 1, store->stack + replaced,
            (store->stack_count - replaced) * sizeof(*store->stack));
    store->stack_count -= replaced - 1;
}

/* ---- deltas ---- */

/* By state id, pane, and then as they were sealed, so that the last of equal cells counts. */
static int extent_order(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    if (x->state_id != y->state_id)
        return x->state_id < y->state_id ? -1 : 1;
    if (x->pane_ms != y->pane_ms)
        return x->pane_ms < y->pane_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static struct part *parts_make(struct delta *delta, uint32_t *count)
{
    struct part *parts = memory_array(delta->extent_count + 1ul, sizeof(*parts));
    struct part *part = NULL;

    if (delta->extent_count)
        qsort(delta->extents, delta->extent_count, sizeof(*delta->extents), extent_order);
    *count = 0;
    for (uint32_t i = 0; i < delta->extent_count; i++) {
        const struct extent *extent = &delta->extents[i];

        if (!part || part->state != extent->state || part->pane_ms != extent->pane_ms) {
            part = &parts[(*count)++];
            *part = (struct part){
                .state = extent->state, .pane_ms = extent->pane_ms, .extents = extent};
        }
        part->count++;
    }
    return parts;
}

static void delta_run(struct work *work)
{
    struct delta *delta = (struct delta *)work;
    const struct store *store = delta->store;
    char *path = write_temp(store, "delta");
    uint32_t count;
    struct part *parts = parts_make(delta, &count);

    delta->job.failed = !write_file(store, parts, count, delta->layouts, WRITE_DELTA,
                                    delta->watermark_ms, path, &delta->job.err) ||
                        !write_finish(store, path, delta->sequence, &delta->out, &delta->job.err);
    memory_free(parts);
    memory_free(path);
}

static struct delta *delta_queue(struct store *store)
{
    struct delta *delta = memory_new(sizeof(*delta));

    delta->store = store;
    delta->sequence = ++store->sequence;
    delta->watermark_ms = atomic_load_explicit(&store->watermark_ms, memory_order_relaxed);
    delta->layouts = memory_array(store->config.state_count + 1ul, sizeof(*delta->layouts));
    for (uint32_t i = 0; i < store->config.state_count; i++)
        delta->layouts[i] = store->states[i].layout;
    *store->deltas_end = delta;
    store->deltas_end = &delta->next;
    return delta;
}

static void delta_free(struct store *store, struct delta *delta)
{
    for (uint32_t i = 0; i < delta->extent_count; i++)
        segments_unbusy(&store->log, delta->extents[i].segment);
    memory_free(delta->extents);
    memory_free(delta->layouts);
    memory_free(delta);
}

static uint64_t delta_bytes_max(const struct store *store)
{
    uint64_t part = store->config.memory_bytes / DELTA_BUDGET_PART;

    if (!store->config.memory_bytes || part > DELTA_BYTES_MAX)
        return DELTA_BYTES_MAX;
    return part < DELTA_BYTES_MIN ? DELTA_BYTES_MIN : part;
}

static void extent_add(struct delta *delta, const struct segments *log, struct segment *segment)
{
    const uint8_t *data = log->places[segment->id].data;
    const struct group *group = segment->owner->group;

    if (delta->extent_count == delta->extent_capacity) {
        delta->extent_capacity = delta->extent_capacity ? delta->extent_capacity * 2 : 16;
        delta->extents = memory_grow(delta->extents, delta->extent_capacity, sizeof(struct extent));
    }
    delta->extents[delta->extent_count] =
        (struct extent){.segment = segment,
                        .begin = data + segment->sealed,
                        .end = data + segment->used,
                        .order = delta->extent_count,
                        .state = (uint32_t)(group->state - delta->store->states),
                        .state_id = group->state->layout.id,
                        .pane_ms = group->pane_ms};
    delta->extent_count++;
    delta->bytes += segment->used - segment->sealed;
    segment->busy++;
}

void delta_seal(struct store *store, struct segment *const *segments, uint32_t count)
{
    struct delta *delta = NULL;
    uint64_t bytes_max = delta_bytes_max(store);

    for (uint32_t i = 0; i < count; i++) {
        struct segment *segment = segments[i];

        if (segment->used == segment->sealed)
            continue;
        if (!delta || delta->bytes >= bytes_max)
            delta = delta_queue(store);
        extent_add(delta, &store->log, segment);
        segments_seal(&store->log, segment);
    }
}

static void delta_complete(struct store *store, struct delta *delta)
{
    for (uint32_t i = 0; i < delta->extent_count; i++) {
        const struct extent *extent = &delta->extents[i];
        const uint8_t *data = store->log.places[extent->segment->id].data;

        extent->segment->written = (uint32_t)(extent->end - data);
    }
    store->written_bytes += delta->out.file.size;
    stack_push(store, &delta->out);
    store->deltas = delta->next;
    if (!store->deltas)
        store->deltas_end = &store->deltas;
    delta_free(store, delta);
}

bool delta_drive(struct store *store)
{
    while (!store->failed && store->deltas) {
        struct delta *delta = store->deltas;

        if (!delta->job.active)
            job_submit(store, &delta->job, delta_run);
        if (!job_ended(store, &delta->job))
            break;
        if (!delta->job.failed)
            delta_complete(store, delta);
    }
    return !store->failed;
}

void delta_close(struct store *store)
{
    struct delta *next;

    for (struct delta *delta = store->deltas; delta; delta = next) {
        next = delta->next;
        job_wait(store, &delta->job);
        memory_free(delta->out.path);
        delta_free(store, delta);
    }
    store->deltas = NULL;
    for (uint32_t i = 0; i < store->stack_count; i++)
        memory_free(store->stack[i].path);
    memory_free(store->stack);
}

/* ---- the barrier ---- */

static void barrier_seal(struct store *store)
{
    struct segments *log = &store->log;
    uint64_t before = store->sequence;

    delta_seal(store, log->dirty, log->dirty_count);
    segments_undirty(log);
    if (store->floors_changed && store->sequence == before) /* those that wait have older floors */
        delta_queue(store); /* nothing but the description, which has the floors */
    store->floors_changed = false;
}

static void watermark_raise(struct store *store, int64_t watermark_ms, int64_t step_ms)
{
    int64_t old_ms = atomic_load_explicit(&store->watermark_ms, memory_order_relaxed), step;

    if (watermark_ms > old_ms &&
        (__builtin_sub_overflow(watermark_ms, old_ms, &step) || step >= step_ms))
        atomic_store_explicit(&store->watermark_ms, watermark_ms, memory_order_relaxed);
}

void store_watermark(struct store *store, int64_t watermark_ms)
{
    watermark_raise(store, watermark_ms, store->expiry_step_ms);
}

void store_barrier(struct store *store, uint64_t checkpoint, int64_t watermark_ms)
{
    const struct clock *clock = store->config.clock;
    int64_t begin_ns = clock ? clock_now_ns(clock) : 0;

    store->barrier = checkpoint;
    store->barrier_pending = true;
    watermark_raise(store, watermark_ms, 1);
    base_adopt(store);
    barrier_seal(store);
    store->barrier_sequence = store->sequence;
    if (!store->failed && store->deltas && !store->deltas->job.active)
        job_submit(store, &store->deltas->job, delta_run);
    if (clock && clock_now_ns(clock) - begin_ns > store->barrier_max_ns)
        store->barrier_max_ns = clock_now_ns(clock) - begin_ns;
}

static void snapshot_fill(struct store *store, struct arena *arena, struct store_snapshot *snapshot)
{
    snapshot->count = 0;
    snapshot->files = arena_new(arena, (store->stack_count + 1ul) * sizeof(*snapshot->files));
    for (uint32_t i = 0; i < store->stack_count; i++) {
        struct stack_file *file = &store->stack[i];

        if (file->sequence > store->barrier_sequence)
            break;
        file->named = true;
        snapshot->files[snapshot->count] = file->file;
        snapshot->files[snapshot->count++].path = arena_text(arena, file->path);
    }
}

enum store_result store_barrier_poll(struct store *store, struct arena *arena,
                                     struct store_snapshot *snapshot, struct error *err)
{
    CHECK(store->barrier_pending);
    if (!delta_drive(store)) {
        *err = store->err;
        return STORE_FAILED;
    }
    if (store->deltas && store->deltas->sequence <= store->barrier_sequence)
        return STORE_LOADING;
    snapshot_fill(store, arena, snapshot);
    store->barrier_pending = false;
    return STORE_READY;
}
