/* ranking_columns: attributes of items as events carry them: columns that tell of the item what it is
 * like. An event without any of them says nothing new. */
#ifndef MILLRACE_LEARN_RANKING_COLUMNS_H
#define MILLRACE_LEARN_RANKING_COLUMNS_H

#include "operators/model/ranking_attributes.h"
#include "runtime/api/operator.h"

#define COLUMNS_TAGS_MAX 4u

struct columns_config {
    struct text_list tags, numbers;
    const char *separator;
};

extern const struct option columns_options[];

struct columns {
    const struct columns_config *config;
    uint32_t tags[COLUMNS_TAGS_MAX], numbers[RANKER_NUMBERS];
    struct attributes attributes;
};

static inline bool columns_asked(const struct columns_config *config)
{
    return config->tags.count + config->numbers.count > 0;
}

bool columns_check(struct describe *describe, const struct columns_config *config, uint32_t port,
                   struct error *err);
/* In open. */
void columns_init(struct columns *columns, struct op *op, const struct columns_config *config,
                  uint32_t port, struct ranker *ranker, uint32_t items_max);
/* The row's user takes its item, which has this number. */
void columns_event(struct columns *columns, const struct batch *in, uint32_t row, uint32_t item);

#endif
