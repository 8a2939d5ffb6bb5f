/* What one message would give to two. Each connector claims keys - an identity, a pattern, both -
 * in one map; whoever finds a key taken has found a conflict. Patterns that overlap without being
 * equal hold one another, so a second walk looks for the wider ones above each. */
#include "mail/addr.h"
#include "mail/text.h"
#include "policy/org_index.h"

/* First letters of the keys; the identities' own follow behind. */
enum {
    CLAIM_DOMAIN = 'd',
    CLAIM_ORG = 'o',
    CLAIM_OWN = 'w',            /* identity */
    CLAIM_OWN_SENDER = 'W',     /* identity and pattern */
    CLAIM_SENDER = 's',         /* organisation and pattern */
    CLAIM_SENDER_PARTNER = 'S', /* organisation, pattern and identity */
    CLAIM_RECIPIENT = 'r',      /* organisation, header and pattern */
};

struct claim {
    const struct org *org;
    const struct connector *c;
    const struct in_connector *in; /* NULL: outbound, or no connector */
};

struct finder {
    const struct org *first;
    struct map claim; /* key -> struct claim */
    struct arena arena;
    struct org_conflict *ret;
};

/* --- witnesses */

static void put(struct buf *out, struct span s)
{
    text_put(text_cut(s, buf_room(out)), "", true, out);
}

/* A domain that the pattern takes in. */
static void put_domain(struct buf *out, struct span pattern)
{
    if (span_eq(pattern, SPAN("*"))) {
        put(out, SPAN("any.example"));
        return;
    }
    bool wildcard = span_starts(pattern, SPAN("*."));
    put(out, wildcard ? SPAN("host.") : SPAN_NONE);
    put(out, wildcard ? span_tail(pattern, 2) : pattern);
}

static void put_address(struct buf *out, const char *what, struct span pattern)
{
    put(out, span_z(what));
    put(out, SPAN(" <user@"));
    put_domain(out, pattern);
    put(out, SPAN(">"));
}

static const char *identity_what(char kind)
{
    switch (kind) {
    case ORG_KEY_NAME:
        return "certificate name";
    case ORG_KEY_PIN:
        return "public key";
    case ORG_KEY_ANCHOR:
        return "certificate authority";
    default:
        ASSERT(kind == ORG_KEY_NETWORK);
        return "address range";
    }
}

static void put_identity(struct buf *out, const struct org_identity *id)
{
    char ip[IP_TEXT_MAX];
    switch (id->kind) {
    case ORG_KEY_NAME:
        put(out, SPAN("certificate for "));
        put_domain(out, id->text);
        return;
    case ORG_KEY_NETWORK:
        put(out, SPAN("address "));
        put(out, span_z(ip_text(&id->network->ip, ip)));
        return;
    default:
        put(out, id->kind == ORG_KEY_PIN ? SPAN("certificate with the public key ")
                                         : SPAN("certificate of the authority "));
        put(out, id->text);
    }
}

static bool pattern_covers(struct span wide, struct span narrow)
{
    if (span_eq(wide, SPAN("*")) || domain_eq(wide, narrow))
        return true;
    if (span_starts(narrow, SPAN("*.")))
        return span_starts(wide, SPAN("*.")) && domain_match(wide, span_tail(narrow, 2));
    return domain_match(wide, narrow);
}

/* The narrower of two patterns that overlap, one of each; false: no two do. */
static bool common_sender(const struct in_connector *a, const struct in_connector *b,
                          struct span *ret)
{
    for (unsigned i = 0; i < a->n_sender * b->n_sender; i++) {
        struct span x = a->sender[i / b->n_sender], y = b->sender[i % b->n_sender];
        bool wide = pattern_covers(x, y);
        if (!wide && !pattern_covers(y, x))
            continue;
        *ret = wide ? y : x;
        return true;
    }
    return false;
}

static enum err conflict(struct finder *f, const struct claim *a, const struct claim *b,
                         const char *what)
{
    f->ret->a = a->c;
    f->ret->b = b->c;
    f->ret->org_a = a->org;
    f->ret->org_b = b->org;
    f->ret->what = span_z(what);
    return ERR_EXISTS;
}

/* A client with that identity. Where no sender is common to both, the empty one is, or none. */
static enum err identity_conflict(struct finder *f, const struct claim *a, const struct claim *b,
                                  const struct org_identity *id)
{
    struct buf *out = f->ret->witness;
    struct span from;
    put_identity(out, id);
    put(out, SPAN(", "));
    if (common_sender(a->in, b->in, &from))
        put_address(out, "MAIL FROM", from);
    else
        put(out, SPAN("MAIL FROM <>"));
    return conflict(f, a, b, identity_what(id->kind));
}

