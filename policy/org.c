/* What is said in org_index.h is built here; conflicts are org_conflict.c's. */
#include "policy/org.h"

#include "mail/addr.h"
#include "policy/org_index.h"

const char *connector_kind_name(enum connector_kind k)
{
    ASSERT(k == CONNECTOR_PARTNER || k == CONNECTOR_ON_PREMISES);
    return k == CONNECTOR_PARTNER ? "partner" : "on-premises";
}

const char *connector_mode_name(enum connector_mode m)
{
    static const char *const names[] = {
        [CONNECTOR_OFF] = "off",
        [CONNECTOR_TEST] = "test",
        [CONNECTOR_ENFORCE] = "enforce",
    };
    ASSERT((size_t)m < COUNTOF(names));
    return names[m];
}

const char *weakening_name(enum weakening_kind k)
{
    static const char *const names[WEAKEN_COUNT_] = {
        [WEAKEN_PLAINTEXT] = "plaintext",
        [WEAKEN_EXPIRED] = "expired",
        [WEAKEN_NAME] = "name",
    };
    ASSERT((size_t)k < COUNTOF(names));
    return names[k];
}

bool connector_weakened(const struct connector *c, enum weakening_kind k, int64_t now_ms)
{
    ASSERT((size_t)k < WEAKEN_COUNT_);
    return c->weakening[k].until_ms != 0 && now_ms < c->weakening[k].until_ms;
}

/* --- keys */

void org_key_start(struct org_key *k, char kind, unsigned org)
{
    k->p[0] = kind;
    memcpy(k->p + 1, &org, sizeof org);
    k->n = 1 + sizeof org;
}

void org_key_add(struct org_key *k, struct span part)
{
    if (part.n > 0 && part.p[part.n - 1] == '.')
        part.n--;
    if (part.n > ORG_KEY_PART_MAX)
        part.n = ORG_KEY_PART_MAX;
    ASSERT(part.n <= sizeof k->p - k->n);
    for (size_t i = 0; i < part.n; i++)
        k->p[k->n++] = ascii_lower(part.p[i]);
}

void org_key_add_below(struct org_key *k, struct span suffix)
{
    ASSERT(sizeof k->p - k->n >= 2);
    memcpy(k->p + k->n, "*.", 2);
    k->n += 2;
    org_key_add(k, suffix);
}

void org_key_add_network(struct org_key *k, const struct ip *ip, unsigned bits)
{
    uint8_t part[2 + sizeof ip->a] = { ip->family, (uint8_t)bits };
    ASSERT(bits <= ORG_BITS_MAX && sizeof part <= sizeof k->p - k->n);
    memcpy(part + 2, ip->a, bits / 8);
    if (bits % 8 > 0)
        part[2 + bits / 8] = (uint8_t)(ip->a[bits / 8] & (0xff00u >> bits % 8));
    memcpy(k->p + k->n, part, sizeof part);
    k->n += sizeof part;
}

unsigned org_family(const struct ip *ip)
{
    return ip->family == IP_V4 ? 0 : ip->family == IP_V6 ? 1 : ORG_FAMILIES;
}

/* --- identities: names, pins, CAs where no name is expected, networks */

static unsigned lone_anchors(const struct in_connector *c)
{
    return c->names.n == 0 ? c->n_anchor : 0;
}

unsigned org_n_identity(const struct in_connector *c)
{
    return c->names.n + c->n_pin + lone_anchors(c) + c->n_network;
}

struct org_identity org_identity(const struct in_connector *c, unsigned i)
{
    if (i < c->names.n)
        return (struct org_identity){ .kind = ORG_KEY_NAME, .text = c->names.name[i] };
    i -= c->names.n;
    if (i < c->n_pin)
        return (struct org_identity){ .kind = ORG_KEY_PIN, .text = c->pin[i] };
    i -= c->n_pin;
    if (i < lone_anchors(c))
        return (struct org_identity){ .kind = ORG_KEY_ANCHOR, .text = c->anchor[i] };
    i -= lone_anchors(c);
    ASSERT(i < c->n_network);
    return (struct org_identity){ .kind = ORG_KEY_NETWORK, .network = &c->network[i] };
}

void org_key_identity(struct org_key *k, const struct org_identity *id)
{
    if (id->kind == ORG_KEY_NETWORK)
        org_key_add_network(k, &id->network->ip, id->network->bits);
    else
        org_key_add(k, id->text);
}

