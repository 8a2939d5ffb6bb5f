/* A partner's own authority: what it may sign, judged by the library's own verification. */
#include "io/tls_make.h"

#include "base/when.h"
#include "io/tls_look.h"
#include "test/test.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static const int64_t now_ms = 1795500000000; /* 2026-11-24 */

struct rig {
    struct buf ca, ca_key, leaf;
    struct why why;
};

static const struct span domains[] = { { "lab.example", 11 }, { "lab.test", 8 } };

static void rig_begin(struct rig *r)
{
    const struct tls_ca_ask ask = { SPAN("Hospital"), SPAN("lab"),
                                    domains,          COUNTOF(domains),
                                    now_ms - HOUR_MS, now_ms + 3650 * (int64_t)DAY_MS };
    *r = (struct rig){ .why = { "" } };
    buf_init(&r->ca, TLS_MAKE_PEM_MAX);
    buf_init(&r->ca_key, TLS_MAKE_PEM_MAX);
    buf_init(&r->leaf, TLS_MAKE_PEM_MAX);
    enum err e = tls_make_ca(&ask, &r->ca, &r->ca_key, &r->why);
    CHECK_Z(span_z(r->why.text), "");
    CHECK_NUM(e, ERR_OK);
}

static void rig_end(struct rig *r)
{
    buf_done(&r->ca);
    buf_done(&r->ca_key);
    buf_done(&r->leaf);
}

static X509 *x509_of(struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    CHECK(x != NULL);
    return x;
}

static EVP_PKEY *pkey_of(struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    CHECK(key != NULL);
    return key;
}

/* What the library says of a leaf, with or without something between it and the authority. */
static int verify(struct span anchor, X509 *leaf, X509 *between, const char *purpose)
{
    X509 *ca = x509_of(anchor);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *rest = sk_X509_new_null();
    if (between)
        sk_X509_push(rest, between);
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, leaf, rest);
    X509_STORE_CTX_set_default(ctx, purpose);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)(now_ms / 1000));
    int code = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    sk_X509_free(rest);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(ca);
    return code;
}

static enum err leaf(struct rig *r, struct span request, struct span key, struct span name)
{
    const struct tls_leaf_ask ask = { .ca_pem = buf_span(&r->ca),
                                      .ca_key_pem = buf_span(&r->ca_key),
                                      .request_pem = request,
                                      .key_pem = key,
                                      .name = &name,
                                      .n_name = 1,
                                      .from_ms = now_ms - HOUR_MS,
                                      .until_ms = now_ms + 397 * (int64_t)DAY_MS };
    return tls_make_leaf(&ask, &r->leaf, &r->why);
}

/* --- requests --- */

/* Asks for names, and to be an authority. broken: somebody else's key signs it. */
static void make_request(EVP_PKEY *key, const char *names, EVP_PKEY *signer, struct buf *ret)
{
    X509_REQ *r = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
    if (names)
        sk_X509_EXTENSION_push(all, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names));
    sk_X509_EXTENSION_push(
        all, X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE"));
    X509_REQ_set_pubkey(r, key);
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"common.lab.example", -1, -1, 0);
    X509_REQ_add_extensions(r, all);
    CHECK(X509_REQ_sign(r, signer, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    PEM_write_bio_X509_REQ(bio, r);
    long n = BIO_get_mem_data(bio, &p);
    buf_clear(ret);
    buf_put(ret, span_of(p, (size_t)n));
    BIO_free(bio);
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    X509_REQ_free(r);
}

/* --- tests --- */

TEST(partner_ca_signs_what_the_library_accepts)
{
    struct rig r;
    struct buf key;
    rig_begin(&r);
    buf_init(&key, TLS_MAKE_PEM_MAX);
    CHECK_NUM(tls_make_key(&key), ERR_OK);
    CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&key), SPAN("mx.lab.example")), ERR_OK);
    X509 *x = x509_of(buf_span(&r.leaf));
    EVP_PKEY *k = pkey_of(buf_span(&key));
    CHECK_NUM(verify(buf_span(&r.ca), x, NULL, "ssl_client"), X509_V_OK);
    CHECK_NUM(verify(buf_span(&r.ca), x, NULL, "ssl_server"), X509_V_OK);
    CHECK_NUM(X509_check_private_key(x, k), 1);
    CHECK_NUM(X509_check_host(x, "mx.lab.example", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL),
              1);
    CHECK_NUM(X509_check_ca(x), 0);
    X509_free(x);
    EVP_PKEY_free(k);
    buf_done(&key);
    rig_end(&r);
}

