/* The real loop, on epoll. Read loop_turn() first.
 *
 * Every descriptor that is waited for is a `struct source`. What a source wants and what the
 * kernel was told may differ: more is told once, before the next wait; less is told only when an
 * event that nobody wants comes. So a connection that holds its input back for a moment costs no
 * call. Sources that were closed stay in memory until the end of the turn, because the batch of
 * events in hand may still name them.
 */
#include "base/log.h"
#include "io/inet.h"
#include "io/loop.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_A_TURN = 256,
    ACCEPTS_A_TURN = 64,
    DEFER_ROUNDS_MAX = 8, /* then other sockets get their chance */
    REST_MS = 100,        /* of a listener without descriptors */
    WAIT_MS_MAX = 60 * 1000,
};

enum source_kind { SOURCE_SOCK, SOURCE_LISTENER, SOURCE_WATCH };

struct source {
    struct list in; /* loop.changed or loop.dead, or none */
    struct loop *loop;
    int fd;
    uint8_t kind; /* enum source_kind */
    bool dead;
    uint8_t want, told; /* SOCK_ bits; told 0: the kernel does not watch it */
};

struct sock {
    struct source source;
    sock_fn *fn;
    void *arg;
    struct ip peer;
    bool decided; /* connected, or refused */
};

struct listener {
    struct source source;
    void (*fn)(void *arg);
    void *arg;
    struct timer rest;
    bool paused;
    unsigned accepted; /* in turn `turn` */
    uint64_t turn;
};

struct watch {
    struct source source;
    void (*fn)(void *arg);
    void *arg;
};

struct wake {
    struct watch *watch;
    int fd;
    atomic_bool posted;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    int epoll;
    bool stop;
    uint64_t turn;
    int64_t now_ms, wall_ms;
    struct heap timers;
    struct list defers, changed, dead;
    struct list round_end; /* in `defers` while a round of them runs */
    char *scratch[2];
};

/* --- clocks --- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    int e = clock_gettime(clock, &t);
    ASSERT(e == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wall_ms_now(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t monotonic_ms_now(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static void loop_read_clocks(struct loop *l)
{
    l->now_ms = clock_ms(CLOCK_MONOTONIC);
    l->wall_ms = clock_ms(CLOCK_REALTIME_COARSE);
}

int64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

int64_t loop_wall_ms(const struct loop *l)
{
    return l->wall_ms;
}

void loop_random(struct loop *l, void *p, size_t n)
{
    (void)l;
    char *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

char *loop_scratch(struct loop *l, unsigned which)
{
    ASSERT(which < COUNTOF(l->scratch));
    return l->scratch[which];
}

/* --- timers --- */

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *t = (struct timer){ .loop = l, .fn = fn, .arg = arg };
}

/* Never before now: so timers that set themselves again stand behind all that are due. */
void timer_set(struct timer *t, int64_t at_ms)
{
    ASSERT(t->fn);
    heap_set(&t->loop->timers, &t->node, at_ms > t->loop->now_ms ? at_ms : t->loop->now_ms);
}

void timer_stop(struct timer *t)
{
    if (timer_armed(t))
        heap_remove(&t->loop->timers, &t->node);
}

static void loop_run_timers(struct loop *l)
{
    uint64_t seq_end = l->timers.seq; /* what is set from here on waits for the next turn */
    struct heap_node *first;
    while ((first = heap_first(&l->timers)) && first->at <= l->now_ms && first->seq < seq_end) {
        struct timer *t = CONTAINER_OF(first, struct timer, node);
        heap_remove(&l->timers, first);
        t->fn(t->arg);
    }
}

/* --- deferred calls --- */

void defer_init(struct defer *d, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *d = (struct defer){ .loop = l, .fn = fn, .arg = arg };
    list_init(&d->in);
}

void defer_call(struct defer *d)
{
    if (list_empty(&d->in))
        list_push(&d->loop->defers, &d->in);
}

void defer_cancel(struct defer *d)
{
    list_remove(&d->in);
}

