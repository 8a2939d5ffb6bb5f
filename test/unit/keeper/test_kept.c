/* Keys that are kept: a child process is the keeper, the handshakes are real. */
#include "io/tls_ossl.h"
#include "keeper/ask.h"
#include "keeper/kept.h"
#include "keeper/provider.h"
#include "keeper/split.h"
#include "keeper/store.h"
#include "sys/channel.h"
#include "test/test.h"
#include "test/unit/io/tls_pair.h"
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 64 * 1024 };

/* --- a keeper --- */

static void keep(int fd, struct span keys)
{
    static struct keeper_request q;
    struct hash_key key = { { 1, 2 } };
    struct keeper_store *store;
    if (keeper_store_new(keys, &key, &store, NULL) != ERR_OK)
        _exit(2);
    for (;;) {
        int fds[CHANNEL_FDS_MAX];
        unsigned n_fds = 0;
        size_t n;
        struct keeper_answer a;
        enum keeper_form form;
        if (channel_recv(fd, &q, sizeof q, &n, fds, &n_fds) != ERR_OK)
            _exit(0);
        keeper_store_sign(store, &q, n, &a, &form);
        if (channel_send(fd, &a, sizeof a, NULL, 0) != ERR_OK)
            _exit(0);
    }
}

static pid_t keeper_start(struct span keys)
{
    int pair[2];
    CHECK_NUM(channel_pair(pair), ERR_OK);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        keep(pair[1], keys);
    }
    close(pair[1]);
    keeper_link(pair[0]);
    return pid;
}

static void keeper_end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

struct kept {
    struct buf open, keys;
};

static void kept_split(struct kept *k, struct span pem)
{
    buf_init(&k->open, ROOM);
    buf_init(&k->keys, ROOM);
    CHECK_NUM(keeper_split(pem, &k->open, &k->keys), ERR_OK);
}

static void kept_done(struct kept *k)
{
    buf_done(&k->open);
    buf_done(&k->keys);
}

static struct tls_identity kept_identity(const struct pki *p, const struct kept *k)
{
    struct tls_identity id = pki_identity(p);
    id.key_pem = buf_span(&k->open);
    return id;
}

static struct tls_server *kept_server(const struct tls_identity *id)
{
    struct tls_site site = { .identity = id, .n_identity = 1 };
    struct tls_server_config c = { .site = &site,
                                   .n_site = 1,
                                   .ask_client_cert = true,
                                   .client_ca_pem = pki_anchor(tls_world()->ca) };
    struct tls_server *s = NULL;
    struct why why = { "" };
    CHECK_NUM(keeper_provider_load(&why), ERR_OK);
    enum err e = tls_server_new(&c, &s, &why);
    CHECK_NUM(e, ERR_OK);
    if (e != ERR_OK)
        printf("# %s\n", why.text);
    return s;
}

/* --- texts --- */

TEST(r29_names_stand_in_the_place_of_keys)
{
    struct kept k;
    struct buf text;
    buf_init(&text, ROOM);
    buf_put(&text, SPAN("# a comment\n"));
    buf_put(&text, pki_chain(tls_world()->ec));
    buf_put(&text, pki_key(tls_world()->ec));
    buf_put(&text, SPAN("after\n"));
    CHECK(keeper_has_key(buf_span(&text)));
    kept_split(&k, buf_span(&text));
    CHECK(!keeper_has_key(buf_span(&k.open)));
    CHECK(span_starts(buf_span(&k.open), SPAN("# a comment\n-----BEGIN CERTIFICATE-----\n")));
    CHECK(strstr(buf_z(&k.open), "-----BEGIN " KEPT_KEY_LABEL "-----\n") != NULL);
    CHECK(span_ends_nocase(buf_span(&k.open), SPAN("-----END " KEPT_KEY_LABEL "-----\nafter\n")));
    CHECK_SPAN(buf_span(&k.keys), pki_key(tls_world()->ec));
    kept_done(&k);
    buf_done(&text);
}

