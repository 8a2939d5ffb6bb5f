/* One certificate's own fields. Its extensions: info_ext.c. */
#include "cert/info_x509.h"

#include "mail/clean.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>

enum { KEY_TEXT_MAX = 80, RSA_BITS_MIN = 2048, EC_BITS_MIN = 224 };

struct span info_clean(struct span s, struct arena *a)
{
    struct buf out;
    buf_init(&out, (size_t)CLEAN_GROWTH * CERT_TEXT_MAX);
    clean_text(span_head(s, s.n < CERT_TEXT_MAX ? s.n : CERT_TEXT_MAX), &out);
    struct span text = arena_span(a, buf_span(&out));
    buf_done(&out);
    return text;
}

/* RFC 4514 escapes what has a meaning there and control characters; UTF-8 stays. */
struct span info_name(const X509_NAME *name, struct arena *a)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    ASSERT(bio);
    unsigned long how = (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    struct span ret = SPAN_NONE;
    if (X509_NAME_print_ex(bio, name, 0, how) >= 0) {
        long n = BIO_get_mem_data(bio, &text);
        ret = info_clean(span_of(text, n > 0 ? (size_t)n : 0), a);
    }
    BIO_free(bio);
    return ret;
}

/* The last, most specific value of a kind. */
static struct span name_part(const X509_NAME *name, int nid, struct arena *a)
{
    int at = -1;
    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;)
        at = i;
    if (at < 0)
        return SPAN_NONE;
    unsigned char *utf8 = NULL;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (n < 0)
        return SPAN("?");
    struct span text = info_clean(span_of((const char *)utf8, (size_t)n), a);
    OPENSSL_free(utf8);
    return text;
}

struct span info_hex(const ASN1_STRING *s, struct arena *a)
{
    struct buf out;
    buf_init(&out, (size_t)2 * CERT_TEXT_MAX);
    int n = s ? ASN1_STRING_length(s) : 0;
    n = n < CERT_TEXT_MAX ? n : CERT_TEXT_MAX;
    if (n > 0)
        cert_hex(ASN1_STRING_get0_data(s), (size_t)n, &out);
    struct span text = arena_span(a, buf_span(&out));
    buf_done(&out);
    return text;
}

int64_t info_time(const ASN1_TIME *t)
{
    struct tm tm = { 0 };
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

/* --- the key --- */

static const char *curve_name(const char *group)
{
    static const char *const names[][2] = { { "prime256v1", "P-256" },
                                            { "secp384r1", "P-384" },
                                            { "secp521r1", "P-521" } };
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (strcmp(group, names[i][0]) == 0)
            return names[i][1];
    return group;
}

static void fill_key(X509 *x, struct arena *a, struct cert_info *ret)
{
    char text[KEY_TEXT_MAX] = "unknown", group[40] = "";
    size_t n;
    const EVP_PKEY *key = X509_get0_pubkey(x);
    int bits = key ? EVP_PKEY_get_bits(key) : 0;
    int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    ret->key_bits = bits > 0 ? (unsigned)bits : 0;
    if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS)
        (void)snprintf(text, sizeof text, "RSA%s %d", kind == EVP_PKEY_RSA ? "" : "-PSS", bits);
    else if (kind == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof group, &n) == 1)
        (void)snprintf(text, sizeof text, "EC %s", curve_name(group));
    else if (kind == EVP_PKEY_ED25519)
        (void)snprintf(text, sizeof text, "Ed25519");
    else if (kind == EVP_PKEY_ED448)
        (void)snprintf(text, sizeof text, "Ed448");
    else if (key)
        (void)snprintf(text, sizeof text, "%s %d",
                       EVP_PKEY_get0_type_name(key) ? EVP_PKEY_get0_type_name(key) : "other", bits);
    ret->key = info_clean(span_z(text), a);
}

/* --- strength --- */

static bool is_weak_signature(const X509 *x)
{
    static const int weak[] = { NID_md2, NID_md4, NID_md5, NID_sha1 };
    int digest = NID_undef, key = NID_undef;
    if (OBJ_find_sigid_algs(X509_get_signature_nid(x), &digest, &key) != 1)
        return false; /* one that we do not know: a chain with it is not good anyway */
    for (size_t i = 0; i < COUNTOF(weak); i++)
        if (digest == weak[i])
            return true;
    return false;
}

