/* generator/outcome: what the users of the generated world do with the lists that they are shown: the
 * impressions and what follows them, and the truth behind.
 * In: requests of source/generator, keyed by user_id, with lists (`items` with item_id; those with a
 * `position` are shown, in any order) as adjust/explore leaves them. Without a column `position` it
 * serves lists itself, by `policy`: an open loop. Out: impressions, one row a shown item, with all
 * scalar columns of the row and of the item; clicks, plays, dwell, purchases, feedback; truth, one row
 * a shown item, and judged, the input with the truth of all its items: only evaluate/truth may read
 * these two.
 *
 * Method: the laws of operators/model/world_choice.h. The circumstances are made again from rec_id, so
 * that nothing on the way can change them; draws are by (user, hour and request, item), so that two
 * rankers meet the same luck. State: the user's last 64 impressions, dislikes, what his device has
 * fetched; what is shown counts for requests after it. */
#include "operators/generator/impressions.h"
#include "operators/generator/policy.h"
#include "operators/model/list.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { POLICY_UNIFORM, POLICY_POPULAR };
static const char *const policies[] = {"uniform", "popular", NULL};

struct outcome_config {
    int32_t policy;
    double share;
    int64_t top;
};

static const struct option outcome_options[] = {
    {.name = "policy",
     .type = OPT_ENUM,
     FIELD(struct outcome_config, policy),
     .choices = policies,
     .help =
         "Lists served where the items have no `position`: drawn from the candidates, or what is "
         "best liked by all first."},
    {.name = "share",
     .type = OPT_RATIO,
     FIELD(struct outcome_config, share),
     .def.f64 = 0.1,
     .help = "Share of the requests that policy `popular` serves at random."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct outcome_config, top),
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = WORLD_CANDIDATES_MAX,
     .help = "Items of such a list, at most; a request's own column `length` may ask for fewer."},
    {0},
};
static const struct state outcome_states[] = {
    {"past", STATE_VALUE, past_fields, sizeof(struct past)},
    {0},
};
static const struct column_def in_columns[] = {
    {"rec_id", TYPE_I64}, {"user_id", TYPE_I64}, {"world", TYPE_UTF8}, {"items", TYPE_LIST}, {0}};
static const struct port outcome_in[] = {
    {"in", in_columns, .keyed = true, .help = "Requests of source/generator, keyed by user_id."},
    {0},
};
static const struct column_def truth_columns[] = {{"ts", TYPE_TIMESTAMP},
                                                  {"rec_id", TYPE_I64},
                                                  {"item_id", TYPE_I64},
                                                  {"user_id", TYPE_I64},
                                                  {"position", TYPE_I32},
                                                  {"p", TYPE_F64},
                                                  {"theta.base", TYPE_F64},
                                                  {"theta.time", TYPE_F64},
                                                  {"theta.season", TYPE_F64},
                                                  {"theta.holiday", TYPE_F64},
                                                  {"theta.location", TYPE_F64},
                                                  {"theta.place", TYPE_F64},
                                                  {"theta.network", TYPE_F64},
                                                  {"theta.budget", TYPE_F64},
                                                  {"theta.sensitivity", TYPE_F64},
                                                  {"theta.interaction", TYPE_F64},
                                                  {"theta.habit", TYPE_F64},
                                                  {"theta.fatigue", TYPE_F64},
                                                  {"e_conv", TYPE_F64},
                                                  {"e_dwell", TYPE_F64},
                                                  {0}};
