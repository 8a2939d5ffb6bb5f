/* smtpd.c - start reading at smtpd_states, then smtpd_next and smtpd_reply at the end. What
 * commands do stands in smtpd_cmd.c, how a message is read in smtpd_body.c. */
#include "proto/smtpd_private.h"

enum {
    OUT_BYTES_HIGH = 4096, /* no command is read while so much waits to be sent */
    OUT_BYTES_MAX = OUT_BYTES_HIGH + 3 * REPLY_WIRE_MAX,
    HELO_TEXT_MAX = 512,
    EXT_TEXT_MAX = 512, /* the lines of ext_write together */
};

const struct smtpd_row smtpd_states[STATE_COUNT_] = {
    [STATE_NEW] = { "new", 0, offsetof(struct smtpd_limits, handshake_ms) },
    [STATE_START] = { "start", CMDS_ALWAYS, offsetof(struct smtpd_limits, greeting_wait_ms) },
    [STATE_READY] = { "ready", CMDS_ALWAYS | CMD_BIT(CMD_MAIL) | CMD_BIT(CMD_STARTTLS),
                      offsetof(struct smtpd_limits, command_ms) },
    [STATE_MAIL] = { "mail", CMDS_ALWAYS | CMD_BIT(CMD_RCPT),
                     offsetof(struct smtpd_limits, command_ms) },
    [STATE_RCPT] = { "rcpt",
                     CMDS_ALWAYS | CMD_BIT(CMD_RCPT) | CMD_BIT(CMD_DATA) | CMD_BIT(CMD_BDAT),
                     offsetof(struct smtpd_limits, command_ms) },
    [STATE_CHUNKS] = { "chunks", CMDS_ALWAYS | CMD_BIT(CMD_BDAT),
                       offsetof(struct smtpd_limits, data_ms) },
    [STATE_BODY] = { "body", 0, offsetof(struct smtpd_limits, data_ms) },
    [STATE_TLS] = { "tls", 0, offsetof(struct smtpd_limits, handshake_ms) },
    [STATE_CLOSED] = { "closed", 0, offsetof(struct smtpd_limits, command_ms) },
};

const char *smtpd_why_name(enum smtpd_why w)
{
    static const char *const names[SMTPD_WHY_COUNT_] = {
        [SMTPD_WHY_QUIT] = "quit",
        [SMTPD_WHY_TIMEOUT] = "timeout",
        [SMTPD_WHY_ERRORS] = "errors",
        [SMTPD_WHY_FRAMING] = "framing",
        [SMTPD_WHY_EARLY_TALK] = "early-talk",
        [SMTPD_WHY_INJECTION] = "injection",
        [SMTPD_WHY_REFUSED] = "refused",
        [SMTPD_WHY_LIMIT] = "limit",
        [SMTPD_WHY_HTTP] = "http",
    };
    ASSERT(w >= 0 && w < SMTPD_WHY_COUNT_);
    return names[w];
}

/* --- what is said */

void smtpd_say(struct smtpd *s, struct reply r)
{
    ASSERT(s->state != STATE_CLOSED && s->state != STATE_TLS);
    reply_write(&r, s->config->exts & EXT_ENHANCEDSTATUSCODES, &s->out);
}

/* May nothing be said because a handshake has the line? */
static bool smtpd_mute(const struct smtpd *s)
{
    return s->state == STATE_TLS || (s->state == STATE_NEW && s->config->implicit_tls);
}

void smtpd_reset(struct smtpd *s, bool tell)
{
    s->reset_due |= tell && s->in_mail;
    if (s->state > STATE_READY)
        s->state = STATE_READY;
    s->n_rcpt = s->n_rcpt_over = 0;
    s->in_mail = s->smtputf8 = s->body_started = false;
    s->body_kind = BODY_7BIT;
}

static void smtpd_close(struct smtpd *s, enum smtpd_why why)
{
    ASSERT(s->state != STATE_CLOSED);
    s->reset_due |= s->in_mail;
    s->state = STATE_CLOSED;
    s->asked = SMTPD_NONE;
    s->why = why;
    smtpd_line_done(&s->line);
}

