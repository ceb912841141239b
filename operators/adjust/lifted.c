/* lifted: see lifted.h. Terms and priors follow from the tables' versions alone, so what is remembered
 * of them in the instance is no state. */
#include "operators/adjust/lifted.h"

#include "operators/model/classes.h"
#include "operators/model/lift.h"
#include "operators/model/loops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PLACES_MAX (FACTOR_CELLS_MAX + 1) /* levels, and none */
#define SHELF_TERMS 8192u                 /* of all rows of a shelf; all three are powers of two */
#define ROW_LEAST 16u
#define ROWS_MAX (SHELF_TERMS / ROW_LEAST)

static_assert(CLASSES_MAX <= PLACES_MAX && 2 * PLACES_MAX <= SHELF_TERMS,
              "a row has a term for each class, and for each level");

const struct option lifted_options[] = {
    {.name = "class",
     .type = OPT_TEXT,
     FIELD(struct lifted_config, class),
     .help =
         "The column, of the items or of the request, that the tables are keyed by; the factor's "
         "own by default."},
    {.name = "cap",
     .type = OPT_F64,
     FIELD(struct lifted_config, cap),
     .def.f64 = LIFT_CAP,
     .max.f64 = 10,
     .help = "Largest term, up and down, before `strength`."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct lifted_config, strength),
     .def.f64 = 1,
     .max.f64 = 100,
     .help = "Multiplies the terms; 0 leaves the order as it is."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct lifted_config, prior),
     .max.f64 = 1e9,
     .help = "Expected clicks that draw a lift towards its parent's; 0: as many as the table's own "
             "spread tells."},
    {.name = "served",
     .type = OPT_BOOL,
     FIELD(struct lifted_config, served),
     .def.flag = true,
     .help = "false: terms go to shadow.NAME, which feature/lift counts in, and change no score."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct lifted_config, top),
     .max.i64 = 100000,
     .help =
         "Items that stay in the list, the best first; 0: all, in the order in which they came."},
    {.name = "names",
     .type = OPT_TEXTS,
     FIELD(struct lifted_config, names),
     .help =
         "Names of the levels, or of the holidays, in order, as feature/lift was told; like the "
         "next two it is about the first of several tables."},
    {.name = "levels",
     .type = OPT_I64,
     FIELD(struct lifted_config, levels),
     .max.i64 = 512,
     .help = "How many levels, such as cities, as feature/lift was told; 0: as the factor says."},
    {.name = "parents",
     .type = OPT_I64,
     FIELD(struct lifted_config, parents),
     .max.i64 = 512,
     .help = "How many parents, such as regions, as feature/lift was told; 0: as the factor says."},
    {0},
};

void lifted_manual(const struct factor *factor, struct bytes *out)
{
    bytes_format(out, "      for %s, of the items or the request: ", factor->name);
    factor_manual(factor, out);
    bytes_format(out, "; its class: %s\n", factor->class);
}

/* Tables are called as their factors. */
static void put_factors(const struct operator_def *def, struct bytes *out)
{
    for (const struct table_use *use = def->tables; use->name; use++) {
        const struct factor *factor = factor_find(use->name);
        CHECK(factor);
        lifted_manual(factor, out);
    }
}

const struct port lifted_in[] = {
    {"in", .help = "Recommendations of `score` or of another adjust operator, or impressions.",
     .manual = put_factors},
    {0},
};
const struct port lifted_out[] = {
    {"out", .keyed = true, .help = "The same, adjusted."},
    {0},
};
const struct column_def lifted_columns[] = {{"class", TYPE_KEY},       {"total", TYPE_I64},
                                            {"first", TYPE_TIMESTAMP}, {"half_life", TYPE_I64},
                                            {"levels", TYPE_LIST},     {0}};

/* ---- planning ---- */