TEST(r29_what_cannot_be_read_goes_nowhere)
{
    static const char *const text[] = {
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----",
    };
    for (size_t i = 0; i < COUNTOF(text); i++) {
        struct kept k;
        kept_split(&k, span_z(text[i]));
        CHECK_NUM(k.open.n, 0);
        CHECK_NUM(k.keys.n, 0);
        kept_done(&k);
    }
}

TEST(a_text_without_keys_stays)
{
    static const char *const text[] = { "", "listen { }\n", "-----BEGIN ",
                                        "-----BEGIN CERTIFICATE-----\nx\n" };
    for (size_t i = 0; i < COUNTOF(text); i++) {
        struct kept k;
        kept_split(&k, span_z(text[i]));
        CHECK_SPAN(buf_span(&k.open), span_z(text[i]));
        CHECK_NUM(k.keys.n, 0);
        kept_done(&k);
    }
}

/* --- handshakes --- */

static void shake_with(const struct pki *p, int version, int want)
{
    struct kept k;
    kept_split(&k, pki_key(p));
    struct tls_identity id = kept_identity(p, &k);
    pid_t pid = keeper_start(buf_span(&k.keys));
    struct tls_server *s = kept_server(&id);
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_set_max_proto_version(r.ssl, version);
    raw_shake(&r);
    CHECK_NUM(r.err == ERR_OK, want);
    CHECK_NUM(r.result == 1, want);
    if (want)
        CHECK_NUM(SSL_version(r.ssl), version);
    raw_done(&r);
    tls_server_unref(s);
    keeper_end(pid);
    kept_done(&k);
}

TEST(r29_handshakes_are_signed_by_the_keeper)
{
    shake_with(tls_world()->ec, TLS1_3_VERSION, 1);
    shake_with(tls_world()->ec, TLS1_2_VERSION, 1);
    shake_with(tls_world()->rsa, TLS1_3_VERSION, 1);
    shake_with(tls_world()->rsa, TLS1_2_VERSION, 1);
}

TEST(r29_a_client_certificate_is_kept_as_well)
{
    static const int version[] = { TLS1_3_VERSION, TLS1_2_VERSION };
    const struct tls_world *w = tls_world();
    for (size_t i = 0; i < COUNTOF(version); i++) {
        struct kept k;
        kept_split(&k, pki_key(w->partner));
        struct tls_identity id = kept_identity(w->partner, &k);
        pid_t pid = keeper_start(buf_span(&k.keys));
        struct tls_client_config c = { .ca_pem = pki_anchor(w->ca),
                                       .identity = &id,
                                       .n_identity = 1 };
        struct tls_client *client;
        struct why why = { "" };
        CHECK_NUM(keeper_provider_load(&why), ERR_OK);
        CHECK_NUM(tls_client_new(&c, &client, &why), ERR_OK);
        struct tls_peer peer = { .server_name = SPAN("mx.example.org"), .identity = 1 };
        struct raw r;
        raw_server_for(&r, client, &peer, w->ec);
        SSL_set_max_proto_version(r.ssl, version[i]);
        SSL_set_verify(r.ssl, SSL_VERIFY_PEER, NULL);
        X509_STORE *trust = X509_STORE_new();
        X509_STORE_add_cert(trust, pki_x509(w->ca));
        SSL_set1_verify_cert_store(r.ssl, trust);
        X509_STORE_free(trust);
        raw_shake(&r);
        CHECK_NUM(r.err, ERR_OK);
        CHECK_NUM(r.result, 1);
        CHECK(SSL_get0_peer_certificate(r.ssl) != NULL);
        raw_done(&r);
        tls_client_unref(client);
        keeper_end(pid);
        kept_done(&k);
    }
}

TEST(t27_without_a_keeper_handshakes_fail_and_nothing_hangs)
{
    struct kept k;
    kept_split(&k, pki_key(tls_world()->ec));
    struct tls_identity id = kept_identity(tls_world()->ec, &k);
    struct tls_server *s = kept_server(&id);
    pid_t pid = keeper_start(buf_span(&k.keys));
    CHECK(!keeper_lost());
    keeper_end(pid);
    CHECK(keeper_lost());
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    raw_shake(&r);
    CHECK_NUM(r.err, ERR_REFUSED);
    raw_done(&r);
    tls_server_unref(s);
    kept_done(&k);
}

