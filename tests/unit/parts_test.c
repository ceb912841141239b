/* parts: the two-phase commit of file sinks. Attempts run in processes of their own that die before
 * one of their system calls, as by kill -9; the next attempt restores the last complete checkpoint,
 * at another parallelism, sometimes an older one. What is visible at the end holds each row once. */
#include "operators/sink/bundle.h"
#include "operators/sink/part_name.h"
#include "operators/sink/parts.h"
#include "runtime/base/random.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* As the engine does it: the bundle counts once the disk has been waited for. */
static bool prepare(struct parts *parts, uint64_t checkpoint, int64_t now_ms, bool last,
                    struct bytes *bundle, struct error *err)
{
    struct durable *durable = durable_create();
    bool good = parts_prepare(parts, checkpoint, now_ms, last, bundle, durable, err) &&
                durable_wait(durable, err);

    durable_close(durable);
    return good;
}

/* ---- system calls that change something, counted ---- */

static uint32_t calls_left; /* 0: no limit */

static void count_call(void)
{
    if (calls_left > 0 && --calls_left == 0)
        _exit(9);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    count_call();
    if (calls_left > 0 && size > 1 && --calls_left == 0) { /* half of it */
        (void)!__real_write(fd, data, size / 2);
        _exit(9);
    }
    return __real_write(fd, data, size);
}

int __wrap_fsync(int fd)
{
    count_call();
    (void)fd; /* the page cache survives a killed process */
    return 0;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    count_call();
    return __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
    count_call();
    return __real_unlinkat(dir, name, flags);
}

/* ---- folders ---- */

static char folder[] = "/tmp/parts_test-XXXXXX";

static void clear_dir(const char *dir)
{
    DIR *list = opendir(dir);
    char path[600];
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list)) {
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_type != DT_DIR)
            unlink(path);
    }
    if (list)
        closedir(list);
}

static int set_up(void **state)
{
    static char dir[64];
    (void)state;
    strcpy(folder, "/tmp/parts_test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(dir, sizeof(dir), "%s/out", folder);
    *state = dir;
    return 0;
}

static int tear_down(void **state)
{
    clear_dir(*state);
    rmdir(*state);
    clear_dir(folder);
    return rmdir(folder);
}

static uint32_t count_files(const char *dir, const char *prefix)
{
    uint32_t count = 0;
    DIR *list = opendir(dir);
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list))
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (list)
        closedir(list);
    return count;
}

#define ROWS_MAX 4096u

/* Counts the rows in visible files: the lines are numbers. */
static void count_rows(const char *dir, uint8_t counts[ROWS_MAX])
{
    DIR *list = opendir(dir);
    char path[600], line[64];
    memset(counts, 0, ROWS_MAX);
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list)) {
        if (strncmp(entry->d_name, "part-", 5) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        gzFile file = gzopen(path, "rb"); /* reads plain files too */
        while (gzgets(file, line, sizeof(line))) {
            uint32_t row = (uint32_t)strtoul(line, NULL, 10);
            assert_true(row < ROWS_MAX && strchr(line, '\n'));
            counts[row]++;
        }
        gzclose(file);
    }
    if (list)
        closedir(list);
}

static struct parts_options options_of(const char *dir, const char *subtask)
{
    return (struct parts_options){
        .dir = dir, .subtask = subtask, .suffix = ".jsonl", .roll_size = 1000};
}

static void put_row(struct parts *parts, uint32_t row)
{
    bytes_format(parts_buffer(parts), "%u\n", row);
}

/* ---- single steps ---- */

static void test_commit(void **state)
{
    const char *dir = *state;
    struct parts_options options = options_of(dir, "3-4-2");
    struct bytes first = {0}, second = {0};
    struct error err;
    uint8_t counts[ROWS_MAX];
    struct parts *parts = parts_open(&options, &err);
    assert_non_null(parts);
    put_row(parts, 1);
    assert_true(prepare(parts, 5, 0, false, &first, &err));
    assert_true(parts_commit(parts, first.data, first.size, &err));
    count_rows(dir, counts);
    assert_int_equal(counts[1], 0); /* in progress */
    put_row(parts, 2);
    assert_true(prepare(parts, 6, 0, true, &second, &err));
    for (int again = 0; again < 3; again++)
        assert_true(parts_commit(parts, second.data, second.size, &err));
    count_rows(dir, counts);
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[2], 1);
    assert_int_equal(count_files(dir, "part-3-4-2-6-0.jsonl"), 1);
    assert_int_equal(count_files(dir, ".part"), 0);
    parts_close(parts);
    bytes_clear(&first);
    bytes_clear(&second);
}

