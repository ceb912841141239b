/* aggregate: what texts are taken, and every function over every type against a naive one, with
 * rows spread over partial cells that meet in any order. */
#include "operators/window-aggregate/aggregate.h"

#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 200u
#define PARTS 4u
#define SLOT_MAX 1024u

static const enum type types[] = {TYPE_BOOL, TYPE_I32,       TYPE_I64, TYPE_F32,
                                  TYPE_F64,  TYPE_TIMESTAMP, TYPE_UTF8};
static const char *const names[] = {"flag", "small", "whole", "single", "amount", "at", "name"};
#define TYPES (sizeof(types) / sizeof(types[0]))

static struct schema *make_schema(struct arena *arena)
{
    struct schema *schema = schema_create(arena);

    for (size_t i = 0; i < TYPES; i++)
        assert_true(schema_add_column(schema, arena, names[i], types[i]));
    return schema;
}

static void test_parse(void **state)
{
    static const struct {
        const char *text, *what; /* NULL: taken */
        enum type type;          /* of the result */
    } cases[] = {
        {"count()", NULL, TYPE_I64},
        {"count(*)", NULL, TYPE_I64},
        {"count( )", NULL, TYPE_I64},
        {"count(name)", NULL, TYPE_I64},
        {"sum(whole)", NULL, TYPE_I64},
        {"sum(flag)", NULL, TYPE_I64},
        {"sum( amount ) ", NULL, TYPE_F64},
        {"mean(small)", NULL, TYPE_F64},
        {"min(at)", NULL, TYPE_TIMESTAMP},
        {"max(single)", NULL, TYPE_F32},
        {"distinct(name)", NULL, TYPE_I64},
        {"distinct(amount)", NULL, TYPE_I64},
        {"", "\"\" is not an aggregate", TYPE_NONE},
        {"count", "\"count\" is not an aggregate", TYPE_NONE},
        {"sum(amount", "\"sum(amount\" is not an aggregate", TYPE_NONE},
        {"summe(amount)", "\"summe(amount)\" is not an aggregate", TYPE_NONE},
        {"sum()", "\"sum()\" names no column", TYPE_NONE},
        {"sum(amout)", "there is no column \"amout\" in the input", TYPE_NONE},
        {"sum(name)", "sum cannot be taken of column \"name\", which is utf8", TYPE_NONE},
        {"min(flag)", "min cannot be taken of column \"flag\", which is bool", TYPE_NONE},
        {"mean(at)", "mean cannot be taken of column \"at\", which is timestamp", TYPE_NONE},
    };
    struct arena *arena = arena_create(4096);
    struct schema *schema = make_schema(arena);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        struct aggregate aggregate = {0};
        bool taken = aggregate_parse(cases[i].text, schema, &aggregate, &err);
        if (taken != !cases[i].what || (!taken && strcmp(err.what, cases[i].what) != 0))
            print_error("case: %s: %s\n", cases[i].text, err.what);
        assert_int_equal(taken, !cases[i].what);
        if (taken)
            assert_int_equal(aggregate_result_type(&aggregate), cases[i].type);
        else
            assert_string_equal(err.what, cases[i].what);
        if (taken)
            assert_int_equal(aggregate_function(cases[i].text), aggregate.function);
    }
    arena_close(arena);
}

/* A fifth is null, some floats are no numbers. */
static void put_value(struct builder *builder, uint32_t column, enum type type,
                      struct random *random)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0x1p81, -0.0};
    int64_t value = (int64_t)random_below(random, 41) - 20;
    double real = random_below(random, 10) ? (double)value * 0.1 : odd[random_below(random, 5)];

    if (random_below(random, 5) == 0)
        return;
    if (type == TYPE_BOOL)
        builder_bool(builder, column, value > 0);
    else if (type == TYPE_I32)
        builder_i32(builder, column, (int32_t)value);
    else if (type == TYPE_I64 || type == TYPE_TIMESTAMP)
        builder_i64(builder, column, random_below(random, 30) ? value : INT64_MIN + value + 20);
    else if (type == TYPE_F32)
        builder_f32(builder, column, (float)real);
    else if (type == TYPE_F64)
        builder_f64(builder, column, real);
    else
        builder_text(builder, column, "abcdefghijklmnopqrstuvwxyz", (size_t)(value + 20) / 2);
}

