/* See source.h. */
#include "runtime/task/source.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define POLL_NS 10000000 /* between two looks at the splits that wait, unless told of more */

struct split_run {
    struct split_progress progress;
    const struct split *split;
    void *reader;                   /* NULL: closed */
    struct batch *rows;             /* read, not sent from progress.skip on; NULL: none */
    struct batch *sides[PORTS_MAX]; /* of the same read, other ports */
    uint64_t counted[PORTS_MAX];    /* counters of the same read, taken back if it is dropped */
    struct position next;           /* behind `rows` */
    bool ended;                     /* with `rows` */
    bool restored;
    bool waits; /* READ_WAIT */
    int64_t waits_ns;
};

struct source {
    struct subtask *subtask;
    struct op *op;
    uint32_t late_port, rejected_port; /* FIELD_NONE: none */
    int64_t disorder_ms, idle_ms;
    uint32_t split_count;
    struct split_run *splits;
    uint32_t heap_count, *heap; /* ready splits, the lowest watermark first */
    uint32_t fresh;             /* splits before it are not new */
    uint32_t done, waiting, open;
    uint32_t poll, poll_left; /* the waiting split looked at last; left of this round of looks */
    int64_t poll_due_ns;      /* the next round */
    atomic_bool woken;        /* there may be more: begin a round now */
    int64_t watermark_ms;
    bool stopped;
    int64_t hold_rows;   /* may still be sent; INT64_MAX: no hold */
    atomic_bool rejects; /* the two below are set, once */
    uint64_t rejected_origin;
    char rejected[REJECTED_TEXT_MAX];
};

static uint32_t port_named(const struct operator_def *def, const char *name)
{
    for (uint32_t i = 0; def->outputs && def->outputs[i].name; i++)
        if (strcmp(def->outputs[i].name, name) == 0)
            return i;
    return FIELD_NONE;
}

struct source *source_open(struct subtask *subtask)
{
    struct source *source = memory_new(sizeof(*source));
    struct op *op = subtask_head(subtask);
    int64_t hold = subtask->plan->settings.debug.hold_after_rows;

    source->subtask = subtask;
    source->op = op;
    source->late_port = port_named(op->def, "late");
    source->rejected_port = port_named(op->def, "rejected");
    source->watermark_ms = INT64_MIN;
    source->hold_rows = hold > 0 ? hold : INT64_MAX;
    source->splits = memory_array(op->plan->split_count + 1u, sizeof(*source->splits));
    source->heap = memory_array(op->plan->split_count + 1u, sizeof(*source->heap));
    for (uint32_t i = subtask->number; i < op->plan->split_count; i += op->plan->parallelism) {
        struct split_run *run = &source->splits[source->split_count++];

        run->split = &op->plan->splits[i];
        run->progress.index = run->split->index;
        run->progress.watermark_ms = INT64_MIN;
        run->progress.end = run->split->end;
    }
    return source;
}

static void rows_drop(struct split_run *run)
{
    batch_release(&run->rows);
    for (uint32_t port = 0; port < PORTS_MAX; port++)
        batch_release(&run->sides[port]);
}

static void reader_close(struct source *source, struct split_run *run)
{
    if (!run->reader)
        return;
    source->op->def->split_close(run->reader);
    run->reader = NULL;
    source->open--;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    for (uint32_t i = 0; i < source->split_count; i++) {
        rows_drop(&source->splits[i]);
        reader_close(source, &source->splits[i]);
    }
    memory_free(source->splits);
    memory_free(source->heap);
    memory_free(source);
}

void source_time(struct source *source, int64_t out_of_orderness_ms, int64_t idle_ms)
{
    CHECK(out_of_orderness_ms >= 0 && idle_ms >= 0);
    source->disorder_ms = out_of_orderness_ms;
    source->idle_ms = idle_ms;
}

void op_source_time(struct op *op, int64_t out_of_orderness_ms, int64_t idle_ms)
{
    CHECK(op->call == CALL_OPEN && op->subtask->source);
    source_time(op->subtask->source, out_of_orderness_ms, idle_ms);
}

bool source_drained(const struct source *source)
{
    return source->done == source->split_count;
}

int64_t source_watermark(const struct source *source)
{
    return source->watermark_ms;
}