static const char *const *column_names(struct arena *arena, const struct lifted_config *config,
                                       const struct factor *const *factors, uint32_t count)
{
    const char **names = arena_new(arena, count * sizeof(*names));

    for (uint32_t i = 0; i < count; i++) {
        char *name = arena_new(arena, NAME_SIZE_MAX);
        snprintf(name, NAME_SIZE_MAX, "%s.%s", config->served ? "reasons" : "shadow",
                 factors[i]->name);
        names[i] = name;
    }
    return names;
}

/* Factor k of the operator, with the levels that the options tell; `names` has room for them and NULL. */
static struct factor own_factor(const struct lifted_config *config,
                                const struct factor *const *factors, uint32_t k, const char **names)
{
    if (k > 0)
        return *factors[k];
    for (uint32_t i = 0; i < config->names.count; i++)
        names[i] = config->names.items[i];
    names[config->names.count] = NULL;
    return factor_with(factors[k], config->names.count ? names : NULL, config->levels,
                       config->parents);
}

static bool check_levels(struct describe *describe, const struct lifted_config *config,
                         const struct factor *const *factors, struct error *err)
{
    size_t size = (config->names.count + 1ul) * sizeof(const char *);
    const char **names = arena_new(describe_arena(describe), size);
    struct factor factor = own_factor(config, factors, 0, names);
    bool nested = factor.kind == LEVEL_NESTED, number = factor.kind == LEVEL_NUMBER;

    if (config->names.count && !number && factor.kind != LEVEL_HOLIDAY)
        return describe_error(describe, err, "names", "leave it out",
                              "the levels of \"%s\" have no names", factor.name);
    if (config->levels && !number && !nested)
        return describe_error(describe, err, "levels", "leave it out",
                              "how many levels \"%s\" has is fixed", factor.name);
    if (config->parents && !nested)
        return describe_error(describe, err, "parents", "leave it out",
                              "the levels of \"%s\" have no parents", factor.name);
    if (factor_cells(&factor) > FACTOR_CELLS_MAX)
        return describe_error(describe, err, config->levels ? "levels" : "names", "tell fewer",
                              "the factor has %u levels with their parents, more than %u",
                              factor_cells(&factor), FACTOR_CELLS_MAX);
    return true;
}

static bool has_column(const struct schema *in, const char *name)
{
    return schema_find(in, name) != FIELD_NONE || schema_find(list_schema(in), name) != FIELD_NONE;
}

static bool check_factor(struct describe *describe, const struct lifted_config *config,
                         const struct factor *factor, uint32_t table, struct error *err)
{
    const struct schema *in = describe_input(describe, 0), *lifts = describe_table(describe, table);
    const struct schema *items = list_schema(in);
    const char *class = config->class ? config->class : factor->class;
    uint32_t at = schema_find(items, class);
    const struct schema *from = at == FIELD_NONE ? in : items;
    enum type named;

    if (!lifts)
        return true;
    if (!has_column(in, class))
        return describe_error(describe, err, "class", "name a column of the list or the request",
                              "there is no column \"%s\"", class);
    at = schema_find(from, class);
    named = lifts->fields[schema_find(lifts, "class")].type;
    if (from->fields[at].type != named)
        return describe_error(describe, err, "tables", "key feature/lift by the same column",
                              "the classes of \"%s\" are %s, but column \"%s\" is %s", factor->name,
                              type_name(named), class, type_name(from->fields[at].type));
    if (!has_column(in, factor->columns[0]))
        return describe_error(describe, err, "from", "join it before",
                              "neither the list nor the request has column \"%s\"",
                              factor->columns[0]);
    return true;
}

bool lifted_check(struct describe *describe, const struct lifted_config *config,
                  const struct factor *const *factors, uint32_t count, struct error *err)
{
    if (!check_levels(describe, config, factors, err))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!check_factor(describe, config, factors[i], i, err))
            return false;
    return list_describe(describe, column_names(describe_arena(describe), config, factors, count),
                         count, err);
}

