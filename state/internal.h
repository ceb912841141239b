/* internal: what the files of the store share. Every structure belongs to the owner's thread; a
 * job's is the executor's from submit until done.
 *
 *   store.c     life, look-ups, lists, maps          timer.c    due times in order
 *   delta.c     sealing, barrier, stack of files     write.c    cells -> one sorted file
 *   merge.c     several sorted files -> one stream   base.c     stack -> new base, in pieces
 *   restore.c   stream -> memory                     pane.c     panes, runs, scans
 *   spill.c     RocksDB, loads of misses             evict.c    memory back past the budget
 *   runs.c      runs of a pane -> fewer          compact.c  memory back from dead and expired cells
 *   pages.c     large pages, ahead of need
 */
#ifndef MILLRACE_STATE_INTERNAL_H
#define MILLRACE_STATE_INTERNAL_H

#include "state/encode.h"
#include "state/index.h"
#include "state/sort.h"

#include <stdatomic.h>

#define STORE_PATH_MAX (PATH_SIZE_MAX + STORE_FILE_NAME_MAX)

struct state_info;
struct run;
struct spill;
struct eviction;
struct load;
struct base_job;
struct run_job;
struct pages_job;
struct scan;

/* Cells of one state, or of one pane of it. */
struct group {
    struct group_log log;
    struct index index;
    struct state_info *state;
    int64_t pane_ms;
    uint64_t serial;     /* tells a pane from a dropped one of the same time */
    uint16_t generation; /* of new partials; grows when cells leave */
    uint64_t settled_count;
    bool scanned;     /* by a scan that is under way: cells stay where they are */
    struct run *runs; /* partials on disk */
    uint32_t run_count;
};

struct run { /* a sorted file of one pane; a key stands in it once for each generation */
    struct run *next;
    char *path;
    uint64_t size;
    uint32_t level; /* how often its cells were merged */
};

struct timer_cell {    /* value of a timer's cell */
    int64_t due_ms;    /* INT64_MAX: none */
    int64_t queued_ms; /* time of its entry in the heap; INT64_MAX: none. Never after due_ms */
};
struct timer_entry {
    int64_t time_ms;
    uint64_t hash;
};
struct timer_line { /* a ring of entries in order; capacity is 0 or a power of two */
    struct timer_entry *ring;
    uint32_t head, count, capacity;
};

struct state_info {
    const struct store_state *def;
    struct shape shape;
    struct layout layout; /* floor_ms is kept up to date */
    uint32_t cell_size;   /* of a new cell's value */
    bool spilled;         /* some of its cells may be in the spill store */
    struct group *group;  /* all but panes */
    struct group **panes; /* ascending */
    uint32_t pane_count, pane_capacity;
    struct group *pane_last; /* the pane looked up last */
    struct scan *scan;       /* of panes, that is under way */
    store_list_each *watch;  /* told of restored cells */
    void *watch_context;
    struct timer_line line;     /* timers that came in order, or nearly */
    struct timer_entry *timers; /* heap of the others */
    uint32_t timer_count, timer_capacity;
};

/* One piece of background work; first member of what it works on. */
struct job {
    struct work work;
    struct error err;
    bool active, failed; /* `failed` is the executor's until done */
};

struct stack_file {
    struct store_file file;
    char *path;
    uint64_t sequence; /* of its delta; of the newest in it for a base; 0: restored */
    bool named;        /* a snapshot has it */
};

/* Bytes of a segment that were sealed together. */
struct extent {
    struct segment *segment;
    const uint8_t *begin, *end;
    uint32_t order; /* among the extents of its delta */
    uint32_t state, state_id;
    int64_t pane_ms;
};

struct delta {
    struct job job;
    struct delta *next;
    struct store *store; /* the executor reads what never changes: config and states' shapes */
    uint64_t sequence;
    struct extent *extents;
    uint32_t extent_count, extent_capacity;
    uint64_t bytes;
    struct layout *layouts; /* with the floors of the barrier */
    int64_t watermark_ms;   /* of the barrier: what expired by then is left out */
    struct stack_file out;
};

struct store {
    struct store_config config;
    char *spill_dir, *work_dir, *file_prefix;
    uint64_t nonce; /* random; in names of unfinished files alone */
    struct state_info *states;
    int64_t call_first_ms; /* the earliest time of the present call's rows */
    struct segments log;
    struct index_slabs *slabs;
    uint64_t index_bytes, timer_bytes;
    uint64_t serial;           /* of groups, runs and spill files */
    atomic_llong watermark_ms; /* rows are later; read by compactions of the spill store */
    int64_t expiry_step_ms;    /* by which it is raised between barriers */

    /* checkpoints */
    uint64_t sequence;    /* of the last delta */
    struct delta *deltas; /* waiting or being written, in order */
    struct delta **deltas_end;
    bool barrier_pending, floors_changed;
    uint64_t barrier, barrier_sequence;
    struct stack_file *stack;
    uint32_t stack_count, stack_capacity;
    struct base_job *base_job;
    struct run_job *run_job;
    struct pages_job *pages_job;

