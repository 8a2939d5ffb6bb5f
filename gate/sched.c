/* Destinations and their queues. Start reading at sched_fresh and sched_take (where jobs come
 * from), then dest_run (what happens to them). A job is in its destination's ready list, or a
 * session has it, or report.c has it; it always is in sched.leases, so that no lease runs out
 * unseen. */
#include "gate/sched.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/outbound.h"
#include "gate/report.h"
#include "gate/way.h"

enum {
    TICK_MS = 1000,
    LEASE_MS = 10 * 60 * 1000,
    RENEW_BEFORE_MS = LEASE_MS / 2,
    DEST_KEEP_MS = 10 * 60 * 1000,
    DEST_ARENA_MAX = 64 * 1024,
    MAILDIR_AT_ONCE = 16,
};

struct taker {
    struct sched *sched;
    struct store *store;
    struct store_op op;
    bool running;
};

struct sched {
    struct worker *w;
    struct map by_key; /* live destinations */
    struct list dests; /* all, retired ones too */
    struct list leases;
    struct timer tick;
    struct defer take;
    struct taker taker[WORKER_SHARDS_MAX];
    unsigned n_active; /* recipients loaded */
    bool stopping;
};

static int64_t wall(const struct sched *s)
{
    return loop_wall_ms(s->w->loop);
}

/* --- jobs --- */

static struct job *job_new(struct dest *d, struct mail *m, int64_t lease_until_ms)
{
    struct job *j = NEW(struct job);
    list_init(&j->in);
    list_init(&j->leased);
    j->mail = m;
    m->refs++;
    j->dest = d;
    j->lease_until_ms = lease_until_ms;
    j->rcpt = &j->one;
    j->cap = 1;
    d->n_jobs++;
    list_push(&d->sched->leases, &j->leased);
    return j;
}

static void job_add(struct job *j, const struct job_rcpt *r)
{
    if (j->n == j->cap) {
        struct job_rcpt *more = mem_alloc(2 * j->cap * sizeof *more);
        memcpy(more, j->rcpt, j->n * sizeof *more);
        if (j->rcpt != &j->one)
            mem_free(j->rcpt);
        j->rcpt = more;
        j->cap *= 2;
    }
    j->rcpt[j->n++] = *r;
    struct sched *s = j->dest->sched;
    stats_set(&s->w->stats, STAT_ACTIVE, ++s->n_active);
}

void sched_job_done(struct job *j)
{
    struct sched *s = j->dest->sched;
    ASSERT(j->dest->n_jobs > 0);
    j->dest->n_jobs--;
    if (j->renewing)
        j->renewing->arg = NULL;
    list_remove(&j->in);
    list_remove(&j->leased);
    s->n_active -= j->n;
    stats_set(&s->w->stats, STAT_ACTIVE, s->n_active);
    if (j->rcpt != &j->one)
        mem_free(j->rcpt);
    mail_unref(j->mail);
    mem_free(j);
}

/* The lease ran out before anybody could try: it is someone else's now, or ours again later. */
static void job_lost(struct job *j)
{
    char id[ID_BYTES_MAX];
    log_begin(LOG_WARN, "lease.lost");
    log_z("id", id_text(j->mail->envelope.id, id));
    log_str("dest", j->dest->key);
    log_end();
    stats_add(&j->dest->sched->w->stats, STAT_LEASES_LOST, 1);
    sched_job_done(j);
}

/* --- destinations --- */

static struct dest *dest_new(struct sched *s, struct span key, const struct selection *way,
                             struct span domain)
{
    struct dest *d = NEW(struct dest);
    d->sched = s;
    d->worker = s->w;
    arena_init(&d->arena, DEST_ARENA_MAX);
    d->config = config_ref(s->w->config);
    d->key = arena_span(&d->arena, key);
    d->route = *way->route;
    d->contract = way->contract;
    d->by = way->by;
    d->domain = arena_span(&d->arena, domain);
    d->used_ms = loop_now_ms(s->w->loop);
    list_init(&d->ready);
    list_init(&d->idle);
    list_init(&d->in);
    window_init(&d->window, &d->config->window);
    list_push(&s->dests, &d->in);
    map_put(&s->by_key, d->key, d);
    stats_add(&s->w->stats, STAT_DESTINATIONS, 1);
    return d;
}

