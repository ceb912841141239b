/* See tally.h. Slices and a slice's units are numbered from 0 in the order of their coming: the
 * numbers differ between runs, what is told does not; rows of one end are a set. */
#include "operators/evaluate/tally.h"

#include "runtime/base/hash.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNIT 0x1p20
#define VALUE_MAX 1e9

const struct state_field tally_total_fields[] = {
    {"slices", TYPE_UTF8, FIELD(struct tally_total, slices)},
    {"open", TYPE_UTF8, FIELD(struct tally_total, open)},
    {"gone", TYPE_I64, FIELD(struct tally_total, gone)},
    {"due", TYPE_TIMESTAMP, FIELD(struct tally_total, due_ms)},
    {0},
};
const struct state_field tally_slice_fields[] = {
    {"by", TYPE_I64, FIELD(struct tally_slice, by)},
    {"begin", TYPE_TIMESTAMP, FIELD(struct tally_slice, begin_ms)},
    {"end", TYPE_TIMESTAMP, FIELD(struct tally_slice, end_ms)},
    {"first", TYPE_TIMESTAMP, FIELD(struct tally_slice, first_ms)},
    {"last", TYPE_TIMESTAMP, FIELD(struct tally_slice, last_ms)},
    {"units", TYPE_I64, FIELD(struct tally_slice, units)},
    {"level_hash", TYPE_I64, FIELD(struct tally_slice, level_hash)},
    {"arm_hash", TYPE_I64, FIELD(struct tally_slice, arm_hash)},
    {"told", TYPE_I32, FIELD(struct tally_slice, told)},
    {"level_size", TYPE_I32, FIELD(struct tally_slice, level_size)},
    {"arm_size", TYPE_I32, FIELD(struct tally_slice, arm_size)},
    {"spare", TYPE_I32, FIELD(struct tally_slice, spare)},
    {"level", TYPE_UTF8, FIELD(struct tally_slice, level)},
    {"arm", TYPE_UTF8, FIELD(struct tally_slice, arm)},
    {"totals", TYPE_UTF8, FIELD(struct tally_slice, totals)},
    {"users", TYPE_UTF8, FIELD(struct tally_slice, users)},
    {0},
};
const struct state_field tally_number_fields[] = {{"number", TYPE_I64, 0, sizeof(int64_t)}, {0}};
const struct state_field tally_member_fields[] = {{"user", TYPE_I64, 0, sizeof(int64_t)}, {0}};

enum { BY, LEVEL, ARM, FROM, UNTIL, USERS, COLUMNS };

/* ---- planning ---- */

static bool check_columns(struct describe *describe, struct error *err)
{
    const struct tally_options *options = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    uint32_t user = schema_find(in, options->user);

    describe_reads(describe, 0, user);
    if (!key_type(in->fields[user].type))
        return describe_error(describe, err, "user", "name a text or integer column",
                              "column \"%s\" is %s", options->user,
                              type_name(in->fields[user].type));
    if (options->arm) {
        uint32_t arm = schema_find(in, options->arm);
        describe_reads(describe, 0, arm);
        if (in->fields[arm].type != TYPE_UTF8)
            return describe_error(describe, err, "arm", "name a text column", "column \"%s\" is %s",
                                  options->arm, type_name(in->fields[arm].type));
    }
    if (options->by.count > TALLY_BY_MAX)
        return describe_error(describe, err, "by", "use two operators",
                              "there are %u columns, more than %u", options->by.count,
                              TALLY_BY_MAX);
    for (uint32_t i = 0; i < options->by.count; i++) {
        uint32_t column = schema_find(in, options->by.items[i]);
        describe_reads(describe, 0, column);
        if (!key_type(in->fields[column].type))
            return describe_error(describe, err, "by", "name text, integer or bool columns",
                                  "column \"%s\" is %s", options->by.items[i],
                                  type_name(in->fields[column].type));
    }
    return true;
}

static void set_users(struct describe *describe, const struct tally_plan *plan)
{
    size_t size = sizeof(struct tally_user) + plan->variables * sizeof(int64_t);
    struct state_field *fields = arena_new(describe_arena(describe), 3 * sizeof(*fields));

    fields[0] = (struct state_field){"place", TYPE_I64, FIELD(struct tally_user, place)};
    fields[1] = (struct state_field){"sums", TYPE_UTF8, sizeof(struct tally_user),
                                     plan->variables * sizeof(int64_t)};
    fields[2] = (struct state_field){0};
    describe_state(describe, TALLY_USERS, size, fields);
}