void source_stop(struct source *source)
{
    source->stopped = true;
}

void source_release(struct source *source)
{
    source->hold_rows = INT64_MAX;
}

/* ---- the heap of ready splits ---- */
static bool split_before(const struct source *source, uint32_t a, uint32_t b)
{
    const struct split_progress *x = &source->splits[a].progress, *y = &source->splits[b].progress;

    return x->watermark_ms != y->watermark_ms ? x->watermark_ms < y->watermark_ms : a < b;
}

static void heap_down(struct source *source, uint32_t at)
{
    uint32_t *heap = source->heap, moved = heap[at];

    for (uint32_t child; (child = at * 2 + 1) < source->heap_count; at = child) {
        if (child + 1 < source->heap_count && split_before(source, heap[child + 1], heap[child]))
            child++;
        if (!split_before(source, heap[child], moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void heap_push(struct source *source, uint32_t split)
{
    uint32_t *heap = source->heap, at = source->heap_count++;

    for (; at > 0 && split_before(source, split, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = split;
}

static void heap_pop(struct source *source)
{
    source->heap[0] = source->heap[--source->heap_count];
    if (source->heap_count > 0)
        heap_down(source, 0);
}

/* ---- readers ---- */
/* Drops what was read ahead: it will be read again. */
static void split_unload(struct source *source, struct split_run *run)
{
    if (run->rows && run->progress.skip == 0)
        for (uint32_t i = 0; i < PORTS_MAX; i++)
            figure_add(&source->op->counters[i], -run->counted[i]);
    rows_drop(run);
    run->ended = false;
    reader_close(source, run);
}

/* Closes the reader that will be needed last: that of the highest watermark. */
static void make_room(struct source *source, const struct split_run *wanted)
{
    struct split_run *last = NULL;

    if (source->open < SPLITS_OPEN)
        return;
    for (uint32_t i = 0; i < source->split_count; i++) {
        struct split_run *run = &source->splits[i];

        if (run->reader && run != wanted && !run->waits &&
            (!last || run->progress.watermark_ms >= last->progress.watermark_ms))
            last = run;
    }
    if (last)
        split_unload(source, last);
}

static bool reader_open(struct source *source, struct split_run *run)
{
    if (run->reader)
        return true;
    make_room(source, run);
    run->reader = source->op->def->split_open(source->op, run->split,
                                              run->progress.begun ? &run->progress.position : NULL,
                                              &source->subtask->err);
    if (!run->reader)
        return false;
    source->open++;
    return true;
}

/* Appends the first row's value of a text column, if there is one of that name. */
static void put_first(const struct schema *schema, const struct batch *batch, const char *column,
                      const char *before, char *text)
{
    uint32_t at = schema_find(schema, column), size = 0;
    size_t used = strlen(text);
    const char *value;

    if (at == FIELD_NONE || schema->fields[at].type != TYPE_UTF8)
        return;
    value = column_text(batch_column(batch, at), batch_row(batch, 0), &size);
    if (size > 0)
        (void)snprintf(text + used, REJECTED_TEXT_MAX - used, "%s%.*s", before, (int)size, value);
}

/* In case all are rejected: counts alone do not say what is wrong. */
static void note_rejected(struct source *source, const struct batch *batch)
{
    const struct schema *schema = source->op->outputs[source->rejected_port].schema;
    uint64_t origin = batch_origin(batch)[batch_row(batch, 0)];
    char *text = source->rejected;
    size_t used;

    put_first(schema, batch, "file", "", text);
    used = strlen(text);
    (void)snprintf(text + used, REJECTED_TEXT_MAX - used, " at byte %" PRIu64,
                   origin_offset(origin));
    put_first(schema, batch, "field", ": ", text);
    put_first(schema, batch, "reason", ": ", text);
    source->rejected_origin = origin;
    atomic_store_explicit(&source->rejects, true, memory_order_release);
}

static void send_sides(struct source *source, struct split_run *run)
{
    if (source->rejected_port != FIELD_NONE && run->sides[source->rejected_port] &&
        !atomic_load_explicit(&source->rejects, memory_order_relaxed))
        note_rejected(source, run->sides[source->rejected_port]);
    for (uint32_t port = 1; port < source->op->output_count; port++)
        if (run->sides[port]) {
            output_send(source->op, port, run->sides[port]);
            batch_release(&run->sides[port]);
        }
}

/* What was read has been sent, or was before a restore: `skip` rows of the next read too. */
static void read_done(struct source *source, struct split_run *run, uint32_t skip)
{
    rows_drop(run);
    run->progress.position = run->next;
    run->progress.begun = true;
    run->progress.skip = skip;
    if (!run->ended)
        return;
    run->progress.state = SPLIT_DONE;
    source->done++;
    reader_close(source, run);
}

static void take_built(struct source *source, struct split_run *run, const uint64_t *before)
{
    struct op *op = source->op;

    if (op->outputs[0].builder)
        run->rows = builder_finish(op->outputs[0].builder);
    for (uint32_t port = 1; port < op->output_count; port++)
        if (op->outputs[port].builder)
            run->sides[port] = builder_finish(op->outputs[port].builder);
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        run->counted[i] = atomic_load_explicit(&op->counters[i], memory_order_relaxed) - before[i];
}

/* After a restore in the middle of a read: those rows, and all side rows of it, were sent. */
static void skip_sent(struct source *source, struct split_run *run)
{
    uint32_t skip = run->progress.skip;

    for (uint32_t port = 0; port < PORTS_MAX; port++)
        batch_release(&run->sides[port]);
    if (run->rows->selected > skip)
        return;
    read_done(source, run, skip - run->rows->selected);
}

static void split_wait(struct source *source, struct split_run *run)
{
    if (run->waits)
        return;
    run->waits = true;
    run->waits_ns = clock_now_ns(source->subtask->host->clock);
    if (source->waiting++ == 0)
        source->poll_due_ns = run->waits_ns + POLL_NS;
}

/* One read. Afterwards the split has rows, has ended, waits, or is to be read again. */
static bool split_read(struct source *source, struct split_run *run)
{
    struct op *op = source->op;
    uint64_t before[PORTS_MAX];
    enum read_result result;

    if (!reader_open(source, run))
        return false;
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        before[i] = atomic_load_explicit(&op->counters[i], memory_order_relaxed);
    result = op->def->split_read(op, run->reader, op_reserve(op, 0, BATCH_ROWS_MAX),
                                 &source->subtask->err);
    if (result == READ_FAILED)
        return false;
    take_built(source, run, before);
    op->def->split_position(run->reader, &run->next);
    run->ended = result == READ_END;
    if (run->waits && (run->rows || result != READ_WAIT)) {
        run->waits = false;
        source->waiting--;
    }
    if (!run->rows) {
        if (run->progress.skip > 0)
            rows_drop(run);
        send_sides(source, run);
        if (result == READ_WAIT)
            split_wait(source, run);
        read_done(source, run, run->progress.skip);
    } else if (run->progress.skip > 0) {
        skip_sent(source, run);
    }
    return true;
}

/* ---- lateness ---- */
static int64_t behind(const struct source *source, int64_t time_ms)
{
    return time_ms <= INT64_MIN + source->disorder_ms + 1 ? INT64_MIN
                                                          : time_ms - source->disorder_ms - 1;
}

struct judged {
    uint32_t good_count, late_count;
    uint32_t *good, *late; /* physical rows; as many as the read has */
};

/* Row by row: each against the watermark that its split had before it. */
static void judge(const struct source *source, struct split_run *run, uint32_t end,
                  struct judged *judged)
{
    const int64_t *time = batch_time(run->rows);
    int64_t watermark_ms = run->progress.watermark_ms;

    for (uint32_t k = run->progress.skip; k < end; k++) {
        uint32_t row = batch_row(run->rows, k);
        int64_t raised = behind(source, time[row]);

        if (time[row] <= watermark_ms) {
            judged->late[judged->late_count++] = row;
            continue;
        }
        judged->good[judged->good_count++] = row;
        if (raised > watermark_ms)
            watermark_ms = raised;
    }
    run->progress.watermark_ms = watermark_ms;
}

static void send_some(struct source *source, uint32_t port, struct batch *batch,
                      const uint32_t *rows, uint32_t count)
{
    struct batch *some;

    if (count == 0)
        return;
    if (count == batch->selected) {
        output_send(source->op, port, batch);
        return;
    }
    some = batch_select(batch, rows, count);
    output_send(source->op, port, some);
    batch_release(&some);
}

/* Sends what was read, or as much as debug.hold-after-rows allows. */
static void split_send(struct source *source, struct split_run *run)
{
    uint32_t end = run->rows->selected, all = end;
    struct judged judged = {0};

    send_sides(source, run);
    if (end - run->progress.skip > source->hold_rows)
        end = run->progress.skip + (uint32_t)source->hold_rows;
    if (source->hold_rows != INT64_MAX)
        source->hold_rows -= end - run->progress.skip;
    judged.good = memory_grow(NULL, all + 1ul, 2 * sizeof(uint32_t));
    judged.late = judged.good + all;
    judge(source, run, end, &judged);
    send_some(source, 0, run->rows, judged.good, judged.good_count);
    figure_add(&source->op->late, judged.late_count);
    if (source->late_port != FIELD_NONE)
        send_some(source, source->late_port, run->rows, judged.late, judged.late_count);
    memory_free(judged.good);
    run->progress.skip = end;
    if (end == all)
        read_done(source, run, 0);
}

/* ---- the driver ---- */
static bool idle_split(const struct source *source, const struct split_run *run, int64_t now_ns)
{
    return source->idle_ms > 0 && now_ns - run->waits_ns >= source->idle_ms * 1000000;
}

/* The minimum over the splits that have not ended; INT64_MIN while one is not known. */
static int64_t lowest(const struct source *source)
{
    int64_t low_ms = INT64_MAX, now_ns;

    CHECK(source->splits || source->heap_count == 0);
    if (source->heap_count > 0)
        low_ms = source->splits[source->heap[0]].progress.watermark_ms;
    if (source->waiting > 0) {
        now_ns = clock_now_ns(source->subtask->host->clock);
        for (uint32_t i = 0; i < source->split_count; i++) {
            const struct split_run *run = &source->splits[i];

            if (run->waits && run->progress.watermark_ms < low_ms &&
                !idle_split(source, run, now_ns))
                low_ms = run->progress.watermark_ms;
        }
        /* All silent: time stands still. */
        if (low_ms == INT64_MAX)
            return source->watermark_ms;
    }
    return source->fresh < source->split_count ? INT64_MIN : low_ms;
}

static void pass_watermark(struct source *source)
{
    int64_t low_ms = lowest(source);

    if (low_ms <= source->watermark_ms)
        return;
    source->watermark_ms = source->op->watermark_ms = low_ms;
    op_pass_watermark(source->op, low_ms);
}

/* A new split that has been read up to its first rows. */
static void split_begin(struct source *source, struct split_run *run)
{
    int64_t first_ms = batch_time(run->rows)[batch_row(run->rows, 0)];

    run->progress.state = SPLIT_READY;
    run->progress.watermark_ms = behind(source, first_ms);
}

bool source_polls(const struct source *source)
{
    if (source->waiting == 0 || source->stopped || source->hold_rows == 0)
        return false;
    return source->poll_left > 0 || atomic_load(&source->woken) ||
           clock_now_ns(source->subtask->host->clock) >= source->poll_due_ns;
}

int64_t source_due_ns(const struct source *source)
{
    if (source->waiting == 0 || source->stopped || source->hold_rows == 0)
        return INT64_MAX;
    return source->poll_left > 0 || atomic_load(&source->woken) ? INT64_MIN : source->poll_due_ns;
}

void source_wake(struct source *source)
{
    atomic_store(&source->woken, true);
    waker_wake(source->subtask->waker);
}

/* Splits that wait are looked at in rounds, each once. */
static struct split_run *split_poll(struct source *source)
{
    if (source->poll_left == 0) {
        atomic_store(&source->woken, false);
        source->poll_left = source->waiting;
        source->poll_due_ns = clock_now_ns(source->subtask->host->clock) + POLL_NS;
    }
    source->poll_left--;
    do
        source->poll = (source->poll + 1) % source->split_count;
    while (!source->splits[source->poll].waits);
    return &source->splits[source->poll];
}

/* The next split to read: new ones first, then those that wait if it is time, else the one with the
 * lowest watermark; NULL: none. */
static struct split_run *split_choose(struct source *source)
{
    while (source->fresh < source->split_count &&
           (source->splits[source->fresh].progress.state != SPLIT_NEW ||
            source->splits[source->fresh].waits))
        source->fresh++;
    if (source->fresh < source->split_count)
        return &source->splits[source->fresh];
    if (source_polls(source))
        return split_poll(source);
    return source->heap_count > 0 ? &source->splits[source->heap[0]] : NULL;
}

/* Puts a split where it belongs after a read: the heap holds those that are ready and do not wait. */
static void split_place(struct source *source, struct split_run *run, bool in_heap)
{
    bool belongs = run->progress.state == SPLIT_READY && !run->waits;

    if (in_heap && belongs)
        heap_down(source, 0);
    else if (in_heap)
        heap_pop(source);
    else if (belongs)
        heap_push(source, (uint32_t)(run - source->splits));
}

enum progress source_step(struct subtask *subtask)
{
    struct source *source = subtask->source;
    struct split_run *run;
    bool in_heap;

    if (source->stopped || source->hold_rows == 0)
        return PROGRESS_NONE;
    run = split_choose(source);
    if (!run) {
        pass_watermark(source);
        return PROGRESS_NONE;
    }
    in_heap = source->heap_count > 0 && run == &source->splits[source->heap[0]];
    if (!run->rows && !split_read(source, run)) {
        error_wrap(&subtask->err, "operator %s, split %s", source->op->id, run->split->name);
        return PROGRESS_FAILED;
    }
    if (run->progress.state == SPLIT_NEW && run->rows)
        split_begin(source, run);
    else if (in_heap && run->rows)
        split_send(source, run);
    split_place(source, run, in_heap);
    pass_watermark(source);
    return PROGRESS_DONE;
}

/* ---- snapshots ---- */
uint32_t source_split_count(const struct source *source)
{
    return source->split_count;
}

const struct split_progress *source_split(const struct source *source, uint32_t at)
{
    CHECK(at < source->split_count);
    return &source->splits[at].progress;
}

/* What ended goes on where there is more of it now. */
static void split_grow(struct split_run *run)
{
    struct split_progress *progress = &run->progress;
    bool more = run->split->end > progress->end;

    progress->end = run->split->end;
    if (progress->state == SPLIT_DONE && more)
        progress->state = progress->watermark_ms == INT64_MIN ? SPLIT_NEW : SPLIT_READY;
}

bool source_restore(struct source *source, const struct split_progress *split)
{
    for (uint32_t i = 0; i < source->split_count; i++) {
        struct split_run *run = &source->splits[i];

        if (run->progress.index != split->index || run->restored)
            continue;
        run->restored = true;
        run->progress = *split;
        split_grow(run);
        if (run->progress.state == SPLIT_DONE)
            source->done++;
        if (run->progress.state == SPLIT_READY)
            heap_push(source, i);
        return true;
    }
    return false;
}

void source_restored(struct source *source, int64_t watermark_ms)
{
    source->watermark_ms = source->op->watermark_ms = watermark_ms;
    source->hold_rows = INT64_MAX;
}

/* ---- figures ---- */
void source_rejected(const struct source *source, uint64_t *origin, char *text)
{
    text[0] = '\0';
    if (!atomic_load_explicit(&source->rejects, memory_order_acquire))
        return;
    *origin = source->rejected_origin;
    memcpy(text, source->rejected, REJECTED_TEXT_MAX);
}

void source_bytes(const struct source *source, uint64_t *done, uint64_t *all)
{
    *done = *all = 0;
    for (uint32_t i = 0; i < source->split_count; i++) {
        const struct split_run *run = &source->splits[i];
        uint64_t size = (uint64_t)(run->split->end - run->split->begin);
        uint64_t begin = (uint64_t)run->split->begin;
        uint64_t at = run->progress.begun ? run->progress.position.offset : begin;

        if (run->split->end == INT64_MAX)
            continue;
        *all += size;
        if (run->progress.state == SPLIT_DONE)
            *done += size;
        else if (at > begin)
            *done += at - begin < size ? at - begin : size;
    }
}
