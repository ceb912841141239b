/* Sums the workers' figures; see summary.h. JSON by jansson. */
#include "runtime/control/summary.h"

#include "runtime/base/check.h"

#include <jansson.h>

#include <math.h>
#include <string.h>

#define CHAINS_SHOWN 4u

static const char *state_name(enum coordinator_state state, bool stopped)
{
    switch (state) {
    case COORDINATOR_WAITING:
        return "waiting";
    case COORDINATOR_DEPLOYING:
        return "deploying";
    case COORDINATOR_RUNNING:
        return "running";
    case COORDINATOR_FINISHING:
        return "finishing";
    case COORDINATOR_BACKOFF:
        return "restarting";
    case COORDINATOR_DONE:
        return stopped ? "stopped" : "finished";
    case COORDINATOR_FAILED:
        return "failed";
    }
    return "unknown";
}

/* ---- sums over workers ---- */
static void op_sum(const struct driver_view *view, uint32_t op, struct op_figures *sum)
{
    *sum = (struct op_figures){.op = op};
    for (uint32_t w = 0; w < view->workers; w++)
        for (uint32_t s = 0; s < view->figures[w].subtask_count; s++) {
            const struct subtask_figures *figures = &view->figures[w].subtasks[s].figures;

            for (uint32_t o = 0; o < figures->op_count; o++) {
                if (figures->ops[o].op != op)
                    continue;
                sum->late += figures->ops[o].late;
                for (uint32_t p = 0; p < PORTS_MAX; p++) {
                    sum->rows_in[p] += figures->ops[o].rows_in[p];
                    sum->rows_out[p] += figures->ops[o].rows_out[p];
                    sum->counters[p] += figures->ops[o].counters[p];
                }
            }
        }
}

static json_t *json_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *json_seconds(int64_t ns)
{
    return json_real(round((double)ns / 1e3) / 1e6);
}

static json_t *op_json(const struct driver_view *view, uint32_t op)
{
    const struct operator_def *def = view->plan->ops[op].def;
    json_t *object = json_object(), *out = json_object();
    struct op_figures sum;
    uint64_t in = 0;

    op_sum(view, op, &sum);
    for (uint32_t p = 0; def->inputs && def->inputs[p].name; p++)
        in += sum.rows_in[p];
    json_object_set_new(object, "kind", json_string(def->name));
    json_object_set_new(object, "parallelism", json_integer(view->plan->ops[op].parallelism));
    if (def->splits) /* what a source read: all that left by one of its ports */
        for (uint32_t p = 0; def->outputs && def->outputs[p].name; p++)
            in += sum.rows_out[p];
    json_object_set_new(object, "in", json_count(in));
    for (uint32_t p = 0; def->outputs && def->outputs[p].name; p++)
        json_object_set_new(out, def->outputs[p].name, json_count(sum.rows_out[p]));
    json_object_set_new(object, "out", out);
    if (def->splits)
        json_object_set_new(object, "late", json_count(sum.late));
    for (uint32_t c = 0; def->counters && def->counters[c]; c++)
        json_object_set_new(object, def->counters[c], json_count(sum.counters[c]));
    return object;
}

/* The first record that was rejected, of those that subtasks met first. */
static const char *first_rejected(const struct driver_view *view, uint32_t chain)
{
    const struct subtask_figures *first = NULL;

    for (uint32_t w = 0; w < view->workers; w++)
        for (uint32_t s = 0; s < view->figures[w].subtask_count; s++) {
            const struct subtask_entry *entry = &view->figures[w].subtasks[s];

            if (entry->chain == chain && entry->figures.rejected[0] &&
                (!first || entry->figures.rejected_origin < first->rejected_origin))
                first = &entry->figures;
        }
    return first ? first->rejected : "";
}

/* A port with records that are lost without a reader. True: they are all that there are. */
static bool unread_port(const struct driver_view *view, const struct plan_op *op,
                        const struct op_figures *sum, uint32_t port, struct bytes *out)
{
    const char *name = op->def->outputs[port].name;
    bool unread = op->outputs[port].edge_count == 0, all = strcmp(name, "rejected") == 0;

    if ((!all && strcmp(name, "late") != 0) || sum->rows_out[port] == 0)
        return false;
    for (uint32_t p = 0; p < PORTS_MAX; p++)
        all = all && (p == port || sum->rows_out[p] == 0);
    all = all && view->restarts == 0; /* else there were some before */
    if (!all && !unread)
        return false;
    bytes_format(out, "millrace: %s: %s%llu records were %s", op->id, all ? "all " : "",
                 (unsigned long long)sum->rows_out[port], name);
    if (all)
        bytes_format(out, ", the first: %s", first_rejected(view, op->chain));
    if (unread)
        bytes_format(out, "; to see them, add {id: bad, kind: sink/stdout, from: %s.%s}", op->id,
                     name);
    bytes_text(out, "\n");
    return all && unread;
}

