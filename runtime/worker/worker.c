/* The worker process; see worker.h. Everything here runs on the loop thread but for the two
 * callbacks marked so, which put reports into a list for it. */
#include "runtime/worker/worker.h"

#include "runtime/base/check.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/worker/deployment.h"
#include "runtime/worker/protocol.h"
#include "runtime/worker/slot.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define PACE_INTERVAL_MS 20
#define EXIT_CUT_OFF 3

struct mail { /* from a slot's thread */
    struct mail *next;
    bool opened; /* the slot has opened its subtasks; otherwise a report */
    struct report report;
};

struct worker {
    struct worker_config config;
    uv_loop_t loop;
    uv_tcp_t listener; /* for the data of other workers */
    uint16_t port;
    uv_timer_t heartbeat, pace;
    uv_async_t mail_async;
    struct connection *control;
    struct pool *pool;
    pthread_mutex_t mail_lock;
    struct mail *mail_first, **mail_last;
    /* The present attempt; all NULL or 0 when there is none. */
    uint32_t attempt;
    struct plan *plan;
    struct arena *arena; /* of the deploy message's copies */
    struct loading *loading;
    struct arena *manifest; /* what the attempt was restored from */
    struct exchange *exchange;
    struct deployment *deployment;
    uint32_t slot_count, opened;
    struct slot **slots; /* every workers-th slot of the job, from the seat on */
    uint32_t workers;
    char spill_dir[PATH_SIZE_MAX];
    uint64_t sent_before; /* bytes of former attempts */
};

/* A manifest that is read off the loop: one of many megabytes takes longer than a heartbeat may. */
struct loading {
    uv_work_t work;
    struct worker *worker;
    struct message message; /* the deployment */
    struct arena *arena;
    struct manifest *manifest; /* NULL: `err` says why */
    struct error err;
};

/* ---- sending ---- */
static void worker_send(struct worker *worker, struct message *message)
{
    struct bytes frame = {0};

    message->epoch = worker->config.epoch;
    message->attempt = worker->attempt;
    message_encode(message, &frame);
    if (worker->control)
        connection_send(worker->control, &frame);
    else
        bytes_clear(&frame);
}

static void worker_fail(struct worker *worker, const struct error *err)
{
    struct message message = {.kind = MESSAGE_REPORT};

    message.report.kind = REPORT_FAILED;
    message.report.error = *err;
    worker_send(worker, &message);
}

struct figures_out {
    struct worker_figures *figures;
    uint32_t capacity;
};

static void add_figures(void *context, uint32_t chain, uint32_t subtask,
                        const struct subtask_figures *figures)
{
    struct figures_out *out = context;
    struct worker_figures *all = out->figures;

    if (all->subtask_count == out->capacity) {
        out->capacity = out->capacity * 2 + 16;
        all->subtasks = memory_grow(all->subtasks, out->capacity, sizeof(*all->subtasks));
    }
    all->subtasks[all->subtask_count++] = (struct subtask_entry){chain, subtask, *figures};
}

static void send_figures(struct worker *worker, enum message_kind kind)
{
    struct message message = {.kind = kind};
    struct figures_out out = {&message.figures, 0};
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    message.figures.worker = worker->config.seat;
    message.figures.pid = getpid();
    message.figures.cpu_ns = clock_process_cpu_ns();
    message.figures.rss_max_bytes = (int64_t)usage.ru_maxrss * 1024;
    message.figures.bytes_sent = worker->sent_before +
                                 (worker->exchange ? exchange_sent(worker->exchange) : 0) +
                                 (worker->control ? connection_sent(worker->control) : 0);
    if (worker->deployment && worker->opened == worker->slot_count)
        deployment_figures(worker->deployment, add_figures, &out);
    worker_send(worker, &message);
    message_clear(&message);
}

static void on_heartbeat(uv_timer_t *timer)
{
    send_figures(timer->data, MESSAGE_HEARTBEAT);
}

static void on_pace(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    int64_t time_ms;

    if (!worker->deployment)
        return;
    time_ms = worker->plan->settings.network.channel_time_ms;
    for (uint32_t id = 0; id < deployment_channels(worker->plan, worker->workers); id++) {
        const struct deployment_channel *slot = deployment_channel(worker->deployment, id);

        if (slot->channel)
            channel_pace(slot->channel, PACE_INTERVAL_MS, time_ms);
    }
}

