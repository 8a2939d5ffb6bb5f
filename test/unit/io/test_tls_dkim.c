/* DKIM signatures: the vectors of RFC 8463, appendix A, for both algorithms; keys; refusals. */
#include "io/tls_dkim.h"
#include "base/enc.h"
#include "test/test.h"
#include "test/unit/io/dkim_vectors.h"
#include "test/unit/io/pki.h"
#include <openssl/evp.h>
#include <openssl/pem.h>

static const char ed25519_field[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                                    " d=football.example.com; i=@football.example.com;\r\n"
                                    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                                    " subject : date : message-id : from : subject : date;\r\n"
                                    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                    " b=";
static const char rsa_field[] = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                                " d=football.example.com; i=@football.example.com;\r\n"
                                " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
                                " date : message-id : from : subject : date;\r\n"
                                " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                " b=";
static const char ed25519_signature[] = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
                                        "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
static const char rsa_signature[] = "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
                                    "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
                                    "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";
static const char message[] = "From: Joe SixPack <joe@football.example.com>\r\n"
                              "To: Suzie Q <suzie@shopping.example.net>\r\n"
                              "Subject: Is dinner ready?\r\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
                              "\r\n"
                              "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

static const struct span names[] = { SPAN("from"),    SPAN("to"),         SPAN("subject"),
                                     SPAN("date"),    SPAN("message-id"), SPAN("from"),
                                     SPAN("subject"), SPAN("date") };

static const struct dkim ask = { .domain = { "football.example.com", 20 },
                                 .selector = { "brisbane", 8 },
                                 .field = names,
                                 .n_field = COUNTOF(names),
                                 .now_ms = 1528637909000 };

static EVP_PKEY *pkey_read(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    CHECK(k);
    return k;
}

/* Does the library, asked by other ways than the signer's, find the signature of the text good? */
static bool verify(const char *pem, bool hashed, struct span text, struct span signature)
{
    EVP_PKEY *k = pkey_read(pem);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[32];
    unsigned n = 0;
    if (hashed) {
        CHECK(EVP_Digest(text.p, text.n, digest, &n, EVP_sha256(), NULL) == 1);
        text = span_of((char *)digest, n);
    }
    CHECK(EVP_DigestVerifyInit(ctx, NULL, hashed ? NULL : EVP_sha256(), NULL, k) == 1);
    int got = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                               (const unsigned char *)text.p, text.n);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(k);
    return got == 1;
}

/* The published signature is one of the text that we hash. */
static void check_vector(const char *pem, bool hashed, const char *field, const char *published)
{
    struct buf text, signature;
    struct span header, body;
    buf_init(&text, 8192);
    buf_init(&signature, DKIM_SIGNATURE_MAX);
    dkim_split(span_z(message), &header, &body);
    CHECK_NUM(dkim_text(&ask, header, span_z(field), &text), ERR_OK);
    CHECK_NUM(dec_base64(span_z(published), &signature), ERR_OK);
    CHECK(verify(pem, hashed, buf_span(&text), buf_span(&signature)));
    text.p[text.head + 3] ^= 1;
    CHECK(!verify(pem, hashed, buf_span(&text), buf_span(&signature)));
    buf_done(&text);
    buf_done(&signature);
}

TEST(dkim_rfc8463_vectors)
{
    check_vector(dkim_ed25519_pem, true, ed25519_field, ed25519_signature);
    check_vector(dkim_rsa_pem, false, rsa_field, rsa_signature);
}

/* What stands in a tag of the field, without folds. */
static void tag(struct span field, const char *name, struct buf *out)
{
    buf_clear(out);
    (void)span_cut(&field, ':');
    while (field.n > 0) {
        struct span value = span_cut(&field, ';');
        while (value.n > 0 && span_find(SPAN(" \r\n\t"), value.p[0]) < 4)
            value = span_tail(value, 1);
        if (!span_eq(span_cut(&value, '='), span_z(name)))
            continue;
        for (size_t i = 0; i < value.n; i++)
            if (span_find(SPAN(" \r\n\t"), value.p[i]) == 4)
                buf_put(out, span_of(value.p + i, 1));
        return;
    }
}