void smtpd_say_close(struct smtpd *s, struct reply r, enum smtpd_why why)
{
    smtpd_say(s, r);
    smtpd_close(s, why);
}

void smtpd_refuse(struct smtpd *s, struct reply r)
{
    s->n_errors++;
    if (s->n_errors <= s->config->limits.errors) {
        smtpd_say(s, r);
        return;
    }
    smtpd_say_close(s, REPLY(421, 4, 7, 0, "too many errors"), SMTPD_WHY_ERRORS);
}

unsigned smtpd_exts(const struct smtpd *s, bool esmtp)
{
    if (!esmtp)
        return 0;
    /* RFC 8689 2: REQUIRETLS is offered under TLS only, RFC 3207 4.2: STARTTLS before it only. */
    return s->config->exts & ~(unsigned)(s->tls ? EXT_STARTTLS : EXT_REQUIRETLS);
}

void smtpd_ask(struct smtpd *s, enum smtpd_event e)
{
    ASSERT(s->asked == SMTPD_NONE);
    s->asked = s->told = e;
}

void smtpd_chunk_eat(struct smtpd *s, uint64_t n, enum smtpd_state back, int64_t now_ms)
{
    if (s->state == STATE_CLOSED)
        return;
    smtpd_body_refuse(&s->body, n);
    s->state = STATE_BODY;
    s->back = back;
    s->body_ms = now_ms;
}

void smtpd_chunk_begin(struct smtpd *s)
{
    ASSERT(s->in_mail && s->body_started);
    if (smtpd_body_chunk(&s->body, s->chunk, s->chunk_last) != ERR_OK)
        smtpd_reset(s, true);
    s->state = STATE_BODY;
    s->back = STATE_READY;
}

/* Says the shutdown's 421 as soon as nothing is in between. */
static void smtpd_say_bye(struct smtpd *s)
{
    if (s->bye.n == 0 || s->asked != SMTPD_NONE || s->state == STATE_BODY ||
        s->state == STATE_CLOSED)
        return;
    if (!smtpd_mute(s))
        buf_put(&s->out, buf_span(&s->bye));
    buf_release(&s->bye);
    smtpd_close(s, SMTPD_WHY_REFUSED);
}

static void smtpd_line_refused(struct smtpd *s, enum err e, int64_t now_ms)
{
    s->since_ms = now_ms;
    if (e == ERR_REFUSED) {
        smtpd_close(s, SMTPD_WHY_HTTP);
        return;
    }
    if (e == ERR_TOO_BIG) {
        smtpd_refuse(s, REPLY(500, 5, 5, 2, "line too long"));
        return;
    }
    ASSERT(e == ERR_SYNTAX);
    smtpd_say_close(s, REPLY(500, 5, 5, 2, "a line must end in CRLF"), SMTPD_WHY_FRAMING);
}

/* Reads one line. Returns false when there is none yet, or none may be read yet. */
static bool smtpd_step_line(struct smtpd *s, struct span *in, int64_t now_ms, struct smtpd_ev *ret)
{
    if (s->out.n > OUT_BYTES_HIGH)
        return false;
    struct span line, before = *in;
    enum err e = smtpd_line_take(&s->line, in, &line);
    if (e == ERR_AGAIN)
        return false;
    if (e != ERR_OK)
        smtpd_line_refused(s, e, now_ms);
    else if (!smtpd_command(s, line, now_ms, ret))
        smtpd_line_back(&s->line, before, in);
    else if (s->asked == SMTPD_NONE)
        smtpd_line_used(&s->line);
    return true;
}

/* --- bodies */

static struct reply smtpd_fault_reply(enum smtpd_fault f)
{
    switch (f) {
    case FAULT_SIZE:
        return REPLY(552, 5, 3, 4, "message too big");
    case FAULT_LINE: /* RFC 5321 4.5.3.1.6; of the codes that 4.3.2 has for the end of DATA */
        return REPLY(554, 5, 6, 0, "a line of the message is too long");
    case FAULT_LINE_END:
        return REPLY(554, 5, 6, 0, "a bare CR or LF needs BODY=BINARYMIME");
    case FAULT_NONE:
    case FAULT_REFUSED:
    case FAULT_COUNT_:
        break;
    }
    ASSERT(false);
    return REPLY(554, 5, 0, 0, "");
}

