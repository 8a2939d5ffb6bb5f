#include "mail/ip.h"
#include "test/test.h"

TEST(ip_refuses)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "1.2.3.4 ",
        "0x1.2.3.4",
        "1.2.3.-4",
        "1.2.3.4567",
        ":",
        ":::",
        "1::2::3",
        "::1::",
        "1:2:3:4:5:6:7",
        "12345::",
        "::g",
        "fe80::1%eth0",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1.2.3.4::",
        "::1.2.3",
        ":1",
        "1:",
        "::1:",
        ":1::",
        "[::1]",
        "::ffff:1.2.3.04",
        "1:2:3:4:5:6:1.2.3.4:7",
    };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        struct ip ip = { .port = 7 };
        CHECK_NUM(ip_parse(span_z(bad[i]), &ip), ERR_SYNTAX);
        CHECK_NUM(ip.port, 7);
    }
    test_case(NULL);
}

/* = RFC 5952 4: one text for each address */
TEST(ip_reads_and_prints)
{
    static const struct {
        const char *in, *out, *port, *literal;
    } rows[] = {
        { "192.0.2.1", "192.0.2.1", "192.0.2.1:25", "[192.0.2.1]" },
        { "0.0.0.0", "0.0.0.0", "0.0.0.0:25", "[0.0.0.0]" },
        { "255.255.255.255", "255.255.255.255", "255.255.255.255:25", "[255.255.255.255]" },
        { "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:25", "[192.0.2.1]" },
        { "::FFFF:c000:201", "192.0.2.1", "192.0.2.1:25", "[192.0.2.1]" },
        { "::", "::", "[::]:25", "[IPv6:::]" },
        { "::1", "::1", "[::1]:25", "[IPv6:::1]" },
        { "1::", "1::", "[1::]:25", "[IPv6:1::]" },
        { "2001:DB8::0001", "2001:db8::1", "[2001:db8::1]:25", "[IPv6:2001:db8::1]" },
        { "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "[2001:db8::1:0:0:1]:25",
          "[IPv6:2001:db8::1:0:0:1]" },
        { "2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "[2001:0:0:1::1]:25", "[IPv6:2001:0:0:1::1]" },
        { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:25",
          "[IPv6:2001:db8:0:1:1:1:1:1]" },
        { "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:25",
          "[IPv6:2001:db8:0:1:1:1:1:1]" },
        { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", "[1:2:3:4:5:6:102:304]:25",
          "[IPv6:1:2:3:4:5:6:102:304]" },
        { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "[1:2:3:4:5:6:7:0]:25", "[IPv6:1:2:3:4:5:6:7:0]" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:25",
          "[IPv6:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].in);
        struct ip ip, again;
        char text[IP_TEXT_MAX];
        CHECK_NUM(ip_parse(span_z(rows[i].in), &ip), ERR_OK);
        ip.port = 25;
        CHECK_Z(span_z(ip_text(&ip, text)), rows[i].out);
        CHECK_Z(span_z(ip_port_text(&ip, text)), rows[i].port);
        CHECK_NUM(ip_parse_port(span_z(text), 0, &again), ERR_OK);
        CHECK(ip_eq(&ip, &again));
        CHECK_Z(span_z(ip_literal(&ip, text)), rows[i].literal);
        CHECK_NUM(ip_literal_parse(span_z(text), &again), ERR_OK);
        CHECK(ip_same_host(&ip, &again) && !ip_eq(&ip, &again));
    }
    test_case(NULL);
}

TEST(ip_without_address_prints)
{
    char text[IP_TEXT_MAX];
    struct ip ip = { .family = IP_UNIX };
    CHECK_Z(span_z(ip_port_text(&ip, text)), "unix");
    CHECK(ip_is_loopback(&ip));
    ip.family = IP_NONE;
    CHECK_Z(span_z(ip_port_text(&ip, text)), "none");
    CHECK(!ip_is_loopback(&ip));
}

TEST(ip_ports)
{
    static const struct {
        const char *in;
        uint16_t def;
        enum err want;
        const char *out;
    } rows[] = {
        { "192.0.2.1", 0, ERR_SYNTAX, NULL },
        { "2001:db8::1", 0, ERR_SYNTAX, NULL },
        { "[2001:db8::1]", 0, ERR_SYNTAX, NULL },
        { "192.0.2.1:", 25, ERR_SYNTAX, NULL },
        { "192.0.2.1:65536", 25, ERR_SYNTAX, NULL },
        { "192.0.2.1:000025", 25, ERR_SYNTAX, NULL },
        { "192.0.2.1:+25", 25, ERR_SYNTAX, NULL },
        { "[2001:db8::1]25", 25, ERR_SYNTAX, NULL },
        { "[2001:db8::1", 25, ERR_SYNTAX, NULL },
        { "[]:25", 25, ERR_SYNTAX, NULL },
        { ":25", 25, ERR_SYNTAX, NULL },
        { "localhost:25", 25, ERR_SYNTAX, NULL },
        { "192.0.2.1", 25, ERR_OK, "192.0.2.1:25" },
        { "192.0.2.1:0", 25, ERR_OK, "192.0.2.1:0" },
        { "192.0.2.1:65535", 0, ERR_OK, "192.0.2.1:65535" },
        { "[192.0.2.1]:26", 25, ERR_OK, "192.0.2.1:26" },
        { "2001:db8::1", 25, ERR_OK, "[2001:db8::1]:25" },
        { "[2001:db8::1]:26", 25, ERR_OK, "[2001:db8::1]:26" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].in);
        struct ip ip;
        char text[IP_TEXT_MAX];
        CHECK_NUM(ip_parse_port(span_z(rows[i].in), rows[i].def, &ip), rows[i].want);
        if (rows[i].want == ERR_OK)
            CHECK_Z(span_z(ip_port_text(&ip, text)), rows[i].out);
    }
    test_case(NULL);
}

TEST(ip_nets)
{
    static const struct {
        const char *net, *ip;
        int want; /* -1: no net */
    } rows[] = {
        { "192.0.2.1/24", "", -1 },
        { "192.0.2.0/33", "", -1 },
        { "192.0.2.0/", "", -1 },
        { "192.0.2.0/-1", "", -1 },
        { "192.0.2.0/24/1", "", -1 },
        { "192.0.2.0/0024", "", -1 },
        { "2001:db8::/129", "", -1 },
        { "2001:db8::1/32", "", -1 },
        { "::ffff:192.0.2.0/24", "", -1 },
        { "0.0.0.1/0", "", -1 },
        { "192.0.2.0/24", "192.0.2.255", 1 },
        { "192.0.2.0/24", "192.0.3.0", 0 },
        { "192.0.2.0/23", "192.0.3.9", 1 },
        { "192.0.2.128/25", "192.0.2.127", 0 },
        { "192.0.2.1", "192.0.2.1", 1 },
        { "192.0.2.1", "192.0.2.2", 0 },
        { "0.0.0.0/0", "255.1.2.3", 1 },
        { "0.0.0.0/0", "::1", 0 },
        { "::/0", "2001:db8::1", 1 },
        { "::/0", "192.0.2.1", 0 },
        { "2001:db8::/33", "2001:db8:7fff::", 1 },
        { "2001:db8::/33", "2001:db8:8000::", 0 },
        { "::1", "::1", 1 },
        { "::ffff:192.0.2.0/120", "192.0.2.7", 1 },
        { "192.0.2.0/24", "::ffff:192.0.2.9", 1 },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].net);
        struct ip_net net;
        struct ip ip;
        CHECK_NUM(ip_net_parse(span_z(rows[i].net), &net), rows[i].want < 0 ? ERR_SYNTAX : ERR_OK);
        if (rows[i].want < 0)
            continue;
        CHECK_NUM(ip_parse(span_z(rows[i].ip), &ip), ERR_OK);
        CHECK_NUM(ip_net_has(&net, &ip), rows[i].want);
    }
    test_case(NULL);
}

