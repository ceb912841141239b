/* Manifests in checkpoint stores: names, order, fencing, retention (manifest.h). */
#include "state/manifest_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OBJECT "manifest.json"

/* ---- names ---- */

void manifest_name(const struct manifest *manifest, char *name)
{
    (void)snprintf(name, CHECKPOINT_NAME_MAX, "%s/chk-%06" PRIu64 "-e%u-a%u/" OBJECT,
                   manifest->job_name, manifest->checkpoint, manifest->epoch, manifest->attempt);
}

void manifest_file_name(const char *job_name, const char *file, char *name)
{
    (void)snprintf(name, CHECKPOINT_NAME_MAX, "%s/shared/%s", job_name, file);
}

/* Only names that manifest_name makes. */
static bool place_parse(const char *name, const char *job_name, struct place *place)
{
    char again[CHECKPOINT_NAME_MAX];
    size_t job_size = strlen(job_name);
    struct manifest manifest = {.job_name = job_name};

    if (strncmp(name, job_name, job_size) != 0 ||
        sscanf(name + job_size, "/chk-%" SCNu64 "-e%" SCNu32 "-a%" SCNu32 "/", &place->checkpoint,
               &place->epoch, &place->attempt) != 3)
        return false;
    manifest.checkpoint = place->checkpoint;
    manifest.epoch = place->epoch;
    manifest.attempt = place->attempt;
    manifest_name(&manifest, again);
    return strcmp(name, again) == 0;
}

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->epoch != y->epoch)
        return x->epoch > y->epoch ? -1 : 1;
    if (x->attempt != y->attempt)
        return x->attempt > y->attempt ? -1 : 1;
    return (x->checkpoint < y->checkpoint) - (x->checkpoint > y->checkpoint);
}

bool places_list(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 struct places *places, struct error *err)
{
    char prefix[CHECKPOINT_NAME_MAX];
    struct name_list names;

    (void)snprintf(prefix, sizeof(prefix), "%s/chk-", job_name);
    if (!checkpoint_list(store, prefix, arena, &names, err))
        return false;
    places->count = 0;
    places->list = arena_new(arena, (names.count + 1ul) * sizeof(*places->list));
    for (uint32_t i = 0; i < names.count; i++) {
        struct place place = {.name = names.names[i]};

        if (place_parse(names.names[i], job_name, &place))
            places->list[places->count++] = place;
    }
    if (places->count)
        qsort(places->list, places->count, sizeof(*places->list), place_order);
    return true;
}

/* ---- reading ---- */

static bool job_of(const char *name, struct arena *arena, char **job_name)
{
    const char *slash = strchr(name, '/');

    *job_name = slash ? arena_copy(arena, name, (size_t)(slash - name)) : NULL;
    return slash != NULL;
}

/* The folder's name wins over the job's, so that a folder may be
 * copied elsewhere. */
struct manifest *manifest_load(struct checkpoint_store *store, const char *name,
                               struct arena *arena, struct error *err)
{
    char wanted[CHECKPOINT_NAME_MAX];
    struct manifest *manifest = NULL;
    struct bytes bytes = {0};
    char *job_name;

    CHECK(strlen(name) > strlen("/" OBJECT));
    if (!checkpoint_get(store, name, MANIFEST_SIZE_MAX, &bytes, err))
        goto out;
    manifest = manifest_decode(bytes.data, bytes.size, arena, err);
    if (!manifest) {
        error_wrap(err, "%s/%.*s", store->place, (int)(strlen(name) - strlen("/" OBJECT)), name);
        goto out;
    }
    if (job_of(name, arena, &job_name))
        manifest->job_name = job_name;
    manifest_name(manifest, wanted);
    if (strcmp(name, wanted) != 0) {
        error_set(err, ERROR_STATE, name, "use an older checkpoint",
                  "damaged checkpoint: the manifest is that of \"%s\"", wanted);
        manifest = NULL;
    }
out:
    bytes_clear(&bytes);
    return manifest;
}

static void files_add(struct manifest_files *files, const struct store_file *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (files->count == files->capacity) {
            files->capacity = files->capacity ? files->capacity * 2 : 64;
            files->list = memory_grow(files->list, files->capacity, sizeof(void *));
        }
        files->list[files->count++] = &list[i];
    }
}

static int file_order(const void *a, const void *b)
{
    const struct store_file *x = *(const struct store_file *const *)a;
    const struct store_file *y = *(const struct store_file *const *)b;

    return strcmp(x->name, y->name);
}

void manifest_files_of(const struct manifest *manifest, struct manifest_files *files)
{
    for (uint32_t i = 0; i < manifest->operator_count; i++) {
        const struct manifest_operator *op = &manifest->operators[i];

        for (uint32_t k = 0; k < op->subtask_count; k++) {
            const struct manifest_subtask *subtask = &op->subtasks[k];

            files_add(files, subtask->files, subtask->file_count);
            files_add(files, subtask->attachments, subtask->attachment_count);
        }
    }
    if (files->count)
        qsort(files->list, files->count, sizeof(void *), file_order);
}

