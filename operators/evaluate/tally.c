/* See tally.h. Slices and a slice's users are numbered from 0 in the order of their coming: the
 * numbers differ between runs, what is told does not; rows of one end are a set. */
#include "operators/evaluate/tally.h"

#include "operators/model/interval.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNIT 0x1p20
#define VALUE_MAX 1e9

const struct state_field tally_total_fields[] = {
    {"slices", TYPE_I64, FIELD(struct tally_total, slices)},
    {"open", TYPE_I64, FIELD(struct tally_total, open)},
    {0},
};
const struct state_field tally_slice_fields[] = {
    {"by", TYPE_I64, FIELD(struct tally_slice, by)},
    {"begin", TYPE_TIMESTAMP, FIELD(struct tally_slice, begin_ms)},
    {"end", TYPE_TIMESTAMP, FIELD(struct tally_slice, end_ms)},
    {"first", TYPE_TIMESTAMP, FIELD(struct tally_slice, first_ms)},
    {"last", TYPE_TIMESTAMP, FIELD(struct tally_slice, last_ms)},
    {"users", TYPE_I64, FIELD(struct tally_slice, users)},
    {"level_hash", TYPE_I64, FIELD(struct tally_slice, level_hash)},
    {"arm_hash", TYPE_I64, FIELD(struct tally_slice, arm_hash)},
    {"told", TYPE_I32, FIELD(struct tally_slice, told)},
    {"level_size", TYPE_I32, FIELD(struct tally_slice, level_size)},
    {"arm_size", TYPE_I32, FIELD(struct tally_slice, arm_size)},
    {"spare", TYPE_I32, FIELD(struct tally_slice, spare)},
    {"level", TYPE_UTF8, FIELD(struct tally_slice, level)},
    {"arm", TYPE_UTF8, FIELD(struct tally_slice, arm)},
    {0},
};
const struct state_field tally_number_fields[] = {{"number", TYPE_I64, 0, sizeof(int64_t)}, {0}};

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

    fields[0] = (struct state_field){"user", TYPE_I64, FIELD(struct tally_user, user)};
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
}

