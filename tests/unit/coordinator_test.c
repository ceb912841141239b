/* coordinator: the state machine against scripts of events. Two workers, a source chain and a sink
 * chain of two subtasks each. */
#include "runtime/coordinator/coordinator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define WORKERS 2
#define SUBTASKS 4

static bool no_splits(const void *config, struct split_list *out, struct error *err)
{
    (void)config;
    (void)out;
    (void)err;
    return true;
}

static bool no_commit(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                      struct error *err)
{
    (void)op;
    (void)checkpoint;
    (void)bundle;
    (void)size;
    (void)err;
    return true;
}

static const struct operator_def source_def = {.name = "source", .splits = no_splits};
static const struct operator_def sink_def = {.name = "sink", .commit = no_commit};

struct bench {
    struct plan plan;
    struct plan_op ops[2];
    struct plan_chain chains[2];
    uint32_t first[2], second[2];
    struct coordinator *coordinator;
    int64_t now;
    struct action action; /* the last one taken */
};

static void bench_open(struct bench *bench, enum restart_strategy strategy)
{
    *bench = (struct bench){.now = 1000};
    bench->ops[0] = (struct plan_op){.id = "events", .def = &source_def, .parallelism = 2};
    bench->ops[1] = (struct plan_op){.id = "out", .def = &sink_def, .parallelism = 2};
    bench->first[0] = 0;
    bench->second[0] = 1;
    bench->chains[0] = (struct plan_chain){0, 2, 1, bench->first};
    bench->chains[1] = (struct plan_chain){1, 2, 1, bench->second};
    bench->plan =
        (struct plan){.ops = bench->ops, .op_count = 2, .chains = bench->chains, .chain_count = 2};
    bench->plan.settings.checkpoint.interval_ms = 100;
    bench->plan.settings.checkpoint.timeout_ms = 1000;
    bench->plan.settings.heartbeat.timeout_ms = 500;
    bench->plan.settings.restart.strategy = strategy;
    bench->plan.settings.restart.max_attempts = 2;
    bench->plan.settings.restart.delay_ms = 10;
    bench->plan.settings.restart.max_delay_ms = 1000;
    bench->plan.settings.restart.reset_after_ms = 60000;
    bench->coordinator = coordinator_create(
        &(struct coordinator_config){.plan = &bench->plan, .workers = WORKERS, .first_attempt = 1},
        bench->now);
}

static void expect(struct bench *bench, enum action_kind kind)
{
    assert_true(coordinator_action(bench->coordinator, &bench->action));
    assert_int_equal(bench->action.kind, kind);
}

static void expect_none(struct bench *bench)
{
    assert_false(coordinator_action(bench->coordinator, &bench->action));
}

static void tell(struct bench *bench, enum report_kind kind, uint32_t chain, uint32_t subtask,
                 uint64_t checkpoint)
{
    struct report report = {
        .kind = kind, .chain = chain, .subtask = subtask, .checkpoint = checkpoint};

    report.snapshot.chain = chain;
    report.snapshot.subtask = subtask;
    report.snapshot.checkpoint = checkpoint;
    bytes_text(&report.snapshot.meta, "meta");
    coordinator_report(bench->coordinator, subtask, coordinator_attempt(bench->coordinator),
                       &report, bench->now);
    assert_null(report.snapshot.meta.data); /* taken or freed */
}

static void run_up(struct bench *bench)
{
    expect(bench, ACTION_SPAWN);
    expect(bench, ACTION_SPAWN);
    coordinator_joined(bench->coordinator, 0, bench->now);
    expect_none(bench);
    coordinator_joined(bench->coordinator, 1, bench->now);
    expect(bench, ACTION_DEPLOY);
    assert_int_equal(bench->action.attempt, 1);
    assert_int_equal(bench->action.checkpoint, 0);
    coordinator_deployed(bench->coordinator, 0, 1, bench->now);
    coordinator_deployed(bench->coordinator, 0, 1, bench->now); /* twice is once */
    expect_none(bench);
    coordinator_deployed(bench->coordinator, 1, 1, bench->now);
    expect(bench, ACTION_START);
    assert_int_equal(coordinator_state(bench->coordinator), COORDINATOR_RUNNING);
}

static void snapshots(struct bench *bench, uint64_t checkpoint)
{
    for (uint32_t chain = 0; chain < 2; chain++)
        for (uint32_t subtask = 0; subtask < 2; subtask++)
            tell(bench, REPORT_SNAPSHOT, chain, subtask, checkpoint);
}

static void one_checkpoint(struct bench *bench, uint64_t checkpoint)
{
    bench->now += 100;
    coordinator_tick(bench->coordinator, bench->now);
    expect(bench, ACTION_TRIGGER);
    assert_int_equal(bench->action.checkpoint, checkpoint);
    snapshots(bench, checkpoint);
    expect(bench, ACTION_MANIFEST);
    coordinator_manifest(bench->coordinator, checkpoint, true, NULL, bench->now);
    expect(bench, ACTION_COMPLETE);
    assert_int_equal(bench->action.checkpoint, checkpoint);
}

