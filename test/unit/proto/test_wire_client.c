/* test_wire_client.c - plays the transcripts test/wire/client_*.wire to the client core: each in
 * one piece, then with the server's bytes cut at every place, then byte by byte.
 *
 * The language, a line each:
 *
 *     # ...            a comment; blank lines are passed over
 *     == NAME          a new case and session; words after `:` are options:
 *                      lmtp need_tls implicit_tls
 *     S: TEXT          the server says TEXT and CRLF
 *     S= TEXT          the server says TEXT, no line end
 *     S# N C           the server says N times the byte C
 *     C: TEXT          the client said exactly TEXT and CRLF; all it said must be accounted for
 *                      before the server speaks again, and at the end
 *     C? TEXT          it said so, or not: depends on where the bytes were cut
 *     C# N             the client said N more bytes, of whatever kind
 *     = EVENT          the event came, in this order; all that came must be accounted for
 *     =? EVENT         it came, or not: depends on where the bytes were cut
 *     > send FROM to=RCPT,.. body=TEXT|N*C [8bit|8bitmime|binary|utf8|requiretls|ret=hdrs|ret=full|
 *            envid=X|notify=N|orcpt=X]
 *     > starttls | tls [held] | quit | timeout | close WORDS
 *                      tls held: what the server says next came with its last flight
 *
 * In texts \r \n \\ \s (blank) and \xHH are bytes. Events are written as in `describe` below.
 * The body is given whenever the core asks, in pieces of 1, 2, 3 .. bytes.
 */
#include "proto/smtpc.h"
#include "test/test.h"
#include <stdlib.h>

enum { RCPTS = 8, CUT_NONE = -1, CUT_ALL = -2, PLAIN_MAX = 1 << 20 };

struct play {
    struct smtpc *c;
    struct smtpc_config config;
    int64_t now_ms;
    long cut, fed; /* where the server's bytes are cut; how many were fed */
    bool tls;
    struct buf server, client, events;
    struct buf text; /* of the mail: body */
    struct envelope envelope;
    struct rcpt rcpts[RCPTS];
    const struct rcpt *rcpt_ptrs[RCPTS];
    struct smtpc_mail mail;
    size_t given;
    size_t piece;
};

static const struct smtpc_limits limits = { 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000 };

static void unescape(struct span s, struct buf *out)
{
    while (s.n > 0) {
        char c = s.p[0];
        s = span_tail(s, 1);
        if (c == '\\') {
            CHECK(s.n > 0);
            char e = s.p[0];
            s = span_tail(s, 1);
            c = e == 'r' ? '\r' : e == 'n' ? '\n' : e == 's' ? ' ' : e;
            if (e == 'x') {
                CHECK(s.n >= 2);
                char hex[3] = { s.p[0], s.p[1], 0 };
                c = (char)strtoul(hex, NULL, 16);
                s = span_tail(s, 2);
            }
        }
        buf_put(out, span_of(&c, 1));
    }
}

static unsigned long number(struct span s)
{
    uint64_t n = 0;
    CHECK(span_u64(s, PLAIN_MAX, &n) == ERR_OK);
    return (unsigned long)n;
}

/* --- the session */

static void describe(struct buf *out, enum smtpc_event ev, const struct smtpc_ev *d)
{
    int code = d->reply.code;
    switch (ev) {
    case SMTPC_READY:
        buf_putf(out, "READY\n");
        return;
    case SMTPC_STARTTLS:
        buf_putf(out, "STARTTLS\n");
        return;
    case SMTPC_NO_TLS:
        buf_putf(out, "NO_TLS %d\n", code);
        return;
    case SMTPC_RCPT:
        buf_putf(out, "RCPT %u %d\n", d->i, code);
        return;
    case SMTPC_RESULT:
        buf_putf(out, "RESULT %u %d\n", d->i, code);
        return;
    case SMTPC_SENT:
        buf_putf(out, "SENT %d%s\n", code, d->whole_transaction ? " whole" : "");
        return;
    case SMTPC_CLOSED:
        buf_putf(out, "CLOSED\n");
        return;
    case SMTPC_FAILED:
        CHECK(d->why != NULL);
        if (code != 0)
            buf_putf(out, "FAILED %d", code);
        else
            buf_putf(out, "FAILED %s", d->why);
        buf_putf(out, "%s\n", d->unknown ? ", unknown" : "");
        return;
    case SMTPC_NONE:
    case SMTPC_BODY:
        break;
    }
    test_fail(__FILE__, __LINE__, "event %d has no description", (int)ev);
}

