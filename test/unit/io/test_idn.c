#include "io/idn.h"
#include "test/test.h"

struct row {
    const char *in;
    const char *out; /* NULL: refused */
};

TEST(idn_rows)
{
    static const struct row rows[] = {
        { "example.org", "example.org" },
        { "EXAMPLE.Org", "example.org" },
        { "example.org.", "example.org" },
        { "a_b.example", "a_b.example" },
        { "localhost", "localhost" },
        { "1.2.3.x4", "1.2.3.x4" },
        { "bücher.example", "xn--bcher-kva.example" },
        { "BÜCHER.example", "xn--bcher-kva.example" },
        { "bu\xcc\x88"
          "cher.example",
          "xn--bcher-kva.example" },             /* u and a combining mark */
        { "faß.example", "xn--fa-hia.example" }, /* not "fass": RFC 5891 */
        { "例え.テスト", "xn--r8jz45g.xn--zckzah" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "XN--BCHER-KVA.example", "xn--bcher-kva.example" },
        { "bücher。example", "xn--bcher-kva.example" }, /* the ideographic full stop */
        { "", NULL },
        { ".", NULL },
        { "a..b", NULL },
        { ".a", NULL },
        { "a..", NULL },
        { "-a.example", NULL },
        { "a-.example", NULL },
        { "a b.example", NULL },
        { "a\n.example", NULL },
        { "a@b.example", NULL },
        { "192.0.2.1", NULL },
        { "example.42", NULL },
        { "xn--zzzzz.example", "xn--zzzzz.example" }, /* two Han characters */
        { "xn--zzzzzz.example", NULL },
        { "xn--.example", NULL },
        { "xn--a.example", NULL },
        { "xn--BCHER-KVB.example", NULL },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", NULL },
        { "\xff\xfe.example", NULL },
        { "b\xc3.example", NULL },
        { "a\xe2\x80\x8b"
          "b..example",
          NULL },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].in);
        struct buf out;
        buf_init(&out, 300);
        enum err e = idn_to_ascii(span_z(rows[i].in), &out);
        CHECK_NUM(e, rows[i].out ? ERR_OK : ERR_SYNTAX);
        CHECK_Z(buf_span(&out), rows[i].out ? rows[i].out : "");
        buf_done(&out);
    }
}

TEST(idn_lengths)
{
    char text[2000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 50 == 49 ? '.' : 'a';
    struct buf out;
    buf_init(&out, 300);
    CHECK(idn_to_ascii(span_of(text, 253), &out) == ERR_OK);
    CHECK_NUM(out.n, 253);
    CHECK(idn_to_ascii(span_of(text, 254), &out) == ERR_SYNTAX);
    CHECK(idn_to_ascii(span_of(text, sizeof text), &out) == ERR_SYNTAX);
    CHECK(idn_to_ascii(span_of("a\0b.example", 11), &out) == ERR_SYNTAX);
    memcpy(text, "\xc3\xbc", 2);
    CHECK(idn_to_ascii(span_of(text, 300), &out) == ERR_SYNTAX);
    buf_done(&out);

    struct buf small; /* no room is said as such */
    buf_init(&small, 3);
    CHECK(idn_to_ascii(SPAN("example.org"), &small) == ERR_TOO_BIG);
    CHECK_NUM(small.n, 0);
    buf_done(&small);
}
