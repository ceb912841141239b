/* splits: see splits.h. */
#include "operators/source/splits.h"

#include "operators/source/plain.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PROBE_SIZE 65536u

/* The offset behind the first line end at or behind `from`; `size` when there is none. */
static bool line_end_from(struct plain *plain, uint64_t from, uint64_t size, uint64_t *end,
                          struct error *err)
{
    uint8_t *probe = memory_new(PROBE_SIZE);
    bool fine = plain_seek(plain, from, err);
    size_t got = 1;

    *end = size;
    while (fine && got > 0 && *end == size) {
        fine = plain_read(plain, probe, PROBE_SIZE, &got, err);
        uint8_t *newline = fine && got > 0 ? memchr(probe, '\n', got) : NULL;
        if (newline)
            *end = from + (uint64_t)(newline - probe) + 1;
        else
            from += got;
        if (newline)
            break;
    }
    memory_free(probe);
    return fine;
}

static bool too_many(struct error *err, const char *path)
{
    return error_set(err, ERROR_LIMIT, path, "raise split-size, or give fewer files",
                     "makes more than %u splits", SPLITS_MAX);
}

static bool add_file(const char *path, int64_t split_size, struct split_list *out,
                     struct error *err)
{
    struct plain *plain = plain_open(path, err);
    if (!plain)
        return false;
    uint64_t size = plain_file_size(plain), begin = 0;
    bool whole = split_size == 0 || plain_kind(plain) != PLAIN_NONE;
    bool fine = true;

    do {
        uint64_t next = size;
        /* - 1: a record that ends exactly at the multiple ends the split there */
        if (!whole && size - begin > (uint64_t)split_size)
            fine = line_end_from(plain, begin + (uint64_t)split_size - 1, size, &next, err);
        if (fine && !split_list_add(out, path, (int64_t)begin, (int64_t)next))
            fine = too_many(err, path);
        begin = next;
    } while (fine && begin < size);
    plain_close(plain);
    return fine;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool no_match(struct error *err, const char *path)
{
    if (is_directory(path))
        return error_set(err, ERROR_CONFIG, path, "those that begin with . or _ do not count",
                         "is a directory without files");
    return error_set(err, ERROR_CONFIG, path,
                     "check the name; a relative one starts where millrace was started",
                     "matches no file");
}

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

static bool list_files(const char *path, glob_t *found, struct error *err)
{
    char pattern[PATH_SIZE_MAX + 8];
    size_t length = strlen(path);
    bool directory = is_directory(path);
    while (directory && length > 1 && path[length - 1] == '/')
        length--;
    snprintf(pattern, sizeof(pattern), "%.*s%s", (int)length, path, directory ? "/[!._]*" : "");
    int result = glob(pattern, GLOB_NOSORT, NULL, found);
    if (result == GLOB_NOSPACE)
        return error_set(err, ERROR_LIMIT, path, NULL, "no memory to list its files");
    if (result == GLOB_ABORTED)
        return error_errno(err, path, "cannot list");
    return true;
}

bool splits_list(const char *path, int64_t split_size, struct split_list *out, struct error *err)
{
    glob_t found = {0};
    uint32_t files = 0;

    if (is_file(path)) /* its name may hold characters of patterns */
        return add_file(path, split_size, out, err);
    bool fine = list_files(path, &found, err);
    if (found.gl_pathc > 0)
        qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_name);
    for (size_t k = 0; fine && k < found.gl_pathc; k++) {
        if (is_directory(found.gl_pathv[k]))
            continue;
        fine = add_file(found.gl_pathv[k], split_size, out, err);
        files++;
    }
    globfree(&found);
    return fine && (files > 0 || no_match(err, path));
}
