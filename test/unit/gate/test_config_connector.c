#include "test/unit/gate/org_files.h"

/* What of organisations and connectors is refused, and in which words: docs/connectors.md. */

struct refused {
    const char *text, *want; /* want: behind "etc/f:" */
};

static void check_all_refused(const struct refused *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf want;
        buf_init(&want, 1000);
        buf_putf(&want, "etc/f:%s", r[i].want);
        org_check_refused(r[i].text, buf_z(&want));
        buf_done(&want);
    }
}

static const struct refused names_wrong[] = {
    { HOST "organisation { }",
      "2:1: `organisation` wants one name and a block; for example: organisation \"acme\" { domain "
      "\"acme.example\" { smtp = \"10.0.0.5\" } }" },
    { HOST "organisation \"a b\" { }",
      "2:14: `organisation` wants a name of letters, digits, - and _, 64 at most, not `a b`; for "
      "example: organisation \"acme\" { domain \"acme.example\" { smtp = \"10.0.0.5\" } }" },
    { HOST "organisation \"a\" { }\norganisation \"A\" { }",
      "3:14: two organisations are called `A`: at etc/f:2 and here; put all of it into one block" },
    { HOST "organisation \"a\" { colour = red }",
      "2:20: unknown setting `colour` in `organisation`; docs/configuration.md has them all" },
    { HOST "organisation \"a\" { domain \"*\" { mx = yes } }",
      "2:27: `domain` wants a domain or *.domain, not `*`; for example: domain \"acme.example\" { "
      "smtp = \"mail.internal\" }" },
    { ORG("inbound \"a/b\" { " PARTNER "require_tls = yes }"),
      "3:9: `inbound` wants a name of letters, digits, - and _, 64 at most, not `a/b`; for "
      "example: inbound \"lab\" { kind = partner, mode = enforce, require_tls = yes }" },
    { ORG("inbound \"a\" { " PARTNER "require_tls = yes, from = a.example }\n"
          "inbound \"A\" { " PARTNER "require_tls = yes, from = b.example }"),
      "4:9: two inbound connectors are called `o/A`: at etc/f:3 and here; rename one of them" },
    { ORG("outbound \"a\" { " PARTNER "mx = yes, to = a.example }\n"
          "outbound \"a\" { " PARTNER "mx = yes, to = b.example }"),
      "4:10: two outbound connectors are called `o/a`: at etc/f:3 and here; rename one of them" },
    { IN(PARTNER "requier_tls = yes"),
      "3:47: unknown setting `requier_tls` in `inbound` - did you mean `require_tls`?" },
    { IN("kind = partner, kind = partner"),
      "3:31: `kind` is set twice: at etc/f:3 and here; keep one of them" },
    { IN("kind = friend"),
      "3:22: `kind` wants partner or on-premises, not `friend`; for example: kind = partner" },
    { IN("mode = on"),
      "3:22: `mode` wants off, test or enforce, not `on`; for example: mode = enforce" },
    { IN("mode = enforce, require_tls = yes"),
      "3:1: `kind` is missing: kind = partner is somebody else, kind = on-premises a server of the "
      "organisation" },
    { IN("kind = partner, require_tls = yes"),
      "3:1: `mode` is missing: mode = enforce, mode = test (judged and told, nothing changes) or "
      "mode = off" },
    { IN(PARTNER "require_tls = yes, owner = \"\""),
      "3:74: `owner` wants a text without control bytes, not empty, not ``; for example: owner = "
      "\"it@example.org\"" },
};

TEST(connectors_names_kinds_and_modes_that_are_wrong)
{
    check_all_refused(names_wrong, COUNTOF(names_wrong));
}

