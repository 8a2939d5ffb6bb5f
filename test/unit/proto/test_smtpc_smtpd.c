/* test_smtpc_smtpd.c - the two cores face to face: random mails, random refusals, bytes cut at
 * random in both directions. What the client believes and what the server did must be the same,
 * and a body must arrive as it left. */
#include "base/rng.h"
#include "proto/smtpc.h"
#include "proto/smtpd.h"
#include "test/test.h"

enum { RCPTS = 12, MAILS = 6, SESSIONS = 400, BODY_MAX = 700 * 1024, IN_MAX = 1 << 20 };

/* One mail: what was sent, what the client was told, what the server did. */
struct story {
    unsigned rcpts, accepted; /* bits */
    unsigned server_accepted;
    bool mail_refused, server_stored;
    int code;
};

struct pair {
    struct rng rng;
    bool orderly; /* nothing is refused */
    struct smtpd_config server_config;
    struct smtpc *c;
    struct smtpd *d;
    struct buf to_server, to_client; /* on their way */
    struct buf body, want, got, wire;
    size_t given;
    struct envelope envelope;
    struct rcpt rcpt[RCPTS];
    const struct rcpt *rcpt_ptrs[RCPTS];
    struct smtpc_mail mail;
    struct story story;
    unsigned mails_left;
    bool over;
};

static const char *const names[RCPTS] = { "r0@y", "r1@y", "r2@y", "r3@y", "r4@y",  "r5@y",
                                          "r6@y", "r7@y", "r8@y", "r9@y", "r10@y", "r11@y" };

static bool chance(struct pair *p, uint32_t of)
{
    return rng_chance(&p->rng, 1, of);
}

/* --- bodies */

static const struct span morsels[] = {
    SPAN("\r\n.\r\n"), SPAN("\n.\n"),
    SPAN("\r.\r"),     SPAN("\r\n.\n"),
    SPAN("\n.\r\n"),   SPAN("\r\n.\r"),
    SPAN("\r.\n"),     SPAN("\0"),
    SPAN("."),         SPAN(".."),
    SPAN("\r"),        SPAN("\n"),
    SPAN("\r\n"),      SPAN("text"),
    SPAN("\xff"),      SPAN("\r\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<r0@y>\r\nDATA\r\n"),
};
static const struct span clean[] = {
    SPAN("\r\n.\r\n"),
    SPAN("\r\n..\r\n"),
    SPAN(".\r\n"),
    SPAN("\r\n"),
    SPAN("text"),
    SPAN("\xff\xfe"),
    SPAN("."),
    SPAN("a longer line of text\r\n"),
    SPAN("QUIT\r\n"),
    SPAN("\r\n\r\n"),
    SPAN("BDAT 0 LAST\r\n"),
};

/* What a strict server must have after DATA: bare CR and LF mended, the last line ended. */
static void mended(struct span s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        bool cr = s.p[i] == '\r', lf = s.p[i] == '\n';
        if (!cr && !lf)
            buf_put(out, span_of(&s.p[i], 1));
        else
            buf_put(out, SPAN("\r\n"));
        if (cr && i + 1 < s.n && s.p[i + 1] == '\n')
            i++;
    }
    struct span all = buf_span(out);
    if (all.n > 0 && all.p[all.n - 1] != '\n')
        buf_put(out, SPAN("\r\n"));
}

static void make_body(struct pair *p, bool dirty)
{
    buf_clear(&p->body);
    uint64_t n = rng_below(&p->rng, chance(p, 10) ? BODY_MAX - 200 : 400);
    while (p->body.n < n) {
        if (n > 1000 && chance(p, 3)) {
            static const char text[4000] = { "a" };
            buf_put(&p->body, span_of(text, rng_below(&p->rng, sizeof text - 1)));
        }
        size_t i = (size_t)rng_below(&p->rng, dirty ? COUNTOF(morsels) : COUNTOF(clean));
        if (p->body.n < BODY_MAX - 5000)
            buf_put(&p->body, dirty ? morsels[i] : clean[i]);
        else
            return;
    }
}

/* --- the server's side */

static struct reply refusal(struct pair *p, uint32_t of, struct reply yes)
{
    if (p->orderly || !chance(p, of))
        return yes;
    return chance(p, 2) ? REPLY(451, 4, 3, 0, "later") : REPLY(550, 5, 7, 1, "never");
}

