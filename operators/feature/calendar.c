/* feature/calendar: what the calendar says of each row's time, for logs that do not carry it: the local
 * hour, the day of the week and of the year, and the nearest holiday of the country.
 * In: rows of any kind. Out: the same with hour_local, weekday (0 Monday), day_of_year (from 1), holiday
 * (its name; null: none within 21 days before and 7 after it) and holiday_days (below 0 before it).
 * Holidays come from iCalendar files, one a country; jobs/calendars has some, to 2035. */
#include "operators/model/calendar.h"
#include "runtime/api/operator.h"

#include <stdio.h>
#include <string.h>

#define COUNTRIES_MAX 64u

struct calendar_config {
    struct option_map calendars;
    const char *country;
    int64_t offset_ms;
};

static const struct option calendar_options[] = {
    {.name = "calendars",
     .type = OPT_MAP,
     FIELD(struct calendar_config, calendars),
     .required = true,
     .help =
         "{country: path of an iCalendar file}; the first one holds where `country` is not given. "
         "Of its events count SUMMARY (the name), DTSTART, DTEND, RRULE, RDATE and EXDATE; lunar "
         "days are best told by RDATE: programs differ in their reckoning."},
    {.name = "country",
     .type = OPT_FIELD,
     FIELD(struct calendar_config, country),
     .help = "Column with the country, a number or a text as in `calendars`."},
    {.name = "utc-offset",
     .type = OPT_DURATION,
     FIELD(struct calendar_config, offset_ms),
     .min.i64 = -15 * HOUR_MS,
     .max.i64 = 15 * HOUR_MS,
     .help = "What local time is ahead of UTC."},
    {0},
};
static const struct port calendar_in[] = {
    {"in", .help = "Rows of any kind."},
    {0},
};
static const struct port calendar_out[] = {
    {"out", .keyed = true, .help = "The same with the calendar."},
    {0},
};
static const struct column_def added_columns[] = {
    {"hour_local", TYPE_I32}, {"weekday", TYPE_I32},      {"day_of_year", TYPE_I32},
    {"holiday", TYPE_UTF8},   {"holiday_days", TYPE_I32}, {0}};
enum { HOUR, WEEKDAY, YEAR_DAY, HOLIDAY, HOLIDAY_DAYS };

static const struct schema *added_schema(struct arena *arena)
{
    struct schema *schema = schema_create(arena);

    for (uint32_t i = 0; added_columns[i].name; i++)
        CHECK(schema_add_column(schema, arena, added_columns[i].name, added_columns[i].type));
    return schema;
}

static bool check_files(struct describe *describe, struct error *err)
{
    const struct calendar_config *config = describe_config(describe);

    if (config->calendars.count > COUNTRIES_MAX)
        return describe_error(describe, err, "calendars", "leave some out",
                              "there are %u files, more than %u", config->calendars.count,
                              COUNTRIES_MAX);
    for (uint32_t i = 0; i < config->calendars.count; i++) {
        const char *path = config->calendars.entries[i].text;
        struct error why = {0};
        if (!path || !calendar_read(path, describe_arena(describe), &why))
            return describe_error(describe, err, "calendars", "give an iCalendar file with events",
                                  "\"%s\": %s", path ? path : "",
                                  path ? why.what : "that is no path");
    }
    return true;
}

static bool calendar_describe(struct describe *describe, struct error *err)
{
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *added = added_schema(arena);
    struct schema *schema = schema_create(arena);

    for (uint32_t i = 0; i < in->count; i++)
        CHECK(schema_add(schema, arena, &in->fields[i]));
    for (uint32_t i = 0; i < added->count; i++)
        if (!schema_add(schema, arena, &added->fields[i]))
            return describe_error(describe, err, "from", "leave it out where it comes from",
                                  "the input already has a column \"%s\"", added->fields[i].name);
    describe_output(describe, 0, schema);
    return check_files(describe, err);
}