static void give_body(struct play *p)
{
    struct span body = buf_span(&p->text);
    for (size_t room = smtpc_body_room(p->c); room > 0; room = smtpc_body_room(p->c)) {
        struct span piece = span_tail(body, p->given);
        CHECK(piece.n > 0);
        size_t n = room < p->piece ? room : p->piece;
        piece = span_head(piece, n < piece.n ? n : piece.n);
        p->given += piece.n;
        p->piece = p->piece < 5000 ? p->piece + 1 : 1;
        smtpc_body(p->c, piece, p->now_ms);
    }
}

/* All that the client has to say; with need_tls never a MAIL in clear (T-04). */
static bool drain(struct play *p)
{
    struct span out = smtpc_output(p->c);
    if (out.n == 0)
        return false;
    CHECK(out.n < 300 * 1024);
    buf_put(&p->client, out);
    smtpc_sent(p->c, out.n);
    struct span said = buf_span(&p->client);
    if (p->config.need_tls && !p->tls)
        CHECK(memmem(said.p, said.n, "MAIL", 4) == NULL);
    return true;
}

static void pump(struct play *p, struct span in)
{
    bool more = true;
    while (more) {
        struct smtpc_ev d;
        enum smtpc_event ev = smtpc_next(p->c, &in, p->now_ms, &d);
        more = ev != SMTPC_NONE;
        if (ev == SMTPC_BODY)
            give_body(p);
        else if (ev == SMTPC_FAILED || ev == SMTPC_CLOSED)
            in = SPAN_NONE;
        if (more && ev != SMTPC_BODY)
            describe(&p->events, ev, &d);
        more = drain(p) || more;
    }
    CHECK_NUM(in.n, 0);
}

/* Feeds what the server said since the last time, cut as this run asks. */
static void feed(struct play *p)
{
    struct span s = buf_span(&p->server);
    while (s.n > 0) {
        size_t n = s.n;
        if (p->cut == CUT_ALL)
            n = 1;
        else if (p->cut > p->fed && (size_t)(p->cut - p->fed) < n)
            n = (size_t)(p->cut - p->fed);
        /* a copy of the exact size, so that reading behind it is seen */
        char *copy = mem_alloc(n);
        memcpy(copy, s.p, n);
        pump(p, span_of(copy, n));
        mem_free(copy);
        p->fed += (long)n;
        s = span_tail(s, n);
    }
    buf_clear(&p->server);
}

/* --- actions */

static void set_body(struct play *p, struct span value)
{
    buf_clear(&p->text);
    size_t star = span_find(value, '*');
    if (star == value.n) {
        unescape(value, &p->text);
        return;
    }
    for (unsigned long n = number(span_head(value, star)); n > 0; n--)
        buf_put(&p->text, span_of(value.p + star + 1, 1));
}

static void set_rcpts(struct play *p, struct span list)
{
    p->mail.n_rcpt = 0;
    while (list.n > 0) {
        CHECK(p->mail.n_rcpt < RCPTS);
        p->rcpts[p->mail.n_rcpt++] = (struct rcpt){ .addr = span_cut(&list, ',') };
    }
}

static void set_option(struct play *p, struct span word)
{
    struct span value = word;
    struct span name = span_cut(&value, '=');
    struct envelope *e = &p->envelope;
    if (span_eq(name, SPAN("to")))
        set_rcpts(p, value);
    else if (span_eq(name, SPAN("body")))
        set_body(p, value);
    else if (span_eq(name, SPAN("envid")))
        e->envid = value;
    else if (span_eq(name, SPAN("ret")))
        e->ret = span_eq(value, SPAN("hdrs")) ? DSN_RET_HDRS : DSN_RET_FULL;
    else if (span_eq(name, SPAN("notify")))
        p->rcpts[0].notify = (unsigned)number(value);
    else if (span_eq(name, SPAN("orcpt")))
        p->rcpts[0].orcpt = value;
    else if (span_eq(name, SPAN("8bit")))
        e->eight_bit = true;
    else if (span_eq(name, SPAN("8bitmime")))
        e->body_kind = BODY_8BITMIME;
    else if (span_eq(name, SPAN("binary")))
        e->body_kind = BODY_BINARYMIME;
    else if (span_eq(name, SPAN("utf8")))
        e->smtputf8 = true;
    else if (span_eq(name, SPAN("requiretls")))
        e->requiretls = true;
    else
        test_span_eq(__FILE__, __LINE__, word, SPAN("an option of send"));
}

