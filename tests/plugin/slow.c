/* A plug-in whose operator takes three seconds to open, as one with a large state may. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/api/plugin.h"

#include <time.h>

static bool slow_open(struct op *op, struct error *err)
{
    struct timespec left = {3, 0};

    (void)op;
    (void)err;
    while (nanosleep(&left, &left) != 0)
        ;
    return true;
}

static bool slow_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    (void)op;
    (void)port;
    (void)in;
    (void)err;
    return true;
}

static const struct port slow_in[] = {{.name = "in", .help = "Rows that are forgotten."}, {0}};
static const struct operator_def slow = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "example/slow",
    .help = "Opens slowly.",
    .inputs = slow_in,
    .deterministic = true,
    .open = slow_open,
    .process = slow_process,
};

static bool set_host(const struct plugin_host *host, const char **why)
{
    (void)host;
    (void)why;
    return true;
}

static const struct operator_def *const operators[] = {&slow, NULL};

extern const struct plugin millrace_plugin;
const struct plugin millrace_plugin = {PLUGIN_ABI, sizeof(struct plugin), set_host, operators};
