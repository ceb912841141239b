/* feature/text: what a title or another text is about, and how well a query fits it.
 * In: rows with a text and maybe a query. Out: `out`, each row with
 *     terms        the `top` terms of the text by weight, ties by term: term, count, weight
 *     similarity   cosine of the query's and the text's weights; null where one of them has no words
 * and `documents`, keyed by term: a row for each term of a text, once, and one with an empty term for the
 * text itself: counted by a feature/popularity keyed by term it is the table `frequencies`.
 *
 * Method: words as of terms.h. Weight of a term (1 + ln count) ln(1 + (N - n + .5) / (n + .5)), the
 * vector scaled to length 1 (Salton and Buckley 1988, IPM 24:5; Robertson and Sparck Jones 1976, JASIS
 * 27:3): n and N are the decayed counts of texts with the term and of all, as of the version that the
 * row sees. So what is in fashion weighs less while it is. Without the table all terms weigh alike. */
#include "operators/model/decay.h"
#include "operators/model/terms.h"
#include "operators/model/widen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DISTINCT_MAX 512u /* terms of a text; further ones are left out */

struct text_config {
    const char *text, *query;
    int32_t language;
    bool accents;
    int64_t top;
};

static const struct option text_options[] = {
    {.name = "text",
     .type = OPT_FIELD,
     FIELD(struct text_config, text),
     .required = true,
     .help = "Column with the text, such as a title."},
    {.name = "query",
     .type = OPT_FIELD,
     FIELD(struct text_config, query),
     .help = "Column with what was searched for; without it there is no similarity."},
    {.name = "language",
     .type = OPT_ENUM,
     FIELD(struct text_config, language),
     .choices = terms_languages,
     .help = "Whose endings are taken off, so that runs and running are one term."},
    {.name = "accents",
     .type = OPT_BOOL,
     FIELD(struct text_config, accents),
     .def.flag = true,
     .help = "Whether letters with accents stay apart from those without."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct text_config, top),
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = DISTINCT_MAX,
     .help = "Terms that a row carries."},
    {0},
};
static const struct column_def frequency_columns[] = {
    {"decayed", TYPE_F64}, {"hour", TYPE_I64}, {0}};
static const struct table_use text_tables[] = {
    {"frequencies", "In how many texts each term is: feature/popularity of `documents`.",
     .optional = true, .columns = frequency_columns},
    {0},
};
static const struct port text_in[] = {
    {"in", .help = "Rows with a text."},
    {0},
};
static const struct column_def text_documents[] = {{"term", TYPE_UTF8}, {0}};
static const struct port text_out[] = {
    {"out", .keyed = true, .help = "Each row with its terms and similarity."},
    {"documents", text_documents, .help = "Terms of texts, for feature/popularity keyed by term."},
    {0},
};
enum { IN = 0, OUT = 0, DOCUMENTS = 1, FREQUENCIES = 0 };
enum { TERMS, SIMILARITY };   /* columns that are added */
enum { TERM, COUNT, WEIGHT }; /* of the list */

static const struct schema *added_schema(struct arena *arena, bool query)
{
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    struct field list = {.name = "terms", .type = TYPE_LIST, .child = child};

    CHECK(schema_add_column(child, arena, "term", TYPE_UTF8));
    CHECK(schema_add_column(child, arena, "count", TYPE_I64));
    CHECK(schema_add_column(child, arena, "weight", TYPE_F64));
    CHECK(schema_add(schema, arena, &list));
    if (query)
        CHECK(schema_add_column(schema, arena, "similarity", TYPE_F64));
    return schema;
}

static bool text_describe(struct describe *describe, struct error *err)
{
    const struct text_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const char *columns[] = {config->text, config->query}, *options[] = {"text", "query"};
    struct text_list term = {1, (const char *[]){"term"}};

    for (uint32_t i = 0; i < 2; i++) {
        enum type type = columns[i] ? in->fields[schema_find(in, columns[i])].type : TYPE_UTF8;
        if (type != TYPE_UTF8)
            return describe_error(describe, err, options[i], "name a text column",
                                  "column \"%s\" is %s", columns[i], type_name(type));
    }
    describe_output_key(describe, DOCUMENTS, &term);
    return widen_describe(describe, OUT,
                          added_schema(describe_arena(describe), config->query != NULL), err);
}

/* ---- an instance ---- */

struct weighed {   /* a distinct term of a text */
    uint64_t id;   /* hash of its canonical key */
    double weight; /* the vector's length is 1 */
    int64_t count;
    uint32_t size;
    char text[TERM_SIZE];
};

struct weighed_text {
    uint32_t count;
    struct weighed terms[DISTINCT_MAX];
};

struct text_scratch {
    struct arena *arena;
    struct builder *added;
    struct terms *terms;
    uint32_t text, query;   /* columns */
    uint32_t decayed, hour; /* of the table */
    uint64_t whole;         /* id of the empty term */
    struct decay decay;
    struct weighed_text title, asked;
};

static uint64_t id_of(const char *term, size_t size)
{
    uint8_t key[KEY_SIZE_MAX];

    return hash_bytes(key, key_from_text(term, size, key));
}

