/* waker: tells an owner that there is something to do. Safe from any thread, cheap when the
 * owner is awake already. */
#ifndef MILLRACE_BASE_WAKER_H
#define MILLRACE_BASE_WAKER_H

struct waker {
    void (*wake)(struct waker *waker);
};

static inline void waker_wake(struct waker *waker)
{
    if (waker)
        waker->wake(waker);
}

#endif
