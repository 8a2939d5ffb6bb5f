/* session.c - start at session_run; what follows each reply stands in session_advance. */
#include "bench/lib/session.h"

#include "bench/lib/clock.h"

enum { REPLY_BYTES_MAX = 8 * 1024, REPLY_CODE_BYTES = 3, ADDRESS_BYTES_MAX = 128 };

/* The reply that lets a stage go on. 0: no reply belongs to the stage. */
static const struct {
    const char *name;
    unsigned code;
} STAGES[] = {
    [STAGE_CLOSED] = { "connect", 0 },  [STAGE_GREETING] = { "greeting", 220 },
    [STAGE_EHLO] = { "ehlo", 250 },     [STAGE_STARTTLS] = { "starttls", 220 },
    [STAGE_SHAKE] = { "handshake", 0 }, [STAGE_EHLO_TLS] = { "ehlo after tls", 250 },
    [STAGE_READY] = { "ready", 0 },     [STAGE_MAIL] = { "mail", 250 },
    [STAGE_RCPT] = { "rcpt", 250 },     [STAGE_DATA] = { "data", 354 },
    [STAGE_BODY] = { "body", 250 },     [STAGE_QUIT] = { "quit", 221 },
    [STAGE_HELD] = { "held", 0 },
};
STATIC_ASSERT(COUNTOF(STAGES) == STAGE_COUNT_);

void session_init(struct session *s, struct plan *plan)
{
    *s = (struct session){ .plan = plan };
    wire_init(&s->wire);
    s->wire.keep_ticket = plan->resume;
    buf_init(&s->in, REPLY_BYTES_MAX);
    buf_init(&s->rcpt, ADDRESS_BYTES_MAX);
    list_init(&s->link);
    list_push(&plan->waiting, &s->link);
}

void session_done(struct session *s)
{
    if (!s)
        return;
    list_remove(&s->link);
    wire_done(&s->wire);
    buf_done(&s->in);
    buf_done(&s->rcpt);
}

/* Between opening and being ready or closed a session counts as opening. */
static bool stage_opening(enum stage stage)
{
    return stage >= STAGE_GREETING && stage <= STAGE_EHLO_TLS;
}

static void session_move(struct session *s, enum stage to)
{
    struct plan *p = s->plan;
    if (stage_opening(s->stage) && !stage_opening(to))
        p->n_opening--;
    if (!stage_opening(s->stage) && stage_opening(to))
        p->n_opening++;
    if (s->stage == STAGE_HELD)
        p->n_held--;
    if (to == STAGE_HELD)
        p->n_held++;
    s->stage = to;
}

static void session_close(struct session *s)
{
    wire_close(&s->wire);
    buf_clear(&s->in);
    session_move(s, STAGE_CLOSED);
    list_remove(&s->link);
    if (!s->plan->idle)
        list_push(&s->plan->waiting, &s->link);
}

/* The message in hand, or the idle connection that was to be, is lost. */
static void session_fail(struct session *s, const char *reply)
{
    if (s->has_message || s->plan->idle)
        plan_failed(s->plan, STAGES[s->stage].name, reply);
    s->has_message = false;
    session_close(s);
}

static void session_open(struct session *s, int64_t now_ns)
{
    ASSERT(s->stage == STAGE_CLOSED);
    s->can_tls = s->can_pipeline = false;
    s->n_sent = 0;
    s->opened_ns = now_ns;
    s->plan->n_connections++;
    if (wire_open(&s->wire, &s->plan->to) != ERR_OK ||
        wire_watch(&s->wire, s->plan->epoll_fd, s) != ERR_OK) {
        session_fail(s, "cannot connect");
        return;
    }
    session_move(s, STAGE_GREETING);
}

/* --- what is said */

static void say_ehlo(struct session *s, enum stage next)
{
    buf_putf(&s->wire.out, "EHLO %s\r\n", s->plan->helo);
    session_move(s, next);
}

