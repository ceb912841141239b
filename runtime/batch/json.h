/* json: what is taken from C++: simdjson's first stage (it finds the structural characters of a
 * text with vector instructions, and checks UTF-8, quotes and control characters), its text
 * unescaping, and libstdc++'s exact conversions between doubles and text.
 * The walk over the structure is ours (decode_json.c). simdjson's On-Demand front end compiles
 * into the caller for the baseline processor only, checks nothing that is not read, and scans line
 * by line; the first stage picks its kernel at run time and may scan many lines at once.
 * Not for several threads. Texts need JSON_PADDING readable bytes behind them. */
#ifndef MILLRACE_BATCH_JSON_H
#define MILLRACE_BATCH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_PADDING 64

#ifdef __cplusplus
extern "C" {
#endif

enum json_fault {
    JSON_FINE,
    JSON_UNCLOSED,  /* a text without its closing quote */
    JSON_CONTROL,   /* an unescaped control character in a text */
    JSON_UTF8,      /* not UTF-8 */
    JSON_EMPTY,     /* white space alone */
    JSON_NO_MEMORY, /* or a text over 4 GiB */
};

struct json_scanner;
struct json_scanner *json_scanner_create(void);        /* NULL: out of memory */
void json_scanner_close(struct json_scanner *scanner); /* NULL is fine */

/* Finds the offsets of all structural characters, opening quotes and first characters of other
 * scalars. index[count] is `size`. Holds until the next call. */
enum json_fault json_scan(struct json_scanner *scanner, const char *text, size_t size,
                          const uint32_t **index, uint32_t *count);

/* Unescapes the text that begins behind its opening quote at `from` and has a closing one.
 * Writes at most as many bytes as it reads + JSON_PADDING. The end of what was written, or NULL
 * for a wrong escape. */
char *json_unescape(const struct json_scanner *scanner, const char *from, char *to);

bool json_utf8_valid(const char *text, size_t size);

/* The nearest double; overflow gives an infinity, underflow 0. `text` is a JSON number. */
double json_number(const char *text, size_t size);

#define JSON_NUMBER_MAX 32
/* The shortest text that reads back as the same number, always with a point or an exponent.
 * Finite numbers only. Returns the length, below JSON_NUMBER_MAX; not terminated. */
size_t json_f64_text(double value, char *text);
size_t json_f32_text(float value, char *text);

#ifdef __cplusplus
}
#endif

#endif
