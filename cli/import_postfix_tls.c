#include "cli/import_postfix.h"

/* TLS_README, postconf(5): smtp_tls_policy_maps and the smtp_tls_ parameters behind it. Start at
 * postfix_tls. */

enum { SHOWN_MAX = 120 };

static struct span seen(struct span s)
{
    return span_head(s, s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
}

/* The next of "a:b, c"; false: none left. */
static bool next_part(struct span *left, struct span *ret)
{
    static const char marks[] = " \t,:";
    size_t start = 0, n;
    while (start < left->n && left->p[start] && strchr(marks, left->p[start]))
        start++;
    for (n = start; n < left->n && !(left->p[n] && strchr(marks, left->p[n])); n++)
        ;
    *ret = span_of(left->p + start, n - start);
    *left = span_tail(*left, n);
    return ret->n > 0;
}

/* --- protocols --- */

static bool has_part(struct span list, const char *name)
{
    struct span part;
    while (next_part(&list, &part))
        if (span_eq_nocase(part, span_z(name)))
            return true;
    return false;
}

/* Some version is named as such: then the others are not allowed. */
static bool names_versions(struct span list)
{
    struct span part;
    while (next_part(&list, &part))
        if (!strchr("!<>", part.p[0]))
            return true;
    return false;
}

enum postfix_floor postfix_floor(struct span protocols, bool *ret_upper)
{
    bool named = names_versions(protocols);
    *ret_upper = has_part(protocols, "<=TLSv1.2") || has_part(protocols, "<=TLSv1.1") ||
                 has_part(protocols, "<=TLSv1") || has_part(protocols, "!TLSv1.3") ||
                 (named && !has_part(protocols, "TLSv1.3"));
    if (has_part(protocols, ">=TLSv1.3") || has_part(protocols, "!TLSv1.2"))
        return *ret_upper ? FLOOR_ANY : FLOOR_13;
    if (has_part(protocols, ">=TLSv1.2"))
        return FLOOR_12;
    return named && !*ret_upper && !has_part(protocols, "TLSv1.2") ? FLOOR_13 : FLOOR_ANY;
}

static void put_protocols(struct draft *d, struct draft_connector *c, struct span protocols)
{
    bool upper;
    enum postfix_floor floor = postfix_floor(protocols, &upper);
    if (floor == FLOOR_13)
        c->floor = 13;
    if (upper)
        draft_note(d, c, NOTE_LOST,
                   "protocols `%.*s` exclude newer versions of TLS; they are used here",
                   SPAN_ARG(seen(protocols)));
}

/* --- ciphers --- */

/* What the default profile does not offer: forward-secret AEAD suites with certificates only. */
static bool is_never_offered(struct span s)
{
    static const char *const names[] = {
        "3DES",  "DES",  "RC4",  "RC2",      "MD5", "aNULL", "eNULL", "NULL", "EXP", "EXPORT",
        "LOW",   "IDEA", "SEED", "CAMELLIA", "PSK", "SRP",   "kRSA",  "aDSS", "DSS", "SSLv2",
        "SSLv3", "SHA1", "SHA",  "kECDH",    "kDH", "ADH",   "AECDH", "GOST", "CBC", "ECDSA-NULL"
    };
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (span_eq_nocase(s, span_z(names[i])))
            return true;
    return false;
}

static void put_exclude(struct draft *d, struct draft_connector *c, struct span list)
{
    struct span item;
    while (next_part(&list, &item))
        if (!is_never_offered(item))
            draft_note(d, c, NOTE_OFF,
                       "exclude=%.*s: suites are not excluded one by one; the default profile has "
                       "forward-secret AEAD suites only: set the mode when that is enough",
                       SPAN_ARG(seen(item)));
}

static void put_ciphers(struct draft *d, struct draft_connector *c, struct span grade)
{
    if (grade.n == 0 || span_eq_nocase(grade, SPAN("null")))
        return;
    draft_note(d, c, NOTE_REMARK,
               "ciphers=%.*s: the profile is the same for all (tls { profile }), by default only "
               "forward-secret AEAD suites, which is no weaker",
               SPAN_ARG(seen(grade)));
}

/* --- names --- */

struct matching {
    struct draft *d;
    struct draft_connector *c;
    const struct postfix_hop *hop;
    bool by_host; /* the name of the host was asked for */
};

static void add_name(const struct matching *k, struct span name)
{
    struct span as_ours;
    if (draft_name(k->d, name, &as_ours) == ERR_OK)
        draft_expect(k->d, k->c, &k->c->names, as_ours);
    else
        draft_note(k->d, k->c, NOTE_OFF,
                   "match: `%.*s` is no name that can be expected; say it in names",
                   SPAN_ARG(seen(name)));
}

static void add_below(const struct matching *k, struct span domain)
{
    add_name(k, draft_text(k->d, "*.%.*s", SPAN_ARG(seen(domain))));
}

/* nexthop, dot-nexthop of a pattern: each domain its own name, which one connector cannot say. */
static void match_many(const struct matching *k)
{
    if (k->hop->below.n > 0)
        add_below(k, k->hop->below);
    draft_note(k->d, k->c, NOTE_OFF,
               "match=nexthop of many domains: each would have to prove its own name; write a "
               "connector for each, or take the names that stand here%s",
               k->hop->below.n > 0 ? "" : " (none)");
}

static void match_one(struct matching *k, struct span item)
{
    bool dot = span_eq_nocase(item, SPAN("dot-nexthop"));
    if (span_eq_nocase(item, SPAN("hostname"))) {
        k->by_host = true;
    } else if (dot || span_eq_nocase(item, SPAN("nexthop"))) {
        if (k->hop->nexthop.n == 0)
            match_many(k);
        else if (dot)
            add_below(k, k->hop->nexthop);
        else
            add_name(k, k->hop->nexthop);
    } else if (item.p[0] == '.') {
        add_below(k, span_tail(item, 1));
    } else {
        add_name(k, item);
    }
}

static void put_match(struct draft *d, struct draft_connector *c, const struct postfix_hop *hop,
                      struct span list)
{
    struct matching k = { d, c, hop, false };
    struct span item;
    while (next_part(&list, &item))
        match_one(&k, item);
    if (k.by_host && c->names.n > 0)
        draft_note(d, c, NOTE_LOST,
                   "match=hostname beside other names: the host's own name is not enough here, the "
                   "others are");
    else if (k.by_host && c->mx)
        draft_note(d, c, NOTE_REMARK,
                   "match=hostname: by MX that is a name which DNS does not protect; better say "
                   "names = [...]");
    else if (!k.by_host && c->names.n == 0)
        draft_note(d, c, NOTE_OFF, "no name is left to match; say names = [...]");
}

/* --- levels --- */

static const struct level {
    const char *name;
    enum tls_need need;
    bool mandatory, verifies, by_nexthop; /* secure: nexthop by default */
    enum note_weight weight;
    const char *note; /* NULL: none */
} levels[] = {
    { "none", TLS_NEED_TRY, false, false, false, NOTE_LOST,
      "none: TLS is always tried, and used where it works" },
    { "may", TLS_NEED_TRY, false, false, false, NOTE_REMARK, NULL },
    { "encrypt", TLS_NEED_ENCRYPT, true, false, false, NOTE_REMARK, NULL },
    { "dane", TLS_NEED_TRY, false, false, false, NOTE_LOST,
      "dane: TLSA records raise nothing here; TLS is opportunistic" },
    { "half-dane", TLS_NEED_TRY, false, false, false, NOTE_LOST,
      "half-dane: TLSA records raise nothing here; TLS is opportunistic" },
    { "dane-only", TLS_NEED_ENCRYPT, true, false, false, NOTE_OFF,
      "dane-only: DANE is not judged here; switch it on to have encryption with any certificate, "
      "or say tls = domain with names" },
    { "fingerprint", TLS_NEED_ENCRYPT, true, false, false, NOTE_OFF,
      "fingerprint: an outbound connector pins no certificate and no key; say tls = domain with "
      "names, for which the certificate has to come from a CA" },
    { "verify", TLS_NEED_NAME, true, true, false, NOTE_REMARK, NULL },
    { "secure", TLS_NEED_NAME, true, true, true, NOTE_REMARK, NULL },
};

static const struct level *find_level(struct span name)
{
    for (size_t i = 0; i < COUNTOF(levels); i++)
        if (span_eq_nocase(name, span_z(levels[i].name)))
            return &levels[i];
    return NULL;
}

struct attributes {
    struct span match, protocols, ciphers, exclude;
    bool has_match;
};

/* Attributes that change nothing about who is trusted. */
static const struct {
    const char *name;
    enum note_weight weight;
    const char *why;
} others[] = {
    { "servername", NOTE_LOST, "SNI is the name of the host; see that its certificate has it" },
    { "tafile", NOTE_OFF, "an outbound connector has no CA of its own (tls { ca } is for all)" },
    { "connection_reuse", NOTE_REMARK, "connections are always used again where they are equal" },
    { "enable_rpk", NOTE_LOST, "raw public keys are not used; a certificate is demanded" },
    { "policy_type", NOTE_LOST, "from a resolver of policies: what it says may be out of date" },
    { "policy_ttl", NOTE_LOST, "from a resolver of policies: what it says may be out of date" },
    { "policy_domain", NOTE_REMARK, "for reports" },
    { "policy_string", NOTE_REMARK, "for reports" },
    { "policy_failure", NOTE_REMARK, "for reports" },
    { "mx_host_pattern", NOTE_LOST, "MX hosts are not compared with the policy of MTA-STS" },
};

static void put_other(struct draft *d, struct draft_connector *c, struct span name)
{
    for (size_t i = 0; i < COUNTOF(others); i++) {
        if (!span_eq_nocase(name, span_z(others[i].name)))
            continue;
        draft_note(d, c, others[i].weight, "%s: %s", others[i].name, others[i].why);
        return;
    }
    draft_note(d, c, NOTE_OFF, "%.*s= is not known here; see whether it restricts anything",
               SPAN_ARG(seen(name)));
}

/* Several match= add up, as in Postfix. */
static void add_match(struct draft *d, struct attributes *a, struct span more)
{
    a->has_match = true;
    a->match = a->match.n == 0
                   ? more
                   : draft_text(d, "%.*s:%.*s", SPAN_ARG(a->match), SPAN_ARG(seen(more)));
}

static bool put_attribute(struct draft *d, struct draft_connector *c, struct attributes *a,
                          struct span item)
{
    size_t equals = span_find(item, '=');
    struct span name = span_head(item, equals);
    if (equals == item.n && a->has_match) {
        add_match(d, a, item); /* match=one,two */
        return true;
    }
    if (equals == item.n)
        return false;
    struct span value = span_tail(item, equals + 1);
    if (span_eq_nocase(name, SPAN("match")))
        add_match(d, a, value);
    else if (span_eq_nocase(name, SPAN("protocols")))
        a->protocols = value;
    else if (span_eq_nocase(name, SPAN("ciphers")))
        a->ciphers = value;
    else if (span_eq_nocase(name, SPAN("exclude")))
        a->exclude = value;
    else
        put_other(d, c, name);
    return true;
}

static enum err fail_at(const struct maincf *m, const struct table_entry *e, const char *what,
                        struct span text)
{
    why_set(m->why, "%.*s:%d: `%.*s` is %s", SPAN_ARG(e->file), e->line, SPAN_ARG(seen(text)),
            what);
    return ERR_SYNTAX;
}

static void put_level(const struct postfix_tls *t, const struct level *level,
                      const struct attributes *a, const struct postfix_hop *hop,
                      struct draft_connector *c)
{
    struct draft *d = t->m->d;
    c->tls = level->need;
    if (level->note)
        draft_note(d, c, level->weight, "%s", level->note);
    if (!level->mandatory)
        return; /* nothing better than plaintext is refused */
    put_protocols(d, c, a->protocols);
    put_ciphers(d, c, a->ciphers);
    put_exclude(d, c, a->exclude);
    if (!level->verifies)
        return;
    put_match(d, c, hop,
              a->match.n > 0      ? a->match
              : level->by_nexthop ? t->secure_match
                                  : t->verify_match);
    if (t->own_ca.n > 0)
        draft_note(
            d, c, NOTE_OFF,
            "Postfix trusts the CAs in %.*s only; say tls { ca = \"%.*s\" } and set the mode",
            SPAN_ARG(seen(t->own_ca)), SPAN_ARG(seen(t->own_ca)));
}

enum err postfix_tls(const struct postfix_tls *t, const struct table_entry *e,
                     const struct postfix_hop *hop, struct draft_connector *c)
{
    struct attributes a = { .protocols = t->protocols,
                            .ciphers = t->ciphers,
                            .exclude = t->exclude };
    struct span left = e ? e->value : t->level, name, item;
    if (!maincf_item(&left, &name))
        name = SPAN("may");
    const struct level *level = find_level(name);
    if (!level && !e)
        return maincf_error(t->m, NULL, "smtp_tls_security_level: `%.*s` is no level",
                            SPAN_ARG(seen(name)));
    if (!level)
        return fail_at(t->m, e,
                       "no level; write none, may, encrypt, dane, dane-only, fingerprint, verify "
                       "or secure",
                       name);
    while (e && maincf_item(&left, &item))
        if (!put_attribute(t->m->d, c, &a, item))
            return fail_at(t->m, e, "no name=value", item);
    put_level(t, level, &a, hop, c);
    return ERR_OK;
}

/* --- main.cf --- */

static bool is_system_ca(struct span path)
{
    static const char *const paths[] = { "/etc/ssl/certs/ca-certificates.crt",
                                         "/etc/ssl/certs/ca-bundle.crt",
                                         "/etc/ssl/certs",
                                         "/etc/ssl/certs/",
                                         "/etc/ssl/cert.pem",
                                         "/etc/ssl/ca-bundle.pem",
                                         "/etc/pki/tls/certs",
                                         "/etc/pki/tls/cert.pem",
                                         "/etc/pki/tls/certs/ca-bundle.crt" };
    for (size_t i = 0; i < COUNTOF(paths); i++)
        if (span_eq(path, span_z(paths[i])))
            return true;
    return path.n == 0;
}

/* Before there were levels. */
static enum err old_level(struct maincf *m, struct span *level)
{
    struct span enforce, peername;
    TRY(maincf_get(m, "smtp_enforce_tls", "no", &enforce));
    TRY(maincf_get(m, "smtp_tls_enforce_peername", "yes", &peername));
    (void)maincf_find(m, "smtp_use_tls");
    if (level->n > 0)
        return ERR_OK;
    bool names = span_eq_nocase(peername, SPAN("yes"));
    *level = !span_eq_nocase(enforce, SPAN("yes")) ? SPAN("may")
             : names                               ? SPAN("verify")
                                                   : SPAN("encrypt");
    return ERR_OK;
}

enum err postfix_tls_read(struct maincf *m, struct postfix_tls *ret)
{
    struct postfix_tls t = { .m = m };
    struct span file, folder, mandatory, all;
    TRY(maincf_get(m, "smtp_tls_security_level", "", &t.level));
    TRY(old_level(m, &t.level));
    TRY(maincf_get(m, "smtp_tls_verify_cert_match", "hostname", &t.verify_match));
    TRY(maincf_get(m, "smtp_tls_secure_cert_match", "nexthop, dot-nexthop", &t.secure_match));
    TRY(maincf_get(m, "smtp_tls_mandatory_protocols", "", &t.protocols));
    TRY(maincf_get(m, "smtp_tls_mandatory_ciphers", "", &t.ciphers));
    TRY(maincf_get(m, "smtp_tls_mandatory_exclude_ciphers", "", &mandatory));
    TRY(maincf_get(m, "smtp_tls_exclude_ciphers", "", &all));
    t.exclude = draft_text(m->d, "%.*s %.*s", SPAN_ARG(mandatory), SPAN_ARG(all));
    TRY(maincf_get(m, "smtp_tls_CAfile", "", &file));
    TRY(maincf_get(m, "smtp_tls_CApath", "", &folder));
    t.own_ca = !is_system_ca(file) ? file : !is_system_ca(folder) ? folder : SPAN_NONE;
    const struct maincf_param *p = maincf_find(m, "smtp_tls_security_level");
    t.place = p ? draft_text(m->d, "main.cf:%d", p->line) : SPAN("main.cf");
    *ret = t;
    return ERR_OK;
}
