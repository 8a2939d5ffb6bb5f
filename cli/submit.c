#include "cli/submit.h"

#include "io/conn.h"

struct submit {
    const struct submit_ask *ask;
    struct loop *loop;
    struct conn *conn;
    struct smtpc *smtpc;
    struct envelope envelope;
    struct rcpt rcpt;
    const struct rcpt *rcpts[1];
    struct smtpc_mail mail;
    size_t given;    /* of the message */
    enum err result; /* ERR_AGAIN: not known yet */
    struct why *why;
};

/* The first word counts: what breaks behind it changes nothing. */
static void say(struct submit *s, enum err e, const char *fmt, struct span words)
{
    if (s->result == ERR_AGAIN) {
        s->result = e;
        why_set(s->why, "%s%.*s", fmt, SPAN_ARG(words));
    }
}

static void say_reply(struct submit *s, const struct reply *r)
{
    struct buf text;
    buf_init(&text, 2 * (size_t)REPLY_TEXT_MAX);
    reply_print(r, &text);
    say(s, ERR_REFUSED, "the gateway does not take it: ", buf_span(&text));
    buf_done(&text);
}

static void over(struct submit *s)
{
    smtpc_free(s->smtpc);
    s->smtpc = NULL;
    conn_free(s->conn);
    s->conn = NULL;
    say(s, ERR_IO, "the gateway hung up", SPAN(""));
    loop_stop(s->loop);
}

static void quit(struct submit *s)
{
    smtpc_quit(s->smtpc, loop_now_ms(s->loop));
}

static void on_ready(struct submit *s)
{
    struct reply no;
    if (s->result != ERR_AGAIN)
        return;
    if (smtpc_fits(s->smtpc, &s->mail, &no) == ERR_OK) {
        smtpc_send(s->smtpc, &s->mail, loop_now_ms(s->loop));
        return;
    }
    say_reply(s, &no);
    quit(s);
}

static void give_body(struct submit *s)
{
    size_t room;
    while (s->given < s->ask->message.n && (room = smtpc_body_room(s->smtpc)) > 0) {
        struct span left = span_tail(s->ask->message, s->given);
        struct span piece = span_head(left, left.n < room ? left.n : room);
        s->given += piece.n;
        smtpc_body(s->smtpc, piece, loop_now_ms(s->loop));
    }
}

static void on_sent(struct submit *s, const struct reply *r)
{
    if (reply_ok(r) && s->result == ERR_AGAIN)
        s->result = ERR_OK;
    else
        say_reply(s, r);
    quit(s);
}

static void on_event(struct submit *s, enum smtpc_event e, const struct smtpc_ev *ev)
{
    switch (e) {
    case SMTPC_READY:
        on_ready(s);
        return;
    case SMTPC_BODY:
        give_body(s);
        return;
    case SMTPC_RCPT:
        if (!reply_ok(&ev->reply))
            say_reply(s, &ev->reply);
        return;
    case SMTPC_SENT:
        on_sent(s, &ev->reply);
        return;
    case SMTPC_FAILED:
        if (ev->reply.code > 0)
            say_reply(s, &ev->reply);
        else
            say(s, ERR_IO, "the gateway: ", span_z(ev->why));
        over(s);
        return;
    case SMTPC_CLOSED:
        over(s);
        return;
    default:
        ASSERT(!"an event of TLS or LMTP, and there is neither");
    }
}

static void pump(struct submit *s, struct span *in)
{
    struct smtpc_ev ev;
    enum smtpc_event e;
    while (s->smtpc && (e = smtpc_next(s->smtpc, in, loop_now_ms(s->loop), &ev)) != SMTPC_NONE)
        on_event(s, e, &ev);
    if (!s->smtpc)
        return;
    struct span out = smtpc_output(s->smtpc);
    if (out.n > 0)
        smtpc_sent(s->smtpc, conn_write(s->conn, out));
}

static void on_gone(struct submit *s, const char *why)
{
    struct span none = SPAN_NONE;
    if (!s->smtpc) {
        say(s, ERR_IO, "the gateway cannot be reached: ", span_z(why));
        over(s);
        return;
    }
    smtpc_broken(s->smtpc, why);
    pump(s, &none);
}

static void on_conn(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct submit *s = arg;
    struct span none = SPAN_NONE;
    switch (ev) {
    case CONN_OPEN:
        s->smtpc = smtpc_new(&s->ask->smtp, loop_now_ms(s->loop));
        pump(s, &none);
        return;
    case CONN_INPUT:
        pump(s, in);
        return;
    case CONN_DRAINED:
        pump(s, &none);
        return;
    case CONN_TIMEOUT:
        on_gone(s, "no answer in time");
        return;
    case CONN_CLOSED:
        on_gone(s, conn_why(c));
        return;
    default:
        ASSERT(!"no TLS was asked for");
    }
}

enum err submit(const struct submit_ask *ask, struct why *why)
{
    struct submit *s = NEW(struct submit);
    s->ask = ask;
    s->why = why;
    s->result = ERR_AGAIN;
    s->rcpt = (struct rcpt){ .addr = ask->rcpt, .domain = ask->domain, .notify = NOTIFY_NEVER };
    s->rcpts[0] = &s->rcpt;
    s->envelope = (struct envelope){ .from = ask->from,
                                     .size = ask->message.n,
                                     .body_kind = BODY_7BIT,
                                     .rcpt = &s->rcpt,
                                     .n_rcpt = 1 };
    s->mail = (struct smtpc_mail){ &s->envelope, s->rcpts, 1, ask->message.n };
    s->loop = loop_new();
    s->conn = conn_connect(s->loop, &ask->to, 1, NULL, on_conn, s);
    conn_deadline(s->conn, loop_now_ms(s->loop) + ask->timeout_ms);
    loop_run(s->loop);
    enum err e = s->result;
    loop_free(s->loop);
    mem_free(s);
    return e;
}
