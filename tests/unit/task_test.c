/* Subtasks of small jobs in one thread: results must be the same at any parallelism, schedule,
 * channel size and batch size, and across checkpoints, crashes and restores. */
#include "tests/unit/task_ops.h"

#include "tests/unit/task_rig.h"

#define SOURCE "  - {id: in, kind: task/source, disorder_ms: 60, bound_ms: 40}\n"

static const char digest_job[] =
    "job: {name: digest}\n"
    "operators:\n" SOURCE "  - {id: digest, kind: task/digest, from: in, key: key}\n"
    "  - {id: out, kind: task/sink, from: digest}\n"
    "  - {id: late, kind: task/sink, from: in.late}\n";

/* Everything at once: filters, a union, windows, timers, a table and its reader, one cell for all,
 * rejected and late rows. */
static const char all_job[] =
    "job: {name: all}\n"
    "operators:\n"
    "  - {id: in, kind: task/source, disorder_ms: 60, bound_ms: 40, rejects: true}\n"
    "  - {id: more, kind: task/source, splits: 3, rows: 150, step_ms: 13, ordered: true}\n"
    "  - {id: odd, kind: task/odd, from: in}\n"
    "  - {id: digest, kind: task/digest, from: [odd, more], key: key}\n"
    "  - {id: window, kind: task/window, from: in, key: key}\n"
    "  - {id: silence, kind: task/silence, from: odd, key: key}\n"
    "  - {id: lookup, kind: task/lookup, from: odd, key: key, tables: {counts: window}}\n"
    "  - {id: total, kind: task/total, from: digest}\n"
    "  - {id: out-digest, kind: task/sink, from: digest}\n"
    "  - {id: out-window, kind: task/sink, from: window}\n"
    "  - {id: out-silence, kind: task/sink, from: silence}\n"
    "  - {id: out-lookup, kind: task/sink, from: lookup}\n"
    "  - {id: out-total, kind: task/sink, from: total}\n"
    "  - {id: out-late, kind: task/sink, from: in.late}\n"
    "  - {id: out-rejected, kind: task/sink, from: in.rejected}\n";

/* ---- the naive model of the digest job ---- */
struct model_row {
    int64_t time_ms, key, value;
    uint64_t origin;
};

static int model_order(const void *a, const void *b)
{
    const struct model_row *x = a, *y = b;

    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return x->origin < y->origin ? -1 : 1;
}

static char *model_lines(void)
{
    const struct source_config config = {
        .splits = 4, .rows = 200, .keys = 11, .step_ms = 10, .disorder_ms = 60, .bound_ms = 40};
    struct model_row rows[800];
    struct digest_cell cells[11] = {0};
    struct bytes lines = {0};
    size_t count = 0;

    for (uint32_t split = 0; split < 4; split++) {
        int64_t largest = INT64_MIN;

        for (uint64_t row = 0; row < 200; row++) {
            struct source_row made = source_row(&config, split, row);

            if (largest != INT64_MIN && made.time_ms <= largest - 40 - 1) {
                bytes_format(&lines, "late %lld %lld %lld\n", (long long)made.time_ms,
                             (long long)made.key, (long long)made.value);
                continue;
            }
            largest = made.time_ms > largest ? made.time_ms : largest;
            rows[count++] =
                (struct model_row){made.time_ms, made.key, made.value, origin_make(split, row)};
        }
    }
    qsort(rows, count, sizeof(*rows), model_order);
    for (size_t i = 0; i < count; i++) {
        struct digest_cell *cell = &cells[rows[i].key];

        cell->digest = hash_draw(cell->digest, (uint64_t)rows[i].value);
        bytes_format(&lines, "out %lld %lld %lld %lld %lld\n", (long long)rows[i].time_ms,
                     (long long)rows[i].key, (long long)rows[i].value, (long long)cell->digest,
                     (long long)++cell->rows);
    }
    ledger_put("model", (const char *)lines.data, lines.size);
    bytes_clear(&lines);
    return rig_lines();
}

