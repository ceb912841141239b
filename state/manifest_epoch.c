/* Epochs of a job's coordinators in a checkpoint store (manifest.h). An epoch belongs to who has put
 * its claim, which no two can; the highest claim rules, lower ones are of no more use. */
#include "state/manifest_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLAIM_SIZE_MAX 4096u /* bytes of a claim or of a record of what a run began from */
#define CLAIM_TRIES_MAX 1000u

struct claims {
    uint32_t claimed, from; /* the highest of each; 0: none */
    struct name_list names;
};

static void claim_name(const char *job_name, uint32_t epoch, const char *kind, char *name)
{
    (void)snprintf(name, CHECKPOINT_NAME_MAX, "%s/epochs/%08u%s", job_name, epoch, kind);
}

/* 0: not a name that claim_name makes. */
static uint32_t claim_parse(const char *name, const char *job_name, const char *kind)
{
    char again[CHECKPOINT_NAME_MAX];
    size_t prefix = strlen(job_name) + strlen("/epochs/");
    uint32_t epoch = strlen(name) > prefix ? (uint32_t)strtoul(name + prefix, NULL, 10) : 0;

    claim_name(job_name, epoch, kind, again);
    return strcmp(name, again) == 0 ? epoch : 0;
}

static bool claims_list(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                        struct claims *claims, struct error *err)
{
    char prefix[CHECKPOINT_NAME_MAX];

    *claims = (struct claims){0};
    (void)snprintf(prefix, sizeof(prefix), "%s/epochs/", job_name);
    if (!checkpoint_list(store, prefix, arena, &claims->names, err))
        return false;
    for (uint32_t i = 0; i < claims->names.count; i++) {
        uint32_t claimed = claim_parse(claims->names.names[i], job_name, "");
        uint32_t from = claim_parse(claims->names.names[i], job_name, "-from");

        claims->claimed = claimed > claims->claimed ? claimed : claims->claimed;
        claims->from = from > claims->from ? from : claims->from;
    }
    return true;
}

/* The text of a claim or record; empty when it is gone or cannot be read. */
static const char *claim_text(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                              const char *kind, struct arena *arena)
{
    char name[CHECKPOINT_NAME_MAX];
    struct bytes bytes = {0};
    const char *text = "";

    claim_name(job_name, epoch, kind, name);
    if (epoch > 0 && checkpoint_get(store, name, CLAIM_SIZE_MAX, &bytes, NULL)) {
        bytes_put(&bytes, "", 1);
        text = arena_text(arena, (const char *)bytes.data);
    }
    bytes_clear(&bytes);
    return text;
}

bool manifest_epoch_newest(struct checkpoint_store *store, const char *job_name,
                           struct arena *arena, uint32_t *epoch, const char **owner,
                           struct error *err)
{
    struct claims claims;

    if (!claims_list(store, job_name, arena, &claims, err))
        return false;
    *epoch = claims.claimed;
    *owner = claim_text(store, job_name, claims.claimed, "", arena);
    return true;
}

/* Somebody else may be claiming at the same moment: then the next one is tried. */
static bool claim_after(struct checkpoint_store *store, const char *job_name, const char *owner,
                        uint32_t last, uint32_t *epoch, struct error *err)
{
    char name[CHECKPOINT_NAME_MAX];

    for (uint32_t i = 0; i < CLAIM_TRIES_MAX && last < UINT32_MAX; i++) {
        claim_name(job_name, ++last, "", name);
        switch (checkpoint_put(store, name, owner, strlen(owner), err)) {
        case PUT_DONE:
            *epoch = last;
            return true;
        case PUT_FAILED:
            return false;
        case PUT_EXISTS:
            break;
        }
    }
    return error_set(err, ERROR_LIMIT, store->place, "use another folder",
                     "the epochs of job `%s` are used up", job_name);
}

bool manifest_epoch_claim(struct checkpoint_store *store, const char *job_name, const char *owner,
                          uint32_t *epoch, struct error *err)
{
    struct arena *arena = arena_create(4096);
    struct places places;
    struct claims claims;
    uint32_t last;
    bool good = places_list(store, job_name, arena, &places, err) &&
                claims_list(store, job_name, arena, &claims, err);

    CHECK(strlen(owner) < CLAIM_SIZE_MAX);
    if (good) {
        last = claims.claimed;
        if (places.count > 0 && places.list[0].epoch > last)
            last = places.list[0].epoch; /* the claims were not copied with the checkpoints */
        good = claim_after(store, job_name, owner, last, epoch, err);
    }
    arena_close(arena);
    return good;
}

bool manifest_epoch_begun(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                          const char *from, struct error *err)
{
    struct arena *arena = arena_create(4096);
    char name[CHECKPOINT_NAME_MAX];
    struct claims claims;
    bool good = true;

    claim_name(job_name, epoch, "-from", name);
    if (from)
        good = checkpoint_put(store, name, from, strlen(from), err) != PUT_FAILED;
    good = good && claims_list(store, job_name, arena, &claims, err);
    for (uint32_t i = 0; good && i < claims.names.count; i++) {
        uint32_t claimed = claim_parse(claims.names.names[i], job_name, "");
        uint32_t before = from ? claim_parse(claims.names.names[i], job_name, "-from") : 0;

        if ((claimed > 0 && claimed < epoch) || (before > 0 && before < epoch))
            good = checkpoint_remove(store, claims.names.names[i], err);
    }
    arena_close(arena);
    return good;
}

bool manifest_epoch_check(struct checkpoint_store *store, const char *job_name, uint32_t epoch,
                          struct error *err)
{
    struct arena *arena = arena_create(4096);
    struct claims claims;
    bool good = claims_list(store, job_name, arena, &claims, err);

    if (good && claims.claimed > epoch)
        good = error_set(err, ERROR_FENCED, store->place, NULL,
                         "a newer run of job `%s` (epoch %u, this one is %u) has taken over",
                         job_name, claims.claimed, epoch);
    arena_close(arena);
    return good;
}

bool epoch_begin(struct checkpoint_store *store, const char *job_name, struct arena *arena,
                 uint32_t *epoch, const char **from, struct error *err)
{
    struct claims claims;

    if (!claims_list(store, job_name, arena, &claims, err))
        return false;
    *epoch = claims.from;
    *from = claim_text(store, job_name, claims.from, "-from", arena);
    return true;
}
