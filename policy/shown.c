#include "policy/shown.h"

#include "mail/addr.h"
#include "policy/org_index.h"

bool shown_name(struct span name, char room[static SHOWN_NAME_MAX], struct span *ret)
{
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > SHOWN_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++)
        room[i] = ascii_lower(name.p[i]);
    *ret = span_of(room, name.n);
    return true;
}

/* --- certificates */

static bool listed(const struct span *list, unsigned n, struct span s)
{
    for (unsigned i = 0; i < n && s.n > 0; i++) {
        if (span_eq_nocase(list[i], s))
            return true;
    }
    return false;
}

static bool is_pinned(const struct in_connector *c, const struct tls_facts *tls)
{
    return listed(c->pin, c->n_pin, tls->spki);
}

/* How closely one presented name is an expected one; 0: it is not. */
static unsigned name_claim(const struct in_connector *c, struct span presented)
{
    unsigned best = 0;
    for (unsigned i = 0; i < c->names.n; i++) {
        struct span expected = c->names.name[i];
        bool wildcard = span_starts(expected, SPAN("*."));
        unsigned claim = IDENTITY_NAME;
        if (wildcard)
            claim =
                IDENTITY_CERTIFICATE + (unsigned)(expected.n - (expected.p[expected.n - 1] == '.'));
        if (claim > best && name_matches(expected, presented))
            best = claim;
    }
    return best;
}

unsigned shown_claim(const struct in_connector *c, const struct inbound_facts *f)
{
    const struct tls_facts *tls = f->tls;
    unsigned best = 0;
    if (!tls->on || !tls->peer_cert)
        return 0;
    if (is_pinned(c, tls))
        return IDENTITY_PIN;
    if (c->names.n == 0)
        return listed(c->anchor, c->n_anchor, tls->anchor) ? IDENTITY_CERTIFICATE : 0;
    for (struct span rest = tls->names; rest.n > 0;) {
        unsigned claim = name_claim(c, span_cut(&rest, ','));
        best = claim > best ? claim : best;
    }
    return best;
}

/* Does the root count for this connector? Which root it is must be known: a partner's own CA speaks
 * only where it is named. */
static bool anchor_counts(const struct in_connector *c, const struct tls_facts *tls)
{
    if (c->n_anchor > 0)
        return listed(c->anchor, c->n_anchor, tls->anchor);
    return tls->anchor.n > 0 && !tls->anchor_private;
}

/* Is the certificate worth its names? A pinned key is, whoever signed. */
static enum check check_chain(const struct in_connector *c, const struct inbound_facts *f)
{
    const struct tls_facts *tls = f->tls;
    if (is_pinned(c, tls))
        return CHECK_NONE;
    if ((!tls->chain_ok && !tls->expired) || !anchor_counts(c, tls))
        return CHECK_CHAIN;
    if (!tls->chain_ok && !connector_weakened(&c->c, WEAKEN_EXPIRED, f->now_ms))
        return CHECK_EXPIRED;
    return CHECK_NONE;
}

/* --- channel */

static int version_number(struct span version)
{
    if (span_eq(version, SPAN("TLSv1.2")))
        return 12;
    return span_eq(version, SPAN("TLSv1.3")) ? 13 : 0;
}

static bool below_floor(const struct in_connector *c, const struct tls_facts *tls)
{
    int floor = c->floor > CONTRACT_FLOOR_MIN ? c->floor : CONTRACT_FLOOR_MIN;
    return version_number(tls->version) < floor;
}

static bool is_revoked(const struct in_connector *c, const struct inbound_facts *f)
{
    if (c->revocation == REVOCATION_OFF || f->revoked == TRI_NO)
        return false;
    return f->revoked == TRI_YES || c->revocation == REVOCATION_HARD;
}

/* All that is asked of a certificate that has to be there. A connector that knows keys only asks
 * for no chain. */
static enum check check_certificate(const struct in_connector *c, const struct inbound_facts *f)
{
    bool keys_only = c->names.n == 0 && c->n_anchor == 0;
    if (!f->tls->on)
        return CHECK_NO_CERT;
    if (below_floor(c, f->tls))
        return CHECK_FLOOR;
    if (!f->tls->peer_cert)
        return CHECK_NO_CERT;
    enum check chain = keys_only ? CHECK_NONE : check_chain(c, f);
    if (chain != CHECK_NONE)
        return chain;
    if (c->eku_client && !f->tls->client_usage)
        return CHECK_USAGE;
    if (is_revoked(c, f))
        return CHECK_REVOCATION;
    return shown_claim(c, f) > 0 ? CHECK_NONE : CHECK_NAME;
}

/* --- identity */

