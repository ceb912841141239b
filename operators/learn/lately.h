/* lately: the entries of a map in order of the window in which they changed last, as a list through the
 * entries: its end is what changed in a window, its beginning what may be forgotten. An entry begins with
 * a struct lately; its key is the id, which is not 0. */
#ifndef MILLRACE_LEARN_LATELY_H
#define MILLRACE_LEARN_LATELY_H

#include "runtime/api/operator.h"

struct lately {
    uint64_t older, newer; /* ids; 0: none */
    int64_t window_ms;     /* the last millisecond of that window */
    int64_t listed;        /* 0: it is new */
};

#define LATELY_FIELDS(entry)                                                                       \
    {"older", TYPE_I64, FIELD(entry, lately.older)},                                               \
        {"newer", TYPE_I64, FIELD(entry, lately.newer)},                                           \
        {"window", TYPE_TIMESTAMP, FIELD(entry, lately.window_ms)},                                \
    {                                                                                              \
        "listed", TYPE_I64, FIELD(entry, lately.listed)                                            \
    }

struct lately_list {
    uint64_t oldest, newest;
    uint64_t changed; /* the next of the window's to be told; 0: none */
};

/* `entry` changes in the window that ends with `window_ms`, which is not before the last one. */
void lately_touch(struct op *op, uint32_t state, uint32_t row, struct lately_list *list,
                  uint64_t id, struct lately *entry, int64_t window_ms);
/* Takes the window's next one, the last that changed first; NULL: there is none, or it could not be
 * read. */
void *lately_changed(struct op *op, uint32_t state, struct lately_list *list, uint64_t *id);
/* Whether an entry that changes in a window was to be forgotten at the end of the one before it: where
 * nothing came in that window, nobody has looked. */
bool lately_stale(const struct lately *entry, int64_t window_ms, int64_t size_ms,
                  int64_t forget_ms);
/* The oldest, if its window ended at or before `window_ms`; NULL otherwise. */
void *lately_oldest(struct op *op, uint32_t state, const struct lately_list *list,
                    int64_t window_ms);
/* Removes the oldest. */
void lately_forget(struct op *op, uint32_t state, struct lately_list *list);

#endif
