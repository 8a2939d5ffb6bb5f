/* Handshakes, what they show, and what hostile peers do. Tickets: test_tls_resume.c. */
#include "test/test.h"
#include "test/unit/io/tls_pair.h"
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* --- the usual --- */

TEST(tls_usual_handshake_and_its_facts)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ .name = SPAN("mx.example.org") });
    CHECK_Z(span_z(p.client_why.text), "");
    CHECK(p.server_err == ERR_OK && p.client_err == ERR_OK);
    const struct tls_facts *f = tls_facts(p.client);
    CHECK(f->on && f->forward_secret && f->peer_cert && f->chain_ok && f->name_ok && !f->resumed);
    CHECK_Z(f->version, "TLSv1.3");
    CHECK_Z(f->suite, "TLS_AES_256_GCM_SHA384");
    CHECK_NUM(f->bits, 256);
    CHECK(f->group.n > 0);
    CHECK_Z(f->names, "mx.example.org");
    CHECK_Z(f->issuer, "CN=Test Issuer");
    CHECK_Z(f->verify, "ok");
    CHECK_NUM(f->spki.n, 64);
    f = tls_facts(p.server);
    CHECK(f->on && f->forward_secret && !f->peer_cert && !f->chain_ok && !f->name_ok);
    CHECK_Z(f->sni, "mx.example.org");
    CHECK_NUM(f->names.n, 0);
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_spki_is_the_digest_that_tlsa_uses)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ .name = SPAN("shop.example") });
    unsigned char *der = NULL, digest[32];
    int n = i2d_PUBKEY(pki_pkey(tls_world()->shop), &der);
    SHA256(der, (size_t)n, digest);
    OPENSSL_free(der);
    char hex[65];
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    CHECK_Z(tls_facts(p.client)->spki, hex);
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}

struct trust_row {
    const char *name;
    struct pki *const *identity;
    const char *asked;
    bool chain_ok, name_ok;
    const char *verify; /* a part of it */
};

/* T-20: the handshake stands whatever the chain is; the facts say what it was. */
TEST(t20_chain_and_name_are_recorded_and_not_fatal)
{
    const struct tls_world *w = tls_world();
    const struct trust_row rows[] = {
        { "good", &w->ec, "mx.example.org", true, true, "ok" },
        { "case", &w->ec, "MX.Example.ORG", true, true, "ok" },
        { "other name", &w->ec, "mx.example.net", true, false, "ok" },
        { "wildcard", &w->wild, "a.wild.example", true, true, "ok" },
        { "wildcard, two labels", &w->wild, "b.a.wild.example", true, false, "ok" },
        { "wildcard, none", &w->wild, "wild.example", true, false, "ok" },
        { "expired", &w->expired, "mx.example.org", false, true, "expired" },
        { "unknown root", &w->stranger, "mx.example.org", false, true, "issuer" },
        { "no name asked", &w->ec, "", true, false, "ok" },
    };
    struct tls_client *c = client_usual();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const struct trust_row *row = &rows[i];
        test_case(row->name);
        struct tls_server *s = server_with((struct tls_server_config){ 0 }, *row->identity);
        struct pair p;
        pair_start(&p, s, c, &(struct pair_ask){ .name = span_z(row->asked) });
        CHECK(p.client_err == ERR_OK && p.server_err == ERR_OK);
        const struct tls_facts *f = tls_facts(p.client);
        CHECK_NUM(f->chain_ok, row->chain_ok);
        CHECK_NUM(f->name_ok, row->name_ok);
        char verify[200] = "";
        memcpy(verify, f->verify.p, f->verify.n);
        CHECK(has(verify, row->verify));
        pair_done(&p);
        tls_server_unref(s);
    }
    tls_client_unref(c);
}

/* It is recorded, but nothing is decided by it. */
TEST(t20_common_name_alone_is_no_host_name)
{
    const struct tls_world *w = tls_world();
    struct pki *cn = pki_new(&(struct pki_ask){
        .name = "mx.example.org", .alt = "email:a@example.org", .issuer = w->ca });
    struct tls_server *s = server_with((struct tls_server_config){ 0 }, cn);
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ .name = SPAN("mx.example.org") });
    CHECK(tls_facts(p.client)->chain_ok && !tls_facts(p.client)->name_ok);
    CHECK_Z(tls_facts(p.client)->names, "mx.example.org");
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
    pki_free(cn);
}

