/* operator: all that an operator sees of the engine, and all that the engine needs of an operator.
 * An operator is one C file under operators/FAMILY/ with one const definition that registers
 * itself. The engine owns threads, batches, watermarks, barriers, timers and state; the operator
 * borrows for one call. Callbacks never block, allocate without bound, log or read a clock, and
 * end in about a millisecond. They return false with `err` filled: that fails the subtask (data
 * errors go to the rejected port instead).
 *
 * Order of life: describe (while planning, no instance), open, [source: split_open ...], process /
 * on_watermark / on_timer, [flush], [sink: prepare, commit], close. */
#ifndef MILLRACE_API_OPERATOR_H
#define MILLRACE_API_OPERATOR_H

#include "runtime/api/state.h"
#include "runtime/api/table.h"
#include "runtime/base/option.h"
#include "runtime/batch/builder.h"

#define OPERATOR_ABI 1u

struct bytes;
struct op;
struct operator_def;
struct describe;
struct due;
struct position;
struct split;
struct split_list;

struct column_def {
    const char *name;
    enum type type; /* inputs: TYPE_NONE accepts any type */
};

struct port {
    const char *name;
    /* Inputs: columns that must be there. Outputs: the schema, where it is fixed; NULL: set by
     * describe. Ends with {0}. */
    const struct column_def *columns;
    bool keyed; /* input: rows of one key meet in one subtask; output: rows keep the input's key */
    bool optional;
    bool global; /* input: keyed by nothing, all rows meet in one subtask */
    const char *help;
    /* Inputs: writes lines of the manual, six spaces in, on columns that have their names from elsewhere,
     * as those of a factor. NULL: none. */
    void (*manual)(const struct operator_def *def, struct bytes *out);
};

enum order {
    ORDER_NONE,       /* the result does not depend on the order of rows */
    ORDER_EVENT_TIME, /* rows come sorted by (event time, order) and interleaved with timers */
};

enum read_result {
    READ_FAILED, /* `err` filled */
    READ_MORE,   /* rows may have been appended; call again */
    READ_WAIT,   /* nothing now; called again after some milliseconds, or op_wake */
    READ_END,    /* this split has ended for good */
};

struct operator_def {
    uint32_t abi, size; /* OPERATOR_ABI, sizeof(struct operator_def) */
    const char *name;   /* `family/kind`, or `family` where it has one kind */
    const char *help;   /* one sentence */
    size_t config_size;
    const struct option *options;
    const struct port *inputs, *outputs; /* end with {0}; NULL: none. Port 0 is the default one */
    const struct state *states;          /* ends with {0}; NULL: none */
    const struct table_use *tables;      /* ends with {0}; NULL: none */
    const char *const *counters;         /* names beside rows in and out, such as "filtered" */
    enum order order;
    bool deterministic;
    bool selective; /* process takes batches with a selection; otherwise they are dense */

    /* Checks the configuration as a whole and fixes schemas, key, state sizes and version period
     * that depend on it. Pure: called in the client, the coordinator and each worker. */
    bool (*describe)(struct describe *describe, struct error *err);

    bool (*open)(struct op *op, struct error *err); /* per subtask; scratch memory by op_memory */
    bool (*process)(struct op *op, uint32_t port, const struct batch *in, struct error *err);
    /* All rows up to `time_ms` (inclusive) have been processed. INT64_MAX: the input has ended. */
    bool (*on_watermark)(struct op *op, int64_t time_ms, struct error *err);
    bool (*on_timer)(struct op *op, const struct due *due, struct error *err);
    /* At a barrier, before the snapshot: what follows from the states and is kept beside them, since
     * all calls need it, goes into them. Only op_entry; row 0 is the key of a global input. */
    bool (*flush)(struct op *op, struct error *err);
    void (*close)(struct op *op); /* also after a failed open */

    /* Sources. `splits` depends on the input alone and runs once, before the job starts. */
    bool (*splits)(const void *config, struct split_list *out, struct error *err);
    void *(*split_open)(struct op *op, const struct split *split, const struct position *from,
                        struct error *err); /* from NULL: the beginning */
    /* Appends at most about BATCH_ROWS_MAX rows, with event time, origin and order set, to `out`
     * (port 0), and bad records to the rejected port by op_reserve. */
    enum read_result (*split_read)(struct op *op, void *reader, struct builder *out,
                                   struct error *err);
    void (*split_position)(const void *reader, struct position *position); /* after what was read */
    void (*split_close)(void *reader);

    /* Exactly-once sinks. prepare: describes all that was processed so far in `bundle` (at a
     * barrier); it is durable, but invisible, when what was given to op_later has ended. commit: makes a bundle visible; may be repeated.
     * restore: after open, before the first row: takes over the bundles of former subtasks of
     * the restored checkpoint (commits them and undoes what came after). */
    bool (*prepare)(struct op *op, uint64_t checkpoint, struct bytes *bundle, struct error *err);
    bool (*commit)(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                   struct error *err);
    bool (*restore)(struct op *op, const uint8_t *bundle, size_t size, struct error *err);
};

