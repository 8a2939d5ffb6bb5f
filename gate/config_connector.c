#include "gate/config_org.h"
#include <stdlib.h>

/* `inbound` and `outbound`. Both are read by one table into one struct block; the table says for
 * which direction and kind a setting is, and what does not fit is refused. Then come the checks of
 * what must be said together, and what becomes of it. */

enum {
    PATTERNS_MAX = 10000,
    NAMES_MAX = 256,
    NETWORKS_MAX = 4096,
};

enum row {
    ROW_KIND,
    ROW_MODE,
    ROW_OWNER,
    ROW_COMMENT,
    ROW_CREATED,
    ROW_CHANGED,
    ROW_VERSION,
    ROW_REVOCATION,
    ROW_ALLOW,
    ROW_FROM,
    ROW_CERTIFICATE_NAMES,
    ROW_WILDCARDS,
    ROW_PUBLIC_KEYS,
    ROW_CA,
    ROW_ADDRESSES,
    ROW_REQUIRE_TLS,
    ROW_RESTRICT_CERTIFICATE,
    ROW_RESTRICT_ADDRESSES,
    ROW_CLIENT_USAGE,
    ROW_TRUST_HEADERS,
    ROW_TO,
    ROW_ACCEPTED,
    ROW_EVERYTHING,
    ROW_HEADER,
    ROW_MX,
    ROW_SMTP,
    ROW_TLS,
    ROW_NAMES,
    ROW_CERTIFICATE,
    ROW_DANE,
    ROW_MTA_STS,
    ROW_COUNT_
};

struct block {
    struct connector c;
    int kind, mode, version, revocation; /* version, of the row's names: 1.2, 1.3 */
    /* inbound */
    struct span_list from, certificate_names, public_keys;
    const struct make_ca *ca;
    struct net_list addresses;
    bool wildcards, require_tls, restrict_certificate, restrict_addresses, trust_headers;
    int client_usage;
    /* outbound */
    struct span_list to, header, names;
    bool accepted, everything, mx;
    struct host_list smtp;
    int tls;                 /* enum tls_need */
    int dane, sts;           /* enum dane_mode, enum sts_mode */
    struct span certificate; /* config_org.c looks it up when it knows all labels */

    const struct tree *at, *seen[SETTINGS_MAX]; /* by enum row */
};

/* --- the table --- */

static const char *const kind_names[] = { "partner", "on-premises", NULL };
static const char *const mode_names[] = { "off", "test", "enforce", NULL };
static const char *const version_names[] = { "1.2", "1.3", NULL };
static const char *const revocation_names[] = { "off", "soft", "hard", NULL };
static const char *const dane_names[] = { "off", "opportunistic", "mandatory", NULL };
static const char *const sts_names[] = { "off", "opportunistic", NULL };
static const char *const usage_names[] = { "any", "client", NULL };
STATIC_ASSERT(CONNECTOR_PARTNER == 0 && CONNECTOR_ON_PREMISES == 1);
STATIC_ASSERT(CONNECTOR_OFF == 0 && CONNECTOR_TEST == 1 && CONNECTOR_ENFORCE == 2);
STATIC_ASSERT(DANE_OFF == 0 && DANE_OPPORTUNISTIC == 1 && DANE_MANDATORY == 2);
STATIC_ASSERT(STS_OFF == 0 && STS_OPPORTUNISTIC == 1);
STATIC_ASSERT(REVOCATION_OFF == 0 && REVOCATION_SOFT == 1 && REVOCATION_HARD == 2);

#define AT(member) .offset = offsetof(struct block, member)

