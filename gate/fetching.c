#include "gate/fetching.h"

#include "base/list.h"
#include "fetcher/wire.h"
#include "gate/worker.h"
#include "sys/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GRACE_MS = 3000, ANSWERS_A_TURN = 16 };
STATIC_ASSERT((int)FETCHING_TIMEOUT_MS == (int)FETCHER_TIMEOUT_MAX_MS);
STATIC_ASSERT((int)FETCHING_BODY_MAX == (int)FETCHER_BODY_MAX);
STATIC_ASSERT((int)FETCHING_POST_MAX == (int)FETCHER_POST_MAX);

struct fetching {
    struct worker *w;
    int fd; /* -1: no link */
    struct watch *watch;
    struct list asks;
    unsigned n;
    uint32_t serial;
    struct fetcher_request request;
    struct fetcher_answer answer;
};

struct fetch_ask {
    struct list in; /* fetching.asks */
    struct fetching *f;
    uint32_t serial;
    uint64_t body_max;
    fetched_fn *fn;
    void *arg;
    struct timer timer;
    const char *why; /* what is said when the timer goes off */
};

static void ask_free(struct fetch_ask *a)
{
    timer_stop(&a->timer);
    list_remove(&a->in);
    a->f->n--;
    mem_free(a);
}

/* The ask goes first: fn may ask again, or free whatever asked. */
static void ask_end(struct fetch_ask *a, const struct fetch_result *r, struct span body)
{
    fetched_fn *fn = a->fn;
    void *arg = a->arg;
    ask_free(a);
    fn(arg, r, body);
}

static void ask_overdue(void *arg)
{
    struct fetch_ask *a = arg;
    struct fetch_result r = { .not_tried = true };
    (void)snprintf(r.why, sizeof r.why, "%s", a->why);
    ask_end(a, &r, SPAN_NONE);
}

/* Answered in the next turn, not inside whoever asks or tells. */
static void ask_fail_soon(struct fetch_ask *a, const char *why)
{
    a->why = why;
    a->serial = 0;
    timer_set(&a->timer, loop_now_ms(a->f->w->loop));
}

/* --- answers --- */

static void link_lost(struct fetching *f)
{
    watch_free(f->watch);
    f->watch = NULL;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    LIST_EACH (l, &f->asks)
        ask_fail_soon(CONTAINER_OF(l, struct fetch_ask, in), "cannot tell: the fetcher is gone");
}

static struct fetch_ask *ask_of(struct fetching *f, uint32_t serial)
{
    LIST_EACH (l, &f->asks)
        if (CONTAINER_OF(l, struct fetch_ask, in)->serial == serial)
            return CONTAINER_OF(l, struct fetch_ask, in);
    return NULL; /* cancelled, or given up */
}

static void answer_broken(struct fetch_ask *a)
{
    struct fetch_result r = { .not_tried = true };
    (void)snprintf(r.why, sizeof r.why, "cannot tell: the fetcher's answer is not in order");
    ask_end(a, &r, SPAN_NONE);
}

static void take_answer(struct fetching *f, size_t n, const int *fd, unsigned n_fd)
{
    const struct fetcher_answer *m = &f->answer;
    struct fetch_result r;
    struct span body;
    struct fetch_ask *a = n >= sizeof m->serial && m->serial != 0 ? ask_of(f, m->serial) : NULL;
    if (!a)
        return;
    if (fetcher_answer_read(m, n, n_fd, a->body_max, &r, &body) != ERR_OK) {
        answer_broken(a);
        return;
    }
    if (n_fd == 0) {
        ask_end(a, &r, body);
        return;
    }
    size_t mapped = 0;
    void *p = shared_is_sealed(fd[0], (size_t)m->n_body) ? shared_map(fd[0], false, &mapped) : NULL;
    if (!p) {
        answer_broken(a);
        return;
    }
    ask_end(a, &r, span_of(p, mapped));
    (void)munmap(p, mapped);
}

static void hear(void *arg)
{
    struct fetching *f = arg;
    for (unsigned i = 0; i < ANSWERS_A_TURN && f->fd >= 0; i++) {
        int fd[CHANNEL_FDS_MAX];
        unsigned n_fd = 0;
        size_t n;
        enum err e = channel_recv(f->fd, &f->answer, sizeof f->answer, &n, fd, &n_fd);
        if (e == ERR_AGAIN)
            return;
        if (e == ERR_OK)
            take_answer(f, n, fd, n_fd);
        else
            link_lost(f);
        while (n_fd > 0)
            close(fd[--n_fd]);
    }
}

/* --- asking --- */

static enum err send_request(struct fetching *f, struct span post)
{
    int fd = -1;
    if (post.n > 0)
        TRY(shared_sealed("postern-post", post.p, post.n, &fd));
    enum err e = channel_send(f->fd, &f->request, sizeof f->request, &fd, post.n > 0 ? 1 : 0);
    if (fd >= 0)
        close(fd);
    return e;
}

static const char *ask_try(struct fetching *f, const struct fetch_request *r, uint32_t serial)
{
    if (f->n > FETCHING_ASKS_MAX)
        return "not asked: too many requests of this worker are under way";
    if (fetcher_request_make(r, serial, &f->request) != ERR_OK)
        return "not asked: no URL of http or https, or a bound was passed";
    if (f->fd < 0)
        return "cannot tell: the fetcher is gone";
    switch (send_request(f, r->body)) {
    case ERR_OK:
        return NULL;
    case ERR_CLOSED:
        return "cannot tell: the fetcher is gone";
    default:
        return "cannot tell: the fetcher has too much to do";
    }
}

struct fetch_ask *fetching_ask(struct worker *w, const struct fetch_request *r, fetched_fn *fn,
                               void *arg)
{
    struct fetching *f = w->fetching;
    struct fetch_ask *a = NEW(struct fetch_ask);
    a->f = f;
    a->fn = fn;
    a->arg = arg;
    a->body_max = r->body_max;
    a->serial = ++f->serial > 0 ? f->serial : ++f->serial;
    timer_init(&a->timer, w->loop, ask_overdue, a);
    list_push(&f->asks, &a->in);
    f->n++;
    const char *why = ask_try(f, r, a->serial);
    if (why) {
        ask_fail_soon(a, why);
        return a;
    }
    int64_t timeout = r->rules.timeout_ms > 0 ? r->rules.timeout_ms : w->config->fetch.timeout_ms;
    a->why = "cannot tell: the fetcher does not answer";
    /* it may wait as long as it may take, once it has begun */
    timer_set(&a->timer, loop_now_ms(w->loop) + 2 * timeout + GRACE_MS);
    return a;
}

void fetching_cancel(struct fetch_ask *a)
{
    if (a)
        ask_free(a);
}

/* --- links --- */

void fetching_link(struct fetching *f, int fd)
{
    link_lost(f);
    if (fd < 0)
        return;
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    f->fd = fd;
    f->watch = watch_new(f->w->loop, fd, hear, f);
}

struct fetching *fetching_new(struct worker *w, int fd)
{
    struct fetching *f = NEW(struct fetching);
    f->w = w;
    f->fd = -1;
    list_init(&f->asks);
    fetching_link(f, fd);
    return f;
}

void fetching_free(struct fetching *f)
{
    if (!f)
        return;
    while (!list_empty(&f->asks))
        ask_free(CONTAINER_OF(f->asks.next, struct fetch_ask, in));
    link_lost(f);
    mem_free(f);
}
