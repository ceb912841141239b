/* option: the one table type that describes operator fields, job sections and command-line
 * flags. A row names a field of a struct, its type, default and range, and its help; parsing,
 * range checks, `millrace info` and `--help` all come from it. A table ends with {0}. */
#ifndef MILLRACE_BASE_OPTION_H
#define MILLRACE_BASE_OPTION_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/memory.h"
#include "runtime/base/nearest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPT_NONE,
    OPT_BOOL,       /* bool: true, false */
    OPT_I64,        /* int64_t */
    OPT_F64,        /* double */
    OPT_DURATION,   /* int64_t ms: number and ms, s, m, h or d, such as 90s */
    OPT_BYTES,      /* int64_t bytes: number and b, kb, mb or gb (powers of 1024) */
    OPT_RATIO,      /* double in [0, 1]: 0.3 or 30% */
    OPT_TEXT,       /* const char *, owned by the config's arena; may be NULL without default */
    OPT_ENUM,       /* int32_t: index into `choices` */
    OPT_EXPRESSION, /* const char *: text of an expression (runtime/batch/expr.h); the planner
                       type-checks it against the input port's schema */
    OPT_FIELD,      /* const char *: name of a column of the input port, checked by the planner */
    OPT_FIELDS,     /* struct text_list: names of columns of the input port, same check */
    OPT_TEXTS,      /* struct text_list: any texts */
    OPT_MAP,        /* struct option_map: name -> text or nested map, such as a schema */
    OPT_WINDOW, /* struct window: {tumbling: 1h} or {sliding: 1h, every: 5m}; where the row says so
                       also {session: 30m} */
    OPT_GROUP,  /* a nested struct, described by `group` */
};

struct text_list {
    uint32_t count;
    const char **items;
};

struct option_map { /* in the file's order */
    uint32_t count;
    struct option_entry {
        const char *name;
        const char *text;       /* a scalar value, or NULL */
        struct option_map *map; /* a nested map, or NULL */
        struct text_list *list; /* within a nested map: a list of texts, or NULL */
        int line, column;       /* in the job file; 0 when unknown */
    } * entries;
};

struct window { /* ms; tumbling when size == every; 0, 0 when absent */
    int64_t size_ms, every_ms;
    int64_t gap_ms; /* of sessions; then the others are 0 */
};

union option_value {
    int64_t i64;
    double f64;
    const char *text;
    bool flag;
};

/* What may become of a value when a job goes on from a checkpoint. */
enum option_life {
    LIFE_FREE,  /* it may be another */
    LIFE_TOLD,  /* it may be another, which is told: rows differ from there on */
    LIFE_FIXED, /* it stays: the state or a position was made with it */
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset, size;              /* of the field: use FIELD() */
    union option_value def, min, max; /* min == max == 0: the range of option_bounds */
    const char *const *choices;       /* OPT_ENUM; ends with NULL */
    const struct option *group;       /* OPT_GROUP */
    bool required;
    bool sessions;         /* OPT_WINDOW: {session: 30m} is a window too */
    enum option_life life; /* other than free: scalars only */
    const char *help;      /* one sentence or two; always present */
};

#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* Writes the defaults of every row into `config` (zeroed before). Texts are not copied. */
void option_defaults(const struct option *options, void *config);

/* Parses a scalar's text into its field and checks the range. Texts are copied into `arena`.
 * On failure `err->what` and `err->how` are filled, `where` is the option's name. Not for
 * OPT_FIELDS, OPT_TEXTS, OPT_MAP, OPT_WINDOW, OPT_GROUP: the caller walks those. */
bool option_parse(const struct option *option, const char *text, void *config, struct arena *arena,
                  struct error *err) NODISCARD;

/* Appends the text of a scalar's value, on one line. */
void option_value(const struct option *option, const void *config, struct bytes *out);

const struct option *option_find(const struct option *options, const char *name);

/* `a number and ms, s, m, h or d, such as 90s`: what a type accepts, for messages and manuals. */
const char *option_type_help(enum option_type type);

/* Appends the manual of a table: a row `name  type  default  range` and its help. */
void option_manual(const struct option *options, struct bytes *out);

/* The range that holds: the row's own, or its type's (durations and sizes from 0, ratios from 0 to
 * 1, other numbers any). */
struct option_bounds {
    union option_value min, max;
};
struct option_bounds option_bounds(const struct option *option);
/* Writes `from 1h to 366d` or `from 0s up` into text; returns text. Numbers only. */
const char *option_range(const struct option *option, char *text, size_t size);

/* Walks a table of a struct of `config_size` bytes: help present, default inside the range, field
 * of the type's size and inside the struct, names told apart. For tests of tables. */
bool option_check(const struct option *options, size_t config_size, struct error *err) NODISCARD;

/* A fraction is taken where the value stays whole: `1.5s`. A duration may be negative. */
bool duration_parse(const char *text, int64_t *ms) NODISCARD;
bool byte_size_parse(const char *text, int64_t *size) NODISCARD;
/* Writes such as `90s`, `1h` (exact) into text; returns text. */
const char *duration_text(int64_t ms, char *text, size_t size);
const char *byte_size_text(int64_t bytes, char *text, size_t size);

#endif
