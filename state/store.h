/* store: the keyed state of one subtask: a hash index over an append-only log of cells (the hybrid
 * log of FASTER, Chandramouli et al. 2018), spilled to disk past a memory budget, checkpointed as
 * sorted delta files. Used by one thread; files are written and read by an executor.
 *
 * A cell is addressed by (state, key hash, key bytes[, pane or entry]). Cells of an open segment
 * change in place; the first update after a barrier copies the cell there. Closed segments never
 * change, so the executor sorts and writes them with no lock. RocksDB is never called per event:
 * misses of one batch are loaded together. A pane cell that has left memory is never read back:
 * a new partial is started, and the partials meet in store_pane_scan.
 *
 * Result of a call does not depend on budget, barriers or restores, with one condition: no row of
 * an expiring state is older than the watermark of the last barrier by more than it allows for.
 *
 * File format, and which header says what: sst.h (files), cell.h (memory), encode.h (cells in
 * files). Timers stay in memory; all other kinds are bounded by `memory_bytes`. */
#ifndef MILLRACE_STATE_STORE_H
#define MILLRACE_STATE_STORE_H

#include "runtime/api/state.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/executor.h"

#define STORE_FILE_NAME_MAX 200u /* bytes, with the 0 */

struct store;

enum store_kind { STORE_VALUE, STORE_LIST, STORE_MAP, STORE_PANE, STORE_TIMER };

struct store_state {  /* one declared state of one operator */
    const char *name; /* `operator-id.state`, the identity in checkpoints */
    enum store_kind kind;
    uint32_t size;   /* of a value, map or pane cell, or list header; timer: ignored */
    int64_t ttl_ms;  /* value, list: event time since the last store_resolve; 0: for ever */
    int64_t pane_ms; /* pane */
    const struct state_field *fields; /* its encoding is checked at restore: a changed layout is
                                         mapped by field name, or refused with both layouts told.
                                         NULL: only an equal size is taken */
    void (*merge)(const void *config, void *into, const void *from); /* pane; called by several
                                                                        threads */
    const void *config;                                              /* for merge */
};

struct store_config {
    const struct store_state *states; /* borrowed for the store's life */
    uint32_t state_count;
    uint32_t key_groups, group_begin, group_end; /* groups that this subtask owns */
    uint64_t memory_bytes;   /* budget of log and index; 0: no limit, no spill */
    const char *spill_dir;   /* made when first needed, emptied at create, removed at close */
    const char *work_dir;    /* must exist; files are written here and stay. May be the checkpoint
                                store's own folder of shared files, and that of several subtasks */
    const char *file_prefix; /* `job-attempt-operator-subtask`, for unique file names */
    double merge_ratio;      /* a new base is made when the stack exceeds this part of the base */
    bool allow_dropped;      /* restore: states that no longer exist are left behind */
    struct executor *executor;
    struct waker *waker;       /* woken when loads or files are done: call what waits again, or
                                store_maintain. Outlives the store: may be woken a little late */
    const struct clock *clock; /* for barrier_max_ns; NULL: not measured */
};

/* ---- life ---- */
struct store *store_create(const struct store_config *config, struct error *err);
/* Waits for its work; NULL is fine. Files in work_dir stay. */
void store_close(struct store *store);

/* ---- cells of a batch ---- */
enum store_result {
    STORE_READY,   /* cells[] is filled */
    STORE_LOADING, /* something is being read or written; call again when woken, with the same
                      arguments */
    STORE_FAILED,
};
/* Cells of a dense keyed batch: finds or makes (zeroed) each and marks it changed. Value and list:
 * expiry by the event time of each row. Pane: the pane of the row's time. Rows of one key give the
 * same pointer. Pointers hold until store_barrier, store_maintain, or store_resize of that cell. */
enum store_result store_resolve(struct store *store, uint32_t state, const struct batch *batch,
                                void **cells, struct error *err);
/* The same for keys that do not stand in a batch (due timers). */
enum store_result store_resolve_keys(struct store *store, uint32_t state, const struct key *keys,
                                     const int64_t *times, uint32_t count, void **cells,
                                     struct error *err);
uint32_t store_cell_size(const struct store *store, uint32_t state, const void *cell);
/* Moves a list cell that was resolved to a larger or smaller one; contents kept, new bytes zero.
 * NULL when over CELL_SIZE_MAX or under the header (nothing has changed). */
void *store_resize(struct store *store, uint32_t state, void *cell, uint32_t size);
/* Removes a list cell that was resolved: as if its key had never come. Its pointer ends. */
void store_remove(struct store *store, uint32_t state, void *cell);
/* One map entry, marked changed; reads the spill store when it must. NULL: absent and not `make`
 * (err->code is ERROR_NONE), or failed. `entry` up to KEY_SIZE_MAX bytes. */
