#include "base/when.h"
#include "test/unit/gate/org_files.h"
#include <stdio.h>

/* Organisations and connectors: docs/connectors.md. */

/* --- the example --- */

/* The first example of the document, whole. */
static char *read_example(struct buf *doc)
{
    test_read_file("docs/connectors.md", doc);
    char *start = strstr((char *)(uintptr_t)buf_z(doc), "```\n");
    CHECK(start != NULL);
    char *end = strstr(start + 4, "```\n");
    CHECK(end != NULL);
    *end = '\0';
    return start + 4;
}

static void check_example(const struct config *c)
{
    CHECK_NUM(c->n_org, 1);
    const struct org *o = &c->org[0];
    CHECK(org_by_name(c->orgs, SPAN("hospital")) == o);
    CHECK_Z(o->owner, "postmaster@hospital.example");
    CHECK_Z(o->file, "etc/f");
    CHECK_NUM(o->line, 2);
    CHECK_NUM(o->n_domain, 2);
    CHECK(org_of_domain(c->orgs, SPAN("a.hospital.example")) == o);
    CHECK_NUM(o->n_in, 2);
    CHECK_NUM(o->n_out, 1);
    CHECK_Z(o->in[0].c.id, "hospital/lab");
    CHECK_Z(o->in[0].c.name, "lab");
    CHECK_Z(o->out[0].c.id, "hospital/lab");
    CHECK_Z(o->in[1].c.id, "hospital/exchange");
    CHECK_NUM(o->in[1].c.kind, CONNECTOR_ON_PREMISES);
    CHECK_Z(o->in[1].sender[0], "*");
    CHECK_NUM(o->in[1].n_network, 1);
    CHECK(o->out[0].c.org == o && o->in[0].c.org == o && o->in[1].c.org == o);
}

TEST(r9_connectors_example_of_the_document_loads)
{
    struct buf doc, text;
    buf_init(&text, 100000);
    buf_putf(&text, HOST "%s", read_example(&doc));
    struct config *c = org_load_well(buf_z(&text));
    check_example(c);
    config_unref(c);
    buf_done(&text);
    buf_done(&doc);
}

/* Without any organisation everything is as before, and there is a table nevertheless. */
TEST(r9_config_without_organisations)
{
    struct config *c = org_load_well(HOST);
    CHECK_NUM(c->n_org, 0);
    CHECK_NUM(c->n_identity, 0);
    CHECK(c->orgs != NULL && org_of_domain(c->orgs, SPAN("a.example")) == NULL);
    config_unref(c);
    c = org_load_well(HOST "organisation \"empty\" { }");
    CHECK_NUM(c->n_org, 1);
    CHECK_NUM(c->org[0].n_in + c->org[0].n_out + c->org[0].n_domain, 0);
    config_unref(c);
}

/* --- what is read --- */

TEST(r24_r25_inbound_partner_every_setting)
{
    struct config *c = org_load_well(
        ORG("inbound \"Lab_1-x\" { kind = partner, mode = test\n"
            "owner = \"it@o.example\", comment = \"as agreed\", created = 2026-01-02, "
            "changed = \"2026-01-03 by me\"\n"
            "minimum_version = 1.3, revocation = hard, client_usage = client\n"
            "from = [\"LAB.example\", \"*.lab.example\", \"b\303\274cher.example\"]\n"
            "certificate_names = [\"*.lab.example\", \"MX.lab.example\"], wildcards = yes\n"
            "public_keys = \"" KEY_A "\"\n"
            "ca = ca.pem\n"
            "addresses = [\"192.0.2.0/28\", \"2001:db8::1\"]\n"
            "require_tls = yes, restrict_to_certificate = yes, restrict_to_addresses = yes\n"
            "allow \"plaintext\" { owner = \"me\", reason = \"because\", until = 2026-12-31 }\n"
            "allow \"expired\" { owner = \"me\", reason = \"so\", until = 2027-01-01 } }"));
    const struct in_connector *in = &c->org[0].in[0];
    CHECK_Z(in->c.id, "o/Lab_1-x");
    CHECK_NUM(in->c.kind, CONNECTOR_PARTNER);
    CHECK_NUM(in->c.mode, CONNECTOR_TEST);
    CHECK_Z(in->c.owner, "it@o.example");
    CHECK_Z(in->c.comment, "as agreed");
    CHECK_Z(in->c.created, "2026-01-02");
    CHECK_Z(in->c.changed, "2026-01-03 by me");
    CHECK_NUM(in->c.line, 3);
    CHECK_NUM(in->n_sender, 3);
    CHECK_Z(in->sender[0], "lab.example");
    CHECK_Z(in->sender[1], "*.lab.example");
    CHECK_NUM(in->names.n, 2);
    CHECK(in->names.id > 0);
    CHECK_Z(in->names.name[0], "*.lab.example"); /* sorted */
    CHECK_Z(in->names.name[1], "mx.lab.example");
    CHECK_NUM(in->n_pin, 1);
    CHECK_Z(in->pin[0], KEY_A_LOWER);
    CHECK_NUM(in->n_anchor, 1);
    CHECK_NUM(in->anchor[0].n, 64);
    CHECK_NUM(in->n_network, 2);
    CHECK(in->require_tls && in->restrict_certificate && in->restrict_addresses);
    CHECK_NUM(in->floor, 13);
    CHECK(in->eku_client && !in->trust_headers);
    CHECK_NUM(in->revocation, REVOCATION_HARD);
    CHECK_Z(in->c.weakening[WEAKEN_PLAINTEXT].owner, "me");
    CHECK_Z(in->c.weakening[WEAKEN_PLAINTEXT].reason, "because");
    CHECK_NUM(in->c.weakening[WEAKEN_NAME].until_ms, 0);
    config_unref(c);
}