static const struct setting rows[ROW_COUNT_] = {
    [ROW_KIND] = { "kind", "kind = partner", .read = read_choice, AT(kind), .names = kind_names },
    [ROW_MODE] = { "mode", "mode = enforce", .read = read_choice, AT(mode), .names = mode_names },
    [ROW_OWNER] = { "owner", "owner = \"it@example.org\"", .read = make_note, AT(c.owner) },
    [ROW_COMMENT] = { "comment", "comment = \"as agreed\"", .read = make_note, AT(c.comment) },
    [ROW_CREATED] = { "created", "created = 2026-01-31", .read = make_note, AT(c.created) },
    [ROW_CHANGED] = { "changed", "changed = 2026-01-31", .read = make_note, AT(c.changed) },
    [ROW_VERSION] = { "minimum_version", "minimum_version = 1.3", .read = read_choice, AT(version),
                      .names = version_names },
    [ROW_REVOCATION] = { "revocation", "revocation = soft", .read = read_choice, AT(revocation),
                         .names = revocation_names },
    [ROW_ALLOW] = { "allow",
                    "allow \"plaintext\" { owner = \"it@example.org\", reason = \"their new "
                    "server\", "
                    "until = 2026-12-31 }",
                    SETTING_NAMED, .many = true, .read = make_allow, AT(c.weakening) },
    [ROW_FROM] = { "from", "from = [\"partner.example\", \"*.partner.example\"]", SETTING_LIST,
                   .read = make_patterns, AT(from), .most = PATTERNS_MAX },
    [ROW_CERTIFICATE_NAMES] = { "certificate_names", "certificate_names = \"mx.partner.example\"",
                                SETTING_LIST, .read = make_expected, AT(certificate_names),
                                .most = NAMES_MAX },
    [ROW_WILDCARDS] = { "wildcards", "wildcards = yes", .read = read_flag, AT(wildcards) },
    [ROW_PUBLIC_KEYS] = { "public_keys", "public_keys = \"<64 hex digits>\"", SETTING_LIST,
                          .read = make_pins, AT(public_keys), .most = NAMES_MAX },
    [ROW_CA] = { "ca", "ca = \"partner-ca.pem\"", .read = make_ca, AT(ca) },
    [ROW_ADDRESSES] = { "addresses", "addresses = [\"192.0.2.0/28\", \"2001:db8::1\"]",
                        SETTING_LIST, .read = make_addresses, AT(addresses), .most = NETWORKS_MAX },
    [ROW_REQUIRE_TLS] = { "require_tls", "require_tls = yes", .read = read_flag, AT(require_tls) },
    [ROW_RESTRICT_CERTIFICATE] = { "restrict_to_certificate", "restrict_to_certificate = yes",
                                   .read = read_flag, AT(restrict_certificate) },
    [ROW_RESTRICT_ADDRESSES] = { "restrict_to_addresses", "restrict_to_addresses = yes",
                                 .read = read_flag, AT(restrict_addresses) },
    [ROW_CLIENT_USAGE] = { "client_usage", "client_usage = client", .read = read_choice,
                           AT(client_usage), .names = usage_names },
    [ROW_TRUST_HEADERS] = { "trust_headers", "trust_headers = yes", .read = read_flag,
                            AT(trust_headers) },
    [ROW_TO] = { "to", "to = [\"partner.example\", \"*.partner.example\"]", SETTING_LIST,
                 .read = make_patterns, AT(to), .most = PATTERNS_MAX },
    [ROW_ACCEPTED] = { "accepted", "accepted = yes", .read = read_flag, AT(accepted) },
    [ROW_EVERYTHING] = { "everything", "everything = yes", .read = read_flag, AT(everything) },
    [ROW_HEADER] = { "header", "header = [\"X-Route-Via\", \"secure\"]", SETTING_LIST,
                     .read = make_header, AT(header) },
    [ROW_MX] = { "mx", "mx = yes", .read = read_flag, AT(mx) },
    [ROW_SMTP] = { "smtp", "smtp = [\"10.0.0.5:25\", \"mail.internal\"]", SETTING_LIST,
                   .read = make_smtp_hosts, AT(smtp) },
    [ROW_TLS] = { "tls", "tls = domain", .read = read_choice, AT(tls), .names = make_tls_names },
    [ROW_NAMES] = { "names", "names = \"*.partner.example\"", SETTING_LIST, .read = make_expected,
                    AT(names), .most = NAMES_MAX },
    [ROW_CERTIFICATE] = { "certificate", "certificate = \"ours\"", .read = read_string,
                          AT(certificate) },
    [ROW_DANE] = { "dane", "dane = opportunistic", .read = read_choice, AT(dane),
                   .names = dane_names },
    [ROW_MTA_STS] = { "mta_sts", "mta_sts = opportunistic", .read = read_choice, AT(sts),
                      .names = sts_names },
};
STATIC_ASSERT((int)ROW_COUNT_ <= (int)SETTINGS_MAX);

/* For which connectors a setting is; none said: for all. */
enum {
    FOR_IN_PARTNER = 1 << 0,
    FOR_IN_OWN = 1 << 1,
    FOR_OUT_PARTNER = 1 << 2,
    FOR_OUT_OWN = 1 << 3,
    FOR_IN = FOR_IN_PARTNER | FOR_IN_OWN,
    FOR_OUT = FOR_OUT_PARTNER | FOR_OUT_OWN,
};

