#include "keeper/store.h"

#include "base/map.h"
#include "keeper/kept.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

struct keeper_store {
    struct map keys; /* name -> EVP_PKEY */
};

/* --- reading --- */

static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static bool is_kept_kind(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "EC") || EVP_PKEY_is_a(key, "ED25519");
}

static enum err name_of(EVP_PKEY *key, uint8_t ret[static KEEPER_ID])
{
    unsigned char *der = NULL;
    unsigned n_digest = 0;
    int n = i2d_PUBKEY(key, &der);
    bool done = n > 0 && EVP_Digest(der, (size_t)n, ret, &n_digest, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return done && n_digest == KEEPER_ID ? ERR_OK : ERR_SYNTAX;
}

/* The next key of the text, NULL: none, or it cannot be used. */
static EVP_PKEY *next_key(BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    if (key && is_kept_kind(key) && EVP_PKEY_get_size(key) <= KEEPER_SIGNATURE_MAX)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static BIO *open_text(struct span pem)
{
    BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    ASSERT(bio);
    return bio;
}

enum err keeper_key_name(struct span pem, uint8_t ret[static KEEPER_ID])
{
    BIO *bio = open_text(pem);
    EVP_PKEY *key = next_key(bio);
    enum err e = key ? name_of(key, ret) : ERR_SYNTAX;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return e;
}

static enum err put_public(EVP_PKEY *key, struct buf *out)
{
    unsigned char *der = NULL;
    char *text;
    int n = i2d_PUBKEY(key, &der);
    BIO *bio = BIO_new(BIO_s_mem());
    ASSERT(bio);
    enum err e = ERR_SYNTAX;
    if (n > 0 && PEM_write_bio(bio, KEPT_KEY_LABEL, "", der, n) > 0) {
        long n_text = BIO_get_mem_data(bio, &text);
        e = buf_append(out, span_of(text, (size_t)n_text));
    }
    BIO_free(bio);
    OPENSSL_free(der);
    return e;
}

enum err keeper_key_open(struct span pem, struct buf *out)
{
    BIO *bio = open_text(pem);
    EVP_PKEY *key = next_key(bio);
    enum err e = key ? put_public(key, out) : ERR_SYNTAX;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return e;
}

static enum err read_all(struct keeper_store *s, BIO *bio, struct why *why)
{
    while (!BIO_eof(bio)) {
        uint8_t id[KEEPER_ID];
        EVP_PKEY *key = next_key(bio);
        if (!key || name_of(key, id) != ERR_OK) {
            EVP_PKEY_free(key);
            why_set(why, "a private key cannot be read");
            return ERR_SYNTAX;
        }
        EVP_PKEY_free(map_put(&s->keys, span_of((const char *)id, sizeof id), key));
    }
    return ERR_OK;
}

enum err keeper_store_new(struct span pem, const struct hash_key *key, struct keeper_store **ret,
                          struct why *why)
{
    struct keeper_store *s = NEW(struct keeper_store);
    map_init(&s->keys, key);
    enum err e = ERR_OK;
    if (pem.n > 0) {
        BIO *bio = open_text(pem);
        e = read_all(s, bio, why);
        BIO_free(bio);
        ERR_clear_error();
    }
    if (e == ERR_OK)
        *ret = s;
    else
        keeper_store_free(s);
    return e;
}

void keeper_store_free(struct keeper_store *s)
{
    if (!s)
        return;
    size_t pos = 0;
    struct span name;
    void *key;
    while (map_next(&s->keys, &pos, &name, &key))
        EVP_PKEY_free(key);
    map_done(&s->keys);
    mem_free(s);
}

size_t keeper_store_count(const struct keeper_store *s)
{
    return s->keys.n;
}

bool keeper_store_has(const struct keeper_store *s, const uint8_t id[static KEEPER_ID])
{
    return map_get(&s->keys, span_of((const char *)id, KEEPER_ID)) != NULL;
}

/* --- signing --- */

static const EVP_MD *digest_of(unsigned hash)
{
    return hash == KEEPER_SHA256   ? EVP_sha256()
           : hash == KEEPER_SHA384 ? EVP_sha384()
           : hash == KEEPER_SHA512 ? EVP_sha512()
                                   : NULL;
}

/* RFC 8446 4.2.3: what TLS signs with, by the kind of key; PKCS #1 v1.5 is not for TLS 1.3. Nodes
 * sign with Ed25519. */
static bool scheme_fits(const EVP_PKEY *key, const struct keeper_request *q, enum keeper_form form)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return q->hash == KEEPER_NO_HASH && q->padding == KEEPER_NO_PADDING;
    if (!digest_of(q->hash) || form == FORM_ATTRIBUTION)
        return false;
    if (EVP_PKEY_is_a(key, "EC"))
        return q->padding == KEEPER_NO_PADDING;
    bool tls13 = form == FORM_TLS13_SERVER || form == FORM_TLS13_CLIENT;
    return q->padding == KEEPER_PSS || (q->padding == KEEPER_PKCS1 && !tls13);
}

static bool set_padding(EVP_PKEY_CTX *ctx, unsigned padding)
{
    if (padding == KEEPER_NO_PADDING)
        return true;
    if (padding == KEEPER_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static enum keeper_status sign(EVP_PKEY *key, const struct keeper_request *q,
                               struct keeper_answer *ret)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx; /* md's */
    size_t n = sizeof ret->signature;
    ASSERT(md);
    bool done = EVP_DigestSignInit(md, &ctx, digest_of(q->hash), NULL, key) == 1 &&
                set_padding(ctx, q->padding) &&
                EVP_DigestSign(md, ret->signature, &n, (const unsigned char *)q->tbs, q->n) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    ret->n = done ? (uint32_t)n : 0;
    return done ? KEEPER_SIGNED : KEEPER_BROKEN;
}

void keeper_store_sign(const struct keeper_store *s, const struct keeper_request *q, size_t n,
                       struct keeper_answer *ret, enum keeper_form *ret_form)
{
    memset(ret, 0, sizeof *ret);
    *ret_form = FORM_NONE;
    ret->status = KEEPER_NO_HANDSHAKE;
    if (n < KEEPER_REQUEST_BYTES(0))
        return;
    ret->serial = q->serial;
    if (q->n > KEEPER_TBS_MAX || n != KEEPER_REQUEST_BYTES(q->n))
        return;
    *ret_form = keeper_form_of(span_of(q->tbs, q->n));
    if (*ret_form == FORM_NONE)
        return;
    EVP_PKEY *key = map_get(&s->keys, span_of((const char *)q->key, KEEPER_ID));
    if (!key)
        ret->status = KEEPER_UNKNOWN_KEY;
    else if (!scheme_fits(key, q, *ret_form))
        ret->status = KEEPER_BAD_SCHEME;
    else
        ret->status = sign(key, q, ret);
}
