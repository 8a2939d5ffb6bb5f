#include "io/dns.h"
#include "test/test.h"

#define BYTES(literal) span_of("" literal, sizeof(literal) - 1)

struct mx_row {
    const char *name;
    struct span rdata;
    int preference; /* -1: refused */
    const char *host;
};

TEST(dns_read_mx_rows)
{
    static char longest[2 + 255], too_long[2 + 256];
    char longest_text[254];
    memset(longest, 0, sizeof longest);
    for (size_t i = 0; i < 4; i++) { /* three labels of 63 and one of 61: 255 bytes in all */
        size_t n = i < 3 ? 63 : 61;
        longest[2 + 64 * i] = (char)n;
        memset(longest + 2 + 64 * i + 1, 'a', n);
    }
    memset(longest_text, 'a', sizeof longest_text);
    longest_text[63] = longest_text[127] = longest_text[191] = '.';
    longest_text[253] = '\0';
    memcpy(too_long, longest, sizeof longest);
    too_long[2 + 192] = 62;
    too_long[2 + 254] = 'a';
    const struct mx_row rows[] = {
        { "usual", BYTES("\0\12\2mx\7example\3org\0"), 10, "mx.example.org" },
        { "capitals", BYTES("\xff\xff\2MX\7ExAmPlE\3org\0"), 65535, "mx.example.org" },
        { "underscore", BYTES("\0\0\5a_b-c\1d\0"), 0, "a_b-c.d" },
        { "null MX", BYTES("\0\0\0"), 0, "" },
        { "longest name", span_of(longest, sizeof longest), 0, longest_text },
        { "too long", span_of(too_long, sizeof too_long), -1, "" },
        { "empty", BYTES(""), -1, "" },
        { "preference alone", BYTES("\0\12"), -1, "" },
        { "label cut off", BYTES("\0\12\7exam"), -1, "" },
        { "no root", BYTES("\0\12\2mx"), -1, "" },
        { "bytes behind", BYTES("\0\12\2mx\0\0"), -1, "" },
        { "compressed", BYTES("\0\12\xc0\0"), -1, "" },
        { "label of 64",
          BYTES("\0\12\100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"), -1,
          "" },
        { "dot in a label", BYTES("\0\12\3m.x\0"), -1, "" },
        { "blank", BYTES("\0\12\3m x\0"), -1, "" },
        { "NUL", BYTES("\0\12\3m\0x\0"), -1, "" },
        { "line end", BYTES("\0\12\3m\nx\0"), -1, "" },
        { "beyond ASCII", BYTES("\0\12\2\xc3\xa4\0"), -1, "" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        uint16_t preference = 77;
        char name[DNS_NAME_MAX] = "untouched";
        enum err e = dns_read_mx(rows[i].rdata, &preference, name);
        CHECK_NUM(e, rows[i].preference < 0 ? ERR_SYNTAX : ERR_OK);
        CHECK_NUM(preference, rows[i].preference < 0 ? 77 : rows[i].preference);
        CHECK_Z(span_z(name), rows[i].preference < 0 ? "untouched" : rows[i].host);
    }
}

struct ip_row {
    const char *name;
    struct span rdata;
    enum dns_type type;
    const char *text; /* NULL: refused */
};

TEST(dns_read_ip_rows)
{
    static const struct ip_row rows[] = {
        { "A", { "\xc0\0\2\1", 4 }, DNS_A, "192.0.2.1" },
        { "AAAA", { "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16 }, DNS_AAAA, "2001:db8::1" },
        { "mapped", { "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16 }, DNS_AAAA, "192.0.2.1" },
        { "A of 3", { "\1\2\3", 3 }, DNS_A, NULL },
        { "A of 16", { "0123456789abcdef", 16 }, DNS_A, NULL },
        { "AAAA of 4", { "\1\2\3\4", 4 }, DNS_AAAA, NULL },
        { "AAAA of 17", { "0123456789abcdefg", 17 }, DNS_AAAA, NULL },
        { "empty", { "", 0 }, DNS_A, NULL },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct ip ip = { .port = 99 };
        char text[IP_TEXT_MAX];
        enum err e = dns_read_ip(rows[i].rdata, rows[i].type, &ip);
        CHECK_NUM(e, rows[i].text ? ERR_OK : ERR_SYNTAX);
        CHECK_NUM(ip.port, rows[i].text ? 0 : 99);
        if (rows[i].text)
            CHECK_Z(span_z(ip_text(&ip, text)), rows[i].text);
    }
}
