/* manifest: what a checkpoint consists of, as one JSON object that is put last: a checkpoint
 * exists when its manifest does. Layout in the checkpoint store:
 *
 *   JOB/chk-NNNNNN-eE-aA/manifest.json   checkpoint number, coordinator epoch, attempt
 *   JOB/shared/FILE                      state files and large blobs; named by their writer (job,
 *                                        epoch, attempt, operator, subtask, sequence, checksum),
 *                                        shared by the checkpoints that need them
 *   JOB/epochs/EEEEEEEE                  the claim of an epoch: who runs the job
 *   JOB/epochs/EEEEEEEE-from             what that run began from, unless from nothing
 *
 * Fencing: each coordinator claims an epoch of its own before it looks for the newest checkpoint;
 * the highest claim rules. manifest_write looks for a higher one before and after it puts the
 * manifest and refuses then, so that nothing is committed that a successor has not seen. Newest means
 * the highest (epoch, attempt, checkpoint), so what a former coordinator or attempt still writes is
 * never taken.
 *
 * The JSON holds its own xxh3 (over the text before `"checksum"`), and is read as hostile:
 * unknown or missing fields, wrong types, ranges and duplicate names are refused. All functions block. */
#ifndef MILLRACE_STATE_MANIFEST_H
#define MILLRACE_STATE_MANIFEST_H

#include "state/checkpoint_store.h"
#include "state/store.h"

#define MANIFEST_VERSION 1
#define MANIFEST_SIZE_MAX (256u << 20) /* bytes of the JSON */
#define MANIFEST_FILES_MAX 65536u      /* files of one subtask */
#define MANIFEST_BLOBS_MAX 4096u       /* blobs of one subtask */

struct manifest_blob { /* small opaque bytes: source positions, bundles, gate buffers */
    const char *name;  /* [A-Za-z0-9._-], unique in its subtask */
    const uint8_t *data;
    size_t size;
};

struct manifest_subtask {
    uint32_t index;                  /* below the operator's parallelism, ascending */
    uint32_t group_begin, group_end; /* key groups it owned, half-open */
    int64_t watermark_ms;            /* INT64_MIN: none yet */
    uint32_t file_count, blob_count;
    struct store_file *files;    /* as store_barrier_poll gave them; `path` is not kept. On
                                        reading, each file's groups are those of the file or, where it
                                        had none, of the subtask */
    struct manifest_blob *blobs; /* base64 in the JSON; large ones belong in files */
    uint32_t attachment_count;
    struct store_file
        *attachments; /* other files of the subtask (large blobs); name, size, checksum */
};

struct manifest_operator {
    const char *id; /* of the operator, or of the chain whose store it is */
    uint32_t parallelism, key_groups;
    uint32_t subtask_count; /* finished subtasks may be absent */
    struct manifest_subtask *subtasks;
};

struct manifest {
    const char *job_id, *job_name; /* job_name is the folder: a valid part of a name */
    uint64_t checkpoint;
    uint32_t epoch, attempt;
    bool final;         /* the job had ended: nothing is left to do */
    bool savepoint;     /* never removed by retention */
    const char *kernel; /* CPU and BLAS kernel, for determinism; may be "" */
    int64_t time_ms;    /* wall clock, for people */
    uint32_t operator_count;
    struct manifest_operator *operators;
};

/* Appends the JSON. The manifest must be valid (CHECKed). */
void manifest_encode(const struct manifest *manifest, struct bytes *out);
/* All memory of the result is the arena's. NULL with `err` saying where in the JSON. */
struct manifest *manifest_decode(const void *data, size_t size, struct arena *arena,
                                 struct error *err);

/* `JOB/chk-.../manifest.json` and `JOB/shared/FILE`; `name` has CHECKPOINT_NAME_MAX bytes. */
void manifest_name(const struct manifest *manifest, char *name);
void manifest_file_name(const char *job_name, const char *file, char *name);

/* Puts the manifest; its files must be there already. ERROR_FENCED when a higher epoch is claimed
 * (then it may be there, but does not count), when the folder has a manifest of a newer (epoch,
 * attempt), or this very checkpoint from somebody else. */
NODISCARD bool manifest_write(struct checkpoint_store *store, const struct manifest *manifest,
                              struct error *err);

