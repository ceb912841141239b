/* The life of subtasks: barriers that are aborted or come to drained sources, bundles, backpressure,
 * cells that are loaded from disk, many splits, a held source, failures. */
#include "runtime/task/meta.h"
#include "tests/unit/task_ops.h"

#include "tests/unit/task_rig.h"

static const char keyed_job[] =
    "job: {name: life}\n"
    "operators:\n"
    "  - {id: in, kind: task/source, disorder_ms: 60, bound_ms: 40, keys: 500, rows: 400}\n"
    "  - {id: digest, kind: task/digest, from: in, key: key}\n"
    "  - {id: silence, kind: task/silence, from: in, key: key, after: 150ms}\n"
    "  - {id: out, kind: task/sink, from: digest}\n"
    "  - {id: out-silence, kind: task/sink, from: silence}\n"
    "  - {id: late, kind: task/sink, from: in.late}\n";

static struct subtask_figures figures_of(const struct rig *rig, uint32_t task)
{
    struct subtask_figures figures;

    subtask_figures(rig->tasks[task].task, &figures);
    return figures;
}

static uint32_t task_find(const struct rig *rig, const char *op, uint32_t subtask)
{
    uint32_t chain = rig->plan->ops[plan_find_op(rig->plan, op)].chain;

    for (uint32_t i = 0; i < rig->count; i++)
        if (rig->tasks[i].chain == chain && rig->tasks[i].subtask == subtask)
            return i;
    fail();
    return 0;
}

/* ---- timers ---- */
static int time_order(const void *a, const void *b)
{
    const struct source_row *x = a, *y = b;

    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

/* Silences by the definition: a gap of more than `after` between two rows of a key. */
static void silence_test(void **state)
{
    static const char job[] =
        "job: {name: silence}\n"
        "operators:\n"
        "  - {id: in, kind: task/source, splits: 2, rows: 150, keys: 5, ordered: true}\n"
        "  - {id: silence, kind: task/silence, from: in, key: key, after: 35ms}\n"
        "  - {id: out, kind: task/sink, from: silence}\n";
    const struct source_config config = {.keys = 5, .step_ms = 10};
    struct bytes lines = {0};

    (void)state;
    for (int64_t key = 0; key < 5; key++) {
        struct source_row rows[300];
        int64_t since = 0, count = 0;

        for (uint32_t i = 0; i < 300; i++) {
            rows[count] = source_row(&config, i / 150, i % 150);
            count += rows[count].key == key;
        }
        qsort(rows, (size_t)count, sizeof(*rows), time_order);
        for (int64_t i = 0; i < count; i++) {
            int64_t due_ms = rows[i].time_ms + 35;

            since++;
            if (i + 1 < count && rows[i + 1].time_ms <= due_ms)
                continue;
            bytes_format(&lines, "out %lld %lld %lld %lld\n", (long long)due_ms, (long long)key,
                         (long long)due_ms, (long long)since);
            since = 0;
        }
    }
    ledger_put("model", (const char *)lines.data, lines.size);
    bytes_clear(&lines);
    char *expected = rig_lines();
    for (uint32_t i = 0; i < 6; i++) {
        struct rig_options options = {.parallelism = 1 + i % 3, .chaos = i};
        char *found = rig_run(job, &options);

        rig_same(expected, found, "case", i);
        memory_free(found);
    }
    memory_free(expected);
}

/* ---- barriers ---- */
static void abort_test(void **state)
{
    struct rig_options options = {.parallelism = 3, .channel_bytes = 500};
    char *dir = rig_temporary();
    char *expected = rig_run(keyed_job, &options), *found;
    struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);

    (void)state;
    /* Aborted while its barriers are somewhere: in channels, waiting, not triggered yet. */
    for (uint64_t n = 1; n <= 20; n++) {
        rig_trigger(rig, n, false);
        for (uint64_t i = 0; i < n % 7; i++)
            (void)rig_round(rig);
        for (uint32_t i = 0; i < rig->count; i++)
            subtask_abort(rig->tasks[i].task, n);
    }
    rig_trigger(rig, 21, false);
    rig_await(rig);
    rig_complete(rig);
    rig_settle(rig);
    assert_int_equal(rig->committed_checkpoint, 21);
    rig_finish(rig, 22);
    assert_int_equal(rig->committed_checkpoint, 22);
    plan_close(rig_close(rig));
    rig_remove(dir);
    found = rig_lines();
    rig_same(expected, found, "aborted", 0);
    memory_free(expected);
    memory_free(found);
}