enum { TRUTH_P = 5, TRUTH_TERMS, TRUTH_CONVERSION = TRUTH_TERMS + CHOICE_TERMS, TRUTH_DWELL };
static const struct port outcome_out[] = {
    {"impressions", .keyed = true,
     .help =
         "One row an item that was shown: the scalar columns of the row and of the item, variant, "
         "bitrate, prefetched, base (reasons.base); of an open loop also position, propensity, "
         "propensity_explore, policy, explore, candidates, list_len."},
    {"clicks", event_clicks, .keyed = true, .help = "Clicks, at most 4 minutes after."},
    {"plays", event_plays, .keyed = true,
     .help = "How the content of each click arrived; of a page bitrate is its size in Mbit."},
    {"dwell", event_dwell, .keyed = true, .help = "How long it was watched or read."},
    {"purchases", event_purchases, .keyed = true, .help = "Orders, in a shop."},
    {"feedback", event_feedback, .keyed = true,
     .help = "like, comment, share, score, cancel; dislike, hide, report."},
    {"truth", truth_columns, .keyed = true,
     .help =
         "P(click) of each shown item, its terms in log-odds, and, given a click, the expected "
         "conversions and seconds. For evaluate/truth alone: it is what rankers must find out."},
    {"judged", .keyed = true,
     .help = "The input; each item has truth.p, its P(click) if examined, and, given a click, "
             "truth.conversion and truth.dwell. For evaluate/truth alone."},
    {0},
};
enum { PAST = 0, IN = 0 };

/* ---- planning ---- */

static const struct field judged_added[] = {{.name = "truth.p", .type = TYPE_F64},
                                            {.name = "truth.conversion", .type = TYPE_F64},
                                            {.name = "truth.dwell", .type = TYPE_F64}};
#define JUDGED_ADDED 3u

static bool describe_judged(struct describe *describe, const struct schema *in, struct error *err)
{
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    const struct schema *items = impressions_items(in);

    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(child, arena, &items->fields[i]));
    for (uint32_t i = 0; i < JUDGED_ADDED; i++)
        if (!schema_add(child, arena, &judged_added[i]))
            return describe_error(describe, err, "from", "rename it before",
                                  "the items already have a column \"%s\"", judged_added[i].name);
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (strcmp(field.name, "world") == 0)
            continue;
        if (strcmp(field.name, "items") == 0)
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    describe_output(describe, PORT_JUDGED, schema);
    return true;
}

static bool check_items(struct describe *describe, const struct schema *items, struct error *err)
{
    static const struct column_def known[] = {{"item_id", TYPE_I64},  {"position", TYPE_I32},
                                              {"variant", TYPE_F64},  {"bitrate", TYPE_F64},
                                              {"prefetch", TYPE_F64}, {0}};

    for (const struct column_def *column = known; column->name; column++) {
        uint32_t found = schema_find(items, column->name);
        if (found == FIELD_NONE ? column == known : items->fields[found].type != column->type)
            return describe_error(describe, err, "from", "read source/generator or adjust/explore",
                                  "the items have no column \"%s\" of type %s", column->name,
                                  type_name(column->type));
    }
    return true;
}

static bool outcome_describe(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, IN);
    const struct text_list *key = describe_key(describe, IN);

    if (key->count != 1 || strcmp(key->items[0], "user_id") != 0)
        return describe_error(describe, err, "key", "write key: user_id",
                              "the input is not keyed by user_id alone");
    for (const struct column_def *column = in_columns; column->name; column++)
        describe_reads(describe, IN, schema_find(in, column->name));
    if (schema_find(in, "length") != FIELD_NONE)
        describe_reads(describe, IN, schema_find(in, "length"));
    describe_passes(describe, IN, PORT_IMPRESSIONS);
    describe_passes(describe, IN, PORT_JUDGED);
    for (uint32_t port = PORT_CLICKS; port <= PORT_FEEDBACK; port++)
        describe_retimed(describe, port); /* users take their time */
    describe_aside(describe, PORT_TRUTH);
    describe_aside(describe, PORT_JUDGED);
    return check_items(describe, impressions_items(in), err) &&
           impressions_describe(describe, in, err) && describe_judged(describe, in, err);
}

/* ---- an instance ---- */

struct shown {
    uint32_t place; /* among the items of the request */
    uint32_t position;
    int64_t item;
    int32_t category;
    bool clicked, disliked;
};

