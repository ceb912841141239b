/* replica: packed rows there and back, damage refused, versions, rankings against a naive model,
 * barriers, and a writer against readers on threads. */
#include "runtime/base/random.h"
#include "runtime/task/replica.h"
#include "runtime/task/row.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PUBLISHERS 2
#define KEYS 40
#define LIMIT 8

/* The table's rows: item i64, score f64 (may be null), name utf8, list (id i64, weight f32). */
static struct field list_fields[] = {{.name = "id", .type = TYPE_I64},
                                     {.name = "weight", .type = TYPE_F32}};
static const struct schema list_schema = {2, list_fields};
static struct field fields[] = {
    {.name = "item", .type = TYPE_I64},
    {.name = "score", .type = TYPE_F64},
    {.name = "name", .type = TYPE_UTF8},
    {.name = "list", .type = TYPE_LIST, .child = &list_schema},
};
static const struct schema schema = {4, fields};
static const struct plan_ranking rankings[] = {{.column = 1, .limit = LIMIT}};

static void quiet(struct waker *waker)
{
    (void)waker;
}
static struct waker waker = {quiet};

struct bench {
    struct plan plan;
    struct plan_table table;
    struct channel *channels[PUBLISHERS];
    struct replica *replica;
    struct replica_reader *reader;
};

static void bench_open(struct bench *bench, int64_t period_ms, bool replace)
{
    *bench = (struct bench){0};
    bench->table = (struct plan_table){
        .schema = &schema,
        .period_ms = period_ms,
        .replace = replace,
        .ranking_count = 1,
        .rankings = rankings,
    };
    bench->plan.tables = &bench->table;
    bench->plan.table_count = 1;
    for (int i = 0; i < PUBLISHERS; i++) {
        bench->channels[i] = channel_create(1u << 20);
        channel_set_wakers(bench->channels[i], &waker, &waker);
    }
    bench->replica = replica_create(&bench->plan, 0, bench->channels, PUBLISHERS, &waker);
    bench->reader = replica_attach(bench->replica, &waker, false);
}

static void bench_close(struct bench *bench)
{
    replica_detach(bench->reader);
    replica_close(bench->replica);
    for (int i = 0; i < PUBLISHERS; i++)
        channel_close(bench->channels[i]);
}

/* A keyed batch of one row. */
static struct batch *row_batch(int64_t item, double score)
{
    struct builder *builder = builder_create(&schema, false), *list;
    uint32_t key = 0;
    struct batch *plain, *keyed;

    builder_row(builder, 0, 0, 0);
    builder_i64(builder, 0, item);
    if (!isnan(score))
        builder_f64(builder, 1, score);
    builder_text(builder, 2, "name", 4);
    list = builder_list(builder, 3);
    for (int64_t i = 0; i < item % 4; i++) {
        builder_child_row(list);
        builder_i64(list, 0, item * 10 + i);
        if (i % 2 == 0)
            builder_f32(list, 1, (float)i / 2);
    }
    builder_list_end(builder, 3);
    plain = builder_finish(builder);
    keyed = key_batch(plain, &key, 1);
    batch_release(&plain);
    builder_close(builder);
    return keyed;
}

static uint64_t hash_of(int64_t item)
{
    uint8_t data[KEY_SIZE_MAX];

    return hash_bytes(data, key_from_i64(item, data));
}

static void send_row(struct bench *bench, uint32_t publisher, int64_t item, double score,
                     int64_t version)
{
    struct builder *builder = builder_create(table_delta_schema(), false);
    struct batch *row = row_batch(item, score);
    struct element element = {.kind = ELEMENT_BATCH};
    struct bytes packed = {0};

    table_row_pack(&schema, row, 0, version, &packed);
    assert_true(table_row_check(&schema, packed.data, packed.size));
    builder_row(builder, version - 1, 0, 0);
    builder_i64(builder, 0, (int64_t)hash_of(item));
    builder_text(builder, 1, "", 0);
    builder_i64(builder, 2, version);
    builder_text(builder, 3, (const char *)packed.data, packed.size);
    element.batch = builder_finish(builder);
    assert_true(channel_put(bench->channels[publisher], &element));
    builder_close(builder);
    batch_release(&row);
    bytes_clear(&packed);
}