bool lifted_describe(struct describe *describe, const struct factor *const *factors, uint32_t count,
                     struct error *err)
{
    return lifted_check(describe, describe_config(describe), factors, count, err);
}

/* ---- an instance ---- */

struct where { /* a column of the items or of the request */
    uint32_t column;
    bool listed;
};

/* Terms that are known. A row of them is of one half of what a term is of, as a rule the request's: its
 * level, with terms by the items' class, or its class, with terms by the items' level. */
struct shelf {
    uint32_t row_size; /* 0: empty */
    uint64_t halves[ROWS_MAX];
    bool used[ROWS_MAX];
    double terms[SHELF_TERMS]; /* NaN: not known yet */
};

struct evidence { /* of a factor */
    const struct factor *factor;
    struct factor own;                        /* that it points to */
    uint32_t table, levels, half_life, first; /* of the table: its place and columns */
    uint32_t cells, other_cells; /* of a row of the table that has not as many; 0: none */
    struct where class, at, within;
    bool given;
    int64_t version; /* that the next two are of */
    double prior;
    struct shelf shelf;
    struct classes *classes; /* of the items; factors with one class column share it */
};

struct lifted {
    const struct lifted_config *config;
    struct list_layout layout;
    uint32_t count;
    char names[LIST_TERMS_MAX][NAME_SIZE_MAX];
    const char *name_list[LIST_TERMS_MAX];
    struct evidence evidence[LIST_TERMS_MAX];
};

static struct where find_column(const struct op *op, const struct list_layout *layout,
                                const char *name)
{
    const struct schema *in = op_input_schema(op, 0);
    uint32_t listed = name ? schema_find(list_schema(in), name) : FIELD_NONE;

    if (!name)
        return (struct where){FIELD_NONE, false};
    if (layout->list != FIELD_NONE && listed != FIELD_NONE)
        return (struct where){listed, true};
    return (struct where){schema_find(in, name), false};
}

/* Those of the class column: of a factor before, or new ones. NULL: it is not the items'. */
static struct classes *find_classes(struct op *op, struct lifted *lifted, uint32_t at)
{
    struct where class = lifted->evidence[at].class;

    if (!class.listed)
        return NULL;
    for (uint32_t i = 0; i < at; i++)
        if (lifted->evidence[i].classes && lifted->evidence[i].class.column == class.column)
            return lifted->evidence[i].classes;
    return op_memory(op, sizeof(struct classes));
}

static void open_evidence(struct op *op, struct lifted *lifted, const struct factor *factor,
                          uint32_t table)
{
    struct evidence *evidence = &lifted->evidence[table];
    const char *class = lifted->config->class ? lifted->config->class : factor->class;

    evidence->own = *factor;
    evidence->factor = factor = &evidence->own;
    evidence->table = table;
    evidence->given = op_table_given(op, table);
    evidence->version = INT64_MIN;
    evidence->cells = factor_cells(factor);
    if (!evidence->given)
        return;
    evidence->levels = op_table_column(op, table, "levels");
    evidence->half_life = op_table_column(op, table, "half_life");
    evidence->first = op_table_column(op, table, "first");
    evidence->class = find_column(op, &lifted->layout, class);
    evidence->classes = find_classes(op, lifted, table);
    evidence->at = find_column(op, &lifted->layout, factor->columns[0]);
    evidence->within = find_column(op, &lifted->layout, factor->columns[1]);
}

struct lifted *lifted_create(struct op *op, const struct lifted_config *config,
                             const struct factor *const *factors, uint32_t count)
{
    struct lifted *lifted = op_memory(op, sizeof(*lifted));
    const char **names;

    CHECK(count <= LIST_TERMS_MAX);
    lifted->config = config;
    lifted->count = count;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(lifted->names[i], NAME_SIZE_MAX, "%s.%s", config->served ? "reasons" : "shadow",
                 factors[i]->name);
        lifted->name_list[i] = lifted->names[i];
    }
    list_open(op, &lifted->layout, lifted->name_list, count);
    names = op_memory(op, (config->names.count + 1ul) * sizeof(*names));
    for (uint32_t i = 0; i < count; i++) {
        struct factor factor = own_factor(config, factors, i, names);
        open_evidence(op, lifted, &factor, i);
    }
    return lifted;
}

