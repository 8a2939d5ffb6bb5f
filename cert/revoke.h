/* revoke.h - has a certificate been revoked? Reads what revocation endpoints answer: certificate
 * revocation lists (RFC 5280 section 5) and OCSP (RFC 6960), and what an AIA caIssuers address
 * gives (RFC 5280 4.2.2.1). Bytes in, a verdict in steps out, so that "not signed by the issuer"
 * and "too old" are never taken for "revoked" or "good". Nobody is asked here: cert/endpoints.h
 * asks.
 */
#ifndef CERT_REVOKE_H
#define CERT_REVOKE_H

#include "cert/info.h"

enum revoke_status { REVOKE_UNKNOWN, REVOKE_GOOD, REVOKE_REVOKED };

enum { REVOKE_REASON_MAX = 160, REVOKE_SKEW_MS = 5 * 60 * 1000 };

struct revoke_answer {
    bool parsed;                        /* it is a list, or an answer that says well */
    bool signature_known, signature_ok; /* known: there is an issuer to check with */
    bool fresh;                         /* between this_ms and next_ms */
    enum revoke_status status;          /* only when signature_ok */
    int64_t this_ms, next_ms;           /* next_ms 0: it does not say */
    int64_t revoked_ms;
    uint64_t n_entries;          /* of a list */
    char why[REVOKE_REASON_MAX]; /* of the first step that failed; or why it was revoked */
};

/* issuer may be NULL: the signature stays unknown. cert may be NULL: no status is looked for. */
void revoke_by_crl(struct span bytes, const struct cert_info *cert, const struct cert_info *issuer,
                   int64_t now_ms, struct revoke_answer *ret);
/* Appends the DER of a request about cert. ERR_TOO_BIG: no room. */
MUST_USE enum err revoke_ocsp_request(const struct cert_info *cert, const struct cert_info *issuer,
                                      struct buf *out);
void revoke_by_ocsp(struct span bytes, const struct cert_info *cert, const struct cert_info *issuer,
                    int64_t now_ms, struct revoke_answer *ret);

#endif