/* --- claims */

/* Who has the key: the caller, or the other who had it before. */
static const struct claim *take(struct finder *f, const struct org_key *k, const struct claim *c)
{
    struct span key = span_of(k->p, k->n);
    struct claim *had = map_get(&f->claim, key);
    if (had)
        return had;
    struct claim *mine = ARENA_NEW(&f->arena, struct claim);
    *mine = *c;
    map_put(&f->claim, key, mine);
    return mine;
}

static unsigned number(const struct finder *f, const struct org *o)
{
    return (unsigned)(o - f->first);
}

/* Parts are told apart by a byte that no part has. */
static void add_part(struct org_key *k, struct span part)
{
    ASSERT(k->n < sizeof k->p);
    k->p[k->n++] = '\0';
    org_key_add(k, part);
}

/* --- on-premises: an identity is one organisation's, and there one sender's */

static void own_sender_key(struct org_key *k, const struct org_identity *id, struct span pattern)
{
    org_key_start(k, CLAIM_OWN_SENDER, (unsigned char)id->kind);
    org_key_identity(k, id);
    add_part(k, pattern);
}

static enum err claim_own_identity(struct finder *f, const struct claim *me,
                                   const struct org_identity *id)
{
    struct org_key k;
    org_key_start(&k, CLAIM_OWN, (unsigned char)id->kind);
    org_key_identity(&k, id);
    const struct claim *other = take(f, &k, me);
    if (other->org != me->org)
        return identity_conflict(f, other, me, id);
    for (unsigned i = 0; i < me->in->n_sender; i++) {
        own_sender_key(&k, id, me->in->sender[i]);
        other = take(f, &k, me);
        if (other->c != me->c)
            return identity_conflict(f, other, me, id);
    }
    return ERR_OK;
}

/* Another has the same identity for a wider pattern. */
static enum err check_own_wider(struct finder *f, const struct claim *me,
                                const struct org_identity *id, struct span pattern)
{
    struct span rest = span_starts(pattern, SPAN("*.")) ? span_tail(pattern, 2) : pattern;
    while (rest.n > 0 && !span_eq(pattern, SPAN("*"))) {
        char wider[2 + ORG_KEY_PART_MAX] = "*.";
        span_cut(&rest, '.');
        size_t n = rest.n <= ORG_KEY_PART_MAX ? rest.n : ORG_KEY_PART_MAX;
        if (n > 0)
            memcpy(wider + 2, rest.p, n);
        struct org_key k;
        own_sender_key(&k, id, n > 0 ? span_of(wider, 2 + n) : SPAN("*"));
        const struct claim *other = map_get(&f->claim, span_of(k.p, k.n));
        if (other && other->c != me->c)
            return identity_conflict(f, other, me, id);
    }
    return ERR_OK;
}

static enum err check_own(struct finder *f, const struct claim *me)
{
    for (unsigned i = 0; i < org_n_identity(me->in) * me->in->n_sender; i++) {
        struct org_identity id = org_identity(me->in, i / me->in->n_sender);
        TRY(check_own_wider(f, me, &id, me->in->sender[i % me->in->n_sender]));
    }
    return ERR_OK;
}

static enum err claim_own(struct finder *f, const struct claim *me)
{
    for (unsigned i = 0; i < org_n_identity(me->in); i++) {
        struct org_identity id = org_identity(me->in, i);
        TRY(claim_own_identity(f, me, &id));
    }
    return ERR_OK;
}

/* --- partner: several share a pattern only when each tells its own clients from the others' */

static bool tells_clients_apart(const struct in_connector *c)
{
    return c->restrict_certificate || c->restrict_addresses;
}

static enum err claim_pattern(struct finder *f, const struct claim *me, struct span pattern)
{
    struct org_key k;
    org_key_start(&k, CLAIM_SENDER, number(f, me->org));
    org_key_add(&k, pattern);
    const struct claim *other = take(f, &k, me);
    if (other->c != me->c && !(tells_clients_apart(other->in) && tells_clients_apart(me->in))) {
        put(f->ret->witness, SPAN("any client, "));
        put_address(f->ret->witness, "MAIL FROM", pattern);
        return conflict(f, other, me, "sender pattern");
    }
    for (unsigned i = 0; i < org_n_identity(me->in); i++) {
        struct org_identity id = org_identity(me->in, i);
        org_key_start(&k, CLAIM_SENDER_PARTNER, number(f, me->org));
        org_key_add(&k, pattern);
        add_part(&k, span_of(&id.kind, 1));
        org_key_identity(&k, &id);
        other = take(f, &k, me);
        if (other->c != me->c)
            return identity_conflict(f, other, me, &id);
    }
    return ERR_OK;
}

