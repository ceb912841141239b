/* What a subtask keeps in a checkpoint, from any bytes: refused, or within its bounds. */
#include "runtime/base/check.h"
#include "runtime/task/meta.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const uint8_t *part, size_t part_size, const uint8_t *data, size_t size)
{
    return part_size == 0 || (part >= data && part + part_size <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(4096);
    struct error err = {0};
    struct meta meta;

    if (!meta_decode(data, size, arena, &meta, &err)) {
        CHECK(err.code == ERROR_STATE);
        arena_close(arena);
        return 0;
    }
    for (uint32_t i = 0; i < meta.op_count; i++) {
        CHECK(strlen(meta.ops[i].id) < sizeof(meta.ops[i].id));
        for (uint32_t s = 0; s < meta.ops[i].split_count; s++)
            CHECK(meta.ops[i].splits[s].state <= SPLIT_DONE);
        for (uint32_t b = 0; b < meta.ops[i].bundle_count; b++)
            CHECK(inside(meta.ops[i].bundles[b].data, meta.ops[i].bundles[b].size, data, size));
    }
    for (uint32_t i = 0; i < meta.held_count; i++)
        CHECK(inside(meta.held[i].data, meta.held[i].size, data, size));
    arena_close(arena);
    return 0;
}