/* What we sign verifies, and says what it should. */
static void check_signed(const char *pem, bool hashed)
{
    struct dkim_key *k = NULL;
    struct buf field, value, signature, text;
    struct why why = { "" };
    buf_init(&field, DKIM_FIELD_MAX);
    buf_init(&value, DKIM_FIELD_MAX);
    buf_init(&signature, DKIM_SIGNATURE_MAX);
    buf_init(&text, 8192);
    CHECK_NUM(dkim_key_read(span_z(pem), &k, &why), ERR_OK);
    CHECK_NUM(dkim_key_algorithm(k), hashed ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256);
    CHECK_NUM(dkim_sign(k, &ask, span_z(message), &field, &why), ERR_OK);
    tag(buf_span(&field), "bh", &value);
    CHECK_Z(buf_span(&value), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    tag(buf_span(&field), "a", &value);
    CHECK_Z(buf_span(&value), hashed ? "ed25519-sha256" : "rsa-sha256");
    tag(buf_span(&field), "b", &value);
    CHECK_NUM(dec_base64(buf_span(&value), &signature), ERR_OK);
    struct span header, body, bare = buf_span(&field);
    while (bare.p[bare.n - 1] != ';')
        bare.n--;
    bare.n += sizeof("\r\n        b=") - 1;
    dkim_split(span_z(message), &header, &body);
    CHECK_NUM(dkim_text(&ask, header, bare, &text), ERR_OK);
    CHECK(verify(pem, hashed, buf_span(&text), buf_span(&signature)));
    dkim_key_free(k);
    buf_done(&field);
    buf_done(&value);
    buf_done(&signature);
    buf_done(&text);
}

TEST(dkim_signs)
{
    check_signed(dkim_ed25519_pem, true);
    check_signed(dkim_rsa_pem, false);
}

TEST(dkim_records)
{
    struct dkim_key *k = NULL;
    struct buf out;
    buf_init(&out, DKIM_FIELD_MAX);
    CHECK_NUM(dkim_key_read(span_z(dkim_ed25519_pem), &k, NULL), ERR_OK);
    dkim_key_record(k, "tlsrpt", &out);
    CHECK_Z(buf_span(&out),
            "v=DKIM1; k=ed25519; s=tlsrpt; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    dkim_key_free(k);
    buf_clear(&out);
    CHECK_NUM(dkim_key_read(span_z(dkim_rsa_pem), &k, NULL), ERR_OK);
    dkim_key_record(k, NULL, &out);
    CHECK_Z(buf_span(&out),
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6"
            "Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+"
            "PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
    dkim_key_free(k);
    buf_done(&out);
}

TEST(dkim_refuses)
{
    struct dkim_key *k = NULL;
    struct why why = { "" };
    CHECK_NUM(dkim_key_read(SPAN("x"), &k, &why), ERR_SYNTAX);
    CHECK_NUM(dkim_key_read(SPAN_NONE, &k, &why), ERR_SYNTAX);
    struct pki *other = pki_new(&(struct pki_ask){ .name = "x", .key = PKI_ECDSA });
    CHECK_NUM(dkim_key_read(pki_key(other), &k, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "a key for DKIM is RSA or Ed25519; this is another");
    pki_free(other);
    CHECK(!k);

    struct buf out;
    buf_init(&out, DKIM_FIELD_MAX);
    buf_put(&out, SPAN("x"));
    CHECK_NUM(dkim_key_read(span_z(dkim_ed25519_pem), &k, &why), ERR_OK);
    CHECK_NUM(dkim_sign(k, &ask, SPAN("\r\nbody"), &out, &why), ERR_SYNTAX);
    CHECK_NUM(dkim_sign(k, &ask, SPAN("no header\r\n\r\nbody"), &out, &why), ERR_SYNTAX);
    CHECK_Z(buf_span(&out), "x");
    CHECK_NUM(dkim_sign(k, &ask, SPAN("From: a\r\n\r\n"), &out, &why), ERR_OK);
    buf_done(&out);
    buf_init(&out, 100);
    CHECK_NUM(dkim_sign(k, &ask, SPAN("From: a\r\n\r\n"), &out, &why), ERR_TOO_BIG);
    CHECK_NUM(out.n, 0);
    buf_done(&out);
    dkim_key_free(k);
}
