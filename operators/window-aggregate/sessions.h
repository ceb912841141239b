/* sessions: the open sessions of one key, in the list cell of window-aggregate. Pure.
 *
 * A session begins with its first row and ends a gap after its last one; a row that touches sessions
 * joins them (as in Flink: begin <= the other's end), so the sessions of a key lie apart and are the
 * same in whatever order the rows come. They stand in order of time. */
#ifndef MILLRACE_WINDOW_AGGREGATE_SESSIONS_H
#define MILLRACE_WINDOW_AGGREGATE_SESSIONS_H

#include "runtime/base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session {
    int64_t begin_ms, last_ms; /* of its rows */
    uint8_t slots[];           /* a zeroed one is empty */
};

struct sessions {   /* a zeroed cell is empty */
    int64_t due_ms; /* of the key's timer, if it has a layout */
    uint32_t count;
    uint32_t layout; /* of the slots; 0: a new cell */
    uint8_t items[]; /* struct session */
};

struct session_kind {
    int64_t gap_ms;
    uint32_t size; /* of a session, a multiple of 8 */
    void (*merge)(const void *context, void *into, const void *from); /* of slots */
    const void *context;
};

static inline struct session *sessions_at(const struct session_kind *kind,
                                          const struct sessions *sessions, uint32_t i)
{
    return (struct session *)(void *)((uint8_t *)(uintptr_t)sessions->items +
                                      (size_t)i * kind->size);
}

static inline size_t sessions_size(const struct session_kind *kind, uint32_t count)
{
    return sizeof(struct sessions) + (size_t)count * kind->size;
}

static inline int64_t session_end(const struct session_kind *kind, const struct session *session)
{
    return session->last_ms + kind->gap_ms;
}

/* Whether a row of this time touches none, so that there must be room for one more. */
bool sessions_apart(const struct session_kind *kind, const struct sessions *sessions,
                    int64_t time_ms);
/* Makes the session of a row's time: a new one, a longer one, or several that become one. */
void sessions_add(const struct session_kind *kind, struct sessions *sessions, int64_t time_ms);
/* The session that holds a time. */
struct session *sessions_find(const struct session_kind *kind, const struct sessions *sessions,
                              int64_t time_ms);
/* Drops the first ones. */
void sessions_drop(const struct session_kind *kind, struct sessions *sessions, uint32_t count);

#endif
