/* endpoints.h - can this machine ask whom a certificate names? For each address of OCSP, of
 * revocation lists and of issuers' certificates in a chain: how far one gets, in phases, each with
 * its own verdict, so that a firewall, a stale list and a revoked certificate are told apart
 * (R35-R38). Who is fetched from is cert/fetch.h's business: the fetch function is handed in, so
 * that the exchange can happen in another process.
 */
#ifndef CERT_ENDPOINTS_H
#define CERT_ENDPOINTS_H

#include "cert/fetch.h"
#include "cert/info.h"

enum endpoint_kind { ENDPOINT_OCSP, ENDPOINT_CRL, ENDPOINT_ISSUER, ENDPOINT_URL };

enum endpoint_phase {
    PHASE_URL,
    PHASE_DNS,
    PHASE_TCP,
    PHASE_TLS,       /* of https alone */
    PHASE_HTTP,      /* status 200, a whole answer */
    PHASE_CONTENT,   /* it is what it should be */
    PHASE_SIGNATURE, /* by the issuer */
    PHASE_FRESHNESS, /* thisUpdate, nextUpdate */
    PHASE_STATUS,    /* of the certificate: not revoked */
    PHASE_COUNT_
};

enum endpoint_verdict { VERDICT_NOT_TRIED, VERDICT_OK, VERDICT_FAILED, VERDICT_NOT_NEEDED };

enum {
    ENDPOINTS_MAX = 256,
    ENDPOINT_NOTE_MAX = 240,
    ENDPOINTS_TIMEOUTS_MAX = 20, /* all of them together may take so many times the timeout */
    ENDPOINT_CRL_MAX = 64 * 1024 * 1024,
    ENDPOINT_SMALL_MAX = 1024 * 1024, /* answers of OCSP */
    ENDPOINT_ISSUER_MAX = 128 * 1024, /* with ENDPOINTS_MAX of them the arena is not full */
};

struct endpoint {
    enum endpoint_kind kind;
    struct span url;
    const struct cert_info *cert;   /* that names it; NULL: somebody did */
    const struct cert_info *issuer; /* NULL: not known */
    enum endpoint_verdict verdict[PHASE_COUNT_];
    enum endpoint_phase failed; /* PHASE_COUNT_: none */
    bool revoked;
    char note[ENDPOINT_NOTE_MAX];    /* why it failed; or what is known */
    char address[FETCH_ADDRESS_MAX]; /* that answered */
    unsigned http_status;
    uint64_t bytes;
    int64_t this_ms, next_ms, took_ms;
};

typedef void endpoint_fetch_fn(void *arg, const struct fetch_request *request, struct buf *body,
                               struct fetch_result *ret);

struct endpoint_check {
    const struct cert_chain *chain; /* NULL: only a URL */
    const struct cert_chain *store; /* where issuers are looked for, too; may be NULL */
    struct span url;                /* only this one; empty: all of the chain */
    struct fetch_rules rules;
    int64_t now_ms; /* wall */
    struct arena *arena;
    endpoint_fetch_fn *fetch;
    void *arg; /* of fetch */
};

struct endpoint_list {
    struct endpoint *item;
    unsigned n, n_failed, n_revoked;
    bool more;                       /* beyond ENDPOINTS_MAX: not looked at */
    int64_t took_ms;                 /* all of them so far */
    const struct cert_info *without; /* a certificate that names none at all; NULL: each has some */
};

/* Asks all of them, one after the other: the issuers first, since their answers serve to check the
 * others where the chain lacks one. The caller's arena holds what *ret points to. */
void endpoints_check(const struct endpoint_check *k, struct endpoint_list *ret);

const char *endpoint_kind_name(enum endpoint_kind kind);
const char *endpoint_phase_name(enum endpoint_phase phase);
const char *endpoint_verdict_name(enum endpoint_verdict v);

#endif
