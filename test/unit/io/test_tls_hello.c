/* Hellos as post-quantum shares make them (T-55): larger than a segment, larger than a record, cut
 * anywhere, asked for a second time. The library here may be too old for such shares: padding in an
 * extension of nobody's has their size. */
#include "test/test.h"
#include "test/unit/io/tls_pair.h"
#include <openssl/err.h>
#include <stdio.h>

enum { EXT_NOBODYS = 0xfe01, EXT_BYTES_MAX = 61000, TICKET_BYTES = 16000 };

/* Adds the padding: *arg bytes of it. */
static int padding_add(SSL *ssl, unsigned type, unsigned context, const unsigned char **ret,
                       size_t *ret_n, X509 *x, size_t chain, int *alert, void *arg)
{
    static const unsigned char padding[EXT_BYTES_MAX];
    (void)ssl, (void)type, (void)context, (void)x, (void)chain, (void)alert;
    *ret = padding;
    *ret_n = *(size_t *)arg;
    return 1;
}

static unsigned hellos;

static void count_hellos(int write_p, int version, int content_type, const void *buf, size_t len,
                         SSL *ssl, void *arg)
{
    (void)version, (void)ssl, (void)arg;
    const uint8_t *kind = buf;
    hellos +=
        write_p && content_type == SSL3_RT_HANDSHAKE && len > 0 && *kind == SSL3_MT_CLIENT_HELLO;
}

/* A client whose hello has `padding` bytes more than usual. *padding lives as long as r. */
static void padded_client(struct raw *r, struct tls_server *s, size_t *padding)
{
    raw_client(r, s, SPAN("25"));
    int ok = SSL_CTX_add_custom_ext(r->ctx, EXT_NOBODYS, SSL_EXT_CLIENT_HELLO, padding_add, NULL,
                                    padding, NULL, NULL);
    CHECK(ok == 1);
    BIO *in = SSL_get_rbio(r->ssl), *out = SSL_get_wbio(r->ssl);
    BIO_up_ref(in);
    BIO_up_ref(out);
    SSL_free(r->ssl); /* one that knows the extension, in its place */
    r->ssl = SSL_new(r->ctx);
    CHECK(r->ssl != NULL);
    SSL_set_bio(r->ssl, in, out);
    SSL_set_connect_state(r->ssl);
    SSL_set_tlsext_host_name(r->ssl, "mx.example.org");
    SSL_set_msg_callback(r->ssl, count_hellos);
    hellos = 0;
}

static const size_t paddings[] = { 1500, 15700, 16384, EXT_BYTES_MAX };
static const size_t cuts[] = { 1, 3, 1400, 0 };

TEST(t55_large_hellos_in_pieces)
{
    struct tls_server *s = server_usual();
    for (size_t i = 0; i < COUNTOF(paddings) * COUNTOF(cuts) * 2; i++) {
        size_t padding = paddings[i / 2 / COUNTOF(cuts)];
        int version = i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION;
        struct raw r;
        padded_client(&r, s, &padding);
        SSL_set_max_proto_version(r.ssl, version);
        r.cut = cuts[i / 2 % COUNTOF(cuts)];
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        CHECK_Z(span_z(r.why.text), "");
        CHECK_NUM(SSL_version(r.ssl), version);
        CHECK_Z(tls_facts(r.ours)->sni, "mx.example.org");
        CHECK(tls_facts(r.ours)->forward_secret);
        CHECK_NUM(hellos, 1);
        raw_done(&r);
    }
    tls_server_unref(s);
}

TEST(t55_huge_ticket_is_passed_over)
{
    static char ticket[TICKET_BYTES];
    struct tls_server *s = server_usual();
    for (size_t i = 0; i < COUNTOF(cuts); i++) {
        struct raw r;
        raw_client(&r, s, SPAN("25"));
        SSL_set_max_proto_version(r.ssl, TLS1_2_VERSION);
        CHECK(SSL_set_session_ticket_ext(r.ssl, ticket, sizeof ticket) == 1);
        r.cut = cuts[i];
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        CHECK(!tls_facts(r.ours)->resumed);
        raw_done(&r);
    }
    tls_server_unref(s);
}

/* --- a second hello is asked for --- */

TEST(t55_server_asks_for_another_share)
{
    struct tls_server *s = server_usual();
    for (size_t i = 0; i < COUNTOF(paddings) * COUNTOF(cuts); i++) {
        size_t padding = paddings[i / COUNTOF(cuts)];
        struct raw r;
        padded_client(&r, s, &padding);
        SSL_set1_groups_list(r.ssl, "P-521:P-384"); /* the share is for the first */
        r.cut = cuts[i % COUNTOF(cuts)];
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        CHECK_NUM(hellos, 2);
        CHECK_Z(tls_facts(r.ours)->group, "P-384");
        CHECK_Z(tls_facts(r.ours)->sni, "mx.example.org");
        raw_done(&r);
    }
    tls_server_unref(s);
}