static const uint8_t fits[ROW_COUNT_] = {
    [ROW_FROM] = FOR_IN,
    [ROW_CERTIFICATE_NAMES] = FOR_IN,
    [ROW_WILDCARDS] = FOR_IN,
    [ROW_PUBLIC_KEYS] = FOR_IN,
    [ROW_CA] = FOR_IN,
    [ROW_ADDRESSES] = FOR_IN,
    [ROW_REQUIRE_TLS] = FOR_IN,
    [ROW_RESTRICT_CERTIFICATE] = FOR_IN_PARTNER,
    [ROW_RESTRICT_ADDRESSES] = FOR_IN_PARTNER,
    [ROW_CLIENT_USAGE] = FOR_IN,
    [ROW_TRUST_HEADERS] = FOR_IN_OWN,
    [ROW_TO] = FOR_OUT,
    [ROW_ACCEPTED] = FOR_OUT_OWN,
    [ROW_EVERYTHING] = FOR_OUT_OWN,
    [ROW_HEADER] = FOR_OUT,
    [ROW_MX] = FOR_OUT,
    [ROW_SMTP] = FOR_OUT,
    [ROW_TLS] = FOR_OUT,
    [ROW_NAMES] = FOR_OUT,
    [ROW_CERTIFICATE] = FOR_OUT,
    [ROW_DANE] = FOR_OUT,
    [ROW_MTA_STS] = FOR_OUT,
};

static enum err check_fits(struct reader *r, const struct block *b, bool out)
{
    static const char *const ways[] = { "inbound", "outbound" };
    unsigned way = out ? FOR_OUT : FOR_IN;
    unsigned kind =
        b->kind == CONNECTOR_PARTNER ? FOR_IN_PARTNER | FOR_OUT_PARTNER : FOR_IN_OWN | FOR_OUT_OWN;
    for (size_t i = 0; i < ROW_COUNT_; i++) {
        if (!b->seen[i] || fits[i] == 0)
            continue;
        if (!(fits[i] & way))
            return read_fail(r, b->seen[i], NULL,
                             "`%s` is for %s connectors and this is an %s one; remove it",
                             rows[i].name, ways[!out], ways[out]);
        if (!(fits[i] & way & kind))
            return read_fail(r, b->seen[i], NULL,
                             "`%s` is for connectors of kind %s and this one is of kind %s; "
                             "remove it",
                             rows[i].name, kind_names[!b->kind], kind_names[b->kind]);
    }
    return ERR_OK;
}

static enum err read_block(struct reader *r, const struct tree *t, bool out, struct block *ret)
{
    const struct settings settings = { out ? "outbound" : "inbound", rows, ROW_COUNT_ };
    *ret = (struct block){ .at = t };
    for (const struct tree *node = t->child; node; node = node->next)
        TRY(setting_read(r, node, &settings, ret->seen, ret));
    if (!ret->seen[ROW_KIND])
        return read_fail(r, t, NULL,
                         "`kind` is missing: kind = partner is somebody else, kind = on-premises "
                         "a server of the organisation");
    if (!ret->seen[ROW_MODE])
        return read_fail(r, t, NULL,
                         "`mode` is missing: mode = enforce, mode = test (judged and told, nothing "
                         "changes) or mode = off");
    return check_fits(r, ret, out);
}

/* What row says gives or asks nothing as long as `needs` is not there. */
static enum err idle(struct reader *r, const struct block *b, enum row row, const char *needs)
{
    return read_fail(r, b->seen[row], NULL, "`%s` means nothing without %s; add it, or remove `%s`",
                     rows[row].name, needs, rows[row].name);
}

static const struct tree *weakening_at(const struct block *b, const char *name)
{
    const struct tree *t = b->at->child;
    while (!span_eq(t->name, SPAN("allow")) || !span_eq(t->args->text, span_z(name)))
        t = t->next;
    return t;
}

