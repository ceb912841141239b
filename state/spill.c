/* See spill.h. */
#include "state/spill.h"

#include "state/sst.h"

#include <errno.h>
#include <rocksdb/c.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_BYTES (8u << 20)     /* blocks, index and filter pieces */
#define MEMTABLE_BYTES (64u << 10) /* is never used */
#define OPEN_FILES_MAX 128
#define FILE_BYTES (32u << 20) /* of files that compactions write */
#define LEVEL0_FILES 6
#define READ_KEYS 256u /* keys looked up in one call */

struct spill {
    const struct store *store;
    atomic_ullong filtered; /* cells that compactions have looked at, and one */
    struct sst_options options;
    rocksdb_readoptions_t *read;
    rocksdb_ingestexternalfileoptions_t *ingest;
    rocksdb_compactionfilter_t *filter;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *cells; /* the default one; batched reads want a handle */
    char *path;
};

static bool rocks_error(struct error *err, const char *path, const char *what, char *message)
{
    error_set(err, ERROR_IO, path, "check that disk and its free space", "%s: %s", what, message);
    rocksdb_free(message);
    return false;
}

/* ---- the database ---- */

static bool is_expired(const struct store *store, const uint8_t *key, size_t key_size,
                       const uint8_t *value, size_t value_size)
{
    int64_t watermark_ms = atomic_load_explicit(&store->watermark_ms, memory_order_relaxed), age;
    struct file_cell cell;

    for (uint32_t i = 0; key_size >= 6 && i < store->config.state_count; i++) {
        const struct state_info *state = &store->states[i];

        if (state->shape.stamp && file_key_state(key) == state->layout.id)
            return file_cell_read(&state->layout, key, key_size, value, value_size, &cell) &&
                   watermark_ms != INT64_MIN &&
                   !__builtin_sub_overflow(watermark_ms, cell.stamp, &age) &&
                   age >= state->def->ttl_ms;
    }
    return false;
}

/* Compactions leave expired cells out. Their older versions are expired too. On RocksDB's threads:
 * `filtered` orders what they read after spill_open, and before what spill_close's caller frees. */
static unsigned char cell_filter(void *context, int level, const char *key, size_t key_size,
                                 const char *value, size_t value_size, char **changed,
                                 size_t *changed_size, unsigned char *is_changed)
{
    struct spill *spill = context;
    bool expired = atomic_load_explicit(&spill->filtered, memory_order_acquire) &&
                   is_expired(spill->store, (const uint8_t *)key, key_size, (const uint8_t *)value,
                              value_size);

    (void)level, (void)changed, (void)changed_size;
    *is_changed = 0;
    atomic_fetch_add_explicit(&spill->filtered, 1, memory_order_release);
    return expired;
}

static const char *filter_name(void *context)
{
    (void)context;
    return "millrace.expired";
}

static void filter_close(void *context)
{
    (void)context; /* the spill store's own */
}

