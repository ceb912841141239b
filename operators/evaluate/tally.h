/* tally: figures that are ratios of sums over rows, by slices of the rows, with intervals over users:
 * the common part of evaluate/clicks, offline, truth and ab.
 *
 * A row belongs to one arm ("" where there is none) and counts in the slice of all rows, in one slice
 * for each `by` column (its level there), and in one for its period of `every`. For each slice and
 * user the sums of the operator's variables are kept as integers of 2^-20; at the end of a period, and
 * of the input, each figure is told with its 95 % interval (model/interval.h), and, where `base` names
 * an arm, its uplift over that arm in the same slice, paired by user. Everything is added as
 * integers: no order of rows changes a bit.
 *
 * Users fall into `groups` by hash, and a group is a unit of the intervals: sums of independent users are
 * independent too, and 1000 of them know their spread to 2 %. So a slice takes no more memory than that,
 * some 250 bytes a group; periods leave once they are told. `groups` 0: each user is a unit, and memory
 * grows with them. The number of users is told apart: exact up to 64, then within 5 % (model/distinct.h).
 *
 * An operator's states begin with TALLY_STATES; its input is global. Out-of-range values are held at
 * +-10^9. A row costs a look-up a slice, less where a user's rows follow each other; telling a slice is
 * spread over calls of TALLY_USERS_A_CALL. */
#ifndef MILLRACE_EVALUATE_TALLY_H
#define MILLRACE_EVALUATE_TALLY_H

#include "operators/model/distinct.h"
#include "operators/model/interval.h"
#include "runtime/api/operator.h"

#define TALLY_VARIABLES_MAX 15u
#define TALLY_FIGURES_MAX 16u
#define TALLY_BY_MAX 16u
#define TALLY_LEVEL_MAX 40u /* bytes that are told of a level's or arm's name */
#ifdef MILLRACE_TEST_LIMITS
#define TALLY_USERS_A_CALL 3
#else
#define TALLY_USERS_A_CALL 2000 /* about a millisecond */
#endif
#define TALLY_CACHED 64u /* slices that a call keeps at hand; a power of two */

struct tally_options { /* first in an operator's configuration */
    const char *user;
    const char *arm, *base; /* NULL: none */
    struct text_list by;
    int64_t every_ms; /* 0: no periods */
    int64_t groups;   /* of users; 0: each is one */
};

/* Those that all operators have alike; `arm` and `base` mean something of their own in each. */
#define TALLY_OPTIONS(config)                                                                      \
    {.name = "user",                                                                               \
     .type = OPT_FIELD,                                                                            \
     FIELD(config, tally.user),                                                                    \
     .def.text = "user_id",                                                                        \
     .help = "The column with the user: the intervals are over users."},                           \
        {.name = "by",                                                                             \
         .type = OPT_FIELDS,                                                                       \
         FIELD(config, tally.by),                                                                  \
         .help = "Columns whose levels get rows of their own, such as [place, net]."},             \
    {                                                                                              \
        .name = "every", .type = OPT_DURATION, FIELD(config, tally.every_ms),                      \
        .max.i64 = 3660 * DAY_MS,                                                                  \
        .help = "Periods of event time that get rows of their own as they end; 0: none."           \
    }

/* Of those that need no exact number of users. */
#define TALLY_GROUPS(config)                                                                       \
    {                                                                                              \
        .name = "groups", .type = OPT_I64, FIELD(config, tally.groups), .def.i64 = 1000,           \
        .max.i64 = 1000000,                                                                        \
        .help = "Users fall into so many groups, which the intervals are over: this bounds the "   \
                "memory. 0: each user is one; memory grows with them."                             \
    }

struct tally_figure { /* sum of `over` / sum of `under`; `active` by the configuration */
    const char *name;
    uint32_t over, under;
};

struct tally_count { /* a variable that is told as it is, as a whole number */
    const char *name;
    uint32_t variable;
};

struct tally_plan { /* of an operator with its configuration */
    uint32_t variables, figure_count, count_count;
    struct tally_figure figures[TALLY_FIGURES_MAX];
    struct tally_count counts[TALLY_VARIABLES_MAX];
};