bool manifest_files_have(const struct manifest_files *files, const struct store_file *file)
{
    return files->count > 0 &&
           bsearch(&file, files->list, files->count, sizeof(void *), file_order);
}

bool manifest_file_check(struct checkpoint_store *store, const char *job_name,
                         const struct store_file *file, struct error *err)
{
    char name[CHECKPOINT_NAME_MAX], where[PATH_SIZE_MAX + CHECKPOINT_NAME_MAX];
    uint64_t size, checksum;

    manifest_file_name(job_name, file->name, name);
    if (!checkpoint_sum(store, name, &size, &checksum, err))
        return false;
    (void)snprintf(where, sizeof(where), "%s/%s", store->place, name);
    if (size != file->size)
        return error_set(err, ERROR_STATE, where, "use an older checkpoint",
                         "damaged file: %" PRIu64 " bytes, the manifest says %" PRIu64, size,
                         file->size);
    return checksum == file->checksum ||
           error_set(err, ERROR_STATE, where, "use an older checkpoint",
                     "damaged file: its checksum is not the manifest's");
}

bool manifest_verify(struct checkpoint_store *store, const struct manifest *manifest,
                     struct error *err)
{
    struct manifest_files files = {0};
    bool ok = true;

    manifest_files_of(manifest, &files);
    for (uint32_t i = 0; ok && i < files.count; i++) {
        const struct store_file *file = files.list[i], *before = i ? files.list[i - 1] : NULL;

        if (before && strcmp(before->name, file->name) == 0 && before->size == file->size &&
            before->checksum == file->checksum)
            continue; /* shared by subtasks */
        ok = manifest_file_check(store, manifest->job_name, file, err);
    }
    memory_free(files.list);
    return ok;
}

struct manifest *manifest_read(struct checkpoint_store *store, const char *name,
                               struct arena *arena, struct error *err)
{
    struct manifest *manifest = manifest_load(store, name, arena, err);

    return manifest && manifest_verify(store, manifest, err) ? manifest : NULL;
}

static void skip_add(struct manifest_skipped *skipped, struct arena *arena, const char *name,
                     const struct error *err)
{
    char **lines;

    if (!skipped)
        return;
    lines = arena_new(arena, (skipped->count + 1ul) * sizeof(char *));
    if (skipped->count)
        memcpy(lines, skipped->lines, skipped->count * sizeof(char *));
    lines[skipped->count++] =
        arena_format(arena, "%s: %s%s%s", name, err->where, err->where[0] ? ": " : "", err->what);
    skipped->lines = lines;
}

/* Leaves out what was given up: runs write on for a moment after another one has begun from an
 * earlier checkpoint of theirs, or were set back by hand. */
static bool places_leave(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                         struct places *places, struct error *err)
{
    struct place base = {0};
    const char *from;
    uint32_t epoch, kept = 0;

    if (!epoch_begin(store, job_name, arena, &epoch, &from, err))
        return false;
    if (epoch == 0 || !place_parse(from, job_name, &base))
        return true;
    for (uint32_t i = 0; i < places->count; i++)
        if (places->list[i].epoch >= epoch || place_order(&places->list[i], &base) >= 0)
            places->list[kept++] = places->list[i];
    places->count = kept;
    return true;
}

bool places_good(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 struct places *places, struct error *err)
{
    return places_list(store, job_name, arena, places, err) &&
           places_leave(store, job_name, arena, places, err);
}

bool manifest_count(struct checkpoint_store *store, const char *job_name, uint32_t *count,
                    char *newest, struct error *err)
{
    struct arena *arena = arena_create(4096);
    struct places places = {0};
    bool good = places_good(store, job_name, arena, &places, err);

    *count = places.count;
    (void)snprintf(newest, CHECKPOINT_NAME_MAX, "%s", places.count > 0 ? places.list[0].name : "");
    arena_close(arena);
    return good;
}

bool manifest_latest(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                     struct arena *arena, struct manifest **out, struct manifest_skipped *skipped,
                     struct error *err)
{
    struct places places;

    *out = NULL;
    if (skipped)
        *skipped = (struct manifest_skipped){0};
    if (!places_good(store, job_name, arena, &places, err))
        return false;
    for (uint32_t i = 0; i < places.count; i++) {
        struct error why = {0};

        if (epoch != 0 && places.list[i].epoch != epoch)
            continue;
        *out = manifest_read(store, places.list[i].name, arena, &why);
        if (*out)
            return true;
        skip_add(skipped, arena, places.list[i].name, &why);
    }
    return true;
}

/* ---- writing ---- */

