/* test_smtpc.c - what transcripts cannot say of the client core: which mails fit a peer, what was
 * learnt, deadlines, memory at rest. */
#include "test/test.h"
#include "test/unit/proto/smtpc_rig.h"
#include <stdio.h>

static const struct tls_facts tls_on = { .on = true };

/* --- smtpc_fits */

static const struct fits_row {
    const char *name, *keywords;
    bool tls;
    struct envelope e;
    struct span rcpt;
    uint64_t body_bytes;
    int code;
    unsigned subject, detail;
} fits_rows[] = {
    { "plain", "", false, { .from = SPAN("a@x") }, SPAN("b@y"), 10, 0, 0, 0 },
    { "null sender", "", false, { 0 }, SPAN("b@y"), 10, 0, 0, 0 },
    { "size fits", "250-SIZE 10\r\n", false, { 0 }, SPAN("b@y"), 10, 0, 0, 0 },
    { "size", "250-SIZE 10\r\n", false, { 0 }, SPAN("b@y"), 11, 552, 3, 4 },
    { "size 0 is no limit", "250-SIZE 0\r\n", false, { 0 }, SPAN("b@y"), 11, 0, 0, 0 },
    { "size without a number", "250-SIZE\r\n", false, { 0 }, SPAN("b@y"), 11, 0, 0, 0 },
    { "size that is none", "250-SIZE -1\r\n", false, { 0 }, SPAN("b@y"), 11, 0, 0, 0 },
    { "utf8 flag", "", false, { .smtputf8 = true }, SPAN("b@y"), 1, 553, 6, 7 },
    { "utf8 sender", "", false, { .from = SPAN("\xc3\xa4@x") }, SPAN("b@y"), 1, 553, 6, 7 },
    { "utf8 recipient", "", false, { 0 }, SPAN("\xc3\xa4@y"), 1, 553, 6, 7 },
    { "utf8 offered",
      "250-SMTPUTF8\r\n",
      false,
      { .smtputf8 = true },
      SPAN("\xc3\xa4@y"),
      1,
      0,
      0,
      0 },
    { "binary",
      "250-BINARYMIME\r\n",
      false,
      { .body_kind = BODY_BINARYMIME },
      SPAN("b@y"),
      1,
      554,
      6,
      1 },
    { "binary, chunking alone",
      "250-CHUNKING\r\n",
      false,
      { .body_kind = BODY_BINARYMIME },
      SPAN("b@y"),
      1,
      554,
      6,
      1 },
    { "binary offered",
      "250-CHUNKING\r\n250-BINARYMIME\r\n",
      false,
      { .body_kind = BODY_BINARYMIME },
      SPAN("b@y"),
      1,
      0,
      0,
      0 },
    { "8bit declared",
      "",
      false,
      { .body_kind = BODY_8BITMIME, .eight_bit = true },
      SPAN("b@y"),
      1,
      554,
      6,
      3 },
    { "8bit declared without need",
      "",
      false,
      { .body_kind = BODY_8BITMIME },
      SPAN("b@y"),
      1,
      0,
      0,
      0 },
    { "8bit, never declared", "", false, { .eight_bit = true }, SPAN("b@y"), 1, 0, 0, 0 },
    { "8bit offered",
      "250-8BITMIME\r\n",
      false,
      { .body_kind = BODY_8BITMIME, .eight_bit = true },
      SPAN("b@y"),
      1,
      0,
      0,
      0 },
    { "T-43: requiretls",
      "",
      true,
      { .requiretls = true, .from = SPAN("a@x") },
      SPAN("b@y"),
      1,
      550,
      7,
      30 },
    /* = RFC 8689 5: "SHOULD NOT cause a bounce message to be discarded" */
    { "T-43: requiretls, a notification",
      "",
      true,
      { .requiretls = true },
      SPAN("b@y"),
      1,
      0,
      0,
      0 },
    { "requiretls in clear",
      "250-REQUIRETLS\r\n",
      false,
      { .requiretls = true },
      SPAN("b@y"),
      1,
      550,
      7,
      30 },
    { "requiretls offered",
      "250-REQUIRETLS\r\n",
      true,
      { .requiretls = true },
      SPAN("b@y"),
      1,
      0,
      0,
      0 },
    { "quoted local part", "", false, { 0 }, SPAN("\"a \\\" > b\"@y"), 1, 0, 0, 0 },
    { "CR in a sender", "", false, { .from = SPAN("a\r@x") }, SPAN("b@y"), 1, 553, 1, 3 },
    { "LF in a recipient", "", false, { 0 }, SPAN("b@y>\nDATA"), 1, 553, 1, 3 },
    { "NUL", "", false, { 0 }, SPAN("b\0@y"), 1, 553, 1, 3 },
    { "DEL", "", false, { 0 }, SPAN("b\x7f@y"), 1, 553, 1, 3 },
    { "parameter in an address", "", false, { 0 }, SPAN("b@y> NOTIFY=NEVER"), 1, 553, 1, 3 },
    { "escaped CR", "", false, { 0 }, SPAN("\"\\\r\"@y"), 1, 553, 1, 3 },
    { "open quote", "", false, { 0 }, SPAN("\"b@y"), 1, 553, 1, 3 },
    { "quote closed by an escape", "", false, { 0 }, SPAN("\"b\\\"@y"), 1, 553, 1, 3 },
    { "backslash at the end", "", false, { 0 }, SPAN("\"b\\"), 1, 553, 1, 3 },
    { "CR in ENVID", "", false, { .envid = SPAN("a\rb") }, SPAN("b@y"), 1, 553, 1, 3 },
    { "blank in ENVID", "", false, { .envid = SPAN("a SIZE=1") }, SPAN("b@y"), 1, 553, 1, 3 },
};

