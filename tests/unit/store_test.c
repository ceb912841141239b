/* The store: against a naive model (store_operations.h), and step by step. */
#include "tests/unit/store_operations.h"
#include "tests/unit/store_solo.h"

#include "runtime/batch/builder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static void test_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *world = world_create(seed, 0, 0);

        print_message("seed %d\n", (int)seed);
        world_run(world, 3000);
        assert_int_equal(world->spilled, 0);
        assert_true(world->restores > 0);
        world_close(world);
    }
}

static const struct store_state value_states[] = {
    {.name = "op.value", .kind = STORE_VALUE, .size = sizeof(struct total), .fields = total_fields},
};

/* Rows of a batch with text keys, some twice. */
static void test_batch(void **state)
{
    static struct field fields[] = {{.name = "user", .type = TYPE_UTF8}};
    static const struct schema schema = {1, fields};
    struct builder *builder = builder_create(&schema, false);
    struct batch *plain, *keyed;
    uint32_t column = 0;
    struct error err = {0};
    struct solo solo;
    void *cells[6];

    (void)state;
    solo_init(&solo, value_states, 1, 0);
    for (uint32_t i = 0; i < 6; i++) {
        builder_row(builder, 10, i, i);
        builder_text(builder, 0, i % 4 == 1 ? "anna" : &"a long name of a user"[i], 3 + i % 2);
    }
    plain = builder_finish(builder);
    keyed = key_batch(plain, &column, 1);
    must(store_resolve(solo.store, 0, keyed, cells, &err) == STORE_READY, &err);
    assert_ptr_equal(cells[1], cells[5]);
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t k = 0; k < i; k++)
            assert_ptr_not_equal(cells[i], cells[k]);
    ((struct total *)cells[1])->sum = 77;
    must(store_resolve(solo.store, 0, keyed, cells, &err) == STORE_READY, &err);
    assert_int_equal(((struct total *)cells[5])->sum, 77);
    batch_release(&plain);
    batch_release(&keyed);
    builder_close(builder);
    solo_clear(&solo);
}

/* So many keys that tables split and segments take large pages; most are changed, so that
 * segments are compacted; and all come back. */
static void test_many(void **state)
{
    enum { MANY = 300000 };
    struct store_figures figures;
    struct solo solo;

    (void)state;
    solo_init(&solo, value_states, 1, 0);
    for (int round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < MANY; i++) {
            struct total *total = solo_cell(&solo, 0, i, 0);

            assert_int_equal(total->count, i % 7 ? round : round < 1 ? 0 : 1);
            if (round == 0 || i % 7) {
                total->count++;
                total->sum += (int64_t)i;
            }
            if (i % 500 == 0) {
                solo_maintain(&solo);
                (void)slow_step(&solo.slow);
            }
        }
        solo_barrier(&solo, INT64_MIN);
    }
    store_figures(solo.store, &figures);
    assert_int_equal(figures.cells, MANY);
    assert_true(figures.log_bytes < 3ul * MANY * 32); /* without compaction it would be 3.6 */
    solo_restore(&solo);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(((struct total *)solo_cell(&solo, 0, i, 0))->sum,
                         (int64_t)i * (i % 7 ? 4 : 1));
    solo_clear(&solo);
}

static void list_grow_or_shrink(struct solo *solo, uint64_t *model, uint64_t key)
{
    uint64_t *cell = solo_cell(solo, 0, key, 0);

    assert_int_equal(*cell, model[key]);
    cell = store_resize(solo->store, 0, cell, model[key] % 2 ? 600 : 1000);
    *cell = ++model[key];
}

/* Each row moves a large cell, and a call of compaction comes after many rows. */
static void test_large_cells_that_move(void **state)
{
    enum { KEYS = 1500, ROUNDS = 80, ROWS = 256, LARGE = 8192 };
    static const struct store_state states[] = {{.name = "op.list", .kind = STORE_LIST, .size = 8}};
    struct store_figures figures;
    struct random random = {.state = 9};
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int row = 0; row < ROWS; row++) {
            uint64_t *cell = solo_cell(&solo, 0, random_below(&random, KEYS), 0);

            ++*cell;
            assert_non_null(store_resize(solo.store, 0, cell, *cell % 2 ? LARGE : LARGE / 2));
        }
        solo_maintain(&solo);
        store_figures(solo.store, &figures);
        assert_true(figures.log_bytes < 3ul * KEYS * LARGE); /* 10 with a fixed pace */
    }
    solo_clear(&solo);
}

