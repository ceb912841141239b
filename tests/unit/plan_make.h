/* plan_make: plans of good jobs, for tests of planning; cmocka.h comes before it. */
#ifndef MILLRACE_TESTS_PLAN_MAKE_H
#define MILLRACE_TESTS_PLAN_MAKE_H

#include "tests/unit/plan_ops.h"

static inline struct plan *make(const struct plan_request *request)
{
    struct error_list errors = {0};
    struct plan *plan = plan_create(request, &errors);
    char line[ERROR_TEXT_MAX];

    for (uint32_t i = 0; i < errors.count; i++)
        print_error("%s\n", error_text(&errors.errors[i], line, sizeof(line)));
    assert_non_null(plan);
    assert_int_equal(errors.count, 0);
    error_list_clear(&errors);
    return plan;
}

static inline struct plan *plan_of(const char *text, uint32_t parallelism)
{
    struct plan_request request = {.path = "job.yaml",
                                   .text = text,
                                   .parallelism = parallelism,
                                   .split_mode = PLAN_SPLITS_MAKE};

    return make(&request);
}

static inline const struct plan_op *op_of(const struct plan *plan, const char *id)
{
    uint32_t op = plan_find_op(plan, id);

    assert_int_not_equal(op, FIELD_NONE);
    return &plan->ops[op];
}

/* The edge into an operator's input; there must be one. */
static inline const struct plan_edge *edge_of(const struct plan *plan, const char *id,
                                              uint32_t port)
{
    const struct plan_edge *found = NULL;

    for (uint32_t i = 0; i < plan->edge_count; i++) {
        if (plan->edges[i].to != op_of(plan, id)->index || plan->edges[i].to_port != port)
            continue;
        assert_null(found);
        found = &plan->edges[i];
    }
    assert_non_null(found);
    return found;
}

#endif
