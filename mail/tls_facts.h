/* tls_facts.h - what a finished handshake showed. A plain value: recorded for every message,
 * written into Received, judged by policy. The strings live as long as the connection's TLS engine,
 * or as the arena they were copied into. */
#ifndef MAIL_TLS_FACTS_H
#define MAIL_TLS_FACTS_H

#include "base/arena.h"

/* What a CRL or an OCSP answer says of the peer's chain. */
enum tls_revoked { TLS_REVOKED_UNKNOWN, TLS_REVOKED_NO, TLS_REVOKED_YES };

/* Did the certificate match the host's TLSA records (RFC 7672 3)? DANE-EE ignores names and dates;
 * DANE-TA looks at both, and at no anchor but the record's: neither of them at the public roots.
 * What the chain is worth by those (chain_ok, expired, name_ok) is reported beside it. */
enum tls_dane {
    TLS_DANE_UNKNOWN, /* not asked for, or it cannot be told */
    TLS_DANE_NO,      /* no record matches */
    TLS_DANE_EE,      /* a DANE-EE record matches the server's certificate or key */
    TLS_DANE_TA, /* a DANE-TA record matches an issuer; the chain is in time and names the host */
    TLS_DANE_EXPIRED, /* DANE-TA matches, but a certificate on the way is out of its time */
    TLS_DANE_NAME,    /* DANE-TA matches, but the certificate has none of the names that count:
                         the TLSA base domain, the next-hop domain (RFC 7672 3.2.2) */
    TLS_DANE_COUNT_
};

struct tls_facts {
    bool on;             /* false: plaintext, all below is empty */
    bool forward_secret; /* (EC)DHE: always so under TLS 1.3 */
    bool resumed;        /* from a ticket; the peer's certificate is the first handshake's */
    bool peer_cert;      /* the peer presented one */
    bool chain_ok;       /* it chains to a trust anchor and is in time (PKIX) */
    bool name_ok;        /* it names the host we meant (client side) */
    bool expired;        /* chain_ok is false only because of its dates */
    bool client_usage;   /* its extended key usages allow a client, or there are none */
    bool anchor_private; /* `anchor` is a partner's own CA: it vouches only where it is named */
    enum tls_revoked revoked;
    enum tls_dane dane;  /* of a resumed session: what the first handshake showed */
    int bits;            /* strength of the cipher, in bits */
    struct span version; /* "TLSv1.3" */
    struct span suite;   /* IANA name: "TLS_AES_256_GCM_SHA384" */
    struct span group;   /* "X25519", or empty */
    struct span sni;     /* asked for by the client, or empty */
    struct span names;   /* DNS names of the peer's certificate, comma separated, bounded */
    struct span spki;    /* SHA-256 of the peer's public key, hex, or empty */
    struct span anchor;  /* SHA-256 of the root that the chain ends at, hex, or empty */
    struct span issuer;  /* of the peer's certificate, one line, or empty */
    struct span verify;  /* "ok" or the library's words on why the chain failed */
};

/* TLS_FACTS_TEXT_MAX: the most that tls_facts_print may need, if every byte must be escaped. */
enum { TLS_FACTS_NAMES_MAX = 1024, TLS_FACTS_TEXT_MAX = 8448 };

/* Appends key=value pairs (tls=TLSv1.3 suite=... fs=yes ...); plaintext appends tls=none. Empty
 * strings are left out, long ones cut; expired, client-usage, anchor-private, revoked and dane
 * stand only where they say more than no or unknown. The names of the keys are not used by
 * envelope.h. */
struct buf;
void tls_facts_print(const struct tls_facts *f, struct buf *out);
/* Reads what tls_facts_print wrote; unknown keys are passed over. ERR_SYNTAX: no tls key, or a
 * value that is none of ours. ERR_TOO_BIG: the arena is full. */
MUST_USE enum err tls_facts_read(struct span s, struct arena *a, struct tls_facts *ret);
/* "tls ": the keys, a blank behind each. */
void tls_facts_keys(struct buf *out);
/* A deep copy whose strings are the arena's. */
struct tls_facts tls_facts_copy(const struct tls_facts *f, struct arena *a);

#endif
