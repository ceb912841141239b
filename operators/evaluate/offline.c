/* evaluate/offline: what another ranker would have earned, from a log whose lists were drawn uniformly
 * from the candidates: IPS, SNIPS and their position-based forms, of several rankers at once.
 * In: labelled impressions of the uniform share; each row with the item's rank in each ranker's list
 * (columns ranks.ARM, of evaluate/rank), or with one ranker's list for that request (`items`; its name
 * in `arm`). Out: one row a slice and arm (tally.h), each figure a click rate.
 *
 * With M candidates, lists of L, exam_k = k^-`examination`, and r the item's rank in the ranker's list:
 *   ips        M [r = position] click, over lists x k (Horvitz, Thompson 1952)
 *   snips      the same over the same sum with exam in place of click, times the mean exam of ranks
 *              (Swaminathan, Joachims 2015)
 *   pbm_ips    [r <= k] exam_r / (sum of exam over the list / M) click, over lists x k: uses about
 *              ten times more of the log (position-based model: Joachims et al. 2017)
 *   pbm_snips  the same, self-normalised
 * Rows that are not explored, or without position or candidates, are counted as skipped. */
#include "operators/evaluate/measure.h"
#include "operators/evaluate/ranks.h"
#include "operators/model/ids.h"

#include <string.h>

struct offline_config {
    struct tally_options tally; /* first */
    const char *clicked, *explore, *position, *candidates, *list_length, *items, *item;
    struct text_list ranks;
    int64_t k;
    double examination;
};

enum { LISTS, CLICKS, PLACES, IPS, IPS_SELF, IPS_EXAM, PBM, PBM_SELF, PBM_EXAM, VARIABLES };

static const struct option offline_options[] = {
    TALLY_OPTIONS(struct offline_config),
    TALLY_GROUPS(struct offline_config),
    {.name = "arm",
     .type = OPT_FIELD,
     FIELD(struct offline_config, tally.arm),
     .help = "With `items`: the column with the name of the ranker."},
    {.name = "base",
     .type = OPT_TEXT,
     FIELD(struct offline_config, tally.base),
     .help = "The arm that the others are compared with, paired by user."},
    {.name = "clicked",
     .type = OPT_FIELD,
     FIELD(struct offline_config, clicked),
     .def.text = "clicked",
     .help = "A bool, or a column that is null where there was no click."},
    {.name = "explore",
     .type = OPT_FIELD,
     FIELD(struct offline_config, explore),
     .def.text = "explore",
     .help = "A bool: the list was drawn uniformly. Other rows are skipped."},
    {.name = "position",
     .type = OPT_FIELD,
     FIELD(struct offline_config, position),
     .def.text = "position",
     .help = "The place in the logged list, from 1."},
    {.name = "candidates",
     .type = OPT_FIELD,
     FIELD(struct offline_config, candidates),
     .def.text = "candidates",
     .help = "How many candidates the list was drawn from."},
    {.name = "list-length",
     .type = OPT_FIELD,
     FIELD(struct offline_config, list_length),
     .def.text = "list_len",
     .help = "How many items the logged list has."},
    {.name = "ranks",
     .type = OPT_FIELDS,
     FIELD(struct offline_config, ranks),
     .help = "The rank of the item in a ranker's list, from 1, null or 0 where it is not in it: a "
             "column for each; without it, all whose names begin with ranks."},
    {.name = "items",
     .type = OPT_FIELD,
     FIELD(struct offline_config, items),
     .help = "In place of `ranks`: one ranker's list, best first."},
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct offline_config, item),
     .def.text = "item_id",
     .help = "With `items`: the column of the logged item, and of the items in the list."},
    RANKS_OPTIONS(struct offline_config),
    {0},
};
static const struct state offline_states[] = {TALLY_STATES, {0}};
static const struct port offline_in[] = {
    {"in", .global = true, .help = "Labelled impressions of the uniform share."},
    {0},
};
static const struct port offline_out[] = {
    {"out", .help = "One row a slice and arm, at the end of its period or of the input."},
    {0},
};
static const char *const offline_counters[] = {"skipped", NULL};

static void offline_plan(struct tally_plan *plan)
{
    *plan = (struct tally_plan){
        .variables = VARIABLES,
        .figure_count = 4,
        .count_count = 2,
        .figures = {{"ips", IPS, PLACES},
                    {"snips", IPS_SELF, IPS_EXAM},
                    {"pbm_ips", PBM, PLACES},
                    {"pbm_snips", PBM_SELF, PBM_EXAM}},
        .counts = {{"lists", LISTS}, {"clicks", CLICKS}},
    };
}

