/* One session, played twice: in one piece, and cut as the first bytes say. What is said, what
 * happens and what is stored must be the same; output is bounded at every step; and no body is
 * ever answered with 250 but by the story's reply after SMTPD_BODY_END. */
#include "base/when.h"
#include "proto/smtpd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { OUT_STEP_MAX = 20000, LOG_MAX = 64 << 20 };

struct run {
    struct smtpd *s;
    struct buf out, events, body, stored;
    char sender_first;
    bool in_body, closed, no_tls;
    unsigned n_stored;
};

static const struct smtpd_limits limits = {
    .message_bytes = 300,
    .text_line_bytes = 80,
    .command_bytes = 100,
    .rcpts = 2,
    .errors = 6,
    .commands_idle = 12,
    .messages = 4,
    .greeting_wait_ms = MINUTE_MS,
    .command_ms = MINUTE_MS,
    .data_ms = MINUTE_MS,
    .body_total_ms = MINUTE_MS,
    .handshake_ms = MINUTE_MS,
    .session_ms = HOUR_MS,
};

/* Takes the output. While a body is on its way the only yeses are those to chunks, NOOP and RSET.
 */
static void run_drain(struct run *r, bool by_reply)
{
    struct span out = smtpd_output(r->s), left = out;
    ASSERT(out.n < OUT_STEP_MAX);
    while (r->in_body && !by_reply && left.n > 0) {
        struct span line = span_cut(&left, '\n');
        ASSERT(!span_starts(line, SPAN("250")) || span_eq(line, SPAN("250 2.0.0 chunk taken\r")) ||
               span_eq(line, SPAN("250 2.0.0 well\r")) ||
               span_eq(line, SPAN("250 2.0.0 forgotten\r")));
    }
    buf_put(&r->out, out);
    smtpd_sent(r->s, out.n);
}

static struct reply run_path(struct span addr, struct reply yes)
{
    char c = addr.n > 0 ? addr.p[0] : 'y';
    return c == 'n'   ? REPLY(550, 5, 1, 1, "no")
           : c == 'l' ? REPLY(451, 4, 7, 1, "later")
           : c == 'b' ? REPLY(421, 4, 3, 2, "bye")
                      : yes;
}

static struct reply run_decide(struct run *r, enum smtpd_event e, const struct smtpd_ev *ev)
{
    switch (e) {
    case SMTPD_HELO:
        return REPLY(250, 0, 0, 0, "hello");
    case SMTPD_STARTTLS:
        return r->no_tls ? REPLY(454, 4, 7, 0, "not now") : REPLY(220, 2, 0, 0, "go");
    case SMTPD_MAIL:
        r->sender_first = ev->addr.text.n > 0 ? ev->addr.text.p[0] : 'y';
        return run_path(ev->addr.text, REPLY(250, 2, 1, 0, "ok"));
    case SMTPD_RCPT:
        ASSERT(ev->addr.text.n > 0);
        return run_path(ev->addr.text, REPLY(250, 2, 1, 5, "ok"));
    case SMTPD_DATA:
        buf_clear(&r->body);
        r->in_body = r->sender_first != 'd';
        return r->in_body ? REPLY(354, 0, 0, 0, "go on") : REPLY(554, 5, 7, 0, "no data");
    default:
        ASSERT(e == SMTPD_BODY_END && r->in_body);
        ASSERT(r->body.n <= limits.message_bytes);
        r->in_body = false;
        if (r->sender_first == 'e')
            return REPLY(451, 4, 3, 0, "disk");
        buf_put(&r->stored, buf_span(&r->body));
        buf_put(&r->stored, SPAN("|"));
        r->n_stored++;
        return REPLY(250, 2, 0, 0, "stored");
    }
}

static void run_event(struct run *r, enum smtpd_event e, const struct smtpd_ev *ev)
{
    if (e == SMTPD_BODY) {
        ASSERT(ev->text.n > 0 && r->in_body);
        buf_put(&r->body, ev->text);
        return;
    }
    char letter = (char)('a' + (int)e);
    buf_put(&r->events, span_of(&letter, 1));
    if (e == SMTPD_RESET || e == SMTPD_CLOSE) {
        ASSERT(e == SMTPD_RESET || !r->closed);
        ASSERT(e == SMTPD_RESET || !r->in_body);
        r->in_body = false;
        r->closed |= e == SMTPD_CLOSE;
        letter = (char)('a' + (int)ev->why);
        buf_put(&r->events, span_of(&letter, 1));
        return;
    }
    ASSERT(!r->closed && smtpd_waiting(r->s));
    struct reply reply = run_decide(r, e, ev);
    smtpd_reply(r->s, &reply, 0);
    run_drain(r, true);
}

static void run_feed(struct run *r, struct span in)
{
    struct smtpd_ev ev;
    char *copy = mem_alloc(in.n);
    if (in.n > 0)
        memcpy(copy, in.p, in.n);
    in.p = copy;
    for (bool more = true; more;) {
        enum smtpd_event e = smtpd_next(r->s, &in, 0, &ev);
        more = e != SMTPD_NONE || smtpd_output(r->s).n > 0;
        run_drain(r, false);
        if (e != SMTPD_NONE)
            run_event(r, e, &ev);
    }
    ASSERT(in.n == 0);
    ASSERT(smtpd_deadline_ms(r->s) > 0);
    mem_free(copy);
}

static void run_init(struct run *r, const struct smtpd_config *config, bool no_tls)
{
    struct reply hello = REPLY(220, 0, 0, 0, "hello");
    *r = (struct run){ .no_tls = no_tls };
    buf_init(&r->out, LOG_MAX);
    buf_init(&r->events, LOG_MAX);
    buf_init(&r->body, LOG_MAX);
    buf_init(&r->stored, LOG_MAX);
    r->s = smtpd_new(config, 0);
    smtpd_greet(r->s, &hello, 0);
}

static void run_done(struct run *r)
{
    smtpd_free(r->s);
    buf_done(&r->out);
    buf_done(&r->events);
    buf_done(&r->body);
    buf_done(&r->stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct smtpd_config config = { .hostname = SPAN("mx"), .limits = limits };
    config.exts = data[0] & 1 ? 0x3ff : 0x3ff & ~(unsigned)(EXT_STARTTLS | EXT_CHUNKING);
    config.implicit_tls = data[0] & 2;
    size_t step = (size_t)data[1] % 16 + 1;
    struct span in = span_of((const char *)data + 2, n - 2);

    struct run whole, cut;
    run_init(&whole, &config, data[0] & 4);
    run_init(&cut, &config, data[0] & 4);
    run_feed(&whole, in);
    for (size_t i = 0; i < in.n; i += step)
        run_feed(&cut, span_of(in.p + i, step < in.n - i ? step : in.n - i));
    run_feed(&cut, SPAN_NONE);

    ASSERT(span_eq(buf_span(&whole.out), buf_span(&cut.out)));
    ASSERT(span_eq(buf_span(&whole.events), buf_span(&cut.events)));
    ASSERT(span_eq(buf_span(&whole.stored), buf_span(&cut.stored)));
    unsigned said = 0;
    for (struct span left = buf_span(&whole.out); left.n > 0;)
        said += span_eq(span_cut(&left, '\n'), config.exts & EXT_ENHANCEDSTATUSCODES
                                                   ? SPAN("250 2.0.0 stored\r")
                                                   : SPAN("250 stored\r"));
    ASSERT(said == whole.n_stored);
    run_done(&whole);
    run_done(&cut);
    return 0;
}
