/* sort: see sort.h. A packed row, in memory and in the file:
 *
 *   time i64 | order u64 | origin u64 | size u32 of what follows | validity bits, a byte per 8
 *   columns | for each valid column: 1, 4 or 8 bytes, or a u32 size and the text
 *
 * The file is read by the process that wrote it, and never outlives it: host byte order. */
#include "operators/source/sort.h"

#include "runtime/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_ROWS 8192u
#define CHUNK_SIZE (2u << 20)
#define RUN_BUFFER_MIN (16u << 10)
#define RUN_BUFFER_MAX (256u << 10)

struct head {
    int64_t time;
    uint64_t order, origin;
    uint32_t size;
};
#define HEAD_SIZE 28u

struct entry {
    struct head head;
    uint32_t offset; /* of the body in the chunk's bytes */
};

struct chunk {
    struct entry *entries;
    uint32_t count;
    struct bytes bytes;
    size_t held; /* counted in the budget */
};

struct run { /* in the file */
    uint64_t begin, end;
};

struct stream { /* one input of a merge, at its present row */
    struct head head;
    const uint8_t *body;
    const struct chunk *chunk; /* or a run: */
    uint32_t next;             /* entry of the chunk */
    uint64_t at, end;          /* file offsets of what is not read yet */
    uint8_t *buffer;
    size_t begin, filled, capacity;
};

struct merge {
    struct stream *streams;
    uint32_t count;
    uint32_t *heap, heap_count; /* smallest first */
};

struct sorter {
    const struct schema *schema;
    struct sort_budget *budget;
    struct chunk *chunks; /* the last one is open unless `closed` */
    uint32_t chunk_count;
    bool closed;
    size_t held;
    struct run *runs;
    uint32_t run_count;
    int fd; /* of the temporary file, -1 */
    uint64_t file_size;
    struct merge merge; /* of a spill, then of everything */
    bool spilling;
    struct bytes out; /* of a spill */
};

/* ---- packing ---- */

static void pack_value(struct bytes *out, const struct column *column, uint32_t row)
{
    if (column->type == TYPE_UTF8) {
        uint32_t size;
        const char *text = column_text(column, row, &size);
        bytes_put(out, &size, sizeof(size));
        bytes_put(out, text, size);
    } else if (column->type == TYPE_BOOL) {
        bytes_put(out, &(uint8_t){column_bool(column, row)}, 1);
    } else {
        size_t size = type_size(column->type);
        bytes_put(out, (const uint8_t *)column->values + row * size, size);
    }
}

static void pack_row(struct bytes *out, const struct batch *batch, uint32_t row)
{
    uint8_t validity[COLUMNS_MAX / 8 + 1] = {0};
    size_t bits = (batch->column_count + 7) / 8;
    for (uint32_t column = 0; column < batch->column_count; column++)
        if (column_valid(batch_column(batch, column), row))
            validity[column / 8] |= (uint8_t)(1u << (column % 8));
    bytes_put(out, validity, bits);
    for (uint32_t column = 0; column < batch->column_count; column++)
        if (validity[column / 8] >> (column % 8) & 1)
            pack_value(out, batch_column(batch, column), row);
}

static const uint8_t *unpack_text(const uint8_t *at, uint32_t column, struct builder *out)
{
    uint32_t size;
    memcpy(&size, at, sizeof(size));
    builder_text(out, column, (const char *)at + sizeof(size), size);
    return at + sizeof(size) + size;
}

static const uint8_t *unpack_value(const uint8_t *at, enum type type, uint32_t column,
                                   struct builder *out)
{
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
    } value;
    if (type == TYPE_UTF8)
        return unpack_text(at, column, out);
    if (type == TYPE_BOOL) {
        builder_bool(out, column, *at);
        return at + 1;
    }
    memcpy(&value, at, type_size(type));
    if (type == TYPE_I32)
        builder_i32(out, column, value.i32);
    else if (type == TYPE_F32)
        builder_f32(out, column, value.f32);
    else if (type == TYPE_F64)
        builder_f64(out, column, value.f64);
    else
        builder_i64(out, column, value.i64);
    return at + type_size(type);
}

