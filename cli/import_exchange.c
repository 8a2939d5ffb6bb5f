#include "cli/import_exchange.h"

#include "cli/import_params.h"

/* Start at put_inbound and put_outbound: each goes through the parameters in the order of the
 * documentation of New-InboundConnector and New-OutboundConnector. */

/* --- both directions --- */

/* Exchange's "*.x" is x and all below; ours only what is below. */
static bool add_both(const struct mapping *m, struct draft_list *l, struct span name)
{
    if (span_starts(name, SPAN("*."))) {
        struct span bare = span_tail(name, 2);
        if (!draft_list_has(l, bare) && l == &m->c->domain &&
            !draft_list_add(m->d, &m->c->implied, bare))
            return false;
        if (!draft_list_add(m->d, l, bare))
            return false;
    }
    return draft_list_add(m->d, l, name);
}

static bool is_cost(struct span s)
{
    uint64_t n;
    return span_u64(s, UINT32_MAX, &n) == ERR_OK;
}

/* "smtp:*.bank.example;1": kind of address, pattern, cost. The cost comes as an item of its own. */
static bool add_domain(const struct mapping *m, const char *name, struct span item)
{
    struct span pattern, whole = item;
    if (is_cost(item)) {
        if (!span_eq(item, SPAN("1")))
            draft_note(m->d, m->c, NOTE_LOST, "%s: there are no costs here", name);
        return true;
    }
    if (span_starts_nocase(item, SPAN("smtp:")))
        item = span_tail(item, 5);
    if (draft_pattern(m->d, item, &pattern) == ERR_OK) {
        draft_list_drop(&m->c->implied, pattern);
        return add_both(m, &m->c->domain, pattern);
    }
    draft_note(m->d, m->c, NOTE_OFF,
               "%s: `%.*s` is no domain, \"*.\" and a domain, or \"*\"; it is left out", name,
               SPAN_ARG(param_seen(whole)));
    return true;
}

/* The numbers of these enumerations are documented nowhere: nobody here guesses. */
static enum err put_kind(const struct mapping *m)
{
    const struct record_field *f = NULL;
    TRY(param_get(m, "ConnectorType", &f));
    struct span s = f && f->value ? span_trim(f->value->text) : SPAN_NONE;
    if (span_eq_nocase(s, SPAN("OnPremises"))) {
        m->c->on_premises = true;
        return ERR_OK;
    }
    if (span_eq_nocase(s, SPAN("Partner")))
        return ERR_OK;
    if (s.n > 0 && !is_cost(s))
        return param_fail(m, f, "Partner or OnPremises");
    draft_note(m->d, m->c, NOTE_OFF,
               "ConnectorType is %s%.*s, so what kind it is cannot be told: written as a partner, "
               "which grants nothing; export it with names (ConvertTo-Json -EnumsAsStrings)",
               s.n > 0 ? "the number " : "missing", SPAN_ARG(s));
    return ERR_OK;
}

static enum err put_common(const struct mapping *m)
{
    bool enabled = true, test = false;
    TRY(put_kind(m));
    TRY(param_flag(m, "Enabled", &enabled));
    TRY(param_flag(m, "TestMode", &test));
    m->c->off |= !enabled;
    m->c->test = test;
    m->c->comment = record_text(m->r, "Comment");
    m->c->created = param_date(m, "WhenCreatedUTC");
    m->c->changed = param_date(m, "WhenChangedUTC");
    param_note_others(m);
    return ERR_OK;
}

/* --- inbound --- */

static bool add_address(const struct mapping *m, const char *name, struct span item)
{
    draft_network(m->d, m->c, name, item);
    return true;
}

/* "<I>CN=Some CA, C=US<S>CN=mail.corp.example": the CN behind <S>. */
static struct span subject_name(struct span s)
{
    while (s.n > 0 && !span_starts_nocase(s, SPAN("<S>")))
        s = span_tail(s, 1);
    while (s.n > 0 && !span_starts_nocase(s, SPAN("CN=")))
        s = span_tail(s, 1);
    s = span_tail(s, s.n < 3 ? s.n : 3);
    return span_trim(span_cut(&s, ','));
}