/* R27, R28: the organisation's own server, known by a certificate that is not ours to keep. */
TEST(r27_r28_inbound_on_premises)
{
    struct config *c =
        org_load_well(IN(OWN "certificate_names = mail.o.example, trust_headers = yes"));
    const struct in_connector *in = &c->org[0].in[0];
    CHECK_NUM(in->c.kind, CONNECTOR_ON_PREMISES);
    CHECK_NUM(in->n_sender, 1);
    CHECK_Z(in->sender[0], "*");
    CHECK_NUM(in->floor, 12);
    CHECK_NUM(in->revocation, REVOCATION_OFF);
    CHECK(in->trust_headers && !in->eku_client && !in->require_tls);
    CHECK_NUM(c->n_identity, 0);
    config_unref(c);
}

/* The end of a day, UTC: from the next on it is void. */
TEST(connectors_weakening_ends_with_its_day)
{
    struct config *c =
        org_load_well(IN(PARTNER "require_tls = yes\nallow \"plaintext\" "
                                 "{ owner = \"me\", reason = \"because\", until = 2024-02-29 }"));
    int64_t end;
    CHECK_NUM(when_parse(SPAN("2024-03-01"), &end), ERR_OK);
    const struct connector *in = &c->org[0].in[0].c;
    CHECK_NUM(in->weakening[WEAKEN_PLAINTEXT].until_ms, end);
    CHECK(connector_weakened(in, WEAKEN_PLAINTEXT, end - 1));
    CHECK(!connector_weakened(in, WEAKEN_PLAINTEXT, end));
    config_unref(c);
}

