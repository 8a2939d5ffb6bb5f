#include "policy/decide.h"

static const char *const step_names[] = {
    [STEP_CONNECT] = "connect",     [STEP_STARTTLS] = "starttls",   [STEP_SEND] = "send",
    [STEP_PLAINTEXT] = "plaintext", [STEP_NEXT_HOST] = "next-host", [STEP_DEFER] = "defer",
    [STEP_BOUNCE] = "bounce",
};

const char *step_name(enum step s)
{
    ASSERT((size_t)s < COUNTOF(step_names));
    return step_names[s];
}

static struct verdict go(const struct contract *c, enum step step, const char *why)
{
    ASSERT(step == STEP_CONNECT || step == STEP_STARTTLS || step == STEP_SEND ||
           step == STEP_PLAINTEXT);
    return (struct verdict){ .step = step, .contract = *c, .why = why };
}

static struct verdict stop(const struct contract *c, enum step step, struct reply reply,
                           const char *why)
{
    ASSERT(step == STEP_NEXT_HOST || step == STEP_DEFER || step == STEP_BOUNCE);
    ASSERT(step == STEP_BOUNCE ? reply_permanent(&reply) : reply_transient(&reply));
    return (struct verdict){ .step = step, .contract = *c, .reply = reply, .why = why };
}

/* --- before any network */

bool decide_local(const struct route *r)
{
    if (r->kind == ROUTE_MAILDIR)
        return true;
    for (unsigned i = 0; i < r->n_host; i++) {
        if (!r->host[i].is_path)
            return false;
    }
    return r->n_host > 0;
}

struct contract decide_contract(const struct route *r, const struct message_facts *m)
{
    struct contract c = contract_join(contract_none(), r->contract);
    bool local = decide_local(r);
    if (local) {
        c.rules |= RULE_LOCAL;
        c.dane = DANE_OFF;
        c.sts = STS_OFF;
    }
    if (m->tls_required_no && !m->requiretls) {
        c.dane = c.dane == DANE_MANDATORY ? DANE_MANDATORY : DANE_OFF;
        c.sts = STS_OFF;
    }
    if (m->requiretls && !local) {
        struct contract asked = contract_none();
        asked.need = TLS_NEED_ENCRYPT;
        asked.authenticated = true;
        asked.keyword = m->from.n > 0;
        asked.rules = RULE_REQUIRETLS;
        c = contract_join(c, asked);
    }
    if (c.rules == 0)
        c.rules = RULE_DEFAULT;
    return c;
}

/* --- the list of hosts */

/* Hosts must be better than this; one more than any preference when we are not in the list. */
static unsigned our_preference(const struct facts *f)
{
    unsigned ours = UINT16_MAX + 1u;
    for (unsigned i = 0; i < f->n_host && !f->configured; i++) {
        if (f->host[i].is_us && f->host[i].preference < ours)
            ours = f->host[i].preference;
    }
    return ours;
}

static bool has_address(const struct host_facts *h)
{
    return h->is_path || (h->has_ip == TRI_YES && h->n_ip > 0);
}

const struct host_facts *decide_last_failure(const struct facts *f)
{
    for (unsigned i = f->n_host; i-- > 0;) {
        if (f->host[i].connected != TRI_UNKNOWN)
            return &f->host[i];
    }
    return NULL;
}

/* All that counts are proven to have no address. */
static bool all_without_address(const struct facts *f, unsigned ours)
{
    for (unsigned i = 0; i < f->n_host; i++) {
        const struct host_facts *h = &f->host[i];
        bool proven = !h->is_path && h->has_ip == TRI_NO && h->ip_security != SECURITY_BOGUS;
        if (h->preference < ours && !proven)
            return false;
    }
    return f->n_host > 0;
}

/* The destination itself asks for TLS, by what it publishes. */
static bool published(const struct contract *c)
{
    return c->rules & (RULE_DANE | RULE_STS);
}

/* = RFC 8689 4.2.1: "Unable to establish TLS-protected SMTP session: 5.7.10 Encryption needed" */
static bool only_message_asks(const struct contract *c)
{
    const unsigned others = RULE_ROUTE | RULE_CONNECTOR | RULE_NODE | RULE_TENANT;
    return (c->rules & RULE_REQUIRETLS) && !(c->rules & others);
}

static struct reply reply_no_tls(const struct contract *c)
{
    if (published(c))
        return REPLY(450, 4, 7, 321,
                     "starttls-not-supported: DANE or MTA-STS of the destination requires TLS, and "
                     "it does not offer STARTTLS");
    if (only_message_asks(c))
        return REPLY(450, 4, 7, 10,
                     "Encryption needed: REQUIRETLS, and the destination does not offer STARTTLS");
    return REPLY(450, 4, 4, 317, "TLS is required, and the destination does not offer STARTTLS");
}

