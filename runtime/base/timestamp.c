/* timestamp: reading and writing of times. On the path of every CSV and JSON row: fixed places,
 * digits checked by one comparison each and all at once at the end, no table, no libc. Fractions
 * past the millisecond are dropped. Not read: week dates, ordinal dates, second 60, hour 24. */
#include "runtime/base/timestamp.h"

#define DAY_MS INT64_C(86400000)
#define OFFSET_HOURS_MAX 18u

/* Two digits; what is not a digit sets bits of `bad`. */
static inline uint32_t two(const char *text, uint32_t *bad)
{
    uint32_t high = (uint32_t)(unsigned char)text[0] - '0';
    uint32_t low = (uint32_t)(unsigned char)text[1] - '0';

    *bad |= (uint32_t)(high > 9) | (uint32_t)(low > 9);
    return high * 10 + low;
}

/* Days since 1970-01-01: years begin in March, so that the leap day is the last of its year. */
static inline int64_t days_from_civil(int64_t year, uint32_t month, uint32_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    uint32_t of_era = (uint32_t)(year - era * 400);
    uint32_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The same for the years that are parsed, without a 64-bit division; year > 0. */
static inline int64_t days_from_parts(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t shift = month <= 2, centuries;

    year -= shift;
    centuries = year / 100;
    return (int64_t)(year * 1461 / 4 - centuries + centuries / 4 +
                     (153 * (month + 12 * shift - 3) + 2) / 5 + day - 1) -
           719468;
}

/* Of the years that divide by 100 those that divide by 400 also divide by 16, and the rest do not. */
static inline bool leap(int64_t year)
{
    return (year & (year % 100 == 0 ? 15 : 3)) == 0;
}

static inline uint32_t month_days(uint32_t year, uint32_t month)
{
    if (month == 2)
        return leap(year) ? 29 : 28;
    return 30 + ((month + (month >> 3)) & 1);
}

/* `.` or `,` and one to nine digits at *at; without, ms is 0. False: a point without digits. */
static bool parse_fraction(const char **at, const char *end, uint32_t *ms)
{
    static const uint32_t scales[] = {0, 100, 10, 1};
    const char *text = *at;
    uint32_t digits = 0, value = 0;

    *ms = 0;
    if (text == end || (*text != '.' && *text != ','))
        return true;
    if (end - text == 5 && text[4] == 'Z') { /* the commonest form */
        uint32_t bad = 0, last = (uint32_t)(unsigned char)text[3] - '0';

        *ms = two(text + 1, &bad) * 10 + last;
        *at = text + 4;
        return !bad && last <= 9;
    }
    for (text++; text < end && (unsigned char)(*text - '0') <= 9; text++, digits++)
        if (digits < 3)
            value = value * 10 + (uint32_t)(*text - '0');
    *ms = value * scales[digits < 3 ? digits : 3];
    *at = text;
    return digits > 0 && digits <= 9;
}

/* Nothing, `Z`, `+hh`, `+hhmm` or `+hh:mm`, up to the end. */
static bool parse_offset(const char *text, const char *end, int64_t *offset_ms)
{
    uint32_t hours, minutes = 0, bad = 0;
    ptrdiff_t size = end - text;

    *offset_ms = 0;
    if (size == 0 || (size == 1 && (*text == 'Z' || *text == 'z')))
        return true;
    if ((size != 3 && size != 5 && size != 6) || (*text != '+' && *text != '-'))
        return false;
    hours = two(text + 1, &bad);
    if (size == 6 && text[3] != ':')
        return false;
    if (size > 3)
        minutes = two(end - 2, &bad);
    if (bad || hours > OFFSET_HOURS_MAX || minutes > 59)
        return false;
    *offset_ms = (int64_t)(hours * 60 + minutes) * (*text == '+' ? 60000 : -60000);
    return true;
}

/* What follows the ten characters of the date: `T` or a space, `hh:mm`, perhaps `:ss` and so on. */
static bool parse_time(const char *text, const char *end, int64_t *ms)
{
    uint32_t hour, minute, second = 0, fraction = 0, bad = 0;
    int64_t offset_ms;

    if (end - text < 6 || (*text != 'T' && *text != ' ' && *text != 't') || text[3] != ':')
        return false;
    hour = two(text + 1, &bad);
    minute = two(text + 4, &bad);
    text += 6;
    if (text < end && *text == ':') {
        if (end - text < 3)
            return false;
        second = two(text + 1, &bad);
        text += 3;
        if (!parse_fraction(&text, end, &fraction))
            return false;
    }
    if (bad || hour > 23 || minute > 59 || second > 59 || !parse_offset(text, end, &offset_ms))
        return false;
    *ms = (int64_t)((hour * 60 + minute) * 60 + second) * 1000 + fraction - offset_ms;
    return true;
}

bool timestamp_parse(const char *text, size_t size, int64_t *ms)
{
    uint32_t year, month, day, bad = 0;
    int64_t date_ms, time_ms = 0;

    if (size < 10 || text[4] != '-' || text[7] != '-')
        return false;
    year = two(text, &bad) * 100;
    year += two(text + 2, &bad);
    month = two(text + 5, &bad);
    day = two(text + 8, &bad);
    if (bad || year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    if (size > 10 && !parse_time(text + 10, text + size, &time_ms))
        return false;
    date_ms = days_from_parts(year, month, day) * DAY_MS + time_ms;
    if (date_ms < TIMESTAMP_MIN_MS || date_ms > TIMESTAMP_MAX_MS)
        return false; /* an offset carried it over the edge */
    *ms = date_ms;
    return true;
}

int64_t timestamp_from_civil(int32_t year, int32_t month, int32_t day)
{
    CHECK(month >= 1 && month <= 12);
    CHECK(day >= 1 && day <= 31);
    CHECK(year >= -290000000 && year <= 290000000);
    return days_from_civil(year, (uint32_t)month, (uint32_t)day) * DAY_MS;
}

struct civil timestamp_civil(int64_t ms)
{
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0);
    uint32_t of_day = (uint32_t)(ms - days * DAY_MS);
    int64_t shifted = days + 719468; /* from 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    uint32_t of_era = (uint32_t)(shifted - era * 146097);
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; /* from March */
    int64_t whole_year = year + era * 400 + (month >= 10);
    bool after_february = month < 10;

    return (struct civil){
        .year = (int32_t)whole_year,
        .month = (int32_t)(after_february ? month + 3 : month - 9),
        .day = (int32_t)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (int32_t)(of_day / 3600000),
        .minute = (int32_t)(of_day / 60000 % 60),
        .second = (int32_t)(of_day / 1000 % 60),
        .millisecond = (int32_t)(of_day % 1000),
        .weekday = (int32_t)(((days + 3) % 7 + 7) % 7 + 1), /* 1970-01-01 was a Thursday */
        .day_of_year = (int32_t)(after_february ? of_year + 60 + leap(whole_year) : of_year - 305),
    };
}

static char *put_digits(char *text, uint32_t value, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; value /= 10)
        text[i] = (char)('0' + value % 10);
    return text + digits;
}

size_t timestamp_text(int64_t ms, char *text, size_t size)
{
    struct civil civil = timestamp_civil(ms);
    char *at = text;

    CHECK(size >= 32);
    if (civil.year < 0 || civil.year > 9999) { /* ISO 8601's expanded form */
        *at++ = civil.year < 0 ? '-' : '+';
        at = put_digits(at, (uint32_t)(civil.year < 0 ? -civil.year : civil.year), 9);
    } else {
        at = put_digits(at, (uint32_t)civil.year, 4);
    }
    *at++ = '-';
    at = put_digits(at, (uint32_t)civil.month, 2);
    *at++ = '-';
    at = put_digits(at, (uint32_t)civil.day, 2);
    *at++ = 'T';
    at = put_digits(at, (uint32_t)civil.hour, 2);
    *at++ = ':';
    at = put_digits(at, (uint32_t)civil.minute, 2);
    *at++ = ':';
    at = put_digits(at, (uint32_t)civil.second, 2);
    *at++ = '.';
    at = put_digits(at, (uint32_t)civil.millisecond, 3);
    *at++ = 'Z';
    *at = 0;
    return (size_t)(at - text);
}
