/* Start reading at lint_run. */
#include "policy/lint.h"

#include "base/buf.h"
#include "base/when.h"
#include "mail/addr.h"
#include "mail/text.h"

enum { ARENA_MAX = 32 * 1024 * 1024, WORDS_MAX = 120 };

static const struct {
    const char *name;
    enum lint_severity severity;
    const char *remedy;
} rules[LINT_RULE_COUNT_] = {
    [LINT_WEAKENED] = { "weakened", LINT_NOTE, "remove it as soon as it is not needed" },
    [LINT_LAPSING] = { "lapsing", LINT_WARNING,
                       "see that its reason is gone by then, or give it a later day" },
    [LINT_LAPSED] = { "lapsed", LINT_WARNING, "remove it" },
    [LINT_ADDRESS_ONLY] = { "address-only", LINT_WARNING,
                            "addresses change hands, certificates prove (certificate_names)" },
    [LINT_CERTIFICATE_UNASKED] = { "certificate-unasked", LINT_WARNING,
                                   "add restrict_to_certificate = yes" },
    [LINT_ADDRESSES_UNASKED] = { "addresses-unasked", LINT_WARNING,
                                 "add restrict_to_addresses = yes" },
    [LINT_WILDCARD] = { "wildcard", LINT_WARNING, "name its servers one by one" },
    [LINT_WILDCARD_FOREIGN] = { "wildcard-foreign", LINT_ERROR, "name its servers one by one" },
    [LINT_WILDCARD_PARTNER] = { "wildcard-partner", LINT_WARNING,
                                "name the partner's servers one by one" },
    [LINT_CLIENT_USAGE] = { "client-usage", LINT_WARNING,
                            "say client_usage = any, or name its own CA (ca)" },
    [LINT_NO_CERTIFICATE] = { "no-certificate", LINT_ERROR,
                              "add a `certificate` block at the top of the file" },
    [LINT_MX_NAME] = { "mx-name", LINT_WARNING, "add names" },
    [LINT_EVERYWHERE] = { "everywhere", LINT_WARNING,
                          "list the domains that are meant, or add a connector with accepted = yes "
                          "for the organisation's own" },
    [LINT_NOT_ASKED_OF_OUTGOING] = { "not-asked-of-outgoing", LINT_WARNING,
                                     "add an outbound connector with tls = encrypt or more" },
    [LINT_NOT_ASKED_OF_INCOMING] = { "not-asked-of-incoming", LINT_WARNING,
                                     "add an inbound connector with require_tls = yes" },
    [LINT_TEST_FOR_LONG] = { "test-for-long", LINT_WARNING,
                             "say mode = enforce if what it would refuse is right, else mend it" },
};

const char *lint_severity_name(enum lint_severity s)
{
    static const char *const names[LINT_SEVERITY_COUNT_] = {
        [LINT_NOTE] = "note", [LINT_WARNING] = "warning", [LINT_ERROR] = "error"
    };
    ASSERT(s < LINT_SEVERITY_COUNT_);
    return names[s];
}

const char *lint_rule_name(enum lint_rule r)
{
    ASSERT(r < LINT_RULE_COUNT_);
    return rules[r].name;
}

/* --- findings --- */

/* One organisation while it is looked at. */
struct look {
    const struct lint_input *in;
    struct lint *lint;
    const struct org *org;
    /* pattern -> connector */
    struct map incoming; /* enforced partners; of several for one pattern one that forces no TLS */
    struct map outgoing; /* the same, outbound */
    struct map anybody;  /* outbound, whatever is not off and asks for no header */
    const struct out_connector *by_accepted; /* of those, one for all accepted domains, or NULL */
    struct map accepted;                     /* the organisation's domains -> itself */
};

static struct span words(struct span s)
{
    return text_cut(s, WORDS_MAX);
}

static struct lint_finding *finding_new(struct lint *l)
{
    if (l->n == LINT_FINDINGS_MAX)
        return NULL;
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->finding = mem_realloc(l->finding, l->cap * sizeof *l->finding);
    }
    return &l->finding[l->n++];
}

