/* DKIM's canonical forms (RFC 6376 3.4.5 has the example) and what is signed. */
#include "mail/dkim.h"
#include "test/test.h"

struct form_case {
    const char *name;
    struct span in, want;
};

#define S(text)                                                                                    \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }

static const struct form_case body_cases[] = {
    { "rfc6376 3.4.5", S(" C \r\nD \t E\r\n\r\n\r\n"), S(" C\r\nD E\r\n") },
    { "empty", S(""), S("") },
    { "one CRLF", S("\r\n"), S("") },
    { "CRLFs", S("\r\n\r\n\r\n"), S("") },
    { "only blanks", S("  \t \r\n \r\n"), S("") },
    { "no CRLF at the end", S("a"), S("a\r\n") },
    { "blanks at the end", S("a \t "), S("a\r\n") },
    { "empty lines inside stay", S("a\r\n\r\n \r\nb\r\n\r\n"), S("a\r\n\r\n\r\nb\r\n") },
    { "empty lines before stay", S("\r\n\r\na\r\n"), S("\r\n\r\na\r\n") },
    { "blank at a line's start", S("\t\ta\r\n"), S(" a\r\n") },
    { "bare CR and LF are bytes", S("a\rb\nc\r\r\n"), S("a\rb\nc\r\r\n") },
    { "a CR ends it", S("a\r"), S("a\r\r\n") },
    { "8-bit", S("\xc3\xa9\0 \r\n"), S("\xc3\xa9\0\r\n") },
};

TEST(dkim_body_forms)
{
    struct buf out;
    for (size_t i = 0; i < COUNTOF(body_cases); i++) {
        test_case(body_cases[i].name);
        buf_init(&out, body_cases[i].in.n + 2);
        dkim_body(body_cases[i].in, &out);
        CHECK_SPAN(buf_span(&out), body_cases[i].want);
        buf_done(&out);
    }
}

static const struct form_case field_cases[] = {
    { "rfc6376 3.4.5, A", S("A: X\r\n"), S("a:X\r\n") },
    { "rfc6376 3.4.5, B", S("B : Y\t\r\n\tZ  \r\n"), S("b:Y Z\r\n") },
    { "no value", S("A:\r\n"), S("a:\r\n") },
    { "only blanks", S("A: \r\n \r\n"), S("a:\r\n") },
    { "a colon in the value", S("Subject: a: b\r\n"), S("subject:a: b\r\n") },
    { "no CRLF", S("A: b"), S("a:b\r\n") },
    { "fold before a word", S("A:\r\n b\r\n  c\r\n"), S("a:b c\r\n") },
    { "case of the value stays", S("From: A@B\r\n"), S("from:A@B\r\n") },
    { "a CRLF that folds nothing", S("A: b\r\r\n\nc\r\n"), S("a:b\r\r\n\nc\r\n") },
    { "no colon", S("A\r\n"), S("") },
    { "no name", S(": a\r\n"), S("") },
    { "blanks for a name", S(" : a\r\n"), S("") },
};

TEST(dkim_field_forms)
{
    struct buf out;
    for (size_t i = 0; i < COUNTOF(field_cases); i++) {
        test_case(field_cases[i].name);
        buf_init(&out, 200);
        buf_put(&out, SPAN("x"));
        enum err e = dkim_field(field_cases[i].in, &out);
        CHECK_NUM(e, field_cases[i].want.n > 0 ? ERR_OK : ERR_SYNTAX);
        CHECK_SPAN(span_tail(buf_span(&out), 1), field_cases[i].want);
        size_t n = out.n;
        buf_done(&out);
        for (size_t max = 0; max < n - 1 && e == ERR_OK; max++) {
            buf_init(&out, max);
            CHECK_NUM(dkim_field(field_cases[i].in, &out), ERR_TOO_BIG);
            CHECK_NUM(out.n, 0);
            buf_done(&out);
        }
    }
}