static void answer(struct pair *p, enum smtpd_event e, const struct smtpd_ev *ev)
{
    struct reply r = REPLY(250, 2, 0, 0, "ok");
    switch (e) {
    case SMTPD_HELO:
        p->story.server_accepted = 0;
        break;
    case SMTPD_MAIL:
        CHECK(!span_eq(ev->addr.text, SPAN("evil@x")));
        p->story.server_accepted = 0;
        buf_clear(&p->got);
        r = refusal(p, 8, r);
        break;
    case SMTPD_RCPT:
        r = refusal(p, 3, r);
        for (unsigned i = 0; i < RCPTS && reply_ok(&r); i++)
            if (span_eq(ev->addr.text, span_z(names[i])))
                p->story.server_accepted |= 1u << i;
        break;
    case SMTPD_DATA:
        r = refusal(p, 8, REPLY(354, 0, 0, 0, "go"));
        break;
    case SMTPD_BODY_END:
        r = refusal(p, 6, r);
        CHECK(!p->story.server_stored);
        p->story.server_stored = reply_ok(&r);
        break;
    default:
        test_fail(__FILE__, __LINE__, "event %d of the server", (int)e);
    }
    smtpd_reply(p->d, &r, 0);
}

static void serve(struct pair *p)
{
    struct span in = buf_span(&p->to_server);
    struct smtpd_ev ev;
    enum smtpd_event e;
    while ((e = smtpd_next(p->d, &in, 0, &ev)) != SMTPD_NONE) {
        if (e == SMTPD_CLOSE) {
            CHECK(ev.why == SMTPD_WHY_QUIT);
            break;
        }
        if (e == SMTPD_BODY)
            buf_put(&p->got, ev.text);
        else if (e != SMTPD_RESET)
            answer(p, e, &ev);
        else
            buf_clear(&p->got);
    }
    buf_consume(&p->to_server, p->to_server.n - in.n);
}

/* --- the client's side */

static void send_mail(struct pair *p)
{
    unsigned exts = smtpc_exts(p->c);
    bool binary = exts & EXT_BINARYMIME && exts & EXT_CHUNKING && chance(p, 2);
    bool dirty = binary || chance(p, 3);
    p->envelope = (struct envelope){
        .from = chance(p, 4) ? SPAN_NONE : SPAN("a@x"),
        .body_kind = binary ? BODY_BINARYMIME : BODY_7BIT,
        .ret = chance(p, 2) ? DSN_RET_HDRS : DSN_RET_NONE,
        .envid = chance(p, 2) ? SPAN("Q+2B1") : SPAN_NONE,
        .eight_bit = true,
    };
    unsigned n = 1 + (unsigned)rng_below(&p->rng, RCPTS);
    p->story = (struct story){ .rcpts = n };
    for (unsigned i = 0; i < n; i++) {
        p->rcpt[i] = (struct rcpt){ .addr = span_z(names[i]),
                                    .notify = chance(p, 2) ? NOTIFY_FAILURE | NOTIFY_DELAY : 0 };
        p->rcpt_ptrs[i] = &p->rcpt[i];
    }
    make_body(p, dirty);
    buf_clear(&p->want);
    if (exts & EXT_CHUNKING)
        buf_put(&p->want, buf_span(&p->body));
    else
        mended(buf_span(&p->body), &p->want);
    p->given = 0;
    p->mail = (struct smtpc_mail){ &p->envelope, p->rcpt_ptrs, n, p->body.n };
    struct reply no;
    CHECK(smtpc_fits(p->c, &p->mail, &no) == ERR_OK);
    smtpc_send(p->c, &p->mail, 0);
}

static void give(struct pair *p)
{
    size_t room = smtpc_body_room(p->c);
    CHECK(room > 0 && p->given < p->body.n);
    size_t n = 1 + (size_t)rng_below(&p->rng, room);
    struct span piece = span_tail(buf_span(&p->body), p->given);
    piece = span_head(piece, n < piece.n ? n : piece.n);
    p->given += piece.n;
    smtpc_body(p->c, piece, 0);
}

