#include "test/unit/proto/play_smtpd.h"
#include "base/when.h"

enum { PLAY_BYTES_MAX = 64 << 20 };

const struct smtpd_config play_config = {
    .hostname = { "mx.example", 10 },
    .exts = EXT_PIPELINING | EXT_SIZE | EXT_8BITMIME | EXT_SMTPUTF8 | EXT_ENHANCEDSTATUSCODES |
            EXT_CHUNKING | EXT_BINARYMIME | EXT_DSN | EXT_STARTTLS | EXT_REQUIRETLS,
    .limits = { .message_bytes = 1000,
                .text_line_bytes = 100,
                .command_bytes = 200,
                .rcpts = 3,
                .errors = 5,
                .commands_idle = 10,
                .messages = 3,
                .greeting_wait_ms = 60 * SECOND_MS,
                .command_ms = 5 * MINUTE_MS,
                .data_ms = 3 * MINUTE_MS,
                .body_total_ms = 10 * MINUTE_MS,
                .handshake_ms = 30 * SECOND_MS,
                .session_ms = HOUR_MS },
};

static void play_pump(struct play *p, struct span *in);

/* The session's output becomes ours. */
static void play_flush(struct play *p)
{
    struct span out = smtpd_output(p->smtpd);
    buf_put(&p->out, out);
    smtpd_sent(p->smtpd, out.n);
}

void play_init(struct play *p, const struct smtpd_config *config)
{
    *p = (struct play){ .config = config ? *config : play_config, .now_ms = 1000 };
    buf_init(&p->out, PLAY_BYTES_MAX);
    buf_init(&p->events, PLAY_BYTES_MAX);
    buf_init(&p->body, PLAY_BYTES_MAX);
    buf_init(&p->messages, PLAY_BYTES_MAX);
    p->smtpd = smtpd_new(&p->config, p->now_ms);
    if (p->config.implicit_tls)
        play_tls(p);
    struct reply hello = { 220, { 0 }, SPAN("mx.example ESMTP") };
    smtpd_greet(p->smtpd, &hello, p->now_ms);
    play_flush(p);
    buf_clear(&p->out);
}

void play_done(struct play *p)
{
    smtpd_free(p->smtpd);
    buf_done(&p->out);
    buf_done(&p->events);
    buf_done(&p->body);
    buf_done(&p->messages);
}

static struct reply play_path_reply(struct span addr, struct reply yes)
{
    if (span_starts(addr, SPAN("bye")))
        return REPLY(421, 4, 3, 0, "going away");
    if (span_starts(addr, SPAN("later")))
        return REPLY(451, 4, 7, 1, "later");
    if (span_starts(addr, SPAN("no@")))
        return REPLY(550, 5, 1, 1, "no");
    return yes;
}

/* What the story answers. */
static struct reply play_decide(struct play *p, enum smtpd_event e, const struct smtpd_ev *ev)
{
    switch (e) {
    case SMTPD_HELO:
        return REPLY(250, 0, 0, 0, "mx.example greets you");
    case SMTPD_STARTTLS:
        return REPLY(220, 2, 0, 0, "go ahead");
    case SMTPD_MAIL:
        p->no_data = span_starts(ev->addr.text, SPAN("nodata"));
        p->no_end = span_starts(ev->addr.text, SPAN("noend"));
        return play_path_reply(ev->addr.text, REPLY(250, 2, 1, 0, "sender ok"));
    case SMTPD_RCPT:
        p->slow = span_starts(ev->addr.text, SPAN("slow"));
        return play_path_reply(ev->addr.text, REPLY(250, 2, 1, 5, "recipient ok"));
    case SMTPD_DATA:
        buf_clear(&p->body);
        return p->no_data ? REPLY(554, 5, 7, 0, "no data") : REPLY(354, 0, 0, 0, "go on");
    default:
        ASSERT(e == SMTPD_BODY_END);
        if (p->no_end)
            return REPLY(554, 5, 7, 1, "not this");
        buf_put(&p->messages, buf_span(&p->body));
        buf_put(&p->messages, SPAN("|"));
        return REPLY(250, 2, 0, 0, "stored");
    }
}

static void play_event(struct play *p, enum smtpd_event e, const struct smtpd_ev *ev)
{
    static const char letters[] = {
        [SMTPD_HELO] = 'H', [SMTPD_STARTTLS] = 'T', [SMTPD_MAIL] = 'M',  [SMTPD_RCPT] = 'R',
        [SMTPD_DATA] = 'D', [SMTPD_BODY_END] = 'E', [SMTPD_RESET] = 'x', [SMTPD_CLOSE] = 'C',
    };
    if (e == SMTPD_BODY) {
        ASSERT(ev->text.n > 0);
        buf_put(&p->body, ev->text);
        return;
    }
    buf_put(&p->events, span_of(&letters[e], 1));
    if (e == SMTPD_CLOSE) {
        ASSERT(!p->closed);
        p->closed = true;
        p->why = ev->why;
    }
    if (e == SMTPD_RESET || e == SMTPD_CLOSE) {
        ASSERT(!smtpd_waiting(p->smtpd));
        return;
    }
    ASSERT(smtpd_waiting(p->smtpd));
    struct reply r = play_decide(p, e, ev);
    if (p->slow)
        p->answer = r;
    else
        smtpd_reply(p->smtpd, &r, p->now_ms);
}

static void play_pump(struct play *p, struct span *in)
{
    struct smtpd_ev ev;
    for (;;) {
        enum smtpd_event e = smtpd_next(p->smtpd, in, p->now_ms, &ev);
        if (e != SMTPD_NONE) {
            play_event(p, e, &ev);
            continue;
        }
        bool full = smtpd_output(p->smtpd).n > 0;
        if (p->hold_out || !full)
            return;
        play_flush(p);
    }
}

void play_feed(struct play *p, struct span bytes, size_t step)
{
    while (bytes.n > 0) {
        struct span in = span_head(bytes, step == 0 || step > bytes.n ? bytes.n : step);
        bytes = span_tail(bytes, in.n);
        /* a copy of its own, so that a look beyond its ends, or later, is found */
        char *copy = mem_alloc(in.n);
        memcpy(copy, in.p, in.n);
        in.p = copy;
        play_pump(p, &in);
        ASSERT(in.n == 0 || p->hold_out);
        mem_free(copy);
    }
    if (p->smtpd)
        play_pump(p, &(struct span){ 0 });
}

void play_answer(struct play *p, struct span pending)
{
    ASSERT(p->slow);
    p->slow = false;
    smtpd_reply(p->smtpd, &p->answer, p->now_ms);
    play_pump(p, &pending);
}

void play_tls(struct play *p)
{
    struct tls_facts tls = { .on = true };
    smtpd_tls_started(p->smtpd, &tls, p->now_ms);
}

void play_wait(struct play *p, int64_t ms)
{
    p->now_ms += ms;
    if (p->now_ms >= smtpd_deadline_ms(p->smtpd))
        smtpd_timeout(p->smtpd, p->now_ms);
    play_pump(p, &(struct span){ 0 });
}
