/* See sessions.h. A key has few open sessions: they are looked at one by one from the newest on, where
 * most rows belong. */
#include "operators/window-aggregate/sessions.h"

#include <string.h>

/* The sessions [*begin, *end) that a row of this time touches; where there is none, its place. */
static void touched(const struct session_kind *kind, const struct sessions *sessions,
                    int64_t time_ms, uint32_t *begin, uint32_t *end)
{
    uint32_t at = sessions->count;

    while (at > 0 && sessions_at(kind, sessions, at - 1)->begin_ms > time_ms + kind->gap_ms)
        at--;
    *end = at;
    while (at > 0 && session_end(kind, sessions_at(kind, sessions, at - 1)) >= time_ms)
        at--;
    *begin = at;
}

bool sessions_apart(const struct session_kind *kind, const struct sessions *sessions,
                    int64_t time_ms)
{
    uint32_t begin, end;

    touched(kind, sessions, time_ms, &begin, &end);
    return begin == end;
}

/* Moves what is from `from` on to `to`. */
static void move(const struct session_kind *kind, struct sessions *sessions, uint32_t from,
                 uint32_t to)
{
    memmove(sessions_at(kind, sessions, to), sessions_at(kind, sessions, from),
            (size_t)(sessions->count - from) * kind->size);
    sessions->count = sessions->count + to - from;
}

void sessions_add(const struct session_kind *kind, struct sessions *sessions, int64_t time_ms)
{
    uint32_t begin, end;
    struct session *session;

    touched(kind, sessions, time_ms, &begin, &end);
    session = sessions_at(kind, sessions, begin);
    if (begin == end) {
        move(kind, sessions, begin, begin + 1);
        memset(session, 0, kind->size);
        session->begin_ms = session->last_ms = time_ms;
        return;
    }
    for (uint32_t i = begin + 1; i < end; i++) {
        const struct session *other = sessions_at(kind, sessions, i);

        session->last_ms = other->last_ms;
        kind->merge(kind->context, session->slots, other->slots);
    }
    move(kind, sessions, end, begin + 1);
    session->begin_ms = time_ms < session->begin_ms ? time_ms : session->begin_ms;
    session->last_ms = time_ms > session->last_ms ? time_ms : session->last_ms;
}

struct session *sessions_find(const struct session_kind *kind, const struct sessions *sessions,
                              int64_t time_ms)
{
    for (uint32_t i = sessions->count; i > 0; i--) {
        struct session *session = sessions_at(kind, sessions, i - 1);

        if (session->begin_ms <= time_ms) {
            CHECK(time_ms <= session->last_ms);
            return session;
        }
    }
    CHECK(!"a row's session is there");
    return NULL;
}

void sessions_drop(const struct session_kind *kind, struct sessions *sessions, uint32_t count)
{
    CHECK(count <= sessions->count);
    move(kind, sessions, count, 0);
}
