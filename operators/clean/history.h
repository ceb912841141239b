/* history: the last values of one column and key, and what they say of the next one. A part of
 * clean's state cell. Pure; all sums go from the oldest value to the newest. */
#ifndef MILLRACE_CLEAN_HISTORY_H
#define MILLRACE_CLEAN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_ROOM_MAX 256u
#define HISTORY_TEXT_MAX 112u /* bytes; longer texts are not remembered */

/* Zeroed: nothing is known. A ring of `room` values. */
struct history {
    int64_t count; /* ever; value k is at k % room */
    int64_t bits;  /* of the newest, exactly: an integer's own, else 0 */
    struct history_value {
        double value;
        int64_t time_ms;
    } values[];
};

struct history_text { /* the newest text */
    int64_t time_ms;
    uint32_t size;
    uint32_t known;
    char text[HISTORY_TEXT_MAX];
};

static inline size_t history_size(uint32_t room)
{
    return sizeof(struct history) + room * sizeof(struct history_value);
}

void history_add(struct history *history, uint32_t room, double value, int64_t bits,
                 int64_t time_ms);

/* The values of at least `since_ms`, oldest first. */
struct history_view {
    uint32_t count;
    double values[HISTORY_ROOM_MAX];
    int64_t times[HISTORY_ROOM_MAX];
};
void history_see(const struct history *history, uint32_t room, int64_t since_ms,
                 struct history_view *view);

/* All want one value at least. */
double history_mean(const struct history_view *view);
double history_sigma(const struct history_view *view,
                     double mean); /* of a sample; 0 of one value */
double history_median(const struct history_view *view);
/* Median of the distances to `median`, times 1.4826, so that it is sigma for a normal law; where it
 * is 0, the mean of the distances times 1.2533 (Iglewicz and Hoaglin 1993). */
double history_mad(const struct history_view *view, double median);
/* The line through the two newest values, at most as far ahead of the newest as the other is back. */
double history_line(const struct history_view *view, int64_t time_ms);

/* Mean distance of `value` to its k nearest, and what that is for the values themselves, on average
 * (each without itself): sums of distances to k nearest (Angiulli and Pizzuti 2002, PKDD). Wants
 * more than k values. */
double history_nearest(const struct history_view *view, uint32_t k, double value, double *usual);

#endif
