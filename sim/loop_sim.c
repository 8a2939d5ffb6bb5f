/* io/loop.h and io/work.h over virtual time. Read loop_turn: it is the real loop's, but what is
 * ready comes in an order that is drawn. A "thread" is a batch that runs at once at a later time,
 * and is finished later still. */
#include "sim/loop_sim.h"

#include "base/log.h"
#include "io/work.h"
#include "sim/disk.h"
#include "sim/net.h"
#include "sim/swarm.h"

enum { READY_MAX = 256, DEFER_ROUNDS_MAX = 8, LAG_US = 60, ACCEPTS_A_TURN = 64 };

struct sock {
    struct list in; /* loop.socks or loop.gone */
    struct loop *loop;
    struct wire_end *end;
    sock_fn *fn;
    void *arg;
    unsigned want;
    bool closed;
};

struct listener {
    struct list in; /* loop.listeners */
    struct loop *loop;
    struct port *port;
    void (*fn)(void *arg);
    void *arg;
    bool paused, closed;
};

struct wake {
    struct list in; /* loop.wakes */
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    bool posted, closed;
};

struct loop {
    struct event turn;
    bool dead, stop, turning;
    int64_t now_ms, wall_ms;
    int64_t paused_until_us, frozen_until_us, quiet_us;
    struct heap timers;
    struct list defers, socks, listeners, wakes, gone_socks, gone_listeners, gone_wakes;
    unsigned busy; /* items with a thread, or coming from one */
    bool (*rests)(void);
    struct ip host;
    char *scratch[2];
};

static void loop_turn(void *arg);

struct loop *loop_new(void)
{
    struct loop *l = NEW(struct loop);
    event_init(&l->turn, loop_turn, l);
    l->turn.void_if = &l->dead;
    heap_init(&l->timers);
    struct list *const lists[] = { &l->defers,     &l->socks,          &l->listeners, &l->wakes,
                                   &l->gone_socks, &l->gone_listeners, &l->gone_wakes };
    for (size_t i = 0; i < COUNTOF(lists); i++)
        list_init(lists[i]);
    for (size_t i = 0; i < COUNTOF(l->scratch); i++)
        l->scratch[i] = mem_alloc(LOOP_SCRATCH);
    l->now_ms = world_us() / MS_US;
    l->wall_ms = world_wall_ms();
    return l;
}

void loop_set_host(struct loop *l, const struct ip *ip)
{
    l->host = *ip;
}

static void loop_bury(struct loop *l)
{
    struct list *m;
    while ((m = list_pop(&l->gone_socks)))
        mem_free(LIST_ENTRY(m, struct sock, in));
    while ((m = list_pop(&l->gone_listeners)))
        mem_free(LIST_ENTRY(m, struct listener, in));
    while ((m = list_pop(&l->gone_wakes)))
        mem_free(LIST_ENTRY(m, struct wake, in));
}

static void loop_run_defers(struct loop *l);

void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (!list_empty(&l->defers))
        loop_run_defers(l);
    loop_bury(l);
    event_stop(&l->turn);
    heap_done(&l->timers);
    for (size_t i = 0; i < COUNTOF(l->scratch); i++)
        mem_free(l->scratch[i]);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    (void)l;
    ASSERT(!"the world turns the loops");
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}

bool loop_has_stopped(const struct loop *l)
{
    return l->stop;
}

const bool *loop_death(const struct loop *l)
{
    return &l->dead;
}

void loop_kill(struct loop *l, bool power)
{
    ASSERT(!l->dead);
    l->dead = true;
    event_stop(&l->turn);
    net_loop_gone(l, power);
}

int64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

int64_t loop_wall_ms(const struct loop *l)
{
    return l->wall_ms;
}

int64_t wall_ms_now(void)
{
    return world_wall_ms();
}

int64_t monotonic_ms_now(void)
{
    return world_us() / MS_US;
}

