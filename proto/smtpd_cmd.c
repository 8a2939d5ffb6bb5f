/* smtpd_cmd.c - what happens on each command. Start reading at smtpd_command at the end: first it
 * is refused by what can be seen of it alone, then it is obeyed. */
#include "proto/smtpd_private.h"

enum {
    /* What a client without business does: counted against limits.commands_idle. */
    CMDS_IDLE = CMDS_ALWAYS & ~CMD_BIT(CMD_QUIT),
    CMDS_UNKNOWN = CMD_BIT(CMD_UNKNOWN),
    CMDS_NOT_OURS = CMD_BIT(CMD_LHLO) | CMD_BIT(CMD_EXPN) | CMD_BIT(CMD_AUTH) | CMD_BIT(CMD_ETRN),
};

static struct reply smtpd_syntax_reply(enum cmd_error e, enum cmd_verb verb)
{
    switch (e) {
    case CMD_BAD_ADDRESS:
        return verb == CMD_MAIL ? REPLY(501, 5, 1, 7, "bad sender address syntax")
                                : REPLY(501, 5, 1, 3, "bad recipient address syntax");
    case CMD_BAD_PARAM:
        return REPLY(555, 5, 5, 4, "unsupported parameter");
    case CMD_NEEDS_UTF8:
        return REPLY(553, 5, 6, 7, "the address needs SMTPUTF8");
    case CMD_BAD_BYTES:
        return REPLY(500, 5, 5, 2, "bytes that may not be in a command");
    case CMD_OK:
    case CMD_BAD_SYNTAX:
        break;
    }
    return REPLY(501, 5, 5, 4, "syntax error in the arguments");
}

static struct reply smtpd_order_reply(const struct smtpd *s, enum cmd_verb verb)
{
    if (verb == CMD_STARTTLS && s->tls)
        return REPLY(503, 5, 5, 1, "TLS is on already");
    if (verb == CMD_STARTTLS && s->state > STATE_READY)
        return REPLY(503, 5, 5, 1, "STARTTLS is not allowed in a transaction");
    if (s->state == STATE_START)
        return REPLY(503, 5, 5, 1, "EHLO first");
    if (s->state == STATE_CHUNKS)
        return REPLY(503, 5, 5, 1, "BDAT or RSET is needed now");
    if (s->state == STATE_MAIL && (verb == CMD_DATA || verb == CMD_BDAT))
        return REPLY(554, 5, 5, 1, "no valid recipients");
    if (verb == CMD_MAIL)
        return REPLY(503, 5, 5, 1, "a transaction is open");
    return REPLY(503, 5, 5, 1, "MAIL first");
}

static void smtpd_cmd_mail(struct smtpd *s, const struct cmd *c, struct smtpd_ev *ret)
{
    const struct smtpd_limits *limits = &s->config->limits;
    if (s->n_messages >= limits->messages) {
        smtpd_say_close(s, REPLY(421, 4, 7, 0, "too many messages in one session"),
                        SMTPD_WHY_LIMIT);
        return;
    }
    /* = RFC 1870 6.1: a declared size that is too big is refused at once. */
    if (limits->message_bytes != 0 && c->mail.size > limits->message_bytes) {
        smtpd_refuse(s, REPLY(552, 5, 3, 4, "message too big"));
        return;
    }
    ret->addr = c->addr;
    ret->mail = c->mail;
    s->smtputf8 = c->mail.smtputf8;
    s->body_kind = c->mail.body;
    smtpd_ask(s, SMTPD_MAIL);
}

static void smtpd_cmd_rcpt(struct smtpd *s, const struct cmd *c, struct smtpd_ev *ret)
{
    if (s->n_rcpt < s->config->limits.rcpts) {
        ret->addr = c->addr;
        ret->rcpt = c->rcpt;
        smtpd_ask(s, SMTPD_RCPT);
        return;
    }
    /* = RFC 5321 4.5.3.1.10: 452 is how a client learns to send the rest in another transaction.
     * It is no error until there are more of them than any transaction may have. */
    struct reply r = REPLY(452, 4, 5, 3, "too many recipients");
    if (s->n_rcpt_over++ < RCPTS_MAX)
        smtpd_say(s, r);
    else
        smtpd_refuse(s, r);
}

static void smtpd_cmd_data(struct smtpd *s)
{
    if (s->body_kind == BODY_BINARYMIME) {
        smtpd_refuse(s, REPLY(503, 5, 5, 1, "BODY=BINARYMIME needs BDAT"));
        return;
    }
    s->by_chunks = false;
    smtpd_ask(s, SMTPD_DATA);
}

static void smtpd_cmd_bdat(struct smtpd *s, const struct cmd *c)
{
    s->chunk = c->chunk;
    s->chunk_last = c->last;
    if (s->body_started) {
        smtpd_chunk_begin(s);
        return;
    }
    s->by_chunks = true;
    smtpd_ask(s, SMTPD_DATA);
}