/* ---- mail from slots' threads ---- */
static void mail_put(struct worker *worker, const struct mail *mail)
{
    struct mail *copy = memory_new(sizeof(*copy));

    *copy = *mail;
    copy->next = NULL;
    pthread_mutex_lock(&worker->mail_lock);
    *worker->mail_last = copy;
    worker->mail_last = &copy->next;
    pthread_mutex_unlock(&worker->mail_lock);
    uv_async_send(&worker->mail_async);
}

/* On a slot's thread. */
static void on_report(void *owner, struct report *report)
{
    struct mail mail = {.report = *report};

    mail_put(owner, &mail);
    *report = (struct report){0};
}

/* On a slot's thread. */
static void on_opened(void *owner, uint32_t slot, bool good, const struct error *err)
{
    struct mail mail = {.opened = good};

    (void)slot;
    if (!good) {
        mail.report.kind = REPORT_FAILED;
        mail.report.error = *err;
    }
    mail_put(owner, &mail);
}

static struct mail *mail_take_all(struct worker *worker)
{
    struct mail *first;

    pthread_mutex_lock(&worker->mail_lock);
    first = worker->mail_first;
    worker->mail_first = NULL;
    worker->mail_last = &worker->mail_first;
    pthread_mutex_unlock(&worker->mail_lock);
    return first;
}

static void mail_handle(struct worker *worker, struct mail *mail)
{
    struct message message = {.kind = MESSAGE_REPORT};

    if (mail->opened) {
        worker->opened++;
        message.kind = MESSAGE_DEPLOYED;
        if (worker->opened == worker->slot_count)
            worker_send(worker, &message);
        return;
    }
    message.report = mail->report;
    mail->report = (struct report){0};
    worker_send(worker, &message);
    message_clear(&message);
}

static void on_mail(uv_async_t *async)
{
    struct worker *worker = async->data;
    struct mail *next;

    for (struct mail *mail = mail_take_all(worker); mail; mail = next) {
        next = mail->next;
        mail_handle(worker, mail);
        memory_free(mail);
    }
}

static void mail_drop(struct worker *worker)
{
    struct mail *next;

    for (struct mail *mail = mail_take_all(worker); mail; mail = next) {
        next = mail->next;
        subtask_snapshot_clear(&mail->report.snapshot);
        memory_free(mail);
    }
}

/* ---- attempts ---- */
static void worker_leave(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->slot_count; i++)
        slot_stop(worker->slots[i]);
    if (worker->exchange)
        worker->sent_before += exchange_sent(worker->exchange);
    exchange_close(worker->exchange);
    deployment_close(worker->deployment);
    pool_settle(worker->pool); /* it wakes slots a moment after their work is done */
    for (uint32_t i = 0; i < worker->slot_count; i++)
        slot_close(worker->slots[i]);
    memory_free(worker->slots);
    mail_drop(worker);
    plan_close(worker->plan);
    arena_close(worker->arena);
    arena_close(worker->manifest);
    worker->loading = NULL; /* it frees itself */
    worker->manifest = NULL;
    worker->exchange = NULL;
    worker->deployment = NULL;
    worker->slots = NULL;
    worker->plan = NULL;
    worker->arena = NULL;
    worker->slot_count = worker->opened = 0;
}

static struct waker *deployment_waker(void *owner, uint32_t slot)
{
    struct worker *worker = owner;

    return slot_waker_of(worker->slots[slot / worker->workers]);
}

static void on_exchange_failed(void *owner, uint32_t peer, const struct error *why)
{
    struct error err = *why;

    error_wrap(&err, "data connection to worker %u", peer);
    worker_fail(owner, &err);
}

static struct plan *worker_plan(const struct message_deploy *deploy, struct error *err)
{
    struct plan_request request = {
        .path = deploy->path,
        .text = deploy->text,
        .overrides = (const char *const *)deploy->overrides,
        .override_count = deploy->override_count,
        .parallelism = deploy->parallelism,
        .split_mode = PLAN_SPLITS_GIVEN,
        .splits = deploy->splits.data,
        .splits_size = deploy->splits.size,
    };
    struct error_list errors = {0};
    struct plan *plan = plan_create(&request, &errors);

