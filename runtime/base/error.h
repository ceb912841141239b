/* error: one fixed-size error in the caller's memory, so that reporting cannot fail.
 * Printed as `where: what; how`. Lower case, no full stop, names the kind of each thing, quotes
 * what the user wrote, names no C function. */
#ifndef MILLRACE_BASE_ERROR_H
#define MILLRACE_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

enum error_code {
    ERROR_NONE,
    ERROR_CONFIG,  /* a job file, flag, option or input is wrong and stays so: no further attempt,
                      exit status 2 */
    ERROR_DATA,    /* outside bytes do not parse */
    ERROR_IO,      /* a file, disk or directory failed */
    ERROR_NETWORK, /* a peer is gone or speaks wrongly */
    ERROR_STATE,   /* a checkpoint or state file is damaged or does not fit */
    ERROR_FENCED,  /* a newer attempt or coordinator has taken over */
    ERROR_LIMIT,   /* a bound was reached */
};

struct error {
    enum error_code code;
    bool retriable;
    char where[256]; /* `job.yaml:12:7: operators[3].within`, or operator, subtask, file */
    char what[512];  /* what was found */
    char how[512];   /* how to mend it; may be empty */
};

/* Fills `err` (NULL is fine: the error is dropped) and returns false, so that a failing function
 * can end with `return error_set(...)`. `how` may be NULL. Over-long texts are cut. */
bool error_set(struct error *err, enum error_code code, const char *where, const char *how,
               const char *what, ...) __attribute__((format(printf, 5, 6)));

/* The same with errno's text appended to `what`; retriable for EINTR, EAGAIN, EIO, ENOSPC, EDQUOT. */
bool error_errno(struct error *err, const char *where, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Behind error_errno, for a path that the user has given: a mistake of his, with how to mend it, unless it
 * may pass by itself. Returns false. */
bool error_mistake(struct error *err, const char *how);

/* Puts `prefix: ` before `where`, for a caller that knows more of the place. Returns false. */
bool error_wrap(struct error *err, const char *prefix, ...) __attribute__((format(printf, 2, 3)));

/* Writes `where: what; how` into text (always terminated) and returns text. */
const char *error_text(const struct error *err, char *text, size_t size);

#define ERROR_TEXT_MAX 1400

#ifdef __clang_analyzer__ /* it looks into no other file, and would think that they may be true */
#define error_set(...) (error_set(__VA_ARGS__), false)
#define error_errno(...) (error_errno(__VA_ARGS__), false)
#define error_wrap(...) (error_wrap(__VA_ARGS__), false)
#define error_mistake(...) (error_mistake(__VA_ARGS__), false)
#endif

#endif