void loop_random(struct loop *l, void *p, size_t n)
{
    (void)l;
    draw_bytes(p, n);
}

char *loop_scratch(struct loop *l, unsigned which)
{
    ASSERT(which < COUNTOF(l->scratch));
    return l->scratch[which];
}

/* --- when the next turn is --- */

static void loop_poke(struct loop *l)
{
    if (l->dead || l->turning || l->stop)
        return;
    int64_t at = world_us() + (int64_t)draw(LAG_US);
    at = at > l->paused_until_us ? at : l->paused_until_us;
    if (!event_armed(&l->turn) || l->turn.node.at > at)
        event_at(&l->turn, at);
}

static void loop_await_timer(struct loop *l)
{
    const struct heap_node *first = heap_first(&l->timers);
    if (l->dead || l->turning || l->stop || !first)
        return;
    int64_t at = first->at * MS_US;
    at = at > l->paused_until_us ? at : l->paused_until_us;
    if (!event_armed(&l->turn) || l->turn.node.at > at)
        event_at(&l->turn, at);
}

void loop_pause(struct loop *l, int64_t until_us)
{
    if (until_us <= l->paused_until_us)
        return;
    l->paused_until_us = until_us;
    loop_freeze(l, until_us);
    if (event_armed(&l->turn) && l->turn.node.at < until_us)
        event_at(&l->turn, until_us);
}

void loop_freeze(struct loop *l, int64_t until_us)
{
    if (until_us > l->frozen_until_us)
        l->frozen_until_us = until_us;
}

/* --- timers and deferred calls: as in the real loop --- */

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *t = (struct timer){ .loop = l, .fn = fn, .arg = arg };
}

void timer_set(struct timer *t, int64_t at_ms)
{
    ASSERT(t->fn);
    heap_set(&t->loop->timers, &t->node, at_ms > t->loop->now_ms ? at_ms : t->loop->now_ms);
    loop_await_timer(t->loop);
}

void timer_stop(struct timer *t)
{
    if (timer_armed(t))
        heap_remove(&t->loop->timers, &t->node);
}

static void loop_run_timers(struct loop *l)
{
    uint64_t seq_end = l->timers.seq;
    struct heap_node *first;
    while (!l->dead && (first = heap_first(&l->timers)) && first->at <= l->now_ms &&
           first->seq < seq_end) {
        struct timer *t = CONTAINER_OF(first, struct timer, node);
        heap_remove(&l->timers, first);
        t->fn(t->arg);
    }
}

void defer_init(struct defer *d, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *d = (struct defer){ .loop = l, .fn = fn, .arg = arg };
    list_init(&d->in);
}

void defer_call(struct defer *d)
{
    if (list_empty(&d->in))
        list_push(&d->loop->defers, &d->in);
    loop_poke(d->loop);
}

void defer_cancel(struct defer *d)
{
    list_remove(&d->in);
}

static void loop_run_defers(struct loop *l)
{
    struct list end;
    list_init(&end);
    list_push(&l->defers, &end);
    for (struct list *m; (m = list_pop(&l->defers)) != &end;) {
        struct defer *d = LIST_ENTRY(m, struct defer, in);
        d->fn(d->arg);
    }
}

/* --- what is ready --- */

static unsigned sock_ready(const struct sock *s)
{
    unsigned events = 0;
    if ((s->want & SOCK_READABLE) && net_readable(s->end))
        events |= SOCK_READABLE;
    if ((s->want & SOCK_WRITABLE) && net_writable(s->end))
        events |= SOCK_WRITABLE;
    return events;
}

static bool listener_ready(const struct listener *n)
{
    return !n->paused && !list_empty(&n->port->backlog);
}

enum source_kind { READY_SOCK, READY_LISTENER, READY_WAKE };

struct ready {
    enum source_kind kind;
    void *source;
};

