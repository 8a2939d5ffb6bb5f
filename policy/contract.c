#include "policy/contract.h"
#include "mail/text.h"

enum { SHOWN_NAME_MAX = 60 };

static const char *const need_names[TLS_NEED_COUNT_] = {
    [TLS_NEED_TRY] = "try",
    [TLS_NEED_ENCRYPT] = "encrypt",
    [TLS_NEED_CHAIN] = "chain",
    [TLS_NEED_NAME] = "name",
};

static const char *const revocation_names[] = {
    [REVOCATION_OFF] = "off",
    [REVOCATION_SOFT] = "soft",
    [REVOCATION_HARD] = "hard",
};

static const struct {
    const char *name, *words;
} breaches[BREACH_COUNT_] = {
    [BREACH_NONE] = { "none", NULL },
    [BREACH_PLAIN] = { "plain", "the channel is not encrypted" },
    [BREACH_OLD] = { "old", "the TLS version is below 1.2" },
    [BREACH_FLOOR] = { "floor", "the TLS version is below the one demanded" },
    [BREACH_SECRECY] = { "secrecy", "the cipher suite has no forward secrecy" },
    [BREACH_CHAIN] = { "chain", "the certificate does not chain to a trusted root" },
    [BREACH_EXPIRED] = { "expired", "the certificate is out of its time" },
    [BREACH_REVOKED] = { "revoked", "the certificate is revoked" },
    [BREACH_UNTOLD] = { "untold", "it cannot be told whether the certificate is revoked" },
    [BREACH_NAME] = { "name", "the certificate does not name the host" },
    [BREACH_BARRED] = { "barred", "no channel to this host will do" },
    [BREACH_TLSA] = { "tlsa", "the certificate does not match the host's TLSA records" },
    [BREACH_TLSA_EXPIRED] = { "tlsa-expired",
                              "the certificate matches a DANE-TA record and is out of its time" },
    [BREACH_TLSA_NAME] = { "tlsa-name",
                           "the certificate matches a DANE-TA record and does not name the host" },
};

static const char *const dane_names[DANE_MODE_COUNT_] = {
    [DANE_OFF] = "off",
    [DANE_OPPORTUNISTIC] = "opportunistic",
    [DANE_MANDATORY] = "mandatory",
};

static const char *const sts_names[STS_MODE_COUNT_] = {
    [STS_OFF] = "off",
    [STS_OPPORTUNISTIC] = "opportunistic",
};

static const struct {
    unsigned rule;
    const char *name;
} rule_names[] = {
    { RULE_DEFAULT, "default" },     { RULE_ROUTE, "route" },
    { RULE_LOCAL, "local" },         { RULE_REQUIRETLS, "requiretls" },
    { RULE_CONNECTOR, "connector" }, { RULE_WEAKENED, "weakened" },
    { RULE_DANE, "dane" },           { RULE_STS, "mta-sts" },
    { RULE_NODE, "node" },           { RULE_TENANT, "tenant" },
};

struct contract contract_none(void)
{
    return (struct contract){ .need = TLS_NEED_TRY, .floor = CONTRACT_FLOOR_MIN };
}

/* --- the order of contracts */

/* Keeps names[] sorted by id, each once. */
static void add_names(struct contract *c, const struct name_set *set)
{
    unsigned i = 0;
    ASSERT(set && set->id > 0);
    while (i < c->n_names && c->names[i]->id < set->id)
        i++;
    if (i < c->n_names && c->names[i]->id == set->id)
        return;
    ASSERT(c->n_names < CONTRACT_NAMES_MAX);
    memmove(&c->names[i + 1], &c->names[i], (c->n_names - i) * sizeof c->names[0]);
    c->names[i] = set;
    c->n_names++;
}

/* DANE asks for TLS by itself. */
static bool of_dane(const struct contract *c)
{
    return c->tlsa || c->dane == DANE_MANDATORY;
}

/* The one form that all contracts with these demands share. */
static struct contract canonical(const struct contract *c)
{
    struct contract k = *c;
    ASSERT(c->n_names <= CONTRACT_NAMES_MAX);
    if (of_dane(c) && c->need < TLS_NEED_ENCRYPT)
        k.need = TLS_NEED_ENCRYPT;
    k.allow_expired = c->need >= TLS_NEED_CHAIN && c->allow_expired;
    k.host_name = c->host_name || (c->need == TLS_NEED_NAME && c->n_names == 0);
    k.n_names = 0;
    for (unsigned i = 0; i < c->n_names; i++)
        add_names(&k, c->names[i]);
    return k;
}

