/* Gathers facts: one question for the MX set, then all addresses of all hosts at once, and the TLSA
 * records of each host as soon as its own are known. Whatever cannot be had stays "unknown" in the
 * facts; nothing is judged here. */
#include "gate/resolve.h"

#include "gate/dnssec.h"
#include "gate/tlsa.h"
#include "policy/decide.h"

enum { ARENA_MAX = 128 * 1024, HOSTS_ASKED_MAX = FACTS_HOSTS_MAX };

struct lookup {
    struct resolve_query *q;
    unsigned host;
    enum dns_type type;
    struct dns_query *dns; /* NULL: answered */
    enum dns_status status;
    enum security security;
    struct span canonical; /* after its CNAMEs; empty: there are none, or no address */
};

/* What is asked of one host. */
struct inquiry {
    struct resolve_query *q;
    unsigned n_waiting; /* address lookups */
    struct tlsa_lookup tlsa;
};

struct resolve_query {
    struct worker *w;
    const struct config *config;
    const struct route *route;
    struct arena arena;
    struct facts facts;
    struct span domain;
    struct lookup mx;
    struct lookup lookup[2 * HOSTS_ASKED_MAX]; /* AAAA and A of each host */
    struct inquiry inquiry[HOSTS_ASKED_MAX];
    unsigned n_lookup, n_waiting; /* n_waiting: hosts */
    struct defer finish;
    resolve_fn *fn;
    void *arg;
};

static void query_finish(void *arg)
{
    struct resolve_query *q = arg;
    q->fn(q->arg, &q->facts);
}

/* --- are we talking to ourselves? --- */

static bool ip_is_ours(const struct config *c, const struct ip *ip)
{
    for (unsigned i = 0; i < c->n_listen; i++) {
        struct ip ours = c->listen[i].ip;
        struct ip any = { .family = ours.family, .port = ours.port };
        if (ours.port != ip->port)
            continue;
        if (ip_eq(&ours, ip) || (ip_eq(&ours, &any) && ip_is_loopback(ip)))
            return true;
    }
    return false;
}

static bool name_is_ours(const struct config *c, struct span name)
{
    if (domain_eq(name, c->hostname))
        return true;
    for (unsigned i = 0; i < c->n_our_names; i++)
        if (domain_eq(name, c->our_names[i]))
            return true;
    return false;
}

static void host_judge_us(const struct resolve_query *q, struct host_facts *h)
{
    h->is_us = !h->is_path && name_is_ours(q->config, h->name);
    for (unsigned i = 0; i < h->n_ip; i++)
        if (ip_is_ours(q->config, &h->ip[i]))
            h->is_us = true;
}

/* --- addresses --- */

/* Of a resolver that does not prove that it validates, "not secure" says nothing. */
static enum security security_of(const struct resolve_query *q, enum dns_security s)
{
    switch (s) {
    case DNS_SECURE:
        return SECURITY_SECURE;
    case DNS_BOGUS:
        return SECURITY_BOGUS;
    case DNS_INSECURE:
        break;
    }
    return dnssec_proven(q->w->dnssec) ? SECURITY_INSECURE : SECURITY_UNKNOWN;
}

static uint16_t host_port(const struct resolve_query *q, unsigned i)
{
    return q->route->kind == ROUTE_MX ? q->route->port : q->route->host[i].port;
}

static void host_add_ips(struct resolve_query *q, struct host_facts *h, unsigned i,
                         const struct dns_answer *a, enum dns_type type)
{
    for (unsigned k = 0; k < a->n && h->n_ip < FACTS_IPS_MAX; k++) {
        struct ip ip;
        if (dns_read_ip(a->rdata[k], type, &ip) != ERR_OK)
            continue;
        ip.port = host_port(q, i);
        h->ip[h->n_ip++] = ip;
    }
}

