/* What a job may not change, or not without being told of it, while it goes on from checkpoints: the
 * blob `fixed` of a chain's first subtask, one line each:
 *
 *   value OPERATOR.OPTION VALUE   an option that its table says so of
 *   value OPERATOR.key COLUMNS    what a state is keyed by
 *   split INDEX BEGIN NAME        of a source: positions and origins go by the index
 *
 * A checkpoint of a build that did not write it has nothing to compare. */
#include "runtime/worker/restore.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_SIZE (4 * NAME_SIZE_MAX) /* of an option, with its operator and groups */

/* ---- writing ---- */
/* A file's name may have a line end; what is before it does. */
static int name_size(const char *name)
{
    return (int)strcspn(name, "\n");
}

static void value_lines(const struct option *table, const char *prefix, const void *config,
                        struct bytes *out)
{
    for (const struct option *option = table; option && option->name; option++) {
        char name[NAME_MAX_SIZE];

        (void)snprintf(name, sizeof(name), "%s.%s", prefix, option->name);
        if (option->type == OPT_GROUP) {
            value_lines(option->group, name, (const char *)config + option->offset, out);
            continue;
        }
        if (option->life == LIFE_FREE)
            continue;
        bytes_format(out, "value %s ", name);
        option_value(option, config, out);
        bytes_text(out, "\n");
    }
}

static void key_lines(const struct plan_op *op, struct bytes *out)
{
    for (uint32_t i = 0; i < op->input_count && op->state_count > 0; i++) {
        const struct text_list *key = op->inputs[i].keyed ? op->inputs[i].key : NULL;

        if (!key || key->count == 0)
            continue;
        bytes_format(out, "value %s.%s%skey ", op->id,
                     op->input_count > 1 ? op->def->inputs[i].name : "",
                     op->input_count > 1 ? "." : "");
        for (uint32_t k = 0; k < key->count; k++)
            bytes_format(out, "%s%s", k ? ", " : "", key->items[k]);
        bytes_text(out, "\n");
    }
}

static void op_lines(const struct plan_op *op, struct bytes *out)
{
    value_lines(op->def->options, op->id, op->config, out);
    key_lines(op, out);
}

void restore_fixed(const struct plan *plan, uint32_t chain, struct bytes *out)
{
    for (uint32_t i = 0; i < plan->chains[chain].op_count; i++) {
        const struct plan_op *op = &plan->ops[plan->chains[chain].ops[i]];

        op_lines(op, out);
        for (uint32_t s = 0; s < op->split_count; s++)
            bytes_format(out, "split %" PRIu32 " %" PRId64 " %.*s\n", op->splits[s].index,
                         op->splits[s].begin, name_size(op->splits[s].name), op->splits[s].name);
    }
}

/* ---- comparing ---- */
struct compare {
    const struct plan *plan;
    const char *present; /* all `value` lines of the plan */
    struct bytes *fixed, *told;
    const struct plan_op *other, *moved; /* its splits were told of: one is enough */
};

/* The life of `OPERATOR.OPTION`. */
static enum option_life life_of(const struct plan *plan, const char *name)
{
    char path[NAME_MAX_SIZE], *rest = path, *step;
    const struct option *option = NULL;
    uint32_t op;

    (void)snprintf(path, sizeof(path), "%s", name);
    op = plan_find_op(plan, strsep(&rest, "."));
    if (op == FIELD_NONE)
        return LIFE_FREE;
    option = plan->ops[op].def->options;
    while ((step = strsep(&rest, ".")) && option) {
        option = option_find(option, step);
        if (option && rest)
            option = option->group;
    }
    return option ? option->life : LIFE_TOLD; /* a key */
}

