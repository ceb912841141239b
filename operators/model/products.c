/* products: see products.h. */
#include "operators/model/products.h"

#include "operators/model/vector.h"

#define CHUNK 128u

static void score_chunk(const struct products *products, const struct table_row *const *rows,
                        uint32_t count, double *scores)
{
    const float *vectors[CHUNK];
    float dots[CHUNK];
    uint32_t places[CHUNK], used = 0, width;

    width = op_table_schema(products->op, products->table)->fields[products->column].width;
    table_rows_vectors(rows, count, products->column, vectors);
    for (uint32_t i = 0; i < count; i++) {
        scores[i] = 0;
        vectors[used] = vectors[i];
        places[used] = i;
        used += vectors[i] != NULL;
    }
    vector_dots(products->user, vectors, used, width, dots);
    for (uint32_t i = 0; i < used; i++)
        scores[places[i]] = (double)dots[i];
}

void products_by_id(const struct products *products, const uint64_t *ids, uint32_t count,
                    double *scores)
{
    const struct table_row *rows[CHUNK];

    for (uint32_t at = 0; at < count; at += CHUNK) {
        uint32_t some = count - at < CHUNK ? count - at : CHUNK;
        op_table_find_many(products->op, products->table, ids + at, some, rows);
        score_chunk(products, rows, some, scores + at);
    }
}

void products_of_rows(const struct products *products, const struct table_row *const *rows,
                      uint32_t count, double *scores)
{
    for (uint32_t at = 0; at < count; at += CHUNK)
        score_chunk(products, rows + at, count - at < CHUNK ? count - at : CHUNK, scores + at);
}