static const struct refused unfit[] = {
    { IN(PARTNER "require_tls = yes, to = a.example"),
      "3:66: `to` is for outbound connectors and this is an inbound one; remove it" },
    { IN(PARTNER "require_tls = yes, tls = encrypt"),
      "3:66: `tls` is for outbound connectors and this is an inbound one; remove it" },
    { OUT(PARTNER "to = a.example, mx = yes, from = b.example"),
      "3:74: `from` is for inbound connectors and this is an outbound one; remove it" },
    { OUT(PARTNER "to = a.example, mx = yes, require_tls = yes"),
      "3:74: `require_tls` is for inbound connectors and this is an outbound one; remove it" },
    { IN(PARTNER "require_tls = yes, trust_headers = no"),
      "3:66: `trust_headers` is for connectors of kind on-premises and this one is of kind "
      "partner; remove it" },
    { IN(OWN "addresses = \"192.0.2.1\", restrict_to_addresses = yes"),
      "3:76: `restrict_to_addresses` is for connectors of kind partner and this one is of kind "
      "on-premises; remove it" },
    { IN("restrict_to_certificate = yes, mode = off, kind = on-premises"),
      "3:15: `restrict_to_certificate` is for connectors of kind partner and this one is of kind "
      "on-premises; remove it" },
    { OUT(PARTNER "accepted = yes, mx = yes"),
      "3:48: `accepted` is for connectors of kind on-premises and this one is of kind partner; "
      "remove it" },
    { OUT(PARTNER "everything = yes, mx = yes"),
      "3:48: `everything` is for connectors of kind on-premises and this one is of kind partner; "
      "remove it" },
};

/* R22: what does not fit is refused by name, not ignored. */
TEST(r22_settings_that_do_not_fit_kind_or_direction)
{
    check_all_refused(unfit, COUNTOF(unfit));
}

static const struct refused unrestricted[] = {
    { IN("kind = partner, mode = enforce"),
      "3:1: this partner connector restricts nothing; add one of: `require_tls = yes`; "
      "`restrict_to_certificate = yes` with `certificate_names`, `public_keys` or `ca`; "
      "`restrict_to_addresses = yes` with `addresses`" },
    { IN("kind = partner, mode = off, certificate_names = mx.a.example"),
      "3:1: this partner connector restricts nothing; add one of: `require_tls = yes`; "
      "`restrict_to_certificate = yes` with `certificate_names`, `public_keys` or `ca`; "
      "`restrict_to_addresses = yes` with `addresses`" },
    { IN(PARTNER "require_tls = no, restrict_to_certificate = no"),
      "3:1: this partner connector restricts nothing; add one of: `require_tls = yes`; "
      "`restrict_to_certificate = yes` with `certificate_names`, `public_keys` or `ca`; "
      "`restrict_to_addresses = yes` with `addresses`" },
    { IN(PARTNER "restrict_to_certificate = yes"),
      "3:47: `restrict_to_certificate` wants to know which certificate; add `certificate_names`, "
      "`public_keys` or `ca`" },
    { IN(PARTNER "require_tls = yes, restrict_to_certificate = yes"),
      "3:66: `restrict_to_certificate` wants to know which certificate; add `certificate_names`, "
      "`public_keys` or `ca`" },
    { IN(PARTNER "restrict_to_addresses = yes, ca = ca.pem"),
      "3:47: `restrict_to_addresses` wants to know which addresses; add `addresses`" },
    { IN(PARTNER "restrict_to_addresses = yes, addresses = \"0.0.0.0/0\""),
      "3:88: `0.0.0.0/0` is everybody; list the addresses of the partner" },
};

TEST(p22_r24_partner_without_a_restriction)
{
    check_all_refused(unrestricted, COUNTOF(unrestricted));
}