static unsigned loop_collect(struct loop *l, struct ready ready[static READY_MAX])
{
    unsigned n = 0;
    LIST_EACH (s, &l->socks)
        if (n < READY_MAX && sock_ready(LIST_ENTRY(s, struct sock, in)))
            ready[n++] = (struct ready){ READY_SOCK, LIST_ENTRY(s, struct sock, in) };
    LIST_EACH (p, &l->listeners)
        if (n < READY_MAX && listener_ready(LIST_ENTRY(p, struct listener, in)))
            ready[n++] = (struct ready){ READY_LISTENER, LIST_ENTRY(p, struct listener, in) };
    LIST_EACH (w, &l->wakes)
        if (n < READY_MAX && LIST_ENTRY(w, struct wake, in)->posted)
            ready[n++] = (struct ready){ READY_WAKE, LIST_ENTRY(w, struct wake, in) };
    for (unsigned i = n; i > 1; i--) {
        unsigned k = (unsigned)draw(i);
        struct ready swap = ready[i - 1];
        ready[i - 1] = ready[k];
        ready[k] = swap;
    }
    return n;
}

static void ready_call(const struct ready *r)
{
    switch (r->kind) {
    case READY_SOCK: {
        struct sock *s = r->source;
        unsigned events = s->closed ? 0 : sock_ready(s);
        if (events)
            s->fn(s->arg, events);
        return;
    }
    case READY_LISTENER: {
        struct listener *n = r->source;
        if (!n->closed)
            n->fn(n->arg);
        return;
    }
    case READY_WAKE: {
        struct wake *w = r->source;
        if (w->closed)
            return;
        w->posted = false;
        w->fn(w->arg);
        return;
    }
    }
}

bool loop_is_quiet(const struct loop *l)
{
    return l->busy == 0 && (!l->rests || l->rests());
}

void loop_set_rests(struct loop *l, bool (*rests)(void))
{
    l->rests = rests;
}

/* A loop that is killed inside its turn runs nothing more of it. */
static void loop_turn(void *arg)
{
    struct loop *l = arg;
    struct ready ready[READY_MAX];
    unsigned n = loop_collect(l, ready);
    l->turning = true;
    l->now_ms = world_us() / MS_US;
    l->wall_ms = world_wall_ms();
    for (unsigned i = 0; i < n && !l->dead; i++)
        ready_call(&ready[i]);
    loop_run_timers(l);
    for (int i = 0; i < DEFER_ROUNDS_MAX && !list_empty(&l->defers) && !l->dead; i++)
        loop_run_defers(l);
    log_flush();
    if (l->dead)
        return;
    loop_bury(l);
    l->turning = false;
    if (loop_is_quiet(l))
        l->quiet_us = world_us();
    if (!list_empty(&l->defers) || loop_collect(l, ready) > 0)
        loop_poke(l);
    loop_await_timer(l);
}

int64_t loop_quiet_us(const struct loop *l)
{
    return l->quiet_us;
}

unsigned loop_sockets(const struct loop *l)
{
    unsigned n = 0;
    for (const struct list *it = l->socks.next; it != &l->socks; it = it->next)
        n++;
    return n;
}

/* --- sockets --- */

static struct sock *sock_new(struct loop *l, sock_fn *fn, void *arg)
{
    struct sock *s = NEW(struct sock);
    s->loop = l;
    s->fn = fn;
    s->arg = arg;
    list_init(&s->in);
    list_push(&l->socks, &s->in);
    return s;
}

struct loop *sock_loop(const struct sock *s)
{
    return s->loop;
}

void sock_poke(struct sock *s)
{
    if (sock_ready(s))
        loop_poke(s->loop);
}

enum err sock_connect(struct loop *l, const struct ip *to, const struct ip *local, sock_fn *fn,
                      void *arg, struct sock **ret)
{
    struct sock *s = sock_new(l, fn, arg);
    s->end = net_call(s, local ? local : &l->host, to);
    s->want = SOCK_WRITABLE;
    *ret = s;
    return ERR_OK;
}

