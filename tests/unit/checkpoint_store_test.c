/* Both kinds of checkpoint store keep one contract. */
#include "tests/unit/state_rig.h"

#include "runtime/base/hash.h"
#include "state/checkpoint_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <utime.h>

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"a", true},         {"a/b-c_d.e/F9", true}, {"", false},    {"/a", false},
        {"a/", false},       {"a//b", false},        {".a", false},  {"a/.b", false},
        {"..", false},       {"a/../b", false},      {"a b", false}, {"a\\b", false},
        {"\xc3\xa9", false}, {"a.", true},
    };
    char name[CHECKPOINT_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (checkpoint_name_valid(cases[i].name) != cases[i].valid)
            fail_msg("%s", cases[i].name);
    memset(name, 'a', sizeof(name));
    name[200] = 0;
    assert_true(checkpoint_name_valid(name));
    name[200] = 'a';
    name[201] = 0;
    assert_false(checkpoint_name_valid(name));
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 100 == 99 ? '/' : 'a';
    name[CHECKPOINT_NAME_MAX - 1] = 0;
    assert_true(checkpoint_name_valid(name));
    name[CHECKPOINT_NAME_MAX - 1] = 'a';
    name[CHECKPOINT_NAME_MAX] = 0;
    assert_false(checkpoint_name_valid(name));
}