static struct batch *make_batch(const struct schema *schema, struct random *random)
{
    struct builder *builder = builder_create(schema, false);
    struct batch *batch;

    for (uint32_t row = 0; row < ROWS; row++) {
        builder_row(builder, row, row, row);
        for (uint32_t column = 0; column < TYPES; column++)
            put_value(builder, column, types[column], random);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

struct naive {
    __int128 whole;
    int64_t count, refused, min_whole, max_whole;
    double min, max, exact; /* exact: of multiples of 2^-40 */
    int64_t distinct;
};

static bool is_float(enum type type)
{
    return type == TYPE_F32 || type == TYPE_F64;
}

static int64_t whole_at(const struct column *column, uint32_t row)
{
    if (column->type == TYPE_BOOL)
        return column_bool(column, row);
    return column->type == TYPE_I32 ? ((const int32_t *)column->values)[row]
                                    : ((const int64_t *)column->values)[row];
}

static bool same_value(const struct column *column, uint32_t a, uint32_t b)
{
    if (column->type == TYPE_UTF8) {
        uint32_t a_size, b_size;
        const char *x = column_text(column, a, &a_size), *y = column_text(column, b, &b_size);
        return a_size == b_size && memcmp(x, y, a_size) == 0;
    }
    if (!is_float(column->type))
        return whole_at(column, a) == whole_at(column, b);
    double x = column_number(column, a), y = column_number(column, b);
    return x == y || (isnan(x) && isnan(y));
}

static void naive_floats(const struct column *column, enum function function, uint32_t row,
                         struct naive *naive)
{
    double value = column_number(column, row);
    bool extreme = function == FUNCTION_MIN || function == FUNCTION_MAX;

    if (extreme ? isnan(value) : !(fabs(value) < 0x1p80)) {
        naive->refused++;
        naive->count--;
        return;
    }
    naive->min = naive->count == 1 || value < naive->min ? value : naive->min;
    naive->max = naive->count == 1 || value > naive->max ? value : naive->max;
    naive->exact += rint(value * 0x1p40) * 0x1p-40;
}

static struct naive naive_of(const struct column *column, enum function function)
{
    struct naive naive = {.min_whole = INT64_MAX, .max_whole = INT64_MIN};

    for (uint32_t row = 0; row < ROWS; row++) {
        bool fresh = true;
        if (!column_valid(column, row))
            continue;
        for (uint32_t other = 0; other < row; other++)
            fresh = fresh && !(column_valid(column, other) && same_value(column, row, other));
        naive.distinct += fresh;
        naive.count++;
        if (column->type == TYPE_UTF8)
            continue;
        if (is_float(column->type)) {
            naive_floats(column, function, row, &naive);
            continue;
        }
        int64_t value = whole_at(column, row);
        naive.whole += value;
        naive.min_whole = value < naive.min_whole ? value : naive.min_whole;
        naive.max_whole = value > naive.max_whole ? value : naive.max_whole;
    }
    return naive;
}

/* The result through partial cells, as a batch of one row; *refused is counted. */
static struct batch *aggregate_of(const struct aggregate *aggregate, const struct column *column,
                                  struct random *random, uint64_t *refused)
{
    static uint64_t cells[PARTS + 1][SLOT_MAX / 8], scratch[2 * ROWS];
    void *of_row[ROWS];
    struct arena *arena = arena_create(1024);
    struct schema *schema = schema_create(arena);
    struct builder *out;
    struct batch *batch;

    memset(cells, 0, sizeof(cells));
    for (uint32_t row = 0; row < ROWS; row++)
        of_row[row] = cells[random_below(random, PARTS)];
    *refused = aggregate_add(aggregate, column, of_row, ROWS, scratch);
    for (uint32_t part = 0; part < PARTS; part++)
        aggregate_merge(aggregate->function, (uint8_t *)cells[PARTS] + aggregate->offset,
                        (uint8_t *)cells[(part + 2) % PARTS] + aggregate->offset);
    assert_true(schema_add_column(schema, arena, "x", aggregate_result_type(aggregate)));
    out = builder_create(schema, false);
    builder_row(out, 0, 0, 0);
    aggregate_put(aggregate, cells[PARTS], out, 0);
    batch = builder_finish(out);
    builder_close(out);
    arena_close(arena);
    return batch;
}

static double clamped(__int128 value)
{
    return (double)(value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value);
}

static double expected(const struct aggregate *aggregate, const struct naive *naive)
{
    bool real = is_float(aggregate->type);

    switch (aggregate->function) {
    case FUNCTION_COUNT:
        return (double)(naive->count + naive->refused);
    case FUNCTION_SUM:
        return real ? naive->exact : clamped(naive->whole);
    case FUNCTION_MEAN:
        return naive->exact / (double)naive->count;
    case FUNCTION_MIN:
        return real ? naive->min : (double)naive->min_whole;
    case FUNCTION_MAX:
        return real ? naive->max : (double)naive->max_whole;
    case FUNCTION_DISTINCT:
        return (double)naive->distinct;
    case FUNCTION_NONE:
        break;
    }
    return 0;
}

static void check_function(const struct schema *schema, const struct batch *in, const char *text,
                           struct random *random)
{
    struct aggregate aggregate = {0};
    struct error err = {0};
    const struct column *column;
    struct naive naive;
    struct batch *out;
    uint64_t refused;
    double got;
    bool near;

    if (!aggregate_parse(text, schema, &aggregate, &err))
        return; /* not of this type */
    column = batch_column(in, aggregate.column);
    aggregate.offset = 16;
    naive = naive_of(column, aggregate.function);
    out = aggregate_of(&aggregate, column, random, &refused);
    got = column_number(batch_column(out, 0), 0);
    if (aggregate.function != FUNCTION_COUNT && aggregate.function != FUNCTION_DISTINCT)
        assert_int_equal(refused, naive.refused);
    if (aggregate.function == FUNCTION_MEAN && !is_float(aggregate.type))
        naive.exact = (double)naive.whole;
    near = got == expected(&aggregate, &naive) || fabs(got - expected(&aggregate, &naive)) <= 1e-9;
    if (!near)
        print_error("%s: %.17g, not %.17g\n", text, got, expected(&aggregate, &naive));
    assert_true(near);
    batch_release(&out);
}

static void test_functions(void **state)
{
    static const char *const functions[] = {"count", "sum", "mean", "min", "max", "distinct"};
    struct arena *arena = arena_create(4096);
    struct schema *schema = make_schema(arena);

    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct random random = {.state = seed};
        struct batch *in = make_batch(schema, &random);
        for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++)
            for (size_t t = 0; t < TYPES; t++)
                check_function(schema, in, arena_format(arena, "%s(%s)", functions[f], names[t]),
                               &random);
        batch_release(&in);
    }
    arena_close(arena);
}