/* --- building: from the last connector to the first, so that each list has the first in front */

static void list_add(struct org_table *t, const struct org_key *k, const struct in_connector *c)
{
    struct span key = span_of(k->p, k->n);
    struct org_entry *first = map_get(&t->found, key);
    if (first && first->c == c)
        return;
    struct org_entry *e = ARENA_NEW(&t->arena, struct org_entry);
    *e = (struct org_entry){ .c = c, .next = first };
    map_put(&t->found, key, e);
}

/* A name is also found by a presented wildcard that takes it in. */
static void index_parent(struct org_table *t, const struct in_connector *c, struct span name)
{
    struct org_key k;
    if (span_starts(name, SPAN("*.")))
        return;
    org_key_start(&k, ORG_KEY_PARENT, org_number(t, c->c.org));
    span_cut(&name, '.');
    org_key_add(&k, name);
    list_add(t, &k, c);
}

static void index_own(struct org_table *t, const struct in_connector *c)
{
    for (unsigned i = 0; i < org_n_identity(c); i++) {
        struct org_identity id = org_identity(c, i);
        struct org_key k;
        org_key_start(&k, id.kind, 0);
        org_key_identity(&k, &id);
        list_add(t, &k, c);
        if (id.kind == ORG_KEY_NAME)
            index_parent(t, c, id.text);
    }
}

static void index_partner(struct org_table *t, const struct in_connector *c)
{
    for (unsigned i = 0; i < c->n_sender; i++) {
        struct org_key k;
        org_key_start(&k, ORG_KEY_SENDER, org_number(t, c->c.org));
        org_key_add(&k, c->sender[i]);
        list_add(t, &k, c);
    }
}

static void index_connector(struct org_table *t, const struct in_connector *c)
{
    ASSERT(c->c.org >= t->org && c->c.org < t->org + t->n);
    if (c->c.mode == CONNECTOR_OFF)
        return;
    if (c->c.kind == CONNECTOR_ON_PREMISES)
        index_own(t, c);
    else
        index_partner(t, c);
}

/* Before the pattern: whose it is, and the connector when a header has to name it. */
static void way_key(struct org_key *k, char kind, unsigned org, struct span rule)
{
    org_key_start(k, kind, org);
    org_key_add(k, rule);
    k->p[k->n++] = '\0';
}

static void way_add(struct org_table *t, const struct org_key *k, const struct out_connector *c)
{
    struct span key = span_of(k->p, k->n);
    struct org_way *first = map_get(&t->way, key);
    if (first && first->c == c)
        return;
    struct org_way *w = ARENA_NEW(&t->arena, struct org_way);
    *w = (struct org_way){ .c = c, .next = first };
    map_put(&t->way, key, w);
}

static void index_way(struct org_table *t, const struct out_connector *c, enum org_way_kind kind)
{
    struct org_key k;
    way_key(&k, ORG_KEY_WAY, org_number(t, c->c.org), c->rule_header.n > 0 ? c->c.id : SPAN_NONE);
    k.p[k.n++] = (char)kind;
    way_add(t, &k, c);
}

static void index_out(struct org_table *t, const struct out_connector *c)
{
    struct span rule = c->rule_header.n > 0 ? c->c.id : SPAN_NONE;
    if (c->c.mode == CONNECTOR_OFF)
        return;
    for (unsigned i = 0; i < c->n_recipient; i++) {
        struct org_key k;
        way_key(&k, ORG_KEY_TO, org_number(t, c->c.org), rule);
        org_key_add(&k, c->recipient[i]);
        way_add(t, &k, c);
    }
    if (c->accepted)
        index_way(t, c, WAY_ACCEPTED);
    if (c->everything)
        index_way(t, c, WAY_EVERYTHING);
    if (c->rule_header.n > 0 && c->n_recipient == 0 && !c->accepted && !c->everything)
        index_way(t, c, WAY_ANYWHERE);
}