/* Weakenings of what is not asked. needs: by enum weakening_kind; NULL: it may stand. */
static enum err check_weakenings(struct reader *r, const struct block *b,
                                 const char *const needs[static WEAKEN_COUNT_])
{
    for (enum weakening_kind k = WEAKEN_PLAINTEXT; k < WEAKEN_COUNT_; k++) {
        const char *name = weakening_name(k);
        if (b->c.weakening[k].until_ms != 0 && needs[k])
            return read_fail(r, weakening_at(b, name), NULL,
                             "`allow \"%s\"` gives up nothing without %s; remove it", name,
                             needs[k]);
    }
    return ERR_OK;
}

/* --- inbound --- */

/* Something in a certificate tells the client. */
static bool knows_certificate(const struct block *b)
{
    return b->certificate_names.n > 0 || b->public_keys.n > 0 || b->ca;
}

static enum err check_partner(struct reader *r, const struct block *b)
{
    if (b->restrict_certificate && !knows_certificate(b))
        return read_fail(r, b->seen[ROW_RESTRICT_CERTIFICATE], NULL,
                         "`restrict_to_certificate` wants to know which certificate; add "
                         "`certificate_names`, `public_keys` or `ca`");
    if (b->restrict_addresses && b->addresses.n == 0)
        return read_fail(r, b->seen[ROW_RESTRICT_ADDRESSES], NULL,
                         "`restrict_to_addresses` wants to know which addresses; add `addresses`");
    if (b->require_tls || b->restrict_certificate || b->restrict_addresses)
        return ERR_OK;
    return read_fail(r, b->at, NULL,
                     "this partner connector restricts nothing; add one of: `require_tls = yes`; "
                     "`restrict_to_certificate = yes` with `certificate_names`, `public_keys` or "
                     "`ca`; `restrict_to_addresses = yes` with `addresses`");
}

static enum err check_own(struct reader *r, const struct block *b)
{
    if (b->ca && b->certificate_names.n == 0)
        return read_fail(r, b->seen[ROW_CA], NULL,
                         "`ca` says who signed a certificate and not whose it is; add "
                         "`certificate_names`");
    if (b->certificate_names.n > 0 || b->public_keys.n > 0 || b->addresses.n > 0)
        return ERR_OK;
    return read_fail(r, b->at, NULL,
                     "this on-premises connector knows no server; add one of `certificate_names`, "
                     "`public_keys` or `addresses`");
}

static enum err check_wildcards(struct reader *r, const struct block *b)
{
    const struct tree *t = b->seen[ROW_CERTIFICATE_NAMES];
    if (!t || b->wildcards)
        return ERR_OK;
    for (const struct tree_value *v = t->values; v; v = v->next)
        if (v->text.p[0] == '*')
            return read_fail(r, t, v,
                             "`%.*s` takes in every server of that domain; name the servers, or "
                             "say `wildcards = yes`",
                             SPAN_ARG(shown(v->text)));
    return ERR_OK;
}

/* The addresses of own servers open the relay to them, as `networks` do. */
static enum err check_addresses(struct reader *r, const struct block *b)
{
    const struct tree *t = b->seen[ROW_ADDRESSES];
    const struct tree_value *v = t ? t->values : NULL;
    for (unsigned i = 0; v; v = v->next, i++) {
        const struct ip_net *net = &b->addresses.item[i];
        if (b->kind == CONNECTOR_ON_PREMISES && relay_network_too_wide(net))
            return read_fail(r, t, v,
                             "`%.*s` would make this an open relay; list the servers of the "
                             "organisation, as in %s",
                             SPAN_ARG(shown(v->text)), rows[ROW_ADDRESSES].example);
        if (net->bits == 0)
            return read_fail(r, t, v, "`%.*s` is everybody; list the addresses of the partner",
                             SPAN_ARG(shown(v->text)));
    }
    return ERR_OK;
}

static enum err check_inbound(struct reader *r, const struct block *b)
{
    static const char signers[] = "`certificate_names` or `ca`";
    bool chain = b->certificate_names.n > 0 || b->ca;
    const char *const needs[WEAKEN_COUNT_] = {
        [WEAKEN_PLAINTEXT] = b->require_tls ? NULL : "`require_tls = yes`",
        [WEAKEN_EXPIRED] = chain ? NULL : signers,
        [WEAKEN_NAME] = "an `outbound` connector",
    };
    TRY(b->kind == CONNECTOR_PARTNER ? check_partner(r, b) : check_own(r, b));
    TRY(check_wildcards(r, b));
    TRY(check_addresses(r, b));
    if (b->version > 0 && !b->require_tls)
        return idle(r, b, ROW_VERSION, "`require_tls = yes`");
    if (b->revocation != REVOCATION_OFF && !chain)
        return idle(r, b, ROW_REVOCATION, signers);
    if (b->client_usage > 0 && !knows_certificate(b))
        return idle(r, b, ROW_CLIENT_USAGE, "`certificate_names`, `public_keys` or `ca`");
    return check_weakenings(r, b, needs);
}

