/* mistakes: what is wrong in the maps among clean's options, told one by one. */
#ifndef MILLRACE_CLEAN_MISTAKES_H
#define MILLRACE_CLEAN_MISTAKES_H

#include "operators/clean/rules.h"

struct mistakes {
    rules_fault *fault; /* NULL: only noted in `bad` */
    void *context;
    struct arena *arena; /* of paths and texts */
    bool bad;
};

/* Returns false. `how` may be NULL. */
bool mistakes_add(struct mistakes *mistakes, const char *option, const char *how, const char *what,
                  ...) __attribute__((format(printf, 4, 5)));

/* The column of `map.FIELD`; FIELD_NONE after telling. */
uint32_t mistakes_column(struct mistakes *mistakes, const struct schema *schema, const char *map,
                         const char *field);

/* Parts of `map.FIELD: {part: value}`; their texts, NULL where they are left out. An entry that is
 * one text is the part `names[0]`. False after telling of an unknown part or one that is no text. */
bool mistakes_parts(struct mistakes *mistakes, const char *map, const struct option_entry *entry,
                    const char *const *names, const char **texts);

/* The place of a part's text in `names`, or a number within [min, max]; false after telling. */
bool mistakes_choice(struct mistakes *mistakes, const char *option, const char *text,
                     const char *const *names, uint32_t *choice);
bool mistakes_number(struct mistakes *mistakes, const char *option, const char *text, double min,
                     double max, double *value);

#endif