/* A chunk, or a body in vain, has come to its end. */
static void smtpd_body_over(struct smtpd *s)
{
    enum smtpd_fault fault = s->body.fault;
    if (fault == FAULT_NONE) {
        s->state = STATE_CHUNKS;
        smtpd_say(s, REPLY(250, 2, 0, 0, "chunk taken"));
        return;
    }
    s->state = s->back;
    if (fault == FAULT_REFUSED)
        return;
    s->n_errors++; /* this answer is never replaced by 421: the mail would be sent again */
    smtpd_say(s, smtpd_fault_reply(fault));
}

/* Reads body. Returns false when there is no more of it yet. */
static bool smtpd_step_body(struct smtpd *s, struct span *in, int64_t now_ms, struct smtpd_ev *ret)
{
    size_t n = in->n;
    enum smtpd_step step = smtpd_body_next(&s->body, in, &ret->text);
    if (n > in->n)
        s->since_ms = now_ms;
    switch (step) {
    case STEP_MORE:
        return false;
    case STEP_PIECE:
        s->told = SMTPD_BODY;
        return true;
    case STEP_FAULT:
        smtpd_reset(s, true);
        s->state = STATE_BODY;
        return true;
    case STEP_END:
        if (s->body.fault == FAULT_NONE)
            smtpd_ask(s, SMTPD_BODY_END);
        else
            smtpd_body_over(s);
        return true;
    case STEP_CHUNK:
        smtpd_body_over(s);
        return true;
    case STEP_FRAMING:
        smtpd_say_close(s, REPLY(521, 5, 5, 2, "a bare CR or LF: lines must end in CRLF"),
                        SMTPD_WHY_FRAMING);
        return true;
    case STEP_FLOOD:
        if (s->body.fault != FAULT_REFUSED)
            smtpd_say(s, smtpd_fault_reply(s->body.fault));
        smtpd_close(s, SMTPD_WHY_LIMIT);
        return true;
    }
    ASSERT(false);
    return false;
}

/* --- the outside */

struct smtpd *smtpd_new(const struct smtpd_config *config, int64_t now_ms)
{
    struct smtpd *s = NEW(struct smtpd);
    s->config = config;
    s->start_ms = s->since_ms = now_ms;
    s->tls = config->implicit_tls;
    smtpd_line_init(&s->line, config->limits.command_bytes);
    buf_init(&s->out, OUT_BYTES_MAX);
    buf_init(&s->bye, REPLY_WIRE_MAX);
    smtpd_body_init(&s->body, config->limits.message_bytes, config->limits.text_line_bytes);
    return s;
}

void smtpd_free(struct smtpd *s)
{
    if (!s)
        return;
    smtpd_line_done(&s->line);
    buf_done(&s->out);
    buf_done(&s->bye);
    mem_free(s);
}

void smtpd_greet(struct smtpd *s, const struct reply *r, int64_t now_ms)
{
    ASSERT(s->state == STATE_NEW || s->state == STATE_CLOSED);
    ASSERT(r->code == 220 || r->code >= 400);
    if (s->state == STATE_CLOSED) /* smtpd_shutdown, or a timeout, came first */
        return;

    /* = RFC 2034 4: the greeting and the answer to HELO and EHLO have no enhanced code. */
    struct reply plain = { r->code, { 0 }, r->text };
    s->since_ms = now_ms;
    smtpd_say(s, plain);
    s->state = STATE_START;
    if (r->code != 220)
        smtpd_close(s, SMTPD_WHY_REFUSED);
    smtpd_say_bye(s);
}

static enum smtpd_event smtpd_closed(struct smtpd *s, struct span *in, struct smtpd_ev *ret)
{
    *in = span_tail(*in, in->n);
    if (s->close_told)
        return SMTPD_NONE;
    s->close_told = true;
    ret->why = s->why;
    return SMTPD_CLOSE;
}

