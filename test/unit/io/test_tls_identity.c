/* Who the other side is, and who we are to it: anchors, dates, usages, names; certificates of ours.
 */
#include "io/loop.h"
#include "test/test.h"
#include "test/unit/io/tls_pair.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const int64_t minute_ms = 60 * 1000, day_ms = INT64_C(24) * 60 * 60 * 1000;

static bool has(struct span text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* What facts.anchor says of this root. */
static const char *anchor_of(const struct pki *root)
{
    static char hex[65];
    struct buf text;
    buf_init(&text, 65);
    CHECK(tls_pem_digests(pki_anchor(root), &text, NULL) == ERR_OK);
    memcpy(hex, buf_span(&text).p, 64);
    buf_done(&text);
    return hex;
}

/* --- what comes in --- */

struct arrival {
    struct tls_server *server;
    const struct pki *identity;
    int version;
    SSL_SESSION *session; /* to resume; or NULL */
    int64_t now_ms;       /* the server's; 0: now */
};

/* The same chain without a connection: `explain --client-cert` tells what the handshake told. */
static void check_judged_alike(const struct arrival *a, const struct tls_facts *shook)
{
    struct arena memory;
    struct tls_facts f = { .on = false };
    struct why why = { "" };
    arena_init(&memory, 1 << 16);
    int64_t now_ms = a->now_ms ? a->now_ms : wall_ms_now();
    enum err e = tls_judge_client(a->server, pki_chain(a->identity), now_ms, &memory, &f, &why);
    CHECK_NUM(e, ERR_OK);
    CHECK(f.on && f.peer_cert && !f.name_ok);
    CHECK_NUM(f.chain_ok, shook->chain_ok);
    CHECK_NUM(f.expired, shook->expired);
    CHECK_NUM(f.client_usage, shook->client_usage);
    CHECK_NUM(f.anchor_private, shook->anchor_private);
    CHECK_NUM(f.revoked, shook->revoked);
    CHECK_SPAN(f.names, shook->names);
    CHECK_SPAN(f.spki, shook->spki);
    CHECK_SPAN(f.anchor, shook->anchor);
    CHECK_SPAN(f.issuer, shook->issuer);
    CHECK_SPAN(f.verify, shook->verify);
    arena_done(&memory);
}

/* A client comes and shows its chain. *ret_session: to come back with, or NULL; the caller's. */
static void arrive(struct raw *r, const struct arrival *a, SSL_SESSION **ret_session)
{
    raw_client(r, a->server, SPAN("25"));
    if (a->now_ms) {
        tls_free(r->ours);
        r->ours = tls_accept(a->server, TLS_DOOR_STARTTLS, SPAN("25"), a->now_ms);
    }
    SSL_set_max_proto_version(r->ssl, a->version);
    BIO *bio = BIO_new_mem_buf(pki_chain(a->identity).p, (int)pki_chain(a->identity).n);
    X509_free(PEM_read_bio_X509(bio, NULL, NULL, NULL));
    SSL_use_certificate(r->ssl, pki_x509(a->identity));
    SSL_use_PrivateKey(r->ssl, pki_pkey(a->identity));
    for (X509 *x; (x = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        SSL_add0_chain_cert(r->ssl, x);
    BIO_free(bio);
    if (a->session)
        SSL_set_session(r->ssl, a->session);
    raw_shake(r);
    CHECK(r->err == ERR_OK && r->result == 1);
    CHECK(tls_facts(r->ours)->peer_cert);
    check_judged_alike(a, tls_facts(r->ours));
    CHECK(sk_X509_NAME_num(SSL_get0_peer_CA_list(r->ssl)) <= 0); /* nobody's business */
    char c;
    SSL_read(r->ssl, &c, 1); /* takes the ticket in */
    if (ret_session)
        *ret_session = SSL_get1_session(r->ssl);
    SSL_set_shutdown(r->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ERR_clear_error();
}

/* Public CAs are w->ca; other_ca is a partner's own. */
static struct tls_server *server_of_partners(void)
{
    const struct tls_world *w = tls_world();
    struct tls_server_config config = { .ask_client_cert = true,
                                        .partner_ca_pem = pki_anchor(w->other_ca),
                                        .ticket_secret = { { 1 } } };
    return server_with(config, w->ec);
}

TEST(t23_anchor_tells_whose_ca_it_was)
{
    const struct tls_world *w = tls_world();
    struct tls_server *s = server_of_partners();
    const struct {
        const char *name;
        const struct pki *identity, *root;
        bool is_private;
    } rows[] = { { "public", w->partner, w->ca, false },
                 { "public, below an intermediate", w->ec, w->ca, false },
                 { "a partner's own", w->stranger, w->other_ca, true } };
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < COUNTOF(rows); i++) {
            test_case(rows[i].name);
            struct raw r;
            arrive(&r, &(struct arrival){ s, rows[i].identity, version, NULL, 0 }, NULL);
            const struct tls_facts *f = tls_facts(r.ours);
            CHECK(f->chain_ok && !f->expired && f->client_usage);
            CHECK_Z(f->anchor, anchor_of(rows[i].root));
            CHECK_NUM(f->anchor_private, rows[i].is_private);
            raw_done(&r);
        }
    }
    tls_server_unref(s);
}

TEST(t23_no_anchor_without_a_chain)
{
    const struct tls_world *w = tls_world();
    struct tls_server *s =
        server_with((struct tls_server_config){ .ask_client_cert = true }, w->ec);
    struct raw r;
    arrive(&r, &(struct arrival){ s, w->stranger, TLS1_3_VERSION, NULL, 0 }, NULL);
    const struct tls_facts *f = tls_facts(r.ours);
    CHECK(!f->chain_ok && !f->expired && !f->anchor_private);
    CHECK_NUM(f->anchor.n, 0);
    CHECK(has(f->verify, "issuer"));
    raw_done(&r);
    tls_server_unref(s);
}

/* A partner may pin a public CA: that makes it nobody's own. */
TEST(t23_public_ca_stays_public)
{
    const struct tls_world *w = tls_world();
    struct buf both;
    buf_init(&both, 1 << 16);
    buf_put(&both, pki_anchor(w->ca));
    buf_put(&both, SPAN("\n"));
    buf_put(&both, pki_anchor(w->other_ca));
    struct tls_server_config config = { .ask_client_cert = true,
                                        .partner_ca_pem = buf_span(&both) };
    struct tls_server *s = server_with(config, w->ec);
    for (int i = 0; i < 2; i++) {
        struct raw r;
        const struct pki *identity = i ? w->stranger : w->partner;
        arrive(&r, &(struct arrival){ s, identity, TLS1_3_VERSION, NULL, 0 }, NULL);
        CHECK(tls_facts(r.ours)->chain_ok);
        CHECK_NUM(tls_facts(r.ours)->anchor_private, i);
        raw_done(&r);
    }
    tls_server_unref(s);
    buf_done(&both);
}

TEST(tls_bad_partner_ca_is_refused)
{
    const struct tls_world *w = tls_world();
    struct tls_identity id = pki_identity(w->ec);
    struct tls_site site = { SPAN(""), &id, 1 };
    struct tls_server_config config = { .site = &site,
                                        .n_site = 1,
                                        .partner_ca_pem = SPAN("nothing") };
    struct tls_server *s = NULL;
    struct why why = { "" };
    CHECK(tls_server_new(&config, &s, &why) == ERR_SYNTAX);
    CHECK(s == NULL && has(span_z(why.text), "trust anchors"));
}

struct usage_row {
    const char *usage;
    bool chain_ok, client_usage;
};

/* P27: public CAs issue certificates for servers only; those must do for clients. */
TEST(p27_usages_of_clients)
{
    static const struct usage_row rows[] = {
        { "serverAuth,clientAuth", true, true },
        { "serverAuth", true, false },
        { "clientAuth", true, true },
        { "", true, true },
        { "anyExtendedKeyUsage", true, true },
        { "emailProtection,clientAuth", true, true },
        { "emailProtection", false, false },
        { "codeSigning", false, false },
        { "1.2.3.4", false, false },
    };
    const struct tls_world *w = tls_world();
    struct tls_server *s = server_of_partners();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].usage);
        struct pki *p = pki_new(&(struct pki_ask){
            .name = "partner.example", .usage = rows[i].usage, .issuer = w->ca });
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct raw r;
            arrive(&r, &(struct arrival){ s, p, version, NULL, 0 }, NULL);
            const struct tls_facts *f = tls_facts(r.ours);
            CHECK_NUM(f->chain_ok, rows[i].chain_ok);
            CHECK_NUM(f->client_usage, rows[i].client_usage);
            CHECK(!f->expired);
            CHECK_NUM(has(f->verify, "purpose"), !rows[i].chain_ok);
            raw_done(&r);
        }
        pki_free(p);
    }
    tls_server_unref(s);
}

