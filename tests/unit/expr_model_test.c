/* Expressions against the naive evaluator: thousands of random typed texts over random batches
 * with nulls, odd values and selections. A failure prints its seed and text. */
#include "runtime/batch/expr.h"

#include "runtime/base/random.h"
#include "runtime/base/timestamp.h"
#include "runtime/batch/builder.h"
#include "tests/unit/expr_naive.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct field fields[] = {
    {.name = "b1", .type = TYPE_BOOL},      {.name = "b2", .type = TYPE_BOOL},
    {.name = "n1", .type = TYPE_I64},       {.name = "n2", .type = TYPE_I64},
    {.name = "n3", .type = TYPE_I32},       {.name = "d1", .type = TYPE_F64},
    {.name = "d2", .type = TYPE_F64},       {.name = "d3", .type = TYPE_F32},
    {.name = "s1", .type = TYPE_UTF8},      {.name = "s2", .type = TYPE_UTF8},
    {.name = "t1", .type = TYPE_TIMESTAMP}, {.name = "t2", .type = TYPE_TIMESTAMP},
};
static const struct schema schema = {sizeof(fields) / sizeof(fields[0]), fields};

/* ---- random batches ---- */

static int64_t draw_i64(struct random *random)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, 1000};

    switch (random_below(random, 4)) {
    case 0:
        return edges[random_below(random, sizeof(edges) / sizeof(edges[0]))];
    case 1:
        return (int64_t)random_next(random);
    default:
        return (int64_t)random_below(random, 21) - 10;
    }
}

static double draw_f64(struct random *random)
{
    static const double edges[] = {0.0,    -0.0,   NAN,    INFINITY, -INFINITY, 1e308,  -1e308,
                                   5e-324, 0x1p53, 0x1p63, -0x1p63,  0.5,       3.5e38, 1e-40};

    if (random_below(random, 4) == 0)
        return edges[random_below(random, sizeof(edges) / sizeof(edges[0]))];
    return ((double)random_below(random, 81) - 40) / 8;
}

static int64_t draw_time(struct random *random)
{
    static const int64_t edges[] = {0,
                                    -1,
                                    TIMESTAMP_MIN_MS,
                                    TIMESTAMP_MAX_MS,
                                    TIMESTAMP_MIN_MS - 1,
                                    TIMESTAMP_MAX_MS + 1,
                                    INT64_MIN,
                                    INT64_MAX};

    if (random_below(random, 5) == 0)
        return edges[random_below(random, sizeof(edges) / sizeof(edges[0]))];
    return (int64_t)random_below(random, INT64_C(4102444800000)) - INT64_C(1000000000000);
}

static const char *draw_text(struct random *random)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "b",
                                        "ab",
                                        "aab",
                                        "abab",
                                        "Abc",
                                        " a b ",
                                        "\t\n",
                                        "true",
                                        "false",
                                        "12",
                                        "-7",
                                        "1.5",
                                        "3.0",
                                        "1e3",
                                        "99999999999999999999",
                                        "%",
                                        "a_b",
                                        "a%b",
                                        "\\",
                                        "Z\xc3\xbcrich",
                                        "\xe2\x82\xac",
                                        "\xbc\x61",
                                        "\xc3",
                                        "2020-02-29",
                                        "1999-12-31T23:59:59.999Z",
                                        "2020-13-01",
                                        "it's",
                                        "-0",
                                        "007",
                                        "abababababababababababababababab"};

    return texts[random_below(random, sizeof(texts) / sizeof(texts[0]))];
}

static void draw_cell(struct random *random, struct builder *builder, uint32_t column)
{
    const char *text;

    switch (fields[column].type) {
    case TYPE_BOOL:
        builder_bool(builder, column, random_below(random, 2));
        break;
    case TYPE_I64:
        builder_i64(builder, column, draw_i64(random));
        break;
    case TYPE_I32:
        builder_i32(builder, column, (int32_t)draw_i64(random));
        break;
    case TYPE_F64:
        builder_f64(builder, column, draw_f64(random));
        break;
    case TYPE_F32:
        builder_f32(builder, column, (float)draw_f64(random));
        break;
    case TYPE_TIMESTAMP:
        builder_i64(builder, column, draw_time(random));
        break;
    default:
        text = draw_text(random);
        builder_text(builder, column, text, strlen(text));
    }
}

