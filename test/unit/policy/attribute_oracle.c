/* The rules of docs/connectors.md read aloud: straight loops over every connector of every
 * organisation, with comparisons of its own. Slow, and sure of nothing but the words. */
#include "test/unit/policy/attribute_world.h"

#include <string.h>

struct ask {
    const struct org *org;
    unsigned n;
    const struct inbound_facts *f;
    bool test;
};

/* --- text */

static bool same(struct span a, struct span b)
{
    if (a.n > 0 && a.p[a.n - 1] == '.')
        a.n--;
    if (b.n > 0 && b.p[b.n - 1] == '.')
        b.n--;
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if ((a.p[i] | 0x20) != (b.p[i] | 0x20))
            return false;
    }
    return true;
}

/* "*.example.org (any depth below, not the name itself)" */
static bool below(struct span star, struct span d)
{
    if (star.n < 3 || star.p[0] != '*' || star.p[1] != '.')
        return false;
    struct span suffix = span_tail(star, 1);
    return d.n > suffix.n && same(span_tail(d, d.n - suffix.n), suffix);
}

/* "Patterns of domains: example.org, *.example.org, *" */
static bool covers(struct span pattern, struct span d)
{
    if (pattern.n == 1 && pattern.p[0] == '*')
        return true;
    return d.n > 0 && (same(pattern, d) || below(pattern, d));
}

static bool is_star(struct span s)
{
    return s.n > 2 && s.p[0] == '*';
}

/* The table of names.h. */
static bool names(struct span expected, struct span presented)
{
    if (same(expected, presented))
        return true;
    if (is_star(expected))
        return below(expected, presented);
    if (!is_star(presented))
        return false;
    size_t dot = 0;
    while (dot < expected.n && expected.p[dot] != '.')
        dot++;
    return dot < expected.n && same(span_tail(expected, dot), span_tail(presented, 1));
}

/* The i-th of a comma-separated list; false: there are not so many. */
static bool nth(struct span list, unsigned i, struct span *ret)
{
    size_t from = 0;
    for (size_t at = 0; at <= list.n; at++) {
        if (at < list.n && list.p[at] != ',')
            continue;
        if (i-- == 0) {
            *ret = span_of(list.p + from, at - from);
            return list.n > 0;
        }
        from = at + 1;
    }
    return false;
}

static bool in_list(const struct span *list, unsigned n, struct span s)
{
    for (unsigned i = 0; i < n; i++) {
        if (s.n > 0 && same(list[i], s))
            return true;
    }
    return false;
}

/* "A domain belongs to one organisation": the exact name, else the longest wildcard. */
static const struct org *owner(const struct ask *a, struct span domain)
{
    const struct org *best = NULL;
    size_t length = 0;
    for (unsigned i = 0; i < a->n; i++) {
        for (unsigned k = 0; k < a->org[i].n_domain; k++) {
            struct span p = a->org[i].domain[k];
            size_t n = same(p, domain) ? 1000 : p.n;
            if (covers(p, domain) && n > length)
                best = &a->org[i], length = n;
        }
    }
    return best;
}

static bool owner_or_above(const struct ask *a, const struct org *org, struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        bool start = i == 0 || name.p[i - 1] == '.';
        if (start && owner(a, span_tail(name, i)) == org)
            return true;
    }
    return false;
}

/* --- one connector */

static bool counted(const struct ask *a, const struct in_connector *c)
{
    return c->c.mode == CONNECTOR_ENFORCE || (a->test && c->c.mode == CONNECTOR_TEST);
}

static bool has_address(const struct ip_net *net, const struct ip *ip)
{
    if (net->ip.family != ip->family)
        return false;
    for (unsigned i = 0; i < net->bits; i++) {
        if ((net->ip.a[i / 8] ^ ip->a[i / 8]) & (0x80 >> i % 8))
            return false;
    }
    return true;
}

static unsigned address(const struct in_connector *c, const struct inbound_facts *f)
{
    unsigned best = 0;
    for (unsigned i = 0; i < c->n_network; i++) {
        if (has_address(&c->network[i], &f->client) && c->network[i].bits >= best)
            best = c->network[i].bits + 1;
    }
    return best;
}

static bool pinned(const struct in_connector *c, const struct inbound_facts *f)
{
    return in_list(c->pin, c->n_pin, f->tls->spki);
}

