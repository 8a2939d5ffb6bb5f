/* MTA-STS: records, files, patterns, answers of the web server (RFC 8461 3 and 4.1; T-40). */
#include "policy/sts.h"
#include "test/test.h"

enum { STRINGS_MAX = 4, RECORDS_MAX = 3 };

/* --- the TXT record */

struct txt_case {
    const char *name;
    const char *record[RECORDS_MAX][STRINGS_MAX]; /* strings of a record */
    enum err want;
    const char *id;
};

static const struct txt_case txt_cases[] = {
    { "t40 example of the RFC", { { "v=STSv1; id=20160831085700Z;" } }, ERR_OK, "20160831085700Z" },
    { "no last semicolon", { { "v=STSv1; id=a" } }, ERR_OK, "a" },
    { "no blank", { { "v=STSv1;id=a;" } }, ERR_OK, "a" },
    { "blanks and tabs around ;", { { "v=STSv1 ;\t id=a \t; " } }, ERR_OK, "a" },
    { "32 letters",
      { { "v=STSv1;id=0123456789abcdefghijABCDEFGHIJ01" } },
      ERR_OK,
      "0123456789abcdefghijABCDEFGHIJ01" },
    { "33 letters", { { "v=STSv1;id=0123456789abcdefghijABCDEFGHIJ012" } }, ERR_REFUSED, NULL },
    { "no id", { { "v=STSv1;" } }, ERR_REFUSED, NULL },
    { "empty id", { { "v=STSv1; id=;" } }, ERR_REFUSED, NULL },
    { "id with a hyphen", { { "v=STSv1; id=2016-08;" } }, ERR_REFUSED, NULL },
    { "id in upper case is another field", { { "v=STSv1; ID=1;" } }, ERR_REFUSED, NULL },
    { "first id counts", { { "v=STSv1; id=1; id=2;" } }, ERR_OK, "1" },
    { "first id counts, though it is bad", { { "v=STSv1; id=-; id=2;" } }, ERR_REFUSED, NULL },
    { "unknown fields", { { "v=STSv1; a=b; id=1; x-y.z_1=!#:/;" } }, ERR_OK, "1" },
    { "a field that is none", { { "v=STSv1; id=1; foo;" } }, ERR_REFUSED, NULL },
    { "a blank in a value", { { "v=STSv1; id=1; a=b c;" } }, ERR_REFUSED, NULL },
    { "version in lower case", { { "v=stsv1; id=1;" } }, ERR_NOT_FOUND, NULL },
    { "version 2", { { "v=STSv2; id=1;" } }, ERR_NOT_FOUND, NULL },
    { "version goes on", { { "v=STSv11; id=1;" } }, ERR_NOT_FOUND, NULL },
    { "version is not first", { { "id=1; v=STSv1;" } }, ERR_NOT_FOUND, NULL },
    { "version alone", { { "v=STSv1" } }, ERR_NOT_FOUND, NULL },
    { "blank before the version", { { " v=STSv1; id=1;" } }, ERR_NOT_FOUND, NULL },
    { "nothing", { { NULL } }, ERR_NOT_FOUND, NULL },
    { "strings are joined", { { "v=STS", "v1; id", "=12", "34;" } }, ERR_OK, "1234" },
    { "no blank is put between", { { "v=STSv1;", "id=1", "2" } }, ERR_OK, "12" },
    { "other records", { { "v=spf1 -all" }, { "v=STSv1; id=1;" }, { "x" } }, ERR_OK, "1" },
    { "t40 two records", { { "v=STSv1; id=1;" }, { "v=STSv1; id=1;" } }, ERR_REFUSED, NULL },
    { "two, one malformed", { { "v=STSv1; id=1;" }, { "v=STSv1; i" } }, ERR_REFUSED, NULL },
    { "a 2 beside a 1", { { "v=STSv1; id=1;" }, { "v=STSv2; id=1;" } }, ERR_OK, "1" },
};

TEST(t40_sts_txt)
{
    struct buf id;
    buf_init(&id, STS_ID_MAX);
    for (size_t i = 0; i < COUNTOF(txt_cases); i++) {
        const struct txt_case *c = &txt_cases[i];
        struct span string[RECORDS_MAX][STRINGS_MAX];
        struct sts_txt txt[RECORDS_MAX];
        struct why why = { "" };
        unsigned n = 0;
        test_case(c->name);
        for (; n < RECORDS_MAX && c->record[n][0]; n++) {
            unsigned k = 0;
            for (; k < STRINGS_MAX && c->record[n][k]; k++)
                string[n][k] = span_z(c->record[n][k]);
            txt[n] = (struct sts_txt){ string[n], k };
        }
        buf_clear(&id);
        CHECK_NUM(sts_txt_read(txt, n, &id, &why), c->want);
        CHECK_Z(buf_span(&id), c->id ? c->id : "");
        CHECK((c->want == ERR_REFUSED) == (why.text[0] != 0));
    }
    buf_done(&id);
}