static void ends_with_a_final_checkpoint(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    run_up(&bench);
    one_checkpoint(&bench, 1);
    tell(&bench, REPORT_DRAINED, 0, 0, 0);
    coordinator_tick(bench.coordinator, bench.now + 1);
    expect_none(&bench);
    tell(&bench, REPORT_DRAINED, 0, 1, 0);
    expect(&bench, ACTION_TRIGGER);
    assert_int_equal(bench.action.final, BARRIER_ENDS);
    tell(&bench, REPORT_COMMITTED, 1, 0, 1); /* of the one before */
    tell(&bench, REPORT_COMMITTED, 1, 1, 1);
    expect_none(&bench);
    snapshots(&bench, 2);
    expect(&bench, ACTION_MANIFEST);
    assert_int_equal(bench.action.final, BARRIER_ENDS);
    coordinator_manifest(bench.coordinator, 2, true, NULL, bench.now);
    expect(&bench, ACTION_COMPLETE);
    tell(&bench, REPORT_COMMITTED, 1, 0, 2);
    expect_none(&bench);
    tell(&bench, REPORT_COMMITTED, 1, 1, 2);
    expect(&bench, ACTION_FINISH);
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_DONE);
    coordinator_close(bench.coordinator);
}

static void manifest_is_asked_for_once_all_have_reported(void **state)
{
    struct bench bench;
    uint32_t count;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    run_up(&bench);
    bench.now += 100;
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_TRIGGER);
    tell(&bench, REPORT_SNAPSHOT, 0, 0, 1);
    tell(&bench, REPORT_SNAPSHOT, 0, 0, 1); /* twice is once */
    tell(&bench, REPORT_SNAPSHOT, 1, 1, 7); /* of another checkpoint */
    tell(&bench, REPORT_SNAPSHOT, 1, 0, 1);
    tell(&bench, REPORT_SNAPSHOT, 0, 1, 1);
    expect_none(&bench);
    tell(&bench, REPORT_SNAPSHOT, 1, 1, 1);
    expect(&bench, ACTION_MANIFEST);
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        const struct subtask_snapshot *all = coordinator_snapshots(bench.coordinator, &count);

        assert_int_equal(count, SUBTASKS);
        assert_int_equal(all[i].chain, i / 2);
        assert_int_equal(all[i].subtask, i % 2);
    }
    coordinator_close(bench.coordinator);
}

/* What the former attempt still had under way. */
static void late_reports(struct bench *bench, uint32_t attempt)
{
    for (uint32_t subtask = 0; subtask < 2; subtask++) {
        struct report drained = {.kind = REPORT_DRAINED, .subtask = subtask};
        struct report failed = {.kind = REPORT_FAILED, .subtask = subtask};

        coordinator_report(bench->coordinator, subtask, attempt, &drained, bench->now);
        coordinator_report(bench->coordinator, subtask, attempt, &failed, bench->now);
    }
    expect_none(bench);
}

static void a_lost_worker_starts_a_new_attempt(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    run_up(&bench);
    one_checkpoint(&bench, 1);
    coordinator_lost(bench.coordinator, 1, "killed", bench.now);
    expect(&bench, ACTION_EXPEL);
    assert_int_equal(bench.action.worker, 1);
    expect(&bench, ACTION_LEAVE);
    expect(&bench, ACTION_SPAWN);
    assert_int_equal(bench.action.worker, 1);
    coordinator_joined(bench.coordinator, 1, bench.now);
    expect_none(&bench); /* the delay is not over */
    bench.now += 10;
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_DEPLOY);
    assert_int_equal(bench.action.attempt, 2);
    assert_int_equal(bench.action.checkpoint, 1);
    coordinator_deployed(bench.coordinator, 0, 1, bench.now); /* of the former attempt */
    coordinator_deployed(bench.coordinator, 1, 2, bench.now);
    expect_none(&bench);
    late_reports(&bench, 1);
    coordinator_deployed(bench.coordinator, 0, 2, bench.now);
    expect(&bench, ACTION_START);
    late_reports(&bench, 1);
    assert_int_equal(coordinator_restarts(bench.coordinator), 1);
    coordinator_close(bench.coordinator);
}

/* A worker tells of a broken connection to another. */
static void break_connection(struct bench *bench)
{
    struct report report = {.kind = REPORT_FAILED};

    bench_open(bench, RESTART_EXPONENTIAL_DELAY);
    run_up(bench);
    error_set(&report.error, ERROR_NETWORK, "worker 1", NULL, "closed");
    coordinator_report(bench->coordinator, 0, 1, &report, bench->now);
    expect(bench, ACTION_LEAVE);
}

