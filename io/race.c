/* Attempts stand in the order of the addresses. Every end goes through the deferred call, so that
 * the owner is never called from inside his own. */
#include "io/race.h"
#include "base/why.h"

enum { STEP_MS = 250 };

struct race {
    struct loop *loop;
    race_fn *fn;
    void *arg;
    struct ip to[RACE_MAX];
    struct sock *sock[RACE_MAX]; /* NULL: not begun, or failed */
    unsigned n, next;
    bool bound;
    struct ip local; /* when bound */
    struct timer step;
    struct defer lost;
    struct why why; /* of the last that failed */
};

void race_free(struct race *r)
{
    if (!r)
        return;
    timer_stop(&r->step);
    defer_cancel(&r->lost);
    for (unsigned i = 0; i < r->n; i++) {
        if (r->sock[i])
            sock_close(r->sock[i]);
    }
    mem_free(r);
}

/* No attempt is left. */
static void race_lost(void *arg)
{
    struct race *r = arg;
    r->fn(r->arg, NULL, NULL, r->why.text);
    race_free(r);
}

static void race_won(struct race *r, unsigned i)
{
    struct sock *s = r->sock[i];
    r->sock[i] = NULL;
    r->fn(r->arg, s, &r->to[i], "");
    race_free(r);
}

static void race_failed(struct race *r, unsigned i, const char *text)
{
    char at[IP_TEXT_MAX];
    bool local = r->to[i].family == IP_UNIX;
    why_set(&r->why, "connect to %s: %s", local ? "the socket" : ip_port_text(&r->to[i], at), text);
}

static bool race_running(const struct race *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        if (r->sock[i])
            return true;
    }
    return false;
}

static void race_event(void *arg, unsigned events);

/* Begins the next attempt that can be begun. */
static void race_next(struct race *r)
{
    while (r->next < r->n) {
        unsigned i = r->next++;
        bool bind = r->bound && r->local.family == r->to[i].family;
        enum err e =
            sock_connect(r->loop, &r->to[i], bind ? &r->local : NULL, race_event, r, &r->sock[i]);
        if (e == ERR_OK) {
            if (r->next < r->n)
                timer_set(&r->step, loop_now_ms(r->loop) + STEP_MS);
            return;
        }
        race_failed(r, i, e == ERR_FULL ? "out of descriptors or ports" : "no route, or refused");
    }
    if (!race_running(r))
        defer_call(&r->lost);
}

static void race_step(void *arg)
{
    race_next(arg);
}

/* One of the attempts is decided: the first that succeeds wins, one that failed makes room. */
static void race_event(void *arg, unsigned events)
{
    struct race *r = arg;
    (void)events;
    for (unsigned i = 0; i < r->n; i++) {
        const char *text = "";
        enum err e = r->sock[i] ? sock_connected(r->sock[i], &text) : ERR_AGAIN;
        if (e == ERR_AGAIN)
            continue;
        if (e == ERR_OK) {
            race_won(r, i);
            return;
        }
        race_failed(r, i, text);
        sock_close(r->sock[i]);
        r->sock[i] = NULL;
        race_next(r);
    }
}

static struct race *race_alloc(struct loop *l, race_fn *fn, void *arg)
{
    struct race *r = NEW(struct race);
    r->loop = l;
    r->fn = fn;
    r->arg = arg;
    timer_init(&r->step, l, race_step, r);
    defer_init(&r->lost, l, race_lost, r);
    return r;
}

struct race *race_new(struct loop *l, const struct ip *to, unsigned n, const struct ip *local,
                      race_fn *fn, void *arg)
{
    ASSERT(n > 0 && n <= RACE_MAX);
    struct race *r = race_alloc(l, fn, arg);
    memcpy(r->to, to, n * sizeof *to);
    r->n = n;
    r->bound = local != NULL;
    if (local)
        r->local = *local;
    race_next(r);
    return r;
}

struct race *race_new_unix(struct loop *l, struct span path, race_fn *fn, void *arg)
{
    struct race *r = race_alloc(l, fn, arg);
    r->n = r->next = 1;
    r->to[0].family = IP_UNIX;
    if (sock_connect_unix(l, path, race_event, r, &r->sock[0]) != ERR_OK) {
        race_failed(r, 0, "refused, or no such file");
        defer_call(&r->lost);
    }
    return r;
}
