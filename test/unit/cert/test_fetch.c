#include "cert/fetch.h"

#include "mail/ip.h"
#include "test/test.h"

TEST(t45_special_addresses_are_not_public)
{
    static const char *const special[] = { "127.0.0.1",
                                           "127.255.0.9",
                                           "0.0.0.0",
                                           "10.1.2.3",
                                           "172.16.0.1",
                                           "172.31.255.255",
                                           "192.168.1.1",
                                           "169.254.1.1",
                                           "100.64.0.1",
                                           "192.0.2.1",
                                           "224.0.0.1",
                                           "255.255.255.255",
                                           "::1",
                                           "::",
                                           "fe80::1",
                                           "fc00::1",
                                           "fd12::1",
                                           "ff02::1",
                                           "::ffff:10.0.0.1",
                                           "64:ff9b::a00:1",
                                           "2002:a00:1::1",
                                           "2001:db8::1" };
    static const char *const public[] = { "8.8.8.8",     "172.32.0.1",        "100.128.0.1",
                                          "192.169.0.1", "2a00:1450:4001::1", "::ffff:8.8.8.8" };
    struct ip ip;
    for (size_t i = 0; i < COUNTOF(special); i++) {
        test_case(special[i]);
        CHECK(ip_parse(span_z(special[i]), &ip) == ERR_OK);
        CHECK(!fetch_is_public(&ip));
    }
    for (size_t i = 0; i < COUNTOF(public); i++) {
        test_case(public[i]);
        CHECK(ip_parse(span_z(public[i]), &ip) == ERR_OK);
        CHECK(fetch_is_public(&ip));
    }
    test_case(NULL);
    CHECK(!fetch_is_public(&(struct ip){ .family = IP_NONE }));
    CHECK(!fetch_is_public(&(struct ip){ .family = IP_UNIX }));
}

TEST(t45_urls_that_may_be_asked)
{
    static const struct {
        const char *url;
        bool ok;
        const char *host, *port;
    } rows[] = {
        { "http://ocsp.example.net", true, "ocsp.example.net", "80" },
        { "HTTP://a.example:8080/x?y#z", true, "a.example", "8080" },
        { "https://a.example/p", true, "a.example", "443" },
        { "http://[2001:db8::1]:81/", true, "[2001:db8::1]", "81" },
        { "http://[2001:db8::1]/", true, "[2001:db8::1]", "80" },
        { "http://a.example?x", true, "a.example", "80" },
        { "ldap://a.example/", false, "", "" },
        { "file:///etc/passwd", false, "", "" },
        { "gopher://127.0.0.1:25/x", false, "", "" },
        { "http://", false, "", "80" },
        { "http:///x", false, "", "80" },
        { "http://a.example@127.0.0.1/", false, "a.example@127.0.0.1", "80" },
        { "http://a.example/\\x0d\\x0aHost: b", false, "a.example", "80" },
        { "http://a example/", false, "a example", "80" },
        { "http://a.example\\@b/", false, "a.example\\@b", "80" },
        { "http://b\xc3\xbc.example/", false, "b\xc3\xbc.example", "80" },
        { "", false, "", "" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].url);
        CHECK_NUM(fetch_url_ok(span_z(rows[i].url)), rows[i].ok);
        CHECK_Z(fetch_url_host(span_z(rows[i].url)), rows[i].host);
        CHECK_Z(fetch_url_port(span_z(rows[i].url)), rows[i].port);
    }
    test_case(NULL);
}

TEST(t45_nothing_is_connected_to_for_a_private_url)
{
    struct buf body;
    struct fetch_result r;
    struct fetch_request request = { .url = SPAN("http://127.0.0.1:1/x"),
                                     .body_max = 100,
                                     .rules = { .timeout_ms = 1000 } };
    buf_init(&body, 100);
    fetch(&request, &body, &r);
    CHECK_NUM(r.reached, FETCH_TCP);
    CHECK(r.refused_by_us);
    /* a proxy does not change that */
    request.url = SPAN("http://[::1]/x");
    request.rules.proxy = SPAN("http://proxy.example:3128");
    fetch(&request, &body, &r);
    CHECK(r.refused_by_us && r.reached == FETCH_TCP);
    request.url = SPAN("file:///etc/passwd");
    fetch(&request, &body, &r);
    CHECK_NUM(r.reached, FETCH_URL);
    CHECK_NUM(body.n, 0);
    buf_done(&body);
}