static void dest_free(struct dest *d)
{
    struct sched *s = d->sched;
    ASSERT(d->n_sessions == 0 && d->n_jobs == 0);
    if (!d->retired)
        map_del(&s->by_key, d->key);
    list_remove(&d->in);
    stats_add(&s->w->stats, STAT_DESTINATIONS, -1);
    config_unref(d->config);
    arena_done(&d->arena);
    mem_free(d);
}

/* Where a recipient goes, by today's configuration. override: from `queue reroute`, or empty.
 * *ret_test: the connector in test mode that would be used. */
static struct dest *dest_find(struct sched *s, const struct envelope *e, struct span domain,
                              struct span override, const struct out_connector **ret_test)
{
    struct arena scratch;
    struct route other;
    struct buf key;
    arena_init(&scratch, DEST_ARENA_MAX);
    struct selection way = way_out(s->w->config, e, domain, wall(s));
    bool moved = way_override(&way, e, override, &scratch, &other);
    buf_init(&key, WAY_KEY_MAX);
    way_key(&way, e->org, domain, &key);
    struct dest *d = map_get(&s->by_key, buf_span(&key));
    if (!d) {
        d = dest_new(s, buf_span(&key), &way, domain);
        d->whose = arena_span(&d->arena, way_whose(&way, e->org));
        if (moved && route_override(override, &d->arena, &d->route) != ERR_OK)
            ASSERT(!"an override that parsed does not parse again");
    }
    d->used_ms = loop_now_ms(s->w->loop);
    *ret_test = way.test;
    buf_done(&key);
    arena_done(&scratch);
    return d;
}

static void dest_rest(struct dest *d, const struct reply *failure)
{
    size_t n = failure->text.n < sizeof d->last_text ? failure->text.n : sizeof d->last_text;
    memcpy(d->last_text, failure->text.p, n);
    d->last = *failure;
    d->last.text = span_of(d->last_text, n);
}

/* Nobody will try now: what waits is told why and goes back to the store. */
static void dest_defer_ready(struct dest *d)
{
    struct list *it;
    while ((it = list_pop(&d->ready))) {
        struct job *j = LIST_ENTRY(it, struct job, in);
        d->n_ready--;
        struct reply *r = mem_alloc(j->n * sizeof *r);
        for (unsigned i = 0; i < j->n; i++)
            r[i] = d->last;
        struct attempt a = { .started_ms = wall(d->sched),
                             .contract = &d->contract,
                             .stage = "resting",
                             .detail = SPAN("destination rests after failures") };
        report_job(j, r, &a);
        mem_free(r);
    }
}

/* One hand-over always; more while there is memory for the bodies that they load. */
static bool maildir_can_run(const struct dest *d)
{
    const struct worker *w = d->worker;
    bool room = w->body_memory <= w->config->limits.body_memory_bytes;
    return d->n_sessions < (room ? MAILDIR_AT_ONCE : 1);
}

static void dest_maildir(struct dest *d)
{
    while (d->n_ready > 0 && maildir_can_run(d)) {
        struct job *j = sched_next(d);
        if (!j)
            return;
        d->n_sessions++;
        outbound_maildir(j);
    }
}

static void dest_run(struct dest *d)
{
    struct sched *s = d->sched;
    if (s->stopping)
        return;
    if (d->route.kind == ROUTE_MAILDIR) {
        dest_maildir(d);
        return;
    }
    while (d->n_ready > 0) {
        unsigned allowed = window_allows(&d->window, wall(s));
        if (!list_empty(&d->idle)) {
            outbound_more(list_pop(&d->idle));
        } else if (d->n_sessions < allowed) {
            d->n_sessions++;
            outbound_start(d);
        } else {
            if (allowed == 0 && d->n_sessions == 0)
                dest_defer_ready(d);
            return;
        }
    }
}

