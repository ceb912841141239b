/* terms: the words of a text as search engines see them: Unicode letters and digits between what is
 * neither, compatibility forms and cases folded (UAX 15, utf8proc), stemmed (Snowball, libstemmer). Han
 * and kana have no spaces: their runs give overlapping pairs of characters. Bytes that are no UTF-8
 * separate. Deterministic; one owner, one thread. */
#ifndef MILLRACE_MODEL_TERMS_H
#define MILLRACE_MODEL_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERM_SIZE 48u /* bytes of a term; longer words are cut between characters */

/* Choices of an option: `none`, then what libstemmer knows; ends with NULL. */
extern const char *const terms_languages[];

struct terms;
/* `language`: an index into terms_languages. `accents`: whether é stays apart from e. */
struct terms *terms_create(uint32_t language, bool accents);
void terms_close(struct terms *terms); /* NULL is fine */

/* Calls `each` with every word in order, repeated ones too. */
typedef void terms_each(void *context, const char *term, size_t size);
void terms_split(struct terms *terms, const char *text, size_t size, terms_each *each,
                 void *context);

#endif
