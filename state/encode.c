/* See encode.h. */
#include "state/encode.h"

#include "runtime/batch/key.h"

#include <endian.h>

const uint8_t file_meta_key[FILE_META_KEY_SIZE] = {0};

enum value_flags { VALUE_DELETED = 1, VALUE_STAMPED = 2 };

#define SIGN (UINT64_C(1) << 63)

uint32_t state_id(const char *name)
{
    uint32_t id = (uint32_t)hash_bytes(name, strlen(name));

    return id ? id : 1;
}

const char *store_kind_name(enum store_kind kind)
{
    static const char *const names[] = {"value", "list", "map", "pane", "timer"};

    return names[kind];
}

#define TIMER_CELL_SIZE 16u
#define TIMER_FILE_SIZE 8u /* the due time; the rest is of this process only */

struct shape state_shape(const struct store_state *state)
{
    /* A struct whose size is no multiple of 16 needs no such alignment. */
    uint32_t size = state->kind == STORE_TIMER ? TIMER_CELL_SIZE : state->size;

    return (struct shape){
        .align = size % 16 == 0 && state->kind != STORE_TIMER ? 16 : 8,
        .stamp = state->ttl_ms > 0 ? 8 : 0,
        .back = state->kind == STORE_LIST ? 8 : 0,
        .map = state->kind == STORE_MAP,
        .list = state->kind == STORE_LIST,
    };
}

struct layout layout_of(const struct store_state *state, int64_t floor_ms)
{
    struct layout layout = {.id = state_id(state->name),
                            .name = state->name,
                            .kind = state->kind,
                            .size = state->kind == STORE_TIMER ? TIMER_FILE_SIZE : state->size,
                            .ttl_ms = state->ttl_ms,
                            .pane_ms = state->pane_ms,
                            .floor_ms = floor_ms,
                            .fields = state->fields};

    while (state->fields && state->fields[layout.field_count].name)
        layout.field_count++;
    return layout;
}

static uint8_t *put16(uint8_t *at, uint32_t value)
{
    uint16_t be = htobe16((uint16_t)value);

    memcpy(at, &be, 2);
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    uint32_t be = htobe32(value);

    memcpy(at, &be, 4);
    return at + 4;
}

static uint8_t *put_time(uint8_t *at, int64_t time)
{
    uint64_t be = htobe64((uint64_t)time ^ SIGN);

    memcpy(at, &be, 8);
    return at + 8;
}

static uint8_t *put_bytes(uint8_t *at, const void *data, uint32_t size)
{
    if (size)
        memcpy(at, data, size);
    return at + size;
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static int64_t get_time(const uint8_t *at)
{
    uint64_t be;

    memcpy(&be, at, 8);
    return (int64_t)(be64toh(be) ^ SIGN);
}

uint32_t file_key(enum store_kind kind, const struct file_cell *cell, uint8_t key[FILE_KEY_MAX])
{
    uint8_t *at = put32(put16(key, cell->group), cell->state);

    CHECK(cell->key_size <= KEY_SIZE_MAX && cell->entry_size <= KEY_SIZE_MAX);
    if (kind == STORE_PANE)
        at = put_time(at, cell->pane_ms);
    if (kind == STORE_PANE || kind == STORE_MAP)
        at = put16(at, cell->key_size);
    at = put_bytes(at, cell->key, cell->key_size);
    if (kind == STORE_MAP)
        at = put_bytes(at, cell->entry, cell->entry_size);
    if (kind == STORE_PANE)
        at = put16(at, cell->generation);
    return (uint32_t)(at - key);
}

uint32_t file_value_head(const struct file_cell *cell, uint8_t head[9])
{
    uint64_t le = htole64((uint64_t)cell->stamp);

    head[0] = (uint8_t)((cell->deleted ? VALUE_DELETED : 0) | (cell->stamped ? VALUE_STAMPED : 0));
    memcpy(head + 1, &le, 8);
    return cell->stamped ? 9 : 1;
}

void file_cell_of(const struct cell *cell, const struct shape *shape, const struct layout *layout,
                  int64_t pane_ms, uint32_t key_groups, struct file_cell *out)
{
    *out = (struct file_cell){
        .group = key_group(cell_key_hash(cell), key_groups),
        .state = layout->id,
        .pane_ms = pane_ms,
        .key = cell->bytes,
        .key_size = cell_key_size(cell),
        .entry = cell->bytes + cell_key_size(cell),
        .entry_size = cell_entry_size(cell, shape),
        .generation = layout->kind == STORE_PANE ? cell->aux : 0,
        .deleted = cell_flags(cell) & CELL_DELETED,
        .stamped = shape->stamp != 0,
        .value = cell_value(cell, shape),
        .size = cell_size(cell),
    };
    if (out->stamped)
        out->stamp = *cell_stamp(cell, shape);
    if (out->deleted)
        out->size = 0;
    else if (layout->kind == STORE_TIMER)
        out->size = TIMER_FILE_SIZE;
}

static bool read_key(const struct layout *layout, const uint8_t *key, size_t size,
                     struct file_cell *out)
{
    uint32_t tail = layout->kind == STORE_PANE ? 2 : 0;

    out->group = file_key_group(key);
    out->state = file_key_state(key);
    key += 6;
    size -= 6;
    if (layout->kind == STORE_PANE) {
        if (size < 8)
            return false;
        out->pane_ms = get_time(key);
        key += 8;
        size -= 8;
    }
    out->key_size = (uint32_t)size;
    if (layout->kind == STORE_PANE || layout->kind == STORE_MAP) {
        if (size < 2u + tail || get16(key) > size - 2 - tail)
            return false;
        out->key_size = get16(key);
        key += 2;
        size -= 2;
    }
    out->key = key;
    out->entry = key + out->key_size;
    out->entry_size = (uint32_t)size - out->key_size - tail;
    if (tail)
        out->generation = (uint16_t)get16(key + size - 2);
    return out->key_size <= KEY_SIZE_MAX && out->entry_size <= KEY_SIZE_MAX &&
           (layout->kind == STORE_MAP || out->entry_size == 0);
}

bool file_cell_read(const struct layout *layout, const uint8_t *key, size_t key_size,
                    const uint8_t *value, size_t value_size, struct file_cell *out)
{
    *out = (struct file_cell){0};
    if (key_size < 6 || key_size > FILE_KEY_MAX || !read_key(layout, key, key_size, out))
        return false;
    if (value_size < 1 || value[0] > (VALUE_DELETED | VALUE_STAMPED))
        return false;
    out->deleted = value[0] & VALUE_DELETED;
    out->stamped = value[0] & VALUE_STAMPED;
    if (out->stamped) {
        uint64_t le;

        if (value_size < 9)
            return false;
        memcpy(&le, value + 1, 8);
        out->stamp = (int64_t)le64toh(le);
    }
    out->value = value + (out->stamped ? 9 : 1);
    value_size -= out->stamped ? 9 : 1;
    if (value_size > CELL_SIZE_MAX)
        return false;
    out->size = (uint32_t)value_size;
    if (out->deleted)
        return value_size == 0;
    return layout->kind == STORE_LIST ? value_size >= layout->size : value_size == layout->size;
}
