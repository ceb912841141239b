/* feature/social: what a user's friends do: how many he has, how many of them came lately, and how many
 * lately took the item at hand.
 * In: requests (a list `items` with the item) or events with an item, keyed by user; `friends`, a stream
 * keyed by user: friend, and `removed` where a friendship ends. Table `friends`, instead of the stream
 * or beside it: of each user a list `friends` with an integer `friend`. Table `activity`: what users met last, of a
 * feature/recent keyed by user. Out: the input; its items (or the row) get
 *     friends         friends that he has
 *     friends_active  those whose last event is at most `lately` ago
 *     friends_took    those who met this item at most `lately` ago
 *
 * A friendship is from the user to the friend: one that holds both ways is two rows. What is told is
 * as of the version of `activity` that the row sees. */
#include "operators/model/list.h"
#include "operators/model/met.h"

#include <stdlib.h>
#include <string.h>

#define FRIENDS_MAX 2000u
#define TAKEN_MAX 65536u /* items of all friends of a row; further ones do not count */

struct social_config {
    const char *item, *friend, *removed, *list;
    int64_t lately_ms;
};

struct friends {
    uint64_t count;
    uint64_t ids[]; /* ascending */
};

static_assert(sizeof(struct friends) + FRIENDS_MAX * sizeof(uint64_t) <= CELL_SIZE_MAX,
              "friends fit a cell");

static const struct option social_options[] = {
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct social_config, item),
     .def.text = "item_id",
     .help = "Column of the items, or of rows without a list, that names the item."},
    {.name = "friend",
     .type = OPT_TEXT,
     FIELD(struct social_config, friend),
     .def.text = "friend",
     .help = "Column of `friends` that names the friend, of the same type as the user's."},
    {.name = "removed",
     .type = OPT_TEXT,
     FIELD(struct social_config, removed),
     .def.text = "removed",
     .help = "Column of `friends`, true where the friendship ends; it may be left out."},
    {.name = "recent",
     .type = OPT_TEXT,
     FIELD(struct social_config, list),
     .def.text = "recent",
     .help = "Name of the list in `activity`."},
    {.name = "lately",
     .type = OPT_DURATION,
     FIELD(struct social_config, lately_ms),
     .def.i64 = 7 * DAY_MS,
     .min.i64 = 1,
     .max.i64 = 3660 * DAY_MS,
     .help = "How long ago still counts."},
    {0},
};
static const struct state_field social_fields[] = {
    {"count", TYPE_I64, FIELD(struct friends, count)},
    {0},
};
static const struct state social_states[] = {
    {"friends", STATE_LIST, social_fields, sizeof(struct friends)},
    {0},
};
static const struct column_def activity_columns[] = MET_COLUMNS;
static const struct table_use social_tables[] = {
    {"activity", "What users met last, of feature/recent keyed by user.",
     .columns = activity_columns},
    {"friends", "Friends of each user: a list `friends` with a column `friend` of integers.",
     .optional = true},
    {0},
};
static const struct port social_in[] = {
    {"in", .keyed = true, .help = "Requests with a list of items, or events, keyed by user."},
    {"friends", .keyed = true, .optional = true, .help = "Friendships, keyed by user."},
    {0},
};
static const struct port social_out[] = {
    {"out", .keyed = true, .help = "The input with the counts."},
    {0},
};
static const char *const social_counters[] = {"overfull", NULL};
enum { FRIENDS_STATE = 0, IN = 0, FRIENDS, ACTIVITY = 0, FRIENDS_TABLE, OVERFULL = 0 };

static const char *const social_names[] = {"friends", "friends_active", "friends_took"};
enum { COUNT, ACTIVE, TOOK, NAMES };

/* ---- planning ---- */

static bool check_stream(struct describe *describe, struct error *err)
{
    const struct social_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, FRIENDS);
    uint32_t friend = in ? schema_find(in, config->friend) : FIELD_NONE;
    uint32_t removed = in ? schema_find(in, config->removed) : FIELD_NONE;

    if (in && (friend == FIELD_NONE || !key_type(in->fields[friend].type)))
        return describe_error(describe, err, "friend", "name a column of `friends`",
                              "input \"friends\" has no key column \"%s\"", config->friend);
    if (removed != FIELD_NONE && in->fields[removed].type != TYPE_BOOL)
        return describe_error(describe, err, "removed", "derive it in `clean`",
                              "column \"%s\" is %s, not bool", config->removed,
                              type_name(in->fields[removed].type));
    return true;
}

