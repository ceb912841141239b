/* number: text to numbers, fast and exact, for the decoders. The text must end with a character
 * that is no part of a number (a delimiter, a newline, 0): nothing behind it counts. */
#ifndef MILLRACE_BATCH_NUMBER_H
#define MILLRACE_BATCH_NUMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits are read as little-endian words");

struct number {
    const char *end;   /* behind the number */
    bool integer;      /* no point, no exponent, fits i64: `i64` holds */
    bool leading_zero; /* as in 007: no JSON */
    int64_t i64;
    double f64; /* otherwise; an infinity when it is out of range */
};

/* Reads [-] digits [. digits] [e [+-] digits]. False when there is no number. */
bool number_parse(const char *text, struct number *number);

/* How many of the 8 characters are digits before the first that is none, and their value. */
static inline uint32_t number_digits(const char *text, uint64_t *value)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    word ^= UINT64_C(0x3030303030303030);
    uint64_t others = ((word & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x7676767676767676)) | word;
    others &= UINT64_C(0x8080808080808080);
    uint32_t count = others ? (uint32_t)__builtin_ctzll(others) / 8 : 8;
    if (count == 0)
        return 0;
    word <<= (8 - count) * 8; /* zeros in front */
    word = word * 10 + (word >> 8);
    *value = (((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
              (((word >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
             32;
    return count;
}

/* As number_parse, with the common case (an integer of under 16 digits) in line and without
 * branches on single digits. 24 bytes behind `text` must be readable. */
static inline bool number_read(const char *text, struct number *number)
{
    static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    const char *digits = text + (*text == '-');
    uint64_t value = 0, more = 0;
    uint32_t count = number_digits(digits, &value);

    if (count == 8) {
        uint32_t next = number_digits(digits + 8, &more);
        if (next == 8)
            return number_parse(text, number);
        value = value * tens[next] + (next ? more : 0);
        count += next;
    }
    char end = digits[count];
    if (count == 0 || end == '.' || end == 'e' || end == 'E')
        return number_parse(text, number);
    number->end = digits + count;
    number->integer = true;
    number->leading_zero = *digits == '0' && count > 1;
    number->i64 = *text == '-' ? -(int64_t)value : (int64_t)value;
    return true;
}

static inline double number_f64(const struct number *number)
{
    return number->integer ? (double)number->i64 : number->f64;
}

/* The number as an integer when it is one, 3.0 too (up to 2^53, so that nothing is rounded). */
static inline bool number_i64(const struct number *number, int64_t *value)
{
    if (number->integer) {
        *value = number->i64;
        return true;
    }
    if (!(number->f64 >= -0x1p53 && number->f64 <= 0x1p53) ||
        number->f64 != (double)(int64_t)number->f64)
        return false;
    *value = (int64_t)number->f64;
    return true;
}

#endif
