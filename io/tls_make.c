#include "io/tls_make.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

/* A certificate is made in steps: the frame (serial, dates, key), the subject, the extensions, the
 * signature. What OpenSSL cannot do for want of memory ends the process, as everywhere. */

enum { SERIAL_BITS = 127, NAME_BYTES_MAX = 64, RSA_BITS_MAX = 8192, SECURITY_BITS_MIN = 112 };

/* --- PEM --- */

static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static BIO *pem_open(struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.n > 0 ? pem.p : "", (int)pem.n);
    ASSERT(bio);
    return bio;
}

static enum err unreadable(struct why *why, const char *what)
{
    ERR_clear_error();
    why_set(why, "no readable %s, PEM, without a pass phrase", what);
    return ERR_SYNTAX;
}

static enum err refused(struct why *why, const char *text)
{
    ERR_clear_error();
    why_set(why, "%s", text);
    return ERR_REFUSED;
}

static X509 *read_certificate(struct span pem)
{
    BIO *bio = pem_open(pem);
    X509 *x = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    return x;
}

static EVP_PKEY *read_key(struct span pem)
{
    BIO *bio = pem_open(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    return key;
}

static X509_REQ *read_request(struct span pem)
{
    BIO *bio = pem_open(pem);
    X509_REQ *r =
        pem.n <= TLS_MAKE_PEM_MAX ? PEM_read_bio_X509_REQ(bio, NULL, no_pass_phrase, NULL) : NULL;
    BIO_free(bio);
    return r;
}

/* The memory is wiped when it is freed: it may be a key. */
static enum err give(BIO *bio, struct buf *ret)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    ASSERT(n > 0);
    enum err e = buf_append(ret, span_of(p, (size_t)n));
    BIO_free(bio);
    return e;
}

static BIO *secret_bio(void)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    ASSERT(bio);
    return bio;
}

static enum err give_key(EVP_PKEY *key, struct buf *ret)
{
    BIO *bio = secret_bio();
    int ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    ASSERT(ok == 1);
    return give(bio, ret);
}

static enum err give_certificate(X509 *x, struct buf *ret)
{
    BIO *bio = secret_bio();
    int ok = PEM_write_bio_X509(bio, x);
    ASSERT(ok == 1);
    return give(bio, ret);
}

/* --- the frame --- */

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    ASSERT(key);
    return key;
}

enum err tls_make_key(struct buf *ret)
{
    EVP_PKEY *key = new_key();
    enum err e = give_key(key, ret);
    EVP_PKEY_free(key);
    return e;
}

static void set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    int ok = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1;
    ASSERT(ok && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)));
    BN_free(n);
}

static X509 *new_certificate(EVP_PKEY *key, int64_t from_ms, int64_t until_ms)
{
    X509 *x = X509_new();
    ASSERT(x && X509_set_version(x, X509_VERSION_3) == 1 && X509_set_pubkey(x, key) == 1);
    set_serial(x);
    ASN1_TIME *from = ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(from_ms / 1000));
    ASN1_TIME *until = ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(until_ms / 1000));
    ASSERT(from && until);
    return x;
}

static bool add_name(X509_NAME *to, const char *field, struct span value)
{
    return X509_NAME_add_entry_by_txt(to, field, MBSTRING_UTF8, (const unsigned char *)value.p,
                                      (int)value.n, -1, 0) == 1;
}

/* --- extensions --- */

