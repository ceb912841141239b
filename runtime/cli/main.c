/* millrace: one binary with verbs. */
#include "runtime/cli/info.h"
#include "runtime/cli/run.h"

#include "runtime/base/option.h"
#include "runtime/task/plugin_host.h"

#include <stdio.h>
#include <string.h>

#define MILLRACE_VERSION "0.1.0"

static const struct verb {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"run", "run a job file in the foreground", run_verb},
    {"info", "list the operator kinds, explain one, or show the plan of a job", info_run},
    {"worker", NULL, worker_verb},
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void help(FILE *out)
{
    (void)fprintf(out, "millrace: a stream processor for recommendations that learn while they "
                       "run\n\nusage: millrace VERB [arguments]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (verbs[i].help)
            (void)fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].help);
    (void)fprintf(out, "\nmillrace VERB --help tells more. A first run: deploy/quickstart\n");
}

static int unknown(const char *name)
{
    const char *names[VERB_COUNT];
    const char *nearest;
    uint32_t count = 0;

    for (size_t i = 0; i < VERB_COUNT; i++)
        if (verbs[i].help)
            names[count++] = verbs[i].name;
    nearest = text_nearest(names, count, name);
    (void)fprintf(stderr, "millrace: \"%s\" is not a verb", name);
    if (nearest)
        (void)fprintf(stderr, "; did you mean %s", nearest);
    (void)fprintf(stderr, "; see millrace --help\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("millrace %s\n", MILLRACE_VERSION);
        return 0;
    }
    plugins_enable(&plugin_host_table);
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return unknown(argv[1]);
}
