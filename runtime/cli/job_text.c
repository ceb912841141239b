/* See job_text.h. */
#include "runtime/cli/job_text.h"

#include <stdio.h>
#include <string.h>

#define JOB_TEXT_MAX (4u << 20) /* bytes */

char *job_text_read(const char *path, struct error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    struct bytes text = {0};
    size_t got;

    if (!file) {
        error_errno(err, path, "cannot open the job file");
        return NULL;
    }
    do {
        bytes_reserve(&text, 1u << 16);
        got = fread(text.data + text.size, 1, 1u << 16, file);
        text.size += got;
    } while (got > 0 && text.size <= JOB_TEXT_MAX);
    if (ferror(file) || text.size > JOB_TEXT_MAX || (text.size && memchr(text.data, 0, text.size)))
        error_set(err, ERROR_CONFIG, path, "give a YAML text of at most 4 MiB",
                  "cannot be read as a job file");
    else
        bytes_put(&text, "", 1);
    if (file != stdin)
        (void)fclose(file);
    if (text.size > 0 && text.data[text.size - 1] == '\0')
        return (char *)text.data;
    bytes_clear(&text);
    return NULL;
}

void job_text_errors(const struct error_list *errors)
{
    char text[ERROR_TEXT_MAX];

    for (uint32_t i = 0; i < errors->count; i++)
        (void)fprintf(stderr, "%s\n", error_text(&errors->errors[i], text, sizeof(text)));
}