/* A bundle is visible only once its checkpoint is complete, and a drained source still answers. */
static void commit_test(void **state)
{
    struct rig_options options = {.parallelism = 2};
    char *dir = rig_temporary();
    struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);
    uint32_t bundles;

    (void)state;
    memset(&disk, 0, sizeof(disk));
    rig_settle(rig);
    assert_int_equal(rig->drained, 2);
    assert_int_equal(ledger.count, 0);
    for (uint64_t n = 1; n <= 3; n++) { /* 1 and 2 are never complete */
        rig_trigger(rig, n, n == 3);
        rig_await(rig);
        assert_int_equal(disk.waited, n * 3 * 2);
    }
    rig_settle(rig);
    assert_int_equal(ledger.count, 0);
    rig_complete(rig);
    rig_settle(rig);
    bundles = ledger.count;
    assert_int_equal(bundles, 3 * 3 * 2); /* checkpoints, sinks, subtasks */
    rig_complete(rig);
    rig_settle(rig);
    assert_int_equal(ledger.count, bundles);
    assert_int_equal(rig->drained, 2); /* told once */
    plan_close(rig_close(rig));
    assert_int_equal(disk.given, disk.ended);
    rig_remove(dir);
    memory_free(rig_lines());
}

/* Nothing is read after the final barrier, whatever is left. */
static void stop_test(void **state)
{
    struct rig_options options = {.parallelism = 2, .overrides = {"in.read=1", NULL}};
    char *dir = rig_temporary();
    struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);
    uint64_t before;

    (void)state;
    rig_trigger(rig, 1, true);
    rig_await(rig);
    before = figures_of(rig, 0).ops[0].rows_out[0];
    rig_settle(rig);
    assert_int_equal(figures_of(rig, 0).ops[0].rows_out[0], before);
    assert_int_equal(rig->drained, 0);
    plan_close(rig_close(rig));
    rig_remove(dir);
}

/* ---- flow ---- */
static void backpressure_test(void **state)
{
    struct rig_options options = {
        .parallelism = 2, .channel_bytes = 1, .overrides = {"in.rows=4000", NULL}};
    char *dir = rig_temporary();
    struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);
    uint32_t source = task_find(rig, "in", 0);
    enum step_result result = STEP_BUSY;
    uint64_t sent;

    (void)state;
    for (int i = 0; i < 1000 && result != STEP_BACKPRESSURED; i++)
        result = subtask_step(rig->tasks[source].task);
    assert_int_equal(result, STEP_BACKPRESSURED);
    sent = figures_of(rig, source).ops[0].rows_out[0];
    for (int i = 0; i < 10; i++)
        assert_int_equal(subtask_step(rig->tasks[source].task), STEP_BACKPRESSURED);
    assert_int_equal(figures_of(rig, source).ops[0].rows_out[0], sent);
    assert_true(sent < 2 * 4000);
    assert_true(figures_of(rig, source).backpressured_ns > 0);
    /* Commands are obeyed meanwhile: the snapshot does not wait for room. */
    rig_trigger(rig, 1, false);
    for (int i = 0; i < 10; i++) {
        (void)subtask_step(rig->tasks[source].task);
        while (rig->works)
            rig_work(rig);
    }
    assert_int_equal(rig->checkpoint.have, 1);
    rig_await(rig);
    rig_finish(rig, 2);
    plan_close(rig_close(rig));
    rig_remove(dir);
    memory_free(rig_lines());
}

/* A budget far below the state: cells are spilled, and batches wait for them to be loaded. */
static void load_test(void **state)
{
    static const char *const more[] = {"in.keys=5000", "in.rows=20000", "in.read=500", NULL};
    struct rig_options options = {.parallelism = 2};
    char *expected, *found, *dir;
    uint64_t loaded = 0, spilled = 0;
    struct rig *rig;

    (void)state;
    memcpy(options.overrides, more, sizeof(more));
    expected = rig_run(keyed_job, &options);
    options.memory_bytes = 300000;
    options.lag = 3;
    dir = rig_temporary();
    rig = rig_open(keyed_job, dir, 1, &options, NULL);
    rig_finish(rig, 1);
    for (uint32_t i = 0; i < rig->count; i++) {
        loaded += figures_of(rig, i).store.loaded_cells;
        spilled += figures_of(rig, i).store.spilled_bytes;
    }
    assert_true(spilled > 0);
    assert_true(loaded > 0);
    plan_close(rig_close(rig));
    rig_remove(dir);
    found = rig_lines();
    rig_same(expected, found, "budget", 0);
    memory_free(expected);
    memory_free(found);
}