static void test_nothing(void **state)
{
    struct parts_options options = options_of(*state, "0-1-1");
    struct bytes bundle = {0};
    struct error err;
    struct parts *parts = parts_open(&options, &err);
    assert_true(prepare(parts, 1, 0, true, &bundle, &err));
    assert_true(parts_commit(parts, bundle.data, bundle.size, &err));
    assert_int_equal(count_files(*state, "part"), 0);
    assert_int_equal(count_files(*state, ".part"), 0);
    parts_close(parts);
    bytes_clear(&bundle);
}

/* A file that is committed late is told by each bundle until then, under one name. */
static void test_late_commit(void **state)
{
    struct parts_options options = options_of(*state, "0-1-1");
    struct bytes first = {0}, second = {0}, third = {0};
    struct error err;
    options.roll_size = 1;
    options.roll_time_ms = 1;
    struct parts *parts = parts_open(&options, &err);
    put_row(parts, 1);
    assert_true(prepare(parts, 1, 10, false, &first, &err));
    put_row(parts, 2);
    assert_true(prepare(parts, 2, 20, false, &second, &err));
    assert_true(parts_commit(parts, first.data, first.size, &err));
    assert_true(prepare(parts, 3, 30, false, &third, &err));
    struct bundle bundle;
    assert_true(bundle_read(&bundle, third.data, third.size, &err));
    assert_int_equal(bundle.count, 1); /* checkpoint 2 has not been told complete */
    assert_int_equal(bundle.files[0].checkpoint, 2);
    assert_true(parts_commit(parts, third.data, third.size, &err));
    assert_true(parts_commit(parts, second.data, second.size, &err));
    assert_int_equal(count_files(*state, "part-0-1-1-1-0.jsonl"), 1);
    assert_int_equal(count_files(*state, "part-0-1-1-2-1.jsonl"), 1);
    bundle_clear(&bundle);
    parts_close(parts);
    bytes_clear(&first);
    bytes_clear(&second);
    bytes_clear(&third);
}

/* By how much does not add to a file's age. */
static void test_clock_set_back(void **state)
{
    static const struct {
        int64_t now_ms;
        bool rolled; /* by this prepare */
    } steps[] = {{1000, true}, {1050, false}, {500, false}, {599, false}, {600, true}};
    struct parts_options options = options_of(*state, "0-1-1");
    struct bytes bytes = {0};
    struct error err;
    options.roll_time_ms = 100;
    struct parts *parts = parts_open(&options, &err);

    for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct bundle bundle;

        put_row(parts, i);
        bytes.size = 0;
        assert_true(prepare(parts, i + 1, steps[i].now_ms, false, &bytes, &err));
        assert_true(bundle_read(&bundle, bytes.data, bytes.size, &err));
        assert_int_equal(bundle.files[bundle.count - 1].checkpoint != 0, steps[i].rolled);
        bundle_clear(&bundle);
    }
    parts_close(parts);
    bytes_clear(&bytes);
}

static void test_fresh(void **state)
{
    const char *dir = *state;
    struct parts_options options = options_of(dir, "0-1-1");
    struct bytes bundle = {0};
    struct error err;
    struct parts *parts = parts_open(&options, &err);
    put_row(parts, 1);
    assert_true(prepare(parts, 1, 0, true, &bundle, &err));
    assert_true(parts_commit(parts, bundle.data, bundle.size, &err));
    put_row(parts, 2);
    assert_true(prepare(parts, 2, 0, false, &bundle, &err));
    parts_close(parts);
    assert_int_equal(count_files(dir, ".part"), 1);
    assert_null(parts_open(&options, &err)); /* a fresh run into a full directory */
    assert_non_null(strstr(err.how, "overwrite"));
    options.restored = true; /* is fine for one that goes on */
    parts = parts_open(&options, &err);
    assert_non_null(parts);
    parts_close(parts);
    options.restored = false;
    options.overwrite = true;
    options.subtask = "1-1-2";
    parts = parts_open(&options, &err);
    assert_non_null(parts);
    parts_close(parts);
    assert_int_equal(count_files(dir, "part"), 0);
    assert_int_equal(count_files(dir, ".part"), 0);
    bytes_clear(&bundle);
}

/* Told before the first rows come, also to one that goes on. */
static void test_unwritable(void **state)
{
    const char *dir = *state;
    struct parts_options options = options_of(dir, "0-1-1");
    bool root = geteuid() == 0;

    assert_int_equal(mkdir(dir, 0555), 0);
    assert_int_equal(chmod(folder, 0711), 0);
    assert_true(!root || seteuid(65534) == 0);
    for (int restored = 0; restored < 2; restored++) {
        struct error err = {0};

        options.restored = restored;
        assert_null(parts_open(&options, &err));
        assert_int_equal(err.code, ERROR_CONFIG);
        assert_string_equal(err.where, dir);
        assert_string_equal(err.what, "cannot be written: Permission denied");
    }
    assert_true(!root || seteuid(0) == 0);
}

