/* csv_fuzz: any bytes as CSV, the first byte chooses the options. All bytes are accounted for,
 * windows do not matter, and what was accepted comes back the same after it was written as CSV. */
#include "tests/unit/feed.h"

#define RECORD_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct field fields[] = {
    {.name = "t", .type = TYPE_I64},        {.name = "s", .type = TYPE_UTF8},
    {.name = "d", .type = TYPE_F64},        {.name = "b", .type = TYPE_BOOL},
    {.name = "at", .type = TYPE_TIMESTAMP}, {.name = "raw", .type = TYPE_UTF8},
};
static const struct schema schema = {6, fields};
static const struct schema written = {5, fields};

/* Decodes everything in one window. */
static struct batch *decode_all(const struct decode_options *options, const char *text, size_t size)
{
    static struct rejects rejects;
    uint8_t *padded = memory_new(size + DECODE_PADDING);
    struct decoder *decoder = decoder_create(options, NULL);
    struct builder *builder = builder_create(options->schema, false);
    CHECK(decoder);
    memcpy(padded, text, size);
    for (size_t at = 0; at < size;)
        at += decode_block(decoder, padded + at, size - at, at, true, UINT32_MAX / 2, builder,
                           &rejects);
    struct batch *batch = builder_finish(builder);
    builder_close(builder);
    decoder_close(decoder);
    memory_free(padded);
    return batch;
}

static void write_csv(const struct batch *batch, struct bytes *out)
{
    static const struct encode_options csv = {.format = ENCODE_CSV};
    struct encoder *encoder = encoder_create(&written, &csv);
    struct batch *columns = batch_project(batch, (const uint32_t[]){0, 1, 2, 3, 4}, 5);
    encode_rows(encoder, columns, out);
    batch_release(&columns);
    encoder_close(encoder);
}

static void check_again(const struct decode_options *options, const char *text, size_t size)
{
    struct batch *batch = decode_all(options, text, size);
    if (!batch)
        return;
    struct bytes first = {0}, second = {0};
    struct decode_options plain = {.format = DECODE_CSV,
                                   .schema = &written,
                                   .raw_column = FIELD_NONE,
                                   .delimiter = ',',
                                   .quote = '"',
                                   .multiline = true,
                                   .record_max = 4096};
    write_csv(batch, &first);
    struct batch *again = decode_all(&plain, (const char *)first.data, first.size);
    CHECK(again && batch_rows(again) == batch_rows(batch));
    write_csv(again, &second);
    CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    batch_release(&again);
    batch_release(&batch);
    bytes_clear(&first);
    bytes_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct decode_options options = {.format = DECODE_CSV,
                                     .schema = &schema,
                                     .raw_column = 5,
                                     .record_max = RECORD_MAX,
                                     .delimiter = data[0] & 1 ? ',' : '\t',
                                     .quote = data[0] & 2 ? '"' : '\0',
                                     .multiline = data[0] & 4};
    const char *text = (const char *)data + 1;
    struct feed one = {0}, other = {0};
    size--;
    bool mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;

    CHECK(feed_run(&one, &options, text, size, size + 1, UINT32_MAX / 2, NULL));
    CHECK(feed_run(&other, &options, text, size, 1 + size % 61, 2, NULL));
    CHECK(one.text.size == other.text.size &&
          memcmp(one.text.data, other.text.data, one.text.size) == 0);
    CHECK(feed_accounts(&one, text, size, mark ? 3 : 0, RECORD_MAX));
    check_again(&options, text, size);
    feed_clear(&one);
    feed_clear(&other);
    return 0;
}