/* The texts in it are an administrator's: clean lines all the same. */
static struct span PRINTF_LIKE(2, 0) text_make(struct arena *a, const char *fmt, va_list ap)
{
    struct buf raw, clean;
    buf_init(&raw, LINT_TEXT_MAX);
    buf_init(&clean, LINT_TEXT_MAX);
    enum err e = buf_addv(&raw, fmt, ap);
    ASSERT(e == ERR_OK); /* every part goes through words() */
    text_put(buf_span(&raw), "", true, &clean);
    struct span ret = arena_span(a, buf_span(&clean));
    buf_done(&raw);
    buf_done(&clean);
    return ret;
}

static void PRINTF_LIKE(4, 5)
    say(struct look *k, const struct connector *c, enum lint_rule rule, const char *fmt, ...)
{
    va_list ap;
    k->lint->count[rules[rule].severity]++;
    struct lint_finding *f = finding_new(k->lint);
    if (!f)
        return;
    va_start(ap, fmt);
    *f = (struct lint_finding){
        .rule = rule,
        .severity = rules[rule].severity,
        .at = c,
        .text = text_make(&k->lint->arena, fmt, ap),
        .remedy = span_z(rules[rule].remedy),
    };
    va_end(ap);
}

/* --- time --- */

/* The last day that is covered. */
static const char *day_of(int64_t until_ms, char text[static WHEN_BYTES_MAX])
{
    when_rfc3339(until_ms - 1, text);
    text[sizeof "2026-12-31" - 1] = '\0';
    return text;
}

static void lint_weakening(struct look *k, const struct connector *c, enum weakening_kind kind)
{
    const struct weakening *w = &c->weakening[kind];
    const char *name = weakening_name(kind);
    char day[WHEN_BYTES_MAX];
    int64_t left_ms = w->until_ms - k->in->now_ms;
    day_of(w->until_ms, day);
    if (k->in->now_ms > 0 && left_ms <= 0)
        say(k, c, LINT_LAPSED, "`allow \"%s\"` is void since the end of %s", name, day);
    else
        say(k, c,
            k->in->now_ms > 0 && left_ms <= (int64_t)LINT_SOON_DAYS * DAY_MS ? LINT_LAPSING
                                                                             : LINT_WEAKENED,
            "`allow \"%s\"` weakens it until %s (%.*s: %.*s)", name, day, SPAN_ARG(words(w->owner)),
            SPAN_ARG(words(w->reason)));
}

static void lint_test(struct look *k, const struct connector *c)
{
    struct span since = c->changed.n > 0 ? c->changed : c->created;
    int64_t since_ms;
    if (c->mode != CONNECTOR_TEST || k->in->now_ms == 0 || when_parse(since, &since_ms) != ERR_OK)
        return;
    if (k->in->now_ms - since_ms > (int64_t)LINT_SOON_DAYS * DAY_MS)
        say(k, c, LINT_TEST_FOR_LONG, "it is in test mode since %.*s and changes nothing",
            SPAN_ARG(words(since)));
}

static void lint_common(struct look *k, const struct connector *c)
{
    for (enum weakening_kind kind = WEAKEN_PLAINTEXT; kind < WEAKEN_COUNT_; kind++)
        if (c->weakening[kind].until_ms != 0)
            lint_weakening(k, c, kind);
    lint_test(k, c);
}

/* --- inbound --- */

static bool has_certificate(const struct in_connector *c)
{
    return c->names.n > 0 || c->n_pin > 0 || c->n_anchor > 0;
}

static bool is_accepted(const struct look *k, struct span pattern)
{
    return domain_map_get(&k->accepted, pattern) ||
           domain_map_get(&k->accepted, span_tail(pattern, 2));
}

static bool is_sender(const struct in_connector *c, struct span pattern)
{
    for (unsigned i = 0; i < c->n_sender; i++) {
        struct span s = c->sender[i];
        if (span_eq(s, SPAN("*")) || span_eq(s, pattern) || domain_match(s, span_tail(pattern, 2)))
            return true;
    }
    return false;
}