/* R12, R22, R26: what is sent, and what the channel must be. */
TEST(r12_r22_r26_outbound_every_setting)
{
    struct config *c = org_load_well(
        "out { port = 2525 }\n" HOST "organisation \"o\" {\n"
        "outbound \"mx\" { kind = partner, mode = enforce, to = [\"Lab.example\", "
        "\"*.lab.example\"]\n"
        "mx = yes, tls = domain, names = \"*.lab.example\", minimum_version = 1.3\n"
        "revocation = soft, certificate = ours\n"
        "allow \"name\" { owner = \"me\", reason = \"because\", until = 2026-12-31 } }\n"
        "certificate \"theirs\" { chain = ca.pem, key = ec.key }\n"
        "certificate \"ours\" { chain = ca.pem, key = ec.key }\n"
        "outbound \"home\" { kind = on-premises, mode = off, accepted = yes, "
        "smtp = [\"10.0.0.5\", \"mail.internal:26\"], tls = encrypt }\n"
        "outbound \"rest\" { kind = on-premises, mode = test, everything = yes, smtp = "
        "\"10.0.0.5\" }\n"
        "outbound \"rule\" { kind = partner, mode = enforce, header = [\"X-Route-Via\", "
        "\"secure\"], "
        "smtp = a.example, tls = certificate }\n"
        "}");
    const struct out_connector *mx = &c->org[0].out[0], *home = mx + 1, *rest = mx + 2,
                               *rule = mx + 3;
    CHECK_NUM(c->org[0].n_out, 4);
    CHECK_NUM(mx->n_recipient, 2);
    CHECK_Z(mx->recipient[0], "lab.example");
    CHECK_NUM(mx->route.kind, ROUTE_MX);
    CHECK_NUM(mx->route.port, 2525);
    CHECK_Z(mx->route.file, "etc/f");
    CHECK_NUM(mx->route.line, 4);
    CHECK_NUM(mx->route.contract.need, TLS_NEED_NAME);
    CHECK_NUM(mx->route.contract.floor, 13);
    CHECK_NUM(mx->route.contract.revocation, REVOCATION_SOFT);
    CHECK_NUM(mx->route.contract.n_names, 1);
    CHECK_Z(mx->route.contract.names[0]->name[0], "*.lab.example");
    CHECK_NUM(mx->route.contract.identity, 2);
    CHECK_NUM(mx->route.contract.rules, RULE_CONNECTOR);
    CHECK_NUM(c->n_identity, 2);
    CHECK_Z(c->identity[1].label, "ours");
    CHECK(c->identity[1].org == &c->org[0]);

    CHECK(home->accepted && !home->everything && home->n_recipient == 0);
    CHECK_NUM(home->c.mode, CONNECTOR_OFF);
    CHECK_NUM(home->route.n_host, 2);
    CHECK_NUM(home->route.host[1].port, 26);
    CHECK_NUM(home->route.contract.need, TLS_NEED_ENCRYPT);
    CHECK_NUM(home->route.contract.identity, 0);
    CHECK(rest->everything && rest->route.contract.need == TLS_NEED_TRY);
    CHECK_Z(rule->rule_header, "X-Route-Via");
    CHECK_Z(rule->rule_value, "secure");
    config_unref(c);
}

/* Sets of the same names are one, whatever their order; contracts are compared by them. */
TEST(connectors_equal_names_are_one_set)
{
    struct config *c =
        org_load_well(ORG("outbound \"a\" { " PARTNER "to = a.example, mx = yes, tls = domain, "
                          "names = [\"a.example\", \"b.example\"] }\n"
                          "outbound \"b\" { " PARTNER "to = b.example, mx = yes, tls = domain, "
                          "names = [\"b.example\", \"A.example\"] }\n"
                          "outbound \"c\" { " PARTNER "to = c.example, mx = yes, tls = domain, "
                          "names = [\"b.example\"] }\n"
                          "inbound \"a\" { " PARTNER "restrict_to_certificate = yes, "
                          "certificate_names = [\"b.example\", \"a.example\"] }"));
    const struct out_connector *out = c->org[0].out;
    CHECK(out[0].route.contract.names[0] == out[1].route.contract.names[0]);
    CHECK(out[0].route.contract.names[0]->id != out[2].route.contract.names[0]->id);
    CHECK_NUM(c->org[0].in[0].names.id, out[0].route.contract.names[0]->id);
    CHECK(contract_eq(&out[0].route.contract, &out[1].route.contract));
    CHECK(!contract_eq(&out[0].route.contract, &out[2].route.contract));
    config_unref(c);
}

/* The domains of an organisation are accepted and routed as those at the top. */
TEST(t_open_relay_organisation_domains_are_ours)
{
    const struct ip outside = { IP_V4, 0, { 192, 0, 2, 1 } };
    struct config *c =
        org_load_well(HOST "domain \"top.example\" { smtp = \"10.0.0.1\" }\n"
                           "organisation \"o\" { domain \"*.o.example\" { smtp = \"10.0.0.2\" } }\n"
                           "organisation \"p\" { domain \"p.example\" { mx = yes, tls = encrypt }\n"
                           "outbound \"x\" { " PARTNER "to = partner.example, mx = yes } }");
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("top.example")), RELAY_LOCAL);
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("a.o.example")), RELAY_LOCAL);
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("p.example")), RELAY_LOCAL);
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("o.example")), RELAY_DENIED);
    CHECK_NUM(relay_decide(&c->relay, &outside, SPAN("partner.example")), RELAY_DENIED);
    CHECK_Z(route_find(&c->routes, SPAN("a.o.example"))->host[0].name, "10.0.0.2");
    CHECK_NUM(route_find(&c->routes, SPAN("p.example"))->contract.need, TLS_NEED_ENCRYPT);
    CHECK(org_of_domain(c->orgs, SPAN("top.example")) == NULL);
    CHECK(org_of_domain(c->orgs, SPAN("p.example")) == &c->org[1]);
    config_unref(c);
}