/* T-15: what stands in a certificate cannot forge a second name. */
TEST(t15_names_are_escaped_and_bounded)
{
    const struct tls_world *w = tls_world();
    char alt[4000] = "DNS:A.example,DNS:x\ny\\,z\"";
    size_t n = strlen(alt);
    for (int i = 0; i < 80; i++)
        n += (size_t)snprintf(alt + n, sizeof alt - n, ",DNS:host%02d.some.example", i);
    struct pki *many =
        pki_new(&(struct pki_ask){ .name = "many",
                                   .alt = "DNS:A.example,DNS:x y,IP:192.0.2.1,DNS:b.example",
                                   .issuer = w->ca });
    struct tls_server *s = server_with((struct tls_server_config){ 0 }, many);
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    CHECK_Z(tls_facts(p.client)->names, "a.example,x\\x20y,b.example");
    pair_done(&p);
    tls_server_unref(s);
    pki_free(many);

    struct span first_few = span_z(strchr(alt + 24, ',') + 1);
    many = pki_new(&(struct pki_ask){ .name = "many", .alt = first_few.p, .issuer = w->ca });
    s = server_with((struct tls_server_config){ 0 }, many);
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    struct span names = tls_facts(p.client)->names;
    CHECK(names.n > 1000 && names.n <= TLS_FACTS_NAMES_MAX);
    CHECK(span_ends_nocase(names, SPAN(".some.example"))); /* whole names only */
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
    pki_free(many);
}

/* --- versions and suites --- */

TEST(r13_client_of_tls_1_1_is_refused_with_protocol_version)
{
    struct tls_server *s = server_usual();
    const struct {
        int version;
        const char *name;
    } rows[] = { { TLS1_VERSION, "TLS 1.0" }, { TLS1_1_VERSION, "TLS 1.1" } };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct raw r;
        raw_client(&r, s, SPAN("25"));
        SSL_set_max_proto_version(r.ssl, rows[i].version);
        SSL_set_cipher_list(r.ssl, "ALL:@SECLEVEL=0");
        raw_shake(&r);
        CHECK(r.err == ERR_REFUSED && r.result != 1);
        CHECK(has(r.why.text, "client offered no version we accept"));
        CHECK(has(r.why.text, rows[i].name));
        CHECK(has(r.why.text, "sent alert: protocol version"));
        CHECK_NUM(r.reason, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
        raw_done(&r);
    }
    ERR_clear_error();
    tls_server_unref(s);
}

TEST(r13_server_of_tls_1_1_is_refused)
{
    struct tls_client *c = client_usual();
    struct raw r;
    raw_server(&r, c, tls_world()->rsa);
    SSL_set_max_proto_version(r.ssl, TLS1_1_VERSION);
    SSL_set_cipher_list(r.ssl, "ALL:@SECLEVEL=0");
    raw_shake(&r);
    CHECK(r.err == ERR_REFUSED && r.result != 1);
    CHECK(has(r.why.text, "protocol version"));
    raw_done(&r);
    ERR_clear_error();
    tls_client_unref(c);
}

static const char *const suites_default[] = {
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
};
static const char *const suites_legacy[] = {
    "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA",    "AES256-GCM-SHA384",       "AES128-GCM-SHA256",
};

/* What our server takes from a TLS 1.2 client with this list; "" for nothing. */
static const char *chosen(struct tls_server *s, const char *list, bool *ret_forward_secret)
{
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_set_max_proto_version(r.ssl, TLS1_2_VERSION);
    CHECK(SSL_set_cipher_list(r.ssl, list) == 1);
    raw_shake(&r);
    const char *name = r.err == ERR_OK ? SSL_get_cipher_name(r.ssl) : "";
    *ret_forward_secret = r.err == ERR_OK && tls_facts(r.ours)->forward_secret;
    raw_done(&r);
    ERR_clear_error();
    return name;
}

static struct tls_server *server_of_profile(enum tls_profile profile)
{
    const struct tls_world *w = tls_world();
    struct tls_identity both[2] = { pki_identity(w->ec), pki_identity(w->rsa) };
    struct tls_site site = { SPAN(""), both, 2 };
    struct tls_server_config config = { .profile = profile, .site = &site, .n_site = 1 };
    struct tls_server *s = NULL;
    CHECK(tls_server_new(&config, &s, NULL) == ERR_OK);
    return s;
}

