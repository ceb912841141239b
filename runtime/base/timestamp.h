/* timestamp: text to and from ms since 1970 UTC. Reads ISO 8601 (`1997-09-20T03:05:10.123Z`,
 * `+02:00`, date alone) and `yyyy-MM-dd HH:mm:ss.SSS`; UTC unless the text says otherwise.
 * Calendar by days_from_civil (Hinnant 2013, proleptic Gregorian). */
#ifndef MILLRACE_BASE_TIMESTAMP_H
#define MILLRACE_BASE_TIMESTAMP_H

#include "runtime/base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_MIN_MS INT64_C(-62135596800000) /* year 1 */
#define TIMESTAMP_MAX_MS INT64_C(253402300799999) /* year 9999 */

struct civil { /* UTC */
    int32_t year, month, day, hour, minute, second, millisecond;
    int32_t weekday;     /* 1 Monday to 7 Sunday */
    int32_t day_of_year; /* from 1 */
};

bool timestamp_parse(const char *text, size_t size, int64_t *ms) NODISCARD;
struct civil timestamp_civil(int64_t ms);
int64_t timestamp_from_civil(int32_t year, int32_t month, int32_t day); /* midnight, ms */
/* `1997-09-20T03:05:10.123Z`; size >= 32; returns the length. */
size_t timestamp_text(int64_t ms, char *text, size_t size);

#endif
