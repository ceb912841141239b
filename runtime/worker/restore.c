/* See restore.h. */
#include "runtime/worker/restore.h"

#include "runtime/base/check.h"
#include "runtime/batch/key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct manifest_blob *blob_find(const struct manifest_subtask *subtask,
                                             const char *name)
{
    for (uint32_t i = 0; i < subtask->blob_count; i++)
        if (strcmp(subtask->blobs[i].name, name) == 0)
            return &subtask->blobs[i];
    return NULL;
}

/* Calls `each` for every line of a blob of the subtask, `ops` (ids of operators) or `states` (their
 * states' names), until it is true. */
static bool lines_any(const struct manifest_subtask *subtask, const char *name,
                      bool (*each)(const void *context, const char *id, size_t size),
                      const void *context)
{
    const struct manifest_blob *blob = blob_find(subtask, name);
    size_t begin = 0;

    for (size_t at = 0; blob && at < blob->size; at++) {
        if (blob->data[at] != '\n')
            continue;
        if (each(context, (const char *)blob->data + begin, at - begin))
            return true;
        begin = at + 1;
    }
    return false;
}

struct chain_of {
    const struct plan *plan;
    uint32_t chain;
};

static bool in_chain(const void *context, const char *id, size_t size)
{
    const struct chain_of *of = context;
    const struct plan_chain *chain = &of->plan->chains[of->chain];

    for (uint32_t i = 0; i < chain->op_count; i++) {
        const char *name = of->plan->ops[chain->ops[i]].id;

        if (strlen(name) == size && memcmp(name, id, size) == 0)
            return true;
    }
    return false;
}

static void former_fill(const struct manifest_operator *op, const struct manifest_subtask *subtask,
                        const char *dir, struct arena *arena, struct subtask_former *former)
{
    const struct manifest_blob *meta = blob_find(subtask, "meta");
    const char **paths = arena_new(arena, (subtask->file_count + 1) * sizeof(*paths));

    for (uint32_t i = 0; i < subtask->file_count; i++)
        paths[i] = arena_format(arena, "%s/%s", dir, subtask->files[i].name);
    *former = (struct subtask_former){
        .subtask = subtask->index,
        .parallelism = op->parallelism,
        .file_count = subtask->file_count,
        .files = subtask->files,
        .paths = paths,
        .meta = meta ? meta->data : NULL,
        .meta_size = meta ? meta->size : 0,
    };
}

void restore_chain(const struct plan *plan, uint32_t chain, const struct manifest *manifest,
                   const char *dir, struct arena *arena, struct subtask_restore *out)
{
    const struct chain_of of = {plan, chain};
    struct subtask_former *formers;
    uint32_t all = 0, count = 0;

    for (uint32_t o = 0; o < manifest->operator_count; o++)
        all += manifest->operators[o].subtask_count;
    formers = arena_new(arena, (all + 1) * sizeof(*formers));
    for (uint32_t o = 0; o < manifest->operator_count; o++)
        for (uint32_t s = 0; s < manifest->operators[o].subtask_count; s++)
            if (lines_any(&manifest->operators[o].subtasks[s], "ops", in_chain, &of))
                former_fill(&manifest->operators[o], &manifest->operators[o].subtasks[s], dir,
                            arena, &formers[count++]);
    out->count = count;
    out->formers = formers;
}

/* ---- writing ---- */
static bool any_keyed(const struct plan_op *op)
{
    for (uint32_t i = 0; i < op->input_count; i++)
        if (op->inputs[i].keyed)
            return true;
    return false;
}

static struct manifest_blob lines_blob(const char *name, struct bytes *lines, struct arena *arena)
{
    struct manifest_blob blob = {name, (const uint8_t *)arena_copy(arena, lines->data, lines->size),
                                 lines->size};

    bytes_clear(lines);
    return blob;
}

static void subtask_fill(const struct plan *plan, const struct subtask_snapshot *snapshot,
                         struct arena *arena, struct manifest_subtask *out)
{
    const struct plan_chain *chain = &plan->chains[snapshot->chain];
    uint32_t groups = (uint32_t)plan->settings.job.key_groups;
    struct manifest_blob *blobs = arena_new(arena, 4 * sizeof(*blobs));
    struct bytes ops = {0}, states = {0}, fixed = {0};