/* Families alternate, IPv6 first, so that racing them finds the one that works. */
static void host_interleave(struct host_facts *h)
{
    struct ip sorted[FACTS_IPS_MAX];
    unsigned n = 0;
    for (unsigned round = 0; n < h->n_ip; round++) {
        unsigned seen6 = 0, seen4 = 0;
        const struct ip *six = NULL, *four = NULL;
        for (unsigned i = 0; i < h->n_ip; i++) {
            if (h->ip[i].family == IP_V6 && seen6++ == round)
                six = &h->ip[i];
            if (h->ip[i].family == IP_V4 && seen4++ == round)
                four = &h->ip[i];
        }
        if (six)
            sorted[n++] = *six;
        if (four)
            sorted[n++] = *four;
    }
    memcpy(h->ip, sorted, n * sizeof *sorted);
}

/* The worst of both families, whichever was answered first: a forged answer is not made good by
 * one that is merely unsigned. */
static enum security security_worse(enum security a, enum security b)
{
    static const int rank[] = {
        [SECURITY_BOGUS] = 0, [SECURITY_UNKNOWN] = 1, [SECURITY_INSECURE] = 2, [SECURITY_SECURE] = 3
    };
    return rank[a] < rank[b] ? a : b;
}

/* Both families are answered: an address is a yes; two proven absences a no; else unknown. */
static void host_settle(struct resolve_query *q, unsigned i)
{
    struct host_facts *h = &q->facts.host[i];
    enum security security = SECURITY_SECURE;
    bool unknown = false;
    for (unsigned k = 0; k < q->n_lookup; k++) {
        const struct lookup *l = &q->lookup[k];
        if (l->host != i)
            continue;
        unknown = unknown || l->status == DNS_FAIL;
        security = security_worse(security, l->security);
    }
    h->ip_security = security;
    h->has_ip = h->n_ip > 0 ? TRI_YES : unknown ? TRI_UNKNOWN : TRI_NO;
    if (h->has_ip == TRI_UNKNOWN)
        h->failure = SPAN("its addresses could not be looked up");
    if (h->has_ip == TRI_NO)
        h->failure = SPAN("it has no address");
    host_interleave(h);
    host_judge_us(q, h);
}

static void facts_live(struct resolve_query *q, int64_t ttl_ms)
{
    int64_t until = q->facts.now_ms + ttl_ms;
    if (q->facts.expires_ms == 0 || until < q->facts.expires_ms)
        q->facts.expires_ms = until;
}

/* --- TLSA records --- */

static void host_done(struct resolve_query *q)
{
    ASSERT(q->n_waiting > 0);
    if (--q->n_waiting == 0)
        defer_call(&q->finish);
}

static void host_tlsa_found(void *arg, int64_t ttl_ms)
{
    struct resolve_query *q = arg;
    if (ttl_ms > 0)
        facts_live(q, ttl_ms);
    host_done(q);
}

/* One secure answer of the two families is enough: whoever breaks the other must not switch DANE
 * off. False: nothing is to be waited for. */
static bool host_ask_tlsa(struct resolve_query *q, unsigned i)
{
    struct tlsa_ask ask = {
        .dns = q->w->dns,
        .arena = &q->arena,
        .host = &q->facts.host[i],
        .port = host_port(q, i),
        .fn = host_tlsa_found,
        .arg = q,
    };
    if (!decide_wants_tlsa(&q->route->contract) || ask.host->has_ip != TRI_YES)
        return false;
    for (unsigned k = 0; k < q->n_lookup; k++) {
        const struct lookup *l = &q->lookup[k];
        bool better = l->security == SECURITY_SECURE && !ask.secure;
        if (l->host == i && l->status == DNS_OK && (better || ask.canonical.n == 0))
            ask.canonical = l->canonical;
        if (l->host == i && l->status == DNS_OK)
            ask.secure = ask.secure || l->security == SECURITY_SECURE;
    }
    return !tlsa_lookup_begin(&q->inquiry[i].tlsa, &ask);
}

