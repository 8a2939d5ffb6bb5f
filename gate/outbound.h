/* outbound.h - the story of delivering: one session to one destination, stage by stage.
 *
 * The stage table in outbound.c is the one source of the control flow: what a stage does, where it
 * may go, how long it may take. docs/outbound.md's picture is made from it.
 */
#ifndef GATE_OUTBOUND_H
#define GATE_OUTBOUND_H

#include "gate/sched.h"

enum stage {
    STAGE_RESOLVE, /* gather all facts */
    STAGE_PLAN,    /* which host next, by decide_plan */
    STAGE_CONNECT,
    STAGE_GREET,  /* banner, EHLO */
    STAGE_SECURE, /* STARTTLS, handshake */
    STAGE_CHECK,  /* is this the channel we must have? */
    STAGE_SEND,   /* one job: MAIL, RCPT, body */
    STAGE_IDLE,   /* open, waiting for more mail */
    STAGE_QUIT,
    STAGE_OVER,
    STAGE_COUNT_
};

struct stage_row {
    const char *name;
    const char *does;
    unsigned next;     /* bits of stages that may follow */
    const char *limit; /* which limit bounds it */
};
const struct stage_row *outbound_stages(void);

/* Opens a session and takes its first job from d. */
void outbound_start(struct dest *d);
/* An idle session (its member of dest.idle, already taken out) gets more mail. */
void outbound_more(struct list *member);
/* Ends an idle session, likewise. */
void outbound_end(struct list *member);

/* Maildir has no session: each job is one hand-over to the file thread. */
void outbound_maildir(struct job *j);

#endif