/* R19: with a peer that has only suite k of the list, suite k is negotiated. */
TEST(r19_each_suite_alone)
{
    struct tls_server *usual = server_of_profile(TLS_PROFILE_DEFAULT);
    struct tls_server *legacy = server_of_profile(TLS_PROFILE_LEGACY);
    bool fs;
    for (size_t i = 0; i < COUNTOF(suites_default); i++) {
        test_case(suites_default[i]);
        CHECK_Z(span_z(chosen(usual, suites_default[i], &fs)), suites_default[i]);
        CHECK(fs);
        CHECK_Z(span_z(chosen(legacy, suites_default[i], &fs)), suites_default[i]);
    }
    for (size_t i = 0; i < COUNTOF(suites_legacy); i++) {
        test_case(suites_legacy[i]);
        CHECK_Z(span_z(chosen(usual, suites_legacy[i], &fs)), "");
        CHECK_Z(span_z(chosen(legacy, suites_legacy[i], &fs)), suites_legacy[i]);
        CHECK_NUM(fs, i < 4); /* the last two have no (EC)DHE */
    }
    CHECK_Z(span_z(chosen(legacy, "AES256-SHA:DHE-RSA-AES256-GCM-SHA384", &fs)), "");
    tls_server_unref(usual);
    tls_server_unref(legacy);
}

/* R19: ours is the order, whatever the client prefers. */
TEST(r19_server_order_decides)
{
    struct tls_server *s = server_of_profile(TLS_PROFILE_LEGACY);
    const char *all[COUNTOF(suites_default) + COUNTOF(suites_legacy)];
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(suites_default); i++)
        all[n++] = suites_default[i];
    for (size_t i = 0; i < COUNTOF(suites_legacy); i++)
        all[n++] = suites_legacy[i];
    bool fs;
    for (size_t best = 0; best < n; best++) {
        struct buf list; /* the worst first, down to `best` */
        buf_init(&list, 1000);
        for (size_t i = n; i-- > best;)
            buf_putf(&list, "%s%s", list.n ? ":" : "", all[i]);
        test_case(all[best]);
        CHECK_Z(span_z(chosen(s, buf_z(&list), &fs)), all[best]);
        buf_done(&list);
    }
    tls_server_unref(s);
}

TEST(r19_tls_1_3_order)
{
    struct tls_server *s = server_usual();
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_set_ciphersuites(r.ssl, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256");
    raw_shake(&r);
    CHECK(r.err == ERR_OK && r.result == 1);
    CHECK_Z(tls_facts(r.ours)->suite, "TLS_AES_128_GCM_SHA256");
    raw_done(&r);
    tls_server_unref(s);
}

TEST(tls_groups)
{
    struct tls_server *s = server_usual();
    const struct {
        const char *list, *name;
    } rows[] = { { "X25519", "X25519" },
                 { "P-256", "P-256" },
                 { "P-384", "P-384" },
                 { "P-384:P-256:X25519", "X25519" } };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct raw r;
        raw_client(&r, s, SPAN("25"));
        test_case(rows[i].list);
        SSL_set1_groups_list(r.ssl, rows[i].list);
        raw_shake(&r); /* the last row takes a retry request when ours is the order */
        CHECK(r.err == ERR_OK && r.result == 1);
        if (i < 3)
            CHECK_Z(tls_facts(r.ours)->group, rows[i].name);
        raw_done(&r);
    }
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_set1_groups_list(r.ssl, "P-521");
    raw_shake(&r);
    CHECK(r.err == ERR_REFUSED && has(r.why.text, "sent alert: handshake failure"));
    raw_done(&r);
    ERR_clear_error();
    tls_server_unref(s);
}

/* --- names and identities --- */

struct sni_row {
    const char *asked, *common_name, *recorded;
};

/* T-25: what is no name we know is answered by the default site. */
TEST(t25_sni_chooses_the_site)
{
    static const struct sni_row rows[] = {
        { "mx.example.org", "mx.example.org", "mx.example.org" },
        { "shop.example", "shop.example", "shop.example" },
        { "SHOP.Example", "shop.example", "shop.example" },
        { "a.wild.example", "*.wild.example", "a.wild.example" },
        { "b.a.wild.example", "mx.example.org", "b.a.wild.example" },
        { "wild.example", "mx.example.org", "wild.example" },
        { "nobody.example", "mx.example.org", "nobody.example" },
        { NULL, "mx.example.org", "" },
        { "192.0.2.1", "mx.example.org", "" },
        { "evil name\n.example", "mx.example.org", "" },
    };
    struct tls_server *s = server_usual();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].asked);
        struct raw r;
        raw_client(&r, s, SPAN("25"));
        if (rows[i].asked)
            SSL_set_tlsext_host_name(r.ssl, rows[i].asked);
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        char name[100] = "";
        X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(r.ssl)),
                                  NID_commonName, name, sizeof name);
        CHECK_Z(span_z(name), rows[i].common_name);
        CHECK_Z(tls_facts(r.ours)->sni, rows[i].recorded);
        raw_done(&r);
    }
    tls_server_unref(s);
}

