#include "proto/cmd.h"
#include "proto/ext.h"
#include "test/test.h"

enum {
    ALL = EXT_SIZE | EXT_8BITMIME | EXT_SMTPUTF8 | EXT_CHUNKING | EXT_BINARYMIME | EXT_DSN |
          EXT_REQUIRETLS
};

struct cmd_case {
    struct span line;
    enum cmd_verb verb;
    enum cmd_error want;
};

#define LINE(text, verb, want)                                                                     \
    {                                                                                              \
        { text, sizeof(text) - 1 }, verb, want                                                     \
    }
static const struct cmd_case cmd_cases[] = {
    LINE("EHLO mx.example", CMD_EHLO, CMD_OK),
    LINE("ehlo MX.example ", CMD_EHLO, CMD_OK),
    LINE("EHLO [192.0.2.1]", CMD_EHLO, CMD_OK),
    LINE("EHLO [IPv6:2001:db8::1]", CMD_EHLO, CMD_OK),
    LINE("EHLO under_score", CMD_EHLO, CMD_OK),
    LINE("EHLO", CMD_EHLO, CMD_BAD_SYNTAX),
    LINE("EHLO ", CMD_EHLO, CMD_BAD_SYNTAX),
    LINE("EHLO two words", CMD_EHLO, CMD_BAD_SYNTAX),
    LINE("EHLO [two words]", CMD_EHLO, CMD_BAD_SYNTAX),
    LINE("EHLO <x>", CMD_EHLO, CMD_BAD_SYNTAX),
    LINE("EHLO f\xc3\xbcr.example", CMD_EHLO, CMD_BAD_BYTES),
    LINE("HELO a\rb", CMD_HELO, CMD_BAD_BYTES),
    LINE("HELO a\0b", CMD_HELO, CMD_BAD_BYTES),
    LINE("LHLO x", CMD_LHLO, CMD_OK),
    LINE("", CMD_UNKNOWN, CMD_OK),
    LINE(" EHLO x", CMD_UNKNOWN, CMD_OK),
    LINE("EHLOX x", CMD_UNKNOWN, CMD_OK),
    LINE("XCLIENT a=b", CMD_UNKNOWN, CMD_OK),
    LINE("DATA", CMD_DATA, CMD_OK),
    LINE("data \t", CMD_DATA, CMD_OK),
    LINE("DATA now", CMD_DATA, CMD_BAD_SYNTAX),
    LINE("RSET", CMD_RSET, CMD_OK),
    LINE("RSET x", CMD_RSET, CMD_BAD_SYNTAX),
    LINE("QUIT", CMD_QUIT, CMD_OK),
    LINE("QUIT x", CMD_QUIT, CMD_BAD_SYNTAX),
    LINE("NOOP", CMD_NOOP, CMD_OK),
    LINE("NOOP anything at all", CMD_NOOP, CMD_OK),
    LINE("STARTTLS", CMD_STARTTLS, CMD_OK),
    LINE("sTaRtTlS", CMD_STARTTLS, CMD_OK),
    LINE("STARTTLS now", CMD_STARTTLS, CMD_BAD_SYNTAX),
    LINE("VRFY somebody", CMD_VRFY, CMD_OK),
    LINE("VRFY", CMD_VRFY, CMD_BAD_SYNTAX),
    LINE("EXPN list", CMD_EXPN, CMD_OK),
    LINE("HELP", CMD_HELP, CMD_OK),
    LINE("AUTH PLAIN x", CMD_AUTH, CMD_OK),
    LINE("ETRN x", CMD_ETRN, CMD_OK),
    LINE("BDAT 10", CMD_BDAT, CMD_OK),
    LINE("BDAT 10 LAST", CMD_BDAT, CMD_OK),
    LINE("bdat 0 last", CMD_BDAT, CMD_OK),
    LINE("BDAT 99999999999999999999999999", CMD_BDAT, CMD_OK),
    LINE("BDAT", CMD_BDAT, CMD_BAD_SYNTAX),
    LINE("BDAT -1", CMD_BDAT, CMD_BAD_SYNTAX),
    LINE("BDAT +1", CMD_BDAT, CMD_BAD_SYNTAX),
    LINE("BDAT 0x10", CMD_BDAT, CMD_BAD_SYNTAX),
    LINE("BDAT 10 LAST x", CMD_BDAT, CMD_BAD_SYNTAX),
    LINE("BDAT 10 FIRST", CMD_BDAT, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example>", CMD_MAIL, CMD_OK),
    LINE("mail from:<>", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM: <a@b.example>", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<@x.example,@y.example:a@b.example>", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example>  SIZE=10 ", CMD_MAIL, CMD_OK),
    LINE("MAIL", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL TO:<a@b.example>", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM <a@b.example>", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example>SIZE=10", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:a@b.example", CMD_MAIL, CMD_BAD_ADDRESS),
    LINE("MAIL FROM:<a@b.example", CMD_MAIL, CMD_BAD_ADDRESS),
    LINE("MAIL FROM:<a b@b.example>", CMD_MAIL, CMD_BAD_ADDRESS),
    LINE("MAIL FROM:<a@>", CMD_MAIL, CMD_BAD_ADDRESS),
    LINE("MAIL FROM:<postmaster>", CMD_MAIL, CMD_BAD_ADDRESS),
    LINE("MAIL FROM:<a@b.example> SIZE", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> SIZE=", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> SIZE=ten", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> SIZE=1 SIZE=2", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> SIZE=1=2", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> BODY=7BIT", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example> body=8bitmime", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example> BODY=BINARYMIME", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example> BODY=9BIT", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> RET=FULL ENVID=a+2Bb", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example> RET=SOME", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> ENVID=a+2b", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> ENVID=t14+00", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> ENVID=t14+0D+0A", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> SMTPUTF8", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example> SMTPUTF8=1", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<\xc3\xbc@b.example> SMTPUTF8", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<\xc3\xbc@b.example>", CMD_MAIL, CMD_NEEDS_UTF8),
    LINE("MAIL FROM:<\xff@b.example> SMTPUTF8", CMD_MAIL, CMD_BAD_ADDRESS),
    LINE("MAIL FROM:<a@b.example> REQUIRETLS", CMD_MAIL, CMD_OK),
    LINE("MAIL FROM:<a@b.example> AUTH=<>", CMD_MAIL, CMD_BAD_PARAM),
    LINE("MAIL FROM:<a@b.example> XYZ=1", CMD_MAIL, CMD_BAD_PARAM),
    LINE("MAIL FROM:<a@b.example> NOTIFY=NEVER", CMD_MAIL, CMD_BAD_PARAM),
    LINE("MAIL FROM:<a@b.example> =1", CMD_MAIL, CMD_BAD_SYNTAX),
    LINE("MAIL FROM:<a@b.example> \xc3\xbc=1", CMD_MAIL, CMD_BAD_BYTES),
    LINE("MAIL FROM:<a@b.example>\0", CMD_MAIL, CMD_BAD_BYTES),
    LINE("RCPT TO:<a@b.example>", CMD_RCPT, CMD_OK),
    LINE("RCPT TO:<Postmaster>", CMD_RCPT, CMD_OK),
    LINE("RCPT TO:<somebody>", CMD_RCPT, CMD_BAD_ADDRESS),
    LINE("RCPT TO:<>", CMD_RCPT, CMD_BAD_ADDRESS),
    LINE("RCPT FROM:<a@b.example>", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<\xc3\xbc@b.example>", CMD_RCPT, CMD_NEEDS_UTF8),
    LINE("RCPT TO:<a@b.example> NOTIFY=NEVER", CMD_RCPT, CMD_OK),
    LINE("RCPT TO:<a@b.example> NOTIFY=success,Failure,DELAY", CMD_RCPT, CMD_OK),
    LINE("RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> NOTIFY=DELAY,", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> NOTIFY=OFTEN", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> ORCPT=rfc822;a+2Bc@b.example", CMD_RCPT, CMD_OK),
    LINE("RCPT TO:<a@b.example> ORCPT=rfc822", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> ORCPT=;a@b", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> ORCPT=rfc822;t14+00", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> ORCPT=rfc822;\xc3\xbc@b", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> ORCPT=utf-8;\xc3\xbc@b", CMD_RCPT, CMD_NEEDS_UTF8),
    LINE("RCPT TO:<a@b.example> ORCPT=utf-8;\xc3\xbc\x01@b", CMD_RCPT, CMD_BAD_SYNTAX),
    LINE("RCPT TO:<a@b.example> SIZE=1", CMD_RCPT, CMD_BAD_PARAM),
};

TEST(t14_cmd_table)
{
    for (size_t i = 0; i < COUNTOF(cmd_cases); i++) {
        const struct cmd_case *c = &cmd_cases[i];
        test_case(c->line.p);
        struct cmd cmd;
        CHECK_NUM(cmd_parse(c->line, false, ALL, &cmd), c->want);
        CHECK_NUM(cmd.verb, c->verb);
    }
}

/* Every case again with a NUL and with a CR at every place: never accepted. */
TEST(t14_cmd_control_bytes)
{
    struct buf line;
    buf_init(&line, 1000);
    for (size_t i = 0; i < COUNTOF(cmd_cases); i++) {
        const struct cmd_case *c = &cmd_cases[i];
        test_case(c->line.p);
        for (size_t at = 0; at <= 2 * c->line.n + 1; at++) {
            struct cmd cmd;
            buf_clear(&line);
            buf_put(&line, span_head(c->line, at / 2));
            buf_put(&line, at % 2 ? SPAN("\0") : SPAN("\r"));
            buf_put(&line, span_tail(c->line, at / 2));
            CHECK(cmd_parse(buf_span(&line), true, ALL, &cmd) != CMD_OK);
        }
    }
    buf_done(&line);
}

TEST(cmd_values)
{
    struct cmd c;
    CHECK(cmd_parse(SPAN("MAIL FROM:<a@b.example> SIZE=123 BODY=8BITMIME RET=HDRS ENVID=e "
                         "SMTPUTF8 REQUIRETLS"),
                    false, ALL, &c) == CMD_OK);
    CHECK_Z(c.addr.text, "a@b.example");
    CHECK_NUM(c.mail.size, 123);
    CHECK_NUM(c.mail.body, BODY_8BITMIME);
    CHECK(c.mail.body_given && c.mail.smtputf8 && c.mail.requiretls);
    CHECK_NUM(c.mail.ret, DSN_RET_HDRS);
    CHECK_Z(c.mail.envid, "e");

    CHECK(cmd_parse(SPAN("RCPT TO:<\xc3\xbc@b> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\xc3\xbc@b"), true,
                    ALL, &c) == CMD_OK);
    CHECK_NUM(c.rcpt.notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    CHECK_Z(c.rcpt.orcpt, "utf-8;\xc3\xbc@b");

    CHECK(cmd_parse(SPAN("BDAT 9223372036854775807 LAST"), false, ALL, &c) == CMD_OK);
    CHECK(c.chunk == INT64_MAX && c.last);
    CHECK(cmd_parse(SPAN("BDAT 9223372036854775808"), false, ALL, &c) == CMD_OK);
    CHECK(c.chunk == INT64_MAX && !c.last);
    CHECK(cmd_parse(SPAN("MAIL FROM:<> SIZE=99999999999999999999999"), false, ALL, &c) == CMD_OK);
    CHECK(c.mail.size == UINT64_MAX && c.addr.text.n == 0);
    CHECK(cmd_parse(SPAN("VRFY  some body "), false, 0, &c) == CMD_OK);
    CHECK_Z(c.arg, "some body");
}

/* A parameter counts only under the extension that brings it. */
TEST(cmd_params_need_their_extension)
{
    static const struct {
        const char *line;
        unsigned ext;
    } cases[] = {
        { "MAIL FROM:<> SIZE=1", EXT_SIZE },
        { "MAIL FROM:<> BODY=7BIT", EXT_8BITMIME },
        { "MAIL FROM:<> BODY=BINARYMIME", EXT_BINARYMIME },
        { "MAIL FROM:<> RET=FULL", EXT_DSN },
        { "MAIL FROM:<> ENVID=1", EXT_DSN },
        { "MAIL FROM:<> SMTPUTF8", EXT_SMTPUTF8 },
        { "MAIL FROM:<> REQUIRETLS", EXT_REQUIRETLS },
        { "RCPT TO:<a@b> NOTIFY=NEVER", EXT_DSN },
        { "RCPT TO:<a@b> ORCPT=rfc822;a@b", EXT_DSN },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct cmd c;
        test_case(cases[i].line);
        CHECK_NUM(cmd_parse(span_z(cases[i].line), false, ALL, &c), CMD_OK);
        CHECK_NUM(cmd_parse(span_z(cases[i].line), false, ALL & ~cases[i].ext, &c), CMD_BAD_PARAM);
    }
}

TEST(cmd_long_values)
{
    struct buf line;
    struct cmd c;
    buf_init(&line, 1000);
    for (unsigned n = 99; n <= 101; n++) {
        buf_clear(&line);
        buf_putf(&line, "MAIL FROM:<> ENVID=%0*d", (int)n, 1);
        CHECK_NUM(cmd_parse(buf_span(&line), false, ALL, &c), n > 100 ? CMD_BAD_SYNTAX : CMD_OK);
    }
    for (unsigned n = 490; n <= 494; n++) {
        buf_clear(&line);
        buf_putf(&line, "RCPT TO:<a@b> ORCPT=rfc822;%0*d", (int)n, 1);
        CHECK_NUM(cmd_parse(buf_span(&line), false, ALL, &c), n > 493 ? CMD_BAD_SYNTAX : CMD_OK);
    }
    buf_done(&line);
}

TEST(cmd_names)
{
    for (int v = 0; v < CMD_UNKNOWN; v++) {
        struct cmd c;
        (void)cmd_parse(span_z(cmd_name((enum cmd_verb)v)), false, ALL, &c);
        CHECK_NUM(c.verb, v);
    }
    CHECK_Z(span_z(cmd_name(CMD_UNKNOWN)), "unknown");
}