struct schema *tally_describe(struct describe *describe, const struct tally_plan *plan,
                              struct error *err)
{
    static const char *const ends[] = {"",        "_low",        "_high",
                                       "_uplift", "_uplift_low", "_uplift_high"};
    const struct tally_options *options = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);

    if (!check_columns(describe, err))
        return NULL;
    set_users(describe, plan);
    CHECK(schema_add_column(schema, arena, "by", TYPE_UTF8));
    CHECK(schema_add_column(schema, arena, "level", TYPE_UTF8));
    CHECK(schema_add_column(schema, arena, "arm", TYPE_UTF8));
    CHECK(schema_add_column(schema, arena, "from", TYPE_TIMESTAMP));
    CHECK(schema_add_column(schema, arena, "until", TYPE_TIMESTAMP));
    CHECK(schema_add_column(schema, arena, "users", TYPE_I64));
    for (uint32_t i = 0; i < plan->count_count; i++)
        CHECK(schema_add_column(schema, arena, plan->counts[i].name, TYPE_I64));
    for (uint32_t i = 0; i < plan->figure_count; i++)
        for (uint32_t end = 0; end < (options->base ? 6u : 3u); end++)
            CHECK(schema_add_column(schema, arena,
                                    arena_format(arena, "%s%s", plan->figures[i].name, ends[end]),
                                    TYPE_F64));
    return schema;
}

/* ---- rows ---- */

void tally_open(struct op *op, struct tally *tally, const struct tally_plan *plan)
{
    const struct tally_options *options = op_config(op);
    const struct schema *in = op_input_schema(op, 0);

    tally->plan = *plan;
    tally->user = schema_find(in, options->user);
    tally->arm = options->arm ? schema_find(in, options->arm) : FIELD_NONE;
    tally->by_count = options->by.count;
    for (uint32_t i = 0; i < tally->by_count; i++)
        tally->by[i] = schema_find(in, options->by.items[i]);
    tally->telling.number = -1;
}

void tally_begin(struct tally *tally, const struct batch *in)
{
    key_ids(batch_column(in, tally->user), batch_rows(in), tally->users);
    memset(tally->cached, 0, sizeof(tally->cached)); /* its cells were those of another call */
}

struct wanted { /* a slice */
    int64_t by, begin_ms;
    const char *level, *arm;
    uint32_t level_size, arm_size;
    uint64_t level_hash, arm_hash;
};

static uint32_t level_text(const struct column *column, uint32_t row, char *text)
{
    const char *from;
    uint32_t size;

    if (!column_valid(column, row))
        return 0;
    if (column->type == TYPE_UTF8) {
        from = column_text(column, row, &size);
        size = size < TALLY_LEVEL_MAX ? size : TALLY_LEVEL_MAX;
        memcpy(text, from, size);
        return size;
    }
    if (column->type == TYPE_BOOL)
        return (uint32_t)snprintf(text, TALLY_LEVEL_MAX, "%s",
                                  column_bool(column, row) ? "true" : "false");
    return (uint32_t)snprintf(text, TALLY_LEVEL_MAX, "%.0f", column_number(column, row));
}

static struct tally_slice *slice_at(struct op *op, uint32_t row, int64_t number)
{
    return op_entry(op, TALLY_SLICES, row, &number, sizeof(number), true);
}

static void slice_begin(const struct tally_options *options, struct tally_slice *slice,
                        const struct wanted *wanted)
{
    slice->by = wanted->by;
    slice->begin_ms = wanted->begin_ms;
    slice->end_ms =
        wanted->begin_ms == INT64_MIN ? INT64_MIN : wanted->begin_ms + options->every_ms;
    slice->first_ms = INT64_MAX;
    slice->last_ms = INT64_MIN;
    slice->level_hash = wanted->level_hash;
    slice->arm_hash = wanted->arm_hash;
    slice->level_size = wanted->level_size;
    slice->arm_size = wanted->arm_size;
    if (wanted->level_size)
        memcpy(slice->level, wanted->level, wanted->level_size);
    if (wanted->arm_size)
        memcpy(slice->arm, wanted->arm, wanted->arm_size);
}

/* 1 + the number, so that a new cell says that there is none. */
static int64_t *number_of(struct op *op, uint32_t row, const struct wanted *wanted, bool make)
{
    const int64_t entry[4] = {wanted->by, wanted->begin_ms, (int64_t)wanted->level_hash,
                              (int64_t)wanted->arm_hash};

    return op_entry(op, TALLY_NUMBERS, row, entry, sizeof(entry), make);
}

