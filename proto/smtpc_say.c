/* smtpc_say.c - what the client utters: commands with their parameters, and bodies.
 *
 * Start reading at smtpc_say_more. Everything that goes to the peer passes through this file, and
 * the one rule that matters most stands in say_mail: no MAIL before TLS where TLS is needed.
 */
#include "proto/smtpc_say.h"

const struct smtpc_asked *smtpc_asked_first(const struct smtpc *c)
{
    ASSERT(c->n_asked > 0);
    return &c->asked[c->asked_first];
}

void smtpc_asked_add(struct smtpc *c, enum smtpc_wait wait, uint32_t chunk)
{
    ASSERT(c->n_asked < SMTPC_ASKED_MAX);
    ASSERT(wait < SMTPC_WAIT_HANDSHAKE);
    c->asked[(c->asked_first + c->n_asked) % SMTPC_ASKED_MAX] =
        (struct smtpc_asked){ wait, c->sent + (uint32_t)c->out.n, chunk };
    c->n_asked++;
    c->rearm = true;
}

void smtpc_asked_drop(struct smtpc *c)
{
    ASSERT(c->n_asked > 0);
    c->asked_first = (c->asked_first + 1) % SMTPC_ASKED_MAX;
    c->n_asked--;
}

void smtpc_say_hello(struct smtpc *c, enum smtpc_wait which)
{
    ASSERT(which == SMTPC_WAIT_EHLO || which == SMTPC_WAIT_HELO);
    c->exts = 0;
    c->size_max = 0;
    buf_clear(&c->peer_name);

    const char *verb = which == SMTPC_WAIT_HELO ? "HELO" : c->config.lmtp ? "LHLO" : "EHLO";
    buf_putf(&c->out, "%s %.*s\r\n", verb, SPAN_ARG(c->config.hostname));
    smtpc_asked_add(c, which, 0);
}

/* Bytes that can stand in a path without ending it: quoted strings may hold blanks and brackets,
 * nothing may hold a control byte. */
static bool path_fits(struct span s)
{
    bool quoted = false;
    if (s.n > ADDR_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (b < 32 || b == 127)
            return false;
        if (!quoted && (b == ' ' || b == '<' || b == '>' || b == '\\'))
            return false;
        if (b == '"')
            quoted = !quoted;
        if (b != '\\')
            continue;
        i++;
        if (i == s.n || (unsigned char)s.p[i] < 32 || s.p[i] == 127)
            return false;
    }
    return !quoted;
}

static bool param_fits(struct span s)
{
    if (s.n > SMTPC_PARAM_BYTES)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127)
            return false;
    return true;
}

static bool has_eight_bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

static bool needs_utf8(const struct smtpc_mail *m)
{
    if (m->envelope->smtputf8 || has_eight_bit(m->envelope->from))
        return true;
    for (unsigned i = 0; i < m->n_rcpt; i++)
        if (has_eight_bit(m->rcpt[i]->addr))
            return true;
    return false;
}

/* Nothing in it can be read by the peer as more than one command or parameter. */
static bool text_fits(const struct smtpc_mail *m)
{
    if (!path_fits(m->envelope->from) || !param_fits(m->envelope->envid))
        return false;
    for (unsigned i = 0; i < m->n_rcpt; i++)
        if (!path_fits(m->rcpt[i]->addr) || !param_fits(m->rcpt[i]->orcpt))
            return false;
    return true;
}

/* = RFC 8689 5: "When the MAIL FROM return-path is empty, the REQUIRETLS parameter SHOULD NOT cause
 * a bounce message to be discarded even if the next-hop relay does not advertise REQUIRETLS." But
 * it is "protected in the same manner as the original message": never in clear. */
static bool lacks_requiretls(const struct smtpc *c, const struct envelope *e)
{
    if (!e->requiretls || c->config.local)
        return false;
    return !c->tls || (e->from.n > 0 && !smtpc_has(c, EXT_REQUIRETLS));
}

