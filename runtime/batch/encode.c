/* encode: see encode.h. A schema becomes a list of steps once: the literal bytes that stand in front
 * of a column's value (commas, brackets, the quoted key), then the value. Each step reserves its
 * room and then writes unchecked. */
#include "runtime/batch/encode.h"

#include "runtime/base/timestamp.h"
#include "runtime/batch/json.h"

#include <math.h>
#include <string.h>

#define SCALAR_MAX 48u /* bytes of any value but texts, vectors and lists */
#define SHORT 16u      /* literals of up to so many bytes are copied as so many */

struct step {
    uint32_t column;
    const char *before; /* literal bytes in front of the value */
    uint32_t before_size;
    struct steps *child; /* TYPE_LIST */
};

struct steps {
    uint32_t count;
    struct step *items;
    const char *end; /* closing brackets */
    uint32_t end_size;
    uint32_t
        room; /* that an object of scalars alone needs, a comma and a SHORT; 0: it has others */
};

struct encoder {
    struct encode_options options;
    const struct schema *schema;
    struct arena *arena;
    struct steps *steps;
    struct bytes scratch; /* a list as JSON, before it is quoted for CSV */
};

/* ---- text ---- */

/* Has one of 8 bytes a control character, a quote, a backslash, or no ASCII? */
static inline bool is_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    return ((word | (word - ones * 0x20) | ((quote - ones) & ~quote) |
             ((backslash - ones) & ~backslash)) &
            high) != 0;
}

/* Bytes of the UTF-8 character at `text`, 0 when it is none (RFC 3629). */
static size_t utf8_size(const uint8_t *text, size_t size)
{
    static const struct {
        uint8_t from, to, second_from, second_to, size;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        if (text[0] < rows[k].from || text[0] > rows[k].to)
            continue;
        if (rows[k].size > size || text[1] < rows[k].second_from || text[1] > rows[k].second_to)
            return 0;
        for (size_t at = 2; at < rows[k].size; at++)
            if ((text[at] & 0xc0) != 0x80)
                return 0;
        return rows[k].size;
    }
    return 0;
}

static char *put_escape(char *to, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    *to++ = '\\';
    if (c >= 0x20 || short_forms[c]) {
        *to++ = c >= 0x20 ? (char)c : short_forms[c];
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[c >> 4];
    to[4] = hex[c & 15];
    return to + 5;
}

/* Writes one character that is not plain, or a plain one; `at` is moved on. */
static char *put_character(char *to, const uint8_t **at, const uint8_t *end)
{
    uint8_t c = **at;
    if (c < 0x80) {
        ++*at;
        if (c < 0x20 || c == '"' || c == '\\')
            return put_escape(to, c);
        *to++ = (char)c;
        return to;
    }
    size_t size = utf8_size(*at, (size_t)(end - *at));
    if (size == 0) {
        ++*at;
        memcpy(to, "\xef\xbf\xbd", 3);
        return to + 3;
    }
    memcpy(to, *at, size);
    *at += size;
    return to + size;
}

/* Needs 6 bytes of room for each of `text`, and 10 more. */
static char *put_text(char *to, const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    uint64_t word;
    *to++ = '"';
    while (end - at >= 8) {
        memcpy(&word, at, 8);
        if (is_special(word)) {
            for (const uint8_t *stop = at + 8; at < stop;)
                to = put_character(to, &at, end);
            continue;
        }
        memcpy(to, &word, 8);
        at += 8;
        to += 8;
    }
    if (at < end) { /* the last bytes, filled up with plain ones */
        memset(&word, 'x', sizeof(word));
        memcpy(&word, at, (size_t)(end - at));
        if (!is_special(word)) {
            memcpy(to, &word, sizeof(word)); /* the room is there */
            to += end - at;
            at = end;
        }
    }
    while (at < end)
        to = put_character(to, &at, end);
    *to++ = '"';
    return to;
}

void encode_text(const char *text, size_t size, struct bytes *out)
{
    bytes_reserve(out, 6 * size + 10);
    char *begin = (char *)out->data + out->size;
    out->size += (size_t)(put_text(begin, text, size) - begin);
}

/* ---- scalars ---- */

static char *put_u64(char *to, uint64_t value)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof(digits);
    for (; value >= 10; value /= 100)
        memcpy(&digits[at -= 2], &pairs[value % 100 * 2], 2);
    if (value > 0 || at == sizeof(digits))
        digits[--at] = (char)('0' + value);
    memcpy(to, digits + at, sizeof(digits) - at);
    return to + (sizeof(digits) - at);
}

