/* part_name: see part_name.h. */
#include "operators/sink/part_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void part_name_write(const struct part_name *name, const char *suffix, char text[PART_NAME_MAX])
{
    uint32_t epoch = (uint32_t)(name->attempt >> 32), attempt = (uint32_t)name->attempt;
    int size;
    if (name->kind == PART_VISIBLE)
        size = snprintf(text, PART_NAME_MAX, "part-%u-%u-%u-%" PRIu64 "-%" PRIu64 "%s",
                        name->subtask, epoch, attempt, name->checkpoint, name->number, suffix);
    else
        size = snprintf(text, PART_NAME_MAX, ".part-%u-%u-%u-%" PRIu64 "%s%s", name->subtask, epoch,
                        attempt, name->number, suffix,
                        name->kind == PART_PROGRESS ? ".inprogress" : ".copy");
    CHECK(size > 0 && (size_t)size < PART_NAME_MAX);
}

struct part_name part_name_read(const char *text, const char *suffix)
{
    struct part_name name = {0};
    char again[PART_NAME_MAX];
    uint32_t epoch = 0, attempt = 0;

    if (sscanf(text, "part-%" SCNu32 "-%" SCNu32 "-%" SCNu32 "-%" SCNu64 "-%" SCNu64, &name.subtask,
               &epoch, &attempt, &name.checkpoint, &name.number) == 5)
        name.kind = PART_VISIBLE;
    else if (sscanf(text, ".part-%" SCNu32 "-%" SCNu32 "-%" SCNu32 "-%" SCNu64, &name.subtask,
                    &epoch, &attempt, &name.number) == 4)
        name.kind = strstr(text, ".inprogress") ? PART_PROGRESS : PART_COPY;
    if (name.kind == PART_OTHER)
        return name;
    name.attempt = (uint64_t)epoch << 32 | attempt;
    part_name_write(&name, suffix, again);
    return strcmp(again, text) == 0 ? name : (struct part_name){0};
}
