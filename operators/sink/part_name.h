/* part_name: the names of a file sink's files (drawn in parts.h), made and read. */
#ifndef MILLRACE_SINK_PART_NAME_H
#define MILLRACE_SINK_PART_NAME_H

#include "runtime/base/check.h"
#include "runtime/base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum part_kind {
    PART_OTHER,    /* none of ours */
    PART_VISIBLE,  /* part-SUBTASK-CHECKPOINT-N.suffix */
    PART_PROGRESS, /* .part-SUBTASK-N.suffix.inprogress */
    PART_COPY,     /* .part-SUBTASK-N.suffix.copy: a restore's, SUBTASK is the copying one */
};

#define PART_NAME_MAX 160u

struct part_name {
    enum part_kind kind;
    uint32_t subtask;
    uint64_t attempt;    /* as in subtask_parse: grows from run to run */
    uint64_t checkpoint; /* visible ones */
    uint64_t number;
};

void part_name_write(const struct part_name *name, const char *suffix, char text[PART_NAME_MAX]);
/* PART_OTHER for a name that part_name_write does not give. */
struct part_name part_name_read(const char *text, const char *suffix);

#endif
