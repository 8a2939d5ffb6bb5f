#include "cert/info_x509.h"
#include "cert/revoke.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <stdio.h>

static void say(struct revoke_answer *r, const char *what)
{
    if (r->why[0] == '\0')
        (void)snprintf(r->why, sizeof r->why, "%s", what);
}

/* A clock may be wrong by a little. */
static void judge_time(struct revoke_answer *r, int64_t now_ms)
{
    bool early = r->this_ms == 0 || r->this_ms > now_ms + REVOKE_SKEW_MS;
    bool late = r->next_ms != 0 && r->next_ms + REVOKE_SKEW_MS < now_ms;
    r->fresh = !early && !late;
    if (early)
        say(r, "it is not valid yet: is the clock right?");
    if (late)
        say(r, "it has expired: the authority has not renewed it, or something old is in between");
}

static void revoked(struct revoke_answer *r, int64_t at_ms, const char *reason)
{
    r->status = REVOKE_REVOKED;
    r->revoked_ms = at_ms;
    say(r, reason);
}

/* --- lists --- */

static X509_CRL *read_crl(struct span bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n == 0 || bytes.n > INT32_MAX)
        return NULL;
    if (bytes.p[0] == 0x30) {
        X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)bytes.n);
        bool whole = crl && p == (const unsigned char *)bytes.p + bytes.n;
        if (crl && !whole)
            X509_CRL_free(crl);
        return whole ? crl : NULL;
    }
    BIO *bio = BIO_new_mem_buf(bytes.p, (int)bytes.n);
    ASSERT(bio);
    X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return crl;
}

static void crl_signature(X509_CRL *crl, const struct cert_info *issuer, struct revoke_answer *r)
{
    X509 *by = info_x509(issuer);
    EVP_PKEY *key = X509_get0_pubkey(by);
    bool named = X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(by)) == 0;
    bool may = (X509_get_extension_flags(by) & EXFLAG_KUSAGE) == 0 ||
               (X509_get_key_usage(by) & KU_CRL_SIGN) != 0;
    r->signature_known = true;
    r->signature_ok = named && may && key && X509_CRL_verify(crl, key) == 1;
    if (!named)
        say(r, "the list is another authority's");
    else if (!may)
        say(r, "the issuer's certificate may not sign lists (key usage)");
    else if (!r->signature_ok)
        say(r, "the issuer's key did not sign it");
    X509_free(by);
}

/* RFC 5280 5.2.5: what the list is about. */
static bool is_elsewhere(X509_CRL *crl, const struct cert_info *cert)
{
    ISSUING_DIST_POINT *p = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
    bool other = p && ((cert->ca ? p->onlyuser : p->onlyCA) > 0 || p->onlyattr > 0 ||
                       p->indirectCRL > 0 || p->onlysomereasons);
    ISSUING_DIST_POINT_free(p);
    return other;
}

/* RFC 5280 5.2: a list with a critical extension that is not understood says nothing of those that
 * are not on it; 5.2.4: nor does a delta. */
static bool is_partial(X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *e = X509_CRL_get_ext(crl, i);
        int kind = OBJ_obj2nid(X509_EXTENSION_get_object(e));
        if (X509_EXTENSION_get_critical(e) && kind != NID_issuing_distribution_point)
            return true;
    }
    return X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
}

static const char *crl_reason(const X509_REVOKED *entry)
{
    ASN1_ENUMERATED *e = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    const char *text = e ? OCSP_crl_reason_str(ASN1_ENUMERATED_get(e)) : "no reason given";
    ASN1_ENUMERATED_free(e);
    return text;
}

static void crl_status(X509_CRL *crl, const struct cert_info *cert, struct revoke_answer *r)
{
    X509 *x = info_x509(cert);
    X509_REVOKED *entry = NULL;
    int found = X509_CRL_get0_by_cert(crl, &entry, x);
    if (found == 1)
        revoked(r, info_time(X509_REVOKED_get0_revocationDate(entry)), crl_reason(entry));
    else if (is_partial(crl) || is_elsewhere(crl, cert))
        say(r, "the list does not cover this certificate");
    else
        r->status = REVOKE_GOOD; /* also 2: taken off it again */
    X509_free(x);
}

