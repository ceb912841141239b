/* parts_restore: takes over what former subtasks had prepared, and undoes what came after; see
 * parts.h. `S` is the subtask of the bundle, M its checkpoint.
 *
 * The order makes it repeatable: a visible file gets its bytes and its name before anything that
 * could serve to make it again is removed. Only the bundle of S says what of S is to be kept, so
 * this removes nothing of other subtasks of the same attempt: their bundles do. */
#include "operators/sink/parts_inner.h"

#include "runtime/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE (1u << 20)

bool parts_unlink(struct parts *parts, int dir, const char *name, struct error *err)
{
    parts->directory_changed = true;
    return unlinkat(dir, name, 0) == 0 || errno == ENOENT ||
           error_errno(err, name, "cannot remove the file");
}

bool parts_scan(const char *dir, const char *suffix, parts_each *each, void *context,
                struct error *err)
{
    DIR *list = opendir(dir);
    bool fine = true;
    if (!list)
        return error_errno(err, dir, "cannot list the directory");
    for (struct dirent *entry = readdir(list); fine && entry; entry = readdir(list)) {
        struct part_name name = part_name_read(entry->d_name, suffix);
        if (name.kind != PART_OTHER)
            fine = each(context, &name, entry->d_name, err);
    }
    closedir(list);
    return fine;
}

/* False when there is no such file. */
static bool size_of(int dir, const char *name, uint64_t *size)
{
    struct stat status;
    if (fstatat(dir, name, &status, 0) != 0)
        return false;
    *size = (uint64_t)status.st_size;
    return true;
}

static const char lost_how[] = "restore the directory, or start anew without the checkpoint";

static bool lost(struct error *err, const struct bundle *bundle, const char *name, uint64_t length)
{
    return error_set(err, ERROR_STATE, bundle->dir, lost_how,
                     "%" PRIu64 " bytes that checkpoint %" PRIu64 " has written to %s are gone",
                     length, bundle->checkpoint, name);
}

static struct part_name name_of(const struct bundle *bundle, const struct bundle_file *file,
                                enum part_kind kind)
{
    struct part_name name = {.kind = kind, .number = file->number};
    name.checkpoint = file->checkpoint ? file->checkpoint : bundle->checkpoint;
    CHECK(subtask_parse(bundle->subtask, &name.subtask, &name.attempt));
    return name;
}

static bool publish_file(int dir, const struct bundle *bundle, const struct bundle_file *file,
                         bool *changed, struct error *err)
{
    struct part_name hidden = name_of(bundle, file, PART_PROGRESS);
    struct part_name visible = name_of(bundle, file, PART_VISIBLE);
    char from[PART_NAME_MAX], to[PART_NAME_MAX];
    uint64_t size;

    part_name_write(&hidden, bundle->suffix, from);
    part_name_write(&visible, bundle->suffix, to);
    if (size_of(dir, to, &size))
        return size == file->length || lost(err, bundle, to, file->length);
    if (!size_of(dir, from, &size) || size != file->length)
        return lost(err, bundle, to, file->length);
    *changed = true;
    return renameat(dir, from, dir, to) == 0 || error_errno(err, to, "cannot rename the file");
}

bool parts_publish(int dir, const struct bundle *bundle, bool *changed, struct error *err)
{
    for (uint32_t k = 0; k < bundle->count; k++)
        if (bundle->files[k].checkpoint &&
            !publish_file(dir, bundle, &bundle->files[k], changed, err))
            return false;
    return true;
}

/* ---- the file that was in progress ---- */

struct search { /* for a file by subtask and number */
    struct part_name wanted;
    uint64_t after; /* visible ones of later checkpoints only */
    char found[PART_NAME_MAX];
};

static bool is_source(void *context, const struct part_name *name, const char *text,
                      struct error *err)
{
    struct search *search = context;
    (void)err; /* cannot fail */
    if (name->subtask == search->wanted.subtask && name->attempt == search->wanted.attempt &&
        name->number == search->wanted.number &&
        (name->kind == PART_PROGRESS ||
         (name->kind == PART_VISIBLE && name->checkpoint > search->after)))
        memcpy(search->found, text, strlen(text) + 1);
    return true;
}