/* Which prefix lengths occur: a client is looked up once for each. */
static void index_bits(struct org_table *t)
{
    bool seen[ORG_FAMILIES][ORG_BITS_MAX + 1] = { { false } };
    size_t pos = 0;
    struct span key;
    void *value;
    while (map_next(&t->found, &pos, &key, &value)) {
        if (key.p[0] != ORG_KEY_NETWORK)
            continue;
        const char *part = key.p + 1 + sizeof(unsigned);
        unsigned family = org_family(&(struct ip){ .family = (uint8_t)part[0] });
        ASSERT(family < ORG_FAMILIES);
        seen[family][(uint8_t)part[1]] = true;
    }
    for (unsigned i = 0; i < ORG_FAMILIES * (ORG_BITS_MAX + 1); i++) {
        unsigned family = i / (ORG_BITS_MAX + 1), bits = ORG_BITS_MAX - i % (ORG_BITS_MAX + 1);
        if (seen[family][bits])
            t->bits[family][t->n_bits[family]++] = (uint8_t)bits;
    }
}

static void index_org(struct org_table *t, const struct org *o)
{
    static const bool relay = false;
    map_put(&t->name, o->name, (void *)o);
    for (unsigned i = 0; i < o->n_domain; i++) {
        struct org_key k = { .n = 0 };
        org_key_add(&k, o->domain[i]);
        map_put(&t->domain, span_of(k.p, k.n), (void *)o);
        map_put(&t->firm, span_of(k.p, k.n),
                (void *)(o->authoritative ? &o->authoritative[i] : &relay));
    }
    for (unsigned i = o->n_in; i > 0; i--)
        index_connector(t, &o->in[i - 1]);
    for (unsigned i = o->n_out; i > 0; i--)
        index_out(t, &o->out[i - 1]);
}

enum err org_table_new(const struct org *org, unsigned n, const struct hash_key *key,
                       struct org_table **ret, struct org_conflict *ret_conflict,
                       struct buf *witness)
{
    struct org_conflict conflict = { .witness = witness };
    if (org_conflict_find(org, n, key, &conflict) != ERR_OK) {
        *ret_conflict = conflict;
        return ERR_EXISTS;
    }

    struct org_table *t = NEW(struct org_table);
    t->org = org;
    t->n = n;
    arena_init(&t->arena, SIZE_MAX);
    map_init(&t->domain, key);
    map_init(&t->firm, key);
    map_init(&t->name, key);
    map_init(&t->found, key);
    map_init(&t->way, key);
    for (unsigned i = n; i > 0; i--)
        index_org(t, &org[i - 1]);
    index_bits(t);
    *ret = t;
    return ERR_OK;
}

void org_table_free(struct org_table *t)
{
    if (!t)
        return;
    map_done(&t->domain);
    map_done(&t->firm);
    map_done(&t->name);
    map_done(&t->found);
    map_done(&t->way);
    arena_done(&t->arena);
    mem_free(t);
}

/* --- finding */

const struct org *org_of_domain(const struct org_table *t, struct span domain)
{
    return domain_map_get(&t->domain, domain);
}

const struct org *org_by_name(const struct org_table *t, struct span name)
{
    return map_get(&t->name, name);
}

bool org_authoritative(const struct org_table *t, struct span domain)
{
    const bool *firm = domain_map_get(&t->firm, domain);
    return firm && *firm;
}

const struct org *org_probe(const struct org_table *t, struct span local, struct span domain)
{
    const struct org *o = map_get(&t->domain, domain);
    return o && o->probe.n > 0 && span_eq_nocase(local, o->probe) ? o : NULL;
}

const struct org_admin *org_admin_of(const struct org *o, unsigned uid)
{
    for (unsigned i = 0; i < o->n_admin; i++)
        if (o->admin[i].uid == uid)
            return &o->admin[i];
    return NULL;
}

const struct org *org_list(const struct org_table *t, unsigned *ret_n)
{
    *ret_n = t->n;
    return t->org;
}

void org_above_start(struct org_above *w, struct span domain)
{
    *w = (struct org_above){ .domain = domain, .at = domain.n + 1 };
}

bool org_above_next(struct org_above *w, const struct org_table *t, const struct org **ret)
{
    if (w->at == 0)
        return false;
    size_t dot = span_rfind(span_head(w->domain, w->at - 1), '.');
    w->at = dot < w->at - 1 ? dot + 1 : 0;
    struct span name = span_tail(w->domain, w->at);
    const struct org *exact = map_get(&t->domain, name);
    *ret = exact ? exact : w->covers;

    struct org_key k = { .n = 0 };
    org_key_add_below(&k, name);
    const struct org *below = map_get(&t->domain, span_of(k.p, k.n));
    w->covers = below ? below : w->covers;
    return true;
}

unsigned org_number(const struct org_table *t, const struct org *org)
{
    ASSERT(org >= t->org && org < t->org + t->n);
    return (unsigned)(org - t->org);
}

