/* The coordinator's process; see driver.h. One loop thread does all of it. */
#include "runtime/control/driver.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/control/checkpoints.h"
#include "runtime/control/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROGRESS_MS 500        /* on a terminal */
#define PROGRESS_PLAIN_MS 5000 /* elsewhere */
#define GOODBYE_MS 3000        /* wait for the workers' last figures */

struct child {            /* a spawned process */
    uv_process_t process; /* first */
    struct driver *driver;
    uint32_t seat;
    bool exited;
    struct child *next;
};

struct driver_seat {
    struct connection *connection; /* NULL: not joined */
    struct child *child;           /* the process meant for this seat now */
    struct exchange_peer address;
    bool goodbye;
};

struct driver {
    struct driver_config config;
    uv_loop_t loop;
    uv_tcp_t listener;
    uint16_t port;
    uv_timer_t tick, progress_timer;
    uv_signal_t interrupt, terminate;
    struct checkpoints *checkpoints;
    struct coordinator *coordinator;
    struct driver_seat *seats;
    struct child *children;
    struct worker_figures *figures; /* by seat */
    struct worker_figures *formers; /* of replaced processes */
    uint32_t former_count;
    struct bytes splits;
    uint64_t sent_before;
    int64_t began_ms, finish_ms;
    bool finishing, acting;
    struct progress progress;
    bool line_open; /* a progress line stands on the terminal */
};

static int64_t now_ms(const struct driver *driver)
{
    return (int64_t)uv_now(&driver->loop);
}

static void act(struct driver *driver);

/* ---- sending ---- */
static void send_to(struct driver *driver, uint32_t seat, struct message *message)
{
    struct bytes frame = {0};

    if (!driver->seats[seat].connection)
        return;
    message->epoch = checkpoints_epoch(driver->checkpoints);
    message_encode(message, &frame);
    connection_send(driver->seats[seat].connection, &frame);
}

static void send_all(struct driver *driver, enum message_kind kind, const struct action *action)
{
    struct message message = {
        .kind = kind,
        .attempt = action->attempt,
        .checkpoint = action->checkpoint,
        .final = action->final,
    };

    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        send_to(driver, seat, &message);
}

/* ---- children ---- */
static void on_child_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void on_child_exit(uv_process_t *process, int64_t status, int signal_number)
{
    struct child *child = (struct child *)process;
    struct driver *driver = child->driver;
    char why[64];

    child->exited = true;
    /* The connection tells first, and not why. */
    if (signal_number != 0 && !driver->finishing)
        log_line(LOG_WARN, "a worker was ended by a signal",
                 "worker=%u pid=%d signal=%d name=\"%s\"", child->seat, (int)process->pid,
                 signal_number, strsignal(signal_number));
    if (driver->seats[child->seat].child != child || driver->finishing)
        return;
    driver->seats[child->seat].child = NULL;
    if (signal_number != 0)
        (void)snprintf(why, sizeof(why), "ended by signal %d", signal_number);
    else
        (void)snprintf(why, sizeof(why), "exit status %d", (int)status);
    coordinator_lost(driver->coordinator, child->seat, why, now_ms(driver));
    act(driver);
}

static void spawn(struct driver *driver, uint32_t seat)
{
    struct child *child = memory_new(sizeof(*child));
    char coordinator[64], number[16], epoch[32];
    char *args[] = {(char *)(uintptr_t)driver->config.program,
                    "worker",
                    "--coordinator",
                    coordinator,
                    "--seat",
                    number,
                    "--epoch",
                    epoch,
                    NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 1},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = driver->config.program,
        .args = args,
        .stdio = stdio,
        .stdio_count = 3,
    };
    int status;

    (void)snprintf(coordinator, sizeof(coordinator), "127.0.0.1:%u", driver->port);
    (void)snprintf(number, sizeof(number), "%u", seat);
    (void)snprintf(epoch, sizeof(epoch), "%u", checkpoints_epoch(driver->checkpoints));
    child->driver = driver;
    child->seat = seat;
    child->next = driver->children;
    driver->children = child;
    driver->seats[seat].child = child;
    status = uv_spawn(&driver->loop, &child->process, &options);
    child->process.data = child;
    if (status == 0)
        return;
    child->exited = true;
    driver->seats[seat].child = NULL;
    coordinator_lost(driver->coordinator, seat, uv_strerror(status), now_ms(driver));
}