TEST(t40_sts_txt_nul_and_size)
{
    struct buf id, big;
    buf_init(&id, STS_ID_MAX);
    buf_init(&big, 1 << 20);
    struct span nul = SPAN("v=STSv1; id=1\0002;");
    struct sts_txt txt = { &nul, 1 };
    CHECK_NUM(sts_txt_read(&txt, 1, &id, NULL), ERR_REFUSED);
    struct span string[300];
    string[0] = SPAN("v=STSv1; id=1; a=");
    for (unsigned i = 0; i < 255; i++)
        buf_put(&big, SPAN("x"));
    for (unsigned i = 1; i < COUNTOF(string); i++)
        string[i] = buf_span(&big);
    txt = (struct sts_txt){ string, COUNTOF(string) };
    CHECK_NUM(sts_txt_read(&txt, 1, &id, NULL), ERR_OK);
    CHECK_Z(buf_span(&id), "1");
    buf_done(&id);
    buf_done(&big);
}

/* --- the policy file */

struct policy_case {
    const char *name;
    const char *text;
    const char *want; /* as printed, or NULL: refused */
    const char *why;  /* how the sentence begins */
};

#define V "version: STSv1\n"
#define ENFORCED "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 86400\n"

static const struct policy_case policy_cases[] = {
    { "t40 example of the RFC",
      "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
      "mx: backupmx.example.com\r\nmax_age: 604800\r\n",
      "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
      "mx: backupmx.example.com\nmax_age: 604800\n",
      NULL },
    { "t40 LF", ENFORCED, ENFORCED, NULL },
    { "t40 CRLF and LF mixed", V "mode: enforce\r\nmx: a.example\nmax_age: 86400\r\n", ENFORCED,
      NULL },
    { "no line end at the end", V "mode: enforce\nmx: a.example\nmax_age: 86400", ENFORCED, NULL },
    { "blanks behind, none before",
      "version:STSv1 \nmode:\tenforce\t\nmx:a.example\nmax_age:86400 \n", ENFORCED, NULL },
    { "any order", "max_age: 86400\nmx: a.example\nmode: enforce\n" V, ENFORCED, NULL },
    { "empty lines", "\n\r\n" ENFORCED "\n \n", ENFORCED, NULL },
    { "t40 unknown keys",
      V "x: y: z\nmode: enforce\nmx: a.example\nA.b_c-1: \xc3\xa9\nmax_age: 86400\n", ENFORCED,
      NULL },
    { "an empty unknown key", ENFORCED "future:\n", ENFORCED, NULL },
    { "keys in upper case are unknown", "Version: x\n" ENFORCED "MODE: none\n", ENFORCED, NULL },
    { "t40 of duplicates the first counts", ENFORCED "mode: none\nmax_age: x\nversion: 2\n",
      ENFORCED, NULL },
    { "mode none needs no mx", V "mode: none\nmax_age: 0\n", V "mode: none\nmax_age: 0\n", NULL },
    { "mode none may have mx", V "mode: none\nmx: a.b\nmax_age: 1\n",
      V "mode: none\nmx: a.b\nmax_age: 1\n", NULL },
    { "testing", V "mode: testing\nmx: a.b\nmax_age: 31557600\n",
      V "mode: testing\nmx: a.b\nmax_age: 31557600\n", NULL },
    { "t40 over a year", V "mode: testing\nmx: a.b\nmax_age: 31557601\n", NULL, "line 4: max_age" },
    { "t40 eleven digits", V "max_age: 00000000001\n", NULL, "line 2: max_age" },
    { "negative", V "max_age: -1\n", NULL, "line 2: max_age" },
    { "no number", V "max_age: \n", NULL, "line 2: max_age" },
    { "hexadecimal", V "max_age: 0x10\n", NULL, "line 2: max_age" },
    { "other mode", V "mode: report\n", NULL, "line 2: mode is none of" },
    { "mode in upper case", V "mode: Enforce\n", NULL, "line 2: mode is none of" },
    { "version 2", "version: STSv2\nmode: none\nmax_age: 1\n", NULL, "line 1: version" },
    { "t40 U-label",
      V "mx: b\xc3\xbc"
        "cher.example\n",
      NULL, "line 2: mx is neither" },
    { "A-label", V "mode: enforce\nmx: xn--bcher-kva.example\nmax_age: 1\n",
      V "mode: enforce\nmx: xn--bcher-kva.example\nmax_age: 1\n", NULL },
    { "t40 wildcard inside", V "mx: a.*.example\n", NULL, "line 2: mx is neither" },
    { "t40 two wildcards", V "mx: *.*.example\n", NULL, "line 2: mx is neither" },
    { "t40 half a label", V "mx: mx*.example\n", NULL, "line 2: mx is neither" },
    { "a bare star", V "mx: *\n", NULL, "line 2: mx is neither" },
    { "a star and a dot", V "mx: *.\n", NULL, "line 2: mx is neither" },
    { "suffix without a star", V "mx: .example\n", NULL, "line 2: mx is neither" },
    { "an address", V "mx: [192.0.2.1]\n", NULL, "line 2: mx is neither" },
    { "several in a line", V "mx: a.example, b.example\n", NULL, "line 2: mx is neither" },
    { "empty mx", V "mx:\n", NULL, "line 2: mx is neither" },
    { "no mx", V "mode: enforce\nmax_age: 1\n", NULL, "the policy has no mx" },
    { "no mx, testing", V "mode: testing\nmax_age: 1\n", NULL, "the policy has no mx" },
    { "no mode", V "mx: a.b\nmax_age: 1\n", NULL, "the policy has no mode" },
    { "no max_age", V "mode: none\n", NULL, "the policy has no max_age" },
    { "no version", "mode: none\nmax_age: 1\n", NULL, "the policy has no version" },
    { "empty", "", NULL, "the policy has no version" },
    { "a web page", "<!DOCTYPE html>\n<html>\n", NULL, "line 1: not \"key: value\"" },
    { "no key", V ": x\n", NULL, "line 2: not \"key: value\"" },
    { "a blank before the colon", V "mode : none\n", NULL, "line 2: not \"key: value\"" },
    { "a blank before the key", V " mode: none\n", NULL, "line 2: not \"key: value\"" },
    { "byte order mark", "\xef\xbb\xbf" ENFORCED, NULL, "line 1: not \"key: value\"" },
    { "t15 escape in a value", V "x: \033[1m\n", NULL, "line 2: the value has control" },
    { "no UTF-8", V "x: \xff\n", NULL, "line 2: the value has control" },
    { "bare CR", "version: STSv1\rmode: none\rmax_age: 1\r", NULL,
      "line 1: the value has control" },
};

