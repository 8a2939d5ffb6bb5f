#include "cli/cert_file.h"
#include "cli/cert_text.h"

#include "base/when.h"
#include "test/test.h"

TEST(cert_hosts_as_they_are_written)
{
    static const struct {
        const char *text, *host;
        uint16_t port; /* 0: refused */
    } rows[] = {
        { "mx.example.org", "mx.example.org", 25 },
        { "MX.example.org:465", "mx.example.org", 465 },
        { "b\xc3\xbc"
          "cher.example:443",
          "xn--bcher-kva.example", 443 },
        { "192.0.2.1", "192.0.2.1", 25 },
        { "192.0.2.1:587", "192.0.2.1", 587 },
        { "[2001:db8::1]:25", "2001:db8::1", 25 },
        { "2001:db8::1", "2001:db8::1", 25 },
        { "", "", 0 },
        { ":25", "", 0 },
        { "mx:0", "", 0 },
        { "mx:70000", "", 0 },
        { "mx:x", "", 0 },
        { "a@b", "", 0 },
        { "a/b", "", 0 },
        { "*.example.org", "", 0 },
        { "a b", "", 0 },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fetch_peer peer = { .port = 0 };
        struct why why = { "" };
        struct arena a;
        test_case(rows[i].text);
        arena_init(&a, CERT_ARENA_MAX);
        enum err e = cert_file_host(span_z(rows[i].text), &a, &peer, &why);
        CHECK_NUM(e, rows[i].port ? ERR_OK : ERR_SYNTAX);
        CHECK_NUM(peer.port, rows[i].port);
        CHECK_Z(peer.host, rows[i].port ? rows[i].host : "");
        CHECK((why.text[0] != '\0') == (e != ERR_OK));
        arena_done(&a);
    }
    test_case(NULL);
}

TEST(p7_certificates_are_chosen_by_digests)
{
    struct cert_info c = { .sha256 = { 0xab, 0xcd, 0xef, 0x01, 0x23 },
                           .spki = { 0x11, 0x22, 0x33, 0x44 },
                           .subject = SPAN("CN=x") };
    CHECK(cert_has_digest(&c, SPAN("abcdef01")));
    CHECK(cert_has_digest(&c, SPAN("AB:CD:EF:01:23")));
    CHECK(cert_has_digest(&c, SPAN("11223344")));
    CHECK(!cert_has_digest(&c, SPAN("abcdef0")));
    CHECK(!cert_has_digest(&c, SPAN("abcdef02")));
    CHECK(!cert_has_digest(&c, SPAN("CN=x")));
    CHECK(!cert_has_digest(&c, SPAN("")));
    CHECK(!cert_is_sha256(&c, SPAN("abcdef0123")));
    CHECK(cert_is_sha256(&c,
                         SPAN("ABCDEF0123000000000000000000000000000000000000000000000000000000")));
}

TEST(cert_ends_are_worded)
{
    char text[OUT_TEXT_MAX], date[DATE_TEXT_MAX];
    int64_t now = INT64_C(1795500000000);
    CHECK_Z(span_z(ends_text(now + INT64_C(400) * DAY_MS, now, text)), "400 days left");
    CHECK_Z(span_z(ends_text(now + 6 * (int64_t)DAY_MS, now, text)), "6 days left, within 7");
    CHECK_Z(span_z(ends_text(now - 2 * (int64_t)DAY_MS, now, text)), "EXPIRED 2 days ago");
    CHECK_Z(span_z(date_text(now, date)), "2026-11-24");
    CHECK_Z(span_z(date_text(0, date)), "-");
}