TEST(partner_ca_signs_nothing_outside_of_the_domains)
{
    static const struct {
        const char *name;
        enum err err;
    } rows[] = {
        { "lab.example", ERR_OK },
        { "a.b.LAB.test", ERR_OK },
        { "bank.example", ERR_REFUSED },
        { "notlab.example", ERR_REFUSED },
        { "lab.example.bank.example", ERR_REFUSED },
        { "example", ERR_REFUSED },
        { "*.lab.example", ERR_SYNTAX },
        { "mx.lab.example,DNS:bank.example", ERR_SYNTAX },
        { ".lab.example", ERR_SYNTAX },
        { "", ERR_SYNTAX },
    };
    struct rig r;
    rig_begin(&r);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        buf_clear(&r.leaf);
        CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&r.ca_key), span_z(rows[i].name)), rows[i].err);
        CHECK(rows[i].err == ERR_OK || r.leaf.n == 0);
    }
    test_case(NULL);
    rig_end(&r);
}

/* Whoever has the authority's key, and not our checks, gets no further: clients and servers judge
 * by the constraints that are in the authority. */
static X509 *forged(struct rig *r, const char *alt, bool ca, X509 *issuer, EVP_PKEY *signer)
{
    X509 *x = x509_of(buf_span(&r->leaf));
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    for (int i = X509_get_ext_count(x) - 1; i >= 0; i--)
        X509_EXTENSION_free(X509_delete_ext(x, i));
    X509_EXTENSION *ext[] = {
        X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, alt),
        X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                            ca ? "critical,CA:TRUE" : "critical,CA:FALSE"),
    };
    for (size_t i = 0; i < COUNTOF(ext); i++) {
        X509_add_ext(x, ext[i], -1);
        X509_EXTENSION_free(ext[i]);
    }
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    if (ca)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "OU", MBSTRING_UTF8,
                                   (const unsigned char *)"below", -1, -1, 0);
    CHECK(X509_sign(x, signer, EVP_sha256()) > 0);
    return x;
}

TEST(a_stolen_partner_ca_is_good_for_the_partner_only)
{
    static const struct {
        const char *alt;
        int code;
    } rows[] = {
        { "DNS:mail.lab.example", X509_V_OK },
        { "DNS:mail.bank.example", X509_V_ERR_PERMITTED_VIOLATION },
        { "DNS:mail.lab.example,DNS:mail.bank.example", X509_V_ERR_PERMITTED_VIOLATION },
        { "DNS:mail.lab.example,IP:192.0.2.1", X509_V_ERR_EXCLUDED_VIOLATION },
        { "DNS:mail.lab.example,IP:2001:db8::1", X509_V_ERR_EXCLUDED_VIOLATION },
    };
    struct rig r;
    rig_begin(&r);
    CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&r.ca_key), SPAN("mx.lab.example")), ERR_OK);
    X509 *ca = x509_of(buf_span(&r.ca));
    EVP_PKEY *key = pkey_of(buf_span(&r.ca_key));
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].alt);
        X509 *x = forged(&r, rows[i].alt, false, ca, key);
        CHECK_NUM(verify(buf_span(&r.ca), x, NULL, "ssl_client"), rows[i].code);
        X509_free(x);
    }
    test_case("an authority below");
    X509 *below = forged(&r, "DNS:ca.lab.example", true, ca, key);
    X509 *x = forged(&r, "DNS:mx.lab.example", false, below, key);
    CHECK_NUM(verify(buf_span(&r.ca), x, below, "ssl_client"), X509_V_ERR_PATH_LENGTH_EXCEEDED);
    test_case(NULL);
    X509_free(x);
    X509_free(below);
    X509_free(ca);
    EVP_PKEY_free(key);
    rig_end(&r);
}

TEST(a_request_gives_its_key_and_nothing_else)
{
    struct rig r;
    struct buf csr;
    EVP_PKEY *key = EVP_EC_gen("P-384");
    rig_begin(&r);
    buf_init(&csr, TLS_MAKE_PEM_MAX);
    make_request(key, "DNS:bank.example", key, &csr);
    CHECK_NUM(leaf(&r, buf_span(&csr), SPAN_NONE, SPAN("mx.lab.example")), ERR_OK);
    X509 *x = x509_of(buf_span(&r.leaf));
    CHECK_NUM(X509_check_ca(x), 0);
    CHECK_NUM(X509_check_host(x, "bank.example", 0, 0, NULL), 0);
    CHECK_NUM(X509_check_host(x, "common.lab.example", 0, 0, NULL), 0);
    CHECK_NUM(EVP_PKEY_eq(X509_get0_pubkey(x), key), 1);
    CHECK_NUM(verify(buf_span(&r.ca), x, NULL, "ssl_client"), X509_V_OK);
    X509_free(x);
    EVP_PKEY_free(key);
    buf_done(&csr);
    rig_end(&r);
}

