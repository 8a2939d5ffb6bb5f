#include "io/tls_sign.h"

#include "base/enc.h"
#include "io/tls_ossl.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { KEY_BYTES = 32, TEXT_BYTES_MAX = 64 };

struct sign_key {
    EVP_PKEY *key;
};
struct sign_peer {
    EVP_PKEY *key;
};
struct sign_hash {
    EVP_MD_CTX *md;
};

/* Never asks anybody for a pass phrase. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static BIO *open_text(struct span text)
{
    ASSERT(text.n <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(text.n ? text.p : "", (int)text.n);
    ASSERT(bio);
    return bio;
}

static enum err check_kind(EVP_PKEY *key, const char *what, const char *remedy, struct why *why)
{
    ERR_clear_error();
    if (key && EVP_PKEY_is_a(key, "ED25519"))
        return ERR_OK;
    why_set(why, "%s %s: %s", key ? "this is no Ed25519" : "no readable", what, remedy);
    EVP_PKEY_free(key);
    return ERR_SYNTAX;
}

enum err sign_key_new(struct span pem, struct sign_key **ret, struct why *why)
{
    EVP_PKEY *key = tls_key_read(pem);
    TRY(check_kind(key, "private key",
                   "make one with: openssl genpkey -algorithm ed25519 -out node-sign.key", why));
    *ret = NEW(struct sign_key);
    (*ret)->key = key;
    return ERR_OK;
}

void sign_key_free(struct sign_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    mem_free(k);
}

/* 32 bytes in base64; NULL: no such text. */
static EVP_PKEY *raw_public(struct span text)
{
    struct buf raw;
    text = span_trim(text);
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    buf_init(&raw, TEXT_BYTES_MAX);
    bool right = text.n <= TEXT_BYTES_MAX && dec_base64(text, &raw) == ERR_OK && raw.n == KEY_BYTES;
    EVP_PKEY *key = right ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                        (const uint8_t *)buf_span(&raw).p, raw.n)
                          : NULL;
    buf_done(&raw);
    return key;
}

enum err sign_peer_new(struct span text, struct sign_peer **ret, struct why *why)
{
    EVP_PKEY *key = raw_public(text);
    if (!key) {
        BIO *bio = open_text(text);
        key = PEM_read_bio_PUBKEY(bio, NULL, no_pass_phrase, NULL);
        BIO_free(bio);
    }
    TRY(check_kind(key, "public key",
                   "make it from the node's own with: openssl pkey -in node-sign.key -pubout",
                   why));
    *ret = NEW(struct sign_peer);
    (*ret)->key = key;
    return ERR_OK;
}

void sign_peer_free(struct sign_peer *p)
{
    if (!p)
        return;
    EVP_PKEY_free(p->key);
    mem_free(p);
}

bool sign_is_own(const struct sign_peer *p, const struct sign_key *k)
{
    bool same = EVP_PKEY_eq(p->key, k->key) == 1;
    ERR_clear_error();
    return same;
}

static EVP_MD_CTX *md_new(void)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ASSERT(md);
    return md;
}

enum err sign_make(const struct sign_key *k, struct span text, uint8_t ret[static SIGN_BYTES])
{
    EVP_MD_CTX *md = md_new();
    size_t n = SIGN_BYTES;
    bool ok = EVP_DigestSignInit(md, NULL, NULL, NULL, k->key) == 1 &&
              EVP_DigestSign(md, ret, &n, (const uint8_t *)text.p, text.n) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok && n == SIGN_BYTES ? ERR_OK : ERR_IO;
}

bool sign_holds(const struct sign_peer *p, struct span text,
                const uint8_t signature[static SIGN_BYTES])
{
    EVP_MD_CTX *md = md_new();
    bool ok = EVP_DigestVerifyInit(md, NULL, NULL, NULL, p->key) == 1 &&
              EVP_DigestVerify(md, signature, SIGN_BYTES, (const uint8_t *)text.p, text.n) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok;
}

/* --- SHA-256 --- */

struct sign_hash *sign_hash_new(void)
{
    struct sign_hash *h = NEW(struct sign_hash);
    h->md = md_new();
    int ok = EVP_DigestInit_ex(h->md, EVP_sha256(), NULL);
    ASSERT(ok == 1);
    return h;
}

void sign_hash_add(struct sign_hash *h, struct span piece)
{
    int ok = EVP_DigestUpdate(h->md, piece.p, piece.n);
    ASSERT(ok == 1);
}

void sign_hash_end(struct sign_hash *h, uint8_t ret[static SIGN_DIGEST])
{
    unsigned n = 0;
    int ok = EVP_DigestFinal_ex(h->md, ret, &n);
    ASSERT(ok == 1 && n == SIGN_DIGEST);
}

void sign_hash_free(struct sign_hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->md);
    mem_free(h);
}