static void compare_value(const struct compare *compare, const char *line)
{
    const char *name = line + strlen("value "), *former = strchr(name, ' '), *there;
    char start[NAME_MAX_SIZE + 8], key[NAME_MAX_SIZE];
    struct bytes *out;
    size_t size;

    if (!former || (size_t)(former - name) >= sizeof(key))
        return;
    (void)snprintf(key, sizeof(key), "%.*s", (int)(former - name), name);
    (void)snprintf(start, sizeof(start), "value %s ", key);
    former++;
    there = strstr(compare->present, start);
    if (!there)
        return; /* of an operator or option that the job has no more */
    there += strlen(start);
    size = strcspn(there, "\n");
    if (strlen(former) == size && memcmp(there, former, size) == 0)
        return;
    out = life_of(compare->plan, key) == LIFE_FIXED ? compare->fixed : compare->told;
    bytes_format(out, "%s%s was %s, is %.*s", out->size ? "; " : "", key, former, (int)size, there);
}

/* The source whose split the index is now. */
static const struct plan_op *source_of(const struct plan *plan, uint32_t index)
{
    uint32_t source = 0;

    for (uint32_t i = 0; i < plan->op_count; i++)
        if (plan->ops[i].def->splits && source++ == index / SPLITS_MAX)
            return &plan->ops[i];
    return NULL;
}

static bool same_name(const char *name, const char *line)
{
    return name_size(name) == (int)strlen(line) && memcmp(name, line, strlen(line)) == 0;
}

/* Perhaps in another folder. */
static bool same_file(const char *name, const char *line)
{
    const char *now = strrchr(name, '/'), *former = strrchr(line, '/');

    return same_name(now ? now + 1 : name, former ? former + 1 : line);
}

static void compare_split(struct compare *compare, const struct plan_op *op, const char *line)
{
    const struct plan_op *now;
    const struct split *split = NULL;
    struct bytes *out;
    uint32_t index;
    int64_t begin;
    int at = 0;

    if (sscanf(line, "split %" SCNu32 " %" SCNd64 " %n", &index, &begin, &at) != 2 || at == 0)
        return;
    line += at;
    now = source_of(compare->plan, index);
    if (now == op && index % SPLITS_MAX < op->split_count)
        split = &op->splits[index % SPLITS_MAX];
    if (split && split->begin == begin && same_file(split->name, line)) {
        if (same_name(split->name, line) || compare->moved == op)
            return;
        compare->moved = op;
        out = compare->told;
    } else {
        if (compare->other == op)
            return;
        compare->other = op;
        out = compare->fixed;
    }
    bytes_format(out, "%s%s: split %" PRIu32 " was %s from byte %" PRId64 ", is ",
                 out->size ? "; " : "", op->id, index % SPLITS_MAX, line, begin);
    if (split)
        bytes_format(out, "%s from byte %" PRId64, split->name, split->begin);
    else if (now && now != op)
        bytes_format(out, "of source `%s`", now->id);
    else
        bytes_text(out, "gone");
}

static void compare_subtask(struct compare *compare, const struct manifest_operator *from)
{
    const struct manifest_subtask *subtask = &from->subtasks[0];
    uint32_t op = plan_find_op(compare->plan, from->id); /* a source heads its chain */
    char *text = NULL, *rest, *line;

    for (uint32_t i = 0; i < subtask->blob_count; i++)
        if (strcmp(subtask->blobs[i].name, "fixed") == 0)
            text = memory_format("%.*s", (int)subtask->blobs[i].size,
                                 (const char *)subtask->blobs[i].data);
    rest = text;
    while (rest && (line = strsep(&rest, "\n")))
        if (strncmp(line, "value ", 6) == 0)
            compare_value(compare, line);
        else if (strncmp(line, "split ", 6) == 0 && op != FIELD_NONE)
            compare_split(compare, &compare->plan->ops[op], line);
    memory_free(text);
}

void restore_changes(const struct plan *plan, const struct manifest *manifest, struct bytes *fixed,
                     struct bytes *told)
{
    struct compare compare = {.plan = plan, .fixed = fixed, .told = told};
    struct bytes present = {0};

    for (uint32_t i = 0; i < plan->op_count; i++)
        op_lines(&plan->ops[i], &present);
    bytes_put(&present, "", 1);
    compare.present = (const char *)present.data;
    for (uint32_t o = 0; o < manifest->operator_count; o++)
        if (manifest->operators[o].subtask_count > 0)
            compare_subtask(&compare, &manifest->operators[o]);
    bytes_clear(&present);
}
