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

bool places_list(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 struct places *places, struct error *err);

/* The newest run that began from a checkpoint (0: none), and the name of that one's manifest. */
bool epoch_begin(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 uint32_t *epoch, const char **from, struct error *err);

#endif