/* 1 + the longest prefix; 0: in no network. */
static unsigned address_identity(const struct in_connector *c, const struct ip *client)
{
    struct ip ip = *client;
    unsigned best = 0;
    ip_fold(&ip);
    for (unsigned i = 0; i < c->n_network; i++) {
        if (c->network[i].bits + 1 > best && ip_net_has(&c->network[i], &ip))
            best = c->network[i].bits + 1;
    }
    return best;
}

unsigned connector_identity(const struct in_connector *c, const struct inbound_facts *f)
{
    unsigned claim = shown_claim(c, f);
    if (claim > 0 && check_chain(c, f) == CHECK_NONE)
        return claim;
    return address_identity(c, &f->client);
}

/* Its own server: what identifies it must hold in full. A revoked certificate is not forgiven for
 * its address; one that proves nothing is as if it were not shown. */
static enum check check_own(const struct in_connector *c, const struct inbound_facts *f)
{
    unsigned identity = connector_identity(c, f);
    if (identity >= IDENTITY_CERTIFICATE)
        return check_certificate(c, f);
    if (identity > 0)
        return CHECK_NONE;
    bool knows_certificates = c->names.n > 0 || c->n_pin > 0 || c->n_anchor > 0;
    if (knows_certificates && (f->tls->peer_cert || c->n_network == 0))
        return check_certificate(c, f);
    return CHECK_ADDRESS;
}

enum check connector_check(const struct in_connector *c, const struct inbound_facts *f)
{
    bool demanded = c->require_tls && !connector_weakened(&c->c, WEAKEN_PLAINTEXT, f->now_ms);
    if (demanded && !f->tls->on)
        return CHECK_TLS;
    if (demanded && below_floor(c, f->tls))
        return CHECK_FLOOR;
    if (c->c.kind == CONNECTOR_ON_PREMISES)
        return check_own(c, f);
    enum check certificate = c->restrict_certificate ? check_certificate(c, f) : CHECK_NONE;
    if (certificate != CHECK_NONE)
        return certificate;
    if (c->restrict_addresses && address_identity(c, &f->client) == 0)
        return CHECK_ADDRESS;
    return CHECK_NONE;
}

const char *check_name(enum check c)
{
    static const char *const names[CHECK_COUNT_] = {
        [CHECK_NONE] = "none",     [CHECK_TLS] = "tls",
        [CHECK_FLOOR] = "version", [CHECK_NO_CERT] = "no-certificate",
        [CHECK_CHAIN] = "chain",   [CHECK_EXPIRED] = "expired",
        [CHECK_USAGE] = "usage",   [CHECK_REVOCATION] = "revocation",
        [CHECK_NAME] = "name",     [CHECK_ADDRESS] = "address",
        [CHECK_RELAY] = "relay",
    };
    ASSERT((size_t)c < CHECK_COUNT_);
    return names[c];
}

/* --- senders and domains */

bool shown_pattern(struct span pattern, struct span from)
{
    return span_eq(pattern, SPAN("*")) || domain_match(pattern, from);
}

bool shown_sender(const struct in_connector *c, const struct inbound_facts *f, bool certificate)
{
    if (f->from_domain.n == 0)
        return certificate;
    for (unsigned i = 0; i < c->n_sender; i++) {
        if (shown_pattern(c->sender[i], f->from_domain))
            return true;
    }
    return false;
}

/* The domain, or one above it, is an accepted domain of the organisation. */
static bool is_domain_of(const struct org_table *t, const struct org *org, struct span domain)
{
    struct org_above w;
    const struct org *owner;
    org_above_start(&w, domain);
    while (org_above_next(&w, t, &owner)) {
        if (owner == org)
            return true;
    }
    return false;
}

/* Names that the connector does not expect say nothing; where it expects none, all count. */
static bool certificate_domain(const struct org_table *t, const struct in_connector *c,
                               struct span names)
{
    char room[SHOWN_NAME_MAX];
    struct span name;
    while (names.n > 0) {
        bool known = shown_name(span_cut(&names, ','), room, &name);
        if (known && (c->names.n == 0 || name_claim(c, name) > 0) &&
            is_domain_of(t, c->c.org, name))
            return true;
    }
    return false;
}

bool shown_domain(const struct org_table *t, const struct in_connector *c,
                  const struct inbound_facts *f)
{
    char room[SHOWN_NAME_MAX];
    struct span from;
    if (shown_name(f->from_domain, room, &from) && org_of_domain(t, from) == c->c.org)
        return true;
    return connector_identity(c, f) >= IDENTITY_CERTIFICATE &&
           certificate_domain(t, c, f->tls->names);
}