static const struct refused unknown_server[] = {
    { IN("kind = on-premises, mode = enforce"),
      "3:1: this on-premises connector knows no server; add one of `certificate_names`, "
      "`public_keys` or `addresses`" },
    { IN(OWN "require_tls = yes"), "3:1: this on-premises connector knows no server; add one of "
                                   "`certificate_names`, `public_keys` or `addresses`" },
    { IN(OWN "ca = ca.pem"),
      "3:51: `ca` says who signed a certificate and not whose it is; add `certificate_names`" },
    { IN(OWN "ca = ca.pem, addresses = \"192.0.2.1\""),
      "3:51: `ca` says who signed a certificate and not whose it is; add `certificate_names`" },
    { IN(OWN "addresses = [\"192.0.2.1\", \"0.0.0.0/0\"]"),
      "3:77: `0.0.0.0/0` would make this an open relay; list the servers of the organisation, as "
      "in addresses = [\"192.0.2.0/28\", \"2001:db8::1\"]" },
    { IN(OWN "addresses = \"11.0.0.0/7\""),
      "3:63: `addresses` wants a network whose address has no bits behind its prefix, not "
      "`11.0.0.0/7`; for example: addresses = [\"192.0.2.0/28\", \"2001:db8::1\"]" },
    { IN(OWN "addresses = \"10.0.0.0/7\""),
      "3:63: `10.0.0.0/7` would make this an open relay; list the servers of the organisation, as "
      "in addresses = [\"192.0.2.0/28\", \"2001:db8::1\"]" },
};

TEST(p22_r27_t_open_relay_on_premises_without_identity)
{
    check_all_refused(unknown_server, COUNTOF(unknown_server));
}

static const struct refused patterns_wrong[] = {
    { IN(PARTNER "require_tls = yes, from = []"),
      "3:66: `from` wants one value at least; for example: from = [\"partner.example\", "
      "\"*.partner.example\"]" },
    { IN(PARTNER "require_tls = yes, from = \"a.*.example\""),
      "3:73: `from` wants a `*` only alone or as the whole first part, not `a.*.example`; for "
      "example: from = [\"partner.example\", \"*.partner.example\"]" },
    { IN(PARTNER "require_tls = yes, from = \"*a.example\""),
      "3:73: `from` wants a `*` only alone or as the whole first part, not `*a.example`; for "
      "example: from = [\"partner.example\", \"*.partner.example\"]" },
    { IN(PARTNER "require_tls = yes, from = \"*.*.example\""),
      "3:73: `from` wants a `*` only alone or as the whole first part, not `*.*.example`; for "
      "example: from = [\"partner.example\", \"*.partner.example\"]" },
    { IN(PARTNER "require_tls = yes, from = \"user@a.example\""),
      "3:73: `from` wants domains, *.domain or *, not `user@a.example`; for example: from = "
      "[\"partner.example\", \"*.partner.example\"]" },
    { IN(PARTNER "require_tls = yes, from = \"[192.0.2.1]\""),
      "3:73: `from` wants domains, *.domain or *, not `[192.0.2.1]`; for example: from = "
      "[\"partner.example\", \"*.partner.example\"]" },
    { IN(PARTNER "require_tls = yes, from = [\"a.example\", \"A.example.\"]"),
      "3:87: `A.example.` stands twice in `from`; keep one of them" },
    { OUT(PARTNER "mx = yes, to = \"a.*\""),
      "3:63: `to` wants a `*` only alone or as the whole first part, not `a.*`; for example: to = "
      "[\"partner.example\", \"*.partner.example\"]" },
    { OUT(PARTNER "mx = yes, to = \"\""),
      "3:63: `to` wants domains, *.domain or *, not ``; for example: to = [\"partner.example\", "
      "\"*.partner.example\"]" },
    { IN(PARTNER "restrict_to_certificate = yes, certificate_names = \"*.a.example\""),
      "3:98: `*.a.example` takes in every server of that domain; name the servers, or say "
      "`wildcards = yes`" },
    { IN(PARTNER "restrict_to_certificate = yes, wildcards = no\n"
                 "certificate_names = [\"mx.a.example\", \"*.a.example\"]"),
      "4:38: `*.a.example` takes in every server of that domain; name the servers, or say "
      "`wildcards = yes`" },
    { IN(PARTNER "restrict_to_certificate = yes, certificate_names = \"mx.*.example\""),
      "3:98: `certificate_names` wants a `*` only as the whole first part of a name, not "
      "`mx.*.example`; for example: certificate_names = \"mx.partner.example\"" },
    { IN(PARTNER
         "restrict_to_certificate = yes, wildcards = yes, certificate_names = \"*.example\""),
      "3:115: `certificate_names` wants names of hosts, or *. and a domain of two parts at least, "
      "not `*.example`; for example: certificate_names = \"mx.partner.example\"" },
    { IN(PARTNER "restrict_to_certificate = yes, wildcards = yes, certificate_names = \"*\""),
      "3:115: `certificate_names` wants a `*` only as the whole first part of a name, not `*`; for "
      "example: certificate_names = \"mx.partner.example\"" },
    { IN(PARTNER "restrict_to_certificate = yes, certificate_names = \"192.0.2.1\""),
      "3:98: `certificate_names` wants names of hosts, or *. and a domain of two parts at least, "
      "not `192.0.2.1`; for example: certificate_names = \"mx.partner.example\"" },
    { IN(PARTNER "restrict_to_certificate = yes, public_keys = \"abc\""),
      "3:92: `public_keys` wants SHA-256 of public keys as 64 hex digits, not `abc`; for example: "
      "public_keys = \"<64 hex digits>\"" },
    { IN(PARTNER "restrict_to_certificate = yes, public_keys = [\"" KEY_A "\", \"" KEY_A_LOWER
                 "\"]"),
      "3:161: `00112233445566778899aabbccddeeff00112233445566778899aabbccdd` stands twice in "
      "`public_keys`; keep one of them" },
    { IN(PARTNER "restrict_to_certificate = yes, ca = no.pem"),
      "3:83: no readable certificate among the trust anchors; give the CA's certificate in PEM "
      "form" },
    { IN(PARTNER "restrict_to_addresses = yes, addresses = \"192.0.2.1/24\""),
      "3:88: `addresses` wants a network whose address has no bits behind its prefix, not "
      "`192.0.2.1/24`; for example: addresses = [\"192.0.2.0/28\", \"2001:db8::1\"]" },
    { IN(PARTNER "restrict_to_addresses = yes, addresses = [\"192.0.2.1\", \"192.0.2.1/32\"]"),
      "3:102: `192.0.2.1/32` stands twice in `addresses`; keep one of them" },
    { IN(PARTNER "restrict_to_addresses = yes, addresses = []"),
      "3:76: `addresses` wants one value at least; for example: addresses = [\"192.0.2.0/28\", "
      "\"2001:db8::1\"]" },
};

