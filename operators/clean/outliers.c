/* outliers: see outliers.h. */
#include "operators/clean/outliers.h"

#include <math.h>
#include <stdio.h>

enum { METHOD, LIMIT, FLOOR, NEAREST, THEN, PARTS };

static const char *const part_names[] = {"method", "limit", "floor", "k", "then", NULL};
static const char *const methods[] = {"sigma", "mad", "isolation", NULL};
static const char *const thens[] = {"reject", "missing", NULL};

static const char *part(struct mistakes *mistakes, const struct option_entry *entry, uint32_t place)
{
    return arena_format(mistakes->arena, "outliers.%s.%s", entry->name, part_names[place]);
}

bool outliers_parse(struct mistakes *mistakes, const struct option_entry *entry, enum type type,
                    struct outliers *outliers)
{
    const char *texts[PARTS];
    uint32_t method = 0, then = 0;
    double k = 5;

    if (type != TYPE_I32 && type != TYPE_I64 && type != TYPE_F32 && type != TYPE_F64)
        return mistakes_add(mistakes, arena_format(mistakes->arena, "outliers.%s", entry->name),
                            "cast it in `types`", "\"%s\" is %s, no number", entry->name,
                            type_name(type));
    if (!mistakes_parts(mistakes, "outliers", entry, part_names, texts))
        return false;
    if (texts[METHOD] &&
        !mistakes_choice(mistakes, part(mistakes, entry, METHOD), texts[METHOD], methods, &method))
        return false;
    outliers->method = (enum outliers_method)(method + OUTLIERS_SIGMA);
    outliers->limit = outliers->method == OUTLIERS_MAD ? 3.5 : 3;
    if ((texts[LIMIT] && !mistakes_number(mistakes, part(mistakes, entry, LIMIT), texts[LIMIT], 0.1,
                                          1e6, &outliers->limit)) ||
        (texts[FLOOR] && !mistakes_number(mistakes, part(mistakes, entry, FLOOR), texts[FLOOR], 0,
                                          1e300, &outliers->floor)) ||
        (texts[NEAREST] &&
         !mistakes_number(mistakes, part(mistakes, entry, NEAREST), texts[NEAREST], 1, 100, &k)) ||
        (texts[THEN] &&
         !mistakes_choice(mistakes, part(mistakes, entry, THEN), texts[THEN], thens, &then)))
        return false;
    outliers->k = (uint32_t)k;
    outliers->clears = then == 1;
    return true;
}

static struct outliers_verdict isolated(const struct outliers *outliers,
                                        const struct history_view *view, double value)
{
    struct outliers_verdict verdict = {.remembered = value};
    double usual, apart;

    if (view->count <= outliers->k)
        return verdict;
    apart = history_nearest(view, outliers->k, value, &usual);
    usual = fmax(usual, outliers->floor);
    verdict.score = usual > 0 ? apart / usual : 0;
    verdict.out = verdict.score > outliers->limit;
    return verdict;
}

struct outliers_verdict outliers_judge(const struct outliers *outliers,
                                       const struct history_view *view, uint32_t after,
                                       double value)
{
    struct outliers_verdict verdict = {.remembered = value};
    double spread;

    if (outliers->method == OUTLIERS_NONE || view->count == 0 || view->count < after)
        return verdict;
    if (outliers->method == OUTLIERS_ISOLATION)
        return isolated(outliers, view, value);
    if (outliers->method == OUTLIERS_SIGMA) {
        verdict.centre = history_mean(view);
        spread = history_sigma(view, verdict.centre);
    } else {
        verdict.centre = history_median(view);
        spread = history_mad(view, verdict.centre);
    }
    spread = fmax(spread, outliers->floor);
    if (!(spread > 0))
        return verdict;
    verdict.score = fabs(value - verdict.centre) / spread;
    verdict.out = verdict.score > outliers->limit;
    if (verdict.out)
        verdict.remembered =
            verdict.centre + copysign(outliers->limit * spread, value - verdict.centre);
    return verdict;
}

void outliers_reason(const struct outliers *outliers, double centre, double score, char *text,
                     size_t size)
{
    switch (outliers->method) {
    case OUTLIERS_NONE:
        text[0] = 0;
        break;
    case OUTLIERS_SIGMA:
        snprintf(text, size, "an outlier: %.3g sigma from the mean %.6g", score, centre);
        break;
    case OUTLIERS_MAD:
        snprintf(text, size, "an outlier: %.3g scaled MAD from the median %.6g", score, centre);
        break;
    case OUTLIERS_ISOLATION:
        snprintf(text, size, "an outlier: %.3g times as far from its %u nearest as usual", score,
                 outliers->k);
        break;
    }
}
