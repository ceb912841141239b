/* See restore.h. */
#include "runtime/worker/restore.h"

#include "runtime/base/check.h"
#include "runtime/batch/key.h"

#include <string.h>

static const struct manifest_blob *blob_find(const struct manifest_subtask *subtask,
                                             const char *name)
{
    for (uint32_t i = 0; i < subtask->blob_count; i++)
        if (strcmp(subtask->blobs[i].name, name) == 0)
            return &subtask->blobs[i];
    return NULL;
}

/* Calls `each` for every operator id in the subtask's `ops` blob (one a line) until it is true. */
static bool ops_any(const struct manifest_subtask *subtask,
                    bool (*each)(const void *context, const char *id, size_t size),
                    const void *context)
{
    const struct manifest_blob *blob = blob_find(subtask, "ops");
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
            if (ops_any(&manifest->operators[o].subtasks[s], in_chain, &of))
                former_fill(&manifest->operators[o], &manifest->operators[o].subtasks[s], dir,
                            arena, &formers[count++]);
    out->count = count;
    out->formers = formers;
}

/* ---- writing ---- */
static void subtask_fill(const struct plan *plan, const struct subtask_snapshot *snapshot,
                         struct arena *arena, struct manifest_subtask *out)
{
    const struct plan_chain *chain = &plan->chains[snapshot->chain];
    uint32_t groups = (uint32_t)plan->settings.job.key_groups;
    struct manifest_blob *blobs = arena_new(arena, 2 * sizeof(*blobs));
    struct bytes ops = {0};

    for (uint32_t i = 0; i < chain->op_count; i++)
        bytes_format(&ops, "%s\n", plan->ops[chain->ops[i]].id);
    blobs[0] = (struct manifest_blob){"meta", snapshot->meta.data, snapshot->meta.size};
    blobs[1] = (struct manifest_blob){"ops", (const uint8_t *)arena_copy(arena, ops.data, ops.size),
                                      ops.size};
    bytes_clear(&ops);
    *out = (struct manifest_subtask){
        .index = snapshot->subtask,
        .group_begin = key_group_begin(snapshot->subtask, groups, chain->parallelism),
        .group_end = key_group_begin(snapshot->subtask + 1, groups, chain->parallelism),
        .watermark_ms = INT64_MIN,
        .file_count = snapshot->file_count,
        .files = snapshot->files,
        .blob_count = 2,
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

static bool note_missing(const void *context, const char *id, size_t size)
{
    const struct missing *missing = context;
    char name[NAME_SIZE_MAX];

    if (size >= sizeof(name))
        return false;
    memcpy(name, id, size);
    name[size] = '\0';
    if (plan_find_op(missing->plan, name) == FIELD_NONE)
        bytes_format(missing->names, "%s%s", missing->names->size ? ", " : "", name);
    return false;
}

void restore_missing(const struct plan *plan, const struct manifest *manifest, struct bytes *names)
{
    const struct missing missing = {plan, names};

    for (uint32_t o = 0; o < manifest->operator_count; o++)
        if (manifest->operators[o].subtask_count > 0)
            ops_any(&manifest->operators[o].subtasks[0], note_missing, &missing);
}