TEST(tls_ecdsa_and_rsa_side_by_side)
{
    struct tls_server *s = server_usual();
    const struct {
        const char *algorithms;
        int type;
    } rows[] = { { "RSA-PSS+SHA256", EVP_PKEY_RSA }, { "ECDSA+SHA256", EVP_PKEY_EC } };
    for (size_t i = 0; i < 2; i++) {
        struct raw r;
        raw_client(&r, s, SPAN("25"));
        SSL_set1_sigalgs_list(r.ssl, rows[i].algorithms);
        raw_shake(&r);
        CHECK(r.err == ERR_OK && r.result == 1);
        EVP_PKEY *key = X509_get0_pubkey(SSL_get0_peer_certificate(r.ssl));
        CHECK_NUM(EVP_PKEY_get_base_id(key), rows[i].type);
        CHECK_NUM(sk_X509_num(SSL_get_peer_cert_chain(r.ssl)), i == 0 ? 1 : 2);
        raw_done(&r);
    }
    tls_server_unref(s);
}

TEST(tls_client_certificates_are_asked_for_and_never_demanded)
{
    const struct tls_world *w = tls_world();
    const struct {
        const char *name;
        const struct pki *identity;
        bool ask, peer_cert, chain_ok;
    } rows[] = { { "known", w->partner, true, true, true },
                 { "unknown", w->stranger, true, true, false },
                 { "none", NULL, true, false, false },
                 { "not asked for", w->partner, false, false, false } };
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < COUNTOF(rows); i++) {
            test_case(rows[i].name);
            struct tls_server_config config = { .ask_client_cert = rows[i].ask };
            struct tls_server *s = server_with(config, w->ec);
            struct raw r;
            raw_client(&r, s, SPAN("25"));
            SSL_set_max_proto_version(r.ssl, version);
            if (rows[i].identity) {
                SSL_use_certificate(r.ssl, pki_x509(rows[i].identity));
                SSL_use_PrivateKey(r.ssl, pki_pkey(rows[i].identity));
            }
            raw_shake(&r);
            CHECK(r.err == ERR_OK && r.result == 1);
            const struct tls_facts *f = tls_facts(r.ours);
            CHECK_NUM(f->peer_cert, rows[i].peer_cert);
            CHECK_NUM(f->chain_ok, rows[i].chain_ok);
            CHECK(!f->name_ok);
            if (rows[i].identity == w->partner && rows[i].ask)
                CHECK_Z(f->names, "partner.example");
            raw_done(&r);
            tls_server_unref(s);
        }
    }
}

static void refuse_identity(struct tls_identity id, const char *part)
{
    struct tls_site site = { SPAN(""), &id, 1 };
    struct tls_server_config config = { .site = &site, .n_site = 1 };
    struct tls_server *s = NULL;
    struct why why = { "" };
    CHECK(tls_server_new(&config, &s, &why) == ERR_SYNTAX);
    CHECK(s == NULL);
    CHECK(span_starts(span_z(why.text), SPAN("test.pem: ")));
    CHECK(has(why.text, part));
}

TEST(tls_bad_identities_are_named)
{
    const struct tls_world *w = tls_world();
    struct tls_identity good = pki_identity(w->ec), bad = good;
    bad.chain_pem = SPAN("no certificate");
    refuse_identity(bad, "no readable certificate");
    bad = good;
    bad.key_pem = SPAN("");
    refuse_identity(bad, "no readable private key");
    bad.key_pem = pki_key(w->partner);
    refuse_identity(bad, "not that of the first certificate");
    bad.key_pem = pki_key(w->rsa);
    refuse_identity(bad, "not that of the first certificate");
    struct pki *weak =
        pki_new(&(struct pki_ask){ .name = "weak", .issuer = w->ca, .key = PKI_RSA_WEAK });
    refuse_identity(pki_identity(weak), "key too small");
    pki_free(weak);

    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, pki_pkey(w->ec), EVP_aes_128_cbc(), (const unsigned char *)"x", 1,
                             NULL, NULL);
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    bad.key_pem = span_of(p, (size_t)n);
    refuse_identity(bad, "without a pass phrase");
    BIO_free(bio);

    struct buf broken; /* a good certificate, then a broken one */
    buf_init(&broken, 1 << 16);
    buf_put(&broken, pki_anchor(w->shop));
    buf_put(&broken, SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    bad = pki_identity(w->shop);
    bad.chain_pem = buf_span(&broken);
    refuse_identity(bad, "intermediate");
    buf_done(&broken);
}

