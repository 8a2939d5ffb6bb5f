/* Tickets and sessions: a ticket opens the door it was made for, and no other (T-24, T-52). */
#include "test/test.h"
#include "test/unit/io/tls_pair.h"
#include <malloc.h>
#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

struct visit {
    struct tls_server *server;
    enum tls_door door;
    const char *listener, *name;
    int version;
};

/* Connects with `session`, if any, and says whether it was taken. *ret_session: the new one, or
 * NULL; the caller frees it. */
static bool visit_resumes(const struct visit *v, SSL_SESSION *session, SSL_SESSION **ret_session)
{
    struct raw r;
    raw_client_at(&r, v->server, v->door, span_z(v->listener));
    SSL_set_max_proto_version(r.ssl, v->version);
    if (v->name[0])
        SSL_set_tlsext_host_name(r.ssl, v->name);
    if (session)
        SSL_set_session(r.ssl, session);
    raw_shake(&r);
    CHECK(r.err == ERR_OK && r.result == 1);
    char c;
    SSL_read(r.ssl, &c, 1); /* takes the ticket in */
    bool resumed = SSL_session_reused(r.ssl) == 1;
    CHECK_NUM(tls_facts(r.ours)->resumed, resumed);
    if (ret_session)
        *ret_session = SSL_get1_session(r.ssl);
    SSL_set_shutdown(r.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    raw_done(&r);
    ERR_clear_error();
    return resumed;
}

/* Likewise, by STARTTLS. */
static bool resumes(struct tls_server *s, const char *listener, const char *name, int version,
                    SSL_SESSION *session, SSL_SESSION **ret_session)
{
    struct visit v = { s, TLS_DOOR_STARTTLS, listener, name, version };
    return visit_resumes(&v, session, ret_session);
}

static struct tls_server *server_of(const char *binding, uint8_t secret, uint8_t before)
{
    struct tls_server_config config = { .binding = span_z(binding),
                                        .ticket_secret = { { secret }, { before } } };
    return server_with(config, tls_world()->ec);
}

struct place {
    const char *what, *listener, *name, *binding;
    uint8_t secret, before;
    bool resumed;
};

TEST(t24_ticket_opens_only_its_own_door)
{
    static const struct place places[] = {
        { "the same", "25", "mx.example.org", "v1", 1, 0, true },
        { "other listener", "465", "mx.example.org", "v1", 1, 0, false },
        { "other name", "25", "shop.example", "v1", 1, 0, false },
        { "no name", "25", "", "v1", 1, 0, false },
        { "other configuration", "25", "mx.example.org", "v2", 1, 0, false },
        { "rotated once", "25", "mx.example.org", "v1", 2, 1, true },
        { "rotated twice", "25", "mx.example.org", "v1", 3, 2, false },
        { "no tickets any more", "25", "mx.example.org", "v1", 0, 0, false },
    };
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < COUNTOF(places); i++) {
            const struct place *p = &places[i];
            test_case(p->what);
            struct tls_server *first = server_of("v1", 1, 0);
            struct tls_server *second = server_of(p->binding, p->secret, p->before);
            SSL_SESSION *session = NULL;
            CHECK(!resumes(first, "25", "mx.example.org", version, NULL, &session));
            CHECK_NUM(resumes(second, p->listener, p->name, version, session, NULL), p->resumed);
            SSL_SESSION_free(session);
            tls_server_unref(first);
            tls_server_unref(second);
        }
    }
}

/* A session that was made behind STARTTLS is none of implicit TLS, nor the other way round, even
 * where all else is the same. */
TEST(t52_ticket_is_bound_to_the_kind_of_channel)
{
    struct tls_server *s = server_of("v1", 1, 0);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int made = 0; made < 2; made++) {
            struct visit v = { s, (enum tls_door)made, "25", "mx.example.org", version };
            SSL_SESSION *session = NULL, *again = NULL;
            CHECK(!visit_resumes(&v, NULL, &session));
            CHECK(visit_resumes(&v, session, &again));
            v.door = made ? TLS_DOOR_STARTTLS : TLS_DOOR_IMPLICIT;
            CHECK(!visit_resumes(&v, session, NULL));
            CHECK(!visit_resumes(&v, again, NULL));
            SSL_SESSION_free(session);
            SSL_SESSION_free(again);
        }
    }
    tls_server_unref(s);
}

