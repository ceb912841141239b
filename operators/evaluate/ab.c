/* evaluate/ab: an A/B test: users are put into arms by hash, each arm's figures are compared with the
 * base arm's, and the sizes of the arms with what they should be.
 * In: labelled impressions. Out: one row a slice and arm (tally.h), with `sample_ratio_p`.
 *
 * The arm is a hash of `salt` and user: the same user is in the same arm for ever, and another salt
 * shuffles anew. With `arm` the row tells its arm (as the serving side logged it), and the shares are
 * only checked. sample_ratio_p: probability of sizes at least as far from the shares as these
 * (Pearson's chi-square over users; Fabijan et al. 2019, KDD: below 0.001, look for the fault before
 * you look at any figure). */
#include "operators/evaluate/measure.h"
#include "operators/model/interval.h"
#include "runtime/base/hash.h"

#include <stdlib.h>
#include <string.h>

#define ARMS_MAX 32u

struct ab_config {
    struct tally_options tally; /* first */
    struct measure_options measure;
    struct option_map arms;
    const char *salt;
};

struct arms {
    uint32_t count;
    const char *names[ARMS_MAX];
    double shares[ARMS_MAX]; /* sum to 1 */
};

static const struct option ab_options[] = {
    TALLY_OPTIONS(struct ab_config),
    {.name = "arms",
     .type = OPT_MAP,
     FIELD(struct ab_config, arms),
     .required = true,
     .help = "Names and shares of the arms, such as {control: 9, new: 1}; shares are scaled to 1."},
    {.name = "base",
     .type = OPT_TEXT,
     FIELD(struct ab_config, tally.base),
     .required = true,
     .help = "The arm that the others are compared with."},
    {.name = "salt",
     .type = OPT_TEXT,
     FIELD(struct ab_config, salt),
     .def.text = "",
     .help = "Name of the test: another one puts users into other arms."},
    {.name = "arm",
     .type = OPT_FIELD,
     FIELD(struct ab_config, tally.arm),
     .help = "The column that tells the arm, in place of the hash."},
    {.name = "clicked",
     .type = OPT_FIELD,
     FIELD(struct ab_config, measure.clicked),
     .def.text = "clicked",
     .help = "A bool, or a column that is null where there was no click."},
    {.name = "predicted",
     .type = OPT_FIELD,
     FIELD(struct ab_config, measure.predicted),
     .help =
         "The predicted probability of a click; gives `predicted`, its mean, and `calibration`, "
         "predicted over observed clicks."},
    {.name = "converted",
     .type = OPT_FIELD,
     FIELD(struct ab_config, measure.converted),
     .help = "A bool, or null where nothing was bought; gives `conversion`, a click."},
    {.name = "dwell",
     .type = OPT_FIELD,
     FIELD(struct ab_config, measure.dwell),
     .help = "Seconds spent, null where unknown."},
    {.name = "score",
     .type = OPT_FIELD,
     FIELD(struct ab_config, measure.score),
     .help = "A score that the user gave, null where none; gives `satisfaction`, its mean."},
    {.name = "cancelled",
     .type = OPT_FIELD,
     FIELD(struct ab_config, measure.cancelled),
     .help = "A bool, or null where nothing was cancelled; gives `cancel_rate`, a click."},
    {0},
};
static const struct state ab_states[] = {TALLY_STATES, {0}};
static const struct port ab_in[] = {
    {"in", .global = true, .help = "Labelled impressions."},
    {0},
};
static const struct port ab_out[] = {
    {"out", .help = "One row a slice and arm, at the end of its period or of the input. "
                    "sample_ratio_p: how likely sizes so far from the shares are by chance; below "
                    "0.001 look for the fault before any figure."},
    {0},
};

/* ---- planning ---- */

/* 0: it is none. */
static double share_of(const struct option_entry *entry)
{
    char *end = NULL;
    double share = entry->text ? strtod(entry->text, &end) : 0;

    return end && !*end && share > 0 && share < 1e9 ? share : 0;
}

static bool check_arms(struct describe *describe, struct error *err)
{
    const struct ab_config *config = describe_config(describe);
    bool known = false;

    if (config->arms.count < 2 || config->arms.count > ARMS_MAX)
        return describe_error(describe, err, "arms", "write {control: 50, new: 50}, say",
                              "there are %u arms, not 2 to %u", config->arms.count, ARMS_MAX);
    for (uint32_t i = 0; i < config->arms.count; i++) {
        const struct option_entry *entry = &config->arms.entries[i];
        const char *path = arena_format(describe_arena(describe), "arms.%s", entry->name);

        if (share_of(entry) <= 0)
            return describe_error(describe, err, path, "write a number above 0, below 1e9",
                                  "\"%s\" is no share", entry->text ? entry->text : "{}");
        if (strlen(entry->name) > TALLY_LEVEL_MAX)
            return describe_error(describe, err, path, "shorten it",
                                  "the name has more than %u bytes", TALLY_LEVEL_MAX);
        known = known || strcmp(entry->name, config->tally.base) == 0;
    }
    return known || describe_error(describe, err, "base", "name one of `arms`",
                                   "\"%s\" is not an arm", config->tally.base);
}

