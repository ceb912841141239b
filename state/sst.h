/* sst: sorted files. They are written by RocksDB's SstFileWriter (block-based tables, version 2,
 * no compression, xxh3 per block), so that RocksDB takes them in as they are, and read here: the C
 * interface of RocksDB 7.8 has no reader of a file on its own, and taking a file into a
 * database writes a sequence number into it, which would break its checksum.
 *
 *   file    data blocks, ..., index block, footer of 53 bytes
 *   footer  checksum type u8, metaindex handle, index handle (varints: offset, size; padded to
 *           40 bytes together), version u32 le, magic u64 le
 *   block   entries, restart offsets u32 le, their number u32 le; then compression type u8 (0)
 *           and checksum u32 le
 *   entry   shared, unshared, value size (varints), key rest, value; the last 8 bytes of a key
 *           are RocksDB's sequence and type
 *
 * A reader trusts nothing: sizes and checksums are verified. Not for several threads. */
#ifndef MILLRACE_STATE_SST_H
#define MILLRACE_STATE_SST_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct sst_writer;
struct sst_reader;

/* `filter`: with a bloom filter, for files that are looked up by key. The file must not exist. */
struct sst_writer *sst_writer_create(const char *path, bool filter, struct error *err);
/* Keys strictly ascending. */
NODISCARD bool sst_writer_put(struct sst_writer *writer, const void *key, size_t key_size,
                              const void *value, size_t value_size, struct error *err);
NODISCARD bool sst_writer_finish(struct sst_writer *writer, struct error *err); /* synced */
void sst_writer_close(struct sst_writer *writer);                               /* NULL is fine */
uint64_t sst_writer_size(const struct sst_writer *writer);                      /* bytes so far */

struct sst_reader *sst_reader_open(const char *path, struct error *err);
void sst_reader_close(struct sst_reader *reader); /* NULL is fine */

enum sst_result { SST_ENTRY, SST_END, SST_FAILED };
/* The next entry, or after a seek the first one at or after the key; before both the first of
 * the file. Pointers hold until the next call. */
enum sst_result sst_next(struct sst_reader *reader, const uint8_t **key, size_t *key_size,
                         const uint8_t **value, size_t *value_size, struct error *err);
enum sst_result sst_seek(struct sst_reader *reader, const void *target, size_t target_size,
                         const uint8_t **key, size_t *key_size, const uint8_t **value,
                         size_t *value_size, struct error *err);

struct rocksdb_options_t;
/* The table options that files and the spill store share: caller destroys all three. */
struct sst_options {
    struct rocksdb_options_t *options;
    struct rocksdb_block_based_table_options_t *table;
    struct rocksdb_cache_t *cache; /* NULL unless asked for */
};
void sst_options_init(struct sst_options *options, bool filter, size_t cache_bytes);
void sst_options_clear(struct sst_options *options);

#endif