static void check_story(struct pair *p, const struct smtpc_ev *ev)
{
    struct story *s = &p->story;
    bool sent = reply_ok(&ev->reply);
    CHECK(sent == s->server_stored);
    if (ev->whole_transaction)
        CHECK(s->server_accepted == 0 && s->accepted == 0);
    else
        CHECK_NUM(s->accepted, s->server_accepted);
    CHECK((ev->reply.code == 0) == (s->accepted == 0 && !ev->whole_transaction));
    if (sent)
        CHECK_SPAN(buf_span(&p->got), buf_span(&p->want));
    if (p->orderly && p->envelope.body_kind == BODY_BINARYMIME)
        CHECK(sent);
}

static void next_mail(struct pair *p)
{
    CHECK(smtpc_ready(p->c));
    if (p->mails_left-- > 0)
        send_mail(p);
    else
        smtpc_quit(p->c, 0);
}

static void act(struct pair *p, enum smtpc_event e, const struct smtpc_ev *ev)
{
    switch (e) {
    case SMTPC_READY:
        next_mail(p);
        return;
    case SMTPC_RCPT:
        CHECK(ev->i < p->story.rcpts);
        if (reply_ok(&ev->reply))
            p->story.accepted |= 1u << ev->i;
        return;
    case SMTPC_BODY:
        give(p);
        return;
    case SMTPC_SENT:
        check_story(p, ev);
        next_mail(p);
        return;
    case SMTPC_CLOSED:
        p->over = true;
        return;
    default:
        test_fail(__FILE__, __LINE__, "event %d of the client: %s", (int)e, ev->why);
    }
}

/* --- the wire */

static size_t some(struct pair *p, size_t n)
{
    uint64_t kind = rng_below(&p->rng, 3);
    if (kind == 0 || n == 0)
        return n;
    size_t max = kind == 1 && n > 5 ? 5 : n;
    return 1 + (size_t)rng_below(&p->rng, max);
}

static void turn(struct pair *p)
{
    struct span out = smtpc_output(p->c);
    size_t n = some(p, out.n);
    n = n < buf_room(&p->to_server) ? n : buf_room(&p->to_server);
    buf_put(&p->to_server, span_head(out, n));
    buf_put(&p->wire, span_head(out, n < buf_room(&p->wire) ? n : 0));
    smtpc_sent(p->c, n);
    serve(p);

    out = smtpd_output(p->d);
    n = some(p, out.n);
    buf_put(&p->to_client, span_head(out, n));
    smtpd_sent(p->d, n);
    struct span in = buf_span(&p->to_client);
    struct smtpc_ev ev;
    enum smtpc_event e;
    while (!p->over && (e = smtpc_next(p->c, &in, 0, &ev)) != SMTPC_NONE)
        act(p, e, &ev);
    buf_clear(&p->to_client);
}

static struct pair *pair_new(uint64_t seed, unsigned exts)
{
    static const struct smtpc_limits limits = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct pair *p = NEW(struct pair);
    rng_init(&p->rng, seed);
    p->server_config = (struct smtpd_config){
        .hostname = SPAN("mx.example"),
        .exts = exts,
        .limits = { .message_bytes = 10 * BODY_MAX,
                    .command_bytes = 2000,
                    .rcpts = 100,
                    .errors = 1u << 30,
                    .commands_idle = 1u << 30,
                    .messages = 1u << 30,
                    .greeting_wait_ms = 1000,
                    .command_ms = 1000,
                    .data_ms = 1000,
                    .body_total_ms = 1000,
                    .handshake_ms = 1000,
                    .session_ms = 1000 },
    };
    struct smtpc_config config = { .hostname = SPAN("gate.example"), .limits = limits };
    struct buf *bufs[] = { &p->to_server, &p->to_client, &p->body, &p->want, &p->got, &p->wire };
    for (size_t i = 0; i < COUNTOF(bufs); i++)
        buf_init(bufs[i], 2 * IN_MAX);
    p->c = smtpc_new(&config, 0);
    p->d = smtpd_new(&p->server_config, 0);
    struct reply hello = REPLY(220, 0, 0, 0, "mx.example ESMTP");
    smtpd_greet(p->d, &hello, 0);
    return p;
}

static void pair_free(struct pair *p)
{
    struct buf *bufs[] = { &p->to_server, &p->to_client, &p->body, &p->want, &p->got, &p->wire };
    for (size_t i = 0; i < COUNTOF(bufs); i++)
        buf_done(bufs[i]);
    smtpc_free(p->c);
    smtpd_free(p->d);
    mem_free(p);
}

static void run(struct pair *p)
{
    for (unsigned long turns = 0; !p->over; turns++) {
        CHECK(turns < 3000000);
        turn(p);
    }
}

