/* The block `fetch`: docs/configuration.md. */
#include "test/unit/gate/org_files.h"

TEST(t45_fetch_defaults_refuse_private_addresses)
{
    struct config *c = org_load_well(HOST);
    CHECK_NUM(c->fetch.timeout_ms, 30000);
    CHECK(!c->fetch.allow_private && c->fetch.proxy.n == 0 && c->fetch.ca_pem.n == 0);
    config_unref(c);
}

TEST(fetch_says_how)
{
    struct config *c = org_load_well(HOST "fetch { proxy = \"http://proxy.example:3128\", "
                                          "allow_private = yes, timeout = \"5s\" }\n");
    CHECK_NUM(c->fetch.timeout_ms, 5000);
    CHECK(c->fetch.allow_private);
    CHECK_SPAN(c->fetch.proxy, SPAN("http://proxy.example:3128"));
    config_unref(c);
}

TEST(fetch_is_refused_with_a_remedy)
{
    static const char proxy[] =
        "`proxy` wants a URL of http or https with a host and a port, no user and no path";
    static const struct {
        const char *text, *want;
    } row[] = {
        { HOST "fetch { proxy = \"proxy.example:3128\" }", proxy },
        { HOST "fetch { proxy = \"socks5://proxy.example\" }", proxy },
        { HOST "fetch { proxy = \"http://user:secret@proxy.example\" }", proxy },
        { HOST "fetch { proxy = \"http://proxy.example/path\" }", proxy },
        { HOST "fetch { ca = \"no.pem\" }", "holds no certificates in PEM" },
        { HOST "fetch { timeout = \"2m\" }", "`timeout` wants" },
        { HOST "fetch { alow_private = yes }", "did you mean `allow_private`?" },
    };
    for (size_t i = 0; i < COUNTOF(row); i++) {
        test_case(row[i].text);
        struct config *c;
        struct why why;
        CHECK_NUM(org_load(row[i].text, &c, &why), ERR_SYNTAX);
        CHECK(strstr(why.text, row[i].want) != NULL);
        CHECK(strstr(why.text, "secret") == NULL);
    }
}

TEST(fetch_takes_anchors)
{
    struct config *c = org_load_well(HOST "fetch { ca = \"ca.pem\" }\n");
    CHECK(span_starts(c->fetch.ca_pem, SPAN("-----BEGIN CERTIFICATE-----")));
    config_unref(c);
}
