/* event: see event.h. Times and kinds are drawn by (request, item), as clicks are. */
#include "operators/generator/event.h"

#include <math.h>
#include <string.h>

#define ENOUGH 0.9 /* share that counts as all of it */

#define EVENT_COLUMNS                                                                              \
    {"ts", TYPE_TIMESTAMP}, {"rec_id", TYPE_I64}, {"item_id", TYPE_I64},                           \
    {                                                                                              \
        "user_id", TYPE_I64                                                                        \
    }

const struct column_def event_clicks[] = {
    EVENT_COLUMNS, {"position", TYPE_I32}, {"since_ms", TYPE_I64}, {0}};
const struct column_def event_plays[] = {EVENT_COLUMNS,
                                         {"variant", TYPE_F64},
                                         {"bitrate", TYPE_F64},
                                         {"start_ms", TYPE_I64},
                                         {"started", TYPE_BOOL},
                                         {"stalls", TYPE_I32},
                                         {"stall_ms", TYPE_I64},
                                         {"bytes", TYPE_I64},
                                         {"prefetched", TYPE_BOOL},
                                         {"thr_q20", TYPE_F64},
                                         {"thr_mean", TYPE_F64},
                                         {"rtt_ms", TYPE_F64},
                                         {"loss", TYPE_F64},
                                         {"net", TYPE_UTF8},
                                         {"budget_low", TYPE_BOOL},
                                         {0}};
const struct column_def event_dwell[] = {
    EVENT_COLUMNS, {"seconds", TYPE_F64}, {"fraction", TYPE_F64}, {"completed", TYPE_BOOL}, {0}};
const struct column_def event_purchases[] = {
    EVENT_COLUMNS, {"amount", TYPE_F64}, {"currency", TYPE_UTF8}, {"quantity", TYPE_I32}, {0}};
const struct column_def event_feedback[] = {
    EVENT_COLUMNS, {"category", TYPE_I32}, {"kind", TYPE_UTF8}, {"value", TYPE_F64}, {0}};
enum { TS, REC, ITEM, USER, FIRST };

/* ---- rows ---- */

static struct builder *put_event(struct op *op, uint32_t port, const struct event *event,
                                 int64_t ts_ms)
{
    struct builder *out = op_reserve(op, port, 1);

    builder_row(out, ts_ms, batch_origin(event->in)[event->row],
                batch_order(event->in)[event->row]);
    builder_i64(out, TS, ts_ms);
    builder_i64(out, REC, event->scene->context.rec_id);
    builder_i64(out, ITEM, event->item->id);
    builder_i64(out, USER, event->scene->context.user);
    return out;
}

static void put_text(struct builder *out, uint32_t column, const char *text)
{
    builder_text(out, column, text, strlen(text));
}

static void put_feedback(struct op *op, const struct event *event, int64_t ts_ms, const char *kind,
                         double value)
{
    struct builder *out = put_event(op, PORT_FEEDBACK, event, ts_ms);

    builder_i32(out, FIRST, event->item->category);
    put_text(out, FIRST + 1, kind);
    builder_f64(out, FIRST + 2, value);
}

/* ---- draws ---- */

static double luck(const struct event *event, enum world_tag tag)
{
    return choice_luck(&event->scene->request, tag, event->item);
}

/* Milliseconds with this mean, waiting for a thing that comes any time; at most 37 times the mean. */
static int64_t wait_ms(double u, double mean_ms)
{
    return (int64_t)(-mean_ms * log(u));
}

/* Another draw from one that has been used up to `u` of `of`. */
static double rest_of(double u, double of)
{
    return u / of;
}

/* ---- how content arrives ---- */

static double rounded(double value)
{
    return round(value * 1000) / 1000;
}

static bool is_video(const struct event *event)
{
    return event->scene->request.world->options.site == SITE_VIDEO;
}

static void put_link(struct builder *out, uint32_t column, const struct event *event)
{
    const struct world_context *context = &event->scene->context;

    if (!event->prefetched) { /* otherwise it tells nothing of the link */
        builder_f64(out, column, context->link.q20);
        builder_f64(out, column + 1, context->link.mean);
        builder_f64(out, column + 2, context->link.rtt_ms);
        builder_f64(out, column + 3, context->link.loss);
    }
    put_text(out, column + 4, world_net_names[context->net]);
    builder_bool(out, column + 5, context->budget_low);
}

static void put_play(struct op *op, const struct event *event, const struct choice_play *play,
                     double seconds, const struct choice_stalls *stalls, int64_t ts_ms)
{
    struct builder *out = put_event(op, PORT_PLAYS, event, ts_ms);
    double mbits = event->bitrate * (is_video(event) ? seconds : 1);

    builder_f64(out, FIRST, event->variant);
    builder_f64(out, FIRST + 1, event->bitrate);
    builder_i64(out, FIRST + 2, (int64_t)(play->start.start_s * 1000));
    builder_bool(out, FIRST + 3, play->started);
    builder_i32(out, FIRST + 4, (int32_t)stalls->count);
    builder_i64(out, FIRST + 5, (int64_t)(stalls->seconds * 1000));
    builder_i64(out, FIRST + 6, event->prefetched ? 0 : (int64_t)(mbits * 125000));
    builder_bool(out, FIRST + 7, event->prefetched);
    put_link(out, FIRST + 8, event);
}