static bool fenced(struct error *err, const char *name, const char *by)
{
    return error_set(err, ERROR_FENCED, name, NULL,
                     "a newer coordinator or attempt has taken over: \"%s\" is there", by);
}

/* Somebody put this name before: ourselves, when an earlier try was only told to have failed. */
static bool is_ours(struct checkpoint_store *store, const char *name, const struct bytes *text)
{
    struct bytes there = {0};
    struct error err;
    bool same = checkpoint_get(store, name, MANIFEST_SIZE_MAX, &there, &err) &&
                there.size == text->size && memcmp(there.data, text->data, text->size) == 0;

    bytes_clear(&there);
    return same;
}

bool manifest_write(struct checkpoint_store *store, const struct manifest *manifest,
                    struct error *err)
{
    struct arena *arena = arena_create(4096);
    char name[CHECKPOINT_NAME_MAX];
    struct bytes text = {0};
    struct places places;
    bool ok = false;

    manifest_name(manifest, name);
    if (!manifest_epoch_check(store, manifest->job_name, manifest->epoch, err) ||
        !places_list(store, manifest->job_name, arena, &places, err))
        goto out;
    if (places.count &&
        (places.list[0].epoch > manifest->epoch ||
         (places.list[0].epoch == manifest->epoch && places.list[0].attempt > manifest->attempt))) {
        fenced(err, name, places.list[0].name);
        goto out;
    }
    manifest_encode(manifest, &text);
    switch (checkpoint_put(store, name, text.data, text.size, err)) {
    case PUT_DONE:
        ok = true;
        break;
    case PUT_EXISTS:
        ok = is_ours(store, name, &text) || fenced(err, name, name);
        break;
    case PUT_FAILED:
        break;
    }
    /* A newer run that has claimed its epoch since then may have looked for the newest checkpoint
     * before this one: it does not count. One that claims from here on sees it. */
    ok = ok && manifest_epoch_check(store, manifest->job_name, manifest->epoch, err);
out:
    bytes_clear(&text);
    arena_close(arena);
    return ok;
}

/* ---- what a user gave ---- */

static bool is_folder(const char *path)
{
    struct stat stat_buffer;

    return stat(path, &stat_buffer) == 0 && S_ISDIR(stat_buffer.st_mode);
}

static bool no_checkpoint(struct error *err, const char *path)
{
    return error_set(err, ERROR_CONFIG, path,
                     "give a manifest.json, its folder, or the folder of a job",
                     "there is no checkpoint");
}

/* Cuts the last part off an absolute path and returns it; NULL at the root. */
static char *part_cut(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || !slash[1])
        return NULL;
    *slash = 0;
    return slash + 1;
}

static bool open_one(char *folder, struct arena *arena, struct checkpoint_store **store,
                     struct manifest **out, struct error *err)
{
    const char *given = arena_text(arena, folder);
    const char *chk = part_cut(folder), *job = chk ? part_cut(folder) : NULL;
    const char *name;

    if (!job)
        return no_checkpoint(err, given);
    name = arena_format(arena, "%s/%s/" OBJECT, job, chk);
    *store = checkpoint_store_dir(folder[0] ? folder : "/", err);
    if (!*store)
        return false;
    *out = manifest_load(*store, name, arena, err);
    return *out && manifest_mend(*store, *out, err);
}

static bool open_newest(char *folder, struct arena *arena, struct checkpoint_store **store,
                        struct manifest **out, struct manifest_skipped *skipped, struct error *err)
{
    const char *given = arena_text(arena, folder), *job = part_cut(folder);

    if (!job)
        return no_checkpoint(err, given);
    *store = checkpoint_store_dir(folder[0] ? folder : "/", err);
    if (!*store || !manifest_latest(*store, job, 0, arena, out, skipped, err))
        return false;
    if (*out)
        return true;
    if (!skipped->count)
        return no_checkpoint(err, given);
    if (!manifest_latest_mended(*store, job, 0, arena, out, err))
        return false;
    if (*out)
        return true;
    return error_set(err, ERROR_STATE, given,
                     "restore the folder from a copy, or start anew without it",
                     "no checkpoint is whole; %s", skipped->lines[0]);
}

bool manifest_open(const char *path, struct arena *arena, struct checkpoint_store **store,
                   struct manifest **out, struct manifest_skipped *skipped, struct error *err)
{
    struct manifest_skipped own;
    char *real = realpath(path, NULL), *manifest;
    bool ok = false;