static struct tally_user *user_of(struct op *op, uint32_t row, int64_t slice, uint64_t user,
                                  bool make)
{
    const int64_t entry[2] = {slice, (int64_t)user};

    return op_entry(op, TALLY_USERS, row, entry, sizeof(entry), make);
}

/* The identity of a slice's user by its place. */
static int64_t *member_at(struct op *op, uint32_t row, int64_t slice, int64_t place, bool make)
{
    const int64_t entry[2] = {slice, place};

    return op_entry(op, TALLY_MEMBERS, row, entry, sizeof(entry), make);
}

static void add_values(const struct tally *tally, struct tally_slice *slice,
                       struct tally_user *user, const double *values)
{
    for (uint32_t i = 0; i < tally->plan.variables; i++) {
        double value = values[i];
        int64_t units, sum;

        if (value == 0 || isnan(value))
            continue;
        value = value > VALUE_MAX ? VALUE_MAX : value < -VALUE_MAX ? -VALUE_MAX : value;
        units = llrint(value * UNIT);
        if (__builtin_add_overflow(user->sums[i], units, &sum))
            continue;
        user->sums[i] = sum;
        slice->totals[i] = sum_from_raw(sum_raw(slice->totals[i]) + units);
    }
}

/* Finds or makes the slice; false where it could not be read. */
static bool find_slice(struct op *op, uint32_t row, const struct wanted *wanted,
                       struct tally_cached *cached)
{
    struct tally_total *total = op_cells(op, TALLY_TOTAL)[row];
    bool period = wanted->begin_ms != INT64_MIN;
    int64_t *number = number_of(op, row, wanted, true);

    if (!number)
        return false;
    if (!*number)
        *number = 2 * total->slices[period]++ + period + 1;
    cached->slice = slice_at(op, row, *number - 1);
    cached->number = *number - 1;
    cached->cell = NULL;
    if (!cached->slice || cached->slice->units)
        return cached->slice != NULL;
    slice_begin(op_config(op), cached->slice, wanted);
    if (period && (total->open[1] == total->slices[1] - 1 || cached->slice->end_ms < total->due_ms))
        total->due_ms = cached->slice->end_ms;
    return true;
}

/* A slice is nearly always one of those that the rows before it in the batch were in. */
static struct tally_cached *cached_slice(struct op *op, struct tally *tally, uint32_t row,
                                         const struct wanted *wanted)
{
    const int64_t entry[4] = {wanted->by, wanted->begin_ms, (int64_t)wanted->level_hash,
                              (int64_t)wanted->arm_hash};
    uint64_t hash = (uint64_t)entry[0] * 31 + (uint64_t)entry[1] / 1000;
    struct tally_cached *cached;

    hash ^= wanted->level_hash ^ (wanted->arm_hash << 1 | wanted->arm_hash >> 63);
    cached = &tally->cached[(hash ^ hash >> 17 ^ hash >> 41) & (TALLY_CACHED - 1)];
    if (cached->slice && memcmp(cached->entry, entry, sizeof(entry)) == 0)
        return cached;
    memcpy(cached->entry, entry, sizeof(entry));
    return find_slice(op, row, wanted, cached) ? cached : NULL;
}

static uint64_t unit_of(const struct tally_options *options, uint64_t user)
{
    return options->groups ? hash_draw(0, user) % (uint64_t)options->groups : user;
}

/* The cell of a user's unit in a slice; a new one gets its place. */
static bool find_user(struct op *op, uint32_t row, uint64_t user, struct tally_cached *cached)
{
    const struct tally_options *options = op_config(op);
    uint64_t unit = unit_of(options, user);
    int64_t *member;

    if (cached->cell && cached->user == user)
        return true;
    cached->cell = user_of(op, row, cached->number, unit, true);
    cached->user = user;
    if (cached->cell && options->groups)
        distinct_add(&cached->slice->users, user);
    if (!cached->cell || cached->cell->place)
        return cached->cell != NULL;
    member = member_at(op, row, cached->number, cached->slice->units, true);
    if (!member)
        return false;
    *member = (int64_t)unit;
    cached->cell->place = ++cached->slice->units;
    return true;
}