/* ---- epochs ---- */
/* Takes an epoch above all of the folder (1 in a new one) and fences the others. `owner`: a text
 * that tells who runs it, for manifest_epoch_newest. */
NODISCARD bool manifest_epoch_claim(struct checkpoint_store *store, const char *job_name,
                                    const char *owner, uint32_t *epoch, struct error *err);
/* The highest claim and its owner (the arena's; empty when it cannot be read); 0: none. */
NODISCARD bool manifest_epoch_newest(struct checkpoint_store *store, const char *job_name,
                                     struct arena *arena, uint32_t *epoch, const char **owner,
                                     struct error *err);
/* After the claim: what the run begins from (name of a manifest; NULL: nothing). Newer checkpoints
 * of older runs are no longer taken for the newest. Removes older claims. */
NODISCARD bool manifest_epoch_begun(struct checkpoint_store *store, const char *job_name,
                                    uint32_t epoch, const char *from, struct error *err);
/* ERROR_FENCED when a higher one is claimed. */
NODISCARD bool manifest_epoch_check(struct checkpoint_store *store, const char *job_name,
                                    uint32_t epoch, struct error *err);

/* A damaged checkpoint that was passed over, one line for a log. */
struct manifest_skipped {
    uint32_t count;
    char **lines; /* arena-owned */
};

/* The newest complete checkpoint of that epoch (0: of any): its manifest parses and every file that it
 * names has its size and checksum. True with `*out` NULL when the folder has none; `skipped` (may be
 * NULL) tells the damaged newer ones. False only when the store cannot be read. */
NODISCARD bool manifest_latest(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                               struct arena *arena, struct manifest **out,
                               struct manifest_skipped *skipped, struct error *err);
/* As manifest_latest, where no checkpoint is whole: puts copies (manifest_copy) in the places of damaged
 * files, newest checkpoint first. */
NODISCARD bool manifest_latest_mended(struct checkpoint_store *store, const char *job_name,
                                      uint32_t epoch, struct arena *arena, struct manifest **out,
                                      struct error *err);
/* Makes second copies of the files that all checkpoints of this epoch share, in a store that is a
 * directory. */
NODISCARD bool manifest_copy(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                             struct error *err);
/* False when a file is damaged and has no whole copy. */
NODISCARD bool manifest_mend(struct checkpoint_store *store, const struct manifest *manifest,
                             struct error *err);
/* How many manifests there are, and the name of the newest ("" when there is none; CHECKPOINT_NAME_MAX
 * bytes), whether or not they are whole. */
NODISCARD bool manifest_count(struct checkpoint_store *store, const char *job_name, uint32_t *count,
                              char *newest, struct error *err);
/* Size and checksum of every file. */
NODISCARD bool manifest_verify(struct checkpoint_store *store, const struct manifest *manifest,
                               struct error *err);
/* Reads and verifies the manifest object called `name`. */
NODISCARD struct manifest *manifest_read(struct checkpoint_store *store, const char *name,
                                         struct arena *arena, struct error *err);

/* What a user gave to `-s`: a manifest.json, its folder, or a job's folder (newest complete). Opens the
 * directory store around it (`*store`, for the caller to close) and reads and verifies the manifest. */
NODISCARD bool manifest_open(const char *path, struct arena *arena, struct checkpoint_store **store,
                             struct manifest **out, struct manifest_skipped *skipped,
                             struct error *err);

/* Keeps the `retain` newest checkpoints of this epoch beside savepoints, those of other epochs and the
 * one named `keep` (may be NULL: the one restored from). Removes its other manifests, oldest first, and then the files that those named
 * and that no kept one names. Manifests that cannot be read are removed once `retain` newer good ones
 * are there. Files that no manifest names yet are left alone: they may belong to the next one. */
NODISCARD bool manifest_retain(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                               uint32_t retain, const char *keep, struct error *err);
/* Removes the files that no manifest names: left by crashes. Only while no attempt of the job runs
 * (before a job is deployed). Does nothing while a manifest of the folder cannot be read. */
NODISCARD bool manifest_sweep(struct checkpoint_store *store, const char *job_name,
                              struct error *err);

#endif
