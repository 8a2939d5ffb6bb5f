/* Private keys from PEM text, or what stands for them where a keeper has them. */
#include "io/tls_ossl.h"

#include "keeper/kept.h"
#include <openssl/err.h>
#include <openssl/pem.h>

/* Never asks anybody for a pass phrase. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static BIO *open_text(struct span pem)
{
    ASSERT(pem.n <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    ASSERT(bio);
    return bio;
}

/* The key whose public half this is, and which the keeper has under the digest of it. NULL: the
 * library's reason. */
static EVP_PKEY *kept_key(const unsigned char *der, long n)
{
    uint8_t name[TLS_DIGEST];
    const unsigned char *at = der;
    EVP_PKEY *public = d2i_PUBKEY(NULL, &at, n), *ret = NULL;
    OSSL_PARAM *half = NULL, *both = NULL;
    OSSL_PARAM kept[] = { OSSL_PARAM_octet_string(KEPT_KEY_PARAM, name, sizeof name),
                          OSSL_PARAM_END };
    EVP_PKEY_CTX *ctx = NULL;
    if (public && EVP_Digest(der, (size_t)n, name, NULL, EVP_sha256(), NULL) == 1 &&
        EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &half) == 1) {
        both = OSSL_PARAM_merge(half, kept);
        ctx = EVP_PKEY_CTX_new_from_name(NULL, EVP_PKEY_get0_type_name(public),
                                         "provider=" KEPT_KEY_PROVIDER);
    }
    if (!both || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_KEYPAIR, both) <= 0)
        ret = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(both);
    OSSL_PARAM_free(half);
    EVP_PKEY_free(public);
    return ret;
}

EVP_PKEY *tls_key_read(struct span pem)
{
    unsigned char *public = NULL;
    long n;
    BIO *bio = open_text(pem);
    bool kept =
        PEM_bytes_read_bio(&public, &n, NULL, KEPT_KEY_LABEL, bio, no_pass_phrase, NULL) == 1;
    BIO_free(bio);
    if (kept) {
        EVP_PKEY *key = kept_key(public, n);
        OPENSSL_free(public);
        return key;
    }
    ERR_clear_error();
    bio = open_text(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    return key;
}
