/* decode_csv: CSV (RFC 4180) and TSV records into cells, by a small state machine.
 *
 * Line ends are \n or \r\n. A quoted field may hold delimiters, doubled quotes and, with
 * `multiline`, line ends. A quote inside an unquoted field stands for itself. An empty field
 * without quotes is null, "" is an empty text. Records have as many fields as the header (or the
 * schema) has columns. */
#include "runtime/base/option.h"
#include "runtime/batch/decode_parts.h"
#include "runtime/batch/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CSV_FIELDS_MAX 4096u

struct csv_walk {
    uint32_t fields;   /* that a record has; 0: the header is not known yet */
    bool at_least;     /* more are fine: columns are named by their positions */
    uint32_t *columns; /* of a field, FIELD_NONE: not wanted */
};

struct csv_field {
    const char *begin, *end; /* without quotes */
    const char *next;        /* the delimiter or line end behind it */
    bool quoted, doubled;    /* doubled: quotes are to be undoubled */
};

/* ---- where columns are ---- */

static bool position_of(const char *path, uint32_t *position)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(path, &end, 10);
    *position = (uint32_t)value - 1;
    return errno == 0 && *end == '\0' && path[0] >= '1' && path[0] <= '9' &&
           value <= CSV_FIELDS_MAX;
}

static bool map_positions(struct csv_walk *walk, const struct decoder *decoder, struct error *err)
{
    const struct decode_options *options = &decoder->options;
    uint32_t next = 0;

    for (uint32_t column = 0; column < options->schema->count; column++) {
        if (column == options->raw_column)
            continue;
        const char *path = options->paths ? options->paths[column] : NULL;
        uint32_t position = next++;
        if (path && strcmp(path, decode_column_name(decoder, column)) != 0) {
            if (!position_of(path, &position))
                return error_set(err, ERROR_CONFIG, decode_column_name(decoder, column),
                                 "without a header a path is a position from 1",
                                 "\"%s\" is not the position of a field", path);
            walk->at_least = true;
        }
        if (walk->columns[position] != FIELD_NONE)
            return error_set(err, ERROR_CONFIG, decode_column_name(decoder, column),
                             "give each column a position of its own",
                             "field %u is read by column \"%s\" already", position + 1,
                             decode_column_name(decoder, walk->columns[position]));
        walk->columns[position] = column;
        if (walk->fields <= position)
            walk->fields = position + 1;
    }
    return true;
}

struct csv_walk *csv_walk_create(struct decoder *decoder, struct error *err)
{
    const struct decode_options *options = &decoder->options;
    if (strchr("0123456789.+-eE\r\n", options->delimiter) || options->delimiter == options->quote) {
        error_set(err, ERROR_CONFIG, "delimiter", "such as , or ; or \\t",
                  "a digit, sign, dot, quote or line end cannot separate fields");
        return NULL;
    }
    struct csv_walk *walk = memory_new(sizeof(*walk));
    walk->columns = memory_array(CSV_FIELDS_MAX, sizeof(*walk->columns));
    for (uint32_t field = 0; field < CSV_FIELDS_MAX; field++)
        walk->columns[field] = FIELD_NONE;
    if (!options->header && !map_positions(walk, decoder, err)) {
        csv_walk_close(walk);
        return NULL;
    }
    return walk;
}

void csv_walk_close(struct csv_walk *walk)
{
    if (!walk)
        return;
    memory_free(walk->columns);
    memory_free(walk);
}

/* ---- fields ---- */

enum field_end { FIELD_DELIMITER, FIELD_LINE, FIELD_MORE, FIELD_BROKEN };

static enum field_end end_of(const struct decode_options *options, const char *at,
                             const char *limit, bool last, struct csv_field *field)
{
    field->next = at;
    if (at == limit)
        return last ? FIELD_LINE : FIELD_MORE;
    if (*at == options->delimiter)
        return FIELD_DELIMITER;
    if (*at == '\n')
        return FIELD_LINE;
    if (*at == '\r' && (at + 1 < limit ? at[1] == '\n' : last))
        return FIELD_LINE;
    return *at == '\r' && at + 1 == limit ? FIELD_MORE : FIELD_BROKEN;
}

static enum field_end read_quoted(const struct decode_options *options, const char *limit,
                                  bool last, struct csv_field *field)
{
    const char *at = field->begin;
    field->quoted = true;
    field->doubled = false;
    for (;;) {
        for (; at < limit && *at != options->quote; at++)
            if (*at == '\n' && !options->multiline)
                return FIELD_BROKEN;
        if (at == limit)
            return last ? FIELD_BROKEN : FIELD_MORE;
        if (at + 1 == limit && !last)
            return FIELD_MORE;
        if (at + 1 == limit || at[1] != options->quote)
            break;
        field->doubled = true;
        at += 2;
    }
    field->end = at;
    return end_of(options, at + 1, limit, last, field);
}

