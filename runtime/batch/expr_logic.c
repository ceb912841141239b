/* Kernels of three-valued logic and of choice: 64 rows are one word. */
#include "runtime/batch/expr_parts.h"

static uint64_t word(const struct strip *strip, uint32_t operand)
{
    return *(const uint64_t *)strip->in[operand];
}

/* False when a side is false, whatever the other is. */
uint64_t logic_and(const struct strip *strip)
{
    uint64_t a = word(strip, 0), b = word(strip, 1);
    uint64_t yes = strip->valid[0] & a & strip->valid[1] & b;
    uint64_t no = (strip->valid[0] & ~a) | (strip->valid[1] & ~b);

    *(uint64_t *)strip->out = yes;
    return yes | no;
}

/* True when a side is true, whatever the other is. */
uint64_t logic_or(const struct strip *strip)
{
    uint64_t a = word(strip, 0), b = word(strip, 1);
    uint64_t yes = (strip->valid[0] & a) | (strip->valid[1] & b);
    uint64_t no = strip->valid[0] & ~a & strip->valid[1] & ~b;

    *(uint64_t *)strip->out = yes;
    return yes | no;
}

uint64_t logic_not(const struct strip *strip)
{
    *(uint64_t *)strip->out = ~word(strip, 0);
    return ALL_ROWS;
}

uint64_t logic_is_null(const struct strip *strip)
{
    *(uint64_t *)strip->out = ~strip->valid[0];
    return ALL_ROWS;
}

uint64_t logic_is_not_null(const struct strip *strip)
{
    *(uint64_t *)strip->out = strip->valid[0];
    return ALL_ROWS;
}

/* Rows where the condition is true, and not null. */
static uint64_t chosen(const struct strip *strip)
{
    return word(strip, 0) & strip->valid[0];
}

static uint64_t chosen_valid(const struct strip *strip, uint64_t yes)
{
    return (yes & strip->valid[1]) | (~yes & strip->valid[2]);
}

/* By masks, so that nothing depends on what the bits mean. */
uint64_t logic_select_number(const struct strip *strip)
{
    const uint64_t *a = strip->in[1], *b = strip->in[2];
    uint64_t *out = strip->out, yes = chosen(strip);

    for (uint32_t i = 0; i < STRIP; i++) {
        uint64_t mask = 0 - (yes >> i & 1);
        out[i] = (a[i] & mask) | (b[i] & ~mask);
    }
    return chosen_valid(strip, yes);
}

uint64_t logic_select_text(const struct strip *strip)
{
    const struct text *a = strip->in[1], *b = strip->in[2];
    struct text *out = strip->out;
    uint64_t yes = chosen(strip);

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = yes >> i & 1 ? a[i] : b[i];
    return chosen_valid(strip, yes);
}

uint64_t logic_select_bool(const struct strip *strip)
{
    uint64_t yes = chosen(strip);

    *(uint64_t *)strip->out = (yes & word(strip, 1)) | (~yes & word(strip, 2));
    return chosen_valid(strip, yes);
}