/* T-05: it is asked for once. */
TEST(t55_first_hello_again_is_refused)
{
    struct tls_server *s = server_usual();
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_set1_groups_list(r.ssl, "P-521:P-384");
    SSL_do_handshake(r.ssl);
    struct span hello = raw_take(&r), in = hello;
    struct buf out;
    buf_init(&out, 1 << 16);
    CHECK(tls_handshake(r.ours, &in, &out, &r.why) == ERR_AGAIN);
    CHECK(out.n > 0 && in.n == 0);
    in = hello;
    CHECK(tls_handshake(r.ours, &in, &out, &r.why) == ERR_REFUSED);
    in = hello;
    CHECK(tls_handshake(r.ours, &in, &out, &r.why) == ERR_REFUSED);
    buf_done(&out);
    raw_done(&r);
    ERR_clear_error();
    tls_server_unref(s);
}

/* --- as client --- */

TEST(t55_client_answers_a_retry_request)
{
    struct tls_client *c = client_usual();
    for (size_t i = 0; i < COUNTOF(cuts); i++) {
        struct raw r;
        raw_server(&r, c, tls_world()->ec);
        SSL_set1_groups_list(r.ssl, "P-384");
        r.cut = cuts[i];
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        const struct tls_facts *f = tls_facts(r.ours);
        CHECK_Z(f->group, "P-384");
        CHECK(f->peer_cert && f->name_ok && f->forward_secret);
        raw_done(&r);
    }
    tls_client_unref(c);
}

static void put16(struct buf *b, size_t n)
{
    char two[2] = { (char)(n >> 8), (char)n };
    buf_put(b, span_of(two, sizeof two));
}

/* A retry request (RFC 8446 4.1.4) in a record, for the client whose hello is given: `group`, if
 * not 0, and a cookie of so many bytes. */
static void retry_request(struct span hello, unsigned group, size_t cookie, struct buf *ret)
{
    static const char magic[] = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
                                "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
    enum { SESSION_AT = 5 + 4 + 2 + 32 }; /* record, handshake, version, random */
    size_t id = (uint8_t)hello.p[SESSION_AT];
    size_t exts = 6 + (group ? 6u : 0u) + (cookie ? 6 + cookie : 0);
    size_t body = 2 + 32 + 1 + id + 3 + 2 + exts;
    buf_put(ret, SPAN("\x16\x03\x03"));
    put16(ret, body + 4);
    buf_put(ret, span_of("\x02\x00", 2));
    put16(ret, body);
    buf_put(ret, SPAN("\x03\x03"));
    buf_put(ret, span_of(magic, 32));
    buf_put(ret, span_of(hello.p + SESSION_AT, 1 + id));
    buf_put(ret, span_of("\x13\x02\x00", 3));
    put16(ret, exts);
    buf_put(ret, span_of("\x00\x2b\x00\x02\x03\x04", 6));
    if (group) {
        buf_put(ret, span_of("\x00\x33\x00\x02", 4));
        put16(ret, group);
    }
    if (cookie) {
        buf_put(ret, span_of("\x00\x2c", 2));
        put16(ret, 2 + cookie);
        put16(ret, cookie);
        for (size_t i = 0; i < cookie; i++)
            buf_put(ret, SPAN("c"));
    }
}

struct retry_row {
    const char *name;
    unsigned group;
    size_t cookie;
    bool answered; /* by a second hello */
};

TEST(t55_client_answers_one_retry_request_and_only_a_sensible_one)
{
    static const struct retry_row rows[] = {
        { "another group of ours", 0x0018, 0, true },
        { "a cookie", 0, 200, true },
        { "both", 0x0018, 12000, true },
        { "a group that we do not offer", 0x0019, 0, false },
        { "a group that nobody knows", 0xfafa, 0, false },
        { "nothing to change", 0, 0, false },
    };
    struct tls_client *c = client_usual();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const struct retry_row *row = &rows[i];
        test_case(row->name);
        struct tls *t = tls_connect(c, &(struct tls_peer){ .server_name = SPAN("mx.example.org") },
                                    test_now_ms());
        struct buf out, retry;
        struct span in = SPAN_NONE;
        struct why why = { "" };
        buf_init(&out, 1 << 18);
        buf_init(&retry, 1 << 16);
        CHECK(tls_handshake(t, &in, &out, &why) == ERR_AGAIN);
        retry_request(buf_span(&out), row->group, row->cookie, &retry);
        size_t first = out.n;
        in = buf_span(&retry);
        CHECK_NUM(tls_handshake(t, &in, &out, &why), row->answered ? ERR_AGAIN : ERR_REFUSED);
        CHECK(!row->answered || out.n - first > row->cookie + 100);
        in = buf_span(&retry);
        CHECK(tls_handshake(t, &in, &out, &why) == ERR_REFUSED);
        CHECK(why.text[0] != '\0');
        tls_free(t);
        buf_done(&out);
        buf_done(&retry);
    }
    ERR_clear_error();
    tls_client_unref(c);
}

/* --- the real thing, where the library has it --- */

TEST(t55_post_quantum_share)
{
    static const char group[] = "X25519MLKEM768";
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    bool known = SSL_set1_groups_list(r.ssl, group) == 1;
    ERR_clear_error();
    if (known) {
        r.cut = 1;
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        CHECK_Z(tls_facts(r.ours)->group, group);
    } else {
        printf("  no %s in this library\n", group);
    }
    raw_done(&r);

    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ .cut = 1 });
    CHECK(p.server_err == ERR_OK && p.client_err == ERR_OK);
    CHECK_Z(tls_facts(p.client)->group, known ? group : "X25519");
    CHECK_Z(tls_facts(p.server)->group, known ? group : "X25519");
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}