TEST(smtpc_fits_table)
{
    for (size_t i = 0; i < COUNTOF(fits_rows); i++) {
        const struct fits_row *row = &fits_rows[i];
        test_case(row->name);
        struct smtpc_rig *r = rig_new(false);
        if (row->tls) {
            rig_open(r, "250-STARTTLS\r\n");
            smtpc_starttls(r->c, START);
            CHECK(rig_says(r, "220 go\r\n", START) == SMTPC_STARTTLS);
            smtpc_tls_started(r->c, &tls_on, START);
            char text[200];
            snprintf(text, sizeof text, "250-mx\r\n%s250 HELP\r\n", row->keywords);
            CHECK(rig_says(r, text, START) == SMTPC_READY);
        } else {
            rig_open(r, row->keywords);
        }
        r->one.addr = row->rcpt;
        r->envelope = row->e;
        r->mail.body_bytes = row->body_bytes;
        struct reply no = { 0 };
        enum err e = smtpc_fits(r->c, &r->mail, &no);
        CHECK(e == (row->code ? ERR_REFUSED : ERR_OK));
        CHECK_NUM(no.code, row->code);
        CHECK_NUM(no.status.subject, row->subject);
        CHECK_NUM(no.status.detail, row->detail);
        rig_free(r);
    }
}

/* T-43: LMTP over a socket of this machine crosses no network, and Dovecot knows no REQUIRETLS. */
TEST(t43_smtpc_fits_a_local_socket)
{
    struct smtpc_config config = { .hostname = SPAN("gate.example"), .lmtp = true };
    struct envelope e = { .from = SPAN("a@x.example"), .requiretls = true };
    struct rcpt one = { .addr = SPAN("b@y.example") };
    const struct rcpt *rcpts[] = { &one };
    struct smtpc_mail mail = { &e, rcpts, 1, 0 };
    for (int local = 0; local < 2; local++) {
        config.local = local;
        struct smtpc *c = smtpc_new(&config, START);
        struct reply no = { 0 };
        CHECK_NUM(smtpc_fits(c, &mail, &no), local ? ERR_OK : ERR_REFUSED);
        CHECK_NUM(no.status.detail, local ? 0 : 30);
        smtpc_free(c);
    }
}