static void unpack_row(const struct sorter *sorter, const struct stream *stream,
                       struct builder *out)
{
    const uint8_t *validity = stream->body;
    const uint8_t *at = validity + (sorter->schema->count + 7) / 8;
    builder_row(out, stream->head.time, stream->head.origin, stream->head.order);
    for (uint32_t column = 0; column < sorter->schema->count; column++)
        if (validity[column / 8] >> (column % 8) & 1)
            at = unpack_value(at, sorter->schema->fields[column].type, column, out);
    CHECK(at == stream->body + stream->head.size);
}

static int head_order(const struct head *a, const struct head *b)
{
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return (a->origin > b->origin) - (a->origin < b->origin);
}

static int entry_order(const void *a, const void *b)
{
    return head_order(&((const struct entry *)a)->head, &((const struct entry *)b)->head);
}

/* ---- chunks ---- */

static struct chunk *open_chunk(struct sorter *sorter)
{
    if (sorter->chunk_count > 0 && !sorter->closed)
        return &sorter->chunks[sorter->chunk_count - 1];
    sorter->chunks = memory_grow(sorter->chunks, sorter->chunk_count + 1, sizeof(*sorter->chunks));
    struct chunk *chunk = &sorter->chunks[sorter->chunk_count++];
    *chunk = (struct chunk){.entries = memory_array(CHUNK_ROWS, sizeof(struct entry))};
    sorter->closed = false;
    return chunk;
}

static void close_chunk(struct sorter *sorter)
{
    struct chunk *chunk = &sorter->chunks[sorter->chunk_count - 1];
    qsort(chunk->entries, chunk->count, sizeof(*chunk->entries), entry_order);
    chunk->held = chunk->bytes.capacity + CHUNK_ROWS * sizeof(struct entry);
    sorter->held += chunk->held;
    sorter->budget->used += chunk->held;
    sorter->closed = true;
}

static void drop_chunks(struct sorter *sorter)
{
    for (uint32_t k = 0; k < sorter->chunk_count; k++) {
        memory_free(sorter->chunks[k].entries);
        bytes_clear(&sorter->chunks[k].bytes);
    }
    sorter->budget->used -= sorter->held;
    sorter->held = 0;
    sorter->chunk_count = 0;
    sorter->closed = false;
}

void sorter_add(struct sorter *sorter, const struct batch *batch)
{
    CHECK(!sorter->spilling);
    for (uint32_t row = 0; row < batch_rows(batch); row++) {
        struct chunk *chunk = open_chunk(sorter);
        struct entry *entry = &chunk->entries[chunk->count++];
        entry->head.time = batch_time(batch)[row];
        entry->head.order = batch_order(batch)[row];
        entry->head.origin = batch_origin(batch)[row];
        entry->offset = (uint32_t)chunk->bytes.size;
        pack_row(&chunk->bytes, batch, row);
        entry->head.size = (uint32_t)chunk->bytes.size - entry->offset;
        if (chunk->count == CHUNK_ROWS || chunk->bytes.size >= CHUNK_SIZE)
            close_chunk(sorter);
    }
}

/* ---- streams and their merge ---- */

