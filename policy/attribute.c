/* Start at decide(): the two questions, in the order of attribute.h. Above it stands what finds the
 * client among the on-premises servers of all organisations, then the partners of one.
 *
 * Each organisation is judged by its own connectors only, so none can take or give what is
 * another's. Within one the surest identity decides. */
#include "policy/attribute.h"

#include "mail/addr.h"
#include "policy/org_index.h"
#include "policy/shown.h"

/* A client that shows to be the server of more organisations than this is looked at for the
 * sender's, the recipient's and those that come first. */
enum { OWN_ORGS_MAX = 8 };

/* An on-premises connector that the client belongs to, or would but for its certificate. */
struct own {
    const struct in_connector *c;
    unsigned identity; /* of a near miss: its claim */
    enum check check;  /* CHECK_RELAY: neither domain is the organisation's */
};

struct look {
    const struct org_table *t;
    const struct inbound_facts *f;
    bool test;                           /* those in test mode count */
    bool met_test;                       /* one was passed over */
    const struct org *from_org, *to_org; /* that accept the domains */
    struct own own[OWN_ORGS_MAX]; /* the best of each organisation: [0] from_org, [1] to_org */
    unsigned n_own;
    struct own miss; /* the best of those whose certificate claims what it does not prove */
    const struct in_connector *last; /* looked at: a certificate may repeat its names */
};

static bool counts(struct look *l, const struct in_connector *c)
{
    ASSERT(c->c.mode != CONNECTOR_OFF);
    if (c->c.mode == CONNECTOR_TEST && !l->test)
        l->met_test = true;
    return c->c.mode == CONNECTOR_ENFORCE || l->test;
}

/* The less there was to fail, the higher. */
static unsigned merit(enum check c)
{
    return c == CHECK_NONE ? CHECK_COUNT_ : (unsigned)c;
}

/* Later in the configuration: the last resort, that a verdict is always the same. */
static bool is_later(const struct in_connector *a, const struct in_connector *b)
{
    return a->c.org != b->c.org ? a->c.org > b->c.org : a > b;
}

/* a before b: identity, then merit, then the sender's organisation, then the order written. */
static bool is_better(const struct look *l, const struct own *a, const struct own *b)
{
    if (!b->c)
        return true;
    if (a->identity != b->identity)
        return a->identity > b->identity;
    if (merit(a->check) != merit(b->check))
        return merit(a->check) > merit(b->check);
    bool a_sends = a->c->c.org == l->from_org, b_sends = b->c->c.org == l->from_org;
    if (a_sends != b_sends)
        return a_sends;
    return is_later(b->c, a->c);
}

/* --- on-premises */

/* Where the best connector of the organisation is kept; NULL: there are too many. */
static struct own *own_slot(struct look *l, const struct org *org)
{
    if (org == l->from_org)
        return &l->own[0];
    if (org == l->to_org)
        return &l->own[1];
    for (unsigned i = 2; i < l->n_own; i++) {
        if (l->own[i].c->c.org == org)
            return &l->own[i];
    }
    return l->n_own < OWN_ORGS_MAX ? &l->own[l->n_own++] : NULL;
}

static void visit_miss(struct look *l, const struct in_connector *c)
{
    struct own miss = { .c = c, .identity = shown_claim(c, l->f) };
    if (miss.identity == 0 || !shown_sender(c, l->f, true))
        return;
    miss.check = connector_check(c, l->f);
    if (miss.check != CHECK_NONE && is_better(l, &miss, &l->miss))
        l->miss = miss;
}

static void visit(struct look *l, const struct in_connector *c)
{
    if (c == l->last || c == l->miss.c || !counts(l, c))
        return;
    l->last = c;
    struct own own = { .c = c, .identity = connector_identity(c, l->f) };
    if (own.identity == 0) {
        visit_miss(l, c);
        return;
    }
    if (!shown_sender(c, l->f, own.identity >= IDENTITY_CERTIFICATE))
        return;
    own.check = connector_check(c, l->f);
    if (own.check == CHECK_NONE && !shown_domain(l->t, c, l->f))
        own.check = CHECK_RELAY;
    struct own *slot = own_slot(l, c->c.org);
    if (slot && is_better(l, &own, slot))
        *slot = own;
}

static void visit_key(struct look *l, const struct org_key *k)
{
    for (const struct org_entry *e = org_entries(l->t, k); e; e = e->next)
        visit(l, e->c);
}

/* A presented wildcard takes in names that many organisations may expect. Only those that the
 * message itself speaks of are asked: no other could grant anything. */
