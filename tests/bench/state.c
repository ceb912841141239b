/* bench state: keyed updates of the store, batches of 1,024 rows with an i64 key and a cell of 16
 * bytes (large: 2 to 8 KB, another size each time): look up, add, count. One slot
 * thread; files are written by a pool of one thread.
 *
 *   million/s   updates per CPU second of the slot's thread, when all keys are there
 *   all         the same per CPU second of the whole process: with the writing of files
 *   pause       longest CPU time of one call: look-ups with growth of the index, barrier,
 *               compaction, eviction (CPU time: others may hold the core)
 *
 *   restore     CPU time of taking the last checkpoint into a new store, verification included
 *
 * Limits of the machine to hold it against: an update of a cell that is in no cache is two reads
 * of memory (slot, cell), each 80 to 100 ns, some ten of which overlap.
 * Usage: bench-state [seconds a case [cases that begin with this]] */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/batch/key.h"
#include "state/store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS 1024u
#define SECOND_NS INT64_C(1000000000)

struct total {
    int64_t sum, count;
};

static void total_merge(const void *config, void *into, const void *from)
{
    struct total *to = into;
    const struct total *add = from;

    (void)config;
    to->sum += add->sum;
    to->count += add->count;
}

static const struct store_state states[] = {
    {.name = "bench.value", .kind = STORE_VALUE, .size = sizeof(struct total)},
    {.name = "bench.pane",
     .kind = STORE_PANE,
     .size = sizeof(struct total),
     .pane_ms = INT64_C(1) << 40,
     .merge = total_merge},
    {.name = "bench.large", .kind = STORE_LIST, .size = sizeof(struct total)},
};

enum { VALUE, PANE, LARGE }; /* places in the table above */

struct bench_case {
    const char *name;
    uint64_t keys;
    bool skewed;
    int64_t barrier_ns; /* 0: none */
    uint64_t memory_bytes;
    uint32_t state;
};

static const struct bench_case cases[] = {
    {"1M uniform", 1000000, false, 0, 0, VALUE},
    {"1M uniform, checkpoint 1 s", 1000000, false, SECOND_NS, 0, VALUE},
    {"1M skewed, checkpoint 1 s", 1000000, true, SECOND_NS, 0, VALUE},
    {"10M uniform", 10000000, false, 0, 0, VALUE},
    {"10M uniform, checkpoint 1 s", 10000000, false, SECOND_NS, 0, VALUE},
    {"10M skewed, checkpoint 1 s", 10000000, true, SECOND_NS, 0, VALUE},
    {"10M aggregate, checkpoint 1 s", 10000000, false, SECOND_NS, 0, PANE},
    {"budget 64 MB, 10M aggregate, checkpoint 0.1 s", 10000000, false, SECOND_NS / 10, 64 << 20,
     PANE},
    {"budget 4.5 MB, 1M aggregate, checkpoint 1 s", 1000000, false, SECOND_NS, 4500 << 10, PANE},
    {"budget 4.5 MB, 1M value, checkpoint 1 s", 1000000, false, SECOND_NS, 4500 << 10, VALUE},
    {"budget 4.5 MB, 1M value skewed, checkpoint 1 s", 1000000, true, SECOND_NS, 4500 << 10, VALUE},
    {"budget 45 MB, 10M value, checkpoint 1 s", 10000000, false, SECOND_NS, 45 << 20, VALUE},
    {"large: 20k, checkpoint 1 s", 20000, false, SECOND_NS, 0, LARGE},
    {"large: budget 400 MB, 20k, checkpoint 1 s", 20000, false, SECOND_NS, 400 << 20, LARGE},
};

struct sleeper {
    struct waker waker;
    atomic_uint wakes;
};

static void sleeper_wake(struct waker *waker)
{
    atomic_fetch_add(&((struct sleeper *)waker)->wakes, 1);
}

struct bench {
    const struct bench_case *what;
    struct store *store;
    struct sleeper *sleeper; /* outlives the store: may be woken late */
    struct random random;
    uint64_t drawn, first; /* of the batch */
    uint8_t key_bytes[ROWS][9];
    struct key keys[ROWS];
    int64_t times[ROWS];
    void *cells[ROWS];
    struct arena *arena;
    bool barrier_pending;
    uint64_t checkpoint, checkpoints;
    int64_t barrier_at_ns, pause_max_ns;
};

static void must(bool ok, const struct error *err)
{
    char text[ERROR_TEXT_MAX];

    if (ok)
        return;
    fprintf(stderr, "%s\n", error_text(err, text, sizeof(text)));
    exit(1);
}

