/* smtpc.c - what the client hears: replies, judged by a table, become events and deadlines.
 *
 * Start reading at smtpc_next. The table `waits` says for every thing that can be awaited which
 * codes are good, how long it may take, and in which words it fails; the functions hear_... stand
 * above it, one for each kind of command. What is uttered stands in smtpc_say.c.
 */
#include "proto/smtpc_say.h"

/* A reply, judged. */
struct heard {
    const struct reply *reply;
    bool ok;   /* the code that was hoped for; else 4xx or 5xx */
    bool more; /* bytes stand behind it */
};
typedef enum smtpc_event hear_fn(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret);

static void end_transaction(struct smtpc *c)
{
    mem_free(c->tx.accepted_bits);
    c->tx = (struct smtpc_tx){ .step = SMTPC_SAY_NOTHING };
}

/* The peer has all of a body and owes the answer. */
static bool outcome_unknown(const struct smtpc *c)
{
    return c->state == SMTPC_ST_MAIL && c->tx.body_ended && !c->tx.stopped && c->out.n == 0;
}

static enum smtpc_event fail(struct smtpc *c, const char *why, struct smtpc_ev *ret)
{
    ASSERT(c->state != SMTPC_ST_OVER);
    *ret = (struct smtpc_ev){ .why = why, .unknown = outcome_unknown(c) };
    end_transaction(c);
    buf_release(&c->out);
    c->n_asked = 0;
    c->state = SMTPC_ST_OVER;
    c->rearm = true;
    return SMTPC_FAILED;
}

/* The peer itself ended the session: what it said is an answer, so nothing is unknown. */
static enum smtpc_event fail_reply(struct smtpc *c, const struct reply *r, struct smtpc_ev *ret)
{
    ASSERT(r->code >= 400);
    fail(c, "the peer refused the session", ret);
    ret->unknown = false;
    ret->reply = *r;
    return SMTPC_FAILED;
}

static enum smtpc_event hang_up(struct smtpc *c)
{
    buf_release(&c->out);
    c->n_asked = 0;
    c->state = SMTPC_ST_OVER;
    c->rearm = true;
    return SMTPC_CLOSED;
}

/* --- before and between mails */

static enum smtpc_event hear_greeting(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    if (!h->ok)
        return fail_reply(c, h->reply, ret);
    smtpc_say_hello(c, SMTPC_WAIT_EHLO);
    return SMTPC_NONE;
}

static bool name_is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127)
            return false;
    return s.n <= DOMAIN_BYTES_MAX;
}

/* Reads the reply to EHLO: a name, then a keyword a line; that to HELO has no keywords. */
static void learn(struct smtpc *c, struct span text, bool esmtp)
{
    struct span first = span_cut(&text, '\n');
    struct span name = span_cut(&first, ' ');
    if (name_is_plain(name))
        buf_put(&c->peer_name, name);
    while (esmtp && text.n > 0)
        c->exts |= ext_read(span_cut(&text, '\n'), &c->size_max);
    if (c->tls)
        c->exts &= ~(unsigned)EXT_STARTTLS;
    else
        c->exts &= ~(unsigned)EXT_REQUIRETLS;
    if (!smtpc_has(c, EXT_CHUNKING))
        c->exts &= ~(unsigned)EXT_BINARYMIME;
}

static enum smtpc_event ready(struct smtpc *c)
{
    ASSERT(c->n_asked == 0);
    c->state = SMTPC_ST_IDLE;
    c->rearm = true;
    return SMTPC_READY;
}

static enum smtpc_event hear_ehlo(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    if (h->ok && c->parser.cut)
        return fail(c, "a reply to EHLO that is too long", ret); /* STARTTLS may be in the rest */
    if (h->ok) {
        learn(c, h->reply->text, true);
        return ready(c);
    }
    if (reply_transient(h->reply) || c->config.lmtp)
        return fail_reply(c, h->reply, ret);
    if (c->config.need_tls && !c->tls)
        return ready(c); /* HELO could not teach STARTTLS */
    smtpc_say_hello(c, SMTPC_WAIT_HELO);
    return SMTPC_NONE;
}

static enum smtpc_event hear_helo(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    if (!h->ok)
        return fail_reply(c, h->reply, ret);
    learn(c, h->reply->text, false);
    return ready(c);
}

static const char bytes_behind[] = "bytes behind the reply to STARTTLS";

static enum smtpc_event hear_starttls(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    if (h->more)
        return fail(c, bytes_behind, ret);
    c->rearm = true;
    if (h->ok) {
        c->state = SMTPC_ST_HANDSHAKE;
        return SMTPC_STARTTLS;
    }
    c->state = SMTPC_ST_IDLE;
    ret->reply = *h->reply;
    return SMTPC_NO_TLS;
}

