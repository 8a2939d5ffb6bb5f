/* smtpd_private.h - what smtpd.c and smtpd_cmd.c share, and nobody else: the session itself.
 *
 *   input line -> smtpd_line.c -> smtpd_cmd.c  -> an answer of our own, or an event that waits
 *   input body -> smtpd_body.c -> smtpd.c      -> pieces, and the end
 */
#ifndef PROTO_SMTPD_PRIVATE_H
#define PROTO_SMTPD_PRIVATE_H

#include "proto/smtpd.h"
#include "proto/smtpd_body.h"
#include "proto/smtpd_line.h"

/* In the order of a session. */
enum smtpd_state {
    STATE_NEW,    /* not greeted yet */
    STATE_START,  /* greeted, or TLS is new: nothing is known */
    STATE_READY,  /* HELO was said */
    STATE_MAIL,   /* in a transaction without recipients */
    STATE_RCPT,   /* in a transaction with recipients */
    STATE_CHUNKS, /* between two chunks of a message */
    STATE_BODY,   /* in DATA or in a chunk */
    STATE_TLS,    /* 220 to STARTTLS is said: not a plain byte may come */
    STATE_CLOSED,
    STATE_COUNT_
};

#define CMD_BIT(v) (1u << (v))
enum {
    CMDS_ALWAYS = CMD_BIT(CMD_HELO) | CMD_BIT(CMD_EHLO) | CMD_BIT(CMD_RSET) | CMD_BIT(CMD_NOOP) |
                  CMD_BIT(CMD_QUIT) | CMD_BIT(CMD_VRFY) | CMD_BIT(CMD_HELP),
};

struct smtpd_row {
    const char *name;
    unsigned cmds;  /* which commands are in order */
    size_t wait_at; /* how long the peer may be silent: a member of struct smtpd_limits */
};
extern const struct smtpd_row smtpd_states[STATE_COUNT_];

struct smtpd {
    const struct smtpd_config *config;
    struct smtpd_line line;
    struct buf out;
    struct buf bye; /* what smtpd_shutdown wants said, in wire form */
    struct smtpd_body body;
    int64_t start_ms, since_ms, body_ms;
    uint64_t chunk;               /* of the BDAT that waits for its reply */
    enum smtpd_event asked;       /* waits for its reply; SMTPD_NONE: nothing does */
    enum smtpd_event told;        /* to be returned now */
    enum smtpd_state state, back; /* back: where to go after a refused chunk */
    enum smtpd_why why;
    enum body_kind body_kind;
    unsigned n_rcpt, n_rcpt_over, n_errors, n_idle, n_messages;
    bool tls, esmtp, esmtp_asked, smtputf8;
    bool in_mail;   /* MAIL was accepted */
    bool by_chunks; /* the event that waits came from BDAT */
    bool chunk_last;
    bool body_started; /* the first chunk was announced and accepted */
    bool reset_due;    /* SMTPD_RESET is to be told */
    bool close_told;
};

STATIC_ASSERT(sizeof(struct smtpd) < 600);

/* The extensions that a client may use now, who said EHLO or (esmtp is false) HELO. */
unsigned smtpd_exts(const struct smtpd *s, bool esmtp);
void smtpd_say(struct smtpd *s, struct reply r);
/* Says a last reply and closes. */
void smtpd_say_close(struct smtpd *s, struct reply r, enum smtpd_why why);
/* Counts a refused command, and says the refusal, or 421 when there were too many. */
void smtpd_refuse(struct smtpd *s, struct reply r);
/* The transaction is over. The caller of smtpd_next is told when it was not his own doing. */
void smtpd_reset(struct smtpd *s, bool tell);
/* Leaves the command to the caller of smtpd_next. */
void smtpd_ask(struct smtpd *s, enum smtpd_event e);
/* Goes on with the body of which a chunk was announced. */
void smtpd_chunk_begin(struct smtpd *s);
/* A chunk that comes with a refused BDAT is read and thrown away, so that it cannot become
 * commands; then the session goes on in `back`. */
void smtpd_chunk_eat(struct smtpd *s, uint64_t n, enum smtpd_state back, int64_t now_ms);

/* Takes one whole line. Returns false when it must be given again, after the caller of smtpd_next
 * was told to forget the transaction. */
bool smtpd_command(struct smtpd *s, struct span line, int64_t now_ms, struct smtpd_ev *ret);

#endif