    /* memory */
    struct spill *spill;
    struct eviction *eviction;
    struct load *load;
    bool spill_dir_made;
    struct segment *compacting; /* the victim, walked from `compact_at` on */
    uint32_t compact_at;
    uint64_t compacted_to; /* of log.appended: by the last call */
    int64_t expired_ms;    /* the watermark up to which expired segments were looked for */
    bool inline_jobs;      /* jobs run in job_submit: while restoring */

    bool failed;
    struct error err; /* why; every later call returns it */
    uint64_t spilled_bytes, loaded_cells, written_bytes;
    int64_t barrier_max_ns;
};

/* ---- store.c ---- */
struct group *group_create(struct store *store, struct state_info *state, int64_t pane_ms);
/* Drops all cells; segments that jobs read live until they are done. */
void group_close(struct store *store, struct group *group);
/* A zeroed cell for a key that is absent, in the open segment and in the index. */
struct cell *group_add(struct store *store, struct group *group, const struct probe *probe,
                       uint32_t size);
/* The same in the tail of that kind, and not in the index yet. */
struct cell *group_append(struct store *store, struct group *group, enum segment_kind kind,
                          const struct probe *probe, uint32_t size, uint64_t *address);
/* Copies the cell that `slot` points to into the open segment. */
struct cell *group_copy(struct store *store, struct group *group, uint64_t *slot);
uint64_t store_memory(const struct store *store);
bool store_fail(struct store *store, const struct error *err);

/* ---- jobs ---- */
void job_submit(struct store *store, struct job *job, void (*run)(struct work *work));
/* Whether an active job has ended; takes it back. A failed one fails the store. */
bool job_ended(struct store *store, struct job *job);
void job_wait(struct store *store, struct job *job); /* an inactive one is fine */

/* ---- delta.c ---- */
/* Submits, completes. False: the store has failed. */
bool delta_drive(struct store *store);
/* Seals these segments and queues the writing of what they hold. */
void delta_seal(struct store *store, struct segment *const *segments, uint32_t count);
void delta_close(struct store *store);
void stack_push(struct store *store, const struct stack_file *file);
/* A base takes the place of the oldest files. Not while a snapshot is polled. */
void stack_rebase(struct store *store, const struct stack_file *base, uint32_t replaced);

/* ---- base.c ---- */
bool base_drive(struct store *store); /* begins and continues a merge; false: the store failed */
void base_adopt(struct store *store); /* a merge that has ended enters the stack */
void base_close(struct store *store);

/* ---- write.c ---- */
struct part { /* cells of one state and pane; exactly one of extents or cells */
    uint32_t state;
    int64_t pane_ms;
    const struct extent *extents;
    const struct cell *const *cells;
    uint32_t count;
};
enum write_purpose { WRITE_DELTA, WRITE_RUN, WRITE_SPILL };
/* Writes the parts, ascending by (state id, pane), as one file. Of equal cells the last counts. Cells
 * that expired by `watermark_ms` are left out: older copies of them have expired too. */
bool write_file(const struct store *store, const struct part *parts, uint32_t count,
                const struct layout *layouts, enum write_purpose purpose, int64_t watermark_ms,
                const char *path, struct error *err);
bool cell_expired(const struct state_info *state, const struct cell *cell, int64_t watermark_ms);
/* The path of an unfinished file in work_dir: no two stores ever have the same, not even one that
 * was taken for dead. One file of a kind at a time. Owned by the caller. */
char *write_temp(const struct store *store, const char *kind);
bool write_name(const struct store *store, const char *path, const char *to, struct error *err);
/* Gives a file that was written at `path` its final name by checksum; fills `out`. */
bool write_finish(const struct store *store, const char *path, uint64_t sequence,
                  struct stack_file *out, struct error *err);

/* ---- timer.c ---- */
void timer_restored(struct store *store, struct state_info *state, struct cell *cell);
void timer_close(struct store *store, struct state_info *state);

/* ---- compact.c ---- */
void compact_step(struct store *store);
bool compact_wanted(const struct store *store); /* a large part of the log is dead */

/* ---- pages.c ---- */
void pages_drive(struct store *store);
void pages_close(struct store *store);

/* ---- runs.c ---- */
bool runs_drive(struct store *store); /* false: the store has failed */
void runs_close(struct store *store);

/* ---- pane.c ---- */
/* The pane that begins at `pane_ms`; NULL: none and not `make`. */
struct group *pane_find(struct store *store, struct state_info *state, int64_t pane_ms, bool make);
/* The pane of an event time, made when absent. */
struct group *pane_at(struct store *store, struct state_info *state, int64_t time_ms);
void pane_runs_drop(struct group *group);
void pane_close(struct store *store, struct state_info *state);
/* A scan over these runs alone, for the executor: the store is used for what never changes. */
struct scan *scan_runs(struct store *store, struct state_info *state, const char *const *paths,
                       uint32_t count, struct error *err);
/* Up to `keys` keys; *more tells whether some are left. */
bool scan_some(struct scan *scan, uint32_t keys, store_pane_each *each, void *context, bool *more,
               struct error *err);
void scan_close(struct scan *scan); /* NULL is fine */

static inline struct group *pane_of(struct store *store, struct state_info *state, int64_t time_ms)
{
    struct group *last = state->pane_last;

    if (last && (uint64_t)time_ms - (uint64_t)last->pane_ms < (uint64_t)state->def->pane_ms)
        return last;
    return pane_at(store, state, time_ms);
}

#endif