static char *put_i64(char *to, int64_t value)
{
    if (value >= 0)
        return put_u64(to, (uint64_t)value);
    *to++ = '-';
    return put_u64(to, 0 - (uint64_t)value);
}

static char *put_literal(char *to, const char *literal)
{
    size_t size = strlen(literal);
    memcpy(to, literal, size);
    return to + size;
}

static char *put_f64(char *to, double value)
{
    return isfinite(value) ? to + json_f64_text(value, to) : put_literal(to, "null");
}

static char *put_f32(char *to, float value)
{
    return isfinite(value) ? to + json_f32_text(value, to) : put_literal(to, "null");
}

static char *put_timestamp(const struct encoder *encoder, char *to, int64_t ms)
{
    if (encoder->options.timestamps == TIMESTAMP_MS)
        return put_i64(to, ms);
    bool json = encoder->options.format == ENCODE_JSON;
    if (json)
        *to++ = '"';
    to += timestamp_text(ms, to, 32);
    if (json)
        *to++ = '"';
    return to;
}

/* A valid value that is no text, vector or list: at most SCALAR_MAX bytes. */
static char *put_scalar(const struct encoder *encoder, char *to, const struct column *column,
                        uint32_t row)
{
    switch (column->type) {
    case TYPE_BOOL:
        return put_literal(to, column_bool(column, row) ? "true" : "false");
    case TYPE_I32:
        return put_i64(to, ((const int32_t *)column->values)[row]);
    case TYPE_I64:
        return put_i64(to, ((const int64_t *)column->values)[row]);
    case TYPE_F32:
        return put_f32(to, ((const float *)column->values)[row]);
    case TYPE_F64:
        return put_f64(to, ((const double *)column->values)[row]);
    case TYPE_TIMESTAMP:
        return put_timestamp(encoder, to, ((const int64_t *)column->values)[row]);
    case TYPE_NONE:
    case TYPE_UTF8:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    CHECK(!"a scalar");
    return to;
}

/* ---- JSON ---- */

static void json_object(const struct encoder *encoder, const struct steps *steps,
                        const struct batch *batch, uint32_t row, struct bytes *out);

static void json_vector(const struct column *column, uint32_t row, struct bytes *out)
{
    const float *values = (const float *)column->values + (size_t)row * column->width;
    bytes_reserve(out, (size_t)(column->width + 1) * SCALAR_MAX);
    char *begin = (char *)out->data + out->size, *to = begin;
    *to++ = '[';
    for (uint32_t k = 0; k < column->width; k++) {
        if (k > 0)
            *to++ = ',';
        to = put_f32(to, values[k]);
    }
    *to++ = ']';
    out->size += (size_t)(to - begin);
}

static char *put_short(char *to, const char *literal, uint32_t size)
{
    if (size <= SHORT)
        memcpy(to, literal, SHORT); /* json_steps has room behind it */
    else
        memcpy(to, literal, size);
    return to + size;
}

/* The last text of a column: of equal values one after the other, as many are, it is made once. */
struct again {
    uint64_t bits;
    const char *text; /* NULL: none */
    size_t size;
};

static char *put_f64_again(char *to, double value, struct again *again)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    if (again->text && bits == again->bits) {
        memcpy(to, again->text, again->size);
        return to + again->size;
    }
    *again = (struct again){bits, to, 0};
    to = put_f64(to, value);
    again->size = (size_t)(to - again->text);
    return to;
}

static char *put_object(const struct encoder *encoder, const struct steps *steps,
                        const struct batch *batch, uint32_t row, struct again *again, char *to)
{
    for (uint32_t k = 0; k < steps->count; k++) {
        const struct step *step = &steps->items[k];
        const struct column *column = batch_column(batch, step->column);

        to = put_short(to, step->before, step->before_size);
        if (!column_valid(column, row))
            to = put_literal(to, "null");
        else if (column->type == TYPE_F64)
            to = put_f64_again(to, ((const double *)column->values)[row], &again[k]);
        else
            to = put_scalar(encoder, to, column, row);
    }
    return put_short(to, steps->end, steps->end_size);
}

