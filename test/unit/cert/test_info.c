#include "test/unit/cert/issue.h"

#include "test/test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <time.h>

enum { BYTES_MAX = 16 * 1024 * 1024 };

static int64_t now_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

/* What one certificate reads as; the arena is the caller's. */
static struct cert_info read_one(const struct issue_ask *ask, struct arena *a)
{
    struct issued i = issue(ask);
    struct buf pem;
    struct cert_chain chain;
    struct why why = { "" };
    buf_init(&pem, BYTES_MAX);
    issued_pem(&i, &pem);
    if (cert_read(buf_span(&pem), 1, a, &chain, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_NUM(chain.n, 1);
    issued_done(&i);
    buf_done(&pem);
    return chain.item[0];
}

TEST(cert_says_what_it_is)
{
    struct arena a;
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_info c = read_one(
        &(struct issue_ask){
            .cn = "mx.example.org",
            .o = "Clinic, Inc.",
            .ou = "Mail",
            .extension = { { "subjectAltName",
                             "DNS:mx.example.org,DNS:*.example.org,IP:192.0.2.1" },
                           { "extendedKeyUsage", "serverAuth,1.2.3.4" },
                           { "keyUsage", "critical,digitalSignature,keyEncipherment" },
                           { "authorityInfoAccess",
                             "OCSP;URI:http://ocsp.example.net/,caIssuers;URI:http://a.example/i" },
                           { "crlDistributionPoints", "URI:http://c.example/c.crl,URI:ldap://c/" },
                           { "tlsfeature", "status_request" },
                           { "nameConstraints", "permitted;DNS:example.org" } },
        },
        &a);
    CHECK_Z(c.cn, "mx.example.org");
    CHECK_Z(c.o, "Clinic, Inc.");
    CHECK_Z(c.ou, "Mail");
    /* = RFC 4514 2.4: the comma is escaped, the last part comes first */
    CHECK_Z(c.subject, "CN=mx.example.org,OU=Mail,O=Clinic\\, Inc.");
    CHECK_NUM(c.dns.n, 2);
    CHECK_Z(c.dns.item[1], "*.example.org");
    CHECK_NUM(c.n_other_name, 1);
    CHECK_Z(c.key, "EC P-256");
    CHECK_NUM(c.key_bits, 256);
    CHECK_Z(c.signature, "ecdsa-with-SHA256");
    CHECK_NUM(c.usage, CERT_USAGE_SERVER | CERT_USAGE_OTHER);
    CHECK_Z(c.usage_text, "serverAuth, 1.2.3.4");
    CHECK_Z(c.key_usage, "digitalSignature, keyEncipherment");
    CHECK_Z(c.constraints, "Permitted: DNS:example.org");
    CHECK_Z(c.ocsp.item[0], "http://ocsp.example.net/");
    CHECK_Z(c.ca_issuers.item[0], "http://a.example/i");
    CHECK_NUM(c.crl.n, 2);
    CHECK(c.must_staple && c.self_signed && !c.ca && !c.critical_unknown);
    CHECK_NUM(c.version, 3);
    CHECK(c.from_ms < now_ms() && c.until_ms > now_ms());
    CHECK_NUM(c.weak.n, 0);
    arena_done(&a);
}

TEST(cert_digests_are_those_of_the_field)
{
    struct arena a;
    struct issued i = issue(&(struct issue_ask){ .cn = "x" });
    struct buf der;
    struct cert_chain chain;
    uint8_t want[EVP_MAX_MD_SIZE];
    unsigned n;
    arena_init(&a, CERT_ARENA_MAX);
    buf_init(&der, BYTES_MAX);
    issued_der(&i, &der);
    CHECK(cert_read(buf_span(&der), 1, &a, &chain, NULL) == ERR_OK);
    CHECK(X509_digest(i.x, EVP_sha256(), want, &n) == 1 && n == CERT_SHA256);
    CHECK(memcmp(want, chain.item[0].sha256, n) == 0);
    CHECK(X509_digest(i.x, EVP_sha1(), want, &n) == 1 && n == CERT_SHA1);
    CHECK(memcmp(want, chain.item[0].sha1, n) == 0);
    unsigned char *spki = NULL;
    int length = i2d_PUBKEY(i.key, &spki);
    CHECK(length > 0 && EVP_Digest(spki, (size_t)length, want, &n, EVP_sha256(), NULL) == 1);
    CHECK(memcmp(want, chain.item[0].spki, n) == 0);
    CHECK_SPAN(chain.item[0].der, buf_span(&der));
    OPENSSL_free(spki);
    issued_done(&i);
    buf_done(&der);
    arena_done(&a);
}

TEST(t20_odd_certificates_are_read_as_they_are)
{
    struct arena a;
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_info c = read_one(&(struct issue_ask){ .cn = "only.example" }, &a);
    CHECK_NUM(c.dns.n, 0);
    CHECK_NUM(c.usage, CERT_USAGE_ABSENT);
    CHECK_NUM(c.path_max, -1);

    c = read_one(&(struct issue_ask){ .cn = NULL }, &a);
    CHECK_NUM(c.subject.n, 0);
    CHECK_NUM(c.cn.n, 0);

    c = read_one(&(struct issue_ask){ .cn = "old", .v1 = true }, &a);
    CHECK_NUM(c.version, 1);

    /* NUL in a name: shown, not cut */
    c = read_one(&(struct issue_ask){ .cn = "a\0b", .cn_n = 3, .dns = SPAN("good.example\0.evil") },
                 &a);
    CHECK_Z(c.dns.item[0], "good.example\\x00.evil");
    CHECK_Z(c.cn, "a\\x00b");

    c = read_one(
        &(struct issue_ask){ .cn = "x\xe2\x80\xae\x1b[2J\nb", .dns = SPAN("\xff.example") }, &a);
    CHECK_Z(c.cn, "x\\xe2\\x80\\xae\\x1b[2J\\x0ab");
    CHECK_Z(c.dns.item[0], "\\xff.example");

    /* IDN: A-labels are names as they are, U-labels in the subject stay readable */
    c = read_one(&(struct issue_ask){ .cn = "b\xc3\xbc"
                                            "cher.example",
                                      .dns = SPAN("xn--bcher-kva.example") },
                 &a);
    CHECK_Z(c.cn, "b\xc3\xbc"
                  "cher.example");
    CHECK_Z(c.dns.item[0], "xn--bcher-kva.example");

    c = read_one(
        &(struct issue_ask){ .cn = "x", .extension = { { "1.2.3.4.5", "critical,DER:0500" } } },
        &a);
    CHECK(c.critical_unknown);
    arena_done(&a);
}

TEST(t20_weak_keys_and_signatures_are_named)
{
    struct arena a;
    struct issued ca = issue(&(struct issue_ask){ .cn = "CA", .ca = true });
    struct issued rsa = issue(&(struct issue_ask){ .cn = "RSA CA", .ca = true, .rsa_bits = 2048 });
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_info c =
        read_one(&(struct issue_ask){ .cn = "x", .issuer = &ca, .rsa_bits = 1024 }, &a);
    CHECK_Z(c.key, "RSA 1024");
    CHECK_Z(c.weak, "its key has only 1024 bits");
    c = read_one(&(struct issue_ask){ .cn = "x", .issuer = &rsa, .digest = EVP_sha1() }, &a);
    CHECK_Z(c.weak, "it is signed with sha1WithRSAEncryption");
    c = read_one(&(struct issue_ask){ .cn = "x", .curve = "P-192" }, &a);
    CHECK_Z(c.weak, "its key has only 192 bits");
    c = read_one(&(struct issue_ask){ .cn = "x", .digest = EVP_sha1() }, &a);
    CHECK_NUM(c.weak.n, 0); /* a root's own signature */
    c = read_one(&(struct issue_ask){ .cn = "x", .curve = "P-384" }, &a);
    CHECK_Z(c.key, "EC P-384");
    issued_done(&ca);
    issued_done(&rsa);
    arena_done(&a);
}

TEST(cert_of_an_unknown_kind_of_key_is_read)
{
    /* id-ecPublicKey becomes an object that nobody knows */
    static const char known[] = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    struct arena a;
    struct buf der;
    struct cert_chain chain;
    struct issued i = issue(&(struct issue_ask){ .cn = "x" });
    arena_init(&a, CERT_ARENA_MAX);
    buf_init(&der, BYTES_MAX);
    issued_der(&i, &der);
    char *at = memmem(der.p, der.n, known, sizeof known - 1);
    CHECK(at);
    at[8] = 0x7f;
    CHECK(cert_read(buf_span(&der), 1, &a, &chain, NULL) == ERR_OK);
    CHECK_Z(chain.item[0].key, "unknown");
    CHECK_NUM(chain.item[0].key_bits, 0);
    CHECK_Z(chain.item[0].weak, "its key is of a kind that is not known");
    issued_done(&i);
    buf_done(&der);
    arena_done(&a);
}

TEST(t20_a_huge_certificate_is_bounded)
{
    struct arena a;
    struct buf names;
    arena_init(&a, CERT_ARENA_MAX);
    buf_init(&names, BYTES_MAX);
    for (unsigned i = 0; i < CERT_NAMES_MAX + 500; i++)
        buf_putf(&names, "%sDNS:n%u.example", i ? "," : "", i);
    struct cert_info c = read_one(
        &(struct issue_ask){ .cn = "x", .extension = { { "subjectAltName", buf_z(&names) } } }, &a);
    CHECK_NUM(c.dns.n, CERT_NAMES_MAX);
    CHECK_NUM(c.n_other_name, 500);
    buf_clear(&names);
    for (unsigned i = 0; i < 40; i++)
        buf_putf(&names, "%sURI:http://c%u.example/", i ? "," : "", i);
    c = read_one(&(struct issue_ask){ .cn = "x",
                                      .extension = { { "crlDistributionPoints", buf_z(&names) } } },
                 &a);
    CHECK_NUM(c.crl.n, CERT_URLS_MAX);
    buf_done(&names);
    arena_done(&a);
}

/* --- files --- */

struct file_row {
    const char *name;
    enum err want;
    unsigned n;
    bool has_key;
};

static void check_file(const struct file_row *row, struct span bytes)
{
    struct arena a;
    struct cert_chain chain;
    struct why why = { "" };
    test_case(row->name);
    arena_init(&a, CERT_ARENA_MAX);
    CHECK_NUM(cert_read(bytes, 3, &a, &chain, &why), row->want);
    if (row->want == ERR_OK) {
        CHECK_NUM(chain.n, row->n);
        CHECK_NUM(chain.has_key, row->has_key);
    } else {
        CHECK(why.text[0] != '\0');
    }
    arena_done(&a);
    test_case(NULL);
}

static void put_key(const struct issued *i, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    CHECK(PEM_write_bio_PrivateKey(bio, i->key, NULL, NULL, 0, NULL, NULL) == 1);
    long n = BIO_get_mem_data(bio, &text);
    buf_put(out, span_of(text, (size_t)n));
    BIO_free(bio);
}

TEST(cert_files_of_every_form)
{
    struct issued i = issue(&(struct issue_ask){ .cn = "x" });
    struct buf b;
    buf_init(&b, BYTES_MAX);
    check_file(&(struct file_row){ "empty", ERR_SYNTAX, 0, false }, SPAN_NONE);
    check_file(&(struct file_row){ "text", ERR_SYNTAX, 0, false }, SPAN("hello\n"));
    issued_pem(&i, &b);
    check_file(&(struct file_row){ "one", ERR_OK, 1, false }, buf_span(&b));
    check_file(&(struct file_row){ "cut", ERR_SYNTAX, 0, false },
               span_head(buf_span(&b), b.n - 30));
    b.p[40] = '!';
    check_file(&(struct file_row){ "bad base64", ERR_SYNTAX, 0, false }, buf_span(&b));
    b.p[40] = '\0';
    check_file(&(struct file_row){ "NUL in base64", ERR_SYNTAX, 0, false }, buf_span(&b));
    buf_clear(&b);
    put_key(&i, &b);
    check_file(&(struct file_row){ "a key alone", ERR_SYNTAX, 0, true }, buf_span(&b));
    issued_pem(&i, &b);
    check_file(&(struct file_row){ "key and certificate", ERR_OK, 1, true }, buf_span(&b));
    buf_clear(&b);
    buf_put(&b,
            SPAN("-----BEGIN PRIVATE KEY-----\n!!! no base64 !!!\n-----END PRIVATE KEY-----\r\n"));
    issued_pem(&i, &b);
    check_file(&(struct file_row){ "a key that is none is not looked at", ERR_OK, 1, true },
               buf_span(&b));
    issued_pem(&i, &b);
    issued_pem(&i, &b);
    check_file(&(struct file_row){ "three", ERR_OK, 3, true }, buf_span(&b));
    issued_pem(&i, &b);
    check_file(&(struct file_row){ "four", ERR_TOO_BIG, 0, true }, buf_span(&b));
    buf_clear(&b);
    issued_der(&i, &b);
    check_file(&(struct file_row){ "DER", ERR_OK, 1, false }, buf_span(&b));
    check_file(&(struct file_row){ "half DER", ERR_SYNTAX, 0, false },
               span_head(buf_span(&b), 100));
    issued_der(&i, &b);
    check_file(&(struct file_row){ "two of DER", ERR_OK, 2, false }, buf_span(&b));
    buf_put(&b, SPAN("x"));
    check_file(&(struct file_row){ "DER and more", ERR_SYNTAX, 0, false }, buf_span(&b));
    buf_done(&b);
    issued_done(&i);
}

TEST(cert_bundles_of_pkcs7)
{
    struct issued i = issue(&(struct issue_ask){ .cn = "x" });
    struct issued k = issue(&(struct issue_ask){ .cn = "y" });
    PKCS7 *p7 = PKCS7_new();
    CHECK(PKCS7_set_type(p7, NID_pkcs7_signed) == 1 && PKCS7_content_new(p7, NID_pkcs7_data) == 1);
    CHECK(PKCS7_add_certificate(p7, i.x) == 1 && PKCS7_add_certificate(p7, k.x) == 1);
    unsigned char *der = NULL;
    int n = i2d_PKCS7(p7, &der);
    CHECK(n > 0);
    check_file(&(struct file_row){ "PKCS #7", ERR_OK, 2, false },
               span_of((const char *)der, (size_t)n));
    OPENSSL_free(der);
    PKCS7_free(p7);
    issued_done(&i);
    issued_done(&k);
}

TEST(cert_ends_are_counted_in_days)
{
    static const struct {
        int64_t left_ms;
        int want;
    } rows[] = { { -1, 0 },
                 { 0, 0 },
                 { 1, 1 },
                 { (int64_t)DAY * 1000, 1 },
                 { (int64_t)DAY * 1000 + 1, 7 },
                 { (int64_t)DAY * 8000, 14 },
                 { (int64_t)DAY * 30000, 30 },
                 { (int64_t)DAY * 31000, 60 },
                 { (int64_t)DAY * 60000 + 1, -1 } };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        CHECK_NUM(cert_ends_within(1000000000 + rows[i].left_ms, 1000000000), rows[i].want);
}