static bool check_table(struct describe *describe, struct error *err)
{
    const struct social_config *config = describe_config(describe);
    const struct schema *table = describe_table(describe, FRIENDS_TABLE), *child = NULL;
    uint32_t list = table ? schema_find(table, "friends") : FIELD_NONE, friend = FIELD_NONE;

    if (list != FIELD_NONE && table->fields[list].type == TYPE_LIST)
        child = table->fields[list].child;
    if (child)
        friend = schema_find(child, config->friend);
    if (!table || (friend != FIELD_NONE && child->fields[friend].type == TYPE_I64))
        return true;
    return describe_error(describe, err, "tables", "give the friends as integers",
                          "table \"friends\" has no list \"friends\" with \"%s\" of i64",
                          config->friend);
}

static bool social_describe(struct describe *describe, struct error *err)
{
    const struct social_config *config = describe_config(describe);
    const struct schema *items = list_schema(describe_input(describe, IN));
    uint32_t item = schema_find(items, config->item);

    if (item == FIELD_NONE || !key_type(items->fields[item].type))
        return describe_error(describe, err, "item", "name the column of the item",
                              "there is no key column \"%s\"", config->item);
    if (!describe_input(describe, FRIENDS) && !describe_table(describe, FRIENDS_TABLE))
        return describe_error(describe, err, "inputs", "write inputs: {in: a, friends: b}",
                              "neither a stream nor a table says who is whose friend");
    return check_stream(describe, err) && check_table(describe, err) &&
           met_describe(describe, ACTIVITY, config->list, err) &&
           list_describe(describe, social_names, NAMES, err);
}

/* ---- an instance ---- */

struct taken {
    uint64_t item;
    uint32_t friend;
};

struct social_scratch {
    struct list_layout layout;
    struct met_table activity;
    uint32_t item, friend, removed; /* columns */
    uint32_t table_list, table_friend;
    uint32_t friend_count, taken_count;
    uint64_t ids[BATCH_ROWS_MAX];
    uint64_t friends[2 * FRIENDS_MAX]; /* of the present row, ascending */
    const struct table_row *rows[2 * FRIENDS_MAX];
    struct taken taken[TAKEN_MAX]; /* by item and friend, each once */
};

static bool social_open(struct op *op, struct error *err)
{
    const struct social_config *config = op_config(op);
    const struct schema *friends = op_input_schema(op, FRIENDS);
    struct social_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, social_names, NAMES);
    met_open(op, &scratch->activity, ACTIVITY, config->list);
    scratch->item = schema_find(list_schema(op_input_schema(op, IN)), config->item);
    scratch->friend = friends ? schema_find(friends, config->friend) : FIELD_NONE;
    scratch->removed = friends ? schema_find(friends, config->removed) : FIELD_NONE;
    if (op_table_given(op, FRIENDS_TABLE)) {
        scratch->table_list = op_table_column(op, FRIENDS_TABLE, "friends");
        scratch->table_friend = schema_find(
            op_table_schema(op, FRIENDS_TABLE)->fields[scratch->table_list].child, config->friend);
    }
    return true;
}

/* ---- friendships ---- */