/* The commands that are in order, one by one. */
static void smtpd_obey(struct smtpd *s, const struct cmd *c, struct smtpd_ev *ret)
{
    switch (c->verb) {
    case CMD_HELO:
    case CMD_EHLO:
        ret->text = c->arg;
        ret->esmtp = s->esmtp_asked = c->verb == CMD_EHLO;
        smtpd_ask(s, SMTPD_HELO);
        return;
    case CMD_MAIL:
        smtpd_cmd_mail(s, c, ret);
        return;
    case CMD_RCPT:
        smtpd_cmd_rcpt(s, c, ret);
        return;
    case CMD_DATA:
        smtpd_cmd_data(s);
        return;
    case CMD_BDAT:
        smtpd_cmd_bdat(s, c);
        return;
    case CMD_RSET:
        smtpd_reset(s, true);
        smtpd_say(s, REPLY(250, 2, 0, 0, "forgotten"));
        return;
    case CMD_STARTTLS:
        smtpd_ask(s, SMTPD_STARTTLS);
        return;
    case CMD_VRFY: /* = RFC 5321 3.5.3: 252 neither confirms nor denies */
        smtpd_say(s, REPLY(252, 2, 0, 0, "send mail and see"));
        return;
    case CMD_QUIT:
        smtpd_say_close(s, REPLY(221, 2, 0, 0, "goodbye"), SMTPD_WHY_QUIT);
        return;
    case CMD_HELP:
        smtpd_say(s, REPLY(214, 2, 0, 0, "see RFC 5321"));
        return;
    default:
        ASSERT(c->verb == CMD_NOOP);
        smtpd_say(s, REPLY(250, 2, 0, 0, "well"));
    }
}

/* Is this an extension's command that this client was not offered? */
static bool smtpd_not_offered(const struct smtpd *s, enum cmd_verb verb)
{
    if (verb == CMD_STARTTLS) /* under TLS, or before EHLO, it is out of order */
        return !(s->config->exts & EXT_STARTTLS) && !s->tls;
    return verb == CMD_BDAT && !(s->config->exts & EXT_CHUNKING);
}

/* REQUIRETLS came in clear, where it is not offered; under TLS it would be, and nothing else is
 * wrong with the command. = RFC 8689 2: "This option MUST only be specified in the context of an
 * SMTP session meeting the security requirements": it uses TLS. */
static bool smtpd_too_early(const struct smtpd *s, struct span line)
{
    struct cmd c;
    unsigned exts = smtpd_exts(s, s->esmtp);
    if (s->tls || !s->esmtp || !(s->config->exts & EXT_REQUIRETLS))
        return false;
    return cmd_parse(line, s->smtputf8, exts | EXT_REQUIRETLS, &c) == CMD_OK && c.mail.requiretls;
}

/* Refuses a command by what can be seen of it alone, if there is anything to refuse. */
static bool smtpd_refused(struct smtpd *s, struct span line, const struct cmd *c, enum cmd_error e)
{
    unsigned bit = CMD_BIT(c->verb);
    if (bit & CMDS_UNKNOWN)
        smtpd_refuse(s, e == CMD_BAD_BYTES ? smtpd_syntax_reply(e, c->verb)
                                           : REPLY(500, 5, 5, 2, "command unknown"));
    else if ((bit & CMDS_NOT_OURS) || smtpd_not_offered(s, c->verb))
        smtpd_refuse(s, REPLY(502, 5, 5, 1, "command not implemented"));
    else if (!(smtpd_states[s->state].cmds & bit) || (c->verb == CMD_STARTTLS && s->tls))
        smtpd_refuse(s, smtpd_order_reply(s, c->verb));
    else if (e == CMD_BAD_PARAM && c->verb == CMD_MAIL && smtpd_too_early(s, line))
        smtpd_refuse(s, REPLY(530, 5, 7, 10, "REQUIRETLS needs TLS: STARTTLS first"));
    else if (e != CMD_OK)
        smtpd_refuse(s, smtpd_syntax_reply(e, c->verb));
    else
        return false;
    return true;
}

/* Counts commands that bring no mail. Returns whether there were too many. */
static bool smtpd_too_idle(struct smtpd *s, enum cmd_verb verb)
{
    if (!(CMDS_IDLE & CMD_BIT(verb)) || ++s->n_idle <= s->config->limits.commands_idle)
        return false;
    smtpd_say_close(s, REPLY(421, 4, 7, 0, "too many commands without a mail"), SMTPD_WHY_LIMIT);
    return true;
}

bool smtpd_command(struct smtpd *s, struct span line, int64_t now_ms, struct smtpd_ev *ret)
{
    struct cmd c;
    enum smtpd_state state = s->state;
    enum cmd_error e = cmd_parse(line, s->smtputf8, smtpd_exts(s, s->esmtp), &c);
    s->since_ms = now_ms;
    if (smtpd_refused(s, line, &c, e)) {
        if (c.verb == CMD_BDAT && e == CMD_OK && !smtpd_not_offered(s, c.verb))
            smtpd_chunk_eat(s, c.chunk, state, now_ms);
        return true;
    }
    /* = RFC 5321 4.1.4: EHLO in a session "MUST" act as RSET did. */
    bool hello = c.verb == CMD_HELO || c.verb == CMD_EHLO;
    if (hello && s->in_mail) {
        smtpd_reset(s, true);
        return false;
    }
    if (!smtpd_too_idle(s, c.verb))
        smtpd_obey(s, &c, ret);
    return true;
}
