#include "cli/import_draft.h"

#include "gate/config.h"
#include "mail/ip.h"

/* What has to be decided when everything is known: names, patterns that two connectors claim (our
 * configuration refuses them), and connectors that our grammar does not have. Start at
 * draft_finish. Whatever is settled here is settled to the stricter side. */

enum { NAME_BYTES_MAX = 48, KEY_BYTES_MAX = 320 };

/* --- names --- */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* "Bank inbound (new)" -> "bank-inbound-new" */
static struct span make_name(struct draft *d, struct span title)
{
    char name[NAME_BYTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < title.n && n < sizeof name; i++) {
        char c = ascii_lower(title.p[i]);
        if (is_name_byte(c))
            name[n++] = c;
        else if (n > 0 && name[n - 1] != '-')
            name[n++] = '-';
    }
    while (n > 0 && name[n - 1] == '-')
        n--;
    return n > 0 ? arena_span(&d->arena, span_of(name, n)) : SPAN("connector");
}

static void give_names(struct draft *d)
{
    struct map used[2];
    map_init(&used[0], &d->key);
    map_init(&used[1], &d->key);
    for (struct draft_connector *c = d->connector; c; c = c->next) {
        struct map *names = &used[c->outbound];
        struct span first = make_name(d, c->title);
        c->name = first;
        for (unsigned i = 2; map_get(names, c->name); i++)
            c->name = draft_text(d, "%.*s-%u", SPAN_ARG(first), i);
        (void)map_put(names, c->name, c);
    }
    map_done(&used[0]);
    map_done(&used[1]);
}

/* --- patterns that two claim --- */

struct claim {
    struct draft_connector *by;
    struct claim *next;
};

struct claims {
    struct draft *d;
    struct map of; /* direction and pattern -> struct claim * */
};

static struct span claim_key(const struct draft_connector *c, struct span pattern,
                             char text[static KEY_BYTES_MAX])
{
    ASSERT(pattern.n + 1 <= KEY_BYTES_MAX);
    text[0] = c->outbound ? 'o' : 'i';
    memcpy(text + 1, pattern.p, pattern.n);
    return span_of(text, pattern.n + 1);
}

static bool restricts(const struct draft_connector *c)
{
    return c->restrict_certificate || c->restrict_addresses;
}

static bool list_meets(const struct draft_list *a, const struct draft_list *b)
{
    for (unsigned i = 0; i < a->n; i++)
        if (draft_list_has(b, a->item[i]))
            return true;
    return false;
}

static bool share_identity(const struct draft_connector *a, const struct draft_connector *b)
{
    return list_meets(&a->names, &b->names) || list_meets(&a->addresses, &b->addresses) ||
           list_meets(&a->keys, &b->keys);
}

/* How much it asks: what is enforced before what is tested, then the demands. */
static unsigned strength(const struct draft_connector *c)
{
    unsigned n = c->test ? 0 : 100;
    n += c->floor == 13 ? 1 : 0;
    if (c->outbound)
        return n + (unsigned)c->tls * 10 + (c->names.n > 0 ? 5 : 0) + (c->revocation ? 2 : 0);
    n += c->restrict_certificate ? 40 : 0;
    n += c->restrict_addresses ? 20 : 0;
    return n + (c->require_tls ? 10 : 0);
}

/* `loser` gives the pattern up to `winner`, which asks as much at least; with the last one it is
 * off, and keeps it to be seen. */
static void give_up(struct draft *d, struct draft_connector *loser, struct draft_connector *winner,
                    struct span pattern)
{
    bool last = loser->domain.n == 1;
    bool implied = draft_list_has(&loser->implied, pattern);
    bool tls = !loser->outbound && loser->require_tls && !loser->test;
    winner->require_tls |= tls && !implied;
    if (!last)
        draft_list_drop(&loser->domain, pattern);
    if (implied && !last)
        return; /* the other one names it: nothing is lost */
    draft_note(
        d, loser, last ? NOTE_OFF : NOTE_LOST,
        "\"%.*s\" is claimed by \"%.*s\" as well, and two would be refused: it stays with that "
        "one, which asks more%s",
        SPAN_ARG(pattern), SPAN_ARG(winner->title), tls ? ", TLS included" : " or the same");
}

/* Two inbound partners may share senders when each restricts in its own way. */
static bool may_share(const struct draft_connector *a, const struct draft_connector *b)
{
    return !a->outbound && restricts(a) && restricts(b) && !share_identity(a, b) &&
           a->test == b->test;
}

static void add_claim(struct claims *cs, struct claim *c, struct span pattern)
{
    char text[KEY_BYTES_MAX];
    struct span key = claim_key(c->by, pattern, text);
    c->next = map_get(&cs->of, key);
    (void)map_put(&cs->of, key, c);
}

/* Does `c` keep the pattern against those that have it? */
static bool keeps(struct claims *cs, struct draft_connector *c, struct span pattern)
{
    char text[KEY_BYTES_MAX];
    struct claim *first = map_get(&cs->of, claim_key(c, pattern, text));
    for (struct claim *other = first; other; other = other->next) {
        struct draft_connector *o = other->by;
        if (o->off || !draft_list_has(&o->domain, pattern))
            continue; /* it gave it up before */
        if (may_share(o, c)) {
            draft_note(
                cs->d, c, NOTE_LOST,
                "\"%.*s\" restricts mail from \"%.*s\" as well: here a client that satisfies "
                "one of them passes",
                SPAN_ARG(o->title), SPAN_ARG(pattern));
            continue;
        }
        bool implied = draft_list_has(&c->implied, pattern);
        bool other_implied = draft_list_has(&o->implied, pattern);
        bool wins = implied != other_implied ? other_implied : strength(c) > strength(o);
        if (!wins) {
            give_up(cs->d, c, o, pattern);
            return false;
        }
        give_up(cs->d, o, c, pattern);
    }
    return true;
}