/* An authority for letters makes no clients, whatever it writes into what it signs. */
TEST(p27_usages_of_issuers)
{
    static const struct usage_row rows[] = { { "", true, true },
                                             { "serverAuth", true, true },
                                             { "emailProtection", false, true } };
    const struct tls_world *w = tls_world();
    struct tls_server *s = server_of_partners();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].usage);
        struct pki *middle = pki_new(&(struct pki_ask){ .name = "Some Issuer",
                                                        .usage = rows[i].usage,
                                                        .ca = true,
                                                        .issuer = w->ca,
                                                        .key = PKI_ECDSA_OTHER });
        struct pki *p =
            pki_new(&(struct pki_ask){ .name = "partner.example", .usage = "", .issuer = middle });
        struct raw r;
        arrive(&r, &(struct arrival){ s, p, TLS1_3_VERSION, NULL, 0 }, NULL);
        CHECK_NUM(tls_facts(r.ours)->chain_ok, rows[i].chain_ok);
        CHECK_NUM(tls_facts(r.ours)->client_usage, rows[i].client_usage);
        raw_done(&r);
        pki_free(p);
        pki_free(middle);
    }
    tls_server_unref(s);
}

/* --- dates --- */

/* A root, an issuer and a leaf, some of them out of time. */
struct family {
    struct pki *root, *middle, *leaf;
};