static void send_watermark(struct bench *bench, uint32_t publisher, int64_t time_ms)
{
    struct element element = {.kind = ELEMENT_WATERMARK, .time_ms = time_ms};

    assert_true(channel_put(bench->channels[publisher], &element));
}

static void send_barrier(struct bench *bench, uint32_t publisher, uint64_t checkpoint)
{
    struct element element = {.kind = ELEMENT_BARRIER, .checkpoint = checkpoint};

    assert_true(channel_put(bench->channels[publisher], &element));
}

static void settle(struct bench *bench)
{
    while (replica_step(bench->replica))
        continue;
}

/* ---- rows ---- */
static void rows_there_and_back(void **state)
{
    struct bench bench;
    const struct table_row *row;
    uint32_t size;

    (void)state;
    bench_open(&bench, 10, false);
    send_row(&bench, 0, 7, 2.5, 10);
    send_row(&bench, 0, 8, NAN, 10);
    send_watermark(&bench, 0, 9);
    send_watermark(&bench, 1, 9);
    settle(&bench);
    replica_pin(bench.reader, 10);
    row = replica_find(bench.reader, hash_of(7));
    assert_non_null(row);
    assert_int_equal(table_row_i64(row, 0), 7);
    assert_true(table_row_f64(row, 1) == 2.5);
    assert_memory_equal(table_row_text(row, 2, &size), "name", 4);
    assert_int_equal(size, 4);
    assert_int_equal(table_row_list(row, 3), 3);
    assert_int_equal(table_row_list_i64(row, 3, 0)[2], 72);
    assert_true(table_row_list_f32(row, 3, 1)[2] == 1.0f);
    assert_true(table_row_list_f32(row, 3, 1)[1] == 0.0f); /* null */
    assert_int_equal(table_row_version(row), 10);
    assert_int_equal(table_row_key(row).hash, hash_of(7));
    row = replica_find(bench.reader, hash_of(8));
    assert_false(table_row_valid(row, 1));
    assert_true(isnan(table_row_f64(row, 1)));
    assert_int_equal(table_row_list(row, 3), 0);
    assert_null(replica_find(bench.reader, hash_of(9)));
    bench_close(&bench);
}

/* Rows with a vector, without one, and none; names of several lengths stand before the vector. */
static void vectors_of_many_rows(void **state)
{
    enum { ROWS = 12, WIDTH = 16 };
    static struct field columns[] = {{.name = "name", .type = TYPE_UTF8},
                                     {.name = "vector", .type = TYPE_VECTOR, .width = WIDTH}};
    static const struct schema with_vector = {2, columns};
    struct builder *builder = builder_create(&with_vector, false);
    struct table_row *rows[ROWS] = {0};
    const float *vectors[ROWS];
    float vector[WIDTH];
    struct batch *batch, *keyed;

    (void)state;
    for (uint32_t i = 0; i < ROWS; i++) {
        builder_row(builder, 1, 0, 0);
        builder_text(builder, 0, "a name of an item", 6 + i);
        for (uint32_t k = 0; k < WIDTH; k++)
            vector[k] = (float)(i * WIDTH + k);
        if (i % 3)
            builder_vector(builder, 1, vector);
    }
    batch = builder_finish(builder);
    keyed = key_batch(batch, (uint32_t[]){0}, 1);
    for (uint32_t i = 0; i + 1 < ROWS; i++) {
        struct bytes packed = {0};
        table_row_pack(&with_vector, keyed, i, 1, &packed);
        assert_true(table_row_check(&with_vector, packed.data, packed.size));
        rows[i] = table_row_create(&with_vector, packed.data, packed.size);
        bytes_clear(&packed);
    }
    table_rows_vectors((const struct table_row *const *)rows, ROWS, 1, vectors);
    for (uint32_t i = 0; i < ROWS; i++) {
        if (i % 3 == 0 || !rows[i]) {
            assert_null(vectors[i]);
            continue;
        }
        assert_int_equal((uintptr_t)vectors[i] % ROW_LINE, 0);
        assert_true(vectors[i][WIDTH - 1] == (float)(i * WIDTH + WIDTH - 1));
    }
    for (uint32_t i = 0; i < ROWS; i++)
        memory_free(rows[i]);
    batch_release(&keyed);
    batch_release(&batch);
    builder_close(builder);
}