static void spill_options(struct spill *spill)
{
    rocksdb_options_t *options;

    sst_options_init(&spill->options, true, CACHE_BYTES);
    options = spill->options.options;
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, MEMTABLE_BYTES);
    rocksdb_options_set_arena_block_size(options, 4096);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_target_file_size_base(options, FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(options, 4ul * FILE_BYTES);
    rocksdb_options_set_level0_file_num_compaction_trigger(options, LEVEL0_FILES);
    rocksdb_options_set_keep_log_file_num(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    spill->filter = rocksdb_compactionfilter_create(spill, filter_close, cell_filter, filter_name);
    rocksdb_options_set_compaction_filter(options, spill->filter);
    spill->read = rocksdb_readoptions_create();
    spill->ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(spill->ingest, 1);
}

void spill_close(struct spill *spill)
{
    if (!spill)
        return;
    if (spill->cells)
        rocksdb_column_family_handle_destroy(spill->cells);
    if (spill->db)
        rocksdb_close(spill->db); /* waits for compactions */
    (void)atomic_load_explicit(&spill->filtered, memory_order_acquire);
    rocksdb_ingestexternalfileoptions_destroy(spill->ingest);
    rocksdb_readoptions_destroy(spill->read);
    sst_options_clear(&spill->options);
    rocksdb_compactionfilter_destroy(spill->filter);
    memory_free(spill->path);
    memory_free(spill);
}

static struct spill *spill_open(struct store *store, struct error *err)
{
    struct spill *spill = memory_new(sizeof(*spill));
    const char *names[] = {"default"};
    const rocksdb_options_t *options[1];
    rocksdb_column_family_handle_t *handles[1] = {NULL};
    char *message = NULL;

    spill->path = memory_format("%s/cells", store->spill_dir);
    spill->store = store;
    spill_options(spill);
    atomic_store_explicit(&spill->filtered, 1, memory_order_release);
    options[0] = spill->options.options;
    spill->db = rocksdb_open_column_families(spill->options.options, spill->path, 1, names, options,
                                             handles, &message);
    if (!message) {
        spill->cells = handles[0];
        return spill;
    }
    spill->db = NULL;
    rocks_error(err, spill->path, "cannot open the spill store", message);
    spill_close(spill);
    return NULL;
}

bool spill_ingest(struct store *store, const char *path, struct error *err)
{
    char *message = NULL;

    if (!store->spill)
        store->spill = spill_open(store, err);
    if (!store->spill)
        return false;
    rocksdb_ingest_external_file(store->spill->db, &path, 1, store->spill->ingest, &message);
    return !message || rocks_error(err, path, "cannot take in a spilled file", message);
}

/* ---- loads ---- */

struct want {
    uint32_t state, key_size;
    uint64_t hash;
    size_t key; /* offset of its bytes in load.keys; those of the file key are in load.names */
    size_t name, value;
    uint32_t name_size, value_size;
    bool found;
};

struct load {
    struct job job;
    struct store *store;
    struct want *wants;
    uint32_t count, capacity;
    uint32_t *order; /* wants by file key */
    struct bytes keys, names, values;
};

void load_want(struct store *store, struct state_info *state, const struct probe *probe)
{
    struct load *load = store->load;

    if (!load) {
        load = store->load = memory_new(sizeof(*load));
        load->store = store;
    }
    if (load->count == load->capacity) {
        load->capacity = load->capacity ? load->capacity * 2 : 256;
        load->wants = memory_grow(load->wants, load->capacity, sizeof(*load->wants));
        load->order = memory_grow(load->order, load->capacity, sizeof(*load->order));
    }
    load->wants[load->count++] = (struct want){.state = (uint32_t)(state - store->states),
                                               .key_size = probe->key_size,
                                               .hash = probe->hash,
                                               .key = load->keys.size};
    bytes_put(&load->keys, probe->key, probe->key_size);
}

static void names_make(struct load *load)
{
    const struct store *store = load->store;

    for (uint32_t i = 0; i < load->count; i++) {
        struct want *want = &load->wants[i];
        const struct state_info *state = &store->states[want->state];
        uint8_t name[FILE_KEY_MAX];
        struct file_cell cell = {.group = key_group(want->hash, store->config.key_groups),
                                 .state = state->layout.id,
                                 .key = load->keys.data + want->key,
                                 .key_size = want->key_size};

        want->name = load->names.size;
        want->name_size = file_key(state->def->kind, &cell, name);
        bytes_put(&load->names, name, want->name_size);
        load->order[i] = i;
    }
}

static int want_compare(const void *a, const void *b, void *context)
{
    const struct load *load = context;
    const struct want *x = &load->wants[*(const uint32_t *)a];
    const struct want *y = &load->wants[*(const uint32_t *)b];
    int order = memcmp(load->names.data + x->name, load->names.data + y->name,
                       x->name_size < y->name_size ? x->name_size : y->name_size);

    return order ? order : (x->name_size > y->name_size) - (x->name_size < y->name_size);
}

/* Equal keys of one batch stand next to each other: only the first is looked up. */
static void order_unique(struct load *load)
{
    uint32_t kept = 0;

    qsort_r(load->order, load->count, sizeof(*load->order), want_compare, load);
    for (uint32_t i = 0; i < load->count; i++)
        if (!kept || want_compare(&load->order[kept - 1], &load->order[i], load) != 0)
            load->order[kept++] = load->order[i];
    for (uint32_t i = kept; i < load->count; i++)
        load->order[i] = UINT32_MAX;
}

static bool read_some(struct load *load, const uint32_t *order, uint32_t count, struct error *err)
{
    struct spill *spill = load->store->spill;
    const char *keys[READ_KEYS] = {0};
    size_t sizes[READ_KEYS] = {0};
    rocksdb_pinnableslice_t *values[READ_KEYS] = {0};
    char *messages[READ_KEYS] = {0};
    bool ok = true;

    for (uint32_t i = 0; i < count; i++) {
        keys[i] = (const char *)load->names.data + load->wants[order[i]].name;
        sizes[i] = load->wants[order[i]].name_size;
    }
    rocksdb_batched_multi_get_cf(spill->db, spill->read, spill->cells, count, keys, sizes, values,
                                 messages, true);
    for (uint32_t i = 0; i < count; i++) {
        struct want *want = &load->wants[order[i]];
        const char *data;
        size_t size;

        if (messages[i] && ok)
            ok = rocks_error(err, spill->path, "cannot read spilled cells", messages[i]);
        else if (messages[i])
            rocksdb_free(messages[i]);
        if (!values[i])
            continue;
        want->found = true;
        want->value = load->values.size;
        data = rocksdb_pinnableslice_value(values[i], &size);
        bytes_put(&load->values, data, size);
        want->value_size = (uint32_t)size;
        rocksdb_pinnableslice_destroy(values[i]);
    }
    return ok;
}

static void load_run(struct work *work)
{
    struct load *load = (struct load *)work;
    uint32_t unique = 0;

    names_make(load);
    order_unique(load);
    while (unique < load->count && load->order[unique] != UINT32_MAX)
        unique++;
    for (uint32_t i = 0; i < unique && !load->job.failed; i += READ_KEYS)
        load->job.failed = !read_some(
            load, load->order + i, unique - i < READ_KEYS ? unique - i : READ_KEYS, &load->job.err);
}

void load_start(struct store *store)
{
    job_submit(store, &store->load->job, load_run);
}

/* Into the open segment: the batch that waits will change it at once. Absent keys begin as new
 * cells, so that they are not looked for again. */
static void cell_enter(struct store *store, const struct want *want)
{
    const struct load *load = store->load;
    struct state_info *state = &store->states[want->state];
    struct probe probe = {
        .key = load->keys.data + want->key, .key_size = want->key_size, .hash = want->hash};
    struct file_cell from;
    struct cell *cell;

    if (index_find(&state->group->index, &store->log, &state->shape, &probe))
        return;
    if (!want->found ||
        !file_cell_read(&state->layout, load->names.data + want->name, want->name_size,
                        load->values.data + want->value, want->value_size, &from) ||
        from.deleted) {
        group_add(store, state->group, &probe, state->cell_size);
        return;
    }
    cell = group_add(store, state->group, &probe, from.size);
    memcpy(cell_value(cell, &state->shape), from.value, from.size);
    if (state->shape.stamp)
        *cell_stamp(cell, &state->shape) = from.stamp;
    store->loaded_cells++;
}

enum store_result load_finish(struct store *store)
{
    struct load *load = store->load;

    if (!load || !load->count)
        return STORE_READY;
    if (load->job.active && !job_ended(store, &load->job))
        return STORE_LOADING;
    if (store->failed)
        return STORE_FAILED;
    for (uint32_t i = 0; i < load->count && load->order[i] != UINT32_MAX; i++)
        cell_enter(store, &load->wants[load->order[i]]);
    load->count = 0;
    load->keys.size = load->names.size = load->values.size = 0;
    return STORE_READY;
}

uint64_t load_bytes(const struct store *store)
{
    const struct load *load = store->load;

    if (!load || load->job.active) /* its buffers are the executor's */
        return 0;
    return load->keys.capacity + load->names.capacity + load->values.capacity +
           (uint64_t)load->capacity * (sizeof(*load->wants) + sizeof(*load->order));
}

void load_close(struct store *store)
{
    struct load *load = store->load;

    if (!load)
        return;
    job_wait(store, &load->job);
    bytes_clear(&load->keys);
    bytes_clear(&load->names);
    bytes_clear(&load->values);
    memory_free(load->wants);
    memory_free(load->order);
    memory_free(load);
    store->load = NULL;
}

/* ---- one entry of a map ---- */

struct cell *spill_read(struct store *store, struct state_info *state, const struct probe *probe,
                        struct error *err)
{
    uint8_t name[FILE_KEY_MAX];
    struct file_cell from = {
        .group = key_group(hash_bytes(probe->key, probe->key_size), store->config.key_groups),
        .state = state->layout.id,
        .key = probe->key,
        .key_size = probe->key_size,
        .entry = probe->entry,
        .entry_size = probe->entry_size};
    uint32_t name_size = file_key(state->def->kind, &from, name);
    char *message = NULL, *value;
    struct cell *cell = NULL;
    size_t size;

    value =
        rocksdb_get(store->spill->db, store->spill->read, (char *)name, name_size, &size, &message);
    if (message) {
        rocks_error(err, store->spill->path, "cannot read a spilled cell", message);
        return NULL;
    }
    if (value && file_cell_read(&state->layout, name, name_size, (uint8_t *)value, size, &from) &&
        !from.deleted) {
        cell = group_add(store, state->group, probe, from.size);
        memcpy(cell_value(cell, &state->shape), from.value, from.size);
        store->loaded_cells++;
    }
    rocksdb_free(value);
    return cell;
}