void tally_begin(struct tally *tally, const struct batch *in)
{
    key_ids(batch_column(in, tally->user), batch_rows(in), tally->users);
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

static struct tally_user *user_at(struct op *op, uint32_t row, int64_t slice, int64_t number,
                                  bool make)
{
    const int64_t entry[2] = {slice, number};

    return op_entry(op, TALLY_USERS, row, entry, sizeof(entry), make);
}

static int64_t *member_of(struct op *op, uint32_t row, int64_t slice, uint64_t user, bool make)
{
    const int64_t entry[2] = {slice, (int64_t)user};

    return op_entry(op, TALLY_MEMBERS, row, entry, sizeof(entry), make);
}

static void add_values(const struct tally *tally, struct tally_user *user, const double *values)
{
    for (uint32_t i = 0; i < tally->plan.variables; i++) {
        double value = values[i];
        int64_t sum;

        if (value == 0 || isnan(value))
            continue;
        value = value > VALUE_MAX ? VALUE_MAX : value < -VALUE_MAX ? -VALUE_MAX : value;
        if (!__builtin_add_overflow(user->sums[i], llrint(value * UNIT), &sum))
            user->sums[i] = sum;
    }
}

static bool add_to(struct op *op, const struct tally *tally, uint32_t row, int64_t time_ms,
                   uint64_t id, const struct wanted *wanted, const double *values)
{
    struct tally_total *total = op_cells(op, TALLY_TOTAL)[row];
    int64_t *number = number_of(op, row, wanted, true), *member;
    struct tally_slice *slice;
    struct tally_user *user;

    if (!number)
        return false;
    if (!*number)
        *number = ++total->slices;
    slice = slice_at(op, row, *number - 1);
    member = member_of(op, row, *number - 1, id, true);
    if (!slice || !member)
        return false;
    if (!slice->users)
        slice_begin(op_config(op), slice, wanted);
    if (!*member)
        *member = ++slice->users;
    slice->first_ms = time_ms < slice->first_ms ? time_ms : slice->first_ms;
    slice->last_ms = time_ms > slice->last_ms ? time_ms : slice->last_ms;
    user = user_at(op, row, *number - 1, *member - 1, true);
    if (!user)
        return false;
    user->user = id;
    add_values(tally, user, values);
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

struct sums {
    double of[TALLY_VARIABLES_MAX];
};

static bool sum_up(struct op *op, const struct tally *tally, const struct tally_slice *slice,
                   int64_t number, struct sums *sums)
{
    __int128 exact[TALLY_VARIABLES_MAX] = {0};

    for (int64_t i = 0; i < slice->users; i++) {
        const struct tally_user *user = user_at(op, 0, number, i, false);
        if (!user)
            return false;
        for (uint32_t k = 0; k < tally->plan.variables; k++)
            exact[k] += user->sums[k];
    }
    for (uint32_t k = 0; k < tally->plan.variables; k++)
        sums->of[k] = (double)exact[k] / UNIT;
    return true;
}

/* A side of a comparison. */
struct side {
    const struct tally_slice *slice;
    int64_t number;
    struct sums sums;
};

static double term(const struct tally_figure *figure, const struct side *side,
                   const struct tally_user *user, int64_t units)
{
    return influence_of((double)user->sums[figure->over] / UNIT,
                        (double)user->sums[figure->under] / UNIT, side->sums.of[figure->over],
                        side->sums.of[figure->under], units);
}

static const struct tally_user *same_user(struct op *op, const struct side *other, uint64_t id)
{
    const int64_t *member = other ? member_of(op, 0, other->number, id, false) : NULL;

    return member && *member ? user_at(op, 0, other->number, *member - 1, false) : NULL;
}

/* Users of either side. */
static int64_t count_units(struct op *op, const struct side *side, const struct side *base)
{
    int64_t units = side->slice->users;

    for (int64_t i = 0; base && i < base->slice->users; i++) {
        const struct tally_user *user = user_at(op, 0, base->number, i, false);
        units += user && !same_user(op, side, user->user);
    }
    return units;
}

/* Standard error of the logarithm of the side's figure, or of its ratio to the base's. */
static double log_error(struct op *op, const struct tally_figure *figure, const struct side *side,
                        const struct side *base, int64_t units)
{
    struct influence influence = {0};

    for (int64_t i = 0; i < side->slice->users; i++) {
        const struct tally_user *user = user_at(op, 0, side->number, i, false), *other;
        double value;
        if (!user)
            return NAN;
        value = term(figure, side, user, units);
        other = same_user(op, base, user->user);
        if (other)
            value -= term(figure, base, other, units);
        influence_add(&influence, value);
    }
    for (int64_t i = 0; base && i < base->slice->users; i++) {
        const struct tally_user *user = user_at(op, 0, base->number, i, false);
        if (user && !same_user(op, side, user->user))
            influence_add(&influence, term(figure, base, user, units));
    }
    return influence_error(&influence, units);
}

static bool figure_known(const struct tally_figure *figure, const struct sums *sums)
{
    return sums->of[figure->under] != 0;
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

static void put_figure(struct op *op, const struct tally_figure *figure, const struct side *side,
                       const struct side *base, int64_t units, uint32_t column, struct builder *out)
{
    double over = side->sums.of[figure->over], value;

    if (!figure_known(figure, &side->sums))
        return;
    value = over / side->sums.of[figure->under];
    put_interval(out, column, value,
                 over != 0 ? log_error(op, figure, side, NULL, side->slice->users) : NAN, 0);
    if (!base || !figure_known(figure, &base->sums) || base->sums.of[figure->over] == 0)
        return;
    value /= base->sums.of[figure->over] / base->sums.of[figure->under];
    put_interval(out, column + 3, value, over != 0 ? log_error(op, figure, side, base, units) : NAN,
                 1);
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
    builder_i64(out, USERS, slice->users);
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

    return found ? found->users : 0;
}

static bool find_base(struct op *op, const struct tally *tally, const struct tally_slice *slice,
                      struct side *base)
{
    const struct tally_options *options = op_config(op);

    if (!options->base)
        return false;
    base->slice = find_arm(op, slice, options->base, &base->number);
    return base->slice && base->slice != slice &&
           sum_up(op, tally, base->slice, base->number, &base->sums);
}

static bool tell(struct op *op, const struct tally *tally, int64_t number, tally_more *more)
{
    const struct tally_options *options = op_config(op);
    struct tally_slice *slice = slice_at(op, 0, number);
    struct side side = {slice, number, {{0}}}, other = {0};
    const struct side *base = NULL;
    struct builder *out;
    int64_t units;

    if (!slice || !sum_up(op, tally, slice, number, &side.sums))
        return false;
    if (find_base(op, tally, slice, &other))
        base = &other;
    units = base ? count_units(op, &side, base) : slice->users;
    out = op_reserve(op, 0, 1);
    put_slice(op, slice, out);
    for (uint32_t i = 0; i < tally->plan.count_count; i++)
        builder_i64(out, COLUMNS + i, llrint(side.sums.of[tally->plan.counts[i].variable]));
    for (uint32_t i = 0; i < tally->plan.figure_count; i++)
        put_figure(op, &tally->plan.figures[i], &side, base, units,
                   COLUMNS + tally->plan.count_count + i * (options->base ? 6 : 3), out);
    if (more)
        more(op, slice, out);
    slice->told = 1;
    return true;
}

bool tally_watermark(struct op *op, const struct tally *tally, int64_t time_ms, tally_more *more)
{
    const struct tally_options *options = op_config(op);
    struct tally_total *total;

    if (time_ms != INT64_MAX && !options->every_ms)
        return true;
    total = op_cells(op, TALLY_TOTAL)[0]; /* the input is global: its one key's cell */
    for (int64_t number = total->open; number < total->slices; number++) {
        struct tally_slice *slice = slice_at(op, 0, number);
        bool due = slice && (time_ms == INT64_MAX ||
                             (slice->begin_ms != INT64_MIN && slice->end_ms - 1 <= time_ms));
        if (!slice)
            return true;
        if (due && !slice->told && !tell(op, tally, number, more))
            return true;
        if (slice->told && number == total->open)
            total->open++;
    }
    return true;
}