static void check_text(struct checkpoint_store *store, const char *name, const char *text)
{
    struct bytes bytes = {0};
    struct error err = {0};
    uint64_t size, checksum;

    bytes_text(&bytes, ">");
    must(checkpoint_get(store, name, 100, &bytes, &err), &err);
    assert_int_equal(bytes.size, strlen(text) + 1);
    assert_memory_equal(bytes.data + 1, text, strlen(text));
    must(checkpoint_sum(store, name, &size, &checksum, &err), &err);
    assert_int_equal(size, strlen(text));
    assert_true(checksum == hash_bytes(text, strlen(text)));
    bytes_clear(&bytes);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void check_files(struct checkpoint_store *store, const char *dir)
{
    char *path = memory_format("%s/file", dir), *work = memory_format("%s/fetched", dir);
    char fetched[PATH_SIZE_MAX];
    uint64_t size, checksum;
    struct error err = {0};

    write_text(path, "of a file");
    assert_int_equal(mkdir(work, 0700), 0);
    must(checkpoint_put_file(store, "job/shared/f.sst", path, &err) == PUT_DONE, &err);
    assert_int_equal(checkpoint_put_file(store, "job/shared/f.sst", path, &err), PUT_EXISTS);
    assert_int_equal(unlink(path), 0);
    check_text(store, "job/shared/f.sst", "of a file");
    assert_int_equal(checkpoint_put_file(store, "job/shared/g.sst", path, &err), PUT_FAILED);
    must(checkpoint_fetch(store, "job/shared/f.sst", work, fetched, &err), &err);
    must(file_sum(fetched, &size, &checksum, &err), &err);
    assert_true(checksum == hash_bytes("of a file", 9));
    assert_false(checkpoint_fetch(store, "job/shared/g.sst", work, fetched, &err));
    memory_free(path);
    memory_free(work);
}

static void check_list(struct checkpoint_store *store, const char *prefix, uint32_t count,
                       const char *first)
{
    struct arena *arena = arena_create(4096);
    struct name_list list;
    struct error err = {0};

    must(checkpoint_list(store, prefix, arena, &list, &err), &err);
    assert_int_equal(list.count, count);
    if (count)
        assert_string_equal(list.names[0], first);
    for (uint32_t i = 1; i < list.count; i++)
        assert_true(strcmp(list.names[i - 1], list.names[i]) < 0);
    arena_close(arena);
}

static void check_contract(struct checkpoint_store *store, const char *dir)
{
    struct bytes bytes = {0};
    struct error err = {0};

    check_list(store, "", 0, NULL);
    must(checkpoint_put(store, "job/chk-1/manifest.json", "one", 3, &err) == PUT_DONE, &err);
    assert_int_equal(checkpoint_put(store, "job/chk-1/manifest.json", "two", 3, &err), PUT_EXISTS);
    check_text(store, "job/chk-1/manifest.json", "one");
    must(checkpoint_put(store, "job/empty", "", 0, &err) == PUT_DONE, &err);
    check_text(store, "job/empty", "");
    assert_int_equal(checkpoint_put(store, "../out", "x", 1, &err), PUT_FAILED);
    assert_false(checkpoint_get(store, "job/none", 100, &bytes, &err));
    assert_false(checkpoint_get(store, "job/chk-1/manifest.json", 2, &bytes, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(bytes.size, 0);
    check_files(store, dir);
    must(checkpoint_put(store, "job2/a", "", 0, &err) == PUT_DONE, &err);
    check_list(store, "", 4, "job/chk-1/manifest.json");
    check_list(store, "job/", 3, "job/chk-1/manifest.json");
    check_list(store, "job/chk", 1, "job/chk-1/manifest.json");
    check_list(store, "job2", 1, "job2/a");
    check_list(store, "none/", 0, NULL);
    must(checkpoint_remove(store, "job/chk-1/manifest.json", &err), &err);
    must(checkpoint_remove(store, "job/chk-1/manifest.json", &err), &err);
    check_list(store, "job/", 2, "job/empty");
    must(checkpoint_put(store, "job/chk-1/manifest.json", "new", 3, &err) == PUT_DONE, &err);
    check_text(store, "job/chk-1/manifest.json", "new");
    bytes_clear(&bytes);
}

static void test_memory(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    char *dir = dir_new();

    (void)state;
    check_contract(store, dir);
    checkpoint_store_close(store);
    dir_remove(dir);
    memory_free(dir);
}

static void test_dir(void **state)
{
    char *dir = dir_new(), *root = memory_format("%s/some/where", dir);
    struct error err = {0};
    struct checkpoint_store *store = checkpoint_store_dir(root, &err);

    (void)state;
    must(store != NULL, &err);
    check_contract(store, dir);
    checkpoint_store_close(store);
    dir_remove(dir);
    memory_free(dir);
    memory_free(root);
}

/* What a crash left: old temporary files go, young ones may still be written. */
static void test_stale(void **state)
{
    char *dir = dir_new(), *old = memory_format("%s/.tmp/1-0", dir);
    char *young = memory_format("%s/.tmp/1-1", dir);
    struct error err = {0};
    struct checkpoint_store *store = checkpoint_store_dir(dir, &err);
    struct utimbuf times = {0};

    (void)state;
    checkpoint_store_close(store);
    write_text(old, "x");
    write_text(young, "x");
    assert_int_equal(utime(old, &times), 0);
    store = checkpoint_store_dir(dir, &err);
    must(store != NULL, &err);
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
    check_list(store, "", 0, NULL);
    checkpoint_store_close(store);
    dir_remove(dir);
    memory_free(dir);
    memory_free(old);
    memory_free(young);
}

static void test_refused(void **state)
{
    char *dir = dir_new(), *file = memory_format("%s/file", dir);
    char *below = memory_format("%s/file/below", dir);
    struct error err = {0};
    struct checkpoint_store *store;

    (void)state;
    write_text(file, "x");
    assert_null(checkpoint_store_dir(below, &err));
    assert_int_equal(err.code, ERROR_CONFIG);
    assert_non_null(strstr(err.how, "checkpoint.dir"));
    assert_string_equal(err.where, below);
    assert_null(checkpoint_store_dir("", &err));
    store = checkpoint_store_dir(dir, &err);
    must(store != NULL, &err);
    assert_int_equal(checkpoint_put(store, "file/x", "x", 1, &err), PUT_FAILED);
    assert_int_equal(err.code, ERROR_IO);
    checkpoint_store_close(store);
    dir_remove(dir);
    memory_free(dir);
    memory_free(file);
    memory_free(below);
}

struct racer {
    pthread_t thread;
    struct checkpoint_store *store;
    uint32_t won;
};

static void *race(void *context)
{
    struct racer *racer = context;

    for (int i = 0; i < 50; i++) {
        char name[64];
        struct error err;

        (void)snprintf(name, sizeof(name), "job/chk-%d/manifest.json", i);
        racer->won += checkpoint_put(racer->store, name, &racer, sizeof(racer), &err) == PUT_DONE;
        if (i % 3 == 0) { /* takes the folder away under the other's feet */
            (void)snprintf(name, sizeof(name), "job/other-%d/x", i);
            must(checkpoint_put(racer->store, name, "", 0, &err) != PUT_FAILED, &err);
            must(checkpoint_remove(racer->store, name, &err), &err);
        }
    }
    return NULL;
}

static void test_race(void **state)
{
    struct racer racers[2] = {0};

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        char *dir = dir_new();
        struct error err = {0};
        struct checkpoint_store *store =
            kind ? checkpoint_store_dir(dir, &err) : checkpoint_store_memory(NULL, NULL);

        for (int i = 0; i < 2; i++) {
            racers[i] = (struct racer){.store = store};
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        assert_int_equal(racers[0].won + racers[1].won, 50);
        checkpoint_store_close(store);
        dir_remove(dir);
        memory_free(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_memory),  cmocka_unit_test(test_dir),
        cmocka_unit_test(test_stale), cmocka_unit_test(test_refused), cmocka_unit_test(test_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