static void find_arms(const struct ab_config *config, struct arms *arms)
{
    double total = 0;

    *arms = (struct arms){.count = config->arms.count};
    for (uint32_t i = 0; i < arms->count; i++) {
        arms->names[i] = config->arms.entries[i].name;
        arms->shares[i] = share_of(&config->arms.entries[i]);
        total += arms->shares[i];
    }
    for (uint32_t i = 0; i < arms->count; i++)
        arms->shares[i] /= total;
}

static bool ab_describe(struct describe *describe, struct error *err)
{
    const struct ab_config *config = describe_config(describe);
    struct tally_plan plan = {0};
    struct schema *schema;

    measure_plan(&config->measure, &plan);
    if (!check_arms(describe, err) || !measure_describe(describe, &config->measure, err))
        return false;
    schema = tally_describe(describe, &plan, err);
    if (!schema)
        return false;
    CHECK(schema_add_column(schema, describe_arena(describe), "sample_ratio_p", TYPE_F64));
    describe_output(describe, 0, schema);
    return true;
}

/* ---- an instance ---- */

struct ab_scratch {
    struct tally tally;
    struct measure measure;
    struct arms arms;
    uint64_t salt;
};

static bool ab_open(struct op *op, struct error *err)
{
    const struct ab_config *config = op_config(op);
    struct ab_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct tally_plan plan = {0};

    (void)err; /* cannot fail */
    find_arms(config, &scratch->arms);
    measure_plan(&config->measure, &plan);
    tally_open(op, &scratch->tally, &plan);
    measure_open(op, &config->measure, &scratch->measure);
    scratch->salt = hash_bytes(config->salt, strlen(config->salt));
    op_set_scratch(op, scratch);
    return true;
}

static const char *arm_of(const struct ab_scratch *scratch, uint64_t user)
{
    const uint64_t both[2] = {scratch->salt, user};
    double at = hash_unit(hash_bytes(both, sizeof(both)));
    uint32_t i = 0;

    for (; i + 1 < scratch->arms.count && at >= scratch->arms.shares[i]; i++)
        at -= scratch->arms.shares[i];
    return scratch->arms.names[i];
}

static bool ab_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct ab_config *config = op_config(op);
    struct ab_scratch *scratch = op_scratch(op);
    double values[TALLY_VARIABLES_MAX];

    (void)port; /* there is one */
    (void)err;  /* what could not be read is the engine's error */
    tally_begin(&scratch->tally, in);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const char *arm = NULL;
        if (!config->tally.arm)
            arm = arm_of(scratch, scratch->tally.users[row]);
        measure_values(&scratch->measure, in, row, values);
        if (!tally_row(op, &scratch->tally, in, row, arm, arm ? (uint32_t)strlen(arm) : 0, values))
            break;
    }
    return true;
}

/* ---- telling ---- */

static void put_ratio(struct op *op, const struct tally_slice *slice, struct builder *out)
{
    const struct ab_scratch *scratch = op_scratch(op);
    const struct arms *arms = &scratch->arms;
    double chi_square = 0;
    int64_t users[ARMS_MAX], total = 0;

    for (uint32_t i = 0; i < arms->count; i++) {
        users[i] = tally_arm_users(op, slice, arms->names[i]);
        total += users[i];
    }
    for (uint32_t i = 0; i < arms->count && total; i++) {
        double expected = arms->shares[i] * (double)total, off = (double)users[i] - expected;
        chi_square += off * off / expected;
    }
    builder_f64(out, op_output_schema(op, 0)->count - 1,
                chi_square_tail(chi_square, arms->count - 1));
}

static bool ab_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct ab_scratch *scratch = op_scratch(op);

    (void)err; /* what could not be read is the engine's error */
    return tally_watermark(op, &scratch->tally, time_ms, put_ratio);
}

const struct operator_def evaluate_ab = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "evaluate/ab",
    .help = "An A/B test by hash of the user: uplifts with intervals, and whether the arms have "
            "their sizes.",
    .config_size = sizeof(struct ab_config),
    .options = ab_options,
    .inputs = ab_in,
    .outputs = ab_out,
    .states = ab_states,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = ab_describe,
    .open = ab_open,
    .process = ab_process,
    .on_watermark = ab_on_watermark,
};
OPERATOR_REGISTER(evaluate_ab);
