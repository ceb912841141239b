/* See checkpoints.h. */
#include "runtime/control/checkpoints.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/control/owner.h"
#include "runtime/worker/restore.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Blocking work. One piece at a time: were a restore point looked for while a manifest is being
 * written, the job could go on from the checkpoint before it, and once more from this one. */
struct piece {
    uv_work_t work;
    struct checkpoints *checkpoints;
    uv_work_cb run;
    uv_after_work_cb done;
    struct piece *next;
};

struct checkpoints {
    struct piece *first, **last; /* the first one is under way */
    uv_loop_t *loop;
    const struct plan *plan;
    struct checkpoint_store *store;
    uint32_t epoch;
    struct arena *arena;
    uint64_t written;          /* the last checkpoint; pieces of work only */
    struct manifest *restored; /* NULL: the run began from nothing */
    char restored_name[CHECKPOINT_NAME_MAX];
    uint32_t earlier; /* checkpoints of earlier runs that a run from nothing has found */
    char earlier_name[CHECKPOINT_NAME_MAX];
    char job_dir[PATH_SIZE_MAX], work_dir[PATH_SIZE_MAX], spill_dir[PATH_SIZE_MAX];
};

/* ---- pieces ---- */
static void piece_begin(struct piece *piece);

static void piece_done(uv_work_t *work, int status)
{
    struct piece *piece = work->data;
    struct checkpoints *checkpoints = piece->checkpoints;

    checkpoints->first = piece->next;
    if (piece->next)
        piece_begin(piece->next);
    else
        checkpoints->last = &checkpoints->first;
    piece->done(work, status); /* frees it */
}

static void piece_begin(struct piece *piece)
{
    piece->work.data = piece;
    CHECK(uv_queue_work(piece->checkpoints->loop, &piece->work, piece->run, piece_done) == 0);
}

static void piece_add(struct checkpoints *checkpoints, struct piece *piece, uv_work_cb run,
                      uv_after_work_cb done)
{
    bool idle = !checkpoints->first;

    piece->checkpoints = checkpoints;
    piece->run = run;
    piece->done = done;
    *checkpoints->last = piece;
    checkpoints->last = &piece->next;
    if (idle)
        piece_begin(piece);
}

/* ---- opening ---- */
static const char *job_name(const struct checkpoints *checkpoints)
{
    return checkpoints->plan->settings.job.name;
}

static bool check_changes(const struct plan *plan, const struct manifest *manifest,
                          const char *path, struct error *err)
{
    struct bytes fixed = {0}, told = {0};
    bool good = true;

    restore_changes(plan, manifest, &fixed, &told);
    if (fixed.size > 0)
        good = error_set(
            err, ERROR_CONFIG, path, "leave them as they were, or begin without the checkpoint",
            "this checkpoint is of another job: %.*s", (int)fixed.size, (const char *)fixed.data);
    else if (told.size > 0)
        log_line(LOG_WARN, "the job is not as it was at the checkpoint",
                 "what=\"%.*s\" effect=\"from here on\"", (int)told.size, (const char *)told.data);
    bytes_clear(&fixed);
    bytes_clear(&told);
    return good;
}

static bool check_missing(const struct plan *plan, const struct manifest *manifest,
                          const char *path, bool allow_missing, struct error *err)
{
    struct bytes names = {0};
    bool good = true;

    restore_missing(plan, manifest, &names);
    if (names.size > 0 && allow_missing)
        log_line(LOG_WARN, "state is dropped, for the job has it no more", "what=\"%.*s\"",
                 (int)names.size, (const char *)names.data);
    else if (names.size > 0)
        good = error_set(err, ERROR_CONFIG, path,
                         "give them back, or drop their state with -n (--allowNonRestoredState)",
                         "this checkpoint has state that the job has not: %.*s", (int)names.size,
                         (const char *)names.data);
    bytes_clear(&names);
    return good;
}