TEST(t40_sts_policy)
{
    struct buf text;
    buf_init(&text, STS_LINES_MAX);
    for (size_t i = 0; i < COUNTOF(policy_cases); i++) {
        const struct policy_case *c = &policy_cases[i];
        struct sts_policy p = { .max_age_s = 77 };
        struct why why = { "" };
        test_case(c->name);
        enum err e = sts_policy_read(span_z(c->text), &p, &why);
        CHECK_NUM(e, c->want ? ERR_OK : ERR_SYNTAX);
        buf_clear(&text);
        if (e == ERR_OK) {
            sts_policy_print(&p, &text);
            CHECK_Z(buf_span(&text), c->want);
        } else {
            CHECK_Z(span_head(span_z(why.text), strlen(c->why)), c->why);
            CHECK_NUM(p.max_age_s, 77);
        }
    }
    buf_done(&text);
}

TEST(t40_sts_policy_bounds)
{
    struct buf text;
    struct sts_policy p;
    struct why why;
    buf_init(&text, 2 * STS_POLICY_MAX);
    buf_put(&text, SPAN(V "mode: enforce\nmax_age: 1\n"));
    for (unsigned i = 0; i < STS_MX_MAX; i++)
        buf_putf(&text, "mx: mx%u.example\n", i);
    CHECK_NUM(sts_policy_read(buf_span(&text), &p, &why), ERR_OK);
    CHECK_NUM(p.n_mx, STS_MX_MAX);
    buf_put(&text, SPAN("mx: more.example\n"));
    CHECK_NUM(sts_policy_read(buf_span(&text), &p, &why), ERR_TOO_BIG);
    CHECK_Z(span_z(why.text), "line 68: more than 64 mx patterns");

    buf_clear(&text);
    buf_put(&text, SPAN(ENFORCED));
    while (text.n < STS_POLICY_MAX)
        buf_put(&text, SPAN("\n"));
    CHECK_NUM(sts_policy_read(buf_span(&text), &p, &why), ERR_OK);
    buf_put(&text, SPAN("\n"));
    CHECK_NUM(sts_policy_read(buf_span(&text), &p, &why), ERR_TOO_BIG);
    buf_done(&text);
}