bool lifted_open(struct op *op, const struct factor *const *factors, uint32_t count,
                 struct error *err)
{
    (void)err; /* cannot fail */
    op_set_scratch(op, lifted_create(op, op_config(op), factors, count));
    return true;
}

/* ---- evidence ---- */

static struct lift_sums cell_of(const struct table_row *row, uint32_t levels, uint32_t cell)
{
    return (struct lift_sums){table_row_list_f64(row, levels, 0)[cell],
                              table_row_list_f64(row, levels, 1)[cell],
                              table_row_list_f64(row, levels, 2)[cell]};
}

static void scale(struct lift_sums *sums, double by)
{
    sums->clicks *= by;
    sums->expected *= by;
    sums->squares *= by;
}

/* What a row that has not changed for a while is still worth. */
static double fade(const struct evidence *evidence, const struct table_row *row, int64_t now_ms)
{
    int64_t half_life_ms = table_row_i64(row, evidence->half_life);
    int64_t behind_ms = now_ms - table_row_version(row);

    if (half_life_ms <= 0 || behind_ms <= 0 || now_ms == INT64_MAX)
        return 1;
    return exp2(-(double)behind_ms / (double)half_life_ms);
}

static double find_prior(const struct evidence *evidence, const struct table_row *const *rows,
                         uint32_t count, int64_t now_ms)
{
    uint32_t levels = factor_levels(evidence->factor);
    struct block *memory = block_create(((size_t)count * levels + 1) * sizeof(struct lift_sums));
    struct lift_sums *cells = (struct lift_sums *)(void *)memory->data;
    int64_t first_ms = INT64_MAX, half_life_ms = 0, last_ms = INT64_MIN;
    double variance, prior;

    for (uint32_t i = 0; i < count; i++) {
        double left = fade(evidence, rows[i], now_ms);
        for (uint32_t k = 0; k < levels; k++) {
            struct lift_sums *cell = &cells[(size_t)i * levels + k];
            *cell = (struct lift_sums){0};
            if (k < table_row_list(rows[i], evidence->levels))
                *cell = cell_of(rows[i], evidence->levels, k);
            scale(cell, left);
        }
        if (table_row_i64(rows[i], evidence->first) < first_ms)
            first_ms = table_row_i64(rows[i], evidence->first);
        if (table_row_version(rows[i]) > last_ms)
            last_ms = table_row_version(rows[i]);
        half_life_ms = table_row_i64(rows[i], evidence->half_life);
    }
    variance = count ? lift_variance((double)(last_ms - first_ms), (double)half_life_ms) : 1;
    prior = lift_prior(lift_spread(cells, count, levels, variance), variance);
    block_release(&memory);
    return prior;
}

static void follow_version(struct op *op, const struct lifted *lifted, struct evidence *evidence)
{
    int64_t version = op_table_version(op, evidence->table);
    const struct table_row *const *rows;
    uint32_t count;

    if (version == evidence->version && version != INT64_MAX) /* INT64_MAX: the newest */
        return;
    evidence->version = version;
    evidence->shelf.row_size = 0;
    evidence->prior = lifted->config->prior;
    if (evidence->prior > 0)
        return;
    rows = op_table_top(op, evidence->table, &count);
    evidence->prior = find_prior(evidence, rows, count, version);
}

static double parent_ratio(const struct evidence *evidence, const struct table_row *row,
                           uint32_t parent, double left)
{
    struct lift_sums sums;

    if (parent == FACTOR_NONE)
        return 1;
    sums = cell_of(row, evidence->levels, parent);
    scale(&sums, left);
    return lift_ratio(&sums, evidence->prior, 1);
}

