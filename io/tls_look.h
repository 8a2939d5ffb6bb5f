/* tls_look.h - certificates for people: what is in one, and what a peer has shown, as it came.
 * Nothing here judges; that is in mail/tls_facts.h. */
#ifndef IO_TLS_LOOK_H
#define IO_TLS_LOOK_H

#include "base/arena.h"
#include "base/why.h"

struct tls_certificate {
    struct span subject, issuer; /* RFC 2253, for people */
    struct span serial;          /* hex */
    struct span names;           /* DNS names, blanks between */
    struct span permitted;       /* of an authority: domains, blanks between */
    struct span sha256, spki;    /* of the certificate, of its public key; hex */
    int64_t from_ms, until_ms;   /* wall */
};
/* Of the first certificate of a text. Strings are the arena's. ERR_SYNTAX: there is none. */
MUST_USE enum err tls_certificate_read(struct span pem, struct arena *a,
                                       struct tls_certificate *ret, struct why *why);

enum { TLS_LOOK_CHAIN_MAX = 10, TLS_LOOK_ARENA_MAX = 256 * 1024 };

/* Of the server, after a whole handshake as its client. */
struct tls_look {
    struct tls_certificate chain[TLS_LOOK_CHAIN_MAX]; /* in the order in which they came */
    unsigned n_chain, n_received;                     /* n_received: with those left out */
    bool asked, shown; /* for a certificate of ours; and it was sent one */
};
struct tls;
/* a: room for TLS_LOOK_ARENA_MAX more. */
void tls_look(const struct tls *t, struct arena *a, struct tls_look *ret);

#endif
