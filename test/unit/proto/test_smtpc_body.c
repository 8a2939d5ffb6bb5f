/* test_smtpc_body.c - bodies and flights of the client core: windows, backpressure, refusals in the
 * midst, answers that come too early. */
#include "test/test.h"
#include "test/unit/proto/smtpc_rig.h"

/* --- bounds */

static unsigned count(struct span s, char c)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

/* Answers each command that is in `said` with 250; 354 for DATA. Returns accepted recipients. */
static unsigned answer_all(struct smtpc_rig *r)
{
    unsigned n_rcpt = 0;
    while (r->said.n > 0) {
        struct span said = buf_span(&r->said);
        struct span line = span_cut(&said, '\n');
        const char *reply = span_starts(line, SPAN("DATA")) ? "354 go\r\n" : "250 ok\r\n";
        bool rcpt = span_starts(line, SPAN("RCPT"));
        buf_consume(&r->said, line.n + 1);
        enum smtpc_event e = rig_says(r, reply, START);
        CHECK(!rcpt || e == SMTPC_RCPT);
        if (rcpt)
            CHECK_NUM(r->ev.i, n_rcpt);
        n_rcpt += rcpt;
        if (e == SMTPC_BODY)
            return n_rcpt;
        rig_next(r, START);
    }
    return n_rcpt;
}

TEST(smtpc_many_recipients_go_in_windows)
{
    struct smtpc_rig *r = rig_ready("250-PIPELINING\r\n");
    r->mail.n_rcpt = RCPTS_MAX;
    r->mail.body_bytes = 1;
    smtpc_send(r->c, &r->mail, START);
    CHECK_NUM(count(smtpc_output(r->c), '\n'), SMTPC_ASKED_MAX);
    rig_flush(r);
    CHECK_NUM(answer_all(r), RCPTS_MAX);
    smtpc_body(r->c, SPAN("x"), START);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_SENT);
    rig_free(r);
}

TEST(smtpc_output_full_of_recipients_stays_bounded)
{
    static char name[ADDR_BYTES_MAX], orcpt[SMTPC_PARAM_BYTES];
    memset(name, 'a', sizeof name);
    memset(orcpt, 'a', sizeof orcpt);
    struct smtpc_rig *r = rig_ready("250-PIPELINING\r\n250-DSN\r\n250-CHUNKING\r\n");
    r->one = (struct rcpt){ .addr = span_of(name, sizeof name), .orcpt = span_of(orcpt, 1000) };
    r->mail.n_rcpt = 1000;
    smtpc_send(r->c, &r->mail, START);
    CHECK(smtpc_output(r->c).n <= SMTPC_OUT_BYTES);
    rig_flush(r);
    CHECK_NUM(answer_all(r), 1000);
    rig_free(r);
}

TEST(smtpc_data_backpressure_with_the_worst_body)
{
    enum { BODY = 3 * 1024 * 1024 };
    char *body = mem_alloc(BODY);
    for (size_t i = 0; i < BODY; i++)
        body[i] = i % 2 ? '.' : '\n';
    struct smtpc_rig *r = rig_in_data(BODY);
    size_t given = 0, most = 0;
    enum smtpc_event e = SMTPC_BODY;
    while (e == SMTPC_BODY) {
        for (size_t room = smtpc_body_room(r->c); room > 0; room = smtpc_body_room(r->c)) {
            smtpc_body(r->c, span_of(body + given, room), START);
            given += room;
        }
        most = smtpc_output(r->c).n > most ? smtpc_output(r->c).n : most;
        struct span in = SPAN_NONE;
        CHECK(smtpc_next(r->c, &in, START, &r->ev) == SMTPC_NONE);
        e = rig_next(r, START);
    }
    mem_free(body);
    CHECK_NUM(given, BODY);
    CHECK(most <= SMTPC_BODY_OUT_BYTES + 16 && most > SMTPC_BODY_OUT_BYTES / 2);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_SENT);
    rig_free(r);
}

TEST(smtpc_body_is_asked_for_once_and_again_after_each_piece)
{
    struct smtpc_rig *r = rig_in_data(3);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    smtpc_body(r->c, SPAN("a"), START);
    CHECK(rig_next(r, START) == SMTPC_BODY);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    smtpc_body(r->c, SPAN(""), START);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    smtpc_body(r->c, SPAN("b"), START);
    smtpc_body(r->c, SPAN("c"), START);
    CHECK_NUM(smtpc_body_room(r->c), 0);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    CHECK_SPAN(buf_span(&r->said), SPAN("abc\r\n.\r\n"));
    rig_free(r);
}

