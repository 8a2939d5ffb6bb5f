#include "policy/contract.h"

static const char *const need_names[TLS_NEED_COUNT_] = {
    [TLS_NEED_TRY] = "try",
    [TLS_NEED_ENCRYPT] = "encrypt",
    [TLS_NEED_CHAIN] = "chain",
    [TLS_NEED_NAME] = "name",
};

static const char *const breach_words[BREACH_COUNT_] = {
    [BREACH_NONE] = NULL,
    [BREACH_PLAIN] = "the channel is not encrypted",
    [BREACH_OLD] = "the TLS version is below 1.2",
    [BREACH_FLOOR] = "the TLS version is below the one demanded",
    [BREACH_SECRECY] = "the cipher suite has no forward secrecy",
    [BREACH_CHAIN] = "the certificate does not chain to a trusted root",
    [BREACH_NAME] = "the certificate does not name the host",
};

static const struct {
    unsigned rule;
    const char *name;
} rule_names[] = {
    { RULE_DEFAULT, "default" },
    { RULE_ROUTE, "route" },
    { RULE_LOCAL, "local" },
    { RULE_REQUIRETLS, "requiretls" },
};

struct contract contract_none(void)
{
    return (struct contract){ .need = TLS_NEED_TRY, .floor = CONTRACT_FLOOR_MIN };
}

struct contract contract_join(struct contract a, struct contract b)
{
    return (struct contract){
        .need = a.need > b.need ? a.need : b.need,
        .forward_secret = a.forward_secret || b.forward_secret,
        .floor = a.floor > b.floor ? a.floor : b.floor,
        .rules = a.rules | b.rules,
    };
}

bool contract_at_least(const struct contract *a, const struct contract *b)
{
    return a->need >= b->need && a->floor >= b->floor && a->forward_secret >= b->forward_secret;
}

bool contract_eq(const struct contract *a, const struct contract *b)
{
    return contract_at_least(a, b) && contract_at_least(b, a);
}

/* What tls_facts writes for the versions that we speak; 0: another. */
static int version_number(struct span version)
{
    if (span_eq(version, SPAN("TLSv1.2")))
        return 12;
    return span_eq(version, SPAN("TLSv1.3")) ? 13 : 0;
}

const char *contract_digest(const struct contract *c, char ret[static CONTRACT_DIGEST_MAX])
{
    struct buf text;
    buf_init(&text, CONTRACT_DIGEST_MAX - 1);
    buf_putf(&text, "%s.%d.fs%d", tls_need_name(c->need), c->floor, c->forward_secret);
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

void contract_print(const struct contract *c, struct buf *out)
{
    buf_putf(out, "tls=%s floor=%d.%d fs=%s asked-by=", tls_need_name(c->need), c->floor / 10,
             c->floor % 10, c->forward_secret ? "yes" : "no");
    const char *comma = "";
    for (size_t i = 0; i < COUNTOF(rule_names); i++) {
        if (!(c->rules & rule_names[i].rule))
            continue;
        buf_putf(out, "%s%s", comma, rule_names[i].name);
        comma = ",";
    }
    if (c->rules == 0)
        buf_put(out, SPAN("nobody"));
}

enum breach contract_judge(const struct contract *c, const struct tls_facts *tls)
{
    int version = tls->on ? version_number(tls->version) : 0;
    if (tls->on && version < CONTRACT_FLOOR_MIN)
        return BREACH_OLD;
    if (c->need == TLS_NEED_TRY)
        return BREACH_NONE;
    if (!tls->on)
        return BREACH_PLAIN;
    if (version < c->floor)
        return BREACH_FLOOR;
    if (c->forward_secret && !tls->forward_secret)
        return BREACH_SECRECY;
    if (c->need >= TLS_NEED_CHAIN && !tls->chain_ok)
        return BREACH_CHAIN;
    if (c->need >= TLS_NEED_NAME && !tls->name_ok)
        return BREACH_NAME;
    return BREACH_NONE;
}

const char *contract_breach(const struct contract *c, const struct tls_facts *tls)
{
    return breach_words[contract_judge(c, tls)];
}
