/* adjust: requests a second and core through a score and the adjust family, all factors with their
 * reasons: the product of the user's vector with each candidate's, which is found by its name in a table
 * (a replica, as in a worker) of a catalogue; then delivery, time, season, holiday, location, place,
 * network with budget, battery (shadow), interest, feedback with its three, each with a table of lifts,
 * explore to a list of 10, and calibration. An engine of the least kind around the operators: one
 * thread, batches handed from one to the next. The user's vector is given. Prints ns a candidate for
 * each, best of several rounds, and requests a second from rounds without a clock between operators.
 * And feature/lift: ns a row and factor, sums of all classes in the caches.
 *
 * Limit: one core. A factor has to read a class and write a term and a score a candidate: 1 ns; 1,000
 * candidates x 14 factors are 14 us. A product has to read 256 bytes from wherever they are: 10 ns.
 * usage: adjust [candidates] [requests a batch] [rounds] [items of the catalogue]; seed 1. */
#include "operators/model/factor.h"
#include "operators/model/list.h"
#include "operators/model/products.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/task/replica.h"
#include "runtime/task/row.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 12u
#define USERS 64u
#define BATCHES 24u
#define TABLES_EACH 3u
#define TIME_MS INT64_C(1735689600000)
#define LIFT_ROWS 1024u
#define WIDTH 64u

extern const struct operator_def adjust_delivery, adjust_time, adjust_season, adjust_holiday;
extern const struct operator_def adjust_location, adjust_place, adjust_network, adjust_battery;
extern const struct operator_def adjust_interest, adjust_calibration, adjust_feedback;
extern const struct operator_def adjust_explore, feature_lift;

/* ---- an engine of the least kind ---- */

struct table {
    const struct schema *schema;
    uint32_t count;
    uint64_t hashes[USERS];
    const struct table_row *rows[USERS];
    struct replica_reader *reader; /* of the catalogue; NULL: the rows above */
};

struct describe {
    struct op *op;
};

struct op {
    const struct operator_def *def;
    void *config, *scratch;
    struct arena *arena;
    const struct schema *in, *out;
    struct table tables[TABLES_EACH];
    struct builder *builder;
    struct batch *emitted;
    void **cells;
};

