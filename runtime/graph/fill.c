/* Walks mapping and option table; see fill.h. Scalars are parsed by option_parse, so that files,
 * flags and overrides agree; lists, maps, windows and groups are walked here. */
#include "runtime/graph/fill.h"

#include <string.h>

struct window_fields {
    int64_t tumbling_ms, sliding_ms, every_ms, session_ms;
};

#define WINDOW_MAX_MS (3660 * DAY_MS)

/* The first row only where sessions are taken. */
static const struct option window_options[] = {
    {.name = "session",
     .type = OPT_DURATION,
     FIELD(struct window_fields, session_ms),
     .min.i64 = 1,
     .max.i64 = WINDOW_MAX_MS,
     .help = "Silence that ends a session."},
    {.name = "tumbling",
     .type = OPT_DURATION,
     FIELD(struct window_fields, tumbling_ms),
     .min.i64 = 1,
     .max.i64 = WINDOW_MAX_MS,
     .help = "Size of windows that stand side by side."},
    {.name = "sliding",
     .type = OPT_DURATION,
     FIELD(struct window_fields, sliding_ms),
     .min.i64 = 1,
     .max.i64 = WINDOW_MAX_MS,
     .help = "Size of windows that overlap."},
    {.name = "every",
     .type = OPT_DURATION,
     FIELD(struct window_fields, every_ms),
     .min.i64 = 1,
     .max.i64 = WINDOW_MAX_MS,
     .help = "Step from one sliding window to the next."},
    {0},
};

#define WINDOW_HOW "write {tumbling: 1h} or {sliding: 1h, every: 5m}"
#define SESSION_HOW "write {tumbling: 1h}, {sliding: 1h, every: 5m} or {session: 30m}"

static void fill_value(const struct fill *fill, const struct yaml_node *node,
                       const struct option *option, void *config);

/* ---- names ---- */

static uint32_t option_count(const struct option *options)
{
    uint32_t count = 0;

    while (options && options[count].name)
        count++;
    return count;
}

static uint32_t add_names(const char **names, uint32_t count, const struct option *options)
{
    for (; options && options->name; options++)
        names[count++] = options->name;
    return count;
}

static void tell_unknown(const struct fill *fill, const struct yaml_node *node,
                         const struct option *options, const struct option *also)
{
    const char **names =
        memory_array(option_count(options) + option_count(also) + 1, sizeof(*names));
    uint32_t count = add_names(names, add_names(names, 0, options), also);

    mistake_key(fill->mistakes, node, mistake_known(fill->arena, names, count, node->key),
                "there is no field \"%s\" here", node->key);
    memory_free(names);
}

/* What to write for a field that is missing. */
static const char *how_to_give(const struct fill *fill, const struct option *option)
{
    const struct option *inner = option->type == OPT_GROUP ? option->group : NULL;

    while (inner && inner->name && !inner->required)
        inner++;
    if (inner && inner->name)
        return arena_format(fill->arena, "give it {%s: ...}", inner->name);
    return arena_format(fill->arena, "give it %s", option_type_help(option->type));
}

static void check_required(const struct fill *fill, const struct yaml_node *mapping,
                           const struct option *options)
{
    for (; options && options->name; options++)
        if (options->required && !yaml_get(mapping, options->name))
            mistake_field(fill->mistakes, mapping, options->name, how_to_give(fill, options),
                          "\"%s\" is missing", options->name);
}

void fill_options(const struct fill *fill, const struct yaml_node *mapping,
                  const struct option *options, const struct option *also, void *config)
{
    if (options)
        option_defaults(options, config);
    if (mapping->kind != YAML_MAPPING) {
        mistake_value(fill->mistakes, mapping, "write fields and values, as in {name: value}",
                      "%s stands where a mapping is due", yaml_kind_name(mapping));
        return;
    }
    for (uint32_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *node = mapping->items[i];
        const struct option *option = options ? option_find(options, node->key) : NULL;

        if (also && option_find(also, node->key))
            continue;
        if (option)
            fill_value(fill, node, option, config);
        else
            tell_unknown(fill, node, options, also);
    }
    check_required(fill, mapping, options);
}