/* --- a transaction */

static bool accepted(const struct smtpc_tx *t, unsigned i)
{
    return (t->accepted_bits[i / 8] >> (i % 8)) & 1;
}

/* The first accepted recipient from `i` on, or n_rcpt. */
static unsigned next_accepted(const struct smtpc_tx *t, unsigned i)
{
    while (i < t->mail->n_rcpt && !accepted(t, i))
        i++;
    return i;
}

/* The outcome is known, and the first to make it so counts: the reply is kept until all that is in
 * flight was answered, then it is for everybody whom it concerns. */
static enum smtpc_event stop(struct smtpc *c, const struct reply *r)
{
    if (c->tx.stopped)
        return SMTPC_NONE;
    c->tx.stopped = true;
    c->tx.code = r->code;
    c->tx.status = r->status;
    buf_clear(&c->kept);
    buf_put(&c->kept, r->text.n > REPLY_TEXT_MAX ? span_head(r->text, REPLY_TEXT_MAX) : r->text);
    return SMTPC_NONE;
}

static enum smtpc_event hear_rset(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    if (!h->ok)
        return fail(c, "RSET was refused", ret);
    return SMTPC_NONE;
}

static enum smtpc_event hear_mail(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    (void)ret;
    if (h->ok)
        return SMTPC_NONE;
    c->tx.mail_refused = true;
    if (c->tx.rcpt_said == 0)
        c->dirty = false;
    return stop(c, h->reply);
}

static enum smtpc_event hear_rcpt(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    struct smtpc_tx *t = &c->tx;
    unsigned i = t->rcpt_heard++;
    ASSERT(i < t->rcpt_said);

    if (t->mail_refused)
        return SMTPC_NONE;
    if (h->ok) {
        t->accepted++;
        t->accepted_bits[i / 8] = (uint8_t)(t->accepted_bits[i / 8] | 1u << (i % 8));
    }
    if (t->rcpt_heard == t->mail->n_rcpt && t->accepted == 0)
        t->stopped = true;
    ret->i = i;
    ret->reply = *h->reply;
    return SMTPC_RCPT;
}

static enum smtpc_event hear_data(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    (void)ret;
    if (!h->ok)
        return stop(c, h->reply);
    if (c->tx.stopped)
        smtpc_say_lone_dot(c);
    else
        c->tx.step = SMTPC_SAY_DOTS;
    return SMTPC_NONE;
}

static enum smtpc_event hear_chunk(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    (void)ret;
    return h->ok ? SMTPC_NONE : stop(c, h->reply);
}

/* LMTP: one reply for each accepted recipient, in their order (RFC 2033 4.2). */
static enum smtpc_event hear_result(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    struct smtpc_tx *t = &c->tx;
    ASSERT(!t->stopped && t->rcpt_heard == t->mail->n_rcpt);

    ret->i = next_accepted(t, t->result_i);
    ret->reply = *h->reply;
    t->result_i = next_accepted(t, ret->i + 1);
    ASSERT(ret->i < t->mail->n_rcpt);
    if (t->result_i < t->mail->n_rcpt)
        return SMTPC_RESULT;
    smtpc_asked_drop(c);
    t->stopped = true;
    c->dirty = false;
    return SMTPC_RESULT;
}

static enum smtpc_event hear_end(struct smtpc *c, const struct heard *h, struct smtpc_ev *ret)
{
    struct smtpc_tx *t = &c->tx;
    if (c->config.lmtp && !t->stopped)
        return hear_result(c, h, ret);
    smtpc_asked_drop(c);
    if (t->stopped)
        return SMTPC_NONE; /* of a body that nobody was to get */
    /* = RFC 3030 2: after a BDAT that failed, RSET is needed; the dot ends it either way */
    c->dirty = !h->ok && t->step == SMTPC_SAY_CHUNKS;
    return stop(c, h->reply);
}

/* --- the table */

enum limit_at {
    GREETING_MS = offsetof(struct smtpc_limits, greeting_ms),
    HELO_MS = offsetof(struct smtpc_limits, helo_ms),
    STARTTLS_MS = offsetof(struct smtpc_limits, starttls_ms),
    MAIL_MS = offsetof(struct smtpc_limits, mail_ms),
    RCPT_MS = offsetof(struct smtpc_limits, rcpt_ms),
    DATA_MS = offsetof(struct smtpc_limits, data_ms),
    BLOCK_MS = offsetof(struct smtpc_limits, block_ms),
    END_MS = offsetof(struct smtpc_limits, end_ms),
    QUIT_MS = offsetof(struct smtpc_limits, quit_ms),
};

