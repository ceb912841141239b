/* Sorted files: what RocksDB writes is read back; damage is told, and does no harm. */
#include "tests/unit/state_rig.h"

#include "runtime/base/hash.h"
#include "state/sst.h"

#include <fcntl.h>

struct entry {
    uint8_t key[40], value[300];
    size_t key_size, value_size;
};

static int entry_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t size = x->key_size < y->key_size ? x->key_size : y->key_size;
    int order = memcmp(x->key, y->key, size);

    return order ? order : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static uint32_t entries_make(struct entry *entries, uint32_t count, uint64_t seed)
{
    struct random random = {seed};
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];

        entry->key_size = random_below(&random, sizeof(entry->key)) + (i == 0 ? 0 : 1);
        for (size_t k = 0; k < entry->key_size; k++)
            entry->key[k] = (uint8_t)random_below(&random, 3) * 127;
        entry->value_size = random_below(&random, sizeof(entry->value));
        for (size_t k = 0; k < entry->value_size; k++)
            entry->value[k] = (uint8_t)random_next(&random);
    }
    qsort(entries, count, sizeof(*entries), entry_order);
    for (uint32_t i = 0; i < count; i++)
        if (!kept || entry_order(&entries[kept - 1], &entries[i]) != 0)
            entries[kept++] = entries[i];
    return kept;
}

static void entries_write(const char *path, const struct entry *entries, uint32_t count)
{
    struct error err = {0};
    struct sst_writer *writer = sst_writer_create(path, false, &err);

    must(writer != NULL, &err);
    for (uint32_t i = 0; i < count; i++)
        must(sst_writer_put(writer, entries[i].key, entries[i].key_size, entries[i].value,
                            entries[i].value_size, &err),
             &err);
    must(sst_writer_finish(writer, &err), &err);
    sst_writer_close(writer);
}

/* Whether the file gives just these entries from `first` on. */
static bool entries_same(struct sst_reader *reader, enum sst_result result,
                         const struct entry *entries, uint32_t first, uint32_t count,
                         const uint8_t *key, size_t key_size, const uint8_t *value,
                         size_t value_size)
{
    struct error err = {0};

    for (uint32_t i = first; result == SST_ENTRY; i++) {
        if (i >= count || key_size != entries[i].key_size || value_size != entries[i].value_size ||
            memcmp(key, entries[i].key, key_size) != 0 ||
            memcmp(value, entries[i].value, value_size) != 0)
            return false;
        result = sst_next(reader, &key, &key_size, &value, &value_size, &err);
        if (result == SST_END)
            return i + 1 == count;
    }
    return result == SST_END && first == count;
}

static void test_read(void **state)
{
    static struct entry entries[3000];
    char *dir = dir_new(), *path = memory_format("%s/a.sst", dir);

    (void)state;
    for (uint32_t wanted = 1; wanted <= 3000; wanted = wanted * 3 + 1) {
        uint32_t count = entries_make(entries, wanted, wanted);
        const uint8_t *key = NULL, *value = NULL;
        size_t key_size = 0, value_size = 0;
        struct error err = {0};
        struct sst_reader *reader;
        enum sst_result result;

        (void)unlink(path);
        entries_write(path, entries, count);
        reader = sst_reader_open(path, &err);
        must(reader != NULL, &err);
        result = sst_next(reader, &key, &key_size, &value, &value_size, &err);
        assert_true(
            entries_same(reader, result, entries, 0, count, key, key_size, value, value_size));
        for (uint32_t i = 0; i < count; i += 1 + count / 20) {
            uint8_t target[64];
            size_t size = entries[i].key_size;

            memcpy(target, entries[i].key, size);
            result = sst_seek(reader, target, size, &key, &key_size, &value, &value_size, &err);
            assert_true(
                entries_same(reader, result, entries, i, count, key, key_size, value, value_size));
            target[size++] = 0; /* just behind it: nothing lies between, unless this is a key */
            result = sst_seek(reader, target, size, &key, &key_size, &value, &value_size, &err);
            assert_true(entries_same(reader, result, entries, i + 1, count, key, key_size, value,
                                     value_size));
        }
        sst_reader_close(reader);
    }
    dir_remove(dir);
    memory_free(path);
    memory_free(dir);
}