static bool copy_bytes(int from, int to, uint64_t length, const char *name, struct error *err)
{
    uint8_t *buffer = memory_new(COPY_SIZE);
    bool fine = true;
    for (uint64_t at = 0; fine && at < length;) {
        size_t want = length - at < COPY_SIZE ? (size_t)(length - at) : COPY_SIZE;
        ssize_t got = pread(from, buffer, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            fine = error_errno(err, name, "cannot read it to the committed length");
        else if (!file_write(to, buffer, (size_t)got))
            fine = error_errno(err, name, "cannot copy it");
        at += fine ? (uint64_t)got : 0;
    }
    memory_free(buffer);
    if (fine && fsync(to) != 0)
        fine = error_errno(err, name, "cannot write its copy to the disk");
    return fine;
}

/* A copy of its own and not the old file cut: the former owner may still write to that. */
static bool copy_file(struct parts *parts, int dir, const struct bundle *bundle,
                      const struct bundle_file *file, const char *from, const char *to,
                      struct error *err)
{
    struct part_name name = {.kind = PART_COPY,
                             .subtask = parts->subtask,
                             .attempt = parts->attempt,
                             .number = file->number};
    char copy[PART_NAME_MAX];
    part_name_write(&name, bundle->suffix, copy);
    if (!parts_unlink(parts, dir, copy, err))
        return false;
    int in = openat(dir, from, O_RDONLY | O_CLOEXEC);
    int out = openat(dir, copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool fine = in >= 0 && out >= 0;
    if (!fine)
        error_errno(err, from, "cannot copy it");
    fine = fine && copy_bytes(in, out, file->length, from, err);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return fine &&
           (renameat(dir, copy, dir, to) == 0 || error_errno(err, to, "cannot rename the file"));
}

static bool settle_open_file(struct parts *parts, int dir, const struct bundle *bundle,
                             const struct bundle_file *file, struct error *err)
{
    struct part_name visible = name_of(bundle, file, PART_VISIBLE);
    struct search search = {.wanted = visible, .after = bundle->checkpoint};
    char to[PART_NAME_MAX];
    uint64_t size;

    part_name_write(&visible, bundle->suffix, to);
    if (size_of(dir, to, &size))
        return size == file->length || lost(err, bundle, to, file->length);
    if (!parts_scan(bundle->dir, bundle->suffix, is_source, &search, err))
        return false;
    if (!search.found[0] || !size_of(dir, search.found, &size) || size < file->length)
        return lost(err, bundle, to, file->length);
    return copy_file(parts, dir, bundle, file, search.found, to, err);
}

/* ---- what came after ---- */

struct undo {
    struct parts *parts;
    int dir;
    const struct bundle *bundle;
    uint32_t subtask; /* of the bundle */
    uint64_t attempt;
};

static bool is_undone(const struct undo *undo, const struct part_name *name)
{
    bool same = name->subtask == undo->subtask && name->attempt == undo->attempt;
    bool others_care = !same && name->attempt == undo->attempt; /* their bundles settle it */
    if (name->kind == PART_VISIBLE)
        return name->checkpoint > undo->bundle->checkpoint && !others_care;
    if (undo->attempt >= undo->parts->attempt)
        return false; /* epochs have begun anew, in another checkpoint folder: it may be in use */
    return name->attempt < undo->parts->attempt && !others_care;
}

static bool undo_file(void *context, const struct part_name *name, const char *text,
                      struct error *err)
{
    struct undo *undo = context;
    return !is_undone(undo, name) || parts_unlink(undo->parts, undo->dir, text, err);
}

static bool same_directory(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    bool same = real_a && real_b && strcmp(real_a, real_b) == 0;
    free(real_a);
    free(real_b);
    return same;
}

static bool sync_dir(int dir, const struct bundle *bundle, struct error *err)
{
    return fsync(dir) == 0 ||
           error_errno(err, bundle->dir, "cannot write the directory to the disk");
}

static bool settle(struct parts *parts, int dir, const struct bundle *bundle, struct error *err)
{
    struct undo undo = {.parts = parts, .dir = dir, .bundle = bundle};
    bool changed = false;

    CHECK(subtask_parse(bundle->subtask, &undo.subtask, &undo.attempt));
    if (!parts_publish(dir, bundle, &changed, err))
        return false;
    for (uint32_t k = 0; k < bundle->count; k++)
        if (!bundle->files[k].checkpoint && bundle->files[k].length > 0 &&
            !settle_open_file(parts, dir, bundle, &bundle->files[k], err))
            return false;
    if (!sync_dir(dir, bundle, err))
        return false;
    if (!same_directory(bundle->dir, parts->options.dir))
        return true; /* a fork: the old run's later output stays its own */
    return parts_scan(bundle->dir, bundle->suffix, undo_file, &undo, err) &&
           sync_dir(dir, bundle, err);
}

static bool settle_former(struct parts *parts, const struct bundle *bundle, struct error *err)
{
    if (bundle->count == 0 && !same_directory(bundle->dir, parts->options.dir))
        return true; /* a fork of a run that had written nothing */
    int dir = parts_open_dir(bundle->dir, err);
    bool fine = dir >= 0 && settle(parts, dir, bundle, err);
    if (dir >= 0)
        close(dir);
    return fine;
}

/* What is not there when a run begins is a mistake; later attempts wait for it to come back. */
static bool not_settled(const struct parts *parts, struct error *err)
{
    return (uint32_t)parts->attempt == 1 ? error_mistake(err, lost_how) : false;
}

bool parts_settle(struct parts *parts, struct error *err)
{
    while (parts->former_count > 0) {
        struct bundle *bundle = &parts->formers[parts->former_count - 1];
        if (!settle_former(parts, bundle, err))
            return not_settled(parts, err);
        bundle_clear(bundle);
        parts->former_count--;
    }
    return true;
}

bool parts_restore(struct parts *parts, const uint8_t *data, size_t size, struct error *err)
{
    struct bundle bundle;
    if (!bundle_read(&bundle, data, size, err))
        return false;
    for (uint32_t k = 0; k < parts->former_count; k++) {
        struct bundle *former = &parts->formers[k];
        if (strcmp(former->subtask, bundle.subtask) != 0 || strcmp(former->dir, bundle.dir) != 0)
            continue;
        if (former->checkpoint < bundle.checkpoint) {
            bundle_clear(former);
            *former = bundle;
        } else {
            bundle_clear(&bundle);
        }
        return true;
    }
    parts->formers = memory_grow(parts->formers, parts->former_count + 1, sizeof(bundle));
    parts->formers[parts->former_count++] = bundle;
    return true;
}