static bool check_list(struct describe *describe, struct error *err)
{
    const struct offline_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    uint32_t list = schema_find(in, config->items), item = schema_find(in, config->item), listed;

    describe_reads(describe, 0, list);
    if (config->ranks.count)
        return describe_error(describe, err, "ranks", "give `ranks` or `items`",
                              "where the ranker puts the item is told twice");
    if (in->fields[list].type != TYPE_LIST)
        return describe_error(describe, err, "items", "name the column with the list",
                              "column \"%s\" is %s", config->items,
                              type_name(in->fields[list].type));
    listed = schema_find(in->fields[list].child, config->item);
    if (item == FIELD_NONE || listed == FIELD_NONE ||
        in->fields[item].type != in->fields[list].child->fields[listed].type)
        return describe_error(describe, err, "item", "name one that both have, of one type",
                              "row and list do not both have this column \"%s\"", config->item);
    describe_reads(describe, 0, item);
    return true;
}

static bool check_ranks(struct describe *describe, struct error *err)
{
    const struct offline_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    struct ranks *ranks = arena_new(describe_arena(describe), sizeof(*ranks));

    if (config->tally.arm)
        return describe_error(describe, err, "arm", "leave it out: arms are columns of ranks",
                              "it goes with `items` only");
    if (!ranks_describe(describe, in, &config->ranks, config->tally.base, err))
        return false;
    ranks_find(ranks, in, &config->ranks, config->examination);
    for (uint32_t i = 0; i < ranks->count; i++)
        describe_reads(describe, 0, ranks->arms[i].column);
    return true;
}

static bool offline_describe(struct describe *describe, struct error *err)
{
    const struct offline_config *config = describe_config(describe);
    const char *const names[] = {config->clicked, config->explore, config->position,
                                 config->candidates, config->list_length};
    const struct schema *in = describe_input(describe, 0), *schema;
    uint32_t explore = schema_find(in, config->explore);
    struct tally_plan plan;

    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        describe_reads(describe, 0, schema_find(in, names[i]));
    if (in->fields[explore].type != TYPE_BOOL)
        return describe_error(describe, err, "explore", "name a bool", "column \"%s\" is %s",
                              config->explore, type_name(in->fields[explore].type));
    if (config->items ? !check_list(describe, err) : !check_ranks(describe, err))
        return false;
    offline_plan(&plan);
    schema = tally_describe(describe, &plan, err);
    if (schema)
        describe_output(describe, 0, schema);
    return schema != NULL;
}

struct offline_scratch {
    struct tally tally;
    struct ranks ranks;
    uint32_t clicked, explore, position, candidates, length, items, item, listed;
    uint64_t logged[BATCH_ROWS_MAX + IDS_SPARE], ids[RANKS_MAX + IDS_SPARE];
};

static bool offline_open(struct op *op, struct error *err)
{
    const struct offline_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0), nothing = {0};
    struct offline_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct tally_plan plan;

    (void)err; /* cannot fail */
    offline_plan(&plan);
    tally_open(op, &scratch->tally, &plan);
    scratch->clicked = schema_find(in, config->clicked);
    scratch->explore = schema_find(in, config->explore);
    scratch->position = schema_find(in, config->position);
    scratch->candidates = schema_find(in, config->candidates);
    scratch->length = schema_find(in, config->list_length);
    scratch->items = config->items ? schema_find(in, config->items) : FIELD_NONE;
    if (config->items) {
        scratch->item = schema_find(in, config->item);
        scratch->listed = schema_find(in->fields[scratch->items].child, config->item);
    }
    ranks_find(&scratch->ranks, config->items ? &nothing : in, &config->ranks, config->examination);
    op_set_scratch(op, scratch);
    return true;
}

/* The rank of the logged item in the row's list, from 1; 0: not among the first k. */
static uint32_t rank_in_list(const struct offline_config *config, struct offline_scratch *scratch,
                             const struct batch *in, uint32_t row)
{
    const struct column *list = batch_column(in, scratch->items);
    uint32_t begin, count;

    if (!column_valid(list, row))
        return 0;
    begin = (uint32_t)list->offsets[row];
    count = (uint32_t)list->offsets[row + 1] - begin;
    count = count < (uint32_t)config->k ? count : (uint32_t)config->k;
    ids_part(batch_column(list->child, scratch->listed), begin, count, scratch->ids);
    for (uint32_t i = 0; i < count; i++)
        if (scratch->ids[i] == scratch->logged[row])
            return i + 1;
    return 0;
}