const struct org_entry *org_entries(const struct org_table *t, const struct org_key *k)
{
    return map_get(&t->found, span_of(k->p, k->n));
}

/* --- patterns above a domain; the key has what stands before them */

static void patterns_start(struct org_patterns *p, struct span domain)
{
    if (domain.n > 0 && domain.p[domain.n - 1] == '.')
        domain.n--;
    bool named = domain.n > 0 && domain.n <= DOMAIN_BYTES_MAX;
    p->rest = domain;
    p->at = named ? PATTERN_EXACT : PATTERN_ALL;
    p->n_base = p->key.n;
}

static bool patterns_has_wildcard(const struct org_patterns *p)
{
    return p->at == PATTERN_WILDCARD && span_find(p->rest, '.') < p->rest.n;
}

/* The next pattern into the key. */
static void patterns_step(struct org_patterns *p)
{
    p->key.n = p->n_base;
    if (p->at == PATTERN_EXACT) {
        org_key_add(&p->key, p->rest);
        p->at = domain_is_literal(p->rest) ? PATTERN_ALL : PATTERN_WILDCARD;
        return;
    }
    if (patterns_has_wildcard(p)) {
        span_cut(&p->rest, '.');
        org_key_add_below(&p->key, p->rest);
        return;
    }
    org_key_add(&p->key, SPAN("*"));
    p->at = PATTERN_END;
}

void org_senders_start(struct org_senders *w, const struct org_table *t, const struct org *org,
                       struct span from)
{
    org_key_start(&w->pattern.key, ORG_KEY_SENDER, org_number(t, org));
    patterns_start(&w->pattern, from);
}

const struct org_entry *org_senders_next(struct org_senders *w, const struct org_table *t)
{
    while (w->pattern.at != PATTERN_END) {
        patterns_step(&w->pattern);
        const struct org_entry *e = org_entries(t, &w->pattern.key);
        if (e)
            return e;
    }
    return NULL;
}

/* --- ways out */

void org_ways_start(struct org_ways *w, const struct org_table *t, const struct org *org,
                    struct span rule, struct span to)
{
    w->t = t;
    w->org = org;
    w->rule = rule;
    w->at = WAY_EVERYTHING;
    way_key(&w->pattern.key, ORG_KEY_TO, org_number(t, org), rule);
    patterns_start(&w->pattern, to);
}

static const struct org_way *ways_of(const struct org_table *t, const struct org_key *k)
{
    return map_get(&t->way, span_of(k->p, k->n));
}

static const struct org_way *ways_of_kind(const struct org_ways *w, enum org_way_kind kind)
{
    struct org_key k;
    way_key(&k, ORG_KEY_WAY, org_number(w->t, w->org), w->rule);
    k.p[k.n++] = (char)kind;
    return ways_of(w->t, &k);
}

/* The list under the next pattern. */
static const struct org_way *ways_of_pattern(struct org_ways *w)
{
    struct org_patterns *p = &w->pattern;
    patterns_step(p);
    if (p->at == PATTERN_END)
        w->at = WAY_ANYWHERE;
    else
        w->at = patterns_has_wildcard(p) ? WAY_WILDCARD : WAY_ACCEPTED;
    return ways_of(w->t, &p->key);
}

/* The list at this place of the walk, which goes on behind it. */
static const struct org_way *ways_step(struct org_ways *w)
{
    switch (w->at) {
    case WAY_EVERYTHING:
        w->at = w->pattern.at == PATTERN_EXACT ? WAY_EXACT : WAY_ACCEPTED;
        return ways_of_kind(w, WAY_EVERYTHING);
    case WAY_ACCEPTED:
        w->at = WAY_ALL;
        return ways_of_kind(w, WAY_ACCEPTED);
    case WAY_ANYWHERE:
        w->at = WAY_END;
        return w->rule.n > 0 ? ways_of_kind(w, WAY_ANYWHERE) : NULL;
    case WAY_EXACT:
    case WAY_WILDCARD:
    case WAY_ALL:
    case WAY_END:
        break;
    }
    return ways_of_pattern(w);
}

const struct org_way *org_ways_next(struct org_ways *w, enum org_way_kind *ret_kind)
{
    while (w->at != WAY_END) {
        *ret_kind = w->at;
        const struct org_way *found = ways_step(w);
        if (found)
            return found;
    }
    return NULL;
}