/* One CA may vouch for the partners of two organisations, and one partner write to both. */
TEST(connectors_partners_of_two_organisations_may_be_the_same)
{
    struct config *c =
        org_load_well(HOST "organisation \"a\" { inbound \"c\" { " PARTNER
                           "from = p.example, restrict_to_certificate = yes, ca = ca.pem } }\n"
                           "organisation \"b\" { inbound \"c\" { " PARTNER
                           "from = p.example, restrict_to_certificate = yes, ca = \"ca.pem\" } }");
    CHECK(c->org[0].in[0].anchor == c->org[1].in[0].anchor); /* read once */
    config_unref(c);
}

/* --- bounds --- */

static void check_list_bound(const char *start, const char *item, unsigned n, const char *want)
{
    struct buf text;
    struct config *c = NULL;
    struct why why = { "" };
    buf_init(&text, 4 << 20);
    buf_putf(&text, HOST "organisation \"o\" {\n%s = [", start);
    for (unsigned i = 0; i < n; i++)
        buf_putf(&text, "%s%u.example, ", item, i);
    buf_put(&text, SPAN("] } }"));
    CHECK_NUM(org_load(buf_z(&text), &c, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), want);
    buf_done(&text);
}

TEST(connectors_lengths_are_bounded)
{
    char label[80] = "", note[1200] = "", text[2000];
    memset(label, 'a', 65);
    memset(note, 'n', 1001);
    snprintf(text, sizeof text, HOST "organisation \"%s\" { }", label);
    org_check_refused(
        text, "etc/f:2:14: `organisation` wants a name of letters, digits, - and _, 64 at most, "
              "not `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`; for example: "
              "organisation \"acme\" { domain \"acme.example\" { smtp = \"10.0.0.5\" } }");
    snprintf(text, sizeof text, HOST "organisation \"o\" { owner = \"%s\" }", note);
    org_check_refused(text, "etc/f:2:28: `owner` is longer than 1000 bytes");
    check_list_bound("inbound \"c\" { " PARTNER "require_tls = yes, from", "p", 10001,
                     "etc/f:3:66: `from` has 10001 values, and 10000 are the most");
    check_list_bound("inbound \"c\" { " PARTNER "restrict_to_certificate = yes, certificate_names",
                     "p", 257,
                     "etc/f:3:78: `certificate_names` has 257 values, and 256 are the most");
}

/* Conflicts are sought in pairs, so those are counted. */
TEST(connectors_pairs_are_bounded)
{
    struct buf text;
    struct config *c = NULL;
    struct why why = { "" };
    buf_init(&text, 4 << 20);
    buf_put(&text, SPAN(HOST "organisation \"o\" {\ninbound \"c\" { " OWN "from = ["));
    for (unsigned i = 0; i < 10000; i++)
        buf_putf(&text, "p%u.example,", i);
    buf_put(&text, SPAN("]\ncertificate_names = ["));
    for (unsigned i = 0; i < 201; i++)
        buf_putf(&text, "p%u.example,", i);
    buf_put(&text, SPAN("] } }"));
    CHECK_NUM(org_load(buf_z(&text), &c, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text),
            "etc/f:3:1: the connectors up to this one have more than 2000000 pairs of a domain in "
            "`from` and a name, key, CA or address; use wider patterns");
    buf_done(&text);
}

/* --- warnings --- */

static void note(void *arg, const char *text)
{
    buf_putf(arg, "%s\n", text);
}

/* Behind "there is no certificate" and its kind. */
static void check_warnings(const char *text, const char *want)
{
    struct buf got;
    test_case(text);
    struct config *c = org_load_well(text);
    buf_init(&got, 1 << 20);
    config_warnings(c, note, &got);
    const char *start = strstr(buf_z(&got), "connector ");
    CHECK_Z(span_z(start), want);
    buf_done(&got);
    config_unref(c);
}

#define SERVER "certificate { chain = ca.pem, key = ec.key }\n"