/* From and to, in days from now. */
enum life { FINE, OVER, TO_COME };
static const int lives[][2] = {
    [FINE] = { -30, 300 }, [OVER] = { -20, -10 }, [TO_COME] = { 10, 20 }
};

struct date_row {
    const char *name;
    enum life root, middle, leaf;
    const char *usage;
    bool known; /* the root is an anchor */
    bool chain_ok, expired;
    const char *verify;
};

static const struct date_row date_rows[] = {
    { "fine", FINE, FINE, FINE, NULL, true, true, false, "ok" },
    { "expired", FINE, FINE, OVER, NULL, true, false, true, "expired" },
    { "not yet", FINE, FINE, TO_COME, NULL, true, false, true, "not yet valid" },
    { "issuer expired", FINE, OVER, FINE, NULL, true, false, true, "expired" },
    { "root expired", OVER, FINE, FINE, NULL, true, false, true, "expired" },
    { "all of it", OVER, OVER, OVER, NULL, true, false, true, "expired" },
    { "and unknown root", FINE, FINE, OVER, NULL, false, false, false, "" },
    { "and for letters", FINE, FINE, OVER, "emailProtection", true, false, false, "purpose" },
};

static struct pki *authority(const char *name, const struct pki *issuer, enum life life)
{
    return pki_new(&(struct pki_ask){ .name = name,
                                      .ca = true,
                                      .issuer = issuer,
                                      .key = issuer ? PKI_ECDSA_OTHER : PKI_ECDSA,
                                      .from_days = lives[life][0],
                                      .to_days = lives[life][1] });
}

static struct family family_new(const struct date_row *row)
{
    struct family f;
    f.root = authority("Old Root", NULL, row->root);
    f.middle = authority("Old Issuer", f.root, row->middle);
    f.leaf = pki_new(&(struct pki_ask){ .name = "mx.example.org",
                                        .usage = row->usage,
                                        .issuer = f.middle,
                                        .from_days = lives[row->leaf][0],
                                        .to_days = lives[row->leaf][1] });
    return f;
}

static void family_free(struct family *f)
{
    pki_free(f->leaf);
    pki_free(f->middle);
    pki_free(f->root);
}

static void check_dates(const struct tls_facts *f, const struct date_row *row,
                        const struct pki *root)
{
    CHECK_NUM(f->chain_ok, row->chain_ok);
    CHECK_NUM(f->expired, row->expired);
    CHECK(has(f->verify, row->verify));
    CHECK_Z(f->anchor, row->chain_ok || row->expired ? anchor_of(root) : "");
}

TEST(t20_dates_alone_are_told_apart)
{
    for (size_t i = 0; i < COUNTOF(date_rows); i++) {
        const struct date_row *row = &date_rows[i];
        test_case(row->name);
        struct family f = family_new(row);
        struct span anchor = pki_anchor(row->known ? f.root : tls_world()->ca);

        struct tls_server_config asks = { .ask_client_cert = true, .client_ca_pem = anchor };
        struct tls_server *s = server_with(asks, tls_world()->ec);
        struct raw r;
        arrive(&r, &(struct arrival){ s, f.leaf, TLS1_3_VERSION, NULL, 0 }, NULL);
        check_dates(tls_facts(r.ours), row, f.root);
        raw_done(&r);
        tls_server_unref(s);

        struct tls_client_config knows = { .ca_pem = anchor };
        struct tls_client *c = NULL;
        CHECK(tls_client_new(&knows, &c, NULL) == ERR_OK);
        s = server_with((struct tls_server_config){ 0 }, f.leaf);
        struct pair p;
        pair_start(&p, s, c, &(struct pair_ask){ .name = SPAN("mx.example.org") });
        CHECK(p.client_err == ERR_OK);
        check_dates(tls_facts(p.client), row, f.root);
        CHECK(tls_facts(p.client)->name_ok);
        pair_done(&p);
        tls_client_unref(c);
        tls_server_unref(s);
        family_free(&f);
    }
}

/* --- resumption --- */