static void act_send(struct play *p, struct span words)
{
    p->envelope = (struct envelope){ .from = span_cut(&words, ' ') };
    if (span_eq(p->envelope.from, SPAN("<>")))
        p->envelope.from = SPAN_NONE;
    while (words.n > 0)
        set_option(p, span_cut(&words, ' '));
    for (unsigned i = 0; i < p->mail.n_rcpt; i++)
        p->rcpt_ptrs[i] = &p->rcpts[i];
    p->mail.envelope = &p->envelope;
    p->mail.rcpt = p->rcpt_ptrs;
    p->mail.body_bytes = p->text.n;
    p->given = 0;
    p->piece = 1;
    struct reply no;
    CHECK(smtpc_fits(p->c, &p->mail, &no) == ERR_OK);
    CHECK(smtpc_ready(p->c));
    smtpc_send(p->c, &p->mail, p->now_ms);
}

static void act(struct play *p, struct span words)
{
    static const struct tls_facts tls = { .on = true };
    static char why[64];
    struct span verb = span_cut(&words, ' ');

    if (span_eq(verb, SPAN("send"))) {
        act_send(p, words);
    } else if (span_eq(verb, SPAN("starttls"))) {
        smtpc_starttls(p->c, p->now_ms);
    } else if (span_eq(verb, SPAN("tls"))) {
        p->tls = true;
        smtpc_tls_started(p->c, &tls, p->now_ms);
        if (span_eq(words, SPAN("held")))
            return;
    } else if (span_eq(verb, SPAN("quit"))) {
        smtpc_quit(p->c, p->now_ms);
    } else if (span_eq(verb, SPAN("timeout"))) {
        CHECK(smtpc_deadline_ms(p->c) < INT64_MAX);
        p->now_ms = smtpc_deadline_ms(p->c);
        smtpc_timeout(p->c, p->now_ms);
    } else {
        CHECK(span_eq(verb, SPAN("close")) && words.n < sizeof why);
        memcpy(why, words.p, words.n);
        why[words.n] = 0;
        smtpc_broken(p->c, why);
    }
    pump(p, SPAN_NONE);
}

/* --- expectations */

static void expect_event(struct play *p, struct span want, bool must)
{
    struct span got = buf_span(&p->events);
    struct span first = span_cut(&got, '\n');
    if (!must && !span_eq(first, want))
        return;
    CHECK_SPAN(first, want);
    buf_consume(&p->events, first.n + 1);
}

static void expect_client(struct play *p, struct span text, bool must)
{
    struct buf want;
    buf_init(&want, PLAIN_MAX);
    unescape(text, &want);
    buf_put(&want, SPAN("\r\n"));
    struct span got = buf_span(&p->client);
    size_t n = got.n < want.n ? got.n : want.n;
    bool same = span_eq(span_head(got, n), buf_span(&want));
    buf_done(&want);
    if (!same && !must)
        return;
    if (!same)
        CHECK_SPAN(span_cut(&got, '\n'), text);
    buf_consume(&p->client, n);
}

static void nothing_left(struct play *p)
{
    CHECK_SPAN(buf_span(&p->client), SPAN(""));
    CHECK_SPAN(buf_span(&p->events), SPAN(""));
}

static void server_says(struct play *p, char kind, struct span text)
{
    if (p->server.n == 0)
        nothing_left(p);
    if (kind == '#') {
        unsigned long n = number(span_cut(&text, ' '));
        CHECK(text.n == 1);
        for (; n > 0; n--)
            buf_put(&p->server, text);
        return;
    }
    unescape(text, &p->server);
    if (kind == ':')
        buf_put(&p->server, SPAN("\r\n"));
}