struct outcome_scratch {
    struct reality *reality;
    uint32_t rec, world, items, length;                  /* columns of a row */
    uint32_t item, position, variant, bitrate, prefetch; /* of an item; FIELD_NONE: absent */
    bool used[PORT_JUDGED + 1], follows;                 /* outputs; any of what follows a click */
    struct impressions impressions;
    /* Of a request. */
    struct scene scene;
    uint32_t count, length_now, places[WORLD_CANDIDATES_MAX], best[WORLD_CANDIDATES_MAX];
    struct shown shown[WORLD_CANDIDATES_MAX];
    double values[WORLD_CANDIDATES_MAX];
    bool explore, greedy[WORLD_CANDIDATES_MAX]; /* the latter by position, from 0 */
    /* Of a batch. */
    double *judged[JUDGED_ADDED];
};

static bool outcome_open(struct op *op, struct error *err)
{
    const struct schema *in = op_input_schema(op, IN), *items = impressions_items(in);
    struct outcome_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->reality = reality_create();
    scratch->rec = schema_find(in, "rec_id");
    scratch->world = schema_find(in, "world");
    scratch->items = schema_find(in, "items");
    scratch->length = schema_find(in, "length");
    scratch->item = schema_find(items, "item_id");
    scratch->position = schema_find(items, "position");
    scratch->variant = schema_find(items, "variant");
    scratch->bitrate = schema_find(items, "bitrate");
    scratch->prefetch = schema_find(items, "prefetch");
    for (uint32_t port = 0; port <= PORT_JUDGED; port++)
        scratch->used[port] = op_output_used(op, port);
    for (uint32_t port = PORT_CLICKS; port <= PORT_FEEDBACK; port++)
        scratch->follows = scratch->follows || scratch->used[port];
    impressions_open(op, &scratch->impressions);
    return true;
}

static void outcome_close(struct op *op)
{
    struct outcome_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    impressions_close(&scratch->impressions);
    reality_close(scratch->reality);
}

/* ---- the truth ---- */

struct expectation {
    double conversion, dwell; /* given a click */
};

static struct choice_play play_of(struct outcome_scratch *scratch, const struct event *event)
{
    const struct choice_request *request = &scratch->scene.request;

    if (event->prefetched)
        return choice_play_cached(request, event->bitrate, event->variant);
    return choice_play_make(request, reality_link(scratch->reality, &scratch->scene),
                            event->bitrate, event->variant);
}

static struct expectation expect(struct outcome_scratch *scratch, const struct event *event)
{
    struct choice_play play = play_of(scratch, event);

    return (struct expectation){choice_conversion(&scratch->scene.request, &event->chosen, &play),
                                event->item->seconds * choice_fraction(&event->chosen) *
                                    play.keep_seconds};
}

static void put_truth(struct op *op, const struct event *event, const struct choice_past *past,
                      double p)
{
    struct outcome_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, PORT_TRUTH, 1);
    struct expectation expected = expect(scratch, event);
    double terms[CHOICE_TERMS];

    choice_item_terms(&scratch->scene.request, event->item, past, terms);
    builder_row_from(out, event->in, event->row);
    builder_i64(out, 0, scratch->scene.context.ts_ms);
    builder_i64(out, 1, scratch->scene.context.rec_id);
    builder_i64(out, 2, event->item->id);
    builder_i64(out, 3, scratch->scene.context.user);
    builder_i32(out, 4, (int32_t)event->position);
    builder_f64(out, TRUTH_P, p);
    for (uint32_t term = 0; term < CHOICE_TERMS; term++)
        builder_f64(out, TRUTH_TERMS + term, terms[term]);
    builder_f64(out, TRUTH_CONVERSION, expected.conversion);
    builder_f64(out, TRUTH_DWELL, expected.dwell);
}