static struct family family_of(const char *name)
{
    for (size_t i = 0; i < COUNTOF(date_rows); i++) {
        if (strcmp(date_rows[i].name, name) == 0)
            return family_new(&date_rows[i]);
    }
    CHECK(false);
    return (struct family){ 0 };
}

struct come_back_row {
    const char *name, *family;
    int64_t first_ms, second_ms; /* from now */
    bool chain_ok, expired;      /* the first time */
    bool still_ok, then_expired; /* the second */
};

/* The server remembers of a client what it proved, and not for longer than that holds. */
TEST(t24_resumed_client_is_judged_anew_by_the_clock)
{
    static const struct come_back_row rows[] = {
        { "fine", "fine", 0, 0, true, false, true, false },
        { "expired", "expired", 0, 0, false, true, false, true },
        { "for letters", "and for letters", 0, 0, false, false, false, false },
        { "leaf expires", "expired", -11, 0, true, false, false, true },
        { "issuer expires", "issuer expired", -11, 0, true, false, false, true },
        { "root expires", "root expired", -11, 0, true, false, false, true },
        { "begins", "not yet", 0, 11, false, true, true, false },
        { "clock goes back", "fine", 0, -40, true, false, false, true },
    };
    for (size_t i = 0; i < 2 * COUNTOF(rows); i++) {
        const struct come_back_row *row = &rows[i / 2];
        int version = i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION;
        test_case(row->name);
        struct family f = family_of(row->family);
        struct tls_server_config config = { .ask_client_cert = true,
                                            .partner_ca_pem = pki_anchor(f.root),
                                            .ticket_secret = { { 1 } } };
        struct tls_server *s = server_with(config, tls_world()->ec);
        struct arrival a = { s, f.leaf, version, NULL, test_now_ms() + row->first_ms * day_ms };
        struct raw r;
        SSL_SESSION *session = NULL;
        arrive(&r, &a, &session);
        CHECK(!tls_facts(r.ours)->resumed);
        CHECK_NUM(tls_facts(r.ours)->chain_ok, row->chain_ok);
        CHECK_NUM(tls_facts(r.ours)->expired, row->expired);
        raw_done(&r);
        for (int again = 0; again < 2; again++) { /* the second time by the resumed one's ticket */
            a.session = session;
            a.now_ms = test_now_ms() + row->second_ms * day_ms;
            arrive(&r, &a, &session);
            SSL_SESSION_free(a.session);
            const struct tls_facts *t = tls_facts(r.ours);
            CHECK(t->resumed);
            CHECK_NUM(t->chain_ok, row->still_ok);
            CHECK_NUM(t->expired, row->then_expired);
            bool sound = row->still_ok || row->then_expired;
            CHECK_Z(t->anchor, sound ? anchor_of(f.root) : "");
            CHECK_NUM(t->anchor_private, sound);
            CHECK_NUM(t->client_usage, sound);
            CHECK_Z(t->names, "mx.example.org");
            raw_done(&r);
        }
        SSL_SESSION_free(session);
        tls_server_unref(s);
        family_free(&f);
    }
}

/* What a ticket proved ends with the partners' CAs that it was proved by. */
TEST(t24_ticket_ends_with_partner_ca)
{
    const struct tls_world *w = tls_world();
    struct tls_server *first = server_of_partners();
    struct tls_server *then = server_with(
        (struct tls_server_config){ .ask_client_cert = true, .ticket_secret = { { 1 } } }, w->ec);
    struct raw r;
    SSL_SESSION *session = NULL;
    arrive(&r, &(struct arrival){ first, w->stranger, TLS1_2_VERSION, NULL, 0 }, &session);
    CHECK(tls_facts(r.ours)->chain_ok);
    raw_done(&r);
    raw_client(&r, then, SPAN("25"));
    SSL_set_max_proto_version(r.ssl, TLS1_2_VERSION);
    SSL_set_session(r.ssl, session);
    raw_shake(&r);
    CHECK(r.err == ERR_OK && !tls_facts(r.ours)->resumed && !tls_facts(r.ours)->peer_cert);
    raw_done(&r);
    SSL_SESSION_free(session);
    tls_server_unref(first);
    tls_server_unref(then);
}