static enum field_end read_field(const struct decode_options *options, const char *at,
                                 const char *limit, bool last, struct csv_field *field)
{
    char delimiter = options->delimiter;
    field->begin = at;
    if (options->quote && at < limit && *at == options->quote) {
        field->begin++;
        return read_quoted(options, limit, last, field);
    }
    field->quoted = field->doubled = false;
    while (at < limit && *at != delimiter && *at != '\n')
        at++;
    field->next = field->end = at;
    if (at == limit && !last)
        return FIELD_MORE;
    if (at < limit && *at == delimiter)
        return FIELD_DELIMITER;
    if (at > field->begin && at[-1] == '\r')
        field->end--;
    return FIELD_LINE;
}

/* Copies into the scratch, which holds a whole record. */
static void undouble(struct decoder *decoder, struct csv_field *field)
{
    char *to = (char *)decoder->scratch.data + decoder->scratch.size;
    const char *begin = to;
    for (const char *at = field->begin; at < field->end; at++) {
        *to++ = *at;
        at += *at == decoder->options.quote;
    }
    decoder->scratch.size += (size_t)(to - begin) + 1;
    *to = '\0'; /* numbers want an end */
    field->begin = begin;
    field->end = to;
}

/* ---- values ---- */

static bool no_value(struct decoder *decoder, uint32_t column, const struct csv_field *field)
{
    size_t size = (size_t)(field->end - field->begin);
    return decode_fault(decoder, decode_column_name(decoder, column), "\"%.*s\" is no %s",
                        size > 40 ? 40 : (int)size, field->begin, cell_expects(decoder, column));
}

static bool read_bool(struct decoder *decoder, uint32_t column, const struct csv_field *field)
{
    static const char *const words[] = {"false", "true", "0", "1"};
    size_t size = (size_t)(field->end - field->begin);
    for (uint32_t k = 0; k < 4; k++)
        if (strlen(words[k]) == size && strncasecmp(words[k], field->begin, size) == 0) {
            decoder->cells[column].value.flag = k & 1;
            decoder->cells[column].set = true;
            return true;
        }
    return no_value(decoder, column, field);
}

static bool read_number(struct decoder *decoder, uint32_t column, const struct csv_field *field)
{
    struct number number;
    enum cell_kind kind = decoder->kinds[column];
    if (field->begin == field->end || !number_read(field->begin, &number) ||
        number.end != field->end)
        return kind >= CELL_MS
                   ? cell_text(decoder, column, field->begin, (size_t)(field->end - field->begin))
                   : no_value(decoder, column, field);
    if ((kind == CELL_I32 || kind == CELL_I64) && !number.integer)
        return no_value(decoder, column, field);
    return cell_number(decoder, column, &number);
}

static bool read_value(struct decoder *decoder, uint32_t column, struct csv_field *field)
{
    if (field->begin == field->end && !field->quoted)
        return true; /* null */
    if (field->doubled)
        undouble(decoder, field);
    if (decoder->kinds[column] == CELL_UTF8 || decoder->kinds[column] == CELL_TIME_TEXT)
        return cell_text(decoder, column, field->begin, (size_t)(field->end - field->begin));
    if (decoder->kinds[column] == CELL_BOOL)
        return read_bool(decoder, column, field);
    return read_number(decoder, column, field);
}

/* ---- records ---- */

/* The first line alone, once its end is known. */
static enum csv_result broken_line(const char *text, size_t rest, bool last, size_t *used,
                                   size_t *size)
{
    *used = decode_line_end((const uint8_t *)text, rest);
    bool ended = text[*used - 1] == '\n';
    *size = *used - ended;
    *size -= *size > 0 && text[*size - 1] == '\r';
    return ended || last ? CSV_BROKEN : CSV_MORE;
}

static void record_end(const char *text, const char *at, const char *limit, size_t *used,
                       size_t *size)
{
    *size = (size_t)(at - text);
    if (at < limit && *at == '\r')
        at++;
    *used = (size_t)(at - text) + (at < limit);
    if (*size > 0 && text[*size - 1] == '\r')
        --*size;
}

static bool count_fits(struct decoder *decoder, uint32_t count)
{
    const struct csv_walk *walk = decoder->csv;
    if (count == walk->fields || (walk->at_least && count > walk->fields))
        return true;
    return decode_fault(decoder, "", "has %u fields, expected %s%u", count,
                        walk->at_least ? "at least " : "", walk->fields);
}

