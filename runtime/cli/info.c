/* `millrace info`; see info.h. */
#include "runtime/cli/info.h"

#include "runtime/api/plugin.h"
#include "runtime/cli/args.h"
#include "runtime/cli/job_text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OVERRIDES_MAX 1024u

enum { INFO_PARALLELISM, INFO_OVERRIDE, INFO_HELP };

static const struct flag info_flags[] = {
    [INFO_PARALLELISM] = {"parallelism", 'p', "N", "subtasks of each operator (else the job's)"},
    [INFO_OVERRIDE] = {"define", 'D', "NAME=VALUE",
                       "OPERATOR.FIELD=value or section.setting=value, over the job file"},
    [INFO_HELP] = {"help", 'h', NULL, "this text"},
    {0},
};

struct info_args {
    const char *target; /* NULL: the list of kinds */
    const char *overrides[OVERRIDES_MAX];
    uint32_t override_count, parallelism;
    bool help;
};

static void info_help(void)
{
    (void)printf(
        "usage: millrace info [KIND | PLUGIN.so | JOB.yaml [flags]]\n"
        "\n"
        "Without a name: the kinds of operators. With a kind: its manual page; with a\n"
        "plug-in: those of its operators. With a job file: what would run (chains, edges,\n"
        "key groups, tables), and whether it gives the same output every time. Nothing is\n"
        "started.\n"
        "\n");
    args_help(info_flags);
    (void)printf("\n"
                 "Exit status: 0, or 2 with everything that is wrong on stderr.\n");
}

static bool complain(const char *value, const char *how)
{
    (void)fprintf(stderr, "millrace info: \"%s\" %s\n", value, how);
    return false;
}

static bool info_take(void *context, int flag, const char *value)
{
    struct info_args *args = context;

    switch (flag) {
    case INFO_PARALLELISM:
        return args_u32(value, 1, PARALLELISM_MAX, &args->parallelism) ||
               complain(value, "is not a number from 1 to 1024");
    case INFO_OVERRIDE:
        if (args->override_count == OVERRIDES_MAX)
            return complain(value, "is one override too many");
        args->overrides[args->override_count++] = value;
        return true;
    case INFO_HELP:
        args->help = true;
        return true;
    default:
        if (args->target)
            return complain(value, "is a second name; give one kind or one job file");
        args->target = value;
        return true;
    }
}

static int print(struct bytes *text)
{
    bool good = fwrite(text->data, 1, text->size, stdout) == text->size && fflush(stdout) == 0;

    bytes_clear(text);
    if (!good)
        perror("millrace info: standard output");
    return good ? 0 : 1;
}

static int print_error(const struct error *err)
{
    char text[ERROR_TEXT_MAX];

    (void)fprintf(stderr, "%s\n", error_text(err, text, sizeof(text)));
    return 2;
}

/* A plan without its input: what only the input could tell is taken as if it had several splits,
 * and the reason is a note. NULL where the job has other mistakes too. */
static struct plan *plan_without_input(struct plan_request *request,
                                       const struct error_list *missing)
{
    struct error_list errors = {0};
    char text[ERROR_TEXT_MAX];
    struct plan *plan;

    request->split_mode = PLAN_SPLITS_UNKNOWN;
    plan = plan_create(request, &errors);
    error_list_clear(&errors);
    for (uint32_t i = 0; plan && i < missing->count; i++)
        (void)fprintf(stderr, "note: %s\n", error_text(&missing->errors[i], text, sizeof(text)));
    if (plan)
        (void)fprintf(stderr, "note: the plan is shown as if each source had several splits\n");
    return plan;
}

static int info_job(const struct info_args *args)
{
    struct plan_request request = {.path = args->target,
                                   .overrides = args->overrides,
                                   .override_count = args->override_count,
                                   .parallelism = args->parallelism,
                                   .split_mode = PLAN_SPLITS_MAKE};
    struct error_list errors = {0};
    struct error err = {0};
    struct bytes out = {0};
    char *text = job_text_read(args->target, &err);
    struct plan *plan;
    int status = 2;

    if (!text)
        return print_error(&err);
    request.text = text;
    plan = plan_create(&request, &errors);
    if (!plan)
        plan = plan_without_input(&request, &errors);
    if (plan) {
        plan_describe(plan, &out);
        status = print(&out);
    } else {
        job_text_errors(&errors);
    }
    plan_close(plan);
    error_list_clear(&errors);
    memory_free(text);
    return status;
}

static int info_kind(const char *kind)
{
    struct bytes out = {0};
    struct error err = {0};

    if (plan_manual(kind, &out, &err))
        return print(&out);
    return print_error(&err);
}

static bool is_plugin(const char *name)
{
    size_t size = strlen(name);

    return size > 3 && strcmp(name + size - 3, ".so") == 0;
}

/* The manual pages of what it brings. */
static int info_plugin(const char *path)
{
    const struct operator_def *const *all;
    struct bytes out = {0};
    struct error err = {0};
    uint32_t before, count;

    (void)operators_all(&before);
    if (!plugin_load(path, &err))
        return print_error(&err);
    all = operators_all(&count);
    for (uint32_t i = before; i < count; i++) {
        bytes_text(&out, i > before ? "\n" : "");
        CHECK(plan_manual(all[i]->name, &out, &err));
    }
    return print(&out);
}

static bool looks_like_file(const char *name)
{
    const char *dot = strrchr(name, '.');

    return strcmp(name, "-") == 0 || access(name, F_OK) == 0 ||
           (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0));
}

int info_run(int argc, char **argv)
{
    struct info_args args = {0};
    struct bytes out = {0};

    if (!args_parse(argc, argv, info_flags, info_take, &args))
        return 2;
    if (args.help) {
        info_help();
        return 0;
    }
    if (args.target && !operator_find(args.target) && !is_plugin(args.target) &&
        looks_like_file(args.target))
        return info_job(&args);
    if (args.parallelism || args.override_count) {
        (void)fprintf(stderr, "millrace info: -p and -D go with a job file; give one\n");
        return 2;
    }
    if (args.target)
        return is_plugin(args.target) ? info_plugin(args.target) : info_kind(args.target);
    plan_kinds(&out);
    return print(&out);
}