static void visit_parent(struct look *l, const struct org *org, struct span suffix)
{
    struct org_key k;
    if (!org)
        return;
    org_key_start(&k, ORG_KEY_PARENT, org_number(l->t, org));
    org_key_add(&k, suffix);
    visit_key(l, &k);
}

static void visit_wildcard(struct look *l, struct span name)
{
    struct span suffix = span_tail(name, 2);
    struct org_above w;
    const struct org *org;
    visit_parent(l, l->from_org, suffix);
    visit_parent(l, l->to_org, suffix);
    org_above_start(&w, name);
    while (org_above_next(&w, l->t, &org))
        visit_parent(l, org, suffix);
}

static void visit_name(struct look *l, struct span name)
{
    struct org_key k;
    if (span_starts(name, SPAN("*."))) {
        visit_wildcard(l, name);
    } else {
        org_key_start(&k, ORG_KEY_NAME, 0);
        org_key_add(&k, name);
        visit_key(l, &k);
    }
    for (span_cut(&name, '.'); name.n > 0; span_cut(&name, '.')) {
        org_key_start(&k, ORG_KEY_NAME, 0);
        org_key_add_below(&k, name);
        visit_key(l, &k);
    }
}

static void visit_text(struct look *l, char kind, struct span text)
{
    struct org_key k;
    if (text.n == 0)
        return;
    org_key_start(&k, kind, 0);
    org_key_add(&k, text);
    visit_key(l, &k);
}

static void visit_certificate(struct look *l)
{
    const struct tls_facts *tls = l->f->tls;
    char room[SHOWN_NAME_MAX];
    struct span name;
    if (!tls->on || !tls->peer_cert)
        return;
    visit_text(l, ORG_KEY_PIN, tls->spki);
    visit_text(l, ORG_KEY_ANCHOR, tls->anchor);
    for (struct span rest = tls->names; rest.n > 0;) {
        if (shown_name(span_cut(&rest, ','), room, &name))
            visit_name(l, name);
    }
}

static void visit_address(struct look *l)
{
    struct ip client = l->f->client;
    ip_fold(&client);
    unsigned family = org_family(&client);
    if (family == ORG_FAMILIES)
        return;
    for (unsigned i = 0; i < l->t->n_bits[family]; i++) {
        struct org_key k;
        org_key_start(&k, ORG_KEY_NETWORK, 0);
        org_key_add_network(&k, &client, l->t->bits[family][i]);
        visit_key(l, &k);
    }
}

/* The best of all organisations: one that grants, else one that nearly does. NULL: a stranger. */
static const struct own *own_best(const struct look *l)
{
    const struct own *best = NULL;
    for (unsigned i = 0; i < l->n_own; i++) {
        const struct own *o = &l->own[i];
        if (!o->c)
            continue;
        bool grants = o->check == CHECK_NONE, best_grants = best && best->check == CHECK_NONE;
        if (!best || (grants != best_grants ? grants : is_better(l, o, best)))
            best = o;
    }
    return best;
}

/* --- partners */

/* The first list in which one counts holds the most specific pattern. */
static const struct org_entry *partners_that_apply(struct look *l)
{
    struct org_senders w;
    const struct org_entry *first;
    org_senders_start(&w, l->t, l->to_org, l->f->from_domain);
    while ((first = org_senders_next(&w, l->t))) {
        for (const struct org_entry *e = first; e; e = e->next) {
            if (counts(l, e->c))
                return e;
        }
    }
    return NULL;
}

/* Whom the client is, or the one that it fails the least. c NULL: no partner connector applies. */
static struct own partner_best(struct look *l)
{
    struct own best = { 0 };
    for (const struct org_entry *e = partners_that_apply(l); e; e = e->next) {
        if (!counts(l, e->c))
            continue;
        struct own own = { .c = e->c,
                           .identity = connector_identity(e->c, l->f),
                           .check = connector_check(e->c, l->f) };
        bool passes = own.check == CHECK_NONE, best_passes = best.c && best.check == CHECK_NONE;
        if (!best.c || (passes != best_passes ? passes : is_better(l, &own, &best)))
            best = own;
    }
    return best;
}

/* --- the decision */

struct outcome {
    bool admitted, originating;
    const struct org *from_org;
    const struct in_connector *by;
    enum check failed;
};

static void admit(struct outcome *out, const struct in_connector *by)
{
    out->admitted = true;
    out->by = by;
}

