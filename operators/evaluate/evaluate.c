/* evaluate: how good the recommendations are, measured on the stream itself (prequential: test,
 * then learn), and how good plain popularity would have been.
 * In: one recommendation for each event that asked, with the item that the user then took; all rows
 * meet in one subtask, in order of time. Out: one row of figures when the input ends.
 *
 * For each row the rank of the taken item in the list gives recall@k (hit_rate@k is the same number
 * for one item a request), precision@k = hits / k, NDCG@k = 1 / log2(rank + 1) (Jarvelin, Kekalainen
 * 2002) and MRR@k. AUC: the share of the other items seen so far that stand behind the taken one; those
 * outside of the list stand behind it, beside each other, and count half there. The first `skip` of the
 * rows are learned only; how many these are is known at the end, so a few bytes a row are kept.
 * Coverage: distinct items in the counted lists against items seen. Novelty: mean -log2 of the
 * recommended items' shares of the events before (Vargas, Castells 2011). Diversity: of the pairs of a
 * list's first k items, 1 - likeness: 1 - cosine of a vector, or whether `alike` differs (intra-list:
 * Ziegler et al. 2005).
 *
 * Baseline: items by their live counts, all that were seen before, less the user's own. Of items
 * with equal counts the order is drawn: the expected hit counts. An item never seen before is a
 * miss: as the only one of its kind it could be told by its age. The rank takes no scan: it is the
 * number of items with a higher count (kept by count) less the user's own among them, whose counts
 * are looked up once for all of a user's rows that follow each other in a batch. */
#include "operators/model/ids.h"
#include "runtime/api/operator.h"

#include <math.h>
#include <string.h>

#define LIST_MAX 100  /* k */
#define RESULTS 64u   /* rows of a chunk */
#define LISTED 64u    /* items of a chunk */
#define MET 63u       /* items of a chunk */
#define OWN_MAX 8192u /* of a user's items that are looked up once */

struct evaluate_config {
    const char *user, *item, *listed, *alike;
    int64_t k;
    double skip;
};

struct total {
    int64_t rows, items, last_ms;
    int64_t listed; /* items that were ever recommended */
};

struct seen { /* of an item */
    int64_t count;
    int64_t latest; /* 1 + the row that recommended it last */
};

struct met {        /* of (user, chunk) */
    uint64_t count; /* of all chunks: in chunk 0 */
    uint64_t items[MET];
};

struct result { /* of a row */
    double baseline;
    double novelty;  /* sum */
    float auc;       /* negative: nothing to compare with */
    float diversity; /* negative: no pair */
    uint16_t listed; /* items that `novelty` is of */
    uint16_t rank;   /* from 1; 0: not in the list */
};

struct results { /* of a chunk of rows */
    struct result rows[RESULTS];
};

struct listed { /* a chunk of the items that were ever recommended */
    uint64_t items[LISTED];
};