/* The input with the truth in; columns that stay are shared. */
static void send_judged(struct op *op, const struct batch *in, struct column **truth)
{
    struct outcome_scratch *scratch = op_scratch(op);
    const struct column *list = batch_column(in, scratch->items);
    struct column *fresh = column_create(TYPE_LIST, list->rows);
    struct batch *out = batch_create(in->rows, in->column_count - 1);

    fresh->offsets = list->offsets;
    fresh->validity = list->validity;
    for (uint32_t i = 0; i < 3; i++)
        if ((fresh->blocks[i] = list->blocks[i]))
            block_ref(fresh->blocks[i]);
    fresh->child = batch_copy(list->child);
    for (uint32_t i = 0; i < JUDGED_ADDED; i++) {
        struct batch *wider = batch_with(fresh->child, &truth[i]);
        batch_release(&fresh->child);
        fresh->child = wider;
    }
    for (uint32_t i = 0, to = 0; i < HIDDEN_COUNT + in->column_count; i++) {
        struct column *column = in->columns[i];
        if (i == HIDDEN_COUNT + scratch->world)
            continue;
        if (i == HIDDEN_COUNT + scratch->items)
            column = fresh;
        else if (column)
            column_ref(column);
        out->columns[to++] = column;
    }
    op_emit(op, PORT_JUDGED, &out);
}

/* ---- a request ---- */

static bool wrong(struct error *err, const char *what, int64_t id)
{
    return error_set(err, ERROR_CONFIG, "generator/outcome",
                     "take all rows from one source/generator",
                     "%s %" PRId64 " is not of the world that the row names", what, id);
}

static bool set_scene(struct outcome_scratch *scratch, const struct batch *in, uint32_t row,
                      struct error *err)
{
    int64_t rec = ((const int64_t *)batch_column(in, scratch->rec)->values)[row];
    uint32_t size;
    const char *text = column_text(batch_column(in, scratch->world), row, &size);

    if (!reality_set(scratch->reality, text, size, err))
        return false;
    return reality_scene(scratch->reality, rec, &scratch->scene) || wrong(err, "rec_id", rec);
}

/* An item of the request before the user; position and what follows from it is not set. */
static bool meet(struct outcome_scratch *scratch, const struct batch *items, uint32_t place,
                 const struct past *past, struct event *event, struct choice_past *counts,
                 struct error *err)
{
    const struct scene *scene = &scratch->scene;
    int64_t id = ((const int64_t *)batch_column(items, scratch->item)->values)[place];
    bool chosen = scratch->variant != FIELD_NONE && scratch->bitrate != FIELD_NONE;

    event->item = reality_item(scratch->reality, id, scene->context.ts_ms);
    if (!event->item)
        return wrong(err, "item_id", id);
    *counts = past_of(reality_counts(scratch->reality), event->item);
    event->chosen = choice_item_make(&scene->request, event->item, counts);
    event->variant = choice_variant(&scene->request, event->item, scene->context.net);
    event->bitrate = event->variant * event->item->weight;
    if (chosen && column_valid(batch_column(items, scratch->bitrate), place)) {
        event->variant = column_number(batch_column(items, scratch->variant), place);
        event->bitrate = column_number(batch_column(items, scratch->bitrate), place);
    }
    event->prefetched =
        scene->context.net != NET_WIFI && past_cached(past, id, scene->context.ts_ms);
    return true;
}

/* Places of the items that are shown, by position, into `shown`. */
static bool find_shown(struct outcome_scratch *scratch, const struct batch *items, uint32_t begin,
                       uint32_t *count, struct error *err)
{
    const struct column *position = batch_column(items, scratch->position);

    *count = 0;
    for (uint32_t i = 0; i < scratch->count; i++) {
        int32_t at = ((const int32_t *)position->values)[begin + i];
        if (!column_valid(position, begin + i))
            continue;
        if (at < 1 || at > (int32_t)WORLD_CANDIDATES_MAX)
            return error_set(err, ERROR_CONFIG, "generator/outcome", "number positions from 1",
                             "%d is no position", at);
        scratch->shown[*count] = (struct shown){.place = i, .position = (uint32_t)at};
        (*count)++;
    }
    return true;
}

static uint32_t length_of(const struct op *op, const struct batch *in, uint32_t row)
{
    const struct outcome_config *config = op_config(op);
    const struct outcome_scratch *scratch = op_scratch(op);
    double length = (double)config->top;

    if (scratch->length != FIELD_NONE) /* not null: fmin passes over NaN */
        length = fmin(length, column_number(batch_column(in, scratch->length), row));
    return length < scratch->count ? (uint32_t)fmax(length, 0) : scratch->count;
}