/* A code of 4xx or 5xx is a refusal everywhere; any other outside of good_min..good_max is `wrong`.
 * = RFC 5321 4.3.2: the first digit decides; but 211, 214, 220 and 221 belong to HELP and to the
 * ends of a session: as the answer to a command they show that we are out of step. */
static const struct wait {
    enum limit_at limit;
    int good_min, good_max;
    hear_fn *hear;
    const char *late, *wrong;
} waits[SMTPC_WAIT_COUNT_] = {
    [SMTPC_WAIT_GREETING] = { GREETING_MS, 220, 220, hear_greeting,
                              "timeout waiting for the greeting", "a greeting that is not 220" },
    [SMTPC_WAIT_EHLO] = { HELO_MS, 222, 299, hear_ehlo, "timeout waiting for the reply to EHLO",
                          "a reply of the wrong kind to EHLO" },
    [SMTPC_WAIT_HELO] = { HELO_MS, 222, 299, hear_helo, "timeout waiting for the reply to HELO",
                          "a reply of the wrong kind to HELO" },
    [SMTPC_WAIT_STARTTLS] = { STARTTLS_MS, 220, 220, hear_starttls,
                              "timeout waiting for the reply to STARTTLS",
                              "a reply of the wrong kind to STARTTLS" },
    [SMTPC_WAIT_RSET] = { MAIL_MS, 222, 299, hear_rset, "timeout waiting for the reply to RSET",
                          "a reply of the wrong kind to RSET" },
    [SMTPC_WAIT_MAIL] = { MAIL_MS, 222, 299, hear_mail, "timeout waiting for the reply to MAIL",
                          "a reply of the wrong kind to MAIL" },
    [SMTPC_WAIT_RCPT] = { RCPT_MS, 222, 299, hear_rcpt, "timeout waiting for the reply to RCPT",
                          "a reply of the wrong kind to RCPT" },
    [SMTPC_WAIT_DATA] = { DATA_MS, 354, 354, hear_data, "timeout waiting for the reply to DATA",
                          "a reply of the wrong kind to DATA" },
    [SMTPC_WAIT_CHUNK] = { BLOCK_MS, 222, 299, hear_chunk, "timeout waiting for the reply to BDAT",
                           "a reply of the wrong kind to BDAT" },
    [SMTPC_WAIT_END] = { END_MS, 222, 299, hear_end, "timeout waiting for the reply to the body",
                         "a reply of the wrong kind to the body" },
    [SMTPC_WAIT_QUIT] = { QUIT_MS, 200, 599, NULL, "timeout waiting for the reply to QUIT", NULL },
    [SMTPC_WAIT_HANDSHAKE] = { STARTTLS_MS, 0, 0, NULL, "timeout in the TLS handshake", NULL },
    [SMTPC_WAIT_BLOCK] = { BLOCK_MS, 0, 0, NULL, "timeout sending the body", NULL },
};

static enum smtpc_wait waiting(const struct smtpc *c)
{
    bool mail = c->state == SMTPC_ST_MAIL;
    if (c->state == SMTPC_ST_HANDSHAKE)
        return SMTPC_WAIT_HANDSHAKE;
    if (mail && c->tx.body_begun && c->out.n > 0)
        return SMTPC_WAIT_BLOCK;
    if (c->n_asked > 0)
        return smtpc_asked_first(c)->wait;
    return mail ? SMTPC_WAIT_BLOCK : SMTPC_WAIT_NOTHING;
}

static int64_t limit_ms(const struct smtpc *c, enum smtpc_wait w)
{
    int64_t ms;
    memcpy(&ms, (const char *)&c->config.limits + waits[w].limit, sizeof ms);
    return ms;
}

void smtpc_arm(struct smtpc *c, int64_t now_ms)
{
    if (!c->rearm)
        return;
    enum smtpc_wait w = waiting(c);
    c->deadline_ms = w == SMTPC_WAIT_NOTHING ? INT64_MAX : now_ms + limit_ms(c, w);
    c->rearm = false;
    c->moved = 0;
}

/* --- one reply */

static bool was_sent(const struct smtpc *c, uint32_t offset)
{
    return (int32_t)(c->sent - offset) >= 0;
}

static enum smtpc_event hear_unasked(struct smtpc *c, const struct reply *r, struct smtpc_ev *ret)
{
    if (r->code >= 400)
        return fail_reply(c, r, ret);
    return fail(c, "a reply that nobody asked for", ret);
}