static void key_set(struct bench *bench, uint32_t row, uint64_t id)
{
    uint8_t *bytes = bench->key_bytes[row];
    uint64_t be = __builtin_bswap64(id ^ UINT64_C(1) << 63);

    bytes[0] = 2;
    memcpy(bytes + 1, &be, 8);
    bench->keys[row] = (struct key){bytes, 9, hash_bytes(bytes, 9)};
}

/* Skewed: id = keys * u^4, so that 1 % of the keys take a third of the rows. */
static uint64_t draw(struct bench *bench)
{
    double u;

    if (bench->what->state == LARGE) { /* none is twice in a batch: its cell moves */
        if (bench->drawn++ % ROWS == 0)
            bench->first = random_below(&bench->random, bench->what->keys);
        return (bench->first + bench->drawn * 7919) % bench->what->keys;
    }
    if (!bench->what->skewed)
        return random_below(&bench->random, bench->what->keys);
    u = hash_unit(random_next(&bench->random));
    return (uint64_t)((double)bench->what->keys * u * u * u * u);
}

static void wait_wake(struct bench *bench)
{
    unsigned before = atomic_load(&bench->sleeper->wakes);

    for (int i = 0; i < 20 && atomic_load(&bench->sleeper->wakes) == before; i++)
        usleep(50);
}

static void paused(struct bench *bench, int64_t begin_ns)
{
    int64_t pause_ns = clock_thread_cpu_ns() - begin_ns;

    if (pause_ns > bench->pause_max_ns)
        bench->pause_max_ns = pause_ns;
}

static void resolve(struct bench *bench)
{
    enum store_result result;
    struct error err = {0};

    for (;;) {
        int64_t begin_ns = clock_thread_cpu_ns();

        result = store_resolve_keys(bench->store, bench->what->state, bench->keys, bench->times,
                                    ROWS, bench->cells, &err);
        paused(bench, begin_ns);
        if (result != STORE_LOADING)
            break;
        wait_wake(bench);
    }
    must(result == STORE_READY, &err);
}

static void maintain(struct bench *bench)
{
    enum store_result result;
    struct error err = {0};

    for (;;) {
        int64_t begin_ns = clock_thread_cpu_ns();

        result = store_maintain(bench->store, &err);
        paused(bench, begin_ns);
        if (result != STORE_LOADING)
            break;
        wait_wake(bench);
    }
    must(result == STORE_READY, &err);
}

static void barrier(struct bench *bench, int64_t now_ns)
{
    struct store_snapshot snapshot;
    struct error err = {0};

    if (!bench->what->barrier_ns)
        return;
    if (bench->barrier_pending) {
        enum store_result result = store_barrier_poll(bench->store, bench->arena, &snapshot, &err);

        must(result != STORE_FAILED, &err);
        if (result == STORE_LOADING)
            return;
        bench->barrier_pending = false;
        bench->checkpoints++;
        arena_reset(bench->arena);
    }
    if (now_ns - bench->barrier_at_ns < bench->what->barrier_ns)
        return;
    bench->barrier_at_ns = now_ns;
    bench->barrier_pending = true;
    store_barrier(bench->store, ++bench->checkpoint, INT64_MIN);
}

static void batch(struct bench *bench)
{
    int64_t begin_ns;

    resolve(bench);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct total *total = bench->cells[i];

        total->sum += i;
        total->count++;
        if (bench->what->state == LARGE)
            CHECK(store_resize(bench->store, LARGE, total, 2048u << total->count % 3));
    }
    begin_ns = clock_thread_cpu_ns();
    barrier(bench, clock_now_ns(&clock_monotonic));
    paused(bench, begin_ns);
    maintain(bench);
}

static struct store *store_make(struct bench *bench, struct executor *executor, const char *dir)
{
    char work[512], spill[512];
    struct error err = {0};
    struct store_config config = {
        .states = states,
        .state_count = sizeof(states) / sizeof(states[0]),
        .key_groups = 128,
        .group_end = 128,
        .memory_bytes = bench->what->memory_bytes,
        .spill_dir = spill,
        .work_dir = work,
        .file_prefix = "bench",
        .merge_ratio = 1,
        .executor = executor,
        .waker = &bench->sleeper->waker,
        .clock = &clock_monotonic,
    };
    struct store *store;

    (void)snprintf(work, sizeof(work), "%s/work", dir);
    (void)snprintf(spill, sizeof(spill), "%s/spill", dir);
    (void)mkdir(work, 0700);
    store = store_create(&config, &err);
    must(store != NULL, &err);
    return store;
}

struct took {
    int64_t slot_ns, all_ns, wall_ns;
};

static struct took now(void)
{
    return (struct took){clock_thread_cpu_ns(), clock_process_cpu_ns(),
                         clock_now_ns(&clock_monotonic)};
}

