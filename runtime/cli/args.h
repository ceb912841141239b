/* args: the command line of a verb from a table of flags, parsed by getopt_long (kept away from
 * option.h, whose `struct option` has the same name). */
#ifndef MILLRACE_CLI_ARGS_H
#define MILLRACE_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flag {
    const char *name;  /* long name without dashes */
    char letter;       /* 0: none */
    const char *value; /* what its value is called in the help; NULL: it has none */
    const char *help;
};

#define FLAGS_MAX 32

/* Calls `take` for every flag (its place in the table) and, with place -1, for every other
 * argument, in order. Stops at the first false. An unknown flag or a missing value is told on
 * stderr with the verb's name, and is false. */
bool args_parse(int argc, char **argv, const struct flag *flags, /* ends with {0} */
                bool (*take)(void *context, int flag, const char *value), void *context);

/* Prints the table's part of a help text. */
void args_help(const struct flag *flags);

bool args_u32(const char *text, uint32_t min, uint32_t max, uint32_t *value);

#endif
