/* See sst.h. */
#include "state/sst.h"

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <rocksdb/c.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_READ 2         /* table version of files that are read here */
#define FORMAT_LOOK_UP 5      /* and of those for the spill store */
#define BLOCK_SIZE_READ 16384 /* bytes: large blocks make a short index */
#define BLOCK_SIZE_LOOK_UP 4096
#define CHECKSUM_XXH3 4
#define FILTER_BITS 10 /* per key: 1 % false positives */
#define FOOTER_SIZE 53u
#define TRAILER_SIZE 5u
#define MAGIC UINT64_C(0x88e241b785f4cff7)
#define INTERNAL_SIZE 8u /* sequence and type at the end of a key */
#define TYPE_PUT 1u
#define WINDOW_SIZE 65536u    /* bytes read ahead */
#define BLOCK_MAX (64u << 20) /* bytes; the index of a file of 50 GB is half of that */
#define KEY_MAX 4096u         /* bytes; those of encode.h are shorter */

/* ---- options ---- */

void sst_options_init(struct sst_options *options, bool filter, size_t cache_bytes)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    options->options = rocksdb_options_create();
    options->table = table;
    options->cache = cache_bytes ? rocksdb_cache_create_lru(cache_bytes) : NULL;
    rocksdb_block_based_options_set_checksum(table, CHECKSUM_XXH3);
    if (options->cache)
        rocksdb_block_based_options_set_block_cache(table, options->cache);
    else
        rocksdb_block_based_options_set_no_block_cache(table, 1);
    if (filter) {
        /* Index and filter in pieces through the cache: memory does not grow with the files. */
        rocksdb_block_based_options_set_block_size(table, BLOCK_SIZE_LOOK_UP);
        rocksdb_block_based_options_set_format_version(table, FORMAT_LOOK_UP);
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
        rocksdb_block_based_options_set_index_type(
            table, rocksdb_block_based_table_index_type_two_level_index_search);
        rocksdb_block_based_options_set_partition_filters(table, 1);
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    } else {
        rocksdb_block_based_options_set_block_size(table, BLOCK_SIZE_READ);
        rocksdb_block_based_options_set_format_version(table, FORMAT_READ);
    }
    rocksdb_options_set_block_based_table_factory(options->options, table);
    rocksdb_options_set_compression(options->options, rocksdb_no_compression);
    rocksdb_options_set_info_log_level(options->options, 4 /* fatal */);
}

void sst_options_clear(struct sst_options *options)
{
    if (options->cache)
        rocksdb_cache_destroy(options->cache);
    rocksdb_block_based_options_destroy(options->table);
    rocksdb_options_destroy(options->options);
    *options = (struct sst_options){0};
}

/* ---- writer ---- */

struct sst_writer {
    struct sst_options options;
    rocksdb_envoptions_t *env;
    rocksdb_sstfilewriter_t *writer;
    char *path;
};

/* Takes RocksDB's message. */
static bool rocks_error(struct error *err, const char *path, const char *what, char *message)
{
    bool full = strstr(message, "No space left") != NULL;

    error_set(err, ERROR_IO, path, full ? "free space on that disk" : NULL, "%s: %s", what,
              message);
    if (err)
        err->retriable = true;
    rocksdb_free(message);
    return false;
}

struct sst_writer *sst_writer_create(const char *path, bool filter, struct error *err)
{
    struct sst_writer *writer = memory_new(sizeof(*writer));
    char *message = NULL;

    sst_options_init(&writer->options, filter, 0);
    writer->env = rocksdb_envoptions_create();
    writer->writer = rocksdb_sstfilewriter_create(writer->env, writer->options.options);
    writer->path = memory_text(path);
    rocksdb_sstfilewriter_open(writer->writer, path, &message);
    if (!message)
        return writer;
    rocks_error(err, path, "cannot make a state file", message);
    sst_writer_close(writer);
    return NULL;
}

bool sst_writer_put(struct sst_writer *writer, const void *key, size_t key_size, const void *value,
                    size_t value_size, struct error *err)
{
    char *message = NULL;

    rocksdb_sstfilewriter_put(writer->writer, key, key_size, value, value_size, &message);
    return !message || rocks_error(err, writer->path, "cannot write a state file", message);
}

bool sst_writer_finish(struct sst_writer *writer, struct error *err)
{
    char *message = NULL;

    rocksdb_sstfilewriter_finish(writer->writer, &message);
    return !message || rocks_error(err, writer->path, "cannot write a state file", message);
}

uint64_t sst_writer_size(const struct sst_writer *writer)
{
    uint64_t size = 0;

    rocksdb_sstfilewriter_file_size(writer->writer, &size);
    return size;
}

void sst_writer_close(struct sst_writer *writer)
{
    if (!writer)
        return;
    rocksdb_sstfilewriter_destroy(writer->writer);
    rocksdb_envoptions_destroy(writer->env);
    sst_options_clear(&writer->options);
    memory_free(writer->path);
    memory_free(writer);
}

/* ---- reader ---- */