static bool read_run(const struct sorter *sorter, struct stream *stream, size_t wanted,
                     struct error *err)
{
    size_t held = stream->filled - stream->begin;
    if (held >= wanted)
        return true;
    memmove(stream->buffer, stream->buffer + stream->begin, held);
    stream->begin = 0;
    stream->filled = held;
    if (wanted > stream->capacity) {
        stream->capacity = wanted;
        stream->buffer = memory_grow(stream->buffer, stream->capacity, 1);
    }
    while (stream->filled < wanted) {
        size_t room = stream->capacity - stream->filled;
        if (room > stream->end - stream->at)
            room = (size_t)(stream->end - stream->at);
        ssize_t got = pread(sorter->fd, stream->buffer + stream->filled, room, (off_t)stream->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_errno(err, "sort", "cannot read back its temporary file");
        stream->filled += (size_t)got;
        stream->at += (uint64_t)got;
    }
    return true;
}

/* Moves to the next row. `ended` when there is none. */
static bool advance(const struct sorter *sorter, struct stream *stream, bool *ended,
                    struct error *err)
{
    if (stream->chunk) {
        *ended = stream->next == stream->chunk->count;
        if (*ended)
            return true;
        const struct entry *entry = &stream->chunk->entries[stream->next++];
        stream->head = entry->head;
        stream->body = stream->chunk->bytes.data + entry->offset;
        return true;
    }
    *ended = stream->at == stream->end && stream->begin == stream->filled;
    if (*ended)
        return true;
    if (!read_run(sorter, stream, HEAD_SIZE, err))
        return false;
    memcpy(&stream->head, stream->buffer + stream->begin, HEAD_SIZE);
    if (!read_run(sorter, stream, HEAD_SIZE + stream->head.size, err))
        return false;
    stream->body = stream->buffer + stream->begin + HEAD_SIZE;
    stream->begin += HEAD_SIZE + stream->head.size;
    return true;
}

static bool before(const struct merge *merge, uint32_t a, uint32_t b)
{
    return head_order(&merge->streams[a].head, &merge->streams[b].head) < 0;
}

static void sift_down(struct merge *merge, uint32_t at)
{
    uint32_t *heap = merge->heap;
    for (;;) {
        uint32_t least = 2 * at + 1;
        if (least >= merge->heap_count)
            return;
        if (least + 1 < merge->heap_count && before(merge, heap[least + 1], heap[least]))
            least++;
        if (!before(merge, heap[least], heap[at]))
            return;
        uint32_t swapped = heap[at];
        heap[at] = heap[least];
        heap[least] = swapped;
        at = least;
    }
}

static struct stream *merge_top(const struct merge *merge)
{
    return merge->heap_count > 0 ? &merge->streams[merge->heap[0]] : NULL;
}

static bool merge_pop(const struct sorter *sorter, struct merge *merge, struct error *err)
{
    bool ended;
    if (!advance(sorter, merge_top(merge), &ended, err))
        return false;
    if (ended)
        merge->heap[0] = merge->heap[--merge->heap_count];
    sift_down(merge, 0);
    return true;
}

static void merge_clear(struct merge *merge)
{
    for (uint32_t k = 0; k < merge->count; k++)
        memory_free(merge->streams[k].buffer);
    memory_free(merge->streams);
    memory_free(merge->heap);
    *merge = (struct merge){0};
}

static void open_run(const struct sorter *sorter, struct stream *stream, const struct run *run)
{
    size_t size = sorter->budget->limit / sorter->run_count;
    size = size < RUN_BUFFER_MIN ? RUN_BUFFER_MIN : size > RUN_BUFFER_MAX ? RUN_BUFFER_MAX : size;
    *stream = (struct stream){.at = run->begin, .end = run->end, .capacity = size};
    stream->buffer = memory_new(size);
}

/* Of all chunks, and of the runs too when `runs` is their number. */
static bool merge_begin(struct sorter *sorter, uint32_t runs, struct error *err)
{
    struct merge *merge = &sorter->merge;
    *merge = (struct merge){
        .streams = memory_array(runs + sorter->chunk_count, sizeof(*merge->streams)),
        .heap = memory_array(runs + sorter->chunk_count, sizeof(*merge->heap)),
    };
    for (uint32_t k = 0; k < runs; k++)
        open_run(sorter, &merge->streams[merge->count++], &sorter->runs[k]);
    for (uint32_t k = 0; k < sorter->chunk_count; k++)
        merge->streams[merge->count++] = (struct stream){.chunk = &sorter->chunks[k]};
    for (uint32_t k = 0; k < merge->count; k++) {
        bool ended;
        if (!advance(sorter, &merge->streams[k], &ended, err))
            return false;
        if (!ended)
            merge->heap[merge->heap_count++] = k;
    }
    for (uint32_t k = merge->heap_count; k-- > 0;)
        sift_down(merge, k);
    return true;
}

/* ---- spilling ---- */

static bool open_file(struct sorter *sorter, struct error *err)
{
    const char *dir = getenv("TMPDIR");
    char prefix[PATH_SIZE_MAX], path[PATH_SIZE_MAX];

    (void)snprintf(prefix, sizeof(prefix), "%s/millrace-sort", dir && *dir ? dir : "/tmp");
    sorter->fd = file_make(prefix, 0600, path, sizeof(path), err);
    if (sorter->fd < 0)
        return error_wrap(err, "the sort's temporary file");
    (void)unlink(path);
    return true;
}

static bool flush(struct sorter *sorter, struct error *err)
{
    for (size_t at = 0; at < sorter->out.size;) {
        ssize_t put = pwrite(sorter->fd, sorter->out.data + at, sorter->out.size - at,
                             (off_t)sorter->file_size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_errno(err, "sort", "cannot write its temporary file (TMPDIR or /tmp)");
        at += (size_t)put;
        sorter->file_size += (uint64_t)put;
    }
    sorter->out.size = 0;
    return true;
}

static bool spill_begin(struct sorter *sorter, struct error *err)
{
    if (sorter->fd < 0 && !open_file(sorter, err))
        return false;
    if (sorter->chunk_count > 0 && !sorter->closed)
        close_chunk(sorter);
    if (!merge_begin(sorter, 0, err))
        return false;
    sorter->runs = memory_grow(sorter->runs, sorter->run_count + 1, sizeof(*sorter->runs));
    sorter->runs[sorter->run_count].begin = sorter->file_size;
    sorter->spilling = true;
    return true;
}

static bool spill_some(struct sorter *sorter, struct error *err)
{
    struct stream *top = merge_top(&sorter->merge);
    for (uint32_t k = 0; k < SORT_STEP && top; k++, top = merge_top(&sorter->merge)) {
        bytes_put(&sorter->out, &top->head, HEAD_SIZE);
        bytes_put(&sorter->out, top->body, top->head.size);
        if (!merge_pop(sorter, &sorter->merge, err))
            return false;
    }
    if (!flush(sorter, err))
        return false;
    if (top)
        return true;
    sorter->runs[sorter->run_count++].end = sorter->file_size;
    sorter->spilling = false;
    merge_clear(&sorter->merge);
    drop_chunks(sorter);
    return true;
}

bool sorter_work(struct sorter *sorter, bool *busy, struct error *err)
{
    const struct sort_budget *budget = sorter->budget;
    if (!sorter->spilling && budget->used >= budget->limit && sorter->held >= budget->limit / 16 &&
        !spill_begin(sorter, err))
        return false;
    if (sorter->spilling && !spill_some(sorter, err))
        return false;
    *busy = sorter->spilling;
    return true;
}

/* ---- the whole ---- */

struct sorter *sorter_create(const struct schema *schema, struct sort_budget *budget)
{
    struct sorter *sorter = memory_new(sizeof(*sorter));
    sorter->schema = schema;
    sorter->budget = budget;
    sorter->fd = -1;
    return sorter;
}

void sorter_close(struct sorter *sorter)
{
    if (!sorter)
        return;
    merge_clear(&sorter->merge);
    drop_chunks(sorter);
    if (sorter->fd >= 0)
        close(sorter->fd);
    bytes_clear(&sorter->out);
    memory_free(sorter->chunks);
    memory_free(sorter->runs);
    memory_free(sorter);
}

bool sorter_finish(struct sorter *sorter, struct error *err)
{
    CHECK(!sorter->spilling);
    if (sorter->chunk_count > 0 && !sorter->closed)
        close_chunk(sorter);
    return merge_begin(sorter, sorter->run_count, err);
}

bool sorter_next(struct sorter *sorter, uint32_t rows, struct builder *out, uint32_t *got,
                 struct error *err)
{
    for (*got = 0; *got < rows && merge_top(&sorter->merge); ++*got) {
        unpack_row(sorter, merge_top(&sorter->merge), out);
        if (!merge_pop(sorter, &sorter->merge, err))
            return false;
    }
    return true;
}

bool sorter_skip(struct sorter *sorter, uint32_t rows, uint32_t *got, struct error *err)
{
    for (*got = 0; *got < rows && merge_top(&sorter->merge); ++*got)
        if (!merge_pop(sorter, &sorter->merge, err))
            return false;
    return true;
}

uint32_t sorter_runs(const struct sorter *sorter)
{
    return sorter->run_count;
}