/* A barrier in the midst of compaction, after some segments have gone: of the copies of a cell that
 * were never in a file, the newest one goes into it. */
static void test_barrier_while_compacting(void **state)
{
    enum { KEYS = 2500, ROUNDS = 12, STEPS_MAX = 60 };
    static const struct store_state states[] = {{.name = "op.list", .kind = STORE_LIST, .size = 8}};
    static uint64_t model[KEYS];
    struct random random = {.state = 7};
    struct solo solo;

    (void)state;
    memset(model, 0, sizeof(model));
    solo_init(&solo, states, 1, 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < KEYS; i++) /* cells that stay between such that die */
            for (uint64_t k = i % 4; k < 4; k++)
                list_grow_or_shrink(&solo, model, k ? random_below(&random, KEYS / 5) : i);
        for (uint64_t i = random_below(&random, STEPS_MAX); i > 0; i--) {
            solo_maintain(&solo);
            for (uint64_t k = 0; k < 200; k++)
                list_grow_or_shrink(&solo, model, random_below(&random, KEYS));
        }
        solo_barrier(&solo, INT64_MIN);
        solo_restore(&solo);
        for (uint64_t key = 0; key < KEYS; key++)
            assert_int_equal(*(uint64_t *)solo_cell(&solo, 0, key, 0), model[key]);
    }
    solo_clear(&solo);
}

/* Expired cells leave memory and, with the next base, the files. */
static void test_expiry(void **state)
{
    static const struct store_state states[] = {
        {.name = "op.ttl", .kind = STORE_VALUE, .size = 16, .ttl_ms = 100}};
    struct store_figures figures;
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    solo.config.merge_ratio = 0;
    solo_restore(&solo);
    for (int64_t now = 0; now < 20000; now += 100) {
        for (uint64_t i = 0; i < 2000; i++)
            ((struct total *)solo_cell(&solo, 0, (uint64_t)now * 20 + i, now))->count = 1;
        solo_barrier(&solo, now);
        solo_settle(&solo);
    }
    store_figures(solo.store, &figures);
    assert_true(figures.cells < 400000 / 3); /* whole segments of 2 MiB are given back */
    solo_barrier(&solo, 20000);
    solo_settle(&solo);
    solo_barrier(&solo, 20000);
    assert_true(solo.snapshot.count < 3);
    assert_true(solo.snapshot.files[0].size < 200000);
    /* A cell that is in the files, but too old by the time it is used, begins anew. */
    ((struct total *)solo_cell(&solo, 0, 1, 20000))->count = 9;
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    assert_int_equal(((struct total *)solo_cell(&solo, 0, 1, 20099))->count, 9);
    assert_int_equal(((struct total *)solo_cell(&solo, 0, 1, 20199))->count, 0);
    solo_clear(&solo);
}