static const struct option evaluate_options[] = {
    {.name = "user",
     .type = OPT_FIELD,
     FIELD(struct evaluate_config, user),
     .def.text = "user",
     .help = "The column with the user."},
    {.name = "item",
     .type = OPT_FIELD,
     FIELD(struct evaluate_config, item),
     .def.text = "item",
     .help = "The column with the item that the user took."},
    {.name = "listed",
     .type = OPT_TEXT,
     FIELD(struct evaluate_config, listed),
     .def.text = "item",
     .help = "Column of the lists that names their items."},
    {.name = "alike",
     .type = OPT_TEXT,
     FIELD(struct evaluate_config, alike),
     .help = "Column of the lists by which items are alike, such as their category or a vector; "
             "gives `diversity`."},
    {.name = "k",
     .type = OPT_I64,
     FIELD(struct evaluate_config, k),
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = LIST_MAX,
     .help = "Items of each list that count."},
    {.name = "skip",
     .type = OPT_RATIO,
     FIELD(struct evaluate_config, skip),
     .def.f64 = 0.3,
     .help = "First part of the rows, which is learned and not counted."},
    {0},
};
static const struct state_field total_fields[] = {
    {"rows", TYPE_I64, FIELD(struct total, rows)},
    {"items", TYPE_I64, FIELD(struct total, items)},
    {"last", TYPE_TIMESTAMP, FIELD(struct total, last_ms)},
    {"listed", TYPE_I64, FIELD(struct total, listed)},
    {0},
};
static const struct state_field seen_fields[] = {
    {"count", TYPE_I64, FIELD(struct seen, count)},
    {"latest", TYPE_I64, FIELD(struct seen, latest)},
    {0},
};
static const struct state_field level_fields[] = {{"items", TYPE_I64, 0, sizeof(int64_t)}, {0}};
static const struct state_field met_fields[] = {
    {"count", TYPE_I64, FIELD(struct met, count)},
    {"items", TYPE_UTF8, FIELD(struct met, items)},
    {0},
};
static const struct state_field results_fields[] = {
    {"rows", TYPE_UTF8, FIELD(struct results, rows)},
    {0},
};
static const struct state_field listed_fields[] = {
    {"items", TYPE_UTF8, FIELD(struct listed, items)},
    {0},
};
static const struct state evaluate_states[] = {
    {"total", STATE_VALUE, total_fields, sizeof(struct total)},
    {"items", STATE_MAP, seen_fields, sizeof(struct seen)},
    {"levels", STATE_MAP, level_fields, sizeof(int64_t)}, /* items with at least so many events */
    {"users", STATE_MAP, met_fields, sizeof(struct met)},
    {"figures", STATE_MAP, results_fields, sizeof(struct results)},
    {"listed", STATE_MAP, listed_fields, sizeof(struct listed)},
    {0},
};
static const struct column_def evaluate_columns[] = {{"items", TYPE_LIST}, {0}};
static const struct port evaluate_in[] = {
    {"in", evaluate_columns, .global = true, .help = "Recommendations, each with what was taken."},
    {0},
};
static const struct port evaluate_out[] = {
    {"out", .help = "One row, when the input ends."},
    {0},
};
static const char *const evaluate_counters[] = {"skipped", NULL};
enum { TOTAL, ITEMS, LEVELS, USERS, ROWS, ALL_LISTED }; /* states */
enum { IN = 0, OUT = 0, SKIPPED = 0 };
enum {
    RECALL,
    PRECISION,
    NDCG,
    HIT_RATE,
    MRR,
    BASELINE,
    AUC,
    COVERAGE,
    NOVELTY,
    COUNT,
    COUNTED,
    DIVERSITY, /* where `alike` is given */
};

/* ---- planning ---- */

static bool check_alike(struct describe *describe, const struct schema *list, struct error *err)
{
    const struct evaluate_config *config = describe_config(describe);
    uint32_t alike = config->alike ? schema_find(list, config->alike) : FIELD_NONE;

    if (!config->alike || (alike != FIELD_NONE && (key_type(list->fields[alike].type) ||
                                                   list->fields[alike].type == TYPE_VECTOR)))
        return true;
    return describe_error(describe, err, "alike", "name a column of texts, integers or vectors",
                          "\"%s\" is no such column of the lists", config->alike);
}

static bool evaluate_types(struct describe *describe, struct error *err)
{
    const struct evaluate_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct schema *list = in->fields[schema_find(in, "items")].child;
    const struct field *user = &in->fields[schema_find(in, config->user)];
    const struct field *item = &in->fields[schema_find(in, config->item)];
    uint32_t listed = schema_find(list, config->listed);

    if (!key_type(user->type))
        return describe_error(describe, err, "user", "name a text or integer column",
                              "column \"%s\" is %s", user->name, type_name(user->type));
    if (listed == FIELD_NONE)
        return describe_error(describe, err, "listed", "name a column of the list",
                              "the lists have no column \"%s\"", config->listed);
    if (!key_type(item->type) || list->fields[listed].type != item->type)
        return describe_error(describe, err, "item", "name the column that `score` calls its item",
                              "column \"%s\" is %s, but the lists' items are %s", item->name,
                              type_name(item->type), type_name(list->fields[listed].type));
    return check_alike(describe, list, err);
}

