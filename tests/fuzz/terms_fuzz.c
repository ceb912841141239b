/* The words of any bytes: every term is whole UTF-8 of at most TERM_SIZE bytes, and the same text gives
 * the same terms again. The first byte chooses language and accents. */
#include "operators/model/terms.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <utf8proc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fold(void *context, const char *term, size_t size)
{
    uint64_t *sum = context;

    CHECK(size > 0 && size <= TERM_SIZE);
    for (size_t at = 0; at < size;) {
        int32_t point;
        utf8proc_ssize_t more =
            utf8proc_iterate((const uint8_t *)term + at, (utf8proc_ssize_t)(size - at), &point);
        CHECK(more > 0);
        at += (size_t)more;
    }
    *sum = hash_seeded(term, size, *sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t sums[2] = {0};
    uint32_t languages = 0;
    struct terms *terms;

    if (size == 0)
        return 0;
    while (terms_languages[languages])
        languages++;
    terms = terms_create((data[0] >> 1) % languages, data[0] & 1);
    for (uint32_t round = 0; round < 2; round++)
        terms_split(terms, (const char *)data + 1, size - 1, fold, &sums[round]);
    CHECK(sums[0] == sums[1]);
    terms_close(terms);
    return 0;
}