TEST(tls_bad_settings_are_refused)
{
    const struct tls_world *w = tls_world();
    struct tls_client_config client = { .ca_pem = SPAN("nothing") };
    struct tls_client *c = NULL;
    struct why why = { "" };
    CHECK(tls_client_new(&client, &c, &why) == ERR_SYNTAX);
    CHECK(has(why.text, "trust anchors"));
    struct tls_identity twice[2] = { pki_identity(w->ec), pki_identity(w->shop) };
    struct tls_site site = { SPAN("a.example"), twice, 2 };
    struct tls_server_config config = { .site = &site, .n_site = 1 };
    struct tls_server *s = NULL;
    CHECK(tls_server_new(&config, &s, &why) == ERR_SYNTAX);
    CHECK(has(why.text, "same type of key"));
    site.n_identity = 0;
    CHECK(tls_server_new(&config, &s, &why) == ERR_SYNTAX);
    CHECK(has(why.text, "no certificate for \"a.example\""));
    config.n_site = 0;
    CHECK(tls_server_new(&config, &s, &why) == ERR_SYNTAX);
    struct tls_client_config system = { 0 }; /* the system's store, there or not */
    CHECK(tls_client_new(&system, &c, &why) == ERR_OK);
    tls_client_unref(c);
}

struct alpn_row {
    const char *name, *offer;
    unsigned n;
    bool implicit_ok; /* whether the implicit door takes it; STARTTLS takes all */
    bool answered;    /* "smtp" is chosen */
};

/* T-50: without "smtp" an offer is refused at the implicit door; after STARTTLS it is passed over,
 * on a server that has the other door, too. */
TEST(t50_alpn_is_judged_by_the_door)
{
    static const struct alpn_row rows[] = {
        { "none", "", 0, true, false },
        { "smtp", "\4smtp", 5, true, true },
        { "two", "\2h2\4smtp", 8, true, true },
        { "http", "\10http/1.1", 9, false, false },
        { "h2 and http", "\2h2\10http/1.1", 12, false, false },
        { "longer", "\5smtps\3smt\10xsmtpsmt", 19, false, false },
    };
    struct tls_server *s = server_with((struct tls_server_config){ 0 }, tls_world()->ec);
    for (size_t i = 0; i < 2 * COUNTOF(rows); i++) {
        const struct alpn_row *row = &rows[i / 2];
        bool implicit = i % 2;
        test_case(row->name);
        struct raw r;
        raw_client_at(&r, s, implicit ? TLS_DOOR_IMPLICIT : TLS_DOOR_STARTTLS, SPAN("1"));
        if (row->n)
            SSL_set_alpn_protos(r.ssl, (const unsigned char *)row->offer, row->n);
        raw_shake(&r);
        bool ok = row->implicit_ok || !implicit;
        CHECK_NUM(r.err, ok ? ERR_OK : ERR_REFUSED);
        if (!ok)
            CHECK(has(r.why.text, "no application protocol"));
        const unsigned char *chosen = NULL;
        unsigned n = 0;
        SSL_get0_alpn_selected(r.ssl, &chosen, &n);
        CHECK_SPAN(span_of((const char *)chosen, n), row->answered ? SPAN("smtp") : SPAN(""));
        raw_done(&r);
    }
    ERR_clear_error();
    tls_server_unref(s);
}

/* --- bytes --- */

static void fill(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251);
}

TEST(tls_carries_bytes_of_every_size)
{
    static char text[300000];
    static const size_t sizes[] = { 0, 1, 100, 16383, 16384, 16385, 70000, 300000 };
    fill(text, sizeof text);
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    struct buf got;
    buf_init(&got, sizeof text);
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        struct span plain = span_of(text, sizes[i]);
        CHECK(tls_write(p.client, plain, &p.to_server) == ERR_OK);
        CHECK(pair_server_reads(&p, &got) == ERR_AGAIN);
        CHECK_SPAN(buf_span(&got), plain);
        CHECK_NUM(p.to_server.n, 0);
        buf_clear(&got);
        CHECK(tls_write(p.server, plain, &p.to_client) == ERR_OK);
        CHECK(pair_client_reads(&p, &got) == ERR_AGAIN);
        CHECK_SPAN(buf_span(&got), plain);
        buf_clear(&got);
    }
    buf_done(&got);
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_write_without_room_writes_nothing)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    struct buf small, got;
    buf_init(&small, 1000);
    buf_init(&got, 1000);
    char text[1000] = "";
    CHECK(tls_write(p.client, span_of(text, sizeof text), &small) == ERR_TOO_BIG);
    CHECK_NUM(small.n, 0);
    CHECK(tls_write(p.client, SPAN("hello"), &small) == ERR_OK);
    struct span in = buf_span(&small);
    size_t n = 0;
    CHECK(tls_read(p.server, &in, &p.to_client, text, sizeof text, &n) == ERR_OK);
    CHECK_SPAN(span_of(text, n), SPAN("hello"));
    buf_done(&small);
    buf_done(&got);
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}

