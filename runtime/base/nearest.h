/* nearest: which known name was meant by one that is not known. Any thread. */
#ifndef MILLRACE_BASE_NEAREST_H
#define MILLRACE_BASE_NEAREST_H

#include <stdint.h>

/* The nearest of the names to `name` by edit distance, or NULL when none is near. `profile` is near
 * to `feature/profile`. At equal distance the first wins. */
const char *text_nearest(const char *const *names, uint32_t count, const char *name);

#endif