/* What the certificate says, be it valid or not. */
static unsigned says(const struct in_connector *c, const struct inbound_facts *f)
{
    unsigned best = 0;
    struct span presented;
    if (!f->tls->on || !f->tls->peer_cert)
        return 0;
    if (pinned(c, f))
        return 3000;
    if (c->names.n == 0 && in_list(c->anchor, c->n_anchor, f->tls->anchor))
        return 1000;
    for (unsigned i = 0; i < c->names.n; i++) {
        struct span e = c->names.name[i];
        unsigned worth = is_star(e) ? 1000 + (unsigned)e.n : 2000;
        for (unsigned k = 0; nth(f->tls->names, k, &presented); k++) {
            if (names(e, presented) && worth > best)
                best = worth;
        }
    }
    return best;
}

/* "Without [ca] public CAs count, with it only that one." */
static bool right_root(const struct ask *a, const struct in_connector *c)
{
    struct span root = a->f->tls->anchor;
    if (c->n_anchor > 0)
        return in_list(c->anchor, c->n_anchor, root);
    return root.n > 0 && !a->f->tls->anchor_private;
}

static bool allowed(const struct in_connector *c, enum weakening_kind k,
                    const struct inbound_facts *f)
{
    return f->now_ms < c->c.weakening[k].until_ms;
}

static enum check chain(const struct ask *a, const struct in_connector *c)
{
    const struct tls_facts *tls = a->f->tls;
    if (pinned(c, a->f))
        return CHECK_NONE;
    if (!(tls->chain_ok || tls->expired) || !right_root(a, c))
        return CHECK_CHAIN;
    return tls->chain_ok || allowed(c, WEAKEN_EXPIRED, a->f) ? CHECK_NONE : CHECK_EXPIRED;
}

static unsigned identity(const struct ask *a, const struct in_connector *c)
{
    unsigned s = says(c, a->f);
    return s > 0 && chain(a, c) == CHECK_NONE ? s : address(c, a->f);
}

static bool too_old(const struct in_connector *c, const struct inbound_facts *f)
{
    struct span v = f->tls->version;
    bool is_13 = span_eq(v, SPAN("TLSv1.3"));
    return c->floor == 13 ? !is_13 : !is_13 && !span_eq(v, SPAN("TLSv1.2"));
}

static enum check certificate(const struct ask *a, const struct in_connector *c)
{
    const struct tls_facts *tls = a->f->tls;
    if (!tls->on)
        return CHECK_NO_CERT;
    if (too_old(c, a->f))
        return CHECK_FLOOR;
    if (!tls->peer_cert)
        return CHECK_NO_CERT;
    if ((c->names.n > 0 || c->n_anchor > 0) && chain(a, c) != CHECK_NONE)
        return chain(a, c);
    if (c->eku_client && !tls->client_usage)
        return CHECK_USAGE;
    if (c->revocation == REVOCATION_HARD && a->f->revoked != TRI_NO)
        return CHECK_REVOCATION;
    if (c->revocation == REVOCATION_SOFT && a->f->revoked == TRI_YES)
        return CHECK_REVOCATION;
    return says(c, a->f) > 0 ? CHECK_NONE : CHECK_NAME;
}

static enum check judged(const struct ask *a, const struct in_connector *c)
{
    bool partner = c->c.kind == CONNECTOR_PARTNER;
    if (c->require_tls && !allowed(c, WEAKEN_PLAINTEXT, a->f)) {
        if (!a->f->tls->on)
            return CHECK_TLS;
        if (too_old(c, a->f))
            return CHECK_FLOOR;
    }
    if (partner && c->restrict_certificate && certificate(a, c) != CHECK_NONE)
        return certificate(a, c);
    if (partner)
        return c->restrict_addresses && address(c, a->f) == 0 ? CHECK_ADDRESS : CHECK_NONE;
    if (identity(a, c) >= 1000)
        return certificate(a, c);
    if (identity(a, c) > 0)
        return CHECK_NONE;
    bool knows_certificates = c->names.n + c->n_pin + c->n_anchor > 0;
    if (knows_certificates && (a->f->tls->peer_cert || c->n_network == 0))
        return certificate(a, c);
    return CHECK_ADDRESS;
}

/* --- rule 1 */

/* "if the domain of its certificate or of MAIL FROM is one of the organisation's" */
static bool may_relay(const struct ask *a, const struct in_connector *c)
{
    struct span presented;
    if (a->f->from_domain.n > 0 && owner(a, a->f->from_domain) == c->c.org)
        return true;
    if (identity(a, c) < 1000)
        return false;
    for (unsigned k = 0; nth(a->f->tls->names, k, &presented); k++) {
        bool known = c->names.n == 0;
        for (unsigned i = 0; i < c->names.n; i++)
            known = known || names(c->names.name[i], presented);
        if (known && owner_or_above(a, c->c.org, presented))
            return true;
    }
    return false;
}