TEST(bad_requests_are_refused)
{
    struct rig r;
    struct buf csr;
    EVP_PKEY *good = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *odd = EVP_EC_gen("P-224");
    EVP_PKEY *weak = EVP_RSA_gen(1024u);
    rig_begin(&r);
    buf_init(&csr, TLS_MAKE_PEM_MAX);
    make_request(good, NULL, other, &csr);
    CHECK_NUM(leaf(&r, buf_span(&csr), SPAN_NONE, SPAN("mx.lab.example")), ERR_REFUSED);
    CHECK_Z(span_z(r.why.text), "the request is not signed with the key that is in it");
    make_request(weak, NULL, weak, &csr);
    CHECK_NUM(leaf(&r, buf_span(&csr), SPAN_NONE, SPAN("mx.lab.example")), ERR_REFUSED);
    make_request(odd, NULL, odd, &csr);
    CHECK_NUM(leaf(&r, buf_span(&csr), SPAN_NONE, SPAN("mx.lab.example")), ERR_REFUSED);
    CHECK_NUM(leaf(&r, SPAN("nonsense"), SPAN_NONE, SPAN("mx.lab.example")), ERR_SYNTAX);
    CHECK_NUM(leaf(&r, buf_span(&r.ca), SPAN_NONE, SPAN("mx.lab.example")), ERR_SYNTAX);
    CHECK_NUM(leaf(&r, SPAN_NONE, SPAN("nonsense"), SPAN("mx.lab.example")), ERR_SYNTAX);
    CHECK_NUM(r.leaf.n, 0);
    EVP_PKEY_free(good);
    EVP_PKEY_free(other);
    EVP_PKEY_free(odd);
    EVP_PKEY_free(weak);
    buf_done(&csr);
    rig_end(&r);
}

TEST(names_of_a_request)
{
    static const struct {
        const char *names, *want;
    } rows[] = {
        { "DNS:mx.lab.example,DNS:mail.lab.example", "mx.lab.example\nmail.lab.example\n" },
        { "DNS:*.lab.example,DNS:a b,IP:192.0.2.1,DNS:x.lab.example", "x.lab.example\n" },
        { NULL, "common.lab.example\n" },
        { "email:a@lab.example", "common.lab.example\n" },
    };
    struct buf csr, out;
    struct why why;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    buf_init(&csr, TLS_MAKE_PEM_MAX);
    buf_init(&out, TLS_MAKE_PEM_MAX);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].want);
        buf_clear(&out);
        make_request(key, rows[i].names, key, &csr);
        CHECK_NUM(tls_request_names(buf_span(&csr), &out, &why), ERR_OK);
        CHECK_Z(buf_span(&out), rows[i].want);
    }
    test_case(NULL);
    CHECK_NUM(tls_request_names(SPAN("nonsense"), &out, &why), ERR_SYNTAX);
    EVP_PKEY_free(key);
    buf_done(&csr);
    buf_done(&out);
}

TEST(a_certificate_does_not_outlive_its_authority)
{
    struct rig r;
    struct arena a;
    struct tls_certificate ca, x;
    rig_begin(&r);
    arena_init(&a, 1 << 20);
    struct span name = SPAN("mx.lab.example");
    struct tls_leaf_ask ask = { .ca_pem = buf_span(&r.ca),
                                .ca_key_pem = buf_span(&r.ca_key),
                                .key_pem = buf_span(&r.ca_key),
                                .name = &name,
                                .n_name = 1,
                                .from_ms = now_ms,
                                .until_ms = now_ms + 9999 * (int64_t)DAY_MS };
    CHECK_NUM(tls_make_leaf(&ask, &r.leaf, &r.why), ERR_OK);
    CHECK_NUM(tls_certificate_read(buf_span(&r.ca), &a, &ca, &r.why), ERR_OK);
    CHECK_NUM(tls_certificate_read(buf_span(&r.leaf), &a, &x, &r.why), ERR_OK);
    CHECK_NUM(x.until_ms, ca.until_ms);
    ask.from_ms = ca.until_ms + 1000;
    ask.until_ms = ask.from_ms + DAY_MS;
    CHECK_NUM(tls_make_leaf(&ask, &r.leaf, &r.why), ERR_REFUSED);
    arena_done(&a);
    rig_end(&r);
}