static void model_test(void **state)
{
    struct rig_options options = {.parallelism = 1};
    char *expected = model_lines(), *found = rig_run(digest_job, &options);

    (void)state;
    assert_true(strstr(expected, "late "));
    rig_same(expected, found, "model", 0);
    memory_free(expected);
    memory_free(found);
}

/* ---- one result under all circumstances ---- */
static void same_test(void **state)
{
    static const struct rig_options cases[] = {
        {.parallelism = 2, .workers = 2},
        {.parallelism = 3},
        {.parallelism = 4, .workers = 2, .channel_bytes = 300},
        {.parallelism = 2, .lag = 7},
        {.parallelism = 1, .chaos = 1},
        {.parallelism = 3, .chaos = 2, .workers = 3},
        {.parallelism = 4, .chaos = 3, .lag = 3, .channel_bytes = 700},
        {.parallelism = 2, .overrides = {"in.read=1", "more.read=1000", NULL}},
        {.parallelism = 2, .overrides = {"in.read=1000", "more.read=1", NULL}},
    };
    struct rig_options plain = {.parallelism = 1};
    char *expected = rig_run(all_job, &plain);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *found = rig_run(all_job, &cases[i]);

        rig_same(expected, found, "case", i);
        memory_free(found);
    }
    memory_free(expected);
}

static void chaos_test(void **state)
{
    struct rig_options options = {.parallelism = 1};
    char *expected = rig_run(all_job, &options);

    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        char *found;

        options = (struct rig_options){.parallelism = 1 + (uint32_t)(seed % 4),
                                       .workers = 1 + (uint32_t)(seed % 2),
                                       .chaos = seed,
                                       .lag = (uint32_t)(seed % 5),
                                       .channel_bytes = seed % 3 ? 0 : 500};
        found = rig_run(all_job, &options);
        rig_same(expected, found, "seed", seed);
        memory_free(found);
    }
    memory_free(expected);
}

/* Runs `rounds` rounds, takes a checkpoint, runs on a little, crashes, goes on at another
 * parallelism from the checkpoint. */
static char *run_across(const char *job, const struct rig_options *first,
                        const struct rig_options *second, uint32_t rounds, bool complete)
{
    char *dir = rig_temporary();
    struct rig *rig = rig_open(job, dir, 1, first, NULL);
    struct rig_checkpoint checkpoint;
    struct plan *old;

    for (uint32_t i = 0; i < rounds; i++)
        (void)rig_round(rig);
    rig_trigger(rig, 1, false);
    rig_await(rig);
    if (complete)
        rig_complete(rig);
    for (uint32_t i = 0; i < 3; i++)
        (void)rig_round(rig);
    checkpoint = rig->checkpoint;
    rig->checkpoint = (struct rig_checkpoint){0};
    old = rig_close(rig);
    rig = rig_open(job, dir, 2, second, &checkpoint);
    rig_finish(rig, 2);
    plan_close(rig_close(rig));
    rig_checkpoint_clear(&checkpoint);
    plan_close(old);
    rig_remove(dir);
    return rig_lines();
}

static void restore_test(void **state)
{
    struct rig_options plain = {.parallelism = 1};
    char *expected = rig_run(all_job, &plain);

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        struct rig_options first = {.parallelism = 1 + i % 4,
                                    .workers = 1 + i % 2,
                                    .chaos = i,
                                    .channel_bytes = 600,
                                    .overrides = {"in.read=2", "more.read=3", NULL}};
        struct rig_options second = {.parallelism = 1 + (i / 4) % 4, .chaos = i % 5};
        char *found = run_across(all_job, &first, &second, 1 + i * 5, i % 2);

        rig_same(expected, found, "case", i);
        memory_free(found);
    }
    memory_free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_test),
        cmocka_unit_test(same_test),
        cmocka_unit_test(chaos_test),
        cmocka_unit_test(restore_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
