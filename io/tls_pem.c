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

static const char *library_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "no reason given";
}

/* --- trust --- */

/* A store with the anchors of `pem`, or NULL when there is none or a broken one in it. */
static X509_STORE *store_of_pem(struct span pem)
{
    X509_STORE *store = X509_STORE_new();
    ASSERT(store);
    BIO *bio = pem_open(pem);
    unsigned n = 0;
    for (X509 *x; (x = pem_certificate(bio)); n++) {
        X509_STORE_add_cert(store, x);
        X509_free(x);
    }
    bool whole = n > 0 && pem_at_end();
    BIO_free(bio);
    ERR_clear_error();
    if (whole)
        return store;
    X509_STORE_free(store);
    return NULL;
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
    X509_STORE *store = pem.n ? store_of_pem(pem) : system_store();
    if (!store) {
        why_set(why, "no readable certificate among the trust anchors; give the CA's certificate "
                     "in PEM form");
        return ERR_SYNTAX;
    }
    *ret = store;
    return ERR_OK;
}

/* --- identities --- */

struct pair {
    X509 *leaf;
    EVP_PKEY *key;
    BIO *chain; /* after the leaf */
};

static void pair_done(struct pair *p)
{
    X509_free(p->leaf);
    EVP_PKEY_free(p->key);
    BIO_free(p->chain);
    ERR_clear_error();
}

static enum err pair_read(struct pair *p, const struct tls_identity *id, struct why *why)
{
    p->chain = pem_open(id->chain_pem);
    p->leaf = pem_certificate(p->chain);
    if (!p->leaf) {
        why_set(why,
                "no readable certificate: %s; it must hold the certificate in PEM form, then "
                "its intermediates",
                library_reason());
        return ERR_SYNTAX;
    }
    BIO *bio = pem_open(id->key_pem);
    p->key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
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

static enum err pair_use(struct pair *p, SSL_CTX *ctx, struct why *why)
{
    if (SSL_CTX_use_certificate(ctx, p->leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, p->key) != 1) {
        why_set(why,
                "not acceptable: %s; use ECDSA P-256 or RSA with 2048 bits or more, signed "
                "with SHA-256",
                library_reason());
        return ERR_SYNTAX;
    }
    SSL_CTX_clear_chain_certs(ctx);
    bool ok = true;
    for (X509 *x; ok && (x = pem_certificate(p->chain));) {
        ok = SSL_CTX_add1_chain_cert(ctx, x) == 1;
        X509_free(x);
    }
    if (!ok || !pem_at_end()) {
        why_set(why, "an intermediate certificate is not acceptable: %s", library_reason());
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err tls_identity_use(SSL_CTX *ctx, const struct tls_identity *id, uint64_t *types,
                          struct why *why)
{
    struct pair p = { 0 };
    enum err e = pair_read(&p, id, why);
    if (e == ERR_OK) {
        uint64_t type = UINT64_C(1) << (EVP_PKEY_get_base_id(p.key) % 64);
        if (*types & type) {
            why_set(why, "a second certificate with the same type of key for one name; keep one "
                         "ECDSA and one RSA at most");
            e = ERR_SYNTAX;
        } else {
            *types |= type;
            e = pair_use(&p, ctx, why);
        }
    }
    pair_done(&p);
    if (e != ERR_OK)
        why_prefix(why, "%.*s", SPAN_ARG(id->file));
    return e;
}