/* P12: wildcards only where they are asked for, and only in front. */
TEST(p12_connectors_patterns_names_and_keys_that_are_wrong)
{
    check_all_refused(patterns_wrong, COUNTOF(patterns_wrong));
}

static const struct refused idle[] = {
    { IN(PARTNER "restrict_to_addresses = yes, addresses = \"192.0.2.1\", minimum_version = 1.3"),
      "3:101: `minimum_version` means nothing without `require_tls = yes`; add it, or remove "
      "`minimum_version`" },
    { IN(PARTNER "require_tls = yes, minimum_version = 1.1"),
      "3:84: `minimum_version` wants 1.2 or 1.3, not `1.1`; for example: minimum_version = 1.3" },
    { IN(PARTNER "require_tls = yes, revocation = hard"),
      "3:66: `revocation` means nothing without `certificate_names` or `ca`; add it, or remove "
      "`revocation`" },
    { IN(OWN "addresses = \"192.0.2.1\", client_usage = client"),
      "3:76: `client_usage` means nothing without `certificate_names`, `public_keys` or `ca`; add "
      "it, or remove `client_usage`" },
    { OUT(PARTNER "to = a.example, mx = yes, minimum_version = 1.3"),
      "3:74: `minimum_version` means nothing without `tls = encrypt` or more; add it, or remove "
      "`minimum_version`" },
    { OUT(PARTNER "to = a.example, mx = yes, tls = encrypt, revocation = soft"),
      "3:89: `revocation` means nothing without `tls = certificate` or `tls = domain`; add it, or "
      "remove `revocation`" },
    { OUT(PARTNER "to = a.example, mx = yes, tls = certificate, names = a.example"),
      "3:93: `names` means nothing without `tls = domain`; add it, or remove `names`" },
    { OUT(PARTNER "to = a.example, smtp = \"192.0.2.1\", tls = domain"),
      "3:90: `tls = domain` looks for a name and 192.0.2.1 is an address; add `names`" },
};