/* Objects of scalars, with one reservation. */
static void json_objects(const struct encoder *encoder, const struct steps *steps,
                         const struct batch *batch, int32_t begin, int32_t end, struct bytes *out)
{
    struct again again[COLUMNS_MAX];
    char *to;

    for (uint32_t k = 0; k < steps->count; k++)
        again[k].text = NULL;
    bytes_reserve(out, (size_t)(end - begin) * steps->room + 2);
    to = (char *)out->data + out->size;
    *to++ = '[';
    for (int32_t element = begin; element < end; element++) {
        if (element > begin)
            *to++ = ',';
        to = put_object(encoder, steps, batch, (uint32_t)element, again, to);
    }
    *to++ = ']';
    out->size = (size_t)(to - (char *)out->data);
}

static void json_list(const struct encoder *encoder, const struct step *step,
                      const struct column *column, uint32_t row, struct bytes *out)
{
    int32_t begin = column->offsets[row], end = column->offsets[row + 1];
    uint32_t top = encoder->options.top;
    if (top > 0 && (uint32_t)(end - begin) > top)
        end = begin + (int32_t)top;
    if (step->child->room > 0) {
        json_objects(encoder, step->child, column->child, begin, end, out);
        return;
    }
    bytes_put(out, "[", 1);
    for (int32_t element = begin; element < end; element++) {
        if (element > begin)
            bytes_put(out, ",", 1);
        json_object(encoder, step->child, column->child, (uint32_t)element, out);
    }
    bytes_put(out, "]", 1);
}