bool unread_text(const struct driver_view *view, struct bytes *out)
{
    bool lost = false;

    for (uint32_t op = 0; op < view->plan->op_count; op++) {
        const struct plan_op *plan_op = &view->plan->ops[op];
        struct op_figures sum;

        op_sum(view, op, &sum);
        for (uint32_t p = 1; plan_op->def->splits && plan_op->def->outputs[p].name; p++)
            lost |= unread_port(view, plan_op, &sum, p, out);
    }
    return lost;
}

static json_t *operators_json(const struct driver_view *view)
{
    json_t *object = json_object();

    for (uint32_t op = 0; op < view->plan->op_count; op++)
        json_object_set_new(object, view->plan->ops[op].id, op_json(view, op));
    return object;
}

static json_t *subtask_json(const struct driver_view *view, const struct subtask_entry *entry)
{
    const struct subtask_figures *figures = &entry->figures;
    json_t *object = json_object();

    json_object_set_new(object, "chain", json_string(plan_head(view->plan, entry->chain)->id));
    json_object_set_new(object, "subtask", json_integer(entry->subtask));
    json_object_set_new(object, "busy_s", json_seconds(figures->busy_ns));
    json_object_set_new(object, "backpressured_s", json_seconds(figures->backpressured_ns));
    json_object_set_new(object, "idle_s", json_seconds(figures->idle_ns));
    json_object_set_new(object, "pause_max_ms", json_real((double)figures->pause_max_ns / 1e6));
    json_object_set_new(object, "state_cells", json_count(figures->store.cells));
    json_object_set_new(object, "state_bytes",
                        json_count(figures->store.log_bytes + figures->store.index_bytes));
    json_object_set_new(object, "spilled_bytes", json_count(figures->store.spilled_bytes));
    json_object_set_new(object, "written_bytes", json_count(figures->store.written_bytes));
    return object;
}

static json_t *process_json(const struct driver_view *view, const struct worker_figures *figures,
                            const char *role)
{
    json_t *object = json_object(), *subtasks = json_array();
    uint64_t rows = 0;

    for (uint32_t s = 0; s < figures->subtask_count; s++) {
        const struct subtask_figures *subtask = &figures->subtasks[s].figures;

        for (uint32_t o = 0; o < subtask->op_count; o++)
            for (uint32_t p = 0; p < PORTS_MAX; p++)
                rows += subtask->ops[o].rows_in[p] + subtask->ops[o].rows_out[p];
        json_array_append_new(subtasks, subtask_json(view, &figures->subtasks[s]));
    }
    json_object_set_new(object, "role", json_string(role));
    json_object_set_new(object, "worker", json_integer(figures->worker));
    json_object_set_new(object, "pid", json_integer(figures->pid));
    json_object_set_new(object, "rows", json_count(rows));
    json_object_set_new(object, "cpu_s", json_seconds(figures->cpu_ns));
    json_object_set_new(object, "bytes_sent", json_count(figures->bytes_sent));
    json_object_set_new(object, "rss_max_bytes", json_integer(figures->rss_max_bytes));
    json_object_set_new(object, "subtasks", subtasks);
    return object;
}

static json_t *processes_json(const struct driver_view *view)
{
    json_t *array = json_array(), *own = json_object();

    json_object_set_new(own, "role", json_string("coordinator"));
    json_object_set_new(own, "cpu_s", json_seconds(view->cpu_ns));
    json_object_set_new(own, "bytes_sent", json_count(view->bytes_sent));
    json_object_set_new(own, "rss_max_bytes", json_integer(view->rss_max_bytes));
    json_array_append_new(array, own);
    for (uint32_t w = 0; w < view->workers; w++)
        json_array_append_new(array, process_json(view, &view->figures[w], "worker"));
    for (uint32_t f = 0; f < view->former_count; f++)
        json_array_append_new(array, process_json(view, &view->formers[f], "replaced worker"));
    return array;
}

static json_t *checkpoints_json(const struct driver_view *view)
{
    json_t *object = json_object();

    json_object_set_new(object, "completed", json_count(view->checkpoints.checkpoints));
    json_object_set_new(object, "failed", json_count(view->checkpoints.checkpoints_failed));
    json_object_set_new(object, "last", json_count(view->checkpoints.last_checkpoint));
    json_object_set_new(object, "last_ms", json_integer(view->checkpoints.checkpoint_last_ms));
    json_object_set_new(object, "max_ms", json_integer(view->checkpoints.checkpoint_max_ms));
    json_object_set_new(object, "dir", json_string(view->job_dir));
    return object;
}

