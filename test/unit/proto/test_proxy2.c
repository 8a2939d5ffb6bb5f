#include "proto/proxy2.h"
#include "test/test.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\xcb\x00\x71\x05\x30\x39\x00\x19"
#define V6_SRC "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"

struct proxy2_case {
    const char *name;
    struct span in;
    enum err want;
    const char *ip; /* "": IP_NONE */
};

#define CASE(name_, bytes, want_, ip_)                                                             \
    {                                                                                              \
        name_, { bytes, sizeof(bytes) - 1 }, want_, ip_                                            \
    }
static const struct proxy2_case proxy2_cases[] = {
    CASE("t53 tcp4", SIG "\x21\x11\x00\x0c" V4, ERR_OK, "192.0.2.1:12345"),
    CASE("tcp4 with tlv", SIG "\x21\x11\x00\x0f" V4 "\x04\x00\x00", ERR_OK, "192.0.2.1:12345"),
    CASE("tcp6", SIG "\x21\x21\x00\x24" V6_SRC V6_SRC "\x30\x39\x00\x19", ERR_OK,
         "[2001:db8::1]:12345"),
    CASE("mapped", SIG "\x21\x21\x00\x24" MAPPED V6_SRC "\x30\x39\x00\x19", ERR_OK,
         "192.0.2.7:12345"),
    CASE("local", SIG "\x20\x00\x00\x00", ERR_OK, ""),
    CASE("local with address", SIG "\x20\x11\x00\x0c" V4, ERR_OK, ""),
    CASE("unknown family", SIG "\x21\x00\x00\x00", ERR_OK, ""),
    CASE("udp4", SIG "\x21\x12\x00\x0c" V4, ERR_OK, ""),
    CASE("tcp4 too short", SIG "\x21\x11\x00\x0b" V4, ERR_SYNTAX, ""),
    CASE("tcp6 too short", SIG "\x21\x21\x00\x0c" V4, ERR_SYNTAX, ""),
    CASE("unix too short", SIG "\x21\x31\x00\x0c" V4, ERR_SYNTAX, ""),
    CASE("version 1", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ERR_SYNTAX, ""),
    CASE("version 3", SIG "\x31\x11\x00\x0c" V4, ERR_SYNTAX, ""),
    CASE("command 2", SIG "\x22\x11\x00\x0c" V4, ERR_SYNTAX, ""),
    CASE("family 4", SIG "\x21\x41\x00\x0c" V4, ERR_SYNTAX, ""),
    CASE("transport 3", SIG "\x21\x13\x00\x0c" V4, ERR_SYNTAX, ""),
    CASE("smtp", "EHLO x\r\n", ERR_SYNTAX, ""),
    CASE("tls", "\x16\x03\x01", ERR_SYNTAX, ""),
    CASE("too big", SIG "\x21\x11\x02\x01" V4, ERR_TOO_BIG, ""),
};

TEST(t53_proxy2_every_prefix)
{
    for (size_t i = 0; i < COUNTOF(proxy2_cases); i++) {
        const struct proxy2_case *c = &proxy2_cases[i];
        test_case(c->name);
        bool over = false;
        for (size_t n = 0; n <= c->in.n; n++) {
            struct span in = span_head(c->in, n);
            struct ip ip = { .family = 99 };
            enum err e = proxy2_take(&in, &ip);
            CHECK(!over || e == c->want);
            over = e != ERR_AGAIN;
            CHECK(e == ERR_AGAIN || e == c->want);
            CHECK(e == ERR_OK ? in.n == 0 : in.n == n);
            CHECK(e == ERR_OK || ip.family == 99);
            char text[IP_TEXT_MAX];
            if (e == ERR_OK && c->ip[0] == '\0')
                CHECK_NUM(ip.family, IP_NONE);
            else if (e == ERR_OK)
                CHECK_Z(span_z(ip_port_text(&ip, text)), c->ip);
        }
        CHECK(over);
    }
}

TEST(proxy2_leaves_what_follows)
{
    struct span in = SPAN(SIG "\x21\x11\x00\x0c" V4 "EHLO x\r\n");
    struct ip ip;
    CHECK(proxy2_take(&in, &ip) == ERR_OK);
    CHECK_Z(in, "EHLO x\r\n");
}
