/* factor: what a term of the score depends on beside the item's class: the hour, the place, the
 * network. A factor is a const struct that says how a row's level is found; feature/lift learns its
 * table by it and an adjust operator serves it, so that both mean the same. A file that defines one
 * registers it, and feature/lift finds it by name.
 *
 * A row has a cell, its level, and where there is a hierarchy a second one, the parent's, which takes
 * the sums of all of its levels: the region of a city, the hour of both kinds of days. Parents' cells
 * come after those of the levels. What is unknown (null) has no cell, so no term. */
#ifndef MILLRACE_MODEL_FACTOR_H
#define MILLRACE_MODEL_FACTOR_H

#include "runtime/base/option.h"
#include "runtime/batch/batch.h"

struct bytes;

#define FACTOR_CELLS_MAX 1024u
#define FACTOR_NONE 0xffffu

enum level_kind {
    LEVEL_NUMBER,   /* 0 to levels - 1; texts by `names`, true is 1 */
    LEVEL_CUTS,     /* how many of `cuts` the number reaches */
    LEVEL_POSITION, /* 1 to levels */
    LEVEL_DAY,      /* hour_local, weekday (0 Monday): 24 hours of weekdays, 24 of weekends; parent:
                      the hour */
    LEVEL_YEAR,     /* day_of_year, hemisphere: 26 fortnights, half a year apart in the south */
    LEVEL_HOLIDAY, /* holiday, holiday_days (before it negative): none, then seven bins a name; parent:
                      the bin of all holidays */
    LEVEL_NESTED, /* a number below `levels` within another below `parents`: city, region */
};

struct factor {
    const char *name;       /* of its column in `reasons` */
    const char *class;      /* the column that names classes, unless an option says otherwise */
    const char *columns[2]; /* that the level is found from */
    enum level_kind kind;
    uint32_t levels, parents;
    const char *const *names; /* ends with NULL */
    const double *cuts;       /* levels - 1 of them, ascending */
    uint32_t circle;          /* neighbours on circles of so many levels are smoothed; 0: none */
    int64_t half_life_ms;     /* of the evidence; 0: it stays */
};

#define FACTOR_REGISTER(def)                                                                       \
    static const struct factor *const def##_factor                                                 \
        __attribute__((used, section("millrace_factors"))) = &(def)

const struct factor *factor_find(const char *name);
/* Writes the names of all for messages; returns text. */
const char *factor_names(char *text, size_t size);

/* The registered one whose name comes next in the alphabet; last "": the first. NULL: none is left. */
const struct factor *factor_next(const char *last);
/* For the manual: `place (one of home, work)`, the columns and what they hold. */
void factor_manual(const struct factor *factor, struct bytes *out);

/* A factor of other levels, as feature/lift and adjust operators may be told alike: 0 or NULL leaves them.
 * `names` ends with NULL and is borrowed. */
struct factor factor_with(const struct factor *factor, const char *const *names, int64_t levels,
                          int64_t parents);

/* Levels, and levels with their parents' cells. */
uint32_t factor_levels(const struct factor *factor);
uint32_t factor_cells(const struct factor *factor);

/* level | parent << 16, FACTOR_NONE for none, of rows [begin, begin + count); second: NULL where the
 * factor has one column or the input lacks it. */
void factor_find_levels(const struct factor *factor, const struct column *first,
                        const struct column *second, uint32_t begin, uint32_t count,
                        uint32_t *levels);

static inline uint32_t factor_level(uint32_t found)
{
    return found & 0xffffu;
}

static inline uint32_t factor_parent(uint32_t found)
{
    return found >> 16;
}

#endif
