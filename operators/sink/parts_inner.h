/* parts_inner: what the two halves of parts share; not for others. */
#ifndef MILLRACE_SINK_PARTS_INNER_H
#define MILLRACE_SINK_PARTS_INNER_H

#include "operators/sink/bundle.h"
#include "operators/sink/part_name.h"
#include "operators/sink/parts.h"

struct pending_part { /* rolled, not known to be committed */
    uint64_t number, length;
    uint64_t checkpoint;   /* the first whose bundle has named it; 0: none yet */
    struct stream *stream; /* until the next prepare */
};

struct parts {
    struct parts_options options;
    uint32_t subtask;
    uint64_t attempt;
    int dir;
    bool directory_changed; /* since a durable last had it */
    bool last;              /* nothing will be prepared any more */
    struct bytes buffer;
    struct stream *open; /* NULL: no file in progress */
    uint64_t open_number, next_number;
    int64_t open_since_ms, now_ms; /* wall clock of the prepare before it was opened; of the last */
    struct pending_part *pending;
    uint32_t pending_count;
    struct bundle *formers; /* restored, not settled */
    uint32_t former_count;
};

int parts_open_dir(const char *dir, struct error *err); /* -1: `err` filled */
bool parts_unlink(struct parts *parts, int dir, const char *name, struct error *err) NODISCARD;

typedef bool parts_each(void *context, const struct part_name *name, const char *text,
                        struct error *err);
/* Each file of ours in the directory; stops at the first false. */
bool parts_scan(const char *dir, const char *suffix, parts_each *each, void *context,
                struct error *err) NODISCARD;

/* Renames the bundle's rolled files. Those that are visible already are fine. */
bool parts_publish(int dir, const struct bundle *bundle, bool *changed,
                   struct error *err) NODISCARD;

#endif
