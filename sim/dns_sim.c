/* io/dns.h over a table. Each question has its own delay, and while the storm lasts some find no
 * answer whatever the table says. */
#include "sim/zone.h"

#include "base/list.h"
#include "sim/loop_sim.h"
#include "sim/swarm.h"
#include "sim/world.h"
#include <stdio.h>

enum { SETS_MAX = 256, RECORDS_MAX = 8, RDATA_MAX = 300, TTL_MS = 300 * 1000 };

struct set {
    char name[DNS_NAME_MAX];
    enum dns_type type;
    enum zone_status status;
    bool secure;
    unsigned n;
    char rdata[RECORDS_MAX][RDATA_MAX];
    size_t rdata_n[RECORDS_MAX];
};

static struct {
    struct set set[SETS_MAX];
    unsigned n;
} zone;

struct dns {
    struct loop *loop;
    struct wake *wake;
    struct list asked, ready;
    int64_t timeout_ms;
};

struct dns_query {
    struct list in; /* dns.asked, dns.ready */
    struct dns *dns;
    struct event arrives;
    char name[DNS_NAME_MAX];
    enum dns_type type;
    dns_fn *fn;
    void *arg;
    bool late, failed;
};

/* --- the table */

static struct set *set_find(struct span name, enum dns_type type)
{
    for (unsigned i = 0; i < zone.n; i++)
        if (zone.set[i].type == type && span_eq_nocase(span_z(zone.set[i].name), name))
            return &zone.set[i];
    return NULL;
}

