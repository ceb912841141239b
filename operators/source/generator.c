/* source/generator: requests of a generated site (shop, video, news), each with its circumstances and
 * the items that may answer it, to try jobs on a world whose truth is known.
 * In: none. Out: `out`, one row a request, by event time within each of eight ranges of users.
 *
 * A split is a range of users. Everything follows from the options and (user, hour, request)
 * (operators/model/world.h): a reader makes hour by hour, and holds nothing but its users' constants,
 * so it is resumed at any row by its hour and the rows of that hour that were given. Whatever the
 * parallelism, the same rows come. Columns that nobody takes are not computed. */
#include "operators/model/link_traces.h"
#include "operators/model/world.h"
#include "runtime/api/operator.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SPLITS 8u
#define READ_ROWS 128u          /* of a read, about: each has some hundred items */
#define READ_LOOKS (1u << 17)   /* users' hours looked at in a read */
#define ORIGIN_USERS (1u << 17) /* of a split, in a row's origin */
#define ROWS_MAX (READ_ROWS < BATCH_ROWS_MAX ? READ_ROWS : BATCH_ROWS_MAX)

static_assert(WORLD_USERS_MAX / SPLITS <= ORIGIN_USERS, "an origin tells users apart");
static_assert((uint64_t)WORLD_DAYS_MAX * 24 * ORIGIN_USERS * 8 < UINT64_C(1) << 40,
              "an origin has 40 bits");

enum {
    TS,
    REC_ID,
    USER_ID,
    SESSION_ID,
    SITE,
    HOUR_LOCAL,
    WEEKDAY,
    DAY_OF_YEAR,
    HEMISPHERE,
    HOLIDAY,
    HOLIDAY_DAYS,
    PLACE,
    CITY,
    REGION,
    COUNTRY,
    NET,
    THR_Q20,
    THR_MEAN,
    RTT_MS,
    LOSS,
    BUDGET_USED,
    BUDGET_LOW,
    DEVICE,
    BATTERY,
    LIFE_STAGE,
    LOAD,
    LENGTH,
    WORLD,
    ITEMS,
};
static const struct column_def row_columns[] = {
    [TS] = {"ts", TYPE_TIMESTAMP},
    [REC_ID] = {"rec_id", TYPE_I64},
    [USER_ID] = {"user_id", TYPE_I64},
    [SESSION_ID] = {"session_id", TYPE_I64},
    [SITE] = {"site", TYPE_UTF8},
    [HOUR_LOCAL] = {"hour_local", TYPE_I32},
    [WEEKDAY] = {"weekday", TYPE_I32},
    [DAY_OF_YEAR] = {"day_of_year", TYPE_I32},
    [HEMISPHERE] = {"hemisphere", TYPE_UTF8},
    [HOLIDAY] = {"holiday", TYPE_UTF8},
    [HOLIDAY_DAYS] = {"holiday_days", TYPE_I32},
    [PLACE] = {"place", TYPE_UTF8},
    [CITY] = {"city", TYPE_I32},
    [REGION] = {"region", TYPE_I32},
    [COUNTRY] = {"country", TYPE_I32},
    [NET] = {"net", TYPE_UTF8},
    [THR_Q20] = {"thr_q20", TYPE_F64},
    [THR_MEAN] = {"thr_mean", TYPE_F64},
    [RTT_MS] = {"rtt_ms", TYPE_F64},
    [LOSS] = {"loss", TYPE_F64},
    [BUDGET_USED] = {"budget_used", TYPE_F64},
    [BUDGET_LOW] = {"budget_low", TYPE_BOOL},
    [DEVICE] = {"device", TYPE_UTF8},
    [BATTERY] = {"battery", TYPE_I32},
    [LIFE_STAGE] = {"life_stage", TYPE_UTF8},
    [LOAD] = {"load", TYPE_F64},
    [LENGTH] = {"length", TYPE_I32},
    [WORLD] = {"world", TYPE_UTF8},
    [ITEMS] = {0},
};

enum { ITEM_ID, CATEGORY, FORM, WEIGHT, SECONDS, AGE }; /* of items */
static const struct column_def item_columns[] = {
    [ITEM_ID] = {"item_id", TYPE_I64},
    [CATEGORY] = {"category", TYPE_I32},
    [FORM] = {"form", TYPE_UTF8},
    [WEIGHT] = {"weight", TYPE_F64},
    [SECONDS] = {"seconds", TYPE_F64},
    [AGE] = {"age", TYPE_F64},
    [AGE + 1] = {0},
};

