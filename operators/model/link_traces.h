/* link_traces: real links to replay in the place of the generated ones: for each kind the throughput
 * a second that somebody measured.
 * A file has two columns, seconds and Mbit/s, as the published sets of traces have them (HSDPA, FCC
 * and Oboe in the form of Pensieve: Mao, Netravali and Alizadeh 2017): a row's throughput holds from
 * the row before it until its own time. A word of the file's name, or of a folder's above it, tells the
 * kind: metro, tram, bus, train, car, ferry; broadband, fcc, http or wifi; oboe. Other files, and those
 * called README, LICENSE, LICENCE or COPYING, are no traces. */
#ifndef MILLRACE_MODEL_LINK_TRACES_H
#define MILLRACE_MODEL_LINK_TRACES_H

#include "operators/model/link.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/memory.h"

#include <stdbool.h>

#define LINK_TRACE_SECONDS_MAX 86400u
#define LINK_MBITS_MIN 0.001 /* less counts as this: something always comes in the end */

struct link_trace {
    uint32_t seconds;   /* at least 1 */
    const float *mbits; /* the mean of each second */
};

struct link_traces {
    struct link_traces_kind {
        uint32_t count; /* 0: none of this kind */
        struct link_trace *traces;
    } kinds[LINK_KINDS];
};

/* All traces in a folder and those below it, in the order of their paths; borrowed from the arena.
 * NULL with `err` filled (where is the file): there is none, or one is not as said above. */
const struct link_traces *link_traces_read(const char *folder, struct arena *arena,
                                           struct error *err);
/* One file's text, which ends with 0. False with `err` filled: what is wrong in which line. */
bool link_trace_parse(const char *text, struct arena *arena, struct link_trace *trace,
                      struct error *err) NODISCARD;
/* The kind of a path below the folder of traces; false: it tells none. */
bool link_trace_kind(const char *path, enum link_kind *kind);

#endif
