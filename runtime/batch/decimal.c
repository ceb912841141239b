/* decimal: see decimal.h. Method: Schubfach (Giulietti 2020, "The Schubfach way to render doubles"). In
 * this range the powers of ten are whole and the products fit 128 bits, so no table of rounded powers is
 * needed and all is exact. */
#include "runtime/batch/decimal.h"

#include "runtime/base/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRACTION_BITS 52
#define BIAS 1075    /* of the exponent of a whole significand */
#define POWER_MAX 22 /* of ten */
#define DIGITS_MAX 17

typedef unsigned __int128 wide;

struct decimal { /* digits x 10^exponent */
    uint64_t digits;
    int exponent;
};

static wide power_of_ten(int power)
{
    static const uint64_t powers[POWER_MAX / 2 + 1] = {
        1,       10,       100,       1000,       10000,       100000,
        1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000};

    CHECK(power >= 0 && power <= POWER_MAX);
    return (wide)powers[power / 2] * powers[power - power / 2];
}

/* value / 2^shift, its last bit set where it is not whole: comparisons stay right. */
static uint64_t to_odd(wide value, unsigned shift)
{
    return (uint64_t)(value >> shift) | ((value & (((wide)1 << shift) - 1)) != 0);
}

/* significand x 2^exponent; all boundaries are four times what they bound. */
static struct decimal shortest(uint64_t significand, int exponent)
{
    bool closer = significand == UINT64_C(1) << FRACTION_BITS;  /* the one below */
    int k = (exponent * 1262611 - (closer ? 524031 : 0)) >> 22; /* floor(log10 of the distance) */
    wide power = power_of_ten(-k), middle = 4 * significand * power;
    uint64_t odd = significand & 1, value = to_odd(middle, (unsigned)-exponent);
    uint64_t lower = to_odd(middle - (closer ? power : 2 * power), (unsigned)-exponent) + odd;
    uint64_t upper = to_odd(middle + 2 * power, (unsigned)-exponent) - odd;
    uint64_t s = value / 4, tens = s / 10;
    bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;

    if (below != above)
        return (struct decimal){tens + above, k + 1};
    below = lower <= 4 * s;
    above = 4 * s + 4 <= upper;
    if (below != above)
        return (struct decimal){s + above, k};
    return (struct decimal){s + (value > 4 * s + 2 || (value == 4 * s + 2 && s % 2)), k};
}

/* Eight digits, zeros in front, two, then four at a time in one word. */
static void put_eight(char *to, uint32_t value)
{
    uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t high = (fours * 10486 >> 20) & UINT64_C(0x7f0000007f); /* by 100 */
    uint64_t twos = high | (fours - 100 * high) << 16;
    uint64_t tens = (twos * 103 >> 10) & UINT64_C(0x000f000f000f000f);
    uint64_t text = (tens | (twos - 10 * tens) << 8) + UINT64_C(0x3030303030303030);

    memcpy(to, &text, sizeof(text)); /* little-endian */
}

/* Digits with the point after the first `whole`, which may be before them; behind them stand zeros. */
static size_t put_point(char *to, const char *digits, size_t count, int whole)
{
    char text[2 * DECIMAL_MAX];
    size_t size, begin;

    if (whole <= 0) {
        begin = 2 + (size_t)-whole;
        memcpy(text, "0.00000000", 10);
        memcpy(text + begin, digits, DIGITS_MAX);
        size = begin + count;
    } else {
        begin = (size_t)whole;
        memcpy(text, digits, DIGITS_MAX);
        text[begin] = '.';
        memcpy(text + begin + 1, digits + begin, DIGITS_MAX);
        size = (count > begin ? count : begin + 1) + 1;
    }
    memcpy(to, text, DECIMAL_MAX - 1); /* of fixed sizes, these are moves of registers */
    return size;
}

size_t decimal_text(double value, char *text)
{
    char digits[2 * DIGITS_MAX], *first = digits;
    size_t count = DIGITS_MAX, sign = signbit(value) != 0;
    struct decimal decimal;
    uint64_t bits;

    CHECK(fabs(value) >= DECIMAL_LEAST && fabs(value) < DECIMAL_BELOW);
    memcpy(&bits, &value, sizeof(bits));
    decimal = shortest((bits & ((UINT64_C(1) << FRACTION_BITS) - 1)) | UINT64_C(1) << FRACTION_BITS,
                       (int)(bits >> FRACTION_BITS & 0x7ff) - BIAS);
    memset(digits + DIGITS_MAX, '0', DIGITS_MAX);
    digits[0] = (char)('0' + decimal.digits / 10000000000000000);
    put_eight(digits + 1, (uint32_t)(decimal.digits / 100000000 % 100000000));
    put_eight(digits + 9, (uint32_t)(decimal.digits % 100000000));
    for (; *first == '0'; first++)
        count--;
    decimal.exponent += (int)count; /* where the point stands */
    while (first[count - 1] == '0')
        count--;
    text[0] = '-';
    return sign + put_point(text + sign, first, count, decimal.exponent);
}
