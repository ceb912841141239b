/* world_options: what a generated world is made from. One table for all that make a part of it
 * (source/generator, generator/outcome), so that their options mean the same; their text says which
 * world a row is of. Pure. */
#ifndef MILLRACE_MODEL_WORLD_OPTIONS_H
#define MILLRACE_MODEL_WORLD_OPTIONS_H

#include "runtime/base/option.h"

#define WORLD_USERS_MAX (INT64_C(1) << 20)
#define WORLD_ITEMS_MAX INT64_C(1000000) /* slots: an id is generation x this + slot */
#define WORLD_CANDIDATES_MAX 1000
#define WORLD_OPTIONS_TEXT_MAX 4096u /* bytes of world_options_text with its 0 */

enum world_site { SITE_SHOP, SITE_VIDEO, SITE_NEWS };
#define WORLD_SITES 3

enum world_effect { /* the order is that of the options */
                    EFFECT_TIME,
                    EFFECT_SEASON,
                    EFFECT_HOLIDAY,
                    EFFECT_LOCATION,
                    EFFECT_PLACE,
                    EFFECT_NETWORK,
                    EFFECT_BUDGET,
                    EFFECT_FATIGUE,
                    EFFECT_INTERACTION,
                    EFFECT_DRIFT,
                    EFFECT_SENSITIVITY,
                    EFFECT_HABIT,
                    EFFECT_DELIVERY,
};
#define WORLD_EFFECTS 13

struct world_effects {
    double times[WORLD_EFFECTS];
    int64_t from_day[WORLD_EFFECTS]; /* days since 2025-01-01; before it an effect is as it is by
                                        default, times 1 */
};

struct world_options {
    int64_t seed, users, items, first_day, days, candidates, length;
    int32_t site; /* enum world_site */
    double volume_contrast, capacity;
    const char *traces; /* folder for link_traces_read; NULL: links are drawn */
    struct world_effects effect;
};

extern const struct option world_option_table[]; /* of struct world_options */
extern const char *const world_site_names[];     /* end with NULL */
extern const char *const world_effect_names[];

/* What no single option's range says. On failure err->where is the option. */
bool world_options_check(const struct world_options *options, struct error *err) NODISCARD;

/* `site=news seed=7 effect.time=0`: what is not as by default, and the site; returns text. */
const char *world_options_text(const struct world_options *options, char *text, size_t size);
/* Reads such a text; false where it is none, or fails the check. Its texts are the arena's. */
bool world_options_read(struct world_options *options, const char *text, size_t size,
                        struct arena *arena, struct error *err) NODISCARD;

#endif
