/* learn/search: how strongly each factor's term should count, by search on the offline value of the ranking
 * itself: what learn/strengths cannot see, since likely is not the same as well ranked.
 * In: labelled impressions (clicked, position, base or reasons.base, reasons.NAME) of lists drawn at random
 * (`when`), such as the log that a job has written, all in one subtask, in order of event time. Out, when
 * the input ends: a row a method and term: method, factor, strength, requests; and of the method train,
 * held_out (the offline click rate of the found strengths, in the earlier and the later part of the
 * requests), plain (the later part's with all strengths 1), uplift over it with its interval over users,
 * accepted. Where the interval does not lie above 0 the strengths are not accepted: they are 1, and found
 * holds what was found.
 *
 * Method: what was shown of a request is ranked anew by base + sum of strength x term; value: position-based
 * SNIPS of the first `k`, as in evaluate/offline. The first 3 of 10 that were drawn tell as much of strengths
 * as the first 10 of 80 candidates do: the gain is smaller, but three times as many clicks count. search.h
 * finds the best strengths on the earlier share `train` of a sample; the rest judges it. Requests whose hash
 * is least are the sample, so it is theirs alone, and not that of their order. */
#include "operators/model/search.h"
#include "operators/learn/sample.h"
#include "operators/model/ids.h"
#include "operators/model/interval.h"
#include "operators/model/served.h"
#include "operators/model/widen.h"
#include "runtime/api/operator.h"
#include "runtime/base/hash.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 100000
#define SLOTS_A_CALL 200u /* about half a millisecond */

struct search_config {
    const char *when, *user, *item, *rec;
    struct text_list factors, methods;
    int64_t sample, length, k, generations;
    double train, low, high, examination;
};

struct search_total {
    int64_t slots;  /* in use, up to `sample` */
    int64_t level;  /* the sample is those whose hash begins with so many zero bits */
    int64_t cursor; /* slots before it are of the sample */
};

static const struct option search_options[] = {
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct search_config, when),
     .def.text = "explore",
     .help = "Which impressions count: those of lists drawn at random."},
    {.name = "factors",
     .type = OPT_TEXTS,
     FIELD(struct search_config, factors),
     .help = "Names of the terms, such as [time, place]; without it all of reasons but base."},
    {.name = "methods",
     .type = OPT_TEXTS,
     FIELD(struct search_config, methods),
     .help = "Some of cross-entropy, swarm, genetic; without it all."},
    {.name = "sample",
     .type = OPT_I64,
     FIELD(struct search_config, sample),
     .def.i64 = 10000,
     .min.i64 = 20,
     .max.i64 = REQUESTS_MAX,
     .help = "Requests that are kept; of more, between half of it and all."},
    {.name = "length",
     .type = OPT_I64,
     FIELD(struct search_config, length),
     .def.i64 = 20,
     .min.i64 = 2,
     .max.i64 = SAMPLE_LENGTH_MAX,
     .help = "The most items of a list; further ones are skipped."},
    {.name = "train",
     .type = OPT_RATIO,
     FIELD(struct search_config, train),
     .def.f64 = 0.6,
     .min.f64 = 0.1,
     .max.f64 = 0.9,
     .help = "Earlier share of the sample, which is searched on; the rest judges."},
    {.name = "generations",
     .type = OPT_I64,
     FIELD(struct search_config, generations),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = 1000,
     .help = "Generations of 40 points, for each method."},
    {.name = "low",
     .type = OPT_F64,
     FIELD(struct search_config, low),
     .def.f64 = 0,
     .min.f64 = -10,
     .max.f64 = 1,
     .help = "The least strength."},
    {.name = "high",
     .type = OPT_F64,
     FIELD(struct search_config, high),
     .def.f64 = 3,
     .min.f64 = 1.1,
     .max.f64 = 100,
     .help = "The largest strength."},
    {.name = "k",
     .type = OPT_I64,
     FIELD(struct search_config, k),
     .def.i64 = 3,
     .min.i64 = 1,
     .max.i64 = SAMPLE_LENGTH_MAX,
     .help = "The first so many of a list, ranked anew, count."},
    {.name = "examination",
     .type = OPT_F64,
     FIELD(struct search_config, examination),
     .def.f64 = 0.5,
     .max.f64 = 4,
     .help = "Position k is looked at with probability k^-examination."},
    {.name = "user",
     .type = OPT_TEXT,
     FIELD(struct search_config, user),
     .def.text = "user_id",
     .help = "Column with the user: intervals are over users."},
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct search_config, item),
     .def.text = "item_id",
     .help = "Column with the item."},
    {.name = "rec",
     .type = OPT_TEXT,
     FIELD(struct search_config, rec),
     .def.text = "rec_id",
     .help = "Column with the request: its impressions are one list."},
    {0},
};
static const struct state_field total_fields[] = {
    {"slots", TYPE_I64, FIELD(struct search_total, slots)},
    {"level", TYPE_I64, FIELD(struct search_total, level)},
    {"cursor", TYPE_I64, FIELD(struct search_total, cursor)},
    {0},
};
static const struct state_field place_fields[] = {{"slot", TYPE_I64, 0, sizeof(int64_t)}, {0}};
static const struct state search_states[] = {
    {"total", STATE_VALUE, total_fields, sizeof(struct search_total)},
    {"sample", STATE_MAP, NULL, 0},
    {"places", STATE_MAP, place_fields, sizeof(int64_t)}, /* 1 + slot of a request */
    {0},
};
static const struct column_def search_columns[] = {{"clicked", TYPE_BOOL}, {0}};
static const struct port search_in[] = {
    {"in", search_columns, .global = true, .help = "Labelled impressions."},
    {0},
};
static const struct column_def search_row[] = {
    {"method", TYPE_UTF8},
    {"factor", TYPE_UTF8},
    {"strength", TYPE_F64},
    {"found", TYPE_F64},
    {"requests", TYPE_I64},
    {"train", TYPE_F64},
    {"held_out", TYPE_F64},
    {"plain", TYPE_F64},
    {"uplift", TYPE_F64},
    {"uplift_low", TYPE_F64},
    {"uplift_high", TYPE_F64},
    {"accepted", TYPE_BOOL},
    {0},
};
static const struct port search_out[] = {
    {"out", search_row, .help = "A row a method and term, when the input ends."},
    {0},
};
static const char *const search_counters[] = {"skipped", NULL};
static const char *const method_names[] = {"cross-entropy", "swarm", "genetic"};
enum { METHODS = 3 };
enum { TOTAL, SAMPLE, PLACES }; /* states */
enum {
    METHOD,
    FACTOR,
    STRENGTH,
    FOUND,
    REQUESTS,
    TRAIN,
    HELD_OUT,
    PLAIN,
    UPLIFT,
    UPLIFT_LOW,
    UPLIFT_HIGH,
    ACCEPTED
};