/* ---- sources ---- */
static void splits_test(void **state)
{
    static const char job[] =
        "job: {name: splits}\n"
        "operators:\n"
        "  - {id: in, kind: task/source, splits: 60, rows: 40, rejects: true}\n"
        "  - {id: out, kind: task/sink, from: in}\n"
        "  - {id: rejected, kind: task/sink, from: in.rejected}\n";
    struct rig_options options = {.parallelism = 1};
    char *dir = rig_temporary(), *lines;
    struct rig *rig = rig_open(job, dir, 1, &options, NULL);
    uint64_t rows, rejected;
    size_t count = 0;

    (void)state;
    source_readers_max = 0;
    rig_finish(rig, 1);
    assert_int_equal(source_readers_max, 16); /* SPLITS_OPEN */
    assert_int_equal(source_readers, 0);
    rows = figures_of(rig, 0).ops[0].rows_out[0];
    rejected = figures_of(rig, 0).ops[0].rows_out[2];
    assert_int_equal(rows + rejected, 60 * 40);
    assert_int_equal(figures_of(rig, 0).ops[0].counters[0], rejected); /* read ahead counts once */
    assert_int_equal(figures_of(rig, 0).source_bytes_done, figures_of(rig, 0).source_bytes_all);
    plan_close(rig_close(rig));
    rig_remove(dir);
    lines = rig_lines();
    for (const char *at = lines; (at = strchr(at, '\n')); at++)
        count++;
    assert_int_equal(count, 60 * 40);
    memory_free(lines);
}

/* debug.hold-after-rows: the source stops in the middle of a read until a checkpoint is complete. */
static void hold_test(void **state)
{
    static const char *const hold[] = {"debug.hold-after-rows=7", "in.rejects=true", NULL};
    struct rig_options options = {.parallelism = 2},
                       plain = {.parallelism = 1, .overrides = {"in.rejects=true"}};
    char *expected = rig_run(keyed_job, &plain), *found, *dir = rig_temporary();
    struct rig_checkpoint checkpoint;
    struct plan *old;
    struct rig *rig;

    (void)state;
    memcpy(options.overrides, hold, sizeof(hold));
    rig = rig_open(keyed_job, dir, 1, &options, NULL);
    rig_settle(rig);
    assert_int_equal(figures_of(rig, task_find(rig, "in", 0)).ops[0].rows_out[0], 7);
    rig_trigger(rig, 1, false);
    rig_await(rig);
    rig_settle(rig);
    assert_int_equal(figures_of(rig, task_find(rig, "in", 0)).ops[0].rows_out[0], 7);
    checkpoint = rig->checkpoint;
    rig->checkpoint = (struct rig_checkpoint){0};
    rig->checkpoint.number = 1;
    rig_complete(rig);
    rig_settle(rig);
    assert_int_equal(rig->drained, 2); /* it went on */
    old = rig_close(rig);
    /* What came after the checkpoint is forgotten, and comes again. */
    rig = rig_open(keyed_job, dir, 2, &options, &checkpoint);
    rig_finish(rig, 2);
    plan_close(rig_close(rig));
    rig_checkpoint_clear(&checkpoint);
    plan_close(old);
    rig_remove(dir);
    found = rig_lines();
    rig_same(expected, found, "held", 0);
    memory_free(expected);
    memory_free(found);
}

/* ---- failures ---- */
/* On a machine of any speed: where a look at the clock is longer than a step may be, each has one piece. */
static void failure_test(void **state)
{
    static const int64_t looks_ns[] = {1, 20000, 1000000, 1000000000, 3600000000000};

    (void)state;
    for (size_t i = 0; i < sizeof(looks_ns) / sizeof(looks_ns[0]); i++) {
        struct rig_options options = {
            .parallelism = 2, .look_ns = looks_ns[i], .overrides = {"in.fail_at=100", NULL}};
        char *dir = rig_temporary();
        struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);

        while (rig->round < RIG_ROUNDS && rig->error.code == ERROR_NONE)
            (void)rig_round(rig);
        assert_int_equal(rig->error.code, ERROR_IO);
        assert_non_null(strstr(rig->error.where, "operator in"));
        assert_string_equal(rig->error.what, "row 100 cannot be read");
        assert_int_equal(subtask_step(rig->tasks[task_find(rig, "in", 0)].task), STEP_FAILED);
        plan_close(rig_close(rig));
        rig_remove(dir);
    }
}