static bool evaluate_describe(struct describe *describe, struct error *err)
{
    static const char *const names[] = {
        "recall@", "precision@", "ndcg@",   "hit_rate@", "mrr@",         "popularity_recall@",
        "auc",     "coverage",   "novelty", "rows",      "rows_counted", "diversity"};
    const struct evaluate_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);

    if (!evaluate_types(describe, err))
        return false;
    for (uint32_t i = RECALL; i <= (config->alike ? DIVERSITY : COUNTED); i++) {
        bool count = i == COUNT || i == COUNTED;
        const char *name = names[i];
        if (i <= BASELINE)
            name = arena_format(arena, "%s%d", name, (int)config->k);
        CHECK(schema_add_column(schema, arena, name, count ? TYPE_I64 : TYPE_F64));
    }
    describe_output(describe, OUT, schema);
    return true;
}

/* ---- an instance ---- */

struct evaluate_scratch {
    uint32_t user, item, list, listed, alike; /* columns; of the list; FIELD_NONE: not given */
    uint64_t users[BATCH_ROWS_MAX], items[BATCH_ROWS_MAX];
    uint64_t ids[LIST_MAX + IDS_SPARE];
    /* what the first `own_count` items of this user are: entries hold until the call ends */
    uint64_t own_user;
    uint32_t own_count;
    struct seen *own[OWN_MAX];
    uint64_t own_ids[OWN_MAX];
};

static bool evaluate_open(struct op *op, struct error *err)
{
    const struct evaluate_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct evaluate_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    scratch->user = schema_find(in, config->user);
    scratch->item = schema_find(in, config->item);
    scratch->list = schema_find(in, "items");
    scratch->listed = schema_find(in->fields[scratch->list].child, config->listed);
    scratch->alike =
        config->alike ? schema_find(in->fields[scratch->list].child, config->alike) : FIELD_NONE;
    op_set_scratch(op, scratch);
    return true;
}

/* ---- entries; NULL where one could not be read: the engine fails the subtask after the call ---- */

static struct seen *seen_of(struct op *op, uint32_t row, uint64_t item)
{
    return op_entry(op, ITEMS, row, &item, sizeof(item), true);
}

static int64_t level_of(struct op *op, uint32_t row, int64_t count)
{
    const int64_t *items = op_entry(op, LEVELS, row, &count, sizeof(count), false);

    return items ? *items : 0;
}

static struct met *met_of(struct op *op, uint32_t row, uint64_t user, uint64_t chunk)
{
    uint64_t entry[2] = {user, chunk};

    return op_entry(op, USERS, row, entry, sizeof(entry), true);
}

static struct result *result_of(struct op *op, uint32_t row, int64_t number)
{
    uint64_t chunk = (uint64_t)number / RESULTS;
    struct results *results = op_entry(op, ROWS, row, &chunk, sizeof(chunk), true);

    return results ? &results->rows[(uint64_t)number % RESULTS] : NULL;
}

static uint64_t *listed_of(struct op *op, uint32_t row, int64_t number)
{
    uint64_t chunk = (uint64_t)number / LISTED;
    struct listed *listed = op_entry(op, ALL_LISTED, row, &chunk, sizeof(chunk), true);

    return listed ? &listed->items[(uint64_t)number % LISTED] : NULL;
}

/* ---- the baseline ---- */

struct standing { /* what the user has among the items as popular as the taken one, or more */
    int64_t greater, equal;
    bool met; /* the user has the taken item already */
};

static void compare(struct standing *standing, const struct seen *own, uint64_t id, uint64_t item,
                    int64_t count)
{
    standing->met = standing->met || id == item;
    standing->greater += own->count > count;
    standing->equal += own->count == count;
}

/* Of the items that were looked up for this user before; returns how many these are. */
static uint64_t stand_known(const struct evaluate_scratch *scratch, uint64_t user, uint64_t item,
                            int64_t count, struct standing *standing)
{
    if (scratch->own_user != user)
        return 0;
    for (uint32_t i = 0; i < scratch->own_count; i++)
        compare(standing, scratch->own[i], scratch->own_ids[i], item, count);
    return scratch->own_count;
}

