/* join/interval: against a naive join, with random bounds, kinds, parallelism, schedule, batch size and
 * memory, over a checkpoint and a restore at another parallelism; and rows as bytes, there and back. The
 * operator in whole jobs: tests/golden/join-interval. */
#include "tests/unit/task_ops.h"

#include "tests/unit/task_rig.h"

#include "operators/join/packed.h"
#include "tests/unit/rows.h"

extern const struct operator_def join_interval;

/* ---- the naive join ---- */
struct model_row {
    int64_t time_ms, key, value;
    uint64_t origin;
};

struct model_rows {
    uint32_t count;
    struct model_row rows[1000];
};

struct join_case {
    int64_t lower_ms, upper_ms, keys, disorder_ms, rows;
    bool inner, all;
};

static int model_order(const void *a, const void *b)
{
    const struct model_row *x = a, *y = b;

    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return x->origin < y->origin ? -1 : x->origin > y->origin;
}

static void model_source(const struct join_case *join, uint32_t number, struct model_rows *out)
{
    struct source_config config = {.keys = join->keys,
                                   .step_ms = 10,
                                   .disorder_ms = join->disorder_ms,
                                   .bound_ms = join->disorder_ms / 2};

    out->count = 0;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t split = number * SPLITS_MAX + i;
        int64_t largest = INT64_MIN;

        for (uint64_t row = 0; row < (uint64_t)join->rows; row++) {
            struct source_row made = source_row(&config, split, row);

            if (largest != INT64_MIN && made.time_ms <= largest - config.bound_ms - 1)
                continue; /* late */
            largest = made.time_ms > largest ? made.time_ms : largest;
            out->rows[out->count++] =
                (struct model_row){made.time_ms, made.key, made.value, origin_make(split, row)};
        }
    }
    qsort(out->rows, out->count, sizeof(out->rows[0]), model_order);
}

static char *model_lines(const struct join_case *join)
{
    static struct model_rows left, right;
    int64_t wait_ms = join->upper_ms > 0 ? join->upper_ms : 0;
    struct bytes lines = {0};

    model_source(join, 0, &left);
    model_source(join, 1, &right);
    for (uint32_t l = 0; l < left.count; l++) {
        const struct model_row *row = &left.rows[l];
        long long due_ms = row->time_ms + wait_ms;
        uint32_t matches = 0;

        for (uint32_t r = 0; r < right.count; r++) {
            int64_t since_ms = right.rows[r].time_ms - row->time_ms;

            if (right.rows[r].key != row->key || since_ms < join->lower_ms ||
                since_ms > join->upper_ms || (matches && !join->all))
                continue;
            matches++;
            bytes_format(&lines, "out %lld %lld %lld %lld\n", due_ms, (long long)row->key,
                         (long long)row->value, (long long)right.rows[r].value);
        }
        if (!matches && !join->inner)
            bytes_format(&lines, "out %lld %lld %lld 0\n", due_ms, (long long)row->key,
                         (long long)row->value);
    }
    ledger_put("model", (const char *)lines.data, lines.size);
    bytes_clear(&lines);
    return rig_lines();
}

/* ---- the job ---- */
static char *job_text(const struct join_case *join)
{
    return memory_format(
        "job: {name: joins}\n"
        "operators:\n"
        "  - {id: left, kind: task/source, splits: 2, rows: %lld, keys: %lld, disorder_ms: %lld, "
        "bound_ms: %lld}\n"
        "  - {id: right, kind: task/source, splits: 2, rows: %lld, keys: %lld, disorder_ms: %lld, "
        "bound_ms: %lld}\n"
        "  - {id: join, kind: join/interval, inputs: {left: left, right: right}, key: key, "
        "lower: %lldms, upper: %lldms, type: %s, match: %s}\n"
        "  - {id: out, kind: task/sink, from: join}\n",
        (long long)join->rows, (long long)join->keys, (long long)join->disorder_ms,
        (long long)join->disorder_ms / 2, (long long)join->rows, (long long)join->keys,
        (long long)join->disorder_ms, (long long)join->disorder_ms / 2, (long long)join->lower_ms,
        (long long)join->upper_ms, join->inner ? "inner" : "left", join->all ? "all" : "first");
}

static int64_t draw(struct random *random, int64_t below)
{
    return (int64_t)random_below(random, (uint64_t)below);
}

static struct join_case draw_case(struct random *random)
{
    struct join_case join = {.lower_ms = draw(random, 600) - 300,
                             .keys = draw(random, 3) ? 1 + draw(random, 40) : 1000,
                             .disorder_ms = draw(random, 2) * draw(random, 300),
                             .rows = 20 + draw(random, 200)};

    join.upper_ms = join.lower_ms + draw(random, 3) * draw(random, 300);
    join.inner = draw(random, 2);
    join.all = draw(random, 2);
    return join;
}

static struct rig_options draw_options(struct random *random)
{
    static const char *const reads[] = {"left.read=1", "left.read=50", "right.read=200"};

