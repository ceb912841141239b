/* outliers: whether a value stands apart from the last ones of its column and key.
 *   sigma      over `limit` standard deviations from the mean (3)
 *   mad        over `limit` scaled median absolute deviations from the median (3.5; Iglewicz and
 *              Hoaglin 1993)
 *   isolation  its mean distance to the `k` nearest (5) is over `limit` times (3) what it is for the
 *              values themselves
 * Where the spread is not over `floor` (0), the floor stands for it; with 0 nothing is judged. */
#ifndef MILLRACE_CLEAN_OUTLIERS_H
#define MILLRACE_CLEAN_OUTLIERS_H

#include "operators/clean/history.h"
#include "operators/clean/mistakes.h"

enum outliers_method { OUTLIERS_NONE, OUTLIERS_SIGMA, OUTLIERS_MAD, OUTLIERS_ISOLATION };

struct outliers {
    enum outliers_method method;
    bool clears; /* the value is dropped, not its row */
    uint32_t k;
    double limit, floor;
};

/* `entry` of the option `outliers`, of a column of this type. False after telling. */
bool outliers_parse(struct mistakes *mistakes, const struct option_entry *entry, enum type type,
                    struct outliers *outliers);

struct outliers_verdict {
    bool out;
    double centre, score; /* mean or median; how many spreads apart */
    double remembered; /* what is kept of the value: an outlier of sigma and mad counts as if at the
                             limit, so that a level that has moved for good is believed in the end;
                             for isolation k alike are enough */
};
/* `after`: so many values have to be known. */
struct outliers_verdict outliers_judge(const struct outliers *outliers,
                                       const struct history_view *view, uint32_t after,
                                       double value);

/* Behind the value in a reason. */
void outliers_reason(const struct outliers *outliers, double centre, double score, char *text,
                     size_t size);

#endif
