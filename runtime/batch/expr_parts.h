/* expr_parts: what the parts of the expression compiler share; not for others.
 *
 * A text is compiled in one pass: the parser (expr_parse.c) asks expr_type.c for each operation,
 * which checks the types of its operands and appends a step. Operands stand before the operation,
 * so the steps are the typed tree in post-order, and a loop runs them.
 *
 * A step is one column kernel over a strip of 64 rows: nulls and bools are single words, all
 * registers together stay in the first cache, loops have a constant count, and a branch that no
 * row of the strip needs is jumped over (narrow ... widen). Operations whose operands are all
 * constant are run while compiling.
 *
 * Registers hold i64 (also i32, timestamp), f64 (also f32), struct text, or one word of bools.
 * Of a row that is null or not among `rows`, they may hold anything: kernels that would read
 * memory through it or take long skip such rows, the others work on all 64. */
#ifndef MILLRACE_BATCH_EXPR_PARTS_H
#define MILLRACE_BATCH_EXPR_PARTS_H

#include "runtime/batch/expr.h"

#define STRIP 64u
#define ALL_ROWS UINT64_MAX
#define OPERANDS_MAX 3u
#define SCOPES_MAX 256u                     /* open at one place */
#define EXPR_TEXT_VALUE_MAX RECORD_SIZE_MAX /* bytes of a text that an operation makes */

struct text {
    const char *data;
    size_t size;
};

/* ---- kernels ---- */

struct strip {
    const void *in[OPERANDS_MAX]; /* 64 values each; bools: a word */
    uint64_t valid[OPERANDS_MAX];
    uint64_t rows; /* that are wanted and, for strict steps, have no null operand */
    void *out;
    const void *data;      /* of the step */
    struct arena *scratch; /* for texts; lives as long as the strip */
};

/* Returns the rows whose result is valid; only those in `rows` matter, and of a strict step only
 * those without a null operand. */
typedef uint64_t kernel(const struct strip *strip);

/* The lowest row of a set that is taken out of it: while (rows) { row = strip_next(&rows); ... } */
static inline uint32_t strip_next(uint64_t *rows)
{
    uint32_t row = (uint32_t)__builtin_ctzll(*rows);

    *rows &= *rows - 1;
    return row;
}

/* 64 flags of 0 or 1 as the bits of a word. */
static inline uint64_t strip_bits(const uint8_t *flags)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < STRIP / 8; i++) {
        uint64_t eight;
        __builtin_memcpy(&eight, flags + i * 8, 8);
        bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << (i * 8);
    }
    return bits;
}

/* expr_number.c: integers that overflow and floats that are not finite are null */
kernel number_add_i64, number_sub_i64, number_mul_i64, number_mod_i64, number_neg_i64;
kernel number_abs_i64, number_min_i64, number_max_i64;
kernel number_add_f64, number_sub_f64, number_mul_f64, number_div_f64, number_mod_f64;
kernel number_neg_f64, number_abs_f64, number_min_f64, number_max_f64;
kernel number_floor, number_ceil, number_round, number_sqrt, number_ln, number_exp, number_log10;
kernel number_pow;

/* expr_compare.c */
kernel compare_eq_i64, compare_ne_i64, compare_lt_i64, compare_le_i64;
kernel compare_eq_f64, compare_ne_f64, compare_lt_f64, compare_le_f64;
kernel compare_eq_text, compare_ne_text, compare_lt_text, compare_le_text;
kernel compare_eq_bool, compare_ne_bool;
kernel compare_in_i64, compare_in_f64, compare_in_text; /* data: struct set */

struct set {
    uint32_t count;
    bool null;          /* one of the list was null: what is not found is null */
    const void *values; /* ascending */
};
/* Sorts what `in` looks up. */
void set_sort_i64(int64_t *values, uint32_t count);
void set_sort_f64(double *values, uint32_t count);
void set_sort_text(struct text *values, uint32_t count);

/* expr_logic.c: not strict, but logic_not */
kernel logic_and, logic_or, logic_not, logic_is_null, logic_is_not_null;
kernel logic_select_number, logic_select_text, logic_select_bool; /* in[0] ? in[1] : in[2] */

/* expr_text.c: characters are UTF-8; lower and upper change ASCII letters alone */
kernel text_view; /* in[0]: struct text_source */
kernel text_lower, text_upper, text_length, text_trim, text_substr, text_concat;
kernel text_contains, text_starts_with, text_ends_with;
kernel text_like; /* data: struct like */

