/* smtpc_rig.h - a client core in a test's hands: brings it to where the test begins, keeps what it
 * says. Every limit of time is a number of its own, so that a deadline names what it is for. */
#ifndef TEST_SMTPC_RIG_H
#define TEST_SMTPC_RIG_H

#include "proto/smtpc_say.h"

enum {
    GREETING = 1000,
    HELO = 2000,
    TLS = 3000,
    MAIL = 4000,
    RCPT = 5000,
    DATA = 6000,
    BLOCK = 7000,
    END = 8000,
    QUIT = 9000,
    START = 500000
};

/* A client, what it said, and the mail it is to send. */
struct smtpc_rig {
    struct smtpc *c;
    struct buf said;
    struct smtpc_ev ev;
    struct envelope envelope;
    struct rcpt one;
    const struct rcpt *rcpts[RCPTS_MAX];
    struct smtpc_mail mail;
};

struct smtpc_rig *rig_new(bool lmtp);
void rig_free(struct smtpc_rig *r);
/* Takes what the client has to say. */
void rig_flush(struct smtpc_rig *r);
/* The peer says so; one event is taken. What the client had to say went out before and goes out
 * after. */
enum smtpc_event rig_says(struct smtpc_rig *r, const char *z, int64_t now_ms);
enum smtpc_event rig_next(struct smtpc_rig *r, int64_t now_ms);
/* Up to READY, with these keywords ("250-PIPELINING\r\n..."). */
void rig_open(struct smtpc_rig *r, const char *keywords);
struct smtpc_rig *rig_ready(const char *keywords);
/* At the point where it gives a body by DATA, or in chunks to a peer with PIPELINING. */
struct smtpc_rig *rig_in_data(uint64_t body_bytes);
struct smtpc_rig *rig_in_chunks(uint64_t body_bytes);
/* Gives zeros as body, `most` or until there is no room; returns how many. */
size_t rig_give(struct smtpc_rig *r, size_t most);

#endif
