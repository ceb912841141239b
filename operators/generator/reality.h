/* reality: the world that rows come from, as their column `world` says, with what is dear to make kept
 * at hand. All of it follows from that text, so it is no state. */
#ifndef MILLRACE_GENERATOR_REALITY_H
#define MILLRACE_GENERATOR_REALITY_H

#include "operators/generator/past.h"
#include "operators/model/world_choice.h"

struct reality;
struct reality *reality_create(void);
void reality_close(struct reality *reality); /* NULL is fine */

/* Takes the world of a text (world_options_text); nothing to do where it is the same as before. */
bool reality_set(struct reality *reality, const char *text, uint32_t size, struct error *err);
const struct world *reality_world(const struct reality *reality);
const struct choice *reality_choice(const struct reality *reality);
struct past_counts *reality_counts(struct reality *reality); /* scratch of the instance */

struct scene { /* a request; its pointers hold until the next one */
    const struct world_user *user;
    struct world_context context;
    struct choice_request request;
    bool past, next; /* of the link are known */
};
/* False: no request of this world has that name. */
bool reality_scene(struct reality *reality, int64_t rec_id, struct scene *scene);
/* The link as it turns out, made when first asked for. */
const struct link *reality_link(const struct reality *reality, struct scene *scene);
/* NULL: no such item. Holds until the next call with its slot. */
const struct world_item *reality_item(struct reality *reality, int64_t id, int64_t ts_ms);

#endif