static void test_limits(void **state)
{
    static const struct store_state states[] = {
        {.name = "op.list", .kind = STORE_LIST, .size = 8},
        {.name = "op.map", .kind = STORE_MAP, .size = 8},
    };
    static const struct store_state large[] = {
        {.name = "op.large", .kind = STORE_VALUE, .size = CELL_SIZE_MAX + 8}};
    uint8_t bytes[KEY_SIZE_MAX];
    struct key key = {bytes, KEY_SIZE_MAX, 0};
    struct solo solo;
    struct error err = {0};
    int64_t time_ms = 0;
    uint8_t *cell;
    void *found;

    (void)state;
    memset(bytes, 4, sizeof(bytes));
    key.hash = hash_bytes(bytes, sizeof(bytes));
    solo_init(&solo, states, 2, 0);
    must(store_resolve_keys(solo.store, 0, &key, &time_ms, 1, &found, &err) == STORE_READY, &err);
    assert_null(store_resize(solo.store, 0, found, CELL_SIZE_MAX + 1));
    assert_null(store_resize(solo.store, 0, found, 7));
    cell = store_resize(solo.store, 0, found, CELL_SIZE_MAX);
    assert_non_null(cell);
    memset(cell, 9, CELL_SIZE_MAX);
    assert_int_equal(store_cell_size(solo.store, 0, cell), CELL_SIZE_MAX);
    cell = store_entry(solo.store, 1, &key, bytes, sizeof(bytes), true, &err);
    assert_non_null(cell);
    cell[7] = 3;
    assert_null(store_entry(solo.store, 1, &key, bytes, sizeof(bytes) - 1, false, &err));
    assert_int_equal(err.code, ERROR_NONE);
    solo_barrier(&solo, INT64_MIN);
    solo_restore(&solo);
    must(store_resolve_keys(solo.store, 0, &key, &time_ms, 1, &found, &err) == STORE_READY, &err);
    assert_int_equal(store_cell_size(solo.store, 0, found), CELL_SIZE_MAX);
    assert_int_equal(((uint8_t *)found)[CELL_SIZE_MAX - 1], 9);
    cell = store_entry(solo.store, 1, &key, bytes, sizeof(bytes), false, &err);
    assert_int_equal(cell[7], 3);
    solo.config.states = large;
    solo.config.state_count = 1;
    assert_null(store_create(&solo.config, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    solo_clear(&solo);
}

/* ---- map entries ---- */

/* Entries that live for a while: what they took is given back, whether or not a file has them. */
static void test_removed_entries_leave(void **state)
{
    static const struct store_state states[] = {{.name = "op.map", .kind = STORE_MAP, .size = 500}};
    enum { ENTRIES = 200, LIFE = 15 * ENTRIES };
    struct key key = number_key(0);
    struct store_figures figures;
    struct error err = {0};
    struct solo solo;

    (void)state;
    solo_init(&solo, states, 1, 0);
    for (uint32_t i = 0; i < 500 * ENTRIES; i++) {
        uint32_t old = i - LIFE, twice = i % 2 ? i : old;

        assert_non_null(store_entry(solo.store, 0, &key, &i, 4, true, &err));
        if (i >= LIFE)
            must(store_entry_remove(solo.store, 0, &key, &old, 4, &err), &err);
        if (i >= LIFE) /* gone already, or one that nobody has written yet */
            must(store_entry_remove(solo.store, 0, &key, &twice, 4, &err), &err);
        if (i % (10 * ENTRIES) == 0) {
            solo_barrier(&solo, INT64_MIN);
            solo_settle(&solo);
        }
        if (i % ENTRIES == 0)
            solo_maintain(&solo);
    }
    store_figures(solo.store, &figures);
    assert_true(figures.cells < 20000);
    assert_true(figures.log_bytes < 16u << 20); /* of 54 MB that came and went */
    solo_clear(&solo);
}

/* ---- damage ---- */

static void fill_all(struct solo *solo)
{
    for (uint64_t i = 0; i < 40; i++) {
        struct key key = number_key(i);
        struct error err = {0};
        uint32_t entry = 5;

        ((struct total *)solo_cell(solo, WORLD_VALUE, i, 100))->count = 1;
        ((struct total *)solo_cell(solo, WORLD_TTL, i, 100))->count = 2;
        ((struct total *)solo_cell(solo, WORLD_PANE, i, 100))->count = 3;
        (void)store_resize(solo->store, WORLD_LIST, solo_cell(solo, WORLD_LIST, i, 100), 30);
        (void)store_entry(solo->store, WORLD_MAP, &key, &entry, 4, true, &err);
        must(store_timer_set(solo->store, WORLD_TIMER, &key, 7, &err), &err);
    }
}

static void flip(const char *path, uint64_t at, uint8_t bit)
{
    FILE *file = fopen(path, "r+b");
    int byte;

    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    byte = fgetc(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ bit, file), byte ^ bit);
    assert_int_equal(fclose(file), 0);
}

/* One bit of any file: the restore fails and names the file. */
static void test_bit_flips(void **state)
{
    struct solo solo;
    struct error err = {0};

    (void)state;
    solo_init(&solo, world_states, WORLD_STATES, 0);
    fill_all(&solo);
    solo_barrier(&solo, INT64_MIN);
    fill_all(&solo);
    solo_barrier(&solo, INT64_MIN);
    for (uint32_t i = 0; i < solo.snapshot.count; i++) {
        const struct store_file *file = &solo.snapshot.files[i];

        for (uint64_t at = 0; at < file->size; at += 1 + file->size / 50) {
            flip(file->path, at, (uint8_t)(1u << at % 8));
            err = (struct error){0};
            assert_false(solo_try_restore(&solo, &err));
            assert_string_equal(err.where, file->path);
            assert_int_equal(err.code, ERROR_STATE);
            flip(file->path, at, (uint8_t)(1u << at % 8));
        }
        assert_int_equal(truncate(file->path, (off_t)file->size - 1), 0);
        assert_false(solo_try_restore(&solo, &err));
        assert_string_equal(err.where, file->path);
        assert_int_equal(truncate(file->path, (off_t)file->size), 0);
        flip(file->path, file->size - 1, 0x88); /* the last byte of RocksDB's magic number */
    }
    solo_restore(&solo);
    assert_int_equal(((struct total *)solo_cell(&solo, WORLD_TTL, 5, 100))->count, 2);
    solo_clear(&solo);
}

/* A file that changes on disk while it belongs to the stack does not enter a new base. */
static void test_flip_before_merge(void **state)
{
    struct solo solo;
    struct error err = {0};
    enum store_result result = STORE_READY;

    (void)state;
    solo_init(&solo, world_states, WORLD_STATES, 0);
    for (int i = 0; i < 5; i++) {
        fill_all(&solo);
        solo_barrier(&solo, INT64_MIN);
    }
    solo.config.merge_ratio = 0;
    solo_restore(&solo);
    flip(solo.snapshot.files[2].path, 300, 1);
    for (int i = 0; i < 10 && result != STORE_FAILED; i++) {
        result = store_maintain(solo.store, &err);
        (void)slow_step(&solo.slow);
    }
    assert_int_equal(result, STORE_FAILED);
    assert_non_null(strstr(err.where, solo.snapshot.files[2].name));
    flip(solo.snapshot.files[2].path, 300, 1);
    solo_clear(&solo);
}

/* ---- changed jobs ---- */

static void test_layouts(void **state)
{
    struct wide {
        int64_t extra, count, sum;
    };
    static const struct state_field wide_fields[] = {
        {"extra", TYPE_I64, offsetof(struct wide, extra), 8},
        {"count", TYPE_I64, offsetof(struct wide, count), 8},
        {"sum", TYPE_I64, offsetof(struct wide, sum), 8},
        {0},
    };
    static const struct state_field other_fields[] = {
        {"sum", TYPE_F64, offsetof(struct total, sum), 8},
        {"count", TYPE_I64, offsetof(struct total, count), 8},
        {0},
    };
    static const struct store_state wide = {.name = "op.value",
                                            .kind = STORE_VALUE,
                                            .size = sizeof(struct wide),
                                            .fields = wide_fields};
    static const struct store_state other = {.name = "op.value",
                                             .kind = STORE_VALUE,
                                             .size = sizeof(struct total),
                                             .fields = other_fields};
    static const struct store_state unnamed = {
        .name = "op.value", .kind = STORE_VALUE, .size = sizeof(struct wide)};
    static const struct store_state kind = {.name = "op.value",
                                            .kind = STORE_LIST,
                                            .size = sizeof(struct total),
                                            .fields = total_fields};
    static const struct store_state renamed = {
        .name = "op2.value", .kind = STORE_VALUE, .size = sizeof(struct total)};
    const struct store_state *const refused[] = {&other, &unnamed, &kind, &renamed};
    struct solo solo;
    struct wide *cell;
    struct error err = {0};

    (void)state;
    solo_init(&solo, value_states, 1, 0);
    for (uint64_t i = 0; i < 100; i++)
        *(struct total *)solo_cell(&solo, 0, i, 0) = (struct total){(int64_t)i, 5};
    solo_barrier(&solo, INT64_MIN);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        solo.config.states = refused[i];
        assert_false(solo_try_restore(&solo, &err));
        assert_int_equal(err.code, refused[i] == &renamed ? ERROR_STATE : ERROR_CONFIG);
        assert_non_null(strstr(err.where, "op.value"));
    }
    assert_non_null(strstr(err.how, "--allowNonRestoredState"));
    solo.config.allow_dropped = true;
    solo_restore(&solo);
    assert_int_equal(((struct total *)solo_cell(&solo, 0, 7, 0))->sum, 0);
    solo.config.states = &wide;
    solo_restore(&solo);
    cell = solo_cell(&solo, 0, 7, 0);
    assert_int_equal(cell->sum, 7);
    assert_int_equal(cell->count, 5);
    assert_int_equal(cell->extra, 0);
    cell->extra = 3;
    solo_barrier(&solo, INT64_MIN); /* both layouts in one stack */
    solo_restore(&solo);
    assert_int_equal(((struct wide *)solo_cell(&solo, 0, 7, 0))->extra, 3);
    assert_int_equal(((struct wide *)solo_cell(&solo, 0, 8, 0))->sum, 8);
    solo_clear(&solo);
}

