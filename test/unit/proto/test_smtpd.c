/* The dialogues themselves are transcripts (test_wire.c); here is what they cannot say. */
#include "base/rng.h"
#include "base/when.h"
#include "test/test.h"
#include "test/unit/proto/play_smtpd.h"

enum { OUT_MAX = 1 << 20 };

static struct smtpd_config endless_config(void)
{
    struct smtpd_config c = play_config;
    c.limits.errors = c.limits.commands_idle = c.limits.messages = 1u << 30;
    return c;
}

static void to_rcpt(struct play *p)
{
    play_feed(p, SPAN("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"), 0);
    buf_clear(&p->out);
}

/* --- T-13: random sequences of commands against a model of the rules */

enum model_at { AT_NONE, AT_MAIL, AT_RCPT, AT_CHUNKS };

struct model {
    bool helo, no_data, no_end;
    enum model_at at;
};

enum model_kind { KIND_SAME, KIND_HELO, KIND_MAIL, KIND_RCPT, KIND_DATA, KIND_BDAT, KIND_RSET };

static const struct model_cmd {
    const char *text;
    enum model_kind kind;
    int code; /* where the command is in order */
    bool no_data, no_end, last;
    const char *body;
} model_cmds[] = {
    { "NOOP", KIND_SAME, 250, 0, 0, 0, "" },
    { "VRFY x", KIND_SAME, 252, 0, 0, 0, "" },
    { "HELP", KIND_SAME, 214, 0, 0, 0, "" },
    { "FOO", KIND_SAME, 500, 0, 0, 0, "" },
    { "EXPN x", KIND_SAME, 502, 0, 0, 0, "" },
    { "NOOP a\rb", KIND_SAME, 500, 0, 0, 0, "" },
    { "HELO", KIND_SAME, 501, 0, 0, 0, "" },
    { "RSET x", KIND_SAME, 501, 0, 0, 0, "" },
    { "HELO x", KIND_HELO, 250, 0, 0, 0, "" },
    { "EHLO x", KIND_HELO, 250, 0, 0, 0, "" },
    { "RSET", KIND_RSET, 250, 0, 0, 0, "" },
    { "MAIL FROM:<a@b>", KIND_MAIL, 250, 0, 0, 0, "" },
    { "MAIL FROM:<nodata@b>", KIND_MAIL, 250, 1, 0, 0, "" },
    { "MAIL FROM:<noend@b>", KIND_MAIL, 250, 0, 1, 0, "" },
    { "MAIL FROM:<no@b>", KIND_MAIL, 550, 0, 0, 0, "" },
    { "MAIL FROM:<later@b>", KIND_MAIL, 451, 0, 0, 0, "" },
    { "MAIL FROM:<a", KIND_MAIL, 501, 0, 0, 0, "" },
    { "MAIL FROM:<a@b> X=Y", KIND_MAIL, 555, 0, 0, 0, "" },
    { "RCPT TO:<a@b>", KIND_RCPT, 250, 0, 0, 0, "" },
    { "RCPT TO:<no@b>", KIND_RCPT, 550, 0, 0, 0, "" },
    { "RCPT TO:<later@b>", KIND_RCPT, 451, 0, 0, 0, "" },
    { "RCPT TO:<>", KIND_RCPT, 501, 0, 0, 0, "" },
    { "DATA", KIND_DATA, 250, 0, 0, 0, "text\r\n.\r\n" },
    { "DATA", KIND_DATA, 552, 0, 0, 0, "TOO BIG" },
    { "DATA", KIND_DATA, 554, 0, 0, 0, "TOO LONG" },
    { "BDAT 6", KIND_BDAT, 250, 0, 0, 0, "RSET\r\n" },
    { "BDAT 0", KIND_BDAT, 250, 0, 0, 0, "" },
    { "BDAT 6 LAST", KIND_BDAT, 250, 0, 0, 1, "RSET\r\n" },
    { "BDAT 3 LAST", KIND_BDAT, 554, 0, 0, 1, "a\nb" },
    { "BDAT 3", KIND_BDAT, 554, 0, 0, 0, "a\nb" },
};