static bool add_to(struct op *op, struct tally *tally, uint32_t row, int64_t time_ms, uint64_t id,
                   const struct wanted *wanted, const double *values)
{
    struct tally_cached *cached = cached_slice(op, tally, row, wanted);
    struct tally_slice *slice;

    if (!cached || !find_user(op, row, id, cached))
        return false;
    slice = cached->slice;
    slice->first_ms = time_ms < slice->first_ms ? time_ms : slice->first_ms;
    slice->last_ms = time_ms > slice->last_ms ? time_ms : slice->last_ms;
    add_values(tally, slice, cached->cell, values);
    return true;
}

static int64_t period_of(const struct tally_options *options, int64_t time_ms)
{
    int64_t rest = time_ms % options->every_ms;

    return time_ms - (rest < 0 ? rest + options->every_ms : rest);
}

bool tally_row(struct op *op, struct tally *tally, const struct batch *in, uint32_t row,
               const char *arm, uint32_t arm_size, const double *values)
{
    const struct tally_options *options = op_config(op);
    struct wanted wanted = {.by = TALLY_ALL, .begin_ms = INT64_MIN};
    int64_t time_ms = batch_time(in)[row];
    char level[TALLY_LEVEL_MAX];

    if (!arm && tally->arm != FIELD_NONE && column_valid(batch_column(in, tally->arm), row))
        arm = column_text(batch_column(in, tally->arm), row, &arm_size);
    wanted.arm = arm;
    wanted.arm_size = !arm ? 0 : arm_size < TALLY_LEVEL_MAX ? arm_size : TALLY_LEVEL_MAX;
    wanted.arm_hash = wanted.arm_size ? hash_bytes(arm, wanted.arm_size) : 0;
    if (!add_to(op, tally, row, time_ms, tally->users[row], &wanted, values))
        return false;
    if (options->every_ms) {
        wanted.begin_ms = period_of(options, time_ms);
        if (!add_to(op, tally, row, time_ms, tally->users[row], &wanted, values))
            return false;
        wanted.begin_ms = INT64_MIN;
    }
    wanted.level = level;
    for (uint32_t i = 0; i < tally->by_count; i++) {
        wanted.by = i;
        wanted.level_size = level_text(batch_column(in, tally->by[i]), row, level);
        wanted.level_hash = wanted.level_size ? hash_bytes(level, wanted.level_size) : 0;
        if (!add_to(op, tally, row, time_ms, tally->users[row], &wanted, values))
            return false;
    }
    return true;
}

/* ---- telling ---- */

/* One of a figure's two sums. */
static double total_of(const struct tally_slice *slice, uint32_t variable)
{
    return (double)sum_raw(slice->totals[variable]) / UNIT;
}

/* What a user does to the logarithm of the figure, times `units`; 0 where it has none. */
static double term(const struct tally_figure *figure, const struct tally_slice *slice,
                   const struct tally_user *user, int64_t units)
{
    double over = total_of(slice, figure->over), under = total_of(slice, figure->under);

    if (over == 0 || under == 0)
        return 0;
    return influence_of((double)user->sums[figure->over] / UNIT,
                        (double)user->sums[figure->under] / UNIT, over, under, units);
}

/* A user of the slice; `other`: the same user of the base, NULL: none. */
static void add_side(const struct tally *tally, struct tally_telling *telling,
                     const struct tally_slice *slice, const struct tally_user *user,
                     const struct tally_slice *base, const struct tally_user *other)
{
    for (uint32_t i = 0; i < tally->plan.figure_count; i++) {
        const struct tally_figure *figure = &tally->plan.figures[i];
        double value = term(figure, slice, user, slice->units);
        influence_add(&telling->own[i], value);
        if (base && other)
            value -= term(figure, base, other, slice->units);
        influence_add(&telling->paired[i], value);
    }
}

/* The next users of the slice and then of its base, some at a time. False where one could not be
 * read. */
static bool add_users(struct op *op, struct tally *tally, const struct tally_slice *slice,
                      const struct tally_slice *base)
{
    struct tally_telling *telling = &tally->telling;
    int64_t all = slice->units + (base ? base->units : 0);
    int64_t end = telling->at + TALLY_USERS_A_CALL < all ? telling->at + TALLY_USERS_A_CALL : all;

    for (; telling->at < end; telling->at++) {
        bool side = telling->at < slice->units;
        int64_t number = side ? telling->number : telling->base;
        const int64_t *id =
            member_at(op, 0, number, side ? telling->at : telling->at - slice->units, false);
        const struct tally_user *user = id ? user_of(op, 0, number, (uint64_t)*id, false) : NULL;
        const struct tally_user *other = NULL;
        if (!user)
            return false;
        if (base)
            other = user_of(op, 0, side ? telling->base : telling->number, (uint64_t)*id, false);
        if (side)
            add_side(tally, telling, slice, user, base, other);
        else if (base && !other)
            for (uint32_t i = 0; i < tally->plan.figure_count; i++)
                influence_add(&telling->paired[i],
                              term(&tally->plan.figures[i], base, user, slice->units));
        telling->both += side || !other;
    }
    return true;
}