static void remember(struct evaluate_scratch *scratch, uint64_t user, uint64_t place,
                     struct seen *own, uint64_t id)
{
    if (place == 0)
        scratch->own_count = 0;
    scratch->own_user = user;
    if (place != scratch->own_count || place == OWN_MAX)
        return;
    scratch->own[place] = own;
    scratch->own_ids[place] = id;
    scratch->own_count++;
}

static bool stand(struct op *op, uint32_t row, uint64_t user, uint64_t item, int64_t count,
                  struct standing *standing)
{
    struct evaluate_scratch *scratch = op_scratch(op);
    const struct met *chunk = met_of(op, row, user, 0);
    uint64_t all = chunk ? chunk->count : 0;
    uint64_t known = stand_known(scratch, user, item, count, standing);

    for (uint64_t i = known; chunk && i < all; i++) {
        struct seen *own;
        if (i == known || i % MET == 0)
            chunk = met_of(op, row, user, i / MET);
        own = chunk ? seen_of(op, row, chunk->items[i % MET]) : NULL;
        if (!own)
            return false;
        compare(standing, own, chunk->items[i % MET], item, count);
        remember(scratch, user, i, own, chunk->items[i % MET]);
    }
    return chunk != NULL;
}

/* Expected hit of the first k by count, with equal counts in random order. */
static double expected_hit(int64_t greater, int64_t equal, int64_t k)
{
    if (greater >= k)
        return 0;
    return equal <= k - greater ? 1 : (double)(k - greater) / (double)equal;
}

static double baseline(struct op *op, uint32_t row, int64_t count, const struct standing *standing)
{
    const struct evaluate_config *config = op_config(op);
    int64_t above = level_of(op, row, count + 1);

    if (count == 0 || standing->met)
        return 0;
    return expected_hit(above - standing->greater,
                        level_of(op, row, count) - above - standing->equal, config->k);
}

/* ---- rows ---- */

static bool learn(struct op *op, uint32_t row, uint64_t user, struct seen *seen, uint64_t item,
                  bool met)
{
    struct total *total = op_cells(op, TOTAL)[row];
    int64_t count = ++seen->count;
    int64_t *level = op_entry(op, LEVELS, row, &count, sizeof(count), true);
    struct met *first = met_of(op, row, user, 0), *chunk;

    if (!level || !first)
        return false;
    ++*level;
    total->items += count == 1;
    if (met)
        return true;
    chunk = first->count < MET ? first : met_of(op, row, user, first->count / MET);
    if (!chunk)
        return false;
    chunk->items[first->count % MET] = item;
    first->count++;
    return true;
}

/* One item of a list. */
static bool listed(struct op *op, uint32_t row, uint64_t item, struct result *result)
{
    struct total *total = op_cells(op, TOTAL)[row];
    struct seen *seen = seen_of(op, row, item);

    if (!seen)
        return false;
    if (!seen->latest) {
        uint64_t *place = listed_of(op, row, total->listed);
        if (!place)
            return false;
        *place = item;
        total->listed++;
    }
    seen->latest = total->rows + 1;
    result->novelty += log2((double)(total->rows > 0 ? total->rows : 1) /
                            (double)(seen->count > 0 ? seen->count : 1));
    result->listed++;
    return true;
}

static double cosine(const struct column *column, uint32_t a, uint32_t b)
{
    const float *left = (const float *)column->values + (size_t)a * column->width;
    const float *right = (const float *)column->values + (size_t)b * column->width;
    double product = 0, lefts = 0, rights = 0;

    for (uint32_t i = 0; i < column->width; i++) {
        product += (double)left[i] * right[i];
        lefts += (double)left[i] * left[i];
        rights += (double)right[i] * right[i];
    }
    return lefts > 0 && rights > 0 ? product / sqrt(lefts * rights) : 0;
}