static double term_of(const struct lifted *lifted, struct evidence *evidence,
                      const struct table_row *row, uint32_t found)
{
    uint32_t level = factor_level(found), parent = factor_parent(found);
    uint32_t circle = evidence->factor->circle;
    double left, ratio;
    struct lift_sums sums;

    if (!row)
        return 0;
    if (table_row_list(row, evidence->levels) != evidence->cells) {
        evidence->other_cells = table_row_list(row, evidence->levels);
        return 0;
    }
    left = fade(evidence, row, evidence->version);
    ratio = parent_ratio(evidence, row, parent, left);
    if (level == FACTOR_NONE && parent == FACTOR_NONE)
        return 0;
    if (level == FACTOR_NONE) { /* only the parent is known: its own ratio */
        sums = cell_of(row, evidence->levels, parent);
        ratio = 1;
    } else if (circle) {
        struct lift_sums cells[FACTOR_CELLS_MAX];
        for (uint32_t i = 0; i < evidence->cells; i++)
            cells[i] = cell_of(row, evidence->levels, i);
        sums = lift_smooth(cells, level, circle);
    } else {
        sums = cell_of(row, evidence->levels, level);
    }
    scale(&sums, left);
    return lifted->config->strength * lift_term(&sums, evidence->prior, ratio, lifted->config->cap);
}

static double look_up(struct op *op, const struct lifted *lifted, struct evidence *evidence,
                      uint64_t class, uint32_t found)
{
    return term_of(lifted, evidence, op_table_find(op, evidence->table, class), found);
}

/* The row of a half, with room for `places` terms, none where all lists are empty. Of two that fall
 * together the later one stays. */
static double *shelf_row(struct shelf *shelf, uint64_t half, uint32_t places)
{
    uint32_t row;
    double *terms;

    CHECK(places <= PLACES_MAX);
    if (places > shelf->row_size || shelf->row_size == 0) {
        uint32_t size = shelf->row_size ? shelf->row_size : ROW_LEAST;
        while (size < places)
            size *= 2;
        shelf->row_size = size;
        memset(shelf->used, 0, sizeof(shelf->used));
    }
    row = (uint32_t)(half ^ half >> 32) & (SHELF_TERMS / shelf->row_size - 1);
    terms = &shelf->terms[row * shelf->row_size];
    if (shelf->used[row] && shelf->halves[row] == half)
        return terms;
    shelf->used[row] = true;
    shelf->halves[row] = half;
    for (uint32_t i = 0; i < shelf->row_size; i++)
        terms[i] = NAN;
    return terms;
}

/* ---- rows ---- */

static uint64_t *ids_of(const struct batch *in, const struct batch *items, struct where where,
                        struct block **memory)
{
    const struct batch *from = where.listed ? items : in;

    *memory = block_create((from->rows + 1ul) * sizeof(uint64_t));
    key_ids(batch_column(from, where.column), from->rows, (uint64_t *)(void *)(*memory)->data);
    return (uint64_t *)(void *)(*memory)->data;
}

static uint32_t *levels_of(const struct evidence *evidence, const struct batch *in,
                           const struct batch *items, struct block **memory)
{
    const struct batch *from = evidence->at.listed ? items : in;
    bool both =
        evidence->within.column != FIELD_NONE && evidence->within.listed == evidence->at.listed;

    *memory = block_create((from->rows + 1ul) * sizeof(uint32_t));
    factor_find_levels(evidence->factor, batch_column(from, evidence->at.column),
                       both ? batch_column(from, evidence->within.column) : NULL, 0, from->rows,
                       (uint32_t *)(void *)(*memory)->data);
    return (uint32_t *)(void *)(*memory)->data;
}

/* Items [begin, end) of one request, whose half, class or level, is the same for all; the other half of
 * each is a place in the row of their terms. */
struct request {
    uint32_t begin, end;
    uint64_t class; /* where it is not the items' */
    uint32_t found;
    bool by_class;
};