static void say_mail(struct session *s)
{
    struct plan *p = s->plan;
    draft_rcpt(p->rcpt, s->seq, p->n_domains, &s->rcpt);
    s->start_ns = s->n_sent == 0 ? s->opened_ns : mono_ns();
    buf_putf(&s->wire.out, "MAIL FROM:<%s>\r\n", p->from);
    if (p->pipelining && s->can_pipeline)
        buf_putf(&s->wire.out, "RCPT TO:<%.*s>\r\nDATA\r\n", SPAN_ARG(buf_span(&s->rcpt)));
    session_move(s, STAGE_MAIL);
}

static void say_body(struct session *s)
{
    struct plan *p = s->plan;
    struct draft_head h = { .seq = s->seq,
                            .from = span_z(p->from),
                            .rcpt = buf_span(&s->rcpt),
                            .start_ns = s->start_ns,
                            .wall_ms = wall_ms() };
    draft_header(&p->draft, &h, &s->wire.out);
    s->wire.rest = buf_span(&p->draft.text);
    session_move(s, STAGE_BODY);
}

/* The connection is open and has nothing in hand: a message, a wait, or the end. */
static void session_ready(struct session *s, int64_t now_ns)
{
    struct plan *p = s->plan;
    if (p->idle) {
        buf_release(&s->in);
        buf_release(&s->wire.out);
        session_move(s, STAGE_HELD);
        return;
    }
    session_move(s, STAGE_READY);
    enum err got = s->n_sent == p->n_per_connection ? ERR_NOT_FOUND : ERR_OK;
    if (got == ERR_OK && !s->has_message)
        got = plan_claim(p, now_ns, &s->seq);
    if (got == ERR_OK) {
        s->has_message = true;
        say_mail(s);
        return;
    }
    if (got == ERR_AGAIN) {
        list_push_front(&p->waiting, &s->link);
        return;
    }
    buf_put(&s->wire.out, SPAN("QUIT\r\n"));
    session_move(s, STAGE_QUIT);
}

/* --- what is heard */

static void session_delivered(struct session *s)
{
    int64_t now_ns = mono_ns();
    plan_accepted(s->plan, s->seq, s->n_sent == 0, s->start_ns, now_ns);
    s->n_sent++;
    s->has_message = false;
    session_ready(s, now_ns);
}

/* The expected reply came. */
static void session_advance(struct session *s)
{
    struct plan *p = s->plan;
    bool ahead = p->pipelining && s->can_pipeline;
    switch (s->stage) {
    case STAGE_GREETING:
        say_ehlo(s, STAGE_EHLO);
        return;
    case STAGE_EHLO:
        if (!p->tls) {
            session_ready(s, s->opened_ns);
            return;
        }
        if (!s->can_tls) {
            session_fail(s, "STARTTLS is not offered");
            return;
        }
        buf_put(&s->wire.out, SPAN("STARTTLS\r\n"));
        session_move(s, STAGE_STARTTLS);
        return;
    case STAGE_STARTTLS:
        wire_tls(&s->wire, p->tls, false);
        session_move(s, STAGE_SHAKE);
        return;
    case STAGE_EHLO_TLS:
        session_ready(s, s->opened_ns);
        return;
    case STAGE_MAIL:
        if (!ahead)
            buf_putf(&s->wire.out, "RCPT TO:<%.*s>\r\n", SPAN_ARG(buf_span(&s->rcpt)));
        session_move(s, STAGE_RCPT);
        return;
    case STAGE_RCPT:
        if (!ahead)
            buf_put(&s->wire.out, SPAN("DATA\r\n"));
        session_move(s, STAGE_DATA);
        return;
    case STAGE_DATA:
        say_body(s);
        return;
    case STAGE_BODY:
        session_delivered(s);
        return;
    case STAGE_QUIT:
        session_close(s);
        return;
    default:
        ASSERT(false); /* no reply belongs to the other stages */
    }
}