static uint64_t place_of(const struct friends *friends, uint64_t id)
{
    uint64_t begin = 0, end = friends->count;

    while (begin < end) {
        uint64_t middle = (begin + end) / 2;
        if (friends->ids[middle] < id)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

static void add_friend(struct op *op, uint32_t row, uint64_t id)
{
    struct friends *friends = op_cells(op, FRIENDS_STATE)[row];
    uint64_t place = place_of(friends, id), size = op_cell_size(op, FRIENDS_STATE, row);
    uint64_t have = (size - sizeof(*friends)) / sizeof(uint64_t);

    if (place < friends->count && friends->ids[place] == id)
        return;
    if (friends->count == FRIENDS_MAX) {
        op_count(op, OVERFULL, 1);
        return;
    }
    if (friends->count == have) {
        have = have + have / 2 + 4 < FRIENDS_MAX ? have + have / 2 + 4 : FRIENDS_MAX;
        friends = op_cell_resize(op, FRIENDS_STATE, row,
                                 (uint32_t)(sizeof(*friends) + have * sizeof(uint64_t)));
        CHECK(friends); /* FRIENDS_MAX fits */
    }
    memmove(&friends->ids[place + 1], &friends->ids[place],
            (friends->count - place) * sizeof(uint64_t));
    friends->ids[place] = id;
    friends->count++;
}

static void remove_friend(struct friends *friends, uint64_t id)
{
    uint64_t place = place_of(friends, id);

    if (place == friends->count || friends->ids[place] != id)
        return;
    friends->count--;
    memmove(&friends->ids[place], &friends->ids[place + 1],
            (friends->count - place) * sizeof(uint64_t));
}

static void learn(struct op *op, const struct batch *in)
{
    struct social_scratch *scratch = op_scratch(op);
    const struct column *friend = batch_column(in, scratch->friend), *removed;

    removed = scratch->removed == FIELD_NONE ? NULL : batch_column(in, scratch->removed);
    key_ids(friend, in->rows, scratch->ids);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        if (!column_valid(friend, row))
            continue;
        if (removed && column_valid(removed, row) && column_bool(removed, row))
            remove_friend(op_cells(op, FRIENDS_STATE)[row], scratch->ids[row]);
        else
            add_friend(op, row, scratch->ids[row]);
    }
}

/* ---- telling ---- */

static int by_id(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Those of the stream and those of the table, each once. */
static void gather_friends(struct op *op, const struct batch *in, uint32_t row)
{
    struct social_scratch *scratch = op_scratch(op);
    const struct friends *friends = op_cells(op, FRIENDS_STATE)[row];
    const struct table_row *own;
    uint32_t count = (uint32_t)friends->count, more, kept = 0;

    memcpy(scratch->friends, friends->ids, count * sizeof(uint64_t));
    own = op_table_given(op, FRIENDS_TABLE) ? op_table_find(op, FRIENDS_TABLE, key_of(in, row).hash)
                                            : NULL;
    if (own && table_row_valid(own, scratch->table_list)) {
        const int64_t *ids = table_row_list_i64(own, scratch->table_list, scratch->table_friend);
        more = table_row_list(own, scratch->table_list);
        for (uint32_t i = 0; i < more && i < FRIENDS_MAX; i++) {
            uint8_t key[KEY_SIZE_MAX];
            scratch->friends[count++] = hash_bytes(key, key_from_i64(ids[i], key));
        }
        qsort(scratch->friends, count, sizeof(uint64_t), by_id);
    }
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || scratch->friends[i] != scratch->friends[kept - 1])
            scratch->friends[kept++] = scratch->friends[i];
    scratch->friend_count = kept;
}

static int by_item(const void *left, const void *right)
{
    const struct taken *a = left, *b = right;

    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    return (a->friend > b->friend) - (a->friend < b->friend);
}

/* Fills `taken`; returns how many friends came lately. */
static uint32_t gather_taken(struct op *op, int64_t since_ms)
{
    struct social_scratch *scratch = op_scratch(op);
    uint32_t active = 0, count = 0, kept = 0;

    op_table_find_many(op, ACTIVITY, scratch->friends, scratch->friend_count, scratch->rows);
    for (uint32_t i = 0; i < scratch->friend_count; i++) {
        const struct table_row *row = scratch->rows[i];
        const uint64_t *ids;
        const int64_t *times;
        if (!row || table_row_i64(row, scratch->activity.last) < since_ms)
            continue;
        active++;
        for (uint32_t k = met_read(&scratch->activity, row, &ids, &times); k-- > 0;)
            if (times[k] >= since_ms && count < TAKEN_MAX)
                scratch->taken[count++] = (struct taken){ids[k], i};
    }
    qsort(scratch->taken, count, sizeof(scratch->taken[0]), by_item);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || by_item(&scratch->taken[i], &scratch->taken[kept - 1]) != 0)
            scratch->taken[kept++] = scratch->taken[i];
    scratch->taken_count = kept;
    return active;
}

static uint32_t first_taken(const struct social_scratch *scratch, uint64_t item)
{
    uint32_t begin = 0, end = scratch->taken_count;

    while (begin < end) {
        uint32_t middle = (begin + end) / 2;
        if (scratch->taken[middle].item < item)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

static double took(const struct social_scratch *scratch, uint64_t item)
{
    uint32_t place = first_taken(scratch, item), count = 0;

    while (place < scratch->taken_count && scratch->taken[place++].item == item)
        count++;
    return count;
}

static void tell(struct op *op, const struct batch *in)
{
    const struct social_config *config = op_config(op);
    struct social_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory = block_create((items->rows + 1ul) * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data;
    double *values[NAMES];
    struct column *added[NAMES];

    for (uint32_t i = 0; i < NAMES; i++)
        added[i] = list_column(items->rows, &values[i]);
    key_ids(batch_column(items, scratch->item), items->rows, ids);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end, active;
        gather_friends(op, in, row);
        active = gather_taken(op, batch_time(in)[row] - config->lately_ms);
        list_range(&scratch->layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++) {
            values[COUNT][i] = scratch->friend_count;
            values[ACTIVE][i] = active;
            values[TOOK][i] = took(scratch, ids[i]);
        }
    }
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, UINT32_MAX);
}

static bool social_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    if (port == IN)
        tell(op, in);
    else
        learn(op, in);
    return true;
}

const struct operator_def feature_social = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/social",
    .help = "Tells how many friends a user has, came lately, and took an item.",
    .config_size = sizeof(struct social_config),
    .options = social_options,
    .inputs = social_in,
    .outputs = social_out,
    .states = social_states,
    .tables = social_tables,
    .counters = social_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = social_describe,
    .open = social_open,
    .process = social_process,
};
OPERATOR_REGISTER(feature_social);
