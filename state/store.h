/* store: the keyed state of one subtask: a hash index over an append-only log of cells (the hybrid
 * log of FASTER, Chandramouli et al. 2018), spilled to RocksDB past a memory budget, checkpointed
 * as sorted delta files. Used by one thread; files are written by an executor.
 *
 * A cell is addressed by (state, key hash, key bytes[, pane or entry]). Cells of an open segment
 * change in place; the first update after a barrier copies the cell there. Closed segments never
 * change, so the executor sorts and writes them with no lock.
 *
 * File order of a cell: key group u16 be, state u16 be, then
 *   value, list:  key bytes                      map: key size u32 be, key bytes, entry bytes
 *   pane, timer:  time i64 be (sign flipped), key bytes
 * RocksDB is never called per event: misses of one batch are loaded together. */
#ifndef MILLRACE_STATE_STORE_H
#define MILLRACE_STATE_STORE_H

#include "runtime/api/state.h"
#include "runtime/base/error.h"
#include "runtime/base/executor.h"

struct store;

enum store_kind { STORE_VALUE, STORE_LIST, STORE_MAP, STORE_PANE, STORE_TIMER };

struct store_state { /* one declared state of one operator */
    const char *name;        /* `operator-id.state`, the identity in checkpoints */
    enum store_kind kind;
    uint32_t size;           /* of a value or pane cell, or list header */
    int64_t ttl_ms;          /* value, list: event time since the last store_resolve; 0: for ever */
    int64_t pane_ms;         /* pane */
    const struct state_field *fields; /* its encoding is checked at restore: a changed layout is
                                         mapped by field name, or refused with both layouts told */
    void (*merge)(const void *config, void *into, const void *from); /* pane */
    const void *config;      /* for merge */
};

struct store_config {
    const struct store_state *states; /* borrowed for the store's life */
    uint32_t state_count;
    uint32_t key_groups, group_begin, group_end; /* groups that this subtask owns */
    uint64_t memory_bytes;   /* budget of log and index; 0: no limit, no spill */
    const char *spill_dir;   /* made when first needed, emptied at create, removed at close */
    const char *work_dir;    /* where delta files are written before they are handed over */
    const char *file_prefix; /* `job-attempt-operator-subtask`, for unique file names */
    double merge_ratio;      /* a new base is made when the stack exceeds this part of the base */
    struct executor *executor;
    struct waker *waker;     /* woken when loads or files are done */
};

/* ---- life ---- */
struct store *store_create(const struct store_config *config, struct error *err);
void store_close(struct store *store); /* waits for its work; NULL is fine */

/* ---- cells of a batch ---- */
enum store_result {
    STORE_READY,   /* cells[] is filled */
    STORE_LOADING, /* misses are being loaded; call again when woken, with the same arguments */
    STORE_FAILED,
};
/* Value and list cells of a batch's keys: finds or makes (zeroed) each and marks it changed.
 * `times`: event time of each row for expiry. Pane cells: the pane of times[row]. Duplicate keys
 * give the same pointer. Pointers hold until the next call that may add cells. */
enum store_result store_resolve(struct store *store, uint32_t state, const struct batch *batch,
                                void **cells, struct error *err);
/* The same for keys that do not stand in a batch (due timers). */
enum store_result store_resolve_keys(struct store *store, uint32_t state, const struct key *keys,
                                     const int64_t *times, uint32_t count, void **cells,
                                     struct error *err);
uint32_t store_cell_size(const struct store *store, uint32_t state, const void *cell); /* list */
/* Moves a list cell to a larger or smaller one. NULL when over CELL_SIZE_MAX. */
void *store_resize(struct store *store, uint32_t state, void *cell, uint32_t size);
/* One map entry; reads the spill store when it must. NULL: absent and not `make`, or failed. */
void *store_entry(struct store *store, uint32_t state, const struct key *key, const void *entry,
                  uint32_t size, bool make, struct error *err);

/* ---- timers: one per (state, key); INT64_MAX removes ---- */
bool store_timer_set(struct store *store, uint32_t state, const struct key *key, int64_t due_ms,
                     struct error *err);
int64_t store_timer_next(const struct store *store, uint32_t state); /* INT64_MAX: none */
/* Takes up to `max` timers due at or before `until_ms`, in order of (time, key bytes). Key bytes
 * are valid until the next call. */
uint32_t store_timer_take(struct store *store, uint32_t state, int64_t until_ms, struct key *keys,
                          int64_t *times, uint32_t max);

/* ---- panes ---- */
typedef bool store_pane_each(void *context, const struct key *key, const void *cell,
                             struct error *err);
bool store_pane_scan(struct store *store, uint32_t state, int64_t begin_ms, int64_t end_ms,
                     store_pane_each *each, void *context, struct error *err);
int64_t store_pane_first(const struct store *store, uint32_t state, int64_t from_ms);
void store_pane_drop(struct store *store, uint32_t state, int64_t before_ms);

/* ---- checkpoints ---- */
struct store_file {
    char name[128];       /* unique; by job, attempt and checksum */
    uint64_t size, checksum; /* whole-file xxh3 */
    bool base;            /* first of a stack */
};
struct store_snapshot { /* in order: base first, then the deltas; arena-owned */
    uint32_t count;
    struct store_file *files;
};
/* Barrier: closes the open segments (a pointer swap) and lets the executor write them. Event time
 * `watermark_ms` bounds expiry. One at a time. */
void store_barrier(struct store *store, uint64_t checkpoint, int64_t watermark_ms);
/* STORE_READY: all files of that checkpoint stand in work_dir, new ones first written now
 * (`snapshot` lists the whole stack; files already handed over are named again). */
enum store_result store_barrier_poll(struct store *store, struct arena *arena,
                                     struct store_snapshot *snapshot, struct error *err);
/* Gives memory back past the budget; call between batches. */
enum store_result store_maintain(struct store *store, struct error *err);

/* Restore, after create and before the first cell: the stacks of former subtasks, each as paths
 * in order; only cells of owned groups are taken. */
bool store_restore(struct store *store, const char *const *paths, const struct store_file *files,
                   uint32_t count, struct error *err);

struct store_figures {
    uint64_t cells, log_bytes, index_bytes, spilled_bytes, loaded_cells, written_bytes;
    int64_t barrier_max_ns;
};
void store_figures(const struct store *store, struct store_figures *figures);

#endif
