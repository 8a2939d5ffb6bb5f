/* Contexts: versions, suites, identities, trust, tickets, sessions to resume.
 *
 * A server has one SSL_CTX a site. A connection begins in the fallback's and moves to that of its
 * name in the client_hello callback, before anything else of the hello is judged. Start reading at
 * tls_server_new() and tls_client_new(); tls_limits() is what holds for everyone.
 */
#include "io/tls_ossl.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum {
    CHAIN_BYTES_MAX = 100 * 1024,
    SESSIONS_MAX = 1024, /* kept by one client */
    TICKET_LIFE_S = 3600,
};

/* The published list, docs/tls.md: what is forward secret and AEAD, then what "legacy" adds. */
#define SUITES_1_3 "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_DEFAULT                                                                             \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_LEGACY                                                                              \
    SUITES_DEFAULT                                                                                 \
    ":ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA"   \
    ":AES256-GCM-SHA384:AES128-GCM-SHA256"

/* A library that does not know one name of such a list refuses all of it: the first that it takes.
 */
static const char *const group_lists[] = {
    "X25519MLKEM768:X25519:P-256:P-384",
    "X25519:P-256:P-384",
};

/* --- what holds for everyone --- */

static void tls_groups(SSL_CTX *ctx)
{
    for (size_t i = 0; i < COUNTOF(group_lists); i++) {
        if (SSL_CTX_set1_groups_list(ctx, group_lists[i]) == 1)
            return;
    }
    ASSERT(false); /* the last list is older than any library we build with */
}

static void tls_limits(SSL_CTX *ctx, enum tls_profile profile)
{
    const char *suites = profile == TLS_PROFILE_LEGACY ? SUITES_LEGACY : SUITES_DEFAULT;
    SSL_CTX_set_security_level(ctx, TLS_SECURITY_LEVEL);
    int ok = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
             SSL_CTX_set_max_proto_version(ctx, 0) == 1 &&
             SSL_CTX_set_ciphersuites(ctx, SUITES_1_3) == 1 &&
             SSL_CTX_set_cipher_list(ctx, suites) == 1;
    ASSERT(ok);
    tls_groups(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
    SSL_CTX_set_timeout(ctx, TICKET_LIFE_S);
    SSL_CTX_set_info_callback(ctx, tls_note_info);
    SSL_CTX_set_msg_callback(ctx, tls_note_message);
    SSL_CTX_set_cert_verify_callback(ctx, tls_judge_chain, NULL);
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_depth(param, TLS_CHAIN_DEPTH_MAX);
}

static SSL_CTX *tls_new_ctx(const SSL_METHOD *method, enum tls_profile profile)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    ASSERT(ctx);
    tls_limits(ctx, profile);
    return ctx;
}

/* --- tickets (T-24) --- */

struct ticket_key {
    uint8_t name[16], cipher[32], mac[32];
};

/* The key that `secret` gives for this very place: door, listener, site (with its identities and
 * the configuration), and the name asked for. Anywhere else, another key comes out. */
static void ticket_key(const struct tls *t, unsigned which, struct ticket_key *ret)
{
    static const char label[] = "postern session ticket";
    uint8_t text[sizeof label + 1 + 3 * TLS_DIGEST], *p = text;
    memcpy(p, label, sizeof label);
    p += sizeof label;
    *p++ = (uint8_t)t->door;
    memcpy(p, t->listener, TLS_DIGEST);
    memcpy(p + TLS_DIGEST, t->site->digest, TLS_DIGEST);
    const char *sni = t->sni ? t->sni : "";
    SHA256((const uint8_t *)sni, strlen(sni), p + 2 * TLS_DIGEST);

    uint8_t stream[2][64];
    STATIC_ASSERT(sizeof *ret <= sizeof stream);
    for (uint8_t i = 0; i < 2; i++) {
        text[sizeof label - 1] = i; /* in the place of the NUL */
        unsigned n = 0;
        const uint8_t *ok = HMAC(EVP_sha512(), t->server->ticket_secret[which], TLS_DIGEST, text,
                                 sizeof text, stream[i], &n);
        ASSERT(ok && n == sizeof stream[i]);
    }
    memcpy(ret, stream, sizeof *ret);
    explicit_bzero(stream, sizeof stream);
}