/* The model. Returns the reply code that is due; *ret_go: 354 comes first. */
static int model_step(struct model *m, const struct model_cmd *c, bool *ret_go)
{
    *ret_go = false;
    if (c->kind == KIND_SAME)
        return c->code;
    if (c->kind == KIND_HELO || c->kind == KIND_RSET) {
        *m = (struct model){ .helo = m->helo || c->kind == KIND_HELO };
        return c->code;
    }
    bool rcpt = c->kind == KIND_RCPT, bdat = c->kind == KIND_BDAT, data = c->kind == KIND_DATA;
    if ((data || bdat) && m->at == AT_MAIL)
        return 554;
    if (!m->helo || (c->kind == KIND_MAIL) != (m->at == AT_NONE) || (m->at == AT_CHUNKS && !bdat))
        return 503;
    if (c->kind == KIND_MAIL && c->code == 250)
        *m = (struct model){ true, c->no_data, c->no_end, AT_MAIL };
    if (rcpt && c->code == 250)
        m->at = AT_RCPT;
    if (!data && !bdat)
        return c->code;
    bool refused = m->no_data && m->at == AT_RCPT, whole = data || c->last, no_end = m->no_end;
    m->at = bdat && !refused && !whole && c->code == 250 ? AT_CHUNKS : AT_NONE;
    *ret_go = data && !refused;
    return refused || (whole && no_end && c->code == 250) ? 554 : c->code;
}

