/* encode: cells as entries of sorted files. Numbers of keys are big-endian, so that bytes order as
 * numbers; signed ones have their sign bit flipped.
 *
 *   key    key group u16, state u32, then
 *            value, list, timer   key bytes
 *            map                  key size u16, key bytes, entry bytes
 *            pane                 begin i64, key size u16, key bytes, generation u16
 *   value  flags u8 (1: deleted, 2: stamped), [stamp i64 le], bytes of the C struct or list
 *
 * A state is named by the hash of its name, which holds when states come and go. The first entry
 * of a file has six zero bytes for a key: its value is the description of the file, JSON:
 *
 *   {"format": 1, "states": [{"name": "count.window", "kind": "pane", "size": 16, "ttl": 0,
 *     "pane": 60000, "floor": -9223372036854775808, "fields": [["n", "i64", 0, 8], ...]}, ...]}
 *
 * `floor`: panes that begin before it were dropped before this file was written: cells of older
 * files below it are gone. A pane's partials have generations: the newest cell of one generation
 * counts, and the generations are added up; 0 is the sum of those that cannot change any more. */
#ifndef MILLRACE_STATE_ENCODE_H
#define MILLRACE_STATE_ENCODE_H

#include "runtime/base/error.h"
#include "runtime/base/memory.h"
#include "state/cell.h"
#include "state/store.h"

#define FILE_FORMAT 1
#define FILE_STATES_MAX 4096u
#define FILE_KEY_MAX (6u + 8u + 2u + 2u * KEY_SIZE_MAX + 2u)
#define FILE_VALUE_MAX (9u + CELL_SIZE_MAX)
#define FILE_META_KEY_SIZE 6u

extern const uint8_t file_meta_key[FILE_META_KEY_SIZE];

struct file_cell {         /* an entry of a file, decoded; borrowed bytes */
    uint32_t group, state; /* key group; hash of the state's name */
    int64_t pane_ms;
    const uint8_t *key, *entry, *value;
    uint32_t key_size, entry_size, size;
    uint16_t generation;
    bool deleted, stamped;
    int64_t stamp;
};

struct layout { /* of one state in a file */
    uint32_t id;
    const char *name;
    enum store_kind kind;
    uint32_t size;
    int64_t ttl_ms, pane_ms, floor_ms;
    uint32_t field_count;
    const struct state_field *fields;
};

struct file_meta {
    uint32_t count;
    struct layout *layouts;
};

uint32_t state_id(const char *name); /* never 0 */
const char *store_kind_name(enum store_kind kind);
struct shape state_shape(const struct store_state *state);
/* The layout that this build gives a state. `fields` are borrowed. */
struct layout layout_of(const struct store_state *state, int64_t floor_ms);

/* Writes the key; returns its size. */
uint32_t file_key(enum store_kind kind, const struct file_cell *cell, uint8_t key[FILE_KEY_MAX]);
/* What comes before the bytes of the cell's value; returns its size, 1 or 9. */
uint32_t file_value_head(const struct file_cell *cell, uint8_t head[9]);
/* The cell in memory as an entry. */
void file_cell_of(const struct cell *cell, const struct shape *shape, const struct layout *layout,
                  int64_t pane_ms, uint32_t key_groups, struct file_cell *out);
/* Whether the bytes are an entry of this layout; points into them. */
bool file_cell_read(const struct layout *layout, const uint8_t *key, size_t key_size,
                    const uint8_t *value, size_t value_size, struct file_cell *out);
static inline uint32_t file_key_group(const uint8_t *key)
{
    return (uint32_t)key[0] << 8 | key[1];
}
static inline uint32_t file_key_state(const uint8_t *key)
{
    return (uint32_t)key[2] << 24 | (uint32_t)key[3] << 16 | (uint32_t)key[4] << 8 | key[5];
}

void file_meta_write(const struct layout *layouts, uint32_t count, struct bytes *out);
/* Arena-owned; NULL when the JSON is not a description. */
struct file_meta *file_meta_read(const uint8_t *data, size_t size, struct arena *arena,
                                 struct error *err);

/* How values of a file's layout become values of this build's. */
struct layout_map {
    bool same;
    uint32_t from_size, to_size, move_count;
    struct layout_move {
        uint32_t from, to, size;
    } * moves; /* arena-owned */
};
/* False with both layouts told when kinds, types or widths differ. */
bool layout_map(const struct layout *from, const struct layout *to, struct arena *arena,
                struct layout_map *map, struct error *err);
/* Converts a value; `out` has CELL_SIZE_MAX bytes. 0: does not fit. */
uint32_t layout_convert(const struct layout_map *map, const uint8_t *value, uint32_t size,
                        uint8_t *out);

#endif
