/* What a subtask does next; see task.h. In a step, in this order of preference: work that is in the
 * chain already, what a barrier waits for, room in the outputs, held rows, new input. */
#include "runtime/task/gate.h"
#include "runtime/task/input.h"
#include "runtime/task/replica.h"
#include "runtime/task/sink.h"
#include "runtime/task/snapshot.h"
#include "runtime/task/source.h"
#include "runtime/task/subtask.h"

#include "runtime/base/check.h"

#include <string.h>

#define STEP_NS 1000000 /* work of one step, about */
#define STORE_FIGURES_NS 50000000
#define GATE_ROWS                                                                                  \
    (BATCH_ROWS_MAX / 2) /* that may wait for tables alone; then the input waits too */

void subtask_take_batch(struct subtask *subtask, uint32_t port, uint32_t lane, struct batch *batch)
{
    struct item *item;

    if (subtask->gate) {
        gate_put(subtask->gate, port, lane, batch);
        return;
    }
    item = items_push(&subtask_head(subtask)->items);
    item->kind = ITEM_BATCH;
    item->port = port;
    item->batch = batch;
}

/* ---- tables and the gate ---- */
/* The last time whose version of a table is complete. */
static int64_t table_limit(const struct op_table *table)
{
    int64_t progress = replica_progress(table->replica), period = table->table->period_ms;
    int64_t version;

    if (progress == INT64_MAX || progress == INT64_MIN)
        return progress;
    version = replica_version_at(table->table, progress, 0);
    return version > INT64_MAX - period - table->delay_ms ? INT64_MAX
                                                          : version + period - 1 + table->delay_ms;
}

/* Rows up to this time may go on. Readers of tables wait for the watermark too: versions that a
 * reader asks for must not go down. */
static int64_t release_limit(const struct subtask *subtask)
{
    int64_t limit_ms = input_watermark(subtask->input);

    if (subtask_head(subtask)->plan->lookup_latest)
        return limit_ms;
    for (uint32_t i = 0; i < subtask->table_count; i++) {
        int64_t table_ms = table_limit(subtask->tables[i]);

        limit_ms = table_ms < limit_ms ? table_ms : limit_ms;
    }
    return limit_ms;
}

static enum progress gate_work(struct subtask *subtask)
{
    int64_t watermark_ms, first_ms;
    struct item *item;

    if (!subtask->gate)
        return PROGRESS_NONE;
    if (gate_release(subtask->gate, release_limit(subtask), &subtask_head(subtask)->items))
        return PROGRESS_DONE;
    watermark_ms = input_watermark(subtask->input);
    first_ms = gate_first(subtask->gate);
    if (gate_rows(subtask->gate) > 0 && first_ms <= watermark_ms)
        watermark_ms = first_ms == INT64_MIN ? INT64_MIN : first_ms - 1;
    if (watermark_ms <= subtask->gate_sent_ms)
        return PROGRESS_NONE;
    subtask->gate_sent_ms = watermark_ms;
    item = items_push(&subtask_head(subtask)->items);
    item->kind = ITEM_WATERMARK;
    item->time_ms = watermark_ms;
    return PROGRESS_DONE;
}

/* Whether it looks up a table that is made from what it sends. */
static bool looped(const struct subtask *subtask)
{
    for (uint32_t i = 0; i < subtask->table_count; i++)
        if (subtask->tables[i]->looped)
            return true;
    return false;
}

/* Whether enough rows wait for nothing but tables. Reading more would not bring these on: the first
 * row's version is no later than its time, and the input's watermark has passed that, so the
 * publishers' upstream has sent a watermark which completes the version, on every edge and before any
 * barrier that stands in our channels. (Two readers that wait for each other's sources would each
 * need a version past the watermark that the other one has seen.) Blocking earlier, on rows past the
 * watermark, could be for ever. So could it be where a looped table waits for sources of its own: its
 * publisher may stand at a barrier that our own rows have yet to bring. */
