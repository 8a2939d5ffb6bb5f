#include "gate/tlsa.h"

#include "mail/addr.h"
#include "policy/decide.h"

static void lookup_over(struct tlsa_lookup *l, enum tlsa_state state)
{
    l->ask.host->tlsa_state = state;
    l->ask.fn(l->ask.arg, l->ttl_ms);
}

static void live(struct tlsa_lookup *l, const struct dns_answer *a)
{
    if (a->status != DNS_FAIL && (l->ttl_ms == 0 || a->ttl_ms < l->ttl_ms))
        l->ttl_ms = a->ttl_ms;
}

static void take_records(struct tlsa_lookup *l, const struct dns_answer *a)
{
    struct host_facts *h = l->ask.host;
    for (unsigned i = 0; i < a->n; i++) {
        struct tlsa t;
        if (tlsa_parse(a->rdata[i], &t) == ERR_OK)
            tlsa_set_add(&h->tlsa, &t, l->ask.arena);
        else
            tlsa_set_add_broken(&h->tlsa);
    }
    h->tlsa_base = l->base[l->at];
}

static void tlsa_answered(void *arg, const struct dns_answer *a);

/* "_25._tcp.mx.example.org". False: no name is that long, so that nothing can be there. */
static bool ask_base(struct tlsa_lookup *l)
{
    struct buf name;
    buf_init(&name, DNS_NAME_MAX + 32);
    buf_putf(&name, "_%u._tcp.%.*s", l->ask.port, SPAN_ARG(l->base[l->at]));
    bool fits = name.n < DNS_NAME_MAX - 2; /* 253: RFC 1035 2.3.4 */
    if (fits)
        l->dns = dns_ask(l->ask.dns, buf_span(&name), DNS_TLSA, tlsa_answered, l);
    buf_done(&name);
    return fits;
}

/* Asks for the next base domain, if there is one. */
static bool ask_next(struct tlsa_lookup *l)
{
    for (; l->at < l->n_base; l->at++)
        if (ask_base(l))
            return true;
    return false;
}

static enum tlsa_state failure(const struct dns_answer *a)
{
    return a->security == DNS_BOGUS ? TLSA_BOGUS : TLSA_FAILED;
}

/* = RFC 7672 2.1.2: a lookup that fails is not read as "there are none": the host must not be used
 * without them. Records that are not secure are as none. */
static void tlsa_answered(void *arg, const struct dns_answer *a)
{
    struct tlsa_lookup *l = arg;
    l->dns = NULL;
    live(l, a);
    if (a->status == DNS_FAIL) {
        lookup_over(l, failure(a));
    } else if (a->status == DNS_OK && a->security == DNS_SECURE) {
        take_records(l, a);
        lookup_over(l, TLSA_FOUND);
    } else {
        l->at++;
        if (!ask_next(l))
            lookup_over(l, TLSA_NONE);
    }
}

/* The host's own zone may be signed where what its CNAME leads to is not. */
static void cname_answered(void *arg, const struct dns_answer *a)
{
    struct tlsa_lookup *l = arg;
    l->dns = NULL;
    live(l, a);
    if (a->status == DNS_FAIL) {
        lookup_over(l, failure(a));
        return;
    }
    if (a->status == DNS_OK && a->security == DNS_SECURE)
        l->base[l->n_base++] = l->ask.host->name;
    if (!ask_next(l))
        lookup_over(l, TLSA_NONE);
}

bool tlsa_lookup_begin(struct tlsa_lookup *l, const struct tlsa_ask *ask)
{
    bool alias = ask->canonical.n > 0 && !domain_eq(ask->canonical, ask->host->name);
    *l = (struct tlsa_lookup){ .ask = *ask };
    if (ask->secure && alias)
        l->base[l->n_base++] = arena_span(ask->arena, ask->canonical);
    if (ask->secure)
        l->base[l->n_base++] = ask->host->name;
    if (ask->secure ? ask_next(l) : alias) {
        if (!ask->secure)
            l->dns = dns_ask(ask->dns, ask->host->name, DNS_CNAME, cname_answered, l);
        return false;
    }
    ask->host->tlsa_state = TLSA_NONE;
    return true;
}

void tlsa_lookup_cancel(struct tlsa_lookup *l)
{
    if (l->dns)
        dns_cancel(l->dns);
    l->dns = NULL;
}

void tlsa_mean(const struct facts *f, unsigned i, struct tls_peer *mean)
{
    STATIC_ASSERT((int)TLS_DANE_NAMES_MAX == (int)DECIDE_DANE_NAMES_MAX);
    mean->tlsa = &f->host[i].tlsa;
    mean->n_dane_name = decide_dane_names(f, i, mean->dane_name);
    mean->host = f->host[i].name;
    mean->server_name = mean->dane_name[0];
}
