/* replay_read.h - lines of the trace, read back as the facts that decisions were made from. Pure.
 *
 * What a line does not say is said to be unknown, never filled in: lines have a bound, and older
 * versions wrote fewer keys. */
#ifndef CLI_REPLAY_READ_H
#define CLI_REPLAY_READ_H

#include "ctl/ctl.h"
#include "mail/addr.h"
#include "policy/facts.h"

struct replay_rcpt {
    struct addr addr;
    struct span domain; /* A-labels, lower case */
};

/* TLS facts of a line. */
struct replay_tls {
    struct tls_facts facts;
    bool whole; /* false: the line was too short for all of them */
};

/* How a message came: of "accepted", "refused", "notification". */
struct replay_in {
    int64_t time_ms; /* wall */
    struct addr from;
    struct ip client;
    struct replay_tls tls;
    bool unasked; /* nobody asked the client for a certificate */
    struct replay_rcpt *rcpt;
    unsigned n_rcpt;
    bool all; /* false: there were more recipients than the line has */
    struct span org, rule;
    bool requiretls, tls_required_no;
};

/* How an attempt went: of "delivered", "deferred", "bounced", "expired". */
struct replay_out {
    int64_t time_ms; /* wall */
    struct replay_rcpt to;
    struct span connector;
    struct span contract; /* as contract_print wrote it */
    struct replay_tls tls;
    bool channel; /* mail could be spoken of: the channel was what the contract asked */
    bool broken;  /* it failed because of TLS */
    bool delivered;
    bool told;              /* there is something in `host` */
    struct host_facts host; /* what was learnt by trying */
    unsigned n_host;        /* of the destination; 0: not told */
};

/* Strings are the arena's and the line's. ERR_SYNTAX: it lacks what is needed; *ret untouched.
 * ERR_TOO_BIG: the arena is full. */
MUST_USE enum err replay_read_in(const struct ctl *line, struct arena *a, struct replay_in *ret);
MUST_USE enum err replay_read_out(const struct ctl *line, struct arena *a, struct replay_out *ret);

#endif