static const struct {
    const char *text, *want;
} warned[] = {
    /* P29 */
    { SERVER IN(OWN "addresses = \"192.0.2.1\""),
      "connector o/c (etc/f:4): it trusts addresses alone; addresses change hands, certificates "
      "prove (certificate_names)\n" },
    { SERVER IN(OWN "addresses = \"192.0.2.1\", certificate_names = a.example"), "" },
    { SERVER IN("kind = on-premises, mode = off, addresses = \"192.0.2.1\""), "" },
    { SERVER IN(PARTNER "restrict_to_addresses = yes, addresses = \"192.0.2.1\""),
      "connector o/c (etc/f:4): it trusts addresses alone; addresses change hands, certificates "
      "prove (certificate_names)\n" },
    /* what is known and not asked */
    { SERVER IN("kind = partner, mode = test, require_tls = yes, certificate_names = a.example"),
      "connector o/c (etc/f:4): it knows a certificate and does not demand it; add "
      "restrict_to_certificate = yes\n" },
    { SERVER IN("kind = partner, mode = test, require_tls = yes, addresses = \"192.0.2.1\""),
      "connector o/c (etc/f:4): it knows addresses and does not demand them; add "
      "restrict_to_addresses = yes\n" },
    /* P12 */
    { SERVER IN(OWN "certificate_names = \"*.o.example\", wildcards = yes"),
      "connector o/c (etc/f:4): any server with a certificate below o.example counts as the "
      "organisation's, and that is none of its domains; name its servers one by one\n" },
    { IN(OWN "certificate_names = mx.o.example"),
      "connector o/c (etc/f:3): it asks for TLS and there is no certificate for listeners: no "
      "client can use TLS; add a `certificate` block at the top of the file\n" },
    /* DNS is not protected */
    { SERVER OUT("kind = partner, mode = test, to = a.example, mx = yes, tls = domain"),
      "connector o/c (etc/f:4): the name that the certificate must have comes from the MX record, "
      "which DNS does not protect unless DNSSEC does; add names\n" },
    { SERVER OUT("kind = partner, mode = test, to = a.example, smtp = mx.a.example, tls = domain"),
      "" },
    /* weakenings */
    { SERVER OUT(
          "kind = partner, mode = test, to = a.example, mx = yes, tls = encrypt\n"
          "allow \"plaintext\" { owner = me, reason = \"no TLS there\", until = 2026-12-31 }"),
      "connector o/c (etc/f:4): `allow \"plaintext\"` weakens it until 2026-12-31 (me: no TLS "
      "there); remove it as soon as it is not needed\n" },
};

TEST(p29_connectors_that_are_weaker_than_they_should_be)
{
    for (size_t i = 0; i < COUNTOF(warned); i++)
        check_warnings(warned[i].text, warned[i].want);
}

#define TLS_IN(name, from)                                                                         \
    "inbound \"" name "\" { " PARTNER "require_tls = yes, from = " from " }\n"
#define TLS_OUT(name, to)                                                                          \
    "outbound \"" name "\" { " PARTNER "mx = yes, tls = encrypt, to = " to " }\n"

static const struct {
    const char *text, *want;
} uncovered[] = {
    { SERVER ORG(TLS_IN("a", "p.example")),
      "connector o/a (etc/f:4): TLS is forced on mail from p.example and not on mail to it; add an "
      "outbound connector with tls = encrypt or more\n" },
    { SERVER ORG(TLS_OUT("a", "p.example")),
      "connector o/a (etc/f:4): TLS is forced on mail to p.example and not on mail from it; add an "
      "inbound connector with require_tls = yes\n" },
    { SERVER ORG(TLS_IN("a", "p.example") TLS_OUT("a", "p.example")), "" },
    { SERVER ORG(TLS_IN("a", "[\"p.example\", \"*.p.example\"]")
                     TLS_OUT("a", "[\"p.example\", \"*.p.example\"]")),
      "" },
    { SERVER ORG(TLS_IN("a", "[\"p.example\", \"*.p.example\"]") TLS_OUT("a", "p.example")),
      "connector o/a (etc/f:4): TLS is forced on mail from *.p.example and not on mail to it; add "
      "an outbound connector with tls = encrypt or more\n" },
    { SERVER ORG(TLS_IN("a", "\"*\"") TLS_OUT("a", "\"*\"")), "" },
    { SERVER ORG(TLS_IN("a", "a.p.example") TLS_OUT("a", "\"*.p.example\"")),
      "connector o/a (etc/f:5): TLS is forced on mail to *.p.example and not on mail from it; add "
      "an inbound connector with require_tls = yes\n" },
    /* the closest is not forced */
    { SERVER ORG(TLS_IN("a", "p.example") TLS_OUT("a", "\"*\"") "outbound \"b\" { " PARTNER
                                                                "mx = yes, to = p.example }"),
      "connector o/a (etc/f:4): TLS is forced on mail from p.example and not on mail to it; add an "
      "outbound connector with tls = encrypt or more\nconnector o/a (etc/f:5): TLS is forced on "
      "mail to * and not on mail from it; add an inbound connector with require_tls = yes\n" },
    /* one in test mode covers nothing, and asks for nothing */
    { SERVER ORG(TLS_IN("a", "p.example") "outbound \"b\" { kind = partner, mode = test, mx = yes, "
                                          "tls = encrypt, to = p.example }"),
      "connector o/a (etc/f:4): TLS is forced on mail from p.example and not on mail to it; add an "
      "outbound connector with tls = encrypt or more\n" },
    { SERVER ORG("outbound \"b\" { kind = partner, mode = test, mx = yes, tls = encrypt, to = "
                 "p.example }"),
      "" },
    /* another organisation's covers nothing */
    { SERVER HOST "organisation \"o\" { " TLS_IN("a", "p.example") "}\n"
                                                                   "organisation \"p\" { " TLS_OUT(
                                                                       "a", "p.example") "}",
      "connector o/a (etc/f:3): TLS is forced on mail from p.example and not on mail to it; add an "
      "outbound connector with tls = encrypt or more\nconnector p/a (etc/f:5): TLS is forced on "
      "mail to p.example and not on mail from it; add an inbound connector with require_tls = "
      "yes\n" },
};