/* ---- layout ---- */

struct terms {
    uint32_t count;
    const char *names[SEARCH_WIDTH_MAX];
    uint32_t columns[SEARCH_WIDTH_MAX];
};

static bool wanted(const struct text_list *factors, const char *name)
{
    for (uint32_t i = 0; i < factors->count; i++)
        if (strcmp(factors->items[i], name) == 0)
            return true;
    return factors->count == 0;
}

/* False: too many. */
static bool find_terms(const struct search_config *config, const struct schema *in,
                       struct terms *terms)
{
    terms->count = 0;
    for (uint32_t i = 0; i < in->count; i++) {
        const struct field *field = &in->fields[i];
        if (field->type != TYPE_F64 || strncmp(field->name, "reasons.", 8) != 0 ||
            strcmp(field->name, "reasons.base") == 0 || !wanted(&config->factors, field->name + 8))
            continue;
        if (terms->count == SEARCH_WIDTH_MAX)
            return false;
        terms->names[terms->count] = field->name + 8;
        terms->columns[terms->count++] = i;
    }
    return true;
}

static struct sample_layout layout_of(const struct search_config *config, const struct terms *terms)
{
    return (struct sample_layout){(uint32_t)config->length, terms->count};
}

/* ---- planning ---- */

static bool check_key(struct describe *describe, const char *option, const char *name,
                      struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    uint32_t column = schema_find(in, name);

    if (column != FIELD_NONE && key_type(in->fields[column].type))
        return true;
    return describe_error(describe, err, option, "name a column of the impressions",
                          "there is no text or integer column \"%s\"", name);
}

static bool check_columns(struct describe *describe, struct error *err)
{
    const struct search_config *config = describe_config(describe);
    struct served served;

    served_open(&served, describe_input(describe, 0), NULL);
    if (served.base == FIELD_NONE)
        return describe_error(describe, err, "from", "read impressions with their base",
                              "the input has no column \"base\" or \"reasons.base\"");
    if (served.position == FIELD_NONE)
        return describe_error(describe, err, "from", "read impressions with their place",
                              "the input has no column \"position\"");
    return check_key(describe, "user", config->user, err) &&
           check_key(describe, "rec", config->rec, err) &&
           check_key(describe, "item", config->item, err);
}