/* Is what was said exactly these replies? */
static void model_check(struct play *p, int first, int second)
{
    struct span out = buf_span(&p->out);
    int want[] = { first, second };
    for (int i = 0; i < 2 && want[i] != 0; i++) {
        struct span line;
        do
            line = span_cut(&out, '\n');
        while (line.n > 3 && line.p[3] == '-');
        CHECK(line.n > 4);
        CHECK_NUM((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0', want[i]);
    }
    CHECK_NUM(out.n, 0);
    buf_clear(&p->out);
}

static void model_body(struct play *p, const struct model_cmd *c, size_t step)
{
    struct buf body;
    buf_init(&body, OUT_MAX);
    if (span_eq(span_z(c->body), SPAN("TOO BIG"))) {
        for (int i = 0; i < 300; i++)
            buf_put(&body, SPAN("QUIT\r\n"));
        buf_put(&body, SPAN(".\r\n"));
    } else if (span_eq(span_z(c->body), SPAN("TOO LONG"))) {
        buf_putf(&body, "%0101d\r\nQUIT\r\n.\r\n", 1);
    } else {
        buf_put(&body, span_z(c->body));
    }
    play_feed(p, buf_span(&body), step);
    buf_done(&body);
}

TEST(t13_reset_matrix_against_a_model)
{
    struct smtpd_config config = endless_config();
    config.limits.rcpts = 1u << 30;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct rng rng;
        struct play p;
        struct model m = { 0 };
        rng_init(&rng, seed);
        play_init(&p, &config);
        for (int i = 0; i < 120; i++) {
            const struct model_cmd *c = &model_cmds[rng_below(&rng, COUNTOF(model_cmds))];
            bool go;
            size_t step = rng_below(&rng, 4);
            int code = model_step(&m, c, &go);
            test_case(c->text);
            play_feed(&p, span_z(c->text), step);
            play_feed(&p, SPAN("\r\n"), step);
            if (go || c->kind == KIND_BDAT)
                model_body(&p, c, step);
            model_check(&p, go ? 354 : code, go ? code : 0);
            CHECK_NUM(smtpd_idle(p.smtpd), m.at == AT_NONE);
            CHECK(!p.closed);
        }
        play_done(&p);
    }
}

/* --- T-10 */

/* What ends a line, or seems to, around a dot, and then a second envelope: never two mails. */
TEST(t10_smuggling_in_all_combinations)
{
    const struct span ends[] = { SPAN("\r"), SPAN("\n"), SPAN("\r\n"), SPAN(""), SPAN("\0") };
    const struct span dots[] = { SPAN("."), SPAN(""), SPAN("..") };
    struct buf in;
    buf_init(&in, 1000);
    for (size_t i = 0; i < COUNTOF(ends) * COUNTOF(ends) * COUNTOF(dots); i++) {
        size_t before = i % 5, after = i / 5 % 5, dot = i / 25;
        bool honest = before == 2 && dot == 0 && after == 2; /* that one does end the mail */
        buf_clear(&in);
        buf_put(&in, SPAN("DATA\r\ntext"));
        buf_put(&in, ends[before]);
        buf_put(&in, dots[dot]);
        buf_put(&in, ends[after]);
        buf_put(&in, SPAN("MAIL FROM:<e@x>\r\nRCPT TO:<f@y>\r\nDATA\r\nsecond\r\n.\r\nQUIT\r\n"));
        for (size_t cut = 0; cut < in.n; cut++) {
            struct play p;
            play_init(&p, NULL);
            to_rcpt(&p);
            play_feed(&p, span_head(buf_span(&in), cut), 0);
            play_feed(&p, span_tail(buf_span(&in), cut), 0);
            struct span left = buf_span(&p.messages);
            span_cut(&left, '|');
            CHECK(honest || left.n == 0);
            CHECK(p.closed);
            CHECK(p.why == (p.messages.n > 0 ? SMTPD_WHY_QUIT : SMTPD_WHY_FRAMING));
            play_done(&p);
        }
    }
    buf_done(&in);
}

/* --- T-12 */

TEST(t12_a_million_chunks)
{
    struct smtpd_config config = play_config;
    config.limits.message_bytes = 2000000;
    config.limits.text_line_bytes = 0;
    struct play p;
    play_init(&p, &config);
    to_rcpt(&p);
    for (int i = 0; i < 10000; i++) {
        struct span in = SPAN("BDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nx"
                              "BDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nxBDAT 1\r\nx");
        for (int j = 0; j < 10; j++)
            play_feed(&p, in, 0);
        buf_clear(&p.out);
        CHECK(!p.closed);
    }
    CHECK_NUM(p.body.n, 1000000);
    PLAY(&p, "BDAT 0 LAST\r\n", "250 2.0.0 stored\r\n");
    play_done(&p);
}

/* Refused bodies are read, but not for ever: the sum over the session counts. */
TEST(t12_wasted_bytes_are_bounded)
{
    struct smtpd_config config = endless_config();
    struct play p;
    play_init(&p, &config);
    play_feed(&p, SPAN("EHLO x\r\n"), 0);
    struct buf chunk;
    buf_init(&chunk, 200000);
    buf_put(&chunk, SPAN("BDAT 100000 LAST\r\n"));
    for (int i = 0; i < 100000; i++)
        buf_put(&chunk, SPAN("x"));
    int n = 0;
    for (; n < 100 && !p.closed; n++)
        play_feed(&p, buf_span(&chunk), 0);
    CHECK_NUM(n, 11); /* 1 MiB and twice the largest message */
    CHECK_NUM(p.why, SMTPD_WHY_LIMIT);
    play_done(&p);
    buf_done(&chunk);
}

TEST(t14_wasted_data_is_bounded)
{
    struct play p;
    play_init(&p, NULL);
    to_rcpt(&p);
    PLAY(&p, "DATA\r\n", "354 go on\r\n");
    int n = 0;
    for (; n < 100000 && !p.closed; n++)
        play_feed(&p, SPAN("0123456789012345678901234567890123456789\r\n"), 0);
    CHECK(n > 20000 && n < 30000);
    CHECK_NUM(p.why, SMTPD_WHY_LIMIT);
    CHECK_Z(buf_span(&p.out), "552 5.3.4 message too big\r\n");
    CHECK_Z(buf_span(&p.events), "HMRDxC");
    CHECK(p.body.n <= 1000);
    play_done(&p);
}

/* --- memory and backpressure */

TEST(t14_commands_stop_while_output_waits)
{
    struct smtpd_config config = endless_config();
    struct play p;
    struct buf in;
    play_init(&p, &config);
    buf_init(&in, OUT_MAX);
    for (int i = 0; i < 10000; i++)
        buf_put(&in, SPAN("NOOP\r\n"));
    struct span left = buf_span(&in);
    struct smtpd_ev ev;
    size_t said = 0;
    while (left.n > 0 || smtpd_output(p.smtpd).n > 0) {
        CHECK(smtpd_next(p.smtpd, &left, p.now_ms, &ev) == SMTPD_NONE);
        size_t n = smtpd_output(p.smtpd).n;
        CHECK(n > 0 && n < 4096 + 20);
        smtpd_sent(p.smtpd, n);
        said += n;
    }
    CHECK_NUM(said, 10000 * strlen("250 2.0.0 well\r\n"));
    play_done(&p);
    buf_done(&in);
}

/* A line without an end is not kept. */
TEST(t14_endless_line)
{
    struct play p;
    play_init(&p, NULL);
    for (int i = 0; i < 100000; i++)
        play_feed(&p, SPAN("0123456789"), 0);
    CHECK_NUM(p.out.n, 0);
    CHECK(!p.closed && !smtpd_idle(p.smtpd));
    PLAY(&p, "\r\n", "500 5.5.2 line too long\r\n");
    CHECK(smtpd_idle(p.smtpd));
    play_done(&p);
}

/* Lines that lie in the input are not copied: what an event says points there. */
TEST(lines_are_parsed_in_place)
{
    struct play p;
    struct smtpd_ev ev;
    play_init(&p, NULL);
    struct span in = SPAN("EHLO client.example\r\nNOOP\r\n"), whole = in;
    CHECK(smtpd_next(p.smtpd, &in, p.now_ms, &ev) == SMTPD_HELO);
    CHECK(ev.esmtp && ev.text.p == whole.p + 5);
    CHECK_Z(in, "NOOP\r\n");
    CHECK(smtpd_waiting(p.smtpd) && !smtpd_idle(p.smtpd));
    CHECK(smtpd_next(p.smtpd, &in, p.now_ms, &ev) == SMTPD_NONE);
    CHECK_Z(in, "NOOP\r\n");
    play_done(&p);
}

TEST(body_pieces_are_borrowed)
{
    struct play p;
    struct smtpd_ev ev;
    play_init(&p, NULL);
    to_rcpt(&p);
    PLAY(&p, "DATA\r\n", "354 go on\r\n");
    struct span in = SPAN("line one\r\nline two\r\n.\r\n"), whole = in;
    CHECK(smtpd_next(p.smtpd, &in, p.now_ms, &ev) == SMTPD_BODY);
    CHECK(ev.text.p == whole.p && ev.text.n == 20);
    CHECK(smtpd_next(p.smtpd, &in, p.now_ms, &ev) == SMTPD_BODY_END);
    struct reply r = REPLY(250, 2, 0, 0, "stored");
    smtpd_reply(p.smtpd, &r, p.now_ms);
    play_done(&p);
}

/* --- time */

TEST(t14_deadline_is_the_least)
{
    struct smtpd_config config = play_config;
    config.limits.session_ms = 400 * SECOND_MS;
    struct play p;
    play_init(&p, &config);
    int64_t born = p.now_ms;
    CHECK_NUM(smtpd_deadline_ms(p.smtpd), born + 60 * SECOND_MS);
    p.now_ms += 1000;
    play_feed(&p, SPAN("EHLO x\r\n"), 0);
    CHECK_NUM(smtpd_deadline_ms(p.smtpd), born + 301 * SECOND_MS);
    p.now_ms += 200 * SECOND_MS;
    play_feed(&p, SPAN("MAIL FROM:<a@b>\r\nRCPT TO:<slow@d>\r\n"), 0);
    CHECK_NUM(smtpd_deadline_ms(p.smtpd), INT64_MAX);
    play_answer(&p, SPAN("DATA\r\n"));
    CHECK_NUM(smtpd_deadline_ms(p.smtpd), born + 381 * SECOND_MS);
    p.now_ms += 50 * SECOND_MS;
    play_feed(&p, SPAN("x"), 0);
    CHECK_NUM(smtpd_deadline_ms(p.smtpd), born + 400 * SECOND_MS);
    smtpd_timeout(p.smtpd, p.now_ms); /* too early: nothing */
    CHECK(smtpd_deadline_ms(p.smtpd) < INT64_MAX);
    play_wait(&p, 200 * SECOND_MS);
    CHECK(p.closed && p.why == SMTPD_WHY_TIMEOUT);
    CHECK_NUM(smtpd_deadline_ms(p.smtpd), INT64_MAX);
    play_done(&p);
}

TEST(t07_implicit_handshake_timeout_says_nothing)
{
    struct smtpd_config config = play_config;
    config.implicit_tls = true;
    struct smtpd *s = smtpd_new(&config, 0);
    struct span none = SPAN_NONE;
    struct smtpd_ev ev;
    CHECK_NUM(smtpd_deadline_ms(s), 30 * SECOND_MS);
    smtpd_timeout(s, 30 * SECOND_MS);
    CHECK_NUM(smtpd_output(s).n, 0);
    CHECK(smtpd_next(s, &none, 30 * SECOND_MS, &ev) == SMTPD_CLOSE);
    CHECK_NUM(ev.why, SMTPD_WHY_TIMEOUT);
    CHECK(smtpd_next(s, &none, 30 * SECOND_MS, &ev) == SMTPD_NONE);
    smtpd_free(s);
}

/* --- beginning and end */

TEST(greeting_refused)
{
    struct smtpd *s = smtpd_new(&play_config, 0);
    struct reply no = REPLY(554, 5, 7, 1, "not you");
    struct span in = SPAN("EHLO x\r\n");
    struct smtpd_ev ev;
    CHECK(smtpd_next(s, &in, 0, &ev) == SMTPD_NONE);
    CHECK_Z(in, "EHLO x\r\n");
    smtpd_greet(s, &no, 0);
    CHECK_Z(smtpd_output(s), "554 not you\r\n");
    CHECK(smtpd_next(s, &in, 0, &ev) == SMTPD_CLOSE);
    CHECK_NUM(ev.why, SMTPD_WHY_REFUSED);
    CHECK_NUM(in.n, 0);
    smtpd_free(s);
}

TEST(shutdown_at_once_when_idle)
{
    const struct reply bye = REPLY(421, 4, 3, 2, "going down");
    struct play p;
    play_init(&p, NULL);
    play_feed(&p, SPAN("EHLO x\r\nMAIL FROM:<a@b>\r\n"), 0);
    buf_clear(&p.out);
    smtpd_shutdown(p.smtpd, &bye);
    PLAY(&p, "", "421 4.3.2 going down\r\n");
    CHECK_Z(buf_span(&p.events), "HMxC");
    CHECK_NUM(p.why, SMTPD_WHY_REFUSED);
    play_done(&p);
}

TEST(shutdown_waits_for_the_body)
{
    const struct reply bye = REPLY(421, 4, 3, 2, "going down");
    struct play p;
    play_init(&p, NULL);
    to_rcpt(&p);
    PLAY(&p, "DATA\r\nx", "354 go on\r\n");
    smtpd_shutdown(p.smtpd, &bye);
    PLAY(&p, "y\r\n.\r\nNOOP\r\n", "250 2.0.0 stored\r\n421 4.3.2 going down\r\n");
    CHECK_Z(buf_span(&p.events), "HMRDEC");
    play_done(&p);
}

TEST(shutdown_in_the_handshake_says_nothing)
{
    const struct reply bye = REPLY(421, 4, 3, 2, "going down");
    struct play p;
    play_init(&p, NULL);
    play_feed(&p, SPAN("EHLO x\r\nSTARTTLS\r\n"), 0);
    buf_clear(&p.out);
    smtpd_shutdown(p.smtpd, &bye);
    PLAY(&p, "", "");
    CHECK_Z(buf_span(&p.events), "HTC");
    play_done(&p);
}

TEST(shutdown_before_the_greeting)
{
    const struct reply bye = REPLY(421, 4, 3, 2, "going down"), hello = REPLY(220, 0, 0, 0, "hi");
    struct smtpd *s = smtpd_new(&play_config, 0);
    smtpd_shutdown(s, &bye);
    smtpd_greet(s, &hello, 0);
    CHECK_Z(smtpd_output(s), "421 4.3.2 going down\r\n");
    smtpd_free(s);
}

/* T-01 with the cut at every byte and 220 flushed or not: nothing after 220 is ever said. */
TEST(t01_nothing_is_said_after_220)
{
    struct span in = SPAN("EHLO x\r\nSTARTTLS\r\nEHLO evil\r\nMAIL FROM:<e@x>\r\n");
    for (size_t cut = 0; cut < in.n; cut++) {
        for (int hold = 0; hold < 2; hold++) {
            struct play p;
            play_init(&p, NULL);
            p.hold_out = hold != 0;
            play_feed(&p, span_head(in, cut), 0);
            play_feed(&p, span_tail(in, cut), 0);
            CHECK(p.closed && p.why == SMTPD_WHY_INJECTION);
            struct span out = hold ? smtpd_output(p.smtpd) : buf_span(&p.out);
            CHECK(span_ends_nocase(out, SPAN("220 2.0.0 go ahead\r\n")));
            CHECK_Z(buf_span(&p.events), "HTC");
            play_done(&p);
        }
    }
}

TEST(why_names)
{
    for (int w = 0; w < SMTPD_WHY_COUNT_; w++)
        CHECK(smtpd_why_name((enum smtpd_why)w)[0] != '\0');
}