/* R22: what would be thought to secure something and does not. */
TEST(r22_settings_that_mean_nothing_without_others)
{
    check_all_refused(idle, COUNTOF(idle));
}

static const struct refused ways_wrong[] = {
    { OUT("kind = partner, mode = enforce"),
      "3:1: this outbound connector says not for which mail it is; add `to` or `header`, or, "
      "on-premises, `accepted = yes` or `everything = yes`" },
    { OUT(OWN "mx = yes, accepted = no, everything = no"),
      "3:1: this outbound connector says not for which mail it is; add `to` or `header`, or, "
      "on-premises, `accepted = yes` or `everything = yes`" },
    { OUT(OWN "mx = yes, everything = yes, accepted = yes"),
      "3:62: `everything` takes in what `to` and `accepted` say; remove the one or the others" },
    { OUT(OWN "mx = yes, everything = yes, to = a.example"),
      "3:62: `everything` takes in what `to` and `accepted` say; remove the one or the others" },
    { OUT(PARTNER "to = a.example"),
      "3:1: this outbound connector says not where its mail goes; add `mx = yes` or `smtp`" },
    { OUT(PARTNER "to = a.example, mx = yes, smtp = b.example"),
      "3:1: this outbound connector says twice where its mail goes; keep one of `mx = yes` and "
      "`smtp`" },
    { OUT(PARTNER "to = a.example, smtp = []"),
      "3:64: `smtp` wants one host at least; for example: smtp = [\"10.0.0.5:25\", "
      "\"mail.internal\"]" },
    { OUT(PARTNER "to = a.example, smtp = \"unix:/l\""),
      "3:71: `smtp` wants hosts or host:port, not `unix:/l`; for example: smtp = [\"10.0.0.5:25\", "
      "\"mail.internal\"]" },
    { OUT(PARTNER "header = \"X-Route-Via\", mx = yes"),
      "3:48: `header` wants two values: the name of a field and what it must be; for example: "
      "header = [\"X-Route-Via\", \"secure\"]" },
    { OUT(PARTNER "header = [\"X-Route-Via:\", \"a\"], mx = yes"),
      "3:58: `header` wants the name of a field, without a colon, not `X-Route-Via:`; for example: "
      "header = [\"X-Route-Via\", \"secure\"]" },
    { OUT(PARTNER "to = a.example, mx = yes, tls = dane"),
      "3:80: `tls` wants opportunistic, encrypt, certificate or domain, not `dane`; for example: "
      "tls = domain" },
    { OUT(PARTNER "to = a.example, mx = yes, certificate = ours"),
      "3:88: organisation `o` has no certificate `ours`; add certificate \"ours\" { chain = "
      "\"ours.pem\", key = \"ours.key\" } to it" },
    { ORG("certificate \"a\" { chain = ca.pem }"),
      "3:1: `certificate` wants both a chain and a key; for example: certificate \"ours\" { chain "
      "= \"ours.pem\", key = \"ours.key\" }" },
    { ORG("certificate \"a\" { chain = ca.pem, key = ec.key, name = a.example }"),
      "3:1: `name` is for the certificates of listeners; this one is found by its label, remove "
      "`name`" },
    { ORG("certificate \"a\" { chain = ca.pem, key = ec.key }\n"
          "certificate \"a\" { chain = ca.pem, key = ec.key }"),
      "4:13: `a` is the label of two certificates: at etc/f:3 and here; rename one of them" },
    { ORG("certificate \"a\" { chain = [ca.pem, ca.pem], key = [ec.key, ec.key] }"),
      "3:1: 2 chains; what connectors show is one certificate: give each its label" },
    { ORG("certificate \"a b\" { chain = ca.pem, key = ec.key }"),
      "3:13: `certificate` wants a name of letters, digits, - and _, 64 at most, not `a b`; for "
      "example: certificate \"ours\" { chain = \"ours.pem\", key = \"ours.key\" }" },
};

