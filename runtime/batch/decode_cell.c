/* decode_cell: values as they stand in a record, into typed cells, and cells into rows. */
#include "runtime/base/timestamp.h"
#include "runtime/batch/decode_parts.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

bool decode_fault(struct decoder *decoder, const char *field, const char *reason, ...)
{
    va_list arguments;
    decoder->fault_field = field;
    va_start(arguments, reason);
    vsnprintf(decoder->fault_reason, sizeof(decoder->fault_reason), reason, arguments);
    va_end(arguments);
    return false;
}

const char *decode_column_name(const struct decoder *decoder, uint32_t column)
{
    return decoder->options.schema->fields[column].name;
}

const char *cell_expects(const struct decoder *decoder, uint32_t column)
{
    return decoder->kinds[column] == CELL_TIME_TEXT
               ? "a date and time as text"
               : type_name(decoder->options.schema->fields[column].type);
}

static bool out_of_range(struct decoder *decoder, uint32_t column)
{
    return decode_fault(decoder, decode_column_name(decoder, column), "is out of the range of %s",
                        cell_expects(decoder, column));
}

/* False: out of the calendar's range. */
static bool ms_from_i64(enum cell_kind kind, int64_t value, int64_t *ms)
{
    if (kind == CELL_S && __builtin_mul_overflow(value, 1000, &value))
        return false;
    if (kind == CELL_US)
        value = value / 1000 - (value % 1000 < 0);
    *ms = value;
    return value >= TIMESTAMP_MIN_MS && value <= TIMESTAMP_MAX_MS;
}

static bool ms_from_f64(enum cell_kind kind, double value, int64_t *ms)
{
    if (kind == CELL_S)
        value = rint(value * 1000);
    else
        value = floor(kind == CELL_US ? value / 1000 : value);
    if (!(value >= (double)TIMESTAMP_MIN_MS && value <= (double)TIMESTAMP_MAX_MS))
        return false;
    *ms = (int64_t)value;
    return true;
}

static bool ms_from_number(enum cell_kind kind, const struct number *number, int64_t *ms)
{
    return number->integer ? ms_from_i64(kind, number->i64, ms)
                           : ms_from_f64(kind, number->f64, ms);
}

static bool cell_integer(struct decoder *decoder, uint32_t column, const struct number *number)
{
    struct cell *cell = &decoder->cells[column];
    if (!number_i64(number, &cell->value.i64)) {
        if (fabs(number->f64) > 0x1p53)
            return out_of_range(decoder, column);
        return decode_fault(decoder, decode_column_name(decoder, column),
                            "is %g, expected a whole number", number->f64);
    }
    if (decoder->kinds[column] == CELL_I32 && cell->value.i64 != (int32_t)cell->value.i64)
        return out_of_range(decoder, column);
    cell->set = true;
    return true;
}

static bool cell_float(struct decoder *decoder, uint32_t column, const struct number *number)
{
    struct cell *cell = &decoder->cells[column];
    double bound = decoder->kinds[column] == CELL_F32 ? FLT_MAX : DBL_MAX;
    cell->value.f64 = number_f64(number);
    cell->set = true;
    return fabs(cell->value.f64) <= bound || out_of_range(decoder, column);
}

bool cell_number(struct decoder *decoder, uint32_t column, const struct number *number)
{
    struct cell *cell = &decoder->cells[column];

    switch (decoder->kinds[column]) {
    case CELL_I32:
    case CELL_I64:
        return cell_integer(decoder, column, number);
    case CELL_F32:
    case CELL_F64:
        return cell_float(decoder, column, number);
    case CELL_MS:
    case CELL_S:
    case CELL_US:
        cell->set = ms_from_number(decoder->kinds[column], number, &cell->value.i64);
        return cell->set || out_of_range(decoder, column);
    case CELL_BOOL:
    case CELL_UTF8:
    case CELL_TIME_TEXT:
        break;
    }
    return decode_fault(decoder, decode_column_name(decoder, column), "is a number, expected %s",
                        cell_expects(decoder, column));
}

bool cell_text(struct decoder *decoder, uint32_t column, const char *text, size_t size)
{
    struct cell *cell = &decoder->cells[column];
    if (decoder->kinds[column] == CELL_UTF8) {
        cell->value.text = text;
        cell->size = (uint32_t)size;
        cell->set = true;
        return true;
    }
    if (decoder->kinds[column] < CELL_MS)
        return decode_fault(decoder, decode_column_name(decoder, column), "is a text, expected %s",
                            cell_expects(decoder, column));
    cell->set = timestamp_parse(text, size, &cell->value.i64);
    return cell->set ||
           decode_fault(decoder, decode_column_name(decoder, column),
                        "\"%.*s\" is no date and time", size > 40 ? 40 : (int)size, text);
}

/* The time column is not of type timestamp: its cell is converted. */
static bool time_converted(const struct decoder *decoder, const struct cell *cell, int64_t *ms)
{
    static const enum cell_kind by_unit[] = {
        [TIME_MS] = CELL_MS, [TIME_S] = CELL_S, [TIME_US] = CELL_US, [TIME_TEXT] = CELL_TIME_TEXT};
    enum cell_kind unit = by_unit[decoder->options.unit];

    switch (decoder->kinds[decoder->options.time_column]) {
    case CELL_I32:
    case CELL_I64:
        return ms_from_i64(unit, cell->value.i64, ms);
    case CELL_F32:
    case CELL_F64:
        return ms_from_f64(unit, cell->value.f64, ms);
    case CELL_UTF8:
        return timestamp_parse(cell->value.text, cell->size, ms);
    case CELL_BOOL:
    case CELL_MS:
    case CELL_S:
    case CELL_US:
    case CELL_TIME_TEXT:
        break;
    }
    *ms = cell->value.i64;
    return true;
}

bool cell_time(struct decoder *decoder, int64_t *time_ms)
{
    uint32_t column = decoder->options.time_column;
    const struct cell *cell = &decoder->cells[column];

    if (!cell->set)
        return decode_fault(decoder, decode_column_name(decoder, column),
                            "is missing, and is the event time");
    if (decoder->kinds[column] >= CELL_MS) {
        *time_ms = cell->value.i64;
        return true;
    }
    return time_converted(decoder, cell, time_ms) ||
           decode_fault(decoder, decode_column_name(decoder, column),
                        "is no event time in the unit that was given");
}

/* The setters are inline: filling the columns in place from here took 17 ns a record more. */
static inline void put_cell(struct builder *out, uint32_t column, enum cell_kind kind,
                            const struct cell *cell)
{
    switch (kind) {
    case CELL_BOOL:
        builder_bool(out, column, cell->value.flag);
        break;
    case CELL_I32:
        builder_i32(out, column, (int32_t)cell->value.i64);
        break;
    case CELL_F32:
        builder_f32(out, column, (float)cell->value.f64);
        break;
    case CELL_F64:
        builder_f64(out, column, cell->value.f64);
        break;
    case CELL_UTF8:
        builder_text(out, column, cell->value.text, cell->size);
        break;
    case CELL_I64:
    case CELL_MS:
    case CELL_S:
    case CELL_US:
    case CELL_TIME_TEXT:
        builder_i64(out, column, cell->value.i64);
        break;
    }
}

void cell_rows(const struct decoder *decoder, struct builder *out)
{
    uint32_t count = decoder->options.schema->count;
    for (uint32_t column = 0; column < count; column++)
        if (decoder->cells[column].set && !decoder->unread[column])
            put_cell(out, column, decoder->kinds[column], &decoder->cells[column]);
}
