/* codec: CPU time to decode and encode one record, ns; best of several rounds in turns.
 *
 *   json      150-byte event of 8 fields, all taken
 *   json/2    the same, 2 fields taken (the rest is checked)
 *   csv       the same values as CSV
 *   encode    row of 5 columns (time, two ids, a float, a text) as JSON lines
 *
 * Limit: one core; reading the bytes at memory bandwidth would take about 15 ns.
 * usage: codec [records] [rounds]; seed 1. */
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/batch/decode.h"
#include "runtime/batch/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (256u << 10)

static struct field event_fields[] = {
    {.name = "ts", .type = TYPE_TIMESTAMP}, {.name = "user", .type = TYPE_I64},
    {.name = "item", .type = TYPE_UTF8},    {.name = "event", .type = TYPE_UTF8},
    {.name = "rating", .type = TYPE_F64},   {.name = "session", .type = TYPE_UTF8},
    {.name = "position", .type = TYPE_I32}, {.name = "autoplay", .type = TYPE_BOOL},
};
static const struct schema events = {8, event_fields};
static const struct schema two = {2, event_fields};

static struct field row_fields[] = {
    {.name = "ts", .type = TYPE_TIMESTAMP}, {.name = "user", .type = TYPE_I64},
    {.name = "count", .type = TYPE_I64},    {.name = "score", .type = TYPE_F64},
    {.name = "item", .type = TYPE_UTF8},
};
static const struct schema rows = {5, row_fields};

struct values {
    int64_t ts;
    uint64_t user, item, session;
    double rating;
    uint32_t position;
    bool play, autoplay;
};

static struct values draw(struct random *random, uint32_t record)
{
    return (struct values){INT64_C(1700000000000) + record * 13,
                           random_below(random, 1000000),
                           random_below(random, 100000),
                           random_next(random),
                           (double)random_below(random, 50) / 10,
                           (uint32_t)random_below(random, 100),
                           random_below(random, 2),
                           random_below(random, 2)};
}

static void put_json(struct bytes *out, const struct values *v)
{
    bytes_format(out,
                 "{\"ts\":%" PRId64 ",\"user\":%" PRIu64 ",\"item\":\"item-%" PRIu64
                 "\",\"event\":\"%s\",\"rating\":%.1f,\"session\":\"s%016" PRIx64
                 "\",\"position\":%u,\"autoplay\":%s}\n",
                 v->ts, v->user, v->item, v->play ? "play" : "click", v->rating, v->session,
                 v->position, v->autoplay ? "true" : "false");
}

static void put_csv(struct bytes *out, const struct values *v)
{
    bytes_format(out, "%" PRId64 ",%" PRIu64 ",item-%" PRIu64 ",%s,%.1f,s%016" PRIx64 ",%u,%s\n",
                 v->ts, v->user, v->item, v->play ? "play" : "click", v->rating, v->session,
                 v->position, v->autoplay ? "true" : "false");
}

static double decode(const struct decode_options *options, const struct bytes *text,
                     uint32_t records)
{
    static struct rejects rejects;
    struct decoder *decoder = decoder_create(options, NULL);
    struct builder *builder = builder_create(options->schema, false);
    uint64_t seen = 0;
    int64_t begin = clock_thread_cpu_ns();

    for (size_t at = 0; at < text->size;) {
        size_t size = text->size - at < BLOCK ? text->size - at : BLOCK;
        at += decode_block(decoder, text->data + at, size, at, at + size == text->size,
                           BATCH_ROWS_MAX, builder, &rejects);
        struct batch *batch = builder_finish(builder);
        seen += batch ? batch_rows(batch) : 0;
        batch_release(&batch);
    }
    double ns = (double)(clock_thread_cpu_ns() - begin) / records;
    CHECK(seen == records);
    builder_close(builder);
    decoder_close(decoder);
    return ns;
}

static struct batch *make_rows(struct random *random)
{
    struct builder *builder = builder_create(&rows, false);
    char item[32];
    for (uint32_t row = 0; row < BATCH_ROWS_MAX; row++) {
        struct values v = draw(random, row);
        builder_row(builder, v.ts, row, row);
        builder_i64(builder, 0, v.ts);
        builder_i64(builder, 1, (int64_t)v.user);
        builder_i64(builder, 2, v.position);
        builder_f64(builder, 3, (double)v.session / 0x1p64);
        int size = snprintf(item, sizeof(item), "item-%" PRIu64, v.item);
        builder_text(builder, 4, item, (size_t)size);
    }
    struct batch *batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static double encode(const struct batch *batch, uint32_t records)
{
    static const struct encode_options options = {.format = ENCODE_JSON};
    struct encoder *encoder = encoder_create(&rows, &options);
    struct bytes out = {0};
    uint32_t rounds = 1 + records / BATCH_ROWS_MAX;
    int64_t begin = clock_thread_cpu_ns();
    for (uint32_t round = 0; round < rounds; round++) {
        out.size = 0;
        encode_rows(encoder, batch, &out);
    }
    double ns = (double)(clock_thread_cpu_ns() - begin) / ((double)rounds * BATCH_ROWS_MAX);
    encoder_close(encoder);
    bytes_clear(&out);
    return ns;
}

struct figure {
    const char *name;
    double best, worst;
};

static void note(struct figure *figure, double ns)
{
    if (figure->best == 0 || ns < figure->best)
        figure->best = ns;
    if (ns > figure->worst)
        figure->worst = ns;
}

int main(int argc, char **argv)
{
    uint32_t records = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200000;
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 5;
    struct figure figures[] = {
        {.name = "json"}, {.name = "json/2"}, {.name = "csv"}, {.name = "encode"}};
    struct random random = {1};
    struct bytes json = {0}, csv = {0};
    struct decode_options all = {.format = DECODE_JSON,
                                 .schema = &events,
                                 .raw_column = FIELD_NONE,
                                 .record_max = RECORD_SIZE_MAX};
    struct decode_options some = all, fields = all;

    for (uint32_t record = 0; record < records; record++) {
        struct values values = draw(&random, record);
        put_json(&json, &values);
        put_csv(&csv, &values);
    }
    bytes_reserve(&json, DECODE_PADDING);
    bytes_reserve(&csv, DECODE_PADDING);
    memset(json.data + json.size, 0, DECODE_PADDING);
    memset(csv.data + csv.size, 0, DECODE_PADDING);
    some.schema = &two;
    fields.format = DECODE_CSV;
    fields.delimiter = ',';
    fields.quote = '"';
    struct batch *batch = make_rows(&random);
    for (uint32_t round = 0; round < rounds; round++) {
        note(&figures[0], decode(&all, &json, records));
        note(&figures[1], decode(&some, &json, records));
        note(&figures[2], decode(&fields, &csv, records));
        note(&figures[3], encode(batch, records));
    }
    printf("records %u, json %.0f bytes each, csv %.0f\n", records, (double)json.size / records,
           (double)csv.size / records);
    for (size_t k = 0; k < sizeof(figures) / sizeof(figures[0]); k++)
        printf("%-8s best %6.1f ns, worst %6.1f ns a record\n", figures[k].name, figures[k].best,
               figures[k].worst);
    batch_release(&batch);
    bytes_clear(&json);
    bytes_clear(&csv);
    return 0;
}