TEST(smtpc_chunks_are_bounded_by_output_and_by_answers)
{
    struct smtpc_rig *r = rig_in_chunks(1ull << 40);
    size_t given = rig_give(r, SIZE_MAX);
    CHECK(given <= SMTPC_BODY_OUT_BYTES && smtpc_output(r->c).n <= SMTPC_BODY_OUT_BYTES + 100);
    unsigned rounds = 0;
    while (given > 0) {
        rig_flush(r);
        buf_clear(&r->said);
        given = rig_give(r, SIZE_MAX);
        CHECK(rounds++ < 10000);
    }
    CHECK_NUM(r->c->n_asked, SMTPC_ASKED_MAX);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_BODY);
    rig_free(r);
}

TEST(smtpc_a_chunk_is_completed_after_a_refusal_and_no_other_begun)
{
    struct smtpc_rig *r = rig_in_chunks(3 * SMTPC_CHUNK_BYTES);
    rig_flush(r);
    CHECK_NUM(rig_give(r, SMTPC_CHUNK_BYTES), SMTPC_CHUNK_BYTES);
    rig_flush(r);
    CHECK_NUM(rig_give(r, 1000), 1000);
    CHECK(rig_says(r, "552 5.3.4 too big\r\n", START) == SMTPC_BODY);
    size_t left = SMTPC_CHUNK_BYTES - 1000;
    CHECK_NUM(rig_give(r, SIZE_MAX), left);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    CHECK_NUM(smtpc_body_room(r->c), 0);
    CHECK(rig_says(r, "503 5.5.1 RSET first\r\n", START) == SMTPC_SENT);
    CHECK_NUM(r->ev.reply.code, 552);
    CHECK_SPAN(r->ev.reply.text, SPAN("too big"));
    CHECK(!r->ev.whole_transaction);
    struct span said = buf_span(&r->said);
    CHECK(memmem(said.p, said.n, "LAST", 4) == NULL);
    buf_clear(&r->said);
    r->mail.body_bytes = 1;
    smtpc_send(r->c, &r->mail, START);
    rig_flush(r);
    CHECK_SPAN(buf_span(&r->said),
               SPAN("RSET\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n"));
    rig_free(r);
}

/* A mail of two chunks, the second half given when the peer refuses while it reads the second. */
TEST(smtpc_a_refusal_in_the_midst_of_the_last_chunk)
{
    struct smtpc_rig *r = rig_in_chunks(1000 + SMTPC_CHUNK_BYTES);
    CHECK_NUM(rig_give(r, SMTPC_CHUNK_BYTES), SMTPC_CHUNK_BYTES);
    rig_flush(r);
    CHECK_NUM(rig_give(r, 10), 10);
    rig_flush(r);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_BODY);
    CHECK(rig_says(r, "452 4.3.1 full\r\n", START) == SMTPC_NONE); /* BODY was asked for already */
    CHECK_NUM(smtpc_body_room(r->c), 990);
    CHECK_NUM(rig_give(r, SIZE_MAX), 990);
    CHECK(rig_next(r, START) == SMTPC_SENT);
    CHECK_NUM(r->ev.reply.code, 452);
    rig_free(r);
}

TEST(smtpc_nothing_is_uttered_when_all_is_refused_before_the_body_was_given)
{
    struct smtpc_rig *r = rig_ready("250-PIPELINING\r\n250-CHUNKING\r\n");
    r->mail.body_bytes = 10;
    smtpc_send(r->c, &r->mail, START);
    CHECK(rig_next(r, START) == SMTPC_BODY);
    CHECK(rig_says(r, "550 5.7.1 no\r\n", START) == SMTPC_NONE);
    CHECK_NUM(smtpc_body_room(r->c), 0);
    CHECK(rig_says(r, "503 5.5.1 no\r\n", START) == SMTPC_SENT);
    CHECK(r->ev.whole_transaction);
    CHECK_NUM(r->ev.reply.code, 550);
    CHECK_SPAN(r->ev.reply.text, SPAN("no"));
    rig_free(r);
}

/* --- answers too early */