/* The former owner still lives and writes on: nothing of that is seen. */
static void test_zombie(void **state)
{
    const char *dir = *state;
    struct parts_options options = options_of(dir, "0-1-1");
    struct bytes bundle = {0}, later = {0};
    struct error err;
    uint8_t counts[ROWS_MAX];
    struct parts *zombie = parts_open(&options, &err);
    put_row(zombie, 1);
    assert_true(prepare(zombie, 1, 0, false, &bundle, &err));
    put_row(zombie, 2);
    assert_true(prepare(zombie, 2, 0, false, &later, &err)); /* never complete */
    options.subtask = "0-1-2";
    options.restored = true;
    struct parts *parts = parts_open(&options, &err);
    assert_true(parts_restore(parts, bundle.data, bundle.size, &err));
    assert_true(parts_settle(parts, &err));
    later.size = 0;
    put_row(zombie, 3);
    assert_true(prepare(zombie, 3, 0, true, &later, &err));
    assert_false(parts_commit(zombie, later.data, later.size, &err)); /* its file is gone */
    count_rows(dir, counts);
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[2] + counts[3], 0);
    parts_close(zombie);
    parts_close(parts);
    bytes_clear(&bundle);
    bytes_clear(&later);
}

static void test_lost(void **state)
{
    const char *dir = *state;
    struct parts_options options = options_of(dir, "0-1-1");
    struct bytes bundle = {0};
    struct error err;
    struct parts *parts = parts_open(&options, &err);
    put_row(parts, 1);
    assert_true(prepare(parts, 1, 0, false, &bundle, &err));
    parts_close(parts);
    clear_dir(dir);
    options.restored = true;
    options.subtask = "0-2-1"; /* a run that begins so has no use for another attempt */
    parts = parts_open(&options, &err);
    assert_true(parts_restore(parts, bundle.data, bundle.size, &err));
    assert_false(parts_settle(parts, &err));
    assert_int_equal(err.code, ERROR_CONFIG);
    assert_non_null(strstr(err.how, "restore the directory"));
    parts_close(parts);
    options.subtask = "0-2-2"; /* one that had it waits for it */
    parts = parts_open(&options, &err);
    assert_true(parts_restore(parts, bundle.data, bundle.size, &err));
    assert_false(parts_settle(parts, &err));
    assert_int_equal(err.code, ERROR_STATE);
    for (size_t size = 0; size < bundle.size; size++) /* and damaged bundles */
        assert_false(parts_restore(parts, bundle.data, size, &err));
    parts_close(parts);
    bytes_clear(&bundle);
}

/* Restored with another path: old files are finished where they are, and stay. */
static void test_fork(void **state)
{
    const char *dir = *state;
    char other[80];
    struct parts_options options = options_of(dir, "0-1-1");
    struct bytes bundle = {0}, later = {0};
    struct error err;
    uint8_t counts[ROWS_MAX];
    snprintf(other, sizeof(other), "%s-2", dir);
    struct parts *parts = parts_open(&options, &err);
    put_row(parts, 1);
    assert_true(prepare(parts, 1, 0, false, &bundle, &err));
    put_row(parts, 2);
    assert_true(prepare(parts, 2, 0, true, &later, &err));
    assert_true(parts_commit(parts, later.data, later.size, &err));
    parts_close(parts);
    options.dir = other;
    options.restored = true;
    parts = parts_open(&options, &err);
    assert_true(parts_restore(parts, bundle.data, bundle.size, &err));
    assert_true(parts_settle(parts, &err));
    count_rows(dir, counts);
    assert_int_equal(counts[2], 1);
    parts_close(parts);
    clear_dir(other);
    rmdir(other);
    bytes_clear(&bundle);
    bytes_clear(&later);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum part_kind kind;
    } cases[] = {
        {"part-0-7-1-2-3.jsonl", PART_VISIBLE},
        {".part-0-7-1-3.jsonl.inprogress", PART_PROGRESS},
        {".part-0-7-1-3.jsonl.copy", PART_COPY},
        {"part-0-7-1-2-3.csv", PART_OTHER},
        {"part-0-7-1-2.jsonl", PART_OTHER},
        {"part-00-7-1-2-3.jsonl", PART_OTHER},
        {"part-0-7-1-2-3.jsonl.gz", PART_OTHER},
        {".part-0-7-1-3.jsonl", PART_OTHER},
        {"part-0-7-1-2-3.jsonl.inprogress", PART_OTHER},
        {"readme", PART_OTHER},
        {"", PART_OTHER},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++)
        if (part_name_read(cases[k].text, ".jsonl").kind != cases[k].kind)
            fail_msg("%s", cases[k].text);
}