static void damage_is_refused(void **state)
{
    struct batch *row = row_batch(7, 1);
    struct bytes packed = {0};
    struct random random = {1};

    (void)state;
    table_row_pack(&schema, row, 0, 10, &packed);
    for (size_t size = 0; size < packed.size; size++)
        assert_false(table_row_check(&schema, packed.data, size));
    for (int i = 0; i < 20000; i++) { /* must not read outside: the sanitizer watches */
        uint8_t *copy = malloc(packed.size);

        memcpy(copy, packed.data, packed.size);
        for (int flips = 0; flips < 3; flips++)
            copy[random_below(&random, packed.size)] ^= (uint8_t)(1u << random_below(&random, 8));
        (void)table_row_check(&schema, copy, packed.size);
        free(copy);
    }
    bytes_clear(&packed);
    batch_release(&row);
}

/* ---- versions ---- */
static void a_version_is_seen_once_all_publishers_are_past_it(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 10, false);
    assert_int_equal(replica_progress(bench.replica), INT64_MIN);
    send_row(&bench, 0, 1, 5, 10);
    send_watermark(&bench, 0, 25);
    settle(&bench);
    assert_int_equal(replica_progress(bench.replica), INT64_MIN);
    send_watermark(&bench, 1, 9);
    settle(&bench);
    assert_int_equal(replica_progress(bench.replica), 10);
    send_row(&bench, 0, 1, 6, 30);
    send_watermark(&bench, 0, INT64_MAX);
    send_watermark(&bench, 1, INT64_MAX);
    settle(&bench);
    assert_int_equal(replica_progress(bench.replica), INT64_MAX);
    replica_pin(bench.reader, 0);
    assert_null(replica_find(bench.reader, hash_of(1)));
    replica_pin(bench.reader, 20);
    assert_true(table_row_f64(replica_find(bench.reader, hash_of(1)), 1) == 5);
    replica_pin(bench.reader, 30);
    assert_true(table_row_f64(replica_find(bench.reader, hash_of(1)), 1) == 6);
    replica_pin(bench.reader, INT64_MAX);
    assert_true(table_row_f64(replica_find(bench.reader, hash_of(1)), 1) == 6);
    bench_close(&bench);
}

static void version_of_a_time(void **state)
{
    const struct plan_table table = {.period_ms = 10};

    (void)state;
    assert_int_equal(replica_version_at(&table, 0, 0), 0);
    assert_int_equal(replica_version_at(&table, 9, 0), 0);
    assert_int_equal(replica_version_at(&table, 10, 0), 10);
    assert_int_equal(replica_version_at(&table, -1, 0), -10);
    assert_int_equal(replica_version_at(&table, -10, 0), -10);
    assert_int_equal(replica_version_at(&table, 25, 5), 20);
    assert_int_equal(replica_version_at(&table, 25, 6), 10);
    assert_int_equal(replica_version_at(&table, 25, 26), -10);
    assert_int_equal(replica_version_at(&table, INT64_MIN + 20, 11), INT64_MIN);
}

/* What no reader can ask for is unlinked although its list has room, also of keys that stay as they
 * are; what the slowest reader may still ask for is not. */
