#include "mail/dsn.h"
#include "test/test.h"

enum { DSN_TEXT_MAX = 4 << 20 };

static struct envelope original_of(void)
{
    return (struct envelope){
        .id = 2,
        .accepted_ms = 1795470600000,
        .from = SPAN("a@c.example"),
        .message_id = SPAN("m1@c.example"),
    };
}

/* Composes, checks what holds for every notification, and leaves the text in b. */
static void compose(const struct dsn *d, struct buf *b)
{
    struct body *body = dsn_compose(d);
    buf_init(b, DSN_TEXT_MAX);
    for (struct span s; (s = body_at(body, b->n)).n > 0;)
        buf_put(b, s);
    CHECK_NUM(b->n, body->n);
    for (size_t i = 0; i < b->n; i++) {
        char c = b->p[i];
        CHECK(c != 0 && c != 27);
        CHECK(c != '\n' || (i > 0 && b->p[i - 1] == '\r'));
        CHECK(c != '\r' || (i + 1 < b->n && b->p[i + 1] == '\n'));
    }
    body_unref(body);
}

static bool holds(const struct buf *b, const char *z)
{
    return memmem(b->p, b->n, z, strlen(z)) != NULL;
}

#define CHECK_HOLDS(b, z)                                                                          \
    do {                                                                                           \
        if (!holds(b, z))                                                                          \
            test_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", z, buf_z(b));                       \
    } while (0)

static unsigned count(const struct buf *b, const char *z)
{
    unsigned n = 0;
    size_t z_n = strlen(z);
    for (size_t i = 0; i + z_n <= b->n; i++)
        n += memcmp(b->p + i, z, z_n) == 0;
    return n;
}

static struct body *body_of(struct span s)
{
    struct body *b = body_new();
    body_append(b, s);
    return b;
}

/* = RFC 3461 5.2 */
TEST(dsn_wanted_rules)
{
    static const struct {
        unsigned notify;
        bool failed, delayed, delivered, relayed;
    } rows[] = {
        { 0, true, true, false, false },
        { NOTIFY_NEVER, false, false, false, false },
        { NOTIFY_FAILURE, true, false, false, false },
        { NOTIFY_DELAY, false, true, false, false },
        { NOTIFY_SUCCESS, false, false, true, true },
        { NOTIFY_SUCCESS | NOTIFY_FAILURE, true, false, true, true },
        { NOTIFY_NEVER | NOTIFY_FAILURE, false, false, false, false },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct envelope e = original_of();
        struct rcpt r = { .notify = rows[i].notify };
        CHECK_NUM(dsn_wanted(&e, &r, DSN_FAILED), rows[i].failed);
        CHECK_NUM(dsn_wanted(&e, &r, DSN_DELAYED), rows[i].delayed);
        CHECK_NUM(dsn_wanted(&e, &r, DSN_DELIVERED), rows[i].delivered);
        CHECK_NUM(dsn_wanted(&e, &r, DSN_RELAYED), rows[i].relayed);
        e.from = SPAN_NONE;
        for (int kind = DSN_FAILED; kind <= DSN_RELAYED; kind++)
            CHECK(!dsn_wanted(&e, &r, (enum dsn_kind)kind));
    }
}

TEST(dsn_failed_whole)
{
    struct envelope e = original_of();
    struct body *body = body_of(SPAN("Subject: Hello\r\nX: y\r\n\r\nsecret\r\n"));
    e.envid = SPAN("QQ+2B1");
    e.size = body->n;
    struct rcpt rcpt = { .addr = SPAN("u@b.example"), .orcpt = SPAN("rfc822;u+2Bx@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt,
                          .kind = DSN_FAILED,
                          .reply = SPAN("550 5.1.1 no such user"),
                          .remote = SPAN("mx.b.example"),
                          .last_attempt_ms = 1795470601000 };
    struct dsn d = { .hostname = SPAN("mx.example"),
                     .original = &e,
                     .body = body,
                     .id = 3,
                     .now_ms = 1795470602000,
                     .rcpt = &r,
                     .n_rcpt = 1 };
    struct buf b;
    compose(&d, &b);
    CHECK_Z(buf_span(&b), "From: Mail gateway <postmaster@mx.example>\r\n"
                          "To: <a@c.example>\r\n"
                          "Subject: Mail could not be delivered\r\n"
                          "Date: Mon, 23 Nov 2026 21:50:02 +0000\r\n"
                          "Message-ID: <0000000000003.dsn@mx.example>\r\n"
                          "In-Reply-To: <m1@c.example>\r\n"
                          "Auto-Submitted: auto-replied\r\n"
                          "MIME-Version: 1.0\r\n"
                          "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                          "        boundary=\"=_0000000000003.0\"\r\n"
                          "\r\n"
                          "This is a delivery status notification in MIME format.\r\n"
                          "\r\n"
                          "--=_0000000000003.0\r\n"
                          "Content-Type: text/plain; charset=us-ascii\r\n"
                          "\r\n"
                          "This notice is about the mail that you sent on\r\n"
                          "Mon, 23 Nov 2026 21:50:00 +0000\r\n"
                          "with the subject \"Hello\".\r\n"
                          "It could not be delivered to\r\n"
                          "    <u@b.example>\r\n"
                          "and will not be tried again.\r\n"
                          "The server mx.b.example answered:\r\n"
                          "    550 5.1.1 no such user\r\n"
                          "\r\n"
                          "The mail gateway at mx.example\r\n"
                          "\r\n"
                          "--=_0000000000003.0\r\n"
                          "Content-Type: message/delivery-status\r\n"
                          "\r\n"
                          "Original-Envelope-Id: QQ+1\r\n"
                          "Reporting-MTA: dns; mx.example\r\n"
                          "Arrival-Date: Mon, 23 Nov 2026 21:50:00 +0000\r\n"
                          "\r\n"
                          "Original-Recipient: rfc822; u+x@b.example\r\n"
                          "Final-Recipient: rfc822; u@b.example\r\n"
                          "Action: failed\r\n"
                          "Status: 5.1.1\r\n"
                          "Remote-MTA: dns; mx.b.example\r\n"
                          "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
                          "Last-Attempt-Date: Mon, 23 Nov 2026 21:50:01 +0000\r\n"
                          "\r\n"
                          "--=_0000000000003.0\r\n"
                          "Content-Type: text/rfc822-headers\r\n"
                          "\r\n"
                          "Subject: Hello\r\n"
                          "X: y\r\n"
                          "\r\n"
                          "--=_0000000000003.0--\r\n");
    buf_done(&b);
    body_unref(body);
}

/* One notification for one recipient, with defaults that a row changes. */
static void compose_one(struct envelope *e, struct dsn_rcpt *r, const struct body *body,
                        struct buf *b)
{
    struct dsn d = { .hostname = SPAN("mx.example"),
                     .original = e,
                     .body = body,
                     .id = 3,
                     .now_ms = 1795470602000,
                     .rcpt = r,
                     .n_rcpt = 1 };
    compose(&d, b);
}

TEST(dsn_status_and_action)
{
    static const struct {
        enum dsn_kind kind;
        struct span reply;
        const char *want;
    } rows[] = {
        { DSN_FAILED, SPAN("550 5.7.1 x"), "Action: failed\r\nStatus: 5.7.1\r\n" },
        { DSN_FAILED, SPAN("550 x"), "Action: failed\r\nStatus: 5.0.0\r\n" },
        { DSN_FAILED, SPAN("450 4.2.2 full"), "Action: failed\r\nStatus: 4.2.2\r\n" },
        { DSN_FAILED, SPAN("250 2.0.0 x"), "Action: failed\r\nStatus: 5.0.0\r\n" },
        { DSN_FAILED, SPAN("junk"), "Action: failed\r\nStatus: 5.0.0\r\n" },
        { DSN_FAILED, SPAN(""), "Action: failed\r\nStatus: 5.0.0\r\n" },
        { DSN_DELAYED, SPAN("450 4.7.1 x"), "Action: delayed\r\nStatus: 4.7.1\r\n" },
        { DSN_DELAYED, SPAN("451 x"), "Action: delayed\r\nStatus: 4.0.0\r\n" },
        { DSN_DELAYED, SPAN("550 5.1.1 x"), "Action: delayed\r\nStatus: 4.0.0\r\n" },
        { DSN_DELIVERED, SPAN("250 2.1.5 x"), "Action: delivered\r\nStatus: 2.1.5\r\n" },
        { DSN_RELAYED, SPAN("250 x"), "Action: relayed\r\nStatus: 2.0.0\r\n" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].want);
        struct envelope e = original_of();
        struct rcpt rcpt = { .addr = SPAN("u@b.example") };
        struct dsn_rcpt r = { .rcpt = &rcpt, .kind = rows[i].kind, .reply = rows[i].reply };
        struct buf b;
        compose_one(&e, &r, NULL, &b);
        CHECK_HOLDS(&b, rows[i].want);
        CHECK(!holds(&b, "Remote-MTA"));
        CHECK(!holds(&b, "smtp; "));
        buf_done(&b);
    }
    test_case(NULL);
}

TEST(dsn_delayed_says_until_when)
{
    struct envelope e = original_of();
    struct rcpt rcpt = { .addr = SPAN("u@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt,
                          .kind = DSN_DELAYED,
                          .reply = SPAN("450 x"),
                          .will_retry_until_ms = 1795470602000 };
    struct buf b;
    compose_one(&e, &r, NULL, &b);
    CHECK_HOLDS(&b, "Subject: Mail is delayed\r\n");
    CHECK_HOLDS(&b, "we go on trying until\r\nMon, 23 Nov 2026 21:50:02 +0000.\r\n");
    CHECK_HOLDS(&b, "Will-Retry-Until: Mon, 23 Nov 2026 21:50:02 +0000\r\n");
    CHECK_HOLDS(&b, "Diagnostic-Code: x-postern; 450 x\r\n");
    buf_done(&b);
}

/* = RFC 3461 4.3, RFC 8689 5 */
TEST(t43_dsn_returns_what_was_asked)
{
    static char big[70 * 1024];
    memset(big, 'x', sizeof big);
    static const struct {
        const char *name;
        enum dsn_ret ret;
        enum dsn_kind kind;
        bool requiretls, binary, partial, big, full;
    } rows[] = {
        { "nothing asked", DSN_RET_NONE, DSN_FAILED, false, false, false, false, false },
        { "headers asked", DSN_RET_HDRS, DSN_FAILED, false, false, false, false, false },
        { "no failure", DSN_RET_FULL, DSN_DELAYED, false, false, false, false, false },
        { "REQUIRETLS", DSN_RET_FULL, DSN_FAILED, true, false, false, false, false },
        { "binary", DSN_RET_FULL, DSN_FAILED, false, true, false, false, false },
        { "only its start is at hand", DSN_RET_FULL, DSN_FAILED, false, false, true, false, false },
        { "too big", DSN_RET_FULL, DSN_FAILED, false, false, false, true, false },
        { "full", DSN_RET_FULL, DSN_FAILED, false, false, false, false, true },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct body *body = body_of(SPAN("Subject: s\r\nDate: d\r\n\r\nsecret body\r\n.\r\n"));
        if (rows[i].big)
            body_append(body, span_of(big, sizeof big));
        struct envelope e = original_of();
        e.ret = rows[i].ret;
        e.requiretls = rows[i].requiretls;
        e.body_kind = rows[i].binary ? BODY_BINARYMIME : BODY_7BIT;
        e.size = body->n + (rows[i].partial ? 1 : 0);
        struct rcpt rcpt = { .addr = SPAN("u@b.example") };
        struct dsn_rcpt r = { .rcpt = &rcpt, .kind = rows[i].kind, .reply = SPAN("550 x") };
        struct buf b;
        compose_one(&e, &r, body, &b);
        CHECK_NUM(holds(&b, "secret"), rows[i].full);
        CHECK_NUM(holds(&b, "message/rfc822\r\n"), rows[i].full);
        CHECK_NUM(holds(&b, "text/rfc822-headers\r\n"), !rows[i].full);
        CHECK_HOLDS(&b, "Date: d\r\n");
        CHECK_NUM(holds(&b, "Subject: s\r\n"), !rows[i].requiretls);
        buf_done(&b);
        body_unref(body);
    }
    test_case(NULL);
}

/* Of a message with REQUIRETLS nothing that its author said comes back, in no form of the fields.
 */
TEST(t43_dsn_keeps_what_the_author_said)
{
    struct body *body =
        body_of(SPAN("From: f\r\nSUBJECT: hidden\r\n hidden on\r\nsubject : hidden\r\n"
                     "To: t\r\n to\r\nKeywords:\r\n\thidden\r\nComments:hidden\r\n"
                     "Thread-Topic: hidden\r\nSubject-Of: seen\r\n\r\nhidden\r\n"));
    struct envelope e = original_of();
    struct rcpt rcpt = { .addr = SPAN("u@b.example") };
    e.size = body->n;
    e.ret = DSN_RET_FULL;
    e.requiretls = true;
    for (enum dsn_kind kind = DSN_FAILED; kind <= DSN_RELAYED; kind++) {
        struct dsn_rcpt r = { .rcpt = &rcpt, .kind = kind, .reply = SPAN("550 x") };
        struct buf b;
        compose_one(&e, &r, body, &b);
        CHECK(!holds(&b, "hidden"));
        CHECK_HOLDS(&b, "From: f\r\nTo: t\r\n to\r\nSubject-Of: seen\r\n\r\n--");
        buf_done(&b);
    }
    body_unref(body);
}

TEST(t11_dsn_mends_line_ends)
{
    struct body *body = body_of(SPAN("A: b\nB: c\rC: d\r\n\r\nx\n.\n.\r.\r\n\0y\r"));
    struct envelope e = original_of();
    e.ret = DSN_RET_FULL;
    e.size = body->n;
    struct rcpt rcpt = { .addr = SPAN("u@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt, .kind = DSN_FAILED, .reply = SPAN("550 x") };
    struct buf b;
    compose_one(&e, &r, body, &b);
    CHECK_HOLDS(&b, "A: b\r\nB: c\r\nC: d\r\n\r\nx\r\n.\r\n.\r\n.\r\n?y\r\n\r\n--");
    buf_done(&b);
    e.ret = DSN_RET_NONE;
    compose_one(&e, &r, body, &b);
    CHECK_HOLDS(&b, "A: b\r\nB: c\r\nC: d\r\n\r\n--");
    buf_done(&b);
    body_unref(body);
}

TEST(dsn_long_header_is_cut_at_a_line)
{
    struct body *body = body_new();
    for (int i = 0; i < 4000; i++)
        body_append(body, SPAN("X-Field: 0123456789\r\n"));
    struct envelope e = original_of();
    struct rcpt rcpt = { .addr = SPAN("u@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt, .kind = DSN_FAILED, .reply = SPAN("550 x") };
    struct buf b;
    compose_one(&e, &r, body, &b);
    CHECK(b.n < 40000 && count(&b, "X-Field: ") > 1000);
    CHECK_NUM(count(&b, "X-Field: 0123456789\r\n"), count(&b, "X-Field: "));
    buf_done(&b);
    body_unref(body);
}

TEST(dsn_boundary_cannot_be_guessed_into)
{
    struct body *body =
        body_of(SPAN("A: b\r\n\r\n--=_0000000000003.0\r\nContent-Type: evil/evil\r\n"
                     "--=_0000000000003.1--\r\n"));
    struct envelope e = original_of();
    e.ret = DSN_RET_FULL;
    e.size = body->n;
    struct rcpt rcpt = { .addr = SPAN("u@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt, .kind = DSN_FAILED, .reply = SPAN("550 x") };
    struct buf b;
    compose_one(&e, &r, body, &b);
    CHECK_HOLDS(&b, "boundary=\"=_0000000000003.2\"");
    CHECK_NUM(count(&b, "--=_0000000000003.2"), 4);
    buf_done(&b);
    body_unref(body);
}

/* Nothing that a peer, a sender or a next hop wrote adds a line to ours. */
TEST(t15_dsn_cannot_be_broken)
{
    struct envelope e = original_of();
    e.envid = SPAN("a+0D+0AAction:+20delivered");
    e.message_id = SPAN("x> evil <y");
    struct rcpt rcpt = { .addr = SPAN("u\r\nAction: delivered@b.example"),
                         .orcpt = SPAN("rfc822;u+0D+0AAction:+20delivered+00") };
    struct dsn_rcpt r = { .rcpt = &rcpt,
                          .kind = DSN_FAILED,
                          .reply =
                              SPAN("550 5.1.1 x\r\nAction: delivered\r\n\r\n--=_0000000000003.0"),
                          .remote = SPAN("mx\r\nAction: delivered") };
    struct buf b;
    compose_one(&e, &r, NULL, &b);
    CHECK_NUM(count(&b, "\r\nAction: "), 1);
    CHECK_NUM(count(&b, "\r\n--=_0000000000003.0"), 3);
    CHECK_HOLDS(&b, "Original-Envelope-Id: a??Action: delivered\r\n");
    CHECK_HOLDS(&b, "Original-Recipient: rfc822; u??Action: delivered?\r\n");
    CHECK(!holds(&b, "In-Reply-To"));
    buf_done(&b);
}

TEST(dsn_bad_orcpt_is_left_out)
{
    static const char *const bad[] = { "",           "x",      ";a",        "rfc822;",
                                       "rfc822;a+0", "rf c;a", "rfc822;a=b" };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        struct envelope e = original_of();
        struct rcpt rcpt = { .addr = SPAN("u@b.example"), .orcpt = span_z(bad[i]) };
        struct dsn_rcpt r = { .rcpt = &rcpt, .kind = DSN_FAILED, .reply = SPAN("550 x") };
        struct buf b;
        compose_one(&e, &r, NULL, &b);
        CHECK(!holds(&b, "Original-Recipient"));
        buf_done(&b);
    }
    test_case(NULL);
}

/* = RFC 6533 */
TEST(dsn_utf8)
{
    struct body *body = body_of(SPAN("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n"));
    struct envelope e = original_of();
    e.smtputf8 = true;
    e.from = SPAN("j\xc3\xbc@c.example");
    struct rcpt rcpt = { .addr = SPAN("m\xc3\xbc@b.example"),
                         .orcpt = SPAN("utf-8;m\\x{FC}@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt,
                          .kind = DSN_FAILED,
                          .reply = SPAN("550 n\xc3\xb6"),
                          .remote = SPAN("mx.b.example") };
    struct buf b;
    compose_one(&e, &r, body, &b);
    CHECK_HOLDS(&b, "To: <j\xc3\xbc@c.example>\r\n");
    CHECK_HOLDS(&b, "report-type=global-delivery-status;");
    CHECK_HOLDS(&b, "boundary=\"=_0000000000003.0\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    CHECK_HOLDS(&b, "Content-Type: message/global-delivery-status\r\n");
    CHECK_HOLDS(&b, "Content-Type: message/global-headers\r\n");
    CHECK_HOLDS(&b, "with the subject \"gr\xc3\xbc\xc3\x9f\".");
    CHECK_HOLDS(&b, "Original-Recipient: utf-8; m\\x{FC}@b.example\r\n");
    CHECK_HOLDS(&b, "Final-Recipient: utf-8; m\xc3\xbc@b.example\r\n");
    CHECK_HOLDS(&b, "smtp; 550 n\xc3\xb6\r\n");
    buf_done(&b);

    e.smtputf8 = false;
    e.from = SPAN("a@c.example");
    compose_one(&e, &r, body, &b);
    CHECK_HOLDS(&b, "smtp; 550 n??\r\n");
    CHECK_HOLDS(&b, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n");
    CHECK(!holds(&b, "global"));
    buf_done(&b);
    body_unref(body);
}

TEST(dsn_long_replies_fold)
{
    static char reply[4000];
    for (size_t i = 0; i < sizeof reply; i++)
        reply[i] = i % 97 == 96 || (i > 1000 && i % 11 == 10) ? ' ' : 'x';
    struct envelope e = original_of();
    struct rcpt rcpt = { .addr = SPAN("u@b.example") };
    struct dsn_rcpt r = { .rcpt = &rcpt,
                          .kind = DSN_FAILED,
                          .reply = span_of(reply, sizeof reply) };
    struct buf b;
    compose_one(&e, &r, NULL, &b);
    for (struct span s = buf_span(&b); s.n > 0;) {
        struct span line = span_cut(&s, '\n');
        CHECK(line.n < 100);
        CHECK(line.n <= 1 || span_trim(span_head(line, line.n - 1)).n > 0);
    }
    buf_done(&b);
}

TEST(dsn_many_recipients)
{
    enum { MANY = 3000 };
    static struct rcpt rcpt[MANY];
    static struct dsn_rcpt r[MANY];
    struct envelope e = original_of();
    for (int i = 0; i < MANY; i++) {
        rcpt[i].addr = SPAN("u@b.example");
        r[i] = (struct dsn_rcpt){ .rcpt = &rcpt[i],
                                  .kind = (enum dsn_kind)(i % 4),
                                  .reply = SPAN("550 5.1.1 x") };
    }
    struct dsn d = {
        .hostname = SPAN("mx.example"), .original = &e, .id = 3, .rcpt = r, .n_rcpt = MANY
    };
    struct buf b;
    compose(&d, &b);
    CHECK_HOLDS(&b, "Subject: Mail could not be delivered\r\n");
    CHECK_NUM(count(&b, "\r\nAction: "), MANY);
    CHECK_NUM(count(&b, "\r\nAction: relayed\r\n"), MANY / 4);
    buf_done(&b);
}
