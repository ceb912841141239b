/* Cells to one sorted file, in the executor. File order is key group, state, pane, key: cells are
 * counted into buckets by the first three, placed, and each bucket is sorted by key. */
#include "state/checkpoint_store.h"
#include "state/internal.h"
#include "state/sst.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct writing {
    const struct store *store;
    int64_t watermark_ms;
    const struct part *parts;
    uint32_t part_count, group_begin, group_count;
    const struct layout *layouts;
    uint32_t *ends; /* by (group, part): one past the bucket */
    struct sort_entry *entries;
    uint64_t entry_count;
    struct sst_writer *sst;
};

typedef void each_cell(struct writing *writing, const struct cell *cell, uint32_t part);

static uint32_t bucket_of(const struct writing *writing, const struct cell *cell, uint32_t part)
{
    uint32_t group = key_group(cell_key_hash(cell), writing->store->config.key_groups);

    CHECK(group - writing->group_begin < writing->group_count);
    return (group - writing->group_begin) * writing->part_count + part;
}

static void count_cell(struct writing *writing, const struct cell *cell, uint32_t part)
{
    writing->ends[bucket_of(writing, cell, part)]++;
    writing->entry_count++;
}

static void place_cell(struct writing *writing, const struct cell *cell, uint32_t part)
{
    writing->entries[writing->ends[bucket_of(writing, cell, part)]++].cell = cell;
}

static void each_of_part(struct writing *writing, uint32_t at, each_cell *each)
{
    const struct part *part = &writing->parts[at];
    const struct state_info *state = &writing->store->states[part->state];
    const struct shape *shape = &state->shape;

    for (uint32_t i = 0; i < part->count; i++) {
        const uint8_t *cursor;

        if (part->cells) {
            each(writing, part->cells[i], at);
            continue;
        }
        for (cursor = part->extents[i].begin; cursor < part->extents[i].end;) {
            const struct cell *cell = (const struct cell *)cursor;

            if (!(cell_flags(cell) & CELL_DEAD) &&
                !cell_expired(state, cell, writing->watermark_ms))
                each(writing, cell, at);
            cursor += cell_bytes(cell, shape);
        }
        CHECK(cursor == part->extents[i].end);
    }
}

static void gather(struct writing *writing)
{
    uint32_t buckets = writing->group_count * writing->part_count, sum = 0;

    writing->ends = memory_array(buckets, sizeof(*writing->ends));
    for (uint32_t i = 0; i < writing->part_count; i++)
        each_of_part(writing, i, count_cell);
    CHECK(writing->entry_count < UINT32_MAX);
    for (uint32_t i = 0; i < buckets; i++) { /* counts become begins, placing makes them ends */
        uint32_t here = writing->ends[i];

        writing->ends[i] = sum;
        sum += here;
    }
    writing->entries = memory_grow(NULL, writing->entry_count + 1, sizeof(*writing->entries));
    for (uint32_t i = 0; i < writing->part_count; i++)
        each_of_part(writing, i, place_cell);
}

static bool put_cell(struct writing *writing, const struct cell *cell, const struct part *part,
                     uint8_t *scratch, struct error *err)
{
    const struct state_info *state = &writing->store->states[part->state];
    uint8_t key[FILE_KEY_MAX];
    struct file_cell out;
    uint32_t head, size;

    file_cell_of(cell, &state->shape, &writing->layouts[part->state], part->pane_ms,
                 writing->store->config.key_groups, &out);
    size = file_key(state->def->kind, &out, key);
    head = file_value_head(&out, scratch);
    memcpy(scratch + head, out.value, out.size);
    return sst_writer_put(writing->sst, key, size, scratch, head + out.size, err);
}

static enum sort_form form_of(enum store_kind kind)
{
    return kind == STORE_MAP ? SORT_ENTRY : kind == STORE_PANE ? SORT_PANE : SORT_PLAIN;
}