static void hear_extension(struct session *s, struct span word)
{
    if (span_eq_nocase(word, SPAN("STARTTLS")))
        s->can_tls = true;
    if (span_eq_nocase(word, SPAN("PIPELINING")))
        s->can_pipeline = true;
}

/* One line of a reply, without its CRLF. */
static void session_line(struct session *s, struct span line)
{
    uint64_t code;
    bool last = line.n == REPLY_CODE_BYTES || (line.n > REPLY_CODE_BYTES && line.p[3] != '-');
    if (line.n < REPLY_CODE_BYTES ||
        span_u64(span_head(line, REPLY_CODE_BYTES), 999, &code) != ERR_OK) {
        session_fail(s, "a line that is no reply");
        return;
    }
    if ((s->stage == STAGE_EHLO || s->stage == STAGE_EHLO_TLS) && line.n > 4)
        hear_extension(s, span_tail(line, 4));
    if (!last)
        return;
    if (code == STAGES[s->stage].code) {
        session_advance(s);
        return;
    }
    char text[100];
    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(line));
    session_fail(s, text);
}

/* Takes whole lines off the buffer for as long as they belong to the connection as it is. */
static void session_lines(struct session *s)
{
    while (s->stage != STAGE_CLOSED && s->stage != STAGE_SHAKE) {
        struct span in = buf_span(&s->in);
        size_t end = span_find(in, '\n');
        if (end == in.n)
            return;
        char line[1024];
        size_t n = end > 0 && in.p[end - 1] == '\r' ? end - 1 : end;
        n = n < sizeof(line) ? n : sizeof(line);
        memcpy(line, in.p, n);
        buf_consume(&s->in, end + 1);
        session_line(s, span_of(line, n));
    }
    buf_clear(&s->in);
}

/* --- moving bytes */

/* ERR_OK when the handshake is through and EHLO waits to be sent. */
static enum err session_shake(struct session *s)
{
    enum err e = wire_shake(&s->wire);
    if (e == ERR_REFUSED)
        session_fail(s, "failed");
    TRY(e);
    s->plan->n_handshakes++;
    s->plan->n_resumed += wire_resumed(&s->wire);
    say_ehlo(s, STAGE_EHLO_TLS);
    return ERR_OK;
}

static enum err session_read(struct session *s)
{
    char *p;
    size_t n;
    if (buf_reserve(&s->in, 1024, &p) != ERR_OK) {
        session_fail(s, "too long a reply");
        return ERR_CLOSED;
    }
    enum err e = wire_read(&s->wire, p, 1024, &n);
    if (e == ERR_CLOSED && s->stage != STAGE_QUIT)
        session_fail(s, "the connection was closed");
    else if (e == ERR_CLOSED)
        session_close(s);
    TRY(e);
    buf_added(&s->in, n);
    session_lines(s);
    return ERR_OK;
}

void session_run(struct session *s)
{
    enum err moved = ERR_OK;
    while (moved == ERR_OK && s->stage != STAGE_CLOSED) {
        if (s->stage == STAGE_SHAKE && session_shake(s) != ERR_OK)
            return;
        if (s->stage != STAGE_GREETING && wire_flush(&s->wire) == ERR_CLOSED) {
            session_fail(s, "the connection was closed");
            return;
        }
        moved = session_read(s);
    }
}

void session_kick(struct session *s, int64_t now_ns)
{
    ASSERT(s->stage == STAGE_CLOSED || s->stage == STAGE_READY);
    if (s->plan->idle) {
        list_remove(&s->link);
        session_open(s, now_ns);
        return;
    }
    if (plan_claim(s->plan, now_ns, &s->seq) != ERR_OK)
        return;
    list_remove(&s->link);
    s->has_message = true;
    if (s->stage == STAGE_CLOSED) {
        session_open(s, now_ns);
        return;
    }
    session_ready(s, now_ns);
    session_run(s);
}
