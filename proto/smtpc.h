/* smtpc.h - the client half of one SMTP or LMTP conversation, without any I/O.
 *
 *     smtpc_new -> [SMTPC_READY] -> smtpc_starttls -> [SMTPC_STARTTLS] -> handshake
 *               -> smtpc_tls_started -> [SMTPC_READY] -> smtpc_send -> [SMTPC_BODY]* [SMTPC_RCPT]*
 *               -> [SMTPC_SENT] -> smtpc_send ... or smtpc_quit -> [SMTPC_CLOSED]
 *
 * The caller decides at each SMTPC_READY what the contract allows; the core knows one hard rule of
 * its own: with need_tls it cannot utter MAIL before smtpc_tls_started (T-04), it asserts that.
 * What was learnt before TLS is forgotten at smtpc_tls_started (T-03); bytes behind the 220 to
 * STARTTLS are fatal (T-02). Whatever the peer sends, output and memory stay bounded.
 */
#ifndef PROTO_SMTPC_H
#define PROTO_SMTPC_H

#include "mail/envelope.h"
#include "mail/reply.h"
#include "proto/dot.h"
#include "proto/ext.h"

/* RFC 5321 4.5.3.2, and shorter where the field is shorter. */
struct smtpc_limits {
    int64_t greeting_ms, helo_ms, starttls_ms, mail_ms, rcpt_ms, data_ms, block_ms, end_ms, quit_ms;
};

struct smtpc_config {
    struct span hostname; /* EHLO name */
    bool lmtp;            /* LHLO, one reply a recipient after the body (RFC 2033) */
    bool local;           /* a socket of this machine: REQUIRETLS asks nothing of it */
    bool need_tls;        /* MAIL is impossible before TLS */
    bool implicit_tls;    /* TLS was there before the greeting */
    struct smtpc_limits limits;
};

enum smtpc_event {
    SMTPC_NONE,     /* read or write more */
    SMTPC_READY,    /* EHLO is answered: smtpc_exts() is known; decide what to do */
    SMTPC_STARTTLS, /* 220 came and nothing behind it: start the handshake now */
    SMTPC_NO_TLS,   /* STARTTLS was refused; ev.reply. The session may go on in clear, or quit */
    SMTPC_RCPT,     /* ev.i, ev.reply: the answer to one RCPT */
    SMTPC_BODY,     /* give the next piece with smtpc_body, now or later (or several, until
                       smtpc_body_room() is 0); said once, and again after a piece came */
    SMTPC_SENT,     /* the transaction ended: ev.reply is for all accepted recipients (SMTP), or an
                       SMTPC_RESULT came for each before (LMTP). Another mail may follow */
    SMTPC_RESULT,   /* LMTP: ev.i, ev.reply: the final answer for one accepted recipient */
    SMTPC_FAILED,   /* the session is of no use: ev.reply (always 4xx or 5xx) when the peer said why
                       (421, bad greeting), ev.why in any case. If a body was fully sent and
                       unanswered, ev.unknown is set */
    SMTPC_CLOSED,   /* QUIT is answered (or need not be): hang up */
};

struct smtpc_ev {
    unsigned i;
    struct reply reply;     /* code 0: none; text valid until the next call */
    const char *why;        /* static words: "timeout waiting for the greeting" */
    bool unknown;           /* the end of the body was sent, the answer never came */
    bool whole_transaction; /* SMTPC_SENT: MAIL itself was refused: reply is for every recipient */
};

/* One transaction. Borrowed until SMTPC_SENT or SMTPC_FAILED. */
struct smtpc_mail {
    const struct envelope *envelope;
    const struct rcpt *const *rcpt;
    unsigned n_rcpt;
    uint64_t body_bytes;
};

struct smtpc; /* opaque: smtpc_say.h */

struct smtpc *smtpc_new(const struct smtpc_config *config, int64_t now_ms);
void smtpc_free(struct smtpc *c);

enum smtpc_event smtpc_next(struct smtpc *c, struct span *in, int64_t now_ms, struct smtpc_ev *ret);

/* After SMTPC_READY. Asks for TLS; ASSERT: not under TLS. */
void smtpc_starttls(struct smtpc *c, int64_t now_ms);
/* ASSERTs that SMTPC_STARTTLS was the last event. EHLO is said again. */
void smtpc_tls_started(struct smtpc *c, const struct tls_facts *tls, int64_t now_ms);

/* Can this mail go to this peer at all? Before smtpc_send, after READY: SIZE, SMTPUTF8, 8BITMIME,
 * BINARYMIME, REQUIRETLS (of a notification only that there is TLS, RFC 8689 5). *ret: the reply
 * that the bounce will quote (5.3.4, 5.6.7, 5.6.3, 5.6.1, 5.7.30; 5.1.3 for an address or parameter
 * that cannot be written on a line). */
MUST_USE enum err smtpc_fits(const struct smtpc *c, const struct smtpc_mail *m, struct reply *ret);

/* Starts a transaction. With PIPELINING all of MAIL, RCPT.. and DATA or BDAT go at once; with
 * CHUNKING too, and a body of at most 64 KiB, the body goes along without waiting (RFC 3030). In
 * LMTP the body waits for the recipients. mail is borrowed. ASSERTs what smtpc_fits refuses of
 * addresses and parameters. */
void smtpc_send(struct smtpc *c, const struct smtpc_mail *mail, int64_t now_ms);
/* How many bytes of body may be given now; 0: none, wait for SMTPC_BODY. May be asked at any time.
 */
size_t smtpc_body_room(const struct smtpc *c);
/* The next piece; the core knows from body_bytes when it was the last. */
void smtpc_body(struct smtpc *c, struct span piece, int64_t now_ms);

void smtpc_quit(struct smtpc *c, int64_t now_ms);

unsigned smtpc_exts(const struct smtpc *c);
bool smtpc_ready(const struct smtpc *c); /* smtpc_send may be called */
/* From the reply to EHLO; empty when it was no plain ASCII word. Valid until TLS or the end. */
struct span smtpc_peer_name(const struct smtpc *c);

struct span smtpc_output(const struct smtpc *c);
void smtpc_sent(struct smtpc *c, size_t n);
int64_t smtpc_deadline_ms(const struct smtpc *c);
/* The deadline passed; the next smtpc_next says SMTPC_FAILED. */
void smtpc_timeout(struct smtpc *c, int64_t now_ms);
/* The peer closed, or the socket broke; likewise, but whole replies at hand are heard first. */
void smtpc_broken(struct smtpc *c, const char *why);

#endif
