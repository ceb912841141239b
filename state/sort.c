/* See sort.h. */
#include "state/sort.h"

#include "runtime/batch/key.h"

#include <endian.h>

#define SMALL 24u /* below: insertion */

/* The bytes that order cells of one key size: those of the key, of a map's entry too. A pane's
 * generation comes last, by comparison. */
static uint32_t text_size(const struct cell *cell, enum sort_form form)
{
    return cell_key_size(cell) + (form == SORT_ENTRY ? cell->aux : 0);
}

/* Eight of them from `depth` on, zeros past the end. */
static uint64_t text_word(const struct cell *cell, uint32_t size, uint32_t depth)
{
    uint64_t word = 0;

    if (size >= depth + 8) {
        memcpy(&word, cell->bytes + depth, 8);
        return be64toh(word);
    }
    for (uint32_t i = depth; i < size; i++)
        word |= (uint64_t)cell->bytes[i] << (56 - 8 * (i - depth));
    return word;
}

int sort_compare(const struct cell *a, const struct cell *b, enum sort_form form)
{
    uint32_t a_size = cell_key_size(a), b_size = cell_key_size(b);
    uint32_t shorter = a_size < b_size ? a_size : b_size;
    int order;

    if (form != SORT_PLAIN && a_size != b_size)
        return a_size < b_size ? -1 : 1;
    order = memcmp(a->bytes, b->bytes, shorter);
    if (order || form == SORT_PLAIN)
        return order ? order : (a_size > b_size) - (a_size < b_size);
    if (form == SORT_PANE)
        return (a->aux > b->aux) - (a->aux < b->aux);
    shorter = a->aux < b->aux ? a->aux : b->aux;
    order = memcmp(a->bytes + a_size, b->bytes + a_size, shorter);
    return order ? order : (a->aux > b->aux) - (a->aux < b->aux);
}

static void sort_small(struct sort_entry *entries, uint32_t count, enum sort_form form)
{
    for (uint32_t i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        uint32_t k = i;

        for (; k > 0; k--) {
            const struct sort_entry *before = &entries[k - 1];

            if (before->word < entry.word ||
                (before->word == entry.word && sort_compare(before->cell, entry.cell, form) <= 0))
                break;
            entries[k] = *before;
        }
        entries[k] = entry;
    }
}

/* One stable pass over the byte at `shift`; the result is in `out`. */
static void radix_pass(const struct sort_entry *in, struct sort_entry *out, uint32_t count,
                       unsigned shift)
{
    uint32_t starts[256] = {0}, sum = 0;

    for (uint32_t i = 0; i < count; i++)
        starts[in[i].word >> shift & 0xff]++;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t here = starts[i];

        starts[i] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < count; i++)
        out[starts[in[i].word >> shift & 0xff]++] = in[i];
}

static void radix_word(struct sort_entry *entries, struct sort_entry *spare, uint32_t count,
                       uint64_t differ)
{
    struct sort_entry *in = entries, *out = spare, *swap;

    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 0xff))
            continue;
        radix_pass(in, out, count, shift);
        swap = in;
        in = out;
        out = swap;
    }
    if (in != entries)
        memcpy(entries, in, count * sizeof(*entries));
}

static void sort_from(struct sort_entry *entries, struct sort_entry *spare, uint32_t count,
                      enum sort_form form, uint32_t depth)
{
    uint64_t differ = 0;
    bool ended = true; /* no key reaches past this word */

    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = text_size(entries[i].cell, form);

        entries[i].word = text_word(entries[i].cell, size, depth);
        differ |= entries[i].word ^ entries[0].word;
        ended &= size <= depth + 8;
    }
    if (count < SMALL || (ended && !differ)) {
        sort_small(entries, count, form);
        return;
    }
    radix_word(entries, spare, count, differ);
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && entries[end].word == entries[begin].word; end++)
            ;
        if (end - begin > 1)
            sort_from(entries + begin, spare, end - begin, form, depth + 8);
    }
}

void sort_cells(struct sort_entry *entries, struct sort_entry *spare, uint32_t count,
                enum sort_form form)
{
    uint64_t differ = 0;

    if (count < 2)
        return;
    for (uint32_t i = 0; form != SORT_PLAIN && i < count; i++) {
        entries[i].word = cell_key_size(entries[i].cell);
        differ |= entries[i].word ^ entries[0].word;
    }
    if (!differ) {
        sort_from(entries, spare, count, form, 0);
        return;
    }
    radix_word(entries, spare, count, differ);
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        uint64_t size = entries[begin].word;

        for (end = begin + 1; end < count && entries[end].word == size; end++)
            ;
        sort_from(entries + begin, spare, end - begin, form, 0);
    }
}

void sort_grouped(struct sort_entry *entries, struct sort_entry *spare, uint32_t count,
                  uint32_t key_groups, enum sort_form form)
{
    for (uint32_t i = 0; i < count; i++)
        entries[i].word = key_group(cell_key_hash(entries[i].cell), key_groups);
    radix_word(entries, spare, count, 0xffff);
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        uint64_t group = entries[begin].word;

        for (end = begin + 1; end < count && entries[end].word == group; end++)
            ;
        sort_cells(entries + begin, spare, end - begin, form);
    }
}