static struct set *set_make(const char *name, enum dns_type type)
{
    struct set *s = set_find(span_z(name), type);
    if (s)
        return s;
    ASSERT(zone.n < SETS_MAX);
    s = &zone.set[zone.n++];
    *s = (struct set){ .type = type };
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void set_add(struct set *s, const char *bytes, size_t n, bool secure)
{
    ASSERT(s->n < RECORDS_MAX && n <= RDATA_MAX);
    memcpy(s->rdata[s->n], bytes, n);
    s->rdata_n[s->n++] = n;
    s->secure = secure;
    s->status = ZONE_OK;
}

void zone_mx(const char *name, unsigned preference, const char *host, bool secure)
{
    char wire[RDATA_MAX] = { (char)(preference >> 8), (char)preference };
    size_t n = 2;
    struct span left = span_z(host);
    while (left.n > 0) {
        struct span label = span_cut(&left, '.');
        wire[n++] = (char)label.n;
        memcpy(wire + n, label.p, label.n);
        n += label.n;
    }
    wire[n++] = 0;
    set_add(set_make(name, DNS_MX), wire, n, secure);
}

void zone_ip(const char *name, const struct ip *ip, bool secure)
{
    bool v6 = ip->family == IP_V6;
    set_add(set_make(name, v6 ? DNS_AAAA : DNS_A), (const char *)ip->a, v6 ? 16 : 4, secure);
}

void zone_status(const char *name, enum dns_type type, enum zone_status status)
{
    set_make(name, type)->status = status;
}

void zone_clear(const char *name, enum dns_type type)
{
    struct set *s = set_make(name, type);
    s->n = 0;
    s->status = ZONE_NODATA;
}

static bool name_exists(struct span name)
{
    for (unsigned i = 0; i < zone.n; i++)
        if (span_eq_nocase(span_z(zone.set[i].name), name))
            return true;
    return false;
}

/* --- questions */

static struct dns_answer answer_failed(const char *text, enum dns_security security)
{
    return (struct dns_answer){ .status = DNS_FAIL, .security = security, .text = text };
}

static struct dns_answer answer_of(const struct dns_query *q, struct span rdata[RECORDS_MAX])
{
    const struct set *s = set_find(span_z(q->name), q->type);
    struct dns_answer a = { .ttl_ms = TTL_MS, .rdata = rdata };
    if (q->late)
        return answer_failed("no answer in time", DNS_INSECURE);
    if (q->failed)
        return answer_failed("server failure", DNS_INSECURE);
    if (q->type == DNS_SOA && strcmp(q->name, ".") == 0) { /* the root is signed */
        a.status = DNS_NODATA;
        a.security = DNS_SECURE;
        return a;
    }
    if (!s) {
        a.status = name_exists(span_z(q->name)) ? DNS_NODATA : DNS_NXDOMAIN;
        return a;
    }
    switch (s->status) {
    case ZONE_SERVFAIL:
        return answer_failed("server failure", DNS_INSECURE);
    case ZONE_SILENT:
        return answer_failed("no answer in time", DNS_INSECURE);
    case ZONE_BOGUS:
        return answer_failed("the answer is forged (DNSSEC)", DNS_BOGUS);
    case ZONE_NODATA:
        a.status = DNS_NODATA;
        break;
    case ZONE_OK:
        a.status = s->n > 0 ? DNS_OK : DNS_NODATA;
        break;
    }
    a.security = s->secure ? DNS_SECURE : DNS_INSECURE;
    a.n = a.status == DNS_OK ? s->n : 0;
    for (unsigned i = 0; i < a.n; i++)
        rdata[i] = span_of(s->rdata[i], s->rdata_n[i]);
    return a;
}

static void query_free(struct dns_query *q)
{
    event_stop(&q->arrives);
    list_remove(&q->in);
    mem_free(q);
}

/* On the loop. */
static void dns_woken(void *arg)
{
    struct dns *d = arg;
    struct list *m;
    while ((m = list_pop(&d->ready))) {
        struct dns_query *q = LIST_ENTRY(m, struct dns_query, in);
        struct span rdata[RECORDS_MAX];
        struct dns_answer a = answer_of(q, rdata);
        dns_fn *fn = q->fn;
        void *of = q->arg;
        query_free(q);
        fn(of, &a);
    }
}

static void query_arrives(void *arg)
{
    struct dns_query *q = arg;
    list_remove(&q->in);
    list_push(&q->dns->ready, &q->in);
    wake_post(q->dns->wake);
}

struct dns_query *dns_ask(struct dns *d, struct span name, enum dns_type type, dns_fn *fn,
                          void *arg)
{
    struct dns_query *q = NEW(struct dns_query);
    struct set *s = set_find(name, type);
    q->dns = d;
    q->type = type;
    q->fn = fn;
    q->arg = arg;
    ASSERT(name.n < sizeof q->name);
    memcpy(q->name, name.p, name.n);
    event_init(&q->arrives, query_arrives, q);
    q->arrives.void_if = loop_death(d->loop);
    list_init(&q->in);
    list_push(&d->asked, &q->in);
    bool trouble = draw_permille(swarm.dns_fail_permille);
    q->late = (trouble && draw(2)) || (s && s->status == ZONE_SILENT);
    q->failed = trouble;
    int64_t us = q->late ? d->timeout_ms * MS_US : draw_from(10, 20 + 2 * swarm.latency_us);
    event_in(&q->arrives, us);
    return q;
}

void dns_cancel(struct dns_query *q)
{
    if (q)
        query_free(q);
}

enum err dns_new(struct loop *l, const struct dns_config *config, struct dns **ret, struct why *why)
{
    (void)why;
    struct dns *d = NEW(struct dns);
    d->loop = l;
    d->timeout_ms = config->timeout_ms;
    list_init(&d->asked);
    list_init(&d->ready);
    d->wake = wake_new(l, dns_woken, d);
    *ret = d;
    return ERR_OK;
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    LIST_EACH (it, &d->asked)
        query_free(LIST_ENTRY(it, struct dns_query, in));
    LIST_EACH (it, &d->ready)
        query_free(LIST_ENTRY(it, struct dns_query, in));
    wake_free(d->wake);
    mem_free(d);
}