enum err sock_connect_unix(struct loop *l, struct span path, sock_fn *fn, void *arg,
                           struct sock **ret)
{
    (void)l, (void)path, (void)fn, (void)arg, (void)ret;
    return ERR_REFUSED;
}

enum err sock_connected(struct sock *s, const char **ret_text)
{
    const struct wire *w = s->end->wire;
    if (!w->decided)
        return ERR_AGAIN;
    switch (w->state) {
    case WIRE_REFUSED:
        *ret_text = "Connection refused";
        return ERR_REFUSED;
    case WIRE_TIMEOUT:
        *ret_text = "Connection timed out";
        return ERR_TIMEOUT;
    default:
        return ERR_OK;
    }
}

enum err sock_recv(struct sock *s, char *p, size_t cap, size_t *ret_n)
{
    return net_recv(s->end, p, cap, ret_n);
}

enum err sock_send(struct sock *s, struct span bytes, size_t *ret_n)
{
    ASSERT(bytes.n > 0);
    return net_send(s->end, bytes, ret_n);
}

void sock_on(struct sock *s, sock_fn *fn, void *arg)
{
    s->fn = fn;
    s->arg = arg;
}

void sock_want(struct sock *s, unsigned events)
{
    ASSERT(!s->closed);
    s->want = events;
    sock_poke(s);
}

void sock_shutdown(struct sock *s)
{
    net_shutdown(s->end);
}

void sock_close(struct sock *s)
{
    ASSERT(!s->closed);
    net_close(s->end);
    s->closed = true;
    list_remove(&s->in);
    list_push(&s->loop->gone_socks, &s->in);
}

struct ip sock_local(const struct sock *s)
{
    return s->end->ip;
}

struct ip sock_peer(const struct sock *s)
{
    return s->end->wire->end[!s->end->side].ip;
}

enum err sock_peer_uid(const struct sock *s, unsigned *ret)
{
    (void)s;
    (void)ret;
    return ERR_IO;
}

/* --- listeners --- */

struct listener *listener_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
    struct listener *n = NEW(struct listener);
    n->loop = l;
    n->port = net_port(fd);
    n->fn = fn;
    n->arg = arg;
    list_init(&n->in);
    list_push(&l->listeners, &n->in);
    n->port->loop = l;
    n->port->listener = n;
    listener_poke(n);
    return n;
}

void listener_poke(struct listener *n)
{
    if (listener_ready(n))
        loop_poke(n->loop);
}

void listener_free(struct listener *n)
{
    if (!n)
        return;
    n->closed = true;
    if (n->port->listener == n)
        n->port->listener = NULL;
    list_remove(&n->in);
    list_push(&n->loop->gone_listeners, &n->in);
}

enum err listener_accept(struct listener *n, sock_fn *fn, void *arg, struct sock **ret)
{
    struct wire_end *e = net_accept(n->port);
    if (!e)
        return ERR_AGAIN;
    struct sock *s = sock_new(n->loop, fn, arg);
    s->end = e;
    e->sock = s;
    *ret = s;
    return ERR_OK;
}

void listener_pause(struct listener *n, bool paused)
{
    n->paused = paused;
    listener_poke(n);
}

/* --- descriptors: there are none --- */

struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg)
{
    (void)l, (void)fd, (void)fn, (void)arg;
    ASSERT(!"no descriptors in the simulated world");
    return NULL;
}

void watch_free(struct watch *w)
{
    ASSERT(!w);
}

/* --- wake-ups --- */

struct wake *wake_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct wake *w = NEW(struct wake);
    w->loop = l;
    w->fn = fn;
    w->arg = arg;
    list_init(&w->in);
    list_push(&l->wakes, &w->in);
    return w;
}

void wake_post(struct wake *w)
{
    w->posted = true;
    loop_poke(w->loop);
}

