/* protocol: every kind of message there and back, cut and damaged ones refused. */
#include "runtime/base/random.h"
#include "runtime/worker/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_HEAD 4

static void fill_deploy(struct message *message)
{
    struct message_deploy *deploy = &message->deploy;

    deploy->path = memory_text("job.yaml");
    deploy->text = memory_text("job: {name: x}\n");
    deploy->override_count = 2;
    deploy->overrides = memory_array(2, sizeof(char *));
    deploy->overrides[0] = memory_text("out.path=a");
    deploy->overrides[1] = memory_text("");
    deploy->parallelism = 4;
    bytes_put(&deploy->splits, "\x01\x00\x02", 3);
    deploy->work_dir = memory_text("/work");
    deploy->spill_dir = memory_text("/spill");
    deploy->manifest = memory_text("");
    deploy->worker = 1;
    deploy->workers = 2;
    deploy->peers = memory_array(2, sizeof(*deploy->peers));
    (void)snprintf(deploy->peers[1].host, sizeof(deploy->peers[1].host), "127.0.0.1");
    deploy->peers[1].port = 4711;
}

static void fill_report(struct message *message)
{
    struct report *report = &message->report;

    report->kind = REPORT_SNAPSHOT;
    report->chain = 3;
    report->subtask = 2;
    report->checkpoint = 9;
    report->snapshot.file_count = 1;
    report->snapshot.files = memory_array(1, sizeof(*report->snapshot.files));
    (void)snprintf(report->snapshot.files[0].name, sizeof(report->snapshot.files[0].name), "f.sst");
    report->snapshot.files[0].size = 1234;
    report->snapshot.files[0].checksum = UINT64_MAX;
    report->snapshot.files[0].base = true;
    bytes_put(&report->snapshot.meta, "\x00meta", 5);
    error_set(&report->error, ERROR_IO, "here", "mend it", "what %d", 5);
}

static void fill_figures(struct message *message)
{
    struct worker_figures *figures = &message->figures;

    figures->worker = 1;
    figures->pid = 77;
    figures->cpu_ns = 123456789;
    figures->rss_max_bytes = 1 << 20;
    figures->bytes_sent = 42;
    figures->subtask_count = 1;
    figures->subtasks = memory_array(1, sizeof(*figures->subtasks));
    figures->subtasks[0].chain = 2;
    figures->subtasks[0].figures.watermark_ms = INT64_MIN;
    figures->subtasks[0].figures.store.spilled_bytes = 99;
    figures->subtasks[0].figures.rejected_origin = 44;
    (void)strcpy(figures->subtasks[0].figures.rejected, "in at byte 44: user: is none");
    figures->subtasks[0].figures.op_count = 1;
    figures->subtasks[0].figures.ops[0].op = 5;
    figures->subtasks[0].figures.ops[0].rows_in[1] = 17;
    figures->subtasks[0].figures.ops[0].counters[7] = 18;
}

static void fill(struct message *message, enum message_kind kind)
{
    *message = (struct message){.kind = kind, .epoch = 6, .attempt = 3};
    message->checkpoint = kind >= MESSAGE_TRIGGER && kind <= MESSAGE_ABORT ? 8 : 0;
    message->final = kind == MESSAGE_TRIGGER ? BARRIER_ENDS : BARRIER_PASSES;
    if (kind == MESSAGE_HELLO) {
        message->worker = 2;
        message->pid = 4321;
        message->address.port = 99;
    }
    if (kind == MESSAGE_DEPLOY)
        fill_deploy(message);
    if (kind == MESSAGE_REPORT)
        fill_report(message);
    if (kind == MESSAGE_HEARTBEAT || kind == MESSAGE_GOODBYE)
        fill_figures(message);
}

/* Encoding what was decoded gives the same bytes: nothing was lost on the way. */
static void there_and_back(void **state)
{
    (void)state;
    for (enum message_kind kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        struct message message, again = {0};
        struct bytes first = {0}, second = {0};

        fill(&message, kind);
        message_encode(&message, &first);
        assert_true(message_decode(first.data + FRAME_HEAD, first.size - FRAME_HEAD, &again, NULL));
        assert_int_equal(again.kind, kind);
        assert_int_equal(again.epoch, 6);
        assert_int_equal(again.attempt, 3);
        message_encode(&again, &second);
        assert_int_equal(first.size, second.size);
        assert_memory_equal(first.data, second.data, first.size);
        message_clear(&message);
        message_clear(&again);
        bytes_clear(&first);
        bytes_clear(&second);
    }
}

static void cut_or_damaged(void **state)
{
    struct random random = {1};

    (void)state;
    for (enum message_kind kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        struct message message, again = {0};
        struct bytes frame = {0};

        fill(&message, kind);
        message_encode(&message, &frame);
        for (size_t size = FRAME_HEAD; size < frame.size; size++) {
            assert_false(message_decode(frame.data + FRAME_HEAD, size - FRAME_HEAD, &again, NULL));
            message_clear(&again);
        }
        for (int i = 0; i < 2000; i++) { /* the sanitizer watches */
            size_t at = FRAME_HEAD + random_below(&random, frame.size - FRAME_HEAD);
            uint8_t before = frame.data[at];

            frame.data[at] = (uint8_t)random_next(&random);
            (void)message_decode(frame.data + FRAME_HEAD, frame.size - FRAME_HEAD, &again, NULL);
            message_clear(&again);
            frame.data[at] = before;
        }
        message_clear(&message);
        bytes_clear(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(cut_or_damaged),
    };

    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