static bool has_names(const struct contract *c, const struct name_set *set)
{
    for (unsigned i = 0; i < c->n_names; i++) {
        if (c->names[i]->id == set->id)
            return true;
    }
    return false;
}

/* The certificate must be in its time. */
static bool wants_time(const struct contract *c)
{
    return c->need >= TLS_NEED_CHAIN && !c->allow_expired;
}

static bool same_tlsa(const struct contract *a, const struct contract *b)
{
    return a->tlsa == b->tlsa || (a->tlsa && b->tlsa && tlsa_set_eq(a->tlsa, b->tlsa));
}

struct contract contract_join(struct contract a, struct contract b)
{
    struct contract j = canonical(&a);
    b = canonical(&b);
    bool wants = wants_time(&a) || wants_time(&b);
    ASSERT(a.identity == 0 || b.identity == 0 || a.identity == b.identity);
    ASSERT(!a.tlsa || !b.tlsa || same_tlsa(&a, &b));
    ASSERT(!a.anchors || !b.anchors || a.anchors == b.anchors);
    j.need = j.need > b.need ? j.need : b.need;
    j.forward_secret = a.forward_secret || b.forward_secret;
    j.allow_expired = j.need >= TLS_NEED_CHAIN && !wants;
    j.floor = a.floor > b.floor ? a.floor : b.floor;
    j.revocation = a.revocation > b.revocation ? a.revocation : b.revocation;
    j.host_name = j.host_name || b.host_name;
    for (unsigned i = 0; i < b.n_names; i++)
        add_names(&j, b.names[i]);
    j.anchors = j.anchors ? j.anchors : b.anchors;
    j.identity = a.identity != 0 ? a.identity : b.identity;
    j.rules = a.rules | b.rules;
    j.dane = a.dane > b.dane ? a.dane : b.dane;
    j.sts = a.sts > b.sts ? a.sts : b.sts;
    j.authenticated = a.authenticated || b.authenticated;
    j.keyword = a.keyword || b.keyword;
    j.tlsa = a.tlsa ? a.tlsa : b.tlsa;
    j.bar = a.bar > b.bar ? a.bar : b.bar;
    return j;
}

bool contract_at_least(const struct contract *a, const struct contract *b)
{
    struct contract x = canonical(a), y = canonical(b);
    for (unsigned i = 0; i < y.n_names; i++) {
        if (!has_names(&x, y.names[i]))
            return false;
    }
    if (y.anchors && x.anchors != y.anchors)
        return false;
    bool of_host = x.dane >= y.dane && x.sts >= y.sts && x.authenticated >= y.authenticated &&
                   x.keyword >= y.keyword && x.bar >= y.bar && (!y.tlsa || same_tlsa(&x, &y));
    return of_host && x.need >= y.need && x.floor >= y.floor &&
           x.forward_secret >= y.forward_secret && x.revocation >= y.revocation &&
           x.host_name >= y.host_name && wants_time(&x) >= wants_time(&y);
}

bool contract_eq(const struct contract *a, const struct contract *b)
{
    return a->identity == b->identity && a->anchors == b->anchors && contract_at_least(a, b) &&
           contract_at_least(b, a);
}

bool contract_allows_plaintext(const struct contract *c)
{
    return c->need == TLS_NEED_TRY && !of_dane(c) && c->bar == BAR_NONE;
}

/* --- texts */

const char *dane_mode_name(enum dane_mode m)
{
    ASSERT((size_t)m < COUNTOF(dane_names));
    return dane_names[m];
}

const char *sts_mode_name(enum sts_mode m)
{
    ASSERT((size_t)m < COUNTOF(sts_names));
    return sts_names[m];
}

/* The host's name is demanded, and the need alone does not say so. */
static bool shows_host(const struct contract *c)
{
    return c->host_name && (c->n_names > 0 || c->need != TLS_NEED_NAME);
}