const void *describe_config(const struct describe *describe)
{
    return describe->op->config;
}
struct arena *describe_arena(struct describe *describe)
{
    return describe->op->arena;
}
const struct schema *describe_input(const struct describe *describe, uint32_t port)
{
    return port == 0 ? describe->op->in : NULL;
}
const struct schema *describe_table(const struct describe *describe, uint32_t table)
{
    return describe->op->tables[table].schema;
}
bool describe_table_known(const struct describe *describe, uint32_t table)
{
    return describe->op->tables[table].schema != NULL;
}
const struct text_list *describe_key(const struct describe *describe, uint32_t port)
{
    static const char *names[] = {"category"};
    static const struct text_list key = {1, names};

    (void)describe;
    (void)port;
    return &key;
}
void describe_output(struct describe *describe, uint32_t port, const struct schema *schema)
{
    (void)port;
    describe->op->out = schema;
}
void describe_output_key(struct describe *describe, uint32_t port, const struct text_list *columns)
{
    (void)describe;
    (void)port;
    (void)columns;
}
void describe_reads(struct describe *describe, uint32_t port, uint32_t column)
{
    (void)describe;
    (void)port;
    (void)column;
}
void describe_state(struct describe *describe, uint32_t state, size_t size,
                    const struct state_field *fields)
{
    (void)state;
    (void)fields;
    for (uint32_t i = 0; i < CLASSES; i++)
        describe->op->cells[i] = arena_new(describe->op->arena, size);
}
void describe_versions(struct describe *describe, int64_t period_ms, bool replace)
{
    (void)describe;
    (void)period_ms;
    (void)replace;
}
bool describe_error(struct describe *describe, struct error *err, const char *option,
                    const char *how, const char *what, ...)
{
    (void)err;
    fprintf(stderr, "%s.%s: %s (%s)\n", describe->op->def->name, option, what, how);
    return false;
}
const void *op_config(const struct op *op)
{
    return op->config;
}
void *op_memory(struct op *op, size_t size)
{
    return arena_new(op->arena, size);
}
void *op_scratch(const struct op *op)
{
    return op->scratch;
}
void op_set_scratch(struct op *op, void *scratch)
{
    op->scratch = scratch;
}
uint64_t op_seed(const struct op *op)
{
    (void)op;
    return 1;
}
const struct schema *op_input_schema(const struct op *op, uint32_t port)
{
    return port == 0 ? op->in : NULL;
}
const struct schema *op_output_schema(const struct op *op, uint32_t port)
{
    (void)port;
    return op->out;
}
struct builder *op_reserve(struct op *op, uint32_t port, uint32_t rows)
{
    (void)port;
    if (!op->builder)
        op->builder = builder_create(op->out, false);
    builder_reserve(op->builder, rows);
    return op->builder;
}
void op_emit(struct op *op, uint32_t port, struct batch **batch)
{
    (void)port;
    op->emitted = *batch;
    *batch = NULL;
}
void *const *op_cells(struct op *op, uint32_t state)
{
    (void)state;
    return op->cells + CLASSES;
}
bool op_set_timers(struct op *op, const int64_t *due_ms, struct error *err)
{
    (void)op;
    (void)due_ms;
    (void)err;
    return true;
}
bool op_table_given(const struct op *op, uint32_t table)
{
    return op->tables[table].schema != NULL;
}
int64_t op_table_version(const struct op *op, uint32_t table)
{
    (void)op;
    (void)table;
    return TIME_MS;
}
const struct table_row *op_table_find(const struct op *op, uint32_t table, uint64_t hash)
{
    for (uint32_t i = 0; i < op->tables[table].count; i++)
        if (op->tables[table].hashes[i] == hash)
            return op->tables[table].rows[i];
    return NULL;
}
void op_table_find_many(const struct op *op, uint32_t table, const uint64_t *hashes, uint32_t count,
                        const struct table_row **rows)
{
    if (op->tables[table].reader) {
        replica_find_many(op->tables[table].reader, hashes, count, rows);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        rows[i] = op_table_find(op, table, hashes[i]);
}
const struct table_row *const *op_table_top(const struct op *op, uint32_t table, uint32_t *count)
{
    *count = op->tables[table].count;
    return op->tables[table].rows;
}
uint32_t op_table_column(const struct op *op, uint32_t table, const char *name)
{
    return op->tables[table].schema ? schema_find(op->tables[table].schema, name) : FIELD_NONE;
}
const struct schema *op_table_schema(const struct op *op, uint32_t table)
{
    return op->tables[table].schema;
}
/* Asked for by what is linked along, never called. */
void op_again(struct op *op)
{
    (void)op;
}
uint32_t due_rows(const struct due *due)
{
    (void)due;
    return 0;
}
const struct key *due_key(const struct due *due, uint32_t row)
{
    (void)due;
    (void)row;
    return NULL;
}
int64_t op_pane_first(struct op *op, uint32_t state, int64_t from_ms)
{
    (void)op;
    (void)state;
    return from_ms;
}
void op_pane_drop(struct op *op, uint32_t state, int64_t before_ms)
{
    (void)op;
    (void)state;
    (void)before_ms;
}
int64_t op_watermark(const struct op *op)
{
    (void)op;
    return INT64_MIN;
}

static struct op *make_op(const struct operator_def *def, const struct schema *in)
{
    struct op *op = calloc(1, sizeof(*op));

    op->def = def;
    op->in = in;
    op->arena = arena_create(1u << 20);
    op->cells = arena_new(op->arena, (CLASSES + LIFT_ROWS) * sizeof(*op->cells));
    op->config = arena_new(op->arena, def->config_size);
    option_defaults(def->options, op->config);
    return op;
}

static void *option_field(struct op *op, const char *name)
{
    const struct option *option = option_find(op->def->options, name);

    CHECK(option);
    return (uint8_t *)op->config + option->offset;
}

static void open_op(struct op *op)
{
    struct describe describe = {op};
    struct error err = {0};

    if (!op->def->describe(&describe, &err) || !op->def->open(op, &err))
        exit(1);
}

static struct batch *run_op(struct op *op, const struct batch *in)
{
    struct error err = {0};
    struct batch *out;

    CHECK(op->def->process(op, 0, in, &err));
    out = op->emitted ? op->emitted : op->builder ? builder_finish(op->builder) : NULL;
    op->emitted = NULL;
    return out;
}

/* ---- lifts ---- */

static double uniform(struct random *random)
{
    return hash_positive(random_next(random));
}

static const struct schema *lifts_schema(struct arena *arena, enum type class)
{
    struct schema *schema = schema_create(arena), *cell = schema_create(arena);
    struct field levels = {.name = "levels", .type = TYPE_LIST, .child = cell};

    CHECK(schema_add_column(cell, arena, "clicks", TYPE_F64));
    CHECK(schema_add_column(cell, arena, "expected", TYPE_F64));
    CHECK(schema_add_column(cell, arena, "squares", TYPE_F64));
    CHECK(schema_add_column(schema, arena, "class", class));
    CHECK(schema_add_column(schema, arena, "total", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "first", TYPE_TIMESTAMP));
    CHECK(schema_add_column(schema, arena, "half_life", TYPE_I64));
    CHECK(schema_add(schema, arena, &levels));
    return schema;
}

static void put_lifts(const struct factor *factor, uint32_t cells, struct random *random,
                      struct builder *builder)
{
    struct builder *list;

    builder_i64(builder, 1, 100000);
    builder_i64(builder, 2, TIME_MS - 90 * DAY_MS);
    builder_i64(builder, 3, factor->half_life_ms);
    list = builder_list(builder, 4);
    for (uint32_t k = 0; k < cells; k++) {
        double expected = 50 + 500 * uniform(random);
        builder_child_row(list);
        builder_f64(list, 0, expected * (.7 + .6 * uniform(random)));
        builder_f64(list, 1, expected);
        builder_f64(list, 2, expected * .1);
    }
    builder_list_end(builder, 4);
}

static const char *const forms[] = {"light", "medium", "heavy"};

static void give_table(struct op *op, uint32_t table, const char *name, const char *by,
                       struct random *random)
{
    const struct factor *factor = factor_find(name);
    bool text = strcmp(by, "form") == 0 || strcmp(by, "site") == 0;
    enum type type = text ? TYPE_UTF8 : strcmp(by, "user_id") == 0 ? TYPE_I64 : TYPE_I32;
    uint32_t count = type == TYPE_I64 ? USERS : type == TYPE_I32 ? CLASSES : *by == 'f' ? 3 : 1;
    struct table *into = &op->tables[table];
    struct builder *builder;
    struct batch *batch;
    uint64_t ids[USERS];

    CHECK(factor);
    into->schema = lifts_schema(op->arena, type);
    into->count = count;
    builder = builder_create(into->schema, false);
    for (uint32_t i = 0; i < count; i++) {
        const char *class = *by == 'f' ? forms[i] : "shop";
        builder_row(builder, TIME_MS - 1, 0, 0);
        if (text)
            builder_text(builder, 0, class, strlen(class));
        else
            builder_number(builder, 0, i);
        put_lifts(factor, factor_cells(factor), random, builder);
    }
    batch = builder_finish(builder);
    key_ids(batch_column(batch, 0), count, ids);
    batch = key_batch(batch, (uint32_t[]){0}, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct bytes packed = {0};
        table_row_pack(into->schema, batch, i, TIME_MS, &packed);
        into->hashes[i] = ids[i];
        into->rows[i] = table_row_create(into->schema, packed.data, packed.size);
    }
    builder_close(builder);
}

/* ---- requests ---- */

static const struct column_def request_columns[] = {
    {"rec_id", TYPE_I64},      {"user_id", TYPE_I64},     {"site", TYPE_UTF8},
    {"hour_local", TYPE_I32},  {"weekday", TYPE_I32},     {"day_of_year", TYPE_I32},
    {"hemisphere", TYPE_UTF8}, {"holiday", TYPE_UTF8},    {"holiday_days", TYPE_I32},
    {"place", TYPE_UTF8},      {"city", TYPE_I32},        {"region", TYPE_I32},
    {"net", TYPE_UTF8},        {"budget_low", TYPE_BOOL}, {"battery", TYPE_I32},
    {"thr_q20", TYPE_F64},     {"thr_mean", TYPE_F64},    {"rtt_ms", TYPE_F64},
    {"loss", TYPE_F64},        {"length", TYPE_I32},      {0}};
static const struct column_def item_columns[] = {{"item_id", TYPE_I64},
                                                 {"category", TYPE_I32},
                                                 {"form", TYPE_UTF8},
                                                 {"weight", TYPE_F64},
                                                 {"age", TYPE_F64},
                                                 {"fatigue_item", TYPE_F64},
                                                 {"fatigue_category", TYPE_F64},
                                                 {"dislikes", TYPE_F64},
                                                 {"score", TYPE_F64},
                                                 {"reasons.base", TYPE_F64},
                                                 {0}};

static const struct schema *request_schema(struct arena *arena)
{
    struct schema *schema = schema_create(arena), *items = schema_create(arena);
    struct field list = {.name = "items", .type = TYPE_LIST, .child = items};

    for (const struct column_def *column = item_columns; column->name; column++)
        CHECK(schema_add_column(items, arena, column->name, column->type));
    for (const struct column_def *column = request_columns; column->name; column++)
        CHECK(schema_add_column(schema, arena, column->name, column->type));
    CHECK(schema_add(schema, arena, &list));
    return schema;
}

static void put_text(struct builder *builder, uint32_t column, const char *text)
{
    builder_text(builder, column, text, strlen(text));
}

static void put_request(struct random *random, struct builder *builder)
{
    static const char *const places[] = {"home", "work", "commute", "out", "travel"};
    static const char *const nets[] = {"wifi", "5g", "4g", "3g"};
    int32_t city = (int32_t)random_below(random, 30);

    builder_row(builder, TIME_MS, 0, 0);
    builder_i64(builder, 0, (int64_t)(random_next(random) >> 2));
    builder_i64(builder, 1, (int64_t)random_below(random, USERS));
    put_text(builder, 2, "shop");
    builder_i32(builder, 3, (int32_t)random_below(random, 24));
    builder_i32(builder, 4, (int32_t)random_below(random, 7));
    builder_i32(builder, 5, 1 + (int32_t)random_below(random, 365));
    put_text(builder, 6, "north");
    put_text(builder, 7, random_below(random, 4) ? "none" : "christmas");
    builder_i32(builder, 8, (int32_t)random_below(random, 20) - 14);
    put_text(builder, 9, places[random_below(random, 5)]);
    builder_i32(builder, 10, city);
    builder_i32(builder, 11, city % 8);
    put_text(builder, 12, nets[random_below(random, 4)]);
    builder_bool(builder, 13, random_below(random, 10) == 0);
    builder_i32(builder, 14, (int32_t)random_below(random, 5));
    builder_f64(builder, 15, .5 + 5 * uniform(random));
    builder_f64(builder, 16, 1 + 9 * uniform(random));
    builder_f64(builder, 17, 30 + 50 * uniform(random));
    builder_f64(builder, 18, .01 * uniform(random));
    builder_i32(builder, 19, 10);
}

static void put_item(struct random *random, uint32_t catalogue, struct builder *list)
{
    double score = -3 + 2 * uniform(random);

    builder_child_row(list);
    builder_i64(list, 0, (int64_t)random_below(random, catalogue));
    builder_i32(list, 1, (int32_t)random_below(random, CLASSES));
    put_text(list, 2, forms[random_below(random, 3)]);
    builder_f64(list, 3, .3 + 3 * uniform(random));
    builder_f64(list, 4, uniform(random));
    builder_f64(list, 5, random_below(random, 8) ? 0 : 3 * uniform(random));
    builder_f64(list, 6, 8 * uniform(random));
    builder_f64(list, 7, random_below(random, 8) ? 0 : uniform(random));
    builder_f64(list, 8, score);
    builder_f64(list, 9, score);
}

static struct batch *make_batch(const struct schema *schema, struct random *random,
                                uint32_t requests, uint32_t candidates, uint32_t catalogue)
{
    struct builder *builder = builder_create(schema, false), *list;
    struct batch *batch;

    for (uint32_t i = 0; i < requests; i++) {
        put_request(random, builder);
        list = builder_list(builder, schema->count - 1);
        for (uint32_t k = 0; k < candidates; k++)
            put_item(random, catalogue, list);
        builder_list_end(builder, schema->count - 1);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

/* ---- the score ---- */

static void quiet(struct waker *waker)
{
    (void)waker;
}

struct score {
    struct waker waker;
    struct plan plan;
    struct plan_table table;
    struct replica *replica;
    struct op op; /* has the replica's reader */
    struct list_layout layout;
    float user[WIDTH];
};

static void fill_vector(struct random *random, float *vector)
{
    for (uint32_t i = 0; i < WIDTH; i++)
        vector[i] = (float)(.4 * uniform(random) - .2);
}

static struct batch *make_items(const struct schema *schema, struct random *random,
                                uint32_t catalogue)
{
    struct builder *builder = builder_create(schema, false);
    struct batch *batch, *keyed;
    float vector[WIDTH];

    for (uint32_t i = 0; i < catalogue; i++) {
        fill_vector(random, vector);
        builder_row(builder, TIME_MS - 1, 0, 0);
        builder_i64(builder, 0, i);
        builder_vector(builder, 1, vector);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    keyed = key_batch(batch, (uint32_t[]){0}, 1);
    batch_release(&batch);
    return keyed;
}

/* All vectors, as learn/mf sends them to a table. */
static void send_items(const struct schema *schema, struct random *random, uint32_t catalogue,
                       struct channel *channel)
{
    struct batch *items = make_items(schema, random, catalogue);
    struct builder *builder = builder_create(table_delta_schema(), false);
    struct element rows = {.kind = ELEMENT_BATCH}, end = {.kind = ELEMENT_WATERMARK};

    for (uint32_t i = 0; i < catalogue; i++) {
        struct bytes packed = {0};
        table_row_pack(schema, items, i, TIME_MS, &packed);
        builder_row(builder, TIME_MS - 1, 0, 0);
        builder_i64(builder, 0, (int64_t)batch_hash(items)[i]);
        builder_text(builder, 1, "", 0);
        builder_i64(builder, 2, TIME_MS);
        builder_text(builder, 3, (const char *)packed.data, packed.size);
        bytes_clear(&packed);
    }
    rows.batch = builder_finish(builder);
    end.time_ms = TIME_MS;
    CHECK(channel_put(channel, &rows) && channel_put(channel, &end));
    builder_close(builder);
    batch_release(&items);
}

static void open_score(struct score *score, const struct schema *requests, struct random *random,
                       uint32_t catalogue)
{
    struct arena *arena = arena_create(1u << 16);
    struct schema *schema = schema_create(arena);
    struct field vector = {.name = "vector", .type = TYPE_VECTOR, .width = WIDTH};
    struct channel *channel = channel_create(1u << 20);

    CHECK(schema_add_column(schema, arena, "item", TYPE_I64) && schema_add(schema, arena, &vector));
    *score = (struct score){.waker = {quiet}, .table = {.schema = schema, .period_ms = 1}};
    score->plan.tables = &score->table;
    score->plan.table_count = 1;
    channel_set_wakers(channel, &score->waker, &score->waker);
    send_items(schema, random, catalogue, channel);
    score->replica = replica_create(&score->plan, 0, &channel, 1, &score->waker);
    score->op.tables[0].schema = schema;
    score->op.tables[0].reader = replica_attach(score->replica, &score->waker, false);
    while (replica_step(score->replica))
        continue;
    replica_pin(score->op.tables[0].reader, TIME_MS);
    score->layout.list = requests->count - 1;
    fill_vector(random, score->user);
}

/* The products of all candidates, as their score and its only reason. */
static struct batch *run_score(const struct score *score, const struct batch *in)
{
    const struct batch *items = list_items(&score->layout, in);
    struct products products = {&score->op, 0, 1, score->user};
    struct batch *scored = batch_copy(items);
    struct block *memory = block_create(items->rows * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data;
    struct column **places = &scored->columns[HIDDEN_COUNT + items->column_count - 2];
    double *scores;

    column_release(&places[0]);
    column_release(&places[1]);
    places[0] = places[1] = list_column_unset(items->rows, &scores);
    column_ref(places[1]);
    key_ids(batch_column(items, 0), items->rows, ids);
    products_by_id(&products, ids, items->rows, scores);
    block_release(&memory);
    return list_widened(&score->layout, in, scored);
}

/* ---- the chain ---- */

static const struct {
    const struct operator_def *def;
    const char *factors[TABLES_EACH], *by;
    bool shadow;
} chain[] = {
    {&adjust_delivery, {0}, NULL, false},
    {&adjust_time, {"time"}, "category", false},
    {&adjust_season, {"season"}, "category", false},
    {&adjust_holiday, {"holiday"}, "category", false},
    {&adjust_location, {"location"}, "category", false},
    {&adjust_place, {"place"}, "category", false},
    {&adjust_network, {"network", "budget"}, "form", false},
    {&adjust_battery, {"battery"}, "category", true},
    {&adjust_interest, {"interest"}, "user_id", false},
    {&adjust_feedback, {"fatigue", "category-fatigue", "dislike"}, "site", false},
    {&adjust_explore, {0}, NULL, false},
    {&adjust_calibration, {"calibration"}, "category", true}, /* asks whether it explored */
};
#define CHAIN (sizeof(chain) / sizeof(chain[0]))

static struct op *make_link(uint32_t i, const struct schema *in, struct random *random)
{
    struct op *op = make_op(chain[i].def, in);

    for (uint32_t k = 0; k < TABLES_EACH && chain[i].factors[k]; k++)
        give_table(op, k, chain[i].factors[k], chain[i].by, random);
    if (option_find(chain[i].def->options, "served"))
        *(bool *)option_field(op, "served") = !chain[i].shadow;
    open_op(op);
    return op;
}

/* A batch through the score and all operators, or, where it comes with scores, through these alone; ns
 * of each are added up, where asked for: its clock is dear. */
static void run_batch(const struct score *score, struct op *const *ops, struct batch *batch,
                      double *ns)
{
    batch_ref(batch);
    for (uint32_t k = score ? 0 : 1; k <= CHAIN; k++) {
        int64_t begin_ns = ns ? clock_thread_cpu_ns() : 0;
        struct batch *next = k == 0 ? run_score(score, batch) : run_op(ops[k - 1], batch);
        batch_release(&batch);
        if (ns)
            ns[k] += (double)(clock_thread_cpu_ns() - begin_ns);
        batch = next;
    }
    batch_release(&batch);
}

static double run_batches(const struct score *score, struct op *const *ops,
                          struct batch *const *batches, double *ns)
{
    int64_t begin_ns = clock_thread_cpu_ns();

    for (uint32_t i = 0; i < BATCHES; i++)
        run_batch(score, ops, batches[i], ns);
    return (double)(clock_thread_cpu_ns() - begin_ns);
}

static void least(double *best, double ns)
{
    *best = *best > 0 && *best < ns ? *best : ns;
}

static void bench_chain(uint32_t candidates, uint32_t requests, uint32_t rounds, uint32_t catalogue)
{
    struct random random = {.state = 1};
    struct arena *arena = arena_create(1u << 16);
    const struct schema *schema = request_schema(arena);
    struct batch *batches[BATCHES];
    struct op *ops[CHAIN];
    struct score score;
    double best[CHAIN + 1] = {0}, whole = 0, factors = 0, each = BATCHES * (double)requests;

    for (uint32_t i = 0; i < BATCHES; i++)
        batches[i] = make_batch(schema, &random, requests, candidates, catalogue);
    open_score(&score, schema, &random, catalogue);
    for (uint32_t k = 0; k < CHAIN; k++) {
        ops[k] = make_link(k, schema, &random);
        schema = ops[k]->out;
    }
    for (uint32_t round = 0; round < rounds; round++) {
        double ns[CHAIN + 1] = {0};
        least(&whole, run_batches(&score, ops, batches, NULL));
        least(&factors, run_batches(NULL, ops, batches, NULL));
        run_batches(&score, ops, batches, ns);
        for (uint32_t k = 0; k <= CHAIN; k++)
            least(&best[k], ns[k]);
    }
    for (uint32_t k = 0; k <= CHAIN; k++)
        printf("%-20s %7.2f ns a candidate\n", k ? chain[k - 1].def->name : "product of 64",
               best[k] / each / candidates);
    printf(
        "%u candidates of %u items, %u requests a batch: %.0f requests/s, %.0f without products\n",
        candidates, catalogue, requests, each / whole * 1e9, each / factors * 1e9);
}

/* ---- feature/lift ---- */

static const struct schema *impression_schema(struct arena *arena)
{
    static const char *const terms[] = {"base",
                                        "reasons.time",
                                        "reasons.season",
                                        "reasons.holiday",
                                        "reasons.location",
                                        "reasons.place",
                                        "reasons.network",
                                        "reasons.budget",
                                        "reasons.interest",
                                        "reasons.fatigue",
                                        "reasons.category-fatigue",
                                        "reasons.dislike",
                                        "shadow.battery",
                                        "shadow.calibration",
                                        "p_served"};
    struct schema *schema = schema_create(arena);

    for (const struct column_def *column = request_columns; column->name; column++)
        CHECK(schema_add_column(schema, arena, column->name, column->type));
    CHECK(schema_add_column(schema, arena, "category", TYPE_I32));
    CHECK(schema_add_column(schema, arena, "position", TYPE_I32));
    CHECK(schema_add_column(schema, arena, "clicked", TYPE_BOOL));
    for (uint32_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++)
        CHECK(schema_add_column(schema, arena, terms[i], TYPE_F64));
    return schema;
}

static struct batch *make_impressions(const struct schema *schema, struct random *random)
{
    uint32_t category = schema_find(schema, "category"), base = schema_find(schema, "base");
    struct builder *builder = builder_create(schema, false);
    struct batch *batch, *keyed;

    for (uint32_t i = 0; i < LIFT_ROWS; i++) {
        put_request(random, builder);
        builder_i32(builder, category, (int32_t)random_below(random, CLASSES));
        builder_i32(builder, category + 1, 1 + (int32_t)random_below(random, 10));
        builder_bool(builder, category + 2, random_below(random, 16) == 0);
        for (uint32_t k = base; k < schema->count; k++)
            builder_f64(builder, k,
                        k == base                ? -3
                        : k + 1 == schema->count ? .02 * uniform(random)
                                                 : .2 * uniform(random));
    }
    batch = builder_finish(builder);
    keyed = key_batch(batch, &category, 1);
    batch_release(&batch);
    builder_close(builder);
    return keyed;
}

static void bench_lift(const char *factor, uint32_t rounds)
{
    struct random random = {.state = 1};
    struct arena *arena = arena_create(1u << 16);
    const struct schema *schema = impression_schema(arena);
    uint32_t category = schema_find(schema, "category");
    struct batch *batch = make_impressions(schema, &random);
    struct op *op = make_op(&feature_lift, schema);
    double best = 0;

    *(const char **)option_field(op, "factor") = factor;
    *(struct window *)option_field(op, "window") = (struct window){DAY_MS, DAY_MS};
    open_op(op);
    for (uint32_t i = 0; i < LIFT_ROWS; i++)
        op->cells[CLASSES + i] =
            op->cells[((const int32_t *)batch_column(batch, category)->values)[i]];
    for (uint32_t round = 0; round < 4 * rounds; round++) {
        int64_t begin_ns = clock_thread_cpu_ns();
        double ns;
        CHECK(!run_op(op, batch));
        ns = (double)(clock_thread_cpu_ns() - begin_ns);
        best = best > 0 && best < ns ? best : ns;
    }
    printf("feature/lift %-8s %7.2f ns a row\n", factor, best / LIFT_ROWS);
    batch_release(&batch);
}

int main(int argc, char **argv)
{
    uint32_t candidates = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;
    uint32_t requests = argc > 2 ? (uint32_t)atoi(argv[2]) : 4;
    uint32_t rounds = argc > 3 ? (uint32_t)atoi(argv[3]) : 15;
    uint32_t catalogue = argc > 4 ? (uint32_t)atoi(argv[4]) : 20000;

    bench_chain(candidates, requests, rounds, catalogue);
    bench_lift("time", rounds);
    bench_lift("place", rounds);
    bench_lift("network", rounds);
    return 0;
}
