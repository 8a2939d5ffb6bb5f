/* What is parsed lies inside the line, has no control bytes, and a path reads itself back. */
#include "proto/cmd.h"
#include "proto/ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_inside(struct span line, struct span s)
{
    ASSERT(s.n == 0 || (s.p >= line.p && s.p + s.n <= line.p + line.n));
    for (size_t i = 0; i < s.n; i++)
        ASSERT(s.p[i] != '\0' && s.p[i] != '\r' && s.p[i] != '\n');
}

static void check_path(const struct cmd *c, bool utf8, unsigned exts)
{
    struct buf line;
    struct cmd again;
    buf_init(&line, c->addr.text.n + 40);
    buf_put(&line, c->verb == CMD_MAIL ? SPAN("MAIL FROM:<") : SPAN("RCPT TO:<"));
    buf_put(&line, c->addr.text);
    buf_put(&line, c->verb == CMD_MAIL && c->mail.smtputf8 ? SPAN("> SMTPUTF8") : SPAN(">"));
    ASSERT(cmd_parse(buf_span(&line), utf8, exts, &again) == CMD_OK);
    ASSERT(again.verb == c->verb && span_eq(again.addr.text, c->addr.text));
    ASSERT(span_eq(again.addr.domain, c->addr.domain));
    buf_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    bool utf8 = data[0] & 1;
    unsigned exts = data[0] & 2 ? 0x3ff : (unsigned)data[1] << 2;
    struct span line = span_of((const char *)data + 2, n - 2);
    struct cmd c;
    enum cmd_error e = cmd_parse(line, utf8, exts, &c);
    ASSERT(c.verb >= 0 && c.verb < CMD_COUNT_);
    if (e != CMD_OK)
        return 0;

    check_inside(line, c.arg);
    check_inside(line, c.addr.text);
    check_inside(line, c.mail.envid);
    check_inside(line, c.rcpt.orcpt);
    ASSERT(c.chunk <= INT64_MAX);
    ASSERT(c.verb == CMD_RCPT || (c.rcpt.notify == 0 && c.rcpt.orcpt.n == 0));
    ASSERT(!c.addr.utf8 || (c.verb == CMD_MAIL ? c.mail.smtputf8 : utf8));
    if (c.verb == CMD_MAIL || c.verb == CMD_RCPT)
        check_path(&c, utf8, exts);
    return 0;
}