/* --- a case */

static void play_line(struct play *p, struct span line)
{
    char kind = line.p[0];
    char sub = line.n > 1 ? line.p[1] : ' ';
    struct span text = span_tail(line, line.n < 2 ? line.n : 2);
    if (text.n > 0 && (text.p[0] == ' '))
        text = span_tail(text, 1);

    if (kind == 'S') {
        server_says(p, sub, text);
        return;
    }
    feed(p);
    if (kind == 'C' && sub == '#') {
        size_t n = number(text);
        CHECK(p->client.n >= n);
        buf_consume(&p->client, n);
    } else if (kind == 'C') {
        expect_client(p, text, sub != '?');
    } else if (kind == '=') {
        expect_event(p, text, sub != '?');
    } else if (kind == '>') {
        act(p, text);
    } else {
        CHECK_SPAN(line, SPAN("a line of the language"));
    }
}

static bool has_word(struct span s, struct span word)
{
    while (s.n > 0)
        if (span_eq(span_cut(&s, ' '), word))
            return true;
    return false;
}

static void clean_up(struct play *p)
{
    smtpc_free(p->c);
    p->c = NULL;
    buf_done(&p->server);
    buf_done(&p->client);
    buf_done(&p->events);
    buf_done(&p->text);
}

/* Plays one case; returns how many bytes the server said. */
static long play(struct span options, struct span lines, long cut)
{
    static struct play p; /* what a failed check leaves behind is taken by the next play */
    clean_up(&p);
    p = (struct play){
        .config = { .hostname = SPAN("gate.example"),
                    .lmtp = has_word(options, SPAN("lmtp")),
                    .need_tls = has_word(options, SPAN("need_tls")),
                    .implicit_tls = has_word(options, SPAN("implicit_tls")),
                    .limits = limits },
        .cut = cut,
        .now_ms = 1000000,
    };
    p.tls = p.config.implicit_tls;
    buf_init(&p.server, PLAIN_MAX);
    buf_init(&p.client, PLAIN_MAX);
    buf_init(&p.events, PLAIN_MAX);
    buf_init(&p.text, PLAIN_MAX);
    p.c = smtpc_new(&p.config, p.now_ms);
    while (lines.n > 0) {
        struct span line = span_cut(&lines, '\n');
        if (line.n > 0 && line.p[0] != '#')
            play_line(&p, line);
    }
    feed(&p);
    nothing_left(&p);
    long fed = p.fed;
    clean_up(&p);
    return fed;
}

static void play_case(struct span head, struct span lines)
{
    static char name[200];
    struct span options = head;
    struct span title = span_cut(&options, ':');
    CHECK(title.n < sizeof name);
    memcpy(name, title.p, title.n);
    name[title.n] = 0;
    test_case(name);

    long n = play(options, lines, CUT_NONE);
    long step = n > 3000 ? n / 300 : 1;
    for (long cut = 1; cut < n; cut += step)
        play(options, lines, cut);
    play(options, lines, CUT_ALL);
    test_case(NULL);
}

static void play_file(const char *path)
{
    struct buf b;
    test_read_file(path, &b);
    struct span s = buf_span(&b);
    unsigned n = 0;
    while (s.n > 0) {
        struct span line = span_cut(&s, '\n');
        if (!span_starts(line, SPAN("== ")))
            continue;
        const char *next = memmem(s.p, s.n, "\n== ", 4);
        size_t len = next ? (size_t)(next - s.p) + 1 : s.n;
        play_case(span_tail(line, 3), span_head(s, len));
        s = span_tail(s, len);
        n++;
    }
    buf_done(&b);
    CHECK(n > 0);
}

TEST(wire_client_mail)
{
    play_file("test/wire/client_mail.wire");
}

TEST(wire_client_refused)
{
    play_file("test/wire/client_refused.wire");
}

TEST(wire_client_tls_t02_t03_t04)
{
    play_file("test/wire/client_tls.wire");
}

TEST(wire_client_lmtp)
{
    play_file("test/wire/client_lmtp.wire");
}

TEST(wire_client_hostile)
{
    play_file("test/wire/client_hostile.wire");
}
