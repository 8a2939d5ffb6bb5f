/* decide.h - the heart: what may be done, from configuration, facts and message. Pure.
 *
 * Delivery obeys it, `postern explain` prints it before anything is sent, the simulator checks it
 * against an oracle of its own. Nothing else in the program decides about channels.
 *
 *   decide_route -> decide_plan -> [connect, EHLO] -> decide_greeted -> [handshake] ->
 * decide_secured
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "mail/reply.h"
#include "policy/facts.h"
#include "policy/route.h"

/* What a message brings to the decision. */
struct message_facts {
    struct span from;
    bool requiretls, tls_required_no;
};

enum step {
    STEP_CONNECT,   /* try this host */
    STEP_STARTTLS,  /* ask for TLS now */
    STEP_SEND,      /* the channel is what the contract asks: mail may pass */
    STEP_PLAINTEXT, /* connect anew to the same host and do not ask for TLS */
    STEP_NEXT_HOST, /* this host will not do */
    STEP_DEFER,     /* no host will do now; reply says why (4xx) */
    STEP_BOUNCE,    /* never (5xx) */
};
const char *step_name(enum step s);

struct verdict {
    enum step step;
    struct contract contract;
    struct reply reply; /* DEFER, BOUNCE: what the sender will read; NEXT_HOST: what they will read
                         * if no host does better; static text */
    const char *why;    /* one sentence, static: the rule that spoke */
    enum breach breach; /* what the channel broke; facts keep it in host_facts.breach */
};

/* Replies. 450 X.4.317 and X.7.320 are the codes that Exchange Online documents for an outbound
 * channel that does not reach the level of TLS that is forced, and for its certificate; 4 while it
 * is tried again, 5 with the same digits when it bounces (retry_final_reply).
 *
 *   450 4.4.317  no STARTTLS, handshake failed, version too old, no forward secrecy
 *   450 4.7.320  the certificate: its chain, time, revocation or name, which the text tells apart
 *   451 4.4.1    no connection, or it was lost       451 4.4.3  DNS cannot tell
 *   550 5.1.2    no such domain (NXDOMAIN)           556 5.1.10 null MX (RFC 7505)
 *   550 5.4.4    no host has an address              554 5.4.6  mail would loop
 */

/* The contract of a recipient by route and message; before any network. REQUIRETLS raises it to
 * TLS_NEED_ENCRYPT at least, unless the route's last hop crosses no network. */
struct contract decide_contract(const struct route *r, const struct message_facts *m);

/* Facts are gathered: may host i be tried? Hosts that are us end the list (RFC 5321 5.1: only
 * better preferences count); null MX, no such domain, loops bounce; unknown facts defer. NEXT_HOST:
 * ask for i + 1. i == n_host: the list is used up: DEFER with the last failure, as far as the facts
 * hold it (connected, starttls_offered, handshake, channel and breach of the hosts). */
struct verdict decide_plan(const struct contract *c, const struct facts *f, unsigned i);

/* The host whose failure the end of the list speaks of; NULL: none was tried. */
const struct host_facts *decide_last_failure(const struct facts *f);

/* EHLO is answered in clear: starttls_offered of host i is known. STEP_STARTTLS where it is
 * offered, unless handshake says that it was tried just now and failed: then it is as if not
 * offered. */
struct verdict decide_greeted(const struct contract *c, const struct host_facts *h);

/* A handshake ended, well (tls) or not (tls NULL: h->handshake == TRI_NO), or STARTTLS was refused.
 */
struct verdict decide_secured(const struct contract *c, const struct host_facts *h,
                              const struct tls_facts *tls);

#endif