static bool best_liked(struct outcome_scratch *scratch, const struct batch *items, uint32_t begin,
                       uint32_t length, uint32_t *places, struct error *err)
{
    const int64_t *ids = batch_column(items, scratch->item)->values;

    for (uint32_t i = 0; i < scratch->count; i++) {
        const struct world_item *item =
            reality_item(scratch->reality, ids[begin + i], scratch->scene.context.ts_ms);
        if (!item)
            return wrong(err, "item_id", ids[begin + i]);
        scratch->values[i] = choice_standing(&scratch->scene.request, item);
    }
    policy_best(scratch->values, scratch->count, length, places);
    return true;
}

/* The list of an open loop into `shown`. */
static bool serve(struct op *op, const struct batch *in, uint32_t row, uint32_t begin,
                  uint32_t *length, struct error *err)
{
    const struct outcome_config *config = op_config(op);
    struct outcome_scratch *scratch = op_scratch(op);
    const struct choice_request *request = &scratch->scene.request;
    const struct batch *items = batch_column(in, scratch->items)->child;
    bool popular = config->policy == POLICY_POPULAR;

    *length = scratch->length_now = length_of(op, in, row);
    scratch->explore = !popular || policy_explores(request) < config->share;
    if (popular && !best_liked(scratch, items, begin, *length, scratch->best, err))
        return false;
    if (scratch->explore)
        policy_uniform(request, scratch->count, *length, scratch->places);
    for (uint32_t k = 0; k < *length; k++) {
        uint32_t place = scratch->explore ? scratch->places[k] : scratch->best[k];
        scratch->greedy[k] = popular && place == scratch->best[k];
        scratch->shown[k] = (struct shown){.place = place, .position = k + 1};
    }
    return true;
}

static void put_impression(struct op *op, const struct event *event, uint32_t item)
{
    const struct outcome_config *config = op_config(op);
    struct outcome_scratch *scratch = op_scratch(op);
    double share = config->policy == POLICY_UNIFORM ? 1 : config->share;
    struct impressions_list list = {
        .policy = policies[scratch->explore ? POLICY_UNIFORM : config->policy],
        .propensity_explore = 1. / scratch->count,
        .explore = scratch->explore,
        .candidates = scratch->count,
        .length = scratch->length_now,
    };

    if (scratch->position == FIELD_NONE)
        list.propensity =
            share / scratch->count + (scratch->greedy[event->position - 1] ? 1 - share : 0);
    impressions_put(op, &scratch->impressions, event, &list, item);
}

/* Clicks, dislikes and their rows. */
static bool show(struct op *op, const struct batch *in, uint32_t row, uint32_t begin,
                 struct shown *shown, const struct past *past, struct error *err)
{
    struct outcome_scratch *scratch = op_scratch(op);
    struct scene *scene = &scratch->scene;
    struct event event = {.in = in, .row = row, .scene = scene, .position = shown->position};
    struct choice_past counts;
    double p;

    if (!meet(scratch, batch_column(in, scratch->items)->child, begin + shown->place, past, &event,
              &counts, err))
        return false;
    p = choice_examination(shown->position) * choice_sigmoid(event.chosen.x);
    shown->item = event.item->id;
    shown->category = event.item->category;
    shown->clicked = choice_luck(&scene->request, TAG_CLICK, event.item) < p;
    shown->disliked = choice_luck(&scene->request, TAG_DISLIKE, event.item) <
                      choice_dislike(&event.chosen, shown->position);
    if (scratch->used[PORT_IMPRESSIONS])
        put_impression(op, &event, begin + shown->place);
    if (scratch->used[PORT_TRUTH])
        put_truth(op, &event, &counts, p);
    if (shown->clicked && scratch->follows) {
        struct choice_play play = play_of(scratch, &event);
        (void)reality_link(scratch->reality, scene);
        event_click(op, &event, &play);
    }
    if (shown->disliked && scratch->used[PORT_FEEDBACK])
        event_dislike(op, &event);
    return true;
}