static struct reply reply_handshake(const struct contract *c)
{
    if (published(c))
        return REPLY(450, 4, 7, 321,
                     "starttls-not-supported: DANE or MTA-STS of the destination requires TLS, and "
                     "the TLS handshake failed");
    if (only_message_asks(c))
        return REPLY(450, 4, 7, 10, "Encryption needed: REQUIRETLS, and the TLS handshake failed");
    return REPLY(450, 4, 4, 317, "TLS is required, and the TLS handshake failed");
}

static struct reply reply_bar(enum bar bar)
{
    switch (bar) {
    case BAR_REQUIRETLS:
        return REPLY(450, 4, 7, 30,
                     "REQUIRETLS: neither DNSSEC nor MTA-STS says who the mail host is");
    case BAR_STS_HOST:
        return REPLY(450, 4, 4, 8,
                     "The mail host failed MTA-STS validation: the policy does not list it");
    case BAR_NO_TLSA:
        return REPLY(450, 4, 7, 323,
                     "tlsa-invalid: DANE is required, and the host has no usable TLSA records");
    case BAR_NO_DNSSEC:
        return REPLY(
            450, 4, 7, 324,
            "dnssec-invalid: DANE is required, and DNSSEC does not secure the destination");
    case BAR_DNSSEC_UNTOLD:
        return REPLY(451, 4, 4, 312,
                     "DNS query failed: DANE is required, and it cannot be told whether DNSSEC "
                     "secures the destination");
    case BAR_TLSA_BOGUS:
        return REPLY(450, 4, 7, 324,
                     "dnssec-invalid: the TLSA records of the host fail DNSSEC validation");
    default:
        return REPLY(451, 4, 4, 312, "DNS query failed: the TLSA records of the host");
    }
}

/* The same three causes where MTA-STS asks for the certificate. */
static struct reply reply_sts(enum breach breach)
{
    switch (breach) {
    case BREACH_CHAIN:
        return REPLY(450, 4, 7, 5,
                     "Certificate failed MTA-STS validation: it does not chain to a trusted root");
    case BREACH_EXPIRED:
        return REPLY(450, 4, 7, 5, "Certificate failed MTA-STS validation: it is out of its time");
    default:
        return REPLY(450, 4, 7, 5,
                     "Certificate failed MTA-STS validation: it does not name the host");
    }
}

/* What the sender reads of a channel that broke its contract. */
static struct reply reply_breach(const struct contract *c, enum breach breach)
{
    bool pkix = breach == BREACH_CHAIN || breach == BREACH_EXPIRED || breach == BREACH_NAME;
    if (pkix && c->rules & RULE_STS && c->n_names == 0)
        return reply_sts(breach);
    switch (breach) {
    case BREACH_BARRED:
        return reply_bar(c->bar);
    case BREACH_TLSA:
        return REPLY(450, 4, 7, 323,
                     "tlsa-invalid: the certificate does not match the TLSA records of the host");
    case BREACH_TLSA_EXPIRED:
        return REPLY(450, 4, 7, 322,
                     "certificate-expired: the certificate of the host is out of its time");
    case BREACH_TLSA_NAME:
        return REPLY(450, 4, 7, 325,
                     "certificate-host-mismatch: the certificate does not name the host");
    case BREACH_CHAIN:
        return REPLY(450, 4, 7, 320,
                     "Certificate validation failed: it does not chain to a trusted root");
    case BREACH_EXPIRED:
        return REPLY(450, 4, 7, 320, "Certificate validation failed: it is out of its time");
    case BREACH_REVOKED:
        return REPLY(450, 4, 7, 320, "Certificate validation failed: it is revoked");
    case BREACH_UNTOLD:
        return REPLY(450, 4, 7, 320,
                     "Certificate validation failed: it cannot be told whether it is revoked");
    case BREACH_NAME:
        return REPLY(450, 4, 7, 320,
                     "Certificate validation failed: it has none of the names that are expected");
    default:
        return REPLY(450, 4, 4, 317, "The TLS channel is weaker than required");
    }
}

/* Facts that do not say what was broken: by what the contract asks. */
static struct reply reply_channel(const struct contract *c, const struct host_facts *h)
{
    if (h->breach == BREACH_NONE && c->tlsa)
        return reply_breach(c, BREACH_TLSA);
    if (h->breach == BREACH_NONE && c->need >= TLS_NEED_CHAIN)
        return REPLY(450, 4, 7, 320, "Certificate validation failed");
    return reply_breach(c, h->breach);
}

static struct reply reply_keyword(void)
{
    return REPLY(450, 4, 7, 30,
                 "REQUIRETLS support required, and the mail host does not announce it");
}

