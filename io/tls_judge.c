/* A certificate without a connection: what the handshake of a client that shows this chain would
 * tell, and until when a chain of ours holds. The handshake's own functions judge. */
#include "io/tls_ossl.h"
#include <openssl/err.h>

static X509_STORE_CTX *chain_of(SSL *ssl, const struct tls_pair *p)
{
    X509_STORE_CTX *chain = X509_STORE_CTX_new();
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    ASSERT(chain);
    int ok = X509_STORE_CTX_init(chain, SSL_CTX_get_cert_store(ctx), p->leaf, p->chain);
    ASSERT(ok == 1);
    ok = X509_STORE_CTX_set_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl);
    ASSERT(ok == 1);
    /* as the library does it for a server's handshake */
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(chain);
    X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
    ok = X509_STORE_CTX_set_default(chain, "ssl_client");
    ASSERT(ok == 1);
    ok = X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl));
    ASSERT(ok == 1);
    return chain;
}

enum err tls_judge_client(struct tls_server *s, struct span chain_pem, int64_t now_ms,
                          struct arena *a, struct tls_facts *ret, struct why *why)
{
    struct tls_pair p = { 0 };
    ERR_clear_error();
    enum err e = tls_chain_read(&p, chain_pem, why);
    if (e == ERR_OK) {
        struct tls t = { .ssl = tls_server_ssl(s), .server = s, .now_ms = now_ms };
        t.facts.on = true;
        int ok = SSL_set_app_data(t.ssl, &t);
        ASSERT(ok == 1);
        X509_STORE_CTX *chain = chain_of(t.ssl, &p);
        ok = tls_judge_chain(chain, NULL);
        ASSERT(ok == 1);
        X509_STORE_CTX_free(chain);
        tls_facts_certificate(&t, p.leaf);
        *ret = tls_facts_copy(&t.facts, a);
        SSL_free(t.ssl);
        mem_free(t.shown);
    }
    tls_pair_done(&p);
    return e;
}

enum err tls_pem_use(struct span chain_pem, struct tls_use *ret, struct why *why)
{
    struct tls_pair p = { 0 };
    ERR_clear_error();
    enum err e = tls_chain_read(&p, chain_pem, why);
    if (e == ERR_OK)
        *ret = (struct tls_use){ tls_chain_until_ms(&p), tls_for_clients(p.leaf) };
    tls_pair_done(&p);
    return e;
}