struct job *sched_next(struct dest *d)
{
    for (;;) {
        struct list *it = list_pop(&d->ready);
        if (!it)
            return NULL;
        struct job *j = LIST_ENTRY(it, struct job, in);
        d->n_ready--;
        if (j->lease_until_ms > wall(d->sched))
            return j;
        job_lost(j);
    }
}

void sched_put_back(struct job *j)
{
    list_push_front(&j->dest->ready, &j->in);
    j->dest->n_ready++;
}

void sched_passed(struct dest *d)
{
    window_success(&d->window, &d->config->window);
}

void sched_session_over(struct dest *d, const struct reply *failure)
{
    struct sched *s = d->sched;
    ASSERT(d->n_sessions > 0);
    d->n_sessions--;
    d->used_ms = loop_now_ms(s->w->loop);
    if (failure) {
        dest_rest(d, failure);
        window_failure(&d->window, &d->config->window, wall(s), rng_u64(&s->w->rng));
        if (window_allows(&d->window, wall(s)) == 0) {
            log_begin(LOG_WARN, "dest.resting");
            log_str("dest", d->key);
            log_str("why", d->last.text);
            log_end();
        }
    }
    dest_run(d);
}

void sched_session_idle(struct dest *d, struct list *member)
{
    list_push_front(&d->idle, member);
}

/* --- where jobs come from --- */

/* A recipient joins the open job of its destination, or opens one. */
static void plan_rcpt(struct sched *s, struct mail *m, struct job_rcpt *r, struct span override,
                      int64_t lease_until_ms)
{
    const struct envelope *e = &m->envelope;
    struct dest *d = dest_find(s, e, e->rcpt[r->i].domain, override, &r->test);
    struct job *j = NULL;
    if (!list_empty(&d->ready)) {
        struct job *last = LIST_ENTRY(d->ready.prev, struct job, in);
        if (last->mail == m && last->n < s->w->config->limits.rcpts_per_transaction)
            j = last;
    }
    if (!j) {
        j = job_new(d, m, lease_until_ms);
        list_push(&d->ready, &j->in);
        d->n_ready++;
    }
    job_add(j, r);
}

/* dest_run would start one of the jobs that wait, or tell them why not. */
static bool dest_can_run(const struct dest *d)
{
    if (d->route.kind == ROUTE_MAILDIR)
        return maildir_can_run(d);
    return !list_empty(&d->idle) || d->n_sessions == 0 ||
           d->n_sessions < window_allows(&d->window, wall(d->sched));
}

/* Runs the destinations of a mail whose jobs were just planned: they may have gone by then, so
 * it walks the leases, newest first, only as far as that mail's. */
static void run_planned(struct sched *s, const struct mail *m)
{
    while (!s->stopping) { /* then nothing runs any more: the jobs are on disk, with a lease */
        struct dest *d = NULL;
        for (struct list *it = s->leases.prev; it != &s->leases && !d; it = it->prev) {
            struct job *j = LIST_ENTRY(it, struct job, leased);
            if (j->mail != m)
                break;
            bool waits = !list_empty(&j->in);
            if (waits && dest_can_run(j->dest))
                d = j->dest;
        }
        if (!d)
            return;
        dest_run(d);
    }
}

bool sched_has_room(const struct sched *s)
{
    return !s->stopping && s->n_active < s->w->config->limits.active_recipients;
}

void sched_fresh(struct sched *s, struct mail *m, uint64_t token, int64_t lease_until_ms)
{
    if (s->w->body_memory > s->w->config->limits.body_memory_bytes)
        mail_drop_body(m);
    for (unsigned i = 0; i < m->envelope.n_rcpt; i++) {
        struct job_rcpt r = { .i = i, .stored_i = i, .token = token };
        plan_rcpt(s, m, &r, SPAN_NONE, lease_until_ms);
    }
    run_planned(s, m);
    mail_unref(m);
}

/* --- leases --- */

struct renew {
    struct store_op op; /* first */
    struct store_item *items;
};

