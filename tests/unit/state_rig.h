/* state_rig: what tests of state stand on: an executor that keeps work back and does it in any
 * order, folders of their own, and `must`. */
#ifndef MILLRACE_TESTS_STATE_RIG_H
#define MILLRACE_TESTS_STATE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/error.h"
#include "runtime/base/executor.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/base/waker.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define WORK_MAX 64u

UNUSED static void must(bool ok, const struct error *err)
{
    char text[ERROR_TEXT_MAX];

    if (!ok)
        fail_msg("%s", error_text(err, text, sizeof(text)));
}

/* ---- an executor that keeps work back ---- */
struct slow_executor {
    struct executor executor;
    struct work *waiting[WORK_MAX];
    uint32_t count;
    struct random random;
};

UNUSED static void slow_submit(struct executor *executor, struct work *work)
{
    struct slow_executor *slow = (struct slow_executor *)executor;

    assert_true(slow->count < WORK_MAX);
    slow->waiting[slow->count++] = work;
}

UNUSED static bool slow_step(struct slow_executor *slow)
{
    struct waker *waker;
    struct work *work;
    uint32_t at;

    if (!slow->count)
        return false;
    at = (uint32_t)random_below(&slow->random, slow->count);
    work = slow->waiting[at];
    waker = work->waker;
    slow->waiting[at] = slow->waiting[--slow->count];
    work->run(work);
    atomic_store_explicit(&work->done, true, memory_order_release);
    waker_wake(waker);
    return true;
}

UNUSED static void slow_wait(struct executor *executor, struct work *work)
{
    while (!work_done(work))
        assert_true(slow_step((struct slow_executor *)executor));
}

struct bell { /* a waker that remembers */
    struct waker waker;
    atomic_bool rung;
};

UNUSED static void bell_ring(struct waker *waker)
{
    atomic_store(&((struct bell *)waker)->rung, true);
}

#if defined(__SANITIZE_THREAD__)
/* RocksDB is not built with TSan, which does not see its locks. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librocksdb.so\n";
}
#endif

/* ---- folders ---- */
UNUSED static void dir_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char name[1024];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) < 0)
            dir_remove(name);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

UNUSED static char *dir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path;

    if (!base) /* syncs cost nothing in memory */
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    path = memory_format("%s/millrace-test-XXXXXX", base);

    assert_non_null(mkdtemp(path));
    return path;
}

#endif