/* ---- an instance ---- */

struct calendar_scratch {
    struct arena *arena;
    struct builder *added;
    uint32_t country;
    const struct calendar *calendars[COUNTRIES_MAX];
};

static bool calendar_open(struct op *op, struct error *err)
{
    const struct calendar_config *config = op_config(op);
    struct calendar_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(added_schema(scratch->arena), false);
    scratch->country =
        config->country ? schema_find(op_input_schema(op, 0), config->country) : FIELD_NONE;
    for (uint32_t i = 0; i < config->calendars.count; i++) {
        scratch->calendars[i] =
            calendar_read(config->calendars.entries[i].text, scratch->arena, err);
        if (!scratch->calendars[i])
            return false;
    }
    return true;
}

static void calendar_close(struct op *op)
{
    struct calendar_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- rows ---- */

/* NULL: no calendar of that country. */
static const struct calendar *calendar_of(struct op *op, const struct batch *in, uint32_t row)
{
    const struct calendar_config *config = op_config(op);
    const struct calendar_scratch *scratch = op_scratch(op);
    const struct column *column;
    char text[NAME_SIZE_MAX];
    const char *name = text;
    uint32_t size;

    if (scratch->country == FIELD_NONE)
        return scratch->calendars[0];
    column = batch_column(in, scratch->country);
    if (!column_valid(column, row))
        return NULL;
    if (column->type == TYPE_UTF8)
        name = column_text(column, row, &size);
    else
        size = (uint32_t)snprintf(text, sizeof(text), "%.0f", column_number(column, row));
    for (uint32_t i = 0; i < config->calendars.count; i++)
        if (strlen(config->calendars.entries[i].name) == size &&
            memcmp(config->calendars.entries[i].name, name, size) == 0)
            return scratch->calendars[i];
    return NULL;
}

static void put_row(struct op *op, const struct batch *in, uint32_t row)
{
    const struct calendar_config *config = op_config(op);
    struct calendar_scratch *scratch = op_scratch(op);
    struct builder *added = scratch->added;
    const struct calendar *calendar = calendar_of(op, in, row);
    int64_t local_ms = batch_time(in)[row] + config->offset_ms;
    int32_t day = (int32_t)(local_ms / DAY_MS - (local_ms % DAY_MS < 0)), since = 0;
    const char *holiday = calendar ? calendar_near(calendar, day, &since) : NULL;

    builder_row_from(added, in, row);
    builder_i32(added, HOUR, (int32_t)((local_ms - day * DAY_MS) / HOUR_MS));
    builder_i32(added, WEEKDAY, ((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    builder_i32(added, YEAR_DAY, calendar_year_day(day));
    if (!holiday)
        return;
    builder_text(added, HOLIDAY, holiday, strlen(holiday));
    builder_i32(added, HOLIDAY_DAYS, since);
}

static bool calendar_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    struct calendar_scratch *scratch = op_scratch(op);
    struct batch *columns, *out = batch_copy(in);

    (void)port;
    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < batch_rows(in); row++)
        put_row(op, in, row);
    columns = builder_finish(scratch->added);
    for (uint32_t i = 0; columns && i < columns->column_count; i++) {
        struct column *column = columns->columns[HIDDEN_COUNT + i];
        struct batch *wider;
        column_ref(column);
        wider = batch_with(out, &column);
        batch_release(&out);
        out = wider;
    }
    batch_release(&columns);
    op_emit(op, 0, &out);
    return true;
}

const struct operator_def feature_calendar = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/calendar",
    .help = "Tells each row's local hour, day and nearest holiday.",
    .config_size = sizeof(struct calendar_config),
    .options = calendar_options,
    .inputs = calendar_in,
    .outputs = calendar_out,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = calendar_describe,
    .open = calendar_open,
    .process = calendar_process,
    .close = calendar_close,
};
OPERATOR_REGISTER(feature_calendar);