static void settle_patterns(struct claims *cs, struct draft_connector *c)
{
    struct draft_list all = c->domain;
    all.item = ARENA_ARRAY(&cs->d->arena, struct span, all.n + 1);
    if (all.n > 0)
        memcpy(all.item, c->domain.item, all.n * sizeof *all.item);
    for (unsigned i = 0; i < all.n && !c->off; i++) {
        if (!keeps(cs, c, all.item[i]))
            continue;
        struct claim *claim = ARENA_NEW(&cs->d->arena, struct claim);
        claim->by = c;
        add_claim(cs, claim, all.item[i]);
    }
}

/* A grant that two connectors would give is given by the first. */
static void settle_grants(struct claims *cs, struct draft_connector *c)
{
    const struct draft_list *lists[] = { &c->names, &c->addresses, &c->keys };
    struct claim *mine = ARENA_NEW(&cs->d->arena, struct claim);
    mine->by = c;
    for (size_t i = 0; i < COUNTOF(lists); i++) {
        for (unsigned k = 0; k < lists[i]->n; k++) {
            const struct claim *other = map_get(&cs->of, lists[i]->item[k]);
            if (!other)
                continue;
            draft_note(cs->d, c, NOTE_OFF,
                       "\"%.*s\" is \"%.*s\" already: one server cannot be two of the organisation",
                       SPAN_ARG(lists[i]->item[k]), SPAN_ARG(other->by->title));
            return;
        }
    }
    for (size_t i = 0; i < COUNTOF(lists); i++)
        for (unsigned k = 0; k < lists[i]->n; k++)
            (void)map_put(&cs->of, lists[i]->item[k], mine);
}

/* `accepted` and `everything` are claimed like patterns that no domain has. */
static void settle_scope(struct claims *cs, struct draft_connector *c)
{
    const char *const scope = c->everything ? "o everything" : c->accepted ? "o accepted" : NULL;
    if (!scope)
        return;
    const struct claim *other = map_get(&cs->of, span_z(scope));
    if (other) {
        draft_note(cs->d, c, NOTE_OFF, "\"%.*s\" takes the same mail, and two would be refused",
                   SPAN_ARG(other->by->title));
        return;
    }
    struct claim *mine = ARENA_NEW(&cs->d->arena, struct claim);
    mine->by = c;
    (void)map_put(&cs->of, span_z(scope), mine);
}

static void settle_claims(struct draft *d)
{
    struct claims partners = { .d = d }, grants = { .d = d };
    map_init(&partners.of, &d->key);
    map_init(&grants.of, &d->key);
    for (struct draft_connector *c = d->connector; c; c = c->next) {
        if (c->off || c->as_route)
            continue;
        if (!c->outbound && c->on_premises) {
            settle_grants(&grants, c);
            continue;
        }
        settle_scope(&partners, c);
        if (!c->by_header)
            settle_patterns(&partners, c);
    }
    map_done(&partners.of);
    map_done(&grants.of);
}

/* --- what cannot be --- */

static void check_inbound(struct draft *d, struct draft_connector *c)
{
    bool identity = c->names.n + c->addresses.n + c->keys.n > 0;
    if (c->domain.n == 0 || (c->on_premises && !identity))
        c->unfit = true;
    if (c->on_premises || c->unfit || c->require_tls || restricts(c))
        return;
    draft_note(d, c, c->off ? NOTE_REMARK : NOTE_OFF,
               "it restricts nothing, and a partner connector here has to: off, with require_tls; "
               "mail from there is taken without it");
    /* what the grammar wants, and what does nothing while it is off */
    c->require_tls = true;
}

/* An address has no name that a certificate could show. */
static bool lacks_name(const struct draft_connector *c)
{
    struct ip ip;
    for (unsigned i = 0; i < c->hosts.n && c->tls == TLS_NEED_NAME && c->names.n == 0; i++)
        if (ip_parse_port(c->hosts.item[i], 25, &ip) == ERR_OK)
            return true;
    return false;
}

static void check_outbound(struct draft *d, struct draft_connector *c)
{
    bool scope = c->domain.n > 0 || c->accepted || c->everything || c->by_header;
    if (!scope || (!c->mx && c->hosts.n == 0) || lacks_name(c))
        c->unfit = true;
    if (lacks_name(c))
        draft_note(d, c, NOTE_OFF,
                   "its host is an address, which no certificate names; say names = [...]");
}

/* More than one configuration takes. */
static void check_size(struct draft *d)
{
    enum { CONNECTORS_MAX = 20000 };
    uint64_t pairs = 0, n = 0;
    for (const struct draft_connector *c = d->connector; c; c = c->next, n++)
        if (!c->outbound)
            pairs += (uint64_t)c->domain.n * (c->names.n + c->addresses.n + c->keys.n);
    if (pairs > CONFIG_PAIRS_MAX || n > CONNECTORS_MAX)
        draft_note(d, NULL, NOTE_LOST,
                   "this is more than one configuration takes; import it in parts, as several "
                   "organisations");
}

void draft_finish(struct draft *d)
{
    give_names(d);
    settle_claims(d);
    check_size(d);
    for (struct draft_connector *c = d->connector; c; c = c->next) {
        if (c->outbound)
            check_outbound(d, c);
        else
            check_inbound(d, c);
        if (c->unfit && !c->off)
            draft_note(d, c, NOTE_OFF, "it has nothing that a connector here needs");
    }
}
