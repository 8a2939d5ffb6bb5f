/* Certificates, keys and trust anchors from PEM text. No sessions here. */
#include "io/tls_ossl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

static const char system_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

/* Never asks anybody for a pass phrase. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static BIO *pem_open(struct span pem)
{
    ASSERT(pem.n <= INT32_MAX);
    BIO *bio = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    ASSERT(bio);
    return bio;
}

static X509 *pem_certificate(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL);
}

/* Whether the last read found no more, rather than something broken. */
static bool pem_at_end(void)
{
    unsigned long last = ERR_peek_last_error();
    return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

static void certificates_free(STACK_OF(X509) * all)
{
    sk_X509_pop_free(all, X509_free);
}

/* All that follow, perhaps none; NULL when one of them is broken. */
static STACK_OF(X509) * pem_rest(BIO *bio)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    ASSERT(all);
    for (X509 *x; (x = pem_certificate(bio));) {
        int ok = sk_X509_push(all, x);
        ASSERT(ok > 0);
    }
    if (pem_at_end())
        return all;
    certificates_free(all);
    return NULL;
}

static const char *library_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "no reason given";
}

/* --- trust --- */

static X509_STORE *store_new(STACK_OF(X509) * all)
{
    X509_STORE *store = X509_STORE_new();
    ASSERT(store);
    for (int i = 0; i < sk_X509_num(all); i++)
        X509_STORE_add_cert(store, sk_X509_value(all, i));
    return store;
}

static enum err pem_anchors(struct span pem, STACK_OF(X509) * *ret, struct why *why)
{
    BIO *bio = pem_open(pem);
    STACK_OF(X509) *all = pem_rest(bio);
    BIO_free(bio);
    ERR_clear_error();
    if (!all || sk_X509_num(all) == 0) {
        certificates_free(all);
        why_set(why, "no readable certificate among the trust anchors; give the CA's certificate "
                     "in PEM form");
        return ERR_SYNTAX;
    }
    *ret = all;
    return ERR_OK;
}

/* The system's anchors, read as a whole (a sandbox may follow) and again only when the file has
 * changed. When it cannot be read, the last that could be serve. */
static X509_STORE *system_store(void)
{
    static X509_STORE *last;
    static struct timespec last_change;
    struct stat st;
    if (stat(system_ca_file, &st) == 0 && (!last || st.st_mtim.tv_sec != last_change.tv_sec ||
                                           st.st_mtim.tv_nsec != last_change.tv_nsec)) {
        X509_STORE *store = X509_STORE_new();
        ASSERT(store);
        if (X509_STORE_load_file(store, system_ca_file) == 1) {
            X509_STORE_free(last);
            last = store;
            last_change = st.st_mtim;
        } else {
            X509_STORE_free(store);
        }
        ERR_clear_error();
    }
    if (!last)
        last = X509_STORE_new(); /* no anchors: no chain is good */
    ASSERT(last);
    X509_STORE_up_ref(last);
    return last;
}

enum err tls_trust_store(struct span pem, X509_STORE **ret, struct why *why)
{
    if (pem.n == 0) {
        *ret = system_store();
        return ERR_OK;
    }
    STACK_OF(X509) *all = NULL;
    TRY(pem_anchors(pem, &all, why));
    *ret = store_new(all);
    certificates_free(all);
    return ERR_OK;
}

static void certificate_digest(const X509 *x, uint8_t ret[static TLS_DIGEST])
{
    unsigned n = 0;
    int ok = X509_digest(x, EVP_sha256(), ret, &n);
    ASSERT(ok == 1 && n == TLS_DIGEST);
}

static bool is_among(const X509 *x, STACK_OF(X509) * all)
{
    for (int i = 0; i < sk_X509_num(all); i++) {
        if (X509_cmp(x, sk_X509_value(all, i)) == 0)
            return true;
    }
    return false;
}

