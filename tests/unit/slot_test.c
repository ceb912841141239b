/* slot: a source that waits for more lets its thread sleep, is asked again after a while, and at once
 * when it is told of more. */
#include "runtime/worker/slot.h"

#include "runtime/api/operator.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/worker/deployment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define FAR_NS 5000000000 /* longer than any wait of a test */

static atomic_uint reads, rows, drained;
static atomic_bool more, ended;
static _Atomic(struct op *) source_op;

static bool wait_splits(const void *config, struct split_list *out, struct error *err)
{
    (void)config;
    (void)err;
    for (int i = 0; i < 3; i++)
        CHECK(split_list_add(out, "stream", 0, INT64_MAX));
    return true;
}

static bool wait_open(struct op *op, struct error *err)
{
    (void)err;
    op_source_time(op, 0, 0);
    atomic_store(&source_op, op);
    return true;
}

static void *wait_split_open(struct op *op, const struct split *split, const struct position *from,
                             struct error *err)
{
    static uint32_t indices[3];

    (void)op, (void)from, (void)err;
    indices[split->index % 3] = split->index;
    return &indices[split->index % 3];
}

/* Each split has a first row; then the first one has more when it is said so. */
static enum read_result wait_split_read(struct op *op, void *data, struct builder *out,
                                        struct error *err)
{
    static bool begun[3];
    uint32_t split = *(uint32_t *)data % 3;
    bool give = !begun[split] || (split == 0 && atomic_exchange(&more, false));

    (void)op, (void)err;
    atomic_fetch_add(&reads, 1);
    begun[split] = true;
    if (give) {
        uint64_t origin = split * 1000 + atomic_load(&rows);

        builder_row(out, (int64_t)origin, origin, origin);
        builder_i64(out, 0, split);
        return READ_MORE;
    }
    return atomic_load(&ended) ? READ_END : READ_WAIT;
}

static void wait_split_position(const void *data, struct position *position)
{
    (void)data;
    *position = (struct position){0};
}

static void wait_split_close(void *data)
{
    (void)data;
}

static const struct option no_options[] = {{0}};
static const struct column_def wait_row[] = {{"split", TYPE_I64}, {0}};
static const struct port wait_out[] = {{"out", wait_row}, {0}};

static const struct operator_def wait_source = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "wait/source",
    .help = "Waits.",
    .options = no_options,
    .outputs = wait_out,
    .deterministic = true,
    .open = wait_open,
    .splits = wait_splits,
    .split_open = wait_split_open,
    .split_read = wait_split_read,
    .split_position = wait_split_position,
    .split_close = wait_split_close,
};
OPERATOR_REGISTER(wait_source);

static bool count_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    (void)op, (void)port, (void)err;
    atomic_fetch_add(&rows, in->selected);
    return true;
}

static const struct port count_in[] = {{.name = "in"}, {0}};

static const struct operator_def wait_count = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "wait/count",
    .help = "Counts.",
    .options = no_options,
    .inputs = count_in,
    .deterministic = true,
    .process = count_process,
};
OPERATOR_REGISTER(wait_count);

static void on_report(void *owner, struct report *report)
{
    (void)owner;
    atomic_fetch_add(&drained, report->kind == REPORT_DRAINED);
}

static void on_opened(void *owner, uint32_t number, bool good, const struct error *err)
{
    (void)owner, (void)number, (void)err;
    CHECK(good);
}

static struct slot *slot;

static struct waker *waker_of(void *owner, uint32_t number)
{
    (void)owner, (void)number;
    return slot_waker_of(slot);
}

static bool reaches(const atomic_uint *figure, uint32_t value)
{
    int64_t end_ns = clock_now_ns(&clock_monotonic) + FAR_NS;
    const struct timespec moment = {.tv_nsec = 100000};

    while (atomic_load(figure) < value && clock_now_ns(&clock_monotonic) < end_ns)
        (void)nanosleep(&moment, NULL);
    return atomic_load(figure) >= value;
}

static void test_waits(void **state)
{
    const struct timespec while_ = {.tv_nsec = 300000000};
    struct plan_request request = {
        .path = "job.yaml",
        .text = "job: {name: wait}\noperators:\n  - {id: from, kind: wait/source}\n"
                "  - {id: count, kind: wait/count, from: from}\n",
        .parallelism = 1,
        .split_mode = PLAN_SPLITS_MAKE,
    };
    struct error_list errors = {0};
    struct plan *plan = plan_create(&request, &errors);
    struct deployment *deployment;
    int64_t cpu_ns;

    (void)state;
    assert_non_null(plan);
    slot = slot_create(0, &(struct slot_events){on_opened, NULL});
    deployment = deployment_create(&(struct deployment_config){.plan = plan,
                                                               .workers = 1,
                                                               .epoch = 1,
                                                               .attempt = 1,
                                                               .clock = &clock_monotonic,
                                                               .slot_waker = waker_of,
                                                               .report = on_report});
    slot_start(slot, deployment, 0);
    slot_run(slot);
    assert_true(reaches(&rows, 3));
    atomic_store(&reads, 0);
    cpu_ns = clock_process_cpu_ns();
    (void)nanosleep(&while_, NULL);
    assert_in_range(atomic_load(&reads), 3, 3 * 31); /* each split once in 10 ms */
    assert_true(clock_process_cpu_ns() - cpu_ns < 100000000);
    atomic_store(&more, true); /* nobody says so */
    assert_true(reaches(&rows, 4));
    for (uint32_t i = 0; i < 20; i++) {
        atomic_store(&more, true);
        op_wake(atomic_load(&source_op));
        assert_true(reaches(&rows, 5 + i));
    }
    atomic_store(&ended, true);
    op_wake(atomic_load(&source_op));
    assert_true(reaches(&drained, 1));
    slot_stop(slot);
    deployment_close(deployment);
    slot_close(slot);
    plan_close(plan);
    error_list_clear(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_waits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