static bool gate_full(const struct subtask *subtask)
{
    return subtask->gate && gate_rows(subtask->gate) >= GATE_ROWS &&
           gate_first(subtask->gate) <= input_watermark(subtask->input) &&
           (subtask_head(subtask)->plan->settles || !looped(subtask));
}

/* Between batches: no row from before this time will look anything up. */
static void tables_rest(struct subtask *subtask)
{
    int64_t time_ms;

    if (!subtask->input || subtask->table_count == 0 || !chain_quiet(subtask))
        return;
    time_ms = input_watermark(subtask->input);
    if (time_ms == INT64_MIN)
        return;
    if (time_ms < INT64_MAX)
        time_ms++;
    if (subtask->gate && gate_first(subtask->gate) < time_ms)
        time_ms = gate_first(subtask->gate);
    for (uint32_t i = 0; i < subtask->chain->op_count; i++)
        op_tables_rest(&subtask->ops[i], time_ms);
}

static void tables_passed(struct subtask *subtask, uint64_t checkpoint)
{
    for (uint32_t i = 0; i < subtask->table_count; i++)
        if (!subtask->tables[i]->looped)
            replica_reader_passed(subtask->tables[i]->reader, checkpoint);
}

/* ---- barriers ---- */
static bool barrier_aligned(const struct subtask *subtask)
{
#ifdef MILLRACE_SIM_BUG
    if (subtask->host->sim_bug & 1)
        return true;
#endif
    if (subtask->source)
        return true;
    if (!input_aligned(subtask->input))
        return false;
    for (uint32_t i = 0; i < subtask->table_count; i++)
        if (!subtask->tables[i]->looped &&
            replica_barrier(subtask->tables[i]->replica) < subtask->barrier.checkpoint)
            return false;
    return true;
}

/* The barrier is over for this subtask, well or not. */
static void barrier_end(struct subtask *subtask, uint64_t checkpoint)
{
    struct barrier *barrier = &subtask->barrier;

    if (checkpoint > barrier->ignored)
        barrier->ignored = checkpoint;
    tables_passed(subtask, checkpoint);
    if (subtask->input)
        input_unblock(subtask->input, checkpoint);
    if (barrier->checkpoint <= checkpoint) {
        barrier->checkpoint = 0;
        barrier->aligned = false;
    }
}

static enum progress barrier_pass(struct subtask *subtask)
{
    struct barrier *barrier = &subtask->barrier;
    int64_t begin_ns = clock_now_ns(subtask->host->clock), pause_ns;

    for (uint32_t i = 0; i < subtask->op_count; i++)
        if (!op_flush(&subtask->ops[i]) || !sink_prepare(&subtask->ops[i], barrier->checkpoint))
            return PROGRESS_FAILED;
    snapshot_begin(subtask, barrier->checkpoint);
    outputs_barrier(subtask, barrier->checkpoint, barrier->final == BARRIER_ENDS);
    if (subtask->source && barrier->final != BARRIER_PASSES)
        source_stop(subtask->source);
    pause_ns = clock_now_ns(subtask->host->clock) - begin_ns;
    if (pause_ns > atomic_load_explicit(&subtask->pause_max_ns, memory_order_relaxed))
        atomic_store_explicit(&subtask->pause_max_ns, pause_ns, memory_order_relaxed);
    barrier_end(subtask, barrier->checkpoint);
    return PROGRESS_DONE;
}

/* Whether rows at or before the watermark still wait for a looped table. All that these need is on its
 * way, from before the barrier: it is waited for, so that every subtask passes the barrier with the
 * same watermark and nothing held below it (see ARCHITECTURE). At the end of the input all sources have
 * sent their last watermark before the barrier, also those that do not feed this reader. */