static const struct port generator_outputs[] = {
    {.name = "out",
     .help = "Requests: ts (event time), rec_id, user_id, session_id; hour_local, weekday, "
             "day_of_year, hemisphere, holiday, holiday_days; place, city, region, country; net, "
             "thr_q20, thr_mean (Mbit/s of the last minute), rtt_ms, loss; budget_used, "
             "budget_low; device, battery (a decoy), life_stage, load, length; world (the options "
             "as a text); items: item_id, category, form, weight (Mbit/s of a video, Mbit of a "
             "page), seconds, age (over life)."},
    {0},
};

/* ---- planning ---- */

static bool generator_describe(struct describe *describe, struct error *err)
{
    const struct world_options *options = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct schema *row = schema_create(arena), *item = schema_create(arena);
    struct field items = {.name = "items", .type = TYPE_LIST, .child = item};
    struct error fault = {0};
    const char *key[] = {"user_id"};

    if (!world_options_check(options, &fault))
        return describe_error(describe, err, fault.where, fault.how, "%s", fault.what);
    if (options->traces && !link_traces_read(options->traces, arena, &fault))
        return describe_error(describe, err, "traces", fault.how, "%s: %s", fault.where,
                              fault.what);
    for (const struct column_def *column = item_columns; column->name; column++)
        CHECK(schema_add_column(item, arena, column->name, column->type));
    for (const struct column_def *column = row_columns; column->name; column++)
        CHECK(schema_add_column(row, arena, column->name, column->type));
    CHECK(schema_add(row, arena, &items));
    describe_output(describe, 0, row);
    describe_output_key(describe, 0, &(struct text_list){1, key});
    describe_ordered(describe);
    return true;
}

/* Users of a split: [first, first of the next). */
static uint32_t first_user(const struct world_options *options, uint32_t split)
{
    uint64_t users = (uint64_t)options->users;
    uint64_t splits = users < SPLITS ? users : SPLITS;

    return (uint32_t)(split * users / splits);
}

static bool generator_splits(const void *config, struct split_list *out, struct error *err)
{
    const struct world_options *options = config;
    uint32_t count = options->users < SPLITS ? (uint32_t)options->users : SPLITS;

    (void)err; /* cannot fail */
    for (uint32_t split = 0; split < count; split++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "users %" PRIu32 " to %" PRIu32,
                       first_user(options, split), first_user(options, split + 1) - 1);
        CHECK(split_list_add(out, name, 0, options->days * 24));
    }
    return true;
}

/* ---- an instance ---- */

struct generator_scratch {
    struct world *world;
    struct arena *traces;     /* NULL: none */
    struct world_item *items; /* that live, by slot */
    char text[WORLD_OPTIONS_TEXT_MAX];
    size_t text_size;
    bool reads[ITEMS + 1];
    bool link; /* some column of it is read */
};

static bool generator_open(struct op *op, struct error *err)
{
    const struct world_options *options = op_config(op);
    struct generator_scratch *scratch = op_memory(op, sizeof(*scratch));

    scratch->world = op_memory(op, world_size(options));
    world_init(scratch->world, options);
    scratch->items = op_memory(op, (size_t)options->items * sizeof(*scratch->items));
    scratch->text_size = strlen(world_options_text(options, scratch->text, sizeof(scratch->text)));
    for (uint32_t column = 0; column <= ITEMS; column++)
        scratch->reads[column] = op_output_reads(op, 0, column);
    for (uint32_t column = THR_Q20; column <= LOSS; column++)
        scratch->link |= scratch->reads[column];
    op_set_scratch(op, scratch);
    if (!options->traces)
        return true;
    scratch->traces = arena_create(1u << 16);
    scratch->world->traces = link_traces_read(options->traces, scratch->traces, err);
    return scratch->world->traces != NULL;
}

static void generator_close(struct op *op)
{
    struct generator_scratch *scratch = op_scratch(op);

    if (scratch && scratch->traces)
        arena_close(scratch->traces);
}