static bool put_bucket(struct writing *writing, struct sort_entry *entries,
                       struct sort_entry *spare, uint32_t count, const struct part *part,
                       uint8_t *scratch, struct error *err)
{
    enum sort_form form = form_of(writing->store->states[part->state].def->kind);

    sort_cells(entries, spare, count, form);
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && sort_compare(entries[i].cell, entries[i + 1].cell, form) == 0)
            continue; /* the later one replaced it */
        if (!put_cell(writing, entries[i].cell, part, scratch, err))
            return false;
    }
    return true;
}

static bool put_all(struct writing *writing, struct error *err)
{
    uint32_t buckets = writing->group_count * writing->part_count, largest = 0, begin = 0;
    uint8_t *scratch = memory_grow(NULL, FILE_VALUE_MAX, 1);
    struct sort_entry *spare;
    bool ok = true;

    for (uint32_t i = 0; i < buckets; i++) {
        uint32_t count = writing->ends[i] - (i ? writing->ends[i - 1] : 0);

        largest = count > largest ? count : largest;
    }
    spare = memory_grow(NULL, largest + 1ul, sizeof(*spare));
    for (uint32_t i = 0; ok && i < buckets; i++) {
        ok = put_bucket(writing, writing->entries + begin, spare, writing->ends[i] - begin,
                        &writing->parts[i % writing->part_count], scratch, err);
        begin = writing->ends[i];
    }
    memory_free(spare);
    memory_free(scratch);
    return ok;
}

static bool put_meta(struct writing *writing, struct error *err)
{
    struct bytes meta = {0};
    bool ok;

    file_meta_write(writing->layouts, writing->store->config.state_count, &meta);
    ok = sst_writer_put(writing->sst, file_meta_key, FILE_META_KEY_SIZE, meta.data, meta.size, err);
    bytes_clear(&meta);
    return ok;
}

bool write_file(const struct store *store, const struct part *parts, uint32_t count,
                const struct layout *layouts, enum write_purpose purpose, int64_t watermark_ms,
                const char *path, struct error *err)
{
    const struct store_config *config = &store->config;
    struct writing writing = {.store = store,
                              .watermark_ms = watermark_ms,
                              .parts = parts,
                              .part_count = count,
                              .group_begin = config->group_begin,
                              .group_count = config->group_end - config->group_begin,
                              .layouts = layouts};
    bool ok;

    (void)unlink(path); /* of a former attempt */
    writing.sst = sst_writer_create(path, purpose == WRITE_SPILL, err);
    if (!writing.sst)
        return false;
    ok = purpose == WRITE_SPILL || put_meta(&writing, err);
    if (ok && count) {
        gather(&writing);
        ok = put_all(&writing, err);
    }
    ok = ok && sst_writer_finish(writing.sst, err);
    sst_writer_close(writing.sst);
    memory_free(writing.ends);
    memory_free(writing.entries);
    if (!ok)
        (void)unlink(path);
    return ok;
}

char *write_temp(const struct store *store, const char *kind)
{
    return memory_format("%s/%s-%s-%016" PRIx64 ".tmp", store->work_dir, store->file_prefix, kind,
                         store->nonce);
}

/* Renames within work_dir, for good. */
bool write_name(const struct store *store, const char *path, const char *to, struct error *err)
{
    int folder = open(store->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = folder >= 0 && rename(path, to) == 0 && fsync(folder) == 0;

    if (!ok)
        error_errno(err, to, "cannot name a state file");
    if (folder >= 0)
        (void)close(folder);
    return ok;
}

bool write_finish(const struct store *store, const char *path, uint64_t sequence,
                  struct stack_file *out, struct error *err)
{
    struct store_file *file = &out->file;

    *out = (struct stack_file){.sequence = sequence};
    if (!file_sum(path, &file->size, &file->checksum, err))
        return false;
    (void)snprintf(file->name, sizeof(file->name), "%s-%06" PRIu64 "-%016" PRIx64 ".sst",
                   store->file_prefix, sequence, file->checksum);
    file->group_begin = store->config.group_begin;
    file->group_end = store->config.group_end;
    out->path = memory_format("%s/%s", store->work_dir, file->name);
    if (write_name(store, path, out->path, err))
        return true;
    memory_free(out->path);
    out->path = NULL;
    return false;
}