/* ---- a worker leaves its seat ---- */
static void former_keep(struct driver *driver, uint32_t seat)
{
    if (driver->figures[seat].pid == 0)
        return;
    driver->formers =
        memory_grow(driver->formers, driver->former_count + 1, sizeof(*driver->formers));
    driver->formers[driver->former_count++] = driver->figures[seat];
    driver->figures[seat] = (struct worker_figures){.worker = seat};
}

static void expel(struct driver *driver, uint32_t seat)
{
    struct driver_seat *place = &driver->seats[seat];

    if (place->connection) {
        driver->sent_before += connection_sent(place->connection);
        connection_close(place->connection);
    }
    /* A hung process is left alone: it is fenced, and ends itself when it wakes. */
    place->connection = NULL;
    place->child = NULL;
    former_keep(driver, seat);
}

/* ---- actions ---- */
static bool is_fenced(const struct error *err)
{
    return err && err->code == ERROR_FENCED;
}

static void on_found(void *owner, uint32_t attempt, const char *manifest_path,
                     const struct error *err)
{
    struct driver *driver = owner;
    const struct plan_request *request = driver->config.request;
    struct report failed = {.kind = REPORT_FAILED};
    struct exchange_peer *peers;

    if (is_fenced(err)) {
        coordinator_fenced(driver->coordinator, err);
        act(driver);
        return;
    }
    if (attempt != coordinator_attempt(driver->coordinator))
        return; /* that attempt failed meanwhile; another look-up is for its successor */
    peers = memory_array(driver->config.workers, sizeof(*peers));
    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        peers[seat] = driver->seats[seat].address;
    if (err) {
        failed.error = *err;
        coordinator_report(driver->coordinator, 0, attempt, &failed, now_ms(driver));
    }
    for (uint32_t seat = 0; seat < driver->config.workers && !err; seat++) {
        struct message message = {
            .kind = MESSAGE_DEPLOY,
            .attempt = attempt,
            .deploy =
                {
                    .path = (char *)(uintptr_t)request->path,
                    .text = (char *)(uintptr_t)request->text,
                    .override_count = request->override_count,
                    .overrides = (char **)(uintptr_t)request->overrides,
                    .parallelism = request->parallelism,
                    .splits = driver->splits,
                    .work_dir = (char *)(uintptr_t)checkpoints_work_dir(driver->checkpoints),
                    .spill_dir = (char *)(uintptr_t)checkpoints_spill_dir(driver->checkpoints),
                    .manifest = (char *)(uintptr_t)manifest_path,
                    .worker = seat,
                    .workers = driver->config.workers,
                    .peers = peers,
                },
        };

        send_to(driver, seat, &message);
    }
    memory_free(peers);
    act(driver);
}

static void on_manifest(void *owner, uint64_t checkpoint, const struct error *err)
{
    struct driver *driver = owner;

    if (is_fenced(err))
        coordinator_fenced(driver->coordinator, err);
    else if (err)
        log_line(LOG_WARN, "a manifest could not be written", "checkpoint=%" PRIu64 " why=\"%s\"",
                 checkpoint, err->what);
    coordinator_manifest(driver->coordinator, checkpoint, !err, err, now_ms(driver));
    act(driver);
}

static void write_manifest(struct driver *driver, const struct action *action)
{
    uint32_t count;
    const struct subtask_snapshot *snapshots = coordinator_snapshots(driver->coordinator, &count);

    checkpoints_write(driver->checkpoints, action->checkpoint, action->attempt,
                      action->final == BARRIER_ENDS, snapshots, count, on_manifest, driver);
}

static void log_restart(struct driver *driver)
{
    const struct error *failure = coordinator_failure(driver->coordinator);
    char text[ERROR_TEXT_MAX];

    log_line(LOG_WARN, "the job starts again from its last checkpoint", "restart=%u why=\"%s\"",
             coordinator_restarts(driver->coordinator),
             failure ? error_text(failure, text, sizeof(text)) : "");
}

static void begin_finish(struct driver *driver, const struct action *action)
{
    driver->finishing = true;
    driver->finish_ms = now_ms(driver);
    send_all(driver, MESSAGE_FINISH, action);
}

