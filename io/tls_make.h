/* tls_make.h - makes certificates for a link with one partner: a private authority that can sign
 * for the partner's domains only, and certificates below it. Reads what it is given. No sessions,
 * no files.
 *
 * The authority: ECDSA P-256, signs itself, path length 0, name constraints (RFC 5280 4.2.1.10,
 * critical) that permit DNS names of those domains and exclude all IP addresses. What it signs: for
 * servers and clients, names as DNS names, checked against those constraints here too. Of a request
 * (RFC 2986) only the public key and the proof that the partner has its private one are used;
 * extensions that it asks for are not.
 *
 * Keys are PEM without a pass phrase; whoever holds a buffer with one wipes it. */
#ifndef IO_TLS_MAKE_H
#define IO_TLS_MAKE_H

#include "base/buf.h"
#include "base/why.h"

enum { TLS_MAKE_PEM_MAX = 64 * 1024, TLS_MAKE_NAMES_MAX = 100 };

struct tls_ca_ask {
    struct span organisation, unit; /* of the subject, 64 bytes each at most, UTF-8 */
    const struct span *domain;      /* A-labels; what is below them is permitted too */
    unsigned n_domain;              /* 1..TLS_MAKE_NAMES_MAX */
    int64_t from_ms, until_ms;      /* wall */
};
/* Appends the certificate and its key. ERR_SYNTAX: a domain or name that no certificate can hold;
 * ERR_TOO_BIG: no room. why. */
MUST_USE enum err tls_make_ca(const struct tls_ca_ask *ask, struct buf *ret_certificate,
                              struct buf *ret_key, struct why *why);

/* Appends a new ECDSA P-256 key. ERR_TOO_BIG: no room. */
MUST_USE enum err tls_make_key(struct buf *ret);

struct tls_leaf_ask {
    struct span ca_pem, ca_key_pem;
    struct span request_pem, key_pem; /* one of them: whose public key it is for */
    const struct span *name;          /* A-labels; the first is the common name, too */
    unsigned n_name;                  /* 1..TLS_MAKE_NAMES_MAX */
    int64_t from_ms, until_ms;        /* wall; never longer than the authority's own */
};
/* Appends the certificate. ERR_SYNTAX: what was given cannot be read, or the key is not the
 * authority's. ERR_REFUSED: the request is not signed with its own key, the key is weak, a name is
 * outside of the constraints, or the authority is over. ERR_TOO_BIG. why. */
MUST_USE enum err tls_make_leaf(const struct tls_leaf_ask *ask, struct buf *ret, struct why *why);

/* The DNS names that a request asks for, else its common name; a line each. As tls_make_leaf. */
MUST_USE enum err tls_request_names(struct span request_pem, struct buf *ret, struct why *why);

#endif