/* Our side of it: the server's chain ends between two connections. */
TEST(t24_resumed_server_is_judged_anew_by_the_clock)
{
    static const char *const families[] = { "expired", "issuer expired" };
    for (size_t i = 0; i < COUNTOF(families); i++) {
        test_case(families[i]);
        struct family f = family_of(families[i]);
        struct tls_server_config config = { .ticket_secret = { { 1 } } };
        struct tls_server *s = server_with(config, f.leaf);
        struct tls_client_config knows = { .ca_pem = pki_anchor(f.root) };
        struct tls_client *c = NULL;
        CHECK(tls_client_new(&knows, &c, NULL) == ERR_OK);
        for (int visit = 0; visit < 3; visit++) {
            struct pair_ask ask = { .name = SPAN("mx.example.org"),
                                    .reuse_key = SPAN("k"),
                                    .now_ms = test_now_ms() - 10 * day_ms +
                                              (visit ? minute_ms : -minute_ms) };
            struct pair p;
            pair_start(&p, s, c, &ask);
            const struct tls_facts *t = tls_facts(p.client);
            CHECK(p.client_err == ERR_OK && t->name_ok && !t->anchor_private);
            CHECK_NUM(t->resumed, visit > 0);
            CHECK_NUM(t->chain_ok, visit == 0);
            CHECK_NUM(t->expired, visit > 0);
            CHECK_Z(t->anchor, anchor_of(f.root));
            CHECK_Z(t->names, "mx.example.org");
            pair_done(&p);
        }
        tls_client_unref(c);
        tls_server_unref(s);
        family_free(&f);
    }
}

/* --- names --- */

enum { SETS_MAX = 2, NAMES_MAX = 3 };

struct name_row {
    const char *name;
    const char *common, *alt;
    const char *set[SETS_MAX][NAMES_MAX];
    bool host_name;
    bool name_ok;
};

/* The host that is meant is mx.example.org. */
static const struct name_row name_rows[] = {
    { "exact", "x", "DNS:a.lab.example", { { "a.lab.example" } }, false, true },
    { "case", "x", "DNS:A.Lab.Example", { { "a.lab.example" } }, false, true },
    { "other", "x", "DNS:b.lab.example", { { "a.lab.example" } }, false, false },
    { "host does not count", "x", "DNS:mx.example.org", { { "a.lab.example" } }, false, false },
    { "second expected", "x", "DNS:b.example", { { "a.example", "b.example" } }, false, true },
    { "second presented", "x", "DNS:z.example,DNS:b.example", { { "b.example" } }, false, true },
    { "presented wildcard", "x", "DNS:*.lab.example", { { "a.lab.example" } }, false, true },
    { "too deep for it", "x", "DNS:*.lab.example", { { "b.a.lab.example" } }, false, false },
    { "expected wildcard", "x", "DNS:b.a.lab.example", { { "*.lab.example" } }, false, true },
    { "both wildcards", "x", "DNS:*.lab.example", { { "*.lab.example" } }, false, true },
    { "not itself", "x", "DNS:lab.example", { { "*.lab.example" } }, false, false },
    { "two sets, one", "x", "DNS:a.example", { { "a.example" }, { "b.example" } }, false, false },
    { "two sets, both",
      "x",
      "DNS:b.example,DNS:a.example",
      { { "a.example" }, { "b.example" } },
      false,
      true },
    { "two sets, one name",
      "x",
      "DNS:a.lab.example",
      { { "a.lab.example" }, { "*.lab.example" } },
      false,
      true },
    { "set and host", "x", "DNS:a.example,DNS:mx.example.org", { { "a.example" } }, true, true },
    { "set, no host", "x", "DNS:a.example", { { "a.example" } }, true, false },
    { "host, no set", "x", "DNS:mx.example.org", { { "a.example" } }, true, false },
    { "no sets", "x", "DNS:mx.example.org", { { NULL } }, false, true },
    { "common name", "a.example", "", { { "a.example" } }, false, true },
    { "common name, wild", "*.lab.example", "", { { "a.lab.example" } }, false, true },
    { "common name beside mail",
      "a.example",
      "email:x@y.example",
      { { "a.example" } },
      false,
      true },
    { "common name beside DNS", "a.example", "DNS:b.example", { { "a.example" } }, false, false },
    { "common name is no host", "mx.example.org", "", { { NULL } }, false, false },
    { "address", "x", "IP:192.0.2.1", { { "192.0.2.1" } }, false, false },
    { "blank in it", "x", "DNS:x a.lab.example", { { "*.lab.example" } }, false, false },
};

static bool names_are_ok(const struct name_row *row, const struct pki *identity)
{
    struct span text[SETS_MAX][NAMES_MAX];
    struct name_set set[SETS_MAX];
    const struct name_set *sets[SETS_MAX];
    unsigned n = 0;
    for (; n < SETS_MAX && row->set[n][0]; n++) {
        set[n] = (struct name_set){ .id = n + 1, .name = text[n] };
        for (; set[n].n < NAMES_MAX && row->set[n][set[n].n]; set[n].n++)
            text[n][set[n].n] = span_z(row->set[n][set[n].n]);
        sets[n] = &set[n];
    }
    struct tls_server *s =
        server_with((struct tls_server_config){ .ticket_secret = { { 1 } } }, identity);
    struct tls_client *c = client_usual();
    bool ok = false;
    for (int visit = 0; visit < 2; visit++) {
        struct pair p;
        pair_start(&p, s, c,
                   &(struct pair_ask){ .name = SPAN("mx.example.org"),
                                       .reuse_key = SPAN("k"),
                                       .names = sets,
                                       .n_names = n,
                                       .host_name = row->host_name });
        const struct tls_facts *f = tls_facts(p.client);
        CHECK(p.client_err == ERR_OK && f->chain_ok);
        CHECK_NUM(f->resumed, visit);
        CHECK(visit == 0 || f->name_ok == ok);
        ok = f->name_ok;
        pair_done(&p);
    }
    tls_client_unref(c);
    tls_server_unref(s);
    return ok;
}