/* ---- registration ---- */
#define OPERATOR_REGISTER(def)                                                                     \
    static const struct operator_def *const def##_entry                                            \
        __attribute__((used, section("millrace_operators"))) = &(def)

/* What the head of an operator's file says: its description in the manual (operators/describe.py). */
struct operator_text {
    const char *kind, *text;
};
#define OPERATOR_TEXT(def)                                                                         \
    static const struct operator_text *const def##_text                                            \
        __attribute__((used, section("millrace_texts"))) = &(def)
const char *operator_text(const char *kind); /* NULL: none */

/* All registered operators; `count` is set. In link order. */
const struct operator_def *const *operators_all(uint32_t *count);
const struct operator_def *operator_find(const char *name);

/* ---- describe: while planning ---- */
const void *describe_config(const struct describe *describe);
struct arena *describe_arena(struct describe *describe); /* lives as long as the plan */
/* NULL when an optional input is not connected. */
const struct schema *describe_input(const struct describe *describe, uint32_t port);
/* Columns of the key of an input, by name; from `key:` or the upstream's key. Count 0: none. */
const struct text_list *describe_key(const struct describe *describe, uint32_t port);
/* Sets the key of an input from the operator's own options (as clean's dedup.by). */
void describe_set_key(struct describe *describe, uint32_t port, const struct text_list *columns);
/* The schema of a table that is read; NULL when it was not given. At the first look at a loop (a
 * table with a delay that is made from what its reader sends) it is that of the declared columns, and
 * NULL for an optional table; describe is called again with the real one. */
const struct schema *describe_table(const struct describe *describe, uint32_t table);
/* False there: columns beyond the declared ones are not to be asked for yet. */
bool describe_table_known(const struct describe *describe, uint32_t table);
void describe_output(struct describe *describe, uint32_t port, const struct schema *schema);
/* Whether anything in the job reads that output, as a stream or as a table. */
bool describe_output_used(const struct describe *describe, uint32_t port);
/* The output's key columns, by name, where rows are keyed otherwise than the input. */
void describe_output_key(struct describe *describe, uint32_t port, const struct text_list *columns);
/* Which columns of an input count: those that are read here, and those that leave by an output under
 * the same name, as far as somebody reads them there. The key counts anyway. The planner leaves the
 * others out on the edge and describes anew. Without any of these calls all count. */
void describe_reads(struct describe *describe, uint32_t port, uint32_t column);
void describe_passes(struct describe *describe, uint32_t port, uint32_t output);
/* Size and fields of a state whose layout depends on the configuration. */
void describe_state(struct describe *describe, uint32_t state, size_t size,
                    const struct state_field *fields);
void describe_expiry(struct describe *describe, uint32_t state, int64_t ttl_ms);
/* Width of the panes of a STATE_PANE, ms. */
void describe_pane(struct describe *describe, uint32_t state, int64_t pane_ms);
/* Rows of the outputs are results of windows that end at multiples of `period_ms`: their tables
 * change only there. `replace`: a version holds only its own rows (window results); otherwise
 * rows stay until they are overwritten. */
void describe_versions(struct describe *describe, int64_t period_ms, bool replace);
/* Rows of that output as a table leave so long after the version that they were sent for: a reader
 * that sees a version at or after that does not find them. For tables that are not replaced. */
void describe_keep(struct describe *describe, uint32_t port, int64_t keep_ms);
/* Instead of the definition's `order`, where it depends on the configuration. */
void describe_order(struct describe *describe, enum order order);
/* Sources: rows of a split come in event-time order. */
void describe_ordered(struct describe *describe);
/* Rows sent in process leave by this output at event times of their own (later than those that they
 * are made from), so not in order. */
void describe_retimed(struct describe *describe, uint32_t port);
/* Nothing that is made of this output's rows may come back to the operator, by inputs or tables: a job
 * that does so is refused. */
void describe_aside(struct describe *describe, uint32_t port);
/* For messages: `job.yaml:12:7: operators[3].within`. option is a path such as "dedup.within". */
bool describe_error(struct describe *describe, struct error *err, const char *option,
                    const char *how, const char *what, ...) __attribute__((format(printf, 5, 6)));

/* ---- an instance: one operator in one subtask ---- */
const void *op_config(const struct op *op);
/* Scratch of the instance, zeroed, freed with it. Only in open. Not state: it must not carry
 * anything from one call to the next that changes results, unless `flush` puts it into the states. */
void *op_memory(struct op *op, size_t size);
void *op_scratch(const struct op *op); /* what op_set_scratch was given */
void op_set_scratch(struct op *op, void *scratch);
/* This attempt began from a checkpoint, whether or not this subtask gets anything of it. */
bool op_restored(const struct op *op);
const char *op_id(const struct op *op);           /* of the job file */
const char *op_subtask_name(const struct op *op); /* unique over all runs and attempts of a job, for
                                                     file names: `2-7-1` subtask 2, coordinator
                                                     epoch 7, attempt 1 */
