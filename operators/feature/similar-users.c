/* feature/similar-users: users who met what this user met, and what they met next to it.
 * In: events keyed by user. Tables of feature/recent: `items`, keyed by item, with the users who met each
 * last; `users`, keyed by user, with the items that each met last. Out: each event with, as of before it,
 *     similar_users   the `top` most similar: user, similarity
 *     suggested       the `top` items by score, the user's own left out unless `repeats`: item, score
 *
 * Method: position-aware neighbours (sknn; VS-kNN of Ludewig and Jannach 2018, UMUAI 28, on users): of
 * the user's item at distance b (0 is the newest, at most `depth`) each user gets
 * 0.75^b ln(1 + population / (1 + events of the item)). The newest item that both met is a place in the
 * other's history: of similarity s the r-th item after it gets s^2 0.8^r, the r-th before it half of
 * that, for r < 15. Ties go by identity. The user's own history is live, the tables as of their
 * versions. */
#include "operators/model/met.h"
#include "operators/model/widen.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MAX 1000
#define REACH 15u         /* items after and before a match */
#define PLACES 16384u     /* of a map, a power of two */
#define ENTRIES_MAX 8192u /* of a map; further ones are left out */

struct similar_config {
    const char *item, *when, *list;
    int64_t depth, keep, neighbours, top, population;
    bool repeats;
};

struct similar_cell { /* a ring: item k is at k % keep */
    int64_t count;
    uint64_t ids[];
};

static const struct option similar_options[] = {
    {.name = "item",
     .type = OPT_FIELD,
     FIELD(struct similar_config, item),
     .def.text = "item",
     .help = "The column that names what the user met."},
    {.name = "depth",
     .type = OPT_I64,
     FIELD(struct similar_config, depth),
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = 50,
     .help = "Latest items by which users are compared."},
    {.name = "neighbours",
     .type = OPT_I64,
     FIELD(struct similar_config, neighbours),
     .def.i64 = 200,
     .min.i64 = 1,
     .max.i64 = 5000,
     .help = "Most similar users whose items are suggested."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct similar_config, top),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = 500,
     .help = "Entries of each list."},
    {.name = "keep",
     .type = OPT_I64,
     FIELD(struct similar_config, keep),
     .def.i64 = 100,
     .min.i64 = 1,
     .max.i64 = KEEP_MAX,
     .help = "Own items that are not suggested again; at least `depth`."},
    {.name = "repeats",
     .type = OPT_BOOL,
     FIELD(struct similar_config, repeats),
     .help = "Whether own items are suggested as well."},
    {.name = "population",
     .type = OPT_I64,
     FIELD(struct similar_config, population),
     .def.i64 = 10000,
     .min.i64 = 1,
     .max.i64 = 1000000000,
     .help = "About how many users there are: items that many met say less."},
    {.name = "recent",
     .type = OPT_TEXT,
     FIELD(struct similar_config, list),
     .def.text = "recent",
     .help = "Name of the lists in the tables."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct similar_config, when),
     .help = "Which events are learned; by default all."},
    {0},
};
static const struct state_field similar_fields[] = {
    {"count", TYPE_I64, FIELD(struct similar_cell, count)},
    {0},
};
static const struct state similar_states[] = {
    {"users", STATE_VALUE, similar_fields, sizeof(struct similar_cell)}, /* and the ids */
    {0},
};
static const struct column_def similar_columns[] = MET_COLUMNS;
static const struct table_use similar_tables[] = {
    {"items", "Who met each item last, of feature/recent keyed by item.",
     .columns = similar_columns},
    {"users", "What each user met last, of feature/recent keyed by user.",
     .columns = similar_columns},
    {0},
};
static const struct port similar_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by user."},
    {0},
};
static const struct port similar_out[] = {
    {"out", .keyed = true, .help = "Each event with similar users and what they suggest."},
    {0},
};
enum { USERS_STATE = 0, IN = 0, OUT = 0, ITEMS = 0, USERS = 1 };

/* ---- planning ---- */

/* The type of a table's key column. */
static enum type key_of_table(const struct schema *table)
{
    uint32_t key = table ? schema_find(table, "key") : FIELD_NONE;

    return key == FIELD_NONE ? TYPE_I64 : table->fields[key].type;
}

static const struct schema *added_schema(struct arena *arena, enum type user, enum type item)
{
    struct schema *schema = schema_create(arena), *users = schema_create(arena);
    struct schema *items = schema_create(arena);
    struct field similar = {.name = "similar_users", .type = TYPE_LIST, .child = users};
    struct field suggested = {.name = "suggested", .type = TYPE_LIST, .child = items};

    CHECK(schema_add_column(users, arena, "user", user));
    CHECK(schema_add_column(users, arena, "similarity", TYPE_F64));
    CHECK(schema_add_column(items, arena, "item", item));
    CHECK(schema_add_column(items, arena, "score", TYPE_F64));
    CHECK(schema_add(schema, arena, &similar) && schema_add(schema, arena, &suggested));
    return schema;
}