static void act_one(struct driver *driver, const struct action *action)
{
    switch (action->kind) {
    case ACTION_SPAWN:
        spawn(driver, action->worker);
        break;
    case ACTION_EXPEL:
        expel(driver, action->worker);
        break;
    case ACTION_DEPLOY:
        if (action->attempt > 1)
            log_restart(driver);
        checkpoints_find(driver->checkpoints, action->attempt, on_found, driver);
        break;
    case ACTION_START:
        send_all(driver, MESSAGE_START, action);
        break;
    case ACTION_LEAVE:
        send_all(driver, MESSAGE_LEAVE, action);
        break;
    case ACTION_TRIGGER:
        send_all(driver, MESSAGE_TRIGGER, action);
        break;
    case ACTION_MANIFEST:
        write_manifest(driver, action);
        break;
    case ACTION_COMPLETE:
        send_all(driver, MESSAGE_COMPLETE, action);
        break;
    case ACTION_ABORT:
        log_line(LOG_WARN, "checkpoint given up", "checkpoint=%" PRIu64 " why=\"%s\"",
                 action->checkpoint, action->text);
        send_all(driver, MESSAGE_ABORT, action);
        break;
    case ACTION_FINISH:
        begin_finish(driver, action);
        break;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct driver *driver = timer->data;

    if (!driver->finishing)
        coordinator_tick(driver->coordinator, now_ms(driver));
    act(driver);
}

static bool all_gone(const struct driver *driver)
{
    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        if (driver->seats[seat].connection && !driver->seats[seat].goodbye)
            return false;
    return true;
}

/* Carries out what the state machine asked for, then sets the timer to its next deadline. */
static void act(struct driver *driver)
{
    struct action action;
    int64_t wait;

    if (driver->acting)
        return;
    driver->acting = true;
    while (coordinator_action(driver->coordinator, &action))
        act_one(driver, &action);
    driver->acting = false;
    if (driver->finishing) {
        wait = driver->finish_ms + GOODBYE_MS - now_ms(driver);
        if (all_gone(driver) || wait <= 0) {
            uv_stop(&driver->loop);
            return;
        }
    } else {
        wait = coordinator_deadline(driver->coordinator);
        wait = wait == INT64_MAX ? 1000 : wait - now_ms(driver);
    }
    uv_timer_start(&driver->tick, on_tick, wait > 0 ? (uint64_t)wait : 0, 0);
}

/* ---- the workers' messages ---- */
static uint32_t seat_of(const struct driver *driver, const struct connection *connection)
{
    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        if (driver->seats[seat].connection == connection)
            return seat;
    return UINT32_MAX;
}

static bool join(struct driver *driver, struct connection *connection,
                 const struct message *message, struct error *err)
{
    struct driver_seat *seat = &driver->seats[message->worker % driver->config.workers];

    if (message->kind != MESSAGE_HELLO || message->worker >= driver->config.workers ||
        seat->connection || !seat->child || seat->child->process.pid != message->pid)
        return error_set(err, ERROR_FENCED, "coordinator", NULL, "a worker without a seat");
    seat->connection = connection;
    seat->address = message->address;
    driver->figures[message->worker].worker = message->worker;
    driver->figures[message->worker].pid = message->pid;
    log_line(LOG_INFO, "worker joined", "worker=%u pid=%" PRId64, message->worker, message->pid);
    coordinator_joined(driver->coordinator, message->worker, now_ms(driver));
    return true;
}

static void take_figures(struct driver *driver, uint32_t seat, struct message *message)
{
    struct worker_figures former = driver->figures[seat];

    /* An attempt that is being set up has none yet: keep the last. */
    if (message->figures.subtask_count == 0 && former.subtask_count > 0) {
        message->figures.subtask_count = former.subtask_count;
        memory_free(message->figures.subtasks);
        message->figures.subtasks = former.subtasks;
        former.subtasks = NULL;
    }
    driver->figures[seat] = message->figures;
    message->figures = (struct worker_figures){0};
    memory_free(former.subtasks);
}

static void hear(struct driver *driver, uint32_t seat, struct message *message)
{
    int64_t now = now_ms(driver);

    switch (message->kind) {
    case MESSAGE_DEPLOYED:
        coordinator_deployed(driver->coordinator, seat, message->attempt, now);
        break;
    case MESSAGE_REPORT:
        coordinator_report(driver->coordinator, seat, message->attempt, &message->report, now);
        break;
    case MESSAGE_HEARTBEAT:
        take_figures(driver, seat, message);
        coordinator_heartbeat(driver->coordinator, seat, now);
        break;
    case MESSAGE_GOODBYE:
        take_figures(driver, seat, message);
        driver->seats[seat].goodbye = true;
        break;
    case MESSAGE_HELLO:
    case MESSAGE_DEPLOY:
    case MESSAGE_START:
    case MESSAGE_LEAVE:
    case MESSAGE_TRIGGER:
    case MESSAGE_COMPLETE:
    case MESSAGE_ABORT:
    case MESSAGE_FINISH:
    case MESSAGE_KIND_COUNT:
        break;
    }
}

static bool on_frame(struct connection *connection, const uint8_t *data, size_t size,
                     struct error *err)
{
    struct driver *driver = connection_owner(connection);
    uint32_t seat = seat_of(driver, connection);
    struct message message = {0};
    bool good = message_decode(data, size, &message, err);

    if (good && message.epoch != checkpoints_epoch(driver->checkpoints))
        good = error_set(err, ERROR_FENCED, "coordinator", NULL, "a worker of another epoch");
    if (good && seat == UINT32_MAX)
        good = join(driver, connection, &message, err);
    else if (good)
        hear(driver, seat, &message);
    message_clear(&message);
    act(driver);
    return good;
}

static void on_closed(struct connection *connection, const struct error *why)
{
    struct driver *driver = connection_owner(connection);
    uint32_t seat = seat_of(driver, connection);

    if (seat == UINT32_MAX)
        return;
    driver->sent_before += connection_sent(connection);
    driver->seats[seat].connection = NULL;
    if (!driver->finishing)
        coordinator_lost(driver->coordinator, seat, why->what, now_ms(driver));
    act(driver);
}

static const struct connection_events driver_events = {on_frame, NULL, on_closed};

static void on_connection(uv_stream_t *listener, int status)
{
    struct error err = {0};

    if (status == 0 && !connection_accept(listener, &driver_events, listener->data, &err))
        log_line(LOG_WARN, "cannot accept a worker", "why=\"%s\"", err.what);
}

/* ---- people ---- */
static void driver_view(const struct driver *driver, struct driver_view *view)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    *view = (struct driver_view){
        .plan = driver->config.plan,
        .workers = driver->config.workers,
        .figures = driver->figures,
        .restarts = coordinator_restarts(driver->coordinator),
        .state = coordinator_state(driver->coordinator),
        .run_ms = now_ms(driver) - driver->began_ms,
        .failure = coordinator_failure(driver->coordinator),
        .job_dir = checkpoints_job_dir(driver->checkpoints),
        .cpu_ns = clock_process_cpu_ns(),
        .rss_max_bytes = (int64_t)usage.ru_maxrss * 1024,
        .bytes_sent = driver->sent_before,
        .former_count = driver->former_count,
        .formers = driver->formers,
    };
    coordinator_figures(driver->coordinator, &view->checkpoints);
    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        if (driver->seats[seat].connection)
            view->bytes_sent += connection_sent(driver->seats[seat].connection);
}