TEST(smtpc_fits_length_and_bytes_of_parameters)
{
    static char long_param[SMTPC_PARAM_BYTES + 1];
    memset(long_param, 'a', sizeof long_param);
    struct smtpc_rig *r = rig_ready("250-DSN\r\n");
    struct reply no;
    r->one.orcpt = span_of(long_param, SMTPC_PARAM_BYTES);
    CHECK(smtpc_fits(r->c, &r->mail, &no) == ERR_OK);
    r->one.orcpt = span_of(long_param, SMTPC_PARAM_BYTES + 1);
    CHECK(smtpc_fits(r->c, &r->mail, &no) == ERR_REFUSED);
    r->one.orcpt = SPAN("rfc822;b\r\nDATA");
    CHECK(smtpc_fits(r->c, &r->mail, &no) == ERR_REFUSED);
    r->one.orcpt = SPAN("rfc822;b\xff");
    CHECK(smtpc_fits(r->c, &r->mail, &no) == ERR_REFUSED);
    rig_free(r);
}

TEST(smtpc_fits_length_of_an_address)
{
    static char long_name[ADDR_BYTES_MAX + 1];
    memset(long_name, 'a', sizeof long_name);
    struct smtpc_rig *r = rig_ready("");
    struct reply no;
    r->one.addr = span_of(long_name, ADDR_BYTES_MAX);
    CHECK(smtpc_fits(r->c, &r->mail, &no) == ERR_OK);
    r->one.addr = span_of(long_name, ADDR_BYTES_MAX + 1);
    CHECK(smtpc_fits(r->c, &r->mail, &no) == ERR_REFUSED);
    rig_free(r);
}

/* --- what was learnt */

TEST(smtpc_learns_name_and_extensions)
{
    struct smtpc_rig *r = rig_ready(
        "250-PIPELINING\r\n250-size 77\r\n250-XFOO BAR\r\n250-REQUIRETLS\r\n250-BINARYMIME\r\n");
    CHECK_SPAN(smtpc_peer_name(r->c), SPAN("mx.example"));
    CHECK_NUM(smtpc_exts(r->c), EXT_PIPELINING | EXT_SIZE);
    CHECK(smtpc_ready(r->c));
    rig_free(r);
}

TEST(smtpc_t02_no_handshake_over_bytes_behind_the_reply)
{
    static const char *const replies[] = {
        "220 go\r\n250-FAKE\r\n",         "220 go\r\n2",          "220 go\r\n\n",
        "220-go\r\n220 go\r\n220 go\r\n", "454 no\r\n220 go\r\n",
    };
    for (size_t i = 0; i < COUNTOF(replies); i++) {
        test_case(replies[i]);
        struct smtpc_rig *r = rig_ready("250-STARTTLS\r\n");
        smtpc_starttls(r->c, START);
        rig_flush(r);
        struct span in = span_z(replies[i]);
        CHECK(smtpc_next(r->c, &in, START, &r->ev) == SMTPC_FAILED);
        CHECK_Z(span_z(r->ev.why), "bytes behind the reply to STARTTLS");
        CHECK(!smtpc_ready(r->c));
        rig_free(r);
    }
}

TEST(smtpc_t03_forgets_at_tls)
{
    struct smtpc_rig *r = rig_ready("250-STARTTLS\r\n250-CHUNKING\r\n250-SIZE 5\r\n");
    CHECK_NUM(smtpc_exts(r->c), EXT_STARTTLS | EXT_CHUNKING | EXT_SIZE);
    smtpc_starttls(r->c, START);
    CHECK(!smtpc_ready(r->c));
    CHECK(rig_says(r, "220 go\r\n", START) == SMTPC_STARTTLS);
    smtpc_tls_started(r->c, &tls_on, START);
    CHECK_NUM(smtpc_exts(r->c), 0);
    CHECK_NUM(smtpc_peer_name(r->c).n, 0);
    CHECK(rig_says(r, "250-other\r\n250 STARTTLS\r\n", START) == SMTPC_READY);
    CHECK_NUM(smtpc_exts(r->c), 0); /* STARTTLS inside TLS is not offered twice */
    CHECK_SPAN(smtpc_peer_name(r->c), SPAN("other"));
    rig_free(r);
}