static bool sends(const struct ask *a, const struct in_connector *c, bool with_certificate)
{
    if (a->f->from_domain.n == 0)
        return with_certificate;
    for (unsigned i = 0; i < c->n_sender; i++) {
        if (covers(c->sender[i], a->f->from_domain))
            return true;
    }
    return false;
}

/* A presented wildcard says nothing of an organisation that the message does not speak of. */
static bool looked_at(const struct ask *a, const struct in_connector *c)
{
    const struct org *o = c->c.org;
    struct span presented;
    if (o == owner(a, a->f->from_domain) || o == owner(a, a->f->to_domain))
        return true;
    if (address(c, a->f) > 0 || pinned(c, a->f) || (c->names.n == 0 && says(c, a->f) > 0))
        return true;
    for (unsigned i = 0; i < c->names.n; i++) {
        for (unsigned k = 0; nth(a->f->tls->names, k, &presented); k++) {
            if (!names(c->names.name[i], presented))
                continue;
            if (!is_star(presented) || is_star(c->names.name[i]) || owner_or_above(a, o, presented))
                return true;
        }
    }
    return false;
}

struct candidate {
    const struct in_connector *c;
    unsigned identity;
    enum check check;
};

/* "Certificate before the longest address prefix"; then who fails the least, the sender's
 * organisation, the order of the configuration. */
static bool before(const struct ask *a, const struct candidate *x, const struct candidate *y)
{
    const struct org *sender = owner(a, a->f->from_domain);
    unsigned fx = x->check == CHECK_NONE ? 1000 : x->check;
    unsigned fy = y->check == CHECK_NONE ? 1000 : y->check;
    if (!y->c)
        return true;
    if (x->identity != y->identity)
        return x->identity > y->identity;
    if (fx != fy)
        return fx > fy;
    if ((x->c->c.org == sender) != (y->c->c.org == sender))
        return x->c->c.org == sender;
    return false; /* loops go in the order of the configuration */
}

/* The client as a server of this organisation. */
static struct candidate own_of(const struct ask *a, const struct org *o)
{
    struct candidate best = { 0 };
    for (unsigned i = 0; i < o->n_in; i++) {
        const struct in_connector *c = &o->in[i];
        struct candidate x = { c, identity(a, c), judged(a, c) };
        if (c->c.kind != CONNECTOR_ON_PREMISES || !counted(a, c) || x.identity == 0)
            continue;
        if (!sends(a, c, x.identity >= 1000) || !looked_at(a, c))
            continue;
        if (x.check == CHECK_NONE && !may_relay(a, c))
            x.check = CHECK_RELAY;
        if (before(a, &x, &best))
            best = x;
    }
    return best;
}

static struct candidate own_of_all(const struct ask *a)
{
    struct candidate best = { 0 };
    for (unsigned i = 0; i < a->n; i++) {
        struct candidate x = own_of(a, &a->org[i]);
        if (!x.c)
            continue;
        bool grants = x.check == CHECK_NONE, best_grants = best.c && best.check == CHECK_NONE;
        if (!best.c || (grants && !best_grants) || (grants == best_grants && before(a, &x, &best)))
            best = x;
    }
    return best;
}

/* Whose certificate says the right thing and proves nothing. */
static struct candidate near_miss(const struct ask *a)
{
    struct candidate best = { 0 };
    for (unsigned i = 0; i < a->n; i++) {
        for (unsigned k = 0; k < a->org[i].n_in; k++) {
            const struct in_connector *c = &a->org[i].in[k];
            struct candidate x = { c, says(c, a->f), judged(a, c) };
            if (c->c.kind == CONNECTOR_ON_PREMISES && counted(a, c) && x.identity > 0 &&
                identity(a, c) == 0 && sends(a, c, true) && looked_at(a, c) && before(a, &x, &best))
                best = x;
        }
    }
    return best;
}

/* --- rule 2 */

static size_t closeness(const struct in_connector *c, struct span from)
{
    size_t best = 0;
    for (unsigned i = 0; i < c->n_sender; i++) {
        struct span p = c->sender[i];
        size_t n = p.n == 1 ? 1 : is_star(p) ? p.n : 1000;
        if (covers(p, from) && n > best)
            best = n;
    }
    return best;
}