void *store_entry(struct store *store, uint32_t state, const struct key *key, const void *entry,
                  uint32_t size, bool make, struct error *err);
bool store_entry_remove(struct store *store, uint32_t state, const struct key *key,
                        const void *entry, uint32_t size, struct error *err);

/* ---- timers: one per (state, key); INT64_MAX removes ---- */
bool store_timer_set(struct store *store, uint32_t state, const struct key *key, int64_t due_ms,
                     struct error *err);
/* Ahead of that: the key's slot is on its way from memory. */
void store_timer_fetch(const struct store *store, uint32_t state, uint64_t hash);
/* No timer is due before this; it may be early by timers that were moved. INT64_MAX: none. */
int64_t store_timer_next(const struct store *store, uint32_t state);
/* Takes up to `max` timers due at or before `until_ms`, in order of (time, key hash). Key bytes
 * hold until store_barrier or store_maintain. */
uint32_t store_timer_take(struct store *store, uint32_t state, int64_t until_ms, struct key *keys,
                          int64_t *times, uint32_t max);

/* ---- panes: named by their begin, a multiple of pane_ms ---- */
typedef bool store_pane_each(void *context, const struct key *key, const void *cell,
                             struct error *err);
/* Once for every key with a cell in panes that begin in [begin_ms, end_ms), with the merged cell; up
 * to `keys` keys a call. *more: call again with the same range; until then no cells of these panes
 * are resolved, no pane of the state is dropped, and no barrier comes. Reads spilled partials in the
 * call. `each` may not use the store. */
bool store_pane_scan(struct store *store, uint32_t state, int64_t begin_ms, int64_t end_ms,
                     uint32_t keys, store_pane_each *each, void *context, bool *more,
                     struct error *err);
/* The first pane that has cells at or after `from_ms`; INT64_MAX: none. */
int64_t store_pane_first(const struct store *store, uint32_t state, int64_t from_ms);
/* Panes that begin before `before_ms` are gone. */
void store_pane_drop(struct store *store, uint32_t state, int64_t before_ms);

/* ---- checkpoints ---- */
struct store_file {
    char name[STORE_FILE_NAME_MAX];  /* unique; prefix, sequence and checksum */
    uint64_t size, checksum;         /* whole-file xxh3 */
    bool base;                       /* a whole state: the first of its stack */
    uint32_t group_begin, group_end; /* only cells of these key groups count; both 0: all. Must be
                                        kept in manifests: a file is shared after a rescale */
    const char *path;                /* where it stands locally; not part of a manifest */
};
struct store_snapshot { /* in order: base first, then the deltas; arena-owned */
    uint32_t count;
    struct store_file *files;
};
/* Barrier: closes the open segments (a pointer swap) and lets the executor write them. Cells that
 * expire at or before `watermark_ms` (INT64_MIN: none yet) are given back. A barrier may come
 * before the files of the last one are written; only the newest can then be polled. */
void store_barrier(struct store *store, uint64_t checkpoint, int64_t watermark_ms);
/* Between barriers: no row up to this time comes any more. Raised in steps, so call it often. */
void store_watermark(struct store *store, int64_t watermark_ms);
/* STORE_READY: all files of that checkpoint stand in work_dir (`snapshot` lists the whole stack;
 * files of former snapshots are named again), synced. Pointers to cells hold. The store deletes
 * none: which files no snapshot needs any more is for the caller to know (manifest_retain). */
enum store_result store_barrier_poll(struct store *store, struct arena *arena,
                                     struct store_snapshot *snapshot, struct error *err);
/* Drives background work and gives memory back past the budget, a piece at a time; call between
 * batches and when woken. STORE_LOADING: the budget is used up, add no cells before the wake. */
enum store_result store_maintain(struct store *store, struct error *err);

/* Restore, after create and before the first cell: the stacks of former subtasks one after
 * another, each in order; only cells of owned groups are taken. Verifies every file first and
 * names a damaged one. The files become part of this store's stack: those that do not stand in
 * work_dir are linked or copied into it. */
bool store_restore(struct store *store, const char *const *paths, const struct store_file *files,
                   uint32_t count, struct error *err);

/* Before store_restore: calls `each` in it for every cell of a list state that is taken. `each` may
 * not use the store; the cell is borrowed for the call. */
typedef void store_list_each(void *context, const struct key *key, const void *cell, uint32_t size);
void store_restore_watch(struct store *store, uint32_t state, store_list_each *each, void *context);

struct store_figures {
    uint64_t cells;                  /* in memory */
    uint64_t log_bytes, index_bytes; /* memory; the log with what is being written */
    uint64_t spilled_bytes;          /* written to leave memory, since create */
    uint64_t loaded_cells;           /* read back since create */
    uint64_t written_bytes;          /* of deltas and bases, since create */
    int64_t barrier_max_ns;          /* longest store_barrier */
};
void store_figures(const struct store *store, struct store_figures *figures);

#endif