/* Value and interval into three columns; `less` is taken off all of them. */
static void put_interval(struct builder *out, uint32_t column, double value, double error,
                         double less)
{
    double half = fabs(value) * error * INTERVAL_95;

    builder_f64(out, column, value - less);
    if (isnan(half))
        return;
    builder_f64(out, column + 1, value - half - less);
    builder_f64(out, column + 2, value + half - less);
}

/* Terms were taken times the slice's users, before it was known how many either side has. */
static double paired_error(const struct influence *influence, int64_t scale, int64_t units)
{
    double squares = sum_value(influence->squares) / ((double)scale * (double)scale);

    return units < 2 ? NAN : sqrt(squares * (double)units / (double)(units - 1));
}

static void put_figure(const struct tally *tally, uint32_t number, const struct tally_slice *slice,
                       const struct tally_slice *base, uint32_t column, struct builder *out)
{
    const struct tally_figure *figure = &tally->plan.figures[number];
    const struct tally_telling *telling = &tally->telling;
    double over = total_of(slice, figure->over), under = total_of(slice, figure->under), value;

    if (under == 0)
        return;
    value = over / under;
    put_interval(out, column, value,
                 over != 0 ? influence_error(&telling->own[number], slice->units) : NAN, 0);
    if (!base || total_of(base, figure->under) == 0 || total_of(base, figure->over) == 0)
        return;
    value /= total_of(base, figure->over) / total_of(base, figure->under);
    put_interval(
        out, column + 3, value,
        over != 0 ? paired_error(&telling->paired[number], slice->units, telling->both) : NAN, 1);
}

static void put_slice(struct op *op, const struct tally_slice *slice, struct builder *out)
{
    const struct tally_options *options = op_config(op);
    const char *by = slice->by == TALLY_ALL ? "all" : options->by.items[slice->by];
    bool period = slice->begin_ms != INT64_MIN;

    builder_row(out, period ? slice->end_ms - 1 : slice->last_ms, 0, 0);
    by = period ? "period" : by;
    builder_text(out, BY, by, strlen(by));
    if (slice->level_size)
        builder_text(out, LEVEL, slice->level, slice->level_size);
    if (slice->arm_size)
        builder_text(out, ARM, slice->arm, slice->arm_size);
    builder_i64(out, FROM, period ? slice->begin_ms : slice->first_ms);
    builder_i64(out, UNTIL, period ? slice->end_ms : slice->last_ms + 1);
    builder_i64(out, USERS, options->groups ? distinct_count(&slice->users) : slice->units);
}

/* The slice of another arm that goes with this one; NULL where there is none. */
static struct tally_slice *find_arm(struct op *op, const struct tally_slice *slice, const char *arm,
                                    int64_t *number)
{
    size_t size = strlen(arm);
    struct wanted wanted = {
        .by = slice->by,
        .begin_ms = slice->begin_ms,
        .level_hash = slice->level_hash,
        .arm_hash = hash_bytes(arm, size < TALLY_LEVEL_MAX ? size : TALLY_LEVEL_MAX),
    };
    const int64_t *found = number_of(op, 0, &wanted, false);

    if (!found || !*found)
        return NULL;
    *number = *found - 1;
    return slice_at(op, 0, *number);
}

int64_t tally_arm_users(struct op *op, const struct tally_slice *slice, const char *arm)
{
    int64_t number;
    const struct tally_slice *found = find_arm(op, slice, arm, &number);

    return found ? found->units : 0;
}

/* Begins with a slice: what it is compared with, and sums that are still empty. */
static void telling_begin(struct op *op, struct tally_telling *telling,
                          const struct tally_slice *slice, int64_t number)
{
    const struct tally_options *options = op_config(op);
    int64_t base = -1;

    memset(telling, 0, sizeof(*telling));
    telling->number = number;
    if (!options->base || !find_arm(op, slice, options->base, &base) || base == number)
        base = -1;
    telling->base = base;
}