static bool similar_describe(struct describe *describe, struct error *err)
{
    const struct similar_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    struct state_field *fields = arena_new(describe_arena(describe), 3 * sizeof(*fields));
    enum type item = in->fields[schema_find(in, config->item)].type;
    size_t size = (size_t)config->keep * sizeof(uint64_t);

    if (!key_type(item))
        return describe_error(describe, err, "item", "name a text or integer column",
                              "column \"%s\" is %s, which cannot name items", config->item,
                              type_name(item));
    if (config->keep < config->depth)
        return describe_error(describe, err, "keep", "raise it, or lower `depth`",
                              "fewer items are kept than are compared");
    if (!met_describe(describe, ITEMS, config->list, err) ||
        !met_describe(describe, USERS, config->list, err) ||
        !widen_check_when(describe, "when", config->when, err))
        return false;
    fields[0] = similar_fields[0];
    fields[1] = (struct state_field){"ids", TYPE_UTF8, offsetof(struct similar_cell, ids), size};
    describe_state(describe, USERS_STATE, sizeof(struct similar_cell) + size, fields);
    return widen_describe(describe, OUT,
                          added_schema(describe_arena(describe),
                                       key_of_table(describe_table(describe, USERS)),
                                       key_of_table(describe_table(describe, ITEMS))),
                          err);
}

/* ---- an instance ---- */

struct scored {
    uint64_t id;
    double score;
    uint64_t match;    /* of a user: the newest item that both met */
    uint32_t distance; /* of a user: where in the history it was counted last */
};

struct map { /* of ids; emptied before each row */
    uint32_t count;
    uint32_t heads[PLACES]; /* 1 + place of an entry; 0: none */
    struct scored entries[ENTRIES_MAX];
};

struct similar_scratch {
    struct arena *arena;
    struct builder *added;
    struct expr *when;
    struct met_table items, users;
    uint32_t item;
    uint32_t learned[BATCH_ROWS_MAX];
    uint64_t ids[BATCH_ROWS_MAX];
    struct map near, found;
    double place_weight[51], reach_weight[REACH];
};

static bool similar_open(struct op *op, struct error *err)
{
    const struct similar_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct similar_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added =
        builder_create(added_schema(scratch->arena, key_of_table(op_table_schema(op, USERS)),
                                    key_of_table(op_table_schema(op, ITEMS))),
                       false);
    met_open(op, &scratch->items, ITEMS, config->list);
    met_open(op, &scratch->users, USERS, config->list);
    scratch->item = schema_find(in, config->item);
    scratch->place_weight[0] = scratch->reach_weight[0] = 1;
    for (uint32_t i = 1; i < 51; i++)
        scratch->place_weight[i] = scratch->place_weight[i - 1] * 0.75;
    for (uint32_t i = 1; i < REACH; i++)
        scratch->reach_weight[i] = scratch->reach_weight[i - 1] * 0.8;
    if (config->when)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || scratch->when;
}

