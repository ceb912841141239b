/* error: filling and printing of struct error. Arguments may point into the error that is being
 * filled (an error that wraps itself), so everything is first written aside. */
#include "runtime/base/error.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef error_set
#undef error_errno
#undef error_wrap
#undef error_mistake

/* Ends `text` after at most size - 1 bytes, not within a UTF-8 character. */
static void cut(char *text, size_t size)
{
    size_t length = strnlen(text, size - 1);
    size_t begin = length;

    text[length] = 0;
    if (length < size - 1)
        return; /* it was not cut */
    while (begin > 0 && length - begin < 4 && ((unsigned char)text[begin - 1] & 0xc0) == 0x80)
        begin--;
    if (begin == 0 || (unsigned char)text[begin - 1] < 0xc0)
        return;
    begin--;
    unsigned char lead = (unsigned char)text[begin];
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (length - begin < whole)
        text[begin] = 0;
}

static void copy(char *to, size_t size, const char *from)
{
    size_t length = from ? strnlen(from, size - 1) : 0;

    if (length)
        memmove(to, from, length);
    to[length] = 0;
    cut(to, size);
}

bool error_set(struct error *err, enum error_code code, const char *where, const char *how,
               const char *what, ...)
{
    struct error fresh = {.code = code};
    va_list args;

    CHECK(code != ERROR_NONE);
    if (!err)
        return false;
    va_start(args, what);
    vsnprintf(fresh.what, sizeof(fresh.what), what, args);
    va_end(args);
    cut(fresh.what, sizeof(fresh.what));
    copy(fresh.where, sizeof(fresh.where), where);
    copy(fresh.how, sizeof(fresh.how), how);
    *err = fresh;
    return false;
}

static bool errno_retriable(int number)
{
    return number == EINTR || number == EAGAIN || number == EIO || number == ENOSPC ||
           number == EDQUOT;
}

static const char *errno_how(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return "free space on that disk";
    case EFBIG:
        return "raise the limit on the size of files (ulimit -f)";
    default:
        return NULL;
    }
}

bool error_errno(struct error *err, const char *where, const char *what, ...)
{
    int number = errno;
    struct error fresh = {.code = ERROR_IO, .retriable = errno_retriable(number)};
    char reason[128];
    va_list args;
    size_t length;

    if (!err)
        return false;
    va_start(args, what);
    vsnprintf(fresh.what, sizeof(fresh.what), what, args);
    va_end(args);
    length = strlen(fresh.what);
    snprintf(fresh.what + length, sizeof(fresh.what) - length, ": %s",
             strerror_r(number, reason, sizeof(reason)));
    cut(fresh.what, sizeof(fresh.what));
    copy(fresh.where, sizeof(fresh.where), where);
    copy(fresh.how, sizeof(fresh.how), errno_how(number));
    *err = fresh;
    errno = number;
    return false;
}

bool error_mistake(struct error *err, const char *how)
{
    if (!err)
        return false;
    if (!err->retriable)
        err->code = ERROR_CONFIG;
    copy(err->how, sizeof(err->how), how);
    return false;
}

bool error_wrap(struct error *err, const char *prefix, ...)
{
    char where[2 * sizeof(err->where)];
    va_list args;
    size_t length;

    if (!err)
        return false;
    va_start(args, prefix);
    vsnprintf(where, sizeof(err->where), prefix, args);
    va_end(args);
    length = strlen(where);
    if (err->where[0])
        snprintf(where + length, sizeof(where) - length, ": %s", err->where);
    copy(err->where, sizeof(err->where), where);
    return false;
}

const char *error_text(const struct error *err, char *text, size_t size)
{
    CHECK(err && text && size > 0);
    snprintf(text, size, "%s%s%s%s%s", err->where, err->where[0] && err->what[0] ? ": " : "",
             err->what, err->how[0] ? "; " : "", err->how);
    cut(text, size);
    return text;
}
