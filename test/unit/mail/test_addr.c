#include "mail/addr.h"
#include "test/test.h"

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64

struct row {
    const char *name;
    struct span in;
    bool utf8;
    enum err want;
    const char *text; /* on ERR_OK */
    const char *rest;
};

static const struct row refused[] = {
    { "nothing", SPAN(""), true, ERR_SYNTAX, NULL, NULL },
    { "no brackets", SPAN("a@b.example"), true, ERR_SYNTAX, NULL, NULL },
    { "open bracket only", SPAN("<"), true, ERR_SYNTAX, NULL, NULL },
    { "no end", SPAN("<a@b.example"), true, ERR_SYNTAX, NULL, NULL },
    { "no domain", SPAN("<a>"), true, ERR_SYNTAX, NULL, NULL },
    { "empty domain", SPAN("<a@>"), true, ERR_SYNTAX, NULL, NULL },
    { "empty local", SPAN("<@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "two ats", SPAN("<a@b@c.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "double bracket", SPAN("<<a@b.example>>"), true, ERR_SYNTAX, NULL, NULL },
    { "blank inside", SPAN("<a @b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "blank before", SPAN(" <a@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "leading dot", SPAN("<.a@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "trailing dot", SPAN("<a.@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "double dot", SPAN("<a..b@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "domain final dot", SPAN("<a@b.example.>"), true, ERR_SYNTAX, NULL, NULL },
    { "domain double dot", SPAN("<a@b..example>"), true, ERR_SYNTAX, NULL, NULL },
    { "domain leading dot", SPAN("<a@.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "domain hyphen", SPAN("<a@-b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "domain hyphen end", SPAN("<a@b-.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "domain with slash", SPAN("<a@b/c.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "long label", SPAN("<a@" X64 ".example>"), true, ERR_SYNTAX, NULL, NULL },
    { "long domain",
      SPAN("<a@" X16 "." X16 "." X16 "." X16 "." X16 "." X16 "." X16 "." X16 "." X16 "." X16 "." X16
           "." X16 "." X16 "." X16 "." X16 "." X16 ">"),
      true, ERR_TOO_BIG, NULL, NULL },
    { "long local", SPAN("<" X256 "y@b.example>"), true, ERR_TOO_BIG, NULL, NULL },
    { "NUL", SPAN("<a\0@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "NUL in quotes", SPAN("<\"a\0\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "escaped NUL", SPAN("<\"a\\\0\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "CR in quotes", SPAN("<\"a\r\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "LF in quotes", SPAN("<\"a\n\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "TAB in quotes", SPAN("<\"a\t\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "DEL in quotes", SPAN("<\"a\x7f\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "open quotes", SPAN("<\"a@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "quotes end in escape", SPAN("<\"a\\"), true, ERR_SYNTAX, NULL, NULL },
    { "quotes inside", SPAN("<a\"b\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "text behind quotes", SPAN("<\"a\"b@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "escaped UTF-8", SPAN("<\"\\\xc3\xbc\"@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "literal open", SPAN("<a@[192.0.2.1>"), true, ERR_SYNTAX, NULL, NULL },
    { "literal short", SPAN("<a@[192.0.2]>"), true, ERR_SYNTAX, NULL, NULL },
    { "literal without tag", SPAN("<a@[2001:db8::1]>"), true, ERR_SYNTAX, NULL, NULL },
    { "literal of others", SPAN("<a@[x400:abc]>"), true, ERR_SYNTAX, NULL, NULL },
    { "text behind literal", SPAN("<a@[192.0.2.1]b>"), true, ERR_SYNTAX, NULL, NULL },
    { "8-bit not asked for", SPAN("<\xc3\xbc@b.example>"), false, ERR_SYNTAX, NULL, NULL },
    { "8-bit domain", SPAN("<a@\xc3\xbc.example>"), false, ERR_SYNTAX, NULL, NULL },
    { "Latin-1", SPAN("<\xfc@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "overlong slash", SPAN("<a\xc0\xaf@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "surrogate", SPAN("<\xed\xa0\x80@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "C1 control", SPAN("<a\xc2\x85@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "C1 in domain", SPAN("<a@b\xc2\x9b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "half a sequence", SPAN("<a@b.example\xc3>"), true, ERR_SYNTAX, NULL, NULL },
    { "route without colon", SPAN("<@a.example a@b.example>"), true, ERR_SYNTAX, NULL, NULL },
    { "route only", SPAN("<@a.example:>"), true, ERR_SYNTAX, NULL, NULL },
    { "route open", SPAN("<@a.example,"), true, ERR_SYNTAX, NULL, NULL },
    { "route without at", SPAN("<@a.example,b.example:a@c.example>"), true, ERR_SYNTAX, NULL,
      NULL },
};

static const struct row taken[] = {
    { "null sender", SPAN("<> SIZE=1"), false, ERR_OK, "", " SIZE=1" },
    { "plain", SPAN("<a@b.example>"), false, ERR_OK, "a@b.example", "" },
    { "case is kept", SPAN("<A.b@B.Example>X"), false, ERR_OK, "A.b@B.Example", "X" },
    { "postmaster", SPAN("<PostMaster>"), false, ERR_OK, "PostMaster", "" },
    { "one label", SPAN("<a@localhost>"), false, ERR_OK, "a@localhost", "" },
    { "underscore", SPAN("<a@_x.example>"), false, ERR_OK, "a@_x.example", "" },
    { "all atext", SPAN("<!#$%&'*+-/=?^_`{|}~@b.example>"), false, ERR_OK,
      "!#$%&'*+-/=?^_`{|}~@b.example", "" },
    { "quoted", SPAN("<\"a b@c>\\\"\\\\\"@b.example>"), false, ERR_OK,
      "\"a b@c>\\\"\\\\\"@b.example", "" },
    { "empty quotes", SPAN("<\"\"@b.example>"), false, ERR_OK, "\"\"@b.example", "" },
    { "literal", SPAN("<a@[192.0.2.1]>"), false, ERR_OK, "a@[192.0.2.1]", "" },
    { "literal v6", SPAN("<a@[IPv6:2001:db8::1]>"), false, ERR_OK, "a@[IPv6:2001:db8::1]", "" },
    { "route", SPAN("<@a.example:a@b.example>"), false, ERR_OK, "a@b.example", "" },
    { "long route", SPAN("<@a.example,@c.example:a@b.example>;"), false, ERR_OK, "a@b.example",
      ";" },
    { "local of 256", SPAN("<" X256 "@b.example>"), false, ERR_OK, X256 "@b.example", "" },
    { "UTF-8", SPAN("<j\xc3\xbcrgen@b\xc3\xbc.example>"), true, ERR_OK,
      "j\xc3\xbcrgen@b\xc3\xbc.example", "" },
    { "UTF-8 of four", SPAN("<\xf0\x9f\x93\xa7@b.example>"), true, ERR_OK,
      "\xf0\x9f\x93\xa7@b.example", "" },
    { "UTF-8 quoted", SPAN("<\"\xc3\xbc x\"@b.example>"), true, ERR_OK, "\"\xc3\xbc x\"@b.example",
      "" },
};

TEST(addr_refuses)
{
    for (size_t i = 0; i < COUNTOF(refused); i++) {
        test_case(refused[i].name);
        struct span in = refused[i].in;
        struct addr a = { .text = SPAN("kept") };
        CHECK_NUM(addr_path(&in, refused[i].utf8, &a), refused[i].want);
        CHECK_SPAN(a.text, SPAN("kept"));
        CHECK(in.p == refused[i].in.p && in.n == refused[i].in.n);
    }
    test_case(NULL);
}

TEST(addr_takes)
{
    for (size_t i = 0; i < COUNTOF(taken); i++) {
        test_case(taken[i].name);
        struct span in = taken[i].in;
        struct addr a = { .text = SPAN_NONE };
        CHECK_NUM(addr_path(&in, taken[i].utf8, &a), ERR_OK);
        CHECK_Z(a.text, taken[i].text);
        CHECK_Z(in, taken[i].rest);
        CHECK_NUM(a.utf8, taken[i].utf8);
        CHECK_NUM(a.text.n, a.text.n ? a.local.n + a.domain.n + (a.domain.n > 0) : 0);
        if (a.text.n == 0)
            continue;
        struct addr again;
        CHECK_NUM(addr_parse(a.text, taken[i].utf8, &again), ERR_OK);
        CHECK_SPAN(again.domain, a.domain);
    }
    test_case(NULL);
}

/* Every prefix of a good path is refused: nothing is read behind the end of the span. */
TEST(addr_prefixes_are_refused)
{
    for (size_t i = 0; i < COUNTOF(taken); i++) {
        test_case(taken[i].name);
        size_t path = taken[i].in.n - span_z(taken[i].rest).n;
        for (size_t n = 0; n < path; n++) {
            char *copy = mem_alloc(n);
            if (n > 0)
                memcpy(copy, taken[i].in.p, n);
            struct span in = span_of(copy, n);
            struct addr a;
            CHECK_NUM(addr_path(&in, true, &a) != ERR_OK, true);
            mem_free(copy);
        }
    }
    test_case(NULL);
}

TEST(addr_parse_fills_the_span)
{
    struct addr a;
    CHECK_NUM(addr_parse(SPAN(""), true, &a), ERR_SYNTAX);
    CHECK_NUM(addr_parse(SPAN("a@b.example>"), true, &a), ERR_SYNTAX);
    CHECK_NUM(addr_parse(SPAN("a@b.example c"), true, &a), ERR_SYNTAX);
    CHECK_NUM(addr_parse(SPAN("a@b.example"), true, &a), ERR_OK);
    CHECK_SPAN(a.local, SPAN("a"));
    CHECK_SPAN(a.domain, SPAN("b.example"));
}

TEST(domain_grammar)
{
    static const char *const bad[] = {
        "",    ".",   "a..b", "-a",   "a-",    "a b",           "a..", "[1.2.3.4]",
        "a,b", "*.a", "a\n",  "\xc3", "a\x7f", "\xc2\x80.test", "a/b", X64
    };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        CHECK(!domain_valid(span_z(bad[i]), true));
    }
    static const char *const good[] = { "a", "a.", "A-b.c_d.example", "1.2.3.4",
                                        "xn--bcher-kva.ch" };
    for (size_t i = 0; i < COUNTOF(good); i++) {
        test_case(good[i]);
        CHECK(domain_valid(span_z(good[i]), false));
    }
    test_case(NULL);
    CHECK(domain_valid(SPAN("b\xc3\xbc.example"), true));
    CHECK(!domain_valid(SPAN("b\xc3\xbc.example"), false));
    CHECK(domain_is_literal(SPAN("[192.0.2.1]")));
    CHECK(!domain_is_literal(SPAN("[")) && !domain_is_literal(SPAN("a]")));
}

TEST(t22_domain_match)
{
    static const struct {
        const char *pattern, *domain;
        bool want;
    } rows[] = {
        { "a.example", "b.example", false },
        { "a.example", "x.a.example", false },
        { "*.a.example", "a.example", false },
        { "*.a.example", ".a.example", false },
        { "*.a.example", "xa.example", false },
        { "*.", "a.example", false },
        { "*", "a.example", false },
        { "*.a.example", "", false },
        { "", "a.example", false },
        { "A.Example", "a.example", true },
        { "a.example", "A.EXAMPLE.", true },
        { "a.example.", "a.example", true },
        { "*.a.example", "x.A.example", true },
        { "*.a.example", "y.x.a.example.", true },
        { "*.a.example.", "x.a.example", true },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].domain);
        CHECK_NUM(domain_match(span_z(rows[i].pattern), span_z(rows[i].domain)), rows[i].want);
    }
    test_case(NULL);
}

TEST(unquote_local)
{
    struct buf b;
    buf_init(&b, 8);
    CHECK_NUM(addr_unquote_local(SPAN("\"abc"), &b), ERR_SYNTAX);
    CHECK_NUM(addr_unquote_local(SPAN("\"a\"b"), &b), ERR_SYNTAX);
    CHECK_NUM(addr_unquote_local(SPAN("\"123456789\""), &b), ERR_TOO_BIG);
    CHECK_NUM(b.n, 0);
    CHECK_NUM(addr_unquote_local(SPAN("\"a\\\" \\b\""), &b), ERR_OK);
    CHECK_SPAN(buf_span(&b), SPAN("a\" b"));
    CHECK_NUM(addr_unquote_local(SPAN("x.y"), &b), ERR_OK);
    CHECK_SPAN(buf_span(&b), SPAN("a\" bx.y"));
    buf_done(&b);
}

TEST(utf8_rfc3629)
{
    static const struct span bad[] = {
        SPAN("\x80"),
        SPAN("\xc0\x80"),
        SPAN("\xc1\xbf"),
        SPAN("\xe0\x9f\xbf"),
        SPAN("\xed\xa0\x80"),
        SPAN("\xf0\x8f\xbf\xbf"),
        SPAN("\xf4\x90\x80\x80"),
        SPAN("\xf5\x80\x80\x80"),
        SPAN("\xff"),
        SPAN("a\xc3"),
        SPAN("\xe2\x82"),
        SPAN("\xc3\xc3"),
    };
    for (size_t i = 0; i < COUNTOF(bad); i++)
        CHECK(!utf8_valid(bad[i]));
    static const struct span good[] = {
        SPAN(""),
        SPAN("a\0b"),
        SPAN("\xc2\x80"),
        SPAN("\xdf\xbf"),
        SPAN("\xe0\xa0\x80"),
        SPAN("\xed\x9f\xbf"),
        SPAN("\xef\xbf\xbf"),
        SPAN("\xf0\x90\x80\x80"),
        SPAN("\xf4\x8f\xbf\xbf"),
    };
    for (size_t i = 0; i < COUNTOF(good); i++)
        CHECK(utf8_valid(good[i]));
}