/* Calls what is in the list now, not what is added meanwhile. */
static void loop_run_defers(struct loop *l)
{
    list_push(&l->defers, &l->round_end);
    for (struct list *m; (m = list_pop(&l->defers)) != &l->round_end;) {
        struct defer *d = LIST_ENTRY(m, struct defer, in);
        d->fn(d->arg);
    }
}

/* --- sources --- */

static void source_init(struct source *s, struct loop *l, enum source_kind kind, int fd)
{
    ASSERT(fd >= 0);
    *s = (struct source){ .loop = l, .fd = fd, .kind = (uint8_t)kind };
    list_init(&s->in);
}

static void source_tell(struct source *s)
{
    if (s->want == s->told)
        return;
    int op = !s->told ? EPOLL_CTL_ADD : !s->want ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    struct epoll_event ev = { .data.ptr = s };
    ev.events |= s->want & SOCK_READABLE ? (uint32_t)EPOLLIN : 0;
    ev.events |= s->want & SOCK_WRITABLE ? (uint32_t)EPOLLOUT : 0;
    int e = epoll_ctl(s->loop->epoll, op, s->fd, &ev);
    ASSERT(e == 0);
    s->told = s->want;
}

static void source_want(struct source *s, unsigned events)
{
    ASSERT(!s->dead);
    s->want = (uint8_t)events;
    if ((s->want & ~s->told) && list_empty(&s->in))
        list_push(&s->loop->changed, &s->in);
}

static void source_end(struct source *s)
{
    ASSERT(!s->dead);
    s->dead = true;
    list_remove(&s->in);
    list_push(&s->loop->dead, &s->in);
}

/* A borrowed descriptor lives on, so the kernel has to be told. */
static void source_end_borrowed(struct source *s)
{
    s->want = 0;
    source_tell(s);
    source_end(s);
}

static void loop_tell_changed(struct loop *l)
{
    for (struct list *m; (m = list_pop(&l->changed));) {
        struct source *s = LIST_ENTRY(m, struct source, in);
        if (s->want & ~s->told)
            source_tell(s);
    }
}

static void loop_bury_dead(struct loop *l)
{
    for (struct list *m; (m = list_pop(&l->dead));) {
        struct source *s = LIST_ENTRY(m, struct source, in);
        if (s->kind == SOURCE_SOCK)
            mem_free(CONTAINER_OF(s, struct sock, source));
        else if (s->kind == SOURCE_LISTENER)
            mem_free(CONTAINER_OF(s, struct listener, source));
        else
            mem_free(CONTAINER_OF(s, struct watch, source));
    }
}

static void source_call(struct source *s, unsigned events)
{
    if (s->kind == SOURCE_SOCK) {
        struct sock *sock = CONTAINER_OF(s, struct sock, source);
        if (events & SOCK_WRITABLE)
            sock->decided = true;
        sock->fn(sock->arg, events);
    } else if (s->kind == SOURCE_LISTENER) {
        struct listener *n = CONTAINER_OF(s, struct listener, source);
        n->fn(n->arg);
    } else {
        struct watch *w = CONTAINER_OF(s, struct watch, source);
        w->fn(w->arg);
    }
}

static void source_event(struct source *s, uint32_t epoll_events)
{
    const uint32_t broken = EPOLLHUP | EPOLLERR; /* always told, wanted or not */
    unsigned events = 0;
    if (epoll_events & (EPOLLIN | broken))
        events |= SOCK_READABLE;
    if (epoll_events & (EPOLLOUT | broken))
        events |= SOCK_WRITABLE;
    if (!s->dead && (events & s->want))
        source_call(s, events & s->want);
    if (!s->dead && (events & ~(unsigned)s->want))
        source_tell(s);
}

/* --- the turn --- */

struct loop *loop_new(void)
{
    struct loop *l = NEW(struct loop);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(l->epoll >= 0);
    heap_init(&l->timers);
    list_init(&l->defers);
    list_init(&l->round_end);
    list_init(&l->changed);
    list_init(&l->dead);
    for (unsigned i = 0; i < COUNTOF(l->scratch); i++)
        l->scratch[i] = mem_alloc(LOOP_SCRATCH);
    loop_read_clocks(l);
    return l;
}

