/* ranking_columns: see ranking_columns.h. */
#include "operators/learn/ranking_columns.h"

#include <math.h>
#include <string.h>

const struct option columns_options[] = {
    {.name = "tags",
     .type = OPT_FIELDS,
     FIELD(struct columns_config, tags),
     .help = "Columns with tags, such as genres, category or brand: texts of one or several, or "
             "integers; 4 columns and 16 tags of an item at most."},
    {.name = "separator",
     .type = OPT_TEXT,
     FIELD(struct columns_config, separator),
     .def.text = "|",
     .help = "What stands between the tags of a text."},
    {.name = "numbers",
     .type = OPT_FIELDS,
     FIELD(struct columns_config, numbers),
     .help = "Columns with numbers, such as year or price (better its logarithm); 4 at most."},
    {0},
};

/* ---- planning ---- */

static bool integer(enum type type)
{
    return type == TYPE_I32 || type == TYPE_I64;
}

static bool number_type(enum type type)
{
    return integer(type) || type == TYPE_F32 || type == TYPE_F64;
}

static bool tag_type(enum type type)
{
    return integer(type) || type == TYPE_UTF8;
}

static bool check_columns(struct describe *describe, uint32_t port, const char *option,
                          const struct text_list *names, uint32_t most, bool fits(enum type),
                          const char *how, struct error *err)
{
    const struct schema *in = describe_input(describe, port);

    if (names->count > most)
        return describe_error(describe, err, option, "leave some out",
                              "%u columns are more than %u", names->count, most);
    for (uint32_t i = 0; i < names->count; i++) {
        enum type type = in->fields[schema_find(in, names->items[i])].type;

        if (!fits(type))
            return describe_error(describe, err, option, how, "column \"%s\" is %s",
                                  names->items[i], type_name(type));
    }
    return true;
}

bool columns_check(struct describe *describe, const struct columns_config *config, uint32_t port,
                   struct error *err)
{
    if (!*config->separator)
        return describe_error(describe, err, "attributes.separator", "leave it out, or write one",
                              "it is empty");
    return check_columns(describe, port, "attributes.tags", &config->tags, COLUMNS_TAGS_MAX,
                         tag_type, "name text or integer columns", err) &&
           check_columns(describe, port, "attributes.numbers", &config->numbers, RANKER_NUMBERS,
                         number_type, "name columns of numbers", err);
}

/* ---- rows ---- */

void columns_init(struct columns *columns, struct op *op, const struct columns_config *config,
                  uint32_t port, struct ranker *ranker, uint32_t items_max)
{
    const struct schema *in = op_input_schema(op, port);

    columns->config = config;
    for (uint32_t i = 0; i < config->tags.count; i++)
        columns->tags[i] = schema_find(in, config->tags.items[i]);
    for (uint32_t i = 0; i < config->numbers.count; i++)
        columns->numbers[i] = schema_find(in, config->numbers.items[i]);
    attributes_init(&columns->attributes, ranker, config->numbers.count, items_max,
                    op_memory(op, attributes_size(items_max)));
}

/* Tags of different columns differ. */
static uint32_t tag_of(uint32_t which, uint64_t hash)
{
    return (uint32_t)(hash_draw(which, hash) >> 32);
}

/* Where the first separator after `begin` stands, or the end. */
static uint32_t tag_end(const char *separator, uint32_t gap, const char *text, uint32_t begin,
                        uint32_t size)
{
    for (uint32_t at = begin; at + gap <= size; at++)
        if (memcmp(text + at, separator, gap) == 0)
            return at;
    return size;
}

static void read_text(const char *separator, uint32_t which, const char *text, uint32_t size,
                      struct attributes_item *item)
{
    uint32_t gap = (uint32_t)strlen(separator);

    for (uint32_t begin = 0, end; begin < size; begin = end + gap) {
        end = tag_end(separator, gap, text, begin, size);
        if (end > begin)
            attributes_add_tag(item, tag_of(which, hash_bytes(text + begin, end - begin)));
    }
}

static void read_tags(const struct columns *columns, const struct batch *in, uint32_t row,
                      struct attributes_item *item)
{
    for (uint32_t i = 0; i < columns->config->tags.count; i++) {
        const struct column *column = batch_column(in, columns->tags[i]);
        uint32_t size;

        if (!column_valid(column, row))
            continue;
        if (column->type == TYPE_UTF8) {
            const char *text = column_text(column, row, &size);

            read_text(columns->config->separator, i, text, size, item);
        } else {
            attributes_add_tag(item, tag_of(i, (uint64_t)(int64_t)column_number(column, row)));
        }
    }
}

static void read_numbers(const struct columns *columns, const struct batch *in, uint32_t row,
                         struct attributes_item *item)
{
    for (uint32_t i = 0; i < columns->config->numbers.count; i++) {
        float value = (float)column_number(batch_column(in, columns->numbers[i]), row);

        if (!isfinite(value)) /* null, too */
            continue;
        item->numbers[i] = value;
        item->known |= 1u << i;
    }
}

void columns_event(struct columns *columns, const struct batch *in, uint32_t row, uint32_t item)
{
    struct attributes_item is = {0};

    read_tags(columns, in, row, &is);
    read_numbers(columns, in, row, &is);
    if (is.tag_count > 0 || is.known != 0)
        attributes_set(&columns->attributes, item, &is);
    attributes_count(&columns->attributes, item);
}
