/* world_choice: what users of the generated world do with what they are shown. Pure.
 *     P(click | user, item, position k) = k^-.5 sigmoid(x),
 *     x = base + sensitivity x (time + season + holiday + location + place + network + budget)
 *         + interaction + habit + fatigue, base = b0 + g <taste, item> + quality - S age / life
 * in log-odds; the effects are those of the world's switches at the request's day. What follows a
 * click: whether the content starts on the link, conversion, seconds. Interaction, habit and
 * sensitivity are outside of what sums over factors can express. The laws are in world_choice.c, above
 * their constants; effects are near published ones, not estimated.
 * Draws are by (user, hour and request, item): whoever shows the same item in the same request, at any
 * position, meets the same luck. */
#ifndef MILLRACE_MODEL_WORLD_CHOICE_H
#define MILLRACE_MODEL_WORLD_CHOICE_H

#include "operators/model/link.h"
#include "operators/model/world.h"
#include "operators/model/world_hash.h"

enum choice_term { /* of x; the first is what the environment and the past leave alone */
                   TERM_BASE,
                   TERM_TIME,
                   TERM_SEASON,
                   TERM_HOLIDAY,
                   TERM_LOCATION,
                   TERM_PLACE,
                   TERM_NETWORK,
                   TERM_BUDGET,
                   TERM_SENSITIVITY, /* what the user's sensitivity adds to the seven before it */
                   TERM_INTERACTION,
                   TERM_HABIT,
                   TERM_FATIGUE,
};
#define CHOICE_TERMS 12u
extern const char *const choice_terms[CHOICE_TERMS]; /* `base`, `time`, ... */

struct choice;                                           /* the tables of a world, read-only */
struct choice *choice_create(const struct world *world); /* the world is borrowed */
void choice_close(struct choice *choice);                /* NULL is fine */

/* What holds for a user for ever. */
struct choice_user {
    double habit[4][WORLD_CATEGORIES]; /* by quarter of the day */
};
void choice_user_make(const struct choice *choice, uint32_t user, struct choice_user *made);

/* What all items of a request share. Borrows from the choice and the user. */
struct choice_request {
    const struct world *world;
    const struct choice *choice;
    uint32_t user;
    uint64_t key; /* of draws: hour and request */
    int64_t ts_ms;
    float taste[WORLD_D];
    double strength[WORLD_EFFECTS], sensitivity;
    const double *rows[TERM_PLACE + 1]; /* terms by category, times 1 */
    const double *habit, *network;      /* by category, by form */
    bool budget_low, tired_commute, idle_work;
    double in_category[WORLD_CATEGORIES], out_category[WORLD_CATEGORIES]; /* sums, with strengths */
    double in_form[WORLD_FORMS];
};
void choice_request_make(const struct choice *choice, const struct world_user *user,
                         const struct choice_user *habits, const struct world_context *context,
                         struct choice_request *made);

/* What the user's past makes of an item: unclicked impressions of it and of its category, dislikes of
 * the category; decayed counts. */
struct choice_past {
    double item, category, dislikes;
};
#define CHOICE_ITEM_HALF_MS (48 * WORLD_HOUR_MS)
#define CHOICE_CATEGORY_HALF_MS (12 * WORLD_HOUR_MS)
#define CHOICE_DISLIKE_HALF_MS (7 * WORLD_DAY_MS)

/* An item as it stands before a user. */
struct choice_item {
    double taste; /* g <taste, item>, log-odds */
    double theta; /* all that the environment adds */
    double x;     /* logit of a click at position 1 */
};
struct choice_item choice_item_make(const struct choice_request *request,
                                    const struct world_item *item, const struct choice_past *past);
/* The terms of x, which is their sum within rounding. */
void choice_item_terms(const struct choice_request *request, const struct world_item *item,
                       const struct choice_past *past, double terms[CHOICE_TERMS]);

/* What all users see in it: of base what is not the user's taste. */
double choice_standing(const struct choice_request *request, const struct world_item *item);
double choice_examination(uint32_t position); /* from 1 */
double choice_sigmoid(double x);
double choice_dislike(const struct choice_item *item, uint32_t position); /* probability */

/* Content on a link. A page is loaded, a video is streamed; `bitrate` is its rate in Mbit/s, of a page
 * its size in Mbit; `variant` its share of the native one. */
struct choice_play {
    struct link_start start;
    bool started;
    double keep_seconds, keep_conversion; /* what is left of them */
};
struct choice_play choice_play_make(const struct choice_request *request, const struct link *link,
                                    double bitrate, double variant);
/* It was fetched before. */
struct choice_play choice_play_cached(const struct choice_request *request, double bitrate,
                                      double variant);
/* The variant where no ranker has chosen one: a video's first rung (1, 1/2, 1/4, 1/8) of at most 1.6
 * Mbit/s on 4G and .8 on 3G; otherwise the native rate. */
double choice_variant(const struct choice_request *request, const struct world_item *item,
                      enum world_net net);
/* Interruptions of a video's first `seconds` once it has started, as far as the link is known. */
struct choice_stalls {
    uint32_t count;
    double seconds;
};
struct choice_stalls choice_stalls_make(const struct link *link, double bitrate, double start_s,
                                        double seconds);

/* Expectations given a click: of an order (shop), a like or comment; of the share of the content that
 * is taken, before play.keep_seconds. */
double choice_conversion(const struct choice_request *request, const struct choice_item *item,
                         const struct choice_play *play);
double choice_fraction(const struct choice_item *item);
/* A share in (0, 1) of that mean: u^((1 - mean) / mean). */
double choice_share_draw(double mean, double u);

/* In (0, 1): the luck of a request with an item. */
double choice_luck(const struct choice_request *request, enum world_tag tag,
                   const struct world_item *item);

#endif
