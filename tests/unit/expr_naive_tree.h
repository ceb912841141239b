/* expr_naive_tree: what the reader and the evaluation of expr_naive share. */
#ifndef MILLRACE_TESTS_EXPR_NAIVE_TREE_H
#define MILLRACE_TESTS_EXPR_NAIVE_TREE_H

#include "tests/unit/expr_naive.h"

struct node {
    const char *op;
    enum type type; /* wide, but of columns and casts; TYPE_NONE: null */
    struct naive_value value;
    uint32_t column;
    uint32_t count;
    struct node **kids; /* of a case: else, condition, value, condition, value ... */
};

struct naive {
    struct arena *tree, *row;
    const struct schema *schema;
    const char *at;
    bool failed;
    struct node *root;
};

enum type naive_wide(enum type type);
/* The type that every step-th kid from `first` on goes into. */
enum type naive_common_of(const struct node *node, uint32_t first, uint32_t step);
bool naive_one_of(const char *name, const char *list); /* " a list of words " */

#endif