static void old_versions_go_when_no_reader_needs_them(void **state)
{
    struct bench bench;
    struct replica_reader *slow;

    (void)state;
    bench_open(&bench, 10, false);
    slow = replica_attach(bench.replica, &waker, false);
    for (int64_t version = 10; version <= 30; version += 10)
        send_row(&bench, 0, 1, (double)version, version);
    send_watermark(&bench, 0, 39);
    send_watermark(&bench, 1, 39);
    settle(&bench);
    replica_rest(bench.reader, 40);
    replica_rest(slow, 20);
    settle(&bench);
    replica_pin(slow, 20);
    assert_true(table_row_f64(replica_find(slow, hash_of(1)), 1) == 20);
    replica_pin(bench.reader, 10); /* which it has said it would not */
    assert_null(replica_find(bench.reader, hash_of(1)));
    replica_rest(bench.reader, 40);
    replica_rest(slow, 40);
    settle(&bench);
    replica_pin(slow, 20);
    assert_null(replica_find(slow, hash_of(1)));
    replica_pin(slow, 40);
    assert_true(table_row_f64(replica_find(slow, hash_of(1)), 1) == 30);
    replica_detach(slow);
    bench_close(&bench);
}

static void a_windows_row_holds_for_its_version_alone(void **state)
{
    struct bench bench;
    uint32_t count;

    (void)state;
    bench_open(&bench, 10, true);
    send_row(&bench, 0, 1, 5, 10);
    send_row(&bench, 0, 2, 7, 20);
    send_watermark(&bench, 0, 29);
    send_watermark(&bench, 1, 29);
    settle(&bench);
    replica_pin(bench.reader, 10);
    assert_non_null(replica_find(bench.reader, hash_of(1)));
    assert_null(replica_find(bench.reader, hash_of(2)));
    replica_pin(bench.reader, 20);
    assert_null(replica_find(bench.reader, hash_of(1)));
    assert_non_null(replica_top(bench.reader, 0, LIMIT, &count));
    assert_int_equal(count, 1);
    replica_pin(bench.reader, 30);
    assert_null(replica_find(bench.reader, hash_of(2)));
    assert_null(replica_top(bench.reader, 0, LIMIT, &count));
    bench_close(&bench);
}

/* ---- rows that leave ---- */
#define KEEP_MS 100
#define COMERS 3000 /* keys that come once */

static void check_left(const struct bench *bench, const int64_t *last, int64_t keys, int64_t now)
{
    for (int64_t key = 0; key < keys; key++) {
        bool seen = last[key] > 0 && now - last[key] < KEEP_MS;

        if ((replica_find(bench->reader, hash_of(key)) != NULL) != seen)
            fail_msg("key %ld of version %ld at %ld", (long)key, (long)last[key], (long)now);
    }
}

/* One key a version comes once, some come again and again, some of them after they have left. */
static void rows_leave(void **state)
{
    static int64_t last[COMERS + KEYS];
    struct bench bench;

    (void)state;
    memset(last, 0, sizeof(last));
    bench_open(&bench, 10, false);
    bench.table.ranking_count = 0;
    bench.table.keep_ms = KEEP_MS;
    for (int64_t v = 1; v <= COMERS; v++) {
        int64_t again = v * v % KEYS;

        send_row(&bench, 0, KEYS + v - 1, (double)v, v * 10);
        send_row(&bench, 1, again, (double)v, v * 10);
        send_row(&bench, 1, again, (double)v, v * 10); /* as after a restore */
        last[KEYS + v - 1] = last[again] = v * 10;
        for (uint32_t p = 0; p < PUBLISHERS; p++)
            send_watermark(&bench, p, v * 10 - 1);
        settle(&bench);
        replica_pin(bench.reader, v * 10);
        settle(&bench); /* what nobody can see goes */
        check_left(&bench, last, v % 100 ? KEYS : COMERS + KEYS, v * 10);
    }
    bench_close(&bench);
}

/* ---- against a model ---- */
struct model {
    double scores[KEYS]; /* NAN: none */
    int64_t versions[KEYS];
    int64_t ranked; /* the last version that rows came for */
    int64_t keep_ms;
};

static bool model_has(const struct model *model, int key, int64_t version)
{
    return !isnan(model->scores[key]) &&
           (!model->keep_ms || version - model->versions[key] < model->keep_ms);
}

static int ranked_first(const struct model *model, int a, int b)
{
    if (model->scores[a] != model->scores[b])
        return model->scores[a] > model->scores[b];
    return a < b;
}