static void check_failed(struct smtpc_rig *r, enum smtpc_event e, int code, const char *why)
{
    CHECK(e == SMTPC_FAILED);
    CHECK_NUM(r->ev.reply.code, code);
    CHECK_Z(span_z(r->ev.why), why);
    CHECK(!r->ev.unknown);
    CHECK(!smtpc_ready(r->c));
    CHECK_NUM(smtpc_output(r->c).n, 0);
    CHECK_NUM(smtpc_body_room(r->c), 0);
    CHECK_NUM(smtpc_deadline_ms(r->c), INT64_MAX);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    rig_free(r);
}

TEST(smtpc_250_in_the_midst_of_data_is_no_success)
{
    struct smtpc_rig *r = rig_in_data(10);
    smtpc_body(r->c, SPAN("12345"), START);
    rig_flush(r);
    CHECK(rig_next(r, START) == SMTPC_BODY);
    check_failed(r, rig_says(r, "250 queued\r\n", START), 0, "a reply that nobody asked for");
}

TEST(smtpc_250_before_the_dot_was_sent_is_no_success)
{
    struct smtpc_rig *r = rig_in_data(5);
    smtpc_body(r->c, SPAN("12345"), START);
    smtpc_sent(r->c, smtpc_output(r->c).n - 1);
    struct span in = SPAN("250 queued\r\n");
    enum smtpc_event e = smtpc_next(r->c, &in, START, &r->ev);
    check_failed(r, e, 0, "a reply that nobody asked for");
}

TEST(smtpc_552_in_the_midst_of_data_ends_the_session_with_the_reply)
{
    struct smtpc_rig *r = rig_in_data(10);
    smtpc_body(r->c, SPAN("12345"), START);
    CHECK(rig_next(r, START) == SMTPC_BODY);
    check_failed(r, rig_says(r, "552 5.3.4 big\r\n", START), 552, "the peer refused the session");
}

TEST(smtpc_250_in_the_midst_of_a_chunk_is_no_success)
{
    struct smtpc_rig *r = rig_in_chunks(100000);
    CHECK_NUM(rig_give(r, 500), 500);
    check_failed(r, rig_says(r, "250 queued\r\n", START), 0, "a reply before the end of the body");
}

TEST(smtpc_broken_after_replies_at_hand_are_heard)
{
    struct smtpc_rig *r = rig_in_data(1);
    smtpc_body(r->c, SPAN("x"), START);
    rig_flush(r);
    smtpc_broken(r->c, "the peer closed the connection");
    CHECK(rig_says(r, "250 2.0.0 ok\r\n", START) == SMTPC_SENT);
    CHECK(!smtpc_ready(r->c));
    check_failed(r, rig_next(r, START), 0, "the peer closed the connection");
}

TEST(smtpc_broken_while_idle)
{
    struct smtpc_rig *r = rig_ready("");
    smtpc_broken(r->c, "the peer closed the connection");
    check_failed(r, rig_next(r, START), 0, "the peer closed the connection");
}

TEST(smtpc_quit_of_a_broken_session_hangs_up)
{
    struct smtpc_rig *r = rig_ready("");
    smtpc_broken(r->c, "the peer closed the connection");
    smtpc_quit(r->c, START);
    smtpc_broken(r->c, "again");
    CHECK(rig_next(r, START) == SMTPC_CLOSED);
    CHECK_NUM(r->said.n, 0);
    smtpc_broken(r->c, "and again");
    CHECK(rig_next(r, START) == SMTPC_NONE);
    smtpc_quit(r->c, START);
    CHECK(rig_next(r, START) == SMTPC_CLOSED);
    rig_free(r);
}

TEST(smtpc_half_a_reply_while_idle_is_kept)
{
    struct smtpc_rig *r = rig_ready("");
    CHECK(rig_says(r, "421-4.3.2 shutting", START) == SMTPC_NONE);
    CHECK(rig_says(r, " down\r\n", START) == SMTPC_NONE);
    CHECK(rig_says(r, "", START) == SMTPC_NONE);
    CHECK(rig_says(r, "421 4.3.2 now\r\n", START) == SMTPC_FAILED);
    CHECK_SPAN(r->ev.reply.text, SPAN("shutting down\nnow"));
    rig_free(r);
}

TEST(smtpc_broken_in_a_body_is_not_unknown)
{
    struct smtpc_rig *r = rig_in_data(10);
    smtpc_body(r->c, SPAN("12345"), START);
    smtpc_broken(r->c, "the peer closed the connection");
    CHECK_NUM(smtpc_body_room(r->c), 0);
    check_failed(r, rig_next(r, START), 0, "the peer closed the connection");
}