/* A root's own signature vouches for nothing. */
static void fill_weak(const X509 *x, struct arena *a, struct cert_info *ret)
{
    const EVP_PKEY *key = X509_get0_pubkey(x);
    int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    struct buf text;
    buf_init(&text, (size_t)CLEAN_GROWTH * CERT_TEXT_MAX + 200);
    bool rsa = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS || kind == EVP_PKEY_DSA;
    if (!key)
        buf_put(&text, SPAN("its key is of a kind that is not known"));
    else if (rsa ? ret->key_bits < RSA_BITS_MIN : ret->key_bits < EC_BITS_MIN)
        buf_putf(&text, "its key has only %u bits", ret->key_bits);
    if (!ret->self_signed && is_weak_signature(x)) {
        buf_put(&text, text.n > 0 ? SPAN("; ") : SPAN_NONE);
        buf_put(&text, SPAN("it is signed with "));
        buf_put(&text, ret->signature);
    }
    ret->weak = arena_span(a, buf_span(&text));
    buf_done(&text);
}

/* --- all of it --- */

static void fill_signature(const X509 *x, struct arena *a, struct cert_info *ret)
{
    char text[KEY_TEXT_MAX];
    const ASN1_OBJECT *object;
    const X509_ALGOR *algorithm;
    X509_get0_signature(NULL, &algorithm, x);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    if (OBJ_obj2txt(text, sizeof text, object, 0) <= 0)
        text[0] = '\0';
    ret->signature = info_clean(span_z(text), a);
}

static void fill_digests(const X509 *x, struct cert_info *ret)
{
    unsigned n;
    unsigned char *spki = NULL;
    int ok = X509_digest(x, EVP_sha256(), ret->sha256, &n);
    ASSERT(ok == 1 && n == CERT_SHA256);
    ok = X509_digest(x, EVP_sha1(), ret->sha1, &n);
    ASSERT(ok == 1 && n == CERT_SHA1);
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    if (length > 0)
        ok = EVP_Digest(spki, (size_t)length, ret->spki, &n, EVP_sha256(), NULL);
    ASSERT(ok == 1);
    OPENSSL_free(spki);
}

static enum err fill_der(X509 *x, struct arena *a, struct cert_info *ret)
{
    unsigned char *der = NULL;
    int n = i2d_X509(x, &der);
    if (n <= 0)
        return ERR_SYNTAX;
    enum err e = arena_try_span(a, span_of((const char *)der, (size_t)n), &ret->der);
    OPENSSL_free(der);
    return e;
}

enum err info_fill(X509 *x, struct arena *a, struct cert_info *ret)
{
    struct cert_info c = { .path_max = -1 };
    const X509_NAME *subject = X509_get_subject_name(x), *issuer = X509_get_issuer_name(x);
    long version = X509_get_version(x);
    TRY(fill_der(x, a, &c));
    c.version = version >= 0 && version < 16 ? (unsigned)version + 1 : 0;
    c.serial = info_hex(X509_get0_serialNumber(x), a);
    c.subject = info_name(subject, a);
    c.issuer = info_name(issuer, a);
    c.cn = name_part(subject, NID_commonName, a);
    c.o = name_part(subject, NID_organizationName, a);
    c.ou = name_part(subject, NID_organizationalUnitName, a);
    c.issuer_cn = name_part(issuer, NID_commonName, a);
    c.issuer_o = name_part(issuer, NID_organizationName, a);
    c.from_ms = info_time(X509_get0_notBefore(x));
    c.until_ms = info_time(X509_get0_notAfter(x));
    c.self_signed = X509_self_signed(x, 0) == 1;
    fill_key(x, a, &c);
    fill_signature(x, a, &c);
    fill_digests(x, &c);
    fill_weak(x, a, &c);
    info_extensions(x, a, &c);
    ERR_clear_error();
    *ret = c;
    return ERR_OK;
}

X509 *info_x509(const struct cert_info *c)
{
    const unsigned char *p = (const unsigned char *)c->der.p;
    X509 *x = d2i_X509(NULL, &p, (long)c->der.n);
    ASSERT(x);
    return x;
}
