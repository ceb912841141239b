/* See snapshot.h. */
#include "runtime/task/snapshot.h"

#include "runtime/base/check.h"
#include "runtime/task/meta.h"

struct snapshot {
    struct work work; /* first: the executor gives it back */
    struct snapshot *next;
    uint64_t checkpoint;
    const char *held_id;
    const struct schema *schemas[PORTS_MAX];
    struct held_rows *held;
    uint32_t held_count;
    struct bytes meta;
    struct later *later; /* runs in order */
    struct error err;    /* of those */
    bool failed;
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

    for (struct later *later = snapshot->later; later && !snapshot->failed; later = later->next)
        snapshot->failed = !later->run(later->context, &snapshot->err) &&
                           !error_wrap(&snapshot->err, "operator %s", later->id);
    meta_encode_held(snapshot->held_id, snapshot->schemas, snapshot->held, snapshot->held_count,
                     &snapshot->meta);
}

static void later_end(struct later *later)
{
    for (struct later *next; later; later = next) {
        next = later->next;
        later->end(later->context);
        memory_free(later);
    }
}

static void snapshot_close(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    later_end(snapshot->later);
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

void snapshot_begin(struct subtask *subtask, uint64_t checkpoint)
{
    struct snapshot *snapshot = memory_new(sizeof(*snapshot));
    const struct op *head = subtask_head(subtask);

    snapshot_drop(subtask);
    snapshot->checkpoint = checkpoint;
    snapshot->later = subtask->later;
    subtask->later = NULL;
    snapshot->held_id = subtask->gate ? head->id : "";
    for (uint32_t i = 0; i < head->input_count; i++)
        snapshot->schemas[i] = head->inputs[i].schema;
    snapshot->held = subtask->gate ? gate_held(subtask->gate, &snapshot->held_count) : NULL;
    meta_encode_ops(subtask, &snapshot->meta);
    if (subtask->store)
        store_barrier(subtask->store, checkpoint, subtask_watermark(subtask));
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

static bool snapshot_good(struct subtask *subtask, const struct snapshot *snapshot)
{
    if (snapshot->failed)
        subtask->err = snapshot->err;
    return !snapshot->failed;
}

static bool forgotten_free(struct subtask *subtask)
{
    struct snapshot **at = &subtask->forgotten;
    bool good = true;

    while (*at) {
        struct snapshot *old = *at;

        if (!work_done(&old->work)) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        good = snapshot_good(subtask, old) && good;
        snapshot_close(old);
    }
    return good;
}

/* What a sink gave at a barrier that was given up must be on the disk for the next one too. */
bool snapshot_poll(struct subtask *subtask)
{
    struct store_snapshot files = {0};
    enum store_result result = STORE_READY;
    struct arena *arena;

    if (subtask->forgotten && !forgotten_free(subtask))
        return false;
    if (!subtask->snapshot || subtask->forgotten || !work_done(&subtask->snapshot->work))
        return true;
    if (!snapshot_good(subtask, subtask->snapshot))
        return false;
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

    later_end(subtask->later);
    subtask->later = NULL;
    snapshot_drop(subtask);
    for (struct snapshot *old = subtask->forgotten; old; old = next) {
        next = old->next;
        executor_wait(subtask->host->executor, &old->work);
        snapshot_close(old);
    }
    subtask->forgotten = NULL;
}
