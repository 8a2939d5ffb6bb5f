/* What one host must fulfil: decide_host_contract. Each source adds to the contract by join, so
 * that none can take away what another asks. */
#include "policy/decide.h"

bool decide_wants_tlsa(const struct contract *c)
{
    return c->dane != DANE_OFF;
}

bool decide_wants_sts(const struct contract *c)
{
    return c->sts != STS_OFF || c->authenticated;
}

/* Who the host is comes from configuration or from a secure MX, not from an answer that anybody may
 * have forged. */
static bool is_trusted(const struct facts *f, const struct host_facts *h)
{
    return f->configured || h->mx_security == SECURITY_SECURE;
}

unsigned decide_dane_names(const struct facts *f, unsigned i,
                           struct span ret[static DECIDE_DANE_NAMES_MAX])
{
    ASSERT(i < f->n_host);
    const struct host_facts *h = &f->host[i];
    unsigned n = 0;
    ret[n++] = h->tlsa_base.n > 0 ? h->tlsa_base : h->name;
    if (!f->configured && h->mx_security == SECURITY_SECURE)
        ret[n++] = f->domain;
    return n;
}

/* --- DANE */

static struct contract barred(enum bar bar, unsigned rule)
{
    struct contract k = contract_none();
    k.bar = bar;
    k.rules = rule;
    return k;
}

/* No record authenticates the host, and DANE is mandatory. */
static struct contract without_dane(const struct facts *f, const struct host_facts *h)
{
    enum security mx = f->configured ? SECURITY_SECURE : h->mx_security;
    enum bar bar = BAR_NO_TLSA;
    if (h->ip_security == SECURITY_UNKNOWN || mx == SECURITY_UNKNOWN)
        bar = BAR_DNSSEC_UNTOLD;
    if (h->ip_security == SECURITY_INSECURE || mx == SECURITY_INSECURE)
        bar = BAR_NO_DNSSEC;
    return barred(bar, RULE_DANE);
}

/* RFC 7672 2.2: one usable record asks for authenticated TLS; without any, for TLS. */
static struct contract by_records(const struct contract *c, const struct facts *f,
                                  const struct host_facts *h)
{
    struct contract k = contract_none();
    bool mandatory = c->dane == DANE_MANDATORY;
    if (!tlsa_set_any(&h->tlsa))
        return barred(BAR_TLSA_FAILED, RULE_DANE);
    /* RFC 7672 2.2.1: where DANE is mandatory, mail waits while the MX is not secure. */
    if (mandatory && (!is_trusted(f, h) || !tlsa_set_usable(&h->tlsa)))
        return without_dane(f, h);
    k.need = TLS_NEED_ENCRYPT;
    k.tlsa = tlsa_set_usable(&h->tlsa) ? &h->tlsa : NULL;
    k.rules = RULE_DANE;
    return k;
}

static struct contract by_dane(const struct contract *c, const struct facts *f,
                               const struct host_facts *h)
{
    bool mandatory = c->dane == DANE_MANDATORY;
    if (c->dane == DANE_OFF)
        return contract_none();
    switch (h->tlsa_state) {
    case TLSA_FOUND:
        return by_records(c, f, h);
    case TLSA_FAILED:
        return barred(BAR_TLSA_FAILED, RULE_DANE);
    case TLSA_BOGUS:
        return barred(BAR_TLSA_BOGUS, RULE_DANE);
    case TLSA_NONE:
        return mandatory ? without_dane(f, h) : contract_none();
    default:
        return mandatory ? barred(BAR_NOT_ASKED, RULE_DANE) : contract_none();
    }
}

/* --- MTA-STS */

/* A trusted chain with the host's own name. */
static struct contract host_named(unsigned rule)
{
    struct contract k = contract_none();
    k.need = TLS_NEED_NAME;
    k.host_name = true;
    k.rules = rule;
    return k;
}

static bool sts_lists(const struct host_facts *h)
{
    return h->sts == STS_ENFORCE && h->sts_match == TRI_YES;
}

/* = RFC 8461 5: "In this mode, Sending MTAs MUST NOT deliver the message to hosts that fail MX
 * matching or certificate validation or that do not support STARTTLS." */
static struct contract by_sts(const struct contract *c, const struct host_facts *h)
{
    if (c->sts == STS_OFF || h->sts != STS_ENFORCE)
        return contract_none();
    return sts_lists(h) ? host_named(RULE_STS) : barred(BAR_STS_HOST, RULE_STS);
}

/* --- the whole */

/* REQUIRETLS. Where names are demanded already, or records, they prove who the host is. */
static struct contract by_message(const struct contract *c, const struct facts *f,
                                  const struct host_facts *h)
{
    struct contract k = contract_none();
    if (!c->tlsa && c->need < TLS_NEED_NAME)
        k = host_named(RULE_REQUIRETLS);
    if (!is_trusted(f, h) && !sts_lists(h))
        k.bar = BAR_REQUIRETLS;
    return k;
}

struct contract decide_host_contract(const struct contract *c, const struct facts *f, unsigned i)
{
    ASSERT(i < f->n_host && !c->tlsa && c->bar == BAR_NONE);
    const struct host_facts *h = &f->host[i];
    struct contract k = contract_join(contract_none(), *c);
    if (h->is_path)
        return k; /* no network is crossed */
    k = contract_join(k, by_dane(c, f, h));
    /* = RFC 8461 2: "senders who implement MTA-STS validation MUST NOT allow MTA-STS Policy
     * validation to override a failing DANE validation" */
    if (!k.tlsa || !is_trusted(f, h))
        k = contract_join(k, by_sts(c, h));
    return c->authenticated ? contract_join(k, by_message(&k, f, h)) : k;
}
