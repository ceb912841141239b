/* job_text: what every verb that takes a job file does with its command line: the file's text,
 * `-p`, `-D`. */
#ifndef MILLRACE_CLI_JOB_TEXT_H
#define MILLRACE_CLI_JOB_TEXT_H

#include "runtime/graph/plan.h"

/* Reads the file ("-": standard input) into memory that the caller frees; NULL with `err`. */
char *job_text_read(const char *path, struct error *err);
/* Prints every error, one a line, on stderr. */
void job_text_errors(const struct error_list *errors);

#endif
