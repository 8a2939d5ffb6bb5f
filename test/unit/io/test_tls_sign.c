/* Signatures of nodes. Keys are RFC 8032's (7.1, tests 1 and 2). */
#include "io/tls_sign.h"

#include "base/enc.h"
#include "test/test.h"

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";
static const char public_text[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n";
static const char other_text[] = "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";

TEST(sign_known_answer)
{
    struct why why = { "" };
    struct sign_key *k = NULL;
    struct sign_peer *own = NULL, *other = NULL;
    uint8_t signature[SIGN_BYTES];
    struct buf hex;
    CHECK(sign_key_new(SPAN(""
                            "nothing"),
                       &k, NULL) == ERR_SYNTAX &&
          !k);
    CHECK_NUM(sign_key_new(span_z(key_pem), &k, &why), ERR_OK);
    CHECK_NUM(sign_peer_new(span_z(public_text), &own, &why), ERR_OK);
    CHECK_NUM(sign_peer_new(span_z(other_text), &other, &why), ERR_OK);
    CHECK_NUM(sign_make(k, SPAN(""), signature), ERR_OK);
    buf_init(&hex, 200);
    CHECK(enc_hex(span_of((const char *)signature, sizeof signature), &hex) == ERR_OK);
    CHECK_Z(buf_span(&hex), "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb882"
                            "1590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    CHECK(sign_holds(own, SPAN(""), signature) && !sign_holds(own, SPAN("x"), signature));
    CHECK(!sign_holds(other, SPAN(""), signature));
    CHECK(sign_is_own(own, k) && !sign_is_own(other, k));
    for (size_t i = 0; i < sizeof signature; i++) {
        signature[i] ^= 1;
        CHECK(!sign_holds(own, SPAN(""), signature));
        signature[i] ^= 1;
    }
    buf_done(&hex);
    sign_key_free(k);
    sign_peer_free(own);
    sign_peer_free(other);
}

TEST(sign_refuses_other_keys)
{
    struct why why = { "" };
    struct sign_key *k = NULL;
    struct sign_peer *p = NULL;
    struct buf ec;
    test_read_file("test/conf/ec.key", &ec);
    CHECK_NUM(sign_key_new(buf_span(&ec), &k, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "this is no Ed25519 private key: make one with: openssl genpkey "
                              "-algorithm ed25519 -out node-sign.key");
    CHECK_NUM(sign_key_new(SPAN("-----BEGIN"), &k, &why), ERR_SYNTAX);
    CHECK(span_starts(span_z(why.text), SPAN("no readable private key: ")));
    CHECK_NUM(sign_peer_new(SPAN(""), &p, &why), ERR_SYNTAX);
    CHECK_NUM(sign_peer_new(SPAN("AAAA"), &p, &why), ERR_SYNTAX);
    CHECK_NUM(sign_peer_new(span_z(key_pem), &p, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "no readable public key: make it from the node's own with: openssl "
                              "pkey -in node-sign.key -pubout");
    CHECK(!k && !p);
    sign_key_free(NULL);
    sign_peer_free(NULL);
    buf_done(&ec);
}

TEST(sign_hash_in_pieces)
{
    uint8_t whole[SIGN_DIGEST], parts[SIGN_DIGEST];
    struct span text = SPAN("The quick brown fox jumps over the lazy dog");
    struct sign_hash *h = sign_hash_new();
    sign_hash_add(h, text);
    sign_hash_end(h, whole);
    sign_hash_free(h);
    CHECK(whole[0] == 0xd7 && whole[1] == 0xa8 && whole[31] == 0x92);
    for (size_t i = 0; i <= text.n; i++) {
        h = sign_hash_new();
        sign_hash_add(h, span_head(text, i));
        sign_hash_add(h, SPAN_NONE);
        sign_hash_add(h, span_tail(text, i));
        sign_hash_end(h, parts);
        sign_hash_free(h);
        CHECK(memcmp(whole, parts, sizeof whole) == 0);
    }
    sign_hash_free(sign_hash_new());
    sign_hash_free(NULL);
}