/* The one that was lost joins again, and the next attempt begins: the first restart. */
static void join_again(struct bench *bench)
{
    expect(bench, ACTION_EXPEL);
    expect(bench, ACTION_SPAWN);
    coordinator_joined(bench->coordinator, 1, bench->now);
    coordinator_tick(bench->coordinator, bench->now);
    expect(bench, ACTION_DEPLOY);
    assert_int_equal(coordinator_restarts(bench->coordinator), 1);
}

/* A broken connection is told first, the death behind it a little later: one restart. */
static void a_symptom_is_no_second_failure(void **state)
{
    struct bench bench;

    (void)state;
    break_connection(&bench);
    bench.now += 20;
    coordinator_tick(bench.coordinator, bench.now);
    expect_none(&bench);
    coordinator_lost(bench.coordinator, 1, "killed", bench.now);
    join_again(&bench);
    coordinator_close(bench.coordinator);
}

/* However late the death is told, the next attempt does not count on who was not heard since. */
static void a_suspect_must_be_heard(void **state)
{
    struct bench bench;

    (void)state;
    break_connection(&bench);
    bench.now += 300;
    coordinator_heartbeat(bench.coordinator, 0, bench.now);
    coordinator_tick(bench.coordinator, bench.now);
    expect_none(&bench);
    assert_true(coordinator_deadline(bench.coordinator) > bench.now);
    bench.now = coordinator_deadline(bench.coordinator); /* and silence is noticed meanwhile */
    coordinator_heartbeat(bench.coordinator, 0, bench.now);
    coordinator_tick(bench.coordinator, bench.now);
    join_again(&bench);
    coordinator_close(bench.coordinator);
}

/* Where only the connection broke, all go on once they were heard. */
static void a_broken_connection_alone(void **state)
{
    struct bench bench;

    (void)state;
    break_connection(&bench);
    bench.now += 300;
    for (uint32_t worker = 0; worker < 2; worker++)
        coordinator_heartbeat(bench.coordinator, worker, bench.now);
    assert_true(coordinator_deadline(bench.coordinator) <= bench.now);
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_DEPLOY);
    coordinator_close(bench.coordinator);
}

static void a_silent_worker_is_replaced(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    bench.plan.settings.checkpoint.interval_ms = 0;
    run_up(&bench);
    bench.now += 400;
    coordinator_heartbeat(bench.coordinator, 0, bench.now);
    assert_int_equal(coordinator_deadline(bench.coordinator), 1000 + 501);
    bench.now = 1000 + 501;
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_EXPEL);
    assert_int_equal(bench.action.worker, 1);
    coordinator_close(bench.coordinator);
}

static void gives_up_after_the_last_attempt(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_FIXED_DELAY);
    run_up(&bench);
    for (uint32_t attempt = 2; attempt <= 3; attempt++) {
        tell(&bench, REPORT_FAILED, 1, 0, 0);
        expect(&bench, ACTION_LEAVE);
        bench.now += 10;
        coordinator_tick(bench.coordinator, bench.now);
        expect(&bench, ACTION_DEPLOY);
        assert_int_equal(bench.action.attempt, attempt);
        coordinator_deployed(bench.coordinator, 0, attempt, bench.now);
        coordinator_deployed(bench.coordinator, 1, attempt, bench.now);
        expect(&bench, ACTION_START);
    }
    tell(&bench, REPORT_FAILED, 1, 0, 0);
    expect(&bench, ACTION_FINISH);
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_FAILED);
    coordinator_close(bench.coordinator);
}

static void no_restart_of_a_mistake(void **state)
{
    struct bench bench;
    struct report report = {.kind = REPORT_FAILED, .error = {.code = ERROR_CONFIG}};

    (void)state;
    bench_open(&bench, RESTART_FIXED_DELAY);
    run_up(&bench);
    coordinator_report(bench.coordinator, 0, 1, &report, bench.now);
    expect(&bench, ACTION_FINISH);
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_FAILED);
    coordinator_close(bench.coordinator);
}

static void no_restart_when_told_so(void **state)
{
    struct report report = {.kind = REPORT_FAILED};
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_NONE);
    run_up(&bench);
    error_set(&report.error, ERROR_NETWORK, "worker 1", NULL, "closed");
    coordinator_report(bench.coordinator, 0, 1, &report, bench.now);
    expect(&bench, ACTION_FINISH);
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_FAILED);
    assert_true(coordinator_deadline(bench.coordinator) == INT64_MAX); /* nobody is waited for */
    coordinator_close(bench.coordinator);
}