static uint8_t *file_bytes(const char *path, size_t *size)
{
    struct stat stat_buffer;
    uint8_t *bytes;
    int fd = open(path, O_RDONLY);

    assert_int_equal(fstat(fd, &stat_buffer), 0);
    *size = (size_t)stat_buffer.st_size;
    bytes = memory_new(*size);
    assert_int_equal(read(fd, bytes, *size), *size);
    assert_int_equal(close(fd), 0);
    return bytes;
}

static void file_put(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* True: read whole and the same; false: an error was told. */
static bool read_all(const char *path, uint32_t count)
{
    const uint8_t *key, *value;
    size_t key_size, value_size;
    struct error err = {0};
    struct sst_reader *reader = sst_reader_open(path, &err);
    enum sst_result result = SST_FAILED;
    uint32_t read = 0;

    if (reader)
        while ((result = sst_next(reader, &key, &key_size, &value, &value_size, &err)) == SST_ENTRY)
            read++;
    sst_reader_close(reader);
    if (result == SST_FAILED) {
        assert_int_equal(err.code, ERROR_STATE);
        assert_string_equal(err.where, path);
        return false;
    }
    assert_int_equal(read, count);
    return true;
}

static void test_damage(void **state)
{
    static struct entry entries[60];
    char *dir = dir_new(), *path = memory_format("%s/a.sst", dir);
    uint32_t count = entries_make(entries, 60, 5);
    uint8_t *bytes;
    size_t size;

    (void)state;
    entries_write(path, entries, count);
    bytes = file_bytes(path, &size);
    assert_true(read_all(path, count));
    for (size_t at = 0; at < size; at++) { /* told, or it was a byte that nobody reads */
        bytes[at] ^= (uint8_t)(1u << at % 8);
        file_put(path, bytes, size);
        (void)read_all(path, count);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t cut = 0; cut < size; cut += 1 + size / 100) {
        file_put(path, bytes, cut);
        assert_false(read_all(path, count));
    }
    memory_free(bytes);
    dir_remove(dir);
    memory_free(path);
    memory_free(dir);
}

/* The reader behind the checksum: bytes of the one data block are changed and its checksum is
 * made right. Anything may be read, but nothing outside the block. */
static void test_hostile(void **state)
{
    static struct entry entries[20];
    char *dir = dir_new(), *path = memory_format("%s/a.sst", dir);
    uint32_t count = entries_make(entries, 20, 9);
    struct random random = {3};
    size_t size, block = 0;
    uint8_t *bytes;

    (void)state;
    entries_write(path, entries, count);
    bytes = file_bytes(path, &size);
    for (size_t at = 16; at + 5 < size && !block; at++) { /* where the checksum of a block fits */
        uint32_t stored, wanted = (uint32_t)hash_bytes(bytes, at);

        memcpy(&stored, bytes + at + 1, 4);
        if (stored == wanted && bytes[at] == 0)
            block = at;
    }
    assert_true(block > 0);
    for (int i = 0; i < 20000; i++) {
        size_t at = random_below(&random, block);
        uint8_t before = bytes[at];
        const uint8_t *key, *value;
        size_t key_size, value_size;
        struct sst_reader *reader;
        struct error err = {0};
        uint32_t checksum;

        bytes[at] = random_below(&random, 2) ? (uint8_t)random_next(&random) : 0xff;
        checksum = (uint32_t)hash_bytes(bytes, block);
        memcpy(bytes + block + 1, &checksum, 4);
        file_put(path, bytes, size);
        reader = sst_reader_open(path, &err);
        must(reader != NULL, &err);
        while (sst_next(reader, &key, &key_size, &value, &value_size, &err) == SST_ENTRY)
            (void)(hash_bytes(key, key_size) ^ hash_bytes(value, value_size));
        sst_reader_close(reader);
        bytes[at] = before;
    }
    memory_free(bytes);
    dir_remove(dir);
    memory_free(path);
    memory_free(dir);
}

static void test_refused(void **state)
{
    char *dir = dir_new(), *path = memory_format("%s/none/a.sst", dir);
    struct error err = {0};

    (void)state;
    assert_null(sst_reader_open(path, &err));
    assert_string_equal(err.where, path);
    assert_null(sst_writer_create(path, false, &err));
    assert_string_equal(err.where, path);
    assert_int_equal(err.code, ERROR_IO);
    dir_remove(dir);
    memory_free(path);
    memory_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