uint64_t op_seed(const struct op *op);            /* hash of job and operator id */
const struct schema *op_input_schema(const struct op *op, uint32_t port);
const struct schema *op_output_schema(const struct op *op, uint32_t port);
/* False: rows sent there are only counted. */
bool op_output_used(const struct op *op, uint32_t port);
/* False: nobody takes that column, so it may be left null. Only in open. */
bool op_output_reads(const struct op *op, uint32_t port, uint32_t column);
int64_t op_watermark(const struct op *op); /* of the input so far; INT64_MIN before the first */
bool error_option(struct error *err, const struct op *op, const char *option, const char *what,
                  const char *how);

/* Sending. op_reserve gives the port's builder with room for `rows` more; its rows leave after
 * the call. op_emit sends a batch as it is (ownership moves in; a selection is fine). */
struct builder *op_reserve(struct op *op, uint32_t port, uint32_t rows);
void op_emit(struct op *op, uint32_t port, struct batch **batch);
void op_count(struct op *op, uint32_t counter, uint64_t more);

/* In prepare: `run` waits for the disk, say, in the worker's pool while the operator goes on. The
 * checkpoint is complete only once it has ended, with those of earlier barriers; false fails the
 * subtask. Then `end` gives `context` back, where operators are called. */
void op_later(struct op *op, bool (*run)(void *context, struct error *err),
              void (*end)(void *context), void *context);
/* Sources: splits that answered READ_WAIT may have more. Any thread, until the splits are closed. */
void op_wake(struct op *op);

/* State of the batch in `process` (one cell a row), or of the due timers in `on_timer` (one a due
 * key). Rows of one key share a cell. Pointers hold until the call ends or op_cell_resize.
 * STATE_PANE: the cell of the row's pane and key; only in `process`. */
void *const *op_cells(struct op *op, uint32_t state);
uint32_t op_cell_size(const struct op *op, uint32_t state, uint32_t row); /* STATE_LIST */
/* Changes a list cell's size (contents kept, new bytes zero); the new address is in op_cells for
 * all rows of that key. NULL when over CELL_SIZE_MAX (nothing has changed). */
void *op_cell_resize(struct op *op, uint32_t state, uint32_t row, uint32_t size);
/* Removes the list cell of a row, once nothing of it is needed: as if the key had never come. No row
 * of that key may be asked for again in this call. */
void op_cell_remove(struct op *op, uint32_t state, uint32_t row);
/* STATE_MAP: the cell of (key of the row, entry); made zeroed when absent and `make`. Holds until
 * the call ends. */
void *op_entry(struct op *op, uint32_t state, uint32_t row, const void *entry, uint32_t size,
               bool make);
/* Removes that cell; other cells' pointers hold. False where that could not be read or written. */
bool op_entry_remove(struct op *op, uint32_t state, uint32_t row, const void *entry, uint32_t size);

/* One timer a row's key: of a key's timers the last one set stands. INT64_MIN: leave as it is;
 * INT64_MAX: none. A timer is due once the watermark reaches it; also in on_timer. */
bool op_set_timers(struct op *op, const int64_t *due_ms, struct error *err);

struct due; /* keys whose timers are due, as in a batch */
uint32_t due_rows(const struct due *due);
const struct key *due_key(const struct due *due, uint32_t row);
const int64_t *due_time(const struct due *due);

/* In on_watermark: there is more to do or to send for this time. It is called again with the same
 * time, before anything else comes and once the outputs have room. */
void op_again(struct op *op);

/* STATE_PANE in on_watermark: the end of a window. Calls `each` once for every key with a cell in
 * panes that begin in [begin_ms, end_ms), with the merged aggregate; order of keys is not told
 * (rows of one window are a set). `each` may use op_reserve. *more: only about a batch of keys has
 * been told of; say op_again, and go on with the same panes. */
typedef bool pane_each(struct op *op, void *context, const struct key *key, const void *cell,
                       struct error *err);
bool op_pane_scan(struct op *op, uint32_t state, int64_t begin_ms, int64_t end_ms, pane_each *each,
                  void *context, bool *more, struct error *err);
/* The first pane that still has cells at or after `from_ms`; INT64_MAX when none. */
int64_t op_pane_first(struct op *op, uint32_t state, int64_t from_ms);
/* Panes that begin before `before_ms` are gone. */
void op_pane_drop(struct op *op, uint32_t state, int64_t before_ms);

/* ---- sources ---- */
struct split {
    uint32_t index;     /* place in the list; part of the origin */
    const char *name;   /* path or topic */
    int64_t begin, end; /* bytes or offsets; end INT64_MAX: unbounded */
};
struct split_list {
    struct arena *arena;
    uint32_t count, capacity;
    struct split *splits;
};
/* Appends; name is copied. False when over SPLITS_MAX. */
bool split_list_add(struct split_list *list, const char *name, int64_t begin, int64_t end);

struct position { /* what a reader needs to go on; the meaning is the source's */
    int64_t time_ms;
    uint64_t offset, rows;
};
/* In open: bound of disorder within a split, and the silence (wall clock) after which an
 * unbounded split no longer holds the watermark (0: never). */
void op_source_time(struct op *op, int64_t out_of_orderness_ms, int64_t idle_ms);

#endif
