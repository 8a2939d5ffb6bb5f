#include "cli/import_params.h"

enum { SHOWN_MAX = 120, DATE_BYTES = 10 };

struct span param_seen(struct span s)
{
    return span_head(s, s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
}

/* --- parameters that have no counterpart --- */

static const struct unsupported {
    const char *name;
    enum note_weight weight;
    const char *why;
} unsupported[] = {
    { "TrustedOrganizations", NOTE_OFF,
      "organisations of Microsoft 365 are recognised by Microsoft only; name their servers' "
      "certificates in a connector of their own" },
    { "AssociatedAcceptedDomains", NOTE_OFF,
      "a connector here is for all accepted domains of its organisation; make one organisation "
      "for these domains, with this connector, and set the mode there" },
    { "ClientHostNames", NOTE_OFF,
      "what it restricts is not documented; say it with certificate_names or addresses" },
    { "TreatMessagesAsInternal", NOTE_LOST, "there is no spam filter here to skip" },
    { "EFSkipLastIP", NOTE_LOST, "enhanced filtering: Received fields are not skipped here" },
    { "EFSkipIPs", NOTE_LOST, "enhanced filtering: Received fields are not skipped here" },
    { "EFSkipMailGateway", NOTE_LOST, "reserved by Microsoft" },
    { "EFTestMode", NOTE_LOST, "reserved by Microsoft" },
    { "EFUsers", NOTE_LOST, "enhanced filtering: Received fields are not skipped here" },
    { "ScanAndDropRecipients", NOTE_LOST, "reserved by Microsoft" },
    { "SenderRewritingEnabled", NOTE_LOST, "envelope senders are not rewritten here" },
    { "LinkForModifiedConnector", NOTE_LOST, "reserved by Microsoft" },
};

/* Read below, or only about the object and its keeping. */
static const char *const known[] = {
    "AccessTokens",
    "AdminDisplayName",
    "AllAcceptedDomains",
    "ApplicationId",
    "CertificatePassword",
    "CertificatePath",
    "CertificateThumbprint",
    "CloudServicesMailEnabled",
    "Comment",
    "ConnectorSource",
    "ConnectorType",
    "Credential",
    "DependsOn",
    "DistinguishedName",
    "Enabled",
    "Ensure",
    "ExchangeObjectId",
    "ExchangeVersion",
    "Guid",
    "Id",
    "Identity",
    "IsTransportRuleScoped",
    "IsValid",
    "IsValidated",
    "LastValidationTimestamp",
    "ManagedIdentity",
    "MaximumSupportedExchangeObjectVersion",
    "MtaStsMode",
    "Name",
    "ObjectCategory",
    "ObjectClass",
    "ObjectState",
    "OrganizationId",
    "OrganizationalUnitRoot",
    "OriginatingServer",
    "PSComputerName",
    "PSShowComputerName",
    "PsDscRunAsCredential",
    "RecipientDomains",
    "RequireTls",
    "ResourceId",
    "ResourceName",
    "RestrictDomainsToCertificate",
    "RestrictDomainsToIPAddresses",
    "RouteAllMessagesViaOnPremises",
    "RunspaceId",
    "SenderDomains",
    "SenderIPAddresses",
    "SmartHosts",
    "SmtpDaneMode",
    "TenantId",
    "TestMode",
    "TlsDomain",
    "TlsSenderCertificateName",
    "TlsSettings",
    "UseMXRecord",
    "ValidationRecipients",
    "WhenChanged",
    "WhenChangedUTC",
    "WhenCreated",
    "WhenCreatedUTC",
};

static bool is_known(struct span name)
{
    for (size_t i = 0; i < COUNTOF(known); i++)
        if (span_eq_nocase(name, span_z(known[i])))
            return true;
    return false;
}

/* It has a value, and that is not "no". */
static bool is_set(const struct record_field *f)
{
    for (const struct record_value *v = f->value; v; v = v->next) {
        struct span s = span_trim(v->text);
        if (s.n > 0 && !span_eq_nocase(s, SPAN("false")) && !span_eq_nocase(s, SPAN("$false")))
            return true;
    }
    return false;
}

void param_note_others(const struct mapping *m)
{
    for (const struct record_field *f = m->r->field; f; f = f->next) {
        const struct unsupported *u = NULL;
        if (is_known(f->name) || !is_set(f))
            continue;
        for (size_t i = 0; i < COUNTOF(unsupported) && !u; i++)
            if (span_eq_nocase(f->name, span_z(unsupported[i].name)))
                u = &unsupported[i];
        if (u)
            draft_note(m->d, m->c, u->weight, "%s: %s", u->name, u->why);
        else
            draft_note(m->d, m->c, NOTE_LOST,
                       "%.*s is not known here; see whether it restricts anything",
                       SPAN_ARG(param_seen(f->name)));
    }
}

/* --- typed values --- */

enum err param_fail(const struct mapping *m, const struct record_field *f, const char *wants)
{
    why_set(m->why, "%.*s: `%.*s` of \"%.*s\" wants %s, not `%.*s`", SPAN_ARG(m->r->place),
            SPAN_ARG(param_seen(f->name)), SPAN_ARG(param_seen(m->c->title)), wants,
            SPAN_ARG(param_seen(f->value ? f->value->text : SPAN_NONE)));
    return ERR_SYNTAX;
}

/* NULL in *ret: it is not there. A variable of DSC has no value that could be read. */
enum err param_get(const struct mapping *m, const char *name, const struct record_field **ret)
{
    const struct record_field *f = record_get(m->r, name);
    if (f && f->is_variable)
        return param_fail(m, f,
                          "a value that stands in the file: write it in place of the variable");
    *ret = f;
    return ERR_OK;
}

enum err param_flag(const struct mapping *m, const char *name, bool *ret)
{
    static const struct {
        const char *text;
        bool value;
    } texts[] = { { "true", true }, { "$true", true },  { "1", true },
                  { "yes", true },  { "false", false }, { "$false", false },
                  { "0", false },   { "no", false },    { "", false } };
    const struct record_field *f = NULL;
    TRY(param_get(m, name, &f));
    if (!f || !f->value)
        return ERR_OK;
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        if (!span_eq_nocase(span_trim(f->value->text), span_z(texts[i].text)))
            continue;
        *ret = texts[i].value;
        return ERR_OK;
    }
    return param_fail(m, f, "true or false");
}

