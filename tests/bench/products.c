/* products: CPU microseconds of the products that operators make, by our own loops and by OpenBLAS.
 *
 *   dots    a vector of 64 with 1,000 that lie anywhere among 20,000: vector_dots, against the same
 *           gathered into tiles of 64 rows (so that a result hangs on no other row) for sgemv
 *   units   the re-ranker's 16 units over 31 features of 200 candidates: mlp_score, all of it, against
 *           sgemm for that product alone
 *   solve   a system of 32: mf_solve against dposv
 *
 * Best of several rounds in turns; one thread. usage: products [rounds]; seed 1. */
#include "operators/model/mf.h"
#include "operators/model/mlp.h"
#include "operators/model/vector.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 20000, WIDTH = 64, ASKED = 1000, REQUESTS = 500, TILE = 64 };
enum { FEATURES = 31, EXTRAS = 5, RANKED = 200, SOLVED = 32, TIMES = 500 };

/* Of Fortran; the package has no header of it. */
void dposv_(const char *triangle, const int *width, const int *columns, double *matrix,
            const int *matrix_stride, double *right, const int *right_stride, int *info);

static struct {
    float items[ITEMS][WIDTH], user[WIDTH], tile[TILE][WIDTH];
    const float *asked[REQUESTS][ASKED];
    float ours[ASKED + TILE], theirs[ASKED + TILE];
    float features[FEATURES * RANKED], weights[MLP_FLOATS_MAX], hidden[MLP_UNITS * RANKED];
    double gram[SOLVED * SOLVED];
    struct mf_system begun, system;
    float solved[SOLVED];
    double matrix[MF_WIDTH_MAX * MF_WIDTH_MAX], right[MF_WIDTH_MAX];
} all;

static void fill(struct random *random, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)random_below(random, 1u << 20) / (1u << 20) - 0.5f;
}

static void prepare(void)
{
    struct random random = {1};

    fill(&random, all.items[0], (size_t)ITEMS * WIDTH);
    fill(&random, all.user, WIDTH);
    fill(&random, all.features, (size_t)FEATURES * RANKED);
    fill(&random, all.weights, MLP_FLOATS_MAX);
    for (uint32_t r = 0; r < REQUESTS; r++)
        for (uint32_t i = 0; i < ASKED; i++)
            all.asked[r][i] = all.items[random_below(&random, ITEMS)];
    for (uint32_t i = 0; i < 10 * SOLVED; i++)
        mf_gram(all.gram, all.items[i], SOLVED, 1);
    mf_begin(&all.begun, all.gram, SOLVED, 0.01, 10 * SOLVED);
    for (uint32_t i = 0; i < SOLVED; i++)
        mf_add(&all.begun, all.items[i], 1);
}

static void dots_ours(void)
{
    for (uint32_t r = 0; r < REQUESTS; r++)
        vector_dots(all.user, all.asked[r], ASKED, WIDTH, all.ours);
}

static void dots_blas(void)
{
    for (uint32_t r = 0; r < REQUESTS; r++)
        for (uint32_t at = 0; at < ASKED; at += TILE) {
            for (uint32_t i = 0; i < TILE && at + i < ASKED; i++)
                memcpy(all.tile[i], all.asked[r][at + i], sizeof(all.tile[i]));
            cblas_sgemv(CblasRowMajor, CblasNoTrans, TILE, WIDTH, 1, all.tile[0], WIDTH, all.user,
                        1, 0, all.theirs + at, 1);
        }
}

static void units_ours(void)
{
    static const float extras[EXTRAS] = {1, 2, 0, 0, 1};
    const struct mlp mlp = {.features = FEATURES, .extras = EXTRAS, .weights = all.weights};
    const struct fusion_rows rows = {.values = all.features, .stride = RANKED, .count = RANKED};

    for (uint32_t i = 0; i < TIMES; i++)
        mlp_score(&mlp, &rows, extras, all.hidden, all.ours);
}

static void units_blas(void)
{
    for (uint32_t i = 0; i < TIMES; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, MLP_UNITS, RANKED, FEATURES, 1,
                    all.weights + FEATURES, FEATURES + EXTRAS, all.features, RANKED, 0, all.hidden,
                    RANKED);
}

static void solve_ours(void)
{
    for (uint32_t i = 0; i < TIMES; i++) {
        all.system = all.begun;
        if (!mf_solve(&all.system, all.solved))
            abort();
    }
}

static void solve_blas(void)
{
    const int width = SOLVED, one = 1;
    int info = 0;

    for (uint32_t i = 0; i < TIMES; i++) {
        memcpy(all.matrix, all.begun.matrix, sizeof(all.matrix));
        memcpy(all.right, all.begun.right, sizeof(all.right));
        /* rows of a lower triangle are columns of an upper one */
        dposv_("U", &width, &one, all.matrix, &width, all.right, &width, &info);
        if (info != 0)
            abort();
    }
}

static double best_us(void (*run)(void), double best)
{
    int64_t begin = clock_thread_cpu_ns();

    run();
    return fmin(best, (double)(clock_thread_cpu_ns() - begin) / 1000);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*ours)(void), (*blas)(void);
        uint32_t times;
    } rows[] = {{"dots", dots_ours, dots_blas, REQUESTS},
                {"units", units_ours, units_blas, TIMES},
                {"solve", solve_ours, solve_blas, TIMES}};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 20;
    double differ = 0;

    openblas_set_num_threads(1);
    prepare();
    printf("%-6s %8s %8s   OpenBLAS for %s\n", "", "ours", "OpenBLAS", openblas_get_corename());
    for (uint32_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        double ours = INFINITY, blas = INFINITY;

        for (long i = 0; i < rounds; i++) {
            ours = best_us(rows[r].ours, ours);
            blas = best_us(rows[r].blas, blas);
        }
        printf("%-6s %8.2f %8.2f\n", rows[r].name, ours / rows[r].times, blas / rows[r].times);
    }
    dots_ours();
    dots_blas();
    for (uint32_t i = 0; i < ASKED; i++)
        differ = fmax(differ, fabs((double)(all.ours[i] - all.theirs[i])));
    printf("dots differ by %.1e at most\n", differ);
    return differ < 1e-4 ? 0 : 1;
}