static void check_top(struct bench *bench, const struct model *model, int64_t version)
{
    int order[KEYS], have = 0;
    uint32_t count;
    const struct table_row *const *top = replica_top(bench->reader, 0, LIMIT, &count);

    for (int k = 0; k < KEYS; k++) {
        int at = have;

        if (!model_has(model, k, model->ranked) ||
            (model->keep_ms && version - model->ranked >= model->keep_ms))
            continue;
        while (at > 0 && ranked_first(model, k, order[at - 1])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = k;
        have++;
    }
    assert_int_equal(count, have < LIMIT ? have : LIMIT);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(table_row_i64(top[i], 0), order[i]);
}

static void check_rows(struct bench *bench, const struct model *model, int64_t version)
{
    const struct table_row *rows[KEYS];
    uint64_t hashes[KEYS];

    for (int k = 0; k < KEYS; k++)
        hashes[k] = hash_of(k);
    replica_find_many(bench->reader, hashes, KEYS, rows);
    for (int k = 0; k < KEYS; k++) {
        assert_ptr_equal(rows[k], replica_find(bench->reader, hashes[k]));
        assert_true(rows[k] ? model_has(model, k, version) &&
                                  table_row_f64(rows[k], 1) == model->scores[k]
                            : !model_has(model, k, version));
    }
}

/* Far more keys than the first directory has room for, some of which no row was sent for. */
static void many_keys(void **state)
{
    const struct table_row *rows[5000];
    uint64_t hashes[5000];
    struct bench bench;

    (void)state;
    bench_open(&bench, 10, false);
    for (int k = 0; k < 5000; k++) {
        hashes[k] = hash_of(k);
        if (k % 5 != 0)
            send_row(&bench, 0, k, k, 10);
        if (k % 10 == 0)
            settle(&bench);
    }
    send_watermark(&bench, 0, 9);
    send_watermark(&bench, 1, 9);
    settle(&bench);
    replica_pin(bench.reader, 10);
    replica_find_many(bench.reader, hashes, 5000, rows);
    for (int k = 0; k < 5000; k++)
        assert_true(k % 5 == 0 ? rows[k] == NULL : rows[k] && table_row_i64(rows[k], 0) == k);
    bench_close(&bench);
}

/* With and without rows that leave. */
static void rankings_like_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random = {seed};
        struct model models[60];
        struct bench bench;

        bench_open(&bench, 10, false);
        models[0] = (struct model){.keep_ms = (int64_t)(seed % 3) * 60};
        bench.table.keep_ms = models[0].keep_ms;
        for (int k = 0; k < KEYS; k++)
            models[0].scores[k] = NAN;
        for (int v = 1; v < 60; v++) {
            models[v] = models[v - 1];
            for (uint32_t i = random_below(&random, 6); i > 0; i--) {
                int key = (int)random_below(&random, KEYS);

                models[v].scores[key] = (double)random_below(&random, 20);
                models[v].versions[key] = models[v].ranked = v * 10;
                send_row(&bench, (uint32_t)key % PUBLISHERS, key, models[v].scores[key], v * 10);
            }
            for (uint32_t p = 0; p < PUBLISHERS; p++)
                send_watermark(&bench, p, v * 10 - 1);
            settle(&bench);
            if (random_below(&random, 2))
                continue;
            replica_pin(bench.reader, v * 10);
            settle(&bench); /* what leaves leaves */
            check_top(&bench, &models[v], v * 10);
            check_rows(&bench, &models[v], v * 10);
        }
        bench_close(&bench);
    }
}

/* ---- barriers ---- */
static void a_barrier_is_one_cut(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 10, false);
    send_barrier(&bench, 0, 1);
    send_row(&bench, 0, 1, 5, 10);
    send_watermark(&bench, 0, 19);
    settle(&bench);
    assert_int_equal(replica_barrier(bench.replica), 0);
    send_watermark(&bench, 1, 9);
    send_barrier(&bench, 1, 1);
    settle(&bench);
    assert_int_equal(replica_barrier(bench.replica), 1);
    assert_int_equal(replica_progress(bench.replica), INT64_MIN); /* behind the barrier */
    replica_reader_passed(bench.reader, 1);
    settle(&bench);
    assert_int_equal(replica_progress(bench.replica), 10);
    bench_close(&bench);
}

