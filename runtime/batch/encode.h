/* encode: rows of a schema as JSON lines or CSV.
 *
 * JSON: one object a row; dots in names nest (`context.hour` -> {"context":{"hour":..}}), columns of
 * one object stand together where its first one stands; lists are arrays of objects; nulls are
 * written; nan and infinities are null. Floats are the shortest text that reads back as the same
 * number, so the same rows give the same bytes everywhere. Bytes that are no UTF-8 become U+FFFD.
 * CSV: RFC 4180, \n as line end, null is nothing, an empty text is "", lists and vectors are
 * JSON in quotes. Not for several threads. */
#ifndef MILLRACE_BATCH_ENCODE_H
#define MILLRACE_BATCH_ENCODE_H

#include "runtime/batch/batch.h"

enum encode_format { ENCODE_JSON, ENCODE_CSV };
enum timestamp_format { TIMESTAMP_MS, TIMESTAMP_ISO };

struct encode_options {
    enum encode_format format;
    enum timestamp_format timestamps;
    uint32_t top; /* list elements that are written, 0: all */
};

struct encoder;

/* `schema` is borrowed. */
struct encoder *encoder_create(const struct schema *schema, const struct encode_options *options);
void encoder_close(struct encoder *encoder); /* NULL is fine */

/* Appends the selected rows, a line each. */
void encode_rows(struct encoder *encoder, const struct batch *batch, struct bytes *out);
/* CSV: the line of column names. JSON: nothing. */
void encode_header(const struct encoder *encoder, struct bytes *out);
/* Appends a text as JSON, with its quotes. */
void encode_text(const char *text, size_t size, struct bytes *out);

#endif