void wake_free(struct wake *w)
{
    if (!w)
        return;
    w->closed = true;
    list_remove(&w->in);
    list_push(&w->loop->gone_wakes, &w->in);
}

/* --- "threads" --- */

struct queue {
    struct work_item *first, **last;
};

struct work {
    struct loop *loop;
    unsigned batch_max;
    work_run_fn *run;
    work_finish_fn *finish;
    void *arg;
    struct wake *wake;
    struct event take, ready;
    struct queue waiting, running, done;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_push(struct queue *q, struct work_item *item)
{
    item->next = NULL;
    *q->last = item;
    q->last = &item->next;
}

static struct work_item *queue_pop(struct queue *q)
{
    struct work_item *item = q->first;
    if (!item)
        return NULL;
    q->first = item->next;
    if (!q->first)
        q->last = &q->first;
    return item;
}

static void work_wait(struct work *w)
{
    int64_t at = world_us() + 5 + (int64_t)draw((uint64_t)swarm.thread_delay_us);
    if (w->waiting.first && !w->running.first && !event_armed(&w->take))
        event_at(&w->take, at > w->loop->frozen_until_us ? at : w->loop->frozen_until_us);
}

static void work_run_batch(struct work *w)
{
    struct work_item *item;
    for (unsigned i = 0; i < w->batch_max && (item = queue_pop(&w->waiting)); i++)
        queue_push(&w->running, item);
    if (w->running.first)
        w->run(w->arg, w->running.first);
}

/* The batch has its effect now; that it had is known when the disk's time is over. */
static void work_take(void *arg)
{
    struct work *w = arg;
    if (world_us() < w->loop->frozen_until_us) {
        work_wait(w);
        return;
    }
    work_run_batch(w);
    int64_t at = world_us() + disk_take_cost_us() + (int64_t)draw((uint64_t)swarm.thread_delay_us);
    event_at(&w->ready, at > w->loop->frozen_until_us ? at : w->loop->frozen_until_us);
}

static void work_ready(void *arg)
{
    struct work *w = arg;
    struct work_item *item;
    if (world_us() < w->loop->frozen_until_us) {
        event_at(&w->ready, w->loop->frozen_until_us);
        return;
    }
    while ((item = queue_pop(&w->running)))
        queue_push(&w->done, item);
    wake_post(w->wake);
    work_wait(w);
}

static void work_woken(void *arg)
{
    struct work *w = arg;
    struct work_item *item;
    while (!w->loop->dead && (item = queue_pop(&w->done))) {
        w->loop->busy--;
        w->finish(w->arg, item);
    }
}

struct work *work_new(struct loop *loop, const char *name, unsigned batch_max, work_run_fn *run,
                      work_finish_fn *finish, void *arg)
{
    (void)name;
    struct work *w = NEW(struct work);
    w->loop = loop;
    w->batch_max = batch_max;
    w->run = run;
    w->finish = finish;
    w->arg = arg;
    queue_init(&w->waiting);
    queue_init(&w->running);
    queue_init(&w->done);
    event_init(&w->take, work_take, w);
    event_init(&w->ready, work_ready, w);
    w->take.void_if = w->ready.void_if = &loop->dead;
    w->wake = wake_new(loop, work_woken, w);
    return w;
}

void work_free(struct work *w)
{
    struct work_item *item;
    if (!w)
        return;
    event_stop(&w->take);
    event_stop(&w->ready);
    do {
        while ((item = queue_pop(&w->running)))
            queue_push(&w->done, item);
        work_run_batch(w);
    } while (w->running.first);
    work_woken(w);
    ASSERT(!w->waiting.first);
    wake_free(w->wake);
    mem_free(w);
}

void work_submit(struct work *w, struct work_item *item)
{
    queue_push(&w->waiting, item);
    w->loop->busy++;
    work_wait(w);
}