/* Its publishers' barriers follow its own, so neither waits for the other. */
static void a_looped_reader_holds_nobody(void **state)
{
    struct replica_reader *looped;
    struct bench bench;

    (void)state;
    bench_open(&bench, 10, false);
    replica_detach(bench.reader);
    bench.reader = replica_attach(bench.replica, &waker, true);
    send_barrier(&bench, 0, 1);
    send_watermark(&bench, 0, 19);
    send_watermark(&bench, 1, 9);
    while (replica_step(bench.replica))
        continue;
    assert_int_equal(replica_progress(bench.replica), 10);
    send_barrier(&bench, 1, 1);
    send_watermark(&bench, 1, 29);
    while (replica_step(bench.replica))
        continue;
    assert_int_equal(replica_progress(bench.replica), 20);
    bench_close(&bench);
    /* beside one that is not looped, that one counts alone */
    bench_open(&bench, 10, false);
    looped = replica_attach(bench.replica, &waker, true);
    send_barrier(&bench, 0, 1);
    send_barrier(&bench, 1, 1);
    send_watermark(&bench, 0, 9);
    send_watermark(&bench, 1, 9);
    while (replica_step(bench.replica))
        continue;
    assert_int_equal(replica_progress(bench.replica), INT64_MIN);
    replica_reader_passed(bench.reader, 1);
    while (replica_step(bench.replica))
        continue;
    assert_int_equal(replica_progress(bench.replica), 10);
    replica_detach(looped);
    bench_close(&bench);
}

/* Subtasks of several operators may be more than an operator may have. */
static void many_readers(void **state)
{
    struct replica_reader *readers[3 * PARALLELISM_MAX];
    const uint32_t count = sizeof(readers) / sizeof(readers[0]);
    struct bench bench;

    (void)state;
    bench_open(&bench, 10, false);
    for (uint32_t i = 0; i < count; i++)
        readers[i] = replica_attach(bench.replica, &waker, false);
    send_row(&bench, 0, 1, 5, 10);
    send_row(&bench, 0, 1, 6, 20);
    send_barrier(&bench, 0, 1);
    send_barrier(&bench, 1, 1);
    send_watermark(&bench, 0, 29);
    send_watermark(&bench, 1, 29);
    settle(&bench);
    replica_reader_passed(bench.reader, 1);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(replica_progress(bench.replica), INT64_MIN);
        replica_reader_passed(readers[i], 1);
        settle(&bench);
    }
    assert_int_equal(replica_progress(bench.replica), 30);
    replica_rest(bench.reader, 30);
    for (uint32_t i = 1; i < count; i++)
        replica_detach(readers[i]);
    settle(&bench);
    replica_pin(readers[0], 10); /* which holds what it may ask for */
    assert_true(table_row_f64(replica_find(readers[0], hash_of(1)), 1) == 5);
    replica_detach(readers[0]);
    bench_close(&bench);
}

static void a_newer_barrier_supersedes(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, 10, false);
    send_barrier(&bench, 0, 1); /* the other never sends it: the checkpoint was given up */
    send_barrier(&bench, 0, 2);
    send_barrier(&bench, 1, 2);
    settle(&bench);
    assert_int_equal(replica_barrier(bench.replica), 2);
    bench_close(&bench);
}

/* ---- threads ---- */
struct reading {
    struct bench *bench;
    struct replica_reader *reader;
    atomic_bool *stop;
    atomic_uint *failures;
};

static void *read_many(void *data)
{
    struct reading *reading = data;

    while (!atomic_load(reading->stop)) {
        int64_t version, progress = replica_progress(reading->bench->replica);
        uint32_t count;

        if (progress < 10)
            continue;
        version = progress / 10 * 10;
        replica_pin(reading->reader, version);
        for (int k = 0; k < KEYS; k++) {
            const struct table_row *row = replica_find(reading->reader, hash_of(k));

            /* Every key has a row of every version: score is the version. */
            if (!row || table_row_f64(row, 1) != (double)version)
                atomic_fetch_add(reading->failures, 1);
        }
        if (!replica_top(reading->reader, 0, LIMIT, &count) || count != LIMIT)
            atomic_fetch_add(reading->failures, 1);
        replica_rest(reading->reader, progress / 10 * 10);
    }
    return NULL;
}

