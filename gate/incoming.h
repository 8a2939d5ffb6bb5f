/* incoming.h - one message on its way in: envelope, body, spooling, commit.
 *
 * Born at MAIL, dies at RSET, or lives on without its session once it was handed to the store: a
 * client that hangs up between the last dot and our 250 changes nothing. Bodies over a chunk or two
 * go to the store as they come, so a session holds at most INCOMING_MEMORY_MAX of them.
 */
#ifndef GATE_INCOMING_H
#define GATE_INCOMING_H

#include "gate/seal.h"
#include "gate/worker.h"
#include "mail/firewall.h"
#include "mail/header.h"
#include "proto/smtpd.h"

enum { INCOMING_MEMORY_MAX = 2 * 1024 * 1024, INCOMING_APPENDS_MAX = 4 };

struct org;
struct out_connector;

struct incoming {
    struct worker *worker;
    struct config *config; /* held */
    struct arena arena;
    struct envelope envelope;
    struct span from_domain; /* of MAIL FROM, A-labels; without organisations nobody asks */
    unsigned rcpt_cap;
    bool esmtp;
    struct body *body; /* what is not yet appended to the store */
    uint64_t body_bytes;
    /* It comes over an on-premises connector with trust_headers, of org (of config). Said before
     * incoming_start. */
    bool trusted;
    const struct org *org;
    struct unseal *unseal; /* the client is one of our nodes: what it signs; else NULL */
    uint64_t conn;         /* of the client */
    struct {
        const struct org *org; /* whose probe address is the only recipient; NULL: it is mail */
        struct span domain, to;
    } probe;
    uint64_t refusal;                  /* trace id of what was refused of it; 0: nothing */
    unsigned n_told;                   /* refusals, and what would be one */
    struct span would_refuse;          /* what connectors in test mode say of it; or empty */
    const struct out_connector **rule; /* that a header may name: for each watch of the scan */
    struct firewall firewall;
    struct header_scan scan; /* of what the firewall keeps */
    unsigned chunks_before, appends_pending;
    enum err append_failed; /* of a chunk, or ERR_OK */
    bool abandoned, committing;
    struct store_op op;
    struct timer late; /* the store takes too long */
    struct store_new put;
    char trace[STORE_TRACE_MAX];
    /* Told of the commit (ERR_TIMEOUT: nobody knows yet whether it comes), and of room after
     * backpressure; NULL arg: the session left. */
    void (*committed)(void *arg, struct incoming *m, enum err result);
    void (*room)(void *arg);
    void *arg;
};

/* from, helo, tls are copied. */
struct incoming *incoming_new(struct worker *w, struct config *c, const struct smtpd_ev *mail);
/* The session has no more use for it: RSET, a broken body, or it left. Frees now or when the store
 * is done with it. */
void incoming_drop(struct incoming *m);

/* ERR_TOO_BIG: the envelope is full. domain: A-labels. */
MUST_USE enum err incoming_rcpt(struct incoming *m, const struct smtpd_ev *ev, struct span domain);
/* DATA was allowed: takes an id, writes our Received. */
void incoming_start(struct incoming *m, struct span helo, bool esmtp, const struct ip *client,
                    const struct tls_facts *tls);
void incoming_body(struct incoming *m, struct span in);
/* Wait for room() before more body. */
bool incoming_full(const struct incoming *m);
/* The body is whole. true: it is not taken, and *ret says why: it loops, or one of our nodes hands
 * it over and what it signed does not hold, or it comes over a
 * connector that trusts headers and one of them says that another organisation has sent it. All
 * tenants of a large provider show one certificate: who comes by a connector may not be who it is
 * for. */
bool incoming_refused(struct incoming *m, struct reply *ret);
/* Hands the whole to the store; committed() follows, unless it was dropped. */
void incoming_commit(struct incoming *m);

#endif
