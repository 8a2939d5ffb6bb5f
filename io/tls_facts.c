/* What a handshake showed, taken from the library once and kept as text. */
#include "io/tls_ossl.h"
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>

/* Since OpenSSL 3.2; NULL where the library is older. */
extern const char *SSL_get0_group_name(SSL *ssl) __attribute__((weak));

struct group_name {
    int nid;
    const char *name;
};

/* One name for one group, whatever the library's version says. */
static const struct group_name group_names[] = {
    { NID_X25519, "X25519" },   { NID_X9_62_prime256v1, "P-256" },
    { NID_secp384r1, "P-384" }, { NID_secp521r1, "P-521" },
    { NID_X448, "X448" },
};

static struct span group_of(SSL *ssl)
{
    int nid = (int)SSL_get_negotiated_group(ssl);
    for (size_t i = 0; i < COUNTOF(group_names); i++) {
        if (group_names[i].nid == nid)
            return span_z(group_names[i].name);
    }
    if (nid == NID_undef)
        return SPAN_NONE;
    const char *name = SSL_get0_group_name ? SSL_get0_group_name(ssl) : NULL;
    if (!name && nid < TLSEXT_nid_unknown)
        name = OBJ_nid2sn(nid);
    return span_z(name);
}

static bool suite_forward_secret(SSL *ssl, const SSL_CIPHER *suite)
{
    if (SSL_version(ssl) >= TLS1_3_VERSION)
        return true; /* no key exchange without (EC)DHE is allowed there */
    int exchange = SSL_CIPHER_get_kx_nid(suite);
    return exchange == NID_kx_ecdhe || exchange == NID_kx_dhe;
}

/* --- the peer's certificate --- */

/* Appends one DNS name; bytes that no name has come out as \xHH, so that neither a comma nor a
 * control byte can forge a second name (T-15). False: it does not fit as a whole. */
static bool add_name(char *names, size_t *n, struct span name)
{
    char text[TLS_NAMES_MAX + 1];
    size_t used = 0;
    if (*n > 0)
        text[used++] = ',';
    for (size_t i = 0; i < name.n; i++) {
        if (used + 4 > TLS_NAMES_MAX)
            return false;
        char c = ascii_lower(name.p[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._*", c);
        if (plain && c != '\0') {
            text[used++] = c;
            continue;
        }
        static const char digits[] = "0123456789abcdef";
        text[used++] = '\\';
        text[used++] = 'x';
        text[used++] = digits[(uint8_t)c >> 4];
        text[used++] = digits[(uint8_t)c & 15];
    }
    if (*n + used > TLS_NAMES_MAX)
        return false;
    memcpy(names + *n, text, used);
    *n += used;
    names[*n] = '\0';
    return true;
}

static void gather_names(X509 *cert, char *names)
{
    size_t n = 0;
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type != GEN_DNS)
            continue;
        const ASN1_STRING *text = name->d.dNSName;
        struct span s =
            span_of((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
        if (!add_name(names, &n, s))
            break;
    }
    GENERAL_NAMES_free(all);
}

/* SHA-256 of the SubjectPublicKeyInfo, the form that TLSA "3 1 1" names. */
static void gather_spki(X509 *cert, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (n <= 0)
        return;
    uint8_t digest[TLS_DIGEST];
    SHA256(der, (size_t)n, digest);
    OPENSSL_free(der);
    for (size_t i = 0; i < TLS_DIGEST; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
}

/* RFC 2253 form, control bytes and all beyond ASCII escaped. */
static void gather_issuer(X509 *cert, char *text)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ASSERT(bio);
    char *p = NULL;
    X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0, XN_FLAG_RFC2253);
    long n = BIO_get_mem_data(bio, &p);
    if (n > 0)
        memcpy(text, p, (size_t)n < TLS_ISSUER_MAX ? (size_t)n : TLS_ISSUER_MAX);
    BIO_free(bio);
}

/* A resumed session brings its first handshake's judgement; time has gone on since. */
static bool in_time(const X509 *cert, int64_t now_ms)
{
    time_t now_s = (time_t)(now_ms / 1000);
    return X509_cmp_time(X509_get0_notAfter(cert), &now_s) > 0 &&
           X509_cmp_time(X509_get0_notBefore(cert), &now_s) < 0;
}

static void gather_peer(struct tls *t, X509 *cert)
{
    struct tls_facts *f = &t->facts;
    t->peer = NEW(struct tls_peer);
    gather_names(cert, t->peer->names);
    gather_spki(cert, t->peer->spki);
    gather_issuer(cert, t->peer->issuer);
    f->peer_cert = true;
    f->names = span_z(t->peer->names);
    f->spki = span_z(t->peer->spki);
    f->issuer = span_z(t->peer->issuer);

    long verdict = SSL_get_verify_result(t->ssl);
    if (verdict == X509_V_OK && f->resumed && !in_time(cert, t->now_ms))
        verdict = X509_V_ERR_CERT_HAS_EXPIRED;
    f->chain_ok = verdict == X509_V_OK;
    f->verify = verdict == X509_V_OK ? SPAN("ok") : span_z(X509_verify_cert_error_string(verdict));
    const unsigned strict =
        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    if (t->client && t->sni)
        f->name_ok = X509_check_host(cert, t->sni, strlen(t->sni), strict, NULL) == 1;
}

void tls_facts_gather(struct tls *t)
{
    struct tls_facts *f = &t->facts;
    const SSL_CIPHER *suite = SSL_get_current_cipher(t->ssl);
    ASSERT(suite);
    f->on = true;
    f->resumed = SSL_session_reused(t->ssl) == 1;
    f->forward_secret = suite_forward_secret(t->ssl, suite);
    f->bits = SSL_CIPHER_get_bits(suite, NULL);
    f->version = span_z(SSL_get_version(t->ssl));
    f->suite = span_z(SSL_CIPHER_standard_name(suite));
    f->group = f->forward_secret ? group_of(t->ssl) : SPAN_NONE;
    f->sni = span_z(t->sni);
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (cert)
        gather_peer(t, cert);
    ERR_clear_error();
}