static bool is_ascii(const char *text, size_t size)
{
    uint64_t all = 0;
    for (size_t k = 0; k < size; k += sizeof(all)) { /* the bytes behind count too: no harm */
        uint64_t word;
        memcpy(&word, text + k, sizeof(word));
        all |= word;
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

enum csv_result csv_walk_record(struct decoder *decoder, const char *text, size_t rest, bool last,
                                size_t *used, size_t *size)
{
    const struct csv_walk *walk = decoder->csv;
    const char *limit = text + rest, *at = text;
    bool fine = true;
    uint32_t count = 0;
    struct csv_field field;
    enum field_end end;

    decoder->scratch.size = 0;
    do {
        end = read_field(&decoder->options, at, limit, last, &field);
        if (end == FIELD_MORE)
            return CSV_MORE;
        if (end == FIELD_BROKEN) {
            decode_fault(decoder, "", "is not CSV: field %u has a wrong quote", count + 1);
            return broken_line(text, rest, last, used, size);
        }
        uint32_t column = count < walk->fields ? walk->columns[count] : FIELD_NONE;
        if (field.doubled && decoder->scratch.size == 0)
            bytes_reserve(&decoder->scratch,
                          rest + DECODE_PADDING); /* once a record: cells point into it */
        if (fine && column != FIELD_NONE)
            fine = read_value(decoder, column, &field);
        count++;
        at = field.next + 1;
    } while (end == FIELD_DELIMITER);
    record_end(text, field.next, limit, used, size);
    if (!count_fits(decoder, count))
        return broken_line(text, rest, last, used, size);
    if (!is_ascii(text, *size) && !json_utf8_valid(text, *size)) {
        decode_fault(decoder, "", "is not UTF-8");
        return CSV_FAULT;
    }
    return fine ? CSV_ROW : CSV_FAULT;
}

/* ---- header ---- */

struct csv_names {
    uint32_t count;
    const char **items; /* in the decoder's arena */
};

static bool read_names(struct decoder *decoder, const char *text, size_t size,
                       struct csv_names *names, struct error *err)
{
    const char *at = text, *limit = text + size;
    struct csv_field field;
    enum field_end end;

    do {
        if (names->count == CSV_FIELDS_MAX)
            return error_set(err, ERROR_CONFIG, "header", "leave some out",
                             "has more than %u fields", CSV_FIELDS_MAX);
        end = read_field(&decoder->options, at, limit, true, &field);
        if (end == FIELD_BROKEN)
            return error_set(err, ERROR_CONFIG, "header", "mend it, or set `quote`",
                             "field %u has a wrong quote", names->count + 1);
        decoder->scratch.size = 0;
        bytes_reserve(&decoder->scratch, size + 1);
        if (field.doubled)
            undouble(decoder, &field);
        names->items[names->count++] =
            arena_copy(decoder->arena, field.begin, (size_t)(field.end - field.begin));
        at = field.next + 1;
    } while (end == FIELD_DELIMITER);
    return true;
}

static bool map_name(struct decoder *decoder, uint32_t column, const struct csv_names *names,
                     struct error *err)
{
    const char *path = decode_path(&decoder->options, column);
    for (uint32_t field = 0; field < names->count; field++) {
        if (strcmp(names->items[field], path) != 0)
            continue;
        if (decoder->csv->columns[field] != FIELD_NONE)
            return error_set(err, ERROR_CONFIG, decode_column_name(decoder, column),
                             "read it once, and derive the other from it",
                             "\"%s\" is read by another column already", path);
        decoder->csv->columns[field] = column;
        return true;
    }
    const char *near = text_nearest(names->items, names->count, path);
    char how[160];
    snprintf(how, sizeof(how), "the nearest is \"%.100s\"",
             near               ? near
             : names->count > 0 ? names->items[0]
                                : "");
    return error_set(err, ERROR_CONFIG, "header",
                     near ? how : "check the delimiter and the names of the header",
                     "has no field \"%s\"", path);
}

bool csv_walk_header(struct decoder *decoder, const char *text, size_t size, struct error *err)
{
    struct csv_names names = {0, memory_array(CSV_FIELDS_MAX, sizeof(*names.items))};
    bool fine = read_names(decoder, text, size, &names, err);
    for (uint32_t column = 0; fine && column < decoder->options.schema->count; column++)
        if (column != decoder->options.raw_column)
            fine = map_name(decoder, column, &names, err);
    decoder->csv->fields = names.count;
    memory_free(names.items);
    return fine;
}