/* Deferred calls are made, because some of them free memory. */
void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (!list_empty(&l->defers))
        loop_run_defers(l);
    loop_bury_dead(l);
    heap_done(&l->timers);
    for (unsigned i = 0; i < COUNTOF(l->scratch); i++)
        mem_free(l->scratch[i]);
    close(l->epoll);
    mem_free(l);
}

static int loop_wait_ms(const struct loop *l)
{
    if (l->stop || !list_empty(&l->defers))
        return 0;
    const struct heap_node *first = heap_first(&l->timers);
    if (!first)
        return -1;
    int64_t wait_ms = first->at - clock_ms(CLOCK_MONOTONIC);
    if (wait_ms < 0)
        return 0;
    return wait_ms < WAIT_MS_MAX ? (int)wait_ms : WAIT_MS_MAX;
}

static void loop_turn(struct loop *l)
{
    struct epoll_event events[EVENTS_A_TURN];
    loop_tell_changed(l);
    log_flush();
    int n = epoll_wait(l->epoll, events, EVENTS_A_TURN, loop_wait_ms(l));
    ASSERT(n >= 0 || errno == EINTR);
    l->turn++;
    loop_read_clocks(l);
    for (int i = 0; i < n; i++)
        source_event(events[i].data.ptr, events[i].events);
    loop_run_timers(l);
    for (int i = 0; i < DEFER_ROUNDS_MAX && !list_empty(&l->defers); i++)
        loop_run_defers(l);
    loop_bury_dead(l);
}

void loop_run(struct loop *l)
{
    l->stop = false;
    while (!l->stop)
        loop_turn(l);
    log_flush();
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}

/* --- sockets --- */

static struct sock *sock_new(struct loop *l, int fd, struct ip peer)
{
    struct sock *s = NEW(struct sock);
    source_init(&s->source, l, SOURCE_SOCK, fd);
    s->peer = peer;
    return s;
}

void sock_on(struct sock *s, sock_fn *fn, void *arg)
{
    s->fn = fn;
    s->arg = arg;
}

static void sock_watch_connect(struct sock *s, sock_fn *fn, void *arg)
{
    sock_on(s, fn, arg);
    source_want(&s->source, SOCK_WRITABLE);
}

enum err sock_connect(struct loop *l, const struct ip *to, const struct ip *local, sock_fn *fn,
                      void *arg, struct sock **ret)
{
    int fd;
    TRY(inet_connect(to, local, &fd));
    *ret = sock_new(l, fd, *to);
    sock_watch_connect(*ret, fn, arg);
    return ERR_OK;
}

enum err sock_connect_unix(struct loop *l, struct span path, sock_fn *fn, void *arg,
                           struct sock **ret)
{
    int fd;
    TRY(inet_connect_unix(path, &fd));
    *ret = sock_new(l, fd, (struct ip){ .family = IP_UNIX });
    sock_watch_connect(*ret, fn, arg);
    return ERR_OK;
}

enum err sock_connected(struct sock *s, const char **ret_text)
{
    return s->decided ? inet_connected(s->source.fd, ret_text) : ERR_AGAIN;
}

enum err sock_recv(struct sock *s, char *p, size_t cap, size_t *ret_n)
{
    ASSERT(cap > 0);
    ssize_t got = recv(s->source.fd, p, cap, MSG_DONTWAIT);
    if (got < 0)
        return inet_would_block() ? ERR_AGAIN : ERR_IO;
    if (got == 0)
        return ERR_CLOSED;
    *ret_n = (size_t)got;
    return ERR_OK;
}

