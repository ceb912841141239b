/* See job_text.h. */
#include "runtime/cli/job_text.h"

#include "runtime/base/file.h"
#include "runtime/base/limits.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *job_text_read(const char *path, struct error *err)
{
    struct bytes text = {0};
    bool good = strcmp(path, "-") == 0
                    ? file_read_fd(STDIN_FILENO, "standard input", JOB_SIZE_MAX, &text, err)
                    : file_read(path, JOB_SIZE_MAX, &text, err);

    if (good && text.size > 0 && memchr(text.data, 0, text.size))
        good = error_set(err, ERROR_CONFIG, path, "give a YAML text", "has a zero byte");
    if (!good) {
        bytes_clear(&text);
        return NULL;
    }
    bytes_put(&text, "", 1);
    return (char *)text.data;
}

void job_text_errors(const struct error_list *errors)
{
    char text[ERROR_TEXT_MAX];

    for (uint32_t i = 0; i < errors->count; i++)
        (void)fprintf(stderr, "%s\n", error_text(&errors->errors[i], text, sizeof(text)));
}
