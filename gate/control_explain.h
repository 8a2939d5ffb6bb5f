/* control_explain.h - what a worker answers to `explain`, and `postern explain` says by itself from
 * a file of facts: one value, made in one place. It asks what delivery asks: attribution_judge for
 * the way in, way_out for the way out. */
#ifndef GATE_CONTROL_EXPLAIN_H
#define GATE_CONTROL_EXPLAIN_H

#include "ctl/ctl.h"
#include "gate/config.h"
#include "mail/envelope.h"
#include "policy/attribute.h"
#include "policy/explain.h"
#include "policy/suppose.h"

/* What of a client's certificate is told. */
enum explain_chain {
    EXPLAIN_CHAIN_OK,        /* valid, and from an authority that all trust */
    EXPLAIN_CHAIN_EXPIRED,   /* only out of its time */
    EXPLAIN_CHAIN_UNTRUSTED, /* nobody who counts has signed it */
    EXPLAIN_CHAIN_NONE,      /* it shows none */
    EXPLAIN_CHAIN_COUNT_
};

struct explain_ask {
    struct span from, to; /* addresses; from empty: the null sender */
    bool requiretls, tls_required_no;
    struct span org;          /* who sends; empty: as the way in says, else as MAIL FROM's domain */
    struct ip client;         /* IP_NONE: the way in is not looked at */
    struct span client_names; /* of its certificate; commas between. Empty: it shows none */
    struct span client_ca;    /* the root that it chains to: SHA-256, hex; empty: a public one */
    struct span client_cert;  /* or PEM: what of it is true is judged; empty: as the others say */
    enum explain_chain client_chain;
    bool client_plaintext;             /* it does not use TLS */
    int64_t now_ms;                    /* wall: which weakenings hold */
    struct span supposed[SUPPOSE_MAX]; /* suppose.h */
    unsigned n_supposed;
};

/* All that follows without looking at a network. */
struct explained {
    struct explain_ask ask;
    const struct config *config; /* borrowed, as all that is spans */
    struct span domain, local;   /* of the recipient; domain: A-labels */
    bool ours, came_in;          /* came_in: the way in was looked at */
    bool unasked;                /* it has a certificate, and nobody would ask for it */
    struct tls_facts tls;
    struct inbound_facts facts;
    struct inbound_verdict verdict;
    struct envelope envelope; /* as receiving would leave it */
    struct selection way;
    struct suppose suppose;
    bool from_file; /* the caller's: the facts of the destination were read from a file */
};
/* From the fields of a request (docs/control.md); now_ms: when it names no time. Strings are the
 * request's. ERR_SYNTAX: why. */
MUST_USE enum err explain_ask_read(const struct ctl *in, int64_t now_ms, struct explain_ask *ret,
                                   struct why *why);
/* *ret stays where it is: it points into itself. Strings are the arena's, ask's and config's.
 * ERR_SYNTAX: an address that is none, or an organisation that is not there; why says so, and *ret
 * is of no use. */
MUST_USE enum err explain_find(const struct config *c, const struct explain_ask *ask,
                               struct arena *a, struct explained *ret, struct why *why);
/* What is to be supposed of the destination, in a copy of what is known of it; *ret is the arena's,
 * or `known` when nothing is. known: NULL, nothing was looked up. ERR_SYNTAX, ERR_TOO_BIG: why. */
MUST_USE enum err explain_suppose(struct explained *e, const struct facts *known, struct arena *a,
                                  const struct facts **ret, struct why *why);
/* All fields of the answer (docs/control.md). facts: of the destination; NULL: none. */
void explain_put(const struct explained *e, const struct facts *facts, struct ctl *out);

#endif