/* Handshake and data do not depend on where the stream was cut. */
TEST(tls_cut_at_every_byte)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    static const size_t cuts[] = { 1, 2, 3, 5, 100, 1000 };
    for (size_t i = 0; i < COUNTOF(cuts); i++) {
        struct pair p;
        pair_start(&p, s, c, &(struct pair_ask){ .name = SPAN("shop.example"), .cut = cuts[i] });
        CHECK(p.server_err == ERR_OK && p.client_err == ERR_OK);
        CHECK(tls_write(p.client, SPAN("EHLO me\r\n"), &p.to_server) == ERR_OK);
        struct span all = buf_span(&p.to_server);
        char text[100];
        size_t n = 0;
        for (size_t j = 0; j + 1 < all.n; j++) { /* byte by byte: nothing before the last */
            struct span in = span_of(all.p + j, 1);
            CHECK(tls_read(p.server, &in, &p.to_client, text, sizeof text, &n) == ERR_AGAIN);
            CHECK_NUM(in.n, 0);
        }
        struct span in = span_of(all.p + all.n - 1, 1);
        CHECK(tls_read(p.server, &in, &p.to_client, text, sizeof text, &n) == ERR_OK);
        CHECK_SPAN(span_of(text, n), SPAN("EHLO me\r\n"));
        pair_done(&p);
    }
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_handshake_that_is_cut_off_ends_nowhere)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct buf hello, out;
    buf_init(&hello, 1 << 16);
    buf_init(&out, 1 << 16);
    struct tls *t =
        tls_connect(c, &(struct tls_peer){ .server_name = SPAN("shop.example") }, test_now_ms());
    struct span in = SPAN_NONE;
    CHECK(tls_handshake(t, &in, &hello, NULL) == ERR_AGAIN);
    for (size_t n = 0; n <= hello.n; n += 7) {
        struct tls *half = tls_accept(s, TLS_DOOR_STARTTLS, SPAN("25"), test_now_ms());
        in = span_head(buf_span(&hello), n);
        CHECK(tls_handshake(half, &in, &out, NULL) == ERR_AGAIN);
        CHECK_NUM(in.n, 0);
        tls_free(half);
    }
    tls_free(t);
    buf_done(&hello);
    buf_done(&out);
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_garbage_is_refused)
{
    static const char *const garbage[] = {
        "EHLO me.example\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\x16\x03\x01\xff\xff----",
        "\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff",
        "\x80\x2e\x01\x03\x01------------",
        "\x15\x03\x01\x00\x02\x02\x28",
    };
    struct tls_server *s = server_usual();
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < COUNTOF(garbage); i++) {
        struct tls *t = tls_accept(s, TLS_DOOR_STARTTLS, SPAN("25"), test_now_ms());
        char padded[200] = "";
        memcpy(padded, garbage[i], i == 3 ? 10 : strlen(garbage[i]));
        struct span in = span_of(padded, sizeof padded);
        struct why why = { "" };
        CHECK(tls_handshake(t, &in, &out, &why) == ERR_REFUSED);
        CHECK(why.text[0] != '\0');
        in = span_of(padded, sizeof padded);
        CHECK(tls_handshake(t, &in, &out, &why) == ERR_REFUSED); /* for good */
        tls_free(t);
    }
    buf_done(&out);
    tls_server_unref(s);
}

TEST(tls_peer_alert_is_named)
{
    struct tls_server *s = server_usual();
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    SSL_set_verify(r.ssl, SSL_VERIFY_PEER, NULL); /* and it knows no authority */
    raw_shake(&r);
    CHECK(r.err == ERR_REFUSED);
    CHECK_Z(span_z(r.why.text), "peer sent alert: unknown CA");
    raw_done(&r);
    ERR_clear_error();
    tls_server_unref(s);
}

/* --- ends --- */