TEST(r12_outbound_that_says_not_which_mail_or_where)
{
    check_all_refused(ways_wrong, COUNTOF(ways_wrong));
}

/* The certificate of another organisation is not to be had (T-26). */
TEST(t26_certificate_belongs_to_one_organisation)
{
    org_check_refused(
        HOST "organisation \"a\" { certificate \"x\" { chain = ca.pem, key = ec.key } }\n"
             "organisation \"b\" { outbound \"c\" {\n" PARTNER
             "to = a.example, mx = yes, certificate = x } }",
        "etc/f:4:73: organisation `b` has no certificate `x`; add certificate \"x\" { "
        "chain = \"ours.pem\", key = \"ours.key\" } to it");
}

static const struct refused weakenings_wrong[] = {
    { IN(PARTNER "require_tls = yes\nallow \"everything\" { }"),
      "4:7: `allow` wants plaintext, expired or name, not `everything`; for example: allow "
      "\"plaintext\" { owner = \"it@example.org\", reason = \"their new server\", until = "
      "2026-12-31 }" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { reason = \"r\", until = 2026-12-31 }"),
      "4:1: `allow \"plaintext\"` has no `owner`; who gives up security says owner, reason and "
      "until: owner = \"it@example.org\"" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { owner = \"o\", until = 2026-12-31 }"),
      "4:1: `allow \"plaintext\"` has no `reason`; who gives up security says owner, reason and "
      "until: reason = \"their new certificate is ordered\"" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { owner = \"o\", reason = \"r\" }"),
      "4:1: `allow \"plaintext\"` has no `until`; who gives up security says owner, reason and "
      "until: until = 2026-12-31" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { owner = \"\", reason = \"r\" }"),
      "4:29: `owner` wants a text without control bytes, not empty, not ``; for example: owner = "
      "\"it@example.org\"" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { until = forever }"),
      "4:29: `until` wants a day, as year-month-day, not `forever`; for example: until = "
      "2026-12-31" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { until = 2026-02-29 }"),
      "4:29: `until` wants a day, as year-month-day, not `2026-02-29`; for example: until = "
      "2026-12-31" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { until = \"2026-12-31T00:00:00Z\" }"),
      "4:29: `until` wants a day, as year-month-day, not `2026-12-31T00:00:00Z`; for example: "
      "until = 2026-12-31" },
    { IN(PARTNER "require_tls = yes\nallow \"plaintext\" { until = 1969-12-31 }"),
      "4:29: `until` wants a day, as year-month-day, not `1969-12-31`; for example: until = "
      "2026-12-31" },
    { IN(PARTNER
         "require_tls = yes\nallow \"plaintext\" { owner = o, reason = r, until = 2026-12-31 }\n"
         "allow \"plaintext\" { owner = o, reason = r, until = 2026-12-31 }"),
      "5:7: `allow \"plaintext\"` is said twice; keep one of them" },
    { IN(PARTNER "require_tls = yes\nallow \"name\" { owner = o, reason = r, until = 2026-12-31 }"),
      "4:1: `allow \"name\"` gives up nothing without an `outbound` connector; remove it" },
    { IN(PARTNER
         "require_tls = yes\nallow \"expired\" { owner = o, reason = r, until = 2026-12-31 }"),
      "4:1: `allow \"expired\"` gives up nothing without `certificate_names` or `ca`; remove it" },
    { IN(PARTNER "restrict_to_certificate = yes, ca = ca.pem\n"
                 "allow \"plaintext\" { owner = o, reason = r, until = 2026-12-31 }"),
      "4:1: `allow \"plaintext\"` gives up nothing without `require_tls = yes`; remove it" },
    { OUT(PARTNER "to = a.example, mx = yes\n"
                  "allow \"plaintext\" { owner = o, reason = r, until = 2026-12-31 }"),
      "4:1: `allow \"plaintext\"` gives up nothing without `tls = encrypt` or more; remove it" },
    { OUT(PARTNER "to = a.example, mx = yes, tls = encrypt\n"
                  "allow \"expired\" { owner = o, reason = r, until = 2026-12-31 }"),
      "4:1: `allow \"expired\"` gives up nothing without `tls = certificate` or `tls = domain`; "
      "remove it" },
    { OUT(PARTNER "to = a.example, mx = yes, tls = certificate\n"
                  "allow \"name\" { owner = o, reason = r, until = 2026-12-31 }"),
      "4:1: `allow \"name\"` gives up nothing without `tls = domain`; remove it" },
};

