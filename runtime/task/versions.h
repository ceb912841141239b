/* versions: what a key of a replica, or a ranking, was from which version on. One writer appends at
 * the end and unlinks at the beginning; readers look without locks. A full list is replaced by
 * another one; the writer frees what it unlinks once no reader can hold it. */
#ifndef MILLRACE_TASK_VERSIONS_H
#define MILLRACE_TASK_VERSIONS_H

#include "runtime/task/row.h"

struct versions {
    struct retired retired; /* first */
    uint32_t capacity;
    _Atomic uint32_t first; /* before it, items are unlinked */
    _Atomic uint32_t count;
    struct versioned {
        int64_t version;
        struct retired *_Atomic item; /* a row or a ranking */
    } items[];                        /* ascending */
};

/* A list of what is linked in `old` (NULL: nothing), with room for more. The items are shared. */
struct versions *versions_grown(const struct versions *old);
void versions_free(struct versions *versions); /* with its items; NULL is fine */
/* The place of the newest item at or below a version; `count` when there is none. */
uint32_t versions_find(const struct versions *versions, uint32_t count, int64_t version);
const void *versions_newest(const struct versions *versions); /* NULL: none */

struct view {        /* what a reader may see of a table */
    int64_t pinned;  /* version; INT64_MAX: the newest */
    int64_t keep_ms; /* 0: rows stay */
    bool replace;    /* a window's result holds for its version alone */
};

/* Whether the newest item that is no later than the view's version is seen, by its version. */
static inline bool view_shows(const struct view *view, int64_t version)
{
    if (view->pinned == INT64_MAX)
        return true;
    return (!view->replace || version == view->pinned) &&
           (!view->keep_ms || view->pinned - version < view->keep_ms);
}

/* NULL: there is none. Any reader's. */
const void *versions_at(const struct versions *versions, const struct view *view);
bool versions_empty(const struct versions *versions); /* all that was there has been unlinked */

/* ---- items that are done with ---- */
#define RANKING_NONE UINT32_MAX

struct aged { /* a list whose item before `version` is done with when all readers ask for later */
    int64_t version;
    uint64_t hash;    /* of a key, or */
    uint32_t ranking; /* RANKING_NONE */
};

struct aged_queue { /* a ring; capacity is 0 or a power of two */
    struct aged *ring;
    uint64_t head, count, capacity;
};

void aged_push(struct aged_queue *queue, const struct aged *aged);

#endif
