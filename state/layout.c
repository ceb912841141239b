/* The description of a file, and values of former layouts (encode.h). */
#include "state/encode.h"

#include <inttypes.h>
#include <jansson.h>

#define META_SIZE_MAX (4u << 20)

static json_t *layout_json(const struct layout *layout)
{
    json_t *fields = json_array(), *out;

    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct state_field *field = &layout->fields[i];

        json_array_append_new(fields,
                              json_pack("[s, s, I, I]", field->name, type_name(field->type),
                                        (json_int_t)field->offset, (json_int_t)field->size));
    }
    out = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "name", layout->name, "kind",
                    store_kind_name(layout->kind), "size", (json_int_t)layout->size, "ttl",
                    (json_int_t)layout->ttl_ms, "pane", (json_int_t)layout->pane_ms, "floor",
                    (json_int_t)layout->floor_ms, "fields", fields);
    CHECK(out); /* names are valid UTF-8, or the job file would have been refused */
    return out;
}

void file_meta_write(const struct layout *layouts, uint32_t count, struct bytes *out)
{
    json_t *states = json_array(), *root;
    char *text;

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(states, layout_json(&layouts[i]));
    root = json_pack("{s:i, s:o}", "format", FILE_FORMAT, "states", states);
    text = json_dumps(root, JSON_COMPACT);
    CHECK(text);
    bytes_text(out, text);
    free(text);
    json_decref(root);
}

static bool type_read(const char *name, enum type *out)
{
    for (enum type type = TYPE_NONE; type <= TYPE_KEY; type++)
        if (strcmp(type_name(type), name) == 0) {
            *out = type;
            return true;
        }
    return false;
}

static bool field_read(json_t *json, uint32_t struct_size, struct arena *arena,
                       struct state_field *out)
{
    const char *name, *type;
    json_int_t offset, size;

    if (json_unpack_ex(json, NULL, JSON_STRICT, "[s, s, I, I]", &name, &type, &offset, &size) ||
        offset < 0 || size < 0 || offset > struct_size || size > struct_size - offset)
        return false;
    out->name = arena_text(arena, name);
    out->offset = (size_t)offset;
    out->size = (size_t)size;
    return type_read(type, &out->type);
}

static bool kind_read(const char *name, enum store_kind *out)
{
    for (enum store_kind kind = STORE_VALUE; kind <= STORE_TIMER; kind++)
        if (strcmp(store_kind_name(kind), name) == 0) {
            *out = kind;
            return true;
        }
    return false;
}

static bool layout_read(json_t *json, struct arena *arena, struct layout *out)
{
    const char *name, *kind;
    json_int_t size, ttl, pane, floor;
    struct state_field *fields;
    json_t *list;

    if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "name",
                       &name, "kind", &kind, "size", &size, "ttl", &ttl, "pane", &pane, "floor",
                       &floor, "fields", &list) ||
        !json_is_array(list) || size < 0 || size > CELL_SIZE_MAX || ttl < 0 || pane < 0)
        return false;
    *out = (struct layout){.id = state_id(name),
                           .name = arena_text(arena, name),
                           .size = (uint32_t)size,
                           .ttl_ms = ttl,
                           .pane_ms = pane,
                           .floor_ms = floor,
                           .field_count = (uint32_t)json_array_size(list)};
    fields = arena_new(arena, (out->field_count + 1ul) * sizeof(*fields));
    for (uint32_t i = 0; i < out->field_count; i++)
        if (!field_read(json_array_get(list, i), out->size, arena, &fields[i]))
            return false;
    out->fields = fields;
    return kind_read(kind, &out->kind) && (out->kind != STORE_PANE || pane > 0);
}

static struct file_meta *meta_read(json_t *root, struct arena *arena)
{
    struct file_meta *meta = arena_new(arena, sizeof(*meta));
    json_t *states;
    int format;

