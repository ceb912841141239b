/* likings: decayed weights of the classes that a user met (genres, categories): a STATE_LIST cell of
 * feature/profile and feature/interest, in the order of first meeting. */
#ifndef MILLRACE_MODEL_LIKINGS_H
#define MILLRACE_MODEL_LIKINGS_H

#include "runtime/api/operator.h"

#define LIKINGS_MAX 256u /* of a user; past it the one that weighs least gives way */
#define LIKING_SIZE 40u  /* bytes of a class's name; the rest is cut off */

struct liking {
    char name[LIKING_SIZE]; /* ends with 0 where it is shorter */
    double weight;          /* at `time_ms` */
    int64_t time_ms;
};

struct likings {
    uint64_t count;
    struct liking items[];
};

static_assert(sizeof(struct likings) + LIKINGS_MAX * sizeof(struct liking) <= CELL_SIZE_MAX,
              "likings fit a cell");

/* The weight as of `time_ms`, which does not run backwards. */
double liking_faded(const struct liking *liking, int64_t time_ms, int64_t half_life_ms);

/* NULL: never met, or forgotten. */
const struct liking *likings_find(const struct likings *likings, const char *name, size_t size);

/* Adds to the weight of one class of a row's cell; the cell may move. No name: nothing is done. */
void likings_learn(struct op *op, uint32_t state, uint32_t row, const char *name, size_t size,
                   double weight, int64_t time_ms, int64_t half_life_ms);

/* The next part of a text between separators, from *at on; false when there are no more. */
bool likings_part(const char **at, const char *end, char separator, const char **part,
                  size_t *size);

#endif