/* ---- values ---- */

static bool refuse_value(const struct fill *fill, const struct yaml_node *node, const char *how)
{
    if (yaml_is_null(node))
        return mistake_value(fill->mistakes, node, "write one, or leave the field out",
                             "the field has no value");
    return mistake_value(fill->mistakes, node, how, "%s is not what this field takes",
                         yaml_kind_name(node));
}

const char *fill_text(const struct fill *fill, const struct yaml_node *node, const char *what)
{
    if (node->kind == YAML_SCALAR && *node->text && !yaml_is_null(node))
        return node->text;
    if (node->kind == YAML_SCALAR)
        mistake_value(fill->mistakes, node, NULL, "%s is missing here", what);
    else
        mistake_value(fill->mistakes, node, NULL, "%s stands where %s is due", yaml_kind_name(node),
                      what);
    return NULL;
}

static bool check_doubles(const struct fill *fill, const struct yaml_node *node,
                          const struct text_list *list)
{
    for (uint32_t i = 1; i < list->count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(list->items[i], list->items[j]) == 0)
                return mistake_value(fill->mistakes, node->items[i], "leave one of them",
                                     "\"%s\" is named twice", list->items[i]);
    return true;
}

#define TEXTS_MAX 1024u /* of one list; it is searched pair by pair */

bool fill_texts(const struct fill *fill, const struct yaml_node *node, struct text_list *list)
{
    uint32_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
    const char **items;

    if (node->kind == YAML_MAPPING || yaml_is_null(node))
        return refuse_value(fill, node, "write a text, or a list of texts as in [a, b]");
    if (count > TEXTS_MAX)
        return mistake_value(fill->mistakes, node, NULL, "a list has at most %u texts", TEXTS_MAX);
    items = arena_new(fill->arena, (count + 1) * sizeof(*items));
    if (node->kind == YAML_SCALAR)
        items[0] = node->text;
    for (uint32_t i = 0; node->kind == YAML_SEQUENCE && i < count; i++) {
        items[i] = fill_text(fill, node->items[i], "a text");
        if (!items[i])
            return false;
    }
    *list = (struct text_list){count, items};
    return node->kind == YAML_SCALAR || check_doubles(fill, node, list);
}

static bool fill_map(const struct fill *fill, const struct yaml_node *node, struct option_map *map)
{
    bool good = true;

    map->entries = arena_new(fill->arena, (node->count + 1) * sizeof(*map->entries));
    map->count = node->count;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        struct option_entry *entry = &map->entries[i];

        entry->name = item->key;
        entry->line = item->line;
        entry->column = item->column;
        if (item->kind == YAML_MAPPING) {
            entry->map = arena_new(fill->arena, sizeof(*entry->map));
            good &= fill_map(fill, item, entry->map);
        } else if (item->kind == YAML_SEQUENCE) {
            entry->list = arena_new(fill->arena, sizeof(*entry->list));
            good &= fill_texts(fill, item, entry->list);
        } else {
            entry->text = fill_text(fill, item, "a text or a mapping");
            good &= entry->text != NULL;
        }
    }
    return good;
}

/* What stands right in a map is one thing each: only in the mappings within it are lists values. */
static bool lists_apart(const struct fill *fill, const struct yaml_node *node)
{
    bool good = true;

    for (uint32_t i = 0; i < node->count; i++)
        if (node->items[i]->kind == YAML_SEQUENCE)
            good &= fill_text(fill, node->items[i], "a text or a mapping") != NULL;
    return good;
}

static void fill_window(const struct fill *fill, const struct yaml_node *node, bool sessions,
                        struct window *window)
{
    struct window_fields fields = {0};
    uint32_t before = mistakes_total(fill->mistakes);