TEST(t24_ticket_ends_with_its_certificate_or_demand)
{
    const struct tls_world *w = tls_world();
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_server_config config = { .ticket_secret = { { 1 } } };
        struct tls_server *first = server_with(config, w->ec);
        struct tls_server *renewed = server_with(config, w->shop);
        config.ask_client_cert = true;
        struct tls_server *asks = server_with(config, w->ec);
        config.client_ca_pem = pki_anchor(w->other_ca);
        struct tls_server *trusts = server_with(config, w->ec);
        SSL_SESSION *session = NULL, *asked = NULL;
        CHECK(!resumes(first, "25", "", version, NULL, &session));
        CHECK(resumes(first, "25", "", version, session, NULL));
        CHECK(!resumes(renewed, "25", "", version, session, NULL));
        CHECK(!resumes(asks, "25", "", version, session, &asked));
        CHECK(!resumes(trusts, "25", "", version, asked, NULL));
        SSL_SESSION_free(session);
        SSL_SESSION_free(asked);
        tls_server_unref(first);
        tls_server_unref(renewed);
        tls_server_unref(asks);
        tls_server_unref(trusts);
    }
}

TEST(t24_no_early_data_and_no_session_ids)
{
    struct tls_server *s = server_of("v1", 1, 0);
    SSL_SESSION *session = NULL;
    CHECK(!resumes(s, "25", "", TLS1_3_VERSION, NULL, &session));
    CHECK_NUM(SSL_SESSION_get_max_early_data(session), 0);
    CHECK(SSL_SESSION_has_ticket(session));
    SSL_SESSION_free(session);
    tls_server_unref(s);

    struct tls_server *none = server_of("v1", 0, 0);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        CHECK(!resumes(none, "25", "", version, NULL, &session));
        CHECK(!SSL_SESSION_has_ticket(session));
        CHECK(!resumes(none, "25", "", version, session, NULL));
        SSL_SESSION_free(session);
    }
    tls_server_unref(none);
}

TEST(t24_forged_tickets_are_passed_over)
{
    struct tls_server *s = server_of("v1", 1, 0);
    SSL_SESSION *session = NULL;
    CHECK(!resumes(s, "25", "", TLS1_2_VERSION, NULL, &session));
    unsigned char der[4000], *p = der;
    int n = i2d_SSL_SESSION(session, &p);
    CHECK(n > 0 && (size_t)n < sizeof der);
    const unsigned char *ticket;
    size_t ticket_n;
    SSL_SESSION_get0_ticket(session, &ticket, &ticket_n);
    unsigned char *at = memmem(der, (size_t)n, ticket, ticket_n);
    CHECK(at != NULL);
    for (size_t i = 0; i < ticket_n; i += 13) {
        at[i] ^= 1;
        const unsigned char *in = der;
        SSL_SESSION *forged = d2i_SSL_SESSION(NULL, &in, n);
        CHECK(forged != NULL);
        CHECK(!resumes(s, "25", "", TLS1_2_VERSION, forged, NULL));
        SSL_SESSION_free(forged);
        at[i] ^= 1;
    }
    SSL_SESSION_free(session);
    tls_server_unref(s);
}

