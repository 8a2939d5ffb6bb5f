#include "test/unit/io/pki.h"
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct pki {
    X509 *cert;
    EVP_PKEY *key;
    struct buf chain_pem, key_pem, cert_pem;
};

enum { PEM_MAX = 64 * 1024, DAY_S = 24 * 60 * 60 };

static EVP_PKEY *key_of_kind(enum pki_key kind)
{
    static EVP_PKEY *keys[PKI_KEY_COUNT_];
    if (!keys[kind]) {
        bool rsa = kind == PKI_RSA || kind == PKI_RSA_WEAK;
        keys[kind] = rsa ? EVP_RSA_gen(kind == PKI_RSA ? 2048u : 1024u) : EVP_EC_gen("P-256");
    }
    ASSERT(keys[kind]);
    return keys[kind];
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ASSERT(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static void add_extensions(X509 *cert, X509 *issuer, const struct pki_ask *ask)
{
    add_extension(cert, issuer, NID_basic_constraints,
                  ask->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(cert, issuer, NID_key_usage,
                  ask->ca ? "critical,keyCertSign,cRLSign"
                          : "critical,digitalSignature,keyEncipherment");
    add_extension(cert, issuer, NID_subject_key_identifier, "hash");
    if (issuer != cert)
        add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
    char name[300];
    snprintf(name, sizeof name, "DNS:%s", ask->name);
    const char *usage = ask->usage ? ask->usage : ask->ca ? "" : "serverAuth,clientAuth";
    const char *alt = ask->alt ? ask->alt : ask->ca ? "" : name;
    if (usage[0])
        add_extension(cert, issuer, NID_ext_key_usage, usage);
    if (alt[0])
        add_extension(cert, issuer, NID_subject_alt_name, alt);
}

static X509 *make_certificate(const struct pki_ask *ask, EVP_PKEY *key)
{
    static long serial;
    X509 *cert = X509_new();
    ASSERT(cert);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    bool usual = ask->from_days == 0 && ask->to_days == 0;
    X509_gmtime_adj(X509_getm_notBefore(cert), (long)(usual ? -1 : ask->from_days) * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), (long)(usual ? 365 : ask->to_days) * DAY_S);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)ask->name, -1, -1,
                               0);
    X509 *issuer = ask->issuer ? ask->issuer->cert : cert;
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    add_extensions(cert, issuer, ask);
    int n = X509_sign(cert, ask->issuer ? ask->issuer->key : key, EVP_sha256());
    ASSERT(n > 0);
    return cert;
}

static void pem_out(BIO *bio, struct buf *ret)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    buf_init(ret, PEM_MAX);
    buf_put(ret, span_of(p, (size_t)n));
    BIO_free(bio);
}

struct pki *pki_new(const struct pki_ask *ask)
{
    struct pki *p = NEW(struct pki);
    p->key = key_of_kind(ask->key);
    p->cert = make_certificate(ask, p->key);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, p->cert);
    pem_out(bio, &p->cert_pem);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, p->key, NULL, NULL, 0, NULL, NULL);
    pem_out(bio, &p->key_pem);
    buf_init(&p->chain_pem, PEM_MAX);
    buf_put(&p->chain_pem, buf_span(&p->cert_pem));
    bool below_root = ask->issuer && X509_check_issued(ask->issuer->cert, ask->issuer->cert) != 0;
    if (below_root)
        buf_put(&p->chain_pem, buf_span(&ask->issuer->chain_pem));
    return p;
}

void pki_free(struct pki *p)
{
    if (!p)
        return;
    X509_free(p->cert);
    buf_done(&p->cert_pem);
    buf_done(&p->chain_pem);
    buf_done(&p->key_pem);
    mem_free(p);
}

struct span pki_chain(const struct pki *p)
{
    return buf_span(&p->chain_pem);
}

struct span pki_key(const struct pki *p)
{
    return buf_span(&p->key_pem);
}

struct span pki_anchor(const struct pki *p)
{
    return buf_span(&p->cert_pem);
}

X509 *pki_x509(const struct pki *p)
{
    return p->cert;
}

EVP_PKEY *pki_pkey(const struct pki *p)
{
    return p->key;
}

struct tls_identity pki_identity(const struct pki *p)
{
    return (struct tls_identity){ .file = SPAN("test.pem"),
                                  .chain_pem = pki_chain(p),
                                  .key_pem = pki_key(p) };
}