void revoke_by_crl(struct span bytes, const struct cert_info *cert, const struct cert_info *issuer,
                   int64_t now_ms, struct revoke_answer *ret)
{
    struct revoke_answer r = { .parsed = false };
    X509_CRL *crl = read_crl(bytes);
    if (!crl) {
        say(&r, "it is no revocation list");
    } else {
        const STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(crl);
        r.parsed = true;
        r.n_entries = all && sk_X509_REVOKED_num(all) > 0 ? (uint64_t)sk_X509_REVOKED_num(all) : 0;
        r.this_ms = info_time(X509_CRL_get0_lastUpdate(crl));
        r.next_ms = info_time(X509_CRL_get0_nextUpdate(crl));
        if (issuer)
            crl_signature(crl, issuer, &r);
        judge_time(&r, now_ms);
        if (r.signature_ok && cert)
            crl_status(crl, cert, &r);
        X509_CRL_free(crl);
    }
    ERR_clear_error();
    *ret = r;
}

/* --- OCSP --- */

static OCSP_CERTID *id_of(const struct cert_info *cert, const struct cert_info *issuer)
{
    X509 *x = info_x509(cert), *by = info_x509(issuer);
    /* SHA-1 only names the certificate here, and every responder has it (RFC 5019 2.1.1) */
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), x, by);
    X509_free(x);
    X509_free(by);
    ASSERT(id);
    return id;
}

enum err revoke_ocsp_request(const struct cert_info *cert, const struct cert_info *issuer,
                             struct buf *out)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    ASSERT(request);
    OCSP_ONEREQ *one = OCSP_request_add0_id(request, id_of(cert, issuer));
    ASSERT(one);
    unsigned char *der = NULL;
    int n = i2d_OCSP_REQUEST(request, &der);
    ASSERT(n > 0);
    enum err e = buf_append(out, span_of((const char *)der, (size_t)n));
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
    return e;
}

/* RFC 6960 4.2.2.2: the issuer itself, or whom it gave the right to. */
static void ocsp_signature(OCSP_BASICRESP *basic, const struct cert_info *issuer, int64_t now_ms,
                           struct revoke_answer *r)
{
    X509 *by = info_x509(issuer);
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *certs = sk_X509_new_null();
    ASSERT(store && certs);
    int n = sk_X509_push(certs, by);
    ASSERT(n > 0);
    (void)X509_STORE_add_cert(store, by);
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_time(param, (time_t)(now_ms / 1000));
    r->signature_known = true;
    r->signature_ok = OCSP_basic_verify(basic, certs, store, 0) == 1;
    if (!r->signature_ok)
        say(r, "neither the issuer nor whom it authorised signed the answer");
    sk_X509_free(certs);
    X509_STORE_free(store);
    X509_free(by);
}

static void ocsp_status(OCSP_BASICRESP *basic, const struct cert_info *cert,
                        const struct cert_info *issuer, int64_t now_ms, struct revoke_answer *r)
{
    OCSP_CERTID *id = id_of(cert, issuer);
    ASN1_GENERALIZEDTIME *at = NULL, *this = NULL, *next = NULL;
    int status = V_OCSP_CERTSTATUS_UNKNOWN, reason = -1;
    bool found = OCSP_resp_find_status(basic, id, &status, &reason, &at, &this, &next) == 1;
    OCSP_CERTID_free(id);
    if (!found) {
        r->parsed = false;
        say(r, "the answer is about other certificates");
        return;
    }
    r->this_ms = info_time(this);
    r->next_ms = info_time(next);
    ocsp_signature(basic, issuer, now_ms, r);
    judge_time(r, now_ms);
    if (!r->signature_ok)
        return;
    if (status == V_OCSP_CERTSTATUS_GOOD)
        r->status = REVOKE_GOOD;
    else if (status == V_OCSP_CERTSTATUS_REVOKED)
        revoked(r, info_time(at), reason >= 0 ? OCSP_crl_reason_str(reason) : "no reason given");
    else
        say(r, "the responder does not know the certificate");
}

void revoke_by_ocsp(struct span bytes, const struct cert_info *cert, const struct cert_info *issuer,
                    int64_t now_ms, struct revoke_answer *ret)
{
    struct revoke_answer r = { .parsed = false };
    const unsigned char *p = (const unsigned char *)bytes.p;
    OCSP_RESPONSE *response =
        bytes.n > 0 && bytes.n < INT32_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)bytes.n) : NULL;
    OCSP_BASICRESP *basic = NULL;
    int said = response ? OCSP_response_status(response) : -1;
    if (said == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    if (!response)
        say(&r, "it is no OCSP answer");
    else if (said != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        say(&r, OCSP_response_status_str(said));
    else if (!basic)
        say(&r, "the answer has no body that can be read");
    r.parsed = basic != NULL;
    if (basic)
        ocsp_status(basic, cert, issuer, now_ms, &r);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    *ret = r;
}