struct shown { /* an impression */
    uint32_t position, length;
    double candidates, click;
};

/* False: the row says nothing of a ranker. */
static bool read_row(const struct offline_scratch *scratch, const struct batch *in, uint32_t row,
                     struct shown *shown)
{
    double position = column_number(batch_column(in, scratch->position), row);
    double length = column_number(batch_column(in, scratch->length), row);

    shown->candidates = column_number(batch_column(in, scratch->candidates), row);
    if (!measure_mark(batch_column(in, scratch->explore), row) || !(position >= 1) ||
        !(length >= position) || !(length <= RANKS_MAX) || !(shown->candidates >= length))
        return false;
    shown->position = (uint32_t)position;
    shown->length = (uint32_t)length;
    shown->click = measure_mark(batch_column(in, scratch->clicked), row);
    return true;
}

static void weigh(const struct ranks *ranks, uint32_t k, const struct shown *shown, uint32_t rank,
                  double *values)
{
    double exam = ranks->exam[shown->position], mean = ranks->total[k] / k;
    double same = rank == shown->position ? shown->candidates : 0, based = 0;

    if (rank)
        based = ranks->exam[rank] * shown->candidates / ranks->total[shown->length];
    values[LISTS] = shown->position == 1;
    values[CLICKS] = shown->click;
    values[PLACES] = shown->position == 1 ? k : 0;
    values[IPS] = same * shown->click;
    values[IPS_SELF] = same * shown->click * mean;
    values[IPS_EXAM] = same * exam;
    values[PBM] = based * shown->click;
    values[PBM_SELF] = based * shown->click * mean;
    values[PBM_EXAM] = based * exam;
}

/* Counts an impression for each arm. False where state could not be read. */
static bool add_row(struct op *op, const struct batch *in, uint32_t row, const struct shown *shown)
{
    const struct offline_config *config = op_config(op);
    struct offline_scratch *scratch = op_scratch(op);
    uint32_t k = (uint32_t)config->k;
    double values[TALLY_VARIABLES_MAX];

    if (config->items) {
        weigh(&scratch->ranks, k, shown, rank_in_list(config, scratch, in, row), values);
        return tally_row(op, &scratch->tally, in, row, NULL, 0, values);
    }
    for (uint32_t i = 0; i < scratch->ranks.count; i++) {
        const struct ranks_arm *arm = &scratch->ranks.arms[i];
        weigh(&scratch->ranks, k, shown, ranks_of(batch_column(in, arm->column), row, k), values);
        if (!tally_row(op, &scratch->tally, in, row, arm->name, (uint32_t)strlen(arm->name),
                       values))
            return false;
    }
    return true;
}

static bool offline_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct offline_config *config = op_config(op);
    struct offline_scratch *scratch = op_scratch(op);
    struct shown shown;
    uint64_t skipped = 0;

    (void)port; /* there is one */
    (void)err;  /* what could not be read is the engine's error */
    tally_begin(&scratch->tally, in);
    if (config->items)
        key_ids(batch_column(in, scratch->item), batch_rows(in), scratch->logged);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        if (!read_row(scratch, in, row, &shown))
            skipped++;
        else if (!add_row(op, in, row, &shown))
            break;
    }
    op_count(op, 0, skipped);
    return true;
}

static bool offline_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct offline_scratch *scratch = op_scratch(op);

    (void)err; /* what could not be read is the engine's error */
    return tally_watermark(op, &scratch->tally, time_ms, NULL);
}

const struct operator_def evaluate_offline = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "evaluate/offline",
    .help = "What rankers would have earned, from lists that were drawn uniformly: IPS and SNIPS.",
    .config_size = sizeof(struct offline_config),
    .options = offline_options,
    .inputs = offline_in,
    .outputs = offline_out,
    .states = offline_states,
    .counters = offline_counters,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = offline_describe,
    .open = offline_open,
    .process = offline_process,
    .on_watermark = offline_on_watermark,
};
OPERATOR_REGISTER(evaluate_offline);
