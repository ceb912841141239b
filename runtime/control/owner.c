/* See owner.h. */
#include "runtime/control/owner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "host %s boot %s pid %" PRId64 " start %" PRIu64 "\n"
#define STAT_MAX 1024u
#define START_FIELD 20u /* of /proc/PID/stat, counted after the name; proc(5) calls it 22 */

/* When the process began, in ticks since boot; 0: there is none. */
static uint64_t start_of(int64_t pid)
{
    char path[64], text[STAT_MAX];
    uint64_t start = 0;
    const char *at;
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    file = fopen(path, "r");
    if (!file)
        return 0;
    size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = 0;
    at = strrchr(text, ')'); /* the name may hold anything */
    if (at && at[1] == ' ' && at[2] == 'Z')
        return 0; /* it has ended, and waits for its parent */
    for (uint32_t i = 0; at && i < START_FIELD; i++)
        at = strchr(at + 1, ' ');
    return at && sscanf(at, " %" SCNu64, &start) == 1 ? start : 0;
}

static void text_of(int64_t pid, char *text, size_t size)
{
    char host[128] = "", boot[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

    if (file && fscanf(file, "%63s", boot) != 1)
        boot[0] = 0;
    if (file)
        (void)fclose(file);
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(text, size, FORMAT, host, boot, pid, start_of(pid));
}

void owner_text(char *text, size_t size)
{
    text_of(getpid(), text, size);
}

bool owner_lives(const char *text, int64_t *pid)
{
    const char *at = strstr(text, " pid ");
    char now[OWNER_TEXT_MAX];

    if (!at || sscanf(at, " pid %" SCNd64, pid) != 1 || start_of(*pid) == 0)
        return false;
    text_of(*pid, now, sizeof(now));
    return strcmp(text, now) == 0;
}
