/* smtpc_say.h - the inside of a client session, shared by its two halves and by nobody else:
 * smtpc_say.c utters (commands, parameters, bodies), smtpc.c hears (replies, events, deadlines).
 *
 * Every command that is uttered leaves one entry in the ring `asked`; a reply belongs to the first
 * entry. That is all there is to pipelining: what is awaited is never guessed from a state.
 *
 *     say ->  [ RSET | MAIL | RCPT | RCPT | DATA ]  -> hear
 *             last asked              first asked
 */
#ifndef PROTO_SMTPC_SAY_H
#define PROTO_SMTPC_SAY_H

#include "mail/addr.h"
#include "proto/smtpc.h"

enum {
    SMTPC_ASKED_MAX = 128,             /* commands in flight: 100 recipients go at once */
    SMTPC_CHUNK_BYTES = 256 * 1024,    /* one BDAT */
    SMTPC_EARLY_BYTES = 64 * 1024,     /* bodies that go along before a recipient is accepted */
    SMTPC_BODY_OUT_BYTES = 256 * 1024, /* output at which no more body is taken */
    SMTPC_STEP_BYTES = 16 * 1024,      /* progress smaller than this is none */
    SMTPC_COMMAND_BYTES = 4096,        /* the longest command: address, ENVID or ORCPT */
    SMTPC_PARAM_BYTES = 1000,          /* ENVID and ORCPT */
    SMTPC_OUT_BYTES = SMTPC_BODY_OUT_BYTES + 4 * SMTPC_COMMAND_BYTES,
};

/* What is waited for. smtpc.c has the table: names, codes, limits, words. */
enum smtpc_wait {
    SMTPC_WAIT_GREETING,
    SMTPC_WAIT_EHLO,
    SMTPC_WAIT_HELO,
    SMTPC_WAIT_STARTTLS,
    SMTPC_WAIT_RSET,
    SMTPC_WAIT_MAIL,
    SMTPC_WAIT_RCPT,
    SMTPC_WAIT_DATA,
    SMTPC_WAIT_CHUNK, /* a BDAT that is not the last */
    SMTPC_WAIT_END,   /* the final dot, or BDAT LAST */
    SMTPC_WAIT_QUIT,
    SMTPC_WAIT_HANDSHAKE, /* from here on no reply: the caller's handshake, */
    SMTPC_WAIT_BLOCK,     /* the peer's reading of the body, */
    SMTPC_WAIT_NOTHING,   /* the caller's next wish */
    SMTPC_WAIT_COUNT_
};

/* One command in flight. Offsets count the bytes ever sent, modulo 2^32. */
struct smtpc_asked {
    enum smtpc_wait wait;
    uint32_t end;   /* of the command line: no reply may come before it was sent */
    uint32_t chunk; /* bytes of body that follow the line: no good reply before those */
};

enum smtpc_state {
    SMTPC_ST_TALK,      /* a reply is awaited outside of any mail */
    SMTPC_ST_IDLE,      /* EHLO is answered, nothing is going on */
    SMTPC_ST_HANDSHAKE, /* the bytes are not ours until smtpc_tls_started */
    SMTPC_ST_MAIL,      /* a transaction */
    SMTPC_ST_QUIT,
    SMTPC_ST_HANGUP, /* SMTPC_CLOSED is due */
    SMTPC_ST_OVER,   /* SMTPC_FAILED or SMTPC_CLOSED was said */
};

/* What of the transaction is to be uttered next. */
enum smtpc_step {
    SMTPC_SAY_RSET,
    SMTPC_SAY_MAIL,
    SMTPC_SAY_RCPT,
    SMTPC_SAY_DATA,
    SMTPC_SAY_DOTS,   /* 354 came: body with dots */
    SMTPC_SAY_CHUNKS, /* body in BDATs */
    SMTPC_SAY_NOTHING,
};

struct smtpc_tx {
    const struct smtpc_mail *mail;
    enum smtpc_step step;
    unsigned rcpt_said, rcpt_heard, accepted;
    uint8_t *accepted_bits; /* one a recipient */
    unsigned result_i;      /* LMTP: the next recipient that may be owed a result */
    uint64_t body_left;     /* not given yet */
    uint32_t chunk_left;    /* of the BDAT that was announced */
    bool body_asked;        /* SMTPC_BODY was said and not followed yet */
    bool body_begun, body_ended;
    bool mail_refused;
    bool stopped; /* the outcome is known; only what is in flight is brought to its end */
    struct dot_encoder dots;
    int code;             /* the reply for all accepted recipients, 0: none */
    struct status status; /* its text is in smtpc.kept */
};

struct smtpc {
    struct smtpc_config config; /* its hostname is a copy in `hostname` */
    struct buf hostname, peer_name;
    enum smtpc_state state;
    bool tls;
    bool dirty; /* the peer may still hold a transaction: RSET before the next MAIL */
    unsigned exts;
    uint64_t size_max; /* as announced; 0: none */
    struct reply_parser parser;
    struct buf out, kept;
    uint32_t sent; /* bytes ever sent */
    size_t moved;  /* of them since the deadline was set */
    bool rearm;    /* something happened: the deadline starts anew */
    int64_t deadline_ms;
    const char *why; /* the session is to fail with these words */
    struct smtpc_asked asked[SMTPC_ASKED_MAX];
    unsigned asked_first, n_asked;
    struct smtpc_tx tx;
};

/* Sets the deadline anew when something happened since it was set (smtpc.c). */
void smtpc_arm(struct smtpc *c, int64_t now_ms);

static inline bool smtpc_has(const struct smtpc *c, enum ext ext)
{
    return (c->exts & (unsigned)ext) != 0;
}
/* The entry that the next reply belongs to; ASSERT: there is one. */
const struct smtpc_asked *smtpc_asked_first(const struct smtpc *c);

/* Bytes of a command, then smtpc_asked_add: its reply is awaited. */
void smtpc_asked_add(struct smtpc *c, enum smtpc_wait wait, uint32_t chunk);
void smtpc_asked_drop(struct smtpc *c);

/* EHLO or LHLO, or HELO. All that EHLO taught before is forgotten. */
void smtpc_say_hello(struct smtpc *c, enum smtpc_wait which);
/* All of the transaction that may be uttered now. */
void smtpc_say_more(struct smtpc *c);
/* The end of a body nobody will get: one dot (RFC 2920 3.1). */
void smtpc_say_lone_dot(struct smtpc *c);

#endif