static bool text_open(struct op *op, struct error *err)
{
    const struct text_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct text_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(added_schema(scratch->arena, config->query != NULL), false);
    scratch->terms = terms_create((uint32_t)config->language, config->accents);
    scratch->text = schema_find(in, config->text);
    scratch->query = config->query ? schema_find(in, config->query) : FIELD_NONE;
    scratch->whole = id_of("", 0);
    decay_init(&scratch->decay);
    if (op_table_given(op, FREQUENCIES)) {
        scratch->decayed = op_table_column(op, FREQUENCIES, "decayed");
        scratch->hour = op_table_column(op, FREQUENCIES, "hour");
    }
    return true;
}

static void text_close(struct op *op)
{
    struct text_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    terms_close(scratch->terms);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- weights ---- */

static void add_term(void *context, const char *term, size_t size)
{
    struct weighed_text *text = context;
    uint64_t id = id_of(term, size);
    struct weighed *to = &text->terms[text->count];

    for (uint32_t i = 0; i < text->count; i++)
        if (text->terms[i].id == id) {
            text->terms[i].count++;
            return;
        }
    if (text->count == DISTINCT_MAX)
        return;
    *to = (struct weighed){.id = id, .count = 1, .size = (uint32_t)size};
    memcpy(to->text, term, size);
    text->count++;
}

/* Texts with this term, now. */
static double texts_with(struct op *op, uint64_t id, int64_t hour)
{
    const struct text_scratch *scratch = op_scratch(op);
    const struct table_row *row =
        op_table_given(op, FREQUENCIES) ? op_table_find(op, FREQUENCIES, id) : NULL;

    return row ? decay_read(&scratch->decay, table_row_f64(row, scratch->decayed),
                            table_row_i64(row, scratch->hour), hour)
               : 0;
}

static void weigh(struct op *op, struct weighed_text *text, const struct column *column,
                  uint32_t row, int64_t time_ms)
{
    const struct text_scratch *scratch = op_scratch(op);
    int64_t hour = decay_hour(time_ms);
    double all = texts_with(op, scratch->whole, hour), length = 0;
    const char *bytes;
    uint32_t size;

    text->count = 0;
    if (!column_valid(column, row))
        return;
    bytes = column_text(column, row, &size);
    terms_split(scratch->terms, bytes, size, add_term, text);
    for (uint32_t i = 0; i < text->count; i++) {
        struct weighed *term = &text->terms[i];
        double with = texts_with(op, term->id, hour);
        term->weight =
            (1 + log((double)term->count)) * log1p((fmax(all - with, 0) + 0.5) / (with + 0.5));
        length += term->weight * term->weight;
    }
    for (uint32_t i = 0; i < text->count; i++)
        text->terms[i].weight /= sqrt(length);
}

static double similarity(const struct weighed_text *a, const struct weighed_text *b)
{
    double sum = 0;

    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t k = 0; k < b->count; k++)
            if (a->terms[i].id == b->terms[k].id)
                sum += a->terms[i].weight * b->terms[k].weight;
    return sum;
}

/* ---- rows ---- */

static void put_documents(struct op *op, const struct batch *in, uint32_t row,
                          const struct weighed_text *text)
{
    struct builder *out = op_reserve(op, DOCUMENTS, text->count + 1);

    if (text->count == 0)
        return;
    builder_row_from(out, in, row);
    builder_text(out, 0, "", 0);
    for (uint32_t i = 0; i < text->count; i++) {
        builder_row_from(out, in, row);
        builder_text(out, 0, text->terms[i].text, text->terms[i].size);
    }
}

static int by_weight(const void *left, const void *right)
{
    const struct weighed *a = left, *b = right;
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);

    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static void put_terms(struct builder *added, struct weighed_text *text, uint32_t top)
{
    struct builder *list = builder_list(added, TERMS);

    qsort(text->terms, text->count, sizeof(text->terms[0]), by_weight);
    for (uint32_t i = 0; i < text->count && i < top; i++) {
        builder_child_row(list);
        builder_text(list, TERM, text->terms[i].text, text->terms[i].size);
        builder_i64(list, COUNT, text->terms[i].count);
        builder_f64(list, WEIGHT, text->terms[i].weight);
    }
    builder_list_end(added, TERMS);
}

static bool text_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct text_config *config = op_config(op);
    struct text_scratch *scratch = op_scratch(op);
    struct weighed_text *title = &scratch->title, *asked = &scratch->asked;

    (void)port;
    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        builder_row_from(scratch->added, in, row);
        weigh(op, title, batch_column(in, scratch->text), row, batch_time(in)[row]);
        if (op_output_used(op, DOCUMENTS))
            put_documents(op, in, row, title);
        put_terms(scratch->added, title, (uint32_t)config->top);
        if (scratch->query == FIELD_NONE)
            continue;
        weigh(op, asked, batch_column(in, scratch->query), row, batch_time(in)[row]);
        if (title->count > 0 && asked->count > 0)
            builder_f64(scratch->added, SIMILARITY, similarity(asked, title));
    }
    widen_emit(op, OUT, in, scratch->added);
    return true;
}

const struct operator_def feature_text = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/text",
    .help = "Splits texts into weighted terms, and tells how well a query fits.",
    .config_size = sizeof(struct text_config),
    .options = text_options,
    .inputs = text_in,
    .outputs = text_out,
    .tables = text_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = text_describe,
    .open = text_open,
    .process = text_process,
    .close = text_close,
};
OPERATOR_REGISTER(feature_text);