TEST(r30_uncovered_direction_is_a_warning)
{
    for (size_t i = 0; i < COUNTOF(uncovered); i++)
        check_warnings(uncovered[i].text, uncovered[i].want);
}

TEST(connectors_lapsed_weakenings_are_told)
{
    struct buf got;
    int64_t now;
    struct config *c = org_load_well(
        SERVER IN(PARTNER "require_tls = yes\n"
                          "allow \"plaintext\" { owner = o, reason = r, until = 2026-12-31 }"));
    CHECK_NUM(when_parse(SPAN("2027-01-01"), &now), ERR_OK);
    buf_init(&got, 4096);
    config_lapsed(c, now - 1, note, &got);
    CHECK_NUM(got.n, 0);
    config_lapsed(c, now, note, &got);
    CHECK_Z(buf_span(&got), "connector o/c (etc/f:4): `allow \"plaintext\"` is void since the end "
                            "of 2026-12-31; remove it\n");
    buf_done(&got);
    config_unref(c);
}

/* People read some, not thousands. */
TEST(connectors_warnings_are_bounded)
{
    struct buf text, got;
    unsigned lines = 0;
    buf_init(&text, 1 << 20);
    buf_init(&got, 1 << 20);
    buf_put(&text, SPAN(SERVER HOST "organisation \"o\" {\n"));
    for (unsigned i = 0; i < 60; i++)
        buf_putf(&text, "inbound \"c%u\" { " OWN "addresses = \"192.0.2.%u\" }\n", i, i);
    buf_put(&text, SPAN("}"));
    struct config *c = org_load_well(buf_z(&text));
    config_warnings(c, note, &got);
    for (struct span rest = buf_span(&got); rest.n > 0; lines++)
        span_cut(&rest, '\n');
    CHECK_NUM(lines, 2 + 50 + 1);
    CHECK(strstr(buf_z(&got), "\n10 more warnings about connectors\n") != NULL);
    config_unref(c);
    buf_done(&got);
    buf_done(&text);
}

/* --- files --- */

TEST(connectors_files_that_are_missing)
{
    static const struct {
        const char *text, *want;
    } missing[] = {
        { IN(PARTNER "require_tls = yes\nca = none.pem"),
          "etc/f:4:6: cannot read etc/none.pem: none" },
        { ORG("certificate \"a\" { chain = ca.pem, key = none.key }"),
          "etc/f:3:41: cannot read etc/none.key: none" },
    };
    for (size_t i = 0; i < COUNTOF(missing); i++) {
        struct config *c = NULL;
        struct why why = { "" };
        test_case(missing[i].text);
        CHECK_NUM(org_load(missing[i].text, &c, &why), ERR_NOT_FOUND);
        CHECK_Z(span_z(why.text), missing[i].want);
    }
}

/* The contexts are made of what was read: a certificate without its key is refused at load. */
TEST(connectors_certificate_without_its_key)
{
    struct config *c = NULL;
    struct why why = { "" };
    CHECK_NUM(org_load(ORG("certificate \"a\" { chain = ca.pem, key = no.pem }"), &c, &why),
              ERR_SYNTAX);
    CHECK(span_starts(span_z(why.text), SPAN("etc/f: tls: etc/ca.pem: no readable private key")));
    CHECK(c == NULL);
}
