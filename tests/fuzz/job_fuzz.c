/* job_fuzz: any bytes as a job file. Leading lines `# -D NAME=VALUE` are overrides too. Either there
 * is a plan, whole and the same when made again, or there are mistakes, each with a place. */
#include "runtime/graph/plan.h"

#include <stdio.h>

#include "tests/unit/plan_ops.h"

#define OVERRIDES_MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts the overrides out of a copy of the text. */
static uint32_t find_overrides(char *text, const char **overrides)
{
    uint32_t count = 0;

    while (count < OVERRIDES_MAX && strncmp(text, "# -D ", 5) == 0) {
        char *end = strchr(text, '\n');
        if (!end)
            break;
        *end = '\0';
        overrides[count++] = text + 5;
        text = end + 1;
    }
    return count;
}

/* Every operator stands in one chain, every edge runs between connected ports. */
static void check_plan(const struct plan *plan)
{
    uint32_t placed = 0;

    for (uint32_t i = 0; i < plan->chain_count; i++) {
        CHECK(plan->chains[i].op_count <= CHAIN_OPS_MAX);
        placed += plan->chains[i].op_count;
        for (uint32_t k = 0; k < plan->chains[i].op_count; k++)
            CHECK(plan->ops[plan->chains[i].ops[k]].chain == i);
    }
    CHECK(placed == plan->op_count);
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct plan_edge *edge = &plan->edges[i];
        const struct plan_input *input = &plan->ops[edge->to].inputs[edge->to_port];
        CHECK(input->connected && input->schema && edge->schema);
        CHECK(schema_equal(input->schema, edge->schema));
        CHECK(!input->keyed || edge->key);
        CHECK(!edge->chained || plan->ops[edge->from].chain == plan->ops[edge->to].chain);
        CHECK(edge->partition != PARTITION_FORWARD ||
              plan->ops[edge->from].parallelism == plan->ops[edge->to].parallelism);
    }
}

static void try_plan(const struct plan_request *request, struct bytes *out)
{
    struct error_list errors = {0};
    struct plan *plan = plan_create(request, &errors);

    CHECK((plan == NULL) == (errors.count > 0));
    for (uint32_t i = 0; i < errors.count; i++) {
        char text[ERROR_TEXT_MAX];
        CHECK(errors.errors[i].code != ERROR_NONE);
        CHECK(errors.errors[i].where[0] && errors.errors[i].what[0]);
        bytes_format(out, "%s\n", error_text(&errors.errors[i], text, sizeof(text)));
    }
    if (plan) {
        check_plan(plan);
        plan_describe(plan, out);
    }
    error_list_clear(&errors);
    plan_close(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *overrides[OVERRIDES_MAX];
    char *text = memory_new(size + 1), *copy;
    struct plan_request request = {
        .path = "job.yaml", .overrides = overrides, .split_mode = PLAN_SPLITS_UNKNOWN};
    struct bytes first = {0}, second = {0};

    if (size)
        memcpy(text, data, size);
    copy = memory_text(text);
    request.text = text;
    request.override_count = find_overrides(copy, overrides);
    request.parallelism = size % 4;
    try_plan(&request, &first);
    try_plan(&request, &second);
    CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    bytes_clear(&first);
    bytes_clear(&second);
    memory_free(copy);
    memory_free(text);
    return 0;
}
