/* The engine: one SSL over a BIO that reads from the caller's `in` and appends to his `out`.
 *
 * Nothing is kept here but what the library keeps: of ciphertext at most a part of a record. Every
 * call begins with engine_enter() and ends with engine_leave(). What a peer may waste is counted in
 * tls_note_message(), and the BIO then gives no more.
 */
#include "io/tls_ossl.h"
#include <openssl/crypto.h>
#include <openssl/err.h>

enum {
    HANDSHAKE_BYTES_MAX = (64 + 100) * 1024, /* all but the chain; and the chain */
    IDLE_RECORDS_MAX = 32,                   /* in a row, without data */
    KEY_UPDATES_MAX = 32,                    /* and one more for each: */
    KEY_UPDATE_BYTES = 1024 * 1024,
    TICKETS_MAX = 32,
    RECORD_PLAIN = 16 * 1024,
    RECORD_OVERHEAD = 96, /* header, nonce, MAC or tag, padding: the most of any suite */
};

/* --- the BIO --- */

static int bio_read(BIO *bio, char *p, int cap)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ASSERT(t->in && cap > 0);
    if (t->flood || t->too_big)
        return -1;
    if (t->in->n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = t->in->n < (size_t)cap ? t->in->n : (size_t)cap;
    memcpy(p, t->in->p, n);
    *t->in = span_tail(*t->in, n);
    if (!t->up) {
        t->handshake_bytes += n;
        t->too_big = t->handshake_bytes > HANDSHAKE_BYTES_MAX;
    }
    return (int)n;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ASSERT(t->out && n >= 0);
    return buf_append(t->out, span_of(p, (size_t)n)) == ERR_OK ? n : -1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method;

static void bio_method_make(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern");
    int ok = bio_method && BIO_meth_set_read(bio_method, bio_read) &&
             BIO_meth_set_write(bio_method, bio_write) && BIO_meth_set_ctrl(bio_method, bio_ctrl);
    ASSERT(ok);
}

static BIO *bio_for(struct tls *t)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    int ok = CRYPTO_THREAD_run_once(&once, bio_method_make);
    ASSERT(ok == 1);
    BIO *bio = BIO_new(bio_method);
    ASSERT(bio);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- what the library tells --- */

void tls_note_info(const SSL *ssl, int where, int ret)
{
    if (!(where & SSL_CB_ALERT))
        return;
    struct tls *t = SSL_get_app_data(ssl);
    bool in = where & SSL_CB_READ;
    if (in) {
        t->has_alert_in = true;
        t->alert_in = (uint8_t)(ret & 0xff);
    } else {
        t->has_alert_out = true;
        t->alert_out = (uint8_t)(ret & 0xff);
    }
}

/* T-05, T-07: records that carry nothing, new keys and tickets without end. */
void tls_note_message(int write_p, int version, int content_type, const void *buf, size_t len,
                      SSL *ssl, void *arg)
{
    (void)version, (void)arg;
    struct tls *t = SSL_get_app_data(ssl);
    if (write_p || !t)
        return;
    if (!t->up) {
        if (content_type == SSL3_RT_HANDSHAKE && len > 0)
            t->asked |= *(const uint8_t *)buf == SSL3_MT_CERTIFICATE_REQUEST;
        return;
    }
    if (content_type == SSL3_RT_HEADER && ++t->idle_records > IDLE_RECORDS_MAX)
        t->flood = "records without data";
    if (content_type != SSL3_RT_HANDSHAKE || len == 0)
        return;
    uint8_t kind = *(const uint8_t *)buf;
    uint64_t updates_max = KEY_UPDATES_MAX + t->plain_bytes / KEY_UPDATE_BYTES;
    if (kind == SSL3_MT_KEY_UPDATE && ++t->key_updates > updates_max)
        t->flood = "key updates";
    if (kind == SSL3_MT_NEWSESSION_TICKET && ++t->tickets > TICKETS_MAX)
        t->flood = "tickets";
}

/* --- life --- */

static struct tls *tls_new(SSL *ssl, int64_t now_ms)
{
    struct tls *t = NEW(struct tls);
    t->ssl = ssl;
    t->now_ms = now_ms;
    SSL_set_app_data(ssl, t);
    BIO *bio = bio_for(t);
    SSL_set_bio(ssl, bio, bio);
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)(now_ms / 1000));
    return t;
}

static char *copy_z(struct span s)
{
    char *z = mem_zalloc(s.n + 1);
    if (s.n)
        memcpy(z, s.p, s.n);
    return z;
}

struct tls *tls_accept(struct tls_server *s, enum tls_door door, struct span listener,
                       int64_t now_ms)
{
    struct tls *t = tls_new(tls_server_ssl(s), now_ms);
    s->refs++;
    t->server = s;
    t->door = door;
    SHA256((const uint8_t *)listener.p, listener.n, t->listener);
    return t;
}

/* What may be shown to this server and to nobody else (T-26): its certificate, its session. */
static void connect_secrets(struct tls *t)
{
    struct tls_client *c = t->client;
    ASSERT(t->peer.identity <= c->n_identity);
    if (t->peer.identity > 0) {
        bool ok = tls_pair_show(&c->identity[t->peer.identity - 1], t->ssl);
        ASSERT(ok); /* it was tried when the context was made */
    }
    struct span key = t->peer.reuse_key;
    SSL_SESSION *session = key.n ? tls_client_session(c, key, t->now_ms) : NULL;
    if (session) {
        SSL_set_session(t->ssl, session); /* one that does not fit is passed over */
        SSL_SESSION_free(session);
    }
}