enum smtpd_event smtpd_next(struct smtpd *s, struct span *in, int64_t now_ms, struct smtpd_ev *ret)
{
    *ret = (struct smtpd_ev){ 0 };
    bool more = true;
    while (more && s->asked == SMTPD_NONE && s->state != STATE_NEW) {
        if (s->reset_due) {
            s->reset_due = false;
            return SMTPD_RESET;
        }
        smtpd_say_bye(s);
        if (s->reset_due)
            continue;
        if (s->state == STATE_TLS && in->n > 0)
            smtpd_close(s, SMTPD_WHY_INJECTION);
        if (s->state == STATE_TLS)
            break;
        if (s->state == STATE_CLOSED)
            return smtpd_closed(s, in, ret);
        s->told = SMTPD_NONE;
        more = s->state == STATE_BODY ? smtpd_step_body(s, in, now_ms, ret)
                                      : smtpd_step_line(s, in, now_ms, ret);
        if (s->told != SMTPD_NONE)
            return s->told;
    }
    return SMTPD_NONE;
}

static void smtpd_reply_helo(struct smtpd *s, const struct reply *r)
{
    if (!reply_ok(r)) {
        smtpd_refuse(s, *r);
        return;
    }
    struct span rest = r->text;
    struct span first = span_cut(&rest, '\n');
    struct buf text;
    buf_init(&text, HELO_TEXT_MAX + EXT_TEXT_MAX);
    buf_put(&text, span_head(first, first.n < HELO_TEXT_MAX ? first.n : HELO_TEXT_MAX));
    unsigned exts = smtpd_exts(s, s->esmtp_asked);
    if (exts != 0)
        buf_put(&text, SPAN("\n"));
    ext_write(exts, s->config->limits.message_bytes, &text);
    smtpd_say(s, (struct reply){ r->code, { 0 }, buf_span(&text) });
    buf_done(&text);
    s->esmtp = s->esmtp_asked;
    s->state = STATE_READY;
}

static void smtpd_reply_data(struct smtpd *s, const struct reply *r, int64_t now_ms)
{
    ASSERT(r->code == 354 || r->code >= 400);

    if (r->code != 354) {
        smtpd_say(s, *r);
        s->n_errors += reply_permanent(r);
        smtpd_reset(s, false);
        if (s->by_chunks)
            smtpd_chunk_eat(s, s->chunk, STATE_READY, now_ms);
        return;
    }
    smtpd_body_start(&s->body, s->body_kind);
    s->body_started = true;
    s->body_ms = now_ms;
    if (s->by_chunks) {
        smtpd_chunk_begin(s);
        return;
    }
    smtpd_say(s, *r);
    smtpd_body_dot(&s->body);
    s->state = STATE_BODY;
    s->back = STATE_READY;
}

static void smtpd_reply_end(struct smtpd *s, const struct reply *r)
{
    ASSERT(s->body.fault == FAULT_NONE);

    smtpd_say(s, *r);
    smtpd_reset(s, false);
    s->n_messages++;
    s->n_errors += reply_permanent(r);
    if (reply_ok(r)) { /* who brings mail is welcome */
        s->n_idle = s->n_errors = 0;
        smtpd_body_forgive(&s->body);
    }
}

static void smtpd_reply_tls(struct smtpd *s, const struct reply *r)
{
    ASSERT(r->code == 220 || r->code >= 400);

    smtpd_say(s, *r);
    if (r->code == 220)
        s->state = STATE_TLS;
}

/* MAIL and RCPT: goes on to `next` when the answer is yes. */
static void smtpd_reply_path(struct smtpd *s, const struct reply *r, enum smtpd_state next)
{
    ASSERT(reply_ok(r) || r->code >= 400);

    if (reply_ok(r)) {
        s->in_mail = true;
        s->n_rcpt += next == STATE_RCPT;
        s->state = next;
        smtpd_say(s, *r);
        return;
    }
    if (next == STATE_MAIL)
        smtpd_reset(s, false);
    if (reply_permanent(r))
        smtpd_refuse(s, *r);
    else
        smtpd_say(s, *r);
}