/* --- sets of names: equal ones are one --- */

static int name_order(const void *a, const void *b)
{
    return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static const struct name_set *intern_names(struct config_make *m, const struct span_list *list)
{
    struct buf key;
    if (list->n == 0)
        return NULL;
    qsort(list->item, list->n, sizeof *list->item, name_order);
    buf_init(&key, (size_t)NAMES_MAX * 256);
    for (unsigned i = 0; i < list->n; i++) {
        buf_put(&key, list->item[i]);
        buf_put(&key, SPAN("\n"));
    }
    struct name_set *set = map_get(&m->name_set, buf_span(&key));
    if (!set) {
        set = ARENA_NEW(&m->config->arena, struct name_set);
        *set = (struct name_set){ (unsigned)m->name_set.n + 1, list->n, list->item };
        map_put(&m->name_set, buf_span(&key), set);
    }
    buf_done(&key);
    return set;
}

/* --- inbound, continued: what becomes of it --- */

static void use_common(struct connector *to, const struct block *b)
{
    *to = b->c;
    to->kind = (enum connector_kind)b->kind;
    to->mode = (enum connector_mode)b->mode;
    to->line = b->at->line;
}

static int floor_of(const struct block *b)
{
    return CONTRACT_FLOOR_MIN + b->version;
}

enum err make_inbound(struct reader *r, const struct tree *t, struct in_connector *ret)
{
    static struct span everybody[] = { { "*", 1 } };
    struct config_make *m = make_of(r);
    struct block b;
    TRY(read_block(r, t, false, &b));
    TRY(check_inbound(r, &b));
    use_common(&ret->c, &b);
    ret->sender = b.from.n > 0 ? b.from.item : everybody;
    ret->n_sender = b.from.n > 0 ? b.from.n : 1;
    const struct name_set *names = intern_names(m, &b.certificate_names);
    if (names)
        ret->names = *names;
    ret->pin = b.public_keys.item;
    ret->n_pin = b.public_keys.n;
    ret->anchor = b.ca ? b.ca->digest : NULL;
    ret->n_anchor = b.ca ? b.ca->n : 0;
    ret->network = b.addresses.item;
    ret->n_network = b.addresses.n;
    ret->require_tls = b.require_tls;
    ret->restrict_certificate = b.restrict_certificate;
    ret->restrict_addresses = b.restrict_addresses;
    ret->floor = floor_of(&b);
    ret->eku_client = b.client_usage > 0;
    ret->revocation = (enum revocation)b.revocation;
    ret->trust_headers = b.trust_headers;
    if (knows_certificate(&b) && b.mode != CONNECTOR_OFF)
        m->want_client_cert = true;
    return ERR_OK;
}

/* --- outbound --- */

static enum err check_goal(struct reader *r, const struct block *b)
{
    if (b->to.n == 0 && !b->accepted && !b->everything && b->header.n == 0)
        return read_fail(r, b->at, NULL,
                         "this outbound connector says not for which mail it is; add `to` or "
                         "`header`, or, on-premises, `accepted = yes` or `everything = yes`");
    if (b->everything && (b->to.n > 0 || b->accepted))
        return read_fail(r, b->seen[ROW_EVERYTHING], NULL,
                         "`everything` takes in what `to` and `accepted` say; remove the one or "
                         "the others");
    if (b->mx == (b->smtp.n > 0))
        return read_fail(r, b->at, NULL,
                         b->mx ? "this outbound connector says twice where its mail goes; keep one "
                                 "of `mx = yes` and `smtp`"
                               : "this outbound connector says not where its mail goes; add `mx = "
                                 "yes` or `smtp`");
    return ERR_OK;
}

/* An address has no name that a certificate could show. */
static enum err check_named(struct reader *r, const struct block *b)
{
    if (b->tls != TLS_NEED_NAME || b->names.n > 0)
        return ERR_OK;
    for (unsigned i = 0; i < b->smtp.n; i++)
        if (b->smtp.item[i].ip.family != IP_NONE)
            return read_fail(r, b->seen[ROW_TLS], b->seen[ROW_TLS]->values,
                             "`tls = domain` looks for a name and %.*s is an address; add `names`",
                             SPAN_ARG(b->smtp.item[i].name));
    return ERR_OK;
}

/* The first host of `smtp` that is an address, or the first that is a name; NULL: none is. */
static const struct route_host *host_that_is(const struct block *b, bool address)
{
    for (unsigned i = 0; i < b->smtp.n; i++)
        if ((b->smtp.item[i].ip.family != IP_NONE) == address)
            return &b->smtp.item[i];
    return NULL;
}

/* An address publishes nothing: TLSA records and policies are found by names. */
static enum err check_published(struct reader *r, const struct block *b)
{
    const struct route_host *address = host_that_is(b, true);
    bool names = b->mx || host_that_is(b, false);
    if (b->dane == DANE_MANDATORY && address)
        return read_fail(r, b->seen[ROW_DANE], b->seen[ROW_DANE]->values,
                         "`dane = mandatory` looks up TLSA records by name and %.*s is an address; "
                         "name the host",
                         SPAN_ARG(address->name));
    for (enum row row = ROW_DANE; row <= ROW_MTA_STS; row++)
        if ((row == ROW_DANE ? b->dane : b->sts) > 0 && !names)
            return idle(r, b, row, "a host that has a name");
    return ERR_OK;
}

static enum err check_outbound(struct reader *r, const struct block *b)
{
    static const char encrypt[] = "`tls = encrypt` or more";
    static const char chain[] = "`tls = certificate` or `tls = domain`";
    static const char domain[] = "`tls = domain`";
    const char *const needs[WEAKEN_COUNT_] = {
        [WEAKEN_PLAINTEXT] = b->tls >= TLS_NEED_ENCRYPT ? NULL : encrypt,
        [WEAKEN_EXPIRED] = b->tls >= TLS_NEED_CHAIN ? NULL : chain,
        [WEAKEN_NAME] = b->tls >= TLS_NEED_NAME ? NULL : domain,
    };
    TRY(check_goal(r, b));
    if (b->names.n > 0 && b->tls < TLS_NEED_NAME)
        return idle(r, b, ROW_NAMES, domain);
    if (b->version > 0 && b->tls < TLS_NEED_ENCRYPT)
        return idle(r, b, ROW_VERSION, encrypt);
    if (b->revocation != REVOCATION_OFF && b->tls < TLS_NEED_CHAIN)
        return idle(r, b, ROW_REVOCATION, chain);
    TRY(check_named(r, b));
    TRY(check_published(r, b));
    return check_weakenings(r, b, needs);
}

/* What the connector demands, weakenings apart. */
static struct contract block_contract(struct config_make *m, const struct block *b)
{
    struct contract c = contract_none();
    c.need = (enum tls_need)b->tls;
    c.floor = floor_of(b);
    c.revocation = (enum revocation)b->revocation;
    c.names[0] = intern_names(m, &b->names);
    c.n_names = c.names[0] != NULL;
    c.rules = RULE_CONNECTOR;
    c.dane = (enum dane_mode)b->dane;
    c.sts = (enum sts_mode)b->sts;
    return c;
}

enum err make_outbound(struct reader *r, const struct tree *t, struct out_connector *ret,
                       struct make_connector *made)
{
    struct block b;
    TRY(read_block(r, t, true, &b));
    TRY(check_outbound(r, &b));
    use_common(&ret->c, &b);
    ret->recipient = b.to.item;
    ret->n_recipient = b.to.n;
    ret->accepted = b.accepted;
    ret->everything = b.everything;
    if (b.header.n > 0) {
        ret->rule_header = b.header.item[0];
        ret->rule_value = b.header.item[1];
    }
    ret->route = (struct route){
        .kind = b.mx ? ROUTE_MX : ROUTE_SMTP,
        .pattern = b.to.n > 0 ? b.to.item[0] : SPAN("*"),
        .host = b.smtp.item,
        .n_host = b.smtp.n,
        .contract = block_contract(make_of(r), &b),
        .line = t->line,
    };
    bool named = b.mx || host_that_is(&b, false);
    made->certificate = b.seen[ROW_CERTIFICATE];
    made->usual_dane = named && !b.seen[ROW_DANE];
    made->usual_sts = named && !b.seen[ROW_MTA_STS];
    return ERR_OK;
}