struct handle {
    uint64_t offset, size;
};

struct block {
    const uint8_t *data;
    uint32_t size, at;    /* of the entries; the next one */
    uint32_t restarts;    /* their number; the offsets follow the entries */
    uint8_t key[KEY_MAX]; /* of the last entry, put together */
    uint32_t key_size;
    const uint8_t *value;
    uint32_t value_size;
};

struct sst_reader {
    char *path;
    int fd;
    uint64_t size;
    uint8_t *index_data, *window;
    uint64_t window_offset;
    size_t window_size, window_capacity;
    struct block index, block;
};

static bool damaged(const struct sst_reader *reader, struct error *err, const char *what,
                    uint64_t offset)
{
    return error_set(err, ERROR_STATE, reader->path, "use an older checkpoint",
                     "damaged state file: %s at byte %llu", what, (unsigned long long)offset);
}

static bool read_at(const struct sst_reader *reader, void *out, size_t size, uint64_t offset,
                    struct error *err)
{
    uint8_t *at = out;

    while (size) {
        ssize_t n = pread(reader->fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, reader->path, "cannot read a state file");
        if (n == 0)
            return damaged(reader, err, "it ends early", offset);
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

/* NULL: over the end, or not a number of `bits_max` bits. */
static const uint8_t *varint(const uint8_t *at, const uint8_t *end, unsigned bits_max,
                             uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; at && at < end && shift < bits_max; shift += 7) {
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at++ & 0x80)) {
            *out = value;
            return at;
        }
    }
    return NULL;
}

static bool handle_read(const struct sst_reader *reader, const uint8_t *at, const uint8_t *end,
                        struct handle *handle)
{
    at = varint(at, end, 64, &handle->offset);
    at = varint(at, end, 64, &handle->size);
    return at && handle->size <= BLOCK_MAX && handle->offset < reader->size &&
           handle->size + TRAILER_SIZE <= reader->size - handle->offset;
}

/* RocksDB's xxh3 of a block: the type byte is folded in apart. */
static uint32_t block_checksum(const uint8_t *data, size_t size, uint8_t type)
{
    return (uint32_t)hash_bytes(data, size) ^ type * 0x6b9083d9u;
}

static bool block_init(struct sst_reader *reader, struct block *block, const uint8_t *data,
                       struct handle handle, struct error *err)
{
    uint32_t stored, size = (uint32_t)handle.size;

    memcpy(&stored, data + size + 1, 4);
    if (stored != block_checksum(data, size, data[size]))
        return damaged(reader, err, "wrong checksum of the block", handle.offset);
    if (data[size] != 0)
        return damaged(reader, err, "compressed block", handle.offset);
    if (size < 4)
        return damaged(reader, err, "short block", handle.offset);
    memcpy(&block->restarts, data + size - 4, 4);
    if (block->restarts > (size - 4) / 4)
        return damaged(reader, err, "wrong restarts of the block", handle.offset);
    block->data = data;
    block->size = size - 4 - 4 * block->restarts;
    block->at = block->key_size = 0;
    return true;
}

static bool block_load(struct sst_reader *reader, struct handle handle, struct error *err)
{
    size_t need = (size_t)handle.size + TRAILER_SIZE;

    if (handle.offset < reader->window_offset ||
        handle.offset + need > reader->window_offset + reader->window_size) {
        uint64_t left = reader->size - handle.offset;
        size_t size = need > WINDOW_SIZE ? need : WINDOW_SIZE;

        if (size > left)
            size = (size_t)left;
        if (size > reader->window_capacity) {
            reader->window = memory_grow(reader->window, size, 1);
            reader->window_capacity = size;
        }
        reader->window_size = 0;
        if (!read_at(reader, reader->window, size, handle.offset, err))
            return false;
        reader->window_offset = handle.offset;
        reader->window_size = size;
    }
    return block_init(reader, &reader->block,
                      reader->window + (handle.offset - reader->window_offset), handle, err);
}

static bool footer_read(struct sst_reader *reader, struct handle *index, struct error *err)
{
    uint8_t footer[FOOTER_SIZE];
    const uint8_t *end = footer + 41, *at;
    struct handle meta;
    uint32_t version;
    uint64_t magic;

    if (reader->size < FOOTER_SIZE)
        return damaged(reader, err, "no footer", 0);
    if (!read_at(reader, footer, FOOTER_SIZE, reader->size - FOOTER_SIZE, err))
        return false;
    memcpy(&version, footer + 41, 4);
    memcpy(&magic, footer + 45, 8);
    at = varint(varint(footer + 1, end, 64, &meta.offset), end, 64, &meta.size);
    if (magic != MAGIC || version != FORMAT_READ || footer[0] != CHECKSUM_XXH3 || !at ||
        !handle_read(reader, at, end, index))
        return damaged(reader, err, "wrong footer", reader->size - FOOTER_SIZE);
    return true;
}