    if (!plan)
        *err = errors.errors[0];
    error_list_clear(&errors);
    return plan;
}

static void make_slots(struct worker *worker)
{
    uint32_t all = worker->plan->parallelism, seat = worker->config.seat;

    worker->slot_count = all / worker->workers + (seat < all % worker->workers);
    worker->slots = memory_array(worker->slot_count, sizeof(struct slot *));
    for (uint32_t i = 0; i < worker->slot_count; i++)
        worker->slots[i] =
            slot_create(seat + i * worker->workers, &(struct slot_events){on_opened, worker});
}

static struct exchange *make_exchange(struct worker *worker, const struct message_deploy *deploy)
{
    return exchange_create(&(struct exchange_config){
        .loop = &worker->loop,
        .epoch = worker->config.epoch,
        .attempt = worker->attempt,
        .worker = worker->config.seat,
        .workers = worker->workers,
        .peers = deploy->peers,
        .channel_count = deployment_channels(worker->plan, worker->workers),
        .compress = worker->plan->settings.network.compress,
        .on_failed = on_exchange_failed,
        .owner = worker,
    });
}

static struct deployment *make_deployment(struct worker *worker,
                                          const struct message_deploy *deploy,
                                          const struct manifest *manifest)
{
    /* By process: a worker that was given up may still hold its own. */
    (void)snprintf(worker->spill_dir, sizeof(worker->spill_dir), "%s/%d", deploy->spill_dir,
                   (int)getpid());
    return deployment_create(&(struct deployment_config){
        .plan = worker->plan,
        .worker = worker->config.seat,
        .workers = worker->workers,
        .epoch = (uint32_t)worker->config.epoch,
        .attempt = worker->attempt,
        .clock = &clock_monotonic,
        .executor = pool_executor(worker->pool),
        .work_dir = arena_text(worker->arena, deploy->work_dir),
        .spill_dir = worker->spill_dir,
        .restore = manifest,
        .slot_waker = deployment_waker,
        .remote_waker = exchange_waker(worker->exchange),
        .report = on_report,
        .owner = worker,
    });
}

static void join_channels(struct worker *worker)
{
    for (uint32_t id = 0; id < deployment_channels(worker->plan, worker->workers); id++) {
        const struct deployment_channel *slot = deployment_channel(worker->deployment, id);

        if (slot->side == SIDE_OUT)
            exchange_out(worker->exchange, id, slot->peer, slot->channel, slot->schema);
        else if (slot->side == SIDE_IN)
            exchange_in(worker->exchange, id, slot->peer, slot->channel, slot->schema);
    }
}

/* Makes everything of an attempt and starts the slots, which open their subtasks and report. */
static void worker_begin(struct worker *worker, const struct message_deploy *deploy,
                         const struct manifest *manifest)
{
    make_slots(worker);
    worker->exchange = make_exchange(worker, deploy);
    worker->deployment = make_deployment(worker, deploy, manifest);
    join_channels(worker);
    for (uint32_t i = 0; i < worker->slot_count; i++)
        slot_start(worker->slots[i], worker->deployment,
                   (uint64_t)worker->plan->settings.debug.chaos);
    if (worker->slot_count == 0)
        worker_send(worker, &(struct message){.kind = MESSAGE_DEPLOYED});
}

/* On a thread of libuv's. */
static void manifest_load_work(uv_work_t *work)
{
    struct loading *loading = work->data;
    const char *path = loading->message.deploy.manifest;
    struct bytes text = {0};

    if (!file_read(path, MANIFEST_SIZE_MAX, &text, &loading->err)) {
        error_wrap(&loading->err, "manifest");
        return;
    }
    loading->manifest = manifest_decode(text.data, text.size, loading->arena, &loading->err);
    if (!loading->manifest)
        error_wrap(&loading->err, "%s", path);
    bytes_clear(&text);
}