static void renew_done(struct store_op *op)
{
    struct renew *r = CONTAINER_OF(op, struct renew, op);
    struct job *j = op->arg;
    if (j) {
        j->renewing = NULL;
        if (op->result == ERR_OK)
            j->lease_until_ms = op->until_ms;
    }
    mem_free(r->items);
    store_op_done(op);
    mem_free(r);
}

static void job_renew(struct job *j)
{
    struct sched *s = j->dest->sched;
    struct renew *r = NEW(struct renew);
    r->items = mem_zalloc(j->n * sizeof *r->items);
    for (unsigned k = 0; k < j->n; k++)
        r->items[k] = (struct store_item){ .id = j->mail->envelope.id,
                                           .i = j->rcpt[k].stored_i,
                                           .token = j->rcpt[k].token };
    store_op_init(&r->op, STORE_RENEW, renew_done, j);
    r->op.items = r->items;
    r->op.n = j->n;
    r->op.until_ms = wall(s) + LEASE_MS;
    j->renewing = &r->op;
    list_remove(&j->leased);
    list_push(&s->leases, &j->leased);
    store_submit(j->mail->store, &r->op);
}

/* T-57: a lease that is longer than any was given before the clock was set back, and the store has
 * cut it. */
static void renew_leases(struct sched *s)
{
    int64_t soon = wall(s) + RENEW_BEFORE_MS, longest = wall(s) + LEASE_MS;
    LIST_EACH (it, &s->leases) {
        struct job *j = LIST_ENTRY(it, struct job, leased);
        if (j->lease_until_ms > soon && j->lease_until_ms <= longest)
            return;
        if (!j->renewing)
            job_renew(j);
    }
}

/* --- taking what is due --- */

/* The items of one message, adjacent in a take, become one mail. */
static void take_message(struct taker *t, const struct store_item *item, unsigned n,
                         int64_t lease_until_ms)
{
    struct sched *s = t->sched;
    struct envelope e = *item->envelope;
    struct rcpt *rcpt = mem_alloc(n * sizeof *rcpt);
    for (unsigned k = 0; k < n; k++)
        rcpt[k] = item[k].rcpt;
    e.rcpt = rcpt;
    e.n_rcpt = n;
    struct mail *m = mail_new(s->w, t->store, &e, NULL);
    mem_free(rcpt);
    for (unsigned k = 0; k < n; k++) {
        struct job_rcpt r = { .i = k,
                              .stored_i = item[k].i,
                              .token = item[k].token,
                              .attempts = item[k].attempts,
                              .warned = item[k].warned };
        plan_rcpt(s, m, &r, item[k].route, lease_until_ms);
    }
    run_planned(s, m);
    mail_unref(m);
}

static void take_done(struct store_op *op)
{
    struct taker *t = op->arg;
    bool more = op->result == ERR_OK && op->n == op->limit;
    t->running = false;
    for (unsigned i = 0; op->result == ERR_OK && i < op->n;) {
        unsigned n = 1;
        while (i + n < op->n && op->items[i + n].id == op->items[i].id)
            n++;
        take_message(t, &op->items[i], n, op->until_ms);
        i += n;
    }
    store_op_done(op);
    if (more)
        sched_kick(t->sched);
}

static void take_start(struct taker *t)
{
    struct sched *s = t->sched;
    if (t->running || !sched_has_room(s) || store_health(t->store) == ERR_IO)
        return;
    store_op_init(&t->op, STORE_TAKE, take_done, t);
    t->op.now_ms = wall(s);
    t->op.until_ms = wall(s) + LEASE_MS;
    t->op.limit = STORE_TAKE_MAX;
    t->running = true;
    store_submit(t->store, &t->op);
}

static void sched_take(void *arg)
{
    struct sched *s = arg;
    renew_leases(s); /* first: after a jump of the clock ours look as if they had ended */
    for (unsigned i = 0; i < s->w->n_store && !s->stopping; i++)
        take_start(&s->taker[i]);
}