TEST(t06_close_notify_ends_the_stream_for_good)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    struct buf got;
    buf_init(&got, 100);
    CHECK(tls_write(p.client, SPAN("half a bo"), &p.to_server) == ERR_OK);
    tls_close(p.client, &p.to_server);
    buf_put(&p.to_server, SPAN("QUIT\r\n")); /* in clear, behind the end */
    CHECK(pair_server_reads(&p, &got) == ERR_CLOSED);
    CHECK_SPAN(buf_span(&got), SPAN("half a bo"));
    CHECK(pair_server_reads(&p, &got) == ERR_CLOSED);
    CHECK_SPAN(buf_span(&got), SPAN("half a bo"));
    CHECK(tls_write(p.server, SPAN("221\r\n"), &p.to_client) == ERR_OK); /* the other way is open */
    buf_done(&got);
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(tls_forged_record_breaks_the_stream)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct pair p;
    pair_start(&p, s, c, &(struct pair_ask){ 0 });
    CHECK(tls_write(p.client, SPAN("hello"), &p.to_server) == ERR_OK);
    p.to_server.p[p.to_server.head + p.to_server.n - 1] ^= 1;
    CHECK(pair_server_reads(&p, NULL) == ERR_IO);
    CHECK(p.to_client.n > 0); /* an alert */
    CHECK(pair_server_reads(&p, NULL) == ERR_IO);
    CHECK(tls_write(p.server, SPAN("x"), &p.to_client) == ERR_IO);
    pair_done(&p);
    tls_client_unref(c);
    tls_server_unref(s);
}

/* --- floods --- */

static void raw_up(struct raw *r, struct tls_server *s, int version)
{
    raw_client(r, s, SPAN("25"));
    SSL_set_max_proto_version(r->ssl, version);
    raw_shake(r);
    CHECK(r->err == ERR_OK && r->result == 1);
}

TEST(t05_renegotiation_is_refused_and_bounded)
{
    struct tls_server *s = server_usual();
    struct raw r;
    raw_up(&r, s, TLS1_2_VERSION);
    struct buf got;
    buf_init(&got, 100);
    SSL_renegotiate(r.ssl);
    SSL_do_handshake(r.ssl);
    CHECK(raw_ours_reads(&r, &got) == ERR_AGAIN);
    CHECK(SSL_do_handshake(r.ssl) != 1);
    CHECK_NUM(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    raw_done(&r);
    ERR_clear_error();
    buf_done(&got);
    tls_server_unref(s);
}

TEST(t05_key_update_flood)
{
    struct tls_server *s = server_usual();
    for (int with_data = 0; with_data < 2; with_data++) {
        struct raw r;
        raw_up(&r, s, TLS1_3_VERSION);
        struct buf got;
        buf_init(&got, 1000);
        enum err e = ERR_AGAIN;
        int n;
        for (n = 0; n < 200 && e == ERR_AGAIN; n++) {
            CHECK(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
            CHECK(SSL_do_handshake(r.ssl) == 1);
            if (with_data)
                CHECK(SSL_write(r.ssl, "x", 1) == 1);
            e = raw_ours_reads(&r, &got);
            SSL_read(r.ssl, &(char){ 0 }, 1);
        }
        CHECK(e == ERR_IO);
        CHECK(n > 8 && n < 40); /* a few are fine */
        raw_done(&r);
        buf_done(&got);
    }
    ERR_clear_error();
    tls_server_unref(s);
}

/* Empty TLS 1.3 records, which no library makes: encrypted here with the client's own key. */
struct forge {
    uint8_t secret[48], key[32], iv[12];
    uint64_t sequence;
};

static struct forge forge;

static void note_secret(const SSL *ssl, const char *line)
{
    (void)ssl;
    if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) != 0)
        return;
    const char *hex = strrchr(line, ' ') + 1;
    long n = 0;
    unsigned char *secret = OPENSSL_hexstr2buf(hex, &n);
    CHECK_NUM(n, sizeof forge.secret);
    memcpy(forge.secret, secret, sizeof forge.secret);
    OPENSSL_free(secret);
}