struct text_source { /* a utf8 column from the strip's first row on */
    const char *bytes;
    const int32_t *offsets;
};
#define LIKE_SIZE_MAX 255u /* bytes of a pattern: with _ it is tried at each place of a text */
struct like;
struct like *like_create(struct arena *arena, struct text pattern);

/* expr_time.c: times outside of the years 1 to 9999 give null */
enum time_part {
    PART_YEAR,
    PART_MONTH,
    PART_DAY,
    PART_HOUR,
    PART_MINUTE,
    PART_SECOND,
    PART_WEEKDAY,
    PART_DAY_OF_YEAR,
};
kernel time_part;                    /* data: enum time_part */
kernel time_trunc, time_trunc_civil; /* data: struct time_unit */
kernel time_check;                   /* i64 to timestamp */
kernel time_add, time_sub;           /* timestamp and i64 */

struct time_unit {
    const char *name;
    kernel *run;
    int64_t size_ms, from_ms; /* time_trunc: multiples of a size, counted from somewhere */
    int32_t months;           /* time_trunc_civil: divides 12 */
};
extern const struct time_unit time_units[]; /* ends with {0} */

/* expr_cast.c */
kernel cast_widen_i32, cast_widen_f32; /* in[0]: the column's own values */
kernel cast_i64_f64, cast_f64_i64, cast_i64_i32, cast_f64_f32;
kernel cast_bool_i64, cast_i64_bool, cast_f64_bool;
kernel cast_bool_text, cast_i64_text, cast_f64_text, cast_f32_text, cast_time_text;
kernel cast_text_bool, cast_text_i64, cast_text_f64, cast_text_time;

/* ---- the program ---- */

struct reg {
    const void *values; /* 64 of them, or a word of bools */
    void *own;          /* memory that a step writes them to */
    uint64_t valid;     /* rows that are not null */
    uint64_t word;      /* memory of bools */
};

enum step_kind { STEP_RUN, STEP_NARROW, STEP_WIDEN };
enum narrowing { NARROW_TRUE, NARROW_NOT_TRUE, NARROW_NOT_FALSE };

struct step {
    enum step_kind kind;
    enum narrowing narrowing; /* STEP_NARROW: to the rows where in[0] is so */
    uint32_t jump;            /* STEP_NARROW: behind its STEP_WIDEN, when no row is left */
    bool strict;
    kernel *run;
    const void *data;
    struct reg *in[OPERANDS_MAX]; /* those not used: a register that is valid */
    struct reg *out;
};

/* A column that is read: what its register shows is set for each strip. */
struct source {
    uint32_t column; /* FIELD_NONE: the event time */
    enum type type;
    struct reg *reg;
    struct text_source text;
    void *tail; /* the last, partial strip of numbers, so that 64 can be read */
};

struct expr {
    struct arena *arena;   /* all of the program */
    struct arena *scratch; /* of a strip */
    uint32_t step_count, source_count;
    uint32_t step_capacity, source_capacity;
    struct step *steps;
    struct source *sources;
    struct reg unused; /* valid everywhere */
    enum type type;
    struct reg *result;
    uint32_t column;   /* the expression is just this column; FIELD_NONE: it is not */
    struct bytes text; /* of a result, until its size is known */
};

/* ---- compiling ---- */

struct operand {
    enum type type; /* as declared; i32 and f32 count as i64 and f64; TYPE_NONE: null */
    struct reg *reg;
    bool constant;
    uint32_t begin, end; /* in the text, for messages */
    uint32_t column;     /* just this column; FIELD_NONE: it is not */
};

struct operands { /* in temporary memory */
    uint32_t count, capacity;
    struct operand *items;
};

enum token_kind {
    TOKEN_END,
    TOKEN_I64,
    TOKEN_F64,
    TOKEN_TEXT,
    TOKEN_NAME,
    TOKEN_QUOTED, /* a name in backticks */
    TOKEN_SYMBOL,
};

struct token {
    enum token_kind kind;
    uint32_t begin, end;
    char symbol[3];   /* TOKEN_SYMBOL */
    int64_t i64;      /* TOKEN_I64 */
    bool beyond;      /* TOKEN_I64: 2^63, which fits only behind a minus */
    double f64;       /* TOKEN_F64 */
    struct text text; /* texts and names, without quotes, followed by a 0 */
};