static void on_progress(uv_timer_t *timer)
{
    struct driver *driver = timer->data;
    bool terminal = isatty(STDERR_FILENO);
    struct driver_view view;
    struct bytes text = {0};

    driver_view(driver, &view);
    progress_text(&view, &driver->progress, &text);
    (void)fprintf(stderr, terminal ? "\r\033[K%.*s" : "%.*s\n", (int)text.size,
                  (const char *)text.data);
    (void)fflush(stderr);
    driver->line_open = terminal;
    bytes_clear(&text);
}

static void on_signal(uv_signal_t *signal_handle, int number)
{
    struct driver *driver = signal_handle->data;

    (void)number;
    log_line(LOG_INFO, "stopping after a last checkpoint; once more stops at once", "job=%s",
             driver->config.plan->settings.job.name);
    coordinator_stop(driver->coordinator, now_ms(driver));
    act(driver);
}

/* A newer run has taken over; the folder, and a summary's path that both may have, are its. */
static bool fenced(const struct driver *driver)
{
    return coordinator_state(driver->coordinator) == COORDINATOR_FAILED &&
           is_fenced(coordinator_failure(driver->coordinator));
}

/* As a shell reads it. */
static void say_word(const char *word)
{
    if (word[0] && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789%+,-./:=@_")]) {
        (void)fprintf(stderr, " %s", word);
        return;
    }
    (void)fprintf(stderr, " '");
    for (; *word; word++)
        if (*word == '\'')
            (void)fprintf(stderr, "'\\''");
        else
            (void)fputc(*word, stderr);
    (void)fprintf(stderr, "'");
}