static struct candidate partner_of(const struct ask *a, const struct org *o)
{
    struct candidate best = { 0 };
    size_t closest = 0;
    for (unsigned i = 0; i < o->n_in; i++) {
        const struct in_connector *c = &o->in[i];
        size_t n = closeness(c, a->f->from_domain);
        if (c->c.kind == CONNECTOR_PARTNER && counted(a, c) && n > closest)
            closest = n;
    }
    for (unsigned i = 0; i < o->n_in; i++) {
        const struct in_connector *c = &o->in[i];
        struct candidate x = { c, identity(a, c), judged(a, c) };
        if (c->c.kind != CONNECTOR_PARTNER || !counted(a, c) || closest == 0 ||
            closeness(c, a->f->from_domain) != closest)
            continue;
        bool passes = x.check == CHECK_NONE, best_passes = best.c && best.check == CHECK_NONE;
        if (!best.c || (passes && !best_passes) || (passes == best_passes && before(a, &x, &best)))
            best = x;
    }
    return best;
}

/* --- all three */

static bool proven(const struct candidate *x)
{
    return x->c && (x->check == CHECK_NONE || x->check == CHECK_RELAY);
}

struct oracle oracle_ask(const struct org *org, unsigned n, const struct inbound_facts *f,
                         bool relay_allowed, bool test)
{
    struct ask a = { org, n, f, test };
    struct oracle o = { 0 };
    const struct org *to = owner(&a, f->to_domain);
    struct candidate own = own_of_all(&a);
    o.from_org = proven(&own) ? own.c->c.org : NULL;
    o.originating = own.c && own.check == CHECK_NONE;
    o.by = o.originating ? own.c : NULL;
    if (!to && (o.originating || relay_allowed)) {
        o.admitted = true;
        return o;
    }
    if (!to) {
        struct candidate near = own.c ? own : near_miss(&a);
        o.by = near.c;
        o.failed = near.c ? near.check : CHECK_RELAY;
        return o;
    }
    struct candidate ours = own_of(&a, to), partner = partner_of(&a, to);
    if (proven(&ours)) {
        o.admitted = true;
        o.originating = ours.check == CHECK_NONE;
        o.from_org = to;
        o.by = ours.c;
        return o;
    }
    o.admitted = !partner.c || partner.check == CHECK_NONE;
    o.by = partner.c ? partner.c : o.by;
    o.failed = partner.c ? partner.check : CHECK_NONE;
    return o;
}

/* --- conflicts */

static bool same_net(const struct ip_net *a, const struct ip_net *b)
{
    return a->bits == b->bits && has_address(a, &b->ip);
}

static bool share_identity(const struct in_connector *a, const struct in_connector *b)
{
    for (unsigned i = 0; i < a->names.n; i++)
        if (in_list(b->names.name, b->names.n, a->names.name[i]))
            return true;
    for (unsigned i = 0; i < a->n_pin; i++)
        if (in_list(b->pin, b->n_pin, a->pin[i]))
            return true;
    for (unsigned i = 0; i < a->n_anchor && a->names.n == 0 && b->names.n == 0; i++)
        if (in_list(b->anchor, b->n_anchor, a->anchor[i]))
            return true;
    for (unsigned i = 0; i < a->n_network * b->n_network; i++)
        if (same_net(&a->network[i / b->n_network], &b->network[i % b->n_network]))
            return true;
    return false;
}

static bool overlap(struct span a, struct span b)
{
    bool star_a = is_star(a), star_b = is_star(b);
    if (same(a, b) || a.n == 1 || b.n == 1)
        return true;
    return (star_a && (below(a, b) || (star_b && below(a, span_tail(b, 2))))) ||
           (star_b && (below(b, a) || (star_a && below(b, span_tail(a, 2)))));
}

static bool senders_meet(const struct in_connector *a, const struct in_connector *b, bool equal)
{
    for (unsigned i = 0; i < a->n_sender * b->n_sender; i++) {
        struct span x = a->sender[i / b->n_sender], y = b->sender[i % b->n_sender];
        if (equal ? same(x, y) : overlap(x, y))
            return true;
    }
    return false;
}

static bool clash(const struct in_connector *a, const struct in_connector *b)
{
    if (a->c.kind != b->c.kind || a->c.mode == CONNECTOR_OFF || b->c.mode == CONNECTOR_OFF)
        return false;
    if (a->c.kind == CONNECTOR_ON_PREMISES)
        return share_identity(a, b) && (a->c.org != b->c.org || senders_meet(a, b, false));
    bool both_restrict = (a->restrict_certificate || a->restrict_addresses) &&
                         (b->restrict_certificate || b->restrict_addresses);
    return a->c.org == b->c.org && senders_meet(a, b, true) &&
           (share_identity(a, b) || !both_restrict);
}

bool oracle_conflict(const struct org *org, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < org[i].n_in; k++)
            for (unsigned j = 0; j <= i; j++)
                for (unsigned m = 0; m < (j == i ? k : org[j].n_in); m++)
                    if (clash(&org[i].in[k], &org[j].in[m]))
                        return true;
    return false;
}