/* Who else has a certificate under such a name? */
static void lint_wildcard(struct look *k, const struct in_connector *c, struct span pattern)
{
    struct span domain = words(span_tail(pattern, 2));
    bool partner = c->c.kind == CONNECTOR_PARTNER;
    if (!partner && is_accepted(k, pattern))
        say(k, &c->c, LINT_WILDCARD,
            "any server with a certificate below %.*s counts as the organisation's",
            SPAN_ARG(domain));
    else if (!partner)
        say(k, &c->c, LINT_WILDCARD_FOREIGN,
            "any server with a certificate below %.*s counts as the organisation's, and that is "
            "none of its domains",
            SPAN_ARG(domain));
    else if (c->restrict_certificate && !is_sender(c, pattern))
        say(k, &c->c, LINT_WILDCARD_PARTNER,
            "any server with a certificate below %.*s passes as the partner's, and that is none "
            "of the domains in `from`",
            SPAN_ARG(domain));
}

static void lint_identity(struct look *k, const struct in_connector *c)
{
    bool partner = c->c.kind == CONNECTOR_PARTNER;
    bool by_address = partner ? c->restrict_addresses : c->n_network > 0;
    if (by_address && !has_certificate(c))
        say(k, &c->c, LINT_ADDRESS_ONLY, "it trusts addresses alone");
    if (partner && has_certificate(c) && !c->restrict_certificate)
        say(k, &c->c, LINT_CERTIFICATE_UNASKED, "it knows a certificate and does not demand it");
    if (partner && c->n_network > 0 && !c->restrict_addresses)
        say(k, &c->c, LINT_ADDRESSES_UNASKED, "it knows addresses and does not demand them");
    for (unsigned i = 0; i < c->names.n; i++)
        if (span_starts(c->names.name[i], SPAN("*.")))
            lint_wildcard(k, c, c->names.name[i]);
}

static bool in_forces(const struct in_connector *c)
{
    return c->require_tls || c->restrict_certificate;
}

static void lint_in(struct look *k, const struct in_connector *c)
{
    bool own = c->c.kind == CONNECTOR_ON_PREMISES;
    lint_common(k, &c->c);
    lint_identity(k, c);
    bool public_ca = c->n_anchor == 0 && (c->names.n > 0 || c->n_pin == 0);
    if (c->eku_client && public_ca)
        say(k, &c->c, LINT_CLIENT_USAGE,
            "it demands a certificate that is meant for clients, and public CAs issue none any "
            "more");
    if ((in_forces(c) || (own && has_certificate(c))) && !k->in->server_certificate)
        say(k, &c->c, LINT_NO_CERTIFICATE,
            "it asks for TLS and there is no certificate for listeners: no client can use TLS");
}

/* --- outbound --- */

static bool out_forces(const struct out_connector *c)
{
    return c->route.contract.need >= TLS_NEED_ENCRYPT;
}

/* "*" is the last choice for the organisation's own domains, but a choice. */
static void lint_everywhere(struct look *k, const struct out_connector *c)
{
    for (unsigned i = 0; i < k->org->n_domain; i++) {
        struct span domain = k->org->domain[i];
        const struct out_connector *closer = domain_map_get(&k->anybody, domain);
        if (closer && closer->c.mode >= c->c.mode)
            continue;
        if (k->org->authoritative && k->org->authoritative[i])
            continue;
        say(k, &c->c, LINT_EVERYWHERE,
            "`to = \"*\"` takes mail for the organisation's own domains, too, such as %.*s",
            SPAN_ARG(words(domain)));
        return;
    }
}

static bool is_everywhere(const struct look *k, const struct out_connector *c)
{
    bool any = false;
    for (unsigned i = 0; i < c->n_recipient; i++)
        any = any || span_eq(c->recipient[i], SPAN("*"));
    return any && !c->accepted && c->rule_header.n == 0 &&
           !(k->by_accepted && k->by_accepted->c.mode >= c->c.mode);
}

static void lint_out(struct look *k, const struct out_connector *c)
{
    const struct contract *contract = &c->route.contract;
    lint_common(k, &c->c);
    if (c->route.kind == ROUTE_MX && contract->need == TLS_NEED_NAME && contract->n_names == 0)
        say(k, &c->c, LINT_MX_NAME,
            "the name that the certificate must have comes from the MX record, which DNS does not "
            "protect unless DNSSEC does");
    if (is_everywhere(k, c))
        lint_everywhere(k, c);
}

/* --- R30: forced in one direction and not in the other --- */

static bool counts(const struct connector *c)
{
    return c->kind == CONNECTOR_PARTNER && c->mode == CONNECTOR_ENFORCE;
}