static bool reader_init(struct sst_reader *reader, struct error *err)
{
    struct stat stat;
    struct handle index;

    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0 || fstat(reader->fd, &stat) < 0)
        return error_errno(err, reader->path, "cannot open a state file");
    reader->size = (uint64_t)stat.st_size;
    if (!footer_read(reader, &index, err))
        return false;
    reader->index_data = memory_new((size_t)index.size + TRAILER_SIZE);
    return read_at(reader, reader->index_data, (size_t)index.size + TRAILER_SIZE, index.offset,
                   err) &&
           block_init(reader, &reader->index, reader->index_data, index, err);
}

struct sst_reader *sst_reader_open(const char *path, struct error *err)
{
    struct sst_reader *reader = memory_new(sizeof(*reader));

    reader->path = memory_text(path);
    if (reader_init(reader, err))
        return reader;
    sst_reader_close(reader);
    return NULL;
}

void sst_reader_close(struct sst_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        (void)close(reader->fd);
    memory_free(reader->index_data);
    memory_free(reader->window);
    memory_free(reader->path);
    memory_free(reader);
}

static enum sst_result block_next(struct sst_reader *reader, struct block *block, struct error *err)
{
    const uint8_t *at = block->data + block->at, *end = block->data + block->size;
    uint64_t shared = 0, rest = 0, size = 0; /* varint leaves them where the bytes end too soon */

    if (at == end)
        return SST_END;
    at = varint(varint(varint(at, end, 32, &shared), end, 32, &rest), end, 32, &size);
    if (!at || shared > block->key_size || rest > (uint64_t)(end - at) ||
        size > (uint64_t)(end - at) - rest || shared + rest > KEY_MAX ||
        shared + rest < INTERNAL_SIZE) {
        damaged(reader, err, "wrong entry of a block", block->at);
        return SST_FAILED;
    }
    memcpy(block->key + shared, at, rest);
    block->key_size = (uint32_t)(shared + rest);
    block->value = at + rest;
    block->value_size = (uint32_t)size;
    block->at = (uint32_t)(at + rest + size - block->data);
    return SST_ENTRY;
}

static enum sst_result block_step(struct sst_reader *reader, struct error *err)
{
    enum sst_result result = block_next(reader, &reader->index, err);
    struct handle handle;

    if (result != SST_ENTRY)
        return result;
    if (!handle_read(reader, reader->index.value, reader->index.value + reader->index.value_size,
                     &handle)) {
        damaged(reader, err, "wrong index entry", reader->index.at);
        return SST_FAILED;
    }
    return block_load(reader, handle, err) ? SST_ENTRY : SST_FAILED;
}

static enum sst_result entry_next(struct sst_reader *reader, struct error *err)
{
    for (;;) {
        enum sst_result result =
            reader->block.data ? block_next(reader, &reader->block, err) : SST_END;

        if (result != SST_END)
            return result;
        result = block_step(reader, err);
        if (result != SST_ENTRY)
            return result;
    }
}

enum sst_result sst_next(struct sst_reader *reader, const uint8_t **key, size_t *key_size,
                         const uint8_t **value, size_t *value_size, struct error *err)
{
    enum sst_result result = entry_next(reader, err);

    if (result != SST_ENTRY)
        return result;
    *key = reader->block.key;
    *key_size = reader->block.key_size - INTERNAL_SIZE;
    *value = reader->block.value;
    *value_size = reader->block.value_size;
    if (reader->block.key[*key_size] == TYPE_PUT)
        return SST_ENTRY;
    damaged(reader, err, "unknown type of an entry", reader->window_offset);
    return SST_FAILED;
}

static int key_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

    return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Moves the index to the first block that can hold the target: index entries stand alone (a
 * restart each) and are at or after the last key of their block. */
static bool index_seek(struct sst_reader *reader, const void *target, size_t size,
                       struct error *err)
{
    struct block *index = &reader->index;
    uint32_t low = 0, high = index->restarts;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2, offset;

        memcpy(&offset, index->data + index->size + 4ul * middle, 4);
        if (offset >= index->size)
            return damaged(reader, err, "wrong restart of the index", offset);
        index->at = offset;
        index->key_size = 0;
        if (block_next(reader, index, err) != SST_ENTRY)
            return false;
        if (key_compare(index->key, index->key_size - INTERNAL_SIZE, target, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    index->key_size = 0;
    if (low == index->restarts)
        index->at = index->size;
    else
        memcpy(&index->at, index->data + index->size + 4ul * low, 4);
    reader->block.data = NULL;
    return index->at <= index->size ||
           damaged(reader, err, "wrong restart of the index", index->at);
}

enum sst_result sst_seek(struct sst_reader *reader, const void *target, size_t target_size,
                         const uint8_t **key, size_t *key_size, const uint8_t **value,
                         size_t *value_size, struct error *err)
{
    enum sst_result result;

    if (!index_seek(reader, target, target_size, err))
        return SST_FAILED;
    do {
        result = sst_next(reader, key, key_size, value, value_size, err);
    } while (result == SST_ENTRY && key_compare(*key, *key_size, target, target_size) < 0);
    return result;
}