struct compiler {
    const char *text;
    uint32_t at; /* behind the token */
    struct token token;
    uint32_t end; /* of the token before */
    uint32_t depth;
    const struct schema *schema;
    struct expr *expr;
    struct arena *temporary; /* until the compilation ends */
    struct error *err;
    uint32_t open_count, scope_last;
    uint32_t open[SCOPES_MAX];      /* scopes that the present place is in, outermost first */
    uint32_t open_step[SCOPES_MAX]; /* their STEP_NARROW */
    struct loaded {
        uint32_t scope;
        struct operand operand; /* reg NULL: not yet */
    } loaded[COLUMNS_MAX + 1];
};

/* expr_lex.c */
bool lex_next(struct compiler *c) NODISCARD;               /* into c->token */
bool lex_word(const struct compiler *c, const char *word); /* a name, whatever its case */
bool lex_symbol(const struct compiler *c, const char *symbol);
/* `at column N: what`; returns false. */
bool lex_error(const struct compiler *c, uint32_t at, const char *how, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
/* Quotes what stands in the text between two places, cut when it is long. */
#define QUOTE_SIZE 64u
const char *lex_quote(const struct compiler *c, uint32_t begin, uint32_t end, char *quote);
/* `did you mean "x"; known are a, b` into `how`. */
void lex_known(char *how, size_t size, const char *const *names, uint32_t count, const char *name);

/* expr_parse.c */
bool parse_all(struct compiler *c, struct operand *out) NODISCARD;
/* An expression within another: counts against the nesting bound. */
bool parse_nested(struct compiler *c, struct operand *out) NODISCARD;
bool parse_symbol(struct compiler *c, const char *symbol) NODISCARD; /* that must stand here */
bool parse_word(struct compiler *c, const char *word) NODISCARD;     /* the same */
bool parse_expected(const struct compiler *c, const char *what); /* `expected what, found "x"` */
bool parse_list(struct compiler *c, struct operands *list) NODISCARD; /* `(a, b)`, at least one */
void operands_add(struct compiler *c, struct operands *list, const struct operand *operand);

/* expr_type.c. An operand's `begin` and `end` of results are set by the parser. */
enum type type_wide(enum type type); /* i64 for i32, f64 for f32 */
bool type_is_number(enum type type);
struct operand type_constant(struct compiler *c, enum type type, const void *value);
struct operand type_null(struct compiler *c, enum type type);
/* A step, or its constant result at once. */
struct operand type_run(struct compiler *c, kernel *run, enum type type, bool strict,
                        const void *data, const struct operand *const *in, uint32_t count);
struct operand type_unary(struct compiler *c, kernel *run, enum type type,
                          const struct operand *in);
struct operand type_binary(struct compiler *c, kernel *run, enum type type, const struct operand *a,
                           const struct operand *b);
bool type_column(struct compiler *c, uint32_t column, uint32_t at, struct operand *out) NODISCARD;
/* Brings values to one type: their own, or the wider of numbers. `what` names who wants it. */
bool type_unify(struct compiler *c, struct operand *operands, uint32_t count,
                const char *what) NODISCARD;
bool type_bool(struct compiler *c, struct operand *operand, const char *what) NODISCARD;
bool type_arithmetic(struct compiler *c, char op, struct operand *a, struct operand *b,
                     struct operand *out) NODISCARD;
bool type_negate(struct compiler *c, struct operand *a, struct operand *out) NODISCARD;
bool type_compare(struct compiler *c, const char *op, struct operand *a, struct operand *b,
                  struct operand *out) NODISCARD;
bool type_in(struct compiler *c, struct operand *operands, uint32_t count,
             struct operand *out) NODISCARD; /* the first is looked for among the others */
bool type_like(struct compiler *c, struct operand *a, const struct operand *pattern,
               struct operand *out) NODISCARD;
struct operand type_logic(struct compiler *c, kernel *run, const struct operand *a,
                          const struct operand *b);
struct operand type_is_null(struct compiler *c, const struct operand *a, bool is);
struct operand type_select(struct compiler *c, const struct operand *condition,
                           const struct operand *yes, const struct operand *no);
bool type_cast(struct compiler *c, const struct operand *a, enum type to,
               struct operand *out) NODISCARD;
/* Between them steps run only for rows where the condition is so. */
bool type_narrow(struct compiler *c, const struct operand *condition,
                 enum narrowing narrowing) NODISCARD;
void type_widen(struct compiler *c);

bool type_wants(struct compiler *c, struct operand *operand, enum type type,
                const char *what) NODISCARD; /* utf8, timestamp, i64, or f64 for any number */

/* expr_call.c: the token is the name, "(" is next */
bool call_parse(struct compiler *c, struct operand *out) NODISCARD;

#endif