static bool check_terms(struct describe *describe, struct terms *terms, struct error *err)
{
    const struct search_config *config = describe_config(describe);

    if (!find_terms(config, describe_input(describe, 0), terms))
        return describe_error(describe, err, "factors", "name those that count",
                              "there are more than %u terms", SEARCH_WIDTH_MAX);
    for (uint32_t i = 0; i < config->factors.count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < terms->count; k++)
            found = found || strcmp(terms->names[k], config->factors.items[i]) == 0;
        if (!found)
            return describe_error(describe, err, "factors", "name columns of reasons",
                                  "there is no term \"%s\"", config->factors.items[i]);
    }
    return terms->count > 0 ||
           describe_error(describe, err, "from", "read impressions with reasons",
                          "the input has no terms beside the base");
}

static bool check_methods(struct describe *describe, struct error *err)
{
    const struct search_config *config = describe_config(describe);

    for (uint32_t i = 0; i < config->methods.count; i++) {
        bool known = false;
        for (uint32_t k = 0; k < METHODS; k++)
            known = known || strcmp(method_names[k], config->methods.items[i]) == 0;
        if (!known)
            return describe_error(describe, err, "methods", "write cross-entropy, swarm, genetic",
                                  "\"%s\" is no method", config->methods.items[i]);
    }
    return true;
}

static bool search_describe(struct describe *describe, struct error *err)
{
    const struct search_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct state_field *fields = arena_new(arena, 5 * sizeof(*fields));
    struct terms *terms = arena_new(arena, sizeof(*terms));
    struct sample_layout layout;
    size_t size;

    if (!check_columns(describe, err) || !check_terms(describe, terms, err) ||
        !check_methods(describe, err) || !widen_check_when(describe, "when", config->when, err))
        return false;
    layout = layout_of(config, terms);
    size = slot_size(&layout);
    fields[0] = (struct state_field){"rec", TYPE_I64, FIELD(struct slot, rec)};
    fields[1] = (struct state_field){"user", TYPE_I64, FIELD(struct slot, user)};
    fields[2] = (struct state_field){"time", TYPE_TIMESTAMP, FIELD(struct slot, time_ms)};
    fields[3] = (struct state_field){"list", TYPE_UTF8, offsetof(struct slot, length),
                                     size - offsetof(struct slot, length)};
    describe_state(describe, SAMPLE, size, fields);
    return true;
}

/* ---- an instance ---- */

enum stage { STAGE_NONE, STAGE_SEARCH, STAGE_JUDGE, STAGE_DONE };

struct judged { /* a held-out request: its sums under the found strengths and under 1 */
    uint64_t user;
    double over[2], under[2];
};

struct search_scratch {
    struct terms terms;
    struct expr *when;
    uint32_t rec, user, item, base, position, clicked;
    uint32_t rows[BATCH_ROWS_MAX];
    uint64_t recs[BATCH_ROWS_MAX], users[BATCH_ROWS_MAX], items[BATCH_ROWS_MAX];
    struct sample_layout sample;
    struct sample_exam exam;
    /* over the calls of the last watermark */
    enum stage stage;
    int64_t slots, requests, split_ms; /* earlier requests are searched on */
    uint32_t method, point;
    int64_t at;
    double over, under;
    struct search search;
    int64_t judged_count;
    struct judged *judged;
};

static bool search_open(struct op *op, struct error *err)
{
    const struct search_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct search_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct served served;

    op_set_scratch(op, scratch);
    CHECK(find_terms(config, in, &scratch->terms));
    served_open(&served, in, NULL);
    scratch->base = served.base;
    scratch->position = served.position;
    scratch->rec = schema_find(in, config->rec);
    scratch->user = schema_find(in, config->user);
    scratch->item = schema_find(in, config->item);
    scratch->clicked = schema_find(in, "clicked");
    scratch->judged = op_memory(op, (size_t)config->sample * sizeof(*scratch->judged));
    scratch->sample = layout_of(config, &scratch->terms);
    sample_exam_init(&scratch->exam, (uint32_t)config->k, config->examination);
    scratch->when = expr_compile(config->when, in, err);
    return scratch->when != NULL;
}

