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

/* Walks the bytes themselves: msgpack-c's unpacker takes memory for as many items as an array says
 * that it has, before it sees whether they are there. The first wrong byte fails for good. */
struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static uint8_t read_byte(struct reader *reader)
{
    if (reader->at == reader->end) {
        reader->failed = true;
        return 0;
    }
    return *reader->at++;
}

static uint64_t read_be(struct reader *reader, uint32_t size)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < size; i++)
        value = value << 8 | read_byte(reader);
    return value;
}

static uint32_t read_array(struct reader *reader, uint32_t max)
{
    uint8_t tag = read_byte(reader);
    uint64_t count = 0;

    if (tag >> 4 == 0x9)
        count = tag & 0xf;
    else if (tag == 0xdc || tag == 0xdd)
        count = read_be(reader, tag == 0xdc ? 2 : 4);
    else
        reader->failed = true;
    reader->failed |= count > max;
    return reader->failed ? 0 : (uint32_t)count;
}

static const char *read_text(struct reader *reader, struct arena *arena)
{
    uint8_t tag = read_byte(reader);
    uint64_t size = 0;
    const uint8_t *data;

    if (tag >> 5 == 0x5)
        size = tag & 0x1f;
    else if (tag >= 0xd9 && tag <= 0xdb)
        size = read_be(reader, 1u << (tag - 0xd9));
    else
        reader->failed = true;
    reader->failed |= size > (uint64_t)(reader->end - reader->at);
    if (reader->failed || memchr(reader->at, 0, size)) {
        reader->failed = true;
        return "";
    }
    data = reader->at;
    reader->at += size;
    return arena_copy(arena, data, size);
}

static int64_t read_i64(struct reader *reader)
{
    uint8_t tag = read_byte(reader);
    uint64_t value;

    if (tag < 0x80 || tag >= 0xe0)
        return (int8_t)tag;
    if (tag < 0xcc || tag > 0xd3) {
        reader->failed = true;
        return 0;
    }
    value = read_be(reader, 1u << (tag & 3));
    if (tag < 0xd0) {
        reader->failed |= value > INT64_MAX;
        return (int64_t)value;
    }
    switch (tag) { /* signed: the sign stands at the width's top */
    case 0xd0:
        return (int8_t)value;
    case 0xd1:
        return (int16_t)value;
    case 0xd2:
        return (int32_t)value;
    default:
        return (int64_t)value;
    }
}

static void read_source(struct reader *reader, struct plan_op *op, struct arena *arena)
{
    struct split_list list = {.arena = arena};
    uint32_t count;

    reader->failed |= read_array(reader, 2) != 2;
    reader->failed |= strcmp(read_text(reader, arena), op->id) != 0;
    count = read_array(reader, SPLITS_MAX);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        const char *name;
        int64_t begin;
        reader->failed |= read_array(reader, 3) != 3;
        name = read_text(reader, arena);
        begin = read_i64(reader);
        reader->failed |= !split_list_add(&list, name, begin, read_i64(reader));
    }
    op->splits = list.splits;
    op->split_count = list.count;
}

static void read_splits(struct planner *planner)
{
    const struct plan_request *request = planner->request;
    struct reader reader = {request->splits, request->splits + request->splits_size, false};
    struct plan *plan = planner->plan;
    uint32_t count = read_array(&reader, OPERATORS_MAX);

    for (uint32_t i = 0; i < plan->op_count && !reader.failed; i++) {
        if (!is_source(&plan->ops[i]))
            continue;
        if (count == 0)
            reader.failed = true;
        else
            count--;
        read_source(&reader, &plan->ops[i], planner->arena);
    }
    if (reader.failed || count || reader.at != reader.end)
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
