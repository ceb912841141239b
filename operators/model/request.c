/* request: see request.h. */
#include "operators/model/request.h"

#include "operators/model/widen.h"
#include "runtime/base/hash.h"
#include "runtime/batch/expr.h"

#include <inttypes.h>
#include <stdio.h>

enum { LIST_ITEM, LIST_SCORE, LIST_REASON }; /* columns of an item of the list */

const struct option request_options[] = {
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct request_config, when),
     .help = "Which events ask for recommendations, such as rating >= 4; by default all."},
    {.name = "at-most-every",
     .type = OPT_DURATION,
     FIELD(struct request_config, interval_ms),
     .max.i64 = 366 * DAY_MS,
     .help = "Event time between two requests of one user; 0s: no bound."},
    {0},
};

/* ---- planning ---- */

static bool add_copied(struct describe *describe, struct schema *schema, const char *user,
                       const char *item, const struct text_list *carry, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    struct arena *arena = describe_arena(describe);

    CHECK(schema_add(schema, arena, &in->fields[schema_find(in, user)]));
    if (!schema_add(schema, arena, &in->fields[schema_find(in, item)]))
        return describe_error(describe, err, "item", "name the item's column",
                              "\"%s\" is the user's column", item);
    for (uint32_t i = 0; i < carry->count; i++)
        if (!schema_add(schema, arena, &in->fields[schema_find(in, carry->items[i])]))
            return describe_error(describe, err, "carry", "leave it out",
                                  "column \"%s\" is in the output already", carry->items[i]);
    return true;
}

struct schema *request_list(struct arena *arena, enum type item)
{
    struct schema *list = schema_create(arena);

    CHECK(schema_add_column(list, arena, "item", item));
    CHECK(schema_add_column(list, arena, "score", TYPE_F64));
    CHECK(schema_add_column(list, arena, "reasons.base", TYPE_F64));
    return list;
}

static bool add_result(struct describe *describe, struct schema *schema, const struct field *field,
                       struct error *err)
{
    if (schema_add(schema, describe_arena(describe), field))
        return true;
    return describe_error(describe, err, "carry", "rename it before, in `clean`",
                          "\"%s\" is a column of the result", field->name);
}

bool request_describe(struct describe *describe, const struct request_config *config,
                      const char *user, const char *item, const struct text_list *carry,
                      const char *const *versions, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena);
    struct schema *list = request_list(arena, in->fields[schema_find(in, item)].type);
    const struct field results[] = {{.name = "event_time", .type = TYPE_TIMESTAMP},
                                    {.name = "rec_id", .type = TYPE_UTF8},
                                    {.name = "items", .type = TYPE_LIST, .child = list}};

    if (!widen_check_when(describe, "request.when", config->when, err) ||
        !add_copied(describe, schema, user, item, carry, err))
        return false;
    for (uint32_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        if (!add_result(describe, schema, &results[i], err))
            return false;
    for (; *versions; versions++) {
        struct field version = {.type = TYPE_TIMESTAMP};
        snprintf(version.name, sizeof(version.name), "%s", *versions);
        if (!add_result(describe, schema, &version, err))
            return false;
    }
    describe_output(describe, 0, schema);
    return true;
}

/* ---- an instance ---- */

bool request_open(struct op *op, struct request *request, const struct request_config *config,
                  struct error *err)
{
    const struct schema *in = op_input_schema(op, 0), *out = op_output_schema(op, 0);

    request->copied_count = schema_find(out, "event_time");
    for (uint32_t i = 0; i < request->copied_count; i++)
        request->copied[i] = schema_find(in, out->fields[i].name);
    if (config->when)
        request->when = expr_compile(config->when, in, err);
    return !config->when || request->when;
}

void request_close(struct request *request)
{
    expr_close(request->when);
}

void request_id(struct op *op, struct builder *out, uint32_t column, const struct batch *in,
                uint32_t row)
{
    char id[17];

    snprintf(id, sizeof(id), "%016" PRIx64, hash_draw(op_seed(op), batch_origin(in)[row]));
    builder_text(out, column, id, 16);
}

uint32_t request_begin(struct op *op, const struct request *request, const struct batch *in,
                       uint32_t row, struct builder *out)
{
    uint32_t column = 0;

    builder_row_from(out, in, row);
    for (; column < request->copied_count; column++)
        builder_copy(out, column, batch_column(in, request->copied[column]), row);
    builder_i64(out, column++, batch_time(in)[row]);
    request_id(op, out, column++, in, row);
    return column;
}

void request_item(struct builder *list, const struct key *key, double score)
{
    builder_child_row(list);
    builder_key(list, LIST_ITEM, key);
    builder_f64(list, LIST_SCORE, score);
    builder_f64(list, LIST_REASON, score);
}

void request_version(struct op *op, struct builder *out, uint32_t column, uint32_t table)
{
    int64_t version = op_table_version(op, table);

    if (version != INT64_MIN && version != INT64_MAX)
        builder_i64(out, column, version);
}
