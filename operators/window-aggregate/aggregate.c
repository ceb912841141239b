/* aggregate: see aggregate.h. The loops run over one column and one slot at a time. */
#include "operators/window-aggregate/aggregate.h"

#include "operators/model/distinct.h"
#include "runtime/base/option.h"
#include "runtime/base/sum.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIGN (UINT64_C(1) << 63)

struct mean_slot {
    struct sum sum;
    int64_t count;
};

struct extreme_slot {
    uint64_t code; /* the largest so far; of min: of the codes' complements */
    uint64_t any;
};

static const struct {
    const char *name;
    uint32_t slot_size;
} functions[] = {
    [FUNCTION_NONE] = {"", 0},
    [FUNCTION_COUNT] = {"count", sizeof(int64_t)},
    [FUNCTION_SUM] = {"sum", sizeof(struct mean_slot)}, /* counts: no values give null */
    [FUNCTION_MEAN] = {"mean", sizeof(struct mean_slot)},
    [FUNCTION_MIN] = {"min", sizeof(struct extreme_slot)},
    [FUNCTION_MAX] = {"max", sizeof(struct extreme_slot)},
    [FUNCTION_DISTINCT] = {"distinct", sizeof(struct distinct)},
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

enum function aggregate_function(const char *text)
{
    switch (text[0]) {
    case 'c':
        return FUNCTION_COUNT;
    case 's':
        return FUNCTION_SUM;
    case 'd':
        return FUNCTION_DISTINCT;
    default:
        return text[1] == 'e' ? FUNCTION_MEAN : text[1] == 'i' ? FUNCTION_MIN : FUNCTION_MAX;
    }
}

uint32_t aggregate_slot_size(enum function function)
{
    return functions[function].slot_size;
}

enum type aggregate_result_type(const struct aggregate *aggregate)
{
    switch (aggregate->function) {
    case FUNCTION_COUNT:
    case FUNCTION_DISTINCT:
        return TYPE_I64;
    case FUNCTION_SUM:
        return aggregate->type == TYPE_F32 || aggregate->type == TYPE_F64 ? TYPE_F64 : TYPE_I64;
    case FUNCTION_MEAN:
        return TYPE_F64;
    case FUNCTION_MIN:
    case FUNCTION_MAX:
        return aggregate->type;
    case FUNCTION_NONE:
        break;
    }
    return TYPE_NONE;
}

/* ---- parse ---- */

static bool takes(enum function function, enum type type)
{
    switch (function) {
    case FUNCTION_COUNT:
        return true;
    case FUNCTION_SUM:
    case FUNCTION_MEAN:
        return type == TYPE_BOOL || type == TYPE_I32 || type == TYPE_I64 || type == TYPE_F32 ||
               type == TYPE_F64;
    case FUNCTION_MIN:
    case FUNCTION_MAX:
        return type == TYPE_I32 || type == TYPE_I64 || type == TYPE_F32 || type == TYPE_F64 ||
               type == TYPE_TIMESTAMP;
    case FUNCTION_DISTINCT:
        return type != TYPE_LIST && type != TYPE_VECTOR;
    case FUNCTION_NONE:
        break;
    }
    return false;
}

static bool fault(struct error *err, const char *how, const char *what, const char *text)
{
    return error_set(err, ERROR_CONFIG, "", how, what, text);
}

static bool find_column(const char *name, const struct schema *schema, struct aggregate *aggregate,
                        struct error *err)
{
    const char *names[COLUMNS_MAX];
    const char *near;
    char how[NAME_SIZE_MAX + 32];

    aggregate->column = schema_find(schema, name);
    if (aggregate->column != FIELD_NONE) {
        aggregate->type = schema->fields[aggregate->column].type;
        return true;
    }
    for (uint32_t i = 0; i < schema->count; i++)
        names[i] = schema->fields[i].name;
    near = text_nearest(names, schema->count, name);
    snprintf(how, sizeof(how), "did you mean \"%s\"", near ? near : "");
    return error_set(err, ERROR_CONFIG, "", near ? how : "name a column of the input",
                     "there is no column \"%s\" in the input", name);
}

/* What stands between `(` and the final `)`, without blanks around it. */
static bool argument(const char *text, const char *open, char *name, size_t size)
{
    const char *end = text + strlen(text), *begin = open + 1;

    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    if (end == begin || *--end != ')')
        return false;
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    if ((size_t)(end - begin) >= size)
        return false;
    memcpy(name, begin, (size_t)(end - begin));
    name[end - begin] = '\0';
    return true;
}

static enum function function_named(const char *text, size_t size)
{
    for (enum function f = FUNCTION_COUNT; f < FUNCTIONS; f++)
        if (strlen(functions[f].name) == size && memcmp(functions[f].name, text, size) == 0)
            return f;
    return FUNCTION_NONE;
}

bool aggregate_parse(const char *text, const struct schema *schema, struct aggregate *aggregate,
                     struct error *err)
{
    static const char how[] = "write count(), or count, sum, mean, min, max or distinct of a "
                              "column, as in sum(amount)";
    const char *open = strchr(text, '(');
    char name[NAME_SIZE_MAX];
    struct aggregate parsed = {.column = FIELD_NONE};

    if (!open || !argument(text, open, name, sizeof(name)))
        return fault(err, how, "\"%s\" is not an aggregate", text);
    parsed.function = function_named(text, (size_t)(open - text));
    if (parsed.function == FUNCTION_NONE)
        return fault(err, how, "\"%s\" is not an aggregate", text);
    if (parsed.function == FUNCTION_COUNT && (!name[0] || strcmp(name, "*") == 0)) {
        *aggregate = parsed;
        return true;
    }
    if (!name[0])
        return fault(err, how, "\"%s\" names no column", text);
    if (!find_column(name, schema, &parsed, err))
        return false;
    if (!takes(parsed.function, parsed.type))
        return error_set(err, ERROR_CONFIG, "", "name another one, or cast it before, in `clean`",
                         "%s cannot be taken of column \"%s\", which is %s",
                         functions[parsed.function].name, name, type_name(parsed.type));
    *aggregate = parsed;
    return true;
}

/* ---- values ---- */

/* A column as i64 values: its own memory where it is one, otherwise made in `scratch`. */
static const int64_t *values_i64(const struct column *column, uint32_t rows, void *scratch)
{
    int64_t *made = scratch;

    if (column->type == TYPE_I64 || column->type == TYPE_TIMESTAMP)
        return column->values;
    for (uint32_t row = 0; row < rows; row++)
        made[row] = column->type == TYPE_BOOL ? column_bool(column, row)
                                              : ((const int32_t *)column->values)[row];
    return made;
}

static const double *values_f64(const struct column *column, uint32_t rows, void *scratch)
{
    double *made = scratch;

    if (column->type == TYPE_F64)
        return column->values;
    for (uint32_t row = 0; row < rows; row++)
        made[row] = (double)((const float *)column->values)[row];
    return made;
}

static bool is_float(enum type type)
{
    return type == TYPE_F32 || type == TYPE_F64;
}

static void *slot(void *const *cells, uint32_t row, uint32_t offset)
{
    return (uint8_t *)cells[row] + offset;
}

/* ---- add ---- */

static void add_count(const struct column *column, void *const *cells, uint32_t offset,
                      uint32_t rows)
{
    if (column && column->validity) {
        for (uint32_t row = 0; row < rows; row++)
            *(int64_t *)slot(cells, row, offset) += column_valid(column, row);
        return;
    }
    for (uint32_t row = 0; row < rows; row++)
        ++*(int64_t *)slot(cells, row, offset);
}

static void add_i64(const struct column *column, const int64_t *values, void *const *cells,
                    uint32_t offset, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++) {
        struct mean_slot *mean = slot(cells, row, offset);
        if (!column_valid(column, row))
            continue;
        mean->sum = sum_from_raw(sum_raw(mean->sum) + (__int128)values[row] * (INT64_C(1) << 40));
        mean->count++;
    }
}