    if (json_unpack_ex(root, NULL, JSON_STRICT, "{s:i, s:o}", "format", &format, "states",
                       &states) ||
        format != FILE_FORMAT || !json_is_array(states) ||
        json_array_size(states) > FILE_STATES_MAX)
        return NULL;
    meta->count = (uint32_t)json_array_size(states);
    meta->layouts = arena_new(arena, (meta->count + 1ul) * sizeof(*meta->layouts));
    for (uint32_t i = 0; i < meta->count; i++) {
        if (!layout_read(json_array_get(states, i), arena, &meta->layouts[i]))
            return NULL;
        for (uint32_t k = 0; k < i; k++)
            if (meta->layouts[k].id == meta->layouts[i].id)
                return NULL;
    }
    return meta;
}

struct file_meta *file_meta_read(const uint8_t *data, size_t size, struct arena *arena,
                                 struct error *err)
{
    struct file_meta *meta = NULL;
    json_t *root = NULL;

    if (size <= META_SIZE_MAX)
        root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (root)
        meta = meta_read(root, arena);
    json_decref(root);
    if (!meta)
        error_set(err, ERROR_STATE, "", "use an older checkpoint",
                  "damaged state file: its description cannot be read");
    return meta;
}

/* ---- former layouts ---- */

static void layout_text(const struct layout *layout, char *text, size_t size)
{
    int n = snprintf(text, size, "%s of %u bytes {", store_kind_name(layout->kind), layout->size);

    for (uint32_t i = 0; i < layout->field_count && n > 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%s %s", i ? ", " : "", layout->fields[i].name,
                      type_name(layout->fields[i].type));
    if (n > 0 && (size_t)n < size)
        (void)snprintf(text + n, size - (size_t)n, "}");
}

static bool layout_refuse(const struct layout *from, const struct layout *to, struct error *err)
{
    char former[200], present[200];

    layout_text(from, former, sizeof(former));
    layout_text(to, present, sizeof(present));
    return error_set(
        err, ERROR_CONFIG, from->name,
        "leave the operator's options (in a plug-in: names and types of fields) as they "
        "were, or begin without the checkpoint",
        "the checkpoint's state does not fit: it is %s, the job has %s", former, present);
}

static bool fields_equal(const struct layout *a, const struct layout *b)
{
    if (a->size != b->size || a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        const struct state_field *x = &a->fields[i], *y = &b->fields[i];

        if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->offset != y->offset ||
            x->size != y->size)
            return false;
    }
    return true;
}

static const struct state_field *field_find(const struct layout *layout, const char *name)
{
    for (uint32_t i = 0; i < layout->field_count; i++)
        if (strcmp(layout->fields[i].name, name) == 0)
            return &layout->fields[i];
    return NULL;
}

bool layout_map(const struct layout *from, const struct layout *to, struct arena *arena,
                struct layout_map *map, struct error *err)
{
    *map = (struct layout_map){.from_size = from->size, .to_size = to->size};
    map->same = fields_equal(from, to);
    if (from->kind != to->kind || from->pane_ms != to->pane_ms)
        return layout_refuse(from, to, err);
    if (map->same)
        return true;
    if (!from->field_count || !to->field_count)
        return layout_refuse(from, to, err);
    map->moves = arena_new(arena, to->field_count * sizeof(*map->moves));
    for (uint32_t i = 0; i < to->field_count; i++) {
        const struct state_field *after = &to->fields[i];
        const struct state_field *before = field_find(from, after->name);

        if (!before)
            continue; /* a new field begins as zero */
        if (before->type != after->type || before->size != after->size)
            return layout_refuse(from, to, err);
        map->moves[map->move_count++] = (struct layout_move){
            (uint32_t)before->offset, (uint32_t)after->offset, (uint32_t)after->size};
    }
    return true;
}

uint32_t layout_convert(const struct layout_map *map, const uint8_t *value, uint32_t size,
                        uint8_t *out)
{
    uint32_t rest;

    if (size < map->from_size || size - map->from_size + map->to_size > CELL_SIZE_MAX)
        return 0;
    rest = size - map->from_size; /* elements of a list follow its header */
    memset(out, 0, map->to_size);
    for (uint32_t i = 0; i < map->move_count; i++)
        memcpy(out + map->moves[i].to, value + map->moves[i].from, map->moves[i].size);
    memcpy(out + map->to_size, value + map->from_size, rest);
    return map->to_size + rest;
}