/* 1 - likeness over the pairs of `count` items from `begin` on. */
static float diversity_of(const struct evaluate_scratch *scratch, const struct batch *items,
                          uint32_t begin, uint32_t count)
{
    const struct column *column;
    uint64_t alike[LIST_MAX + IDS_SPARE];
    double total = 0;

    if (scratch->alike == FIELD_NONE || count < 2)
        return -1;
    column = batch_column(items, scratch->alike);
    if (column->type != TYPE_VECTOR)
        ids_part(column, begin, count, alike);
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            total += column->type == TYPE_VECTOR ? 1 - cosine(column, begin + i, begin + j)
                                                 : alike[i] != alike[j];
    return (float)(total / (0.5 * count * (count - 1.0)));
}

/* From 1; 0: not in the list. */
static uint32_t find(struct evaluate_scratch *scratch, const struct batch *items, uint32_t begin,
                     uint32_t end, uint64_t item)
{
    const struct column *column = batch_column(items, scratch->listed);

    for (uint32_t from = begin; from < end; from += LIST_MAX) {
        uint32_t count = end - from < LIST_MAX ? end - from : LIST_MAX;
        ids_part(column, from, count, scratch->ids);
        for (uint32_t i = 0; i < count; i++)
            if (scratch->ids[i] == item)
                return from - begin + i + 1;
    }
    return 0;
}

/* Of `others` items, those behind the taken one; `known`: it is one of the items seen. */
static float auc_of(uint32_t rank, uint32_t listed, int64_t seen, bool known)
{
    double others = (double)(known ? seen - 1 : seen), behind;

    if (others < 1)
        return -1;
    behind = rank ? others - (rank - 1.0) : (others - listed) / 2;
    return (float)(behind > 0 ? behind / others : 0);
}

static bool look(struct op *op, const struct batch *in, uint32_t row, uint64_t item, bool known,
                 struct result *result)
{
    const struct evaluate_config *config = op_config(op);
    struct evaluate_scratch *scratch = op_scratch(op);
    const struct total *total = op_cells(op, TOTAL)[row];
    const struct column *list = batch_column(in, scratch->list);
    uint32_t begin = (uint32_t)list->offsets[row], end = (uint32_t)list->offsets[row + 1];
    uint32_t count = end - begin, rank = find(scratch, list->child, begin, end, item);

    result->auc = auc_of(rank, count, total->items, known);
    count = count < (uint32_t)config->k ? count : (uint32_t)config->k;
    result->rank = (uint16_t)(rank <= count ? rank : 0);
    result->diversity = diversity_of(scratch, list->child, begin, count);
    ids_part(batch_column(list->child, scratch->listed), begin, count, scratch->ids);
    for (uint32_t i = 0; i < count; i++)
        if (!listed(op, row, scratch->ids[i], result))
            return false;
    return true;
}

static bool test_and_learn(struct op *op, const struct batch *in, uint32_t row, uint64_t user,
                           uint64_t item)
{
    struct total *total = op_cells(op, TOTAL)[row];
    struct result *result = result_of(op, row, total->rows);
    struct seen *seen = seen_of(op, row, item);
    struct standing standing = {0};

    if (!result || !seen || !look(op, in, row, item, seen->count > 0, result) ||
        !stand(op, row, user, item, seen->count, &standing))
        return false;
    result->baseline = baseline(op, row, seen->count, &standing);
    if (!learn(op, row, user, seen, item, standing.met))
        return false;
    total->rows++;
    total->last_ms = batch_time(in)[row];
    return true;
}

static bool evaluate_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    struct evaluate_scratch *scratch = op_scratch(op);
    const struct column *user = batch_column(in, scratch->user);
    const struct column *item = batch_column(in, scratch->item);
    uint32_t rows = batch_rows(in), skipped = 0;

    (void)port;
    (void)err; /* what op_entry could not read is the engine's error */
    CHECK(rows <= BATCH_ROWS_MAX);
    scratch->own_count = 0;
    key_ids(user, rows, scratch->users);
    key_ids(item, rows, scratch->items);
    for (uint32_t row = 0; row < rows; row++) {
        if (!column_valid(user, row) || !column_valid(item, row))
            skipped++;
        else if (!test_and_learn(op, in, row, scratch->users[row], scratch->items[row]))
            return true;
    }
    op_count(op, SKIPPED, skipped);
    return true;
}