/* The line that goes on from a checkpoint, with what was given over the job file. */
static void say_resume(const struct driver *driver, const char *path)
{
    const struct plan_request *request = driver->config.request;

    (void)fprintf(stderr, "%s run", program_invocation_name);
    say_word(request->path);
    (void)fprintf(stderr, " -s");
    say_word(path);
    for (uint32_t i = 0; i < request->override_count; i++) {
        (void)fprintf(stderr, " -D");
        say_word(request->overrides[i]);
    }
    (void)fprintf(stderr, "\n");
}

static void say_earlier(const struct driver *driver)
{
    char path[PATH_SIZE_MAX];
    uint32_t count = checkpoints_earlier(driver->checkpoints, path, sizeof(path));

    if (count == 0)
        return;
    (void)fprintf(stderr,
                  "millrace: %s has %u checkpoint%s of earlier runs; this run begins from "
                  "nothing and leaves them there; to resume the newest: ",
                  checkpoints_job_dir(driver->checkpoints), count, count == 1 ? "" : "s");
    say_resume(driver, path);
}

static bool say_unread(const struct driver_view *view)
{
    struct bytes text = {0};
    bool lost = unread_text(view, &text);

    (void)fprintf(stderr, "%.*s", (int)text.size, (const char *)text.data);
    bytes_clear(&text);
    return lost;
}

static void say_done(const struct driver_view *view)
{
    struct bytes text = {0};

    done_text(view, &text);
    (void)fprintf(stderr, "%.*s\n", (int)text.size, (const char *)text.data);
    bytes_clear(&text);
}

static void say_end(const struct driver *driver)
{
    const struct error *failure = coordinator_failure(driver->coordinator);
    struct coordinator_figures figures;
    char text[ERROR_TEXT_MAX];

    coordinator_figures(driver->coordinator, &figures);
    if (driver->line_open)
        (void)fputc('\n', stderr);
    if (fenced(driver)) {
        (void)fprintf(stderr, "millrace: this run ends: %s\n",
                      error_text(failure, text, sizeof(text)));
        return; /* to resume it is for its successor */
    }
    if (coordinator_state(driver->coordinator) == COORDINATOR_FAILED && failure)
        (void)fprintf(stderr, "millrace: the job has failed: %s\n",
                      error_text(failure, text, sizeof(text)));
    else if (!figures.stopped)
        return;
    if (figures.last_checkpoint == 0)
        return;
    (void)fprintf(stderr, "resume with: ");
    say_resume(driver, checkpoints_job_dir(driver->checkpoints));
}

