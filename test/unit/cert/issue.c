#include "test/unit/cert/issue.h"

#include "test/test.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ec.h>

static EVP_PKEY *new_key(const struct issue_ask *ask)
{
    if (ask->rsa_bits)
        return EVP_RSA_gen((unsigned)ask->rsa_bits);
    return EVP_EC_gen(ask->curve ? ask->curve : "P-256");
}

static void add_part(X509_NAME *name, int nid, const char *text, size_t n)
{
    if (text)
        CHECK(X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)text,
                                         n ? (int)n : -1, -1, 0) == 1);
}

static void add_extension(X509 *x, X509 *issuer, const char *name, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_nconf(NULL, &ctx, name, value);
    CHECK(e);
    CHECK(X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static void add_dns(X509 *x, struct span dns)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    CHECK(ASN1_STRING_set(text, dns.p, (int)dns.n) == 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    CHECK(sk_GENERAL_NAME_push(names, name) > 0);
    CHECK(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) == 1);
    GENERAL_NAMES_free(names);
}

struct issued issue(const struct issue_ask *ask)
{
    static long serial = 1000;
    struct issued ret = { X509_new(), new_key(ask) };
    const struct issued *by = ask->issuer ? ask->issuer : &ret;
    bool default_time = ask->from_s == 0 && ask->to_s == 0;
    CHECK(ret.x && ret.key);
    CHECK(X509_set_version(ret.x, ask->v1 ? X509_VERSION_1 : X509_VERSION_3) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(ret.x), ++serial) == 1);
    X509_NAME *name = X509_get_subject_name(ret.x);
    add_part(name, NID_organizationName, ask->o, 0);
    add_part(name, NID_organizationalUnitName, ask->ou, 0);
    add_part(name, NID_commonName, ask->cn, ask->cn_n);
    CHECK(X509_set_issuer_name(ret.x, X509_get_subject_name(by->x)) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(ret.x), default_time ? -DAY : (long)ask->from_s));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(ret.x), default_time ? 100 * DAY : (long)ask->to_s));
    CHECK(X509_set_pubkey(ret.x, ret.key) == 1);
    if (ask->ca) {
        add_extension(ret.x, by->x, "basicConstraints", "critical,CA:TRUE");
        add_extension(ret.x, by->x, "subjectKeyIdentifier", "hash");
    }
    for (size_t i = 0; i < ISSUE_EXTENSIONS_MAX && ask->extension[i][0]; i++)
        add_extension(ret.x, by->x, ask->extension[i][0], ask->extension[i][1]);
    if (ask->dns.n > 0)
        add_dns(ret.x, ask->dns);
    CHECK(X509_sign(ret.x, by->key, ask->digest ? ask->digest : EVP_sha256()) > 0);
    return ret;
}

void issued_done(struct issued *i)
{
    X509_free(i->x);
    EVP_PKEY_free(i->key);
}

void issued_pem(const struct issued *i, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    CHECK(PEM_write_bio_X509(bio, i->x) == 1);
    long n = BIO_get_mem_data(bio, &text);
    buf_put(out, span_of(text, (size_t)n));
    BIO_free(bio);
}

void issued_der(const struct issued *i, struct buf *out)
{
    unsigned char *der = NULL;
    int n = i2d_X509(i->x, &der);
    CHECK(n > 0);
    buf_put(out, span_of((const char *)der, (size_t)n));
    OPENSSL_free(der);
}

void issued_crl(const struct issued *issuer, const struct issued *revoked, int64_t this_s,
                int64_t next_s, struct buf *out)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *t = ASN1_TIME_new();
    CHECK(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
    CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x)) == 1);
    CHECK(X509_gmtime_adj(t, (long)this_s) && X509_CRL_set1_lastUpdate(crl, t) == 1);
    if (revoked) {
        X509_REVOKED *r = X509_REVOKED_new();
        CHECK(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->x)) == 1);
        CHECK(X509_REVOKED_set_revocationDate(r, t) == 1);
        CHECK(X509_CRL_add0_revoked(crl, r) == 1);
    }
    CHECK(X509_gmtime_adj(t, (long)next_s) && X509_CRL_set1_nextUpdate(crl, t) == 1);
    CHECK(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int n = i2d_X509_CRL(crl, &der);
    CHECK(n > 0);
    buf_put(out, span_of((const char *)der, (size_t)n));
    OPENSSL_free(der);
    ASN1_TIME_free(t);
    X509_CRL_free(crl);
}
