/* Bytes from the net into a TLS server, cut into pieces as the input says. */
#include "io/tls.h"
#include <openssl/pem.h>
#include <openssl/x509.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { OUT_MAX = 1 << 20 };

static struct span pem_of(BIO *bio)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    ASSERT(n > 0);
    return span_of(p, (size_t)n);
}

static struct tls_identity identity(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    ASSERT(key && cert);
    X509_set_version(cert, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 365L * 24 * 60 * 60);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    static BIO *chain, *secret; /* the texts are theirs */
    chain = BIO_new(BIO_s_mem());
    secret = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(chain, cert);
    PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    X509_free(cert);
    EVP_PKEY_free(key);
    return (struct tls_identity){ .chain_pem = pem_of(chain), .key_pem = pem_of(secret) };
}

static struct tls_server *server(void)
{
    static struct tls_server *s;
    if (s)
        return s;
    static struct tls_identity id;
    id = identity();
    struct tls_site site = { SPAN(""), &id, 1 };
    struct tls_server_config config = { .profile = TLS_PROFILE_LEGACY,
                                        .site = &site,
                                        .n_site = 1,
                                        .client_ca_pem = id.chain_pem,
                                        .ask_client_cert = true,
                                        .ticket_secret = { { 1 } } };
    enum err e = tls_server_new(&config, &s, NULL);
    ASSERT(e == ERR_OK);
    return s;
}

/* One piece, first to the handshake, then to the reader. */
static enum err feed(struct tls *t, bool *up, struct span in, struct buf *out)
{
    struct why why = { "" };
    char plain[4096];
    size_t got = 0;
    enum err e = *up ? ERR_OK : tls_handshake(t, &in, out, &why);
    ASSERT(e == ERR_OK || e == ERR_AGAIN || why.text[0] != '\0');
    if (e != ERR_OK)
        return e;
    *up = true;
    while (e == ERR_OK)
        e = tls_read(t, &in, out, plain, sizeof plain, &got);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    size_t step = (size_t)data[0] + 1;
    struct span all = span_of((const char *)data + 1, n - 1);
    struct buf out;
    buf_init(&out, OUT_MAX);
    enum tls_door door = data[0] & 1 ? TLS_DOOR_IMPLICIT : TLS_DOOR_STARTTLS;
    struct tls *t = tls_accept(server(), door, SPAN("25"), INT64_C(1790000000000));
    bool up = false;
    enum err e = ERR_AGAIN;
    while (all.n > 0 && e == ERR_AGAIN) {
        size_t piece = step < all.n ? step : all.n;
        e = feed(t, &up, span_head(all, piece), &out);
        all = span_tail(all, piece);
    }
    tls_free(t);
    buf_done(&out);
    return 0;
}