TEST(smtpc_name_with_control_bytes_is_none)
{
    struct smtpc_rig *r = rig_new(false);
    CHECK(rig_says(r, "220 mx\r\n", START) == SMTPC_NONE);
    CHECK(rig_says(r, "250 \x1b[31mred hello\r\n", START) == SMTPC_READY);
    struct span name = smtpc_peer_name(r->c);
    for (size_t i = 0; i < name.n; i++)
        CHECK(name.p[i] > 32 && name.p[i] < 127);
    rig_free(r);
}

TEST(smtpc_name_that_is_too_long_or_not_ascii_is_none)
{
    static char text[400] = "250 ";
    memset(text + 4, 'a', DOMAIN_BYTES_MAX + 1);
    memcpy(text + 4 + DOMAIN_BYTES_MAX + 1, "\r\n", 3);
    const char *replies[] = { text, "250 m\xc3\xa4.example\r\n", "250\r\n" };
    for (size_t i = 0; i < COUNTOF(replies); i++) {
        struct smtpc_rig *r = rig_new(false);
        CHECK(rig_says(r, "220 mx\r\n", START) == SMTPC_NONE);
        CHECK(rig_says(r, replies[i], START) == SMTPC_READY);
        CHECK_NUM(smtpc_peer_name(r->c).n, 0);
        rig_free(r);
    }
}

/* --- deadlines */

TEST(smtpc_deadlines)
{
    struct smtpc_rig *r = rig_new(false);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + GREETING);
    CHECK(rig_says(r, "220", START + 5) == SMTPC_NONE); /* half a line moves nothing */
    CHECK_NUM(smtpc_deadline_ms(r->c), START + GREETING);
    CHECK(rig_says(r, " mx\r\n", START + 10) == SMTPC_NONE);
    CHECK(rig_next(r, START + 10) == SMTPC_NONE);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 10 + HELO);
    CHECK(rig_says(r, "250-mx\r\n250 STARTTLS\r\n", START + 20) == SMTPC_READY);
    CHECK_NUM(smtpc_deadline_ms(r->c), INT64_MAX);
    smtpc_starttls(r->c, START + 30);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 30 + TLS);
    CHECK(rig_says(r, "220 go\r\n", START + 40) == SMTPC_STARTTLS);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 40 + TLS);
    smtpc_tls_started(r->c, &tls_on, START + 50);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 50 + HELO);
    CHECK(rig_says(r, "250 mx\r\n", START + 60) == SMTPC_READY);
    r->mail.body_bytes = 3;
    smtpc_send(r->c, &r->mail, START + 70);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 70 + MAIL);
    CHECK(rig_says(r, "250 ok\r\n", START + 80) == SMTPC_NONE);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 80 + RCPT);
    CHECK(rig_says(r, "250 ok\r\n", START + 90) == SMTPC_RCPT);
    CHECK(rig_next(r, START + 90) == SMTPC_NONE);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 90 + DATA);
    CHECK(rig_says(r, "354 go\r\n", START + 100) == SMTPC_BODY);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 100 + BLOCK);
    smtpc_body(r->c, SPAN("x\r\n"), START + 110);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 110 + BLOCK);
    CHECK(rig_next(r, START + 120) == SMTPC_NONE);
    CHECK(rig_next(r, START + 120) == SMTPC_NONE);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 120 + END);
    CHECK(rig_says(r, "250 ok\r\n", START + 130) == SMTPC_SENT);
    CHECK_NUM(smtpc_deadline_ms(r->c), INT64_MAX);
    smtpc_quit(r->c, START + 140);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 140 + QUIT);
    CHECK(rig_says(r, "221 bye\r\n", START + 150) == SMTPC_CLOSED);
    CHECK_NUM(smtpc_deadline_ms(r->c), INT64_MAX);
    CHECK(rig_next(r, START + 150) == SMTPC_NONE);
    rig_free(r);
}