enum err sock_send(struct sock *s, struct span bytes, size_t *ret_n)
{
    ASSERT(bytes.n > 0);
    ssize_t sent = send(s->source.fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return inet_would_block() ? ERR_AGAIN : ERR_IO;
    *ret_n = (size_t)sent;
    return ERR_OK;
}

void sock_want(struct sock *s, unsigned events)
{
    source_want(&s->source, events);
}

/* A peer that is gone already needs no FIN. */
void sock_shutdown(struct sock *s)
{
    (void)shutdown(s->source.fd, SHUT_WR);
}

/* close() takes the descriptor out of the epoll set: nobody else holds this socket. */
void sock_close(struct sock *s)
{
    close(s->source.fd);
    source_end(&s->source);
}

struct ip sock_local(const struct sock *s)
{
    return inet_local(s->source.fd);
}

struct ip sock_peer(const struct sock *s)
{
    return s->peer;
}

enum err sock_peer_uid(const struct sock *s, unsigned *ret)
{
    return inet_peer_uid(s->source.fd, ret);
}

/* --- listeners --- */

static void listener_choose(struct listener *n)
{
    source_want(&n->source, n->paused || timer_armed(&n->rest) ? 0 : SOCK_READABLE);
}

static void listener_rested(void *arg)
{
    listener_choose(arg);
}

/* The descriptor stays the caller's. Accepted sockets inherit TCP_NODELAY; a unix socket has none.
 */
struct listener *listener_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
    struct listener *n = NEW(struct listener);
    source_init(&n->source, l, SOURCE_LISTENER, fd);
    n->fn = fn;
    n->arg = arg;
    timer_init(&n->rest, l, listener_rested, n);
    inet_prepare_listener(fd);
    listener_choose(n);
    return n;
}

void listener_free(struct listener *n)
{
    if (!n)
        return;
    timer_stop(&n->rest);
    source_end_borrowed(&n->source);
}

enum err listener_accept(struct listener *n, sock_fn *fn, void *arg, struct sock **ret)
{
    struct loop *l = n->source.loop;
    if (n->turn != l->turn)
        n->accepted = 0;
    n->turn = l->turn;
    while (n->accepted++ < ACCEPTS_A_TURN) {
        int fd;
        struct ip peer;
        enum err e = inet_accept(n->source.fd, &fd, &peer);
        if (e == ERR_OK) {
            *ret = sock_new(l, fd, peer);
            (*ret)->decided = true;
            sock_on(*ret, fn, arg);
            return ERR_OK;
        }
        if (e == ERR_FULL) {
            timer_set(&n->rest, l->now_ms + REST_MS);
            listener_choose(n);
        }
        if (e != ERR_IO)
            return e;
    }
    return ERR_AGAIN;
}

void listener_pause(struct listener *n, bool paused)
{
    n->paused = paused;
    listener_choose(n);
}

/* --- any descriptor --- */

struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
    struct watch *w = NEW(struct watch);
    source_init(&w->source, l, SOURCE_WATCH, fd);
    w->fn = fn;
    w->arg = arg;
    source_want(&w->source, SOCK_READABLE);
    return w;
}

void watch_free(struct watch *w)
{
    if (w)
        source_end_borrowed(&w->source);
}

/* --- wake-ups --- */

/* The flag falls before fn looks at what was posted, so no post is missed. */
static void wake_event(void *arg)
{
    struct wake *w = arg;
    uint64_t count;
    ssize_t got = read(w->fd, &count, sizeof count);
    ASSERT(got == (ssize_t)sizeof count || errno == EAGAIN || errno == EINTR);
    atomic_exchange(&w->posted, false);
    w->fn(w->arg);
}

struct wake *wake_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct wake *w = NEW(struct wake);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(w->fd >= 0);
    w->fn = fn;
    w->arg = arg;
    w->watch = watch_new(l, w->fd, wake_event, w);
    return w;
}

void wake_post(struct wake *w)
{
    if (atomic_exchange(&w->posted, true))
        return;
    const uint64_t one = 1;
    ssize_t put = write(w->fd, &one, sizeof one);
    ASSERT(put == (ssize_t)sizeof one);
}

void wake_free(struct wake *w)
{
    if (!w)
        return;
    watch_free(w->watch);
    close(w->fd);
    mem_free(w);
}