/* --- patterns */

static const struct {
    const char *pattern, *mx;
    bool want;
} match_cases[] = {
    { "mail.example.com", "mail.example.com", true },
    { "mail.example.com", "MAIL.example.COM.", true },
    { "Mail.Example.com.", "mail.example.com", true },
    { "mail.example.com", "mail.example.org", false },
    { "example.com", "mail.example.com", false },
    { "*.example.com", "mail.example.com", true },
    { "*.EXAMPLE.com", "Mail.example.com.", true },
    { "*.example.com", "example.com", false },
    { "*.example.com", "a.mail.example.com", false }, /* t40: one label */
    { "*.example.com", ".example.com", false },
    { "*.example.com", "mail.badexample.com", false },
    { "*.mx.microsoft", "contoso-com.e-v1.mx.microsoft", false },
    { "*.com", "example.com", true },
    { "*.com", "com", false },
    { "*.example.com", "*.example.com", false },
    { "xn--bcher-kva.example", "XN--BCHER-KVA.example", true },
    { "mail.example.com", "mail.example.com\n", false },
    { "mail.example.com", "", false },
    { "", "", false },
    { "*", "mail", false },
    { "*.", "mail.", false },
};

TEST(t40_sts_patterns)
{
    for (size_t i = 0; i < COUNTOF(match_cases); i++) {
        test_case(match_cases[i].mx);
        CHECK_NUM(sts_pattern_matches(span_z(match_cases[i].pattern), span_z(match_cases[i].mx)),
                  match_cases[i].want);
    }
    struct sts_policy p = { .n_mx = 2, .mx = { SPAN("a.example"), SPAN("*.b.example") } };
    CHECK(sts_lists(&p, SPAN("x.b.example")) && sts_lists(&p, SPAN("a.example")));
    CHECK(!sts_lists(&p, SPAN("c.example")));
    p.n_mx = 0;
    CHECK(!sts_lists(&p, SPAN("a.example")));
}

/* --- the web */

static const struct {
    const char *name;
    unsigned status;
    const char *type;
    uint64_t n;
    enum err want;
} answer_cases[] = {
    { "well", 200, "text/plain", 100, ERR_OK },
    { "charset", 200, "Text/Plain ; charset=utf-8", 100, ERR_OK },
    { "empty", 200, "text/plain", 0, ERR_OK },
    { "t40 moved", 301, "text/plain", 100, ERR_REFUSED },
    { "t40 found", 302, "text/plain", 100, ERR_REFUSED },
    { "not modified", 304, "text/plain", 0, ERR_REFUSED },
    { "no content", 204, "text/plain", 0, ERR_REFUSED },
    { "partial", 206, "text/plain", 10, ERR_REFUSED },
    { "not found", 404, "text/plain", 100, ERR_REFUSED },
    { "broken", 500, "text/plain", 100, ERR_REFUSED },
    { "t40 html", 200, "text/html", 100, ERR_REFUSED },
    { "t40 no type", 200, "", 100, ERR_REFUSED },
    { "longer type", 200, "text/plainer", 100, ERR_REFUSED },
    { "64 KiB", 200, "text/plain", 65536, ERR_OK },
    { "t40 more", 200, "text/plain", 65537, ERR_TOO_BIG },
};

TEST(t40_sts_answers)
{
    for (size_t i = 0; i < COUNTOF(answer_cases); i++) {
        struct why why = { "" };
        struct sts_answer a = { answer_cases[i].status, span_z(answer_cases[i].type),
                                answer_cases[i].n };
        test_case(answer_cases[i].name);
        CHECK_NUM(sts_answer_check(&a, &why), answer_cases[i].want);
        CHECK((why.text[0] == 0) == (answer_cases[i].want == ERR_OK));
    }
}

TEST(sts_names)
{
    struct buf b;
    buf_init(&b, 3 * STS_URL_MAX);
    sts_url(SPAN("example.org."), &b);
    CHECK_Z(buf_span(&b), "https://mta-sts.example.org/.well-known/mta-sts.txt");
    buf_clear(&b);
    sts_txt_name(SPAN("example.org"), &b);
    sts_web_host(SPAN("a.b"), &b);
    CHECK_Z(buf_span(&b), "_mta-sts.example.orgmta-sts.a.b");
    buf_done(&b);
}