static const struct {
    const char *name, *message, *header, *body;
} split_cases[] = {
    { "usual", "A: b\r\n\r\nc\r\n", "A: b\r\n", "c\r\n" },
    { "no body", "A: b\r\n\r\n", "A: b\r\n", "" },
    { "no empty line", "A: b\r\n", "A: b\r\n", "" },
    { "no header", "\r\nc", "", "c" },
    { "nothing", "", "", "" },
    { "bare LFs are none", "A: b\n\nc\r\n\r\nd", "A: b\n\nc\r\n", "d" },
};

TEST(dkim_splits)
{
    for (size_t i = 0; i < COUNTOF(split_cases); i++) {
        struct span header, body;
        test_case(split_cases[i].name);
        dkim_split(span_z(split_cases[i].message), &header, &body);
        CHECK_Z(header, split_cases[i].header);
        CHECK_Z(body, split_cases[i].body);
    }
}

static const uint8_t zero_hash[DKIM_HASH];

static enum err text(const char *header, const char *const *names, unsigned n, struct buf *out)
{
    struct span field[8];
    for (unsigned i = 0; i < n; i++)
        field[i] = span_z(names[i]);
    struct dkim d = { .field = field, .n_field = n, .now_ms = 1 };
    return dkim_text(&d, span_z(header), SPAN("DKIM-Signature: v=1; b="), out);
}

TEST(dkim_text_takes_the_last_first)
{
    const char *const names[] = { "from", "X", "x", "x", "X", "absent" };
    struct buf out;
    buf_init(&out, 4096);
    CHECK_NUM(text("X: 1\r\nFrom: a\r\n\tb\r\nX: 2\r\ny: 3\r\nx:\r\n 4\r\n", names, 6, &out),
              ERR_OK);
    CHECK_Z(buf_span(&out), "from:a b\r\nx:4\r\nx:2\r\nx:1\r\ndkim-signature:v=1; b=");
    buf_clear(&out);
    CHECK_NUM(text("no field\r\n", names, 6, &out), ERR_SYNTAX);
    CHECK_NUM(text(" folded\r\n", names, 6, &out), ERR_SYNTAX);
    CHECK_NUM(out.n, 0);
    struct buf many;
    buf_init(&many, 4096);
    for (unsigned i = 0; i <= DKIM_FIELDS_MAX; i++)
        buf_put(&many, SPAN("x: 1\r\n"));
    CHECK_NUM(text(buf_z(&many), names, 6, &out), ERR_TOO_BIG);
    buf_truncate(&many, (size_t)DKIM_FIELDS_MAX * 6);
    CHECK_NUM(text(buf_z(&many), names, 6, &out), ERR_OK);
    buf_done(&many);
    buf_done(&out);
}

TEST(dkim_field_is_folded)
{
    static const struct span names[] = { SPAN("from"),
                                         SPAN("from"),
                                         SPAN("to"),
                                         SPAN("subject"),
                                         SPAN("tls-report-domain"),
                                         SPAN("tls-report-submitter"),
                                         SPAN("message-id"),
                                         SPAN("mime-version") };
    struct dkim d = { .algorithm = DKIM_ED25519_SHA256,
                      .domain = SPAN("example.org"),
                      .selector = SPAN("s1"),
                      .field = names,
                      .n_field = COUNTOF(names),
                      .now_ms = 1528637909000,
                      .life_ms = 1000 };
    struct buf out;
    buf_init(&out, 2 * DKIM_FIELD_MAX);
    dkim_field_new(&d, zero_hash, &out);
    dkim_field_end(SPAN("0123456789abcdef0123456789abcdef0123456789abcdef"), &out);
    CHECK_Z(buf_span(&out),
            "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
            "        d=example.org;\r\n"
            "        s=s1; t=1528637909; x=1528637910;\r\n"
            "        h=from:from:to:subject:tls-report-domain:tls-report-submitter:message-id:\r\n"
            "        mime-version;\r\n"
            "        bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;\r\n"
            "        b=\r\n"
            "        MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJj\r\n"
            "        ZGVm\r\n");
    buf_done(&out);
}
