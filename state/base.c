/* A new base: the files of the stack, merged into one in pieces of some 30 ms, so that the pool
 * stays free for loads. Its inputs are the oldest files, whose number does not change meanwhile:
 * deltas are only added behind them. It enters the stack when no snapshot is being polled. */
#include "state/checkpoint_store.h"
#include "state/merge.h"
#include "state/sst.h"

#include <unistd.h>

#define PIECE_CELLS 65536u
#define STACK_FILES_MAX 64u /* a merge begins at the latest then */
#define STACK_FILES_MIN 4u

struct base_job {
    struct job job;
    const struct store *store;
    struct store_file *files; /* to be verified before they are read */
    struct merge_input *inputs;
    uint32_t input_count;
    uint64_t sequence;
    int64_t watermark_ms;
    struct layout *layouts;
    struct merge *merge;
    struct sst_writer *writer;
    char *path;
    uint8_t *value;
    bool ended; /* `out` is there */
    struct stack_file out;
};

static bool base_verify(struct base_job *base, struct error *err)
{
    for (uint32_t i = 0; i < base->input_count; i++) {
        uint64_t size, checksum;

        if (!file_sum(base->inputs[i].path, &size, &checksum, err))
            return false;
        if (size != base->files[i].size || checksum != base->files[i].checksum)
            return error_set(err, ERROR_STATE, base->inputs[i].path, "check that disk",
                             "damaged state file: its checksum is not the one it was written with");
    }
    return true;
}

static bool base_begin(struct base_job *base, struct error *err)
{
    const struct store *store = base->store;
    struct bytes meta = {0};
    bool ok;

    base->path = write_temp(store, "base");
    (void)unlink(base->path);
    if (!base_verify(base, err))
        return false;
    base->merge = merge_open(store, base->inputs, base->input_count, true, base->watermark_ms, err);
    if (!base->merge)
        return false;
    base->writer = sst_writer_create(base->path, false, err);
    if (!base->writer)
        return false;
    file_meta_write(base->layouts, store->config.state_count, &meta);
    ok = sst_writer_put(base->writer, file_meta_key, FILE_META_KEY_SIZE, meta.data, meta.size, err);
    bytes_clear(&meta);
    return ok;
}

static bool base_put(struct base_job *base, const struct merged *merged, struct error *err)
{
    uint8_t key[FILE_KEY_MAX];
    uint32_t size = file_key(base->layouts[merged->state].kind, &merged->cell, key);
    uint32_t head = file_value_head(&merged->cell, base->value);

    memcpy(base->value + head, merged->cell.value, merged->cell.size);
    return sst_writer_put(base->writer, key, size, base->value, head + merged->cell.size, err);
}

static bool base_piece(struct base_job *base, struct error *err)
{
    struct merged merged;

    if (!base->merge && !base_begin(base, err))
        return false;
    for (uint32_t i = 0; i < PIECE_CELLS; i++) {
        enum merge_result result = merge_next(base->merge, &merged, err);

        if (result == MERGE_FAILED)
            return false;
        if (result == MERGE_CELL) {
            if (!base_put(base, &merged, err))
                return false;
            continue;
        }
        if (!sst_writer_finish(base->writer, err) ||
            !write_finish(base->store, base->path, base->sequence, &base->out, err))
            return false;
        base->ended = true;
        return true;
    }
    return true;
}

static void base_run(struct work *work)
{
    struct base_job *base = (struct base_job *)work;

    base->job.failed = !base_piece(base, &base->job.err);
    if (base->job.failed && base->path)
        (void)unlink(base->path);
}

static void base_free(struct base_job *base)
{
    merge_close(base->merge);
    sst_writer_close(base->writer);
    memory_free(base->files);
    memory_free(base->inputs);
    memory_free(base->layouts);
    memory_free(base->path);
    memory_free(base->value);
    memory_free(base);
}

static bool base_wanted(const struct store *store)
{
    double base, deltas = 0;

    if (store->stack_count < 2)
        return false;
    base = (double)store->stack[0].file.size;
    for (uint32_t i = 1; i < store->stack_count; i++)
        deltas += (double)store->stack[i].file.size;
    return store->stack_count > STACK_FILES_MAX ||
           (store->stack_count >= STACK_FILES_MIN && deltas > store->config.merge_ratio * base);
}

static struct base_job *base_create(const struct store *store)
{
    struct base_job *base = memory_new(sizeof(*base));
    uint32_t count = store->stack_count;

    base->store = store;
    base->files = memory_array(count, sizeof(*base->files));
    base->inputs = memory_array(count, sizeof(*base->inputs));
    base->input_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct stack_file *file = &store->stack[i];

        base->files[i] = file->file;
        base->inputs[i] = (struct merge_input){file->path, file->file.group_begin,
                                               file->file.group_end}; /* paths live in the stack */
        base->sequence = file->sequence;
    }
    base->watermark_ms = atomic_load_explicit(&store->watermark_ms, memory_order_relaxed);
    base->layouts = memory_array(store->config.state_count + 1ul, sizeof(*base->layouts));
    for (uint32_t i = 0; i < store->config.state_count; i++)
        base->layouts[i] = store->states[i].layout;
    base->value = memory_new(FILE_VALUE_MAX);
    return base;
}

bool base_drive(struct store *store)
{
    struct base_job *base = store->base_job;

    if (store->failed)
        return false;
    if (!base && base_wanted(store)) {
        base = store->base_job = base_create(store);
        job_submit(store, &base->job, base_run);
    }
    while (base && job_ended(store, &base->job) && !store->failed && !base->ended)
        job_submit(store, &base->job, base_run);
    if (!store->barrier_pending)
        base_adopt(store);
    return !store->failed;
}

void base_adopt(struct store *store)
{
    struct base_job *base = store->base_job;

    if (!base || base->job.active || !base->ended)
        return;
    store->written_bytes += base->out.file.size;
    stack_rebase(store, &base->out, base->input_count);
    base_free(base);
    store->base_job = NULL;
}

void base_close(struct store *store)
{
    struct base_job *base = store->base_job;

    if (!base)
        return;
    job_wait(store, &base->job);
    if (base->path && !base->ended)
        (void)unlink(base->path);
    memory_free(base->out.path);
    base_free(base);
    store->base_job = NULL;
}