static void on_manifest(uv_work_t *work, int status)
{
    struct loading *loading = work->data;
    struct worker *worker = loading->worker;

    (void)status; /* it is never cancelled */
    if (worker->loading != loading)
        arena_close(loading->arena); /* the attempt is over */
    else {
        worker->loading = NULL;
        worker->manifest = loading->arena;
        if (loading->manifest)
            worker_begin(worker, &loading->message.deploy, loading->manifest);
        else
            worker_fail(worker, &loading->err);
    }
    message_clear(&loading->message);
    memory_free(loading);
}

/* Takes the message over. */
static void worker_load(struct worker *worker, struct message *message)
{
    struct loading *loading = memory_new(sizeof(*loading));

    *loading = (struct loading){.work.data = loading,
                                .worker = worker,
                                .message = *message,
                                .arena = arena_create(1u << 16)};
    *message = (struct message){0};
    worker->loading = loading;
    CHECK(uv_queue_work(&worker->loop, &loading->work, manifest_load_work, on_manifest) == 0);
}

/* From now on it tells that it lives: to open what a large state is restored from takes its time. */
static bool worker_deploy(struct worker *worker, struct message *message, struct error *err)
{
    const struct message_deploy *deploy = &message->deploy;
    uint64_t interval;

    worker->attempt = message->attempt;
    worker->workers = deploy->workers;
    worker->arena = arena_create(1u << 16);
    worker->plan = worker_plan(deploy, err);
    if (!worker->plan)
        return false;
    interval = (uint64_t)worker->plan->settings.heartbeat.interval_ms;
    uv_timer_start(&worker->heartbeat, on_heartbeat, interval, interval);
    if (deploy->manifest[0])
        worker_load(worker, message);
    else
        worker_begin(worker, deploy, NULL);
    return true;
}

/* ---- the coordinator's messages ---- */
static void worker_start(struct worker *worker)
{
    struct error err = {0};

    if (!exchange_start(worker->exchange, &err)) {
        worker_fail(worker, &err);
        return;
    }
    for (uint32_t i = 0; i < worker->slot_count; i++)
        slot_run(worker->slots[i]);
}

static void worker_finish(struct worker *worker)
{
    send_figures(worker, MESSAGE_GOODBYE);
    connection_finish(worker->control);
    worker->control = NULL;
    worker_leave(worker);
    uv_stop(&worker->loop);
}

/* debug.crash-after-checkpoint: the tests' kill at an exact point. */
static void worker_crash_if_told(const struct worker *worker, uint64_t checkpoint)
{
    const struct settings *settings = &worker->plan->settings;

    if (worker->attempt == 1 && worker->config.seat == 0 &&
        settings->debug.crash_after_checkpoint != 0 &&
        (uint64_t)settings->debug.crash_after_checkpoint == checkpoint)
        (void)raise(SIGKILL);
}

static void worker_obey(struct worker *worker, struct message *message)
{
    struct error err = {0};

    if (message->kind == MESSAGE_DEPLOY) {
        worker_leave(worker);
        if (!worker_deploy(worker, message, &err))
            worker_fail(worker, &err);
        return;
    }
    if (message->kind == MESSAGE_FINISH) {
        worker_finish(worker);
        return;
    }
    if (message->attempt != worker->attempt ||
        (!worker->deployment && message->kind != MESSAGE_LEAVE))
        return;
    switch (message->kind) {
    case MESSAGE_START:
        worker_start(worker);
        break;
    case MESSAGE_LEAVE:
        worker_leave(worker);
        break;
    case MESSAGE_TRIGGER:
        deployment_trigger(worker->deployment, message->checkpoint, message->final);
        break;
    case MESSAGE_COMPLETE:
        worker_crash_if_told(worker, message->checkpoint);
        deployment_complete(worker->deployment, message->checkpoint);
        break;
    case MESSAGE_ABORT:
        deployment_abort(worker->deployment, message->checkpoint);
        break;
    case MESSAGE_HELLO:
    case MESSAGE_DEPLOYED:
    case MESSAGE_REPORT:
    case MESSAGE_HEARTBEAT:
    case MESSAGE_GOODBYE:
    case MESSAGE_DEPLOY:
    case MESSAGE_FINISH:
    case MESSAGE_KIND_COUNT:
        break;
    }
}