static void put_row(struct op *op, const struct tally *tally, const struct tally_slice *slice,
                    const struct tally_slice *base, tally_more *more)
{
    const struct tally_options *options = op_config(op);
    struct builder *out = op_reserve(op, 0, 1);

    put_slice(op, slice, out);
    for (uint32_t i = 0; i < tally->plan.count_count; i++)
        builder_i64(out, COLUMNS + i, llrint(total_of(slice, tally->plan.counts[i].variable)));
    for (uint32_t i = 0; i < tally->plan.figure_count; i++)
        put_figure(tally, i, slice, base,
                   COLUMNS + tally->plan.count_count + i * (options->base ? 6 : 3), out);
    if (more)
        more(op, slice, out);
}

/* Goes on with a slice. False where state could not be read, or where there is more to do. */
static bool tell(struct op *op, struct tally *tally, int64_t number, tally_more *more)
{
    struct tally_telling *telling = &tally->telling;
    struct tally_slice *slice = slice_at(op, 0, number);
    const struct tally_slice *base = NULL;

    if (!slice)
        return false;
    if (telling->number != number)
        telling_begin(op, telling, slice, number);
    if (telling->base >= 0)
        base = slice_at(op, 0, telling->base);
    if ((telling->base >= 0 && !base) || !add_users(op, tally, slice, base))
        return false;
    if (telling->at < slice->units + (base ? base->units : 0)) {
        op_again(op);
        return false;
    }
    put_row(op, tally, slice, base, more);
    slice->told = 1;
    telling->number = -1;
    return true;
}

/* Tells the slices of one kind that are due. False: not all of them yet. */
static bool tell_due(struct op *op, struct tally *tally, uint32_t period, int64_t time_ms,
                     tally_more *more)
{
    struct tally_total *total = op_cells(op, TALLY_TOTAL)[0]; /* the one key's of a global input */
    int64_t next_ms = INT64_MAX;

    for (int64_t i = total->open[period]; i < total->slices[period]; i++) {
        struct tally_slice *slice = slice_at(op, 0, 2 * i + period);
        if (!slice)
            return false;
        if (!slice->told && (time_ms == INT64_MAX || slice->end_ms - 1 <= time_ms) &&
            !tell(op, tally, 2 * i + period, more))
            return false;
        if (!slice->told && slice->end_ms < next_ms)
            next_ms = slice->end_ms;
        if (slice->told && i == total->open[period])
            total->open[period]++;
    }
    if (period)
        total->due_ms = next_ms;
    return true;
}

/* ---- what leaves ---- */

static bool remove_unit(struct op *op, int64_t number, int64_t place)
{
    const int64_t *unit = member_at(op, 0, number, place, false);
    const int64_t user[2] = {number, unit ? *unit : 0}, member[2] = {number, place};

    return unit && op_entry_remove(op, TALLY_USERS, 0, user, sizeof(user)) &&
           op_entry_remove(op, TALLY_MEMBERS, 0, member, sizeof(member));
}

/* Told periods, a piece at a time; all of one end have been told. */
static void remove_told(struct op *op)
{
    struct tally_total *total = op_cells(op, TALLY_TOTAL)[0];
    int64_t left = TALLY_USERS_A_CALL / 2;

    while (total->gone < total->open[1]) {
        int64_t number = 2 * total->gone + 1;
        struct tally_slice *slice = slice_at(op, 0, number);
        if (!slice)
            return; /* the engine's error */
        for (; slice->units > 0 && left > 0; left--)
            if (!remove_unit(op, number, --slice->units))
                return;
        if (slice->units > 0) {
            op_again(op);
            return;
        }
        const int64_t entry[4] = {slice->by, slice->begin_ms, (int64_t)slice->level_hash,
                                  (int64_t)slice->arm_hash};
        if (!op_entry_remove(op, TALLY_NUMBERS, 0, entry, sizeof(entry)) ||
            !op_entry_remove(op, TALLY_SLICES, 0, &number, sizeof(number)))
            return;
        total->gone++;
    }
}

bool tally_watermark(struct op *op, struct tally *tally, int64_t time_ms, tally_more *more)
{
    const struct tally_total *total = op_cells(op, TALLY_TOTAL)[0];
    bool due = total->open[1] < total->slices[1] && total->due_ms - 1 <= time_ms;

    if ((due || time_ms == INT64_MAX) && !tell_due(op, tally, 1, time_ms, more))
        return true; /* called again, or the engine's error */
    if (time_ms == INT64_MAX)
        (void)tell_due(op, tally, 0, time_ms, more);
    else
        remove_told(op);
    return true;
}