enum err param_text(const struct mapping *m, const char *name, struct span *ret)
{
    const struct record_field *f = NULL;
    TRY(param_get(m, name, &f));
    *ret = f && f->value ? span_trim(f->value->text) : SPAN_NONE;
    if (f && f->value && f->value->next)
        return param_fail(m, f, "one value");
    return ERR_OK;
}

/* What stands between values that were joined to one text. */
static size_t part_end(struct span s)
{
    size_t n = 0;
    while (n < s.n && !(strchr(" \t\r\n,|;", s.p[n]) && s.p[n]))
        n++;
    return n;
}

/* Each value of a list, joined or not. false from fn: the list is full. */
enum err param_each(const struct mapping *m, const char *name, param_item_fn *fn)
{
    const struct record_field *f = NULL;
    TRY(param_get(m, name, &f));
    for (const struct record_value *v = f ? f->value : NULL; v; v = v->next) {
        struct span left = v->text;
        while (left.n > 0) {
            size_t n = part_end(left);
            struct span item = span_head(left, n);
            left = span_tail(left, n < left.n ? n + 1 : n);
            if (item.n > 0 && !fn(m, name, item)) {
                why_set(m->why, "%.*s: more than %d values in `%s`; import it in parts",
                        SPAN_ARG(m->r->place), DRAFT_LIST_MAX, name);
                return ERR_TOO_BIG;
            }
        }
    }
    return ERR_OK;
}

/* "2026-03-01T10:00:00Z" -> "2026-03-01"; other forms are left out: dates are for people. */
struct span param_date(const struct mapping *m, const char *name)
{
    struct span s = record_text(m->r, name);
    bool iso = s.n >= DATE_BYTES && s.p[4] == '-' && s.p[7] == '-';
    for (size_t i = 0; iso && i < DATE_BYTES; i++)
        iso = i == 4 || i == 7 || (s.p[i] >= '0' && s.p[i] <= '9');
    return iso ? span_head(s, DATE_BYTES) : SPAN_NONE;
}