TEST(t20_expected_names)
{
    for (size_t i = 0; i < COUNTOF(name_rows); i++) {
        const struct name_row *row = &name_rows[i];
        test_case(row->name);
        struct pki *p = pki_new(
            &(struct pki_ask){ .name = row->common, .alt = row->alt, .issuer = tls_world()->ca });
        CHECK_NUM(names_are_ok(row, p), row->name_ok);
        pki_free(p);
    }
}

/* All that a certificate presents counts, not what is kept of it as text; up to a bound. */
TEST(t20_name_behind_many_others)
{
    const int many[] = { 99, 999, 1000 };
    for (size_t i = 0; i < COUNTOF(many); i++) {
        struct buf alt;
        buf_init(&alt, 1 << 16);
        for (int k = 0; k < many[i]; k++)
            buf_putf(&alt, "DNS:host%04d.some.example,", k);
        buf_putf(&alt, "DNS:last.lab.example");
        struct pki *p = pki_new(
            &(struct pki_ask){ .name = "many", .alt = buf_z(&alt), .issuer = tls_world()->ca });
        const struct name_row row = { .set = { { "last.lab.example" }, { "*.some.example" } } };
        CHECK_NUM(names_are_ok(&row, p), many[i] < 1000);
        pki_free(p);
        buf_done(&alt);
    }
}

/* T-15: neither a NUL nor a comma in a common name makes another name of it. */
TEST(t15_common_name_is_escaped)
{
    static const struct name_row row = { .set = { { "a.example" } } };
    struct pki *p =
        pki_new(&(struct pki_ask){ .name = "x,a.example", .alt = "", .issuer = tls_world()->ca });
    CHECK(!names_are_ok(&row, p));
    struct tls_server *s = server_of_partners();
    struct raw r;
    arrive(&r, &(struct arrival){ s, p, TLS1_3_VERSION, NULL, 0 }, NULL);
    CHECK_Z(tls_facts(r.ours)->names, "x\\x2ca.example");
    raw_done(&r);
    tls_server_unref(s);
    pki_free(p);
}

/* Names that cannot be read are no reason to believe the common name. */
TEST(t15_two_lists_of_names_are_none)
{
    const struct tls_world *w = tls_world();
    X509 *cert = X509_dup(pki_x509(w->partner));
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:b.example");
    CHECK(X509_add_ext(cert, ext, -1) == 1 && X509_sign(cert, pki_pkey(w->ca), EVP_sha256()) > 0);
    X509_EXTENSION_free(ext);
    struct tls_server *s = server_of_partners();
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_use_certificate(r.ssl, cert);
    SSL_use_PrivateKey(r.ssl, pki_pkey(w->partner));
    raw_shake(&r);
    CHECK(r.err == ERR_OK && tls_facts(r.ours)->peer_cert);
    CHECK_Z(tls_facts(r.ours)->names, "");
    raw_done(&r);
    X509_free(cert);
    tls_server_unref(s);
    ERR_clear_error();
}

/* --- our certificates --- */

/* Number 1 is ECDSA below an intermediate, number 2 another key's, number 3 RSA. */
static struct tls_client *client_of_three(void)
{
    const struct tls_world *w = tls_world();
    struct tls_identity ours[] = { pki_identity(w->ec), pki_identity(w->partner),
                                   pki_identity(w->rsa) };
    struct tls_client_config config = { .ca_pem = pki_anchor(w->ca),
                                        .identity = ours,
                                        .n_identity = COUNTOF(ours) };
    struct tls_client *c = NULL;
    struct why why = { "" };
    CHECK(tls_client_new(&config, &c, &why) == ERR_OK);
    CHECK_Z(span_z(why.text), "");
    return c;
}

static int take_any(int ok, X509_STORE_CTX *chain)
{
    (void)ok, (void)chain;
    return 1;
}

struct asking {
    int version, mode;      /* SSL_VERIFY_... */
    const char *algorithms; /* that the server takes; NULL: the usual */
    unsigned identity;
};

/* Number of certificates that a server of this kind is shown, and the first of them, or -1 when it
 * ended the handshake. */