/* The facts of a client's certificate come back with its ticket. */
TEST(t24_resumed_client_certificate_is_recorded)
{
    const struct tls_world *w = tls_world();
    struct tls_server *s = server_with(
        (struct tls_server_config){ .ask_client_cert = true, .ticket_secret = { { 1 } } }, w->ec);
    for (int i = 0; i < 2; i++) {
        static SSL_SESSION *session;
        struct raw r;
        raw_client(&r, s, SPAN("25"));
        SSL_use_certificate(r.ssl, pki_x509(w->partner));
        SSL_use_PrivateKey(r.ssl, pki_pkey(w->partner));
        if (session)
            SSL_set_session(r.ssl, session);
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        const struct tls_facts *f = tls_facts(r.ours);
        CHECK_NUM(f->resumed, i);
        CHECK(f->peer_cert && f->chain_ok);
        CHECK_Z(f->names, "partner.example");
        char c;
        SSL_read(r.ssl, &c, 1);
        SSL_SESSION_free(session);
        session = i == 0 ? SSL_get1_session(r.ssl) : NULL;
        SSL_set_shutdown(r.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        raw_done(&r);
    }
    ERR_clear_error();
    tls_server_unref(s);
}

/* --- our client --- */

static bool client_resumed(struct tls_server *s, struct tls_client *c, const char *key,
                           int64_t now_ms)
{
    struct pair p;
    pair_start(&p, s, c,
               &(struct pair_ask){ .name = SPAN("mx.example.org"),
                                   .reuse_key = span_z(key),
                                   .listener = SPAN("25"),
                                   .now_ms = now_ms });
    CHECK(p.server_err == ERR_OK && p.client_err == ERR_OK);
    const struct tls_facts *f = tls_facts(p.client);
    CHECK(f->peer_cert && f->name_ok); /* known from the first handshake, too */
    CHECK_Z(f->names, "mx.example.org");
    bool resumed = f->resumed;
    if (now_ms == 0)
        CHECK(f->chain_ok);
    pair_done(&p);
    return resumed;
}

TEST(t24_client_resumes_only_under_the_same_key)
{
    struct tls_server *s = server_of("v1", 1, 0);
    struct tls_client *c = client_usual();
    CHECK(!client_resumed(s, c, "contract 1 mx 25", 0));
    CHECK(client_resumed(s, c, "contract 1 mx 25", 0));
    CHECK(client_resumed(s, c, "contract 1 mx 25", 0)); /* by the ticket of the second */
    CHECK(!client_resumed(s, c, "contract 2 mx 25", 0));
    CHECK(!client_resumed(s, c, "", 0)); /* no key: nothing is kept */
    CHECK(!client_resumed(s, c, "", 0));
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_client_uses_a_ticket_once)
{
    struct tls_server *s = server_of("v1", 1, 0);
    struct tls_client *c = client_usual();
    CHECK(!client_resumed(s, c, "k", 0));
    int64_t now_ms = test_now_ms();
    const struct tls_peer peer = { .server_name = SPAN("mx.example.org"), .reuse_key = SPAN("k") };
    struct tls *a = tls_connect(c, &peer, now_ms);
    struct tls *b = tls_connect(c, &peer, now_ms);
    struct buf first, second;
    buf_init(&first, 1 << 16);
    buf_init(&second, 1 << 16);
    struct span none = SPAN_NONE;
    CHECK(tls_handshake(a, &none, &first, NULL) == ERR_AGAIN);
    CHECK(tls_handshake(b, &none, &second, NULL) == ERR_AGAIN);
    CHECK(first.n > second.n + 100); /* the ticket is in the first hello alone */
    tls_free(a);
    tls_free(b);
    buf_done(&first);
    buf_done(&second);
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(t57_client_session_ends_with_time)
{
    struct tls_server *s = server_of("v1", 1, 0);
    struct tls_client *c = client_usual();
    int64_t now_ms = test_now_ms();
    CHECK(!client_resumed(s, c, "k", 0));
    CHECK(!client_resumed(s, c, "k", now_ms + INT64_C(25) * 60 * 60 * 1000));
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_client_keeps_a_bounded_number_of_sessions)
{
    struct tls_server *s = server_of("v1", 1, 0);
    struct tls_client *c = client_usual();
    char key[20];
    for (int i = 0; i < 1030; i++) {
        snprintf(key, sizeof key, "k%d", i);
        CHECK(!client_resumed(s, c, key, 0));
    }
    CHECK(client_resumed(s, c, "k1029", 0));
    CHECK(!client_resumed(s, c, "k0", 0)); /* the oldest has gone */
    tls_client_unref(c);
    tls_server_unref(s);
}

/* A session outlives the context's owner: that is how a reload works. */
TEST(tls_context_lives_as_long_as_its_sessions)
{
    struct tls_server *s = server_of("v1", 1, 0);
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ .reuse_key = SPAN("k") });
    tls_server_unref(s);
    tls_client_unref(c);
    CHECK(tls_write(p.server, SPAN("hello"), &p.to_client) == ERR_OK);
    struct buf got;
    buf_init(&got, 100);
    CHECK(pair_client_reads(&p, &got) == ERR_AGAIN);
    CHECK_SPAN(buf_span(&got), SPAN("hello"));
    buf_done(&got);
    pair_done(&p);
    tls_server_unref(NULL);
    tls_client_unref(NULL);
    tls_free(NULL);
}