struct request {
    int64_t ts_ms;
    uint32_t user, request; /* user: of the split, from 0 */
};

struct generator_reader {
    uint32_t split, user_count;
    struct world_user *users;
    int64_t hour, begin, end; /* since 2025-01-01 */
    uint32_t given;           /* rows of this hour */
    bool made;                /* this hour's requests stand below */
    uint32_t count, capacity;
    struct request *requests;
};

static void generator_split_close(void *of)
{
    struct generator_reader *reader = of;

    memory_free(reader->users);
    memory_free(reader->requests);
    memory_free(reader);
}

static void *generator_split_open(struct op *op, const struct split *split,
                                  const struct position *from, struct error *err)
{
    const struct world_options *options = op_config(op);
    const struct generator_scratch *scratch = op_scratch(op);
    struct generator_reader *reader = memory_new(sizeof(*reader));
    uint32_t place = split->index % SPLITS_MAX; /* in this source's list */
    uint32_t first = first_user(options, place);

    (void)err; /* cannot fail */
    reader->split = split->index;
    reader->user_count = first_user(options, place + 1) - first;
    reader->users = memory_array(reader->user_count, sizeof(*reader->users));
    for (uint32_t i = 0; i < reader->user_count; i++)
        world_user_make(scratch->world, first + i, &reader->users[i]);
    reader->begin = options->first_day * 24;
    reader->end = reader->begin + options->days * 24;
    reader->hour = reader->begin + (from ? (int64_t)from->offset : 0);
    reader->given = from ? (uint32_t)from->rows : 0;
    return reader;
}

static void generator_split_position(const void *of, struct position *position)
{
    const struct generator_reader *reader = of;

    position->time_ms = WORLD_DAY0_MS + reader->hour * WORLD_HOUR_MS;
    position->offset = (uint64_t)(reader->hour - reader->begin);
    position->rows = reader->given;
}

/* ---- the requests of an hour ---- */

static int by_time(const void *a, const void *b)
{
    const struct request *x = a, *y = b;

    if (x->ts_ms != y->ts_ms)
        return x->ts_ms < y->ts_ms ? -1 : 1;
    if (x->user != y->user)
        return x->user < y->user ? -1 : 1;
    return (x->request > y->request) - (x->request < y->request);
}

static void make_hour(const struct world *world, struct generator_reader *reader)
{
    reader->count = 0;
    reader->made = true;
    for (uint32_t user = 0; user < reader->user_count; user++) {
        uint32_t more = world_request_count(world, &reader->users[user], reader->hour);

        if (reader->count + more > reader->capacity) {
            reader->capacity = reader->capacity * 2 + WORLD_REQUESTS_MAX;
            reader->requests =
                memory_grow(reader->requests, reader->capacity, sizeof(*reader->requests));
        }
        for (uint32_t i = 0; i < more; i++)
            reader->requests[reader->count++] = (struct request){
                world_request_ms(world, &reader->users[user], reader->hour, i), user, i};
    }
    if (reader->count > 1)
        qsort(reader->requests, reader->count, sizeof(*reader->requests), by_time);
}

/* ---- rows ---- */

static void put_text(struct builder *out, uint32_t column, const char *text)
{
    builder_text(out, column, text, strlen(text));
}

static void put_time(struct builder *out, const struct world_context *context)
{
    bool near = context->holiday.holiday >= 0;

    builder_i32(out, HOUR_LOCAL, context->hour_local);
    builder_i32(out, WEEKDAY, context->weekday);
    builder_i32(out, DAY_OF_YEAR, context->day_of_year);
    put_text(out, HEMISPHERE, context->south ? "south" : "north");
    put_text(out, HOLIDAY, near ? world_holiday_name(context->holiday.holiday) : "none");
    if (near)
        builder_i32(out, HOLIDAY_DAYS, context->holiday.days);
}

static void put_link(struct builder *out, const struct link *link)
{
    builder_f64(out, THR_Q20, link->q20);
    builder_f64(out, THR_MEAN, link->mean);
    builder_f64(out, RTT_MS, link->rtt_ms);
    builder_f64(out, LOSS, link->loss);
}