/* Rule 2: a recipient of an organisation. */
static void decide_incoming(struct look *l, struct outcome *out)
{
    const struct own *own = l->to_org == l->from_org ? &l->own[0] : &l->own[1];
    const struct in_connector *sends = out->by;
    if (own->c && (own->check == CHECK_NONE || own->check == CHECK_RELAY)) {
        out->from_org = l->to_org;
        out->originating = own->check == CHECK_NONE;
        admit(out, own->c);
        return;
    }
    struct own partner = partner_best(l);
    if (!partner.c) {
        admit(out, sends);
        return;
    }
    out->by = partner.c;
    out->failed = partner.check;
    out->admitted = partner.check == CHECK_NONE;
}

/* Rule 3: a recipient of nobody's, by rule 1 or the installation's own. */
static void decide_relay(struct look *l, const struct own *best, bool relay_allowed,
                         struct outcome *out)
{
    if (out->originating || relay_allowed) {
        admit(out, out->by);
        return;
    }
    const struct own *near = best ? best : &l->miss;
    out->by = near->c;
    out->failed = near->c ? near->check : CHECK_RELAY;
}

static struct outcome decide(struct look *l, bool relay_allowed)
{
    struct outcome out = { .admitted = false };
    l->n_own = 2;
    visit_certificate(l);
    visit_address(l);
    const struct own *best = own_best(l);
    if (best && (best->check == CHECK_NONE || best->check == CHECK_RELAY))
        out.from_org = best->c->c.org;
    if (best && best->check == CHECK_NONE) {
        out.originating = true;
        out.by = best->c;
    }
    if (l->to_org)
        decide_incoming(l, &out);
    else
        decide_relay(l, best, relay_allowed, &out);
    return out;
}

/* --- replies: docs/connectors.md */

struct reply check_reply(enum check c)
{
    switch (c) {
    case CHECK_TLS:
        return REPLY(454, 4, 7, 0, "TLS is required here and was not used");
    case CHECK_FLOOR:
        return REPLY(454, 4, 7, 0, "The version of TLS is older than required here");
    case CHECK_CHAIN:
        return REPLY(454, 4, 7, 0, "The client's certificate is not from a trusted authority");
    case CHECK_EXPIRED:
        return REPLY(454, 4, 7, 0, "The client's certificate is out of its time");
    case CHECK_REVOCATION:
        return REPLY(454, 4, 7, 0, "The client's certificate is revoked, or that cannot be told");
    case CHECK_NO_CERT:
        return REPLY(550, 5, 7, 51, "A client certificate is required for this sender");
    case CHECK_USAGE:
        return REPLY(550, 5, 7, 51, "The client's certificate is not meant for clients");
    case CHECK_NAME:
        return REPLY(550, 5, 7, 51, "The client's certificate is not the one for this sender");
    case CHECK_ADDRESS:
        return REPLY(550, 5, 7, 51, "This sender may not come from this address");
    case CHECK_RELAY:
        return REPLY(550, 5, 7, 64, "Relaying denied: neither domain is the organisation's");
    case CHECK_NONE:
    case CHECK_COUNT_:
        break;
    }
    ASSERT(!"refused without a reason");
    return (struct reply){ 0 };
}

static struct reply reply_of(const struct outcome *out)
{
    if (out->admitted)
        return (struct reply){ 0 };
    return out->by ? check_reply(out->failed) : REPLY(550, 5, 7, 1, "Relaying denied");
}

struct inbound_verdict attribute(const struct org_table *t, const struct inbound_facts *f,
                                 bool relay_allowed)
{
    ASSERT(f->tls != NULL);
    char from_room[SHOWN_NAME_MAX], to_room[SHOWN_NAME_MAX];
    struct span from = SPAN_NONE, to = SPAN_NONE;
    struct look l = { .t = t, .f = f };
    if (shown_name(f->from_domain, from_room, &from))
        l.from_org = org_of_domain(t, from);
    if (shown_name(f->to_domain, to_room, &to))
        l.to_org = org_of_domain(t, to);

    struct look with_test = l;
    with_test.test = true;
    struct outcome now = decide(&l, relay_allowed);
    struct outcome then = l.met_test ? decide(&with_test, relay_allowed) : now;
    return (struct inbound_verdict){
        .admitted = now.admitted,
        .originating = now.originating,
        .from_org = now.from_org,
        .to_org = l.to_org,
        .by = now.by,
        .failed = now.failed,
        .reply = reply_of(&now),
        .test_admitted = then.admitted,
        .test_by = then.by,
        .test_failed = then.failed,
    };
}
