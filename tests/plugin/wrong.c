/* Plug-ins that are refused, one a macro: WRONG_SYMBOL exports nothing, WRONG_ABI is of another
 * interface, WRONG_OPERATOR has an operator of another one, WRONG_NAME one that is there already, and
 * WRONG_HOST does not like its host. */
#include "runtime/api/plugin.h"

#ifdef WRONG_NAME
#define NAME "clean"
#else
#define NAME "example/wrong"
#endif
#ifdef WRONG_OPERATOR
#define OF (OPERATOR_ABI + 7)
#else
#define OF OPERATOR_ABI
#endif
#ifdef WRONG_ABI
#define INTERFACE (PLUGIN_ABI + 41)
#else
#define INTERFACE PLUGIN_ABI
#endif
#ifdef WRONG_SYMBOL
#define millrace_plugin other_plugin
#endif

static bool set_host(const struct plugin_host *host, const char **why)
{
    (void)host;
    *why = "the moon is full";
    return false;
}

static const struct operator_def wrong = {
    .abi = OF, .size = sizeof(struct operator_def), .name = NAME, .help = "Does nothing."};
static const struct operator_def *const operators[] = {&wrong, NULL};

extern const struct plugin millrace_plugin;
const struct plugin millrace_plugin = {INTERFACE, sizeof(struct plugin), set_host, operators};
