/* DANE (RFC 6698, 7671, 7672): does the chain that the server sent match its TLSA records?
 *
 * The connection itself is judged by the public roots, whose verdict is told beside this one. Here
 * the same certificates are judged a second time by the library's DANE verifier, in a context that
 * has no root of its own: first by the DANE-EE records, then by the DANE-TA records. That the
 * server has the key is proven by the handshake, whatever is found here (T-31).
 */
#include "io/tls_ossl.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Records of that usage in a connection that never connects: the library has no other place for
 * them. NULL: there are none. */
static SSL *judge_new(const struct tls *t, const struct tlsa_set *set, enum tlsa_usage usage)
{
    SSL *judge = SSL_new(t->client->ctx);
    ASSERT(judge);
    int ok = SSL_dane_enable(judge, NULL);
    ASSERT(ok == 1);
    SSL_dane_set_flags(judge, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    bool any = false;
    for (unsigned i = 0; i < set->n; i++) {
        const struct tlsa *r = &set->record[i];
        if (r->usage == usage && /* 0: full data that is no certificate or key */
            SSL_dane_tlsa_add(judge, r->usage, r->selector, r->matching,
                              (const unsigned char *)r->data.p, r->data.n) == 1)
            any = true;
    }
    if (any)
        return judge;
    SSL_free(judge);
    return NULL;
}

/* The verifier, with these records for its only anchors. Without X509_V_FLAG_X509_STRICT: an
 * authority that lives by its TLSA record owes nothing to the rules of the public ones. */
static X509_STORE_CTX *verifier_new(const struct tls *t, X509_STORE_CTX *chain, SSL *judge)
{
    X509_STORE *nobody = X509_STORE_new();
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    int ok = nobody && v &&
             X509_STORE_CTX_init(v, nobody, X509_STORE_CTX_get0_cert(chain),
                                 X509_STORE_CTX_get0_untrusted(chain)) == 1 &&
             X509_STORE_CTX_set_default(v, "ssl_server") == 1;
    ASSERT(ok);
    X509_STORE_free(nobody); /* v has a reference */
    X509_STORE_CTX_set0_dane(v, SSL_get0_dane(judge));
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(v);
    X509_VERIFY_PARAM_set_depth(param, TLS_CHAIN_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, TLS_SECURITY_LEVEL);
    X509_VERIFY_PARAM_set_time(param, (time_t)(t->now_ms / 1000));
    X509_STORE_CTX_set_verify_cb(v, tls_pass_dates);
    return v;
}

/* A record of that usage matches; the dates of the chain that it vouches for are told. */
static bool matches(const struct tls *t, const struct tlsa_set *set, enum tlsa_usage usage,
                    X509_STORE_CTX *chain, struct tls_chain *ret)
{
    SSL *judge = judge_new(t, set, usage);
    if (!judge)
        return false;
    X509_STORE_CTX *v = verifier_new(t, chain, judge);
    bool ok = X509_verify_cert(v) == 1 && X509_STORE_CTX_get_error(v) == X509_V_OK;
    if (ok)
        tls_chain_dates(X509_STORE_CTX_get0_chain(v), &ret->dane_from_s, &ret->dane_until_s);
    X509_STORE_CTX_free(v);
    SSL_free(judge);
    ERR_clear_error();
    return ok;
}

/* RFC 7672 3.2.2. The library reads a name that begins with a dot as any name below it. */
static bool names_one(const struct tls_peer *peer, X509 *cert)
{
    for (unsigned i = 0; i < peer->n_dane_name; i++) {
        struct span name = peer->dane_name[i];
        if (name.n > 0 && name.p[0] != '.' &&
            X509_check_host(cert, name.p, name.n, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1)
            return true;
    }
    return false;
}

void tls_dane_judge(const struct tls *t, X509_STORE_CTX *chain, struct tls_chain *ret)
{
    ASSERT(t->client && t->peer.tlsa && t->peer.n_dane_name <= TLS_DANE_NAMES_MAX);
    struct tlsa_set set = tlsa_agile(t->peer.tlsa);
    if (matches(t, &set, TLSA_DANE_EE, chain, ret))
        ret->dane = TLS_DANE_EE;
    else if (!matches(t, &set, TLSA_DANE_TA, chain, ret))
        ret->dane = TLS_DANE_NO;
    else if (names_one(&t->peer, X509_STORE_CTX_get0_cert(chain)))
        ret->dane = TLS_DANE_TA;
    else
        ret->dane = TLS_DANE_NAME;
}