static bool ticket_arm(const struct tls_server *s, const struct ticket_key *key, const uint8_t *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int enc)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1 &&
           EVP_CipherInit_ex2(cipher, s->ticket_cipher, key->cipher, iv, enc, NULL) == 1;
}

/* 1: use it. 2: use it and make a new one, because it was made with the secret of before, or
 * because the client may use it only once (TLS 1.3). 0: not ours. */
static int ticket_callback(SSL *ssl, unsigned char name[16], unsigned char *iv,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int enc)
{
    const struct tls *t = SSL_get_app_data(ssl);
    struct ticket_key key;
    int answer = 0;
    for (unsigned which = 0; which < (enc ? 1u : 2u) && answer == 0; which++) {
        ticket_key(t, which, &key);
        if (enc) {
            memcpy(name, key.name, sizeof key.name);
            if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(t->server->ticket_cipher)) != 1)
                return -1;
        } else if (CRYPTO_memcmp(name, key.name, sizeof key.name) != 0) {
            continue;
        }
        bool again = !enc && (which > 0 || SSL_version(ssl) >= TLS1_3_VERSION);
        answer = !ticket_arm(t->server, &key, iv, cipher, mac, enc) ? -1 : again ? 2 : 1;
    }
    explicit_bzero(&key, sizeof key);
    return answer;
}

/* What was found of the client's chain travels in the ticket, sealed with the rest. */
static int ticket_fill(SSL *ssl, void *arg)
{
    (void)arg;
    tls_chain_keep(SSL_get_app_data(ssl), SSL_get_session(ssl));
    return 1;
}

/* --- the client's hello --- */

static const struct tls_site_ctx *site_find(const struct tls_server *s, struct span name)
{
    const struct tls_site_ctx *site = map_get(&s->by_name, name);
    size_t dot = span_find(name, '.');
    if (!site && dot < name.n) {
        char pattern[TLS_SNI_MAX + 2] = "*";
        memcpy(pattern + 1, name.p + dot, name.n - dot);
        site = map_get(&s->by_name, span_of(pattern, name.n - dot + 1));
    }
    return site ? site : s->fallback;
}

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* The one host name of the extension, lower case, or the empty name for all that is not one
 * (T-25). */
static void hello_name(SSL *ssl, char ret[static TLS_SNI_MAX + 1])
{
    const unsigned char *p;
    size_t n;
    ret[0] = '\0';
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < 5 ||
        get16(p) != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name || get16(p + 3) != n - 5)
        return;
    struct span name = span_of((const char *)p + 5, n - 5);
    if (name.n == 0 || name.n > TLS_SNI_MAX)
        return;
    bool letter = false;
    for (size_t i = 0; i < name.n; i++) {
        char c = ascii_lower(name.p[i]);
        letter |= c >= 'a' && c <= 'z';
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            letter = false, i = name.n;
        else
            ret[i] = c;
    }
    ret[letter ? name.n : 0] = '\0'; /* without a letter it is an address */
}

/* The highest version that is offered, for messages. */
static uint16_t hello_version(SSL *ssl)
{
    unsigned best = 0;
    const unsigned char *p;
    size_t n;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) == 1 && n > 1) {
        for (size_t i = 1; i + 1 < n; i += 2) {
            unsigned version = get16(p + i);
            if (version >> 8 == SSL3_VERSION_MAJOR && version > best) /* not GREASE */
                best = version;
        }
    }
    return (uint16_t)(best ? best : SSL_client_hello_get0_legacy_version(ssl));
}