static enum smtpc_event hear(struct smtpc *c, const struct reply *r, bool more,
                             struct smtpc_ev *ret)
{
    if (c->state == SMTPC_ST_QUIT)
        return hang_up(c);
    if (c->n_asked == 0 || r->code == 421)
        return hear_unasked(c, r, ret);

    const struct smtpc_asked *asked = smtpc_asked_first(c);
    const struct wait *w = &waits[asked->wait];
    struct heard h = { r, r->code >= w->good_min && r->code <= w->good_max, more };
    if (!was_sent(c, asked->end))
        return hear_unasked(c, r, ret);
    if (!h.ok && r->code < 400)
        return fail(c, w->wrong, ret);
    if (h.ok && !was_sent(c, asked->end + asked->chunk))
        return fail(c, "a reply before the end of the body", ret);

    c->rearm = true;
    if (asked->wait != SMTPC_WAIT_END)
        smtpc_asked_drop(c);
    return w->hear(c, &h, ret);
}

/* The reply that was kept: for the next accepted recipient (LMTP), or for all. */
static enum smtpc_event finish(struct smtpc *c, struct smtpc_ev *ret)
{
    struct smtpc_tx *t = &c->tx;
    if (t->code != 0)
        ret->reply = (struct reply){ t->code, t->status, buf_span(&c->kept) };
    if (c->config.lmtp && !t->mail_refused && t->code != 0) {
        ret->i = next_accepted(t, t->result_i);
        t->result_i = ret->i + 1;
        if (ret->i < t->mail->n_rcpt)
            return SMTPC_RESULT;
        *ret = (struct smtpc_ev){ 0 };
    }
    ret->whole_transaction = t->mail_refused;
    end_transaction(c);
    c->state = SMTPC_ST_IDLE;
    c->rearm = true;
    return SMTPC_SENT;
}

/* What is due without a reply. */
static enum smtpc_event pending(struct smtpc *c, struct smtpc_ev *ret)
{
    struct smtpc_tx *t = &c->tx;
    if (c->state == SMTPC_ST_HANGUP)
        return hang_up(c);
    if (c->state != SMTPC_ST_MAIL)
        return SMTPC_NONE;
    smtpc_say_more(c);
    if (t->stopped && c->n_asked == 0 && t->chunk_left == 0)
        return finish(c, ret);
    return SMTPC_NONE;
}

/* All that the peer said is heard. Once asked for, a piece of body is not asked for again before
 * one came, so that a caller who has none at hand is not asked in circles. */
static enum smtpc_event heard_all(struct smtpc *c, struct smtpc_ev *ret)
{
    if (c->why)
        return fail(c, c->why, ret);
    if (c->tx.body_asked || smtpc_body_room(c) == 0)
        return SMTPC_NONE;
    c->tx.body_asked = true;
    return SMTPC_BODY;
}

static enum smtpc_event hear_garbage(struct smtpc *c, enum err e, struct smtpc_ev *ret)
{
    if (c->state == SMTPC_ST_QUIT)
        return hang_up(c);
    return fail(c, e == ERR_TOO_BIG ? "a reply that is too long" : "not a reply of SMTP", ret);
}

static enum smtpc_event next_event(struct smtpc *c, struct span *in, struct smtpc_ev *ret)
{
    for (;;) {
        enum smtpc_event ev = pending(c, ret);
        if (ev != SMTPC_NONE)
            return ev;
        if (c->state == SMTPC_ST_HANDSHAKE && in->n > 0)
            return fail(c, bytes_behind, ret);

        struct reply r;
        enum err e = reply_next(&c->parser, in, &r);
        if (e == ERR_AGAIN)
            return heard_all(c, ret);
        if (e != ERR_OK)
            return hear_garbage(c, e, ret);
        ev = hear(c, &r, in->n > 0, ret);
        if (ev != SMTPC_NONE)
            return ev;
    }
}

/* Between mails a session holds no memory but itself. */
static void rest(struct smtpc *c)
{
    if (c->state != SMTPC_ST_IDLE || c->parser.line.n > 0 || c->parser.lines > 0)
        return;
    buf_release(&c->parser.line);
    buf_release(&c->parser.text);
    buf_release(&c->kept);
}

enum smtpc_event smtpc_next(struct smtpc *c, struct span *in, int64_t now_ms, struct smtpc_ev *ret)
{
    *ret = (struct smtpc_ev){ 0 };
    if (c->state == SMTPC_ST_OVER) {
        *in = span_tail(*in, in->n);
        return SMTPC_NONE;
    }
    enum smtpc_event ev = next_event(c, in, ret);
    if (ev == SMTPC_NONE)
        rest(c);
    smtpc_arm(c, now_ms);
    return ev;
}

