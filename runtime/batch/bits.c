/* See bits.h. A byte is put together in a register; only the ends go bit by bit. */
#include "runtime/batch/bits.h"

#include <string.h>

void bits_fill(uint8_t *bits, uint32_t begin, uint32_t end, bool value)
{
    for (; begin < end && (begin & 7); begin++)
        bit_put(bits, begin, value);
    if (begin >= end)
        return;
    memset(bits + (begin >> 3), value ? 0xff : 0, (end - begin) >> 3);
    for (begin = end & ~7u; begin < end; begin++)
        bit_put(bits, begin, value);
}

void bits_gather(uint8_t *to, uint32_t begin, const uint8_t *from, const uint32_t *rows,
                 uint32_t count)
{
    uint32_t i = 0;

    for (; i < count && ((begin + i) & 7); i++)
        bit_put(to, begin + i, bit_get(from, rows[i]));
    for (; i + 8 <= count; i += 8) {
        uint32_t byte = 0;

        for (uint32_t k = 0; k < 8; k++)
            byte |= (uint32_t)bit_get(from, rows[i + k]) << k;
        to[(begin + i) >> 3] = (uint8_t)byte;
    }
    for (; i < count; i++)
        bit_put(to, begin + i, bit_get(from, rows[i]));
}
