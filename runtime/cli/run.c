/* `millrace run` and the worker processes that it spawns; see run.h. */
#include "runtime/cli/run.h"

#include "runtime/base/log.h"
#include "runtime/cli/args.h"
#include "runtime/cli/job_text.h"
#include "runtime/cli/report.h"
#include "runtime/control/driver.h"
#include "runtime/worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERRIDES_MAX 1024u

enum {
    RUN_PARALLELISM,
    RUN_WORKERS,
    RUN_OVERRIDE,
    RUN_RESTORE,
    RUN_MISSING,
    RUN_SUMMARY,
    RUN_REPORT,
    RUN_QUIET,
    RUN_HELP,
};

static const struct flag run_flags[] = {
    [RUN_PARALLELISM] = {"parallelism", 'p', "N", "subtasks of each operator (else the job's)"},
    [RUN_WORKERS] = {"workers", 0, "W", "worker processes that share them (1)"},
    [RUN_OVERRIDE] = {"define", 'D', "NAME=VALUE",
                      "OPERATOR.FIELD=value or section.setting=value, over the job file"},
    [RUN_RESTORE] = {"fromSavepoint", 's', "PATH",
                     "start from a checkpoint folder, its manifest, or a job's folder (newest)"},
    [RUN_MISSING] = {"allowNonRestoredState", 'n', NULL,
                     "drop the state of operators that the job no longer has"},
    [RUN_SUMMARY] = {"summary", 0, "FILE", "write the run's figures as JSON"},
    [RUN_REPORT] = {"report", 0, "FILE.html",
                    "write a page with the plots and tables of the job's sink/report operators"},
    [RUN_QUIET] = {"quiet", 'q', NULL, "no progress, only warnings"},
    [RUN_HELP] = {"help", 'h', NULL, "this text"},
    {0},
};

struct run_args {
    const char *job;
    const char *overrides[OVERRIDES_MAX];
    uint32_t override_count, parallelism, workers;
    const char *restore, *summary, *report;
    bool allow_missing, quiet, help;
};

static void run_help(void)
{
    (void)printf(
        "usage: millrace run JOB.yaml [flags]\n"
        "\n"
        "Runs a job in the foreground: a coordinator and its worker processes, over sockets on\n"
        "this machine, as on a cluster. Ends when a bounded source is drained. Ctrl-C takes a\n"
        "last checkpoint and prints the line that resumes the job.\n"
        "\n");
    args_help(run_flags);
    (void)printf(
        "\n"
        "Exit status: 0 ended, 1 failed, 2 the command line, job file, checkpoint, or a file or\n"
        "directory that they name is wrong: mend it first; or all records of a source were\n"
        "rejected, and no operator reads these.\n"
        "\n"
        "examples:\n"
        "  millrace info jobs/video.yaml                      what would run\n"
        "  millrace run jobs/video.yaml -p 4 --workers 2 -D events.path=ratings.tsv\n"
        "  millrace run jobs/video.yaml -s checkpoints/video -D events.path=ratings.tsv\n"
        "                                                     goes on where it stopped\n");
}

static bool bad_value(const char *flag, const char *value, const char *how)
{
    (void)fprintf(stderr, "millrace run: --%s: \"%s\" %s\n", flag, value, how);
    return false;
}

static bool run_take(void *context, int flag, const char *value)
{
    struct run_args *args = context;

    switch (flag) {
    case RUN_PARALLELISM:
        return args_u32(value, 1, PARALLELISM_MAX, &args->parallelism) ||
               bad_value("parallelism", value, "is not a number from 1 to 1024");
    case RUN_WORKERS:
        return args_u32(value, 1, WORKERS_MAX, &args->workers) ||
               bad_value("workers", value, "is not a number from 1 to 256");
    case RUN_OVERRIDE:
        if (args->override_count == OVERRIDES_MAX)
            return bad_value("define", value, "is one override too many");
        args->overrides[args->override_count++] = value;
        return true;
    case RUN_RESTORE:
        args->restore = value;
        return true;
    case RUN_MISSING:
        args->allow_missing = true;
        return true;
    case RUN_SUMMARY:
        args->summary = value;
        return true;
    case RUN_REPORT:
        args->report = value;
        return true;
    case RUN_QUIET:
        args->quiet = true;
        return true;
    case RUN_HELP:
        args->help = true;
        return true;
    default:
        if (args->job) {
            (void)fprintf(stderr, "millrace run: \"%s\" is a second job file; give one\n", value);
            return false;
        }
        args->job = value;
        return true;
    }
}