/* --- the session */

struct smtpc *smtpc_new(const struct smtpc_config *config, int64_t now_ms)
{
    struct smtpc *c = NEW(struct smtpc);
    c->config = *config;
    c->tls = config->implicit_tls;
    buf_init(&c->hostname, DOMAIN_BYTES_MAX);
    buf_put(&c->hostname, config->hostname);
    c->config.hostname = buf_span(&c->hostname);
    buf_init(&c->peer_name, DOMAIN_BYTES_MAX);
    buf_init(&c->out, SMTPC_OUT_BYTES);
    buf_init(&c->kept, REPLY_TEXT_MAX);
    reply_parser_init(&c->parser);
    end_transaction(c);
    c->state = SMTPC_ST_TALK;
    smtpc_asked_add(c, SMTPC_WAIT_GREETING, 0);
    smtpc_arm(c, now_ms);
    return c;
}

void smtpc_free(struct smtpc *c)
{
    if (!c)
        return;
    end_transaction(c);
    reply_parser_done(&c->parser);
    buf_done(&c->hostname);
    buf_done(&c->peer_name);
    buf_done(&c->out);
    buf_done(&c->kept);
    mem_free(c);
}

void smtpc_starttls(struct smtpc *c, int64_t now_ms)
{
    ASSERT(c->state == SMTPC_ST_IDLE && !c->tls);
    c->state = SMTPC_ST_TALK;
    buf_put(&c->out, SPAN("STARTTLS\r\n"));
    smtpc_asked_add(c, SMTPC_WAIT_STARTTLS, 0);
    smtpc_arm(c, now_ms);
}

void smtpc_tls_started(struct smtpc *c, const struct tls_facts *tls, int64_t now_ms)
{
    ASSERT(c->state == SMTPC_ST_HANDSHAKE && c->n_asked == 0 && c->out.n == 0);
    ASSERT(tls->on);
    reply_parser_done(&c->parser);
    reply_parser_init(&c->parser);
    c->tls = true;
    c->dirty = false;
    c->state = SMTPC_ST_TALK;
    smtpc_say_hello(c, SMTPC_WAIT_EHLO);
    smtpc_arm(c, now_ms);
}

void smtpc_quit(struct smtpc *c, int64_t now_ms)
{
    c->rearm = true;
    if (c->state != SMTPC_ST_IDLE || c->why) {
        end_transaction(c); /* in the middle of something QUIT would be read as something else */
        c->n_asked = 0;
        c->state = SMTPC_ST_HANGUP;
    } else {
        c->state = SMTPC_ST_QUIT;
        buf_put(&c->out, SPAN("QUIT\r\n"));
        smtpc_asked_add(c, SMTPC_WAIT_QUIT, 0);
    }
    smtpc_arm(c, now_ms);
}

unsigned smtpc_exts(const struct smtpc *c)
{
    return c->exts;
}

bool smtpc_ready(const struct smtpc *c)
{
    return c->state == SMTPC_ST_IDLE && !c->why && (c->tls || !c->config.need_tls);
}

struct span smtpc_peer_name(const struct smtpc *c)
{
    return buf_span(&c->peer_name);
}

struct span smtpc_output(const struct smtpc *c)
{
    return buf_span(&c->out);
}

/* Small steps do not move the deadline: a peer that reads a byte a minute is a peer that hangs. */
void smtpc_sent(struct smtpc *c, size_t n)
{
    if (n == 0)
        return;
    buf_consume(&c->out, n);
    c->sent += (uint32_t)n;
    c->moved += n;
    if (c->moved >= SMTPC_STEP_BYTES || c->out.n == 0)
        c->rearm = true;
    if (c->out.n == 0 && smtpc_body_room(c) == 0)
        buf_release(&c->out);
}

int64_t smtpc_deadline_ms(const struct smtpc *c)
{
    return c->deadline_ms;
}

void smtpc_timeout(struct smtpc *c, int64_t now_ms)
{
    smtpc_arm(c, now_ms); /* progress that nobody told us the time of */
    if (now_ms < c->deadline_ms)
        return;
    smtpc_broken(c, waits[waiting(c)].late);
}

void smtpc_broken(struct smtpc *c, const char *why)
{
    ASSERT(why);
    if (c->state == SMTPC_ST_OVER || c->state == SMTPC_ST_HANGUP)
        return;
    c->why = why;
    if (c->state == SMTPC_ST_QUIT)
        c->state = SMTPC_ST_HANGUP;
}
