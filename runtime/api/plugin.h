/* plugin: operators from a shared object that a job file names under `plugins:`. It is built apart from
 * millrace and linked with nothing of it: it exports `millrace_plugin`, gets a table of functions, and
 * sees rows as arrays of the Arrow C Data Interface. tests/plugin/scale.c is one.
 *
 * Its operators are operator_defs like any other (operator.h: callbacks, options, states), but they call
 * the host's functions instead of op_*, describe_*, batch_* and builder_*. Built against another
 * interface number it is refused with both numbers told. */
#ifndef MILLRACE_API_PLUGIN_H
#define MILLRACE_API_PLUGIN_H

#include "runtime/api/arrow.h"
#include "runtime/api/operator.h"

#define PLUGIN_ABI 1u
#define PLUGIN_SYMBOL "millrace_plugin"

struct plugin_column {
    const char *name;
    enum type type; /* bool, i32, i64, f32, f64, timestamp or utf8 */
};

/* The host's functions; grows at its end only, within one PLUGIN_ABI. */
struct plugin_host {
    uint32_t abi, size; /* PLUGIN_ABI, sizeof(struct plugin_host) of the host */

    /* ---- in describe ---- */
    const void *(*describe_config)(const struct describe *describe);
    /* The type of an input's column; TYPE_NONE: it has none of that name. */
    enum type (*describe_column)(const struct describe *describe, uint32_t port, const char *name);
    /* The output has the input's columns, then these. */
    bool (*describe_output)(struct describe *describe, uint32_t output, uint32_t input,
                            const struct plugin_column *added, uint32_t count, struct error *err);
    /* Refuses the configuration: what is wrong with an option, and how to mend it. Returns false. */
    bool (*describe_error)(struct describe *describe, struct error *err, const char *option,
                           const char *how, const char *what);

    /* ---- an instance ---- */
    const void *(*config)(const struct op *op);
    void *(*memory)(struct op *op, size_t size); /* zeroed, freed with the instance; in open */
    void (*set_scratch)(struct op *op, void *scratch);
    void *(*scratch)(const struct op *op);
    /* The place of an input's column; FIELD_NONE: it has none of that name. */
    uint32_t (*column)(const struct op *op, uint32_t port, const char *name);
    void (*count)(struct op *op, uint32_t counter, uint64_t more);
    /* Fails the subtask: fills `err` and returns false, so that a callback can return it. */
    bool (*fail)(struct error *err, const char *how, const char *what);

    /* ---- rows: dense batches ---- */
    uint32_t (*rows)(const struct batch *batch);
    const int64_t *(*times)(const struct batch *batch); /* event time, ms */
    /* A column of an input's batch, without a copy. Both are the plug-in's, to be released by it; they
     * may outlive the call. `schema` may be NULL. */
    void (*export_column)(const struct op *op, uint32_t port, const struct batch *batch,
                          uint32_t column, struct ArrowSchema *schema, struct ArrowArray *array);
    /* Sends the input's batch with added columns, in the order of describe_output; nothing but the
     * types of plugin_column. Moves the arrays in: they are released in any case. */
    bool (*emit)(struct op *op, uint32_t output, const struct batch *batch,
                 struct ArrowArray *added, uint32_t count, struct error *err);

    /* ---- state and timers: as in operator.h ---- */
    void *const *(*cells)(struct op *op, uint32_t state);
    uint32_t (*cell_size)(const struct op *op, uint32_t state, uint32_t row);
    void *(*cell_resize)(struct op *op, uint32_t state, uint32_t row, uint32_t size);
    void (*cell_remove)(struct op *op, uint32_t state, uint32_t row);
    bool (*set_timers)(struct op *op, const int64_t *due_ms, struct error *err);
    uint32_t (*due_rows)(const struct due *due);
    const int64_t *(*due_times)(const struct due *due);
};

struct plugin {         /* exported as `millrace_plugin` */
    uint32_t abi, size; /* PLUGIN_ABI, sizeof(struct plugin) */
    /* Called before anything else, once. False: this host lacks something; `why` tells what. */
    bool (*set_host)(const struct plugin_host *host, const char **why);
    const struct operator_def *const *operators; /* ends with NULL */
};

/* ---- the host's side ---- */
/* Lets plug-ins be loaded in this process. Without it plugin_load refuses. */
void plugins_enable(const struct plugin_host *host);
/* Loads a shared object and registers its operators, unless that was done before. One thread only. */
bool plugin_load(const char *path, struct error *err) NODISCARD;

#endif