/* The path of this very executable, so that workers are the same build. */
static const char *own_program(void)
{
    static char path[PATH_SIZE_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (size <= 0)
        return "millrace";
    path[size] = '\0';
    return path;
}

/* Told before a job has run for hours. */
static bool can_write(const char *flag, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char folder[PATH_SIZE_MAX], line[ERROR_TEXT_MAX];
    struct stat status;
    struct error err = {0};

    if (!path)
        return true;
    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 2,
                   slash ? path : "./");
    if (!path[0]) {
        error_set(&err, ERROR_CONFIG, "", "name a file", "\"\" is not a path");
    } else if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        error_set(&err, ERROR_CONFIG, path, "name a file", "is a directory");
    } else if (access(folder, W_OK | X_OK) != 0) {
        error_errno(&err, path, "cannot be written");
        error_mistake(&err, "name a file in a directory that is there");
    }
    if (err.code != ERROR_NONE)
        (void)fprintf(stderr, "millrace run: %s: %s\n", flag, error_text(&err, line, sizeof(line)));
    return err.code == ERROR_NONE;
}

/* The page needs a summary: one of its own where none is asked for. */
static int run_plan(const struct run_args *args, const struct plan_request *request,
                    const struct plan *plan)
{
    struct driver_config config = {
        .request = request,
        .plan = plan,
        .program = own_program(),
        .workers = args->workers,
        .restore_path = args->restore,
        .allow_missing = args->allow_missing,
        .summary_path = args->summary,
        .progress = !args->quiet,
    };
    char *own = NULL, line[ERROR_TEXT_MAX];
    struct error err = {0};
    int status;

    if (!can_write("--summary", args->summary) || !can_write("--report", args->report))
        return 2;
    if (args->report && !args->summary)
        config.summary_path = own = memory_format("%s.summary", args->report);
    status = driver_run(&config);
    if (status == 0 && args->report &&
        !report_write(plan, config.summary_path, args->report, &err)) {
        (void)fprintf(stderr, "millrace run: --report: %s\n", error_text(&err, line, sizeof(line)));
        status = 1;
    }
    if (own)
        (void)unlink(own);
    memory_free(own);
    return status;
}

static int run_job(const struct run_args *args, const char *text)
{
    struct plan_request request = {
        .path = args->job,
        .text = text,
        .overrides = args->overrides,
        .override_count = args->override_count,
        .parallelism = args->parallelism,
        .split_mode = PLAN_SPLITS_MAKE,
    };
    struct error_list errors = {0};
    struct plan *plan = plan_create(&request, &errors);
    int status = 2;

    if (!plan) {
        job_text_errors(&errors);
    } else {
        status = run_plan(args, &request, plan);
    }
    error_list_clear(&errors);
    plan_close(plan);
    return status;
}

int run_verb(int argc, char **argv)
{
    struct run_args args = {.workers = 1};
    struct error err = {0};
    char line[ERROR_TEXT_MAX];
    char *text;
    int status;

    if (!args_parse(argc, argv, run_flags, run_take, &args))
        return 2;
    if (args.help) {
        run_help();
        return 0;
    }
    if (!args.job) {
        (void)fprintf(stderr, "millrace run: no job file; see millrace run --help\n");
        return 2;
    }
    text = job_text_read(args.job, &err);
    if (!text) {
        (void)fprintf(stderr, "millrace run: %s\n", error_text(&err, line, sizeof(line)));
        return 2;
    }
    if (args.quiet)
        log_set_level(LOG_WARN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a write tells it */
    status = run_job(&args, text);
    memory_free(text);
    return status;
}

/* ---- the worker process ---- */
enum { WORKER_COORDINATOR, WORKER_SEAT, WORKER_EPOCH };

static const struct flag worker_flags[] = {
    [WORKER_COORDINATOR] = {"coordinator", 0, "HOST:PORT", "the coordinator to join"},
    [WORKER_SEAT] = {"seat", 0, "N", "number among the job's workers"},
    [WORKER_EPOCH] = {"epoch", 0, "N", "epoch of the coordinator"},
    {0},
};

struct worker_args {
    struct worker_config config;
    char host[64];
};

static bool worker_take(void *context, int flag, const char *value)
{
    struct worker_args *args = context;
    uint32_t number = 0;
    const char *colon;
    bool good = false;

    switch (flag) {
    case WORKER_COORDINATOR:
        colon = strrchr(value, ':');
        good = colon && (size_t)(colon - value) < sizeof(args->host) &&
               args_u32(colon + 1, 1, UINT16_MAX, &number);
        if (good)
            (void)snprintf(args->host, sizeof(args->host), "%.*s", (int)(colon - value), value);
        args->config.host = args->host;
        args->config.port = (uint16_t)number;
        return good;
    case WORKER_SEAT:
        return args_u32(value, 0, WORKERS_MAX - 1, &args->config.seat);
    case WORKER_EPOCH:
        good = args_u32(value, 0, UINT32_MAX, &number);
        args->config.epoch = number;
        return good;
    default:
        return false;
    }
}

int worker_verb(int argc, char **argv)
{
    struct worker_args args = {0};
    char prefix[32];

    if (!args_parse(argc, argv, worker_flags, worker_take, &args) || !args.config.host) {
        (void)fprintf(stderr, "millrace worker: started by `millrace run`, not by hand\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    /* Ctrl-C, and the end of a service, reach the coordinator, which tells us. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)snprintf(prefix, sizeof(prefix), "worker=%u", args.config.seat);
    log_set_prefix(prefix);
    return worker_run(&args.config);
}
