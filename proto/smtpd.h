/* smtpd.h - the server half of one SMTP conversation, without any I/O.
 *
 * The caller owns the socket, the TLS engine and the clock. It hands in bytes and the time, takes
 * out events to answer and bytes to send. Nothing here calls back, so nothing can be freed under
 * anybody's feet.
 *
 *     bytes --> smtpd_next() = event --> smtpd_reply() --> smtpd_output() --> bytes
 *
 * Order of use: smtpd_greet; then for each arrival of bytes call smtpd_next until SMTPD_NONE. An
 * event that wants a reply stops the machine until smtpd_reply: smtpd_next then returns SMTPD_NONE
 * and leaves the input alone (that is the backpressure). Commands that need no decision (NOOP,
 * RSET, bad syntax, wrong order, limits) are answered here and never seen outside.
 *
 * Three properties are asserted where they hold: no plain byte is left when TLS starts (T-01),
 * everything learnt before TLS is forgotten (RFC 3207 4.2), and 250 for a body is only ever said by
 * smtpd_reply after SMTPD_BODY_END.
 */
#ifndef PROTO_SMTPD_H
#define PROTO_SMTPD_H

#include "mail/reply.h"
#include "mail/tls_facts.h"
#include "proto/cmd.h"
#include "proto/dot.h"
#include "proto/ext.h"

/* All limits of a session; the one table of defaults stands in gate/limits.c. */
struct smtpd_limits {
    uint64_t message_bytes;   /* SIZE */
    uint64_t text_line_bytes; /* longest line of a message, 0: any */
    unsigned command_bytes;   /* longest command line, CRLF included */
    unsigned rcpts;           /* a transaction */
    unsigned errors;          /* commands refused by syntax or order before 421 */
    unsigned commands_idle;   /* NOOP, RSET, VRFY, EHLO without a mail before 421 */
    unsigned messages;        /* a session */
    int64_t greeting_wait_ms; /* for the first command */
    int64_t command_ms;       /* RFC 5321 4.5.3.2.7 */
    int64_t data_ms;          /* between pieces of a body, 4.5.3.2.5 */
    int64_t body_total_ms;    /* for one whole body */
    int64_t handshake_ms;     /* from STARTTLS to the end of the handshake */
    int64_t session_ms;       /* for everything */
};

struct smtpd_config {
    struct span hostname;
    unsigned exts;     /* EXT_ bits to announce; EXT_STARTTLS only with a usable certificate */
    bool implicit_tls; /* TLS from the first byte: STARTTLS is never announced */
    struct smtpd_limits limits;
};

enum smtpd_event {
    SMTPD_NONE,     /* nothing to answer: read or write more */
    SMTPD_HELO,     /* ev.text: the name; ev.esmtp. Reply 250 (the extensions are added here) */
    SMTPD_STARTTLS, /* reply 220 (or 454), flush, then do the handshake */
    SMTPD_MAIL,     /* ev.addr, ev.mail */
    SMTPD_RCPT,     /* ev.addr, ev.rcpt; one event for each recipient */
    SMTPD_DATA, /* DATA, or the first BDAT: reply 354 to go on (BDAT sends nothing), or refuse */
    SMTPD_BODY, /* ev.text: the next decoded piece, borrowed until the next call; no reply */
    SMTPD_BODY_END, /* store it; reply only when it is durable */
    SMTPD_RESET,    /* forget the transaction (RSET, EHLO, a broken body); no reply wanted */
    SMTPD_CLOSE,    /* send what is left of the output, then hang up; ev.why says why */
};

/* Why a session ended, for the log. */
enum smtpd_why {
    SMTPD_WHY_QUIT,
    SMTPD_WHY_TIMEOUT,
    SMTPD_WHY_ERRORS,
    SMTPD_WHY_FRAMING,
    SMTPD_WHY_EARLY_TALK,
    SMTPD_WHY_INJECTION,
    SMTPD_WHY_REFUSED,
    SMTPD_WHY_LIMIT,
    SMTPD_WHY_HTTP,
    SMTPD_WHY_COUNT_
};
const char *smtpd_why_name(enum smtpd_why w);

struct smtpd_ev {
    struct span text;
    bool esmtp;
    struct addr addr;
    struct mail_params mail;
    struct rcpt_params rcpt;
    enum smtpd_why why;
};

struct smtpd; /* opaque: smtpd.c */

/* config is borrowed for the life of the session (a snapshot). now_ms: monotonic. */
struct smtpd *smtpd_new(const struct smtpd_config *config, int64_t now_ms);
void smtpd_free(struct smtpd *s);

/* Sends the greeting: 220, or another reply (554, 421), after which the session closes. */
void smtpd_greet(struct smtpd *s, const struct reply *r, int64_t now_ms);

/* Eats from *in what it can and returns the next event. SMTPD_NONE: all eaten, or a reply is owed,
 * or so much output waits that no further command is read (call again after smtpd_sent). The
 * event's spans are borrowed from *in or the session until smtpd_reply or the next call. */
enum smtpd_event smtpd_next(struct smtpd *s, struct span *in, int64_t now_ms, struct smtpd_ev *ret);
/* Answers the event that waits, now or in ten minutes. A 421 closes. */
void smtpd_reply(struct smtpd *s, const struct reply *r, int64_t now_ms);
/* Does an event wait for its reply? */
bool smtpd_waiting(const struct smtpd *s);

/* After the 220 to STARTTLS was flushed. ASSERTs that the caller has dropped all plain input. */
void smtpd_tls_started(struct smtpd *s, const struct tls_facts *tls, int64_t now_ms);
/* Says 421 (shutdown, reload of a listener) at the next clean point and closes. */
void smtpd_shutdown(struct smtpd *s, const struct reply *r);

struct span smtpd_output(const struct smtpd *s);
void smtpd_sent(struct smtpd *s, size_t n);
/* Nothing is going on: no half line, no transaction, no output. */
bool smtpd_idle(const struct smtpd *s);
/* When smtpd_timeout must be called: monotonic. */
int64_t smtpd_deadline_ms(const struct smtpd *s);
void smtpd_timeout(struct smtpd *s, int64_t now_ms);

#endif