static enum err put_certificate(const struct mapping *m)
{
    struct span text, name;
    TRY(param_text(m, "TlsSenderCertificateName", &text));
    if (text.n == 0)
        return ERR_OK;
    if (text.p[0] == '<') {
        draft_note(m->d, m->c, NOTE_OFF,
                   "TlsSenderCertificateName: `%.*s` also demands an issuer; give that CA's file "
                   "as `ca`, or take any public CA, and set the mode",
                   SPAN_ARG(param_seen(text)));
        text = subject_name(text);
    }
    if (draft_name(m->d, text, &name) != ERR_OK) {
        draft_note(m->d, m->c, NOTE_OFF,
                   "TlsSenderCertificateName: `%.*s` is no name that can be expected; say it in "
                   "certificate_names",
                   SPAN_ARG(param_seen(text)));
        return ERR_OK;
    }
    m->c->wildcards = name.p[0] == '*';
    (void)add_both(m, &m->c->names, name);
    return ERR_OK;
}

/* Of a partner: what its connector demands. */
static enum err put_restrictions(const struct mapping *m)
{
    struct draft_connector *c = m->c;
    const struct record_field *tls = NULL;
    TRY(param_get(m, "RequireTls", &tls));
    c->require_tls = true;
    TRY(param_flag(m, "RequireTls", &c->require_tls));
    if (!tls || !tls->value)
        draft_note(m->d, c, NOTE_REMARK, "RequireTls is not said: taken as true, the stricter");
    TRY(param_flag(m, "RestrictDomainsToCertificate", &c->restrict_certificate));
    TRY(param_flag(m, "RestrictDomainsToIPAddresses", &c->restrict_addresses));
    if (c->restrict_certificate && c->names.n == 0) {
        c->restrict_certificate = false;
        draft_note(m->d, c, NOTE_OFF,
                   "RestrictDomainsToCertificate without a name in TlsSenderCertificateName; say "
                   "certificate_names and restrict_to_certificate = yes");
    }
    if (c->restrict_addresses && c->addresses.n == 0) {
        c->restrict_addresses = false;
        draft_note(m->d, c, NOTE_OFF,
                   "RestrictDomainsToIPAddresses without SenderIPAddresses; say addresses and "
                   "restrict_to_addresses = yes");
    }
    return ERR_OK;
}

/* Of an own server: what its connector grants. Exchange has RequireTls and the two Restrict... for
 * partners only. */
static enum err put_grants(const struct mapping *m)
{
    bool certificate = false, addresses = false;
    TRY(param_flag(m, "RequireTls", &m->c->require_tls));
    if (m->c->require_tls)
        draft_note(m->d, m->c, NOTE_REMARK,
                   "RequireTls: Exchange looks at it for partners only; here it is obeyed");
    TRY(param_flag(m, "RestrictDomainsToCertificate", &certificate));
    TRY(param_flag(m, "RestrictDomainsToIPAddresses", &addresses));
    if (certificate || addresses)
        draft_note(m->d, m->c, NOTE_REMARK,
                   "RestrictDomainsTo...: Exchange looks at it for partners only; an own server is "
                   "recognised by its certificate or address, others are strangers");
    return ERR_OK;
}

static enum err put_inbound(const struct mapping *m)
{
    bool cloud = false;
    TRY(put_common(m));
    TRY(param_each(m, "SenderDomains", add_domain));
    TRY(param_each(m, "SenderIPAddresses", add_address));
    TRY(put_certificate(m));
    if (m->c->on_premises)
        TRY(put_grants(m));
    else
        TRY(put_restrictions(m));
    TRY(param_flag(m, "CloudServicesMailEnabled", &cloud));
    m->c->trust_headers = cloud && m->c->on_premises;
    if (cloud && !m->c->on_premises)
        draft_note(m->d, m->c, NOTE_LOST,
                   "CloudServicesMailEnabled: headers are trusted of own servers only");
    if (m->c->domain.n == 0)
        draft_note(m->d, m->c, NOTE_OFF, "SenderDomains is empty; say from = [\"...\"]");
    return ERR_OK;
}

/* --- outbound --- */

static bool add_host(const struct mapping *m, const char *name, struct span item)
{
    struct span host;
    if (draft_host(m->d, item, 25, 25, &host) == ERR_OK)
        return draft_list_add(m->d, &m->c->hosts, host);
    draft_note(m->d, m->c, NOTE_OFF,
               "%s: `%.*s` is no host or address; write each host into smtp = [...]", name,
               SPAN_ARG(param_seen(item)));
    return true;
}

static enum err put_route(const struct mapping *m)
{
    bool mx = true;
    TRY(param_flag(m, "UseMXRecord", &mx));
    m->c->mx = mx;
    if (mx)
        return ERR_OK; /* SmartHosts are not used then */
    TRY(param_each(m, "SmartHosts", add_host));
    if (m->c->hosts.n == 0)
        draft_note(m->d, m->c, NOTE_OFF, "UseMXRecord is false and there is no smart host");
    if (m->c->hosts.n > 1)
        draft_note(m->d, m->c, NOTE_REMARK,
                   "SmartHosts: the load is not spread; hosts are tried in their order");
    return ERR_OK;
}

