/* log: lines on stderr, each by one write of at most PIPE_BUF bytes, so that lines of several
 * threads and processes on one pipe do not mix. Level and prefix are of the process. */
#include "runtime/base/log.h"

#include "runtime/base/clock.h"
#include "runtime/base/timestamp.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE_MAX 4096u /* PIPE_BUF of Linux; a longer line is cut */
#define PREFIX_SIZE_MAX 128u

static _Atomic enum log_level log_level = LOG_INFO;
static char log_prefix[PREFIX_SIZE_MAX];

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

void log_set_prefix(const char *prefix)
{
    snprintf(log_prefix, sizeof(log_prefix), "%s", prefix ? prefix : "");
}

/* snprintf may say more than it wrote. */
static size_t written(size_t length, int more)
{
    size_t end = length + (more > 0 ? (size_t)more : 0);

    return end < LINE_SIZE_MAX - 1 ? end : LINE_SIZE_MAX - 1;
}

void log_line(enum log_level level, const char *message, const char *format, ...)
{
    char line[LINE_SIZE_MAX], time[32];
    size_t length;
    va_list args;

    if (level > atomic_load_explicit(&log_level, memory_order_relaxed))
        return;
    timestamp_text(clock_wall_ms(), time, sizeof(time));
    length =
        written(0, snprintf(line, sizeof(line), "%s %s %s%s%s%s", time, level_names[level], message,
                            log_prefix[0] ? " " : "", log_prefix, format[0] ? " " : ""));
    va_start(args, format);
    length = written(length, vsnprintf(line + length, sizeof(line) - length, format, args));
    va_end(args);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    line[length++] = '\n';
    /* A log that cannot be written has nowhere to be reported. */
    if (write(STDERR_FILENO, line, length) < 0)
        return;
}
