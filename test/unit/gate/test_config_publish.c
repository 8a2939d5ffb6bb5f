/* `dane` and `mta_sts`: whose they are, and what is refused. docs/connectors.md, configuration.md.
 */
#include "test/unit/gate/org_files.h"

static void check_modes(const struct contract *c, enum dane_mode dane, enum sts_mode sts)
{
    CHECK_Z(span_z(dane_mode_name(c->dane)), dane_mode_name(dane));
    CHECK_Z(span_z(sts_mode_name(c->sts)), sts_mode_name(sts));
}

static const struct route *route_of(const struct config *c, const char *domain)
{
    return route_find(&c->routes, span_z(domain));
}

#define ROUTES                                                                                     \
    "route \"mx.example\" { mx = yes, tls = encrypt }\n"                                           \
    "route \"host.example\" { smtp = \"mail.internal\" }\n"                                        \
    "domain \"ours.example\" { lmtp = \"mail.internal\" }\n"

/* By MX, opportunistic; routes that name their hosts say themselves what those must be. */
TEST(publish_installation)
{
    struct config *c = org_load_well(HOST ROUTES);
    check_modes(&route_of(c, "else.example")->contract, DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC);
    check_modes(&route_of(c, "mx.example")->contract, DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC);
    check_modes(&route_of(c, "host.example")->contract, DANE_OFF, STS_OFF);
    check_modes(&route_of(c, "ours.example")->contract, DANE_OFF, STS_OFF);
    CHECK_NUM(route_of(c, "mx.example")->contract.need, TLS_NEED_ENCRYPT);
    config_unref(c);
    c = org_load_well("out { dane = off, mta_sts = off }\n" HOST ROUTES);
    check_modes(&route_of(c, "else.example")->contract, DANE_OFF, STS_OFF);
    check_modes(&route_of(c, "mx.example")->contract, DANE_OFF, STS_OFF);
    config_unref(c);
}

#define CONNECTORS                                                                                 \
    ORG("outbound \"usual\" { " PARTNER "to = a.example, mx = yes }\n"                             \
        "outbound \"must\" { " PARTNER "to = b.example, mx = yes, dane = mandatory, "              \
        "mta_sts = off }\n"                                                                        \
        "outbound \"off\" { " PARTNER "to = c.example, mx = yes, dane = off }\n"                   \
        "outbound \"host\" { " PARTNER "to = d.example, smtp = [\"192.0.2.1\", "                   \
        "\"mail.d.example\"] }\n"                                                                  \
        "outbound \"address\" { " PARTNER "to = e.example, smtp = \"192.0.2.1\" }\n"               \
        "outbound \"named\" { " PARTNER "to = f.example, smtp = \"mail.f.example\", "              \
        "dane = mandatory, mta_sts = opportunistic }\n")

/* What a connector does not say is the installation's, wherever in the file that stands. */
TEST(publish_connectors)
{
    static const struct {
        const char *text;
        enum dane_mode dane;
        enum sts_mode sts;
    } rows[] = {
        { CONNECTORS, DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC },
        { CONNECTORS "\nout { dane = off, mta_sts = off }\n", DANE_OFF, STS_OFF },
        { CONNECTORS "\nout { mta_sts = off }\n", DANE_OPPORTUNISTIC, STS_OFF },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct config *c = org_load_well(rows[i].text);
        const struct out_connector *out = c->org[0].out;
        CHECK_NUM(c->org[0].n_out, 6);
        check_modes(&out[0].route.contract, rows[i].dane, rows[i].sts);
        check_modes(&out[1].route.contract, DANE_MANDATORY, STS_OFF);
        check_modes(&out[2].route.contract, DANE_OFF, rows[i].sts);
        check_modes(&out[3].route.contract, rows[i].dane, rows[i].sts);
        check_modes(&out[4].route.contract, DANE_OFF, STS_OFF);
        check_modes(&out[5].route.contract, DANE_MANDATORY, STS_OPPORTUNISTIC);
        config_unref(c);
    }
}

static const struct {
    const char *text, *want;
} wrong[] = {
    { HOST "out { dane = mandatory }",
      "etc/f:2:14: `dane` wants off or opportunistic, not `mandatory`; for example: dane = "
      "opportunistic" },
    { HOST "out { mta_sts = yes }",
      "etc/f:2:17: `mta_sts` wants off or opportunistic, not `yes`; for example: mta_sts = "
      "opportunistic" },
    { OUT(PARTNER "to = a.example, mx = yes, mta_sts = enforce"),
      "etc/f:3:84: `mta_sts` wants off or opportunistic, not `enforce`; for example: mta_sts = "
      "opportunistic" },
    { OUT(PARTNER "to = a.example, smtp = [\"mail.a.example\", \"192.0.2.1\"], dane = mandatory"),
      "etc/f:3:111: `dane = mandatory` looks up TLSA records by name and 192.0.2.1 is an address; "
      "name "
      "the host" },
    { OUT(PARTNER "to = a.example, smtp = \"192.0.2.1\", dane = opportunistic"),
      "etc/f:3:84: `dane` means nothing without a host that has a name; add it, or remove `dane`" },
    { OUT(PARTNER "to = a.example, smtp = \"192.0.2.1\", mta_sts = opportunistic"),
      "etc/f:3:84: `mta_sts` means nothing without a host that has a name; add it, or remove "
      "`mta_sts`" },
    { IN(PARTNER "require_tls = yes, dane = opportunistic"),
      "etc/f:3:66: `dane` is for outbound connectors and this is an inbound one; remove it" },
};

TEST(publish_refuses)
{
    for (size_t i = 0; i < COUNTOF(wrong); i++)
        org_check_refused(wrong[i].text, wrong[i].want);
}
