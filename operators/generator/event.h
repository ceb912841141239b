/* event: what follows when a user of the generated world is shown an item: rows of clicks, plays,
 * dwell, purchases and feedback. */
#ifndef MILLRACE_GENERATOR_EVENT_H
#define MILLRACE_GENERATOR_EVENT_H

#include "operators/generator/reality.h"
#include "runtime/api/operator.h"

enum { /* outputs of generator/outcome */
       PORT_IMPRESSIONS,
       PORT_CLICKS,
       PORT_PLAYS,
       PORT_DWELL,
       PORT_PURCHASES,
       PORT_FEEDBACK,
       PORT_TRUTH,
       PORT_JUDGED,
};
extern const struct column_def event_clicks[], event_plays[], event_dwell[], event_purchases[],
    event_feedback[];

struct event { /* an item that was shown */
    const struct batch *in;
    uint32_t row; /* that caused it */
    const struct scene *scene;
    const struct world_item *item;
    struct choice_item chosen;
    uint32_t position;
    double variant, bitrate;
    bool prefetched, clicked, disliked;
};

/* `play` is how the content of a click arrives on the link of the scene. */
void event_click(struct op *op, const struct event *event, const struct choice_play *play);
void event_dislike(struct op *op, const struct event *event);

#endif
