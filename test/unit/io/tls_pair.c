#include "test/unit/io/tls_pair.h"
#include "io/loop.h"
#include "test/test.h"
#include <openssl/err.h>

enum { WIRE_MAX = 4 << 20 };

const struct tls_world *tls_world(void)
{
    static struct tls_world w;
    if (w.ca)
        return &w;
    w.ca = pki_new(&(struct pki_ask){ .name = "Test Root", .ca = true });
    w.other_ca =
        pki_new(&(struct pki_ask){ .name = "Other Root", .ca = true, .key = PKI_ECDSA_OTHER });
    w.middle = pki_new(&(struct pki_ask){
        .name = "Test Issuer", .ca = true, .issuer = w.ca, .key = PKI_ECDSA_OTHER });
    w.ec = pki_new(&(struct pki_ask){ .name = "mx.example.org", .issuer = w.middle });
    w.rsa = pki_new(&(struct pki_ask){ .name = "mx.example.org", .issuer = w.ca, .key = PKI_RSA });
    w.shop = pki_new(&(struct pki_ask){ .name = "shop.example", .issuer = w.ca });
    w.wild = pki_new(&(struct pki_ask){ .name = "*.wild.example", .issuer = w.ca });
    w.partner = pki_new(
        &(struct pki_ask){ .name = "partner.example", .issuer = w.ca, .key = PKI_ECDSA_OTHER });
    w.expired = pki_new(&(struct pki_ask){
        .name = "mx.example.org", .issuer = w.ca, .from_days = -20, .to_days = -10 });
    w.stranger = pki_new(&(struct pki_ask){ .name = "mx.example.org", .issuer = w.other_ca });
    return &w;
}

struct tls_server *server_usual(void)
{
    const struct tls_world *w = tls_world();
    struct tls_identity usual[2] = { pki_identity(w->ec), pki_identity(w->rsa) };
    struct tls_identity shop = pki_identity(w->shop), wild = pki_identity(w->wild);
    struct tls_site sites[3] = { { SPAN(""), usual, 2 },
                                 { SPAN("Shop.example"), &shop, 1 },
                                 { SPAN("*.wild.example"), &wild, 1 } };
    struct tls_server_config config = { .site = sites,
                                        .n_site = 3,
                                        .client_ca_pem = pki_anchor(w->ca),
                                        .binding = SPAN("configuration 1"),
                                        .ticket_secret = { { 1, 2, 3 } } };
    struct tls_server *s = NULL;
    CHECK(tls_server_new(&config, &s, NULL) == ERR_OK);
    return s;
}