static void search_close(struct op *op)
{
    struct search_scratch *scratch = op_scratch(op);

    if (scratch)
        expr_close(scratch->when);
}

/* ---- the sample ---- */

static struct slot *slot_at(struct op *op, uint32_t row, int64_t number, bool make)
{
    return op_entry(op, SAMPLE, row, &number, sizeof(number), make);
}

static bool sampled(const struct op *op, const struct search_total *total, uint64_t rec)
{
    return hash_draw(op_seed(op), rec) <= UINT64_MAX >> total->level;
}

/* A slot for a request that is not there yet; NULL: it is none of the sample, or the engine's error. */
static struct slot *free_slot(struct op *op, uint32_t row, uint64_t rec, int64_t *number)
{
    const struct search_config *config = op_config(op);
    struct search_total *total = op_cells(op, TOTAL)[row];

    if (!sampled(op, total, rec))
        return NULL;
    if (total->slots < config->sample) {
        *number = total->slots++;
        return slot_at(op, row, *number, true);
    }
    for (;;) {
        for (; total->cursor < config->sample; total->cursor++) {
            struct slot *slot = slot_at(op, row, total->cursor, false);
            if (!slot)
                return NULL;
            if (sampled(op, total, slot->rec)) /* it stays */
                continue;
            *number = total->cursor++;
            return slot;
        }
        total->level++;
        total->cursor = 0;
        if (!sampled(op, total, rec))
            return NULL;
    }
}

static struct slot *slot_of(struct op *op, const struct batch *in, uint32_t row)
{
    const struct search_scratch *scratch = op_scratch(op);
    uint64_t rec = scratch->recs[row];
    int64_t *place = op_entry(op, PLACES, row, &rec, sizeof(rec), false), number;
    struct slot *slot = place ? slot_at(op, row, *place - 1, false) : NULL;

    if (slot && slot->rec == rec)
        return slot;
    slot = free_slot(op, row, rec, &number);
    place = slot ? op_entry(op, PLACES, row, &rec, sizeof(rec), true) : NULL;
    if (!place)
        return NULL;
    *place = number + 1;
    memset(slot, 0, slot_size(&scratch->sample));
    slot->rec = rec;
    slot->user = scratch->users[row];
    slot->time_ms = batch_time(in)[row];
    return slot;
}

static double term_of(const struct batch *in, uint32_t column, uint32_t row)
{
    const struct column *terms = batch_column(in, column);
    double value = column_valid(terms, row) ? ((const double *)terms->values)[row] : 0;

    return isfinite(value) ? value : 0;
}

/* False: there is no room for it. */
static bool put_item(struct op *op, struct slot *slot, const struct batch *in, uint32_t row,
                     double position)
{
    const struct search_config *config = op_config(op);
    const struct search_scratch *scratch = op_scratch(op);
    const struct column *clicked = batch_column(in, scratch->clicked);
    uint32_t at = slot->length;

    if (at == config->length)
        return false;
    slot->length++;
    slot_ids(slot)[at] = scratch->items[row];
    slot_positions(&scratch->sample, slot)[at] = (uint8_t)position;
    slot_clicked(&scratch->sample, slot)[at] =
        column_valid(clicked, row) && column_bool(clicked, row);
    for (uint32_t term = 0; term <= scratch->terms.count; term++)
        slot_terms(&scratch->sample, slot, term)[at] =
            (float)term_of(in, term ? scratch->terms.columns[term - 1] : scratch->base, row);
    return true;
}

static bool search_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct search_scratch *scratch = op_scratch(op);
    uint32_t count = expr_filter(scratch->when, in, scratch->rows), skipped = 0;

    (void)port; /* there is one */
    (void)err;  /* what could not be read is the engine's error */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(batch_column(in, scratch->rec), batch_rows(in), scratch->recs);
    key_ids(batch_column(in, scratch->user), batch_rows(in), scratch->users);
    key_ids(batch_column(in, scratch->item), batch_rows(in), scratch->items);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = scratch->rows[i];
        double position = column_number(batch_column(in, scratch->position), row);
        bool good = position >= 1 && position <= SAMPLE_LENGTH_MAX;
        struct slot *slot = good ? slot_of(op, in, row) : NULL;
        skipped += !good || (slot && !put_item(op, slot, in, row, position));
    }
    op_count(op, 0, skipped);
    return true;
}

/* ---- the search ---- */