enum err smtpc_fits(const struct smtpc *c, const struct smtpc_mail *m, struct reply *ret)
{
    const struct envelope *e = m->envelope;
    struct reply no = { 0 };

    if (!text_fits(m))
        no = REPLY(553, 5, 1, 3, "an address cannot be written in SMTP");
    else if (c->size_max > 0 && m->body_bytes > c->size_max)
        no = REPLY(552, 5, 3, 4, "message is larger than the next host takes");
    else if (needs_utf8(m) && !smtpc_has(c, EXT_SMTPUTF8))
        no = REPLY(553, 5, 6, 7, "the next host does not take internationalized mail");
    else if (e->body_kind == BODY_BINARYMIME &&
             !(smtpc_has(c, EXT_BINARYMIME) && smtpc_has(c, EXT_CHUNKING)))
        no = REPLY(554, 5, 6, 1, "the next host does not take binary mail");
    else if (e->body_kind == BODY_8BITMIME && e->eight_bit && !smtpc_has(c, EXT_8BITMIME))
        no = REPLY(554, 5, 6, 3, "the next host does not take 8-bit mail");
    else if (lacks_requiretls(c, e))
        no = REPLY(550, 5, 7, 30, "the next host does not support REQUIRETLS");
    if (no.code == 0)
        return ERR_OK;
    *ret = no;
    return ERR_REFUSED;
}

static const char *body_word(const struct smtpc *c, const struct envelope *e)
{
    if (e->body_kind == BODY_BINARYMIME && smtpc_has(c, EXT_BINARYMIME))
        return "BINARYMIME";
    if ((e->body_kind == BODY_8BITMIME || e->eight_bit) && smtpc_has(c, EXT_8BITMIME))
        return "8BITMIME";
    return NULL;
}

static void say_mail(struct smtpc *c)
{
    const struct envelope *e = c->tx.mail->envelope;
    struct buf *out = &c->out;
    ASSERT(!c->config.need_tls || c->tls);

    buf_putf(out, "MAIL FROM:<%.*s>", SPAN_ARG(e->from));
    if (smtpc_has(c, EXT_SIZE))
        buf_putf(out, " SIZE=%llu", (unsigned long long)c->tx.mail->body_bytes);
    const char *body = body_word(c, e);
    if (body)
        buf_putf(out, " BODY=%s", body);
    if (smtpc_has(c, EXT_SMTPUTF8) && needs_utf8(c->tx.mail))
        buf_put(out, SPAN(" SMTPUTF8"));
    if (c->tls && smtpc_has(c, EXT_REQUIRETLS) && e->requiretls)
        buf_put(out, SPAN(" REQUIRETLS"));
    if (smtpc_has(c, EXT_DSN) && e->ret != DSN_RET_NONE)
        buf_putf(out, " RET=%s", e->ret == DSN_RET_FULL ? "FULL" : "HDRS");
    if (smtpc_has(c, EXT_DSN) && e->envid.n > 0)
        buf_putf(out, " ENVID=%.*s", SPAN_ARG(e->envid));
    buf_put(out, SPAN("\r\n"));
    smtpc_asked_add(c, SMTPC_WAIT_MAIL, 0);
    c->dirty = true;
}

static void say_notify(struct buf *out, unsigned notify)
{
    const char *before = " NOTIFY=";

    for (size_t i = 0; i < NOTIFY_WORDS; i++) {
        if (!(notify & notify_words[i].bit))
            continue;
        buf_putf(out, "%s%s", before, notify_words[i].word);
        before = ",";
        if (notify_words[i].bit == NOTIFY_NEVER)
            return; /* = RFC 3461 4.1: NEVER stands alone */
    }
}

