/* tls_dkim.c - start reading at dkim_sign. */
#include "io/tls_dkim.h"
#include "base/enc.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { RSA_BITS_MIN = 1024, RSA_BITS_MAX = 4096, HEADER_BYTES_MAX = 64 * 1024 };

struct dkim_key {
    EVP_PKEY *pkey;
    enum dkim_algorithm algorithm;
};

/* Never asks anybody for a pass phrase. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static const char *library_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "no reason given";
}

/* Which algorithm it is for. ERR_SYNTAX: none. */
static enum err key_kind(const EVP_PKEY *pkey, enum dkim_algorithm *ret, struct why *why)
{
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        *ret = DKIM_ED25519_SHA256;
        return ERR_OK;
    }
    if (!EVP_PKEY_is_a(pkey, "RSA")) {
        why_set(why, "a key for DKIM is RSA or Ed25519; this is another");
        return ERR_SYNTAX;
    }
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
        why_set(why, "an RSA key for DKIM has %d to %d bits; this one has %d", RSA_BITS_MIN,
                RSA_BITS_MAX, bits);
        return ERR_SYNTAX;
    }
    *ret = DKIM_RSA_SHA256;
    return ERR_OK;
}

enum err dkim_key_read(struct span pem, struct dkim_key **ret, struct why *why)
{
    if (pem.n > INT32_MAX)
        return ERR_SYNTAX;
    BIO *bio = BIO_new_mem_buf(pem.n > 0 ? pem.p : "", (int)pem.n);
    ASSERT(bio);
    ERR_clear_error();
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    enum dkim_algorithm algorithm = DKIM_RSA_SHA256;
    if (!pkey) {
        why_set(why, "no private key in PEM without a pass phrase: %s", library_reason());
        ERR_clear_error();
        return ERR_SYNTAX;
    }
    enum err e = key_kind(pkey, &algorithm, why);
    if (e != ERR_OK) {
        EVP_PKEY_free(pkey);
        return e;
    }
    struct dkim_key *k = NEW(struct dkim_key);
    *k = (struct dkim_key){ pkey, algorithm };
    *ret = k;
    return ERR_OK;
}

void dkim_key_free(struct dkim_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    mem_free(k);
}

enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *k)
{
    return k->algorithm;
}

void dkim_key_record(const struct dkim_key *k, const char *services, struct buf *out)
{
    enum { KEY_BYTES_MAX = 1024 };
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n = 0;
    bool rsa = k->algorithm == DKIM_RSA_SHA256;
    if (rsa) {
        uint8_t *at = bytes;
        int got = i2d_PUBKEY(k->pkey, NULL);
        ASSERT(got > 0 && got <= KEY_BYTES_MAX);
        n = (size_t)i2d_PUBKEY(k->pkey, &at);
    } else {
        n = sizeof(bytes);
        int well = EVP_PKEY_get_raw_public_key(k->pkey, bytes, &n); /* = RFC 8463 4.2 */
        ASSERT(well == 1);
    }
    buf_putf(out, "v=DKIM1; k=%s; ", rsa ? "rsa" : "ed25519");
    if (services)
        buf_putf(out, "s=%s; ", services);
    buf_put(out, SPAN("p="));
    enum err e = enc_base64(span_of((const char *)bytes, n), out);
    ASSERT(e == ERR_OK);
}

/* --- signing */

static bool hash(struct span s, uint8_t ret[static DKIM_HASH])
{
    unsigned n = 0;
    const char *p = s.n > 0 ? s.p : "";
    return EVP_Digest(p, s.n, ret, &n, EVP_sha256(), NULL) == 1 && n == DKIM_HASH;
}

/* = RFC 8463 3: Ed25519 signs the SHA-256 hash as its message; RSA hashes by itself */
static bool sign(const struct dkim_key *k, struct span text, uint8_t *ret, size_t *ret_n)
{
    uint8_t digest[DKIM_HASH];
    bool rsa = k->algorithm == DKIM_RSA_SHA256;
    if (!rsa && !hash(text, digest))
        return false;
    if (!rsa)
        text = span_of((const char *)digest, sizeof(digest));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx);
    *ret_n = DKIM_SIGNATURE_MAX;
    bool well = EVP_DigestSignInit(ctx, NULL, rsa ? EVP_sha256() : NULL, NULL, k->pkey) == 1 &&
                EVP_DigestSign(ctx, ret, ret_n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return well;
}

static bool body_hash(struct span body, uint8_t ret[static DKIM_HASH])
{
    struct buf relaxed;
    buf_init(&relaxed, body.n + 2);
    dkim_body(body, &relaxed);
    bool well = hash(buf_span(&relaxed), ret);
    buf_done(&relaxed);
    return well;
}

/* The field with its signature, appended to `field`. */
static enum err make_field(const struct dkim_key *k, const struct dkim *d, struct span message,
                           struct buf *field, struct buf *text)
{
    uint8_t digest[DKIM_HASH], signature[DKIM_SIGNATURE_MAX];
    struct span header, body;
    size_t n = 0;
    dkim_split(message, &header, &body);
    if (header.n == 0)
        return ERR_SYNTAX;
    if (!body_hash(body, digest))
        return ERR_REFUSED;
    dkim_field_new(d, digest, field);
    TRY(dkim_text(d, header, buf_span(field), text));
    if (!sign(k, buf_span(text), signature, &n))
        return ERR_REFUSED;
    dkim_field_end(span_of((const char *)signature, n), field);
    return ERR_OK;
}

enum err dkim_sign(const struct dkim_key *k, const struct dkim *d, struct span message,
                   struct buf *out, struct why *why)
{
    struct dkim with_key = *d;
    struct buf field, text;
    with_key.algorithm = k->algorithm;
    buf_init(&field, 2 * DKIM_FIELD_MAX);
    buf_init(&text, HEADER_BYTES_MAX);
    ERR_clear_error();
    enum err e = make_field(k, &with_key, message, &field, &text);
    if (e == ERR_OK)
        e = buf_append(out, buf_span(&field));
    else if (e == ERR_REFUSED)
        why_set(why, "DKIM: the library could not sign: %s", library_reason());
    else
        why_set(why, "DKIM: the message's header is %s", e == ERR_SYNTAX ? "none" : "too long");
    ERR_clear_error();
    buf_done(&field);
    buf_done(&text);
    return e;
}