/* ---- the end ---- */

struct figures {
    int64_t hits, covered, listed, compared, paired;
    double ndcg, mrr, baseline, novelty, auc, diversity;
};

static void add_result(struct figures *figures, const struct result *result)
{
    figures->listed += result->listed;
    figures->novelty += result->novelty;
    figures->baseline += result->baseline;
    figures->compared += result->auc >= 0;
    figures->auc += result->auc >= 0 ? (double)result->auc : 0;
    figures->paired += result->diversity >= 0;
    figures->diversity += result->diversity >= 0 ? (double)result->diversity : 0;
    if (!result->rank)
        return;
    figures->hits++;
    figures->ndcg += 1 / log2(result->rank + 1.0);
    figures->mrr += 1.0 / result->rank;
}

static void put_figures(struct op *op, const struct figures *figures, const struct total *total,
                        int64_t counted)
{
    const struct evaluate_config *config = op_config(op);
    struct builder *out = op_reserve(op, OUT, 1);
    double rows = (double)counted;

    builder_row(out, total->last_ms, 0, 0);
    builder_i64(out, COUNT, total->rows);
    builder_i64(out, COUNTED, counted);
    if (!counted)
        return;
    builder_f64(out, RECALL, (double)figures->hits / rows);
    builder_f64(out, PRECISION, (double)figures->hits / rows / (double)config->k);
    builder_f64(out, NDCG, figures->ndcg / rows);
    builder_f64(out, HIT_RATE, (double)figures->hits / rows);
    builder_f64(out, MRR, figures->mrr / rows);
    builder_f64(out, BASELINE, figures->baseline / rows);
    builder_f64(out, COVERAGE, (double)figures->covered / (double)total->items);
    if (figures->listed)
        builder_f64(out, NOVELTY, figures->novelty / (double)figures->listed);
    if (figures->compared)
        builder_f64(out, AUC, figures->auc / (double)figures->compared);
    if (config->alike && figures->paired)
        builder_f64(out, DIVERSITY, figures->diversity / (double)figures->paired);
}

/* The items that rows from `first` on recommended. */
static bool count_covered(struct op *op, const struct total *total, int64_t first,
                          struct figures *figures)
{
    for (int64_t number = 0; number < total->listed; number++) {
        const uint64_t *item = listed_of(op, 0, number);
        const struct seen *seen = item ? seen_of(op, 0, *item) : NULL;
        if (!seen)
            return false;
        figures->covered += seen->latest > first;
    }
    return true;
}

static bool evaluate_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct evaluate_config *config = op_config(op);
    const struct total *total;
    struct figures figures = {0};
    int64_t first;

    (void)err; /* what op_entry could not read is the engine's error */
    if (time_ms != INT64_MAX)
        return true;
    total = op_cells(op, TOTAL)[0]; /* the input is global: its one key's cell */
    first = (int64_t)(config->skip * (double)total->rows);
    for (int64_t number = first; number < total->rows; number++) {
        const struct result *result = result_of(op, 0, number);
        if (!result)
            return true;
        add_result(&figures, result);
    }
    if (!count_covered(op, total, first, &figures))
        return true;
    put_figures(op, &figures, total, total->rows - first);
    return true;
}

const struct operator_def evaluate = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "evaluate",
    .help = "Measures recommendations against what was taken, with popularity beside them.",
    .config_size = sizeof(struct evaluate_config),
    .options = evaluate_options,
    .inputs = evaluate_in,
    .outputs = evaluate_out,
    .states = evaluate_states,
    .counters = evaluate_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = evaluate_describe,
    .open = evaluate_open,
    .process = evaluate_process,
    .on_watermark = evaluate_on_watermark,
};
OPERATOR_REGISTER(evaluate);
