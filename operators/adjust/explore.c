/* adjust/explore: the last step before a list is served. Decides which requests are served at random,
 * cuts the list, and writes down how likely each item was, so that any other ranker can be judged by
 * the log later.
 * In: recommendations (`items` with score; rec_id, length), one row a request. Out: the same with
 * policy, explore, candidates, list_len; items with position (from 1), propensity, propensity_explore,
 * examination and p_served (with `all` those that are not shown follow, without these). Table
 * `positions` (optional): clicks by position of feature/lift (factor: position, when: explore, examined:
 * false), keyed by site.
 *
 * Method: a share `share` of requests, by hash of rec_id, gets its candidates in an order drawn by hash
 * of (rec_id, item); so the probability of an item at a position is 1/candidates there, and
 * share/candidates + (1 - share) [it is the greedy one there] altogether. p_served = examination x
 * sigmoid(score), where the examination of position k is (O_k + a k^-.5) / (E_k + a) relative to that
 * of position 1, a = 200 expected clicks, and k^-.5 without the table. */
#include "operators/model/factor.h"
#include "operators/model/ids.h"
#include "operators/model/lift.h"
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

#define POSITIONS 10u
#define POSITION_PRIOR 200.0 /* expected clicks */

struct explore_config {
    double share;
    int64_t top, top_low;
    const char *policy, *item, *rec;
    bool all;
};

static const struct option explore_options[] = {
    {.name = "share",
     .type = OPT_RATIO,
     FIELD(struct explore_config, share),
     .def.f64 = 0.1,
     .max.f64 = 1,
     .help = "Share of the requests that are served uniformly at random."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct explore_config, top),
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = 1000,
     .help = "Items of a list, at most; a request's own column `length` may ask for fewer."},
    {.name = "top-budget-low",
     .type = OPT_I64,
     FIELD(struct explore_config, top_low),
     .def.i64 = 8,
     .min.i64 = 1,
     .max.i64 = 1000,
     .help = "The same for requests whose column `budget_low` is true."},
    {.name = "policy",
     .type = OPT_TEXT,
     FIELD(struct explore_config, policy),
     .def.text = "greedy",
     .help = "Name of this ranker in the column policy; random lists have `uniform`."},
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct explore_config, item),
     .def.text = "item_id",
     .help = "Column of the items that names them."},
    {.name = "rec",
     .type = OPT_FIELD,
     FIELD(struct explore_config, rec),
     .def.text = "rec_id",
     .help = "Column that names the recommendation: the draws are by its hash."},
    {.name = "all",
     .type = OPT_BOOL,
     FIELD(struct explore_config, all),
     .help = "Keeps all candidates: those behind the list's end have no position, propensity, "
             "examination and p_served."},
    {0},
};
static const struct port explore_in[] = {
    {"in", .help = "Recommendations."},
    {0},
};
static const struct port explore_out[] = {
    {"out", .keyed = true, .help = "The lists that are served."},
    {0},
};
static const struct column_def positions_columns[] = {
    {"class", TYPE_KEY}, {"total", TYPE_I64}, {"levels", TYPE_LIST}, {0}};
static const struct table_use explore_tables[] = {
    {"positions", "Clicks by position, of feature/lift keyed by site.", .optional = true,
     .columns = positions_columns},
    {0},
};
static const struct factor position = {
    .name = "position",
    .class = "site",
    .columns = {"position"},
    .kind = LEVEL_POSITION,
    .levels = POSITIONS,
};
FACTOR_REGISTER(position);

/* ---- planning ---- */

static const struct column_def item_added[] = {
    {"position", TYPE_I32},    {"propensity", TYPE_F64}, {"propensity_explore", TYPE_F64},
    {"examination", TYPE_F64}, {"p_served", TYPE_F64},   {0}};
static const struct column_def row_added[] = {{"policy", TYPE_UTF8},
                                              {"explore", TYPE_BOOL},
                                              {"candidates", TYPE_I32},
                                              {"list_len", TYPE_I32},
                                              {0}};
enum { POSITION, PROPENSITY, PROPENSITY_EXPLORE, EXAMINATION, P_SERVED, ITEM_ADDED };
enum { POLICY, EXPLORE, CANDIDATES, LIST_LEN, ROW_ADDED };

