/* See ledger.h. The computation is the plainest one that defines the result: sort, then look at all
 * rows for each row. */
#include "tests/sim/ledger.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX (SIM_SPLITS * SIM_ROWS * 4)

struct line {
    char *text;
    bool seen;
};

struct bundle {
    char *name, *lines;
};

struct row { /* one that is not late */
    struct sim_event event;
    uint32_t split, row;
    int64_t fed, count, tally; /* of the loop: the value; rows of the key so far, and their sum */
};

struct ledger {
    uint64_t seed;
    uint32_t row_count;
    struct row rows[SIM_SPLITS * SIM_ROWS]; /* by (time, split, row) */
    uint32_t line_count;
    struct line lines[LINES_MAX]; /* sorted */
    uint32_t bundle_count;
    struct bundle *bundles;
    uint32_t durable_count;
    uint64_t durable; /* the newest */
    char violation[512];
};

struct ledger *sim_ledger;

uint32_t sim_rows(uint64_t seed, uint32_t split)
{
    return 1 + (uint32_t)(hash_draw(seed, UINT64_MAX - 1 - split) % SIM_ROWS);
}

struct sim_event sim_event(uint64_t seed, uint32_t split, uint32_t row)
{
    uint64_t draw = hash_draw(seed, (uint64_t)split << 32 | row);
    uint64_t keys = 3 + hash_draw(seed, UINT64_MAX) % 60;

    return (struct sim_event){
        .time_ms = SIM_START_MS + (int64_t)row * 10 + (int64_t)(draw % SIM_JITTER_MS),
        .key = (int64_t)((draw >> 16) % keys),
        .value = (int64_t)((draw >> 32) % 100),
    };
}

/* ---- the expected result ---- */
static void add_line(struct ledger *ledger, char *text)
{
    CHECK(ledger->line_count < LINES_MAX);
    ledger->lines[ledger->line_count++].text = text;
}

/* Each row is judged against the watermark that its own split had before it. */
static void split_rows(struct ledger *ledger, uint32_t split)
{
    int64_t newest = INT64_MIN;

    for (uint32_t row = 0; row < sim_rows(ledger->seed, split); row++) {
        struct sim_event event = sim_event(ledger->seed, split, row);

        if (newest != INT64_MIN && event.time_ms <= newest - SIM_DISORDER_MS - 1) {
            add_line(ledger, memory_format("late %" PRId64 " %" PRId64 " %" PRId64 " %u", event.key,
                                           event.value, event.time_ms, split * 1000 + row));
            continue;
        }
        if (event.time_ms > newest)
            newest = event.time_ms;
        ledger->rows[ledger->row_count++] =
            (struct row){.event = event, .split = split, .row = row};
    }
}

static int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->event.time_ms != y->event.time_ms)
        return x->event.time_ms < y->event.time_ms ? -1 : 1;
    if (x->split != y->split)
        return x->split < y->split ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int64_t own_value(const struct row *row)
{
    return row->event.value;
}

static int64_t fed_value(const struct row *row)
{
    return row->fed;
}

static int64_t count_value(const struct row *row)
{
    return row->count;
}

/* Of the last window that ended at or before `time_ms`; -1: the key has no row there. */
static int64_t window_sum(const struct ledger *ledger, int64_t key, int64_t time_ms,
                          int64_t (*value)(const struct row *row))
{
    int64_t end = time_ms / SIM_WINDOW_MS * SIM_WINDOW_MS, sum = 0;
    bool any = false;

    for (uint32_t i = 0; i < ledger->row_count; i++) {
        const struct sim_event *event = &ledger->rows[i].event;

        if (event->key != key || event->time_ms >= end || event->time_ms < end - SIM_WINDOW_MS)
            continue;
        sum += value(&ledger->rows[i]);
        any = true;
    }
    return any ? sum : -1;
}

static void joined_line(struct ledger *ledger, uint32_t at)
{
    const struct sim_event *event = &ledger->rows[at].event;
    int64_t number = 0, sum = 0;

    for (uint32_t i = 0; i <= at; i++)
        if (ledger->rows[i].event.key == event->key) {
            number++;
            sum += ledger->rows[i].event.value;
        }
    add_line(ledger, memory_format("out %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                                   event->key, number, sum, event->time_ms,
                                   window_sum(ledger, event->key, event->time_ms, own_value)));
}

static int64_t or_none(int64_t sum)
{
    return sum < 0 ? 0 : sum;
}

/* What became of earlier rows of the key is added; those are done. */
static void feed_row(struct ledger *ledger, uint32_t at)
{
    struct row *row = &ledger->rows[at];
    int64_t key = row->event.key, time_ms = row->event.time_ms, told = 0;

    row->count = 1;
    for (uint32_t i = 0; i < at; i++) {
        const struct row *former = &ledger->rows[i];

        if (former->event.key != key)
            continue;
        row->count++;
        row->tally = former->tally;
        if (former->event.time_ms < time_ms - SIM_TALLY_MS)
            told = former->tally;
    }
    row->fed = (row->event.value + told +
                or_none(window_sum(ledger, key, time_ms - SIM_BACK_MS, fed_value)) +
                or_none(window_sum(ledger, key, time_ms - SIM_FAR_MS, count_value))) %
               SIM_FED;
    row->tally += row->fed;
}

static void fed_lines(struct ledger *ledger, uint32_t at)
{
    const struct row *row = &ledger->rows[at];
    const struct sim_event *event = &row->event;

    add_line(ledger, memory_format("echo %" PRId64 " %" PRId64 " %" PRId64 " %u", event->key,
                                   row->fed, event->time_ms, row->split * 1000 + row->row));
    add_line(ledger,
             memory_format("joined %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                           event->key, row->count, row->tally, event->time_ms,
                           window_sum(ledger, event->key, event->time_ms, fed_value)));
}

