/* number: see number.h. Up to 19 digits with a small exponent take the fast path of Clinger (How to
 * read floating point numbers accurately, PLDI 1990): both the digits and the power of ten are
 * exact doubles, so one division or multiplication rounds right. The rest goes to from_chars. */
#include "runtime/batch/number.h"

#include "runtime/batch/json.h"

#include <math.h>
#include <stddef.h>

#define POWERS 23 /* powers of ten that are exact doubles */

static const double powers[POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

struct parts {
    const char *begin;
    uint64_t digits; /* all digits as one integer; meaningless over 19 of them */
    ptrdiff_t count; /* of digits without leading zeros */
    ptrdiff_t decimals;
    int32_t exponent; /* as written, capped */
    bool negative, integer;
};

static const char *read_digits(const char *at, struct parts *parts)
{
    for (; is_digit(*at); at++) {
        parts->digits = parts->digits * 10 + (uint64_t)(*at - '0');
        parts->count += parts->count > 0 || *at != '0';
    }
    return at;
}

/* Behind the exponent, or NULL when it has no digits. */
static const char *read_exponent(const char *at, struct parts *parts)
{
    bool negative = *at == '-';
    at += negative || *at == '+';
    if (!is_digit(*at))
        return NULL;
    for (; is_digit(*at); at++)
        if (parts->exponent < 100000)
            parts->exponent = parts->exponent * 10 + (*at - '0');
    if (negative)
        parts->exponent = -parts->exponent;
    return at;
}

static double to_f64(const struct parts *parts, const char *end)
{
    ptrdiff_t power = parts->exponent - parts->decimals;
    if (parts->count > 19 || parts->digits > UINT64_C(1) << 53 || power <= -POWERS ||
        power >= POWERS)
        return json_number(parts->begin, (size_t)(end - parts->begin));
    double value = (double)parts->digits;
    value = power < 0 ? value / powers[-power] : value * powers[power];
    return parts->negative ? -value : value;
}

static bool fits_i64(const struct parts *parts)
{
    return parts->integer && parts->count <= 19 &&
           parts->digits <= (uint64_t)INT64_MAX + parts->negative;
}

bool number_parse(const char *text, struct number *number)
{
    struct parts parts = {.begin = text, .negative = *text == '-', .integer = true};
    const char *whole = text + parts.negative;
    const char *at = read_digits(whole, &parts);
    if (at == whole)
        return false;
    number->leading_zero = *whole == '0' && at - whole > 1;
    if (*at == '.') {
        const char *point = at;
        at = read_digits(at + 1, &parts);
        parts.decimals = at - point - 1;
        parts.integer = false;
        if (parts.decimals == 0)
            return false;
    }
    if (*at == 'e' || *at == 'E') {
        at = read_exponent(at + 1, &parts);
        parts.integer = false;
        if (!at)
            return false;
    }
    number->end = at;
    number->integer = fits_i64(&parts);
    if (number->integer)
        number->i64 = (int64_t)(parts.negative ? 0 - parts.digits : parts.digits);
    else
        number->f64 = to_f64(&parts, at);
    return true;
}