static uint64_t add_f64(const struct column *column, const double *values, void *const *cells,
                        uint32_t offset, uint32_t rows)
{
    uint64_t refused = 0;

    for (uint32_t row = 0; row < rows; row++) {
        struct mean_slot *mean = slot(cells, row, offset);
        if (!column_valid(column, row))
            continue;
        if (!sum_fits(values[row])) {
            refused++;
            continue;
        }
        sum_add(&mean->sum, values[row]);
        mean->count++;
    }
    return refused;
}

/* Codes order as the numbers do, as unsigned integers. */
static uint64_t code_f64(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits & SIGN ? ~bits : bits | SIGN;
}

static double value_f64(uint64_t code)
{
    double value;

    code = code & SIGN ? code & ~SIGN : ~code;
    memcpy(&value, &code, sizeof(value));
    return value;
}

static void add_extreme(const struct column *column, const uint64_t *codes, void *const *cells,
                        uint32_t offset, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++) {
        struct extreme_slot *extreme = slot(cells, row, offset);
        if (!column_valid(column, row))
            continue;
        extreme->code = codes[row] > extreme->code ? codes[row] : extreme->code;
        extreme->any = 1;
    }
}

/* nan has no place in an order: passed over one by one. */
static uint64_t add_extreme_f64(const struct column *column, const double *values, uint64_t flip,
                                void *const *cells, uint32_t offset, uint32_t rows)
{
    uint64_t refused = 0;

    for (uint32_t row = 0; row < rows; row++) {
        struct extreme_slot *extreme = slot(cells, row, offset);
        uint64_t code = code_f64(values[row]) ^ flip;
        if (!column_valid(column, row))
            continue;
        if (isnan(values[row])) {
            refused++;
            continue;
        }
        extreme->code = code > extreme->code ? code : extreme->code;
        extreme->any = 1;
    }
    return refused;
}