    for (uint32_t i = 0; i < chain->op_count; i++) {
        const struct plan_op *op = &plan->ops[chain->ops[i]];

        bytes_format(&ops, "%s\n", op->id);
        for (uint32_t s = 0; s < op->state_count && any_keyed(op); s++)
            bytes_format(&states, "%s\n", op->states[s].name);
    }
    blobs[0] = (struct manifest_blob){"meta", snapshot->meta.data, snapshot->meta.size};
    blobs[1] = lines_blob("ops", &ops, arena);
    blobs[2] = lines_blob("states", &states, arena);
    if (snapshot->subtask == 0) /* it is the same of all */
        restore_fixed(plan, snapshot->chain, &fixed);
    blobs[3] = lines_blob("fixed", &fixed, arena);
    *out = (struct manifest_subtask){
        .index = snapshot->subtask,
        .group_begin = key_group_begin(snapshot->subtask, groups, chain->parallelism),
        .group_end = key_group_begin(snapshot->subtask + 1, groups, chain->parallelism),
        .watermark_ms = INT64_MIN,
        .file_count = snapshot->file_count,
        .files = snapshot->files,
        .blob_count = blobs[3].size > 0 ? 4 : 3,
        .blobs = blobs,
    };
}

void restore_manifest(const struct plan *plan, const struct subtask_snapshot *snapshots,
                      uint32_t count, struct arena *arena, struct manifest *manifest)
{
    uint32_t at = 0;

    manifest->operators = arena_new(arena, (plan->chain_count + 1) * sizeof(*manifest->operators));
    manifest->operator_count = plan->chain_count;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        struct manifest_operator *op = &manifest->operators[c];

        op->id = plan_head(plan, c)->id;
        op->parallelism = plan->chains[c].parallelism;
        op->key_groups = (uint32_t)plan->settings.job.key_groups;
        op->subtask_count = op->parallelism;
        op->subtasks = arena_new(arena, (op->parallelism + 1) * sizeof(*op->subtasks));
        for (uint32_t s = 0; s < op->parallelism; s++, at++) {
            CHECK(at < count && snapshots[at].chain == c && snapshots[at].subtask == s);
            subtask_fill(plan, &snapshots[at], arena, &op->subtasks[s]);
        }
    }
    CHECK(at == count);
}

/* ---- checking ---- */
struct missing {
    const struct plan *plan;
    struct bytes *names;
};

static void note(const struct missing *missing, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(const struct missing *missing, const char *format, ...)
{
    char text[4 * NAME_SIZE_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bytes_format(missing->names, "%s%s", missing->names->size ? "; " : "", text);
}

static bool note_operator(const void *context, const char *id, size_t size)
{
    const struct missing *missing = context;
    char name[NAME_SIZE_MAX];

    if (size >= sizeof(name))
        return false;
    memcpy(name, id, size);
    name[size] = '\0';
    if (plan_find_op(missing->plan, name) == FIELD_NONE)
        note(missing, "operator `%s`", name);
    return false;
}

/* `operator.state` of an operator that is there; of others all is missing. */
static bool note_state(const void *context, const char *id, size_t size)
{
    const struct missing *missing = context;
    char name[2 * NAME_SIZE_MAX], *dot;
    const struct plan_op *op;
    uint32_t index;

    if (size >= sizeof(name))
        return false;
    memcpy(name, id, size);
    name[size] = '\0';
    dot = strchr(name, '.');
    if (!dot)
        return false;
    *dot = '\0';
    index = plan_find_op(missing->plan, name);
    if (index == FIELD_NONE)
        return false;
    *dot = '.';
    op = &missing->plan->ops[index];
    for (uint32_t s = 0; s < op->state_count && any_keyed(op); s++)
        if (strcmp(op->states[s].name, name) == 0)
            return false;
    note(missing, "operator `%s`, state `%s`", op->id, dot + 1);
    return false;
}

void restore_missing(const struct plan *plan, const struct manifest *manifest, struct bytes *names)
{
    const struct missing missing = {plan, names};

    for (uint32_t o = 0; o < manifest->operator_count; o++)
        if (manifest->operators[o].subtask_count > 0) {
            lines_any(&manifest->operators[o].subtasks[0], "ops", note_operator, &missing);
            lines_any(&manifest->operators[o].subtasks[0], "states", note_state, &missing);
        }
}