static void forge_expand(const char *label, uint8_t *ret, size_t n)
{
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int("mode", &mode),
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA384", 0),
        OSSL_PARAM_construct_octet_string("key", forge.secret, sizeof forge.secret),
        OSSL_PARAM_construct_octet_string("prefix", (void *)"tls13 ", 6),
        OSSL_PARAM_construct_octet_string("label", (void *)label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    CHECK(EVP_KDF_derive(ctx, ret, n, params) == 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* One record with `text` and the type of application data, as the client's next. */
static struct span forge_record(struct span text)
{
    static uint8_t record[300];
    uint8_t inner[200], nonce[12];
    memcpy(inner, text.p, text.n);
    inner[text.n] = SSL3_RT_APPLICATION_DATA;
    size_t n = text.n + 1 + 16;
    memcpy(record, "\x17\x03\x03\0", 4);
    record[4] = (uint8_t)n;
    memcpy(nonce, forge.iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(forge.sequence >> 8 * i);
    forge.sequence++;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int got = 0;
    CHECK(EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), forge.key, nonce, NULL) == 1);
    CHECK(EVP_EncryptUpdate(ctx, NULL, &got, record, 5) == 1);
    CHECK(EVP_EncryptUpdate(ctx, record + 5, &got, inner, (int)text.n + 1) == 1);
    CHECK(EVP_EncryptFinal_ex(ctx, record + 5 + got, &got) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + 5 + text.n + 1) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return span_of((const char *)record, 5 + n);
}

TEST(t07_empty_record_flood)
{
    struct tls_server *s = server_usual();
    struct raw r;
    raw_client(&r, s, SPAN("25"));
    forge = (struct forge){ 0 };
    SSL_CTX_set_keylog_callback(r.ctx, note_secret);
    raw_shake(&r);
    CHECK(r.err == ERR_OK && r.result == 1);
    forge_expand("key", forge.key, sizeof forge.key);
    forge_expand("iv", forge.iv, sizeof forge.iv);

    struct buf out;
    buf_init(&out, 1000);
    char text[100];
    size_t n = 0;
    struct span in = forge_record(SPAN("hello"));
    CHECK(tls_read(r.ours, &in, &out, text, sizeof text, &n) == ERR_OK);
    CHECK_SPAN(span_of(text, n), SPAN("hello"));
    enum err e = ERR_AGAIN;
    int count;
    for (count = 0; count < 200 && e == ERR_AGAIN; count++) {
        in = forge_record(SPAN(""));
        e = tls_read(r.ours, &in, &out, text, sizeof text, &n);
    }
    CHECK(e == ERR_IO);
    CHECK(count > 8 && count < 40);
    raw_done(&r);
    ERR_clear_error();
    buf_done(&out);
    tls_server_unref(s);
}

TEST(t07_one_byte_records_are_slow_and_harmless)
{
    struct tls_server *s = server_usual();
    struct raw r;
    raw_up(&r, s, TLS1_3_VERSION);
    struct buf got;
    buf_init(&got, 5000);
    for (int i = 0; i < 3000; i++)
        CHECK(SSL_write(r.ssl, "x", 1) == 1);
    CHECK(raw_ours_reads(&r, &got) == ERR_AGAIN);
    CHECK_NUM(got.n, 3000);
    raw_done(&r);
    buf_done(&got);
    tls_server_unref(s);
}

/* A handshake without end: change_cipher_spec records, which TLS 1.3 tells us to pass over. */
TEST(t07_endless_handshake)
{
    struct tls_server *s = server_usual();
    struct tls_client *c = client_usual();
    struct tls *client = tls_connect(c, &(struct tls_peer){ .n_names = 0 }, test_now_ms());
    struct tls *server = tls_accept(s, TLS_DOOR_STARTTLS, SPAN("25"), test_now_ms());
    struct buf wire, out;
    buf_init(&wire, 1 << 20);
    buf_init(&out, 1 << 20);
    struct span in = SPAN_NONE;
    CHECK(tls_handshake(client, &in, &wire, NULL) == ERR_AGAIN);
    for (int i = 0; i < 40000; i++)
        buf_put(&wire, span_of("\x14\x03\x03\x00\x01\x01", 6));
    in = buf_span(&wire);
    struct why why = { "" };
    enum err e = tls_handshake(server, &in, &out, &why);
    CHECK(e == ERR_TOO_BIG || e == ERR_REFUSED);
    CHECK(in.n > 0);
    tls_free(client);
    tls_free(server);
    buf_done(&wire);
    buf_done(&out);
    tls_client_unref(c);
    tls_server_unref(s);
}

TEST(t07_big_hello)
{
    struct tls_server *s = server_usual();
    struct buf wire, out;
    buf_init(&wire, 1 << 20);
    buf_init(&out, 1 << 20);
    /* One hello of 0x01ffff bytes in small records, never complete. */
    buf_put(&wire, span_of("\x16\x03\x01\x00\x04\x01\x01\xff\xff", 9));
    for (int i = 0; i < 6000; i++)
        buf_put(&wire, span_of("\x16\x03\x01\x00\x20--------------------------------", 37));
    struct tls *t = tls_accept(s, TLS_DOOR_STARTTLS, SPAN("25"), test_now_ms());
    struct span in = buf_span(&wire);
    struct why why = { "" };
    enum err e = tls_handshake(t, &in, &out, &why);
    CHECK(e == ERR_TOO_BIG || e == ERR_REFUSED);
    CHECK(in.n > 0);
    tls_free(t);
    buf_done(&wire);
    buf_done(&out);
    tls_server_unref(s);
}