    *store = NULL;
    *out = NULL;
    skipped = skipped ? skipped : &own;
    *skipped = (struct manifest_skipped){0};
    if (!real) {
        no_checkpoint(err, path);
    } else if (!is_folder(real)) {
        const char *object = part_cut(real);

        ok = object && strcmp(object, OBJECT) == 0 ? open_one(real, arena, store, out, err)
                                                   : no_checkpoint(err, path);
    } else {
        struct stat stat_buffer;

        manifest = memory_format("%s/" OBJECT, real);
        ok = stat(manifest, &stat_buffer) == 0 ? open_one(real, arena, store, out, err)
                                               : open_newest(real, arena, store, out, skipped, err);
        memory_free(manifest);
    }
    if (!ok) {
        checkpoint_store_close(*store);
        *store = NULL;
    }
    free(real);
    return ok;
}

/* ---- retention ---- */

struct retention {
    struct checkpoint_store *store;
    const char *job_name;
    uint32_t epoch; /* 0: of all */
    struct arena *arena;
    struct places places;
    bool *keep; /* by place */
    struct manifest_files kept, gone;
    bool blind; /* a manifest that is kept cannot be read: no file may go */
};

static void retention_choose(struct retention *retention, uint32_t retain, const char *keep)
{
    uint32_t good = 0;

    retention->keep = arena_new(retention->arena, retention->places.count + 1ul);
    for (uint32_t i = 0; i < retention->places.count; i++) {
        const char *name = retention->places.list[i].name;
        bool wanted = good < retain || (keep && strcmp(keep, name) == 0);
        struct manifest *manifest;
        struct error err;

        manifest = manifest_load(retention->store, name, retention->arena, &err);
        if (manifest)
            wanted |= manifest->savepoint;
        retention->keep[i] = wanted;
        if (!manifest) {
            retention->blind |= wanted;
            continue;
        }
        good += !manifest->savepoint;
        manifest_files_of(manifest, wanted ? &retention->kept : &retention->gone);
    }
    if (retention->kept.count)
        qsort(retention->kept.list, retention->kept.count, sizeof(void *), file_order);
}

static bool retention_remove(const struct retention *retention, struct error *err)
{
    char name[CHECKPOINT_NAME_MAX];
    bool ok = true;

    /* Looked at again before each: a newer run may have begun from one of them. */
    for (uint32_t i = retention->places.count; ok && i-- > 0;)
        if (!retention->keep[i])
            ok = manifest_epoch_check(retention->store, retention->job_name, retention->epoch,
                                      err) &&
                 checkpoint_remove(retention->store, retention->places.list[i].name, err);
    for (uint32_t i = 0; ok && !retention->blind && i < retention->gone.count; i++) {
        const struct store_file *file = retention->gone.list[i];

        if (manifest_files_have(&retention->kept, file))
            continue;
        manifest_file_name(retention->job_name, file->name, name);
        ok = checkpoint_remove(retention->store, name, err);
        manifest_copy_name(retention->job_name, file->name, name);
        ok = ok && checkpoint_remove(retention->store, name, err);
    }
    return ok;
}

/* The own ones and the one that the run began from: files of others are in neither, but for those
 * of the latter. */
static void retention_own(struct retention *retention, const char *keep)
{
    struct places *places = &retention->places;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < places->count; i++)
        if (places->list[i].epoch == retention->epoch ||
            (keep && strcmp(keep, places->list[i].name) == 0))
            places->list[kept++] = places->list[i];
    places->count = kept;
}

bool manifest_retain(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                     uint32_t retain, const char *keep, struct error *err)
{
    struct retention retention = {
        .store = store, .job_name = job_name, .epoch = epoch, .arena = arena_create(16384)};
    bool ok = places_list(store, job_name, retention.arena, &retention.places, err);

    if (ok)
        retention_own(&retention, keep);
    if (ok && retention.places.count > retain) {
        retention_choose(&retention, retain, keep);
        ok = retention_remove(&retention, err);
    }
    memory_free(retention.kept.list);
    memory_free(retention.gone.list);
    arena_close(retention.arena);
    return ok;
}

bool manifest_sweep(struct checkpoint_store *store, const char *job_name, struct error *err)
{
    struct retention retention = {
        .store = store, .job_name = job_name, .arena = arena_create(16384)};
    char prefix[CHECKPOINT_NAME_MAX];
    struct name_list names = {0};
    bool ok = places_list(store, job_name, retention.arena, &retention.places, err);

    (void)snprintf(prefix, sizeof(prefix), "%s/shared/", job_name);
    if (ok)
        retention_choose(&retention, UINT32_MAX, NULL);
    if (ok && !retention.blind)
        ok = checkpoint_list(store, prefix, retention.arena, &names, err);
    for (uint32_t i = 0; ok && i < names.count; i++) {
        struct store_file file = {0};

        (void)snprintf(file.name, sizeof(file.name), "%s", names.names[i] + strlen(prefix));
        if (!manifest_files_have(&retention.kept, &file))
            ok = checkpoint_remove(store, names.names[i], err);
    }
    memory_free(retention.kept.list);
    memory_free(retention.gone.list);
    arena_close(retention.arena);
    return ok;
}
