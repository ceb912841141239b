/* bundle: see bundle.h. */
#include "operators/sink/bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE_FIRST "millrace sink/file 2"
#define BUNDLE_FILES_MAX (1u << 20)

void bundle_write(const struct bundle *bundle, struct bytes *out)
{
    bytes_format(out, "%s\ndir %s\ncheckpoint %" PRIu64 "\nsubtask %s\nsuffix %s\n", BUNDLE_FIRST,
                 bundle->dir, bundle->checkpoint, bundle->subtask, bundle->suffix);
    for (uint32_t k = 0; k < bundle->count; k++) {
        const struct bundle_file *file = &bundle->files[k];
        if (file->checkpoint)
            bytes_format(out, "rolled %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", file->number,
                         file->checkpoint, file->length);
        else
            bytes_format(out, "open %" PRIu64 " %" PRIu64 "\n", file->number, file->length);
    }
    bytes_text(out, "end\n");
}

void bundle_clear(struct bundle *bundle)
{
    memory_free(bundle->dir);
    memory_free(bundle->subtask);
    memory_free(bundle->suffix);
    memory_free(bundle->files);
    *bundle = (struct bundle){0};
}

static bool read_number(char **at, uint64_t *number)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *number = strtoull(*at, &end, 10);
    *at = end + (*end == ' ');
    return errno == 0 && (*end == ' ' || *end == '\0');
}

static bool read_file(struct bundle *bundle, char *at, bool rolled)
{
    struct bundle_file file = {0};
    if (!read_number(&at, &file.number) || (rolled && !read_number(&at, &file.checkpoint)) ||
        !read_number(&at, &file.length) || *at != '\0' || (rolled && file.checkpoint == 0) ||
        bundle->count == BUNDLE_FILES_MAX)
        return false;
    bundle->files = memory_grow(bundle->files, bundle->count + 1, sizeof(file));
    bundle->files[bundle->count++] = file;
    return true;
}

static bool read_text(char **into, const char *value)
{
    if (*into || *value == '\0')
        return false;
    *into = memory_text(value);
    return true;
}

static bool read_line(struct bundle *bundle, char *line)
{
    char *value = strchr(line, ' ');
    uint32_t subtask;
    uint64_t attempt;
    if (!value)
        return false;
    *value++ = '\0';
    if (strcmp(line, "dir") == 0)
        return read_text(&bundle->dir, value);
    if (strcmp(line, "suffix") == 0)
        return !strchr(value, '/') && read_text(&bundle->suffix, value);
    if (strcmp(line, "subtask") == 0)
        return subtask_parse(value, &subtask, &attempt) && read_text(&bundle->subtask, value);
    if (strcmp(line, "checkpoint") == 0)
        return bundle->checkpoint == 0 && read_number(&value, &bundle->checkpoint) && !*value;
    if (strcmp(line, "rolled") == 0)
        return read_file(bundle, value, true);
    return strcmp(line, "open") == 0 && read_file(bundle, value, false);
}

/* `text` is changed. */
static bool read_lines(struct bundle *bundle, char *text)
{
    bool first = true;
    for (char *line = text; line;) {
        char *next = strchr(line, '\n');
        if (!next)
            return false;
        *next++ = '\0';
        if (!first && strcmp(line, "end") == 0)
            return *next == '\0' && bundle->dir && bundle->subtask && bundle->suffix &&
                   bundle->checkpoint > 0;
        if (first ? strcmp(line, BUNDLE_FIRST) != 0 : !read_line(bundle, line))
            return false;
        first = false;
        line = next;
    }
    return false;
}

bool bundle_read(struct bundle *bundle, const uint8_t *data, size_t size, struct error *err)
{
    struct bytes text = {0};
    *bundle = (struct bundle){0};
    bytes_put(&text, data, size);
    bytes_put(&text, "", 1);
    bool fine = memchr(data, '\0', size) == NULL && read_lines(bundle, (char *)text.data);
    bytes_clear(&text);
    if (fine)
        return true;
    bundle_clear(bundle);
    return error_set(err, ERROR_STATE, "bundle of sink/file", "restore from another checkpoint",
                     "is damaged, or of another version of millrace");
}

bool subtask_parse(const char *text, uint32_t *subtask, uint64_t *attempt)
{
    unsigned long numbers[3];
    char *end = (char *)(uintptr_t)text;

    errno = 0;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && *end++ != '-')
            return false;
        if (*end < '0' || *end > '9')
            return false;
        numbers[i] = strtoul(end, &end, 10);
        if (errno != 0 || numbers[i] > UINT32_MAX)
            return false;
    }
    *subtask = (uint32_t)numbers[0];
    *attempt = (uint64_t)numbers[1] << 32 | numbers[2];
    return *end == '\0';
}