static uint32_t places_of(const struct evidence *evidence, const struct request *request)
{
    return request->by_class ? evidence->classes->count
                             : factor_levels(evidence->factor) + 1; /* the last one is none */
}

static double find_term(struct op *op, const struct lifted *lifted, struct evidence *evidence,
                        const struct request *request, uint32_t place)
{
    uint32_t level = place < factor_levels(evidence->factor) ? place : FACTOR_NONE;

    if (request->by_class)
        return look_up(op, lifted, evidence, evidence->classes->ids[place], request->found);
    return look_up(op, lifted, evidence, request->class, level | FACTOR_NONE << 16);
}

/* The terms of a request by place: all of them, or where the items are fewer, of `places`. */
static const double *terms_of(struct op *op, const struct lifted *lifted, struct evidence *evidence,
                              const struct request *request, const uint16_t *places)
{
    uint32_t count = request->end - request->begin, all = places_of(evidence, request);
    double *terms =
        shelf_row(&evidence->shelf, request->by_class ? request->found : request->class, all);

    for (uint32_t i = 0; i < (places && count < all ? count : all); i++) {
        uint32_t place = places && count < all ? places[i] : i;
        if (isnan(terms[place]))
            terms[place] = find_term(op, lifted, evidence, request, place);
    }
    return terms;
}

/* Of one batch: the numbers of its items' classes, until a factor has another class column. */
struct numbered {
    struct block *memory;
    uint16_t *places;
    const struct classes *classes; /* that `places` are of; NULL: none */
};

/* The places of all items, where one half is the request's and the other can be an array's index. */
static bool find_places(struct evidence *evidence, const struct batch *items,
                        const uint32_t *levels, struct numbered *numbered)
{
    const struct column *classes;

    if (evidence->class.listed == evidence->at.listed)
        return false;
    if (!evidence->class.listed) {
        numbered->classes = NULL;
        return loops_places(levels, items->rows, factor_levels(evidence->factor),
                            numbered->places) == FACTOR_NONE;
    }
    if (numbered->classes == evidence->classes)
        return true;
    classes = batch_column(items, evidence->class.column);
    numbered->classes = classes_number(evidence->classes, classes, items->rows, numbered->places)
                            ? evidence->classes
                            : NULL;
    return numbered->classes != NULL;
}

/* One by one: rows that are items, class and level both of the items, or too many classes. */
static void fill_singly(struct op *op, struct lifted *lifted, struct evidence *evidence,
                        const struct batch *in, const uint32_t *levels, uint16_t *numbers,
                        double *terms)
{
    struct block *memory;
    const struct batch *items = list_items(&lifted->layout, in);
    const uint64_t *classes = ids_of(in, items, evidence->class, &memory);
    bool numbered = evidence->class.listed &&
                    classes_number(evidence->classes, batch_column(items, evidence->class.column),
                                   items->rows, numbers);

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;
        list_range(&lifted->layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++) {
            uint64_t class = classes[evidence->class.listed ? i : row];
            uint32_t found = levels[evidence->at.listed ? i : row];
            double own = NAN, *term = &own;
            if (numbered)
                term = shelf_row(&evidence->shelf, found, evidence->classes->count) + numbers[i];
            if (isnan(*term))
                *term = look_up(op, lifted, evidence, class, found);
            terms[i] = *term;
        }
    }
    block_release(&memory);
}

static void fill_by_places(struct op *op, struct lifted *lifted, struct evidence *evidence,
                           const struct batch *in, const uint32_t *levels, const uint16_t *places,
                           double *terms)
{
    struct request request = {.by_class = evidence->class.listed};
    struct block *memory = NULL;
    const uint64_t *classes =
        request.by_class ? NULL
                         : ids_of(in, list_items(&lifted->layout, in), evidence->class, &memory);

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const double *known;
        list_range(&lifted->layout, in, row, &request.begin, &request.end);
        request.class = classes ? classes[row] : 0;
        request.found = request.by_class ? levels[row] : 0;
        known = terms_of(op, lifted, evidence, &request, places + request.begin);
        loops_gather(terms + request.begin, known, places + request.begin,
                     request.end - request.begin);
    }
    block_release(&memory);
}

