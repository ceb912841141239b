/* memory: allocation that ends the process instead of failing, arenas and byte strings.
 * An arena is a list of blocks; the first is the one that is being filled. What is too large for
 * a block gets its own, put behind the first. Under ASan the unused part of a block is poisoned
 * and pieces keep a distance, so that a write past a piece or after a reset is seen. */
#include "runtime/base/memory.h"

#include "runtime/base/check.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __has_feature
#define ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define ADDRESS_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define GAP 16u
#define POISON(data, size) ASAN_POISON_MEMORY_REGION(data, size)
#define UNPOISON(data, size) ASAN_UNPOISON_MEMORY_REGION(data, size)
#else
#define GAP 0u
#define POISON(data, size) ((void)0)
#define UNPOISON(data, size) ((void)0)
#endif

#define ALIGNMENT 16u
#define BLOCK_SIZE_MIN 256u
#define EXIT_MEMORY 71 /* EX_OSERR: told apart from a bug (SIGABRT) by whoever restarts us */

static _Noreturn void exhausted(size_t count, size_t size)
{
    dprintf(STDERR_FILENO, "error out of memory count=%zu size=%zu\n", count, size);
    _exit(EXIT_MEMORY);
}

void *memory_new(size_t size)
{
    return memory_array(1, size);
}

void *memory_array(size_t count, size_t size)
{
    void *pointer = count && size ? calloc(count, size) : calloc(1, 1);

    if (!pointer)
        exhausted(count, size);
    return pointer;
}

void *memory_grow(void *old, size_t count, size_t size)
{
    void *pointer = count && size ? reallocarray(old, count, size) : realloc(old, 1);

    if (!pointer)
        exhausted(count, size);
    return pointer;
}

/* jemalloc aligns whole cache lines anyway, but asked for an alignment it passes over the thread's cache
 * for pieces over 14 KB, which took a tenth of the time of batches of such columns. */
void *memory_aligned(size_t alignment, size_t size)
{
    size_t whole = size <= SIZE_MAX - alignment ? (size + alignment) & ~(alignment - 1) : SIZE_MAX;
    void *pointer = malloc(whole);

    if ((uintptr_t)pointer % alignment != 0) {
        free(pointer);
        pointer = aligned_alloc(alignment, whole);
    }
    if (!pointer)
        exhausted(1, size);
    return pointer;
}

void memory_free(void *pointer)
{
    free(pointer);
}

char *memory_text(const char *text)
{
    size_t size;
    char *copy;

    if (!text)
        return NULL;
    size = strlen(text) + 1;
    copy = memory_grow(NULL, size, 1);
    memcpy(copy, text, size);
    return copy;
}

char *memory_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int length;

    va_start(args, format);
    length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        exhausted(1, 0);
    return text;
}

struct block {
    struct block *next;
    size_t size, used; /* of data */
    _Alignas(ALIGNMENT) uint8_t data[];
};

struct arena {
    size_t block_size;
    struct block *first;
};

static_assert(ALIGNMENT <= _Alignof(max_align_t), "what calloc gives");

static struct block *block_create(size_t size)
{
    struct block *block;

    if (size > SIZE_MAX - sizeof(*block))
        exhausted(1, size);
    block = calloc(1, sizeof(*block) + size);
    if (!block)
        exhausted(1, size);
    block->size = size;
    POISON(block->data, size);
    return block;
}

struct arena *arena_create(size_t block_size)
{
    struct arena *arena = memory_new(sizeof(*arena));

    arena->block_size = block_size < BLOCK_SIZE_MIN ? BLOCK_SIZE_MIN : block_size;
    arena->first = block_create(arena->block_size);
    return arena;
}

void arena_close(struct arena *arena)
{
    struct block *block = arena ? arena->first : NULL;

    while (block) {
        struct block *next = block->next;

        free(block);
        block = next;
    }
    free(arena);
}

void arena_reset(struct arena *arena)
{
    struct block *block = arena->first->next;

    while (block) {
        struct block *next = block->next;

        free(block);
        block = next;
    }
    arena->first->next = NULL;
    arena->first->used = 0;
    POISON(arena->first->data, arena->first->size);
}

/* `size` bytes that nobody has written to yet; a multiple of ALIGNMENT is used up. `zero`: they are, as
 * a block of their own is, whose pages the system makes when they are touched. */
static void *take(struct arena *arena, size_t size, bool *zero)
{
    struct block *block = arena->first;
    size_t whole;

    if (size > SIZE_MAX - ALIGNMENT - GAP)
        exhausted(1, size);
    whole = (size + (size ? 0 : 1) + ALIGNMENT - 1) & ~(ALIGNMENT - 1ul);
    whole += GAP;
    *zero = false;
    if (whole > block->size - block->used) {
        bool own = whole > arena->block_size / 4;

        *zero = true;
        block = block_create(own ? whole : arena->block_size);
        block->next = own ? arena->first->next : arena->first;
        if (own)
            arena->first->next = block;
        else
            arena->first = block;
    }
    void *data = block->data + block->used;
    block->used += whole;
    UNPOISON(data, size);
    return data;
}

void *arena_new(struct arena *arena, size_t size)
{
    bool zero;
    void *data = take(arena, size, &zero);

    return zero ? data : memset(data, 0, size);
}

char *arena_copy(struct arena *arena, const void *data, size_t size)
{
    bool zero;
    char *copy;

    CHECK(size < SIZE_MAX);
    copy = take(arena, size + 1, &zero);
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text)) : NULL;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    bool zero;
    char *text;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(length >= 0);
    text = take(arena, (size_t)length + 1, &zero);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void bytes_reserve(struct bytes *bytes, size_t more)
{
    size_t capacity = bytes->capacity;

    CHECK(bytes->size <= bytes->capacity);
    if (more <= capacity - bytes->size)
        return;
    if (more > BYTES_SIZE_MAX - bytes->size)
        exhausted(bytes->size, more);
    if (capacity < 64)
        capacity = 64;
    while (capacity < bytes->size + more)
        capacity *= 2;
    bytes->data = memory_grow(bytes->data, capacity, 1);
    bytes->capacity = capacity;
}

void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    if (!size)
        return;
    bytes_reserve(bytes, size);
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void bytes_text(struct bytes *bytes, const char *text)
{
    bytes_put(bytes, text, strlen(text));
}

void bytes_format(struct bytes *bytes, const char *format, ...)
{
    va_list args, again;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(length >= 0);
    bytes_reserve(bytes, (size_t)length + 1); /* vsnprintf writes its 0, which does not count */
    vsnprintf((char *)bytes->data + bytes->size, (size_t)length + 1, format, again);
    va_end(again);
    bytes->size += (size_t)length;
}

void bytes_clear(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}