/* --- figures, printed and not judged --- */

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void print_handshakes(struct tls_server *s, struct tls_client *c, const char *what,
                             const char *key)
{
    enum { ROUNDS = 200 };
    double before = cpu_us();
    for (int i = 0; i < ROUNDS; i++) {
        struct pair p;
        pair_start(&p, s, c, &(struct pair_ask){ .reuse_key = span_z(key) });
        pair_done(&p);
    }
    printf("  %s handshake, both sides: %.0f us of CPU\n", what,
           (cpu_us() - before) / (double)ROUNDS);
}

static void print_throughput(struct tls_server *s, struct tls_client *c)
{
    enum { PIECE = 256 * 1024, ROUNDS = 200 };
    static char text[PIECE], got[PIECE];
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    double before = cpu_us();
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(tls_write(p.client, span_of(text, PIECE), &p.to_server) == ERR_OK);
        struct span in = buf_span(&p.to_server);
        size_t n = 0;
        while (tls_read(p.server, &in, &p.to_client, got, sizeof got, &n) == ERR_OK)
            ;
        CHECK_NUM(in.n, 0);
        buf_clear(&p.to_server);
    }
    double mb = (double)PIECE * (double)ROUNDS / 1e6;
    printf("  written and read: %.0f MB/s of CPU time\n", mb / ((cpu_us() - before) / 1e6));
    pair_done(&p);
}

static void print_idle(struct tls_server *s, struct tls_client *c)
{
    enum { PAIRS = 200 };
    static struct pair p[PAIRS];
    static struct tls *half;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < PAIRS; i++) {
        pair_start(&p[i], s, c, &(struct pair_ask){ .name = SPAN("mx.example.org") });
        struct buf got;
        buf_init(&got, 100);
        CHECK(tls_write(p[i].client, SPAN("hello"), &p[i].to_server) == ERR_OK);
        CHECK(pair_server_reads(&p[i], &got) == ERR_AGAIN);
        CHECK(tls_write(p[i].server, SPAN("hello"), &p[i].to_client) == ERR_OK);
        CHECK(pair_client_reads(&p[i], &got) == ERR_AGAIN);
        buf_done(&got);
        buf_release(&p[i].to_client);
        buf_release(&p[i].to_server);
    }
    size_t both = mallinfo2().uordblks - before;
    for (int i = 0; i < PAIRS; i++) {
        half = p[i].client;
        p[i].client = NULL;
        tls_free(half);
    }
    size_t servers = mallinfo2().uordblks - before;
    printf("  idle: %.1f KiB a server side, %.1f KiB a client side\n",
           (double)servers / (double)PAIRS / 1024, (double)(both - servers) / (double)PAIRS / 1024);
    for (int i = 0; i < PAIRS; i++)
        pair_done(&p[i]);
}

TEST(tls_figures)
{
    struct tls_server *s = server_of("v1", 1, 0);
    struct tls_client *c = client_usual();
    print_handshakes(s, c, "full", "");
    print_handshakes(s, c, "resumed", "k");
    print_throughput(s, c);
    print_idle(s, c);
    tls_client_unref(c);
    tls_server_unref(s);
}