/* What facts about hosts raise, and what they raised. */
static void put_host_digest(const struct contract *k, struct buf *text)
{
    char digest[TLSA_DIGEST_MAX];
    if (k->dane != DANE_OFF || k->sts != STS_OFF || k->authenticated)
        buf_putf(text, ".d%ds%d%s", k->dane, k->sts, k->authenticated ? "a" : "");
    if (k->keyword)
        buf_put(text, SPAN(".k"));
    if (k->tlsa)
        buf_putf(text, ".t%s", tlsa_set_digest(k->tlsa, digest));
    if (k->bar != BAR_NONE)
        buf_putf(text, ".bar%d", k->bar);
}

const char *contract_digest(const struct contract *c, char ret[static CONTRACT_DIGEST_MAX])
{
    struct buf text;
    struct contract k = canonical(c);
    buf_init(&text, CONTRACT_DIGEST_MAX - 1);
    buf_putf(&text, "%s.%d.fs%d%s", tls_need_name(k.need), k.floor, k.forward_secret,
             k.allow_expired ? ".expired" : "");
    if (k.revocation != REVOCATION_OFF)
        buf_putf(&text, ".revocation%d", k.revocation);
    for (unsigned i = 0; i < k.n_names; i++)
        buf_putf(&text, ".n%u", k.names[i]->id);
    if (shows_host(&k))
        buf_put(&text, SPAN(".host"));
    if (k.anchors)
        buf_put(&text, SPAN(".ca")); /* a snapshot has one such set */
    if (k.identity != 0)
        buf_putf(&text, ".i%u", k.identity);
    put_host_digest(&k, &text);
    memcpy(ret, buf_z(&text), text.n + 1);
    buf_done(&text);
    return ret;
}

const char *tls_need_name(enum tls_need n)
{
    ASSERT((size_t)n < COUNTOF(need_names));
    return need_names[n];
}

