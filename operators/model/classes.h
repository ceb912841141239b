/* classes: numbers the values of a column from 0, as they are first met, so that what is known of each
 * can be looked up by array: a nanosecond a row for small whole numbers and short texts, and a tenth
 * of it for numbers that count categories, which are numbered by themselves. The numbers depend on
 * what came before, so no result may depend on them; what is numbered is no state. */
#ifndef MILLRACE_MODEL_CLASSES_H
#define MILLRACE_MODEL_CLASSES_H

#include "runtime/batch/batch.h"

#define CLASSES_MAX 1024u
#define CLASSES_DIRECT 4096u             /* whole numbers below it are looked up at once */
#define CLASSES_PLACES (4 * CLASSES_MAX) /* of the hash table of others */

struct classes {               /* zeroed: none */
    uint32_t count, plain;     /* classes below `plain` are of the whole numbers themselves */
    bool full;                 /* there were more than CLASSES_MAX: numbers no longer */
    uint64_t ids[CLASSES_MAX]; /* key_ids of each */
    uint16_t direct[CLASSES_DIRECT], null; /* 1 + number; 0: not met */
    uint64_t tags[CLASSES_PLACES];
    uint16_t places[CLASSES_PLACES]; /* 1 + number; 0: free */
};

/* Numbers all rows of a key column. False when there are too many classes. */
bool classes_number(struct classes *classes, const struct column *column, uint32_t rows,
                    uint16_t *numbers);

#endif