/* A last checkpoint, and a new store from it; ms. 0 without checkpoints. */
static double restore(struct bench *bench, struct executor *executor, const char *dir)
{
    const char *paths[1024];
    struct store_snapshot snapshot;
    struct error err = {0};
    enum store_result result;
    int64_t begin_ns;

    if (!bench->what->barrier_ns)
        return 0;
    while (bench->barrier_pending) {
        barrier(bench, 0);
        wait_wake(bench);
    }
    store_barrier(bench->store, ++bench->checkpoint, INT64_MIN);
    while ((result = store_barrier_poll(bench->store, bench->arena, &snapshot, &err)) ==
           STORE_LOADING)
        wait_wake(bench);
    must(result == STORE_READY && snapshot.count <= 1024, &err);
    for (uint32_t i = 0; i < snapshot.count; i++)
        paths[i] = snapshot.files[i].path;
    store_close(bench->store);
    bench->store = store_make(bench, executor, dir);
    begin_ns = clock_process_cpu_ns();
    must(store_restore(bench->store, paths, snapshot.files, snapshot.count, &err), &err);
    return (double)(clock_process_cpu_ns() - begin_ns) / 1e6;
}

static void report(const struct bench *bench, uint64_t rows, struct took begin, struct took end)
{
    struct store_figures figures;
    struct rusage usage;

    store_figures(bench->store, &figures);
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("%-48s %6.2f %6.2f %6.2f  %7.3f %9.6f  %6.1f %6.1f %7.1f %7.1f %5llu %5ld",
           bench->what->name, (double)rows * 1e3 / (double)(end.slot_ns - begin.slot_ns),
           (double)rows * 1e3 / (double)(end.all_ns - begin.all_ns),
           (double)rows * 1e3 / (double)(end.wall_ns - begin.wall_ns),
           (double)bench->pause_max_ns / 1e6, (double)figures.barrier_max_ns / 1e6,
           (double)figures.log_bytes / 1e6, (double)figures.index_bytes / 1e6,
           (double)figures.spilled_bytes / 1e6, (double)figures.written_bytes / 1e6,
           (unsigned long long)bench->checkpoints, usage.ru_maxrss / 1024);
}

static void fill(struct bench *bench)
{
    for (uint64_t id = 0; id < bench->what->keys; id += ROWS) {
        for (uint32_t i = 0; i < ROWS; i++)
            key_set(bench, i, (id + i) % bench->what->keys);
        batch(bench);
    }
}

static void run(const struct bench_case *what, double seconds, struct executor *executor,
                struct sleeper *sleeper, const char *dir)
{
    struct bench *bench = memory_new(sizeof(*bench));
    struct took begin, end, drawn = {0};
    uint64_t rows = 0;

    bench->what = what;
    bench->sleeper = sleeper;
    bench->random.state = 1;
    bench->arena = arena_create(4096);
    bench->store = store_make(bench, executor, dir);
    bench->barrier_at_ns = clock_now_ns(&clock_monotonic);
    fill(bench);
    begin = end = now();
    while ((double)(end.wall_ns - begin.wall_ns) < seconds * 1e9) {
        struct took before = now(), after;

        for (uint32_t i = 0; i < ROWS; i++) /* not part of the measured time */
            key_set(bench, i, draw(bench));
        after = now();
        drawn.slot_ns += after.slot_ns - before.slot_ns;
        batch(bench);
        rows += ROWS;
        end = now();
    }
    end.slot_ns -= drawn.slot_ns;
    end.all_ns -= drawn.slot_ns;
    end.wall_ns -= drawn.slot_ns;
    report(bench, rows, begin, end);
    printf(" %7.0f\n", restore(bench, executor, dir));
    (void)fflush(stdout);
    store_close(bench->store);
    arena_close(bench->arena);
    memory_free(bench);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    struct sleeper sleeper = {.waker.wake = sleeper_wake};
    struct pool *pool = pool_create(1);
    char dir[] = "/tmp/millrace-bench-XXXXXX", command[64];

    if (!mkdtemp(dir))
        return 1;
    printf("%-48s %6s %6s %6s  %7s %9s  %6s %6s %7s %7s %5s %5s %7s\n", "million updates a second",
           "slot", "all", "wall", "pause", "barrier", "log", "index", "spilled", "written", "ckpts",
           "RSS", "restore");
    printf("%-48s %6s %6s %6s  %7s %9s  %6s %6s %7s %7s %5s %5s %7s\n", "", "CPU", "CPU", "", "ms",
           "ms", "MB", "MB", "MB", "MB", "", "MB", "ms");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (argc < 3 || strncmp(cases[i].name, argv[2], strlen(argv[2])) == 0)
            run(&cases[i], seconds, pool_executor(pool), &sleeper, dir);
    pool_close(pool);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command) != 0;
}