static struct reply reply_dns(void)
{
    return REPLY(451, 4, 4, 3, "DNS lookup failed");
}

/* RFC 7672 2.1.2: for DANE a forged answer is more than a lookup that failed. */
static struct reply reply_forged(void)
{
    return REPLY(450, 4, 7, 324, "dnssec-invalid: an answer of the DNS fails DNSSEC validation");
}

static bool is_forged(const struct host_facts *h)
{
    return h->mx_security == SECURITY_BOGUS || (h->ip_security == SECURITY_BOGUS && !h->is_path);
}

/* One that counts was passed over because its answers are forged. */
static bool any_forged(const struct facts *f, unsigned ours)
{
    for (unsigned i = 0; i < f->n_host; i++) {
        if (f->host[i].preference < ours && is_forged(&f->host[i]))
            return true;
    }
    return false;
}

/* Why the host that was tried last did not take the mail. */
static struct reply reply_last(const struct contract *c, const struct host_facts *h)
{
    bool demanded = !contract_allows_plaintext(c);
    if (h->connected != TRI_YES)
        return REPLY(451, 4, 4, 1, "No host of the destination could be reached");
    if (h->channel == TRI_NO)
        return reply_channel(c, h);
    if (c->keyword && h->requiretls == TRI_NO)
        return reply_keyword();
    if (demanded && h->handshake == TRI_NO)
        return reply_handshake(c);
    if (demanded && h->starttls_offered == TRI_NO)
        return reply_no_tls(c);
    return REPLY(451, 4, 4, 1, "No host of the destination took the mail");
}

/* Why the last host that has an address was not tried: no channel to it would do. */
static enum bar last_bar(const struct contract *c, const struct facts *f, unsigned ours)
{
    for (unsigned i = f->n_host; i-- > 0;) {
        struct contract k = decide_host_contract(c, f, i);
        if (f->host[i].preference < ours && has_address(&f->host[i]) && k.bar != BAR_NONE)
            return k.bar;
    }
    return BAR_NONE;
}

/* Every host that counts was reached over a channel as it must be, and does not announce
 * REQUIRETLS. */
static bool nobody_announces(const struct contract *c, const struct facts *f, unsigned ours)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n_host && c->keyword; i++) {
        if (f->host[i].preference >= ours || f->host[i].has_ip == TRI_NO)
            continue;
        if (f->host[i].requiretls != TRI_NO)
            return false;
        n++;
    }
    return n > 0;
}

static struct verdict end_of_list(const struct contract *c, const struct facts *f, unsigned ours)
{
    const struct host_facts *h = decide_last_failure(f);
    if (!f->configured && all_without_address(f, ours))
        return stop(c, STEP_BOUNCE,
                    REPLY(550, 5, 4, 4, "No mail host of the domain has an address"),
                    "every mail host is proven to have no address");
    if (nobody_announces(c, f, ours))
        return stop(
            c, STEP_BOUNCE,
            REPLY(550, 5, 7, 30,
                  "REQUIRETLS support required, and no mail host of the destination has it"),
            "the message says REQUIRETLS, and no mail host announces it");
    enum bar bar = last_bar(c, f, ours);
    if (!h && bar != BAR_NONE)
        return stop(c, STEP_DEFER, reply_bar(bar), bar_words(bar));
    if (!h && any_forged(f, ours))
        return stop(c, STEP_DEFER, reply_forged(), "DNSSEC says that the answer is forged");
    if (!h)
        return stop(c, STEP_DEFER, reply_dns(), "no mail host has an address that is known");
    struct contract k = decide_host_contract(c, f, (unsigned)(h - f->host));
    return stop(c, STEP_DEFER, reply_last(&k, h), "every host was tried and none took the mail");
}

static struct verdict plan_host(const struct contract *c, const struct facts *f, unsigned i,
                                unsigned ours)
{
    const struct host_facts *h = &f->host[i];
    if (h->preference >= ours)
        return stop(c, STEP_NEXT_HOST, REPLY(451, 4, 4, 6, "The host is no nearer than we are"),
                    "we are in the list, and only better preferences than ours count");
    /* = RFC 4035 5.5: a bogus answer is treated as a failed lookup */
    if (is_forged(h))
        return stop(c, STEP_NEXT_HOST, reply_forged(), "DNSSEC says that the answer is forged");
    struct contract k = decide_host_contract(c, f, i);
    if (has_address(h) && k.bar != BAR_NONE)
        return stop(&k, STEP_NEXT_HOST, reply_bar(k.bar), bar_words(k.bar));
    if (has_address(h))
        return go(&k, STEP_CONNECT, "the host has an address");
    if (h->has_ip == TRI_UNKNOWN)
        return stop(c, STEP_NEXT_HOST, reply_dns(), "the address of the host cannot be told");
    return stop(c, STEP_NEXT_HOST, REPLY(451, 4, 4, 4, "The host has no address"),
                "the host has no address");
}