TEST(ip_loopback)
{
    struct ip ip;
    CHECK(ip_parse(SPAN("127.9.8.7"), &ip) == ERR_OK && ip_is_loopback(&ip));
    CHECK(ip_parse(SPAN("128.0.0.1"), &ip) == ERR_OK && !ip_is_loopback(&ip));
    CHECK(ip_parse(SPAN("::1"), &ip) == ERR_OK && ip_is_loopback(&ip));
    CHECK(ip_parse(SPAN("::2"), &ip) == ERR_OK && !ip_is_loopback(&ip));
    CHECK(ip_parse(SPAN("::ffff:127.0.0.1"), &ip) == ERR_OK && ip_is_loopback(&ip));
}

TEST(ip_literals_refused)
{
    static const char *const bad[] = { "",
                                       "[]",
                                       "[",
                                       "192.0.2.1",
                                       "[192.0.2.1",
                                       "[::1]",
                                       "[IPv6:]",
                                       "[IPv6:192.0.2.1",
                                       "[IPv4:192.0.2.1]" };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        struct ip ip;
        CHECK_NUM(ip_literal_parse(span_z(bad[i]), &ip), ERR_SYNTAX);
    }
    test_case(NULL);
    struct ip ip;
    CHECK_NUM(ip_literal_parse(SPAN("[ipv6:::1]"), &ip), ERR_OK);
}