TEST(r22_weakening_without_owner_reason_or_day)
{
    check_all_refused(weakenings_wrong, COUNTOF(weakenings_wrong));
}

/* --- what two claim --- */

static const struct refused claimed[] = {
    { HOST "organisation \"a\" { domain \"x.example\" { mx = yes } }\n"
           "organisation \"b\" { domain \"X.example\" { mx = yes } }",
      "3:14: `a` (etc/f:2) and `b` (here) both claim the same domain: RCPT TO <user@x.example>; "
      "change "
      "one of them" },
    { HOST "domain \"x.example\" { mx = yes }\n"
           "organisation \"b\" { domain \"x.example\" { mx = yes } }",
      "3:27: `x.example` has two routes: at etc/f:2 and here; keep one of them" },
    { HOST "organisation \"a\" { inbound \"c\" { " OWN "certificate_names = mx.a.example } }\n"
           "organisation \"b\" { inbound \"c\" { " OWN "certificate_names = mx.a.example } }",
      "3:28: `a/c` (etc/f:2) and `b/c` (here) both claim the same certificate name: certificate "
      "for "
      "mx.a.example, MAIL FROM <user@any.example>; change one of them" },
    { HOST "organisation \"a\" { inbound \"c\" { " OWN "addresses = \"192.0.2.0/28\" } }\n"
           "organisation \"b\" { inbound \"c\" { " OWN "addresses = \"192.0.2.0/28\" } }",
      "3:28: `a/c` (etc/f:2) and `b/c` (here) both claim the same address range: address "
      "192.0.2.0, "
      "MAIL FROM <user@any.example>; change one of them" },
    { HOST "organisation \"a\" { inbound \"c\" { " OWN "public_keys = \"" KEY_A "\" } }\n"
           "organisation \"b\" { inbound \"c\" { " OWN "public_keys = \"" KEY_A "\" } }",
      "3:28: `a/c` (etc/f:2) and `b/c` (here) both claim the same public key: certificate with the "
      "public key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff, MAIL FROM "
      "<user@any.example>; change one of them" },
    { ORG("inbound \"a\" { " PARTNER "require_tls = yes }\n"
          "inbound \"b\" { " PARTNER "restrict_to_addresses = yes, addresses = \"192.0.2.1\" }"),
      "4:9: `o/a` (etc/f:3) and `o/b` (here) both claim the same sender pattern: any client, MAIL "
      "FROM "
      "<user@any.example>; change one of them" },
    { ORG("outbound \"a\" { " PARTNER "to = \"*.x.example\", mx = yes }\n"
          "outbound \"b\" { " PARTNER "to = \"*.x.example\", mx = yes }"),
      "4:10: `o/a` (etc/f:3) and `o/b` (here) both claim the same recipient pattern: RCPT TO "
      "<user@host.x.example>; change one of them" },
    { ORG("outbound \"a\" { " OWN "accepted = yes, mx = yes }\n"
          "outbound \"b\" { " OWN "accepted = yes, mx = yes }"),
      "4:10: `o/a` (etc/f:3) and `o/b` (here) both claim the same accepted domains: mail that the "
      "organisation sends; change one of them" },
};

TEST(t22_conflicts_name_both_places_and_a_witness)
{
    check_all_refused(claimed, COUNTOF(claimed));
}