/* The domain is one that mail can go to at all; else *ret says why not. */
static bool domain_blocks(const struct contract *c, const struct facts *f, struct verdict *ret)
{
    if (f->configured)
        return false;
    if (f->domain_exists == TRI_NO)
        *ret = stop(c, STEP_BOUNCE, REPLY(550, 5, 1, 2, "The domain does not exist"),
                    "the domain does not exist (NXDOMAIN)");
    else if (f->null_mx)
        *ret = stop(c, STEP_BOUNCE, REPLY(556, 5, 1, 10, "The domain accepts no mail"),
                    "the domain says that it accepts no mail (null MX, RFC 7505)");
    else if (f->has_mx == TRI_UNKNOWN && f->mx_security == SECURITY_BOGUS)
        *ret = stop(c, STEP_DEFER, reply_forged(), "DNSSEC says that the MX answer is forged");
    else if (f->has_mx == TRI_UNKNOWN)
        *ret = stop(c, STEP_DEFER, reply_dns(),
                    "MX cannot be looked up, and without it no address may be guessed");
    else
        return false;
    return true;
}

struct verdict decide_plan(const struct contract *c, const struct facts *f, unsigned i)
{
    struct verdict blocked;
    ASSERT(f->n_host <= FACTS_HOSTS_MAX && i <= f->n_host);
    if (domain_blocks(c, f, &blocked))
        return blocked;

    unsigned ours = our_preference(f), usable = 0;
    for (unsigned k = 0; k < f->n_host; k++)
        usable += f->host[k].preference < ours;
    if (f->n_host > 0 && usable == 0)
        return stop(c, STEP_BOUNCE, REPLY(554, 5, 4, 6, "Mail for the domain loops back to us"),
                    "we are the best mail host of a domain that is not ours");
    if (i == f->n_host)
        return end_of_list(c, f, ours);
    return plan_host(c, f, i, ours);
}

/* --- one host */

struct verdict decide_greeted(const struct contract *c, const struct host_facts *h)
{
    bool failed = h->handshake == TRI_NO;
    if (c->bar != BAR_NONE)
        return stop(c, STEP_NEXT_HOST, reply_bar(c->bar), bar_words(c->bar));
    if (h->starttls_offered == TRI_UNKNOWN)
        return stop(c, STEP_NEXT_HOST, REPLY(451, 4, 4, 1, "The host did not finish its greeting"),
                    "the host did not say what it offers");
    if (h->starttls_offered == TRI_YES && !failed)
        return go(c, STEP_STARTTLS, "TLS is offered, so it is used");
    if (contract_allows_plaintext(c))
        return go(c, STEP_SEND,
                  failed ? "plaintext: TLS failed at this host and nobody demands it"
                         : "plaintext: the host offers no TLS and nobody demands it");
    if (failed)
        return stop(c, STEP_NEXT_HOST, reply_handshake(c), "TLS is demanded and failed");
    return stop(c, STEP_NEXT_HOST, reply_no_tls(c), "TLS is demanded and not offered");
}

struct verdict decide_secured(const struct contract *c, const struct host_facts *h,
                              const struct tls_facts *tls)
{
    bool on = tls && tls->on && h->handshake != TRI_NO;
    if (c->bar != BAR_NONE)
        return stop(c, STEP_NEXT_HOST, reply_bar(c->bar), bar_words(c->bar));
    if (!on && contract_allows_plaintext(c))
        return go(c, STEP_PLAINTEXT, "TLS failed at this host and nobody demands it");
    if (!on)
        return stop(c, STEP_NEXT_HOST, reply_handshake(c), "TLS is demanded and failed");

    enum breach breach = contract_judge(c, tls);
    if (breach == BREACH_NONE)
        return go(c, STEP_SEND, "the channel is what the contract asks");
    struct verdict v = stop(c, STEP_NEXT_HOST, reply_breach(c, breach), contract_breach(c, tls));
    v.breach = breach;
    return v;
}

/* = RFC 8689 4.2.1: "Ensure that the response to the subsequent EHLO following establishment of the
 * TLS protection advertises the REQUIRETLS capability." */
struct verdict decide_announced(const struct contract *c, const struct host_facts *h)
{
    if (!c->keyword || h->requiretls == TRI_YES)
        return go(c, STEP_SEND, "the host promises what the message asks");
    return stop(c, STEP_NEXT_HOST, reply_keyword(),
                "REQUIRETLS is demanded and not announced (RFC 8689 4.2.1)");
}