static int shown_to(struct tls_client *c, const struct asking *a, const struct pki **ret_first)
{
    const struct tls_world *w = tls_world();
    const struct pki *known[] = { w->ec, w->partner, w->rsa };
    struct raw r;
    raw_server_for(
        &r, c, &(struct tls_peer){ .server_name = SPAN("shop.example"), .identity = a->identity },
        w->shop);
    SSL_set_max_proto_version(r.ssl, a->version);
    SSL_set_verify(r.ssl, a->mode, take_any);
    if (a->algorithms)
        SSL_set1_client_sigalgs_list(r.ssl, a->algorithms);
    raw_shake(&r);
    X509 *first = SSL_get0_peer_certificate(r.ssl);
    *ret_first = NULL;
    for (size_t i = 0; first && i < COUNTOF(known); i++) {
        if (X509_cmp(first, pki_x509(known[i])) == 0)
            *ret_first = known[i];
    }
    int n = r.result != 1 ? -1 : first ? 1 + sk_X509_num(SSL_get_peer_cert_chain(r.ssl)) : 0;
    raw_done(&r);
    ERR_clear_error();
    return n;
}

struct shown_row {
    const char *name;
    unsigned identity;
    int mode;
    const char *algorithms;
    int n; /* leaf and intermediates */
};

/* T-26: only where the server asks and we mean to; each number is shown as itself. */
TEST(t26_certificates_are_shown_on_demand_and_to_their_peer_only)
{
    static const int ask = SSL_VERIFY_PEER;
    static const int demand = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    const struct shown_row rows[] = {
        { "asked for", 1, ask, NULL, 2 },
        { "another, not asked for", 2, SSL_VERIFY_NONE, NULL, 0 },
        { "asked for, not this peer", 0, ask, NULL, 0 },
        { "another", 2, ask, NULL, 1 },
        { "RSA", 3, ask, NULL, 1 },
        { "of a kind it cannot use", 3, ask, "ECDSA+SHA256", 0 },
        { "demanded", 1, demand, NULL, 2 },
        { "demanded, not this peer", 0, demand, NULL, -1 },
        { "asked again, not this peer", 0, ask, NULL, 0 },
    };
    const struct tls_world *w = tls_world();
    const struct pki *known[] = { NULL, w->ec, w->partner, w->rsa };
    struct tls_client *c = client_of_three();
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < COUNTOF(rows); i++) {
            const struct shown_row *row = &rows[i];
            test_case(row->name);
            struct asking a = { version, row->mode, row->algorithms, row->identity };
            const struct pki *first;
            CHECK_NUM(shown_to(c, &a, &first), row->n);
            CHECK(first == (row->n > 0 ? known[row->identity] : NULL));
        }
    }
    tls_client_unref(c);
}

/* Ours shows, ours judges. */
TEST(t26_our_server_knows_our_client)
{
    struct tls_server *s = server_of_partners();
    struct tls_client *c = client_of_three();
    for (unsigned identity = 0; identity <= 2; identity++) {
        struct pair p;
        pair_start(&p, s, c, &(struct pair_ask){ .identity = identity });
        const struct tls_facts *f = tls_facts(p.server);
        CHECK(p.server_err == ERR_OK);
        CHECK_NUM(f->peer_cert, identity > 0);
        CHECK_NUM(f->chain_ok, identity > 0);
        CHECK_Z(f->names, identity == 0   ? ""
                          : identity == 1 ? "mx.example.org"
                                          : "partner.example");
        pair_done(&p);
    }
    tls_client_unref(c);
    tls_server_unref(s);
}

/* Nobody asks when the connection stands already: the extension is not offered. */
TEST(t26_no_authentication_after_the_handshake)
{
    struct tls_client *c = client_of_three();
    struct raw r;
    raw_server_for(&r, c, &(struct tls_peer){ .identity = 1 }, tls_world()->shop);
    raw_shake(&r);
    CHECK(r.err == ERR_OK && r.result == 1);
    SSL_set_verify(r.ssl, SSL_VERIFY_PEER, take_any);
    CHECK_NUM(SSL_verify_client_post_handshake(r.ssl), 0);
    CHECK_NUM(ERR_GET_REASON(ERR_peek_error()), SSL_R_EXTENSION_NOT_RECEIVED);
    CHECK(SSL_get0_peer_certificate(r.ssl) == NULL);
    raw_done(&r);
    ERR_clear_error();
    tls_client_unref(c);
}