static bool judge(struct outcome_scratch *scratch, const struct batch *items, uint32_t begin,
                  const struct past *past, struct error *err)
{
    for (uint32_t i = begin; i < begin + scratch->count; i++) {
        struct event event;
        struct choice_past counts;
        struct expectation expected;
        if (!meet(scratch, items, i, past, &event, &counts, err))
            return false;
        expected = expect(scratch, &event);
        scratch->judged[0][i] = choice_sigmoid(event.chosen.x);
        scratch->judged[1][i] = expected.conversion;
        scratch->judged[2][i] = expected.dwell;
    }
    return true;
}

static void remember(const struct op *op, const struct batch *items, uint32_t begin, uint32_t count,
                     struct past *past)
{
    const struct outcome_scratch *scratch = op_scratch(op);
    const int64_t *ids = batch_column(items, scratch->item)->values;
    int64_t ts_ms = scratch->scene.context.ts_ms;

    for (uint32_t k = 0; k < count; k++) {
        past_show(past, scratch->shown[k].item, ts_ms, scratch->shown[k].clicked);
        if (scratch->shown[k].disliked)
            past_dislike(past, scratch->shown[k].category, ts_ms);
    }
    if (scratch->prefetch == FIELD_NONE || scratch->scene.context.net != NET_WIFI)
        return;
    for (uint32_t i = begin; i < begin + scratch->count; i++)
        if (column_number(batch_column(items, scratch->prefetch), i) > 0)
            past_fetch(past, ids[i], ts_ms);
}

static bool outcome_row(struct op *op, const struct batch *in, uint32_t row, struct error *err)
{
    struct outcome_scratch *scratch = op_scratch(op);
    const struct column *list = batch_column(in, scratch->items);
    struct past *past = op_cells(op, PAST)[row];
    uint32_t begin = (uint32_t)list->offsets[row], shown = 0;
    bool good;

    scratch->count = column_valid(list, row) ? (uint32_t)list->offsets[row + 1] - begin : 0;
    if (scratch->count > WORLD_CANDIDATES_MAX)
        return error_set(err, ERROR_CONFIG, "generator/outcome", "cut it before",
                         "a list of %u items is too long", scratch->count);
    if (!set_scene(scratch, in, row, err))
        return false;
    good = scratch->position == FIELD_NONE ? serve(op, in, row, begin, &shown, err)
                                           : find_shown(scratch, list->child, begin, &shown, err);
    if (!good)
        return false;
    past_count(past, scratch->scene.context.ts_ms, reality_counts(scratch->reality));
    for (uint32_t k = 0; good && k < shown; k++)
        good = show(op, in, row, begin, &scratch->shown[k], past, err);
    if (good && scratch->used[PORT_JUDGED])
        good = judge(scratch, list->child, begin, past, err);
    past_clear(past, reality_counts(scratch->reality));
    if (good)
        remember(op, list->child, begin, shown, past);
    return good;
}

static bool outcome_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct outcome_scratch *scratch = op_scratch(op);
    const struct batch *items = batch_column(in, scratch->items)->child;
    struct column *truth[JUDGED_ADDED] = {0};

    (void)port;
    for (uint32_t i = 0; scratch->used[PORT_JUDGED] && i < JUDGED_ADDED; i++)
        truth[i] = list_column(items->rows, &scratch->judged[i]);
    for (uint32_t row = 0; row < batch_rows(in); row++)
        if (!outcome_row(op, in, row, err)) {
            for (uint32_t i = 0; i < JUDGED_ADDED; i++)
                column_release(&truth[i]);
            return false;
        }
    impressions_send(op, &scratch->impressions, in);
    if (scratch->used[PORT_JUDGED])
        send_judged(op, in, truth);
    return true;
}

const struct operator_def generator_outcome = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "generator/outcome",
    .help = "Tells what users of the generated world do with lists, and the truth behind it.",
    .config_size = sizeof(struct outcome_config),
    .options = outcome_options,
    .inputs = outcome_in,
    .outputs = outcome_out,
    .states = outcome_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = outcome_describe,
    .open = outcome_open,
    .process = outcome_process,
    .close = outcome_close,
};
OPERATOR_REGISTER(generator_outcome);
