/* gate/fetching.h out of a table of the world: what nobody put there is answered as a host without
 * an address. */
#include "gate/fetching.h"

#include "gate/worker.h"
#include "sim/fetching_sim.h"

#include <stdio.h>

enum { TABLE_MAX = 64, BODY_MAX = 4096, ANSWER_AFTER_MS = 50 };

static struct {
    char url[FETCH_URL_MAX];
    struct fetch_result result;
    char body[BODY_MAX];
    size_t n_body;
} table[TABLE_MAX];
static unsigned n_table;

struct fetching {
    struct worker *w;
    struct list asks;
};

struct fetch_ask {
    struct list in;
    struct timer timer;
    fetched_fn *fn;
    void *arg;
    int row; /* -1: none */
};

void fetching_sim_clear(void)
{
    n_table = 0;
}

void fetching_sim_put(struct span url, const struct fetch_result *r, struct span body)
{
    ASSERT(n_table < TABLE_MAX && url.n < FETCH_URL_MAX && body.n <= BODY_MAX);
    (void)snprintf(table[n_table].url, FETCH_URL_MAX, "%.*s", SPAN_ARG(url));
    table[n_table].result = *r;
    table[n_table].n_body = body.n;
    if (body.n > 0)
        memcpy(table[n_table].body, body.p, body.n);
    n_table++;
}

void fetching_cancel(struct fetch_ask *a)
{
    if (!a)
        return;
    timer_stop(&a->timer);
    list_remove(&a->in);
    mem_free(a);
}

static void ask_answer(void *arg)
{
    struct fetch_ask ask = *(struct fetch_ask *)arg;
    struct fetch_result r = { .reached = FETCH_DNS, .why = "the name cannot be resolved" };
    fetching_cancel(arg);
    if (ask.row >= 0)
        ask.fn(ask.arg, &table[ask.row].result,
               span_of(table[ask.row].body, table[ask.row].n_body));
    else
        ask.fn(ask.arg, &r, SPAN_NONE);
}

struct fetch_ask *fetching_ask(struct worker *w, const struct fetch_request *r, fetched_fn *fn,
                               void *arg)
{
    struct fetch_ask *a = NEW(struct fetch_ask);
    a->fn = fn;
    a->arg = arg;
    a->row = -1;
    for (unsigned i = 0; i < n_table; i++)
        if (span_eq(r->url, span_z(table[i].url)))
            a->row = (int)i;
    list_push(&w->fetching->asks, &a->in);
    timer_init(&a->timer, w->loop, ask_answer, a);
    timer_set(&a->timer, loop_now_ms(w->loop) + ANSWER_AFTER_MS);
    return a;
}

struct fetching *fetching_new(struct worker *w, int fd)
{
    struct fetching *f = NEW(struct fetching);
    (void)fd;
    f->w = w;
    list_init(&f->asks);
    return f;
}

void fetching_link(struct fetching *f, int fd)
{
    (void)f;
    (void)fd;
}

void fetching_free(struct fetching *f)
{
    if (!f)
        return;
    while (!list_empty(&f->asks))
        fetching_cancel(CONTAINER_OF(f->asks.next, struct fetch_ask, in));
    mem_free(f);
}