/* ---- the loop: attempts that die ---- */

#define SUBTASKS_MAX 3u
#define LAST_ROW 300u

struct manifest { /* a complete checkpoint */
    uint64_t number;
    uint32_t rows, count;             /* rows read; bundles */
    struct bytes older[SUBTASKS_MAX]; /* of checkpoints before it that were not complete */
    struct bytes bundles[SUBTASKS_MAX];
};

static void manifest_clear(struct manifest *manifest)
{
    for (uint32_t k = 0; k < SUBTASKS_MAX; k++)
        bytes_clear(&manifest->bundles[k]);
    for (uint32_t k = 0; k < SUBTASKS_MAX; k++)
        bytes_clear(&manifest->older[k]);
    *manifest = (struct manifest){0};
}

static void manifest_path(char *path, size_t size, uint64_t number)
{
    snprintf(path, size, "%s/manifest-%06" PRIu64, folder, number);
}

/* Written at once by rename, as the checkpoint store does; not counted as system calls. */
static void manifest_write(const struct manifest *manifest)
{
    char path[128], temporary[128];
    manifest_path(path, sizeof(path), manifest->number);
    snprintf(temporary, sizeof(temporary), "%s/new", folder);
    FILE *file = fopen(temporary, "w");
    fprintf(file, "%u %u\n", manifest->rows, manifest->count);
    for (uint32_t k = 0; k < 2 * manifest->count; k++) {
        const struct bytes *bundle = k % 2 ? &manifest->bundles[k / 2] : &manifest->older[k / 2];
        fprintf(file, "%zu\n", bundle->size);
        if (bundle->size > 0)
            fwrite(bundle->data, 1, bundle->size, file);
    }
    fclose(file);
    rename(temporary, path);
}

static bool manifest_read(uint64_t number, struct manifest *manifest)
{
    char path[128];
    manifest_path(path, sizeof(path), number);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    *manifest = (struct manifest){.number = number};
    assert_int_equal(fscanf(file, "%u %u\n", &manifest->rows, &manifest->count), 2);
    for (uint32_t k = 0; k < 2 * manifest->count; k++) {
        size_t size;
        struct bytes *bundle = k % 2 ? &manifest->bundles[k / 2] : &manifest->older[k / 2];
        assert_int_equal(fscanf(file, "%zu", &size), 1);
        fgetc(file);
        bytes_reserve(bundle, size);
        bundle->size = fread(bundle->data, 1, size, file);
        assert_int_equal(bundle->size, size);
    }
    fclose(file);
    return true;
}

static uint64_t manifest_last(void)
{
    for (uint64_t number = 400; number > 0; number--) {
        char path[128];
        manifest_path(path, sizeof(path), number);
        if (access(path, F_OK) == 0)
            return number;
    }
    return 0;
}

static void must(bool fine, const struct error *err)
{
    if (fine)
        return;
    fprintf(stderr, "%s: %s\n", err->where, err->what);
    _exit(1);
}

struct attempt {
    const char *dir;
    uint32_t number, parallelism;
    enum compression compression;
    uint64_t seed;
};

static void open_all(const struct attempt *attempt, const struct manifest *from,
                     struct parts *parts[SUBTASKS_MAX])
{
    static char names[SUBTASKS_MAX][32];
    struct error err;
    for (uint32_t k = 0; k < attempt->parallelism; k++) {
        /* every third is a restart within a run, the others are runs of their own */
        snprintf(names[k], sizeof(names[k]), "%u-%u-%u", k, attempt->number - attempt->number % 3,
                 1 + attempt->number % 3);
        struct parts_options options = options_of(attempt->dir, names[k]);
        options.compression = attempt->compression;
        options.suffix = attempt->compression == COMPRESSION_NONE ? ".jsonl" : ".jsonl.gz";
        options.roll_size = 40;
        options.roll_time_ms = 3;
        options.restored = from->number > 0;
        parts[k] = parts_open(&options, &err);
        must(parts[k] != NULL, &err);
    }
    for (uint32_t k = 0; k < from->count; k++) {
        struct parts *to = parts[k % attempt->parallelism];
        must(from->older[k].size == 0 ||
                 parts_restore(to, from->older[k].data, from->older[k].size, &err),
             &err);
        must(parts_restore(to, from->bundles[k].data, from->bundles[k].size, &err), &err);
    }
}