/* A key is silent when its next row comes later than SIM_SILENCE_MS after this one, or never. */
static void silence_line(struct ledger *ledger, uint32_t at)
{
    const struct sim_event *event = &ledger->rows[at].event;

    for (uint32_t i = at + 1; i < ledger->row_count; i++)
        if (ledger->rows[i].event.key == event->key) {
            if (ledger->rows[i].event.time_ms - event->time_ms < SIM_SILENCE_MS)
                return;
            break;
        }
    add_line(ledger, memory_format("silent %" PRId64 " %" PRId64, event->key, event->time_ms));
}

static int line_compare(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

struct ledger *ledger_create(uint64_t seed)
{
    struct ledger *ledger = memory_new(sizeof(*ledger));

    ledger->seed = seed;
    for (uint32_t split = 0; split < SIM_SPLITS; split++)
        split_rows(ledger, split);
    qsort(ledger->rows, ledger->row_count, sizeof(ledger->rows[0]), row_compare);
    for (uint32_t i = 0; i < ledger->row_count; i++)
        feed_row(ledger, i);
    for (uint32_t i = 0; i < ledger->row_count; i++) {
        fed_lines(ledger, i);
        joined_line(ledger, i);
        silence_line(ledger, i);
    }
    qsort(ledger->lines, ledger->line_count, sizeof(ledger->lines[0]), line_compare);
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    for (uint32_t i = 0; i < ledger->line_count; i++)
        memory_free(ledger->lines[i].text);
    for (uint32_t i = 0; i < ledger->bundle_count; i++) {
        memory_free(ledger->bundles[i].name);
        memory_free(ledger->bundles[i].lines);
    }
    memory_free(ledger->bundles);
    memory_free(ledger);
}

uint64_t ledger_seed(const struct ledger *ledger)
{
    return ledger->seed;
}

/* ---- what is committed ---- */
void ledger_violate(struct ledger *ledger, const char *format, ...)
{
    va_list args;

    if (ledger->violation[0])
        return;
    va_start(args, format);
    (void)vsnprintf(ledger->violation, sizeof(ledger->violation), format, args);
    va_end(args);
}

void ledger_durable(struct ledger *ledger, uint64_t checkpoint)
{
    ledger->durable_count++;
    if (checkpoint > ledger->durable)
        ledger->durable = checkpoint;
}

/* The same row with another looked-up value; NULL: it is no such line. */
static const char *other_lookup(const struct ledger *ledger, const char *text)
{
    const char *last = strrchr(text, ' ');

    if (strncmp(text, "out ", 4) != 0 || !last)
        return NULL;
    for (uint32_t i = 0; i < ledger->line_count; i++)
        if (strncmp(ledger->lines[i].text, text, (size_t)(last - text) + 1) == 0)
            return ledger->lines[i].text;
    return NULL;
}

static void commit_line(struct ledger *ledger, const char *name, char *text)
{
    const struct line wanted = {.text = text};
    struct line *line =
        bsearch(&wanted, ledger->lines, ledger->line_count, sizeof(ledger->lines[0]), line_compare);
    const char *other;

    if (line && !line->seen) {
        line->seen = true;
        return;
    }
    if (line) {
        ledger_violate(ledger, "exactly once: \"%s\" is committed again by bundle %s", text, name);
        return;
    }
    other = other_lookup(ledger, text);
    if (other)
        ledger_violate(ledger, "one cut for tables: bundle %s has \"%s\", expected \"%s\"", name,
                       text, other);
    else
        ledger_violate(ledger, "exactly once: bundle %s has \"%s\", which no input gives", name,
                       text);
}

static const struct bundle *bundle_find(const struct ledger *ledger, const char *name)
{
    for (uint32_t i = 0; i < ledger->bundle_count; i++)
        if (strcmp(ledger->bundles[i].name, name) == 0)
            return &ledger->bundles[i];
    return NULL;
}

void ledger_commit(struct ledger *ledger, const char *name, uint64_t checkpoint, const char *lines,
                   bool restored)
{
    const struct bundle *old = bundle_find(ledger, name);
    char *copy, *rest = NULL;

    /* A bundle of a checkpoint that was given up goes with the next one. */
    if (!restored && checkpoint > ledger->durable)
        ledger_violate(
            ledger,
            "commit after manifest: bundle %s is committed, the newest durable manifest is that "
            "of checkpoint %" PRIu64,
            name, ledger->durable);
    if (old && strcmp(old->lines, lines) != 0)
        ledger_violate(ledger, "unique names: bundle %s was committed with two contents", name);
    if (old)
        return;
    ledger->bundles =
        memory_grow(ledger->bundles, ledger->bundle_count + 1ul, sizeof(*ledger->bundles));
    ledger->bundles[ledger->bundle_count++] =
        (struct bundle){memory_text(name), memory_text(lines)};
    copy = memory_text(lines);
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        commit_line(ledger, name, line);
    memory_free(copy);
}

void ledger_finish(struct ledger *ledger)
{
    uint32_t lost = 0;
    const char *first = NULL;

    for (uint32_t i = 0; i < ledger->line_count; i++) {
        if (ledger->lines[i].seen)
            continue;
        printf("LOST %s\n", ledger->lines[i].text);
        first = first ? first : ledger->lines[i].text;
        lost++;
    }
    if (lost > 0)
        ledger_violate(ledger, "exactly once: %u lines are lost, the first is \"%s\"", lost, first);
}

const char *ledger_violation(const struct ledger *ledger)
{
    return ledger->violation;
}

uint32_t ledger_checkpoints(const struct ledger *ledger)
{
    return ledger->durable_count;
}