TEST(smtpc_and_smtpd_agree_on_random_mails_t11_t13)
{
    static const unsigned offers[] = { 0, EXT_PIPELINING, EXT_PIPELINING | EXT_CHUNKING,
                                       EXT_CHUNKING,
                                       EXT_PIPELINING | EXT_CHUNKING | EXT_BINARYMIME |
                                           EXT_8BITMIME };
    static char row[60];
    for (uint64_t seed = 1; seed <= SESSIONS; seed++) {
        struct buf b;
        buf_init(&b, sizeof row);
        buf_putf(&b, "seed %llu", (unsigned long long)seed);
        memcpy(row, buf_z(&b), b.n + 1);
        buf_done(&b);
        test_case(row);

        unsigned exts = offers[seed % COUNTOF(offers)];
        if (seed % 2)
            exts |= EXT_SIZE | EXT_8BITMIME | EXT_DSN | EXT_ENHANCEDSTATUSCODES;
        struct pair *p = pair_new(seed, exts);
        p->mails_left = MAILS;
        p->orderly = seed % 4 == 0;
        run(p);
        pair_free(p);
    }
}

/* --- T-11, every combination */

/* Lines that are a single dot to somebody who takes CR, LF and CRLF for line ends. */
static unsigned lone_dots(struct span s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool start = i == 0 || s.p[i - 1] == '\r' || s.p[i - 1] == '\n';
        bool end = i + 1 == s.n || s.p[i + 1] == '\r' || s.p[i + 1] == '\n';
        n += s.p[i] == '.' && start && end;
    }
    return n;
}

static unsigned bare(struct span s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n');
        n += s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r');
    }
    return n;
}

static void t11_one(struct span before, struct span after, unsigned exts)
{
    struct pair *p = pair_new(7, exts);
    p->orderly = true;
    p->mails_left = 0;
    while (!smtpc_ready(p->c) && !p->over) {
        struct span out = smtpc_output(p->c);
        buf_put(&p->to_server, out);
        smtpc_sent(p->c, out.n);
        serve(p);
        struct span in = smtpd_output(p->d);
        size_t n = in.n;
        struct smtpc_ev ev;
        (void)smtpc_next(p->c, &in, 0, &ev);
        smtpd_sent(p->d, n);
    }
    buf_put(&p->body, SPAN("Subject: x\r\n\r\nhello"));
    buf_put(&p->body, before);
    buf_put(&p->body, SPAN("."));
    buf_put(&p->body, after);
    buf_put(&p->body, SPAN("MAIL FROM:<evil@x>\r\nRCPT TO:<r0@y>\r\nDATA\r\n"));
    if (exts & EXT_CHUNKING)
        buf_put(&p->want, buf_span(&p->body));
    else
        mended(buf_span(&p->body), &p->want);
    p->envelope.body_kind = exts & EXT_CHUNKING ? BODY_BINARYMIME : BODY_7BIT;
    p->rcpt[0].addr = span_z(names[0]);
    p->rcpt_ptrs[0] = &p->rcpt[0];
    p->story.rcpts = 1;
    p->mail = (struct smtpc_mail){ &p->envelope, p->rcpt_ptrs, 1, p->body.n };
    smtpc_send(p->c, &p->mail, 0);
    run(p);
    CHECK(p->story.server_stored);
    if (!(exts & EXT_CHUNKING)) {
        CHECK_NUM(lone_dots(buf_span(&p->wire)), 1);
        CHECK_NUM(bare(buf_span(&p->wire)), 0);
    }
    pair_free(p);
}

TEST(t11_smuggling_out)
{
    static const struct span ends[] = {
        SPAN(""),         SPAN("\r"), SPAN("\n"),   SPAN("\r\n"), SPAN("\n\r"),      SPAN("\r\r\n"),
        SPAN("\r\n\r\n"), SPAN("\0"), SPAN("\r\0"), SPAN("\n\n"), SPAN("\r\n.\r\n"), SPAN("\n.\n"),
    };
    for (size_t i = 0; i < COUNTOF(ends); i++)
        for (size_t j = 0; j < COUNTOF(ends); j++) {
            t11_one(ends[i], ends[j], EXT_PIPELINING);
            t11_one(ends[i], ends[j],
                    EXT_PIPELINING | EXT_CHUNKING | EXT_BINARYMIME | EXT_8BITMIME);
        }
}