/* As the engine does: older bundles too, in order. */
static void commit_all(struct parts *parts, struct bytes *older, const struct bytes *bundle)
{
    struct error err;
    must(older->size == 0 || parts_commit(parts, older->data, older->size, &err), &err);
    must(parts_commit(parts, bundle->data, bundle->size, &err), &err);
    older->size = 0;
}

/* Runs to the end of the input unless it dies. */
static void run_attempt(const struct attempt *attempt, const struct manifest *from)
{
    struct random random = {attempt->seed};
    struct parts *parts[SUBTASKS_MAX];
    struct error err;
    struct manifest now = {.number = from->number, .rows = from->rows};
    open_all(attempt, from, parts);
    while (now.rows < LAST_ROW || now.count == 0) {
        uint64_t more = random_below(&random, 60);
        for (; more > 0 && now.rows < LAST_ROW; more--, now.rows++) {
            struct parts *to = parts[now.rows % attempt->parallelism];
            put_row(to, now.rows);
            must(parts_written(to, &err), &err);
        }
        now.number++;
        now.count = attempt->parallelism;
        for (uint32_t k = 0; k < now.count; k++) {
            now.bundles[k].size = 0;
            must(prepare(parts[k], now.number, (int64_t)now.number, now.rows == LAST_ROW,
                         &now.bundles[k], &err),
                 &err);
        }
        if (random_below(&random, 5) == 0 && now.rows < LAST_ROW) {
            for (uint32_t k = 0; k < now.count; k++) { /* the checkpoint was not completed */
                now.older[k].size = 0;
                bytes_put(&now.older[k], now.bundles[k].data, now.bundles[k].size);
            }
            continue;
        }
        manifest_write(&now);
        for (uint32_t k = 0; k < now.count; k++)
            commit_all(parts[k], &now.older[k], &now.bundles[k]);
    }
    _exit(0);
}

static bool run_in_process(const struct attempt *attempt, const struct manifest *from,
                           uint32_t calls)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        calls_left = calls;
        run_attempt(attempt, from);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 9)
        fail_msg("seed %" PRIu64 ", attempt %u fails", attempt->seed, attempt->number);
    return WEXITSTATUS(status) == 0;
}

/* Unless it is the only one: without a checkpoint nothing can go on. */
static bool forget_newest(void)
{
    char path[128];
    if (count_files(folder, "manifest-") < 2)
        return false;
    manifest_path(path, sizeof(path), manifest_last());
    return unlink(path) == 0;
}

static void run_round(const char *dir, uint64_t seed, bool damage)
{
    struct random random = {seed};
    uint8_t counts[ROWS_MAX];
    bool ended = false;
    for (uint32_t number = 1; !ended; number++) {
        struct manifest from = {0};
        struct attempt attempt = {dir, number, 1 + (uint32_t)random_below(&random, SUBTASKS_MAX),
                                  seed % 4 == 0 ? COMPRESSION_GZIP : COMPRESSION_NONE,
                                  random_next(&random)};
        manifest_read(manifest_last(), &from);
        uint32_t calls = number > 12 ? 0 : 1 + (uint32_t)random_below(&random, 120);
        ended = run_in_process(&attempt, &from, calls);
        manifest_clear(&from);
        count_rows(dir, counts);
        for (uint32_t row = 0; row < LAST_ROW && !damage; row++)
            if (counts[row] > 1 || (ended && counts[row] != 1))
                fail_msg("seed %" PRIu64 ", attempt %u: row %u is there %u times", seed, number,
                         row, counts[row]);
        if (damage && number < 10 && random_below(&random, 3) == 0 && forget_newest())
            ended = false;
    }
    for (uint32_t row = 0; row < LAST_ROW; row++)
        if (counts[row] != 1)
            fail_msg("seed %" PRIu64 ": row %u is there %u times", seed, row, counts[row]);
    clear_dir(dir);
    clear_dir(folder);
}

static void test_kills(void **state)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_round(*state, seed, false);
}

static void test_kills_and_damage(void **state)
{
    for (uint64_t seed = 101; seed <= 160; seed++)
        run_round(*state, seed, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_commit),         TEST(test_nothing),
        TEST(test_late_commit),    TEST(test_fresh),
        TEST(test_clock_set_back), TEST(test_unwritable),
        TEST(test_zombie),         TEST(test_lost),
        TEST(test_fork),           cmocka_unit_test(test_names),
        TEST(test_kills),          TEST(test_kills_and_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