/* No checkpoint is reported when the disk did not take what it tells of; not even a later one. */
static void disk_test(void **state)
{
    struct rig_options options = {.parallelism = 2, .lag = 30};
    char *dir = rig_temporary();
    struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);

    (void)state;
    memset(&disk, 0, sizeof(disk));
    disk.full = true;
    rig_trigger(rig, 1, false);
    for (int i = 0; i < 20; i++)
        (void)rig_round(rig);
    for (uint32_t i = 0; i < rig->count; i++)
        subtask_abort(rig->tasks[i].task, 1);
    rig_trigger(rig, 2, false);
    for (int i = 0; i < 1000 && rig->error.code == ERROR_NONE; i++)
        (void)rig_round(rig);
    assert_string_equal(rig->error.what, "is full");
    assert_non_null(strstr(rig->error.where, "operator "));
    assert_true(rig->checkpoint.have < rig->count);
    plan_close(rig_close(rig));
    assert_int_equal(disk.given, disk.ended);
    disk.full = false;
    rig_remove(dir);
}

/* A damaged part of a checkpoint is an error that says so, whatever byte it is. */
static void damage_test(void **state)
{
    struct rig_options options = {.parallelism = 1};
    char *dir = rig_temporary();
    struct rig *rig = rig_open(keyed_job, dir, 1, &options, NULL);
    struct subtask_restore restore = {.count = 1};
    struct subtask_former former = {.parallelism = 1};
    struct bytes meta;

    (void)state;
    for (int i = 0; i < 5; i++)
        (void)rig_round(rig);
    rig_trigger(rig, 1, false);
    rig_await(rig);
    meta = rig->checkpoint.snapshots[0].meta;
    restore.formers = &former;
    for (size_t cut = 0; cut < meta.size; cut += 1 + meta.size / 50) {
        struct error err = {0};

        former.meta = meta.data;
        former.meta_size = cut;
        assert_null(subtask_create(&rig->tasks[0].host, rig->tasks[0].chain, 0, &restore,
                                   &rig->waker, &err));
        assert_int_equal(err.code, ERROR_STATE);
    }
    plan_close(rig_close(rig));
    rig_remove(dir);
    memory_free(rig_lines());
}

/* Before splits told their ends. */
static void former_meta_test(void **state)
{
    static const uint8_t former[] = {0x93, 1, 0x91, 0x96, 0xa2, 'i',  'n',  0,
                                     0,    0, 0x91, 0x98, 0,    2,    0xc3, 0,
                                     5,    0, 0,    7,    0x90, 0x92, 0xa0, 0x90};
    struct arena *arena = arena_create(4096);
    uint8_t later[sizeof(former)];
    struct error err = {0};
    struct meta meta;

    (void)state;
    assert_true(meta_decode(former, sizeof(former), arena, &meta, &err));
    assert_int_equal(meta.ops[0].splits[0].state, SPLIT_DONE);
    assert_int_equal(meta.ops[0].splits[0].watermark_ms, 7);
    assert_int_equal(meta.ops[0].splits[0].end, INT64_MAX); /* it has not grown */
    for (uint8_t version = 0; version < 4; version += 3) {
        memcpy(later, former, sizeof(later));
        later[1] = version;
        assert_false(meta_decode(later, sizeof(later), arena, &meta, &err));
        assert_int_equal(err.code, ERROR_STATE);
    }
    arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_test),      cmocka_unit_test(abort_test),
        cmocka_unit_test(commit_test),       cmocka_unit_test(stop_test),
        cmocka_unit_test(backpressure_test), cmocka_unit_test(load_test),
        cmocka_unit_test(splits_test),       cmocka_unit_test(hold_test),
        cmocka_unit_test(failure_test),      cmocka_unit_test(disk_test),
        cmocka_unit_test(damage_test),       cmocka_unit_test(former_meta_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