static bool check_fits(const struct plan *plan, const struct manifest *manifest, const char *path,
                       bool allow_missing, struct error *err)
{

    if (strcmp(manifest->job_name, plan->settings.job.name) != 0)
        return error_set(err, ERROR_CONFIG, path,
                         "give the job file that it belongs to; a copy of a job's folder bears the "
                         "job's name",
                         "this checkpoint is of job `%s`, not of `%s`", manifest->job_name,
                         plan->settings.job.name);
    for (uint32_t o = 0; o < manifest->operator_count; o++)
        if (manifest->operators[o].key_groups != (uint32_t)plan->settings.job.key_groups)
            return error_set(err, ERROR_CONFIG, path,
                             "key groups are fixed for the life of a job's state",
                             "this checkpoint has %u key groups, the job file has %" PRId64,
                             manifest->operators[o].key_groups, plan->settings.job.key_groups);
    return check_missing(plan, manifest, path, allow_missing, err) &&
           check_changes(plan, manifest, path, err);
}

/* At its end a job has closed all windows and told all timers. */
static void log_ended(const struct plan *plan, const struct manifest *manifest)
{
    const char *id = NULL;

    for (uint32_t i = 0; manifest->final && !id && i < plan->op_count; i++)
        if (plan->ops[i].def->on_timer ||
            (plan->ops[i].def->on_watermark && !plan->ops[i].def->prepare))
            id = plan->ops[i].id;
    if (id)
        log_line(
            LOG_WARN, "the job had ended there, with its windows closed",
            "operator=%s effect=\"rows of further input come too late for it\" "
            "mend=\"begin anew with all input, or go on from a run that was stopped by Ctrl-C\"",
            id);
}

static void log_skipped(const struct manifest_skipped *skipped)
{
    for (uint32_t i = 0; i < skipped->count; i++)
        log_line(LOG_WARN, "a damaged checkpoint is passed over", "why=\"%s\"", skipped->lines[i]);
}

static bool open_restored(struct checkpoints *checkpoints, const char *path, bool allow_missing,
                          struct error *err)
{
    struct manifest_skipped skipped = {0};

    if (!manifest_open(path, checkpoints->arena, &checkpoints->store, &checkpoints->restored,
                       &skipped, err))
        return false;
    log_skipped(&skipped);
    manifest_name(checkpoints->restored, checkpoints->restored_name);
    if (!check_fits(checkpoints->plan, checkpoints->restored, path, allow_missing, err))
        return false;
    log_ended(checkpoints->plan, checkpoints->restored);
    return true;
}

/* Whether the run that holds the folder lives on this machine. False also when it cannot be seen. */
static bool held(struct checkpoints *checkpoints, int64_t *pid)
{
    const char *owner;
    uint32_t epoch;

    return manifest_epoch_newest(checkpoints->store, job_name(checkpoints), checkpoints->arena,
                                 &epoch, &owner, NULL) &&
           epoch > 0 && owner_lives(owner, pid);
}

static bool claim(struct checkpoints *checkpoints, struct error *err)
{
    char owner[OWNER_TEXT_MAX];
    int64_t pid;

    if (held(checkpoints, &pid))
        log_line(LOG_WARN, "takes the job over from a process that still lives", "pid=%" PRId64,
                 pid);
    owner_text(owner, sizeof(owner));
    return manifest_epoch_claim(checkpoints->store, job_name(checkpoints), owner,
                                &checkpoints->epoch, err);
}

/* New checkpoints share files with it, so they go where it is. */
static void log_place(const struct checkpoints *checkpoints)
{
    const char *dir = checkpoints->plan->settings.checkpoint.dir;
    char *wanted = realpath(dir, NULL);

    if (!wanted || strcmp(wanted, checkpoints->store->place) != 0)
        log_line(LOG_WARN, "checkpoints go on beside the one that the job began from",
                 "folder=\"%s\" checkpoint.dir=\"%s\" mend=\"move the job's folder there first\"",
                 checkpoints->store->place, dir);
    free(wanted);
}

/* From a checkpoint. The epoch is claimed once it is known to fit, so that a wrong command fences
 * nobody; were a checkpoint completed meanwhile by the run before, it is looked for again. */
static bool open_again(struct checkpoints *checkpoints, const char *path, bool allow_missing,
                       struct error *err)
{
    char before[CHECKPOINT_NAME_MAX], newest[CHECKPOINT_NAME_MAX];
    struct checkpoint_store *store;
    uint32_t count;

