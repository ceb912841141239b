/* memory: allocation that does not fail (out of memory ends the process with status 71; the
 * coordinator restarts it), and arenas for things of one lifetime. */
#ifndef MILLRACE_BASE_MEMORY_H
#define MILLRACE_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void *memory_new(size_t size);                           /* zeroed; size 0 gives a valid pointer */
void *memory_array(size_t count, size_t size);           /* zeroed; overflow ends the process */
void *memory_grow(void *old, size_t count, size_t size); /* realloc; new bytes are not zeroed */
/* Not zeroed, aligned to `alignment`, a power of two of at least 16. */
void *memory_aligned(size_t alignment, size_t size);
void memory_free(void *pointer);     /* NULL is fine */
char *memory_text(const char *text); /* owned copy; NULL gives NULL */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An arena frees all that it gave at once. Not for several threads. */
struct arena;
struct arena *arena_create(size_t block_size);
void arena_close(struct arena *arena);             /* NULL is fine */
void arena_reset(struct arena *arena);             /* keeps one block */
void *arena_new(struct arena *arena, size_t size); /* zeroed, aligned to 16 */
char *arena_text(struct arena *arena, const char *text);
char *arena_copy(struct arena *arena, const void *data, size_t size); /* a 0 is appended */
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* bytes: a growing byte string. Zero-initialised is empty. Past its maximum it ends the process
 * as if memory had run out: what may grow by the will of others is bounded before it is put. */
#define BYTES_SIZE_MAX ((size_t)1 << 30)
struct bytes {
    uint8_t *data;
    size_t size, capacity;
};
void bytes_reserve(struct bytes *bytes, size_t more); /* room for `more` bytes past size */
void bytes_put(struct bytes *bytes, const void *data, size_t size);
void bytes_text(struct bytes *bytes, const char *text);
void bytes_format(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bytes_clear(struct bytes *bytes); /* frees; empty again */

#endif