/* --- addresses arrive --- */

static void ip_answered(void *arg, const struct dns_answer *a)
{
    struct lookup *l = arg;
    struct resolve_query *q = l->q;
    struct host_facts *h = &q->facts.host[l->host];
    l->dns = NULL;
    l->status = a->status;
    if (a->status == DNS_OK) {
        host_add_ips(q, h, l->host, a, l->type);
        l->canonical = arena_span(&q->arena, a->canonical);
        facts_live(q, a->ttl_ms);
    }
    bool unknown = a->status == DNS_FAIL && a->security != DNS_BOGUS;
    l->security = unknown ? SECURITY_UNKNOWN : security_of(q, a->security);
    if (--q->inquiry[l->host].n_waiting > 0)
        return;
    host_settle(q, l->host);
    if (!host_ask_tlsa(q, l->host))
        host_done(q);
}

static void host_ask(struct resolve_query *q, unsigned i)
{
    static const enum dns_type types[] = { DNS_AAAA, DNS_A };
    q->n_waiting++;
    for (unsigned t = 0; t < COUNTOF(types); t++) {
        struct lookup *l = &q->lookup[q->n_lookup++];
        *l = (struct lookup){ .q = q, .host = i, .type = types[t] };
        q->inquiry[i].n_waiting++;
        l->dns = dns_ask(q->w->dns, q->facts.host[i].name, types[t], ip_answered, l);
    }
}

static void query_ask_hosts(struct resolve_query *q)
{
    for (unsigned i = 0; i < q->facts.n_host; i++)
        if (q->facts.host[i].has_ip == TRI_UNKNOWN)
            host_ask(q, i);
    if (q->n_waiting == 0)
        defer_call(&q->finish);
}

/* --- the MX set --- */

static struct host_facts *facts_host(struct resolve_query *q, struct span name)
{
    struct host_facts *h = &q->facts.host[q->facts.n_host++];
    *h = (struct host_facts){ .name = arena_span(&q->arena, name) };
    return h;
}

struct mx {
    uint16_t preference;
    uint64_t shuffle; /* equal preferences are tried in random order, RFC 5321 5.1 */
    char name[DNS_NAME_MAX];
};

static bool mx_before(const struct mx *a, const struct mx *b)
{
    return a->preference != b->preference ? a->preference < b->preference : a->shuffle < b->shuffle;
}

/* Keeps the best few in order. */
static void mx_insert(struct mx *best, unsigned *n, const struct mx *mx)
{
    unsigned at = *n;
    while (at > 0 && mx_before(mx, &best[at - 1]))
        at--;
    if (at == HOSTS_ASKED_MAX)
        return;
    unsigned kept = *n < HOSTS_ASKED_MAX ? *n : HOSTS_ASKED_MAX - 1;
    memmove(&best[at + 1], &best[at], (kept - at) * sizeof *best);
    best[at] = *mx;
    *n = kept + 1;
}

static void query_take_mx(struct resolve_query *q, const struct dns_answer *a)
{
    struct mx best[HOSTS_ASKED_MAX], mx;
    unsigned n = 0;
    for (unsigned i = 0; i < a->n; i++) {
        if (dns_read_mx(a->rdata[i], &mx.preference, mx.name) != ERR_OK)
            continue;
        if (mx.name[0] == '\0') { /* RFC 7505 3: alone it says "no mail"; beside others nothing */
            q->facts.null_mx = a->n == 1;
            continue;
        }
        mx.shuffle = rng_u64(&q->w->rng);
        mx_insert(best, &n, &mx);
    }
    for (unsigned i = 0; i < n; i++) {
        struct host_facts *h = facts_host(q, span_z(best[i].name));
        h->preference = best[i].preference;
        h->mx_security = security_of(q, a->security);
    }
}