    if (!open_restored(checkpoints, path, allow_missing, err) ||
        !manifest_count(checkpoints->store, job_name(checkpoints), &count, before, err) ||
        !claim(checkpoints, err) ||
        !manifest_count(checkpoints->store, job_name(checkpoints), &count, newest, err))
        return false;
    store = checkpoints->store;
    if (strcmp(before, newest) != 0) {
        checkpoints->store = NULL;
        checkpoint_store_close(store);
        if (!open_restored(checkpoints, path, allow_missing, err))
            return false;
    }
    log_place(checkpoints);
    return manifest_epoch_begun(checkpoints->store, job_name(checkpoints), checkpoints->epoch,
                                checkpoints->restored_name, err);
}

/* Two runs of one job are not begun side by side in one folder. */
static bool check_alone(struct checkpoints *checkpoints, struct error *err)
{
    int64_t pid;

    if (!held(checkpoints, &pid))
        return true;
    return error_set(err, ERROR_CONFIG, checkpoints->store->place,
                     "wait for it or stop it; or set another job.name or checkpoint.dir; or take "
                     "over from its last checkpoint with -s",
                     "a job `%s` is running with this checkpoint folder (process %" PRId64 ")",
                     job_name(checkpoints), pid);
}

/* From nothing. */
static bool open_fresh(struct checkpoints *checkpoints, struct error *err)
{
    const char *job = job_name(checkpoints);

    checkpoints->store = checkpoint_store_dir(checkpoints->plan->settings.checkpoint.dir, err);
    return checkpoints->store && check_alone(checkpoints, err) &&
           manifest_count(checkpoints->store, job, &checkpoints->earlier, checkpoints->earlier_name,
                          err) &&
           claim(checkpoints, err) &&
           manifest_epoch_begun(checkpoints->store, job, checkpoints->epoch, NULL, err);
}

static bool make_folders(const char *path, struct error *err)
{
    char part[PATH_SIZE_MAX];

    for (size_t at = 1; at <= strlen(path); at++) {
        if (path[at] != '/' && path[at] != '\0')
            continue;
        (void)snprintf(part, sizeof(part), "%.*s", (int)at, path);
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return error_errno(err, part, "cannot make the folder");
    }
    return true;
}

/* It is needed only once memory runs out, which may be hours later. */
static bool check_spill(const char *path, struct error *err)
{
    if (make_folders(path, err) &&
        (access(path, W_OK | X_OK) == 0 || error_errno(err, path, "cannot be written")))
        return true;
    return error_mistake(err, "name another folder with state.spill-dir");
}

static bool open_folders(struct checkpoints *checkpoints, struct error *err)
{
    const char *job = job_name(checkpoints);
    const char *spill = checkpoints->plan->settings.state.spill_dir;

    (void)snprintf(checkpoints->job_dir, PATH_SIZE_MAX, "%s/%s", checkpoints->store->place, job);
    (void)snprintf(checkpoints->work_dir, PATH_SIZE_MAX, "%s/%s/shared", checkpoints->store->place,
                   job);
    (void)snprintf(checkpoints->spill_dir, PATH_SIZE_MAX, "%s/%s-spill-%u",
                   spill ? spill : checkpoints->store->place, job, checkpoints->epoch);
    return make_folders(checkpoints->work_dir, err) && (!spill || check_spill(spill, err));
}

struct checkpoints *checkpoints_open(uv_loop_t *loop, const struct plan *plan,
                                     const char *restore_path, bool allow_missing,
                                     struct error *err)
{
    struct checkpoints *checkpoints = memory_new(sizeof(*checkpoints));
    bool good;

    checkpoints->last = &checkpoints->first;
    checkpoints->loop = loop;
    checkpoints->plan = plan;
    checkpoints->arena = arena_create(1u << 16);
    good = restore_path ? open_again(checkpoints, restore_path, allow_missing, err)
                        : open_fresh(checkpoints, err);
    if (good && open_folders(checkpoints, err))
        return checkpoints;
    checkpoints_close(checkpoints);
    return NULL;
}

