/* key: the canonical encoding of key columns, its hash and its key group. Part of the on-disk
 * format: golden values in tests.
 *
 *   one column:      tag, value          several: each as tag, value; utf8 with its u32 size
 *   tag 1 bool       1 byte
 *   tag 2 i32, i64   8 bytes, big-endian, sign bit flipped (so that bytes order as numbers)
 *   tag 3 timestamp  the same
 *   tag 4 utf8       exact bytes; in a key of several columns after u32 big-endian size
 *   tag 0            null
 *
 *   tag 5 cut        the whole key was over KEY_SIZE_MAX: its hash, 8 bytes, big-endian
 *
 * f32 and f64 are no keys. A key without columns is empty: all rows are one key. */
#ifndef MILLRACE_BATCH_KEY_H
#define MILLRACE_BATCH_KEY_H

#include "runtime/base/hash.h"
#include "runtime/batch/batch.h"

enum key_tag {
    KEY_TAG_NULL,
    KEY_TAG_BOOL,
    KEY_TAG_INTEGER,
    KEY_TAG_TIMESTAMP,
    KEY_TAG_UTF8,
    KEY_TAG_CUT, /* longer than KEY_SIZE_MAX: 8 bytes of hash */
};

struct key { /* borrowed bytes */
    const uint8_t *data;
    uint32_t size;
    uint64_t hash; /* hash_bytes(data, size) */
};

/* A new batch that shares `batch`'s columns and has HIDDEN_HASH and HIDDEN_KEY of these columns.
 * Unselected rows get a key too. */
struct batch *key_batch(const struct batch *batch, const uint32_t *columns, uint32_t count);

/* Whether a column of this type can be a key. */
bool key_type(enum type type);

static inline struct key key_of(const struct batch *batch, uint32_t row)
{
    struct key key;
    key.data = (const uint8_t *)column_text(batch->columns[HIDDEN_KEY], row, &key.size);
    key.hash = batch_hash(batch)[row];
    return key;
}

/* Encodes one value into `data` (KEY_SIZE_MAX bytes); returns the size. For look-ups. */
uint32_t key_from_i64(int64_t value, uint8_t *data);
uint32_t key_from_text(const char *text, size_t size, uint8_t *data);

/* One 64-bit identity a row for a column that names things (items, users): the hash of its
 * canonical key, 0 for null. Two names share one with probability n^2 / 2^65: 3e-6 at 10 M. */
void key_ids(const struct column *column, uint32_t rows, uint64_t *ids);

static inline uint32_t key_group(uint64_t hash, uint32_t groups)
{
    return (uint32_t)(((unsigned __int128)hash * groups) >> 64);
}

/* The subtask that owns a group, and the half-open range of groups that a subtask owns. */
static inline uint32_t key_group_owner(uint32_t group, uint32_t groups, uint32_t parallelism)
{
    return (uint32_t)((uint64_t)group * parallelism / groups);
}

static inline uint32_t key_group_begin(uint32_t subtask, uint32_t groups, uint32_t parallelism)
{
    return (uint32_t)(((uint64_t)subtask * groups + parallelism - 1) / parallelism);
}

#endif