enum err tls_trust_add(X509_STORE **store, struct span pem, struct tls_digests *ret_new,
                       struct why *why)
{
    STACK_OF(X509) *more = NULL;
    TRY(pem_anchors(pem, &more, why));
    STACK_OF(X509) *old = X509_STORE_get1_all_certs(*store);
    ASSERT(old);
    struct tls_digests fresh = { mem_zalloc((size_t)sk_X509_num(more) * TLS_DIGEST), 0 };
    X509_STORE *both = store_new(old); /* theirs may be shared */
    for (int i = 0; i < sk_X509_num(more); i++) {
        X509 *x = sk_X509_value(more, i);
        if (!is_among(x, old))
            certificate_digest(x, fresh.item[fresh.n++]);
        X509_STORE_add_cert(both, x);
    }
    certificates_free(old);
    certificates_free(more);
    ERR_clear_error();
    X509_STORE_free(*store);
    *store = both;
    *ret_new = fresh;
    return ERR_OK;
}

void tls_hex(const uint8_t digest[static TLS_DIGEST], char ret[static TLS_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < TLS_DIGEST; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[TLS_HEX] = '\0';
}

enum err tls_pem_digests(struct span pem, struct buf *ret, struct why *why)
{
    STACK_OF(X509) *all = NULL;
    TRY(pem_anchors(pem, &all, why));
    enum err e = ERR_OK;
    for (int i = 0; i < sk_X509_num(all) && e == ERR_OK; i++) {
        uint8_t digest[TLS_DIGEST];
        char line[TLS_HEX + 1];
        certificate_digest(sk_X509_value(all, i), digest);
        tls_hex(digest, line);
        line[TLS_HEX] = '\n';
        e = buf_append(ret, span_of(line, sizeof line));
    }
    certificates_free(all);
    return e;
}

/* --- identities --- */

void tls_pair_done(struct tls_pair *p)
{
    X509_free(p->leaf);
    EVP_PKEY_free(p->key);
    certificates_free(p->chain);
    ERR_clear_error();
}

enum err tls_chain_read(struct tls_pair *p, struct span pem, struct why *why)
{
    BIO *bio = pem_open(pem);
    p->leaf = pem_certificate(bio);
    if (p->leaf)
        p->chain = pem_rest(bio);
    BIO_free(bio);
    if (!p->leaf)
        why_set(why,
                "no readable certificate: %s; it must hold the certificate in PEM form, then "
                "its intermediates",
                library_reason());
    else if (!p->chain)
        why_set(why, "an intermediate certificate is not acceptable: %s", library_reason());
    return p->chain ? ERR_OK : ERR_SYNTAX;
}

enum err tls_pair_read(struct tls_pair *p, const struct tls_identity *id, struct why *why)
{
    ERR_clear_error();
    TRY(tls_chain_read(p, id->chain_pem, why));
    p->key = tls_key_read(id->key_pem);
    if (!p->key) {
        why_set(why, "no readable private key: %s; it must be in PEM form, without a pass phrase",
                library_reason());
        return ERR_SYNTAX;
    }
    if (X509_check_private_key(p->leaf, p->key) != 1) {
        why_set(why, "the private key is not that of the first certificate; put the server's own "
                     "certificate first, and use the key it was made with");
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

bool tls_pair_show(const struct tls_pair *p, SSL *ssl)
{
    return SSL_use_cert_and_key(ssl, p->leaf, p->key, p->chain, 1) == 1;
}

void tls_pair_refused(struct why *why)
{
    why_set(why,
            "not acceptable: %s; use ECDSA P-256 or RSA with 2048 bits or more, signed "
            "with SHA-256",
            library_reason());
}

static enum err pair_use(const struct tls_pair *p, SSL_CTX *ctx, uint64_t *types, struct why *why)
{
    uint64_t type = UINT64_C(1) << (EVP_PKEY_get_base_id(X509_get0_pubkey(p->leaf)) % 64);
    if (*types & type) {
        why_set(why, "a second certificate with the same type of key for one name; keep one "
                     "ECDSA and one RSA at most");
        return ERR_SYNTAX;
    }
    *types |= type;
    if (SSL_CTX_use_cert_and_key(ctx, p->leaf, p->key, p->chain, 1) == 1)
        return ERR_OK;
    tls_pair_refused(why);
    return ERR_SYNTAX;
}

enum err tls_identity_use(SSL_CTX *ctx, const struct tls_identity *id, uint64_t *types,
                          struct why *why)
{
    struct tls_pair p = { 0 };
    enum err e = tls_pair_read(&p, id, why);
    if (e == ERR_OK)
        e = pair_use(&p, ctx, types, why);
    tls_pair_done(&p);
    if (e != ERR_OK)
        why_prefix(why, "%.*s", SPAN_ARG(id->file));
    return e;
}
