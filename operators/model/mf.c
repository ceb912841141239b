/* mf: see mf.h. */
#include "operators/model/mf.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <string.h>

void mf_gram(double *gram, const float *vector, uint32_t width, double sign)
{
    for (uint32_t i = 0; i < width; i++) {
        double scaled = sign * (double)vector[i];
        for (uint32_t k = 0; k <= i; k++)
            gram[i * width + k] += scaled * (double)vector[k];
    }
}

static void add_ridge(struct mf_system *system, double pairs)
{
    for (uint32_t i = 0; i < system->width; i++)
        system->matrix[i * system->width + i] += system->ridge * pairs;
}

void mf_begin(struct mf_system *system, const double *gram, uint32_t width, double ridge,
              double all)
{
    CHECK(width > 0 && width <= MF_WIDTH_MAX);
    system->width = width;
    memcpy(system->matrix, gram, (size_t)width * width * sizeof(double));
    memset(system->right, 0, sizeof(system->right));
    system->ridge = ridge;
    add_ridge(system, all);
}

void mf_add(struct mf_system *system, const float *vector, double confidence)
{
    mf_gram(system->matrix, vector, system->width, confidence);
    add_ridge(system, confidence);
    for (uint32_t i = 0; i < system->width; i++)
        system->right[i] += (1 + confidence) * (double)vector[i];
}

/* The triangle becomes its root: matrix = root x root^T. */
static bool take_root(double *matrix, uint32_t width)
{
    for (uint32_t i = 0; i < width; i++)
        for (uint32_t k = 0; k <= i; k++) {
            double sum = matrix[i * width + k];
            for (uint32_t j = 0; j < k; j++)
                sum -= matrix[i * width + j] * matrix[k * width + j];
            if (k < i)
                matrix[i * width + k] = sum / matrix[k * width + k];
            else if (sum > 0)
                matrix[i * width + i] = sqrt(sum);
            else
                return false;
        }
    return true;
}

bool mf_solve(struct mf_system *system, float *vector)
{
    uint32_t width = system->width;
    double *matrix = system->matrix, *x = system->right;

    if (!take_root(matrix, width))
        return false;
    for (uint32_t i = 0; i < width; i++) {
        for (uint32_t j = 0; j < i; j++)
            x[i] -= matrix[i * width + j] * x[j];
        x[i] /= matrix[i * width + i];
    }
    for (uint32_t i = width; i-- > 0;) {
        for (uint32_t j = i + 1; j < width; j++)
            x[i] -= matrix[j * width + i] * x[j];
        x[i] /= matrix[i * width + i];
    }
    for (uint32_t i = 0; i < width; i++)
        if (!isfinite((float)x[i]))
            return false;
    for (uint32_t i = 0; i < width; i++)
        vector[i] = (float)x[i];
    return true;
}

void mf_start(uint64_t seed, uint64_t id, uint32_t width, float *vector)
{
    uint64_t draw = hash_draw(seed, id);

    for (uint32_t i = 0; i < width; i++) {
        double a = hash_positive(hash_draw(draw, 2 * i));
        double b = hash_unit(hash_draw(draw, 2 * i + 1));
        vector[i] = (float)(0.1 / sqrt(width) * sqrt(-2 * log(a)) * cos(6.283185307179586 * b));
    }
}
