/* TLS-RPT: the TXT record and its addresses (RFC 8460 3; T-44). */
#include "policy/tlsrpt.h"
#include "test/test.h"

enum { RECORDS_MAX = 3, STRINGS_MAX = 3 };

struct txt_case {
    const char *name;
    const char *record[RECORDS_MAX][STRINGS_MAX];
    enum err want;
    const char *rua; /* what is taken, with a blank between */
};

static const struct txt_case txt_cases[] = {
    { "example of the RFC, mail",
      { { "v=TLSRPTv1;rua=mailto:reports@example.com" } },
      ERR_OK,
      "mailto:reports@example.com" },
    { "example of the RFC, web",
      { { "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt" } },
      ERR_OK,
      "https://reporting.example.com/v1/tlsrpt" },
    { "two",
      { { "v=TLSRPTv1; rua=mailto:a@b.c , https://d.e/f;" } },
      ERR_OK,
      "mailto:a@b.c https://d.e/f" },
    { "blanks before the semicolon",
      { { "v=TLSRPTv1 ; rua=mailto:a@b.c ;" } },
      ERR_OK,
      "mailto:a@b.c" },
    { "strings are joined",
      { { "v=TLSRPTv1; rua=mai", "lto:a@b", ".c" } },
      ERR_OK,
      "mailto:a@b.c" },
    { "other records",
      { { "v=TLSRPTv2; rua=mailto:x@y.z" }, { "v=TLSRPTv1;rua=mailto:a@b.c" } },
      ERR_OK,
      "mailto:a@b.c" },
    { "unknown fields", { { "v=TLSRPTv1; x=y; rua=mailto:a@b.c; z=1" } }, ERR_OK, "mailto:a@b.c" },
    { "first rua counts",
      { { "v=TLSRPTv1; rua=mailto:a@b.c; rua=mailto:d@e.f" } },
      ERR_OK,
      "mailto:a@b.c" },
    { "unknown scheme is passed over",
      { { "v=TLSRPTv1; rua=ftp://a.b/,mailto:a@b.c" } },
      ERR_OK,
      "mailto:a@b.c" },
    { "only an unknown scheme", { { "v=TLSRPTv1; rua=http://a.b/" } }, ERR_REFUSED, "" },
    { "no scheme", { { "v=TLSRPTv1; rua=a@b.c" } }, ERR_REFUSED, "" },
    { "no rua", { { "v=TLSRPTv1;" } }, ERR_REFUSED, "" },
    { "empty rua", { { "v=TLSRPTv1; rua=" } }, ERR_REFUSED, "" },
    { "empty ones between", { { "v=TLSRPTv1; rua=,,mailto:a@b.c," } }, ERR_OK, "mailto:a@b.c" },
    { "a bad field behind a good one", { { "v=TLSRPTv1; rua=mailto:a@b.c; x" } }, ERR_REFUSED, "" },
    { "no field", { { "v=TLSRPTv1; rua" } }, ERR_REFUSED, "" },
    { "two records",
      { { "v=TLSRPTv1; rua=mailto:a@b.c" }, { "v=TLSRPTv1; rua=mailto:a@b.c" } },
      ERR_REFUSED,
      "" },
    { "lower case", { { "v=tlsrptv1; rua=mailto:a@b.c" } }, ERR_NOT_FOUND, "" },
    { "none", { { NULL } }, ERR_NOT_FOUND, "" },
    { "t44 many",
      { { "v=TLSRPTv1; rua=mailto:1@b.c,mailto:2@b.c,mailto:3@b.c,mailto:4@b.c,mailto:5@b.c,"
          "mailto:6@b.c,mailto:7@b.c,mailto:8@b.c,mailto:9@b.c,mailto:10@b.c" } },
      ERR_OK,
      "mailto:1@b.c mailto:2@b.c mailto:3@b.c mailto:4@b.c mailto:5@b.c mailto:6@b.c mailto:7@b.c "
      "mailto:8@b.c" },
    { "t44 address of a loopback",
      { { "v=TLSRPTv1; rua=https://127.0.0.1/,mailto:a@b.c" } },
      ERR_OK,
      "mailto:a@b.c" },
};

TEST(t44_tlsrpt_txt)
{
    struct tlsrpt_record r;
    struct buf got;
    tlsrpt_record_init(&r);
    buf_init(&got, 4096);
    for (size_t i = 0; i < COUNTOF(txt_cases); i++) {
        const struct txt_case *c = &txt_cases[i];
        struct span string[RECORDS_MAX][STRINGS_MAX];
        struct tlsrpt_txt txt[RECORDS_MAX];
        unsigned n = 0;
        test_case(c->name);
        for (; n < RECORDS_MAX && c->record[n][0]; n++) {
            unsigned k = 0;
            for (; k < STRINGS_MAX && c->record[n][k]; k++)
                string[n][k] = span_z(c->record[n][k]);
            txt[n] = (struct tlsrpt_txt){ string[n], k };
        }
        struct why why = { "" };
        CHECK_NUM(tlsrpt_txt_read(txt, n, &r, &why), c->want);
        CHECK((c->want == ERR_REFUSED) == (why.text[0] != 0));
        buf_clear(&got);
        for (unsigned k = 0; k < r.n_rua; k++)
            buf_putf(&got, "%s%.*s", k > 0 ? " " : "", SPAN_ARG(r.rua[k].uri));
        CHECK_Z(buf_span(&got), c->rua);
    }
    tlsrpt_record_done(&r);
    buf_done(&got);
}

