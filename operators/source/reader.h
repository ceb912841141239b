/* reader: the records of one split of a file, in the file's order.
 * A split is a range of a plain file that begins and ends with a record, or a whole file. The
 * buffer holds the records in work, and grows to one record's bound. Not for several threads. */
#ifndef MILLRACE_SOURCE_READER_H
#define MILLRACE_SOURCE_READER_H

#include "runtime/batch/decode.h"

struct reader;

struct reader_place { /* where to go on */
    uint64_t offset;
    struct decoder_state state;
};

/* `from` NULL: the beginning. `decode` is copied, its schema borrowed. `end` does not count in a compressed file. */
struct reader *reader_open(const char *path, uint64_t begin, uint64_t end,
                           const struct reader_place *from, const struct decode_options *decode,
                           struct error *err);
void reader_close(struct reader *reader); /* NULL is fine */

enum reader_step {
    READER_FAILED,
    READER_MORE, /* some of rows, rejects or bytes; raws of rejects hold until the next call */
    READER_END,
};
/* Adds up to `rows` rows; reads the file at most once. */
enum reader_step reader_step(struct reader *reader, uint32_t rows, struct builder *out,
                             struct rejects *rejects, struct error *err);
struct reader_place reader_place(const struct reader *reader); /* behind what was given */

#endif