static bool add_columns(struct describe *describe, struct schema *schema,
                        const struct column_def *columns, struct error *err)
{
    for (; columns->name; columns++)
        if (!schema_add_column(schema, describe_arena(describe), columns->name, columns->type))
            return describe_error(describe, err, "from", "use adjust/explore once, as the last",
                                  "there already is a column \"%s\"", columns->name);
    return true;
}

static bool explore_describe(struct describe *describe, struct error *err)
{
    const struct explore_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    uint32_t score = schema_find(items, "score");

    if (items == in || score == FIELD_NONE || items->fields[score].type != TYPE_F64)
        return describe_error(describe, err, "from", "read `score` or another adjust operator",
                              "the input has no list \"items\" with scores");
    if (schema_find(items, config->item) == FIELD_NONE)
        return describe_error(describe, err, "item", "name a column of the list",
                              "the list has no column \"%s\"", config->item);
    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(child, arena, &items->fields[i]));
    if (!add_columns(describe, child, item_added, err))
        return false;
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (field.type == TYPE_LIST && strcmp(field.name, "items") == 0)
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    if (!add_columns(describe, schema, row_added, err))
        return false;
    describe_output(describe, 0, schema);
    return true;
}

/* ---- an instance ---- */

struct explore_scratch {
    struct list_layout layout;
    uint32_t item, rec, length, site, low; /* FIELD_NONE: absent */
    uint32_t levels;                       /* of the table */
    struct schema rows;                    /* of the columns that a request gets */
    struct field fields[ROW_ADDED];
};

static bool explore_open(struct op *op, struct error *err)
{
    const struct explore_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct explore_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, NULL, 0);
    scratch->item = schema_find(list_schema(in), config->item);
    scratch->rec = schema_find(in, config->rec);
    scratch->length = schema_find(in, "length");
    scratch->site = schema_find(in, "site");
    scratch->low = schema_find(in, "budget_low");
    scratch->levels = op_table_given(op, 0) ? op_table_column(op, 0, "levels") : FIELD_NONE;
    scratch->rows = (struct schema){ROW_ADDED, scratch->fields};
    for (uint32_t i = 0; i < ROW_ADDED; i++)
        scratch->fields[i] = op_output_schema(op, 0)->fields[in->count + i];
    return true;
}

/* ---- a request ---- */

static double position_rate(const struct explore_scratch *scratch, const struct table_row *row,
                            uint32_t k)
{
    double usual = 1 / sqrt(k + 1.);
    struct lift_sums sums = {table_row_list_f64(row, scratch->levels, 0)[k],
                             table_row_list_f64(row, scratch->levels, 1)[k], 0};

    return lift_ratio(&sums, POSITION_PRIOR, usual);
}

static double examination(const struct explore_scratch *scratch, const struct table_row *row,
                          uint32_t k)
{
    if (!row || table_row_list(row, scratch->levels) != POSITIONS || k >= POSITIONS)
        return 1 / sqrt(k + 1.);
    return position_rate(scratch, row, k) / position_rate(scratch, row, 0);
}

struct request {
    uint64_t rec;
    bool random;
    uint32_t begin, candidates, kept, length;
    const struct table_row *row;
};

static bool draw_random(struct op *op, uint64_t rec)
{
    const struct explore_config *config = op_config(op);

    return hash_unit(hash_draw(op_seed(op), rec)) < config->share;
}

/* The columns that the items that are kept get, null for those that are not shown. */
struct shown {
    struct column *columns[ITEM_ADDED];
    uint8_t *valid;
    int32_t *positions;
    double *propensities, *uniforms, *examinations, *p_served;
};

static void *make_column(enum type type, uint32_t rows, struct block *validity,
                         struct column **column)
{
    size_t size = (size_t)rows * type_size(type);

    *column = column_create(type, rows);
    (*column)->blocks[0] = block_create(size);
    (*column)->values = memset((*column)->blocks[0]->data, 0, size);
    block_ref(validity);
    (*column)->blocks[2] = validity;
    (*column)->validity = validity->data;
    return (*column)->blocks[0]->data;
}