TEST(t27_the_key_of_another_certificate_does_not_fit)
{
    struct kept k;
    kept_split(&k, pki_key(tls_world()->rsa));
    struct tls_identity id = kept_identity(tls_world()->ec, &k);
    struct tls_site site = { .identity = &id, .n_identity = 1 };
    struct tls_server_config c = { .site = &site, .n_site = 1 };
    struct tls_server *s;
    struct why why = { "" };
    CHECK_NUM(keeper_provider_load(&why), ERR_OK);
    CHECK_NUM(tls_server_new(&c, &s, &why), ERR_SYNTAX);
    kept_done(&k);
}

TEST(t27_the_private_half_cannot_be_had)
{
    struct kept k;
    kept_split(&k, pki_key(tls_world()->ec));
    struct tls_identity id = kept_identity(tls_world()->ec, &k);
    struct tls_pair pair = { 0 };
    CHECK_NUM(keeper_provider_load(NULL), ERR_OK);
    CHECK_NUM(tls_pair_read(&pair, &id, NULL), ERR_OK);
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK_NUM(PEM_write_bio_PrivateKey(bio, pair.key, NULL, NULL, 0, NULL, NULL), 0);
    CHECK(i2d_PrivateKey(pair.key, NULL) <= 0);
    BIO_free(bio);
    tls_pair_done(&pair);
    kept_done(&k);
}

/* --- what is refused --- */

static uint32_t status_of(struct keeper_request *q, struct span tbs)
{
    struct keeper_answer a;
    if (tbs.n > 0)
        memcpy(q->tbs, tbs.p, tbs.n);
    q->n = (uint32_t)tbs.n;
    enum err e = keeper_sign(q, &a);
    CHECK_NUM(e, a.status == KEEPER_SIGNED ? ERR_OK : ERR_REFUSED);
    return a.status;
}

TEST(t27_only_handshakes_are_signed)
{
    static struct keeper_request q;
    static const char tls13[] = "                                                                "
                                "TLS 1.3, server CertificateVerify\0"
                                "0123456789abcdef0123456789abcdef";
    struct span handshake = span_of(tls13, sizeof tls13 - 1);
    struct kept ec, rsa;
    struct buf both;
    kept_split(&ec, pki_key(tls_world()->ec));
    kept_split(&rsa, pki_key(tls_world()->rsa));
    buf_init(&both, ROOM);
    buf_put(&both, buf_span(&ec.keys));
    buf_put(&both, buf_span(&rsa.keys));
    pid_t pid = keeper_start(buf_span(&both));

    CHECK_NUM(keeper_key_name(buf_span(&ec.keys), q.key), ERR_OK);
    q.hash = KEEPER_SHA256;
    CHECK_NUM(status_of(&q, handshake), KEEPER_SIGNED);
    CHECK_NUM(status_of(&q, SPAN("From: a@b.example")), KEEPER_NO_HANDSHAKE);
    CHECK_NUM(status_of(&q, SPAN_NONE), KEEPER_NO_HANDSHAKE);
    q.padding = KEEPER_PSS;
    CHECK_NUM(status_of(&q, handshake), KEEPER_BAD_SCHEME);
    q.padding = KEEPER_NO_PADDING;
    q.hash = KEEPER_NO_HASH;
    CHECK_NUM(status_of(&q, handshake), KEEPER_BAD_SCHEME);
    q.hash = 77;
    CHECK_NUM(status_of(&q, handshake), KEEPER_BAD_SCHEME);

    CHECK_NUM(keeper_key_name(buf_span(&rsa.keys), q.key), ERR_OK);
    q.hash = KEEPER_SHA256;
    q.padding = KEEPER_PSS;
    CHECK_NUM(status_of(&q, handshake), KEEPER_SIGNED);
    q.padding = KEEPER_PKCS1; /* not in TLS 1.3 */
    CHECK_NUM(status_of(&q, handshake), KEEPER_BAD_SCHEME);
    q.key[0] ^= 1;
    CHECK_NUM(status_of(&q, handshake), KEEPER_UNKNOWN_KEY);

    keeper_end(pid);
    buf_done(&both);
    kept_done(&ec);
    kept_done(&rsa);
}
