#include "io/tls_look.h"

#include "base/buf.h"
#include "io/tls_ossl.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

/* What a peer sends is cut: ten certificates are within TLS_LOOK_ARENA_MAX. */
enum { DN_MAX = 1024, NAMES_MAX = 4 * 1024, PERMITTED_MAX = 16 * 1024 };

static struct span name_text(const X509_NAME *name, struct arena *a)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;
    ASSERT(bio);
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    long n = BIO_get_mem_data(bio, &p);
    struct span s = arena_span(a, span_of(p, n < 0 ? 0 : n < DN_MAX ? (size_t)n : DN_MAX));
    BIO_free(bio);
    return s;
}

static struct span hex_text(const uint8_t *bytes, size_t n, struct arena *a)
{
    static const char digits[] = "0123456789abcdef";
    char *p = arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        p[2 * i] = digits[bytes[i] >> 4];
        p[2 * i + 1] = digits[bytes[i] & 15];
    }
    return span_of(p, 2 * n);
}

static struct span serial_text(X509 *x, struct arena *a)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    int n = ASN1_STRING_length(serial);
    return hex_text(ASN1_STRING_get0_data(serial), n <= 64 ? (size_t)n : 64, a);
}

static struct span spki_text(X509 *x, struct arena *a)
{
    unsigned char *der = NULL;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    if (n <= 0)
        return SPAN_NONE;
    SHA256(der, (size_t)n, digest);
    OPENSSL_free(der);
    return hex_text(digest, sizeof digest, a);
}

/* What is left out for want of room is not there: these are facts for people. */
static void put_dns(const GENERAL_NAME *g, struct buf *out)
{
    if (g->type != GEN_DNS)
        return;
    struct span name = span_of((const char *)ASN1_STRING_get0_data(g->d.dNSName),
                               (size_t)ASN1_STRING_length(g->d.dNSName));
    if (buf_room(out) > name.n) {
        buf_put(out, out->n > 0 ? SPAN(" ") : SPAN_NONE);
        buf_put(out, name);
    }
}

static struct span names_text(X509 *x, struct arena *a)
{
    struct buf out;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    buf_init(&out, NAMES_MAX);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        put_dns(sk_GENERAL_NAME_value(names, i), &out);
    GENERAL_NAMES_free(names);
    struct span s = arena_span(a, buf_span(&out));
    buf_done(&out);
    return s;
}

static struct span permitted_text(X509 *x, struct arena *a)
{
    struct buf out;
    NAME_CONSTRAINTS *c = X509_get_ext_d2i(x, NID_name_constraints, NULL, NULL);
    STACK_OF(GENERAL_SUBTREE) *all = c ? c->permittedSubtrees : NULL;
    buf_init(&out, PERMITTED_MAX);
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(all); i++)
        put_dns(sk_GENERAL_SUBTREE_value(all, i)->base, &out);
    NAME_CONSTRAINTS_free(c);
    struct span s = arena_span(a, buf_span(&out));
    buf_done(&out);
    return s;
}

static int64_t time_ms(const ASN1_TIME *t)
{
    enum { DAY_S = 24 * 60 * 60 };
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool ok = epoch && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    return ok ? ((int64_t)days * DAY_S + seconds) * 1000 : 0;
}

static struct tls_certificate facts_of(X509 *x, struct arena *a)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    unsigned n = 0;
    int ok = X509_digest(x, EVP_sha256(), digest, &n);
    ASSERT(ok == 1 && n == sizeof digest);
    return (struct tls_certificate){
        .subject = name_text(X509_get_subject_name(x), a),
        .issuer = name_text(X509_get_issuer_name(x), a),
        .serial = serial_text(x, a),
        .names = names_text(x, a),
        .permitted = permitted_text(x, a),
        .sha256 = hex_text(digest, sizeof digest, a),
        .spki = spki_text(x, a),
        .from_ms = time_ms(X509_get0_notBefore(x)),
        .until_ms = time_ms(X509_get0_notAfter(x)),
    };
}

enum err tls_certificate_read(struct span pem, struct arena *a, struct tls_certificate *ret,
                              struct why *why)
{
    BIO *bio = BIO_new_mem_buf(pem.n > 0 ? pem.p : "", (int)pem.n);
    ASSERT(bio);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, (char[]){ "" });
    BIO_free(bio);
    if (!x) {
        ERR_clear_error();
        why_set(why, "no readable certificate in PEM form");
        return ERR_SYNTAX;
    }
    *ret = facts_of(x, a);
    X509_free(x);
    ERR_clear_error();
    return ERR_OK;
}

void tls_look(const struct tls *t, struct arena *a, struct tls_look *ret)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(t->ssl); /* the library's */
    int n = sk_X509_num(chain);
    *ret = (struct tls_look){ .asked = t->asked, .n_received = n > 0 ? (unsigned)n : 0 };
    ret->shown = t->asked && SSL_get_certificate(t->ssl);
    for (int i = 0; i < n && i < TLS_LOOK_CHAIN_MAX; i++)
        ret->chain[ret->n_chain++] = facts_of(sk_X509_value(chain, i), a);
    ERR_clear_error();
}