struct tls_server *server_with(struct tls_server_config config, const struct pki *identity)
{
    struct tls_identity id = pki_identity(identity);
    struct tls_site site = { SPAN(""), &id, 1 };
    config.site = &site;
    config.n_site = 1;
    if (!config.client_ca_pem.n)
        config.client_ca_pem = pki_anchor(tls_world()->ca);
    struct tls_server *s = NULL;
    struct why why = { "" };
    enum err e = tls_server_new(&config, &s, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK(e == ERR_OK);
    return s;
}

struct tls_client *client_usual(void)
{
    struct tls_client_config config = { .ca_pem = pki_anchor(tls_world()->ca) };
    struct tls_client *c = NULL;
    CHECK(tls_client_new(&config, &c, NULL) == ERR_OK);
    return c;
}

int64_t test_now_ms(void)
{
    return wall_ms_now();
}

/* --- a pair of ours --- */

/* One step of one side: at most p->cut bytes of what waits. */
static enum err shake_step(struct pair *p, struct tls *t, struct buf *from, struct buf *to,
                           struct why *why)
{
    struct span in = buf_span(from);
    if (p->cut && in.n > p->cut)
        in.n = p->cut;
    size_t before = in.n;
    enum err e = tls_handshake(t, &in, to, why);
    buf_consume(from, before - in.n);
    return e;
}

static void pair_shake(struct pair *p)
{
    p->server_err = p->client_err = ERR_AGAIN;
    for (int quiet = 0; quiet < 2;) {
        size_t before = p->to_server.n + p->to_client.n;
        if (p->client_err == ERR_AGAIN)
            p->client_err = shake_step(p, p->client, &p->to_client, &p->to_server, &p->client_why);
        if (p->server_err == ERR_AGAIN)
            p->server_err = shake_step(p, p->server, &p->to_server, &p->to_client, &p->server_why);
        bool over = p->client_err != ERR_AGAIN && p->server_err != ERR_AGAIN;
        quiet += over || before == p->to_server.n + p->to_client.n;
    }
}

void pair_start(struct pair *p, struct tls_server *s, struct tls_client *c,
                const struct pair_ask *ask)
{
    *p = (struct pair){ .cut = ask->cut };
    int64_t now_ms = ask->now_ms ? ask->now_ms : test_now_ms();
    buf_init(&p->to_server, WIRE_MAX);
    buf_init(&p->to_client, WIRE_MAX);
    p->server = tls_accept(s, TLS_DOOR_STARTTLS, ask->listener, now_ms);
    const struct tls_peer peer = {
        .server_name = ask->name,
        .names = ask->names,
        .n_names = ask->n_names,
        .host_name = ask->host_name,
        .identity = ask->identity,
        .reuse_key = ask->reuse_key,
    };
    p->client = tls_connect(c, &peer, now_ms);
    pair_shake(p);
    if (p->server_err == ERR_OK && p->client_err == ERR_OK)
        CHECK(pair_client_reads(p, NULL) == ERR_AGAIN);
}

void pair_done(struct pair *p)
{
    tls_free(p->server);
    tls_free(p->client);
    buf_done(&p->to_server);
    buf_done(&p->to_client);
}

static enum err read_all(struct tls *t, struct buf *from, struct buf *to, struct buf *ret)
{
    static char text[20000];
    struct span in = buf_span(from);
    size_t before = in.n, n = 0;
    enum err e;
    while ((e = tls_read(t, &in, to, text, sizeof text, &n)) == ERR_OK) {
        CHECK(ret != NULL);
        buf_put(ret, span_of(text, n));
    }
    buf_consume(from, before - in.n);
    return e;
}

enum err pair_server_reads(struct pair *p, struct buf *ret)
{
    return read_all(p->server, &p->to_server, &p->to_client, ret);
}

enum err pair_client_reads(struct pair *p, struct buf *ret)
{
    return read_all(p->client, &p->to_client, &p->to_server, ret);
}

/* --- a bare one --- */

static void raw_ssl(struct raw *r, const SSL_METHOD *method)
{
    r->ctx = SSL_CTX_new(method);
    CHECK(r->ctx != NULL);
    SSL_CTX_set_security_level(r->ctx, 0);
    SSL_CTX_set_min_proto_version(r->ctx, TLS1_VERSION);
    SSL_CTX_set_options(r->ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    r->ssl = SSL_new(r->ctx);
    CHECK(r->ssl != NULL);
    SSL_set_bio(r->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

void raw_client(struct raw *r, struct tls_server *s, struct span listener)
{
    raw_client_at(r, s, TLS_DOOR_STARTTLS, listener);
}

void raw_client_at(struct raw *r, struct tls_server *s, enum tls_door door, struct span listener)
{
    *r = (struct raw){ .err = ERR_AGAIN };
    raw_ssl(r, TLS_client_method());
    SSL_set_connect_state(r->ssl);
    r->ours = tls_accept(s, door, listener, test_now_ms());
}

void raw_server(struct raw *r, struct tls_client *c, const struct pki *identity)
{
    raw_server_for(r, c, &(struct tls_peer){ .server_name = SPAN("mx.example.org") }, identity);
}

void raw_server_for(struct raw *r, struct tls_client *c, const struct tls_peer *peer,
                    const struct pki *identity)
{
    *r = (struct raw){ .err = ERR_AGAIN };
    raw_ssl(r, TLS_server_method());
    SSL_use_certificate(r->ssl, pki_x509(identity));
    SSL_use_PrivateKey(r->ssl, pki_pkey(identity));
    SSL_set_accept_state(r->ssl);
    r->ours = tls_connect(c, peer, test_now_ms());
}

struct span raw_take(struct raw *r)
{
    static char text[1 << 20];
    int n = BIO_read(SSL_get_wbio(r->ssl), text, sizeof text);
    return span_of(text, n > 0 ? (size_t)n : 0);
}

static void raw_give(struct raw *r, struct buf *out)
{
    if (out->n > 0)
        CHECK(BIO_write(SSL_get_rbio(r->ssl), buf_span(out).p, (int)out->n) == (int)out->n);
    buf_clear(out);
}

/* One flight, in pieces. What stands behind the end of the handshake is dropped. */
static void raw_feed(struct raw *r, struct span in, struct buf *out)
{
    do {
        struct span piece = r->cut && r->cut < in.n ? span_head(in, r->cut) : in;
        in = span_tail(in, piece.n);
        r->err = tls_handshake(r->ours, &piece, out, &r->why);
    } while (r->err == ERR_AGAIN && in.n > 0);
}

void raw_shake(struct raw *r)
{
    struct buf out;
    buf_init(&out, WIRE_MAX);
    for (int quiet = 0; quiet < 3; quiet++) {
        ERR_clear_error();
        if (r->reason == 0)
            r->result = SSL_do_handshake(r->ssl);
        if (r->result != 1 && r->reason == 0)
            r->reason = ERR_GET_REASON(ERR_peek_error());
        struct span in = raw_take(r);
        if (r->err == ERR_AGAIN)
            raw_feed(r, in, &out);
        if (out.n > 0)
            quiet = 0;
        raw_give(r, &out);
    }
    ERR_clear_error();
    buf_done(&out);
}

enum err raw_ours_reads(struct raw *r, struct buf *ret)
{
    struct buf out, in;
    buf_init(&out, WIRE_MAX);
    buf_init(&in, WIRE_MAX);
    for (struct span s; (s = raw_take(r)).n > 0;)
        buf_put(&in, s);
    enum err e = read_all(r->ours, &in, &out, ret);
    raw_give(r, &out);
    buf_done(&out);
    buf_done(&in);
    return e;
}

void raw_done(struct raw *r)
{
    tls_free(r->ours);
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
}
