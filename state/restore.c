/* Restore: the stacks of former subtasks, merged into one stream and put into memory. Keyed cells
 * enter the index; those of panes come sorted, pane by pane, and stay so: no update may touch
 * them (the files they came from stay in the stack), so new partials are started beside them.
 * With a budget the usual eviction runs in between. The files themselves are the new stack. */
#include "state/checkpoint_store.h"
#include "state/evict.h"
#include "state/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES 262144u
#define PIECE_CELLS 16384u

static bool file_verify(const char *path, const struct store_file *file, struct error *err)
{
    uint64_t size, checksum;

    if (!file_sum(path, &size, &checksum, err))
        return false;
    if (size != file->size)
        return error_set(err, ERROR_STATE, path, "use an older checkpoint",
                         "damaged state file: %llu bytes, the manifest says %llu",
                         (unsigned long long)size, (unsigned long long)file->size);
    return checksum == file->checksum ||
           error_set(err, ERROR_STATE, path, "use an older checkpoint",
                     "damaged state file: its checksum is not the manifest's");
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool bytes_copy(int from, int to)
{
    uint8_t *buffer = memory_grow(NULL, COPY_BYTES, 1);
    ssize_t n, written = 0;

    while (written >= 0 && (n = read(from, buffer, COPY_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        written = n < 0 ? -1 : 0;
        for (ssize_t at = 0; written >= 0 && at < n; at += written)
            written = write(to, buffer + at, (size_t)(n - at));
    }
    memory_free(buffer);
    return written >= 0 && fsync(to) == 0;
}

static bool file_copy(const struct store *store, const char *path, const char *to,
                      struct error *err)
{
    char *temp = write_temp(store, "copy");
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int into = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = from >= 0 && into >= 0 && bytes_copy(from, into);

    if (!ok)
        error_errno(err, to, "cannot copy a state file from %s", path);
    if (from >= 0)
        (void)close(from);
    if (into >= 0)
        (void)close(into);
    ok = ok && write_name(store, temp, to, err);
    if (!ok)
        (void)unlink(temp);
    memory_free(temp);
    return ok;
}

/* Into work_dir under its own name, where it may stand already. */
static bool file_enter(const struct store *store, const char *path, struct stack_file *file,
                       struct error *err)
{
    bool ok = true;

    file->path = memory_format("%s/%s", store->work_dir, file->file.name);
    if (same_file(path, file->path) || link(path, file->path) == 0)
        return true;
    if (errno == EEXIST) /* by another subtask, or of a folder that this one is a copy of */
        ok = file_verify(file->path, &file->file, err);
    else
        ok = file_copy(store, path, file->path, err);
    if (!ok)
        memory_free(file->path);
    return ok;
}

/* The files with cells of owned groups, as the new stack. */
static bool stack_take(struct store *store, const char *const *paths,
                       const struct store_file *files, uint32_t count, struct error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct stack_file file = {.file = files[i], .named = true};
        struct store_file *range = &file.file;

        if (range->group_begin == 0 && range->group_end == 0)
            range->group_end = store->config.key_groups;
        if (range->group_begin < store->config.group_begin)
            range->group_begin = store->config.group_begin;
        if (range->group_end > store->config.group_end)
            range->group_end = store->config.group_end;
        if (range->group_begin >= range->group_end)
            continue;
        if (!file_verify(paths[i], &files[i], err) || !file_enter(store, paths[i], &file, err))
            return false;
        file.file.path = NULL;
        stack_push(store, &file);
    }
    return true;
}

/* Cells wait until their slots have been fetched: what is sorted by key is random to an index. */
#define WAITING 32u

struct entering {
    struct store *store;
    struct {
        struct group *group;
        uint64_t hash, address;
    } waiting[WAITING];
    uint32_t count; /* of all cells so far */
};

static void index_enter(struct entering *entering, uint32_t at)
{
    struct group *group = entering->waiting[at].group;

    if (group)
        index_add(&group->index, &entering->store->log, &group->state->shape,
                  entering->waiting[at].hash, entering->waiting[at].address);
    entering->waiting[at].group = NULL;
}

static void index_enter_later(struct entering *entering, struct group *group, uint64_t hash,
                              uint64_t address)
{
    uint32_t at = entering->count++ % WAITING;

    index_enter(entering, at);
    entering->waiting[at].group = group;
    entering->waiting[at].hash = hash;
    entering->waiting[at].address = address;
    if (group->index.tables)
        __builtin_prefetch(index_home(index_table(&group->index, hash), hash), 1);
}

static void index_enter_all(struct entering *entering)
{
    for (uint32_t i = 0; i < WAITING; i++)
        index_enter(entering, i);
}

static void cell_take(struct entering *entering, const struct merged *merged)
{
    struct store *store = entering->store;
    struct state_info *state = &store->states[merged->state];
    const struct file_cell *from = &merged->cell;
    struct group *group = state->group;
    enum segment_kind kind = SEGMENT_CLEAN;
    struct probe probe = {.key = from->key,
                          .key_size = from->key_size,
                          .entry = from->entry,
                          .entry_size = from->entry_size,
                          .hash = hash_bytes(from->key, from->key_size)};
    uint64_t address;
    struct cell *cell;

    if (state->shape.map)
        probe.hash = probe_hash(probe.hash, from->entry, from->entry_size);
    if (state->def->kind == STORE_PANE) {
        kind = SEGMENT_SETTLED;
        group = pane_find(store, state, from->pane_ms, true);
        group->settled_count++;
        if (group->generation <= from->generation)
            group->generation = (uint16_t)(from->generation + 1);
    }
    cell = group_append(store, group, kind, &probe,
                        state->def->kind == STORE_TIMER ? state->cell_size : from->size, &address);
    if (kind == SEGMENT_SETTLED)
        cell->aux = from->generation; /* new partials of the key are others: they have later ones */
    else
        index_enter_later(entering, group, probe.hash, address);
    memcpy(cell_value(cell, &state->shape), from->value, from->size);
    if (state->shape.stamp) {
        struct segment *segment = group->log.tails[kind];

        *cell_stamp(cell, &state->shape) = from->stamp;
        if (from->stamp > segment->stamp_max)
            segment->stamp_max = from->stamp;
    }
    if (state->def->kind == STORE_TIMER)
        timer_restored(store, state, cell);
    if (state->watch) {
        struct key key = {from->key, from->key_size, hash_bytes(from->key, from->key_size)};

        state->watch(state->watch_context, &key, cell_value(cell, &state->shape), from->size);
    }
}

void store_restore_watch(struct store *store, uint32_t state, store_list_each *each, void *context)
{
    CHECK(store->states[state].def->kind == STORE_LIST);
    store->states[state].watch = each;
    store->states[state].watch_context = context;
}

static bool generation_fits(const struct merged *merged, struct error *err)
{
    return merged->cell.generation < UINT16_MAX ||
           error_set(err, ERROR_LIMIT, "", "raise state.memory",
                     "one pane has left memory 65,000 times");
}

static bool cells_take(struct store *store, struct merge *merge, struct error *err)
{
    struct entering entering = {.store = store};
    enum merge_result result;
    struct merged merged;

    while ((result = merge_next(merge, &merged, err)) == MERGE_CELL) {
        if (!generation_fits(&merged, err))
            return false;
        cell_take(&entering, &merged);
        if (entering.count % PIECE_CELLS == 0)
            pages_drive(store);
        if (evict_needed(store)) {
            index_enter_all(&entering);
            if (!evict_now(store)) {
                *err = store->err;
                return false;
            }
        }
    }
    index_enter_all(&entering);
    return result == MERGE_END;
}

bool store_restore(struct store *store, const char *const *paths, const struct store_file *files,
                   uint32_t count, struct error *err)
{
    struct merge_input *inputs;
    struct merge *merge = NULL;
    bool ok = false;

    CHECK(store->log.live == 0 && store->stack_count == 0 && store->sequence == 0);
    inputs = memory_array(count + 1ul, sizeof(*inputs));
    if (!stack_take(store, paths, files, count, err))
        goto out;
    for (uint32_t i = 0; i < store->stack_count; i++)
        inputs[i] = (struct merge_input){store->stack[i].path, store->stack[i].file.group_begin,
                                         store->stack[i].file.group_end};
    merge = merge_open(store, inputs, store->stack_count, false, INT64_MIN, err);
    if (!merge)
        goto out;
    ok = cells_take(store, merge, err);
out:
    merge_close(merge);
    memory_free(inputs);
    return ok;
}