static void mx_answered(void *arg, const struct dns_answer *a)
{
    struct resolve_query *q = arg;
    struct facts *f = &q->facts;
    q->mx.dns = NULL;
    facts_live(q, a->ttl_ms);
    switch (a->status) {
    case DNS_OK:
        f->has_mx = f->domain_exists = TRI_YES;
        query_take_mx(q, a);
        break;
    case DNS_NODATA: /* RFC 5321 5.1: the domain itself, an implicit MX with preference 0 */
        f->has_mx = TRI_NO;
        f->domain_exists = TRI_YES;
        facts_host(q, q->domain)->mx_security = security_of(q, a->security);
        break;
    case DNS_NXDOMAIN:
        f->has_mx = f->domain_exists = TRI_NO;
        break;
    case DNS_FAIL:
        f->mx_security = a->security == DNS_BOGUS ? SECURITY_BOGUS : SECURITY_UNKNOWN;
        f->dns_failure = arena_span(&q->arena, span_z(a->text));
        break;
    }
    query_ask_hosts(q);
}

/* --- routes that name their hosts --- */

static void query_take_route(struct resolve_query *q)
{
    const struct route *r = q->route;
    q->facts.configured = true;
    for (unsigned i = 0; i < r->n_host && i < FACTS_HOSTS_MAX; i++) {
        struct host_facts *h = facts_host(q, r->host[i].name);
        h->preference = (uint16_t)i;
        h->is_path = r->host[i].is_path;
        if (h->is_path)
            h->has_ip = TRI_YES;
        if (r->host[i].ip.family != IP_NONE) {
            h->ip[h->n_ip++] = r->host[i].ip;
            h->has_ip = TRI_YES;
            host_judge_us(q, h);
        }
    }
    query_ask_hosts(q);
}

/* user@[192.0.2.1]: RFC 5321 4.1.3. */
static void query_take_literal(struct resolve_query *q)
{
    struct host_facts *h = facts_host(q, q->domain);
    q->facts.has_mx = q->facts.domain_exists = TRI_YES;
    if (ip_literal_parse(q->domain, &h->ip[0]) == ERR_OK) {
        h->ip[0].port = q->route->port;
        h->n_ip = 1;
        h->has_ip = TRI_YES;
        host_judge_us(q, h);
    } else {
        q->facts.domain_exists = TRI_NO;
        q->facts.n_host = 0;
    }
    defer_call(&q->finish);
}

struct resolve_query *resolve_facts(struct worker *w, const struct config *c, const struct route *r,
                                    struct span domain, resolve_fn *fn, void *arg)
{
    ASSERT(r->kind != ROUTE_MAILDIR);
    struct resolve_query *q = NEW(struct resolve_query);
    q->w = w;
    q->config = c;
    q->route = r;
    q->fn = fn;
    q->arg = arg;
    arena_init(&q->arena, ARENA_MAX);
    q->domain = arena_span(&q->arena, domain);
    q->facts.now_ms = loop_wall_ms(w->loop);
    q->facts.domain = q->domain;
    defer_init(&q->finish, w->loop, query_finish, q);
    if (r->kind != ROUTE_MX)
        query_take_route(q);
    else if (domain_is_literal(domain))
        query_take_literal(q);
    else
        q->mx.dns = dns_ask(w->dns, q->domain, DNS_MX, mx_answered, q);
    return q;
}

void resolve_done(struct resolve_query *q)
{
    if (!q)
        return;
    if (q->mx.dns)
        dns_cancel(q->mx.dns);
    for (unsigned i = 0; i < q->n_lookup; i++)
        if (q->lookup[i].dns)
            dns_cancel(q->lookup[i].dns);
    for (unsigned i = 0; i < q->facts.n_host; i++)
        tlsa_lookup_cancel(&q->inquiry[i].tlsa);
    defer_cancel(&q->finish);
    arena_done(&q->arena);
    mem_free(q);
}