static uint64_t add_extremes(const struct aggregate *aggregate, const struct column *column,
                             void *const *cells, uint32_t rows, uint64_t *scratch)
{
    uint64_t flip = aggregate->function == FUNCTION_MIN ? UINT64_MAX : 0;
    uint64_t *codes = scratch + rows;
    const int64_t *values;

    if (is_float(column->type))
        return add_extreme_f64(column, values_f64(column, rows, scratch), flip, cells,
                               aggregate->offset, rows);
    values = values_i64(column, rows, scratch);
    for (uint32_t row = 0; row < rows; row++)
        codes[row] = ((uint64_t)values[row] ^ SIGN) ^ flip;
    add_extreme(column, codes, cells, aggregate->offset, rows);
    return 0;
}

static void add_distinct(const struct column *column, void *const *cells, uint32_t offset,
                         uint32_t rows, uint64_t *scratch)
{
    if (is_float(column->type)) {
        const double *values = values_f64(column, rows, scratch + rows);
        for (uint32_t row = 0; row < rows; row++)
            scratch[row] = hash_draw(0, code_f64(values[row] == 0 ? 0.0 : values[row]));
    } else {
        key_ids(column, rows, scratch);
    }
    for (uint32_t row = 0; row < rows; row++)
        if (column_valid(column, row))
            distinct_add(slot(cells, row, offset), scratch[row]);
}

uint64_t aggregate_add(const struct aggregate *aggregate, const struct column *column,
                       void *const *cells, uint32_t rows, uint64_t *scratch)
{
    switch (aggregate->function) {
    case FUNCTION_COUNT:
        add_count(column, cells, aggregate->offset, rows);
        return 0;
    case FUNCTION_SUM:
    case FUNCTION_MEAN:
        if (is_float(column->type))
            return add_f64(column, values_f64(column, rows, scratch), cells, aggregate->offset,
                           rows);
        add_i64(column, values_i64(column, rows, scratch), cells, aggregate->offset, rows);
        return 0;
    case FUNCTION_MIN:
    case FUNCTION_MAX:
        return add_extremes(aggregate, column, cells, rows, scratch);
    case FUNCTION_DISTINCT:
        add_distinct(column, cells, aggregate->offset, rows, scratch);
        return 0;
    case FUNCTION_NONE:
        break;
    }
    return 0;
}

/* ---- merge ---- */

static void merge_mean(struct mean_slot *into, const struct mean_slot *from)
{
    sum_merge(&into->sum, from->sum);
    into->count += from->count;
}

static void merge_extreme(struct extreme_slot *into, const struct extreme_slot *from)
{
    into->code = from->code > into->code ? from->code : into->code;
    into->any |= from->any;
}

void aggregate_merge(enum function function, void *into, const void *from)
{
    switch (function) {
    case FUNCTION_COUNT:
        *(int64_t *)into += *(const int64_t *)from;
        return;
    case FUNCTION_SUM:
    case FUNCTION_MEAN:
        merge_mean(into, from);
        return;
    case FUNCTION_MIN:
    case FUNCTION_MAX:
        merge_extreme(into, from);
        return;
    case FUNCTION_DISTINCT:
        distinct_merge(into, from);
        return;
    case FUNCTION_NONE:
        return;
    }
}

/* ---- read ---- */

static int64_t whole(struct sum sum)
{
    __int128 value = sum_raw(sum) >> SUM_FRACTION_BITS;

    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

static void put_extreme(const struct aggregate *aggregate, const struct extreme_slot *extreme,
                        struct builder *out, uint32_t column)
{
    uint64_t code = aggregate->function == FUNCTION_MIN ? ~extreme->code : extreme->code;

    if (!extreme->any)
        return;
    if (aggregate->type == TYPE_F64)
        builder_f64(out, column, value_f64(code));
    else if (aggregate->type == TYPE_F32)
        builder_f32(out, column, (float)value_f64(code));
    else if (aggregate->type == TYPE_I32)
        builder_i32(out, column, (int32_t)(int64_t)(code ^ SIGN));
    else
        builder_i64(out, column, (int64_t)(code ^ SIGN));
}

void aggregate_put(const struct aggregate *aggregate, const void *cell, struct builder *out,
                   uint32_t column)
{
    const void *at = (const uint8_t *)cell + aggregate->offset;
    const struct mean_slot *mean = at;

    switch (aggregate->function) {
    case FUNCTION_COUNT:
        builder_i64(out, column, *(const int64_t *)at);
        return;
    case FUNCTION_SUM:
        if (mean->count && is_float(aggregate->type))
            builder_f64(out, column, sum_value(mean->sum));
        else if (mean->count)
            builder_i64(out, column, whole(mean->sum));
        return;
    case FUNCTION_MEAN:
        if (mean->count)
            builder_f64(out, column, sum_value(mean->sum) / (double)mean->count);
        return;
    case FUNCTION_MIN:
    case FUNCTION_MAX:
        put_extreme(aggregate, at, out, column);
        return;
    case FUNCTION_DISTINCT:
        builder_i64(out, column, distinct_count(at));
        return;
    case FUNCTION_NONE:
        return;
    }
}