/* ---- disks ---- */

static void test_no_folder(void **state)
{
    struct solo solo;
    struct error err = {0};

    (void)state;
    solo_init(&solo, value_states, 1, 0);
    (void)solo_cell(&solo, 0, 1, 0);
    dir_remove(solo.config.work_dir);
    assert_int_equal(solo_try_barrier(&solo, INT64_MIN, &err), STORE_FAILED);
    assert_int_equal(err.code, ERROR_IO);
    assert_non_null(strstr(err.where, solo.config.work_dir));
    err = (struct error){0};
    assert_int_equal(store_maintain(solo.store, &err), STORE_FAILED); /* and stays so */
    assert_non_null(strstr(err.where, solo.config.work_dir));
    solo_clear(&solo);
}

/* Writes fail in the middle of a file, as on a full disk. */
static void test_full_disk(void **state)
{
    struct rlimit before, small;
    struct solo solo;
    struct error err = {0};

    (void)state;
    solo_init(&solo, value_states, 1, 0);
    for (uint64_t i = 0; i < 20000; i++)
        (void)solo_cell(&solo, 0, i, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(solo_try_barrier(&solo, INT64_MIN, &err), STORE_FAILED);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err.code, ERROR_IO);
    solo_clear(&solo);
}

/* Restored from another folder, where files are linked or copied, and from one whose copy here is
 * damaged. */