static bool settling(const struct subtask *subtask)
{
    bool settles = subtask_head(subtask)->plan->settles ||
                   (looped(subtask) && subtask->barrier.final == BARRIER_ENDS);

    return settles && subtask->gate && gate_rows(subtask->gate) > 0 &&
           gate_first(subtask->gate) <= input_watermark(subtask->input);
}

/* With the chain quiet. Once aligned, all that can be released is processed before the snapshot: a
 * row that is still held after a restore must not need a version of a table that is gone then. */
static enum progress barrier_work(struct subtask *subtask)
{
    struct barrier *barrier = &subtask->barrier;
    enum progress progress;

    if (barrier->checkpoint == 0)
        return PROGRESS_NONE;
    if (!barrier->aligned && !barrier_aligned(subtask))
        return PROGRESS_NONE;
    barrier->aligned = true;
    if (subtask->gate && subtask->waiting)
        return PROGRESS_NONE;
    progress = gate_work(subtask);
    return progress == PROGRESS_NONE && !settling(subtask) ? barrier_pass(subtask) : progress;
}

/* ---- commands ---- */
static void raise_to(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t old = atomic_load(word);

    while (old < value && !atomic_compare_exchange_weak(word, &old, value))
        continue;
}

void subtask_trigger(struct subtask *subtask, uint64_t checkpoint, enum barrier_final final)
{
    raise_to(&subtask->commands.trigger, checkpoint * TRIGGER_FINALS + final);
    waker_wake(subtask->waker);
}

void subtask_complete(struct subtask *subtask, uint64_t checkpoint)
{
    raise_to(&subtask->commands.complete, checkpoint);
    waker_wake(subtask->waker);
}

void subtask_abort(struct subtask *subtask, uint64_t checkpoint)
{
    raise_to(&subtask->commands.abort, checkpoint);
    waker_wake(subtask->waker);
}

static void report_simple(struct subtask *subtask, enum report_kind kind, uint64_t checkpoint)
{
    struct report report = {.kind = kind,
                            .chain = subtask->chain->index,
                            .subtask = subtask->number,
                            .checkpoint = checkpoint,
                            .error = subtask->err};

    subtask->host->report(subtask->host, &report);
}

static bool obey_complete(struct subtask *subtask, uint64_t checkpoint)
{
    bool sinks = false;

    subtask->completed = checkpoint;
    if (subtask->source)
        source_release(subtask->source);
    for (uint32_t i = 0; i < subtask->op_count; i++) {
        if (!sink_commit(&subtask->ops[i], checkpoint))
            return false;
        sinks = sinks || subtask->ops[i].def->commit;
    }
    if (sinks)
        report_simple(subtask, REPORT_COMMITTED, checkpoint);
    return true;
}

static bool obey(struct subtask *subtask)
{
    struct commands *commands = &subtask->commands;
    uint64_t abort = atomic_load(&commands->abort), complete = atomic_load(&commands->complete);
    uint64_t trigger = atomic_load(&commands->trigger);

    if (abort > subtask->aborted) {
        subtask->aborted = abort;
        snapshot_forget(subtask, abort);
        barrier_end(subtask, abort);
    }
    if (subtask->source && trigger > subtask->triggered) {
        subtask->triggered = trigger;
        if (trigger / TRIGGER_FINALS > subtask->barrier.ignored) {
            subtask->barrier.checkpoint = trigger / TRIGGER_FINALS;
            subtask->barrier.final = (enum barrier_final)(trigger % TRIGGER_FINALS);
            subtask->barrier.aligned = false;
        }
    }
    return complete <= subtask->completed || obey_complete(subtask, complete);
}

/* ---- one piece of work ---- */
static enum progress take_input(struct subtask *subtask)
{
    enum progress progress;