static void say_rcpt(struct smtpc *c)
{
    const struct rcpt *r = c->tx.mail->rcpt[c->tx.rcpt_said++];

    buf_putf(&c->out, "RCPT TO:<%.*s>", SPAN_ARG(r->addr));
    if (smtpc_has(c, EXT_DSN)) {
        say_notify(&c->out, r->notify);
        if (r->orcpt.n > 0)
            buf_putf(&c->out, " ORCPT=%.*s", SPAN_ARG(r->orcpt));
    }
    buf_put(&c->out, SPAN("\r\n"));
    smtpc_asked_add(c, SMTPC_WAIT_RCPT, 0);
}

static void say_chunk(struct smtpc *c)
{
    struct smtpc_tx *t = &c->tx;
    ASSERT(t->chunk_left == 0 && !t->stopped && !t->body_ended);

    bool last = t->body_left <= SMTPC_CHUNK_BYTES;
    t->chunk_left = last ? (uint32_t)t->body_left : SMTPC_CHUNK_BYTES;
    t->body_begun = true;
    t->body_ended = last && t->chunk_left == 0;
    buf_putf(&c->out, "BDAT %u%s\r\n", (unsigned)t->chunk_left, last ? " LAST" : "");
    smtpc_asked_add(c, last ? SMTPC_WAIT_END : SMTPC_WAIT_CHUNK, t->chunk_left);
}

static void say_end_of_dots(struct smtpc *c)
{
    enum err e = dot_encode_end(&c->tx.dots, &c->out);
    ASSERT(e == ERR_OK);
    c->tx.body_ended = true;
    c->tx.step = SMTPC_SAY_NOTHING;
    smtpc_asked_add(c, SMTPC_WAIT_END, 0);
}

void smtpc_say_lone_dot(struct smtpc *c)
{
    dot_encoder_init(&c->tx.dots);
    c->tx.body_left = 0;
    say_end_of_dots(c);
}

/* One more command may go: without PIPELINING only when all are answered. */
static bool may_say(const struct smtpc *c)
{
    if (c->n_asked == SMTPC_ASKED_MAX || buf_room(&c->out) < SMTPC_COMMAND_BYTES)
        return false;
    return c->n_asked == 0 || smtpc_has(c, EXT_PIPELINING);
}

/* BDAT chunks of LMTP go one by one, so that it is certain how many replies the last one gets. */
static bool may_say_chunk(const struct smtpc *c)
{
    if (c->tx.stopped || (c->config.lmtp && c->n_asked > 0))
        return false;
    return may_say(c);
}

/* May the body be begun? When a recipient was accepted; or before that, when what goes out
 * stays bounded whatever the answers are: DATA alone, or one chunk. In LMTP the number of replies
 * depends on the recipients accepted, so these must be known. */
static bool may_begin_body(const struct smtpc *c)
{
    const struct smtpc_tx *t = &c->tx;
    if (t->rcpt_heard == t->mail->n_rcpt)
        return t->accepted > 0;
    if (c->config.lmtp)
        return false;
    return !smtpc_has(c, EXT_CHUNKING) || t->mail->body_bytes <= SMTPC_EARLY_BYTES;
}

static void begin_body(struct smtpc *c)
{
    struct smtpc_tx *t = &c->tx;
    if (!smtpc_has(c, EXT_CHUNKING)) {
        t->step = SMTPC_SAY_NOTHING;
        buf_put(&c->out, SPAN("DATA\r\n"));
        smtpc_asked_add(c, SMTPC_WAIT_DATA, 0);
        return;
    }
    t->step = SMTPC_SAY_CHUNKS;
    if (t->body_left == 0)
        say_chunk(c);
}