/* Slices of all time have even numbers, those of periods odd ones, each in the order of their coming. */
struct tally_total {
    int64_t slices[2], open[2]; /* how many there are; the first that is not told */
    int64_t gone;               /* periods that have left */
    int64_t due_ms;             /* no open period ends before */
};

struct tally_slice {
    int64_t by;                /* TALLY_ALL, or place in `by` */
    int64_t begin_ms, end_ms;  /* its period; INT64_MIN: all time */
    int64_t first_ms, last_ms; /* of its rows */
    int64_t units;             /* users, or groups of them */
    uint64_t level_hash, arm_hash;
    uint32_t told, level_size, arm_size, spare;
    char level[TALLY_LEVEL_MAX], arm[TALLY_LEVEL_MAX];
    struct sum totals[TALLY_VARIABLES_MAX]; /* raw: whole units, as the users' sums */
    struct distinct users;                  /* where they are grouped */
};
#define TALLY_ALL (-1)

struct tally_user { /* a unit of a slice: a cell */
    int64_t place;  /* 1 + its place among the slice's units; 0: new */
    int64_t sums[]; /* the plan's variables */
};

extern const struct state_field tally_total_fields[], tally_slice_fields[], tally_number_fields[],
    tally_member_fields[];
enum { TALLY_TOTAL, TALLY_NUMBERS, TALLY_SLICES, TALLY_MEMBERS, TALLY_USERS, TALLY_STATE_COUNT };
#define TALLY_STATES                                                                               \
    {"total", STATE_VALUE, tally_total_fields, sizeof(struct tally_total)},                        \
        {"numbers", STATE_MAP, tally_number_fields, sizeof(int64_t)},                              \
        {"slices", STATE_MAP, tally_slice_fields, sizeof(struct tally_slice)},                     \
        {"members", STATE_MAP, tally_member_fields, sizeof(int64_t)},                              \
    {                                                                                              \
        "users", STATE_MAP                                                                         \
    }

/* Planning: checks the columns, sets the users' state, says what is read, and begins the output's
 * schema with the columns that all have; the caller may add more and calls describe_output. */
struct schema *tally_describe(struct describe *describe, const struct tally_plan *plan,
                              struct error *err);

struct tally_cached { /* of this call: a slice, and its user last met */
    int64_t entry[4];
    int64_t number;
    struct tally_slice *slice; /* NULL: none */
    uint64_t user;
    struct tally_user *cell; /* of its unit; NULL: none */
};

struct tally_telling {    /* of a slice, over the calls of one watermark */
    int64_t number, base; /* -1: none */
    int64_t at;           /* units done, of the slice and then of the base */
    int64_t both;         /* units that are in either */
    struct influence own[TALLY_FIGURES_MAX], paired[TALLY_FIGURES_MAX];
};

struct tally { /* scratch of an instance */
    struct tally_plan plan;
    uint32_t user, arm, by_count, by[TALLY_BY_MAX];
    uint64_t users[BATCH_ROWS_MAX];
    struct tally_cached cached[TALLY_CACHED];
    struct tally_telling telling;
};
void tally_open(struct op *op, struct tally *tally, const struct tally_plan *plan);
/* Before the rows of a batch. */
void tally_begin(struct tally *tally, const struct batch *in);
/* False where state could not be read: the engine fails the subtask after the call. `arm` NULL: by
 * the column of the options. */
bool tally_row(struct op *op, struct tally *tally, const struct batch *in, uint32_t row,
               const char *arm, uint32_t arm_size, const double *values);

/* A slice that is told of; for columns that the operator adds. */
typedef void tally_more(struct op *op, const struct tally_slice *slice, struct builder *out);
/* In it: users of an arm within the slice's level and period. */
int64_t tally_arm_users(struct op *op, const struct tally_slice *slice, const char *arm);
bool tally_watermark(struct op *op, struct tally *tally, int64_t time_ms, tally_more *more);

#endif
