/* check: what a failed CHECK does. Nothing here may fail or allocate: the process is broken. */
#include "runtime/base/check.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES_MAX 48

_Noreturn void check_failed(const char *file, int line, const char *expression)
{
    void *frames[FRAMES_MAX];

    dprintf(STDERR_FILENO, "error check failed at=%s:%d expression=%s\n", file, line, expression);
    /* Addresses for addr2line: what called in is most of the finding. */
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    abort();
}