void checkpoints_close(struct checkpoints *checkpoints)
{
    if (!checkpoints)
        return;
    if (checkpoints->store)
        checkpoint_store_close(checkpoints->store);
    arena_close(checkpoints->arena);
    memory_free(checkpoints);
}

uint32_t checkpoints_epoch(const struct checkpoints *checkpoints)
{
    return checkpoints->epoch;
}

uint64_t checkpoints_restored(const struct checkpoints *checkpoints)
{
    return checkpoints->restored ? checkpoints->restored->checkpoint : 0;
}

uint32_t checkpoints_earlier(const struct checkpoints *checkpoints, char *path, size_t size)
{
    const char *name = checkpoints->earlier_name, *end = strrchr(name, '/');

    (void)snprintf(path, size, "%s/%.*s", checkpoints->store->place, end ? (int)(end - name) : 0,
                   name);
    return checkpoints->earlier;
}

const char *checkpoints_job_dir(const struct checkpoints *checkpoints)
{
    return checkpoints->job_dir;
}

const char *checkpoints_work_dir(const struct checkpoints *checkpoints)
{
    return checkpoints->work_dir;
}

const char *checkpoints_spill_dir(const struct checkpoints *checkpoints)
{
    return checkpoints->spill_dir;
}

/* ---- finding ---- */
struct find {
    struct piece piece; /* first */
    uint32_t attempt;
    checkpoints_found *found;
    void *owner;
    struct arena *arena;
    char path[PATH_SIZE_MAX + CHECKPOINT_NAME_MAX + 16];
    struct error err;
    bool good;
};

/* Its sinks have committed, so it does not begin anew; and no attempt would find another. */
static bool none_whole(struct find *find, const char *why)
{
    return error_set(&find->err, ERROR_CONFIG, find->piece.checkpoints->job_dir,
                     "restore the folder from a copy, or start anew without it",
                     "no checkpoint is whole; %s", why);
}

/* The newest of this run, mended if need be, or what it began from. NULL: it began from nothing. */
static bool find_manifest(struct find *find, struct manifest **manifest)
{
    struct checkpoints *checkpoints = find->piece.checkpoints;
    struct checkpoint_store *store = checkpoints->store;
    struct manifest_skipped skipped = {0};
    const char *job = job_name(checkpoints);
    char text[ERROR_TEXT_MAX];
    struct error why = {0};

    /* What an earlier run left is not ours; a later one must not be disturbed. */
    if (!manifest_epoch_check(store, job, checkpoints->epoch, &find->err) ||
        !manifest_latest(store, job, checkpoints->epoch, find->arena, manifest, &skipped,
                         &find->err))
        return false;
    log_skipped(&skipped);
    if (!*manifest && skipped.count > 0 &&
        !manifest_latest_mended(store, job, checkpoints->epoch, find->arena, manifest, &find->err))
        return false;
    if (*manifest)
        return true;
    *manifest = checkpoints->restored;
    if (!*manifest && skipped.count > 0)
        return none_whole(find, skipped.lines[0]);
    if (!*manifest) {
        (void)snprintf(text, sizeof(text), "the last one, %" PRIu64 ", is gone",
                       checkpoints->written);
        return checkpoints->written == 0 || none_whole(find, text);
    }
    return find->attempt == 1 /* it has just been looked at */ ||
           manifest_mend(store, *manifest, &why) ||
           none_whole(find, error_text(&why, text, sizeof(text)));
}

static void find_work(uv_work_t *work)
{
    struct find *find = work->data;
    struct manifest *manifest = NULL;
    char name[CHECKPOINT_NAME_MAX];

    find->good = find_manifest(find, &manifest);
    if (!find->good || !manifest)
        return;
    manifest_name(manifest, name);
    (void)snprintf(find->path, sizeof(find->path), "%s/%s", find->piece.checkpoints->store->place,
                   name);
}

static void find_done(uv_work_t *work, int status)
{
    struct find *find = work->data;

    (void)status;
    find->found(find->owner, find->attempt, find->path, find->good ? NULL : &find->err);
    arena_close(find->arena);
    memory_free(find);
}

