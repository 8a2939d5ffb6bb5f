#include "gate/worker.h"

#include "base/log.h"
#include "base/when.h"
#include "gate/control.h"
#include "gate/dnssec.h"
#include "gate/fetching.h"
#include "gate/inbound.h"
#include "gate/maildrop.h"
#include "gate/sched.h"

enum {
    TICK_MS = 60 * 1000,
    STOP_POLL_MS = 20,
    FILES_BATCH = 16,
    COUNT_MS = 10 * 1000,
    COUNT_SHARE = 50,    /* of the time: a queue that takes long to count is counted less often */
    JUMP_MS = 60 * 1000, /* the calendar and the monotonic clock disagree by more: it was set */
};

/* Chores of a worker: what no event asks for. */
struct chores {
    struct worker *w;
    struct timer tick, stop, count;
    int64_t stop_at_ms;
    int64_t wall_offset_ms;                /* wall minus monotonic, when last seen */
    uint64_t commits, failures, untrusted; /* of the stores, as far as they are counted */
    struct store_totals queue;             /* of the stores that answered; the oldest of all */
    unsigned counting;                     /* stores that have yet to answer */
    int64_t count_began_ms;
};

static void op_gone(struct store_op *op)
{
    store_op_done(op);
    mem_free(op);
}

/* Trace lines past their time go, a bounded step a minute. */
static void expire_traces(struct worker *w)
{
    for (unsigned i = 0; i < w->n_store; i++) {
        struct store_op *op = NEW(struct store_op);
        store_op_init(op, STORE_EXPIRE, op_gone, NULL);
        op->before_ms = loop_wall_ms(w->loop) - w->config->trace_keep_ms;
        op->limit = 10000;
        store_submit(w->store[i], op);
    }
}

/* T-57: after a jump back, nothing may wait for a time that is far away now. */
static void clamp_queue(struct worker *w)
{
    for (unsigned i = 0; i < w->n_store; i++) {
        struct store_op *op = NEW(struct store_op);
        store_op_init(op, STORE_CLAMP, op_gone, NULL);
        const struct retry_config *r = &w->config->retry;
        op->before_ms =
            loop_wall_ms(w->loop) + (r->max_ms > r->dane_max_ms ? r->max_ms : r->dane_max_ms);
        store_submit(w->store[i], op);
    }
}

static void watch_clock(struct chores *c)
{
    struct worker *w = c->w;
    int64_t offset = loop_wall_ms(w->loop) - loop_now_ms(w->loop);
    int64_t jump = offset - c->wall_offset_ms;
    c->wall_offset_ms = offset;
    if (jump > -JUMP_MS && jump < JUMP_MS)
        return;
    log_begin(LOG_ALARM, "clock.jumped");
    log_num("by_ms", jump);
    log_end();
    if (jump < 0)
        clamp_queue(w);
}

/* Brings a counter up to what the stores say; *known is how much of it was added before. */
static void count_up(struct worker *w, enum counter which, uint64_t *known, uint64_t now)
{
    stats_add(&w->stats, which, (int64_t)(now - *known));
    *known = now;
}

static void watch_stores(struct chores *c)
{
    struct worker *w = c->w;
    uint64_t commits = 0, failures = 0, untrusted = 0;
    for (unsigned i = 0; i < w->n_store; i++) {
        struct store_stats s = store_stats(w->store[i]);
        commits += s.commits;
        failures += s.failures;
        untrusted += store_health(w->store[i]) == ERR_IO;
    }
    count_up(w, STAT_STORE_COMMITS, &c->commits, commits);
    count_up(w, STAT_STORE_FAILURES, &c->failures, failures);
    count_up(w, STAT_STORE_UNTRUSTED, &c->untrusted, untrusted);
    if (untrusted > 0) {
        log_begin(LOG_ALARM, "store.untrusted");
        log_num("shards", (int64_t)untrusted);
        log_z("remedy", "mend the disk, then restart: the shard is checked before it is used");
        log_end();
    }
}

/* --- the length of the queue, for the metrics --- */

static void show_queue(const struct chores *c)
{
    struct stats *s = &c->w->stats;
    const struct store_totals *t = &c->queue;
    uint64_t busy = t->due + t->leased + t->held;
    int64_t age = t->oldest_ms > 0 ? loop_wall_ms(c->w->loop) - t->oldest_ms : 0;
    stats_set(s, STAT_QUEUE_MESSAGES, t->messages);
    stats_set(s, STAT_QUEUE_RECIPIENTS, t->recipients);
    stats_set(s, STAT_QUEUE_DUE, t->due);
    stats_set(s, STAT_QUEUE_LEASED, t->leased);
    stats_set(s, STAT_QUEUE_HELD, t->held);
    stats_set(s, STAT_QUEUE_WAITING, t->recipients > busy ? t->recipients - busy : 0);
    stats_set(s, STAT_QUEUE_OLDEST, age > 0 ? (uint64_t)(age / SECOND_MS) : 0);
}

static void counted(struct store_op *op)
{
    struct chores *c = op->arg;
    struct store_totals *sum = &c->queue;
    const struct store_totals *t = &op->totals;
    if (op->result == ERR_OK) {
        sum->messages += t->messages;
        sum->recipients += t->recipients;
        sum->due += t->due;
        sum->leased += t->leased;
        sum->held += t->held;
        if (t->oldest_ms > 0 && (sum->oldest_ms == 0 || t->oldest_ms < sum->oldest_ms))
            sum->oldest_ms = t->oldest_ms;
    }
    op_gone(op);
    if (--c->counting > 0)
        return;
    show_queue(c);
    int64_t now = loop_now_ms(c->w->loop), rest = (now - c->count_began_ms) * COUNT_SHARE;
    if (!c->w->stopping)
        timer_set(&c->count, now + (rest > COUNT_MS ? rest : COUNT_MS));
}