static void make_shown(uint32_t rows, struct shown *shown)
{
    struct block *validity = block_create((rows + 7) / 8);

    shown->valid = memset(validity->data, 0, (rows + 7) / 8);
    shown->positions = make_column(TYPE_I32, rows, validity, &shown->columns[POSITION]);
    shown->propensities = make_column(TYPE_F64, rows, validity, &shown->columns[PROPENSITY]);
    shown->uniforms = make_column(TYPE_F64, rows, validity, &shown->columns[PROPENSITY_EXPLORE]);
    shown->examinations = make_column(TYPE_F64, rows, validity, &shown->columns[EXAMINATION]);
    shown->p_served = make_column(TYPE_F64, rows, validity, &shown->columns[P_SERVED]);
    block_release(&validity);
}

/* The k-th of a list, row `at` of what is kept. */
static void show(struct op *op, const struct request *request, double score, uint32_t k,
                 bool greedy, const struct shown *shown, uint32_t at)
{
    const struct explore_config *config = op_config(op);
    double uniform = 1. / request->candidates;

    shown->valid[at >> 3] |= (uint8_t)(1u << (at & 7));
    shown->positions[at] = (int32_t)k + 1;
    shown->propensities[at] = config->share * uniform + (greedy ? 1 - config->share : 0);
    shown->uniforms[at] = uniform;
    shown->examinations[at] = examination(op_scratch(op), request->row, k);
    shown->p_served[at] = shown->examinations[at] * lift_sigmoid(score);
}

/* Room for the largest list of a batch. */
struct room {
    struct list_place *greedy, *drawn;
    double *values;
    uint64_t *ids;
};

/* The places of the items that are kept, in order; the first of them is row `at` of all that is kept. */
static void choose(struct op *op, const struct batch *items, const struct request *request,
                   const struct room *room, const struct shown *shown, uint32_t *places,
                   uint32_t at)
{
    const struct explore_scratch *scratch = op_scratch(op);
    const double *scores = batch_column(items, scratch->layout.score)->values;
    const struct list_place *kept = request->random ? room->drawn : room->greedy;
    uint32_t count = request->candidates;

    list_values(&scratch->layout, items, request->begin, request->begin + count, room->values);
    list_best(room->values, count, request->begin, request->kept, room->greedy);
    if (request->random) {
        ids_part(batch_column(items, scratch->item), request->begin, count, room->ids);
        for (uint32_t i = 0; i < count; i++)
            room->values[i] = hash_unit(hash_draw(op_seed(op) ^ request->rec, room->ids[i]));
        list_best(room->values, count, request->begin, request->kept, room->drawn);
    }
    for (uint32_t k = 0; k < request->kept; k++) {
        places[at + k] = kept[k].place;
        if (k < request->length)
            show(op, request, scores[kept[k].place], k, kept[k].place == room->greedy[k].place,
                 shown, at + k);
    }
}

static uint32_t length_of(struct op *op, const struct batch *in, uint32_t row, uint32_t candidates)
{
    const struct explore_config *config = op_config(op);
    const struct explore_scratch *scratch = op_scratch(op);
    double length = (double)config->top;

    if (scratch->low != FIELD_NONE && column_number(batch_column(in, scratch->low), row) > 0)
        length = fmin(length, (double)config->top_low);
    if (scratch->length != FIELD_NONE)
        length = fmin(length, column_number(batch_column(in, scratch->length), row)); /* not null */
    return length < candidates ? (uint32_t)fmax(length, 0) : candidates;
}

static void put_row(struct op *op, const struct request *request, struct builder *rows)
{
    const struct explore_config *config = op_config(op);
    const char *policy = request->random ? "uniform" : config->policy;

    builder_row(rows, 0, 0, 0);
    builder_text(rows, POLICY, policy, strlen(policy));
    builder_bool(rows, EXPLORE, request->random);
    builder_i32(rows, CANDIDATES, (int32_t)request->candidates);
    builder_i32(rows, LIST_LEN, (int32_t)request->length);
}