static bool on_control_frame(struct connection *connection, const uint8_t *data, size_t size,
                             struct error *err)
{
    struct worker *worker = connection_owner(connection);
    struct message message = {0};
    bool good = message_decode(data, size, &message, err);

    if (good && message.epoch != worker->config.epoch)
        good = error_set(err, ERROR_FENCED, "coordinator", NULL,
                         "a message of another coordinator epoch");
    if (good)
        worker_obey(worker, &message);
    message_clear(&message);
    return good;
}

/* Cut off: another may have this seat already. Nothing is flushed or committed any more. */
static void on_control_closed(struct connection *connection, const struct error *why)
{
    struct worker *worker = connection_owner(connection);

    log_line(LOG_WARN, "worker is cut off from the coordinator and leaves", "seat=%u why=\"%s\"",
             worker->config.seat, why->what);
    _exit(EXIT_CUT_OFF);
}

static const struct connection_events control_events = {on_control_frame, NULL, on_control_closed};

/* ---- other workers ---- */
static bool on_peer_frame(struct connection *connection, const uint8_t *data, size_t size,
                          struct error *err)
{
    struct worker *worker = connection_owner(connection);

    if (worker->exchange && exchange_adopt(worker->exchange, connection, data, size))
        return true;
    return error_set(err, ERROR_FENCED, "worker", NULL, "a peer of another attempt");
}

static void on_peer_closed(struct connection *connection, const struct error *why)
{
    (void)connection;
    log_line(LOG_DEBUG, "a stranger's connection was closed", "why=\"%s\"", why->what);
}

static const struct connection_events peer_events = {on_peer_frame, NULL, on_peer_closed};

static void on_peer(uv_stream_t *listener, int status)
{
    struct error err = {0};

    if (status == 0 && !connection_accept(listener, &peer_events, listener->data, &err))
        log_line(LOG_WARN, "cannot accept a peer", "why=\"%s\"", err.what);
}

/* ---- life ---- */
static bool worker_open(struct worker *worker, struct error *err)
{
    struct message hello = {.kind = MESSAGE_HELLO, .worker = worker->config.seat, .pid = getpid()};

    worker->mail_last = &worker->mail_first;
    pthread_mutex_init(&worker->mail_lock, NULL);
    uv_loop_init(&worker->loop);
    uv_async_init(&worker->loop, &worker->mail_async, on_mail);
    uv_timer_init(&worker->loop, &worker->heartbeat);
    uv_timer_init(&worker->loop, &worker->pace);
    worker->mail_async.data = worker->heartbeat.data = worker->pace.data = worker;
    worker->pool = pool_create(WORKER_POOL_THREADS);
    if (!connection_listen(&worker->loop, &worker->listener, "127.0.0.1", &worker->port, on_peer,
                           err))
        return false;
    worker->listener.data = worker;
    worker->control = connection_open(&worker->loop, worker->config.host, worker->config.port,
                                      &control_events, worker, err);
    if (!worker->control)
        return false;
    (void)snprintf(hello.address.host, sizeof(hello.address.host), "127.0.0.1");
    hello.address.port = worker->port;
    worker_send(worker, &hello);
    uv_timer_start(&worker->pace, on_pace, PACE_INTERVAL_MS, PACE_INTERVAL_MS);
    return true;
}

int worker_run(const struct worker_config *config)
{
    struct worker worker = {.config = *config};
    struct error err = {0};
    char text[ERROR_TEXT_MAX];

    if (!worker_open(&worker, &err)) {
        log_line(LOG_ERROR, "worker cannot start", "why=\"%s\"",
                 error_text(&err, text, sizeof(text)));
        return 1;
    }
    uv_run(&worker.loop, UV_RUN_DEFAULT); /* until worker_finish stops it */
    uv_close((uv_handle_t *)&worker.listener, NULL);
    uv_close((uv_handle_t *)&worker.mail_async, NULL);
    uv_close((uv_handle_t *)&worker.heartbeat, NULL);
    uv_close((uv_handle_t *)&worker.pace, NULL);
    uv_run(&worker.loop, UV_RUN_DEFAULT); /* writes the goodbye, frees the handles */
    pool_close(worker.pool);
    uv_loop_close(&worker.loop);
    pthread_mutex_destroy(&worker.mail_lock);
    return 0;
}
