/* The splits of sources: asked for once, in the client, and handed to all others as msgpack:
 *
 *   array of sources, in the order of operators: array of [operator id, array of splits]
 *   split: [name, begin, end]
 *
 * A split's index, which is part of the origin of its rows, counts from SPLITS_MAX x the number
 * of its source, so that rows of two sources never have one origin. */
#include "runtime/graph/planner.h"

#include <msgpack.h>
#include <string.h>

#define MESSAGE_SOURCES_MAX OPERATORS_MAX

bool split_list_add(struct split_list *list, const char *name, int64_t begin, int64_t end)
{
    if (list->count == SPLITS_MAX)
        return false;
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 16;
        struct split *splits = arena_new(list->arena, capacity * sizeof(*splits));
        if (list->count)
            memcpy(splits, list->splits, list->count * sizeof(*splits));
        list->splits = splits;
        list->capacity = capacity;
    }
    list->splits[list->count] =
        (struct split){list->count, arena_text(list->arena, name), begin, end};
    list->count++;
    return true;
}

static bool is_source(const struct plan_op *op)
{
    return op->def && op->def->splits;
}

/* ---- writing ---- */

static int append(void *out, const char *data, size_t size)
{
    bytes_put(out, data, size);
    return 0;
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

void plan_splits_encode(const struct plan *plan, struct bytes *out)
{
    msgpack_packer packer;
    uint32_t sources = 0;

    msgpack_packer_init(&packer, out, append);
    for (uint32_t i = 0; i < plan->op_count; i++)
        sources += is_source(&plan->ops[i]);
    msgpack_pack_array(&packer, sources);
    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct plan_op *op = &plan->ops[i];
        if (!is_source(op))
            continue;
        msgpack_pack_array(&packer, 2);
        pack_text(&packer, op->id);
        msgpack_pack_array(&packer, op->split_count);
        for (uint32_t k = 0; k < op->split_count; k++) {
            msgpack_pack_array(&packer, 3);
            pack_text(&packer, op->splits[k].name);
            msgpack_pack_int64(&packer, op->splits[k].begin);
            msgpack_pack_int64(&packer, op->splits[k].end);
        }
    }
}

/* ---- reading ---- */

static bool text_of(const msgpack_object *object, struct arena *arena, const char **text)
{
    if (object->type != MSGPACK_OBJECT_STR || memchr(object->via.str.ptr, 0, object->via.str.size))
        return false;
    *text = arena_copy(arena, object->via.str.ptr, object->via.str.size);
    return true;
}

static bool i64_of(const msgpack_object *object, int64_t *value)
{
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX)
        *value = (int64_t)object->via.u64;
    else if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *value = object->via.i64;
    else
        return false;
    return true;
}

static const msgpack_object *array_of(const msgpack_object *object, uint32_t min, uint32_t max,
                                      uint32_t *count)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size < min ||
        object->via.array.size > max)
        return NULL;
    *count = object->via.array.size;
    return object->via.array.ptr;
}

static bool read_split(const msgpack_object *object, struct split_list *list)
{
    uint32_t count;
    const msgpack_object *items = array_of(object, 3, 3, &count);
    const char *name;
    int64_t begin, end;

    return items && text_of(&items[0], list->arena, &name) && i64_of(&items[1], &begin) &&
           i64_of(&items[2], &end) && split_list_add(list, name, begin, end);
}

static bool read_source(const msgpack_object *object, struct plan_op *op, struct arena *arena)
{
    struct split_list list = {.arena = arena};
    uint32_t count, splits;
    const msgpack_object *items = array_of(object, 2, 2, &count), *inner;
    const char *id;

    if (!items || !text_of(&items[0], arena, &id) || strcmp(id, op->id) != 0)
        return false;
    inner = array_of(&items[1], 0, SPLITS_MAX, &splits);
    if (!inner)
        return false;
    for (uint32_t i = 0; i < splits; i++)
        if (!read_split(&inner[i], &list))
            return false;
    op->splits = list.splits;
    op->split_count = list.count;
    return true;
}

static bool read_sources(struct planner *planner, const msgpack_object *object)
{
    struct plan *plan = planner->plan;
    uint32_t count, next = 0;
    const msgpack_object *items = array_of(object, 0, MESSAGE_SOURCES_MAX, &count);

    for (uint32_t i = 0; items && i < plan->op_count; i++) {
        if (!is_source(&plan->ops[i]))
            continue;
        if (next == count || !read_source(&items[next++], &plan->ops[i], planner->arena))
            return false;
    }
    return items && next == count;
}

static void read_splits(struct planner *planner)
{
    const struct plan_request *request = planner->request;
    msgpack_unpacked unpacked;
    size_t offset = 0;
    bool good;

    msgpack_unpacked_init(&unpacked);
    good = msgpack_unpack_next(&unpacked, (const char *)request->splits, request->splits_size,
                               &offset) == MSGPACK_UNPACK_SUCCESS &&
           offset == request->splits_size && read_sources(planner, &unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    if (!good)
        mistake_run(&planner->mistakes, request->path,
                    "run the same build and the same job file in every process",
                    "the splits that came with the job are not those of its sources");
}

/* ---- asking the sources ---- */

static void ask_source(struct planner *planner, struct plan_op *op)
{
    struct split_list list = {.arena = planner->arena};
    struct error err = {0};

    if (!op->def->splits(op->config, &list, &err)) {
        mistake_error(&planner->mistakes, planner->job.ops[op->index].node, &err);
        return;
    }
    op->splits = list.splits;
    op->split_count = list.count;
}

static void number_splits(struct plan *plan)
{
    uint32_t source = 0;

    for (uint32_t i = 0; i < plan->op_count; i++) {
        struct split *splits = (struct split *)plan->ops[i].splits;
        if (!is_source(&plan->ops[i]))
            continue;
        for (uint32_t k = 0; k < plan->ops[i].split_count; k++)
            splits[k].index = source * SPLITS_MAX + k;
        source++;
    }
}

void splits_make(struct planner *planner)
{
    struct plan *plan = planner->plan;

    switch (planner->request->split_mode) {
    case PLAN_SPLITS_MAKE:
        for (uint32_t i = 0; i < plan->op_count; i++)
            if (is_source(&plan->ops[i]) && !planner->job.ops[i].bad)
                ask_source(planner, &plan->ops[i]);
        break;
    case PLAN_SPLITS_GIVEN:
        if (mistakes_total(&planner->mistakes) == 0)
            read_splits(planner);
        break;
    case PLAN_SPLITS_UNKNOWN:
        break;
    }
    number_splits(plan);
}