TEST(another_authority_s_key_signs_nothing)
{
    struct rig r, other;
    rig_begin(&r);
    rig_begin(&other);
    buf_clear(&r.ca_key);
    buf_put(&r.ca_key, buf_span(&other.ca_key));
    CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&other.ca_key), SPAN("mx.lab.example")), ERR_SYNTAX);
    CHECK_Z(span_z(r.why.text), "the key of the authority is not that of its certificate");
    rig_end(&r);
    rig_end(&other);
}

TEST(facts_of_a_certificate)
{
    struct rig r;
    struct arena a;
    struct tls_certificate ca, one, two;
    rig_begin(&r);
    arena_init(&a, 1 << 20);
    CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&r.ca_key), SPAN("mx.lab.example")), ERR_OK);
    CHECK_NUM(tls_certificate_read(buf_span(&r.ca), &a, &ca, &r.why), ERR_OK);
    CHECK_NUM(tls_certificate_read(buf_span(&r.leaf), &a, &one, &r.why), ERR_OK);
    CHECK_SPAN(ca.permitted, SPAN("lab.example lab.test"));
    CHECK_SPAN(ca.subject, SPAN("CN=Postern partner CA,OU=lab,O=Hospital"));
    CHECK_SPAN(one.issuer, ca.subject);
    CHECK_SPAN(one.subject, SPAN("CN=mx.lab.example"));
    CHECK_SPAN(one.names, SPAN("mx.lab.example"));
    CHECK_SPAN(one.spki, ca.spki);
    CHECK_NUM(one.sha256.n, 64);
    CHECK_NUM(one.from_ms, now_ms - HOUR_MS);
    buf_clear(&r.leaf);
    CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&r.ca_key), SPAN("mx.lab.example")), ERR_OK);
    CHECK_NUM(tls_certificate_read(buf_span(&r.leaf), &a, &two, &r.why), ERR_OK);
    CHECK(!span_eq(one.serial, two.serial) && one.serial.n == 32);
    CHECK_NUM(tls_certificate_read(SPAN("x"), &a, &two, &r.why), ERR_SYNTAX);
    arena_done(&a);
    rig_end(&r);
}

TEST(long_names_leave_the_subject_empty)
{
    static const char name[] = "a-name-of-a-host-that-is-longer-than-a-common-name-may-be-at-most."
                               "lab.example";
    struct rig r;
    rig_begin(&r);
    CHECK_NUM(leaf(&r, SPAN_NONE, buf_span(&r.ca_key), span_z(name)), ERR_OK);
    X509 *x = x509_of(buf_span(&r.leaf));
    CHECK_NUM(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
    CHECK_NUM(verify(buf_span(&r.ca), x, NULL, "ssl_client"), X509_V_OK);
    CHECK_NUM(X509_check_host(x, name, 0, 0, NULL), 1);
    X509_free(x);
    rig_end(&r);
}

TEST(bad_authorities_are_not_made)
{
    static const struct span odd[] = { { "lab.example,email:x", 19 } };
    struct buf ca, key;
    struct why why;
    char text[80];
    memset(text, 'x', sizeof text);
    buf_init(&ca, TLS_MAKE_PEM_MAX);
    buf_init(&key, TLS_MAKE_PEM_MAX);
    struct tls_ca_ask ask = { SPAN("o"), SPAN("u"), odd, 1, now_ms, now_ms + DAY_MS };
    CHECK_NUM(tls_make_ca(&ask, &ca, &key, &why), ERR_SYNTAX);
    ask.domain = domains;
    ask.unit = span_of(text, sizeof text);
    CHECK_NUM(tls_make_ca(&ask, &ca, &key, &why), ERR_SYNTAX);
    ask.unit = SPAN("");
    CHECK(tls_make_ca(&ask, &ca, &key, &why) != ERR_OK);
    ask.unit = SPAN("u");
    ask.n_domain = 0;
    CHECK_NUM(tls_make_ca(&ask, &ca, &key, &why), ERR_SYNTAX);
    CHECK_NUM(ca.n + key.n, 0);
    buf_done(&ca);
    buf_done(&key);
}