/* TlsDomain: of use with DomainValidation only. */
static enum err put_tls_domain(const struct mapping *m)
{
    struct span text, name;
    TRY(param_text(m, "TlsDomain", &text));
    if (m->c->tls != TLS_NEED_NAME) {
        if (text.n > 0)
            draft_note(m->d, m->c, NOTE_REMARK,
                       "TlsDomain: Exchange looks at it with DomainValidation only");
        return ERR_OK;
    }
    if (text.n > 0 && draft_name(m->d, text, &name) == ERR_OK) {
        (void)add_both(m, &m->c->names, name);
        return ERR_OK;
    }
    draft_note(m->d, m->c, NOTE_OFF,
               "DomainValidation without a usable TlsDomain (%.*s): say in names = [...] what the "
               "certificate must name",
               SPAN_ARG(text.n > 0 ? param_seen(text) : SPAN("none")));
    return ERR_OK;
}

static enum err put_tls(const struct mapping *m)
{
    static const struct {
        const char *text;
        enum tls_need need;
    } levels[] = { { "EncryptionOnly", TLS_NEED_ENCRYPT },
                   { "CertificateValidation", TLS_NEED_CHAIN },
                   { "DomainValidation", TLS_NEED_NAME },
                   { "", TLS_NEED_TRY } };
    const struct record_field *f = NULL;
    struct span s;
    bool found = false;
    TRY(param_get(m, "TlsSettings", &f));
    TRY(param_text(m, "TlsSettings", &s));
    for (size_t i = 0; i < COUNTOF(levels) && !found; i++) {
        found = span_eq_nocase(s, span_z(levels[i].text));
        if (found)
            m->c->tls = levels[i].need;
    }
    if (!found && !is_cost(s))
        return param_fail(m, f,
                          "EncryptionOnly, CertificateValidation, DomainValidation or nothing");
    if (!found) {
        m->c->tls = TLS_NEED_NAME;
        draft_note(m->d, m->c, NOTE_OFF,
                   "TlsSettings is the number %.*s, and what it means is not documented: written "
                   "as the strictest; export it with names (ConvertTo-Json -EnumsAsStrings)",
                   SPAN_ARG(param_seen(s)));
    }
    m->c->revocation = m->c->tls >= TLS_NEED_CHAIN;
    return put_tls_domain(m);
}

/* DANE and MTA-STS. */
static enum err put_modes(const struct mapping *m)
{
    struct span dane, sts;
    TRY(param_text(m, "SmtpDaneMode", &dane));
    TRY(param_text(m, "MtaStsMode", &sts));
    if (span_eq_nocase(dane, SPAN("Mandatory")))
        draft_note(m->d, m->c, NOTE_OFF,
                   "SmtpDaneMode Mandatory: DANE is not judged here; tls = domain with names is "
                   "as strict for one partner");
    m->c->dane = !span_eq_nocase(dane, SPAN("None"));
    m->c->sts = !span_eq_nocase(sts, SPAN("None"));
    return ERR_OK;
}

/* Which mail is it for? */
static enum err put_scope(const struct mapping *m)
{
    struct draft_connector *c = m->c;
    bool rule = false, accepted = false, everything = false;
    TRY(param_each(m, "RecipientDomains", add_domain));
    TRY(param_flag(m, "IsTransportRuleScoped", &rule));
    TRY(param_flag(m, "AllAcceptedDomains", &accepted));
    TRY(param_flag(m, "RouteAllMessagesViaOnPremises", &everything));
    if (draft_list_has(&c->domain, SPAN("*")) && !everything)
        draft_note(
            m->d, c, NOTE_REMARK,
            "\"*\": as with Exchange, mail for accepted domains goes by it as well, where no "
            "other connector is for them");
    if ((accepted || everything) && !c->on_premises)
        draft_note(m->d, c, NOTE_OFF,
                   "AllAcceptedDomains and RouteAllMessagesViaOnPremises are for OnPremises only; "
                   "set to = [...] or the kind");
    if (rule) {
        c->by_header = true;
        c->domain.n = 0;
        draft_note(m->d, c, NOTE_OFF,
                   "IsTransportRuleScoped: only a mail flow rule sends mail by it; let that rule's "
                   "successor add this header and set the mode");
    } else if (everything && c->on_premises) {
        c->everything = true;
        if (c->domain.n > 0 && !draft_list_has(&c->domain, SPAN("*")))
            draft_note(m->d, c, NOTE_OFF,
                       "RouteAllMessagesViaOnPremises for some domains only: here it is for all, "
                       "or take to = [...] in its place");
        c->domain.n = 0;
    } else if (accepted && c->on_premises) {
        c->accepted = true;
        if (c->domain.n > 0)
            draft_note(m->d, c, NOTE_OFF,
                       "AllAcceptedDomains and RecipientDomains in one: write a second connector "
                       "for the latter");
        c->domain.n = 0;
    } else if (c->domain.n == 0) {
        draft_note(m->d, c, NOTE_OFF, "RecipientDomains is empty; say to = [\"...\"]");
    }
    return ERR_OK;
}

