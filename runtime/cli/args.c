/* See args.h. */
#include "runtime/cli/args.h"

#include "runtime/base/limits.h"
#include "runtime/base/nearest.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_ONLY 256 /* values of flags without a letter begin here */

static int flag_count(const struct flag *flags)
{
    int count = 0;

    while (flags[count].name)
        count++;
    return count;
}

static int flag_of(const struct flag *flags, int value)
{
    for (int i = 0; flags[i].name; i++)
        if (value == (flags[i].letter ? flags[i].letter : LONG_ONLY + i))
            return i;
    return -1;
}

static void fill(const struct flag *flags, struct option *longs, char *letters)
{
    *letters++ = '-'; /* other arguments come in their place, as value 1 */
    *letters++ = ':';
    for (int i = 0; flags[i].name; i++) {
        longs[i] = (struct option){flags[i].name, flags[i].value ? required_argument : no_argument,
                                   NULL, flags[i].letter ? flags[i].letter : LONG_ONLY + i};
        if (!flags[i].letter)
            continue;
        *letters++ = flags[i].letter;
        if (flags[i].value)
            *letters++ = ':';
    }
    *letters = '\0';
}

static const char *nearest_flag(const struct flag *flags, const char *name)
{
    const char *names[FLAGS_MAX];
    uint32_t count = 0;

    for (; flags[count].name; count++)
        names[count] = flags[count].name;
    return text_nearest(names, count, name);
}

/* getopt_long gave `value` for a letter, or for a long name with dashes and perhaps a value. */
static void complain(char **argv, const struct flag *flags, int value)
{
    bool letter = optopt > 0 && optopt < LONG_ONLY, known = flag_of(flags, optopt) >= 0;
    const char *what = "is not a flag of it", *near = NULL;
    char name[NAME_SIZE_MAX];

    /* The last of the words is the one that lacks a value; another may still be read. */
    if (value == ':' ? argv[optind - 1][1] != '-' : letter && !known)
        (void)snprintf(name, sizeof(name), "-%c", optopt);
    else
        (void)snprintf(name, sizeof(name), "%s", argv[optind - 1]);
    name[strcspn(name, "=")] = '\0';
    if (known)
        what = value == ':' ? "needs a value" : "takes no value";
    else if (!letter && strncmp(name, "--", 2) == 0)
        near = nearest_flag(flags, name + 2);
    (void)fprintf(stderr, "millrace %s: %s %s%s%s; see millrace %s --help\n", argv[0], name, what,
                  near ? "; did you mean --" : "", near ? near : "", argv[0]);
}

bool args_parse(int argc, char **argv, const struct flag *flags,
                bool (*take)(void *context, int flag, const char *value), void *context)
{
    struct option longs[FLAGS_MAX + 1] = {0};
    char letters[FLAGS_MAX * 2 + 3];
    int value;

    if (flag_count(flags) > FLAGS_MAX)
        return false;
    fill(flags, longs, letters);
    opterr = 0;
    optind = 1;
    while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (value == ':' || value == '?') {
            complain(argv, flags, value);
            return false;
        }
        if (!take(context, value == 1 ? -1 : flag_of(flags, value), optarg))
            return false;
    }
    for (; optind < argc; optind++)
        if (!take(context, -1, argv[optind]))
            return false;
    return true;
}

void args_help(const struct flag *flags)
{
    for (int i = 0; flags[i].name; i++) {
        char names[64];

        (void)snprintf(names, sizeof(names), "%s%c%s--%s%s%s", flags[i].letter ? "-" : " ",
                       flags[i].letter ? flags[i].letter : ' ', flags[i].letter ? ", " : "  ",
                       flags[i].name, flags[i].value ? " " : "",
                       flags[i].value ? flags[i].value : "");
        (void)printf("  %-34s %s\n", names, flags[i].help);
    }
}

bool args_u32(const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (!text[0] || *end || text[0] == '-' || number < min || number > max)
        return false;
    *value = (uint32_t)number;
    return true;
}
