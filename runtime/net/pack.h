/* pack: msgpack into and out of byte strings, with strict reading. A reader walks one buffer; the
 * first wrong thing makes it fail for good, so that callers check once at the end. */
#ifndef MILLRACE_NET_PACK_H
#define MILLRACE_NET_PACK_H

#include "runtime/base/memory.h"

#include <msgpack.h>

#include <stdbool.h>
#include <string.h>

static inline int pack_append(void *data, const char *bytes, size_t size)
{
    bytes_put(data, bytes, size);
    return 0;
}

static inline msgpack_packer pack_into(struct bytes *out)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, pack_append);
    return packer;
}

static inline void pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text ? text : "", size);
}

static inline void pack_bytes(msgpack_packer *packer, const void *data, size_t size)
{
    msgpack_pack_bin(packer, size);
    msgpack_pack_bin_body(packer, size ? data : "", size);
}

/* One unpacked message: an array whose items are taken in order. Strings and bins point into the
 * buffer. */
struct unpack {
    msgpack_unpacked unpacked;
    struct unpack_level {
        const msgpack_object *items;
        uint32_t count, next;
    } levels[8];
    uint32_t level;
    bool failed;
};

bool unpack_begin(struct unpack *unpack, const uint8_t *data, size_t size); /* the outer array */
void unpack_end(struct unpack *unpack);
uint64_t unpack_u64(struct unpack *unpack);
int64_t unpack_i64(struct unpack *unpack);
double unpack_f64(struct unpack *unpack);
bool unpack_bool(struct unpack *unpack);
const uint8_t *unpack_bin(struct unpack *unpack, size_t *size); /* bin or str */
/* Copies text with its 0; fails when it does not fit. */
void unpack_text(struct unpack *unpack, char *text, size_t size);
/* Enters the next item, an array of at most `max`; returns its count. Leave it after. */
uint32_t unpack_array(struct unpack *unpack, uint32_t max);
void unpack_leave(struct unpack *unpack);

#endif