static void add_fixed(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ASSERT(ext && X509_add_ext(x, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static GENERAL_NAME *general(int type, struct span value)
{
    bool dns = type == GEN_DNS;
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s = ASN1_STRING_type_new(dns ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
    ASSERT(g && s && ASN1_STRING_set(s, value.p, (int)value.n) == 1);
    GENERAL_NAME_set0_value(g, type, s);
    return g;
}

static void add_subtree(STACK_OF(GENERAL_SUBTREE) * *to, GENERAL_NAME *base)
{
    GENERAL_SUBTREE *sub = GENERAL_SUBTREE_new();
    if (!*to)
        *to = sk_GENERAL_SUBTREE_new_null();
    ASSERT(sub && *to);
    GENERAL_NAME_free(sub->base);
    sub->base = base;
    int n = sk_GENERAL_SUBTREE_push(*to, sub);
    ASSERT(n > 0);
}

/* = RFC 5280 4.2.1.10: "Any DNS name that can be constructed by simply adding zero or more labels
 * to the left-hand side of the name satisfies the name constraint." */
static void add_constraints(X509 *x, const struct span *domain, unsigned n)
{
    static const char any[32]; /* address and mask, all zero: every address */
    NAME_CONSTRAINTS *c = NAME_CONSTRAINTS_new();
    ASSERT(c);
    for (unsigned i = 0; i < n; i++)
        add_subtree(&c->permittedSubtrees, general(GEN_DNS, domain[i]));
    add_subtree(&c->excludedSubtrees, general(GEN_IPADD, span_of(any, 8)));
    add_subtree(&c->excludedSubtrees, general(GEN_IPADD, span_of(any, 32)));
    int ok = X509_add1_ext_i2d(x, NID_name_constraints, c, 1, X509V3_ADD_APPEND);
    ASSERT(ok == 1);
    NAME_CONSTRAINTS_free(c);
}

static void add_alt_names(X509 *x, const struct span *name, unsigned n, bool critical)
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    ASSERT(all);
    for (unsigned i = 0; i < n; i++) {
        int pushed = sk_GENERAL_NAME_push(all, general(GEN_DNS, name[i]));
        ASSERT(pushed > 0);
    }
    int ok = X509_add1_ext_i2d(x, NID_subject_alt_name, all, critical, X509V3_ADD_APPEND);
    ASSERT(ok == 1);
    GENERAL_NAMES_free(all);
}

/* --- names --- */

/* Letters, digits, '-' and dots; anything else has no place in a host name of a certificate. */
static bool is_host(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.')
            return false;
    }
    return s.n > 0 && s.n <= 253 && s.p[0] != '.' && s.p[s.n - 1] != '.';
}

static enum err check_hosts(const struct span *name, unsigned n, struct why *why)
{
    ASSERT(n <= TLS_MAKE_NAMES_MAX);
    for (unsigned i = 0; i < n; i++) {
        if (is_host(name[i]))
            continue;
        why_set(why, "`%.*s` is no name of a host", SPAN_ARG(span_head(name[i], name[i].n % 254)));
        return ERR_SYNTAX;
    }
    if (n > 0)
        return ERR_OK;
    why_set(why, "there is no name to put into the certificate");
    return ERR_SYNTAX;
}

/* --- the authority --- */

static enum err name_authority(X509 *x, const struct tls_ca_ask *ask, struct why *why)
{
    X509_NAME *subject = X509_get_subject_name(x);
    bool right = ask->organisation.n <= NAME_BYTES_MAX && ask->unit.n <= NAME_BYTES_MAX &&
                 add_name(subject, "O", ask->organisation) && add_name(subject, "OU", ask->unit) &&
                 add_name(subject, "CN", SPAN("Postern partner CA")) &&
                 X509_set_issuer_name(x, subject) == 1;
    if (right)
        return ERR_OK;
    ERR_clear_error();
    why_set(why, "the names of the organisation and the partner do not fit into a certificate");
    return ERR_SYNTAX;
}

enum err tls_make_ca(const struct tls_ca_ask *ask, struct buf *ret_certificate, struct buf *ret_key,
                     struct why *why)
{
    size_t before = ret_certificate->n;
    TRY(check_hosts(ask->domain, ask->n_domain, why));
    EVP_PKEY *key = new_key();
    X509 *x = new_certificate(key, ask->from_ms, ask->until_ms);
    enum err e = name_authority(x, ask, why);
    if (e == ERR_OK) {
        add_fixed(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
        add_fixed(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
        add_fixed(x, x, NID_subject_key_identifier, "hash");
        add_constraints(x, ask->domain, ask->n_domain);
        int n = X509_sign(x, key, EVP_sha256());
        ASSERT(n > 0);
        e = give_certificate(x, ret_certificate);
    }
    if (e == ERR_OK && (e = give_key(key, ret_key)) != ERR_OK)
        buf_truncate(ret_certificate, before);
    X509_free(x);
    EVP_PKEY_free(key);
    return e;
}

/* --- what is below it --- */

static bool is_curve(const EVP_PKEY *key)
{
    static const char *const names[] = { "prime256v1", "secp384r1", "secp521r1" };
    char name[64] = "";
    size_t n;
    if (EVP_PKEY_get_group_name(key, name, sizeof name, &n) != 1)
        return false;
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static enum err check_key(const EVP_PKEY *key, struct why *why)
{
    int kind = EVP_PKEY_get_base_id(key);
    if (kind == EVP_PKEY_EC && is_curve(key))
        return ERR_OK;
    if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX &&
        EVP_PKEY_get_security_bits(key) >= SECURITY_BITS_MIN)
        return ERR_OK;
    return refused(why, "this key is not one to be certified; use ECDSA P-256 or P-384, or RSA "
                        "with 2048 to 8192 bits");
}

/* Whose certificate it is to be: the caller's to free. */
static enum err subject_key(const struct tls_leaf_ask *ask, EVP_PKEY **ret, struct why *why)
{
    EVP_PKEY *key = NULL;
    if (ask->request_pem.n == 0) {
        key = read_key(ask->key_pem);
        if (!key)
            return unreadable(why, "private key");
    } else {
        X509_REQ *request = read_request(ask->request_pem);
        key = request ? X509_REQ_get_pubkey(request) : NULL;
        /* the limits first: to verify with a huge key takes its time */
        enum err e = key ? check_key(key, why) : unreadable(why, "certificate request (CSR)");
        if (e == ERR_OK && X509_REQ_verify(request, key) != 1)
            e = refused(why, "the request is not signed with the key that is in it");
        X509_REQ_free(request);
        if (e != ERR_OK) {
            EVP_PKEY_free(key);
            return e;
        }
    }
    *ret = key;
    return ERR_OK;
}

struct authority {
    X509 *x;
    EVP_PKEY *key;
};

static void authority_done(struct authority *a)
{
    X509_free(a->x);
    EVP_PKEY_free(a->key);
}

/* authority_done also after an error. */
static enum err authority_read(struct authority *a, const struct tls_leaf_ask *ask, struct why *why)
{
    *a = (struct authority){ read_certificate(ask->ca_pem), NULL };
    if (!a->x)
        return unreadable(why, "certificate of the authority");
    a->key = read_key(ask->ca_key_pem);
    if (!a->key)
        return unreadable(why, "key of the authority");
    if (X509_check_private_key(a->x, a->key) == 1)
        return ERR_OK;
    ERR_clear_error();
    why_set(why, "the key of the authority is not that of its certificate");
    return ERR_SYNTAX;
}

/* Not beyond the authority's own days: the chain would end there anyway, and unseen. */
static enum err set_end(X509 *x, const X509 *ca, int64_t from_ms, struct why *why)
{
    const ASN1_TIME *end = X509_get0_notAfter(ca);
    time_t from = (time_t)(from_ms / 1000);
    if (X509_cmp_time(end, &from) <= 0)
        return refused(why,
                       "the authority's certificate is over; make a new one in another folder");
    if (ASN1_TIME_compare(X509_get0_notAfter(x), end) > 0 && X509_set1_notAfter(x, end) != 1)
        ASSERT(!"a date that was one cannot be set");
    return ERR_OK;
}

/* Of a copy that was read from the bytes: the library judges what it has parsed. */
static enum err check_constraints(X509 *x, X509 *ca, struct why *why)
{
    NAME_CONSTRAINTS *c = X509_get_ext_d2i(ca, NID_name_constraints, NULL, NULL);
    X509 *copy = X509_dup(x);
    if (!c) {
        X509_free(copy);
        return refused(why, "this authority may sign for every name: it is not one for a partner");
    }
    ASSERT(copy);
    bool parsed = X509_check_purpose(copy, -1, 0) == 1;
    int bad = NAME_CONSTRAINTS_check(copy, c);
    NAME_CONSTRAINTS_free(c);
    X509_free(copy);
    return parsed && bad == X509_V_OK ? ERR_OK
                                      : refused(why, "a name is outside of the domains that this "
                                                     "authority may sign for");
}

static void fill_leaf(X509 *x, const struct tls_leaf_ask *ask, X509 *ca)
{
    bool common = ask->name[0].n <= NAME_BYTES_MAX;
    bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(x)) == EVP_PKEY_RSA;
    bool ok = (!common || add_name(X509_get_subject_name(x), "CN", ask->name[0])) &&
              X509_set_issuer_name(x, X509_get_subject_name(ca)) == 1;
    ASSERT(ok);
    add_fixed(x, ca, NID_basic_constraints, "critical,CA:FALSE");
    add_fixed(x, ca, NID_key_usage,
              rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature");
    add_fixed(x, ca, NID_ext_key_usage, "serverAuth,clientAuth");
    add_fixed(x, ca, NID_subject_key_identifier, "hash");
    add_fixed(x, ca, NID_authority_key_identifier, "keyid:always");
    /* = RFC 5280 4.1.2.6: without a subject the names are critical */
    add_alt_names(x, ask->name, ask->n_name, !common);
}

static enum err sign_leaf(const struct tls_leaf_ask *ask, const struct authority *a, EVP_PKEY *key,
                          struct buf *ret, struct why *why)
{
    X509 *x = new_certificate(key, ask->from_ms, ask->until_ms);
    fill_leaf(x, ask, a->x);
    enum err e = set_end(x, a->x, ask->from_ms, why);
    if (e == ERR_OK) {
        int n = X509_sign(x, a->key, EVP_sha256());
        ASSERT(n > 0);
        e = check_constraints(x, a->x, why);
    }
    if (e == ERR_OK)
        e = give_certificate(x, ret);
    X509_free(x);
    return e;
}

enum err tls_make_leaf(const struct tls_leaf_ask *ask, struct buf *ret, struct why *why)
{
    struct authority a = { 0 };
    EVP_PKEY *key = NULL;
    ASSERT((ask->request_pem.n > 0) != (ask->key_pem.n > 0));
    TRY(check_hosts(ask->name, ask->n_name, why));
    enum err e = authority_read(&a, ask, why);
    if (e == ERR_OK)
        e = subject_key(ask, &key, why);
    if (e == ERR_OK)
        e = sign_leaf(ask, &a, key, ret, why);
    EVP_PKEY_free(key);
    authority_done(&a);
    return e;
}

/* --- what a request asks for --- */

static enum err put_line(ASN1_STRING *s, struct buf *ret)
{
    struct span name =
        span_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    if (!is_host(name))
        return ERR_OK;
    TRY(buf_append(ret, name));
    return buf_addc(ret, '\n');
}

static enum err put_alt_names(X509_REQ *request, struct buf *ret)
{
    STACK_OF(X509_EXTENSION) *all = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = all ? X509V3_get_d2i(all, NID_subject_alt_name, NULL, NULL) : NULL;
    enum err e = ERR_OK;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && e == ERR_OK; i++) {
        GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS)
            e = put_line(g->d.dNSName, ret);
    }
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    ERR_clear_error();
    return e;
}

enum err tls_request_names(struct span request_pem, struct buf *ret, struct why *why)
{
    size_t before = ret->n;
    X509_REQ *request = read_request(request_pem);
    if (!request)
        return unreadable(why, "certificate request (CSR)");
    enum err e = put_alt_names(request, ret);
    X509_NAME *subject = X509_REQ_get_subject_name(request);
    int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (e == ERR_OK && ret->n == before && i >= 0)
        e = put_line(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)), ret);
    X509_REQ_free(request);
    if (e != ERR_OK) {
        buf_truncate(ret, before);
        why_set(why, "the request has too many names");
    }
    return e;
}