static void chores_count(void *arg)
{
    struct chores *c = arg;
    struct worker *w = c->w;
    c->queue = (struct store_totals){ 0 };
    c->counting = w->n_store;
    c->count_began_ms = loop_now_ms(w->loop);
    for (unsigned i = 0; i < w->n_store; i++) {
        struct store_op *op = NEW(struct store_op);
        store_op_init(op, STORE_COUNT, counted, c);
        op->now_ms = loop_wall_ms(w->loop);
        store_submit(w->store[i], op);
    }
}

static void chores_tick(void *arg)
{
    struct chores *c = arg;
    timer_set(&c->tick, loop_now_ms(c->w->loop) + TICK_MS);
    watch_clock(c);
    watch_stores(c);
    expire_traces(c->w);
}

static bool worker_quiet(const struct worker *w)
{
    for (unsigned i = 0; i < w->n_store; i++)
        if (store_pending(w->store[i]) > 0)
            return false;
    return inbound_quiet(w->inbound) && sched_quiet(w->sched);
}

static void chores_stop(void *arg)
{
    struct chores *c = arg;
    struct worker *w = c->w;
    int64_t now = loop_now_ms(w->loop);
    if (worker_quiet(w) || now >= c->stop_at_ms)
        loop_stop(w->loop);
    else
        timer_set(&c->stop, now + STOP_POLL_MS);
}

struct worker *worker_new(const struct worker_boot *boot)
{
    struct worker *w = NEW(struct worker);
    uint64_t seed;
    w->loop = boot->loop;
    w->config = boot->config;
    w->index = boot->index;
    w->uid = boot->uid;
    w->n_workers = boot->n_workers;
    w->dns = boot->dns;
    w->stats = boot->stats;
    w->clients = boot->clients;
    loop_random(w->loop, &seed, sizeof seed);
    rng_init(&w->rng, seed);
    ASSERT(boot->n_shard > 0 && boot->n_shard <= WORKER_SHARDS_MAX);
    for (unsigned i = 0; i < boot->n_shard; i++)
        w->store[i] = store_new(w->loop, boot->shard[i], boot->shard_number[i]);
    w->n_store = boot->n_shard;
    w->files = work_new(w->loop, "files", FILES_BATCH, maildrop_run, maildrop_finish, w);
    w->fetching = fetching_new(w, boot->fetcher_fd);
    w->dnssec = dnssec_new(w);
    w->sched = sched_new(w);
    w->inbound = inbound_new(w, boot->listen_fd);
    w->control = control_new(w, boot->control_fd, boot->metrics_fd);

    struct chores *c = w->chores = NEW(struct chores);
    c->w = w;
    c->wall_offset_ms = loop_wall_ms(w->loop) - loop_now_ms(w->loop);
    timer_init(&c->tick, w->loop, chores_tick, c);
    timer_init(&c->stop, w->loop, chores_stop, c);
    timer_init(&c->count, w->loop, chores_count, c);
    timer_set(&c->tick, loop_now_ms(w->loop) + TICK_MS);
    timer_set(&c->count, loop_now_ms(w->loop) + 1);
    clamp_queue(w); /* the clock may have been set back while nobody watched it */
    stats_add(&w->stats, STAT_WORKER_STARTS, 1);
    return w;
}

void worker_stop(struct worker *w, int64_t within_ms)
{
    if (w->stopping)
        return;
    w->stopping = true;
    inbound_stop(w->inbound);
    sched_stop(w->sched);
    timer_stop(&w->chores->count);
    w->chores->stop_at_ms = loop_now_ms(w->loop) + within_ms;
    timer_set(&w->chores->stop, loop_now_ms(w->loop) + 1);
}

void worker_reload(struct worker *w, struct config *c)
{
    config_unref(w->config);
    w->config = c;
    sched_reload(w->sched);
    stats_add(&w->stats, STAT_CONFIG_RELOADS, 1);
    log_begin(LOG_INFO, "config.reloaded");
    log_num("generation", (int64_t)c->generation);
    log_z("digest", c->digest);
    log_end();
}

/* The stores close first, so that what they were asked for is done and answered; then nobody has a
 * message in the works that is not on disk. */
void worker_free(struct worker *w)
{
    if (!w)
        return;
    timer_stop(&w->chores->tick);
    timer_stop(&w->chores->stop);
    timer_stop(&w->chores->count);
    w->stopping = true; /* what the stores still answer begins nothing new */
    control_free(w->control);
    inbound_free(w->inbound);
    work_free(w->files);
    for (unsigned i = 0; i < w->n_store; i++)
        store_free(w->store[i]);
    sched_free(w->sched);
    fetching_free(w->fetching);
    dnssec_free(w->dnssec);
    dns_free(w->dns);
    config_unref(w->config);
    mem_free(w->chores);
    mem_free(w);
}

struct store *worker_store_of(struct worker *w, uint64_t id)
{
    for (unsigned i = 0; i < w->n_store; i++)
        if (store_shard(w->store[i]) == store_id_shard(id))
            return w->store[i];
    return NULL;
}
