/* manifest_inner: what the two files about manifests in stores share; not for others. */
#ifndef MILLRACE_STATE_MANIFEST_INNER_H
#define MILLRACE_STATE_MANIFEST_INNER_H

#include "state/manifest.h"

struct place { /* a manifest as its name tells it */
    char *name;
    uint64_t checkpoint;
    uint32_t epoch, attempt;
};

struct places { /* newest first */
    uint32_t count;
    struct place *list;
};

struct manifest_files { /* that a manifest names, sorted by name */
    uint32_t count, capacity;
    const struct store_file **list;
};
void manifest_files_of(const struct manifest *manifest, struct manifest_files *files); /* adds */
bool manifest_files_have(const struct manifest_files *files, const struct store_file *file);
bool manifest_file_check(struct checkpoint_store *store, const char *job_name,
                         const struct store_file *file, struct error *err);
/* Without a look at its files. */
struct manifest *manifest_load(struct checkpoint_store *store, const char *name,
                               struct arena *arena, struct error *err);
void manifest_copy_name(const char *job_name, const char *file, char *name);

bool places_list(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 struct places *places, struct error *err);

/* Less those that were given up. */
bool places_good(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 struct places *places, struct error *err);

/* The newest run that began from a checkpoint (0: none), and the name of that one's manifest. */
bool epoch_begin(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 uint32_t *epoch, const char **from, struct error *err);

#endif
