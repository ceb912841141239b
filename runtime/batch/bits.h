/* bits: bitmaps as in Arrow, least significant bit first. Callers see to it that the bytes are
 * there. Private to runtime/batch. */
#ifndef MILLRACE_BATCH_BITS_H
#define MILLRACE_BATCH_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t bits_size(uint32_t count) /* bytes */
{
    return ((size_t)count + 7) / 8;
}

static inline bool bit_get(const uint8_t *bits, uint32_t at)
{
    return bits[at >> 3] >> (at & 7) & 1;
}

static inline void bit_put(uint8_t *bits, uint32_t at, bool value)
{
    uint32_t mask = 1u << (at & 7);

    bits[at >> 3] = (uint8_t)((bits[at >> 3] & ~mask) | (value ? mask : 0));
}

/* Puts `value` into the bits [begin, end). */
void bits_fill(uint8_t *bits, uint32_t begin, uint32_t end, bool value);
/* Bit begin + i of `to` becomes bit rows[i] of `from`. */
void bits_gather(uint8_t *to, uint32_t begin, const uint8_t *from, const uint32_t *rows,
                 uint32_t count);

#endif