/* ---- life ---- */
static bool driver_open(struct driver *driver, struct error *err)
{
    struct driver_config *config = &driver->config;

    uv_loop_init(&driver->loop);
    driver->began_ms = now_ms(driver);
    driver->seats = memory_array(config->workers, sizeof(*driver->seats));
    driver->figures = memory_array(config->workers, sizeof(*driver->figures));
    driver->checkpoints = checkpoints_open(&driver->loop, config->plan, config->restore_path,
                                           config->allow_missing, err);
    if (!driver->checkpoints)
        return false;
    if (!connection_listen(&driver->loop, &driver->listener, "127.0.0.1", &driver->port,
                           on_connection, err))
        return false;
    driver->listener.data = driver;
    plan_splits_encode(config->plan, &driver->splits);
    uv_timer_init(&driver->loop, &driver->tick);
    uv_timer_init(&driver->loop, &driver->progress_timer);
    uv_signal_init(&driver->loop, &driver->interrupt);
    uv_signal_init(&driver->loop, &driver->terminate);
    driver->tick.data = driver->progress_timer.data = driver;
    driver->interrupt.data = driver->terminate.data = driver;
    uv_signal_start(&driver->interrupt, on_signal, SIGINT);
    uv_signal_start(&driver->terminate, on_signal, SIGTERM);
    if (config->progress) {
        uint64_t interval = isatty(STDERR_FILENO) ? PROGRESS_MS : PROGRESS_PLAIN_MS;

        uv_timer_start(&driver->progress_timer, on_progress, interval, interval);
    }
    driver->coordinator = coordinator_create(
        &(struct coordinator_config){
            .plan = config->plan,
            .workers = config->workers,
            .first_attempt = 1,
            .restore_checkpoint = checkpoints_restored(driver->checkpoints),
            .last_checkpoint = checkpoints_restored(driver->checkpoints),
        },
        driver->began_ms);
    return true;
}

static void driver_close(struct driver *driver)
{
    struct child *next;

    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        connection_close(driver->seats[seat].connection);
    for (struct child *child = driver->children; child; child = next) {
        next = child->next;
        if (!child->exited)
            uv_process_kill(&child->process, SIGKILL);
        uv_close((uv_handle_t *)&child->process, on_child_closed);
    }
    uv_close((uv_handle_t *)&driver->listener, NULL);
    uv_close((uv_handle_t *)&driver->tick, NULL);
    uv_close((uv_handle_t *)&driver->progress_timer, NULL);
    uv_close((uv_handle_t *)&driver->interrupt, NULL);
    uv_close((uv_handle_t *)&driver->terminate, NULL);
    while (uv_run(&driver->loop, UV_RUN_DEFAULT) != 0)
        continue; /* a manifest under way stops it once more */
    uv_loop_close(&driver->loop);
    checkpoints_clean(driver->checkpoints);
    coordinator_close(driver->coordinator);
    checkpoints_close(driver->checkpoints);
    for (uint32_t seat = 0; seat < driver->config.workers; seat++)
        memory_free(driver->figures[seat].subtasks);
    for (uint32_t i = 0; i < driver->former_count; i++)
        memory_free(driver->formers[i].subtasks);
    memory_free(driver->formers);
    memory_free(driver->figures);
    memory_free(driver->seats);
    bytes_clear(&driver->splits);
}

static void close_any(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* After a failed open. */
static void driver_discard(struct driver *driver)
{
    uv_walk(&driver->loop, close_any, NULL);
    uv_run(&driver->loop, UV_RUN_DEFAULT);
    uv_loop_close(&driver->loop);
    checkpoints_close(driver->checkpoints);
    memory_free(driver->seats);
    memory_free(driver->figures);
    bytes_clear(&driver->splits);
}

int driver_run(const struct driver_config *config)
{
    struct driver driver = {.config = *config};
    struct driver_view view;
    struct error err = {0};
    char text[ERROR_TEXT_MAX];
    bool good, mistake, lost;

    if (!driver_open(&driver, &err)) {
        (void)fprintf(stderr, "millrace: %s\n", error_text(&err, text, sizeof(text)));
        driver_discard(&driver);
        return err.code == ERROR_CONFIG || err.code == ERROR_STATE ? 2 : 1;
    }
    say_earlier(&driver);
    act(&driver);
    uv_run(&driver.loop, UV_RUN_DEFAULT); /* until act() stops it */
    good = coordinator_state(driver.coordinator) == COORDINATOR_DONE;
    mistake = !good && coordinator_failure(driver.coordinator) &&
              coordinator_failure(driver.coordinator)->code == ERROR_CONFIG;
    driver_view(&driver, &view);
    say_end(&driver);
    lost = say_unread(&view) && !view.checkpoints.stopped;
    if (good && config->progress && !view.checkpoints.stopped)
        say_done(&view);
    if (config->summary_path && !fenced(&driver) &&
        !summary_write(&view, config->summary_path, &err)) {
        (void)fprintf(stderr, "millrace: %s\n", error_text(&err, text, sizeof(text)));
        good = false;
    }
    driver_close(&driver);
    return good ? (lost ? 2 : 0) : mistake ? 2 : 1;
}
