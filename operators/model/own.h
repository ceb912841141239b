/* own: what each user has met, so that it is not offered again, and when the user asked last: a ring in
 * chunks, in a map by (user, chunk). Items are of `each` bytes: numbers or ids. */
#ifndef MILLRACE_MODEL_OWN_H
#define MILLRACE_MODEL_OWN_H

#include "runtime/api/operator.h"

#define OWN_BYTES 240u /* of a chunk's items */
#define OWN_MAX 8160u  /* items of a user; beyond, the oldest may be offered again */

struct own {        /* of (user, chunk); the first four are of the user: in chunk 0 */
    uint64_t count; /* items met, ever */
    int64_t requested_ms;
    uint32_t requested; /* whether ever */
    uint32_t last;      /* learn/ranking: event number + 1 */
    uint8_t items[OWN_BYTES];
};

extern const struct state_field own_fields[];

struct own_map {
    struct op *op;
    uint32_t state, each;
};

/* The user of the row: its chunk 0, and what it has met: room for OWN_MAX. NULL: state could not be read;
 * the engine fails the subtask after the call. */
struct own *own_read(const struct own_map *map, uint32_t row, uint64_t user, void *items,
                     uint32_t *count);
/* The user meets an item that is not among them. False as above. */
bool own_add(const struct own_map *map, uint32_t row, uint64_t user, struct own *first,
             const void *item);
/* Whether the user may ask again; if so, this is the last time that it did. */
bool own_may_ask(struct own *first, int64_t interval_ms, int64_t time_ms);

#endif