TEST(tls_bad_client_identities_are_named)
{
    const struct tls_world *w = tls_world();
    struct pki *weak =
        pki_new(&(struct pki_ask){ .name = "weak", .issuer = w->ca, .key = PKI_RSA_WEAK });
    struct tls_identity good = pki_identity(w->ec);
    const struct {
        struct span chain, key;
        const char *part;
    } rows[] = {
        { SPAN("nothing"), good.key_pem, "no readable certificate" },
        { good.chain_pem, SPAN("nothing"), "no readable private key" },
        { good.chain_pem, pki_key(w->partner), "not that of the first certificate" },
        { pki_chain(weak), pki_key(weak), "key too small" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].part);
        struct tls_identity two[] = { good, { SPAN("second.pem"), rows[i].chain, rows[i].key } };
        struct tls_client_config config = { .ca_pem = pki_anchor(w->ca),
                                            .identity = two,
                                            .n_identity = 2 };
        struct tls_client *c = NULL;
        struct why why = { "" };
        CHECK(tls_client_new(&config, &c, &why) == ERR_SYNTAX);
        CHECK(c == NULL && span_starts(span_z(why.text), SPAN("second.pem: ")));
        CHECK(has(span_z(why.text), rows[i].part));
    }
    pki_free(weak);
}

/* --- digests --- */

TEST(tls_digests_of_a_file)
{
    const struct tls_world *w = tls_world();
    struct buf pem, text, want;
    buf_init(&pem, 1 << 16);
    buf_init(&text, 130);
    buf_init(&want, 130);
    buf_put(&pem, SPAN("a comment\n"));
    buf_put(&pem, pki_anchor(w->ca));
    buf_put(&pem, SPAN("another\n"));
    buf_put(&pem, pki_anchor(w->other_ca));
    buf_putf(&want, "%s\n", anchor_of(w->ca));
    buf_putf(&want, "%s\n", anchor_of(w->other_ca));
    CHECK(tls_pem_digests(buf_span(&pem), &text, NULL) == ERR_OK);
    CHECK_SPAN(buf_span(&text), buf_span(&want));
    CHECK(tls_pem_digests(buf_span(&pem), &text, NULL) == ERR_TOO_BIG);

    struct why why = { "" };
    buf_clear(&text);
    CHECK(tls_pem_digests(SPAN(""), &text, &why) == ERR_SYNTAX);
    CHECK(why.text[0] != '\0');
    buf_put(&pem, SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    CHECK(tls_pem_digests(buf_span(&pem), &text, &why) == ERR_SYNTAX);
    CHECK_NUM(text.n, 0);
    buf_done(&pem);
    buf_done(&text);
    buf_done(&want);
}

TEST(r24_a_file_without_a_chain_is_not_judged)
{
    const struct tls_world *w = tls_world();
    struct tls_server *s = server_of_partners();
    struct arena a;
    static const char *const rows[] = { "", "rubbish",
                                        ("-----BEGIN CERTIFICATE-----\nAAAA\n"
                                         "-----END CERTIFICATE-----\n") };
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tls_facts f = { .bits = 7 };
        struct tls_use look = { .until_ms = 7 };
        struct why why = { "" };
        test_case(rows[i]);
        CHECK_NUM(tls_judge_client(s, span_z(rows[i]), 1, &a, &f, &why), ERR_SYNTAX);
        CHECK(strlen(why.text) > 0);
        CHECK_NUM(f.bits, 7);
        CHECK_NUM(tls_pem_use(span_z(rows[i]), &look, &why), ERR_SYNTAX);
        CHECK_NUM(look.until_ms, 7);
    }
    test_case(NULL);
    CHECK_NUM(tls_judge_client(s, pki_key(w->ec), 1, &a, &(struct tls_facts){ .bits = 0 }, NULL),
              ERR_SYNTAX);
    arena_done(&a);
    tls_server_unref(s);
}

TEST(tls_look_at_a_chain_of_ours)
{
    enum { DAY = 24 * 60 * 60 * 1000 };
    struct pki *ca = pki_new(&(struct pki_ask){ .name = "CA", .ca = true });
    struct pki *below = pki_new(&(struct pki_ask){
        .name = "Below", .ca = true, .issuer = ca, .from_days = -1, .to_days = 3 });
    struct pki *leaf = pki_new(&(struct pki_ask){ .name = "a.example",
                                                  .issuer = below,
                                                  .usage = "serverAuth",
                                                  .from_days = -1,
                                                  .to_days = 9 });
    struct pki *any = pki_new(&(struct pki_ask){ .name = "b.example", .issuer = ca, .usage = "" });
    struct tls_use look;
    CHECK_NUM(tls_pem_use(pki_chain(leaf), &look, NULL), ERR_OK);
    CHECK(!look.client_usage);
    int64_t left_ms = look.until_ms - wall_ms_now(); /* the intermediate's */
    CHECK(left_ms > 2 * (int64_t)DAY && left_ms < 4 * (int64_t)DAY);
    CHECK_NUM(tls_pem_use(pki_chain(any), &look, NULL), ERR_OK);
    CHECK(look.client_usage);
    pki_free(any);
    pki_free(leaf);
    pki_free(below);
    pki_free(ca);
}