bool summary_write(const struct driver_view *view, const char *path, struct error *err)
{
    json_t *object = json_object();
    char text[ERROR_TEXT_MAX];
    bool good;

    json_object_set_new(object, "job", json_string(view->plan->settings.job.name));
    json_object_set_new(object, "state",
                        json_string(state_name(view->state, view->checkpoints.stopped)));
    json_object_set_new(object, "run_s", json_real((double)view->run_ms / 1e3));
    json_object_set_new(object, "restarts", json_integer(view->restarts));
    json_object_set_new(object, "recovery_last_ms",
                        json_integer(view->checkpoints.recovery_last_ms));
    if (view->failure)
        json_object_set_new(object, "last_failure",
                            json_string(error_text(view->failure, text, sizeof(text))));
    json_object_set_new(object, "checkpoints", checkpoints_json(view));
    json_object_set_new(object, "operators", operators_json(view));
    json_object_set_new(object, "processes", processes_json(view));
    good = json_dump_file(object, path, JSON_INDENT(2)) == 0;
    json_decref(object);
    return good || error_errno(err, path, "cannot write the summary");
}

/* ---- progress ---- */
static void count_text(double value, struct bytes *out)
{
    if (value >= 1e6)
        bytes_format(out, "%.1f M", value / 1e6);
    else if (value >= 1e3)
        bytes_format(out, "%.1f k", value / 1e3);
    else
        bytes_format(out, "%.0f", value);
}

static uint64_t source_rows(const struct driver_view *view)
{
    struct op_figures sum;
    uint64_t rows = 0;

    for (uint32_t op = 0; op < view->plan->op_count; op++) {
        if (!view->plan->ops[op].def->splits)
            continue;
        op_sum(view, op, &sum);
        for (uint32_t p = 0; p < PORTS_MAX; p++)
            rows += sum.rows_out[p];
    }
    return rows;
}

/* Busy and blocked nanoseconds of a chain, over its subtasks. */
struct chain_time {
    int64_t busy, blocked, all;
    bool told;
};

static void chain_times(const struct driver_view *view, struct chain_time *chains)
{
    for (uint32_t w = 0; w < view->workers; w++)
        for (uint32_t s = 0; s < view->figures[w].subtask_count; s++) {
            const struct subtask_entry *entry = &view->figures[w].subtasks[s];
            struct chain_time *chain = &chains[entry->chain];

            chain->busy += entry->figures.busy_ns;
            chain->blocked += entry->figures.backpressured_ns;
            chain->all +=
                entry->figures.busy_ns + entry->figures.backpressured_ns + entry->figures.idle_ns;
        }
}

static double chain_part(const struct chain_time *chain, int64_t part)
{
    return chain->all > 0 ? (double)part / (double)chain->all : 0;
}

/* The busiest chains, as many as a person looks at. */
static void chains_text(const struct driver_view *view, struct bytes *out)
{
    struct chain_time chains[OPERATORS_MAX] = {0};

    chain_times(view, chains);
    for (uint32_t k = 0; k < CHAINS_SHOWN && k < view->plan->chain_count; k++) {
        struct chain_time *best = NULL;
        for (uint32_t c = 0; c < view->plan->chain_count; c++)
            if (!chains[c].told && chains[c].all > 0 &&
                (!best || chain_part(&chains[c], chains[c].busy) > chain_part(best, best->busy)))
                best = &chains[c];
        if (!best)
            return;
        best->told = true;
        bytes_format(out, " | %s %.0f%% busy %.0f%% blocked",
                     plan_head(view->plan, (uint32_t)(best - chains))->id,
                     100 * chain_part(best, best->busy), 100 * chain_part(best, best->blocked));
    }
}

void progress_text(const struct driver_view *view, struct progress *last, struct bytes *out)
{
    uint64_t done = 0, all = 0, rows = source_rows(view);
    double seconds = (double)(view->run_ms - last->at_ms) / 1e3, part;

    for (uint32_t w = 0; w < view->workers; w++)
        for (uint32_t s = 0; s < view->figures[w].subtask_count; s++) {
            done += view->figures[w].subtasks[s].figures.source_bytes_done;
            all += view->figures[w].subtasks[s].figures.source_bytes_all;
        }
    if (seconds > 0 && rows >= last->rows)
        last->rate = (double)(rows - last->rows) / seconds;
    last->at_ms = view->run_ms;
    last->rows = rows;
    part = all > 0 ? (double)done / (double)all : 0;
    bytes_format(out, "%s", state_name(view->state, view->checkpoints.stopped));
    if (all > 0)
        bytes_format(out, " %.0f%%", 100.0 * part);
    bytes_text(out, " | ");
    count_text((double)rows, out);
    bytes_text(out, " rows | ");
    count_text(last->rate, out);
    bytes_text(out, " rows/s");
    if (part > 0.01 && part < 1)
        bytes_format(out, " | %.0f s left", (double)view->run_ms / 1e3 * (1 - part) / part);
    chains_text(view, out);
}

void done_text(const struct driver_view *view, struct bytes *out)
{
    bytes_format(out, "%s | ", state_name(view->state, view->checkpoints.stopped));
    count_text((double)source_rows(view), out);
    bytes_format(out, " rows | %.1f s", (double)view->run_ms / 1e3);
}