struct tls *tls_connect(struct tls_client *c, const struct tls_peer *peer, int64_t now_ms)
{
    struct tls *t = tls_new(tls_client_ssl(c), now_ms);
    c->refs++;
    t->client = c;
    t->peer = *peer;
    t->peer.reuse_key = span_of(copy_z(peer->reuse_key), peer->reuse_key.n);
    t->peer.server_name = SPAN_NONE;
    if (peer->server_name.n > 0 && peer->server_name.n <= TLS_SNI_MAX) {
        t->sni = copy_z(peer->server_name);
        t->peer.server_name = span_z(t->sni);
        int ok = SSL_set_tlsext_host_name(t->ssl, t->sni) == 1;
        ASSERT(ok);
    }
    connect_secrets(t);
    return t;
}

/* A session that its connection did not end by a fatal error may be resumed, whichever way the
 * connection ended: whether mail was cut short is told by other means. */
void tls_free(struct tls *t)
{
    if (!t)
        return;
    if (t->up && !t->broken)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    ERR_clear_error();
    tls_server_unref(t->server);
    tls_client_unref(t->client);
    mem_free(t->sni);
    mem_free((char *)t->peer.reuse_key.p);
    mem_free(t->shown);
    mem_free(t);
}

/* --- calls into the library --- */

static void engine_enter(struct tls *t, struct span *in, struct buf *out)
{
    ASSERT(!t->in && !t->out); /* no call inside another */
    t->in = in;
    t->out = out;
    ERR_clear_error();
}

static void engine_leave(struct tls *t)
{
    t->in = NULL;
    t->out = NULL;
    ERR_clear_error();
}

static const char *version_text(unsigned version)
{
    switch (version) {
    case SSL3_VERSION:
        return "SSL 3.0";
    case TLS1_VERSION:
        return "TLS 1.0";
    case TLS1_1_VERSION:
        return "TLS 1.1";
    default:
        return "an unknown version";
    }
}

/* Why the handshake failed, from what the library left behind. */
static void explain_failure(const struct tls *t, struct why *why)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);
    bool version = ERR_GET_LIB(error) == ERR_LIB_SSL &&
                   (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW);
    if (t->too_big)
        why_set(why, "the peer sent more than %d bytes of handshake", HANDSHAKE_BYTES_MAX);
    else if (t->has_alert_in && t->alert_in != SSL_AD_CLOSE_NOTIFY)
        why_set(why, "peer sent alert: %s", SSL_alert_desc_string_long(t->alert_in));
    else if (t->has_alert_in)
        why_set(why, "peer ended TLS during the handshake");
    else if (version && t->server)
        why_set(why, "client offered no version we accept (%s)", version_text(t->offered));
    else if (version)
        why_set(why, "server chose a version we do not accept");
    else
        why_set(why, "%s", text ? text : "the handshake failed");
    if (t->has_alert_out && why) {
        char cause[WHY_BYTES_MAX];
        memcpy(cause, why->text, sizeof cause);
        why_set(why, "%s; sent alert: %s", cause, SSL_alert_desc_string_long(t->alert_out));
    }
}

enum err tls_handshake(struct tls *t, struct span *in, struct buf *out, struct why *why)
{
    ASSERT(!t->up);
    if (t->broken) {
        why_set(why, "the handshake has failed before");
        return ERR_REFUSED;
    }
    engine_enter(t, in, out);
    int got = SSL_do_handshake(t->ssl);
    enum err e = ERR_OK;
    if (got == 1) {
        t->up = true;
        tls_facts_gather(t);
    } else if (SSL_get_error(t->ssl, got) == SSL_ERROR_WANT_READ) {
        e = ERR_AGAIN;
    } else {
        t->broken = true;
        explain_failure(t, why);
        e = t->too_big ? ERR_TOO_BIG : ERR_REFUSED;
    }
    engine_leave(t);
    return e;
}

enum err tls_read(struct tls *t, struct span *in, struct buf *out, char *p, size_t cap,
                  size_t *ret_n)
{
    ASSERT(t->up && cap > 0);
    if (t->broken)
        return ERR_IO;
    engine_enter(t, in, out);
    size_t n = 0;
    enum err e = ERR_OK;
    if (SSL_read_ex(t->ssl, p, cap, &n) == 1) {
        t->idle_records = 0;
        t->plain_bytes += n;
        *ret_n = n;
    } else {
        int error = SSL_get_error(t->ssl, 0);
        e = error == SSL_ERROR_ZERO_RETURN              ? ERR_CLOSED
            : error == SSL_ERROR_WANT_READ && !t->flood ? ERR_AGAIN
                                                        : ERR_IO;
    }
    if (e == ERR_IO)
        t->broken = true;
    engine_leave(t);
    return e;
}

enum err tls_write(struct tls *t, struct span plain, struct buf *out)
{
    ASSERT(t->up);
    if (t->broken)
        return ERR_IO;
    if (plain.n == 0)
        return ERR_OK;
    char *room;
    size_t worst = plain.n + (plain.n / RECORD_PLAIN + 1) * RECORD_OVERHEAD;
    TRY(buf_reserve(out, worst, &room));
    struct span nothing = SPAN_NONE;
    engine_enter(t, &nothing, out);
    size_t n = 0;
    bool ok = SSL_write_ex(t->ssl, plain.p, plain.n, &n) == 1 && n == plain.n;
    engine_leave(t);
    t->broken = !ok;
    return ok ? ERR_OK : ERR_IO;
}

void tls_close(struct tls *t, struct buf *out)
{
    if (!t->up || t->broken)
        return;
    struct span nothing = SPAN_NONE;
    engine_enter(t, &nothing, out);
    (void)SSL_shutdown(t->ssl); /* without room for it the peer sees a FIN alone */
    engine_leave(t);
}

const struct tls_facts *tls_facts(const struct tls *t)
{
    return &t->facts;
}
