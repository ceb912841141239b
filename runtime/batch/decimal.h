/* decimal: the shortest text of a double of a usual size, several times faster than std::to_chars. */
#ifndef MILLRACE_BATCH_DECIMAL_H
#define MILLRACE_BATCH_DECIMAL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DECIMAL_LEAST 1e-5
#define DECIMAL_BELOW 1e15
#define DECIMAL_MAX 32 /* bytes of room */

/* Of the decimals that read back as the value those with the fewest digits, of these the nearest; with a
 * point and no exponent. The value's size is in [DECIMAL_LEAST, DECIMAL_BELOW). Returns the length. */
size_t decimal_text(double value, char *text);

#ifdef __cplusplus
}
#endif

#endif