static void test_other_folder(void **state)
{
    static const char *const bases[] = {"/tmp", "/dev/shm"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *work = memory_format("%s/millrace-test-other-%d", bases[i], (int)getpid());
        struct error err = {0};
        struct solo solo;
        char *path;

        solo_init(&solo, value_states, 1, 0);
        ((struct total *)solo_cell(&solo, 0, 1, 0))->sum = 8;
        solo_barrier(&solo, INT64_MIN);
        if (mkdir(work, 0700) == 0) {
            memory_free((char *)(uintptr_t)solo.config.work_dir);
            solo.config.work_dir = work;
            solo_restore(&solo);
            assert_int_equal(((struct total *)solo_cell(&solo, 0, 1, 0))->sum, 8);
            path = memory_format("%s/%s", work, solo.snapshot.files[0].name);
            assert_int_equal(access(path, R_OK), 0);
            assert_int_equal(unlink(path), 0);
            assert_int_equal(close(creat(path, 0600)), 0);
            assert_false(solo_try_restore(&solo, &err));
            assert_string_equal(err.where, path);
            dir_remove(work);
            memory_free(path);
        } else {
            memory_free(work);
        }
        solo_clear(&solo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_large_cells_that_move),
        cmocka_unit_test(test_barrier_while_compacting),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_flip_before_merge),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_other_folder),
        cmocka_unit_test(test_removed_entries_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