static void put_place(struct builder *out, const struct world_user *user,
                      const struct world_context *context)
{
    put_text(out, PLACE, world_place_names[context->place]);
    builder_i32(out, CITY, context->city);
    builder_i32(out, REGION, context->region);
    builder_i32(out, COUNTRY, context->country);
    put_text(out, NET, world_net_names[context->net]);
    builder_f64(out, BUDGET_USED, context->budget_used);
    builder_bool(out, BUDGET_LOW, context->budget_low);
    put_text(out, DEVICE, user->capable_5g ? "5g" : "4g");
    builder_i32(out, BATTERY, context->battery);
    put_text(out, LIFE_STAGE, world_stage_names[context->stage]);
}

static void put_items(struct builder *out, const struct generator_scratch *scratch,
                      const struct world_context *context)
{
    static const uint32_t form_sizes[WORLD_FORMS] = {5, 6, 5};
    uint32_t slots[WORLD_CANDIDATES_MAX], count = (uint32_t)scratch->world->options.candidates;
    struct builder *items = builder_list(out, ITEMS);

    world_candidates(scratch->world, context, slots);
    builder_reserve(items, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct world_item *item =
            world_item_at(scratch->world, scratch->items, slots[i], context->ts_ms);

        builder_child_row(items);
        builder_i64(items, ITEM_ID, item->id);
        builder_i32(items, CATEGORY, item->category);
        builder_text(items, FORM, world_form_names[item->form], form_sizes[item->form]);
        builder_f64(items, WEIGHT, item->weight);
        builder_f64(items, SECONDS, item->seconds);
        builder_f64(items, AGE, world_item_age(item, context->ts_ms));
    }
    builder_list_end(out, ITEMS);
}

static void put_row(struct builder *out, const struct generator_scratch *scratch,
                    const struct generator_reader *reader, const struct request *request)
{
    const struct world *world = scratch->world;
    const struct world_user *user = &reader->users[request->user];
    uint64_t hour = (uint64_t)(reader->hour - reader->begin);
    uint64_t origin =
        origin_make(reader->split, (hour * ORIGIN_USERS + request->user) * 8 + request->request);
    struct world_context context;

    world_context_make(world, user, reader->hour, request->request, &context);
    builder_row(out, context.ts_ms, origin, origin);
    builder_i64(out, TS, context.ts_ms);
    builder_i64(out, REC_ID, context.rec_id);
    builder_i64(out, USER_ID, context.user);
    builder_i64(out, SESSION_ID, context.session_id);
    put_text(out, SITE, world_site_names[world->options.site]);
    put_time(out, &context);
    put_place(out, user, &context);
    if (scratch->link) {
        world_link_past(world, user, &context);
        put_link(out, &context.link);
    }
    builder_f64(out, LOAD, context.load);
    builder_i32(out, LENGTH, (int32_t)world->options.length);
    if (scratch->reads[WORLD])
        builder_text(out, WORLD, scratch->text, scratch->text_size);
    if (scratch->reads[ITEMS])
        put_items(out, scratch, &context);
}

static enum read_result generator_split_read(struct op *op, void *of, struct builder *out,
                                             struct error *err)
{
    const struct generator_scratch *scratch = op_scratch(op);
    struct generator_reader *reader = of;
    uint32_t rows = 0, looks = 0;

    (void)err; /* cannot fail */
    while (reader->hour < reader->end && looks < READ_LOOKS) {
        if (!reader->made) {
            make_hour(scratch->world, reader);
            looks += reader->user_count;
        }
        for (; reader->given < reader->count && rows < ROWS_MAX; rows++)
            put_row(out, scratch, reader, &reader->requests[reader->given++]);
        if (reader->given < reader->count)
            return READ_MORE;
        reader->hour++;
        reader->given = 0;
        reader->made = false;
    }
    return reader->hour < reader->end ? READ_MORE : READ_END;
}

const struct operator_def source_generator = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "source/generator",
    .help = "Makes the requests of a site in a generated world, whose truth is known.",
    .config_size = sizeof(struct world_options),
    .options = world_option_table,
    .outputs = generator_outputs,
    .deterministic = true,
    .describe = generator_describe,
    .open = generator_open,
    .close = generator_close,
    .splits = generator_splits,
    .split_open = generator_split_open,
    .split_read = generator_split_read,
    .split_position = generator_split_position,
    .split_close = generator_split_close,
};
OPERATOR_REGISTER(source_generator);