static int by_time(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

/* False: there is nothing to search on, or it could not be read. */
static bool search_begin(struct op *op)
{
    const struct search_config *config = op_config(op);
    const struct search_total *total = op_cells(op, TOTAL)[0];
    struct search_scratch *scratch = op_scratch(op);
    struct block *memory;
    int64_t *times;
    bool good = true;

    scratch->slots = total->slots;
    scratch->requests = 0;
    if (scratch->slots < 2)
        return false;
    memory = block_create((size_t)scratch->slots * sizeof(*times));
    times = (int64_t *)(void *)memory->data;
    for (int64_t i = 0; good && i < scratch->slots; i++) {
        struct slot *slot = slot_at(op, 0, i, false);
        good = slot != NULL;
        if (good && sampled(op, total, slot->rec))
            times[scratch->requests++] = slot->time_ms;
        else if (good)
            slot->length = 0; /* it left the sample, and nobody came in its place */
    }
    qsort(times, (size_t)scratch->requests, sizeof(*times), by_time);
    if (scratch->requests)
        scratch->split_ms = times[(int64_t)(config->train * (double)scratch->requests)];
    block_release(&memory);
    return good && scratch->requests >= 2;
}

static bool method_wanted(const struct search_config *config, uint32_t method)
{
    for (uint32_t i = 0; i < config->methods.count; i++)
        if (strcmp(config->methods.items[i], method_names[method]) == 0)
            return true;
    return config->methods.count == 0;
}

/* Goes to the next method that is wanted, from `method` on. */
static void method_begin(struct op *op, uint32_t method)
{
    const struct search_config *config = op_config(op);
    struct search_scratch *scratch = op_scratch(op);
    double ones[SEARCH_WIDTH_MAX];

    while (method < METHODS && !method_wanted(config, method))
        method++;
    scratch->method = method;
    scratch->stage = method < METHODS ? STAGE_SEARCH : STAGE_DONE;
    if (method == METHODS)
        return;
    for (uint32_t i = 0; i < SEARCH_WIDTH_MAX; i++)
        ones[i] = 1;
    search_init(&scratch->search, (enum search_method)method, scratch->terms.count, config->low,
                config->high, ones, op_seed(op) + method);
    scratch->point = 0;
    scratch->at = 0;
    scratch->over = scratch->under = 0;
}

/* Some more requests for the point at hand. False where one could not be read. */
static bool search_step(struct op *op)
{
    const struct search_config *config = op_config(op);
    struct search_scratch *scratch = op_scratch(op);
    struct search *search = &scratch->search;
    int64_t end = scratch->at + SLOTS_A_CALL;

    for (; scratch->at < scratch->slots && scratch->at < end; scratch->at++) {
        struct slot *slot = slot_at(op, 0, scratch->at, false);
        if (!slot)
            return false;
        if (slot->length && slot->time_ms < scratch->split_ms)
            slot_value(&scratch->sample, &scratch->exam, slot, search->points[scratch->point],
                       &scratch->over, &scratch->under);
    }
    if (scratch->at < scratch->slots)
        return true;
    search->values[scratch->point] = sample_rate(&scratch->exam, scratch->over, scratch->under);
    scratch->at = 0;
    scratch->over = scratch->under = 0;
    if (++scratch->point < SEARCH_POINTS)
        return true;
    scratch->point = 0;
    search_next(search);
    if (search->generation == config->generations) {
        scratch->stage = STAGE_JUDGE;
        scratch->judged_count = 0;
    }
    return true;
}

/* ---- the judgement ---- */

static bool judge_step(struct op *op)
{
    struct search_scratch *scratch = op_scratch(op);
    int64_t end = scratch->at + SLOTS_A_CALL / 2;

    for (; scratch->at < scratch->slots && scratch->at < end; scratch->at++) {
        struct slot *slot = slot_at(op, 0, scratch->at, false);
        struct judged *judged = &scratch->judged[scratch->judged_count];
        if (!slot)
            return false;
        if (!slot->length || slot->time_ms < scratch->split_ms)
            continue;
        *judged = (struct judged){.user = slot->user};
        slot_value(&scratch->sample, &scratch->exam, slot, scratch->search.best, &judged->over[0],
                   &judged->under[0]);
        slot_value(&scratch->sample, &scratch->exam, slot, NULL, &judged->over[1],
                   &judged->under[1]);
        scratch->judged_count++;
    }
    return true;
}

static int by_user(const void *left, const void *right)
{
    const struct judged *a = left, *b = right;

    return a->user < b->user ? -1 : a->user > b->user;
}

struct verdict {
    double held_out, plain, uplift, error; /* of the logarithm; NaN: not known */
};

/* Users with all their requests, paired. */
static struct verdict judge(struct op *op)
{
    struct search_scratch *scratch = op_scratch(op);
    struct judged *judged = scratch->judged;
    struct influence influence = {0};
    double over[2] = {0}, under[2] = {0};
    int64_t count = scratch->judged_count, users = 0, at;
    struct verdict verdict;

    qsort(judged, (size_t)count, sizeof(*judged), by_user);
    for (int64_t i = 0; i < count; i++) {
        users += i == 0 || judged[i].user != judged[i - 1].user;
        for (int side = 0; side < 2; side++) {
            over[side] += judged[i].over[side];
            under[side] += judged[i].under[side];
        }
    }
    verdict = (struct verdict){sample_rate(&scratch->exam, over[0], under[0]),
                               sample_rate(&scratch->exam, over[1], under[1]), NAN, NAN};
    if (!(over[0] > 0 && over[1] > 0))
        return verdict;
    for (int64_t i = 0; i < count; i = at) {
        double value = 0;
        for (at = i; at < count && judged[at].user == judged[i].user; at++)
            value +=
                influence_of(judged[at].over[0], judged[at].under[0], over[0], under[0], users) -
                influence_of(judged[at].over[1], judged[at].under[1], over[1], under[1], users);
        influence_add(&influence, value);
    }
    verdict.uplift = verdict.held_out / verdict.plain;
    verdict.error = influence_error(&influence, users);
    return verdict;
}

static void put_rows(struct op *op, const struct verdict *verdict)
{
    const struct search_scratch *scratch = op_scratch(op);
    const struct search *search = &scratch->search;
    const char *method = method_names[scratch->method];
    double half = verdict->uplift * verdict->error * INTERVAL_95;
    bool accepted = verdict->uplift - half > 1; /* false where it is not known */
    struct builder *out = op_reserve(op, 0, scratch->terms.count);

    for (uint32_t i = 0; i < scratch->terms.count; i++) {
        builder_row(out, op_watermark(op), 0, i);
        builder_text(out, METHOD, method, strlen(method));
        builder_text(out, FACTOR, scratch->terms.names[i], strlen(scratch->terms.names[i]));
        builder_f64(out, STRENGTH, accepted ? search->best[i] : 1);
        builder_f64(out, FOUND, search->best[i]);
        builder_i64(out, REQUESTS, scratch->requests);
        builder_f64(out, TRAIN, search->best_value);
        builder_f64(out, HELD_OUT, verdict->held_out);
        builder_f64(out, PLAIN, verdict->plain);
        builder_bool(out, ACCEPTED, accepted);
        if (isnan(verdict->uplift))
            continue;
        builder_f64(out, UPLIFT, verdict->uplift - 1);
        if (isnan(half))
            continue;
        builder_f64(out, UPLIFT_LOW, verdict->uplift - half - 1);
        builder_f64(out, UPLIFT_HIGH, verdict->uplift + half - 1);
    }
}

static bool search_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct search_scratch *scratch = op_scratch(op);
    bool good = true;

    (void)err; /* what could not be read is the engine's error */
    if (time_ms != INT64_MAX)
        return true;
    switch (scratch->stage) {
    case STAGE_NONE:
        if (!search_begin(op))
            return true;
        method_begin(op, 0);
        break;
    case STAGE_SEARCH:
        good = search_step(op);
        break;
    case STAGE_JUDGE:
        good = judge_step(op);
        if (good && scratch->at == scratch->slots) {
            struct verdict verdict = judge(op);
            put_rows(op, &verdict);
            method_begin(op, scratch->method + 1);
        }
        break;
    case STAGE_DONE:
        break;
    }
    if (good && scratch->stage != STAGE_DONE)
        op_again(op);
    return true;
}

const struct operator_def learn_search = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/search",
    .help =
        "Searches the strengths of factors that rank best on a log, and judges them on its rest.",
    .config_size = sizeof(struct search_config),
    .options = search_options,
    .inputs = search_in,
    .outputs = search_out,
    .states = search_states,
    .counters = search_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = search_describe,
    .open = search_open,
    .process = search_process,
    .on_watermark = search_on_watermark,
    .close = search_close,
};
OPERATOR_REGISTER(learn_search);