static int hello_callback(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    struct tls *t = SSL_get_app_data(ssl);
    char name[TLS_SNI_MAX + 1];
    hello_name(ssl, name);
    if (t->site) { /* the second hello, after a retry request, must ask for the same name */
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return strcmp(name, t->sni ? t->sni : "") == 0 ? SSL_CLIENT_HELLO_SUCCESS
                                                       : SSL_CLIENT_HELLO_ERROR;
    }
    t->offered = hello_version(ssl);
    if (name[0]) {
        size_t n = strlen(name) + 1;
        t->sni = mem_alloc(n);
        memcpy(t->sni, name, n);
    }
    t->site = site_find(t->server, span_z(name));
    SSL_CTX *ctx = SSL_set_SSL_CTX(ssl, t->site->ctx);
    ASSERT(ctx);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* The choice was made already; a name we know is acknowledged (RFC 6066 section 3). */
static int name_callback(SSL *ssl, int *alert, void *arg)
{
    (void)alert, (void)arg;
    const struct tls *t = SSL_get_app_data(ssl);
    return t->site && t->site->name[0] ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* Who names protocols and not this one is at the wrong door, if the door tells (T-50). */
static int alpn_callback(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                         const unsigned char *in, unsigned n, void *arg)
{
    const struct tls *t = SSL_get_app_data(ssl);
    (void)arg;
    for (unsigned i = 0; i < n; i += 1u + in[i]) {
        if (in[i] == 4 && n - i > 4 && memcmp(in + i + 1, "smtp", 4) == 0) {
            *ret = in + i + 1;
            *ret_n = 4;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return t->door == TLS_DOOR_IMPLICIT ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* --- servers --- */

static void digest_add(EVP_MD_CTX *md, struct span s)
{
    uint64_t n = s.n;
    int ok = EVP_DigestUpdate(md, &n, sizeof n) && EVP_DigestUpdate(md, s.p, s.n);
    ASSERT(ok);
}

static void site_digest(const struct tls_server_config *config, const struct tls_site *site,
                        uint8_t ret[static TLS_DIGEST])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    ASSERT(ok);
    char flags[] = { (char)config->profile, (char)config->ask_client_cert };
    digest_add(md, span_of(flags, sizeof flags));
    digest_add(md, config->binding);
    digest_add(md, config->client_ca_pem);
    digest_add(md, config->partner_ca_pem);
    digest_add(md, site->name);
    for (unsigned i = 0; i < site->n_identity; i++)
        digest_add(md, site->identity[i].chain_pem);
    ok = EVP_DigestFinal_ex(md, ret, NULL);
    ASSERT(ok);
    EVP_MD_CTX_free(md);
}

static void site_tickets(struct tls_site_ctx *site, bool tickets)
{
    SSL_CTX_set_session_cache_mode(site->ctx, SSL_SESS_CACHE_OFF);
    int ok = SSL_CTX_set_session_id_context(site->ctx, site->digest, TLS_DIGEST);
    ASSERT(ok == 1);
    SSL_CTX_set_num_tickets(site->ctx, tickets ? 1 : 0);
    SSL_CTX_set_session_ticket_cb(site->ctx, ticket_fill, NULL, NULL);
    if (tickets)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(site->ctx, ticket_callback);
    else
        SSL_CTX_set_options(site->ctx, SSL_OP_NO_TICKET);
}

static enum err site_init(struct tls_site_ctx *site, const struct tls_server_config *config,
                          const struct tls_site *from, bool tickets, struct why *why)
{
    site->name = mem_zalloc(from->name.n + 1);
    for (size_t i = 0; i < from->name.n; i++)
        site->name[i] = ascii_lower(from->name.p[i]);
    site_digest(config, from, site->digest);
    site->ctx = tls_new_ctx(TLS_server_method(), config->profile);
    SSL_CTX_set_client_hello_cb(site->ctx, hello_callback, NULL);
    SSL_CTX_set_tlsext_servername_callback(site->ctx, name_callback);
    SSL_CTX_set_alpn_select_cb(site->ctx, alpn_callback, NULL);
    X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(site->ctx), X509_PURPOSE_ANY);
    if (config->ask_client_cert)
        SSL_CTX_set_verify(site->ctx, SSL_VERIFY_PEER, NULL);
    site_tickets(site, tickets);
    uint64_t types = 0;
    for (unsigned i = 0; i < from->n_identity; i++)
        TRY(tls_identity_use(site->ctx, &from->identity[i], &types, why));
    if (types != 0)
        return ERR_OK;
    why_set(why, "no certificate for \"%s\"", site->name);
    return ERR_SYNTAX;
}

static bool any_byte(const uint8_t *p, size_t n)
{
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= p[i];
    return all != 0;
}

static void random_hash_key(struct hash_key *ret)
{
    int ok = RAND_bytes((unsigned char *)ret->k, sizeof ret->k);
    ASSERT(ok == 1);
}

static enum err server_trust(struct tls_server *s, const struct tls_server_config *config,
                             X509_STORE **ret, struct why *why)
{
    X509_STORE *store;
    TRY(tls_trust_store(config->client_ca_pem, &store, why));
    enum err e = ERR_OK;
    if (config->partner_ca_pem.n > 0)
        e = tls_trust_add(&store, config->partner_ca_pem, &s->private_ca, why);
    if (e == ERR_OK)
        *ret = store;
    else
        X509_STORE_free(store);
    return e;
}

static enum err server_fill(struct tls_server *s, const struct tls_server_config *config,
                            struct why *why)
{
    X509_STORE *store;
    if (config->n_site == 0) {
        why_set(why, "no certificate is configured");
        return ERR_SYNTAX;
    }
    TRY(server_trust(s, config, &store, why));
    enum err e = ERR_OK;
    for (unsigned i = 0; i < config->n_site && e == ERR_OK; i++) {
        struct tls_site_ctx *site = &s->site[s->n_site++];
        e = site_init(site, config, &config->site[i], s->tickets, why);
        SSL_CTX_set1_cert_store(site->ctx, store);
        map_put(&s->by_name, span_z(site->name), site);
    }
    X509_STORE_free(store);
    s->fallback = map_get(&s->by_name, SPAN(""));
    if (!s->fallback)
        s->fallback = &s->site[0];
    return e;
}

enum err tls_server_new(const struct tls_server_config *config, struct tls_server **ret,
                        struct why *why)
{
    struct tls_server *s = NEW(struct tls_server);
    struct hash_key key;
    random_hash_key(&key);
    s->refs = 1;
    map_init(&s->by_name, &key);
    s->site = mem_zalloc(config->n_site * sizeof *s->site);
    s->tickets = any_byte(config->ticket_secret[0], TLS_DIGEST);
    memcpy(s->ticket_secret, config->ticket_secret, sizeof s->ticket_secret);
    s->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    ASSERT(s->ticket_cipher);
    enum err e = server_fill(s, config, why);
    if (e == ERR_OK)
        *ret = s;
    else
        tls_server_unref(s);
    return e;
}

void tls_server_unref(struct tls_server *s)
{
    if (!s || --s->refs > 0)
        return;
    for (unsigned i = 0; i < s->n_site; i++) {
        SSL_CTX_free(s->site[i].ctx);
        mem_free(s->site[i].name);
    }
    mem_free(s->site);
    map_done(&s->by_name);
    mem_free(s->private_ca.item);
    EVP_CIPHER_free(s->ticket_cipher);
    explicit_bzero(s->ticket_secret, sizeof s->ticket_secret);
    mem_free(s);
}

SSL *tls_server_ssl(struct tls_server *s)
{
    SSL *ssl = SSL_new(s->fallback->ctx);
    ASSERT(ssl);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* --- clients and their sessions --- */

struct tls_session {
    struct list in; /* by_age */
    SSL_SESSION *session;
    struct span key; /* owned */
};

static void session_drop(struct tls_client *c, struct tls_session *s)
{
    map_del(&c->sessions, s->key);
    list_remove(&s->in);
    SSL_SESSION_free(s->session);
    mem_free((char *)s->key.p);
    mem_free(s);
}

static int64_t session_start_s(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
    return SSL_SESSION_get_time_ex(session);
#else
    return SSL_SESSION_get_time(session);
#endif
}

SSL_SESSION *tls_client_session(struct tls_client *c, struct span reuse_key, int64_t now_ms)
{
    struct tls_session *s = map_get(&c->sessions, reuse_key);
    if (!s)
        return NULL;
    int64_t end_s = session_start_s(s->session) + SSL_SESSION_get_timeout(s->session);
    if (end_s <= now_ms / 1000 || SSL_SESSION_is_resumable(s->session) != 1) {
        session_drop(c, s);
        return NULL;
    }
    SSL_SESSION *session = s->session;
    SSL_SESSION_up_ref(session);
    if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
        session_drop(c, s); /* = RFC 8446 C.4: "Clients SHOULD NOT reuse a ticket" */
    return session;
}

/* Takes the reference (1) or does not (0). */
static int session_callback(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    struct tls_client *c = t->client;
    struct span reuse_key = t->peer.reuse_key;
    if (reuse_key.n == 0)
        return 0;
    tls_chain_keep(t, session);
    struct tls_session *s = map_get(&c->sessions, reuse_key);
    if (s)
        session_drop(c, s);
    if (c->sessions.n >= SESSIONS_MAX)
        session_drop(c, LIST_ENTRY(c->by_age.next, struct tls_session, in));
    s = NEW(struct tls_session);
    char *key = mem_alloc(reuse_key.n);
    memcpy(key, reuse_key.p, reuse_key.n);
    s->key = span_of(key, reuse_key.n);
    s->session = session;
    list_push(&c->by_age, &s->in);
    map_put(&c->sessions, s->key, s);
    return 1;
}

SSL *tls_client_ssl(struct tls_client *c)
{
    SSL *ssl = SSL_new(c->ctx);
    ASSERT(ssl);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* A certificate that the library would not take is found out here, not on some connection. */
static enum err client_identity(struct tls_client *c, const struct tls_identity *id,
                                struct why *why)
{
    struct tls_pair *p = &c->identity[c->n_identity++];
    TRY(tls_pair_read(p, id, why));
    SSL *ssl = tls_client_ssl(c);
    bool fine = tls_pair_show(p, ssl);
    SSL_free(ssl);
    if (fine)
        return ERR_OK;
    tls_pair_refused(why);
    return ERR_SYNTAX;
}

static enum err client_fill(struct tls_client *c, const struct tls_client_config *config,
                            struct why *why)
{
    c->identity = mem_zalloc(config->n_identity * sizeof *c->identity);
    for (unsigned i = 0; i < config->n_identity; i++) {
        enum err e = client_identity(c, &config->identity[i], why);
        if (e == ERR_OK)
            continue;
        why_prefix(why, "%.*s", SPAN_ARG(config->identity[i].file));
        return e;
    }
    return ERR_OK;
}

enum err tls_client_new(const struct tls_client_config *config, struct tls_client **ret,
                        struct why *why)
{
    X509_STORE *store;
    TRY(tls_trust_store(config->ca_pem, &store, why));
    struct tls_client *c = NEW(struct tls_client);
    struct hash_key key;
    random_hash_key(&key);
    c->refs = 1;
    map_init(&c->sessions, &key);
    list_init(&c->by_age);
    c->ctx = tls_new_ctx(TLS_client_method(), config->profile);
    SSL_CTX_set1_cert_store(c->ctx, store);
    X509_STORE_free(store);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, session_callback);
    int ok = SSL_CTX_dane_enable(c->ctx); /* no connection is: only those that tls_dane.c makes */
    ASSERT(ok == 1);
    enum err e = client_fill(c, config, why);
    if (e == ERR_OK)
        *ret = c;
    else
        tls_client_unref(c);
    return e;
}

void tls_client_unref(struct tls_client *c)
{
    if (!c || --c->refs > 0)
        return;
    while (!list_empty(&c->by_age))
        session_drop(c, LIST_ENTRY(c->by_age.next, struct tls_session, in));
    map_done(&c->sessions);
    for (unsigned i = 0; i < c->n_identity; i++)
        tls_pair_done(&c->identity[i]);
    mem_free(c->identity);
    SSL_CTX_free(c->ctx);
    mem_free(c);
}
