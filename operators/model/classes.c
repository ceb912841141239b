/* classes: see classes.h. */
#include "operators/model/classes.h"

#include "operators/model/ids.h"
#include "operators/model/loops.h"

#include <string.h>

#define PLAIN_MAX 64u /* whole numbers below it can be their own places */
#define SHORT_MAX 7u  /* bytes of a text that are its own tag */

/* The number of a class that is new, by what is its place: 1 + number, or 0 when there is no room. */
static uint16_t add_class(struct classes *classes, const struct column *column, uint32_t row)
{
    uint64_t ids[1 + IDS_SPARE];

    if (classes->count == CLASSES_MAX) {
        classes->full = true;
        return 0;
    }
    ids_part(column, row, 1, ids);
    classes->ids[classes->count++] = ids[0];
    return (uint16_t)classes->count;
}

/* Texts of up to 7 bytes are tagged by themselves, others by their identity. */
static uint64_t short_tag(const char *text, uint32_t size)
{
    uint64_t tag;

    memcpy(&tag, text, sizeof(tag)); /* a column has 16 readable bytes behind its texts */
    return (tag & ~(UINT64_MAX << 8 * size)) | (uint64_t)(size + 1) << 56;
}

static uint32_t place_of(uint64_t tag)
{
    return (uint32_t)(tag * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (CLASSES_PLACES - 1);
}

static uint64_t text_tag(const struct column *column, uint32_t row)
{
    uint64_t ids[1 + IDS_SPARE];
    uint32_t size;
    const char *text = column_text(column, row, &size);

    if (size <= SHORT_MAX)
        return short_tag(text, size);
    ids_part(column, row, 1, ids);
    return ids[0];
}

static uint16_t find_tag(struct classes *classes, const struct column *column, uint32_t row,
                         uint64_t tag)
{
    uint32_t at = place_of(tag);

    while (classes->places[at] && classes->tags[at] != tag)
        at = (at + 1) & (CLASSES_PLACES - 1);
    if (!classes->places[at]) {
        classes->tags[at] = tag;
        classes->places[at] = add_class(classes, column, row);
    }
    return classes->places[at];
}

static uint16_t find_null(struct classes *classes, const struct column *column, uint32_t row)
{
    if (!classes->null)
        classes->null = add_class(classes, column, row);
    return classes->null;
}

static uint16_t find_whole(struct classes *classes, const struct column *column, uint32_t row,
                           int64_t value)
{
    uint16_t *at;

    if (value < 0 || value >= CLASSES_DIRECT)
        return find_tag(classes, column, row, (uint64_t)value);
    at = &classes->direct[value];
    if (!*at)
        *at = add_class(classes, column, row);
    return *at;
}

static uint16_t find(struct classes *classes, const struct column *column, uint32_t row)
{
    if (!column_valid(column, row))
        return find_null(classes, column, row);
    switch (column->type) {
    case TYPE_BOOL:
        return find_whole(classes, column, row, column_bool(column, row));
    case TYPE_I32:
        return find_whole(classes, column, row, ((const int32_t *)column->values)[row]);
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        return find_whole(classes, column, row, ((const int64_t *)column->values)[row]);
    case TYPE_UTF8:
        return find_tag(classes, column, row, text_tag(column, row));
    case TYPE_NONE:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a key column");
    return 0;
}

/* The first classes are those of 0 to end - 1. */
static void add_plain(struct classes *classes, uint32_t end)
{
    int32_t values[PLAIN_MAX];
    const struct column column = {.type = TYPE_I32, .rows = end, .values = values};

    for (uint32_t i = 0; i < end; i++) {
        values[i] = (int32_t)i;
        classes->direct[i] = (uint16_t)(i + 1);
    }
    key_ids(&column, end, classes->ids);
    classes->plain = classes->count = end;
}

/* Numbers that count categories, without nulls, are classes by themselves, met or not, unless others
 * came before. */
static bool number_plain(struct classes *classes, const struct column *column, uint32_t rows,
                         uint16_t *numbers)
{
    uint32_t most;

    if (column->type != TYPE_I32 || column->validity)
        return false;
    most = loops_narrow(column->values, rows, numbers);
    if (most >= classes->plain && most < PLAIN_MAX && classes->count == classes->plain)
        add_plain(classes, most + 1);
    return most < classes->plain;
}

/* Larger ones, below CLASSES_DIRECT, in one short loop: how far it got from `row`. */
static uint32_t number_small(const struct classes *classes, const struct column *column,
                             uint32_t row, uint32_t rows, uint16_t *numbers)
{
    const int32_t *values = column->values;

    if (column->type != TYPE_I32 || column->validity)
        return row;
    for (; row < rows; row++) {
        uint32_t value = (uint32_t)values[row];
        uint16_t number = value < CLASSES_DIRECT ? classes->direct[value] : 0;
        if (number == 0)
            break;
        numbers[row] = (uint16_t)(number - 1);
    }
    return row;
}

/* The same for texts; those of more than SHORT_MAX bytes end it. */
static uint32_t number_short(const struct classes *classes, const struct column *column,
                             uint32_t row, uint32_t rows, uint16_t *numbers)
{
    if (column->type != TYPE_UTF8 || column->validity)
        return row;
    for (; row < rows; row++) {
        uint32_t size = (uint32_t)(column->offsets[row + 1] - column->offsets[row]), at;
        uint64_t tag;
        if (size > SHORT_MAX)
            break;
        tag = short_tag((const char *)column->values + column->offsets[row], size);
        at = place_of(tag);
        while (classes->places[at] && classes->tags[at] != tag)
            at = (at + 1) & (CLASSES_PLACES - 1);
        if (!classes->places[at])
            break;
        numbers[row] = (uint16_t)(classes->places[at] - 1);
    }
    return row;
}

bool classes_number(struct classes *classes, const struct column *column, uint32_t rows,
                    uint16_t *numbers)
{
    if (!classes->full && number_plain(classes, column, rows, numbers))
        return true;
    for (uint32_t row = 0; row < rows && !classes->full; row++) {
        row = number_small(classes, column, row, rows, numbers);
        row = number_short(classes, column, row, rows, numbers);
        if (row < rows)
            numbers[row] = (uint16_t)(find(classes, column, row) - 1);
    }
    return !classes->full;
}
