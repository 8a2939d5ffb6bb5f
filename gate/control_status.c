/* status and shards: what needs no store. Start reading at control_status. An administrator of an
 * organisation is told that the daemon runs and what is its own: counters, warnings and resting
 * destinations are of all organisations. */
#include "gate/control_request.h"

#include "gate/dnssec.h"
#include "gate/sched.h"

enum { RESTING_MAX = 100 };

static void put_counters(const struct worker *w, struct ctl *out)
{
    struct stats mine = { .row = &w->stats.row[w->stats.mine], .n = 1, .mine = 0 };
    struct ctl *own = ctl_object(out, "counters"), *all = ctl_object(out, "sums");
    for (unsigned i = 0; i < STAT_COUNT_; i++) {
        enum counter which = (enum counter)i;
        ctl_set_num(own, stats_name(which), (int64_t)stats_sum(&mine, which));
        ctl_set_num(all, stats_name(which), (int64_t)stats_sum(&w->stats, which));
    }
}

static const char *health_name(enum err health)
{
    return health == ERR_OK ? "ok" : health == ERR_FULL ? "full" : "untrusted";
}

static void put_shards(const struct worker *w, struct ctl *out)
{
    ctl_array(out, "shards");
    for (unsigned i = 0; i < w->n_store; i++) {
        const struct store *s = w->store[i];
        struct store_stats stats = store_stats(s);
        struct ctl *row = ctl_add(out, "shards");
        ctl_set_num(row, "shard", store_shard(s));
        ctl_set(row, "health", span_z(health_name(store_health(s))));
        ctl_set_num(row, "pending", store_pending(s));
        ctl_set_num(row, "commits", (int64_t)stats.commits);
        ctl_set_num(row, "operations", (int64_t)stats.ops);
        ctl_set_num(row, "failures", (int64_t)stats.failures);
        ctl_set_num(row, "batch_max", stats.batch_max);
    }
}

struct resting {
    struct request *r;
    unsigned n;
};

static void put_resting(void *arg, const struct dest *d)
{
    struct resting *resting = arg;
    struct request *r = resting->r;
    if (window_allows(&d->window, loop_wall_ms(r->w->loop)) > 0)
        return;
    if (resting->n++ >= RESTING_MAX)
        return;
    struct buf last;
    buf_init(&last, REPLY_TEXT_MAX + 64);
    reply_print(&d->last, &last);
    struct ctl *row = ctl_add(r->out, "resting");
    ctl_set(row, "destination", d->key);
    ctl_set(row, "domain", d->domain);
    ctl_set_num(row, "until", d->window.dead_until_ms);
    ctl_set_num(row, "waiting", d->n_ready);
    ctl_set(row, "last", buf_span(&last));
    buf_done(&last);
}

static void put_warning(void *arg, const char *text)
{
    struct request *r = arg;
    ctl_set(ctl_add(r->out, "warnings"), "text", span_z(text));
}

static void put_dnssec(const struct dnssec *d, struct request *r)
{
    struct why text;
    const char *doubt = dnssec_doubt(d);
    if (!doubt)
        return;
    why_set(&text, "the resolver does not prove that it validates DNSSEC: %s", doubt);
    put_warning(r, text.text);
}

/* For an administrator: which shards to ask. */
static void own_shards(struct request *r)
{
    const struct worker *w = r->w;
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "worker", w->index);
    ctl_set_num(r->out, "workers", w->n_workers);
    ctl_array(r->out, "shards");
    for (unsigned i = 0; i < w->n_store; i++) {
        struct ctl *row = ctl_add(r->out, "shards");
        ctl_set_num(row, "shard", store_shard(w->store[i]));
        ctl_set(row, "health", span_z(health_name(store_health(w->store[i]))));
    }
}

static void own_status(struct request *r)
{
    const struct worker *w = r->w;
    own_shards(r);
    ctl_set(r->out, "version", span_z(POSTERN_VERSION));
    ctl_set_num(r->out, "uptime_ms", control_uptime_ms(w->control));
    ctl_set_bool(r->out, "stopping", w->stopping);
    ctl_set(ctl_object(r->out, "config"), "hostname", w->config->hostname);
    ctl_array(r->out, "organisations");
    for (unsigned i = 0; i < w->config->n_org; i++) {
        const struct org *org = &w->config->org[i];
        if (!asker_owns(r->asker, org))
            continue;
        struct ctl *row = ctl_add(r->out, "organisations");
        ctl_set(row, "organisation", org->name);
        ctl_set_num(row, "domains", org->n_domain);
        ctl_set_num(row, "inbound", org->n_in);
        ctl_set_num(row, "outbound", org->n_out);
    }
    request_done(r);
}

void control_status(struct request *r)
{
    if (!r->asker.all) {
        own_status(r);
        return;
    }
    const struct worker *w = r->w;
    const struct config *c = w->config;
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "worker", w->index);
    ctl_set_num(r->out, "workers", w->n_workers);
    ctl_set(r->out, "version", span_z(POSTERN_VERSION));
    ctl_set_num(r->out, "uptime_ms", control_uptime_ms(w->control));
    ctl_set_bool(r->out, "stopping", w->stopping);
    struct ctl *config = ctl_object(r->out, "config");
    ctl_set(config, "file", c->file);
    ctl_set(config, "digest", span_z(c->digest));
    ctl_set_num(config, "generation", (int64_t)c->generation);
    ctl_set(config, "hostname", c->hostname);
    ctl_set(r->out, "dnssec", span_z(dnssec_name(w->dnssec)));
    put_counters(w, r->out);
    put_shards(w, r->out);
    struct resting resting = { .r = r };
    ctl_array(r->out, "resting");
    ctl_array(r->out, "warnings");
    sched_each(w->sched, put_resting, &resting);
    ctl_set_num(r->out, "resting_n", resting.n);
    put_dnssec(w->dnssec, r);
    config_warnings(c, put_warning, r);
    config_lapsed(c, loop_wall_ms(w->loop), put_warning, r);
    request_done(r);
}

void control_shards(struct request *r)
{
    if (!r->asker.all) {
        own_shards(r);
        request_done(r);
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "worker", r->w->index);
    ctl_set_num(r->out, "workers", r->w->n_workers);
    put_shards(r->w, r->out);
    request_done(r);
}
