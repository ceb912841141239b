/* history: see history.h. */
#include "operators/clean/history.h"

#include "runtime/base/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void history_add(struct history *history, uint32_t room, double value, int64_t bits,
                 int64_t time_ms)
{
    history->values[history->count % room] = (struct history_value){value, time_ms};
    history->bits = bits;
    history->count++;
}

void history_see(const struct history *history, uint32_t room, int64_t since_ms,
                 struct history_view *view)
{
    int64_t known = history->count < (int64_t)room ? history->count : (int64_t)room;

    CHECK(room <= HISTORY_ROOM_MAX);
    view->count = 0;
    for (int64_t k = history->count - known; k < history->count; k++) {
        const struct history_value *value = &history->values[k % room];
        if (value->time_ms < since_ms)
            continue;
        view->times[view->count] = value->time_ms;
        view->values[view->count++] = value->value;
    }
}

double history_mean(const struct history_view *view)
{
    double sum = 0;

    CHECK(view->count > 0);
    for (uint32_t i = 0; i < view->count; i++)
        sum += view->values[i];
    return sum / view->count;
}

double history_sigma(const struct history_view *view, double mean)
{
    double sum = 0;

    for (uint32_t i = 0; i < view->count; i++)
        sum += (view->values[i] - mean) * (view->values[i] - mean);
    return view->count > 1 ? sqrt(sum / (view->count - 1)) : 0;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double middle(double *values, uint32_t count)
{
    CHECK(count > 0);
    qsort(values, count, sizeof(values[0]), by_value);
    return count % 2 ? values[count / 2] : values[count / 2 - 1] / 2 + values[count / 2] / 2;
}

double history_median(const struct history_view *view)
{
    double values[HISTORY_ROOM_MAX];

    memcpy(values, view->values, view->count * sizeof(values[0]));
    return middle(values, view->count);
}

double history_mad(const struct history_view *view, double median)
{
    double apart[HISTORY_ROOM_MAX], sum = 0, found;

    for (uint32_t i = 0; i < view->count; i++) {
        apart[i] = fabs(view->values[i] - median);
        sum += apart[i];
    }
    found = middle(apart, view->count);
    return found > 0 ? 1.4826 * found : 1.2533 * (sum / view->count);
}

double history_line(const struct history_view *view, int64_t time_ms)
{
    uint32_t newest = view->count - 1;
    double gap, ahead;

    CHECK(view->count > 0);
    if (newest == 0 || view->times[newest] <= view->times[newest - 1])
        return view->values[newest];
    gap = (double)(view->times[newest] - view->times[newest - 1]);
    ahead = fmin((double)(time_ms - view->times[newest]) / gap, 1);
    return view->values[newest] + ahead * (view->values[newest] - view->values[newest - 1]);
}

/* Mean distance of `value` to the k nearest of `sorted`, less the one at `self`. In one dimension
 * the nearest stand together: two places move apart. */
static double nearest_mean(const double *sorted, uint32_t count, uint32_t self, uint32_t k,
                           double value)
{
    int64_t left = -1, right = (int64_t)count;
    double sum = 0;

    while (left + 1 < (int64_t)count && sorted[left + 1] < value)
        left++;
    right = left + 1;
    for (uint32_t taken = 0; taken < k;) {
        bool lower;
        if (left == (int64_t)self)
            left--;
        if (right == (int64_t)self)
            right++;
        CHECK(left >= 0 || right < (int64_t)count);
        lower =
            left >= 0 && (right >= (int64_t)count || value - sorted[left] <= sorted[right] - value);
        sum += lower ? value - sorted[left--] : sorted[right++] - value;
        taken++;
    }
    return sum / k;
}

double history_nearest(const struct history_view *view, uint32_t k, double value, double *usual)
{
    double sorted[HISTORY_ROOM_MAX], sum = 0;

    CHECK(k > 0 && view->count > k);
    memcpy(sorted, view->values, view->count * sizeof(sorted[0]));
    qsort(sorted, view->count, sizeof(sorted[0]), by_value);
    for (uint32_t i = 0; i < view->count; i++)
        sum += nearest_mean(sorted, view->count, i, k, sorted[i]);
    *usual = sum / view->count;
    return nearest_mean(sorted, view->count, UINT32_MAX, k, value);
}
