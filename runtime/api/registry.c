/* The registered operators: pointers that OPERATOR_REGISTER puts side by side in a section, whose
 * ends the linker names. Where no operator is linked the section is absent and both names are 0.
 * With those of plug-ins all are copied into one list. */
#include "runtime/api/registry.h"

#include "runtime/base/check.h"

#include <string.h>

extern const struct operator_def *const __start_millrace_operators[] __attribute__((weak));
extern const struct operator_def *const __stop_millrace_operators[] __attribute__((weak));

extern const struct operator_text *const __start_millrace_texts[] __attribute__((weak));
extern const struct operator_text *const __stop_millrace_texts[] __attribute__((weak));

static const struct operator_def **more; /* all, once there are some that are not linked in */
static uint32_t more_count;

static const struct operator_def *const *linked(uint32_t *count)
{
    const struct operator_def *const *begin = __start_millrace_operators;
    const struct operator_def *const *end = __stop_millrace_operators;

    *count = begin ? (uint32_t)(end - begin) : 0;
    for (uint32_t i = 0; i < *count; i++)
        CHECK(begin[i]->abi == OPERATOR_ABI && begin[i]->size == sizeof(struct operator_def));
    return begin;
}

const struct operator_def *const *operators_all(uint32_t *count)
{
    if (!more)
        return linked(count);
    *count = more_count;
    return more;
}

void operators_add(const struct operator_def *def)
{
    uint32_t count;
    const struct operator_def *const *all = operators_all(&count);
    const struct operator_def **longer = memory_array(count + 1, sizeof(*longer));

    CHECK(!operator_find(def->name));
    if (count)
        memcpy(longer, all, count * sizeof(*longer));
    longer[count] = def;
    memory_free(more);
    more = longer;
    more_count = count + 1;
}

const struct operator_def *operator_find(const char *name)
{
    uint32_t count;
    const struct operator_def *const *all = operators_all(&count);

    for (uint32_t i = 0; i < count; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

const char *operator_text(const char *kind)
{
    const struct operator_text *const *at = __start_millrace_texts;

    for (; at && at < __stop_millrace_texts; at++)
        if (strcmp((*at)->kind, kind) == 0)
            return (*at)->text;
    return NULL;
}
