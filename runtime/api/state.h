/* state: how an operator declares its states. Operators hold no other: what is kept elsewhere is
 * lost by a checkpoint. The engine loads the cells of a batch before `process`, and checkpoints,
 * restores, rescales and spills them. */
#ifndef MILLRACE_API_STATE_H
#define MILLRACE_API_STATE_H

#include "runtime/batch/key.h"
#include "runtime/batch/schema.h"

struct state_field {
    const char *name;
    enum type type;
    size_t offset, size; /* FIELD() */
};

enum state_kind {
    STATE_NONE,
    STATE_VALUE, /* one struct a key; a new key's cell is zero */
    STATE_LIST,  /* one cell of variable size a key, up to CELL_SIZE_MAX: header struct, then
                    elements; a new key's cell is the zeroed header */
    STATE_MAP,   /* cells by (key, entry), reached by op_entry; may be read from disk in the call,
                    so not for hot paths */
    STATE_PANE,  /* one mergeable aggregate by (pane of event time, key): a zeroed cell is the
                    identity of `merge`; partial cells of one pane and key may meet later */
};

struct state {
    const char *name;
    enum state_kind kind;
    const struct state_field *fields; /* of the struct or list header; may be set by describe */
    size_t size;                      /* bytes of the struct or list header; 0: set by describe, or
                                         this configuration has no use for the state */
    /* STATE_PANE: adds `from` to `into`; both have the state's size. Order-free, associative. */
    void (*merge)(const void *config, void *into, const void *from);
    bool expires; /* STATE_VALUE, STATE_LIST: describe gives a time to live in event time */
};

#endif