static const struct {
    const char *uri, *box; /* NULL: refused */
} mailbox_cases[] = {
    { "mailto:a@example.org", "a@example.org" },
    { "MAILTO:a@example.org", "a@example.org" },
    { "mailto:a%2Cb%21c%3bd@example.org", NULL }, /* a comma wants quotes in a local part */
    { "mailto:a%21c@example.org", "a!c@example.org" },
    { "mailto:%22a%2Cb%22@example.org", "\"a,b\"@example.org" },
    { "mailto:a+b@example.org?subject=x", "a+b@example.org" },
    { "mailto:a@example.org%0d%0aBcc:x@y.z", NULL },
    { "mailto:a@example.org%00", NULL },
    { "mailto:a%2", NULL },
    { "mailto:a%zz@example.org", NULL },
    { "mailto:", NULL },
    { "mailto:a", NULL },
    { "mailto:@example.org", NULL },
    { "mailto:a@[127.0.0.1]", NULL },
    { "mailto:a@b\xc3\xbc.example", NULL },
    { "mailto:a@b%c3%bc.example", NULL },
    { "mailto:a@example.org,b@example.org", NULL },
    { "mailto:a@example.org b", NULL },
    { "https://example.org/", NULL },
};

TEST(t44_tlsrpt_mailbox)
{
    struct buf out;
    buf_init(&out, 600);
    for (size_t i = 0; i < COUNTOF(mailbox_cases); i++) {
        test_case(mailbox_cases[i].uri);
        buf_clear(&out);
        enum err e = tlsrpt_mailbox(span_z(mailbox_cases[i].uri), &out);
        CHECK_NUM(e, mailbox_cases[i].box ? ERR_OK : ERR_SYNTAX);
        CHECK_Z(buf_span(&out), mailbox_cases[i].box ? mailbox_cases[i].box : "");
    }
    buf_done(&out);
}

static const struct {
    const char *uri, *host; /* NULL: refused */
    uint16_t port;
    const char *target;
} https_cases[] = {
    { "https://example.org", "example.org", 443, "" },
    { "HTTPS://Example.org/", "Example.org", 443, "/" },
    { "https://example.org:8443/a?b=c#d", "example.org", 8443, "/a?b=c" },
    { "https://example.org#x", "example.org", 443, "" },
    { "https://example.org?x", NULL, 0, NULL },
    { "https://example.org:0/", NULL, 0, NULL },
    { "https://example.org:65536/", NULL, 0, NULL },
    { "https://example.org:/", NULL, 0, NULL },
    { "https://user@example.org/", NULL, 0, NULL },
    { "https://user:pw@example.org/", NULL, 0, NULL },
    { "https:///x", NULL, 0, NULL },
    { "https://localhost/", NULL, 0, NULL },
    { "https://127.0.0.1/", NULL, 0, NULL },
    { "https://127.1/", NULL, 0, NULL },
    { "https://0x7f.0x1/", NULL, 0, NULL },
    { "https://2130706433/", NULL, 0, NULL },
    { "https://[::1]/", NULL, 0, NULL },
    { "https://ex%61mple.org/", NULL, 0, NULL },
    { "https://b\xc3\xbc.example/", NULL, 0, NULL },
    { "https://example.org/\r\nHost:", NULL, 0, NULL },
    { "https://example.org/a b", NULL, 0, NULL },
    { "http://example.org/", NULL, 0, NULL },
    { "https:example.org", NULL, 0, NULL },
};

TEST(t44_t45_tlsrpt_https)
{
    for (size_t i = 0; i < COUNTOF(https_cases); i++) {
        struct tlsrpt_https got = { .port = 7 };
        test_case(https_cases[i].uri);
        bool well = https_cases[i].host;
        CHECK_NUM(tlsrpt_https(span_z(https_cases[i].uri), &got), well ? ERR_OK : ERR_SYNTAX);
        CHECK_NUM(got.port, well ? https_cases[i].port : 7);
        if (!well)
            continue;
        CHECK_Z(got.host, https_cases[i].host);
        CHECK_Z(got.target, https_cases[i].target);
    }
}

TEST(tlsrpt_names)
{
    enum tlsrpt_result r;
    enum tlsrpt_type t;
    for (unsigned i = 0; i < TLSRPT_RESULT_COUNT_; i++) {
        CHECK_NUM(tlsrpt_result_read(span_z(tlsrpt_result_name((enum tlsrpt_result)i)), &r),
                  ERR_OK);
        CHECK_NUM(r, i);
    }
    for (unsigned i = 0; i < TLSRPT_TYPE_COUNT_; i++) {
        CHECK_NUM(tlsrpt_type_read(span_z(tlsrpt_type_name((enum tlsrpt_type)i)), &t), ERR_OK);
        CHECK_NUM(t, i);
    }
    CHECK_NUM(tlsrpt_result_read(SPAN("x"), &r), ERR_SYNTAX);
    CHECK_NUM(tlsrpt_type_read(SPAN(""), &t), ERR_SYNTAX);
}