enum err tls_need_read(struct span s, enum tls_need *ret)
{
    for (size_t i = 0; i < COUNTOF(need_names); i++) {
        if (!span_eq(s, span_z(need_names[i])))
            continue;
        *ret = (enum tls_need)i;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

/* "mx.lab.example+2;host" */
static void put_names(const struct contract *c, struct buf *out)
{
    for (unsigned i = 0; i < c->n_names; i++) {
        const struct name_set *set = c->names[i];
        struct span first = set->n > 0 ? set->name[0] : SPAN("nobody");
        buf_put(out, i > 0 ? SPAN(";") : SPAN(" names="));
        text_put(text_cut(first, SHOWN_NAME_MAX), " ;", false, out);
        if (set->n > 1)
            buf_putf(out, "+%u", set->n - 1);
    }
    if (shows_host(c))
        buf_put(out, c->n_names > 0 ? SPAN(";host") : SPAN(" names=host"));
}

static void put_rules(unsigned rules, struct buf *out)
{
    const char *comma = "";
    buf_put(out, SPAN(" asked-by="));
    for (size_t i = 0; i < COUNTOF(rule_names); i++) {
        if (!(rules & rule_names[i].rule))
            continue;
        buf_putf(out, "%s%s", comma, rule_names[i].name);
        comma = ",";
    }
    if (rules == 0)
        buf_put(out, SPAN("nobody"));
}

/* Opportunistic is what is usual: what it leads to is said of each host. */
static void put_host_demands(const struct contract *c, struct buf *out)
{
    if (c->dane == DANE_MANDATORY)
        buf_putf(out, " dane=%s", dane_mode_name(c->dane));
    if (c->tlsa)
        buf_putf(out, " tlsa=%u", c->tlsa->n);
    if (c->authenticated)
        buf_put(out, SPAN(" authenticated=yes"));
    if (c->keyword)
        buf_put(out, SPAN(" keyword=yes"));
    if (c->bar != BAR_NONE)
        buf_putf(out, " bar=%s", bar_name(c->bar));
}

void contract_print(const struct contract *c, struct buf *out)
{
    struct contract k = canonical(c);
    ASSERT((size_t)k.revocation < COUNTOF(revocation_names));
    buf_putf(out, "tls=%s floor=%d.%d fs=%s", tls_need_name(k.need), k.floor / 10, k.floor % 10,
             k.forward_secret ? "yes" : "no");
    if (k.allow_expired)
        buf_put(out, SPAN(" expired=allowed"));
    if (k.revocation != REVOCATION_OFF)
        buf_putf(out, " revocation=%s", revocation_names[k.revocation]);
    put_names(&k, out);
    if (k.anchors)
        buf_put(out, SPAN(" ca=nodes"));
    if (k.identity != 0)
        buf_putf(out, " identity=%u", k.identity);
    put_host_demands(&k, out);
    put_rules(k.rules, out);
}

/* --- the judge */

const char *breach_name(enum breach b)
{
    ASSERT((size_t)b < COUNTOF(breaches));
    return breaches[b].name;
}

enum err breach_read(struct span s, enum breach *ret)
{
    for (size_t i = 0; i < COUNTOF(breaches); i++) {
        if (!span_eq(s, span_z(breaches[i].name)))
            continue;
        *ret = (enum breach)i;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

/* What tls_facts writes for the versions that we speak; 0: another. */
static int version_number(struct span version)
{
    if (span_eq(version, SPAN("TLSv1.2")))
        return 12;
    return span_eq(version, SPAN("TLSv1.3")) ? 13 : 0;
}

/* A private CA vouches only where it is named. */
static bool anchor_counts(const struct contract *c, const struct tls_facts *tls)
{
    if (!c->anchors)
        return !tls->anchor_private;
    for (unsigned i = 0; i < c->anchors->n; i++) {
        if (span_eq(c->anchors->name[i], tls->anchor))
            return true;
    }
    return false;
}

/* The certificate, for a contract that asks for one. */
static enum breach judge_chain(const struct contract *c, const struct tls_facts *tls)
{
    if (!anchor_counts(c, tls) || (!tls->chain_ok && !tls->expired))
        return BREACH_CHAIN;
    if (!tls->chain_ok && !c->allow_expired)
        return BREACH_EXPIRED;
    if (c->revocation != REVOCATION_OFF && tls->revoked == TLS_REVOKED_YES)
        return BREACH_REVOKED;
    if (c->revocation == REVOCATION_HARD && tls->revoked != TLS_REVOKED_NO)
        return BREACH_UNTOLD;
    return BREACH_NONE;
}

/* RFC 7672 3: what the records say is enough, and nothing else makes it good. */
static enum breach judge_tlsa(const struct tls_facts *tls)
{
    switch (tls->dane) {
    case TLS_DANE_EE:
    case TLS_DANE_TA:
        return BREACH_NONE;
    case TLS_DANE_EXPIRED:
        return BREACH_TLSA_EXPIRED;
    case TLS_DANE_NAME:
        return BREACH_TLSA_NAME;
    default:
        return BREACH_TLSA;
    }
}

static bool names_hold(const struct contract *c, const struct tls_facts *tls)
{
    for (unsigned i = 0; i < c->n_names; i++) {
        if (!names_match(c->names[i], tls->names))
            return false;
    }
    return tls->name_ok || (c->n_names > 0 && !c->host_name);
}

enum breach contract_judge(const struct contract *c, const struct tls_facts *tls)
{
    int version = tls->on ? version_number(tls->version) : 0;
    if (c->bar != BAR_NONE)
        return BREACH_BARRED;
    if (tls->on && version < CONTRACT_FLOOR_MIN)
        return BREACH_OLD;
    if (contract_allows_plaintext(c))
        return BREACH_NONE;
    if (!tls->on)
        return BREACH_PLAIN;
    if (version < c->floor)
        return BREACH_FLOOR;
    if (c->forward_secret && !tls->forward_secret)
        return BREACH_SECRECY;
    enum breach dane = c->tlsa ? judge_tlsa(tls) : BREACH_NONE;
    if (dane != BREACH_NONE)
        return dane;
    enum breach chain = c->need >= TLS_NEED_CHAIN ? judge_chain(c, tls) : BREACH_NONE;
    if (chain != BREACH_NONE)
        return chain;
    return c->need >= TLS_NEED_NAME && !names_hold(c, tls) ? BREACH_NAME : BREACH_NONE;
}

const char *breach_words(enum breach b)
{
    ASSERT((size_t)b < COUNTOF(breaches));
    return breaches[b].words;
}

const char *contract_breach(const struct contract *c, const struct tls_facts *tls)
{
    return breach_words(contract_judge(c, tls));
}