/* Some columns without nulls, some with a few, some with many. */
static struct batch *draw_batch(struct random *random)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 150};
    uint32_t rows = sizes[random_below(random, sizeof(sizes) / sizeof(sizes[0]))];
    struct builder *builder = builder_create(&schema, false);
    uint32_t nulls[sizeof(fields) / sizeof(fields[0])];
    struct batch *batch;

    for (uint32_t i = 0; i < schema.count; i++)
        nulls[i] = (uint32_t)random_below(random, 3) * 4;
    for (uint32_t row = 0; row < rows; row++) {
        builder_row(builder, draw_time(random), row, row);
        for (uint32_t i = 0; i < schema.count; i++)
            if (random_below(random, 10) >= nulls[i])
                draw_cell(random, builder, i);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

/* The batch with some of its rows selected; the argument is given up. */
static struct batch *draw_selection(struct random *random, struct batch *batch)
{
    uint32_t rows[256], count = 0;
    uint64_t share = random_below(random, 11);
    struct batch *selected;

    for (uint32_t row = 0; row < batch->rows; row++)
        if (random_below(random, 10) < share)
            rows[count++] = row;
    selected = batch_select(batch, rows, count);
    batch_release(&batch);
    return selected;
}

/* ---- random texts of a type ---- */

struct writer {
    struct random random;
    struct bytes text;
};

static void write_any(struct writer *w, enum type type, uint32_t depth);

static uint64_t pick(struct writer *w, uint64_t below)
{
    return random_below(&w->random, below);
}

static enum type pick_type(struct writer *w)
{
    static const enum type types[] = {TYPE_BOOL, TYPE_I64, TYPE_F64, TYPE_UTF8, TYPE_TIMESTAMP};

    return types[pick(w, 5)];
}

/* `$` in a pattern stands for an expression: b bool, n i64, d f64, s utf8, t timestamp, x of the
 * type `same`. */
static void write_pattern(struct writer *w, const char *pattern, enum type same, uint32_t depth)
{
    for (const char *at = pattern; *at; at++) {
        if (*at != '$') {
            bytes_put(&w->text, at, 1);
            continue;
        }
        at++;
        write_any(w,
                  *at == 'b'   ? TYPE_BOOL
                  : *at == 'n' ? TYPE_I64
                  : *at == 'd' ? TYPE_F64
                  : *at == 's' ? TYPE_UTF8
                  : *at == 't' ? TYPE_TIMESTAMP
                               : same,
                  depth);
    }
}

static void write_text(struct writer *w, const char *text)
{
    bytes_text(&w->text, "'");
    for (; *text; text++)
        bytes_format(&w->text, *text == '\'' ? "''" : "%c", *text);
    bytes_text(&w->text, "'");
}

static void write_literal(struct writer *w, enum type type)
{
    char text[40];

    if (type == TYPE_BOOL) {
        bytes_text(&w->text, pick(w, 2) ? "true" : "false");
    } else if (type == TYPE_I64) {
        bytes_format(&w->text, "%" PRId64, draw_i64(&w->random));
    } else if (type == TYPE_F64) {
        bytes_format(&w->text, "%.1f", ((double)pick(w, 81) - 40) / 8);
    } else if (type == TYPE_UTF8) {
        write_text(w, draw_text(&w->random));
    } else {
        timestamp_text((int64_t)pick(w, INT64_C(4102444800000)), text, sizeof(text));
        bytes_format(&w->text, "timestamp '%s'", text);
    }
}

static void write_leaf(struct writer *w, enum type type)
{
    static const char *const columns[][3] = {[TYPE_BOOL] = {"b1", "b2", "b1"},
                                             [TYPE_I64] = {"n1", "n2", "n3"},
                                             [TYPE_F64] = {"d1", "d2", "d3"},
                                             [TYPE_UTF8] = {"s1", "s2", "s1"},
                                             [TYPE_TIMESTAMP] = {"t1", "t2", "event_time"}};
    uint64_t kind = pick(w, 16);

    if (kind == 0)
        bytes_format(&w->text, "cast(null as %s)", type_name(type));
    else if (kind < 5)
        write_literal(w, type);
    else
        bytes_text(&w->text, columns[type][pick(w, 3)]);
}

static const char *const bool_patterns[] = {"($b and $b)",
                                            "($b or $b)",
                                            "not ($b)",
                                            "($b and $b and $b)",
                                            "($b or $b or $b)",
                                            "($n = $n)",
                                            "($n <> $d)",
                                            "($d < $n)",
                                            "($n <= $n)",
                                            "($d > $d)",
                                            "($d >= $d)",
                                            "($s = $s)",
                                            "($s != $s)",
                                            "($s < $s)",
                                            "($s >= $s)",
                                            "($t < $t)",
                                            "($t = $t)",
                                            "(($b) = ($b))",
                                            "($x is null)",
                                            "($x is not null)",
                                            "($n in (1, -3, 7, 1000))",
                                            "($n in (1, $n, 3))",
                                            "($d in (0.5, 1, -2.25, null))",
                                            "($s in ('a', 'ab', '12', ''))",
                                            "($s not in ('a', $s))",
                                            "($t in ($t, $t))",
                                            "($n between $n and $d)",
                                            "($s not between $s and $s)",
                                            "($s like 'a%')",
                                            "($s like '%b')",
                                            "($s like '%a_b%')",
                                            "($s not like '_%\\%%')",
                                            "($s like '%ab%ab%')",
                                            "($s like '_')",
                                            "contains($s, $s)",
                                            "starts_with($s, $s)",
                                            "ends_with($s, $s)",
                                            "cast($n as bool)",
                                            "cast($d as bool)",
                                            "cast($s as bool)",
                                            "(null = $n)",
                                            "(null and $b)",
                                            "($b or null)",
                                            "(null in ($n, 1))",
                                            "(null < $s)",
                                            "(b1 in (true, null))",
                                            "(b1 in ($b, $b))"};
static const char *const i64_patterns[] = {
    "($n + $n)",       "($n - $n)",       "($n * $n)",       "($n % $n)",       "-($n)",
    "abs($n)",         "floor($n)",       "min($n, $n)",     "max($n, $n, $n)", "length($s)",
    "cast($d as i64)", "cast($s as i64)", "cast($b as i64)", "cast($n as i32)", "cast($d as i32)",
    "year($t)",        "month($t)",       "day($t)",         "hour($t)",        "minute($t)",
    "second($t)",      "weekday($t)",     "day_of_year($t)", "epoch_ms($t)",    "cast($t as i64)",
    "(t1 - $t)",       "($n + null)",     "min($n, null)"};
static const char *const f64_patterns[] = {
    "($d + $d)",       "($d - $n)",       "($n * $d)",       "($n / $n)",       "($d / $d)",
    "($d % $d)",       "-($d)",           "abs($d)",         "floor($d)",       "ceil($d)",
    "round($d)",       "sqrt($d)",        "ln($d)",          "exp($d)",         "log10($n)",
    "pow($d, $d)",     "min($d, $n)",     "max($d, $d, $d)", "cast($n as f64)", "cast($s as f64)",
    "cast($d as f32)", "cast($b as f64)", "cast($t as f64)", "(null / $n)",     "abs(null)"};
static const char *const utf8_patterns[] = {
    "($s + $s)",        "concat($s, $s, $s)", "lower($s)",          "upper($s)",
    "trim($s)",         "substr($s, $n)",     "substr($s, $n, $n)", "substr($s, 1, 3)",
    "cast($n as utf8)", "cast($d as utf8)",   "cast($t as utf8)",   "cast($b as utf8)",
    "cast(d3 as utf8)", "concat($s, null)",   "(null + $s)"};
static const char *const time_patterns[] = {"(t1 + $n)",
                                            "(1000 + t2)",
                                            "(t2 - $n)",
                                            "date_trunc('second', $t)",
                                            "date_trunc('hour', $t)",
                                            "date_trunc('week', $t)",
                                            "date_trunc('month', $t)",
                                            "date_trunc('quarter', $t)",
                                            "date_trunc('year', $t)",
                                            "cast($n as timestamp)",
                                            "cast($s as timestamp)",
                                            "cast($d as timestamp)",
                                            "min($t, t1)",
                                            "max(t2, $t)"};
static const char *const any_patterns[] = {
    "coalesce(null, $x)",
    "if($b, null, $x)",
    "case when null then $x else $x end",
    "coalesce($x, $x)",
    "coalesce($x, $x, $x)",
    "nullif($x, $x)",
    "if($b, $x, $x)",
    "case when $b then $x else $x end",
    "case when $b then $x when $b then $x end",
    "case when $b then $x when $b then $x when $b then $x else $x end"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void write_any(struct writer *w, enum type type, uint32_t depth)
{
    const char *const *patterns = bool_patterns;
    size_t count = COUNT(bool_patterns);
    enum type same = type;

    if (depth == 0 || w->text.size > 2000 || pick(w, 8) == 0) {
        write_leaf(w, type);
        return;
    }
    if (type == TYPE_I64) {
        patterns = i64_patterns;
        count = COUNT(i64_patterns);
    } else if (type == TYPE_F64) {
        patterns = f64_patterns;
        count = COUNT(f64_patterns);
    } else if (type == TYPE_UTF8) {
        patterns = utf8_patterns;
        count = COUNT(utf8_patterns);
    } else if (type == TYPE_TIMESTAMP) {
        patterns = time_patterns;
        count = COUNT(time_patterns);
    } else {
        same = pick_type(w);
    }
    if (pick(w, 4) == 0)
        write_pattern(w, any_patterns[pick(w, COUNT(any_patterns))], type, depth - 1);
    else
        write_pattern(w, patterns[pick(w, count)], same, depth - 1);
}

/* ---- the comparison ---- */

static void check_filter(struct expr *expr, struct naive *naive, const struct batch *batch,
                         const char *text, uint64_t seed)
{
    uint32_t rows[256], count, at = 0;

    if (expr_type(expr) != TYPE_BOOL)
        return;
    count = expr_filter(expr, batch, rows);
    for (uint32_t k = 0; k < batch->selected; k++) {
        struct naive_value value = naive_eval(naive, batch, batch_row(batch, k));

        if (value.null || !value.i64)
            continue;
        if (at == count || rows[at] != batch_row(batch, k))
            fail_msg("seed %" PRIu64 ": %s: row %u is not passed", seed, text, batch_row(batch, k));
        at++;
    }
    if (at != count)
        fail_msg("seed %" PRIu64 ": %s: row %u is passed", seed, text, rows[at]);
}

static void check_text(const char *text, uint64_t seed, struct random *random)
{
    struct error err;
    struct expr *expr = expr_compile(text, &schema, &err);
    struct naive *naive = naive_compile(text, &schema);
    char difference[256];

    if (!expr)
        fail_msg("seed %" PRIu64 ": %s: %s", seed, text, err.what);
    assert_non_null(naive);
    for (uint32_t i = 0; i < 3; i++) { /* one program, several batches: nothing is carried on */
        struct batch *batch = draw_batch(random);

        if (random_below(random, 2))
            batch = draw_selection(random, batch);
        struct column *column = expr_eval(expr, batch);
        if (!naive_agrees(naive, batch, column, difference, sizeof(difference)))
            fail_msg("seed %" PRIu64 ": %s: %s", seed, text, difference);
        column_release(&column);
        check_filter(expr, naive, batch, text, seed);
        batch_release(&batch);
    }
    naive_close(naive);
    expr_close(expr);
}

#define TEXTS 4000u

static void test_against_naive(void **state)
{
    const char *only = getenv("EXPR_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;

    (void)state;
    for (uint64_t seed = first; seed < first + (only ? 1 : TEXTS); seed++) {
        struct writer w = {.random = {seed}};
        enum type type = pick_type(&w);

        write_any(&w, type, 1 + (uint32_t)pick(&w, 5));
        bytes_put(&w.text, "", 1);
        check_text((const char *)w.text.data, seed, &w.random);
        bytes_clear(&w.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_naive)};

    return cmocka_run_group_tests_name("expr_model", tests, NULL, NULL);
}
