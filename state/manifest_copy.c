/* Second copies of the files that all retained checkpoints share. One damaged byte in such a file
 * would spoil them all, so each gets a copy, `JOB/copies/NAME`, which takes its place when no
 * checkpoint is whole any more. Most files live shorter than that and are never copied. */
#include "state/manifest_inner.h"

#include "runtime/base/file.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_PATH_MAX (PATH_SIZE_MAX + 40u)

void manifest_copy_name(const char *job_name, const char *file, char *name)
{
    (void)snprintf(name, CHECKPOINT_NAME_MAX, "%s/copies/%s", job_name, file);
}

/* ---- copying ---- */
/* A new file in `folder` with the bytes of the file at `path`. */
static bool copy_file(const char *path, const char *folder, char copy[COPY_PATH_MAX],
                      struct error *err)
{
    char prefix[COPY_PATH_MAX];
    int from = open(path, O_RDONLY | O_CLOEXEC), to;
    bool good;

    if (from < 0)
        return error_errno(err, path, "cannot open the file");
    (void)snprintf(prefix, sizeof(prefix), "%s/copy", folder);
    to = file_make(prefix, 0666, copy, COPY_PATH_MAX, err);
    if (to < 0) {
        (void)close(from);
        return false;
    }
    good = file_copy(from, to) || error_errno(err, path, "cannot copy the file");
    (void)close(from);
    if (close(to) != 0 && good)
        good = error_errno(err, copy, "cannot write the file");
    if (!good)
        (void)unlink(copy);
    return good;
}

/* Makes the object `to` of the bytes of the object `from`. One that is there stays. */
static bool object_copy(struct checkpoint_store *store, const char *from, const char *to,
                        struct error *err)
{
    char folder[PATH_SIZE_MAX], path[PATH_SIZE_MAX], copy[COPY_PATH_MAX];
    bool good;

    (void)snprintf(folder, sizeof(folder), "%s/.tmp", store->place); /* the store sweeps it */
    if (!checkpoint_fetch(store, from, folder, path, err) || !copy_file(path, folder, copy, err))
        return false;
    good = checkpoint_put_file(store, to, copy, err) != PUT_FAILED;
    (void)unlink(copy);
    return good;
}

/* ---- what to copy ---- */
static bool is_listed(const struct name_list *names, const char *name)
{
    for (uint32_t low = 0, high = names->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(names->names[middle], name);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool copy_shared(struct checkpoint_store *store, const char *job_name,
                        const struct manifest_files *newest, const struct manifest_files *oldest,
                        const struct name_list *there, struct error *err)
{
    char from[CHECKPOINT_NAME_MAX], to[CHECKPOINT_NAME_MAX];

    for (uint32_t i = 0; i < newest->count; i++) {
        const char *file = newest->list[i]->name;

        manifest_file_name(job_name, file, from);
        manifest_copy_name(job_name, file, to);
        if ((i && strcmp(newest->list[i - 1]->name, file) == 0) ||
            !manifest_files_have(oldest, newest->list[i]) || is_listed(there, to))
            continue;
        if (!object_copy(store, from, to, err))
            return false;
    }
    return true;
}

bool manifest_copy(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                   struct error *err)
{
    struct arena *arena = arena_create(16384);
    const struct place *newest = NULL, *oldest = NULL;
    struct manifest_files shared[2] = {0};
    char prefix[CHECKPOINT_NAME_MAX];
    struct name_list there = {0};
    struct places places;
    struct manifest *first, *last;
    bool good = manifest_epoch_check(store, job_name, epoch, err) &&
                places_list(store, job_name, arena, &places, err);

    for (uint32_t i = 0; good && i < places.count; i++) {
        if (places.list[i].epoch != epoch)
            continue;
        newest = newest ? newest : &places.list[i];
        oldest = &places.list[i];
    }
    manifest_copy_name(job_name, "", prefix);
    good = good && checkpoint_list(store, prefix, arena, &there, err);
    if (good && newest) {
        last = manifest_load(store, newest->name, arena, err);
        first = last ? manifest_load(store, oldest->name, arena, err) : NULL;
        good = first != NULL;
        if (good) {
            manifest_files_of(last, &shared[0]);
            manifest_files_of(first, &shared[1]);
            good = copy_shared(store, job_name, &shared[0], &shared[1], &there, err);
        }
    }
    memory_free(shared[0].list);
    memory_free(shared[1].list);
    arena_close(arena);
    return good;
}

/* ---- mending ---- */
/* Puts the copy where the damaged file is, if the copy is whole. */
static bool file_mend(struct checkpoint_store *store, const char *job_name,
                      const struct store_file *file)
{
    char name[CHECKPOINT_NAME_MAX], copy[CHECKPOINT_NAME_MAX];
    uint64_t size, checksum;
    struct error err;

    manifest_file_name(job_name, file->name, name);
    manifest_copy_name(job_name, file->name, copy);
    return checkpoint_sum(store, copy, &size, &checksum, &err) && size == file->size &&
           checksum == file->checksum && checkpoint_remove(store, name, &err) &&
           object_copy(store, copy, name, &err);
}

bool manifest_mend(struct checkpoint_store *store, const struct manifest *manifest,
                   struct error *err)
{
    struct manifest_files files = {0};
    bool whole = true;

    manifest_files_of(manifest, &files);
    for (uint32_t i = 0; whole && i < files.count; i++)
        whole = manifest_file_check(store, manifest->job_name, files.list[i], err) ||
                file_mend(store, manifest->job_name, files.list[i]);
    memory_free(files.list);
    return whole;
}

bool manifest_latest_mended(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                            struct arena *arena, struct manifest **out, struct error *err)
{
    struct places places;

    *out = NULL;
    if (!places_good(store, job_name, arena, &places, err))
        return false;
    for (uint32_t i = 0; i < places.count && !*out; i++) {
        struct error why;

        if (epoch != 0 && places.list[i].epoch != epoch)
            continue;
        *out = manifest_load(store, places.list[i].name, arena, &why);
        if (*out && !manifest_mend(store, *out, &why))
            *out = NULL;
    }
    if (*out)
        log_line(LOG_WARN, "no checkpoint was whole: copies took the places of damaged files",
                 "checkpoint=%" PRIu64, (*out)->checkpoint);
    return true;
}
