/* info.h - what certificates say: bytes of a file in, plain structs out, and what a chain of them
 * is worth against a store of anchors.
 *
 * Read are PEM (CERTIFICATE, TRUSTED CERTIFICATE, PKCS7), DER, and PKCS #7 bundles as authorities
 * publish them. Whatever else stands in a PEM file, a private key above all, is passed over without
 * being decoded. All text is clean (mail/clean.h) and bounded; the bytes of a certificate (der) are
 * kept for whoever must verify with it. Memory is the caller's arena, made with CERT_ARENA_MAX.
 * RFC 5280 (profile), RFC 4514 (names as text), RFC 6962 (SCT), RFC 7633 (must-staple).
 */
#ifndef CERT_INFO_H
#define CERT_INFO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/why.h"

enum {
    CERT_FILE_MAX = 8 * 1024 * 1024,
    CERT_ARENA_MAX = 512 * 1024 * 1024, /* what the bounds here lead to, with room to spare */
    CERT_CHAIN_MAX = 64,                /* certificates of one chain */
    CERT_STORE_MAX = 2000,              /* of one store of anchors */
    CERT_NAMES_MAX = 1000,              /* names of one certificate; others are counted */
    CERT_URLS_MAX = 16,                 /* of each kind */
    CERT_URL_BYTES_MAX = 2048,
    CERT_TEXT_MAX = 1024, /* bytes of a name or a list, before cleaning */
    CERT_SHA256 = 32,
    CERT_SHA1 = 20,
};

struct cert_list {
    struct span *item;
    unsigned n;
};

enum cert_usage {
    CERT_USAGE_SERVER = 1 << 0,
    CERT_USAGE_CLIENT = 1 << 1,
    CERT_USAGE_OCSP = 1 << 2,
    CERT_USAGE_ANY = 1 << 3,
    CERT_USAGE_OTHER = 1 << 4,
    CERT_USAGE_ABSENT = 1 << 5, /* no restriction */
};

struct cert_info {
    struct span der;
    unsigned version; /* 1, 2, 3 */
    struct span serial;
    struct span subject, issuer; /* RFC 4514; empty: no name */
    struct span cn, o, ou;       /* of the subject; the most specific; may be empty */
    struct span issuer_cn, issuer_o;
    struct cert_list dns;  /* subjectAltName */
    unsigned n_other_name; /* of other kinds, or beyond the limit */
    struct span key;       /* "RSA 2048", "EC P-256", "Ed25519"; "unknown" */
    unsigned key_bits;     /* 0: unknown */
    struct span signature; /* "sha256WithRSAEncryption" */
    int64_t from_ms, until_ms;
    uint8_t spki[CERT_SHA256], sha256[CERT_SHA256], sha1[CERT_SHA1];
    unsigned usage;                                 /* enum cert_usage */
    struct span usage_text, key_usage, constraints; /* empty: the extension is absent */
    bool ca;
    int path_max; /* -1: none said */
    struct cert_list ocsp, ca_issuers, crl;
    unsigned n_sct;
    bool must_staple, self_signed, critical_unknown;
    struct span weak;                  /* why key or signature are weak; empty: they are not */
    struct span key_id, issuer_key_id; /* hex; empty: absent */
};

struct cert_chain {
    struct cert_info *item;
    unsigned n;
    bool has_key; /* the file has a private key beside the certificates */
};

/* All certificates of a file, in its order. max: CERT_CHAIN_MAX or CERT_STORE_MAX.
 * ERR_SYNTAX: there is none, or a broken one; ERR_TOO_BIG: more than max, or than CERT_FILE_MAX
 * bytes. why says which. */
MUST_USE enum err cert_read(struct span bytes, unsigned max, struct arena *a,
                            struct cert_chain *ret, struct why *why);

enum cert_trust {
    CERT_TRUSTED,
    CERT_MISSING,        /* an intermediate is lacking (P20) */
    CERT_UNTRUSTED_ROOT, /* the chain ends in a root that the store lacks (P28) */
    CERT_BAD,            /* expired, wrong signature, not allowed ... */
};
const char *cert_trust_name(enum cert_trust t);

struct cert_verdict {
    enum cert_trust trust;
    struct span reason;      /* one sentence; empty: trusted */
    bool ordered;            /* each certificate is followed by its issuer, none is idle */
    bool has_root;           /* a root is among them: of no use to anybody */
    struct span missing;     /* name of the certificate that is lacking */
    struct span missing_url; /* where it may be had; may be empty */
    unsigned path[CERT_CHAIN_MAX], n_path; /* indices, from the leaf up */
    const struct cert_info *anchor;        /* in the store; NULL: none */
    int64_t until_ms;                      /* the earliest end of validity on the path */
    unsigned until_of;                     /* its index */
    struct span weak;                      /* of the path; empty: nothing is */
};

/* now_ms: wall. The chain has one certificate at least, its first is the leaf. */
void cert_judge(const struct cert_chain *c, const struct cert_chain *store, int64_t now_ms,
                struct arena *a, struct cert_verdict *ret);
/* The certificate that signed `of`, in the chain or the store; NULL: neither has it. */
const struct cert_info *cert_issuer_in(const struct cert_info *of, const struct cert_chain *in);
/* Whether `issuer` signed `of`: names, identifiers and the signature. */
bool cert_signed_by(const struct cert_info *of, const struct cert_info *issuer);

/* How near the end is: within 60, 30, 14, 7, 1 days; 0: over; -1: far. */
int cert_ends_within(int64_t until_ms, int64_t now_ms);

/* Lower-case hex of n bytes, "ab:cd" with a separator; appended. */
void cert_hex(const uint8_t *p, size_t n, struct buf *out);

#endif