    if (subtask->input)
        return gate_full(subtask) ? PROGRESS_NONE : input_step(subtask);
    progress = source_step(subtask);
    if (progress != PROGRESS_NONE || !chain_quiet(subtask))
        return progress == PROGRESS_NONE ? PROGRESS_DONE : progress;
    if (!subtask->drained && source_drained(subtask->source)) {
        subtask->drained = true;
        outputs_flush(subtask);
        report_simple(subtask, REPORT_DRAINED, 0);
    }
    return source_polls(subtask->source) ? PROGRESS_DONE : PROGRESS_NONE;
}

static enum progress maintain(struct subtask *subtask)
{
    if (!subtask->store)
        return PROGRESS_DONE;
    store_watermark(subtask->store, subtask_watermark(subtask));
    switch (store_maintain(subtask->store, &subtask->err)) {
    case STORE_READY:
        return PROGRESS_DONE;
    case STORE_LOADING:
        return PROGRESS_NONE;
    case STORE_FAILED:
        return PROGRESS_FAILED;
    }
    return PROGRESS_FAILED;
}

static enum progress work(struct subtask *subtask)
{
    enum progress progress = chain_work(subtask);
    bool room;

    if (progress != PROGRESS_NONE)
        return progress;
    if (!chain_quiet(subtask)) /* waits for cells */
        return maintain(subtask) == PROGRESS_FAILED ? PROGRESS_FAILED : PROGRESS_NONE;
    room = outputs_pump(subtask);
    progress = barrier_work(subtask);
    if (progress != PROGRESS_NONE)
        return progress;
    if (!room)
        return PROGRESS_FULL;
    progress = maintain(subtask);
    if (progress != PROGRESS_DONE)
        return progress;
    progress = gate_work(subtask);
    return progress == PROGRESS_NONE ? take_input(subtask) : progress;
}

/* ---- figures ---- */
static void add_time(_Atomic int64_t *figure, int64_t more_ns)
{
    if (more_ns > 0)
        atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + more_ns,
                              memory_order_relaxed);
}

static void account_wait(struct subtask *subtask, int64_t now_ns)
{
    switch (subtask->step_last) {
    case STEP_IDLE:
        add_time(&subtask->idle_ns, now_ns - subtask->step_end_ns);
        break;
    case STEP_BACKPRESSURED:
        add_time(&subtask->backpressured_ns, now_ns - subtask->step_end_ns);
        break;
    case STEP_BUSY:
    case STEP_FAILED:
        break;
    }
}

static void publish_figures(struct subtask *subtask, int64_t now_ns)
{
    uint64_t done, all, words[STORE_WORDS];
    struct store_figures store;

    atomic_store_explicit(&subtask->watermark_ms, subtask_head(subtask)->watermark_ms,
                          memory_order_relaxed);
    if (subtask->gate)
        atomic_store_explicit(&subtask->gate_rows, gate_rows(subtask->gate), memory_order_relaxed);
    if (subtask->step_last == STEP_BUSY && now_ns - subtask->figures_ns < STORE_FIGURES_NS)
        return;
    subtask->figures_ns = now_ns;
    if (subtask->source) {
        source_bytes(subtask->source, &done, &all);
        atomic_store_explicit(&subtask->bytes_done, done, memory_order_relaxed);
        atomic_store_explicit(&subtask->bytes_all, all, memory_order_relaxed);
    }
    if (!subtask->store)
        return;
    store_figures(subtask->store, &store);
    memcpy(words, &store, sizeof(store));
    for (size_t i = 0; i < STORE_WORDS; i++)
        atomic_store_explicit(&subtask->store_words[i], words[i], memory_order_relaxed);
}