void smtpd_reply(struct smtpd *s, const struct reply *r, int64_t now_ms)
{
    ASSERT(s->asked != SMTPD_NONE);

    enum smtpd_event asked = s->asked;
    s->asked = SMTPD_NONE;
    s->since_ms = now_ms;
    if (r->code == 421) {
        if (asked == SMTPD_BODY_END)
            smtpd_reset(s, false);
        smtpd_say_close(s, *r, SMTPD_WHY_REFUSED);
        return;
    }
    switch (asked) {
    case SMTPD_HELO:
        smtpd_reply_helo(s, r);
        break;
    case SMTPD_STARTTLS:
        smtpd_reply_tls(s, r);
        break;
    case SMTPD_MAIL:
        smtpd_reply_path(s, r, STATE_MAIL);
        break;
    case SMTPD_RCPT:
        smtpd_reply_path(s, r, STATE_RCPT);
        break;
    case SMTPD_DATA:
        smtpd_reply_data(s, r, now_ms);
        break;
    default:
        ASSERT(asked == SMTPD_BODY_END);
        smtpd_reply_end(s, r);
    }
    smtpd_line_used(&s->line);
    smtpd_say_bye(s);
}

bool smtpd_waiting(const struct smtpd *s)
{
    return s->asked != SMTPD_NONE;
}

void smtpd_tls_started(struct smtpd *s, const struct tls_facts *tls, int64_t now_ms)
{
    ASSERT(tls->on);
    ASSERT(s->state == STATE_TLS || (s->state == STATE_NEW && s->config->implicit_tls));
    ASSERT(smtpd_line_empty(&s->line)); /* T-01 */

    s->tls = true;
    s->since_ms = now_ms;
    if (s->state == STATE_NEW)
        return;
    ASSERT(s->out.n == 0);
    /* = RFC 3207 4.2: "The server MUST discard any knowledge obtained from the client". */
    smtpd_reset(s, false);
    s->esmtp = false;
    s->state = STATE_START;
}

void smtpd_shutdown(struct smtpd *s, const struct reply *r)
{
    buf_clear(&s->bye);
    reply_write(r, s->config->exts & EXT_ENHANCEDSTATUSCODES, &s->bye);
    smtpd_say_bye(s);
}

struct span smtpd_output(const struct smtpd *s)
{
    return buf_span(&s->out);
}

void smtpd_sent(struct smtpd *s, size_t n)
{
    buf_consume(&s->out, n);
    if (s->out.n == 0)
        buf_release(&s->out);
}

bool smtpd_idle(const struct smtpd *s)
{
    return (s->state == STATE_START || s->state == STATE_READY) && s->asked == SMTPD_NONE &&
           smtpd_line_empty(&s->line) && s->out.n == 0;
}

int64_t smtpd_deadline_ms(const struct smtpd *s)
{
    if (s->asked != SMTPD_NONE || s->state == STATE_CLOSED)
        return INT64_MAX;

    const struct smtpd_limits *limits = &s->config->limits;
    int64_t wait_ms;
    memcpy(&wait_ms, (const char *)limits + smtpd_states[s->state].wait_at, sizeof(wait_ms));
    int64_t at = s->since_ms + wait_ms;
    int64_t session_at = s->start_ms + limits->session_ms;
    int64_t body_at = s->body_ms + limits->body_total_ms;
    bool body = s->state == STATE_BODY || s->state == STATE_CHUNKS;
    at = session_at < at ? session_at : at;
    return body && body_at < at ? body_at : at;
}

void smtpd_timeout(struct smtpd *s, int64_t now_ms)
{
    if (now_ms < smtpd_deadline_ms(s))
        return;
    if (!smtpd_mute(s))
        smtpd_say(s, REPLY(421, 4, 4, 2, "timeout"));
    smtpd_close(s, SMTPD_WHY_TIMEOUT);
}
