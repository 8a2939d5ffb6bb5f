/* issue.h - certificates for the tests of cert/, made on the spot by OpenSSL, good and odd. */
#ifndef TEST_UNIT_CERT_ISSUE_H
#define TEST_UNIT_CERT_ISSUE_H

#include "cert/info.h"
#include <openssl/x509v3.h>

enum { ISSUE_EXTENSIONS_MAX = 8, DAY = 24 * 3600 };

struct issued {
    X509 *x;
    EVP_PKEY *key;
};

struct issue_ask {
    const char *cn; /* NULL: no subject at all */
    size_t cn_n;    /* 0: strlen */
    const char *o, *ou;
    const struct issued *issuer; /* NULL: signs itself */
    int rsa_bits;                /* 0: P-256 */
    const char *curve;           /* instead of P-256 */
    const EVP_MD *digest;        /* NULL: SHA-256 */
    int64_t from_s, to_s;        /* from now; both 0: yesterday to in 100 days */
    bool v1;
    bool ca;
    /* name, value as in openssl.cnf */
    const char *extension[ISSUE_EXTENSIONS_MAX][2];
    struct span dns; /* one more name, byte by byte */
};

struct issued issue(const struct issue_ask *ask);
void issued_done(struct issued *i);
/* Appended. */
void issued_pem(const struct issued *i, struct buf *out);
void issued_der(const struct issued *i, struct buf *out);
/* A list of issuer's. revoked: on it, or NULL. Seconds from now. */
void issued_crl(const struct issued *issuer, const struct issued *revoked, int64_t this_s,
                int64_t next_s, struct buf *out);

#endif