#define READERS 2

struct readers {
    atomic_bool stop;
    atomic_uint failures;
    struct reading readings[READERS];
    pthread_t threads[READERS];
};

static void start_readers(struct readers *readers, struct bench *bench, void *(*read)(void *))
{
    readers->stop = false;
    readers->failures = 0;
    replica_rest(bench->reader, INT64_MAX);
    for (int i = 0; i < READERS; i++) {
        readers->readings[i] =
            (struct reading){bench, replica_attach(bench->replica, &waker, false), &readers->stop,
                             &readers->failures};
        assert_int_equal(pthread_create(&readers->threads[i], NULL, read, &readers->readings[i]),
                         0);
    }
}

/* None has seen what it should not. */
static void stop_readers(struct readers *readers)
{
    atomic_store(&readers->stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers->threads[i], NULL);
        replica_detach(readers->readings[i].reader);
    }
    assert_int_equal(readers->failures, 0);
}

static void readers_on_threads(void **state)
{
    struct bench bench;
    struct readers readers;

    (void)state;
    bench_open(&bench, 10, false);
    start_readers(&readers, &bench, read_many);
    for (int v = 1; v <= 300; v++) {
        for (int k = 0; k < KEYS; k++)
            send_row(&bench, (uint32_t)k % PUBLISHERS, k, v * 10, v * 10);
        for (uint32_t p = 0; p < PUBLISHERS; p++)
            send_watermark(&bench, p, v * 10 - 1);
        settle(&bench);
    }
    stop_readers(&readers);
    bench_close(&bench);
}

/* The key of the progress is there, and whatever is found is no older than rows are kept. */
static void *read_leaving(void *data)
{
    struct reading *reading = data;

    while (!atomic_load(reading->stop)) {
        int64_t progress = replica_progress(reading->bench->replica), newest = progress / 10;

        if (progress < 10)
            continue;
        replica_pin(reading->reader, progress);
        for (int64_t key = newest > 20 ? newest - 20 : 1; key <= newest; key++) {
            const struct table_row *row = replica_find(reading->reader, hash_of(key));

            if ((row != NULL) != (progress - key * 10 < KEEP_MS) ||
                (row && table_row_f64(row, 1) != (double)key))
                atomic_fetch_add(reading->failures, 1);
        }
        replica_rest(reading->reader, progress);
    }
    return NULL;
}

static void rows_leave_under_readers(void **state)
{
    struct bench bench;
    struct readers readers;

    (void)state;
    bench_open(&bench, 10, false);
    bench.table.ranking_count = 0;
    bench.table.keep_ms = KEEP_MS;
    start_readers(&readers, &bench, read_leaving);
    for (int v = 1; v <= 20000; v++) {
        send_row(&bench, 0, v, v, v * 10);
        for (uint32_t p = 0; p < PUBLISHERS; p++)
            send_watermark(&bench, p, v * 10 - 1);
        settle(&bench);
    }
    stop_readers(&readers);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_there_and_back),
        cmocka_unit_test(vectors_of_many_rows),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(a_version_is_seen_once_all_publishers_are_past_it),
        cmocka_unit_test(version_of_a_time),
        cmocka_unit_test(old_versions_go_when_no_reader_needs_them),
        cmocka_unit_test(a_windows_row_holds_for_its_version_alone),
        cmocka_unit_test(rows_leave),
        cmocka_unit_test(rankings_like_a_model),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(a_barrier_is_one_cut),
        cmocka_unit_test(a_looped_reader_holds_nobody),
        cmocka_unit_test(many_readers),
        cmocka_unit_test(a_newer_barrier_supersedes),
        cmocka_unit_test(readers_on_threads),
        cmocka_unit_test(rows_leave_under_readers),
    };

    return cmocka_run_group_tests_name("replica", tests, NULL, NULL);
}