static enum err put_outbound(const struct mapping *m)
{
    bool cloud = false;
    TRY(put_common(m));
    TRY(put_scope(m));
    TRY(put_route(m));
    TRY(put_tls(m));
    TRY(put_modes(m));
    TRY(param_flag(m, "CloudServicesMailEnabled", &cloud));
    if (cloud)
        draft_note(m->d, m->c, NOTE_LOST,
                   "CloudServicesMailEnabled: headers of Exchange are sent as they are, and not "
                   "turned into cross-premises ones");
    return ERR_OK;
}

/* --- files --- */

static enum record_kind kind_of(const struct record *r)
{
    if (r->kind != RECORD_OTHER)
        return r->kind;
    if (record_get(r, "RecipientDomains") || record_get(r, "UseMXRecord") ||
        record_get(r, "SmartHosts"))
        return RECORD_OUTBOUND;
    return record_get(r, "SenderDomains") ? RECORD_INBOUND : RECORD_OTHER;
}

static enum err put_record(struct draft *d, const struct record *r, struct why *why)
{
    enum record_kind kind = kind_of(r);
    struct span title = record_text(r, "Name");
    if (title.n == 0)
        title = record_text(r, "Identity");
    if (kind == RECORD_OTHER) {
        why_set(why,
                "%.*s: no connector: neither SenderDomains nor RecipientDomains is there; export "
                "with: Get-InboundConnector | ConvertTo-Json -Depth 4",
                SPAN_ARG(r->place));
        return ERR_SYNTAX;
    }
    if (span_eq_nocase(record_text(r, "Ensure"), SPAN("Absent"))) {
        draft_note(d, NULL, NOTE_REMARK, "%.*s: \"%.*s\" is to be absent, and is left out",
                   SPAN_ARG(r->place), SPAN_ARG(param_seen(title)));
        return ERR_OK;
    }
    bool outbound = kind == RECORD_OUTBOUND;
    struct mapping m = { d, r, draft_connector(d, outbound, title, r->place), why };
    return outbound ? put_outbound(&m) : put_inbound(&m);
}

enum err import_exchange(struct draft *d, struct span file, struct span text, struct why *why)
{
    struct record *first;
    TRY(record_read(d, file, text, &first, why));
    if (!first)
        draft_note(d, NULL, NOTE_REMARK, "%.*s has no connectors", SPAN_ARG(file));
    for (const struct record *r = first; r; r = r->next)
        TRY(put_record(d, r, why));
    return ERR_OK;
}

struct count {
    unsigned dane, sts, revocation;
};

void import_exchange_end(struct draft *d)
{
    struct count n = { 0 };
    for (const struct draft_connector *c = d->connector; c; c = c->next) {
        n.dane += c->dane && !c->off;
        n.sts += c->sts && !c->off;
        n.revocation += c->revocation;
    }
    if (n.dane > 0)
        draft_note(
            d, NULL, NOTE_LOST,
            "SmtpDaneMode Opportunistic, in force in %u outbound: Exchange obeys a partner's "
            "TLSA records, here they raise nothing; say tls = domain with names where it "
            "counts",
            n.dane);
    if (n.sts > 0)
        draft_note(d, NULL, NOTE_LOST,
                   "MtaStsMode Opportunistic, in force in %u outbound: Exchange obeys a partner's "
                   "MTA-STS policy, here it raises nothing; say tls = domain with names where it "
                   "counts",
                   n.sts);
    if (n.revocation > 0)
        draft_note(d, NULL, NOTE_REMARK,
                   "revocation = soft: Exchange looks for revoked certificates and does not say "
                   "what it does when that cannot be told; soft passes then, hard refuses");
    draft_note(d, NULL, NOTE_REMARK,
               "accepted domains do not stand in connectors: write a domain block for each "
               "(Get-AcceptedDomain), else no own server may send and no mail is taken");
}