/* What is for all that the pattern is for. */
static const void *cover_find(const struct map *m, struct span pattern)
{
    const void *found = domain_map_get(m, pattern);
    return found ? found : map_get(m, SPAN("*"));
}

static void lint_outgoing(struct look *k, const struct in_connector *c)
{
    for (unsigned i = 0; counts(&c->c) && in_forces(c) && i < c->n_sender; i++) {
        const struct out_connector *out = cover_find(&k->outgoing, c->sender[i]);
        if (out && out_forces(out))
            continue;
        say(k, &c->c, LINT_NOT_ASKED_OF_OUTGOING,
            "TLS is forced on mail from %.*s and not on mail to it", SPAN_ARG(words(c->sender[i])));
        return;
    }
}

static void lint_incoming(struct look *k, const struct out_connector *c)
{
    for (unsigned i = 0; counts(&c->c) && out_forces(c) && i < c->n_recipient; i++) {
        const struct in_connector *in = cover_find(&k->incoming, c->recipient[i]);
        if (in && in_forces(in))
            continue;
        say(k, &c->c, LINT_NOT_ASKED_OF_INCOMING,
            "TLS is forced on mail to %.*s and not on mail from it",
            SPAN_ARG(words(c->recipient[i])));
        return;
    }
}

/* --- an organisation --- */

static void note_in(struct look *k, struct in_connector *c)
{
    for (unsigned i = 0; counts(&c->c) && i < c->n_sender; i++) {
        const struct in_connector *was = map_get(&k->incoming, c->sender[i]);
        if (!was || in_forces(was))
            map_put(&k->incoming, c->sender[i], c);
    }
}

static void note_out(struct look *k, struct out_connector *c)
{
    if (c->c.mode == CONNECTOR_OFF || c->rule_header.n > 0)
        return;
    for (unsigned i = 0; i < c->n_recipient; i++) {
        if (counts(&c->c))
            map_put(&k->outgoing, c->recipient[i], c);
        map_put(&k->anybody, c->recipient[i], c);
    }
    if (c->accepted && (!k->by_accepted || k->by_accepted->c.mode < c->c.mode))
        k->by_accepted = c;
}

static void look_start(struct look *k)
{
    const struct hash_key key = { { 0, 0 } }; /* the names are an administrator's */
    struct map *const maps[] = { &k->incoming, &k->outgoing, &k->anybody, &k->accepted };
    for (size_t i = 0; i < COUNTOF(maps); i++)
        map_init(maps[i], &key);
    for (unsigned i = 0; i < k->org->n_in; i++)
        note_in(k, &k->org->in[i]);
    for (unsigned i = 0; i < k->org->n_out; i++)
        note_out(k, &k->org->out[i]);
    for (unsigned i = 0; i < k->org->n_domain; i++)
        map_put(&k->accepted, k->org->domain[i], &k->org->domain[i]);
}

static void look_end(struct look *k)
{
    map_done(&k->incoming);
    map_done(&k->outgoing);
    map_done(&k->anybody);
    map_done(&k->accepted);
}

static void lint_org(struct look *k)
{
    for (unsigned i = 0; i < k->org->n_in; i++) {
        const struct in_connector *c = &k->org->in[i];
        if (c->c.mode == CONNECTOR_OFF)
            continue;
        lint_in(k, c);
        lint_outgoing(k, c);
    }
    size_t n = k->lint->n;
    for (unsigned i = 0; i < k->org->n_out; i++) {
        const struct out_connector *c = &k->org->out[i];
        if (c->c.mode == CONNECTOR_OFF)
            continue;
        lint_out(k, c);
        lint_incoming(k, c);
    }
    for (; n < k->lint->n; n++)
        k->lint->finding[n].outbound = true;
}

void lint_run(const struct lint_input *in, struct lint *ret)
{
    *ret = (struct lint){ 0 };
    arena_init(&ret->arena, ARENA_MAX);
    for (unsigned i = 0; i < in->n_org; i++) {
        struct look k = { .in = in, .lint = ret, .org = &in->org[i] };
        look_start(&k);
        lint_org(&k);
        look_end(&k);
    }
}

void lint_done(struct lint *l)
{
    if (!l)
        return;
    arena_done(&l->arena);
    mem_free(l->finding);
    *l = (struct lint){ 0 };
}