static void a_slow_checkpoint_names_who_held_it(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    bench.plan.settings.heartbeat.timeout_ms = 100000;
    run_up(&bench);
    bench.now += 100;
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_TRIGGER);
    tell(&bench, REPORT_SNAPSHOT, 0, 0, 1);
    tell(&bench, REPORT_SNAPSHOT, 0, 1, 1);
    tell(&bench, REPORT_SNAPSHOT, 1, 0, 1);
    bench.now += 1001;
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_ABORT);
    assert_string_equal(bench.action.text,
                        "subtask 1 of `out` has not passed its barrier (3 of 4 have)");
    tell(&bench, REPORT_SNAPSHOT, 1, 1, 1); /* too late */
    expect_none(&bench);
    one_checkpoint(&bench, 2);
    coordinator_close(bench.coordinator);
}

static void a_failed_manifest_is_no_checkpoint(void **state)
{
    struct error err = {.code = ERROR_IO, .what = "disk full"};
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    run_up(&bench);
    for (uint64_t checkpoint = 1; checkpoint <= 3; checkpoint++) {
        bench.now += 100;
        coordinator_tick(bench.coordinator, bench.now);
        expect(&bench, ACTION_TRIGGER);
        snapshots(&bench, checkpoint);
        expect(&bench, ACTION_MANIFEST);
        coordinator_manifest(bench.coordinator, checkpoint, false, &err, bench.now);
        expect(&bench, ACTION_ABORT);
    }
    expect(&bench, ACTION_LEAVE); /* three in a row */
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_BACKOFF);
    bench.now += 10;
    coordinator_tick(bench.coordinator, bench.now);
    expect(&bench, ACTION_DEPLOY);
    assert_int_equal(bench.action.checkpoint, 0);
    coordinator_close(bench.coordinator);
}

static void stop_takes_a_last_checkpoint(void **state)
{
    struct coordinator_figures figures;
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    run_up(&bench);
    coordinator_stop(bench.coordinator, bench.now);
    expect(&bench, ACTION_TRIGGER);
    assert_int_equal(bench.action.final, BARRIER_STOPS);
    snapshots(&bench, 1);
    expect(&bench, ACTION_MANIFEST);
    assert_int_equal(bench.action.final, BARRIER_STOPS);
    coordinator_manifest(bench.coordinator, 1, true, NULL, bench.now);
    expect(&bench, ACTION_COMPLETE);
    tell(&bench, REPORT_COMMITTED, 1, 0, 1);
    tell(&bench, REPORT_COMMITTED, 1, 1, 1);
    expect(&bench, ACTION_FINISH);
    coordinator_figures(bench.coordinator, &figures);
    assert_true(figures.stopped);
    coordinator_close(bench.coordinator);
}

static void stopping_twice_does_not_wait(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_EXPONENTIAL_DELAY);
    run_up(&bench);
    coordinator_stop(bench.coordinator, bench.now);
    expect(&bench, ACTION_TRIGGER);
    coordinator_stop(bench.coordinator, bench.now);
    expect(&bench, ACTION_FINISH);
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_FAILED);
    coordinator_close(bench.coordinator);
}

static void a_process_that_never_joins_counts(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RESTART_FIXED_DELAY);
    expect(&bench, ACTION_SPAWN);
    expect(&bench, ACTION_SPAWN);
    for (int i = 0; i < 2; i++) {
        coordinator_lost(bench.coordinator, 0, "exit status 127", bench.now);
        expect(&bench, ACTION_EXPEL);
        expect(&bench, ACTION_SPAWN);
    }
    coordinator_lost(bench.coordinator, 0, "exit status 127", bench.now);
    expect(&bench, ACTION_EXPEL);
    expect(&bench, ACTION_FINISH);
    assert_int_equal(coordinator_state(bench.coordinator), COORDINATOR_FAILED);
    coordinator_close(bench.coordinator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_with_a_final_checkpoint),
        cmocka_unit_test(manifest_is_asked_for_once_all_have_reported),
        cmocka_unit_test(a_lost_worker_starts_a_new_attempt),
        cmocka_unit_test(a_symptom_is_no_second_failure),
        cmocka_unit_test(a_suspect_must_be_heard),
        cmocka_unit_test(a_broken_connection_alone),
        cmocka_unit_test(a_silent_worker_is_replaced),
        cmocka_unit_test(gives_up_after_the_last_attempt),
        cmocka_unit_test(no_restart_of_a_mistake),
        cmocka_unit_test(no_restart_when_told_so),
        cmocka_unit_test(a_slow_checkpoint_names_who_held_it),
        cmocka_unit_test(a_failed_manifest_is_no_checkpoint),
        cmocka_unit_test(stop_takes_a_last_checkpoint),
        cmocka_unit_test(stopping_twice_does_not_wait),
        cmocka_unit_test(a_process_that_never_joins_counts),
    };

    return cmocka_run_group_tests_name("coordinator", tests, NULL, NULL);
}