static void similar_close(struct op *op)
{
    struct similar_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- maps ---- */

static void map_reset(struct map *map)
{
    if (map->count)
        memset(map->heads, 0, sizeof(map->heads));
    map->count = 0;
}

/* NULL when full. */
static struct scored *map_find(struct map *map, uint64_t id)
{
    uint32_t at = (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 50) % PLACES;

    for (; map->heads[at]; at = (at + 1) % PLACES)
        if (map->entries[map->heads[at] - 1].id == id)
            return &map->entries[map->heads[at] - 1];
    if (map->count == ENTRIES_MAX)
        return NULL;
    map->entries[map->count] = (struct scored){.id = id, .distance = UINT32_MAX};
    map->heads[at] = ++map->count;
    return &map->entries[map->count - 1];
}

static int by_score(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* The best ones first; no more look-ups until it is emptied. */
static void map_rank(struct map *map)
{
    qsort(map->entries, map->count, sizeof(map->entries[0]), by_score);
}

/* ---- neighbours ---- */

static uint64_t own_item(const struct similar_config *config, const struct similar_cell *cell,
                         int64_t distance)
{
    return cell->ids[(cell->count - 1 - distance) % config->keep];
}

/* Those who met the user's item at distance b. */
static void add_users(struct similar_scratch *scratch, const struct table_row *row, uint64_t item,
                      uint64_t self, double weight, uint32_t b)
{
    const uint64_t *ids;
    uint32_t count = met_read(&scratch->items, row, &ids, NULL);

    for (uint32_t i = 0; i < count; i++) {
        struct scored *user = ids[i] == self ? NULL : map_find(&scratch->near, ids[i]);
        if (!user || user->distance == b) /* the same item twice */
            continue;
        if (user->distance == UINT32_MAX)
            user->match = item;
        user->distance = b;
        user->score += weight;
    }
}

static void find_users(struct op *op, const struct similar_cell *cell, uint64_t self)
{
    const struct similar_config *config = op_config(op);
    struct similar_scratch *scratch = op_scratch(op);

    map_reset(&scratch->near);
    for (int64_t b = 0; b < config->depth && b < cell->count; b++) {
        uint64_t item = own_item(config, cell, b);
        const struct table_row *row = op_table_find(op, ITEMS, item);
        bool before = false;
        for (int64_t i = 0; i < b && !before; i++)
            before = own_item(config, cell, i) == item;
        if (row && !before)
            add_users(scratch, row, item, self,
                      scratch->place_weight[b] *
                          log1p((double)config->population /
                                (double)(1 + table_row_i64(row, scratch->items.count))),
                      (uint32_t)b);
    }
    map_rank(&scratch->near);
}

/* ids are newest first: those after the match stand before it. */
static void add_items(struct similar_scratch *scratch, const uint64_t *ids, uint32_t count,
                      uint32_t match, double weight)
{
    struct scored *item;

    for (uint32_t r = 0; r < REACH && r < match; r++)
        if ((item = map_find(&scratch->found, ids[match - 1 - r])))
            item->score += weight * scratch->reach_weight[r];
    for (uint32_t r = 0; r < REACH && match + 1 + r < count; r++)
        if ((item = map_find(&scratch->found, ids[match + 1 + r])))
            item->score += weight / 2 * scratch->reach_weight[r];
}

static void find_items(struct op *op)
{
    const struct similar_config *config = op_config(op);
    struct similar_scratch *scratch = op_scratch(op);

    map_reset(&scratch->found);
    for (uint32_t i = 0; i < scratch->near.count && i < config->neighbours; i++) {
        const struct scored *user = &scratch->near.entries[i];
        const struct table_row *row = op_table_find(op, USERS, user->id);
        const uint64_t *ids;
        uint32_t count = row ? met_read(&scratch->users, row, &ids, NULL) : 0, match = 0;
        while (match < count && ids[match] != user->match)
            match++;
        if (match < count)
            add_items(scratch, ids, count, match, user->score * user->score);
    }
    map_rank(&scratch->found);
}

/* ---- rows ---- */

static bool is_own(const struct similar_config *config, const struct similar_cell *cell,
                   uint64_t item)
{
    for (int64_t i = 0; i < cell->count && i < config->keep; i++)
        if (cell->ids[i] == item)
            return true;
    return false;
}

/* Names come from the keys of the tables; what has none is left out. */
static void put_list(struct op *op, uint32_t column, uint32_t table, const struct map *map,
                     const struct similar_cell *without)
{
    const struct similar_config *config = op_config(op);
    struct builder *added = ((struct similar_scratch *)op_scratch(op))->added;
    struct builder *list = builder_list(added, column);
    uint32_t put = 0;

    for (uint32_t i = 0; i < map->count && put < config->top; i++) {
        const struct table_row *row = op_table_find(op, table, map->entries[i].id);
        struct key key;
        if (!row || (without && is_own(config, without, map->entries[i].id)))
            continue;
        key = table_row_key(row);
        builder_child_row(list);
        builder_key(list, 0, &key);
        builder_f64(list, 1, map->entries[i].score);
        put++;
    }
    builder_list_end(added, column);
}

static bool similar_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct similar_config *config = op_config(op);
    struct similar_scratch *scratch = op_scratch(op);
    const struct column *item = batch_column(in, scratch->item);
    uint32_t learned = widen_choose(scratch->when, in, scratch->learned), next = 0;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(item, in->rows, scratch->ids);
    for (uint32_t row = 0; row < in->rows; row++) {
        struct similar_cell *cell = op_cells(op, USERS_STATE)[row];
        find_users(op, cell, batch_hash(in)[row]);
        find_items(op);
        builder_row_from(scratch->added, in, row);
        put_list(op, 0, USERS, &scratch->near, NULL);
        put_list(op, 1, ITEMS, &scratch->found, config->repeats ? NULL : cell);
        if (next == learned || scratch->learned[next] != row)
            continue;
        next++;
        if (column_valid(item, row))
            cell->ids[cell->count++ % config->keep] = scratch->ids[row];
    }
    widen_emit(op, OUT, in, scratch->added);
    return true;
}

const struct operator_def feature_similar_users = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/similar-users",
    .help = "Finds users who met the same items, and what they met next to them.",
    .config_size = sizeof(struct similar_config),
    .options = similar_options,
    .inputs = similar_in,
    .outputs = similar_out,
    .states = similar_states,
    .tables = similar_tables,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = similar_describe,
    .open = similar_open,
    .process = similar_process,
    .close = similar_close,
};
OPERATOR_REGISTER(feature_similar_users);