    fill_options(fill, node, window_options + !sessions, NULL, &fields);
    if (mistakes_total(fill->mistakes) > before)
        return;
    if (fields.session_ms && !fields.tumbling_ms && !fields.sliding_ms && !fields.every_ms)
        window->gap_ms = fields.session_ms;
    else if (fields.session_ms || (sessions && !fields.tumbling_ms == !fields.sliding_ms))
        mistake_value(fill->mistakes, node, SESSION_HOW,
                      "a window is one of tumbling, sliding and session");
    else if (!fields.tumbling_ms == !fields.sliding_ms)
        mistake_value(fill->mistakes, node, WINDOW_HOW, "a window is either tumbling or sliding");
    else if (fields.tumbling_ms && fields.every_ms)
        mistake_key(fill->mistakes, yaml_get(node, "every"), WINDOW_HOW,
                    "a tumbling window has no \"every\"");
    else if (fields.sliding_ms && !fields.every_ms)
        mistake_field(fill->mistakes, node, "every", WINDOW_HOW,
                      "\"every\" is missing, which a sliding window needs");
    else if (fields.sliding_ms && fields.sliding_ms % fields.every_ms)
        mistake_value(fill->mistakes, yaml_get(node, "every"),
                      "choose one that does, so that windows are made of whole steps",
                      "\"%s\" does not divide the window's size \"%s\"",
                      yaml_get(node, "every")->text, yaml_get(node, "sliding")->text);
    else
        *window = fields.tumbling_ms ? (struct window){fields.tumbling_ms, fields.tumbling_ms}
                                     : (struct window){fields.sliding_ms, fields.every_ms};
}

static void fill_scalar(const struct fill *fill, const struct yaml_node *node,
                        const struct option *option, void *config)
{
    struct error err = {0};

    if (node->kind != YAML_SCALAR || yaml_is_null(node)) {
        refuse_value(fill, node,
                     arena_format(fill->arena, "write %s", option_type_help(option->type)));
        return;
    }
    if (option_parse(option, node->text, config, fill->arena, &err))
        return;
    mistake_value(fill->mistakes, node, err.how[0] ? err.how : NULL, "%s", err.what);
}

static void fill_value(const struct fill *fill, const struct yaml_node *node,
                       const struct option *option, void *config)
{
    void *field = (char *)config + option->offset;

    switch (option->type) {
    case OPT_FIELDS:
    case OPT_TEXTS:
        CHECK(option->size == sizeof(struct text_list));
        if (fill_texts(fill, node, field) && option->required &&
            ((struct text_list *)field)->count == 0)
            mistake_value(fill->mistakes, node, "name at least one", "the list is empty");
        return;
    case OPT_MAP:
        CHECK(option->size == sizeof(struct option_map));
        if (node->kind != YAML_MAPPING)
            refuse_value(fill, node, "write names and values, as in {name: value}");
        else if (lists_apart(fill, node) && fill_map(fill, node, field) && option->required &&
                 node->count == 0)
            mistake_value(fill->mistakes, node, "give at least one", "the mapping is empty");
        return;
    case OPT_WINDOW:
        CHECK(option->size == sizeof(struct window));
        if (node->kind != YAML_MAPPING)
            refuse_value(fill, node, option->sessions ? SESSION_HOW : WINDOW_HOW);
        else
            fill_window(fill, node, option->sessions, field);
        return;
    case OPT_GROUP:
        if (node->kind != YAML_MAPPING)
            refuse_value(fill, node, "write its fields, as in {name: value}");
        else
            fill_options(fill, node, option->group, NULL, field);
        return;
    case OPT_NONE:
    case OPT_BOOL:
    case OPT_I64:
    case OPT_F64:
    case OPT_DURATION:
    case OPT_BYTES:
    case OPT_RATIO:
    case OPT_TEXT:
    case OPT_ENUM:
    case OPT_EXPRESSION:
    case OPT_FIELD:
        fill_scalar(fill, node, option, config);
        return;
    }
}