void checkpoints_find(struct checkpoints *checkpoints, uint32_t attempt, checkpoints_found *found,
                      void *owner)
{
    struct find *find = memory_new(sizeof(*find));

    find->attempt = attempt;
    find->found = found;
    find->owner = owner;
    find->arena = arena_create(1u << 16);
    piece_add(checkpoints, &find->piece, find_work, find_done);
}

/* ---- writing ---- */
struct write {
    struct piece piece; /* first */
    checkpoints_written *written;
    void *owner;
    struct arena *arena;
    struct manifest manifest;
    struct error err;
    bool good;
};

static void write_work(uv_work_t *work)
{
    struct write *write = work->data;
    struct checkpoints *checkpoints = write->piece.checkpoints;
    struct error err = {0};
    char text[ERROR_TEXT_MAX];

    write->good = manifest_write(checkpoints->store, &write->manifest, &write->err);
    if (write->good)
        checkpoints->written = write->manifest.checkpoint;
    if (write->good &&
        !manifest_retain(checkpoints->store, write->manifest.job_name, checkpoints->epoch,
                         (uint32_t)checkpoints->plan->settings.checkpoint.retain,
                         checkpoints->restored ? checkpoints->restored_name : NULL, &err) &&
        err.code != ERROR_FENCED) /* that is told by the next manifest */
        log_line(LOG_WARN, "old checkpoints could not be removed", "why=\"%s\"",
                 error_text(&err, text, sizeof(text)));
}

static void copy_work(uv_work_t *work)
{
    struct piece *piece = work->data;
    struct checkpoints *checkpoints = piece->checkpoints;
    struct error err = {0};
    char text[ERROR_TEXT_MAX];

    if (!manifest_copy(checkpoints->store, job_name(checkpoints), checkpoints->epoch, &err) &&
        err.code != ERROR_FENCED)
        log_line(LOG_WARN, "checkpoints share files without a copy", "why=\"%s\"",
                 error_text(&err, text, sizeof(text)));
}

static void copy_done(uv_work_t *work, int status)
{
    (void)status;
    memory_free(work->data);
}

static void write_done(uv_work_t *work, int status)
{
    struct write *write = work->data;

    (void)status;
    write->written(write->owner, write->manifest.checkpoint, write->good ? NULL : &write->err);
    if (write->good && write->piece.checkpoints->plan->settings.checkpoint.copies)
        piece_add(write->piece.checkpoints, memory_new(sizeof(struct piece)), copy_work, copy_done);
    arena_close(write->arena);
    memory_free(write);
}

/* Deep enough for the other thread: the snapshots may go while it writes. */
static void copy_snapshots(const struct subtask_snapshot *from, uint32_t count, struct arena *arena,
                           struct subtask_snapshot *to)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t files = from[i].file_count * sizeof(*from[i].files);

        to[i] = from[i];
        to[i].files = (struct store_file *)(void *)arena_copy(arena, from[i].files, files);
        to[i].meta.data = (uint8_t *)arena_copy(arena, from[i].meta.data, from[i].meta.size);
    }
}

void checkpoints_write(struct checkpoints *checkpoints, uint64_t checkpoint, uint32_t attempt,
                       bool final, const struct subtask_snapshot *snapshots, uint32_t count,
                       checkpoints_written *written, void *owner)
{
    struct write *write = memory_new(sizeof(*write));
    struct subtask_snapshot *copies;

    write->written = written;
    write->owner = owner;
    write->arena = arena_create(1u << 18);
    copies = arena_new(write->arena, (count + 1) * sizeof(*copies));
    copy_snapshots(snapshots, count, write->arena, copies);
    write->manifest = (struct manifest){
        .job_id = arena_format(write->arena, "%016" PRIx64, checkpoints->plan->seed),
        .job_name = checkpoints->plan->settings.job.name,
        .checkpoint = checkpoint,
        .epoch = checkpoints->epoch,
        .attempt = attempt,
        .final = final,
        .kernel = "",
        .time_ms = clock_wall_ms(),
    };
    restore_manifest(checkpoints->plan, copies, count, write->arena, &write->manifest);
    piece_add(checkpoints, &write->piece, write_work, write_done);
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    (void)remove(path);
    return 0;
}

void checkpoints_clean(struct checkpoints *checkpoints)
{
    (void)nftw(checkpoints->spill_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
