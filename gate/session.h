/* session.h - the inside of an outgoing session, shared by its two halves: outbound.c makes the
 * channel what the contract asks, transfer.c moves jobs across it. Nobody else includes this. */
#ifndef GATE_SESSION_H
#define GATE_SESSION_H

#include "gate/carry.h"
#include "gate/outbound.h"
#include "gate/report.h"
#include "gate/resolve.h"
#include "gate/seal.h"
#include "io/conn.h"
#include "proto/smtpc.h"

struct session {
    struct list idle; /* dest.idle, or alone */
    struct dest *dest;
    struct worker *w;
    enum stage stage;
    unsigned epoch; /* counts connections and the end: an event of an older one is void */
    struct defer gone;
    struct resolve_query *query;
    struct facts facts;       /* strings are the query's and the session arena's */
    unsigned host;            /* in facts */
    struct contract contract; /* of that host: decide_host_contract; before PLAN the destination's.
                                 Its TLSA records are those of facts */
    bool in_clear;            /* TLS failed here before and the contract lets mail go without */
    struct conn *conn;
    bool handshake; /* conn is in one */
    struct smtpc *smtpc;
    struct arena arena; /* words about hosts; as long as the session */
    struct buf detail;  /* the channel's story */
    struct buf broken;  /* TLS facts of the last host whose channel broke the contract */
    unsigned jobs_done;

    /* the job at hand: transfer.c */
    struct job *job;
    struct arena job_arena;
    struct reply *reply; /* one a recipient; code 0: none yet */
    const struct rcpt **rcpt;
    struct smtpc_mail mail;
    int64_t started_ms;        /* wall */
    bool heard;                /* the peer answered something of this job */
    uint64_t body_read;        /* of the message as stored */
    uint64_t body_sent;        /* given to the core */
    struct span piece;         /* read and not given yet: of the body, chunk or firewall */
    struct firewall *firewall; /* it goes through this one; NULL: as it is stored */
    struct sealing *sealing;   /* to one of our nodes: the field before it; else NULL */
    bool weighed;              /* mail.body_bytes is what the firewall keeps, and the field */
    struct body *chunk;        /* of a body that is in the store: the one that is being read */
    struct chunk_load *loading;
};

static inline int64_t session_now(const struct session *s)
{
    return loop_now_ms(s->w->loop);
}

/* --- outbound.c --- */

void session_move(struct session *s, enum stage stage);
/* A sentence of the channel's story, for the trace. */
void session_tell(struct session *s, const char *what, struct span detail);
/* The session ends; a job it still has gets this reply. failed: no mail could pass. */
void session_end(struct session *s, const struct reply *r, bool failed);
/* Lets the core say and hear what it can. */
void session_pump(struct session *s, struct span *in);

/* --- transfer.c --- */

/* Takes the first job; false: there is none left. */
bool transfer_begin(struct session *s);
/* STAGE_SEND begins, or goes on after a job: sends the next one, or rests. */
void transfer_next(struct session *s);
/* Events of the core: RCPT is answered; LMTP: a recipient's final answer; the transaction ended;
 * body is wanted (false: it waits for the store). */
void transfer_rcpt(struct session *s, const struct smtpc_ev *ev);
void transfer_result(struct session *s, const struct smtpc_ev *ev);
void transfer_sent(struct session *s, const struct smtpc_ev *ev);
bool transfer_body(struct session *s);
/* The job goes back untried. */
void transfer_put_back(struct session *s);
/* The session ends: whoever has no answer yet gets this one. */
void transfer_give_up(struct session *s, const struct reply *r);
void transfer_free(struct session *s);

#endif