static enum err claim_partner(struct finder *f, const struct claim *me)
{
    for (unsigned i = 0; i < me->in->n_sender; i++)
        TRY(claim_pattern(f, me, me->in->sender[i]));
    return ERR_OK;
}

/* --- outbound: one way for a pattern, for each header that a rule sets and without one */

static enum err claim_way(struct finder *f, const struct out_connector *c, struct span pattern,
                          const char *what)
{
    struct claim me = { .org = c->c.org, .c = &c->c };
    struct org_key k;
    org_key_start(&k, CLAIM_RECIPIENT, number(f, c->c.org));
    org_key_add(&k, span_z(what));
    add_part(&k, c->rule_header);
    add_part(&k, c->rule_value);
    add_part(&k, pattern);
    const struct claim *other = take(f, &k, &me);
    if (other->c == me.c)
        return ERR_OK;
    if (pattern.n > 0)
        put_address(f->ret->witness, "RCPT TO", pattern);
    else
        put(f->ret->witness, SPAN("mail that the organisation sends"));
    if (c->rule_header.n > 0) {
        put(f->ret->witness, SPAN(", "));
        put(f->ret->witness, c->rule_header);
        put(f->ret->witness, SPAN(": "));
        put(f->ret->witness, c->rule_value);
    }
    return conflict(f, other, &me, what);
}

static enum err claim_out(struct finder *f, const struct out_connector *c)
{
    if (c->c.mode == CONNECTOR_OFF)
        return ERR_OK;
    for (unsigned i = 0; i < c->n_recipient; i++)
        TRY(claim_way(f, c, c->recipient[i], "recipient pattern"));
    if (c->accepted)
        TRY(claim_way(f, c, SPAN_NONE, "accepted domains"));
    if (c->everything)
        TRY(claim_way(f, c, SPAN_NONE, "everything"));
    if (c->rule_header.n > 0 && c->n_recipient == 0 && !c->accepted && !c->everything)
        TRY(claim_way(f, c, SPAN_NONE, "header"));
    return ERR_OK;
}

/* --- organisations */

static enum err claim_in(struct finder *f, const struct in_connector *c)
{
    struct claim me = { .org = c->c.org, .c = &c->c, .in = c };
    if (c->c.mode == CONNECTOR_OFF)
        return ERR_OK;
    return c->c.kind == CONNECTOR_ON_PREMISES ? claim_own(f, &me) : claim_partner(f, &me);
}

static enum err claim_domain(struct finder *f, const struct org *o, struct span domain)
{
    struct claim me = { .org = o };
    struct org_key k;
    org_key_start(&k, CLAIM_DOMAIN, 0);
    org_key_add(&k, domain);
    const struct claim *other = take(f, &k, &me);
    if (other->org == o)
        return ERR_OK;
    put_address(f->ret->witness, "RCPT TO", domain);
    return conflict(f, other, &me, "domain");
}

static enum err claim_org(struct finder *f, const struct org *o)
{
    struct claim me = { .org = o };
    struct org_key k;
    org_key_start(&k, CLAIM_ORG, 0);
    org_key_add(&k, o->name);
    const struct claim *other = take(f, &k, &me);
    if (other->org != o) {
        put(f->ret->witness, o->name);
        return conflict(f, other, &me, "organisation");
    }
    for (unsigned i = 0; i < o->n_domain; i++)
        TRY(claim_domain(f, o, o->domain[i]));
    for (unsigned i = 0; i < o->n_in; i++)
        TRY(claim_in(f, &o->in[i]));
    for (unsigned i = 0; i < o->n_out; i++)
        TRY(claim_out(f, &o->out[i]));
    return ERR_OK;
}

static enum err check_org(struct finder *f, const struct org *o)
{
    for (unsigned i = 0; i < o->n_in; i++) {
        const struct in_connector *c = &o->in[i];
        struct claim me = { .org = o, .c = &c->c, .in = c };
        if (c->c.mode != CONNECTOR_OFF && c->c.kind == CONNECTOR_ON_PREMISES)
            TRY(check_own(f, &me));
    }
    return ERR_OK;
}

enum err org_conflict_find(const struct org *org, unsigned n, const struct hash_key *key,
                           struct org_conflict *ret)
{
    struct finder f = { .first = org, .ret = ret };
    enum err e = ERR_OK;
    map_init(&f.claim, key);
    arena_init(&f.arena, SIZE_MAX);
    for (unsigned i = 0; i < n && e == ERR_OK; i++)
        e = claim_org(&f, &org[i]);
    for (unsigned i = 0; i < n && e == ERR_OK; i++)
        e = check_org(&f, &org[i]);
    map_done(&f.claim);
    arena_done(&f.arena);
    return e;
}
