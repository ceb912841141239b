/* death: runs a function in a child process and says how the child ended, with what it wrote on
 * stderr. For tests of what ends a process. */
#ifndef MILLRACE_TESTS_UNIT_DEATH_H
#define MILLRACE_TESTS_UNIT_DEATH_H

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATH_TEXT_MAX 8192

/* The status of waitpid; `text` gets the child's stderr. -1: no child could be made. */
static inline int death_of(void (*run)(void), char text[DEATH_TEXT_MAX])
{
    size_t size = 0;
    ssize_t more;
    int ends[2], status;
    pid_t pid;

    fflush(NULL);
    if (pipe(ends) != 0 || (pid = fork()) < 0)
        return -1;
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        run();
        _exit(0);
    }
    close(ends[1]);
    while ((more = read(ends[0], text + size, DEATH_TEXT_MAX - 1 - size)) > 0)
        size += (size_t)more;
    text[size] = 0;
    close(ends[0]);
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

#endif