static uint64_t relaxed(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static void op_figures(const struct op *op, struct op_figures *figures)
{
    figures->op = op->plan->index;
    figures->late = relaxed(&op->late);
    for (uint32_t i = 0; i < PORTS_MAX; i++) {
        figures->rows_in[i] = relaxed(&op->rows_in[i]);
        figures->rows_out[i] = relaxed(&op->rows_out[i]);
        figures->counters[i] = relaxed(&op->counters[i]);
    }
}

void subtask_figures(const struct subtask *subtask, struct subtask_figures *figures)
{
    uint64_t words[STORE_WORDS];

    *figures = (struct subtask_figures){
        .busy_ns = atomic_load_explicit(&subtask->busy_ns, memory_order_relaxed),
        .backpressured_ns = atomic_load_explicit(&subtask->backpressured_ns, memory_order_relaxed),
        .idle_ns = atomic_load_explicit(&subtask->idle_ns, memory_order_relaxed),
        .pause_max_ns = atomic_load_explicit(&subtask->pause_max_ns, memory_order_relaxed),
        .watermark_ms = atomic_load_explicit(&subtask->watermark_ms, memory_order_relaxed),
        .gate_rows = relaxed(&subtask->gate_rows),
        .source_bytes_done = relaxed(&subtask->bytes_done),
        .source_bytes_all = relaxed(&subtask->bytes_all),
        .op_count = subtask->chain->op_count,
    };
    if (subtask->source)
        source_rejected(subtask->source, &figures->rejected_origin, figures->rejected);
    for (size_t i = 0; i < STORE_WORDS; i++)
        words[i] = relaxed(&subtask->store_words[i]);
    memcpy(&figures->store, words, sizeof(figures->store));
    for (uint32_t i = 0; i < figures->op_count; i++)
        op_figures(&subtask->ops[i], &figures->ops[i]);
}

/* ---- the step ---- */
static enum step_result fail(struct subtask *subtask)
{
    subtask->failed = true;
    report_simple(subtask, REPORT_FAILED, 0);
    return STEP_FAILED;
}

static enum progress work_on(struct subtask *subtask, int64_t until_ns)
{
    enum progress progress;

    do {
        progress = work(subtask);
        if (subtask->host->chaos && random_below(&subtask->random, 16) == 0)
            outputs_flush(subtask);
    } while (progress == PROGRESS_DONE && clock_now_ns(subtask->host->clock) < until_ns);
    return progress;
}

/* Nothing to do: what was built leaves now. What a flush has left out leaves in a later step, which
 * the take that makes room for it brings about. */
static enum step_result rest(struct subtask *subtask)
{
    bool room = outputs_pump(subtask);

    outputs_flush(subtask);
    return room && !subtask->waiting ? STEP_IDLE : STEP_BACKPRESSURED;
}

static enum step_result step(struct subtask *subtask, int64_t begin_ns)
{
    int64_t timeout_ns = subtask->plan->settings.job.buffer_timeout_ms * 1000000;
    enum progress progress;

    if (!obey(subtask) || !snapshot_poll(subtask))
        return fail(subtask);
    progress = work_on(subtask, begin_ns + STEP_NS);
    tables_rest(subtask);
    switch (progress) {
    case PROGRESS_DONE:
        if (begin_ns - subtask->flushed_ns >= timeout_ns) {
            outputs_flush(subtask);
            subtask->flushed_ns = begin_ns;
        }
        return STEP_BUSY;
    case PROGRESS_NONE:
        return snapshot_poll(subtask) ? rest(subtask) : fail(subtask);
    case PROGRESS_FULL:
        outputs_flush(subtask); /* what waits for one target must not hold back the others */
        return STEP_BACKPRESSURED;
    case PROGRESS_FAILED:
        return fail(subtask);
    }
    return STEP_FAILED;
}

enum step_result subtask_step(struct subtask *subtask)
{
    int64_t begin_ns = clock_now_ns(subtask->host->clock);

    if (subtask->failed)
        return STEP_FAILED;
    account_wait(subtask, begin_ns);
    subtask->step_last = step(subtask, begin_ns);
    subtask->step_end_ns = clock_now_ns(subtask->host->clock);
    add_time(&subtask->busy_ns, subtask->step_end_ns - begin_ns);
    publish_figures(subtask, subtask->step_end_ns);
    return subtask->step_last;
}