/* What is asked for, before anything is chosen; returns the number of items that are kept. */
static uint32_t plan(struct op *op, const struct batch *in, struct request *requests)
{
    const struct explore_config *config = op_config(op);
    const struct explore_scratch *scratch = op_scratch(op);
    bool by_site = scratch->levels != FIELD_NONE && scratch->site != FIELD_NONE;
    uint64_t recs[BATCH_ROWS_MAX], sites[BATCH_ROWS_MAX];
    uint32_t total = 0;

    key_ids(batch_column(in, scratch->rec), batch_rows(in), recs);
    if (by_site)
        key_ids(batch_column(in, scratch->site), batch_rows(in), sites);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct request *request = &requests[row];
        uint32_t end;
        *request = (struct request){.rec = recs[row], .random = draw_random(op, recs[row])};
        list_range(&scratch->layout, in, row, &request->begin, &end);
        request->candidates = end - request->begin;
        request->length = length_of(op, in, row, request->candidates);
        request->kept = config->all ? request->candidates : request->length;
        request->row = by_site ? op_table_find(op, 0, sites[row]) : NULL;
        total += request->kept;
    }
    return total;
}

static void choose_rows(struct op *op, const struct batch *in, const struct request *requests,
                        const struct shown *shown, uint32_t *places)
{
    const struct explore_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    uint32_t most = 0, at = 0;
    struct block *memory;
    struct room room;

    for (uint32_t row = 0; row < batch_rows(in); row++)
        most = requests[row].candidates > most ? requests[row].candidates : most;
    memory = block_create(most * (2 * sizeof(struct list_place) + 2 * sizeof(uint64_t)) +
                          IDS_SPARE * sizeof(uint64_t));
    room.greedy = (struct list_place *)(void *)memory->data;
    room.drawn = room.greedy + most;
    room.values = (double *)(void *)(room.drawn + most);
    room.ids = (uint64_t *)(void *)(room.values + most);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        choose(op, items, &requests[row], &room, shown, places, at);
        at += requests[row].kept;
    }
    block_release(&memory);
}

/* `in` with its lists cut, and the columns of their items. */
static struct batch *serve(struct op *op, const struct batch *in, const struct request *requests,
                           uint32_t total)
{
    const struct explore_scratch *scratch = op_scratch(op);
    struct block *memory = block_create((total + 1ul) * sizeof(uint32_t));
    uint32_t *places = (uint32_t *)(void *)memory->data, counts[BATCH_ROWS_MAX];
    struct batch *kept, *wide;
    struct shown shown;

    make_shown(total, &shown);
    choose_rows(op, in, requests, &shown, places);
    for (uint32_t row = 0; row < batch_rows(in); row++)
        counts[row] = requests[row].kept;
    kept = batch_gather(list_items(&scratch->layout, in), places, total);
    wide = batch_with_all(kept, shown.columns, ITEM_ADDED);
    batch_release(&kept);
    block_release(&memory);
    return list_filled(&scratch->layout, in, wide, counts);
}

static bool explore_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct explore_scratch *scratch = op_scratch(op);
    struct builder *rows = builder_create(&scratch->rows, false);
    struct request requests[BATCH_ROWS_MAX];
    struct column *columns[ROW_ADDED];
    struct batch *lists, *added, *out;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) > 0 && batch_rows(in) <= BATCH_ROWS_MAX);
    lists = serve(op, in, requests, plan(op, in, requests));
    for (uint32_t row = 0; row < batch_rows(in); row++)
        put_row(op, &requests[row], rows);
    added = builder_finish(rows);
    for (uint32_t i = 0; i < ROW_ADDED; i++) {
        columns[i] = added->columns[HIDDEN_COUNT + i];
        column_ref(columns[i]);
    }
    out = batch_with_all(lists, columns, ROW_ADDED);
    batch_release(&lists);
    batch_release(&added);
    builder_close(rows);
    op_emit(op, 0, &out);
    return true;
}

const struct operator_def adjust_explore = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/explore",
    .help = "Serves a share of requests at random, cuts lists, and logs how likely each item was.",
    .config_size = sizeof(struct explore_config),
    .options = explore_options,
    .inputs = explore_in,
    .outputs = explore_out,
    .tables = explore_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = explore_describe,
    .open = explore_open,
    .process = explore_process,
};
OPERATOR_REGISTER(adjust_explore);