static void put_bytes(struct bytes *out, const char *data, size_t size) /* room is there */
{
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

/* `before` and the value: one reservation for both. */
static void json_value(const struct encoder *encoder, const struct step *step,
                       const struct column *column, uint32_t row, struct bytes *out)
{
    bytes_reserve(out, step->before_size + SCALAR_MAX);
    put_bytes(out, step->before, step->before_size);
    if (!column_valid(column, row)) {
        put_bytes(out, "null", 4);
    } else if (column->type == TYPE_UTF8) {
        uint32_t size;
        const char *text = column_text(column, row, &size);
        encode_text(text, size, out);
    } else if (column->type == TYPE_LIST) {
        json_list(encoder, step, column, row, out);
    } else if (column->type == TYPE_VECTOR) {
        json_vector(column, row, out);
    } else {
        char *begin = (char *)out->data + out->size;
        out->size += (size_t)(put_scalar(encoder, begin, column, row) - begin);
    }
}

static void json_object(const struct encoder *encoder, const struct steps *steps,
                        const struct batch *batch, uint32_t row, struct bytes *out)
{
    for (uint32_t k = 0; k < steps->count; k++)
        json_value(encoder, &steps->items[k], batch_column(batch, steps->items[k].column), row,
                   out);
    bytes_put(out, steps->end, steps->end_size);
}

/* ---- JSON steps: names with dots as a tree ---- */

struct path { /* of a column */
    uint32_t count;
    const char *segments[NAME_SIZE_MAX / 2 + 1];
    uint32_t sizes[NAME_SIZE_MAX / 2 + 1];
};

static void path_split(const char *name, struct path *path)
{
    path->count = 0;
    for (const char *at = name;; at++) {
        size_t size = strcspn(at, ".");
        path->segments[path->count] = at;
        path->sizes[path->count++] = (uint32_t)size;
        at += size;
        if (*at == '\0')
            return;
    }
}

/* Whether the first `depth` segments agree. */
static bool path_shares(const struct path *a, const struct path *b, uint32_t depth)
{
    if (a->count < depth || b->count < depth)
        return false;
    for (uint32_t k = 0; k < depth; k++)
        if (a->sizes[k] != b->sizes[k] || memcmp(a->segments[k], b->segments[k], a->sizes[k]) != 0)
            return false;
    return true;
}

/* One name is the object that another is in, or has empty segments: it stays one key. */
static bool stays_whole(const struct path *paths, uint32_t count, uint32_t column)
{
    for (uint32_t k = 0; k < paths[column].count; k++)
        if (paths[column].sizes[k] == 0)
            return true;
    for (uint32_t other = 0; other < count; other++)
        if (other != column && path_shares(&paths[other], &paths[column], paths[other].count))
            return true;
    return false;
}

static void paths_make(const struct schema *schema, struct path *paths)
{
    bool whole[COLUMNS_MAX];
    for (uint32_t column = 0; column < schema->count; column++)
        path_split(schema->fields[column].name, &paths[column]);
    for (uint32_t column = 0; column < schema->count; column++)
        whole[column] = stays_whole(paths, schema->count, column);
    for (uint32_t column = 0; column < schema->count; column++)
        if (whole[column])
            paths[column] = (struct path){.count = 1,
                                          .segments = {schema->fields[column].name},
                                          .sizes = {(uint32_t)strlen(schema->fields[column].name)}};
}

struct order { /* columns in the order of writing */
    const struct path *paths;
    uint32_t columns, count;
    bool taken[COLUMNS_MAX];
    uint32_t items[COLUMNS_MAX];
};

/* Takes the columns that share `depth` segments with `first`: those of one object together. */
static void order_take(struct order *order, uint32_t first, uint32_t depth)
{
    for (uint32_t column = first; column < order->columns; column++) {
        if (order->taken[column] ||
            !path_shares(&order->paths[first], &order->paths[column], depth))
            continue;
        if (order->paths[column].count > depth + 1) {
            order_take(order, column, depth + 1);
        } else {
            order->taken[column] = true;
            order->items[order->count++] = column;
        }
    }
}

static uint32_t shared_depth(const struct path *a, const struct path *b)
{
    uint32_t depth = 0;
    while (depth + 1 < a->count && depth + 1 < b->count && path_shares(a, b, depth + 1))
        depth++;
    return depth;
}

static void put_key(struct bytes *out, const struct path *path, uint32_t segment)
{
    encode_text(path->segments[segment], path->sizes[segment], out);
    bytes_put(out, ":", 1);
}

/* The bytes between the value before (`last` NULL: none) and this one. */
static void put_before(struct bytes *out, const struct path *last, const struct path *path)
{
    uint32_t depth = 0;
    if (last) {
        depth = shared_depth(last, path);
        for (uint32_t k = depth + 1; k < last->count; k++)
            bytes_put(out, "}", 1);
        bytes_put(out, ",", 1);
    } else {
        bytes_put(out, "{", 1);
    }
    for (; depth + 1 < path->count; depth++) {
        put_key(out, path, depth);
        bytes_put(out, "{", 1);
    }
    put_key(out, path, depth);
}

/* A copy that may be read SHORT bytes on. */
static const char *keep_literal(struct arena *arena, struct bytes *text, uint32_t *size)
{
    *size = (uint32_t)text->size;
    bytes_reserve(text, SHORT);
    memset(text->data + text->size, 0, SHORT);
    return arena_copy(arena, text->data, text->size + SHORT);
}

static uint32_t room_of(const struct schema *schema, const struct steps *steps)
{
    uint32_t room = steps->end_size + 1 + SHORT;

    for (uint32_t k = 0; k < steps->count; k++) {
        enum type type = schema->fields[steps->items[k].column].type;
        if (type == TYPE_UTF8 || type == TYPE_LIST || type == TYPE_VECTOR)
            return 0;
        room += steps->items[k].before_size + SCALAR_MAX;
    }
    return room;
}

static struct steps *json_steps(struct arena *arena, const struct schema *schema)
{
    struct steps *steps = (void *)arena_new(arena, sizeof(*steps));
    struct path *paths = memory_array(schema->count, sizeof(*paths));
    struct order order = {.paths = paths, .columns = schema->count};
    struct bytes text = {0};

    steps->items = (void *)arena_new(arena, schema->count * sizeof(*steps->items));
    steps->count = schema->count;
    paths_make(schema, paths);
    order_take(&order, 0, 0);
    CHECK(order.count == schema->count);
    for (uint32_t k = 0; k < order.count; k++) {
        struct step *step = &steps->items[k];
        text.size = 0;
        step->column = order.items[k];
        put_before(&text, k > 0 ? &paths[order.items[k - 1]] : NULL, &paths[step->column]);
        step->before = keep_literal(arena, &text, &step->before_size);
        if (schema->fields[step->column].type == TYPE_LIST)
            step->child = json_steps(arena, schema->fields[step->column].child);
    }
    text.size = 0;
    if (schema->count == 0)
        bytes_text(&text, "{}");
    for (uint32_t k = 0; schema->count > 0 && k < paths[order.items[order.count - 1]].count; k++)
        bytes_put(&text, "}", 1);
    steps->end = keep_literal(arena, &text, &steps->end_size);
    steps->room = room_of(schema, steps);
    bytes_clear(&text);
    memory_free(paths);
    return steps;
}

/* ---- CSV ---- */

static void csv_text(const char *text, size_t size, struct bytes *out)
{
    bool plain = size > 0;
    for (size_t k = 0; k < size && plain; k++)
        plain = text[k] != ',' && text[k] != '"' && text[k] != '\n' && text[k] != '\r';
    if (plain) {
        bytes_put(out, text, size);
        return;
    }
    bytes_reserve(out, 2 * size + 2);
    char *to = (char *)out->data + out->size;
    *to++ = '"';
    for (size_t k = 0; k < size; k++) {
        if (text[k] == '"')
            *to++ = '"';
        *to++ = text[k];
    }
    *to++ = '"';
    out->size = (size_t)(to - (char *)out->data);
}

static bool is_unwritable(const struct column *column, uint32_t row)
{
    return (column->type == TYPE_F64 && !isfinite(((const double *)column->values)[row])) ||
           (column->type == TYPE_F32 && !isfinite(((const float *)column->values)[row]));
}

static void csv_value(struct encoder *encoder, const struct step *step, const struct column *column,
                      uint32_t row, struct bytes *out)
{
    if (!column_valid(column, row))
        return;
    if (column->type == TYPE_UTF8) {
        uint32_t size;
        const char *text = column_text(column, row, &size);
        csv_text(text, size, out);
    } else if (column->type == TYPE_LIST || column->type == TYPE_VECTOR) {
        encoder->scratch.size = 0;
        json_value(encoder, step, column, row, &encoder->scratch);
        csv_text((const char *)encoder->scratch.data, encoder->scratch.size, out);
    } else if (!is_unwritable(column, row)) {
        json_value(encoder, step, column, row, out);
    }
}

static void csv_row(struct encoder *encoder, const struct batch *batch, uint32_t row,
                    struct bytes *out)
{
    for (uint32_t k = 0; k < encoder->steps->count; k++) {
        const struct step *step = &encoder->steps->items[k];
        if (k > 0)
            bytes_put(out, ",", 1);
        csv_value(encoder, step, batch_column(batch, step->column), row, out);
    }
}

static struct steps *csv_steps(struct arena *arena, const struct schema *schema)
{
    struct steps *steps = json_steps(arena, schema); /* lists want them */
    struct step *items = (void *)arena_new(arena, schema->count * sizeof(*items));
    for (uint32_t k = 0; k < steps->count; k++)
        items[steps->items[k].column] = (struct step){
            .column = steps->items[k].column, .before = "", .child = steps->items[k].child};
    steps->items = items;
    return steps;
}

/* ---- rows ---- */

struct encoder *encoder_create(const struct schema *schema, const struct encode_options *options)
{
    struct encoder *encoder = memory_new(sizeof(*encoder));
    encoder->options = *options;
    encoder->schema = schema;
    encoder->arena = arena_create(4096);
    encoder->steps = options->format == ENCODE_JSON ? json_steps(encoder->arena, schema)
                                                    : csv_steps(encoder->arena, schema);
    return encoder;
}

void encoder_close(struct encoder *encoder)
{
    if (!encoder)
        return;
    arena_close(encoder->arena);
    bytes_clear(&encoder->scratch);
    memory_free(encoder);
}

void encode_rows(struct encoder *encoder, const struct batch *batch, struct bytes *out)
{
    CHECK(batch->column_count == encoder->schema->count);
    for (uint32_t k = 0; k < batch->selected; k++) {
        uint32_t row = batch_row(batch, k);
        if (encoder->options.format == ENCODE_JSON)
            json_object(encoder, encoder->steps, batch, row, out);
        else
            csv_row(encoder, batch, row, out);
        bytes_put(out, "\n", 1);
    }
}

void encode_header(const struct encoder *encoder, struct bytes *out)
{
    if (encoder->options.format == ENCODE_JSON)
        return;
    for (uint32_t column = 0; column < encoder->schema->count; column++) {
        const char *name = encoder->schema->fields[column].name;
        if (column > 0)
            bytes_put(out, ",", 1);
        csv_text(name, strlen(name), out);
    }
    bytes_put(out, "\n", 1);
}