    return (struct rig_options){.parallelism = 1 + (uint32_t)draw(random, 4),
                                .workers = 1 + (uint32_t)draw(random, 2),
                                .chaos = draw(random, 3) ? random_next(random) | 1 : 0,
                                .lag = (uint32_t)draw(random, 5),
                                .memory_bytes = draw(random, 3) ? 0 : 4u << 20,
                                .overrides = {reads[draw(random, 3)], NULL}};
}

/* Stops at some moment, and goes on from the checkpoint with other options. */
static void run_over_restore(struct random *random, const char *job)
{
    struct rig_options options = draw_options(random);
    struct rig_checkpoint *checkpoint = memory_new(sizeof(*checkpoint));
    char *dir = rig_temporary();
    struct rig *rig = rig_open(job, dir, 1, &options, NULL);
    struct plan *plan;

    for (int64_t rounds = draw(random, 60); rounds > 0; rounds--)
        (void)rig_round(rig);
    rig_trigger(rig, 1, false);
    rig_await(rig);
    rig_complete(rig);
    for (int64_t rounds = draw(random, 20); rounds > 0; rounds--)
        (void)rig_round(rig);
    *checkpoint = rig->checkpoint;
    rig->checkpoint = (struct rig_checkpoint){0};
    plan = rig_close(rig);
    options = draw_options(random);
    rig = rig_open(job, dir, 2, &options, checkpoint);
    rig_finish(rig, 2);
    rig_checkpoint_clear(checkpoint);
    memory_free(checkpoint);
    plan_close(rig_close(rig));
    plan_close(plan);
    rig_remove(dir);
}

static void test_model(void **state)
{
    const char *scale = getenv("MILLRACE_SCALE");
    uint64_t cases = 40 / (scale ? strtoull(scale, NULL, 10) : 1);

    (void)state;
    CHECK(join_interval.abi == OPERATOR_ABI); /* links it */
    for (uint64_t seed = 1; seed <= cases; seed++) {
        struct random random = {seed};
        struct join_case join = draw_case(&random);
        struct rig_options options = draw_options(&random);
        char *job = job_text(&join), *expected = model_lines(&join);
        char *found = rig_run(job, &options);

        rig_same(expected, found, "seed", seed);
        memory_free(found);
        run_over_restore(&random, job);
        found = rig_lines();
        rig_same(expected, found, "restored, seed", seed);
        memory_free(expected);
        memory_free(found);
        memory_free(job);
    }
}

/* A key has room for so many rows; the others are rejected and counted, and none is lost. */
static void test_full(void **state)
{
    const struct join_case join = {.upper_ms = 3600000, .keys = 1, .rows = 700};
    const uint32_t row = sizeof(struct packed) + 24; /* two columns and their bits */
    const uint32_t room = (CELL_SIZE_MAX - 16) / row;
    struct rig_options options = {.parallelism = 1, .overrides = {"right.rows=0", NULL}};
    char *dir = rig_temporary(), *job = job_text(&join), *lines;
    struct rig *rig = rig_open(job, dir, 1, &options, NULL);
    uint64_t rejected = 0;
    uint32_t told = 0;

    (void)state;
    rig_finish(rig, 1);
    for (uint32_t i = 0; i < rig->count; i++) {
        struct subtask_figures figures;

        subtask_figures(rig->tasks[i].task, &figures);
        for (uint32_t k = 0; k < figures.op_count; k++)
            if (strcmp(rig->plan->ops[figures.ops[k].op].id, "join") == 0)
                rejected += figures.ops[k].rows_out[1];
    }
    plan_close(rig_close(rig));
    rig_remove(dir);
    memory_free(job);
    lines = rig_lines();
    for (const char *at = lines; (at = strchr(at, '\n')); at++)
        told++;
    memory_free(lines);
    assert_int_equal(told, room);
    assert_int_equal(rejected, 2 * 700 - room);
}

/* ---- rows as bytes ---- */
static void test_packed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random random = {seed};
        struct arena *arena = arena_create(4096);
        const struct schema *schema = rows_schema(&random, arena, true);
        struct rows rows = {0};
        uint32_t count = 1 + (uint32_t)random_below(&random, BATCH_ROWS_MAX);
        struct batch *batch = rows_batch(&random, schema, count, true, &rows), *back;
        struct builder *builder = builder_create(schema, false);
        uint32_t sizes[BATCH_ROWS_MAX], columns[COLUMNS_MAX];
        struct packing packing;

        packing_init(&packing, schema);
        packed_sizes(&packing, batch, sizes);
        for (uint32_t i = 0; i < schema->count; i++)
            columns[i] = i;
        for (uint32_t row = 0; row < count; row++) {
            struct packed *record = memory_new(sizes[row]);

            assert_true(packed_put(&packing, batch, row, 1, record) <= sizes[row]);
            assert_int_equal(record->side, 1);
            assert_int_equal(packed_compare(record, record), 0);
            builder_row(builder, record->time_ms, record->origin, record->order);
            packed_take(&packing, record, builder, columns);
            memory_free(record);
        }
        back = builder_finish(builder);
        if (!rows_same(back, schema, &rows, NULL, count))
            fail_msg("seed %" PRIu64, seed);
        batch_release(&back);
        batch_release(&batch);
        builder_close(builder);
        rows_clear(&rows);
        arena_close(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