/* Whole numbers exactly; without values null, but counts 0; a sum past i64 stays at its end. */
static void test_edges(void **state)
{
    struct arena *arena = arena_create(4096);
    struct schema *schema = make_schema(arena), *result = schema_create(arena);
    uint64_t cell[3] = {0}, scratch[4];
    void *cells[] = {cell, cell};
    struct builder *builder = builder_create(schema, false), *out;
    struct aggregate sum;
    struct batch *in, *got;

    (void)state;
    assert_true(aggregate_parse("sum(whole)", schema, &sum, NULL));
    for (int i = 0; i < 2; i++) {
        builder_row(builder, 0, 0, 0);
        builder_i64(builder, 2, INT64_MAX);
    }
    in = builder_finish(builder);
    assert_true(schema_add_column(result, arena, "x", TYPE_I64));
    out = builder_create(result, false);
    builder_row(out, 0, 0, 0);
    aggregate_put(&sum, cell, out, 0); /* null */
    aggregate_add(&sum, batch_column(in, 2), cells, 1, scratch);
    builder_row(out, 0, 0, 0);
    aggregate_put(&sum, cell, out, 0);
    aggregate_add(&sum, batch_column(in, 2), cells, 2, scratch);
    builder_row(out, 0, 0, 0);
    aggregate_put(&sum, cell, out, 0);
    got = builder_finish(out);
    assert_false(column_valid(batch_column(got, 0), 0));
    assert_int_equal(((const int64_t *)batch_column(got, 0)->values)[1], INT64_MAX);
    assert_int_equal(((const int64_t *)batch_column(got, 0)->values)[2], INT64_MAX);
    batch_release(&got);
    batch_release(&in);
    builder_close(out);
    builder_close(builder);
    arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