/* Utters one command; false when none may go now. */
static bool say_one(struct smtpc *c)
{
    struct smtpc_tx *t = &c->tx;
    if (!may_say(c))
        return false;
    switch (t->step) {
    case SMTPC_SAY_RSET:
        buf_put(&c->out, SPAN("RSET\r\n"));
        smtpc_asked_add(c, SMTPC_WAIT_RSET, 0);
        t->step = SMTPC_SAY_MAIL;
        return true;
    case SMTPC_SAY_MAIL:
        say_mail(c);
        t->step = SMTPC_SAY_RCPT;
        return true;
    case SMTPC_SAY_RCPT:
        say_rcpt(c);
        if (t->rcpt_said == t->mail->n_rcpt)
            t->step = SMTPC_SAY_DATA;
        return true;
    case SMTPC_SAY_DATA:
        if (!may_begin_body(c))
            return false;
        begin_body(c);
        return true;
    case SMTPC_SAY_DOTS:
        if (t->body_left > 0)
            return false;
        say_end_of_dots(c);
        return true;
    case SMTPC_SAY_CHUNKS:
    case SMTPC_SAY_NOTHING:
        break;
    }
    return false;
}

void smtpc_say_more(struct smtpc *c)
{
    ASSERT(c->state == SMTPC_ST_MAIL);
    while (!c->tx.stopped && say_one(c))
        ;
}

void smtpc_send(struct smtpc *c, const struct smtpc_mail *mail, int64_t now_ms)
{
    ASSERT(c->state == SMTPC_ST_IDLE);
    ASSERT(mail->n_rcpt > 0);
    ASSERT(text_fits(mail));
    ASSERT(mail->envelope->body_kind != BODY_BINARYMIME || smtpc_has(c, EXT_CHUNKING));

    c->tx = (struct smtpc_tx){
        .mail = mail,
        .step = c->dirty ? SMTPC_SAY_RSET : SMTPC_SAY_MAIL,
        .accepted_bits = mem_zalloc(mail->n_rcpt / 8 + 1),
        .body_left = mail->body_bytes,
    };
    dot_encoder_init(&c->tx.dots);
    c->state = SMTPC_ST_MAIL;
    smtpc_say_more(c);
    smtpc_arm(c, now_ms);
}

size_t smtpc_body_room(const struct smtpc *c)
{
    const struct smtpc_tx *t = &c->tx;
    if (c->state != SMTPC_ST_MAIL || c->why || c->out.n >= SMTPC_BODY_OUT_BYTES)
        return 0;

    size_t room = SMTPC_BODY_OUT_BYTES - c->out.n;
    uint64_t want = 0;
    if (t->step == SMTPC_SAY_DOTS) {
        want = t->body_left;
        room /= 2; /* each byte may become two */
    } else if (t->step == SMTPC_SAY_CHUNKS && t->chunk_left > 0) {
        want = t->chunk_left;
    } else if (t->step == SMTPC_SAY_CHUNKS && may_say_chunk(c)) {
        want = t->body_left < SMTPC_CHUNK_BYTES ? t->body_left : SMTPC_CHUNK_BYTES;
    }
    if (want <= room)
        return (size_t)want;
    return room < SMTPC_STEP_BYTES ? 0 : room;
}

static void body_chunk(struct smtpc *c, struct span piece)
{
    struct smtpc_tx *t = &c->tx;
    if (t->chunk_left == 0)
        say_chunk(c);
    ASSERT(piece.n <= t->chunk_left);
    buf_put(&c->out, piece);
    t->chunk_left -= (uint32_t)piece.n;
    t->body_left -= piece.n;
    t->body_ended = t->body_left == 0;
}

static void body_dots(struct smtpc *c, struct span piece)
{
    enum err e = dot_encode(&c->tx.dots, piece, &c->out);
    ASSERT(e == ERR_OK);
    c->tx.body_begun = true;
    c->tx.body_left -= piece.n;
    if (c->tx.body_left == 0)
        say_end_of_dots(c);
}

void smtpc_body(struct smtpc *c, struct span piece, int64_t now_ms)
{
    ASSERT(piece.n <= smtpc_body_room(c));
    ASSERT(piece.n <= c->tx.body_left);
    if (piece.n == 0)
        return;
    c->tx.body_asked = false;
    c->rearm = c->rearm || c->out.n == 0;
    if (c->tx.step == SMTPC_SAY_DOTS)
        body_dots(c, piece);
    else
        body_chunk(c, piece);
    smtpc_arm(c, now_ms);
}