TEST(smtpc_t07_a_reader_of_single_bytes_runs_into_the_deadline)
{
    static char body[200000];
    struct smtpc_rig *r = rig_in_data(sizeof body);
    smtpc_body(r->c, span_of(body, 100000), START);
    int64_t deadline_ms = smtpc_deadline_ms(r->c);
    CHECK_NUM(deadline_ms, START + BLOCK);
    struct span in = SPAN_NONE;
    for (int i = 0; i < 1000; i++) {
        smtpc_sent(r->c, 1);
        (void)smtpc_next(r->c, &in, START + i, &r->ev);
    }
    CHECK_NUM(smtpc_deadline_ms(r->c), deadline_ms);
    smtpc_sent(r->c, SMTPC_STEP_BYTES);
    CHECK(smtpc_next(r->c, &in, START + 2000, &r->ev) == SMTPC_NONE);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 2000 + BLOCK);
    smtpc_timeout(r->c, START + 2000 + BLOCK);
    CHECK(smtpc_next(r->c, &in, START + 2000 + BLOCK, &r->ev) == SMTPC_FAILED);
    CHECK_Z(span_z(r->ev.why), "timeout sending the body");
    CHECK(!r->ev.unknown);
    rig_free(r);
}

TEST(smtpc_timeout_heeds_progress_it_was_not_told_the_time_of)
{
    static char body[100000];
    struct smtpc_rig *r = rig_in_data(sizeof body);
    smtpc_body(r->c, span_of(body, 50000), START);
    smtpc_sent(r->c, 40000);
    smtpc_timeout(r->c, START + BLOCK);
    CHECK_NUM(smtpc_deadline_ms(r->c), START + 2 * BLOCK);
    CHECK(rig_next(r, START + BLOCK) != SMTPC_FAILED);
    rig_free(r);
}

TEST(smtpc_early_timeout_is_none)
{
    struct smtpc_rig *r = rig_new(false);
    smtpc_timeout(r->c, START + GREETING - 1);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    rig_free(r);
}

/* --- memory */

TEST(smtpc_at_rest_holds_nothing)
{
    struct smtpc_rig *r = rig_in_data(200000);
    CHECK(rig_give(r, 100000) == 100000);
    rig_flush(r);
    CHECK(rig_give(r, 100000) == 100000);
    rig_flush(r);
    CHECK_NUM(r->c->out.cap, 0);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_SENT);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    CHECK_NUM(r->c->out.cap, 0);
    CHECK_NUM(r->c->kept.cap, 0);
    CHECK_NUM(r->c->parser.line.cap, 0);
    CHECK_NUM(r->c->parser.text.cap, 0);
    CHECK(r->c->tx.accepted_bits == NULL);
    CHECK(sizeof(struct smtpc) < 3000);
    rig_free(r);
}

TEST(smtpc_free_at_any_point)
{
    smtpc_free(NULL);
    rig_free(rig_new(true));
    rig_free(rig_in_data(10));
    rig_free(rig_in_chunks(100000));
}

/* The reply of SENT lives until the next call, whatever came after it was kept. */
TEST(smtpc_kept_reply_survives_the_replies_behind_it)
{
    struct smtpc_rig *r = rig_ready("250-PIPELINING\r\n");
    r->mail.body_bytes = 1;
    smtpc_send(r->c, &r->mail, START);
    CHECK(rig_says(r, "450-4.7.1 grey\r\n450 4.7.1 list\r\n", START) == SMTPC_NONE);
    CHECK(rig_says(r, "503 5.5.1 a longer text that would be in its place\r\n", START) ==
          SMTPC_NONE);
    CHECK(rig_says(r, "503 5.5.1 another\r\n", START) == SMTPC_SENT);
    CHECK_SPAN(r->ev.reply.text, SPAN("grey\nlist"));
    CHECK_NUM(r->ev.reply.status.detail, 1);
    rig_free(r);
}