void sched_kick(struct sched *s)
{
    if (!s->stopping)
        defer_call(&s->take);
}

void sched_wake(struct sched *s)
{
    LIST_EACH (it, &s->dests)
        LIST_ENTRY(it, struct dest, in)->window.dead_until_ms = 0;
}

void sched_each(const struct sched *s, sched_dest_fn *fn, void *arg)
{
    for (const struct list *it = s->dests.next; it != &s->dests; it = it->next)
        fn(arg, CONTAINER_OF(it, const struct dest, in));
}

/* --- once a second --- */

static void dest_tick(struct dest *d)
{
    struct sched *s = d->sched;
    bool busy = d->n_sessions > 0 || d->n_jobs > 0; /* the last may be on their way to the store */
    if (busy) {
        dest_run(d); /* a resting destination may have woken */
        return;
    }
    bool resting = window_allows(&d->window, wall(s)) == 0;
    int64_t unused_ms = loop_now_ms(s->w->loop) - d->used_ms;
    if (d->retired || (!resting && unused_ms > DEST_KEEP_MS))
        dest_free(d);
}

static void sched_tick(void *arg)
{
    struct sched *s = arg;
    unsigned dead = 0;
    timer_set(&s->tick, loop_now_ms(s->w->loop) + TICK_MS);
    LIST_EACH (it, &s->dests) {
        struct dest *d = LIST_ENTRY(it, struct dest, in);
        dead += window_allows(&d->window, wall(s)) == 0;
        dest_tick(d);
    }
    stats_set(&s->w->stats, STAT_DESTINATIONS_DEAD, dead);
    stats_set(&s->w->stats, STAT_BODY_MEMORY, s->w->body_memory);
    sched_take(s);
}

/* --- the whole --- */

struct sched *sched_new(struct worker *w)
{
    struct sched *s = NEW(struct sched);
    struct hash_key key;
    loop_random(w->loop, &key, sizeof key);
    s->w = w;
    map_init(&s->by_key, &key);
    list_init(&s->dests);
    list_init(&s->leases);
    for (unsigned i = 0; i < w->n_store; i++)
        s->taker[i] = (struct taker){ .sched = s, .store = w->store[i] };
    timer_init(&s->tick, w->loop, sched_tick, s);
    defer_init(&s->take, w->loop, sched_take, s);
    timer_set(&s->tick, loop_now_ms(w->loop) + 1);
    return s;
}

void sched_reload(struct sched *s)
{
    LIST_EACH (it, &s->dests) {
        struct dest *d = LIST_ENTRY(it, struct dest, in);
        if (!d->retired)
            map_del(&s->by_key, d->key);
        d->retired = true;
    }
}

void sched_stop(struct sched *s)
{
    s->stopping = true;
    timer_stop(&s->tick);
    LIST_EACH (it, &s->dests) {
        struct dest *d = LIST_ENTRY(it, struct dest, in);
        struct list *member;
        while ((member = list_pop(&d->idle)))
            outbound_end(member);
    }
}

bool sched_quiet(const struct sched *s)
{
    for (const struct list *it = s->dests.next; it != &s->dests; it = it->next) {
        const struct dest *d = CONTAINER_OF(it, const struct dest, in);
        if (d->n_sessions > 0 || d->n_jobs > d->n_ready) /* results may wait for a full disk */
            return false;
    }
    for (unsigned i = 0; i < s->w->n_store; i++)
        if (s->taker[i].running)
            return false;
    return true;
}

/* After the stores are closed and the sessions gone: what is left in memory is on disk as well. */
void sched_free(struct sched *s)
{
    if (!s)
        return;
    timer_stop(&s->tick);
    defer_cancel(&s->take);
    LIST_EACH (it, &s->leases)
        sched_job_done(LIST_ENTRY(it, struct job, leased));
    LIST_EACH (it, &s->dests) {
        struct dest *d = LIST_ENTRY(it, struct dest, in);
        d->n_sessions = 0;
        dest_free(d);
    }
    map_done(&s->by_key);
    mem_free(s);
}