/* Class of the request, level by cuts of the items' numbers: needs no levels. */
static bool by_cuts(const struct evidence *evidence, const struct batch *items)
{
    const struct column *numbers;

    if (evidence->class.listed || !evidence->at.listed || evidence->factor->kind != LEVEL_CUTS)
        return false;
    numbers = batch_column(items, evidence->at.column);
    return numbers->type == TYPE_F64 && !numbers->validity;
}

static void fill_by_cuts(struct op *op, struct lifted *lifted, struct evidence *evidence,
                         const struct batch *in, double *terms)
{
    const struct factor *factor = evidence->factor;
    const struct batch *items = list_items(&lifted->layout, in);
    const double *numbers = batch_column(items, evidence->at.column)->values;
    struct request request = {.by_class = false};
    struct block *memory;
    const uint64_t *classes = ids_of(in, items, evidence->class, &memory);

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        list_range(&lifted->layout, in, row, &request.begin, &request.end);
        request.class = classes[row];
        loops_steps(numbers + request.begin, request.end - request.begin, factor->cuts,
                    factor_levels(factor) - 1, terms_of(op, lifted, evidence, &request, NULL),
                    terms + request.begin);
    }
    block_release(&memory);
}

static void fill_terms(struct op *op, struct lifted *lifted, struct evidence *evidence,
                       const struct batch *in, struct numbered *numbered, double *terms)
{
    const struct batch *items = list_items(&lifted->layout, in);
    struct block *memory;
    const uint32_t *levels;

    if (by_cuts(evidence, items)) {
        fill_by_cuts(op, lifted, evidence, in, terms);
        return;
    }
    levels = levels_of(evidence, in, items, &memory);
    if (find_places(evidence, items, levels, numbered)) {
        fill_by_places(op, lifted, evidence, in, levels, numbered->places, terms);
    } else {
        fill_singly(op, lifted, evidence, in, levels, numbered->places, terms);
        numbered->classes = NULL;
    }
    block_release(&memory);
}

static bool check_cells(const struct lifted *lifted, struct error *err)
{
    for (uint32_t i = 0; i < lifted->count; i++) {
        const struct evidence *evidence = &lifted->evidence[i];
        if (evidence->other_cells)
            return error_set(err, ERROR_CONFIG, lifted->names[i],
                             "tell feature/lift and the adjust operator the same `names`, `levels` "
                             "and `parents`",
                             "its lifts are of %u levels and parents, but here are %u",
                             evidence->other_cells, evidence->cells);
    }
    return true;
}

/* Items of no request (of a list that is null) get no term. */
bool lifted_adjust(struct op *op, struct lifted *lifted, const struct batch *in, struct error *err)
{
    uint32_t rows = list_items(&lifted->layout, in)->rows;
    struct numbered numbered = {block_create((rows + 1ul) * sizeof(uint16_t)), NULL, NULL};
    struct column *added[LIST_TERMS_MAX];
    bool whole = list_covers(&lifted->layout, in);

    numbered.places = (uint16_t *)(void *)numbered.memory->data;
    for (uint32_t i = 0; i < lifted->count; i++) {
        struct evidence *evidence = &lifted->evidence[i];
        double *terms;
        added[i] =
            evidence->given && whole ? list_column_unset(rows, &terms) : list_column(rows, &terms);
        if (!evidence->given)
            continue;
        follow_version(op, lifted, evidence);
        fill_terms(op, lifted, evidence, in, &numbered, terms);
    }
    block_release(&numbered.memory);
    list_emit(op, &lifted->layout, in, added, (uint32_t)lifted->config->top);
    return check_cells(lifted, err);
}

bool lifted_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    (void)port;
    return lifted_adjust(op, op_scratch(op), in, err);
}