static void put_dwell(struct op *op, const struct event *event, double seconds, bool all,
                      int64_t ts_ms)
{
    struct builder *out = put_event(op, PORT_DWELL, event, ts_ms);

    builder_f64(out, FIRST, seconds);
    builder_f64(out, FIRST + 1, rounded(fmin(1, seconds / event->item->seconds)));
    builder_bool(out, FIRST + 2, all);
}

/* ---- what is bought and said ---- */

static void put_purchase(struct op *op, const struct event *event, double u, int64_t ts_ms)
{
    static const char *const currencies[WORLD_COUNTRIES] = {"CNY", "EUR", "AUD"};
    const struct world *world = event->scene->request.world;
    uint64_t price = world_hash(world->seed, TAG_PRICE, (uint64_t)event->item->id, 0, 0);
    double amount = round(100 * exp(3.4 + .9 * world_normal(price))) / 100;
    int32_t quantity = u < .1 ? 2 : 1;
    struct builder *out = put_event(op, PORT_PURCHASES, event, ts_ms);

    builder_f64(out, FIRST, round(100 * amount * quantity) / 100);
    put_text(out, FIRST + 1, currencies[event->scene->context.country]);
    builder_i32(out, FIRST + 2, quantity);
}

/* 1 to 5, the better the more it was to the user's taste. */
static double score_of(const struct event *event, double u)
{
    return fmax(1, fmin(5, round(3.6 + .7 * event->chosen.taste + 1.6 * (u - .5))));
}

/* An order, a twentieth of which is taken back and a quarter rated; or a like, a comment, a share. */
static void put_conversion(struct op *op, const struct event *event, double u, int64_t ts_ms)
{
    double kind = luck(event, TAG_KIND);

    if (event->scene->request.world->options.site == SITE_SHOP) {
        put_purchase(op, event, u, ts_ms);
        if (kind < .05)
            put_feedback(op, event, ts_ms + wait_ms(rest_of(kind, .05), 120000), "cancel", -1);
        else if (kind < .3)
            put_feedback(op, event, ts_ms + 60000, "score", score_of(event, u));
        return;
    }
    put_feedback(op, event, ts_ms, kind < .7 ? "like" : kind < .85 ? "comment" : "share", 1);
}

/* ---- entry points ---- */

void event_click(struct op *op, const struct event *event, const struct choice_play *play)
{
    const struct choice_request *request = &event->scene->request;
    int64_t since_ms = 800 + 600 * event->position + wait_ms(luck(event, TAG_DELAY), 6000);
    int64_t ts_ms = event->scene->context.ts_ms + since_ms, end_ms;
    double share = choice_share_draw(choice_fraction(&event->chosen), luck(event, TAG_FRACTION));
    double seconds = rounded(event->item->seconds * share * play->keep_seconds);
    double chance = choice_conversion(request, &event->chosen, play);
    double u = luck(event, TAG_CONVERSION);
    struct choice_stalls stalls = {0};
    struct builder *out = put_event(op, PORT_CLICKS, event, ts_ms);

    builder_i32(out, FIRST, (int32_t)event->position);
    builder_i64(out, FIRST + 1, since_ms);
    if (is_video(event) && play->started && !event->prefetched)
        stalls = choice_stalls_make(&event->scene->context.link, event->bitrate,
                                    play->start.start_s, seconds);
    put_play(op, event, play, seconds, &stalls, ts_ms);
    end_ms = ts_ms +
             (int64_t)(1000 * (fmin(play->start.start_s, LINK_FAIL_S) + seconds + stalls.seconds));
    put_dwell(op, event, seconds, play->started && share >= ENOUGH, end_ms);
    if (u < chance)
        put_conversion(op, event, rest_of(u, chance), end_ms + 5000);
    else if (!play->started && luck(event, TAG_KIND) < .3)
        put_feedback(op, event, end_ms, "cancel", -1);
}

/* A fifth of those who dislike want to see less of it, some report it. */
void event_dislike(struct op *op, const struct event *event)
{
    int64_t ts_ms = event->scene->context.ts_ms + 1500 + 600 * event->position +
                    wait_ms(luck(event, TAG_DELAY), 6000);
    double kind = luck(event, TAG_KIND);

    put_feedback(op, event, ts_ms, "dislike", -1);
    if (kind < .2)
        put_feedback(op, event, ts_ms + 1000, kind < .02 ? "report" : "hide", -1);
}
